"""Every screen against the rules of WCAG 2.1 AA, contrast among them, by axe-core.

A page that is added to the product is added to PAGES: who opens it, where, and what is there
when it is complete. The desk's screens are the stages of one call.
"""

from dataclasses import dataclass

import pytest
from playwright.async_api import Page, expect

from tests.e2e.axe import LOOKS, Examiner
from tests.e2e.conftest import OpenPage
from tests.e2e.desk import (
    finish,
    go_ready,
    listed,
    phone_works,
    sign_in,
    stage_is,
    state_is,
    take_seat,
)
from tests.support.whole import Whole


@dataclass(frozen=True)
class Place:
    """A page.

    :param path: `{call}` is the id of the one call that was made.
    :param complete: what is seen when the page has all that it shows.
    """

    user: str
    path: str
    complete: str


PAGES = [
    Place("chen", "/live", "[data-test=agent-tile]"),
    Place("chen", "/live?view=trends", "[data-test=trend-chart]"),
    Place("chen", "/wallboard?rotate=0", "[data-test=wall-tile]"),
    Place("chen", "/calls", "[data-test=call-row]"),
    Place("chen", "/calls/{call}", "[data-test=timeline]"),
    Place("fang", "/desk", "[data-test=own-call]"),
    Place("fang", "/calls", "[data-test=call-row]"),
    Place("fang", "/nowhere", "main"),
]


@pytest.mark.timeout(180)
@pytest.mark.parametrize(("language", "theme"), LOOKS)
async def test_every_screen_can_be_read_by_everybody(
    centre: Whole, open_page: OpenPage, language: str, theme: str, axe_core: str
) -> None:
    examiner = Examiner()
    agent = await open_page(language, theme, script=axe_core)
    await at_the_desk(centre, agent, examiner)
    leader = await open_page(language, theme, script=axe_core)
    await sign_in(leader, "chen")
    call_id = await listed(centre, "answered")
    for place in PAGES:
        page = {"fang": agent, "chen": leader}[place.user]
        await page.goto(place.path.format(call=call_id))
        await expect(page.locator(place.complete).first).to_be_visible()
        await examiner.look(page, f"{place.user} {place.path}")
    assert not examiner.complaints, "\n".join(examiner.complaints)


@pytest.mark.parametrize(("language", "theme"), LOOKS)
async def test_people_can_be_managed_by_everybody(
    centre: Whole, open_page: OpenPage, language: str, theme: str, axe_core: str
) -> None:
    await centre.add_user("guan", "admin")
    admin = await open_page(language, theme, script=axe_core)
    await sign_in(admin, "guan")
    examiner = Examiner()
    for tab, shown in (
        ("trail", "[data-test=entry]"),
        ("roles", "tbody tr"),
        ("teams", "[data-test=team]"),
        ("users", "[data-user=fang]"),
    ):
        await admin.goto(f"/people?tab={tab}")
        await expect(admin.locator(shown).first).to_be_visible()
        await examiner.look(admin, f"people, {tab}")
    await admin.goto("/people?tab=teams")
    await admin.locator("[data-test=add-department]").click()
    await expect(admin.get_by_role("dialog").locator("input[name=title]")).to_be_visible()
    await examiner.look(admin, "people, a name")
    await admin.goto("/people?tab=users")
    await admin.locator("[data-user=fang]").click()
    await expect(admin.locator("[data-test=user-drawer]")).to_be_visible()
    await examiner.look(admin, "people, a user")
    await admin.keyboard.press("Escape")
    await expect(admin.locator("[data-test=user-drawer]")).to_be_hidden()
    await admin.locator("[data-test=add-user]").click()
    await expect(admin.locator("[data-test=user-drawer] input[name=name]")).to_be_visible()
    await examiner.look(admin, "people, a new user")
    await admin.keyboard.press("Escape")
    await expect(admin.locator("[data-test=user-drawer]")).to_be_hidden()
    await admin.locator("[data-test=self]").click()
    await admin.locator(".n-dropdown-option").first.click()
    await expect(admin.locator("[data-test=account] input[name=present]")).to_be_visible()
    await examiner.look(admin, "account")
    assert not examiner.complaints, "\n".join(examiner.complaints)


async def at_the_desk(centre: Whole, agent: Page, examiner: Examiner) -> None:
    """From the sign-in to the end of a call."""
    await agent.goto("/")
    await expect(agent.locator("input[name=user]")).to_be_visible()
    await examiner.look(agent, "sign-in")
    await sign_in(agent, "fang")
    await expect(agent.locator("[data-test=level-verdict]")).to_be_visible()
    await examiner.look(agent, "taking a seat")
    await take_seat(agent)
    await phone_works(agent)
    await go_ready(agent)
    await examiner.look(agent, "desk, ready")
    await agent.keyboard.press("Shift+Slash")
    await expect(agent.get_by_role("dialog")).to_be_visible()
    await examiner.look(agent, "keys")
    await agent.keyboard.press("Escape")
    await expect(agent.get_by_role("dialog")).to_be_hidden()

    caller = await centre.far_end.call("support", "+8613800138000", name="Ouyang")
    await stage_is(agent, "offered")
    await examiner.look(agent, "desk, offered")
    await agent.keyboard.press("Alt+a")
    await stage_is(agent, "talking")
    await agent.keyboard.press("Alt+k")
    await expect(agent.locator("[data-test=keys]")).to_be_visible()
    await examiner.look(agent, "desk, talking")
    await caller.hang_up()
    await stage_is(agent, "wrap_up")
    await examiner.look(agent, "desk, wrap-up")
    await finish(agent, "resolved", "ok")
    await state_is(agent, "ready")
    await agent.locator("[data-test=self]").click()
    await agent.locator(".n-dropdown-option").first.click()
    await expect(agent.locator("[data-test=device-dialog]")).to_be_visible()
    await examiner.look(agent, "devices")
    await agent.keyboard.press("Escape")
