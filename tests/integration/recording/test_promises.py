"""What is recorded, paused and judged, in the whole product: its files are listened to.

All tests share one product; nobody is signed in when a test begins.
"""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from config.floor import Floor
from cti.sandbox.pbx import Tree
from cti.sandbox.postgres import Postgres
from cti.sandbox.system import Place
from recording.files import SILENT_PEAK, Spool
from recording.worker import SIDE_MATTERS_SECONDS, TOLERANCE_SECONDS
from tests.support.customers import Centre, Customer, centre_of
from tests.support.sandbox import TestSandbox
from tests.support.sound import RATE, SPEECH, loudest, sides
from tests.support.until import until

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]

PROMISED_SECONDS = 60
"""So soon after the call an alarm is before the leader's eyes."""
UNWRITTEN_SECONDS = 2.1
"""Asterisk writes a file in blocks of 32 KiB."""
LISTENED_SECONDS = 1.0
"""With what may not be written yet longer than the far end needs to notice that nobody speaks."""
QUEUES: dict[str, dict[str, Any]] = {
    "always": {},
    "never": {"recording": "never"},
    "no_share": {"recording": "share", "recording_share": 0.0},
    "whole_share": {"recording": "share", "recording_share": 1.0},
}
AGENTS = ("1001", "1002", "1003", "1004")
FLOOR = Floor.model_validate(
    {
        "queues": [
            {"name": name, "wrap_up_seconds": 0, "ring_seconds": 15, **rules}
            for name, rules in QUEUES.items()
        ],
        "agents": [
            {
                "id": agent_id,
                "name": f"Agent {agent_id}",
                "queues": [{"queue": name} for name in QUEUES],
            }
            for agent_id in AGENTS
        ],
        "extensions": [{"number": f"8{each[1:]}", "kind": "desk"} for each in AGENTS],
    }
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(
    place: Place, tree: Tree, pbx_tree: Tree, postgres: Postgres, migrated: str
) -> AsyncIterator[Centre]:
    """Start one product for all tests here."""
    sandbox = TestSandbox(place, pbx_tree, phones=tree)
    async with centre_of(sandbox, postgres, migrated, FLOOR, {}) as centre:
        yield centre


@pytest_asyncio.fixture(loop_scope="module")
async def centre(shared: Centre) -> AsyncIterator[Centre]:
    """Give each test the product with nobody in it."""
    yield shared
    await shared.go_home()


async def test_the_queue_says_whether_a_call_is_recorded(centre: Centre) -> None:
    (agent,) = await centre.agents("1001")
    customers = []
    for queue in ("never", "no_share", "whole_share"):
        customer = await centre.talks(queue, "1001")
        await customer.caller.hears()
        await customer.hang_up()
        assert await centre.ended(customer) == "answered"
        await agent.state("ready")
        customers.append(customer)
    *others, recorded = customers
    assert loudest(await stored(centre, recorded, "agent")) > SPEECH
    begun = {each["call_id"] for each in await centre.site.events("RecordingStarted")}
    assert not begun & {customer.call_id for customer in others}
    spool = centre.site.site.spool
    assert not [file for each in others for file in spool.glob(f"{each.leg_id}*")]


async def test_what_is_said_in_a_pause_is_not_in_the_stored_file(centre: Centre) -> None:
    (agent,) = await centre.agents("1001")
    customer = await centre.talks("always", "1001")
    phone = centre.site.far_end.agent("8001")
    taken = Taken(centre, (await centre.of(customer, "RecordingStarted"))["file"])
    await until(lambda: taken.is_loud_after(0))

    await agent.act(f"/agent/calls/{customer.call_id}/recording/pause")
    begin = taken.samples() + int(UNWRITTEN_SECONDS * RATE)
    await until(lambda: taken.samples() > begin + LISTENED_SECONDS * RATE)
    await asyncio.gather(customer.caller.hears(), phone.hears())
    end = taken.samples()
    await agent.act(f"/agent/calls/{customer.call_id}/recording/resume")
    await until(lambda: taken.is_loud_after(end))
    await customer.hang_up()

    for side in ("customer", "agent"):
        samples = await stored(centre, customer, side)
        assert loudest(samples[:begin]) > SPEECH
        assert loudest(samples[begin:end]) == 0
        assert loudest(samples[end:]) > SPEECH
    paused = await centre.of(customer, "RecordingPaused", agent_id="1001")
    resumed = await centre.of(customer, "RecordingResumed", agent_id="1001")
    assert resumed["at"] - paused["at"] > LISTENED_SECONDS


async def test_a_recording_that_is_wrong_is_before_the_leader_within_a_minute(
    centre: Centre,
) -> None:
    """And no other: neither one that is silent since it was paused, nor one that nobody wants."""
    leader = await centre.site.supervisor()
    _, _, pausing, _ = await centre.agents(*AGENTS)
    unrecorded = await centre.talks("never", "1001")
    await unrecorded.hang_up()
    cut = await centre.talks("always", "1002")
    await centre.watch.act("StopMixMonitor", Channel=cut.leg_id)
    stopped_at = time.monotonic()
    paused, silent = await talks_silenced(centre, "1003", "customer", "agent")
    await pausing.act(f"/agent/calls/{paused.call_id}/recording/pause")
    await mute(centre, *silent, state="off")
    unheard, _ = await talks_silenced(centre, "1004", "customer")
    await until(lambda: time.monotonic() > stopped_at + 2 * TOLERANCE_SECONDS)
    await cut.hang_up()
    last = Taken(centre, (await centre.of(unheard, "RecordingStarted"))["file"])
    await until(lambda: last.samples() > (SIDE_MATTERS_SECONDS + 1) * RATE)
    await paused.hang_up()
    await unheard.hang_up()

    wrong = {cut.call_id: "too_short", unheard.call_id: "customer_silent"}
    assert leader.live is not None
    async with asyncio.timeout(PROMISED_SECONDS):
        await leader.live.wait_for(lambda rows: wrong.items() <= alarms(rows).items())
    for customer in (cut, unheard):
        faulty = await centre.of(customer, "RecordingFaulty", fault=wrong[customer.call_id])
        ended = await centre.of(customer, "CallEnded")
        assert faulty["at"] - ended["at"] < PROMISED_SECONDS
    assert loudest(await stored(centre, unheard, "customer")) < SILENT_PEAK
    assert loudest(await stored(centre, unheard, "agent")) > SPEECH
    for side in ("customer", "agent"):
        samples = await stored(centre, paused, side)
        assert len(samples) > SIDE_MATTERS_SECONDS * RATE
        assert loudest(samples) < SILENT_PEAK
    assert alarms(leader.live.rows) == wrong


class Taken:
    """A recording that Asterisk writes now."""

    def __init__(self, centre: Centre, file: str) -> None:
        self._sides = Spool(centre.site.site.spool).sides(file)

    def samples(self) -> int:
        """How many of both sides are written by now."""
        return min(side.stat().st_size // 2 if side.exists() else 0 for side in self._sides)

    def is_loud_after(self, begin: int) -> bool:
        """Whether both sides have any sound from this sample on."""
        return all(loudest(_written(side)[begin:]) > SPEECH for side in self._sides)


def _written(side: Path) -> array[int]:
    data = side.read_bytes() if side.exists() else b""
    return array("h", data[: len(data) // 2 * 2])


async def stored(centre: Centre, customer: Customer, side: str) -> array[int]:
    """Wait until a call's recording is stored; the samples of one side."""
    path = (await centre.of(customer, "RecordingStored"))["path"]
    of_customer, of_agent = sides(centre.site.site.folder / "store" / path)
    return {"customer": of_customer, "agent": of_agent}[side]


async def talks_silenced(centre: Centre, agent_id: str, *silent: str) -> tuple[Customer, list[str]]:
    """Somebody talks to this agent; customer or agent send no sound. Their channels are told."""
    customer = await centre.waits("always")
    phone = centre.site.far_end.agent(f"8{agent_id[1:]}")
    await phone.ringing.wait()
    channels = {"customer": customer.caller.uniqueid, "agent": phone._channel}
    silenced = [channels[each] for each in silent]
    await mute(centre, *silenced, state="on")
    await centre.picks_up(agent_id)
    await centre.of(customer, "QueueLeft", reason="answered", agent_id=agent_id)
    return customer, silenced


async def mute(centre: Centre, *channels: str, state: str) -> None:
    """Let these channels of the far end send nothing, or sound again."""
    for channel in channels:
        await centre.site.far_end.remote.act(
            "MuteAudio", Channel=channel, Direction="out", State=state
        )


def alarms(rows: dict[str, dict[str, Any]]) -> dict[str, str]:
    """The calls whose recordings the wallboard shows as faulty, and what is wrong."""
    params = [row["params"] for row in rows.get("alarms", {}).values()]
    return {each["call_id"]: each["fault"] for each in params if "fault" in each}
