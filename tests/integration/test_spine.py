"""The spine: from the trunk through the ACD to an agent and into one true record."""

import hashlib

import asyncpg

from cti.app import product_version
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


async def test_who_calls_is_known_before_the_wait(sandbox: TestSandbox, database: str) -> None:
    """Over the dialplan's hook, which the dialplan goes on without when nobody answers it."""
    async with whole(sandbox, database, small_floor(agents=1)) as site:
        connection = await asyncpg.connect(database)
        await connection.execute(
            "INSERT INTO callers (number, name, priority) VALUES ('+8613800138000', '王芳', 7)"
        )
        await connection.close()
        known: list[tuple[str | None, int]] = []
        while ("王芳", 7) not in known:  # until the server has heard of the new row
            caller = await site.far_end.call("support", "13800138000")
            entered = await site.journalled("QueueEntered", count=len(known) + 1)
            known = [(event["customer_name"], event["priority"]) for event in entered]
            await caller.hang_up()
