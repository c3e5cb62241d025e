"""Everything that can happen to the core: the one kind of thing that `step` takes.

AMI events, timers, agents' clicks, dialplan hooks, results of commands and losses of the link are
inputs like any other, handled in one order by one consumer.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from cti.ami.events import AmiEvent
from cti.domain import AgentId, CallId, OfferId, QueueName


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all inputs."""


# --- from the PBX --------------------------------------------------------------------------------


class PbxEvent(Input, frozen=True, kw_only=True, gc=False):
    """One typed AMI event, in the order of the wire.

    :param at: epoch seconds of the fact (AMI Timestamp corrected by the clock offset).
    """

    event: AmiEvent
    at: float


class ChannelState(msgspec.Struct, frozen=True, kw_only=True):
    """One channel as `Status` describes it.

    :param state: Asterisk's channel state number (4 ring, 5 ringing, 6 up).
    :param variables: the ZX_* channel variables that are set.
    :param duration_seconds: age of the channel.
    """

    name: str
    uniqueid: str
    linkedid: str
    state: int
    caller_number: str | None = None
    caller_name: str | None = None
    connected_number: str | None = None
    exten: str | None = None
    context: str | None = None
    application: str | None = None
    bridge_id: str | None = None
    duration_seconds: float = 0.0
    variables: dict[str, str] = {}


class NativeMember(msgspec.Struct, frozen=True, kw_only=True):
    """A member of a native queue, as QueueStatus lists it."""

    queue: str
    interface: str
    paused: bool


class PbxSnapshot(msgspec.Struct, frozen=True, kw_only=True):
    """The PBX's whole state at one moment.

    :param pbx_started_at: Asterisk's start by its local time, perhaps hours off; only a change
        means something: that it restarted.
    :param epoch: the epoch that this process set for itself on this connect.
    :param held_by: the node that had the PBX's calls before this connect, None where none had.
    :param overtaken_by: a newer epoch, which another server claimed while the state was read.
    :param device_states: device name ("PJSIP/8001") -> Asterisk's state word ("NOT_INUSE", ...).
    :param native_waiting: uniqueids that stand in a native queue now.
    :param clock_ahead_seconds: the PBX's clock, by which its dialplan tells moments, minus ours.
    """

    at: float
    pbx_started_at: float
    epoch: int
    channels: list[ChannelState]
    device_states: dict[str, str]
    native_members: list[NativeMember] = []
    native_waiting: list[str] = []
    clock_ahead_seconds: float = 0.0
    held_by: str | None = None
    overtaken_by: int | None = None


class LinkUp(Input, frozen=True, kw_only=True):
    """The link is up: state to diff against, and the bounds of what was missed (None at first)."""

    snapshot: PbxSnapshot
    gap_from: float | None
    gap_to: float | None


class LinkDown(Input, frozen=True, kw_only=True):
    """The link broke. `last_event_at`: until when we know."""

    reason: str
    at: float
    last_event_at: float


class CommandResult(Input, frozen=True, kw_only=True):
    """What became of a command; "unknown" is reconciled by the next snapshot, never sent again."""

    command_id: str
    result: Literal["done", "refused", "timed_out", "unknown"]
    message: str = ""


class Tick(Input, frozen=True, kw_only=True):
    """Time passed: sent when the core's next deadline is due."""


class Fenced(Input, frozen=True, kw_only=True):
    """A newer process announced itself on this PBX."""

    newer_epoch: int


# --- from people: each is answered by a Reply with the same request_id ---


class Request(Input, frozen=True, kw_only=True):
    """A click. `request_id` finds the answer; unique per process."""

    request_id: str


class SignIn(Request, frozen=True, kw_only=True):
    """Take a seat. Refused with code `seat_taken` unless `confirm_takeover`."""

    agent_id: AgentId
    extension: str
    confirm_takeover: bool = False


class SignOut(Request, frozen=True, kw_only=True):
    """Leave the seat. While talking it takes effect after the call."""

    agent_id: AgentId
    reason: str = "self"


class SetReady(Request, frozen=True, kw_only=True):
    """Ready for calls; ends wrap-up."""

    agent_id: AgentId


class SetNotReady(Request, frozen=True, kw_only=True):
    """Not ready with a reason; while offered or talking it means "after this call"."""

    agent_id: AgentId
    reason: str


class ClearNextState(Request, frozen=True, kw_only=True):
    """Take "not ready after this call" back."""

    agent_id: AgentId


class RejectOffer(Request, frozen=True, kw_only=True):
    """The agent refuses the offer; the caller keeps the place."""

    agent_id: AgentId
    offer_id: OfferId


class HangUpCall(Request, frozen=True, kw_only=True):
    """End the agent's call from the panel."""

    agent_id: AgentId
    call_id: CallId


class RetakeCall(Request, frozen=True, kw_only=True):
    """The agent's browser lost the call that the PBX still thinks it has; it is ready to ring."""

    agent_id: AgentId
    call_id: CallId


class ExtendWrapUp(Request, frozen=True, kw_only=True):
    """More wrap-up time, up to the queue's limit."""

    agent_id: AgentId
    seconds: int


class SaveDisposition(Request, frozen=True, kw_only=True):
    """The outcome of a call the agent took part in; `finish` ends wrap-up too."""

    agent_id: AgentId
    call_id: CallId
    code: str
    notes: str = ""
    finish: bool = False


class PauseRecording(Request, frozen=True, kw_only=True):
    """Write silence (card data)."""

    agent_id: AgentId
    call_id: CallId


class ResumeRecording(Request, frozen=True, kw_only=True):
    """Write sound again."""

    agent_id: AgentId
    call_id: CallId


class ForceState(Request, frozen=True, kw_only=True):
    """A leader sets an agent ready, not ready or signed out."""

    agent_id: AgentId
    by: str
    state: Literal["ready", "not_ready", "signed_out"]
    reason: str | None = None


class PanelAlive(Input, frozen=True, kw_only=True):
    """The panel's WebSocket came up or its heartbeat returned."""

    agent_id: AgentId


class PanelLost(Input, frozen=True, kw_only=True):
    """The panel's WebSocket closed or fell silent."""

    agent_id: AgentId


# --- from the dialplan's hooks ---


class SurveyKey(Input, frozen=True, kw_only=True):
    """Satisfaction answer 1-5 of the caller on channel `uniqueid`."""

    uniqueid: str
    score: int


class CallbackWish(Input, frozen=True, kw_only=True):
    """The caller on channel `uniqueid` wants to be called back."""

    uniqueid: str
    number: str
    queue: QueueName | None = None


class ConsentAnswer(Input, frozen=True, kw_only=True):
    """The caller's answer to "this call is recorded"."""

    uniqueid: str
    consent: bool


# --- from the recordings ---


class RecordingChecked(Input, frozen=True, kw_only=True):
    """The recording room finished with a file; it becomes RecordingStored or RecordingFaulty."""

    call_id: CallId
    recording_id: str
    path: str | None = None
    sha256: str = ""
    bytes: int = 0
    duration_seconds: float = 0.0
    customer_silent: bool = False
    agent_silent: bool = False
    fault: str | None = None
    detail: str = ""


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """The answer to a Request. `code` is None when accepted, else a stable error code.

    Codes: seat_taken, not_signed_in, unknown_agent, unknown_extension, unknown_offer, unknown_call,
    not_your_call, wrong_state, unknown_reason, unknown_disposition, limit_reached, no_recording,
    recording_unchanged, pbx_down, fenced.
    """

    request_id: str
    code: str | None = None
    detail: dict[str, str] = {}
