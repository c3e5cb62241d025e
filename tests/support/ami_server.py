"""A manager port to test the link against: answers as Asterisk does until it is told otherwise."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any, Self

from cti.ami.wire import EOL
from cti.sandbox.ports import LOOPBACK

CHALLENGE = "123456789"
USER, SECRET = "zuoxi", "geheim"
LISTS = {
    "Status": "StatusComplete",
    "DeviceStateList": "DeviceStateListComplete",
    "QueueStatus": "QueueStatusComplete",
}

Headers = dict[str, str]
Answer = Callable[[Headers], bytes]


def frame(*headers: tuple[str, str], **more: str) -> bytes:
    """One frame on the wire."""
    lines = [*headers, *more.items()]
    return b"".join(f"{name}: {value}".encode() + EOL for name, value in lines) + EOL


def success(action: Headers, **more: str) -> bytes:
    return frame(Response="Success", ActionID=action["ActionID"], **more)


def error(message: str) -> Answer:
    return lambda action: frame(Response="Error", ActionID=action["ActionID"], Message=message)


def listing(*items: tuple[tuple[str, str], ...], end: str) -> Answer:
    """The answer to a list action."""

    def answer(action: Headers) -> bytes:
        action_id = ("ActionID", action["ActionID"])
        whole = [frame(*item, action_id) for item in items]
        complete = frame(("Event", end), action_id, ("EventList", "Complete"))
        return b"".join([success(action, EventList="start"), *whole, complete])

    return answer


class AmiServer:
    """Use as a context manager; its `port` stays the same over `stop` and `start`.

    :ivar actions: all actions received, in order, over all connections.
    :ivar answers: action name -> what to answer instead; None: nothing.
    :ivar connections: how many were made.
    """

    def __init__(self, port: int = 0) -> None:
        self.port = port
        self.actions: list[Headers] = []
        self.answers: dict[str, Answer | None] = {}
        self.greeting = b"Asterisk Call Manager/11.0.0\r\n"
        self.connections = 0
        self.connected = asyncio.Event()
        self._writers: set[asyncio.StreamWriter] = set()
        self._news = asyncio.Condition()
        self._server: asyncio.Server

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, LOOPBACK, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    def cut(self) -> None:
        """Break all connections."""
        for writer in self._writers:
            writer.transport.abort()

    def say(self, data: bytes) -> None:
        """Write bytes to all who are connected."""
        for writer in self._writers:
            writer.write(data)

    def event(self, name: str, *headers: tuple[str, str], **more: str) -> None:
        """Send an event."""
        self.say(frame(("Event", name), *headers, *more.items()))

    async def received(self, name: str, count: int = 1) -> Headers:
        """Wait until an action of this name came `count` times; give the last of them."""
        async with asyncio.timeout(10), self._news:
            while True:
                found = [action for action in self.actions if action["Action"] == name]
                if len(found) >= count:
                    return found[-1]
                await self._news.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.connected.set()
        self._writers.add(writer)
        writer.write(self.greeting)
        try:
            while True:
                raw = await reader.readuntil(EOL + EOL)
                await self._act(dict(_header(line) for line in raw.split(EOL) if line), writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _act(self, action: Headers, writer: asyncio.StreamWriter) -> None:
        name = action["Action"]
        answer = self.answers.get(name, self._answer)
        if answer is not None:
            writer.write(answer(action))
        async with self._news:
            self.actions.append(action)
            self._news.notify_all()

    def _answer(self, action: Headers) -> bytes:
        more: dict[str, Any] = {}
        match action["Action"]:
            case "Challenge":
                more = {"Challenge": CHALLENGE}
            case "Login":
                key = hashlib.md5((CHALLENGE + SECRET).encode()).hexdigest()
                if (action["Username"], action.get("Key")) != (USER, key):
                    return error("Authentication failed")(action)
            case "Ping":
                more = {"Ping": "Pong", "Timestamp": "1700000000.000000"}
            case "CoreStatus":
                more = {"CoreStartupDate": "2026-01-02", "CoreStartupTime": "03:04:05"}
            case name if name in LISTS:
                return listing(end=LISTS[name])(action)
        return success(action, **more)


def _header(line: bytes) -> tuple[str, str]:
    name, _, value = line.decode().partition(": ")
    return name, value
