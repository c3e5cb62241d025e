"""What screens and reports ask of the projections. Reads only; every function takes a connection.

Rows carry aware UTC; `plain` turns any answer into JSON-ready data with epoch seconds.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from cti.domain import DomainEvent, Recorded
from cti.journal.detail import CallDetail, detail
from cti.journal.rows import CallRow, FiguresRow, GapRow, IntervalRow, RecordingRow
from cti.journal.spool import JournalError
from cti.journal.storages import CALLS, GAPS, INTERVALS, RECORDINGS
from cti.journal.tables import Connection

LIST_LIMIT = 200
Period = Literal["quarter", "hour", "day"]

_FIGURES = (Path(__file__).parent / "figures.sql").read_text()
_CALL_EVENTS = (Path(__file__).parent / "call_events.sql").read_text()

_events = msgspec.json.Decoder(list[tuple[int, DomainEvent]])


class BadCursorError(JournalError):
    """The cursor is none that `list_calls` gave out."""


class CallFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which calls; None leaves a criterion out. `from_at` is included, `to_at` is not.

    :param agent_id: talked in the call.
    :param agents: one of them talked in the call, or nobody did and it waited in a queue of
        `untaken_in`.
    :param queue: the call waited in it.
    :param outcome: a `cti.domain.Outcome`, or "open" for calls that last.
    :param number: the customer's, whole, as it is kept.
    :param text: part of a number, or of the caller's or customer's name.
    """

    from_at: datetime | None = None
    to_at: datetime | None = None
    agent_id: str | None = None
    agents: Sequence[str] | None = None
    untaken_in: Sequence[str] = ()
    queue: str | None = None
    outcome: str | None = None
    number: str | None = None
    text: str | None = None


class CallPage(msgspec.Struct, frozen=True):
    """Calls, the newest first. `next` is the cursor of the page after, None on the last one."""

    items: list[CallRow]
    next: str | None


class PeriodFigures(msgspec.Struct, frozen=True, kw_only=True):
    """A queue's figures of one period, from `begin`; see `FiguresRow` for the counts.

    :param waiting: entered and not left yet.
    :param service_level: answered in time of answered and abandoned (without short), 0..1.
    :param gap: nothing was heard from the PBX for a part of the period: counts are lower bounds.
    """

    queue: str
    begin: datetime
    figures: FiguresRow
    waiting: int
    service_level: float | None
    gap: bool


async def list_calls(
    connection: Connection,
    wanted: CallFilter,
    *,
    limit: int = 50,
    cursor: str | None = None,
) -> CallPage:
    """A page of calls without those that were merged into others or that another server has.

    :raises BadCursorError: `cursor` is not `CallPage.next` of a page before.
    """
    conditions, arguments = ["merged_into IS NULL AND NOT handed_over"], list[object]()

    def add(condition: str, *values: object) -> None:
        numbers = range(len(arguments) + 1, len(arguments) + len(values) + 1)
        conditions.append(condition.format(*(f"${number}" for number in numbers)))
        arguments.extend(_without_nul(value) for value in values)

    if wanted.agents is not None:
        add(
            "(agents && {}::text[] OR agents = '{{}}' AND queues && {}::text[])",
            wanted.agents,
            wanted.untaken_in,
        )
    if wanted.outcome == "open":
        add("ended_at IS NULL")
    for condition, value in (
        ("started_at >= {}", wanted.from_at),
        ("started_at < {}", wanted.to_at),
        ("agents @> ARRAY[{}::text]", wanted.agent_id),
        ("queues @> ARRAY[{}::text]", wanted.queue),
        ("outcome = {}", wanted.outcome if wanted.outcome != "open" else None),
        ("(caller_number = {0} OR called_number = {0})", wanted.number),
        (
            "(caller_number LIKE {0} OR called_number LIKE {0} OR caller_name ILIKE {0} "
            "OR customer_name ILIKE {0})",
            wanted.text and containing(wanted.text),
        ),
    ):
        if value:
            add(condition, value)
    if cursor:
        add("(started_at, call_id) < ({}, {}::text)", *_read_cursor(cursor))
    limit = min(max(limit, 1), LIST_LIMIT)
    rows = await CALLS.load(
        connection,
        " AND ".join(conditions),
        *arguments,
        order="started_at DESC, call_id DESC",
        limit=limit + 1,
    )
    more = len(rows) > limit
    return CallPage(rows[:limit], _cursor(rows[limit - 1]) if more else None)


def containing(text: str) -> str:
    """A LIKE pattern; the text's own wildcards mean themselves."""
    for special in ("\\", "%", "_"):
        text = text.replace(special, "\\" + special)
    return f"%{text}%"


def _without_nul(value: object) -> object:
    """PostgreSQL's texts cannot hold NUL, so nothing there contains it."""
    return value.replace("\0", "\ufffd") if isinstance(value, str) else value


def _cursor(row: CallRow) -> str:
    data = msgspec.json.encode((row.started_at, row.call_id))
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[datetime, str]:
    try:
        data = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        place = msgspec.json.decode(data, type=tuple[datetime, str])
    except (ValueError, msgspec.MsgspecError) as error:
        raise BadCursorError("this cursor was not given out by the list of calls") from error
    if place[0].tzinfo is None or "\0" in place[1]:
        raise BadCursorError("this cursor was not given out by the list of calls")
    return place


async def call_row(connection: Connection, call_id: str) -> CallRow | None:
    """One call's row, None where there is none."""
    rows = await CALLS.load(connection, "call_id = $1", call_id)
    return rows[0] if rows else None


async def call_detail(connection: Connection, call_id: str) -> CallDetail | None:
    """All that is known of a call, from the journal itself; None where there is no such call."""
    row = await connection.fetchrow(_CALL_EVENTS, call_id)
    if row is None or row["node"] is None:
        return None
    records = [Recorded(seq, event) for seq, event in _events.decode(row["events"])]
    return detail(call_id, row["node"], records)


async def agent_intervals(
    connection: Connection,
    from_at: datetime,
    to_at: datetime,
    *,
    agent_ids: Sequence[str] | None = None,
) -> list[IntervalRow]:
    """Agents' states that touch the time, by agent and begin; not cut to the time's bounds."""
    return await INTERVALS.load(
        connection,
        "from_at < $2 AND (to_at IS NULL OR to_at > $1) "
        "AND ($3::text[] IS NULL OR agent_id = ANY($3))",
        from_at,
        to_at,
        None if agent_ids is None else list(agent_ids),
        order="agent_id, from_at, seq",
    )


async def gaps(connection: Connection, from_at: datetime, to_at: datetime) -> list[GapRow]:
    """Times in which nothing was heard from the PBX, as far as they touch the time asked for."""
    return await GAPS.load(
        connection, "from_at < $2 AND to_at >= $1", from_at, to_at, order="from_at, node, seq"
    )


async def queue_figures(
    connection: Connection,
    from_at: datetime,
    to_at: datetime,
    *,
    zone: str,
    period: Period = "quarter",
    queues: Sequence[str] | None = None,
) -> list[PeriodFigures]:
    """Queues' figures by period, of all nodes together. Periods without a caller are left out.

    :param zone: the centre's time zone: in it days and hours begin.
    """
    rows = await connection.fetch(
        _FIGURES,
        from_at,
        to_at,
        period,
        str(ZoneInfo(zone)),
        None if queues is None else list(queues),
    )
    return [_period_figures(dict(row)) for row in rows]


def _period_figures(row: dict[str, Any]) -> PeriodFigures:
    gap, begin = row.pop("gap"), row.pop("begin")
    figures = msgspec.convert({**row, "node": "", "quarter": begin}, type=FiguresRow, strict=False)
    left = (
        figures.answered
        + figures.abandoned
        + figures.abandoned_short
        + figures.overflowed
        + figures.voicemail
        + figures.callback
        + figures.refused
        + figures.withdrawn
        + figures.lost
    )
    judged = figures.answered + figures.abandoned
    return PeriodFigures(
        queue=figures.queue,
        begin=begin,
        figures=figures,
        waiting=figures.entered - left,
        service_level=figures.answered_in_time / judged if judged else None,
        gap=gap,
    )


async def recording(connection: Connection, recording_id: str) -> RecordingRow | None:
    """One recording, None where there is none."""
    rows = await RECORDINGS.load(connection, "recording_id = $1", recording_id)
    return rows[0] if rows else None


async def list_recordings(
    connection: Connection, from_at: datetime, to_at: datetime, *, faulty: bool | None = None
) -> list[RecordingRow]:
    """Recordings that began in the time, in order; only the faulty or the sound ones if asked."""
    return await RECORDINGS.load(
        connection,
        "started_at >= $1 AND started_at < $2 AND ($3::bool IS NULL OR (fault IS NOT NULL) = $3)",
        from_at,
        to_at,
        faulty,
        order="started_at, recording_id",
    )


def plain(value: object) -> Any:  # noqa: ANN401 - JSON
    """Rows and structs as dicts and lists, times as epoch seconds."""
    return _seconds(msgspec.to_builtins(value, builtin_types=(datetime,)))


def _seconds(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, datetime):
        return value.timestamp()
    if isinstance(value, dict):
        return {key: _seconds(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_seconds(item) for item in value]
    return value
