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
