"""Another server takes the PBX: the calls and the agents are let go of, and may come back."""

import pytest

from acd.core import Core
from cti import commands as c
from cti import domain as d
from cti import inputs as i
from cti.ami import events as ami
from tests.support.centre import Caller, Centre, floor


def fenced(centre: Centre) -> Centre:
    """The centre whose PBX a newer server has claimed."""
    centre.commands.clear()
    centre.epoch += 1
    newer = {"Epoch": str(centre.epoch), "Node": "n2"}
    centre.hear(ami.UserEvent(name="ZxEpoch", headers=newer))
    return centre


def handed_over(centre: Centre) -> dict[str, str | None]:
    """Call -> the visit that the other server tells of again."""
    return {event.call_id: event.visit_id for event in centre.events(d.CallHandedOver)}


def visits(centre: Centre, caller: Caller) -> list[str]:
    """Of the caller's call, in order."""
    return [e.visit_id for e in centre.events(d.QueueEntered) if e.call_id == caller.call_id]


def centre_with_calls() -> tuple[Centre, Caller, Caller, Caller]:
    """One caller talks, one is offered, one waits; the third agent is not ready."""
    centre = Centre(floor(agents=3))
    centre.ready("1001")
    talks = centre.arrive()
    centre.talk(talks)
    centre.ready("1002")
    rings = centre.arrive()
    centre.ring(rings)
    centre.sign_in("1003")
    return centre, talks, rings, centre.arrive()


def test_a_fenced_server_hands_its_calls_over() -> None:
    centre, *callers = centre_with_calls()
    fenced(centre)
    assert handed_over(centre) == {each.call_id: visits(centre, each)[-1] for each in callers}
    kinds = [type(event) for event in centre.events()]
    assert kinds.index(d.ServerFenced) < kinds.index(d.CallHandedOver)
    state = centre.core.state
    assert not list(centre.core.calls.live())
    assert not state.visits
    assert not state.offers
    assert not state.legs
    assert not state.answered
    assert not state.recordings
    assert not centre.events(d.CallEnded)


def test_its_agents_are_signed_out_and_nothing_is_commanded() -> None:
    centre, *_ = centre_with_calls()
    fenced(centre)
    gone = centre.events(d.AgentSignedOut)
    assert {(event.agent_id, event.reason) for event in gone} == {
        (agent_id, "handed_over") for agent_id in ("1001", "1002", "1003")
    }
    assert {each.state for each in centre.core.state.agents.values()} == {"signed_out"}
    assert {each.reason for each in centre.core.state.agents.values()} == {"handed_over"}
    assert centre.commands == []


def test_a_talk_that_is_over_is_told_of_here_alone() -> None:
    """Who stands in the survey has no wait that the other server could find."""
    centre = Centre(floor(agents=1, survey=True))
    centre.ready("1001")
    caller = centre.arrive()
    centre.talk(caller)
    centre.end_agent_leg("1001")
    caller.bridge_id = None
    fenced(centre)
    assert handed_over(centre) == {caller.call_id: None}


def test_an_ended_call_is_not_handed_over() -> None:
    centre = Centre(floor(agents=1))
    centre.hang_up(centre.arrive())
    assert not handed_over(fenced(centre))


def test_calls_come_back_under_the_same_ids() -> None:
    centre, talks, rings, waits = centre_with_calls()
    new = fenced(centre).restarted()
    new.connect(gap=True, held_by="n2")
    assert len(handed_over(new)) == 3, "they were let go of already"
    live = {call.call_id: call for call in new.core.calls.live()}
    assert live.keys() == {each.call_id for each in (talks, rings, waits)}
    assert all(call.adopted for call in live.values())
    for caller in (talks, rings, waits):
        first, second = visits(new, caller)
        assert first != second, "the visit that counts here is another one"
    new.hang_up(talks)
    assert new.last(d.CallEnded).call_id == talks.call_id


@pytest.mark.parametrize(
    ("held_by", "lets_go"), [("n2", True), ("n1", False), (None, False), ("\0" * 9, True)]
)
def test_who_was_away_while_another_had_the_pbx_lets_go(held_by: str | None, lets_go: bool) -> None:
    centre, talks, _, waits = centre_with_calls()
    centre.hang_up(waits)
    new = centre.restarted()
    new.connect(heard_until=new.now - 1, held_by=held_by)
    assert (talks.call_id in handed_over(new)) == lets_go
    assert bool(new.events(d.AgentSignedOut)) == lets_go
    assert len(new.events(d.CallStarted)) == (5 if lets_go else 3)
    for event in new.events(d.CallHandedOver) + new.events(d.AgentSignedOut):
        assert event.at == new.now - 1, "nobody was heard since"


def test_calls_that_died_with_the_pbx_are_told_here() -> None:
    centre, *callers = centre_with_calls()
    new = centre.restarted()
    new.callers, new.agent_legs = {}, {}
    new.connect(gap=True, held_by="n2", started_at=new.now - 5)
    assert not handed_over(new)
    assert {event.outcome for event in new.events(d.CallEnded)} == {"lost"}
    assert len(new.events(d.CallEnded)) == len(callers)
    assert {event.reason for event in new.events(d.AgentSignedOut)} == {"handed_over"}


def test_a_link_that_was_cut_meanwhile_lets_go_too() -> None:
    """The claim of the other server was not heard, and this one has not been started anew."""
    centre = Centre(floor(agents=1))
    centre.ready("1001")
    caller = centre.arrive()
    centre.ring(caller)
    centre.lose_link()
    centre.connect(gap=True, held_by="n2")
    assert caller.call_id in handed_over(centre)
    assert not centre.events(d.OfferEnded)


def test_what_was_under_way_for_a_call_is_forgotten_with_it() -> None:
    centre = Centre(floor(agents=1, when_no_agents={"kind": "hangup"}))
    caller = centre.arrive()
    assert centre.sent(c.SendTo), "it was sent away, and the answer was lost"
    centre.lose_link()
    centre.connect(gap=True, held_by="n2")
    assert caller.call_id in handed_over(centre)
    centre.wait(600)


def test_an_agent_has_no_outcome_to_write_of_a_call_that_is_gone() -> None:
    centre, *_ = centre_with_calls()
    assert centre.agent("1001").recent
    assert not fenced(centre).agent("1001").recent


def test_who_was_overtaken_while_connecting_takes_nothing_over() -> None:
    centre, *callers = centre_with_calls()
    new = centre.restarted()
    out = new.connect(gap=True, overtaken_by=99)
    assert new.core.fenced
    assert new.last(d.ServerFenced).newer_epoch == 99
    assert len(handed_over(new)) == len(callers)
    assert out.commands == []
    assert len(new.events(d.CallStarted)) == len(callers), "none was adopted"


def test_a_replayed_journal_has_let_go_too() -> None:
    centre, *_ = centre_with_calls()
    replayed = Core(centre.floor, "n1")
    for record in fenced(centre).records:
        replayed.evolve(record)
    assert replayed.dump() == centre.core.dump()


def test_an_agent_signs_in_where_the_call_is_and_has_it_again() -> None:
    centre = Centre(floor(agents=1))
    centre.ready("1001")
    caller = centre.arrive()
    centre.talk(caller)
    new = fenced(centre).restarted()
    new.connect(gap=True, held_by="n2")
    assert new.last(d.QueueLeft).reason == "answered"
    new.sign_in("1001")
    assert (new.agent().state, new.agent().call_id) == ("talking", caller.call_id)


# --- recordings ----------------------------------------------------------------------------------


def test_what_is_recorded_already_is_taken_over() -> None:
    centre = Centre(floor(agents=1))
    centre.ready("1001")
    caller = centre.arrive()
    centre.talk(caller)
    caller.variables["ZX_REC"] = caller.uniqueid
    new = fenced(centre).restarted()
    new.connect(gap=True, held_by="n2")
    started = new.last(d.RecordingStarted)
    assert (started.call_id, started.file) == (caller.call_id, caller.uniqueid)
    assert started.queue == "support"
    assert len(new.events(d.RecordingStarted)) == 2
    new.connect(gap=True)
    assert len(new.events(d.RecordingStarted)) == 2


@pytest.mark.parametrize("file", ["../x", "", "a/b", "x" * 300])
def test_no_file_outside_of_the_spool_is_taken_over(file: str) -> None:
    centre = Centre(floor(agents=1))
    centre.arrive().variables["ZX_REC"] = file
    centre.connect(gap=True)
    assert not centre.events(d.RecordingStarted)


def test_a_recording_that_began_while_we_were_away_is_known() -> None:
    centre = Centre(floor(agents=1))
    caller = centre.arrive()
    centre.lose_link()
    caller.variables["ZX_REC"] = caller.uniqueid
    centre.connect(gap=True)
    assert centre.last(d.RecordingStarted).queue == "support"
    centre.step(
        i.RecordingChecked(
            call_id=caller.call_id, recording_id=f"{caller.call_id}-r1", fault="missing"
        )
    )
    assert centre.last(d.RecordingFaulty).recording_id == f"{caller.call_id}-r1"


def test_what_was_recorded_of_an_ended_call_is_told_after_the_fence_too() -> None:
    centre = Centre(floor(agents=1))
    centre.ready("1001")
    caller = centre.arrive()
    centre.talk(caller)
    recording_id = centre.last(d.RecordingStarted).recording_id
    centre.hang_up(caller)
    fenced(centre).step(
        i.RecordingChecked(call_id=caller.call_id, recording_id=recording_id, path="a.wav")
    )
    assert centre.last(d.RecordingStored).recording_id == recording_id
