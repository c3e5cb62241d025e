"""Without the server: callers go to Asterisk's own queue and come back, by dialplan alone."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable

import pytest
import pytest_asyncio

from cti.sandbox.remote import ActionRefusedError, Headers
from tests.support.dialplan import Site, floor, site
from tests.support.sandbox import TestSandbox

pytestmark = pytest.mark.asterisk

LIMIT_SECONDS = 3
RELEASE_SECONDS = 1.5
"""A second until the queue looks, and some."""
RING_SECONDS = 4


@pytest_asyncio.fixture
async def centre(sandbox: TestSandbox, request: pytest.FixtureRequest) -> AsyncIterator[Site]:
    """Start a PBX that misses the server after 3 s, with agent 1001 in the native queue.

    The parameter is for how long a phone rings.
    """
    async with site(
        sandbox,
        floor(strategy="tiers", ring_seconds=getattr(request, "param", 20)),
        heartbeat_limit_seconds=LIMIT_SECONDS,
    ) as centre:
        await centre.server.act(
            "QueueAdd", Queue="zx-support", Interface="PJSIP/8001", MemberName="1001"
        )
        yield centre


async def test_caller_is_served_natively_without_the_server(centre: Site) -> None:
    caller, entered = await centre.enter()
    centre.stop_beating()
    native = await centre.said("ZxNative", Queue="support")
    assert float(native["Timestamp"]) - float(entered["Timestamp"]) < 25
    agent = centre.far_end.agent("8001")
    await agent.ringing.wait()
    assert await centre.variable("ZX_STATE", entered["Channel"]) == "native"
    tenths = int(float(await centre.variable("ZX_ENTERED", entered["Channel"])) * 10)
    prio = int(await centre.variable("QUEUE_PRIO", entered["Channel"]))
    assert prio == 1_000_000_000 - tenths % 1_000_000_000
    assert "13800138000" not in str(await agent.invite())
    await agent.answer()
    await agent.hears()
    assert (await centre.said("ZxRecord"))["File"] == entered["Uniqueid"]
    assert await centre.variable("ZX_REC", entered["Channel"]) == entered["Uniqueid"]
    await agent.hang_up()
    await caller.ended.wait()
    assert centre.heard("ZxWait") == []


async def test_who_enters_without_the_server_goes_there_at_once(centre: Site) -> None:
    centre.stop_beating()
    await centre.beat(age_seconds=60)
    _, entered = await centre.enter()
    native = await centre.said("ZxNative")
    assert float(native["Timestamp"]) - float(entered["Timestamp"]) < LIMIT_SECONDS


async def test_caller_comes_back_by_dialplan_when_the_server_does(centre: Site) -> None:
    await centre.server.act("QueuePause", Interface="PJSIP/8001", Paused="true")
    _, entered = await centre.enter()
    centre.stop_beating()
    await centre.said("ZxNative")
    centre.keep_beating()
    back = await centre.said("ZxWait", Queue="support")
    assert back["Uniqueid"] == entered["Uniqueid"]
    await centre.offer(entered, "o1", "8002")
    await centre.far_end.agent("8002").ringing.wait()


async def test_server_takes_a_caller_over_before_the_slice_ends(centre: Site) -> None:
    await centre.server.act("QueuePause", Interface="PJSIP/8001", Paused="true")
    _, entered = await centre.enter()
    centre.stop_beating()
    await centre.watch.event("QueueCallerJoin", Uniqueid=entered["Uniqueid"])
    await centre.beat()
    await centre.redirect(entered["Channel"], "zuoxi-wait", f"{centre.epoch}-back")
    await centre.said("ZxWait")
    left = await centre.watch.event("QueueCallerLeave", Uniqueid=entered["Uniqueid"])
    joined = await centre.watch.event("QueueCallerJoin", Uniqueid=entered["Uniqueid"])
    assert float(left["Timestamp"]) - float(joined["Timestamp"]) < 2


async def release(centre: Site, entered: Headers) -> None:
    """Have the queue let the caller go, or skip where this Asterisk cannot."""
    try:
        await centre.server.act(
            "QueueWithdrawCaller", Queue="zx-support", Caller=entered["Channel"]
        )
    except ActionRefusedError as refused:
        if await centre.is_since({18: 11, 20: 0, 21: 0, 22: 0}):
            raise
        assert "Invalid/unknown command: QueueWithdrawCaller" in str(refused)
        pytest.skip("this Asterisk's queues do not let callers go")


async def native(centre: Site) -> Headers:
    """A caller who stands in the native queue."""
    _, entered = await centre.enter()
    centre.stop_beating()
    await centre.beat(age_seconds=60)
    await centre.watch.event("QueueCallerJoin", Uniqueid=entered["Uniqueid"])
    return entered


@pytest.mark.parametrize("members", ["paused", "none", "reject", "unregistered", "talks"])
async def test_who_is_let_go_waits_again_within_a_second_or_so(centre: Site, members: str) -> None:
    """Whatever keeps the caller there, also at the head of the queue; without a heartbeat yet."""
    agent = centre.far_end.agent("8001")
    match members:
        case "paused":
            await centre.server.act("QueuePause", Interface="PJSIP/8001", Paused="true")
        case "none":
            await centre.server.act("QueueRemove", Queue="zx-support", Interface="PJSIP/8001")
        case "unregistered":
            await agent.unregister()
        case "talks":
            _, other = await centre.enter()
            await centre.offer(other, "o1")
            await agent.ringing.wait()
            await agent.answer()
    entered = await native(centre)
    if members == "reject":
        await agent.ringing.wait()
        await agent.reject()
    asked = time.monotonic()
    await release(centre, entered)
    await centre.said("ZxWait", Uniqueid=entered["Uniqueid"])
    assert time.monotonic() - asked < RELEASE_SECONDS
    await centre.beat()
    await centre.offer_when_waiting(entered, "o2")


async def test_all_callers_of_a_queue_are_let_go(centre: Site) -> None:
    await centre.server.act("QueuePause", Interface="PJSIP/8001", Paused="true")
    callers = [await native(centre) for _ in range(6)]
    asked = time.monotonic()
    await centre.beat()  # whose slice ends before the queue looks comes back by it
    for entered in callers:
        await release(centre, entered)
    for entered in callers:
        await centre.said("ZxWait", Uniqueid=entered["Uniqueid"])
    assert time.monotonic() - asked < RELEASE_SECONDS


@pytest.mark.parametrize("centre", [RING_SECONDS], indirect=True)
async def test_who_is_being_rung_is_not_let_go_before_nobody_answers(centre: Site) -> None:
    entered = await native(centre)
    agent = centre.far_end.agent("8001")
    await agent.ringing.wait()
    centre.keep_beating()  # the ringing outlasts the slice
    await release(centre, entered)
    assert not await _within(centre.said("ZxWait"), RELEASE_SECONDS)
    assert agent.ringing.is_set()
    async with asyncio.timeout(RING_SECONDS):
        await centre.said("ZxWait")
    await agent.free.wait()


async def test_who_is_answered_after_the_queue_was_to_let_go_talks(centre: Site) -> None:
    entered = await native(centre)
    agent = centre.far_end.agent("8001")
    await agent.ringing.wait()
    await release(centre, entered)
    await centre.beat()
    await agent.answer()
    await agent.hears()
    with pytest.raises(ActionRefusedError, match="No such caller"):
        await release(centre, entered)
    assert not await _within(agent.free.wait(), RELEASE_SECONDS)
    await agent.hang_up()
    await centre.watch.event("Hangup", Uniqueid=entered["Uniqueid"])
    assert centre.heard("ZxWait") == []


@pytest.mark.parametrize(
    ("context", "exten"), [("zuoxi-announce", "position-2-90"), ("zuoxi-leave", "hangup-timeout")]
)
async def test_word_that_comes_too_late_only_fetches_the_caller_back(
    centre: Site, context: str, exten: str
) -> None:
    await centre.server.act("QueuePause", Interface="PJSIP/8001", Paused="true")
    _, entered = await centre.enter()
    centre.stop_beating()
    await centre.watch.event("QueueCallerJoin", Uniqueid=entered["Uniqueid"])
    await centre.beat()
    await centre.redirect(entered["Channel"], context, f"{centre.epoch}-{exten}")
    await centre.said("ZxWait")
    await centre.stands(entered, "zuoxi-wait")
    assert await centre.variable("ZX_STATE", entered["Channel"]) == "waiting"
    assert centre.heard("ZxLeave") == []


async def test_phone_that_rings_when_the_slice_ends_rings_on(centre: Site) -> None:
    caller, _ = await centre.enter()
    centre.stop_beating()
    agent = centre.far_end.agent("8001")
    await agent.ringing.wait()
    # Well beyond the slice of 3 s: the same call still rings.
    assert not await _within(agent.free.wait(), 5)
    await agent.answer()
    await agent.hears()
    assert len([e for e in centre.watch.events if e["Event"] == "QueueCallerJoin"]) == 1
    await caller.hang_up()


async def test_callers_keep_their_order_over_slices(centre: Site) -> None:
    await centre.server.act("QueuePause", Interface="PJSIP/8001", Paused="true")
    _, first = await centre.enter(caller_id="13800000001")
    _, second = await centre.enter(caller_id="13800000002")
    centre.stop_beating()
    for entered in (first, second):
        await centre.watch.event("QueueCallerJoin", Uniqueid=entered["Uniqueid"])
    centre.watch.events.clear()
    await centre.watch.event("QueueCallerJoin", Uniqueid=second["Uniqueid"])  # a new slice
    await centre.watch.event("QueueCallerJoin", Uniqueid=first["Uniqueid"])
    await centre.server.act("QueuePause", Interface="PJSIP/8001", Paused="false")
    agent = centre.far_end.agent("8001")
    await agent.ringing.wait()
    assert agent.caller_number == "138****0001"


async def _within(wait: Awaitable[object], seconds: float) -> bool:
    try:
        await asyncio.wait_for(wait, seconds)
    except TimeoutError:
        return False
    return True
