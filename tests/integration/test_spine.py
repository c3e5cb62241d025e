"""The spine: from the trunk through the ACD to an agent and into one true record."""

from tests.support.sandbox import TestSandbox
from tests.support.whole import small_floor, whole


async def test_a_caller_reaches_the_ready_agent_and_stands_in_the_journal_once(
    sandbox: TestSandbox, database: str
) -> None:
    async with whole(sandbox, database, small_floor(agents=1)) as site:
        agent = await site.agent("1001")
        phone = site.far_end.agent("8001")
        caller = await site.far_end.call("support", "+8613800138000")
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
        assert len(await site.events("CallStarted")) == 1
        assert [e["end"] for e in await site.events("OfferEnded")] == ["accepted"]
        assert [e["reason"] for e in await site.events("QueueLeft")] == ["answered"]
