"""The way of a call through the core."""

from collections import Counter
from collections.abc import Callable

import pytest

from acd import offers, waiting
from acd.core import Core
from acd.matching import decide
from config.floor import Destination, OpenHours, Overflow, QueueSettings, RelaxStep
from cti import commands as c
from cti import domain as d
from cti import inputs as i
from cti.ami import events as ami
from tests.support.centre import START, Caller, Centre, floor


@pytest.fixture
def one() -> Centre:
    """One agent, ready."""
    centre = Centre(floor(agents=1))
    centre.ready("1001")
    return centre


# --- from the wait to the talk ----------------------------------------------------------------


def test_a_call_is_offered_answered_wrapped_up(one: Centre) -> None:
    caller = one.arrive()
    assign = one.offer_of(caller)
    assert (assign.agent_id, assign.extension, assign.epoch) == ("1001", "8001", 1)
    assert one.agent().state == "offered"
    one.wait(3)
    one.talk(caller)
    assert one.agent().state == "talking"
    assert one.last(d.QueueLeft).reason == "answered"
    assert one.last(d.QueueLeft).waited_seconds == 3
    assert one.last(d.OfferEnded).end == "accepted"
    one.wait(60)
    one.hang_up(caller)
    assert one.agent().state == "wrap_up"
    ended = one.last(d.CallEnded)
    assert (ended.outcome, ended.talk_seconds, ended.agent_id) == ("answered", 60, "1001")
    one.wait(20)
    assert one.agent().state == "ready"


def test_visit_ends_before_the_call_does(one: Centre) -> None:
    caller = one.arrive()
    one.hang_up(caller)
    kinds = [type(event) for event in one.events()]
    assert kinds.index(d.QueueLeft) < kinds.index(d.CallEnded)


def test_events_are_numbered_without_holes(one: Centre) -> None:
    caller = one.arrive()
    one.talk(caller)
    one.hang_up(caller)
    assert [record.seq for record in one.records] == list(range(1, len(one.records) + 1))


def test_command_ids_are_unique() -> None:
    centre = Centre()
    for agent_id in ("1001", "1002"):
        centre.ready(agent_id)
    centre.arrive()
    ids = [command.command_id for command in centre.sent()]
    assert len(ids) == len(set(ids)) > len(centre.sent(c.Assign))


def test_without_wrap_up_the_agent_is_ready_at_once() -> None:
    centre = Centre(floor(agents=1, wrap_up_seconds=0))
    centre.ready()
    caller = centre.arrive()
    centre.talk(caller)
    centre.hang_up(caller)
    assert centre.agent().state == "ready"


def test_flags_say_what_the_dialplan_does() -> None:
    for rules, flags in (
        ({"recording": "always", "survey": True}, "rs"),
        ({"recording": "always"}, "r"),
        ({"recording": "never", "survey": True}, "s"),
        ({"recording": "never"}, "x"),
        ({"recording": "share", "recording_share": 0.0}, "x"),
    ):
        centre = Centre(floor(agents=1, **rules))
        centre.ready()
        assert centre.offer_of(centre.arrive()).flags == flags


def test_who_refuses_consent_is_not_recorded() -> None:
    centre = Centre(floor(agents=1, recording="always", consent="ask"))
    caller = centre.arrive()
    centre.step(i.ConsentAnswer(uniqueid=caller.uniqueid, consent=False))
    centre.ready()
    assert centre.offer_of(caller).flags == "x"
    assert centre.last(d.OfferMade).record is False


# --- first come, first served --------------------------------------------------------------------


def test_first_come_first_served(one: Centre) -> None:
    callers = [one.arrive() for _ in range(4)]
    served = []
    for _ in callers:
        caller = next(each for each in callers if each.channel == one.sent(c.Assign)[-1].channel)
        served.append(caller)
        one.talk(caller)
        one.hang_up(caller)
        one.wait(20)
    assert served == callers


def missed(centre: Centre, caller: Caller) -> None:
    centre.wait(20)
    centre.come_back(caller, "noanswer", "NOANSWER")


def busy(centre: Centre, caller: Caller) -> None:
    centre.come_back(caller, "busy", "BUSY")


def rejected_at_the_phone(centre: Centre, caller: Caller) -> None:
    centre.come_back(caller, "rejected", "CHANUNAVAIL")


def rejected_in_the_panel(centre: Centre, caller: Caller) -> None:
    offer_id = centre.offer_of(caller).offer_id
    assert (
        centre.ask(i.RejectOffer(request_id="r", agent_id="1001", offer_id=offer_id)).code is None
    )
    centre.come_back(caller, "rescinded")


def phone_died(centre: Centre, caller: Caller) -> None:
    centre.come_back(caller, "unavailable", "CHANUNAVAIL")


@pytest.mark.parametrize(
    "refuse", [missed, busy, rejected_at_the_phone, rejected_in_the_panel, phone_died]
)
def test_a_refused_caller_keeps_the_place(refuse: Callable[[Centre, Caller], None]) -> None:
    """In front of who came later; also for the agent who refused, when it is time again."""
    centre = Centre(floor(agents=2))
    centre.ready("1001")
    first = centre.arrive()
    centre.wait(1)
    second = centre.arrive()
    centre.ring(first)
    centre.not_ready("1001")
    refuse(centre, first)
    visits = centre.core.state.visits
    assert [visits[each].call_id for _, each in centre.core._fold.lines["support"]] == [
        first.call_id,
        second.call_id,
    ]
    assert next(iter(visits.values())).entered_at == START
    centre.ready("1002")
    assert centre.offer_of(first).agent_id == "1002"
    assert second.channel not in {each.channel for each in centre.sent(c.Assign)}


def test_a_refused_caller_is_in_front_for_who_refused_too(one: Centre) -> None:
    first = one.arrive()
    second = one.arrive()
    one.ring(first)
    busy(one, first)
    assert one.offer_of(second).agent_id == "1001"
    one.talk(second)
    one.wait(offers.PASS_OVER_SECONDS)
    third = one.arrive()
    one.hang_up(second)
    one.ready()
    assert one.sent(c.Assign)[-1].channel == first.channel
    assert third.channel not in {each.channel for each in one.sent(c.Assign)}


def test_priority_goes_first_and_age_makes_up_for_it() -> None:
    centre = Centre(floor(agents=1, ageing_seconds=60))
    early = centre.arrive()
    centre.wait(61)
    centre.arrive(CallerPriority="1")
    centre.ready()
    assert centre.last(d.OfferMade).call_id == early.call_id
    centre = Centre(floor(agents=1, ageing_seconds=60))
    centre.arrive()
    centre.wait(59)
    late = centre.arrive(CallerPriority="1")
    centre.ready()
    assert centre.last(d.OfferMade).call_id == late.call_id


def test_without_ageing_priority_alone_counts() -> None:
    centre = Centre(floor(agents=1, ageing_seconds=0))
    centre.arrive()
    centre.wait(3600)
    late = centre.arrive(CallerPriority="1")
    centre.ready()
    assert centre.last(d.OfferMade).call_id == late.call_id


def test_weight_between_queues_that_share_agents() -> None:
    heavy, light = QueueSettings(name="heavy", weight=3), QueueSettings(name="light")
    centre = Centre(floor(agents=1, queues=[light, heavy]))
    centre.arrive("light")
    centre.wait(10)
    caller = centre.arrive("heavy")
    centre.wait(6)
    centre.ready()
    assert centre.last(d.OfferMade).call_id == caller.call_id  # 3 x 6 s against 16 s


def test_a_light_queue_is_not_starved() -> None:
    heavy, light = QueueSettings(name="heavy", weight=3), QueueSettings(name="light")
    centre = Centre(floor(agents=1, queues=[light, heavy]))
    caller = centre.arrive("light")
    centre.wait(30)
    centre.arrive("heavy")
    centre.wait(6)
    centre.ready()
    assert centre.last(d.OfferMade).call_id == caller.call_id


# --- strategies ----------------------------------------------------------------------------------


def test_longest_idle() -> None:
    centre = Centre()
    for agent_id in ("1003", "1001", "1002"):
        centre.ready(agent_id)
        centre.wait(1)
    assert [centre.offer_of(centre.arrive()).agent_id for _ in range(3)] == ["1003", "1001", "1002"]


def test_an_impatient_caller_does_not_cost_the_agent_the_turn() -> None:
    centre = Centre(floor(agents=2))
    centre.ready("1001")
    centre.wait(1)
    centre.ready("1002")
    caller = centre.arrive()
    centre.ring(caller)
    centre.hang_up(caller)
    assert centre.offer_of(centre.arrive()).agent_id == "1001"


def test_fewest_calls() -> None:
    centre = Centre(floor(agents=2, strategy="fewest_calls", wrap_up_seconds=0))
    centre.ready("1001")
    caller = centre.arrive()
    centre.talk(caller)
    centre.hang_up(caller)
    centre.wait(100)
    centre.ready("1002")
    assert centre.offer_of(centre.arrive()).agent_id == "1002"


def test_round_robin_goes_round() -> None:
    centre = Centre(floor(strategy="round_robin", wrap_up_seconds=0))
    for agent_id in ("1001", "1002", "1003"):
        centre.ready(agent_id)
    order = []
    for _ in range(6):
        centre.wait(1)
        caller = centre.arrive()
        order.append(centre.talk(caller))
        centre.hang_up(caller)
    assert order == ["1001", "1002", "1003", "1001", "1002", "1003"]


def test_tiers() -> None:
    centre = Centre(floor(strategy="tiers", tiers={"1001": 2, "1002": 1, "1003": 2}))
    for agent_id in ("1001", "1002", "1003"):
        centre.ready(agent_id)
    assert [centre.offer_of(centre.arrive()).agent_id for _ in range(2)] == ["1002", "1001"]


def test_random_is_even_and_told_with_its_seed() -> None:
    centre = Centre(floor(agents=2, strategy="random", wrap_up_seconds=0))
    for agent_id in ("1001", "1002"):
        centre.ready(agent_id)
    chosen = []
    for _ in range(60):
        caller = centre.arrive()
        chosen.append(centre.talk(caller))
        decision = centre.last(d.CallDecided)
        assert sorted(decision.eligible)[decision.seed % 2] == decision.chosen
        centre.hang_up(caller)
    assert 15 < chosen.count("1001") < 45


# --- skills --------------------------------------------------------------------------------------


def _skilled(asked: dict[str, int] | None = None) -> Centre:
    skills = {"1001": {"french": 2}, "1002": {"french": 4, "billing": 3}, "1003": {}}
    queue = QueueSettings(name="support", skills=asked or {})
    centre = Centre(floor(skills=skills, queues=[queue]))
    for agent_id in ("1003", "1001", "1002"):
        centre.ready(agent_id)
    return centre


def test_skill_with_least_proficiency() -> None:
    centre = _skilled()
    assert centre.offer_of(centre.arrive(Skills="french:3")).agent_id == "1002"
    assert centre.offer_of(centre.arrive(Skills="french:1")).agent_id == "1001"
    assert centre.offer_of(centre.arrive()).agent_id == "1003"


def test_all_skills_are_asked() -> None:
    centre = _skilled()
    assert centre.offer_of(centre.arrive(Skills="french&billing:2")).agent_id == "1002"


def test_the_queue_asks_skills_of_every_call() -> None:
    centre = _skilled({"french": 3})
    assert centre.offer_of(centre.arrive()).agent_id == "1002"


def test_proficiency_relaxes_in_steps_then_any_member_will_do() -> None:
    steps = [
        RelaxStep(after_seconds=10, by=2),
        RelaxStep(after_seconds=30, any_member=True),
    ]
    skills = {"1001": {"french": 2}, "1002": {}}
    centre = Centre(floor(agents=2, skills=skills, relax=steps))
    centre.ready("1002")
    caller = centre.arrive(Skills="french:4")
    centre.wait(10)
    assert not centre.sent(c.Assign)
    centre.wait(20)
    assert centre.offer_of(caller).agent_id == "1002"
    assert [each.step for each in centre.events(d.CallDecided)] == [0, 1, 2]
    centre = Centre(floor(agents=2, skills=skills, relax=steps))
    centre.ready("1001")
    caller = centre.arrive(Skills="french:4")
    centre.wait(9.9)
    assert not centre.sent(c.Assign)
    centre.wait(0.2)
    assert centre.offer_of(caller).agent_id == "1001"


# --- sticky agents -------------------------------------------------------------------------------


def _talking_owner() -> tuple[Centre, object]:
    """1001 talks, 1002 is free."""
    centre = Centre(floor(agents=2, sticky="owner", sticky_seconds=20, wrap_up_seconds=0))
    centre.ready("1001")
    other = centre.arrive()
    centre.talk(other)
    centre.ready("1002")
    return centre, other


def test_a_sticky_caller_waits_for_that_agent() -> None:
    centre, other = _talking_owner()
    caller = centre.arrive(Sticky="1001")
    assert centre.last(d.CallDecided).rule == "waits_for_sticky_agent"
    centre.wait(10)
    centre.hang_up(other)
    assert centre.offer_of(caller).agent_id == "1001"
    assert centre.last(d.CallDecided).rule == "sticky"


def test_a_sticky_caller_waits_so_long_and_no_longer() -> None:
    centre, _ = _talking_owner()
    caller = centre.arrive(Sticky="1001")
    centre.wait(19.9)
    assert len(centre.sent(c.Assign)) == 1
    centre.wait(0.2)
    assert centre.offer_of(caller).agent_id == "1002"


def test_nobody_waits_for_an_agent_who_is_out() -> None:
    centre = Centre(floor(agents=2, sticky="owner"))
    centre.ready("1002")
    assert centre.offer_of(centre.arrive(Sticky="1001")).agent_id == "1002"


def test_a_sticky_agent_who_goes_releases_the_caller() -> None:
    centre, other = _talking_owner()
    caller = centre.arrive(Sticky="1001")
    centre.not_ready("1001")
    centre.hang_up(other)
    assert centre.offer_of(caller).agent_id == "1002"


# --- why -----------------------------------------------------------------------------------------


def test_a_decision_says_why() -> None:
    centre = _skilled()
    centre.not_ready("1003")
    centre.set_device("8001", "UNAVAILABLE")
    centre.arrive(Skills="french:1")
    decision = centre.last(d.CallDecided)
    assert decision.rule == "longest_idle"
    assert (decision.chosen, decision.eligible, decision.eligible_count) == ("1002", ["1002"], 1)
    assert decision.excluded == {"unreachable": 1, "not_ready": 1}
    assert decision.excluded_examples == {"1001": "unreachable", "1003": "not_ready"}


def _busy_floor(agents: int) -> Centre:
    """1001 talks, 1002 and the third in four are not ready, the others lack French but for 1003."""
    ids = [str(1001 + n) for n in range(agents)]
    centre = Centre(floor(agents=agents, skills={"1001": {"french": 1}, "1003": {"french": 1}}))
    for number, each in enumerate(ids):
        centre.ready(each)
        if number % 4 == 1:
            centre.not_ready(each)
    caller = centre.arrive(Skills="french:1")
    assert centre.talk(caller) == "1001"
    return centre


def test_every_agent_of_a_queue_is_named_with_a_reason() -> None:
    centre = _busy_floor(50)
    caller = centre.arrive(Skills="french:1")
    decision = centre.last(d.CallDecided)
    why = decision.excluded_examples
    assert (decision.chosen, decision.eligible) == ("1003", ["1003"])
    assert {*why, *decision.eligible} == {agent.id for agent in centre.floor.agents}
    assert (why["1001"], why["1002"], why["1004"]) == ("talking", "not_ready", "lacks_skill")
    assert decision.excluded == Counter(why.values())
    centre.talk(caller)
    centre.arrive(Skills="french:1")
    nobody = centre.last(d.CallDecided)
    assert (nobody.chosen, len(nobody.excluded_examples)) == (None, 50)


def test_all_who_could_be_chosen_are_named() -> None:
    centre = Centre(floor(agents=50))
    for agent in centre.floor.agents:
        centre.ready(agent.id)
    centre.arrive()
    assert centre.last(d.CallDecided).eligible == [agent.id for agent in centre.floor.agents]


def test_of_a_large_queue_some_are_named_and_all_are_counted() -> None:
    centre = _busy_floor(51)
    centre.arrive(Skills="french:1")
    decision = centre.last(d.CallDecided)
    assert len(decision.excluded_examples) == 10
    assert sum(decision.excluded.values()) == 50


def test_who_is_free_while_a_caller_waits_for_another_lacks_no_skill() -> None:
    centre = Centre(floor(agents=2, sticky="last", sticky_seconds=20))
    centre.ready("1001")
    centre.talk(centre.arrive())
    centre.ready("1002")
    centre.arrive(Sticky="1001")
    decision = centre.last(d.CallDecided)
    assert decision.rule == "waits_for_sticky_agent"
    assert decision.excluded_examples == {"1001": "talking", "1002": "not_asked_for"}


def test_reasons_are_not_sought_where_nothing_is_told(
    one: Centre, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        one.arrive()
    told = len(one.events(d.CallDecided))
    monkeypatch.setattr("acd.routing.Router.excluded", None)
    for visit in one.core.state.visits.values():
        if visit.offer_id is None:
            assert not decide(one.core._turn, visit)
    assert len(one.events(d.CallDecided)) == told


def test_waiting_with_nobody_free_is_told_once(one: Centre) -> None:
    one.arrive()
    waiting = one.arrive()
    one.wait(15)
    one.sign_in("1001")
    told = [e for e in one.events(d.CallDecided) if e.call_id == waiting.call_id]
    assert [(each.rule, each.chosen, each.excluded) for each in told] == [
        ("nobody_free", None, {"offered": 1})
    ]


# --- offers that come to nothing -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("reason", "status", "end", "detail", "counts"),
    [
        ("noanswer", "NOANSWER", "timed_out", "noanswer", True),
        ("busy", "BUSY", "rejected", "busy", True),
        ("rejected", "CHANUNAVAIL", "rejected", "rejected", True),
        ("unavailable", "CHANUNAVAIL", "failed", "unreachable", False),
        ("unavailable", "CONGESTION", "failed", "unreachable", False),
        ("", "CONGESTION", "failed", "unreachable", False),
        ("", "NOANSWER", "timed_out", "noanswer", True),
        ("agent_lost", "ANSWER", "failed", "agent_lost", False),
        ("stale", "", "failed", "stale_epoch", False),
        ("\N{PILE OF POO}", "\x00", "failed", "unknown", False),
    ],
)
def test_how_an_offer_ended(one: Centre, reason, status, *, end, detail, counts) -> None:
    caller = one.arrive()
    one.ring(caller)
    one.come_back(caller, reason, status)
    ended = one.events(d.OfferEnded)[0]
    assert (ended.end, ended.detail, ended.counts_as_miss) == (end, detail, counts)
    assert one.agent().missed == int(counts)


def test_an_offer_undone_by_a_stale_redirect_is_made_anew_soon() -> None:
    centre = Centre(floor(agents=2))
    centre.ready("1001")
    caller = centre.arrive()
    first = centre.offer_of(caller)
    centre.ready("1002")
    centre.say(caller, "ZxBack", Offer="pbx1_old", Reason="stale")
    assert centre.offer_of(caller).offer_id == first.offer_id, "ours may still be under way"
    centre.wait(offers.OVERTAKEN_SECONDS)
    assert centre.events(d.OfferEnded)[0].detail == offers.OVERTAKEN
    assert centre.offer_of(caller).agent_id == "1002"


def test_an_offer_that_rings_after_a_stale_redirect_goes_on(one: Centre) -> None:
    caller = one.arrive()
    one.say(caller, "ZxBack", Offer="pbx1_old", Reason="stale")
    one.ring(caller)
    one.wait(offers.OVERTAKEN_SECONDS + 1)
    assert not one.events(d.OfferEnded)
    assert one.agent().state == "offered"


def test_so_many_misses_make_the_agent_not_ready() -> None:
    centre = Centre(floor(agents=1, missed_limit=2))
    centre.ready()
    caller = centre.arrive()
    centre.ring(caller)
    centre.come_back(caller, "noanswer")
    assert centre.agent().state == "ready"
    centre.wait(10)
    centre.ring(caller)
    centre.come_back(caller, "noanswer")
    assert (centre.agent().state, centre.agent().reason) == ("not_ready", "missed")
    centre.ready()
    assert centre.agent().missed == 0


def test_an_answer_ends_the_row_of_misses() -> None:
    centre = Centre(floor(agents=1, missed_limit=2, wrap_up_seconds=0))
    centre.ready()
    for _ in range(2):
        caller = centre.arrive()
        centre.ring(caller)
        centre.come_back(caller, "noanswer")
        centre.wait(10)
        centre.talk(caller)
        centre.hang_up(caller)
    assert centre.agent().state == "ready"


def test_a_caller_is_not_offered_at_once_to_who_has_just_refused(one: Centre) -> None:
    caller = one.arrive()
    one.ring(caller)
    one.come_back(caller, "busy")
    assert len(one.sent(c.Assign)) == 1
    assert one.last(d.CallDecided).excluded == {"passed_over": 1}
    one.wait(9.9)
    assert len(one.sent(c.Assign)) == 1
    one.wait(0.2)
    assert len(one.sent(c.Assign)) == 2


def test_a_miss_with_a_dead_phone_does_not_count(one: Centre) -> None:
    caller = one.arrive()
    one.ring(caller)
    one.set_device("8001", "UNAVAILABLE")
    withdraw = one.sent(c.Withdraw)[-1]
    assert withdraw.agent_channel is not None
    one.come_back(caller, "rescinded")
    ended = one.last(d.OfferEnded)
    assert (ended.end, ended.detail, ended.counts_as_miss) == ("failed", "unreachable", False)
    assert one.agent().state == "ready"
    assert len(one.sent(c.Assign)) == 1
    one.set_device("8001", "NOT_INUSE")
    one.wait(10)
    assert len(one.sent(c.Assign)) == 2


def test_a_phone_that_cannot_be_rung_is_spared_for_a_while(one: Centre) -> None:
    caller = one.arrive()
    one.ring(caller)
    one.come_back(caller, "unavailable")
    assert (one.agent().state, one.agent().reason) == ("not_ready", "unreachable")
    one.wait(29)
    assert one.agent().state == "not_ready"
    one.wait(1)
    assert one.agent().state == "offered"
    assert one.agent().missed == 0


def test_the_caller_leaves_while_the_phone_rings(one: Centre) -> None:
    caller = one.arrive()
    one.ring(caller)
    one.wait(4)
    uniqueid, _ = one.agent_legs["1001"]
    one.hear(
        ami.Hangup(
            channel=caller.channel, uniqueid=caller.uniqueid, linkedid=caller.uniqueid, cause=16
        )
    )
    assert one.last(d.QueueLeft).reason == "abandoned"
    ended = one.last(d.OfferEnded)
    assert (ended.end, ended.detail, ended.counts_as_miss) == ("rescinded", "caller_left", False)
    assert one.agent().state == "ready"
    assert not one.core._turn.router.is_free("1001")  # the phone still rings
    one.hear(
        ami.Hangup(channel=f"PJSIP/8001-{uniqueid}", uniqueid=uniqueid, linkedid="x", cause=26)
    )
    assert one.core._turn.router.is_free("1001")
    assert one.last(d.CallEnded).outcome == "abandoned"


def test_a_refused_assignment_frees_the_agent_and_rests_the_caller(one: Centre) -> None:
    caller = one.arrive()
    one.done(one.offer_of(caller), "refused")
    ended = one.last(d.OfferEnded)
    assert (ended.end, ended.detail, ended.counts_as_miss) == ("failed", "refused", False)
    assert one.agent().state == "ready"
    one.wait(30)
    assert len(one.sent(c.Assign)) > 1


def test_a_silent_pbx_does_not_keep_the_agent(one: Centre) -> None:
    caller = one.arrive()
    one.done(one.offer_of(caller), "timed_out")
    one.wait(23.9)
    assert one.agent().state == "offered"
    one.wait(0.2)
    assert one.agent().state == "ready"
    assert one.last(d.OfferEnded).detail == "no_answer_from_pbx"
    assert one.last(d.OfferEnded).counts_as_miss is False
    one.wait(30)
    assert one.sent(c.SendTo)[-1].context == "zuoxi-wait"
    assert one.offer_of(caller).offer_id != one.events(d.OfferMade)[0].offer_id


# --- what agents do ------------------------------------------------------------------------------


def test_rejecting_in_the_panel(one: Centre) -> None:
    caller = one.arrive()
    assign = one.ring(caller)
    reply = one.ask(i.RejectOffer(request_id="r", agent_id="1001", offer_id=assign.offer_id))
    assert reply.code is None
    assert one.sent(c.Withdraw)[-1].agent_channel == "PJSIP/8001-" + one.agent_legs["1001"][0]
    assert one.agent().state == "offered"  # until the PBX says so
    one.come_back(caller, "rescinded")
    ended = one.last(d.OfferEnded)
    assert (ended.end, ended.detail, ended.counts_as_miss) == (
        "rejected",
        "rejected_in_panel",
        True,
    )


def test_taking_an_offer_back_before_it_reached_the_phone(one: Centre) -> None:
    """The second redirect overtakes the first: no offer ever began, and nobody tells of an end."""
    one.arrive()
    assign = one.sent(c.Assign)[-1]
    one.ask(i.RejectOffer(request_id="r", agent_id="1001", offer_id=assign.offer_id))
    withdraw = one.sent(c.Withdraw)[-1]
    assert withdraw.agent_channel is None
    one.done(assign)
    one.done(withdraw)
    one.wait(1.9)
    assert one.agent().state == "offered"
    one.wait(0.2)
    assert one.agent().state == "ready"
    assert one.last(d.OfferEnded).end == "rejected"
    one.wait(10)
    assert len(one.sent(c.Assign)) == 2


def test_answering_what_was_just_rejected_is_no_answer(one: Centre) -> None:
    caller = one.arrive()
    assign = one.ring(caller)
    one.ask(i.RejectOffer(request_id="r", agent_id="1001", offer_id=assign.offer_id))
    one.pick_up("1001")
    assert one.agent().state == "offered"
    one.come_back(caller, "rescinded")
    assert one.last(d.OfferEnded).end == "rejected"


def rejected(one: Centre) -> tuple[Caller, c.Withdraw]:
    """The phone rings, and the agent does not want the call."""
    caller = one.arrive()
    assign = one.ring(caller)
    one.ask(i.RejectOffer(request_id="r", agent_id="1001", offer_id=assign.offer_id))
    return caller, one.sent(c.Withdraw)[-1]


@pytest.mark.parametrize("result", ["timed_out", "unknown", "refused"])
def test_who_answers_what_was_not_taken_back_has_answered(one: Centre, result: str) -> None:
    caller, withdraw = rejected(one)
    one.wait(1)
    one.pick_up("1001")
    one.wait(4)
    one.done(withdraw, result)
    assert one.agent().state == "talking"
    left = one.last(d.QueueLeft)
    assert (left.reason, left.agent_id, left.waited_seconds) == ("answered", "1001", 1)
    assert one.last(d.OfferEnded).end == "accepted"
    one.hang_up(caller)
    assert one.agent().state == "wrap_up"
    assert len(one.sent(c.Withdraw)) == 1


@pytest.mark.parametrize("result", ["timed_out", "unknown"])
def test_a_phone_that_rings_on_is_taken_back_again(one: Centre, result: str) -> None:
    caller, withdraw = rejected(one)
    one.done(withdraw, result)
    assert len(one.sent(c.Withdraw)) == 2
    one.come_back(caller, "rescinded")
    assert one.last(d.OfferEnded).end == "rejected"


def test_a_reason_that_has_gone_takes_nothing_back(one: Centre) -> None:
    one.ring(one.arrive())
    one.set_device("8001", "UNAVAILABLE")
    one.set_device("8001", "NOT_INUSE")
    one.done(one.sent(c.Withdraw)[-1], "timed_out")
    assert len(one.sent(c.Withdraw)) == 1
    one.pick_up("1001")
    assert one.agent().state == "talking"


@pytest.mark.parametrize("result", ["timed_out", None])
def test_who_answered_and_transferred_the_call_is_not_undone(
    one: Centre, result: str | None
) -> None:
    """The customer talks to a number outside, and is not torn out of that."""
    caller, withdraw = rejected(one)
    one.pick_up("1001")
    one.hear(one._channel_event(ami.BridgeLeave, caller, bridge_id=caller.bridge_id))
    one.end_agent_leg("1001")
    if result is not None:
        one.done(withdraw, result)
    one.wait(60)
    assert one.last(d.QueueLeft).reason == "answered"
    assert one.agent().state == "ready"
    assert not one.sent(c.SendTo)


def test_a_talk_that_was_over_before_the_offer_could_be_taken_back_is_a_talk(one: Centre) -> None:
    caller = one.arrive()
    assign = one.ring(caller)
    one.ask(i.RejectOffer(request_id="r", agent_id="1001", offer_id=assign.offer_id))
    one.pick_up("1001")
    one.wait(2)
    one.hang_up(caller)
    left, ended = one.last(d.QueueLeft), one.last(d.CallEnded)
    assert (left.reason, left.agent_id) == ("answered", "1001")
    assert (ended.outcome, ended.talk_seconds) == ("answered", 2)
    assert one.last(d.OfferEnded).end == "accepted"
    assert one.agent().state == "wrap_up"


def test_signing_out_while_offered_takes_the_offer_back(one: Centre) -> None:
    caller = one.arrive()
    one.ring(caller)
    one.ask(i.ForceState(request_id="r", agent_id="1001", by="9", state="signed_out"))
    assert one.sent(c.Withdraw)
    one.come_back(caller, "rescinded")
    assert one.last(d.OfferEnded).detail == "agent_signed_out"
    assert one.last(d.OfferEnded).counts_as_miss is False
    assert one.agent().state == "signed_out"
    assert one.last(d.AgentSignedOut).reason == "supervisor"


def test_not_ready_after_this_call(one: Centre) -> None:
    caller = one.arrive()
    one.talk(caller)
    assert one.not_ready("1001", "lunch").code is None
    assert one.agent().state == "talking"
    assert one.last(d.AgentNextStateSet).reason == "lunch"
    one.hang_up(caller)
    assert one.agent().state == "wrap_up"
    one.wait(20)
    assert (one.agent().state, one.agent().reason) == ("not_ready", "lunch")


def test_the_wish_can_be_taken_back(one: Centre) -> None:
    caller = one.arrive()
    one.talk(caller)
    one.not_ready("1001", "lunch")
    one.ask(i.ClearNextState(request_id="r", agent_id="1001"))
    one.hang_up(caller)
    one.wait(20)
    assert one.agent().state == "ready"


def test_signing_out_while_talking_takes_effect_after_the_call(one: Centre) -> None:
    caller = one.arrive()
    one.talk(caller)
    one.ask(i.SignOut(request_id="r", agent_id="1001"))
    assert one.agent().state == "talking"
    one.hang_up(caller)
    one.wait(20)
    assert one.agent().state == "signed_out"
    assert one.last(d.AgentSignedOut).reason == "self"


def test_wrap_up_can_be_extended_up_to_the_limit() -> None:
    centre = Centre(floor(agents=1, wrap_up_seconds=20, wrap_up_limit_seconds=50))
    centre.ready()
    caller = centre.arrive()
    centre.talk(caller)
    centre.hang_up(caller)
    extend = i.ExtendWrapUp(request_id="r", agent_id="1001", seconds=25)
    assert centre.ask(extend).code is None
    assert centre.ask(extend).code is None
    assert centre.ask(extend).code == "limit_reached"
    centre.wait(49.9)
    assert centre.agent().state == "wrap_up"
    centre.wait(0.2)
    assert centre.agent().state == "ready"


def test_a_disposition_ends_wrap_up_when_asked(one: Centre) -> None:
    caller = one.arrive()
    one.talk(caller)
    one.hang_up(caller)

    def save(**also: object) -> i.Reply:
        fields = {"call_id": caller.call_id, "code": "resolved"} | also
        return one.ask(i.SaveDisposition(request_id="r", agent_id="1001", **fields))

    assert save(code="nonsense").code == "unknown_disposition"
    assert save(call_id="n1-other").code == "not_your_call"
    assert save().code is None
    assert one.agent().state == "wrap_up"
    assert save(finish=True, notes="x" * 9999).code is None
    assert one.agent().state == "ready"
    assert len(one.last(d.DispositionSaved).notes) == 4000


def test_hanging_up_from_the_panel(one: Centre) -> None:
    caller = one.arrive()
    one.talk(caller)
    hang_up = i.HangUpCall(request_id="r", agent_id="1001", call_id=caller.call_id)
    assert one.ask(hang_up).code is None
    assert one.sent(c.HangUp)[-1].channel.startswith("PJSIP/8001-")
    other = i.HangUpCall(request_id="r", agent_id="1001", call_id="n1-other")
    assert one.ask(other).code == "not_your_call"


def test_a_call_of_ones_own_is_talking_too(one: Centre) -> None:
    one.not_ready("1001", "lunch")
    one.start_agent_leg("1001", "8001", Caller("55.1", ""))
    one.pick_up("1001")
    assert one.agent().state == "talking"
    one.end_agent_leg("1001")
    assert (one.agent().state, one.agent().reason) == ("not_ready", "lunch")
    one.ready("1001")
    one.start_agent_leg("1001", "8001", Caller("55.2", ""))
    one.pick_up("1001")
    caller = one.arrive()
    assert not one.sent(c.Assign)
    one.end_agent_leg("1001")
    assert one.offer_of(caller).agent_id == "1001"


def test_a_phone_that_only_rings_is_not_talking_but_not_free_either() -> None:
    centre = Centre(floor(agents=2))
    centre.ready("1001")
    centre.ready("1002")
    dials = {"channel": "PJSIP/8002-x", "uniqueid": "55.1", "linkedid": "55.1"}
    rings = {"channel": "PJSIP/8001-y", "uniqueid": "55.2", "linkedid": "55.1"}
    centre.hear(ami.Newchannel(**dials, state=4, caller_number="8002", exten="8001"))
    centre.hear(ami.Newchannel(**rings, state=0))
    centre.hear(ami.Newstate(**rings, state=5))
    caller = centre.arrive()
    assert not centre.sent(c.Assign)
    assert centre.last(d.CallDecided).excluded == {"talking": 2}
    centre.wait(30)
    centre.hear(ami.Hangup(**rings, cause=19))
    centre.hear(ami.Hangup(**dials, cause=19))
    assert "talking" not in {each.state for each in centre.events(d.AgentStateChanged)}
    assert centre.offer_of(caller)
    assert centre.events(d.CallEnded)[0].outcome == "not_queued"


def test_wrap_up_goes_on_after_a_call_of_ones_own(one: Centre) -> None:
    caller = one.arrive()
    one.talk(caller)
    one.hang_up(caller)
    one.wait(5)
    one.start_agent_leg("1001", "8001", Caller("55.1", ""))
    one.pick_up("1001")
    one.wait(5)
    one.end_agent_leg("1001")
    assert (one.agent().state, one.agent().call_id) == ("wrap_up", caller.call_id)
    assert one.ask(i.ExtendWrapUp(request_id="r", agent_id="1001", seconds=10)).code is None
    one.wait(19.9)
    assert one.agent().state == "wrap_up"
    one.wait(0.2)
    assert one.agent().state == "ready"


def test_states_are_never_dated_backwards(one: Centre) -> None:
    caller = one.arrive()
    one.talk(caller)
    uniqueid, _ = one.agent_legs.pop("1001")
    leg = {"channel": f"PJSIP/8001-{uniqueid}", "uniqueid": uniqueid, "linkedid": "x"}
    one.wait(1)
    late = i.PbxEvent(event=ami.Hangup(**leg, cause=16), at=one.now - 10)
    one.step(late)
    moments = [each.at for each in one.events(d.AgentStateChanged)]
    assert moments == sorted(moments)


def test_dialling_out_while_an_offer_is_on_its_way_takes_it_back(one: Centre) -> None:
    caller = one.arrive()
    one.start_agent_leg("1001", "8001", Caller("55.1", ""))
    assert one.sent(c.Withdraw)
    one.pick_up("1001")
    one.agent_legs.clear()
    one.come_back(caller, "rescinded")
    assert one.last(d.OfferEnded).detail == "agent_busy"
    assert one.agent().state == "talking"


# --- turning away, sending on --------------------------------------------------------------------


def leave_of(centre: Centre) -> str:
    command = centre.sent(c.SendTo)[-1]
    assert command.context == "zuoxi-leave"
    return command.exten


def test_a_full_queue() -> None:
    centre = Centre(floor(agents=1, max_waiting=2))
    for _ in range(2):
        centre.arrive()
    assert not centre.sent(c.SendTo)
    caller = centre.arrive()
    assert leave_of(centre) == "1-hangup-full"
    centre.say(caller, "ZxLeave", Verb="hangup", Argument="full")
    assert centre.last(d.QueueLeft).reason == "full"
    centre.hang_up(caller)
    assert centre.last(d.CallEnded).outcome == "refused"


def test_a_closed_queue() -> None:
    hours = [OpenHours(days=[1, 2, 3, 4, 5], start="09:00", to="18:00")]
    to = Destination(kind="voicemail", target="100")
    centre = Centre(floor(agents=1, hours=hours, when_closed=to))
    caller = centre.arrive()
    assert leave_of(centre) == "1-voicemail-100"
    centre.say(caller, "ZxLeave", Verb="voicemail", Argument="100")
    assert centre.last(d.QueueLeft).reason == "voicemail"


def test_nobody_signed_in() -> None:
    centre = Centre(floor(agents=1, when_no_agents=Destination(kind="hangup")))
    centre.arrive()
    assert leave_of(centre) == "1-hangup-noagents"


def test_the_last_agent_leaves() -> None:
    centre = Centre(floor(agents=1, when_no_agents=Destination(kind="callback")))
    centre.sign_in()
    centre.arrive()
    assert not centre.sent(c.SendTo)
    centre.ask(i.SignOut(request_id="r", agent_id="1001"))
    assert leave_of(centre) == "1-callback"


def test_overflow_after_a_wait_keeps_the_entering_time() -> None:
    rule = Overflow(after_seconds=30, to=Destination(kind="queue", target="sales"))
    queues = [QueueSettings(name="support", overflow=[rule]), QueueSettings(name="sales")]
    centre = Centre(floor(agents=1, queues=queues))
    caller = centre.arrive("support")
    centre.wait(29.9)
    assert not centre.sent(c.SendTo)
    centre.wait(0.2)
    assert leave_of(centre) == "1-overflow-sales"
    centre.say(caller, "ZxLeave", Verb="overflow", Argument="sales")
    centre.say(caller, "ZxEnter", Queue="sales", Entered=f"{START:.3f}")
    assert centre.last(d.QueueLeft).reason == "overflowed"
    assert centre.last(d.QueueEntered).entered_at == START


def test_an_early_overflow_keeps_the_place_too() -> None:
    """The dialplan's moment is so near that it could mean now."""
    rule = Overflow(after_seconds=2, to=Destination(kind="queue", target="sales"))
    queues = [QueueSettings(name="support", overflow=[rule]), QueueSettings(name="sales")]
    centre = Centre(floor(agents=1, queues=queues))
    earlier = centre.arrive("support")
    centre.wait(1)
    centre.arrive("sales")
    centre.wait(1)
    centre.say(earlier, "ZxLeave", Verb="overflow", Argument="sales")
    centre.say(earlier, "ZxEnter", Queue="sales", Entered=f"{START + 0.4:.3f}")
    assert centre.last(d.QueueEntered).entered_at == START
    centre.ready()
    assert [assign.channel for assign in centre.sent(c.Assign)] == [earlier.channel]


@pytest.mark.parametrize("ahead", [-4.0, 3600.0])
def test_a_pbx_clock_that_differs_does_not_cost_the_place(ahead: float) -> None:
    queues = [QueueSettings(name="support"), QueueSettings(name="sales")]
    centre = Centre(floor(agents=1, queues=queues))
    caller = centre.arrive("support")
    centre.wait(30)
    centre.say(caller, "ZxLeave", Verb="overflow", Argument="sales")
    entered = ami.UserEvent(
        name="ZxEnter",
        channel=caller.channel,
        uniqueid=caller.uniqueid,
        linkedid=caller.uniqueid,
        timestamp=centre.now + ahead,
        headers={"Queue": "sales", "Entered": f"{START + ahead:.3f}"},
    )
    centre.hear(entered)
    assert centre.last(d.QueueEntered).entered_at == START


def test_overflow_when_too_many_wait() -> None:
    rule = Overflow(waiting_over=1, to=Destination(kind="number", target="4009"))
    centre = Centre(floor(agents=1, overflow=[rule]))
    centre.arrive()
    assert not centre.sent(c.SendTo)
    centre.arrive()
    assert leave_of(centre) == "1-number-4009"


def test_who_was_not_sent_on_after_all_waits_again() -> None:
    rule = Overflow(after_seconds=10, to=Destination(kind="callback"))
    centre = Centre(floor(agents=1, overflow=[rule]))
    caller = centre.arrive()
    centre.wait(10)
    centre.ready()
    assert not centre.sent(c.Assign)
    centre.wait(4)
    assert centre.offer_of(caller).agent_id == "1001"


VOICEMAIL = Destination(kind="voicemail", target="100")
SENT_AWAY: dict[str, dict[str, object]] = {
    "closed": {
        "hours": [OpenHours(days=[1, 2, 3, 4, 5], start="09:00", to="18:00")],
        "when_closed": VOICEMAIL,
    },
    "full": {"max_waiting": 1, "when_full": VOICEMAIL},
    "no agents": {"when_no_agents": VOICEMAIL},
    "too many": {"overflow": [Overflow(waiting_over=1, to=VOICEMAIL)]},
    "too long": {"overflow": [Overflow(after_seconds=1, to=VOICEMAIL)]},
}


def second_sent_away(rule: str) -> tuple[Centre, Caller]:
    """The second caller was sent away just now by this rule."""
    centre = Centre(floor(agents=2, **SENT_AWAY[rule]))
    centre.arrive()
    caller = centre.arrive()
    centre.wait(1)
    assert extens_away(centre, caller) == ["1-voicemail-100"]
    return centre, caller


def sent_away(centre: Centre, caller: Caller) -> list[c.SendTo]:
    sent = [each for each in centre.sent(c.SendTo) if each.channel == caller.channel]
    return [each for each in sent if each.context == "zuoxi-leave"]


def extens_away(centre: Centre, caller: Caller) -> list[str]:
    return [each.exten for each in sent_away(centre, caller)]


@pytest.mark.parametrize("rule", SENT_AWAY)
def test_who_could_not_be_sent_away_is_sent_away_again(rule: str) -> None:
    centre, caller = second_sent_away(rule)
    centre.done(sent_away(centre, caller)[0], "refused")
    centre.wait(waiting.AGAIN_SECONDS - 0.1)
    assert len(sent_away(centre, caller)) == 1
    centre.wait(0.2)
    assert extens_away(centre, caller) == 2 * ["1-voicemail-100"]
    centre.say(caller, "ZxLeave", Verb="voicemail", Argument="100")
    centre.wait(60)
    assert len(sent_away(centre, caller)) == 2


@pytest.mark.parametrize("rule", SENT_AWAY)
def test_who_is_never_sent_away_waits_for_an_agent(rule: str) -> None:
    """The dialplan is silent, as about a number that it does not have."""
    centre, caller = second_sent_away(rule)
    centre.wait(3600)
    assert len(sent_away(centre, caller)) == waiting.TRIES
    for agent_id in ("1001", "1002"):
        centre.ready(agent_id)
    assert centre.offer_of(caller).agent_id == "1002"


@pytest.mark.parametrize("rule", SENT_AWAY)
def test_who_was_to_be_sent_away_when_the_link_broke_is_sent_away_after_it(rule: str) -> None:
    centre, caller = second_sent_away(rule)
    centre.lose_link()
    centre.wait(10)
    centre.connect(gap=True)
    assert extens_away(centre, caller) == ["1-voicemail-100", "2-voicemail-100"]


def test_a_rule_that_does_not_hold_any_more_sends_nobody_away() -> None:
    centre = Centre(floor(agents=1, **SENT_AWAY["no agents"]))
    caller = centre.arrive()
    centre.done(sent_away(centre, caller)[0], "refused")
    centre.ready()
    assert not centre.sent(c.Assign)
    centre.wait(waiting.AGAIN_SECONDS)
    assert len(sent_away(centre, caller)) == 1
    assert centre.offer_of(caller).agent_id == "1001"


def test_who_rests_when_the_last_agent_leaves_is_sent_away_afterwards() -> None:
    centre = Centre(floor(agents=1, **SENT_AWAY["no agents"]))
    centre.ready()
    caller = centre.arrive()
    centre.done(centre.offer_of(caller), "refused")
    centre.ask(i.SignOut(request_id="r", agent_id="1001"))
    assert not sent_away(centre, caller)
    centre.wait(offers.HOLD_SECONDS + waiting.AGAIN_SECONDS)
    assert leave_of(centre) == "1-voicemail-100"


def test_who_was_asked_for_a_call_back_in_vain_is_not_asked_again() -> None:
    rule = Overflow(after_seconds=10, to=Destination(kind="callback"))
    centre = Centre(floor(agents=1, overflow=[rule]))
    caller = centre.arrive()
    centre.wait(60)
    assert len(sent_away(centre, caller)) == 1


def test_a_call_back_that_was_not_offered_is_offered_again() -> None:
    rule = Overflow(after_seconds=10, to=Destination(kind="callback"))
    centre = Centre(floor(agents=1, overflow=[rule]))
    caller = centre.arrive()
    centre.wait(10)
    centre.done(sent_away(centre, caller)[0], "refused")
    centre.wait(60)
    assert len(sent_away(centre, caller)) == 2


@pytest.mark.parametrize("after_seconds", [30, 31])
def test_nothing_is_announced_right_before_an_overflow(after_seconds: int) -> None:
    rule = Overflow(after_seconds=after_seconds, to=VOICEMAIL)
    centre = Centre(floor(agents=1, announce_every_seconds=30, overflow=[rule]))
    centre.arrive()
    centre.wait(after_seconds)
    spoken = [each.context for each in centre.sent(c.SendTo)]
    assert spoken == (["zuoxi-leave"] if after_seconds == 30 else ["zuoxi-announce", "zuoxi-leave"])


def test_two_queues_cannot_throw_a_caller_to_and_fro_for_ever() -> None:
    queues = [
        QueueSettings(name=name, max_waiting=1, when_full=Destination(kind="queue", target=other))
        for name, other in (("support", "sales"), ("sales", "support"))
    ]
    centre = Centre(floor(agents=1, queues=queues))
    centre.arrive("support")
    centre.arrive("sales")
    caller = centre.arrive("support")
    for _ in range(20):
        _, verb, target = leave_of(centre).split("-")
        if verb == "hangup":
            break
        centre.say(caller, "ZxLeave", Verb=verb, Argument=target)
        centre.say(caller, "ZxEnter", Queue=target, Entered=f"{START:.3f}")
    assert leave_of(centre) == "1-hangup-full"


def test_an_unknown_queue_ends_the_call() -> None:
    centre = Centre()
    centre.arrive("nonsense")
    assert leave_of(centre) == "1-hangup-closed"
    assert not centre.events(d.QueueEntered)


def test_a_blacklisted_caller_is_hung_up_on_and_never_queued() -> None:
    centre = Centre()
    centre.ready()
    caller = centre.arrive(Refuse="blacklist")
    assert [(each.channel, each.cause) for each in centre.sent(c.HangUp)] == [(caller.channel, 21)]
    assert centre.last(d.CallRefused).call_id == caller.call_id
    centre.hang_up(caller)
    assert centre.last(d.CallEnded).outcome == "refused"
    assert not centre.events(d.QueueEntered)
    assert not centre.sent(c.Assign)


def test_a_caller_whom_the_dialplan_refused_counts_as_refused() -> None:
    centre = Centre()
    caller = centre.arrive("nonsense")
    for _ in range(2):
        centre.say(caller, "ZxLeave", Verb="hangup", Argument="blacklist")
    centre.hang_up(caller)
    assert len(centre.events(d.CallRefused)) == 1
    assert centre.last(d.CallEnded).outcome == "refused"


def test_what_the_caller_is_told_is_told_in_the_callers_language() -> None:
    rule = Overflow(after_seconds=40, to=Destination(kind="callback"))
    centre = Centre(floor(agents=1, announce_every_seconds=30, survey=True, overflow=[rule]))
    centre.arrive(CallerLanguage="zh_CN")
    centre.wait(45)
    spoken = {each.context: each.language for each in centre.sent(c.SendTo)}
    assert spoken == {"zuoxi-announce": "zh_CN", "zuoxi-leave": "zh_CN"}
    centre.wait(5)
    centre.ready()
    assert centre.sent(c.Assign)[-1].language == "zh_CN", "of the survey"


def test_announcements_tell_place_and_wait() -> None:
    centre = Centre(floor(agents=1, announce_every_seconds=30))
    centre.arrive()
    caller = centre.arrive()
    centre.wait(30)
    command = [each for each in centre.sent(c.SendTo) if each.channel == caller.channel][-1]
    assert (command.context, command.exten) == ("zuoxi-announce", "1-position-2-x")
    centre.done(command)
    told = centre.last(d.PositionAnnounced)
    assert (told.position, told.expected_wait_seconds) == (2, None)
    centre.wait(29.9)
    assert len([e for e in centre.sent(c.SendTo) if e.channel == caller.channel]) == 1
    centre.wait(0.2)
    assert len([e for e in centre.sent(c.SendTo) if e.channel == caller.channel]) == 2


# --- hooks and recordings ------------------------------------------------------------------------


def test_recording_is_paused_and_resumed(one: Centre) -> None:
    caller = one.arrive()
    one.ring(caller)
    one.say(caller, "ZxRecord", File="f1")
    one.pick_up("1001")
    pause = i.PauseRecording(request_id="r", agent_id="1001", call_id=caller.call_id)
    assert not one.step(pause).replies  # until the PBX says so
    mute = one.sent(c.SetMute)[-1]
    assert (mute.channel, mute.mute) == (caller.channel, True)
    assert not one.events(d.RecordingPaused)
    one.hear(
        ami.MixMonitorMute(
            channel=caller.channel,
            uniqueid=caller.uniqueid,
            linkedid=caller.uniqueid,
            direction="both",
            mute=True,
        )
    )
    assert one.done(mute).replies == [i.Reply(request_id="r")]
    assert one.last(d.RecordingPaused).agent_id == "1001"
    assert one.ask(pause).code is None  # it is already
    resume = i.ResumeRecording(request_id="r", agent_id="1001", call_id=caller.call_id)
    one.step(resume)
    assert one.sent(c.SetMute)[-1].mute is False


def test_what_the_dialplan_does_not_record_is_an_alarm_at_once(one: Centre) -> None:
    caller = one.arrive()
    assign = one.offer_of(caller)
    one.start_agent_leg("1001", assign.extension, caller)
    one.pick_up("1001")
    faulty = one.last(d.RecordingFaulty)
    assert (faulty.call_id, faulty.fault) == (caller.call_id, "not_started")


def test_who_said_no_is_not_missed_in_the_recordings(one: Centre) -> None:
    caller = one.arrive()
    assign = one.offer_of(caller)
    one.start_agent_leg("1001", assign.extension, caller)
    one.step(i.ConsentAnswer(uniqueid=caller.uniqueid, consent=False))
    one.pick_up("1001")
    assert not one.events(d.RecordingFaulty)


@pytest.mark.parametrize("outcome", ["refused", "timed_out", "unknown"])
def test_a_pause_that_failed_is_said(one: Centre, outcome: str) -> None:
    caller = one.arrive()
    one.ring(caller)
    one.say(caller, "ZxRecord", File="f1")
    one.pick_up("1001")
    one.step(i.PauseRecording(request_id="r", agent_id="1001", call_id=caller.call_id))
    told = one.done(one.sent(c.SetMute)[-1], outcome)
    assert told.replies == [i.Reply(request_id="r", code="recording_unchanged")]


def test_a_native_call_is_paused_on_the_agents_channel(one: Centre) -> None:
    caller = one.arrive()
    one.say(caller, "ZxNative")
    one.start_agent_leg("1001", "8001", caller)
    one.say(caller, "ZxRecord", File="f1")
    one.pick_up("1001")
    one.step(i.PauseRecording(request_id="r", agent_id="1001", call_id=caller.call_id))
    (leg,) = one.agent().legs
    assert one.sent(c.SetMute)[-1].channel == one.core.state.legs[leg].channel


def test_pausing_what_does_not_run() -> None:
    one = Centre(floor(agents=1, recording="never"))
    one.ready("1001")
    caller = one.arrive()
    pause = i.PauseRecording(request_id="r", agent_id="1001", call_id=caller.call_id)
    assert one.ask(pause).code == "not_your_call"
    one.talk(caller)
    assert one.ask(pause).code == "no_recording"


def test_survey_names_the_agent(one: Centre) -> None:
    caller = one.arrive()
    one.talk(caller)
    one.end_agent_leg("1001")
    one.step(i.SurveyKey(uniqueid=caller.uniqueid, score=5))
    survey = one.last(d.SurveyAnswered)
    assert (survey.score, survey.agent_id, survey.queue) == (5, "1001", "support")
    one.step(i.SurveyKey(uniqueid=caller.uniqueid, score=7))
    one.step(i.SurveyKey(uniqueid="nobody", score=5))
    assert len(one.events(d.SurveyAnswered)) == 1


def test_callback_wish_keeps_the_place(one: Centre) -> None:
    one.arrive()
    caller = one.arrive()
    one.wait(12)
    one.step(i.CallbackWish(uniqueid=caller.uniqueid, number="+8613800138000"))
    wish = one.last(d.CallbackRequested)
    assert (wish.queue, wish.entered_at) == ("support", START)
    one.say(caller, "ZxLeave", Verb="callback", Argument="13800138000")
    assert one.last(d.QueueLeft).reason == "callback"
    one.step(i.CallbackWish(uniqueid=caller.uniqueid, number="x'; drop table"))
    assert len(one.events(d.CallbackRequested)) == 1


def test_a_checked_recording_is_told() -> None:
    centre = Centre()
    good = i.RecordingChecked(
        call_id="n1-1", recording_id="r1", path="a/b.flac", sha256="ab", bytes=9
    )
    centre.step(good)
    assert centre.last(d.RecordingStored).path == "a/b.flac"
    centre.step(i.RecordingChecked(call_id="n1-1", recording_id="r1", fault="agent_silent"))
    assert centre.last(d.RecordingFaulty).fault == "agent_silent"


def test_a_new_core_is_empty() -> None:
    core = Core(floor(), "n1")
    assert core.next_deadline() is None
    assert core.check(START) == []
