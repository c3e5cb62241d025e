"""Numbers in any notation, and numbers that are none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.callers import CallerIndex, e164


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("13800138000", "+8613800138000"),
        ("+86 138 0013 8000", "+8613800138000"),
        ("008613800138000", "+8613800138000"),
        ("010-12345678", "+861012345678"),
        ("+442079460123", "+442079460123"),
    ],
)
def test_any_notation_is_one_number(text: str, number: str) -> None:
    assert e164(text, "CN") == number


@pytest.mark.parametrize("text", ["", "anonymous", "8001", "1" * 200, "'; DROP TABLE callers", "+"])
def test_what_is_no_number(text: str) -> None:
    assert e164(text, "CN") is None


@given(st.text(max_size=60))
def test_hostile_text_never_raises(text: str) -> None:
    number = e164(text, "CN")
    assert number is None or number.startswith("+")


def test_who_talked_last_is_found_in_any_notation() -> None:
    async def connect() -> None:
        raise AssertionError

    index = CallerIndex(connect, region="CN", try_again=())  # type: ignore[arg-type]
    index.note_agent("13800138000", "1001")
    index.note_agent(None, "1002")
    index.note_agent("anonymous", "1003")
    assert index.last_agent("+86 13800138000") == "1001"
    assert index.last_agent("anonymous") is None
    assert index.find("13800138000") is None
