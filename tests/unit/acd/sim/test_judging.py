"""The judge of whole journals: silent about a true one, and each untruth is found."""

from collections.abc import Callable

import msgspec
import pytest

from acd.sim.judging import judge_journal, told_twice
from cti import domain as d
from tests.support.journal import (
    DAY,
    call_ended,
    call_started,
    merged,
    queue_entered,
    queue_left,
    state,
)

Events = list[d.DomainEvent]


def leg_ended(leg_id: str = "1.1", *, at: float = DAY + 60) -> d.LegEnded:
    return d.LegEnded(at=at, call_id="c1", leg_id=leg_id, cause=16)


def offer(offer_id: str = "o1", agent: str = "1001") -> d.OfferMade:
    return d.OfferMade(
        at=DAY,
        call_id="c1",
        offer_id=offer_id,
        visit_id="v1",
        agent_id=agent,
        queue="support",
        extension="8001",
        ring_seconds=20,
        epoch=1,
    )


def ended(offer_id: str = "o1", agent: str = "1001", end: d.OfferEnd = "accepted") -> d.OfferEnded:
    return d.OfferEnded(
        at=DAY + 10, call_id="c1", offer_id=offer_id, agent_id=agent, queue="support", end=end
    )


def answered() -> Events:
    return [
        state("1001", "ready"),
        call_started(),
        queue_entered(),
        offer(),
        state("1001", "offered"),
        queue_left(),
        ended(),
        state("1001", "talking", call_id="c1"),
        leg_ended(),
        state("1001", "ready"),
        call_ended(),
    ]


def abandoned() -> Events:
    return [
        call_started(),
        queue_entered(),
        queue_left(reason="abandoned", at=DAY + 60),
        leg_ended(),
        call_ended(outcome="abandoned"),
    ]


def without(kind: type[d.DomainEvent], events: Events) -> Events:
    return [event for event in events if not isinstance(event, kind)]


def after(kind: type[d.DomainEvent], events: Events, *more: d.DomainEvent) -> Events:
    place = next(n for n, event in enumerate(events, 1) if isinstance(event, kind))
    return [*events[:place], *more, *events[place:]]


def handed_over() -> Events:
    """A call merged into one that is handed over while an agent is offered it, and comes back."""
    return [
        state("1001", "ready"),
        call_started(),
        call_started("c0"),
        merged("c1", "c0"),
        queue_entered(),
        offer(),
        state("1001", "offered"),
        d.CallHandedOver(at=DAY + 20, call_id="c1", visit_id="v1"),
        state("1001", "signed_out"),
        *[msgspec.structs.replace(e, at=e.at + 90) for e in again(answered(), "v2", "o2")],
    ]


def again(events: Events, visit_id: str, offer_id: str) -> Events:
    """The same with another visit and another offer."""
    names = {"visit_id": visit_id, "offer_id": offer_id}
    return [
        msgspec.structs.replace(e, **{key: names[key] for key in names if hasattr(e, key)})
        for e in events
    ]


@pytest.mark.parametrize("journal", [answered, abandoned, handed_over])
def test_nothing_is_said_against_a_true_journal(journal: Callable[[], Events]) -> None:
    assert list(judge_journal(journal())) == []


@pytest.mark.parametrize(
    ("events", "words"),
    [
        (without(d.CallEnded, answered()), "call c1 ended 0 times"),
        (without(d.QueueLeft, abandoned()), "visit v1 ended 0 times"),
        (without(d.OfferEnded, answered()), "offer o1 ended 0 times"),
        (
            after(d.OfferMade, answered(), state("1002", "ready"), offer("o2", "1002")),
            "offer o2 of call c1 to agent 1002 is made while o1 to 1001 is open",
        ),
        (
            after(d.OfferMade, answered(), offer("o2")),
            "offer o2 of call c1 to agent 1001 is made while o1 to 1001 is open",
        ),
        (
            [*answered()[:-1], offer("o2"), ended("o2", end="failed"), call_ended()],
            "offer o2 of call c1 to agent 1001 is made to a caller who does not wait",
        ),
        (
            [state("1001", "talking"), *answered()[1:]],
            "offer o1 of call c1 to agent 1001 is made to an agent who is talking",
        ),
        (
            after(d.QueueEntered, answered(), queue_entered(visit_id="v2")),
            "call c1 waits twice, in visit v2 too",
        ),
        (
            [queue_left(agent="1002") if isinstance(e, d.QueueLeft) else e for e in answered()],
            "offer o1 was accepted by 1001, the visit says",
        ),
        (
            [*answered()[:-2], call_ended()],
            "agent 1001 is talking though every call has ended",
        ),
        (
            without(d.LegEnded, abandoned()),
            "visit v1 is abandoned by a caller who did not hang up",
        ),
        (
            [
                queue_left(reason="withdrawn", at=DAY + 60) if isinstance(e, d.QueueLeft) else e
                for e in abandoned()
            ],
            "visit v1 is withdrawn from a caller who hung up",
        ),
        (
            [*abandoned(), d.CallHandedOver(at=DAY + 99, call_id="c1")],
            "call c1 is handed over and does not live",
        ),
        ([*handed_over(), call_started()], "call c1 started 2 times"),
        (handed_over()[:-1], "call c1 ended 0 times"),
        (
            [*abandoned()[:-1], call_ended(outcome="refused")],
            "call c1 is refused, its last visit abandoned",
        ),
    ],
)
def test_an_untruth_is_found(events: Events, words: str) -> None:
    assert any(said.startswith(words) for said in judge_journal(events))


def test_who_hands_the_wait_over_has_not_hung_up() -> None:
    """An agent's leg that waited, and the customer's in its place from that moment."""
    events = [
        call_started(),
        queue_entered(),
        queue_left(reason="withdrawn", at=DAY + 20),
        queue_entered(visit_id="v2", at=DAY + 20),
        leg_ended(at=DAY + 20),
        queue_left(visit_id="v2", reason="overflowed"),
        call_ended(outcome="overflowed"),
    ]
    assert list(judge_journal(events)) == []


def test_a_leg_whose_end_two_servers_tell_is_found() -> None:
    leg = d.LegStarted(at=DAY, call_id="c1", leg_id="1.1", kind="customer", channel="PJSIP/trunk-1")
    here = [call_started(), leg, leg_ended(), call_ended()]
    assert list(told_twice([here, here])) == ["1.1"]
    elsewhere = [call_started(), leg, d.CallHandedOver(at=DAY + 20, call_id="c1")]
    assert list(told_twice([here, elsewhere])) == []
    assert list(told_twice([[*elsewhere, *here], elsewhere])) == []


@pytest.mark.parametrize(("later", "found"), [(0.3, []), (3.0, ["1.1"]), (-3.0, ["1.1"])])
def test_news_of_a_takeover_may_come_after_the_end(later: float, found: list[str]) -> None:
    fenced = d.ServerFenced(at=DAY + 60 + later, epoch=1, newer_epoch=2)
    assert list(told_twice([[call_started(), leg_ended(), fenced], [leg_ended()]])) == found
