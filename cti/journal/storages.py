"""The thin half of the projections: states of a fold in and out of their tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Generic, TypeVar

from cti.journal import folds
from cti.journal.rows import (
    CallRow,
    FiguresRow,
    GapRow,
    IntervalRow,
    RecordingRow,
    VisitRow,
)
from cti.journal.tables import Connection, Table

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
