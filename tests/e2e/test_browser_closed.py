"""The agent's browser is closed while it rings and while it talks: the caller is not lost."""

import pytest

from tests.e2e.conftest import OpenPage
from tests.e2e.desk import ready_agent, stage_is, talk
from tests.support.whole import Whole

pytestmark = pytest.mark.timeout(180)


async def with_the_colleague(centre: Whole, caller) -> None:
    """The caller is offered to the agent at the desk phone, who picks up."""
    phone = centre.far_end.agent("8101")
    await phone.ringing.wait()
    await phone.answer()
    await caller.hears()


async def test_while_it_rings(centre: Whole, open_page: OpenPage) -> None:
    agent = await open_page()
    await ready_agent(agent)
    caller = await centre.far_end.call("support", "+8613800138000")
    await stage_is(agent, "offered")
    await agent.context.close()
    ended = await centre.journalled("OfferEnded")
    assert not ended[0]["counts_as_miss"]
    await centre.agent("1002", "8101", user="qiang")
    await with_the_colleague(centre, caller)
    left = await centre.journalled("QueueLeft")
    assert (left[0]["reason"], left[0]["agent_id"]) == ("answered", "1002")
    await caller.hang_up()
    await centre.journalled("CallEnded")


async def test_while_it_talks(centre: Whole, open_page: OpenPage) -> None:
    agent = await open_page()
    await ready_agent(agent)
    caller = await talk(centre, agent)
    await caller.hears()
    await centre.agent("1002", "8101", user="qiang")
    await agent.context.close()
    await with_the_colleague(centre, caller)
    entered = await centre.journalled("QueueEntered", count=2)
    assert entered[0]["entered_at"] == entered[1]["entered_at"]
    assert entered[0]["call_id"] == entered[1]["call_id"]
    await caller.hang_up()
    ended = await centre.journalled("CallEnded")
    assert [event["outcome"] for event in ended] == ["answered"]
