"""The FastAGI server: one short connection for each question, every one within the deadline."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import cast

import structlog

from cti.agi.wire import AgiError, AgiRequest, RequestReader, encode_variables

log = structlog.get_logger(__name__)

DEADLINE_SECONDS = 1.0
MAX_OPEN = 256

Handler = Callable[[AgiRequest], Mapping[str, str]]
"""Answers at once, from memory, with channel variables to set; an exception leaves the dialplan to
its default."""


class AgiServer:
    """Answers `agi://host:port/<path>` by the handler of that path.

    :param allowed: addresses and networks of Asterisk; others are closed unheard.
    :param deadline_seconds: for one whole connection, from its opening to its end.
    """

    def __init__(
        self,
        handlers: Mapping[str, Handler],
        *,
        allowed: Sequence[str],
        deadline_seconds: float = DEADLINE_SECONDS,
    ) -> None:
        self._handlers = handlers
        self._allowed = [ipaddress.ip_network(each, strict=False) for each in allowed]
        self._admitted: set[str] = set()
        self._deadline_seconds = deadline_seconds
        self._open: set[_Connection] = set()
        self._server: asyncio.Server | None = None
        self.outcomes: Counter[str] = Counter()
        """What became of connections: answered, late, malformed, unknown, refused, failed, cut."""

    async def start(self, host: str, port: int) -> None:
        """Listen; an OSError says that the port is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), host, port)

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        return int(self._server.sockets[0].getsockname()[1])

    @property
    def open(self) -> int:
        """Connections under way."""
        return len(self._open)

    async def close(self) -> None:
        """Stop listening and cut what is open."""
        if self._server is not None:
            self._server.close()
        ended = [connection.end("cut") for connection in list(self._open)]
        await asyncio.gather(*ended)

    def admit(self, connection: _Connection, peer: str) -> float | None:
        """Let a new connection in, for so many seconds; None when it must go."""
        if not self._is_allowed(peer) or len(self._open) >= MAX_OPEN:
            log.warning("agi refused", peer=peer, open=len(self._open))
            return None
        self._open.add(connection)
        return self._deadline_seconds

    def over(self, connection: _Connection, outcome: str) -> None:
        """A connection is closed."""
        self._open.discard(connection)
        self.outcomes[outcome] += 1

    def answer(self, request: AgiRequest) -> tuple[str, bytes]:
        """The outcome, and what Asterisk is told."""
        handler = self._handlers.get(request.path)
        if handler is None:
            log.warning("agi path unknown", path=request.path[:80])
            return "unknown", b""
        try:
            return "answered", encode_variables(handler(request))
        except Exception:
            log.exception("agi handler failed", path=request.path, uniqueid=request.uniqueid)
            return "failed", b""

    def _is_allowed(self, peer: str) -> bool:
        if peer not in self._admitted:
            address = ipaddress.ip_address(peer)
            if not any(address in network for network in self._allowed):
                return False
            self._admitted.add(peer)
        return True


class _Connection(asyncio.Protocol):
    """One question and its answer."""

    _transport: asyncio.Transport
    _deadline: asyncio.TimerHandle | None = None

    def __init__(self, server: AgiServer) -> None:
        self._server = server
        self._frames = RequestReader()
        self._outcome = ""
        self._closed = asyncio.get_running_loop().create_future()

    def end(self, outcome: str) -> asyncio.Future[None]:
        """Close at once, with this outcome unless there is one; done when it is closed."""
        self._outcome = self._outcome or outcome
        self._transport.abort()
        return self._closed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asterisk opened it; or somebody else did."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        seconds = self._server.admit(self, transport.get_extra_info("peername")[0])
        if seconds is None:
            self.end("refused")
            return
        loop = asyncio.get_running_loop()
        self._deadline = loop.call_later(seconds, self._late, seconds)

    def data_received(self, data: bytes) -> None:
        """Take a piece of the question; answer when it is whole. Asterisk closes after that."""
        if self._outcome:
            return
        try:
            request = self._frames.feed(data)
        except AgiError as error:
            self._malformed(str(error))
            return
        if request is None:
            return
        self._outcome, answer = self._server.answer(request)
        self._transport.write(answer)
        # Our end of the conversation: Asterisk runs the command and closes, without a round trip.
        self._transport.write_eof()

    def eof_received(self) -> bool:
        """Asterisk has closed its side."""
        if not self._outcome:
            self._malformed("closed before a whole request")
        return False

    def connection_lost(self, _error: Exception | None) -> None:
        """It is over."""
        if self._deadline is not None:
            self._deadline.cancel()
        self._server.over(self, self._outcome or "malformed")
        if not self._closed.done():
            self._closed.set_result(None)

    def _late(self, seconds: float) -> None:
        log.warning("agi late", deadline_seconds=seconds)
        self.end("late")

    def _malformed(self, why: str) -> None:
        log.warning("agi malformed", error=why)
        self.end("malformed")
