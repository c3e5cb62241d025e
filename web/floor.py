"""The floor as screens need it: queues, reasons, extensions, agents; and what leaders do there."""

from __future__ import annotations

from typing import Literal

from cti import inputs
from web.agent import Code
from web.endpoint import Asked, Endpoint, Input, Output, endpoint
from web.problems import Problem

Titles = dict[str, str]
"""language -> name on screens; where one is missing the screen shows the code."""


class QueueInfo(Output):
    """A queue."""

    name: str
    title: Titles
    service_level_seconds: int
    service_level_target: float
    dispositions: list[str]
    wrap_up_seconds: int
    wrap_up_limit_seconds: int


class ReasonInfo(Output):
    """A reason for being not ready."""

    code: str
    title: Titles
    limit_minutes: int | None


class ExtensionInfo(Output):
    """An extension and who sits there."""

    number: str
    kind: Literal["browser", "desk"]
    agent_id: str | None


class AgentInfo(Output):
    """An agent."""

    id: str
    name: str
    team: str
    queues: list[str]


class SipInfo(Output):
    """Where softphones connect."""

    ws_url: str
    domain: str


class FloorInfo(Output):
    """All of it."""

    time_zone: str
    queues: list[QueueInfo]
    reasons: list[ReasonInfo]
    extensions: list[ExtensionInfo]
    agents: list[AgentInfo]
    sip: SipInfo


class StateOrder(Input):
    """The state a leader sets; `reason` with not_ready."""

    state: Literal["ready", "not_ready", "signed_out"]
    reason: Code | None = None


@endpoint("GET", "/api/v1/floor", "Queues, reasons, extensions and agents", output=FloorInfo)
async def show(asked: Asked[None]) -> FloorInfo:
    """What does not change with every call."""
    floor, seats = asked.services.floor, asked.services.hub.view.seats()
    return FloorInfo(
        time_zone=floor.time_zone,
        queues=[QueueInfo(**queue.model_dump(include=_QUEUE)) for queue in floor.queues],
        reasons=[ReasonInfo(**reason.model_dump()) for reason in floor.reasons],
        extensions=[
            ExtensionInfo(number=each.number, kind=each.kind, agent_id=seats.get(each.number))
            for each in floor.extensions
        ],
        agents=[
            AgentInfo(
                id=agent.id,
                name=agent.name,
                team=agent.team,
                queues=[membership.queue for membership in agent.queues],
            )
            for agent in floor.agents
        ],
        sip=SipInfo(ws_url=asked.services.sip_ws_url, domain=asked.services.sip_domain),
    )


@endpoint(
    "POST",
    "/api/v1/floor/agents/{agent_id}/state",
    "Set an agent's state",
    input=StateOrder,
    right="agents.force",
    problems=("unknown_agent", "unknown_reason", "wrong_state", "not_signed_in", "fenced"),
)
async def force_state(asked: Asked[StateOrder]) -> None:
    """Kept in the journal with who did it."""
    await asked.put(
        inputs.ForceState(
            request_id="force",
            agent_id=asked.part("agent_id", "unknown_agent"),
            by=asked.session.user.name,
            state=asked.input.state,
            reason=asked.input.reason,
        )
    )


@endpoint(
    "DELETE",
    "/api/v1/floor/alarms/{key}",
    "Take an alarm off the wallboard",
    right="alarms.clear",
    problems=("unknown_alarm",),
)
async def clear_alarm(asked: Asked[None]) -> None:
    """An alarm whose cause goes on comes back."""
    if not asked.services.hub.clear_alarm(asked.part("key", "unknown_alarm")):
        raise Problem("unknown_alarm")


ENDPOINTS: tuple[Endpoint, ...] = (show, force_state, clear_alarm)
_QUEUE = set(QueueInfo.model_fields)
