"""Faults against the real parts: no caller is lost unless Asterisk died; the record stays true.

What the faults promise: who waits is served by Asterisk's own queue within 25 s, and what goes on
is ours again within 2 s of the link's return; at the end journal, CDR and recordings agree.
"""

import asyncio
import time
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from config.floor import QueueSettings
from cti.journal.database import migrate
from cti.journal.queries import CallFilter, agent_intervals, list_calls, queue_figures
from cti.sandbox.far_end import Caller
from cti.sandbox.postgres import Postgres
from cti.sandbox.remote import ActionRefusedError
from tests.support.books import untruths
from tests.support.remote import TestRemote
from tests.support.sandbox import TestSandbox
from tests.support.until import until
from tests.support.whole import Person, Row, Rows, Whole, end_calls, small_floor, whole

pytestmark = pytest.mark.timeout(240)

NATIVE_SECONDS = 25.0
ADOPT_SECONDS = 2.0
START_SECONDS = 15.0
"""A new process has to load itself first, on a machine that has much else to do."""
NOTICE_SECONDS = 6.0
HEARD_SECONDS = 3.0
"""A living link says something each second, and each heartbeat keeps when it did."""
STALL_SECONDS = 120.0
DATABASE_AWAY_SECONDS = 60.0
RACES = 200
RACE_STEP_SECONDS = 0.004
NATIVE_RACES = 10
NATIVE_RACE_SECONDS = 60.0
RACERS, RUNG = 6, 4
RING_AND_ANSWER_SECONDS = 2.0
"""A queue looks for a free member once a second; these phones pick up at once."""


# --- steps ----------------------------------------------------------------------------------------


async def picked_up(site: Whole, extension: str, caller: Caller) -> Caller:
    """The phone rings, is picked up, and the caller has somebody to talk to."""
    phone = site.far_end.agent(extension)
    await phone.ringing.wait()
    await phone.answer()
    await caller.connected.wait()
    return caller


async def talking_to(site: Whole, extension: str, number: str) -> Caller:
    """A new caller who talks to the agent at this extension."""
    return await picked_up(site, extension, await site.far_end.call("support", number))


async def link_is(leader: Person, *states: str) -> None:
    """Wait until the leader's page shows one of these states of the link."""
    assert leader.live is not None
    await leader.live.wait_for(
        lambda rows: any(row["pbx"] in states for row in rows.get("link", {}).values())
    )


async def agents_are(leader: Person, *states: str) -> None:
    """Wait until the agents are in these states, in the order of their numbers."""
    assert leader.live is not None

    def found(rows: Rows) -> bool:
        agents = rows.get("agents", {})
        return [agents[agent_id]["state"] for agent_id in sorted(agents)] == list(states)

    await leader.live.wait_for(found)


async def waiting(leader: Person, count: int, **wanted: object) -> list[Row]:
    """Wait until the leader's page shows so many waiting callers, all with these fields."""
    assert leader.live is not None

    def found(rows: Rows) -> list[Row] | None:
        callers = list(rows.get("waiting", {}).values())
        fits = all(row[name] == value for row in callers for name, value in wanted.items())
        return [{"count": count}, *callers] if len(callers) == count and fits else None

    return (await leader.live.wait_for(found))[1:]


async def true_record(site: Whole, calls: int) -> list[dict[str, Any]]:
    """So many calls were journalled and their record is true; the ends by their callers."""
    ended = await site.journalled("CallEnded", count=calls)
    assert len(ended) == calls
    assert await untruths(site) == []
    numbers = {e["call_id"]: e["caller_number"] for e in await site.events("CallStarted")}
    return sorted(ended, key=lambda event: numbers[event["call_id"]])


async def connected_again(site: Whole) -> float:
    """When the link came up the second time; waits for it."""
    return (await site.journalled("PbxConnected", count=2))[-1]["at"]


async def sit_down(site: Whole, agent_id: str, *states: str) -> Person:
    """The agent signs in at the server that serves now, in the middle of a call perhaps."""
    person = await site.person(f"agent{agent_id}")
    await person.watch("desk")
    await person.act("/agent/sign-in", extension=f"8{agent_id[1:]}")
    await person.state(*states)
    return person


async def start_again(site: Whole, port: int) -> None:
    """The first server, which listens on this port, is started again; it counts from here on."""
    site.site.web_port, site.node = port, "pbx1"
    await site.start_server()


async def both_are_true(site: Whole) -> None:
    """Nothing is wrong with the records of either server, and no recording is missed."""
    assert not await site.events("RecordingFaulty")
    for node in ("pbx2", "pbx1"):
        site.node = node
        assert await untruths(site) == []


async def books_are(site: Whole, *, calls: int, agents: int) -> None:
    """Wait until list, figures and agents' states of all servers tell so many answered calls."""
    wanted = {
        "listed": [f"+861380000000{number}" for number in range(1, calls + 1)],
        "entered": calls,
        "answered": calls,
        "in a state": [f"{1000 + number}" for number in range(1, agents + 1)],
    }
    found: dict[str, Any] = {}
    visits: list[tuple[Any, ...]] = []
    connection = await asyncpg.connect(site.dsn)

    async def read() -> bool:
        found.update(await books(connection))
        return found == wanted

    try:
        with suppress(TimeoutError):
            await until(read)
        visits = [tuple(row) for row in await connection.fetch(_VISITS)]
    finally:
        await connection.close()
    assert found == wanted, visits


_VISITS = """
SELECT node, visit_id, call_id, entered_at, left_at, reason, handed_over FROM queue_visits
ORDER BY entered_at
"""


async def books(connection: asyncpg.Connection) -> dict[str, Any]:
    """What is listed and counted now."""
    begin, end = datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1)
    listed = (await list_calls(connection, CallFilter())).items
    rows = await queue_figures(connection, begin, end, zone="UTC", period="day")
    return {
        "listed": sorted(str(call.caller_number) for call in listed),
        "entered": sum(row.figures.entered for row in rows),
        "answered": sum(row.figures.answered for row in rows),
        "in a state": sorted(each.agent_id for each in await agent_intervals(connection, end, end)),
    }


async def since_link(site: Whole, kind: str, **wanted: object) -> float:
    """Seconds from the link's second coming up to the last event of this kind."""
    up = await connected_again(site)
    event = (await site.journalled(kind, **wanted))[-1]
    return event["at"] - up


# --- the server dies ------------------------------------------------------------------------------


async def test_server_killed_while_calls_wait_ring_and_talk(
    sandbox: TestSandbox, database: str
) -> None:
    async with whole(sandbox, database, small_floor(agents=2), files={}) as site:
        await site.agent("1001")
        await site.agent("1002")
        leader = await site.supervisor()
        talks = await talking_to(site, "8001", "+8613800000001")
        rings = await site.far_end.call("support", "+8613800000002")
        await site.far_end.agent("8002").ringing.wait()
        waits = await site.far_end.call("support", "+8613800000003")
        await agents_are(leader, "talking", "offered")
        await waiting(leader, 2)

        assert site.server is not None
        await site.server.kill()
        killed, killed_at = time.monotonic(), time.time()
        await picked_up(site, "8002", rings)
        await talks.hang_up()
        await site.far_end.agent("8001").ringing.wait()
        assert time.monotonic() - killed < NATIVE_SECONDS
        await picked_up(site, "8001", waits)

        started = time.time()
        await site.start_server()
        await agents_are(await site.supervisor(), "talking", "talking")
        assert await connected_again(site) - started < START_SECONDS
        assert await since_link(site, "QueueLeft", reason="answered") < ADOPT_SECONDS
        await rings.hang_up()
        await waits.hang_up()
        ended = await true_record(site, 3)
        assert [event["outcome"] for event in ended] == ["answered"] * 3
        (gap,) = await site.events("GapRecorded")
        assert gap["reason"] == "server_restarted"
        assert killed_at - HEARD_SECONDS < gap["from_at"] <= killed_at < started < gap["to_at"]
        assert ended[0]["at"] <= killed_at, "who talked when it was killed is not counted on"


async def test_a_waiting_caller_is_taken_back_from_the_native_queue(
    sandbox: TestSandbox, database: str
) -> None:
    async with whole(sandbox, database, small_floor(agents=1)) as site:
        leader = await site.supervisor()
        waits = await site.far_end.call("support", "+8613800000001")
        entered = await waiting(leader, 1)
        assert site.server is not None
        remote = await sandbox.remote(site.site.pbx)
        await site.server.kill()
        async with asyncio.timeout(NATIVE_SECONDS):
            await remote.event("QueueCallerJoin")
        await site.start_server()
        assert await since_link(site, "NativeLeft") < ADOPT_SECONDS
        await site.agent("1001")
        await picked_up(site, "8001", waits)
        left = await site.journalled("QueueLeft")
        await waits.hang_up()
        assert left[0]["reason"] == "answered"
        assert left[0]["visit_id"] == entered[0]["visit_id"]
        assert left[0]["waited_seconds"] > 8
        await true_record(site, 1)


async def lets_callers_go(remote: TestRemote) -> bool:
    """Whether this Asterisk's queues do that when they are asked."""
    try:
        await remote.act("QueueWithdrawCaller", Queue="none", Caller="none")
    except ActionRefusedError as refused:
        return "No such queue" in str(refused)
    raise AssertionError("there is no such queue")


def told_of(remote: TestRemote, name: str, **wanted: str) -> set[str]:
    """The channels of which such an event told."""
    wanted["Event"] = name
    return {each["Uniqueid"] for each in remote.events if wanted.items() <= each.items()}


async def test_phones_that_answer_natively_in_the_instant_of_the_fetch(
    sandbox: TestSandbox, database: str
) -> None:
    """Who is answered by Asterisk's own queue keeps the talk, who is not is ours again.

    At each return of the link it stalls for the time in which the phones are rung and picked up:
    what the server knew of the callers when it fetches them is over. The moment walks to and fro
    between the reading of the state and the fetch.
    """
    files = {"look_seconds": 1, "slice_seconds": 30, "heartbeat_limit_seconds": 3}
    floor = small_floor(agents=RACERS, recording="never")
    async with whole(sandbox, database, floor, proxied=True, files=files) as site:
        remote = await sandbox.remote(site.site.pbx)
        if not await lets_callers_go(remote):
            pytest.skip("this Asterisk's queues do not let callers go")
        agents = [await site.agent(f"{1001 + n}") for n in range(RACERS)]
        for n in range(RACERS):
            site.far_end.agent(f"{8001 + n}").auto_answer()
        leader = await site.supervisor()
        moment, overtaken = 0.0, 0
        for race in range(NATIVE_RACES):
            async with asyncio.timeout(NATIVE_RACE_SECONDS):
                for agent in agents:
                    await agent.act("/agent/not-ready", reason="rest")
                await agents_are(leader, *["not_ready"] * RACERS)
                remote.events.clear()
                numbers = [f"+86138{race:04}{n:04}" for n in range(RACERS)]
                callers = {each: await site.far_end.call("support", each) for each in numbers}
                await waiting(leader, RACERS)
                talk, wait = await raced(site, remote, moment)
                assert not talk & wait, "a talk was torn apart"
                await waiting(leader, len(wait), native=False)
                assert not told_of(remote, "BridgeLeave")
                overtaken += len(talk)
                step = RACE_STEP_SECONDS if talk else -RACE_STEP_SECONDS
                moment = max(0.0, moment + step)
                # Who waits first: an agent whose talk is over is ready.
                number = {e["Uniqueid"]: e["CallerIDNum"] for e in remote.events if "Uniqueid" in e}
                for uniqueid in (*wait, *talk):
                    await callers[number[uniqueid]].hang_up()
                await site.journalled("CallEnded", count=(race + 1) * RACERS)
        assert overtaken >= NATIVE_RACES * RUNG / 4
        ended = await true_record(site, NATIVE_RACES * RACERS)
        assert sum(event["outcome"] == "answered" for event in ended) == overtaken
        assert all(event["outcome"] in ("answered", "abandoned") for event in ended)


async def raced(site: Whole, remote: TestRemote, moment: float) -> tuple[set[str], set[str]]:
    """The link is away until all callers stand natively; who talks and who waits after its return.

    :param moment: seconds from the new epoch to the stall.
    """

    def talk() -> set[str]:
        return told_of(remote, "BridgeEnter") & told_of(remote, "UserEvent", UserEvent="ZxNative")

    def wait() -> set[str]:
        return told_of(remote, "UserEvent", UserEvent="ZxWait")

    assert site.proxy is not None
    site.proxy.refuse = True
    site.proxy.cut()
    await until(lambda: len(told_of(remote, "QueueCallerJoin")) == RACERS)
    site.proxy.refuse = False
    await remote.event("UserEvent", UserEvent="ZxEpoch")
    await asyncio.sleep(moment)
    site.proxy.stall()
    for n in range(RUNG):
        await remote.act("QueuePause", Interface=f"PJSIP/{8001 + n}", Paused="false")
    with suppress(TimeoutError):
        await until(lambda: len(talk()) == RUNG, RING_AND_ANSWER_SECONDS)
    site.proxy.go_on()
    await until(lambda: len(talk() | wait()) == RACERS)
    return talk(), wait()


async def test_the_older_of_two_servers_is_fenced(sandbox: TestSandbox, database: str) -> None:
    """And hands its calls over: each stands in the books once, also when all of it goes back."""
    async with whole(sandbox, database, small_floor(agents=2)) as site:
        older, port = site.server, site.site.web_port
        assert older is not None
        agent = await site.agent("1001")
        leader = await site.supervisor()
        talks = await talking_to(site, "8001", "+8613800000001")
        waits = await site.far_end.call("support", "+8613800000002")
        await waiting(leader, 1)
        await site.second_server("pbx2")
        await link_is(leader, "fenced")
        await agent.state("signed_out")
        assert await waiting(leader, 0) == []
        await site.agent("1002")
        await picked_up(site, "8002", waits)
        await sit_down(site, "1001", "talking")
        await waits.hang_up()
        (ended,) = await site.journalled("CallEnded")
        assert ended["call_id"].startswith("pbx2")
        await talking_to(site, "8002", "+8613800000003")
        newer = await site.supervisor()
        await agents_are(newer, "talking", "talking")
        await books_are(site, calls=3, agents=2)
        assert older.running

        await older.stop()
        await start_again(site, port)
        await link_is(newer, "fenced")
        await agents_are(newer, "signed_out", "signed_out")
        back = await sit_down(site, "1001", "talking")
        await talks.hang_up()
        await end_calls(await sandbox.remote(site.site.pbx))
        nodes = [e["call_id"][:4] for e in await site.journalled("CallEnded", count=3)]
        assert sorted(nodes) == ["pbx1", "pbx1", "pbx2"]
        stored = await site.journalled("RecordingStored", count=3)
        assert sorted(each["call_id"][:4] for each in stored) == sorted(nodes)
        await back.state("not_ready")
        await books_are(site, calls=3, agents=1)
        await both_are_true(site)


async def test_a_server_that_died_lets_go_of_its_calls_when_it_is_back(
    sandbox: TestSandbox, database: str
) -> None:
    """It was never told that another had the PBX meanwhile."""
    async with whole(sandbox, database, small_floor(agents=2)) as site:
        older, port = site.server, site.site.web_port
        assert older is not None
        await site.agent("1001")
        leader = await site.supervisor()
        talks = await talking_to(site, "8001", "+8613800000001")
        waits = await site.far_end.call("support", "+8613800000002")
        await waiting(leader, 1)
        await older.kill()
        await site.second_server("pbx2")
        await site.agent("1002")
        await picked_up(site, "8002", waits)
        await waits.hang_up()
        (ended,) = await site.journalled("CallEnded")
        assert ended["call_id"].startswith("pbx2")
        newer = await site.supervisor()

        await start_again(site, port)
        await link_is(newer, "fenced")
        back = await sit_down(site, "1001", "talking")
        await talks.hang_up()
        await back.state("not_ready")
        ended = (await site.journalled("CallEnded", count=2))[-1]
        assert ended["call_id"].startswith("pbx1")
        await books_are(site, calls=2, agents=1)
        await both_are_true(site)


# --- the network and the PBX fail -----------------------------------------------------------------


async def test_ami_cut_while_calls_come_and_go(sandbox: TestSandbox, database: str) -> None:
    async with whole(sandbox, database, small_floor(agents=1), proxied=True) as site:
        await site.agent("1001")
        leader = await site.supervisor()
        caller = await talking_to(site, "8001", "+8613800000001")
        assert site.proxy is not None
        site.proxy.refuse = True
        site.proxy.cut()
        await link_is(leader, "disconnected")
        unseen = await site.far_end.call("support", "+8613800000002")
        await unseen.answered.wait()
        await caller.hang_up()
        site.proxy.refuse = False
        healed = time.time()
        await picked_up(site, "8001", unseen)
        assert await connected_again(site) - healed < ADOPT_SECONDS
        assert await since_link(site, "OfferMade", count=2) < ADOPT_SECONDS
        await unseen.hang_up()
        ended = await true_record(site, 2)
        assert [event["outcome"] for event in ended] == ["answered"] * 2
        assert await site.events("GapRecorded")


async def test_a_half_open_connection_is_noticed(sandbox: TestSandbox, database: str) -> None:
    async with whole(sandbox, database, small_floor(agents=2), proxied=True) as site:
        await site.agent("1001")
        leader = await site.supervisor()
        talks = await talking_to(site, "8001", "+8613800000001")
        waits = await site.far_end.call("support", "+8613800000002")
        await waiting(leader, 1)
        assert site.proxy is not None
        site.proxy.silence()
        silent = time.monotonic()
        await link_is(leader, "disconnected", "syncing")
        assert time.monotonic() - silent < NOTICE_SECONDS
        site.proxy.go_on()
        await link_is(leader, "ready")
        await site.agent("1002")
        await picked_up(site, "8002", waits)
        await talks.hang_up()
        await waits.hang_up()
        ended = await true_record(site, 2)
        assert [event["outcome"] for event in ended] == ["answered"] * 2


async def test_asterisk_killed(sandbox: TestSandbox, database: str) -> None:
    async with whole(sandbox, database, small_floor(agents=2)) as site:
        agent = await site.agent("1001")
        leader = await site.supervisor()
        await talking_to(site, "8001", "+8613800000001")
        await site.far_end.call("support", "+8613800000002")
        await waiting(leader, 1)
        await site.site.pbx.kill()
        await link_is(leader, "disconnected")
        await site.site.pbx.start()
        ended = await true_record(site, 2)
        assert [event["outcome"] for event in ended] == ["lost"] * 2
        assert all(event["talk_seconds"] > 0 for event in ended[:1])
        phone = site.far_end.agent("8001")
        await site.far_end.watch()
        await phone.hang_up()  # the line went dead, and the agent puts the receiver down
        await phone.register()
        await agent.state("ready")
        caller = await talking_to(site, "8001", "+8613800000003")
        await agent.state("talking")
        await caller.hang_up()
        ended = await true_record(site, 3)
        assert ended[-1]["outcome"] == "answered"


async def test_ten_thousand_malformed_frames(sandbox: TestSandbox, database: str) -> None:
    async with whole(sandbox, database, small_floor(agents=1), proxied=True) as site:
        agent = await site.agent("1001")
        assert site.proxy is not None
        kinds = (
            b"Event: Hangup\r\nUniqueid: %d\r\nCause: many\r\n\r\n",
            b"Event: Newchannel\r\nChannel: %d\r\n\r\n",
            b"nonsense \xff\xfe %d\r\n\r\n",
            b"Event: BridgeEnter\r\nEvent: Hangup\r\nChannel: PJSIP/8001-%d\r\n\r\n",
        )
        # The nonsense counts twice: a line without a colon, and neither an event nor a response.
        wanted = 10_000 / 4 * sum((1, 1, 2, 1))

        async def malformed() -> float:
            return (await site.figures())[("zuoxi_pbx_malformed_total",)]

        async def all_counted() -> bool:
            return await malformed() >= wanted

        assert await malformed() == 0
        site.proxy.lie(b"".join(kinds[number % 4] % number for number in range(10_000)))
        caller = await talking_to(site, "8001", "+8613800000001")
        await agent.state("talking")
        await until(all_counted)
        await caller.hang_up()
        ended = await true_record(site, 1)
        assert await malformed() == wanted, "what Asterisk itself says is well formed"
        assert ended[0]["outcome"] == "answered"
        assert not await site.events("PbxLost")


# --- people in the way ----------------------------------------------------------------------------


async def test_hang_ups_racing_assignments(sandbox: TestSandbox, database: str) -> None:
    """The caller leaves between the assignment and the answer of a phone that picks up at once.

    How long that takes is the machine's affair, so the moment walks to and fro: later until the
    call was answered, then earlier until the caller was gone before the assignment, and so on.
    """
    async with whole(sandbox, database, small_floor(agents=1)) as site:
        agent = await site.agent("1001")
        leader = await site.supervisor()
        await agent.act("/agent/not-ready", reason="rest")
        site.far_end.agent("8001").auto_answer()
        moment, step, overlaps = 0.0, RACE_STEP_SECONDS, 0
        for number in range(RACES):
            caller = await site.far_end.call("support", f"+86138{number:08}")
            await waiting(leader, 1)
            await asyncio.gather(agent.act("/agent/ready"), hung_up(caller, moment))
            end = (await site.journalled("CallEnded", count=number + 1))[-1]
            offered = end["call_id"] in {e["call_id"] for e in await site.events("OfferMade")}
            if end["outcome"] == "answered":
                step = -RACE_STEP_SECONDS
            elif not offered:
                step = RACE_STEP_SECONDS
            else:
                overlaps += 1
            moment = max(0.0, moment + step)
            await agent.act("/agent/not-ready", reason="rest")
            await agents_are(leader, "not_ready")
        assert overlaps >= RACES / 3
        ended = await true_record(site, RACES)
        assert {event["outcome"] for event in ended} <= {"abandoned", "answered"}
        offers = await site.events("OfferEnded")
        assert {event["end"] for event in offers} <= {"rescinded", "failed", "accepted"}
        assert not any(event["counts_as_miss"] for event in offers)


async def hung_up(caller: Caller, after_seconds: float) -> None:
    """The race is about this moment, so it is the clock that tells it."""
    await asyncio.sleep(after_seconds)
    await caller.hang_up()


# --- long outages ---------------------------------------------------------------------------------


async def test_long_outages_side_by_side(
    sandbox: TestSandbox, database: str, own_postgres: Postgres
) -> None:
    """A manager that stalls for 120 s, and at another site a database that is away for 60 s."""
    async with asyncio.TaskGroup() as group:
        group.create_task(manager_stalls(sandbox, database))
        group.create_task(database_stops(sandbox, own_postgres))


async def manager_stalls(sandbox: TestSandbox, database: str) -> None:
    # Who leaves waits where nobody serves: which of two goes to the native queue first is chance.
    floor = small_floor(agents=1)
    floor.queues.append(QueueSettings(name="sales"))
    async with whole(sandbox, database, floor, proxied=True, files={}) as site:
        agent = await site.agent("1001")
        leader = await site.supervisor()
        talks = await talking_to(site, "8001", "+8613800000001")
        served = await site.far_end.call("support", "+8613800000002")
        await waiting(leader, 1)
        await site.far_end.call("sales", "+8613800000003", patience_seconds=STALL_SECONDS / 2)
        await waiting(leader, 2)
        assert site.proxy is not None
        site.proxy.stall()
        stalled = time.monotonic()
        await link_is(leader, "disconnected", "syncing")
        assert time.monotonic() - stalled < NOTICE_SECONDS
        await talks.hang_up()
        await site.far_end.agent("8001").ringing.wait()
        assert time.monotonic() - stalled < NATIVE_SECONDS
        await picked_up(site, "8001", served)
        unseen = await site.far_end.call("support", "+8613800000004")
        await unseen.answered.wait()
        await asyncio.sleep(stalled + STALL_SECONDS - time.monotonic())
        site.proxy.go_on()
        healed = time.time()
        await link_is(leader, "ready")
        assert await connected_again(site) - healed < ADOPT_SECONDS
        assert await since_link(site, "NativeLeft") < ADOPT_SECONDS
        await agent.state("talking")
        await served.hang_up()
        await picked_up(site, "8001", unseen)
        await unseen.hang_up()
        ended = await true_record(site, 4)
        assert [e["outcome"] for e in ended] == ["answered", "answered", "abandoned", "answered"]


async def database_stops(sandbox: TestSandbox, own_postgres: Postgres) -> None:
    dsn = await own_postgres.create_database("zuoxi")
    await migrate(dsn)
    async with whole(sandbox, dsn, small_floor(agents=1)) as site:
        agent = await site.agent("1001")
        await own_postgres.stop()
        stopped = time.monotonic()
        first = await talking_to(site, "8001", "+8613800000001")
        await agent.state("talking")
        await first.hang_up()
        await agent.state("ready")
        assert site.server is not None
        await site.server.kill()
        await site.start_server()
        second = await site.far_end.call("support", "+8613800000002")
        await picked_up(site, "8001", second)
        await second.hang_up()
        await asyncio.sleep(stopped + DATABASE_AWAY_SECONDS - time.monotonic())
        await own_postgres.start()
        ended = await true_record(site, 2)
        assert [event["outcome"] for event in ended] == ["answered"] * 2
        seqs = await site.seqs()
        assert seqs == list(range(1, len(seqs) + 1))
