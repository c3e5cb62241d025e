"""A wire between the server and Asterisk's manager that can be cut, stalled, or made to lie."""

import asyncio
import contextlib

from cti.sandbox.ports import LOOPBACK


class AmiProxy:
    """Passes bytes both ways. `port` is where the server connects."""

    def __init__(self, target_port: int) -> None:
        self._target_port = target_port
        self._flows = asyncio.Event()
        self._flows.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._to_server: asyncio.StreamWriter | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self._takes_new = True
        self.port = 0

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._joined, LOOPBACK, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def cut(self) -> None:
        """Close every connection, both sides see it; new ones are refused until `heal`."""
        self._takes_new = False
        for writer in list(self._writers):
            writer.transport.abort()

    def stall(self) -> None:
        """Pass nothing on, but keep the connections: neither side sees anything wrong."""
        self._flows.clear()

    def heal(self) -> None:
        """Pass on again, what waited first."""
        self._takes_new = True
        self._flows.set()

    def lie(self, data: bytes) -> None:
        """Send the server bytes that Asterisk never wrote."""
        assert self._to_server is not None
        self._to_server.write(data)

    async def close(self) -> None:
        """End everything."""
        if self._server is not None:
            self._server.close()
        self.heal()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _joined(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._takes_new:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection(LOOPBACK, self._target_port)
        except OSError:
            writer.transport.abort()
            return
        self._to_server = writer
        self._writers |= {writer, far_writer}
        for source, target in ((reader, far_writer), (far_reader, writer)):
            task = asyncio.create_task(self._pump(source, target))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _pump(self, source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while data := await source.read(65536):
                await self._flows.wait()
                target.write(data)
                await target.drain()
        self._writers.discard(target)
        target.close()
