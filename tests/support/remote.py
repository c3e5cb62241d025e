"""The sandbox's remote control, with events to wait for."""

import asyncio

from cti.sandbox.remote import Headers, Remote


class TestRemote(Remote):
    """Keeps all events, so that one that came before it was waited for is not missed."""

    __test__ = False

    def __init__(self) -> None:
        super().__init__(self._keep)
        self.events: list[Headers] = []
        self._arrived = asyncio.Event()

    async def event(self, name: str, *, nth: int = 1, **wanted: str) -> Headers:
        """Wait for the first or nth event (since connecting) that has these headers."""
        wanted["Event"] = name
        seen = found = 0
        while True:
            for event in self.events[seen:]:
                found += wanted.items() <= event.items()
                if found == nth:
                    return event
            seen = len(self.events)
            self._arrived.clear()
            await self._arrived.wait()

    def _keep(self, event: Headers) -> None:
        self.events.append(event)
        self._arrived.set()
