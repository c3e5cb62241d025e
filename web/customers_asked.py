"""What the endpoints of customers share: who is asked for, in which transaction, what is told."""

from __future__ import annotations

import re
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeVar

import pydantic
from pydantic import Field

from crm import customers as store
from crm import fields as own_fields
from crm.customers import By, Customer
from crm.terms import digits_of, query_words
from web import audit
from web.customers_view import moment, viewer_of
from web.database import connected
from web.endpoint import Asked, Input, invalid
from web.problems import Problem
from web.rights import masked, masked_name, masked_text

if TYPE_CHECKING:
    from web.database import Connection

WHOLE_NUMBER_DIGITS: Final = 7
"""So many digits of a query are a number that was heard, fewer a guess."""
Given = TypeVar("Given", bound=Input)
LINE = r"^[^\x00-\x1f\x7f]*$"
AgentName = Annotated[str, Field(min_length=1, max_length=64, pattern=LINE)]
Moment = Annotated[float, Field(ge=0, le=32_503_680_000, allow_inf_nan=False)]
CallId = Annotated[str, Field(pattern=r"^[\w.:@+-]{1,128}$")]
CustomerId = Annotated[str, Field(pattern=r"^[0-9]{1,18}$")]
Cursor = Annotated[str | None, Field(max_length=400, pattern=r"^[\w-]*$")]


def check_digits(asked: Asked[Any], text: str) -> None:
    """See that nobody finds masked numbers by guessing digits.

    :raises Problem: no_right, too_many_searches.
    """
    if asked.session.may("numbers.see"):
        return
    found = [digits for word in query_words(text) if (digits := digits_of(word)) is not None]
    if any(len(digits) < WHOLE_NUMBER_DIGITS for digits in found):
        raise Problem("no_right", right="numbers.see")
    if found:
        count_search(asked)


def count_search(asked: Asked[Any], numbers: int = 1) -> None:
    """Count that somebody is told whose whole numbers are; who sees all numbers knows it anyway.

    :raises Problem: too_many_searches.
    """
    if not numbers or asked.session.may("numbers.see"):
        return
    if not asked.parts.searches.take(asked.session.user.user_id, time.monotonic(), numbers):
        raise Problem("too_many_searches")


async def record(
    connection: Connection,
    asked: Asked[Any],
    what: str,
    customer: Customer,
    facts: Mapping[str, object] | None = None,
) -> None:
    """Write to the audit trail; numbers masked."""
    concerned = audit.Object("customer", customer.customer_id, masked_name(customer.name) or "")
    hidden = {key: _hidden(key, value) for key, value in (facts or {}).items()}
    await audit.record(connection, asked, what, concerned, hidden)


def _hidden(key: str, value: object) -> object:
    if isinstance(value, list | tuple):
        return [_hidden(key, each) for each in value]
    if not isinstance(value, str):
        return value
    return masked(value) if key == "numbers" else masked_text(value)


@asynccontextmanager
async def reading(
    asked: Asked[Any],
) -> AsyncIterator[tuple[Connection, list[own_fields.Field]]]:
    """A connection, and the own fields.

    :raises Problem: unknown_customer, where the block finds none.
    """
    async with connected(asked.services.pool) as connection:
        try:
            yield connection, await own_fields.load(connection)
        except store.UnknownError:
            raise Problem("unknown_customer") from None


@asynccontextmanager
async def changing(
    asked: Asked[Any],
) -> AsyncIterator[tuple[Connection, list[own_fields.Field], By]]:
    """A transaction, the own fields and who changes."""
    async with reading(asked) as (connection, fields), connection.transaction():
        yield connection, fields, By(asked.session.user.name, moment(asked.services.clock()))


def customer_of(asked: Asked[Any]) -> int:
    """The number of the customer in the address.

    :raises Problem: unknown_customer.
    """
    return number_part(asked, "customer_id", "unknown_customer")


def number_part(asked: Asked[Any], name: str, otherwise: str) -> int:
    """A number in the address.

    :raises Problem: `otherwise`; it is none.
    """
    text = asked.part(name, otherwise)
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise Problem(otherwise)
    return int(text)


async def seen(
    connection: Connection,
    asked: Asked[Any],
    fields: Sequence[own_fields.Field],
    customer_id: int,
    version: int,
) -> Customer:
    """The locked customer, if it is still the one that was seen.

    :raises Problem: customer_changed.
    """
    present = await store.get(connection, customer_id, lock=True)
    if present.version != version:
        shown = viewer_of(asked, fields).customer(present)
        raise Problem("customer_changed", customer=shown.model_dump())
    return present


def replaced(given: Given, **changes: object) -> Given:
    """What was given with `changes`.

    :raises Problem: invalid; they do not fit.
    """
    try:
        return type(given).model_validate({**given.model_dump(exclude_unset=True), **changes})
    except pydantic.ValidationError as error:
        raise invalid(error) from None


def bad_field(field: str, code: str, message: str) -> Problem:
    """The problem of one field."""
    return Problem("invalid", errors=[{"field": field, "code": code, "message": message}])
