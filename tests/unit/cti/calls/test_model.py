"""What single AMI events mean, talk time, the end of a call, recordings."""

import pytest

from cti import domain as d
from cti.ami import events as ami
from cti.calls.book import ENDED_CALLS_KEPT
from tests.unit.cti.calls.builders import (
    START,
    Stage,
    fresh_calls,
    given_bridged_call,
    given_offered_call,
    given_ringing_in,
    given_waiting_call,
    join,
)


def kinds(events):
    return [type(event) for event in events]


# --- legs ---


def test_a_call_from_first_ring_to_last_hang_up():
    stage, customer, agent = given_bridged_call()
    stage.pbx.request(customer)
    stage.pbx.hang_up(customer)
    stage.pbx.hang_up(agent)
    stage.play()
    assert kinds(stage.events) == [
        d.CallStarted,
        d.LegStarted,
        d.LegAnswered,
        d.QueueEntered,
        d.LegStarted,
        d.LegRinging,
        d.LegAnswered,
        d.LegJoined,
        d.LegJoined,
        d.QueueLeft,
        d.LegLeft,
        d.LegEnded,
        d.LegLeft,
        d.LegEnded,
        d.CallEnded,
    ]
    assert stage.ends() == [
        d.CallEnded(
            at=START + 13,
            call_id=f"pbx1-{customer.uniqueid}",
            outcome="answered",
            ended_by="customer",
            talk_seconds=10.0,
            agent_id="1001",
        )
    ]


def test_the_same_event_twice_tells_nothing_new():
    stage, customer, agent = given_bridged_call()
    about = stage.pbx.about
    for event in (
        ami.Newchannel(**about(customer)),
        ami.Newstate(**about(agent)),
        ami.BridgeEnter(**about(agent), bridge_id="b1"),
    ):
        assert stage.feed(event, stage.pbx.now) == []


def test_an_event_of_a_channel_that_is_gone_tells_nothing():
    stage, _customer, agent = given_bridged_call()
    stage.pbx.hang_up(agent)
    stage.play()
    about = stage.pbx.about(agent)
    for event in (
        ami.Newchannel(**about),
        ami.BridgeEnter(**about, bridge_id="b1"),
        ami.BridgeLeave(**about, bridge_id="b1"),
        ami.Hold(**about),
        ami.Hangup(**about, cause=16),
        ami.Rename(channel="a", new_name="PJSIP/8002-1", uniqueid=agent.uniqueid),
    ):
        assert stage.feed(event, stage.pbx.now) == []
    assert stage.calls.illegal_steps == {}


def test_events_of_unknown_channels_that_are_leaving_tell_nothing():
    stage, _customer = given_waiting_call()
    stranger = stage.pbx.channel("PJSIP/8002")
    stage.pbx.wire.clear()
    about = stage.pbx.about(stranger)
    for event in (
        ami.BridgeLeave(**about, bridge_id="b1"),
        ami.HangupRequest(**about),
        ami.Hangup(**about, cause=16),
        ami.Unhold(**about),
        ami.MixMonitorMute(**about, direction="both", mute=True),
    ):
        assert stage.feed(event, stage.pbx.now) == []


def test_a_lost_newchannel_is_made_up_for_by_the_next_event():
    stage, customer = given_waiting_call()
    agent = stage.pbx.dial(customer, "PJSIP/8001")
    del stage.pbx.wire[-2]
    assert kinds(stage.play()) == [d.LegStarted]
    stage.pbx.ring(agent)
    assert kinds(stage.play()) == [d.LegRinging]


def test_a_lost_newchannel_of_a_caller_makes_an_adopted_call():
    stage = Stage()
    customer = stage.pbx.caller()
    stage.pbx.answer(customer)
    del stage.pbx.wire[0]
    stage.play()
    assert stage.the_call().adopted
    assert stage.the_call().legs[customer.uniqueid].state == "up"


def test_a_lost_answer_is_made_up_for_by_the_bridge():
    stage, _customer, agent = given_offered_call()
    stage.pbx.enter(agent, "b1")
    assert kinds(stage.play()) == [d.LegAnswered, d.LegJoined]


def test_a_lost_leave_is_made_up_for_by_the_next_bridge():
    stage, customer, agent = given_bridged_call()
    stage.pbx.enter(customer, "b2")
    assert kinds(stage.play()) == [d.LegJoined]
    assert stage.the_call().talk_seconds == 10.0
    stage.pbx.enter(agent, "b2")
    stage.play()
    assert stage.the_call().legs[customer.uniqueid].room == "b2"
    assert stage.calls.illegal_steps == {}


def test_a_late_leave_of_an_earlier_bridge_tells_nothing():
    stage, customer, _agent = given_bridged_call()
    late = ami.BridgeLeave(**stage.pbx.about(customer), bridge_id="b0")
    assert stage.feed(late, stage.pbx.now) == []


def test_names_are_followed_and_find_the_call():
    stage, _customer, agent = given_bridged_call()
    call = stage.the_call()
    old = agent.name
    assert stage.calls.call_of_channel(old) is call
    stage.feed(
        ami.Rename(channel=old, new_name="PJSIP/8001-00000099", uniqueid=agent.uniqueid),
        stage.pbx.now,
    )
    assert stage.calls.call_of_channel(old) is None
    assert stage.calls.call_of_channel("PJSIP/8001-00000099") is call
    assert call.legs[agent.uniqueid].agent_id == "1001"


def test_what_is_left_of_a_replaced_channel_gives_a_leg_no_name():
    stage, _customer, agent = given_bridged_call()
    for name in (f"{agent.name}<MASQ>", f"{agent.name}<ZOMBIE>", agent.name):
        rename = ami.Rename(channel=agent.name, new_name=name, uniqueid=agent.uniqueid)
        assert stage.feed(rename, stage.pbx.now) == []


def test_outside_text_is_cut_and_outside_numbers_are_normalised():
    stage = Stage()
    stage.calls = type(stage.calls)(
        "pbx1", {}.get, {"8001"}.__contains__, lambda number: f"+86{number}"
    )
    customer = stage.pbx.channel("PJSIP/trunk", number="1" * 500, exten="8001")
    stage.pbx.wire = [(ami.Newchannel(**stage.pbx.about(customer), caller_name="x" * 5_000), START)]
    stage.play()
    call = stage.the_call()
    assert call.caller_number == "+86" + "1" * 80
    assert len(call.caller_name) == 80
    assert call.called_number == "8001"


def test_events_of_other_things_tell_nothing():
    stage, _ = given_waiting_call()
    change = ami.DeviceStateChange(device="PJSIP/8001", device_state="INUSE")
    assert stage.feed(change, START) == []
    assert stage.feed(ami.UserEvent(name="ZxEnter"), START) == []


# --- holds ---


def test_a_hold_is_kept_and_does_not_stop_the_talk():
    stage, customer, agent = given_bridged_call()
    stage.pbx.hold(agent)
    stage.pbx.wait(4)
    stage.pbx.unhold(agent)
    stage.pbx.wait(2)
    stage.pbx.hang_up(agent)
    stage.pbx.hang_up(customer)
    stage.play()
    (hold,) = stage.the_call().holds
    assert (hold.leg_id, hold.until - hold.since) == (agent.uniqueid, 4.0)
    assert stage.ends()[0].talk_seconds == 16.0


def test_leaving_the_bridge_ends_the_hold():
    stage, _customer, agent = given_bridged_call()
    stage.pbx.hold(agent)
    stage.pbx.wait(3)
    stage.pbx.leave(agent)
    stage.pbx.wait(9)
    stage.pbx.hang_up(agent)
    stage.play()
    (hold,) = stage.the_call().holds
    assert hold.until - hold.since == 3.0


def test_a_resume_without_a_hold_and_a_hold_outside_of_a_bridge_tell_nothing():
    stage, _customer, agent = given_bridged_call()
    stage.pbx.unhold(agent)
    assert stage.play() == []
    stage.pbx.leave(agent)
    stage.pbx.hold(agent)
    assert kinds(stage.play()) == [d.LegLeft]


# --- talk time ---


def test_talk_runs_only_while_customer_and_agent_share_a_bridge():
    stage, _customer, agent = given_bridged_call()
    stage.pbx.leave(agent)
    stage.pbx.wait(30)
    stage.pbx.enter(agent, "b1")
    stage.pbx.wait(5)
    stage.play()
    call = stage.the_call()
    assert (call.talk_seconds, call.talking_since) == (10.0, stage.pbx.now - 5)


def test_two_agents_in_one_bridge_are_no_talk():
    stage, customer, agent = given_bridged_call()
    colleague = stage.pbx.dial(customer, "PJSIP/8002")
    join(stage.pbx, colleague, agent, "b1")
    stage.pbx.leave(customer)
    stage.pbx.wait(60)
    stage.play()
    assert stage.the_call().talk_seconds == 10.0


def test_a_second_agent_in_the_bridge_does_not_count_twice():
    stage, customer, agent = given_bridged_call()
    colleague = stage.pbx.dial(customer, "PJSIP/8002")
    stage.pbx.enter(colleague, "b1")
    stage.pbx.wait(5)
    stage.pbx.hang_up(agent)
    stage.pbx.wait(5)
    stage.pbx.hang_up(colleague)
    stage.pbx.hang_up(customer)
    stage.play()
    assert stage.ends()[0].talk_seconds == 20.0
    assert stage.ends()[0].agent_id == "1001"


def test_a_local_channel_that_ties_two_bridges_lets_them_talk():
    stage, customer = given_waiting_call()
    pbx = stage.pbx
    one, two = pbx.local(customer)
    agent = pbx.dial(two, "PJSIP/8001")
    join(pbx, agent, two, "b2")
    pbx.wait(3)
    join(pbx, one, customer, "b1")
    pbx.wait(10)
    stage.play()
    call = stage.the_call()
    assert {leg.room for leg in call.legs.values()} == {"b1"}
    pbx.hang_up(customer)
    pbx.wait(5)
    for channel in (one, two, agent):
        pbx.hang_up(channel)
    stage.play()
    assert [e.talk_seconds for e in stage.ends()] == [10.0]


def test_a_local_channel_alone_with_the_customer_is_no_talk():
    stage, customer = given_waiting_call()
    pbx = stage.pbx
    one, two = pbx.local(customer)
    join(pbx, one, customer, "b1")
    pbx.wait(10)
    for channel in (customer, one, two):
        pbx.hang_up(channel)
    stage.play()
    assert [(e.talk_seconds, e.agent_id) for e in stage.ends()] == [(0.0, None)]


def test_optimising_a_local_channel_away_does_not_break_the_talk():
    stage, customer = given_waiting_call()
    pbx = stage.pbx
    one, two = pbx.local(customer)
    agent = pbx.dial(two, "PJSIP/8001")
    join(pbx, agent, two, "b2")
    join(pbx, one, customer, "b1")
    pbx.wait(2)
    pbx.leave(agent)
    pbx.leave(one)
    pbx.enter(agent, "b1")
    pbx.hang_up(two)
    pbx.hang_up(one)
    pbx.wait(8)
    pbx.request(customer)
    pbx.hang_up(customer)
    pbx.hang_up(agent)
    stage.play()
    assert [(e.talk_seconds, e.ended_by) for e in stage.ends()] == [(10.0, "customer")]


def test_those_who_are_parked_do_not_hear_each_other():
    stage, customer, agent = given_offered_call()
    for channel in (customer, agent):
        stage.pbx.enter(channel, "lot", technology="holding_bridge")
    assert stage.play() == []
    assert stage.the_call().talking_since is None


def test_a_clock_that_steps_back_takes_no_talk_time_away():
    stage, customer, agent = given_bridged_call()
    stage.pbx.wait(-60)
    stage.pbx.hang_up(agent)
    stage.pbx.hang_up(customer)
    stage.play()
    (end,) = stage.ends()
    assert end.talk_seconds == 0.0
    assert end.at >= stage.the_call().started_at


# --- the end ---


def test_a_call_is_not_over_while_a_visit_is_open():
    stage, customer = given_waiting_call()
    call_id = stage.the_call().call_id
    ended = stage.calls.decide(ami.Hangup(**stage.pbx.about(customer), cause=16), START + 2)
    for event in ended:
        stage.calls.evolve(event)
    assert stage.calls.finished(call_id, START + 2) is None
    stage.leave_queue("abandoned", call_id)
    assert stage.calls.finished(call_id, START + 2) is not None


def test_a_call_is_not_over_while_a_leg_lives():
    stage, customer, agent = given_offered_call()
    stage.pbx.hang_up(customer)
    stage.play()
    assert stage.ends() == []
    stage.pbx.hang_up(agent)
    stage.play()
    assert len(stage.ends()) == 1


def test_a_call_ends_once():
    stage, customer = given_ringing_in()
    stage.pbx.hang_up(customer)
    stage.play()
    assert stage.calls.finished(stage.the_call().call_id, START + 9) is None
    assert stage.calls.finished("unknown", START) is None


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        ("answered", "answered"),
        ("abandoned", "abandoned"),
        ("overflowed", "overflowed"),
        ("voicemail", "voicemail"),
        ("callback", "callback"),
        ("closed", "refused"),
        ("full", "refused"),
        ("no_agents", "refused"),
        ("withdrawn", "refused"),
        ("lost", "lost"),
    ],
)
def test_without_talk_the_last_visit_gives_the_outcome(reason, outcome):
    stage, customer = given_waiting_call()
    stage.leave_queue(reason, stage.the_call().call_id)
    stage.pbx.hang_up(customer)
    stage.play()
    assert [e.outcome for e in stage.ends()] == [outcome]


def test_a_caller_who_never_reached_a_queue():
    stage, customer = given_ringing_in()
    stage.pbx.request(customer)
    stage.pbx.hang_up(customer)
    stage.play()
    assert [(e.outcome, e.ended_by) for e in stage.ends()] == [("not_queued", "customer")]


def test_a_caller_whom_the_dialplan_ended():
    stage, customer = given_ringing_in()
    stage.pbx.hang_up(customer)
    stage.play()
    assert [(e.outcome, e.ended_by) for e in stage.ends()] == [("not_queued", "system")]


def test_who_abandons_has_ended_the_call():
    stage, customer, agent = given_offered_call()
    stage.pbx.hang_up(agent)
    stage.pbx.hang_up(customer)
    stage.play()
    assert [(e.outcome, e.ended_by) for e in stage.ends()] == [("abandoned", "customer")]


def test_the_agent_who_leaves_first_has_ended_the_call_whatever_comes_after():
    stage, customer, agent = given_bridged_call()
    stage.pbx.hang_up(agent)
    stage.pbx.wait(20)
    stage.pbx.request(customer)
    stage.pbx.hang_up(customer)
    stage.play()
    assert [e.ended_by for e in stage.ends()] == ["agent"]


def test_after_a_transfer_the_last_talk_says_who_ended_it():
    stage, customer, agent = given_bridged_call()
    stage.pbx.hang_up(agent)
    colleague = stage.pbx.dial(customer, "PJSIP/8002")
    join(stage.pbx, colleague, customer, "b2")
    stage.pbx.hang_up(customer)
    stage.pbx.hang_up(colleague)
    stage.play()
    assert [e.ended_by for e in stage.ends()] == ["customer"]


def test_the_hang_up_of_a_party_is_told_with_its_leg():
    stage, customer = given_ringing_in()
    stage.pbx.request(customer)
    stage.pbx.hang_up(customer, cause=19)
    stage.play()
    (ended,) = stage.told(d.LegEnded)
    assert (ended.hung_up, ended.cause, ended.cause_text) == (True, 19, "Normal Clearing")


def test_only_so_many_ended_calls_stay_known():
    stage = Stage()
    ids = []
    for _ in range(ENDED_CALLS_KEPT + 2):
        customer = stage.pbx.caller()
        stage.pbx.hang_up(customer)
        ids.append(customer.uniqueid)
    stage.play()
    assert [stage.calls.call_of(i) is None for i in ids[:3]] == [True, True, False]
    assert stage.calls.call(f"pbx1-{ids[0]}") is None
    assert list(stage.calls.live()) == []


def test_nothing_is_left_behind_by_channels_that_are_gone_even_where_events_were_lost():
    stage, customer, agent = given_bridged_call()
    stage.pbx.request(customer)
    stage.pbx.enter(customer, "b2")
    for channel in (customer, agent):
        channel.bridge = None
        stage.pbx.hang_up(channel)
    stage.play()
    calls = stage.calls
    assert len(stage.ends()) == 1
    assert calls._hung_up == set()
    assert calls._wiring._members == calls._wiring._ties == calls._wiring._halves == {}
    book = calls._book
    assert book.names == book.linkedids == book.rooms == book._legs_of_extension == {}


# --- recordings ---


def test_a_recording_is_told_with_its_file_and_queue_once():
    stage, customer = given_waiting_call()
    for _ in range(2):
        stage.pbx.user(customer, "ZxRecord", File="20261122-1.wav")
    stage.play()
    call_id = stage.the_call().call_id
    assert stage.told(d.RecordingStarted) == [
        d.RecordingStarted(
            at=stage.pbx.now,
            call_id=call_id,
            recording_id=f"{call_id}-r1",
            file="20261122-1.wav",
            queue="support",
        )
    ]


@pytest.mark.parametrize("file", ["", "../etc/passwd", "a/b.wav", ".hidden", "a b.wav", "x" * 201])
def test_a_file_that_is_no_plain_name_is_not_believed(file):
    stage, customer = given_waiting_call()
    stage.pbx.user(customer, "ZxRecord", File=file)
    assert stage.play() == []


def test_muting_pauses_the_recording_and_names_the_agent():
    stage, customer, _agent = given_bridged_call()
    stage.pbx.user(customer, "ZxRecord", File="1.wav")
    about = stage.pbx.about(customer)
    for mute in (True, True, False, False):
        stage.pbx.tell(ami.MixMonitorMute(**about, direction="both", mute=mute))
    told = stage.play()[1:]
    assert kinds(told) == [d.RecordingPaused, d.RecordingResumed]
    assert [event.agent_id for event in told] == ["1001", "1001"]


def test_the_next_agents_sound_is_recorded_whatever_the_last_one_paused():
    stage, customer, _agent = given_bridged_call()
    stage.pbx.user(customer, "ZxRecord", File="1.wav")
    stage.pbx.tell(ami.MixMonitorMute(**stage.pbx.about(customer), direction="both", mute=True))
    for _ in range(2):
        stage.pbx.user(customer, "ZxRecord", File="1.wav")
    assert kinds(stage.play()) == [d.RecordingStarted, d.RecordingPaused, d.RecordingResumed]


def test_muting_what_is_not_recorded_tells_nothing():
    stage, customer, _agent = given_bridged_call()
    mute = ami.MixMonitorMute(**stage.pbx.about(customer), direction="both", mute=True)
    assert stage.feed(mute, stage.pbx.now) == []


# --- what is kept ---


def test_what_the_acd_and_the_people_add_is_kept_also_after_the_end():
    stage, customer, agent = given_bridged_call()
    call_id = stage.the_call().call_id
    stage.pbx.user(customer, "ZxRecord", File="1.wav")
    stage.play()
    common = {"at": stage.pbx.now, "call_id": call_id}
    stage.apply(
        [
            d.OfferMade(
                **common,
                offer_id="o1",
                visit_id=f"{call_id}-0",
                agent_id="1001",
                queue="support",
                extension="8001",
                ring_seconds=20,
                epoch=1,
            ),
            d.OfferEnded(**common, offer_id="o1", agent_id="1001", queue="support", end="accepted"),
            d.ConsentGiven(**common, consent=True),
        ]
    )
    stage.pbx.hang_up(agent)
    stage.pbx.hang_up(customer)
    stage.play()
    recording_id = f"{call_id}-r1"
    stage.apply(
        [
            d.SurveyAnswered(**common, score=5),
            d.CallbackRequested(**common, number="+8613800138000"),
            d.DispositionSaved(**common, agent_id="1001", code="sold", notes="ok"),
            d.RecordingFaulty(**common, recording_id=recording_id, fault="missing"),
            d.RecordingStored(
                **common,
                recording_id=recording_id,
                path="2026/1.wav",
                sha256="00",
                bytes=1,
                duration_seconds=1.0,
            ),
        ]
    )
    call = stage.calls.call(call_id)
    assert call.offers["o1"].end == "accepted"
    assert (call.consent, call.survey_score, call.callback_number) == (True, 5, "+8613800138000")
    assert (call.disposition, call.notes) == ("sold", "ok")
    assert (call.recordings[recording_id].path, call.recordings[recording_id].fault) == (
        "2026/1.wav",
        None,
    )
    assert stage.calls.illegal_steps == {}


def test_a_checkpoint_and_the_events_after_it_give_the_same_calls():
    stage, customer, agent = given_bridged_call()
    restored = fresh_calls()
    restored.load(stage.calls.dump())
    assert restored.dump() == stage.calls.dump()
    before = len(stage.events)
    stage.pbx.hold(agent)
    stage.pbx.hang_up(customer)
    stage.pbx.hang_up(agent)
    stage.play()
    for event in stage.events[before:]:
        restored.evolve(event)
    assert restored.dump() == stage.calls.dump()
    assert restored.call_of(agent.uniqueid).outcome == "answered"


def test_deciding_changes_no_call():
    stage, customer, agent = given_offered_call()
    before = stage.calls.dump()
    stage.pbx.enter(agent, "b1")
    stage.pbx.enter(customer, "b1")
    stage.pbx.hang_up(customer)
    for event, at in stage.pbx.wire:
        stage.calls.decide(event, at)
    assert stage.calls.dump() == before


def test_the_agents_leg_is_found_by_agent():
    stage, customer, agent = given_bridged_call()
    call = stage.the_call()
    assert call.leg_of("1001").channel == agent.name
    assert call.leg_of("1002") is None
    assert call.customer().channel == customer.name
