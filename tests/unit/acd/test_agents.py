"""Agents' states, their one table, and their seats."""

from typing import Any, Literal, get_args

import pytest

from acd import agents
from acd.agents import Agent, IllegalTransitionError, Interrupted, Trigger
from acd.core import Core
from cti import commands as c
from cti import domain as d
from cti import inputs as i
from cti.ami import events as ami
from cti.domain import AgentState, Recorded
from tests.support.centre import START, Caller, Centre, floor

STATES = get_args(AgentState)


def test_the_table_speaks_of_states_and_triggers_only() -> None:
    for (state, trigger), after in agents.TABLE.items():
        assert {state, after} <= set(STATES)
        assert trigger in get_args(Trigger)


def test_every_state_can_be_reached_and_left() -> None:
    assert {after for (state, _), after in agents.TABLE.items() if state != after} == set(STATES)
    assert {state for (state, _), after in agents.TABLE.items() if state != after} == set(STATES)


@pytest.mark.parametrize("state", STATES)
def test_every_signed_in_state_ends_by_signing_out(state: AgentState) -> None:
    if state != "signed_out":
        assert agents.transition(state, "sign_out") == "signed_out"


@pytest.mark.parametrize(
    ("state", "trigger"),
    [
        ("signed_out", "ready"),
        ("signed_out", "offer"),
        ("not_ready", "offer"),
        ("talking", "offer"),
        ("wrap_up", "offer"),
        ("offered", "offer"),
        ("ready", "sign_in"),
        ("ready", "wrap_up"),
    ],
)
def test_an_illegal_step_changes_nothing(state: AgentState, trigger: Trigger) -> None:
    agent = Agent(id="1", state=state)
    with pytest.raises(IllegalTransitionError):
        agents.changed(agent, trigger, 1.0)
    assert agent == Agent(id="1", state=state)


@pytest.mark.parametrize("word", ["UNAVAILABLE", "INVALID", "UNKNOWN", "", "unavailable"])
def test_a_phone_that_is_not_registered(word: str) -> None:
    assert not agents.ringable(word)


@pytest.mark.parametrize("word", ["NOT_INUSE", "INUSE", "BUSY", "RINGING", "ONHOLD"])
def test_a_registered_phone(word: str) -> None:
    assert agents.ringable(word)


# --- the seat ----------------------------------------------------------------------------------


def test_signing_in_is_not_being_ready() -> None:
    centre = Centre()
    assert centre.sign_in("1001").code is None
    assert (centre.agent().state, centre.agent().reason) == ("not_ready", "signed_in")
    assert centre.last(d.AgentSignedIn).took_over is False
    assert centre.agent().reachable


@pytest.mark.parametrize(
    ("agent_id", "extension", "code"),
    [("9999", "8001", "unknown_agent"), ("1001", "7777", "unknown_extension")],
)
def test_who_and_where_must_be_known(agent_id: str, extension: str, code: str) -> None:
    assert (
        Centre().ask(i.SignIn(request_id="r", agent_id=agent_id, extension=extension)).code == code
    )


def test_signing_in_twice_at_the_same_seat_is_the_same() -> None:
    centre = Centre()
    centre.ready("1001")
    assert centre.sign_in("1001").code is None
    assert centre.agent().state == "ready"
    assert len(centre.events(d.AgentSignedIn)) == 1


def test_a_taken_seat_is_taken_over_only_after_confirmation() -> None:
    centre = Centre()
    centre.sign_in("1001", "8001")
    reply = centre.sign_in("1002", "8001")
    assert (reply.code, reply.detail["agent"]) == ("seat_taken", "1001")
    assert centre.agent("1002").state == "signed_out"
    assert centre.sign_in("1002", "8001", confirm_takeover=True).code is None
    assert centre.agent("1001").state == "signed_out"
    assert centre.last(d.AgentSignedOut).reason == "taken_over"
    assert centre.last(d.AgentSignedIn).took_over is True


def test_moving_to_another_seat_needs_confirmation_too() -> None:
    centre = Centre()
    centre.sign_in("1001", "8001")
    assert centre.sign_in("1001", "8002").code == "seat_taken"
    assert centre.sign_in("1001", "8002", confirm_takeover=True).code is None
    assert centre.agent().extension == "8002"
    assert centre.core.state.seats == {"8002": "1001"}


def test_nobody_is_thrown_out_of_a_talk() -> None:
    centre = Centre()
    centre.ready("1001")
    centre.talk(centre.arrive())
    assert centre.sign_in("1002", "8001", confirm_takeover=True).code == "wrong_state"


@pytest.mark.parametrize(
    "request_",
    [
        i.SetReady(request_id="r", agent_id="1001"),
        i.SetNotReady(request_id="r", agent_id="1001", reason="lunch"),
        i.SignOut(request_id="r", agent_id="1001"),
        i.ForceState(request_id="r", agent_id="1001", by="1", state="ready"),
    ],
)
def test_who_is_signed_out_can_do_nothing(request_: i.Request) -> None:
    assert Centre().ask(request_).code == "not_signed_in"


def test_reasons_are_those_of_the_floor() -> None:
    centre = Centre()
    centre.ready("1001")
    assert centre.not_ready("1001", "missed").code == "unknown_reason"
    assert centre.not_ready("1001", "lunch").code is None
    force = i.ForceState(
        request_id="r", agent_id="1001", by="1", state="not_ready", reason="nonsense"
    )
    assert centre.ask(force).code == "unknown_reason"


def test_a_leader_sets_an_agent_ready() -> None:
    centre = Centre()
    centre.sign_in("1001")
    force = i.ForceState(request_id="r", agent_id="1001", by="1", state="ready")
    assert centre.ask(force).code is None
    assert centre.agent().state == "ready"


def forced(centre: Centre, state: Literal["ready", "not_ready", "signed_out"]) -> list[Any]:
    """What is recorded where leader 9 sets a state."""
    reason = "lunch" if state == "not_ready" else None
    order = i.ForceState(request_id="r", agent_id="1001", by="9", state=state, reason=reason)
    return [record.event for record in centre.step(order).events]


def test_who_set_an_agents_state_is_recorded() -> None:
    centre = Centre(floor(agents=1))
    centre.sign_in("1001")
    for state in ("ready", "not_ready", "signed_out"):
        assert {event.by for event in forced(centre, state)} == {"9"}
    assert [event.by for event in centre.events(d.AgentSignedOut)] == ["9"]
    centre.ready("1001")
    assert centre.last(d.AgentStateChanged).by is None


@pytest.mark.parametrize("state", ["not_ready", "signed_out"])
def test_who_set_the_state_after_a_call_is_recorded(
    state: Literal["not_ready", "signed_out"],
) -> None:
    centre = Centre(floor(agents=1))
    centre.ready("1001")
    centre.talk(centre.arrive())
    (wish,) = forced(centre, state)
    assert (type(wish), wish.by) == (d.AgentNextStateSet, "9")
    (taken_back,) = forced(centre, "ready")
    assert (taken_back.reason, taken_back.by) == (None, "9")


# --- proof of being ringable -------------------------------------------------------------------


def test_nobody_is_offered_a_call_on_a_phone_that_is_not_registered() -> None:
    centre = Centre()
    centre.set_device("8001", "UNAVAILABLE")
    centre.ready("1001")
    centre.arrive()
    assert not centre.sent(c.Assign)
    centre.set_device("8001", "NOT_INUSE")
    assert centre.sent(c.Assign)


def test_a_browsers_phone_needs_its_panel() -> None:
    centre = Centre()
    centre.sign_in("1001", "8901")
    centre.ready("1001")
    centre.arrive()
    assert not centre.sent(c.Assign)
    centre.step(i.PanelAlive(agent_id="1001"))
    assert centre.sent(c.Assign)


def test_a_desk_phone_needs_no_panel() -> None:
    centre = Centre()
    centre.ready("1001")
    centre.step(i.PanelLost(agent_id="1001"))
    centre.arrive()
    assert centre.sent(c.Assign)


def test_a_panel_lost_while_ringing_takes_the_offer_back_without_a_miss() -> None:
    centre = Centre(floor(agents=1))
    centre.step(i.PanelAlive(agent_id="1001"))
    centre.sign_in("1001", "8901")
    centre.ready("1001")
    caller = centre.arrive()
    centre.ring(caller)
    centre.step(i.PanelLost(agent_id="1001"))
    assert centre.sent(c.Withdraw)
    centre.come_back(caller, "rescinded")
    assert centre.last(d.OfferEnded).counts_as_miss is False
    assert centre.agent().missed == 0


def phone_rings_out(centre: Centre, *, exten: str) -> dict[str, str]:
    """Somebody dials at the phone of 1001."""
    leg = {"channel": "PJSIP/8001-x", "uniqueid": "50.1", "linkedid": "50.1"}
    centre.hear(ami.Newchannel(**leg, state=6, caller_number="8001", exten=exten))
    return leg


def test_an_agent_who_phones_a_queue_is_not_free() -> None:
    centre = Centre(floor(agents=2))
    centre.ready("1001")
    leg = phone_rings_out(centre, exten="support")
    centre.hear(ami.UserEvent(name="ZxEnter", **leg, headers={"Queue": "support"}))
    assert not centre.agent("1001").free
    assert not centre.sent(c.Assign)
    centre.ready("1002")
    assert centre.sent(c.Assign)[-1].agent_id == "1002"
    centre.hear(ami.Hangup(**leg, cause=16))
    assert centre.agent("1001").state == "ready"
    assert centre.last(d.CallEnded).outcome == "abandoned"


def test_who_signs_in_at_a_phone_in_a_call_is_on_that_call() -> None:
    centre = Centre(floor(agents=2))
    leg = phone_rings_out(centre, exten="013800138000")
    centre.hear(ami.BridgeEnter(**leg, bridge_id="b", bridge_channels=1))
    centre.ready("1001")
    assert (centre.agent().state, centre.agent().call_id) == ("talking", "n1-50.1")
    centre.arrive()
    assert not centre.sent(c.Assign)
    centre.hear(ami.Hangup(**leg, cause=16))
    assert (centre.agent().state, centre.agent().reason) == ("not_ready", "signed_in")
    centre.ready("1001")
    assert centre.sent(c.Assign)


def test_who_signs_in_at_a_phone_that_waits_in_a_queue_is_not_offered_that_call() -> None:
    centre = Centre(floor(agents=2))
    leg = phone_rings_out(centre, exten="support")
    centre.hear(ami.UserEvent(name="ZxEnter", **leg, headers={"Queue": "support"}))
    centre.ready("1001")
    assert not centre.agent("1001").free
    assert not centre.sent(c.Assign)


def test_a_call_at_the_seat_goes_to_who_takes_it_over() -> None:
    """The phone of an agent rings on a little while the next one signs in."""
    centre = Centre(floor(agents=2))
    centre.ready("1001")
    caller = centre.arrive()
    centre.ring(caller)
    leg, _ = centre.agent_legs.pop("1001")
    centre.hang_up(caller)
    centre.sign_in("1002", "8001", confirm_takeover=True)
    assert (centre.agent("1001").legs, list(centre.agent("1002").legs)) == ({}, [leg])


def transferred() -> tuple[Centre, Caller, str]:
    """The first agent asked the second, who now talks to the customer; the id of the asking."""
    centre = Centre(floor(agents=2, recording="always"))
    centre.ready("1001")
    caller = centre.arrive()
    centre.talk(caller)
    centre.ready("1002")
    asks = {"channel": "PJSIP/8001-2", "uniqueid": "60.1", "linkedid": "60.1"}
    asked = {"channel": "PJSIP/8002-1", "uniqueid": "60.2", "linkedid": "60.1"}
    centre.hear(ami.Newchannel(**asks, state=6, caller_number="8001", exten="8002"))
    centre.hear(ami.Newchannel(**asked, state=6))
    centre.hear(ami.BridgeEnter(**asked, bridge_id="b2"))
    assert centre.agent("1002").call_id == "n1-60.1"
    centre.hear(ami.BridgeLeave(**asked, bridge_id="b2"))
    centre.hear(ami.BridgeEnter(**asked, bridge_id=str(caller.bridge_id)))
    assert centre.last(d.CallMerged).merged_call_id == "n1-60.1"
    return centre, caller, "n1-60.1"


@pytest.mark.parametrize("named", ["as it is", "as it was"])
@pytest.mark.parametrize("over", [False, True])
def test_who_was_asked_and_took_the_call_saves_its_outcome(named: str, *, over: bool) -> None:
    centre, caller, before = transferred()
    call_id = caller.call_id if named == "as it is" else before
    if over:
        centre.hear(ami.Hangup(channel="PJSIP/8002-1", uniqueid="60.2", linkedid="60.1", cause=16))
        centre.hang_up(caller)
    save = i.SaveDisposition(request_id="r", agent_id="1002", call_id=call_id, code="resolved")
    assert centre.ask(save).code is None
    assert centre.last(d.DispositionSaved).call_id == caller.call_id
    assert caller.call_id in centre.agent("1001").recent


def test_what_became_part_of_another_call_is_known_as_that() -> None:
    core = Core(floor(agents=1), "n1")
    agent = core.state.agents["1001"]
    agent.before = Interrupted("wrap_up", None, START + 20, "n1-gone", "support")
    agent.recent = {"n1-gone": "support", "n1-into": None}
    core.state.unrecorded = {"n1-gone"}
    core.evolve(Recorded(1, d.CallMerged(at=START, call_id="n1-into", merged_call_id="n1-gone")))
    assert agent.before.call_id == "n1-into"
    assert agent.recent == {"n1-into": "support"}
    assert core.state.unrecorded == {"n1-into"}


def test_a_browser_that_stays_away_is_signed_out() -> None:
    centre = Centre()
    centre.step(i.PanelAlive(agent_id="1001"))
    centre.sign_in("1001", "8901")
    centre.ready("1001")
    centre.step(i.PanelLost(agent_id="1001"))
    centre.wait(599)
    assert centre.agent().state == "ready"
    centre.wait(1)
    assert centre.last(d.AgentSignedOut).reason == "panel_lost"


def test_a_browser_that_comes_back_stays() -> None:
    centre = Centre()
    centre.step(i.PanelAlive(agent_id="1001"))
    centre.sign_in("1001", "8901")
    centre.step(i.PanelLost(agent_id="1001"))
    centre.wait(10)
    centre.step(i.PanelAlive(agent_id="1001"))
    centre.wait(1000)
    assert centre.agent().state == "not_ready"


# --- native queues -----------------------------------------------------------------------------


def test_native_queues_are_joined_and_left_with_the_seat() -> None:
    centre = Centre(floor(agents=1, tiers={"1001": 3}))
    centre.sign_in("1001")
    join = centre.sent(c.NativeJoin)[-1]
    assert (join.queue, join.extension, join.paused, join.penalty) == ("support", "8001", True, 2)
    centre.ready("1001")
    assert centre.sent(c.NativePause)[-1].paused is False
    caller = centre.arrive()
    centre.talk(caller)
    centre.hang_up(caller)
    centre.wait(30)
    assert len(centre.sent(c.NativePause)) == 1  # a call costs no command
    centre.not_ready("1001")
    assert centre.sent(c.NativePause)[-1].paused is True
    centre.ask(i.SignOut(request_id="r", agent_id="1001"))
    leave = centre.sent(c.NativeLeave)[-1]
    assert (leave.queue, leave.extension) == ("support", "8001")


def test_native_members_are_settled_at_a_connect() -> None:
    centre = Centre(floor(agents=3))
    for agent_id in ("1001", "1002"):
        centre.ready(agent_id)
    centre.lose_link()
    centre.commands.clear()
    members = [
        i.NativeMember(queue="zx-support", interface="PJSIP/8001", paused=True),
        i.NativeMember(queue="zx-support", interface="PJSIP/8003", paused=False),
        i.NativeMember(queue="not-ours", interface="PJSIP/8003", paused=False),
    ]
    centre.connect(gap=True, native_members=members)
    assert [(each.queue, each.extension) for each in centre.sent(c.NativeLeave)] == [
        ("support", "8003")
    ]
    assert [(each.extension, each.paused) for each in centre.sent(c.NativeJoin)] == [
        ("8002", False)
    ]
    assert [(each.extension, each.paused) for each in centre.sent(c.NativePause)] == [
        ("8001", False)
    ]
