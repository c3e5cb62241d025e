"""Which channel belongs to which call, and how two calls become one."""

import pytest

from cti import domain as d
from cti.calls.merge import Company, first_kind, next_kind
from tests.unit.cti.calls.builders import (
    Stage,
    given_bridged_call,
    given_consultation,
    given_offered_call,
    given_ringing_in,
    given_waiting_call,
    join,
    swap,
)


@pytest.mark.parametrize(
    ("extension", "busy", "kind"),
    [(None, False, "customer"), ("8001", False, "agent"), ("8001", True, "consult")],
)
def test_what_the_first_leg_is(extension, busy, kind):
    assert first_kind(extension, busy=busy) == kind


@pytest.mark.parametrize(
    ("company", "extension", "kind"),
    [
        (Company("inbound", consulting=False, has_customer=True), "8001", "agent"),
        (Company("inbound", consulting=False, has_customer=True), None, "other"),
        (Company("outbound", consulting=False, has_customer=False), None, "customer"),
        (Company("outbound", consulting=False, has_customer=True), None, "other"),
        (Company("outbound", consulting=True, has_customer=False), None, "other"),
        (Company("internal", consulting=True, has_customer=False), "8002", "consult"),
        (Company("internal", consulting=False, has_customer=False), "8002", "agent"),
    ],
)
def test_what_a_further_leg_is(company, extension, kind):
    assert next_kind(company, extension) == kind


def test_a_customers_channel_begins_an_inbound_call_named_after_it():
    stage, customer = given_ringing_in()
    call = stage.the_call()
    assert call.call_id == f"pbx1-{customer.uniqueid}"
    assert (call.direction, call.caller_number, call.called_number) == (
        "inbound",
        "+8613800138000",
        "4000",
    )
    assert [leg.kind for leg in call.legs.values()] == ["customer"]


def test_a_dialled_extension_joins_the_customers_call_as_its_agent():
    stage, _, agent = given_offered_call()
    leg = stage.the_call().legs[agent.uniqueid]
    assert (leg.kind, leg.agent_id, leg.extension, leg.state) == (
        "agent",
        "1001",
        "8001",
        "ringing",
    )


def test_an_extension_with_nobody_signed_in_is_an_agents_leg_without_agent():
    stage, _, agent = given_offered_call("8003")
    leg = stage.the_call().legs[agent.uniqueid]
    assert (leg.kind, leg.agent_id, leg.extension) == ("agent", None, "8003")


def test_an_outside_number_dialled_for_a_customer_is_no_second_customer():
    stage, customer = given_waiting_call()
    outside = stage.pbx.dial(customer, "PJSIP/trunk")
    stage.play()
    assert stage.the_call().legs[outside.uniqueid].kind == "other"


def test_an_agents_call_outside_is_outbound_and_who_is_called_is_its_customer():
    stage = Stage()
    agent = stage.pbx.channel("PJSIP/8001", state=4, number="8001", exten="013900139000")
    customer = stage.pbx.dial(agent, "PJSIP/trunk")
    stage.play()
    call = stage.the_call()
    assert (call.direction, call.called_number) == ("outbound", "013900139000")
    assert [leg.kind for leg in call.legs.values()] == ["agent", "customer"]
    assert call.customer().leg_id == customer.uniqueid
    assert call.customer().number == "013900139000"


def test_a_call_between_extensions_is_internal():
    stage = Stage()
    caller = stage.pbx.channel("PJSIP/8001", state=4, number="8001", exten="8002")
    called = stage.pbx.dial(caller, "PJSIP/8002")
    join(stage.pbx, called, caller, "b1")
    stage.pbx.wait(5)
    stage.pbx.hang_up(called)
    stage.pbx.hang_up(caller)
    stage.play()
    call = stage.the_call()
    assert (call.direction, call.outcome, call.talk_seconds) == ("internal", "answered", 0.0)


def test_helper_channels_are_never_legs():
    stage, customer = given_waiting_call()
    one, two = stage.pbx.local(customer)
    for channel in (one, two):
        stage.pbx.answer(channel)
        stage.pbx.enter(channel, "b1")
    announcer = stage.pbx.channel("CBAnn/conf", parent=customer)
    stage.pbx.enter(announcer, "b1")
    assert stage.play() == []
    assert list(stage.the_call().legs) == [customer.uniqueid]


def test_an_agent_dialled_through_a_local_channel_joins_the_call():
    stage, customer = given_waiting_call()
    _, two = stage.pbx.local(customer)
    agent = stage.pbx.dial(two, "PJSIP/8001")
    stage.play()
    assert stage.the_call().legs[agent.uniqueid].kind == "agent"


def test_a_consultation_is_a_call_of_its_own():
    stage, _, agent, second, colleague = given_consultation()
    first = stage.the_call()
    consultation = stage.calls.call_of(colleague.uniqueid)
    assert consultation is not first
    assert {leg.kind for leg in consultation.legs.values()} == {"consult"}
    assert set(consultation.legs) == {second.uniqueid, colleague.uniqueid}
    assert agent.uniqueid in first.legs


def test_a_consultation_that_leads_nowhere_ends_alone():
    stage, customer, agent, second, colleague = given_consultation()
    stage.pbx.hang_up(second)
    stage.pbx.hang_up(colleague)
    stage.pbx.unhold(agent)
    stage.play()
    assert [e.call_id for e in stage.ends()] == [f"pbx1-{second.uniqueid}"]
    assert stage.ends()[0].talk_seconds == 0.0
    assert stage.calls.call_of(customer.uniqueid).live


@pytest.mark.parametrize("rung_before", [False, True])
def test_an_attended_transfer_makes_the_two_calls_one(rung_before: bool):
    stage, customer, agent, second, colleague = given_consultation(rung_before=rung_before)
    consultation = stage.calls.call_of(second.uniqueid).call_id
    swap(stage.pbx, customer, agent, second, colleague)
    stage.play()
    call = stage.the_call()
    assert stage.told(d.CallMerged) == [
        d.CallMerged(at=stage.pbx.now, call_id=call.call_id, merged_call_id=consultation)
    ]
    assert stage.calls.call(consultation) is call
    assert call.legs[colleague.uniqueid].kind == "agent"
    assert call.legs[second.uniqueid].kind == "consult"
    assert [(t.kind, t.to) for t in call.transfers] == [("attended", "8002")]
    assert stage.ends() == []
    stage.pbx.wait(7)
    stage.pbx.hang_up(customer)
    stage.pbx.hang_up(colleague)
    stage.play()
    (end,) = stage.ends()
    assert (end.call_id, end.agent_id, end.talk_seconds) == (call.call_id, "1001", 22.0)


def test_the_transfer_into_an_application_joins_the_calls_before_anyone_meets():
    stage, customer, agent = given_bridged_call()
    second = stage.pbx.channel("PJSIP/8001", state=4, number="8001", exten="4001")
    stage.pbx.answer(second)
    stage.pbx.attended(agent, second, None)
    stage.play()
    assert len(stage.told(d.CallMerged)) == 1
    assert stage.calls.call_of(second.uniqueid) is stage.calls.call_of(customer.uniqueid)
    assert stage.the_call().transfers[0].to == "4001"


def test_a_failed_transfer_changes_nothing():
    stage, customer, agent, second, colleague = given_consultation()
    stage.pbx.attended(agent, second, colleague, result="Fail")
    stage.pbx.blind(agent, customer, "8002", result="Fail")
    assert stage.play() == []


def test_a_blind_transfer_stays_in_the_call():
    stage, customer, agent = given_bridged_call()
    pbx = stage.pbx
    pbx.leave(customer)
    pbx.blind(agent, customer, "8002")
    pbx.hang_up(agent)
    colleague = pbx.dial(customer, "PJSIP/8002")
    pbx.wait(3)
    join(pbx, colleague, customer, "b2")
    pbx.wait(5)
    stage.play()
    call = stage.the_call()
    assert [(t.kind, t.by_leg, t.to) for t in call.transfers] == [("blind", agent.uniqueid, "8002")]
    assert (call.agent_id, call.legs[colleague.uniqueid].agent_id) == ("1001", "1002")
    pbx.hang_up(customer)
    pbx.hang_up(colleague)
    stage.play()
    assert [e.talk_seconds for e in stage.ends()] == [15.0]


def test_who_picks_up_anothers_ringing_phone_comes_into_its_call():
    stage, customer, ringing = given_offered_call()
    pbx = stage.pbx
    picker = pbx.channel("PJSIP/8002", state=4, number="8002", exten="*8")
    pbx.answer(picker)
    pbx.enter(picker, "b1")
    pbx.hang_up(ringing)
    pbx.enter(customer, "b1")
    stage.play()
    call = stage.the_call()
    assert stage.calls.call_of(picker.uniqueid) is call
    assert (call.agent_id, call.talked) == ("1002", True)


def test_of_two_customers_calls_the_older_goes_on():
    stage, customer, _agent = given_bridged_call()
    later = stage.pbx.caller("+8613900139000")
    stage.pbx.enter(later, "b1")
    stage.play()
    (merged,) = stage.told(d.CallMerged)
    assert merged.call_id == stage.calls.call_of(customer.uniqueid).call_id
    assert merged.merged_call_id == f"pbx1-{later.uniqueid}"


def test_a_younger_customers_call_takes_over_an_older_call_of_agents():
    stage = Stage()
    pbx = stage.pbx
    agent = pbx.channel("PJSIP/8001", state=4, number="8001", exten="700")
    pbx.enter(agent, "b1")
    pbx.wait(3)
    customer = pbx.caller()
    pbx.enter(customer, "b1")
    stage.play()
    (merged,) = stage.told(d.CallMerged)
    assert merged.call_id == f"pbx1-{customer.uniqueid}"
    assert stage.calls.call(merged.call_id).talked


def test_local_channels_that_tie_two_calls_rooms_make_them_one():
    stage, customer, _agent = given_bridged_call()
    pbx = stage.pbx
    other = pbx.channel("PJSIP/8002", state=4, number="8002", exten="8003")
    third = pbx.dial(other, "PJSIP/8003")
    join(pbx, third, other, "b2")
    one, two = pbx.local(other)
    pbx.enter(one, "b1")
    pbx.enter(two, "b2")
    stage.play()
    assert len(stage.told(d.CallMerged)) == 1
    assert stage.calls.call_of(third.uniqueid) is stage.calls.call_of(customer.uniqueid)
    assert stage.calls.illegal_steps == {}


def test_a_caller_at_an_extension_who_waits_in_a_queue_is_its_customer():
    stage = Stage()
    pbx = stage.pbx
    caller = pbx.channel("PJSIP/8003", state=4, number="8003", exten="4000")
    pbx.answer(caller)
    pbx.user(caller, "ZxEnter", Queue="support")
    agent = pbx.dial(caller, "PJSIP/8001")
    join(pbx, agent, caller, "b1")
    pbx.wait(4)
    stage.play()
    call = stage.the_call()
    assert (call.legs[caller.uniqueid].kind, call.legs[agent.uniqueid].kind) == (
        "customer",
        "agent",
    )
    assert call.talked


def test_a_channel_that_comes_after_its_call_ended_begins_a_new_call():
    stage, customer = given_ringing_in()
    stage.pbx.hang_up(customer)
    late = stage.pbx.channel("PJSIP/8001", parent=customer)
    stage.play()
    assert len(stage.ends()) == 1
    assert stage.calls.call_of(late.uniqueid).call_id == f"pbx1-{late.uniqueid}"


def test_the_clock_of_a_merged_call_does_not_run_backwards():
    stage, _, agent, second, colleague = given_consultation()
    stage.pbx.wait(9)
    stage.pbx.leave(colleague)
    stage.pbx.now -= 4
    stage.pbx.attended(agent, second, colleague)
    stage.play()
    assert stage.the_call().last_at == stage.pbx.now + 4
