"""Letting go: another server has the PBX, and its journal tells of the calls from here on.

Who is fenced lets go at once; who was stopped or cut off meanwhile, at the next connect. So one
journal tells of a call, and agents sit at one server.
"""

from __future__ import annotations

from acd import presence
from acd.turn import Turn
from cti import domain as d
from cti.calls.book import Call


def fence(turn: Turn, newer_epoch: int) -> None:
    """A newer process has taken this PBX over: decide nothing from here on."""
    if not turn.fenced:
        turn.emit(d.ServerFenced(at=turn.now, epoch=turn.state.epoch, newer_epoch=newer_epoch))
        hand_over(turn, turn.now)
        sign_out_all(turn, turn.now)


def catch_up(turn: Turn, at: float) -> None:
    """Another server had the PBX since we last heard it, at `at`.

    A PBX that was started anew since has lost our calls, and that is ours to tell.
    """
    if not turn.memory.pbx_restarted:
        hand_over(turn, at)
    sign_out_all(turn, at)


def hand_over(turn: Turn, at: float) -> None:
    """All live calls are another server's."""
    for call in turn.calls.live():
        turn.emit(d.CallHandedOver(at=at, call_id=call.call_id, visit_id=_told_again(turn, call)))
    turn.memory.forget_calls()


def sign_out_all(turn: Turn, at: float) -> None:
    """The agents have to sign in where the calls are."""
    for agent in turn.state.agents.values():
        if agent.extension is not None:
            presence.sign_out(turn, agent, d.HANDED_OVER, at)


def _told_again(turn: Turn, call: Call) -> str | None:
    """The visit of the call that the other server finds.

    Until the talk is over the dialplan leaves an answered caller marked as in the offer.
    """
    visit = turn.fold.visit_of(call.call_id)
    if visit is not None:
        return visit.id
    answered = turn.state.answered.get(call.call_id)
    if answered is None:
        return None
    leg = call.legs.get(answered.visit.leg_id)
    return answered.visit.id if leg is not None and call.in_talk(leg) else None
