"""A journal that runs, and ways to look at what it stored."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import msgspec
import pytest
import pytest_asyncio

from cti.domain import Recorded
from cti.journal import Journal
from cti.journal.database import Database

NODE = "pbx1"


@asynccontextmanager
async def running(journal: Journal, dsn: str, *, migrate: bool = False) -> AsyncIterator[Journal]:
    """The journal with its writer, until the end of the block."""
    database = Database(dsn, migrate=migrate)
    task = asyncio.create_task(journal.run(database.pool))
    try:
        yield journal
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await database.close()
        journal.close()


def segments(spool: Path) -> list[Path]:
    """The spool's files."""
    return sorted(spool.glob("*.log"))


async def journalled(db: asyncpg.Connection, records: list[Recorded], node: str = NODE) -> None:
    """Put records into the journal as the writer would: rows and number at once."""
    async with db.transaction():
        await db.execute(
            "INSERT INTO journal_node (node, last_seq) VALUES ($1, $2) "
            "ON CONFLICT (node) DO UPDATE SET last_seq = excluded.last_seq",
            node,
            records[-1].seq,
        )
        await db.executemany(
            "INSERT INTO journal (node, seq, at, type, call_id, body) VALUES "
            "($1, $2, to_timestamp($3), $4, $5, $6)",
            [
                (
                    node,
                    record.seq,
                    record.event.at,
                    type(record.event).__name__,
                    getattr(record.event, "call_id", None),
                    msgspec.json.encode(record.event).decode(),
                )
                for record in records
            ],
        )


async def until_waiting(db: asyncpg.Connection) -> None:
    """Until some session of this database waits for a lock."""
    waiting = (
        "SELECT count(*) FROM pg_stat_activity "
        "WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    async with asyncio.timeout(20):
        while not await db.fetchval(waiting):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest_asyncio.fixture
async def journal(spool: Path, database: str) -> AsyncIterator[Journal]:
    """A running journal in a migrated database."""
    async with running(Journal.open(spool, NODE, gather_seconds=0.01), database) as journal:
        yield journal


@pytest_asyncio.fixture
async def db(database: str) -> AsyncIterator[asyncpg.Connection]:
    """A connection to look at the database."""
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()
