"""Agents coming, going, and what follows a call or an offer; the native queues kept in step."""

from __future__ import annotations

from functools import partial

from acd import agents, offers
from acd.agents import Agent
from acd.offers import Offer
from acd.queues import RETURN_SECONDS, returns_until
from acd.turn import Turn
from cti import commands as c
from cti import domain as d


def sign_in(turn: Turn, agent: Agent, extension: str, *, took_over: bool) -> None:
    """Give the agent the seat, not ready yet, and the calls that its phone is in."""
    turn.emit(
        d.AgentSignedIn(at=turn.now, agent_id=agent.id, extension=extension, took_over=took_over)
    )
    tell_phone(turn, agent)
    turn.emit(agents.changed(agent, "sign_in", turn.now, reason=agents.JUST_SIGNED_IN))
    for call, leg in turn.calls.at_extension(extension):
        if leg.agent_id != agent.id:
            turn.emit(
                d.LegRenamed(
                    at=turn.now,
                    call_id=call.call_id,
                    leg_id=leg.leg_id,
                    channel=leg.channel,
                    kind=leg.kind,
                    agent_id=agent.id,
                )
            )


def sign_out(turn: Turn, agent: Agent, reason: str, at: float, *, by: str | None = None) -> None:
    """Take the seat back. The panel says why only where nobody at this server did it."""
    assert agent.extension is not None
    told = reason if reason == d.HANDED_OVER else None
    event = agents.changed(agent, "sign_out", at, reason=told, by=by)
    turn.emit(
        d.AgentSignedOut(at=at, agent_id=agent.id, extension=agent.extension, reason=reason, by=by)
    )
    turn.emit(event)


def vacate(turn: Turn, extension: str) -> None:
    """Sign out who has the seat in the journal alone: no agent of the floor sits there.

    So it is after a start with a floor that lacks an agent who was signed in.
    """
    agent_id = turn.state.seats.get(extension)
    agent = turn.fold.agent(agent_id)
    if agent_id is None or (agent is not None and agent.extension == extension):
        return
    turn.emit(
        d.AgentSignedOut(
            at=turn.now, agent_id=agent_id, extension=extension, reason=d.FLOOR_CHANGED
        )
    )
    turn.emit(d.AgentStateChanged(at=turn.now, agent_id=agent_id, state="signed_out"))


def release(turn: Turn, agent: Agent, at: float) -> None:
    """A call of a queue, its wrap-up or an offer is over."""
    event = agents.released(agent, at)
    if event is None:
        sign_out(turn, agent, agent.sign_out_after or "self", at)
    else:
        turn.emit(event)


def call_over(turn: Turn, agent: Agent, at: float) -> None:
    """The agent's last leg ended: wrap-up after a call of a queue, else back to what was before.

    Whose dead phone asked to have the caller back is kept for the caller also without a wrap-up.
    """
    if agent.state != "talking":
        return
    if agent.queue is None:
        event = agents.resumed(agent, at)
        if event is None:
            release(turn, agent, at)
        else:
            turn.emit(event)
        return
    seconds: float = turn.fold.queues[agent.queue].wrap_up_seconds
    if turn.memory.retaking.get(agent.call_id or "") == agent.id and not agent.sign_out_after:
        seconds = seconds or RETURN_SECONDS
    if seconds:
        turn.emit(agents.changed(agent, "wrap_up", at, call_id=agent.call_id, until=at + seconds))
    else:
        release(turn, agent, at)


def take_back(turn: Turn, agent: Agent, call_id: d.CallId) -> None:
    """The caller of the talk just torn apart is to come back: that talk is not to be wrapped up.

    The wish for after the call stays one; who wished to sign out has done with the call.
    """
    if agent.state != "wrap_up" or agent.call_id != call_id or agent.sign_out_after:
        return
    wish = agent.next_reason
    turn.emit(agents.changed(agent, "ready", turn.now))
    if wish is not None:
        turn.emit(d.AgentNextStateSet(at=turn.now, agent_id=agent.id, reason=wish))


def not_back(turn: Turn, agent_id: d.AgentId | None) -> None:
    """A caller may not come back to the agent after all: then the wish for after the talk holds."""
    agent = turn.fold.agent(agent_id)
    if agent is None or agent.state != "ready" or agent.next_reason is None:
        return
    if not any(
        visit.returns_to == agent.id and visit.offer_id is None and turn.now < returns_until(visit)
        for visit in turn.fold.naming(agent.id)
    ):
        release(turn, agent, turn.now)


def on_the_phone(turn: Turn, agent: Agent, call_id: d.CallId, at: float) -> None:
    """The agent has a leg that no pending offer explains: a talk once it stands in a bridge.

    Before that it rings or is dialled, and keeps offers away by being there.
    """
    offer = turn.fold.offer_to(agent)
    if offer is not None:
        withdraw(turn, offer, "agent_busy")
    elif agent.state in ("ready", "not_ready", "wrap_up") and call_id in _talks(turn, agent):
        turn.emit(agents.changed(agent, "call", at, call_id=call_id))


def _talks(turn: Turn, agent: Agent) -> list[d.CallId]:
    """The calls in which the agent's leg stands in a bridge."""
    return [call_id for leg_id, call_id in agent.legs.items() if turn.state.legs[leg_id].bridge_id]


def after_offer(turn: Turn, event: d.OfferEnded) -> None:
    """Bring the agent back from an offer that came to no call."""
    agent = turn.state.agents.get(event.agent_id)
    if agent is None or agent.state != "offered" or agent.offer_id is not None:
        return
    other_calls = [call_id for call_id in _talks(turn, agent) if call_id != event.call_id]
    if other_calls:
        turn.emit(agents.changed(agent, "call", event.at, call_id=other_calls[-1]))
    elif agent.sign_out_after or agent.next_reason:
        release(turn, agent, event.at)
    elif event.counts_as_miss and agent.missed >= _missed_limit(turn, event.queue):
        turn.emit(agents.changed(agent, "not_ready", event.at, reason=agents.MISSED))
    elif event.detail == "unreachable" and agent.reachable:
        until = event.at + agents.UNREACHABLE_SECONDS
        turn.emit(
            agents.changed(agent, "not_ready", event.at, reason=agents.UNREACHABLE, until=until)
        )
    else:
        turn.emit(agents.changed(agent, "ready", event.at))


def _missed_limit(turn: Turn, queue: d.QueueName) -> int:
    return turn.fold.queues[queue].missed_limit


def withdraw(turn: Turn, offer: Offer, why: str) -> None:
    """Take a pending offer back; it ends when the PBX has returned the caller."""
    memory, visit = turn.memory, turn.state.visits.get(offer.visit_id)
    if offer.id in memory.withdrawing or visit is None or not turn.may_decide:
        return
    memory.withdrawing[offer.id] = why
    turn.send(
        partial(
            c.Withdraw,
            call_id=offer.call_id,
            offer_id=offer.id,
            customer_channel=visit.channel,
            agent_channel=offer.channel,
            epoch=turn.state.epoch,
        )
    )


def decide_anew(turn: Turn, offer: Offer, *, rejected: bool) -> None:
    """Take a pending offer back that is not to go on, after a time in which we could not.

    :param rejected: the agent did not want it.
    """
    agent = turn.state.agents[offer.agent_id]
    if not agent.reachable:
        withdraw(turn, offer, "unreachable")
    elif any(call_id != offer.call_id for call_id in agent.legs.values()):
        withdraw(turn, offer, "agent_busy")
    elif agent.sign_out_after is not None:
        withdraw(turn, offer, "agent_signed_out")
    elif rejected:
        withdraw(turn, offer, offers.REJECTED)


def tell_phone(turn: Turn, agent: Agent) -> None:
    """Say whether the agent's phone can ring, where that is news."""
    if agent.extension is None:
        return
    device_state = turn.memory.devices.get(agent.extension, "")
    reachable = agents.ringable(device_state)
    if reachable != agent.phone_reachable:
        turn.emit(
            d.AgentPhoneChanged(
                at=turn.now, agent_id=agent.id, reachable=reachable, device_state=device_state
            )
        )


def tell_panel(turn: Turn, agent: Agent, *, connected: bool) -> None:
    """Say whether the agent's panel lives, where that is news."""
    if agent.panel_connected != connected:
        turn.emit(d.AgentPanelChanged(at=turn.now, agent_id=agent.id, connected=connected))


def reachability_changed(turn: Turn, agent_id: d.AgentId) -> None:
    """The phone or the panel came or went."""
    agent = turn.state.agents.get(agent_id)
    if agent is None:
        return
    offer = turn.fold.offer_to(agent)
    if offer is not None:
        decide_anew(turn, offer, rejected=False)
    if agent.state == "not_ready" and agent.reason == agents.UNREACHABLE and agent.reachable:
        turn.emit(agents.changed(agent, "ready", turn.now))
    reconsider(turn, agent)


def reconsider(turn: Turn, agent: Agent) -> None:
    """Callers who would rather have this agent see whether it is worth waiting."""
    for visit in turn.fold.naming(agent.id):
        turn.fold.place(visit, turn.now)


# --- the native queues ---------------------------------------------------------------------------


def native_paused(agent: Agent) -> bool:
    """Whether Asterisk's own queue should leave the agent alone.

    Only who is not ready is paused: an agent in wrap-up when our server dies has nobody to end it.
    """
    return agent.state in ("not_ready", "signed_out")


def join_native(turn: Turn, agent: Agent, queue: d.QueueName) -> None:
    """Make the agent a member of the native queue."""
    turn.memory.paused[agent.extension or ""] = native_paused(agent)
    tier = turn.router.members[queue].tiers[turn.router.number[agent.id]]
    turn.send(
        partial(
            c.NativeJoin,
            queue=queue,
            extension=agent.extension or "",
            agent_id=agent.id,
            paused=native_paused(agent),
            penalty=tier - 1,
        )
    )


def signed_in(turn: Turn, event: d.AgentSignedIn) -> None:
    """Join the native queues."""
    agent = turn.state.agents.get(event.agent_id)
    if agent is not None and agent.extension is not None and turn.link_up:
        for queue in turn.router.queues_of[agent.id]:
            join_native(turn, agent, queue)


def signed_out(turn: Turn, event: d.AgentSignedOut) -> None:
    """Leave the native queues, unless they are a newer server's."""
    if turn.link_up and not turn.fenced:
        for queue in turn.router.queues_of.get(event.agent_id, ()):
            turn.send(partial(c.NativeLeave, queue=queue, extension=event.extension))


def pause_native(turn: Turn, agent: Agent, event: d.AgentStateChanged) -> None:
    """Pause or unpause the agent natively when that is news."""
    if agent.extension is None or not turn.link_up:
        return
    paused = event.state == "not_ready"
    if turn.memory.paused.get(agent.extension) != paused:
        turn.memory.paused[agent.extension] = paused
        turn.send(partial(c.NativePause, extension=agent.extension, paused=paused))
