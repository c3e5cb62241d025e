"""The spool survives kills, torn lines, damage and full disks."""

import errno
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cti import domain
from cti.domain import Recorded
from cti.journal.spool import (
    HEADER_BYTES,
    OutOfOrderError,
    Reader,
    Segment,
    Spool,
    SpoolInUseError,
    entries,
    frame,
)
from tests.support.journal import facts, numbers


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.log"))


def reopened(spool: Spool) -> Spool:
    spool.close()
    return Spool(spool.folder)


def read_all(spool: Spool, after: int = 0, limit: int = 7) -> list[int]:
    reader = Reader(spool, after)
    found: list[int] = []
    while lines := reader.read(limit):
        assert len(lines) <= limit
        found += [line.seq for line in lines]
    reader.close()
    return found


def test_a_fresh_folder_starts_at_one(tmp_path: Path) -> None:
    recovered = Spool(tmp_path / "new" / "folder").recovered
    assert (recovered.checkpoint, recovered.tail, recovered.next_seq) == (None, [], 1)


def test_what_was_appended_is_recovered_without_a_flush(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    records = facts(1, 3)
    spool.append(records[:1])
    spool.append(records[1:])
    os.close(spool._lock)  # as a kill would; nothing was flushed
    recovered = Spool(tmp_path).recovered
    assert recovered.tail == records
    assert recovered.next_seq == 4
    assert recovered.cut_bytes == 0
    assert recovered.damaged == []


def test_recovery_begins_at_the_newest_checkpoint(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(facts(1, 3))
    blob = b"state\nafter 3\x00\xff"
    spool.checkpoint(blob)
    spool.append(facts(4, 2))
    recovered = reopened(spool).recovered
    assert recovered.checkpoint == blob
    assert numbers(recovered.tail) == [4, 5]


def test_numbering_goes_on_behind_a_checkpoint_without_records(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(facts(1, 3))
    spool.checkpoint(b"state")
    again = reopened(spool)
    assert again.recovered.next_seq == 4
    again.append(facts(4, 1))
    assert numbers(reopened(again).recovered.tail) == [4]


@pytest.mark.parametrize("wrong", [facts(3, 1), facts(1, 1), [*facts(2, 1), *facts(4, 1)]])
def test_holes_and_repeats_are_refused(tmp_path: Path, wrong: list[Recorded]) -> None:
    spool = Spool(tmp_path)
    spool.append(facts(1, 1))
    with pytest.raises(OutOfOrderError):
        spool.append(wrong)
    assert numbers(reopened(spool).recovered.tail) == [1]


def test_a_second_process_is_refused(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    with pytest.raises(SpoolInUseError, match=str(tmp_path)):
        Spool(tmp_path)
    spool.close()
    Spool(tmp_path).close()


def test_a_line_torn_at_any_byte_is_cut(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(facts(1, 2))
    spool.close()
    (path,) = segments(tmp_path)
    whole = path.read_bytes()
    ends = [entry.end for entry in entries(whole)]
    for cut in range(ends[1], ends[2]):
        path.write_bytes(whole[:cut])
        again = Spool(tmp_path)
        assert numbers(again.recovered.tail) == [1]
        assert again.recovered.cut_bytes == cut - ends[1]
        assert path.stat().st_size == ends[1]
        assert again.recovered.damaged == []
        again.append(facts(2, 1))
        last = reopened(again)
        assert numbers(last.recovered.tail) == [1, 2]
        last.close()


def test_zeros_of_a_power_cut_are_cut(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(facts(1, 2))
    spool.close()
    (path,) = segments(tmp_path)
    with path.open("ab") as file:
        file.write(bytes(5000))
    recovered = Spool(tmp_path).recovered
    assert numbers(recovered.tail) == [1, 2]
    assert recovered.cut_bytes == 5000


def test_a_changed_byte_ends_the_records_and_is_told(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(facts(1, 5))
    spool.close()
    (path,) = segments(tmp_path)
    data = bytearray(path.read_bytes())
    third = [entry.end for entry in entries(bytes(data))][2] + HEADER_BYTES + 3
    data[third] ^= 1
    path.write_bytes(data)
    recovered = Spool(tmp_path).recovered
    assert numbers(recovered.tail) == [1, 2]
    assert recovered.next_seq == 3
    assert len(recovered.damaged) == 1
    (copy,) = tmp_path.glob("*.damaged")
    assert b'"reason":"5"' in copy.read_bytes()


def test_a_checkpoint_that_was_not_finished_falls_back_to_the_one_before(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(facts(1, 2))
    spool.checkpoint(b"first")
    spool.append(facts(3, 2))
    spool.checkpoint(b"second")
    spool.close()
    newest = segments(tmp_path)[-1]
    newest.write_bytes(newest.read_bytes()[:-3])
    recovered = Spool(tmp_path).recovered
    assert recovered.checkpoint == b"first"
    assert numbers(recovered.tail) == [3, 4]
    assert recovered.damaged


def test_a_record_of_an_unknown_kind_is_told_and_the_numbering_goes_on(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(facts(1, 1))
    spool.close()
    (path,) = segments(tmp_path)
    with path.open("ab") as file:
        file.write(frame(b"E", b'{"seq":2,"event":{"type":"FromTheFuture","at":1.0}}'))
    recovered = Spool(tmp_path).recovered
    assert numbers(recovered.tail) == [1]
    assert recovered.next_seq == 3
    assert "record 2" in recovered.damaged[0]


def test_text_that_is_no_unicode_is_kept_as_far_as_it_is(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append([Recorded(1, domain.PbxLost(at=1.0, reason="bad \ud800 name"))])
    (record,) = reopened(spool).recovered.tail
    assert record.event == domain.PbxLost(at=1.0, reason="bad ? name")


def test_only_flushed_records_are_read(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(facts(1, 3))
    reader = Reader(spool, 0)
    assert reader.read(10) == []
    spool.flush()
    spool.append(facts(4, 1))
    assert [line.seq for line in reader.read(10)] == [1, 2, 3]
    assert reader.read(10) == []
    spool.flush()
    assert [line.seq for line in reader.read(10)] == [4]


@pytest.mark.parametrize("after", [0, 1, 9, 10, 11, 25, 30])
def test_reading_goes_across_segments_from_any_number(tmp_path: Path, after: int) -> None:
    spool = Spool(tmp_path)
    for first in (1, 11, 21):
        spool.append(facts(first, 10))
        spool.checkpoint(b"x" * 600_000)  # longer than the reader's chunk
    spool.flush()
    assert read_all(spool, after) == list(range(after + 1, 31))


def test_a_damaged_older_segment_is_read_as_far_as_it_goes_and_counted(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(facts(1, 10))
    spool.checkpoint(b"")
    spool.append(facts(11, 2))
    spool.close()
    oldest = segments(tmp_path)[0]
    oldest.write_bytes(oldest.read_bytes()[:-3])
    again = Spool(tmp_path)
    assert read_all(again) == [*range(1, 10), 11, 12]
    assert again.unreadable_records == 1


def test_segments_go_when_stored_and_older_than_a_flushed_checkpoint(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(facts(1, 2))
    spool.checkpoint(b"a")
    spool.append(facts(3, 2))
    spool.checkpoint(b"b")
    spool.forget(4)
    assert len(segments(tmp_path)) == 3, "no checkpoint is safe on disk yet"
    spool.flush()
    spool.forget(1)
    assert len(segments(tmp_path)) == 3, "record 2 is not stored"
    spool.forget(3)
    assert len(segments(tmp_path)) == 2
    spool.forget(4)
    (left,) = segments(tmp_path)
    assert spool.size_bytes == left.stat().st_size
    assert reopened(spool).recovered.checkpoint == b"b"


def test_a_checkpoint_is_wanted_when_the_segment_is_long(tmp_path: Path) -> None:
    spool = Spool(tmp_path, segment_bytes=300)
    assert not spool.wants_checkpoint()
    spool.append(facts(1, 10))
    assert spool.wants_checkpoint()
    spool.checkpoint(b"x" * 1000)
    assert not spool.wants_checkpoint(), "the checkpoint itself does not count"
    again = Spool(reopened_folder(spool), segment_bytes=300)
    assert not again.wants_checkpoint()


def reopened_folder(spool: Spool) -> Path:
    spool.close()
    return spool.folder


def test_a_checkpoint_without_new_records_changes_nothing(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(facts(1, 1))
    spool.checkpoint(b"a")
    spool.checkpoint(b"b")
    assert len(segments(tmp_path)) == 2


def test_a_new_identity_lasts_and_remembers_its_base(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.append(facts(1, 3))
    before = spool.identity
    spool.renew_identity(2)
    after = spool.identity
    assert after != before
    spool.append(facts(4, 1))
    spool.checkpoint(b"")
    again = reopened(spool)
    assert (again.identity, again.base) == (after, 2)
    assert read_all(again) == [1, 2, 3, 4]


def test_names_of_segments_are_read_back() -> None:
    segment = Segment(12, "0123456789abcdef", 3)
    assert Segment.parse(segment.name) == segment
    assert Segment.parse("lock") is None


class FullDisk:
    """Stands for os.pwrite on a disk with so much room; beyond it, what fits is written."""

    def __init__(self, room: int) -> None:
        self.room = room
        self.write = os.pwrite

    def __call__(self, descriptor: int, data: bytes, offset: int) -> int:
        fits = min(len(data), self.room)
        if not fits:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self.room -= fits
        return self.write(descriptor, data[:fits], offset)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> FullDisk:
    disk = FullDisk(1 << 30)
    monkeypatch.setattr(os, "pwrite", disk)
    return disk


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cti.journal.spool.RETRY_SECONDS", 0.0)


@pytest.mark.usefixtures("impatient")
def test_a_full_disk_is_a_state_and_nothing_is_lost_when_it_ends(
    tmp_path: Path, disk: FullDisk
) -> None:
    spool = Spool(tmp_path)
    spool.append(facts(1, 2))
    disk.room = 30  # less than a record: it is torn
    spool.append(facts(3, 2))
    assert spool.disk == "full"
    assert "No space left" in spool.disk_reason
    spool.append(facts(5, 1))
    spool.flush()
    assert read_all(spool) == [1, 2]
    assert not spool.wants_checkpoint()
    disk.room = 1 << 30
    spool.retry()
    assert spool.disk == "ok"
    spool.append(facts(6, 1))
    spool.flush()
    assert read_all(spool) == [1, 2, 3, 4, 5, 6]
    assert spool.lost_records == 0
    recovered = reopened(spool).recovered
    assert numbers(recovered.tail) == [1, 2, 3, 4, 5, 6]
    assert recovered.cut_bytes == 0


@pytest.mark.usefixtures("impatient")
def test_a_disk_full_for_too_long_loses_records_and_says_how_many(
    tmp_path: Path, disk: FullDisk
) -> None:
    spool = Spool(tmp_path, pending_bytes=500)
    disk.room = 0
    for seq in range(1, 101):
        spool.append(facts(seq, 1))
    lost = spool.lost_records
    assert 0 < lost < 100
    disk.room = 1 << 30
    spool.append(facts(101, 1))
    assert spool.wants_checkpoint(), "the records alone no longer give the state"
    spool.checkpoint(b"state")
    spool.flush()
    assert read_all(spool) == [*range(1, 101 - lost), 101]
    assert spool.unreadable_records == lost
    assert reopened(spool).recovered.next_seq == 102


@pytest.mark.usefixtures("impatient")
def test_a_checkpoint_that_finds_no_room_leaves_the_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    spool.append(facts(1, 1))

    def refuse(path: Path, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(Path, "write_bytes", refuse)
        spool.checkpoint(b"state")
    assert spool.disk == "full"
    spool.append(facts(2, 1))
    spool.flush()
    assert spool.disk == "ok"
    assert numbers(reopened(spool).recovered.tail) == [1, 2]


def test_a_disk_that_cannot_flush_is_an_alarm_and_the_database_still_gets_the_records(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = Spool(tmp_path)
    spool.append(facts(1, 1))

    def refuse(descriptor: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fdatasync", refuse)
        spool.flush()
    assert spool.disk == "failing"
    assert read_all(spool) == [1]
    spool.flush()
    assert spool.disk == "ok"


WRITER = """
import os, sys
from pathlib import Path
from cti.journal.spool import Spool
from tests.support.journal import facts

spool = Spool(Path(sys.argv[1]), segment_bytes=20_000)
seq = spool.recovered.next_seq
while True:
    for size in (1, 5, 2):
        spool.append(facts(seq, size))
        seq += size
        os.write(1, b"%d\\n" % (seq - 1))
        if spool.wants_checkpoint():
            spool.checkpoint(b"%d" % (seq - 1))
"""


def test_kill_9_loses_nothing_that_was_appended(tmp_path: Path) -> None:
    told = 0
    for round_number in range(8):
        process = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(tmp_path)], stdout=subprocess.PIPE
        )
        assert process.stdout
        for _ in range(10 + 97 * round_number):
            told = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        rest, _ = process.communicate()
        lines = rest.split(b"\n")
        told = int(lines[-2]) if len(lines) > 1 else told
        spool = Spool(tmp_path)
        recovered = spool.recovered
        first = int(recovered.checkpoint or b"0") + 1
        assert numbers(recovered.tail) == list(range(first, recovered.next_seq))
        assert told < recovered.next_seq <= told + 6
        assert recovered.damaged == []
        assert read_all(spool, limit=1000) == list(range(1, recovered.next_seq))
        spool.close()


REALLY_FULL = """
import resource, signal, sys
from pathlib import Path
from cti.journal import spool as module
from tests.support.journal import facts

module.RETRY_SECONDS = 0.0
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
spool = module.Spool(Path(sys.argv[1]))
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
for seq in range(1, 51):
    spool.append(facts(seq, 1))
print(spool.disk, 0 < spool.written_seq < 50)
resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
spool.retry()
print(spool.disk, spool.written_seq, spool.lost_records)
"""


def test_a_file_system_that_takes_no_more(tmp_path: Path) -> None:
    told = subprocess.run(
        [sys.executable, "-c", REALLY_FULL, str(tmp_path)],
        check=False,
        capture_output=True,
        text=True,
    )
    assert told.stdout.splitlines() == ["full True", "ok 50 0"], told.stderr
    recovered = Spool(tmp_path).recovered
    assert numbers(recovered.tail) == list(range(1, 51))
    assert recovered.cut_bytes == 0
