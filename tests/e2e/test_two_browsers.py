"""The same agent in two browsers, as on two computers: one desk, one phone, and no call is lost."""

import pytest
from playwright.async_api import Locator, Page, expect

from tests.e2e.conftest import OpenPage
from tests.e2e.desk import (
    agent_hears,
    finish,
    phone_works,
    ready_agent,
    sign_in,
    stage_is,
    state_is,
    talk,
)
from tests.e2e.network import Network
from tests.support.whole import Whole

pytestmark = pytest.mark.timeout(300)
GOODBYE_LOST_MS = 60_000
"""So late a phone learns that the PBX has ended what it still takes for a call."""


def told(page: Page) -> Locator:
    """What says that the desk is elsewhere."""
    return page.locator("[data-test=other-browser]")


async def work_here(page: Page) -> None:
    """Ask for the desk."""
    await page.locator("[data-test=take-over-browser]").click()


async def test_the_newer_sign_in_has_the_desk_and_it_goes_where_it_is_asked_for(
    centre: Whole, open_page: OpenPage
) -> None:
    first = await open_page()
    await ready_agent(first)
    second = await open_page("zh-CN", "dark")
    await sign_in(second, "fang")
    await state_is(second, "ready")
    await phone_works(second)
    await expect(told(first)).to_contain_text("open in another browser")
    await expect(first.locator("[data-test=state]")).to_have_count(0)
    await expect(first.locator("[data-test=health-phone]")).to_have_count(0)
    caller = await talk(centre, second)
    await caller.hears()
    await agent_hears(second)
    await caller.hang_up()
    await finish(second, "resolved", "")

    await first.reload()
    await expect(told(first)).to_be_visible()
    await work_here(first)
    await state_is(first, "ready")
    await phone_works(first)
    await expect(told(second)).to_contain_text("另一个浏览器")
    next_caller = await talk(centre, first, "+8613700137000")
    await next_caller.hears()


async def test_a_call_stays_in_its_browser_and_the_other_is_told(
    centre: Whole, open_page: OpenPage
) -> None:
    first = await open_page()
    await ready_agent(first)
    caller = await talk(centre, first)
    await caller.hears()
    second = await open_page()
    await sign_in(second, "fang")
    await expect(told(second)).to_contain_text("You have a call there")
    await work_here(second)
    await expect(told(second)).to_contain_text("You have a call there")
    await caller.hears()
    await stage_is(first, "talking")
    await phone_works(first)
    await caller.hang_up()
    await stage_is(first, "wrap_up")

    await work_here(second)
    await stage_is(second, "wrap_up")
    await expect(told(first)).to_be_visible()
    await finish(second, "resolved", "")
    await state_is(second, "ready")


async def test_a_call_whose_browser_is_gone_comes_to_the_one_that_asks(
    centre: Whole, open_page: OpenPage
) -> None:
    first = await open_page()
    network = await Network(first).lay()
    await ready_agent(first)
    caller = await talk(centre, first, name="Ouyang")
    await caller.hears()
    await network.cut()
    await centre.journalled("AgentPanelChanged", connected=False)
    second = await open_page()
    await sign_in(second, "fang")
    await expect(told(second)).to_be_visible()
    await expect(told(second)).not_to_contain_text("You have a call there")
    await caller.hears()

    await work_here(second)
    await centre.journalled("OfferEnded", count=2, end="accepted")
    await stage_is(second, "talking")
    await expect(second.locator("[data-test=caller-name]")).to_have_text("Ouyang")
    await caller.hears()
    await agent_hears(second)
    await network.mend()
    await expect(first.locator("[data-test=reconnecting]")).to_be_hidden()
    await stage_is(second, "talking")
    await caller.hears()
    await second.locator("[data-test=hang-up]").click()
    await caller.ended.wait()
    await finish(second, "resolved", "")
    await state_is(second, "ready")
    await expect(told(first)).to_be_visible(timeout=GOODBYE_LOST_MS)
    await phone_works(second)
    next_caller = await talk(centre, second, "+8613700137000")
    await next_caller.hears()
