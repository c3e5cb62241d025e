"""The ACD's state, and the only code that changes it: `Fold.apply(record)`.

What is in `State` follows from the journal alone, so a checkpoint plus the records after it equals
the state that wrote them. The index for routing and the timers are derived from it here too.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable
from typing import Any, Final

import msgspec

from acd import agents, estimate, offers, queues
from acd.agents import Agent
from acd.estimate import Pace
from acd.offers import Offer
from acd.queues import Visit
from acd.routing import Key, Router, being
from acd.timers import Kind, Timers
from config.floor import Floor, QueueSettings
from cti import domain
from cti.domain import AgentId, CallId, LegId, OfferId, QueueName, Recorded

WORKING: Final = frozenset({"offered", "talking", "wrap_up"})
_OF_VISITS: Final[tuple[Kind, ...]] = (
    *("visit", "overflow", "announce", "leaving", "undecided", "native", "foreign"),
)
"""Deadlines that end with a visit."""


class AgentLeg(msgspec.Struct):
    """A live leg at one of our extensions. `agent_id`: None where nobody is signed in there."""

    agent_id: AgentId | None
    call_id: CallId
    channel: str
    bridge_id: str | None = None


class Answered(msgspec.Struct):
    """What is known of a call after its wait: who took it, and the visit as it was."""

    agent_id: AgentId | None
    visit: Visit
    at: float | None = None


class Recording(msgspec.Struct):
    """A running recording."""

    id: str
    paused: bool = False


class State(msgspec.Struct, kw_only=True):
    """All that the ACD knows.

    :param visits: open visits.
    :param offers: pending offers.
    :param legs: live legs of agents.
    :param seats: extension -> the agent who is signed in there, until `presence.vacate` also one
        whom a changed floor has no more.
    :param visits_had: call -> how many visits it began.
    """

    epoch: int = 0
    next_seq: int = 1
    link_up: bool = False
    fenced_by: int | None = None
    pbx_started_at: float | None = None
    agents: dict[AgentId, Agent] = {}
    visits: dict[str, Visit] = {}
    visit_of: dict[CallId, str] = {}
    visits_had: dict[CallId, int] = {}
    offers: dict[OfferId, Offer] = {}
    legs: dict[LegId, AgentLeg] = {}
    seats: dict[str, AgentId] = {}
    answered: dict[CallId, Answered] = {}
    recordings: dict[CallId, Recording] = {}
    unrecorded: set[CallId] = set()
    paces: dict[QueueName, Pace] = {}


class Fold:
    """Applies records to the state, and keeps the index and the timers in step with it."""

    def __init__(self, floor: Floor, state: State) -> None:
        self.floor = floor
        self.state = state
        self.queues: dict[QueueName, QueueSettings] = {each.name: each for each in floor.queues}
        self.browsers = {each.number for each in floor.extensions if each.kind == "browser"}
        self.router = Router(floor)
        self.timers = Timers()
        self.lines: dict[QueueName, list[tuple[Key, str]]] = {name: [] for name in self.queues}
        self.withheld: set[str] = set()
        """Visits that a command of this process, or an offer of one before it, keeps from us."""
        self._naming: dict[AgentId, dict[str, None]] = {}
        self._restore()

    def _restore(self) -> None:
        """Fit a loaded state to the floor, and derive the rest from it."""
        state = self.state
        state.agents = {
            each.id: state.agents.get(each.id) or Agent(id=each.id) for each in self.floor.agents
        }
        for name in self.queues:
            state.paces.setdefault(name, Pace())
        for agent in state.agents.values():
            self._fit(agent)
        state.offers = {
            each.id: each
            for each in state.offers.values()
            if each.agent_id in state.agents and each.queue in self.queues
        }
        for visit in list(state.visits.values()):
            if visit.offer_id not in state.offers:
                visit.offer_id = None
            if visit.queue in self.queues:
                self._stand(visit)
            else:
                self._forget(visit)
        for agent in state.agents.values():
            self._refresh(agent)
            self.timers.arm("agent", agent.id, agent.until if agent.state != "offered" else None)
            self._watch_panel(agent)
        for visit in state.visits.values():
            self.place(visit, visit.started_at)
        for offer in state.offers.values():
            self.timers.arm("offer", offer.id, offer.until + offers.GRACE_SECONDS)

    def _fit(self, agent: Agent) -> None:
        """Forget what a changed floor has no more."""
        offer = self.offer_to(agent)
        if agent.queue not in self.queues:
            agent.queue = None
        if agent.before is not None and agent.before.queue not in self.queues:
            agent.before = msgspec.structs.replace(agent.before, queue=None)
        if offer is None or offer.queue not in self.queues:
            agent.offer_id = None
        agent.recent = {
            call_id: queue if queue in self.queues else None
            for call_id, queue in agent.recent.items()
        }

    def apply(self, record: Recorded) -> None:
        """Change the state by one record. Events that do not concern the ACD change nothing."""
        self.state.next_seq = record.seq + 1
        handler = _HANDLERS.get(type(record.event))
        if handler is not None:
            handler(self, record.event)

    # --- questions ----------------------------------------------------------------------------

    def visit_of(self, call_id: CallId) -> Visit | None:
        """The open visit of a call."""
        return self.state.visits.get(self.state.visit_of.get(call_id, ""))

    def agent(self, agent_id: AgentId | None) -> Agent | None:
        """An agent of the floor."""
        return self.state.agents.get(agent_id) if agent_id is not None else None

    def offer_of_leg(self, leg: AgentLeg) -> Offer | None:
        """The pending offer to the agent whose leg this is."""
        agent = self.agent(leg.agent_id)
        return None if agent is None else self.offer_to(agent)

    def offer_to(self, agent: Agent) -> Offer | None:
        """The pending offer to an agent."""
        return self.state.offers.get(agent.offer_id) if agent.offer_id else None

    def position(self, visit: Visit) -> int:
        """The caller's place in the queue, 1 is next."""
        key = queues.line_key(visit, self.queues[visit.queue])
        return bisect_left(self.lines[visit.queue], (key, visit.id)) + 1

    def naming(self, agent_id: AgentId) -> list[Visit]:
        """The callers who would rather have this agent."""
        return [self.state.visits[each] for each in self._naming.get(agent_id, ())]

    # --- the index ----------------------------------------------------------------------------

    def place(self, visit: Visit, now: float) -> None:
        """Let the caller wait for the agents who may serve at this moment, or for nobody."""
        settings = self.queues[visit.queue]
        named = self._named(visit, settings, now)
        if visit.native or visit.offer_id or visit.id in self.withheld or visit.hold_until > now:
            self.router.take_visit(visit.id)
        else:
            passed_over = frozenset(
                agent_id for agent_id, until in visit.passed_over.items() if until > now
            )
            if named is not None:
                needs = being(named)
            else:
                needs = queues.needs(visit, settings, queues.relaxed(visit, settings, now))
            key = queues.line_key(visit, settings)
            self.router.put_visit(visit.id, visit.queue, key, needs, passed_over)
        self.timers.arm("visit", visit.id, queues.next_change(visit, settings, now))

    def _named(self, visit: Visit, settings: QueueSettings, now: float) -> AgentId | None:
        """The one agent whom the caller waits for at this moment."""
        if now < queues.returns_until(visit) and self._comes(visit, visit.returns_to, now):
            return visit.returns_to
        if now < queues.sticky_until(visit, settings) and self._comes(
            visit, visit.sticky_agent, now
        ):
            return visit.sticky_agent
        return None

    def _comes(self, visit: Visit, agent_id: AgentId | None, now: float) -> bool:
        """Whether it is worth waiting for the agent."""
        agent = self.state.agents.get(agent_id or "")
        return (
            agent is not None
            and visit.queue in self.router.queues_of[agent.id]
            and visit.passed_over.get(agent.id, 0.0) <= now
            and (agent.state in WORKING or (agent.state == "ready" and agent.reachable))
        )

    def _refresh(self, agent: Agent) -> None:
        self.router.put_agent(agent)

    def _watch_panel(self, agent: Agent) -> None:
        gone = agent.extension is not None and agent.browser and agent.panel_lost_at is not None
        at = (agent.panel_lost_at or 0.0) + agents.PANEL_LOST_SECONDS if gone else None
        self.timers.arm("panel", agent.id, at)

    def _stand(self, visit: Visit) -> None:
        settings = self.queues[visit.queue]
        insort(self.lines[visit.queue], (queues.line_key(visit, settings), visit.id))
        for agent_id in {visit.sticky_agent, visit.returns_to} - {None}:
            self._naming.setdefault(str(agent_id), {})[visit.id] = None
        waits = [each.after_seconds for each in settings.overflow if each.after_seconds]
        if waits:
            self.timers.arm("overflow", visit.id, visit.entered_at + min(waits))
        self._arm_announcement(visit)

    def _arm_announcement(self, visit: Visit) -> None:
        every = self.queues[visit.queue].announce_every_seconds
        if every:
            last = max(visit.told_at, visit.started_at)
            self.timers.arm("announce", visit.id, last + every)

    def _forget(self, visit: Visit) -> None:
        del self.state.visits[visit.id]
        if self.state.visit_of.get(visit.call_id) == visit.id:
            del self.state.visit_of[visit.call_id]

    # --- calls and legs -----------------------------------------------------------------------

    def _leg_started(self, event: domain.LegStarted) -> None:
        if event.kind == "agent" or event.agent_id is not None:
            self._give_leg(event.leg_id, event.agent_id, event.call_id, event.channel)

    def _give_leg(
        self, leg_id: LegId, agent_id: AgentId | None, call_id: CallId, channel: str
    ) -> None:
        agent = self.agent(agent_id)
        self.state.legs[leg_id] = AgentLeg(None if agent is None else agent.id, call_id, channel)
        if agent is None:
            return
        agent.legs[leg_id] = call_id
        offer = self.offer_to(agent)
        if offer is not None and offer.call_id == call_id:
            offer.leg_id, offer.channel = leg_id, channel
        self._refresh(agent)

    def _take_leg(self, leg_id: LegId) -> None:
        leg = self.state.legs.pop(leg_id, None)
        agent = self.agent(leg.agent_id) if leg is not None else None
        if agent is not None:
            agent.legs.pop(leg_id, None)
            self._refresh(agent)

    def _leg_renamed(self, event: domain.LegRenamed) -> None:
        leg = self.state.legs.get(event.leg_id)
        if leg is not None and leg.agent_id == event.agent_id:
            leg.channel = event.channel
            offer = self.offer_of_leg(leg)
            if offer is not None and offer.leg_id == event.leg_id:
                offer.channel = event.channel
        else:
            self._take_leg(event.leg_id)
            if event.kind == "agent" or event.agent_id is not None:
                self._give_leg(event.leg_id, event.agent_id, event.call_id, event.channel)
                self.state.legs[event.leg_id].bridge_id = None if leg is None else leg.bridge_id
        visit = self.visit_of(event.call_id)
        if visit is not None and visit.leg_id == event.leg_id:
            visit.channel = event.channel
        answered = self.state.answered.get(event.call_id)
        if answered is not None and answered.visit.leg_id == event.leg_id:
            answered.visit.channel = event.channel

    def _leg_joined(self, event: domain.LegJoined) -> None:
        self._set_bridge(event.call_id, event.leg_id, event.bridge_id)

    def _leg_left(self, event: domain.LegLeft) -> None:
        self._set_bridge(event.call_id, event.leg_id, None)

    def _set_bridge(self, call_id: CallId, leg_id: LegId, bridge_id: str | None) -> None:
        leg = self.state.legs.get(leg_id)
        if leg is not None:
            leg.bridge_id = bridge_id
        visit = self.visit_of(call_id)
        if visit is not None and visit.leg_id == leg_id:
            visit.bridge_id = bridge_id

    def _leg_ended(self, event: domain.LegEnded) -> None:
        leg = self.state.legs.get(event.leg_id)
        offer = None if leg is None else self.offer_of_leg(leg)
        if offer is not None and offer.leg_id == event.leg_id:
            until = max(offer.until, event.at) + offers.GRACE_SECONDS
            self.timers.arm("offer", offer.id, until)
        self._take_leg(event.leg_id)

    def _call_merged(self, event: domain.CallMerged) -> None:
        state, gone, into = self.state, event.merged_call_id, event.call_id
        for leg_id, leg in state.legs.items():
            if leg.call_id == gone:
                leg.call_id = into
                agent = self.agent(leg.agent_id)
                if agent is not None:
                    agent.legs[leg_id] = into
        visit_id = state.visit_of.pop(gone, None)
        if visit_id is not None and into not in state.visit_of:
            state.visits[visit_id].call_id = into
            state.visit_of[into] = visit_id
        for offer in state.offers.values():
            offer.call_id = into if offer.call_id == gone else offer.call_id
        for each in state.agents.values():
            agents.call_merged(each, gone, into)
        if gone in state.answered:
            state.answered[gone].visit.call_id = into
        if gone in state.unrecorded:
            state.unrecorded.remove(gone)
            state.unrecorded.add(into)
        for kept in (state.answered, state.recordings):
            _move(kept, gone, into)
        state.visits_had[into] = state.visits_had.get(into, 0) + state.visits_had.pop(gone, 0)

    def _call_handed_over(self, event: domain.CallHandedOver) -> None:
        """Nothing of the call stays here; the agents who were busy with it are signed out next."""
        state, call_id = self.state, event.call_id
        for leg_id in [each for each, leg in state.legs.items() if leg.call_id == call_id]:
            self._take_leg(leg_id)
        for offer in [each for each in state.offers.values() if each.call_id == call_id]:
            self._take_offer(offer)
        visit = self.visit_of(call_id)
        if visit is not None and not self._take_visit(visit):
            estimate.emptied(state.paces[visit.queue])
        for agent in state.agents.values():
            agent.recent.pop(call_id, None)
        self._call_ended(event)

    def _call_ended(self, event: domain.CallEnded | domain.CallHandedOver) -> None:
        state = self.state
        for kept in (state.answered, state.recordings, state.visits_had):
            kept.pop(event.call_id, None)
        state.unrecorded.discard(event.call_id)

    # --- visits and offers --------------------------------------------------------------------

    def _queue_entered(self, event: domain.QueueEntered) -> None:
        if event.queue not in self.queues:
            return
        visit = Visit(
            id=event.visit_id,
            call_id=event.call_id,
            queue=event.queue,
            leg_id=event.leg_id,
            channel=event.channel,
            started_at=event.at,
            entered_at=event.entered_at,
            talked_seconds=event.talked_seconds,
            order=self.state.next_seq - 1,
            priority=event.priority,
            skills=dict(event.skills),
            language=event.language,
            sticky_agent=event.sticky_agent,
            returns_to=event.returns_to,
        )
        state = self.state
        state.visits[visit.id] = visit
        state.visit_of[visit.call_id] = visit.id
        state.visits_had[visit.call_id] = state.visits_had.get(visit.call_id, 0) + 1
        self._stand(visit)
        self.place(visit, event.at)

    def _queue_left(self, event: domain.QueueLeft) -> None:
        visit = self.state.visits.get(event.visit_id)
        if visit is None:
            return
        still_waiting = self._take_visit(visit)
        pace = self.state.paces[visit.queue]
        if event.reason == "answered":
            estimate.answered(pace, event.at, still_waiting)
            self._note_answer(visit, event.agent_id, event.at)
        elif not still_waiting:
            estimate.emptied(pace)

    def _take_visit(self, visit: Visit) -> int:
        """The caller does not wait any more; how many still do in that queue."""
        self.router.take_visit(visit.id)
        self.withheld.discard(visit.id)
        for agent_id in (visit.sticky_agent, visit.returns_to):
            self._naming.get(agent_id or "", {}).pop(visit.id, None)
        line = self.lines[visit.queue]
        del line[bisect_left(line, (queues.line_key(visit, self.queues[visit.queue]), visit.id))]
        for kind in _OF_VISITS:
            self.timers.arm(kind, visit.id, None)
        self._forget(visit)
        return len(line)

    def _note_answer(self, visit: Visit, agent_id: AgentId | None, at: float) -> None:
        self.state.answered[visit.call_id] = Answered(agent_id, visit, at)
        agent = self.state.agents.get(agent_id or "")
        if agent is not None:
            agent.calls += 1
            agent.missed = 0
            agent.queue = visit.queue
            agent.recent.pop(visit.call_id, None)
            agent.recent[visit.call_id] = visit.queue
            self._bound_recent(agent)

    def _native_entered(self, event: domain.NativeEntered) -> None:
        self._set_native(event.visit_id, event.at, native=True)

    def _native_left(self, event: domain.NativeLeft) -> None:
        # Where it was answered the visit ends next, and is kept as what it was.
        self._set_native(event.visit_id, event.at, native=event.answered_by is not None)

    def _set_native(self, visit_id: str, at: float, *, native: bool) -> None:
        visit = self.state.visits.get(visit_id)
        if visit is not None:
            visit.native = native
            self.place(visit, at)

    def _call_decided(self, event: domain.CallDecided) -> None:
        visit = self.visit_of(event.call_id)
        if visit is not None:
            visit.decided_step = event.step if event.chosen is None else None

    def _offer_made(self, event: domain.OfferMade) -> None:
        if event.agent_id not in self.state.agents or event.queue not in self.queues:
            return
        offer = Offer(
            id=event.offer_id,
            call_id=event.call_id,
            visit_id=event.visit_id,
            agent_id=event.agent_id,
            queue=event.queue,
            epoch=event.epoch,
            made_at=event.at,
            until=event.at + event.ring_seconds,
            record=event.record,
        )
        self.state.offers[offer.id] = offer
        self.timers.arm("offer", offer.id, offer.until + offers.GRACE_SECONDS)
        agent = self.state.agents[event.agent_id]
        agent.offer_id = offer.id
        agent.offered_at[event.queue] = event.at
        visit = self.state.visits.get(event.visit_id)
        if visit is not None:
            visit.offer_id = offer.id
            self.place(visit, event.at)

    def _offer_ended(self, event: domain.OfferEnded) -> None:
        offer = self.state.offers.get(event.offer_id)
        if offer is None:
            return
        agent = self._take_offer(offer)
        if agent is not None and event.counts_as_miss:
            agent.missed += 1
            agent.idle_since = event.at
        visit = self.state.visits.get(offer.visit_id)
        if visit is not None and visit.offer_id == offer.id:
            visit.offer_id = None
            if event.end in ("rejected", "timed_out", "failed"):
                visit.passed_over[offer.agent_id] = event.at + offers.PASS_OVER_SECONDS
            if event.detail == offers.REFUSED:
                visit.hold_until = event.at + offers.HOLD_SECONDS
            self.place(visit, event.at)

    def _take_offer(self, offer: Offer) -> Agent | None:
        """The offer is pending no more; the agent it was made to, if there still is one."""
        del self.state.offers[offer.id]
        self.timers.arm("offer", offer.id, None)
        agent = self.state.agents.get(offer.agent_id)
        if agent is not None:
            agent.offer_id = None
        return agent

    def _position_announced(self, event: domain.PositionAnnounced) -> None:
        visit = self.visit_of(event.call_id)
        if visit is not None:
            visit.told_at = event.at
            self._arm_announcement(visit)

    # --- agents -------------------------------------------------------------------------------

    def _signed_in(self, event: domain.AgentSignedIn) -> None:
        self.state.seats[event.extension] = event.agent_id
        agent = self.state.agents.get(event.agent_id)
        if agent is None:
            return
        agent.extension = event.extension
        agent.browser = event.extension in self.browsers
        agent.calls = agent.missed = 0
        if not agent.panel_connected:
            agent.panel_lost_at = event.at
        self._watch_panel(agent)
        self._refresh(agent)

    def _signed_out(self, event: domain.AgentSignedOut) -> None:
        agent = self.state.agents.get(event.agent_id)
        if self.state.seats.get(event.extension) == event.agent_id:
            del self.state.seats[event.extension]
        if agent is not None:
            agent.extension = None
            agent.phone_reachable = False
            self._watch_panel(agent)
            self._refresh(agent)

    def _state_changed(self, event: domain.AgentStateChanged) -> None:
        agent = self.state.agents.get(event.agent_id)
        if agent is None:
            return
        agents.apply_state(agent, event)
        if agent.state == "talking" and agent.call_id is not None:
            agent.recent.setdefault(agent.call_id, agent.queue)
            self._bound_recent(agent)
        self.timers.arm("agent", agent.id, agent.until if agent.state != "offered" else None)
        self._refresh(agent)

    @staticmethod
    def _bound_recent(agent: Agent) -> None:
        while len(agent.recent) > agents.RECENT_CALLS:
            del agent.recent[next(iter(agent.recent))]

    def _next_state_set(self, event: domain.AgentNextStateSet) -> None:
        agent = self.state.agents.get(event.agent_id)
        if agent is not None:
            agent.next_reason = event.reason
            agent.sign_out_after = event.sign_out

    def _phone_changed(self, event: domain.AgentPhoneChanged) -> None:
        agent = self.state.agents.get(event.agent_id)
        if agent is not None:
            agent.phone_reachable = event.reachable
            self._refresh(agent)

    def _panel_changed(self, event: domain.AgentPanelChanged) -> None:
        agent = self.state.agents.get(event.agent_id)
        if agent is not None:
            agent.panel_connected = event.connected
            agent.panel_lost_at = None if event.connected else event.at
            self._watch_panel(agent)
            self._refresh(agent)

    # --- recordings ---------------------------------------------------------------------------

    def _recording_started(self, event: domain.RecordingStarted) -> None:
        self.state.recordings[event.call_id] = Recording(event.recording_id)

    def _recording_paused(self, event: domain.RecordingPaused) -> None:
        self._set_paused(event.call_id, event.recording_id, paused=True)

    def _recording_resumed(self, event: domain.RecordingResumed) -> None:
        self._set_paused(event.call_id, event.recording_id, paused=False)

    def _set_paused(self, call_id: CallId, recording_id: str, *, paused: bool) -> None:
        recording = self.state.recordings.get(call_id)
        if recording is not None and recording.id == recording_id:
            recording.paused = paused

    def _consent_given(self, event: domain.ConsentGiven) -> None:
        if event.consent:
            self.state.unrecorded.discard(event.call_id)
        else:
            self.state.unrecorded.add(event.call_id)

    # --- the server itself --------------------------------------------------------------------

    def _server_started(self, event: domain.ServerStarted) -> None:
        self.state.epoch = event.epoch
        self.state.fenced_by = None

    def _pbx_connected(self, event: domain.PbxConnected) -> None:
        self.state.link_up = True
        self.state.epoch = event.epoch
        self.state.pbx_started_at = event.pbx_started_at

    def _pbx_lost(self, _event: domain.PbxLost) -> None:
        self.state.link_up = False
        for offer in self.state.offers.values():
            offer.disturbed = True

    def _fenced(self, event: domain.ServerFenced) -> None:
        self.state.fenced_by = event.newer_epoch


def _move(kept: dict[CallId, Any], gone: CallId, into: CallId) -> None:
    if gone in kept:
        value = kept.pop(gone)
        kept.setdefault(into, value)


_HANDLERS: Final[dict[type, Callable[[Fold, Any], None]]] = {
    domain.LegStarted: Fold._leg_started,
    domain.LegRenamed: Fold._leg_renamed,
    domain.LegJoined: Fold._leg_joined,
    domain.LegLeft: Fold._leg_left,
    domain.LegEnded: Fold._leg_ended,
    domain.CallMerged: Fold._call_merged,
    domain.CallHandedOver: Fold._call_handed_over,
    domain.CallEnded: Fold._call_ended,
    domain.QueueEntered: Fold._queue_entered,
    domain.QueueLeft: Fold._queue_left,
    domain.NativeEntered: Fold._native_entered,
    domain.NativeLeft: Fold._native_left,
    domain.CallDecided: Fold._call_decided,
    domain.OfferMade: Fold._offer_made,
    domain.OfferEnded: Fold._offer_ended,
    domain.PositionAnnounced: Fold._position_announced,
    domain.AgentSignedIn: Fold._signed_in,
    domain.AgentSignedOut: Fold._signed_out,
    domain.AgentStateChanged: Fold._state_changed,
    domain.AgentNextStateSet: Fold._next_state_set,
    domain.AgentPhoneChanged: Fold._phone_changed,
    domain.AgentPanelChanged: Fold._panel_changed,
    domain.RecordingStarted: Fold._recording_started,
    domain.RecordingPaused: Fold._recording_paused,
    domain.RecordingResumed: Fold._recording_resumed,
    domain.ConsentGiven: Fold._consent_given,
    domain.ServerStarted: Fold._server_started,
    domain.PbxConnected: Fold._pbx_connected,
    domain.PbxLost: Fold._pbx_lost,
    domain.ServerFenced: Fold._fenced,
}
