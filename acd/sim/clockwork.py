"""Discrete-event time: actions at moments, in order, reproducible."""

from __future__ import annotations

import heapq
from collections.abc import Callable

Action = Callable[[], None]


class Handle:
    """A planned action that can be cancelled."""

    __slots__ = ("action",)

    def __init__(self, action: Action) -> None:
        self.action: Action | None = action

    def cancel(self) -> None:
        """The action will not run."""
        self.action = None


class Clockwork:
    """`now` moves only by running planned actions; equal moments keep the order of planning."""

    def __init__(self, start: float) -> None:
        self.now = start
        self._order = 0
        self._planned: list[tuple[float, int, Handle]] = []

    def at(self, moment: float, action: Action) -> Handle:
        """Plan `action` at epoch second `moment` (at once if that is past)."""
        handle = Handle(action)
        self._order += 1
        heapq.heappush(self._planned, (max(moment, self.now), self._order, handle))
        return handle

    def after(self, seconds: float, action: Action) -> Handle:
        """Plan `action` in `seconds`."""
        return self.at(self.now + seconds, action)

    def run_until(self, end: float) -> None:
        """Run everything planned up to `end`, then set the clock there."""
        while self._planned and self._planned[0][0] <= end:
            self.now, _, handle = heapq.heappop(self._planned)
            if handle.action is not None:
                handle.action()
        self.now = max(self.now, end)
