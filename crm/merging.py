"""Merging one customer into another, and taking that back.

What moved is written down with the merge: taking it back gives the other what it had, and takes
from the one what came with it and was not changed since.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from crm.customers import (
    Block,
    By,
    Customer,
    Draft,
    UnknownError,
    differences,
    get,
    load,
    note_changes,
    put_block,
    reindex,
    write,
)
from crm.terms import wanted_of

if TYPE_CHECKING:
    from crm.customers import Connection

NO_REGION: Final = "ZZ"
"""A country without numbers: a name is no number."""
FILLED: Final = (
    *("company", "level", "language", "owner_agent_id", "source", "email", "address"),
    "notes_pinned",
)
"""Columns that are taken over where they are empty."""


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge makes of the one that stays.

    :param tags: those that came with the other.
    :param filled: columns, and own fields as `field:<code>`, that were empty: their new values.
    """

    draft: Draft
    tags: tuple[str, ...]
    filled: Mapping[str, Any]


def merged(into: Draft, other: Draft) -> Merged:
    """Decide what the two make together; the one that stays counts more. Numbers are not moved."""
    filled = {
        name: getattr(other, name)
        for name in FILLED
        if not getattr(into, name) and getattr(other, name)
    }
    own = {
        code: value
        for code, value in other.fields.items()
        if value is not None and into.fields.get(code) is None
    }
    tags = tuple(tag for tag in other.tags if tag not in into.tags)
    draft = replace(into, **filled, tags=into.tags + tags, fields={**into.fields, **own})
    return Merged(draft, tags, {**filled, **{f"field:{code}": own[code] for code in own}})


def parted(into: Draft, tags: list[str], filled: Mapping[str, Any]) -> Draft:
    """Take back what `merged` gave, unless it was changed since."""
    columns = {
        name: getattr(Draft(name="-"), name)
        for name in FILLED
        if name in filled and getattr(into, name) == filled[name]
    }
    own = {
        code: value
        for code, value in into.fields.items()
        if f"field:{code}" not in filled or filled[f"field:{code}"] != value
    }
    kept = tuple(tag for tag in into.tags if tag not in tags)
    return replace(into, **columns, tags=kept, fields=own)


def longer_block(into: Block | None, other: Block | None, now: datetime) -> Block | None:
    """The other's block where the one that stays has none that lasts as long, else None."""
    if other is None or not other.holds(now):
        return None
    forever = datetime.max.replace(tzinfo=UTC)
    return None if into and (into.until or forever) >= (other.until or forever) else other


async def merge(connection: Connection, into: Customer, other: Customer, by: By) -> None:
    """Merge `other` into `into`, both locked and living."""
    result = merged(into, other)
    had = {each.number for each in into.numbers}
    moving = [each for each in other.numbers if each.number not in had]
    moved: dict[str, Any] = {
        "numbers": [each.number_id for each in moving],
        "tags": list(result.tags),
        "filled": dict(result.filled),
    }
    if block := longer_block(into.block, other.block, by.at):
        moved["block"] = _packed(into.block)
        await put_block(connection, into.customer_id, block, by)
    for what, query in _MOVE.items():
        rows = await connection.fetch(query, into.customer_id, other.customer_id)
        moved[what] = [row[0] for row in rows]
    await connection.execute(_MOVE_NUMBERS, into.customer_id, moved["numbers"], len(into.numbers))
    await connection.execute(_GONE, other.customer_id, into.customer_id, by.at)
    await connection.execute(
        _NOTE, into.customer_id, other.customer_id, by.at, json.dumps(moved, ensure_ascii=False)
    )
    await reindex(connection, [other.customer_id])
    stored = await get(connection, into.customer_id)
    draft = replace(result.draft, numbers=stored.numbers)
    await write(connection, stored, draft, by)
    facts = {"other": str(other.customer_id), "name": other.name, **differences(into, draft)}
    await note_changes(connection, [into.customer_id], by, "merged", [facts])


async def unmerge(connection: Connection, into: Customer, other_id: int, by: By) -> None:
    """Take a merge back.

    :raises UnknownError: `other_id` is not merged into the customer.
    """
    row = await connection.fetchrow(_UNDONE, into.customer_id, other_id, by.at)
    if row is None:
        raise UnknownError
    moved = json.loads(row["moved"])
    for what, query in _MOVE_BACK.items():
        await connection.execute(query, other_id, moved[what], into.customer_id)
    await connection.execute(_BACK, other_id, by.at)
    await reindex(connection, [other_id])
    (other,) = await load(connection, [other_id])
    if "block" in moved and into.block == other.block:
        await put_block(connection, into.customer_id, _unpacked(moved["block"]), by)
    (stored,) = await load(connection, [into.customer_id])
    await write(connection, stored, parted(stored, moved["tags"], moved["filled"]), by)
    facts = [{"other": str(other_id), "name": other.name}, {"other": str(into.customer_id)}]
    await note_changes(connection, [into.customer_id, other_id], by, "unmerged", facts)


def _packed(block: Block | None) -> list[str | None] | None:
    if block is None:
        return None
    until = block.until.isoformat() if block.until else None
    return [block.reason, until, block.by, block.at.isoformat()]


def _unpacked(packed: list[str] | None) -> Block | None:
    if packed is None:
        return None
    reason, until, by, at = packed
    ends = datetime.fromisoformat(until) if until else None
    return Block(reason, ends, by, datetime.fromisoformat(at))


async def duplicates(
    connection: Connection, customer: Customer, *, limit: int
) -> list[tuple[int, str]]:
    """Living customers with the same number or the same name: their ids and why."""
    numbers = [each.number for each in customer.numbers]
    words = wanted_of(customer.name, NO_REGION)
    term = max((each.term for each in words), key=len, default="")
    words = wanted_of(customer.name, NO_REGION)
    term = max((each.term for each in words), key=len, default="")
    rows = await connection.fetch(
        _DUPLICATES, customer.customer_id, numbers, term, customer.name, limit
    )
    return [(row["customer_id"], row["why"]) for row in rows]


_MOVE: Final = {
    "notes": "UPDATE customer_notes SET customer_id = $1 WHERE customer_id = $2 RETURNING note_id",
    "appointments": """
        UPDATE customer_appointments SET customer_id = $1 WHERE customer_id = $2
        RETURNING appointment_id
    """,
    "calls": "UPDATE call_customers SET customer_id = $1 WHERE customer_id = $2 RETURNING call_id",
}
_MOVE_NUMBERS = """
UPDATE customer_numbers SET customer_id = $1, position = position + $3
WHERE number_id = ANY($2::bigint[])
"""
_MOVE_BACK: Final = {
    "numbers": """
        UPDATE customer_numbers SET customer_id = $1
        WHERE number_id = ANY($2::bigint[]) AND customer_id = $3
    """,
    "notes": """
        UPDATE customer_notes SET customer_id = $1
        WHERE note_id = ANY($2::bigint[]) AND customer_id = $3
    """,
    "appointments": """
        UPDATE customer_appointments SET customer_id = $1
        WHERE appointment_id = ANY($2::bigint[]) AND customer_id = $3
    """,
    "calls": """
        UPDATE call_customers SET customer_id = $1
        WHERE call_id = ANY($2::text[]) AND customer_id = $3
    """,
}
_GONE = """
UPDATE customers SET merged_into = $2, updated_at = $3, version = version + 1
WHERE customer_id = $1
"""
_BACK = """
UPDATE customers SET merged_into = NULL, updated_at = $2, version = version + 1
WHERE customer_id = $1
"""
_NOTE = """
INSERT INTO customer_merges (into_id, other_id, at, moved) VALUES ($1, $2, $3, $4::jsonb)
"""
_UNDONE = """
UPDATE customer_merges SET undone_at = $3
WHERE into_id = $1 AND other_id = $2 AND undone_at IS NULL RETURNING moved
"""
_DUPLICATES = """
WITH found AS (
    SELECT customer_id, 'same_number' AS why, 0 AS place FROM customer_numbers
    WHERE number = ANY($2::text[])
    UNION ALL
    (SELECT c.customer_id, 'same_name', 1
     FROM customer_terms t JOIN customers c USING (customer_id)
     WHERE t.term = $3 AND lower(c.name) = lower($4) LIMIT 100)
)
SELECT DISTINCT ON (customer_id) customer_id, why
FROM found JOIN customers USING (customer_id)
WHERE customer_id <> $1 AND deleted_at IS NULL AND merged_into IS NULL
ORDER BY customer_id, place LIMIT $5
"""
