"""Requests of agents and leaders: checked, carried out, answered."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import msgspec

from acd import agents, offers, presence
from acd.agents import Agent
from acd.state import Answered
from acd.turn import Turn
from cti import commands as c
from cti import domain as d
from cti import inputs as i

MAX_NOTES: Final = 4000
LOST: Final = 44
"""Q.850 cause of a leg without sound, for which the dialplan returns the caller to the wait."""
IDLE: Final = ("ready", "not_ready", "wrap_up")


def request(turn: Turn, item: i.Request) -> None:
    """Answer one request."""
    if turn.fenced:
        turn.reply(item, "fenced")
        return
    agent = turn.state.agents.get(getattr(item, "agent_id", ""))
    if agent is None:
        turn.reply(item, "unknown_agent")
    elif agent.state == "signed_out" and not isinstance(item, i.SignIn | i.SaveDisposition):
        turn.reply(item, "not_signed_in")
    else:
        _REQUESTS[type(item)](turn, _as_named_now(turn, item), agent)


def _as_named_now(turn: Turn, item: i.Request) -> i.Request:
    """A screen may name a call as it was before it became part of another one."""
    call = turn.calls.call(getattr(item, "call_id", ""))
    return item if call is None else msgspec.structs.replace(item, call_id=call.call_id)


# --- the seat ------------------------------------------------------------------------------------


def _sign_in(turn: Turn, item: i.SignIn, agent: Agent) -> None:
    if item.extension not in turn.extensions:
        turn.reply(item, "unknown_extension")
        return
    if agent.extension == item.extension:
        turn.reply(item)
        return
    presence.vacate(turn, item.extension)
    sitting = turn.state.agents.get(turn.state.seats.get(item.extension, ""))
    in_the_way = [each for each in (sitting, agent) if each is not None and each.extension]
    if in_the_way and not item.confirm_takeover:
        other = in_the_way[0]
        turn.reply(item, "seat_taken", agent=other.id, extension=other.extension or "")
        return
    busy = next((each for each in in_the_way if each.state not in IDLE), None)
    if busy is not None:
        turn.reply(item, "wrong_state", agent=busy.id, state=busy.state)
        return
    for other in in_the_way:
        presence.sign_out(turn, other, "taken_over", turn.now)
    presence.sign_in(turn, agent, item.extension, took_over=bool(in_the_way))
    turn.reply(item)


def _sign_out(turn: Turn, item: i.SignOut, agent: Agent) -> None:
    _leave_seat(turn, agent, item.reason)
    turn.reply(item)


def _leave_seat(turn: Turn, agent: Agent, reason: str, by: str | None = None) -> None:
    """At once where nothing is in hand, else after the call; a pending offer is taken back."""
    if agent.state in IDLE:
        presence.sign_out(turn, agent, reason, turn.now, by=by)
        return
    turn.emit(
        d.AgentNextStateSet(
            at=turn.now, agent_id=agent.id, reason=agents.SIGN_OUT, sign_out=reason, by=by
        )
    )
    offer = turn.fold.offer_to(agent)
    if offer is not None:
        presence.withdraw(turn, offer, "agent_signed_out")


# --- ready and not ready -------------------------------------------------------------------------


def _set_ready(turn: Turn, item: i.SetReady, agent: Agent) -> None:
    turn.reply(item, _become_ready(turn, agent))


def _become_ready(turn: Turn, agent: Agent, by: str | None = None) -> str | None:
    if agent.state in ("not_ready", "wrap_up"):
        turn.emit(agents.changed(agent, "ready", turn.now, by=by))
    elif agent.state != "ready":
        if agent.next_reason is None:
            return "wrong_state"
        _wish(turn, agent, None, by)
    return None


def _set_not_ready(turn: Turn, item: i.SetNotReady, agent: Agent) -> None:
    if item.reason not in turn.reasons:
        turn.reply(item, "unknown_reason")
        return
    _become_not_ready(turn, agent, item.reason)
    turn.reply(item)


def _become_not_ready(turn: Turn, agent: Agent, reason: str, by: str | None = None) -> None:
    if agent.state not in IDLE:
        _wish(turn, agent, reason, by)
    elif (agent.state, agent.reason) != ("not_ready", reason):
        turn.emit(agents.changed(agent, "not_ready", turn.now, reason=reason, by=by))


def _wish(turn: Turn, agent: Agent, reason: str | None, by: str | None = None) -> None:
    if agent.next_reason != reason or agent.sign_out_after is not None:
        turn.emit(d.AgentNextStateSet(at=turn.now, agent_id=agent.id, reason=reason, by=by))


def _clear_next_state(turn: Turn, item: i.ClearNextState, agent: Agent) -> None:
    _wish(turn, agent, None)
    turn.reply(item)


def _force_state(turn: Turn, item: i.ForceState, agent: Agent) -> None:
    code = None
    if item.state == "signed_out":
        _leave_seat(turn, agent, "supervisor", item.by)
    elif item.state == "ready":
        code = _become_ready(turn, agent, item.by)
    elif item.reason not in turn.reasons:
        code = "unknown_reason"
    else:
        _become_not_ready(turn, agent, str(item.reason), item.by)
    turn.reply(item, code)


# --- offers and calls ----------------------------------------------------------------------------


def _reject_offer(turn: Turn, item: i.RejectOffer, agent: Agent) -> None:
    offer = turn.fold.offer_to(agent)
    if offer is None or offer.id != item.offer_id:
        turn.reply(item, "unknown_offer")
    elif not turn.link_up:
        turn.reply(item, "pbx_down")
    else:
        presence.withdraw(turn, offer, offers.REJECTED)
        turn.reply(item)


def _hang_up(turn: Turn, item: i.HangUpCall, agent: Agent) -> None:
    legs = [leg_id for leg_id, call_id in agent.legs.items() if call_id == item.call_id]
    if not legs:
        turn.reply(item, "not_your_call")
    elif not turn.link_up:
        turn.reply(item, "pbx_down")
    else:
        for leg_id in legs:
            turn.send(partial(c.HangUp, channel=turn.state.legs[leg_id].channel))
        turn.reply(item)


def _retake(turn: Turn, item: i.RetakeCall, agent: Agent) -> None:
    """End the dead leg as the PBX would seconds later; the caller then waits for this agent."""
    legs = [leg_id for leg_id, call_id in agent.legs.items() if call_id == item.call_id]
    answered = turn.state.answered.get(item.call_id)
    if not legs or answered is None or answered.agent_id != agent.id or not agent.browser:
        turn.reply(item, "not_your_call")
    elif not turn.link_up:
        turn.reply(item, "pbx_down")
    else:
        known = turn.memory.retaking
        for over in [call_id for call_id in known if turn.calls.call(call_id) is None]:
            del known[over]
        known[item.call_id] = agent.id
        for leg_id in legs:
            turn.send(partial(c.HangUp, channel=turn.state.legs[leg_id].channel, cause=LOST))
        turn.reply(item)


def _extend_wrap_up(turn: Turn, item: i.ExtendWrapUp, agent: Agent) -> None:
    if agent.state != "wrap_up" or agent.queue is None or agent.until is None:
        turn.reply(item, "wrong_state")
        return
    settings = turn.fold.queues[agent.queue]
    latest = agent.wrap_up_started + max(settings.wrap_up_limit_seconds, settings.wrap_up_seconds)
    until = min(agent.until + item.seconds, latest)
    if item.seconds < 1 or until <= agent.until:
        turn.reply(item, "limit_reached")
        return
    turn.emit(agents.changed(agent, "wrap_up", turn.now, call_id=agent.call_id, until=until))
    turn.reply(item)


def _save_disposition(turn: Turn, item: i.SaveDisposition, agent: Agent) -> None:
    code = _disposition_refusal(turn, item, agent)
    if code is None:
        turn.emit(
            d.DispositionSaved(
                at=turn.now,
                call_id=item.call_id,
                agent_id=agent.id,
                code=item.code,
                notes=item.notes[:MAX_NOTES],
            )
        )
        if item.finish and agent.state == "wrap_up" and agent.call_id == item.call_id:
            presence.release(turn, agent, turn.now)
    turn.reply(item, code)


def _disposition_refusal(turn: Turn, item: i.SaveDisposition, agent: Agent) -> str | None:
    if item.call_id not in agent.recent:
        return "not_your_call"
    queue = agent.recent[item.call_id]
    queues = [queue] if queue else turn.router.queues_of[agent.id]
    if not any(item.code in turn.fold.queues[each].dispositions for each in queues):
        return "unknown_disposition"
    return None


# --- recordings ----------------------------------------------------------------------------------


def _pause_recording(turn: Turn, item: i.PauseRecording, agent: Agent) -> None:
    _mute(turn, item, agent, item.call_id, mute=True)


def _resume_recording(turn: Turn, item: i.ResumeRecording, agent: Agent) -> None:
    _mute(turn, item, agent, item.call_id, mute=False)


def _mute(turn: Turn, item: i.Request, agent: Agent, call_id: d.CallId, *, mute: bool) -> None:
    recording = turn.state.recordings.get(call_id)
    answered = turn.state.answered.get(call_id)
    if call_id not in agent.legs.values():
        turn.reply(item, "not_your_call")
    elif recording is None or answered is None:
        turn.reply(item, "no_recording")
    elif not turn.link_up:
        turn.reply(item, "pbx_down")
    elif recording.paused == mute:
        turn.reply(item)
    else:
        # Whoever speaks card data next has to know that nobody listens: no answer before the PBX's.
        turn.send(
            partial(
                c.SetMute,
                call_id=call_id,
                recording_id=recording.id,
                channel=_recorded_channel(turn, answered, agent, call_id),
                mute=mute,
            ),
            request=item,
        )


def _recorded_channel(turn: Turn, answered: Answered, agent: Agent, call_id: d.CallId) -> str:
    """The customer's channel; in Asterisk's own queue the agent's is recorded (decision 13)."""
    if not answered.visit.native:
        return answered.visit.channel
    own = (leg_id for leg_id, call in agent.legs.items() if call == call_id)
    return turn.state.legs[next(own)].channel


def muted(turn: Turn, request: i.Request, outcome: str) -> None:
    """Tell the agent what became of the pause, or of its end."""
    turn.reply(request, None if outcome == "done" else "recording_unchanged")


_REQUESTS: Final[dict[type, Callable[[Turn, Any, Agent], None]]] = {
    i.SignIn: _sign_in,
    i.SignOut: _sign_out,
    i.SetReady: _set_ready,
    i.SetNotReady: _set_not_ready,
    i.ClearNextState: _clear_next_state,
    i.ForceState: _force_state,
    i.RejectOffer: _reject_offer,
    i.HangUpCall: _hang_up,
    i.RetakeCall: _retake,
    i.ExtendWrapUp: _extend_wrap_up,
    i.SaveDisposition: _save_disposition,
    i.PauseRecording: _pause_recording,
    i.ResumeRecording: _resume_recording,
}
