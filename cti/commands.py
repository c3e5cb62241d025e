"""Imperative commands: what the core wants the PBX to do. The runtime turns each into AMI actions.

`command_id` travels as the ActionID; the outcome comes back as CommandResult. A command is never
success by itself: the AMI event that follows is.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from cti.domain import AgentId, CallId, OfferId, QueueName


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """Base of all commands."""

    command_id: str


class Assign(Command, frozen=True, kw_only=True):
    """Redirect the waiting customer's channel to `zuoxi-offer`, which dials the agent.

    The destination is `<epoch>-<offer_id>-<extension>-<ring_seconds>-<flags>`; flags: `r` record,
    `s` survey afterwards, `x` none. A stale epoch is refused there. `language`: of what the caller
    hears afterwards.
    """

    call_id: CallId
    offer_id: OfferId
    agent_id: AgentId
    channel: str
    extension: str
    ring_seconds: int
    epoch: int
    flags: str
    language: str | None = None


class Withdraw(Command, frozen=True, kw_only=True):
    """Take an offer back: mark the customer's channel (ZX_RESCIND) and hang up the agent's leg.

    The dialplan returns the caller to the wait. `agent_channel` is None while it is not known yet:
    then the customer is redirected to `zuoxi-wait` instead, which cancels the dial.
    """

    call_id: CallId
    offer_id: OfferId
    customer_channel: str
    agent_channel: str | None
    epoch: int


class SendTo(Command, frozen=True, kw_only=True):
    """Redirect a waiting caller inside our dialplan: `<epoch>-<verb>[-<argument>...]`.

    Verbs of `zuoxi-leave`: overflow-<queue>, number-<digits>, voicemail-<box>, callback,
    hangup-<why> with why in closed, full, noagents, timeout. `zuoxi-wait`: back. `zuoxi-announce`:
    position-<n>-<expected wait in s, or x>, welcome, hold (periodic message). `language`: of what
    the caller hears there.
    """

    call_id: CallId
    channel: str
    context: Literal["zuoxi-wait", "zuoxi-leave", "zuoxi-announce"]
    exten: str
    language: str | None = None


class HangUp(Command, frozen=True, kw_only=True):
    """End a channel. Q.850 cause 16 is a normal clearing."""

    channel: str
    cause: int = 16


class SetMute(Command, frozen=True, kw_only=True):
    """MixMonitorMute both directions of the channel that is recorded."""

    call_id: CallId
    recording_id: str
    channel: str
    mute: bool


class NativeJoin(Command, frozen=True, kw_only=True):
    """Keep the agent a member of the native queue that serves when we do not."""

    queue: QueueName
    extension: str
    agent_id: AgentId
    paused: bool
    penalty: int = 0


class NativeLeave(Command, frozen=True, kw_only=True):
    """Take the agent out of the native queue."""

    queue: QueueName
    extension: str


class NativePause(Command, frozen=True, kw_only=True):
    """Pause or unpause the agent in all native queues."""

    extension: str
    paused: bool


class NativeRelease(Command, frozen=True, kw_only=True):
    """Have the native queue let a waiting caller go: `zuoxi-native` returns the caller to the wait.

    It takes up to a second, with a phone ringing until that stops; who is answered stays. Refused
    where the caller is in no queue, and by Asterisk before 18.11 and 19.3, which does not know it.
    """

    call_id: CallId
    queue: QueueName
    channel: str


PbxCommand = (
    Assign
    | Withdraw
    | SendTo
    | HangUp
    | SetMute
    | NativeJoin
    | NativeLeave
    | NativePause
    | NativeRelease
)
