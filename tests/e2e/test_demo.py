"""`./zuoxi demo` as a newcomer meets it: start, sign in as it says, talk, Ctrl-C, start again.

It keeps its data in the test session's folder, so it may run beside somebody's own demo.
"""

import asyncio
import os
import re
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.async_api import Browser, Page, expect

from cti.sandbox.ports import LOOPBACK
from cti.sandbox.system import PROJECT, Place
from tests.e2e.conftest import OpenPage, pages
from tests.e2e.desk import agent_hears, phone_works, sign_in, stage_is, take_seat

pytestmark = pytest.mark.timeout(180)

QUEUES = 3
AGENTS = 3
EVERYBODY = range(1001, 1001 + AGENTS)
ODD = (1001, 1003)
"""Whom the leader leads, beside the person at the desk."""
RATE = 120
"""So many callers that some wait and lose patience: three agents take about five a minute."""
ARGUMENTS = ("--agents", str(AGENTS), "--rate", str(RATE))
AGAIN_SECONDS = 15
"""The second start is promised to be quicker than this."""
LAST_WORDS = "Ctrl-C ends everything."


@dataclass
class Demo:
    """A demo that has told how to sign in.

    :ivar passwords: user -> password, as printed.
    :ivar seconds: from the command to the last of its words.
    """

    process: asyncio.subprocess.Process
    address: str
    passwords: dict[str, str]
    seconds: float

    async def ctrl_c(self) -> tuple[int, str]:
        """What a terminal does at Ctrl-C; the exit status and what was said after it."""
        assert self.process.stderr is not None
        os.killpg(self.process.pid, signal.SIGINT)
        said = await self.process.stderr.read()
        return await self.process.wait(), said.decode()


async def start(port: int, place: Place) -> asyncio.subprocess.Process:
    """Type the command."""
    return await asyncio.create_subprocess_exec(
        *(PROJECT / "zuoxi", "demo", "--port", str(port), "--state", place.state, *ARGUMENTS),
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        cwd="/",
        start_new_session=True,
    )


@asynccontextmanager
async def demo(port: int, place: Place) -> AsyncIterator[Demo]:
    """Start the demo and read what it prints; it is killed only if the test has failed."""
    began = time.monotonic()
    process = await start(port, place)
    assert process.stderr is not None
    try:
        said = ""
        while LAST_WORDS not in said:
            line = await process.stderr.readline()
            assert line, said
            said += line.decode()
        addresses = re.findall(r"http://\S+", said)
        passwords = dict(re.findall(r"│ (\w+) +([0-9a-f]{12}) ", said))
        yield Demo(process, addresses[0], passwords, time.monotonic() - began)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def processes() -> dict[int, tuple[int, int]]:
    """All that run on this machine: process id -> parent and session."""
    found = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent, _, session = path.read_text().rpartition(")")[2].split()[:4]
        except (FileNotFoundError, ProcessLookupError):
            continue
        if state != "Z":
            found[int(path.parent.name)] = int(parent), int(session)
    return found


def sessions_below(pid: int) -> set[int]:
    """The sessions of a process and all its descendants; each part of the demo has its own."""
    running = processes()
    family = {pid}
    while more := {each for each, (parent, _) in running.items() if parent in family} - family:
        family |= more
    return {running[each][1] for each in family}


async def floor_is_alive(page: Page, agents: Iterable[int]) -> None:
    """Queues, these agents in their places, calls that are taken, and somebody who waits."""
    await expect(page.locator("[data-test=queue-row]")).to_have_count(QUEUES)
    for agent in agents:
        tile = page.locator(f"[data-test=agent-tile][data-agent='{agent}']")
        await expect(tile).to_be_visible()
    await expect(page.locator("[data-test=agent-tile][data-state=talking]").first).to_be_visible()
    await expect(page.locator("[data-test=waiting-row]").first).to_be_visible()


async def somebody_gave_up(page: Page) -> None:
    """In time a queue counts who left it; the first customers do so after 20 s at the earliest."""
    counts = page.locator("[data-test=queue-row] [data-test=abandoned]")
    some = counts.filter(has_text=re.compile(r"^\s*[1-9]"))
    await expect(some.first).to_be_visible(timeout=60_000)


async def customers_are_known(page: Page) -> None:
    """Those who call are in the list of customers, with their pages."""
    await page.goto("/customers")
    await page.locator("[data-test=customer-row]").first.click()
    await expect(page.locator("[data-test=customer-name]")).to_be_visible()


async def talk_to_a_customer(agent: Page, password: str) -> None:
    """As the demo says: sign in, take the seat, go ready, pick up; the customer can be heard."""
    await sign_in(agent, "agent", password)
    await take_seat(agent, "8100")
    await phone_works(agent)
    await agent.locator("[data-test=go-ready]").click()
    await expect(agent.locator("[data-test=answer]")).to_be_visible(timeout=60_000)
    await agent.locator("[data-test=answer]").click()
    await stage_is(agent, "talking")
    await agent_hears(agent)


async def open_floor(open_page: OpenPage, user: str, running: Demo, agents: Iterable[int]) -> Page:
    """The floor before the eyes of this user, who sees these agents."""
    page = await open_page()
    await sign_in(page, user, running.passwords[user])
    await page.goto("/live")
    await floor_is_alive(page, agents)
    return page


async def test_it_starts_lives_ends_and_starts_again(
    browser: Browser,
    place: Place,
    free_port: int,
    screens: None,
    capsys: pytest.CaptureFixture[str],
) -> None:
    async with demo(free_port, place) as first, pages(browser, first.address) as open_page:
        assert first.address == f"http://127.0.0.1:{free_port}"
        assert set(first.passwords) == {"agent", "leader", "supervisor", "admin"}
        supervisor = await open_floor(open_page, "supervisor", first, EVERYBODY)
        await talk_to_a_customer(await open_page(), first.passwords["agent"])
        tile = supervisor.locator("[data-test=agent-tile][data-agent='1100']")
        await expect(tile).to_have_attribute("data-state", "talking")
        await somebody_gave_up(supervisor)
        await customers_are_known(supervisor)

        sessions = sessions_below(first.process.pid)
        assert len(sessions) > 3, "the demo, its PBX, the customers' PBX, PostgreSQL"
        status, said = await first.ctrl_c()
        assert (status, "nothing is left running" in said) == (0, True)
        assert "Traceback" not in said
        assert not [pid for pid, (_, session) in processes().items() if session in sessions]

    async with demo(free_port, place) as second, pages(browser, second.address) as open_page:
        assert second.passwords == first.passwords
        assert second.seconds < AGAIN_SECONDS
        await open_floor(open_page, "leader", second, ODD)
        assert (await second.ctrl_c())[0] == 0
    with capsys.disabled():
        sys.stdout.write(f"\ndemo: first start {first.seconds:.1f} s, {second.seconds:.1f} s\n")


async def test_a_port_that_is_taken_is_told_before_anything_starts(
    place: Place, screens: None
) -> None:
    with socket.create_server((LOOPBACK, 0)) as taken:
        port = taken.getsockname()[1]
        refused = await start(port, place)
        _, printed = await refused.communicate()
    said = " ".join(printed.decode().split())
    assert refused.returncode == 2
    assert said.endswith(f"port {port}: Address already in use; take another with --port")
    assert "starting" not in said
