"""The state that the live view folds, and what may change with a fact.

Plain values, dumped into checkpoints and loaded again. `Picture` joins them with the floor.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

import msgspec

from acd.estimate import Pace
from config.floor import Floor
from cti.domain import AgentId, AgentState, CallId, OfferId, QueueName
from web.rights import masked, masked_name, masked_text

Topic = Literal["desk", "floor"]
Row = dict[str, object]
Rows = dict[str, dict[str, Row]]
"""table -> key -> row"""
Key = tuple[str, str]
"""(table, key)"""
ALL_QUEUES: QueueName = ""
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


class Today(msgspec.Struct):
    """An agent's figures of the centre's day. `talks` counts finished talks.

    :param spent: state -> seconds in it today, up to when the present state began.
    """

    calls: int = 0
    talks: int = 0
    talk_seconds: float = 0.0
    missed: int = 0
    spent: dict[str, float] = msgspec.field(default_factory=dict)


class AgentNow(msgspec.Struct):
    """An agent.

    :param wrapping: the call being wrapped up, also while another call interrupts that.
    :param talked: the call talked in last.
    """

    agent_id: AgentId
    state: AgentState = "signed_out"
    reason: str | None = None
    since: float = 0.0
    until: float | None = None
    call_id: CallId | None = None
    wrapping: CallId | None = None
    talked: CallId | None = None
    queue: QueueName | None = None
    next_reason: str | None = None
    extension: str | None = None
    reachable: bool = False
    panel: bool = False
    today: Today = msgspec.field(default_factory=Today)


class QueueNow(msgspec.Struct):
    """A queue's figures of the day, and the pace at which its callers are answered.

    :param unheard: calls that may have come and gone while nothing was heard, at most;
        `unbounded`: a gap was too long to say.
    :param ends_unknown: callers who were gone after a gap, answered or not.
    :param touched_at: the last fact that could change its row; the expected wait is as of then.
    """

    name: QueueName
    offered: int = 0
    answered: int = 0
    answered_in_time: int = 0
    abandoned: int = 0
    abandoned_short: int = 0
    unheard: int = 0
    unbounded: bool = False
    ends_unknown: int = 0
    pace: Pace = msgspec.field(default_factory=Pace)
    touched_at: float = 0.0


class MinuteNow(msgspec.Struct):
    """What happened in one minute, `minute` of the epoch; `judged`: answered or abandoned."""

    minute: int
    offered: int = 0
    judged: int = 0
    in_time: int = 0


class QuarterNow(msgspec.Struct):
    """A quarter of an hour from `begin` (epoch seconds), counted by the time of entering.

    :param waiting_most: callers who waited at once, at most.
    :param ready_seconds: of all agents together, within the `watched_seconds` of the quarter.
    """

    begin: int
    offered: int = 0
    answered: int = 0
    answered_in_time: int = 0
    abandoned: int = 0
    abandoned_short: int = 0
    waiting_most: int = 0
    ready_seconds: float = 0.0
    watched_seconds: float = 0.0


class TrendNow(msgspec.Struct):
    """How a queue's figures run: the last half hour by minutes, and the quarters still counted.

    :param watched_until: up to when the agents' time ready is counted.
    """

    minutes: list[MinuteNow] = msgspec.field(default_factory=list)
    quarters: list[QuarterNow] = msgspec.field(default_factory=list)
    watched_until: float = 0.0


class GapNow(msgspec.Struct):
    """Nothing was heard from the PBX between these times."""

    from_at: float
    to_at: float
    reason: str

    @property
    def key(self) -> str:
        """Its row's."""
        return f"{self.from_at:.3f}"


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
        level = self.level and masked_text(self.level)
        name = masked_name(self.name)
        return {**fields, "number": masked(self.number), "name": name, "level": level}


class VisitNow(msgspec.Struct):
    """A caller who waits.

    :param counted_at: in the figures of this time the visit counts.
    :param returns: answered before, and counted then.
    """

    visit_id: str
    call_id: CallId
    queue: QueueName
    entered_at: float
    priority: int
    who: Who
    native: bool = False
    counted_at: float = 0.0
    returns: bool = False


class LegNow(msgspec.Struct):
    """An agent's living leg."""

    agent_id: AgentId
    answered_at: float | None = None
    held: bool = False


class CallNow(msgspec.Struct):
    """A call, kept until it has ended and no agent wraps it up any more.

    :param agents: who was offered it or took part.
    :param in_time: it was last answered within the service level; `counted_at`: see VisitNow.
    """

    call_id: CallId
    started_at: float
    who: Who
    queue: QueueName | None = None
    answered_at: float | None = None
    ended: bool = False
    in_time: bool = False
    counted_at: float = 0.0
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

    :param day_began_at: epoch seconds of the midnight that began the centre's current day.
    :param day_ends_at: of the one that ends it.
    :param trends: by queue, those of ALL_QUEUES together too.
    :param gaps: of the day.
    :param minute: the minute of the epoch up to which trends were aged.
    :param recording_alarms: alarms that come from events; raised ones live as long as the process.
    """

    seq: int = 0
    day_began_at: float = 0.0
    day_ends_at: float = 0.0
    agents: dict[AgentId, AgentNow] = msgspec.field(default_factory=dict)
    queues: dict[QueueName, QueueNow] = msgspec.field(default_factory=dict)
    visits: dict[str, VisitNow] = msgspec.field(default_factory=dict)
    calls: dict[CallId, CallNow] = msgspec.field(default_factory=dict)
    offers: dict[OfferId, OfferNow] = msgspec.field(default_factory=dict)
    recording_alarms: dict[str, AlarmNow] = msgspec.field(default_factory=dict)
    trends: dict[QueueName, TrendNow] = msgspec.field(default_factory=dict)
    gaps: list[GapNow] = msgspec.field(default_factory=list)
    minute: int = 0


PAST_CALLS: Final = 1_000


class Picture:
    """The state, and what the floor's settings and the running process add to it.

    :param waiting: queue -> ids of the visits that wait there; derived from the state.
    :param alarms: raised ones, beside the state's own.
    :param teams: agent -> name of the team.
    :param past: the last calls that are over, the latest at the end: the tables that are asked for
        them are some moments behind.
    """

    def __init__(self, floor: Floor) -> None:
        self.queue_settings = {queue.name: queue for queue in floor.queues}
        self.agent_settings = {agent.id: agent for agent in floor.agents}
        self.browsers = {each.number for each in floor.extensions if each.kind == "browser"}
        self.members: dict[QueueName, list[AgentId]] = {queue.name: [] for queue in floor.queues}
        for agent in floor.agents:
            for membership in agent.queues:
                self.members[membership.queue].append(agent.id)
        self.waiting: dict[QueueName, set[str]] = {}
        self.alarms: dict[str, AlarmNow] = {}
        self.teams: dict[AgentId, str] = {}
        self.past: dict[CallId, CallNow] = {}
        self.link = LinkNow()
        self.become(State())

    def become(self, state: State) -> None:
        """Take another state; agents and queues that are new on the floor are added."""
        self.state = state
        for name in self.queue_settings:
            state.queues.setdefault(name, QueueNow(name=name))
        for name in (*self.queue_settings, ALL_QUEUES):
            state.trends.setdefault(name, TrendNow())
        for agent_id in self.agent_settings:
            state.agents.setdefault(agent_id, AgentNow(agent_id=agent_id))
        self.waiting = {}
        for visit in state.visits.values():
            self.waiting.setdefault(visit.queue, set()).add(visit.visit_id)

    def over(self, call: CallNow) -> None:
        """The call is over: remember it for a while."""
        self.past[call.call_id] = call
        if len(self.past) > PAST_CALLS:
            del self.past[next(iter(self.past))]

    def waiting_in(self, name: QueueName) -> int:
        """How many wait there; of ALL_QUEUES: everywhere."""
        return len(self.waiting.get(name, ()) if name else self.state.visits)

    def ready_in(self, name: QueueName) -> int:
        """How many agents are ready for it; of ALL_QUEUES: each of them once."""
        members = self.members[name] if name else self.agent_settings
        agents = self.state.agents
        return sum(agents[agent_id].state == "ready" for agent_id in members)

    def queues_of(self, agent_id: AgentId) -> tuple[QueueName, ...]:
        """The queues that the agent serves."""
        settings = self.agent_settings.get(agent_id)
        return tuple(membership.queue for membership in settings.queues) if settings else ()
