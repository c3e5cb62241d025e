"""How the day runs: the last half hour, the quarter under way, gaps and what they leave open. Pure.

Quarters older than the one before the running one are the database's to tell (web/trends.py); here
they stay while a caller who entered in them still waits. Their counts go by the time of entering,
as those of the journal's projections do.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Final

from cti import domain
from cti.domain import QueueName
from web.live_state import (
    ALL_QUEUES,
    GapNow,
    MinuteNow,
    Picture,
    QuarterNow,
    Row,
    State,
    TrendNow,
)

QUARTER_SECONDS: Final = 900
RECENT_MINUTES: Final = 30
"""What "now" means for a service level."""
LONGEST_BOUNDED_SECONDS: Final = 600.0
"""For a longer gap the pace of before says nothing of how many called in it."""
AWAY_SECONDS: Final = 120.0
"""Who has not counted for so long was away: how many agents were ready then is not known."""

Place = tuple[QueueName, int]
"""A queue and the begin of a quarter."""


def row_key(place: Place) -> str:
    """The key of a quarter's row."""
    return f"{place[0]}@{place[1]}"


def queue_of(key: str) -> QueueName:
    """The queue of a row's key, ALL_QUEUES for all together."""
    return key.partition("@")[0]


def quarter_of(at: float) -> int:
    """The begin of the quarter of an hour, epoch seconds."""
    return int(at // QUARTER_SECONDS) * QUARTER_SECONDS


class Trend:
    """Counts in the picture's state. Every method gives the quarters that it changed."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture

    @property
    def _state(self) -> State:
        return self._picture.state

    def entered(self, queue: QueueName, counted_at: float, at: float) -> Iterator[Place]:
        """A caller began to wait; those who wait are counted already."""
        for name in self._concerned(queue):
            self._minute(name, at).offered += 1
            self._quarter(name, quarter_of(counted_at)).offered += 1
            running = self._quarter(name, quarter_of(at))
            running.waiting_most = max(running.waiting_most, self._picture.waiting_in(name))
            yield name, quarter_of(counted_at)
            yield name, running.begin

    def left(
        self,
        queue: QueueName,
        counted_at: float,
        event: domain.QueueLeft,
        *,
        in_time: bool,
        short: bool,
    ) -> Iterator[Place]:
        """A wait ended by an answer or the caller's hanging up."""
        answered = event.reason == "answered"
        for name in self._concerned(queue):
            quarter = self._quarter(name, quarter_of(counted_at))
            quarter.answered += answered
            quarter.answered_in_time += answered and in_time
            quarter.abandoned += not answered
            quarter.abandoned_short += short
            minute = self._minute(name, event.at)
            minute.judged += not short
            minute.in_time += answered and in_time
            yield name, quarter.begin

    def taken_back(
        self, queue: QueueName, counted_at: float, *, answered: bool, in_time: bool
    ) -> Iterator[Place]:
        """Another server counts this visit."""
        for name in self._concerned(queue):
            for quarter in self._state.trends[name].quarters:
                if quarter.begin == quarter_of(counted_at):
                    quarter.offered -= 1
                    quarter.answered -= answered
                    quarter.answered_in_time -= answered and in_time
                    yield name, quarter.begin

    def watch_ready(self, queues: tuple[QueueName, ...], at: float) -> Iterator[Place]:
        """Count the agents' time ready up to `at`: their states are about to change."""
        for name in (*queues, ALL_QUEUES):
            yield from self._watch(name, at)

    def age(self, at: float) -> Iterator[Place]:
        """Forget what is old, once a minute; what ran on is counted up to now."""
        minute = int(at // 60)
        if minute <= self._state.minute:
            return
        self._state.minute = minute
        for name, trend in self._state.trends.items():
            if name and name not in self._picture.queue_settings:
                continue
            yield from self._watch(name, at)
            trend.minutes = [
                each for each in trend.minutes if each.minute > minute - RECENT_MINUTES
            ]
            running = self._quarter(name, quarter_of(at))
            kept = {running.begin, running.begin - QUARTER_SECONDS, *self._waited_for(name)}
            for quarter in trend.quarters:
                if quarter.begin not in kept:
                    yield name, quarter.begin
            trend.quarters = [each for each in trend.quarters if each.begin in kept]
            yield name, running.begin

    def _waited_for(self, name: QueueName) -> set[int]:
        visits = self._state.visits
        ids = self._picture.waiting.get(name, ()) if name else visits
        return {quarter_of(visits[visit_id].counted_at) for visit_id in ids}

    def _watch(self, name: QueueName, at: float) -> Iterator[Place]:
        trend = self._state.trends[name]
        watched = at - trend.watched_until <= AWAY_SECONDS
        since = trend.watched_until if watched else at
        ready = self._picture.ready_in(name)
        while since < at:
            quarter = self._quarter(name, quarter_of(since))
            end = min(at, float(quarter.begin + QUARTER_SECONDS))
            quarter.ready_seconds += ready * (end - since)
            quarter.watched_seconds += end - since
            since = end
            yield name, quarter.begin
        trend.watched_until = since

    def _concerned(self, queue: QueueName) -> tuple[QueueName, ...]:
        return (queue, ALL_QUEUES) if queue in self._picture.queue_settings else ()

    def _minute(self, name: QueueName, at: float) -> MinuteNow:
        minutes = self._state.trends[name].minutes
        for each in reversed(minutes):
            if each.minute == int(at // 60):
                return each
        minutes.append(MinuteNow(int(at // 60)))
        return minutes[-1]

    def _quarter(self, name: QueueName, begin: int) -> QuarterNow:
        quarters = self._state.trends[name].quarters
        for each in quarters:
            if each.begin == begin:
                return each
        quarters.append(QuarterNow(begin, waiting_most=self._picture.waiting_in(name)))
        return quarters[-1]


# --- gaps ----------------------------------------------------------------------------------------


def unheard_at_most(trend: TrendNow, gap: GapNow) -> int | None:
    """How many calls can have come and gone in the gap; None where nobody can say.

    Calls that still lasted after it were found then. The others are estimated: the pace before the
    gap, taken as high as chance allows (two standard deviations), and what it brings at most.
    """
    seconds = gap.to_at - gap.from_at
    if seconds > LONGEST_BOUNDED_SECONDS:
        return None
    before = int(gap.from_at // 60)
    watched = RECENT_MINUTES * 60 - seconds
    came = sum(each.offered for each in trend.minutes if each.minute <= before)
    pace = (came + 2 * math.sqrt(came + 1) + 1) / watched
    expected = pace * seconds
    return math.ceil(expected + 2 * math.sqrt(expected))


# --- rows ----------------------------------------------------------------------------------------


def service_level_now(trend: TrendNow) -> tuple[float | None, int]:
    """Of the last half hour, and of how many callers that is."""
    judged = sum(each.judged for each in trend.minutes)
    in_time = sum(each.in_time for each in trend.minutes)
    return (round(in_time / judged, 4) if judged else None), judged


def places(picture: Picture) -> Iterator[Place]:
    """The quarters that have a row."""
    for name, trend in picture.state.trends.items():
        if not name or name in picture.queue_settings:
            for quarter in trend.quarters:
                yield name, quarter.begin


def quarter_row(picture: Picture, key: str) -> Row | None:
    """The row of a quarter, None when it is not counted here any more."""
    name, _, begin = key.rpartition("@")
    trend = picture.state.trends.get(name)
    for quarter in trend.quarters if trend else ():
        if quarter.begin == int(begin):
            return _row(name, quarter)
    return None


def _row(name: QueueName, quarter: QuarterNow) -> Row:
    judged = quarter.answered + quarter.abandoned - quarter.abandoned_short
    watched = quarter.watched_seconds
    return {
        "queue": name or None,
        "begin": quarter.begin,
        "offered": quarter.offered,
        "answered": quarter.answered,
        "abandoned": quarter.abandoned,
        "service_level": round(quarter.answered_in_time / judged, 4) if judged else None,
        "waiting_most": quarter.waiting_most,
        "ready_mean": round(quarter.ready_seconds / watched, 2) if watched else None,
    }
