"""The projections on a real database: by offset, from zero, stopping where they cannot go on."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, Phase, given, settings

from cti import domain
from cti.domain import Recorded
from cti.journal import folds, storages
from cti.journal.database import Database
from cti.journal.projections import (
    Projection,
    Projections,
    ProjectionStatus,
    UnknownProjectionError,
    all_projections,
)
from cti.journal.rows import (
    CallRow,
    FiguresRow,
    GapRow,
    IntervalRow,
    RecordingRow,
    VisitRow,
)
from cti.journal.storages import CALLS, FIGURES, GAPS, INTERVALS, RECORDINGS, VISITS
from cti.sandbox.postgres import Postgres
from tests.integration.cti.journal.conftest import NODE, journalled, until_waiting
from tests.support.event_streams import event_streams
from tests.support.journal import (
    DAY,
    call_ended,
    call_started,
    numbered,
    queue_entered,
    queue_left,
    state,
)

pytestmark = pytest.mark.postgres

THRESHOLDS = folds.Thresholds({"support": (20.0, 5.0)})
TABLES = (CALLS, VISITS, FIGURES, INTERVALS, RECORDINGS, GAPS)


@asynccontextmanager
async def projecting(
    dsn: str, on_stopped: Any = None, node: str = NODE
) -> AsyncIterator[Projections]:
    database = Database(dsn, migrate=False)
    projections = Projections(
        all_projections(node, THRESHOLDS), gather_seconds=0.0, on_stopped=on_stopped
    )
    task = asyncio.create_task(projections.run(database.pool))
    try:
        yield projections
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        await database.close()


async def contents(db: asyncpg.Connection) -> dict[str, list[Any]]:
    return {
        table.name: [
            dict(row) for row in await db.fetch(f"SELECT * FROM {table.name} ORDER BY 1, 2, 3")
        ]
        for table in TABLES
    }


STORY = numbered(
    state("1001", "ready", at=DAY),
    call_started(at=DAY),
    queue_entered(at=DAY + 1),
    domain.GapRecorded(at=DAY + 4, from_at=DAY + 2, to_at=DAY + 4, reason="link lost"),
    state("1001", "talking", at=DAY + 11, call_id="c1"),
    queue_left(at=DAY + 11, waited=10.0),
    domain.RecordingStarted(at=DAY + 12, call_id="c1", recording_id="r1", file="r1.wav"),
    call_ended(at=DAY + 60, talk=49.0),
    state("1001", "wrap_up", at=DAY + 60, call_id="c1"),
)


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("calls", CallRow),
        ("queue_visits", VisitRow),
        ("queue_figures", FiguresRow),
        ("agent_intervals", IntervalRow),
        ("recordings", RecordingRow),
        ("gaps", GapRow),
    ],
)
async def test_rows_have_the_columns_of_their_tables(
    db: asyncpg.Connection, table: str, row: type[msgspec.Struct]
) -> None:
    columns = await db.fetch(
        "SELECT column_name FROM information_schema.columns "
        "WHERE table_schema = 'public' AND table_name = $1",
        table,
    )
    assert {column[0] for column in columns} == set(row.__struct_fields__)


async def test_the_tables_follow_the_journal(database: str, db: asyncpg.Connection) -> None:
    async with projecting(database) as projections:
        for record in STORY:
            await journalled(db, [record])
            projections.wake()
            await projections.wait_for(record.seq)
    (call,) = await CALLS.load(db, "true")
    assert (call.outcome, call.agents, call.talk_seconds) == ("answered", ("1001",), 49.0)
    (visit,) = await VISITS.load(db, "true")
    assert (visit.reason, visit.talk_seconds) == ("answered", 49.0)
    (figures,) = await FIGURES.load(db, "true")
    assert (figures.entered, figures.answered, figures.answered_in_time) == (1, 1, 1)
    assert (figures.waited_answered_seconds, figures.talk_seconds) == (10.0, 49.0)
    intervals = await INTERVALS.load(db, "true", order="seq")
    assert [interval.state for interval in intervals] == ["ready", "talking", "wrap_up"]
    (recording,) = await RECORDINGS.load(db, "true")
    assert recording.file == "r1.wav"
    (gap,) = await GAPS.load(db, "true")
    assert gap.reason == "link lost"


async def test_a_restart_goes_on_where_it_stood(database: str, db: asyncpg.Connection) -> None:
    await journalled(db, STORY[:6])
    async with projecting(database) as projections:
        await projections.wait_for(6)
    await journalled(db, STORY[6:])
    async with projecting(database) as projections:
        await projections.wait_for(9)
        assert {status.state for status in projections.statuses} == {"running"}
    after_restart = await contents(db)
    await db.execute("DELETE FROM projections")
    for table in TABLES:
        await db.execute(f"DELETE FROM {table.name}")
    async with projecting(database) as projections:
        await projections.wait_for(9)
    assert await contents(db) == after_restart


@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(stream=event_streams(max_size=120))
def test_rebuilt_equals_incrementally_built(
    postgres: Postgres, migrated: str, stream: list[Recorded]
) -> None:
    if stream:
        asyncio.run(_rebuild_equals(postgres, migrated, stream))


async def _rebuild_equals(postgres: Postgres, migrated: str, stream: list[Recorded]) -> None:
    dsn = await postgres.create_database("rebuilt", template=migrated)
    db = await asyncpg.connect(dsn)
    try:
        async with projecting(dsn) as projections:
            for begin in range(0, len(stream), 17):
                part = stream[begin : begin + 17]
                await journalled(db, part)
                projections.wake()
                await projections.wait_for(part[-1].seq)
        assert {status.reason for status in projections.statuses} == {""}
        incremental = await contents(db)
        database = Database(dsn, migrate=False)
        for status in projections.statuses:
            await projections.rebuild(status.name, database.pool)
        await database.close()
        assert await contents(db) == incremental
        assert {row[0] for row in await db.fetch("SELECT seq FROM projections")} == {len(stream)}
    finally:
        await db.close()
        await postgres.drop_database("rebuilt")


async def test_a_rebuild_takes_new_code_to_old_events(
    database: str, db: asyncpg.Connection
) -> None:
    await journalled(db, STORY)
    async with projecting(database) as projections:
        await projections.wait_for(9)
    source = Database(database, migrate=False)
    strict = Projections(all_projections(NODE, folds.Thresholds({"support": (5.0, 5.0)})))
    await strict.rebuild("queues", source.pool)
    (figures,) = await FIGURES.load(db, "true")
    assert (figures.answered, figures.answered_in_time) == (1, 0)
    with pytest.raises(UnknownProjectionError, match="queues"):
        await strict.rebuild("pay", source.pool)
    await source.close()


async def test_readers_see_the_old_rows_until_a_rebuild_is_done(
    database: str, db: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    await journalled(db, STORY)
    async with projecting(database) as projections:
        await projections.wait_for(9)
    seen = []
    save = storages.CallStorage.save

    async def looked_at(self: Any, connection: Any, before: Any, after: Any) -> None:
        await save(self, connection, before, after)
        seen.append(await db.fetchval("SELECT count(*) FROM calls"))

    monkeypatch.setattr(storages.CallStorage, "save", looked_at)
    source = Database(database, migrate=False)
    await projections.rebuild("calls", source.pool)
    await source.close()
    assert seen == [1]


async def test_what_cannot_be_folded_stops_one_projection_and_alarms(
    database: str, db: asyncpg.Connection
) -> None:
    await journalled(db, STORY[:8])
    await db.execute(
        "INSERT INTO journal (node, seq, at, type, body) VALUES "
        '($1, 9, now(), \'AgentStateChanged\', \'{"type": "AgentStateChanged", "at": "?"}\')',
        NODE,
    )
    await db.execute("UPDATE journal_node SET last_seq = 9")
    alarms: list[ProjectionStatus] = []
    async with projecting(database, alarms.append) as projections:
        await projections.wait_for(9)
        stopped = {s.name for s in projections.statuses if s.state == "stopped"}
        assert stopped == {"agents", "calls"}  # both read agents' states
        assert {alarm.name for alarm in alarms} == stopped
        assert all("record 9" in alarm.reason for alarm in alarms)
        await journalled(db, numbered(queue_entered(visit_id="v2"), call_started("c2"), first=10))
        projections.wake()
        await projections.wait_for(11)
    assert await db.fetchval("SELECT count(*) FROM queue_visits") == 2
    assert await db.fetchval("SELECT count(*) FROM agent_intervals") == 0
    offsets = dict(await db.fetch("SELECT name, seq FROM projections"))
    assert offsets == {"queues": 11, "recordings": 11, "gaps": 11}


async def test_a_row_that_the_table_refuses_stops_the_projection(
    database: str, db: asyncpg.Connection
) -> None:
    too_much = domain.SurveyAnswered(at=DAY, call_id="c1", score=1 << 40)
    await journalled(db, numbered(call_started(), too_much))
    async with projecting(database) as projections:
        await projections.wait_for(2)
        reasons = {s.name: s.reason for s in projections.statuses if s.state == "stopped"}
    assert list(reasons) == ["calls"]
    assert "records 1 to 2" in reasons["calls"]
    assert await db.fetchval("SELECT count(*) FROM calls") == 0


async def test_a_database_that_goes_away_is_waited_for(own_postgres: Postgres) -> None:
    dsn = await own_postgres.create_database("away")
    await Database(dsn).pool()
    db = await asyncpg.connect(dsn)
    await journalled(db, STORY[:6])
    async with projecting(dsn) as projections:
        await projections.wait_for(6)
        await db.close()
        await own_postgres.kill()
        async with asyncio.timeout(20):
            while {s.state for s in projections.statuses} != {"away"}:
                projections.wake()  # a backend may serve a last time before it misses its server
                await asyncio.sleep(0.01)
        await own_postgres.start()
        db = await asyncpg.connect(dsn)
        await journalled(db, STORY[6:])
        projections.wake()
        await projections.wait_for(9)
        assert {s.state for s in projections.statuses} == {"running"}
    (call,) = await CALLS.load(db, "true")
    assert call.outcome == "answered"
    await db.close()


async def test_two_processes_projecting_one_node_fold_each_event_once(
    database: str, db: asyncpg.Connection
) -> None:
    async with projecting(database) as first, projecting(database) as second:
        for number in range(20):
            call, visit = f"c{number}", f"v{number}"
            events = (queue_entered(call, visit), queue_left(call, visit))
            await journalled(db, numbered(*events, first=1 + 2 * number))
            first.wake()
            second.wake()
        await first.wait_for(40)
        await second.wait_for(40)
    (figures,) = await FIGURES.load(db, "true")
    assert (figures.entered, figures.answered) == (20, 20)


async def test_a_process_waits_for_the_batch_of_another(
    database: str, db: asyncpg.Connection
) -> None:
    await journalled(db, numbered(queue_entered(), queue_left()))
    first, second = await asyncpg.connect(database), await asyncpg.connect(database)
    transaction = first.transaction()
    await db.execute("INSERT INTO projections (name, node) VALUES ('queues', $1)", NODE)
    await transaction.start()
    await queues().advance(first)
    waits = asyncio.create_task(queues().advance(second))
    await until_waiting(db)
    await transaction.commit()
    await waits
    (figures,) = await FIGURES.load(db, "true")
    assert (figures.entered, figures.answered) == (1, 1)
    await first.close()
    await second.close()


def queues() -> Projection:
    return next(each for each in all_projections(NODE, THRESHOLDS) if each.name == "queues")


async def test_nodes_are_projected_for_themselves(database: str, db: asyncpg.Connection) -> None:
    for node in ("pbx1", "pbx2"):
        events = (queue_entered(node, node), queue_left(node, node))
        await journalled(db, numbered(*events), node)
        async with projecting(database, node=node) as projections:
            await projections.wait_for(2)
    figures = await FIGURES.load(db, "true", order="node")
    assert [(row.node, row.entered) for row in figures] == [("pbx1", 1), ("pbx2", 1)]
