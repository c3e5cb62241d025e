"""An administrator makes a team, its leader and an agent; each comes as far as the right."""

from collections.abc import AsyncIterator

import pytest_asyncio
from playwright.async_api import Browser, Page, expect

from tests.e2e.conftest import OpenPage, pages
from tests.e2e.desk import FLOOR, sign_in
from tests.support.sandbox import TestSandbox
from tests.support.whole import PASSWORD, Whole, whole

OWN_PASSWORD = "violet-Harbour-31"


@pytest_asyncio.fixture
async def centre(sandbox: TestSandbox, database: str, screens: None) -> AsyncIterator[Whole]:
    """Start a centre with an administrator, and one agent who belongs to another team."""
    async with whole(sandbox, database, FLOOR) as site:
        await site.add_user("guan", "admin")
        await site.add_user("qiang", "agent", "1002")
        yield site


async def choose(page: Page, field: str, option: str) -> None:
    """Choose in a drop-down."""
    await page.locator(field).click()
    await page.locator(".n-base-select-option", has_text=option).click()


async def add_user(page: Page, name: str, role: str, agent_id: str | None = None) -> str:
    """Add a member of team North; returns the one-time password."""
    await page.locator("[data-test=add-user]").click()
    drawer = page.locator("[data-test=user-drawer]")
    await drawer.locator("input[name=name]").fill(name)
    if role != "agent":
        await drawer.locator("[data-role=agent]").click()
        await drawer.locator(f"[data-role={role}]").click()
    if agent_id:
        await choose(page, "[data-test=agent-id]", agent_id)
    await choose(page, "[data-test=team]", "North")
    await page.locator("[data-test=save-user]").click()
    password = await page.locator("[data-test=one-time]").inner_text()
    await page.keyboard.press("Escape")
    await expect(page.locator(f"[data-test=user-row][data-user={name}]")).to_be_visible()
    return password


async def choose_own_password(page: Page, user: str, once: str) -> None:
    """Sign in with the password for once, and choose another."""
    await sign_in(page, user, once)
    await expect(page.locator("[data-test=new-password]")).to_be_visible()
    await page.goto("/calls")
    await expect(page.locator("[data-test=new-password]")).to_be_visible()
    await expect(page.locator("input[name=present]")).to_be_focused()
    await page.keyboard.type(once)
    await page.fill("input[name=new]", OWN_PASSWORD)
    await page.fill("input[name=again]", OWN_PASSWORD)
    await page.keyboard.press("Enter")
    await expect(page.locator("[data-test=self]")).to_be_visible()


async def test_a_team_its_leader_and_its_agent(
    browser: Browser, centre: Whole, open_page: OpenPage
) -> None:
    admin = await open_page("en")
    await sign_in(admin, "guan")
    await admin.goto("/people?tab=teams")
    await admin.locator("[data-test=add-department]").click()
    await admin.fill("input[name=title]", "Sales")
    await admin.keyboard.press("Enter")
    sales = admin.locator("[data-test=department]", has_text="Sales")
    await sales.locator("[data-test=add-team]").click()
    await admin.fill("input[name=title]", "North")
    await admin.keyboard.press("Enter")
    await expect(sales.locator("[data-test=team]", has_text="North")).to_be_visible()

    await admin.goto("/people")
    leaders_password = await add_user(admin, "lin", "leader")
    agents_password = await add_user(admin, "fang", "agent", "1001")

    async with pages(browser, centre.base) as open_one:
        leader, agent = await open_one("zh-CN"), await open_one("en")
        await choose_own_password(leader, "lin", leaders_password)
        await leader.goto("/live")
        await leader.locator("[data-test=filter-signed_out]").click()
        tiles = leader.locator("[data-test=agent-tile]")
        await expect(tiles).to_have_count(1)
        await expect(tiles).to_have_attribute("data-agent", "1001")
        await leader.goto("/people")
        await expect(leader.locator("[data-user=fang]")).to_be_visible()
        await expect(leader.locator("[data-user=qiang]")).to_have_count(0)
        await expect(leader.locator("[data-test=add-user]")).to_have_count(0)

        await choose_own_password(agent, "fang", agents_password)
        await agent.goto("/desk")
        await expect(agent.locator("[data-test=take-seat]")).to_be_visible()

        await admin.locator("[data-user=fang]").click()
        await admin.locator("[data-test=end-all]").click()
        await admin.locator(".n-popconfirm .n-button--primary-type").click()
        await expect(agent.locator("input[name=user]")).to_be_visible()
        await sign_in(agent, "fang", OWN_PASSWORD)
        await expect(agent.locator("[data-test=self]")).to_be_visible()

    await admin.goto("/people?tab=trail&what=sessions_ended")
    entry = admin.locator("[data-test=entry]")
    await expect(entry).to_have_count(1)
    await expect(entry).to_contain_text("fang")


async def test_the_password_is_hidden_can_be_pasted_and_is_asked_for_again(
    browser: Browser, centre: Whole
) -> None:
    """At the sign-in, and before one's sessions elsewhere are ended."""
    async with pages(browser, centre.base) as open_one:
        here, there = await open_one("en"), await open_one("en")
        await sign_in(there, "qiang")
        await here.goto("/")
        await here.fill("input[name=user]", PASSWORD)
        await here.press("input[name=user]", "Control+a")
        await here.press("input[name=user]", "Control+x")
        await here.fill("input[name=user]", "qiang")
        password = here.locator("input[name=password]")
        await expect(password).to_have_attribute("type", "password")
        await expect(password).to_have_attribute("autocomplete", "current-password")
        await password.press("Control+v")
        await expect(password).to_have_value(PASSWORD)
        await password.press("Enter")
        await here.locator("[data-test=self]").click()
        await here.locator(".n-dropdown-option", has_text="Account").click()
        await here.locator("[data-test=end-others]").click()
        again = here.locator("form input[type=password]").first
        await again.fill("not mine at all")
        await again.press("Enter")
        await expect(here.get_by_text("Your present password is another one.")).to_be_visible()
        await expect(there.locator("[data-test=self]")).to_be_visible()
        await again.fill(PASSWORD)
        await again.press("Enter")
        await expect(here.locator("[data-test=session]")).to_have_count(1)
        await there.reload()
        await expect(there.locator("input[name=password]")).to_be_visible()


async def test_signing_out_is_found_on_every_page(centre: Whole, open_page: OpenPage) -> None:
    for user, places in (
        ("guan", ["/live", "/calls", "/customers", "/customer-fields", "/people", "/nowhere"]),
        ("qiang", ["/desk", "/calls", "/customers"]),
    ):
        page = await open_page()
        await sign_in(page, user)
        for place in places:
            await page.goto(place)
            await page.locator("[data-test=self]").click()
            await expect(page.locator(".n-dropdown-option", has_text="Sign out")).to_be_visible()
        await page.locator(".n-dropdown-option", has_text="Sign out").click()
        await page.wait_for_url("**/sign-in**")
        await page.go_back()
        await expect(page.locator("input[name=password]")).to_be_visible()
