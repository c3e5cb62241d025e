"""Which browser an agent works in: pure.

A browser is its session. One at a time has the desk, so that one phone is registered and one panel
tells that somebody is there. The sign-in that came last has it by itself, and who asks for it has
it too; but not while the agent has a call in another browser that is there, and where that browser
is gone only who asks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from cti.domain import AgentId

Answer = Literal["here", "elsewhere", "in_call"]
"""The desk is here now; or another browser has it, and may be asked to leave it or not."""


@dataclass(frozen=True, slots=True)
class Place:
    """A browser. Since when it may have the desk: its sign-in, or when it was asked for there."""

    session: bytes
    since: float


class Desks:
    """The places of all agents. Epoch seconds of one clock."""

    def __init__(self) -> None:
        self._places: dict[AgentId, Place] = {}

    def ask(
        self, agent_id: AgentId, asking: Place, *, take: bool, there: bool, busy: bool
    ) -> Answer:
        """Have the desk for a browser, if that may be.

        :param take: the person asks for it here.
        :param there: the browser that has it is connected.
        :param busy: the agent is offered a call or has one.
        """
        holder = self._places.get(agent_id)
        if holder is None or holder.session == asking.session:
            self._places.setdefault(agent_id, asking)
            return "here"
        if busy and there:
            return "in_call"
        moves = not busy and (not there or asking.since > holder.since)
        if not (take or moves):
            return "elsewhere"
        self._places[agent_id] = asking
        return "here"

    def leave(self, session: bytes) -> None:
        """The session is over."""
        for agent_id in [who for who, at in self._places.items() if at.session == session]:
            del self._places[agent_id]
