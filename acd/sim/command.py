"""`./zuoxi sim`: fault runs by seed, or a scenario file, with progress and a clean interrupt."""

from __future__ import annotations

import json
import math
import multiprocessing
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn
from rich.table import Table

from acd.sim.faults import Verdict, run_seed
from acd.sim.scenario import read, run

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)


def run_seeds(first: int, count: int, *, as_json: bool) -> int:
    """Fault runs `first` to `first + count - 1`, on all cores. 1 when an invariant broke."""
    seen: list[Verdict] = []
    with _progress() as progress:
        task = progress.add_task("seeds", total=count)
        for verdict in verdicts(range(first, first + count)):
            seen.append(verdict)
            progress.advance(task)
    failed = sorted((v for v in seen if v.broken), key=lambda verdict: verdict.seed)
    faults = sum((verdict.faults for verdict in seen), Counter[str]())
    summary = {
        "seeds": len(seen),
        "calls": sum(verdict.calls for verdict in seen),
        "steps": sum(verdict.steps for verdict in seen),
        "faults": dict(sorted(faults.items())),
        "failed": {verdict.seed: verdict.broken for verdict in failed},
    }
    if as_json:
        out.print_json(json.dumps(summary))
    else:
        out.print(
            f"{summary['seeds']} seeds, {summary['calls']} calls, {summary['steps']} steps, "
            f"faults {summary['faults']}: {len(failed)} failed"
        )
        for verdict in failed[:10]:
            out.print(f"seed {verdict.seed} (./zuoxi sim --first-seed {verdict.seed} --seeds 1)")
            for words in verdict.broken[:5]:
                out.print(f"  {words}", markup=False)
    return 1 if failed else 0


def verdicts(seeds: range) -> Iterator[Verdict]:
    """Run these seeds on all cores; they come as they are done."""
    if len(seeds) < 4:
        yield from map(run_seed, seeds)
        return
    context = multiprocessing.get_context("spawn")
    with context.Pool(os.cpu_count()) as pool:
        yield from pool.imap_unordered(run_seed, seeds, chunksize=4)


def run_scenario(path: Path, *, as_json: bool) -> int:
    """The scenario in `path`."""
    scenario = read(path)
    with _progress() as progress:
        task = progress.add_task(scenario.name, total=scenario.seeds)
        result = run(scenario, lambda done: progress.update(task, completed=done))
    if as_json:
        out.print_json(
            json.dumps(
                {
                    "scenario": scenario.name,
                    "seeds": scenario.seeds,
                    "figures": {
                        name: {
                            "value": figure.value,
                            "margin_95": None if math.isinf(figure.margin) else figure.margin,
                        }
                        for name, figure in result.items()
                    },
                }
            )
        )
        return 0
    table = Table(title=f"{scenario.name}: {scenario.minutes:g} min, {scenario.seeds} seeds")
    for column in ("figure", "mean", "± (95 %)"):
        table.add_column(column, justify="left" if column == "figure" else "right")
    for name, figure in result.items():
        table.add_row(name, f"{figure.value:.4g}", f"{figure.margin:.2g}")
    out.print(table)
    return 0


def _progress() -> Progress:
    return Progress(
        "{task.description}",
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err,
        transient=True,
    )
