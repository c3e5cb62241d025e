"""Records for the journal's tests."""

from collections.abc import Sequence

from cti import domain
from cti.domain import Recorded


def facts(first: int, count: int) -> list[Recorded]:
    """Small records that can be told apart: `reason` of number n is "n"."""
    return [
        Recorded(seq, domain.PbxLost(at=1.7e9 + seq, reason=str(seq)))
        for seq in range(first, first + count)
    ]


def numbered(*events: domain.DomainEvent, first: int = 1) -> list[Recorded]:
    """Events with their numbers."""
    return [Recorded(seq, event) for seq, event in enumerate(events, first)]


def numbers(records: Sequence[Recorded]) -> list[int]:
    """Of the records."""
    return [record.seq for record in records]


DAY = 1_792_800_000.0
"""Midnight UTC of some day."""


def call_started(
    call_id: str = "c1", *, at: float = DAY, adopted: bool = False
) -> domain.CallStarted:
    """An inbound call."""
    return domain.CallStarted(
        at=at,
        call_id=call_id,
        direction="inbound",
        caller_number="+8613800138000",
        caller_name="Zhang",
        called_number="4001",
        linkedid=call_id,
        adopted=adopted,
    )


def call_ended(
    call_id: str = "c1",
    *,
    at: float = DAY + 60,
    talk: float = 30.0,
    outcome: domain.Outcome = "answered",
    agent: str = "1001",
    exact: bool = True,
) -> domain.CallEnded:
    """Ended by the customer after talking to the agent."""
    return domain.CallEnded(
        at=at,
        call_id=call_id,
        outcome=outcome,
        ended_by="customer",
        talk_seconds=talk,
        agent_id=agent,
        exact=exact,
    )


def queue_entered(
    call_id: str = "c1",
    visit_id: str = "v1",
    *,
    queue: str = "support",
    at: float = DAY,
    entered_at: float | None = None,
    adopted: bool = False,
    customer_name: str | None = None,
    customer_id: str | None = None,
    level: str | None = None,
) -> domain.QueueEntered:
    """A caller began to wait."""
    return domain.QueueEntered(
        at=at,
        call_id=call_id,
        visit_id=visit_id,
        queue=queue,
        channel="PJSIP/trunk-1",
        leg_id="1.1",
        entered_at=at if entered_at is None else entered_at,
        adopted=adopted,
        customer_name=customer_name,
        customer_id=customer_id,
        level=level,
    )


def queue_left(
    call_id: str = "c1",
    visit_id: str = "v1",
    *,
    queue: str = "support",
    at: float = DAY + 10,
    reason: domain.VisitEnd = "answered",
    waited: float = 10.0,
    agent: str = "1001",
    exact: bool = True,
) -> domain.QueueLeft:
    """The wait ended, with the agent where it was answered."""
    return domain.QueueLeft(
        at=at,
        call_id=call_id,
        visit_id=visit_id,
        queue=queue,
        reason=reason,
        waited_seconds=waited,
        agent_id=agent if reason == "answered" else None,
        exact=exact,
    )


def merged(into: str, other: str, *, at: float = DAY + 20) -> domain.CallMerged:
    """`other` became part of `into`."""
    return domain.CallMerged(at=at, call_id=into, merged_call_id=other)


def state(
    agent_id: str,
    name: domain.AgentState,
    *,
    at: float = DAY,
    reason: str | None = None,
    call_id: str | None = None,
    until: float | None = None,
) -> domain.AgentStateChanged:
    """An agent's new state."""
    return domain.AgentStateChanged(
        at=at, agent_id=agent_id, state=name, reason=reason, call_id=call_id, until=until
    )
