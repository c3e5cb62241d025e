"""What is looked at while a fault run goes on, with eyes that do not look through the core's.

Who waits, talks and is free is what the simulated PBX says; who may serve, who is more urgent and
whom a strategy prefers is worked out here from the floor and the journal, not by the core's index.
Only what has been so for a while is judged: news and commands may be under way.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterator, Mapping
from typing import Final

from acd.agents import Agent
from acd.queues import Visit, relaxed, returns_until
from acd.sim.channels import Customer
from acd.sim.pbx import SLICE_SECONDS
from acd.sim.server import SimServer
from config.floor import Floor, QueueSettings
from cti import domain as d

PATIENCE_SECONDS: Final = 5.0
"""So long a caller and an agent who could serve may both stand idle."""
FREE_SECONDS: Final = 1.0
"""So long it may take until the server knows that a phone is free."""
SAME_SECONDS: Final = 1.0
"""Callers who entered within it stand in either order: the clocks are not that exact."""
DAY_SECONDS: Final = 86400.0


class Since:
    """Since when things have been as they are, as far as it was looked."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Hashable, float]] = {}

    def note(self, facts: Mapping[str, Hashable], now: float) -> None:
        """How all things are now; what is not named has no state."""
        known = self._known
        self._known = {
            key: known[key] if key in known and known[key][0] == fact else (fact, now)
            for key, fact in facts.items()
        }

    def get(self, key: str, fact: Hashable = True) -> float | None:
        """Since when the thing is in this state, None where it was not when last looked at."""
        noted = self._known.get(key)
        return noted[1] if noted is not None and noted[0] == fact else None


class Standing:
    """What the strategies go by, as the journal tells it."""

    def __init__(self, floor: Floor) -> None:
        self._tiers = {
            (each.queue, agent.id): each.tier for agent in floor.agents for each in agent.queues
        }
        self._states: dict[d.AgentId, d.AgentState] = {}
        self._idle_since: dict[d.AgentId, float] = {}
        self._calls: Counter[d.AgentId] = Counter()
        self._offered_at: dict[tuple[d.QueueName, d.AgentId], float] = {}

    def apply(self, event: d.DomainEvent) -> None:
        """Fold one event in."""
        match event:
            case d.AgentSignedIn():
                self._calls[event.agent_id] = 0
            case d.QueueLeft(reason="answered", agent_id=str(agent_id)):
                self._calls[agent_id] += 1
            case d.OfferMade():
                self._offered_at[event.queue, event.agent_id] = event.at
            case d.OfferEnded(counts_as_miss=True):
                self._idle_since[event.agent_id] = event.at
            case d.AgentStateChanged():
                was = self._states.get(event.agent_id)
                self._states[event.agent_id] = event.state
                if event.state == "ready" and was not in ("ready", "offered"):
                    self._idle_since[event.agent_id] = event.at

    def rank(self, queue: QueueSettings, agent_id: d.AgentId) -> tuple[float, ...]:
        """Where the queue's strategy puts a free agent, least first."""
        idle_since = self._idle_since.get(agent_id, 0.0)
        match queue.strategy:
            case "longest_idle":
                return (idle_since,)
            case "fewest_calls":
                return (self._calls[agent_id], idle_since)
            case "round_robin":
                return (self._offered_at.get((queue.name, agent_id), 0.0),)
            case "tiers":
                return (self._tiers[queue.name, agent_id], idle_since)
            case "random":
                return ()


class Watch:
    """Watches one server: `look` every second, `heard` each record of its journal in order."""

    def __init__(self, server: SimServer, floor: Floor) -> None:
        self._server = server
        self._queues = {queue.name: queue for queue in floor.queues}
        self._agents = {agent.id: agent for agent in floor.agents}
        self._standing = Standing(floor)
        self._waits, self._free, self._in_use, self._silent = Since(), Since(), Since(), Since()

    # --- every second -------------------------------------------------------------------------

    def look(self, now: float) -> Iterator[str]:
        """What is wrong at this moment."""
        pbx, agents = self._server.pbx, self._server.core.state.agents.values()
        self._waits.note({c.channel.name: c.moves for c in self._waiting()}, now)
        self._free.note({each.id: True for each in agents if self._is_free(each)}, now)
        in_use = {x.extension: next(iter(x.channels)) for x in pbx.phones.values() if x.channels}
        self._in_use.note(in_use, now)
        self._silent.note({each.id: True for each in agents if self._talks_to_nobody(each)}, now)
        yield from self._idle_hands(now)
        for agent_id in self._agents:
            if self._settled(self._silent.get(agent_id), now):
                yield f"{agent_id} is on the phone, but the phone has no call"

    def _settled(self, since: float | None, now: float, seconds: float = PATIENCE_SECONDS) -> bool:
        """Whether the server must have known it for so long, link in order."""
        healthy = self._server.healthy_since
        if healthy is None or self._server.fenced or since is None:
            return False
        return now - max(healthy, since) > seconds

    def _is_free(self, agent: Agent) -> bool:
        phone = self._server.pbx.phones.get(agent.extension or "")
        if phone is None or not phone.registered or phone.channels:
            return False
        return agent.free

    def _talks_to_nobody(self, agent: Agent) -> bool:
        phone = self._server.pbx.phones.get(agent.extension or "")
        # Who signed out in a call keeps its legs, at what is another's seat then.
        on_the_phone = agent.state == "talking" or (agent.extension and agent.legs)
        return bool(on_the_phone) and (phone is None or not phone.channels)

    def _waiting(self) -> list[Customer]:
        customers = self._server.pbx.customers.values()
        return [each for each in customers if each.place in ("waiting", "native")]

    def _idle_hands(self, now: float) -> Iterator[str]:
        """Nobody waits although an agent who could serve is free."""
        for agent_id in self._agents:
            free_since = self._free.get(agent_id)
            for customer in self._waiting():
                # Who stands in the native queue is brought back after a slice.
                seconds = PATIENCE_SECONDS + SLICE_SECONDS * (customer.place == "native")
                since = self._waits.get(customer.channel.name, customer.moves)
                if (
                    self._settled(free_since, now, seconds)
                    and self._settled(since, now, seconds)
                    and self._could_serve(agent_id, customer, now)
                ):
                    yield (
                        f"{customer.channel.name} has waited in {customer.queue} for "
                        f"{now - customer.entered:.1f} s while {agent_id} was free"
                    )

    def _visit(self, customer: Customer) -> Visit | None:
        core = self._server.core
        call = core.calls.call_of(customer.channel.uniqueid)
        visit_id = core.state.visit_of.get("" if call is None else call.call_id)
        return core.state.visits.get(visit_id or "")

    def _could_serve(self, agent_id: str, customer: Customer, now: float) -> bool:
        """Whether the rules let this agent serve, and let nobody wait for another one first."""
        agent, settings = self._agents[agent_id], self._queues[customer.queue]
        if all(each.queue != customer.queue for each in agent.queues):
            return False
        visit = self._visit(customer)
        if visit is None:
            return True
        others_until = max(visit.passed_over.get(agent_id, 0.0), returns_until(visit))
        if others_until + PATIENCE_SECONDS > now:
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
            agent.skills.get(skill, 0) >= level - fall
            for asked in (settings.skills, visit.skills)
            for skill, level in asked.items()
        )

    # --- each decision ------------------------------------------------------------------------

    def heard(self, event: d.DomainEvent, now: float) -> Iterator[str]:
        """What is wrong with what the server has just written."""
        if isinstance(event, d.OfferMade):
            yield from self._offered(event, now)
        self._standing.apply(event)

    def _offered(self, event: d.OfferMade, now: float) -> Iterator[str]:
        name = f"{event.offer_id} in {event.queue} to {event.agent_id}"
        call = next(iter(self._server.pbx.phones[event.extension].channels), None)
        if call and self._settled(self._in_use.get(event.extension, call), now):
            yield f"offer {name}, who is on the phone"
        visit = self._server.core.state.visits.get(event.visit_id)
        if visit is not None and now < returns_until(visit):
            return  # the talk was torn apart: before all others, and to the agent of before
        customers = self._server.pbx.customers.values()
        leg_id = None if visit is None else visit.leg_id
        offered = next((each for each in customers if each.channel.uniqueid == leg_id), None)
        if offered is None or not self._settled(self._server.healthy_since, now):
            return
        yield from self._more_urgent(event, offered, now)
        yield from self._preferred(event, offered, now)

    def _more_urgent(self, event: d.OfferMade, offered: Customer, now: float) -> Iterator[str]:
        """First come, first served, by priority and by the weights of queues that share agents."""
        urgency = self._urgency(offered, now)
        for other in self._waiting():
            since, visit = self._waits.get(other.channel.name, other.moves), self._visit(other)
            if other.place == "native" or not self._settled(since, now):
                continue
            if visit is not None and self._moves(visit, now):
                continue
            slack = SAME_SECONDS * self._queues[other.queue].weight
            ahead = self._urgency(other, now) - urgency
            if ahead > slack and self._could_serve(event.agent_id, other, now):
                yield (
                    f"offer {event.offer_id} in {event.queue} to {event.agent_id} passes over "
                    f"{other.channel.name} in {other.queue}, more urgent by {ahead:.1f}"
                )

    def _moves(self, visit: Visit, now: float) -> bool:
        """Whether the caller is being offered or sent on, though the PBX may not know it yet."""
        late = (
            now - visit.entered_at - rule.after_seconds
            for rule in self._queues[visit.queue].overflow
            if rule.after_seconds is not None
        )
        return visit.offer_id is not None or any(0 <= each < PATIENCE_SECONDS for each in late)

    def _urgency(self, customer: Customer, now: float) -> float:
        settings, visit = self._queues[customer.queue], self._visit(customer)
        step = settings.ageing_seconds or DAY_SECONDS
        entered_at, priority = (
            (customer.entered, 0) if visit is None else (visit.entered_at, visit.priority)
        )
        return settings.weight * (now - entered_at + (settings.priority + priority) * step)

    def _preferred(self, event: d.OfferMade, offered: Customer, now: float) -> Iterator[str]:
        """Of those who are free the strategy's first is asked."""
        settings = self._queues[event.queue]
        chosen = self._standing.rank(settings, event.agent_id)
        for agent in self._server.core.state.agents.values():
            if (
                self._is_free(agent)
                and self._settled(self._free.get(agent.id), now, FREE_SECONDS)
                and self._could_serve(agent.id, offered, now)
                and self._standing.rank(settings, agent.id) < chosen
            ):
                yield f"offer {event.offer_id} to {event.agent_id}, though {agent.id} is preferred"
