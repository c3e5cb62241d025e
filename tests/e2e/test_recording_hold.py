"""Music on hold plays to the customer while the call is recorded: both sides stay in the file."""

from __future__ import annotations

from tests.e2e.conftest import OpenPage
from tests.e2e.desk import projected, ready_agent, recorded, state_is, talk
from tests.support.sound import RATE, SPEECH, loudest, sides
from tests.support.whole import Whole

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
        assert loudest(side[-2 * RATE :]) > SPEECH
