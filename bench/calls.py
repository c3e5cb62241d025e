"""`./zuoxi bench calls`: what a call costs, beside Asterisk's own queue alone.

sipp plays customers and 300 agents, against the product and against a second Asterisk with
app_queue and no manager connected; they take turns, and medians count. CPU is what the processes
used, user and system time, from the first call until the journal is projected; what else the
machine does weighs little in it. Nobody speaks (it would cost both the same), callers who wait hear
music, nothing is recorded.

Three loads:

- busy: 50 calls a second, 2 s of talk, always an agent free; the customer hangs up.
- crowded: 300 agents talk without a pause while 900 callers wait; the agent hangs up. It is
  measured between two moments, because the crowd costs CPU as long as it stands.
- observed: a fifth of the busy load with a manager connected to both, whose timestamps give the
  delay from entering the queue to the INVITE to an agent.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from bench.calls_cpu import resident_bytes
from bench.calls_parts import AGENTS, Both, Centre, Used, both_centres
from bench.report import Figure, Report, figure, report
from cti.sandbox.processes import Process
from cti.sandbox.remote import Headers
from cti.sandbox.system import SandboxError

ROUNDS = 3
WARM_UP_CALLS = 500
BUSY_RATE = 50.0
BUSY_TALK_SECONDS = 2.0
BUSY_CALLS = 1_000
WAITING = 900
CROWD_TALK_SECONDS = 15.0
CROWD_SECONDS = 30.0
CROWD_RATE = 60.0
OBSERVED_RATE = 10.0
OBSERVED_CALLS = 300
HOUR_CALLS = 6_000
"""300 agents, three minutes a call."""
GROWTH_GOAL = 1.05
LIMIT_SECONDS = 300.0


@dataclass
class Rounds:
    """Milliseconds of CPU per call in each round."""

    ours: list[Used] = field(default_factory=list)
    rival: list[Used] = field(default_factory=list)

    def take(self, centre: Centre, used: Used) -> None:
        """One more round."""
        (self.rival if centre.server is None else self.ours).append(used)


async def busy(centre: Centre, calls: int = BUSY_CALLS) -> Used:
    """CPU per call while there is always an agent free."""
    before = centre.used()
    async with centre.phones("agents", BUSY_TALK_SECONDS):
        await _whole_run(
            centre,
            centre.customers(
                "customer",
                rate=BUSY_RATE,
                talk_seconds=BUSY_TALK_SECONDS,
                calls=calls,
                at_once=AGENTS,
            ),
        )
    await centre.settled()
    return (centre.used() - before).per_call(calls)


async def _whole_run(centre: Centre, customers: Process) -> None:
    try:
        async with asyncio.timeout(LIMIT_SECONDS):
            code = await customers.wait()
    finally:
        await customers.kill()
    if code != 0:
        counted = centre.counted()
        raise SandboxError(f"{centre.name}: calls failed ({code}): {counted}\n{customers.output()[-800:]}")


async def crowded(centre: Centre, seconds: float = CROWD_SECONDS) -> Used:
    """CPU per served call while 900 wait."""
    async with centre.phones("leaving_agents", CROWD_TALK_SECONDS):
        customers = centre.customers(
            "patient_customer",
            rate=CROWD_RATE,
            talk_seconds=0,
            calls=1_000_000,
            at_once=AGENTS + WAITING,
        )
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                while centre.counted()["begun"] < AGENTS + WAITING:
                    await asyncio.sleep(1)
            await asyncio.sleep(2)
            begin, before = centre.counted(), centre.used()
            await asyncio.sleep(seconds)
            end, after = centre.counted(), centre.used()
            if end["failed"]:
                raise SandboxError(f"{centre.name}: calls failed: {end}\n{customers.output()[-800:]}")
        finally:
            await customers.kill()
        print(centre.name, end['ended']-begin['ended'])
        await centre.hang_up_all()
    await centre.settled()
    return (after - before).per_call(end["ended"] - begin["ended"])
