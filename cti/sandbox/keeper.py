"""One embedded PostgreSQL for all commands of a site.

The server cannot be the child of the command that started it, because others may use it for longer.
So a process of its own keeps it: each command holds a connection to the keeper's unix socket, which
the kernel closes however the command ends, and with the last one the keeper ends the server. It
tells each command `ready`, or why the server did not start; it lets go a command that leaves at
once, but the last one only when the server has ended. PostgreSQL dies with the keeper, as every
child does.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Final

import structlog

from cti.sandbox.postgres import START_SECONDS, Postgres, PostgresError
from cti.sandbox.system import PROJECT, Place, SandboxError

log = structlog.get_logger(__name__)

READY: Final = b"ready\n"
JOIN_SECONDS: Final = START_SECONDS + 30
COME_SECONDS: Final = 10.0
"""How long a keeper waits for the first command; the one that started it comes at once."""
LEAVE_SECONDS: Final = 60.0
LOOK_SECONDS: Final = 0.05
TRY_AGAIN_SECONDS: Final = 5.0


@asynccontextmanager
async def shared(server: Postgres) -> AsyncIterator[None]:
    """Use `server` beside other commands: started by the first, ended with the last.

    Should it end under us, it is started again.

    :raises PostgresError: it does not start.
    """
    use = _Use(server)
    await use.begin()
    try:
        yield
    finally:
        await use.end()


class _Use:
    """What one command holds while it uses the server."""

    def __init__(self, server: Postgres) -> None:
        self._server = server
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter
        self._watching: asyncio.Task[None]

    async def begin(self) -> None:
        await self._join()
        self._watching = asyncio.create_task(self._watch())

    async def end(self) -> None:
        """Leave; the last one waits for the server's end."""
        self._watching.cancel()
        await asyncio.gather(self._watching, return_exceptions=True)
        if self._writer.is_closing():  # it ended under us
            return
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(LEAVE_SECONDS):
                self._writer.write_eof()
                await self._reader.read()
        self._writer.close()

    async def _watch(self) -> None:
        """Start the server again when the keeper, or the server with it, has ended."""
        while True:
            with contextlib.suppress(ConnectionError):
                await self._reader.read()
            self._writer.close()
            log.warning("embedded_database_ended")
            await self._join_in_the_end()

    async def _join_in_the_end(self) -> None:
        while True:
            try:
                return await self._join()
            except SandboxError as error:
                log.error("embedded_database_not_started", reason=str(error))
                await asyncio.sleep(TRY_AGAIN_SECONDS)

    async def _join(self) -> None:
        """Come to the keeper, who is started when there is none."""
        try:
            async with asyncio.timeout(JOIN_SECONDS):
                while not await self._admitted():
                    _start_keeper(self._server)
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            message = f"the embedded PostgreSQL was not to be had within {JOIN_SECONDS:.0f} s; see"
            raise PostgresError(f"{message} {self._server.log}") from None

    async def _admitted(self) -> bool:
        """Whether a keeper has the server ready for us; False when there is none, or one that ends.

        :raises PostgresError: the server does not start.
        """
        try:
            self._reader, self._writer = await asyncio.open_unix_connection(_socket(self._server))
        except (FileNotFoundError, ConnectionError):
            return False
        told = b""
        try:
            told = await self._reader.readline()
            if told == READY:
                return True
            reason = told + await self._reader.read()
        except ConnectionError:
            return False
        finally:
            if told != READY:
                self._writer.close()
        if reason:
            raise PostgresError(reason.decode(errors="replace").strip())
        return False


def _socket(server: Postgres) -> Path:
    return server.socket / "keeper"


def _start_keeper(server: Postgres) -> None:
    """Start a keeper unless there is one; it holds the lock, which it gets from us, to its end."""
    place = server.place
    with _locked(server) as lock, place.appending(server.log) as output:
        if lock is None:
            return
        # It shall outlive us, so it is no child of ours and has a session of its own.
        command = ["setsid", "--fork", sys.executable, "-m", __name__]
        command += [str(place.state), place.user or "", server.name, str(server.binaries)]
        subprocess.run(  # noqa: S603 - ourselves
            [*command, "durable" if server.durable else "fast"],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            cwd="/",
            env={**os.environ, "PYTHONPATH": str(PROJECT)},
            pass_fds=[lock],
            check=True,
        )


@contextmanager
def _locked(server: Postgres) -> Iterator[int | None]:
    """The keeper's lock; None when it is held, by a keeper or by who starts one."""
    path = server.folder / "keeper.lock"
    path.touch(mode=0o600)
    server.place.give(path)
    with path.open("rb") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
        else:
            yield held.fileno()


# --- the keeper's own process ---------------------------------------------------------------------


class Keeper:
    """Runs the server while a command uses it."""

    def __init__(self, server: Postgres) -> None:
        self._server = server
        self._users = 0
        self._last: asyncio.StreamWriter | None = None
        self._come = asyncio.Event()
        self._left = asyncio.Event()
        self._told: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    async def run(self) -> None:
        """Until the last one has left, or the server ended by itself."""
        path = _socket(self._server)
        path.unlink(missing_ok=True)  # of a keeper that was killed
        listener = await asyncio.start_unix_server(self._serve, path)
        path.chmod(0o600)
        self._server.place.give(path)
        try:
            async with asyncio.timeout(COME_SECONDS):
                await self._come.wait()
            await self._keep()
        finally:
            listener.close()
            path.unlink(missing_ok=True)
            await self._server.stop()

    async def _keep(self) -> None:
        try:
            await self._server.start()
        except SandboxError as error:
            self._told.set_result(str(error).encode())
            await self._left.wait()
            return
        self._told.set_result(READY)
        waiting = {
            asyncio.create_task(self._left.wait()),
            asyncio.create_task(self._server.ended()),
        }
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One command, from its coming to its end."""
        if self._left.is_set():  # too late: it comes again, to the next keeper
            writer.close()
            return
        self._users += 1
        self._come.set()
        with contextlib.suppress(ConnectionError):
            told = await asyncio.shield(self._told)
            writer.write(told)
            await writer.drain()
            if told == READY:
                await reader.read()
        self._users -= 1
        if self._users == 0:
            self._left.set()
        if self._users == 0 and self._server.running:
            self._last = writer  # it hears of the server's end by ours
        else:
            writer.close()


async def keep(server: Postgres) -> None:
    """Be the keeper of `server`; its users tell us when to end, no signal does."""
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        # The end of a service reaches all its processes, but the server has still to write then.
        # A handler, since what is ignored would be ignored by PostgreSQL too.
        loop.add_signal_handler(number, lambda: None)
    with contextlib.suppress(TimeoutError):
        await Keeper(server).run()


def main() -> None:
    """`python -m cti.sandbox.keeper STATE USER NAME BINARIES durable|fast`, with the lock open."""
    state, user, name, binaries, durable = sys.argv[1:]
    server = Postgres(
        name,
        place=Place(Path(state), user or None),
        binaries=Path(binaries),
        durable=durable == "durable",
    )
    asyncio.run(keep(server))


if __name__ == "__main__":
    main()
