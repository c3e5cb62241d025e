"""What follows from an event: the ACD's answer to each, as further events and commands."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from acd import pbx, presence, waiting
from acd.state import AgentLeg
from acd.turn import Turn
from cti import domain as d
from cti.calls.book import Leg


def drain(turn: Turn) -> None:
    """Answer every event that has not been answered yet, and what follows from the answers."""
    while turn.todo:
        react(turn, *turn.todo.popleft())


def react(turn: Turn, event: d.DomainEvent, leg: AgentLeg | None) -> None:
    """Answer one event. `leg`: whose leg it was before a LegEnded or LegRenamed."""
    if isinstance(event, d.LegEnded):
        _leg_ended(turn, event, leg)
    elif isinstance(event, d.LegRenamed):
        _leg_renamed(turn, event, leg)
    else:
        handler = _REACTIONS.get(type(event))
        if handler is not None:
            handler(turn, event)


# --- legs ----------------------------------------------------------------------------------------


def _leg_started(turn: Turn, event: d.LegStarted) -> None:
    _explain_leg(turn, event.leg_id, event.at)


def _explain_leg(turn: Turn, leg_id: d.LegId, at: float) -> None:
    """A leg of an agent is either the one an offer rings, or a call past us."""
    leg = turn.state.legs.get(leg_id)
    if leg is None:
        return
    agent = turn.fold.agent(leg.agent_id)
    if agent is None:
        return
    offer = turn.fold.offer_to(agent)
    if offer is None or offer.call_id != leg.call_id:
        presence.on_the_phone(turn, agent, leg.call_id, at)


def _leg_answered(turn: Turn, event: d.LegAnswered) -> None:
    leg = turn.state.legs.get(event.leg_id)
    if leg is not None:
        _agent_up(turn, leg, event.leg_id, event.at)


def _agent_up(turn: Turn, leg: AgentLeg, leg_id: d.LegId, at: float) -> None:
    agent = turn.fold.agent(leg.agent_id)
    if agent is None:
        return
    offer = turn.fold.offer_to(agent)
    if offer is None or offer.leg_id != leg_id:
        presence.on_the_phone(turn, agent, leg.call_id, at)
    elif offer.id not in turn.memory.withdrawing:
        waiting.answer(turn, offer, at)


def _leg_joined(turn: Turn, event: d.LegJoined) -> None:
    leg = turn.state.legs.get(event.leg_id)
    if leg is not None and leg.bridge_id == event.bridge_id:
        _agent_up(turn, leg, event.leg_id, event.at)
    visit = turn.fold.visit_of(event.call_id)
    if visit is not None:
        met = waiting.met(turn, visit)
        offer = turn.state.offers.get(visit.offer_id or "")
        if met is not None and not (offer is not None and offer.agent_id == met.agent_id):
            waiting.answered_past_us(turn, visit, met.agent_id, event.at)


def _leg_ended(turn: Turn, event: d.LegEnded, leg: AgentLeg | None) -> None:
    if leg is not None:
        _leg_taken(turn, leg, event.at)
    visit = turn.fold.visit_of(event.call_id)
    if visit is not None and visit.leg_id == event.leg_id:
        party = _in_its_place(turn, event)
        if party is None:
            waiting.gone(turn, visit, event.at, exact=event.exact)
        else:
            pbx.hand_over(turn, visit, party, event.at)
    turn.touched[event.call_id] = event.at


def _in_its_place(turn: Turn, event: d.LegEnded) -> Leg | None:
    """Whom an attended transfer put where this leg of an agent waited in a queue.

    The customer; a colleague where there is none.
    """
    call = turn.calls.call(event.call_id)
    if call is None or not call.transfers:
        return None
    # Who handed the call over is on the way out, and may be told of last; who is rung is no party.
    leaving = {transfer.by_leg for transfer in call.transfers}
    others = [
        leg for leg in call.live_legs() if leg.leg_id not in leaving and leg.answered_at is not None
    ]
    parties = [leg for leg in others if leg.kind == "customer"] or others
    if len(parties) != 1 or call.in_talk(parties[0], besides=leaving):
        return None
    return parties[0]


def _leg_taken(turn: Turn, leg: AgentLeg, at: float) -> None:
    agent = turn.fold.agent(leg.agent_id)
    if agent is not None and not agent.legs:
        presence.call_over(turn, agent, at)


def _leg_renamed(turn: Turn, event: d.LegRenamed, leg: AgentLeg | None) -> None:
    if leg is not None and leg.agent_id != event.agent_id:
        _leg_taken(turn, leg, event.at)
    if event.agent_id is not None and (leg is None or leg.agent_id != event.agent_id):
        _explain_leg(turn, event.leg_id, event.at)


# --- visits and offers --------------------------------------------------------------------------


def _queue_entered(turn: Turn, event: d.QueueEntered) -> None:
    visit = turn.state.visits.get(event.visit_id)
    if visit is not None and not event.adopted:
        waiting.admit(turn, visit)
    returns_to = turn.state.agents.get(event.returns_to or "")
    if visit is not None and returns_to is not None:
        presence.take_back(turn, returns_to, visit.call_id)


def _queue_left(turn: Turn, event: d.QueueLeft) -> None:
    turn.touched[event.call_id] = event.at
    answered = turn.state.answered.get(event.call_id)
    if answered is not None:
        # The agent of the talk before this wait, or who had the caller before somebody else did.
        presence.not_back(
            turn, answered.visit.returns_to if event.reason == "answered" else answered.agent_id
        )


def _offer_made(turn: Turn, event: d.OfferMade) -> None:
    visit = turn.state.visits.get(event.visit_id)
    if visit is not None:
        presence.not_back(turn, visit.returns_to)


def _offer_ended(turn: Turn, event: d.OfferEnded) -> None:
    if event.end != "accepted":
        presence.after_offer(turn, event)


# --- agents --------------------------------------------------------------------------------------


def _signed_out(turn: Turn, event: d.AgentSignedOut) -> None:
    presence.signed_out(turn, event)
    for queue in turn.router.queues_of.get(event.agent_id, ()):
        waiting.unstaffed(turn, queue)


def _state_changed(turn: Turn, event: d.AgentStateChanged) -> None:
    agent = turn.state.agents.get(event.agent_id)
    if agent is not None:
        presence.pause_native(turn, agent, event)
        presence.reconsider(turn, agent)


def _reachability(turn: Turn, event: d.AgentPhoneChanged | d.AgentPanelChanged) -> None:
    presence.reachability_changed(turn, event.agent_id)


_REACTIONS: Final[dict[type, Callable[[Turn, Any], None]]] = {
    d.LegStarted: _leg_started,
    d.LegAnswered: _leg_answered,
    d.LegJoined: _leg_joined,
    d.QueueEntered: _queue_entered,
    d.QueueLeft: _queue_left,
    d.OfferMade: _offer_made,
    d.OfferEnded: _offer_ended,
    d.AgentSignedIn: presence.signed_in,
    d.AgentSignedOut: _signed_out,
    d.AgentStateChanged: _state_changed,
    d.AgentPhoneChanged: _reachability,
    d.AgentPanelChanged: _reachability,
}
