"""Who stands behind a channel, and the events with which calls and legs start."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from cti.ami.events import ChannelEvent, DialEvent
from cti.calls.channels import endpoint_of
from cti.domain import (
    AgentId,
    CallId,
    CallStarted,
    Direction,
    DomainEvent,
    LegAnswered,
    LegKind,
    LegRinging,
    LegStarted,
)
from cti.inputs import ChannelState

RINGING: Final = 5
UP: Final = 6
"""Asterisk's channel states that matter here."""
TEXT_LIMIT: Final = 80
"""Names and numbers come from outside; no more of them is kept."""
NO_NUMBER: Final = frozenset({None, "", "s", "i", "t", "h"})
"""Extensions of the dialplan that nobody dialled."""


class Newcomer(NamedTuple):
    """A channel that no call has yet."""

    uniqueid: str
    linkedid: str
    channel: str
    state: int
    caller_number: str | None
    caller_name: str | None
    exten: str | None

    @classmethod
    def in_event(cls, event: ChannelEvent) -> Newcomer:
        """The channel that the event describes."""
        return cls(
            event.uniqueid,
            event.linkedid,
            event.channel,
            event.state,
            event.caller_number,
            event.caller_name,
            event.exten,
        )

    @classmethod
    def dialled(cls, event: DialEvent) -> Newcomer:
        """The channel that was dialled."""
        return cls(
            event.dest_uniqueid,
            event.dest_linkedid,
            event.dest_channel,
            event.dest_state,
            event.dest_caller_number,
            None,
            None,
        )

    @classmethod
    def in_snapshot(cls, channel: ChannelState) -> Newcomer:
        """The channel as the snapshot shows it."""
        return cls(
            channel.uniqueid,
            channel.linkedid,
            channel.name,
            channel.state,
            channel.caller_number,
            channel.caller_name,
            channel.exten,
        )


class Parties(NamedTuple):
    """What the call model has to be told about the site.

    :param node: name of this PBX's server, the first part of every call id.
    :param agent_on: extension -> the agent signed in there.
    :param is_extension: whether the endpoint is one of ours.
    :param to_e164: an outside number as the PBX gave it -> as it is kept.
    """

    node: str
    agent_on: Callable[[str], AgentId | None]
    is_extension: Callable[[str], bool]
    to_e164: Callable[[str], str]

    def extension_of(self, channel: str) -> str | None:
        """The extension behind the channel, None where it is not one of ours."""
        endpoint = endpoint_of(channel)
        return endpoint if self.is_extension(endpoint) else None

    def call_started(
        self, new: Newcomer, extension: str | None, at: float, *, adopted: bool
    ) -> CallStarted:
        """The call that begins with this channel."""
        called = None if new.exten in NO_NUMBER else self._number(new.exten)
        return CallStarted(
            at=at,
            call_id=f"{self.node}-{new.uniqueid}",
            direction=self._direction(extension, new.exten),
            caller_number=extension or self._number(new.caller_number),
            caller_name=_text(new.caller_name),
            called_number=called,
            linkedid=new.linkedid,
            adopted=adopted,
        )

    def leg_started(
        self,
        new: Newcomer,
        call_id: CallId,
        extension: str | None,
        at: float,
        *,
        kind: LegKind,
        dialled: str | None,
    ) -> LegStarted:
        """The channel's leg. `dialled`: the number by which its party was reached, where known."""
        return LegStarted(
            at=at,
            call_id=call_id,
            leg_id=new.uniqueid,
            kind=kind,
            channel=new.channel,
            agent_id=self.agent_on(extension) if extension is not None else None,
            extension=extension,
            number=None if extension else self._number(new.caller_number) or dialled,
        )

    def _direction(self, extension: str | None, exten: str | None) -> Direction:
        if extension is None:
            return "inbound"
        return "internal" if exten is not None and self.is_extension(exten) else "outbound"

    def _number(self, number: str | None) -> str | None:
        if not number:
            return None
        number = number[:TEXT_LIMIT]
        return number if self.is_extension(number) else self.to_e164(number)


def phase(call_id: CallId, leg_id: str, known: str, state: int, at: float) -> list[DomainEvent]:
    """What the channel's state number tells that the leg's state (`known`) does not."""
    if state == UP and known in ("down", "ringing"):
        return [LegAnswered(at=at, call_id=call_id, leg_id=leg_id)]
    if state == RINGING and known == "down":
        return [LegRinging(at=at, call_id=call_id, leg_id=leg_id)]
    return []


def _text(text: str | None) -> str | None:
    return text[:TEXT_LIMIT] if text else None
