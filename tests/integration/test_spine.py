"""The spine: from the trunk through the ACD to an agent and into one true record."""

import asyncio
import hashlib
import itertools

import asyncpg
import pytest

from cti.app import product_version
from tests.support.centre import Caller
from tests.support.sandbox import TestSandbox
from tests.support.whole import small_floor, whole


async def test_a_caller_reaches_the_ready_agent_and_stands_in_the_journal_once(
    sandbox: TestSandbox, database: str
) -> None:
    async with whole(sandbox, database, small_floor(agents=1)) as site:
        agent = await site.agent("1001")
        phone = site.far_end.agent("8001")
        caller = await site.far_end.call("support", "13800138000")
        await phone.ringing.wait()
        await agent.state("offered")
        await phone.answer()
        await agent.state("talking")
        await caller.connected.wait()
        await caller.hears()
        await caller.hang_up()
        await agent.state("ready")

        ended = await site.journalled("CallEnded")
        assert [event["outcome"] for event in ended] == ["answered"]
        assert ended[0]["agent_id"] == "1001"
        assert ended[0]["talk_seconds"] > 0
        assert (await site.events("ServerStarted"))[0]["version"] == product_version()
        (started,) = await site.events("CallStarted")
        assert started["caller_number"] == "+8613800138000", "kept in E.164"
        assert [e["end"] for e in await site.events("OfferEnded")] == ["accepted"]
        assert [e["reason"] for e in await site.events("QueueLeft")] == ["answered"]


async def _know(database: str, **facts: object) -> None:
    """Have customer +8613800138000 known."""
    values = ", ".join(f"${n}" for n in range(1, len(facts) + 2))
    connection = await asyncpg.connect(database)
    await connection.execute(
        f"INSERT INTO callers (number, {', '.join(facts)}) VALUES ({values})",
        "+8613800138000",
        *facts.values(),
    )
    await connection.close()


@pytest.mark.parametrize("asked", [False, True])
async def test_a_blacklisted_caller_gets_no_further(
    asked: bool, sandbox: TestSandbox, database: str
) -> None:
    settings = small_floor(agents=1, look_up_before_answer=asked)
    async with whole(sandbox, database, settings) as site:
        await _know(database, blocked=True)
        calls = itertools.count(1)

        async def call() -> tuple[Caller, str]:
            """Call once more; the caller and how the call ended."""
            caller = await site.far_end.call("support", "13800138000")
            try:
                async with asyncio.timeout(5):
                    await caller.ended.wait()
            except TimeoutError:
                await caller.hang_up()
            ended = await site.journalled("CallEnded", count=next(calls))
            return caller, str(ended[-1]["outcome"])

        while (await call())[1] != "refused":
            pass  # the server has not heard of the new row
        # It may have heard of it only after that look-up; now it knows it before.
        caller, outcome = await call()
        assert outcome == "refused"
        ended = await site.events("CallEnded")
        assert caller.answered.is_set() is not asked
        refused = await site.journalled("CallRefused", count=2)
        assert refused[-1]["call_id"] == ended[-1]["call_id"]
        entered = {event["call_id"] for event in await site.events("QueueEntered")}
        assert not entered & {event["call_id"] for event in refused}


async def test_the_recording_stands_checked_under_the_call(
    sandbox: TestSandbox, database: str
) -> None:
    async with whole(sandbox, database, small_floor(agents=1)) as site:
        await site.agent("1001")
        phone = site.far_end.agent("8001")
        caller = await site.far_end.call("support", "+8613800138000")
        await phone.ringing.wait()
        await phone.answer()
        await caller.connected.wait()
        await caller.hears()
        await phone.hears()
        await caller.hang_up()
        stored = await site.journalled("RecordingStored")
        ended = await site.journalled("CallEnded")
        assert stored[0]["call_id"] == ended[0]["call_id"]
        assert stored[0]["duration_seconds"] >= ended[0]["talk_seconds"] - 2
        file = site.site.folder / "store" / stored[0]["path"]
        assert hashlib.sha256(file.read_bytes()).hexdigest() == stored[0]["sha256"]
        assert not await site.events("RecordingFaulty")


@pytest.mark.parametrize("asked", [False, True])
async def test_who_calls_is_known_before_the_wait(
    asked: bool, sandbox: TestSandbox, database: str
) -> None:
    """Looked up by the server, or over the dialplan's hook."""
    settings = small_floor(agents=1, look_up_before_answer=asked)
    async with whole(sandbox, database, settings) as site:
        await _know(database, name="王芳", priority=7)
        known: list[tuple[str | None, int]] = []
        while ("王芳", 7) not in known:  # until the server has heard of the new row
            caller = await site.far_end.call("support", "13800138000")
            entered = await site.journalled("QueueEntered", count=len(known) + 1)
            known = [(event["customer_name"], event["priority"]) for event in entered]
            await caller.hang_up()
