"""Clock offset and lag."""

import pytest

from cti.ami.clock import ClockOffset, LagMeter


def test_offset_is_ours_minus_theirs_at_the_middle_of_the_way() -> None:
    offset = ClockOffset()
    offset.sample(sent_at=100.0, stamped_at=90.5, heard_at=101.0)
    assert offset.seconds == pytest.approx(10.0)


def test_shortest_way_counts() -> None:
    offset = ClockOffset()
    offset.sample(100.0, 90.5, 101.0)
    offset.sample(200.0, 191.0, 208.0)
    assert offset.seconds == pytest.approx(10.0)
    offset.sample(300.0, 291.0, 300.1)
    assert offset.seconds == pytest.approx(9.05)


def test_old_samples_are_forgotten() -> None:
    offset = ClockOffset()
    offset.sample(0.0, 50.0, 0.001)
    for second in range(100):
        offset.sample(second, second, second + 0.1)
    assert offset.seconds == pytest.approx(0.05)


@pytest.mark.parametrize("step", [-3600.0, -5.0, 5.0, 3600.0])
def test_a_clock_that_was_set_is_believed_at_the_next_ping(step: float) -> None:
    offset = ClockOffset()
    for second in range(1_000, 1_030):
        offset.sample(second, second + 0.0005, second + 0.001)
    offset.sample(2_000.0, 2_000.0 - step, 2_000.002)
    assert offset.seconds == pytest.approx(step, abs=0.002)


def test_a_ping_over_which_our_clock_was_set_back_counts_for_nothing() -> None:
    offset = ClockOffset()
    offset.sample(5_000.0, 5_000.0005, 1_400.001)
    offset.sample(1_401.0, 5_001.0005, 1_401.001)
    assert offset.seconds == pytest.approx(-3_600.0)


def test_a_slow_ping_is_no_clock_that_was_set() -> None:
    offset = ClockOffset()
    offset.sample(100.0, 100.0005, 100.001)
    offset.sample(101.0, 101.01, 105.0)
    assert offset.seconds == pytest.approx(0.0, abs=0.001)


def test_lag() -> None:
    lag = LagMeter()
    assert (lag.last_seconds, lag.p99_seconds(0.0)) == (None, None)
    for number in range(1, 201):
        lag.add(1_000.0 + number / 10, number / 100)
    assert lag.last_seconds == 2.0
    assert lag.p99_seconds(1_021.0) == pytest.approx(1.98)
    assert lag.p99_seconds(1_081.0) is None


def test_of_one_moment_the_largest_lag_counts() -> None:
    lag = LagMeter()
    for at, seconds in ((1.0, 0.1), (1.01, 0.9), (1.04, 0.2), (2.0, 0.3)):
        lag.add(at, seconds)
    assert lag.last_seconds == 0.3
    assert lag.p99_seconds(2.0) == 0.9


def test_lag_below_zero_is_an_error_of_the_offset() -> None:
    lag = LagMeter()
    lag.add(1.0, -0.5)
    assert lag.last_seconds == 0.0
