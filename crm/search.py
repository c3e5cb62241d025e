"""Finding customers as one types: bounded work however many there are and however common a word is.

One word, or one filter, is read in order from table `customer_terms`, a page at a time. Several
are intersected by the index on `customers.terms`, and come the newest customer first: up to
`SIFTED_MOST` are sorted; where there are more, every so many customers fit, and a page of them is
soon found by looking at one after the other. Nothing asked for is everybody, the last changed
first. A page may hold fewer than were asked for, even none, while there is a cursor.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from crm.terms import (
    BLOCKED,
    MARK_LONGEST,
    Wanted,
    head_of,
    level_term,
    owner_term,
    tag_term,
    wanted_of,
)

if TYPE_CHECKING:
    from crm.customers import Connection

PAGE_MOST: Final = 200
SIFTED_MOST: Final = 1_000
WALKED_MOST: Final = 20_000
"""Customers looked at one after the other for one page."""
RARE_MOST: Final = 10_000
"""Sorted where none of those looked at fits, as of a list that came in long ago."""
ROUNDS_MOST: Final = 10
"""After so many reads a page is given out as far as it is full."""
LAST: Final = "\U0010ffff"
"""Sorts after whatever a term goes on with."""


class BadCursorError(Exception):
    """The cursor is none that was given out for this query."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """What is looked for.

    :param text: words, in any order; all of them.
    :param whole_numbers: numbers in the text are whole ones: no part of a number finds it.
    :param blocked: on the blacklist now, or not; None: either.
    """

    text: str = ""
    whole_numbers: bool = False
    tag: str | None = None
    level: str | None = None
    owner: str | None = None
    blocked: bool | None = None


def plan(wanted: Filter, region: str) -> list[Wanted] | None:
    """The terms that a customer needs; None where the text holds nothing that is searched."""
    terms = wanted_of(wanted.text, region, whole_numbers=wanted.whole_numbers)
    if wanted.text.strip() and not terms:
        return None
    exact = (
        (wanted.tag, tag_term),
        (wanted.level, level_term),
        (wanted.owner, owner_term),
    )
    terms += [Wanted(term(value), exact=True) for value, term in exact if value]
    if wanted.blocked:
        terms.append(Wanted(BLOCKED, exact=True))
    return list(dict.fromkeys(terms))


async def find(
    connection: Connection,
    wanted: Filter,
    region: str,
    *,
    limit: int,
    cursor: str | None = None,
) -> tuple[list[int], str | None]:
    """Ids of a page of living customers, and the cursor of the page after.

    :raises BadCursorError: `cursor` was not given out for such a query.
    """
    terms = plan(wanted, region)
    if terms is None:
        return [], None
    if not terms:
        return await _newest(connection, wanted.blocked, limit, cursor)
    if len(terms) == 1:
        return await _in_order(connection, terms[0], wanted.blocked, limit, cursor)
    return await _of_all(connection, terms, wanted.blocked, limit, cursor)


async def everybody(
    connection: Connection, wanted: Filter, region: str, *, after: int, limit: int
) -> list[int]:
    """Ids of the next living customers who fit, in the order of their ids.

    :param after: the last id of the page before; 0: the first page.
    """
    terms = plan(wanted, region)
    if terms is None:
        return []
    asked = (tsquery(terms), wanted.blocked, after, limit)
    return [row["customer_id"] for row in await connection.fetch(_EVERYBODY, *asked)]


async def _newest(
    connection: Connection, blocked: bool | None, limit: int, cursor: str | None
) -> tuple[list[int], str | None]:
    at, last = _read(cursor, int, int) if cursor else (None, None)
    before = None if at is None else _moment(at)
    rows = await connection.fetch(_NEWEST, before, last, limit + 1, blocked)
    ids = [row["customer_id"] for row in rows[:limit]]
    return ids, _write(rows[limit - 1]["at"], ids[-1]) if len(rows) > limit else None


async def _in_order(
    connection: Connection, wanted: Wanted, blocked: bool | None, limit: int, cursor: str | None
) -> tuple[list[int], str | None]:
    """A page in the order of the terms. Who has several that fit comes at the first of them."""
    last = _read(cursor, str, int) if cursor else (wanted.term, 0)
    until = wanted.term if wanted.exact else wanted.term + LAST
    found: list[tuple[str, int]] = []
    for _ in range(ROUNDS_MOST):
        rows = await connection.fetch(_IN_ORDER, *last, until, limit + 1)
        ids = [row["customer_id"] for row in rows]
        firsts = await connection.fetch(_FIRSTS, ids, wanted.term, until, blocked)
        wanted_places = {(row["first"], row["customer_id"]) for row in firsts}
        places = [(row["term"], row["customer_id"]) for row in rows]
        found += [place for place in places if place in wanted_places]
        if len(found) > limit:
            return [each[1] for each in found[:limit]], _write(*found[limit - 1])
        if len(rows) <= limit:
            return [each[1] for each in found], None
        last = places[-1]
    return [each[1] for each in found], _write(*last)


async def _of_all(
    connection: Connection,
    wanted: Sequence[Wanted],
    blocked: bool | None,
    limit: int,
    cursor: str | None,
) -> tuple[list[int], str | None]:
    (last,) = _read(cursor, int) if cursor else (2**63 - 1,)
    asked = (tsquery(wanted), last, blocked, limit + 1)
    end = None
    ids = await _sifted(connection, SIFTED_MOST, *asked)
    if ids is None:
        rows = await connection.fetch(_WALKED, *asked, WALKED_MOST)
        ids = [row["customer_id"] for row in rows]
        if len(ids) <= limit:
            end = await connection.fetchval(_WALKS_END, last, WALKED_MOST - 1)
        if not ids and end is not None:
            rare = await _sifted(connection, RARE_MOST, *asked)
            ids, end = (ids, end) if rare is None else (rare, None)
    if len(ids) > limit:
        return ids[:limit], _write(ids[limit - 1])
    return ids, None if end is None else _write(end)


async def _sifted(connection: Connection, most: int, *asked: object) -> list[int] | None:
    """The newest of all who fit, None where those are more than `most`.

    :param asked: the first parameters of _OF_ALL.
    """
    found = await connection.fetchrow(_OF_ALL, *asked, most + 1)
    assert found is not None
    return list(found["ids"]) if found["count"] <= most else None


def tsquery(wanted: Sequence[Wanted]) -> str:
    """All of the terms, as PostgreSQL reads them."""
    return " & ".join(_quoted(each) for each in wanted)


def _quoted(wanted: Wanted) -> str:
    head = None if wanted.exact else head_of(wanted.term)
    text = (head or wanted.term).replace("\\", "\\\\").replace("'", "''")
    return f"'{text}'" if wanted.exact or head else f"'{text}':*"


def _write(*parts: object) -> str:
    text = json.dumps(parts, ensure_ascii=False)
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(cursor: str, *kinds: type) -> tuple[Any, ...]:
    try:
        parts = json.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, RecursionError, binascii.Error) as error:
        raise BadCursorError from error
    if not isinstance(parts, list) or len(parts) != len(kinds):
        raise BadCursorError
    if not all(map(_fits, parts, kinds)):
        raise BadCursorError
    return tuple(parts)


def _fits(part: object, kind: type) -> bool:
    if isinstance(part, str):
        return kind is str and "\0" not in part and len(part) <= MARK_LONGEST
    return type(part) is int and kind is int and 0 <= part < 2**63


def _moment(microseconds: int) -> datetime:
    try:
        return datetime.fromtimestamp(microseconds / 1e6, UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise BadCursorError from error


def _blacklisted(parameter: str) -> str:
    """Whether a customer is, or is not, on the blacklist now; NULL asks nothing."""
    return f"""({parameter}::boolean IS NULL OR {parameter} =
        (blocked_reason IS NOT NULL AND coalesce(blocked_until > now(), true)))"""


_EVERYBODY = f"""
SELECT customer_id FROM customers
WHERE deleted_at IS NULL AND merged_into IS NULL
    AND ($1::text = '' OR terms @@ $1::text::tsquery)
    AND {_blacklisted("$2")} AND customer_id > $3
ORDER BY customer_id LIMIT $4
"""  # noqa: S608 - our own words
_NEWEST = f"""
SELECT customer_id, (extract(epoch FROM updated_at) * 1000000)::bigint AS at FROM customers
WHERE deleted_at IS NULL AND merged_into IS NULL
    AND ($1::timestamptz IS NULL OR (updated_at, customer_id) < ($1, $2::bigint))
    AND {_blacklisted("$4")}
ORDER BY updated_at DESC, customer_id DESC LIMIT $3
"""  # noqa: S608 - our own words
_IN_ORDER = """
SELECT term, customer_id FROM customer_terms
WHERE (term, customer_id) > ($1, $2::bigint) AND term <= $3
ORDER BY term, customer_id LIMIT $4
"""
_FIRSTS = f"""
SELECT customer_id, (SELECT min(own COLLATE "C") FROM unnest(tsvector_to_array(terms)) AS own
    WHERE own COLLATE "C" BETWEEN $2 AND $3) AS first
FROM customers
WHERE customer_id = ANY($1::bigint[])
    AND {_blacklisted("$4")}
"""  # noqa: S608 - our own words
_OF_ALL = f"""
WITH found AS MATERIALIZED (
    SELECT customer_id, blocked_reason, blocked_until FROM customers
    WHERE terms @@ $1::text::tsquery LIMIT $5
)
SELECT (SELECT count(*) FROM found) AS count, ARRAY(
    SELECT customer_id FROM found WHERE customer_id < $2::bigint AND {_blacklisted("$3")}
    ORDER BY customer_id DESC LIMIT $4) AS ids
"""  # noqa: S608 - our own words
_WALKED = f"""
SELECT customer_id FROM (
    SELECT customer_id, terms, blocked_reason, blocked_until FROM customers
    WHERE customer_id < $2::bigint ORDER BY customer_id DESC LIMIT $5
) AS span
WHERE terms @@ $1::text::tsquery AND {_blacklisted("$3")}
ORDER BY customer_id DESC LIMIT $4
"""  # noqa: S608 - our own words
_WALKS_END = """
SELECT customer_id FROM customers WHERE customer_id < $1::bigint
ORDER BY customer_id DESC OFFSET $2 LIMIT 1
"""
