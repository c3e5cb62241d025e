"""The bench of the AMI link measures what it says."""

from collections import Counter

import pytest

from bench import ami
from cti.ami.events import EVENTS
from cti.ami.wire import FrameReader


def test_stream_is_the_recorded_one_with_its_end() -> None:
    replay, events = ami.stream("busy_hour")
    reader = FrameReader()
    reader.feed(b"Asterisk Call Manager/11.0.0\r\n")
    names = Counter(frame.event.decode() for frame in reader.feed(replay))
    assert names.total() == events == pytest.approx(ami.EVENTS, rel=0.05)
    assert names[ami.LAST_NAME] == 1
    assert len(set(ami.NAMES)) == 20
    assert {name.encode() for name in ami.NAMES} <= set(EVENTS)
    handled = sum(names[name] for name in ami.NAMES)
    assert handled > events / 2


def test_all_clients_handle_the_same_events(monkeypatch: pytest.MonkeyPatch) -> None:
    """`measure` raises when they do not."""
    monkeypatch.setattr(ami, "EVENTS", 2_000)
    rates = ami.measure("busy_hour", rounds=1)
    assert set(rates) == {"ours", "panoramisk", "pystrix"}
    assert min(rates.values()) > 0
