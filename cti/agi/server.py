"""The FastAGI server: one short connection for each question, every one within the deadline."""

from __future__ import annotations

import asyncio
import ipaddress
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence

import structlog

from cti.agi.wire import AgiError, AgiRequest, RequestReader, encode_variables

log = structlog.get_logger(__name__)

DEADLINE_SECONDS = 1.0
CHUNK_BYTES = 4096
MAX_OPEN = 256

Handler = Callable[[AgiRequest], Awaitable[Mapping[str, str]]]
"""Answers with channel variables to set; an exception leaves the dialplan to its default."""


class AgiServer:
    """Answers `agi://host:port/<path>` by the handler of that path.

    :param allowed: addresses and networks of Asterisk; others are closed unheard.
    :param deadline_seconds: for one whole connection, from its opening to our answer.
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
        self._open: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.outcomes: Counter[str] = Counter()
        """What became of connections: answered, late, malformed, unknown, refused, failed."""

    async def start(self, host: str, port: int) -> None:
        """Listen; an OSError says that the port is taken."""
        self._server = await asyncio.start_server(self._accept, host, port)

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
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            outcome = await self._outcome(reader, writer)
            self.outcomes[outcome] += 1
        finally:
            self._open.discard(task)
            writer.close()

    async def _outcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        peer = writer.get_extra_info("peername")[0]
        if not self._is_allowed(peer) or len(self._open) > MAX_OPEN:
            log.warning("agi refused", peer=peer, open=len(self._open))
            return "refused"
        try:
            async with asyncio.timeout(self._deadline_seconds):
                return await self._answer(reader, writer)
        except TimeoutError:
            log.warning("agi late", peer=peer, deadline_seconds=self._deadline_seconds)
            return "late"
        except (AgiError, ConnectionError) as error:
            log.warning("agi malformed", peer=peer, error=str(error))
            return "malformed"

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> str:
        request = await _read(reader)
        handler = self._handlers.get(request.path)
        if handler is None:
            log.warning("agi path unknown", path=request.path[:80])
            return "unknown"
        try:
            variables = await handler(request)
        except Exception:
            log.exception("agi handler failed", path=request.path, uniqueid=request.uniqueid)
            return "failed"
        writer.write(encode_variables(variables))
        # Our end of the conversation: Asterisk runs the command and closes, without a round trip.
        writer.write_eof()
        while await reader.read(CHUNK_BYTES):
            pass
        return "answered"

    def _is_allowed(self, peer: str) -> bool:
        if peer not in self._admitted:
            address = ipaddress.ip_address(peer)
            if not any(address in network for network in self._allowed):
                return False
            self._admitted.add(peer)
        return True


async def _read(reader: asyncio.StreamReader) -> AgiRequest:
    frames = RequestReader()
    while data := await reader.read(CHUNK_BYTES):
        request = frames.feed(data)
        if request is not None:
            return request
    raise AgiError("closed before a whole request")
