"""`./zuoxi bench panel`: what the screens weigh, how soon they can be used, what an update costs.

A real centre with AGENTS agents at desk phones, a real Chromium, the built screens.

- First load: bytes as they came over the line (compressed) until the desk of a signed-in agent can
  be used, nothing cached.
- Time to interactive: from the start of the navigation until the agent can press "ready", and the
  page's main thread has rested for CALM_SECONDS since (that pause not counted); over loopback, and
  over a line of LINE_BITS and LINE_DELAY_MS with a processor slowed down SLOW times.
- One update: the supervisor's live page with AGENTS rows while CHANGES agents change their state.
  Chromium's own count of the main thread's time, less what the page takes when nothing changes,
  over the messages that came.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import aiohttp
from playwright.async_api import CDPSession, Page, WebSocket, expect

from bench.calls_parts import QUEUE, ground, serve
from bench.report import Figure, Report, figure, report
from bench.screens_parts import Person, Screens, panels, screens, sign_in
from config.floor import Floor

AGENTS = 500
LOADS = 5
CALM_SECONDS = 0.5
LINE_BITS = 10_000_000
LINE_DELAY_MS = 20
SLOW = 4
CHANGES = 300
CHANGES_PER_SECOND = 10.0
SIZE_GOAL_KB = 700.0
UPDATE_GOAL_MS = 5.0
USABLE = "[data-test=take-seat]"
CALM = """
(calm) => new Promise((done) => {
  let rested = performance.now();
  let timer = 0;
  const wait = () => {
    clearTimeout(timer);
    timer = setTimeout(() => done(rested), calm);
  };
  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) rested = Math.max(rested, task.startTime + task.duration);
    wait();
  }).observe({ type: "longtask", buffered: true });
  wait();
})
"""
"""When the last long task ended, or now if that was before; milliseconds of the navigation."""


def crowd() -> Floor:
    """Everybody at a desk phone, one more agent with a browser."""
    numbers = range(1, AGENTS + 1)
    return Floor.model_validate(
        {
            "queues": [{"name": QUEUE, "wrap_up_seconds": 0}],
            "agents": [
                {"id": f"{1000 + n}", "name": f"Agent {n}", "queues": [{"queue": QUEUE}]}
                for n in [*numbers, AGENTS + 1]
            ],
            "extensions": [
                *({"number": f"{8000 + n}", "kind": "desk"} for n in numbers),
                {"number": f"{8001 + AGENTS}", "kind": "browser"},
            ],
        }
    )


@dataclass(frozen=True)
class Load:
    """One first load: bytes over the line, seconds until the desk could be used."""

    size: int
    seconds: float


async def load(chromium: Screens, person: Person, *, slow: bool) -> Load:
    """Open the desk in a browser that knows nothing of it."""
    context = await chromium.of(person)
    page = await context.new_page()
    devtools = await context.new_cdp_session(page)
    await devtools.send("Network.enable")
    if slow:
        await _slow_down(devtools)
    sizes: list[int] = []
    devtools.on("Network.loadingFinished", lambda told: sizes.append(told["encodedDataLength"]))
    await page.goto("/desk", wait_until="commit")
    await expect(page.locator(USABLE)).to_be_visible(timeout=60_000)
    rested = float(await page.evaluate(CALM, CALM_SECONDS * 1000))
    await context.close()
    return Load(sum(int(size) for size in sizes), rested / 1000)


async def _slow_down(devtools: CDPSession) -> None:
    line = {
        "offline": False,
        "latency": LINE_DELAY_MS,
        "downloadThroughput": LINE_BITS / 8,
        "uploadThroughput": LINE_BITS / 8,
    }
    await devtools.send("Network.emulateNetworkConditions", line)
    await devtools.send("Emulation.setCPUThrottlingRate", {"rate": SLOW})


# --- updates of a live table ---------------------------------------------------------------------


async def _busy_seconds(devtools: CDPSession) -> float:
    """The main thread's work so far."""
    told = await devtools.send("Performance.getMetrics")
    return float(next(each["value"] for each in told["metrics"] if each["name"] == "TaskDuration"))


async def update_cost(chromium: Screens, leader: Person, agents: Sequence[Person]) -> float:
    """Seconds of the main thread for one message of changes."""
    context = await chromium.of(leader)
    page = await context.new_page()
    changes = [0]
    page.on("websocket", lambda socket: _count(socket, changes))
    await page.goto("/live")
    await expect(page.locator("[data-test=agent-tile]")).to_have_count(len(agents), timeout=60_000)
    devtools = await context.new_cdp_session(page)
    await devtools.send("Performance.enable")
    quiet = await _over(page, devtools, CHANGES / CHANGES_PER_SECOND, [])
    changes[0] = 0
    busy = await _over(page, devtools, CHANGES / CHANGES_PER_SECOND, agents[:CHANGES])
    await context.close()
    return (busy - quiet) / changes[0]


def _count(socket: WebSocket, changes: list[int]) -> None:
    def received(text: str | bytes) -> None:
        changes[0] += '"type":"changes"' in (text if isinstance(text, str) else text.decode())

    socket.on("framereceived", received)


async def _over(
    page: Page, devtools: CDPSession, seconds: float, agents: Sequence[Person]
) -> float:
    """The main thread's work over so long, while these agents become not ready one by one."""
    before, end = await _busy_seconds(devtools), time.monotonic() + seconds
    async with aiohttp.ClientSession() as http:
        for place, agent in enumerate(agents):
            await agent.act(http, "/agent/not-ready", reason="rest")
            due = end - seconds + (place + 1) / CHANGES_PER_SECOND
            await asyncio.sleep(max(0.0, due - time.monotonic()))
    await asyncio.sleep(max(0.0, end - time.monotonic()))
    await page.evaluate("new Promise(requestAnimationFrame)")
    return await _busy_seconds(devtools) - before


# --- the whole -----------------------------------------------------------------------------------


async def measured() -> list[Figure]:
    """The whole run."""
    async with ground() as base:
        floor = crowd()
        centre = await base.centre("ours", floor, QUEUE, members=False)
        await serve(centre, base)
        people = await sign_in(
            centre,
            [
                *((f"agent{agent.id}", "agent", agent.id) for agent in floor.agents),
                ("leader", "supervisor", None),
            ],
        )
        *agents, newcomer, leader = people.values()
        async with screens() as chromium:
            await load(chromium, newcomer, slow=False)  # the server's own first time
            quick = [await load(chromium, newcomer, slow=False) for _ in range(LOADS)]
            slow = [await load(chromium, newcomer, slow=True) for _ in range(LOADS)]
            async with panels(agents):
                cost = await update_cost(chromium, leader, agents)
    return list(panel_figures(quick, slow, cost))


def panel_figures(quick: Sequence[Load], slow: Sequence[Load], cost: float) -> Iterator[Figure]:
    """Medians of the loads, and the cost in seconds of one update."""
    line = f"{LINE_BITS / 1e6:g} Mbit/s, {LINE_DELAY_MS} ms, processor {SLOW} times slower"
    yield figure(
        "first load of the desk, compressed",
        statistics.median(each.size for each in quick) / 1000,
        "KB",
        better="lower",
        goal=SIZE_GOAL_KB,
    )
    for where, loads in (("loopback", quick), (line, slow)):
        yield figure(
            f"time to interactive, {where}",
            statistics.median(each.seconds for each in loads) * 1000,
            "ms",
            better="lower",
        )
    yield figure(
        f"one update of a live table with {AGENTS} rows",
        cost * 1000,
        "ms",
        better="lower",
        goal=UPDATE_GOAL_MS,
    )


def run() -> Report:
    """The whole bench."""
    began = time.perf_counter()
    found = asyncio.run(measured())
    return report("panel", time.perf_counter() - began, found)
