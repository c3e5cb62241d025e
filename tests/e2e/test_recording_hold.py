"""Music on hold plays to the customer while the call is recorded: both sides stay in the file."""

from __future__ import annotations

import wave
from array import array
from pathlib import Path

from tests.e2e.conftest import OpenPage
from tests.e2e.desk import projected, ready_agent, recorded, state_is, talk
from tests.support.whole import Whole

SPEECH = 500  # peak amplitude
RATE = 8000
HOLDS = 4
TALK_MS = 2500
"""The browser's microphone beeps once a second."""


async def test_both_sides_stand_in_the_recording_after_holds(
    centre: Whole, open_page: OpenPage
) -> None:
    agent = await open_page()
    await ready_agent(agent)
    caller = await talk(centre, agent)
    await caller.hears()
    for number in range(1, HOLDS + 1):
        await agent.keyboard.press("Alt+h")
        await state_is(agent, "hold")
        await centre.journalled("LegHeld", count=number)
        await agent.wait_for_timeout(500)
        await agent.keyboard.press("Alt+h")
        await state_is(agent, "talking")
        await centre.journalled("LegResumed", count=number)
        await agent.wait_for_timeout(TALK_MS)
        await caller.hears()
    await caller.hang_up()
    call_id = await recorded(centre)
    path = await projected(centre, "SELECT path FROM recordings WHERE call_id = $1", call_id)
    for side in sides(centre.site.folder / "store" / path):
        assert max(map(abs, side[-2 * RATE :])) > SPEECH


def sides(path: Path) -> list[array[int]]:
    """The customer's samples and the agent's."""
    with wave.open(str(path)) as file:
        assert (file.getnchannels(), file.getframerate()) == (2, RATE)
        samples = array("h", file.readframes(file.getnframes()))
    return [samples[0::2], samples[1::2]]
