"""The floor as screens need it: queues, reasons, extensions, agents; and what leaders do there."""

from __future__ import annotations

from typing import Literal

from config.floor import QueueLimits
from cti import inputs
from web import audit
from web.agent import Code
from web.endpoint import Asked, Endpoint, Input, Output, endpoint
from web.problems import Problem
from web.reach import within

Titles = dict[str, str]
"""language -> name on screens; where one is missing the screen shows the code."""


class QueueInfo(Output):
    """A queue."""

    name: str
    title: Titles
    service_level_seconds: int
    service_level_target: float
    limits: QueueLimits
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
    floor, hub = asked.services.floor, asked.services.hub
    seats, teams = hub.view.seats(), hub.teams
    return FloorInfo(
        time_zone=floor.time_zone,
        queues=[
            QueueInfo(limits=queue.limits, **queue.model_dump(include=_QUEUE))
            for queue in floor.queues
        ],
        reasons=[ReasonInfo(**reason.model_dump()) for reason in floor.reasons],
        extensions=[
            ExtensionInfo(number=each.number, kind=each.kind, agent_id=seats.get(each.number))
            for each in floor.extensions
        ],
        agents=[
            AgentInfo(
                id=agent.id,
                name=agent.name,
                team=teams.name_of(agent.id),
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
    problems=(
        *("unknown_agent", "unknown_reason", "wrong_state", "not_signed_in", "fenced"),
        "not_your_team",
    ),
)
async def force_state(asked: Asked[StateOrder]) -> None:
    """Kept in the journal and in the audit trail with who did it."""
    agent_id, order = asked.part("agent_id", "unknown_agent"), asked.input
    if not within(asked.seen("agents.force"), [agent_id]):
        raise Problem("not_your_team")
    await asked.put(
        inputs.ForceState(
            request_id="force",
            agent_id=agent_id,
            by=asked.session.user.name,
            state=order.state,
            reason=order.reason,
        )
    )
    facts = {"state": order.state, "reason": order.reason}
    await asked.parts.notes.add(asked, "agent_state_forced", audit.Object("agent", agent_id), facts)


@endpoint(
    "DELETE",
    "/api/v1/floor/alarms/{key}",
    "Take an alarm off the wallboard",
    right="alarms.clear",
    problems=("unknown_alarm",),
)
async def clear_alarm(asked: Asked[None]) -> None:
    """An alarm whose cause goes on comes back."""
    key, hub = asked.part("key", "unknown_alarm"), asked.services.hub
    if not hub.view.has_alarm(key, asked.seen("alarms.clear")):
        raise Problem("unknown_alarm")
    hub.clear_alarm(key)
    await asked.parts.notes.add(asked, "alarm_cleared", audit.Object("alarm", key))


ENDPOINTS: tuple[Endpoint, ...] = (show, force_state, clear_alarm)
_QUEUE = set(QueueInfo.model_fields) - {"limits"}
