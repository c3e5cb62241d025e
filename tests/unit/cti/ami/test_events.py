"""Headers to typed events."""

import msgspec
import pytest

from cti.ami.errors import MalformedFrameError
from cti.ami.events import (
    EVENTS,
    HEADERS,
    ITEMS,
    AmiEvent,
    DialBegin,
    Hangup,
    MixMonitorMute,
    Newchannel,
    QueueMemberPause,
    StatusItem,
    UserEvent,
    build,
)

CHANNEL = {"Channel": "PJSIP/8001-1", "Uniqueid": "17.1", "Linkedid": "17.0"}


def test_fields_are_found_by_header_and_converted() -> None:
    headers = {**CHANNEL, "Timestamp": "1700000000.25", "ChannelState": "6", "Cause": "16"}
    event = build(Hangup, {**headers, "CallerIDNum": "13800138000", "Cause-txt": "Normal"})
    assert event == Hangup(
        timestamp=1_700_000_000.25,
        channel="PJSIP/8001-1",
        uniqueid="17.1",
        linkedid="17.0",
        state=6,
        caller_number="13800138000",
        cause=16,
        cause_text="Normal",
    )


def test_missing_headers_are_none_and_not_empty() -> None:
    event = build(Newchannel, dict(CHANNEL))
    assert isinstance(event, Newchannel)
    assert (event.timestamp, event.caller_number, event.exten) == (None, None, None)


@pytest.mark.parametrize("missing", sorted(CHANNEL))
def test_needed_header_that_is_missing_is_malformed(missing: str) -> None:
    headers = {name: value for name, value in CHANNEL.items() if name != missing}
    with pytest.raises(MalformedFrameError):
        build(Newchannel, headers)


@pytest.mark.parametrize("timestamp", ["", "x", "nan", "inf", "-1", "1e400", "99999999999999"])
def test_timestamp_that_is_none_is_malformed(timestamp: str) -> None:
    with pytest.raises(MalformedFrameError, match="Newchannel"):
        build(Newchannel, {**CHANNEL, "Timestamp": timestamp})


@pytest.mark.parametrize("cause", ["", "x", "1.5", "0x10"])
def test_number_that_is_none_is_malformed(cause: str) -> None:
    with pytest.raises(MalformedFrameError):
        build(Hangup, {**CHANNEL, "Cause": cause})


def test_needed_header_that_is_repeated_is_malformed() -> None:
    with pytest.raises(MalformedFrameError):
        build(Newchannel, {**CHANNEL, "Uniqueid": ["17.1", "17.2"]})


def test_second_channel_of_a_dial_has_a_prefix() -> None:
    dest = {f"Dest{name}": value for name, value in CHANNEL.items()}
    event = build(DialBegin, {**dest, "DialString": "8001"})
    assert isinstance(event, DialBegin)
    assert (event.channel, event.dest_uniqueid, event.dial_string) == (None, "17.1", "8001")


def test_words_for_yes_and_no() -> None:
    paused = build(QueueMemberPause, {"Queue": "q", "Interface": "i", "Paused": "1"})
    assert isinstance(paused, QueueMemberPause)
    assert (paused.paused, paused.in_call) == (True, False)
    mute = build(MixMonitorMute, {**CHANNEL, "Direction": "both", "State": "0"})
    assert isinstance(mute, MixMonitorMute)
    assert mute.mute is False


def test_channel_variables() -> None:
    event = build(
        Newchannel, {**CHANNEL, "ChanVariable": ["ZX_QUEUE=sales", "NONE=", "NULL=(null)", "A=b=c"]}
    )
    assert isinstance(event, Newchannel)
    assert event.variables == {"ZX_QUEUE": "sales", "A": "b=c"}
    item = build(StatusItem, {**CHANNEL, "Variable": "ZX_QUEUE=sales"})
    assert isinstance(item, StatusItem)
    assert item.variables == {"ZX_QUEUE": "sales"}


def test_user_event_keeps_its_free_headers() -> None:
    event = build(UserEvent, {**CHANNEL, "UserEvent": "ZxEnter", "Queue": "sales"})
    assert isinstance(event, UserEvent)
    assert (event.name, event.uniqueid) == ("ZxEnter", "17.1")
    assert event.headers["Queue"] == "sales"


def test_user_event_cannot_claim_to_be_another_channels() -> None:
    event = build(UserEvent, {**CHANNEL, "UserEvent": "Zx", "Uniqueid": ["17.1", "66.6"]})
    assert isinstance(event, UserEvent)
    assert (event.uniqueid, event.headers["Uniqueid"]) == ("17.1", "17.1")


@pytest.mark.parametrize("header", ["headers", "variables", "ChanVariable", "timestamp", "name"])
def test_user_event_with_our_own_words_as_headers(header: str) -> None:
    event = build(UserEvent, {"UserEvent": "Zx", header: "x"})
    assert isinstance(event, UserEvent)
    assert (event.name, event.headers[header]) == ("Zx", "x")


@pytest.mark.parametrize("kind", [*EVENTS.values(), *ITEMS.values()])
def test_every_field_has_a_header(kind: type[AmiEvent]) -> None:
    """A field without an entry in the table would silently stay at its default."""
    for field in msgspec.structs.fields(kind):
        assert field.encode_name != field.name or field.name in HEADERS


def test_table_is_by_name_on_the_wire() -> None:
    assert EVENTS[b"Hangup"] is Hangup
    assert ITEMS[b"Status"] is StatusItem
    assert b"VarSet" not in EVENTS
