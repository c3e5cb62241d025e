"""The link to Asterisk: the port that the rest of the product sees.

It connects, signs in, reads the whole state while events wait, and then hands everything to one
consumer in one order: LinkUp with the snapshot, the events that waited, the events that follow. It
notices a dead peer, comes back by itself, and never sends an action twice. It runs no handler: what
happens to an input is the consumer's business, and when the consumer is too slow the inputs are
dropped and the state is read anew instead of growing without bound.
"""

from __future__ import annotations

import asyncio
import hashlib
import math
import ssl
import time
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial
from random import Random
from typing import Self

import msgspec
import structlog

from cti.ami.actions import Action, Challenge, Login, Outcome, Ping
from cti.ami.clock import ClockOffset
from cti.ami.connection import Connection
from cti.ami.errors import AmiError, LinkDownError, LoginRefusedError, RightsMissingError
from cti.ami.events import AmiEvent
from cti.ami.snapshot import read_snapshot
from cti.ami.stats import LinkState, LinkStats, LinkStatus
from cti.inputs import LinkDown, LinkUp, PbxEvent, PbxSnapshot

log = structlog.get_logger(__name__)

LinkInput = PbxEvent | LinkUp | LinkDown
Sink = Callable[[LinkInput], None]
Resync = Callable[["AmiLink"], Awaitable[PbxSnapshot]]

CLASSES = "system,call,agent,user"
"""Classes of events asked for. `reporting` (RTCP, test events) is needed for actions only."""


FINAL_REFUSALS = frozenset(("Authentication failed", "Permission denied"))
"""Refusals that a person has to mend. Others pass by themselves, as "Asterisk is shutting down"."""

HANDED_ON = 256
"""Inputs handed to the consumer before it is asked again whether it has room."""


class LinkTimings(msgspec.Struct, frozen=True, kw_only=True):
    """How long the link waits for what, in seconds.

    A dead peer is noticed after `dead_pings` unanswered pings and one interval more: 4 s.
    A link that was steady for `steady_seconds` begins its back-off anew.
    Where the consumer raises again and again, the state is read anew after `first_anew_seconds`,
    then twice as long and so on up to `last_anew_seconds`; so long without, it begins anew.
    """

    ping_seconds: float = 1.0
    dead_pings: int = 3
    connect_seconds: float = 4.0
    login_seconds: float = 5.0
    sync_seconds: float = 10.0
    first_retry_seconds: float = 0.1
    last_retry_seconds: float = 1.0
    refused_retry_seconds: float = 30.0
    steady_seconds: float = 5.0
    first_anew_seconds: float = 1.0
    last_anew_seconds: float = 60.0


class LinkSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where Asterisk is and who we are there.

    :param tls: None for plain TCP; the secret itself never travels either way.
    :param variables: channel variables that a snapshot reads.
    :param queue_limit: inputs that may wait for the consumer.
    """

    host: str
    port: int
    user: str
    secret: str
    tls: ssl.SSLContext | None = None
    variables: tuple[str, ...] = ()
    queue_limit: int = 50_000
    timings: LinkTimings = LinkTimings()

    @property
    def address(self) -> str:
        """Host and port, for people."""
        return f"{self.host}:{self.port}"

    def __repr__(self) -> str:
        return f"LinkSettings({self.user}@{self.address})"


async def _read_only(link: AmiLink) -> PbxSnapshot:
    return await link.snapshot()


class AmiLink:
    """Use as `async with AmiLink(...)`, or run `run()` as a task and end it with `close()`.

    :param sink: takes each input; must only put it aside. What it raises is logged and counted, and
        has the state read anew, for its picture is not whole any more.
    :param room: whether the consumer can take more; while it says no, inputs wait in the link.
    :param resync: reads the state at each connect and whenever inputs were lost; `link.snapshot` is
        most of it. It may set its epoch first. Anything but an AmiError that it raises ends the
        link.
    :param clock: epoch seconds.
    :param heard_until: until when Asterisk was heard before this process, None where it never was.
    :ivar stats: counters, lag, clock offset.
    """

    def __init__(
        self,
        settings: LinkSettings,
        sink: Sink,
        *,
        resync: Resync = _read_only,
        room: Callable[[], bool] = lambda: True,
        clock: Callable[[], float] = time.time,
        heard_until: float | None = None,
        random: Random | None = None,
    ) -> None:
        self.clock = clock
        self.stats = LinkStats()
        self._settings = settings
        self._timings = settings.timings
        self._sink = sink
        self._room = room
        self._resync = resync
        self._random = random or Random()  # noqa: S311 - jitter
        self._steady_offset = ClockOffset()
        self._status = LinkStatus(state="disconnected", reason="not started", since=clock())
        self._changed = asyncio.Event()
        self._connection: Connection | None = None
        self._queue: deque[LinkInput] = deque()
        self._buffer: list[LinkInput] = []
        self._overflowed = asyncio.Event()
        self._flushing: asyncio.TimerHandle | None = None
        self._mending: asyncio.TimerHandle | None = None
        self._mended_at = -math.inf
        self._mend_seconds = 0.0
        self._whole_until: float | None = None
        self._up = False
        self._known_until = heard_until
        self._closed = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    # --- what the rest of the product uses --------------------------------------------------------

    @property
    def status(self) -> LinkStatus:
        """How the link is now."""
        return self._status

    @property
    def heard_until(self) -> float | None:
        """Until when all that Asterisk said was handed on; None while it is not, or not all."""
        if self._connection is None or self._status.state != "ready" or self._queue:
            return None
        if self._mending is not None:
            return None
        return self._connection.heard_at

    async def wait_for(self, state: LinkState) -> LinkStatus:
        """Wait until the link is in this state; give its status then."""
        while self._status.state != state:
            await self._changed.wait()
        return self._status

    def post(
        self, action: Action, deadline_seconds: float = 5.0, action_id: str | None = None
    ) -> asyncio.Future[Outcome]:
        """Write an action at once, in the order of the calls.

        The future never raises and is done by the deadline. An action is sent once or never: what
        its outcome leaves unknown is for the next snapshot to tell.
        """
        if self._connection is not None:
            return self._connection.post(action, deadline_seconds, action_id)
        self.stats.actions["refused"] += 1
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        outcome.set_result(Outcome(result="refused", message="there is no link to Asterisk"))
        return outcome

    async def send(self, action: Action, *, deadline_seconds: float = 5.0) -> Outcome:
        """Write an action and wait for its outcome."""
        return await self.post(action, deadline_seconds)

    async def collect(self, action: Action, deadline_seconds: float = 10.0) -> list[AmiEvent]:
        """Send a list action and give its items, all of them.

        :raises RightsMissingError: the account may not send it.
        :raises ListFailedError: Asterisk refused otherwise, or the list did not come whole in time.
        :raises LinkDownError: there is no link, or it broke.
        """
        if self._connection is None:
            raise LinkDownError("there is no link to Asterisk: wait until its state is ready")
        return await self._connection.collect(action, deadline_seconds)

    async def snapshot(self, *, epoch: int = 0) -> PbxSnapshot:
        """Read the PBX's whole state; for use in `resync`.

        :raises AmiError: as `collect`.
        """
        return await read_snapshot(
            self,
            variables=self._settings.variables,
            epoch=epoch,
            deadline_seconds=self._timings.sync_seconds,
        )

    def pbx_time(self) -> float:
        """Now by the PBX's clock, epoch seconds, as well as pings can tell.

        The later of two: by our clock, and by one that nobody sets. Where ours was set back, until
        the next ping only the other is right; a heartbeat in the past would send callers away.
        """
        by_clock = self.clock() - self.stats.offset.seconds
        return max(by_clock, time.monotonic() - self._steady_offset.seconds)

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self.run(), name="ami-link")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """End the link for good; it does not come back."""
        self._closed.set()
        for timer in (self._flushing, self._mending):
            if timer is not None:
                timer.cancel()
        if self._task is not None:
            await self._task

    # --- coming and going -------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the link until `close()`."""
        attempt = 0
        while not self._closed.is_set():
            began = self.clock()
            state, reason = await self._until_closed(self._attempt())
            self._down(state, reason)
            if self.clock() - began > self._timings.steady_seconds:
                attempt = 0
            await self._pause(self._retry_seconds(state, attempt))
            attempt += 1

    async def _attempt(self) -> tuple[LinkState, str]:
        """One connection from its beginning to its end; give the state it leaves and why."""
        try:
            return "disconnected", await self._live()
        except (LoginRefusedError, RightsMissingError) as error:
            return "refused", str(error)
        except TimeoutError:
            return "disconnected", f"{self._settings.address} does not answer in time"
        except OSError as error:
            return (
                "disconnected",
                f"cannot connect to {self._settings.address}: {error.strerror or error}",
            )
        except AmiError as error:
            return "disconnected", str(error)
        finally:
            if self._connection is not None:
                if self._up:
                    heard_at = self._connection.heard_at
                    self._known_until = heard_at if self._whole_until is None else self._whole_until
                self._connection.close("we closed it")
                self._connection = None

    async def _until_closed(
        self, work: Coroutine[None, None, tuple[LinkState, str]]
    ) -> tuple[LinkState, str]:
        """Await `work`, but stop it when the link is closed."""
        working = asyncio.ensure_future(work)
        closing = asyncio.ensure_future(self._closed.wait())
        try:
            await asyncio.wait((working, closing), return_when=asyncio.FIRST_COMPLETED)
            if working.done():
                return working.result()
            return "disconnected", "closed"
        finally:
            working.cancel()
            closing.cancel()
            await asyncio.gather(working, closing, return_exceptions=True)

    async def _pause(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._closed.wait()
        except TimeoutError:
            return

    def _retry_seconds(self, state: LinkState, attempt: int) -> float:
        """How long to wait before the next attempt: doubling up to a limit, half of it by chance.

        An account that is refused is tried slowly: it is a person who has to mend it.
        """
        timings = self._timings
        if state == "refused":
            longest = timings.refused_retry_seconds
        else:
            longest = min(
                timings.last_retry_seconds, timings.first_retry_seconds * 2 ** min(attempt, 20)
            )
        return longest * self._random.uniform(0.5, 1.0)

    async def _live(self) -> str:
        """Connect, sign in, read the state, and stay until the connection is lost: give why."""
        timings = self._timings
        connection = Connection(self._take, self.stats, self.clock)
        self._connection = connection
        async with asyncio.timeout(timings.connect_seconds):
            await connection.open(self._settings.host, self._settings.port, self._settings.tls)
        async with asyncio.timeout(timings.login_seconds):
            await self._sign_in(connection)
        heard_again_at = self.clock()
        self.stats.connects += 1
        self._set_status("syncing", "reading the PBX's state")
        alive = asyncio.create_task(self._keep_alive(connection))
        try:
            while not connection.lost.done():
                await self._sync(connection, heard_again_at)
                heard_again_at = await self._lost_or_overflowed(connection)
            return connection.lost.result()
        finally:
            alive.cancel()
            await asyncio.gather(alive, return_exceptions=True)

    async def _sign_in(self, connection: Connection) -> None:
        """Sign in by challenge, so that the secret does not travel."""
        settings = self._settings
        await asyncio.wait(
            (connection.greeting, connection.lost), return_when=asyncio.FIRST_COMPLETED
        )
        if connection.lost.done():
            raise LinkDownError(connection.lost.result())
        if connection.greeting.result() is None:
            raise LinkDownError(
                f"{settings.host}:{settings.port} does not greet as an Asterisk manager: "
                "see `bindaddr` and `port` in manager.conf"
            )
        deadline = self._timings.login_seconds
        challenge = await connection.post(Challenge(), deadline)
        self._must_be_in(challenge)
        word = str(challenge.headers.get("Challenge", ""))
        key = hashlib.md5((word + settings.secret).encode(), usedforsecurity=False).hexdigest()
        login = Login(username=settings.user, auth_type="MD5", key=key, events=CLASSES)
        self._must_be_in(await connection.post(login, deadline))
        await self._ping(connection)

    def _must_be_in(self, outcome: Outcome) -> None:
        if outcome.message in FINAL_REFUSALS:
            raise LoginRefusedError(
                f"Asterisk refuses {self._settings.user!r}: {outcome.message}. See the account's "
                "`secret`, `permit` and `deny` in manager.conf and ours"
            )
        if outcome.result != "done":
            raise LinkDownError(f"while signing in: {outcome.message}")

    async def _keep_alive(self, connection: Connection) -> None:
        """Ping each second, which also makes Asterisk let go of an event that it holds back."""
        timings = self._timings
        while connection.unanswered_pings < timings.dead_pings:
            connection.unanswered_pings += 1
            self._ping(connection)
            await asyncio.sleep(timings.ping_seconds)
        connection.close(f"Asterisk is silent: {timings.dead_pings} pings were not answered")

    def _ping(self, connection: Connection) -> asyncio.Future[Outcome]:
        deadline = self._timings.ping_seconds * (self._timings.dead_pings + 1)
        pong = connection.post(Ping(), deadline)
        pong.add_done_callback(partial(self._pong, self.clock(), time.monotonic()))
        return pong

    def _pong(self, sent_at: float, sent_steady: float, pong: asyncio.Future[Outcome]) -> None:
        stamp = _epoch_seconds(pong.result().headers.get("Timestamp"))
        if stamp is not None:
            self.stats.offset.sample(sent_at, stamp, self.clock())
            self._steady_offset.sample(sent_steady, stamp, time.monotonic())

    # --- inputs -----------------------------------------------------------------------------------

    async def _sync(self, connection: Connection, heard_again_at: float) -> None:
        """Have the state read while events wait; then put all of it on the queue, in order."""
        self._set_status("syncing", "reading the PBX's state")
        self._buffer.clear()
        self._overflowed.clear()
        async with asyncio.timeout(self._timings.sync_seconds):
            snapshot = await self._resync(self)
        if self._overflowed.is_set() or connection.lost.done():
            return
        known, again = self._known_until, heard_again_at
        gap = (None, None) if known is None else (min(known, again), again)
        self._queue.append(LinkUp(snapshot=snapshot, gap_from=gap[0], gap_to=gap[1]))
        self._queue.extend(self._buffer)
        self._buffer.clear()
        self._whole_until = None
        if self._mending is not None:
            self._mending.cancel()
            self._mending = None
        self._up = True
        self._set_status("ready", "")
        self._flush()

    async def _lost_or_overflowed(self, connection: Connection) -> float:
        overflowed = asyncio.ensure_future(self._overflowed.wait())
        try:
            await asyncio.wait((connection.lost, overflowed), return_when=asyncio.FIRST_COMPLETED)
        finally:
            overflowed.cancel()
            await asyncio.gather(overflowed, return_exceptions=True)
        return self.clock()

    def _take(self, events: list[AmiEvent]) -> None:
        """Put the events of one read in their place: behind the queue, or aside while we read."""
        now = self.clock()
        offset = self.stats.offset.seconds
        stamp = events[0].timestamp
        if stamp is not None:
            self.stats.lag.add(time.monotonic(), now - stamp - offset)
        inputs = [
            PbxEvent(event=event, at=now if event.timestamp is None else event.timestamp + offset)
            for event in events
        ]
        if self._status.state == "ready":
            self._queue.extend(inputs)
            self._flush()
            if len(self._queue) > self._settings.queue_limit:
                self._overflow(now)
        else:
            self._buffer.extend(inputs)
            if len(self._buffer) > self._settings.queue_limit:
                self.stats.overflows += 1
                self._read_anew()

    def _overflow(self, now: float) -> None:
        """The consumer is too slow: forget what waits for it, say so, and read the state anew."""
        first = next((item.at for item in self._queue if isinstance(item, PbxEvent)), now)
        self._known_until = first if self._whole_until is None else self._whole_until
        self.stats.overflows += 1
        self._queue.clear()
        self._tell_down("inputs were dropped because the consumer is too slow", now)
        self._read_anew()

    def _read_anew(self) -> None:
        self._buffer.clear()
        self._overflowed.set()
        self._set_status("syncing", "inputs were dropped; the PBX's state is read anew")

    def _flush(self) -> None:
        """Hand on what the consumer has room for; come back for the rest."""
        queue, room, sink = self._queue, self._room, self._sink
        while queue and room():
            for _ in range(min(HANDED_ON, len(queue))):
                item = queue.popleft()
                try:
                    sink(item)
                except Exception:
                    self._not_taken(item)
        if queue and self._flushing is None and not self._closed.is_set():
            self._flushing = asyncio.get_running_loop().call_later(0.005, self._flush_rest)

    def _flush_rest(self) -> None:
        self._flushing = None
        self._flush()

    def _not_taken(self, item: LinkInput) -> None:
        """The consumer raised: have the state read anew, at once or after the back-off.

        Until then inputs flow on. A link that is not ready has no heartbeat, so a consumer that
        raises always would else send all callers away.
        """
        self.stats.not_taken += 1
        log.exception("ami_input_not_taken", input=type(item).__name__)
        if self._whole_until is None:
            self._whole_until = _heard_before(item)
        if self._mending is None and not self._closed.is_set():
            loop = asyncio.get_running_loop()
            self._mending = loop.call_later(self._anew_seconds(), self._mend)

    def _anew_seconds(self) -> float:
        timings = self._timings
        if time.monotonic() - self._mended_at > timings.last_anew_seconds:
            self._mend_seconds = 0.0
        else:
            doubled = max(timings.first_anew_seconds, 2 * self._mend_seconds)
            self._mend_seconds = min(doubled, timings.last_anew_seconds)
        return self._mend_seconds

    def _mend(self) -> None:
        self._mending = None
        if self._status.state != "ready":
            return  # the state is being read, or will be
        self._mended_at = time.monotonic()
        self._known_until = self._whole_until
        self._tell_down("an input was not taken", self.clock())
        self._read_anew()

    def _down(self, state: LinkState, reason: str) -> None:
        now = self.clock()
        self._buffer.clear()
        self._tell_down(reason, now)
        self._flush()
        self._set_status(state, reason)

    def _tell_down(self, reason: str, now: float) -> None:
        if self._up:
            self._up = False
            self._known_until = now if self._known_until is None else self._known_until
            self._queue.append(LinkDown(reason=reason, at=now, last_event_at=self._known_until))

    def _set_status(self, state: LinkState, reason: str) -> None:
        if (state, reason) == (self._status.state, self._status.reason):
            return
        self._status = LinkStatus(state=state, reason=reason, since=self.clock())
        log.info("ami_link", state=state, reason=reason)
        self._changed.set()
        self._changed = asyncio.Event()


def _heard_before(item: LinkInput) -> float:
    """Until when the consumer knows all, where it knows nothing of this input."""
    if isinstance(item, PbxEvent):
        return item.at
    if isinstance(item, LinkDown):
        return item.last_event_at
    return item.snapshot.at if item.gap_from is None else item.gap_from


def _epoch_seconds(header: str | Sequence[str] | None) -> float | None:
    """A Timestamp header as a number; None when it is none."""
    try:
        return msgspec.convert(header, float, strict=False)
    except msgspec.ValidationError:
        return None
