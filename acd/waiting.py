"""Callers who wait: turned away, sent on, told their place, answered, gone."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec

from acd import agents, estimate, presence, queues
from acd.offers import Offer
from acd.queues import Visit
from acd.state import AgentLeg
from acd.turn import Context, Leaving, Rule, Turn
from config.floor import Destination
from cti import commands as c
from cti import domain as d

CONFIRM_SECONDS = 4.0
"""So long the dialplan may be silent about a caller who was sent on."""
AGAIN_SECONDS = 2.0
"""So long a caller rests whom the PBX could not send on, as its last redirect is under way, or whom
its own queue could not let go."""
TRIES = 3
"""So often a caller is sent on; who stays all the same waits for an agent."""
APART_SECONDS = 1.0
"""So near before an overflow nothing is announced: Asterisk refuses the second redirect of two."""


def send_to(turn: Turn, visit: Visit, context: Context, exten: str, **known: Any) -> None:
    """Redirect a waiting caller inside our dialplan; `known` is kept with the command."""
    turn.send(
        partial(
            c.SendTo,
            call_id=visit.call_id,
            channel=visit.channel,
            context=context,
            exten=exten,
            language=None if context == "zuoxi-wait" else visit.language,
        ),
        **known,
    )


def fetch(turn: Turn, visit: Visit) -> None:
    """Fetch the caller into our wait, out of a native queue or another's dial.

    A native queue is asked to let the caller go: a redirect could tear a talk apart of which we
    have not heard yet. Where the PBX is too old to be asked, who is being rung is left alone.
    """
    if visit.native and turn.memory.releases:
        turn.send(
            partial(
                c.NativeRelease, call_id=visit.call_id, queue=visit.queue, channel=visit.channel
            )
        )
    elif not (visit.native and _is_rung(turn, visit)):
        send_to(turn, visit, "zuoxi-wait", f"{turn.state.epoch}-back")


def _is_rung(turn: Turn, visit: Visit) -> bool:
    """Whether a phone rings for the caller, or was picked up just now."""
    call = turn.calls.call(visit.call_id)
    legs = () if call is None else call.live_legs()
    return any(leg.leg_id != visit.leg_id and leg.room is None for leg in legs)


def not_released(turn: Turn, call_id: d.CallId, *, known: bool) -> None:
    """The native queue did not let the caller go.

    Mostly the caller has left it, and is talked to or gone: that will be told. But it may have been
    between two slices, or the PBX does not know how.

    :param known: the PBX knows what was asked.
    """
    turn.memory.releases = turn.memory.releases and known
    visit = turn.fold.visit_of(call_id)
    if visit is None or not visit.native or not turn.may_decide:
        return
    if known:
        turn.fold.timers.arm("native", visit.id, turn.now + AGAIN_SECONDS)
    else:
        fetch(turn, visit)


def send_away(
    turn: Turn,
    visit: Visit,
    to: Destination,
    why: str,
    *,
    rule: Rule,
    end: d.VisitEnd | None = None,
) -> None:
    """Send the caller on; the visit ends when the dialplan confirms it.

    :param why: said to a caller who is hung up on: closed, full, noagents, timeout.
    :param rule: what says so, and is asked again if the PBX does not carry it out.
    :param end: how the visit will have ended, None: as the dialplan says.
    """
    if not turn.may_decide or not turn.router.waits(visit.id):
        return
    turn.memory.leaving[visit.id] = Leaving(rule, end, asked=to.kind == "callback")
    turn.fold.withheld.add(visit.id)
    turn.fold.place(visit, turn.now)
    turn.fold.timers.arm("leaving", visit.id, turn.now + CONFIRM_SECONDS)
    send_to(turn, visit, "zuoxi-leave", queues.leave_exten(turn.state.epoch, to, why))


def refused(turn: Turn, visit_id: str) -> None:
    """The PBX did not send the caller on: after a rest the rule is asked again."""
    leaving = turn.memory.leaving.get(visit_id)
    if leaving is not None:
        turn.memory.leaving[visit_id] = msgspec.structs.replace(leaving, asked=False)
        turn.fold.timers.arm("leaving", visit_id, turn.now + AGAIN_SECONDS)


def unconfirmed(turn: Turn, visit_id: str) -> None:
    """The dialplan did not confirm that it sent the caller on."""
    if turn.may_decide:
        stayed(turn, visit_id)
    else:
        turn.fold.timers.arm("leaving", visit_id, turn.now + CONFIRM_SECONDS)


def stayed(turn: Turn, visit_id: str) -> None:
    """The caller was not sent on after all, and waits again; the rule is asked again."""
    leaving = turn.memory.leaving.pop(visit_id)
    turn.fold.withheld.discard(visit_id)
    turn.fold.timers.arm("leaving", visit_id, None)
    turn.fold.place(turn.state.visits[visit_id], turn.now)
    if not leaving.asked:
        tries = turn.memory.sent_in_vain.get(visit_id, 0) + 1
        turn.memory.sent_in_vain[visit_id] = tries
        if tries < TRIES:
            put_off(turn, visit_id, leaving.rule)


def put_off(turn: Turn, visit_id: str, rule: Rule) -> None:
    """Have a rule decide as soon as we may, and the caller stands in our wait."""
    turn.memory.undecided[visit_id] = rule
    turn.fold.timers.arm("undecided", visit_id, turn.now)


def decide(turn: Turn, visit_id: str) -> None:
    """Ask the rule that was put off."""
    if turn.may_decide and turn.router.waits(visit_id):
        turn.memory.undecided.pop(visit_id)(turn, turn.state.visits[visit_id])
    else:
        turn.fold.timers.arm("undecided", visit_id, turn.now + AGAIN_SECONDS)


def admit(turn: Turn, visit: Visit) -> None:
    """Turn a caller away who has just entered, if a rule of the queue says so."""
    settings = turn.fold.queues[visit.queue]
    again = turn.state.visits_had.get(visit.call_id, 0) > queues.MAX_VISITS
    if not queues.is_open(settings, turn.zone, turn.now):
        _refuse(turn, visit, settings.when_closed, "closed", "closed", again=again)
    elif _too_many(turn, visit, settings.max_waiting):
        _refuse(turn, visit, settings.when_full, "full", "full", again=again)
    elif settings.when_no_agents is not None and not turn.router.signed_in(visit.queue):
        _refuse(turn, visit, settings.when_no_agents, "noagents", "no_agents", again=again)
    else:
        for rule in settings.overflow:
            if _too_many(turn, visit, rule.waiting_over):
                if not (again and rule.to.kind == "queue"):
                    send_away(turn, visit, rule.to, "timeout", rule=admit)
                return


def _too_many(turn: Turn, visit: Visit, limit: int | None) -> bool:
    """Whether so many wait already. Who began to after this caller does not count."""
    line = turn.fold.lines[visit.queue]
    if limit is None or len(line) <= limit:
        return False
    return sum(turn.state.visits[each].order < visit.order for _, each in line) >= limit


def _refuse(
    turn: Turn, visit: Visit, to: Destination, why: str, end: d.VisitEnd, *, again: bool
) -> None:
    """Two queues that send their callers to each other end in a hang-up, not in a circle."""
    if again and to.kind == "queue":
        to = Destination(kind="hangup")
    send_away(turn, visit, to, why, rule=admit, end=end if to.kind == "hangup" else None)


def unstaffed(turn: Turn, queue: d.QueueName) -> None:
    """Send away who waits in a queue that has no agents any more, where it says so."""
    if turn.fold.queues[queue].when_no_agents is not None and not turn.router.signed_in(queue):
        for _, visit_id in turn.fold.lines[queue]:
            put_off(turn, visit_id, _without_agents)


def _without_agents(turn: Turn, visit: Visit) -> None:
    to = turn.fold.queues[visit.queue].when_no_agents
    if to is not None and not turn.router.signed_in(visit.queue):
        send_away(turn, visit, to, "noagents", rule=_without_agents, end="no_agents")


def overflow(turn: Turn, visit: Visit) -> None:
    """The wait of an overflow rule is over. Who is being offered just now is looked at again."""
    moments = [
        (visit.entered_at + rule.after_seconds, rule.to)
        for rule in turn.fold.queues[visit.queue].overflow
        if rule.after_seconds
    ]
    due = [(at, to) for at, to in moments if at <= turn.now]
    waits = turn.may_decide and turn.router.waits(visit.id)
    again = turn.now + CONFIRM_SECONDS if due and not waits else None
    later = min((at for at, _ in moments if at > turn.now), default=again)
    turn.fold.timers.arm("overflow", visit.id, later if again is None else again)
    if due and waits:
        _, to = max(due, key=lambda each: each[0])
        if to.kind != "queue" or turn.state.visits_had.get(visit.call_id, 0) <= queues.MAX_VISITS:
            send_away(turn, visit, to, "timeout", rule=overflow)


def announce(turn: Turn, visit: Visit) -> None:
    """Tell the caller the place and the expected wait, as far as the queue tells them."""
    settings = turn.fold.queues[visit.queue]
    every = settings.announce_every_seconds
    turn.fold.timers.arm("announce", visit.id, turn.now + every)
    overflow_at = turn.fold.timers.at("overflow", visit.id)
    goes_soon = overflow_at is not None and overflow_at < turn.now + APART_SECONDS
    if goes_soon or not turn.may_decide or not turn.router.waits(visit.id):
        return
    position = turn.fold.position(visit)
    wait = expected_wait_seconds(turn, visit.queue, position)
    place = str(position) if settings.announce_position else "x"
    told = str(round(wait)) if wait is not None and settings.announce_expected_wait else "x"
    message = "hold" if place == told == "x" else f"position-{place}-{told}"
    exten = f"{turn.state.epoch}-{message}"
    send_to(turn, visit, "zuoxi-announce", exten, position=position, expected_wait_seconds=wait)


def expected_wait_seconds(turn: Turn, queue: d.QueueName, position: int) -> float | None:
    """The estimate of `acd.estimate` for a place in a queue."""
    return estimate.expected_wait_seconds(turn.state.paces[queue], position, turn.now)


def leave(
    turn: Turn,
    visit: Visit,
    reason: d.VisitEnd,
    at: float,
    *,
    agent_id: d.AgentId | None = None,
    exact: bool = True,
) -> None:
    """The visit ended."""
    turn.memory.foreign.discard(visit.id)
    for forget in (turn.memory.leaving, turn.memory.undecided, turn.memory.sent_in_vain):
        forget.pop(visit.id, None)
    turn.emit(
        d.QueueLeft(
            at=at,
            call_id=visit.call_id,
            visit_id=visit.id,
            queue=visit.queue,
            reason=reason,
            waited_seconds=max(0.0, at - visit.entered_at - visit.talked_seconds),
            agent_id=agent_id,
            exact=exact,
        )
    )


def gone(turn: Turn, visit: Visit, at: float, *, exact: bool) -> None:
    """The caller's channel ended while waiting."""
    offer = turn.state.offers.get(visit.offer_id or "")
    if offer is not None and answered_after_all(turn, offer):
        return
    reason: d.VisitEnd = "lost" if turn.memory.pbx_restarted else "abandoned"
    leave(turn, visit, reason, at, exact=exact)
    if offer is not None:
        detail = "caller_left" if reason == "abandoned" else "pbx_restarted"
        end_offer(turn, offer, "rescinded", detail, at)


def end_offer(
    turn: Turn, offer: Offer, end: d.OfferEnd, detail: str, at: float, *, counts: bool = False
) -> None:
    """The offer ended."""
    turn.memory.withdrawing.pop(offer.id, None)
    turn.memory.overtaken.discard(offer.id)
    turn.emit(
        d.OfferEnded(
            at=at,
            call_id=offer.call_id,
            offer_id=offer.id,
            agent_id=offer.agent_id,
            queue=offer.queue,
            end=end,
            detail=detail,
            counts_as_miss=counts,
        )
    )


def answer(turn: Turn, offer: Offer, at: float) -> None:
    """The agent took the offered call."""
    visit = turn.state.visits.get(offer.visit_id)
    if visit is not None:
        leave(turn, visit, "answered", at, agent_id=offer.agent_id)
    end_offer(turn, offer, "accepted", "", at)
    if offer.record and not offer.disturbed:
        _miss_recording(turn, offer.call_id, at)
    agent = turn.state.agents[offer.agent_id]
    turn.emit(agents.changed(agent, "call", at, call_id=offer.call_id))


def _miss_recording(turn: Turn, call_id: d.CallId, at: float) -> None:
    """The dialplan begins to record before the phone rings: where it has not, it will not."""
    call = turn.calls.call(call_id)
    if call is None or call.recordings or call_id in turn.state.unrecorded:
        return
    turn.emit(
        d.RecordingFaulty(at=at, call_id=call_id, recording_id=f"{call_id}-r1", fault="not_started")
    )


def answered_after_all(turn: Turn, offer: Offer) -> bool:
    """Take the call as answered where the phone was, though we had wanted the offer back."""
    call, agent = turn.calls.call(offer.call_id), turn.state.agents[offer.agent_id]
    leg = None if call is None else call.legs.get(offer.leg_id or "")
    if leg is None or leg.answered_at is None:
        return False
    answer(turn, offer, leg.answered_at)
    if leg.ended_at is not None and not agent.legs:
        presence.call_over(turn, agent, leg.ended_at)
    return True


def answered_past_us(turn: Turn, visit: Visit, agent_id: d.AgentId | None, at: float) -> None:
    """An agent and the waiting caller met without an offer of ours: natively, say."""
    offer = turn.state.offers.get(visit.offer_id or "")
    if visit.native:
        turn.emit(
            d.NativeLeft(
                at=at,
                call_id=visit.call_id,
                visit_id=visit.id,
                queue=visit.queue,
                answered_by=agent_id,
            )
        )
    leave(turn, visit, "answered", at, agent_id=agent_id)
    if offer is not None:
        end_offer(turn, offer, "rescinded", "answered_elsewhere", at)


def met(turn: Turn, visit: Visit) -> AgentLeg | None:
    """The agent's leg that stands in one bridge with the waiting caller."""
    if visit.bridge_id is None:
        return None
    for leg_id, leg in turn.state.legs.items():
        if (
            leg.call_id == visit.call_id
            and leg.bridge_id == visit.bridge_id
            and leg_id != visit.leg_id
        ):
            return leg
    return None
