"""Customers taken away as a table: written a batch at a time, logged before the first byte."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final, Literal

import openpyxl
from aiohttp import web
from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

from crm import customers as store
from crm import fields as own_fields
from crm import search
from crm.customers import Customer
from crm.sheets import harmless
from web import audit
from web.customers import Which, filter_of
from web.customers_asked import check_digits
from web.customers_view import Viewer, viewer_of
from web.customers_words import head
from web.database import connected
from web.downloads import download, send, sending
from web.endpoint import Asked, Endpoint, endpoint
from web.imports import csv_line, need_room
from web.problems import Problem

ROWS_AT_ONCE: Final = 500
EXPORTS_AT_ONCE: Final = 2
EXPORT_SECONDS: Final = 1800.0
NUMBERS: Final = 5
SHEET: Final = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
_PLAIN: Final = ("name", "kind", "company", "level", "tags", "owner", "email", "address")
_TARGETS: Final = (
    *(*_PLAIN, "source", "language", "number"),
    *(f"number{place}" for place in range(2, NUMBERS + 1)),
)


class ExportQuery(Which):
    """Which customers, as in the list, and how."""

    format: Literal["csv", "xlsx"] = "csv"


class Exports:
    """How many run at once; one per application."""

    def __init__(self) -> None:
        self.running = 0


@endpoint(
    "GET",
    "/api/v1/customers/export",
    "Customers as a file, CSV or XLSX; logged",
    input=ExportQuery,
    right="customers.export",
    media=("text/csv", SHEET),
    problems=("busy", "no_room", "too_many_searches"),
)
async def export_customers(asked: Asked[ExportQuery]) -> web.StreamResponse:
    """Numbers are masked without numbers.see, in texts too; no cell runs as a formula."""
    check_digits(asked, asked.input.q)
    exports = asked.parts.exports
    if exports.running >= EXPORTS_AT_ONCE:
        raise Problem("busy")
    exports.running += 1
    try:
        async with asyncio.timeout(EXPORT_SECONDS):
            return await _export(asked)
    finally:
        exports.running -= 1


async def _export(asked: Asked[ExportQuery]) -> web.StreamResponse:
    query = asked.input
    async with connected(asked.services.pool) as connection:
        viewer = viewer_of(asked, fields := await own_fields.load(connection))
        facts = {**query.model_dump(exclude_defaults=True), "q": "", "text": bool(query.q)}
        await audit.record(connection, asked, "customers_exported", facts=facts)
    shown = [field for field in fields if viewer.sees(field.code)]
    language = asked.session.user.language
    heads = [head(target, language) for target in _TARGETS]
    heads += [field.title.get(language) or field.code for field in shown]
    own = [field.code for field in shown]
    async with aclosing(_lines(asked, viewer, own)) as lines:
        if query.format == "csv":
            return await _as_csv(asked, heads, lines)
        return await _as_workbook(asked, heads, lines)


ENDPOINTS: tuple[Endpoint, ...] = (export_customers,)

Lines = AsyncGenerator[list[list[str]], None]


async def _lines(asked: Asked[ExportQuery], viewer: Viewer, own: Sequence[str]) -> Lines:
    """The rows of the table, many at a time."""
    wanted = filter_of(asked, asked.input)
    country, last = asked.services.floor.country, 0
    while True:
        # A connection for each batch: a browser may read for as long as it likes.
        async with connected(asked.services.pool) as connection:
            ids = await search.everybody(
                connection, wanted, country, after=last, limit=ROWS_AT_ONCE
            )
            found = await store.load(connection, ids)
        if not ids:
            return
        last = ids[-1]
        yield [_line(each, viewer, own) for each in found if each.living]


def _line(customer: Customer, viewer: Viewer, own: Sequence[str]) -> list[str]:
    numbers = [viewer.number(each.number) for each in customer.numbers[:NUMBERS]]
    return [
        viewer.text(customer.name),
        customer.kind,
        viewer.text(customer.company),
        viewer.text(customer.level),
        ";".join(map(viewer.text, customer.tags)),
        customer.owner_agent_id or "",
        viewer.text(customer.email),
        viewer.text(customer.address),
        viewer.text(customer.source),
        customer.language or "",
        *(*numbers, *[""] * (NUMBERS - len(numbers))),
        *(_text(viewer.own(code, customer.fields.get(code))) for code in own),
    ]


def _text(value: Any) -> str:  # noqa: ANN401 - by the field's type
    if value is None:
        return ""
    return ";".join(map(str, value)) if isinstance(value, list) else str(value)


async def _as_csv(asked: Asked[ExportQuery], heads: list[str], lines: Lines) -> web.StreamResponse:
    answer = download("customers.csv", "text/csv; charset=utf-8")
    async with sending(asked.request, answer):
        await send(answer, b"\xef\xbb\xbf" + csv_line(heads))
        async for batch in lines:
            await send(answer, b"".join(csv_line(line) for line in batch))
    return answer


async def _as_workbook(
    asked: Asked[ExportQuery], heads: list[str], lines: Lines
) -> web.StreamResponse:
    """Written to a file in a thread: only a whole one can be sent."""
    folder = asked.parts.imports.folder
    await need_room(folder)
    path = folder / f"{secrets.token_hex(16)}.xlsx"
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("customers")

    def append(batch: list[list[str]]) -> None:
        for line in batch:
            sheet.append([ILLEGAL_CHARACTERS_RE.sub("", harmless(cell)) for cell in line])

    try:
        await asyncio.to_thread(append, [heads])
        async for batch in lines:
            await asyncio.to_thread(append, batch)
        await asyncio.to_thread(book.save, path)
        answer = download("customers.xlsx", SHEET)
        async with sending(asked.request, answer):
            await _send(answer, path)
        return answer
    finally:
        await asyncio.to_thread(path.unlink, missing_ok=True)


async def _send(answer: web.StreamResponse, path: Path) -> None:
    file = await asyncio.to_thread(path.open, "rb")
    try:
        while block := await asyncio.to_thread(file.read, 2**18):
            await send(answer, block)
    finally:
        await asyncio.to_thread(file.close)
