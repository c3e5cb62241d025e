"""The expected wait: by the pace of answers while somebody waits, or nothing."""

import random

from acd.estimate import FRESH_SECONDS, MINIMUM, Pace, answered, emptied, expected_wait_seconds


def _busy(count: int, every: float, start: float = 0.0) -> Pace:
    pace = Pace()
    for n in range(count):
        answered(pace, start + n * every, still_waiting=3)
    return pace


def test_place_times_the_mean_interval() -> None:
    pace = _busy(10, every=12.0)
    assert expected_wait_seconds(pace, 1, 120.0) == 12.0
    assert expected_wait_seconds(pace, 4, 120.0) == 48.0


def test_thin_data_says_nothing() -> None:
    assert expected_wait_seconds(Pace(), 1, 0.0) is None
    assert expected_wait_seconds(_busy(MINIMUM, every=5.0), 1, 100.0) is None
    assert expected_wait_seconds(_busy(MINIMUM + 1, every=5.0), 1, 100.0) == 5.0


def test_old_data_says_nothing() -> None:
    pace = _busy(10, every=10.0)
    assert expected_wait_seconds(pace, 1, 90.0 + FRESH_SECONDS) is None


def test_intervals_with_an_empty_queue_are_left_out() -> None:
    pace = _busy(10, every=10.0)
    answered(pace, 100.0, still_waiting=0)
    answered(pace, 900.0, still_waiting=2)
    emptied(pace)
    answered(pace, 1700.0, still_waiting=2)
    assert expected_wait_seconds(pace, 1, 1700.0) == 10.0


def test_no_place_no_wait() -> None:
    assert expected_wait_seconds(_busy(10, every=10.0), 0, 100.0) is None


def test_it_is_right_on_average() -> None:
    """Four servers, exponential talk of 100 s, always somebody waiting: 25 s a place."""
    rng = random.Random(7)
    pace, now, told = Pace(), 0.0, []
    for _ in range(4000):
        now += rng.expovariate(4 / 100)
        answered(pace, now, still_waiting=8)
        estimate = expected_wait_seconds(pace, 6, now)
        if estimate is not None:
            told.append(estimate)
    assert 0.95 < sum(told) / len(told) / (6 * 25) < 1.05
