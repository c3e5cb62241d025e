"""The whole product under test: PBX, customers and phones, PostgreSQL, the server as a process.

`async with whole(sandbox, database, floor) as site:` starts everything; `site.server.kill()` is
kill -9, `site.start_server()` starts it anew. `await site.agent("1001")` signs an agent in over the
REST API with a live connection, as a panel does. At the end all calls are ended and the records
have to be true: journal, CDR, CEL and recordings agree, the invariants held.
"""

import asyncio
import json
import os
import ssl
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import argon2
import asyncpg
import msgspec
from prometheus_client.parser import text_string_to_metric_families

from config.floor import Floor
from cti.domain import DomainEvent
from cti.sandbox.far_end import FarEnd
from cti.sandbox.ports import LOOPBACK
from cti.sandbox.processes import Process
from cti.sandbox.remote import ActionRefusedError
from cti.sandbox.site import Site, to_toml
from cti.sandbox.system import Place
from tests.support.ami_proxy import AmiProxy
from tests.support.books import untruths
from tests.support.remote import TestRemote
from tests.support.sandbox import TestSandbox
from web.users import Passwords, add_user, ensure_team

PROJECT = Path(__file__).parents[2]
PASSWORD = "correct horse battery 9"
CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
Row = dict[str, Any]
Rows = dict[str, dict[str, Row]]
Figures = dict[tuple[str, ...], float]


def small_floor(agents: int = 2, kind: str = "desk", **queue: Any) -> Floor:
    """One queue `support`, agents 1001.. with extensions 8001.. ."""
    numbers = range(1, agents + 1)
    return Floor.model_validate(
        {
            "queues": [{"name": "support", "wrap_up_seconds": 0, "ring_seconds": 15, **queue}],
            "agents": [
                {"id": f"{1000 + n}", "name": f"Agent {n}", "queues": [{"queue": "support"}]}
                for n in numbers
            ],
            "extensions": [{"number": f"{8000 + n}", "kind": kind} for n in numbers],
        }
    )


def figures(text: str) -> Figures:
    """The figures in Prometheus' format: name and values of the labels -> figure."""
    return {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


class Live:
    """A live connection that keeps its rows as a browser does."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self.socket = socket
        self.rows: Rows = {}
        self.seq = 0
        self._changed = asyncio.Event()
        self._reader = asyncio.create_task(self._read())
        self._alive = asyncio.create_task(self._say_alive())

    async def _read(self) -> None:
        async for message in self.socket:
            self._take(json.loads(message.data))
        self._changed.set()

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "snapshot":
            self.rows = message["rows"]
        elif message["type"] == "changes":
            for table, rows in message.get("put", {}).items():
                self.rows.setdefault(table, {}).update(rows)
            for table, keys in message.get("del", {}).items():
                for key in keys:
                    self.rows.get(table, {}).pop(key, None)
        self.seq = message.get("seq", self.seq)
        self._changed.set()

    async def _say_alive(self) -> None:
        while not self.socket.closed:
            await self.socket.send_json({"type": "alive"})
            await asyncio.sleep(2)

    async def wait_for(self, what: Callable[[Rows], Any]) -> Any:
        """Wait until the rows show something; give what `what` found."""
        while True:
            found = what(self.rows)
            if found:
                return found
            assert not self.socket.closed, "the server closed the live connection"
            self._changed.clear()
            await self._changed.wait()

    async def closed(self) -> int | None:
        """Wait until the server closes the connection; its code."""
        await self._reader
        return self.socket.close_code

    async def close(self) -> None:
        """Leave."""
        self._alive.cancel()
        await self.socket.close()
        await asyncio.gather(self._alive, self._reader, return_exceptions=True)


class Person:
    """Somebody signed in."""

    def __init__(self, http: aiohttp.ClientSession, base: str, me: dict[str, Any]) -> None:
        self.http = http
        self._base = base
        self.me = me
        self.live: Live | None = None
        self._headers = {"X-Zuoxi-Csrf": me["csrf"], "Origin": base}

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """One request: status and body."""
        async with self.http.request(
            method, f"{self._base}/api/v1{path}", json=body, headers=self._headers
        ) as answer:
            text = await answer.text()
            return answer.status, json.loads(text) if text else None

    async def act(self, path: str, **body: Any) -> Any:
        """A POST that has to succeed."""
        status, answer = await self.ask("POST", path, body)
        assert status < 300, answer
        return answer

    async def watch(self, topic: str) -> Live:
        """Open the live connection."""
        socket = await self.http.ws_connect(
            f"{self._base}/api/v1/live", headers={"Origin": self._base}
        )
        await socket.send_json({"type": "subscribe", "topics": [topic]})
        self.live = Live(socket)
        return self.live

    async def state(self, *states: str) -> Row:
        """Wait until the agent is in one of these states; give the row."""
        assert self.live is not None
        agent_id = self.me["agent_id"]

        def found(rows: Rows) -> Row | None:
            row = rows.get("me", {}).get(agent_id)
            return row if row is not None and row["state"] in states else None

        row: Row = await self.live.wait_for(found)
        return row

    async def close(self) -> None:
        """Leave without signing out."""
        if self.live:
            await self.live.close()
        await self.http.close()


@dataclass
class Whole:
    """Everything."""

    site: Site
    far_end: FarEnd
    dsn: str
    proxy: AmiProxy | None = None
    server: Process | None = None
    node: str = "pbx1"
    """Whose journal counts: that of the server that was started last."""
    trusted: ssl.SSLContext | None = None
    """Set when the server is started with TLS: whom browsers trust."""
    people: list[Person] = field(default_factory=list)
    _users: set[str] = field(default_factory=set)
    _servers: list[Process] = field(default_factory=list)

    @property
    def base(self) -> str:
        """Origin of the pages."""
        scheme = "https" if self.trusted else "http"
        return f"{scheme}://{LOOPBACK}:{self.site.web_port}"

    def browser(self) -> aiohttp.ClientSession:
        """A browser of its own cookies."""
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self.trusted or True),
            cookie_jar=aiohttp.CookieJar(unsafe=True),
        )

    async def start_server(self, config: Path | None = None) -> Process:
        """Start the server; it may still connect to the PBX when this returns."""
        self.server = Process(
            [sys.executable, "-m", "cti.cli", "serve", "--config", config or self.config],
            place=Place(self.site.place.state, None),
            log=self.site.folder / "server.log",
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
        )
        self._servers.append(self.server)
        await self.reachable()
        return self.server

    def __post_init__(self) -> None:
        self.config = self.site.write_settings()

    async def reachable(self) -> None:
        """Wait until the pages answer."""
        assert self.server is not None
        async with self.browser() as http:
            while True:
                assert self.server.running, self.server.output()
                try:
                    async with http.get(f"{self.base}/healthz"):
                        return
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.05)

    async def ready(self) -> None:
        """Wait until the server serves: PBX and database connected."""
        async with self.browser() as http:
            while True:
                async with http.get(f"{self.base}/healthz") as answer:
                    if answer.status == 200:
                        return
                await asyncio.sleep(0.05)

    async def fetch(self, path: str) -> tuple[int, str]:
        """What nobody needs to sign in for: status and text."""
        async with self.browser() as http, http.get(self.base + path) as answer:
            return answer.status, await answer.text()

    async def figures(self) -> Figures:
        """What /metrics shows now."""
        status, text = await self.fetch("/metrics")
        assert status == 200, text
        return figures(text)

    def broken_invariants(self) -> list[str]:
        """What the servers found broken in themselves, as their log has it."""
        lines = (self.site.folder / "server.log").read_text("utf-8").splitlines()
        return [line for line in lines if "invariant_broken" in line]

    async def add_user(self, name: str, role: str, agent_id: str | None = None) -> None:
        """A user with PASSWORD, if there is none of this name."""
        if name in self._users:
            return
        self._users.add(name)
        connection = await asyncpg.connect(self.dsn)
        try:
            await add_user(
                connection,
                Passwords(CHEAP),
                name=name,
                password=PASSWORD,
                roles=[role],
                agent_id=agent_id,
                language="en",
                team_id=await ensure_team(connection, "Centre/A"),
            )
        finally:
            await connection.close()

    async def person(self, name: str) -> Person:
        """Sign in."""
        http = self.browser()
        async with http.post(
            f"{self.base}/api/v1/session",
            json={"user": name, "password": PASSWORD},
            headers={"Origin": self.base},
        ) as answer:
            me = await answer.json()
            assert answer.status < 300, me
        person = Person(http, self.base, me)
        self.people.append(person)
        return person

    async def agent(
        self, agent_id: str, extension: str | None = None, *, user: str | None = None
    ) -> Person:
        """An agent at a seat, ready, with a live panel."""
        name = user or f"agent{agent_id}"
        await self.add_user(name, "agent", agent_id)
        person = await self.person(name)
        await person.watch("desk")
        await person.act(
            "/agent/sign-in", extension=extension or f"8{agent_id[1:]}", confirm_takeover=True
        )
        await person.act("/agent/ready")
        # A caller who waits may be offered before the panel has shown that the agent was ready.
        await person.state("ready", "offered")
        return person

    async def supervisor(self) -> Person:
        """Somebody who watches the whole floor."""
        await self.add_user("supervisor", "supervisor")
        person = await self.person("supervisor")
        await person.watch("floor")
        return person

    async def events(self, *types: str) -> list[dict[str, Any]]:
        """The journal's events of these types, in order."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return await _events(connection, *types)
        finally:
            await connection.close()

    async def journalled(self, kind: str, count: int = 1, **wanted: Any) -> list[dict[str, Any]]:
        """Wait until the journal holds `count` events of this type with these fields."""
        connection = await asyncpg.connect(self.dsn)
        try:
            while True:
                found = [
                    event
                    for event in await _events(connection, kind)
                    if all(event.get(name) == value for name, value in wanted.items())
                ]
                if len(found) >= count:
                    return found
                await asyncio.sleep(0.05)
        finally:
            await connection.close()

    async def journal(self) -> list[DomainEvent]:
        """All events of the node, in order."""
        connection = await asyncpg.connect(self.dsn)
        try:
            rows = await connection.fetch(
                "SELECT body FROM journal WHERE node = $1 ORDER BY seq", self.node
            )
        finally:
            await connection.close()
        return [_event.decode(row["body"]) for row in rows]

    async def seqs(self) -> list[int]:
        """The journal's numbers, in order."""
        connection = await asyncpg.connect(self.dsn)
        try:
            return [
                row["seq"] for row in await connection.fetch("SELECT seq FROM journal ORDER BY 1")
            ]
        finally:
            await connection.close()

    async def second_server(self, node: str) -> Process:
        """A second server on the same PBX; from here on `base` is its address."""
        values = self.site.values()
        port = self.site.block.take()
        values["server"] = {
            "node": node,
            "state_folder": str(self.site.folder / f"server-{node}"),
        }
        values["web"] = {"port": port}
        values["pbx"]["agi_port"] = self.site.block.take()
        path = self.write_settings(node, values)
        self.site.web_port, self.node = port, node
        first, second = self.server, await self.start_server(path)
        self.server = first
        await self.ready()
        return second

    def write_settings(self, name: str, values: dict[str, Any]) -> Path:
        """Settings besides those of the site; for `start_server`."""
        path = self.site.folder / f"{name}.toml"
        self.site.place.write(path, to_toml(values), mode=0o600)
        return path

    async def close(self) -> None:
        """End the people and the servers."""
        for person in self.people:
            await person.close()
        for server in self._servers:
            if server.running:
                await server.stop()


async def end_calls(remote: TestRemote) -> None:
    """Hang up what is left on the PBX; a channel that ends just now is none of ours any more."""
    while (await remote.act("Getvar", Variable="CHANNELS()")).get("Value"):
        with suppress(ActionRefusedError):
            await remote.act("Hangup", Channel="/.*/")
        await asyncio.sleep(0.05)


_event = msgspec.json.Decoder(DomainEvent)


async def _events(connection: asyncpg.Connection, *types: str) -> list[dict[str, Any]]:
    rows = await connection.fetch(
        "SELECT body FROM journal WHERE type = ANY($1) ORDER BY seq", list(types)
    )
    return [json.loads(row["body"]) for row in rows]


@asynccontextmanager
async def whole(
    sandbox: TestSandbox,
    dsn: str,
    floor: Floor | None = None,
    *,
    proxied: bool = False,
    unjudged: str = "",
    **values: Any,
) -> AsyncIterator[Whole]:
    """Start everything; `values` are those of cti.sandbox.site.Site.

    :param proxied: the server reaches the manager through `Whole.proxy`.
    :param unjudged: why the records are not true at the end: what the test forges or destroys.
    """
    floor = floor or small_floor()
    site = Site(
        f"site{next(sandbox.numbers)}",
        place=sandbox.place,
        tree=sandbox.tree,
        block=sandbox.ports(600),
        floor=floor,
        dsn=dsn,
        **{"files": {"look_seconds": 1, "slice_seconds": 3}, **values},
    )
    async with AsyncExitStack() as parts:
        await site.pbx.start()
        parts.push_async_callback(site.pbx.kill)
        far_end = FarEnd(
            f"{site.name}-far",
            tree=sandbox.phones,
            place=sandbox.place,
            block=sandbox.ports(400),
            pbx=site.pbx,
            sip=site.carrier,
            phones={
                each.number: site.phones[each.number]
                for each in floor.extensions
                if each.kind == "desk"
            },
        )
        parts.push_async_callback(far_end.kill)
        await far_end.start()
        proxy = AmiProxy(site.pbx.ports.ami) if proxied else None
        if proxy:
            await parts.enter_async_context(proxy)
            site.ami_port = proxy.port
        running = Whole(site, far_end, dsn, proxy)
        parts.push_async_callback(running.close)
        await running.start_server()
        await running.ready()
        yield running
        if not unjudged:
            await end_calls(await sandbox.remote(site.pbx))
            found = await untruths(running)
            assert not found, "\n".join(found)
