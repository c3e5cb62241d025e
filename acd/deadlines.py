"""What happens when a deadline passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from acd import agents, offers, pbx, presence, waiting
from acd.timers import Kind
from acd.turn import Turn

AGAIN_SECONDS: Final = 5.0
"""What cannot be settled while the PBX is away is looked at again after so long."""


def due(turn: Turn) -> bool:
    """Whether any deadline is due."""
    at = turn.fold.timers.next()
    return at is not None and at <= turn.now


def passed(turn: Turn) -> None:
    """Settle all deadlines that are due."""
    for kind, key in turn.fold.timers.due(turn.now):
        _DEADLINES[kind](turn, key)


def _agent(turn: Turn, agent_id: str) -> None:
    agent = turn.state.agents[agent_id]
    if agent.state == "wrap_up":
        presence.release(turn, agent, turn.now)
    elif agent.state == "not_ready" and agent.reason == agents.UNREACHABLE:
        turn.emit(agents.changed(agent, "ready", turn.now))


def _panel(turn: Turn, agent_id: str) -> None:
    agent = turn.state.agents[agent_id]
    if agent.state in ("ready", "not_ready", "wrap_up"):
        presence.sign_out(turn, agent, "panel_lost", turn.now)
    elif agent.state != "signed_out":
        turn.fold.timers.arm("panel", agent_id, turn.now + AGAIN_SECONDS)


def _proof(turn: Turn, agent_id: str) -> None:
    agent = turn.state.agents[agent_id]
    if agent_id not in turn.memory.panels:
        presence.tell_panel(turn, agent, connected=False)


def _offer(turn: Turn, offer_id: str) -> None:
    """The PBX has been silent for longer than the phone may ring: the agent is free again.

    A phone that rings on was asked late; its leg will end or be answered.
    The caller is not fetched at once, which could tear a talk apart that we have not heard of yet:
    the dialplan returns callers by itself.
    """
    offer = turn.state.offers.get(offer_id)
    if offer is None:
        return
    if turn.may_decide and waiting.answered_after_all(turn, offer):
        return
    if not turn.may_decide or offer.leg_id in turn.state.legs:
        turn.fold.timers.arm("offer", offer_id, turn.now + AGAIN_SECONDS)
        return
    withdrawn = turn.memory.withdrawing.get(offer_id)
    if withdrawn is not None and offer.leg_id is None:
        end = offers.BY_WITHDRAWAL[withdrawn]
        waiting.end_offer(turn, offer, end.end, end.detail, turn.now, counts=end.counts_as_miss)
        return
    if offer_id in turn.memory.overtaken and offer.leg_id is None:
        waiting.end_offer(turn, offer, "failed", offers.OVERTAKEN, turn.now)
        return
    visit = turn.state.visits.get(offer.visit_id)
    if visit is not None:
        pbx.leave_to_others(turn, visit, offers.SILENT_SECONDS)
    waiting.end_offer(turn, offer, "failed", offers.SILENT, turn.now)


def _visit(turn: Turn, visit_id: str) -> None:
    visit = turn.state.visits.get(visit_id)
    if visit is not None:
        turn.fold.place(visit, turn.now)
        presence.not_back(turn, visit.returns_to)


def _overflow(turn: Turn, visit_id: str) -> None:
    visit = turn.state.visits.get(visit_id)
    if visit is not None:
        waiting.overflow(turn, visit)


def _announce(turn: Turn, visit_id: str) -> None:
    visit = turn.state.visits.get(visit_id)
    if visit is not None:
        waiting.announce(turn, visit)


def _foreign(turn: Turn, visit_id: str) -> None:
    visit = turn.state.visits.get(visit_id)
    if visit is not None and turn.may_decide:
        waiting.fetch(turn, visit)
    pbx.own_again(turn, visit_id)


def _native(turn: Turn, visit_id: str) -> None:
    visit = turn.state.visits.get(visit_id)
    if visit is not None and visit.native and turn.may_decide:
        waiting.fetch(turn, visit)


def _match(turn: Turn, _key: str) -> None:
    """Matching follows every step, and this one does not wait for fresher news."""
    turn.behind = False


_DEADLINES: Final[dict[Kind, Callable[[Turn, str], None]]] = {
    "agent": _agent,
    "panel": _panel,
    "proof": _proof,
    "offer": _offer,
    "visit": _visit,
    "overflow": _overflow,
    "announce": _announce,
    "leaving": waiting.unconfirmed,
    "undecided": waiting.decide,
    "native": _native,
    "foreign": _foreign,
    "match": _match,
}
