"""Names and notes that are meant to do harm: shown as the text that they are, in their place."""

from datetime import UTC, datetime
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from config.floor import Floor
from cti.sandbox.ports import LOOPBACK
from tests.e2e.conftest import OpenPage, pages
from tests.e2e.desk import (
    FLOOR,
    finish,
    listed,
    phone_works,
    sign_in,
    stage_is,
    state_is,
    take_seat,
)
from tests.support.sandbox import TestSandbox
from tests.support.whole import Whole, whole

SCRIPTS = [
    "<img src=x onerror=window.hit=1>",
    "<script>window.hit=1</script>",
    "<svg/onload=window.hit=1>",
    "'><iframe src=javascript:parent.hit=1>",
    "javascript:window.hit=1",
    "{{constructor.constructor('window.hit=1')()}}",
    "<a href=//evil.example/x>here</a>",
]
TURNED = "Bank \u202eecnanif\u202c \u2067x"
UNSEEN = "\u200b\u2060\ufeff\u200e"
TEXTS = [
    *SCRIPTS,
    '"><style>@import "//evil.example/y"</style>',
    "<math><mtext><table><mglyph><style><img src=x onerror=window.hit=1>",
    TURNED,
    UNSEEN,
    "\x07\x1b[31m\x7f\x9b bell",
    "A" * 10_000,
    "名" * 10_000,
    "e\u0301" * 2_000,
]
HARM = """() => ({
  ran: "hit" in window,
  planted: [...document.querySelectorAll(
    "img[src='x'], iframe, mglyph, svg[onload], a[href^='javascript'], a[href*='evil'], #app style"
  )].map((each) => each.outerHTML),
  turned: /[\\u202a-\\u202e\\u2066-\\u2069\\u200b]/.test(
    document.documentElement.outerHTML + document.title
  ),
  wider: [...document.querySelectorAll("section, header, table, th, td, button, dd, h1, h2, p")]
    .filter((each) => each.getBoundingClientRect().right > innerWidth + 1)
    .map((each) => each.outerHTML.slice(0, 200)),
})"""
HARMLESS = {"ran": False, "planted": [], "turned": False, "wider": []}


def hostile_floor() -> Floor:
    """The desk's floor, everything in it that is free text hostile."""
    values = FLOOR.model_dump(mode="json")
    [queue] = values["queues"]
    queue["title"] = {"zh-CN": SCRIPTS[0], "en": f"{SCRIPTS[1]}{TURNED}{'Q' * 3_000}"}
    queue["dispositions"] = ["resolved", SCRIPTS[2]]
    values["agents"][0] |= {"name": TURNED + SCRIPTS[0]}
    values["agents"][1] |= {"name": "W" * 80}
    values["reasons"] = [{"code": "rest", "title": {"en": SCRIPTS[0], "zh-CN": "长" * 2_000}}]
    return Floor.model_validate(values)


class Witness:
    """Notes what pages do that they must not."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def watch(self, page: Page) -> None:
        async def dismiss(dialog) -> None:
            self.seen.append(f"dialog: {dialog.message}")
            await dialog.dismiss()

        page.on("dialog", dismiss)
        page.on("request", lambda request: self._asked(request.url))
        page.on("framenavigated", lambda frame: self._asked(frame.url))

    def _asked(self, url: str) -> None:
        parts = urlsplit(url)
        if parts.scheme not in {"data", "blob", "about"} and parts.hostname != LOOPBACK:
            self.seen.append(url)


@pytest_asyncio.fixture
async def centre(sandbox: TestSandbox, database: str, screens: None):
    """Start a centre whose every name is hostile."""
    async with whole(sandbox, database, hostile_floor()) as site:
        await site.add_user("fang", "agent", "1001")
        await site.add_user("chen", "leader")
        await _execute(site, "UPDATE users SET full_name = $1", SCRIPTS[0] + TURNED)
        await _execute(site, "UPDATE teams SET name = $1", (SCRIPTS[0] + "T" * 80)[:80])
        yield site


async def _execute(site: Whole, query: str, *arguments: object) -> None:
    connection = await asyncpg.connect(site.dsn)
    try:
        await connection.execute(query, *arguments)
    finally:
        await connection.close()


async def _list_calls_of(site: Whole, names: list[str]) -> None:
    """Put calls of these callers into the list, made like the one that is there."""
    connection = await asyncpg.connect(site.dsn)
    try:
        call = dict(await connection.fetchrow("SELECT * FROM calls LIMIT 1"))
        columns = ", ".join(call)
        places = ", ".join(f"${n}" for n in range(1, len(call) + 1))
        for n, name in enumerate(names):
            named = {"call_id": f"h{n}", "caller_name": name, "customer_name": None}
            told = {"level": name[:200], "started_at": datetime.now(UTC), "linkedid": f"h{n}"}
            await connection.execute(
                f"INSERT INTO calls ({columns}) VALUES ({places})",
                *(call | named | told).values(),
            )
    finally:
        await connection.close()


@pytest.mark.parametrize(("language", "theme"), [("zh-CN", "light"), ("en", "dark")])
async def test_hostile_text_is_only_text(centre: Whole, browser, language: str, theme: str) -> None:
    witness = Witness()
    async with pages(browser, centre.base) as open_page:
        agent = await _page(open_page, witness, language, theme)
        leader = await _page(open_page, witness, language, theme)
        await sign_in(leader, "chen")
        callers = [
            await centre.far_end.call("support", f"+861380013800{n}", name=name)
            for n, name in enumerate([TURNED, *SCRIPTS, "N" * 200, UNSEEN])
        ]
        waiting = leader.locator("[data-test=waiting-row]")
        await expect(waiting).to_have_count(len(callers))
        for script in SCRIPTS:
            await expect(waiting.filter(has_text=script[:20]).first).to_be_visible()
        assert await leader.evaluate(HARM) == HARMLESS, "floor"

        await sign_in(agent, "fang")
        await take_seat(agent)
        await phone_works(agent)
        await agent.locator("[data-test=go-ready]").click()
        await stage_is(agent, "offered")
        assert await agent.evaluate(HARM) == HARMLESS, "offer"
        for each in callers[1:]:
            await each.hang_up()
        await agent.locator("[data-test=answer]").click()
        await stage_is(agent, "talking")
        await expect(agent.locator("[data-test=pop-name]")).to_have_text("Bank ecnanif x")
        assert await agent.evaluate(HARM) == HARMLESS, "talk"
        await callers[0].hang_up()
        await stage_is(agent, "wrap_up")
        notes = "\n".join(text[:300] for text in TEXTS if "\x07" not in text)
        await finish(agent, "resolved", notes)
        await state_is(agent, "ready")
        assert await agent.evaluate(HARM) == HARMLESS, "after the call"

        call_id = await listed(centre, "answered")
        await _list_calls_of(centre, TEXTS)
        await leader.goto("/calls")
        await expect(leader.locator("[data-test=call-row]").nth(len(TEXTS))).to_be_visible()
        assert await leader.evaluate(HARM) == HARMLESS, "list of calls"
        await leader.goto(f"/calls/{call_id}")
        await expect(leader.get_by_text("evil.example/x").first).to_be_visible()
        assert await leader.evaluate(HARM) == HARMLESS, "call"
        await leader.goto("/calls?q=" + SCRIPTS[0] + "#" + SCRIPTS[0])
        await expect(leader.locator("table, [data-test=empty]").first).to_be_visible()
        assert await leader.evaluate(HARM) == HARMLESS, "address"
    assert witness.seen == []


async def _page(open_page: OpenPage, witness: Witness, language: str, theme: str) -> Page:
    page = await open_page(language, theme)
    witness.watch(page)
    return page
