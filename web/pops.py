"""Reads who calls while the call is offered: the panel that asks a moment later need not wait."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from crm import pop
from crm.callers import e164
from crm.pop import Pop
from cti.domain import CallId
from cti.journal.database import TRY_AGAIN
from web.database import PoolSource, connected

FRESH_SECONDS: Final = 3.0
"""What was read before is not given out: it may have changed since."""
AT_ONCE: Final = 50
"""Whoever is offered more than so many calls in a moment has to ask for himself."""


class Pops:
    """Who calls, read once ahead of each offer.

    :param read: reads it from the database; tests replace it.
    """

    def __init__(
        self,
        pool: PoolSource,
        country: str,
        read: Callable[[CallId, str | None], Awaitable[Pop]] | None = None,
    ) -> None:
        self._pool = pool
        self._country = country
        self._read = read or self._from_database
        self._ahead: dict[CallId, asyncio.Task[Pop | None]] = {}
        self._tasks: set[asyncio.Task[Pop | None]] = set()

    def begin(self, call_id: CallId, number: str | None) -> None:
        """The call is offered. Returns at once.

        :param number: the customer's, as the call has it.
        """
        if len(self._tasks) >= AT_ONCE:
            return
        task = asyncio.create_task(self._try(call_id, number))
        self._ahead[call_id] = task
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        asyncio.get_running_loop().call_later(FRESH_SECONDS, self._forget, call_id, task)

    async def of(self, call_id: CallId, number: str | None) -> Pop:
        """Who calls: what was read ahead, once; anew otherwise.

        :raises: one of cti.journal.database.AWAY.
        """
        task = self._ahead.pop(call_id, None)
        known = await task if task else None
        return known or await self._read(call_id, number)

    async def close(self) -> None:
        """End what is being read."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _forget(self, call_id: CallId, task: asyncio.Task[Pop | None]) -> None:
        if self._ahead.get(call_id) is task:
            del self._ahead[call_id]

    async def _try(self, call_id: CallId, number: str | None) -> Pop | None:
        """None where it cannot be read: who asks tries again, and is told why."""
        try:
            return await self._read(call_id, number)
        except TRY_AGAIN:
            return None

    async def _from_database(self, call_id: CallId, number: str | None) -> Pop:
        async with connected(self._pool) as connection:
            known = e164(number, self._country) if number else None
            return await pop.read(connection, call_id, known)
