"""A connection for a moment. A database that does not answer in time is away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import asyncpg

if TYPE_CHECKING:
    Connection = asyncpg.Connection[Any] | asyncpg.pool.PoolConnectionProxy[Any]

PoolSource = Callable[[], Awaitable["asyncpg.Pool[asyncpg.Record]"]]
"""Gives the pool; raises one of cti.journal.database.AWAY while the database is away."""
Connect = Callable[[], Awaitable["asyncpg.Connection[Any]"]]
"""Opens a connection outside the pool, whose taker ends it; raises as the pool's source does."""

DATABASE_SECONDS = 5.0
RELEASE_SECONDS = 1.0
"""A connection that a stalled server holds on to is dropped after so long."""


@asynccontextmanager
async def connected(source: PoolSource) -> AsyncIterator[Connection]:
    """A connection, for the length of the block and DATABASE_SECONDS at most.

    :raises: one of cti.journal.database.AWAY.
    """
    async with asyncio.timeout(DATABASE_SECONDS):
        pool = await source()
        async with pool.acquire(timeout=RELEASE_SECONDS) as connection:
            yield connection
