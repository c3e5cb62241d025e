"""The journal as the runtime sees it: open, append, checkpoint, and run the writer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec

from cti.domain import Recorded
from cti.journal.spool import SEGMENT_BYTES, DiskState, Spool
from cti.journal.writer import GATHER_SECONDS, DatabaseState, PoolSource, Writer


class JournalStats(msgspec.Struct, frozen=True, kw_only=True):
    """How the journal is, for `/healthz`, metrics and the wallboard.

    :param last_seq: the newest record appended.
    :param stored_seq: the newest record in PostgreSQL; behind by `last_seq - stored_seq`.
    :param since: epoch seconds since which `database` is so; `reason` says why it is away.
    :param spool_bytes: what the spool takes on disk.
    :param disk: "ok", or why records are held in memory for now (`disk_reason` in words): an alarm.
    :param lost_records: could not be kept anywhere, as the disk was full for too long: an alarm.
    :param unreadable_records: damaged on disk before they were stored: an alarm.
    """

    last_seq: int
    stored_seq: int
    database: DatabaseState
    since: float
    reason: str
    spool_bytes: int
    disk: DiskState
    disk_reason: str
    lost_records: int
    unreadable_records: int


class Journal:
    """One node's journal. Needs no database but to drain; all calls are cheap and local."""

    def __init__(self, spool: Spool, node: str, gather_seconds: float) -> None:
        self._spool = spool
        self._writer = Writer(spool, node, self._on_stored, gather_seconds)
        self._waiting: dict[asyncio.Future[None], int] = {}
        self._watchers: list[Callable[[], None]] = []
        self.node = node
        self.recovered = spool.recovered

    @classmethod
    def open(
        cls,
        folder: Path,
        node: str,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        gather_seconds: float = GATHER_SECONDS,
    ) -> Journal:
        """Open the spool folder and recover what it holds; see `recovered`.

        :param gather_seconds: how long records gather before they are flushed and stored.
        :raises SpoolInUseError: another process has the folder open.
        """
        return cls(Spool(folder, segment_bytes=segment_bytes), node, gather_seconds)

    def append(self, records: Sequence[Recorded]) -> None:
        """Write the records with one `write` and return; they survive a kill of the process.

        A full disk is no error: see `stats.disk`.

        :raises OutOfOrderError: the first is not `last_seq + 1`, or there is a hole.
        """
        self._spool.append(records)
        self._writer.more.set()

    def wants_checkpoint(self) -> bool:
        """True when the runtime should hand over a checkpoint, between two steps."""
        return self._spool.wants_checkpoint()

    def checkpoint(self, blob: bytes) -> None:
        """Begin a new segment with the state after the last record appended."""
        self._spool.checkpoint(blob)

    async def run(self, pool_source: PoolSource) -> None:
        """Flush each second or sooner and drain to PostgreSQL, until cancelled.

        :param pool_source: gives the pool, e.g. `Database(dsn).pool`; may raise while it is away.
        """
        await self._writer.run(pool_source)

    async def wait_stored(self, seq: int | None = None) -> None:
        """Until records up to `seq` (default: all appended so far) stand in PostgreSQL."""
        seq = self._spool.last_seq if seq is None else seq
        if self._writer.stored_seq >= seq:
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting[future] = seq
        try:
            await future
        finally:
            del self._waiting[future]

    def on_stored(self, callback: Callable[[], None]) -> None:
        """Call back after each batch that was stored (projections wake by it)."""
        self._watchers.append(callback)

    def _on_stored(self, seq: int) -> None:
        for future, wanted in self._waiting.items():
            if wanted <= seq and not future.done():
                future.set_result(None)
        for watcher in self._watchers:
            watcher()

    @property
    def stats(self) -> JournalStats:
        """The journal's condition now."""
        spool, writer = self._spool, self._writer
        return JournalStats(
            last_seq=spool.last_seq,
            stored_seq=writer.stored_seq,
            database=writer.database,
            since=writer.since,
            reason=writer.reason,
            spool_bytes=spool.size_bytes,
            disk=spool.disk,
            disk_reason=spool.disk_reason,
            lost_records=spool.lost_records,
            unreadable_records=spool.unreadable_records,
        )

    def close(self) -> None:
        """Flush and release the folder; end `run` first."""
        self._spool.close()
