"""Simulated time: order, ties, cancelling."""

from __future__ import annotations

from acd.sim.clockwork import Clockwork


def test_actions_run_in_time_order_and_ties_in_planning_order():
    clock, seen = Clockwork(100.0), []
    clock.at(102, lambda: seen.append("late"))
    clock.at(101, lambda: seen.append("first"))
    clock.at(101, lambda: seen.append("second"))
    clock.run_until(101.5)
    assert seen == ["first", "second"]
    assert clock.now == 101.5
    clock.run_until(103)
    assert seen[-1] == "late"


def test_the_past_is_now_and_a_cancelled_action_does_not_run():
    clock, seen = Clockwork(100.0), []
    clock.at(5, lambda: seen.append(clock.now))
    clock.after(1, lambda: seen.append("never")).cancel()
    clock.run_until(110)
    assert seen == [100.0]
