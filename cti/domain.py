"""Past-tense domain events: what the journal keeps and every projection reads.

One vocabulary for the call model, the ACD, the recordings and the browsers. An event is a fact: it
carries everything that a fold needs, so that state rebuilt from the journal equals the state that
wrote it. Times (`at`) are epoch seconds on the server's clock; where Asterisk stamped the fact, its
stamp is used, corrected by the measured clock offset. Words: the glossary in docs/glossary.md.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

CallId = str
"""Node and uniqueid of the customer's first channel: the same id is found after a crash."""
LegId = str
"""Uniqueid of the leg's channel."""
AgentId = str
"""The employee number (工号)."""
QueueName = str
OfferId = str

Direction = Literal["inbound", "outbound", "internal"]
LegKind = Literal["customer", "agent", "consult", "supervisor", "other"]
Party = Literal["customer", "agent", "system", "unknown"]
AgentState = Literal["signed_out", "ready", "not_ready", "offered", "talking", "wrap_up"]
Outcome = Literal[
    "answered",  # an agent and the customer stood in one bridge
    "abandoned",  # the customer left while waiting
    "refused",  # closed, full, no agents, blacklisted: turned away by rule
    "overflowed",  # left to a number outside
    "voicemail",
    "callback",  # exchanged the wait for a call-back
    "not_queued",  # never reached a queue or an agent
    "lost",  # the PBX died with the call in it
]
VisitEnd = Literal[
    "answered",
    "abandoned",
    "overflowed",
    "voicemail",
    "callback",
    "closed",
    "full",
    "no_agents",
    "withdrawn",  # taken out by us or by a transfer; never counted as abandoned
    "lost",
]
OfferEnd = Literal["accepted", "rejected", "timed_out", "rescinded", "failed"]
HANDED_OVER: Final = "handed_over"
"""Reason of `AgentSignedOut`: another server has the PBX, and its calls."""
FLOOR_CHANGED: Final = "floor_changed"
"""Reason of `AgentSignedOut` and detail of `OfferEnded`: the configuration has it no more."""


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """What all events share.

    :param at: epoch seconds at which it happened (not at which we heard of it).
    """

    at: float


class CallEvent(Event, frozen=True, kw_only=True):
    """An event of one call."""

    call_id: CallId


class AgentEvent(Event, frozen=True, kw_only=True):
    """An event of one agent."""

    agent_id: AgentId


# --- the call and its legs -------------------------------------------------------------------


class CallStarted(CallEvent, frozen=True, kw_only=True, tag=True):
    """First ring of a customer's contact. `adopted`: found at a resync, the start may be older."""

    direction: Direction
    caller_number: str | None
    caller_name: str | None
    called_number: str | None
    linkedid: str
    adopted: bool = False


class LegStarted(CallEvent, frozen=True, kw_only=True, tag=True):
    """A channel joined the call. Local channels are no legs."""

    leg_id: LegId
    kind: LegKind
    channel: str
    agent_id: AgentId | None = None
    extension: str | None = None
    number: str | None = None


class LegRinging(CallEvent, frozen=True, kw_only=True, tag=True):
    """The far party's device rings."""

    leg_id: LegId


class LegAnswered(CallEvent, frozen=True, kw_only=True, tag=True):
    """The far party picked up."""

    leg_id: LegId


class LegRenamed(CallEvent, frozen=True, kw_only=True, tag=True):
    """The leg has another channel name (a masquerade), another kind (a transfer, a queue), or
    another agent, who signed in at its phone.
    """

    leg_id: LegId
    channel: str
    kind: LegKind
    agent_id: AgentId | None = None


class LegJoined(CallEvent, frozen=True, kw_only=True, tag=True):
    """The leg entered a bridge, or moved on to another; talk time runs with the other side in it.

    Bridges that Local channels tie together are one and have one `bridge_id`.
    """

    leg_id: LegId
    bridge_id: str


class LegLeft(CallEvent, frozen=True, kw_only=True, tag=True):
    """The leg left its bridge."""

    leg_id: LegId
    bridge_id: str


class LegHeld(CallEvent, frozen=True, kw_only=True, tag=True):
    """The leg's party put the other on hold."""

    leg_id: LegId


class LegResumed(CallEvent, frozen=True, kw_only=True, tag=True):
    """The hold ended."""

    leg_id: LegId


class LegEnded(CallEvent, frozen=True, kw_only=True, tag=True):
    """The channel is gone. `cause`: Q.850 number. `exact` is false where a gap hid the moment.

    :param hung_up: the leg's own party hung up, where Asterisk said so.
    """

    leg_id: LegId
    cause: int
    cause_text: str = ""
    exact: bool = True
    hung_up: bool = False


class CallTransferred(CallEvent, frozen=True, kw_only=True, tag=True):
    """A transfer completed."""

    kind: Literal["blind", "attended"]
    by_leg: LegId | None
    to: str | None


class CallMerged(CallEvent, frozen=True, kw_only=True, tag=True):
    """Another call became part of this one (attended transfer); its legs are this call's now."""

    merged_call_id: CallId


class CallHandedOver(CallEvent, frozen=True, kw_only=True, tag=True):
    """Another server has this call from here on, and its journal tells the whole of it.

    A call that comes back to this node starts anew under the same id.

    :param visit_id: the stay in a queue that the other server tells of again: the open one, or the
        answered one whose talk goes on. Earlier ones are told of here alone.
    """

    visit_id: str | None = None


class CallEnded(CallEvent, frozen=True, kw_only=True, tag=True):
    """Last hang-up, once for every CallStarted that was not merged or handed over.

    :param talk_seconds: time in which a customer's leg and an agent's leg shared a bridge.
    :param agent_id: who talked first to the customer, None when nobody did.
    """

    outcome: Outcome
    ended_by: Party
    talk_seconds: float
    agent_id: AgentId | None = None
    exact: bool = True


# --- queue visits, offers, decisions -----------------------------------------------------------


class QueueEntered(CallEvent, frozen=True, kw_only=True, tag=True):
    """A caller began to wait. Position in the queue goes by `entered_at`, not by `at`.

    :param entered_at: epoch seconds since which the caller waits, kept over overflow and returns.
    :param talked_seconds: of the time since then, what was no wait: the caller was answered before.
    :param skills: required skill -> minimum proficiency 1..5.
    :param returns_to: whose phone died in the talk and asked for the caller back: the talk goes on.
    """

    visit_id: str
    queue: QueueName
    channel: str
    leg_id: LegId
    entered_at: float
    talked_seconds: float = 0.0
    priority: int = 0
    skills: dict[str, int] = {}
    language: str | None = None
    customer_name: str | None = None
    customer_id: str | None = None
    level: str | None = None
    sticky_agent: AgentId | None = None
    returns_to: AgentId | None = None
    adopted: bool = False


class QueueLeft(CallEvent, frozen=True, kw_only=True, tag=True):
    """The wait ended. `waited_seconds`: since the visit's `entered_at`, less `talked_seconds`."""

    visit_id: str
    queue: QueueName
    reason: VisitEnd
    waited_seconds: float
    agent_id: AgentId | None = None
    exact: bool = True


class NativeEntered(CallEvent, frozen=True, kw_only=True, tag=True):
    """The dialplan found no heartbeat of ours and put the caller into Asterisk's own queue."""

    visit_id: str
    queue: QueueName


class NativeLeft(CallEvent, frozen=True, kw_only=True, tag=True):
    """The caller is ours again, or was answered natively (`answered_by`)."""

    visit_id: str
    queue: QueueName
    answered_by: AgentId | None = None


class CallDecided(CallEvent, frozen=True, kw_only=True, tag=True):
    """Why this agent, or why nobody: kept with the call, shown to leaders.

    :param rule: what decided, e.g. "longest_idle", "sticky", "nobody_free".
    :param chosen: the agent, None when nobody could be chosen.
    :param eligible: agents that could have been chosen, best first. With `excluded_examples` they
        are all agents of the queue, up to 50; of a larger queue 10 of each are kept.
    :param excluded: reason -> how many agents it ruled out.
    :param excluded_examples: agent -> reason.
    :param step: the relaxation step of the skill rule in force, 0 = as asked.
    :param seed: the random seed where the strategy is random.
    """

    queue: QueueName
    rule: str
    chosen: AgentId | None
    eligible: list[AgentId] = []
    eligible_count: int = 0
    excluded: dict[str, int] = {}
    excluded_examples: dict[AgentId, str] = {}
    step: int = 0
    seed: int | None = None


class OfferMade(CallEvent, frozen=True, kw_only=True, tag=True):
    """The call is reserved for the agent; sent to the panel before the phone rings."""

    offer_id: OfferId
    visit_id: str
    agent_id: AgentId
    queue: QueueName
    extension: str
    ring_seconds: int
    epoch: int
    record: bool = False


class OfferEnded(CallEvent, frozen=True, kw_only=True, tag=True):
    """One end for every OfferMade.

    :param counts_as_miss: False when the machine, not the agent, was the reason.
    :param detail: e.g. "noanswer", "busy", "rejected_in_panel", "caller_left", "unreachable",
        "stale_epoch", "agent_signed_out", "agent_lost".
    """

    offer_id: OfferId
    agent_id: AgentId
    queue: QueueName
    end: OfferEnd
    detail: str = ""
    counts_as_miss: bool = False


class PositionAnnounced(CallEvent, frozen=True, kw_only=True, tag=True):
    """The caller was told the place in the queue and the expected wait, None where unknown."""

    queue: QueueName
    position: int
    expected_wait_seconds: float | None


# --- what the caller and the agent left behind --------------------------------------------------


class RecordingStarted(CallEvent, frozen=True, kw_only=True, tag=True):
    """The dialplan began to record into `file` (a name below the spool folder, no path)."""

    recording_id: str
    file: str
    queue: QueueName | None = None


class RecordingPaused(CallEvent, frozen=True, kw_only=True, tag=True):
    """Silence is written from here (card data)."""

    recording_id: str
    agent_id: AgentId | None = None


class RecordingResumed(CallEvent, frozen=True, kw_only=True, tag=True):
    """Sound is written again."""

    recording_id: str
    agent_id: AgentId | None = None


class RecordingStored(CallEvent, frozen=True, kw_only=True, tag=True):
    """The file was checked against the call and is in the store."""

    recording_id: str
    path: str
    sha256: str
    bytes: int
    duration_seconds: float
    customer_silent: bool = False
    agent_silent: bool = False


class RecordingFaulty(CallEvent, frozen=True, kw_only=True, tag=True):
    """Missing or wrong: raises an alarm. `fault` e.g. "missing", "too_short", "agent_silent"."""

    recording_id: str
    fault: str
    detail: str = ""


class ConsentGiven(CallEvent, frozen=True, kw_only=True, tag=True):
    """The caller's answer to the recording announcement."""

    consent: bool


class CallRefused(CallEvent, frozen=True, kw_only=True, tag=True):
    """The caller was not let into a queue."""

    reason: Literal["blacklist"] = "blacklist"


class SurveyAnswered(CallEvent, frozen=True, kw_only=True, tag=True):
    """Satisfaction key 1-5 after the call; hanging up leaves no event."""

    score: int
    agent_id: AgentId | None = None
    queue: QueueName | None = None


class CallbackRequested(CallEvent, frozen=True, kw_only=True, tag=True):
    """The caller asked to be called instead of waiting."""

    number: str
    queue: QueueName | None = None
    entered_at: float | None = None


class DispositionSaved(CallEvent, frozen=True, kw_only=True, tag=True):
    """The outcome that the agent recorded; a later one replaces it, both stay in the journal."""

    agent_id: AgentId
    code: str
    notes: str = ""


# --- agents ------------------------------------------------------------------------------------


class AgentSignedIn(AgentEvent, frozen=True, kw_only=True, tag=True):
    """The agent took a seat. `took_over`: another agent or another seat was signed out for it."""

    extension: str
    took_over: bool = False


class AgentSignedOut(AgentEvent, frozen=True, kw_only=True, tag=True):
    """The agent left the seat.

    :param reason: "self", "taken_over", "supervisor", "panel_lost", "shift_end", FLOOR_CHANGED,
        HANDED_OVER.
    :param by: the leader who did it, None where none did.
    """

    extension: str
    reason: str
    by: str | None = None


class AgentStateChanged(AgentEvent, frozen=True, kw_only=True, tag=True):
    """The agent's one state.

    :param until: epoch seconds at which wrap-up or an offer ends by itself.
    :param by: the leader who set it, None where none did.
    """

    state: AgentState
    reason: str | None = None
    call_id: CallId | None = None
    until: float | None = None
    by: str | None = None


class AgentNextStateSet(AgentEvent, frozen=True, kw_only=True, tag=True):
    """`not ready after this call`: None takes the wish back.

    :param sign_out: the wish is to sign out after the call, for this reason of `AgentSignedOut`.
    :param by: the leader whose wish it is, None where it is the agent's.
    """

    reason: str | None
    sign_out: str | None = None
    by: str | None = None


class AgentPhoneChanged(AgentEvent, frozen=True, kw_only=True, tag=True):
    """Whether the extension can ring (registration, device state), as the PBX tells it."""

    reachable: bool
    device_state: str


class AgentPanelChanged(AgentEvent, frozen=True, kw_only=True, tag=True):
    """Whether the agent's panel is connected and alive."""

    connected: bool


# --- the server itself ---------------------------------------------------------------------------


class ServerStarted(Event, frozen=True, kw_only=True, tag=True):
    """A process of ours took over `node` with a new epoch."""

    node: str
    epoch: int
    version: str = ""


class PbxConnected(Event, frozen=True, kw_only=True, tag=True):
    """The AMI link is up and the state is read.

    :param pbx_started_at: Asterisk's start; another one next time means that it restarted.
    """

    epoch: int
    pbx_started_at: float | None = None


class PbxLost(Event, frozen=True, kw_only=True, tag=True):
    """The AMI link broke."""

    reason: str


class PbxRestarted(Event, frozen=True, kw_only=True, tag=True):
    """Asterisk itself was started anew: every call it had is lost."""

    started_at: float


class GapRecorded(Event, frozen=True, kw_only=True, tag=True):
    """Between these moments we heard nothing: figures that touch them are bounds."""

    from_at: float
    to_at: float
    reason: str


class ServerFenced(Event, frozen=True, kw_only=True, tag=True):
    """A newer process took the node over; this one stops deciding."""

    epoch: int
    newer_epoch: int


DomainEvent = (
    CallStarted
    | LegStarted
    | LegRinging
    | LegAnswered
    | LegRenamed
    | LegJoined
    | LegLeft
    | LegHeld
    | LegResumed
    | LegEnded
    | CallTransferred
    | CallMerged
    | CallHandedOver
    | CallEnded
    | QueueEntered
    | QueueLeft
    | NativeEntered
    | NativeLeft
    | CallDecided
    | OfferMade
    | OfferEnded
    | PositionAnnounced
    | RecordingStarted
    | RecordingPaused
    | RecordingResumed
    | RecordingStored
    | RecordingFaulty
    | ConsentGiven
    | CallRefused
    | SurveyAnswered
    | CallbackRequested
    | DispositionSaved
    | AgentSignedIn
    | AgentSignedOut
    | AgentStateChanged
    | AgentNextStateSet
    | AgentPhoneChanged
    | AgentPanelChanged
    | ServerStarted
    | PbxConnected
    | PbxLost
    | PbxRestarted
    | GapRecorded
    | ServerFenced
)


class Recorded(msgspec.Struct, frozen=True):
    """An event with its place in the journal of its node (1, 2, 3, ... without holes)."""

    seq: int
    event: DomainEvent
