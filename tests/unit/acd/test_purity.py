"""Decision code has no clock, no chance, no network, no log."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PURE = [*sorted((ROOT / "acd").glob("*.py")), ROOT / "recording" / "policy.py"]
IMPURE = {
    *("asyncio", "time", "random", "secrets", "logging", "structlog", "socket", "os", "sys"),
    *("asyncpg", "aiohttp", "threading", "subprocess", "uuid", "pathlib", "io", "builtins"),
}
CLOCKS = {"now", "utcnow", "today"}


@pytest.mark.parametrize("path", PURE, ids=lambda path: path.name)
def test_nothing_impure_is_imported_or_called(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            assert not {name.name.partition(".")[0] for name in node.names} & IMPURE
        elif isinstance(node, ast.ImportFrom):
            assert (node.module or "").partition(".")[0] not in IMPURE
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            clock = node.func.attr in CLOCKS and not node.args
            assert not clock, f"{path.name}:{node.lineno} reads a clock"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id not in {"open", "print", "input"}
