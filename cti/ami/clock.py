"""The PBX's clock against ours, and how late its events reach us."""

from __future__ import annotations

from collections import deque
from typing import Final

OFFSET_SAMPLES: Final = 30
STEP_SECONDS: Final = 0.1
"""Clocks do not drift so far apart within the samples: one of them was set."""
LAG_WINDOW_SECONDS: Final = 60.0
LAG_SLOT_SECONDS: Final = 0.05


class ClockOffset:
    """Our clock minus the PBX's, from pings: the sample with the shortest way counts.

    The PBX stamps its answer somewhere between our sending and our hearing; half-way is wrong by at
    most half of the round trip.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque(maxlen=OFFSET_SAMPLES)
        self.seconds = 0.0

    def sample(self, sent_at: float, stamped_at: float, heard_at: float) -> None:
        """Take one ping: sent and heard by our clock, stamped by the PBX's; epoch seconds."""
        way, seconds = heard_at - sent_at, (sent_at + heard_at) / 2 - stamped_at
        if way < 0:  # ours was set back meanwhile
            return
        if self._samples:
            shortest, known = min(self._samples)
            if abs(seconds - known) > (way + shortest) / 2 + STEP_SECONDS:
                self._samples.clear()
        self._samples.append((way, seconds))
        self.seconds = min(self._samples)[1]


class LagMeter:
    """How old events are when they reach us, in seconds: the largest lag of each short slot.

    So a busy link has no more samples than a calm one, and the percentile stays cheap. `at` and
    `now`: seconds of a clock that only grows.
    """

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque()
        self.last_seconds: float | None = None

    def add(self, at: float, lag_seconds: float) -> None:
        """Take one sample. Below zero is an error of the clock offset and counts as zero."""
        lag_seconds = max(0.0, lag_seconds)
        self.last_seconds = lag_seconds
        if self._samples and 0 <= at - self._samples[-1][0] < LAG_SLOT_SECONDS:
            began, largest = self._samples.pop()
            self._samples.append((began, max(largest, lag_seconds)))
        else:
            self._forget_before(at - LAG_WINDOW_SECONDS)
            self._samples.append((at, lag_seconds))

    def _forget_before(self, at: float) -> None:
        while self._samples and self._samples[0][0] < at:
            self._samples.popleft()

    def p99_seconds(self, now: float) -> float | None:
        """The 99th percentile of the last minute, None when nothing came in it."""
        self._forget_before(now - LAG_WINDOW_SECONDS)
        lags = sorted(lag for _, lag in self._samples)
        return lags[(len(lags) * 99 - 1) // 100] if lags else None
