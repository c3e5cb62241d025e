"""Fault runs: a small floor under random calls, people and failures, every invariant checked.

One seed is one reproducible run of some simulated minutes. After every step the core's own
invariants are asked; at the end, when everyone has left, the journal itself is judged.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from acd.core import Core
from acd.sim.clockwork import Clockwork
from acd.sim.pbx import Phone
from acd.sim.server import SimServer
from config.floor import Floor
from cti.domain import (
    CallEnded,
    CallMerged,
    CallStarted,
    OfferEnded,
    OfferMade,
    QueueEntered,
    QueueLeft,
)
from cti.inputs import (
    PanelAlive,
    PanelLost,
    RejectOffer,
    SetNotReady,
    SetReady,
    SignIn,
    SignOut,
)

START = 1_790_000_000.0
AGENTS = 5
BUSY_SECONDS = 240.0
QUIET_SECONDS = 900.0


def small_floor() -> Floor:
    """Two queues that share agents, skills that relax, overflow, short timers."""
    return Floor.model_validate(
        {
            "queues": [
                {
                    "name": "sales",
                    "ring_seconds": 6,
                    "wrap_up_seconds": 5,
                    "missed_limit": 2,
                    "relax": [{"after_seconds": 15}, {"after_seconds": 30, "any_member": True}],
                    "sticky": "last",
                    "sticky_seconds": 8,
                },
                {
                    "name": "support",
                    "strategy": "fewest_calls",
                    "ring_seconds": 8,
                    "wrap_up_seconds": 0,
                    "overflow": [{"after_seconds": 60, "to": {"kind": "queue", "target": "sales"}}],
                    "max_waiting": 12,
                },
            ],
            "agents": [
                {
                    "id": f"a{number}",
                    "name": f"Agent {number}",
                    "queues": [{"queue": "sales"}, {"queue": "support"}]
                    if number % 2
                    else [{"queue": "support"}],
                    "skills": {"english": number % 5 + 1},
                }
                for number in range(AGENTS)
            ],
            "extensions": [
                {"number": f"80{number:02}", "kind": "desk" if number == 0 else "browser"}
                for number in range(AGENTS)
            ],
        }
    )


@dataclass
class Verdict:
    """What a run showed. `broken`: invariants in words, [] when all held."""

    seed: int
    calls: int = 0
    steps: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    broken: list[str] = field(default_factory=list)


class FaultRun:
    """One seed."""

    def __init__(self, seed: int) -> None:
        self.verdict = Verdict(seed=seed)
        self._rng = random.Random(seed)  # noqa: S311 - a simulation, reproducible by its seed
        self._clock = Clockwork(START)
        self._end = START + BUSY_SECONDS
        self._server = SimServer(
            self._clock,
            self._rng,
            small_floor(),
            delay_seconds=self._rng.choice([0.001, 0.02, 0.2]),
            duplicate_share=self._rng.choice([0.0, 0.0, 0.05]),
        )
        self._server.on_step = self._stepped
        self._requests = 0
        pbx = self._server.pbx
        pbx.talk_seconds = lambda: self._rng.expovariate(1 / 12)
        for number in range(AGENTS):
            extension = f"80{number:02}"
            pbx.phones[extension] = Phone(
                extension=extension,
                answer_seconds=self._pick_up,
                rejects=lambda: self._rng.random() < 0.05,
            )

    def run(self) -> Verdict:
        """All of it."""
        self._server.start()
        self._clock.run_until(START + 0.5)
        for number in range(AGENTS):
            self._sign_in(number)
        self._clock.after(0.1, self._arrival)
        self._clock.after(0.3, self._whim)
        self._clock.after(self._rng.expovariate(1 / 20), self._fault)
        self._clock.run_until(self._end)
        self._heal()
        self._clock.run_until(self._end + QUIET_SECONDS)
        self._judge()
        return self.verdict

    # --- people ---

    def _pick_up(self) -> float | None:
        return None if self._rng.random() < 0.15 else self._rng.expovariate(1 / 2)

    def _sign_in(self, number: int) -> None:
        agent, extension = f"a{number}", f"80{number:02}"
        self._request(SignIn, agent_id=agent, extension=extension, confirm_takeover=True)
        self._server.step(PanelAlive(agent_id=agent))
        self._request(SetReady, agent_id=agent)

    def _request(self, kind: Callable[..., object], **fields: object) -> None:
        self._requests += 1
        self._server.step(kind(request_id=str(self._requests), **fields))  # type: ignore[arg-type]

    def _arrival(self) -> None:
        if self._clock.now >= self._end:
            return
        self.verdict.calls += 1
        variables = {"ZX_PRIO": str(self._rng.choice([0, 0, 0, 5]))}
        if self._rng.random() < 0.3:
            variables["ZX_SKILLS"] = f"english:{self._rng.randint(1, 5)}"
        if self._rng.random() < 0.2:
            variables["ZX_STICKY"] = f"a{self._rng.randrange(AGENTS + 1)}"
        self._server.pbx.call(
            self._rng.choice(["sales", "support"]),
            f"+86138{self._rng.randrange(10**8):08}",
            self._rng.expovariate(1 / 40),
            variables,
        )
        self._clock.after(self._rng.expovariate(1 / 3), self._arrival)

    def _whim(self) -> None:
        """An agent does something."""
        if self._clock.now >= self._end:
            return
        number = self._rng.randrange(AGENTS)
        agent, extension = f"a{number}", f"80{number:02}"
        offers = [
            record.event
            for record in self._server.journal[-40:]
            if isinstance(record.event, OfferMade) and record.event.agent_id == agent
        ]
        self._rng.choice(
            [
                partial(self._request, SetReady, agent_id=agent),
                partial(self._request, SetReady, agent_id=agent),
                partial(self._request, SetNotReady, agent_id=agent, reason="rest"),
                partial(self._request, SignOut, agent_id=agent),
                partial(self._sign_in, number),
                partial(self._sign_in, number),
                partial(self._server.pbx.agent_hangs_up, extension),
                partial(self._panel, agent),
                partial(
                    self._request,
                    RejectOffer,
                    agent_id=agent,
                    offer_id=offers[-1].offer_id if offers else "none",
                ),
            ]
        )()
        self._clock.after(self._rng.expovariate(1 / 2), self._whim)

    def _panel(self, agent: str) -> None:
        self._server.step(PanelLost(agent_id=agent))
        self._clock.after(
            self._rng.uniform(0, 8), lambda: self._server.step(PanelAlive(agent_id=agent))
        )

    # --- failures ---

    def _fault(self) -> None:
        if self._clock.now >= self._end:
            return
        name = self._rng.choice(["cut", "kill", "stall", "phone", "pbx"])
        self.verdict.faults[name] += 1
        away = self._rng.choice([0.05, 1.0, 12.0, 30.0])
        match name:
            case "cut":
                self._server.cut()
                self._clock.after(away, self._server.connect)
            case "kill":
                self._server.kill()
                self._clock.after(away, self._restart)
            case "stall":
                self._server.stall(away)
            case "phone":
                self._phone_dies(f"80{self._rng.randrange(AGENTS):02}", away)
            case "pbx":
                self._server.cut()
                self._server.pbx.restart()
                self._clock.after(away, self._server.connect)
        self._clock.after(self._rng.expovariate(1 / 30), self._fault)

    def _restart(self) -> None:
        if not self._server.alive:
            self._server.start()
            for number in range(AGENTS):
                self._server.step(PanelAlive(agent_id=f"a{number}"))

    def _phone_dies(self, extension: str, away: float) -> None:
        self._server.pbx.set_registered(extension, False)
        self._clock.after(away, lambda: self._server.pbx.set_registered(extension, True))

    def _heal(self) -> None:
        """Everything works again, and everybody is ready."""
        self._restart()
        self._server.connect()
        self._clock.run_until(self._clock.now + 40)
        for extension in self._server.pbx.phones:
            self._server.pbx.set_registered(extension, True)
        for phone in self._server.pbx.phones.values():
            phone.answer_seconds = lambda: 1.0
            phone.rejects = lambda: False
        self._clock.run_until(self._clock.now + 20)
        for number in range(AGENTS):
            self._sign_in(number)

    # --- the verdict ---

    def _stepped(self) -> None:
        self.verdict.steps += 1
        for broken in self._server.core.check(self._clock.now):
            self._broken(broken)

    def _broken(self, words: str) -> None:
        if len(self.verdict.broken) < 20:
            self.verdict.broken.append(f"t+{self._clock.now - START:.3f}: {words}")

    def _judge(self) -> None:
        if self._server.pbx.customers:
            left = ", ".join(
                f"{customer.channel.name} {customer.place}"
                for customer in self._server.pbx.customers.values()
            )
            self._broken(f"callers are still in the PBX: {left}")
        for words in judge_journal([record.event for record in self._server.journal]):
            self._broken(words)
        seqs = [record.seq for record in self._server.journal]
        if seqs != list(range(1, len(seqs) + 1)):
            self._broken("the journal's numbers have holes or repeats")
        self._judge_replay()

    def _judge_replay(self) -> None:
        replayed = Core(small_floor(), "sim")
        for record in self._server.journal:
            replayed.evolve(record)
        if replayed.dump() != self._server.core.dump():
            self._broken("replaying the journal does not give the state that wrote it")


def judge_journal(events: list[object]) -> list[str]:
    """What the journal as a whole shows to be wrong, when every caller has left."""
    broken: list[str] = []
    started = Counter(event.call_id for event in events if isinstance(event, CallStarted))
    ended = Counter(event.call_id for event in events if isinstance(event, CallEnded))
    merged = Counter(event.merged_call_id for event in events if isinstance(event, CallMerged))
    broken += [f"call {call} started {n} times" for call, n in started.items() if n != 1]
    for call in started:
        if ended[call] + merged[call] != 1:
            broken.append(f"call {call} ended {ended[call]} times, merged {merged[call]} times")
    broken += [f"call {call} ended but never started" for call in ended if call not in started]
    broken += _pairs(
        "visit",
        [event.visit_id for event in events if isinstance(event, QueueEntered)],
        [event.visit_id for event in events if isinstance(event, QueueLeft)],
    )
    broken += _pairs(
        "offer",
        [event.offer_id for event in events if isinstance(event, OfferMade)],
        [event.offer_id for event in events if isinstance(event, OfferEnded)],
    )
    return broken


def _pairs(what: str, begun: list[str], done: list[str]) -> list[str]:
    begins, ends = Counter(begun), Counter(done)
    broken = [f"{what} {key} began {n} times" for key, n in begins.items() if n != 1]
    broken += [f"{what} {key} ended {ends[key]} times" for key in begins if ends[key] != 1]
    return broken + [f"{what} {key} ended but never began" for key in ends if key not in begins]


def run_seed(seed: int) -> Verdict:
    """One reproducible fault run."""
    return FaultRun(seed).run()
