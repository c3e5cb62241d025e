"""One connection to Asterisk's manager port: frames in, actions out, answers to who waits for them.

The only module that knows panoramisk. Its protocol and manager are the base; what they do with
bytes, answers and losses is replaced here, because panoramisk decodes each chunk of TCP by itself,
lets line breaks in values become actions, never fails an action whose connection is lost but sends
it again on the next, and reconnects even when it was closed.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import ssl
from collections.abc import Callable
from typing import Any

import panoramisk
from panoramisk.ami_protocol import AMIProtocol

from cti.ami.actions import Action, Outcome
from cti.ami.errors import (
    AmiEncodeError,
    LinkDownError,
    ListFailedError,
    RightsMissingError,
)
from cti.ami.events import EVENTS, ITEMS, AmiEvent
from cti.ami.layout import Layouts
from cti.ami.stats import LinkStats
from cti.ami.wire import Frame, FrameReader, encode_action

GATHER_SECONDS = 0.1
"""The longest pause after a read, on a busy link. Asterisk writes each event by itself, a dozen and
more of them for one call: what gathers meanwhile is one read, one step of the consumer and one
write of the journal. Such a round costs as much as a whole call's events by themselves."""
CALM_BYTES, BUSY_BYTES = 120_000.0, 260_000.0
"""Bytes a second (20 and 45 calls a second) up to which every read is taken at once, and from which
on the pause is the longest; between them it grows evenly."""
RATE_SECONDS = 0.5
"""What came so long ago weighs a third in the rate."""
FULL_READ_BYTES = 65_536
"""A read of so much says that more is there already."""

Events = Callable[[list[AmiEvent]], None]
"""Takes the typed events of one read, in order."""


def gather_seconds(bytes_per_second: float) -> float:
    """How long to pause after a read, 0 on a calm link."""
    share = (bytes_per_second - CALM_BYTES) / (BUSY_BYTES - CALM_BYTES)
    return GATHER_SECONDS * max(0.0, min(1.0, share))


class _Rate:
    """Bytes a second, the last ones weighing most."""

    def __init__(self) -> None:
        self._rate = 0.0
        self._at = 0.0

    def add(self, count: int, now: float) -> float:
        """So many came at `now` (seconds of any clock); returns the rate."""
        faded = math.exp((self._at - now) / RATE_SECONDS)
        self._rate, self._at = self._rate * faded + count / RATE_SECONDS, now
        return self._rate


class _Protocol(AMIProtocol):  # type: ignore[misc] # panoramisk has no types
    """panoramisk's protocol, with our reading, writing and losing."""

    owner: Connection

    def __init__(self) -> None:
        self._rate = _Rate()

    def data_received(self, data: bytes) -> None:
        self.owner.received(data)
        if self.closed or self.owner.expects_list:
            return
        loop = asyncio.get_running_loop()
        pause = gather_seconds(self._rate.add(len(data), loop.time()))
        if pause > 0 and len(data) < FULL_READ_BYTES:
            self.transport.pause_reading()
            loop.call_later(pause, self._read_on)

    def _read_on(self) -> None:
        if not self.closed:
            self.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self.owner.lost_now(f"the connection broke: {exc}" if exc else "Asterisk hung up")

    def send(self, data: bytes, as_list: bool = False) -> None:
        self.transport.write(data)

    def close(self) -> None:
        """End at once, without panoramisk's list of actions to send again."""
        if not self.closed:
            self.closed = True
            self.transport.abort()


class _Manager(panoramisk.Manager):  # type: ignore[misc]
    """panoramisk's manager for one connection: it opens, and neither signs in nor reconnects."""

    def connection_made(self, f: asyncio.Future[tuple[Any, _Protocol]]) -> None:
        if not f.cancelled() and f.exception() is None:
            self.protocol = f.result()[1]

    def close(self) -> None:
        if self.protocol is not None:
            self.protocol.close()


class _Waiting:
    """An action that was sent and whose answer is awaited; of a list, its items so far."""

    __slots__ = ("future", "items", "lists", "timer")

    def __init__(self, future: asyncio.Future[Outcome], *, lists: bool) -> None:
        self.future = future
        self.lists = lists
        self.items: list[AmiEvent] = []
        self.timer: asyncio.TimerHandle | None = None


class Connection:
    """Open with `await Connection.open(...)`; it is over when `lost` is done, with the reason.

    :ivar greeting: done when the first line came: the version in it, None when it is no greeting.
    :ivar unanswered_pings: pings sent since the last byte came; the owner counts them up.
    :ivar heard_at: epoch seconds of the last byte, None before the first.
    """

    def __init__(self, on_events: Events, stats: LinkStats, clock: Callable[[], float]) -> None:
        loop = asyncio.get_running_loop()
        self.lost: asyncio.Future[str] = loop.create_future()
        self.greeting: asyncio.Future[str | None] = loop.create_future()
        self.unanswered_pings = 0
        self.heard_at: float | None = None
        self._on_events = on_events
        self._stats = stats
        self._clock = clock
        self._loop = loop
        self._reader = FrameReader(malformed=stats.malformed)
        self._layouts = Layouts(stats.malformed)
        self._waiting: dict[str, _Waiting] = {}
        self._lists = 0
        self._ids = itertools.count(1)
        self._manager: _Manager | None = None

    async def open(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        """Connect.

        :raises OSError: nobody listens there, or the network or TLS says no.
        """

        def protocol() -> _Protocol:
            made = _Protocol()
            made.owner = self
            return made

        self._manager = _Manager(
            host=host, port=port, ssl=tls or False, protocol_factory=protocol, loop=self._loop
        )
        await self._manager.connect()

    @property
    def expects_list(self) -> bool:
        """Whether the answer to an action with a list is under way."""
        return self._lists > 0

    # --- what comes in ---------------------------------------------------------------------------

    def received(self, data: bytes) -> None:
        """Take bytes from the socket: events go to the owner, answers to who waits."""
        self.unanswered_pings = 0
        self.heard_at = self._clock()
        events: list[AmiEvent] = []
        build = self._layouts.build
        for frame in self._reader.feed(data):
            name = frame.event
            kind = EVENTS.get(name)
            if (self._lists or not name) and self._answer(frame, name):
                continue
            if kind is None:
                self._stats.ignored += 1
            elif (event := build(kind, frame)) is not None:
                events.append(event)
        if self._reader.greeted and not self.greeting.done():
            self.greeting.set_result(self._reader.version)
        if events:
            self._stats.count(events)
            self._on_events(events)

    def _answer(self, frame: Frame, name: bytes) -> bool:
        """Whether the frame belongs to an action: a response, an item of a list, or its end."""
        if name and name in EVENTS and name not in ITEMS:
            return False
        action_id = frame.action_id
        waiting = self._waiting.get(action_id)
        if not name:
            self._response(frame, action_id, waiting)
            return True
        if waiting is None or not waiting.lists:
            return False
        if (kind := ITEMS.get(name)) is not None:
            if (item := self._layouts.build(kind, frame)) is not None:
                waiting.items.append(item)
        elif frame.headers().get("EventList") == "Complete":
            self._finish(action_id, Outcome(result="done"))
        return True

    def _response(self, frame: Frame, action_id: str, waiting: _Waiting | None) -> None:
        headers = frame.headers(self._stats.malformed)
        word = headers.get("Response")
        if not isinstance(word, str):
            self._stats.malformed.add("neither an event nor a response", frame.raw)
        elif waiting is None:
            self._stats.late += 1
        elif word in ("Error", "Fail", "Failure"):
            message = str(headers.get("Message", word))
            self._finish(action_id, Outcome(result="refused", message=message, headers=headers))
        elif not waiting.lists:
            message = str(headers.get("Message", ""))
            self._finish(action_id, Outcome(result="done", message=message, headers=headers))

    # --- what goes out ---------------------------------------------------------------------------

    def post(
        self, action: Action, deadline_seconds: float, action_id: str | None = None
    ) -> asyncio.Future[Outcome]:
        """Write an action now. The future never raises, and is done by the deadline."""
        return self._post(action, deadline_seconds, action_id or self._next_id()).future

    async def collect(self, action: Action, deadline_seconds: float) -> list[AmiEvent]:
        """Send a list action and give its items, all of them.

        :raises RightsMissingError: the account may not send it.
        :raises ListFailedError: Asterisk refused otherwise, or the list did not come whole in time.
        :raises LinkDownError: the link broke.
        """
        waiting = self._post(action, deadline_seconds, self._next_id(), lists=True)
        outcome = await waiting.future
        if outcome.result == "done":
            return waiting.items
        raise failed(action, outcome)

    def _post(
        self, action: Action, deadline_seconds: float, action_id: str, *, lists: bool = False
    ) -> _Waiting:
        waiting = _Waiting(self._loop.create_future(), lists=lists)
        try:
            data = encode_action(type(action).__name__, action.headers(), action_id=action_id)
        except AmiEncodeError as error:
            return self._never_sent(waiting, str(error))
        if self.lost.done() or self._manager is None:
            return self._never_sent(waiting, "there is no link to Asterisk")
        if action_id in self._waiting:
            return self._never_sent(waiting, f"{action_id} is on its way already")
        self._waiting[action_id] = waiting
        self._lists += lists
        expired = Outcome(result="timed_out", message=f"no answer in {deadline_seconds:g} s")
        waiting.timer = self._loop.call_later(deadline_seconds, self._finish, action_id, expired)
        self._manager.protocol.send(data)
        return waiting

    def _next_id(self) -> str:
        return f"link-{next(self._ids)}"

    def _never_sent(self, waiting: _Waiting, why: str) -> _Waiting:
        self._stats.actions["refused"] += 1
        waiting.future.set_result(Outcome(result="refused", message=why))
        return waiting

    def _finish(self, action_id: str, outcome: Outcome) -> None:
        waiting = self._waiting.pop(action_id)
        self._lists -= waiting.lists
        if waiting.timer is not None:
            waiting.timer.cancel()
        self._stats.actions[outcome.result] += 1
        if not waiting.future.done():
            waiting.future.set_result(outcome)

    # --- the end ---------------------------------------------------------------------------------

    def lost_now(self, reason: str) -> None:
        """The connection is over: what waits is unknown, and nothing is sent again."""
        if self.lost.done():
            return
        self.lost.set_result(reason)
        for action_id in list(self._waiting):
            self._finish(action_id, Outcome(result="unknown", message=reason))

    def close(self, reason: str) -> None:
        """End the connection at once."""
        self.lost_now(reason)
        if self._manager is not None:
            self._manager.close()


def failed(action: Action, outcome: Outcome) -> LinkDownError | ListFailedError:
    """The error of an action that had to be done."""
    name = type(action).__name__
    if outcome.result == "unknown":
        return LinkDownError(f"{name}: {outcome.message}")
    if outcome.message == "Permission denied":
        return RightsMissingError(
            f"{name} is not permitted: give the account `read` and `write` of call, agent, user "
            "and reporting in manager.conf"
        )
    return ListFailedError(f"{name}: {outcome.message}")
