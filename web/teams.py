"""Keeps the order of teams in memory, so that a scope is decided without waiting for the database.

`first` reads it for the start. `follow` reads it and reads it anew whenever NOTIFY tells of a
change, and now and then without: so a connection is found out whose other end went without a word.
While the database is away the last known order stands.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog

from cti.journal.database import TRY_AGAIN, Backoff
from web.database import Connect
from web.reach import Teams

if TYPE_CHECKING:
    from web.database import Connection

log = structlog.get_logger(__name__)

CHANNEL: Final = "people_changed"
REREAD_SECONDS: Final = 60.0
ANSWER_SECONDS: Final = 5.0


async def first(connect: Connect) -> Teams:
    """The teams at the start; nobody is in one yet where the database is away.

    So that a server that answers knows already who may act for whom.
    """
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            connection = await connect()
            try:
                return await load(connection)
            finally:
                connection.terminate()
    except TRY_AGAIN as error:
        log.warning("teams_not_known", error=f"{type(error).__name__}: {error}")
        return Teams()


async def follow(connect: Connect, take: Callable[[Teams], None]) -> None:
    """Give `take` the teams at the beginning and after each change; for ever."""
    backoff = Backoff()
    while True:
        try:
            await _follow(connect, take, backoff)
        except TRY_AGAIN as error:
            log.warning("teams_not_refreshed", error=f"{type(error).__name__}: {error}")
        await asyncio.sleep(backoff.next())


async def _follow(connect: Connect, take: Callable[[Teams], None], backoff: Backoff) -> None:
    """One connection's life: returns or raises when it is lost."""
    connection = await connect()
    changed = asyncio.Event()
    try:
        connection.add_termination_listener(lambda *_: changed.set())
        # Listen first: a change between the reading and the listening would be lost.
        async with asyncio.timeout(ANSWER_SECONDS):
            await connection.add_listener(CHANNEL, lambda *_: changed.set())
        while not connection.is_closed():
            changed.clear()
            async with asyncio.timeout(ANSWER_SECONDS):
                teams = await load(connection)
            take(teams)
            backoff.reset()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(REREAD_SECONDS):
                    await changed.wait()
    finally:
        connection.terminate()


async def load(connection: Connection) -> Teams:
    """The teams as the tables have them now."""
    names = await connection.fetch("SELECT team_id, name FROM teams")
    agents = await connection.fetch(
        "SELECT agent_id, team_id FROM users WHERE agent_id IS NOT NULL AND team_id IS NOT NULL"
    )
    return Teams(
        {row["agent_id"]: row["team_id"] for row in agents},
        {row["team_id"]: row["name"] for row in names},
    )
