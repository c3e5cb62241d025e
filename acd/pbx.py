"""What the PBX tells: the dialplan's own events, device states, results of commands."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from acd import desk, handover, offers, presence, queues, waiting
from acd.queues import HEADERS, Visit, read_entry
from acd.turn import Turn
from cti import commands as c
from cti import domain as d
from cti import inputs as i
from cti.ami import events as ami
from cti.calls.book import Call, Leg
from cti.lookup import BLACKLIST

CALL_REJECTED: Final = 21
"""Q.850."""
UNKNOWN_ACTION: Final = "Invalid/unknown command"
"""So Asterisk's answer to an action begins that it does not know."""


def heard(turn: Turn, item: i.PbxEvent) -> None:
    """Take in one AMI event."""
    for event in turn.calls.decide(item.event, item.at):
        turn.emit(event)
    if isinstance(item.event, ami.UserEvent):
        handler = _DIALPLAN.get(item.event.name)
        if handler is not None:
            handler(turn, item.event, item.at)
    elif isinstance(item.event, ami.DeviceStateChange):
        device_changed(turn, item.event.device, item.event.device_state)


# --- devices -------------------------------------------------------------------------------------


def extension_of(device: str) -> str:
    """The extension behind a device or interface name like `PJSIP/8001`."""
    return device.partition("/")[2]


def device_changed(turn: Turn, device: str, device_state: str) -> None:
    """A phone's state changed."""
    extension = extension_of(device)
    turn.memory.devices[extension] = device_state
    agent = turn.state.agents.get(turn.state.seats.get(extension, ""))
    if agent is not None:
        presence.tell_phone(turn, agent)


# --- the dialplan's events -----------------------------------------------------------------------


def _entered(turn: Turn, event: ami.UserEvent, at: float) -> None:
    call = turn.calls.call_of(event.uniqueid or "")
    if call is None or event.uniqueid is None or event.channel is None:
        return
    if not call.legs[event.uniqueid].live:
        return  # news from before a connect that did not find the channel any more
    call_id = call.call_id
    ahead = 0.0 if event.timestamp is None else event.timestamp - at
    entry = read_entry(event.headers, HEADERS, at, ahead, _sent_on_from(call))
    visit = turn.fold.visit_of(call_id)
    if visit is not None and visit.queue == entry.queue:
        return
    if visit is not None:
        close(turn, visit, "withdrawn", at)
    enter(turn, call_id, event.uniqueid, event.channel, entry=entry, at=at)


def _sent_on_from(call: Call) -> float | None:
    """When the caller entered the queue that has just sent the call on."""
    before = next(reversed(call.visits.values()), None)
    return before.entered_at if before is not None and before.reason == "overflowed" else None


def enter(
    turn: Turn,
    call_id: d.CallId,
    leg_id: d.LegId,
    channel: str,
    *,
    entry: queues.Entry,
    at: float,
    adopted: bool = False,
) -> None:
    """The caller begins to wait, unless refused or in a queue that is none: then the call ends."""
    if entry.refused:
        _refuse(turn, call_id, at)
        turn.send(partial(c.HangUp, channel=channel, cause=CALL_REJECTED))
        return
    if entry.queue not in turn.fold.queues:
        _nowhere(turn, call_id, channel)
        return
    known = turn.router.knows_skill
    sticky = entry.sticky_agent if entry.sticky_agent in turn.state.agents else None
    turn.emit(
        d.QueueEntered(
            at=at,
            call_id=call_id,
            visit_id=f"{call_id}/{turn.state.next_seq}",
            queue=entry.queue,
            channel=channel,
            leg_id=leg_id,
            entered_at=entry.entered_at,
            priority=entry.priority,
            skills={skill: level for skill, level in entry.skills.items() if known(skill)},
            language=entry.language,
            customer_name=entry.customer_name,
            customer_id=entry.customer_id,
            level=entry.level,
            sticky_agent=sticky,
            adopted=adopted,
        )
    )


def hand_over(turn: Turn, visit: Visit, party: Leg, at: float) -> None:
    """Another leg of the call waits on in this one's place, by an attended transfer."""
    native = visit.native
    close(turn, visit, "withdrawn", at)
    wait_on(turn, visit, party.leg_id, party.channel, at, talked_seconds=visit.talked_seconds)
    successor = turn.fold.visit_of(visit.call_id)
    if native and successor is not None:
        go_native(turn, successor, at)


def wait_on(
    turn: Turn,
    before: Visit,
    leg_id: d.LegId,
    channel: str,
    at: float,
    *,
    talked_seconds: float,
    returns_to: d.AgentId | None = None,
    adopted: bool = False,
) -> None:
    """The call waits as it did before, with the place it had."""
    turn.emit(
        d.QueueEntered(
            at=at,
            call_id=before.call_id,
            visit_id=f"{before.call_id}/{turn.state.next_seq}",
            queue=before.queue,
            channel=channel,
            leg_id=leg_id,
            entered_at=before.entered_at,
            talked_seconds=talked_seconds,
            priority=before.priority,
            skills=before.skills,
            language=before.language,
            sticky_agent=before.sticky_agent,
            returns_to=returns_to,
            adopted=adopted,
        )
    )


def _refuse(turn: Turn, call_id: d.CallId, at: float) -> None:
    call = turn.calls.call(call_id)
    if call is not None and not call.refused:
        turn.emit(d.CallRefused(at=at, call_id=call_id))


def _nowhere(turn: Turn, call_id: d.CallId, channel: str) -> None:
    if turn.link_up and not turn.fenced:
        exten = f"{turn.state.epoch}-hangup-closed"
        turn.send(
            lambda command_id: c.SendTo(
                command_id=command_id,
                call_id=call_id,
                channel=channel,
                context="zuoxi-leave",
                exten=exten,
            )
        )


def close(turn: Turn, visit: Visit, reason: d.VisitEnd, at: float, *, exact: bool = True) -> None:
    """The visit is over otherwise than by an answer or a hang-up; so is an offer of it."""
    offer = turn.state.offers.get(visit.offer_id or "")
    waiting.leave(turn, visit, reason, at, exact=exact)
    if offer is not None:
        waiting.end_offer(turn, offer, "rescinded", "caller_moved", at)


def _visit(turn: Turn, event: ami.UserEvent) -> Visit | None:
    call_id = turn.call_id_of(event.uniqueid)
    return None if call_id is None else turn.fold.visit_of(call_id)


def _came_back(turn: Turn, event: ami.UserEvent, at: float) -> None:
    """The dialplan returned the caller from an offer to the wait."""
    offer = turn.state.offers.get(event.headers.get("Offer", ""))
    call_id = turn.call_id_of(event.uniqueid)
    if call_id is None:
        return
    if offer is None or offer.call_id != call_id:
        _came_back_unasked(turn, call_id, at)
        return
    agent = turn.state.agents[offer.agent_id]
    ending = offers.ending(
        offer,
        reason=event.headers.get("Reason", ""),
        status=event.headers.get("Status", ""),
        withdrawn=turn.memory.withdrawing.get(offer.id),
        reachable=agent.reachable,
    )
    waiting.end_offer(turn, offer, ending.end, ending.detail, at, counts=ending.counts_as_miss)


def _came_back_unasked(turn: Turn, call_id: d.CallId, at: float) -> None:
    """Back from an offer of a process before us, or from an agent whose phone died in the call."""
    visit = turn.fold.visit_of(call_id)
    if visit is None:
        waits_again(turn, call_id, at, returns_to=turn.memory.retaking.pop(call_id, None))
        return
    if visit.native:
        leave_native(turn, visit, at)
    own_again(turn, visit.id)
    offer = turn.state.offers.get(visit.offer_id or "")
    if offer is not None and offer.leg_id is None and offer.id not in turn.memory.withdrawing:
        turn.memory.overtaken.add(offer.id)
        turn.fold.timers.arm("offer", offer.id, turn.now + offers.OVERTAKEN_SECONDS)


def waits_again(
    turn: Turn, call_id: d.CallId, at: float, *, returns_to: d.AgentId | None = None
) -> Visit | None:
    """Who was talked to is back in the wait with the place of before, unless the talk goes on."""
    call, answered = turn.calls.call(call_id), turn.state.answered.get(call_id)
    if call is None or answered is None:
        return None
    before = answered.visit
    leg = call.legs.get(before.leg_id)
    if leg is None or not leg.live or call.in_talk(leg):
        return None
    if before.queue not in turn.fold.queues:
        _nowhere(turn, call_id, before.channel)
        return None
    talked = before.talked_seconds + max(0.0, at - (at if answered.at is None else answered.at))
    wait_on(
        turn,
        before,
        before.leg_id,
        before.channel,
        at,
        talked_seconds=talked,
        returns_to=returns_to,
        adopted=True,
    )
    return turn.fold.visit_of(call_id)


def leave_to_others(turn: Turn, visit: Visit, seconds: float) -> None:
    """An offer may be going on that we do not steer: wait for its end, at most so long."""
    turn.memory.foreign.add(visit.id)
    turn.fold.withheld.add(visit.id)
    turn.fold.place(visit, turn.now)
    turn.fold.timers.arm("foreign", visit.id, turn.now + seconds)


def own_again(turn: Turn, visit_id: str) -> None:
    """An offer that was not ours is over: the caller waits for us."""
    turn.memory.foreign.discard(visit_id)
    turn.fold.timers.arm("foreign", visit_id, None)
    if visit_id not in turn.memory.leaving:
        turn.fold.withheld.discard(visit_id)
    visit = turn.state.visits.get(visit_id)
    if visit is not None:
        turn.fold.place(visit, turn.now)


def _waiter(turn: Turn, event: ami.UserEvent, at: float) -> Visit | None:
    """The visit of who stands in the wait, begun anew where we did not hear the talk's end."""
    call_id = turn.call_id_of(event.uniqueid)
    if call_id is None:
        return None
    return turn.fold.visit_of(call_id) or waits_again(turn, call_id, at)


def _went_native(turn: Turn, event: ami.UserEvent, at: float) -> None:
    visit = _waiter(turn, event, at)
    if visit is not None and not visit.native:
        go_native(turn, visit, at)


def go_native(turn: Turn, visit: Visit, at: float) -> None:
    """The dialplan put the caller into Asterisk's own queue."""
    turn.emit(d.NativeEntered(at=at, call_id=visit.call_id, visit_id=visit.id, queue=visit.queue))
    offer = turn.state.offers.get(visit.offer_id or "")
    if offer is not None:
        waiting.end_offer(turn, offer, "failed", "went_native", at)


def _back_from_native(turn: Turn, event: ami.UserEvent, at: float) -> None:
    visit = _waiter(turn, event, at)
    if visit is not None and visit.native:
        leave_native(turn, visit, at)


def leave_native(turn: Turn, visit: Visit, at: float) -> None:
    """The caller is ours again."""
    turn.emit(d.NativeLeft(at=at, call_id=visit.call_id, visit_id=visit.id, queue=visit.queue))


def _left(turn: Turn, event: ami.UserEvent, at: float) -> None:
    visit = _visit(turn, event)
    verb, argument = event.headers.get("Verb", ""), event.headers.get("Argument", "")
    if visit is None:
        call_id = turn.call_id_of(event.uniqueid)
        if call_id is not None and argument == BLACKLIST:
            _refuse(turn, call_id, at)
        return
    said = queues.left_by(verb, argument)
    leaving = turn.memory.leaving.get(visit.id)
    close(turn, visit, (leaving and leaving.end) or said, at)


def _epoch_told(turn: Turn, event: ami.UserEvent, _at: float) -> None:
    text = event.headers.get("Epoch", "")
    if text.isascii() and text.isdigit() and len(text) < 19 and int(text) > turn.state.epoch:
        handover.fence(turn, int(text))


_DIALPLAN: Final[dict[str, Callable[[Turn, ami.UserEvent, float], None]]] = {
    "ZxEnter": _entered,
    "ZxBack": _came_back,
    "ZxNative": _went_native,
    "ZxWait": _back_from_native,
    "ZxLeave": _left,
    "ZxEpoch": _epoch_told,
}


# --- results of commands -------------------------------------------------------------------------


def result(turn: Turn, item: i.CommandResult) -> None:
    """Learn what became of a command. What only a lost link knows is found at the next snapshot."""
    flight = turn.memory.in_flight.pop(item.command_id, None)
    if flight is None:
        return
    command = flight.command
    if isinstance(command, c.Assign) and item.result == "refused":
        offer = turn.state.offers.get(command.offer_id)
        if offer is not None:
            waiting.end_offer(turn, offer, "failed", offers.REFUSED, turn.now)
    elif isinstance(command, c.Withdraw) and item.result != "done":
        _not_withdrawn(turn, command.offer_id, refused=item.result == "refused")
    elif isinstance(command, c.Withdraw) and command.agent_channel is None:
        if command.offer_id in turn.state.offers:
            at = turn.now + offers.WITHDRAWN_SECONDS
            turn.fold.timers.arm("offer", command.offer_id, at)
    elif isinstance(command, c.SetMute) and flight.request is not None:
        desk.muted(turn, flight.request, item.result)
    elif isinstance(command, c.NativeRelease) and item.result != "done":
        known = not item.message.startswith(UNKNOWN_ACTION)
        waiting.not_released(turn, command.call_id, known=known)
    elif isinstance(command, c.SendTo):
        _redirected(turn, command, flight.position, flight.expected_wait_seconds, item.result)


def _not_withdrawn(turn: Turn, offer_id: d.OfferId, *, refused: bool) -> None:
    """The PBX did not take an offer back, or we do not know: what was waited for may not come."""
    why = turn.memory.withdrawing.pop(offer_id, None)
    offer = turn.state.offers.get(offer_id)
    if offer is not None and not waiting.answered_after_all(turn, offer) and not refused:
        presence.decide_anew(turn, offer, rejected=why == offers.REJECTED)


def _redirected(
    turn: Turn, command: c.SendTo, position: int, expected: float | None, outcome: str
) -> None:
    visit = turn.fold.visit_of(command.call_id)
    if visit is None:
        return
    if command.context == "zuoxi-announce" and outcome == "done":
        turn.emit(
            d.PositionAnnounced(
                at=turn.now,
                call_id=visit.call_id,
                queue=visit.queue,
                position=position,
                expected_wait_seconds=expected,
            )
        )
    elif command.context == "zuoxi-leave" and outcome == "refused":
        waiting.refused(turn, visit.id)


# --- what callers said to the dialplan's hooks, what the recordings' checks found ----------------


def survey(turn: Turn, item: i.SurveyKey) -> None:
    """Keep the caller's key."""
    call_id = turn.call_id_of(item.uniqueid)
    if call_id is None or not 1 <= item.score <= 5:
        return
    answered = turn.state.answered.get(call_id)
    turn.emit(
        d.SurveyAnswered(
            at=turn.now,
            call_id=call_id,
            score=item.score,
            agent_id=None if answered is None else answered.agent_id,
            queue=None if answered is None else answered.visit.queue,
        )
    )


def callback(turn: Turn, item: i.CallbackWish) -> None:
    """Keep the caller's wish, with the place in the queue it was given up for."""
    call_id = turn.call_id_of(item.uniqueid)
    digits = item.number.removeprefix("+")
    if call_id is None or not (digits.isascii() and digits.isdigit() and len(digits) <= 20):
        return
    visit = turn.fold.visit_of(call_id)
    queue = visit.queue if visit is not None else item.queue
    turn.emit(
        d.CallbackRequested(
            at=turn.now,
            call_id=call_id,
            number=item.number,
            queue=queue if queue in turn.fold.queues else None,
            entered_at=None if visit is None else visit.entered_at,
        )
    )


def consent(turn: Turn, item: i.ConsentAnswer) -> None:
    """Keep the caller's answer; a no keeps the call unrecorded."""
    call_id = turn.call_id_of(item.uniqueid)
    if call_id is not None:
        turn.emit(d.ConsentGiven(at=turn.now, call_id=call_id, consent=item.consent))


def recording_checked(turn: Turn, item: i.RecordingChecked) -> None:
    """Keep what the check of a recording found."""
    if item.fault is not None or item.path is None:
        turn.emit(
            d.RecordingFaulty(
                at=turn.now,
                call_id=item.call_id,
                recording_id=item.recording_id,
                fault=item.fault or "missing",
                detail=item.detail,
            )
        )
        return
    found = msgspec.structs.asdict(item)
    turn.emit(
        d.RecordingStored(
            at=turn.now,
            **{name: found[name] for name in d.RecordingStored.__struct_fields__ if name in found},
        )
    )
