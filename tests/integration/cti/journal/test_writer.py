"""Every record stands in PostgreSQL exactly once, in order, without holes, whatever crashed."""

import asyncio
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

import asyncpg
import msgspec
import pytest

from cti import domain
from cti.domain import Recorded
from cti.journal import Journal, writer
from cti.journal.database import Database, migrate
from cti.journal.spool import Line
from cti.sandbox.postgres import Postgres
from tests.integration.cti.journal.conftest import NODE, running, segments
from tests.support.journal import facts, numbered
from tests.support.until import until

pytestmark = pytest.mark.postgres


async def stored(db: asyncpg.Connection, node: str = NODE) -> list[tuple[int, str]]:
    rows = await db.fetch(
        "SELECT seq, body->>'reason' FROM journal WHERE node = $1 ORDER BY seq", node
    )
    return [tuple(row) for row in rows]


def exactly(count: int) -> list[tuple[int, str]]:
    return [(seq, str(seq)) for seq in range(1, count + 1)]


async def test_records_are_stored_with_their_columns(
    journal: Journal, db: asyncpg.Connection
) -> None:
    event = domain.OfferMade(
        at=1_700_000_000.25,
        call_id="pbx1-1.1",
        offer_id="o1",
        visit_id="v1",
        agent_id="1001",
        queue="support",
        extension="8001",
        ring_seconds=20,
        epoch=3,
    )
    journal.append(numbered(event, domain.PbxLost(at=1_700_000_001.0, reason="x")))
    await journal.wait_stored()
    offer, lost = await db.fetch("SELECT * FROM journal ORDER BY seq")
    assert (offer["node"], offer["seq"], offer["type"]) == (NODE, 1, "OfferMade")
    assert offer["at"].timestamp() == 1_700_000_000.25
    assert (offer["call_id"], offer["agent_id"], offer["queue"]) == ("pbx1-1.1", "1001", "support")
    assert (lost["call_id"], lost["agent_id"], lost["queue"]) == (None, None, None)
    stats = journal.stats
    assert (stats.database, stats.last_seq, stats.stored_seq) == ("up", 2, 2)


async def test_many_records_in_many_batches_keep_their_order(
    journal: Journal, db: asyncpg.Connection
) -> None:
    for first in range(1, 3001, 7):
        journal.append(facts(first, 7))
        await asyncio.sleep(0)
    await journal.wait_stored()
    assert await stored(db) == exactly(3003)


async def test_what_a_process_left_is_drained_by_the_next(
    spool: Path, database: str, db: asyncpg.Connection
) -> None:
    Journal.open(spool, NODE).append(facts(1, 3))  # never ran, never closed
    _let_go(spool)
    async with running(Journal.open(spool, NODE, gather_seconds=0.01), database) as journal:
        journal.append(facts(4, 2))
        await journal.wait_stored()
    assert await stored(db) == exactly(5)


def _let_go(spool: Path) -> None:
    """Drop the lock of a journal that this process opened and left, as its death would."""
    target = str(spool / "lock")
    for link in Path("/proc/self/fd").iterdir():
        if link.is_symlink() and os.path.realpath(link) == target:
            os.close(int(link.name))


async def test_hostile_values_do_not_stop_the_journal(
    journal: Journal, db: asyncpg.Connection
) -> None:
    journal.append(
        numbered(
            domain.PbxLost(at=1.0, reason="nul \0 and \\u0000 and 坐席"),
            domain.PbxLost(at=float("nan"), reason="no time"),
            domain.PbxLost(at=-1e300, reason="long ago"),
            domain.PbxLost(at=1e300, reason="far"),
            domain.ConsentGiven(at=1.0, call_id="x" * 5000, consent=True),
            domain.PbxLost(at=1.0, reason="surrogate \ud800"),
        )
    )
    async with asyncio.timeout(10):
        await journal.wait_stored()
    rows = await db.fetch("SELECT * FROM journal ORDER BY seq")
    assert [row["seq"] for row in rows] == [1, 2, 3, 4, 5, 6]
    assert "nul \\ufffd and" in rows[0]["body"] or "nul \ufffd and" in rows[0]["body"]
    assert "坐席" in rows[0]["body"]
    assert rows[3]["at"].year == 9999
    assert len(rows[4]["call_id"]) == 200


async def test_the_journal_is_append_only(journal: Journal, db: asyncpg.Connection) -> None:
    journal.append(facts(1, 2))
    await journal.wait_stored()
    for statement in (
        "UPDATE journal SET at = now()",
        "UPDATE journal SET body = '{}' WHERE seq = 1",
        "DELETE FROM journal WHERE seq = 2",
        "TRUNCATE journal",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
            await db.execute(statement)
    assert await stored(db) == exactly(2)


async def test_a_commit_whose_answer_got_lost_is_not_repeated(
    journal: Journal, db: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute = asyncpg.Connection.execute
    answers_lost = 0

    async def lossy(self: asyncpg.Connection, query: str, *args: object, **kw: object) -> str:
        nonlocal answers_lost
        answer: str = await execute(self, query, *args, **kw)
        if query == writer.STORE and answers_lost < 2:
            answers_lost += 1
            raise ConnectionResetError("the answer got lost")
        return answer

    monkeypatch.setattr(asyncpg.Connection, "execute", lossy)
    for first in (1, 11, 21):
        journal.append(facts(first, 10))
        await journal.wait_stored()
    assert answers_lost == 2
    assert await stored(db) == exactly(30)
    assert journal.stats.database == "up"


async def test_a_batch_of_a_dead_process_that_arrives_late_is_not_repeated(
    spool: Path, database: str, db: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    Journal.open(spool, NODE).append(facts(1, 3))
    _let_go(spool)
    store, late = writer.Writer._store, False

    async def overtaken(self: Any, connection: Any, lines: list[Line]) -> None:
        nonlocal late
        if not late:
            late = True
            arguments = (NODE, self._spool.identity, 0, 3, writer.batch(lines))
            assert await db.execute(writer.STORE, *arguments) == "INSERT 0 3"
        await store(self, connection, lines)

    monkeypatch.setattr(writer.Writer, "_store", overtaken)
    async with running(Journal.open(spool, NODE, gather_seconds=0.01), database) as journal:
        await journal.wait_stored()
        journal.append(facts(4, 2))
        await journal.wait_stored()
    assert late
    assert await stored(db) == exactly(5)


async def test_stopped_and_killed_databases_are_waited_for(
    spool: Path, own_postgres: Postgres
) -> None:
    dsn = await own_postgres.create_database("away")
    journal = Journal.open(spool, NODE, gather_seconds=0.01, segment_bytes=10_000)
    async with running(journal, dsn, migrate=True):
        seq = 1
        for stop in (own_postgres.stop, own_postgres.kill):
            journal.append(facts(seq, 50))
            await journal.wait_stored()
            assert journal.stats.database == "up"
            await stop()
            for _ in range(40):
                seq += 50
                journal.append(facts(seq, 50))
                if journal.wants_checkpoint():
                    journal.checkpoint(b"state")
            seq += 50
            await until(lambda: journal.stats.database == "away")
            assert journal.stats.reason
            assert journal.stats.stored_seq < journal.stats.last_seq
            assert len(segments(spool)) > 5, "all is kept on disk meanwhile"
            await own_postgres.start()
            await journal.wait_stored()
            assert journal.stats.database == "up"
        await until(lambda: len(segments(spool)) == 1)
        db = await asyncpg.connect(dsn)
        assert await stored(db) == exactly(seq - 1)
        await db.close()


async def test_a_database_that_is_not_there_at_the_start_is_migrated_when_it_comes(
    spool: Path, own_postgres: Postgres
) -> None:
    dsn = await own_postgres.create_database("later")
    await own_postgres.stop()
    journal = Journal.open(spool, NODE, gather_seconds=0.01)
    async with running(journal, dsn, migrate=True):
        journal.append(facts(1, 5))
        await until(lambda: journal.stats.reason != "not connected yet")
        assert journal.stats.database == "away"
        await own_postgres.start()
        await journal.wait_stored()


async def test_a_stalled_database_is_left_and_found_again(
    spool: Path, own_postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "STORE_SECONDS", 0.3)
    monkeypatch.setattr(writer, "CONNECT_SECONDS", 0.3)
    dsn = await own_postgres.create_database("stalled")
    journal = Journal.open(spool, NODE, gather_seconds=0.01)
    async with running(journal, dsn, migrate=True):
        journal.append(facts(1, 5))
        await journal.wait_stored()
        stalled = _stall(own_postgres.pid)
        try:
            journal.append(facts(6, 5))
            await until(lambda: journal.stats.database == "away")
        finally:
            for pid in stalled:
                os.kill(pid, signal.SIGCONT)
        await journal.wait_stored()
        db = await asyncpg.connect(dsn)
        assert await stored(db) == exactly(10)
        await db.close()


def _stall(pid: int) -> list[int]:
    """Stop a process, then its children, which it cannot reap any more; the children come first."""
    os.kill(pid, signal.SIGSTOP)
    children = [
        int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    ]
    for child in children:
        os.kill(child, signal.SIGSTOP)
    return [*children, pid]


async def test_a_folder_that_was_lost_goes_on_behind_what_is_stored(
    tmp_path: Path, database: str, db: asyncpg.Connection
) -> None:
    for name in ("first", "second"):
        journal = Journal.open(tmp_path / name, NODE, gather_seconds=0.01)
        async with running(journal, database):
            journal.append(facts(1, 3))
            await journal.wait_stored()
    rows = await stored(db)
    assert [seq for seq, _ in rows] == [1, 2, 3, 4, 5, 6]
    assert [reason for _, reason in rows] == ["1", "2", "3", "1", "2", "3"]


async def test_a_folder_that_was_set_back_stores_all_that_is_new(
    spool: Path, tmp_path: Path, database: str, db: asyncpg.Connection
) -> None:
    async with running(Journal.open(spool, NODE, gather_seconds=0.01), database) as journal:
        journal.append(facts(1, 3))
        await journal.wait_stored()
        copies = {path.name: path.read_bytes() for path in segments(spool)}
        journal.append(facts(4, 5))
        await journal.wait_stored()
    for path in segments(spool):
        path.unlink()
    for name, data in copies.items():
        (spool / name).write_bytes(data)
    for again in range(2):  # the second time as the folder stands after the first
        journal = Journal.open(spool, NODE, gather_seconds=0.01)
        assert journal.recovered.next_seq == 4 + 2 * again
        async with running(journal, database):
            journal.append(facts(4 + 2 * again, 2))
            await journal.wait_stored()
    reasons = [reason for _, reason in await stored(db)]
    assert reasons == ["1", "2", "3", "4", "5", "6", "7", "8", "4", "5", "6", "7"]


async def test_two_folders_of_one_node_both_keep_all_their_records(
    tmp_path: Path, database: str, db: asyncpg.Connection
) -> None:
    first = Journal.open(tmp_path / "a", NODE, gather_seconds=0.001)
    second = Journal.open(tmp_path / "b", NODE, gather_seconds=0.001)
    async with running(first, database), running(second, database):
        for seq in range(1, 400, 4):
            first.append(facts(seq, 4))
            second.append(facts(seq, 4))
            await asyncio.sleep(0.001)
        await asyncio.gather(first.wait_stored(), second.wait_stored())
    rows = await stored(db)
    assert [seq for seq, _ in rows] == list(range(1, 801))
    assert sorted(int(reason) for _, reason in rows) == sorted([*range(1, 401)] * 2)


async def test_two_nodes_count_for_themselves(
    tmp_path: Path, database: str, db: asyncpg.Connection
) -> None:
    for node in ("pbx1", "pbx2"):
        journal = Journal.open(tmp_path / node, node, gather_seconds=0.01)
        async with running(journal, database):
            journal.append(facts(1, 3))
            await journal.wait_stored()
    assert await stored(db, "pbx1") == await stored(db, "pbx2") == exactly(3)


async def test_memory_stays_bounded_while_the_database_is_away(spool: Path) -> None:
    async def nowhere() -> asyncpg.Pool:
        raise ConnectionRefusedError("no database")

    journal = Journal.open(spool, NODE, gather_seconds=0.01)
    task = asyncio.create_task(journal.run(nowhere))
    sizes = []
    for round_number in range(4):
        for step in range(200):
            journal.append(facts(1 + round_number * 20_000 + step * 100, 100))
            await asyncio.sleep(0)
        sizes.append(_resident_bytes())
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    journal.close()
    assert journal.stats.spool_bytes > 5_000_000
    assert sizes[-1] - sizes[0] < 1_000_000


def _resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


CHILD = Path(__file__).with_name("writing_child.py")


async def test_kill_9_of_the_writer_at_random_moments_with_the_database_up_and_down(
    spool: Path, own_postgres: Postgres
) -> None:
    dsn = await own_postgres.create_database("killed")
    await migrate(dsn)
    dice = random.Random(8)
    last = 0
    for _ in range(12):
        process = await asyncio.create_subprocess_exec(
            sys.executable, str(CHILD), str(spool), dsn, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout
        await process.stdout.readline()
        meanwhile = dice.choice([None, own_postgres.kill, own_postgres.stop, own_postgres.start])
        await asyncio.sleep(dice.uniform(0.01, 0.15))
        if meanwhile and own_postgres.running == (meanwhile != own_postgres.start):
            await meanwhile()
        await asyncio.sleep(dice.uniform(0.01, 0.15))
        process.kill()
        told = (await process.stdout.read()).split()
        last = max(last, int(told[-1]) if told else 0)
        await process.wait()
    if not own_postgres.running:
        await own_postgres.start()
    async with running(Journal.open(spool, NODE, gather_seconds=0.01), dsn) as journal:
        count = journal.recovered.next_seq - 1
        assert count >= last > 100
        await journal.wait_stored()
        db = await asyncpg.connect(dsn)
        assert await stored(db) == exactly(count)
        await db.close()


async def test_records_reach_the_database_in_the_form_they_were_written(
    journal: Journal, db: asyncpg.Connection
) -> None:
    event = domain.CallDecided(
        at=1_700_000_000.123456,
        call_id="c",
        queue="q",
        rule="sticky",
        chosen=None,
        eligible=["1", "2"],
        excluded={"not_ready": 3},
    )
    journal.append([Recorded(1, event)])
    await journal.wait_stored()
    body = await db.fetchval("SELECT body::text FROM journal")
    assert msgspec.json.decode(body, type=domain.DomainEvent) == event


async def test_the_pool_is_given_up_when_closed(database: str) -> None:
    source = Database(database, migrate=False)
    pool = await source.pool()
    assert await source.pool() is pool
    await source.close()
    assert await source.pool() is not pool
    await source.close()
