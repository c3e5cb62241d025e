"""`./zuoxi bench calls`: what a call costs, beside Asterisk's own queue alone.

sipp plays customers and 300 agents, against the product and against a second Asterisk with
app_queue and no manager connected; they take turns, and medians count. CPU is what the processes
used, user and system time, from the first call until the journal is projected; what else the
machine does weighs little in it. Nobody speaks (it would cost both the same), nothing is recorded,
both write CDR and CEL. A supervisor watches the product's live page.

- busy: 50 calls a second, 2 s of talk, always an agent free; the customer hangs up. Measured as the
  product comes, and with the dialplan asking the server who calls before it answers.
- crowded: 300 agents talk without a pause while 900 callers wait; the agent hangs up. Measured
  between two moments, because the crowd costs CPU for as long as it stands. They wait in silence:
  900 streams of music keep two cores busy by themselves, in both.
- observed: a fifth of the busy load, and all of it, with a manager connected to both, whose
  timestamps give the delay from entering the queue to the dialling of an agent (the INVITE is sent
  with it).
- memory: what the server takes after one hour's calls of such a centre, and after two.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from bench.calls_cpu import resident_bytes
from bench.calls_delay import delays
from bench.calls_parts import AGENTS, ASKED, WAITING, Both, Centre, Used, both_centres
from bench.report import Figure, Report, figure, report
from cti.sandbox.processes import Process
from cti.sandbox.system import SandboxError

ROUNDS = 5
WARM_UP_CALLS = 300
BUSY_RATE = 50.0
BUSY_CALLS = 600
TALK_SECONDS = 2.0
CROWD_RATE = 60.0
CROWD_TALK_SECONDS = 15.0
CROWD_SECONDS = 30.0
OBSERVED_RATE = 10.0
OBSERVED_CALLS = 300
HOUR_CALLS = 6_000
"""300 agents, three minutes a call."""
LIMIT_SECONDS = 400.0
APP_QUEUE = "app_queue alone"
COST_GOAL = 1.0
SHARE_GOAL = 0.2
GROWTH_GOAL = 1.02


@dataclass
class Costs:
    """Milliseconds of CPU per call, one for each round."""

    ours: list[Used] = field(default_factory=list)
    asked: list[Used] = field(default_factory=list)
    rival: list[Used] = field(default_factory=list)
    crowded_ours: list[Used] = field(default_factory=list)
    crowded_rival: list[Used] = field(default_factory=list)


# --- loads ---------------------------------------------------------------------------------------


async def busy(
    centre: Centre,
    calls: int = BUSY_CALLS,
    *,
    rate: float = BUSY_RATE,
    number: str | None = None,
) -> Used:
    """CPU per call while there is always an agent free."""
    before = centre.used()
    async with centre.phones("agents", TALK_SECONDS):
        customers = centre.customers(
            "customer",
            rate=rate,
            talk_seconds=TALK_SECONDS,
            calls=calls,
            at_once=AGENTS,
            number=number,
        )
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                code = await customers.wait()
        finally:
            await customers.kill()
        if code != 0:
            raise _failed(centre, customers)
    await centre.settled()
    return (centre.used() - before).per_call(calls)


async def crowded(centre: Centre, seconds: float = CROWD_SECONDS) -> Used:
    """CPU per call served while 900 wait."""
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
                while centre.counted()["begun"] < AGENTS + WAITING:  # noqa: ASYNC110 - not ours
                    await asyncio.sleep(1)
            begun, before = centre.counted(), centre.used()
            await asyncio.sleep(seconds)
            ended, after = centre.counted(), centre.used()
            if ended["failed"]:
                raise _failed(centre, customers)
        finally:
            await customers.kill()
        await centre.hang_up_all()
    await centre.settled()
    return (after - before).per_call(ended["ended"] - begun["ended"])


def _failed(centre: Centre, customers: Process) -> SandboxError:
    return SandboxError(
        f"{centre.name}: calls failed: {centre.counted()}\n{customers.output()[-800:]}"
    )


# --- the whole -----------------------------------------------------------------------------------


async def measured() -> list[Figure]:
    """All loads, one after the other, the two centres in turns."""
    costs = Costs()
    async with both_centres() as both:
        for centre in (both.ours, both.rival):
            await busy(centre, WARM_UP_CALLS)
        for _ in range(ROUNDS):
            costs.ours.append(await busy(both.ours))
            costs.rival.append(await busy(both.rival))
            costs.asked.append(await busy(both.ours, number=ASKED))
        waits = {
            f"{rate:g} calls/s": [
                await _observed(centre, rate, calls) for centre in (both.ours, both.rival)
            ]
            for rate, calls in ((OBSERVED_RATE, OBSERVED_CALLS), (BUSY_RATE, BUSY_CALLS))
        }
        memory = await _grown(both)
        for centre in (both.ours, both.rival):
            await centre.stop_music()
        costs.crowded_ours.append(await crowded(both.ours))
        costs.crowded_rival.append(await crowded(both.rival))
    delayed = [figure for load, found in waits.items() for figure in delay_figures(load, *found)]
    return [*cost_figures(costs), *delayed, *memory_figures(*memory)]


async def _observed(centre: Centre, rate: float, calls: int) -> list[float]:
    async with delays(centre) as seconds:
        await busy(centre, calls, rate=rate)
    return seconds


async def _grown(both: Both) -> tuple[int, int]:
    """Resident bytes of our server after one hour's calls and after the next one's.

    The first hour fills what is kept: the last calls, the learned layouts of events.
    """
    assert both.ours.server is not None
    await busy(both.ours, HOUR_CALLS)
    before = resident_bytes(both.ours.server.pid)
    await busy(both.ours, HOUR_CALLS)
    return before, resident_bytes(both.ours.server.pid)


def _median(costs: Sequence[Used]) -> Used:
    return Used(
        *(
            statistics.median(getattr(cost, part) for cost in costs)
            for part in ("asterisk", "server", "database")
        )
    )


def cost_figures(costs: Costs) -> Iterator[Figure]:
    """Asterisk and our server together against app_queue, and what is whose."""
    loads = (
        ("50 calls/s", costs.ours, costs.rival, True),
        ("50 calls/s, looked up before the answer", costs.asked, costs.rival, False),
        (f"{WAITING} waiting", costs.crowded_ours, costs.crowded_rival, True),
    )
    for load, ours, rival, has_goal in loads:
        cost, rivals = _median(ours), _median(rival).asterisk
        yield figure(
            f"CPU per call, Asterisk and server, {load}",
            cost.asterisk + cost.server,
            "ms",
            better="lower",
            rival=APP_QUEUE,
            rival_value=rivals,
            goal=COST_GOAL if has_goal else None,
        )
        yield figure(
            f"CPU per call, Asterisk, {load}",
            cost.asterisk,
            "ms",
            better="lower",
            rival=APP_QUEUE,
            rival_value=rivals,
        )
        yield figure(
            f"CPU per call, server, {load}",
            cost.server,
            "ms",
            better="lower",
            rival="our Asterisk",
            rival_value=cost.asterisk,
            goal=SHARE_GOAL if has_goal else None,
        )
        yield figure(f"CPU per call, PostgreSQL, {load}", cost.database, "ms", better="lower")


def delay_figures(load: str, ours: Sequence[float], rival: Sequence[float]) -> Iterator[Figure]:
    """From entering the queue to the dialling of a free agent."""
    for share in (50, 99):
        yield figure(
            f"entering the queue to INVITE, p{share}, {load}",
            statistics.quantiles(ours, n=100)[share - 1] * 1000,
            "ms",
            better="lower",
            rival=APP_QUEUE,
            rival_value=statistics.quantiles(rival, n=100)[share - 1] * 1000,
        )


def memory_figures(before: int, after: int) -> Iterator[Figure]:
    """Flat within a fiftieth."""
    yield figure(
        f"server's memory after {2 * HOUR_CALLS} calls",
        after / 2**20,
        "MiB",
        better="lower",
        rival=f"after {HOUR_CALLS}",
        rival_value=before / 2**20,
        goal=GROWTH_GOAL,
    )


def run() -> Report:
    """The whole bench."""
    began = time.perf_counter()
    found = asyncio.run(measured())
    return report("calls", time.perf_counter() - began, found)
