"""Showing a customer's number in full to who sees numbers masked: never unseen."""

from __future__ import annotations

from typing import Any

from web import audit
from web.calls import number_of
from web.database import connected
from web.endpoint import Asked, Endpoint, Output, endpoint
from web.problems import Problem
from web.rights import masked


class Revealed(Output):
    """The number in full."""

    number: str


async def revealed(asked: Asked[Any], concerned: audit.Object, number: str | None) -> Revealed:
    """The number, after it was written that it was shown; without the database it is not.

    :param concerned: whose number it is, for the trail.
    :raises Problem: no_number.
    """
    if not number:
        raise Problem("no_number")
    async with connected(asked.services.pool) as connection:
        facts = {"number": masked(number)}
        await audit.record(connection, asked, "number_revealed", concerned, facts)
    return Revealed(number=number)


@endpoint(
    "POST",
    "/api/v1/calls/{call_id}/reveal",
    "Show the customer's number in full",
    output=Revealed,
    right="numbers.reveal",
    problems=("unknown_call", "not_your_call", "no_number", "database_away"),
)
async def reveal_call(asked: Asked[None]) -> Revealed:
    """Written to the audit trail before it is answered."""
    call_id = asked.part("call_id", "unknown_call")
    number = await number_of(asked, call_id, "numbers.reveal")
    return await revealed(asked, audit.Object("call", call_id), number)


ENDPOINTS: tuple[Endpoint, ...] = (reveal_call,)
