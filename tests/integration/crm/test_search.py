"""Search on a real PostgreSQL: order, pages, several words, and text that means something there."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest
from pydantic import TypeAdapter

from crm import customers as store
from crm import search
from crm.customers import By, Draft, Number
from crm.search import Filter
from web.customers_asked import Cursor

pytestmark = pytest.mark.postgres

BY = By("lea", datetime(2026, 11, 22, tzinfo=UTC))


@pytest.fixture
async def connection(database: str) -> AsyncIterator[Any]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


async def names(connection: Any, wanted: Filter, limit: int = 50) -> list[str]:
    """Everybody found, over all pages."""
    found: list[int] = []
    cursor: str | None = None
    while True:
        ids, cursor = await search.find(connection, wanted, "CN", limit=limit, cursor=cursor)
        assert len(ids) <= limit
        found += ids
        if cursor is None:
            break
    return [each.name for each in await store.load(connection, found)]


async def made(connection: Any, *drafts: Draft) -> list[int]:
    return await store.create(connection, drafts, BY)


async def test_who_has_several_terms_that_fit_comes_once(connection: Any) -> None:
    await made(connection, *(Draft(name=name) for name in ("王王", "王力", "小王", "李伟")))
    for limit in (1, 2, 50):
        found = await names(connection, Filter(text="王"), limit)
        assert sorted(found) == sorted(["王王", "王力", "小王"])


@pytest.mark.parametrize(
    ("walked", "rare"), [(search.WALKED_MOST, search.RARE_MOST), (500, search.RARE_MOST), (500, 1)]
)
async def test_whoever_fits_all_words_is_found_however_many_do(
    connection: Any, monkeypatch: pytest.MonkeyPatch, walked: int, rare: int
) -> None:
    """More than are sorted at once: over all pages each once, the newest first."""
    monkeypatch.setattr("crm.search.WALKED_MOST", walked)
    monkeypatch.setattr("crm.search.RARE_MOST", rare)
    many = search.SIFTED_MOST + 200
    fits = [f"王{number}" for number in range(many)]
    drafts = [Draft(name=name, company="华通", tags=("vip",)) for name in fits]
    # Between them, and for a while after them, those who fit one word alone.
    drafts[many // 2 : many // 2] = [Draft(name=f"王芳{number}") for number in range(600)]
    await made(connection, *drafts, *(Draft(name="李", company="华通") for _ in range(1200)))
    for wanted in (Filter(text="王 华通"), Filter(text="王", tag="vip")):
        assert await names(connection, wanted, 200) == fits[::-1]
    # A word more, and they are few.
    assert await names(connection, Filter(text="王 华通 7")) == [
        name for name in fits[::-1] if name.startswith("王7")
    ]


async def test_who_is_on_the_blacklist_now_and_who_is_not(connection: Any) -> None:
    ids = await made(
        connection,
        *(Draft(name=f"王{name}", company="华通") for name in ("free", "for good", "long", "past")),
    )
    ends = (None, datetime(2100, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC))
    for customer_id, until in zip(ids[1:], ends, strict=True):
        before = await store.get(connection, customer_id, lock=True)
        await store.set_block(connection, before, store.Block("spam", until, "lea", BY.at), BY)
    for text in ("", "王", "王 华通"):
        for blocked, found in (
            (True, {"王for good", "王long"}),
            (False, {"王free", "王past"}),
            (None, {"王free", "王past", "王for good", "王long"}),
        ):
            wanted = Filter(text=text, blocked=blocked)
            assert set(await names(connection, wanted, 1)) == found, wanted
            everybody: list[int] = []
            while page := await search.everybody(
                connection, wanted, "CN", after=max(everybody, default=0), limit=3
            ):
                everybody += page
            assert len(set(everybody)) == len(everybody) == len(found)


async def test_several_words_and_marks_all_have_to_fit(connection: Any) -> None:
    await made(
        connection,
        Draft(name="王芳", company="华通科技", tags=("vip", "a b")),
        Draft(name="王芳", company="长城贸易", level="A"),
        Draft(name="李芳", company="华通科技", owner_agent_id="1001"),
    )
    for wanted, count in (
        (Filter(text="王 华通"), 1),
        (Filter(text="wf 华"), 1),
        (Filter(text="芳"), 3),
        (Filter(text="芳 华 李"), 1),
        (Filter(text="芳 城 李"), 0),
        (Filter(tag="vip"), 1),
        (Filter(tag="a b", text="王"), 1),
        (Filter(tag="vi"), 0),
        (Filter(tag="vip", level="A"), 0),
        (Filter(level="A", text="wang"), 1),
        (Filter(owner="1001"), 1),
        (Filter(text="!!!"), 0),
        (Filter(), 3),
    ):
        assert len(await names(connection, wanted, 2)) == count, wanted


@pytest.mark.parametrize("letter", ["x", "王", "\U00020000", '"'])
async def test_a_filter_has_a_second_page_however_long_it_is(connection: Any, letter: str) -> None:
    tag, level, owner = letter * 40, letter * 32, letter * 64
    marks = {"tags": (tag,), "level": level, "owner_agent_id": owner}
    await made(connection, *(Draft(name=name, **marks) for name in ("Ann", "Ben", "Cid")))
    for wanted in (Filter(tag=tag), Filter(level=level), Filter(owner=owner)):
        _, cursor = await search.find(connection, wanted, "CN", limit=2)
        assert TypeAdapter(Cursor).validate_python(cursor) == cursor
        assert await names(connection, wanted, 2) == ["Ann", "Ben", "Cid"]


@pytest.mark.parametrize(
    "text", ["'", "\\", "a'b \\c", "x:* & !y", "(((", "😀 王", "' OR 1=1 --", "\\' | 'a", "%_%"]
)
async def test_text_that_means_something_to_postgresql(connection: Any, text: str) -> None:
    await made(connection, Draft(name="Ann", tags=(text,)))
    assert await names(connection, Filter(text="ann", tag=text)) == ["Ann"]
    assert await names(connection, Filter(text="bob", tag=text)) == []
    await names(connection, Filter(text=f"{text} {text}x", tag="x"))


async def test_a_shared_number_names_nobody_and_is_refused_when_one_is(connection: Any) -> None:
    number = Number("+8613800138000")
    first, second = await made(
        connection,
        Draft(name="Ann", level="A", priority=5, numbers=(number,)),
        Draft(name="Bob", level="B", priority=7, numbers=(number,)),
    )
    caller = "SELECT name, customer_id, level, priority, blocked, blocked_until FROM callers"
    assert tuple((await connection.fetchrow(caller)).values()) == (
        *(None, None, "B", 7, False),
        None,
    )
    until = datetime(2100, 1, 1, tzinfo=UTC)
    later = datetime(2101, 1, 1, tzinfo=UTC)
    for customer_id, ends, latest in (
        (first, until, until),
        (second, later, later),
        (second, None, None),
    ):
        before = await store.get(connection, customer_id, lock=True)
        block = store.Block("spam", ends, "lea", BY.at)
        await store.set_block(connection, before, block, BY)
        row = await connection.fetchrow(caller)
        assert (row["blocked"], row["blocked_until"]) == (True, latest)
    await store.delete(connection, await store.get(connection, second), BY)
    row = await connection.fetchrow(caller)
    assert (row["name"], row["customer_id"], row["level"]) == ("Ann", str(first), "A")
    assert row["blocked_until"] == until
