"""Where browsers connect: how long a connection may be idle, and what one that speaks no HTTP gets.

What is refused before it is a request never reaches the application: its safeguards and its
problems are repeated here, else such answers would tell which libraries serve. What would break
behind the application, where no problem can be told any more, is taken out here.
"""

from __future__ import annotations

import asyncio
import ssl
from email.utils import parsedate_to_datetime

import structlog
from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http import RawRequestMessage
from aiohttp.streams import StreamReader
from multidict import CIMultiDictProxy

from web.problems import Problem, language_of

log = structlog.get_logger(__name__)

IDLE_SECONDS = 75.0
"""A connection that has not brought the whole head of a request by then is closed."""
LINGER_SECONDS = 3.0
"""So long the rest of a body that nobody wants is read, so that its sender reads the answer."""
BACKLOG = 1024
"""Connections that may wait to be taken: all panels come back at once after a restart."""


class Listener(web.TCPSite):
    """One address at which an application is served."""

    def __init__(
        self,
        runner: web.AppRunner,
        host: str,
        port: int,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__(runner, host, port, ssl_context=ssl_context, backlog=BACKLOG)

    async def start(self) -> None:
        """Take connections from now on."""
        await web.BaseSite.start(self)
        server = self._runner.server
        assert server is not None
        make = server.request_factory

        def request_of(
            message: RawRequestMessage,
            body: StreamReader,
            connection: web.RequestHandler,
            writer: AbstractStreamWriter,
            task: asyncio.Task[None],
        ) -> web.BaseRequest:
            return make(_with_true_dates(message), body, connection, writer, task)

        server.request_factory = request_of
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Connection(
                server, loop=loop, keepalive_timeout=IDLE_SECONDS, lingering_time=LINGER_SECONDS
            ),
            self._host,
            self._port,
            ssl=self._ssl_context,
            backlog=self._backlog,
        )


class _Connection(web.RequestHandler):
    """A connection whose errors are answered in our words."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What is no request, or what failed outside the application."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer was begun already")
        if status < 500:
            log.info("not_http", address=request.remote, why=type(exc).__name__)
        else:
            log.error("connection_failed", address=request.remote, exc_info=exc)
        answer = Problem("refused" if status < 500 else "broken").answer(
            language_of(request.headers.get("Accept-Language", ""))
        )
        answer.headers.update(
            {"Server": "zuoxi", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}
        )
        answer.force_close()
        return answer


def _with_true_dates(message: RawRequestMessage) -> RawRequestMessage:
    """The head without dates that are none; an entity tag in If-Range is read by nobody either.

    A file's answer reads them when the middlewares are done, and one beyond the calendar would cut
    the connection instead of being ignored.
    """
    wrong = [name for name in _DATES if not _is_date(message.headers.get(name))]
    if not wrong:
        return message
    headers = message.headers.copy()
    for name in wrong:
        headers.popall(name)
    return message._replace(headers=CIMultiDictProxy(headers))


_DATES = (hdrs.IF_MODIFIED_SINCE, hdrs.IF_UNMODIFIED_SINCE, hdrs.IF_RANGE)


def _is_date(value: str | None) -> bool:
    """Whether it can be read as one; so can one that was not sent."""
    try:
        return value is None or bool(parsedate_to_datetime(value))
    except (ValueError, OverflowError):
        return False
