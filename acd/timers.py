"""Deadlines: one for each kind and key, the earliest first."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from typing import Final, Literal

Kind = Literal[
    "agent",  # wrap-up or a spared agent's rest ends
    "panel",  # a browser has been gone too long
    "proof",  # a panel has not shown itself to this process
    "offer",  # the PBX is silent about an offer
    "visit",  # skills relax, a sticky agent is given up, a rest ends
    "overflow",
    "announce",
    "leaving",  # the dialplan is silent about a caller we sent on
    "undecided",  # a rule has yet to say whether the caller is sent on
    "match",  # decisions were put off while the news were old
    "native",  # a caller whom the native queue did not let go is asked for again
    "foreign",  # a caller is still being offered by a process before us
]

_SLACK: Final = 1000


class Timers:
    """A heap in which a new deadline of the same kind and key replaces the former."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, Kind, str]] = []
        self._armed: dict[tuple[Kind, str], float] = {}

    def arm(self, kind: Kind, key: str, at: float | None) -> None:
        """Set the deadline (epoch seconds), or take it away by None."""
        if at is None:
            self._armed.pop((kind, key), None)
        elif self._armed.get((kind, key)) != at:
            self._armed[kind, key] = at
            heapq.heappush(self._heap, (at, kind, key))
            if len(self._heap) > 2 * len(self._armed) + _SLACK:
                self._sweep()

    def _sweep(self) -> None:
        """Forget the deadlines that were replaced or taken away long before their time."""
        self._heap = [(at, kind, key) for (kind, key), at in self._armed.items()]
        heapq.heapify(self._heap)

    def at(self, kind: Kind, key: str) -> float | None:
        """When a deadline passes, None where none is set."""
        return self._armed.get((kind, key))

    def next(self) -> float | None:
        """The earliest deadline, None where there is none."""
        while self._heap:
            at, kind, key = self._heap[0]
            if self._armed.get((kind, key)) == at:
                return at
            heapq.heappop(self._heap)
        return None

    def due(self, now: float) -> Iterator[tuple[Kind, str]]:
        """Take out what is due, one after the other."""
        while (at := self.next()) is not None and at <= now:
            _, kind, key = heapq.heappop(self._heap)
            del self._armed[kind, key]
            yield kind, key
