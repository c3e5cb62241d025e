"""Faults against the real parts: no caller is lost unless Asterisk died; the record stays true."""

import asyncio
import time

import pytest

from cti.journal.database import migrate
from cti.sandbox.far_end import Caller
from cti.sandbox.postgres import Postgres
from tests.support.sandbox import TestSandbox
from tests.support.whole import Rows, Whole, small_floor, whole

pytestmark = pytest.mark.timeout(240)

NATIVE_SECONDS = 25.0
ADOPT_SECONDS = 2.0


async def talking_to(site: Whole, extension: str, number: str) -> Caller:
    """A caller who talks to the agent at this extension."""
    caller = await site.far_end.call("support", number)
    phone = site.far_end.agent(extension)
    await phone.ringing.wait()
    await phone.answer()
    await caller.connected.wait()
    return caller


async def true_record(site: Whole, calls: int) -> list[dict]:
    """Every call started and ended exactly once, every visit and offer too; the ends in order."""
    ended = await site.journalled("CallEnded", count=calls)
    assert len(ended) == calls
    started = [event["call_id"] for event in await site.events("CallStarted")]
    assert sorted(started) == sorted(event["call_id"] for event in ended)
    for begun, done, key in (
        ("QueueEntered", "QueueLeft", "visit_id"),
        ("OfferMade", "OfferEnded", "offer_id"),
    ):
        begins = [event[key] for event in await site.events(begun)]
        ends = [event[key] for event in await site.events(done)]
        assert sorted(begins) == sorted(ends)
        assert len(set(begins)) == len(begins)
    return ended


async def test_server_killed_while_calls_wait_ring_and_talk(
    sandbox: TestSandbox, database: str
) -> None:
    async with whole(sandbox, database, small_floor(agents=2)) as site:
        await site.agent("1001")
        await site.agent("1002")
        talks = await talking_to(site, "8001", "+8613800000001")
        rings = await site.far_end.call("support", "+8613800000002")
        second = site.far_end.agent("8002")
        await second.ringing.wait()
        waits = await site.far_end.call("support", "+8613800000003")
        await site.journalled("QueueEntered", count=3)

        assert site.server is not None
        await site.server.kill()
        killed = time.monotonic()
        await second.answer()
        await rings.connected.wait()
        await talks.hang_up()
        first = site.far_end.agent("8001")
        await first.ringing.wait()
        assert time.monotonic() - killed < NATIVE_SECONDS
        await first.answer()
        await waits.connected.wait()

        started = time.monotonic()
        await site.start_server()
        await site.ready()
        leader = await site.leader()

        def both_talk(rows: Rows) -> bool:
            return [row["state"] for row in rows.get("agents", {}).values()] == ["talking"] * 2

        assert leader.live is not None
        await leader.live.wait_for(both_talk)
        assert time.monotonic() - started < 10
        await rings.hang_up()
        await waits.hang_up()
        ended = await true_record(site, 3)
        assert [event["outcome"] for event in ended] == ["answered"] * 3


async def test_a_waiting_caller_is_taken_back_from_the_native_queue(
    sandbox: TestSandbox, database: str
) -> None:
    async with whole(sandbox, database, small_floor(agents=1)) as site:
        waits = await site.far_end.call("support", "+8613800000001")
        entered = await site.journalled("QueueEntered")
        assert site.server is not None
        await site.server.kill()
        async with asyncio.timeout(NATIVE_SECONDS):
            remote = await sandbox.remote(site.site.pbx)
            await remote.event("QueueCallerJoin")
        await site.start_server()
        await site.journalled("NativeLeft")
        agent = await site.agent("1001")
        await agent.state("offered")
        await site.far_end.agent("8001").ringing.wait()
        await site.far_end.agent("8001").answer()
        await waits.connected.wait()
        left = await site.journalled("QueueLeft")
        await waits.hang_up()
        assert left[0]["reason"] == "answered"
        assert left[0]["visit_id"] == entered[0]["visit_id"]
        assert left[0]["waited_seconds"] > 8
        await true_record(site, 1)


async def test_ami_cut_while_calls_come_and_go(sandbox: TestSandbox, database: str) -> None:
    async with whole(sandbox, database, small_floor(agents=1), proxied=True) as site:
        agent = await site.agent("1001")
        caller = await talking_to(site, "8001", "+8613800000001")
        assert site.proxy is not None
        site.proxy.cut()
        unseen = await site.far_end.call("support", "+8613800000002")
        await unseen.answered.wait()
        await caller.hang_up()
        healed = time.monotonic()
        site.proxy.heal()
        await agent.state("offered")
        assert time.monotonic() - healed < ADOPT_SECONDS + 1
        await site.far_end.agent("8001").ringing.wait()
        await site.far_end.agent("8001").answer()
        await unseen.connected.wait()
        await unseen.hang_up()
        ended = await true_record(site, 2)
        assert {event["outcome"] for event in ended} == {"answered"}
        assert await site.events("GapRecorded")


async def test_a_silent_manager_is_noticed_and_survived(
    sandbox: TestSandbox, database: str
) -> None:
    async with whole(sandbox, database, small_floor(agents=1), proxied=True) as site:
        leader = await site.leader()
        caller = await site.far_end.call("support", "+8613800000001")
        await site.journalled("QueueEntered")
        assert site.proxy is not None
        assert leader.live is not None
        site.proxy.stall()
        stalled = time.monotonic()

        def not_ready(rows: Rows) -> bool:
            return any(row["pbx"] != "ready" for row in rows.get("link", {}).values())

        await leader.live.wait_for(not_ready)
        assert time.monotonic() - stalled < 6
        await asyncio.sleep(0)
        remote = await sandbox.remote(site.site.pbx)
        await remote.event("QueueCallerJoin")
        assert time.monotonic() - stalled < NATIVE_SECONDS
        site.proxy.heal()
        await site.journalled("NativeLeft")
        await caller.hang_up()
        ended = await true_record(site, 1)
        assert ended[0]["outcome"] == "abandoned"


async def test_ten_thousand_malformed_frames(sandbox: TestSandbox, database: str) -> None:
    async with whole(sandbox, database, small_floor(agents=1), proxied=True) as site:
        agent = await site.agent("1001")
        assert site.proxy is not None
        for number in range(10_000):
            site.proxy.lie(
                (
                    b"Event: Hangup\r\nUniqueid: %d\r\nCause: many\r\n\r\n",
                    b"Event: Newchannel\r\n\r\n",
                    b"nonsense \xff\xfe\r\n\r\n",
                    b"Event: BridgeEnter\r\nEvent: Hangup\r\nChannel: PJSIP/8001-1\r\n\r\n",
                )[number % 4].replace(b"%d", b"%d" % number)
            )
        caller = await talking_to(site, "8001", "+8613800000001")
        await agent.state("talking")
        await caller.hang_up()
        ended = await true_record(site, 1)
        assert ended[0]["outcome"] == "answered"
        assert not await site.events("PbxLost")


async def test_asterisk_killed(sandbox: TestSandbox, database: str) -> None:
    async with whole(sandbox, database, small_floor(agents=2)) as site:
        agent = await site.agent("1001")
        await talking_to(site, "8001", "+8613800000001")
        await site.far_end.call("support", "+8613800000002")
        await site.journalled("QueueEntered", count=2)
        await site.site.pbx.kill()
        await site.journalled("PbxLost")
        await site.site.pbx.start()
        ended = await true_record(site, 2)
        assert [event["outcome"] for event in sorted(ended, key=lambda e: e["call_id"])] == [
            "answered",
            "lost",
        ]
        await site.far_end.agent("8001").registered.wait()
        await agent.act("/agent/ready")
        await agent.state("ready")
        caller = await talking_to(site, "8001", "+8613800000003")
        await caller.hang_up()
        await true_record(site, 3)


async def test_postgresql_stopped_with_a_kill_of_the_server_inside(
    sandbox: TestSandbox, own_postgres: Postgres
) -> None:
    dsn = await own_postgres.create_database("zuoxi")
    await migrate(dsn)
    async with whole(sandbox, dsn, small_floor(agents=1)) as site:
        agent = await site.agent("1001")
        await own_postgres.stop()
        first = await talking_to(site, "8001", "+8613800000001")
        await agent.state("talking")
        await first.hang_up()
        await agent.state("ready")
        assert site.server is not None
        await site.server.kill()
        await site.start_server()
        second = await site.far_end.call("support", "+8613800000002")
        await site.far_end.agent("8001").ringing.wait()
        await site.far_end.agent("8001").answer()
        await second.connected.wait()
        await second.hang_up()
        await own_postgres.start()
        ended = await true_record(site, 2)
        assert [event["outcome"] for event in ended] == ["answered", "answered"]
        seqs = await site.seqs()
        assert seqs == list(range(1, len(seqs) + 1))


async def test_hang_ups_racing_assignments(sandbox: TestSandbox, database: str) -> None:
    """The caller leaves in the very moment in which the agent becomes ready and gets the offer."""
    async with whole(sandbox, database, small_floor(agents=1)) as site:
        agent = await site.agent("1001")
        await agent.act("/agent/not-ready", reason="rest")
        await agent.state("not_ready")
        rounds = 200
        for number in range(rounds):
            caller = await site.far_end.call("support", f"+86138{number:08}")
            await site.entered(number + 1)
            await asyncio.gather(agent.act("/agent/ready"), caller.hang_up())
            await agent.state("ready", "offered")
            await agent.act("/agent/not-ready", reason="rest")
            await agent.state("not_ready")
        ended = await true_record(site, rounds)
        assert {event["outcome"] for event in ended} == {"abandoned"}


async def test_the_older_of_two_servers_is_fenced(sandbox: TestSandbox, database: str) -> None:
    async with whole(sandbox, database, small_floor(agents=1)) as site:
        older = site.server
        assert older is not None
        leader = await site.leader()
        assert leader.live is not None
        newer = await site.second_server("pbx2")

        def fenced(rows: Rows) -> bool:
            return any(row["pbx"] == "fenced" for row in rows.get("link", {}).values())

        await leader.live.wait_for(fenced)
        assert older.running
        agent = await site.agent("1001")
        caller = await talking_to(site, "8001", "+8613800000001")
        await agent.state("talking")
        await caller.hang_up()
        await agent.state("ready")
        await newer.stop()
