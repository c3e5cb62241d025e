"""Rows of the projections' tables, field for column. Times are aware UTC, durations seconds."""

from __future__ import annotations

from datetime import datetime

import msgspec


class CallRow(msgspec.Struct, frozen=True, kw_only=True):
    """One call as lists and reports show it; see the migration for the columns.

    :param handed_over: another server has it, and that one's row is the call's.
    """

    call_id: str
    node: str
    started_at: datetime
    direction: str
    caller_number: str | None = None
    caller_name: str | None = None
    called_number: str | None = None
    linkedid: str = ""
    customer_id: str | None = None
    customer_name: str | None = None
    level: str | None = None
    queues: tuple[str, ...] = ()
    agents: tuple[str, ...] = ()
    agent_id: str | None = None
    answered_at: datetime | None = None
    waiting_since: datetime | None = None
    waited_seconds: float = 0.0
    talk_seconds: float = 0.0
    transfers: int = 0
    recordings: int = 0
    faults: int = 0
    disposition: str | None = None
    survey_score: int | None = None
    consent: bool | None = None
    merged_into: str | None = None
    handed_over: bool = False
    outcome: str | None = None
    ended_by: str | None = None
    ended_at: datetime | None = None
    exact: bool = True


class VisitRow(msgspec.Struct, frozen=True, kw_only=True):
    """One call's stay in one queue; `reason` is a `cti.domain.VisitEnd`, None while it waits.

    :param handed_over: another server tells of it again; it counts nothing here.
    """

    visit_id: str
    node: str
    call_id: str
    queue: str
    entered_at: datetime
    left_at: datetime | None = None
    reason: str | None = None
    waited_seconds: float = 0.0
    talk_seconds: float = 0.0
    agent_id: str | None = None
    native: bool = False
    handed_over: bool = False
    exact: bool = True


class FiguresRow(msgspec.Struct, frozen=True, kw_only=True):
    """What a queue did in one quarter of an hour, counted by the time of entering."""

    node: str
    queue: str
    quarter: datetime
    entered: int = 0
    answered: int = 0
    answered_in_time: int = 0
    abandoned: int = 0
    abandoned_short: int = 0
    overflowed: int = 0
    voicemail: int = 0
    callback: int = 0
    refused: int = 0
    withdrawn: int = 0
    lost: int = 0
    native: int = 0
    inexact: int = 0
    waited_answered_seconds: float = 0.0
    waited_abandoned_seconds: float = 0.0
    longest_wait_seconds: float = 0.0
    talk_seconds: float = 0.0


class IntervalRow(msgspec.Struct, frozen=True, kw_only=True):
    """An agent in one state, `to_at` None while it lasts; `seq` is of the event that began it."""

    node: str
    seq: int
    agent_id: str
    state: str
    reason: str | None
    call_id: str | None
    from_at: datetime
    to_at: datetime | None = None


class RecordingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One recording, from its start to its place in the store, or its fault."""

    recording_id: str
    node: str
    call_id: str
    started_at: datetime
    queue: str | None = None
    file: str | None = None
    paused_at: datetime | None = None
    paused_seconds: float = 0.0
    path: str | None = None
    sha256: str | None = None
    bytes: int | None = None
    duration_seconds: float | None = None
    customer_silent: bool = False
    agent_silent: bool = False
    stored_at: datetime | None = None
    fault: str | None = None
    detail: str | None = None


class GapRow(msgspec.Struct, frozen=True, kw_only=True):
    """A time in which we heard nothing from the PBX."""

    node: str
    seq: int
    from_at: datetime
    to_at: datetime
    reason: str
