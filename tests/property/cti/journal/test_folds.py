"""Folding in any batches, through the tables' form, gives what folding at once gives."""

import itertools
from collections import Counter
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from cti.domain import Recorded
from cti.journal import folds
from cti.journal.detail import detail
from cti.journal.folds import CallFold, GapFold, IntervalFold, RecordingFold, VisitFold
from cti.journal.queries import plain
from cti.journal.rows import CallRow, GapRow, IntervalRow, RecordingRow, VisitRow
from tests.support.event_streams import CALLS, event_streams

THRESHOLDS = folds.Thresholds({"support": (20.0, 5.0)})

Rows = dict[tuple[Any, ...], Any]


def through_table(row: Any, kind: type) -> Any:
    """What comes back of a row from the database: the same as JSON holds."""
    return msgspec.json.decode(msgspec.json.encode(row), type=kind)


class Tables:
    """What the storages do, on dicts."""

    def __init__(self) -> None:
        self.rows: dict[str, Rows] = {name: {} for name in LOADS}
        self.figures: dict[tuple[Any, ...], Counter[str]] = {}
        self.longest: dict[tuple[Any, ...], float] = {}

    def fold(self, fold: folds.Fold[Any], records: list[Recorded]) -> None:
        concerned = [
            (record, list(fold.keys(record.event)))
            for record in records
            if isinstance(record.event, fold.events)
        ]
        keys = {key for _, keys in concerned for key in keys}
        before = LOADS[fold.name](self.rows[fold.name], keys)
        states, after = dict(before), {}
        for record, touched in concerned:
            if touched:
                changed = fold.apply(states, record.seq, record.event)
                states.update(changed)
                after.update(changed)
        self.save(fold.name, before, after)

    def save(self, name: str, before: dict[str, Any], after: dict[str, Any]) -> None:
        kind, key = KINDS[name]
        for state in after.values():
            for row in state if isinstance(state, tuple) else [state]:
                stored = through_table(row, kind)
                self.rows[name][tuple(getattr(stored, field) for field in key)] = stored
        if name == "queues":
            old = [before[visit] for visit in after if visit in before]
            for change in folds.changes(old, after.values(), THRESHOLDS):
                place = (change.node, change.queue, change.quarter)
                counter = self.figures.setdefault(place, Counter())
                for field in folds.COUNTED:
                    counter[field] = round(counter[field] + getattr(change, field), 3)
                self.longest[place] = max(self.longest.get(place, 0.0), change.longest_wait_seconds)


LOADS: dict[str, Any] = {
    "calls": lambda rows, keys: {r.call_id: r for r in rows.values() if r.call_id in keys},
    "queues": lambda rows, keys: {
        r.visit_id: r for r in rows.values() if r.visit_id in keys or r.call_id in keys
    },
    "agents": lambda rows, keys: {
        r.agent_id: (r,) for r in rows.values() if r.agent_id in keys and r.to_at is None
    },
    "recordings": lambda rows, keys: {
        r.recording_id: r for r in rows.values() if r.recording_id in keys
    },
    "gaps": lambda rows, keys: {},
}
KINDS: dict[str, tuple[type, tuple[str, ...]]] = {
    "calls": (CallRow, ("call_id",)),
    "queues": (VisitRow, ("visit_id",)),
    "agents": (IntervalRow, ("node", "seq")),
    "recordings": (RecordingRow, ("recording_id",)),
    "gaps": (GapRow, ("node", "seq")),
}
FOLDS = (CallFold, VisitFold, IntervalFold, RecordingFold, GapFold)


def projected(records: list[Recorded], cuts: list[int]) -> Tables:
    tables = Tables()
    places = [0, *sorted(cut % (len(records) + 1) for cut in cuts), len(records)]
    for kind in FOLDS:
        fold = kind("n")
        for begin, end in itertools.pairwise(places):
            tables.fold(fold, records[begin:end])
    return tables


@settings(max_examples=150, deadline=None)
@given(event_streams(), st.lists(st.integers(0, 60), max_size=8))
def test_batches_make_no_difference(records: list[Recorded], cuts: list[int]) -> None:
    at_once, in_batches = projected(records, []), projected(records, cuts)
    assert at_once.rows == in_batches.rows
    assert at_once.figures == in_batches.figures
    assert at_once.longest == in_batches.longest


@settings(max_examples=150, deadline=None)
@given(event_streams(), st.lists(st.integers(0, 60), max_size=8))
def test_figures_are_the_sum_of_the_visits(records: list[Recorded], cuts: list[int]) -> None:
    tables = projected(records, cuts)
    for place, counter in tables.figures.items():
        parts = [
            part
            for visit in tables.rows["queues"].values()
            if (part := folds.figures(visit, THRESHOLDS))
            and (part.node, part.queue, part.quarter) == place
        ]
        for field in folds.COUNTED:
            assert counter[field] == round(sum(getattr(part, field) for part in parts), 3)
        left = sum(
            counter[field]
            for field in (
                "answered",
                "abandoned",
                "abandoned_short",
                "overflowed",
                "voicemail",
                "callback",
                "refused",
                "withdrawn",
                "lost",
            )
        )
        waiting = sum(
            visit.reason is None and not visit.handed_over
            for visit in tables.rows["queues"].values()
            if (visit.queue, folds.figures(visit, THRESHOLDS).quarter) == place[1:]
        )
        assert counter["entered"] == left + waiting


@settings(max_examples=100, deadline=None)
@given(event_streams())
def test_an_agents_intervals_stand_end_to_end_and_the_last_is_open(
    records: list[Recorded],
) -> None:
    rows = projected(records, [7, 20, 33]).rows["agents"].values()
    for agent in {row.agent_id for row in rows}:
        chain = sorted((row for row in rows if row.agent_id == agent), key=lambda row: row.seq)
        for earlier, later in itertools.pairwise(chain):
            assert earlier.from_at <= earlier.to_at == later.from_at
        assert chain[-1].to_at is None


@settings(max_examples=100, deadline=None)
@given(event_streams())
def test_the_detail_of_any_stream_can_be_told_and_written_as_json(records: list[Recorded]) -> None:
    for call_id in CALLS:
        own = [record for record in records if getattr(record.event, "call_id", None) == call_id]
        told = detail(call_id, "n", own)
        if told:
            msgspec.json.encode(plain(told))
            assert len(told.timeline) == len(own)
            assert told.call == projected(own, []).rows["calls"][(call_id,)]
