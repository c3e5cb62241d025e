"""Builds the web front end with the machine's Node, else with the one from the wheel."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

from cti.sandbox.system import PROJECT, SandboxError, Say, run

FRONTEND = PROJECT / "web" / "frontend"
BUILT = PROJECT / "web" / "static" / "app"
OLDEST_NODE = (20, 19)


def ensure_frontend(*, say: Say) -> None:
    """Install the front end's packages and build it, each only when something has changed."""
    if not FRONTEND.is_dir():
        return
    lock = FRONTEND / "package-lock.json"
    if _changed(FRONTEND / "node_modules" / ".zuoxi-stamp", [lock]):
        say("Installing the front end's packages (about a minute).")
        npm("ci", "--no-audit", "--no-fund", "--loglevel=error")
        _stamp(FRONTEND / "node_modules" / ".zuoxi-stamp", [lock])
    sources = _sources()
    if _changed(BUILT / ".zuoxi-stamp", sources):
        say("Building the front end (about half a minute).")
        npm("run", "build")
        _stamp(BUILT / ".zuoxi-stamp", sources)


def built() -> Literal["yes", "old", "no"]:
    """Whether the screens are there, and made from the present sources."""
    if not (BUILT / "index.html").is_file():
        return "no"
    return "old" if _changed(BUILT / ".zuoxi-stamp", _sources()) else "yes"


def npm(*arguments: str) -> str:
    """Run npm in the front end's folder and return what it printed."""
    return run(["npm", *arguments], env=node_environment(), folder=FRONTEND)


def node_environment() -> dict[str, str]:
    """Return the PATH in which `node` and `npm` are new enough."""
    if _node_version(os.environ.get("PATH", "")) >= OLDEST_NODE:
        return {}
    # The wheel's programs lie beside Python's.
    path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"
    if _node_version(path) < OLDEST_NODE:
        raise SandboxError("Node 20.19 or newer is needed: install it, or start through ./zuoxi.")
    return {"PATH": path}


def _node_version(path: str) -> tuple[int, ...]:
    node = shutil.which("node", path=path)
    if node is None or shutil.which("npm", path=path) is None:
        return (0,)
    printed = subprocess.run(  # noqa: S603
        [node, "--version"], check=True, capture_output=True, text=True
    ).stdout
    return tuple(int(part) for part in printed.strip().removeprefix("v").split("."))


def _sources() -> list[Path]:
    """Return all files from which the front end is built."""
    parts = [FRONTEND / "src", FRONTEND / "public"]
    files = [path for part in parts for path in part.rglob("*") if path.is_file()]
    return sorted([*files, *FRONTEND.glob("*.*")])


def _changed(stamp: Path, files: Iterable[Path]) -> bool:
    return not stamp.exists() or stamp.read_text() != _hash(files)


def _stamp(stamp: Path, files: Iterable[Path]) -> None:
    stamp.write_text(_hash(files))


def _hash(files: Iterable[Path]) -> str:
    total = hashlib.sha256()
    for file in files:
        total.update(str(file.relative_to(PROJECT)).encode() + b"\0" + file.read_bytes() + b"\0")
    return total.hexdigest()
