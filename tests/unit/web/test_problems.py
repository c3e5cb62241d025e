"""Problems say in both languages what to do."""

import re
import typing
from pathlib import Path

import pytest

from cti import inputs
from web.problems import PROBLEMS, Problem, language_of

WEB = Path(__file__).parents[3] / "web"


@pytest.mark.parametrize("code", list(PROBLEMS))
def test_every_problem_has_all_words_in_both_languages(code):
    for language in ("zh-CN", "en"):
        body = Problem(code).body(language)
        assert all(str(body[part]) for part in ("title", "detail", "action"))
        assert body["type"] == f"urn:zuoxi:problem:{code}"
        assert 400 <= typing.cast("int", body["status"]) < 600
    chinese = Problem(code).body("zh-CN")
    assert re.search(r"[\u4e00-\u9fff]", str(chinese["title"]))


def test_every_code_of_the_core_is_a_problem():
    words = (inputs.Reply.__doc__ or "").split("Codes:")[1]
    codes = re.findall(r"[a-z_]{4,}", words)
    assert len(codes) > 10
    assert set(codes) <= set(PROBLEMS)


def test_every_code_that_a_handler_raises_is_known_and_none_is_idle():
    source = "\n".join(path.read_text(encoding="utf-8") for path in WEB.glob("*.py"))
    raised = set(re.findall(r'Problem\(\s*"(\w+)"', source))
    assert raised <= set(PROBLEMS)
    quoted = {code for code in PROBLEMS if source.count(f'"{code}"') > 1}
    assert set(PROBLEMS) - quoted == set()


def test_members_fill_the_words_and_missing_ones_are_dashes():
    assert "1002" in str(Problem("seat_taken", agent="1002").body("en")["detail"])
    assert Problem("seat_taken", agent="1002").body("en")["agent"] == "1002"
    assert "-" in str(Problem("seat_taken").body("en")["detail"])


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "zh-CN"),
        ("*", "zh-CN"),
        ("fr, de", "zh-CN"),
        ("en", "en"),
        ("en-US,en;q=0.9,zh;q=0.8", "en"),
        ("en;q=0.2, zh-TW;q=0.9", "zh-CN"),
        ("en;q=NaN", "en"),
        ("en;q=x,zh;q=0.1", "zh-CN"),
        (";;;,,,=" * 100, "zh-CN"),
    ],
)
def test_language_of(header, language):
    assert language_of(header) == language
