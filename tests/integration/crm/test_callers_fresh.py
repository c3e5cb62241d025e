"""The callers' index against a real PostgreSQL: loaded, kept fresh, over its absence."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import asyncpg
import pytest

from crm.callers import CallerIndex
from cti.journal.database import TRY_AGAIN, migrate
from cti.sandbox.postgres import Postgres
from tests.support.until import until

pytestmark = pytest.mark.postgres

NUMBER = "+8613800138000"


@asynccontextmanager
async def following(dsn: str) -> AsyncIterator[CallerIndex]:
    index = CallerIndex(lambda: asyncpg.connect(dsn), region="CN", try_again=TRY_AGAIN)
    running = asyncio.create_task(index.run())
    try:
        yield index
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_loaded_and_kept_fresh(database: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute(
        "INSERT INTO callers (number, name, priority, owner_agent_id, blocked)"
        " VALUES ($1, '王芳', 5, '1001', false)",
        NUMBER,
    )
    async with following(database) as index:
        await asyncio.wait_for(index.loaded.wait(), 10)
        facts = index.find("13800138000")
        assert facts is not None
        assert (facts.name, facts.priority, facts.owner_agent_id) == ("王芳", 5, "1001")

        await connection.execute("UPDATE callers SET blocked = true")
        await until(lambda: (found := index.find(NUMBER)) is not None and found.blocked)
        await connection.execute("UPDATE callers SET number = '+8613900139000'")
        await until(lambda: index.find("13900139000") is not None)
        assert index.find(NUMBER) is None
        await connection.execute("DELETE FROM callers")
        await until(lambda: index.find("13900139000") is None)
        await connection.execute(
            "INSERT INTO callers (number)"
            " SELECT '+86138' || n FROM generate_series(10000000, 10005000) n"
        )
        await until(lambda: index.find("13810005000") is not None)
    await connection.close()


async def test_a_blacklisting_ends_by_itself(database: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute(
        "INSERT INTO callers (number, name, blocked, blocked_until)"
        " VALUES ($1, '王芳', true, to_timestamp(1000))",
        NUMBER,
    )
    now = 999.0
    index = CallerIndex(
        lambda: asyncpg.connect(database), region="CN", try_again=TRY_AGAIN, clock=lambda: now
    )
    running = asyncio.create_task(index.run())
    await asyncio.wait_for(index.loaded.wait(), 10)
    facts = index.find(NUMBER)
    assert facts is not None and facts.blocked
    now = 1000.0
    facts = index.find(NUMBER)
    assert facts is not None and not facts.blocked and facts.name == "王芳"
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await connection.close()


async def test_who_talked_last_comes_from_the_calls(database: str) -> None:
    connection = await asyncpg.connect(database)
    insert = """
        INSERT INTO calls (call_id, node, started_at, direction, caller_number, linkedid, queues,
            agents, agent_id, waited_seconds, talk_seconds, transfers, recordings, faults, exact)
        VALUES ($1, 'n', now() - $2::interval, 'inbound', $3, 'l', '{}',
            '{}', $4, 0, 0, 0, 0, 0, true)
    """
    for call_id, hours, number, agent in (
        ("a", 3, "13800138000", "1001"),
        ("b", 2, "13800138000", "1002"),
        ("c", 1, "13800138000", None),
        ("e", 4, "13600136000", "1004"),
        ("d", 24 * 200, "13900139000", "1003"),
    ):
        await connection.execute(insert, call_id, timedelta(hours=hours), number, agent)
    async with following(database) as index:
        index.note_agent("13700137000", "1009")
        await asyncio.wait_for(index.loaded.wait(), 10)
        assert index.last_agent(NUMBER) == "1002"
        assert index.last_agent("13900139000") is None
        assert list(index._last_agents)[-2:] == ["+8613600136000", NUMBER], "the oldest first"
        assert index.last_agent("13700137000") == "1009"
    await connection.close()


INSERT_CALLS = """
    INSERT INTO calls (call_id, node, started_at, direction, caller_number, linkedid, queues,
        agents, agent_id, waited_seconds, talk_seconds, transfers, recordings, faults, exact)
    SELECT n::text, 'n', now(), 'inbound', '+86138' || n, 'l', '{}',
        '{}', '1001', 0, 0, 0, 0, 0, true
    FROM generate_series(10000001, 10000000 + $1) n
"""


async def test_a_load_of_many_callers_lets_others_have_their_turn(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The heartbeat, say. What stands in E.164 already, and nearly all does, is not parsed."""
    monkeypatch.setattr("crm.callers.SLICE_ROWS", 10)
    monkeypatch.setattr("crm.callers.e164", refuse)
    connection = await asyncpg.connect(database)
    await connection.execute(INSERT_CALLS, 500)
    await connection.execute(
        "INSERT INTO callers (number)"
        " SELECT '+86138' || n FROM generate_series(10000001, 10000500) n"
    )
    async with following(database) as index:
        turns = 0
        while not index.loaded.is_set():
            turns += 1
            await asyncio.sleep(0)
        assert turns >= 2 * 500 / 10
        assert index._last_agents["+8613810000500"][0] == "1001"
        assert 8613810000500 in index._facts
    await connection.close()


def refuse(text: str, region: str) -> str:
    raise AssertionError(text)


async def test_a_change_of_many_callers_does_not_read_the_calls_again(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await asyncpg.connect(database)
    async with following(database) as index:
        await asyncio.wait_for(index.loaded.wait(), 10)
        monkeypatch.setattr("crm.callers._LAST_AGENTS", "SELECT nonsense")
        await connection.execute(
            "INSERT INTO callers (number)"
            " SELECT '+86138' || n FROM generate_series(10000001, 10000200) n"
        )
        await until(lambda: index.find("13810000200") is not None)
        assert index.loaded.is_set()
    await connection.close()


async def test_the_calls_of_a_caller_are_found_by_an_index(database: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute(INSERT_CALLS, 5000)
    await connection.execute("ANALYZE calls")
    plan = await connection.fetch(
        "EXPLAIN SELECT * FROM calls WHERE caller_number = '+8613810000001'"
        " ORDER BY started_at DESC LIMIT 20"
    )
    assert "calls_caller" in "".join(row[0] for row in plan)
    await connection.close()


async def test_facts_stay_while_the_database_is_away(own_postgres: Postgres) -> None:
    dsn = await own_postgres.create_database("callers")
    await migrate(dsn)
    connection = await asyncpg.connect(dsn)
    await connection.execute("INSERT INTO callers (number, name) VALUES ($1, 'old')", NUMBER)
    await connection.close()
    async with following(dsn) as index:
        await asyncio.wait_for(index.loaded.wait(), 10)
        await own_postgres.stop()
        await until(lambda: not index.loaded.is_set())
        assert index.find(NUMBER) is not None
        await own_postgres.start()
        connection = await asyncpg.connect(dsn)
        await connection.execute("UPDATE callers SET name = 'new'")
        await until(lambda: (found := index.find(NUMBER)) is not None and found.name == "new")
        await connection.close()


@pytest.mark.parametrize("number", ["13800138000", "+0123456", "'+86138", "+86138001380001234"])
async def test_only_e164_gets_in(database: str, number: str) -> None:
    connection = await asyncpg.connect(database)
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute("INSERT INTO callers (number) VALUES ($1)", number)
    await connection.close()
