"""PostgreSQL: migrations, one pool, and which errors mean that the database is away for now."""

from __future__ import annotations

import asyncio
import os
import random
import re
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg

from cti.journal.spool import JournalError

MIGRATIONS = Path(__file__).parents[2] / "config" / "migrations"
SCHEMA = MIGRATIONS.parent / "schema.sql"
NEWEST_MIGRATION = max(path.name.partition("_")[0] for path in MIGRATIONS.glob("*.sql"))

CONNECT_SECONDS = 5.0
MIGRATION_LOCK = 0x5A586D69
"""Key of the advisory lock under which migrations run: any number that nobody else uses."""
COMMAND_SECONDS = 30.0


class MigrationError(JournalError):
    """dbmate could not bring the schema up to date; its words are in the message."""


AWAY: tuple[type[Exception], ...] = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # asyncpg's own words when a connection dies in the middle
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shut down, crashed, cancelled
    asyncpg.InsufficientResourcesError,  # disk full, out of memory, too many connections
    asyncpg.TransactionRollbackError,  # deadlock, serialization
    asyncpg.ReadOnlySQLTransactionError,  # a standby that was not promoted yet
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,  # dropped, and not yet restored
    asyncpg.UndefinedTableError,
    MigrationError,
)
"""Errors after which the same work is tried again later."""

TRY_AGAIN: tuple[type[Exception], ...] = (*AWAY, asyncpg.PostgresError, JournalError)
"""What background work survives, whatever the database says: it waits, and a person mends it.

Calls go on meanwhile, and their journal waits in the spool.
"""


class Backoff:
    """Waits between attempts: doubling from `first` to `last` seconds, each shortened at random."""

    def __init__(self, first: float = 0.2, last: float = 10.0) -> None:
        self._first = self._next = first
        self._last = last

    def reset(self) -> None:
        """After a success."""
        self._next = self._first

    def next(self) -> float:
        """Seconds to wait before the next attempt."""
        wait = self._next * random.uniform(0.5, 1.0)  # noqa: S311 - spreads retries, no secret
        self._next = min(self._last, self._next * 2)
        return wait


class Database:
    """One pool to a DSN, made when the database first answers; the schema is migrated before.

    :param dsn: `postgresql://user:password@host:port/name`; a socket's folder as `?host=/folder`.
    """

    def __init__(self, dsn: str, *, migrate: bool = True, max_size: int = 10) -> None:
        self._dsn = dsn
        self._migrate = migrate
        self._max_size = max_size
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = asyncio.Lock()

    async def pool(self) -> asyncpg.Pool[asyncpg.Record]:
        """The pool.

        :raises OSError, asyncpg.PostgresError, MigrationError: the database is away or refuses.
        """
        async with self._opening:
            if self._pool is None:
                probe = await asyncpg.connect(self._dsn, timeout=CONNECT_SECONDS)
                await probe.close()
                if self._migrate:
                    await migrate(self._dsn)
                self._pool = await open_pool(
                    self._dsn,
                    max_size=self._max_size,
                    on_connect=self._keep_migrated if self._migrate else None,
                )
            return self._pool

    async def _keep_migrated(self, connection: asyncpg.Connection) -> None:
        """Migrate where another database has taken the place of ours: a new one, or a backup."""
        try:
            newest = await connection.fetchval("SELECT max(version) FROM schema_migrations")
        except asyncpg.UndefinedTableError:
            newest = None
        if newest is None or newest < NEWEST_MIGRATION:
            await migrate(self._dsn)

    async def close(self) -> None:
        """Close the pool, by force where a connection does not end."""
        if self._pool is None:
            return
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._pool.close()
        except TimeoutError:
            self._pool.terminate()
        self._pool = None


async def open_pool(
    dsn: str,
    *,
    max_size: int = 10,
    on_connect: Callable[[asyncpg.Connection], Coroutine[Any, Any, None]] | None = None,
) -> asyncpg.Pool[asyncpg.Record]:
    """A pool that connects when it is used, not before.

    :param on_connect: told of each new connection before anybody gets it.
    """
    return await asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=max_size,
        timeout=CONNECT_SECONDS,
        command_timeout=COMMAND_SECONDS,
        init=on_connect,
        server_settings={"application_name": "zuoxi", "timezone": "UTC"},
    )


async def migrate(dsn: str, folder: Path = MIGRATIONS) -> None:
    """Apply the migrations that are missing. Safe when two processes do it at once.

    :raises MigrationError: with dbmate's words.
    """
    connection = await asyncpg.connect(dsn, timeout=CONNECT_SECONDS)
    try:  # dbmate itself takes no lock; this one ends with the connection
        await connection.execute("SELECT pg_advisory_lock($1)", MIGRATION_LOCK)
        await dbmate(dsn, "--no-dump-schema", "--migrations-dir", str(folder), "migrate")
    finally:
        await connection.close()


async def dump_schema(dsn: str, path: Path = SCHEMA) -> None:
    """Write the schema file from a migrated database. Needs `pg_dump` in PATH.

    What only some versions of PostgreSQL or only psql understand is left out.
    """
    await dbmate(dsn, "--schema-file", str(path), "--migrations-dir", str(MIGRATIONS), "dump")
    await asyncio.to_thread(_make_portable, path)


def _make_portable(path: Path) -> None:
    special = r"(?m)^(\\(un)?restrict|-- Dumped|SET transaction_timeout).*\n"
    path.write_text(re.sub(special, "", path.read_text()))


async def dbmate(dsn: str, *arguments: str) -> str:
    """Run dbmate against `dsn` and return what it printed.

    :raises MigrationError: it ended with an error.
    """
    for mode in ssl_modes(dsn):
        url = with_ssl_mode(dsn, mode)
        process = await asyncio.create_subprocess_exec(
            str(Path(sys.executable).with_name("dbmate")),
            *arguments,
            env={**os.environ, "DATABASE_URL": url},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        output = (await process.communicate())[0].decode(errors="replace")
        if process.returncode == 0:
            return output
        if "SSL is not enabled" not in output:
            break
    raise MigrationError(output.strip())


def ssl_modes(dsn: str) -> list[str | None]:
    """What to try in turn: dbmate's driver insists on TLS unless told, ours prefers it.

    None leaves the DSN as it is.
    """
    parts = urlsplit(dsn)
    options = dict(parse_qsl(parts.query))
    if "sslmode" in options:
        return ["require", "disable"] if options["sslmode"] in ("allow", "prefer") else [None]
    local = options.get("host", "").startswith("/") or not parts.hostname
    return ["disable"] if local else ["require", "disable"]


def with_ssl_mode(dsn: str, mode: str | None) -> str:
    """The DSN with another `sslmode`."""
    if mode is None:
        return dsn
    parts = urlsplit(dsn)
    options = {**dict(parse_qsl(parts.query)), "sslmode": mode}
    return urlunsplit(parts._replace(scheme="postgres", query=urlencode(options)))
