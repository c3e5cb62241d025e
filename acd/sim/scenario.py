"""A scenario: arrivals, talk, patience, agents and queues through the real core, with statistics.

The core routes; only people and the PBX are simulated. Each seed is one independent run; figures
are means over the seeds with a 95 % confidence interval (Student's t).
"""

from __future__ import annotations

import math
import multiprocessing
import os
import random
import statistics
import tomllib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, model_validator

from acd.sim.channels import Customer, Phone
from acd.sim.clockwork import Clockwork
from acd.sim.pbx import SimPbx
from acd.sim.server import SimServer
from config.floor import Floor, Frozen, MistakesError, Name, Where, unknown_queues
from config.settings import SettingsError, in_words
from cti.domain import CallId, PositionAnnounced, QueueEntered, QueueLeft
from cti.inputs import PanelAlive, SetReady, SignIn

LAST_CALLERS_SECONDS = 4 * 3600.0
START = 1_790_000_000.0
T_95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160)
"""Student's t, two-sided 95 %, for 1 to 13 degrees of freedom; beyond that 1.96 + 2.4/df."""


class Duration(Frozen):
    """A random duration in seconds."""

    kind: Literal["exponential", "constant", "lognormal", "never"] = "exponential"
    mean_seconds: float = Field(default=180.0, gt=0)
    spread: float = Field(default=0.8, gt=0, description="sigma of the lognormal's logarithm")

    def drawing(self, rng: random.Random) -> Callable[[], float]:
        """A function that draws."""
        match self.kind:
            case "constant":
                return lambda: self.mean_seconds
            case "lognormal":
                mu = math.log(self.mean_seconds) - self.spread**2 / 2
                return lambda: rng.lognormvariate(mu, self.spread)
            case "never":
                return lambda: math.inf
            case "exponential":
                return lambda: rng.expovariate(1 / self.mean_seconds)


class Arrivals(Frozen):
    """Calls of one kind. `skills`: what they ask for."""

    queue: Name
    calls_per_hour: float = Field(gt=0)
    skills: dict[Name, int] = Field(default_factory=dict)
    priority: int = 0


class AgentGroup(Frozen):
    """`count` agents alike."""

    count: int = Field(ge=1, le=10_000)
    queues: list[Name]
    skills: dict[Name, int] = Field(default_factory=dict)


class Scenario(Frozen):
    """What is simulated."""

    name: str
    minutes: float = Field(gt=0, le=100_000)
    warm_up_minutes: float = Field(default=0, ge=0)
    seeds: int = Field(default=10, ge=1, le=1000)
    talk: Duration = Duration()
    patience: Duration = Duration(kind="never")
    queues: list[dict[str, Any]]
    arrivals: list[Arrivals]
    agents: list[AgentGroup]

    @model_validator(mode="after")
    def _known_queues(self) -> Self:
        names = {str(queue.get("name")) for queue in self.queues}
        mistakes = list(unknown_queues(self._mentioned_queues(), names))
        if mistakes:
            raise MistakesError(mistakes)
        return self

    def _mentioned_queues(self) -> Iterator[tuple[Where, str]]:
        for place, arrivals in enumerate(self.arrivals):
            yield ("arrivals", place, "queue"), arrivals.queue
        for place, group in enumerate(self.agents):
            for nth, name in enumerate(group.queues):
                yield ("agents", place, "queues", nth), name

    def floor(self) -> Floor:
        """The floor with its agents written out, wrap-up 0 unless a queue says otherwise."""
        people = [
            {
                "id": f"a{number}",
                "name": f"a{number}",
                "queues": [{"queue": queue} for queue in group.queues],
                "skills": group.skills,
            }
            for number, group in enumerate(self._each_agent())
        ]
        return Floor.model_validate(
            {
                "queues": [{"wrap_up_seconds": 0, **queue} for queue in self.queues],
                "agents": people,
                "extensions": [
                    {"number": f"8{number:05}", "kind": "desk"} for number in range(len(people))
                ],
            }
        )

    def _each_agent(self) -> Iterator[AgentGroup]:
        for group in self.agents:
            for _ in range(group.count):
                yield group


@dataclass(slots=True)
class Sample:
    """One seed's calls after the warm-up."""

    waits_answered: list[float] = field(default_factory=list)
    waits_left: list[float] = field(default_factory=list)
    within: int = 0
    busy_seconds: float = 0.0
    told: list[tuple[float, float]] = field(default_factory=list)
    """Expected waits in seconds that callers were told, and how long it was from then on."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A mean over the seeds, give or take `margin` (95 %)."""

    value: float
    margin: float


def read(path: Path) -> Scenario:
    """The scenario in a TOML file.

    :raises SettingsError: no such file, no TOML, or a key is wrong.
    """
    values: dict[str, Any] = {}
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
        scenario = Scenario.model_validate(values)
        scenario.floor()
    except OSError as error:
        raise SettingsError(str(path), [error.strerror or "cannot be read"]) from None
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(str(path), [f"not a TOML file: {error}"]) from None
    except ValidationError as error:
        raise SettingsError(str(path), in_words(error, values)) from None
    return scenario


class ScenarioRun:
    """One seed of a scenario.

    Who entered in the time that counts is followed to the end of the wait, under the same load,
    also past that time: else the longest waits would be missing.
    """

    def __init__(self, scenario: Scenario, seed: int) -> None:
        self._scenario = scenario
        self._rng = random.Random(seed)  # noqa: S311 - a simulation, reproducible by its seed
        self._clock = Clockwork(START)
        self._begin = START + scenario.warm_up_minutes * 60
        self._end = self._begin + scenario.minutes * 60
        self._floor = scenario.floor()
        self._pbx = SimPbx(self._clock, self._rng)
        self._server = SimServer(self._clock, self._rng, self._floor, self._pbx, delay_seconds=0.0)
        self._sample = Sample()
        self._open = 0
        self._patience = scenario.patience.drawing(self._rng)
        self._limits = {queue.name: queue.service_level_seconds for queue in self._floor.queues}

    def run(self) -> Sample:
        """All of it."""
        pbx = self._pbx
        pbx.talk_seconds = self._scenario.talk.drawing(self._rng)
        pbx.on_answered = self._answered
        pbx.on_left = self._left
        for extension in self._floor.extensions:
            pbx.phones[extension.number] = Phone(
                extension=extension.number, answer_seconds=lambda: 0.0
            )
        self._server.start()
        self._clock.run_until(START)
        for agent, extension in zip(self._floor.agents, self._floor.extensions, strict=True):
            for request in (
                SignIn(request_id="1", agent_id=agent.id, extension=extension.number),
                SetReady(request_id="2", agent_id=agent.id),
            ):
                self._server.step(request)
            self._server.step(PanelAlive(agent_id=agent.id))
        for arrivals in self._scenario.arrivals:
            self._next_arrival(arrivals)
        self._clock.run_until(self._end)
        for customer in self._pbx.customers.values():
            if customer.place == "talking":
                self._count_busy(customer)
        while self._open and self._clock.now < self._end + LAST_CALLERS_SECONDS:
            self._clock.run_until(self._clock.now + 60)
        self._sample.told = list(self._told())
        return self._sample

    def _told(self) -> Iterator[tuple[float, float]]:
        """Each announced wait of who entered in the time that counts and was answered."""
        told: dict[CallId, list[PositionAnnounced]] = {}
        entered: dict[CallId, float] = {}
        for record in self._server.journal:
            event = record.event
            if isinstance(event, QueueEntered):
                entered[event.call_id] = event.entered_at
            elif isinstance(event, PositionAnnounced):
                told.setdefault(event.call_id, []).append(event)
            elif isinstance(event, QueueLeft) and event.reason == "answered":
                counts = self._begin <= entered[event.call_id] < self._end
                for each in told.get(event.call_id, ()) if counts else ():
                    if each.expected_wait_seconds is not None:
                        yield each.expected_wait_seconds, event.at - each.at

    def _next_arrival(self, arrivals: Arrivals) -> None:
        gap = self._rng.expovariate(arrivals.calls_per_hour / 3600)
        self._clock.after(gap, lambda: self._arrive(arrivals))

    def _arrive(self, arrivals: Arrivals) -> None:
        if self._clock.now < self._end:
            self._open += 1
        patience = self._patience()
        skills = "&".join(f"{skill}:{level}" for skill, level in arrivals.skills.items())
        self._pbx.call(
            arrivals.queue,
            "+8613800000000",
            None if math.isinf(patience) else patience,
            {"ZX_SKILLS": skills, "ZX_PRIO": str(arrivals.priority)},
        )
        self._next_arrival(arrivals)

    def _counts(self, customer: Customer) -> bool:
        return self._begin <= customer.entered < self._end

    def _answered(self, customer: Customer, waited: float) -> None:
        self._open -= customer.entered < self._end
        if self._counts(customer):
            self._sample.waits_answered.append(waited)
            self._sample.within += waited <= self._limits[customer.queue]

    def _left(self, customer: Customer) -> None:
        if customer.answered_at is not None:
            if self._clock.now < self._end:
                self._count_busy(customer)
            return
        self._open -= customer.entered < self._end
        if self._counts(customer):
            self._sample.waits_left.append(self._clock.now - customer.entered)

    def _count_busy(self, customer: Customer) -> None:
        """Talk inside the time that counts."""
        assert customer.answered_at is not None
        talk = self._clock.now - max(customer.answered_at, self._begin)
        self._sample.busy_seconds += max(0.0, talk)


def figures(scenario: Scenario, samples: Sequence[Sample]) -> dict[str, Figure]:
    """Means and margins over the seeds."""
    seconds = scenario.minutes * 60
    agents = sum(group.count for group in scenario.agents)
    columns: dict[str, list[float]] = {}
    for sample in samples:
        waits = sorted(sample.waits_answered + sample.waits_left)
        calls = max(1, len(waits))
        row = {
            "calls": float(len(waits)),
            "mean_wait_seconds": sum(waits) / calls,
            "median_wait_seconds": _quantile(waits, 0.5),
            "p90_wait_seconds": _quantile(waits, 0.9),
            "waited_share": sum(wait > WAIT_FLOOR_SECONDS for wait in waits) / calls,
            "abandon_share": len(sample.waits_left) / calls,
            "service_level": sample.within / calls,
            "occupancy": sample.busy_seconds / (agents * seconds),
            "queue_length": sum(waits) / seconds,
        }
        if sample.told:
            expected, waited = zip(*sample.told, strict=True)
            row["told_to_waited"] = sum(expected) / sum(waited)
            row["told_to_waited_median"] = statistics.median(expected) / statistics.median(waited)
        for name, value in row.items():
            columns.setdefault(name, []).append(value)
    return {name: _figure(values) for name, values in columns.items()}


WAIT_FLOOR_SECONDS = 0.2
"""Below this a caller went straight to an agent: the dial itself takes that long."""


def _quantile(values: Sequence[float], share: float) -> float:
    return values[min(len(values) - 1, int(share * len(values)))] if values else 0.0


def _figure(values: Sequence[float]) -> Figure:
    mean = statistics.fmean(values)
    freedom = len(values) - 1
    if freedom < 1:
        return Figure(value=mean, margin=math.inf)
    t = T_95[freedom - 1] if freedom <= len(T_95) else 1.96 + 2.4 / freedom
    return Figure(value=mean, margin=t * statistics.stdev(values) / math.sqrt(len(values)))


def run(scenario: Scenario, progress: Callable[[int], None]) -> dict[str, Figure]:
    """All seeds, on all cores; `progress` is told of each finished one."""
    samples = []
    with multiprocessing.get_context("spawn").Pool(os.cpu_count()) as pool:
        for sample in pool.imap(partial(_sample, scenario), range(1, scenario.seeds + 1)):
            samples.append(sample)
            progress(len(samples))
    return figures(scenario, samples)


def _sample(scenario: Scenario, seed: int) -> Sample:
    return ScenarioRun(scenario, seed).run()
