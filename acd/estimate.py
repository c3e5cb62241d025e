"""How long a caller will wait, told honestly or not at all.

Method: while somebody is left waiting after an answer, the time until the queue's next answer is
how long the agents take for one caller, whatever skills, sharing between queues and breaks do to
them. The mean of the last such intervals times the place in the queue is the estimate. Intervals
in which the queue ran empty say how often people call, not how fast they are served, and are left
out. Callers ahead who give up are not counted on, so it errs towards too long. With fewer than
`MINIMUM` intervals, or none in the last half hour, nothing is said.
"""

from __future__ import annotations

from typing import Final

import msgspec

MINIMUM: Final = 5
KEPT: Final = 20
FRESH_SECONDS: Final = 1800.0


class Pace(msgspec.Struct):
    """The pace at which one queue's callers are answered.

    :param intervals: end and length in seconds of the last intervals between answers.
    :param last_answer: the last answer if somebody waited on after it, else None.
    """

    intervals: list[tuple[float, float]] = []
    last_answer: float | None = None


def answered(pace: Pace, at: float, still_waiting: int) -> None:
    """Fold an answer into the pace. `still_waiting`: callers left in the queue after it."""
    if pace.last_answer is not None and at >= pace.last_answer:
        pace.intervals.append((at, at - pace.last_answer))
        del pace.intervals[:-KEPT]
    pace.last_answer = at if still_waiting else None


def emptied(pace: Pace) -> None:
    """The queue ran empty otherwise: the interval that was running says nothing."""
    pace.last_answer = None


def expected_wait_seconds(pace: Pace, position: int, now: float) -> float | None:
    """Estimate the wait of the caller at `position` (1 is next), None when the data is thin."""
    lengths = [length for end, length in pace.intervals if now - end <= FRESH_SECONDS]
    if len(lengths) < MINIMUM or position < 1:
        return None
    return position * sum(lengths) / len(lengths)
