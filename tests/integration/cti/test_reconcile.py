"""Journal, Asterisk's records and recordings agree on real calls, and every tampering is found."""

import pytest

from tests.support.books import differences
from tests.support.sandbox import TestSandbox
from tests.support.whole import Whole, small_floor, whole

pytestmark = pytest.mark.timeout(240)


async def answered(site: Whole, extension: str, number: str):
    caller = await site.far_end.call("support", number)
    phone = site.far_end.agent(extension)
    await phone.ringing.wait()
    await phone.answer()
    await caller.connected.wait()
    await caller.hears()
    return caller


async def test_the_books_agree_on_calls_of_all_kinds(sandbox: TestSandbox, database: str) -> None:
    async with whole(sandbox, database, small_floor(agents=1)) as site:
        agent = await site.agent("1001")
        phone = site.far_end.agent("8001")
        caller = await answered(site, "8001", "+8613800000001")
        waits = await site.far_end.call("support", "+8613800000002")
        await site.journalled("QueueEntered", count=2)
        await waits.hang_up()
        await caller.hang_up()
        await agent.state("ready")
        await answered(site, "8001", "+8613800000003")
        await phone.hang_up()
        await agent.state("ready")
        rings = await site.far_end.call("support", "+8613800000004")
        await phone.ringing.wait()
        await rings.hang_up()
        await site.journalled("CallEnded", count=4)
        assert await differences(site) == []
