"""Customers in PostgreSQL: made, changed, deleted and brought back, with history and search terms.

Every change goes through here and is one transaction of the caller's: the customer, its history,
what search finds it by (`crm.terms`) and what the dialplan's hooks know of its numbers (table
`callers`) never differ.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

import asyncpg

from crm.terms import customer_terms, heads_of

if TYPE_CHECKING:
    Connection = asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]

Kind = Literal["person", "company"]
What = Literal[
    "created",
    "changed",
    "merged",
    "unmerged",
    "imported",
    "blacklisted",
    "allowed",
    "deleted",
    "restored",
]
NUMBERS_MOST: Final = 50


class CustomerError(Exception):
    """What was asked cannot be done to this customer."""


class UnknownError(CustomerError):
    """There is no such customer, or it was deleted or merged."""


class ChangedError(CustomerError):
    """Somebody changed the customer since it was read; `present` is how it is now."""

    def __init__(self, present: Customer) -> None:
        super().__init__(present.customer_id)
        self.present = present


class TakenError(CustomerError):
    """Another customer has the number."""

    def __init__(self, customer_id: int, name: str) -> None:
        super().__init__(customer_id)
        self.customer_id = customer_id
        self.name = name


@dataclass(frozen=True, slots=True)
class Number:
    """A customer's number, E.164. `number_id` None: not stored yet."""

    number: str
    label: str = ""
    number_id: int | None = None


@dataclass(frozen=True, slots=True)
class Block:
    """Why a customer's calls are refused, and until when (None: for good)."""

    reason: str
    until: datetime | None
    by: str
    at: datetime

    def holds(self, now: datetime) -> bool:
        """Whether it has not ended."""
        return self.until is None or self.until > now


@dataclass(frozen=True, slots=True, kw_only=True)
class Draft:
    """What a person writes about a customer; table customers bounds the lengths.

    :param fields: the administrator's own fields, code -> value.
    """

    kind: Kind = "person"
    name: str
    company: str = ""
    level: str = ""
    language: str | None = None
    priority: int = 0
    tags: tuple[str, ...] = ()
    owner_agent_id: str | None = None
    source: str = ""
    email: str = ""
    address: str = ""
    notes_pinned: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    numbers: tuple[Number, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Customer(Draft):
    """A stored customer. `merged`: those that were merged into it."""

    customer_id: int
    version: int
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None
    merged_into: int | None
    block: Block | None
    merged: tuple[int, ...]

    @property
    def living(self) -> bool:
        """Whether it is neither deleted nor merged into another."""
        return self.deleted_at is None and self.merged_into is None


@dataclass(frozen=True, slots=True)
class PackedTerms:
    """Terms of one customer, and their heads, each list as one text."""

    words: str
    heads: str


@dataclass(frozen=True, slots=True)
class By:
    """Who changes something, and when."""

    name: str
    at: datetime


COLUMNS: Final = tuple(
    each.name for each in fields(Draft) if each.name not in ("fields", "numbers")
)


# --- reading ------------------------------------------------------------------------------------


async def load(connection: Connection, ids: Sequence[int]) -> list[Customer]:
    """The customers in the order of `ids`, deleted and merged ones too; unknown ones left out."""
    found = {row["customer_id"]: customer_of(row) for row in await connection.fetch(_LOAD, ids)}
    return [found[each] for each in ids if each in found]


async def get(connection: Connection, customer_id: int, *, lock: bool = False) -> Customer:
    """A living customer.

    :param lock: for a change; others wait for the end of this transaction.
    :raises UnknownError: there is none.
    """
    if lock:
        await lock_all(connection, [customer_id])
    found = await load(connection, [customer_id])
    if not found or not found[0].living:
        raise UnknownError
    return found[0]


async def lock_all(connection: Connection, ids: Sequence[int]) -> None:
    """Make other changes of these customers wait for the end of this transaction.

    Their numbers first, as who brings a table in: `refresh_callers` needs them at the end.
    """
    await connection.execute(_LOCK_THEIR_NUMBERS, ids)
    await connection.execute(_LOCK, ids)


async def of_number(connection: Connection, number: str | None, *, limit: int = 10) -> list[int]:
    """Ids of the living customers who have this number (E.164), the longest known first."""
    if number is None:
        return []
    rows = await connection.fetch(_OF_NUMBER, [number], limit)
    return [row["customer_id"] for row in rows]


async def lock_numbers(connection: Connection, numbers: Iterable[str]) -> list[str]:
    """Make others who give away these numbers wait for the end of this transaction; sorted, once.

    To be called before customers are locked (`get`, `lock_all`), as imports do: else each may wait
    for the other.
    """
    wanted = sorted(set(numbers))
    await connection.execute(_LOCK_NUMBERS, wanted)
    return wanted


async def owners(connection: Connection, numbers: Sequence[str]) -> dict[str, int]:
    """Number -> the living customer who has it (of several the first), until the transaction's end.

    :param numbers: sorted, so that two who ask do not wait for each other.
    """
    await connection.execute(_LOCK_NUMBERS, numbers)
    return {row["number"]: row["customer_id"] for row in await connection.fetch(_OWNERS, numbers)}


def customer_of(row: asyncpg.Record) -> Customer:
    """The customer of a row of `_LOAD`."""
    block = row["blocked_reason"] is not None and Block(
        row["blocked_reason"], row["blocked_until"], row["blocked_by"], row["blocked_at"]
    )
    stored = {name: row[name] for name in (*COLUMNS, "customer_id", "version")}
    moments = ("created_at", "updated_at", "deleted_at", "merged_into")
    return Customer(
        **{**stored, "tags": tuple(row["tags"])},
        **{name: row[name] for name in moments},
        fields=json.loads(row["fields"]),
        numbers=tuple(Number(n, label, i) for i, n, label in json.loads(row["numbers"])),
        block=block or None,
        merged=tuple(row["merged"]),
    )


# --- changing -----------------------------------------------------------------------------------


async def create(
    connection: Connection, drafts: Sequence[Draft], by: By, what: What = "created"
) -> list[int]:
    """Make customers; their ids in order."""
    ids = await put_new(connection, drafts, [packed_terms(draft) for draft in drafts], by)
    await note_changes(connection, ids, by, what, [made(draft) for draft in drafts])
    return ids


async def put_new(
    connection: Connection, drafts: Sequence[Draft], terms: Sequence[PackedTerms], by: By
) -> list[int]:
    """Make customers without history; their ids in order.

    :param terms: of each draft (`packed_terms`).
    """
    if not drafts:
        return []
    columns = [[_stored(getattr(draft, name)) for draft in drafts] for name in COLUMNS]
    bodies = [_json(draft.fields) for draft in drafts]
    words, heads = [each.words for each in terms], [each.heads for each in terms]
    rows = await connection.fetch(_CREATE, *columns, bodies, by.at, words, heads)
    ids = [row["customer_id"] for row in rows]
    await connection.execute(_PUT_NEW_TERMS, ids, words)
    await _put_numbers(connection, dict(zip(ids, (draft.numbers for draft in drafts), strict=True)))
    numbers = sorted({each.number for draft in drafts for each in draft.numbers})
    await connection.execute(_LOCK_NUMBERS, numbers)
    await connection.execute(_PUT_CALLERS, numbers)
    return ids


async def change(connection: Connection, before: Customer, after: Draft, by: By) -> None:
    """Change a customer that is locked (`get`); one without a difference stays as it is."""
    facts = differences(before, after)
    if facts:
        await write(connection, before, after, by)
        await note_changes(connection, [before.customer_id], by, "changed", [facts])


async def write(connection: Connection, before: Customer, after: Draft, by: By) -> None:
    """Write a locked customer anew, without history."""
    await write_all(connection, [(before, after)], by)


async def write_all(
    connection: Connection, changes: Sequence[tuple[Customer, Draft]], by: By
) -> None:
    """Write locked customers anew, each once, without history."""
    if not changes:
        return
    ids = [before.customer_id for before, _ in changes]
    columns = [[_stored(getattr(after, name)) for _, after in changes] for name in COLUMNS]
    bodies = [_json(after.fields) for _, after in changes]
    await connection.execute(_CHANGE, *columns, bodies, by.at, ids)
    numbers = {b.customer_id: a.numbers for b, a in changes if b.numbers != a.numbers}
    kept = [each.number_id for those in numbers.values() for each in those if each.number_id]
    await connection.execute(_DROP_NUMBERS, list(numbers), kept)
    await _put_numbers(connection, numbers)
    before = {each.number for customer, _ in changes for each in customer.numbers}
    await reindex(connection, ids, also=before)


async def set_block(connection: Connection, before: Customer, block: Block | None, by: By) -> None:
    """Put a locked customer on the blacklist, or take it off."""
    await put_block(connection, before.customer_id, block, by)
    facts = (
        {"reason": block.reason, "until": block.until and block.until.timestamp()} if block else {}
    )
    what: What = "blacklisted" if block else "allowed"
    await note_changes(connection, [before.customer_id], by, what, [facts])
    await reindex(connection, [before.customer_id])


async def put_block(connection: Connection, customer_id: int, block: Block | None, by: By) -> None:
    """Write why a locked customer is refused, without history; `reindex` has to follow."""
    values = (block.reason, block.until, block.by, block.at) if block else (None,) * 4
    await connection.execute(_BLOCK, customer_id, *values, by.at)


async def delete(connection: Connection, before: Customer, by: By) -> None:
    """Delete a locked customer; `restore` brings it back as it was."""
    await connection.execute(_DELETE, before.customer_id, by.at)
    await note_changes(connection, [before.customer_id], by, "deleted", [{}])
    await reindex(connection, [before.customer_id])


async def restore(connection: Connection, customer_id: int, by: By) -> None:
    """Bring a deleted customer back; no effect on a living one.

    :raises UnknownError: there is none, or it is merged into another.
    """
    await lock_all(connection, [customer_id])
    found = await load(connection, [customer_id])
    if not found or found[0].merged_into is not None:
        raise UnknownError
    if found[0].living:
        return
    await connection.execute(_RESTORE, customer_id, by.at)
    await note_changes(connection, [customer_id], by, "restored", [{}])
    await reindex(connection, [customer_id])


async def check_taken(
    connection: Connection, numbers: Iterable[str], *, but: int | None = None
) -> None:
    """See that no other living customer has one of the numbers, until the transaction's end.

    :param but: the customer who may have them.
    :raises TakenError: another has one.
    """
    wanted = await lock_numbers(connection, numbers)
    for row in await connection.fetch(_OF_NUMBER, wanted, NUMBERS_MOST):
        if row["customer_id"] != but:
            raise TakenError(row["customer_id"], row["name"])


async def note_changes(
    connection: Connection,
    ids: Sequence[int],
    by: By,
    what: What,
    facts: Sequence[Mapping[str, object]],
) -> None:
    """Write the history of customers, one line for each."""
    bodies = [_json(each) for each in facts]
    await connection.execute(_NOTE_CHANGES, ids, by.at, by.name, what, bodies)


async def reindex(
    connection: Connection, ids: Sequence[int], *, also: Collection[str] = ()
) -> None:
    """Renew what search and the dialplan's hooks know of customers.

    :param also: numbers that they had before.
    """
    customers = await load(connection, ids)
    found = [each.customer_id for each in customers]
    # Of an import's batch it takes some milliseconds, in which calls must not wait.
    terms = await asyncio.to_thread(lambda: [packed_terms(each) for each in customers])
    words, heads = [each.words for each in terms], [each.heads for each in terms]
    await connection.execute(_DROP_TERMS, found, words)
    await connection.execute(_PUT_TERMS, found, words, heads)
    numbers = {each.number for customer in customers for each in customer.numbers}
    await refresh_callers(connection, sorted(numbers.union(also)))


def packed_terms(draft: Draft) -> PackedTerms:
    """What search finds it by; nothing of a customer that is not living."""
    terms = terms_of(draft) if not isinstance(draft, Customer) or draft.living else []
    return PackedTerms("\x1f".join(terms), "\x1f".join(heads_of(terms)))


async def refresh_callers(connection: Connection, numbers: Sequence[str]) -> None:
    """Write what the hooks know of these numbers.

    Where several customers share one, nobody is named, the greatest priority counts, and it is
    refused where one of them is: else a second customer would lift a block.

    :param numbers: sorted, so that two who change them do not wait for each other.
    """
    # Before what reads, as a statement of its own: so that sees who shares them and is changed now.
    await connection.execute(_LOCK_NUMBERS, numbers)
    await connection.execute(_DROP_CALLERS, numbers)
    await connection.execute(_PUT_CALLERS, numbers)


def terms_of(draft: Draft) -> list[str]:
    """What search finds the customer by."""
    return customer_terms(
        draft.name,
        draft.company,
        (each.number for each in draft.numbers),
        tags=draft.tags,
        level=draft.level,
        owner=draft.owner_agent_id,
        blocked=isinstance(draft, Customer) and draft.block is not None,
    )


def differences(before: Draft, after: Draft) -> dict[str, object]:
    """Field -> [before, after], of fields that differ; of the own fields as `field:<code>`."""
    found: dict[str, object] = {}
    for name in COLUMNS:
        old, new = getattr(before, name), getattr(after, name)
        if old != new:
            found[name] = [_plain(old), _plain(new)]
    for code in sorted({*before.fields, *after.fields}):
        old, new = before.fields.get(code), after.fields.get(code)
        if old != new:
            found[f"field:{code}"] = [old, new]
    old_numbers, new_numbers = _numbers(before), _numbers(after)
    if old_numbers != new_numbers:
        found["numbers"] = [[each[0] for each in old_numbers], [each[0] for each in new_numbers]]
    return found


def _numbers(draft: Draft) -> list[tuple[str, str]]:
    return [(each.number, each.label) for each in draft.numbers]


def without_doubles(numbers: Iterable[Number]) -> tuple[Number, ...]:
    """The numbers, each once; the first counts."""
    once: dict[str, Number] = {}
    for each in numbers:
        once.setdefault(each.number, each)
    return tuple(once.values())


def made(draft: Draft) -> dict[str, object]:
    """What the history says of a new customer."""
    return {"name": [None, draft.name], "numbers": [[], [each.number for each in draft.numbers]]}


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _stored(value: object) -> Any:  # noqa: ANN401 - a column's
    """Of many customers at once, an array of arrays would have to be even: tags go as one text."""
    return "\x1f".join(value) if isinstance(value, tuple) else value


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)


async def _put_numbers(connection: Connection, numbers: Mapping[int, Sequence[Number]]) -> None:
    rows = [
        (customer_id, each.number, each.label, position)
        for customer_id, those in numbers.items()
        for position, each in enumerate(those)
    ]
    columns = [list(column) for column in zip(*rows, strict=True)] if rows else [[], [], [], []]
    await connection.execute(_PUT_NUMBERS, *columns)


_LOAD = """
SELECT c.*,
    (SELECT coalesce(json_agg(json_build_array(n.number_id, n.number, n.label)
        ORDER BY n.position, n.number_id), '[]')
     FROM customer_numbers n WHERE n.customer_id = c.customer_id) AS numbers,
    ARRAY(SELECT m.customer_id FROM customers m WHERE m.merged_into = c.customer_id
        ORDER BY 1) AS merged
FROM customers c WHERE c.customer_id = ANY($1::bigint[])
"""
_LOCK = (
    "SELECT FROM customers WHERE customer_id = ANY($1::bigint[]) ORDER BY customer_id FOR UPDATE"
)
_OF_NUMBER = """
SELECT DISTINCT c.customer_id, c.name FROM customer_numbers n JOIN customers c USING (customer_id)
WHERE n.number = ANY($1::text[]) AND c.deleted_at IS NULL AND c.merged_into IS NULL
ORDER BY c.customer_id LIMIT $2
"""
# Of each number by the indexes: before statistics are taken, as while the first table of customers
# comes in, the planner would read all customers for it instead. OFFSET keeps it from joining.
_LIVING_OF_NUMBERS: Final = """
unnest($1::text[]) AS wanted (number)
CROSS JOIN LATERAL (
    SELECT n.customer_id FROM customer_numbers n WHERE n.number = wanted.number OFFSET 0) AS n
CROSS JOIN LATERAL (
    SELECT c.* FROM customers c WHERE c.customer_id = n.customer_id
        AND c.deleted_at IS NULL AND c.merged_into IS NULL OFFSET 0) AS c
"""
_OWNERS = f"""
SELECT wanted.number, min(c.customer_id) AS customer_id FROM {_LIVING_OF_NUMBERS}
GROUP BY wanted.number
"""  # noqa: S608 - our own words
_LOCK_NUMBERS = """
SELECT pg_advisory_xact_lock(hashtextextended(number, 0)) FROM unnest($1::text[]) AS number
"""
_LOCK_THEIR_NUMBERS = """
SELECT pg_advisory_xact_lock(hashtextextended(number, 0)) FROM (
    SELECT DISTINCT number COLLATE "C" AS number FROM customer_numbers
    WHERE customer_id = ANY($1::bigint[]) ORDER BY 1 OFFSET 0) AS theirs
"""
_CREATE = """
INSERT INTO customers (kind, name, company, level, language, priority, tags, owner_agent_id,
    source, email, address, notes_pinned, fields, created_at, updated_at, terms)
SELECT kind, name, company, level, language, priority,
    coalesce(string_to_array(nullif(tags, ''), E'\\x1f'), '{}'), owner_agent_id,
    source, email, address, notes_pinned, fields::jsonb, $14, $14,
    array_to_tsvector(coalesce(string_to_array(nullif(words, ''), E'\\x1f'), '{}')
        || coalesce(string_to_array(nullif(heads, ''), E'\\x1f'), '{}'))
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::text[],
    $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $15::text[],
    $16::text[])
    WITH ORDINALITY AS draft (kind, name, company, level, language, priority, tags,
        owner_agent_id, source, email, address, notes_pinned, fields, words, heads, place)
ORDER BY place
RETURNING customer_id
"""
_CHANGE = """
UPDATE customers SET kind = draft.kind, name = draft.name, company = draft.company,
    level = draft.level, language = draft.language, priority = draft.priority,
    tags = coalesce(string_to_array(nullif(draft.tags, ''), E'\\x1f'), '{}'),
    owner_agent_id = draft.owner_agent_id, source = draft.source, email = draft.email,
    address = draft.address, notes_pinned = draft.notes_pinned, fields = draft.fields::jsonb,
    updated_at = $14, version = version + 1
FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::text[], $6::integer[], $7::text[],
    $8::text[], $9::text[], $10::text[], $11::text[], $12::text[], $13::text[], $15::bigint[])
    AS draft (kind, name, company, level, language, priority, tags,
        owner_agent_id, source, email, address, notes_pinned, fields, customer_id)
WHERE customers.customer_id = draft.customer_id
"""
_BLOCK = """
UPDATE customers SET blocked_reason = $2, blocked_until = $3, blocked_by = $4, blocked_at = $5,
    updated_at = $6, version = version + 1
WHERE customer_id = $1
"""
_DELETE = """
UPDATE customers SET deleted_at = $2, updated_at = $2, version = version + 1 WHERE customer_id = $1
"""
_RESTORE = """
UPDATE customers SET deleted_at = NULL, updated_at = $2, version = version + 1
WHERE customer_id = $1
"""
_DROP_NUMBERS = """
DELETE FROM customer_numbers
WHERE customer_id = ANY($1::bigint[]) AND NOT number_id = ANY($2::bigint[])
"""
_PUT_NUMBERS = """
INSERT INTO customer_numbers (customer_id, number, label, position)
SELECT * FROM unnest($1::bigint[], $2::text[], $3::text[], $4::integer[])
ON CONFLICT (customer_id, number) DO UPDATE SET label = EXCLUDED.label,
    position = EXCLUDED.position
"""
_NOTE_CHANGES = """
INSERT INTO customer_changes (customer_id, at, by_name, what, facts)
SELECT customer_id, $2, $3, $4, facts::jsonb
FROM unnest($1::bigint[], $5::text[]) AS note (customer_id, facts)
"""
# Most changes leave most terms as they are: only those that differ are written.
_GIVEN_TERMS: Final = """
given AS MATERIALIZED (
    SELECT c.customer_id, tsvector_to_array(c.terms) AS old,
        coalesce(string_to_array(nullif(new.words, ''), E'\\x1f'), '{}') AS terms
    FROM unnest($1::bigint[], $2::text[]) AS new (customer_id, words)
        JOIN customers c USING (customer_id)
)
"""
_DROP_TERMS = f"""
WITH {_GIVEN_TERMS}, gone AS MATERIALIZED (
    SELECT customer_id, term FROM given, unnest(given.old) AS term WHERE term <> ALL (given.terms)
)
DELETE FROM customer_terms WHERE ctid = ANY (ARRAY(
    SELECT kept.ctid FROM gone CROSS JOIN LATERAL (
        SELECT t.ctid FROM customer_terms t
        WHERE t.term = gone.term AND t.customer_id = gone.customer_id OFFSET 0) AS kept))
"""  # noqa: S608 - our own words
_PUT_TERMS = f"""
WITH {_GIVEN_TERMS}, put AS (
    INSERT INTO customer_terms (term, customer_id)
    SELECT term, customer_id FROM given, unnest(given.terms) AS term
    WHERE term <> ALL (given.old)
)
UPDATE customers c SET terms = array_to_tsvector(given.terms
    || coalesce(string_to_array(nullif(new.heads, ''), E'\\x1f'), '{{}}'))
FROM given JOIN unnest($1::bigint[], $3::text[]) AS new (customer_id, heads) USING (customer_id)
WHERE c.customer_id = given.customer_id
"""  # noqa: S608 - our own words
_PUT_NEW_TERMS = """
INSERT INTO customer_terms (term, customer_id)
SELECT term, customer_id FROM unnest($1::bigint[], $2::text[]) AS new (customer_id, words),
    unnest(string_to_array(words, E'\\x1f')) AS term
WHERE words <> ''
"""
_DROP_CALLERS = f"""
DELETE FROM callers WHERE number = ANY($1::text[])
    AND number <> ALL (ARRAY(SELECT wanted.number FROM {_LIVING_OF_NUMBERS}))
"""  # noqa: S608 - our own words
_PUT_CALLERS = f"""
INSERT INTO callers (number, customer_id, name, level, language, priority, owner_agent_id, blocked,
    blocked_until, blocked_reason)
SELECT wanted.number,
    CASE WHEN count(*) = 1 THEN min(c.customer_id)::text END,
    CASE WHEN count(*) = 1 THEN min(c.name) END,
    nullif((array_agg(c.level ORDER BY c.priority DESC, c.customer_id))[1], ''),
    (array_agg(c.language ORDER BY c.customer_id))[1],
    max(c.priority),
    CASE WHEN count(*) = 1 THEN min(c.owner_agent_id) END,
    bool_or(c.blocked_reason IS NOT NULL),
    -- The latest end counts; NULL, for good, is later than any.
    CASE WHEN NOT coalesce(bool_or(c.blocked_until IS NULL)
        FILTER (WHERE c.blocked_reason IS NOT NULL), false) THEN max(c.blocked_until) END,
    coalesce(min(c.blocked_reason), '')
FROM {_LIVING_OF_NUMBERS}
GROUP BY wanted.number
ON CONFLICT (number) DO UPDATE SET customer_id = EXCLUDED.customer_id, name = EXCLUDED.name,
    level = EXCLUDED.level, language = EXCLUDED.language, priority = EXCLUDED.priority,
    owner_agent_id = EXCLUDED.owner_agent_id, blocked = EXCLUDED.blocked,
    blocked_until = EXCLUDED.blocked_until, blocked_reason = EXCLUDED.blocked_reason,
    updated_at = now()
"""  # noqa: S608 - our own words
