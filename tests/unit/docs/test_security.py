"""The tests that docs/security.md names exist, and each of its lines says how it stands."""

import ast
import re
from pathlib import Path

from cti.sandbox.system import PROJECT

PAGE = (PROJECT / "docs/security.md").read_text("utf-8")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
LINE = re.compile(r"^\| (\d+\.\d+\.\d+) \| (.+) \| (.*) \| (.+) \|$", re.MULTILINE)
STANDING = re.compile(r"open\b|not applicable: \S|`tests/")


def names_in(path: Path) -> set[str]:
    """The names of a file's tests."""
    functions = ast.FunctionDef | ast.AsyncFunctionDef
    return {
        each.name
        for each in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(each, functions) and each.name.startswith("test_")
    }


def test_every_test_that_is_named_exists() -> None:
    named = NAMED.findall(PAGE)
    assert len(named) > 50
    known = {path: names_in(PROJECT / path) for path, _ in named if (PROJECT / path).is_file()}
    assert [f"{path}::{name}" for path, name in named if name not in known.get(path, ())] == []


def test_every_line_of_the_tables_says_how_it_stands() -> None:
    lines = LINE.findall(PAGE)
    rows = [line for line in PAGE.splitlines() if re.match(r"\| \d", line)]
    assert len(lines) == len(rows), "each row has its four cells"
    assert [number for number, *_, shown in lines if not STANDING.match(shown)] == []
    numbers = [number for number, *_ in lines]
    assert len(numbers) == len(set(numbers)), "no line stands twice"


def test_the_chapters_of_level_two_are_whole() -> None:
    """Their lines of the levels 1 and 2, by the standard's text of version 5.0.0."""
    wanted = {
        "7.1": 3, "7.2": 4, "7.3": 2, "7.4": 5, "7.5": 2, "7.6": 2,
        "8.1": 2, "8.2": 3, "8.3": 1, "8.4": 1, "4.4": 4,
    }  # fmt: skip
    files = {"5.1.1", "5.2.1", "5.2.2", "5.2.3", "5.3.1", "5.3.2", "5.4.1", "5.4.2", "5.4.3"}
    there = {number for number, *_ in LINE.findall(PAGE)}
    lines = {f"{section}.{n}" for section, last in wanted.items() for n in range(1, last + 1)}
    assert (lines | files) - there == set()
