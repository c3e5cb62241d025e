"""A PostgreSQL that is really stopped, stalled and started again under a served application."""

import os
import signal
from pathlib import Path

import pytest_asyncio

from cti.journal.database import Database, migrate
from web import users


@pytest_asyncio.fixture
async def database(own_postgres):
    """Serve from a PostgreSQL of this test's own."""
    dsn = await own_postgres.create_database("web")
    await migrate(dsn)
    return dsn


@pytest_asyncio.fixture
async def pool(database):
    """Serve through the product's own pool."""
    source = Database(database, migrate=False)
    yield await source.pool()
    await source.close()


async def test_stopped_and_started_again(site, own_postgres, password):
    amy = await site.browser("amy")
    async with amy.live() as live:
        await live.subscribe("desk")
        await own_postgres.stop()
        assert (await amy.send("GET", "/api/v1/session"))[0] == 200
        assert (await amy.send("POST", "/api/v1/agent/ready"))[0] == 204
        for method, path, body in [
            ("POST", "/api/v1/session", {"user": "ben", "password": password}),
            ("GET", "/api/v1/calls", None),
            ("GET", "/api/v1/calls/pbx1-1.1", None),
            ("PUT", "/api/v1/session/language", {"language": "en"}),
        ]:
            status, answer = await amy.send(method, path, body)
            assert (status, answer["code"]) == (503, "database_away"), path
        await own_postgres.start()
        assert (await amy.send("GET", "/api/v1/calls"))[0] == 200
        await site.browser("ben")
        assert live.snapshots == 1


def parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().split()[3])


async def test_a_stalled_database_is_away_after_seconds(site, own_postgres, monkeypatch):
    monkeypatch.setattr("web.database.DATABASE_SECONDS", 0.5)
    monkeypatch.setattr("web.database.RELEASE_SECONDS", 0.5)
    amy = await site.browser("amy")
    backends = await site.pool.pool.fetch("SELECT pid FROM pg_stat_activity WHERE pid IS NOT NULL")
    pids = [row["pid"] for row in backends]
    pids.insert(0, parent(pids[0]))
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        status, answer = await amy.send("GET", "/api/v1/calls")
        assert (status, answer["code"]) == (503, "database_away")
        assert (await amy.send("POST", "/api/v1/agent/ready"))[0] == 204
    finally:
        for pid in pids:
            os.kill(pid, signal.SIGCONT)


async def test_a_flood_of_passwords_is_refused_not_queued(site, password, monkeypatch):
    monkeypatch.setattr(users, "WAITING_LIMIT", 0)
    status, answer = await site.anonymous().send(
        "POST", "/api/v1/session", {"user": "amy", "password": password}
    )
    assert (status, answer["code"]) == (503, "busy")
