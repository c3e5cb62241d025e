"""Taking over what the PBX has: at every connect the picture is held against its whole state.

Callers who wait are ours again with the place they had, offers go on or are over, who stands in a
native queue is fetched back unless answered there, and agents are on the calls they are on.
"""

from __future__ import annotations

from functools import partial
from typing import Final

from acd import agents, handover, offers, pbx, presence, queues, waiting
from acd.agents import Agent
from acd.offers import Offer
from acd.queues import VARIABLES, Visit, read_entry
from acd.reactions import drain
from acd.state import AgentLeg
from acd.turn import Turn
from cti import commands as c
from cti import domain as d
from cti.inputs import ChannelState, LinkDown, LinkUp, PbxSnapshot

WAITING_STATES: Final = frozenset({"waiting", "offered", "native"})
FOREIGN_SECONDS: Final = 125.0
"""The longest ring there can be, and some: so long an offer that is not ours may last."""
RESTART_SECONDS: Final = 0.5
"""Asterisk tells its start to the second, always the same for the same start."""
PROOF_SECONDS: Final = 5.0
NATIVE_PREFIX: Final = "zx-"


def link_down(turn: Turn, item: LinkDown) -> None:
    """The PBX is out of sight: no decisions until it is back."""
    if turn.state.link_up:
        turn.emit(d.PbxLost(at=item.at, reason=item.reason))
    turn.memory.in_flight.clear()


def link_up(turn: Turn, item: LinkUp) -> None:
    """The PBX is in sight, with its state."""
    snapshot = item.snapshot
    if turn.fenced:
        return
    _tell_connect(turn, item)
    if snapshot.overtaken_by is not None:
        handover.fence(turn, snapshot.overtaken_by)
        return
    if snapshot.held_by not in (None, turn.node):
        handover.catch_up(turn, turn.now if item.gap_from is None else item.gap_from)
    withdrawn, turn.memory.withdrawing = turn.memory.withdrawing, {}
    turn.memory.releases |= turn.memory.pbx_restarted
    turn.adopting = True
    fetched = _take_over(turn, item)
    turn.adopting = False
    _decide_anew(turn, fetched, withdrawn)
    drain(turn)
    _settle_native_queues(turn, snapshot)
    turn.memory.pbx_restarted = False


def _take_over(turn: Turn, item: LinkUp) -> list[Visit]:
    """Make our picture the PBX's; the visits whose callers are to be fetched back are given."""
    snapshot = item.snapshot
    _take_devices(turn, snapshot)
    restarted = turn.memory.pbx_restarted
    for event in turn.calls.adopt(snapshot, item.gap_from, item.gap_to, restarted=restarted):
        turn.emit(event)
        drain(turn)
    _settle_removed(turn)
    for visit_id in list(turn.memory.leaving):
        waiting.stayed(turn, visit_id)
    fetched = _take_callers(turn, snapshot)
    _take_recordings(turn, snapshot)
    drain(turn)
    _settle_offers(turn)
    drain(turn)
    _settle_agents(turn)
    drain(turn)
    return fetched


def _decide_anew(turn: Turn, fetched: list[Visit], withdrawn: dict[d.OfferId, str]) -> None:
    """What was not decided while the picture was half of the old and half of the new.

    :param withdrawn: offers that were to be taken back, and why. Those that go on were not.
    """
    for visit in fetched:
        if visit.id in turn.state.visits and visit.native:
            waiting.fetch(turn, visit)
    for offer in list(turn.state.offers.values()):
        rejected = withdrawn.get(offer.id) == offers.REJECTED
        presence.decide_anew(turn, offer, rejected=rejected)
    for queue in turn.fold.queues:
        waiting.unstaffed(turn, queue)


def _tell_connect(turn: Turn, item: LinkUp) -> None:
    snapshot, memory, now = item.snapshot, turn.memory, turn.now
    known = turn.state.pbx_started_at
    restarted = known is not None and abs(known - snapshot.pbx_started_at) > RESTART_SECONDS
    first = not memory.connected_before
    if first:
        memory.connected_before = True
        started = d.ServerStarted(
            at=now, node=turn.node, epoch=snapshot.epoch, version=turn.version
        )
        turn.emit(started)
    if restarted:
        turn.emit(d.PbxRestarted(at=now, started_at=snapshot.pbx_started_at))
    if item.gap_from is not None and item.gap_to is not None:
        away = "server_restarted" if first else "link_lost"
        reason = "pbx_restarted" if restarted else away
        turn.emit(d.GapRecorded(at=now, from_at=item.gap_from, to_at=item.gap_to, reason=reason))
    turn.emit(d.PbxConnected(at=now, epoch=snapshot.epoch, pbx_started_at=snapshot.pbx_started_at))
    memory.pbx_restarted = restarted


def _take_devices(turn: Turn, snapshot: PbxSnapshot) -> None:
    turn.memory.devices = {
        pbx.extension_of(device): state for device, state in snapshot.device_states.items()
    }
    for agent in list(turn.state.agents.values()):
        presence.tell_phone(turn, agent)


def _settle_removed(turn: Turn) -> None:
    """End what belongs to queues, agents and extensions that a new floor has no more."""
    for extension in list(turn.state.seats):
        presence.vacate(turn, extension)
    for agent in turn.state.agents.values():
        if agent.extension is not None and agent.extension not in turn.extensions:
            _unseat(turn, agent)
    for call in turn.calls.live():
        visit = call.open_visit()
        if visit is not None and visit.visit_id not in turn.state.visits:
            turn.emit(
                d.QueueLeft(
                    at=turn.now,
                    call_id=call.call_id,
                    visit_id=visit.visit_id,
                    queue=visit.queue,
                    reason="withdrawn",
                    waited_seconds=max(0.0, turn.now - visit.entered_at),
                    exact=False,
                )
            )
        for offer in call.offers.values():
            if offer.ended_at is None and offer.offer_id not in turn.state.offers:
                turn.emit(
                    d.OfferEnded(
                        at=turn.now,
                        call_id=call.call_id,
                        offer_id=offer.offer_id,
                        agent_id=offer.agent_id,
                        queue=offer.queue,
                        end="failed",
                        detail=d.FLOOR_CHANGED,
                    )
                )


def _unseat(turn: Turn, agent: Agent) -> None:
    """Sign out who sits at an extension that is none: what its phone does would go unseen."""
    offer = turn.fold.offer_to(agent)
    if offer is not None:
        waiting.end_offer(turn, offer, "failed", d.FLOOR_CHANGED, turn.now)
    presence.sign_out(turn, agent, d.FLOOR_CHANGED, turn.now)


# --- callers -------------------------------------------------------------------------------------


def _take_callers(turn: Turn, snapshot: PbxSnapshot) -> list[Visit]:
    fetched: list[Visit] = []
    seen: set[d.LegId] = set()
    native = set(snapshot.native_waiting)
    for channel in _in_line(snapshot):
        seen.add(channel.uniqueid)
        visit = _take_visit(turn, channel, native, snapshot.clock_ahead_seconds)
        drain(turn)
        if visit is not None:
            _take_caller(turn, channel, visit)
            if channel.uniqueid in native:
                fetched.append(visit)
    by_id = {each.uniqueid: each for each in snapshot.channels}
    for visit in list(turn.state.visits.values()):
        if visit.leg_id not in seen:
            _take_leaver(turn, visit, by_id.get(visit.leg_id))
    return fetched


def _in_line(snapshot: PbxSnapshot) -> list[ChannelState]:
    """Who waits, first come first: Asterisk lists its channels in no order."""
    waiting = [
        each for each in snapshot.channels if each.variables.get("ZX_STATE") in WAITING_STATES
    ]
    return sorted(waiting, key=lambda channel: channel.variables.get("ZX_ENTERED", ""))


def _take_visit(
    turn: Turn, channel: ChannelState, native: set[str], ahead_seconds: float
) -> Visit | None:
    """The open visit of the caller on this channel; one begun unseen is told of now."""
    call_id = turn.call_id_of(channel.uniqueid)
    if call_id is None:
        return None
    visit = turn.fold.visit_of(call_id)
    sent_on_from = None if visit is None else visit.entered_at
    entry = read_entry(channel.variables, VARIABLES, turn.now, ahead_seconds, sent_on_from)
    if visit is not None and visit.queue == entry.queue:
        return visit
    if visit is not None:
        pbx.close(turn, visit, "overflowed", turn.now, exact=False)
    elif call_id in turn.state.answered and not _waits(channel, native):
        return None  # in the talk: the dialplan leaves ZX_STATE as it was when the phone was rung
    had_waited = call_id in turn.state.answered
    pbx.enter(turn, call_id, channel.uniqueid, channel.name, entry=entry, at=turn.now, adopted=True)
    visit = turn.fold.visit_of(call_id)
    if visit is not None and not had_waited:
        waiting.put_off(turn, visit.id, waiting.admit)
    return visit


def _waits(channel: ChannelState, native: set[str]) -> bool:
    state = channel.variables.get("ZX_STATE")
    return state == "waiting" or (state == "native" and channel.uniqueid in native)


def _take_caller(turn: Turn, channel: ChannelState, visit: Visit) -> None:
    if visit.id not in turn.state.visits:
        return
    state = channel.variables.get("ZX_STATE")
    offer = turn.state.offers.get(visit.offer_id or "")
    if state == "native" and not visit.native:
        pbx.go_native(turn, visit, turn.now)
    elif state != "native" and visit.native:
        pbx.leave_native(turn, visit, turn.now)
    leg = _talking_to(turn, channel, visit)
    if leg is not None:
        waiting.answered_past_us(turn, visit, leg.agent_id, turn.now)
        return
    if state == "offered":
        _take_offer(turn, channel, visit, offer)
        return
    if offer is not None and offer.id in turn.state.offers:
        waiting.end_offer(turn, offer, "failed", "lost_in_gap", turn.now)
    if visit.id in turn.memory.foreign:
        pbx.own_again(turn, visit.id)


def _take_offer(turn: Turn, channel: ChannelState, visit: Visit, offer: Offer | None) -> None:
    """An offer that we know goes on; one that we do not know is waited for."""
    if offer is not None and channel.variables.get("ZX_OFFER") == offer.id:
        return
    if offer is not None:
        waiting.end_offer(turn, offer, "failed", "lost_in_gap", turn.now)
    pbx.leave_to_others(turn, visit, FOREIGN_SECONDS)


def _talking_to(turn: Turn, channel: ChannelState, visit: Visit) -> AgentLeg | None:
    if channel.bridge_id is None:
        return None
    for leg_id, leg in turn.state.legs.items():
        if leg.call_id == visit.call_id and leg.bridge_id and leg_id != visit.leg_id:
            return leg
    return None


def _take_leaver(turn: Turn, visit: Visit, channel: ChannelState | None) -> None:
    """The caller does not wait any more, and we did not hear how it ended."""
    variables = {} if channel is None else channel.variables
    state = variables.get("ZX_STATE")
    reason: d.VisitEnd = "lost" if turn.memory.pbx_restarted else "withdrawn"
    if state == "after":
        reason = "answered"
    elif state == "left":
        reason = queues.left_by(variables.get("ZX_VERB", ""), variables.get("ZX_ARG", ""))
    pbx.close(turn, visit, reason, turn.now, exact=False)


def _take_recordings(turn: Turn, snapshot: PbxSnapshot) -> None:
    """What began to be recorded while we did not listen is ours to store too."""
    for channel in snapshot.channels:
        file = channel.variables.get("ZX_REC")
        if file:
            for event in turn.calls.recording_found(channel.uniqueid, file, turn.now):
                turn.emit(event)


# --- offers and agents ---------------------------------------------------------------------------


def _settle_offers(turn: Turn) -> None:
    for offer in list(turn.state.offers.values()):
        visit = turn.state.visits.get(offer.visit_id)
        if visit is None or visit.offer_id != offer.id:
            waiting.end_offer(turn, offer, "failed", "lost_in_gap", turn.now)


def _settle_agents(turn: Turn) -> None:
    """No agent stays in a state that nothing stands behind."""
    for agent in list(turn.state.agents.values()):
        if agent.panel_connected and agent.id not in turn.memory.panels:
            _doubt_panel(turn, agent)
        if agent.state == "offered" and agent.offer_id is None:
            turn.emit(agents.changed(agent, "ready", turn.now))
        if agent.state == "talking" and not agent.legs:
            presence.call_over(turn, agent, turn.now)


def _doubt_panel(turn: Turn, agent: Agent) -> None:
    """A panel that has not shown itself to this process gets no offer.

    A phone that rings already is given the time that a browser takes to come back.
    """
    if agent.state == "offered":
        turn.fold.timers.arm("proof", agent.id, turn.now + PROOF_SECONDS)
    else:
        presence.tell_panel(turn, agent, connected=False)


# --- native queues -------------------------------------------------------------------------------


def _settle_native_queues(turn: Turn, snapshot: PbxSnapshot) -> None:
    """Make the native queues' members the agents who are signed in."""
    has = {
        (member.queue.removeprefix(NATIVE_PREFIX), pbx.extension_of(member.interface)): member
        for member in snapshot.native_members
    }
    wanted = {
        (queue, agent.extension): agent
        for agent in turn.state.agents.values()
        if agent.extension is not None
        for queue in turn.router.queues_of[agent.id]
    }
    for queue, extension in has:
        if queue in turn.fold.queues and (queue, extension) not in wanted:
            turn.send(partial(c.NativeLeave, queue=queue, extension=extension))
    wrong: dict[str, bool] = {}
    for (queue, extension), agent in wanted.items():
        paused = presence.native_paused(agent)
        member = has.get((queue, extension))
        turn.memory.paused[extension] = paused
        if member is None:
            presence.join_native(turn, agent, queue)
        elif member.paused != paused:
            wrong[extension] = paused
    for extension, paused in wrong.items():
        turn.send(partial(c.NativePause, extension=extension, paused=paused))
