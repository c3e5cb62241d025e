"""Values of the administrator's own fields, as people and programs write them."""

import pytest

from crm.fields import BadValueError, Field, value_of

BORN = Field(code="born", title={"en": "Born"}, type="date")


@pytest.mark.parametrize(
    "text",
    [
        *("2024-01-05", "2024/1/5", "2024.01.05", " 2024/1/5 "),
        *("2024/1/5 0:00", "2024-01-05 00:00:00", "2024-01-05T10:30:00Z", "2024/1/5\t0:00"),
    ],
)
def test_a_date_with_or_without_a_time(text: str) -> None:
    assert value_of(BORN, text, "CN") == "2024-01-05"


@pytest.mark.parametrize(
    "text",
    ["24/1/5", "24-01-05", "0024-01-05", "5/1/2024", "2024/13/1", "2024-01", "soon", "T", " "],
)
def test_what_is_no_date(text: str) -> None:
    with pytest.raises(BadValueError) as told:
        value_of(BORN, text, "CN")
    assert told.value.reason == "bad_date"
