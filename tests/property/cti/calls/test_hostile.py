"""Events that no Asterisk would send: mixed-up ids, names and orders must do no harm."""

from __future__ import annotations

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from cti import domain as d
from cti.ami import events as ami
from cti.inputs import ChannelState
from tests.property.cti.calls.test_calls import check_replay, check_whole
from tests.unit.cti.calls.builders import START, Stage

UNIQUEIDS = st.sampled_from(["1.1", "1.2", "1.3", "1.10", "x", ""])
NAMES = st.sampled_from(
    [
        *("PJSIP/8001-01", "PJSIP/8002-02", "PJSIP/trunk-03", "PJSIP/8001-01<ZOMBIE>"),
        *("Local/a@b-01;1", "Local/a@b-01;2", "CBAnn/x;1", "SIP/", "/", "", "坐席"),
    ]
)
BRIDGES = st.sampled_from(["b1", "b2", "b3", ""])
TEXTS = st.sampled_from([None, "8001", "8002", "s", "", "+8613800138000", "\x00" * 200])
TIMES = st.floats(min_value=START - 100, max_value=START + 100)
CHANNEL = {
    "channel": NAMES,
    "uniqueid": UNIQUEIDS,
    "linkedid": UNIQUEIDS,
    "state": st.integers(-1, 9),
    "caller_number": TEXTS,
    "caller_name": TEXTS,
    "exten": TEXTS,
}
BRIDGED = {
    **CHANNEL,
    "bridge_id": BRIDGES,
    "bridge_technology": st.sampled_from([None, "simple_bridge", "holding_bridge"]),
}
EVENTS = st.one_of(
    *(st.builds(kind, **CHANNEL) for kind in (ami.Newchannel, ami.Newstate, ami.HangupRequest)),
    *(st.builds(kind, **CHANNEL) for kind in (ami.Hold, ami.Unhold)),
    *(st.builds(kind, **BRIDGED) for kind in (ami.BridgeEnter, ami.BridgeEnter, ami.BridgeLeave)),
    st.builds(ami.Hangup, **CHANNEL, cause=st.integers(-5, 999), cause_text=st.text()),
    st.builds(ami.Rename, channel=NAMES, new_name=NAMES, uniqueid=UNIQUEIDS),
    st.builds(
        ami.DialBegin,
        dest_channel=NAMES,
        dest_uniqueid=UNIQUEIDS,
        dest_linkedid=UNIQUEIDS,
        channel=NAMES,
        uniqueid=UNIQUEIDS,
    ),
    st.builds(
        ami.BlindTransfer,
        result=st.sampled_from(["Success", "Fail", ""]),
        transferer_channel=NAMES,
        transferer_uniqueid=UNIQUEIDS,
        transferer_linkedid=UNIQUEIDS,
        extension=TEXTS,
    ),
    st.builds(
        ami.AttendedTransfer,
        result=st.sampled_from(["Success", "Fail"]),
        first_channel=NAMES,
        first_uniqueid=UNIQUEIDS,
        first_linkedid=UNIQUEIDS,
        second_channel=NAMES,
        second_uniqueid=UNIQUEIDS,
        second_linkedid=UNIQUEIDS,
        target_uniqueid=st.none() | UNIQUEIDS,
    ),
    st.builds(
        ami.UserEvent,
        name=st.sampled_from(["ZxEnter", "ZxRecord", ""]),
        channel=st.none() | NAMES,
        uniqueid=st.none() | UNIQUEIDS,
        headers=st.fixed_dictionaries({}, optional={"File": st.text() | st.just("a.wav")}),
    ),
    st.builds(ami.MixMonitorMute, **CHANNEL, direction=st.text(), mute=st.booleans()),
)
CHANNELS = st.lists(
    st.builds(
        ChannelState,
        name=NAMES,
        uniqueid=UNIQUEIDS,
        linkedid=UNIQUEIDS,
        state=st.integers(-1, 9),
        exten=TEXTS,
        caller_number=TEXTS,
        bridge_id=st.none() | BRIDGES,
        application=st.sampled_from([None, "Dial", "Park"]),
        duration_seconds=st.floats(0, 1_000),
    ),
    max_size=5,
    unique_by=lambda channel: channel.uniqueid,
)


@settings(max_examples=200, deadline=None)
@given(
    before=st.lists(st.tuples(EVENTS, TIMES), max_size=40),
    channels=CHANNELS,
    gap=st.tuples(st.none() | TIMES, st.none() | TIMES),
    after=st.lists(st.tuples(EVENTS, TIMES), max_size=40),
)
def test_no_event_and_no_snapshot_does_harm(before, channels, gap, after):
    stage = Stage()
    for event, at in before:
        stage.feed(event, at)
    snapshot = msgspec.structs.replace(stage.pbx.snapshot(), channels=channels)
    stage.adopt(snapshot, *gap)
    assert stage.adopt(snapshot, *gap) == []
    for event, at in after:
        stage.feed(event, at)
    stage.pbx.wait(200)
    stage.adopt()
    assert list(stage.calls.live()) == []
    check_whole(stage)
    check_replay(stage)
    assert not stage.calls.decide(ami.Shutdown(), START)
    assert all(isinstance(event, d.CallEvent) for event in stage.events)
