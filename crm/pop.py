"""Who may be calling: the customers who have a call's number, each with what was last."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from crm import customers, fields, timeline
from crm.customers import Customer
from crm.fields import Field
from crm.timeline import Appointment, Item

if TYPE_CHECKING:
    from crm.customers import Connection

MATCHES_MOST: Final = 9
LAST_CONTACTS: Final = 5
APPOINTMENTS_MOST: Final = 10


@dataclass(frozen=True, slots=True)
class Match:
    """A customer who may be calling.

    :param contacts: calls and notes without this call, the newest first.
    :param appointments: open ones, what is due first at the top.
    """

    customer: Customer
    contacts: Sequence[Item]
    appointments: Sequence[Appointment]


@dataclass(frozen=True, slots=True)
class Pop:
    """Who may be calling.

    :param fields: the customers' own fields.
    :param chosen: who it is, if somebody said so; the first of the matches.
    """

    fields: Sequence[Field]
    chosen: int | None
    matches: Sequence[Match]


async def read(connection: Connection, call_id: str, number: str | None) -> Pop:
    """Who may be calling.

    :param number: the customer's, E.164; None where it tells nobody.
    """
    own = await fields.load(connection)
    chosen = await connection.fetchval(_CHOSEN, call_id)
    ids = await customers.of_number(connection, number, limit=MATCHES_MOST)
    if chosen is not None:
        ids = [chosen, *(each for each in ids if each != chosen)]
    found = await customers.load(connection, ids) if ids else []
    return Pop(own, chosen, [await _match(connection, call_id, each) for each in found])


async def _match(connection: Connection, call_id: str, customer: Customer) -> Match:
    items, _ = await timeline.page(
        connection, customer, limit=LAST_CONTACTS + 1, kinds=("call", "note")
    )
    last = [each for each in items if each.id != call_id][:LAST_CONTACTS]
    due = await timeline.appointments(
        connection, customer_ids=[customer.customer_id], limit=APPOINTMENTS_MOST
    )
    return Match(customer, last, due)


_CHOSEN = """
SELECT k.customer_id FROM call_customers k JOIN customers c USING (customer_id)
WHERE k.call_id = $1 AND c.deleted_at IS NULL AND c.merged_into IS NULL
"""
