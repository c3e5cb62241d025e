"""kill -9 in the middle of an import: the next server tells that it stopped, and goes on."""

import asyncio
from collections.abc import Callable
from typing import Any

import aiohttp
import asyncpg

from crm.imports import BATCH_ROWS
from tests.support.sandbox import TestSandbox
from tests.support.whole import Person, Whole, small_floor, whole

ROWS = 20_000


def table() -> bytes:
    """Each third row has a note; a bad row in a hundred."""
    lines = [
        f"customer {row},{'12' if row % 100 == 50 else f'138{row:08}'},"
        f"{'called once' if row % 3 == 0 else ''}"
        for row in range(ROWS)
    ]
    return "\n".join(["name,phone,note", *lines]).encode()


async def upload(person: Person, base: str) -> dict[str, Any]:
    headers = {"Origin": base, "X-Zuoxi-Csrf": person.me["csrf"]}
    form = aiohttp.FormData()
    form.add_field("file", table(), filename="list.csv")
    url = f"{base}/api/v1/customer-imports"
    async with person.http.post(url, data=form, headers=headers) as answer:
        assert answer.status == 200, await answer.text()
        return dict(await answer.json())


async def state_of(person: Person, path: str) -> dict[str, Any]:
    status, state = await person.ask("GET", path)
    assert status == 200, state
    return dict(state)


async def until(person: Person, path: str, holds: Callable[[dict[str, Any]], bool]) -> Any:
    """Ask until the import is so; give it."""
    while True:
        state = await state_of(person, path)
        if holds(state):
            return state
        await asyncio.sleep(0.02)


async def test_an_import_outlives_its_server(sandbox: TestSandbox, database: str) -> None:
    async with whole(sandbox, database, small_floor()) as centre:
        await check(centre)


async def check(centre: Whole) -> None:
    await centre.add_user("sue", "supervisor")
    sue = await centre.person("sue")
    found = await upload(sue, centre.base)
    path = f"/customer-imports/{found['import_id']}"
    wish = {
        "mapping": {"name": "name", "phone": "number", "note": "note"},
        "on_duplicate": "create",  # so that a row done twice would be a second customer
    }
    await sue.act(f"{path}/start", **wish)
    state = await until(sue, path, lambda state: bool(state["read"] >= 2 * BATCH_ROWS))
    assert state["state"] == "running"
    assert centre.server is not None
    await centre.server.kill()

    await centre.start_server()
    await centre.ready()
    # Nobody has heard of it for a while: then it is not running, whatever its row says.
    state = await until(sue, path, lambda state: bool(state["state"] != "running"))
    assert (state["state"], state["error"]) == ("failed", "restarted")
    assert 2 * BATCH_ROWS <= state["read"] < ROWS
    assert state["created"] + state["bad"] == state["read"]
    await sue.act(f"{path}/start", **wish)
    state = await until(sue, path, lambda state: bool(state["state"] != "running"))
    bad = ROWS // 100
    assert (state["state"], state["read"]) == ("done", ROWS)
    assert (state["created"], state["bad"]) == (ROWS - bad, bad)

    connection = await asyncpg.connect(centre.dsn)
    try:
        kept = await connection.fetchrow("""
            SELECT count(*) AS customers, count(DISTINCT name) AS names,
                (SELECT count(*) FROM customer_numbers) AS numbers,
                (SELECT count(*) FROM customer_notes) AS notes,
                (SELECT count(*) FROM callers) AS callers,
                (SELECT count(*) FROM customer_import_bad_rows) AS bad,
                (SELECT count(*) FROM customer_changes WHERE what = 'imported') AS changes
            FROM customers
        """)
    finally:
        await connection.close()
    assert kept is not None
    good = ROWS - bad
    notes = sum(row % 3 == 0 and row % 100 != 50 for row in range(ROWS))
    assert dict(kept) == {
        **dict.fromkeys(("customers", "names", "numbers", "callers", "changes"), good),
        "notes": notes,
        "bad": bad,
    }
