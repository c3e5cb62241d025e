"""Bringing the calls in line with a snapshot of the PBX, after a start or a gap in the events.

The diff goes by uniqueid and linkedid. What ended in the gap is told with the gap's first moment
and what began in it with its last, so that no time is counted that nobody heard. The same snapshot
a second time tells nothing new.

Each step depends on those before it, so they are rehearsed on a copy of the book.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from cti import domain as d
from cti.calls import merge
from cti.calls.book import PBX_DIED, Book, Call, Leg
from cti.calls.channels import is_helper
from cti.calls.parties import UP, Newcomer, Parties, phase
from cti.calls.wiring import HOLDING_APPLICATIONS, Wiring
from cti.domain import CallId, DomainEvent
from cti.inputs import ChannelState, PbxSnapshot

NUMBERS: Final = re.compile(r"[0-9]{1,18}")


class Adoption:
    """One snapshot, held against the calls.

    :param book: the calls; it is copied and not changed.
    :param wiring: the wiring of this snapshot.
    :param ended_at: the last moment of which we know what lived.
    :param begun_at: the first moment of which we know it again.
    :param restarted: the PBX has been started anew: who is gone died with the one before.
    """

    def __init__(
        self,
        book: Book,
        parties: Parties,
        wiring: Wiring,
        snapshot: PbxSnapshot,
        *,
        ended_at: float,
        begun_at: float,
        restarted: bool,
    ) -> None:
        self._book = Book.loaded(book.dump())
        self._parties, self._wiring, self._snapshot = parties, wiring, snapshot
        self._ended_at, self._begun_at = ended_at, begun_at
        self._restarted = restarted
        self._events: list[DomainEvent] = []

    def events(self) -> list[DomainEvent]:
        """What makes the calls equal to the snapshot."""
        channels = [c for c in self._snapshot.channels if not is_helper(c.name)]
        self._end_vanished({c.uniqueid for c in channels})
        for channel in sorted(channels, key=_age):
            if (found := self._live_leg(channel.uniqueid)) is not None:
                self._repair(*found, channel)
            else:
                self._admit(channel)
        self._join_rooms()
        return self._events

    def _tell(self, events: Iterable[DomainEvent]) -> None:
        for event in events:
            self._book.evolve(event)
            self._events.append(event)

    def _live_leg(self, uniqueid: str) -> tuple[Call, Leg] | None:
        call = self._book.owners.get(uniqueid)
        leg = None if call is None else call.legs[uniqueid]
        return (call, leg) if call and call.live and leg and leg.live else None

    def _end_vanished(self, present: set[str]) -> None:
        legs = [
            (call, leg)
            for call_id, call in self._book.calls.items()
            if call.live and call_id == call.call_id
            for leg in call.live_legs()
        ]
        for call, leg in legs:
            if leg.leg_id not in present:
                ended = d.LegEnded(
                    at=self._ended_at,
                    call_id=call.call_id,
                    leg_id=leg.leg_id,
                    cause=0,
                    cause_text=PBX_DIED if self._restarted else "",
                    exact=False,
                )
                self._tell([ended])

    def _repair(self, call: Call, leg: Leg, channel: ChannelState) -> None:
        """What became of a leg that lives on."""
        if leg.channel != channel.name:
            self._tell([_renamed(call.call_id, leg, channel.name, self._begun_at)])
        self._tell(phase(call.call_id, leg.leg_id, leg.state, channel.state, self._begun_at))
        room = self._room(channel)
        if leg.room not in (None, room):
            self._tell([_left(call.call_id, leg, self._ended_at)])
        self._join(call.call_id, channel, leg.room)

    def _admit(self, channel: ChannelState) -> None:
        room = self._room(channel)
        began = self._snapshot.at - channel.duration_seconds
        new = Newcomer.in_snapshot(channel)
        host = self._host(room)
        events, call_id = merge.admitted(self._book, self._parties, new, began, host, adopted=True)
        self._tell(events)
        if call_id is not None:
            self._join(call_id, channel, None)

    def _join(self, call_id: CallId, channel: ChannelState, room: str | None) -> None:
        now = self._room(channel)
        if now is None or now == room:
            return
        up = phase(call_id, channel.uniqueid, self._state(channel.uniqueid), UP, self._begun_at)
        joined = d.LegJoined(
            at=self._begun_at, call_id=call_id, leg_id=channel.uniqueid, bridge_id=now
        )
        self._tell([*up, joined])

    def _state(self, uniqueid: str) -> str:
        return self._book.owners[uniqueid].legs[uniqueid].state

    def _room(self, channel: ChannelState) -> str | None:
        if not channel.bridge_id or channel.application in HOLDING_APPLICATIONS:
            return None
        return self._wiring.room(channel.bridge_id)

    def _host(self, room: str | None) -> Call | None:
        legs = self._book.rooms.get(room) if room is not None else None
        return self._book.owners[min(legs)] if legs else None

    def _join_rooms(self) -> None:
        for legs in list(self._book.rooms.values()):
            calls = {call.call_id: call for call in (self._book.owners[leg] for leg in legs)}
            if len(calls) > 1:
                self._tell(merge.join(calls.values(), self._begun_at))


def _age(channel: ChannelState) -> tuple[float, list[int]]:
    """The oldest first; Asterisk counts whole seconds, and its uniqueids count channels."""
    return -channel.duration_seconds, [int(n) for n in NUMBERS.findall(channel.uniqueid)]


def _renamed(call_id: CallId, leg: Leg, channel: str, at: float) -> d.LegRenamed:
    return d.LegRenamed(
        at=at,
        call_id=call_id,
        leg_id=leg.leg_id,
        channel=channel,
        kind=leg.kind,
        agent_id=leg.agent_id,
    )


def _left(call_id: CallId, leg: Leg, at: float) -> d.LegLeft:
    assert leg.room is not None
    return d.LegLeft(at=at, call_id=call_id, leg_id=leg.leg_id, bridge_id=leg.room)
