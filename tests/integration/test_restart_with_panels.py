"""kill -9 with a full house: 300 panels, each comes back by the rule of the panel itself."""

import asyncio
import json
import random
import re
import resource
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest

from cti.sandbox.ports import LOOPBACK
from tests.support.sandbox import TestSandbox
from tests.support.until import until
from tests.support.whole import PROJECT, Whole, small_floor, whole
from web.endpoint import COOKIE
from web.sessions import csrf_of, key_of

PANELS = 300
BACK_SECONDS = 5.0
CLOCK_TICKS = 100.0
LINK = (PROJECT / "web/frontend/src/api/live.ts").read_text("utf-8")


def rule(name: str) -> float:
    """A constant of the panel's link, in seconds: the rule stands there and nowhere else."""
    found = re.search(rf"^const {name} = ([\d_]+);", LINK, re.MULTILINE)
    assert found, f"live.ts has no {name}"
    return float(found[1].replace("_", "")) / 1000


def pause_before(attempt: int) -> float:
    """Seconds before a try, as pauseBefore of live.ts (which has a test of its own)."""
    ceiling = min(rule("LONGEST_PAUSE_MS"), rule("FIRST_PAUSE_MS") * 2.0**attempt)
    return ceiling / 2 + ceiling / 2 * random.random()


@dataclass
class Panel:
    """One agent's page: keeps a live connection, and comes back when it is lost."""

    agent_id: str
    token: str
    http: aiohttp.ClientSession
    base: str
    refusals: list[str] = field(default_factory=list)
    back_at: float = 0.0
    tried_at: float = 0.0
    attempt: int = 0
    rows: dict[str, Any] = field(default_factory=dict)
    live: asyncio.Event = field(default_factory=asyncio.Event)

    async def act(self, path: str, **body: Any) -> None:
        """A POST that has to succeed."""
        headers = {**self.headers, "X-Zuoxi-Csrf": csrf_of(self.token)}
        async with self.http.post(
            f"{self.base}/api/v1{path}", json=body, headers=headers
        ) as answer:
            assert answer.status < 300, await answer.text()

    @property
    def headers(self) -> dict[str, str]:
        """What a browser sends."""
        return {"Origin": self.base, "Cookie": f"{COOKIE}={self.token}"}

    async def run(self) -> None:
        """Connect, listen, and try again after a pause, for ever."""
        while True:
            self.tried_at = time.monotonic()
            try:
                async with self.http.ws_connect(
                    f"{self.base}/api/v1/live", headers=self.headers
                ) as socket:
                    await socket.send_json({"type": "subscribe", "topics": ["desk"]})
                    alive = asyncio.create_task(_say_alive(socket))
                    async for message in socket:
                        self._take(json.loads(message.data))
                        self.attempt = 0
                    alive.cancel()
            except aiohttp.WSServerHandshakeError as error:
                self.refusals.append(f"{error.status}")
            except (aiohttp.ClientError, OSError):
                pass
            self.live.clear()
            await asyncio.sleep(pause_before(self.attempt))
            self.attempt += 1

    def _take(self, message: dict[str, Any]) -> None:
        if message["type"] == "snapshot":
            self.rows = message["rows"]
            self.back_at = time.monotonic()
            self.live.set()
        elif message["type"] == "changes":
            for table, rows in message["put"].items():
                self.rows[table].update(rows)


async def _say_alive(socket: aiohttp.ClientWebSocketResponse) -> None:
    while not socket.closed:
        await socket.send_json({"type": "alive"})
        await asyncio.sleep(2)


async def _tokens(dsn: str) -> dict[str, str]:
    """Sessions of PANELS agents, as if they had signed in: agent -> token."""
    tokens = {f"{1000 + n}": f"{n:043d}" for n in range(1, PANELS + 1)}
    now = datetime.now(UTC)
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(
            "INSERT INTO users (name, full_name, password_hash, roles, agent_id, language)"
            " SELECT 'agent' || id, id, '$argon2id$none', ARRAY['agent'], id, 'en' "
            "FROM unnest($1::text[]) AS id",
            list(tokens),
        )
        await connection.executemany(
            "INSERT INTO sessions (token_sha256, user_id, address, created_at, last_seen_at,"
            " expires_at) SELECT $1, user_id, '', $3, $3, $4 FROM users WHERE agent_id = $2",
            [
                (key_of(token), agent_id, now, now + timedelta(hours=8))
                for agent_id, token in tokens.items()
            ],
        )
    finally:
        await connection.close()
    return tokens


@asynccontextmanager
async def panels_of(site: Whole) -> AsyncIterator[list[Panel]]:
    """PANELS panels, connected."""
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
    ) as http:
        panels = [
            Panel(agent_id, token, http, site.base)
            for agent_id, token in (await _tokens(site.dsn)).items()
        ]
        running = [asyncio.create_task(each.run()) for each in panels]
        yield panels
        for each in running:
            each.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _listens(site: Whole) -> float:
    """When the server first takes a connection."""
    while True:
        try:
            _, writer = await asyncio.open_connection(LOOPBACK, site.site.web_port)
        except OSError:
            await asyncio.sleep(0.01)
        else:
            writer.close()
            return time.monotonic()


def _cpu_seconds(pid: int) -> float:
    """What the process has used, user and system."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / CLOCK_TICKS


def _busiest(moments: list[float], seconds: float) -> int:
    """The most moments in any stretch of so many seconds."""
    return max(sum(start <= each < start + seconds for each in moments) for start in moments)


@pytest.mark.parametrize("tries", [0, 5], ids=["at once", "after a while"])
async def test_all_panels_are_back_within_five_seconds_and_do_not_stampede(
    sandbox: TestSandbox,
    database: str,
    record_property: Callable[[str, object], None],
    tries: int,
) -> None:
    """After a while all of them wait as long as they ever do."""
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] >= 4 * PANELS, "this test holds so many"
    floor = small_floor(PANELS, kind="browser")
    async with whole(sandbox, database, floor) as site, panels_of(site) as panels:
        await asyncio.gather(*(each.live.wait() for each in panels))
        for each in panels:
            await each.act("/agent/sign-in", extension=f"8{each.agent_id[1:]}")
        assert site.server is not None
        await site.server.kill()
        killed_at = time.monotonic()
        await until(lambda: all(each.attempt >= tries for each in panels))
        listening = asyncio.create_task(_listens(site))
        server = await site.start_server()
        listens_at = await listening
        await until(lambda: all(each.back_at > killed_at for each in panels))

        last = max(each.back_at for each in panels) - listens_at
        busiest = _busiest([each.tried_at for each in panels], 0.1)
        record_property("back_seconds", last)
        record_property("cpu_seconds", _cpu_seconds(server.pid))
        record_property("busiest_100_ms", busiest)
        assert last < BACK_SECONDS
        assert [each.refusals for each in panels if each.refusals] == []
        assert busiest <= PANELS / 3
        for each in panels:
            assert list(each.rows["me"]) == [each.agent_id], "one's own desk and no other"
            assert each.rows["me"][each.agent_id]["state"] == "not_ready"
        await site.ready()
