"""What Asterisk records, through the dialplan, into the store."""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from cti.domain import CallEnded, Recorded, RecordingStarted
from cti.inputs import Input, RecordingChecked
from cti.sandbox.far_end import Caller
from recording.files import SILENT_PEAK, Spool, Store
from recording.worker import RecordingWorker
from tests.support.dialplan import Site, floor, site
from tests.support.sandbox import TestSandbox
from tests.support.sound import loudest, sides
from tests.transcripts.phone import Phone

pytestmark = pytest.mark.asterisk

SPEECH = 1000  # peak amplitude
TONE = b"\x00\x80" * 4
"""Loud, in mu-law."""


@pytest_asyncio.fixture
async def centre(sandbox: TestSandbox) -> AsyncIterator[Site]:
    """Start a PBX with our dialplan."""
    async with site(sandbox, floor(wrap_up_seconds=0)) as centre:
        yield centre


async def test_customer_is_left_and_agent_is_right(centre: Site, tmp_path: Path) -> None:
    """The agent says nothing here, so the right side must be silent, and the other way round."""
    customer_only = await _talk(centre, agent_speaks=False, customer_speaks=True)
    left, right = await _stored(centre, customer_only, tmp_path / "a")
    assert loudest(left) > SPEECH
    assert loudest(right) < SILENT_PEAK
    agent_only = await _talk(centre, agent_speaks=True, customer_speaks=False)
    left, right = await _stored(centre, agent_only, tmp_path / "b")
    assert loudest(right) > SPEECH
    assert loudest(left) < SILENT_PEAK


async def test_nothing_is_recorded_before_the_agent_answers(centre: Site) -> None:
    _, entered = await centre.enter()
    await centre.offer(entered, "o1", flags="r")
    agent = centre.far_end.agent("8001")
    await agent.ringing.wait()
    await asyncio.sleep(1)  # of ringing and music, which must not be in the file
    await agent.answer()
    await centre.server.event("BridgeEnter", Uniqueid=entered["Uniqueid"])
    begun = time.monotonic()
    await asyncio.sleep(1)
    await agent.hang_up()
    talked = time.monotonic() - begun
    await centre.server.event("Hangup", Uniqueid=entered["Uniqueid"])
    seconds = await _settled(centre, entered["Uniqueid"])
    assert seconds == pytest.approx(talked, abs=0.5)


async def test_paused_is_silent_on_both_sides(centre: Site, tmp_path: Path) -> None:
    caller, entered = await centre.enter()
    await centre.offer(entered, "o1", flags="r")
    await _pause_in_talk(centre, caller, entered, entered["Channel"], tmp_path)


async def test_paused_is_silent_in_native_calls_too(centre: Site, tmp_path: Path) -> None:
    """There the agent's channel is recorded, so that is the one to pause."""
    await _serve_natively(centre)
    caller, entered = await centre.enter()
    dialled = await centre.server.event("DialBegin", Uniqueid=entered["Uniqueid"])
    await _pause_in_talk(centre, caller, entered, dialled["DestChannel"], tmp_path)


async def _pause_in_talk(
    centre: Site, caller: Caller, entered: dict[str, str], recorded: str, tmp_path: Path
) -> None:
    agent = centre.far_end.agent("8001")
    await agent.ringing.wait()
    await agent.answer()
    await agent.hears()
    await asyncio.sleep(2)
    muted_at = await _mute(centre, recorded, "1")
    await asyncio.sleep(2)
    await _mute(centre, recorded, "0")
    await asyncio.sleep(2)
    await caller.hang_up()
    bridged_at = float(
        (await centre.server.event("BridgeEnter", Uniqueid=entered["Uniqueid"]))["Timestamp"]
    )
    both = await _stored(centre, entered, tmp_path)
    first = int((muted_at - bridged_at + 0.4) * 8000)
    last = first + int(1.2 * 8000)
    for side in both:
        assert loudest(side[first:last]) == 0
        assert loudest(side[last:]) > 500 or loudest(side[:first]) > 500


async def test_second_agent_goes_into_the_same_recording(centre: Site) -> None:
    """Told anew each time, since it begins unmuted."""
    _, entered = await centre.enter()
    for offer, extension in (("o1", "8001"), ("o2", "8002")):
        await centre.offer(entered, offer, extension, flags="r", ring=1)
        await centre.said("ZxBack", Offer=offer)
    assert [each["File"] for each in centre.heard("ZxRecord")] == [entered["Uniqueid"]] * 2


async def test_agent_is_heard_after_an_offer_that_was_missed(centre: Site, tmp_path: Path) -> None:
    """Music that began while MixMonitor ran would leave about every third of these silent."""
    for number in range(5):
        caller, entered = await centre.enter()
        await centre.offer(entered, f"missed{number}", "8002", flags="r", ring=1)
        await centre.said("ZxBack", Offer=f"missed{number}")
        await centre.stands(entered, "zuoxi-wait")
        await caller.hears()  # music, again
        agent = centre.far_end.agent("8001")
        await centre.offer(entered, f"taken{number}", flags="r")
        await agent.ringing.wait()
        await agent.answer()
        await asyncio.sleep(1.5)
        await caller.hang_up()
        await agent.free.wait()
        left, right = await _stored(centre, entered, tmp_path)
        assert len(right) == pytest.approx(1.5 * 8000, abs=4000)
        assert loudest(left) > SPEECH
        assert loudest(right) > SPEECH
    assert len({each["File"] for each in centre.heard("ZxRecord")}) == 5


async def test_transfer_to_a_queue_goes_on_in_the_same_files(centre: Site, tmp_path: Path) -> None:
    """The next agent is offered at once: a MixMonitor that ends late would silence the next one."""
    caller, entered = await centre.enter()
    talks = ["8001", "8002"] * 3
    for number, extension in enumerate(talks, 1):
        agent = centre.far_end.agent(extension)
        await agent.free.wait()
        await centre.offer(entered, f"o{number}", extension, flags="r")
        await agent.ringing.wait()
        await agent.answer()
        await asyncio.sleep(1.5)
        if number < len(talks):
            await centre.redirect(entered["Channel"], "zuoxi-phones", "support")
            await centre.said("ZxEnter", nth=number + 1)
    await caller.hang_up()
    left, right = await _stored(centre, entered, tmp_path)
    assert len(left) == pytest.approx(1.5 * len(talks) * 8000, abs=2000 * len(talks))
    share = len(right) // len(talks)
    for number in range(len(talks)):
        assert loudest(right[number * share : (number + 1) * share]) > SPEECH
    assert {each["File"] for each in centre.heard("ZxRecord")} == {entered["Uniqueid"]}


async def test_an_attended_transfer_goes_on_in_the_same_files(
    sandbox: TestSandbox, tmp_path: Path
) -> None:
    """The first agent's phone asks 8002 and hands the caller over (REFER with Replaces).

    As decision 13 says, it is transcoded: 8002 speaks wideband alone, as `desk_codecs` makes it.
    """
    block = sandbox.ports(20)
    port, rtp = block.take(), block.take()

    def unregistered(etc: Path) -> None:
        file = etc / "zuoxi_pjsip.conf"
        text = file.read_text().replace("auth = 8001\n", "").replace("qualify_frequency = 30\n", "")
        contact = f"type = aor\ncontact = sip:8001@127.0.0.1:{port}"
        text = text.replace("type = aor", contact, 1).replace(
            "allow = g722", "allow = alaw,ulaw", 1
        )
        file.write_text(text)

    async with site(
        sandbox, floor(wrap_up_seconds=0), edit=unregistered, desk_codecs=("g722",)
    ) as centre:
        await centre.far_end.agent("8001").unregister()
        caller, entered = await centre.enter()
        async with Phone("8001", port, centre.pbx.ports.sip, rtp) as phone:
            await centre.offer(entered, "o1", flags="r")
            talk = await phone.incoming.get()
            talk.answer()
            await talk.speak(1.5, sample=TONE)
            asked = phone.call("8002")
            answered = asyncio.create_task(asked.answered())
            agent = centre.far_end.agent("8002")
            await agent.ringing.wait()
            await agent.answer()
            await answered
            await talk.transfer("8002", replaces=asked)
            await centre.server.event("AttendedTransfer")
            await caller.hears()
            await asyncio.sleep(2)
        await caller.hang_up()
        left, right = await _stored(centre, entered, tmp_path)
        assert len(centre.heard("ZxRecord")) == 1
    second = 8000
    assert loudest(right[:second]) > SPEECH, "the first agent"
    assert loudest(right[-2 * second :]) > SPEECH, "the second one"
    assert loudest(left[-2 * second :]) > SPEECH


async def test_native_calls_have_both_sides_too(centre: Site, tmp_path: Path) -> None:
    await _serve_natively(centre)
    for _ in range(5):
        caller, entered = await centre.enter()
        agent = centre.far_end.agent("8001")
        await agent.ringing.wait()
        await _silence(centre, agent._channel)
        await agent.answer()
        await asyncio.sleep(1.5)
        await caller.hang_up()
        await agent.free.wait()
        left, right = await _stored(centre, entered, tmp_path)
        assert loudest(left) > SPEECH
        assert loudest(right) < SILENT_PEAK


async def test_worker_stores_what_the_dialplan_recorded(centre: Site, tmp_path: Path) -> None:
    entered = await _talk(centre, agent_speaks=True, customer_speaks=True)
    told: list[Input] = []
    worker = RecordingWorker(Spool(centre.spool), Store(tmp_path), told.append, time.time)
    now = time.time()
    worker.observe(
        [
            Recorded(1, _started(entered, now)),
            Recorded(
                2,
                CallEnded(
                    at=now, call_id="c1", outcome="answered", ended_by="customer", talk_seconds=2.0
                ),
            ),
        ]
    )
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(10):
        while not told:  # noqa: ASYNC110 - the worker tells by a plain call
            await asyncio.sleep(0.05)
    running.cancel()
    [checked] = told
    assert isinstance(checked, RecordingChecked)
    assert checked.fault is None
    assert checked.path is not None
    assert (tmp_path / checked.path).stat().st_size == checked.bytes
    assert not checked.customer_silent
    assert not checked.agent_silent


def _started(entered: dict[str, str], at: float) -> RecordingStarted:
    return RecordingStarted(at=at, call_id="c1", recording_id="c1-r1", file=entered["Uniqueid"])


async def _talk(centre: Site, *, agent_speaks: bool, customer_speaks: bool) -> dict[str, str]:
    """Two seconds of a recorded call in which who shall not speak is muted at the far end."""
    caller, entered = await centre.enter()
    await centre.offer(entered, "o1", flags="r")
    agent = centre.far_end.agent("8001")
    await agent.ringing.wait()
    if not customer_speaks:
        await _silence(centre, caller.uniqueid)
    if not agent_speaks:
        await _silence(centre, agent._channel)
    await agent.answer()
    await centre.server.event("BridgeEnter", Uniqueid=entered["Uniqueid"])
    await asyncio.sleep(2.5)
    await caller.hang_up()
    await centre.server.event("Hangup", Uniqueid=entered["Uniqueid"])
    return entered


async def _serve_natively(centre: Site) -> None:
    """The server is away; 8001 is a member of Asterisk's own queue."""
    centre.stop_beating()
    await centre.beat(age_seconds=60)
    await centre.server.act("QueueAdd", Queue="zx-support", Interface="PJSIP/8001")


async def _silence(centre: Site, channel: str) -> None:
    """Send nothing but silence from this channel of the far end."""
    await centre.far_end.remote.act("MuteAudio", Channel=channel, Direction="out", State="on")


async def _mute(centre: Site, recorded: str, state: str) -> float:
    await centre.server.act("MixMonitorMute", Channel=recorded, Direction="both", State=state)
    event = await centre.server.event("MixMonitorMute", State=state)
    return float(event["Timestamp"])


async def _settled(centre: Site, file: str) -> float:
    """Seconds of sound in the spool once Asterisk has closed the files."""
    spool, seconds = Spool(centre.spool), -1.0
    while (now := spool.seconds(file)) != seconds:
        seconds = now
        await asyncio.sleep(0.3)
    return seconds


async def _stored(
    centre: Site, entered: dict[str, str], folder: Path
) -> tuple[array[int], array[int]]:
    await _settled(centre, entered["Uniqueid"])
    stored = Store(folder).put(Spool(centre.spool), entered["Uniqueid"], "c1-r1", time.time())
    return sides(folder / stored.path)
