"""Customers who share a number, changed at once: what the hooks know of it is what is stored."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import asyncpg
import pytest

from crm import customers as store
from crm.customers import By, Draft, Number
from tests.support.until import until

pytestmark = pytest.mark.postgres

NUMBER = "+8613800138000"
BY = By("ada", datetime.now(UTC))


@pytest.fixture
async def connections(database: str) -> AsyncIterator[list[Any]]:
    """Return three connections to one database."""
    found = [await asyncpg.connect(database) for _ in range(3)]
    yield found
    for each in found:
        await each.close()


async def changed(connection: Any, customer_id: int, **to: Any) -> None:
    before = await store.get(connection, customer_id, lock=True)
    await store.change(connection, before, replace(before, **to), BY)


async def waiting(connection: Any) -> None:
    """Wait until another waits for a lock."""
    await until(
        lambda: connection.fetchval(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
    )


async def alone(connection: Any, change: Any) -> None:
    async with connection.transaction():
        await change


@pytest.mark.parametrize("new", [False, True])
async def test_changed_at_once_both_changes_count(connections: list[Any], new: bool) -> None:
    first, second, watcher = connections
    numbers = (Number(NUMBER),)
    drafts = [Draft(name=name, numbers=numbers) for name in ("Ann", "Ben")]
    ann, ben = await store.create(watcher, drafts, BY)
    async with first.transaction():
        await changed(first, ann, priority=50)
        other = (
            store.create(second, [Draft(name="Cai", numbers=numbers)], BY)
            if new
            else changed(second, ben, priority=-5)
        )
        at_once = asyncio.create_task(alone(second, other))
        await waiting(watcher)
    await at_once
    row = await watcher.fetchrow("SELECT priority, name FROM callers WHERE number = $1", NUMBER)
    assert tuple(row) == (50, None)


async def test_a_change_and_an_import_of_one_customer_do_not_wait_in_a_circle(
    connections: list[Any],
) -> None:
    first, second, watcher = connections
    (ann,) = await store.create(watcher, [Draft(name="Ann", numbers=(Number(NUMBER),))], BY)

    async def bring_in() -> None:
        owners = await store.owners(second, [NUMBER])
        await store.lock_all(second, list(owners.values()))
        await changed(second, owners[NUMBER], company="Huatong")

    async with first.transaction():
        before = await store.get(first, ann, lock=True)
        at_once = asyncio.create_task(alone(second, bring_in()))
        await waiting(watcher)
        await store.change(first, before, replace(before, name="Anna"), BY)
    await at_once
    after = await store.get(watcher, ann)
    assert (after.name, after.company) == ("Anna", "Huatong")
