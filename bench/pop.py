"""`./zuoxi bench pop`: from an event of the PBX to the caller's card in an agent's browser.

A real centre: sipp plays the customers and the desk phones, SCREENS agents sit in a real Chromium
with the phone in it, the others' panels are live connections as a panel keeps them; PANELS in all.
Customers call the queue of the browsers' agents, are offered, and leave again while it rings;
others talk to the desk phones at the same time.

- From the PBX's own timestamp of the event by which a caller enters the queue, to the moments at
  which the caller's name and the customer's whole card (level, tags, last contacts: read from the
  database) stand in the page (a MutationObserver, same clock). The decision is in it. Everybody
  who calls is a customer of whom there are CUSTOMERS.
- How often the card was there before the phone rang aloud, of all calls that rang.
"""

from __future__ import annotations

import asyncio
import bisect
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import aiohttp
import asyncpg
from playwright.async_api import Page, expect

from bench.calls_parts import Centre, ground, serve
from bench.report import Figure, Report, figure, report
from bench.screens_parts import Person, panels, screens, sign_in
from config.floor import Floor
from crm.customers import By, Draft, Number, create
from cti.sandbox.remote import Headers
from cti.sandbox.system import SandboxError

SCREENS = 4
PANELS = 300
POPS = 1_200
CUSTOMERS = 400
POP_RATE = 3.0
RING_SECONDS = 1.2
"""After so long the customer leaves."""
TALK_RATE = 5.0
TALK_SECONDS = 2.0
P99_GOAL_MS = 100.0
BEFORE_RING_GOAL = 0.999
POP_QUEUE, TALK_QUEUE = "pop", "support"
LIMIT_SECONDS = 900.0
WATCH = """
window.zuoxiNames = [];
window.zuoxiCards = [];
window.zuoxiRings = [];
const at = () => (performance.timeOrigin + performance.now()) / 1000;
const watched = [
  ["[data-test=pop-name]", window.zuoxiNames],
  ["[data-test=customer-card]", window.zuoxiCards],
];
new MutationObserver((changes) => {
  const added = changes.flatMap((change) => [...change.addedNodes]);
  for (const [part, moments] of watched) {
    const shows = (node) =>
      node instanceof Element && (node.matches(part) || node.querySelector(part) !== null);
    if (added.some(shows)) moments.push(at());
  }
}).observe(document, { childList: true, subtree: true });
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...when) {
  window.zuoxiRings.push(at());
  return start.apply(this, when);
};
"""
"""Notes when names and cards appear and when the ring's first note is played; epoch seconds."""
NOTED = "[window.zuoxiNames, window.zuoxiCards, window.zuoxiRings]"
NUMBERS = tuple(f"+86138{n:08d}" for n in range(CUSTOMERS))


def pop_floor() -> Floor:
    """Desk phones for TALK_QUEUE, browsers for POP_QUEUE."""
    desks = range(1, PANELS - SCREENS + 1)
    browsers = range(PANELS - SCREENS + 1, PANELS + 1)
    queues = [(TALK_QUEUE, desks), (POP_QUEUE, browsers)]
    return Floor.model_validate(
        {
            "queues": [
                {"name": name, "wrap_up_seconds": 0, "recording": "never", "missed_limit": 1000}
                for name, _ in queues
            ],
            "agents": [
                {"id": f"{1000 + n}", "name": f"Agent {n}", "queues": [{"queue": name}]}
                for name, numbers in queues
                for n in numbers
            ],
            "extensions": [
                {"number": f"{8000 + n}", "kind": kind}
                for kind, numbers in (("desk", desks), ("browser", browsers))
                for n in numbers
            ],
        }
    )


@dataclass
class Entered:
    """Takes events of the PBX: who entered POP_QUEUE when, and which extension was dialled."""

    waiting: dict[str, float] = field(default_factory=dict)
    dialled: dict[str, list[float]] = field(default_factory=dict)
    """extension -> when the callers entered for whom it was dialled, ascending"""

    def take(self, event: Headers) -> None:
        """One event, in order."""
        name, caller = event["Event"], event.get("Uniqueid", "")
        if name == "UserEvent" and event.get("UserEvent") == "ZxEnter":
            if event.get("Queue") == POP_QUEUE:
                self.waiting[caller] = float(event["Timestamp"])
        elif name == "DialBegin" and caller in self.waiting:
            extension = event["DestChannel"].split("/")[1].split("-")[0]
            self.dialled.setdefault(extension, []).append(self.waiting.pop(caller))


@dataclass(frozen=True)
class Seen:
    """What came of the calls: seconds to each name and card, and how many rang before the card.

    :ivar missing: calls without a card.
    """

    names: Sequence[float]
    delays: Sequence[float]
    missing: int
    rang: int
    rang_first: int


def seen(
    entered: Sequence[float],
    names: Sequence[float],
    cards: Sequence[float],
    rings: Sequence[float],
) -> Seen:
    """Match one agent's calls with what the page noted; all ascending, epoch seconds.

    A card belongs to the call that entered last before it. A call without one by the next call's
    entering is missing, and rang first if it rang.
    """
    named, delays = list[float](), list[float]()
    missing, rang, rang_first = 0, 0, 0
    ends = [*entered[1:], float("inf")]
    for begin, end in zip(entered, ends, strict=False):
        name, card = _first(names, begin, end), _first(cards, begin, end)
        ring = _first(rings, begin, end)
        if name is not None:
            named.append(name - begin)
        if card is None:
            missing += 1
        else:
            delays.append(card - begin)
        if ring is not None:
            rang += 1
            rang_first += card is None or ring < card
    return Seen(named, delays, missing, rang, rang_first)


def _first(moments: Sequence[float], begin: float, end: float) -> float | None:
    place = bisect.bisect_left(moments, begin)
    return moments[place] if place < len(moments) and moments[place] < end else None


# --- the run -------------------------------------------------------------------------------------


async def _be_ready(page: Page, person: Person, extension: str) -> None:
    """Sit down at the browser's phone."""
    async with aiohttp.ClientSession() as http:
        await person.act(http, "/agent/sign-in", extension=extension)
        await page.goto("/desk")
        phone = page.locator("[data-test=health-phone]")
        await expect(phone).to_have_attribute("data-grade", "good", timeout=60_000)
        await page.mouse.click(5, 760)  # browsers let pages sound once they were touched
        await person.act(http, "/agent/ready")


async def measured() -> list[Figure]:
    """The whole run."""
    async with ground() as base:
        floor = pop_floor()
        centre = await base.centre("ours", floor, POP_QUEUE, members=False)
        await serve(centre, base)
        await _know(centre.dsn)
        people = await sign_in(
            centre, [(f"agent{agent.id}", "agent", agent.id) for agent in floor.agents]
        )
        everybody = list(people.values())
        at_desks, at_screens = everybody[:-SCREENS], everybody[-SCREENS:]
        browsers = [each.number for each in floor.extensions if each.kind == "browser"]
        async with panels(at_desks) as connected, screens() as chromium:
            pages: dict[str, Page] = {}
            for person, extension in zip(at_screens, browsers, strict=True):
                context = await chromium.of(person, script=WATCH)
                pages[extension] = await context.new_page()
                await _be_ready(pages[extension], person, extension)
            entered = await _called(centre)
            if lost := Counter(panel.ended for panel in connected if panel.ended):
                raise SandboxError(f"panels lost their connection (why: how many): {dict(lost)}")
            noted = {extension: await page.evaluate(NOTED) for extension, page in pages.items()}
    return list(pop_figures(together(entered.dialled, noted)))


async def _know(dsn: str) -> None:
    """Put the callers in the books."""
    drafts = [
        Draft(name=f"客户 {n}", level="VIP", tags=("老客户",), numbers=(Number(number),))
        for n, number in enumerate(NUMBERS)
    ]
    connection = await asyncpg.connect(dsn)
    try:
        async with connection.transaction():
            await create(connection, drafts, By("bench", datetime.now(UTC)))
    finally:
        await connection.close()


async def _called(centre: Centre) -> Entered:
    """Customers call both queues until POPS have called the browsers'."""
    entered = Entered()
    async with centre.observed(entered.take), centre.phones("agents", TALK_SECONDS):
        talking = centre.customers(
            "customer",
            rate=TALK_RATE,
            talk_seconds=TALK_SECONDS,
            calls=1_000_000,
            at_once=PANELS,
            number=TALK_QUEUE,
        )
        popping = centre.customers(
            "known_customer",
            rate=POP_RATE,
            talk_seconds=RING_SECONDS,
            calls=POPS,
            at_once=SCREENS,
            port=centre.site.sipp + 1,
            callers=NUMBERS,
        )
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                if code := await popping.wait():
                    raise SandboxError(f"calls failed ({code}):\n{popping.output()[-800:]}")
        finally:
            await popping.kill()
            await talking.kill()
        await centre.hang_up_all()
    return entered


def together(
    dialled: Mapping[str, Sequence[float]],
    noted: Mapping[str, tuple[Sequence[float], Sequence[float], Sequence[float]]],
) -> Seen:
    """What all agents saw.

    :param noted: extension -> when names and cards appeared and when it rang.
    """
    each = [seen(dialled.get(extension, ()), *noted[extension]) for extension in noted]
    return Seen(
        [delay for one in each for delay in one.names],
        [delay for one in each for delay in one.delays],
        sum(one.missing for one in each),
        sum(one.rang for one in each),
        sum(one.rang_first for one in each),
    )


def pop_figures(found: Seen) -> Iterator[Figure]:
    """The figures with their goals."""
    cuts = statistics.quantiles(found.delays, n=100)
    calls = len(found.delays) + found.missing
    names = statistics.quantiles(found.names, n=100)
    yield figure("AMI event to the caller's name, p50", names[49] * 1000, "ms", better="lower")
    yield figure("AMI event to the caller's name, p99", names[98] * 1000, "ms", better="lower")
    yield figure("AMI event to card, p50", cuts[49] * 1000, "ms", better="lower")
    yield figure("AMI event to card, p99", cuts[98] * 1000, "ms", better="lower", goal=P99_GOAL_MS)
    yield figure("calls offered", calls, "calls", better="higher")
    yield figure("calls without a card", found.missing, "calls", better="lower", goal=0)
    yield figure("calls that rang", found.rang, "calls", better="higher")
    yield figure(
        "card before the phone rings",
        1 - found.rang_first / found.rang if found.rang else 0.0,
        "of calls that rang",
        better="higher",
        goal=BEFORE_RING_GOAL,
    )


def run() -> Report:
    """The whole bench."""
    began = time.perf_counter()
    found = asyncio.run(measured())
    return report("pop", time.perf_counter() - began, found)
