"""Customers over HTTP: made, found, changed, blacklisted, merged, deleted, and their time line."""

import asyncio
import re
import time
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from crm import customers as store
from crm import merging
from cti import domain
from tests.integration.web.conftest import Browser, Site

pytestmark = pytest.mark.postgres

NUMBER = "+8613800138000"
OTHER = "+8613900139000"


async def made(browser: Browser, **body: Any) -> Any:
    status, customer = await browser.send("POST", "/api/v1/customers", {"name": "王芳", **body})
    assert status == 200, customer
    return customer


async def found(browser: Browser, query: str) -> list[str]:
    status, page = await browser.send("GET", f"/api/v1/customers?{query}")
    assert status == 200, page
    return [item["name"] for item in page["items"]]


async def ask(browser: Browser, method: str, path: str, body: object = None) -> Any:
    status, answer = await browser.send(method, f"/api/v1/{path}", body)
    assert status in (200, 204), answer
    return answer


async def test_a_customer_is_made_found_and_changed(site: Site) -> None:
    lea = await site.browser("lea")
    customer = await made(
        lea,
        company="上海华通科技有限公司",
        level="VIP",
        tags=["老客户"],
        numbers=[{"number": "138 0013 8000", "label": "mobile"}],
    )
    assert [each["number"] for each in customer["numbers"]] == [NUMBER]
    for query in ("q=芳", "q=wangf", "q=wf", "q=华通", "q=8000", "q=13800138000", "tag=老客户"):
        assert await found(lea, query) == ["王芳"], query
    for query in ("q=李", "q=angf", "q=8001", "tag=老", "level=V", "blocked=true", "q=王+芬"):
        assert await found(lea, query) == [], query
    assert await found(lea, "q=芳 华通&level=VIP&tag=老客户") == ["王芳"]

    path = f"customers/{customer['customer_id']}"
    changed = await ask(
        lea, "PATCH", path, {"version": 1, "name": "Wang Fang", "numbers": [{"number": OTHER}]}
    )
    assert (changed["version"], changed["level"]) == (2, "VIP")
    assert await found(lea, "q=芳") == []
    assert await found(lea, "q=fang") == ["Wang Fang"]
    assert await found(lea, "q=8000") == []
    assert await found(lea, "q=9000") == ["Wang Fang"]

    status, problem = await lea.send("PATCH", f"/api/v1/{path}", {"version": 1, "name": "X"})
    assert (status, problem["code"]) == (409, "customer_changed")
    assert problem["customer"]["name"] == "Wang Fang"


async def test_numbers_are_masked_and_stay_when_they_come_back_so(site: Site) -> None:
    lea, amy = await site.browser("lea"), await site.browser("amy")
    customer = await made(lea, name="王芳 13800138000", numbers=[{"number": NUMBER}])
    path = f"customers/{customer['customer_id']}"
    seen = await ask(amy, "GET", path)
    assert seen["name"] == "王芳 138****8000"
    assert seen["numbers"][0]["number"] == "+86138****8000"
    number = seen["numbers"][0]
    changed = {
        "version": 1,
        "name": seen["name"],
        "numbers": [{**number, "label": "home"}, {"number": OTHER}],
    }
    await ask(amy, "PATCH", path, changed)
    whole = await ask(lea, "GET", path)
    assert whole["name"] == "王芳 13800138000"
    assert [(each["number"], each["label"]) for each in whole["numbers"]] == [
        (NUMBER, "home"),
        (OTHER, ""),
    ]
    (change, _) = (await ask(amy, "GET", f"{path}/timeline"))["items"]
    assert change["facts"]["numbers"] == [["+86138****8000"], ["+86138****8000", "+86139****9000"]]

    status, problem = await amy.send("GET", "/api/v1/customers?q=8000")
    assert (status, problem["code"]) == (403, "no_right")
    for query in ("q=138 0013 8000", "q=%2B86 138-0013-8000", "q=008613800138000"):
        assert await found(amy, query) == ["王芳 138****8000"]
    for query in ("q=3800138000", "q=800138000", "q=王芳 3800138000"):
        assert await found(lea, query) == ["王芳 13800138000"]
        assert await found(amy, query) == []
    reveal = f"{path}/numbers/{number['number_id']}/reveal"
    status, problem = await amy.send("POST", f"/api/v1/{reveal}", {})
    assert (status, problem["code"]) == (403, "not_your_customer")
    await ask(lea, "PATCH", path, {"version": whole["version"], "owner_agent_id": "1001"})
    revealed = await ask(amy, "POST", reveal)
    assert revealed == {"number": NUMBER}
    async with site.pool.pool.acquire() as connection:
        trail = await connection.fetch("SELECT user_name, what, facts FROM audit_trail ORDER BY 1")
    entries = {(row["user_name"], row["what"]) for row in trail}
    assert {("amy", "number_revealed"), ("amy", "customer_changed")} <= entries
    assert not any("13800138000" in row["facts"] for row in trail)


async def test_an_agent_makes_no_customer_known_to_be_shown_the_numbers(
    site: Site, journalled: Any
) -> None:
    lea, amy = await site.browser("lea"), await site.browser("amy")
    customer = await made(lea, numbers=[{"number": NUMBER}])
    path = f"customers/{customer['customer_id']}"
    (number,) = customer["numbers"]
    reveal = f"{path}/numbers/{number['number_id']}/reveal"
    for method, to, body in (
        ("PATCH", path, {"version": 1, "owner_agent_id": "1001"}),
        ("POST", "customers", {"name": "王芳", "owner_agent_id": "1001"}),
    ):
        status, problem = await amy.send(method, f"/api/v1/{to}", body)
        assert (status, problem["code"], problem["right"]) == (403, "no_right", "numbers.see")
    # Whom she chooses for another's call, and whom she gives the number of one, she does not know.
    ringing(site, OTHER)
    await journalled(*talked("call-1", OTHER))
    await ask(amy, "PUT", "agent/calls/call-1/customer", {"customer_id": customer["customer_id"]})
    numbers = [{"number_id": number["number_id"]}, {"number": OTHER}]
    changed = await ask(amy, "PATCH", path, {"version": 1, "numbers": numbers})
    status, problem = await amy.send("POST", f"/api/v1/{reveal}", {})
    assert (status, problem["code"]) == (403, "not_your_customer")
    second = changed["numbers"][1]["number_id"]
    assert await ask(amy, "POST", f"{path}/numbers/{second}/reveal") == {"number": OTHER}


def talked(call_id: str, number: str) -> list[domain.DomainEvent]:
    """A call with this number in which Amy talked."""
    started = domain.CallStarted(
        at=100.0,
        call_id=call_id,
        direction="inbound",
        linkedid="l",
        caller_number=number,
        caller_name=None,
        called_number=None,
    )
    ended = domain.CallEnded(
        at=110.0,
        call_id=call_id,
        outcome="answered",
        ended_by="agent",
        talk_seconds=8.0,
        agent_id="1001",
    )
    return [started, ended]


async def test_a_note_that_is_sent_again_is_one_note(site: Site) -> None:
    lea, amy = await site.browser("lea"), await site.browser("amy")
    path = f"customers/{(await made(lea))['customer_id']}"
    first, again = [await ask(lea, "POST", f"{path}/notes", {"text": "likes tea"}) for _ in "12"]
    others = [
        await ask(lea, "POST", f"{path}/notes", {"text": "likes coffee"}),
        await ask(amy, "POST", f"{path}/notes", {"text": "likes tea"}),
    ]
    assert first["note_id"] == again["note_id"]
    assert len({each["note_id"] for each in [first, *others]}) == 3


async def test_who_guesses_whole_numbers_is_slowed_down(site: Site) -> None:
    lea, amy = await site.browser("lea"), await site.browser("amy")
    for guess in range(30):
        assert await found(amy, f"q=1380000{guess:04}") == []
    status, problem = await amy.send("GET", "/api/v1/customers?q=13800009999")
    assert (status, problem["code"]) == (429, "too_many_searches")
    assert await found(amy, "q=王芳") == []
    assert await found(lea, "q=13800009999") == []


async def test_who_guesses_numbers_by_new_customers_is_slowed_down(site: Site) -> None:
    lea, amy = await site.browser("lea"), await site.browser("amy")
    await made(lea, numbers=[{"number": "13800138000"}])
    guess = {"name": "李强", "numbers": [{"number": "13800138000"}]}
    answers = [(await amy.send("POST", "/api/v1/customers", guess))[1] for _ in range(31)]
    assert {answer["code"] for answer in answers[:30]} == {"number_taken"}
    assert answers[30]["code"] == "too_many_searches"
    await made(amy, name="赵敏")


async def test_who_guesses_many_numbers_at_once_is_slowed_down(site: Site) -> None:
    """Whoever has none of them is told of none, and that is an answer too; shared or not."""
    lea, amy = await site.browser("lea"), await site.browser("amy")
    await made(lea, numbers=[{"number": "13800138000"}])
    own = await made(amy, name="赵敏")
    path = f"/api/v1/customers/{own['customer_id']}"
    guesses = [{"number": f"1390000{guess:04}"} for guess in range(50)]
    change = {"version": own["version"], "numbers": guesses}
    changed = await ask(amy, "PATCH", path.removeprefix("/api/v1/"), change)
    again = {"version": changed["version"], "numbers": [{"number": "13800138000"}]}
    for shared in (False, True):
        status, problem = await amy.send("PATCH", path, again | {"allow_shared": shared})
        assert (status, problem["code"]) == (429, "too_many_searches")
    kept = [{"number_id": each["number_id"]} for each in changed["numbers"][:3]]
    last = {"version": changed["version"], "numbers": kept}
    assert len((await ask(amy, "PATCH", path.removeprefix("/api/v1/"), last))["numbers"]) == 3


WRITTEN = {
    "name": "王芳 13800138000",
    "company": "华通 0755-1234 5678",
    "level": "13800138000",
    "tags": ["VIP", "找 13900139000"],
    "source": "13800138000 介绍",
    "email": "13800138000@139.com",
    "address": "收件人 138 0013 8000, 518000",
    "notes_pinned": "老公 139-0013-9000，2026-05-01 后再打",
}
SHOWN = {
    "name": "王芳 138****8000",
    "company": "华通 0755****5678",
    "level": "138****8000",
    "tags": ["VIP", "找 139****9000"],
    "source": "138****8000 介绍",
    "email": "138****8000@139.com",
    "address": "收件人 138****8000, 518000",
    "notes_pinned": "老公 139****9000，2026-05-01 后再打",
}
DIGITS = re.compile(r"13[89][-\s]?0013[-\s]?[89]000|1234\s?5678")


async def test_numbers_in_texts_are_masked_and_stay_when_they_come_back_so(
    site: Site, journalled: Any
) -> None:
    ada, lea, amy = [await site.browser(name) for name in ("ada", "lea", "amy")]
    title = {"zh-CN": "字段", "en": "Field"}
    fields = [
        {"code": "hint", "title": title, "type": "text"},
        {"code": "plan", "title": title, "type": "choice", "choices": ["13800138000"]},
    ]
    await ask(ada, "PUT", "customer-fields", {"items": fields})
    own = {"hint": "公司 13800138000", "plan": "13800138000"}
    number = {"number": NUMBER, "label": "问 13900139000"}
    customer = await made(lea, **WRITTEN, fields=own, numbers=[number])
    path = f"customers/{customer['customer_id']}"
    await ask(lea, "POST", f"{path}/notes", {"text": "打 13900139000"})
    agreed = {"due_at": 1_900_000_000, "text": "打 13900139000", "agent_id": "1001"}
    await ask(lea, "POST", f"{path}/appointments", agreed)
    await ask(lea, "PUT", f"{path}/blacklist", {"reason": "用 13900139000 骚扰"})
    await ask(lea, "PATCH", path, {"version": 2, "source": "13900139000 介绍"})
    await ask(lea, "PATCH", path, {"version": 3, "source": WRITTEN["source"]})
    started = domain.CallStarted(
        at=100.0,
        call_id="call-1",
        direction="inbound",
        linkedid="l",
        caller_number=NUMBER,
        caller_name=None,
        called_number=None,
    )
    noted = domain.DispositionSaved(
        at=105.0, call_id="call-1", agent_id="1001", code="sale", notes="改打 13900139000"
    )
    await journalled(started, noted)

    seen = await ask(amy, "GET", path)
    assert {name: seen[name] for name in SHOWN} == SHOWN
    assert seen["blacklist"]["reason"] == "用 139****9000 骚扰"
    assert seen["numbers"][0]["label"] == "问 139****9000"
    assert seen["fields"] == {"hint": "公司 138****8000", "plan": "13800138000"}
    shown = [seen | {"fields": {"hint": seen["fields"]["hint"]}}]
    queries = ("customers?q=王芳", f"{path}/timeline", "appointments")
    shown += [await ask(amy, "GET", query) for query in queries]
    ringing(site)
    shown.append(await ask(amy, "GET", "agent/calls/call-1/customer"))
    shown[-1]["matches"][0]["fields"].pop("plan")
    texts = [each.get("text") or each.get("notes") for each in shown[2]["items"]]
    assert {"打 139****9000", "改打 139****9000"} <= set(texts)
    assert not DIGITS.search(str(shown))

    (appointment,) = shown[3]["items"]
    again = {"text": f"{appointment['text']}，晚上"}
    put = await ask(amy, "PATCH", f"appointments/{appointment['appointment_id']}", again)
    assert put["text"] == "打 139****9000，晚上"
    await ask(
        amy,
        "PATCH",
        path,
        {
            **SHOWN,
            "version": seen["version"],
            "notes_pinned": f"{seen['notes_pinned']}！",
            "fields": {"hint": f"{seen['fields']['hint']} 总机"},
            "numbers": seen["numbers"],
        },
    )
    whole = await ask(lea, "GET", path)
    assert {name: whole[name] for name in WRITTEN} == {
        **WRITTEN,
        "notes_pinned": f"{WRITTEN['notes_pinned']}！",
    }
    assert whole["fields"]["hint"] == "公司 13800138000 总机"
    assert whole["numbers"] == [{**number, "number_id": seen["numbers"][0]["number_id"]}]
    (appointment,) = (await ask(lea, "GET", "appointments?agent=1001"))["items"]
    assert appointment["text"] == "打 13900139000，晚上"
    assert DIGITS.search(str(await ask(lea, "GET", f"{path}/timeline")))


async def test_a_text_that_grows_too_long_with_its_numbers_is_named(site: Site) -> None:
    lea, amy = await site.browser("lea"), await site.browser("amy")
    customer = await made(lea, company="138 0013 8000")
    path = f"/api/v1/customers/{customer['customer_id']}"
    longer = "138****8000" + "x" * 109
    status, problem = await amy.send("PATCH", path, {"version": 1, "company": longer})
    assert (status, problem["errors"][0]["field"]) == (422, "company")


async def test_who_sees_numbers_may_write_stars(site: Site) -> None:
    lea = await site.browser("lea")
    customer = await made(lea, name="王芳 13800138000")
    change = {"version": 1, "name": "王芳 138****8000"}
    changed = await ask(lea, "PATCH", f"customers/{customer['customer_id']}", change)
    assert changed["name"] == change["name"]


async def test_a_number_has_one_customer_unless_it_is_said(site: Site) -> None:
    lea = await site.browser("lea")
    first = await made(lea, numbers=[{"number": NUMBER}])
    body = {"name": "李伟", "numbers": [{"number": NUMBER}]}
    status, problem = await lea.send("POST", "/api/v1/customers", body)
    assert (status, problem["code"]) == (409, "number_taken")
    assert (problem["customer_id"], problem["name"]) == (first["customer_id"], "王芳")
    second = await made(lea, **body, allow_shared=True)
    duplicates = await ask(lea, "GET", f"customers/{second['customer_id']}/duplicates")
    assert [(each["name"], each["why"]) for each in duplicates["items"]] == [
        ("王芳", "same_number")
    ]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"numbers": [{"number": "anonymous"}]}, "numbers.0.number"),
        ({"numbers": [{"number": "138****8000"}]}, "numbers.0.number"),
        ({"numbers": [{"number": "62345678-801"}]}, "numbers.0.number"),
        ({"name": ""}, "name"),
        ({"name": "a\0b"}, "name"),
        ({"email": "nobody"}, "email"),
        ({"fields": {"unknown": "x"}}, "fields.unknown"),
        ({"tags": ["a\x1fb"]}, "tags.0"),
        ({"priority": 1000}, "priority"),
    ],
)
async def test_what_does_not_fit_is_named(site: Site, body: dict[str, Any], field: str) -> None:
    lea = await site.browser("lea")
    status, problem = await lea.send("POST", "/api/v1/customers", {"name": "王芳", **body})
    assert (status, problem["code"]) == (422, "invalid")
    assert problem["errors"][0]["field"] == field


async def test_who_may_not_change_or_manage(site: Site) -> None:
    lea, quinn, ada = [await site.browser(name) for name in ("lea", "quinn", "ada")]
    customer = await made(lea)
    path = f"/api/v1/customers/{customer['customer_id']}"
    for browser, method, to, body in (
        (quinn, "POST", "/api/v1/customers", {"name": "x"}),
        (quinn, "PATCH", path, {"version": 1}),
        (ada, "GET", path, None),
        (lea, "DELETE", path, None),
        (quinn, "PUT", f"{path}/blacklist", {"reason": "x"}),
        (lea, "PUT", "/api/v1/customer-fields", {"items": []}),
    ):
        status, problem = await browser.send(method, to, body)
        assert (status, problem["code"]) == (403, "no_right"), (method, to)
    assert await ask(quinn, "GET", path.removeprefix("/api/v1/"))


async def test_blacklist_is_known_to_the_dialplan_and_ends(
    site: Site, pool: "asyncpg.Pool[asyncpg.Record]"
) -> None:
    lea = await site.browser("lea")
    customer = await made(lea, level="A", numbers=[{"number": NUMBER}])
    path = f"customers/{customer['customer_id']}"
    (row,) = await pool.fetch("SELECT * FROM callers")
    assert (row["number"], row["customer_id"], row["name"], row["level"], row["blocked"]) == (
        *(NUMBER, customer["customer_id"], "王芳", "A"),
        False,
    )
    blocked = await ask(
        lea, "PUT", f"{path}/blacklist", {"reason": "骚扰", "until": time.time() + 3600}
    )
    assert (blocked["blacklist"]["reason"], blocked["blacklist"]["by"]) == ("骚扰", "lea")
    (row,) = await pool.fetch("SELECT * FROM callers")
    assert row["blocked"] and row["blocked_until"] is not None
    assert await found(lea, "blocked=true") == ["王芳"]

    await ask(lea, "PUT", f"{path}/blacklist", {"reason": "骚扰", "until": time.time() - 1})
    assert await found(lea, "blocked=true") == []
    assert (await ask(lea, "GET", path))["blacklist"] is None

    await ask(lea, "DELETE", f"{path}/blacklist")
    assert not await pool.fetchval("SELECT blocked FROM callers")
    kinds = [each["what"] for each in (await ask(lea, "GET", f"{path}/timeline"))["items"]]
    assert kinds == ["allowed", "blacklisted", "blacklisted", "created"]


async def test_no_block_is_lifted_or_spread_with_numbers(
    site: Site, pool: "asyncpg.Pool[asyncpg.Record]"
) -> None:
    lea, amy = await site.browser("lea"), await site.browser("amy")
    customer = await made(lea, numbers=[{"number": NUMBER}])
    path = f"customers/{customer['customer_id']}"
    await ask(lea, "PUT", f"{path}/blacklist", {"reason": "threats"})
    (number,) = customer["numbers"]
    for numbers in ([], [{"number": OTHER}], [number, {"number": OTHER}]):
        change = {"version": 2, "numbers": numbers}
        status, problem = await amy.send("PATCH", f"/api/v1/{path}", change)
        assert (status, problem["code"]) == (403, "no_right")
        assert problem["right"] == "blacklist.edit"
    relabelled = {"version": 2, "numbers": [{"number_id": number["number_id"], "label": "home"}]}
    await ask(amy, "PATCH", path, relabelled)
    await made(amy, name="李伟", numbers=[{"number": NUMBER}], allow_shared=True)
    assert await pool.fetchval("SELECT blocked FROM callers WHERE number = $1", NUMBER)
    await ask(lea, "PATCH", path, {"version": 3, "numbers": []})
    assert not await pool.fetchval("SELECT blocked FROM callers WHERE number = $1", NUMBER)


@pytest.fixture
async def manager(site: Site, pool: "asyncpg.Pool[asyncpg.Record]") -> Browser:
    """Sign in as somebody who may merge and delete."""
    await pool.execute("UPDATE users SET roles = '{supervisor}' WHERE name = 'lea'")
    return await site.browser("lea")


async def test_deleted_and_brought_back(
    manager: Browser, pool: "asyncpg.Pool[asyncpg.Record]"
) -> None:
    customer = await made(manager, numbers=[{"number": NUMBER}])
    path = f"customers/{customer['customer_id']}"
    await ask(manager, "DELETE", path)
    assert await found(manager, "q=王芳") == []
    assert await found(manager, "") == []
    assert await pool.fetchval("SELECT count(*) FROM callers") == 0
    status, problem = await manager.send("GET", f"/api/v1/{path}")
    assert (status, problem["code"]) == (404, "unknown_customer")
    back = await ask(manager, "POST", f"{path}/restore")
    assert [each["number"] for each in back["numbers"]] == [NUMBER]
    assert await found(manager, "q=王芳") == ["王芳"]
    assert await pool.fetchval("SELECT name FROM callers") == "王芳"


async def test_merged_and_parted_again(manager: Browser) -> None:
    into = await made(manager, tags=["a"], numbers=[{"number": NUMBER}])
    other = await made(
        manager,
        name="王小芳",
        tags=["b"],
        email="fang@example.com",
        numbers=[{"number": OTHER}],
    )
    path, other_path = (f"customers/{each['customer_id']}" for each in (into, other))
    await ask(manager, "POST", f"{other_path}/notes", {"text": "likes tea"})
    await ask(manager, "POST", f"{other_path}/appointments", {"due_at": 1_900_000_000})
    wish = {"other": other["customer_id"], "version": 1, "other_version": 1}
    merged = await ask(manager, "POST", f"{path}/merge", wish)
    assert [each["number"] for each in merged["numbers"]] == [NUMBER, OTHER]
    assert (merged["tags"], merged["email"]) == (["a", "b"], "fang@example.com")
    assert merged["merged"] == [other["customer_id"]]
    assert await found(manager, "q=王小芳") == []
    assert await found(manager, "q=9000") == ["王芳"]
    kinds = {each["kind"] for each in (await ask(manager, "GET", f"{path}/timeline"))["items"]}
    assert kinds == {"note", "appointment", "change"}

    tags = {"version": merged["version"], "tags": ["a", "b", "c"]}
    await ask(manager, "PATCH", path, tags)
    parted = await ask(manager, "POST", f"{path}/unmerge", {"other": other["customer_id"]})
    assert [each["number"] for each in parted["numbers"]] == [NUMBER]
    assert (parted["tags"], parted["email"], parted["merged"]) == (["a", "c"], "", [])
    back = await ask(manager, "GET", other_path)
    assert [each["number"] for each in back["numbers"]] == [OTHER]
    assert (back["name"], back["tags"], back["email"]) == ("王小芳", ["b"], "fang@example.com")
    texts = [
        each.get("text") for each in (await ask(manager, "GET", f"{other_path}/timeline"))["items"]
    ]
    assert "likes tea" in texts
    status, problem = await manager.send("POST", f"/api/v1/{path}/merge", {**wish, "version": 1})
    assert (status, problem["code"]) == (409, "customer_changed")


@pytest.mark.parametrize("earlier", [None, 4_000_000_000.0])
async def test_a_merge_keeps_the_longer_block_and_gives_it_back(
    manager: Browser, pool: "asyncpg.Pool[asyncpg.Record]", earlier: float | None
) -> None:
    into = await made(manager, numbers=[{"number": NUMBER}])
    other = await made(manager, name="李伟", numbers=[{"number": OTHER}])
    path, other_path = (f"customers/{each['customer_id']}" for each in (into, other))
    if earlier:
        short = {"reason": "rude", "until": earlier}
        into = await ask(manager, "PUT", f"{path}/blacklist", short)
    other = await ask(manager, "PUT", f"{other_path}/blacklist", {"reason": "threats"})
    wish = {
        "other": other["customer_id"],
        "version": into["version"],
        "other_version": other["version"],
    }
    merged = await ask(manager, "POST", f"{path}/merge", wish)
    assert merged["blacklist"] == other["blacklist"]
    refused = "SELECT number FROM callers WHERE blocked ORDER BY number"
    assert [row["number"] for row in await pool.fetch(refused)] == [NUMBER, OTHER]
    parted = await ask(manager, "POST", f"{path}/unmerge", {"other": other["customer_id"]})
    assert parted["blacklist"] == into["blacklist"]
    assert [row["number"] for row in await pool.fetch(refused)] == [
        *([NUMBER] if earlier else []),
        OTHER,
    ]
    assert (await ask(manager, "GET", other_path))["blacklist"] == other["blacklist"]


async def test_pages_of_the_time_line_and_of_the_list(site: Site) -> None:
    lea = await site.browser("lea")
    ids = [(await made(lea, name=f"王{n}"))["customer_id"] for n in "一二三四五六七"]
    path = f"customers/{ids[0]}"
    for number in range(7):
        await ask(lea, "POST", f"{path}/notes", {"text": str(number)})
    whole = (await ask(lea, "GET", f"{path}/timeline"))["items"]
    assert [each["kind"] for each in whole] == ["note"] * 7 + ["change"]
    for listing, limit in ((f"{path}/timeline?", 3), ("customers?q=王&", 2), ("customers?", 3)):
        pages: list[Any] = []
        cursor = ""
        while cursor is not None:
            page = await ask(lea, "GET", f"{listing}limit={limit}{cursor and f'&cursor={cursor}'}")
            assert len(page["items"]) <= limit
            pages += page["items"]
            cursor = page["next"]
        everything = await ask(lea, "GET", listing)
        assert pages == everything["items"], listing
        status, problem = await lea.send("GET", f"/api/v1/{listing}cursor=bm9uc2Vuc2U")
        assert (status, problem["code"]) == (400, "bad_cursor")


async def test_appointments_are_in_the_agents_list_until_done(site: Site) -> None:
    amy = await site.browser("amy")
    customer = await made(amy)
    path = f"customers/{customer['customer_id']}/appointments"
    later = await ask(amy, "POST", path, {"due_at": 1_900_000_000, "text": "later"})
    soon = await ask(amy, "POST", path, {"due_at": 1_800_000_000, "text": "soon"})
    assert later["agent_id"] == "1001"
    mine = (await ask(amy, "GET", "appointments"))["items"]
    assert [(each["text"], each["customer_name"]) for each in mine] == [
        ("soon", "王芳"),
        ("later", "王芳"),
    ]
    done = await ask(amy, "PATCH", f"appointments/{soon['appointment_id']}", {"done": True})
    assert done["done_at"] is not None
    assert [each["text"] for each in (await ask(amy, "GET", "appointments"))["items"]] == ["later"]
    await ask(amy, "PATCH", f"appointments/{soon['appointment_id']}", {"done": False})
    assert len((await ask(amy, "GET", "appointments"))["items"]) == 2


async def waiting(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    """Until somebody waits for a lock."""
    query = "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    while True:
        if await pool.fetchval(f"{query} AND datname = current_database())"):
            return
        await asyncio.sleep(0.01)


async def test_what_two_change_of_an_appointment_at_once_both_stays(
    site: Site, pool: "asyncpg.Pool[asyncpg.Record]"
) -> None:
    amy = await site.browser("amy")
    customer = await made(amy)
    path = f"customers/{customer['customer_id']}/appointments"
    agreed = await ask(amy, "POST", path, {"due_at": 1_900_000_000, "text": "later"})
    path = f"appointments/{agreed['appointment_id']}"
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute("UPDATE customer_appointments SET text = 'at noon'")
        closing = asyncio.create_task(ask(amy, "PATCH", path, {"done": True}))
        async with asyncio.timeout(10):
            await waiting(pool)
    closed = await closing
    assert (closed["text"], closed["done_at"] is not None) == ("at noon", True)
    ada = await site.browser("ada")
    (entry,) = (await ask(ada, "GET", "audit?what=appointment_changed"))["items"]
    assert (entry["user"], entry["object_id"]) == ("amy", customer["customer_id"])
    assert entry["facts"] == {"done": [False, True]}


async def test_a_change_waits_for_an_import_and_not_each_for_the_other(
    site: Site, pool: "asyncpg.Pool[asyncpg.Record]"
) -> None:
    amy = await site.browser("amy")
    customer = await made(amy)
    change = {"version": 1, "numbers": [{"number": NUMBER}]}
    async with pool.acquire() as connection, connection.transaction():
        await store.owners(connection, [NUMBER])  # as an import with on_duplicate=update
        changing = asyncio.create_task(
            amy.send("PATCH", f"/api/v1/customers/{customer['customer_id']}", change)
        )
        async with asyncio.timeout(10):
            await waiting(pool)
        await store.lock_all(connection, [int(customer["customer_id"])])
    status, changed = await changing
    assert (status, changed.get("version")) == (200, 2)


@pytest.mark.parametrize("what", ["note", "appointment", "choice"])
async def test_nothing_is_written_to_who_is_merged_meanwhile(
    site: Site, pool: "asyncpg.Pool[asyncpg.Record]", what: str
) -> None:
    amy = await site.browser("amy")
    into, other = await made(amy), await made(amy, name="李伟")
    ringing(site)
    path = f"customers/{other['customer_id']}"
    wish: tuple[str, str, dict[str, Any]] = {
        "note": ("POST", f"{path}/notes", {"text": "x"}),
        "appointment": ("POST", f"{path}/appointments", {"due_at": 1_900_000_000}),
        "choice": (
            "PUT",
            "agent/calls/call-1/customer",
            {"customer_id": other["customer_id"]},
        ),
    }[what]
    method, to, body = wish
    async with pool.acquire() as connection, connection.transaction():
        ids = [int(each["customer_id"]) for each in (into, other)]
        await store.lock_all(connection, ids)
        writing = asyncio.create_task(amy.send(method, f"/api/v1/{to}", body))
        async with asyncio.timeout(10):
            await waiting(pool)
        first, second = [await store.get(connection, each) for each in ids]
        by = store.By("lea", datetime.now(UTC))
        await merging.merge(connection, first, second, by)
    status, problem = await writing
    assert (status, problem["code"]) == (404, "unknown_customer")


async def test_of_many_appointments_the_list_begins_with_what_matters(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of the open ones what is due first, of all of them the last ones; it tells of the others."""
    amy = await site.browser("amy")
    path = f"customers/{(await made(amy))['customer_id']}/appointments"
    for due in (3, 1, 2):
        await ask(amy, "POST", path, {"due_at": 1_900_000_000 + due, "text": str(due)})

    async def listed(query: str = "") -> tuple[list[str], bool]:
        page = await ask(amy, "GET", f"appointments{query}")
        return [each["text"] for each in page["items"]], page["more"]

    monkeypatch.setattr("web.customers_story.APPOINTMENTS_LISTED", 2)
    assert await listed() == (["1", "2"], True)
    assert await listed("?open=false") == (["3", "2"], True)
    monkeypatch.setattr("web.customers_story.APPOINTMENTS_LISTED", 3)
    assert await listed() == (["1", "2", "3"], False)


async def test_own_fields_by_role_and_type(site: Site) -> None:
    ada, lea, amy = [await site.browser(name) for name in ("ada", "lea", "amy")]
    title = {"zh-CN": "字段", "en": "Field"}
    fields = [
        {"code": "plan", "title": title, "type": "choice", "choices": ["S", "M"], "required": True},
        {"code": "birthday", "title": title, "type": "date"},
        {"code": "limit", "title": title, "type": "number", "visible_to": ["leader"]},
        {"code": "second", "title": title, "type": "phone", "editable_by": ["leader"]},
    ]
    await ask(ada, "PUT", "customer-fields", {"items": fields})
    assert [each["code"] for each in (await ask(amy, "GET", "customer-fields"))["items"]] == [
        *("plan", "birthday", "second"),
    ]
    values = {"plan": "S", "birthday": "1990/2/3", "limit": "1,000", "second": "13800138000"}
    customer = await made(lea, fields=values)
    stored = {"plan": "S", "birthday": "1990-02-03", "limit": 1000, "second": NUMBER}
    assert customer["fields"] == stored
    path = f"customers/{customer['customer_id']}"
    seen = (await ask(amy, "GET", path))["fields"]
    assert seen == {"plan": "S", "birthday": "1990-02-03", "second": "+86138****8000"}
    for given, field in (
        ({"plan": None}, "fields.plan"),
        ({"plan": "L"}, "fields.plan"),
        ({"limit": 1}, "fields.limit"),
        ({"birthday": "yesterday"}, "fields.birthday"),
    ):
        status, problem = await amy.send(
            "PATCH", f"/api/v1/{path}", {"version": 1, "fields": given}
        )
        assert (status, problem["errors"][0]["field"]) == (422, field)
    await ask(amy, "PATCH", path, {"version": 1, "fields": {"plan": "M"}})
    assert (await ask(lea, "GET", path))["fields"] == {**stored, "plan": "M"}

    await ask(lea, "PATCH", path, {"version": 2, "fields": {"limit": 2000, "plan": "S"}})
    entries = (await ask(ada, "GET", "audit?what=customer_changed"))["items"]
    assert entries[0]["facts"] == {"field:limit": ["*", "*"], "field:plan": ["M", "S"]}
    stored["limit"] = 2000

    await ask(ada, "PUT", "customer-fields", {"items": fields[1:]})
    assert "plan" not in (await ask(lea, "GET", path))["fields"]
    await ask(ada, "PUT", "customer-fields", {"items": fields})
    assert (await ask(lea, "GET", path))["fields"]["plan"] == "S"


def ringing(site: Site, number: str | None = "13800138000", call_id: str = "call-1") -> None:
    """A call of this number is offered to Amy."""
    at = time.time()
    site.core.happened(
        domain.CallStarted(
            at=at,
            call_id=call_id,
            direction="inbound",
            linkedid="l",
            caller_number=number,
            caller_name=None,
            called_number=None,
        ),
        domain.OfferMade(
            at=at,
            call_id=call_id,
            offer_id=f"offer-{call_id}",
            visit_id=f"visit-{call_id}",
            epoch=1,
            agent_id="1001",
            queue="support",
            extension="8001",
            ring_seconds=20,
        ),
    )


async def test_who_calls_is_sent_with_the_offer_to_the_agents_desk_alone(site: Site) -> None:
    lea, amy, ben = [await site.browser(name) for name in ("lea", "amy", "ben")]
    await made(lea, tags=["老客户"], numbers=[{"number": NUMBER}], notes_pinned=f"or {OTHER}")
    async with amy.live() as desk, ben.live() as other:
        await desk.subscribe("desk")
        await other.subscribe("desk")
        ringing(site)
        await desk.until(lambda _: desk.pops)
        await other.send({"type": "subscribe", "topics": ["desk"]})
        await other.until(lambda _: other.snapshots == 2)
    (pop,) = desk.pops
    assert pop == await ask(amy, "GET", "agent/calls/call-1/customer")
    (match,) = pop["matches"]
    assert (pop["number"], match["numbers"][0]["number"]) == ("138****8000", "+86138****8000")
    assert (match["tags"], match["notes_pinned"]) == (["老客户"], "or +86139****9000")
    assert other.pops == []


async def test_pop_of_a_known_an_unknown_and_a_shared_number(site: Site) -> None:
    lea, amy, ben = [await site.browser(name) for name in ("lea", "amy", "ben")]
    ringing(site)
    pop = await ask(amy, "GET", "agent/calls/call-1/customer")
    assert pop == {
        "call_id": "call-1",
        "number": "138****8000",
        "chosen": None,
        "matches": [],
    }
    status, problem = await ben.send("GET", "/api/v1/agent/calls/call-1/customer")
    assert (status, problem["code"]) == (403, "not_your_call")

    customer = await made(amy, call_id="call-1")
    assert [each["number"] for each in customer["numbers"]] == ["+86138****8000"]
    path = f"customers/{customer['customer_id']}"
    await ask(amy, "POST", f"{path}/notes", {"text": "asked for a bill", "call_id": "call-1"})
    await ask(amy, "POST", f"{path}/appointments", {"due_at": 1_900_000_000, "text": "again"})
    pop = await ask(amy, "GET", "agent/calls/call-1/customer")
    assert pop["chosen"] == customer["customer_id"]
    (match,) = pop["matches"]
    assert [each["text"] for each in match["last_contacts"]] == ["asked for a bill"]
    assert [each["text"] for each in match["open_appointments"]] == ["again"]

    second = await made(lea, name="李伟", numbers=[{"number": NUMBER}], allow_shared=True)
    ringing(site, call_id="call-2")
    pop = await ask(amy, "GET", "agent/calls/call-2/customer")
    assert [each["name"] for each in pop["matches"]] == ["王芳", "李伟"]
    pop = await ask(
        amy, "PUT", "agent/calls/call-2/customer", {"customer_id": second["customer_id"]}
    )
    assert (pop["chosen"], pop["matches"][0]["name"]) == (second["customer_id"], "李伟")


async def test_a_call_that_just_ended_is_known_before_it_stands_in_the_tables(
    site: Site, journalled: Any
) -> None:
    """The form of who called is often saved right after the call."""
    amy, ben = await site.browser("amy"), await site.browser("ben")
    ringing(site, NUMBER)
    # Of what was journalled, the tables have the beginning.
    started = domain.CallStarted(
        at=time.time(),
        call_id="call-1",
        direction="inbound",
        linkedid="l",
        caller_number=NUMBER,
        caller_name=None,
        called_number=None,
    )
    await journalled(started)
    site.core.happened(
        domain.OfferEnded(
            at=time.time(),
            call_id="call-1",
            offer_id="offer-call-1",
            agent_id="1001",
            queue="support",
            end="rescinded",
        ),
        domain.CallEnded(
            at=time.time(),
            call_id="call-1",
            outcome="abandoned",
            ended_by="customer",
            talk_seconds=0.0,
        ),
    )
    wish = {"name": "王芳", "call_id": "call-1"}
    status, problem = await ben.send("POST", "/api/v1/customers", wish)
    assert (status, problem["code"]) == (403, "not_your_call")
    customer = await made(amy, **wish)
    assert [each["number"] for each in customer["numbers"]] == ["+86138****8000"]
    pop = await ask(amy, "GET", "agent/calls/call-1/customer")
    assert pop["chosen"] == customer["customer_id"]


async def test_calls_stand_in_the_time_line_of_who_they_are_of(site: Site, journalled: Any) -> None:
    amy, lea = await site.browser("amy"), await site.browser("lea")
    first = await made(lea, numbers=[{"number": NUMBER}])
    second = await made(lea, name="李伟", numbers=[{"number": NUMBER}], allow_shared=True)
    for number in ("1", "2"):
        ringing(site, call_id=f"call-{number}")
    started = [
        event
        for number, at in (("1", 100.0), ("2", 200.0))
        for event in (
            domain.CallStarted(
                at=at,
                call_id=f"call-{number}",
                direction="inbound",
                linkedid="l",
                caller_number=NUMBER,
                caller_name=None,
                called_number=None,
            ),
            domain.DispositionSaved(
                at=at + 5,
                call_id=f"call-{number}",
                agent_id="1001",
                code="sale",
                notes=f"sold {number}",
            ),
        )
    ]
    await journalled(*started)
    await ask(amy, "PUT", "agent/calls/call-2/customer", {"customer_id": second["customer_id"]})
    calls = {}
    for customer in (first, second):
        items = (await ask(amy, "GET", f"customers/{customer['customer_id']}/timeline"))["items"]
        calls[customer["name"]] = [
            (each["call_id"], each["notes"], each["disposition"])
            for each in items
            if each["kind"] == "call"
        ]
    assert calls == {
        "王芳": [("call-1", "sold 1", "sale")],
        "李伟": [("call-2", "sold 2", "sale"), ("call-1", "sold 1", "sale")],
    }


async def test_the_list_and_the_export_leave_out_who_is_on_the_blacklist(site: Site) -> None:
    sue = await site.browser("sue")
    blocked = await made(sue)
    await made(sue, name="李伟")
    wish = {"reason": "threats", "until": None}
    await ask(sue, "PUT", f"customers/{blocked['customer_id']}/blacklist", wish)
    for query, names in (
        ("", {"王芳", "李伟"}),
        ("?blocked=true", {"王芳"}),
        ("?blocked=false", {"李伟"}),
    ):
        items = (await ask(sue, "GET", f"customers{query}"))["items"]
        assert {each["name"] for each in items} == names
        async with sue.client.get(f"{site.url}/api/v1/customers/export{query}") as answer:
            text = (await answer.read()).decode()
        assert {name for name in ("王芳", "李伟") if name in text} == names
