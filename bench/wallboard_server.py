"""The server for `bench.wallboard`: the web room with its hub, and a floor on which things happen.

    python -m bench.wallboard_server DSN

Prints its port, then obeys lines: `ours` or `plain` (how the floor is sent from now on), `used`
(prints the processor's seconds so far). Ends with its standard input.

`plain` is the rival: one loop that makes each client's message for that client and awaits its
sending, as a first version of such a server does. It renders the same rows.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import argon2
import asyncpg
import structlog
import uvloop
from aiohttp import WSCloseCode, web

from config.floor import Floor
from config.settings import WebSettings
from cti import domain, inputs
from cti.collector import calm
from cti.domain import Recorded
from cti.journal import JournalStats
from cti.journal.database import open_pool
from cti.sandbox.ports import LOOPBACK
from web.hub import Hub
from web.live import LiveView
from web.server import create_app
from web.services import LinkStatus, Services
from web.users import Passwords, add_user

SUPERVISOR, PASSWORD = "sue", "blue-kettle-42"
QUEUES, AGENTS = 10, 300
TICK_SECONDS = 0.1
SEND_BUFFER = 32 * 1024
CHEAP = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
"""What a password costs is not measured here."""


def floor() -> Floor:
    """Ten queues, 300 agents in two of them each."""
    return Floor.model_validate(
        {
            "queues": [{"name": f"q{number}"} for number in range(QUEUES)],
            "agents": [
                {
                    "id": str(1000 + number),
                    "name": f"Agent {number}",
                    "queues": [{"queue": f"q{(number + step) % QUEUES}"} for step in (0, 3)],
                }
                for number in range(AGENTS)
            ],
        }
    )


class Happenings:
    """Calls that come and are answered, without end: a busy floor of 300 agents.

    Each tick a caller enters and another is answered, one agent finishes and one becomes ready: so
    ten calls a second.
    """

    def __init__(self) -> None:
        self._seq = itertools.count(1)
        self._number = itertools.count()
        self._callers = itertools.count()

    def start(self, at: float) -> list[Recorded]:
        """Everybody is ready, and some wait."""
        events: list[domain.DomainEvent] = [
            domain.AgentStateChanged(at=at, agent_id=str(1000 + number), state="ready")
            for number in range(AGENTS)
        ]
        return [*self._recorded(events), *(each for _ in range(40) for each in self._enters(at))]

    def tick(self, at: float) -> list[Recorded]:
        """The next tenth of a second."""
        number = next(self._number)
        agent = str(1000 + number % AGENTS)
        finishing, resting = str(1000 + (number + 100) % AGENTS), str(1000 + (number + 90) % AGENTS)
        entered = f"c{number}"
        events: list[domain.DomainEvent] = [
            domain.QueueLeft(
                at=at,
                call_id=entered,
                visit_id=entered,
                queue=f"q{number % QUEUES}",
                reason="answered",
                waited_seconds=4.0,
                agent_id=agent,
            ),
            domain.AgentStateChanged(at=at, agent_id=agent, state="talking", call_id=entered),
            domain.AgentStateChanged(at=at, agent_id=finishing, state="wrap_up"),
            domain.AgentStateChanged(at=at, agent_id=resting, state="ready"),
        ]
        return [*self._recorded(events), *self._enters(at)]

    def _enters(self, at: float) -> Iterator[Recorded]:
        number = next(self._callers)
        call = f"c{number}"
        yield from self._recorded(
            [
                domain.QueueEntered(
                    at=at,
                    call_id=call,
                    visit_id=call,
                    queue=f"q{number % QUEUES}",
                    channel="PJSIP/trunk-1",
                    leg_id=call,
                    entered_at=at,
                )
            ]
        )

    def _recorded(self, events: list[domain.DomainEvent]) -> list[Recorded]:
        return [Recorded(next(self._seq), event) for event in events]


class Plain:
    """The rival's clients."""

    def __init__(self, view: LiveView) -> None:
        self._view = view
        self._clients: set[web.WebSocketResponse] = set()

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one client: nobody has to sign in here."""
        client = web.WebSocketResponse(compress=False)
        await client.prepare(request)
        self._clients.add(client)
        async for _ in client:
            pass
        self._clients.discard(client)
        return client

    async def broadcast(self, records: list[Recorded]) -> None:
        """Send what changed to each in turn."""
        keys = set().union(*(self._view.evolve(record).floor for record in records))
        for client in list(self._clients):
            put, gone = self._view.rows("floor", None, keys, clear=True)
            message = {"type": "changes", "now": time.time(), "put": put, "del": gone}
            if not client.closed:
                await client.send_str(json.dumps(message))

    async def close(self, _app: web.Application) -> None:
        """See them off."""
        for client in list(self._clients):
            await client.close(code=WSCloseCode.GOING_AWAY)


async def _refuse(request: inputs.Request) -> inputs.Reply:
    return inputs.Reply(request_id=request.request_id, code="fenced")


async def serve(dsn: str) -> None:
    """Until the standard input ends."""
    pool = await open_pool(dsn)
    async with pool.acquire() as connection:
        await add_user(
            connection, Passwords(CHEAP), name=SUPERVISOR, password=PASSWORD, roles=["supervisor"]
        )

    async def give() -> asyncpg.Pool[asyncpg.Record]:
        return pool

    view, settings = LiveView(floor()), WebSettings()
    view.set_teams(lambda agent_id: f"Team {int(agent_id) % 8}")
    hub = Hub(view, lambda _item: None, time.time)
    plain = Plain(view)
    services = Services(
        ask=_refuse,
        hub=hub,
        floor=floor(),
        pool=give,
        connect=lambda: asyncpg.connect(dsn),
        recording_file=lambda _path: None,
        sip_password=lambda _extension: None,
        link=lambda: LinkStatus(state="ready", since=0.0),
        journal=_journal,
        settings=settings,
        sip_ws_url="wss://pbx.example:8089/ws",
        sip_domain="pbx.example",
        clock=time.time,
        uploads=Path("/nonexistent"),  # ours are cleared of what our database does not name
    )
    app = create_app(services, screens=Path(__file__).parent, hasher=CHEAP)
    app.on_shutdown.append(plain.close)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1)
    await runner.setup()
    await web.SockSite(runner, _listening(), backlog=2048).start()
    rival = web.Application()
    rival.router.add_get("/plain", plain.handle)
    rival_runner = web.AppRunner(rival, access_log=None, shutdown_timeout=1)
    await rival_runner.setup()
    await web.SockSite(rival_runner, _listening(), backlog=2048).start()
    print(runner.addresses[0][1], rival_runner.addresses[0][1], flush=True)

    happenings, way = Happenings(), _Way()
    hub.publish(happenings.start(time.time()))
    calm()
    feeding = asyncio.create_task(_feed(happenings, hub, plain, way))
    obeying = asyncio.create_task(_obey(way))
    await asyncio.wait({feeding, obeying}, return_when=asyncio.FIRST_COMPLETED)
    feeding.cancel()
    await rival_runner.cleanup()
    await runner.cleanup()
    await pool.close()


def _listening() -> socket.socket:
    """Where both listen. On loopback the kernel would take megabytes for a client that reads
    nothing, so that it stood still only after a minute.
    """
    plug = socket.socket()
    plug.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    plug.bind((LOOPBACK, 0))
    return plug


class _Way:
    plain = False


async def _feed(happenings: Happenings, hub: Hub, plain: Plain, way: _Way) -> None:
    """Ten times a second, whatever the last one cost; late ones are not made up for."""
    due = time.monotonic()
    while True:
        due = max(due + TICK_SECONDS, time.monotonic())
        await asyncio.sleep(due - time.monotonic())
        records = happenings.tick(time.time())
        if way.plain:
            await plain.broadcast(records)
        else:
            hub.publish(records)


async def _obey(way: _Way) -> None:
    reader = asyncio.StreamReader()
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().strip():
        if line in ("ours", "plain"):
            way.plain = line == "plain"
        print(time.process_time(), flush=True)


def _journal() -> JournalStats:
    return JournalStats(
        last_seq=0,
        stored_seq=0,
        database="up",
        since=0.0,
        reason="",
        spool_bytes=0,
        disk="ok",
        disk_reason="",
        lost_records=0,
        unreadable_records=0,
    )


if __name__ == "__main__":
    # Standard output is for the figures.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    uvloop.run(serve(sys.argv[1]))
