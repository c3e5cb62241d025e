"""Fault runs: a small floor under random calls, people and failures, every invariant checked.

One seed is one reproducible run of some simulated minutes. After every step the core's own
invariants are asked; every second it is looked whether anybody waits for nothing; at the end, when
everyone has left, the journal itself is judged.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from acd.core import Core
from acd.sim.channels import Customer, Phone
from acd.sim.clockwork import Clockwork
from acd.sim.handset import Handset
from acd.sim.judging import judge_call, judge_journal, told_twice
from acd.sim.pbx import OUTSIDE, SimPbx
from acd.sim.server import SimServer
from acd.sim.watching import Watch
from config.floor import Floor
from cti.domain import CallEvent, CallHandedOver, OfferMade, RecordingStarted
from cti.inputs import (
    ClearNextState,
    ExtendWrapUp,
    HangUpCall,
    PanelAlive,
    PanelLost,
    PauseRecording,
    RecordingChecked,
    RejectOffer,
    Request,
    ResumeRecording,
    RetakeCall,
    SetNotReady,
    SetReady,
    SignIn,
    SignOut,
)

START = 1_790_000_000.0
"""A Monday, 21:33 in Shanghai."""
AGENTS = 6
NEW_ENOUGH_SHARE = 0.8
BLACKLISTED_SHARE = 0.04
BUSY_SECONDS = 240.0
QUIET_SECONDS = 900.0
SECOND_SERVER_SECONDS = 15.0
WATCH_SECONDS = 2.0
QUEUES = ("sales", "support", "night", "gold", "tech")
MEMBERS = (
    ("sales", "support", "gold"),
    ("sales", "support", "night", "tech"),
    ("support", "night", "gold", "tech"),
)


def small_floor() -> Floor:
    """Queues that share agents, one of each strategy.

    With skills that relax, tiers, weights, priorities, overflow, announcements, a closing time.
    """
    return Floor.model_validate(
        {
            "time_zone": "Asia/Shanghai",
            "queues": [
                {
                    "name": "sales",
                    "strategy": "fewest_calls",
                    "ring_seconds": 6,
                    "wrap_up_seconds": 5,
                    "missed_limit": 2,
                    "relax": [{"after_seconds": 15}, {"after_seconds": 30, "any_member": True}],
                    "sticky": "last",
                    "sticky_seconds": 8,
                    "announce_every_seconds": 10,
                    "announce_position": True,
                    "survey": True,
                },
                {
                    "name": "support",
                    "strategy": "tiers",
                    "ring_seconds": 8,
                    "wrap_up_seconds": 0,
                    "overflow": [
                        {"after_seconds": 30, "to": {"kind": "queue", "target": "sales"}},
                        {"after_seconds": 70, "to": {"kind": "callback"}},
                    ],
                    "max_waiting": 12,
                    "recording": "never",
                },
                {
                    "name": "night",
                    "strategy": "random",
                    "seed": 7,
                    "ring_seconds": 6,
                    "wrap_up_seconds": 3,
                    "relax": [{"after_seconds": 45, "any_member": True}],
                    "hours": [{"days": [1, 2, 3, 4, 5, 6, 7], "start": "00:00", "to": "21:36"}],
                    "when_closed": {"kind": "voicemail", "target": "100"},
                    "when_no_agents": {"kind": "queue", "target": "support"},
                },
                {
                    "name": "gold",
                    "strategy": "round_robin",
                    "weight": 3,
                    "priority": 1,
                    "ageing_seconds": 20,
                    "relax": [{"after_seconds": 25, "by": 2}, {"after_seconds": 50, "by": 2}],
                    "ring_seconds": 7,
                    "wrap_up_seconds": 2,
                },
                {
                    "name": "tech",
                    "ageing_seconds": 0,
                    "skills": {"english": 2},
                    "relax": [{"after_seconds": 20, "by": 2}],
                    "ring_seconds": 6,
                    "wrap_up_seconds": 1,
                    "overflow": [
                        {"waiting_over": 4, "to": {"kind": "queue", "target": "gold"}},
                    ],
                },
            ],
            "agents": [
                {
                    "id": f"a{number}",
                    "name": f"Agent {number}",
                    "queues": [
                        {"queue": queue, "tier": number // 3 + 1}
                        for queue in MEMBERS[number % len(MEMBERS)]
                    ],
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
        rng = self._rng = random.Random(seed)  # noqa: S311 - a simulation, reproducible by its seed
        self._clock = Clockwork(START)
        self._end = START + BUSY_SECONDS
        self._floor = small_floor()
        pbx = self.pbx = SimPbx(self._clock, rng)
        pbx.tell.jitter_seconds = rng.choice([0.0, 0.002, 0.05])
        pbx.tell.offset_seconds = rng.choice([0.0, 0.0, 1.7, -4.0, 3600.0])
        pbx.reaction_seconds = rng.choice([0.0, 0.01, 0.2])
        pbx.enter_seconds = lambda: rng.choice([0.0, rng.uniform(0.01, 2.0)])
        mean_talk_seconds = rng.choice([6.0, 12.0, 18.0])
        pbx.talk_seconds = lambda: rng.expovariate(1 / mean_talk_seconds)
        pbx.queues = set(QUEUES)
        pbx.releases = rng.random() < NEW_ENOUGH_SHARE
        pbx.renamed_share = rng.choice([0.0, 0.2])
        delay_seconds = rng.choice([0.001, 0.02, 0.2])
        self.server = self._make_server("sim", delay_seconds)
        self.server.crash_share = rng.choice([0.0, 0.002])
        self.server.on_death = self._died
        self.server.on_step = self._stepped
        pbx.hook = self.server.step
        self._rival = self._make_server("rival", 0.02)
        self._rival.on_step = lambda: self._check(self._rival)
        self._unowned: set[str] = set()
        self._watching = Watch(self.server, self._floor)
        self._requests = 0
        self._watched: list[Customer] = []
        pbx.on_left = self._left
        self._handsets = []
        for number in range(AGENTS):
            extension = f"80{number:02}"
            pbx.phones[extension] = Phone(
                extension=extension,
                answer_seconds=self._pick_up,
                rejects=lambda: rng.random() < 0.05,
            )
            self._handsets.append(Handset(pbx, extension))

    def _make_server(self, node: str, delay_seconds: float) -> SimServer:
        return SimServer(
            self._clock,
            self._rng,
            self._floor,
            self.pbx,
            node=node,
            delay_seconds=delay_seconds,
            duplicate_share=self._rng.choice([0.0, 0.0, 0.05]),
            syncing_seconds=self._rng.choice([0.0, 0.05, 1.0]),
        )

    def run(self) -> Verdict:
        """All of it."""
        self.server.start()
        self._clock.run_until(START + 2.5)
        for number in range(AGENTS):
            self._sign_in(number)
        self._clock.after(0.1, self._arrival)
        self._clock.after(0.3, self._whim)
        self._clock.after(1.0, self._look)
        self._clock.after(self._rng.expovariate(1 / 20), self._fault)
        self._clock.run_until(self._end)
        self._heal()
        self._clock.run_until(self._end + QUIET_SECONDS)
        self._judge()
        self._judge_rival()
        self.verdict.faults["crash"] = self.server.crashes
        return self.verdict

    # --- people -------------------------------------------------------------------------------

    def _pick_up(self) -> float | None:
        return None if self._rng.random() < 0.15 else self._rng.expovariate(1 / 2)

    def _sign_in(self, number: int) -> None:
        agent, extension = f"a{number}", f"80{number:02}"
        self._request(SignIn, agent_id=agent, extension=extension, confirm_takeover=True)
        self.server.step(PanelAlive(agent_id=agent))
        self._request(SetReady, agent_id=agent)

    def _request(self, kind: Callable[..., Request], **fields: object) -> None:
        self._requests += 1
        self.server.step(kind(request_id=str(self._requests), **fields))

    def _arrival(self) -> None:
        if self._clock.now >= self._end:
            return
        self.verdict.calls += 1
        variables = {"ZX_PRIO": str(self._rng.choice([0, 0, 0, 1, 5, -1]))}
        if self._rng.random() < 0.3:
            variables["ZX_SKILLS"] = f"english:{self._rng.randint(1, 5)}"
        if self._rng.random() < 0.2:
            variables["ZX_STICKY"] = f"a{self._rng.randrange(AGENTS + 1)}"
        if self._rng.random() < BLACKLISTED_SHARE:
            variables["ZX_REFUSE"] = "blacklist"
        self.pbx.call(
            self._rng.choice([*QUEUES, "support"]),
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
        if self._rng.random() < 2 / 3:
            self._at_the_panel(number)
        else:
            self._at_the_phone(number)
        self._clock.after(self._rng.expovariate(1 / 2), self._whim)

    def _at_the_panel(self, number: int) -> None:
        agent = f"a{number}"
        state = self.server.core.state.agents[agent]
        call_id = next(iter(state.legs.values()), "none")
        self._rng.choice(
            [
                partial(self._request, SetReady, agent_id=agent),
                partial(self._request, SetReady, agent_id=agent),
                partial(self._request, SetNotReady, agent_id=agent, reason="rest"),
                partial(self._request, ClearNextState, agent_id=agent),
                partial(self._request, SignOut, agent_id=agent),
                partial(self._sign_in, number),
                partial(self._sign_in, number),
                partial(self._panel, agent),
                partial(self._request, HangUpCall, agent_id=agent, call_id=call_id),
                partial(self._request, RetakeCall, agent_id=agent, call_id=call_id),
                partial(self._request, ExtendWrapUp, agent_id=agent, seconds=5),
                partial(self._request, PauseRecording, agent_id=agent, call_id=call_id),
                partial(self._request, ResumeRecording, agent_id=agent, call_id=call_id),
                partial(self._request, RejectOffer, agent_id=agent, offer_id=self._offer_of(agent)),
            ]
        )()

    def _offer_of(self, agent: str) -> str:
        """The latest offer to the agent, which may be over."""
        made = (record.event for record in reversed(self.server.journal[-40:]))
        return next(
            (e.offer_id for e in made if isinstance(e, OfferMade) and e.agent_id == agent), "none"
        )

    def _at_the_phone(self, number: int) -> None:
        handset = self._handsets[number]
        to = self._rng.choice([*QUEUES, *self.pbx.phones, "02112345678"])
        acts: list[Callable[[], None]] = [
            handset.hang_up,
            partial(handset.dial, to),
            partial(handset.consult, to),
            partial(handset.consult, to),
            partial(handset.end_consultation, transfer=True),
            partial(handset.end_consultation, transfer=True),
            partial(handset.end_consultation, transfer=False),
            partial(handset.transfer_blind, to),
        ]
        self._rng.choice(acts)()

    def _panel(self, agent: str) -> None:
        self.server.step(PanelLost(agent_id=agent))
        self._clock.after(
            self._rng.uniform(0, 8), lambda: self.server.step(PanelAlive(agent_id=agent))
        )

    # --- failures -----------------------------------------------------------------------------

    def _fault(self) -> None:
        if self._clock.now >= self._end:
            return
        away = self._rng.choice([0.05, 1.0, 3.0, 12.0, 30.0])
        name = self._rng.choice(["cut", "kill", "stall", "phone", "pbx", "rival"])
        self.verdict.faults[name] += 1
        match name:
            case "cut":
                self.server.cut()
                self._clock.after(away, self.server.connect)
            case "kill":
                self.server.kill()
            case "stall":
                self.server.stall(away)
            case "phone":
                self._phone_dies(f"80{self._rng.randrange(AGENTS):02}", away)
            case "pbx":
                self._pbx_dies(away)
            case "rival":
                self._take_over()
        self._clock.after(self._rng.expovariate(1 / 30), self._fault)

    def _died(self) -> None:
        self._clock.after(self._rng.choice([0.05, 1.0, 12.0, 30.0]), self._restart)

    def _restart(self) -> None:
        if not self.server.alive:
            self.server.start()
            for number in range(AGENTS):
                self.server.step(PanelAlive(agent_id=f"a{number}"))

    def _take_over(self) -> None:
        """A second server takes the PBX over; somebody ends it and starts the first anew.

        The first one may have died before, so that it does not learn of the second in time.
        """
        if self._rival.alive:
            self._rival.kill()
        if self._rng.random() < 0.3 and self.server.alive:
            self.server.kill()
        self._rival.start()
        self._clock.after(self._rng.uniform(0.5, SECOND_SERVER_SECONDS), self._settle_rivals)

    def _settle_rivals(self) -> None:
        if self._rng.random() < 0.5:
            self._rival.kill()
        else:  # it learns of the first one's new epoch, and stops by itself
            self._clock.after(self._rng.uniform(1, 20), self._rival.kill)
        if self.server.alive:
            self.server.kill()

    def _pbx_dies(self, away: float) -> None:
        """And is started anew. It has forgotten whose its calls were.

        So a server that was away when another had them takes them for lost with the PBX.
        """
        for server in (self.server, self._rival):
            server.cut()
            self._unowned.update(leg for call in server.core.calls.live() for leg in call.legs)
            self._clock.after(away, server.connect)
        self.pbx.restart()

    def _phone_dies(self, extension: str, away: float) -> None:
        self.pbx.set_registered(extension, False)
        self._clock.after(away, lambda: self.pbx.set_registered(extension, True))

    def _heal(self) -> None:
        """Everything works again, and everybody is ready."""
        self.server.crash_share = 0.0
        self._clock.run_until(self._clock.now + 2 * SECOND_SERVER_SECONDS + 10)
        self._restart()
        if self.server.fenced:
            self.server.kill()
            self._restart()
        self.server.connect()
        self._clock.run_until(self._clock.now + 40)
        for extension in self.pbx.phones:
            self.pbx.set_registered(extension, True)
        for phone in self.pbx.phones.values():
            phone.answer_seconds = lambda: 1.0
            phone.rejects = lambda: False
        self._clock.run_until(self._clock.now + 20)
        for number in range(AGENTS):
            self._sign_in(number)

    def _left(self, customer: Customer) -> None:
        """Keep the caller whose whole call and a little more was heard by a server in order."""
        if customer.channel.name.startswith(OUTSIDE):
            self._clock.after(WATCH_SECONDS, partial(self._keep, customer))

    def _keep(self, customer: Customer) -> None:
        healthy = self.server.healthy_since
        if healthy is not None and healthy < customer.channel.born and not self.server.fenced:
            self._watched.append(customer)

    # --- the verdict --------------------------------------------------------------------------

    def _stepped(self) -> None:
        self.verdict.steps += 1
        self._check(self.server)
        for record in self.server.fresh():
            for words in self._watching.heard(record.event, self._clock.now):
                self._broken(words)
            if isinstance(record.event, RecordingStarted):
                self._clock.after(300.0, partial(self._check_recording, record.event))

    def _check_recording(self, event: RecordingStarted) -> None:
        """What the server's recording worker finds, if the call is still the server's."""
        handed_over = CallHandedOver in {
            type(record.event)
            for record in self.server.journal
            if isinstance(record.event, CallEvent) and record.event.call_id == event.call_id
        }
        if handed_over:
            return
        self.server.step(
            RecordingChecked(
                call_id=event.call_id, recording_id=event.recording_id, fault="missing"
            )
        )

    def _check(self, server: SimServer) -> None:
        for broken in server.core.check(self._clock.now):
            self._broken(f"{server.node}: {broken}")

    def _look(self) -> None:
        for words in self._watching.look(self._clock.now):
            self._broken(words)
        self._clock.after(1.0, self._look)

    def _broken(self, words: str) -> None:
        if len(self.verdict.broken) < 20:
            self.verdict.broken.append(f"t+{self._clock.now - START:.3f}: {words}")

    def _judge(self) -> None:
        if self.pbx.customers:
            left = ", ".join(
                f"{customer.channel.name} {customer.place}"
                for customer in self.pbx.customers.values()
            )
            self._broken(f"callers are still in the PBX: {left}")
        events = [record.event for record in self.server.journal]
        for words in judge_journal(events):
            self._broken(words)
        for name in self.pbx.torn:
            self._broken(f"{name} was fetched out of a talk that Asterisk's own queue had made")
        for customer in self._watched:
            for words in judge_call(events, customer):
                self._broken(words)
        seqs = [record.seq for record in self.server.journal]
        if seqs != list(range(1, len(seqs) + 1)):
            self._broken("the journal's numbers have holes or repeats")
        self._judge_replay()

    def _judge_rival(self) -> None:
        """The second server comes back once more, and finds what became of its calls."""
        events = [record.event for record in self.server.journal]
        if not self._rival.alive:
            self._rival.start()
            self._clock.run_until(self._clock.now + 10)
        others = [record.event for record in self._rival.journal]
        for words in judge_journal(others):
            self._broken(f"rival: {words}")
        for leg_id in told_twice([events, others]):
            if leg_id not in self._unowned:
                self._broken(f"channel {leg_id} stands in the calls of both servers")

    def _judge_replay(self) -> None:
        replayed = Core(self._floor, "sim")
        for record in self.server.journal:
            replayed.evolve(record)
        if replayed.dump() != self.server.core.dump():
            self._broken("replaying the journal does not give the state that wrote it")


def run_seed(seed: int) -> Verdict:
    """One reproducible fault run."""
    return FaultRun(seed).run()
