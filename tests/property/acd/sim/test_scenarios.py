"""Scenarios through the real core agree with queueing theory; two skills per agent with pooling."""

from __future__ import annotations

from pathlib import Path

import pytest

from acd.sim.scenario import Figure, read, run
from acd.sim.theory import erlang_a, erlang_c

SCENARIOS = Path(__file__).parents[4] / "config" / "scenarios"

TOGETHER = 3.499 / 2.365
"""Up to five figures of a scenario are compared at once. All of them lie in their 99 % intervals as
often as one lies in its 95 % interval (Student's t for the eight seeds)."""

pytestmark = pytest.mark.timeout(300)


def simulated(name: str) -> dict[str, Figure]:
    return run(read(SCENARIOS / f"{name}.toml"), lambda done: None)


def agrees(figure: Figure, expected: float, slack: float) -> bool:
    """Within the interval of all figures together, or `slack` (the dial's own time) beyond it."""
    return abs(figure.value - expected) <= figure.margin * TOGETHER + slack


def test_patient_callers_wait_as_erlang_c_says():
    figures = simulated("one_skill_patient")
    expected = erlang_c(10, calls_per_hour=160, talk_seconds=180, within=20)
    assert agrees(figures["mean_wait_seconds"], expected.mean_wait_seconds, 0.3)
    assert agrees(figures["waited_share"], expected.waits, 0.01)
    assert agrees(figures["occupancy"], expected.occupancy, 0.005)
    assert agrees(figures["queue_length"], expected.queue_length, 0.02)
    assert agrees(figures["service_level"], expected.served_within, 0.01)


def test_impatient_callers_leave_as_erlang_a_says():
    figures = simulated("one_skill_impatient")
    expected = erlang_a(10, calls_per_hour=220, talk_seconds=180, patience_seconds=120)
    assert agrees(figures["mean_wait_seconds"], expected.mean_wait_seconds, 0.3)
    assert agrees(figures["abandon_share"], expected.abandon_share, 0.005)
    assert agrees(figures["occupancy"], expected.occupancy, 0.005)


def test_two_well_combined_skills_come_within_three_percent_of_full_pooling():
    pooled = simulated("six_skills_pooled")
    paired = simulated("six_skills_paired")
    assert paired["service_level"].value >= 0.97 * pooled["service_level"].value
    assert paired["occupancy"].value >= 0.97 * pooled["occupancy"].value
    served = 1 - paired["abandon_share"].value
    assert served >= 0.97 * (1 - pooled["abandon_share"].value)
