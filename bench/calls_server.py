"""The product's server as the bench runs it: as `zuoxi serve`, then agents take seats.

    python -m bench.calls_server SETTINGS.toml [PROFILE]

Prints one line once all agents are ready. With a file name for a profile, cProfile runs from then
to the end and writes its statistics there; the figures of such a run are for reading the profile
only.
"""

from __future__ import annotations

import asyncio
import cProfile
import sys
from collections.abc import Callable
from pathlib import Path

import uvloop

from config.settings import load
from cti.app import App
from cti.inputs import SetReady, SignIn
from cti.process import configure_logging, serving

READY = "every agent is ready"


async def seat_everybody(app: App, then: Callable[[], None]) -> None:
    """Each agent at the desk phone of the same place in the floor; who has none stays away."""
    await app.link.wait_for("ready")
    floor = app.settings.floor
    desks = [extension for extension in floor.extensions if extension.kind == "desk"]
    for agent, extension in zip(floor.agents, desks, strict=False):
        for request in (
            SignIn(request_id="", agent_id=agent.id, extension=extension.number),
            SetReady(request_id="", agent_id=agent.id),
        ):
            reply = await app.runtime.ask(request)
            if reply.code is not None:
                raise RuntimeError(f"agent {agent.id} cannot take a seat: {reply}")
    print(READY, flush=True)
    then()


def main(settings: Path, profile: Path | None) -> None:
    """Serve until SIGTERM."""
    profiler = cProfile.Profile()
    seating: set[asyncio.Task[None]] = set()

    def started(app: App) -> None:
        then = profiler.enable if profile else lambda: None
        seating.add(asyncio.create_task(seat_everybody(app, then)))

    configure_logging("warning")
    uvloop.run(serving(load(settings), started))
    if profile:
        profiler.disable()
        profiler.dump_stats(profile)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]) if len(sys.argv) > 2 else None)
