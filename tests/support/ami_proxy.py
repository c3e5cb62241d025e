"""A TCP proxy between the link and Asterisk that can fall silent or cut, as a network does."""

from __future__ import annotations

import asyncio
from typing import Self

from cti.sandbox.ports import LOOPBACK

CHUNK = 65_536


class AmiProxy:
    """Use as a context manager; the link connects to `port`.

    `silence()`: bytes are taken from both sides and go nowhere, as when a peer's machine is gone.
    `stall()`: bytes wait, in both directions; `go_on()` lets them through again.
    `cut()`: connections break; `refuse` keeps new ones from being made.
    `lie()`: says something to the link in Asterisk's name, between two events of its own.
    """

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        self.refuse = False
        self._silent = False
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._links: set[asyncio.StreamWriter] = set()
        self._lies = b""
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, LOOPBACK, 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._server.wait_closed()

    def silence(self) -> None:
        self._silent = True

    def stall(self) -> None:
        self._flowing.clear()

    def go_on(self) -> None:
        self._silent = False
        self._flowing.set()

    def cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    def lie(self, frames: bytes) -> None:
        """Slip whole frames in after the next whole event of Asterisk's."""
        self._lies += frames

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.refuse:
            writer.transport.abort()
            return
        back, forth = await asyncio.open_connection(LOOPBACK, self.target_port)
        self._writers |= {writer, forth}
        self._links.add(writer)
        for source, sink in ((reader, forth), (back, writer)):
            task = asyncio.create_task(self._pump(source, sink))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        try:
            while data := await source.read(CHUNK):
                await self._flowing.wait()
                if not self._silent:
                    sink.write(data + self._slip_in(data, sink))
                    await sink.drain()
        except ConnectionError:
            pass
        finally:
            self._writers.discard(sink)
            self._links.discard(sink)
            sink.close()

    def _slip_in(self, data: bytes, sink: asyncio.StreamWriter) -> bytes:
        if sink not in self._links or not data.endswith(b"\r\n\r\n"):
            return b""
        lies, self._lies = self._lies, b""
        return lies
