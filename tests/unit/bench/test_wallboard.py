"""The bench's own client, and how its figures are judged; at work it is an integration test."""

import asyncio
import time
from array import array

import pytest

from bench import wallboard
from bench.wallboard import Measured, Rounds, Samples, Watcher, figures, masked
from web.live_socket import _framed


class Wire:
    """What the client sends."""

    def __init__(self) -> None:
        self.sent = b""

    def write(self, data: bytes) -> None:
        self.sent += data


async def connected(samples: Samples) -> tuple[Watcher, Wire]:
    client, wire = Watcher(b"GET", samples), Wire()
    client.connection_made(wire)  # type: ignore[arg-type]
    client.data_received(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
    return client, wire


async def test_updates_are_read_however_they_are_cut_up():
    samples = Samples()
    samples.counts = True
    client, wire = await connected(samples)
    assert wire.sent == b"GET" + masked(wallboard.SUBSCRIBE)
    at = time.time() - 1
    update = b'{"rows":{"v":{"entered_at":%.6f,"x":1}},"pad":"%s"}'
    stream = b"".join(_framed(update % (at, b"p" * size)) for size in (0, 300, 70_000))
    for begin in range(0, len(stream), 999):
        client.data_received(stream[begin : begin + 999])
    assert client.ready.done()
    assert list(samples.behind) == pytest.approx([1, 1, 1], abs=0.5)


async def test_pings_are_answered_and_are_no_updates():
    samples = Samples()
    samples.counts = True
    client, wire = await connected(samples)
    client.data_received(b"\x89\x02hi")
    assert wire.sent.endswith(masked(b"hi", opcode=10))
    assert not samples.behind


async def test_a_refusal_is_told():
    client = Watcher(b"GET", Samples())
    client.connection_made(Wire())  # type: ignore[arg-type]
    client.data_received(b"HTTP/1.1 403 Forbidden\r\n\r\n")
    with pytest.raises(ConnectionError, match="403"):
        await asyncio.wait_for(client.ready, 1)


def of(seconds: float, share: float = 1.0) -> Measured:
    return Measured(array("d", [seconds] * 200), share, 0.2, 5000.0)


def test_what_one_client_that_reads_nothing_changes_is_judged():
    calm = Rounds([of(0.1)] * 3, [of(0.11)] * 3, of(0.5), of(0.5, 0.1))
    assert all(each.ok for each in figures(calm))
    hurt = Rounds([of(0.1)] * 3, [of(0.13)] * 3, of(0.5), of(0.5, 0.1))
    assert [each.name for each in figures(hurt) if not each.ok] == [
        "behind, 1000 clients, 10 updates/s: one reads nothing, p99, least of rounds"
    ]
    late = Rounds([of(0.3)] * 3, [of(0.3)] * 3, of(0.5), of(0.5, 0.1))
    assert [each.name for each in figures(late) if not each.ok] == [
        "behind, 1000 clients, 10 updates/s: goal, p99"
    ]
