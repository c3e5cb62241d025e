"""Invariants at run time: what counts as broken, and that a healthy core under load never does."""

from collections.abc import Callable
from random import Random

import pytest
from structlog.testing import capture_logs

from acd.checks import ENOUGH, RULES
from acd.core import Core
from acd.queues import Visit
from cti import domain as d
from cti import inputs as i
from cti.invariants import Inspector
from tests.support.centre import START, Caller, Centre, floor

STEPS = 600


class Looked:
    """What each look finds, as the test says."""

    def __init__(self, *finds: list[str]) -> None:
        self.finds = list(finds)

    def __call__(self, rule: str, now: float) -> list[str]:
        return self.finds.pop(0)


def inspect(centre: Centre, looks: int = 2) -> Inspector:
    """So many looks at every rule."""
    inspector = Inspector(centre.core.check_rule, lambda: centre.now)
    for _ in range(looks * len(RULES)):
        inspector.look()
    return inspector


def test_what_two_looks_find_is_told_once_and_until_it_is_over() -> None:
    looked = Looked(["a"], ["a", "b"], ["a"], ["a"], ["a"], [])
    inspector = Inspector(looked, lambda: START, ["agents"])
    broken = []
    with capture_logs() as logs:
        while looked.finds:
            inspector.look()
            broken.append(inspector.broken)
    assert broken == [0, 1, 1, 1, 1, 0]
    assert inspector.found == 1, "b was there for a moment"
    assert [(each["log_level"], each["event"], each["rule"], each["found"]) for each in logs] == [
        ("error", "invariant_broken", "agents", "a"),
        ("info", "invariant_holds_again", "agents", "a"),
    ]


def test_each_rule_has_its_turn_and_findings_of_its_own() -> None:
    turns: list[str] = []

    def check(rule: str, now: float) -> list[str]:
        turns.append(rule)
        return ["the same words"]

    inspector = Inspector(check, lambda: START)
    for _ in RULES:
        inspector.look()
    assert turns == list(RULES)
    assert inspector.broken == 0
    inspector.look()
    assert inspector.broken == 1


def test_a_state_in_which_a_check_fails_is_broken_and_ends_nothing() -> None:
    centre = Centre(floor(agents=1))
    centre.ready()
    centre.arrive()
    del centre.core.state.agents["1001"]
    with capture_logs() as logs:
        assert inspect(centre).broken > 0
    assert "the check fails: KeyError('1001')" in [each["found"] for each in logs]


@pytest.mark.parametrize(
    ("rule", "attribute", "value", "words"),
    [
        ("agents", "state", "wrap_up", "agent 1001 wraps up without end"),
        ("agents", "state", "talking", "agent 1001 talks without a leg"),
        ("index", "phone_reachable", False, "agent 1001 is not free, the index errs"),
    ],
)
def test_a_broken_core_is_found_out(rule: str, attribute: str, value: object, words: str) -> None:
    centre = Centre(floor(agents=1))
    centre.ready()
    setattr(centre.agent(), attribute, value)
    with capture_logs() as logs:
        inspect(centre)
    assert (rule, words) in [(each["rule"], each["found"]) for each in logs]


def test_who_is_stuck_is_told_in_the_same_words_for_as_long_as_it_lasts() -> None:
    centre = Centre(floor(agents=1))
    centre.ready()
    caller = centre.arrive()
    centre.talk(caller)
    centre.hang_up(caller)
    assert centre.agent().state == "wrap_up"
    centre.now += 3600  # and nobody lets the deadline pass
    inspector = Inspector(centre.core.check_rule, lambda: centre.now, ["agents"])
    for _ in range(3):
        centre.now += 10
        inspector.look()
    assert (inspector.broken, inspector.found) == (1, 1)


def test_a_wholly_broken_state_costs_no_more_than_enough_findings() -> None:
    centre = Centre(floor(agents=3 * ENOUGH))
    for agent in centre.core.state.agents.values():
        agent.state = "talking"
    assert len(centre.core.check_rule("agents", START)) == ENOUGH


def test_what_the_journal_left_is_not_judged_before_the_first_connect() -> None:
    centre = Centre(floor(agents=1), connect=False)
    centre.agent().state = "talking"
    assert inspect(centre).found == 0
    centre.agent().state = "signed_out"
    centre.connect()
    centre.agent().state = "talking"
    assert inspect(centre).found > 0


def test_a_healthy_core_under_load_is_never_found_broken() -> None:
    """More callers than agents, who come, wait, talk, leave and lose their link, at every step."""
    rng = Random(1)
    centre = Centre(floor(agents=10))
    inspector = Inspector(centre.core.check_rule, lambda: centre.now)
    for agent_id in centre.core.state.agents:
        centre.ready(agent_id)
    waiting: list[Caller] = []
    for step in range(STEPS):
        offered = {each.call_id: each for each in centre.core.state.offers.values()}
        rung = [each for each in waiting if each.call_id in offered]
        if step % 100 == 99:
            centre.lose_link()
            inspector.look()
            centre.connect(gap=True)
        elif rung and rng.random() < 0.4:
            centre.talk(rng.choice(rung))
        elif waiting and rng.random() < 0.4:
            centre.hang_up(waiting.pop(rng.randrange(len(waiting))))
        else:
            waiting.append(centre.arrive())
        centre.wait(rng.random() * 3)
        for _ in RULES:
            inspector.look()
    assert len(centre.events(d.OfferEnded)) > STEPS / 10
    assert inspector.found == 0


# --- what to do about it: docs/operations.md ------------------------------------------------------


def in_vain() -> Centre:
    """One caller is being offered to 1002, another waits; 1001 rests."""
    centre = Centre(floor(agents=2))
    centre.ready("1002")
    centre.ring(centre.arrive())
    centre.sign_in("1001")
    centre.not_ready("1001")
    centre.arrive()
    return centre


def waiter(centre: Centre) -> Visit:
    return next(each for each in centre.core.state.visits.values() if each.offer_id is None)


def overlook_the_agent(centre: Centre) -> None:
    agent = centre.agent("1001")
    agent.state, agent.reason = "ready", None
    centre.core._fold.router.put_agent(agent)
    centre.core._fold.router.changed_agents.clear()


def overlook_the_caller(centre: Centre) -> None:
    centre.core._fold.router.take_visit(waiter(centre).id)


def talk_to_nobody(centre: Centre) -> None:
    centre.agent("1001").state = "talking"


def keep_an_offer_that_is_over(centre: Centre) -> None:
    waiter(centre).offer_id = "over"


@pytest.mark.parametrize(
    "damage",
    [overlook_the_agent, overlook_the_caller, keep_an_offer_that_is_over, talk_to_nobody],
)
def test_a_restart_brings_agents_and_callers_together(damage: Callable[[Centre], None]) -> None:
    centre = in_vain()
    damage(centre)
    assert inspect(centre).broken > 0
    anew = Core(centre.floor, "n1")
    anew.load(centre.core.dump())
    centre.core = anew
    centre.connect(gap=True)
    assert inspect(centre).found == 0
    centre.ready("1001")
    assert centre.agent("1001").state == "offered"


@pytest.mark.parametrize(
    "damage",
    [{"state": "wrap_up", "until": None}, {"reason": None}],
    ids=["wraps up for ever", "rests without a reason"],
)
def test_an_agent_who_is_stuck_is_free_after_signing_out_and_in(damage: dict[str, object]) -> None:
    centre = in_vain()
    for name, value in damage.items():
        setattr(centre.agent("1001"), name, value)
    assert inspect(centre).broken > 0
    out = i.SignOut(request_id="r", agent_id="1001")
    assert [each.code for each in centre.core.step(out, centre.now).replies] == [None]
    centre.ready("1001")
    assert centre.agent("1001").state == "offered"
    assert inspect(centre).found == 0
