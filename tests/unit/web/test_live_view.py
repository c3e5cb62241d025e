"""The live view's rows and figures, one fact at a time."""

import itertools

import pytest

from config.floor import Floor
from cti import domain
from cti.domain import Recorded
from web.live import LiveView
from web.live_state import Who

FLOOR = Floor.model_validate(
    {
        "time_zone": "Asia/Shanghai",
        "queues": [
            {"name": "support", "service_level_seconds": 20, "short_abandon_seconds": 5},
            {"name": "sales"},
        ],
        "extensions": [
            {"number": "8001", "kind": "browser"},
            {"number": "8101", "kind": "desk"},
        ],
        "agents": [
            {"id": "1", "name": "Amy", "queues": [{"queue": "support"}]},
            {"id": "2", "name": "Ben", "queues": [{"queue": "support"}, {"queue": "sales"}]},
        ],
    }
)
NOON = 1_795_320_000.0  # 2026-11-22 12:00 in Shanghai
NUMBER = "+8613800138000"


class Played:
    """A view and what was played into it."""

    def __init__(self) -> None:
        self.view = LiveView(FLOOR)
        self._seq = itertools.count(1)

    def play(self, *events: domain.DomainEvent) -> None:
        for event in events:
            self.changes = self.view.evolve(Recorded(next(self._seq), event))

    def floor(self, clear: bool = True):
        return self.view.snapshot("floor", None, clear=clear)

    def desk(self, agent_id: str = "1", clear: bool = True):
        return self.view.snapshot("desk", agent_id, clear=clear)

    def waits(self, call: str, at: float, queue: str = "support") -> None:
        self.play(
            domain.CallStarted(
                at=at,
                call_id=call,
                direction="inbound",
                caller_number=NUMBER,
                caller_name=None,
                called_number="400",
                linkedid=call,
            ),
            domain.QueueEntered(
                at=at,
                call_id=call,
                visit_id=f"v-{call}",
                queue=queue,
                channel="PJSIP/trunk-1",
                leg_id=call,
                entered_at=at,
                customer_name="Mr Wang",
                level="vip",
                customer_id="7",
            ),
        )

    def leaves(self, call: str, at: float, reason: domain.VisitEnd, waited: float) -> None:
        self.play(
            domain.QueueLeft(
                at=at,
                call_id=call,
                visit_id=f"v-{call}",
                queue="support",
                reason=reason,
                waited_seconds=waited,
            )
        )

    def state(self, at: float, state: domain.AgentState, **more: object) -> None:
        self.play(domain.AgentStateChanged(at=at, agent_id="1", state=state, **more))  # type: ignore[arg-type]


@pytest.fixture
def played() -> Played:
    """Return a view in which nothing has happened."""
    return Played()


def test_a_fresh_floor_has_all_queues_and_agents(played):
    rows = played.floor()
    assert list(rows) == ["queues", "agents", "waiting", "alarms", "link", "trends", "gaps"]
    assert list(rows["queues"]) == ["support", "sales"]
    assert rows["agents"]["1"]["state"] == "signed_out"
    assert rows["queues"]["support"]["service_level_today"] is None
    assert rows["link"]["pbx"]["pbx"] == "disconnected"


def test_a_waiting_caller_is_on_the_floor_and_in_the_pulse(played):
    played.waits("c1", NOON)
    played.waits("c2", NOON + 5)
    rows = played.floor()
    assert rows["queues"]["support"]["waiting"] == 2
    assert rows["queues"]["support"]["oldest_since"] == NOON
    assert rows["waiting"]["v-c1"]["name"] == "Mr Wang"
    assert rows["waiting"]["v-c1"]["native"] is False
    assert played.desk("1")["queues"] == {
        "support": {"name": "support", "waiting": 2, "oldest_since": NOON}
    }
    assert played.changes.pulse == {"support"}
    played.play(domain.NativeEntered(at=NOON + 9, call_id="c1", visit_id="v-c1", queue="support"))
    assert played.floor()["waiting"]["v-c1"]["native"] is True


def test_an_adopted_caller_counts_once(played):
    played.waits("c1", NOON)
    played.waits("c1", NOON)
    assert played.floor()["queues"]["support"]["offered_today"] == 1


def test_service_level_leaves_short_abandons_out(played):
    for number, (reason, waited) in enumerate(
        [("answered", 10), ("answered", 20), ("answered", 21), ("abandoned", 5), ("abandoned", 6)]
    ):
        played.waits(f"c{number}", NOON)
        played.leaves(f"c{number}", NOON + waited, reason, waited)
    row = played.floor()["queues"]["support"]
    assert (row["offered_today"], row["answered_today"], row["abandoned_today"]) == (5, 3, 2)
    assert row["service_level_today"] == 0.5


def test_withdrawn_callers_are_not_abandoned(played):
    played.waits("c1", NOON)
    played.leaves("c1", NOON + 30, "withdrawn", 30)
    assert played.floor()["queues"]["support"]["abandoned_today"] == 0


def test_the_expected_wait_is_nothing_when_somebody_is_free_and_unknown_at_first(played):
    assert played.floor()["queues"]["support"]["expected_wait_seconds"] is None
    played.state(NOON, "ready")
    assert played.floor()["queues"]["support"]["expected_wait_seconds"] == 0.0
    played.waits("c1", NOON)
    assert played.floor()["queues"]["support"]["expected_wait_seconds"] is None


def test_the_expected_wait_follows_the_pace_of_answers(played):
    for number in range(8):
        played.waits(f"c{number}", NOON + number)
    for number in range(6):
        played.leaves(f"c{number}", NOON + 100 + 10 * number, "answered", 100)
    row = played.floor()["queues"]["support"]
    assert (row["waiting"], row["expected_wait_seconds"]) == (2, 30.0)


def _offer(played: Played) -> None:
    played.play(
        domain.OfferMade(
            at=NOON + 3,
            call_id="c1",
            offer_id="o1",
            visit_id="v-c1",
            agent_id="1",
            queue="support",
            extension="8001",
            ring_seconds=20,
            epoch=1,
        )
    )


def test_an_offer_pops_up_before_the_phone_rings(played):
    played.waits("c1", NOON)
    _offer(played)
    offer = played.desk()["offers"]["o1"]
    assert offer["number"] == NUMBER
    assert (offer["level"], offer["customer_id"]) == ("vip", "7")
    assert (offer["waited_since"], offer["made_at"], offer["until"]) == (NOON, NOON + 3, NOON + 23)
    assert played.desk()["calls"] == {}
    assert played.desk("2")["offers"] == {}
    assert played.desk(clear=False)["offers"]["o1"]["number"] == "+86138****8000"


def test_a_call_on_the_desk_from_ringing_to_wrap_up(played):
    played.waits("c1", NOON)
    _offer(played)
    leg = {"call_id": "c1", "leg_id": "l1"}
    played.play(
        domain.LegStarted(at=NOON + 3, kind="agent", channel="PJSIP/8001-1", agent_id="1", **leg)
    )
    assert played.desk()["calls"]["c1"]["state"] == "ringing"
    played.play(domain.LegAnswered(at=NOON + 5, **leg))
    played.play(
        domain.OfferEnded(
            at=NOON + 5, call_id="c1", offer_id="o1", agent_id="1", queue="support", end="accepted"
        )
    )
    played.leaves("c1", NOON + 5, "answered", 5)
    played.state(NOON + 5, "talking", call_id="c1")
    played.play(
        domain.RecordingStarted(at=NOON + 5, call_id="c1", recording_id="r1", file="r1.wav")
    )
    call = played.desk()["calls"]["c1"]
    assert (call["state"], call["recording"], call["queue"]) == ("talking", "on", "support")
    assert call["answered_at"] == NOON + 5
    assert played.floor()["agents"]["1"]["queue"] == "support"
    played.play(domain.LegHeld(at=NOON + 6, **leg))
    played.play(domain.RecordingPaused(at=NOON + 6, call_id="c1", recording_id="r1"))
    call = played.desk()["calls"]["c1"]
    assert (call["state"], call["recording"]) == ("held", "paused")
    played.play(domain.LegResumed(at=NOON + 7, **leg))
    played.play(domain.LegEnded(at=NOON + 65, cause=16, **leg))
    played.state(NOON + 65, "wrap_up", call_id="c1", until=NOON + 85)
    played.play(
        domain.CallEnded(
            at=NOON + 65, call_id="c1", outcome="answered", ended_by="customer", talk_seconds=60
        )
    )
    assert played.desk()["calls"]["c1"]["state"] == "wrap_up"
    played.play(domain.DispositionSaved(at=NOON + 66, call_id="c1", agent_id="1", code="resolved"))
    assert played.desk()["calls"]["c1"]["disposition"] == "resolved"
    played.state(NOON + 65, "wrap_up", call_id="c1", until=NOON + 100)
    assert played.desk()["me"]["1"]["since"] == NOON + 65, "extended, not begun again"
    played.state(NOON + 90, "ready")
    assert played.desk()["calls"] == {}
    today = played.desk()["me"]["1"]["today"]
    assert today == {
        "calls": 1,
        "talk_seconds": 60.0,
        "missed": 0,
        "average_seconds": 60.0,
        "began_at": NOON - 12 * 3600,
        "spent": {"talking": 60.0, "wrap_up": 25.0},
    }
    assert played.view.dump()["calls"] == {}, "a call that is over is forgotten"


def test_a_caller_who_is_given_back_is_the_same_call_in_the_figures(played):
    played.waits("c1", NOON)
    played.state(NOON + 5, "talking", call_id="c1")
    played.leaves("c1", NOON + 5, "answered", 5)
    before = played.floor()["queues"]["support"]
    played.state(NOON + 65, "wrap_up", call_id="c1", until=NOON + 95)
    played.play(
        domain.QueueEntered(
            at=NOON + 66,
            call_id="c1",
            visit_id="again",
            queue="support",
            channel="x",
            leg_id="c1",
            entered_at=NOON,
            returns_to="1",
            adopted=True,
        )
    )
    assert played.floor()["waiting"]["again"]["call_id"] == "c1"
    played.state(NOON + 66, "ready")
    played.state(NOON + 66, "offered", call_id="c1")
    played.state(NOON + 68, "talking", call_id="c1")
    played.play(
        domain.QueueLeft(
            at=NOON + 68,
            call_id="c1",
            visit_id="again",
            queue="support",
            reason="answered",
            waited_seconds=8,
            agent_id="1",
        )
    )
    played.state(NOON + 108, "wrap_up", call_id="c1", until=NOON + 130)
    after = played.floor()["queues"]["support"]
    figures = ("offered_today", "answered_today", "abandoned_today", "service_level_today")
    assert [after[name] for name in figures] == [before[name] for name in figures]
    today = played.desk()["me"]["1"]["today"]
    assert (today["calls"], today["talk_seconds"], today["average_seconds"]) == (1, 100.0, 100.0)


def test_a_days_time_in_each_state_begins_at_midnight(played):
    midnight = NOON + 12 * 3600
    played.state(midnight - 100, "ready")
    played.view.roll(midnight)
    played.state(midnight + 50, "not_ready", reason="lunch")
    played.state(midnight + 60, "not_ready", reason="meeting")
    played.state(midnight + 80, "signed_out")
    played.state(midnight + 900, "ready")
    today = played.desk()["me"]["1"]["today"]
    assert today["began_at"] == midnight
    assert today["spent"] == {"ready": 50.0, "not_ready": 30.0}


def test_a_miss_counts_only_when_it_was_the_agents(played):
    for number, counts in enumerate([True, False]):
        played.play(
            domain.OfferMade(
                at=NOON,
                call_id="c1",
                offer_id=f"o{number}",
                visit_id="v",
                agent_id="1",
                queue="support",
                extension="8001",
                ring_seconds=20,
                epoch=1,
            ),
            domain.OfferEnded(
                at=NOON + 20,
                call_id="c1",
                offer_id=f"o{number}",
                agent_id="1",
                queue="support",
                end="timed_out",
                counts_as_miss=counts,
            ),
        )
    assert played.desk()["me"]["1"]["today"]["missed"] == 1


def test_figures_begin_anew_at_the_centres_midnight_with_or_without_events(played):
    played.waits("c1", NOON)
    played.leaves("c1", NOON + 1, "answered", 1)
    midnight = NOON + 12 * 3600
    played.view.roll(midnight - 1)
    assert played.floor()["queues"]["support"]["offered_today"] == 1
    assert ("queues", "support") in played.view.roll(midnight).floor
    assert played.floor()["queues"]["support"]["answered_today"] == 0
    played.waits("c2", midnight + 1)
    assert played.floor()["queues"]["support"]["offered_today"] == 1
    assert not played.view.roll(midnight + 2).floor


def test_a_faulty_recording_raises_an_alarm_until_it_is_stored_or_cleared(played):
    for number in (1, 2):
        played.play(
            domain.RecordingFaulty(
                at=NOON, call_id="c1", recording_id=f"r{number}", fault="missing"
            )
        )
    assert played.floor()["alarms"]["recording:r1"]["params"] == {
        "call_id": "c1",
        "fault": "missing",
    }
    played.play(
        domain.RecordingStored(
            at=NOON + 9,
            call_id="c1",
            recording_id="r1",
            path="p",
            sha256="",
            bytes=1,
            duration_seconds=1,
        )
    )
    assert played.view.clear_alarm("recording:r2").floor == {("alarms", "recording:r2")}
    assert played.floor()["alarms"] == {}


def test_link_and_raised_alarms(played):
    link = {
        "pbx": "ready",
        "since": NOON,
        "lag_seconds": 0.1,
        "database": "up",
        "journal_behind": 0,
    }
    assert played.view.set_link(**link).floor == {("link", "pbx")}
    assert played.view.set_link(**link).floor == set()
    assert played.floor()["link"]["pbx"] == link
    played.view.raise_alarm("disk", level="error", code="disk_full", at=NOON)
    played.view.raise_alarm("disk", level="error", code="disk_full", at=NOON + 9)
    assert played.floor()["alarms"]["disk"]["since"] == NOON
    assert played.view.has_alarm("disk")
    played.view.clear_alarm("disk")
    assert played.view.clear_alarm("disk").floor == set()


def test_a_merged_call_moves_to_the_other_desk_row(played):
    played.waits("c1", NOON)
    played.waits("c2", NOON)
    for call, leg, agent in (("c1", "l1", "1"), ("c2", "l2", "2")):
        played.play(
            domain.LegStarted(
                at=NOON, call_id=call, leg_id=leg, kind="agent", channel="x", agent_id=agent
            ),
            domain.LegAnswered(at=NOON, call_id=call, leg_id=leg),
        )
    played.play(domain.CallMerged(at=NOON + 1, call_id="c1", merged_call_id="c2"))
    assert list(played.desk("2")["calls"]) == ["c1"]
    assert list(played.desk("1")["calls"]) == ["c1"]


def test_seats(played):
    played.play(domain.AgentSignedIn(at=NOON, agent_id="1", extension="8001"))
    assert played.view.seats() == {"8001": "1"}
    played.play(domain.AgentSignedOut(at=NOON, agent_id="1", extension="8001", reason="self"))
    assert played.view.seats() == {}


def test_a_wish_is_shown_until_it_comes_true(played):
    played.state(NOON, "talking", call_id="c1")
    played.play(domain.AgentNextStateSet(at=NOON, agent_id="1", reason="lunch"))
    assert played.desk()["me"]["1"]["next_reason"] == "lunch"
    played.state(NOON + 9, "not_ready", reason="lunch")
    assert played.desk()["me"]["1"]["next_reason"] is None


def test_a_call_that_interrupts_wrap_up_does_not_take_its_call_off_the_desk(played):
    played.waits("c1", NOON)
    played.state(NOON, "talking", call_id="c1")
    played.state(NOON + 9, "wrap_up", call_id="c1", until=NOON + 30)
    played.play(
        domain.CallEnded(
            at=NOON + 9, call_id="c1", outcome="answered", ended_by="customer", talk_seconds=9
        )
    )
    played.state(NOON + 10, "talking", call_id="internal")
    assert played.desk()["calls"]["c1"]["state"] == "wrap_up"
    played.state(NOON + 12, "wrap_up", until=NOON + 30)
    assert played.desk()["calls"]["c1"]["state"] == "wrap_up"
    played.state(NOON + 30, "ready")
    assert played.desk()["calls"] == {}
    assert played.view.dump()["calls"] == {}


@pytest.mark.parametrize(("extension", "needs"), [("8001", True), ("8101", False)])
def test_only_a_phone_in_the_browser_needs_a_panel(extension: str, needs: bool) -> None:
    played = Played()
    signed_in = domain.AgentSignedIn(at=NOON, agent_id="1", extension=extension, took_over=False)
    assert not played.floor()["agents"]["1"]["needs_panel"]
    played.play(signed_in)
    assert played.floor()["agents"]["1"]["needs_panel"] is needs


def handed_over(call: str, visit_id: str | None) -> domain.CallHandedOver:
    return domain.CallHandedOver(at=NOON + 60, call_id=call, visit_id=visit_id)


def test_a_waiting_caller_who_is_handed_over_is_gone_and_not_counted(played):
    played.waits("c1", NOON)
    _offer(played)
    played.play(handed_over("c1", "v-c1"))
    rows = played.floor()
    assert rows["waiting"] == {}
    assert rows["queues"]["support"]["waiting"] == 0
    assert rows["queues"]["support"]["offered_today"] == 0
    assert played.desk()["offers"] == {}
    assert played.view.dump()["calls"] == {}


@pytest.mark.parametrize(("waited", "in_time"), [(10, 1), (30, 0)])
def test_a_talk_that_is_handed_over_is_off_the_desk_and_not_counted(played, waited, in_time):
    for call in ("c1", "c2"):
        played.waits(call, NOON)
        played.leaves(call, NOON + waited, "answered", waited)
    played.state(NOON + waited, "talking", call_id="c1")
    played.play(
        domain.LegStarted(
            at=NOON, call_id="c1", leg_id="l1", kind="agent", channel="x", agent_id="1"
        ),
        handed_over("c1", "v-c1"),
    )
    played.state(NOON + 60, "signed_out", reason="handed_over")
    queue = played.view.dump()["queues"]["support"]
    assert (queue["offered"], queue["answered"], queue["answered_in_time"]) == (1, 1, in_time)
    assert played.desk()["calls"] == {}
    assert played.desk()["me"]["1"]["reason"] == "handed_over"
    assert list(played.view.dump()["calls"]) == ["c2"]


def test_a_wait_that_was_over_stays_counted_when_its_call_is_handed_over(played):
    played.waits("c1", NOON)
    played.leaves("c1", NOON + 5, "answered", 5)
    played.play(handed_over("c1", None))
    queue = played.view.dump()["queues"]["support"]
    assert (queue["offered"], queue["answered"]) == (1, 1)


@pytest.mark.parametrize(("clear", "shown"), [(True, NUMBER), (False, "+86138****8000")])
def test_no_word_about_a_caller_holds_a_number_in_full(clear, shown):
    row = Who(number=NUMBER, name=f"王芳 {NUMBER}", level=NUMBER, language="zh").row(clear)
    assert (row["number"], row["name"], row["level"]) == (shown, f"王芳 {shown}", shown)
    assert row["language"] == "zh"
