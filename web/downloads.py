"""Files that are written while they are read: whole or cut, and held open by nobody."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import quote

from aiohttp import web

WRITE_SECONDS: Final = 60.0
"""In which somebody who takes a download has to read some of it."""
_RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER, for no time: what is closed is reset."""


def download(name: str, media: str) -> web.StreamResponse:
    """An answer that the browser stores under a name."""
    disposition = f"attachment; filename*=UTF-8''{quote(name)}"
    return web.StreamResponse(headers={"Content-Type": media, "Content-Disposition": disposition})


@asynccontextmanager
async def sending(request: web.Request, answer: web.StreamResponse) -> AsyncIterator[None]:
    """A download from head to end; one that breaks off is cut, so that no part passes for it."""
    await answer.prepare(request)
    try:
        yield
        async with asyncio.timeout(WRITE_SECONDS):
            await answer.write_eof()
    except BaseException:
        _cut(request)
        raise


def _cut(request: web.Request) -> None:
    """Reset the connection: over HTTP/1.0, which many a proxy speaks, its mere end says whole."""
    transport = request.transport
    if transport is None:
        return
    if not transport.is_closing():
        connection = transport.get_extra_info("socket")
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
    transport.abort()


async def send(answer: web.StreamResponse, block: bytes) -> None:
    """Write a part of a download.

    :raises ConnectionResetError: nobody has read for WRITE_SECONDS.
    """
    try:
        async with asyncio.timeout(WRITE_SECONDS):
            await answer.write(block)
    except TimeoutError:
        raise ConnectionResetError("a download was not read") from None
