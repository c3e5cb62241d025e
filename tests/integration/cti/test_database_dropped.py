"""A database that answers but errs: the server goes on, and its journal is whole afterwards."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest

from config.settings import DatabaseSettings, PbxSettings, ServerSettings, Settings, WebSettings
from cti.ami import events as ami
from cti.app import App
from cti.inputs import PbxEvent
from cti.sandbox.ports import PortBlock
from cti.sandbox.postgres import Postgres
from tests.support.until import until
from tests.support.whole import small_floor

pytestmark = pytest.mark.postgres

EVENTS_OF_A_CALL = 4


@pytest.fixture
def ports() -> Iterator[PortBlock]:
    with PortBlock(100) as block:
        yield block


def settings(folder: Path, ports: PortBlock) -> Settings:
    """A server whose Asterisk is away: it hears what the test tells it."""
    return Settings(
        server=ServerSettings(state_folder=folder),
        pbx=PbxSettings(
            ami_port=ports.take(),
            ami_secret="x",
            agi_port=ports.take(),
            secrets_file=folder / "secrets.json",
        ),
        web=WebSettings(port=ports.take()),
        database=DatabaseSettings(),
        floor=small_floor(agents=1),
    )


@asynccontextmanager
async def serving(app: App) -> AsyncIterator[None]:
    """The server; the block fails at once when it dies."""
    async with asyncio.TaskGroup() as group:
        server = group.create_task(app.run())
        try:
            yield
            assert not server.done()
        finally:
            server.cancel()


async def call(app: App, number: int) -> None:
    """A call that comes and goes, up to the spool."""
    before = app.journal.stats.last_seq
    channel = {
        "channel": f"PJSIP/trunk-{number}",
        "uniqueid": f"1790000000.{number}",
        "linkedid": f"1790000000.{number}",
    }
    at = 1_790_000_000.0 + number
    app.runtime.tell(PbxEvent(event=ami.Newchannel(**channel, state=4, exten="4001"), at=at))
    app.runtime.tell(PbxEvent(event=ami.Hangup(**channel, cause=16), at=at + 1))
    await until(lambda: app.journal.stats.last_seq >= before + EVENTS_OF_A_CALL)


async def ended(dsn: str, table: str) -> int:
    """How many calls have ended, by the journal or by the list of calls."""
    where = {"journal": "type = 'CallEnded'", "calls": "ended_at IS NOT NULL"}[table]
    connection = await asyncpg.connect(dsn)
    try:
        return int(await connection.fetchval(f"SELECT count(*) FROM {table} WHERE {where}"))
    finally:
        await connection.close()


async def test_dropped_and_made_anew_under_a_running_server(
    postgres: Postgres, tmp_path: Path, ports: PortBlock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.sessions.REFRESH_SECONDS", 0.1)
    dsn = await postgres.create_database("dropped")
    app = App(settings(tmp_path, ports), dsn)
    async with serving(app):
        await call(app, 1)
        await app.journal.wait_stored()
        await app.callers.loaded.wait()

        await postgres.drop_database("dropped")
        await call(app, 2)
        await until(lambda: "does not exist" in app.journal.stats.reason)
        assert app.journal.stats.database == "away"
        app.projections.wake()
        await until(lambda: {each.state for each in app.projections.statuses} == {"away"})
        await until(lambda: not app.callers.loaded.is_set())

        await postgres.create_database("dropped")
        await call(app, 3)
        await app.journal.wait_stored()
        assert await ended(dsn, "journal") == 3, "the spool still had the first call"
        await app.callers.loaded.wait()
        seq = app.journal.stats.stored_seq
        async with asyncio.timeout(30):
            await app.projections.wait_for(seq)
        assert {each.state for each in app.projections.statuses} == {"running"}
        assert await ended(dsn, "calls") == 3
    await postgres.drop_database("dropped")


async def test_tables_that_are_missing_stop_nothing(
    postgres: Postgres, tmp_path: Path, ports: PortBlock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also at the start, where a migration fails: half of the tables are there already."""
    monkeypatch.setattr("web.sessions.REFRESH_SECONDS", 0.1)
    dsn = await postgres.create_database("half_there")
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE journal (nonsense text)")
    app = App(settings(tmp_path, ports), dsn)
    async with serving(app):
        await call(app, 1)
        await until(lambda: "MigrationError" in app.journal.stats.reason)
        await asyncio.sleep(0.5)  # the other parts meet it as well
        await connection.execute("DROP TABLE journal")
        await connection.close()
        await app.journal.wait_stored()
        assert await ended(dsn, "journal") == 1
    await postgres.drop_database("half_there")
