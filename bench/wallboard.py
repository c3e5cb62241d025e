"""`./zuoxi bench wallboard`: how far a thousand wallboards are behind the floor.

The server (`bench.wallboard_server`: the web room with its hub, sessions in a real PostgreSQL) runs
in a process of its own; this one is the thousand clients, each over a WebSocket of its own. On the
floor of 300 agents and ten queues something happens ten times a second. Counted is the time from
the moment at which an event is folded to the moment at which its message was read; both processes
have the same clock.

Rounds take turns: all read, and one client more that reads nothing at all. What that one changes
is told by the least of each: whatever else the machine does comes on top of both. The rival, in the
same run, is the plain loop over all clients that makes each message for its client and awaits its
sending.
"""

from __future__ import annotations

import asyncio
import base64
import http.cookies
import os
import socket
import struct
import sys
import time
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median, quantiles
from typing import NamedTuple

import aiohttp
import uvloop

from bench.report import Figure, Report, figure, report
from bench.wallboard_server import PASSWORD, SUPERVISOR, TICK_SECONDS
from cti.collector import calm
from cti.journal.database import migrate
from cti.sandbox.ports import LOOPBACK
from cti.sandbox.postgres import Postgres, ensure_binaries
from cti.sandbox.system import PROJECT, prepare_place, say_on_stderr

CLIENTS = 1_000
CLIENTS_OF_SESSION = 10
ROUNDS = 5
ROUND_SECONDS = 4.0
SETTLE_SECONDS = 2.0
STALL_SECONDS = 5.0
"""Until the buffers on the way of the one that reads nothing are full."""
PLAIN_STALL_SECONDS = 20.0
"""The rival sends less in the same time."""
AT_ONCE = 50
"""Clients that connect at the same time."""
CONNECT_SECONDS = 60.0
ALIVE_SECONDS = 2.0
GOAL_MILLISECONDS = 250.0
GOAL_STALLED = 1.2
PLAIN = "plain loop"
STAMP = b'"entered_at":'
SMALL_BUFFER = 4096

SUBSCRIBE = b'{"type":"subscribe","topics":["floor"]}'
ALIVE = b'{"type":"alive"}'


class Measured(NamedTuple):
    """One round.

    :param behind: seconds from fold to read, of every update that every client read.
    :param share: updates that were read of those there should have been.
    :param cpu: the server's seconds of processor for each second.
    :param size: mean bytes of an update.
    """

    behind: array[float]
    share: float
    cpu: float
    size: float

    def milliseconds(self, share: int) -> float:
        """A percentile."""
        return quantiles(self.behind, n=100)[share - 1] * 1000


class Watcher(asyncio.Protocol):
    """One client: as little as a client can be, so that a thousand fit into one process."""

    def __init__(self, request: bytes, samples: Samples) -> None:
        self._request = request
        self._samples = samples
        self._buffer = bytearray()
        self._open = False
        self._pongs = 0
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the upgrade."""
        assert isinstance(transport, asyncio.Transport) or hasattr(transport, "write")
        self.transport = transport  # type: ignore[assignment]
        self.write(self._request)

    def write(self, data: bytes) -> None:
        """Send as it is."""
        assert self.transport is not None
        self.transport.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """An end before the beginning is an error; others are seen by their missing updates."""
        if not self.ready.done():
            self.ready.set_exception(exc or ConnectionError("the server closed"))

    def data_received(self, data: bytes) -> None:
        """Take whole frames; a text with a stamp is an update."""
        self._buffer += data
        if not self._open:
            head, separator, rest = self._buffer.partition(b"\r\n\r\n")
            if not separator:
                return
            if b" 101 " not in head.split(b"\r\n", 1)[0]:
                self.ready.set_exception(ConnectionError(head.decode(errors="replace")))
                return
            self._buffer, self._open = rest, True
            self.write(masked(SUBSCRIBE))
        while (size := self._frame()) is not None:
            del self._buffer[:size]

    def _frame(self) -> int | None:
        """Read the frame at the head of the buffer; its size, None while it is not whole."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        begin, length = 2, buffer[1]
        if length >= 126:
            begin = 4 if length == 126 else 10
            if len(buffer) < begin:
                return None
            length = int.from_bytes(buffer[2:begin])
        if len(buffer) < begin + length:
            return None
        if buffer[0] & 0x0F == 9:
            self.write(masked(bytes(buffer[begin : begin + length]), opcode=10))
            return begin + length
        if not self.ready.done():
            self.ready.set_result(None)
        self._samples.read(buffer, begin + length)
        return begin + length


class Samples:
    """What all clients of a round read."""

    def __init__(self) -> None:
        self.behind: array[float] = array("d")
        self.size = 0
        self.counts = False

    def read(self, buffer: bytearray, end: int) -> None:
        """The newest event of the message that ends there."""
        place = buffer.rfind(STAMP, 0, end)
        if place < 0 or not self.counts:
            return
        place += len(STAMP)
        number = bytes(buffer[place : place + 24]).split(b",", 1)[0].split(b"}", 1)[0]
        self.size += end
        self.behind.append(time.time() - float(number))


def masked(payload: bytes, opcode: int = 1) -> bytes:
    """A client's frame; the mask of zeros leaves the payload as it is."""
    return struct.pack("!BBI", 0x80 | opcode, 0x80 | len(payload), 0) + payload


class Server:
    """The other process."""

    def __init__(self, process: asyncio.subprocess.Process, ports: tuple[int, int]) -> None:
        self._process = process
        self.port, self.plain_port = ports

    async def say(self, word: str) -> float:
        """Give an order; the processor's seconds that the server has used."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{word}\n".encode())
        return float(await self._process.stdout.readline())

    async def cookies(self, count: int) -> list[str]:
        """Sign in so many times."""
        url = f"http://{LOOPBACK}:{self.port}"
        found = []
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client:
            for _ in range(count):
                async with client.post(
                    f"{url}/api/v1/session",
                    json={"user": SUPERVISOR, "password": PASSWORD},
                    headers={"Origin": url},
                ) as answer:
                    answer.raise_for_status()
                    morsel: http.cookies.Morsel[str] = answer.cookies["zuoxi_session"]
                    found.append(f"zuoxi_session={morsel.value}")
        return found


@asynccontextmanager
async def started(dsn: str) -> AsyncIterator[Server]:
    """The server as a process of its own."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench.wallboard_server", dsn),
        cwd=PROJECT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        first, second = (await process.stdout.readline()).split()
        yield Server(process, (int(first), int(second)))
    finally:
        process.stdin.close()
        async with asyncio.timeout(10):
            await process.wait()


async def watcher(
    port: int, path: str, samples: Samples, *, cookie: str = "", buffer: int | None = None
) -> Watcher:
    """Connect one client and wait for its first message."""
    key = base64.b64encode(os.urandom(16)).decode()
    request = (
        f"GET {path} HTTP/1.1\r\nHost: {LOOPBACK}:{port}\r\nUpgrade: websocket\r\n"
        f"Connection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
        f"Origin: http://{LOOPBACK}:{port}\r\nCookie: {cookie}\r\n\r\n"
    ).encode()
    plug = socket.socket()
    if buffer is not None:
        plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    plug.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(plug, (LOOPBACK, port))
    _, client = await loop.create_connection(lambda: Watcher(request, samples), sock=plug)
    await client.ready
    return client


@asynccontextmanager
async def crowd(
    port: int, path: str, samples: Samples, cookies: list[str]
) -> AsyncIterator[list[Watcher]]:
    """All clients, each with the heartbeat of a page."""
    clients: list[Watcher] = []
    async with asyncio.timeout(CONNECT_SECONDS):
        for begin in range(0, CLIENTS, AT_ONCE):
            clients += await asyncio.gather(
                *(
                    watcher(port, path, samples, cookie=cookies[number // CLIENTS_OF_SESSION])
                    for number in range(begin, begin + AT_ONCE)
                )
            )
    beating = asyncio.create_task(_beat(clients))
    try:
        yield clients
    finally:
        beating.cancel()
        for client in clients:
            _end(client)


def _end(client: Watcher) -> None:
    if client.transport is not None:
        client.transport.abort()


async def _beat(clients: list[Watcher]) -> None:
    """Each client's heartbeat, spread over the time."""
    while True:
        for number, client in enumerate(clients):
            if client.transport is not None and not client.transport.is_closing():
                client.write(masked(ALIVE))
            if number % 20 == 19:
                await asyncio.sleep(ALIVE_SECONDS * 20 / CLIENTS)


async def measured(server: Server, samples: Samples, settle_seconds: float) -> Measured:
    """One round with the clients as they are."""
    await asyncio.sleep(settle_seconds)
    before = await server.say("used")
    samples.behind, samples.size, samples.counts = array("d"), 0, True
    began = time.monotonic()
    await asyncio.sleep(ROUND_SECONDS)
    samples.counts = False
    took = time.monotonic() - began
    used = await server.say("used") - before
    wanted = CLIENTS * took / TICK_SECONDS
    read = len(samples.behind)
    return Measured(samples.behind, read / wanted, used / took, samples.size / max(read, 1))


@asynccontextmanager
async def stalled(port: int, path: str, cookie: str) -> AsyncIterator[None]:
    """One client more, which subscribes and reads nothing from then on."""
    client = await watcher(port, path, Samples(), cookie=cookie, buffer=SMALL_BUFFER)
    assert client.transport is not None
    client.transport.pause_reading()
    try:
        yield
    finally:
        _end(client)


class Rounds(NamedTuple):
    """All that was measured."""

    reading: list[Measured]
    stalled: list[Measured]
    plain: Measured
    plain_stalled: Measured


async def rounds(dsn: str) -> Rounds:
    """Ours in turns with and without the client that does not read, then the rival."""
    samples = Samples()
    async with started(dsn) as server:
        cookies = await server.cookies(CLIENTS // CLIENTS_OF_SESSION + 1)
        reading, with_stalled = [], []
        live = "/api/v1/live"
        async with crowd(server.port, live, samples, cookies):
            calm()
            for _ in range(ROUNDS):
                reading.append(await measured(server, samples, SETTLE_SECONDS))
                async with stalled(server.port, live, cookies[-1]):
                    with_stalled.append(await measured(server, samples, STALL_SECONDS))
        await server.say("plain")
        async with crowd(server.plain_port, "/plain", samples, cookies):
            plain = await measured(server, samples, SETTLE_SECONDS)
            async with stalled(server.plain_port, "/plain", cookies[-1]):
                plain_stalled = await measured(server, samples, PLAIN_STALL_SECONDS)
        return Rounds(reading, with_stalled, plain, plain_stalled)


def figures(found: Rounds) -> list[Figure]:
    """What is held against the goals and the rival."""
    all_read = [each.milliseconds(99) for each in found.reading]
    with_stalled = [each.milliseconds(99) for each in found.stalled]
    p99 = median(all_read)
    share = median(each.share for each in found.reading)
    share_stalled = median(each.share for each in found.stalled)
    cpu = median(each.cpu for each in found.reading)
    name = f"behind, {CLIENTS} clients, 10 updates/s"
    return [
        figure(f"{name}: goal, p99", p99, "ms", better="lower", goal=GOAL_MILLISECONDS),
        figure(
            f"{name}: worst round of all, p99", max(*all_read, *with_stalled), "ms", better="lower"
        ),
        figure(
            f"{name}: one reads nothing, p99, least of rounds",
            min(with_stalled),
            "ms",
            better="lower",
            rival="all read",
            rival_value=min(all_read),
            goal=GOAL_STALLED,
        ),
        figure(
            f"{name}: one reads nothing, p99",
            median(with_stalled),
            "ms",
            better="lower",
            rival="all read",
            rival_value=p99,
        ),
        figure(
            f"{name}: p50",
            median(each.milliseconds(50) for each in found.reading),
            "ms",
            better="lower",
            rival=PLAIN,
            rival_value=found.plain.milliseconds(50),
        ),
        figure(
            f"{name}: p99",
            p99,
            "ms",
            better="lower",
            rival=PLAIN,
            rival_value=found.plain.milliseconds(99),
            goal=1.0,
        ),
        figure(
            "bytes of an update",
            median(each.size for each in found.reading) / 1024,
            "KiB",
            better="lower",
        ),
        figure(
            "updates read of ten a second",
            share,
            "",
            better="higher",
            rival=PLAIN,
            rival_value=found.plain.share,
        ),
        figure(
            "updates read of ten a second, one reads nothing",
            share_stalled,
            "",
            better="higher",
            rival=PLAIN,
            rival_value=found.plain_stalled.share,
        ),
        figure(
            "server's CPU for each message to a client",
            cpu / (share * CLIENTS / TICK_SECONDS) * 1e6,
            "µs",
            better="lower",
            rival=PLAIN,
            rival_value=found.plain.cpu / (found.plain.share * CLIENTS / TICK_SECONDS) * 1e6,
        ),
    ]


async def bench() -> list[Figure]:
    """With a PostgreSQL of its own."""
    place = prepare_place(say=say_on_stderr)
    database = Postgres(
        "bench-wallboard", place=place, binaries=ensure_binaries(place, say=say_on_stderr)
    )
    await database.start()
    try:
        name = f"wallboard{os.getpid()}"
        dsn = await database.create_database(name)
        await migrate(dsn)
        try:
            return figures(await rounds(dsn))
        finally:
            await database.drop_database(name)
    finally:
        await database.stop()


def run() -> Report:
    """The whole bench."""
    began = time.perf_counter()
    found = uvloop.run(bench())
    return report("wallboard", time.perf_counter() - began, found)
