"""Where a test hangs that ran out of time: the way down each of its tasks.

A timeout's traceback ends in the event loop and says nothing of what was awaited.
"""

import asyncio
from collections.abc import Iterator
from types import CodeType
from typing import Any


def where_tasks_wait(loop: asyncio.AbstractEventLoop) -> str:
    """For each task that is not done: its name, and file, line and function from the outside in."""
    tasks = sorted(asyncio.all_tasks(loop), key=lambda task: task.get_name())
    return "\n\n".join(
        "\n  ".join([task.get_name(), *_way_down(task.get_coro())]) for task in tasks
    )


def _way_down(awaited: Any) -> Iterator[str]:
    while awaited is not None:
        kind = next(
            (each for each in ("cr", "ag", "gi") if hasattr(awaited, f"{each}_frame")), None
        )
        if kind is None:
            yield repr(awaited)
            return
        code: CodeType = getattr(awaited, f"{kind}_code")
        frame = getattr(awaited, f"{kind}_frame")
        yield f"{code.co_filename}:{frame.f_lineno if frame else '?'} {code.co_qualname}"
        awaited = getattr(awaited, "gi_yieldfrom" if kind == "gi" else f"{kind}_await")
