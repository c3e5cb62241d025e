"""Draw docs/states.md from the transition tables: `python -m docs.generate_diagrams`.

The tables are the code's own, so the drawing cannot say anything else than what the code does. A
test fails where the file is not what this gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from acd import agents
from cti.calls import tables

FILE: Final = Path(__file__).with_name("states.md")
HEAD: Final = """# States

Drawn by `python -m docs.generate_diagrams` from the tables in `cti/calls/tables.py` and
`acd/agents.py`; do not edit. Arrows of calls and their parts are named after the domain events
(`cti/domain.py`) that make the step; those of agents after what is done to the agent. What has no
arrow cannot happen: such an event is counted and changes nothing.
"""
Step = tuple[str, str, str]
"""State, what happens, next state."""


def _steps_of(table: tables.Table) -> Iterator[Step]:
    for state, steps in table.items():
        for event, after in steps.items():
            yield state, event.__name__, after


def _agent_steps() -> Iterator[Step]:
    yield tables.NONE, "", "signed_out"
    for (state, trigger), after in agents.TABLE.items():
        yield state, trigger, after


def diagram(steps: Iterable[Step]) -> str:
    """A Mermaid state diagram; the state before the first event is drawn as start and end."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for state, label, after in steps:
        arrows.setdefault((state, after), []).append(label)
    lines = ["stateDiagram-v2"]
    for (state, after), labels in arrows.items():
        start, end = ("[*]" if each == tables.NONE else each for each in (state, after))
        label = ", ".join(filter(None, labels))
        lines.append(f"    {start} --> {end}{f': {label}' if label else ''}")
    last = {after for _, after in arrows} - {state for state, _ in arrows}
    lines += [f"    {state} --> [*]" for state in sorted(last)]
    return "\n".join(["```mermaid", *lines, "```"])


def states() -> str:
    """The whole file."""
    parts = [HEAD]
    for name, table in tables.TABLES.items():
        parts.append(f"## {name.capitalize()}\n\n{diagram(_steps_of(table))}\n")
    parts.append(f"## Agent\n\n{diagram(_agent_steps())}\n")
    return "\n".join(parts)


if __name__ == "__main__":
    FILE.write_text(states())
