"""The live view: what queues, agents and calls look like now, folded from the journal's events.

Pure: no clock, no I/O. `evolve` says which rows changed, `rows` renders them, `snapshot` renders
all. A stale snapshot with the changes since laid over it equals a fresh one (a property test).

Tables of the topic "desk" (of one agent): me, offers, calls, queues.
Tables of the topic "floor": queues, agents, waiting, alarms, link.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from acd.estimate import Pace, answered, emptied, expected_wait_seconds
from config.floor import Floor, QueueSettings
from cti import domain
from cti.domain import AgentId, AgentState, CallId, OfferId, QueueName, Recorded
from web.rights import masked, masked_name

Topic = Literal["desk", "floor"]
Row = dict[str, object]
Rows = dict[str, dict[str, Row]]
"""table -> key -> row"""
Key = tuple[str, str]
"""(table, key)"""
PbxState = Literal["disconnected", "refused", "syncing", "ready", "fenced"]
DatabaseState = Literal["up", "away"]


@dataclass(slots=True)
class Changes:
    """Which rows may have changed: keys only, the rows are rendered when they are sent.

    :param floor: keys of the topic floor.
    :param desk: agent -> keys of that agent's desk.
    :param pulse: queues whose pulse on the desks of their agents changed.
    """

    floor: set[Key] = field(default_factory=set)
    desk: dict[AgentId, set[Key]] = field(default_factory=dict)
    pulse: set[QueueName] = field(default_factory=set)

    def merge(self, other: Changes) -> None:
        """Add what `other` names."""
        self.floor |= other.floor
        self.pulse |= other.pulse
        for agent_id, keys in other.desk.items():
            self.desk.setdefault(agent_id, set()).update(keys)


# --- state ---------------------------------------------------------------------------------------


class Today(msgspec.Struct):
    """An agent's figures of the centre's day. `talks` counts finished talks."""

    calls: int = 0
    talks: int = 0
    talk_seconds: float = 0.0
    missed: int = 0


class AgentNow(msgspec.Struct):
    """An agent."""

    agent_id: AgentId
    state: AgentState = "signed_out"
    reason: str | None = None
    since: float = 0.0
    until: float | None = None
    call_id: CallId | None = None
    queue: QueueName | None = None
    next_reason: str | None = None
    extension: str | None = None
    reachable: bool = False
    panel: bool = False
    today: Today = msgspec.field(default_factory=Today)


class QueueNow(msgspec.Struct):
    """A queue's figures of the day, and the pace at which its callers are answered.

    :param touched_at: the last fact that could change its row; the expected wait is as of then.
    """

    name: QueueName
    offered: int = 0
    answered: int = 0
    answered_in_time: int = 0
    abandoned: int = 0
    abandoned_short: int = 0
    pace: Pace = msgspec.field(default_factory=Pace)
    touched_at: float = 0.0


class Who(msgspec.Struct):
    """What is known of the customer."""

    number: str | None = None
    name: str | None = None
    level: str | None = None
    language: str | None = None
    customer_id: str | None = None

    def row(self, clear: bool) -> Row:
        """The fields as rows show them; `clear`: the number in full."""
        fields = msgspec.structs.asdict(self)
        if clear:
            return fields
        return {**fields, "number": masked(self.number), "name": masked_name(self.name)}


class VisitNow(msgspec.Struct):
    """A caller who waits."""

    visit_id: str
    call_id: CallId
    queue: QueueName
    entered_at: float
    priority: int
    who: Who
    native: bool = False


class LegNow(msgspec.Struct):
    """An agent's living leg."""

    agent_id: AgentId
    answered_at: float | None = None
    held: bool = False


class CallNow(msgspec.Struct):
    """A call, kept until it has ended and no agent wraps it up any more.

    :param agents: who was offered it or took part.
    """

    call_id: CallId
    started_at: float
    who: Who
    queue: QueueName | None = None
    answered_at: float | None = None
    ended: bool = False
    legs: dict[str, LegNow] = msgspec.field(default_factory=dict)
    agents: list[AgentId] = msgspec.field(default_factory=list)
    recording_id: str | None = None
    recording: Literal["none", "on", "paused"] = "none"
    dispositions: dict[AgentId, str] = msgspec.field(default_factory=dict)


class OfferNow(msgspec.Struct):
    """An offer that has not ended."""

    offer_id: OfferId
    call_id: CallId
    agent_id: AgentId
    queue: QueueName
    waited_since: float
    made_at: float
    until: float
    who: Who


class AlarmNow(msgspec.Struct):
    """Something that a person has to see. Params fill the words of `code` on the screen."""

    key: str
    level: Literal["warning", "error"]
    code: str
    since: float
    params: dict[str, str] = msgspec.field(default_factory=dict)


class LinkNow(msgspec.Struct):
    """The link to the PBX and the journal."""

    pbx: PbxState = "disconnected"
    since: float = 0.0
    lag_seconds: float | None = None
    database: DatabaseState = "away"
    journal_behind: int = 0


class State(msgspec.Struct):
    """Everything that is folded: dumped into checkpoints and loaded again.

    :param day_ends_at: epoch seconds of the midnight that ends the centre's current day.
    :param recording_alarms: alarms that come from events; raised ones live as long as the process.
    """

    seq: int = 0
    day_ends_at: float = 0.0
    agents: dict[AgentId, AgentNow] = msgspec.field(default_factory=dict)
    queues: dict[QueueName, QueueNow] = msgspec.field(default_factory=dict)
    visits: dict[str, VisitNow] = msgspec.field(default_factory=dict)
    calls: dict[CallId, CallNow] = msgspec.field(default_factory=dict)
    offers: dict[OfferId, OfferNow] = msgspec.field(default_factory=dict)
    recording_alarms: dict[str, AlarmNow] = msgspec.field(default_factory=dict)


# --- the fold ------------------------------------------------------------------------------------


class LiveView:
    """The fold itself. Not thread-safe: the consumer's loop owns it."""

    def __init__(self, floor: Floor) -> None:
        self.floor = floor
        self._zone = ZoneInfo(floor.time_zone)
        self._queue_settings = {queue.name: queue for queue in floor.queues}
        self._agent_settings = {agent.id: agent for agent in floor.agents}
        self._members: dict[QueueName, list[AgentId]] = {queue.name: [] for queue in floor.queues}
        for agent in floor.agents:
            for membership in agent.queues:
                self._members[membership.queue].append(agent.id)
        self._waiting: dict[QueueName, set[str]] = {}
        self._alarms: dict[str, AlarmNow] = {}
        self._link = LinkNow()
        self._state = State()
        self._people_the_floor()
        self._changes = Changes()
        self._now = 0.0

    def _people_the_floor(self) -> None:
        for name in self._queue_settings:
            self._state.queues.setdefault(name, QueueNow(name=name))
        for agent_id in self._agent_settings:
            self._state.agents.setdefault(agent_id, AgentNow(agent_id=agent_id))

    @property
    def seq(self) -> int:
        """The last event's place in the journal."""
        return self._state.seq

    def dump(self) -> dict[str, Any]:
        """The folded state, of plain types."""
        plain: dict[str, Any] = msgspec.to_builtins(self._state)
        return plain

    def load(self, dump: Mapping[str, Any]) -> None:
        """Replace the state by a dump, fitted to the floor as it is now."""
        self._state = msgspec.convert(dump, State)
        self._people_the_floor()
        self._waiting = {}
        for visit in self._state.visits.values():
            self._waiting.setdefault(visit.queue, set()).add(visit.visit_id)

    def evolve(self, record: Recorded) -> Changes:
        """Apply one event. Events of unknown calls are ignored: their call is over."""
        changes = self.roll(record.event.at)
        self._changes = changes
        self._now = record.event.at
        self._state.seq = record.seq
        apply = _APPLY.get(type(record.event))
        if apply:
            apply(self, record.event)
        return changes

    def roll(self, now: float) -> Changes:
        """Start a new day's figures when `now` is past the centre's midnight."""
        changes = self._changes = Changes()
        if now < self._state.day_ends_at:
            return changes
        self._state.day_ends_at = self._midnight_after(now)
        for agent in self._state.agents.values():
            agent.today = Today()
            self._touch_agent(agent.agent_id)
        for name, queue in self._state.queues.items():
            self._state.queues[name] = QueueNow(name, pace=queue.pace, touched_at=now)
            changes.floor.add(("queues", name))
        for key in self._state.recording_alarms:
            changes.floor.add(("alarms", key))
        self._state.recording_alarms = {}
        return changes

    def _midnight_after(self, now: float) -> float:
        today = datetime.fromtimestamp(now, self._zone).date()
        tomorrow = today + timedelta(days=1)
        midnight = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=self._zone)
        return midnight.timestamp()

    # --- what is no event of the journal

    def set_link(
        self,
        *,
        pbx: PbxState,
        since: float,
        lag_seconds: float | None,
        database: DatabaseState,
        journal_behind: int,
    ) -> Changes:
        """How the PBX's link and the database are; `journal_behind`: events not yet stored."""
        link = LinkNow(pbx, since, lag_seconds, database, journal_behind)
        changed = link != self._link
        self._link = link
        return Changes(floor={("link", "pbx")} if changed else set())

    def raise_alarm(
        self,
        key: str,
        *,
        level: Literal["warning", "error"],
        code: str,
        at: float,
        params: Mapping[str, str] | None = None,
    ) -> Changes:
        """Show an alarm until it is cleared; raised again, it keeps its first time."""
        before = self._alarms.get(key)
        since = before.since if before else at
        self._alarms[key] = AlarmNow(key, level, code, since, dict(params or {}))
        return Changes(floor={("alarms", key)})

    def clear_alarm(self, key: str) -> Changes:
        """Take an alarm off, wherever it came from."""
        gone = [alarms.pop(key, None) for alarms in (self._alarms, self._state.recording_alarms)]
        return Changes(floor={("alarms", key)} if any(gone) else set())

    # --- questions

    def agent(self, agent_id: AgentId) -> AgentNow | None:
        """The agent's present state, None when unknown."""
        return self._state.agents.get(agent_id)

    def call(self, call_id: CallId) -> CallNow | None:
        """A call that lasts or is being wrapped up, None otherwise."""
        return self._state.calls.get(call_id)

    def seats(self) -> dict[str, AgentId]:
        """Extension -> who is signed in there."""
        return {
            agent.extension: agent.agent_id
            for agent in self._state.agents.values()
            if agent.extension
        }

    def panels(self) -> list[AgentId]:
        """Agents whose panel counts as connected."""
        return [agent.agent_id for agent in self._state.agents.values() if agent.panel]

    def has_alarm(self, key: str) -> bool:
        """Whether this alarm is shown."""
        return key in self._alarms or key in self._state.recording_alarms

    def figures(self) -> dict[QueueName, Row]:
        """The floor's queue rows, for metrics."""
        return {name: self._queue_row(name) for name in self._queue_settings}

    def queues_of(self, agent_id: AgentId) -> tuple[QueueName, ...]:
        """The queues whose pulse stands on the agent's desk."""
        settings = self._agent_settings.get(agent_id)
        return tuple(membership.queue for membership in settings.queues) if settings else ()

    # --- rows

    def snapshot(self, topic: Topic, agent_id: AgentId | None, *, clear: bool) -> Rows:
        """All rows of a topic; every table is there, also when empty.

        :param agent_id: whose desk; not used for the floor.
        :param clear: numbers in full.
        """
        keys = self._floor_keys() if topic == "floor" else self._desk_keys(agent_id or "")
        put, _ = self.rows(topic, agent_id, keys, clear=clear)
        return {table: put.get(table, {}) for table in TABLES[topic]}

    def rows(
        self, topic: Topic, agent_id: AgentId | None, keys: Iterable[Key], *, clear: bool
    ) -> tuple[Rows, dict[str, list[str]]]:
        """The rows that `keys` name: those that are there, and the keys of those that are gone."""
        put: Rows = {}
        gone: dict[str, list[str]] = {}
        for table, key in keys:
            if topic == "floor":
                row = self._floor_row(table, key, clear)
            else:
                row = self._desk_row(agent_id or "", table, key, clear)
            if row is None:
                gone.setdefault(table, []).append(key)
            else:
                put.setdefault(table, {})[key] = row
        return put, gone

    def _floor_keys(self) -> list[Key]:
        return [
            *(("queues", name) for name in self._queue_settings),
            *(("agents", key) for key, agent in self._state.agents.items() if self._shown(agent)),
            *(("waiting", visit_id) for visit_id in self._state.visits),
            *(("alarms", key) for key in {**self._alarms, **self._state.recording_alarms}),
            ("link", "pbx"),
        ]

    def _desk_keys(self, agent_id: AgentId) -> list[Key]:
        return [
            ("me", agent_id),
            *(
                ("offers", key)
                for key, offer in self._state.offers.items()
                if offer.agent_id == agent_id
            ),
            *(
                ("calls", call.call_id)
                for call in self._state.calls.values()
                if agent_id in call.agents and self._call_row(agent_id, call, clear=False)
            ),
            *(("queues", name) for name in self.queues_of(agent_id)),
        ]

    def _floor_row(self, table: str, key: str, clear: bool) -> Row | None:
        if table == "queues":
            return self._queue_row(key) if key in self._queue_settings else None
        if table == "agents":
            agent = self._state.agents.get(key)
            return self._agent_row(agent) if agent and self._shown(agent) else None
        if table == "waiting":
            visit = self._state.visits.get(key)
            return self._waiting_row(visit, clear) if visit else None
        if table == "alarms":
            alarm = self._alarms.get(key) or self._state.recording_alarms.get(key)
            return msgspec.structs.asdict(alarm) if alarm else None
        return msgspec.structs.asdict(self._link)

    def _desk_row(self, agent_id: AgentId, table: str, key: str, clear: bool) -> Row | None:
        if table == "me":
            return self._me_row(self._state.agents.get(agent_id) or AgentNow(agent_id=agent_id))
        if table == "offers":
            offer = self._state.offers.get(key)
            mine = offer and offer.agent_id == agent_id
            return self._offer_row(offer, clear) if offer and mine else None
        if table == "calls":
            call = self._state.calls.get(key)
            return self._call_row(agent_id, call, clear) if call else None
        return self._pulse_row(key) if key in self.queues_of(agent_id) else None

    def _shown(self, agent: AgentNow) -> bool:
        """Who was taken off the floor is shown until the seat is left."""
        return agent.agent_id in self._agent_settings or agent.extension is not None

    def _pulse_row(self, name: QueueName) -> Row:
        waiting = self._waiting.get(name, ())
        oldest = min((self._state.visits[visit].entered_at for visit in waiting), default=None)
        return {"name": name, "waiting": len(waiting), "oldest_since": oldest}

    def _queue_row(self, name: QueueName) -> Row:
        queue = self._state.queues[name]
        states = [self._state.agents[agent_id].state for agent_id in self._members[name]]
        return {
            **self._pulse_row(name),
            "ready": states.count("ready"),
            "offered": states.count("offered"),
            "talking": states.count("talking"),
            "wrap_up": states.count("wrap_up"),
            "not_ready": states.count("not_ready"),
            "signed_in": len(states) - states.count("signed_out"),
            "offered_today": queue.offered,
            "answered_today": queue.answered,
            "abandoned_today": queue.abandoned,
            "service_level_today": _service_level(queue),
            "expected_wait_seconds": self._expected_wait(queue, free=states.count("ready")),
        }

    def _expected_wait(self, queue: QueueNow, free: int) -> float | None:
        """What a caller who entered now should expect, None where we cannot honestly say."""
        waiting = len(self._waiting.get(queue.name, ()))
        if free > waiting:
            return 0.0
        seconds = expected_wait_seconds(queue.pace, waiting + 1, queue.touched_at)
        return None if seconds is None else round(seconds, 1)

    def _agent_row(self, agent: AgentNow) -> Row:
        settings = self._agent_settings.get(agent.agent_id)
        return {
            "id": agent.agent_id,
            "name": settings.name if settings else agent.agent_id,
            "team": settings.team if settings else "",
            "state": agent.state,
            "reason": agent.reason,
            "since": agent.since,
            "call_id": agent.call_id,
            "queue": agent.queue,
            "extension": agent.extension,
            "reachable": agent.reachable,
            "panel": agent.panel,
            "today": {
                "calls": agent.today.calls,
                "talk_seconds": round(agent.today.talk_seconds, 3),
                "missed": agent.today.missed,
            },
        }

    def _me_row(self, agent: AgentNow) -> Row:
        today = agent.today
        average = round(today.talk_seconds / today.talks, 1) if today.talks else None
        return {
            "agent_id": agent.agent_id,
            "state": agent.state,
            "reason": agent.reason,
            "since": agent.since,
            "until": agent.until,
            "call_id": agent.call_id,
            "next_reason": agent.next_reason,
            "extension": agent.extension,
            "phone_reachable": agent.reachable,
            "today": {
                "calls": today.calls,
                "talk_seconds": round(today.talk_seconds, 3),
                "missed": today.missed,
                "average_seconds": average,
            },
        }

    def _waiting_row(self, visit: VisitNow, clear: bool) -> Row:
        return {
            "visit_id": visit.visit_id,
            "call_id": visit.call_id,
            "queue": visit.queue,
            "entered_at": visit.entered_at,
            "priority": visit.priority,
            "native": visit.native,
            **visit.who.row(clear),
        }

    def _offer_row(self, offer: OfferNow, clear: bool) -> Row:
        return {
            "offer_id": offer.offer_id,
            "call_id": offer.call_id,
            "queue": offer.queue,
            "waited_since": offer.waited_since,
            "made_at": offer.made_at,
            "until": offer.until,
            **offer.who.row(clear),
        }

    def _call_row(self, agent_id: AgentId, call: CallNow, clear: bool) -> Row | None:
        """The call on the agent's desk: while a leg of theirs lives, or in wrap-up."""
        legs = [leg for leg in call.legs.values() if leg.agent_id == agent_id]
        agent = self._state.agents.get(agent_id)
        in_wrap_up = agent and agent.state == "wrap_up" and agent.call_id == call.call_id
        if not legs and not in_wrap_up:
            return None
        return {
            "call_id": call.call_id,
            "queue": call.queue,
            "state": _desk_state(legs),
            "started_at": call.started_at,
            "answered_at": call.answered_at,
            "recording": call.recording,
            "disposition": call.dispositions.get(agent_id),
            **call.who.row(clear),
        }

    # --- which rows a fact touches

    def _touch_agent(self, agent_id: AgentId) -> None:
        self._changes.floor.add(("agents", agent_id))
        self._touch_desk(agent_id, "me", agent_id)

    def _touch_desk(self, agent_id: AgentId, table: str, key: str) -> None:
        self._changes.desk.setdefault(agent_id, set()).add((table, key))

    def _touch_queue(self, name: QueueName) -> None:
        if name in self._queue_settings:
            self._state.queues[name].touched_at = self._now
            self._changes.floor.add(("queues", name))
            self._changes.pulse.add(name)

    def _touch_queues_of(self, agent_id: AgentId) -> None:
        for name in self.queues_of(agent_id):
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

    def _call_ended(self, event: domain.CallEnded) -> None:
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
        if not any(agent and agent.call_id == call_id for agent in agents):
            del self._state.calls[call_id]

    def _leg(self, call_id: CallId, leg_id: str) -> tuple[CallNow | None, LegNow | None]:
        call = self._state.calls.get(call_id)
        return call, call.legs.get(leg_id) if call else None

    # --- queues

    def _queue_entered(self, event: domain.QueueEntered) -> None:
        call = self._state.calls.get(event.call_id)
        before = self._drop_visit(event.visit_id)
        self._state.visits[event.visit_id] = VisitNow(
            visit_id=event.visit_id,
            call_id=event.call_id,
            queue=event.queue,
            entered_at=event.entered_at,
            priority=event.priority,
            who=_learn(call.who if call else Who(), event),
        )
        self._waiting.setdefault(event.queue, set()).add(event.visit_id)
        if not before:
            self._queue(event.queue).offered += 1
        if call:
            call.queue = event.queue
            call.who = _learn(call.who, event)
            self._touch_call(call)
        self._changes.floor.add(("waiting", event.visit_id))
        self._touch_queue(event.queue)

    def _drop_visit(self, visit_id: str) -> VisitNow | None:
        visit = self._state.visits.pop(visit_id, None)
        if visit:
            self._waiting[visit.queue].discard(visit_id)
            self._changes.floor.add(("waiting", visit_id))
            self._touch_queue(visit.queue)
        return visit

    def _queue_left(self, event: domain.QueueLeft) -> None:
        visit = self._drop_visit(event.visit_id)
        if visit:
            still_waiting = len(self._waiting[visit.queue])
            self._count_end(self._queue(visit.queue), event, still_waiting)

    def _count_end(self, queue: QueueNow, event: domain.QueueLeft, still_waiting: int) -> None:
        settings = self._queue_settings.get(queue.name) or QueueSettings(name="unknown")
        if event.reason == "abandoned":
            queue.abandoned += 1
            queue.abandoned_short += event.waited_seconds <= settings.short_abandon_seconds
        if event.reason == "answered":
            queue.answered += 1
            queue.answered_in_time += event.waited_seconds <= settings.service_level_seconds
            answered(queue.pace, event.at, still_waiting)
        elif not still_waiting:
            emptied(queue.pace)

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
        self._state.recording_alarms[key] = AlarmNow(
            key=key,
            level="error",
            code="recording_faulty",
            since=event.at,
            params={"call_id": event.call_id, "fault": event.fault},
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
        if before != after:
            self._count_talk(agent, event)
            agent.since = event.at
        agent.state, agent.reason, agent.call_id = after
        agent.until = event.until
        if event.state in ("ready", "not_ready", "signed_out"):
            agent.next_reason = None
        call = self._state.calls.get(event.call_id) if event.call_id else None
        agent.queue = call.queue if call else None
        self._touch_agent(agent.agent_id)
        self._touch_queues_of(agent.agent_id)
        for call_id in {before[2], event.call_id} - {None}:
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
        if event.state == "talking" and (agent.state != "talking" or talked != talks):
            agent.today.calls += 1

    def _next_state_set(self, event: domain.AgentNextStateSet) -> None:
        self._agent(event.agent_id).next_reason = event.reason
        self._touch_agent(event.agent_id)

    def _phone_changed(self, event: domain.AgentPhoneChanged) -> None:
        self._agent(event.agent_id).reachable = event.reachable
        self._touch_agent(event.agent_id)

    def _panel_changed(self, event: domain.AgentPanelChanged) -> None:
        self._agent(event.agent_id).panel = event.connected
        self._touch_agent(event.agent_id)


TABLES: Mapping[Topic, tuple[str, ...]] = {
    "floor": ("queues", "agents", "waiting", "alarms", "link"),
    "desk": ("me", "offers", "calls", "queues"),
}

_APPLY: Mapping[type[domain.Event], Callable[[LiveView, Any], None]] = {
    domain.CallStarted: LiveView._call_started,
    domain.LegStarted: LiveView._leg_started,
    domain.LegAnswered: LiveView._leg_answered,
    domain.LegRenamed: LiveView._leg_renamed,
    domain.LegHeld: LiveView._leg_held,
    domain.LegResumed: LiveView._leg_held,
    domain.LegEnded: LiveView._leg_ended,
    domain.CallMerged: LiveView._call_merged,
    domain.CallEnded: LiveView._call_ended,
    domain.QueueEntered: LiveView._queue_entered,
    domain.QueueLeft: LiveView._queue_left,
    domain.NativeEntered: LiveView._native_entered,
    domain.NativeLeft: LiveView._native_entered,
    domain.OfferMade: LiveView._offer_made,
    domain.OfferEnded: LiveView._offer_ended,
    domain.RecordingStarted: LiveView._recording,
    domain.RecordingPaused: LiveView._recording,
    domain.RecordingResumed: LiveView._recording,
    domain.RecordingStored: LiveView._recording_stored,
    domain.RecordingFaulty: LiveView._recording_faulty,
    domain.DispositionSaved: LiveView._disposition_saved,
    domain.AgentSignedIn: LiveView._signed_in,
    domain.AgentSignedOut: LiveView._signed_out,
    domain.AgentStateChanged: LiveView._state_changed,
    domain.AgentNextStateSet: LiveView._next_state_set,
    domain.AgentPhoneChanged: LiveView._phone_changed,
    domain.AgentPanelChanged: LiveView._panel_changed,
}


def _learn(who: Who, event: domain.QueueEntered) -> Who:
    return Who(
        number=who.number,
        name=event.customer_name or who.name,
        level=event.level or who.level,
        language=event.language or who.language,
        customer_id=event.customer_id or who.customer_id,
    )


def _desk_state(legs: list[LegNow]) -> str:
    if not legs:
        return "wrap_up"
    if all(leg.answered_at is None for leg in legs):
        return "ringing"
    return "held" if any(leg.held for leg in legs) else "talking"


def _service_level(queue: QueueNow) -> float | None:
    """Answered in time over answered and abandoned; short abandons are left out."""
    counted = queue.answered + queue.abandoned - queue.abandoned_short
    return round(queue.answered_in_time / counted, 4) if counted else None
