"""A network that goes dead without telling: what is sent is lost, nothing is closed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from playwright.async_api import Page, WebSocketRoute


@dataclass(eq=False)
class _Wire:
    page: WebSocketRoute
    server: WebSocketRoute
    dead: bool = False


@dataclass
class Network:
    """Between one page and everything else; its sound goes another way."""

    page: Page
    _wires: list[_Wire] = field(default_factory=list)
    _away: bool = False
    _opened: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    async def lay(self) -> Network:
        """Take all the page's connections from now on through here."""
        await self.page.route_web_socket("**", self._connect)
        return self

    async def cut(self) -> None:
        """From now on everything is lost; requests fail."""
        self._away = True
        for wire in self._wires:
            wire.dead = True
        await self.page.context.set_offline(True)

    async def mend(self) -> None:
        """New connections work; those of before stay dead."""
        self._away = False
        await self.page.context.set_offline(False)

    async def opened(self, part: str) -> None:
        """Wait until the page opens another connection to such an address."""
        while part not in await self._opened.get():
            pass

    def forget_opened(self) -> None:
        """Count only what is opened from now on."""
        self._opened = asyncio.Queue()

    def _connect(self, page: WebSocketRoute) -> None:
        self._opened.put_nowait(page.url)
        if self._away:
            return  # it opens, and nobody is at the other end
        wire = _Wire(page, page.connect_to_server())
        self._wires.append(wire)
        page.on_message(lambda message: None if wire.dead else wire.server.send(message))
        wire.server.on_message(lambda message: None if wire.dead else page.send(message))
