"""Rows of uploaded tables: what they make, and what they change of who is known."""

import pytest

from crm.customers import NUMBERS_MOST, Draft, Number
from crm.rows import Row, RowError, read_row, updated

PHONE = "13800138000"
NUMBER = Number("+8613800138000")


def row(**cells: str) -> Row:
    """What a row of these columns says."""
    return read_row(list(cells), list(cells.values()), {each: each for each in cells}, [], "CN")


def test_a_row_changes_only_what_it_has_a_cell_for() -> None:
    before = Draft(kind="company", name="华通", company="华通科技", numbers=(NUMBER,))
    for said in (
        row(name="华通", number=PHONE, level="A"),
        row(name="华通", number=PHONE, level="A", kind="\t"),
    ):
        after = updated(before, said)
        assert (after.kind, after.name, after.level) == ("company", "华通", "A")
    assert updated(before, row(name="华通", number=PHONE, kind="个人")).kind == "person"

    before = Draft(name="张三", numbers=(NUMBER,))
    for said in (
        row(company="华通", number=PHONE),
        row(company="华通", number=PHONE, name=" ", kind=""),
    ):
        after = updated(before, said)
        assert (after.kind, after.name, after.company) == ("person", "张三", "华通")
        # Who is new is named by the company, and is one.
        assert (said.draft.kind, said.draft.name) == ("company", "华通")


def test_a_number_is_read_as_it_was_written_down() -> None:
    assert row(name="Ann", number="13800138000.0").draft.numbers == (NUMBER,)
    for text in ("138****8000", "1.38E10", "62345678-801"):
        with pytest.raises(RowError, match="bad_phone"):
            row(name="Ann", number=text)


@pytest.mark.parametrize("stored", [NUMBERS_MOST + 20, NUMBERS_MOST, NUMBERS_MOST - 1])
def test_a_row_takes_no_stored_number_away(stored: int) -> None:
    numbers = tuple(Number(f"+86139{place:08}", number_id=place) for place in range(stored))
    after = updated(Draft(name="Ann", numbers=numbers), row(name="Ann", number=PHONE))
    added = (NUMBER,) if stored < NUMBERS_MOST else ()
    assert after.numbers == (*numbers, *added)
