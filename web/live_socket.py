"""The live connection: a WebSocket bound to the session and to our own pages.

Client -> {"type": "subscribe", "topics": ["desk"]} or ["floor"], {"type": "alive"} every 2 s.
"take": true with the desk has it here, though it is open in another browser.
What else a client sends, or more than it needs to, ends the connection.
"""

from __future__ import annotations

import asyncio
import struct
import time
from functools import lru_cache
from typing import Literal

import msgspec
import structlog
from aiohttp import WSCloseCode, WSMsgType, web

from web.desks import Answer
from web.endpoint import Parts, check_origin, session_of
from web.hub import Client
from web.live import Topic
from web.problems import Problem
from web.reach import EVERYTHING
from web.rights import Right
from web.sessions import Session

log = structlog.get_logger(__name__)

MESSAGE_LIMIT_BYTES = 1024
MESSAGES_PER_SECOND = 5.0
MESSAGES_BURST = 20.0
CONNECTIONS_PER_SESSION = 10
WRITER_LIMIT_BYTES = 32 * 1024
PING_SECONDS = 15.0
CLOSE_SECONDS = 2.0
SESSION_OVER = 4401
NO_RIGHT = 4403
PUT_OFF: dict[Answer, int] = {"elsewhere": 4409, "in_call": 4423}
"""The desk is in another browser; in a call there, so that it cannot be taken."""
RIGHTS: dict[Topic, Right] = {"desk": "desk.use", "floor": "floor.see"}


class Subscribe(msgspec.Struct, tag="subscribe", frozen=True, forbid_unknown_fields=True):
    """Watch one topic."""

    topics: list[Literal["desk", "floor"]]
    take: bool = False


class Alive(msgspec.Struct, tag="alive", frozen=True, forbid_unknown_fields=True):
    """The panel's heartbeat."""


_TEXT = 0x81
"""First byte of an unfragmented text frame."""
_DECODE = msgspec.json.Decoder(Subscribe | Alive).decode


class MisuseError(Exception):
    """The client broke the rules; the message says which."""

    code = WSCloseCode.POLICY_VIOLATION.value


class NoRightError(MisuseError):
    """The client wants to watch what its session may not see: trying again does not help."""

    code = NO_RIGHT


class Allowance:
    """How many messages a client may still send: a bucket that refills."""

    def __init__(self, now: float) -> None:
        self._left = MESSAGES_BURST
        self._at = now

    def take(self, now: float) -> None:
        """Count one message.

        :raises MisuseError: too many.
        """
        self._left = min(MESSAGES_BURST, self._left + (now - self._at) * MESSAGES_PER_SECOND) - 1
        self._at = now
        if self._left < 0:
            raise MisuseError("too many messages")


@lru_cache(maxsize=64)
def _framed(message: bytes) -> bytes:
    """A whole WebSocket text frame, made once for all who get the same message (RFC 6455, 5.2)."""
    size = len(message)
    if size < 126:
        head = struct.pack("!BB", _TEXT, size)
    elif size < 1 << 16:
        head = struct.pack("!BBH", _TEXT, 126, size)
    else:
        head = struct.pack("!BBQ", _TEXT, 127, size)
    return head + message


class LiveSocket:
    """GET /api/v1/live."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._hub = parts.services.hub

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Serve one browser until it leaves or its session ends."""
        check_origin(request, self._parts.services.settings.origins)
        session = await session_of(request, self._parts)
        assert session is not None
        if self._hub.connections(session.key) >= CONNECTIONS_PER_SESSION:
            raise Problem("too_many_connections")
        socket = web.WebSocketResponse(
            heartbeat=PING_SECONDS,
            timeout=CLOSE_SECONDS,
            autoping=False,
            compress=False,
            max_msg_size=MESSAGE_LIMIT_BYTES,
            writer_limit=WRITER_LIMIT_BYTES,
        )
        try:
            await socket.prepare(request)
        except ConnectionError:
            return socket  # the browser left while it was let in
        transport = request.transport
        try:
            await self._serve(request, socket, session)
        finally:
            # What a browser that does not read has not taken would be kept for as long as it likes.
            if transport and transport.get_write_buffer_size():
                transport.abort()
        return socket

    async def _serve(
        self, request: web.Request, socket: web.WebSocketResponse, session: Session
    ) -> None:
        async def send(message: bytes) -> None:
            await socket.send_frame(message, WSMsgType.TEXT)

        def at_once(message: bytes) -> bool:
            transport = request.transport
            if transport is None or transport.is_closing() or socket.closed:
                return False
            if transport.get_write_buffer_size():
                return False
            transport.write(_framed(message))
            return True

        client = Client(
            send,
            at_once=at_once,
            session=session.key,
            agent_id=session.user.agent_id,
            clear=session.may("numbers.see"),
            reach=session.reach("floor.see") if session.may("floor.see") else EVERYTHING,
            signed_in_at=session.created_at,
        )
        self._hub.join(client)
        reader = asyncio.create_task(self._read(socket, client, session))
        writer = asyncio.create_task(self._hub.write(client))
        try:
            await asyncio.wait({reader, writer}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self._hub.leave(client)
            reader.cancel()
            writer.cancel()
            ends = await asyncio.gather(reader, writer, return_exceptions=True)
        await self._close(socket, client, session, ends[0], ends[1])

    async def _close(
        self,
        socket: web.WebSocketResponse,
        client: Client,
        session: Session,
        read: object,
        wrote: object,
    ) -> None:
        code, words = WSCloseCode.GOING_AWAY.value, b""
        if isinstance(read, MisuseError):
            code, words = read.code, str(read).encode()
            log.info("live_client_misbehaved", why=str(read), user=session.user.name)
        elif self._parts.sessions.living(session.key) is None:
            code, words = SESSION_OVER, b"the session is over"
        elif client.put_off:
            code, words = PUT_OFF[client.put_off], b"the desk is in another browser"
        elif isinstance(wrote, TimeoutError):
            code, words = WSCloseCode.TRY_AGAIN_LATER.value, b"the page did not read"
        for end in (read, wrote):
            expected = (MisuseError, ConnectionError, TimeoutError, asyncio.CancelledError)
            if isinstance(end, BaseException) and not isinstance(end, expected):
                raise end
        # Draining would wait for a browser that reads nothing.
        await socket.close(code=code, message=words, drain=False)

    async def _read(self, socket: web.WebSocketResponse, client: Client, session: Session) -> None:
        allowance = Allowance(time.monotonic())
        async for message in socket:
            allowance.take(time.monotonic())
            if message.type is WSMsgType.TEXT:
                self._obey(message.data, client, session)
            elif message.type is WSMsgType.PING:
                await socket.pong(message.data)
            elif message.type is not WSMsgType.PONG:
                raise MisuseError("not text")

    def _obey(self, text: str, client: Client, session: Session) -> None:
        try:
            order = _DECODE(text)
        except (msgspec.DecodeError, UnicodeEncodeError):
            raise MisuseError("malformed message") from None
        if isinstance(order, Alive):
            self._hub.alive(client)
            self._parts.sessions.touch(session)
            return
        if len(order.topics) != 1:
            raise MisuseError("one topic per connection")
        topic = order.topics[0]
        if not session.may(RIGHTS[topic]):
            raise NoRightError(f"no right {RIGHTS[topic]}")
        self._hub.subscribe(client, topic, take=order.take)
