"""After a call: its recording is checked against it and stored, or raises an alarm.

A fold over the journal knows which recordings were begun and are neither stored nor faulty; it is
part of the server's checkpoint, so a recording is found again after a crash. The files are worked
on in a thread, one after the other; what came of each goes to the core as RecordingChecked. One
that could not be stored raises its alarm once and is tried on: disks are emptied, shares come back.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec
import structlog

from cti.domain import (
    CallEnded,
    CallHandedOver,
    CallId,
    CallMerged,
    CallTransferred,
    Recorded,
    RecordingFaulty,
    RecordingPaused,
    RecordingResumed,
    RecordingStarted,
    RecordingStored,
)
from cti.inputs import Input, RecordingChecked
from recording.files import RecordingFileError, Spool, Store, StoredFile

log = structlog.get_logger(__name__)

SETTLE_SECONDS: Final = 1.0
"""Asterisk closes a file a moment after it told of the hang-up."""
PATIENCE_SECONDS: Final = 20.0
"""So long a missing or short file may still arrive before it is called faulty."""
TOLERANCE_SECONDS: Final = 2.0
TOLERANCE_SHARE: Final = 0.05
RETRY_SECONDS: Final = 30.0
"""Between two looks at a recording that was called faulty."""
GIVE_UP_SECONDS: Final = 7 * 86_400.0
"""After the call's end. What was not mended by then will not be."""
ROUND_SECONDS: Final = 0.5
"""Between two rounds of the worker."""
SIDE_MATTERS_SECONDS: Final = 10.0
"""From this talk time on, a side without any sound is a fault of the line, not of the talker."""


class Begun(msgspec.Struct, kw_only=True):
    """A recording whose story is open. Times: epoch seconds.

    :param ended_at: when its call ended, None while it lasts.
    :param exact: whether the talk time is known and no bound.
    :param transferred_at: when the caller was last handed over in an attended transfer.
    :param paused_before: how much of `paused_seconds` was before that.
    :param faulty_at: when it was found faulty, or looked at again after that.
    """

    recording_id: str
    call_id: CallId
    file: str
    started_at: float
    ended_at: float | None = None
    talk_seconds: float = 0.0
    exact: bool = True
    paused_at: float | None = None
    paused_seconds: float = 0.0
    transferred_at: float | None = None
    paused_before: float = 0.0
    faulty_at: float | None = None

    @property
    def due_at(self) -> float:
        """When to look at it next."""
        if self.ended_at is None:
            return math.inf
        if self.faulty_at is None:
            return self.ended_at + SETTLE_SECONDS
        return self.faulty_at + RETRY_SECONDS

    def pause(self, at: float, *, paused: bool) -> None:
        """Silence is written from here, or sound again."""
        if self.paused_at is not None:
            self.paused_seconds += at - self.paused_at
        self.paused_at = at if paused else None

    def transfer(self, event: CallTransferred) -> None:
        """The caller was handed over."""
        self.transferred_at = event.at if event.kind == "attended" else None
        self.paused_before = self.paused_seconds
        if self.paused_at is not None:
            self.paused_before += event.at - self.paused_at

    def end(self, event: CallEnded) -> None:
        """Its call is over."""
        self.ended_at, self.talk_seconds, self.exact = event.at, event.talk_seconds, event.exact
        self.pause(event.at, paused=False)


CONCERNED: Final = frozenset(
    (
        *(RecordingStarted, RecordingPaused, RecordingResumed, RecordingStored, RecordingFaulty),
        *(CallMerged, CallTransferred, CallHandedOver, CallEnded),
    )
)
"""Events that change recordings; all others, and they are most, pass by."""


class Recordings:
    """The fold: recordings that are begun and neither stored nor faulty."""

    def __init__(self) -> None:
        self.open: dict[str, Begun] = {}

    def evolve(self, record: Recorded) -> Begun | None:
        """Apply one event; the recording that it stored, if it did."""
        match record.event:
            case RecordingStarted() as event:
                self.open[event.recording_id] = Begun(
                    recording_id=event.recording_id,
                    call_id=event.call_id,
                    file=event.file,
                    started_at=event.at,
                )
            case RecordingPaused() | RecordingResumed() as event:
                if begun := self.open.get(event.recording_id):
                    begun.pause(event.at, paused=isinstance(event, RecordingPaused))
            case RecordingStored() as event:
                return self.open.pop(event.recording_id, None)
            case RecordingFaulty() as event:
                if begun := self.open.get(event.recording_id):
                    begun.faulty_at = event.at
            case CallMerged() | CallTransferred() | CallHandedOver() | CallEnded() as event:
                self._call_changed(event)
        return None

    def _call_changed(
        self, event: CallMerged | CallTransferred | CallHandedOver | CallEnded
    ) -> None:
        match event:
            case CallMerged():
                for begun in self._of(event.merged_call_id):
                    begun.call_id = event.call_id
            case CallTransferred():
                for begun in self._of(event.call_id):
                    begun.transfer(event)
            case CallHandedOver():  # and so is what was recorded
                for begun in self._of(event.call_id):
                    del self.open[begun.recording_id]
            case CallEnded():
                for begun in self._of(event.call_id):
                    begun.end(event)

    def _of(self, call_id: CallId) -> list[Begun]:
        return [begun for begun in self.open.values() if begun.call_id == call_id]

    def due(self, now: float) -> list[Begun]:
        """Recordings of calls that ended long enough ago, the oldest first."""
        due = [begun for begun in self.open.values() if begun.due_at <= now]
        return sorted(due, key=lambda begun: begun.ended_at or 0.0)

    def look_again(self, begun: Begun, now: float, *, give_up: bool) -> None:
        """It is still faulty."""
        begun.faulty_at = now
        if give_up:
            self.open.pop(begun.recording_id, None)

    def dump(self) -> list[dict[str, Any]]:
        """State for the checkpoint."""
        return [msgspec.structs.asdict(begun) for begun in self.open.values()]

    def load(self, dump: Sequence[Mapping[str, Any]]) -> None:
        """The state that `dump` gave."""
        begun = [msgspec.convert(each, Begun) for each in dump]
        self.open = {each.recording_id: each for each in begun}


class RecordingWorker:
    """Checks and stores what `Recordings` says is due.

    :param tell: puts an input on the core's queue.
    :param clock: epoch seconds.
    """

    def __init__(
        self, spool: Spool, store: Store, tell: Callable[[Input], None], clock: Callable[[], float]
    ) -> None:
        self._spool = spool
        self._store = store
        self._tell = tell
        self._clock = clock
        self._recordings = Recordings()
        self._told: set[str] = set()
        self._stored: list[str] = []
        self._wake = asyncio.Event()

    def evolve(self, record: Recorded) -> None:
        """Take one event of the journal, at the replay too."""
        if type(record.event) not in CONCERNED:
            return
        stored = self._recordings.evolve(record)
        if stored is not None:
            self._stored.append(stored.file)
        if isinstance(record.event, RecordingStored | RecordingFaulty):
            self._told.discard(record.event.recording_id)
            self._wake.set()
        elif isinstance(record.event, CallEnded) and self._recordings.open:
            self._wake.set()

    def observe(self, records: Sequence[Recorded]) -> None:
        """Take a batch of events; for the runtime's observers."""
        for record in records:
            self.evolve(record)

    def dump(self) -> list[dict[str, Any]]:
        """State for the checkpoint."""
        return self._recordings.dump()

    def load(self, dump: Sequence[Mapping[str, Any]]) -> None:
        """The state that `dump` gave."""
        self._recordings.load(dump)

    @property
    def waiting(self) -> int:
        """Recordings of ended calls that are not judged yet."""
        return sum(
            begun.ended_at is not None and begun.faulty_at is None
            for begun in self._recordings.open.values()
        )

    async def run(self) -> None:
        """Work for ever."""
        while True:
            await self._remove_stored()
            for begun in self._recordings.due(self._clock()):
                if begun.recording_id not in self._told:
                    await self._judge(begun)
            self._wake.clear()
            if not self.waiting:
                with suppress(TimeoutError):
                    async with asyncio.timeout(RETRY_SECONDS):
                        await self._wake.wait()
            # One round for all that end meanwhile; a file may settle or arrive without any event.
            await asyncio.sleep(ROUND_SECONDS)

    async def _remove_stored(self) -> None:
        """The journal has them: the spool's copies may go."""
        while self._stored:
            file = self._stored.pop()
            try:
                await asyncio.to_thread(self._spool.remove, file)
            except OSError as error:
                log.warning("spool file stays", file=file, error=str(error))

    async def _judge(self, begun: Begun) -> None:
        """Store it and tell, or tell the fault, or leave it for the next round."""
        age = self._clock() - (begun.ended_at or 0.0)
        late = age >= PATIENCE_SECONDS
        try:
            if not late and await asyncio.to_thread(self._is_short, begun):
                return
            stored = await asyncio.to_thread(
                self._store.put, self._spool, begun.file, begun.recording_id, begun.started_at
            )
        except RecordingFileError as error:
            if begun.faulty_at is not None:
                self._recordings.look_again(begun, self._clock(), give_up=age >= GIVE_UP_SECONDS)
            elif late:
                self._fault(begun, error.fault, error.detail)
            return
        self._told.add(begun.recording_id)
        self._tell(_checked(begun, stored))
        fault = fault_of(begun, stored)
        if fault is not None:
            # It is kept, and somebody has to look.
            self._fault(begun, *fault)

    def _is_short(self, begun: Begun) -> bool:
        return self._spool.seconds(begun.file) < shortest(begun)

    def _fault(self, begun: Begun, fault: str, detail: str) -> None:
        log.error("recording faulty", recording_id=begun.recording_id, fault=fault, detail=detail)
        self._told.add(begun.recording_id)
        self._tell(
            RecordingChecked(
                call_id=begun.call_id, recording_id=begun.recording_id, fault=fault, detail=detail
            )
        )


def shortest(begun: Begun) -> float:
    """Seconds that the file must hold at least. Longer is right: transfers are recorded too."""
    if not begun.exact:
        return 0.0
    talk = begun.talk_seconds
    return max(0.0, talk - max(TOLERANCE_SECONDS, TOLERANCE_SHARE * talk))


def fault_of(begun: Begun, stored: StoredFile) -> tuple[str, str] | None:
    """What is wrong with a stored recording: (fault, detail)."""
    if stored.duration_seconds < shortest(begun):
        talked = f"{stored.duration_seconds:.1f} s of {begun.talk_seconds:.1f} s"
        return "too_short", talked
    if stored.duration_seconds - begun.paused_seconds < SIDE_MATTERS_SECONDS:
        return None
    return _silence(begun, stored)


def _silence(begun: Begun, stored: StoredFile) -> tuple[str, str] | None:
    if stored.customer_silent and stored.agent_silent:
        return "silent", "neither side has any sound"
    if stored.customer_silent:
        return "customer_silent", "the customer's side has no sound"
    if stored.agent_silent:
        return "agent_silent", "the agent's side has no sound"
    after = _seconds_after_transfer(begun)
    written = after - (begun.paused_seconds - begun.paused_before)
    if written >= SIDE_MATTERS_SECONDS and stored.agent_quiet_seconds >= after - TOLERANCE_SECONDS:
        return "agent_silent", f"no sound in the {after:.0f} s after the transfer: see doctor"
    return None


def _seconds_after_transfer(begun: Begun) -> float:
    if begun.transferred_at is None or begun.ended_at is None:
        return 0.0
    return begun.ended_at - begun.transferred_at


def _checked(begun: Begun, stored: StoredFile) -> RecordingChecked:
    return RecordingChecked(
        call_id=begun.call_id,
        recording_id=begun.recording_id,
        path=stored.path,
        sha256=stored.sha256,
        bytes=stored.bytes,
        duration_seconds=stored.duration_seconds,
        customer_silent=stored.customer_silent,
        agent_silent=stored.agent_silent,
    )
