"""What a run is judged by besides the core's own invariants; also what real runs are judged by."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from acd.queues import relaxed
from acd.sim.channels import Customer
from acd.sim.pbx import SLICE_SECONDS
from acd.sim.server import SimServer
from config.floor import Floor
from cti import domain as d

PATIENCE_SECONDS: Final = 5.0
"""So long a caller and an agent who could serve may both stand idle."""


class Liveness:
    """Looks whether somebody waits although an agent who could serve is free, link in order.

    Who could serve is judged by what the PBX and the floor say, not by the core's index.
    """

    def __init__(self, server: SimServer, floor: Floor) -> None:
        self._server = server
        self._queues = {queue.name: queue for queue in floor.queues}
        self._agents = {agent.id: agent for agent in floor.agents}
        self._waits: dict[str, tuple[int, float]] = {}
        self._free_since: dict[str, float] = {}

    def look(self, now: float) -> Iterator[str]:
        """What is wrong at this moment; to be asked every second."""
        free = list(self._free(now))
        waiting = list(self._waiting(now))
        healthy = self._server.healthy_since
        if healthy is None or self._server.fenced:
            return
        for agent_id, free_since in free:
            for customer, waits_since in waiting:
                since = max(healthy, free_since, waits_since)
                if customer.place == "native":  # the dialplan brings them back after their slice
                    since += SLICE_SECONDS
                if now - since > PATIENCE_SECONDS and self._could_serve(agent_id, customer, now):
                    yield (
                        f"{customer.channel.name} has waited in {customer.queue} for "
                        f"{now - since:.1f} s while {agent_id} was free"
                    )

    def _free(self, now: float) -> Iterator[tuple[str, float]]:
        for agent in self._server.core.state.agents.values():
            phone = self._server.pbx.phones.get(agent.extension or "")
            free = agent.state == "ready" and agent.reachable and phone is not None
            if free and phone is not None and phone.registered and not phone.channels:
                yield agent.id, self._free_since.setdefault(agent.id, now)
            else:
                self._free_since.pop(agent.id, None)

    def _waiting(self, now: float) -> Iterator[tuple[Customer, float]]:
        known, self._waits = self._waits, {}
        for customer in self._server.pbx.customers.values():
            if customer.place in ("waiting", "native"):
                moves, since = known.get(customer.channel.name, (customer.moves, now))
                if moves != customer.moves:
                    since = now
                self._waits[customer.channel.name] = (customer.moves, since)
                yield customer, since

    def _could_serve(self, agent_id: str, customer: Customer, now: float) -> bool:
        """Whether the rules let this agent serve, and let nobody wait for another one first."""
        agent, settings = self._agents[agent_id], self._queues[customer.queue]
        if all(each.queue != customer.queue for each in agent.queues):
            return False
        core = self._server.core
        call = core.calls.call_of(customer.channel.uniqueid)
        visit_id = core.state.visit_of.get("" if call is None else call.call_id)
        visit = core.state.visits.get(visit_id or "")
        if visit is None:
            return True
        if visit.passed_over.get(agent_id, 0.0) + PATIENCE_SECONDS > now:
            return False
        if (
            visit.sticky_agent
            and now < visit.entered_at + settings.sticky_seconds + PATIENCE_SECONDS
        ):
            return False
        steps = settings.relax[: relaxed(visit, settings, now - PATIENCE_SECONDS)]
        if any(step.any_member for step in steps):
            return True
        fall = sum(step.by for step in steps)
        return all(
            agent.skills.get(skill, 0) >= level - fall for skill, level in visit.skills.items()
        )


def judge_journal(events: list[d.DomainEvent]) -> Iterator[str]:
    """What the journal of one node shows to be wrong, when every caller has left."""
    started = Counter(e.call_id for e in events if isinstance(e, d.CallStarted))
    ended = Counter(e.call_id for e in events if isinstance(e, d.CallEnded))
    merged = Counter(e.merged_call_id for e in events if isinstance(e, d.CallMerged))
    yield from (f"call {call} started {n} times" for call, n in started.items() if n != 1)
    for call in started:
        if ended[call] + merged[call] != 1:
            yield f"call {call} ended {ended[call]} times, merged {merged[call]} times"
    yield from (f"call {call} ended but never started" for call in ended if call not in started)
    yield from _pairs(
        "visit",
        [e.visit_id for e in events if isinstance(e, d.QueueEntered)],
        [e.visit_id for e in events if isinstance(e, d.QueueLeft)],
    )
    yield from _pairs(
        "offer",
        [e.offer_id for e in events if isinstance(e, d.OfferMade)],
        [e.offer_id for e in events if isinstance(e, d.OfferEnded)],
    )
    yield from _departures(events)
    hands = _Hands()
    for event in events:
        yield from hands.take(event)
    yield from hands.left_over()


class _Hands:
    """Who has which call in hand, folded anew: a call at most one owner, an agent one call."""

    def __init__(self) -> None:
        self._agents: dict[d.AgentId, d.AgentState] = {}
        self._offers: dict[d.OfferId, d.OfferMade] = {}
        self._waiting: dict[str, d.CallId] = {}
        self._left: dict[str, d.QueueLeft] = {}

    def take(self, event: d.DomainEvent) -> Iterator[str]:
        """Fold one event; tell what it breaks."""
        match event:
            case d.QueueEntered():
                yield from self._entered(event)
            case d.QueueLeft():
                self._waiting.pop(event.visit_id, None)
                self._left[event.visit_id] = event
            case d.OfferMade():
                yield from self._offered(event)
            case d.OfferEnded():
                yield from self._offer_ended(event)
            case d.AgentStateChanged():
                self._agents[event.agent_id] = event.state

    def left_over(self) -> Iterator[str]:
        """Nobody holds a call when all are over."""
        for agent_id, state in self._agents.items():
            if state in ("offered", "talking"):
                yield f"agent {agent_id} is {state} though every call has ended"

    def _entered(self, event: d.QueueEntered) -> Iterator[str]:
        if event.call_id in self._waiting.values():
            yield f"call {event.call_id} waits twice, in visit {event.visit_id} too"
        self._waiting[event.visit_id] = event.call_id

    def _offered(self, event: d.OfferMade) -> Iterator[str]:
        what = f"offer {event.offer_id} of call {event.call_id} to agent {event.agent_id}"
        for other in self._offers.values():
            if other.agent_id == event.agent_id or other.call_id == event.call_id:
                yield f"{what} is made while {other.offer_id} to {other.agent_id} is open"
        state = self._agents.get(event.agent_id)
        if state != "ready":
            yield f"{what} is made to an agent who is {state}"
        if event.visit_id not in self._waiting:
            yield f"{what} is made to a caller who does not wait"
        self._offers[event.offer_id] = event

    def _offer_ended(self, event: d.OfferEnded) -> Iterator[str]:
        offer = self._offers.pop(event.offer_id, None)
        if offer is None or event.end != "accepted":
            return
        left = self._left.get(offer.visit_id)
        if left is None or (left.reason, left.agent_id) != ("answered", event.agent_id):
            yield f"offer {event.offer_id} was accepted by {event.agent_id}, the visit says {left}"


def _departures(events: list[d.DomainEvent]) -> Iterator[str]:
    """Abandoned is whose leg ended while it waited; whom we took out is withdrawn."""
    gone = {(e.leg_id, e.at) for e in events if isinstance(e, d.LegEnded)}
    entered = {e.visit_id: e for e in events if isinstance(e, d.QueueEntered)}
    went_on = {(e.call_id, e.at) for e in entered.values()}
    last: dict[d.CallId, d.VisitEnd] = {}
    for event in events:
        if isinstance(event, d.QueueLeft) and event.visit_id in entered:
            hung_up = (entered[event.visit_id].leg_id, event.at) in gone
            replaced = (event.call_id, event.at) in went_on
            if event.reason == "abandoned" and not hung_up:
                yield f"visit {event.visit_id} is abandoned by a caller who did not hang up"
            if event.reason == "withdrawn" and hung_up and not replaced:
                yield f"visit {event.visit_id} is withdrawn from a caller who hung up"
            last[event.call_id] = event.reason
        elif isinstance(event, d.CallEnded):
            reason, outcome = last.get(event.call_id), event.outcome
            said = outcome not in ("answered", "lost")
            if said and (reason == "abandoned") != (outcome == "abandoned"):
                yield f"call {event.call_id} is {outcome}, its last visit {reason}"


def _pairs(what: str, begun: list[str], done: list[str]) -> Iterator[str]:
    begins, ends = Counter(begun), Counter(done)
    yield from (f"{what} {key} began {n} times" for key, n in begins.items() if n != 1)
    yield from (f"{what} {key} ended {ends[key]} times" for key in begins if ends[key] != 1)
    yield from (f"{what} {key} ended but never began" for key in ends if key not in begins)


def judge_call(events: list[d.DomainEvent], customer: Customer) -> Iterator[str]:
    """What the journal says otherwise than it was of a call that was watched all along."""
    leg_id = customer.channel.uniqueid
    call_ids = {e.call_id for e in events if isinstance(e, d.LegStarted) and e.leg_id == leg_id}
    ends = [e for e in events if isinstance(e, d.CallEnded) and e.call_id in call_ids]
    if len(ends) != 1:
        return
    talked = sum(end - begin for begin, end in customer.talked)
    outcome = ends[0].outcome
    if (outcome == "answered") != bool(customer.talked):
        yield f"{customer.channel.name} talked for {talked:.1f} s and the call was {outcome}"
