"""The screens as such: quick to load, in two languages and themes, honest about their data."""

from urllib.parse import urlsplit

from playwright.async_api import Response, expect

from tests.e2e.conftest import OpenPage
from tests.e2e.desk import listed, ready_agent, sign_in
from tests.support.whole import Whole

FIRST_LOAD_BYTES = 700_000


async def test_the_first_load_is_small(centre: Whole, open_page: OpenPage) -> None:
    """Everything an agent's browser fetches up to being ready, the phone included."""
    agent = await open_page()
    files: list[Response] = []

    def note(answer: Response) -> None:
        if not urlsplit(answer.url).path.startswith("/api/"):
            files.append(answer)

    agent.on("response", note)
    await ready_agent(agent)
    total = 0
    for file in files:
        sizes = await file.request.sizes()
        total += sizes["responseBodySize"]
    assert 100_000 < total < FIRST_LOAD_BYTES


async def test_language_and_theme_change_at_once_and_stay(
    centre: Whole, open_page: OpenPage
) -> None:
    page = await open_page("en")
    await sign_in(page, "chen")
    await expect(page.locator("main")).to_contain_text("Waiting callers")
    await page.locator("[data-test=language]").click()
    await expect(page.locator("main")).to_contain_text("等待的客户")
    await expect(page.locator("main")).to_contain_text("客户服务")
    await expect(page.locator("html")).to_have_attribute("lang", "zh-CN")
    await page.locator("[data-test=theme]").click()
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await page.reload()
    await expect(page.locator("main")).to_contain_text("等待的客户")


async def test_a_wrong_password_is_said_in_the_language(centre: Whole, open_page: OpenPage) -> None:
    page = await open_page("zh-CN")
    await page.goto("/")
    await page.fill("input[name=user]", "fang")
    await page.fill("input[name=password]", "wrong")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_contain_text("用户名或密码不正确")
    await expect(page.locator("input[name=user]")).to_have_value("fang")


async def test_pages_are_for_those_who_may_see_them(centre: Whole, open_page: OpenPage) -> None:
    agent = await open_page()
    await sign_in(agent, "fang")
    await agent.wait_for_url("**/desk")
    await agent.goto("/live")
    await agent.wait_for_url("**/desk")
    leader = await open_page()
    await leader.goto("/calls?outcome=abandoned")
    await leader.fill("input[name=user]", "chen")
    await leader.fill("input[name=password]", "correct horse battery 9")
    await leader.keyboard.press("Enter")
    await leader.wait_for_url("**/calls?outcome=abandoned")


async def test_an_abandoned_call_is_found_by_its_filter(centre: Whole, open_page: OpenPage) -> None:
    leader = await open_page()
    await sign_in(leader, "chen")
    caller = await centre.far_end.call("support", "+8613700137000", name="Impatient")
    await expect(leader.locator("[data-test=waiting-row]")).to_contain_text("Impatient")
    await caller.hang_up()
    left = (await centre.journalled("QueueLeft"))[0]
    assert (left["reason"], left["exact"]) == ("abandoned", True)
    await expect(leader.locator("[data-queue=support] [data-test=abandoned]")).to_contain_text("1")
    await expect(leader.locator("[data-test=waiting-row]")).to_have_count(0)
    await listed(centre, "abandoned")
    await leader.goto("/calls?outcome=abandoned")
    await expect(leader.locator("[data-test=call-row]")).to_contain_text("137 0013 7000")
    await leader.goto("/calls?outcome=answered")
    await expect(leader.get_by_text("No calls fit")).to_be_visible()


async def test_every_shortcut_is_listed(centre: Whole, open_page: OpenPage) -> None:
    page = await open_page()
    await sign_in(page, "chen")
    await expect(page.locator("[data-test=queue-row]")).to_be_visible()
    await page.keyboard.press("Shift+Slash")
    await expect(page.get_by_text("Hang up or reject")).to_be_visible()
    await page.keyboard.press("Escape")
    await expect(page.get_by_text("Hang up or reject")).to_be_hidden()
    await page.keyboard.press("Control+k")
    await expect(page.locator("input[type=search]")).to_be_focused()


async def test_the_live_page_says_when_its_data_is_old(centre: Whole, open_page: OpenPage) -> None:
    leader = await open_page()
    await sign_in(leader, "chen")
    await expect(leader.locator("[data-test=as-of]")).to_be_visible()
    assert centre.server is not None
    await centre.server.kill()
    await expect(leader.get_by_text("Data is")).to_be_visible()
    await centre.start_server()
    await expect(leader.locator("[data-test=as-of]")).to_be_visible()


async def test_the_live_page_says_how_the_pbx_is(centre: Whole, open_page: OpenPage) -> None:
    leader = await open_page()
    await sign_in(leader, "chen")
    mark = leader.locator("[data-test=pbx]")
    alarm = leader.locator("[data-test=alarm][data-code=pbx_disconnected]")
    await expect(mark).to_have_attribute("data-pbx", "ready")
    await expect(mark).to_have_text("Asterisk connected")
    await centre.site.pbx.kill()
    await expect(mark).to_have_attribute("data-pbx", "disconnected")
    await expect(mark).to_have_text("Asterisk disconnected")
    await expect(alarm).to_be_visible()
    await centre.site.pbx.start()
    await expect(mark).to_have_attribute("data-pbx", "ready")
    await expect(alarm).to_be_hidden()
