"""Which agents' panels are alive: pure.

An agent may have several panels open (tabs, a second browser); the agent counts as there while one
of them was heard of within SILENT_SECONDS. Only the edges become inputs of the core.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from cti.domain import AgentId
from cti.inputs import Input, PanelAlive, PanelLost

SILENT_SECONDS = 6.0
"""A panel says "alive" every 2 s; three missed ones mean that nobody would hear it ring."""
RETURN_SECONDS = 15.0
"""So long panels that were connected before a restart of the server have to come back."""


class Panels:
    """The panels of all agents. Times are seconds of a clock that only grows, not the wall's."""

    def __init__(self) -> None:
        self._heard: dict[AgentId, dict[Hashable, float]] = {}
        self._alive: set[AgentId] = set()
        self._awaited: dict[AgentId, float] = {}

    def __len__(self) -> int:
        return len(self._alive)

    def alive(self, agent_id: AgentId) -> bool:
        """Whether a panel of the agent is alive."""
        return agent_id in self._alive

    def await_return(self, agents: Iterable[AgentId], now: float) -> None:
        """Panels that the journal calls connected, after a restart: lost if they stay away."""
        self._awaited.update(dict.fromkeys(agents, now + RETURN_SECONDS))

    def heard(self, agent_id: AgentId, connection: Hashable, now: float) -> list[Input]:
        """A panel connected or said "alive"."""
        self._heard.setdefault(agent_id, {})[connection] = now
        self._awaited.pop(agent_id, None)
        if agent_id in self._alive:
            return []
        self._alive.add(agent_id)
        return [PanelAlive(agent_id=agent_id)]

    def closed(self, agent_id: AgentId, connection: Hashable) -> list[Input]:
        """A panel's connection ended."""
        self._heard.get(agent_id, {}).pop(connection, None)
        return self._lost(agent_id)

    def sweep(self, now: float) -> list[Input]:
        """Find the panels that fell silent; to be called about once a second."""
        lost: list[Input] = []
        for agent_id in list(self._heard):
            heard = self._heard[agent_id]
            silent = [key for key, at in heard.items() if now - at > SILENT_SECONDS]
            for key in silent:
                del heard[key]
            lost += self._lost(agent_id)
        for agent_id in [agent for agent, due in self._awaited.items() if now >= due]:
            del self._awaited[agent_id]
            lost.append(PanelLost(agent_id=agent_id))
        return lost

    def _lost(self, agent_id: AgentId) -> list[Input]:
        if self._heard.get(agent_id):
            return []
        self._heard.pop(agent_id, None)
        if agent_id not in self._alive:
            return []
        self._alive.remove(agent_id)
        return [PanelLost(agent_id=agent_id)]
