"""What the log shows: no phone numbers, no rows of the database."""

from pathlib import Path

import pytest
import structlog
from structlog.testing import capture_logs

from config.settings import from_values
from cti.process import configure_logging, mask_numbers, tell_ignored

NUMBER = "13800138000"


def masked(value: object) -> object:
    return mask_numbers(None, "info", {"any": value})["any"]


@pytest.mark.parametrize(
    "text",
    [
        NUMBER,
        f"+86{NUMBER}",
        f"cannot call {NUMBER}.",
        f"{NUMBER}, {NUMBER}",
        f"number={NUMBER};",
        f"PJSIP/{NUMBER}-00000001",
        f"Local/0{NUMBER}@zuoxi-wait-0001;2",
        f"call-{NUMBER}",
        f"tel.{NUMBER}",
        f"号码{NUMBER}无法接通",
    ],
)
def test_a_number_is_masked_wherever_it_stands(text: str) -> None:
    shown = masked(text)
    assert NUMBER[3:9] not in str(shown)
    assert str(shown).count("****") == text.count(NUMBER)


@pytest.mark.parametrize(
    "text",
    [
        "pbx1-1790000000.12",
        "1790000000.123456",
        "2026-11-22T15:10:00.123456Z",
        "record 12345678",
        "5f1790000000ab",
        "8001",
    ],
)
def test_what_is_no_number_stays(text: str) -> None:
    assert masked(text) == text


def test_the_values_of_a_row_are_not_shown() -> None:
    words = (
        'NotNullViolationError: null value in column "node"\n'
        f"DETAIL:  Failing row contains (c1, 王芳, {NUMBER}, (x)).\nHINT: none"
    )
    assert masked(words) == (
        'NotNullViolationError: null value in column "node"\n'
        "DETAIL:  Failing row contains (...).\nHINT: none"
    )
    assert masked("Key (name)=(王芳) already exists.") == "Key (name)=(...) already exists."


@pytest.mark.parametrize(
    "value",
    [[NUMBER], (NUMBER,), {"who": NUMBER}, {NUMBER: 1}, ValueError(NUMBER), Path(NUMBER)],
)
def test_what_holds_text_is_looked_into(value: object) -> None:
    assert NUMBER not in repr(masked(value))


def test_other_values_stay() -> None:
    assert [masked(value) for value in (None, True, 12, 1.5)] == [None, True, 12, 1.5]


def test_the_product_logs_so(capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging("info")
    try:
        structlog.get_logger().error("projection_stopped", reason=f"refused {NUMBER}.")
    finally:
        structlog.reset_defaults()
    assert "refused 138****00." in capsys.readouterr().err


@pytest.mark.parametrize("old", [True, False])
def test_settings_from_before_start_with_one_warning_of_what_is_ignored(old: bool) -> None:
    """The team of an agent was a setting once."""
    team = {"team": "A"} if old else {}
    agents = [{"id": each, "name": "a", **team} for each in ("1001", "1002")]
    settings = from_values({"pbx": {"ami_secret": "x"}, "floor": {"agents": agents}}, "test")
    with capture_logs() as logs:
        tell_ignored(settings)
    told = [(each["event"], each["key"], each["agents"]) for each in logs]
    assert told == ([("setting_ignored", "floor.agents.team", 2)] if old else [])
