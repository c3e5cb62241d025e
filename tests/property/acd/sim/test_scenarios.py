"""Scenarios through the real core agree with queueing theory; two skills per agent with pooling."""

from __future__ import annotations

from pathlib import Path

import pytest

from acd.sim.scenario import Duration, Figure, Scenario, read, run
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


def telling(**more: object) -> Scenario:
    """A steady load, and callers who are told every 15 s how long it will be."""
    queue = {"name": "support", "announce_every_seconds": 15}
    common = {"name": "telling", "minutes": 240, "warm_up_minutes": 60, "seeds": 6}
    return Scenario.model_validate(common | {"queues": [queue]} | more)


ONE_SKILL = telling(
    arrivals=[{"queue": "support", "calls_per_hour": 180}],
    agents=[{"count": 10, "queues": ["support"]}],
)
TWO_SKILLS = telling(
    arrivals=[
        {"queue": "support", "calls_per_hour": 90, "skills": {"french": 1}},
        {"queue": "support", "calls_per_hour": 90, "skills": {"german": 1}},
    ],
    agents=[
        {"count": 3, "queues": ["support"], "skills": {"french": 1}},
        {"count": 3, "queues": ["support"], "skills": {"german": 1}},
        {"count": 4, "queues": ["support"], "skills": {"french": 1, "german": 1}},
    ],
)
TWO_QUEUES = telling(
    queues=[{"name": name, "announce_every_seconds": 15} for name in ("sales", "support")],
    arrivals=[{"queue": name, "calls_per_hour": 90} for name in ("sales", "support")],
    agents=[
        {"count": 3, "queues": ["sales"]},
        {"count": 3, "queues": ["support"]},
        {"count": 4, "queues": ["sales", "support"]},
    ],
)
IMPATIENT = ONE_SKILL.model_copy(
    update={"patience": Duration(kind="exponential", mean_seconds=180)}
)


@pytest.mark.parametrize(
    ("scenario", "most"),
    [
        pytest.param(ONE_SKILL, 1.2, id="one skill"),
        pytest.param(TWO_SKILLS, 1.2, id="two skills"),
        pytest.param(TWO_QUEUES, 1.35, id="agents shared by two queues"),
        pytest.param(IMPATIENT, 1.45, id="callers ahead give up"),
    ],
)
def test_what_callers_are_told_is_how_long_it_takes(scenario: Scenario, most: float) -> None:
    """On average hardly too short; too long as acd.estimate says, and no more than so."""
    figures = run(scenario, lambda done: None)
    assert 0.95 <= figures["told_to_waited"].value <= most
    assert 0.9 <= figures["told_to_waited_median"].value <= most
