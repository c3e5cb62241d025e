"""Projections: the journal folded into tables, by offset.

A projection reads one node's journal in order from where it stands, and writes its rows and its
offset in one transaction. Projections that stand at the same place share that transaction, as each
statement costs more than what it does; when one of them fails, each is tried alone. A projection
that meets something it cannot fold stops, says so, and does not skip it; the others go on.
`rebuild` starts one from zero while readers still see the old rows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Generic, Literal, NamedTuple, TypeVar

import asyncpg
import msgspec

from cti.domain import DomainEvent
from cti.journal import folds
from cti.journal.database import AWAY, CONNECT_SECONDS, TRY_AGAIN, Backoff
from cti.journal.spool import JournalError
from cti.journal.storages import (
    CallStorage,
    GapStorage,
    IntervalStorage,
    RecordingStorage,
    Storage,
    VisitStorage,
)
from cti.journal.tables import Connection
from cti.journal.writer import PoolSource, wait

BATCH_RECORDS = 2000
GATHER_SECONDS = 1.0
"""Events gather so long before they are projected: a call's row is written once for several."""
LOOK_AGAIN_SECONDS = 30.0
"""How often the journal is looked at without being woken."""

State = TypeVar("State")

_event = msgspec.json.Decoder(DomainEvent)


class ProjectionFailedError(JournalError):
    """A projection met events that it cannot fold or store; it stands where it stood."""


class UnknownProjectionError(JournalError):
    """No projection has this name."""


class Happened(NamedTuple):
    """One record of the journal."""

    seq: int
    type: str
    event: DomainEvent


class ProjectionStatus(msgspec.Struct, kw_only=True):
    """How a projection is.

    :param seq: the number up to which it has folded.
    :param state: "stopped" is an alarm: it cannot go on, `reason` says why.
    :param since: epoch seconds since which the state is so.
    """

    name: str
    seq: int = 0
    state: Literal["running", "away", "stopped"] = "away"
    reason: str = ""
    since: float

    def became(self, state: Literal["running", "away", "stopped"], reason: str = "") -> None:
        """Note a state."""
        if state != self.state:
            self.state, self.since = state, time.time()
        self.reason = reason


class Projection(Generic[State]):
    """One fold with its tables, for one node."""

    def __init__(self, fold: folds.Fold[State], storage: Storage[State]) -> None:
        self.name = fold.name
        self.node = fold.node
        self.tables = storage.tables
        self.types = {event.__name__ for event in fold.events}
        self.status = ProjectionStatus(name=self.name, since=time.time())
        self._fold = fold
        self._storage = storage

    async def advance(self, connection: Connection) -> bool:
        """Fold the next batch alone; whether there is more.

        :raises ProjectionFailedError: nothing of the batch was kept.
        """
        return await advance(connection, [self])

    async def project(self, connection: Connection, records: Iterable[Happened]) -> None:
        """Fold the records of this projection's types into its tables.

        :raises ProjectionFailedError: it cannot; the transaction must be rolled back.
        """
        concerned = [
            (record, touched)
            for record in records
            if record.type in self.types and (touched := list(self._fold.keys(record.event)))
        ]
        if not concerned:
            return
        keys = {key for _, touched in concerned for key in touched}
        before = await self._storage.load(connection, self.node, sorted(keys))
        states, after = dict(before), dict[str, State]()
        for record, _ in concerned:
            changed = self._apply(states, record)
            states.update(changed)
            after.update(changed)
        try:
            await self._storage.save(connection, before, after)
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
            place = f"records {concerned[0][0].seq} to {concerned[-1][0].seq}"
            raise ProjectionFailedError(f"{place}: {error}") from error

    def _apply(self, states: dict[str, State], record: Happened) -> dict[str, State]:
        try:
            return self._fold.apply(states, record.seq, record.event)
        except Exception as error:  # whatever it is, the projection must not go past it
            reason = f"record {record.seq}: {type(error).__name__}: {error}"
            raise ProjectionFailedError(reason) from error


async def advance(connection: Connection, projections: Sequence[Projection[Any]]) -> bool:
    """Fold the next batch into those that are furthest behind; whether there is more.

    :param projections: of one node.
    :raises ProjectionFailedError: one of them cannot; nothing was kept.
    """
    async with connection.transaction():
        offsets, last = await _offsets(connection, projections)
        begin = min(offsets.values())
        behind = [each for each in projections if offsets[each.name] == begin]
        others = [offset for offset in offsets.values() if offset > begin]
        end = min(begin + BATCH_RECORDS, last, *others)
        if end > begin:
            await _fold(connection, behind, begin, end)
    for each in projections:
        each.status.seq = end if each in behind else offsets[each.name]
    return end < last


async def rebuild(connection: Connection, projection: Projection[Any]) -> None:
    """Empty a projection's tables of its node and fold the journal from zero, in one transaction.

    :raises ProjectionFailedError: it cannot be folded; nothing changed.
    """
    async with connection.transaction():
        _, last = await _offsets(connection, [projection])
        for table in projection.tables:
            await connection.execute(
                f"DELETE FROM {table} WHERE node = $1",  # noqa: S608 - our own names
                projection.node,
            )
        for begin in range(0, last, BATCH_RECORDS):
            await _fold(connection, [projection], begin, min(begin + BATCH_RECORDS, last))
    projection.status.seq = last


_OFFSETS = """
SELECT name, seq, coalesce((SELECT last_seq FROM journal_node WHERE node = $2), 0)
FROM projections WHERE name = ANY($1) AND node = $2 ORDER BY name FOR UPDATE
"""


async def _offsets(
    connection: Connection, projections: Sequence[Projection[Any]]
) -> tuple[dict[str, int], int]:
    """Where each stands, and the journal's last number.

    The rows stay locked, so that only one process folds at a time.
    """
    names, node = [each.name for each in projections], projections[0].node
    rows = await connection.fetch(_OFFSETS, names, node)
    if len(rows) < len(names):
        await connection.execute(
            "INSERT INTO projections (name, node) SELECT unnest($1::text[]), $2 "
            "ON CONFLICT DO NOTHING",
            names,
            node,
        )
        rows = await connection.fetch(_OFFSETS, names, node)
    return {row[0]: row[1] for row in rows}, rows[0][2]


async def _fold(
    connection: Connection, projections: Sequence[Projection[Any]], begin: int, end: int
) -> None:
    """Fold the records after `begin` up to `end` and move the offsets there."""
    node = projections[0].node
    rows = await connection.fetch(
        "SELECT seq, type, body::text FROM journal "
        "WHERE node = $1 AND seq > $2 AND seq <= $3 AND type = ANY($4) ORDER BY seq",
        node,
        begin,
        end,
        sorted(set().union(*(each.types for each in projections))),
    )
    records = [Happened(seq, kind, _decoded(seq, body)) for seq, kind, body in rows]
    for projection in projections:
        await projection.project(connection, records)
    await connection.execute(
        "UPDATE projections SET seq = $3 WHERE name = ANY($1) AND node = $2",
        [each.name for each in projections],
        node,
        end,
    )


def _decoded(seq: int, body: str) -> DomainEvent:
    try:
        event: DomainEvent = _event.decode(body)
    except msgspec.MsgspecError as error:
        raise ProjectionFailedError(f"record {seq}: {error}") from error
    return event


def all_projections(node: str, thresholds: folds.Thresholds) -> list[Projection[Any]]:
    """The projections of one node."""
    return [
        Projection(folds.CallFold(node), CallStorage()),
        Projection(folds.VisitFold(node), VisitStorage(thresholds)),
        Projection(folds.IntervalFold(node), IntervalStorage()),
        Projection(folds.RecordingFold(node), RecordingStorage()),
        Projection(folds.GapFold(node), GapStorage()),
    ]


class Projections:
    """Runs the projections of one node.

    :param on_stopped: called with the status of a projection that stopped: raise an alarm.
    """

    def __init__(
        self,
        projections: Iterable[Projection[Any]],
        *,
        gather_seconds: float = GATHER_SECONDS,
        on_stopped: Callable[[ProjectionStatus], None] | None = None,
    ) -> None:
        self._projections = {projection.name: projection for projection in projections}
        self._gather_seconds = gather_seconds
        self._on_stopped = on_stopped
        self._more = asyncio.Event()
        self._advanced = asyncio.Condition()

    @property
    def statuses(self) -> list[ProjectionStatus]:
        """How each is now."""
        return [projection.status for projection in self._projections.values()]

    def wake(self) -> None:
        """There is more in the journal. Give this to `Journal.on_stored`."""
        self._more.set()

    async def rebuild(self, name: str, pool_source: PoolSource) -> None:
        """Fold one projection from zero; readers see the old rows until it is done.

        :raises UnknownProjectionError: there is none of this name.
        :raises ProjectionFailedError: it met something that it cannot fold; nothing changed.
        """
        if name not in self._projections:
            known = ", ".join(sorted(self._projections))
            raise UnknownProjectionError(f"no projection is named {name!r}, only {known}")
        pool = await pool_source()
        async with pool.acquire() as connection:
            await rebuild(connection, self._projections[name])

    async def wait_for(self, seq: int) -> None:
        """Until all have folded up to the journal's number `seq`, or have stopped."""
        async with self._advanced:
            await self._advanced.wait_for(
                lambda: all(s.seq >= seq or s.state == "stopped" for s in self.statuses)
            )

    async def run(self, pool_source: PoolSource) -> None:
        """Project until cancelled; a projection that stopped stays so until the next start."""
        backoff = Backoff()
        while True:
            self._more.clear()
            try:
                await self._catch_up(pool_source)
            except TRY_AGAIN as error:
                for each in self._going():
                    each.status.became("away", f"{type(error).__name__}: {error}")
                await asyncio.sleep(backoff.next())
                continue
            backoff.reset()
            await wait(self._more, LOOK_AGAIN_SECONDS)
            await asyncio.sleep(self._gather_seconds)

    def _going(self) -> list[Projection[Any]]:
        return [each for each in self._projections.values() if each.status.state != "stopped"]

    async def _catch_up(self, pool_source: PoolSource) -> None:
        pool = await pool_source()
        async with pool.acquire(timeout=CONNECT_SECONDS) as connection:
            more = True
            while more and (going := self._going()):
                try:
                    more = await advance(connection, going)
                    for each in going:
                        each.status.became("running")
                except AWAY:
                    raise
                except (asyncpg.PostgresError, JournalError):
                    await self._advance_alone(connection, going)
                await self._tell()

    async def _advance_alone(
        self, connection: Connection, projections: Sequence[Projection[Any]]
    ) -> None:
        """After one of them failed: each its next batch; those that cannot are stopped."""
        for each in projections:
            try:
                await each.advance(connection)
            except AWAY:
                raise
            except (asyncpg.PostgresError, JournalError) as error:
                each.status.became("stopped", f"{type(error).__name__}: {error}")
                if self._on_stopped:
                    self._on_stopped(each.status)

    async def _tell(self) -> None:
        async with self._advanced:
            self._advanced.notify_all()
