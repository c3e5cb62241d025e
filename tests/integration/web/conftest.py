"""A served application on a real port, over a real PostgreSQL, with a small core of the test's own.

`site`: the application with users of several roles; `site.browser("amy")` signs in and returns a
client that sends cookie, origin and CSRF token as the real page does.
"""

import asyncio
import contextlib
import dataclasses
import itertools
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import argon2
import asyncpg
import pytest
import pytest_asyncio
import websockets
from aiohttp import web
from yarl import URL

from config.floor import Floor
from config.settings import WebSettings
from cti import domain, inputs
from cti.domain import Recorded
from cti.inputs import Input, Reply, Request
from cti.journal import Journal, JournalStats
from cti.journal.database import open_pool
from cti.journal.folds import Thresholds
from cti.journal.projections import all_projections
from web import users
from web.hub import Hub
from web.listener import Listener
from web.live import LiveView
from web.server import create_app
from web.services import LinkStatus, Services

PASSWORD = "blue-kettle-42"
CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
FLOOR = Floor.model_validate(
    {
        "queues": [
            {"name": "support", "title": {"en": "Support"}},
            {"name": "sales"},
            {"name": "billing"},
        ],
        "agents": [
            {"id": "1001", "name": "Amy", "queues": [{"queue": "support"}]},
            {"id": "1002", "name": "Ben", "queues": [{"queue": "support"}, {"queue": "sales"}]},
            {"id": "1003", "name": "Cai", "queues": [{"queue": "billing"}]},
        ],
        "extensions": [
            {"number": "8001"},
            {"number": "8002"},
            {"number": "7001", "kind": "desk"},
        ],
    }
)
USERS = {
    "amy": (["agent"], "1001"),
    "ben": (["agent"], "1002"),
    "cai": (["agent"], "1003"),
    "lea": (["leader"], None),
    "dora": (["director"], None),
    "quinn": (["quality"], None),
    "sue": (["supervisor"], None),
    "ada": (["admin"], None),
}


class SmallCore:
    """Answers requests and records what it was told; seats are all that it knows."""

    def __init__(self) -> None:
        self.told: list[Input] = []
        self.asked: list[Request] = []
        self.publish: Callable[[list[Recorded]], None] = lambda _: None
        self.refuse: dict[type, tuple[str, dict[str, str]]] = {}
        self.silent = False
        self._seats: dict[str, str] = {}
        self._seq = itertools.count(1)
        self._changed = asyncio.Event()

    def tell(self, item: Input) -> None:
        self.told.append(item)
        self._changed.set()

    async def told_of(self, item: Input, times: int = 1) -> None:
        """Wait until `item` was told."""
        while self.told.count(item) < times:
            self._changed.clear()
            await self._changed.wait()

    def happened(self, *events: domain.DomainEvent) -> None:
        """Journal events as the runtime does."""
        self.publish([Recorded(next(self._seq), event) for event in events])

    async def ask(self, request: Request) -> Reply:
        self.asked.append(request)
        if self.silent:
            await asyncio.Event().wait()
        if type(request) in self.refuse:
            code, detail = self.refuse[type(request)]
            return Reply(request_id=request.request_id, code=code, detail=detail)
        if isinstance(request, inputs.SignIn):
            return self._sign_in(request)
        return Reply(request_id=request.request_id)

    def _sign_in(self, request: inputs.SignIn) -> Reply:
        holder = self._seats.get(request.extension, request.agent_id)
        if holder != request.agent_id and not request.confirm_takeover:
            detail = {"agent": holder}
            return Reply(request_id=request.request_id, code="seat_taken", detail=detail)
        self._seats[request.extension] = request.agent_id
        at = time.time()
        self.happened(
            domain.AgentSignedIn(at=at, agent_id=request.agent_id, extension=request.extension),
            domain.AgentStateChanged(at=at, agent_id=request.agent_id, state="not_ready"),
        )
        return Reply(request_id=request.request_id)


class Live:
    """A live connection: keeps the rows as a page does."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self.socket = socket
        self.rows: dict[str, dict[str, Any]] = {}
        self.seq = 0
        self.snapshots = 0
        self.pops: list[dict[str, Any]] = []

    async def subscribe(self, topic: str, *, take: bool = False) -> None:
        await self.send({"type": "subscribe", "topics": [topic], "take": take})
        while not self.snapshots:
            await self.receive()

    async def send(self, message: object) -> None:
        await self.socket.send(json.dumps(message))

    async def receive(self) -> dict[str, Any]:
        message = json.loads(await self.socket.recv(decode=True))
        if message["type"] == "alive":
            return await self.receive()
        if message["type"] == "pop":
            self.pops.append(message["pop"])
            return message
        self.seq = message["seq"]
        if message["type"] == "snapshot":
            self.rows = message["rows"]
            self.snapshots += 1
            return message
        for table, rows in message["put"].items():
            self.rows[table].update(rows)
        for table, keys in message["del"].items():
            for key in keys:
                self.rows[table].pop(key, None)
        return message

    async def until(self, holds: Callable[[dict[str, dict[str, Any]]], object]) -> None:
        """Take messages until the rows are so."""
        while not holds(self.rows):
            await self.receive()

    async def closed(self) -> int:
        """Take messages until the server closes; returns the code."""
        try:
            while True:
                await self.socket.recv()
        except websockets.ConnectionClosed as end:
            assert end.rcvd is not None
            return end.rcvd.code


class Browser:
    """An HTTP client as our page is one."""

    def __init__(self, site: "Site", client: aiohttp.ClientSession) -> None:
        self.site = site
        self.client = client
        self.csrf = ""

    async def sign_in(self, user: str, password: str = PASSWORD) -> dict[str, Any]:
        status, body = await self.send(
            "POST", "/api/v1/session", {"user": user, "password": password}
        )
        assert status == 200, body
        self.csrf = body["csrf"]
        return body

    async def send(
        self, method: str, path: str, body: object = None, **more: Any
    ) -> tuple[int, Any]:
        """Send as the page does; returns status and decoded body."""
        headers = {"Origin": self.site.origin, "X-Zuoxi-Csrf": self.csrf, **more.pop("headers", {})}
        if body is not None:
            more["json"] = body
        async with self.client.request(
            method, self.site.url + path, headers=headers, **more
        ) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None

    @property
    def cookie(self) -> str:
        """The session's token."""
        return self.client.cookie_jar.filter_cookies(URL(self.site.url))["zuoxi_session"].value

    @contextlib.asynccontextmanager
    async def live(self, **options: Any) -> AsyncIterator[Live]:
        """Open the live connection."""
        url = self.site.url.replace("http://", "ws://") + "/api/v1/live"
        headers = {"Cookie": f"zuoxi_session={self.cookie}"}
        async with websockets.connect(
            url,
            origin=options.pop("origin", self.site.origin),
            additional_headers=headers,
            compression=None,
            proxy=None,
            **options,
        ) as socket:
            yield Live(socket)


@dataclasses.dataclass
class Site:
    """The served application and its parts."""

    url: str
    core: SmallCore
    hub: Hub
    services: Services
    pool: "Switch"
    recordings: Path
    browsers: list[aiohttp.ClientSession]
    link: dict[str, Any]
    runner: web.AppRunner

    @property
    def connections(self) -> int:
        """How many connections the server holds, those that it closes among them."""
        assert self.runner.server is not None
        return len(self.runner.server.connections)

    @property
    def origin(self) -> str:
        return self.url

    def anonymous(self, **options: Any) -> Browser:
        client = aiohttp.ClientSession(
            cookie_jar=aiohttp.CookieJar(unsafe=True),
            timeout=aiohttp.ClientTimeout(total=20),
            **options,
        )
        self.browsers.append(client)
        return Browser(self, client)

    async def browser(self, user: str) -> Browser:
        browser = self.anonymous()
        await browser.sign_in(user)
        return browser


class Switch:
    """The database's pool, which a test can take away as a stopped server does."""

    def __init__(self, pool: Any) -> None:
        self.pool = pool
        self.away = False

    async def __call__(self) -> Any:
        if self.away:
            raise ConnectionRefusedError("the database is away")
        return self.pool


def journal_stats() -> JournalStats:
    return JournalStats(
        last_seq=12,
        stored_seq=10,
        database="up",
        since=1.0,
        reason="",
        spool_bytes=2048,
        disk="ok",
        disk_reason="",
        lost_records=0,
        unreadable_records=0,
    )


@pytest_asyncio.fixture
async def pool(database: str) -> AsyncIterator[Any]:
    """Return a pool to a migrated database."""
    pool = await open_pool(database)
    yield pool
    await pool.close()


@pytest_asyncio.fixture
async def serve(
    pool: "asyncpg.Pool[asyncpg.Record]", database: str, tmp_path: Path
) -> AsyncIterator[Callable[..., Awaitable[Site]]]:
    """Serve the application, with other settings or ports if given."""
    ends: list[Callable[[], Awaitable[None]]] = []
    passwords = users.Passwords(CHEAP)
    async with pool.acquire() as connection:
        red = await users.ensure_team(connection, "Service/red")
        blue = await users.ensure_team(connection, "Service/blue")
        for name, (roles, agent_id) in USERS.items():
            await users.add_user(
                connection,
                passwords,
                name=name,
                password=PASSWORD,
                roles=roles,  # type: ignore[arg-type]
                agent_id=agent_id,
                language="en",
                team_id=blue if name == "cai" else red,
            )

    async def start(screens: Path = tmp_path / "app", **changes: Any) -> Site:
        core = changes.pop("core", None) or SmallCore()
        clock = changes.pop("clock", time.time)
        hub = Hub(LiveView(FLOOR), core.tell, clock)
        core.publish = hub.publish
        recordings = tmp_path / "store"
        recordings.mkdir(exist_ok=True)
        link: dict[str, Any] = {"state": "ready", "since": 5.0, "events": {"Hangup": 3}}
        switch = Switch(pool)
        services = Services(
            ask=core.ask,
            hub=hub,
            floor=FLOOR,
            pool=switch,
            connect=lambda: asyncpg.connect(database),
            recording_file=lambda path: _existing(recordings / path),
            sip_password={"8001": "sip-one", "8002": "sip-two"}.get,
            link=lambda: LinkStatus(**link),
            journal=journal_stats,
            settings=changes.pop("settings", WebSettings()),
            sip_ws_url="wss://pbx.example:8089/ws",
            sip_domain="pbx.example",
            clock=clock,
            gauges=lambda: {"inputs_waiting": 4},
            uploads=changes.pop("uploads", tmp_path / "uploads"),
            **changes,
        )
        runner = web.AppRunner(
            create_app(services, screens=screens, hasher=CHEAP), shutdown_timeout=1
        )
        await runner.setup()
        await Listener(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        url = f"http://127.0.0.1:{port}"
        site = Site(url, core, hub, services, switch, recordings, [], link, runner)

        async def end() -> None:
            for browser in site.browsers:
                await browser.close()
            await runner.cleanup()

        ends.append(end)
        return site

    yield start
    for end in ends:
        await end()


def _existing(path: Path) -> Path | None:
    return path if path.is_file() else None


@pytest_asyncio.fixture
async def site(serve: Callable[..., Awaitable[Site]]) -> Site:
    """Serve the application with the settings' defaults."""
    return await serve()


@pytest.fixture
def password() -> str:
    """Return the password of all the site's users."""
    return PASSWORD


@pytest_asyncio.fixture
async def journalled(
    pool: "asyncpg.Pool[asyncpg.Record]", tmp_path: Path
) -> Callable[..., Awaitable[None]]:
    """Store events in the journal and fold them into the tables that screens read."""

    async def store(*events: domain.DomainEvent) -> None:
        journal = Journal.open(tmp_path / "spool", "pbx1", gather_seconds=0.01)
        writing = asyncio.create_task(journal.run(Switch(pool)))
        journal.append([Recorded(seq, event) for seq, event in enumerate(events, 1)])
        await journal.wait_stored()
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
        journal.close()
        async with pool.acquire() as connection:
            for projection in all_projections("pbx1", Thresholds({})):
                while await projection.advance(connection):
                    pass

    return store
