"""Agents: one state each, one table of what may follow what.

An agent sits on one extension while signed in. Free for an offer is who is ready, can be rung (the
phone is registered, and for a browser's phone the panel lives) and has no leg of any call.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from cti.domain import AgentId, AgentState, AgentStateChanged, CallId, LegId, OfferId, QueueName

Trigger = Literal["sign_in", "sign_out", "ready", "not_ready", "offer", "call", "wrap_up"]

TABLE: Final[dict[tuple[AgentState, Trigger], AgentState]] = {
    ("signed_out", "sign_in"): "not_ready",
    ("not_ready", "ready"): "ready",
    ("not_ready", "not_ready"): "not_ready",  # for another reason
    ("not_ready", "call"): "talking",  # dialled out, or rung past us
    ("not_ready", "sign_out"): "signed_out",
    ("ready", "not_ready"): "not_ready",
    ("ready", "offer"): "offered",
    ("ready", "call"): "talking",
    ("ready", "sign_out"): "signed_out",
    ("offered", "ready"): "ready",  # the offer ended without a call
    ("offered", "not_ready"): "not_ready",
    ("offered", "call"): "talking",
    ("offered", "sign_out"): "signed_out",
    ("talking", "ready"): "ready",
    ("talking", "not_ready"): "not_ready",
    ("talking", "wrap_up"): "wrap_up",
    ("talking", "sign_out"): "signed_out",
    ("wrap_up", "ready"): "ready",
    ("wrap_up", "not_ready"): "not_ready",
    ("wrap_up", "wrap_up"): "wrap_up",  # extended
    ("wrap_up", "call"): "talking",
    ("wrap_up", "sign_out"): "signed_out",
}
"""State and what is done to the agent -> next state. What is not here cannot happen."""

JUST_SIGNED_IN: Final = "signed_in"
MISSED: Final = "missed"
UNREACHABLE: Final = "unreachable"
SIGN_OUT: Final = "signed_out"
"""Reasons that the server sets: not ready since signing in, after too many missed offers, after an
offer that could not ring; and the wish to sign out after the call."""

UNREACHABLE_SECONDS: Final = 30.0
"""How long an agent whose phone could not be rung is spared, then tried again."""
PANEL_LOST_SECONDS: Final = 600.0
"""An agent whose browser has been gone so long is signed out."""
RECENT_CALLS: Final = 20
"""So many calls an agent may still write the outcome of."""

UNRINGABLE: Final = frozenset({"UNAVAILABLE", "INVALID", "UNKNOWN", ""})
"""Device states of a phone that is not registered."""


class IllegalTransitionError(Exception):
    """The table has no such step; nothing was changed."""


class Interrupted(msgspec.Struct, frozen=True):
    """A state that a call without a queue interrupted, with what belongs to it."""

    state: AgentState = "ready"
    reason: str | None = None
    until: float | None = None
    call_id: CallId | None = None
    queue: QueueName | None = None


class Agent(msgspec.Struct, kw_only=True):
    """An agent as the events tell.

    :param since: epoch seconds at which this state (and reason) began.
    :param until: epoch seconds at which the state ends by itself, None when it does not.
    :param browser: the extension is a browser's phone, which needs a living panel.
    :param panel_lost_at: since when the panel is gone, None while it is there or never was.
    :param next_reason: wish: not ready with this reason after the call.
    :param sign_out_after: wish: sign out after the call, with this reason.
    :param idle_since: what "longest idle" goes by: ready since then, offers lost to the machine or
        to an impatient caller not counted.
    :param calls: queue calls answered since signing in.
    :param missed: offers missed in a row.
    :param offered_at: queue -> when it last offered a call to this agent.
    :param legs: live legs of this agent -> their call.
    :param queue: whose call is in hand or being wrapped up; None for a call without a queue.
    :param before: the state that a call without a queue interrupted.
    :param recent: calls this agent took part in -> their queue, latest last.
    """

    id: AgentId
    state: AgentState = "signed_out"
    reason: str | None = None
    since: float = 0.0
    until: float | None = None
    extension: str | None = None
    browser: bool = False
    call_id: CallId | None = None
    offer_id: OfferId | None = None
    phone_reachable: bool = False
    panel_connected: bool = False
    panel_lost_at: float | None = None
    next_reason: str | None = None
    sign_out_after: str | None = None
    idle_since: float = 0.0
    calls: int = 0
    missed: int = 0
    offered_at: dict[QueueName, float] = {}
    legs: dict[LegId, CallId] = {}
    queue: QueueName | None = None
    wrap_up_started: float = 0.0
    before: Interrupted | None = None
    recent: dict[CallId, QueueName | None] = {}

    @property
    def reachable(self) -> bool:
        """Whether an offer would ring."""
        return self.phone_reachable and (self.panel_connected or not self.browser)

    @property
    def free(self) -> bool:
        """Whether an offer may be made now."""
        return self.state == "ready" and not self.legs and self.reachable


def ringable(device_state: str) -> bool:
    """Whether a phone in this device state of Asterisk is registered."""
    return device_state.upper() not in UNRINGABLE


def transition(state: AgentState, trigger: Trigger) -> AgentState:
    """Look the next state up.

    :raises IllegalTransitionError: there is none.
    """
    try:
        return TABLE[state, trigger]
    except KeyError:
        raise IllegalTransitionError(f"an agent who is {state} cannot {trigger}") from None


def changed(
    agent: Agent,
    trigger: Trigger,
    at: float,
    *,
    reason: str | None = None,
    call_id: CallId | None = None,
    until: float | None = None,
    by: str | None = None,
) -> AgentStateChanged:
    """The event of a step in the table, never dated before the last one.

    :param by: the leader who did it, None where none did.
    :raises IllegalTransitionError: the table has no such step.
    """
    return AgentStateChanged(
        at=max(at, agent.since),
        agent_id=agent.id,
        state=transition(agent.state, trigger),
        reason=reason,
        call_id=call_id,
        until=until,
        by=by,
    )


def released(agent: Agent, at: float) -> AgentStateChanged | None:
    """What follows a call, its wrap-up or an offer: the wish if there is one, else ready.

    None where the wish is to sign out, which takes more than one event.
    """
    if agent.sign_out_after:
        return None
    if agent.next_reason:
        return changed(agent, "not_ready", at, reason=agent.next_reason)
    return changed(agent, "ready", at)


def resumed(agent: Agent, at: float) -> AgentStateChanged | None:
    """What follows a call without a queue: the wish, else the state that the call interrupted."""
    before = agent.before or Interrupted()
    if agent.sign_out_after or agent.next_reason or before.state == "ready":
        return released(agent, at)
    if before.state == "wrap_up":
        if before.until is None or before.until <= at:
            return released(agent, at)
        return changed(agent, "wrap_up", at, call_id=before.call_id, until=before.until)
    return changed(agent, "not_ready", at, reason=before.reason, until=before.until)


def apply_state(agent: Agent, event: AgentStateChanged) -> None:
    """Fold a change of state into the agent."""
    was = agent.state
    if event.state == "talking" and was != "talking":
        agent.before = _interrupted(agent)
        agent.queue = agent.recent.get(event.call_id or "")
    if event.state == "wrap_up" and was != "wrap_up":
        if agent.queue is None and agent.before is not None:
            agent.queue = agent.before.queue
        else:
            agent.wrap_up_started = event.at
    if (event.state, event.reason) != (was, agent.reason):
        agent.since = event.at
    if event.state == "ready" and was not in ("ready", "offered"):
        agent.idle_since = event.at
        agent.missed = 0 if was == "not_ready" else agent.missed
    if event.state in ("ready", "not_ready", "signed_out"):
        agent.next_reason = agent.sign_out_after = agent.before = agent.queue = None
    agent.state, agent.reason, agent.until = event.state, event.reason, event.until
    agent.call_id = event.call_id


def call_merged(agent: Agent, gone: CallId, into: CallId) -> None:
    """Fold the other id of a call into what the agent has to do with it."""
    if agent.call_id == gone:
        agent.call_id = into
    if agent.before is not None and agent.before.call_id == gone:
        agent.before = msgspec.structs.replace(agent.before, call_id=into)
    if gone in agent.recent:
        queue = agent.recent.pop(gone)
        agent.recent[into] = agent.recent.pop(into, None) or queue


def _interrupted(agent: Agent) -> Interrupted:
    if agent.state == "offered":
        return Interrupted()
    return Interrupted(agent.state, agent.reason, agent.until, agent.call_id, agent.queue)
