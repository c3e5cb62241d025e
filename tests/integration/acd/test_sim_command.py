"""`./zuoxi sim --scenario FILE`, as an engineer asks it before he changes his floor."""

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from cti.sandbox.system import PROJECT

FIGURES = {
    *("calls", "mean_wait_seconds", "median_wait_seconds", "p90_wait_seconds", "waited_share"),
    *("abandon_share", "service_level", "occupancy", "queue_length"),
}
SHARES = ("waited_share", "abandon_share", "service_level", "occupancy")
SCENARIO = """
name = "a small floor"
minutes = 60
warm_up_minutes = 5
seeds = {seeds}
talk = {{ kind = "exponential", mean_seconds = 180 }}
patience = {{ kind = "exponential", mean_seconds = 120 }}
queues = [{{ name = "support", service_level_seconds = 20 }}]
arrivals = [{{ queue = "support", calls_per_hour = 80 }}]
agents = [{{ count = {agents}, queues = ["support"] }}]
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    """Four agents for the talk of four, three times an hour of it."""
    return write(tmp_path, agents=4)


def write(folder: Path, *, agents: int, seeds: int = 3) -> Path:
    path = folder / f"{agents}-{seeds}.toml"
    path.write_text(SCENARIO.format(agents=agents, seeds=seeds))
    return path


def sim(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command and wait until it has ended."""
    return subprocess.run(
        [PROJECT / "zuoxi", "sim", *arguments], capture_output=True, text=True, check=False
    )


def told(path: Path) -> dict[str, Any]:
    """What it says in JSON, and nothing but JSON, on standard output."""
    done = sim("--scenario", path, "--json")
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_every_figure_comes_with_its_confidence_interval(scenario: Path) -> None:
    answer = told(scenario)
    assert (answer["scenario"], answer["seeds"]) == ("a small floor", 3)
    figures = answer["figures"]
    assert set(figures) == FIGURES
    for name, figure in figures.items():
        assert set(figure) == {"value", "margin_95"}, name
        assert figure["value"] > 0, name
        assert figure["margin_95"] > 0, name
    assert all(figures[name]["value"] < 1 for name in SHARES)
    waits = [figures[f"{each}_wait_seconds"]["value"] for each in ("median", "mean", "p90")]
    assert waits == sorted(waits)
    # Little: who waits, on average, is how often they come times how long they wait.
    assert figures["queue_length"]["value"] == pytest.approx(
        figures["calls"]["value"] / 3600 * figures["mean_wait_seconds"]["value"], rel=0.2
    )


def test_the_same_scenario_tells_the_same_and_another_floor_another(
    scenario: Path, tmp_path: Path
) -> None:
    few, again, more = told(scenario), told(scenario), told(write(tmp_path, agents=8))
    assert few == again
    for figure in ("mean_wait_seconds", "abandon_share", "occupancy", "queue_length"):
        assert more["figures"][figure]["value"] < few["figures"][figure]["value"]
    assert more["figures"]["service_level"]["value"] > few["figures"]["service_level"]["value"]


def test_one_run_alone_has_no_interval(tmp_path: Path) -> None:
    figures = told(write(tmp_path, agents=4, seeds=1))["figures"]
    assert {figure["margin_95"] for figure in figures.values()} == {None}


def test_without_json_it_is_a_table(scenario: Path) -> None:
    done = sim("--scenario", scenario)
    assert done.returncode == 0
    assert "a small floor: 60 min, 3 seeds" in done.stdout
    assert all(name in done.stdout for name in FIGURES)


@pytest.mark.parametrize(
    ("right", "wrong", "problem"),
    [
        ("calls_per_hour", "calls_an_hour", "arrivals[0].calls_an_hour: no such setting"),
        ('queue = "support"', 'queue = "sales"', "arrivals[0].queue: no queue is named 'sales'"),
        ('["support"]', '["sales"]', "agents[0].queues[0]: no queue is named 'sales'"),
        ("service_level_seconds = 20", "ring_seconds = 0", "queues[support].ring_seconds: "),
    ],
)
def test_a_mistake_in_a_scenario_is_named(
    scenario: Path, right: str, wrong: str, problem: str
) -> None:
    scenario.write_text(scenario.read_text().replace(right, wrong))
    done = sim("--scenario", scenario, "--json")
    assert (done.returncode, done.stdout) == (2, "")
    assert problem in done.stderr


def test_a_scenario_that_is_not_there_is_told(tmp_path: Path) -> None:
    done = sim("--scenario", tmp_path / "none.toml")
    assert done.returncode == 2
    assert "No such file" in done.stderr
