"""Which channels stand in which bridge, and which bridges Local channels tie together.

This is what the PBX looks like now, not what happened: it is never journalled and a snapshot makes
it anew. A *room* is a set of bridges whose channels hear each other; it has the least of its
bridges' ids as its name, so that the same PBX always gives the same names.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from cti.calls.channels import local_pair
from cti.inputs import ChannelState

HOLDING_TECHNOLOGY: Final = "holding_bridge"
"""Members of such a bridge (parking, BridgeWait) hear music, not each other."""
HOLDING_APPLICATIONS: Final = frozenset({"Park", "Parked Call", "BridgeWait"})
"""The same in a snapshot, where a bridge's technology is not told."""


class Wiring:
    """Bridges by their members and Local pairs by the bridges of their halves."""

    __slots__ = ("_halves", "_members", "_ties")

    def __init__(self) -> None:
        self._members: dict[str, set[str]] = {}
        self._halves: dict[str, list[str | None]] = {}
        self._ties: dict[str, list[str]] = {}

    @classmethod
    def seen(cls, channels: Iterable[ChannelState]) -> Wiring:
        """The wiring that a snapshot shows."""
        wiring = cls()
        for channel in channels:
            if channel.bridge_id and channel.application not in HOLDING_APPLICATIONS:
                pair = local_pair(channel.name)
                if pair is not None:
                    wiring.tie(pair, channel.bridge_id)
                else:
                    wiring.enter(channel.uniqueid, channel.bridge_id)
        return wiring

    def enter(self, uniqueid: str, bridge_id: str) -> None:
        """A channel of a party entered the bridge."""
        self._members.setdefault(bridge_id, set()).add(uniqueid)

    def leave(self, uniqueid: str, bridge_id: str) -> None:
        """A channel of a party left the bridge, or is gone."""
        members = self._members.get(bridge_id)
        if members is not None:
            members.discard(uniqueid)
            if not members:
                del self._members[bridge_id]

    def room(self, bridge_id: str) -> str:
        """The room that the bridge is part of."""
        return min(self._tied(bridge_id)) if bridge_id in self._ties else bridge_id

    def tie(self, pair: tuple[str, int], bridge_id: str) -> dict[str, str]:
        """A half of a Local channel entered a bridge.

        :returns: the parties' channels whose room may be another one now -> their room.
        """
        moved = self.untie(pair)
        name, half = pair
        halves = self._halves.setdefault(name, [None, None])
        halves[half] = bridge_id
        one, two = halves
        if one is None or two is None or one == two:
            return moved
        self._ties.setdefault(one, []).append(two)
        self._ties.setdefault(two, []).append(one)
        return moved | self._rooms(self._tied(one))

    def untie(self, pair: tuple[str, int], bridge_id: str | None = None) -> dict[str, str]:
        """A half of a Local channel left the bridge, or is gone (None). Returns what `tie` does."""
        name, half = pair
        halves = self._halves.get(name)
        if halves is None or halves[half] is None or bridge_id not in (None, halves[half]):
            return {}
        one, two = halves
        halves[half] = None
        if one is None or two is None:
            del self._halves[name]
            return {}
        if one == two:
            return {}
        tied = self._tied(one)
        self._cut(one, two)
        self._cut(two, one)
        return self._rooms(tied)

    def bridge_of(self, uniqueid: str, room: str) -> str | None:
        """The bridge inside the room in which the channel stands."""
        return next((b for b in self._tied(room) if uniqueid in self._members.get(b, ())), None)

    def _cut(self, one: str, two: str) -> None:
        ties = self._ties[one]
        ties.remove(two)
        if not ties:
            del self._ties[one]

    def _tied(self, bridge_id: str) -> set[str]:
        found, open_ends = {bridge_id}, [bridge_id]
        while open_ends:
            for other in self._ties.get(open_ends.pop(), ()):
                if other not in found:
                    found.add(other)
                    open_ends.append(other)
        return found

    def _rooms(self, bridges: set[str]) -> dict[str, str]:
        return {
            uniqueid: self.room(bridge)
            for bridge in bridges
            for uniqueid in self._members.get(bridge, ())
        }
