"""Alarms of queues whose figures are over their limits. Pure: figures and a time in, alarms out.

An alarm is raised as soon as a figure reaches its alarm limit. It stands until the figure has been
inside the limit for CALM_SECONDS on end, so that one caller more or less does not make it flicker.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from config.floor import QueueLimits
from cti.domain import QueueName
from web.live_state import AlarmNow, Row

CALM_SECONDS: Final = 15.0
JUDGED_AT_LEAST: Final = 5
"""Of fewer callers a service level says nothing: one who hangs up would be an alarm."""
CODE: Final = "queue_over_threshold"


class _Standing(NamedTuple):
    alarm: AlarmNow
    over_at: float


class QueueAlarms:
    """Which of the queues' alarms stand."""

    def __init__(self, limits: Mapping[QueueName, QueueLimits]) -> None:
        self._limits = limits
        self._standing: dict[str, _Standing] = {}

    def judge(self, rows: Mapping[QueueName, Row], now: float) -> dict[str, AlarmNow]:
        """The alarms that stand now, by key.

        :param rows: the floor's queue rows.
        """
        for name, row in rows.items():
            for figure, limit in _over(self._limits[name], row, now):
                key = f"queue.{name}.{figure}"
                before = self._standing.get(key)
                alarm = before.alarm if before else _alarm(key, name, figure, limit, now)
                self._standing[key] = _Standing(alarm, now)
        calm = [key for key, each in self._standing.items() if now - each.over_at >= CALM_SECONDS]
        for key in calm:
            del self._standing[key]
        return {key: each.alarm for key, each in self._standing.items()}


def _alarm(key: str, name: QueueName, figure: str, limit: float, now: float) -> AlarmNow:
    params = {"queue": name, "figure": figure, "limit": f"{limit:g}"}
    return AlarmNow(key, "error", CODE, now, params)


def _over(limits: QueueLimits, row: Row, now: float) -> Iterator[tuple[str, float]]:
    """Which figures are over their alarm limits, and these."""
    waiting, oldest, level = row["waiting"], row["oldest_since"], row["service_level_now"]
    judged = row["judged_now"]
    assert isinstance(waiting, int)
    assert isinstance(judged, int)
    limit = limits.waiting.alarm
    if limit is not None and waiting >= limit:
        yield "waiting", limit
    limit = limits.longest_wait_seconds.alarm
    if limit is not None and isinstance(oldest, float) and now - oldest >= limit:
        yield "longest_wait", limit
    limit = limits.service_level.alarm
    if (
        limit is not None
        and isinstance(level, float)
        and level < limit
        and judged >= JUDGED_AT_LEAST
    ):
        yield "service_level", limit
