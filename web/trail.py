"""Reading the audit trail: a page at a time, or as a file."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any

from aiohttp import web
from pydantic import Field

from web import audit
from web.calls import Moment
from web.database import connected
from web.downloads import download, send, sending
from web.endpoint import Asked, Endpoint, Input, Output, endpoint
from web.people import Id, Text

if TYPE_CHECKING:
    import asyncpg

PAGE_LIMIT = 200
FILE_PAGE = 1000
FILE_LIMIT = 100_000
"""A file has so many entries at most, the newest."""

Code = Annotated[str, Field(pattern=r"^[a-z_]{1,40}$")]


class TrailFilter(Input):
    """Which entries."""

    who: Annotated[Text | None, Field(description="the user's name, whole")] = None
    what: Code | None = None
    kind: Annotated[Code | None, Field(description="what it was done to: user, call, ...")] = None
    object: Annotated[Text | None, Field(description="its id or name, whole")] = None
    from_: Annotated[Moment | None, Field(alias="from", description="epoch seconds")] = None
    to: Annotated[Moment | None, Field(description="epoch seconds, not included")] = None


class TrailQuery(TrailFilter):
    """A page of them, the newest first."""

    limit: Annotated[int, Field(ge=1, le=PAGE_LIMIT)] = 50
    cursor: Id | None = None


class EntryInfo(Output):
    """A deed. `facts`: of what changed, `before` and `after`; or what else was of importance."""

    entry_id: int
    at: float
    user_id: int | None
    user: str
    address: str
    what: str
    kind: str
    object_id: str
    object_name: str
    facts: dict[str, Any]


class EntryPage(Output):
    """A page of entries. `next`: the cursor of the page after, null on the last."""

    items: list[EntryInfo]
    next: int | None


@endpoint(
    "GET",
    "/api/v1/audit",
    "Who did what, the newest first",
    input=TrailQuery,
    output=EntryPage,
    right="audit.see",
    problems=("database_away",),
)
async def list_entries(asked: Asked[TrailQuery]) -> EntryPage:
    """Entries cannot be changed or removed."""
    given = asked.input
    rows = await _page(asked, given, given.cursor, given.limit + 1)
    items = [_entry(row) for row in rows[: given.limit]]
    return EntryPage(items=items, next=items[-1].entry_id if len(rows) > given.limit else None)


@endpoint(
    "GET",
    "/api/v1/audit.csv",
    "Who did what, as a file for spreadsheets",
    input=TrailFilter,
    right="audit.see",
    media=("text/csv",),
    problems=("database_away",),
)
async def export_entries(asked: Asked[TrailFilter]) -> web.StreamResponse:
    """UTF-8 with a byte order mark, times in UTC; that it was taken is written to the trail."""
    rows = await _page(asked, asked.input, None, FILE_PAGE)
    async with connected(asked.services.pool) as connection:
        wanted = asked.input.model_dump(exclude_none=True)
        await audit.record(connection, asked, "audit_exported", facts=wanted)
    answer = download("audit.csv", "text/csv; charset=utf-8")
    async with sending(asked.request, answer):
        await send(answer, b"\xef\xbb\xbf" + _csv([_COLUMNS]))
        sent = 0
        while rows and sent < FILE_LIMIT:
            await send(answer, _csv([_cells(row) for row in rows]))
            sent += len(rows)
            rows = await _page(asked, asked.input, rows[-1]["entry_id"], FILE_PAGE)
    return answer


ENDPOINTS: tuple[Endpoint, ...] = (list_entries, export_entries)


async def _page(
    asked: Asked[Any], wanted: TrailFilter, before: int | None, limit: int
) -> list[asyncpg.Record]:
    async with connected(asked.services.pool) as connection:
        return await connection.fetch(
            _ENTRIES,
            wanted.who,
            wanted.what,
            wanted.kind,
            wanted.object,
            _moment(wanted.from_),
            _moment(wanted.to),
            before,
            limit,
        )


def _moment(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)


def _entry(row: asyncpg.Record) -> EntryInfo:
    return EntryInfo(
        entry_id=row["entry_id"],
        at=row["at"].timestamp(),
        user_id=row["user_id"],
        user=row["user_name"],
        address=row["address"],
        what=row["what"],
        kind=row["object_kind"],
        object_id=row["object_id"],
        object_name=row["object_name"],
        facts=json.loads(row["facts"]),
    )


def _cells(row: asyncpg.Record) -> list[str]:
    plain = (row[name] for name in _COLUMNS[1:])
    return [row["at"].isoformat(timespec="milliseconds"), *map(harmless, map(str, plain))]


def harmless(cell: str) -> str:
    """The text, so that no spreadsheet takes it for a formula."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r")) else cell


def _csv(lines: list[list[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerows(lines)
    return text.getvalue().encode()


_COLUMNS = [
    *("at", "user_name", "address", "what"),
    *("object_kind", "object_id", "object_name", "facts"),
]
_ENTRIES = """
SELECT * FROM audit_trail
WHERE ($1::text IS NULL OR user_name = $1) AND ($2::text IS NULL OR what = $2)
    AND ($3::text IS NULL OR object_kind = $3)
    AND ($4::text IS NULL OR object_id = $4 OR object_name = $4)
    AND ($5::timestamptz IS NULL OR at >= $5) AND ($6::timestamptz IS NULL OR at < $6)
    AND ($7::bigint IS NULL OR entry_id < $7)
ORDER BY entry_id DESC LIMIT $8
"""
