"""Tables that people upload: CSV and XLSX, read row by row; whatever else it is, is said.

Files are hostile: what they are is told by their first bytes, not by their names, and what they
unpack to is bounded before it is unpacked. Everything here blocks; to be run in threads.
"""

from __future__ import annotations

import codecs
import csv
import itertools
import warnings
import zipfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import BinaryIO, Final, Literal

from openpyxl.reader.excel import ExcelReader
from openpyxl.worksheet._read_only import ReadOnlyWorksheet
from openpyxl.worksheet.worksheet import Worksheet
from openpyxl.xml.constants import SHARED_STRINGS

FILE_MOST: Final = 100 * 2**20
ROWS_MOST: Final = 1_000_000
SHEET_ROWS: Final = 1_048_576
"""Of a sheet, as spreadsheet programs have them; the empty ones too."""
COLUMNS_MOST: Final = 200
CELL_LONGEST: Final = 5_000
UNPACKED_MOST: Final = 800 * 2**20
STRINGS_MOST: Final = 200 * 2**20
"""Of a workbook's shared texts, which are held in memory."""
PART_MOST: Final = 4 * 2**20
"""Of a part that is parsed in one go, for which all other threads stand still."""
MEMBERS_MOST: Final = 2_000
"""Files in a workbook: a few for each sheet."""
SAMPLE_ROWS: Final = 5
_HEAD: Final = 64 * 1024


class SheetError(Exception):
    """The file cannot be read as a table; `trouble` says what it is or what is wrong with it."""

    def __init__(self, trouble: str) -> None:
        super().__init__(trouble)
        self.trouble = trouble


@dataclass(frozen=True, slots=True)
class Form:
    """How a file is read. Encoding and delimiter are those of a CSV."""

    kind: Literal["csv", "xlsx"]
    encoding: str = ""
    delimiter: str = ","


@dataclass(frozen=True, slots=True)
class Survey:
    """What is in a file. `rows` does not count the first one, which names the columns."""

    form: Form
    columns: list[str]
    sample: list[list[str]]
    rows: int


_SIGNATURES: Final = (
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "xls"),
    (b"%PDF", "pdf"),
    (b"\x89PNG", "picture"),
    (b"\xff\xd8\xff", "picture"),
    (b"GIF8", "picture"),
    (b"RIFF", "picture"),
    (b"7z\xbc\xaf\x27\x1c", "archive"),
    (b"Rar!", "archive"),
    (b"\x1f\x8b", "archive"),
    (b"BZh", "archive"),
    (b"\xfd7zXZ", "archive"),
    (b"\x7fELF", "program"),
    (b"MZ", "program"),
)


def survey(path: Path) -> Survey:
    """Read a whole file once: is it a table, which columns has it, and how many rows?

    :raises SheetError: it is none, or too large.
    """
    form = recognise(path)
    with closing(rows(path, form)) as found:
        columns = [name.strip() for name in next(found, [])]
        while columns and not columns[-1]:
            columns.pop()
        if not columns:
            raise SheetError("empty")
        if len(columns) > COLUMNS_MOST:
            raise SheetError("too_many_columns")
        sample = [fitted(row, len(columns)) for row in itertools.islice(found, SAMPLE_ROWS)]
        count = len(sample) + sum(1 for _ in itertools.islice(found, ROWS_MOST))
    if count > ROWS_MOST:
        raise SheetError("too_many_rows")
    if not count:
        raise SheetError("empty")
    return Survey(form, _told_apart(columns), sample, count)


def recognise(path: Path) -> Form:
    """How the file is to be read.

    :raises SheetError: it is no table.
    """
    if path.stat().st_size > FILE_MOST:
        raise SheetError("too_large")
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if not head.strip():
        raise SheetError("empty")
    if head.startswith(b"PK"):
        _check_workbook(path)
        return Form("xlsx")
    for signature, trouble in _SIGNATURES:
        if head.startswith(signature):
            raise SheetError(trouble)
    encoding = _encoding(path, head)
    text = head.decode(encoding, errors="ignore").lstrip("\ufeff \t\r\n")
    if text.startswith(("<", "{")):
        raise SheetError("page")
    return Form("csv", encoding, _delimiter(text))


def rows(path: Path, form: Form) -> Generator[list[str], None, None]:
    """The rows as texts, empty ones left out; the first one names the columns.

    :raises SheetError: the file is damaged.
    """
    found = _workbook_rows(path) if form.kind == "xlsx" else _csv_rows(path, form)
    yield from (row for row in found if any(row))


def fitted(row: Sequence[str], width: int) -> list[str]:
    """The row with as many cells as there are columns."""
    return [*row[:width], *[""] * (width - len(row))]


def harmless(text: str) -> str:
    """The text as a spreadsheet program shows it without running it as a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text


def plain(text: str) -> str:
    """A cell's text, without what `harmless` put before it."""
    text = text.strip()
    return text[1:] if text.startswith("'") and harmless(text[1:]) == text else text


def _told_apart(columns: list[str]) -> list[str]:
    """Names of columns, each once and none empty."""
    seen: dict[str, int] = {}
    found = []
    for place, name in enumerate(columns, 1):
        text = name.replace("\0", "")[:100] or f"#{place}"
        while text in seen:
            text = f"{text} ({place})"
        seen[text] = place
        found.append(text)
    return found


# --- CSV ----------------------------------------------------------------------------------------


def _encoding(path: Path, head: bytes) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        candidates = ["utf-16"]
    elif b"\0" in head:
        raise SheetError("binary")
    else:
        candidates = ["utf-8-sig", "gb18030"]
    for encoding in candidates:
        if _decodes(path, encoding):
            return encoding
    raise SheetError("encoding")


def _decodes(path: Path, encoding: str) -> bool:
    decoder = codecs.getincrementaldecoder(encoding)()
    try:
        with path.open("rb") as file:
            while block := file.read(2**20):
                decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True


def _delimiter(text: str) -> str:
    """The one that parts the first rows most evenly."""
    lines = text.splitlines()[:20]
    # The last line of the head may be cut.
    lines = lines[:-1] if len(lines) > 2 else lines

    def evenness(delimiter: str) -> tuple[int, int]:
        widths = [len(row) for row in csv.reader(lines, delimiter=delimiter) if row]
        first = widths[0] if widths else 1
        return (sum(width == first for width in widths) if first > 1 else 0, first)

    try:
        return max((",", ";", "\t"), key=evenness)
    except csv.Error:
        return ","


def _csv_rows(path: Path, form: Form) -> Iterator[list[str]]:
    with path.open(encoding=form.encoding, newline="") as file:
        try:
            for row in csv.reader(
                (line.replace("\0", "") for line in _lines(file)), delimiter=form.delimiter
            ):
                yield row[: COLUMNS_MOST + 1]
        except (csv.Error, UnicodeError) as error:
            raise SheetError("damaged") from error


def _lines(file: Iterator[str]) -> Iterator[str]:
    """The lines of a text file, none longer than many cells can be."""
    longest = COLUMNS_MOST * CELL_LONGEST
    while line := file.readline(longest):  # type: ignore[attr-defined]
        if len(line) >= longest:
            raise SheetError("damaged")
        yield line


# --- XLSX ---------------------------------------------------------------------------------------


def _check_workbook(path: Path) -> None:
    """See that the archive is a workbook of a bearable size. What it unpacks to is bounded by what
    it says it does: no more is ever unpacked.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if len(archive.infolist()) > MEMBERS_MOST:
                raise SheetError("too_large")
            members = {member.filename: member.file_size for member in archive.infolist()}
            if any(name.startswith("word/") for name in members):
                raise SheetError("word")
            if "xl/workbook.xml" not in members or "[Content_Types].xml" not in members:
                raise SheetError("archive")
            if sum(members.values()) > UNPACKED_MOST:
                raise SheetError("too_large")
            for name in members:
                if name.endswith((".xml", ".rels")):
                    with archive.open(name) as member:
                        head = member.read(4096).replace(b"\0", b"").upper()
                    if b"<!DOCTYPE" in head or b"<!ENTITY" in head:
                        raise SheetError("damaged")
    except (zipfile.BadZipFile, RuntimeError, NotImplementedError, OSError, ValueError) as error:
        raise SheetError("damaged") from error


class _Archive(zipfile.ZipFile):
    """Gives out no large part whole; sheets and shared texts are read piece by piece."""

    def read(self, name: str | zipfile.ZipInfo, pwd: bytes | None = None) -> bytes:
        member = name if isinstance(name, zipfile.ZipInfo) else self.getinfo(name)
        if member.file_size > PART_MOST:
            raise SheetError("too_large")
        return super().read(member, pwd)


class _Reader(ExcelReader):
    """Reads of a workbook what its first sheet needs. Which part is what, the file itself says: so
    sizes are judged where a part is read, not by what parts are usually called.
    """

    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file, read_only=True, data_only=True, keep_links=False)
        self.archive = _Archive(file)

    def read_strings(self) -> None:
        named = self.package.find(SHARED_STRINGS)  # type: ignore[no-untyped-call]
        if named and self.archive.getinfo(named.PartName[1:]).file_size > STRINGS_MOST:
            raise SheetError("too_large")
        super().read_strings()

    def read_worksheets(self) -> None:
        for sheet, link in self.parser.find_sheets():
            # A chart sheet would be read whole, and holds no table.
            if link.target in self.valid_files and "chartsheet" not in link.Type:
                first = ReadOnlyWorksheet(self.wb, sheet.name, link.target, self.shared_strings)
                first.reset_dimensions()  # what it says of its size may be wrong
                self.wb._sheets.append(first)  # type: ignore[attr-defined]
                return


def _first_sheet(file: BinaryIO) -> Worksheet:
    reader = _Reader(file)
    reader.read()
    return reader.wb.worksheets[0]  # reads as one, whichever class it has


def _workbook_rows(path: Path) -> Iterator[list[str]]:
    try:
        with warnings.catch_warnings():
            # Of styles and validations that it leaves out: nothing that is read here.
            warnings.simplefilter("ignore")
            # As an open file: of a path openpyxl would judge the name.
            with path.open("rb") as file:
                sheet = _first_sheet(file)
                # A row may say any number it likes, and the ones before it come as empty rows.
                for row in sheet.iter_rows(
                    values_only=True, max_row=SHEET_ROWS, max_col=COLUMNS_MOST + 1
                ):
                    if row.count(None) == len(row):
                        continue
                    cells = [_text(value) for value in row]
                    while cells and not cells[-1]:
                        cells.pop()
                    yield cells
    except SheetError:
        raise
    except Exception as error:  # whatever openpyxl stumbles over in a hostile file
        raise SheetError("damaged") from error


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "1" if value else "0"
        case float() if value.is_integer() and abs(value) < 1e15:
            return str(int(value))
        case datetime():
            return value.date().isoformat() if value.time() == time() else value.isoformat(" ")
        case date() | time():
            return value.isoformat()
        case _:
            return str(value).replace("\0", "")
