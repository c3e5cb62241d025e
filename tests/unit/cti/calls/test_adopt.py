"""Calls brought in line with a snapshot of the PBX."""

import msgspec
import pytest

from cti import domain as d
from tests.unit.cti.calls.builders import (
    START,
    Stage,
    fresh_calls,
    given_bridged_call,
    given_consultation,
    given_offered_call,
    given_waiting_call,
    join,
    swap,
)


def kinds(events):
    return [type(event) for event in events]


def deaf(stage: Stage) -> None:
    """What is on the wire is lost."""
    stage.pbx.wire.clear()


def test_a_snapshot_of_what_is_known_tells_nothing():
    for given in (
        given_waiting_call,
        given_offered_call,
        given_bridged_call,
        given_consultation,
    ):
        stage = given()[0]
        assert stage.adopt() == []


def test_a_vanished_leg_ended_at_the_gaps_first_moment_and_not_exactly():
    stage, customer, agent = given_bridged_call()
    gap_from = stage.pbx.now
    stage.pbx.wait(30)
    stage.pbx.hang_up(agent)
    stage.pbx.hang_up(customer)
    deaf(stage)
    told = stage.adopt(gap_from=gap_from, gap_to=stage.pbx.now)
    assert [(type(e), e.at) for e in told] == [
        (d.LegEnded, gap_from),
        (d.LegEnded, gap_from),
        (d.CallEnded, gap_from),
    ]
    (end,) = stage.ends()
    assert (end.exact, end.ended_by, end.talk_seconds, end.outcome) == (
        False,
        "unknown",
        10.0,
        "answered",
    )


def test_without_a_known_gap_the_snapshots_moment_is_taken():
    stage, customer = given_waiting_call()
    stage.pbx.hang_up(customer)
    deaf(stage)
    assert stage.adopt()[0].at == stage.pbx.now


def test_calls_of_a_pbx_that_died_are_lost():
    stage, _, _ = given_bridged_call()
    gap_from = stage.pbx.now
    stage.pbx.wait(5)
    stage.pbx.channels.clear()
    snapshot = stage.pbx.snapshot(pbx_started_at=stage.pbx.now)
    stage.adopt(snapshot, gap_from, stage.pbx.now, restarted=True)
    assert [e.outcome for e in stage.ends()] == ["lost"]
    assert {e.cause_text for e in stage.told(d.LegEnded)} == {"pbx_died"}


def test_a_pbx_in_another_time_zone_has_not_lost_the_calls_that_ended_in_a_gap():
    """Its start is told in its local time: eight hours east of us, it is yet to come."""
    stage, _, _ = given_bridged_call()
    gap_from = stage.pbx.now
    stage.pbx.wait(5)
    stage.pbx.channels.clear()
    snapshot = stage.pbx.snapshot(pbx_started_at=START - 7_200 + 8 * 3_600)
    stage.adopt(snapshot, gap_from, stage.pbx.now)
    assert [e.outcome for e in stage.ends()] == ["answered"]


def test_unknown_channels_become_adopted_calls_with_their_parties_and_talk():
    stage, customer, agent = given_bridged_call()
    stage.calls, stage.events = fresh_calls(), []
    told = stage.adopt(gap_from=None, gap_to=None)
    call = stage.the_call()
    assert (call.call_id, call.adopted, call.direction) == (
        f"pbx1-{customer.uniqueid}",
        True,
        "inbound",
    )
    assert call.started_at == START
    assert [leg.kind for leg in call.legs.values()] == ["customer", "agent"]
    assert (call.talking_since, call.agent_id) == (stage.pbx.now, "1001")
    assert told.count(next(e for e in told if isinstance(e, d.CallStarted))) == 1
    stage.pbx.wait(5)
    stage.pbx.hang_up(customer)
    stage.pbx.hang_up(agent)
    stage.play()
    assert [(e.talk_seconds, e.exact) for e in stage.ends()] == [(5.0, False)]


def test_a_channel_that_came_in_the_gap_joins_its_known_call():
    stage, customer = given_waiting_call()
    agent = stage.pbx.dial(customer, "PJSIP/8001")
    join(stage.pbx, agent, customer, "b1")
    deaf(stage)
    told = stage.adopt(gap_from=stage.pbx.now - 5, gap_to=stage.pbx.now)
    assert kinds(told) == [d.LegJoined, d.LegStarted, d.LegAnswered, d.LegJoined]
    assert stage.the_call().talking_since == stage.pbx.now


def test_missed_steps_of_a_known_leg_are_made_up_for():
    stage, customer, agent = given_offered_call()
    join(stage.pbx, agent, customer, "b1")
    deaf(stage)
    assert kinds(stage.adopt()) == [d.LegJoined, d.LegAnswered, d.LegJoined]


def test_who_left_the_bridge_in_the_gap_left_at_its_first_moment():
    stage, customer, agent = given_bridged_call()
    gap_from = stage.pbx.now
    stage.pbx.wait(20)
    stage.pbx.hang_up(agent)
    stage.pbx.leave(customer)
    deaf(stage)
    told = stage.adopt(gap_from=gap_from, gap_to=stage.pbx.now)
    assert [(type(e), e.at) for e in told] == [(d.LegEnded, gap_from), (d.LegLeft, gap_from)]
    assert stage.the_call().talk_seconds == 10.0


def test_a_leg_in_another_bridge_moved_in_the_gap():
    stage, customer, agent = given_bridged_call()
    gap_from = stage.pbx.now
    stage.pbx.wait(20)
    for channel in (customer, agent):
        stage.pbx.leave(channel)
        stage.pbx.enter(channel, "b7")
    deaf(stage)
    told = stage.adopt(gap_from=gap_from, gap_to=stage.pbx.now)
    assert kinds(told) == [d.LegLeft, d.LegJoined, d.LegLeft, d.LegJoined]
    assert stage.the_call().talk_seconds == 10.0
    assert stage.the_call().talking_since == stage.pbx.now


def test_a_rename_in_the_gap_is_made_up_for():
    stage, _, agent = given_bridged_call()
    agent.name = "PJSIP/8001-0000ffff"
    assert kinds(stage.adopt()) == [d.LegRenamed]
    assert stage.calls.call_of_channel("PJSIP/8001-0000ffff") is stage.the_call()


def test_a_transfer_in_the_gap_merges_the_calls():
    stage, customer, agent, second, colleague = given_consultation()
    swap(stage.pbx, customer, agent, second, colleague)
    deaf(stage)
    stage.adopt()
    call = stage.the_call()
    assert [e.call_id for e in stage.told(d.CallMerged)] == [call.call_id]
    assert call.legs[colleague.uniqueid].kind == "agent"
    assert call.talking_since is not None
    assert stage.adopt() == []


def test_a_transfer_to_somebody_new_in_the_gap_needs_no_merge():
    stage, customer, _ = given_bridged_call()
    colleague = stage.pbx.channel("PJSIP/8002", state=6)
    stage.pbx.leave(customer)
    stage.pbx.enter(colleague, "b2")
    stage.pbx.enter(customer, "b2")
    deaf(stage)
    stage.adopt()
    assert stage.calls.call_of(colleague.uniqueid) is stage.the_call()
    assert len(stage.told(d.CallStarted)) == 1


def test_local_channels_in_a_snapshot_tie_rooms_and_are_no_legs():
    stage, customer = given_waiting_call()
    pbx = stage.pbx
    one, two = pbx.local(customer)
    agent = pbx.dial(two, "PJSIP/8001")
    join(pbx, agent, two, "b2")
    join(pbx, one, customer, "b1")
    deaf(stage)
    stage.adopt()
    call = stage.the_call()
    assert set(call.legs) == {customer.uniqueid, agent.uniqueid}
    assert call.talking_since is not None
    pbx.leave(one)
    stage.play()
    assert call.talking_since is None


def test_parked_channels_in_a_snapshot_stand_in_no_bridge():
    stage, customer, agent = given_offered_call()
    customer.bridge = agent.bridge = "lot"
    agent.state = 5
    snapshot = stage.pbx.snapshot()
    channels = [msgspec.structs.replace(c, application="Park") for c in snapshot.channels]
    assert stage.adopt(msgspec.structs.replace(snapshot, channels=channels)) == []


def test_a_channel_that_we_saw_end_is_not_called_back_to_life():
    stage, customer, agent = given_bridged_call()
    snapshot = stage.pbx.snapshot()
    stage.pbx.hang_up(customer)
    stage.pbx.hang_up(agent)
    stage.play()
    assert stage.adopt(snapshot) == []


def test_adopting_changes_no_call():
    stage, customer, agent = given_bridged_call()
    stage.pbx.hang_up(agent)
    stage.pbx.dial(customer, "PJSIP/8002")
    deaf(stage)
    before = stage.calls.dump()
    assert stage.calls.adopt(stage.pbx.snapshot(), None, None)
    assert stage.calls.dump() == before


@pytest.mark.parametrize("lost", range(8))
def test_the_same_snapshot_a_second_time_tells_nothing(lost):
    stage, customer = given_waiting_call()
    pbx = stage.pbx
    agent = pbx.dial(customer, "PJSIP/8001")
    pbx.ring(agent)
    join(pbx, agent, customer, "b1")
    pbx.caller("+8613900139000")
    del pbx.wire[lost:]
    stage.play()
    snapshot = pbx.snapshot()
    stage.adopt(snapshot)
    assert stage.adopt(snapshot) == []
    assert stage.calls.illegal_steps == {}


def test_the_oldest_channel_is_taken_in_first_whatever_its_uniqueid_looks_like():
    stage = Stage()
    stage.pbx.made = 9
    customer = stage.pbx.caller()
    stage.pbx.dial(customer, "PJSIP/8001")
    assert customer.uniqueid > min(stage.pbx.channels)
    deaf(stage)
    stage.adopt()
    assert [(e.call_id, e.direction) for e in stage.told(d.CallStarted)] == [
        (f"pbx1-{customer.uniqueid}", "inbound")
    ]


def test_a_hang_up_that_was_asked_for_before_the_gap_is_forgotten():
    stage, customer = given_waiting_call()
    stage.pbx.request(customer)
    stage.play()
    stage.adopt()
    stage.pbx.hang_up(customer)
    stage.play()
    assert [e.hung_up for e in stage.told(d.LegEnded)] == [False]
