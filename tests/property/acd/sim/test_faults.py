"""Fault runs by seed: the core against a simulated Asterisk; a failing seed can be run again.

`./zuoxi sim --first-seed N --seeds 1` repeats one. The whole check of the project runs 2,000 more.
"""

from typing import Any

import pytest

from acd import waiting
from acd.agents import Agent
from acd.matching import match
from acd.queues import Visit
from acd.routing import strategy_key
from acd.sim.command import verdicts
from acd.sim.faults import run_seed
from acd.state import _HANDLERS as HANDLERS
from acd.state import Fold
from acd.turn import Turn
from config.floor import QueueSettings
from cti import domain as d
from cti.calls.book import Book, Call, Leg

SEEDS = range(1, 301)

pytestmark = pytest.mark.timeout(300)


def test_every_invariant_holds_under_faults():
    seen = list(verdicts(SEEDS))
    assert {verdict.seed: verdict.broken for verdict in seen if verdict.broken} == {}
    assert sorted(verdict.seed for verdict in seen) == list(SEEDS)
    faults = {name for verdict in seen for name in verdict.faults}
    assert faults == {"crash", "cut", "kill", "pbx", "phone", "rival", "stall"}


def test_a_seed_is_one_run_for_ever():
    assert [run_seed(7), run_seed(8)] == [run_seed(7), run_seed(8)]


# --- a broken core is found out: invariant by invariant of docs/scenarios.md ---------------------


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The core does not check itself: what is found, the run has found with eyes of its own."""
    monkeypatch.setattr("acd.checks.broken", lambda turn, now: [])


def found(words: str) -> bool:
    """Whether a few runs are enough to find it out."""
    return any(words in each for seed in SEEDS[:30] for each in run_seed(seed).broken)


def test_a_core_that_brings_nobody_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acd.core.match", lambda turn: None)
    assert found("is free and")
    monkeypatch.setattr("acd.checks.broken", lambda turn, now: [])
    assert found("has waited in")


@pytest.mark.usefixtures("blind")
def test_a_core_that_keeps_calls_that_another_server_has(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acd.handover.hand_over", lambda turn, at: None)
    assert found("stands in the calls of both servers")


@pytest.mark.usefixtures("blind")
def test_a_core_that_offers_a_caller_to_two_agents(monkeypatch: pytest.MonkeyPatch) -> None:
    offer_made = Fold._offer_made

    def forget(fold: Fold, event: d.OfferMade) -> None:
        offer_made(fold, event)
        visit = fold.state.visits.get(event.visit_id)
        if visit is not None:
            visit.offer_id = None
            fold.place(visit, event.at)

    monkeypatch.setitem(HANDLERS, d.OfferMade, forget)
    assert found("is made while")


@pytest.mark.usefixtures("blind")
def test_a_core_that_calls_agents_who_are_on_the_phone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acd.presence.on_the_phone", lambda turn, agent, call_id, at: None)
    free = property(lambda agent: agent.state == "ready" and agent.reachable)
    monkeypatch.setattr("acd.agents.Agent.free", free)
    assert found("who is on the phone")


@pytest.mark.usefixtures("blind")
def test_a_core_that_keeps_agents_busy_for_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acd.presence.call_over", lambda turn, agent, at: None)
    assert found("but the phone has no call")


def test_a_core_that_forgets_a_hang_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acd.waiting.gone", lambda turn, visit, at, *, exact: None)
    assert found(" ended 0 times")


def test_a_core_that_serves_the_last_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "acd.queues.line_key", lambda visit, settings: (-visit.entered_at, visit.order)
    )
    assert found("passes over")


def test_a_core_that_knows_no_weights_and_priorities(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acd.queues.urgency", lambda visit, settings, now: now - visit.entered_at)
    assert found("passes over")


@pytest.mark.parametrize("strategy", ["longest_idle", "fewest_calls", "round_robin", "tiers"])
def test_a_core_that_asks_the_wrong_agent_first(
    strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = strategy_key

    def wrong(agent: Agent, settings: QueueSettings, tier: int) -> tuple[float, ...]:
        key = right(agent, settings, tier)
        return tuple(-each for each in key) if settings.strategy == strategy else key

    monkeypatch.setattr("acd.routing.strategy_key", wrong)
    assert found("is preferred")


def test_a_core_that_sends_callers_to_the_end_of_the_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acd.queues._moment", lambda text, at, *also: at)
    assert found("as if entered at")


def test_a_core_that_counts_who_gave_up_as_taken_out(monkeypatch: pytest.MonkeyPatch) -> None:
    leave = waiting.leave

    def withdraw(turn: Turn, visit: Visit, reason: d.VisitEnd, at: float, **also: Any) -> None:
        leave(turn, visit, "withdrawn" if reason == "abandoned" else reason, at, **also)

    monkeypatch.setattr("acd.waiting.leave", withdraw)
    assert found("gave up, the waits ended as withdrawn")


def test_a_core_that_counts_who_was_sent_on_as_abandoned(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("acd.queues.left_by", lambda verb, argument: "abandoned")
    assert found("did not give up, ")


def test_a_core_that_counts_ringing_as_talk(monkeypatch: pytest.MonkeyPatch) -> None:
    tell_talk = Book._tell_talk

    def from_the_answer(book: Book, call: Call, mover: Leg | None) -> None:
        was = call.talking_since
        tell_talk(book, call, mover)
        if was is None and call.talking_since is not None:
            call.talking_since = min(leg.started_at for leg in call.legs.values())

    monkeypatch.setattr(Book, "_tell_talk", from_the_answer)
    assert found(" s, by the journal ")


def test_a_core_that_changes_what_the_journal_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    def match_and_note(turn: Turn) -> None:
        match(turn)
        turn.state.unrecorded.add("nobody")

    monkeypatch.setattr("acd.core.match", match_and_note)
    assert found("replaying the journal does not give")
