"""The pure half of the projections: events in, rows out.

A fold says which events it reads and whose state an event touches, and gives the states after it. A
state is what the tables hold for one key, so nothing has to be remembered between two batches, and
folding again from zero gives the same rows. Where the beginning of something is not in the journal
(a spool was lost), the row begins with what is known and is marked inexact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import pairwise
from typing import Any, Generic, TypeVar

from msgspec.structs import replace

from cti import domain
from cti.journal.moments import moment, quarter
from cti.journal.rows import (
    CallRow,
    FiguresRow,
    GapRow,
    IntervalRow,
    RecordingRow,
    VisitRow,
)

State = TypeVar("State")
AnyEvent = Any
"""One of the fold's `events`."""


class Fold(Generic[State]):
    """Base of the folds.

    :param node: the node whose journal is folded.
    """

    name: str
    events: tuple[type[domain.Event], ...]

    def __init__(self, node: str) -> None:
        self.node = node

    def keys(self, event: AnyEvent) -> Iterable[str]:
        """The keys whose state the event may change; none where it is of no concern."""
        raise NotImplementedError

    def apply(self, states: Mapping[str, State], seq: int, event: AnyEvent) -> dict[str, State]:
        """The states that change. `states` holds those of `keys(event)`, where there are any."""
        raise NotImplementedError


# --- calls ---------------------------------------------------------------------------------------


def _appended(items: tuple[str, ...], *more: str | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys((*items, *(item for item in more if item))))


def _queue_entered(call: CallRow, event: domain.QueueEntered) -> CallRow:
    """`entered_at` goes back to the first entering: what was waited since then is counted.

    Who was handed over while waiting has waited on.
    """
    return replace(
        call,
        waiting_since=call.waiting_since or moment(event.at if call.queues else event.entered_at),
        queues=_appended(call.queues, event.queue),
        customer_id=event.customer_id or call.customer_id,
        customer_name=event.customer_name or call.customer_name,
        level=event.level or call.level,
    )


def _queue_left(call: CallRow, event: domain.QueueLeft) -> CallRow:
    if call.waiting_since is None:
        waited = max(call.waited_seconds, event.waited_seconds)
    else:
        here = (moment(event.at) - call.waiting_since).total_seconds()
        waited = call.waited_seconds + max(here, 0.0)
    call = replace(
        call,
        waiting_since=None,
        waited_seconds=waited,
        exact=call.exact and event.exact,
    )
    return _talked(call, event) if event.reason == "answered" else call


def _talked(call: CallRow, event: domain.QueueLeft | domain.AgentStateChanged) -> CallRow:
    return replace(
        call,
        agents=_appended(call.agents, event.agent_id),
        answered_at=call.answered_at or moment(event.at),
    )


def _call_ended(call: CallRow, event: domain.CallEnded) -> CallRow:
    if call.ended_at:
        return call
    return replace(
        call,
        outcome=event.outcome,
        ended_by=event.ended_by,
        ended_at=moment(event.at),
        talk_seconds=event.talk_seconds,
        agent_id=event.agent_id,
        agents=_appended(call.agents, event.agent_id),
        exact=call.exact and event.exact,
    )


def _call_handed_over(call: CallRow, event: domain.CallHandedOver) -> CallRow:
    """What is recorded is told again too, by whoever has the call."""
    return replace(call, handed_over=True, ended_at=moment(event.at), recordings=0)


def _come_back(call: CallRow) -> CallRow | None:
    """The row of a call that was handed over, or merged into one that was, and that starts anew."""
    if not call.handed_over and call.merged_into is None:
        return None
    return replace(call, handed_over=False, merged_into=None, ended_at=None, exact=False)


CallStep = Callable[[CallRow, Any], CallRow]

_CALL_STEPS: dict[type[domain.Event], CallStep] = {
    domain.QueueEntered: _queue_entered,
    domain.QueueLeft: _queue_left,
    domain.AgentStateChanged: _talked,
    domain.CallTransferred: lambda call, _: replace(call, transfers=call.transfers + 1),
    domain.RecordingStarted: lambda call, _: replace(call, recordings=call.recordings + 1),
    domain.RecordingFaulty: lambda call, _: replace(call, faults=call.faults + 1),
    domain.ConsentGiven: lambda call, event: replace(call, consent=event.consent),
    domain.SurveyAnswered: lambda call, event: replace(call, survey_score=event.score),
    domain.DispositionSaved: lambda call, event: replace(call, disposition=event.code),
    domain.CallHandedOver: _call_handed_over,
    domain.CallEnded: _call_ended,
}


class CallFold(Fold[CallRow]):
    """One row per call, keyed by its id."""

    name = "calls"
    events = (domain.CallStarted, domain.CallMerged, *_CALL_STEPS)

    def keys(self, event: AnyEvent) -> Iterable[str]:
        """The call, both calls of a merge; of an agent's states only talking tells of one."""
        if isinstance(event, domain.AgentStateChanged):
            return (event.call_id,) if event.state == "talking" and event.call_id else ()
        if isinstance(event, domain.CallMerged):
            return (event.call_id, event.merged_call_id)
        return (event.call_id,)

    def apply(self, states: Mapping[str, CallRow], seq: int, event: AnyEvent) -> dict[str, CallRow]:
        """A start is taken once; what comes without its start is marked inexact."""
        if isinstance(event, domain.CallStarted):
            known = states.get(event.call_id)
            started = self._started(event) if known is None else _come_back(known)
            return {} if started is None else {event.call_id: started}
        call = states.get(event.call_id) or self._unheard(event)
        if isinstance(event, domain.CallMerged):
            return self._merged(call, states.get(event.merged_call_id), event)
        return {call.call_id: _CALL_STEPS[type(event)](call, event)}

    def _started(self, event: domain.CallStarted) -> CallRow:
        return CallRow(
            call_id=event.call_id,
            node=self.node,
            started_at=moment(event.at),
            direction=event.direction,
            caller_number=event.caller_number,
            caller_name=event.caller_name,
            called_number=event.called_number,
            linkedid=event.linkedid,
            exact=not event.adopted,
        )

    def _unheard(self, event: domain.CallEvent) -> CallRow:
        """A call whose start is not in the journal."""
        return CallRow(
            call_id=event.call_id,
            node=self.node,
            started_at=moment(event.at),
            direction="inbound",
            exact=False,
        )

    def _merged(
        self, call: CallRow, other: CallRow | None, event: domain.CallMerged
    ) -> dict[str, CallRow]:
        if other is None or other.merged_into or other.call_id == call.call_id:
            return {call.call_id: call}
        merged = replace(
            call,
            waiting_since=call.waiting_since or other.waiting_since,
            queues=_appended(call.queues, *other.queues),
            agents=_appended(call.agents, *other.agents),
            transfers=call.transfers + other.transfers,
            recordings=call.recordings + other.recordings,
            faults=call.faults + other.faults,
        )
        gone = replace(other, merged_into=call.call_id, ended_at=moment(event.at))
        return {call.call_id: merged, other.call_id: gone}


# --- queues --------------------------------------------------------------------------------------

_REFUSED = ("closed", "full", "no_agents")


class VisitFold(Fold[VisitRow]):
    """Calls' stays in queues, keyed by the visit; a call's id as key stands for all its visits."""

    name = "queues"
    events = (
        domain.QueueEntered,
        domain.QueueLeft,
        domain.NativeEntered,
        domain.CallMerged,
        domain.CallHandedOver,
        domain.CallEnded,
    )

    def keys(self, event: AnyEvent) -> Iterable[str]:
        """The visit, or the call whose visits are meant."""
        if isinstance(event, domain.CallHandedOver):
            return (event.visit_id,) if event.visit_id else ()
        if isinstance(event, domain.CallMerged):
            return (event.merged_call_id,)
        return (event.call_id if isinstance(event, domain.CallEnded) else event.visit_id,)

    def apply(
        self, states: Mapping[str, VisitRow], seq: int, event: AnyEvent
    ) -> dict[str, VisitRow]:
        """Visits follow their call into a merge; the end of the call shares out the talk time."""
        if isinstance(event, domain.CallMerged):
            visits = _visits_of(states, event.merged_call_id)
            return {visit.visit_id: replace(visit, call_id=event.call_id) for visit in visits}
        if isinstance(event, domain.CallEnded):
            return {
                visit.visit_id: visit
                for visit in shared_talk(_visits_of(states, event.call_id), event)
            }
        if isinstance(event, domain.CallHandedOver):
            return self._handed_over(states.get(event.visit_id or ""), event)
        visit = states.get(event.visit_id) or self._entered(event)
        return {visit.visit_id: self._changed(visit, event)}

    def _entered(
        self, event: domain.QueueEntered | domain.QueueLeft | domain.NativeEntered
    ) -> VisitRow:
        """The begin of the visit, or what is known of it where the begin is not in the journal."""
        exact, entered = False, event.at
        if isinstance(event, domain.QueueEntered):
            unheard = event.adopted and not event.talked_seconds
            exact, entered = not event.adopted, event.entered_at if unheard else event.at
        elif isinstance(event, domain.QueueLeft):
            entered = event.at - event.waited_seconds
        return VisitRow(
            visit_id=event.visit_id,
            node=self.node,
            call_id=event.call_id,
            queue=event.queue,
            entered_at=moment(entered),
            exact=exact,
        )

    @staticmethod
    def _handed_over(visit: VisitRow | None, event: domain.CallHandedOver) -> dict[str, VisitRow]:
        if visit is None:
            return {}
        left_at = visit.left_at or moment(event.at)
        return {visit.visit_id: replace(visit, handed_over=True, left_at=left_at)}

    @staticmethod
    def _changed(visit: VisitRow, event: AnyEvent) -> VisitRow:
        if isinstance(event, domain.NativeEntered):
            return replace(visit, native=True)
        if not isinstance(event, domain.QueueLeft) or visit.left_at:
            return visit
        return replace(
            visit,
            left_at=moment(event.at),
            reason=event.reason,
            waited_seconds=event.waited_seconds,
            agent_id=event.agent_id,
            exact=visit.exact and event.exact,
        )


def _visits_of(states: Mapping[str, VisitRow], call_id: str) -> list[VisitRow]:
    return [visit for visit in states.values() if visit.call_id == call_id]


def shared_talk(visits: Iterable[VisitRow], event: domain.CallEnded) -> list[VisitRow]:
    """The answered visits with the call's talk time given to them.

    Where there are several (a call came back to a queue), each gets its share of the time between
    its answer and the next entering.
    """
    answered = sorted(
        (visit for visit in visits if visit.reason == "answered" and not visit.handed_over),
        key=lambda visit: (visit.left_at or visit.entered_at, visit.visit_id),
    )
    if not answered or any(visit.talk_seconds for visit in answered):
        return []
    ends = [following.entered_at for _, following in pairwise(answered)] + [moment(event.at)]
    spans = [
        max((end - (visit.left_at or end)).total_seconds(), 0.0)
        for visit, end in zip(answered, ends, strict=True)
    ]
    if not sum(spans):
        spans[-1] = 1.0
    return [
        replace(visit, talk_seconds=event.talk_seconds * span / sum(spans))
        for visit, span in zip(answered, spans, strict=True)
    ]


class Thresholds:
    """A queue's service level and what counts as a short abandon, in seconds.

    :param by_queue: name -> (service level, short abandon); other queues get the default.
    """

    def __init__(
        self,
        by_queue: Mapping[str, tuple[float, float]],
        default: tuple[float, float] = (20.0, 5.0),
    ) -> None:
        self._by_queue = by_queue
        self._default = default

    def of(self, queue: str) -> tuple[float, float]:
        """Service level and short abandon of one queue."""
        return self._by_queue.get(queue, self._default)


def figures(visit: VisitRow, thresholds: Thresholds) -> FiguresRow:
    """What one visit counts for in its queue's quarter of an hour.

    One that was handed over adds nothing. Only the longest wait, which is never taken back, stays.
    """
    service_level, short = thresholds.of(visit.queue)
    waited = round(visit.waited_seconds, 3)
    if visit.handed_over:
        return FiguresRow(
            node=visit.node,
            queue=visit.queue,
            quarter=quarter(visit.entered_at),
            longest_wait_seconds=waited,
        )
    answered, abandoned = visit.reason == "answered", visit.reason == "abandoned"
    is_short = abandoned and visit.waited_seconds <= short
    return FiguresRow(
        node=visit.node,
        queue=visit.queue,
        quarter=quarter(visit.entered_at),
        entered=1,
        answered=int(answered),
        answered_in_time=int(answered and visit.waited_seconds <= service_level),
        abandoned=int(abandoned and not is_short),
        abandoned_short=int(is_short),
        overflowed=int(visit.reason == "overflowed"),
        voicemail=int(visit.reason == "voicemail"),
        callback=int(visit.reason == "callback"),
        refused=int(visit.reason in _REFUSED),
        withdrawn=int(visit.reason == "withdrawn"),
        lost=int(visit.reason == "lost"),
        native=int(visit.native),
        inexact=int(not visit.exact),
        waited_answered_seconds=waited if answered else 0.0,
        waited_abandoned_seconds=waited if abandoned else 0.0,
        longest_wait_seconds=waited,
        talk_seconds=round(visit.talk_seconds, 3),
    )


COUNTED = [
    field
    for field in FiguresRow.__struct_fields__
    if field not in ("node", "queue", "quarter", "longest_wait_seconds")
]
"""The figures that add up."""


def changes(
    before: Iterable[VisitRow], after: Iterable[VisitRow], thresholds: Thresholds
) -> list[FiguresRow]:
    """What to add to the figures when visits change; the longest wait is to be compared instead."""
    totals: dict[tuple[str, str, object], FiguresRow] = {}
    for sign, visits in ((-1, before), (1, after)):
        for visit in visits:
            part = figures(visit, thresholds)
            key = (part.node, part.queue, part.quarter)
            total = totals.get(key) or FiguresRow(
                node=part.node, queue=part.queue, quarter=part.quarter
            )
            counted = {
                field: round(getattr(total, field) + sign * getattr(part, field), 3)
                for field in COUNTED
            }
            longest = max(total.longest_wait_seconds, part.longest_wait_seconds)
            totals[key] = replace(total, longest_wait_seconds=longest, **counted)
    return list(totals.values())


# --- agents --------------------------------------------------------------------------------------

Intervals = tuple[IntervalRow, ...]


class IntervalFold(Fold[Intervals]):
    """An agent's states end to end; the last one given is open. Keyed by the agent."""

    name = "agents"
    events = (domain.AgentStateChanged, domain.AgentSignedOut)

    def keys(self, event: AnyEvent) -> Iterable[str]:
        """The agent."""
        return (event.agent_id,)

    def apply(
        self, states: Mapping[str, Intervals], seq: int, event: AnyEvent
    ) -> dict[str, Intervals]:
        """Close the open interval and begin the next where it ended.

        Who is handed over to another server has no state here, not even that of being signed out.
        """
        intervals = states.get(event.agent_id, ())
        state, reason, call_id = self._now(event)
        last = intervals[-1] if intervals and intervals[-1].to_at is None else None
        if last and self._continues(last, event, (state, reason, call_id)):
            return {}
        if not last and isinstance(event, domain.AgentStateChanged) and state == "signed_out":
            return {}
        begin = moment(event.at)
        if last:
            begin = max(begin, last.from_at)
            intervals = (*intervals[:-1], replace(last, to_at=begin))
        if reason == domain.HANDED_OVER:
            return {event.agent_id: intervals} if last else {}
        opened = IntervalRow(
            node=self.node,
            seq=seq,
            agent_id=event.agent_id,
            state=state,
            reason=reason,
            call_id=call_id,
            from_at=begin,
        )
        return {event.agent_id: (*intervals, opened)}

    @staticmethod
    def _now(
        event: domain.AgentStateChanged | domain.AgentSignedOut,
    ) -> tuple[str, str | None, str | None]:
        if isinstance(event, domain.AgentSignedOut):
            return "signed_out", event.reason, None
        return event.state, event.reason, event.call_id

    @staticmethod
    def _continues(
        last: IntervalRow, event: domain.Event, now: tuple[str, str | None, str | None]
    ) -> bool:
        """The same state again: a longer wrap-up, or the two events of one signing out."""
        if last.state == "signed_out":
            return now[0] == "signed_out"
        return (last.state, last.reason, last.call_id) == now


# --- recordings ----------------------------------------------------------------------------------


def _recording_stored(row: RecordingRow, event: domain.RecordingStored) -> RecordingRow:
    return replace(
        row,
        path=event.path,
        sha256=event.sha256,
        bytes=event.bytes,
        duration_seconds=event.duration_seconds,
        customer_silent=event.customer_silent,
        agent_silent=event.agent_silent,
        stored_at=moment(event.at),
    )


def _recording_resumed(row: RecordingRow, event: domain.RecordingResumed) -> RecordingRow:
    if row.paused_at is None:
        return row
    paused = max((moment(event.at) - row.paused_at).total_seconds(), 0.0)
    return replace(row, paused_at=None, paused_seconds=row.paused_seconds + paused)


_RECORDING_STEPS: dict[type[domain.Event], Callable[[RecordingRow, Any], RecordingRow]] = {
    domain.RecordingStarted: lambda row, event: replace(row, file=event.file, queue=event.queue),
    domain.RecordingPaused: lambda row, event: replace(
        row, paused_at=row.paused_at or moment(event.at)
    ),
    domain.RecordingResumed: _recording_resumed,
    domain.RecordingStored: _recording_stored,
    domain.RecordingFaulty: lambda row, event: replace(row, fault=event.fault, detail=event.detail),
}


class RecordingFold(Fold[RecordingRow]):
    """One row per recording, keyed by its id."""

    name = "recordings"
    events = tuple(_RECORDING_STEPS)

    def keys(self, event: AnyEvent) -> Iterable[str]:
        """The recording."""
        return (event.recording_id,)

    def apply(
        self,
        states: Mapping[str, RecordingRow],
        seq: int,
        event: AnyEvent,
    ) -> dict[str, RecordingRow]:
        """What became known of the recording."""
        row = states.get(event.recording_id) or RecordingRow(
            recording_id=event.recording_id,
            node=self.node,
            call_id=event.call_id,
            started_at=moment(event.at),
        )
        return {row.recording_id: _RECORDING_STEPS[type(event)](row, event)}


# --- gaps ----------------------------------------------------------------------------------------


class GapFold(Fold[GapRow]):
    """Times in which we heard nothing, keyed by the event's number."""

    name = "gaps"
    events = (domain.GapRecorded,)

    def keys(self, event: AnyEvent) -> Iterable[str]:
        """They never change, so one key will do for all."""
        return ("gaps",)

    def apply(self, states: Mapping[str, GapRow], seq: int, event: AnyEvent) -> dict[str, GapRow]:
        """One row for each."""
        begin = moment(event.from_at)
        return {
            str(seq): GapRow(
                node=self.node,
                seq=seq,
                from_at=begin,
                to_at=max(begin, moment(event.to_at)),
                reason=event.reason,
            )
        }
