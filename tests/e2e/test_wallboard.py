"""The wall and the floor's trends over the whole product: fresh, honest about gaps, never stuck."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from config.floor import Floor
from tests.e2e.conftest import OpenPage, pages
from tests.e2e.desk import FLOOR, sign_in
from tests.support.sandbox import TestSandbox
from tests.support.whole import Whole, whole

LIMITED = Floor.model_validate(
    FLOOR.model_dump()
    | {
        "queues": [
            FLOOR.queues[0].model_dump() | {"warn_waiting": 1, "alarm_waiting": 2},
            {"name": "sales", "title": {"en": "Sales"}},
        ]
    }
)
FRESH_SECONDS = 1.0
ASKED_AGAIN_MS = 30_000
CALM_MS = 40_000


@pytest_asyncio.fixture
async def centre(sandbox: TestSandbox, database: str, screens: None) -> AsyncIterator[Whole]:
    """Start a centre with limits, whose link to the PBX can be cut."""
    async with whole(sandbox, database, LIMITED, proxied=True) as site:
        await site.add_user("fang", "agent", "1001")
        await site.add_user("chen", "leader")
        yield site


@pytest_asyncio.fixture
async def open_page(browser: Browser, centre: Whole) -> AsyncIterator[OpenPage]:
    """Open pages of this centre."""
    async with pages(browser, centre.base) as open_one:
        yield open_one


async def wall(page: Page, query: str = "rotate=0") -> Page:
    """Sign in as the leader and hang the wall up."""
    await sign_in(page, "chen")
    await page.goto(f"/wallboard?{query}")
    await expect(page.locator("[data-test=head-waiting]")).to_contain_text("0")
    return page


async def when_shown(page: Page, waiting: int) -> float:
    """Wait until so many wait on the wall; epoch seconds of the frame that showed it."""
    found = await page.wait_for_function(
        f"""() => document.querySelector("[data-test=head-waiting] .value")?.textContent.trim()
            === "{waiting}" && Date.now() / 1000""",
        polling="raf",
    )
    return float(await found.json_value())


async def test_a_waiting_caller_is_on_the_wall_within_a_second(
    centre: Whole, open_page: OpenPage
) -> None:
    page = await wall(await open_page())
    live = await open_page()
    await sign_in(live, "chen")
    tile = page.locator("[data-test=wall-tile][data-queue=support]")
    await expect(tile).to_have_attribute("data-tone", "calm")

    first = await centre.far_end.call("support", "+8613800138000")
    shown = await when_shown(page, 1)
    (entered,) = await centre.journalled("QueueEntered")
    assert shown - entered["at"] < FRESH_SECONDS
    await expect(tile).to_have_attribute("data-tone", "warn")

    second = await centre.far_end.call("support", "+8613800138001")
    for each in (
        page.locator("[data-test=wall-alarm][data-code=queue_over_threshold]"),
        live.locator("[data-test=alarm][data-code=queue_over_threshold]"),
    ):
        await expect(each).to_contain_text("Customer support: 2 callers or more are waiting")
    await expect(tile).to_have_attribute("data-tone", "over")

    await first.hang_up()
    await second.hang_up()
    await expect(page.locator("[data-test=head-waiting]")).to_contain_text("0")
    await expect(tile).to_have_attribute("data-tone", "calm")
    alarm = page.locator("[data-test=wall-alarm]")
    await expect(alarm).to_be_visible()
    await expect(alarm).to_be_hidden(timeout=CALM_MS)


async def test_a_gap_is_shown_with_what_it_leaves_open(centre: Whole, open_page: OpenPage) -> None:
    page = await wall(await open_page())
    await centre.agent("1001", "8101", user="fang")
    caller = await centre.far_end.call("support", "+8613800138000")
    phone = centre.far_end.agent("8101")
    await phone.ringing.wait()
    await phone.answer()
    answered = page.locator(
        "[data-test=wall-tile][data-queue=support] [data-test=tile-answered] [data-test=bounded]"
    )
    await expect(answered).to_have_text("1")
    await expect(answered).to_have_attribute("data-open", "false")

    assert centre.proxy is not None
    centre.proxy.refuse = True
    centre.proxy.cut()
    await expect(page.locator("[data-test=wall-gap]")).to_be_visible()
    unheard = await centre.far_end.call("support", "+8613800138001")
    await unheard.answered.wait()
    await unheard.hang_up()
    centre.proxy.refuse = False
    await centre.journalled("GapRecorded")
    await expect(page.locator("[data-test=as-of]")).to_be_visible()
    await expect(answered).to_have_attribute("data-open", "true")
    low, high = await answered.evaluate("it => it.firstChild.textContent.trim().split('–')")
    assert int(low) == 1
    assert int(high) >= 2, "the caller nobody heard of may have been answered"

    await page.goto("/live?view=trends")
    await expect(page.locator("[data-test=trend-chart]")).to_have_count(3)
    await expect(page.locator("[data-test=trend-queue]")).to_have_text("Customer support")
    await expect(page.locator("[data-test=trend-gap]")).to_contain_text("link to Asterisk lost")
    await expect(page.locator("[data-test=trend-summary]")).to_contain_text("1 offered, 1 answered")
    await page.locator("[data-test=as-table]").click()
    last = page.locator("[data-test=trend-table] tbody tr").last
    await expect(last).to_contain_text("lower bounds")
    await caller.hang_up()


async def test_the_wall_comes_back_by_itself(centre: Whole, open_page: OpenPage) -> None:
    page = await wall(await open_page(), "kiosk=1&rotate=0")
    await expect(page.locator("[data-test=full-screen]")).to_have_count(0)
    cursor = await page.locator("[data-test=wallboard]").evaluate(
        "it => getComputedStyle(it).cursor"
    )
    assert cursor == "none"
    assert await page.evaluate("document.documentElement.dataset.theme") == "dark"

    assert centre.server is not None
    await centre.server.kill()
    await expect(page.locator("[data-test=old]")).to_be_visible()
    await page.wait_for_load_state("networkidle")
    newer = {"content_type": "text/html", "body": "<script type=module src=/newer.js></script>"}
    await page.route(f"{centre.base}/", lambda route: route.fulfill(**newer), times=1)
    async with page.expect_event("load"):
        await centre.start_server()
    await expect(page.locator("[data-test=as-of]")).to_be_visible()
    waiting = await centre.far_end.call("support", "+8613800138000")
    await expect(page.locator("[data-test=head-waiting]")).to_contain_text("1")

    elsewhere = await page.context.new_page()
    await elsewhere.goto("/live")
    await elsewhere.evaluate(
        """async () => {
          const { csrf } = await (await fetch("/api/v1/session")).json();
          await fetch("/api/v1/session",
            { method: "DELETE", headers: { "X-Zuoxi-Csrf": csrf } });
        }"""
    )
    await expect(page.locator("[data-test=wall-signed-out]")).to_be_visible()
    await waiting.hang_up()
    await sign_in(elsewhere, "chen")
    await expect(page.locator("[data-test=wall-signed-out]")).to_be_hidden(timeout=ASKED_AGAIN_MS)
    await expect(page.locator("[data-test=head-waiting]")).to_contain_text("0")


async def test_pages_turn_and_the_sound_is_off_until_asked_for(
    centre: Whole, open_page: OpenPage
) -> None:
    page = await wall(await open_page(), "rotate=1")
    board = page.locator("[data-test=wallboard]")
    await expect(board).to_have_attribute("data-page", "1")
    await expect(page.locator("[data-test=trends]")).to_be_visible()
    await expect(page.locator("[data-test=trend-title]")).to_have_text("Customer support")
    await expect(board).to_have_attribute("data-page", "0")
    await page.keyboard.press("Space")
    sound = page.locator("[data-test=sound]")
    await expect(sound).to_have_attribute("aria-pressed", "false")
    await sound.click()
    await expect(sound).to_have_attribute("aria-pressed", "true")
    await expect(page.locator("[data-test=allow-sound]")).to_have_count(0)
    await page.keyboard.press("f")
    await page.wait_for_function("() => document.fullscreenElement !== null")
