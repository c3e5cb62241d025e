"""Drains the spool into PostgreSQL: in order, in batches, each record exactly once.

One statement per batch moves the spool's mark and the node's number on and inserts the rows, so
that all of it stands or nothing. A commit whose answer got lost is seen at the next connect by the
mark. Nothing on a call's path waits for any of this.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Literal

import asyncpg
import msgspec

from cti.journal.database import CONNECT_SECONDS, TRY_AGAIN, Backoff
from cti.journal.spool import RETRY_SECONDS, JournalError, Line, Reader, Spool
from cti.journal.tables import Connection

PoolSource = Callable[[], Awaitable["asyncpg.Pool[asyncpg.Record]"]]
"""Gives the pool, or raises what `database.TRY_AGAIN` names while there is none."""

DatabaseState = Literal["up", "away"]

BATCH_RECORDS = 500
GATHER_SECONDS = 0.5
"""Time for records to gather before they are flushed and stored: bounds commits to 2 a second."""
IDLE_CHECK_SECONDS = 5.0
STORE_SECONDS = 20.0
"""A batch that takes longer means a stalled database."""

STORE = (Path(__file__).parent / "store.sql").read_text()


class MarkMovedError(JournalError):
    """Another process stored records of this spool: two copies of one folder are in use."""


def batch(lines: list[Line]) -> str:
    """The events as one JSON array. What PostgreSQL cannot hold (NUL) is replaced."""
    array = b"[%b]" % b",".join([line.event for line in lines])
    if b"\\u0000" in array:
        array = msgspec.json.encode(_without_nul(msgspec.json.decode(array)))
    return array.decode()


def _without_nul(value: object) -> object:
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, dict):
        return {_without_nul(key): _without_nul(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_without_nul(item) for item in value]
    return value


class Writer:
    """Runs for ever; `database`, `since` and `reason` say how it goes.

    :param on_stored: called with the number up to which records are stored.
    """

    def __init__(
        self, spool: Spool, node: str, on_stored: Callable[[int], None], gather_seconds: float
    ) -> None:
        self._spool = spool
        self._node = node
        self._on_stored = on_stored
        self._gather_seconds = gather_seconds
        self._opened_seq = spool.last_seq
        self._tried_seq = 0
        self._flushed = asyncio.Event()
        self.more = asyncio.Event()
        self.database: DatabaseState = "away"
        self.since = time.time()
        self.reason = "not connected yet"
        self.stored_seq = 0

    async def run(self, pool_source: PoolSource) -> None:
        """Flush and drain until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._flush_for_ever())
            group.create_task(self._drain_for_ever(pool_source))

    async def _flush_for_ever(self) -> None:
        while True:
            await wait(self.more, RETRY_SECONDS)
            await asyncio.sleep(self._gather_seconds)
            self.more.clear()
            self._spool.retry()
            if self._spool.durable_seq < self._spool.written_seq:
                await asyncio.to_thread(self._spool.flush)
            if self._spool.durable_seq > self.stored_seq:
                self._flushed.set()

    async def _drain_for_ever(self, pool_source: PoolSource) -> None:
        backoff = Backoff()
        while True:
            try:
                pool = await pool_source()
                async with pool.acquire(timeout=CONNECT_SECONDS) as connection:
                    await self._drain(connection, backoff)
            except TRY_AGAIN as error:
                self._became("away", f"{type(error).__name__}: {error}")
            await asyncio.sleep(backoff.next())

    async def _drain(self, connection: Connection, backoff: Backoff) -> None:
        """Store batch after batch on one connection, until it breaks."""
        await self._claim(connection)
        reader = Reader(self._spool, self.stored_seq)
        try:
            while True:
                lines = reader.read(BATCH_RECORDS)
                if lines:
                    await self._store(connection, lines)
                else:
                    await self._pause(connection)
                self._became("up", "")
                backoff.reset()
        except BaseException:
            # An answer may be outstanding: the connection is of no more use, and may be gone.
            with contextlib.suppress(asyncpg.InterfaceError):
                connection.terminate()
            raise
        finally:
            reader.close()

    async def _pause(self, connection: Connection) -> None:
        """Until more is flushed; an idle database is looked at now and then."""
        self._flushed.clear()
        if self._spool.durable_seq > self.stored_seq:
            return
        if not await wait(self._flushed, IDLE_CHECK_SECONDS):
            await connection.execute("SELECT 1", timeout=CONNECT_SECONDS)

    async def _claim(self, connection: Connection) -> None:
        """Learn what is stored of this spool.

        A mark that this folder cannot have set means that the folder was set back to an older copy,
        or that a second copy is in use: then its records go on under a new identity.
        """
        stored = await self._mark(connection)
        if stored > self._opened_seq and stored not in (self.stored_seq, self._tried_seq):
            self._spool.renew_identity(max(self._opened_seq, self.stored_seq))
            stored = await self._mark(connection)
        self._stored_up_to(stored)

    async def _mark(self, connection: Connection) -> int:
        async with connection.transaction():
            await connection.execute(
                "INSERT INTO journal_node (node) VALUES ($1) ON CONFLICT DO NOTHING", self._node
            )
            await connection.execute(
                "INSERT INTO journal_spool (node, identity, stored) VALUES ($1, $2, $3) "
                "ON CONFLICT DO NOTHING",
                self._node,
                self._spool.identity,
                self._spool.base,
            )
            mark = await connection.fetchval(
                "SELECT stored FROM journal_spool WHERE node = $1 AND identity = $2",
                self._node,
                self._spool.identity,
            )
        return int(mark)

    async def _store(self, connection: Connection, lines: list[Line]) -> None:
        self._tried_seq = last = lines[-1].seq
        status = await connection.execute(
            STORE,
            self._node,
            self._spool.identity,
            self.stored_seq,
            last,
            batch(lines),
            timeout=STORE_SECONDS,
        )
        if status != f"INSERT 0 {len(lines)}":
            raise MarkMovedError(f"records after {self.stored_seq} were stored by somebody else")
        self._stored_up_to(last)

    def _stored_up_to(self, seq: int) -> None:
        self.stored_seq = seq
        self._spool.forget(seq)
        self._on_stored(seq)

    def _became(self, state: DatabaseState, reason: str) -> None:
        if state != self.database:
            self.database, self.since = state, time.time()
        self.reason = reason


async def wait(event: asyncio.Event, seconds: float) -> bool:
    """Whether the event was set in time."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
