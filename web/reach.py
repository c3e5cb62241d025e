"""How far rights go: whose calls, agents and people somebody sees. Pure.

The team of an agent is that of the user with the agent's employee number.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from cti.domain import AgentId, QueueName
from web.rights import Scope

Seen = Collection[AgentId] | None
"""The agents whose work somebody may see or touch; None: everybody's."""


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a right goes: equal for all who see the same.

    :param team_id: with scope `team`.
    :param agent_id: with scope `own`; None where who asks is no agent.
    """

    scope: Scope
    team_id: int | None = None
    agent_id: AgentId | None = None


EVERYTHING: Final = Reach("all")


def reach_of(scope: Scope, team_id: int | None, agent_id: AgentId | None) -> Reach:
    """The reach of a right with `scope` for this user: who has no team reaches oneself alone."""
    if scope == "all":
        return EVERYTHING
    if scope == "team" and team_id is not None:
        return Reach("team", team_id=team_id)
    return Reach("own", agent_id=agent_id)


def within(seen: Seen, agents: Iterable[AgentId]) -> bool:
    """Whether one of `agents` is among those seen."""
    return seen is None or any(agent in seen for agent in agents)


@dataclass(frozen=True, slots=True)
class CallsSeen:
    """The calls that somebody sees: of `agents`, and of `queues` those that nobody took.

    :param queues: those that the agents serve; none for who sees one's own calls alone.
    """

    agents: Seen
    queues: Collection[QueueName] = ()

    def has(self, agents: Collection[AgentId], queues: Iterable[QueueName], *, taken: bool) -> bool:
        """Whether a call of these agents is seen, which waited in `queues`.

        :param taken: an agent talked in it.
        """
        if within(self.agents, agents):
            return True
        return not taken and any(queue in self.queues for queue in queues)


@dataclass(frozen=True, slots=True)
class Teams:
    """The order of one moment.

    :param of_agents: agent -> team; who is in none is not there.
    :param names: team -> its name.
    """

    of_agents: Mapping[AgentId, int] = field(default_factory=dict)
    names: Mapping[int, str] = field(default_factory=dict)

    def seen(self, reach: Reach) -> Seen:
        """The agents within `reach`."""
        if reach.scope == "all":
            return None
        if reach.scope == "team":
            return frozenset(a for a, team in self.of_agents.items() if team == reach.team_id)
        return frozenset([reach.agent_id] if reach.agent_id else [])

    def name_of(self, agent_id: AgentId) -> str:
        """The name of the agent's team, empty where there is none."""
        return self.names.get(self.of_agents.get(agent_id, 0), "")
