"""How long a caller waits for a free agent, by the PBX's own timestamps of its events."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bench.calls_parts import Centre
from cti.sandbox.remote import Headers


class Delays:
    """Takes events of a PBX; `seconds` has one delay for each caller who was dialled for.

    The caller enters by our UserEvent ZxEnter or by app_queue's QueueCallerJoin; the agent's phone
    is dialled at the caller's first DialBegin after it.
    """

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._entered: dict[str, float] = {}

    def take(self, event: Headers) -> None:
        """One event, in order."""
        name, caller = event["Event"], event.get("Uniqueid", "")
        joins = name == "QueueCallerJoin" or (
            name == "UserEvent" and event.get("UserEvent") == "ZxEnter"
        )
        if joins:
            self._entered[caller] = float(event["Timestamp"])
        elif name == "DialBegin" and caller in self._entered:
            self.seconds.append(float(event["Timestamp"]) - self._entered.pop(caller))


@asynccontextmanager
async def delays(centre: Centre) -> AsyncIterator[list[float]]:
    """The delays of the calls that come meanwhile."""
    meter = Delays()
    async with centre.observed(meter.take):
        yield meter.seconds
