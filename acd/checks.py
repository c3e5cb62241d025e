"""The invariants of docs/architecture.md, checked on the whole state; each broken one in words.

The simulator checks all of them after every step, the running server one rule with each heartbeat
(`cti/invariants.py`). The words of a finding stay the same for as long as it lasts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Final

from acd import queues
from acd.agents import Agent
from acd.offers import Offer
from acd.turn import Turn

SLACK_SECONDS: Final = 5.0
ENOUGH: Final = 20
"""So many findings of a rule tell what is wrong; a thousand more would only cost time."""


def broken(turn: Turn, now: float) -> list[str]:
    """All broken invariants."""
    return [words for rule in RULES.values() for words in rule(turn, now)]


def broken_of(rule: str, turn: Turn, now: float) -> list[str]:
    """What breaks one of `RULES`, ENOUGH at most.

    Nothing before the first connect: what the journal left may not fit a floor that was changed.
    """
    if not turn.memory.connected_before:
        return []
    return list(islice(RULES[rule](turn, now), ENOUGH))


def _offers(turn: Turn, _now: float) -> Iterator[str]:
    """A call has at most one owner, an agent at most one live offer."""
    state = turn.state
    for what, counts in (
        ("agent", Counter(offer.agent_id for offer in state.offers.values())),
        ("call", Counter(offer.call_id for offer in state.offers.values())),
    ):
        for name, count in counts.items():
            if count > 1:
                yield f"{what} {name} has {count} pending offers"
    for offer in state.offers.values():
        visit = state.visits.get(offer.visit_id)
        if visit is None or visit.offer_id != offer.id:
            yield f"offer {offer.id} is pending for a caller who does not wait"
        if state.agents[offer.agent_id].offer_id != offer.id:
            yield f"offer {offer.id} is unknown to its agent {offer.agent_id}"


def _agents(turn: Turn, now: float) -> Iterator[str]:
    """Nobody stays in a state that nothing stands behind."""
    for agent in turn.state.agents.values():
        offer = turn.fold.offer_to(agent)
        if (agent.state == "offered") != (offer is not None):
            yield f"agent {agent.id} is {agent.state} with offer {agent.offer_id}"
        if agent.state == "talking" and not agent.legs:
            yield f"agent {agent.id} talks without a leg"
        if agent.state == "wrap_up" and agent.until is None:
            yield f"agent {agent.id} wraps up without end"
        if turn.may_decide and _abandoned(turn, agent, offer, now):
            yield f"agent {agent.id} is {agent.state} since {agent.since:.0f}, for too long"
        if (agent.state == "signed_out") != (agent.extension is None):
            yield f"agent {agent.id} is {agent.state} on extension {agent.extension}"
        if agent.extension and turn.state.seats.get(agent.extension) != agent.id:
            yield f"agent {agent.id} does not hold extension {agent.extension}"
        if agent.state == "not_ready" and agent.reason is None:
            yield f"agent {agent.id} is not ready without a reason"


def _phones(turn: Turn, _now: float) -> Iterator[str]:
    """What stands at an extension is the call of the agent who sits there."""
    for extension, agent_id in turn.state.seats.items():
        for _, leg in turn.calls.at_extension(extension):
            if leg.agent_id != agent_id:
                yield f"leg {leg.leg_id} at {extension} is not agent {agent_id}'s"


def _abandoned(turn: Turn, agent: Agent, offer: Offer | None, now: float) -> bool:
    """Whether neither a live channel nor a timer stands behind the state."""
    if agent.state == "offered" and offer is not None and offer.leg_id not in agent.legs:
        at = turn.fold.timers.at("offer", offer.id)
    elif agent.state == "wrap_up":
        at = turn.fold.timers.at("agent", agent.id)
    else:
        return False
    return at is None or now > at + SLACK_SECONDS


def _visits(turn: Turn, _now: float) -> Iterator[str]:
    """Every open visit is the one of a live call."""
    for visit in turn.state.visits.values():
        if turn.state.visit_of.get(visit.call_id) != visit.id:
            yield f"visit {visit.id} is not the visit of call {visit.call_id}"
        if visit.offer_id is not None and visit.offer_id not in turn.state.offers:
            yield f"visit {visit.id} waits for the offer {visit.offer_id}, which is over"


def _idle_hands(turn: Turn, _now: float) -> Iterator[str]:
    """No free agent could take a waiting caller: first come, first served, and at once."""
    if turn.behind or not turn.may_decide:
        return
    for agent in turn.state.agents.values():
        if agent.free:
            for queue, _, visit_id in turn.router.candidates(agent.id):
                yield f"agent {agent.id} is free and {visit_id} waits in {queue}"


def _index(turn: Turn, _now: float) -> Iterator[str]:
    """The index says what the state says."""
    router, fold = turn.router, turn.fold
    for agent in turn.state.agents.values():
        if router.is_free(agent.id) != agent.free:
            yield f"agent {agent.id} is {'' if agent.free else 'not '}free, the index errs"
    for visit in turn.state.visits.values():
        out = visit.native or visit.offer_id is not None or visit.id in fold.withheld
        if router.waits(visit.id) and out:
            yield f"visit {visit.id} is in the index and should not be"
        rested = visit.hold_until <= turn.now and not turn.fenced
        if not router.waits(visit.id) and not out and rested:
            yield f"visit {visit.id} is not in the index"
        if fold.lines[visit.queue][fold.position(visit) - 1][1] != visit.id:
            yield f"visit {visit.id} is out of line"
    for visit_id, (queue, key, _, _) in router.visits.items():
        visit = turn.state.visits[visit_id]
        if (queue, key) != (visit.queue, queues.line_key(visit, fold.queues[visit.queue])):
            yield f"visit {visit_id} stands elsewhere in the index"


RULES: Final[dict[str, Callable[[Turn, float], Iterator[str]]]] = {
    "offers": _offers,
    "agents": _agents,
    "phones": _phones,
    "visits": _visits,
    "idle_hands": _idle_hands,
    "index": _index,
}
"""By the names that logs and figures carry. At 1,000 agents and 1,000 waiting callers the dearest
takes 3 ms."""
