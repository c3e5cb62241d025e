"""Typed AMI actions, and what can become of one.

A field's AMI header is the field's name in Pascal case unless the field says otherwise; a field
that is None is not sent. What an account needs to send an action is said where it is more than
the product's own rights (call, agent, user, reporting).
"""

from __future__ import annotations

from functools import cache
from typing import Literal

import msgspec

Result = Literal["done", "refused", "timed_out", "unknown"]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an action.

    - done: Asterisk accepted it. The event that follows says whether it happened.
    - refused: Asterisk said no, or it was never sent (no link, or not encodable).
    - timed_out: it was sent, and no answer came before its deadline.
    - unknown: it was sent, and the link broke before the answer.

    :param headers: of Asterisk's response.
    """

    result: Result
    message: str = ""
    headers: dict[str, str | list[str]] = {}


class Action(msgspec.Struct, frozen=True, kw_only=True, rename="pascal"):
    """Base of all actions; the class's name is the action's name on the wire."""

    def headers(self) -> list[tuple[str, str]]:
        """The action's headers without Action and ActionID, in order."""
        headers = []
        for field, header in _headers(type(self)):
            value = getattr(self, field)
            if isinstance(value, dict):
                headers += [(header, f"{name}={each}") for name, each in value.items()]
            elif isinstance(value, tuple):
                headers += [(header, ",".join(value))] if value else []
            elif value is not None:
                headers.append((header, _text(value)))
        return headers


@cache
def _headers(kind: type[Action]) -> list[tuple[str, str]]:
    """(field, header) of one kind of action; msgspec works this out anew at each call."""
    return [(field.name, field.encode_name) for field in msgspec.structs.fields(kind)]


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


class ListAction(Action, frozen=True, kw_only=True, rename="pascal"):
    """An action that Asterisk answers with a list of events; send it with `AmiLink.collect`."""


# --- the session ---------------------------------------------------------------------------------


class Challenge(Action, frozen=True, kw_only=True, rename="pascal"):
    """Ask for the challenge of an MD5 sign-in."""

    auth_type: str = "MD5"


class Login(Action, frozen=True, kw_only=True, rename="pascal"):
    """Sign in with `secret`, or with `key`, the MD5 of challenge and secret in hexadecimal.

    :param events: the classes of events wanted, separated by commas; "off" for none.
    """

    username: str
    secret: str | None = None
    auth_type: str | None = None
    key: str | None = None
    events: str = "on"


class Logoff(Action, frozen=True, kw_only=True, rename="pascal"):
    """Sign out."""


class Ping(Action, frozen=True, kw_only=True, rename="pascal"):
    """Ask for a sign of life; the response holds the PBX's clock (`Timestamp`)."""


# --- reading the state ---------------------------------------------------------------------------


class Status(ListAction, frozen=True, kw_only=True, rename="pascal"):
    """All channels, or one, with the channel variables named."""

    channel: str | None = None
    variables: tuple[str, ...] = ()


class CoreShowChannels(ListAction, frozen=True, kw_only=True, rename="pascal"):
    """All channels with their applications."""


class BridgeList(ListAction, frozen=True, kw_only=True, rename="pascal"):
    """All bridges."""


class DeviceStateList(ListAction, frozen=True, kw_only=True, rename="pascal"):
    """All device states that Asterisk has cached."""


class QueueStatus(ListAction, frozen=True, kw_only=True, rename="pascal"):
    """Native queues with members and waiting callers."""

    queue: str | None = None
    member: str | None = None


class CoreStatus(Action, frozen=True, kw_only=True, rename="pascal"):
    """When Asterisk started, and how many calls it has."""


class CoreSettings(Action, frozen=True, kw_only=True, rename="pascal"):
    """Which Asterisk it is: `AsteriskVersion` in the response."""


class Getvar(Action, frozen=True, kw_only=True, rename="pascal"):
    """Read a variable of a channel, or a global one; `Value` in the response."""

    variable: str
    channel: str | None = None


# --- acting on channels --------------------------------------------------------------------------


class Setvar(Action, frozen=True, kw_only=True, rename="pascal"):
    """Set a variable of a channel, or a global one."""

    variable: str
    value: str
    channel: str | None = None


class Redirect(Action, frozen=True, kw_only=True, rename="pascal"):
    """Send a channel to another place in the dialplan."""

    channel: str
    context: str
    exten: str
    priority: int = 1


class Hangup(Action, frozen=True, kw_only=True, rename="pascal"):
    """End a channel. `cause`: Q.850 number."""

    channel: str
    cause: int = 16


class Originate(Action, frozen=True, kw_only=True, rename="pascal"):
    """Call out, always asynchronously; OriginateResponse tells the rest. Needs `originate` rights.

    :param channel_id: uniqueid that the new channel gets.
    :param timeout_milliseconds: how long it may ring.
    :param variables: channel variables to set.
    """

    channel: str
    channel_id: str
    context: str
    exten: str
    priority: int = 1
    caller_id: str | None = msgspec.field(default=None, name="CallerID")
    timeout_milliseconds: int = msgspec.field(default=30_000, name="Timeout")
    variables: dict[str, str] = msgspec.field(default_factory=dict, name="Variable")
    early_media: bool = False

    def headers(self) -> list[tuple[str, str]]:
        """As of every action, and `Async`: an Originate without it would block the session."""
        return [*super().headers(), ("Async", "true")]


class BlindTransfer(Action, frozen=True, kw_only=True, rename="pascal"):
    """Send the other party of a bridged channel to an extension."""

    channel: str
    context: str
    exten: str


class Atxfer(Action, frozen=True, kw_only=True, rename="pascal"):
    """Begin an attended transfer on behalf of a bridged channel."""

    channel: str
    exten: str
    context: str


class PlayDTMF(Action, frozen=True, kw_only=True, rename="pascal"):
    """Play one key to a channel, or as if the channel had pressed it (`receive`)."""

    channel: str
    digit: str
    receive: bool = False


class MixMonitorMute(Action, frozen=True, kw_only=True, rename="pascal"):
    """Write silence into the channel's recording, or sound again."""

    channel: str
    mute: bool
    direction: Literal["read", "write", "both"] = "both"

    def headers(self) -> list[tuple[str, str]]:
        """`State` is a number here."""
        state = "1" if self.mute else "0"
        return [("Channel", self.channel), ("Direction", self.direction), ("State", state)]


class UserEvent(Action, frozen=True, kw_only=True, rename="pascal"):
    """Say something to all managers, in headers of one's own."""

    user_event: str
    fields: dict[str, str] = {}

    def headers(self) -> list[tuple[str, str]]:
        """The name and the free headers."""
        return [("UserEvent", self.user_event), *self.fields.items()]


# --- Asterisk's own queues -----------------------------------------------------------------------


class QueueAdd(Action, frozen=True, kw_only=True, rename="pascal"):
    """Add a member to a native queue."""

    queue: str
    interface: str
    member_name: str | None = None
    state_interface: str | None = None
    penalty: int = 0
    paused: bool = False


class QueueRemove(Action, frozen=True, kw_only=True, rename="pascal"):
    """Take a member out of a native queue."""

    queue: str
    interface: str


class QueuePause(Action, frozen=True, kw_only=True, rename="pascal"):
    """Pause or unpause a member in one native queue, or in all."""

    interface: str
    paused: bool
    queue: str | None = None
    reason: str | None = None


class QueueWithdrawCaller(Action, frozen=True, kw_only=True, rename="pascal"):
    """Have a native queue let a caller go, a channel's name; since Asterisk 18.11, 19.3 and 20.

    It asks only: a caller who is being rung leaves when nobody answers, one who is answered stays.
    """

    queue: str
    caller: str


class QueuePenalty(Action, frozen=True, kw_only=True, rename="pascal"):
    """Set a member's penalty in one native queue, or in all."""

    interface: str
    penalty: int
    queue: str | None = None
