"""Deadlines: one for each kind and key."""

from acd.timers import Timers


def test_the_earliest_first() -> None:
    timers = Timers()
    timers.arm("offer", "b", 2.0)
    timers.arm("offer", "a", 1.0)
    timers.arm("visit", "a", 3.0)
    assert timers.next() == 1.0
    assert list(timers.due(2.0)) == [("offer", "a"), ("offer", "b")]
    assert timers.next() == 3.0


def test_a_new_deadline_replaces_the_former() -> None:
    timers = Timers()
    timers.arm("offer", "a", 1.0)
    timers.arm("offer", "a", 5.0)
    assert timers.next() == 5.0
    assert list(timers.due(4.9)) == []
    assert timers.at("offer", "a") == 5.0


def test_none_takes_it_away() -> None:
    timers = Timers()
    timers.arm("offer", "a", 1.0)
    timers.arm("offer", "a", None)
    timers.arm("offer", "never", None)
    assert timers.next() is None
    assert list(timers.due(9.0)) == []


def test_a_deadline_set_again_while_due_ones_are_taken() -> None:
    timers = Timers()
    timers.arm("offer", "a", 1.0)
    for kind, key in timers.due(1.0):
        timers.arm(kind, key, 2.0)
    assert timers.next() == 2.0


def test_what_is_taken_away_is_forgotten() -> None:
    timers = Timers()
    for n in range(50_000):
        timers.arm("overflow", str(n), 1e9)
        timers.arm("overflow", str(n), None)
    timers.arm("overflow", "last", 5.0)
    assert len(timers._heap) < 2_000
    assert timers.next() == 5.0
