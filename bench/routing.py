"""`./zuoxi bench routing`: how long a decision takes with 100, 1,000 and 10,000 agents.

One decision is one whole step of the core: an input goes in, and out come the journal's events with
the reasons and the command that makes the phone ring. Two kinds are measured at each size, mixed
half and half: a caller enters while agents are free, and an agent becomes ready while callers wait.
There are 200 skills, each agent has ten of them and works in two of ten queues, each caller asks
for one to three skills, and as many callers wait as there are agents.

The rival is the plain scan that a queue without an index makes: look at every free agent or every
waiting caller, keep who fits, take the best by the same rules. It finds the same choice (checked
where it runs) but writes no reasons, events or commands.

The garbage collector is set as the server sets it. Times are processor time. The same decisions
are taken in several runs from the same seed, and the least time of each one counts, since a busy
machine makes the caches cold; the times of a single run are told too.
"""

from __future__ import annotations

import gc
import random
import time
from collections.abc import Iterable, Iterator
from statistics import quantiles

from acd import queues
from acd.core import Core
from acd.queues import Visit
from bench.report import Figure, Report, figure, report
from config.floor import (
    AgentSettings,
    ExtensionSettings,
    Floor,
    Membership,
    QueueSettings,
)
from cti import commands as c
from cti import inputs as i
from cti.ami import events as ami
from cti.collector import calm

SIZES = (100, 1_000, 10_000)
SKILLS = 200
SKILLS_OF_AGENT = 10
QUEUES = 10
QUEUES_OF_AGENT = 2
RUNS = 5
DECISIONS = 400
"""Of each kind at each size."""
WARM_UP = 100
SCANNED = 10
"""The scan is run for every tenth decision, as it takes so much longer, and in runs of its own: it
leaves none of our data in the caches."""
SCANNING_RUNS = 2
GOAL_MILLISECONDS = 0.2
GOAL_GROWTH = 3.0
START = 1_790_000_000.0


def floor(agents: int, rng: random.Random) -> Floor:
    """Ten queues of different weights; each agent has ten skills and works in two queues."""
    names = [f"q{number}" for number in range(QUEUES)]
    return Floor(
        queues=[
            QueueSettings(name=name, weight=1 + number % 3, recording="never")
            for number, name in enumerate(names)
        ],
        agents=[
            AgentSettings(
                id=str(number),
                name=f"Agent {number}",
                queues=[Membership(queue=name) for name in rng.sample(names, QUEUES_OF_AGENT)],
                skills={
                    f"s{skill}": rng.randint(1, 5)
                    for skill in rng.sample(range(SKILLS), SKILLS_OF_AGENT)
                },
            )
            for number in range(agents)
        ],
        extensions=[
            ExtensionSettings(number=f"8{number:05}", kind="desk") for number in range(agents)
        ],
    )


class Hall:
    """A core with everybody signed in; a caller is one channel that enters a queue."""

    def __init__(self, agents: int) -> None:
        self.rng = random.Random(agents)
        self.floor = floor(agents, self.rng)
        self.core = Core(self.floor, "b1")
        self.now = START
        self.callers = 0
        snapshot = i.PbxSnapshot(
            at=self.now,
            pbx_started_at=self.now - 1,
            epoch=1,
            channels=[],
            device_states={f"PJSIP/{each.number}": "NOT_INUSE" for each in self.floor.extensions},
        )
        self.step(i.LinkUp(snapshot=snapshot, gap_from=None, gap_to=None))
        for agent, extension in zip(self.floor.agents, self.floor.extensions, strict=True):
            self.step(i.SignIn(request_id="r", agent_id=agent.id, extension=extension.number))
        self.settings = {queue.name: queue for queue in self.floor.queues}
        self.agents = {agent.id: agent for agent in self.floor.agents}

    def step(self, item: i.Input) -> c.Assign | None:
        """One step; the offer that came of it."""
        self.now += 0.001
        output = self.core.step(item, self.now)
        return next((each for each in output.commands if isinstance(each, c.Assign)), None)

    def ready(self, agent_id: str) -> i.Input:
        """The click."""
        return i.SetReady(request_id="r", agent_id=agent_id)

    def rest(self, agent_id: str) -> None:
        """Take an agent out."""
        self.step(i.SetNotReady(request_id="r", agent_id=agent_id, reason="rest"))

    def arrival(self) -> i.Input:
        """A channel rings in (done here); the entering of a queue is left to do."""
        self.callers += 1
        uniqueid = f"1.{self.callers}"
        channel = f"PJSIP/trunk-{self.callers}"
        self.step(
            i.PbxEvent(
                event=ami.Newchannel(
                    channel=channel,
                    uniqueid=uniqueid,
                    linkedid=uniqueid,
                    state=6,
                    caller_number="13800138000",
                ),
                at=self.now,
            )
        )
        count = self.rng.choices((1, 2, 3), (6, 3, 1))[0]
        wishes = "&".join(
            f"s{skill}:{self.rng.randint(1, 5)}" for skill in self.rng.sample(range(SKILLS), count)
        )
        headers = {
            "Queue": f"q{self.rng.randrange(QUEUES)}",
            "CallerPriority": str(self.rng.choice((0, 0, 0, 5))),
            "Skills": wishes,
        }
        return i.PbxEvent(
            event=ami.UserEvent(
                name="ZxEnter",
                channel=channel,
                uniqueid=uniqueid,
                linkedid=uniqueid,
                headers=headers,
            ),
            at=self.now,
        )

    def hang_up(self, channel: str) -> None:
        """The caller is gone."""
        uniqueid = f"1.{channel.rpartition('-')[2]}"
        hangup = ami.Hangup(channel=channel, uniqueid=uniqueid, linkedid=uniqueid, cause=16)
        self.step(i.PbxEvent(event=hangup, at=self.now))

    # --- the rival ------------------------------------------------------------------------------

    def meets(self, agent_id: str, visit: Visit) -> bool:
        """Whether the agent could serve the caller."""
        agent = self.agents[agent_id]
        return any(each.queue == visit.queue for each in agent.queues) and all(
            agent.skills.get(skill, 0) >= level for skill, level in visit.skills.items()
        )

    def scan_agents(self, visit: Visit) -> str:
        """Of the free agents who fit, the one who has been idle longest."""
        fit = [
            (agent.idle_since, place, agent.id)
            for place, agent in enumerate(self.core.state.agents.values())
            if agent.state == "ready" and self.meets(agent.id, visit)
        ]
        return min(fit)[2]

    def scan_callers(self, agent_id: str, now: float, offered: str) -> str:
        """Of the waiting callers who fit, the most urgent one; `offered` waited a moment ago."""
        fit = [
            (-queues.urgency(visit, self.settings[visit.queue], now), visit.order, visit.channel)
            for visit in self.core.state.visits.values()
            if (visit.offer_id is None or visit.channel == offered) and self.meets(agent_id, visit)
        ]
        return min(fit)[2]


class Times:
    """Seconds of decisions, in the order in which they were taken."""

    def __init__(self, *, scanning: bool) -> None:
        self.scanning = scanning
        self.ours: list[float] = []
        self.scan: list[float] = []

    def scans(self, done: int) -> bool:
        """Whether the scan is run after this decision."""
        return self.scanning and done % SCANNED == 0


def least(runs: Iterable[list[float]]) -> list[float]:
    """The least time of each decision over equal runs."""
    return [min(each) for each in zip(*runs, strict=True)]


def percentile(seconds: list[float], share: int) -> float:
    """A percentile in milliseconds."""
    return quantiles(seconds, n=100)[share - 1] * 1000


def callers_find_agents(hall: Hall, decisions: int, times: Times) -> None:
    """Everybody is free, nobody waits; callers come one by one."""
    for agent in hall.floor.agents:
        hall.step(hall.ready(agent.id))
    gc.collect()
    done = 0
    while done < decisions:
        arrival = hall.arrival()
        began = time.thread_time()
        assign = hall.step(arrival)
        took = time.thread_time() - began
        if assign is not None:
            done += 1
            times.ours.append(took)
            visit = next(iter(hall.core.state.visits.values()))
            hall.hang_up(visit.channel)
            if times.scans(done):
                began = time.thread_time()
                found = hall.scan_agents(visit)
                times.scan.append(time.thread_time() - began)
                assert found == assign.agent_id, (found, assign.agent_id)
        else:
            hall.hang_up(f"PJSIP/trunk-{hall.callers}")
    for agent in hall.floor.agents:
        hall.rest(agent.id)


def agents_find_callers(hall: Hall, decisions: int, times: Times) -> None:
    """Nobody is free, as many callers wait as there are agents; agents become ready one by one."""
    for _ in hall.floor.agents:
        hall.step(hall.arrival())
    gc.collect()
    done = 0
    while done < decisions:
        agent = hall.rng.choice(hall.floor.agents)
        began = time.thread_time()
        assign = hall.step(hall.ready(agent.id))
        took = time.thread_time() - began
        decided_at = hall.now
        if assign is not None:
            done += 1
            times.ours.append(took)
            if times.scans(done):
                began = time.thread_time()
                found = hall.scan_callers(agent.id, decided_at, assign.channel)
                times.scan.append(time.thread_time() - began)
                assert found == assign.channel, (found, assign.channel)
        hall.rest(agent.id)
        gone = next(iter(hall.core.state.visits.values())).channel
        hall.hang_up(gone if assign is None else assign.channel)
        hall.step(hall.arrival())


def measured(size: int, *, scanning: bool) -> Times:
    """Both kinds of decisions at one size."""
    hall, times = Hall(size), Times(scanning=scanning)
    calm()
    callers_find_agents(hall, WARM_UP, Times(scanning=False))
    callers_find_agents(hall, DECISIONS, times)
    agents_find_callers(hall, DECISIONS, times)
    gc.unfreeze()
    return times


def figures() -> Iterator[Figure]:
    """Each size against the scan, the largest against the goal, and the growth."""
    ours = {}
    for size in SIZES:
        runs = [measured(size, scanning=False).ours for _ in range(RUNS)]
        ours[size] = least(runs)
        scan = least(measured(size, scanning=True).scan for _ in range(SCANNING_RUNS))
        for share in (50, 99):
            yield figure(
                f"decision p{share}, {size} agents",
                percentile(ours[size], share),
                "ms",
                better="lower",
                rival="plain scan",
                rival_value=percentile(scan, share),
            )
        yield figure(
            f"decision p99 of a single run, {size} agents",
            percentile(runs[-1], 99),
            "ms",
            better="lower",
        )
    large = percentile(ours[SIZES[-1]], 99)
    yield figure(
        f"decision p99, {SIZES[-1]} agents: goal",
        large,
        "ms",
        better="lower",
        goal=GOAL_MILLISECONDS,
    )
    yield figure(
        f"decision p99, {SIZES[-1]} agents: growth",
        large,
        "ms",
        better="lower",
        rival=f"{SIZES[0]} agents",
        rival_value=percentile(ours[SIZES[0]], 99),
        goal=GOAL_GROWTH,
    )


def run() -> Report:
    """The whole bench."""
    began = time.perf_counter()
    found = list(figures())
    return report("routing", time.perf_counter() - began, found)
