"""The spool: append-only segments on local disk, the journal's first home.

Nothing on a call's path waits for more than one `write`. A killed process loses nothing (the page
cache keeps what was written); a power cut loses at most what came after the last `flush`, about a
second. Nothing is sent to the database that is not flushed, so the database is never ahead.

A folder holds segments named `<first seq>-<identity>-<base>.log`:

- A segment begins with a checkpoint, a blob of the runtime's state before `first seq`, and goes on
  with records. So recovery is the newest whole checkpoint and the records after it.
- Every entry is framed `<length> <crc32> <kind> <payload>\\n`, the numbers as 8 hex digits, kind
  `C` for the checkpoint and `E` for an event (the JSON of `cti.domain.Recorded`). A line torn by a
  power cut, a kill or a full disk is found by its length or its checksum and cut off.
- Identity and base tell the database whose numbering this is: records after `base` belong to
  `identity`. A folder that was lost, or set back to an older copy, gets a new identity, so its new
  records are never taken for ones that are stored already.

A segment is deleted when its records are stored and a newer segment's checkpoint is safely on disk.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import secrets
import threading
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Literal

import msgspec

from cti.domain import Recorded

SEGMENT_BYTES = 4 << 20
"""A segment asks for a checkpoint beyond this: some 15,000 events, replayed in under a second."""
PENDING_BYTES = 32 << 20
"""How much is kept in memory while the disk takes nothing (full or failing)."""
RETRY_SECONDS = 1.0
"""How often a disk that refused a write is tried again."""

HEADER_BYTES = 20
CHECKPOINT, EVENT = b"C", b"E"

DiskState = Literal["ok", "full", "failing"]


class JournalError(Exception):
    """Base of what the journal raises."""


class SpoolInUseError(JournalError):
    """Another process of ours has this folder open; end it, or give this one its own folder."""


class OutOfOrderError(JournalError):
    """Records came with a hole or twice: a fault in the caller's numbering."""


class Recovered(msgspec.Struct, frozen=True, kw_only=True):
    """What the folder held when it was opened.

    :param checkpoint: the newest whole checkpoint, None in a fresh folder.
    :param tail: the records after it, in order.
    :param next_seq: the number that the next record must have.
    :param cut_bytes: bytes of a torn last line that were cut off.
    :param damaged: in words, what could not be read; an alarm, as the state lacks it.
    """

    checkpoint: bytes | None
    tail: list[Recorded]
    next_seq: int
    cut_bytes: int = 0
    damaged: list[str] = []


class Entry(msgspec.Struct, frozen=True):
    """One whole entry of a segment: its kind, payload and the offset behind it."""

    kind: bytes
    payload: bytes
    end: int


class Line(msgspec.Struct, frozen=True):
    """One stored record: its number and its event's JSON as it was written."""

    seq: int
    event: bytes


class Head(msgspec.Struct):
    """A record of which only the number is read."""

    seq: int
    event: msgspec.Raw


class Segment(msgspec.Struct, frozen=True, order=True):
    """One file of the spool. Records after `base` are numbered under `identity`."""

    first_seq: int
    identity: str
    base: int

    NAME = re.compile(r"^(\d{20})-([0-9a-f]{16})-(\d{20})\.log$")

    @property
    def name(self) -> str:
        """The file's name; names sort by the first number."""
        return f"{self.first_seq:020d}-{self.identity}-{self.base:020d}.log"

    @classmethod
    def parse(cls, name: str) -> Segment | None:
        """None when the file is no segment."""
        match = cls.NAME.match(name)
        return cls(int(match[1]), match[2], int(match[3])) if match else None


def frame(kind: bytes, payload: bytes) -> bytes:
    """One entry as it stands in a segment."""
    return b"%08x %08x %b %b\n" % (len(payload), zlib.crc32(payload), kind, payload)


def entries(data: bytes, start: int = 0) -> Iterator[Entry]:
    """The whole entries of `data` from `start`, up to the first torn or damaged one."""
    while True:
        begin = start + HEADER_BYTES
        try:
            length = int(data[start : start + 8], 16)
            checksum = int(data[start + 9 : start + 17], 16)
        except ValueError:
            return
        end = begin + length + 1
        payload = data[begin : end - 1]
        if data[end - 1 : end] != b"\n" or zlib.crc32(payload) != checksum:
            return
        yield Entry(data[start + 18 : start + 19], payload, end)
        start = end


class Spool:
    """The segments of one folder, opened by one process for writing.

    All methods but `flush` belong to the event loop's thread; `flush` may run in another.
    """

    def __init__(
        self,
        folder: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        pending_bytes: int = PENDING_BYTES,
    ) -> None:
        self.folder = folder
        self.disk: DiskState = "ok"
        self.disk_reason = ""
        self.lost_records = 0
        self.unreadable_records = 0
        self._lost_since_checkpoint = False
        self._segment_bytes = segment_bytes
        self._pending_limit = pending_bytes
        self._encoder = msgspec.json.Encoder()
        self._pending: list[tuple[int, bytes]] = []
        self._pending_bytes = 0
        self._retry_at = 0.0
        self._flush_lock = threading.Lock()
        self._rotated: list[int] = []
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._lock = _lock(folder)
        self._recover()

    # --- opening --------------------------------------------------------------------------------

    def _recover(self) -> None:
        for leftover in self.folder.glob("*.new"):
            leftover.unlink()
        segments = sorted(
            filter(None, (Segment.parse(path.name) for path in self.folder.iterdir()))
        )
        damaged: list[str] = []
        while segments and not _is_whole(self.folder / segments[-1].name):
            damaged.append(f"{self._set_aside(segments.pop())}: no whole checkpoint")
        fresh = not segments
        if fresh:
            segments = [Segment(1, secrets.token_hex(8), 0)]
            self._create(segments[0], b"")
        self._segments = segments
        self._sizes = {s: (self.folder / s.name).stat().st_size for s in segments}
        self.last_seq = segments[-1].first_seq - 1
        self._checkpoint_bytes = 0
        checkpoint, tail, cut = self._read_live(damaged)
        self.written_seq = self.durable_seq = self.last_seq
        self._durable_checkpoint = segments[-1].first_seq
        self._fd = os.open(self.folder / segments[-1].name, os.O_WRONLY | os.O_CLOEXEC)
        os.fsync(self._fd)
        self._sync_folder()
        self.recovered = Recovered(
            checkpoint=checkpoint or None,
            tail=tail,
            next_seq=self.last_seq + 1,
            cut_bytes=cut,
            damaged=damaged,
        )

    def _read_live(self, damaged: list[str]) -> tuple[bytes, list[Recorded], int]:
        """Checkpoint and records of the newest segment, whose torn end is cut off."""
        live = self._segments[-1]
        path = self.folder / live.name
        data = path.read_bytes()
        decoder, heads = msgspec.json.Decoder(Recorded), msgspec.json.Decoder(Head)
        checkpoint, tail, end = b"", [], 0
        for entry in entries(data):
            end = entry.end
            if entry.kind == CHECKPOINT:
                checkpoint, self._checkpoint_bytes = entry.payload, end
                continue
            self.last_seq = heads.decode(entry.payload).seq
            try:
                tail.append(decoder.decode(entry.payload))
            except msgspec.MsgspecError as error:
                damaged.append(f"{path.name}: record {self.last_seq}: {error}")
        rest = data[end:]
        if b"\n" in rest:  # more than one line torn in the middle
            path.with_suffix(".damaged").write_bytes(rest)
            damaged.append(f"{path.with_suffix('.damaged').name}: cut off after {self.last_seq}")
        if rest:
            os.truncate(path, end)
        self._sizes[live] = end
        return checkpoint, tail, len(rest)

    def _set_aside(self, segment: Segment) -> str:
        path = self.folder / segment.name
        return path.rename(path.with_suffix(".damaged")).name

    @property
    def identity(self) -> str:
        """Whose numbering this is, in the database."""
        return self._segments[-1].identity

    @property
    def base(self) -> int:
        """Records after this number belong to `identity`."""
        return self._segments[-1].base

    def renew_identity(self, base: int) -> None:
        """Number the records after `base` under a new identity (the folder was set back)."""
        old = self._segments[-1]
        new = Segment(old.first_seq, secrets.token_hex(8), base)
        (self.folder / old.name).rename(self.folder / new.name)
        self._sync_folder()
        self._segments[-1] = new
        self._sizes[new] = self._sizes.pop(old)

    def close(self) -> None:
        """Flush and let the folder go."""
        self.flush()
        os.close(self._fd)
        os.close(self._lock)

    # --- writing --------------------------------------------------------------------------------

    @property
    def size_bytes(self) -> int:
        """Size of all segments and of what waits for a full disk."""
        return sum(self._sizes.values()) + self._pending_bytes

    def append(self, records: Sequence[Recorded]) -> None:
        """Write the records at once. A disk that refuses them is an alarm, never an error here.

        :raises OutOfOrderError: the records do not follow the last one.
        """
        if not records:
            return
        for place, record in enumerate(records, self.last_seq + 1):
            if record.seq != place:
                raise OutOfOrderError(f"record {record.seq} came where {place} was due")
        data = b"".join([frame(EVENT, self._encode(record)) for record in records])
        self.last_seq = records[-1].seq
        if (not self._pending or self._write_pending()) and self._write(data):
            self.written_seq = self.last_seq
        else:
            self._keep(data, len(records))

    def _encode(self, record: Recorded) -> bytes:
        try:
            return self._encoder.encode(record)
        except UnicodeEncodeError:  # a lone surrogate in a name from outside
            return self._encoder.encode(_well_formed(msgspec.to_builtins(record)))

    def _write(self, data: bytes) -> bool:
        """All of it or nothing: what was written in part is taken back, or written over."""
        live = self._segments[-1]
        start, written = self._sizes[live], 0
        try:
            while written < len(data):
                rest = data[written:] if written else data
                written += os.pwrite(self._fd, rest, start + written)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.ftruncate(self._fd, start)
            self._disk_refused(error)
            return False
        self._sizes[live] = start + len(data)
        if self.disk == "full":
            self.disk, self.disk_reason = "ok", ""
        return True

    def _disk_refused(self, error: OSError) -> None:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        self.disk = "full" if full else "failing"
        self.disk_reason = str(error)
        self._retry_at = time.monotonic() + RETRY_SECONDS

    def _keep(self, data: bytes, count: int) -> None:
        """Hold records in memory until the disk takes them; beyond the limit they are lost."""
        if self._pending_bytes + len(data) > self._pending_limit:
            self.lost_records += count
            self._lost_since_checkpoint = True
            return
        self._pending.append((self.last_seq, data))
        self._pending_bytes += len(data)

    def _write_pending(self) -> bool:
        """True when nothing is held back any more."""
        if time.monotonic() < self._retry_at:
            return False
        done = 0
        for seq, data in self._pending:
            if not self._write(data):
                break
            self.written_seq = seq
            self._pending_bytes -= len(data)
            done += 1
        del self._pending[:done]
        return not self._pending

    def retry(self) -> None:
        """Try a disk that refused again, when its time has come."""
        if self._pending:
            self._write_pending()

    # --- checkpoints ----------------------------------------------------------------------------

    def wants_checkpoint(self) -> bool:
        """The live segment is long enough, or lacks records that a full disk made us lose."""
        grown = self._sizes[self._segments[-1]] - self._checkpoint_bytes
        wanted = grown > self._segment_bytes or self._lost_since_checkpoint
        return wanted and not self._pending and time.monotonic() >= self._retry_at

    def checkpoint(self, blob: bytes) -> None:
        """Begin a new segment with the state after the last record.

        Without effect while the disk refuses writes, or where no record came since the last one.
        """
        live = self._segments[-1]
        if self._pending or live.first_seq == self.last_seq + 1:
            return
        segment = Segment(self.last_seq + 1, live.identity, live.base)
        try:
            self._create(segment, blob)
            descriptor = os.open(self.folder / segment.name, os.O_WRONLY | os.O_CLOEXEC)
        except OSError as error:
            self._disk_refused(error)
            return
        self._rotated.append(self._fd)
        self._fd = descriptor
        self._segments.append(segment)
        self._checkpoint_bytes = self._sizes[segment] = os.fstat(descriptor).st_size
        self._lost_since_checkpoint = False

    def _create(self, segment: Segment, blob: bytes) -> None:
        """The file appears under its name with the whole checkpoint in it."""
        path = self.folder / segment.name
        new = path.with_suffix(".new")
        try:
            new.write_bytes(frame(CHECKPOINT, blob))
            new.rename(path)
        except OSError:
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)
            raise

    def flush(self) -> None:
        """Make what is written durable (fsync). May run in a thread beside the loop's.

        A disk that cannot is an alarm; the records count as flushed all the same, because the
        database is then the better place for them.
        """
        with self._flush_lock:
            # In this order: a checkpoint that comes between may only make us claim too little.
            seq, newest = self.written_seq, self._segments[-1]
            descriptor = os.dup(self._fd)
            rotated, self._rotated = self._rotated, []
            try:
                for old in rotated:
                    os.fsync(old)
                os.fdatasync(descriptor)
                if rotated:
                    self._sync_folder()
                self._durable_checkpoint = newest.first_seq
                if self.disk == "failing" and not self._pending:
                    self.disk, self.disk_reason = "ok", ""
            except OSError as error:
                self._disk_refused(error)
            finally:
                for old in (*rotated, descriptor):
                    os.close(old)
            self.durable_seq = seq

    def _sync_folder(self) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def forget(self, stored_seq: int) -> None:
        """Delete segments that are stored and older than the newest checkpoint safe on disk."""
        while len(self._segments) > 1:
            oldest, following = self._segments[0], self._segments[1]
            if following.first_seq > min(stored_seq + 1, self._durable_checkpoint):
                return
            (self.folder / oldest.name).unlink(missing_ok=True)
            del self._segments[0], self._sizes[oldest]

    # --- reading --------------------------------------------------------------------------------

    def segment_of(self, seq: int) -> Segment:
        """The segment in which `seq` stands or will stand."""
        found = self._segments[0]
        for segment in self._segments:
            if segment.first_seq > seq:
                break
            found = segment
        return found

    def next_segment(self, segment: Segment) -> Segment | None:
        """The one after it, None for the live one."""
        return next((s for s in self._segments if s.first_seq > segment.first_seq), None)


class Reader:
    """Reads flushed records in order, from disk only, so that memory stays bounded."""

    CHUNK_BYTES = 1 << 18

    def __init__(self, spool: Spool, after_seq: int) -> None:
        self._spool = spool
        self._decoder = msgspec.json.Decoder(Head)
        self._seq = after_seq
        self._segment = spool.segment_of(after_seq + 1)
        self._offset = 0
        self._file = self._open()

    def _open(self) -> int:
        # Found by its number alone: the identity in the name may have been renewed meanwhile.
        path = next(self._spool.folder.glob(f"{self._segment.first_seq:020d}-*.log"))
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Let the file go."""
        os.close(self._file)

    def read(self, limit: int) -> list[Line]:
        """Up to `limit` of the next flushed records, [] where there are none yet."""
        lines: list[Line] = []
        while self._seq < self._spool.durable_seq and len(lines) < limit:
            if not self._read_chunk(lines, limit) and not self._step():
                break
        return lines

    def _read_chunk(self, lines: list[Line], limit: int) -> bool:
        """Whether the segment held anything whole beyond the offset."""
        size = self.CHUNK_BYTES
        while True:
            data = os.pread(self._file, size, self._offset)
            found = self._take(data, lines, limit)
            if found or len(data) < size:
                return found
            size *= 8  # an entry (a checkpoint) longer than the chunk

    def _take(self, data: bytes, lines: list[Line], limit: int) -> bool:
        end = 0
        for entry in entries(data):
            if entry.kind == EVENT:
                head = self._decoder.decode(entry.payload)
                if head.seq > self._spool.durable_seq:
                    break
                if head.seq > self._seq:
                    self._spool.unreadable_records += head.seq - self._seq - 1
                    lines.append(Line(head.seq, bytes(head.event)))
                    self._seq = head.seq
            end = entry.end
            if len(lines) >= limit:
                break
        self._offset += end
        return end > 0

    def _step(self) -> bool:
        """On to the next segment; False where this is the live one."""
        following = self._spool.next_segment(self._segment)
        if following is None:
            return False
        self.close()
        self._segment, self._offset = following, 0
        self._file = self._open()
        return True


def _lock(folder: Path) -> int:
    descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise SpoolInUseError(f"another process has the spool {folder} open") from error
    return descriptor


def _is_whole(path: Path) -> bool:
    """Whether the segment's checkpoint can be read."""
    first = next(entries(path.read_bytes()), None)
    return first is not None and first.kind == CHECKPOINT


def _well_formed(value: object) -> object:
    """The same data with lone surrogates replaced, so that it can be written as UTF-8."""
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, dict):
        return {_well_formed(k): _well_formed(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_well_formed(item) for item in value]
    return value
