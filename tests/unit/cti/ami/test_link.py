"""The link against a manager port that misbehaves on demand: each trap, and what we do instead."""

import asyncio
import hashlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

import pytest
from msgspec import structs

from cti.ami import actions
from cti.ami.actions import Outcome
from cti.ami.errors import LinkDownError, ListFailedError, RightsMissingError
from cti.ami.events import DeviceStateChange, Hold, StatusItem, UserEvent
from cti.ami.link import AmiLink, LinkInput, LinkSettings, LinkTimings
from cti.inputs import ChannelState, LinkDown, LinkUp, NativeMember, PbxEvent, PbxSnapshot
from tests.support.ami_server import (
    CHALLENGE,
    SECRET,
    USER,
    AmiServer,
    error,
    frame,
    listing,
    success,
)

QUICK = LinkTimings(
    ping_seconds=0.05,
    dead_pings=3,
    connect_seconds=1.0,
    login_seconds=0.5,
    sync_seconds=1.0,
    first_retry_seconds=0.01,
    last_retry_seconds=0.05,
    refused_retry_seconds=30.0,
    steady_seconds=0.2,
)
CHANNEL = {"Channel": "PJSIP/1-1", "Uniqueid": "1.1", "Linkedid": "1.1"}
PATIENCE_SECONDS = 10


class Consumer:
    """Takes inputs, unless it is told to have no room."""

    def __init__(self) -> None:
        self.inputs: list[LinkInput] = []
        self.has_room = True
        self._news = asyncio.Event()

    def take(self, item: LinkInput) -> None:
        self.inputs.append(item)
        self._news.set()

    def room(self) -> bool:
        return self.has_room

    async def until(self, enough: Callable[[list[LinkInput]], bool]) -> list[LinkInput]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not enough(self.inputs):
                self._news.clear()
                await self._news.wait()
        return self.inputs

    async def count(self, kind: type[LinkInput], count: int = 1) -> list[LinkInput]:
        await self.until(lambda inputs: sum(isinstance(item, kind) for item in inputs) >= count)
        return [item for item in self.inputs if isinstance(item, kind)]

    @property
    def events(self) -> list[object]:
        return [item.event for item in self.inputs if isinstance(item, PbxEvent)]


@pytest.fixture
async def server() -> AsyncIterator[AmiServer]:
    async with AmiServer() as server:
        yield server


@pytest.fixture
def consumer() -> Consumer:
    return Consumer()


def make_link(server: AmiServer, consumer: Consumer, **more: object) -> AmiLink:
    settings = {"timings": QUICK, "secret": SECRET}
    options = {}
    for name, value in more.items():
        place = settings if name in LinkSettings.__struct_fields__ else options
        place[name] = value
    return AmiLink(
        LinkSettings(host="127.0.0.1", port=server.port, user=USER, **settings),
        consumer.take,
        room=consumer.room,
        **options,
    )


@asynccontextmanager
async def ready_link(
    server: AmiServer, consumer: Consumer, **more: object
) -> AsyncIterator[AmiLink]:
    async with make_link(server, consumer, **more) as link:
        await becomes(link, "ready")
        yield link


async def becomes(link: AmiLink, state: str) -> str:
    async with asyncio.timeout(PATIENCE_SECONDS):
        return (await link.wait_for(state)).reason


async def empty(_: AmiLink) -> PbxSnapshot:
    return PbxSnapshot(at=0.0, pbx_started_at=0.0, epoch=0, channels=[], device_states={})


# --- signing in ----------------------------------------------------------------------------------


async def test_secret_does_not_travel(server: AmiServer, consumer: Consumer) -> None:
    async with ready_link(server, consumer):
        login = await server.received("Login")
    assert login["Key"] == hashlib.md5((CHALLENGE + SECRET).encode()).hexdigest()
    assert SECRET not in str(server.actions)


async def test_secret_is_not_in_the_settings_repr(server: AmiServer, consumer: Consumer) -> None:
    assert SECRET not in repr(make_link(server, consumer)._settings)


async def test_wrong_secret_is_told_and_not_hammered(server: AmiServer, consumer: Consumer) -> None:
    async with make_link(server, consumer, secret="wrong") as link:
        reason = await becomes(link, "refused")
        assert "Authentication failed" in reason
        assert "manager.conf" in reason
        await asyncio.sleep(0.3)
        assert server.connections == 1
    assert consumer.inputs == []


async def test_missing_rights_are_told_and_not_hammered(
    server: AmiServer, consumer: Consumer
) -> None:
    server.answers["Status"] = error("Permission denied")
    async with make_link(server, consumer) as link:
        assert "Status is not permitted" in await becomes(link, "refused")
        await asyncio.sleep(0.3)
        assert server.connections == 1


async def test_refusal_that_passes_is_tried_again_soon(
    server: AmiServer, consumer: Consumer
) -> None:
    server.answers["Challenge"] = error("Asterisk is shutting down")
    async with make_link(server, consumer) as link:
        await server.received("Challenge", 2)
        assert link.status.state == "disconnected"
        assert "shutting down" in link.status.reason
        server.answers.clear()
        await becomes(link, "ready")


async def test_another_service_on_the_port_is_told(server: AmiServer, consumer: Consumer) -> None:
    server.greeting = b"SSH-2.0-OpenSSH_9.2\r\n"
    async with make_link(server, consumer) as link:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while "does not greet as an Asterisk manager" not in link.status.reason:
                await link._changed.wait()
        assert link.stats.malformed.count > 0


async def test_silent_service_on_the_port_is_left(server: AmiServer, consumer: Consumer) -> None:
    server.greeting = b""
    async with make_link(server, consumer) as link:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while "does not answer in time" not in link.status.reason:
                await link._changed.wait()


async def test_nobody_listens(consumer: Consumer, free_port: int) -> None:
    async with make_link(AmiServer(free_port), consumer) as link:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while f"127.0.0.1:{free_port}" not in link.status.reason:
                await link._changed.wait()
        assert link.status.state == "disconnected"
        async with AmiServer(free_port):
            await becomes(link, "ready")


# --- actions -------------------------------------------------------------------------------------


async def test_done_and_refused(server: AmiServer, consumer: Consumer) -> None:
    server.answers["Getvar"] = lambda action: success(action, Variable="A", Value="7")
    server.answers["Hangup"] = error("No such channel")
    async with ready_link(server, consumer) as link:
        done = await link.send(actions.Getvar(variable="A"))
        assert (done.result, done.headers["Value"]) == ("done", "7")
        refused = await link.send(actions.Hangup(channel="c"))
        assert (refused.result, refused.message) == ("refused", "No such channel")
        assert link.stats.actions["refused"] == 1


async def test_line_break_injects_nothing(server: AmiServer, consumer: Consumer) -> None:
    async with ready_link(server, consumer) as link:
        value = "x\r\n\r\nAction: Hangup\r\nChannel: /.*/"
        outcome = await link.send(actions.Setvar(variable="A", value=value))
        assert outcome.result == "refused"
        assert "line break" in outcome.message
        await link.send(actions.Setvar(variable="B", value="1"))
    assert [action["Variable"] for action in server.actions if "Variable" in action] == ["B"]
    assert not any(action["Action"] == "Hangup" for action in server.actions)


async def test_command_id_is_the_action_id(server: AmiServer, consumer: Consumer) -> None:
    async with ready_link(server, consumer) as link:
        assert (await link.post(actions.Hangup(channel="c"), 1.0, "command-1")).result == "done"
        assert (await server.received("Hangup"))["ActionID"] == "command-1"


async def test_same_action_id_is_not_sent_twice_at_once(
    server: AmiServer, consumer: Consumer
) -> None:
    server.answers["Hangup"] = None
    async with ready_link(server, consumer) as link:
        first = link.post(actions.Hangup(channel="c"), 1.0, "command-1")
        second = await link.post(actions.Hangup(channel="d"), 1.0, "command-1")
        assert second.result == "refused"
        assert not first.done()


async def test_actions_go_out_in_the_order_of_posting(
    server: AmiServer, consumer: Consumer
) -> None:
    async with ready_link(server, consumer) as link:
        posted = [link.post(actions.Hangup(channel=str(number)), 5.0) for number in range(200)]
        await asyncio.gather(*posted)
    channels = [action["Channel"] for action in server.actions if action["Action"] == "Hangup"]
    assert channels == [str(number) for number in range(200)]


async def test_deadline(server: AmiServer, consumer: Consumer) -> None:
    server.answers["Hangup"] = None
    async with ready_link(server, consumer) as link:
        outcome = await link.send(actions.Hangup(channel="c"), deadline_seconds=0.05)
        assert outcome == Outcome(result="timed_out", message="no answer in 0.05 s")
        late = (await server.received("Hangup"))["ActionID"]
        server.say(frame(Response="Success", ActionID=late))
        await link.send(actions.Ping())
        assert link.stats.late == 1
        assert link.status.state == "ready"


async def test_loss_leaves_the_outcome_unknown_and_nothing_is_sent_again(
    server: AmiServer, consumer: Consumer
) -> None:
    server.answers["Redirect"] = None
    async with ready_link(server, consumer) as link:
        redirect = actions.Redirect(channel="c", context="x", exten="e")
        waiting = link.post(redirect, 30.0)
        await server.received("Redirect")
        server.cut()
        async with asyncio.timeout(PATIENCE_SECONDS):
            assert (await waiting).result == "unknown"
        await consumer.count(LinkUp, 2)
        await link.send(actions.Setvar(variable="A", value="1"))
    assert [action["Action"] for action in server.actions].count("Redirect") == 1


async def test_without_a_link_nothing_is_sent(consumer: Consumer, free_port: int) -> None:
    link = make_link(AmiServer(free_port), consumer)
    assert (await link.send(actions.Hangup(channel="c"))).result == "refused"
    with pytest.raises(LinkDownError, match="wait until its state is ready"):
        await link.collect(actions.Status())


async def test_odd_responses_do_not_end_the_link(server: AmiServer, consumer: Consumer) -> None:
    async with ready_link(server, consumer) as link:
        connections = server.connections
        server.say(frame(("Event", "Hold"), ("Event", "Hangup"), *CHANNEL.items()))
        server.say(frame(("Response", "Success"), ("ActionID", "a"), ("ActionID", "b")))
        server.say(frame(("Response", "Error"), ("Message", "Missing action in request")))
        server.say(frame(("Response", "Success"), ("Response", "Error"), ("ActionID", "x")))
        server.say(b"neither: this\r\nnor that\r\n\r\n")
        server.event("Unhold", *CHANNEL.items())
        await consumer.count(PbxEvent, 2)
        assert server.connections == connections
        assert link.stats.late == 2
        assert link.stats.malformed.count == 3


# --- lists ---------------------------------------------------------------------------------------


def device(name: str, state: str) -> tuple[tuple[str, str], ...]:
    return (("Event", "DeviceStateChange"), ("Device", name), ("State", state))


async def test_list_is_collected_whole(server: AmiServer, consumer: Consumer) -> None:
    items = [device(f"PJSIP/{number}", "INUSE") for number in range(50)]
    server.answers["DeviceStateList"] = listing(*items, end="DeviceStateListComplete")
    async with ready_link(server, consumer) as link:
        found = await link.collect(actions.DeviceStateList())
        assert [item.device for item in found if isinstance(item, DeviceStateChange)] == [
            f"PJSIP/{number}" for number in range(50)
        ]
    assert consumer.events == []


async def test_events_between_the_items_stay_events(server: AmiServer, consumer: Consumer) -> None:
    """An event is an item only by the ActionID that we sent; a UserEvent never is."""

    def answer(action: dict[str, str]) -> bytes:
        whole = listing(device("PJSIP/1", "INUSE"), end="DeviceStateListComplete")(action)
        start, item, end = (part + b"\r\n\r\n" for part in whole.split(b"\r\n\r\n")[:3])
        event = frame(*device("PJSIP/9", "RINGING"))
        forged = frame(
            ("Event", "UserEvent"), ("UserEvent", "Zx"), ("ActionID", action["ActionID"])
        )
        return start + event + item + forged + event + end

    async with ready_link(server, consumer) as link:
        server.answers["DeviceStateList"] = answer
        items = await link.collect(actions.DeviceStateList())
        assert [item.device for item in items if isinstance(item, DeviceStateChange)] == ["PJSIP/1"]
    assert [type(event) for event in consumer.events] == [
        DeviceStateChange,
        UserEvent,
        DeviceStateChange,
    ]


async def test_list_that_stops_half_way_is_no_list(server: AmiServer, consumer: Consumer) -> None:
    async with ready_link(server, consumer) as link:
        server.answers["Status"] = lambda action: success(action, EventList="start")
        with pytest.raises(ListFailedError, match=r"no answer in 0\.05 s"):
            await link.collect(actions.Status(), 0.05)
        server.answers["Status"] = error("Permission denied")
        with pytest.raises(RightsMissingError, match=r"manager\.conf"):
            await link.collect(actions.Status())
        server.answers["Status"] = None
        waiting = asyncio.create_task(link.collect(actions.Status()))
        await server.received("Status", 4)
        server.cut()
        with pytest.raises(LinkDownError):
            await waiting


# --- events --------------------------------------------------------------------------------------


async def test_events_come_in_order_with_the_pbx_time_on_our_clock(
    server: AmiServer, consumer: Consumer
) -> None:
    """The PBX of this test lives in 2023: pings tell how far its clock is from ours."""
    async with ready_link(server, consumer) as link:
        for number in range(500):
            server.event("Hold", *CHANNEL.items(), Timestamp="1700000001.5", Exten=str(number))
        server.event("Hold", *CHANNEL.items())
        inputs = await consumer.count(PbxEvent, 501)
        extens = [item.event.exten for item in inputs]
        assert extens == [*(str(number) for number in range(500)), None]
        assert link.stats.offset.seconds == pytest.approx(time.time() - 1_700_000_000, abs=5)
        assert inputs[0].at == pytest.approx(1_700_000_001.5 + link.stats.offset.seconds, abs=1)
        assert inputs[-1].at == pytest.approx(time.time(), abs=5)
        assert link.pbx_time() == pytest.approx(1_700_000_000, abs=5)
        assert link.stats.lag.last_seconds is not None


async def test_the_pbx_time_does_not_go_back_with_our_clock(
    server: AmiServer, consumer: Consumer
) -> None:
    """It is the heartbeat's: in the past, every caller would leave for Asterisk's own queue."""
    wall = Wall()
    async with ready_link(server, consumer, clock=wall) as link:
        wall.step = -3600.0
        assert link.pbx_time() == pytest.approx(1_700_000_000, abs=5)
        pings = sum(action["Action"] == "Ping" for action in server.actions)
        await server.received("Ping", pings + 3)
        assert link.pbx_time() == pytest.approx(1_700_000_000, abs=5)
        assert link.stats.offset.seconds == pytest.approx(wall() - 1_700_000_000, abs=5)


class Wall:
    """Our clock, which somebody sets."""

    step = 0.0

    def __call__(self) -> float:
        return time.time() + self.step


async def test_unread_names_are_ignored_and_counted(server: AmiServer, consumer: Consumer) -> None:
    async with ready_link(server, consumer) as link:
        for name in ("VarSet", "RTCPSent", "Hold"):
            server.event(name, *CHANNEL.items())
        await consumer.count(PbxEvent)
        assert link.stats.ignored == 2
        assert link.stats.events == {"Hold": 1}


async def test_malformed_events_are_counted_and_kept(server: AmiServer, consumer: Consumer) -> None:
    async with ready_link(server, consumer) as link:
        server.event("Hangup", *CHANNEL.items(), Cause="sixteen")
        server.event("Hangup", *CHANNEL.items(), Cause="16")
        await consumer.count(PbxEvent)
        assert len(consumer.events) == 1
        assert link.stats.malformed.count == 1
        why, raw = link.stats.malformed.last[0]
        assert "Hangup" in why
        assert b"Cause: sixteen" in raw


# --- syncing -------------------------------------------------------------------------------------


async def test_snapshot_comes_first_then_the_events_that_waited(
    server: AmiServer, consumer: Consumer
) -> None:
    reading, go_on = asyncio.Event(), asyncio.Event()

    async def resync(link: AmiLink) -> PbxSnapshot:
        reading.set()
        await go_on.wait()
        return await link.snapshot(epoch=7)

    async with make_link(server, consumer, resync=resync) as link:
        await reading.wait()
        assert link.status.state == "syncing"
        for number in range(3):
            server.event("Hold", *CHANNEL.items(), Exten=str(number))
        await asyncio.sleep(0.1)
        assert consumer.inputs == []
        go_on.set()
        inputs = await consumer.count(PbxEvent, 3)
    up, *events = consumer.inputs[:4]
    assert isinstance(up, LinkUp)
    assert (up.snapshot.epoch, up.gap_from, up.gap_to) == (7, None, None)
    assert events == inputs
    assert [event.exten for event in consumer.events if isinstance(event, Hold)] == ["0", "1", "2"]


async def test_snapshot_has_the_whole_state(server: AmiServer, consumer: Consumer) -> None:
    status = [("Event", "Status"), *CHANNEL.items(), ("ChannelState", "6"), ("Seconds", "12")]
    status += [("BridgeID", "b1"), ("Application", "Dial"), ("Variable", "ZX_QUEUE=sales")]
    server.answers["Status"] = listing(tuple(status), end="StatusComplete")
    server.answers["DeviceStateList"] = listing(
        device("PJSIP/8001", "INUSE"), end="DeviceStateListComplete"
    )
    server.answers["QueueStatus"] = listing(
        (("Event", "QueueParams"), ("Queue", "zx-sales")),
        (
            *(("Event", "QueueMember"), ("Queue", "zx-sales"), ("Location", "PJSIP/8001")),
            ("Paused", "1"),
        ),
        (
            *(("Event", "QueueEntry"), ("Queue", "zx-sales"), ("Position", "1")),
            *(("Channel", "PJSIP/2-2"), ("Uniqueid", "2.2"), ("Wait", "5")),
        ),
        end="QueueStatusComplete",
    )
    async with ready_link(server, consumer, variables=("ZX_QUEUE", "ZX_STATE")):
        asked = await server.received("Status")
    assert asked["Variables"] == "ZX_QUEUE,ZX_STATE"
    (up,) = await consumer.count(LinkUp)
    snapshot = up.snapshot
    assert snapshot.pbx_started_at == time.mktime(
        time.strptime("2026-01-02 03:04:05", "%Y-%m-%d %H:%M:%S")
    )
    assert snapshot.channels == [
        ChannelState(
            name="PJSIP/1-1",
            uniqueid="1.1",
            linkedid="1.1",
            state=6,
            bridge_id="b1",
            application="Dial",
            duration_seconds=12.0,
            variables={"ZX_QUEUE": "sales"},
        )
    ]
    assert snapshot.device_states == {"PJSIP/8001": "INUSE"}
    assert snapshot.native_members == [
        NativeMember(queue="zx-sales", interface="PJSIP/8001", paused=True)
    ]
    assert snapshot.native_waiting == ["2.2"]
    assert snapshot.clock_ahead_seconds == pytest.approx(1_700_000_000 - time.time(), abs=5)


async def test_reconnect_tells_the_gap(server: AmiServer, consumer: Consumer) -> None:
    async with ready_link(server, consumer) as link:
        before = time.time()
        server.cut()
        await consumer.count(LinkUp, 2)
        after = time.time()
        assert link.stats.reconnects == 1
    first, down, up = consumer.inputs[:3]
    assert isinstance(first, LinkUp)
    assert isinstance(down, LinkDown)
    assert isinstance(up, LinkUp)
    assert down.last_event_at <= down.at
    assert up.gap_from == down.last_event_at
    assert up.gap_from <= before + 0.1
    assert up.gap_to is not None
    assert before <= up.gap_to <= after


async def test_the_gap_begins_where_the_process_before_heard_last(
    server: AmiServer, consumer: Consumer
) -> None:
    before = time.time()
    async with ready_link(server, consumer, heard_until=before - 3600) as link:
        (up,) = await consumer.count(LinkUp)
        assert link.heard_until is not None
        assert link.heard_until >= before
    assert up.gap_from == before - 3600
    assert up.gap_to is not None
    assert up.gap_to >= before
    assert link.heard_until is None


async def test_a_clock_that_was_set_back_leaves_an_empty_gap(
    server: AmiServer, consumer: Consumer
) -> None:
    async with ready_link(server, consumer, heard_until=time.time() + 3600):
        (up,) = await consumer.count(LinkUp)
    assert up.gap_from == up.gap_to


async def test_what_waits_for_the_consumer_was_not_heard_yet(
    server: AmiServer, consumer: Consumer
) -> None:
    consumer.has_room = False
    async with make_link(server, consumer) as link:
        await becomes(link, "ready")
        assert link.heard_until is None
        consumer.has_room = True
        await consumer.count(LinkUp)
        assert link.heard_until is not None


async def test_failed_attempts_do_not_shorten_the_gap(
    server: AmiServer, consumer: Consumer
) -> None:
    async with ready_link(server, consumer):
        server.answers["Status"] = error("not now")
        before = time.time()
        server.cut()
        await server.received("Status", 4)
        del server.answers["Status"]
        up = (await consumer.count(LinkUp, 2))[1]
    (down,) = (item for item in consumer.inputs[:2] if isinstance(item, LinkDown))
    assert up.gap_from == down.last_event_at <= before + 0.1
    assert [type(item) for item in consumer.inputs][:3] == [LinkUp, LinkDown, LinkUp]


async def test_loss_while_reading_the_state(server: AmiServer, consumer: Consumer) -> None:
    server.answers["Status"] = None
    async with make_link(server, consumer) as link:
        await server.received("Status")
        assert link.status.state == "syncing"
        server.answers.clear()
        server.cut()
        await becomes(link, "ready")
    assert [type(item) for item in consumer.inputs] == [LinkUp, LinkDown]


async def test_fault_in_the_owners_resync_is_not_swallowed(
    server: AmiServer, consumer: Consumer
) -> None:
    async def broken(_: AmiLink) -> PbxSnapshot:
        raise ZeroDivisionError

    link = make_link(server, consumer, resync=broken)
    with pytest.raises(ZeroDivisionError):
        async with asyncio.timeout(PATIENCE_SECONDS):
            await link.run()


# --- a consumer that raises -----------------------------------------------------------------------


def raising(consumer: Consumer, at: Callable[[LinkInput], bool]) -> None:
    """Have the consumer raise at these inputs."""
    take = consumer.take

    def picky(item: LinkInput) -> None:
        if at(item):
            raise ZeroDivisionError
        take(item)

    consumer.take = picky  # type: ignore[method-assign]


def is_hold(item: LinkInput, exten: str) -> bool:
    return isinstance(item, PbxEvent) and isinstance(item.event, Hold) and item.event.exten == exten


def hold(server: AmiServer, *extens: int, **more: str) -> None:
    for exten in extens:
        server.event("Hold", *CHANNEL.items(), Exten=str(exten), **more)


async def test_a_consumer_that_raises_costs_that_input_and_has_the_state_read_anew(
    server: AmiServer, consumer: Consumer
) -> None:
    """In the library a callback that raises kills the connection, and the rest of the read."""
    raising(consumer, lambda item: is_hold(item, "1"))
    async with ready_link(server, consumer, heard_until=1.0) as link:
        server.say(
            b"".join(
                frame(
                    ("Event", "Hold"), *CHANNEL.items(), Exten=str(n), Timestamp=f"169999990{n}.5"
                )
                for n in range(4)
            )
        )
        _, up = await consumer.count(LinkUp, 2)
        await becomes(link, "ready")
        hold(server, 7)
        await consumer.count(PbxEvent, 4)
        assert (link.stats.connects, link.stats.not_taken, link.stats.overflows) == (1, 1, 0)
        assert link.heard_until is not None
    assert [item.event.exten for item in consumer.inputs if isinstance(item, PbxEvent)] == [
        *("0", "2", "3", "7")
    ]
    kinds = [type(item) for item in consumer.inputs]
    assert [each for each in kinds if each is not PbxEvent] == [LinkUp, LinkDown, LinkUp, LinkDown]
    (down, _) = (item for item in consumer.inputs if isinstance(item, LinkDown))
    first = next(item for item in consumer.inputs if isinstance(item, PbxEvent))
    assert up.gap_from == down.last_event_at == pytest.approx(first.at + 1)


async def test_what_was_not_taken_is_not_heard_even_if_the_link_breaks_before_it_is_read(
    server: AmiServer, consumer: Consumer
) -> None:
    raising(consumer, lambda item: is_hold(item, "1"))
    slow = structs.replace(QUICK, first_anew_seconds=60, last_anew_seconds=60)
    async with ready_link(server, consumer, timings=slow) as link:
        hold(server, 1)
        await consumer.count(LinkUp, 2)
        await becomes(link, "ready")
        hold(server, 1, 2, Timestamp="1699999905.5")
        (event,) = await consumer.count(PbxEvent)
        assert link.heard_until is None
        server.cut()
        up = (await consumer.count(LinkUp, 3))[2]
        assert link.heard_until is not None
    assert up.gap_from == event.at


@pytest.mark.parametrize("at", [LinkUp, LinkDown, PbxEvent])
async def test_a_consumer_that_raises_always_makes_no_storm(
    server: AmiServer, consumer: Consumer, at: type[LinkInput]
) -> None:
    slow = structs.replace(QUICK, first_anew_seconds=60, last_anew_seconds=60)
    raising(consumer, lambda item: isinstance(item, at) or is_hold(item, "1"))
    async with ready_link(server, consumer, timings=slow) as link:
        for _ in range(3):
            hold(server, 1)
            await server.received("Status", 2)  # read anew once, and not again
            await becomes(link, "ready")
        assert (await link.send(actions.Ping())).result == "done"
        assert [each["Action"] for each in server.actions].count("Status") == 2
        assert (link.status.state, link.stats.connects) == ("ready", 1)
        assert link.stats.not_taken >= 3


async def test_a_consumer_that_goes_on_raising_is_told_the_state_again_and_again(
    server: AmiServer, consumer: Consumer
) -> None:
    often = structs.replace(QUICK, first_anew_seconds=0.01, last_anew_seconds=0.02)
    raising(consumer, lambda item: isinstance(item, LinkUp))
    async with ready_link(server, consumer, timings=often) as link:
        await server.received("Status", 5)
        assert link.stats.connects == 1


def test_the_waits_before_the_state_is_read_anew_double_up_to_their_limit() -> None:
    link = AmiLink(LinkSettings(host="h", port=1, user="u", secret="s"), lambda _: None)
    assert link._anew_seconds() == 0
    link._mended_at = time.monotonic()
    assert [link._anew_seconds() for _ in range(8)] == [1, 2, 4, 8, 16, 32, 60, 60]
    link._mended_at -= 61
    assert link._anew_seconds() == 0


# --- a consumer that is too slow -----------------------------------------------------------------


async def test_without_room_inputs_wait_in_order(server: AmiServer, consumer: Consumer) -> None:
    async with ready_link(server, consumer) as link:
        consumer.has_room = False
        for number in range(100):
            server.event("Hold", *CHANNEL.items(), Exten=str(number))
        await link.send(actions.Ping())
        assert consumer.events == []
        consumer.has_room = True
        await consumer.count(PbxEvent, 100)
        assert link.stats.overflows == 0
    assert [event.exten for event in consumer.events if isinstance(event, Hold)] == [
        str(number) for number in range(100)
    ]


async def test_overflow_drops_what_waits_and_reads_the_state_anew(
    server: AmiServer, consumer: Consumer
) -> None:
    async with ready_link(server, consumer, queue_limit=50) as link:
        consumer.has_room = False
        for number in range(500):
            server.event("Hold", *CHANNEL.items(), Exten=str(number))
        await server.received("Status", 2)
        await becomes(link, "ready")
        server.event("Unhold", *CHANNEL.items())
        await link.send(actions.Ping())
        consumer.has_room = True
        await consumer.count(LinkUp, 2)
        await consumer.until(lambda inputs: isinstance(inputs[-1], PbxEvent))
        assert link.stats.overflows >= 1
        assert server.connections == 1
    kinds = [type(item) for item in consumer.inputs]
    assert kinds[:2] == [LinkUp, LinkDown]
    assert kinds[-2:] == [PbxEvent, LinkDown]
    up = [item for item in consumer.inputs if isinstance(item, LinkUp)][-1]
    assert up.gap_from is not None
    assert up.gap_to is not None
    assert up.gap_from <= up.gap_to
    assert len(consumer.events) < 500


async def test_events_that_wait_for_the_snapshot_are_bounded_too(
    server: AmiServer, consumer: Consumer
) -> None:
    tries = 0

    async def resync(link: AmiLink) -> PbxSnapshot:
        nonlocal tries
        tries += 1
        if tries == 1:
            for _ in range(200):
                server.event("Hold", *CHANNEL.items())
            await link.send(actions.Ping())
        return await link.snapshot()

    async with ready_link(server, consumer, queue_limit=50, resync=resync) as link:
        assert link.stats.overflows == 1
    assert tries == 2
    assert [type(item) for item in consumer.inputs] == [LinkUp, LinkDown]


# --- dead peers ----------------------------------------------------------------------------------


async def test_silent_peer_is_noticed(server: AmiServer, consumer: Consumer) -> None:
    async with ready_link(server, consumer) as link:
        server.answers["Ping"] = None
        waiting = link.post(actions.Getvar(variable="A"), 30.0)
        server.answers["Getvar"] = None
        reason = await becomes(link, "disconnected")
        assert "3 pings were not answered" in reason
        assert (await waiting).result in ("done", "unknown")
        del server.answers["Ping"]
        await becomes(link, "ready")


async def test_default_timings_notice_within_five_seconds() -> None:
    timings = LinkTimings()
    assert timings.ping_seconds == 1.0
    assert timings.ping_seconds * (timings.dead_pings + 1) < 5.0


async def test_peer_that_sends_anything_is_alive(server: AmiServer, consumer: Consumer) -> None:
    async with ready_link(server, consumer) as link:
        server.answers["Ping"] = None
        for _ in range(20):
            server.event("Hold", *CHANNEL.items())
            await asyncio.sleep(QUICK.ping_seconds / 2)
        assert (link.status.state, server.connections) == ("ready", 1)


# --- coming back and staying away ----------------------------------------------------------------


def test_back_off_doubles_up_to_its_limit_with_jitter() -> None:
    settings = LinkSettings(host="h", port=1, user="u", secret="s")

    def seconds(seed: int) -> list[float]:
        link = AmiLink(settings, lambda _: None, random=Random(seed))
        return [link._retry_seconds("disconnected", attempt) for attempt in range(100)]

    for attempt, waited in enumerate(seconds(1)):
        longest = min(1.0, 0.1 * 2**attempt)
        assert longest / 2 <= waited <= longest
    assert seconds(1) != seconds(2)
    refused = AmiLink(settings, lambda _: None)._retry_seconds("refused", 0)
    assert 15.0 <= refused <= 30.0


async def test_close_is_for_good(server: AmiServer, consumer: Consumer) -> None:
    async with ready_link(server, consumer) as link:
        pass
    assert (link.status.state, link.status.reason) == ("disconnected", "closed")
    connections = server.connections
    await asyncio.sleep(0.2)
    assert server.connections == connections
    assert (await link.send(actions.Ping())).result == "refused"


@pytest.mark.parametrize("silent_at", ["greeting", "Login", "Status"])
async def test_close_while_coming_up(server: AmiServer, consumer: Consumer, silent_at: str) -> None:
    if silent_at == "greeting":
        server.greeting = b""
    else:
        server.answers[silent_at] = None
    async with make_link(server, consumer) as link:
        if silent_at == "greeting":
            async with asyncio.timeout(PATIENCE_SECONDS):
                await server.connected.wait()
        else:
            await server.received(silent_at)
        async with asyncio.timeout(0.3):
            await link.close()
    connections = server.connections
    await asyncio.sleep(0.2)
    assert server.connections == connections
    assert consumer.inputs == []


async def test_close_while_waiting_to_retry(consumer: Consumer, free_port: int) -> None:
    slow = LinkTimings(first_retry_seconds=60, last_retry_seconds=60)
    async with make_link(AmiServer(free_port), consumer, timings=slow) as link:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while "cannot connect" not in link.status.reason:
                await link._changed.wait()
            await link.close()


async def test_lost_connection_while_closing_does_not_reconnect(
    server: AmiServer, consumer: Consumer
) -> None:
    async with ready_link(server, consumer) as link:
        server.cut()
        await link.close()
    assert server.connections == 1


async def test_status_items_are_typed(server: AmiServer, consumer: Consumer) -> None:
    server.answers["Status"] = listing(
        (("Event", "Status"), *CHANNEL.items()), end="StatusComplete"
    )
    async with ready_link(server, consumer, resync=empty) as link:
        (item,) = await link.collect(actions.Status())
        assert isinstance(item, StatusItem)
