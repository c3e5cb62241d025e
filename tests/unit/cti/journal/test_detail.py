"""One call in full, from its events."""

from cti import domain
from cti.journal.detail import Span, detail
from cti.journal.moments import moment
from tests.support.journal import (
    DAY,
    call_ended,
    call_started,
    merged,
    numbered,
    queue_entered,
    queue_left,
)


def at(seconds: float) -> float:
    return DAY + seconds


def test_a_call_that_does_not_exist_has_no_detail() -> None:
    assert detail("c1", "n", []) is None
    assert detail("c1", "n", numbered(call_started("c2"))) is None


def test_a_leg_from_start_to_end() -> None:
    leg: dict[str, str] = {"call_id": "c1", "leg_id": "1.2"}
    told = detail(
        "c1",
        "n",
        numbered(
            call_started(),
            domain.LegStarted(
                at=at(1),
                kind="agent",
                channel="PJSIP/8001-1",
                agent_id="1001",
                extension="8001",
                **leg,
            ),
            domain.LegRinging(at=at(2), **leg),
            domain.LegAnswered(at=at(3), **leg),
            domain.LegJoined(at=at(4), bridge_id="b1", **leg),
            domain.LegHeld(at=at(5), **leg),
            domain.LegResumed(at=at(6), **leg),
            domain.LegJoined(at=at(7), bridge_id="b2", **leg),
            domain.LegLeft(at=at(8), bridge_id="b2", **leg),
            domain.LegRenamed(at=at(9), channel="PJSIP/8001-2", kind="consult", **leg),
            domain.LegHeld(at=at(10), **leg),
            domain.LegEnded(at=at(11), cause=16, cause_text="Normal", hung_up=True, **leg),
        ),
    )
    assert told is not None
    (found,) = told.legs
    assert (found.kind, found.channel, found.agent_id) == ("consult", "PJSIP/8001-2", "1001")
    assert (found.started_at, found.ringing_at) == (moment(at(1)), moment(at(2)))
    assert (found.answered_at, found.ended_at) == (moment(at(3)), moment(at(11)))
    assert found.bridged == (
        Span(moment(at(4)), moment(at(7))),
        Span(moment(at(7)), moment(at(8))),
    )
    assert found.holds == (Span(moment(at(5)), moment(at(6))), Span(moment(at(10)), moment(at(11))))
    assert (found.cause, found.cause_text, found.hung_up, found.exact) == (16, "Normal", True, True)


def test_offers_decisions_and_what_was_left_behind() -> None:
    told = detail(
        "c1",
        "n",
        numbered(
            call_started(),
            queue_entered(),
            domain.CallDecided(
                at=at(1),
                call_id="c1",
                queue="support",
                rule="longest_idle",
                chosen="1001",
                eligible=["1001", "1002"],
                eligible_count=2,
                excluded={"not_ready": 3},
                excluded_examples={"1003": "not_ready"},
                step=1,
            ),
            domain.OfferMade(
                at=at(1),
                call_id="c1",
                offer_id="o1",
                visit_id="v1",
                agent_id="1001",
                queue="support",
                extension="8001",
                ring_seconds=20,
                epoch=1,
            ),
            domain.OfferEnded(
                at=at(9),
                call_id="c1",
                offer_id="o1",
                agent_id="1001",
                queue="support",
                end="timed_out",
                detail="noanswer",
                counts_as_miss=True,
            ),
            domain.CallTransferred(at=at(20), call_id="c1", kind="blind", by_leg="1.2", to="8002"),
            domain.DispositionSaved(
                at=at(30), call_id="c1", agent_id="1001", code="resolved", notes="好"
            ),
            domain.SurveyAnswered(at=at(40), call_id="c1", score=4),
            domain.RecordingStarted(at=at(2), call_id="c1", recording_id="r1", file="r1.wav"),
            domain.AgentStateChanged(at=at(50), agent_id="1001", state="wrap_up", call_id="c1"),
        ),
    )
    assert told is not None
    (offer,) = told.offers
    assert (offer.end, offer.detail, offer.counts_as_miss) == ("timed_out", "noanswer", True)
    assert (offer.made_at, offer.ended_at) == (moment(at(1)), moment(at(9)))
    (decision,) = told.decisions
    assert (decision.rule, decision.chosen, decision.step) == ("longest_idle", "1001", 1)
    assert decision.excluded_examples == {"1003": "not_ready"}
    assert [(t.kind, t.to) for t in told.transfers] == [("blind", "8002")]
    assert [(d.code, d.notes) for d in told.dispositions] == [("resolved", "好")]
    assert [survey.score for survey in told.surveys] == [4]
    assert [recording.recording_id for recording in told.recordings] == ["r1"]
    assert [line.what for line in told.timeline][-1] == "AgentStateChanged"
    assert told.timeline[1].facts["queue"] == "support"


def test_a_merged_call_is_told_with_the_one_that_went_on() -> None:
    told = detail(
        "c1",
        "n",
        numbered(
            call_started("c1"),
            call_started("c2"),
            queue_entered("c2"),
            queue_left("c2"),
            merged("c1", "c2"),
            call_ended("c1", talk=20.0),
        ),
    )
    assert told is not None
    assert told.merged_calls == ["c2"]
    assert [(visit.call_id, visit.talk_seconds) for visit in told.visits] == [("c1", 20.0)]


def test_a_call_that_was_handed_over_says_so_and_leaves_its_recording_to_others() -> None:
    recorded = domain.RecordingStarted(at=at(1), call_id="c1", recording_id="r1", file="f")
    gone = domain.CallHandedOver(at=at(9), call_id="c1", visit_id="v1")
    told = detail("c1", "n", numbered(call_started(), queue_entered(), recorded, gone))
    assert told is not None
    assert (told.call.handed_over, told.recordings) == (True, [])
    assert [visit.handed_over for visit in told.visits] == [True]
    assert told.timeline[-1].what == "CallHandedOver"
