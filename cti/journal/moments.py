"""Epoch seconds of events and aware UTC of rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

EPOCH = datetime.fromtimestamp(0, UTC)
END = datetime(9999, 12, 31, tzinfo=UTC)
QUARTER = timedelta(minutes=15)


def moment(at: float) -> datetime:
    """Aware UTC of epoch seconds, kept inside the calendar."""
    if not at > 0:
        return EPOCH
    try:
        return datetime.fromtimestamp(at, UTC)
    except (ValueError, OverflowError, OSError):
        return END


def quarter(at: datetime) -> datetime:
    """The begin of its quarter of an hour."""
    return at - (at - EPOCH) % QUARTER
