"""Alarms of queues over their limits: raised at once, cleared when it has been calm."""

import pytest

from config.floor import QueueSettings
from web.queue_alarms import CALM_SECONDS, QueueAlarms

AT = 1_800_000_000.0
SETTINGS = QueueSettings(name="support", alarm_waiting=3)


def row(waiting: int = 0, oldest: float | None = None, level: float | None = None, judged: int = 9):
    return {
        "waiting": waiting,
        "oldest_since": oldest,
        "service_level_now": level,
        "judged_now": judged,
    }


@pytest.fixture
def alarms() -> QueueAlarms:
    """Watch one queue: 3 who wait, 60 s, 60 %."""
    return QueueAlarms({"support": SETTINGS.limits})


def test_each_figure_has_an_alarm_of_its_own(alarms):
    found = alarms.judge({"support": row(3, AT - 60, 0.59)}, AT)
    assert list(found) == [
        "queue.support.waiting",
        "queue.support.longest_wait",
        "queue.support.service_level",
    ]
    waiting = found["queue.support.waiting"]
    assert (waiting.level, waiting.code, waiting.since) == ("error", "queue_over_threshold", AT)
    assert waiting.params == {"queue": "support", "figure": "waiting", "limit": "3"}


@pytest.mark.parametrize(
    "figures",
    [row(2), row(0, AT - 59.9), row(0, None, 0.6), row(0, None, 0.0, judged=4), row()],
    ids=["waiting", "wait", "level", "few callers", "nothing"],
)
def test_inside_the_limits_nothing_is_raised(alarms, figures):
    assert alarms.judge({"support": figures}, AT) == {}


def test_it_stands_until_it_has_been_calm_for_a_while(alarms):
    alarms.judge({"support": row(3)}, AT)
    assert alarms.judge({"support": row(2)}, AT + CALM_SECONDS - 1)
    alarms.judge({"support": row(4)}, AT + CALM_SECONDS)
    still = alarms.judge({"support": row(0)}, AT + 2 * CALM_SECONDS - 1)
    assert still["queue.support.waiting"].since == AT, "one alarm, not two"
    assert alarms.judge({"support": row(0)}, AT + 2 * CALM_SECONDS) == {}


def test_limits_follow_from_the_service_level_and_the_room():
    limits = QueueSettings(
        name="q", service_level_seconds=30, service_level_target=0.9, max_waiting=11
    ).limits
    assert (limits.waiting.warn, limits.waiting.alarm) == (6, 9)
    assert (limits.longest_wait_seconds.warn, limits.longest_wait_seconds.alarm) == (30, 90)
    assert (limits.service_level.warn, limits.service_level.alarm) == (0.9, 0.675)
    assert QueueSettings(name="q").limits.waiting.alarm is None


@pytest.mark.parametrize(
    "settings",
    [
        {"warn_waiting": 5, "alarm_waiting": 4},
        {"alarm_wait_seconds": 10},
        {"warn_service_level": 0.5, "alarm_service_level": 0.6},
    ],
)
def test_an_alarm_before_its_warning_is_a_mistake(settings):
    with pytest.raises(ValueError, match="comes before the warning"):
        QueueSettings(name="q", **settings)
