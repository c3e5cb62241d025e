"""The rules of what belongs to which call.

1. A channel belongs to the call whose linkedid it carries: Asterisk hands the linkedid of the first
   channel on to every channel that is dialled from it, through Local channels too.
2. Who shares a room shares the call. A channel of no known call joins the call of those in its
   room; two calls that meet in a room are one. So transfers, pickups and conferences need no rules
   of their own: whatever masquerade or swap Asterisk does, the parties end up in one bridge.
3. An attended transfer into an application (a queue, a conference) joins its two calls before
   anyone meets in a room.
4. Of several calls the one with a customer goes on, of those the oldest. The others end by
   CallMerged.
5. Helper channels (`channels.HELPERS`) are never legs; Local channels only tie rooms together.
6. An extension that calls while it stands in another call consults. Both sides of a consultation
   are consult legs until it merges; then the agent who was asked becomes an agent of the call.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from cti.calls.book import Book, Call
from cti.calls.channels import is_helper
from cti.calls.parties import Newcomer, Parties, phase
from cti.domain import CallId, CallMerged, Direction, DomainEvent, LegKind, LegRenamed


class Company(NamedTuple):
    """What a newcomer to a call has to know about those already in it.

    :param consulting: an agent asks somebody; no customer is here.
    :param has_customer: a customer is or was here.
    """

    direction: Direction
    consulting: bool
    has_customer: bool

    @classmethod
    def of(cls, call: Call) -> Company:
        """The company in the call."""
        kinds = {leg.kind for leg in call.legs.values()}
        consulting = "consult" in kinds and kinds.isdisjoint(("customer", "agent"))
        return cls(call.direction, consulting, "customer" in kinds)


def first_kind(extension: str | None, *, busy: bool) -> LegKind:
    """What the first leg of a call is. `busy`: its extension stands in another call."""
    if extension is None:
        return "customer"
    return "consult" if busy else "agent"


def next_kind(company: Company, extension: str | None) -> LegKind:
    """What a further leg of a call is."""
    if extension is not None:
        return "consult" if company.consulting else "agent"
    if company.direction == "outbound" and not company.consulting and not company.has_customer:
        return "customer"
    return "other"


def admitted(
    book: Book, parties: Parties, new: Newcomer, at: float, host: Call | None, *, adopted: bool
) -> tuple[list[DomainEvent], CallId | None]:
    """A channel becomes a leg of its call, which starts where there is none.

    :param at: epoch seconds at which the channel began.
    :param host: the call of those in the channel's room.
    :param adopted: the channel may be older than `at`.
    :returns: events, and the id of the call; nothing for a helper or a leg that is known.
    """
    if is_helper(new.channel) or new.uniqueid in book.owners:
        return [], None
    extension = parties.extension_of(new.channel)
    call = book.linkedids.get(new.linkedid) or host
    events: list[DomainEvent] = []
    dialled = None
    if call is not None:
        call_id = call.call_id
        dialled = None if call.direction == "inbound" else call.called_number
        kind = next_kind(Company.of(call), extension)
    else:
        started = parties.call_started(new, extension, at, adopted=adopted)
        call_id = started.call_id
        kind = first_kind(extension, busy=extension is not None and book.busy(extension))
        events.append(started)
    events.append(parties.leg_started(new, call_id, extension, at, kind=kind, dialled=dialled))
    events.extend(phase(call_id, new.uniqueid, "down", new.state, at))
    return events, call_id


def join(calls: Iterable[Call], at: float) -> list[DomainEvent]:
    """Events that make the live calls one; none where there is one already."""
    first, *others = sorted(
        calls, key=lambda c: (not Company.of(c).has_customer, c.started_at, c.call_id)
    )
    events: list[DomainEvent] = []
    for other in others:
        events.append(
            CallMerged(at=at, call_id=first.call_id, merged_call_id=other.call_id),
        )
        events.extend(_asked_agents(first, other, at))
    return events


def _asked_agents(call: Call, consultation: Call, at: float) -> Iterable[DomainEvent]:
    """The agents who were asked join the call; the extension that asked, which dialled, leaves.

    Who was asked may have been in the call before, rung in vain or as the one who handed it over.
    """
    asker = consultation.legs.get(consultation.linkedid)
    for leg in consultation.live_legs():
        if leg.kind == "consult" and (asker is None or leg.extension != asker.extension):
            yield LegRenamed(
                at=at,
                call_id=call.call_id,
                leg_id=leg.leg_id,
                channel=leg.channel,
                kind="agent",
                agent_id=leg.agent_id,
            )
