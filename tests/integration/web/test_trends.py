"""The day's trend, from a real journal: by quarters, with gaps, for those who may see the floor."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from cti import domain
from web.trends import bounds

NOON = datetime(2026, 11, 20, 12, tzinfo=ZoneInfo("Asia/Shanghai")).timestamp()
QUARTER = 900


def visit(number: int, at: float, reason: domain.VisitEnd, waited: float, queue: str = "support"):
    """A stay in a queue, from its begin to its end."""
    this = {"call_id": f"c{number}", "visit_id": f"v{number}", "queue": queue}
    return [
        domain.QueueEntered(at=at, channel="PJSIP/t-1", leg_id="l", entered_at=at, **this),
        domain.QueueLeft(at=at + waited, reason=reason, waited_seconds=waited, **this),
    ]


@pytest.fixture
async def day(journalled):
    """Journal two quarters after noon: three callers, then two more and a gap."""
    events = [
        *visit(1, NOON + 10, "answered", 5),
        *visit(2, NOON + 12, "answered", 100),
        *visit(3, NOON + 850, "abandoned", 100),
        *visit(4, NOON + 950, "answered", 1),
        *visit(5, NOON + 1000, "abandoned", 2, "sales"),
        domain.AgentStateChanged(at=NOON, agent_id="1001", state="ready"),
        domain.AgentStateChanged(at=NOON + 450, agent_id="1001", state="talking"),
        domain.AgentStateChanged(at=NOON + 450, agent_id="1002", state="ready"),
        domain.AgentStateChanged(at=NOON + 1800, agent_id="1002", state="signed_out"),
        domain.GapRecorded(
            at=NOON + 1300, from_at=NOON + 1200, to_at=NOON + 1300, reason="link_lost"
        ),
    ]
    await journalled(*sorted(events, key=lambda event: event.at))


def noon_of(body: dict) -> int:
    return round((NOON - body["begin"]) / QUARTER)


async def test_each_queue_and_all_together_by_quarters(serve, day):
    sue = await (await serve(clock=lambda: NOON + 1900)).browser("sue")
    status, body = await sue.send("GET", "/api/v1/trends?day=2026-11-20")
    assert status == 200
    assert (body["day"], body["quarter_seconds"]) == ("2026-11-20", QUARTER)
    assert body["begin"] == NOON - 12 * 3600
    assert body["end"] == NOON + 12 * 3600
    by_queue = {each["queue"]: each for each in body["series"]}
    assert list(by_queue) == ["support", "sales", "billing", None]
    noon = noon_of(body)
    support, sales, _, every = by_queue.values()
    assert {len(values) for key, values in support.items() if key != "queue"} == {noon + 3}
    assert support["offered"][noon - 1 :] == [0, 3, 1, 0]
    assert support["answered"][noon:] == [2, 1, 0]
    assert support["abandoned"][noon:] == [1, 0, 0]
    assert support["service_level"][noon:] == [0.3333, 1.0, None]
    assert support["waiting_most"][noon - 1 :] == [0, 2, 1, 0]
    assert support["ready_mean"][noon - 1 :] == [0, 1.0, 1.0, 0]
    assert sales["abandoned"][noon + 1] == 1, "short ones count as abandoned"
    assert sales["service_level"][noon + 1] is None, "but not against the service level"
    assert sales["ready_mean"][noon] == 0.5
    assert every["offered"][noon:] == [3, 2, 0]
    assert every["ready_mean"][noon] == 1.0, "who serves two queues is ready once"
    assert body["gaps"] == [{"from_at": NOON + 1200, "to_at": NOON + 1300, "reason": "link_lost"}]


async def test_a_leader_sees_no_sum_of_other_teams_queues(serve, day):
    lea = await (await serve(clock=lambda: NOON + 1900)).browser("lea")
    _, body = await lea.send("GET", "/api/v1/trends?day=2026-11-20")
    assert [each["queue"] for each in body["series"]] == ["support", "sales"]


async def test_one_queue_alone(serve, day):
    lea = await (await serve(clock=lambda: NOON + 1900)).browser("lea")
    _, body = await lea.send("GET", "/api/v1/trends?queue=sales")
    assert [each["queue"] for each in body["series"]] == ["sales"]
    assert sum(body["series"][0]["offered"]) == 1


async def test_a_day_to_come_is_empty(serve):
    lea = await (await serve(clock=lambda: NOON)).browser("lea")
    _, body = await lea.send("GET", "/api/v1/trends?day=2027-01-01")
    assert all(each["offered"] == [] for each in body["series"])


@pytest.mark.parametrize(
    ("query", "status", "code"),
    [
        ("queue=nothing", 404, "unknown_queue"),
        ("queue=%00", 422, "invalid"),
        ("day=yesterday", 422, "invalid"),
        ("day=9999-12-31", 422, "invalid"),
        ("day=0001-01-01", 422, "invalid"),
        ("days=2", 422, "invalid"),
    ],
)
async def test_bad_questions_are_answered_with_what_is_wrong(serve, query, status, code):
    lea = await (await serve()).browser("lea")
    found, body = await lea.send("GET", f"/api/v1/trends?{query}")
    assert (found, body["code"]) == (status, code)


async def test_who_may_not_see_the_floor_sees_no_trend(serve):
    amy = await (await serve()).browser("amy")
    status, body = await amy.send("GET", "/api/v1/trends")
    assert (status, body["code"]) == (403, "no_right")


async def test_without_the_database_there_is_an_answer(serve):
    site = await serve()
    lea = await site.browser("lea")
    site.pool.away = True
    status, body = await lea.send("GET", "/api/v1/trends")
    assert (status, body["code"]) == (503, "database_away")


def test_a_day_has_as_many_hours_as_the_clock_says():
    now = datetime(2026, 10, 25, 12, tzinfo=UTC)
    begin, end = bounds("Europe/Berlin", None, now)
    assert (end - begin).total_seconds() == 25 * 3600
