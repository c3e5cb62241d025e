"""Events of a busy call centre, parsed and dispatched: our link beside panoramisk and pystrix.

A server in a process of its own replays a recorded stream over loopback, as fast as it is read.
Each client signs in, has a handler for each of the same twenty event names, and is measured from
its request for the stream until its handler of the last event ran: events for each second of CPU
that its process used, so that what else the machine does weighs little. The clients take turns;
medians count.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import re
import socket
import statistics
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from multiprocessing.connection import Connection as Pipe
from pathlib import Path
from typing import Any

import panoramisk
import uvloop
from pystrix.ami import Manager as PystrixManager
from pystrix.ami import core as pystrix_core

from bench.report import Report, figure, report
from cti.ami.actions import UserEvent as UserEventAction
from cti.ami.events import AmiEvent
from cti.ami.link import AmiLink, LinkInput, LinkSettings
from cti.ami.wire import FrameReader
from cti.inputs import PbxEvent, PbxSnapshot

TRANSCRIPTS = Path(__file__).parent.parent / "tests" / "transcripts"
STREAMS = {"product's classes": "busy_hour", "all classes": "busy_hour_all_classes"}
EVENTS = 40_000
ROUNDS = 5
GOAL = 5.0
TIMEOUT_SECONDS = 60.0

NAMES = (
    *("Newchannel", "Newstate", "NewCallerid", "Rename", "HangupRequest", "SoftHangupRequest"),
    *("Hangup", "Hold", "Unhold", "DialBegin", "DialState", "DialEnd", "BridgeEnter"),
    *("BridgeLeave", "BlindTransfer", "AttendedTransfer", "LocalBridge", "DeviceStateChange"),
    *("UserEvent", "MixMonitorStop"),
)
LAST_NAME = "MixMonitorStop"
LAST = (
    b"Event: MixMonitorStop\r\nPrivilege: call,all\r\nTimestamp: 1700000000.000000\r\n"
    b"Channel: PJSIP/last-1\r\nUniqueid: 1.1\r\nLinkedid: 1.1\r\n\r\n"
)
START = "ZxStream"
HOST = "127.0.0.1"

_ACTION_ID = re.compile(rb"ActionID: ([^\r]*)")


def stream(transcript: str) -> tuple[bytes, int]:
    """The events of a transcript, repeated until there are about EVENTS; and how many there are."""
    raw = (TRANSCRIPTS / f"{transcript}.ami").read_bytes()
    frames = [frame.raw for frame in FrameReader().feed(raw) if frame.event]
    repeats = max(1, round(EVENTS / len(frames)))
    return b"".join(frame + b"\r\n\r\n" for frame in frames) * repeats + LAST, (
        len(frames) * repeats + 1
    )


# --- the server ----------------------------------------------------------------------------------


def _serve(pipe: Pipe, replay: bytes) -> None:
    """Listen on a free port, told through the pipe, until the process is ended."""
    with socket.create_server((HOST, 0)) as server:
        pipe.send(server.getsockname()[1])
        while True:
            client, _ = server.accept()
            threading.Thread(target=_answer, args=(client, replay), daemon=True).start()


def _answer(client: socket.socket, replay: bytes) -> None:
    """Accept every action; send the stream when it is asked for."""
    with client, client.makefile("rb") as lines:
        client.sendall(b"Asterisk Call Manager/11.0.0\r\n")
        action = b""
        for line in lines:
            action += line
            if line != b"\r\n":
                continue
            action_id = _ACTION_ID.search(action)
            client.sendall(
                b"Response: Success\r\nActionID: %b\r\nChallenge: 1\r\nTimestamp: %f\r\n"
                b"Message: Authentication accepted\r\n\r\n"
                % (action_id[1] if action_id else b"", time.time())
            )
            if START.encode() in action:
                client.sendall(replay)
            action = b""


# --- the clients ---------------------------------------------------------------------------------


class Tally:
    """Twenty handlers that count; `done` is called by the handler of the last event."""

    def __init__(self, done: Callable[[], None]) -> None:
        self.counts: Counter[str] = Counter()
        self.done = done

    def handler(self, name: str) -> Callable[..., None]:
        """A handler of one event name."""

        def handle(*_: object, **__: object) -> None:
            self.counts[name] += 1
            if name == LAST_NAME:
                self.done()

        return handle


async def ours(port: int) -> tuple[float, Counter[str]]:
    """Our link, a queue, one consumer that dispatches by type."""
    finished = asyncio.Event()
    tally = Tally(finished.set)
    handlers = {name: tally.handler(name) for name in NAMES}
    waiting: deque[LinkInput] = deque()
    wake = asyncio.Event()

    def sink(item: LinkInput) -> None:
        waiting.append(item)
        wake.set()

    async def consume() -> None:
        by_type: dict[type[AmiEvent], Callable[..., None] | None] = {}
        while not finished.is_set():
            await wake.wait()
            wake.clear()
            while waiting:
                item = waiting.popleft()
                if isinstance(item, PbxEvent):
                    kind = type(item.event)
                    if kind not in by_type:
                        by_type[kind] = handlers.get(kind.__name__)
                    if (handle := by_type[kind]) is not None:
                        handle(item)

    async def no_state(_: AmiLink) -> PbxSnapshot:
        return PbxSnapshot(at=0, pbx_started_at=0, epoch=0, channels=[], device_states={})

    settings = LinkSettings(host=HOST, port=port, user="bench", secret="bench")  # noqa: S106
    async with AmiLink(settings, sink, resync=no_state) as link:
        consumer = asyncio.create_task(consume())
        await link.wait_for("ready")
        began = time.process_time()
        link.post(UserEventAction(user_event=START))
        await asyncio.wait_for(finished.wait(), TIMEOUT_SECONDS)
        seconds = time.process_time() - began
        await consumer
    return seconds, tally.counts


async def stock_panoramisk(port: int) -> tuple[float, Counter[str]]:
    """panoramisk as it comes, one callback for each name."""
    finished = asyncio.Event()
    tally = Tally(finished.set)
    account = {"username": "bench", "secret": "bench"}
    manager: Any = panoramisk.Manager(
        loop=asyncio.get_running_loop(), host=HOST, port=port, **account
    )
    for name in NAMES:
        manager.register_event(name, tally.handler(name))
    await manager.connect()
    await asyncio.wait_for(manager.authenticated_future, TIMEOUT_SECONDS)
    began = time.process_time()
    manager.send_action({"Action": "UserEvent", "UserEvent": START})
    await asyncio.wait_for(finished.wait(), TIMEOUT_SECONDS)
    seconds = time.process_time() - began
    manager.close()
    return seconds, tally.counts


def pystrix(port: int) -> tuple[float, Counter[str]]:
    """pystrix as it comes: a thread reads, another dispatches."""
    finished = threading.Event()
    tally = Tally(finished.set)
    manager: Any = PystrixManager()
    for name in NAMES:
        manager.register_callback(name, tally.handler(name))
    manager.connect(HOST, port)
    manager.send_action(pystrix_core.Login("bench", "bench"))
    began = time.process_time()
    # From a thread of its own, because it polls for the response while the stream comes.
    asking = threading.Thread(
        target=manager.send_action, args=(pystrix_core.UserEvent(**{START: ""}),)
    )
    asking.start()
    if not finished.wait(TIMEOUT_SECONDS):
        raise TimeoutError("pystrix did not come to the end of the stream")
    seconds = time.process_time() - began
    asking.join()
    manager.close()
    return seconds, tally.counts


def _on_loop(client: Callable[[int], Any]) -> Callable[[int], tuple[float, Counter[str]]]:
    def run_client(port: int) -> tuple[float, Counter[str]]:
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            result: tuple[float, Counter[str]] = runner.run(client(port))
            return result

    return run_client


CLIENTS: dict[str, Callable[[int], tuple[float, Counter[str]]]] = {
    "ours": _on_loop(ours),
    "panoramisk": _on_loop(stock_panoramisk),
    "pystrix": pystrix,
}

ORDER = ("ours", "panoramisk", "ours", "pystrix", "ours")
"""One round. We take a fraction of a rival's time, so what disturbs us then weighs more: thrice."""


def measure(transcript: str, rounds: int = ROUNDS) -> dict[str, float]:
    """Median events per second of each client; all must have handled the same events."""
    replay, events = stream(transcript)
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    server = context.Process(target=_serve, args=(there, replay), daemon=True)
    server.start()
    try:
        port = here.recv()
        rates: dict[str, list[float]] = {name: [] for name in CLIENTS}
        for _ in range(rounds):
            counts = {}
            for name in ORDER:
                seconds, counts[name] = CLIENTS[name](port)
                rates[name].append(events / seconds)
            if len({frozenset(each.items()) for each in counts.values()}) != 1:
                raise RuntimeError(f"the clients did not handle the same events: {counts}")
    finally:
        server.terminate()
        server.join()
    return {name: statistics.median(each) for name, each in rates.items()}


def run() -> Report:
    """Measure all streams."""
    began = time.perf_counter()
    figures = []
    for about, transcript in STREAMS.items():
        rates = measure(transcript)
        for rival, goal in (("panoramisk", GOAL), ("pystrix", None)):
            figures.append(
                figure(
                    f"events parsed and dispatched, {len(NAMES)} names, {about}",
                    round(rates["ours"]),
                    "events/s of CPU",
                    better="higher",
                    rival=rival,
                    rival_value=round(rates[rival]),
                    goal=goal,
                )
            )
    return report("ami", time.perf_counter() - began, figures)
