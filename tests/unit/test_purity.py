"""Decision code is pure: what it decides follows from what it is given, and from nothing else.

So a journal can be replayed, a seed repeated and a fault found. Every module of the rooms that
decide, and every module of ours that those import, may import only what is listed here, and may not
ask for the time, for chance or for anything outside.
"""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DECIDING = ("cti/calls/*.py", "acd/*.py", "recording/policy.py")
ALLOWED = frozenset(
    {
        *("__future__", "abc", "bisect", "collections", "collections.abc", "dataclasses"),
        *("datetime", "decimal", "enum", "fractions", "functools", "hashlib", "heapq"),
        *("itertools", "math", "operator", "re", "string", "types", "typing"),
        *("msgspec", "pydantic", "zoneinfo"),
    }
)
OURS = frozenset({"acd", "bench", "cti", "config", "crm", "recording", "web", "workforce"})
FORBIDDEN_NAMES = frozenset(
    {"__import__", "breakpoint", "compile", "eval", "exec", "hash", "input", "open", "print"}
)
"""`hash` of a text differs from process to process."""
FORBIDDEN_ATTRIBUTES = frozenset({"now", "today", "utcnow", "read_text", "write_text"})
FORBIDDEN_OF = frozenset({"datetime", "date", "Path"})


def module_of(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def path_of(module: str) -> Path | None:
    base = ROOT.joinpath(*module.split("."))
    return next((p for p in (base.with_suffix(".py"), base / "__init__.py") if p.exists()), None)


def imported(tree: ast.AST) -> set[str]:
    """Modules that the code imports; `from a import b` counts as a.b where that is a module."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None
            assert node.level == 0, "imports are absolute"
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                ours = node.module.partition(".")[0] in OURS
                found.add(whole if ours and path_of(whole) else node.module)
    return found


def impurities(source: str) -> list[str]:
    """What the code does that decision code must not do."""
    tree = ast.parse(source)
    found = [
        f"imports {name}"
        for name in sorted(imported(tree))
        if name not in ALLOWED and name.partition(".")[0] not in OURS
    ]
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in FORBIDDEN_NAMES:
            found.append(f"line {node.lineno} uses {node.id}")
        elif isinstance(node, ast.Attribute) and node.attr in FORBIDDEN_ATTRIBUTES:
            if isinstance(node.value, ast.Name) and node.value.id in FORBIDDEN_OF:
                found.append(f"line {node.lineno} uses {node.value.id}.{node.attr}")
        elif isinstance(node, ast.Global | ast.AsyncFunctionDef | ast.Await):
            found.append(f"line {node.lineno} has {type(node).__name__}")
    return found


def reached() -> dict[str, Path]:
    """The deciding modules and all modules of ours that they import, one through the other."""
    waiting = [path for pattern in DECIDING for path in ROOT.glob(pattern)]
    found: dict[str, Path] = {}
    while waiting:
        path = waiting.pop()
        if (module := module_of(path)) in found:
            continue
        found[module] = path
        ours = (n for n in imported(ast.parse(path.read_text())) if n.partition(".")[0] in OURS)
        waiting.extend(next_path for name in ours if (next_path := path_of(name)) is not None)
    return found


REACHED = reached()


@pytest.mark.parametrize("module", sorted(REACHED))
def test_decision_code_is_pure(module):
    assert impurities(REACHED[module].read_text()) == []


def test_decision_code_reaches_no_edge():
    edges = ("acd.sim", "cti.journal", "cti.sandbox", "cti.runtime", "cti.ami.link", "web", "crm")
    assert [m for m in REACHED if m.startswith(edges)] == []


def test_the_rooms_that_decide_are_looked_at():
    assert {"cti.calls.model", "cti.calls.merge", "cti.domain", "cti.ami.events"} <= set(REACHED)


@pytest.mark.parametrize(
    "source",
    [
        "import asyncio",
        "import time",
        "from time import time",
        "import random",
        "from random import Random",
        "import logging",
        "import structlog",
        "import asyncpg",
        "import os.path",
        "from pathlib import Path",
        "from datetime import datetime\ndatetime.now()",
        "open('x')",
        "print('x')",
        "hash('x')",
        "async def f(): ...",
        "def f():\n    global x\n    x = 1",
    ],
)
def test_what_is_not_pure_is_found(source):
    assert impurities(source)
