"""What happens to panels: a second tab, a network that goes, a sleep, a clock that is wrong."""

import asyncio
import os
import re
import signal

import pytest
from playwright.async_api import Browser, Page, expect

from tests.e2e.conftest import OpenPage
from tests.e2e.desk import (
    agent_hears,
    finish,
    phone_works,
    ready_agent,
    stage_is,
    state_is,
    talk,
)
from tests.e2e.network import Network
from tests.support.whole import Whole

pytestmark = pytest.mark.timeout(180)
CUT_SECONDS = 20.0
FOUND_MS = 12_000
"""A silent link is found 4 to 6 s after its last word, told of 0.8 s later; the rest is slack."""
HOURS_WRONG = """
const wrong = {hours} * 3600_000;
const Right = Date;
const now = Right.now.bind(Right);
window.Date = class extends Right {{
  constructor(...given) {{ super(...(given.length === 0 ? [now() + wrong] : given)); }}
  static now() {{ return now() + wrong; }}
}};
const origin = performance.timeOrigin;
Object.defineProperty(performance, "timeOrigin", {{ get: () => origin + wrong }});
"""
ASLEEP = """
const now = Date.now.bind(Date);
window.slept = 0;
Date.now = () => now() + window.slept;
"""


async def other_tab(page: Page) -> Page:
    """Open the desk once more in the same browser."""
    tab = await page.context.new_page()
    await tab.goto("/desk")
    return tab


async def test_a_second_tab_is_told_and_can_take_over(centre: Whole, open_page: OpenPage) -> None:
    first = await open_page()
    await ready_agent(first)
    second = await other_tab(first)
    notice = "[data-test=other-tab]"
    await expect(second.locator(notice)).to_contain_text("open in another tab")
    await expect(second.locator("[data-test=state]")).to_have_count(0)
    await state_is(first, "ready")

    await second.locator("[data-test=take-over-tab]").click()
    await state_is(second, "ready")
    await phone_works(second)
    await expect(first.locator(notice)).to_be_visible()
    caller = await talk(centre, second)
    await caller.hears()
    await first.locator("[data-test=take-over-tab]").click()
    await expect(first.locator(notice)).to_contain_text("You have a call there")
    await caller.hears()
    await stage_is(second, "talking")
    await second.locator("[data-test=hang-up]").click()
    await caller.ended.wait()
    await finish(second, "resolved", "")
    await state_is(second, "ready")

    await second.close()
    await state_is(first, "ready")
    await phone_works(first)
    next_caller = await talk(centre, first, "+8613700137000")
    await next_caller.hears()


async def test_a_call_over_a_network_that_goes_and_comes(
    centre: Whole, open_page: OpenPage
) -> None:
    agent = await open_page()
    network = await Network(agent).lay()
    await ready_agent(agent)
    caller = await talk(centre, agent, name="Ouyang")
    await network.cut()
    await expect(agent.locator("[data-test=reconnecting]")).to_be_visible(timeout=FOUND_MS)
    await agent.locator("[data-test=outcome-panel] textarea").fill("typed meanwhile")
    await asyncio.sleep(CUT_SECONDS)
    await caller.hears()
    await agent_hears(agent)
    await network.mend()
    await expect(agent.locator("[data-test=reconnecting]")).to_be_hidden()
    await state_is(agent, "talking")
    await expect(agent.locator("[data-test=caller-name]")).to_have_text("Ouyang")
    await phone_works(agent)
    assert not caller.ended.is_set()
    await agent.keyboard.press("Alt+h")
    await centre.journalled("LegHeld")
    await agent.keyboard.press("Alt+h")
    await centre.journalled("LegResumed")
    await caller.hang_up()
    await stage_is(agent, "wrap_up")
    await finish(agent, "resolved", "typed meanwhile")
    await state_is(agent, "ready")
    left = await centre.events("QueueLeft")
    assert [event["reason"] for event in left] == ["answered"]


async def test_a_hold_while_the_network_is_away_ends_no_call(
    centre: Whole, open_page: OpenPage
) -> None:
    agent = await open_page()
    network = await Network(agent).lay()
    await ready_agent(agent)
    caller = await talk(centre, agent)
    await network.cut()
    await agent.keyboard.press("Alt+h")
    await expect(agent.locator("[data-test=reconnecting]")).to_be_visible(timeout=FOUND_MS)
    await network.mend()
    await expect(agent.locator("[data-test=reconnecting]")).to_be_hidden()
    await phone_works(agent)
    mute = agent.locator("[data-test=mute]")
    await expect(mute).to_have_attribute("aria-pressed", "true")
    await agent_hears(agent)
    await mute.click()
    await caller.hears()
    assert not caller.ended.is_set()
    await agent.keyboard.press("Alt+h")
    await centre.journalled("LegHeld")


async def test_a_reload_in_a_call_brings_the_caller_back(
    centre: Whole, open_page: OpenPage
) -> None:
    agent = await open_page()
    await ready_agent(agent)
    caller = await talk(centre, agent, name="Ouyang")
    await caller.hears()
    await agent.locator("[data-test=outcome-panel] textarea").fill("half a sentence")
    await centre.far_end.call("support", "+8613700137000")  # waits all the time

    async with asyncio.timeout(15):
        await agent.reload()
        await centre.journalled("OfferEnded", count=2, end="accepted")
    await stage_is(agent, "talking")
    await expect(agent.locator("[data-test=hang-up]")).to_be_enabled()
    await expect(agent.locator("[data-test=mute]")).to_be_enabled()
    await expect(agent.locator("[data-test=caller-name]")).to_have_text("Ouyang")
    await expect(agent.locator("[data-test=outcome-panel] textarea")).to_have_value(
        "half a sentence"
    )
    await caller.hears()
    await agent_hears(agent)
    await expect(agent.locator("[data-test=today-calls]")).to_have_text("1")
    await expect(agent.locator("[data-test=today-missed]")).to_have_text("0")
    entered = await centre.events("QueueEntered")
    returned = [event for event in entered if event.get("returns_to") == "1001"]
    assert [event["call_id"] for event in returned] == [entered[0]["call_id"]]
    await agent.locator("[data-test=hang-up]").click()
    await caller.ended.wait()
    await stage_is(agent, "wrap_up")
    ended = await centre.journalled("CallEnded")
    assert ended[0]["outcome"] == "answered"


async def test_the_customer_hangs_up_while_the_network_is_away(
    centre: Whole, open_page: OpenPage
) -> None:
    agent = await open_page()
    network = await Network(agent).lay()
    await ready_agent(agent)
    caller = await talk(centre, agent)
    await network.cut()
    await expect(agent.locator("[data-test=reconnecting]")).to_be_visible()
    await caller.hang_up()
    await centre.journalled("CallEnded")
    await network.mend()
    await stage_is(agent, "wrap_up")
    await phone_works(agent)
    await finish(agent, "resolved", "")
    await state_is(agent, "ready")
    second = await talk(centre, agent, "+8613700137000")
    await second.hears()


async def test_after_a_sleep_the_panel_finds_out_and_comes_back(
    centre: Whole, open_page: OpenPage
) -> None:
    agent = await open_page(script=ASLEEP)
    network = await Network(agent).lay()
    await ready_agent(agent)
    await network.cut()
    await network.mend()  # who slept has dead connections and a network that works
    network.forget_opened()
    await agent.evaluate("() => { window.slept = 3600_000 }")
    async with asyncio.timeout(6):
        await network.opened("/api/v1/live")
    await network.opened("/ws")
    await state_is(agent, "ready")
    await phone_works(agent)
    caller = await talk(centre, agent)
    await caller.hears()


async def test_a_page_that_was_stopped_lets_go_and_comes_back(
    browser: Browser, centre: Whole, open_page: OpenPage
) -> None:
    """The system stops the page's processes, as a machine that is put to sleep."""
    agent = await open_page()
    await ready_agent(agent)
    system = await browser.new_browser_cdp_session()
    told = await system.send("SystemInfo.getProcessInfo")
    pages = [each["id"] for each in told["processInfo"] if each["type"] == "renderer"]
    for pid in pages:
        os.kill(pid, signal.SIGSTOP)
    try:
        await centre.journalled("AgentPanelChanged", connected=False)
        caller = await centre.far_end.call("support", "+8613800138000")
        await centre.journalled("QueueEntered")
    finally:
        for pid in pages:
            os.kill(pid, signal.SIGCONT)
    await centre.journalled("AgentPanelChanged", count=2, connected=True)
    await phone_works(agent)
    await stage_is(agent, "offered")
    await agent.locator("[data-test=answer]").click()
    await stage_is(agent, "talking")
    await caller.hears()
    assert not await centre.events("OfferEnded"), "nobody was offered a call asleep"


@pytest.mark.parametrize("hours", [3, -3])
async def test_a_clock_that_is_hours_wrong_changes_no_count(
    centre: Whole, open_page: OpenPage, hours: int
) -> None:
    agent = await open_page(script=HOURS_WRONG.format(hours=hours))
    await ready_agent(agent)
    clock = agent.locator("[data-test=state] .clock")
    await expect(clock).to_have_text(re.compile(r"^0:[0-2]\d"))
    caller = await centre.far_end.call("support", "+8613800138000")
    await stage_is(agent, "offered")
    await expect(agent.locator("[data-test=call-panel] .big-clock")).to_have_text(
        re.compile(r"^0:[01]\d|0:20")
    )
    await agent.locator("[data-test=answer]").click()
    await stage_is(agent, "talking")
    await expect(agent.locator("[data-test=call-panel] .big-clock")).to_have_text(
        re.compile(r"^0:0\d")
    )
    await caller.hang_up()
    await state_is(agent, "wrap_up")
    await expect(clock).to_have_text(re.compile(r"^0:5\d|1:00"))
