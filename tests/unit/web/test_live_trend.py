"""How the day runs on the floor: the last half hour, the quarter under way, and gaps."""

import pytest

from config.floor import Floor
from cti import domain
from cti.domain import Recorded
from web.live import LiveView
from web.live_trend import LONGEST_BOUNDED_SECONDS

FLOOR = Floor.model_validate(
    {
        "queues": [{"name": "support"}, {"name": "sales"}],
        "agents": [
            {"id": "1", "name": "Amy", "queues": [{"queue": "support"}, {"queue": "sales"}]},
            {"id": "2", "name": "Ben", "queues": [{"queue": "support"}]},
        ],
    }
)
AT = 1_800_000_000.0
"""The begin of a quarter of an hour."""


class Day:
    """A view and what was played to it."""

    def __init__(self) -> None:
        self.view = LiveView(FLOOR)
        self.view.roll(AT)
        self._calls = 0

    def play(self, event: domain.DomainEvent) -> None:
        self.view.evolve(Recorded(self.view.seq + 1, event))

    def waits(self, at: float, *, entered: float | None = None, queue: str = "support") -> str:
        self._calls += 1
        call = f"c{self._calls}"
        self.play(
            domain.QueueEntered(
                at=at,
                call_id=call,
                visit_id=call,
                queue=queue,
                channel="x",
                leg_id="l",
                entered_at=at if entered is None else entered,
                adopted=entered is not None,
            )
        )
        return call

    def leaves(
        self, call: str, at: float, reason: domain.VisitEnd, waited: float, *, exact: bool = True
    ) -> None:
        self.play(
            domain.QueueLeft(
                at=at,
                call_id=call,
                visit_id=call,
                queue="support",
                reason=reason,
                waited_seconds=waited,
                exact=exact,
            )
        )

    def state(self, at: float, agent_id: str, state: domain.AgentState) -> None:
        self.play(domain.AgentStateChanged(at=at, agent_id=agent_id, state=state))

    def gap(self, at: float, seconds: float) -> None:
        self.play(domain.GapRecorded(at=at, from_at=at - seconds, to_at=at, reason="link_lost"))

    @property
    def floor(self) -> dict:
        return self.view.snapshot("floor", None, clear=True)

    @property
    def support(self) -> dict:
        return self.floor["queues"]["support"]

    def quarter(self, number: int = 0, queue: str = "support") -> dict:
        return self.floor["trends"][f"{queue}@{int(AT) + 900 * number}"]


@pytest.fixture
def day() -> Day:
    """Return a day on which nothing has happened."""
    return Day()


def test_service_level_now_is_that_of_the_last_half_hour(day):
    day.leaves(day.waits(AT), AT + 5, "answered", 5)
    day.leaves(day.waits(AT + 600), AT + 700, "answered", 100)
    assert (day.support["service_level_now"], day.support["judged_now"]) == (0.5, 2)
    day.view.roll(AT + 1801)
    assert (day.support["service_level_now"], day.support["judged_now"]) == (0.0, 1)
    day.view.roll(AT + 2701)
    assert (day.support["service_level_now"], day.support["judged_now"]) == (None, 0)
    assert day.support["service_level_today"] == 0.5


def test_a_call_counts_in_the_quarter_in_which_it_entered(day):
    call = day.waits(AT + 890)
    day.leaves(call, AT + 910, "answered", 20)
    assert (day.quarter()["offered"], day.quarter()["answered"]) == (1, 1)
    assert day.quarter()["service_level"] == 1.0
    assert day.quarter(1)["offered"] == 0
    assert day.quarter(queue="")["answered"] == 1, "all queues together too"


def test_a_quarter_stays_while_somebody_of_it_waits(day):
    call = day.waits(AT + 10)
    day.view.roll(AT + 3700)
    day.leaves(call, AT + 3701, "abandoned", 3690)
    assert day.quarter()["abandoned"] == 1
    changes = day.view.roll(AT + 3780)
    assert ("trends", f"support@{int(AT)}") in changes.floor
    assert f"support@{int(AT)}" not in day.floor["trends"]
    assert f"support@{int(AT) + 3600}" in day.floor["trends"]


def test_the_most_who_waited_at_once_and_those_who_wait_over_the_quarters_end(day):
    calls = [day.waits(AT + 880), day.waits(AT + 881)]
    assert day.quarter()["waiting_most"] == 2
    day.view.roll(AT + 901)
    assert day.quarter(1)["waiting_most"] == 2
    day.leaves(calls[0], AT + 902, "abandoned", 22)
    day.waits(AT + 903)
    assert day.quarter(1)["waiting_most"] == 2


def test_agents_ready_on_average(day):
    day.view.roll(AT + 1)
    day.state(AT + 60, "1", "ready")
    day.state(AT + 90, "2", "ready")
    day.state(AT + 120, "2", "talking")
    assert day.quarter()["ready_mean"] == pytest.approx((60 + 30) / 120, abs=0.02)
    assert day.quarter(queue="sales")["ready_mean"] == pytest.approx(60 / 120, abs=0.3)
    assert day.quarter(queue="")["ready_mean"] == day.quarter()["ready_mean"]


def test_who_was_away_does_not_know_how_many_were_ready(day):
    day.state(AT + 10, "1", "ready")
    day.view.roll(AT + 700)
    assert day.quarter()["ready_mean"] == 0.0
    day.view.roll(AT + 760)
    assert day.quarter()["ready_mean"] == pytest.approx(60 / 70, abs=0.01)


def test_what_another_server_counts_is_taken_back(day):
    call = day.waits(AT)
    day.play(domain.CallHandedOver(at=AT + 5, call_id=call, visit_id=call))
    assert day.quarter()["offered"] == day.quarter(queue="")["offered"] == 0


# --- gaps ---


def test_a_gap_is_shown_and_says_what_may_be_missing(day):
    assert day.support["unheard_today"] is None
    for number in range(60):
        day.waits(AT + 20 * number)
    day.gap(AT + 1230, 30)
    assert list(day.floor["gaps"].values()) == [
        {"from_at": AT + 1200, "to_at": AT + 1230, "reason": "link_lost"}
    ]
    at_most = day.support["unheard_today"]["calls_at_most"]
    assert 2 <= at_most <= 6, "about one came in 20 s; chance may bring some more"
    assert day.floor["queues"]["sales"]["unheard_today"]["calls_at_most"] == 1


def test_who_came_in_the_gap_and_still_waits_was_heard_of(day):
    day.gap(AT + 60, 30)
    assert day.support["unheard_today"]["calls_at_most"] == 1
    day.waits(AT + 60, entered=AT + 40)
    assert day.support["unheard_today"]["calls_at_most"] == 0


def test_who_is_gone_after_a_gap_may_have_been_answered(day):
    call = day.waits(AT)
    day.gap(AT + 60, 30)
    day.leaves(call, AT + 60, "withdrawn", 60, exact=False)
    assert day.support["unheard_today"]["ends_unknown"] == 1
    assert day.support["answered_today"] == 0


def test_a_long_gap_has_no_upper_bound(day):
    day.gap(AT + 2000, LONGEST_BOUNDED_SECONDS + 1)
    assert day.support["unheard_today"] == {"calls_at_most": None, "ends_unknown": 0}


def test_the_next_day_begins_without_gaps(day):
    day.gap(AT + 60, 30)
    day.view.roll(AT + 86_400)
    assert day.floor["gaps"] == {}
    assert day.support["unheard_today"] is None


def test_a_queue_over_its_limit_is_an_alarm_on_the_floor(day):
    day.waits(AT)
    assert not day.view.judge_queues(AT + 59).floor
    changes = day.view.judge_queues(AT + 60)
    assert changes.floor == {("alarms", "queue.support.longest_wait")}
    assert day.floor["alarms"]["queue.support.longest_wait"]["params"]["limit"] == "60"
    assert not day.view.judge_queues(AT + 61).floor, "told once"
    day.leaves("c1", AT + 62, "answered", 62)
    assert day.view.judge_queues(AT + 77).floor == {("alarms", "queue.support.longest_wait")}
    assert day.floor["alarms"] == {}
