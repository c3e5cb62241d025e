"""panoramisk stays behind the link."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[4]
ROOMS = ("cti", "acd", "recording", "crm", "workforce", "web", "config")


def imported(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add(node.module or "")
    return {name.partition(".")[0] for name in names}


def test_only_the_connection_knows_panoramisk() -> None:
    sources = [path for room in ROOMS for path in (ROOT / room).rglob("*.py")]
    knowing = {
        str(path.relative_to(ROOT))
        for path in sources
        if "node_modules" not in path.parts and "panoramisk" in imported(path)
    }
    assert knowing == {"cti/ami/connection.py"}
