"""The audit trail: written with the deed, and never changed afterwards."""

import json

import asyncpg
import pytest

from web import audit

ACTOR = audit.Actor(7, "ada", "192.0.2.1")


async def test_an_entry_stands_with_the_change_or_not_at_all(pool):
    async with pool.acquire() as connection:
        with pytest.raises(ZeroDivisionError):
            async with connection.transaction():
                await audit.record_by(connection, ACTOR, "user_changed")
                raise ZeroDivisionError
        concerned = audit.Object("team", 3, "red")
        facts = audit.changes({"name": "blue", "head": 1}, {"name": "red", "head": 1})
        await audit.record_by(connection, ACTOR, "team_changed", concerned, facts)
        rows = await connection.fetch("SELECT * FROM audit_trail")
    assert len(rows) == 1
    row = rows[0]
    assert (row["user_id"], row["user_name"], row["address"]) == (7, "ada", "192.0.2.1")
    assert (row["object_kind"], row["object_id"], row["object_name"]) == ("team", "3", "red")
    assert json.loads(row["facts"]) == {"name": {"before": "blue", "after": "red"}}


@pytest.mark.parametrize(
    "statement",
    ["UPDATE audit_trail SET what = 'x'", "DELETE FROM audit_trail", "TRUNCATE audit_trail"],
)
async def test_nobody_changes_the_trail(pool, statement):
    async with pool.acquire() as connection:
        await audit.record_by(connection, ACTOR, "user_changed")
        with pytest.raises(asyncpg.RaiseError, match="append-only"):
            await connection.execute(statement)


async def test_hostile_text_is_kept_harmlessly(pool):
    hostile = "a\0b\ud800\\u0000<script>"
    async with pool.acquire() as connection:
        actor = audit.Actor(None, hostile, "192.0.2.1")
        concerned = audit.Object("user", hostile, hostile)
        await audit.record_by(connection, actor, "user_changed", concerned, {hostile: [hostile]})
        row = await connection.fetchrow("SELECT * FROM audit_trail")
    kept = "a\ufffdb?\\u0000<script>"
    assert (row["user_name"], row["object_id"], row["object_name"]) == (kept, kept, kept)
    assert json.loads(row["facts"]) == {kept: [kept]}


async def test_refused_sign_ins_are_one_entry_a_minute(pool):
    async with pool.acquire() as connection:
        async with connection.transaction():  # now() stays the same
            for name in ("amy", "amy", "ben"):
                actor = audit.Actor(None, name, "192.0.2.1")
                await audit.record_by(connection, actor, "sign_in_refused")
        rows = await connection.fetch("SELECT user_name FROM audit_trail ORDER BY user_name")
    assert [row["user_name"] for row in rows] == ["amy", "ben"]
