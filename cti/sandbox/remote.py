"""A remote control for the sandbox's own Asterisks over AMI, as its all-mighty account.

It is for the far end, for tests and for the demo; the product has its own link (cti.ami).
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count

from cti.ami.wire import Frame, FrameReader, encode_action
from cti.sandbox.system import SandboxError

ACTION_SECONDS = 10.0
CHUNK_BYTES = 65536

Headers = Mapping[str, str]


class ActionRefusedError(SandboxError):
    """Asterisk refused an action; the message holds its words."""


class ConnectionLostError(SandboxError):
    """Asterisk has ended, or has closed the connection."""


class Remote:
    """One connection. `on_event` is called for each event, in order, with its headers."""

    def __init__(self, on_event: Callable[[Headers], None]) -> None:
        self._on_event = on_event
        self._numbers = count(1)
        self._answers: dict[str, asyncio.Future[dict[str, str]]] = {}
        self._reading: asyncio.Task[None] | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def connect(self, host: str, port: int, user: str, secret: str) -> None:
        """Connect and log in, subscribed to all events."""
        reader, self._writer = await asyncio.open_connection(host, port)
        self._reading = asyncio.create_task(self._read(reader))
        await self.act("Login", Username=user, Secret=secret, Events="on")

    async def act(self, name: str, **headers: str) -> dict[str, str]:
        """Send an action and return its response; raise ActionRefusedError if it is an error.

        A header that is a keyword of Python takes a `_` at its end.
        """
        if self._writer is None or self._reading is None or self._reading.done():
            raise ConnectionLostError(f"{name}: there is no connection to Asterisk.")
        action_id = f"sandbox-{next(self._numbers)}"
        pairs = [(key.rstrip("_"), value) for key, value in headers.items()]
        self._answers[action_id] = asyncio.get_running_loop().create_future()
        self._writer.write(encode_action(name, pairs, action_id=action_id))
        try:
            async with asyncio.timeout(ACTION_SECONDS):
                answer = await self._answers[action_id]
        finally:
            del self._answers[action_id]
        if answer.get("Response") == "Error":
            raise ActionRefusedError(f"{name} {headers}: {answer.get('Message', 'refused')}")
        return answer

    async def close(self) -> None:
        """Close the connection; raise what `on_event` raised: since then nothing was heard."""
        if self._writer is not None:
            self._writer.close()
        if self._reading is not None:
            self._reading.cancel()
            with suppress(asyncio.CancelledError, OSError):
                await self._reading

    async def _read(self, reader: asyncio.StreamReader) -> None:
        frames = FrameReader()
        try:
            while data := await reader.read(CHUNK_BYTES):
                for frame in frames.feed(data):
                    self._take(frame)
        finally:
            for answer in self._answers.values():
                if not answer.done():
                    answer.set_exception(ConnectionLostError("Asterisk went away."))

    def _take(self, frame: Frame) -> None:
        headers = {
            name: value if isinstance(value, str) else value[-1]
            for name, value in frame.headers().items()
        }
        if "Event" in headers:
            self._on_event(headers)
        elif (answer := self._answers.get(headers.get("ActionID", ""))) and not answer.done():
            answer.set_result(headers)
