"""Who calls: what a caller who enters a queue is known by, looked up in memory.

Usually when the server hears of the caller: `LookUp.fill_in` adds the facts to the dialplan's
event on its way to the core. Where the dialplan has to know them before it answers, it asks hook
`enter` (cti.hooks). What the dialplan itself has set is never replaced.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

import msgspec

from config.floor import Floor
from cti.ami.events import UserEvent
from cti.inputs import ChannelState, Input, LinkUp, PbxEvent

BLACKLIST: Final = "blacklist"
FACTS: Final = {
    "ZX_REFUSE": "Refuse",
    "ZX_PRIO": "CallerPriority",
    "ZX_SKILLS": "Skills",
    "ZX_LANG": "CallerLanguage",
    "ZX_NAME": "CustomerName",
    "ZX_CUSTOMER": "CustomerId",
    "ZX_LEVEL": "Level",
    "ZX_STICKY": "Sticky",
}
"""Channel variable of a fact -> its header in UserEvent ZxEnter."""


class Known(Protocol):
    """What is known of a caller."""

    @property
    def customer_id(self) -> str | None: ...  # noqa: D102
    @property
    def name(self) -> str | None: ...  # noqa: D102
    @property
    def level(self) -> str | None: ...  # noqa: D102
    @property
    def language(self) -> str | None: ...  # noqa: D102
    @property
    def priority(self) -> int: ...  # noqa: D102
    @property
    def owner_agent_id(self) -> str | None: ...  # noqa: D102
    @property
    def blocked(self) -> bool: ...  # noqa: D102


class Callers(Protocol):
    """Who calls; crm.callers.CallerIndex."""

    def find(self, number: str | None) -> Known | None:
        """What is known of a number."""
        ...

    def last_agent(self, number: str | None) -> str | None:
        """Who talked last to a number."""
        ...

    def note_agent(self, number: str | None, agent_id: str) -> None:
        """An agent has talked to a number."""
        ...


class LookUp:
    """Looks callers up."""

    def __init__(self, floor: Floor, callers: Callers) -> None:
        self._queues = {queue.name: queue for queue in floor.queues}
        self._callers = callers

    def facts(self, queue: str, number: str | None) -> dict[str, str]:
        """Facts of a caller for a queue: channel variable -> value, only those that are known."""
        known = self._callers.find(number)
        if known is not None and known.blocked:
            return {"ZX_REFUSE": BLACKLIST}
        values = {"ZX_STICKY": self._sticky(queue, number, known)}
        if known is not None:
            values |= {
                "ZX_NAME": known.name,
                "ZX_CUSTOMER": known.customer_id,
                "ZX_LEVEL": known.level,
                "ZX_LANG": known.language,
                "ZX_PRIO": str(known.priority) if known.priority else None,
            }
        return {name: value for name, value in values.items() if value}

    def fill_in(self, item: Input) -> Input:
        """The input with what is known of the callers in it who enter or wait."""
        if type(item) is PbxEvent:
            event = item.event
            if type(event) is UserEvent and event.name == "ZxEnter":
                return msgspec.structs.replace(item, event=self._entering(event))
        elif type(item) is LinkUp:
            channels = [self._waiting(channel) for channel in item.snapshot.channels]
            snapshot = msgspec.structs.replace(item.snapshot, channels=channels)
            return msgspec.structs.replace(item, snapshot=snapshot)
        return item

    def _entering(self, event: UserEvent) -> UserEvent:
        headers = event.headers
        facts = self.facts(headers.get("Queue", ""), headers.get("CallerIDNum"))
        if not facts:
            return event
        named = {FACTS[name]: value for name, value in facts.items()}
        return msgspec.structs.replace(event, headers=_added(named, headers))

    def _waiting(self, channel: ChannelState) -> ChannelState:
        queue = channel.variables.get("ZX_QUEUE")
        if not queue:
            return channel
        facts = self.facts(queue, channel.caller_number)
        return msgspec.structs.replace(channel, variables=_added(facts, channel.variables))

    def _sticky(self, queue: str, number: str | None, known: Known | None) -> str | None:
        settings = self._queues.get(queue)
        match settings.sticky if settings else "off":
            case "last":
                return self._callers.last_agent(number)
            case "owner":
                return known.owner_agent_id if known else None
            case _:
                return None


def _added(facts: Mapping[str, str], said: Mapping[str, str]) -> dict[str, str]:
    """What was said, with the facts that it leaves open."""
    return {**facts, **{name: value for name, value in said.items() if value}}
