"""One call in full, folded from its events when somebody asks.

Pure: takes the events of the call and of the calls merged into it, in order. Nothing of it is kept
in tables, so it costs nothing while calls run and is never out of date.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from cti import domain
from cti.domain import Recorded
from cti.journal.folds import CallFold, Fold, RecordingFold, VisitFold
from cti.journal.moments import moment
from cti.journal.rows import CallRow, RecordingRow, VisitRow


class Span(msgspec.Struct, frozen=True):
    """From when to when; `to_at` None while it lasts."""

    from_at: datetime
    to_at: datetime | None = None


class LegDetail(msgspec.Struct, frozen=True, kw_only=True):
    """One channel's share of the call; `bridged` and `holds`: when it was in a bridge, on hold."""

    leg_id: str
    call_id: str
    kind: str = "other"
    channel: str = ""
    agent_id: str | None = None
    extension: str | None = None
    number: str | None = None
    started_at: datetime | None = None
    ringing_at: datetime | None = None
    answered_at: datetime | None = None
    ended_at: datetime | None = None
    cause: int | None = None
    cause_text: str = ""
    hung_up: bool = False
    bridged: tuple[Span, ...] = ()
    holds: tuple[Span, ...] = ()
    exact: bool = True


class OfferDetail(msgspec.Struct, frozen=True, kw_only=True):
    """The call reserved for one agent; `end` is a `cti.domain.OfferEnd`, None while pending."""

    offer_id: str
    visit_id: str
    agent_id: str
    queue: str
    extension: str
    ring_seconds: int
    made_at: datetime
    ended_at: datetime | None = None
    end: str | None = None
    detail: str = ""
    counts_as_miss: bool = False


class DecisionDetail(msgspec.Struct, frozen=True, kw_only=True):
    """Why this agent, or why nobody; the fields of `cti.domain.CallDecided`."""

    at: datetime
    queue: str
    rule: str
    chosen: str | None
    eligible: list[str]
    eligible_count: int
    excluded: dict[str, int]
    excluded_examples: dict[str, str]
    step: int
    seed: int | None


class TransferDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A transfer that completed: `kind` blind or attended."""

    at: datetime
    kind: str
    by_leg: str | None
    to: str | None


class DispositionDetail(msgspec.Struct, frozen=True, kw_only=True):
    """An outcome that an agent recorded; the last one counts."""

    at: datetime
    agent_id: str
    code: str
    notes: str


class SurveyDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A satisfaction key, 1 to 5."""

    at: datetime
    score: int
    agent_id: str | None
    queue: str | None


class Moment(msgspec.Struct, frozen=True):
    """One event as a line of the call's history: its type and its other fields."""

    at: datetime
    what: str
    facts: dict[str, Any]


class CallDetail(msgspec.Struct, frozen=True, kw_only=True):
    """All that the journal knows of a call, times ascending."""

    call: CallRow
    legs: list[LegDetail]
    visits: list[VisitRow]
    offers: list[OfferDetail]
    decisions: list[DecisionDetail]
    transfers: list[TransferDetail]
    recordings: list[RecordingRow]
    dispositions: list[DispositionDetail]
    surveys: list[SurveyDetail]
    merged_calls: list[str]
    timeline: list[Moment]


def detail(call_id: str, node: str, records: Iterable[Recorded]) -> CallDetail | None:
    """The call's detail; None where the events tell of no such call.

    :param records: the events of the call and of all calls merged into it, in order.
    """
    records = list(records)
    events = [record.event for record in records]
    call = _folded(CallFold(node), records).get(call_id)
    if call is None:
        return None
    visits = _folded(VisitFold(node), records).values()
    # Of a call that was handed over, whoever has it stores what was recorded.
    recordings = [] if call.handed_over else _folded(RecordingFold(node), records).values()
    return CallDetail(
        call=call,
        legs=_legs(events),
        visits=sorted(visits, key=lambda visit: visit.entered_at),
        offers=_offers(events),
        decisions=[
            _copied(DecisionDetail, event)
            for event in events
            if isinstance(event, domain.CallDecided)
        ],
        transfers=[
            _copied(TransferDetail, event)
            for event in events
            if isinstance(event, domain.CallTransferred)
        ],
        recordings=list(recordings),
        dispositions=[
            _copied(DispositionDetail, event)
            for event in events
            if isinstance(event, domain.DispositionSaved)
        ],
        surveys=[
            _copied(SurveyDetail, event)
            for event in events
            if isinstance(event, domain.SurveyAnswered)
        ],
        merged_calls=[
            event.merged_call_id for event in events if isinstance(event, domain.CallMerged)
        ],
        timeline=[_line(event) for event in events],
    )


def _folded(fold: Fold[Any], records: list[Recorded]) -> dict[str, Any]:
    states: dict[str, Any] = {}
    for record in records:
        if isinstance(record.event, fold.events) and list(fold.keys(record.event)):
            states.update(fold.apply(states, record.seq, record.event))
    return states


def _copied(kind: Callable[..., Any], event: domain.Event) -> Any:  # noqa: ANN401 - of `kind`
    """The fields that `kind` and the event have in common."""
    fields = kind.__struct_fields__  # type: ignore[attr-defined]
    values = {field: getattr(event, field) for field in fields if field != "at"}
    return kind(at=moment(event.at), **values)


def _line(event: domain.Event) -> Moment:
    facts = msgspec.to_builtins(event)
    del facts["type"], facts["at"]
    return Moment(moment(event.at), type(event).__name__, facts)


# --- legs ----------------------------------------------------------------------------------------


def _begun(spans: tuple[Span, ...], at: datetime) -> tuple[Span, ...]:
    return (*_ended(spans, at), Span(at))


def _ended(spans: tuple[Span, ...], at: datetime) -> tuple[Span, ...]:
    if not spans or spans[-1].to_at:
        return spans
    return (*spans[:-1], Span(spans[-1].from_at, max(at, spans[-1].from_at)))


def _leg_ended(leg: LegDetail, event: domain.LegEnded) -> LegDetail:
    at = moment(event.at)
    return replace(
        leg,
        ended_at=leg.ended_at or at,
        cause=event.cause,
        cause_text=event.cause_text,
        hung_up=event.hung_up,
        bridged=_ended(leg.bridged, at),
        holds=_ended(leg.holds, at),
        exact=leg.exact and event.exact,
    )


_LEG_STEPS: dict[type[domain.Event], Callable[[LegDetail, Any], LegDetail]] = {
    domain.LegStarted: lambda leg, event: replace(
        leg,
        kind=event.kind,
        channel=event.channel,
        agent_id=event.agent_id,
        extension=event.extension,
        number=event.number,
        started_at=moment(event.at),
    ),
    domain.LegRinging: lambda leg, event: replace(
        leg, ringing_at=leg.ringing_at or moment(event.at)
    ),
    domain.LegAnswered: lambda leg, event: replace(
        leg, answered_at=leg.answered_at or moment(event.at)
    ),
    domain.LegRenamed: lambda leg, event: replace(
        leg, kind=event.kind, channel=event.channel, agent_id=event.agent_id or leg.agent_id
    ),
    domain.LegJoined: lambda leg, event: replace(
        leg, bridged=_begun(leg.bridged, moment(event.at))
    ),
    domain.LegLeft: lambda leg, event: replace(leg, bridged=_ended(leg.bridged, moment(event.at))),
    domain.LegHeld: lambda leg, event: replace(leg, holds=_begun(leg.holds, moment(event.at))),
    domain.LegResumed: lambda leg, event: replace(leg, holds=_ended(leg.holds, moment(event.at))),
    domain.LegEnded: _leg_ended,
}


def _legs(events: Iterable[Any]) -> list[LegDetail]:
    legs: dict[str, LegDetail] = {}
    for event in events:
        step = _LEG_STEPS.get(type(event))
        if step:
            leg = legs.get(event.leg_id) or LegDetail(leg_id=event.leg_id, call_id=event.call_id)
            legs[event.leg_id] = step(leg, event)
    return list(legs.values())


# --- offers --------------------------------------------------------------------------------------


def _offers(events: Iterable[domain.Event]) -> list[OfferDetail]:
    offers: dict[str, OfferDetail] = {}
    for event in events:
        if isinstance(event, domain.OfferMade):
            offers[event.offer_id] = OfferDetail(
                offer_id=event.offer_id,
                visit_id=event.visit_id,
                agent_id=event.agent_id,
                queue=event.queue,
                extension=event.extension,
                ring_seconds=event.ring_seconds,
                made_at=moment(event.at),
            )
        elif isinstance(event, domain.OfferEnded) and event.offer_id in offers:
            offers[event.offer_id] = replace(
                offers[event.offer_id],
                ended_at=moment(event.at),
                end=event.end,
                detail=event.detail,
                counts_as_miss=event.counts_as_miss,
            )
    return list(offers.values())
