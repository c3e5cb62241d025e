"""The call model: AMI events in, domain events out, and the calls that those build.

`decide` says what happened and changes no call; `evolve` changes the calls. AMI is hostile and has
gaps: an event that does not fit yields nothing, or what repairs the picture, and never an
exception.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import Any, Final

from cti import domain as d
from cti.ami import events as ami
from cti.calls import merge
from cti.calls.adopt import Adoption
from cti.calls.book import Book, Call, Leg, Recording
from cti.calls.channels import is_helper, local_pair
from cti.calls.parties import UP, Newcomer, Parties, phase
from cti.calls.wiring import HOLDING_TECHNOLOGY, Wiring
from cti.domain import AgentId, CallId, DomainEvent
from cti.inputs import PbxSnapshot

FILE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")
"""Names of recordings that the dialplan may announce: one file, no path."""
OUTCOMES: Final[dict[d.VisitEnd, d.Outcome]] = {
    "answered": "answered",
    "abandoned": "abandoned",
    "overflowed": "overflowed",
    "voicemail": "voicemail",
    "callback": "callback",
    "closed": "refused",
    "full": "refused",
    "no_agents": "refused",
    "withdrawn": "refused",
    "lost": "lost",
}
"""How the last visit ended -> the outcome of a call in which nobody talked."""


class Calls:
    """All calls of one PBX.

    :param node: name of this PBX's server, the first part of every call id.
    :param agent_on: extension -> the agent signed in there, None where nobody is.
    :param is_extension: whether an endpoint's name is one of our extensions.
    :param to_e164: an outside number as the PBX gave it -> as it is kept.
    """

    __slots__ = ("_book", "_deciders", "_hung_up", "_parties", "_wiring")

    def __init__(
        self,
        node: str,
        agent_on: Callable[[str], AgentId | None],
        is_extension: Callable[[str], bool],
        to_e164: Callable[[str], str] = str,
    ) -> None:
        self._parties = Parties(node, agent_on, is_extension, to_e164)
        self._book = Book()
        self._wiring = Wiring()
        self._hung_up: set[str] = set()
        self._deciders: dict[type[ami.AmiEvent], Callable[[Any, float], list[DomainEvent]]] = {
            ami.Newchannel: self._channel_told,
            ami.Newstate: self._channel_told,
            ami.DialBegin: self._dial_began,
            ami.BridgeEnter: self._bridge_entered,
            ami.BridgeLeave: self._bridge_left,
            ami.Hold: self._held,
            ami.Unhold: self._resumed,
            ami.HangupRequest: self._party_hung_up,
            ami.Hangup: self._channel_gone,
            ami.Rename: self._renamed,
            ami.BlindTransfer: self._blind_transferred,
            ami.AttendedTransfer: self._attended_transferred,
            ami.UserEvent: self._dialplan_said,
            ami.MixMonitorMute: self._recording_muted,
        }

    def decide(self, event: ami.AmiEvent, at: float) -> list[DomainEvent]:
        """What the event means for calls and legs; the caller evolves the result before the next.

        :param at: epoch seconds of the fact.
        """
        decider = self._deciders.get(type(event))
        return [] if decider is None else decider(event, at)

    def adopt(
        self,
        snapshot: PbxSnapshot,
        gap_from: float | None,
        gap_to: float | None,
        *,
        restarted: bool = False,
    ) -> list[DomainEvent]:
        """Bring the calls in line with what the PBX has now; nothing where they are.

        :param gap_from: until when events were heard, None where that is not known.
        :param gap_to: from when they are heard again, None where that is not known.
        :param restarted: the PBX has been started anew since the calls were last seen.
        """
        self._wiring = Wiring.seen(snapshot.channels)
        self._hung_up.clear()
        return Adoption(
            self._book,
            self._parties,
            self._wiring,
            snapshot,
            ended_at=snapshot.at if gap_from is None else gap_from,
            begun_at=snapshot.at if gap_to is None else gap_to,
            restarted=restarted,
        ).events()

    def finished(self, call_id: CallId, at: float) -> d.CallEnded | None:
        """The end of the call, once it has no live leg and no open queue visit left.

        It ended with the last thing known of it, at the latest at `at`. A call that was merged into
        another is found under either id.
        """
        call = self._book.calls.get(call_id)
        if call is None or not call.live or call.open_visit() is not None:
            return None
        if any(call.live_legs()):
            return None
        return d.CallEnded(
            at=call.last_at if call.legs else at,
            call_id=call.call_id,
            outcome=_outcome(call),
            ended_by=_ended_by(call),
            talk_seconds=call.talk_seconds,
            agent_id=call.agent_id,
            exact=call.exact,
        )

    def evolve(self, event: DomainEvent) -> None:
        """Apply an event: the only place where calls change. Events of other things pass by."""
        self._book.evolve(event)

    def call(self, call_id: CallId) -> Call | None:
        """The call of this id, or the one that it was merged into."""
        return self._book.calls.get(call_id)

    def call_of(self, uniqueid: str) -> Call | None:
        """The call that the channel is or was a leg of."""
        return self._book.owners.get(uniqueid)

    def call_of_channel(self, name: str) -> Call | None:
        """The call that the channel of this name is a leg of now."""
        leg_id = self._book.names.get(name)
        return None if leg_id is None else self._book.owners.get(leg_id)

    def recording_found(self, uniqueid: str, file: str, at: float) -> list[DomainEvent]:
        """What to tell of a file into which a live channel is or was recorded, if it is news."""
        found = self._leg(uniqueid)
        if found is None or not FILE_NAME.fullmatch(file):
            return []
        call = found[0]
        if any(each.file == file for each in call.recordings.values()):
            return []
        visit = next(reversed(call.visits.values()), None)
        return [_recorded(call, file, None if visit is None else visit.queue, at)]

    def at_extension(self, extension: str) -> list[tuple[Call, Leg]]:
        """The live legs at one of our extensions, each with its call."""
        calls = ((leg_id, self._book.owners[leg_id]) for leg_id in self._book.legs_at(extension))
        return [(call, call.legs[leg_id]) for leg_id, call in calls]

    def live(self) -> Iterable[Call]:
        """All calls that have not ended."""
        return [c for i, c in self._book.calls.items() if c.live and i == c.call_id]

    @property
    def illegal_steps(self) -> dict[tuple[str, str, str], int]:
        """(thing, its state, event) -> how often an event did not fit and changed nothing."""
        return dict(self._book.illegal)

    def dump(self) -> dict[str, Any]:
        """The calls in plain values, for a checkpoint."""
        return self._book.dump()

    def load(self, dump: dict[str, Any]) -> None:
        """Take the calls of a checkpoint.

        :raises msgspec.ValidationError: it is none.
        """
        self._book = Book.loaded(dump)

    # --- channels --------------------------------------------------------------------------------

    def _leg(self, uniqueid: str) -> tuple[Call, Leg] | None:
        """The live leg of this channel and its call."""
        call = self._book.owners.get(uniqueid)
        if call is None:
            return None
        leg = call.legs[uniqueid]
        return (call, leg) if leg.ended_at is None and call.ended_at is None else None

    def _channel_told(self, event: ami.ChannelEvent, at: float) -> list[DomainEvent]:
        if (found := self._leg(event.uniqueid)) is not None:
            call, leg = found
            return phase(call.call_id, leg.leg_id, leg.state, event.state, at)
        adopted = type(event) is not ami.Newchannel
        return self._admitted(Newcomer.in_event(event), at, None, adopted)[0]

    def _dial_began(self, event: ami.DialBegin, at: float) -> list[DomainEvent]:
        if event.dest_uniqueid in self._book.owners:
            return []
        return self._admitted(Newcomer.dialled(event), at, None, adopted=True)[0]

    def _admitted(
        self, new: Newcomer, at: float, host: Call | None, adopted: bool
    ) -> tuple[list[DomainEvent], CallId | None]:
        return merge.admitted(self._book, self._parties, new, at, host, adopted=adopted)

    def _party_hung_up(self, event: ami.HangupRequest, at: float) -> list[DomainEvent]:
        if self._leg(event.uniqueid) is not None:
            self._hung_up.add(event.uniqueid)
        return []

    def _channel_gone(self, event: ami.Hangup, at: float) -> list[DomainEvent]:
        if (found := self._leg(event.uniqueid)) is None:
            return self._local_left(event.channel, None, at)
        call, leg = found
        if leg.room is not None:
            self._unwire(leg, leg.room)
        hung_up = leg.leg_id in self._hung_up
        self._hung_up.discard(leg.leg_id)
        return [
            d.LegEnded(
                at=at,
                call_id=call.call_id,
                leg_id=leg.leg_id,
                cause=event.cause,
                cause_text=event.cause_text[:80],
                hung_up=hung_up,
            )
        ]

    def _renamed(self, event: ami.Rename, at: float) -> list[DomainEvent]:
        if (found := self._leg(event.uniqueid)) is None or is_helper(event.new_name):
            return []
        call, leg = found
        if leg.channel == event.new_name:
            return []
        return [
            d.LegRenamed(
                at=at,
                call_id=call.call_id,
                leg_id=leg.leg_id,
                channel=event.new_name,
                kind=leg.kind,
                agent_id=leg.agent_id,
            )
        ]

    # --- bridges ---------------------------------------------------------------------------------

    def _bridge_entered(self, event: ami.BridgeEnter, at: float) -> list[DomainEvent]:
        if event.bridge_technology == HOLDING_TECHNOLOGY:
            return []
        if (pair := local_pair(event.channel)) is not None:
            return self._moved(self._wiring.tie(pair, event.bridge_id), at)
        room = self._wiring.room(event.bridge_id)
        inside = self._calls_in(room)
        if (found := self._leg(event.uniqueid)) is not None:
            call, leg = found
            call_id, events = call.call_id, phase(call.call_id, leg.leg_id, leg.state, UP, at)
            if leg.room is not None:
                self._unwire(leg, leg.room)
            if leg.room != room:
                events.append(_joined(call_id, leg.leg_id, room, at))
            inside[call_id] = call
        else:
            new = Newcomer.in_event(event)._replace(state=UP)
            host = next(iter(inside.values()), None)
            events, admitted = self._admitted(new, at, host, adopted=True)
            if admitted is None:
                return []
            events.append(_joined(admitted, event.uniqueid, room, at))
            if (known := self._book.calls.get(admitted)) is not None:
                inside[admitted] = known
        self._wiring.enter(event.uniqueid, event.bridge_id)
        if len(inside) > 1:
            events.extend(merge.join(inside.values(), at))
        return events

    def _bridge_left(self, event: ami.BridgeLeave, at: float) -> list[DomainEvent]:
        if (found := self._leg(event.uniqueid)) is None:
            return self._local_left(event.channel, event.bridge_id, at)
        call, leg = found
        self._wiring.leave(event.uniqueid, event.bridge_id)
        room = leg.room
        if room is None or self._wiring.room(event.bridge_id) != room:
            return []
        return [d.LegLeft(at=at, call_id=call.call_id, leg_id=leg.leg_id, bridge_id=room)]

    def _calls_in(self, room: str) -> dict[CallId, Call]:
        owners = self._book.owners
        calls = (owners[leg_id] for leg_id in self._book.rooms.get(room, ()))
        return {call.call_id: call for call in calls}

    def _unwire(self, leg: Leg, room: str) -> None:
        if (bridge := self._wiring.bridge_of(leg.leg_id, room)) is not None:
            self._wiring.leave(leg.leg_id, bridge)

    def _local_left(self, channel: str, bridge_id: str | None, at: float) -> list[DomainEvent]:
        pair = local_pair(channel)
        return [] if pair is None else self._moved(self._wiring.untie(pair, bridge_id), at)

    def _moved(self, rooms: dict[str, str], at: float) -> list[DomainEvent]:
        """Rooms became one or fell apart, and with them who hears whom."""
        events: list[DomainEvent] = []
        inside: dict[str, dict[CallId, Call]] = {}
        for uniqueid, room in sorted(rooms.items()):
            if (found := self._leg(uniqueid)) is None or found[1].room is None:
                continue
            call, leg = found
            inside.setdefault(room, {})[call.call_id] = call
            if leg.room != room:
                events.append(_joined(call.call_id, leg.leg_id, room, at))
        for calls in inside.values():
            if len(calls) > 1:
                events.extend(merge.join(calls.values(), at))
        return events

    def _held(self, event: ami.Hold, at: float) -> list[DomainEvent]:
        if (found := self._leg(event.uniqueid)) is None or found[1].state != "joined":
            return []
        return [d.LegHeld(at=at, call_id=found[0].call_id, leg_id=event.uniqueid)]

    def _resumed(self, event: ami.Unhold, at: float) -> list[DomainEvent]:
        if (found := self._leg(event.uniqueid)) is None or found[1].state != "holding":
            return []
        return [d.LegResumed(at=at, call_id=found[0].call_id, leg_id=event.uniqueid)]

    # --- transfers -------------------------------------------------------------------------------

    def _blind_transferred(self, event: ami.BlindTransfer, at: float) -> list[DomainEvent]:
        call = self._book.owners.get(event.transferer_uniqueid)
        if call is None or not call.live or event.result != "Success":
            return []
        return [
            d.CallTransferred(
                at=at,
                call_id=call.call_id,
                kind="blind",
                by_leg=event.transferer_uniqueid,
                to=event.extension[:80] if event.extension else None,
            )
        ]

    def _attended_transferred(self, event: ami.AttendedTransfer, at: float) -> list[DomainEvent]:
        call = self._book.owners.get(event.first_uniqueid)
        other = self._book.owners.get(event.second_uniqueid)
        if call is None or not call.live or event.result != "Success":
            return []
        events: list[DomainEvent] = [
            d.CallTransferred(
                at=at,
                call_id=call.call_id,
                kind="attended",
                by_leg=event.first_uniqueid,
                to=self._target(event, other),
            )
        ]
        if other is not None and other.live and other is not call:
            events.extend(merge.join((call, other), at))
        return events

    def _target(self, event: ami.AttendedTransfer, other: Call | None) -> str | None:
        target = None if event.target_uniqueid is None else self._leg(event.target_uniqueid)
        if target is not None and (number := target[1].extension or target[1].number):
            return number
        return None if other is None else other.called_number

    # --- what the dialplan says, recordings ------------------------------------------------------

    def _dialplan_said(self, event: ami.UserEvent, at: float) -> list[DomainEvent]:
        if event.uniqueid is None or (found := self._leg(event.uniqueid)) is None:
            return []
        if event.name == "ZxRecord":
            return self._recording_began(found[0], event.headers.get("File", ""), at)
        if event.name == "ZxEnter":
            return self._queued(*found, at)
        return []

    def _queued(self, call: Call, leg: Leg, at: float) -> list[DomainEvent]:
        """Who waits in a queue is the customer of that call, also at an extension of ours.

        An agent who asks a queue is on the phone all the same: the leg stays the agent's.
        """
        if leg.kind == "customer":
            return []
        return [
            d.LegRenamed(
                at=at,
                call_id=call.call_id,
                leg_id=leg.leg_id,
                channel=leg.channel,
                kind="customer",
                agent_id=leg.agent_id,
            )
        ]

    def _recording_began(self, call: Call, file: str, at: float) -> list[DomainEvent]:
        known = next((each for each in call.recordings.values() if each.file == file), None)
        if known is not None:
            return self._recording_again(call, known, at)
        if not FILE_NAME.fullmatch(file):
            return []
        visit = call.open_visit()
        return [_recorded(call, file, None if visit is None else visit.queue, at)]

    def _recording_again(self, call: Call, recording: Recording, at: float) -> list[DomainEvent]:
        """The next agent's sound goes into the same file. Who paused it is gone, and so is that."""
        if recording.state != "paused":
            return []
        return [
            d.RecordingResumed(at=at, call_id=call.call_id, recording_id=recording.recording_id)
        ]

    def _recording_muted(self, event: ami.MixMonitorMute, at: float) -> list[DomainEvent]:
        found = self._leg(event.uniqueid)
        recording = None if found is None else found[0].recording()
        if found is None or recording is None or (recording.state == "paused") == event.mute:
            return []
        call = found[0]
        agents = (leg.agent_id for leg in call.live_legs() if leg.kind == "agent" and leg.room)
        kind = d.RecordingPaused if event.mute else d.RecordingResumed
        return [
            kind(
                at=at,
                call_id=call.call_id,
                recording_id=recording.recording_id,
                agent_id=next(agents, None),
            )
        ]


def _joined(call_id: CallId, leg_id: str, room: str, at: float) -> d.LegJoined:
    return d.LegJoined(at=at, call_id=call_id, leg_id=leg_id, bridge_id=room)


def _recorded(call: Call, file: str, queue: str | None, at: float) -> d.RecordingStarted:
    recording_id = f"{call.call_id}-r{len(call.recordings) + 1}"
    return d.RecordingStarted(
        at=at, call_id=call.call_id, recording_id=recording_id, file=file, queue=queue
    )


def _outcome(call: Call) -> d.Outcome:
    if call.lost:
        return "lost"
    without_customer = all(leg.kind != "customer" for leg in call.legs.values())
    if call.talked or (without_customer and call.conversed):
        return "answered"
    if call.refused:
        return "refused"
    if call.visits:
        reason = list(call.visits.values())[-1].reason
        return "not_queued" if reason is None else OUTCOMES[reason]
    return "not_queued"


def _ended_by(call: Call) -> d.Party:
    """Who left the last talk first; without talk, who hung up."""
    visits = list(call.visits.values())
    if visits and visits[-1].reason == "abandoned":
        return "customer"
    if call.talk_ended_by is not None:
        return call.talk_ended_by
    if not all(leg.exact for leg in call.legs.values()):
        return "unknown"
    kinds = {leg.kind for leg in call.legs.values() if leg.hung_up}
    if "customer" in kinds:
        return "customer"
    return "agent" if kinds & {"agent", "consult"} else "system"
