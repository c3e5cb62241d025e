"""What a run is judged by when it is over: its journal, real ones too, and that against what was.

Of a caller whose whole call was heard by a server in order, the simulated PBX knows when the wait
began, who was talked to how long and who ended the wait; the journal has to say the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from acd.sim.channels import Customer
from cti import domain as d

TALK_SLACK_SECONDS: Final = 0.15
"""Moments are told so exactly: the clock offset is measured, and threads tell in any order."""
PLACE_SLACK_SECONDS: Final = 1.0
NEWS_SECONDS: Final = 0.5
"""So long it may take until a server hears that another has the PBX."""


def judge_journal(events: list[d.DomainEvent]) -> Iterator[str]:
    """What the journal of one node shows to be wrong, when every caller has left."""
    yield from _hand_overs(events)
    told = told_here(events)
    started = Counter(e.call_id for e in told if isinstance(e, d.CallStarted))
    ended = Counter(e.call_id for e in told if isinstance(e, d.CallEnded))
    merged = Counter(e.merged_call_id for e in told if isinstance(e, d.CallMerged))
    yield from (f"call {call} started {n} times" for call, n in started.items() if n != 1)
    for call in started:
        if ended[call] + merged[call] != 1:
            yield f"call {call} ended {ended[call]} times, merged {merged[call]} times"
    yield from (f"call {call} ended but never started" for call in ended if call not in started)
    yield from _pairs(
        "visit",
        [e.visit_id for e in told if isinstance(e, d.QueueEntered)],
        [e.visit_id for e in told if isinstance(e, d.QueueLeft)],
    )
    yield from _pairs(
        "offer",
        [e.offer_id for e in told if isinstance(e, d.OfferMade)],
        [e.offer_id for e in told if isinstance(e, d.OfferEnded)],
    )
    yield from _departures(events)
    hands = _Hands()
    for event in events:
        yield from hands.take(event)
    yield from hands.left_over()


def told_here(events: list[d.DomainEvent]) -> list[d.DomainEvent]:
    """The events but for those of calls that were handed over to another server.

    Such a call may have come back: what it was from then on is told here.
    """
    lives: dict[d.CallId, list[int]] = {}
    elsewhere: set[int] = set()
    for place, event in enumerate(events):
        if not isinstance(event, d.CallEvent):
            continue
        lives.setdefault(event.call_id, []).append(place)
        if isinstance(event, d.CallMerged):
            lives[event.call_id] += lives.pop(event.merged_call_id, [])
        elif isinstance(event, d.CallHandedOver):
            elsewhere.update(lives.pop(event.call_id))
    return [event for place, event in enumerate(events) if place not in elsewhere]


def _hand_overs(events: list[d.DomainEvent]) -> Iterator[str]:
    """Only a live call is handed over."""
    live: set[d.CallId] = set()
    for event in events:
        match event:
            case d.CallStarted():
                live.add(event.call_id)
            case d.CallEnded(call_id=over) | d.CallMerged(merged_call_id=over):
                live.discard(over)
            case d.CallHandedOver():
                if event.call_id not in live:
                    yield f"call {event.call_id} is handed over and does not live"
                live.discard(event.call_id)


def told_twice(journals: list[list[d.DomainEvent]]) -> Iterator[d.LegId]:
    """Legs whose end several journals of one PBX tell, in a call of their own.

    A leg that ended while the news of a takeover was on the way may be told by both servers.
    """
    ends: dict[d.LegId, list[float]] = {}
    for journal in journals:
        for leg_id, at in {
            e.leg_id: e.at for e in told_here(journal) if isinstance(e, d.LegEnded)
        }.items():
            ends.setdefault(leg_id, []).append(at)
    fenced = [e.at for journal in journals for e in journal if isinstance(e, d.ServerFenced)]
    for leg_id, times in ends.items():
        late = any(0 <= at - min(times) <= NEWS_SECONDS for at in fenced)
        if len(times) > 1 and not late:
            yield leg_id


class _Hands:
    """Who has which call in hand, folded anew: a call at most one owner, an agent one call."""

    def __init__(self) -> None:
        self._agents: dict[d.AgentId, d.AgentState] = {}
        self._offers: dict[d.OfferId, d.OfferMade] = {}
        self._waiting: dict[str, d.CallId] = {}
        self._left: dict[str, d.QueueLeft] = {}
        self._into: dict[d.CallId, d.CallId] = {}

    def take(self, event: d.DomainEvent) -> Iterator[str]:
        """Fold one event; tell what it breaks."""
        match event:
            case d.QueueEntered():
                yield from self._entered(event)
            case d.QueueLeft():
                self._waiting.pop(event.visit_id, None)
                self._left[event.visit_id] = event
            case d.OfferMade():
                yield from self._offered(event)
            case d.OfferEnded():
                yield from self._offer_ended(event)
            case d.CallMerged():
                self._into[event.merged_call_id] = event.call_id
            case d.CallHandedOver():
                self._handed_over(event.call_id)
            case d.AgentStateChanged():
                self._agents[event.agent_id] = event.state

    def left_over(self) -> Iterator[str]:
        """Nobody holds a call when all are over."""
        for agent_id, state in self._agents.items():
            if state in ("offered", "talking"):
                yield f"agent {agent_id} is {state} though every call has ended"

    def _entered(self, event: d.QueueEntered) -> Iterator[str]:
        if event.call_id in self._waiting.values():
            yield f"call {event.call_id} waits twice, in visit {event.visit_id} too"
        self._waiting[event.visit_id] = event.call_id

    def _handed_over(self, call_id: d.CallId) -> None:
        """The caller waits at another server, and is offered there."""
        family = {call_id}
        while more := {gone for gone, into in self._into.items() if into in family} - family:
            family |= more
        self._waiting = {key: call for key, call in self._waiting.items() if call not in family}
        self._offers = {key: e for key, e in self._offers.items() if e.call_id not in family}
        self._into = {gone: into for gone, into in self._into.items() if gone not in family}

    def _offered(self, event: d.OfferMade) -> Iterator[str]:
        what = f"offer {event.offer_id} of call {event.call_id} to agent {event.agent_id}"
        for other in self._offers.values():
            if other.agent_id == event.agent_id or other.call_id == event.call_id:
                yield f"{what} is made while {other.offer_id} to {other.agent_id} is open"
        state = self._agents.get(event.agent_id)
        if state != "ready":
            yield f"{what} is made to an agent who is {state}"
        if event.visit_id not in self._waiting:
            yield f"{what} is made to a caller who does not wait"
        self._offers[event.offer_id] = event

    def _offer_ended(self, event: d.OfferEnded) -> Iterator[str]:
        offer = self._offers.pop(event.offer_id, None)
        if offer is None or event.end != "accepted":
            return
        left = self._left.get(offer.visit_id)
        if left is None or (left.reason, left.agent_id) != ("answered", event.agent_id):
            yield f"offer {event.offer_id} was accepted by {event.agent_id}, the visit says {left}"


def _departures(events: list[d.DomainEvent]) -> Iterator[str]:
    """Abandoned is whose leg ended while it waited; whom we took out is withdrawn."""
    gone = {(e.leg_id, e.at) for e in events if isinstance(e, d.LegEnded)}
    entered = {e.visit_id: e for e in events if isinstance(e, d.QueueEntered)}
    went_on = {(e.call_id, e.at) for e in entered.values()}
    last: dict[d.CallId, d.VisitEnd] = {}
    for event in events:
        if isinstance(event, d.QueueLeft) and event.visit_id in entered:
            hung_up = (entered[event.visit_id].leg_id, event.at) in gone
            replaced = (event.call_id, event.at) in went_on
            if event.reason == "abandoned" and not hung_up:
                yield f"visit {event.visit_id} is abandoned by a caller who did not hang up"
            if event.reason == "withdrawn" and hung_up and not replaced:
                yield f"visit {event.visit_id} is withdrawn from a caller who hung up"
            last[event.call_id] = event.reason
        elif isinstance(event, d.CallHandedOver):
            last.pop(event.call_id, None)
        elif isinstance(event, d.CallEnded):
            reason, outcome = last.get(event.call_id), event.outcome
            said = outcome not in ("answered", "lost")
            if said and (reason == "abandoned") != (outcome == "abandoned"):
                yield f"call {event.call_id} is {outcome}, its last visit {reason}"


def _pairs(what: str, begun: list[str], done: list[str]) -> Iterator[str]:
    begins, ends = Counter(begun), Counter(done)
    yield from (f"{what} {key} began {n} times" for key, n in begins.items() if n != 1)
    yield from (f"{what} {key} ended {ends[key]} times" for key in begins if ends[key] != 1)
    yield from (f"{what} {key} ended but never began" for key in ends if key not in begins)


def judge_call(events: list[d.DomainEvent], customer: Customer) -> Iterator[str]:
    """What the journal says otherwise than it was of a call that was watched all along."""
    leg_id = customer.channel.uniqueid
    call_ids = {e.call_id for e in events if isinstance(e, d.LegStarted) and e.leg_id == leg_id}
    ends = [e for e in events if isinstance(e, d.CallEnded) and e.call_id in call_ids]
    visits = [e for e in events if isinstance(e, d.QueueEntered) and e.leg_id == leg_id]
    if len(ends) == 1:
        yield from (f"{customer.channel.name} {words}" for words in _talked(ends[0], customer))
    yield from (f"{customer.channel.name} {words}" for words in _placed(visits, customer))
    ids = [visit.visit_id for visit in visits]
    left = {e.visit_id: e for e in events if isinstance(e, d.QueueLeft) and e.visit_id in ids}
    reasons = [left[each].reason for each in ids if each in left]
    if reasons:
        yield from (f"{customer.channel.name} {words}" for words in _waited(reasons, customer))


def _talked(end: d.CallEnded, customer: Customer) -> Iterator[str]:
    """Talk is the time in one bridge with a phone of ours; who had any was answered."""
    talked = sum(until - since for since, until in customer.talked)
    if (end.outcome == "answered") != bool(customer.talked):
        yield f"talked for {talked:.1f} s and the call was {end.outcome}"
    if abs(end.talk_seconds - talked) > TALK_SLACK_SECONDS * (1 + len(customer.talked)):
        yield f"talked for {talked:.2f} s, by the journal {end.talk_seconds:.2f} s"
    if not customer.talked and end.outcome == "abandoned" and not customer.gave_up:
        yield "did not give up, the call was abandoned"


def _placed(visits: list[d.QueueEntered], customer: Customer) -> Iterator[str]:
    """Overflow and return keep the moment since which the caller waits."""
    for visit in visits:
        if all(abs(visit.entered_at - at) > PLACE_SLACK_SECONDS for at in customer.entries):
            yield f"waits in {visit.queue} as if entered at {visit.entered_at:.1f}"


def _waited(reasons: list[d.VisitEnd], customer: Customer) -> Iterator[str]:
    """Abandoned is the wait that the caller ended, and no other."""
    *before, last = reasons
    if "abandoned" in before or (last == "abandoned") != customer.gave_up:
        words = "gave up" if customer.gave_up else "did not give up"
        yield f"{words}, the waits ended as {', '.join(reasons)}"
