"""Projections: the journal folded into tables, by offset.

Each projection reads one node's journal in order from where it stands, and writes its rows and its
offset in one transaction. A projection that meets something it cannot fold stops, says so, and does
not skip it; the others go on. `rebuild` starts one from zero while readers still see the old rows.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, Literal, TypeVar

import asyncpg
import msgspec

from cti.domain import DomainEvent
from cti.journal import folds
from cti.journal.database import AWAY, CONNECT_SECONDS, Backoff
from cti.journal.rows import (
    CallRow,
    FiguresRow,
    GapRow,
    IntervalRow,
    RecordingRow,
    VisitRow,
)
from cti.journal.spool import JournalError
from cti.journal.tables import Connection, Table
from cti.journal.writer import PoolSource, wait

BATCH_RECORDS = 1000
GATHER_SECONDS = 1.0
"""Events gather so long before they are projected: a call's row is written once for several."""
LOOK_AGAIN_SECONDS = 30.0
"""How often the journal is looked at without being woken."""

CALLS = Table("calls", CallRow, "call_id")
VISITS = Table("queue_visits", VisitRow, "visit_id")
FIGURES = Table(
    "queue_figures",
    FiguresRow,
    *("node", "queue", "quarter"),
    add=folds.COUNTED,
    keep_greatest=["longest_wait_seconds"],
)
INTERVALS = Table("agent_intervals", IntervalRow, "node", "seq")
RECORDINGS = Table("recordings", RecordingRow, "recording_id")
GAPS = Table("gaps", GapRow, "node", "seq")

State = TypeVar("State")

_event = msgspec.json.Decoder(DomainEvent)


class ProjectionFailedError(JournalError):
    """A projection met events that it cannot fold or store; it stands where it stood."""


class UnknownProjectionError(JournalError):
    """No projection has this name."""


class Storage(Generic[State]):
    """The thin half of a projection: loads and saves the states of a fold.

    :param tables: the tables it owns, emptied before a rebuild.
    """

    tables: Sequence[str]

    async def load(self, connection: Connection, node: str, keys: list[str]) -> dict[str, State]:
        """The states of those keys that have one."""
        raise NotImplementedError

    async def save(
        self, connection: Connection, before: Mapping[str, State], after: Mapping[str, State]
    ) -> None:
        """Write the states of `after`; `before` are the loaded ones."""
        raise NotImplementedError


class CallStorage(Storage[CallRow]):
    """`calls`, a row for each state."""

    tables = ("calls",)

    async def load(self, connection: Connection, node: str, keys: list[str]) -> dict[str, CallRow]:
        """By call."""
        rows = await CALLS.load(connection, "call_id = ANY($1)", keys)
        return {row.call_id: row for row in rows}

    async def save(
        self, connection: Connection, before: Mapping[str, CallRow], after: Mapping[str, CallRow]
    ) -> None:
        """All that changed."""
        await CALLS.save(connection, after.values())


class VisitStorage(Storage[VisitRow]):
    """`queue_visits`, and `queue_figures` changed by the difference that they make."""

    tables = ("queue_visits", "queue_figures")

    def __init__(self, thresholds: folds.Thresholds) -> None:
        self._thresholds = thresholds

    async def load(self, connection: Connection, node: str, keys: list[str]) -> dict[str, VisitRow]:
        """By visit, or all of a call."""
        rows = await VISITS.load(connection, "visit_id = ANY($1) OR call_id = ANY($1)", keys)
        return {row.visit_id: row for row in rows}

    async def save(
        self, connection: Connection, before: Mapping[str, VisitRow], after: Mapping[str, VisitRow]
    ) -> None:
        """The visits, then what they change in the figures."""
        await VISITS.save(connection, after.values())
        old = [before[key] for key in after if key in before]
        await FIGURES.save(connection, folds.changes(old, after.values(), self._thresholds))


class IntervalStorage(Storage[folds.Intervals]):
    """`agent_intervals`; only the open ones are needed to go on."""

    tables = ("agent_intervals",)

    async def load(
        self, connection: Connection, node: str, keys: list[str]
    ) -> dict[str, folds.Intervals]:
        """The open interval of each agent."""
        rows = await INTERVALS.load(
            connection, "node = $1 AND agent_id = ANY($2) AND to_at IS NULL", node, keys
        )
        return {row.agent_id: (row,) for row in rows}

    async def save(
        self,
        connection: Connection,
        before: Mapping[str, folds.Intervals],
        after: Mapping[str, folds.Intervals],
    ) -> None:
        """Closed ones first, as an agent has at most one open."""
        rows = [row for rows in after.values() for row in rows]
        await INTERVALS.save(connection, [row for row in rows if row.to_at])
        await INTERVALS.save(connection, [row for row in rows if not row.to_at])


class RecordingStorage(Storage[RecordingRow]):
    """`recordings`, a row for each state."""

    tables = ("recordings",)

    async def load(
        self, connection: Connection, node: str, keys: list[str]
    ) -> dict[str, RecordingRow]:
        """By recording."""
        rows = await RECORDINGS.load(connection, "recording_id = ANY($1)", keys)
        return {row.recording_id: row for row in rows}

    async def save(
        self,
        connection: Connection,
        before: Mapping[str, RecordingRow],
        after: Mapping[str, RecordingRow],
    ) -> None:
        """All that changed."""
        await RECORDINGS.save(connection, after.values())


class GapStorage(Storage[GapRow]):
    """`gaps`."""

    tables = ("gaps",)

    async def load(self, connection: Connection, node: str, keys: list[str]) -> dict[str, GapRow]:
        """A gap never changes."""
        return {}

    async def save(
        self, connection: Connection, before: Mapping[str, GapRow], after: Mapping[str, GapRow]
    ) -> None:
        """The new ones."""
        await GAPS.save(connection, after.values())


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
        self._fold = fold
        self._storage = storage
        self._types = [event.__name__ for event in fold.events]
        self.status = ProjectionStatus(name=self.name, since=time.time())

    async def advance(self, connection: Connection) -> bool:
        """Fold the next batch in one transaction; False when the end of the journal is reached.

        :raises ProjectionFailedError: nothing of the batch was kept.
        """
        async with connection.transaction():
            seq = await self._offset(connection)
            end = await self._fold_batch(connection, seq)
        self.status.seq = end
        return end > seq

    async def rebuild(self, connection: Connection) -> None:
        """Empty the tables of this node and fold its journal from zero, in one transaction."""
        async with connection.transaction():
            seq, end = 0, await self._offset(connection)
            for table in self._storage.tables:
                await connection.execute(
                    f"DELETE FROM {table} WHERE node = $1",  # noqa: S608 - our own names
                    self._fold.node,
                )
            while (end := await self._fold_batch(connection, seq)) > seq:
                seq = end
        self.status.seq = seq

    async def _offset(self, connection: Connection) -> int:
        """Where it stands; the row stays locked, so that only one folds at a time."""
        await connection.execute(
            "INSERT INTO projections (name, node) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            self.name,
            self._fold.node,
        )
        return int(
            await connection.fetchval(
                "SELECT seq FROM projections WHERE name = $1 AND node = $2 FOR UPDATE",
                self.name,
                self._fold.node,
            )
        )

    async def _fold_batch(self, connection: Connection, seq: int) -> int:
        """Fold what comes after `seq`; the number reached."""
        node = self._fold.node
        last = await connection.fetchval("SELECT last_seq FROM journal_node WHERE node = $1", node)
        end = min(seq + BATCH_RECORDS, last or 0)
        if end <= seq:
            return seq
        records = await connection.fetch(
            "SELECT seq, body::text FROM journal "
            "WHERE node = $1 AND seq > $2 AND seq <= $3 AND type = ANY($4) ORDER BY seq",
            node,
            seq,
            end,
            self._types,
        )
        await self._project(connection, [(record[0], record[1]) for record in records])
        await connection.execute(
            "UPDATE projections SET seq = $3 WHERE name = $1 AND node = $2", self.name, node, end
        )
        return end

    async def _project(self, connection: Connection, records: list[tuple[int, str]]) -> None:
        happened = [(seq, self._decode(seq, body)) for seq, body in records]
        concerned = [(seq, event, list(self._fold.keys(event))) for seq, event in happened]
        keys = {key for _, _, keys in concerned for key in keys}
        if not keys:
            return
        before = await self._storage.load(connection, self._fold.node, sorted(keys))
        states, after = dict(before), dict[str, State]()
        for seq, event, touched in concerned:
            if touched:
                changed = self._apply(states, seq, event)
                states.update(changed)
                after.update(changed)
        try:
            await self._storage.save(connection, before, after)
        except (asyncpg.DataError, asyncpg.IntegrityConstraintViolationError) as error:
            place = f"records {records[0][0]} to {records[-1][0]}"
            raise ProjectionFailedError(f"{place}: {error}") from error

    @staticmethod
    def _decode(seq: int, body: str) -> DomainEvent:
        try:
            event: DomainEvent = _event.decode(body)
        except msgspec.MsgspecError as error:
            raise ProjectionFailedError(f"record {seq}: {error}") from error
        return event

    def _apply(self, states: dict[str, State], seq: int, event: DomainEvent) -> dict[str, State]:
        try:
            return self._fold.apply(states, seq, event)
        except Exception as error:  # whatever it is, the projection must not go past it
            raise ProjectionFailedError(f"record {seq}: {type(error).__name__}: {error}") from error


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
    """Runs the projections of one node beside each other.

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
        self._wakes = {name: asyncio.Event() for name in self._projections}
        self._advanced = asyncio.Condition()

    @property
    def statuses(self) -> list[ProjectionStatus]:
        """How each is now."""
        return [projection.status for projection in self._projections.values()]

    def wake(self) -> None:
        """There is more in the journal. Give this to `Journal.on_stored`."""
        for event in self._wakes.values():
            event.set()

    async def run(self, pool_source: PoolSource) -> None:
        """Project until cancelled; a projection that stopped stays so until the next start."""
        async with asyncio.TaskGroup() as group:
            for projection in self._projections.values():
                group.create_task(self._run_one(projection, pool_source))

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
            await self._projections[name].rebuild(connection)

    async def wait_for(self, seq: int) -> None:
        """Until all have folded up to the journal's number `seq`, or have stopped."""
        async with self._advanced:
            await self._advanced.wait_for(
                lambda: all(s.seq >= seq or s.state == "stopped" for s in self.statuses)
            )

    async def _run_one(self, projection: Projection[Any], pool_source: PoolSource) -> None:
        wake, backoff, status = self._wakes[projection.name], Backoff(), projection.status
        while True:
            wake.clear()
            try:
                await self._catch_up(projection, pool_source)
            except AWAY as error:
                status.became("away", f"{type(error).__name__}: {error}")
                await asyncio.sleep(backoff.next())
                continue
            except (asyncpg.PostgresError, JournalError) as error:
                await self._stop(status, f"{type(error).__name__}: {error}")
                return
            backoff.reset()
            await wait(wake, LOOK_AGAIN_SECONDS)
            await asyncio.sleep(self._gather_seconds)

    async def _catch_up(self, projection: Projection[Any], pool_source: PoolSource) -> None:
        pool = await pool_source()
        async with pool.acquire(timeout=CONNECT_SECONDS) as connection:
            while await projection.advance(connection):
                projection.status.became("running")
                await self._told()
        projection.status.became("running")
        await self._told()

    async def _stop(self, status: ProjectionStatus, reason: str) -> None:
        status.became("stopped", reason)
        if self._on_stopped:
            self._on_stopped(status)
        await self._told()

    async def _told(self) -> None:
        async with self._advanced:
            self._advanced.notify_all()
