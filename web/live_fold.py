"""The fold of the live view: how each event changes the picture, and which rows with it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from acd.estimate import answered, emptied
from config.floor import QueueSettings
from cti import domain
from cti.domain import AgentId, CallId, OfferId, QueueName, Recorded
from web.live_state import (
    AgentNow,
    AlarmNow,
    CallNow,
    Changes,
    GapNow,
    LegNow,
    OfferNow,
    Picture,
    QueueNow,
    State,
    Today,
    TrendNow,
    VisitNow,
    Who,
)
from web.live_trend import Place, Trend, row_key, unheard_at_most


class Fold:
    """Changes the picture's state and nothing else."""

    def __init__(self, picture: Picture, zone: ZoneInfo) -> None:
        self._picture = picture
        self._zone = zone
        self._changes = Changes()
        self._trend = Trend(picture)
        self._now = 0.0

    @property
    def _state(self) -> State:
        return self._picture.state

    def apply(self, record: Recorded) -> Changes:
        """Apply one event. Events of unknown calls are ignored: their call is over."""
        changes = self.roll(record.event.at)
        self._now = record.event.at
        self._state.seq = record.seq
        apply = _APPLY.get(type(record.event))
        if apply:
            apply(self, record.event)
        return changes

    def roll(self, now: float) -> Changes:
        """Age the trends; start a new day's figures when `now` is past the centre's midnight."""
        changes = self._changes = Changes()
        if now >= self._state.day_ends_at:
            self._begin_day(now)
        for place in self._trend.age(now):
            self._touch_trend((place,))
            if place[0]:
                changes.floor.add(("queues", place[0]))
        return changes

    def _begin_day(self, now: float) -> None:
        changes = self._changes
        self._state.day_began_at, self._state.day_ends_at = self._midnights_around(now)
        for agent in self._state.agents.values():
            agent.today = Today()
            self._touch_agent(agent.agent_id)
        for name, queue in self._state.queues.items():
            self._state.queues[name] = QueueNow(name, pace=queue.pace, touched_at=now)
            changes.floor.add(("queues", name))
        for key in self._state.recording_alarms:
            changes.floor.add(("alarms", key))
        self._state.recording_alarms = {}
        for name, trend in self._state.trends.items():
            self._touch_trend((name, quarter.begin) for quarter in trend.quarters)
            self._state.trends[name] = TrendNow(minutes=trend.minutes)
        changes.floor |= {("gaps", gap.key) for gap in self._state.gaps}
        self._state.gaps = []

    def _midnights_around(self, now: float) -> tuple[float, float]:
        today = datetime.fromtimestamp(now, self._zone).date()
        began, ends = (
            datetime(day.year, day.month, day.day, tzinfo=self._zone).timestamp()
            for day in (today, today + timedelta(days=1))
        )
        return began, ends

    # --- which rows a fact touches

    def _touch_trend(self, places: Iterable[Place]) -> None:
        self._changes.floor.update(("trends", row_key(place)) for place in places)

    def _touch_agent(self, agent_id: AgentId) -> None:
        self._changes.floor.add(("agents", agent_id))
        self._touch_desk(agent_id, "me", agent_id)

    def _touch_desk(self, agent_id: AgentId, table: str, key: str) -> None:
        self._changes.desk.setdefault(agent_id, set()).add((table, key))

    def _touch_queue(self, name: QueueName) -> None:
        if name in self._picture.queue_settings:
            self._state.queues[name].touched_at = self._now
            self._changes.floor.add(("queues", name))
            self._changes.pulse.add(name)

    def _touch_queues_of(self, agent_id: AgentId) -> None:
        for name in self._picture.queues_of(agent_id):
            self._state.queues[name].touched_at = self._now
            self._changes.floor.add(("queues", name))

    def _touch_call(self, call: CallNow) -> None:
        for agent_id in call.agents:
            self._touch_desk(agent_id, "calls", call.call_id)

    def _take_part(self, call: CallNow, agent_id: AgentId) -> None:
        if agent_id not in call.agents:
            call.agents.append(agent_id)
        self._touch_desk(agent_id, "calls", call.call_id)

    # --- calls

    def _call_started(self, event: domain.CallStarted) -> None:
        if event.call_id in self._state.calls:
            return
        outbound = event.direction == "outbound"
        self._state.calls[event.call_id] = CallNow(
            call_id=event.call_id,
            started_at=event.at,
            who=Who(
                number=event.called_number if outbound else event.caller_number,
                name=None if outbound else event.caller_name,
            ),
        )

    def _leg_started(self, event: domain.LegStarted) -> None:
        call = self._state.calls.get(event.call_id)
        if call and event.kind == "agent" and event.agent_id:
            call.legs[event.leg_id] = LegNow(agent_id=event.agent_id)
            self._take_part(call, event.agent_id)
            self._touch_call(call)

    def _leg_answered(self, event: domain.LegAnswered) -> None:
        call, leg = self._leg(event.call_id, event.leg_id)
        if call and leg:
            leg.answered_at = event.at
            call.answered_at = call.answered_at or event.at
            self._touch_call(call)

    def _leg_renamed(self, event: domain.LegRenamed) -> None:
        call, leg = self._leg(event.call_id, event.leg_id)
        if not call:
            return
        self._touch_call(call)
        if event.kind != "agent" or not event.agent_id:
            call.legs.pop(event.leg_id, None)
            return
        answered_at = leg.answered_at if leg else event.at
        call.legs[event.leg_id] = LegNow(agent_id=event.agent_id, answered_at=answered_at)
        self._take_part(call, event.agent_id)
        self._touch_call(call)

    def _leg_held(self, event: domain.LegHeld | domain.LegResumed) -> None:
        call, leg = self._leg(event.call_id, event.leg_id)
        if call and leg:
            leg.held = isinstance(event, domain.LegHeld)
            self._touch_call(call)

    def _leg_ended(self, event: domain.LegEnded) -> None:
        call = self._state.calls.get(event.call_id)
        if call and call.legs.pop(event.leg_id, None):
            self._touch_call(call)

    def _call_merged(self, event: domain.CallMerged) -> None:
        call = self._state.calls.get(event.call_id)
        merged = self._state.calls.get(event.merged_call_id)
        if not call or not merged:
            return
        self._touch_call(merged)
        call.legs |= merged.legs
        merged.legs = {}
        for agent_id in merged.agents:
            self._take_part(call, agent_id)
        if merged.recording_id and not call.recording_id:
            call.recording_id, call.recording = merged.recording_id, merged.recording
        self._touch_call(call)
        self._end(merged)

    def _call_handed_over(self, event: domain.CallHandedOver) -> None:
        """Another server shows it from here on, and counts its stay in the queue."""
        call = self._state.calls.get(event.call_id)
        visit = self._drop_visit(event.visit_id or "")
        if visit:
            self._queue(visit.queue).offered -= 1
            self._touch_trend(
                self._trend.taken_back(visit.queue, visit.counted_at, answered=False, in_time=False)
            )
        elif call and call.queue and event.visit_id:
            self._touch_trend(
                self._trend.taken_back(
                    call.queue, call.counted_at, answered=True, in_time=call.in_time
                )
            )
            queue = self._queue(call.queue)
            queue.offered -= 1
            queue.answered -= 1
            queue.answered_in_time -= call.in_time
            self._touch_queue(queue.name)
        offers = self._state.offers.items()
        for offer_id in [key for key, offer in offers if offer.call_id == event.call_id]:
            self._drop_offer(offer_id)
        self._call_ended(event)

    def _call_ended(self, event: domain.CallEnded | domain.CallHandedOver) -> None:
        call = self._state.calls.get(event.call_id)
        if call:
            call.legs = {}
            self._touch_call(call)
            self._end(call)

    def _end(self, call: CallNow) -> None:
        call.ended = True
        self._forget_if_over(call.call_id)

    def _forget_if_over(self, call_id: CallId) -> None:
        """Drop a call that has ended and that no agent's state names any more."""
        call = self._state.calls.get(call_id)
        if not call or not call.ended:
            return
        agents = (self._state.agents.get(agent_id) for agent_id in call.agents)
        if not any(agent and call_id in (agent.call_id, agent.wrapping) for agent in agents):
            del self._state.calls[call_id]
            self._picture.over(call)

    def _leg(self, call_id: CallId, leg_id: str) -> tuple[CallNow | None, LegNow | None]:
        call = self._state.calls.get(call_id)
        return call, call.legs.get(leg_id) if call else None

    # --- queues

    def _queue_entered(self, event: domain.QueueEntered) -> None:
        call = self._state.calls.get(event.call_id)
        before = self._drop_visit(event.visit_id)
        unheard = event.adopted and not event.talked_seconds
        counted_at = event.entered_at if unheard else event.at
        self._state.visits[event.visit_id] = VisitNow(
            visit_id=event.visit_id,
            call_id=event.call_id,
            queue=event.queue,
            entered_at=event.entered_at,
            priority=event.priority,
            who=_learn(call.who if call else Who(), event),
            counted_at=before.counted_at if before else counted_at,
            returns=event.returns_to is not None,
        )
        self._picture.waiting.setdefault(event.queue, set()).add(event.visit_id)
        if not before and event.returns_to is None:
            self._queue(event.queue).offered += 1
            self._touch_trend(self._trend.entered(event.queue, counted_at, event.at))
            if unheard:
                self._found_after_gap(event)
        if call:
            call.queue = event.queue
            call.who = _learn(call.who, event)
            self._touch_call(call)
        self._changes.floor.add(("waiting", event.visit_id))
        self._touch_queue(event.queue)

    def _drop_visit(self, visit_id: str) -> VisitNow | None:
        visit = self._state.visits.pop(visit_id, None)
        if visit:
            self._picture.waiting[visit.queue].discard(visit_id)
            self._changes.floor.add(("waiting", visit_id))
            self._touch_queue(visit.queue)
        return visit

    def _queue_left(self, event: domain.QueueLeft) -> None:
        visit = self._drop_visit(event.visit_id)
        if visit and not visit.returns:
            still_waiting = len(self._picture.waiting[visit.queue])
            self._count_end(visit, event, still_waiting)

    def _count_end(self, visit: VisitNow, event: domain.QueueLeft, still_waiting: int) -> None:
        queue = self._queue(visit.queue)
        settings = self._picture.queue_settings.get(queue.name) or QueueSettings(name="unknown")
        in_time = event.waited_seconds <= settings.service_level_seconds
        call = self._state.calls.get(event.call_id)
        if call:
            call.in_time, call.counted_at = in_time, visit.counted_at
        short = False
        if event.reason == "abandoned":
            short = event.waited_seconds <= settings.short_abandon_seconds
            queue.abandoned += 1
            queue.abandoned_short += short
        if event.reason in ("answered", "abandoned"):
            self._touch_trend(
                self._trend.left(visit.queue, visit.counted_at, event, in_time=in_time, short=short)
            )
        elif not event.exact and event.reason in ("withdrawn", "lost"):
            queue.ends_unknown += 1
        if event.reason == "answered":
            queue.answered += 1
            queue.answered_in_time += in_time
            answered(queue.pace, event.at, still_waiting)
        elif not still_waiting:
            emptied(queue.pace)

    def _found_after_gap(self, event: domain.QueueEntered) -> None:
        """Who came in the gap and still waited after it is no unheard call."""
        queue, gap = self._queue(event.queue), self._state.gaps[-1:]
        if gap and gap[0].from_at <= event.entered_at <= gap[0].to_at:
            queue.unheard = max(0, queue.unheard - 1)

    def _gap_recorded(self, event: domain.GapRecorded) -> None:
        gap = GapNow(event.from_at, max(event.from_at, event.to_at), event.reason)
        self._state.gaps.append(gap)
        self._changes.floor.add(("gaps", gap.key))
        for name in self._picture.queue_settings:
            queue, at_most = self._queue(name), unheard_at_most(self._state.trends[name], gap)
            queue.unheard += at_most or 0
            queue.unbounded |= at_most is None
            self._changes.floor.add(("queues", name))

    def _native_entered(self, event: domain.NativeEntered | domain.NativeLeft) -> None:
        visit = self._state.visits.get(event.visit_id)
        if visit:
            visit.native = isinstance(event, domain.NativeEntered)
            self._changes.floor.add(("waiting", event.visit_id))

    def _offer_made(self, event: domain.OfferMade) -> None:
        call = self._state.calls.get(event.call_id)
        visit = self._state.visits.get(event.visit_id)
        self._drop_offer(event.offer_id)
        self._state.offers[event.offer_id] = OfferNow(
            offer_id=event.offer_id,
            call_id=event.call_id,
            agent_id=event.agent_id,
            queue=event.queue,
            waited_since=visit.entered_at if visit else event.at,
            made_at=event.at,
            until=event.at + event.ring_seconds,
            who=visit.who if visit else Who(),
        )
        if call:
            self._take_part(call, event.agent_id)
        self._touch_desk(event.agent_id, "offers", event.offer_id)

    def _offer_ended(self, event: domain.OfferEnded) -> None:
        offer = self._drop_offer(event.offer_id)
        if offer and event.counts_as_miss:
            self._agent(offer.agent_id).today.missed += 1
            self._touch_agent(offer.agent_id)

    def _drop_offer(self, offer_id: OfferId) -> OfferNow | None:
        offer = self._state.offers.pop(offer_id, None)
        if offer:
            self._touch_desk(offer.agent_id, "offers", offer_id)
        return offer

    # --- recordings and outcomes

    def _recording(
        self, event: domain.RecordingStarted | domain.RecordingPaused | domain.RecordingResumed
    ) -> None:
        call = self._state.calls.get(event.call_id)
        if call:
            call.recording_id = event.recording_id
            call.recording = "paused" if isinstance(event, domain.RecordingPaused) else "on"
            self._touch_call(call)

    def _recording_stored(self, event: domain.RecordingStored) -> None:
        key = f"recording:{event.recording_id}"
        if self._state.recording_alarms.pop(key, None):
            self._changes.floor.add(("alarms", key))

    def _recording_faulty(self, event: domain.RecordingFaulty) -> None:
        key = f"recording:{event.recording_id}"
        call = self._state.calls.get(event.call_id)
        queue = {"queue": call.queue} if call and call.queue else {}
        self._state.recording_alarms[key] = AlarmNow(
            key=key,
            level="error",
            code="recording_faulty",
            since=event.at,
            params={"call_id": event.call_id, "fault": event.fault, **queue},
        )
        self._changes.floor.add(("alarms", key))

    def _disposition_saved(self, event: domain.DispositionSaved) -> None:
        call = self._state.calls.get(event.call_id)
        if call:
            call.dispositions[event.agent_id] = event.code
            self._touch_call(call)

    # --- agents

    def _agent(self, agent_id: AgentId) -> AgentNow:
        return self._state.agents.setdefault(agent_id, AgentNow(agent_id=agent_id))

    def _queue(self, name: QueueName) -> QueueNow:
        return self._state.queues.setdefault(name, QueueNow(name=name))

    def _signed_in(self, event: domain.AgentSignedIn) -> None:
        self._agent(event.agent_id).extension = event.extension
        self._touch_agent(event.agent_id)

    def _signed_out(self, event: domain.AgentSignedOut) -> None:
        agent = self._agent(event.agent_id)
        agent.extension = None
        agent.reachable = False
        agent.next_reason = None
        self._touch_agent(event.agent_id)

    def _state_changed(self, event: domain.AgentStateChanged) -> None:
        agent = self._agent(event.agent_id)
        before = (agent.state, agent.reason, agent.call_id)
        after = (event.state, event.reason, event.call_id)
        touched = {agent.call_id, agent.wrapping, event.call_id}
        if agent.state != event.state and "ready" in (agent.state, event.state):
            queues = self._picture.queues_of(agent.agent_id)
            self._touch_trend(self._trend.watch_ready(queues, event.at))
        if before != after:
            self._count_talk(agent, event)
            self._count_spent(agent, event.at)
            agent.since = event.at
        agent.state, agent.reason, agent.call_id = after
        agent.until = event.until
        if event.state in ("ready", "not_ready", "signed_out"):
            agent.next_reason = agent.wrapping = None
        if event.state == "wrap_up":
            agent.wrapping = event.call_id or agent.wrapping
        call = self._state.calls.get(event.call_id) if event.call_id else None
        agent.queue = call.queue if call else None
        self._touch_agent(agent.agent_id)
        self._touch_queues_of(agent.agent_id)
        for call_id in touched - {None}:
            self._agent_turned(agent, str(call_id))

    def _agent_turned(self, agent: AgentNow, call_id: CallId) -> None:
        call = self._state.calls.get(call_id)
        if call:
            self._take_part(call, agent.agent_id)
            self._touch_desk(agent.agent_id, "calls", call_id)
            self._forget_if_over(call_id)

    def _count_talk(self, agent: AgentNow, event: domain.AgentStateChanged) -> None:
        """A talk counts once, however its reason or hold changes meanwhile."""
        talked = agent.call_id if agent.state == "talking" else None
        talks = event.call_id if event.state == "talking" else None
        if agent.state == "talking":
            agent.today.talk_seconds += max(0.0, event.at - agent.since)
        if talked and talked != talks:
            agent.today.talks += 1
            agent.talked = talked
        if event.state != "talking" or (agent.state == "talking" and talked == talks):
            return
        if talks and talks == agent.talked:
            agent.today.talks -= 1  # the talk that was torn apart goes on
        else:
            agent.today.calls += 1

    def _count_spent(self, agent: AgentNow, until: float) -> None:
        """What was before midnight is yesterday's."""
        seconds = until - max(agent.since, self._state.day_began_at)
        if agent.state != "signed_out" and seconds > 0:
            spent = agent.today.spent
            spent[agent.state] = spent.get(agent.state, 0.0) + seconds

    def _next_state_set(self, event: domain.AgentNextStateSet) -> None:
        self._agent(event.agent_id).next_reason = event.reason
        self._touch_agent(event.agent_id)

    def _phone_changed(self, event: domain.AgentPhoneChanged) -> None:
        self._agent(event.agent_id).reachable = event.reachable
        self._touch_agent(event.agent_id)

    def _panel_changed(self, event: domain.AgentPanelChanged) -> None:
        self._agent(event.agent_id).panel = event.connected
        self._touch_agent(event.agent_id)


_APPLY: Mapping[type[domain.Event], Callable[[Fold, Any], None]] = {
    domain.CallStarted: Fold._call_started,
    domain.LegStarted: Fold._leg_started,
    domain.LegAnswered: Fold._leg_answered,
    domain.LegRenamed: Fold._leg_renamed,
    domain.LegHeld: Fold._leg_held,
    domain.LegResumed: Fold._leg_held,
    domain.LegEnded: Fold._leg_ended,
    domain.CallMerged: Fold._call_merged,
    domain.CallHandedOver: Fold._call_handed_over,
    domain.CallEnded: Fold._call_ended,
    domain.QueueEntered: Fold._queue_entered,
    domain.QueueLeft: Fold._queue_left,
    domain.NativeEntered: Fold._native_entered,
    domain.NativeLeft: Fold._native_entered,
    domain.OfferMade: Fold._offer_made,
    domain.OfferEnded: Fold._offer_ended,
    domain.RecordingStarted: Fold._recording,
    domain.RecordingPaused: Fold._recording,
    domain.RecordingResumed: Fold._recording,
    domain.RecordingStored: Fold._recording_stored,
    domain.RecordingFaulty: Fold._recording_faulty,
    domain.DispositionSaved: Fold._disposition_saved,
    domain.AgentSignedIn: Fold._signed_in,
    domain.AgentSignedOut: Fold._signed_out,
    domain.AgentStateChanged: Fold._state_changed,
    domain.AgentNextStateSet: Fold._next_state_set,
    domain.AgentPhoneChanged: Fold._phone_changed,
    domain.AgentPanelChanged: Fold._panel_changed,
    domain.GapRecorded: Fold._gap_recorded,
}


def _learn(who: Who, event: domain.QueueEntered) -> Who:
    return Who(
        number=who.number,
        name=event.customer_name or who.name,
        level=event.level or who.level,
        language=event.language or who.language,
        customer_id=event.customer_id or who.customer_id,
    )
