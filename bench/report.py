"""The format of figures: what a bench returns, as one JSON object or as a table for people."""

from __future__ import annotations

import os
from typing import Literal, TextIO

import msgspec
from rich.console import Console
from rich.table import Table

Better = Literal["higher", "lower"]


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """Where the figures were taken, by size only.

    :param cores: processors this process may run on.
    :param memory: bytes of main memory.
    """

    cores: int
    memory: int


class Figure(msgspec.Struct, frozen=True, kw_only=True):
    """One measured value; make it with `figure`.

    :param rival: what it is held against, None where nothing comparable exists.
    :param rival_value: the rival's value in the same unit and run.
    :param ratio: value / rival_value, None without a rival.
    :param goal: what is asked, of the ratio where there is a rival, else of the value; None for a
        figure that is only told.
    :param ok: whether the goal is met; True for a figure without one.
    """

    name: str
    value: float
    unit: str
    rival: str | None
    rival_value: float | None
    ratio: float | None
    goal: float | None
    better: Better
    ok: bool


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """All figures of one bench.

    :param seconds: how long the bench took.
    """

    name: str
    seconds: float
    machine: Machine
    figures: list[Figure]

    @property
    def ok(self) -> bool:
        """Whether every goal is met."""
        return all(figure.ok for figure in self.figures)


def figure(
    name: str,
    value: float,
    unit: str,
    *,
    better: Better,
    rival: str | None = None,
    rival_value: float | None = None,
    goal: float | None = None,
) -> Figure:
    """Hold a value against its rival and its goal.

    With a rival the goal is one of the ratio (`goal=5` and better "higher": at least five times
    the rival's value), without one it is of the value itself. A ratio to zero is None and fails.
    """
    ratio = value / rival_value if rival_value else None
    judged = value if rival is None else ratio
    return Figure(
        name=name,
        value=value,
        unit=unit,
        rival=rival,
        rival_value=rival_value,
        ratio=ratio,
        goal=goal,
        better=better,
        ok=_meets(judged, goal, better),
    )


def _meets(judged: float | None, goal: float | None, better: Better) -> bool:
    if goal is None:
        return True
    if judged is None:
        return False
    return judged >= goal if better == "higher" else judged <= goal


def machine() -> Machine:
    """This machine's size."""
    return Machine(
        cores=len(os.sched_getaffinity(0)),
        memory=os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE"),
    )


def report(name: str, seconds: float, figures: list[Figure]) -> Report:
    """Put a bench's figures together with the machine they were taken on."""
    return Report(name=name, seconds=round(seconds, 3), machine=machine(), figures=figures)


def to_json(report: Report) -> str:
    """The report as one JSON object, indented."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2).decode()


def write_table(report: Report, file: TextIO | None = None) -> None:
    """Print the report as a table (standard output when no file is given)."""
    size = f"{report.machine.cores} cores, {report.machine.memory / 2**30:.0f} GiB"
    table = Table(title=f"{report.name}: {report.seconds:.1f} s on {size}")
    table.add_column("figure")
    for column in ("value", "rival", "ratio", "goal"):
        table.add_column(column, justify="right")
    table.add_column("")
    for each in report.figures:
        table.add_row(
            each.name,
            f"{_number(each.value)} {each.unit}",
            "" if each.rival is None else f"{each.rival}: {_number(each.rival_value)}",
            "" if each.ratio is None else f"{each.ratio:.2f}x",
            _goal(each),
            "[green]ok[/]" if each.ok else "[red]missed[/]",
        )
    Console(file=file).print(table)


def _number(value: float | None) -> str:
    if value is None:
        return "not measured"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _goal(figure: Figure) -> str:
    if figure.goal is None:
        return ""
    sign = "≥" if figure.better == "higher" else "≤"
    return f"{sign} {_number(figure.goal)}{'' if figure.rival is None else 'x'}"
