"""`./zuoxi bench NAME`: run one bench and print its figures."""

from __future__ import annotations

import importlib
import sys
from typing import Final

import structlog

from bench.report import Report, to_json, write_table

BENCHES: Final = ("ami", "routing", "calls", "pop", "panel", "search", "imports", "wallboard")


def run_named(name: str, *, as_json: bool) -> int:
    """Run it; 0 when every goal is met, 1 when one is missed, 2 when there is no such bench."""
    if name not in BENCHES:
        print(f"no bench is named {name!r}; there are {', '.join(BENCHES)}", file=sys.stderr)
        return 2
    # Standard output is for the figures alone.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    report: Report = importlib.import_module(f"bench.{name}").run()
    if as_json:
        print(to_json(report))
    else:
        write_table(report)
    return 0 if report.ok else 1
