"""People at their screens, for the benches of the web room: signed in, some in a real Chromium."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self

import aiohttp
import argon2
import asyncpg
from playwright.async_api import BrowserContext, async_playwright

from bench.calls_parts import Centre
from cti.sandbox.frontend import ensure_frontend
from cti.sandbox.ports import LOOPBACK
from cti.sandbox.system import SandboxError, install_packages, say_on_stderr
from web.endpoint import COOKIE, CSRF_HEADER
from web.rights import Role
from web.sessions import Sessions, csrf_of
from web.users import Passwords, User, add_user

BEAT_SECONDS = 2.0
SESSION_SECONDS = 6 * 3600.0
CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""Nobody signs in by password here: the sessions are made in the database."""
PASSWORD = "nobody else gets in here"  # noqa: S105 - of a server that lives for minutes
CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--autoplay-policy=no-user-gesture-required",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--disable-renderer-backgrounding",
    "--disable-backgrounding-occluded-windows",
    "--disable-background-timer-throttling",
]


@dataclass(frozen=True)
class Person:
    """Somebody who is signed in.

    :param base: origin of the pages; `token`: the session's cookie.
    """

    base: str
    user: User
    token: str

    def headers(self) -> dict[str, str]:
        """What a mutation carries."""
        return {
            "Cookie": f"{COOKIE}={self.token}",
            "Origin": self.base,
            CSRF_HEADER: csrf_of(self.token),
        }

    async def act(self, http: aiohttp.ClientSession, path: str, **body: Any) -> None:
        """A POST that has to succeed."""
        url = f"{self.base}/api/v1{path}"
        async with http.post(url, json=body or None, headers=self.headers()) as answer:
            if answer.status >= 300:
                raise SandboxError(f"POST {path}: {answer.status} {await answer.text()}")


async def sign_in(
    centre: Centre, people: Sequence[tuple[str, Role, str | None]]
) -> dict[str, Person]:
    """Users with sessions, by name.

    :param people: name, role and employee number.
    """
    base = f"http://{LOOPBACK}:{centre.site.web_port}"
    async with asyncpg.create_pool(centre.dsn, min_size=1, max_size=2) as pool:

        async def source() -> asyncpg.Pool[asyncpg.Record]:
            return pool

        passwords = Passwords(CHEAP)
        sessions = Sessions(
            source, time.time, idle_seconds=SESSION_SECONDS, limit_seconds=SESSION_SECONDS
        )
        found = {}
        for name, role, agent_id in people:
            async with pool.acquire() as connection:
                user = await add_user(
                    connection,
                    passwords,
                    name=name,
                    password=PASSWORD,
                    roles=[role],
                    agent_id=agent_id,
                )
            token = await sessions.start(user, LOOPBACK, "bench")
            assert token is not None
            found[name] = Person(base, user, token)
    return found


class Panel:
    """An agent's panel without a screen: the live connection, a beat every two seconds."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self.messages = 0
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._beat())]

    @classmethod
    async def open(cls, http: aiohttp.ClientSession, person: Person) -> Self:
        """Connect and watch the desk."""
        socket = await http.ws_connect(
            f"{person.base}/api/v1/live", headers=person.headers(), max_msg_size=0
        )
        await socket.send_json({"type": "subscribe", "topics": ["desk"]})
        return cls(socket)

    @property
    def ended(self) -> str:
        """How the connection ended, empty while it is open."""
        if not self._socket.closed:
            return ""
        return f"{self._socket.close_code} {self._socket.exception() or ''}".strip()

    async def _read(self) -> None:
        async for _ in self._socket:
            self.messages += 1

    async def _beat(self) -> None:
        while True:
            await self._socket.send_json({"type": "alive"})
            await asyncio.sleep(BEAT_SECONDS)

    async def close(self) -> None:
        """Leave."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._socket.close()


@asynccontextmanager
async def panels(people: Sequence[Person]) -> AsyncIterator[list[Panel]]:
    """The panels of these agents, all connected."""
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as http:
        opened: list[Panel] = []
        try:
            opened += [await Panel.open(http, person) for person in people]
            yield opened
        finally:
            for panel in opened:
                with contextlib.suppress(ConnectionError):
                    await panel.close()


class Screens:
    """A real Chromium."""

    def __init__(self, new_context: Any) -> None:  # noqa: ANN401 - playwright's own signature
        self._new_context = new_context

    async def of(self, person: Person, *, script: str = "") -> BrowserContext:
        """A context of its own in which the person is signed in.

        :param script: run in each page before the page's own.
        """
        context: BrowserContext = await self._new_context(
            base_url=person.base,
            locale="zh-CN",
            timezone_id="Asia/Shanghai",
            viewport={"width": 1366, "height": 768},
        )
        await context.add_cookies([{"name": COOKIE, "value": person.token, "url": person.base}])
        if script:
            await context.add_init_script(script)
        return context


@asynccontextmanager
async def screens() -> AsyncIterator[Screens]:
    """Build the screens where they are not the present ones, and start Chromium."""
    install_packages({"chromium": "the browser that is measured"}, say=say_on_stderr)
    ensure_frontend(say=say_on_stderr)
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=CHROMIUM
        )
        try:
            yield Screens(chromium.new_context)
        finally:
            await chromium.close()
