"""Talk time by the CEL: when a customer's and an agent's leg of one call heard each other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from itertools import pairwise

from cti.calls.channels import local_pair
from cti.reconcile.asterisk import AsteriskRecords, Stay
from cti.reconcile.journal import JournalCall, JournalLeg, JournalSide

Bridges = Mapping[str, set[str]]
"""bridge -> uniqueids of the channels in it."""


class Talks:
    """Both sides, with the CEL sorted by channel so that each call costs only its own events."""

    def __init__(self, side: JournalSide, records: AsteriskRecords) -> None:
        self._side = side
        self._channels = records.channels
        self._stays = defaultdict[str, list[Stay]](list)
        for stay in records.stays:
            self._stays[stay.uniqueid].append(stay)
        self._halves = defaultdict[str, dict[str, str]](dict)
        for channel in records.channels.values():
            pair = local_pair(channel.name)
            for linkedid in channel.linkedids if pair else ():
                self._halves[linkedid][channel.uniqueid] = pair[0] if pair else ""

    def talked(self, call: JournalCall) -> tuple[float, float]:
        """Seconds in which a customer and an agent of this call stood in one room.

        First those in which the server heard the PBX, then all.
        """
        legs = self._legs(call)
        spans = [
            (begin, end)
            for begin, end, rooms in self._rooms(legs)
            if _talks(call.call_id, legs, rooms, (begin + end) / 2)
        ]
        whole = sum(end - begin for begin, end in spans)
        return whole - sum(self._side.deaf_seconds(begin, end) for begin, end in spans), whole

    def shared(self, call: JournalCall) -> float:
        """Seconds in which any two legs of this call stood in one room."""
        legs = self._legs(call)
        ids = {leg.leg_id for leg in legs}
        return sum(
            end - begin
            for begin, end, rooms in self._rooms(legs)
            if any(len(room & ids) > 1 for room in rooms)
        )

    def has_customer(self, call: JournalCall) -> bool:
        """Whether a customer's leg was ever in the call."""
        return any(
            role.kind == "customer" and role.call_id == call.call_id
            for leg in self._legs(call)
            for role in leg.roles
        )

    def _legs(self, call: JournalCall) -> list[JournalLeg]:
        return [self._side.legs[leg_id] for leg_id in call.leg_ids]

    def _rooms(self, legs: list[JournalLeg]) -> list[tuple[float, float, list[set[str]]]]:
        """Spans of time with who heard whom in them."""
        halves: dict[str, str] = {}
        for leg in legs:
            channel = self._channels.get(leg.leg_id)
            for linkedid in channel.linkedids if channel else ():
                halves |= self._halves.get(linkedid, {})
        concerned = {leg.leg_id for leg in legs} | halves.keys()
        stays = sorted(
            (stay for uniqueid in concerned for stay in self._stays.get(uniqueid, ())),
            key=lambda stay: stay.at,
        )
        changes = sorted(
            {stay.at for stay in stays} | {role.at for leg in legs for role in leg.roles}
        )
        bridges: dict[str, set[str]] = {}
        spans, place = [], 0
        for begin, end in pairwise(changes):
            while place < len(stays) and stays[place].at <= begin:
                _move(stays[place], bridges)
                place += 1
            spans.append((begin, end, _tied(bridges, halves)))
        return spans


def _talks(call_id: str, legs: Iterable[JournalLeg], rooms: list[set[str]], at: float) -> bool:
    customers, agents = set[str](), set[str]()
    for leg in legs:
        role = leg.role_at(at)
        if role is not None and role.call_id == call_id:
            if role.kind == "customer":
                customers.add(leg.leg_id)
            elif role.kind == "agent":
                agents.add(leg.leg_id)
    return any(room & customers and room & agents for room in rooms)


def _move(stay: Stay, bridges: dict[str, set[str]]) -> None:
    members = bridges.setdefault(stay.bridge_id, set())
    if stay.entered:
        members.add(stay.uniqueid)
    else:
        members.discard(stay.uniqueid)


def _tied(bridges: Bridges, halves: Mapping[str, str]) -> list[set[str]]:
    """Rooms: bridges whose members hear each other through Local channels, taken together."""
    rooms: list[tuple[set[str], set[str]]] = []  # members, pairs
    for members in bridges.values():
        room, pairs = set(members), {halves[one] for one in members if one in halves}
        apart = []
        for other, other_pairs in rooms:
            if pairs & other_pairs:
                room |= other
                pairs |= other_pairs
            else:
                apart.append((other, other_pairs))
        rooms = [*apart, (room, pairs)]
    return [room for room, _ in rooms]
