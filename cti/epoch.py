"""Which of the servers on one PBX may act: the epoch, and the heartbeat that keeps callers with us.

A server claims its epoch at every connect; whoever claimed last may act. The dialplan refuses what
carries an older one, and the older server, told by the UserEvent, stops by itself (`ServerFenced`).
A fenced server does not claim again when its link comes back: only a restart by a person does.

A second global names the node whose journal has the PBX's calls. It is set once that is true: after
the connect has been journaled. Who finds another's name there lets go of the calls it had before.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog
from msgspec.structs import replace

from cti.ami.actions import Action, Getvar, Outcome, Setvar, UserEvent
from cti.ami.errors import LinkDownError
from cti.ami.link import AmiLink
from cti.inputs import PbxSnapshot

log = structlog.get_logger(__name__)

EPOCH: Final = "ZX_EPOCH"
HEARTBEAT: Final = "ZX_HEARTBEAT"
NODE: Final = "ZX_NODE"
CLAIM_SECONDS: Final = 5.0


class Tenure:
    """One process's claim on one PBX.

    :param may_claim: False once this process was fenced.
    """

    def __init__(self, node: str, may_claim: Callable[[], bool]) -> None:
        self._node = node
        self._may_claim = may_claim
        self._link: AmiLink | None = None
        self._named = False
        self.epoch = 0

    async def resync(self, link: AmiLink) -> PbxSnapshot:
        """Claim, then read the state. For `AmiLink(resync=...)`.

        :raises AmiError: the link broke, or Asterisk refused.
        """
        self._link = link
        held_by = None
        if self._may_claim():
            held_by = await _global(link, NODE) or None
            await self._claim(link)
        snapshot = await link.snapshot(epoch=self.epoch)
        present = await self._present(link)
        overtaken_by = present if present > self.epoch else None
        return replace(snapshot, held_by=held_by, overtaken_by=overtaken_by)

    async def _claim(self, link: AmiLink) -> None:
        """Take an epoch above the present one, and say so.

        Two servers may do this at the same time: the larger epoch wins, and the smaller must not be
        left in the global, or its redirects would still be taken.
        """
        self._named = False
        before = await self._present(link)
        self.epoch = max(int(link.pbx_time() * 1000), before + 1)
        await self._set(link)
        if await self._present(link) < self.epoch:
            await self._set(link)
        announce = UserEvent(
            user_event="ZxEpoch", fields={"Epoch": str(self.epoch), "Node": self._node}
        )
        await _done(link, announce)
        log.info("epoch_claimed", epoch=self.epoch, before=before)

    async def _set(self, link: AmiLink) -> None:
        await _done(link, Setvar(variable=EPOCH, value=str(self.epoch)))

    @staticmethod
    async def _present(link: AmiLink) -> int:
        """The epoch in force, 0 where there is none or it is no number."""
        text = await _global(link, EPOCH)
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0

    def post(
        self, action: Action, deadline_seconds: float, action_id: str | None = None
    ) -> asyncio.Future[Outcome]:
        """As `AmiLink.post`: the runtime's port."""
        assert self._link is not None, "commands come of a LinkUp, which comes of `resync`"
        return self._link.post(action, deadline_seconds, action_id)

    def beat(self) -> None:
        """Set the heartbeat to now by the PBX's clock, if this process may act.

        The runtime calls this as soon as a connect is journaled, so the first one names the node.
        """
        link = self._link
        if link is not None and link.status.state == "ready" and self._may_claim():
            if not self._named:
                link.post(Setvar(variable=NODE, value=self._node), CLAIM_SECONDS)
                self._named = True
            link.post(Setvar(variable=HEARTBEAT, value=str(int(link.pbx_time()))), CLAIM_SECONDS)


async def _global(link: AmiLink, name: str) -> str:
    """The value of a global variable, empty where it has none."""
    outcome = await _done(link, Getvar(variable=name))
    return str(outcome.headers.get("Value", ""))


async def _done(link: AmiLink, action: Action) -> Outcome:
    outcome = await link.post(action, CLAIM_SECONDS)
    if outcome.result != "done":
        raise LinkDownError(f"{type(action).__name__} while claiming: {outcome.message}")
    return outcome
