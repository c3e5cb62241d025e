"""Who was talked to and waits again: the place of before, whoever heard how the talk ended."""

from collections.abc import Callable

import pytest

from cti import commands as c
from cti import domain as d
from cti import inputs as i
from cti.ami import events as ami
from tests.support.centre import Caller, Centre, floor


def talked_unheard() -> tuple[Centre, Caller]:
    """The server was killed in a talk; the agent's phone died and the caller stands natively."""
    centre = Centre(floor(agents=1))
    centre.ready("1001")
    caller = centre.arrive()
    centre.talk(caller)
    centre.wait(30)
    new = centre.restarted()
    new.agent_legs.clear()
    caller.bridge_id = None
    caller.variables["ZX_STATE"] = "native"
    new.wait(20)
    return new, caller


def native_at_the_connect(centre: Centre, caller: Caller) -> None:
    centre.connect(gap=True, native_waiting=[caller.uniqueid])


def native_after_the_snapshot(centre: Centre, caller: Caller) -> None:
    caller.variables["ZX_STATE"] = "offered"
    centre.connect(gap=True)
    assert not centre.core.state.visits
    centre.say(caller, "ZxNative", Queue="support")


def back_before_we_knew(centre: Centre, caller: Caller) -> None:
    caller.variables["ZX_STATE"] = "offered"
    centre.connect(gap=True)
    centre.say(caller, "ZxWait", Queue="support")


@pytest.mark.parametrize(
    "found", [native_at_the_connect, native_after_the_snapshot, back_before_we_knew]
)
def test_a_caller_whose_talk_ended_unheard_waits_again(
    found: Callable[[Centre, Caller], None],
) -> None:
    centre, caller = talked_unheard()
    entered_at = centre.last(d.QueueEntered).entered_at
    found(centre, caller)
    (visit,) = centre.core.state.visits.values()
    assert (visit.call_id, visit.entered_at) == (caller.call_id, entered_at)
    centre.hang_up(caller)
    assert centre.last(d.QueueLeft).reason == "abandoned"


def test_late_news_of_the_native_queue_do_not_end_a_talk() -> None:
    centre = Centre(floor(agents=1))
    centre.ready("1001")
    caller = centre.arrive()
    centre.talk(caller)
    centre.say(caller, "ZxNative", Queue="support")
    assert not centre.core.state.visits
    assert centre.agent().state == "talking"


def test_a_caller_whose_call_became_part_of_another_waits_again() -> None:
    centre = Centre(floor(agents=1))
    other = {"channel": "PJSIP/trunk-9", "uniqueid": "9.1", "linkedid": "9.1"}
    centre.hear(ami.Newchannel(**other, state=6))
    centre.wait(1)
    centre.ready("1001")
    caller = centre.arrive()
    centre.talk(caller)
    centre.hear(ami.BridgeEnter(**other, bridge_id=str(caller.bridge_id)))
    assert centre.last(d.CallMerged).merged_call_id == caller.call_id
    centre.hear(ami.Hangup(**other, cause=16))
    centre.end_agent_leg("1001")
    centre.hear(centre._channel_event(ami.BridgeLeave, caller, bridge_id=caller.bridge_id))
    centre.say(caller, "ZxWait", Queue="support")
    (visit,) = centre.core.state.visits.values()
    assert (visit.call_id, visit.channel) == ("n1-9.1", caller.channel)


@pytest.mark.parametrize("told_last", ["the waiting leg", "the talk"])
def test_the_customer_waits_on_in_the_place_of_the_agents_leg(told_last: str) -> None:
    centre = Centre(floor(agents=2))
    centre.ready("1001")
    customer = centre.arrive()
    centre.talk(customer)
    leg = centre._leg("1001")
    asks = Caller(uniqueid="1790000500.1", queue="support")
    second = {"channel": "PJSIP/8001-2", "uniqueid": asks.uniqueid, "linkedid": asks.uniqueid}
    centre.hear(ami.Newchannel(**second, state=4, exten="support"))
    centre.hear(ami.UserEvent(name="ZxEnter", headers={"Queue": "support"}, **second))
    (asked,) = centre.core.state.visits.values()
    centre.hear(
        ami.AttendedTransfer(
            result="Success",
            first_channel=leg["channel"],
            first_uniqueid=leg["uniqueid"],
            first_linkedid=leg["linkedid"],
            second_channel=second["channel"],
            second_uniqueid=second["uniqueid"],
            second_linkedid=second["linkedid"],
            dest_type="App",
        )
    )
    parts = centre._channel_event(ami.BridgeLeave, customer, bridge_id=customer.bridge_id)
    if told_last == "the talk":
        centre.hear(ami.Hangup(**second, cause=16))
    centre.end_agent_leg("1001")
    centre.hear(parts)
    if told_last == "the waiting leg":
        centre.hear(ami.Hangup(**second, cause=16))
    (visit,) = centre.core.state.visits.values()
    assert (visit.channel, visit.call_id) == (customer.channel, customer.call_id)
    assert visit.entered_at == asked.entered_at
    assert centre.last(d.QueueLeft).reason == "withdrawn"
    centre.ready("1002")
    assert centre.offer_of(customer).agent_id == "1002"
    centre.hang_up(customer)
    assert [event.outcome for event in centre.events(d.CallEnded)] == ["answered"]


def test_a_colleague_waits_on_in_the_place_of_the_agents_leg_while_a_phone_rings() -> None:
    """1001 called 1002, who calls the queue for help and hands 1001 over to it."""
    centre = Centre(floor(agents=3))
    asks = {"channel": "PJSIP/8001-1", "uniqueid": "55.1", "linkedid": "55.1"}
    asked = {"channel": "PJSIP/8002-2", "uniqueid": "55.2", "linkedid": "55.1"}
    waits = {"channel": "PJSIP/8002-3", "uniqueid": "55.3", "linkedid": "55.3"}
    for leg in (asks, asked):
        centre.hear(ami.Newchannel(**leg, state=6))
        centre.hear(ami.BridgeEnter(**leg, bridge_id="b"))
    centre.ready("1003")
    centre.hear(ami.Newchannel(**waits, state=6, exten="support"))
    centre.hear(ami.UserEvent(name="ZxEnter", headers={"Queue": "support"}, **waits))
    ringing = Caller(uniqueid=waits["uniqueid"], queue="support")
    centre.start_agent_leg("1003", "8003", ringing)
    centre.hear(
        ami.AttendedTransfer(
            result="Success",
            first_channel=asked["channel"],
            first_uniqueid=asked["uniqueid"],
            first_linkedid=asked["linkedid"],
            second_channel=waits["channel"],
            second_uniqueid=waits["uniqueid"],
            second_linkedid=waits["linkedid"],
            dest_type="App",
        )
    )
    for leg in (asked, waits):
        centre.hear(ami.Hangup(**leg, cause=16))
    (visit,) = centre.core.state.visits.values()
    assert visit.channel == asks["channel"]
    assert [event.reason for event in centre.events(d.QueueLeft)] == ["withdrawn"]


def torn_apart(wish: str | None = None, wrap_up_seconds: int = 30) -> tuple[Centre, Caller, Caller]:
    """1001 talks, another waits; the page of 1001 is reloaded and asks for the caller."""
    centre = Centre(floor(agents=2, wrap_up_seconds=wrap_up_seconds))
    centre.sign_in("1001", "8901")
    centre.step(i.PanelAlive(agent_id="1001"))
    centre.ready("1001")
    caller = centre.arrive()
    centre.talk(caller)
    centre.wait(30)
    if wish is not None:
        centre.not_ready("1001", wish)
    other = centre.arrive(CallerPriority="9")
    leg = centre._leg("1001")
    reply = centre.ask(i.RetakeCall(request_id="r", agent_id="1001", call_id=caller.call_id))
    (hang_up,) = centre.sent(c.HangUp)
    assert (reply.code, hang_up.channel, hang_up.cause) == (None, leg["channel"], 44)
    return centre, caller, other


@pytest.mark.parametrize("wish", [None, "lunch"])
def test_a_reloaded_page_has_its_caller_back_before_all_others(wish: str | None) -> None:
    centre, caller, other = torn_apart(wish)
    first = centre.events(d.QueueEntered)[0]
    centre.come_back(caller, "agent_lost", "ANSWER")
    back = centre.last(d.QueueEntered)
    assert (first.returns_to, back.returns_to, back.entered_at) == (None, "1001", first.entered_at)
    assert centre.talk(caller) == "1001"
    assert not any(event.counts_as_miss for event in centre.events(d.OfferEnded))
    centre.hang_up(caller)
    assert centre.agent("1001").state == "wrap_up"
    centre.wait(31)
    if wish is None:
        assert centre.offer_of(other).agent_id == "1001"
    else:
        assert (centre.agent("1001").state, centre.agent("1001").reason) == ("not_ready", wish)


@pytest.mark.parametrize("wish", [None, "lunch"])
def test_a_reloaded_page_has_its_caller_back_where_there_is_no_wrap_up(wish: str | None) -> None:
    centre, caller, other = torn_apart(wish, wrap_up_seconds=0)
    centre.end_agent_leg("1001")
    centre.ready("1002")
    centre.come_back(caller, "agent_lost", "ANSWER")
    assert centre.offer_of(other).agent_id == "1002"
    assert centre.talk(caller) == "1001"
    centre.hang_up(caller)
    assert (centre.agent("1001").state, centre.agent("1001").reason) == (
        ("not_ready", wish) if wish else ("ready", None)
    )


def test_without_a_wrap_up_a_caller_who_hung_up_meanwhile_is_not_waited_for() -> None:
    centre, caller, _ = torn_apart("lunch", wrap_up_seconds=0)
    centre.end_agent_leg("1001")
    centre.hang_up(caller)
    centre.wait(5.1)
    assert (centre.agent("1001").state, centre.agent("1001").reason) == ("not_ready", "lunch")


def waiting_for_an_agent_with_a_wish() -> tuple[Centre, Caller, Caller]:
    """The caller is back and 1001 away again, who wished to go after this call."""
    centre, caller, other = torn_apart("lunch")
    centre.step(i.PanelLost(agent_id="1001"))
    centre.come_back(caller, "agent_lost", "ANSWER")
    agent = centre.agent("1001")
    assert (agent.state, agent.next_reason) == ("ready", "lunch")
    return centre, caller, other


def hangs_up(centre: Centre, caller: Caller, _other: Caller) -> None:
    centre.hang_up(caller)


def is_offered_to_another(centre: Centre, caller: Caller, other: Caller) -> None:
    centre.hang_up(other)
    centre.ready("1002")
    assert centre.offer_of(caller).agent_id == "1002"
    centre.arrive()


def waits_longer(centre: Centre, _caller: Caller, _other: Caller) -> None:
    centre.wait(5.1)


@pytest.mark.parametrize("caller_is_gone", [hangs_up, is_offered_to_another, waits_longer])
def test_the_wish_holds_where_the_caller_does_not_come_back(
    caller_is_gone: Callable[[Centre, Caller, Caller], None],
) -> None:
    centre, caller, other = waiting_for_an_agent_with_a_wish()
    caller_is_gone(centre, caller, other)
    agent = centre.agent("1001")
    assert (agent.state, agent.reason) == ("not_ready", "lunch")
    centre.step(i.PanelAlive(agent_id="1001"))
    assert [each.agent_id for each in centre.sent(c.Assign)].count("1001") == 1


def test_the_caller_goes_to_another_where_the_agent_is_away_again() -> None:
    centre, caller, other = torn_apart()
    centre.step(i.PanelLost(agent_id="1001"))
    centre.come_back(caller, "agent_lost", "ANSWER")
    centre.hang_up(other)
    centre.ready("1002")
    assert centre.offer_of(caller).agent_id == "1002"


def test_only_who_talks_to_the_caller_may_have_the_call_back() -> None:
    centre, caller, _ = torn_apart()
    centre.ready("1002")
    for agent_id, call_id in (("1002", caller.call_id), ("1001", "n1-9.9")):
        reply = centre.ask(i.RetakeCall(request_id="r", agent_id=agent_id, call_id=call_id))
        assert reply.code == "not_your_call"
