"""The journal's side: calls with legs and recordings, as far as the other books know them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from cti import domain

INFINITE = float("inf")


class Role(msgspec.Struct, frozen=True):
    """From this moment on, the leg belongs to the call in this kind."""

    at: float
    call_id: str
    kind: str


class JournalLeg(msgspec.Struct, kw_only=True):
    """A leg; epoch seconds, None where the journal does not tell. `ends`: how often it ended.

    :param handed_over: with its call; it may start anew.
    """

    leg_id: str
    channel: str
    started_at: float
    answered_at: float | None = None
    ended_at: float | None = None
    ends: int = 0
    starts: int = 1
    exact: bool = True
    handed_over: bool = False
    roles: list[Role] = msgspec.field(default_factory=list)

    def role_at(self, at: float) -> Role | None:
        """What the leg was at that moment."""
        current = None
        for role in self.roles:
            if role.at <= at:
                current = role
        return current


class JournalCall(msgspec.Struct, kw_only=True):
    """A call; `ended` holds all its ends, which should be one at most.

    :param handed_over: another server has it and tells the rest; it may start anew.
    """

    call_id: str
    linkedid: str
    started_at: float
    adopted: bool
    starts: int = 1
    ended: list[domain.CallEnded] = msgspec.field(default_factory=list)
    merged_into: str | None = None
    handed_over: bool = False
    leg_ids: set[str] = msgspec.field(default_factory=set)


class JournalRecording(msgspec.Struct, kw_only=True):
    """A recording; `stored` and `fault` are what became of it."""

    recording_id: str
    call_id: str
    file: str | None
    started_at: float
    stored: domain.RecordingStored | None = None
    fault: str | None = None


class JournalSide(msgspec.Struct, kw_only=True):
    """What the journal tells. `deaf`: spans in which nothing was heard from the PBX."""

    calls: dict[str, JournalCall] = msgspec.field(default_factory=dict)
    legs: dict[str, JournalLeg] = msgspec.field(default_factory=dict)
    recordings: dict[str, JournalRecording] = msgspec.field(default_factory=dict)
    deaf: list[tuple[float, float]] = msgspec.field(default_factory=list)
    pbx_deaths: list[float] = msgspec.field(default_factory=list)

    def is_deaf(self, begin: float, end: float) -> bool:
        """Whether nothing was heard from the begin to the end."""
        return any(start <= begin and end <= stop for start, stop in self.deaf)

    def deaf_seconds(self, begin: float, end: float) -> float:
        """How much of the time nothing was heard."""
        heard, at = 0.0, begin
        for start, stop in sorted(self.deaf):
            heard += max(min(start, end) - at, 0.0)
            at = max(at, min(stop, end))
        return end - begin - heard - max(end - at, 0.0)


def fold(events: Iterable[domain.DomainEvent], listening: bool = False) -> JournalSide:
    """The journal's side of these events, in order.

    A process that starts anew has heard nothing since the last event before it, and one that was
    fenced leaves the PBX to the newer one.

    :param listening: whether the PBX was heard before the first of them.
    """
    side = JournalSide()
    lost_at: float | None = None if listening else -INFINITE
    last_at = -INFINITE
    for event in events:
        step = _STEPS.get(type(event))
        if step:
            step(side, event)
        if isinstance(event, domain.PbxConnected) and lost_at is not None:
            side.deaf.append((lost_at, event.at))
            lost_at = None
        elif isinstance(event, domain.PbxLost | domain.ServerFenced) and lost_at is None:
            lost_at = event.at
        elif isinstance(event, domain.ServerStarted) and lost_at is None:
            lost_at = last_at
        last_at = event.at
    if lost_at is not None:
        side.deaf.append((lost_at, INFINITE))
    return side


def _call(side: JournalSide, event: domain.CallEvent) -> JournalCall:
    call = side.calls.get(event.call_id)
    if call is None:  # it began before the events that were asked for
        call = JournalCall(
            call_id=event.call_id, linkedid="", started_at=event.at, adopted=True, starts=0
        )
        side.calls[event.call_id] = call
    return call


def _call_started(side: JournalSide, event: domain.CallStarted) -> None:
    known = side.calls.get(event.call_id)
    if known is not None and (known.handed_over or _merged_elsewhere(side, known)):
        known.handed_over, known.merged_into, known.adopted = False, None, True
        return
    if known is not None:
        known.starts += 1
        return
    side.calls[event.call_id] = JournalCall(
        call_id=event.call_id,
        linkedid=event.linkedid,
        started_at=event.at,
        adopted=event.adopted,
    )


def _merged_elsewhere(side: JournalSide, call: JournalCall) -> bool:
    """Whether the call became part of one that was handed over."""
    into = side.calls.get(call.merged_into or "")
    return into is not None and (into.handed_over or _merged_elsewhere(side, into))


def _call_handed_over(side: JournalSide, event: domain.CallHandedOver) -> None:
    call = _call(side, event)
    call.handed_over = True
    for leg_id in call.leg_ids:
        side.legs[leg_id].handed_over = side.legs[leg_id].ended_at is None


def _call_merged(side: JournalSide, event: domain.CallMerged) -> None:
    call, other = _call(side, event), side.calls.get(event.merged_call_id)
    if other is None:
        return
    other.merged_into = call.call_id
    for leg_id in other.leg_ids:
        leg = side.legs[leg_id]
        leg.roles.append(Role(event.at, call.call_id, leg.roles[-1].kind))
    call.leg_ids |= other.leg_ids


def _leg_started(side: JournalSide, event: domain.LegStarted) -> None:
    call = _call(side, event)
    call.leg_ids.add(event.leg_id)
    leg = side.legs.get(event.leg_id)
    if leg is not None and leg.handed_over:
        leg.handed_over = False
        leg.roles.append(Role(event.at, event.call_id, event.kind))
        return
    if leg is not None:
        leg.starts += 1
        return
    side.legs[event.leg_id] = JournalLeg(
        leg_id=event.leg_id,
        channel=event.channel,
        started_at=event.at,
        roles=[Role(event.at, event.call_id, event.kind)],
    )


def _leg_answered(side: JournalSide, event: domain.LegAnswered) -> None:
    leg = side.legs.get(event.leg_id)
    if leg is not None:
        leg.answered_at = leg.answered_at or event.at


def _leg_renamed(side: JournalSide, event: domain.LegRenamed) -> None:
    leg = side.legs.get(event.leg_id)
    if leg is not None:
        leg.channel = event.channel
        leg.roles.append(Role(event.at, event.call_id, event.kind))


def _leg_ended(side: JournalSide, event: domain.LegEnded) -> None:
    leg = side.legs.get(event.leg_id)
    if leg is not None:
        leg.ends += 1
        leg.ended_at = leg.ended_at or event.at
        leg.exact = leg.exact and event.exact


def _recording_started(side: JournalSide, event: domain.RecordingStarted) -> None:
    side.recordings[event.recording_id] = JournalRecording(
        recording_id=event.recording_id,
        call_id=event.call_id,
        file=event.file,
        started_at=event.at,
    )


def _recording_stored(side: JournalSide, event: domain.RecordingStored) -> None:
    _recording(side, event).stored = event


def _recording_faulty(side: JournalSide, event: domain.RecordingFaulty) -> None:
    _recording(side, event).fault = event.fault


def _recording(
    side: JournalSide, event: domain.RecordingStored | domain.RecordingFaulty
) -> JournalRecording:
    return side.recordings.setdefault(
        event.recording_id,
        JournalRecording(
            recording_id=event.recording_id,
            call_id=event.call_id,
            file=None,
            started_at=event.at,
        ),
    )


_STEPS: dict[type[domain.Event], Callable[[JournalSide, Any], None]] = {
    domain.CallStarted: _call_started,
    domain.CallMerged: _call_merged,
    domain.CallHandedOver: _call_handed_over,
    domain.CallEnded: lambda side, event: _call(side, event).ended.append(event),
    domain.LegStarted: _leg_started,
    domain.LegAnswered: _leg_answered,
    domain.LegRenamed: _leg_renamed,
    domain.LegEnded: _leg_ended,
    domain.RecordingStarted: _recording_started,
    domain.RecordingStored: _recording_stored,
    domain.RecordingFaulty: _recording_faulty,
    domain.GapRecorded: lambda side, event: side.deaf.append((event.from_at, event.to_at)),
    domain.PbxRestarted: lambda side, event: side.pbx_deaths.append(event.started_at),
}

EVENTS = [
    *(kind.__name__ for kind in _STEPS),
    *("PbxConnected", "PbxLost", "ServerStarted", "ServerFenced"),
]
"""Names of the events that are read."""
