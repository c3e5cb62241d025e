"""Which recordings are judged when, and what is wrong with them."""

from __future__ import annotations

import asyncio
import time
from array import array
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cti.domain import (
    CallEnded,
    CallHandedOver,
    CallMerged,
    CallTransferred,
    DomainEvent,
    Recorded,
    RecordingFaulty,
    RecordingPaused,
    RecordingResumed,
    RecordingStarted,
    RecordingStored,
)
from cti.inputs import Input, RecordingChecked
from recording.files import RATE, Spool, Store
from recording.worker import (
    GIVE_UP_SECONDS,
    PATIENCE_SECONDS,
    RETRY_SECONDS,
    Recordings,
    RecordingWorker,
)

SPEECH = [3000, -3000]
SILENCE = [0, 0]


class Room:
    """A worker with a spool, a store and a clock."""

    def __init__(self, folder: Path) -> None:
        (folder / "spool").mkdir()
        self.spool, self.store = Spool(folder / "spool"), Store(folder / "store")
        self.now = time.time()
        self.told: list[RecordingChecked] = []
        self.heard = asyncio.Event()
        self.worker = self.new_worker()

    def new_worker(self) -> RecordingWorker:
        return RecordingWorker(self.spool, self.store, self._tell, lambda: self.now)

    def _tell(self, item: Input) -> None:
        assert isinstance(item, RecordingChecked)
        self.told.append(item)
        self.heard.set()

    def write(self, seconds: float, customer: list[int], agent: list[int]) -> None:
        for path, pair in zip(self.spool.sides("f"), (customer, agent), strict=True):
            path.write_bytes(array("h", pair * int(seconds * RATE / 2)).tobytes())

    def call(self, talk_seconds: float, *, exact: bool = True, ago: float = 5.0) -> None:
        """A recorded call that ended `ago` seconds before now."""
        self.worker.observe(
            records(
                started(self.now - ago - talk_seconds),
                ended(self.now - ago, talk_seconds, exact=exact),
            )
        )

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        running = asyncio.create_task(self.worker.run())
        try:
            yield
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)

    async def verdict(self) -> list[str | None]:
        """Faults told after the first word, in order; None: stored."""
        async with self.working(), asyncio.timeout(10):
            await self.heard.wait()
            await asyncio.sleep(0)
        return [each.fault for each in self.told]


@pytest.fixture
async def room(tmp_path: Path) -> Room:
    return Room(tmp_path)


def records(*events: DomainEvent) -> list[Recorded]:
    return [Recorded(seq, event) for seq, event in enumerate(events, 1)]


def started(at: float) -> RecordingStarted:
    return RecordingStarted(at=at, call_id="c", recording_id="c-r1", file="f")


def ended(at: float, talk_seconds: float, *, exact: bool = True, call_id: str = "c") -> CallEnded:
    return CallEnded(
        at=at,
        call_id=call_id,
        outcome="answered",
        ended_by="customer",
        talk_seconds=talk_seconds,
        exact=exact,
    )


def stored(at: float) -> RecordingStored:
    return RecordingStored(
        at=at, call_id="c", recording_id="c-r1", path="p", sha256="", bytes=0, duration_seconds=1
    )


async def test_good_recording_is_stored(room: Room) -> None:
    room.write(12, SPEECH, SPEECH)
    room.call(12)
    assert await room.verdict() == [None]
    [checked] = room.told
    assert checked.duration_seconds == 12
    assert checked.path is not None
    assert (room.store.folder / checked.path).is_file()


async def test_spool_goes_only_when_the_journal_has_it(room: Room) -> None:
    room.write(12, SPEECH, SPEECH)
    room.call(12)
    assert await room.verdict() == [None]
    assert room.spool.seconds("f") == 12
    room.worker.observe(records(stored(room.now)))
    async with room.working(), asyncio.timeout(5):
        while room.spool.seconds("f"):  # noqa: ASYNC110 - a file system tells nothing
            await asyncio.sleep(0.01)
    assert room.told == room.told[:1]


@pytest.mark.parametrize(
    ("customer", "agent", "fault"),
    [
        (SILENCE, SPEECH, "customer_silent"),
        (SPEECH, SILENCE, "agent_silent"),
        (SILENCE, SILENCE, "silent"),
    ],
)
async def test_silent_side_is_kept_and_told(
    room: Room, customer: list[int], agent: list[int], fault: str
) -> None:
    room.write(12, customer, agent)
    room.call(12)
    assert await room.verdict() == [None, fault]


@pytest.mark.parametrize(
    ("second", "after", "faults"),
    [
        (SILENCE, 14, [None, "agent_silent"]),
        (SILENCE, 4, [None]),
        (SPEECH, 14, [None]),
    ],
)
async def test_an_agent_who_took_the_caller_over_is_to_be_heard(
    room: Room, second: list[int], after: int, faults: list[str | None]
) -> None:
    room.write(8, SPEECH, SPEECH)
    for path, said in zip(room.spool.sides("f"), (SPEECH, second), strict=True):
        with path.open("ab") as file:
            file.write(array("h", said * int(after * RATE / 2)).tobytes())
    over = room.now - 5
    room.worker.observe(
        records(
            started(over - after - 8),
            CallTransferred(at=over - after, call_id="c", kind="attended", by_leg="1.2", to="8002"),
            ended(over, after + 8),
        )
    )
    assert await room.verdict() == faults


@pytest.mark.parametrize(
    ("paused_from", "paused_to", "faults"),
    [(1, 14, [None]), (-5, 14, [None]), (-6, -1, [None, "agent_silent"])],
)
async def test_a_pause_after_a_transfer_is_no_fault(
    room: Room, paused_from: int, paused_to: int, faults: list[str | None]
) -> None:
    """Nor does a pause before it excuse the silence after it. Seconds are those after it."""
    room.write(20, SPEECH, SPEECH)
    for path, said in zip(room.spool.sides("f"), (SPEECH, SILENCE), strict=True):
        with path.open("ab") as file:
            file.write(array("h", said * int(14 * RATE / 2)).tobytes())
    over = room.now - 20
    changes: list[DomainEvent] = [
        CallTransferred(at=over, call_id="c", kind="attended", by_leg="1.2", to="8002"),
        RecordingPaused(at=over + paused_from, call_id="c", recording_id="c-r1"),
        RecordingResumed(at=over + paused_to, call_id="c", recording_id="c-r1"),
    ]
    changes.sort(key=lambda change: change.at)
    room.worker.observe(records(started(over - 20), *changes, ended(over + 14, 34)))
    assert await room.verdict() == faults


async def test_short_silence_is_no_fault(room: Room) -> None:
    room.write(4, SILENCE, SPEECH)
    room.call(4)
    assert await room.verdict() == [None]


async def test_pause_for_card_data_is_no_fault(room: Room) -> None:
    room.write(20, SPEECH, SILENCE)
    began = room.now - 30
    room.worker.observe(
        records(
            started(began),
            RecordingPaused(at=began + 1, call_id="c", recording_id="c-r1"),
            RecordingResumed(at=began + 9, call_id="c", recording_id="c-r1"),
            RecordingPaused(at=began + 15, call_id="c", recording_id="c-r1"),
            ended(began + 20, 20),
        )
    )
    assert await room.verdict() == [None]


async def test_missing_file_is_waited_for_then_a_fault(room: Room) -> None:
    room.call(12)
    async with room.working():
        await asyncio.sleep(0.1)
        assert room.told == []
        room.now += PATIENCE_SECONDS
        async with asyncio.timeout(5):
            await room.heard.wait()
    assert [each.fault for each in room.told] == ["missing"]


async def test_a_store_that_comes_back_gets_what_it_missed(room: Room) -> None:
    room.write(12, SPEECH, SPEECH)
    room.store.folder.write_bytes(b"")  # no folder: nothing can be stored
    room.call(12, ago=PATIENCE_SECONDS)
    assert await room.verdict() == ["store_failed"]
    faulty = RecordingFaulty(at=room.now, call_id="c", recording_id="c-r1", fault="store_failed")
    room.worker.evolve(Recorded(3, faulty))
    room.now += RETRY_SECONDS
    async with room.working():
        await asyncio.sleep(0.1)
        assert len(room.told) == 1  # the alarm stands: no second one
    room.store.folder.unlink()
    room.now += RETRY_SECONDS
    room.heard.clear()
    assert await room.verdict() == ["store_failed", None]


async def test_what_is_never_found_is_given_up_at_last(room: Room) -> None:
    recordings = Recordings()
    fault = RecordingFaulty(at=2.0, call_id="c", recording_id="c-r1", fault="missing")
    for record in records(started(1.0), ended(1.5, 0.5), fault):
        recordings.evolve(record)
    room.worker.load(recordings.dump())
    room.now = 1.5 + GIVE_UP_SECONDS
    async with room.working():
        await asyncio.sleep(0.1)
    assert room.worker.dump() == []
    assert room.told == []


async def test_short_file_may_still_grow(room: Room) -> None:
    room.write(3, SPEECH, SPEECH)
    room.call(12)
    async with room.working():
        await asyncio.sleep(0.1)
        assert room.told == []
        room.write(12, SPEECH, SPEECH)
        async with asyncio.timeout(5):
            await room.heard.wait()
    assert [each.fault for each in room.told] == [None]


async def test_too_short_file_is_kept_and_told(room: Room) -> None:
    room.write(3, SPEECH, SPEECH)
    room.call(12, ago=PATIENCE_SECONDS)
    assert await room.verdict() == [None, "too_short"]


async def test_talk_time_that_is_only_a_bound_proves_nothing(room: Room) -> None:
    room.write(3, SPEECH, SPEECH)
    room.call(12, exact=False)
    assert await room.verdict() == [None]


async def test_bad_name_in_the_journal_is_a_fault_and_the_worker_lives(room: Room) -> None:
    at = room.now - PATIENCE_SECONDS
    bad = RecordingStarted(at=at, call_id="c", recording_id="c-r1", file="../../etc/passwd")
    room.worker.observe(records(bad, ended(at, 12)))
    assert await room.verdict() == ["bad_name"]


@pytest.mark.parametrize("crash_after", ["start", "end", "verdict"])
async def test_found_again_after_a_crash(room: Room, crash_after: str) -> None:
    """The new process has the checkpoint and the journal's tail, nothing else."""
    room.write(12, SPEECH, SPEECH)
    events = records(started(room.now - 20), ended(room.now - 5, 12))
    room.worker.observe(events[: 1 if crash_after == "start" else 2])
    if crash_after == "verdict":
        assert await room.verdict() == [None]
        room.told.clear()
        room.heard.clear()
    dump = room.worker.dump()
    room.worker = room.new_worker()
    room.worker.load(dump)
    if crash_after == "start":
        room.worker.observe(events[1:])
    assert await room.verdict() == [None]


async def test_nothing_is_told_twice(room: Room) -> None:
    room.write(12, SPEECH, SPEECH)
    room.call(12)
    async with room.working():
        await room.heard.wait()
        await asyncio.sleep(1.3)  # another round of the worker
    assert len(room.told) == 1


def test_recording_of_a_merged_call_waits_for_the_call_that_goes_on() -> None:
    recordings = Recordings()
    for record in records(
        started(100.0), CallMerged(at=101, call_id="main", merged_call_id="c"), ended(102, 1.0)
    ):
        recordings.evolve(record)
    assert recordings.due(200.0) == []
    recordings.evolve(Recorded(4, ended(110, 9.0, call_id="main")))
    assert [begun.call_id for begun in recordings.due(200.0)] == ["main"]


def test_recording_of_a_living_call_is_not_due() -> None:
    recordings = Recordings()
    recordings.evolve(Recorded(1, started(100.0)))
    assert recordings.due(1e9) == []


def test_stored_recording_is_forgotten() -> None:
    recordings = Recordings()
    for record in records(started(1.0), ended(2.0, 1.0), stored(3.0)):
        recordings.evolve(record)
    assert recordings.open == {}


def test_recording_of_a_call_that_another_server_has_is_not_looked_for() -> None:
    recordings = Recordings()
    for record in records(started(1.0), CallHandedOver(at=2.0, call_id="c"), ended(3.0, 1.0)):
        recordings.evolve(record)
    assert recordings.dump() == []
    for record in records(started(10.0), ended(12.0, 1.0)):
        recordings.evolve(record)
    assert [begun.file for begun in recordings.due(99.0)] == ["f"], "the call came back"
