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
from crm.sheets import SheetError, survey

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


LARGE = b"<a>" + b"<b/>" * (sheets.PART_MOST // 4) + b"</a>"
STRINGS = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"
TABLE: list[list[object]] = [["name"], ["Ann"]]


def trouble(path: Path) -> str:
    with pytest.raises(SheetError) as told:
        survey(path)
    return told.value.trouble


@pytest.mark.parametrize(
    "name",
    [
        *("xl/styles.xml", "xl/workbook.xml", "xl/theme/theme1.xml", "[Content_Types].xml"),
        *("docProps/core.xml", "docProps/custom.xml", "xl/_rels/workbook.xml.rels"),
    ],
)
def test_no_part_stalls_the_other_threads(tmp_path: Path, name: str) -> None:
    assert trouble(workbook(tmp_path / "stall.xlsx", TABLE, **{name: LARGE})) == "too_large"


def test_no_part_is_read_whole_under_the_name_of_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = workbook(tmp_path / "plain.xlsx", TABLE)
    types = part(plain, "[Content_Types].xml")
    other = "xl/worksheets/other.xml"
    named = b'<Override PartName="/xl/worksheets/other.xml" ContentType="%s"/>'
    book = types.replace(b"/xl/workbook.xml", b"/xl/worksheets/other.xml")
    path = workbook(tmp_path / "book.xlsx", TABLE, **{"[Content_Types].xml": book, other: LARGE})
    assert trouble(path) == "too_large"
    monkeypatch.setattr(sheets, "STRINGS_MOST", len(LARGE) - 1)
    kept = types.replace(STRINGS, b"text/plain").replace(b"</Types>", named % STRINGS + b"</Types>")
    path = workbook(tmp_path / "texts.xlsx", TABLE, **{"[Content_Types].xml": kept, other: LARGE})
    assert trouble(path) == "too_large"


def test_a_large_part_that_is_not_read_does_no_harm(tmp_path: Path) -> None:
    """Pictures, or the records of a pivot table."""
    more = {"xl/media/a.png": LARGE, "xl/worksheets/_rels/sheet1.xml.rels": LARGE}
    assert survey(workbook(tmp_path / "media.xlsx", TABLE, **more)).rows == 1


def test_a_chart_sheet_is_left_out(tmp_path: Path) -> None:
    plain = workbook(tmp_path / "plain.xlsx", TABLE)
    links = part(plain, "xl/_rels/workbook.xml.rels").replace(
        b"relationships/worksheet", b"relationships/chartsheet"
    )
    path = workbook(tmp_path / "chart.xlsx", TABLE, **{"xl/_rels/workbook.xml.rels": links})
    assert trouble(path) == "damaged"
