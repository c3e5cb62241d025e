"""Losing the link and finding everything again."""

import msgspec
import pytest

from acd.core import CATCH_UP_SECONDS
from config.floor import Destination, Floor, OpenHours, Overflow, QueueSettings
from cti import commands as c
from cti import domain as d
from cti import inputs as i
from cti.ami import events as ami
from tests.support.centre import START, Caller, Centre, floor


@pytest.fixture
def one() -> Centre:
    centre = Centre(floor(agents=1))
    centre.ready("1001")
    return centre


def test_without_a_link_nothing_is_decided_but_clicks_are_taken(one: Centre) -> None:
    one.not_ready("1001")
    one.arrive()
    one.lose_link()
    assert one.ready("1001").code is None
    assert one.agent().state == "ready"
    assert not one.sent(c.Assign)
    one.connect(gap=True)
    assert one.sent(c.Assign)


def test_what_needs_the_pbx_is_refused_without_it(one: Centre) -> None:
    caller = one.arrive()
    assign = one.ring(caller)
    one.lose_link()
    reject = i.RejectOffer(request_id="r", agent_id="1001", offer_id=assign.offer_id)
    assert one.ask(reject).code == "pbx_down"
    hang_up = i.HangUpCall(request_id="r", agent_id="1001", call_id=caller.call_id)
    assert one.ask(hang_up).code == "pbx_down"


def test_the_gap_is_journalled_with_its_bounds(one: Centre) -> None:
    one.lose_link()
    one.wait(5)
    one.connect(gap=True)
    gap = one.last(d.GapRecorded)
    assert (gap.from_at, gap.to_at) == (one.now - 1, one.now)
    assert one.last(d.PbxConnected).epoch == 2


def test_waiting_callers_keep_their_place_over_a_restart() -> None:
    centre = Centre(floor(agents=1))
    callers = []
    for _ in range(3):
        callers.append(centre.arrive())
        centre.wait(1)
    new = centre.restarted()
    new.connect(gap=True)
    assert not [e for e in new.events(d.QueueEntered) if e.adopted]
    new.ready("1001")
    assert new.last(d.OfferMade).call_id == callers[0].call_id
    assert new.last(d.OfferMade).epoch == 2


@pytest.mark.parametrize("ahead", [0.0, -4.0, 3600.0])
def test_callers_unknown_to_the_journal_are_adopted_with_their_place(ahead: float) -> None:
    before = Centre(floor(agents=1))
    before.arrive().variables["ZX_ENTERED"] = f"{START + ahead:.3f}"
    new = Centre(floor(agents=1), connect=False)
    new.callers, new.now = before.callers, START + 40
    new.connect(clock_ahead_seconds=ahead)
    entered = new.last(d.QueueEntered)
    assert (entered.adopted, entered.entered_at) == (True, START)
    assert new.last(d.CallStarted).adopted is True


def test_callers_who_came_right_before_a_connect_are_adopted_in_their_order() -> None:
    """Asterisk lists its channels in any order, and so near to now their moments count as one."""
    before = Centre(floor(agents=1))
    first = before.arrive()
    before.wait(1)
    second = before.arrive()
    new = Centre(floor(agents=1), connect=False)
    new.callers, new.now = {each.uniqueid: each for each in (second, first)}, START + 2
    new.connect()
    new.ready("1001")
    assert [assign.channel for assign in new.sent(c.Assign)] == [first.channel]


def test_an_early_overflow_in_the_gap_keeps_the_place() -> None:
    queues = [QueueSettings(name="support"), QueueSettings(name="sales")]
    centre = Centre(floor(agents=1, queues=queues))
    moved = centre.arrive("support")
    centre.wait(1)
    centre.arrive("sales")
    centre.lose_link()
    moved.variables["ZX_QUEUE"] = "sales"
    centre.wait(1)
    centre.connect(gap=True)
    assert centre.last(d.QueueEntered).entered_at == START
    centre.ready("1001")
    assert [assign.channel for assign in centre.sent(c.Assign)] == [moved.channel]


def test_a_blacklisted_caller_who_came_meanwhile_is_hung_up_on_wherever_he_waits() -> None:
    before = Centre(floor(agents=1))
    caller = before.arrive()
    caller.variables |= {"ZX_STATE": "native", "ZX_REFUSE": "blacklist"}
    new = Centre(floor(agents=1), connect=False)
    new.callers = before.callers
    new.connect()
    assert [each.channel for each in new.sent(c.HangUp)] == [caller.channel]
    assert not new.events(d.QueueEntered)
    new.hang_up(caller)
    assert new.last(d.CallEnded).outcome == "refused"


VOICEMAIL = Destination(kind="voicemail", target="100")


def came_meanwhile(centre: Centre, callers: int = 1, state: str = "waiting") -> list[Caller]:
    """So many callers entered the queue, and the server did not hear of it."""
    found = []
    for n in range(callers):
        found.append(Caller(uniqueid=f"{int(START)}.{800 + n}", queue="support"))
        found[-1].variables = {
            "ZX_QUEUE": "support",
            "ZX_STATE": state,
            "ZX_ENTERED": f"{centre.now:.3f}",
        }
        centre.callers[found[-1].uniqueid] = found[-1]
    return found


def sent_away(centre: Centre) -> list[str]:
    return [each.channel for each in centre.sent(c.SendTo) if each.context == "zuoxi-leave"]


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize(
    "rules",
    [
        {
            "hours": [OpenHours(days=[1, 2, 3, 4, 5], start="09:00", to="18:00")],
            "when_closed": VOICEMAIL,
        },
        {"max_waiting": 1, "when_full": VOICEMAIL},
        {"when_no_agents": VOICEMAIL},
        {"overflow": [Overflow(waiting_over=1, to=VOICEMAIL)]},
    ],
)
def test_who_came_meanwhile_is_turned_away_by_the_rules_of_the_queue(
    rules: dict[str, object], restarted: bool
) -> None:
    centre = Centre(floor(agents=1, **rules))
    centre.lose_link()
    if restarted:
        centre = centre.restarted()
    *_, last = came_meanwhile(centre, 2)
    centre.connect(gap=True)
    assert last.channel in sent_away(centre)
    assert centre.sent(c.SendTo)[-1].exten == "2-voicemail-100"


def test_of_those_who_came_meanwhile_only_who_is_too_many_is_turned_away() -> None:
    centre = Centre(floor(agents=1, max_waiting=3, when_full=VOICEMAIL))
    centre.arrive()
    centre.lose_link()
    came = came_meanwhile(centre, 4)
    centre.connect(gap=True)
    assert sent_away(centre) == [caller.channel for caller in came[2:]]


def test_who_came_meanwhile_and_waits_natively_is_turned_away_when_fetched() -> None:
    centre = Centre(floor(agents=1, when_no_agents=VOICEMAIL))
    centre.lose_link()
    (caller,) = came_meanwhile(centre, state="native")
    centre.connect(gap=True, native_waiting=[caller.uniqueid])
    assert not sent_away(centre)
    centre.say(caller, "ZxWait", Queue="support")
    centre.wait(2)
    assert sent_away(centre) == [caller.channel]


def test_who_waits_again_after_a_talk_is_not_turned_away() -> None:
    centre = Centre(floor(agents=1, max_waiting=1, when_full=VOICEMAIL))
    centre.ready()
    caller = centre.arrive()
    centre.talk(caller)
    centre.arrive()
    centre.lose_link()
    centre.agent_legs.clear()
    caller.bridge_id = None
    caller.variables["ZX_STATE"] = "waiting"
    centre.connect(gap=True)
    assert len(centre.core.state.visits) == 2
    assert not sent_away(centre)


def test_how_a_caller_left_in_the_gap_is_read_from_the_channel(one: Centre) -> None:
    caller = one.arrive()
    one.lose_link()
    caller.variables |= {"ZX_STATE": "left", "ZX_VERB": "callback", "ZX_ARG": "13800138000"}
    one.connect(gap=True)
    assert one.last(d.QueueLeft).reason == "callback"


def test_a_new_process_does_nothing_before_it_is_connected(one: Centre) -> None:
    caller = one.arrive()
    one.ring(caller)
    new = one.restarted()
    new.wait(300)
    assert new.sent() == []
    assert new.agent().state == "offered"


def test_an_offer_that_we_know_goes_on(one: Centre) -> None:
    caller = one.arrive()
    one.ring(caller)
    new = one.restarted()
    new.connect(gap=True)
    assert new.agent().state == "offered"
    assert not new.events(d.OfferEnded)
    new.pick_up("1001")
    assert new.agent().state == "talking"
    assert new.last(d.OfferEnded).end == "accepted"


def test_an_offer_answered_in_the_gap(one: Centre) -> None:
    caller = one.arrive()
    one.ring(caller)
    one.lose_link()
    uniqueid, _ = one.agent_legs["1001"]
    caller.bridge_id = f"b{uniqueid}"
    one.connect(gap=True)
    assert one.agent().state == "talking"
    assert one.last(d.QueueLeft).reason == "answered"
    assert one.last(d.QueueLeft).agent_id == "1001"


def test_an_offer_that_ended_in_the_gap_is_no_miss(one: Centre) -> None:
    caller = one.arrive()
    one.ring(caller)
    one.lose_link()
    one.agent_legs.clear()
    caller.variables["ZX_STATE"] = "waiting"
    one.connect(gap=True)
    ended = one.last(d.OfferEnded)
    assert (ended.end, ended.detail, ended.counts_as_miss) == ("failed", "lost_in_gap", False)
    assert one.agent().state == "ready"
    one.wait(10)
    assert one.agent().state == "offered"


def rejected_into_a_dead_link(one: Centre) -> Caller:
    """The agent does not want the offer, and that is lost: the link broke and nobody knew yet."""
    caller = one.arrive()
    assign = one.ring(caller)
    one.ask(i.RejectOffer(request_id="r", agent_id="1001", offer_id=assign.offer_id))
    one.lose_link()
    return caller


def test_what_was_rejected_into_a_dead_link_is_taken_back_after_it(one: Centre) -> None:
    caller = rejected_into_a_dead_link(one)
    one.connect(gap=True)
    assert len(one.sent(c.Withdraw)) == 2
    one.come_back(caller, "rescinded")
    assert one.last(d.OfferEnded).detail == "rejected_in_panel"


def test_who_answered_what_was_rejected_into_a_dead_link_talks(one: Centre) -> None:
    caller = rejected_into_a_dead_link(one)
    uniqueid, _ = one.agent_legs["1001"]
    caller.bridge_id = f"b{uniqueid}"
    one.connect(gap=True)
    assert (one.agent().state, one.last(d.OfferEnded).end) == ("talking", "accepted")
    assert one.last(d.QueueLeft).reason == "answered"
    assert len(one.sent(c.Withdraw)) == 1


def test_an_agent_who_signed_out_without_a_link_is_not_rung_on(one: Centre) -> None:
    one.ring(one.arrive())
    one.lose_link()
    one.ask(i.SignOut(request_id="r", agent_id="1001"))
    one.connect(gap=True)
    assert one.sent(c.Withdraw)


def test_a_miss_over_a_lost_link_does_not_count(one: Centre) -> None:
    caller = one.arrive()
    one.ring(caller)
    one.lose_link()
    one.connect(gap=True)
    one.come_back(caller, "noanswer")
    ended = one.last(d.OfferEnded)
    assert (ended.end, ended.detail, ended.counts_as_miss) == ("timed_out", "link_lost", False)


def test_an_offer_of_a_process_before_us_is_waited_for() -> None:
    centre = Centre(floor(agents=2), connect=False)
    before = Centre(floor(agents=1))
    caller = before.arrive()
    caller.variables |= {"ZX_STATE": "offered", "ZX_OFFER": "old_7"}
    centre.callers = before.callers
    centre.connect()
    centre.ready("1002")
    assert not centre.sent(c.Assign)
    centre.say(caller, "ZxBack", Offer="old_7", Status="NOANSWER", Reason="noanswer")
    assert centre.offer_of(caller).agent_id == "1002"


def test_an_old_offer_that_never_ends_is_ended() -> None:
    centre = Centre(floor(agents=1), connect=False)
    before = Centre(floor(agents=1))
    caller = before.arrive()
    caller.variables |= {"ZX_STATE": "offered", "ZX_OFFER": "old_7"}
    centre.callers = before.callers
    centre.connect()
    centre.ready("1001")
    centre.wait(124)
    assert not centre.sent(c.Assign)
    centre.wait(1)
    back = centre.sent(c.SendTo)[0]
    assert (back.context, back.exten) == ("zuoxi-wait", "1-back")
    assert centre.offer_of(caller).agent_id == "1001"


def test_a_caller_who_left_in_the_gap(one: Centre) -> None:
    one.not_ready("1001")
    caller = one.arrive()
    one.wait(7)
    one.lose_link()
    del one.callers[caller.uniqueid]
    one.connect(gap=True)
    left = one.last(d.QueueLeft)
    assert (left.reason, left.exact) == ("abandoned", False)
    assert one.last(d.CallEnded).outcome == "abandoned"


def test_a_call_that_ended_in_the_gap_ends_in_wrap_up(one: Centre) -> None:
    caller = one.arrive()
    one.talk(caller)
    one.lose_link()
    one.agent_legs.clear()
    del one.callers[caller.uniqueid]
    one.connect(gap=True)
    assert one.agent().state == "wrap_up"
    assert one.last(d.CallEnded).outcome == "answered"


def test_a_call_that_ended_while_the_server_was_away_counts_what_was_heard(one: Centre) -> None:
    one.talk(one.arrive())
    one.wait(60)
    new = one.restarted()
    new.now += 3600
    new.callers, new.agent_legs = {}, {}
    new.connect(heard_until=one.now)
    assert new.last(d.CallEnded).talk_seconds == 60
    wrap_up = next(e for e in new.events(d.AgentStateChanged) if e.state == "wrap_up")
    assert wrap_up.at == one.now
    gap = new.last(d.GapRecorded)
    assert (gap.from_at, gap.to_at, gap.reason) == (one.now, new.now, "server_restarted")


def test_a_caller_who_left_while_the_server_was_away_waited_as_long_as_was_heard(
    one: Centre,
) -> None:
    one.not_ready("1001")
    one.arrive()
    one.wait(5)
    new = one.restarted()
    new.now += 600
    new.callers = {}
    new.connect(heard_until=one.now)
    left = new.last(d.QueueLeft)
    assert (left.waited_seconds, left.exact) == (5, False)


def test_a_restarted_pbx_loses_its_calls(one: Centre) -> None:
    talking, waiting = one.arrive(), one.arrive()
    one.talk(talking)
    one.lose_link()
    one.callers.clear()
    one.agent_legs.clear()
    one.connect(gap=True, started_at=START - 1)
    assert one.last(d.PbxRestarted).started_at == START - 1
    left = one.last(d.QueueLeft)
    assert (left.call_id, left.reason) == (waiting.call_id, "lost")
    assert {each.outcome for each in one.events(d.CallEnded)} == {"lost"}
    assert one.last(d.GapRecorded).reason == "pbx_restarted"


# --- the native queue --------------------------------------------------------------------------


NO_CALLER = "Unable to request withdraw from queue: No such caller"
TOO_OLD = (
    "Invalid/unknown command: QueueWithdrawCaller. Use Action: ListCommands to show available"
    " commands."
)


def _native(one: Centre) -> tuple[Centre, Caller]:
    """A caller who went native while nobody of ours was there, and the next process."""
    one.not_ready("1001")
    caller = one.arrive()
    caller.variables["ZX_STATE"] = "native"
    return one.restarted(), caller


def _asked(one: Centre) -> tuple[Centre, Caller]:
    """The native queue has been asked to let the caller go."""
    new, caller = _native(one)
    new.connect(gap=True, native_waiting=[caller.uniqueid])
    return new, caller


def _fetched(centre: Centre) -> list[str]:
    """Whose channels were redirected into the wait."""
    return [each.channel for each in centre.sent(c.SendTo) if each.context == "zuoxi-wait"]


def test_who_waits_natively_is_let_go(one: Centre) -> None:
    new, caller = _asked(one)
    assert new.last(d.NativeEntered).call_id == caller.call_id
    (released,) = new.sent(c.NativeRelease)
    assert (released.channel, released.queue) == (caller.channel, "support")
    new.done(released)
    new.ready("1001")
    assert not new.sent(c.Assign)
    new.say(caller, "ZxWait", Queue="support")
    assert new.last(d.NativeLeft).answered_by is None
    assert new.offer_of(caller).agent_id == "1001"
    new.wait(5)
    assert len(new.sent(c.NativeRelease)) == 1
    assert not _fetched(new)


def test_who_is_being_rung_natively_talks_when_answered(one: Centre) -> None:
    new, caller = _native(one)
    new.agent_legs["1001"] = ("77.7", caller)
    new.connect(gap=True, native_waiting=[caller.uniqueid])
    new.done(new.sent(c.NativeRelease)[0])
    new.pick_up("1001")
    assert new.last(d.NativeLeft).answered_by == "1001"
    left = new.last(d.QueueLeft)
    assert (left.reason, left.agent_id) == ("answered", "1001")
    assert new.agent().state == "talking"
    new.hang_up(caller)
    assert new.agent().state == "wrap_up"
    assert not new.sent(c.SendTo)


@pytest.mark.parametrize("result", ["refused", "timed_out"])
def test_who_was_not_let_go_and_stays_is_asked_for_again(one: Centre, result: str) -> None:
    new, caller = _asked(one)
    new.done(new.sent(c.NativeRelease)[0], result, NO_CALLER)
    new.wait(1.9)
    assert len(new.sent(c.NativeRelease)) == 1
    new.wait(0.1)
    assert [each.channel for each in new.sent(c.NativeRelease)] == [caller.channel] * 2
    new.done(new.sent(c.NativeRelease)[1], result, NO_CALLER)
    new.say(caller, "ZxWait", Queue="support")
    new.wait(5)
    assert len(new.sent(c.NativeRelease)) == 2
    assert not _fetched(new)


def test_who_was_not_let_go_because_of_a_talk_keeps_it(one: Centre) -> None:
    new, caller = _asked(one)
    new.done(new.sent(c.NativeRelease)[0], "refused", NO_CALLER)
    new.start_agent_leg("1001", "8001", caller)
    new.pick_up("1001")
    new.wait(5)
    assert new.agent().state == "talking"
    assert len(new.sent(c.NativeRelease)) == 1
    assert not _fetched(new)


def test_nobody_is_asked_for_without_a_link(one: Centre) -> None:
    new, _ = _asked(one)
    new.done(new.sent(c.NativeRelease)[0], "refused", NO_CALLER)
    new.lose_link()
    new.wait(5)
    assert len(new.sent(c.NativeRelease)) == 1


def test_a_pbx_that_cannot_let_go_is_redirected_and_not_asked_again(one: Centre) -> None:
    new, caller = _asked(one)
    new.done(new.sent(c.NativeRelease)[0], "refused", TOO_OLD)
    (back,) = new.sent(c.SendTo)
    assert (back.channel, back.context, back.exten) == (caller.channel, "zuoxi-wait", "2-back")
    new.lose_link()
    new.connect(gap=True, native_waiting=[caller.uniqueid])
    assert _fetched(new) == [caller.channel] * 2
    assert len(new.sent(c.NativeRelease)) == 1


def test_a_pbx_that_was_started_anew_is_asked_again(one: Centre) -> None:
    new, caller = _asked(one)
    new.done(new.sent(c.NativeRelease)[0], "refused", TOO_OLD)
    new.callers.clear()
    new.lose_link()
    new.connect(gap=True, started_at=START)
    caller = new.arrive()
    caller.variables["ZX_STATE"] = "native"
    new.lose_link()
    new.connect(gap=True, started_at=START, native_waiting=[caller.uniqueid])
    assert new.sent(c.NativeRelease)[-1].channel == caller.channel


@pytest.mark.parametrize("answered", [False, True])
def test_who_is_being_rung_by_a_pbx_that_cannot_let_go_is_left_alone(
    one: Centre, answered: bool
) -> None:
    new, caller = _asked(one)
    new.start_agent_leg("1001", "8001", caller)
    if answered:  # and not in a bridge yet
        new.hear(ami.Newstate(**new._leg("1001"), state=6))
    new.done(new.sent(c.NativeRelease)[0], "refused", TOO_OLD)
    assert not new.sent(c.SendTo)


def test_who_went_native_from_an_old_offer_that_never_ended_is_let_go() -> None:
    centre = Centre(floor(agents=1), connect=False)
    before = Centre(floor(agents=1))
    caller = before.arrive()
    caller.variables |= {"ZX_STATE": "offered", "ZX_OFFER": "old_7"}
    centre.callers = before.callers
    centre.connect()
    centre.say(caller, "ZxNative", Queue="support")
    centre.wait(125)
    assert [each.channel for each in centre.sent(c.NativeRelease)] == [caller.channel]
    assert not centre.sent(c.SendTo)


def test_who_talks_natively_is_talking(one: Centre) -> None:
    new, caller = _native(one)
    new.agent_legs["1001"] = ("77.7", caller)
    caller.bridge_id = "b77.7"
    new.connect(gap=True)
    assert not new.sent(c.SendTo)
    assert new.agent().state == "talking"
    assert new.last(d.QueueLeft).agent_id == "1001"


def test_native_is_told_as_it_happens(one: Centre) -> None:
    one.not_ready("1001")
    caller = one.arrive()
    one.say(caller, "ZxNative", Queue="support")
    one.say(caller, "ZxNative", Queue="support")
    assert len(one.events(d.NativeEntered)) == 1
    one.ready("1001")
    assert not one.sent(c.Assign)
    one.hang_up(caller)
    assert one.last(d.QueueLeft).reason == "abandoned"


# --- a changed floor ---------------------------------------------------------------------------


def on_another_floor(before: Centre, changed: Floor, *, from_checkpoint: bool) -> Centre:
    """The centre after a restart with other settings, not connected yet."""
    new = Centre(changed, connect=False)
    new.now, new.records = before.now, list(before.records)
    new.callers, new.agent_legs = before.callers, before.agent_legs
    if from_checkpoint:
        new.core.load(msgspec.json.decode(msgspec.json.encode(before.core.dump())))
    else:
        for record in before.records:
            new.core.evolve(record)
    return new


@pytest.mark.parametrize("from_checkpoint", [True, False])
def test_queues_and_agents_that_are_no_more(from_checkpoint: bool) -> None:
    old = floor(agents=2, queues=[QueueSettings(name="support"), QueueSettings(name="sales")])
    before = Centre(old)
    before.ready("1001")
    ringing = before.arrive("sales")
    before.ring(ringing)
    before.arrive("sales")
    kept = before.arrive("support")
    before.agent_legs.clear()
    new = on_another_floor(
        before,
        floor(agents=0, queues=[QueueSettings(name="support")]),
        from_checkpoint=from_checkpoint,
    )
    new.connect(gap=True)
    assert {each.reason for each in new.events(d.QueueLeft)} == {"withdrawn"}
    assert new.last(d.OfferEnded).detail == "floor_changed"
    assert [visit.call_id for visit in new.core.state.visits.values()] == [kept.call_id]
    sent = new.sent(c.SendTo)
    assert [each.exten for each in sent] == ["1-hangup-closed", "1-hangup-closed"]
    for caller in list(new.callers.values()):
        new.hang_up(caller)
    assert len(new.events(d.CallEnded)) == 3


# --- panels after a restart ----------------------------------------------------------------------


def _ringing_browser() -> Centre:
    centre = Centre(floor(agents=1))
    centre.step(i.PanelAlive(agent_id="1001"))
    centre.sign_in("1001", "8901")
    centre.ready("1001")
    caller = centre.arrive()
    centre.ring(caller)
    return centre.restarted()


def test_a_ringing_browser_has_time_to_come_back() -> None:
    new = _ringing_browser()
    new.connect(gap=True)
    new.wait(4)
    new.step(i.PanelAlive(agent_id="1001"))
    new.wait(4)
    assert not new.sent(c.Withdraw)


def test_a_browser_that_does_not_come_back_loses_the_offer() -> None:
    new = _ringing_browser()
    new.connect(gap=True)
    new.wait(5)
    assert new.sent(c.Withdraw)


def test_an_idle_browser_must_show_itself_before_the_next_offer() -> None:
    centre = Centre(floor(agents=1))
    centre.step(i.PanelAlive(agent_id="1001"))
    centre.sign_in("1001", "8901")
    centre.ready("1001")
    new = centre.restarted()
    new.connect(gap=True)
    new.arrive()
    assert not new.sent(c.Assign)
    new.step(i.PanelAlive(agent_id="1001"))
    assert new.sent(c.Assign)


# --- fencing -----------------------------------------------------------------------------------


@pytest.mark.parametrize("by", ["input", "event"])
def test_a_newer_process_fences_this_one(one: Centre, by: str) -> None:
    if by == "input":
        one.step(i.Fenced(newer_epoch=2))
    else:
        headers = {"Epoch": "2", "Node": "n1"}
        one.hear(ami.UserEvent(name="ZxEpoch", headers=headers))
    assert one.last(d.ServerFenced).newer_epoch == 2
    written = len(one.records)
    one.commands.clear()
    assert one.not_ready("1001").code == "fenced"
    one.arrive()
    one.wait(100)
    assert (one.commands, len(one.records)) == ([], written)


@pytest.mark.parametrize("epoch", ["1", "0", "", "x", "-2", "9" * 400, "²"])
def test_our_own_or_a_senseless_epoch_fences_nobody(one: Centre, epoch: str) -> None:
    one.hear(ami.UserEvent(name="ZxEpoch", headers={"Epoch": epoch, "Node": "n1"}))
    assert not one.events(d.ServerFenced)


@pytest.mark.parametrize("from_checkpoint", [True, False])
def test_a_wrap_up_that_a_call_interrupted_goes_on_without_its_queue(from_checkpoint: bool) -> None:
    queues = [QueueSettings(name="support"), QueueSettings(name="sales")]
    before = Centre(floor(agents=1, queues=queues))
    before.ready("1001")
    caller = before.arrive("sales")
    before.talk(caller)
    before.hang_up(caller)
    before.start_agent_leg("1001", "8001", Caller("55.1", ""))
    new = on_another_floor(before, floor(agents=1), from_checkpoint=from_checkpoint)
    new.connect(gap=True)
    new.end_agent_leg("1001")
    assert (new.agent().state, new.agent().queue) == ("wrap_up", None)
    extend = i.ExtendWrapUp(request_id="r", agent_id="1001", seconds=5)
    assert new.ask(extend).code == "wrong_state"
    new.wait(20)
    assert new.agent().state == "ready"


@pytest.mark.parametrize("from_checkpoint", [True, False])
def test_the_caller_of_an_agent_who_is_no_more_is_offered_to_others(from_checkpoint: bool) -> None:
    before = Centre(floor(agents=2))
    before.ready("1002")
    caller = before.arrive()
    before.ring(caller)
    new = on_another_floor(before, floor(agents=1), from_checkpoint=from_checkpoint)
    new.connect(gap=True)
    new.ready("1001")
    new.end_agent_leg("1002")
    offer_id = caller.variables["ZX_OFFER"]
    new.say(caller, "ZxBack", Offer=offer_id, Status="NOANSWER", Reason="noanswer")
    assert new.offer_of(caller).agent_id == "1001"


@pytest.mark.parametrize("from_checkpoint", [True, False])
def test_who_sits_at_an_extension_that_is_no_more_is_signed_out(from_checkpoint: bool) -> None:
    before = Centre(floor(agents=1))
    before.ready("1001")
    caller = before.arrive()
    before.ring(caller)
    kept = floor(agents=1)
    changed = kept.model_copy(update={"extensions": kept.extensions[1:]})
    new = on_another_floor(before, changed, from_checkpoint=from_checkpoint)
    new.connect(gap=True)
    assert new.agent().state == "signed_out"
    assert new.last(d.AgentSignedOut).reason == "floor_changed"
    assert new.last(d.OfferEnded).detail == "floor_changed"
    new.hang_up(caller)
    assert not new.core.state.visits


# --- old news ----------------------------------------------------------------------------------


def test_old_news_is_no_ground_for_an_offer(one: Centre) -> None:
    one.not_ready("1001")
    caller = one.arrive()
    one.ready("1001")
    one.hang_up(caller)
    late = one.arrive()
    one.talk(late)
    one.hang_up(late)
    one.wait(30)
    one.commands.clear()
    at = one.now - 3
    channel = {"channel": "PJSIP/trunk-9.9", "uniqueid": "9.9", "linkedid": "9.9"}
    said = ami.UserEvent(name="ZxEnter", **channel, headers={"Queue": "support"})
    one.step(i.PbxEvent(event=ami.Newchannel(**channel, state=6), at=at))
    one.step(i.PbxEvent(event=said, at=at))
    assert not one.sent(c.Assign)
    one.wait(0.1)
    assert one.sent(c.Assign)


def test_news_that_stay_old_put_an_offer_off_but_not_for_ever(one: Centre) -> None:
    """A busy PBX, be it late or its clock: no tick ever comes between two of its events."""

    def hear_old(event: ami.AmiEvent) -> None:
        one.step(i.PbxEvent(event=event, at=one.now - 3))

    began = one.now
    channel = {"channel": "PJSIP/trunk-9.9", "uniqueid": "9.9", "linkedid": "9.9"}
    hear_old(ami.Newchannel(**channel, state=6))
    hear_old(ami.UserEvent(name="ZxEnter", **channel, headers={"Queue": "support"}))
    while not one.sent(c.Assign) and one.now < began + 10:
        one.now += 0.01
        hear_old(ami.DeviceStateChange(device="PJSIP/other", device_state="INUSE"))
    assert one.now - began == pytest.approx(CATCH_UP_SECONDS, abs=0.011)


# --- what the dialplan may say at any time -----------------------------------------------------


@pytest.mark.parametrize("name", ["ZxEnter", "ZxBack", "ZxNative", "ZxWait", "ZxLeave", "ZxX"])
def test_events_of_channels_nobody_knows_change_nothing(one: Centre, name: str) -> None:
    written = len(one.records)
    for uniqueid in (None, "no.1"):
        one.hear(ami.UserEvent(name=name, channel="x", uniqueid=uniqueid, headers={}))
    assert len(one.records) == written


def test_entering_twice_is_entering_once(one: Centre) -> None:
    caller = one.arrive()
    one.say(caller, "ZxEnter", Queue="support", Entered=str(one.now))
    assert len(one.events(d.QueueEntered)) == 1


def test_an_agent_lost_in_the_call_brings_the_caller_back_to_the_place(one: Centre) -> None:
    caller = one.arrive()
    one.wait(3)
    one.talk(caller)
    one.wait(5)
    one.come_back(caller, "agent_lost", "ANSWER")
    entered = one.events(d.QueueEntered)
    assert [each.entered_at for each in entered] == [START, START]
    assert entered[0].visit_id != entered[1].visit_id
    assert one.agent().state == "wrap_up"
    one.wait(20)
    assert one.offer_of(caller).agent_id == "1001"
    one.talk(caller)
    waits = [each.waited_seconds for each in one.events(d.QueueLeft)]
    assert waits == [3, 3 + 20], "the talk of 5 s was no wait"


def last_agent_leaves_in_the_gap() -> tuple[Centre, Caller]:
    """The last agent wants to sign out after a talk that ends unheard; a caller waits."""
    centre = Centre(floor(agents=1, wrap_up_seconds=0, when_no_agents={"kind": "hangup"}))
    centre.ready("1001")
    before = centre.arrive()
    centre.talk(before)
    centre.ask(i.SignOut(request_id="r", agent_id="1001"))
    caller = centre.arrive()
    centre.lose_link()
    del centre.callers[before.uniqueid], centre.agent_legs["1001"]
    return centre, caller


def test_nobody_is_sent_away_on_half_a_picture() -> None:
    """The agent who signs out talks natively by now."""
    centre, caller = last_agent_leaves_in_the_gap()
    centre.agent_legs["1001"] = (f"{int(START)}.99", caller)
    caller.bridge_id = "native"
    caller.variables["ZX_STATE"] = "native"
    centre.connect(gap=True)
    assert centre.agent().state == "signed_out"
    assert centre.last(d.QueueLeft).reason == "answered"
    assert not centre.sent(c.SendTo)


def test_who_still_waits_is_sent_away_when_the_picture_is_whole() -> None:
    centre, caller = last_agent_leaves_in_the_gap()
    centre.connect(gap=True)
    (sent,) = centre.sent(c.SendTo)
    assert (sent.channel, sent.context) == (caller.channel, "zuoxi-leave")


def test_old_news_of_a_caller_who_is_gone_begin_no_wait(one: Centre) -> None:
    caller = Caller(uniqueid=f"{int(START)}.77", queue="support")
    one.hear(one._channel_event(ami.Newchannel, caller, state=4, exten="4001"))
    one.lose_link()
    one.connect(gap=True)
    assert one.events(d.CallEnded)
    one.say(caller, "ZxEnter", Queue="support")
    assert not one.core.state.visits


@pytest.mark.parametrize("from_checkpoint", [True, False])
def test_an_agent_who_is_no_more_is_signed_out(from_checkpoint: bool) -> None:
    before = Centre(floor(agents=2))
    before.ready("1002")
    new = on_another_floor(before, floor(agents=1), from_checkpoint=from_checkpoint)
    new.connect(gap=True)
    gone = new.last(d.AgentSignedOut)
    assert (gone.agent_id, gone.extension, gone.reason) == ("1002", "8002", "floor_changed")
    assert (new.last(d.AgentStateChanged).agent_id, new.last(d.AgentStateChanged).state) == (
        "1002",
        "signed_out",
    )
    assert not new.core.state.seats
    again = new.restarted()
    again.connect(gap=True)
    assert len(again.events(d.AgentSignedOut)) == 1


@pytest.mark.parametrize("from_checkpoint", [True, False])
def test_the_seat_of_an_agent_who_is_no_more_is_free(from_checkpoint: bool) -> None:
    """Before the PBX is in sight too, and nobody has to be asked."""
    both = floor(agents=2)
    before = Centre(both)
    before.ready("1002")
    one = both.model_copy(update={"agents": both.agents[:1]})
    new = on_another_floor(before, one, from_checkpoint=from_checkpoint)
    assert new.sign_in("1001", "8002").code is None
    assert [each.agent_id for each in new.events(d.AgentSignedOut)] == ["1002"]
    assert not new.last(d.AgentSignedIn).took_over
    assert new.core.state.seats == {"8002": "1001"}


def test_who_comes_back_to_the_floor_before_the_pbx_does_has_no_seat() -> None:
    before = Centre(floor(agents=2))
    before.ready("1002")
    without = on_another_floor(before, floor(agents=1), from_checkpoint=True)
    new = on_another_floor(without, floor(agents=2), from_checkpoint=True)
    new.connect(gap=True)
    assert new.agent("1002").state == "signed_out"
    assert not new.core.state.seats
    new.sign_in("1002", "8002")
    assert new.agent("1002").state == "not_ready"
