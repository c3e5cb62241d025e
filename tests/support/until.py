"""Waiting for what can only be looked at: a table, a folder, a figure that nobody tells of."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

LOOK_SECONDS = 0.02


async def until(look: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Look again until there is something true, and give it. `look` may give an awaitable."""
    async with asyncio.timeout(seconds):
        while True:
            found = look()
            if isinstance(found, Awaitable):
                found = await found
            if found:
                return found
            await asyncio.sleep(LOOK_SECONDS)
