"""Workbooks made to keep who reads them busy: what is done for them is bounded."""

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from openpyxl.worksheet._read_only import ReadOnlyWorksheet

from crm import sheets
from crm.sheets import survey

SHEET = "xl/worksheets/sheet1.xml"


def workbook(path: Path, rows: list[list[object]], **parts: bytes) -> Path:
    """A workbook; `parts` put in place of its own."""
    book, plain = openpyxl.Workbook(), io.BytesIO()
    for row in rows:
        book.active.append(row)  # type: ignore[union-attr]
    book.save(plain)
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, parts.pop(name, None) or old.read(name))
        for name, data in parts.items():
            new.writestr(name, data)
    return path


def part(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read(name)


def test_a_row_of_any_number_brings_no_more_rows_than_a_sheet_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table: list[list[object]] = [["name", "age"], ["Ann", 0], ["Ben", None]]
    plain = workbook(tmp_path / "plain.xlsx", table)
    data = part(plain, SHEET).replace(b'<row r="3"', b'<row r="2000000000"')
    far = workbook(tmp_path / "far.xlsx", table, **{SHEET: data})
    monkeypatch.setattr(sheets, "SHEET_ROWS", 1_000)
    read = ReadOnlyWorksheet.iter_rows
    seen = texts = 0

    def counted(*given: Any, **more: Any) -> Iterator[Any]:
        nonlocal seen
        for row in read(*given, **more):
            seen += 1
            assert seen <= 1_000
            yield row

    def text_of(value: object) -> str:
        nonlocal texts
        texts += 1
        return "" if value is None else str(value)

    monkeypatch.setattr(ReadOnlyWorksheet, "iter_rows", counted)
    monkeypatch.setattr(sheets, "_text", text_of)
    found = survey(far)
    assert (found.columns, found.sample, found.rows) == (["name", "age"], [["Ann", "0"]], 1)
    assert seen == 1_000
    assert texts == 2 * (sheets.COLUMNS_MOST + 1)
