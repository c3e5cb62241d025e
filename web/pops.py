"""Reads who calls as soon as a call is offered, for the desk that shows it: nobody has to ask."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from crm import pop
from crm.callers import e164
from crm.pop import Pop
from cti.domain import AgentId, CallId
from cti.journal.database import TRY_AGAIN
from web.database import PoolSource, connected

log = structlog.get_logger(__name__)

AT_ONCE: Final = 50
"""Whoever is offered more than so many calls in a moment has to ask for himself."""


class Pops:
    """Who calls, read once with each offer.

    :param send: takes the agent, the call, the customer's number and who calls.
    :param read: reads it from the database; tests replace it.
    """

    def __init__(
        self,
        pool: PoolSource,
        country: str,
        send: Callable[[AgentId, CallId, str | None, Pop], None],
        read: Callable[[CallId, str | None], Awaitable[Pop]] | None = None,
    ) -> None:
        self._pool = pool
        self._country = country
        self._send = send
        self._read = read or self._from_database
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, agent_id: AgentId, call_id: CallId, number: str | None) -> None:
        """The call is offered to the agent. Returns at once.

        :param number: the customer's, as the call has it.
        """
        if len(self._tasks) >= AT_ONCE:
            return
        task = asyncio.create_task(self._bring(agent_id, call_id, number))
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    async def close(self) -> None:
        """End what is being read."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _bring(self, agent_id: AgentId, call_id: CallId, number: str | None) -> None:
        try:
            known = await self._read(call_id, number)
        except TRY_AGAIN:
            return  # the desk, which hears nothing, asks, and is told why
        self._send(agent_id, call_id, number, known)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("pop_failed", exc_info=error)

    async def _from_database(self, call_id: CallId, number: str | None) -> Pop:
        async with connected(self._pool) as connection:
            known = e164(number, self._country) if number else None
            return await pop.read(connection, call_id, known)
