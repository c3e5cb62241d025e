"""The contract with Asterisk: what it really said, read as the product reads it.

The transcripts and the way to record them again: tests/transcripts/record.py.
"""

import json
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import TypeVar

import pytest

from cti.ami.connection import Connection
from cti.ami.events import (
    EVENTS,
    ITEMS,
    AgentComplete,
    AgentConnect,
    AgentRingNoAnswer,
    AmiEvent,
    AttendedTransfer,
    BlindTransfer,
    BridgeEnter,
    DeviceStateChange,
    DialEnd,
    FullyBooted,
    Hangup,
    LocalBridge,
    MixMonitorMute,
    MixMonitorStart,
    MixMonitorStop,
    Newchannel,
    QueueCallerAbandon,
    QueueCallerJoin,
    QueueCallerLeave,
    QueueEntry,
    QueueMember,
    QueueMemberPause,
    StatusItem,
    UserEvent,
    build,
)
from cti.ami.link import CLASSES
from cti.ami.stats import LinkStats
from cti.ami.wire import Frame, FrameReader

TRANSCRIPTS = Path(__file__).parents[3] / "transcripts"
INDEX = {each["scenario"]: each for each in json.loads((TRANSCRIPTS / "index.json").read_text())}
E = TypeVar("E", bound=AmiEvent)


def frames(scenario: str) -> list[Frame]:
    reader = FrameReader()
    found = reader.feed((TRANSCRIPTS / f"{scenario}.ami").read_bytes())
    assert (reader.version, reader.malformed.count) == ("11.0.0", 0)
    return found


def events(scenario: str) -> list[AmiEvent]:
    """What the product reads of it, without the items of lists."""
    return [
        build(EVENTS[frame.event], frame.headers())
        for frame in frames(scenario)
        if frame.event in EVENTS and not frame.action_id
    ]


def items(scenario: str, action_id_of: bytes) -> list[AmiEvent]:
    """The items of one name."""
    return [
        build(ITEMS[action_id_of], frame.headers())
        for frame in frames(scenario)
        if frame.event == action_id_of and frame.action_id
    ]


def only(kind: type[E], told: list[AmiEvent]) -> list[E]:
    return [event for event in told if isinstance(event, kind)]


def test_every_file_is_in_the_index() -> None:
    assert {path.stem for path in TRANSCRIPTS.glob("*.ami")} == set(INDEX)
    assert all(each["asterisk"].startswith("Asterisk 22") for each in INDEX.values())


@pytest.mark.parametrize("scenario", INDEX)
def test_every_frame_is_read(scenario: str) -> None:
    names = Counter(frame.event.decode() or "(response)" for frame in frames(scenario))
    assert dict(names) == INDEX[scenario]["events"]


@pytest.mark.parametrize("scenario", INDEX)
async def test_nothing_of_it_is_malformed_in_any_chunks(scenario: str) -> None:
    raw = (TRANSCRIPTS / f"{scenario}.ami").read_bytes()
    for size in (len(raw), 1_000, 61):
        told: list[AmiEvent] = []
        stats = LinkStats()
        connection = Connection(told.extend, stats, time.time)
        for start in range(0, len(raw), size):
            connection.received(raw[start : start + size])
        assert stats.malformed.count == 0
        listed = [frame for frame in frames(scenario) if frame.event in EVENTS]
        assert told == [build(EVENTS[frame.event], frame.headers()) for frame in listed]


@pytest.mark.parametrize("scenario", INDEX)
def test_events_are_stamped_and_in_order(scenario: str) -> None:
    """`timestampevents=yes`, FullyBooted at sign-in excepted; neighbours may change places."""
    told = [event for event in events(scenario) if not isinstance(event, FullyBooted)]
    stamps = [event.timestamp for event in told]
    assert None not in stamps
    for earlier, later in pairwise(stamps):
        assert earlier is not None
        assert later is not None
        assert later > earlier - 0.05


def test_every_event_is_of_a_class_that_the_link_asks_for() -> None:
    asked = set(CLASSES.split(","))
    for scenario in INDEX:
        for frame in frames(scenario):
            privilege = frame.headers().get("Privilege")
            if frame.event in EVENTS and isinstance(privilege, str):
                assert asked.intersection(privilege.split(",")), frame


@pytest.mark.parametrize("scenario", [name for name in INDEX if not name.startswith("busy")])
def test_every_channel_that_ended_was_made(scenario: str) -> None:
    told = events(scenario)
    made = {event.uniqueid for event in only(Newchannel, told)}
    assert {event.uniqueid for event in only(Hangup, told)} <= made


def test_inbound_call() -> None:
    new, *rest = events("inbound_call")
    assert isinstance(new, Newchannel)
    assert (new.caller_name, new.exten) == ("张三", "1000")
    assert (new.state, new.linkedid == new.uniqueid) == (4, True)
    (probe,) = only(UserEvent, rest)
    assert (probe.name, probe.uniqueid, probe.headers["Step"]) == (
        "ZxProbe",
        new.uniqueid,
        "answered",
    )


def test_names_with_quotation_marks() -> None:
    names = {event.caller_name for event in only(Newchannel, events("busy_hour"))}
    assert {"Zhang San", "王五", "李四", "Pat O'Brien"} <= names


@pytest.mark.parametrize(
    ("scenario", "statuses"),
    [
        ("redirect_answered_agent_hangs_up", ["ANSWER"]),
        ("redirect_answered_customer_hangs_up", ["ANSWER"]),
        ("redirect_no_answer", ["NOANSWER"]),
        ("redirect_busy", ["BUSY"]),
        ("caller_leaves_while_ringing", ["CANCEL"]),
        # The native queue ends a missed dial twice.
        ("native_queue_missed_and_abandoned", ["NOANSWER", "CANCEL"]),
    ],
)
def test_how_dials_end(scenario: str, statuses: list[str]) -> None:
    told = events(scenario)
    assert [event.dial_status for event in only(DialEnd, told)] == statuses
    bridged = len({event.uniqueid for event in only(BridgeEnter, told)})
    assert bridged == (2 if statuses == ["ANSWER"] else 0)


def test_dialled_channel_shares_the_linkedid() -> None:
    told = events("redirect_answered_agent_hangs_up")
    (end,) = only(DialEnd, told)
    assert end.linkedid == end.dest_linkedid == end.uniqueid != end.dest_uniqueid


def test_hold_is_told_by_the_holders_channel() -> None:
    kinds = [
        (type(event).__name__, event.channel.split("-")[0])
        for event in events("hold_and_unhold")
        if type(event).__name__ in ("Hold", "Unhold")
    ]
    assert kinds == [("Hold", "PJSIP/8001"), ("Unhold", "PJSIP/8001")]


def test_blind_transfer() -> None:
    told = events("blind_transfer")
    (transfer,) = only(BlindTransfer, told)
    customer, agent = (event.uniqueid for event in only(Newchannel, told)[:2])
    assert (transfer.result, transfer.extension) == ("Success", "8002")
    assert (transfer.transferer_uniqueid, transfer.transferee_uniqueid) == (agent, customer)
    assert len({event.linkedid for event in only(Newchannel, told)}) == 1


def test_attended_transfer() -> None:
    told = events("attended_transfer")
    (transfer,) = only(AttendedTransfer, told)
    customer, agent, consult, target = (event.uniqueid for event in only(Newchannel, told))
    assert (transfer.result, transfer.dest_type) == ("Success", "Bridge")
    assert (transfer.first_uniqueid, transfer.second_uniqueid) == (agent, consult)
    assert (transfer.transferee_uniqueid, transfer.target_uniqueid) == (customer, target)
    assert transfer.dest_bridge_id is not None
    swapped = [event.swap_uniqueid for event in only(BridgeEnter, told) if event.swap_uniqueid]
    assert swapped == [consult]


def test_local_channel() -> None:
    (tied,) = only(LocalBridge, events("local_channel"))
    assert tied.local_one_channel.endswith(";1")
    assert tied.local_two_channel.endswith(";2")
    assert tied.local_one_uniqueid != tied.local_two_uniqueid


def test_native_queue() -> None:
    told = events("native_queue_answered")
    (join,) = only(QueueCallerJoin, told)
    assert (join.queue, join.position, join.count) == ("native", 1, 1)
    assert only(QueueCallerLeave, told)[0].count == 0
    (connect,) = only(AgentConnect, told)
    assert (connect.interface, connect.member_name) == ("PJSIP/8001", "Wang")
    assert only(AgentComplete, told)[0].reason == "agent"


def test_native_queue_missed_and_abandoned() -> None:
    told = events("native_queue_missed_and_abandoned")
    assert only(AgentRingNoAnswer, told)[0].ring_milliseconds == pytest.approx(5_000, abs=500)
    pauses = [(event.paused, event.paused_reason) for event in only(QueueMemberPause, told)]
    assert pauses == [(True, "lunch"), (False, None)]
    (abandon,) = only(QueueCallerAbandon, told)
    assert abandon.hold_seconds == pytest.approx(5, abs=1.5)


def test_recording() -> None:
    """MixMonitorStop comes of StopMixMonitor only: at a hang-up the Hangup is all there is."""
    told = events("recording")
    assert len(only(MixMonitorStart, told)) == len(only(MixMonitorStop, told)) == 1
    assert [event.mute for event in only(MixMonitorMute, told)] == [True, False]


def test_status_with_variables() -> None:
    (channel,) = items("caller_gives_up", b"Status")
    assert isinstance(channel, StatusItem)
    assert channel.variables == {"ZX_QUEUE": "sales", "ZX_LEVEL": "gold=1"}
    assert (channel.state, channel.context, channel.application) == (6, "from-trunk", "Wait")
    assert (channel.timestamp, channel.bridge_id) == (None, None)


def test_whole_state() -> None:
    channels = [item for item in items("whole_state", b"Status") if isinstance(item, StatusItem)]
    talking = [channel for channel in channels if channel.bridge_id]
    assert {channel.channel.split("-")[0] for channel in talking} == {"PJSIP/trunk", "PJSIP/8001"}
    assert len({channel.bridge_id for channel in talking}) == 1
    devices = {
        item.device: item.device_state
        for item in items("whole_state", b"DeviceStateChange")
        if isinstance(item, DeviceStateChange)
    }
    assert devices["PJSIP/8001"] == "INUSE"
    (member,) = items("whole_state", b"QueueMember")
    assert isinstance(member, QueueMember)
    assert (member.interface, member.member_name, member.paused) == ("PJSIP/8001", "Wang", False)
    (waiting,) = items("whole_state", b"QueueEntry")
    assert isinstance(waiting, QueueEntry)
    assert waiting.uniqueid in {channel.uniqueid for channel in channels}


def test_refusals() -> None:
    told = [frame.headers() for frame in frames("refused_actions")]
    assert [(headers["Response"], headers["Message"]) for headers in told[1:4]] == [
        ("Error", "Channel does not exist: PJSIP/none-1"),
        ("Error", "No such channel"),
        ("Error", "Permission denied"),
    ]
    assert all("ActionID" in headers for headers in told)
