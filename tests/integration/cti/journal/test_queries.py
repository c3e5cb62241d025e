"""What screens and reports ask, on a real database."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest
import pytest_asyncio

from cti import domain
from cti.domain import DomainEvent
from cti.journal import folds
from cti.journal.database import Database
from cti.journal.moments import moment
from cti.journal.projections import Projections, all_projections
from cti.journal.queries import (
    BadCursorError,
    CallFilter,
    agent_intervals,
    call_detail,
    call_row,
    gaps,
    list_calls,
    list_recordings,
    plain,
    queue_figures,
    recording,
)
from tests.integration.cti.journal.conftest import NODE, journalled
from tests.support.journal import (
    DAY,
    call_ended,
    call_started,
    merged,
    numbered,
    queue_entered,
    queue_left,
    state,
)

pytestmark = pytest.mark.postgres


class Floor:
    """Tells the journal stories and projects them."""

    def __init__(self, db: asyncpg.Connection, source: Database) -> None:
        self.db = db
        self._source = source
        self._next = 1
        self._projections = Projections(all_projections(NODE, folds.Thresholds({})))

    async def tell(self, *events: DomainEvent) -> None:
        await journalled(self.db, numbered(*events, first=self._next))
        self._next += len(events)
        for status in self._projections.statuses:
            await self._projections.rebuild(status.name, self._source.pool)


@pytest_asyncio.fixture
async def floor(database: str, db: asyncpg.Connection) -> AsyncIterator[Floor]:
    source = Database(database, migrate=False)
    yield Floor(db, source)
    await source.close()


def answered(number: int, *, at: float, agent: str = "1001", queue: str = "support"):
    call, visit = f"c{number}", f"v{number}"
    return (
        call_started(call, at=at),
        queue_entered(call, visit, queue=queue, at=at),
        queue_left(call, visit, queue=queue, at=at + 10, agent=agent),
        state(agent, "talking", at=at + 10, call_id=call),
        call_ended(call, at=at + 60, talk=50.0, agent=agent),
    )


async def ids(floor: Floor, **wanted: object) -> list[str]:
    page = await list_calls(floor.db, CallFilter(**wanted))
    return [row.call_id for row in page.items]


async def test_calls_are_found_by_each_criterion(floor: Floor) -> None:
    await floor.tell(
        *answered(1, at=DAY),
        *answered(2, at=DAY + 100, agent="1002", queue="sales"),
        domain.CallStarted(
            at=DAY + 200,
            call_id="c3",
            direction="outbound",
            caller_number="8001",
            caller_name="100%_\\ sure",
            called_number="+8613900139000",
            linkedid="c3",
        ),
    )
    assert await ids(floor) == ["c3", "c2", "c1"]
    assert await ids(floor, from_at=moment(DAY + 100)) == ["c3", "c2"]
    assert await ids(floor, to_at=moment(DAY + 100)) == ["c1"]
    assert await ids(floor, agent_id="1002") == ["c2"]
    assert await ids(floor, queue="support") == ["c1"]
    assert await ids(floor, outcome="answered") == ["c2", "c1"]
    assert await ids(floor, outcome="open") == ["c3"]
    assert await ids(floor, text="39000") == ["c3"]
    assert await ids(floor, text="ZHANG") == ["c2", "c1"]
    assert await ids(floor, text="%_\\ S") == ["c3"]
    assert await ids(floor, text="'; DROP TABLE calls; --\0") == []
    assert await ids(floor, agent_id="1001", queue="sales") == []
    assert await ids(floor, agent_id="\0") == await ids(floor, outcome="\0") == []


async def test_pages_follow_each_other_without_hole_or_repeat(floor: Floor) -> None:
    await floor.tell(*(call_started(f"c{n:02}", at=DAY + n // 3) for n in range(20)))
    cursor, found = None, []
    while True:
        page = await list_calls(floor.db, CallFilter(), limit=7, cursor=cursor)
        found += [row.call_id for row in page.items]
        cursor = page.next
        if cursor is None:
            break
    assert found == [f"c{n:02}" for n in reversed(range(20))]


@pytest.mark.parametrize("cursor", ["", "x", "!!", "WzEsMl0", "WyIyMDI2LTAxLTAxIiwieCJd"])
async def test_a_foreign_cursor_is_refused(db: asyncpg.Connection, cursor: str) -> None:
    if cursor == "":
        assert (await list_calls(db, CallFilter(), cursor=cursor)).items == []
        return
    with pytest.raises(BadCursorError):
        await list_calls(db, CallFilter(), cursor=cursor)


async def test_a_merged_call_is_listed_and_told_with_the_other(floor: Floor) -> None:
    await floor.tell(
        call_started("c1"),
        call_started("c2", at=DAY + 1),
        call_started("c3", at=DAY + 2),
        queue_entered("c3"),
        merged("c2", "c3"),
        merged("c1", "c2"),
        call_ended("c1"),
    )
    assert await ids(floor) == ["c1"]
    told = await call_detail(floor.db, "c1")
    assert told is not None
    assert [line.what for line in told.timeline].count("CallStarted") == 3
    assert told.visits[0].call_id == "c1"
    row = await call_row(floor.db, "c3")
    assert row is not None
    assert row.merged_into == "c2"


async def test_a_call_that_another_server_has_is_not_listed_nor_counted(floor: Floor) -> None:
    await floor.tell(
        call_started("c1"),
        queue_entered("c1", "v1"),
        queue_left("c1", "v1", reason="overflowed"),
        queue_entered("c1", "v2", queue="sales"),
        domain.CallHandedOver(at=DAY + 30, call_id="c1", visit_id="v2"),
    )
    assert await ids(floor) == []
    assert await ids(floor, outcome="open") == []
    span = (moment(DAY - 900), moment(DAY + 900))
    found = await queue_figures(floor.db, *span, zone="UTC")
    assert {each.queue: (each.figures.entered, each.waiting) for each in found} == {
        "support": (1, 0)
    }
    told = await call_detail(floor.db, "c1")
    assert told is not None
    assert told.call.handed_over
    await floor.tell(call_started("c1", at=DAY + 90, adopted=True))
    assert await ids(floor, outcome="open") == ["c1"]


async def test_the_detail_needs_no_projection(db: asyncpg.Connection) -> None:
    await journalled(db, numbered(*answered(1, at=DAY)))
    told = await call_detail(db, "c1")
    assert told is not None
    assert told.call.outcome == "answered"
    assert told.call.node == NODE
    assert await call_detail(db, "c2") is None
    assert await call_row(db, "c1") is None


async def test_intervals_that_touch_the_time(floor: Floor) -> None:
    await floor.tell(
        state("1001", "ready", at=DAY),
        state("1001", "not_ready", at=DAY + 100, reason="lunch"),
        state("1002", "ready", at=DAY + 50),
    )
    found = await agent_intervals(floor.db, moment(DAY + 60), moment(DAY + 100))
    assert [(row.agent_id, row.state) for row in found] == [("1001", "ready"), ("1002", "ready")]
    found = await agent_intervals(floor.db, moment(DAY + 99), moment(DAY + 500), agent_ids=["1001"])
    assert [row.state for row in found] == ["ready", "not_ready"]


SHANGHAI_DAY = datetime(2026, 10, 23, 16, tzinfo=UTC)
"""Midnight of 24 October in Shanghai."""


async def test_figures_by_quarter_hour_and_day_of_the_centres_zone(floor: Floor) -> None:
    begin = SHANGHAI_DAY.timestamp()
    await floor.tell(
        *answered(1, at=begin - 1),
        *answered(2, at=begin),
        *answered(3, at=begin + 899),
        *answered(4, at=begin + 900),
        *answered(5, at=begin + 86_399),
        *answered(6, at=begin + 86_400),
        queue_entered("c7", "v7", at=begin + 5),
        queue_left("c7", "v7", at=begin + 65, waited=60.0, reason="abandoned"),
    )
    span = (SHANGHAI_DAY, SHANGHAI_DAY + timedelta(days=1))
    quarters = await queue_figures(floor.db, *span, zone="Asia/Shanghai")
    assert [(q.begin, q.figures.entered) for q in quarters] == [
        (SHANGHAI_DAY, 3),
        (SHANGHAI_DAY + timedelta(minutes=15), 1),
        (SHANGHAI_DAY + timedelta(hours=23, minutes=45), 1),
    ]
    first = quarters[0]
    assert (first.figures.answered, first.figures.abandoned, first.waiting) == (2, 1, 0)
    assert first.service_level == pytest.approx(2 / 3)
    assert first.figures.longest_wait_seconds == 60.0
    hours = await queue_figures(floor.db, *span, zone="Asia/Shanghai", period="hour")
    assert [hour.figures.entered for hour in hours] == [4, 1]
    (day,) = await queue_figures(floor.db, *span, zone="Asia/Shanghai", period="day")
    assert (day.begin, day.figures.entered) == (SHANGHAI_DAY, 5)
    assert day.figures.talk_seconds == 200.0
    assert await queue_figures(floor.db, *span, zone="Asia/Shanghai", queues=["sales"]) == []


async def test_a_gap_marks_the_periods_it_touches(floor: Floor) -> None:
    begin = SHANGHAI_DAY.timestamp()
    await floor.tell(
        *answered(1, at=begin),
        *answered(2, at=begin + 900),
        *answered(3, at=begin + 1800),
        domain.GapRecorded(at=begin + 1000, from_at=begin + 950, to_at=begin + 1000, reason="link"),
    )
    span = (SHANGHAI_DAY, SHANGHAI_DAY + timedelta(days=1))
    quarters = await queue_figures(floor.db, *span, zone="Asia/Shanghai")
    assert [quarter.gap for quarter in quarters] == [False, True, False]
    (day,) = await queue_figures(floor.db, *span, zone="Asia/Shanghai", period="day")
    assert day.gap
    (gap,) = await gaps(floor.db, *span)
    assert gap.to_at - gap.from_at == timedelta(seconds=50)
    assert await gaps(floor.db, moment(begin + 1001), moment(begin + 2000)) == []


async def test_recordings_are_found_by_id_time_and_fault(floor: Floor) -> None:
    await floor.tell(
        call_started(),
        domain.RecordingStarted(at=DAY, call_id="c1", recording_id="r1", file="r1.wav"),
        domain.RecordingStarted(at=DAY + 1, call_id="c1", recording_id="r2", file="r2.wav"),
        domain.RecordingFaulty(at=DAY + 9, call_id="c1", recording_id="r2", fault="missing"),
    )
    row = await recording(floor.db, "r1")
    assert row is not None
    assert row.file == "r1.wav"
    assert await recording(floor.db, "r3") is None
    span = (moment(DAY), moment(DAY + 60))
    assert [r.recording_id for r in await list_recordings(floor.db, *span)] == ["r1", "r2"]
    faulty = await list_recordings(floor.db, *span, faulty=True)
    assert [r.recording_id for r in faulty] == ["r2"]
    sound = await list_recordings(floor.db, *span, faulty=False)
    assert [r.recording_id for r in sound] == ["r1"]


async def test_answers_become_plain_data_with_epoch_seconds(floor: Floor) -> None:
    await floor.tell(*answered(1, at=DAY + 0.5))
    page = plain(await list_calls(floor.db, CallFilter()))
    assert page["items"][0]["started_at"] == DAY + 0.5
    assert page["items"][0]["agents"] == ["1001"]
    told = plain(await call_detail(floor.db, "c1"))
    assert told["timeline"][0] == {
        "at": DAY + 0.5,
        "what": "CallStarted",
        "facts": told["timeline"][0]["facts"],
    }
