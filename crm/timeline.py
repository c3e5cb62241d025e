"""The time line of a customer: calls, notes, appointments and changes, the newest first.

Calls are those of the customer's numbers, less those that were chosen for another, and those chosen
for the customer. Each source is read by its own index for one page at most, and the pages joined.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal

import asyncpg

from crm.customers import By, Customer

if TYPE_CHECKING:
    from crm.customers import Connection

ItemKind = Literal["call", "note", "appointment", "change"]
KINDS: Final[tuple[ItemKind, ...]] = ("call", "note", "appointment", "change")
PAGE_MOST: Final = 100
SAME_NOTE: Final = timedelta(minutes=10)


class BadCursorError(Exception):
    """The cursor is none that was given out."""


@dataclass(frozen=True, slots=True)
class Item:
    """Something that happened. `facts` by kind as the API shows them."""

    at: datetime
    kind: ItemKind
    id: int | str
    facts: Mapping[str, Any]

    @property
    def key(self) -> tuple[datetime, str, Any]:
        """The order, of which the newest has the greatest; ids of one kind are of one type."""
        return (self.at, self.kind, self.id)


@dataclass(frozen=True, slots=True)
class Appointment:
    """To be called back. `done_at` None: open."""

    appointment_id: int
    customer_id: int
    customer_name: str
    due_at: datetime
    text: str
    agent_id: str | None
    call_id: str | None
    by: str
    done_at: datetime | None


async def page(
    connection: Connection,
    customer: Customer,
    *,
    limit: int,
    cursor: str | None = None,
    kinds: Sequence[ItemKind] = KINDS,
) -> tuple[list[Item], str | None]:
    """A page of the time line, and the cursor of the one after.

    :raises BadCursorError: `cursor` was not given out here.
    """
    before = _read_cursor(cursor) if cursor else None
    numbers = [each.number for each in customer.numbers]
    found: list[Item] = []
    for kind in kinds:
        arguments = [customer.customer_id, *([numbers] if kind == "call" else [])]
        rows = await connection.fetch(_QUERIES[kind], *_bound(before, kind), limit + 1, *arguments)
        found += [_item(kind, row) for row in rows]
    found.sort(key=lambda item: item.key, reverse=True)
    shown = found[:limit]
    more = len(found) > limit
    return await _with_notes(connection, shown), _cursor(shown[-1]) if more else None


async def add_note(
    connection: Connection, customer_id: int, by: By, text: str, call_id: str | None = None
) -> int:
    """Write a note; its id.

    The same words by the same person within SAME_NOTE are the same note: who did not hear that it
    was written sends it again. The customer is to be locked.
    """
    note_id: int = await connection.fetchval(
        _NOTE, customer_id, by.at, by.name, call_id, text, SAME_NOTE
    )
    return note_id


async def add_notes(connection: Connection, notes: Sequence[tuple[int, str]], by: By) -> None:
    """Write notes of customers: (customer, text)."""
    ids, texts = [each[0] for each in notes], [each[1] for each in notes]
    await connection.execute(_NOTES, ids, by.at, by.name, texts)


async def add_appointment(
    connection: Connection,
    customer_id: int,
    by: By,
    *,
    due_at: datetime,
    text: str,
    agent_id: str | None,
    call_id: str | None,
) -> Appointment:
    """Make an appointment."""
    appointment_id = await connection.fetchval(
        _ADD_APPOINTMENT, customer_id, by.at, due_at, text, agent_id, call_id, by.name
    )
    found = await appointment(connection, appointment_id)
    assert found is not None
    return found


async def appointment(
    connection: Connection, appointment_id: int, *, lock: bool = False
) -> Appointment | None:
    """One appointment of a living customer.

    :param lock: for a change; others wait for the end of this transaction.
    """
    query = f"{_APPOINTMENTS} AND a.appointment_id = $1{' FOR UPDATE OF a' if lock else ''}"
    row = await connection.fetchrow(query, appointment_id)
    return Appointment(*row.values()) if row else None


async def change_appointment(
    connection: Connection, appointment_id: int, due_at: datetime, text: str, done: datetime | None
) -> None:
    """Put off, reword, close or reopen an appointment."""
    await connection.execute(_CHANGE_APPOINTMENT, appointment_id, due_at, text, done)


async def appointments(
    connection: Connection,
    *,
    agent_id: str | None = None,
    customer_ids: Sequence[int] | None = None,
    only_open: bool = True,
    limit: int,
) -> list[Appointment]:
    """Appointments, what is due first at the top; of all of them what is due last."""
    order = "a.due_at, a.appointment_id" if only_open else "a.due_at DESC, a.appointment_id DESC"
    rows = await connection.fetch(
        f"{_APPOINTMENTS} AND ($1::text IS NULL OR a.agent_id = $1)"
        " AND ($2::bigint[] IS NULL OR a.customer_id = ANY($2))"
        f" AND (NOT $3 OR a.done_at IS NULL) ORDER BY {order} LIMIT $4",
        *(agent_id, customer_ids, only_open, limit),
    )
    return [Appointment(*row.values()) for row in rows]


def _bound(before: tuple[datetime, str, Any] | None, kind: ItemKind) -> tuple[datetime, int | str]:
    """The (moment, id) before which a kind's rows are on the next page."""
    least, most = ("", "\U0010ffff") if kind == "call" else (0, 2**63 - 1)
    if before is None:
        return datetime.max.replace(tzinfo=UTC), most
    at, last_kind, last_id = before
    return at, last_id if kind == last_kind else most if kind < last_kind else least


def _item(kind: ItemKind, row: asyncpg.Record) -> Item:
    facts = {name: value for name, value in row.items() if name not in ("at", "id")}
    if kind == "change":
        facts["facts"] = json.loads(facts["facts"])
    return Item(row["at"], kind, row["id"], facts)


async def known_to(
    connection: Connection, customer: Customer, number: str, agents: Collection[str]
) -> bool:
    """Whether one of these agents owns the customer, or took part in a call with this number.

    What agents can write themselves, a call's choice or a further number, makes nothing known.
    """
    if customer.owner_agent_id in agents:
        return True
    return bool(await connection.fetchval(_KNOWN, number, list(agents)))


async def _with_notes(connection: Connection, items: list[Item]) -> list[Item]:
    """The items, calls with what agents noted of them."""
    calls = [item.id for item in items if item.kind == "call"]
    if not calls:
        return items
    notes = {row["call_id"]: row["notes"] for row in await connection.fetch(_CALL_NOTES, calls)}
    return [
        Item(item.at, item.kind, item.id, {**item.facts, "notes": notes.get(item.id, "")})
        if item.kind == "call"
        else item
        for item in items
    ]


def _cursor(item: Item) -> str:
    text = json.dumps([item.at.timestamp(), item.kind, item.id])
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[datetime, str, Any]:
    try:
        data = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        at, kind, id_ = json.loads(data)
        fits = type(id_) is str and "\0" not in id_ if kind == "call" else type(id_) is int
        if kind not in KINDS or not fits or not isinstance(at, int | float):
            raise BadCursorError
        if isinstance(id_, int) and not 0 <= id_ < 2**63:
            raise BadCursorError
        return datetime.fromtimestamp(at, UTC), kind, id_
    except (
        *(ValueError, TypeError, OverflowError, OSError, RecursionError, binascii.Error),
    ) as error:
        raise BadCursorError from error


_CALLS_PART = """
    SELECT started_at AS at, call_id COLLATE "C" AS id, direction, queues[1] AS queue, agent_id,
        outcome, talk_seconds, disposition
    FROM calls
    WHERE merged_into IS NULL AND NOT handed_over AND (started_at, call_id COLLATE "C") < ($1, $2)
"""
_LATEST_PART = """
        AND NOT EXISTS (SELECT FROM call_customers k
            WHERE k.call_id = calls.call_id AND k.customer_id <> $4)
        ORDER BY started_at DESC, call_id COLLATE "C" DESC LIMIT $3
"""
_CALLS: Final = f"""
WITH mine AS (
    SELECT number FROM unnest($5::text[]) AS number
), found AS (
    SELECT part.* FROM mine, LATERAL (
        {_CALLS_PART} AND caller_number = mine.number {_LATEST_PART}) AS part
    UNION
    SELECT part.* FROM mine, LATERAL (
        {_CALLS_PART} AND called_number = mine.number {_LATEST_PART}) AS part
    UNION
    ({_CALLS_PART} AND call_id IN (SELECT call_id FROM call_customers WHERE customer_id = $4)
        {_LATEST_PART})
)
SELECT * FROM found ORDER BY at DESC, id DESC LIMIT $3
"""  # noqa: S608 - our own words
_KNOWN: Final = """
SELECT EXISTS (SELECT FROM calls WHERE caller_number = $1 AND agents && $2::text[])
    OR EXISTS (SELECT FROM calls WHERE called_number = $1 AND agents && $2::text[])
"""
_QUERIES: Final[Mapping[ItemKind, str]] = {
    "call": _CALLS,
    "note": """
        SELECT at, note_id AS id, text, by_name AS by, call_id FROM customer_notes
        WHERE customer_id = $4 AND (at, note_id) < ($1, $2)
        ORDER BY at DESC, note_id DESC LIMIT $3
    """,
    "appointment": """
        SELECT due_at AS at, appointment_id AS id, due_at, text, agent_id, done_at
        FROM customer_appointments
        WHERE customer_id = $4 AND (due_at, appointment_id) < ($1, $2)
        ORDER BY due_at DESC, appointment_id DESC LIMIT $3
    """,
    "change": """
        SELECT at, change_id AS id, by_name AS by, what, facts FROM customer_changes
        WHERE customer_id = $4 AND (at, change_id) < ($1, $2)
        ORDER BY at DESC, change_id DESC LIMIT $3
    """,
}
_CALL_NOTES = """
SELECT DISTINCT ON (call_id) call_id, body ->> 'notes' AS notes FROM journal
WHERE call_id = ANY($1::text[]) AND type = 'DispositionSaved' ORDER BY call_id, at DESC, seq DESC
"""
_NOTE = """
WITH again AS (
    SELECT note_id FROM customer_notes
    WHERE customer_id = $1 AND by_name = $3 AND call_id IS NOT DISTINCT FROM $4 AND text = $5
      AND at > $2::timestamptz - $6::interval
    LIMIT 1
), made AS (
    INSERT INTO customer_notes (customer_id, at, by_name, call_id, text)
    SELECT $1, $2::timestamptz, $3, $4, $5 WHERE NOT EXISTS (SELECT FROM again)
    RETURNING note_id
)
SELECT note_id FROM again UNION ALL SELECT note_id FROM made
"""
_NOTES = """
INSERT INTO customer_notes (customer_id, at, by_name, text)
SELECT customer_id, $2, $3, text FROM unnest($1::bigint[], $4::text[]) AS note (customer_id, text)
"""
_ADD_APPOINTMENT = """
INSERT INTO customer_appointments
    (customer_id, made_at, due_at, text, agent_id, call_id, by_name)
VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING appointment_id
"""
_CHANGE_APPOINTMENT = """
UPDATE customer_appointments SET due_at = $2, text = $3, done_at = $4 WHERE appointment_id = $1
"""
_APPOINTMENTS = """
SELECT a.appointment_id, a.customer_id, c.name, a.due_at, a.text, a.agent_id, a.call_id, a.by_name,
    a.done_at
FROM customer_appointments a JOIN customers c USING (customer_id)
WHERE c.deleted_at IS NULL AND c.merged_into IS NULL
"""
