"""Tables with hostile cells: read as they were written, and written so that nothing runs."""

import csv
import io
import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.rows import RowError, read_row, suggest, targets
from crm.sheets import Form, SheetError, harmless, plain, recognise, rows, survey

CELL = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)
PRINTED = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp"]), min_size=1, max_size=12
)


def file_of(data: bytes) -> Path:
    with tempfile.NamedTemporaryFile(delete=False) as file:
        file.write(data)
    return Path(file.name)


@given(st.lists(st.lists(CELL, min_size=2, max_size=5), min_size=1, max_size=6))
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8", "gb18030"])
def test_cells_are_read_as_they_were_written(
    delimiter: str, encoding: str, table: list[list[str]]
) -> None:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=delimiter).writerows(table)
    path = file_of(text.getvalue().encode(encoding))
    read = list(rows(path, Form("csv", encoding, delimiter)))
    path.unlink()
    assert read == [row for row in table if any(row)]


@given(st.binary(max_size=400))
def test_any_bytes_are_a_table_or_a_trouble(data: bytes) -> None:
    for begin in (b"", b"PK\x03\x04", b"name,phone\n"):
        path = file_of(begin + data)
        try:
            found = survey(path)
            assert len(set(found.columns)) == len(found.columns) > 0
            assert recognise(path) == found.form
        except SheetError as error:
            assert error.trouble
        finally:
            path.unlink()


@given(CELL)
def test_no_exported_cell_runs_and_all_come_back(text: str) -> None:
    shown = harmless(text)
    assert not shown.startswith(("=", "+", "-", "@", "\t", "\r"))
    if text == text.strip() and not text.startswith("'"):
        assert plain(shown) == text


@given(st.lists(PRINTED, max_size=12, unique=True))
def test_each_target_is_suggested_once(columns: list[str]) -> None:
    found = suggest(columns, [])
    assert list(found) == columns
    used = [target for target in found.values() if target]
    assert len(set(used)) == len(used)
    assert set(used) <= set(targets([]))


@given(st.dictionaries(st.sampled_from(targets([])), CELL, min_size=1))
def test_any_row_is_a_customer_or_a_reason(given_cells: dict[str, str]) -> None:
    mapping = {target: target for target in given_cells}
    try:
        row = read_row(list(given_cells), list(given_cells.values()), mapping, [], "CN")
    except RowError as error:
        assert error.reason
        return
    assert 0 < len(row.draft.name) <= 80
    assert all(number.number.startswith("+") for number in row.draft.numbers)
