"""The folds of the projections: events in, rows out."""

from collections.abc import Iterable
from typing import Any

import pytest

from cti import domain
from cti.domain import DomainEvent
from cti.journal import folds
from cti.journal.folds import CallFold, GapFold, IntervalFold, RecordingFold, VisitFold
from cti.journal.moments import END, EPOCH, moment, quarter
from cti.journal.rows import VisitRow
from tests.support.journal import (
    DAY,
    call_ended,
    call_started,
    merged,
    queue_entered,
    queue_left,
    state,
)

THRESHOLDS = folds.Thresholds({"support": (20.0, 5.0)})


def folded(fold: folds.Fold[Any], *events: DomainEvent) -> dict[str, Any]:
    states: dict[str, Any] = {}
    for seq, event in enumerate(events, 1):
        if isinstance(event, fold.events) and list(fold.keys(event)):
            states.update(fold.apply(states, seq, event))
    return states


# --- calls ---------------------------------------------------------------------------------------


def test_a_call_answered_after_waiting() -> None:
    row = folded(
        CallFold("pbx1"),
        call_started(at=DAY),
        queue_entered(at=DAY + 1, customer_name="王", customer_id="7", level="gold"),
        queue_left(at=DAY + 11, waited=10.0),
        state("1001", "talking", at=DAY + 11, call_id="c1"),
        call_ended(at=DAY + 60, talk=49.0),
        domain.DispositionSaved(at=DAY + 61, call_id="c1", agent_id="1001", code="resolved"),
        domain.SurveyAnswered(at=DAY + 62, call_id="c1", score=5),
        domain.ConsentGiven(at=DAY + 62, call_id="c1", consent=True),
    )["c1"]
    assert (row.node, row.direction, row.caller_number) == ("pbx1", "inbound", "+8613800138000")
    assert (row.customer_name, row.customer_id, row.level) == ("王", "7", "gold")
    assert (row.queues, row.agents, row.agent_id) == (("support",), ("1001",), "1001")
    assert (row.started_at, row.answered_at) == (moment(DAY), moment(DAY + 11))
    assert (row.ended_at, row.outcome, row.ended_by) == (moment(DAY + 60), "answered", "customer")
    assert (row.waited_seconds, row.talk_seconds) == (10.0, 49.0)
    assert (row.disposition, row.survey_score, row.consent) == ("resolved", 5, True)
    assert row.exact


def test_waits_of_one_call_count_no_moment_twice_and_no_talk() -> None:
    """Each visit tells its wait from the first entering, whose place the caller keeps."""
    overflowed = (
        call_started(),
        queue_entered(),
        queue_left(at=DAY + 60, waited=60.0, reason="overflowed"),
        queue_entered(visit_id="v2", queue="sales", at=DAY + 60, entered_at=DAY),
        queue_left(visit_id="v2", queue="sales", at=DAY + 90, waited=90.0),
    )
    assert folded(CallFold("n"), *overflowed)["c1"].waited_seconds == 90.0
    came_back = (
        call_started(),
        queue_entered(),
        queue_left(at=DAY + 10, waited=10.0),
        queue_entered(visit_id="v2", at=DAY + 110, entered_at=DAY, adopted=True),
        queue_left(visit_id="v2", at=DAY + 125, waited=125.0),
    )
    row = folded(CallFold("n"), *came_back)["c1"]
    assert (row.waited_seconds, row.waiting_since) == (25.0, None)
    sent_on = (
        *overflowed[:2],
        queue_left(at=DAY + 10, waited=10.0),
        queue_entered(visit_id="v2", queue="sales", at=DAY + 200),
        queue_left(visit_id="v2", queue="sales", at=DAY + 230, waited=30.0),
    )
    assert folded(CallFold("n"), *sent_on)["c1"].waited_seconds == 40.0


def test_a_wait_that_began_unheard_counts_from_its_begin() -> None:
    row = folded(
        CallFold("n"),
        call_started(adopted=True),
        queue_entered(at=DAY + 50, entered_at=DAY + 20, adopted=True),
        queue_left(at=DAY + 60, waited=40.0),
    )["c1"]
    assert row.waited_seconds == 40.0
    assert folded(CallFold("n"), queue_left(waited=10.0))["c1"].waited_seconds == 10.0


def test_a_merged_call_goes_on_waiting() -> None:
    row = folded(
        CallFold("n"),
        call_started(),
        call_started(call_id="c2"),
        queue_entered(call_id="c2", at=DAY + 5),
        merged("c1", "c2", at=DAY + 20),
        queue_left(at=DAY + 35, waited=30.0),
    )["c1"]
    assert row.waited_seconds == 30.0


def test_a_call_ends_once() -> None:
    row = folded(
        CallFold("pbx1"),
        call_started(),
        call_ended(at=DAY + 60, talk=49.0),
        call_ended(at=DAY + 99, talk=1.0, outcome="lost"),
    )["c1"]
    assert (row.ended_at, row.outcome, row.talk_seconds) == (moment(DAY + 60), "answered", 49.0)


def test_a_call_starts_once() -> None:
    row = folded(CallFold("pbx1"), call_started(at=DAY), call_started(at=DAY + 9))["c1"]
    assert row.started_at == moment(DAY)


def test_a_call_whose_start_is_missing_is_inexact() -> None:
    row = folded(CallFold("pbx1"), call_ended(at=DAY + 60))["c1"]
    assert not row.exact
    assert row.outcome == "answered"


def test_an_adopted_call_and_a_gap_make_it_inexact() -> None:
    assert not folded(CallFold("n"), call_started(adopted=True))["c1"].exact
    assert not folded(CallFold("n"), call_started(), queue_left(exact=False))["c1"].exact
    assert not folded(CallFold("n"), call_started(), call_ended(exact=False))["c1"].exact


def test_agents_are_those_who_talked_in_their_order() -> None:
    row = folded(
        CallFold("n"),
        call_started(),
        state("1001", "offered", call_id="c1"),
        state("1002", "talking", call_id="c1"),
        state("1001", "talking", call_id="c1"),
        state("1002", "wrap_up", call_id="c1"),
        state("1003", "ready"),
    )["c1"]
    assert row.agents == ("1002", "1001")


def test_a_merged_call_points_to_the_other_which_takes_what_it_had() -> None:
    states = folded(
        CallFold("n"),
        call_started(),
        call_started(call_id="c2"),
        queue_entered(call_id="c2", queue="sales"),
        state("1002", "talking", call_id="c2"),
        merged("c1", "c2", at=DAY + 30),
        merged("c1", "c2", at=DAY + 31),
    )
    assert (states["c2"].merged_into, states["c2"].ended_at) == ("c1", moment(DAY + 30))
    assert states["c2"].outcome is None
    assert (states["c1"].queues, states["c1"].agents) == (("sales",), ("1002",))
    assert states["c1"].ended_at is None


def test_transfers_recordings_and_faults_are_counted() -> None:
    row = folded(
        CallFold("n"),
        call_started(),
        domain.CallTransferred(at=DAY, call_id="c1", kind="blind", by_leg=None, to="8002"),
        domain.RecordingStarted(at=DAY, call_id="c1", recording_id="r1", file="r1.wav"),
        domain.RecordingFaulty(at=DAY, call_id="c1", recording_id="r1", fault="missing"),
    )["c1"]
    assert (row.transfers, row.recordings, row.faults) == (1, 1, 1)


# --- queues --------------------------------------------------------------------------------------


def test_who_came_back_from_a_talk_entered_again_after_it() -> None:
    back = domain.QueueEntered(
        at=DAY + 110,
        call_id="c1",
        visit_id="v2",
        queue="support",
        channel="PJSIP/trunk-1",
        leg_id="1.1",
        entered_at=DAY,
        talked_seconds=100.0,
        adopted=True,
    )
    visits = folded(
        VisitFold("n"),
        queue_entered(),
        queue_left(at=DAY + 10, waited=10.0),
        back,
        queue_left(visit_id="v2", at=DAY + 125, waited=25.0),
        call_ended(at=DAY + 225, talk=200.0),
    )
    assert visits["v2"].entered_at == moment(DAY + 110)
    assert [visit.talk_seconds for visit in visits.values()] == [100.0, 100.0]


def test_a_visit_from_entering_to_the_end_of_the_talk() -> None:
    visit = folded(
        VisitFold("n"),
        queue_entered(at=DAY + 1),
        domain.NativeEntered(at=DAY + 2, call_id="c1", visit_id="v1", queue="support"),
        queue_left(at=DAY + 11, waited=10.0),
        call_ended(at=DAY + 60, talk=49.0),
    )["v1"]
    assert (visit.queue, visit.reason, visit.agent_id) == ("support", "answered", "1001")
    assert (visit.entered_at, visit.left_at) == (moment(DAY + 1), moment(DAY + 11))
    assert (visit.waited_seconds, visit.talk_seconds) == (10.0, 49.0)
    assert visit.native
    assert visit.exact


def test_a_visit_is_left_once() -> None:
    visit = folded(
        VisitFold("n"),
        queue_entered(),
        queue_left(waited=10.0),
        queue_left(waited=99.0, reason="abandoned"),
    )["v1"]
    assert (visit.reason, visit.waited_seconds) == ("answered", 10.0)


def test_a_visit_of_an_overflow_begins_with_its_own_queue() -> None:
    visit = folded(VisitFold("n"), queue_entered(at=DAY + 50, entered_at=DAY))["v1"]
    assert visit.entered_at == moment(DAY + 50)


def test_an_adopted_visit_begins_when_the_caller_came() -> None:
    visit = folded(VisitFold("n"), queue_entered(at=DAY + 50, entered_at=DAY, adopted=True))["v1"]
    assert visit.entered_at == moment(DAY)
    assert not visit.exact


def test_a_visit_whose_begin_is_missing_is_reckoned_back() -> None:
    visit = folded(VisitFold("n"), queue_left(at=DAY + 30, waited=10.0))["v1"]
    assert visit.entered_at == moment(DAY + 20)
    assert not visit.exact


def test_talk_of_several_answered_visits_is_shared_by_their_time() -> None:
    visits = folded(
        VisitFold("n"),
        queue_entered(visit_id="v1", at=DAY),
        queue_left(visit_id="v1", at=DAY + 10),
        queue_entered(visit_id="v2", queue="sales", at=DAY + 40),
        queue_left(visit_id="v2", queue="sales", at=DAY + 50),
        queue_entered(visit_id="v3", at=DAY + 60, call_id="other"),
        call_ended(at=DAY + 110, talk=81.0),
    )
    assert visits["v1"].talk_seconds == pytest.approx(27.0)
    assert visits["v2"].talk_seconds == pytest.approx(54.0)
    assert visits["v3"].talk_seconds == 0.0


def test_talk_without_any_time_between_goes_to_the_last_answer() -> None:
    visits = folded(
        VisitFold("n"),
        queue_entered(visit_id="v1"),
        queue_left(visit_id="v1", at=DAY + 10),
        call_ended(at=DAY + 10, talk=3.0),
    )
    assert visits["v1"].talk_seconds == 3.0


def test_visits_of_a_merged_call_get_the_talk_of_the_one_that_goes_on() -> None:
    visits = folded(
        VisitFold("n"),
        queue_entered(call_id="c2"),
        queue_left(call_id="c2", at=DAY + 10),
        merged("c1", "c2"),
        call_ended(call_id="c1", at=DAY + 30, talk=20.0),
    )
    assert (visits["v1"].call_id, visits["v1"].talk_seconds) == ("c1", 20.0)


def figures_of(*events: DomainEvent) -> folds.FiguresRow:
    visits = folded(VisitFold("n"), *events).values()
    (row,) = folds.changes([], visits, THRESHOLDS)
    return row


@pytest.mark.parametrize(
    ("reason", "waited", "counted"),
    [
        ("answered", 20.0, {"answered": 1, "answered_in_time": 1, "waited_answered_seconds": 20.0}),
        ("answered", 20.1, {"answered": 1, "waited_answered_seconds": 20.1}),
        ("abandoned", 5.0, {"abandoned_short": 1, "waited_abandoned_seconds": 5.0}),
        ("abandoned", 5.1, {"abandoned": 1, "waited_abandoned_seconds": 5.1}),
        ("overflowed", 9.0, {"overflowed": 1}),
        ("voicemail", 9.0, {"voicemail": 1}),
        ("callback", 9.0, {"callback": 1}),
        ("closed", 9.0, {"refused": 1}),
        ("full", 9.0, {"refused": 1}),
        ("no_agents", 9.0, {"refused": 1}),
        ("withdrawn", 9.0, {"withdrawn": 1}),
        ("lost", 9.0, {"lost": 1}),
    ],
)
def test_what_a_visit_counts_for(
    reason: domain.VisitEnd, waited: float, counted: dict[str, float]
) -> None:
    row = figures_of(queue_entered(at=DAY + 901), queue_left(reason=reason, waited=waited))
    expected = folds.FiguresRow(
        node="n",
        queue="support",
        quarter=moment(DAY + 900),
        entered=1,
        longest_wait_seconds=waited,
        **counted,
    )
    assert row == expected


def test_a_waiting_caller_has_entered_and_no_more() -> None:
    row = figures_of(queue_entered(at=DAY))
    assert row == folds.FiguresRow(node="n", queue="support", quarter=moment(DAY), entered=1)


def test_other_queues_have_the_usual_thresholds() -> None:
    row = figures_of(queue_entered(queue="x"), queue_left(queue="x", waited=20.0))
    assert row.answered_in_time == 1


def test_a_changed_visit_changes_the_figures_by_the_difference() -> None:
    fold = VisitFold("n")
    before = folded(fold, queue_entered())
    after = folded(fold, queue_entered(), queue_left(waited=3.0))
    (change,) = folds.changes(before.values(), after.values(), THRESHOLDS)
    assert (change.entered, change.answered, change.waited_answered_seconds) == (0, 1, 3.0)
    assert change.longest_wait_seconds == 3.0


# --- agents --------------------------------------------------------------------------------------


def test_intervals_stand_end_to_end() -> None:
    intervals = folded(
        IntervalFold("n"),
        state("1001", "not_ready", at=DAY, reason="lunch"),
        state("1001", "ready", at=DAY + 10),
        state("1001", "talking", at=DAY + 20, call_id="c1"),
    )["1001"]
    assert [(i.state, i.reason, i.call_id) for i in intervals] == [
        ("not_ready", "lunch", None),
        ("ready", None, None),
        ("talking", None, "c1"),
    ]
    assert [(i.from_at, i.to_at) for i in intervals] == [
        (moment(DAY), moment(DAY + 10)),
        (moment(DAY + 10), moment(DAY + 20)),
        (moment(DAY + 20), None),
    ]
    assert [i.seq for i in intervals] == [1, 2, 3]


def test_a_longer_wrap_up_is_one_interval() -> None:
    intervals = folded(
        IntervalFold("n"),
        state("1001", "wrap_up", at=DAY, call_id="c1", until=DAY + 20),
        state("1001", "wrap_up", at=DAY + 10, call_id="c1", until=DAY + 50),
    )["1001"]
    assert len(intervals) == 1


def test_another_reason_or_call_is_another_interval() -> None:
    intervals = folded(
        IntervalFold("n"),
        state("1001", "not_ready", at=DAY, reason="lunch"),
        state("1001", "not_ready", at=DAY + 5, reason="rest"),
        state("1001", "talking", at=DAY + 6, call_id="c1"),
        state("1001", "talking", at=DAY + 7, call_id="c2"),
    )["1001"]
    assert len(intervals) == 4


@pytest.mark.parametrize("reverse", [False, True])
def test_signing_out_is_one_interval(reverse: bool) -> None:
    signed_out: list[DomainEvent] = [
        domain.AgentSignedOut(at=DAY + 9, agent_id="1001", extension="8001", reason="self"),
        state("1001", "signed_out", at=DAY + 9),
    ]
    if reverse:
        signed_out.reverse()
    intervals = folded(IntervalFold("n"), state("1001", "ready", at=DAY), *signed_out)["1001"]
    assert [i.state for i in intervals] == ["ready", "signed_out"]


def test_a_time_before_the_last_one_does_not_turn_an_interval_round() -> None:
    intervals = folded(
        IntervalFold("n"), state("1001", "ready", at=DAY), state("1001", "offered", at=DAY - 5)
    )["1001"]
    assert intervals[0].to_at == intervals[1].from_at == moment(DAY)


# --- recordings and gaps -------------------------------------------------------------------------


def test_a_recording_from_start_to_store() -> None:
    common: dict[str, Any] = {"call_id": "c1", "recording_id": "r1"}
    row = folded(
        RecordingFold("n"),
        domain.RecordingStarted(at=DAY, file="r1.wav", queue="support", **common),
        domain.RecordingPaused(at=DAY + 5, **common),
        domain.RecordingPaused(at=DAY + 6, **common),
        domain.RecordingResumed(at=DAY + 9, **common),
        domain.RecordingResumed(at=DAY + 20, **common),
        domain.RecordingStored(
            at=DAY + 60,
            path="2026/r1.wav",
            sha256="ab",
            bytes=9,
            duration_seconds=50.0,
            agent_silent=True,
            **common,
        ),
        domain.RecordingFaulty(at=DAY + 61, fault="agent_silent", detail="x", **common),
    )["r1"]
    assert (row.call_id, row.file, row.queue) == ("c1", "r1.wav", "support")
    assert (row.paused_at, row.paused_seconds) == (None, 4.0)
    assert (row.path, row.sha256, row.bytes, row.duration_seconds) == ("2026/r1.wav", "ab", 9, 50.0)
    assert (row.customer_silent, row.agent_silent) == (False, True)
    assert (row.started_at, row.stored_at) == (moment(DAY), moment(DAY + 60))
    assert (row.fault, row.detail) == ("agent_silent", "x")


def test_a_gap_never_ends_before_it_begins() -> None:
    gap = domain.GapRecorded(at=DAY, from_at=DAY - 10, to_at=DAY - 20, reason="clock")
    (row,) = folded(GapFold("n"), gap).values()
    assert row.from_at == row.to_at == moment(DAY - 10)


# --- moments -------------------------------------------------------------------------------------


def test_moments_stay_inside_the_calendar() -> None:
    assert moment(float("nan")) == moment(-5.0) == EPOCH
    assert moment(float("inf")) == moment(1e300) == END


@pytest.mark.parametrize(
    ("at", "begin"), [(DAY, DAY), (DAY + 899.9, DAY), (DAY + 900, DAY + 900), (0, 0)]
)
def test_quarters(at: float, begin: float) -> None:
    assert quarter(moment(at)) == moment(begin)


# --- handed over to another server ---------------------------------------------------------------


def handed_over(visit_id: str | None = "v1", *, at: float = DAY + 40) -> domain.CallHandedOver:
    return domain.CallHandedOver(at=at, call_id="c1", visit_id=visit_id)


def counted(visits: Iterable[VisitRow]) -> tuple[int, int, float]:
    """Entered, answered, seconds of talk."""
    parts = [folds.figures(visit, THRESHOLDS) for visit in visits]
    return (
        sum(part.entered for part in parts),
        sum(part.answered for part in parts),
        sum(part.talk_seconds for part in parts),
    )


def test_a_call_that_is_handed_over_is_neither_open_nor_ended() -> None:
    call = folded(CallFold("n"), call_started(), queue_entered(), handed_over())["c1"]
    assert call.handed_over
    assert (call.ended_at, call.outcome) == (moment(DAY + 40), None)


def test_a_call_that_comes_back_is_open_again() -> None:
    recorded = domain.RecordingStarted(at=DAY, call_id="c1", recording_id="r1", file="f")
    events = [
        call_started(),
        queue_entered(),
        recorded,
        handed_over(),
        call_started(at=DAY + 90, adopted=True),
        queue_entered(visit_id="v2", at=DAY + 90, entered_at=DAY, adopted=True),
        recorded,
    ]
    call = folded(CallFold("n"), *events)["c1"]
    assert (call.handed_over, call.ended_at, call.exact) == (False, None, False)
    assert (call.started_at, call.recordings) == (moment(DAY), 1)
    ended = folded(CallFold("n"), *events, queue_left(visit_id="v2", at=DAY + 100), call_ended())
    assert ended["c1"].waited_seconds == 100.0
    assert ended["c1"].outcome == "answered"


def test_a_call_that_was_merged_into_one_handed_over_may_come_back_by_itself() -> None:
    call = folded(
        CallFold("n"),
        call_started("c1"),
        call_started("c2"),
        merged("c1", "c2"),
        handed_over(None),
        call_started("c2", adopted=True),
    )["c2"]
    assert (call.merged_into, call.ended_at) == (None, None)


@pytest.mark.parametrize("answered", [True, False])
def test_a_visit_that_another_server_tells_of_counts_nothing(answered: bool) -> None:
    left = [queue_left()] if answered else []
    visit = folded(VisitFold("n"), queue_entered(), *left, handed_over())["v1"]
    assert visit.handed_over
    assert visit.left_at == moment(DAY + (10 if answered else 40))
    assert counted([visit]) == (0, 0, 0.0)


def test_a_visit_that_was_over_keeps_counting() -> None:
    visits = folded(
        VisitFold("n"),
        queue_entered(),
        queue_left(reason="overflowed"),
        queue_entered(visit_id="v2", queue="sales", at=DAY + 10),
        handed_over("v2"),
    )
    assert counted(visits.values()) == (1, 0, 0.0)
    assert folded(VisitFold("n"), queue_entered(), queue_left(), handed_over(None))["v1"].left_at


def test_what_comes_back_counts_once() -> None:
    visits = folded(
        VisitFold("n"),
        queue_entered(),
        queue_left(),
        handed_over(),
        queue_entered(visit_id="v2", at=DAY + 90, entered_at=DAY + 50, adopted=True),
        queue_left(visit_id="v2", at=DAY + 90, waited=40.0),
        call_ended(at=DAY + 120, talk=30.0),
    )
    assert counted(visits.values()) == (1, 1, 30.0)


def test_figures_take_back_what_is_handed_over() -> None:
    before = folded(VisitFold("n"), queue_entered(), queue_left())["v1"]
    after = folded(VisitFold("n"), queue_entered(), queue_left(), handed_over())["v1"]
    (change,) = folds.changes([before], [after], THRESHOLDS)
    assert (change.entered, change.answered, change.waited_answered_seconds) == (-1, -1, -10.0)


def test_who_sits_at_another_server_has_no_state_here() -> None:
    signed_out = domain.AgentSignedOut(
        at=DAY + 40, agent_id="1001", extension="8001", reason=domain.HANDED_OVER
    )
    events = [
        state("1001", "ready", at=DAY),
        signed_out,
        state("1001", "signed_out", at=DAY + 40, reason=domain.HANDED_OVER),
    ]
    (ready,) = folded(IntervalFold("n"), *events)["1001"]
    assert (ready.state, ready.to_at) == ("ready", moment(DAY + 40))
    again = folded(IntervalFold("n"), *events, state("1001", "not_ready", at=DAY + 90))["1001"]
    assert [(each.state, each.to_at) for each in again[1:]] == [("not_ready", None)]
    assert folded(IntervalFold("n"), events[2]) == {}, "nor in a later batch"
