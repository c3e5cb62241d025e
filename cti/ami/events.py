"""Typed AMI events: for each event name that the product reads, the fields that it reads.

A Struct's fields are found by `HEADERS`, the one table from our words to Asterisk's header names,
and converted by their types. A header that is missing, empty or `<unknown>` leaves the default;
one that a field needs and that is missing, or a number that is none, makes the frame malformed.

Header names: Asterisk 18 to 22, checked against recorded frames in tests/transcripts.
"""

from __future__ import annotations

from typing import Annotated, Any, Final

import msgspec

from cti.ami.errors import MalformedFrameError

EpochSeconds = Annotated[float, msgspec.Meta(ge=0, le=1e11)]
"""Seconds since 1970 on the PBX's clock."""
Seconds = Annotated[float, msgspec.Meta(ge=0, le=1e11)]

_FREE: Final = ": "
"""Where `build` puts all headers of a UserEvent: no header on the wire can have this name."""

_CHANNEL: Final = {
    "channel": "Channel",
    "uniqueid": "Uniqueid",
    "linkedid": "Linkedid",
    "state": "ChannelState",
    "caller_number": "CallerIDNum",
    "caller_name": "CallerIDName",
    "connected_number": "ConnectedLineNum",
    "context": "Context",
    "exten": "Exten",
}


def _prefixed(ours: str, theirs: str) -> dict[str, str]:
    """Headers of a second channel in the same event: `dest_uniqueid` is `DestUniqueid`."""
    return {f"{ours}_{field}": f"{theirs}{header}" for field, header in _CHANNEL.items()}


HEADERS: Final[dict[str, str]] = {
    **_CHANNEL,
    **_prefixed("dest", "Dest"),
    **_prefixed("transferer", "Transferer"),
    **_prefixed("transferee", "Transferee"),
    **_prefixed("first", "OrigTransferer"),
    **_prefixed("second", "SecondTransferer"),
    **_prefixed("target", "TransferTarget"),
    **_prefixed("local_one", "LocalOne"),
    **_prefixed("local_two", "LocalTwo"),
    "timestamp": "Timestamp",
    "action_id": "ActionID",
    "cause": "Cause",
    "cause_text": "Cause-txt",
    "new_name": "Newname",
    "music_class": "MusicClass",
    "dial_status": "DialStatus",
    "dial_string": "DialString",
    "forward": "Forward",
    "bridge_id": "BridgeUniqueid",
    "bridge_type": "BridgeType",
    "bridge_technology": "BridgeTechnology",
    "bridge_channels": "BridgeNumChannels",
    "swap_uniqueid": "SwapUniqueid",
    "to_bridge_id": "ToBridgeUniqueid",
    "from_bridge_id": "FromBridgeUniqueid",
    "result": "Result",
    "extension": "Extension",
    "external": "IsExternal",
    "first_bridge_id": "OrigBridgeUniqueid",
    "second_bridge_id": "SecondBridgeUniqueid",
    "dest_type": "DestType",
    "dest_bridge_id": "DestBridgeUniqueid",
    "dest_app": "DestApp",
    "device": "Device",
    "device_state": "State",
    "name": "UserEvent",
    "queue": "Queue",
    "position": "Position",
    "original_position": "OriginalPosition",
    "count": "Count",
    "interface": "Interface",
    "state_interface": "StateInterface",
    "member_name": "MemberName",
    "hold_seconds": "HoldTime",
    "ring_seconds": "RingTime",
    "talk_seconds": "TalkTime",
    "reason": "Reason",
    "member_status": "Status",
    "paused": "Paused",
    "paused_reason": "PausedReason",
    "penalty": "Penalty",
    "in_call": "InCall",
    "direction": "Direction",
    "mute": "State",
    "uptime_seconds": "Uptime",
    "shutdown": "Shutdown",
    "restart": "Restart",
    "response": "Response",
    "variables": "ChanVariable",
    "headers": _FREE,
}


def _header(field: str) -> str | None:
    return HEADERS.get(field)


class AmiEvent(msgspec.Struct, frozen=True, kw_only=True, gc=False, rename=_header):
    """What all events share.

    :param timestamp: when Asterisk sent it, on its own clock (`timestampevents=yes`), None without.
    """

    timestamp: EpochSeconds | None = None


class ChannelEvent(AmiEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """An event that describes one channel, in as much of it as is read: each header costs time.

    :param state: Asterisk's channel state number (4 ring, 5 ringing, 6 up).
    :param variables: the variables that manager.conf's `channelvars` names.
    """

    channel: str
    uniqueid: str
    linkedid: str
    state: int = 0
    caller_number: str | None = None
    caller_name: str | None = None
    exten: str | None = None
    variables: dict[str, str] = {}


# --- channels ------------------------------------------------------------------------------------


class Newchannel(ChannelEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """A channel was made."""


class Newstate(ChannelEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """A channel's state changed."""


class NewCallerid(ChannelEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """A channel's caller number or name changed."""


class Rename(AmiEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """A channel has another name from here; the uniqueid stays."""

    channel: str
    new_name: str
    uniqueid: str


class HangupRequest(ChannelEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """The far end of this channel hung up; `cause` is its Q.850 number where it said one."""

    cause: int | None = None


class SoftHangupRequest(ChannelEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """Asterisk or a manager asked this channel to end."""

    cause: int | None = None


class Hangup(ChannelEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """A channel is gone. `cause`: Q.850 number, 0 where nobody said one."""

    cause: int
    cause_text: str = ""


class Hold(ChannelEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """The channel's party put the other on hold."""

    music_class: str | None = None


class Unhold(ChannelEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """The hold ended."""


# --- dials, bridges, transfers -------------------------------------------------------------------


class DialEvent(AmiEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """A dial from one channel (None when originated) to another."""

    dest_channel: str
    dest_uniqueid: str
    dest_linkedid: str
    channel: str | None = None
    uniqueid: str | None = None
    linkedid: str | None = None
    dest_state: int = 0
    dest_caller_number: str | None = None
    variables: dict[str, str] = {}


class DialBegin(DialEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """A dial began; `dial_string` is the part after the technology."""

    dial_string: str | None = None


class DialState(DialEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """The dial progressed: RINGING, PROGRESS or PROCEEDING."""

    dial_status: str


class DialEnd(DialEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """The dial ended: ANSWER, BUSY, CANCEL, CHANUNAVAIL, CONGESTION, NOANSWER, ABORT, ..."""

    dial_status: str
    forward: str | None = None


class BridgeEnter(ChannelEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """A channel entered a bridge; `swap_uniqueid` is the channel whose place it took."""

    bridge_id: str
    bridge_type: str | None = None
    bridge_technology: str | None = None
    bridge_channels: int = 0
    swap_uniqueid: str | None = None


class BridgeLeave(ChannelEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """A channel left a bridge; `bridge_channels` counts who is left in it."""

    bridge_id: str
    bridge_type: str | None = None
    bridge_technology: str | None = None
    bridge_channels: int = 0


class BridgeMerge(AmiEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """All channels of one bridge moved into another (enter and leave events follow)."""

    to_bridge_id: str
    from_bridge_id: str


class BlindTransfer(AmiEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """The transferer sent the transferee to `extension` in `context`. `result`: Success or Fail."""

    result: str
    transferer_channel: str
    transferer_uniqueid: str
    transferer_linkedid: str
    transferee_channel: str | None = None
    transferee_uniqueid: str | None = None
    transferee_linkedid: str | None = None
    bridge_id: str | None = None
    context: str | None = None
    extension: str | None = None
    external: str | None = None


class AttendedTransfer(AmiEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """A transferer with two calls joined their far ends.

    :param first_uniqueid: the transferer's channel in the call with the transferee.
    :param second_uniqueid: the transferer's channel in the call with the target.
    :param dest_type: Bridge, App, Link or Threeway.
    """

    result: str
    first_channel: str
    first_uniqueid: str
    first_linkedid: str
    second_channel: str
    second_uniqueid: str
    second_linkedid: str
    transferee_channel: str | None = None
    transferee_uniqueid: str | None = None
    transferee_linkedid: str | None = None
    target_channel: str | None = None
    target_uniqueid: str | None = None
    target_linkedid: str | None = None
    first_bridge_id: str | None = None
    second_bridge_id: str | None = None
    dest_type: str | None = None
    dest_bridge_id: str | None = None
    dest_app: str | None = None


class LocalBridge(AmiEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """The two halves of a Local channel were tied together."""

    local_one_channel: str
    local_one_uniqueid: str
    local_one_linkedid: str
    local_two_channel: str
    local_two_uniqueid: str
    local_two_linkedid: str
    context: str | None = None
    exten: str | None = None


# --- devices and the dialplan's own events -------------------------------------------------------


class DeviceStateChange(AmiEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """A device's state word: NOT_INUSE, INUSE, BUSY, RINGING, ONHOLD, UNAVAILABLE, INVALID, ..."""

    device: str
    device_state: str


class UserEvent(AmiEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """What the dialplan or a manager said. `headers`: all headers, each with its first value."""

    name: str
    channel: str | None = None
    uniqueid: str | None = None
    linkedid: str | None = None
    headers: dict[str, str] = {}
    variables: dict[str, str] = {}


# --- Asterisk's own queues -----------------------------------------------------------------------


class QueueCallerJoin(ChannelEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """A caller entered a native queue."""

    queue: str
    position: int
    count: int


class QueueCallerLeave(ChannelEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """A caller left a native queue, for whatever reason."""

    queue: str
    position: int
    count: int


class QueueCallerAbandon(ChannelEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """A caller hung up in a native queue."""

    queue: str
    position: int
    original_position: int
    hold_seconds: Seconds


class QueueAgentEvent(ChannelEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """A native queue and one of its members over one caller."""

    queue: str
    interface: str
    member_name: str | None = None
    dest_channel: str | None = None
    dest_uniqueid: str | None = None


class AgentCalled(QueueAgentEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """The member's phone is being called."""


class AgentConnect(QueueAgentEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """The member answered."""

    hold_seconds: Seconds
    ring_seconds: Seconds


class AgentComplete(QueueAgentEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """The call ended. `reason`: caller, agent or transfer."""

    hold_seconds: Seconds
    talk_seconds: Seconds
    reason: str


class AgentRingNoAnswer(QueueAgentEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """The member did not answer. `ring_milliseconds`: how long it rang."""

    ring_milliseconds: Seconds = msgspec.field(name="RingTime")


class QueueMemberEvent(AmiEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """A native queue's member as it is now. `member_status`: device state number."""

    queue: str
    interface: str
    member_name: str | None = None
    state_interface: str | None = None
    member_status: int = 0
    paused: bool = False
    paused_reason: str | None = None
    penalty: int = 0
    in_call: bool = False


class QueueMemberStatus(QueueMemberEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """Its device's state changed."""


class QueueMemberAdded(QueueMemberEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """It joined the queue."""


class QueueMemberRemoved(QueueMemberEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """It left the queue."""


class QueueMemberPause(QueueMemberEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """It was paused or unpaused."""


# --- recordings ----------------------------------------------------------------------------------


class MixMonitorStart(ChannelEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """A recording of the channel began."""


class MixMonitorStop(ChannelEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """A recording of the channel ended."""


class MixMonitorMute(ChannelEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """Silence is written from here (`mute`), or sound again. `direction`: read, write or both."""

    direction: str
    mute: bool


# --- Asterisk itself -----------------------------------------------------------------------------


class FullyBooted(AmiEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """All modules run; also sent at each login. `uptime_seconds`: since the start of Asterisk."""

    uptime_seconds: Seconds | None = None


class Shutdown(AmiEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """Asterisk ends. `shutdown`: Cleanly or Uncleanly."""

    shutdown: str | None = None
    restart: str | None = None


class OriginateResponse(AmiEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """What became of an asynchronous Originate. `response`: Success or Failure."""

    response: str
    action_id: str | None = None
    channel: str | None = None
    uniqueid: str | None = None
    reason: int = 0


# --- items of lists, found by the ActionID of the action that asked ------------------------------


class StatusItem(ChannelEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """One channel in the answer to Status. `variables`: those asked for that are set."""

    connected_number: str | None = None
    context: str | None = None
    bridge_id: str | None = msgspec.field(default=None, name="BridgeID")
    application: str | None = msgspec.field(default=None, name="Application")
    duration_seconds: Seconds = msgspec.field(default=0.0, name="Seconds")


class CoreShowChannel(ChannelEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """One channel in the answer to CoreShowChannels."""

    bridge_id: str | None = msgspec.field(default=None, name="BridgeId")
    application: str | None = msgspec.field(default=None, name="Application")


class BridgeListItem(AmiEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """One bridge in the answer to BridgeList."""

    bridge_id: str
    bridge_type: str | None = None
    bridge_technology: str | None = None
    bridge_channels: int = 0


class QueueParams(AmiEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """One queue in the answer to QueueStatus."""

    queue: str
    calls: int = msgspec.field(default=0, name="Calls")
    strategy: str | None = msgspec.field(default=None, name="Strategy")


class QueueMember(AmiEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """One member in the answer to QueueStatus (its interface is called Location there)."""

    queue: str
    interface: str = msgspec.field(name="Location")
    member_name: str | None = msgspec.field(default=None, name="Name")
    state_interface: str | None = None
    member_status: int = 0
    paused: bool = False
    paused_reason: str | None = None
    penalty: int = 0
    in_call: bool = False


class QueueEntry(AmiEvent, frozen=True, kw_only=True, gc=False, rename=_header):
    """One waiting caller in the answer to QueueStatus."""

    queue: str
    position: int
    channel: str
    uniqueid: str
    caller_number: str | None = None
    wait_seconds: Seconds = msgspec.field(default=0.0, name="Wait")
    priority: int = msgspec.field(default=0, name="Priority")


EVENTS: Final[dict[bytes, type[AmiEvent]]] = {
    kind.__name__.encode(): kind
    for kind in (
        *(Newchannel, Newstate, NewCallerid, Rename, HangupRequest, SoftHangupRequest, Hangup),
        *(Hold, Unhold, DialBegin, DialState, DialEnd, BridgeEnter, BridgeLeave, BridgeMerge),
        *(BlindTransfer, AttendedTransfer, LocalBridge, DeviceStateChange, UserEvent),
        *(QueueCallerJoin, QueueCallerLeave, QueueCallerAbandon, AgentCalled, AgentConnect),
        *(AgentComplete, AgentRingNoAnswer, QueueMemberStatus, QueueMemberAdded),
        *(QueueMemberRemoved, QueueMemberPause, MixMonitorStart, MixMonitorStop, MixMonitorMute),
        *(FullyBooted, Shutdown, OriginateResponse),
    )
}
"""Name on the wire -> what is built from it. Any other event is ignored by its name."""

ITEMS: Final[dict[bytes, type[AmiEvent]]] = {
    b"Status": StatusItem,
    b"DeviceStateChange": DeviceStateChange,
    b"CoreShowChannel": CoreShowChannel,
    b"BridgeListItem": BridgeListItem,
    b"QueueParams": QueueParams,
    b"QueueMember": QueueMember,
    b"QueueEntry": QueueEntry,
}
"""The same for the items of a list."""


def build(kind: type[AmiEvent], headers: dict[str, Any]) -> AmiEvent:
    """Build a typed event from a frame's headers.

    :param headers: name -> value, or a list of values where the header occurs more than once, as
        `cti.ami.wire.Frame.headers` gives them; changed in place.
    :raises MalformedFrameError: a header is missing, or its value is not of the field's type.
    """
    if kind is UserEvent:
        headers = _first_values(headers)
        headers[_FREE] = dict(headers)
    variables = headers.get("ChanVariable") or headers.get("Variable")
    if variables is not None:
        headers["ChanVariable"] = _variables(variables)
    try:
        return msgspec.convert(headers, kind, strict=False)
    except msgspec.ValidationError as error:
        raise MalformedFrameError(f"{kind.__name__}: {error}") from None


def _variables(lines: str | list[str]) -> dict[str, str]:
    """`name=value` lines as a dictionary, without variables that are not set.

    Asterisk writes those empty in events and `(null)` in the answer to Status.
    """
    pairs = (line.partition("=") for line in ([lines] if isinstance(lines, str) else lines))
    return {name: value for name, _, value in pairs if value not in ("", "(null)")}


def _first_values(headers: dict[str, Any]) -> dict[str, Any]:
    """One value for each header. Asterisk's own come before those that the dialplan added."""
    return {name: value[0] if isinstance(value, list) else value for name, value in headers.items()}
