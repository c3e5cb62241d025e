"""Customers on the screens: the card with the offer, their pages, and what is never lost."""

import re
from typing import Any

import asyncpg
import pytest
from playwright.async_api import FilePayload, Page, Route, WebSocketRoute, expect

from tests.e2e.axe import LOOKS, Examiner
from tests.e2e.conftest import OpenPage
from tests.e2e.desk import finish, listed, ready_agent, sign_in, stage_is, state_is, talk
from tests.support.until import until
from tests.support.whole import Whole

NUMBER = "+8613800138000"
SHOWN_MS = 20_000
"""How long a number is shown in full."""
OUYANG = {
    "name": "欧阳晓明",
    "level": "VIP",
    "tags": ["老客户"],
    "owner_agent_id": "1002",
    "notes_pinned": "Only in the afternoon",
    "numbers": [{"number": NUMBER, "label": "mobile"}],
}

# Writes down, on one clock, when what is pinned first showed and when the first tone started.
WATCH_CARD_AND_RING = """
window.moments = {};
const note = (what) => { window.moments[what] ??= performance.now(); };
new MutationObserver(() => {
  if (document.querySelector("[data-test=pinned]")) note("card");
}).observe(document, { subtree: true, childList: true });
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...given) {
  note("ring");
  return start.apply(this, given);
};
"""
MOVING = "() => document.getAnimations().map((each) => String(each.effect.target.className))"
ASK = """
async ([method, path, body]) => {
  const me = await (await fetch("/api/v1/session")).json();
  const answer = await fetch("/api/v1" + path, {
    method,
    headers: { "Content-Type": "application/json", "X-Zuoxi-Csrf": me.csrf },
    body: body === null ? undefined : JSON.stringify(body),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(answer.status + " " + text);
  return text === "" ? null : JSON.parse(text);
}
"""


async def ask(page: Page, method: str, path: str, body: Any = None) -> Any:
    """Ask the server as who is signed in on the page."""
    return await page.evaluate(ASK, [method, path, body])


async def add(page: Page, **customer: Any) -> Any:
    """Make a customer."""
    return await ask(page, "POST", "/customers", {**OUYANG, **customer})


async def supervisor(centre: Whole, open_page: OpenPage, *look: str) -> Page:
    """Open a page of somebody who manages customers."""
    await centre.add_user("zhao", "supervisor")
    page = await open_page(*look)
    await sign_in(page, "zhao")
    return page


def without_cards(socket: WebSocketRoute) -> None:
    """The live connection of a server that cannot read who calls."""
    server = socket.connect_to_server()
    server.on_message(lambda text: None if '"type":"pop"' in str(text) else socket.send(text))


async def test_a_known_customer_from_the_offer_to_the_call_back(
    centre: Whole, open_page: OpenPage
) -> None:
    manager = await supervisor(centre, open_page)
    customer = await add(manager)
    agent = await open_page("en", script=WATCH_CARD_AND_RING)
    await ready_agent(agent)
    caller = await centre.far_end.call("support", NUMBER, name="Ouyang")
    await stage_is(agent, "offered")
    await expect(agent.locator("[data-test=pop-name]")).to_have_text("欧阳晓明")
    await expect(agent.locator("[data-test=pop-marks]")).to_contain_text("VIP")
    await expect(agent.locator("[data-test=pop-number]")).to_contain_text("138 **** 8000")
    await expect(agent.locator("[data-test=pop-owner]")).to_have_text("李强")
    await agent.wait_for_function("() => 'ring' in window.moments")
    moments = await agent.evaluate("() => window.moments")
    assert moments["card"] < moments["ring"]
    assert await agent.evaluate(MOVING) == [], "frames take the time of the next card"

    await agent.locator("[data-test=answer]").click()
    await stage_is(agent, "talking")
    await state_is(agent, "talking")
    await agent.locator("[data-test=customer-note]").fill("Asks for the refund of 68")
    await agent.locator("[data-test=save-note]").click()
    await expect(agent.locator("[data-kind=note]")).to_contain_text("refund of 68")
    await caller.hang_up()
    await stage_is(agent, "wrap_up")
    await agent.locator("[data-test=call-back]").click()
    await agent.locator("[data-test=quick-tomorrow]").click()
    await agent.locator("[data-test=call-back-text]").fill("Has the refund arrived?")
    await finish(agent, "follow_up", "Refund agreed.")
    await state_is(agent, "ready")
    due = agent.locator("[data-test=appointments-due] [data-test=appointment]")
    await expect(due).to_contain_text("Has the refund arrived?")
    await due.locator("[data-test=mark-done]").click()
    await expect(due).to_contain_text("Done")
    await due.locator("[data-test=mark-done]").click()
    await expect(due).not_to_contain_text("Done")
    kept = await ask(manager, "GET", f"/customers/{customer['customer_id']}/timeline")
    assert {item["kind"] for item in kept["items"]} >= {"note", "appointment", "change"}


async def test_half_a_new_customer_outlives_the_next_pop_and_a_reload(
    centre: Whole, open_page: OpenPage
) -> None:
    agent = await open_page("en")
    await ready_agent(agent)
    first = await talk(centre, agent, "+8613700137000")
    form = agent.locator("[data-test=new-customer]")
    await expect(form.locator("[data-test=given-number]")).to_contain_text("137 **** 7000")
    await form.locator("[data-test=field-name]").fill("Half a na")
    await first.hang_up()
    await stage_is(agent, "wrap_up")
    await finish(agent, "resolved", "ok")
    await state_is(agent, "ready")

    second = await centre.far_end.call("support", "+8613900139000")
    await stage_is(agent, "offered")
    await expect(form.locator("[data-test=given-number]")).to_contain_text("139 **** 9000")
    await expect(form.locator("[data-test=field-name]")).not_to_have_value("Half a na")
    await agent.locator("[data-test=reject]").click()
    await second.hang_up()
    await listed(centre, "answered")
    await agent.reload()
    await agent.locator("[data-test=unfinished-form]").click()
    await expect(form.locator("[data-test=field-name]")).to_have_value("Half a na")
    await form.locator("[data-test=field-name]").fill("Half a name")
    await form.locator("[data-test=save-customer]").click()
    await expect(form).to_have_count(0)
    await expect(agent.locator("[data-test=unfinished-forms]")).to_have_count(0)
    found = await ask(agent, "GET", "/customers?q=Half")
    assert [line["name"] for line in found["items"]] == ["Half a name"]
    assert found["items"][0]["numbers"][0]["number"].endswith("7000")


async def test_a_number_is_shown_in_full_when_asked_for(centre: Whole, open_page: OpenPage) -> None:
    manager = await supervisor(centre, open_page)
    customer = await add(manager, owner_agent_id="1001")
    agent = await open_page("en")
    await agent.clock.install()
    await sign_in(agent, "fang")
    await agent.goto(f"/customers/{customer['customer_id']}")
    await agent.locator("[data-test=tab-details]").click()
    number = agent.locator("[data-test=kept-number]")
    await expect(number).to_contain_text("138 **** 8000")
    await agent.clock.pause_at(await agent.evaluate("Date.now() / 1000 + 1"))
    await number.locator("[data-test=reveal]").click()
    await expect(number).to_contain_text("138 0013 8000")
    await agent.clock.fast_forward(SHOWN_MS - 100)
    await expect(number).to_contain_text("138 0013 8000")
    await agent.clock.fast_forward(200)
    await expect(number).to_contain_text("138 **** 8000")
    await agent.clock.resume()
    await number.locator("[data-test=reveal]").click()
    await expect(number).to_contain_text("138 0013 8000")
    await number.locator("[data-test=reveal]").click()
    await expect(number).to_contain_text("138 **** 8000")


async def test_one_of_several_is_chosen_by_its_key(centre: Whole, open_page: OpenPage) -> None:
    manager = await supervisor(centre, open_page)
    await add(manager)
    await add(manager, name="欧阳小明", level="B", allow_shared=True)
    agent = await open_page("en")
    await ready_agent(agent)
    await talk(centre, agent, NUMBER)
    matches = agent.locator("[data-test=match]")
    await expect(matches).to_have_count(2)
    wanted = await matches.nth(1).locator("strong").inner_text()
    await agent.keyboard.press("2")
    await expect(agent.locator("[data-test=pop-name]")).to_have_text(wanted)
    await agent.locator("[data-test=someone-else]").click()
    await expect(agent.locator("[data-test=new-customer]")).to_be_visible()
    await agent.reload()
    await expect(agent.locator("[data-test=pop-name]")).to_have_text(wanted)


async def test_a_card_that_fails_holds_no_call_up(centre: Whole, open_page: OpenPage) -> None:
    manager = await supervisor(centre, open_page)
    await add(manager)
    agent = await open_page("en")
    await agent.route_web_socket("**/api/v1/live", without_cards)
    await ready_agent(agent)
    asked: list[str] = []

    async def away(route: Route) -> None:
        asked.append(route.request.url)
        await route.fulfill(
            status=503, json={"status": 503, "code": "database_away", "title": "No"}
        )

    await agent.route("**/api/v1/agent/calls/*/customer", away)
    await centre.far_end.call("support", NUMBER)
    await stage_is(agent, "offered")
    await expect(agent.locator("[data-test=pop-number]")).to_contain_text("138 **** 8000")
    await expect(agent.locator("[data-test=pop-failed]")).to_be_visible()
    await expect(agent.locator("[data-test=pinned]")).to_have_count(0)
    await agent.locator("[data-test=answer]").click()
    await stage_is(agent, "talking")
    await state_is(agent, "talking")
    await until(lambda: len(asked) >= 2)  # it is asked for once more when the talk begins
    await expect(agent.locator("[data-test=pop-failed]")).to_be_visible()
    await agent.unroute("**/api/v1/agent/calls/*/customer")
    await agent.locator("[data-test=pop-retry]").click()
    await expect(agent.locator("[data-test=pinned]")).to_be_visible()
    await expect(agent.locator("[data-test=pop-failed]")).to_have_count(0)


async def test_two_who_change_the_same_see_both_values(centre: Whole, open_page: OpenPage) -> None:
    page = await supervisor(centre, open_page)
    customer = await add(page)
    one = f"/customers/{customer['customer_id']}"
    await page.goto(one)
    await page.locator("[data-test=tab-details]").click()
    await page.locator("[data-test=field-name]").fill("欧阳老师")
    change = {"version": customer["version"], "name": "欧阳晓敏", "email": "o@example.cn"}
    await ask(page, "PATCH", one, change)
    await page.locator("[data-test=save-details]").click()
    conflicts = page.locator("[data-test=conflicts]")
    await expect(conflicts).to_contain_text("欧阳老师")
    await expect(conflicts).to_contain_text("欧阳晓敏")
    await page.reload()
    await expect(page.locator("[data-test=keep-mine]")).to_be_visible()
    await page.locator("[data-test=keep-mine]").click()
    await page.locator("[data-test=save-details]").click()
    await expect(page.locator("[data-test=customer-name]")).to_have_text("欧阳老师")
    now = await ask(page, "GET", one)
    assert (now["name"], now["email"]) == ("欧阳老师", "o@example.cn")


async def test_customers_are_found_as_one_types(centre: Whole, open_page: OpenPage) -> None:
    page = await supervisor(centre, open_page)
    await add(page)
    await add(page, name="王芳", level="A", tags=[], numbers=[{"number": "+8613900139000"}])
    await page.goto("/customers")
    rows = page.locator("[data-test=customer-row]")
    await expect(rows).to_have_count(2)
    search = page.locator("[data-test=customer-search]")
    for words, name in (("晓", "欧阳晓明"), ("wangf", "王芳"), ("8000", "欧阳晓明")):
        await search.fill(words)
        await expect(rows).to_have_count(1)
        await expect(rows).to_contain_text(name)
    await expect(page).to_have_url("/customers?q=8000")
    await page.reload()
    await expect(rows).to_contain_text("欧阳晓明")
    await search.fill("nobody")
    await expect(page.get_by_text("Nobody fits")).to_be_visible()
    await search.fill("")
    await expect(rows).to_have_count(2)
    second = await rows.nth(1).locator("a").inner_text()
    await search.press("ArrowDown")
    await search.press("Enter")
    await expect(page.locator("[data-test=customer-name]")).to_have_text(second)


async def test_a_customer_is_refused_let_in_deleted_and_restored(
    centre: Whole, open_page: OpenPage
) -> None:
    page = await supervisor(centre, open_page)
    customer = await add(page)
    await page.goto(f"/customers/{customer['customer_id']}")
    await page.locator("[data-test=begin-block]").click()
    await page.locator("[data-test=block-reason]").fill("Threats")
    await page.reload()
    await expect(page.locator("[data-test=block-reason]")).to_have_value("Threats")
    await page.locator("[data-test=block]").click()
    await expect(page.locator("[data-test=blacklist]")).to_contain_text("Threats")
    await expect(page.locator("[data-test=blocked]")).to_be_visible()
    await page.locator("[data-test=allow]").click()
    await expect(page.locator("[data-test=blocked]")).to_have_count(0)
    await page.locator("[data-test=delete-customer]").click()
    await page.locator("[data-test=restore]").click()
    await expect(page.locator("[data-test=customer-name]")).to_have_text("欧阳晓明")


async def test_duplicates_are_merged_and_parted_again(centre: Whole, open_page: OpenPage) -> None:
    page = await supervisor(centre, open_page)
    customer = await add(page)
    other = await add(page, name="欧阳小明", tags=["试用"], allow_shared=True)
    await page.goto(f"/customers/{customer['customer_id']}")
    await page.locator("[data-test=merge]").click()
    await expect(page.locator("[data-test=merge-table]")).to_contain_text("试用")
    await page.locator("[data-test=merge-confirm]").click()
    await expect(page.locator("[data-test=customer-page]")).to_contain_text("试用")
    await page.locator("[data-test=unmerge]").click()
    await expect(page.locator("[data-test=duplicates]")).to_contain_text("欧阳小明")
    assert (await ask(page, "GET", f"/customers/{other['customer_id']}"))["tags"] == ["试用"]


async def test_a_field_of_ones_own_is_defined_and_asked_for(
    centre: Whole, open_page: OpenPage
) -> None:
    await centre.add_user("root", "admin")
    admin = await open_page("en")
    await sign_in(admin, "root")
    await admin.goto("/customer-fields")
    await admin.locator("[data-test=add-field]").click()
    row = admin.locator("[data-test=field-row]")
    await row.get_by_label("Chinese name").fill("合同号")
    await row.get_by_label("English name").fill("Contract number")
    await row.get_by_role("switch").click()
    await expect(admin.locator("[data-test=fields-preview]")).to_contain_text("Contract number")
    await admin.locator("[data-test=save-fields]").click()
    await expect(row.locator("code")).to_have_text("contract_number")

    page = await supervisor(centre, open_page, "zh-CN")
    await page.goto("/customers/new")
    await page.locator("[data-test=field-name]").fill("王芳")
    await page.locator("[data-test=save-customer]").click()
    field = page.locator("[data-test=custom-contract_number]")
    await expect(field.get_by_role("alert")).to_be_visible()
    await field.locator("input").fill("HT-1")
    await page.locator("[data-test=save-customer]").click()
    await expect(page.locator("[data-test=customer-name]")).to_have_text("王芳")


CUSTOMERS_CSV = "姓名,手机,会员级别,备注栏\n王芳,13900139000,A,=1+1\n李强,nonsense,B,\n".encode()


async def test_a_file_is_brought_in_and_its_bad_rows_taken_away(
    centre: Whole, open_page: OpenPage
) -> None:
    page = await supervisor(centre, open_page)
    await page.goto("/customers/import")
    upload = page.locator("[data-test=import-file]")
    await upload.set_input_files(
        {"name": "list.csv", "mimeType": "text/csv", "buffer": CUSTOMERS_CSV}
    )
    mapping = page.locator("[data-test=mapping]")
    await expect(mapping).to_contain_text("王芳")
    await expect(mapping.locator("tr", has_text="手机")).to_contain_text("Number")
    await page.goto("/customers")
    await page.go_back()
    await page.locator("[data-test=import-start]").click()
    await expect(page.locator("[data-test=import]")).to_have_attribute("data-step", "done")
    await expect(page.locator("[data-test=import-created]")).to_have_text("1")
    await expect(page.locator("[data-test=import-bad]")).to_have_text("1")
    async with page.expect_download() as asked:
        await page.locator("[data-test=bad-rows]").click()
    bad = await (await asked.value).path()
    assert "nonsense" in bad.read_text("utf-8-sig")

    await page.goto("/customers")
    await expect(page.locator("[data-test=customer-row]")).to_contain_text("王芳")
    await page.get_by_role("button", name="Export").click()
    await expect(page.locator("[data-test=export-what]")).to_contain_text("All customers")
    async with page.expect_download() as asked:
        await page.locator("[data-test=export-start]").click()
    assert (await (await asked.value).path()).stat().st_size > 100


async def test_a_running_import_is_watched_cancelled_and_gone_on_with(
    centre: Whole, open_page: OpenPage
) -> None:
    rows = 20_000
    lines = [f"customer {row},138{row:08}" for row in range(rows)]
    page = await supervisor(centre, open_page)
    await page.goto("/customers/import")
    table: FilePayload = {
        "name": "long.csv",
        "mimeType": "text/csv",
        "buffer": "\n".join(["name,phone", *lines]).encode(),
    }
    await page.locator("[data-test=import-file]").set_input_files(table)
    await page.locator("[data-test=import-start]").click()
    step = page.locator("[data-test=import]")
    await expect(step).to_have_attribute("data-step", "running")
    await expect(page.get_by_role("progressbar")).to_be_visible()
    read = page.locator("[data-test=import-read]")
    created = page.locator("[data-test=import-created]")
    await expect(read).to_have_text(re.compile(rf"^[1-9][0-9]* of {rows} rows · .+ left$"))
    # It is the server's: one may leave the page.
    await page.goto("/customers")
    await page.go_back()
    await expect(created).to_have_text(re.compile("^[1-9]"))
    await page.locator("[data-test=import-cancel]").click()
    await expect(step).to_have_attribute("data-step", "cancelled")
    await expect(page.get_by_role("progressbar")).to_have_count(0)
    await expect(read).to_have_text(re.compile(rf"^[0-9]+ of {rows} rows ?$"))
    stayed = int(await created.inner_text())
    assert 0 < stayed < rows

    await page.locator("[data-test=import-again]").click()
    await expect(step).to_have_attribute("data-step", "done", timeout=90_000)
    await expect(created).to_have_text(str(rows))
    await expect(page.locator("[data-test=import-again]")).to_have_count(0)
    connection = await asyncpg.connect(centre.dsn)
    try:
        kept = await connection.fetchrow("SELECT count(*), count(DISTINCT name) FROM customers")
    finally:
        await connection.close()
    assert tuple(kept or ()) == (rows, rows)


async def test_the_columns_of_the_list_are_chosen_and_kept(
    centre: Whole, open_page: OpenPage
) -> None:
    page = await supervisor(centre, open_page)
    await add(page)
    await page.goto("/customers")
    heads = page.locator("main thead th")
    everything = ["Name", "Number", "Company", "Level", "Tags", "Owner", "Changed"]
    await expect(heads).to_have_count(len(everything))
    row = page.locator("[data-test=customer-row]")
    await expect(row).to_contain_text("老客户")
    await page.locator("[data-test=columns]").press("Enter")
    for column in ("tags", "updated"):
        await page.locator(f"[data-test=column-{column}]").get_by_role("checkbox").click()
    await expect(heads).to_have_count(len(everything) - 2)
    await expect(row).not_to_contain_text("老客户")
    await expect(row).to_contain_text("VIP")
    await page.reload()
    await expect(row).to_contain_text("VIP")
    await expect(heads).to_have_count(len(everything) - 2)
    await page.locator("[data-test=columns]").click()
    await page.locator("[data-test=column-tags]").get_by_role("checkbox").click()
    await expect(row).to_contain_text("老客户")


async def test_the_list_is_filtered_by_the_blacklist(centre: Whole, open_page: OpenPage) -> None:
    page = await supervisor(centre, open_page)
    customer = await add(page)
    await add(page, name="王芳", tags=[], numbers=[{"number": "+8613900139000"}])
    block = {"reason": "Threats", "until": None}
    await ask(page, "PUT", f"/customers/{customer['customer_id']}/blacklist", block)
    await page.goto("/customers")
    rows = page.locator("[data-test=customer-row]")
    await expect(rows).to_have_count(2)
    chooser = page.locator("[data-test=filter-blocked]")
    for words, name, value in (
        ("Not blacklisted", "王芳", "false"),
        ("Blacklisted", "欧阳晓明", "true"),
    ):
        await chooser.click()
        await page.locator(".n-base-select-option").get_by_text(words, exact=True).click()
        await expect(page).to_have_url(f"/customers?blocked={value}")
        await expect(rows).to_have_count(1)
        await expect(rows).to_contain_text(name)
    await page.goto("/customers?blocked=false")
    await expect(rows).to_contain_text("王芳")
    await page.get_by_role("button", name="Export").click()
    await expect(page.locator("[data-test=export-what]")).to_contain_text("Not blacklisted")


async def test_a_picture_is_no_list_of_customers(centre: Whole, open_page: OpenPage) -> None:
    page = await supervisor(centre, open_page, "zh-CN")
    await page.goto("/customers/import")
    picture: FilePayload = {
        "name": "a.xlsx",
        "mimeType": "image/png",
        "buffer": b"\x89PNG\r\n\x1a\n" + bytes(99),
    }
    await page.locator("[data-test=import-file]").set_input_files(picture)
    await expect(page.locator("[data-code=no_spreadsheet]")).to_be_visible()
    await expect(page.locator("[data-test=import]")).to_have_attribute("data-step", "file")


@pytest.mark.parametrize(("language", "theme"), LOOKS)
async def test_the_customers_screens_can_be_read_by_everybody(
    centre: Whole, open_page: OpenPage, language: str, theme: str, axe_core: str
) -> None:
    await centre.add_user("zhao", "supervisor")
    await centre.add_user("root", "admin")
    page = await open_page(language, theme, script=axe_core)
    await sign_in(page, "zhao")
    customer = await add(page)
    await page.goto("/customers")
    await expect(page.locator("[data-test=customer-row]")).to_be_visible()
    examiner = Examiner()
    await examiner.look(page, "customers")
    await page.locator("[data-test=export]").click()
    await expect(page.locator("[data-test=export-what]")).to_be_visible()
    await examiner.look(page, "export")
    await page.keyboard.press("Escape")
    await add(page, name="欧阳小明", allow_shared=True)
    await page.goto(f"/customers/{customer['customer_id']}")
    await page.locator("[data-test=merge]").click()
    await expect(page.locator("[data-test=merge-table]")).to_be_visible()
    await examiner.look(page, "merge")
    await page.goto(f"/customers/{customer['customer_id']}")
    await expect(page.locator("[data-test=contact]").first).to_be_visible()
    await examiner.look(page, "customer")
    await page.locator("[data-test=tab-details]").click()
    await expect(page.locator("[data-test=customer-details]")).to_be_visible()
    await examiner.look(page, "customer, details")
    await page.goto("/customers/new")
    await expect(page.locator("[data-test=new-customer]")).to_be_visible()
    await examiner.look(page, "new customer")
    await page.goto("/customers/import")
    await expect(page.locator("[data-test=import]")).to_be_visible()
    await examiner.look(page, "import")
    await page.locator("[data-test=import-file]").set_input_files(
        {"name": "list.csv", "mimeType": "text/csv", "buffer": CUSTOMERS_CSV}
    )
    await expect(page.locator("[data-test=mapping]")).to_be_visible()
    await examiner.look(page, "import, columns")
    await page.locator("[data-test=import-start]").click()
    await expect(page.locator("[data-test=import]")).to_have_attribute("data-step", "done")
    await examiner.look(page, "import, done")

    agent = await open_page(language, theme, script=axe_core)
    await ready_agent(agent)
    caller = await talk(centre, agent, NUMBER)
    await expect(agent.locator("[data-test=match]").first).to_be_visible()
    await examiner.look(agent, "desk, one of several customers")
    await agent.keyboard.press("1")
    await expect(agent.locator("[data-test=contact]").first).to_be_visible()
    await examiner.look(agent, "desk, known customer")
    await caller.hang_up()
    tab = await agent.context.new_page()
    await tab.goto("/desk")
    await expect(tab.locator("[data-test=other-tab]")).to_be_visible()
    await examiner.look(tab, "desk, in another tab")
    admin = await open_page(language, theme, script=axe_core)
    await sign_in(admin, "root")
    await admin.goto("/customer-fields")
    await admin.locator("[data-test=add-field]").click()
    await examiner.look(admin, "fields")
    assert not examiner.complaints, "\n".join(examiner.complaints)
