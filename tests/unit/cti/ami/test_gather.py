"""A busy link is read in gathered pieces, a calm one at once."""

import asyncio

import pytest

from cti.ami.connection import (
    BUSY_BYTES,
    CALM_BYTES,
    FULL_READ_BYTES,
    GATHER_SECONDS,
    Connection,
    _Protocol,
    gather_seconds,
)
from cti.ami.stats import LinkStats

BUSY_READS = 3000
"""So many pongs at once are a busy link's."""
PING = b"Response: Success\r\nActionID: nobody's\r\n\r\n"


class Transport(asyncio.Transport):
    """Notes whether it is read."""

    def __init__(self) -> None:
        self.reading = True
        self.resumed = asyncio.Event()

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True
        self.resumed.set()

    def abort(self) -> None:
        self.reading = False


def connected() -> tuple[_Protocol, Transport]:
    protocol, transport = _Protocol(), Transport()
    protocol.owner = Connection(lambda _: None, LinkStats(), lambda: 0.0)
    protocol.connection_made(transport)
    protocol.data_received(b"Asterisk Call Manager/11.0.0\r\n")
    return protocol, transport


async def test_a_calm_link_is_read_at_once() -> None:
    protocol, transport = connected()
    for _ in range(20):
        protocol.data_received(PING)
        assert transport.reading


async def test_a_busy_link_gathers_and_goes_on() -> None:
    protocol, transport = connected()
    for _ in range(BUSY_READS):
        protocol.data_received(PING)
    assert not transport.reading
    await transport.resumed.wait()
    assert transport.reading


def test_the_pause_grows_with_the_traffic() -> None:
    assert gather_seconds(0) == gather_seconds(CALM_BYTES) == 0
    assert 0 < gather_seconds(CALM_BYTES * 1.5) < gather_seconds(CALM_BYTES * 2) < GATHER_SECONDS
    assert gather_seconds(BUSY_BYTES) == gather_seconds(BUSY_BYTES * 100) == GATHER_SECONDS


async def test_a_list_that_is_waited_for_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Connection, "expects_list", property(lambda _: True))
    protocol, transport = connected()
    for _ in range(BUSY_READS):
        protocol.data_received(PING)
        assert transport.reading


async def test_a_full_read_says_that_more_is_there() -> None:
    protocol, transport = connected()
    for _ in range(BUSY_READS):
        protocol.data_received(PING * (FULL_READ_BYTES // len(PING) + 1))
        assert transport.reading


async def test_an_ended_connection_is_not_read_on() -> None:
    protocol, transport = connected()
    for _ in range(BUSY_READS):
        protocol.data_received(PING)
    protocol.close()
    await asyncio.sleep(0)
    protocol._read_on()
    assert not transport.reading
