"""The dialplan of sites that differ from the plain one: each test has a PBX of its own."""

import pytest

from cti.pbxfiles import MUTED_EVENTS
from tests.support.dialplan import floor, site
from tests.support.sandbox import TestSandbox

pytestmark = pytest.mark.asterisk


async def test_overflow_to_a_number_outside(sandbox: TestSandbox) -> None:
    outside = """
[from-trunk]
exten => _X.,1,Goto(zuoxi-enter,support,1)
[from-zuoxi]
exten => _+X.,1,UserEvent(Outside,Number: ${EXTEN})
 same => n,Hangup()
"""
    async with site(sandbox, floor(), trunk=outside) as centre:
        caller, entered = await centre.enter()
        exten = f"{centre.epoch}-number-+86-10-12345678"
        await centre.redirect(entered["Channel"], "zuoxi-leave", exten)
        assert (await centre.said("Outside"))["Number"] == "+861012345678"
        assert (await centre.said("ZxLeave"))["Verb"] == "number"
        await caller.ended.wait()


async def test_stale_redirect_out_of_what_follows_the_wait_is_undone(sandbox: TestSandbox) -> None:
    outside = """
[from-trunk]
exten => _X.,1,Goto(zuoxi-enter,support,1)
[from-zuoxi]
exten => _+X.,1,UserEvent(Outside,Number: ${EXTEN})
 same => n,Wait(60)
"""
    async with site(sandbox, floor(), trunk=outside) as centre:
        _, entered = await centre.enter()
        exten = f"{centre.epoch}-number-+8610"
        await centre.redirect(entered["Channel"], "zuoxi-leave", exten)
        await centre.said("Outside")
        await centre.redirect(entered["Channel"], "zuoxi-announce", f"{centre.epoch - 1}-hold")
        assert (await centre.said("Outside", nth=2))["Number"] == "+8610"


async def test_events_that_nobody_needs_are_not_even_made(sandbox: TestSandbox) -> None:
    """For no manager at all: `watch` has every right and no filter."""
    async with site(sandbox, floor(), shared_events=False) as centre:
        caller, entered = await centre.enter()
        await caller.hang_up()
        await centre.watch.event("Hangup", Uniqueid=entered["Uniqueid"])
        made = {event["Event"] for event in centre.watch.events}
        assert {"Newchannel", "UserEvent", "Hangup"} <= made
        muted = await centre.is_since({18: 11, 19: 3, 20: 0, 21: 0, 22: 0})
        assert bool(made & set(MUTED_EVENTS)) is not muted


async def test_whole_numbers_on_agents_phones_where_the_site_says_so(sandbox: TestSandbox) -> None:
    async with site(sandbox, floor(), show_numbers_on_phones=True) as centre:
        _, entered = await centre.enter()
        await centre.offer(entered, "o1")
        agent = centre.far_end.agent("8001")
        await agent.ringing.wait()
        assert agent.caller_number == "13800138000"


async def test_hostile_facts_stay_inside_their_header(sandbox: TestSandbox) -> None:
    trunk = r"""
[from-trunk]
exten => _X.,1,Set(ZX_NAME=${CALLERID(name)})
 same => n,Set(ZX_PRIO=5${CALLERID(name)})
 same => n,Set(ZX_SKILLS=english:3&billing:2)
 same => n,Set(ZX_LANG=zh_CN)
 same => n,Goto(zuoxi-enter,support,1)
"""
    hostile = "Eve ${SHELL(id)},Sticky: 1001)张三'&x;}"
    async with site(sandbox, floor(), trunk=trunk) as centre:
        caller = await centre.far_end.call("100", "1,2)$[1+1]", name=hostile)
        entered = await centre.said("ZxEnter")
        assert entered["CustomerName"] == "Eve SHELLidSticky 1001张三x"
        assert entered["CallerPriority"].startswith("5")
        assert entered["Skills"] == "english:3&billing:2"
        assert entered["CallerLanguage"] == "zh_CN"
        assert "Sticky" not in entered
        assert await centre.variable("ZX_NAME", entered["Channel"]) == entered["CustomerName"]
        await caller.hang_up()


async def test_welcome_is_heard_before_the_wait_begins(sandbox: TestSandbox) -> None:
    async with site(sandbox, floor(welcome="hello")) as centre:
        caller = await centre.far_end.call("100", "13800138000")
        await caller.answered.wait()
        await caller.hears()
        entered = await centre.said("ZxEnter")
        answered = await centre.server.event("Newstate", Uniqueid=entered["Uniqueid"])
        assert float(entered["Entered"]) > float(answered["Timestamp"]) + 0.5
