"""Recordings as files: two sides from the spool become one stereo WAV in the store, checked.

Asterisk writes `<file>-customer.sln` (what the customer says) and `<file>-agent.sln` (what the
customer hears), both 16-bit little-endian mono at 8 kHz from the same moments on. Here they become
the left and the right channel of `<store>/<yyyy>/<mm>/<dd>/<recording id>.wav`.

Everything blocks: call it in a thread. Names come from the PBX and are hostile: none can lead out
of its folder, and no link is followed.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
import wave
from array import array
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

RATE: Final = 8000
SAMPLE_BYTES: Final = 2
BLOCK_BYTES: Final = 1 << 14
"""Of each side: a second."""
SILENT_PEAK: Final = 200
"""Of 32,767: line noise stays below, the quietest speech is well above."""
LOOK_EVERY: Final = 8
"""Every eighth sample is looked at for silence: speech is louder than that for long enough."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,180}")
_STORED: Final = re.compile(r"[0-9]{4}/[0-9]{2}/[0-9]{2}/[A-Za-z0-9][A-Za-z0-9._-]{0,180}\.wav")


class RecordingFileError(Exception):
    """A recording cannot be stored. `fault` is a stable word for the journal and the alarm."""

    def __init__(self, fault: str, detail: str) -> None:
        self.fault = fault
        self.detail = detail
        super().__init__(f"{fault}: {detail}")


@dataclass(frozen=True)
class StoredFile:
    """A recording in the store.

    :param path: relative to the store.
    :param bytes: size of the whole file.
    :param agent_quiet_seconds: how long the agent's side has been silent at the end.
    """

    path: str
    sha256: str
    bytes: int
    duration_seconds: float
    customer_silent: bool
    agent_silent: bool
    agent_quiet_seconds: float = 0.0


@dataclass(frozen=True)
class Spool:
    """The folder into which Asterisk writes."""

    folder: Path

    def sides(self, file: str) -> tuple[Path, Path]:
        """Customer's and agent's file of a recording.

        :raises RecordingFileError: `file` is no plain name.
        """
        if not _NAME.fullmatch(file):
            raise RecordingFileError("bad_name", repr(file[:40]))
        return self.folder / f"{file}-customer.sln", self.folder / f"{file}-agent.sln"

    def seconds(self, file: str) -> float:
        """How much both sides hold by now; 0 where a file is missing.

        :raises RecordingFileError: they cannot be looked at.
        """
        try:
            sizes = [side.stat().st_size for side in self.sides(file)]
        except FileNotFoundError:
            return 0.0
        except OSError as error:
            raise RecordingFileError("unreadable", f"{file}: {error.strerror}") from error
        return min(sizes) / SAMPLE_BYTES / RATE

    def remove(self, file: str) -> None:
        """Remove both sides, once they are stored."""
        for side in self.sides(file):
            side.unlink(missing_ok=True)


@dataclass(frozen=True)
class Store:
    """The folder in which recordings are kept."""

    folder: Path

    def put(self, spool: Spool, file: str, recording_id: str, started_at: float) -> StoredFile:
        """Make the stereo WAV; it stands under its name only when it is whole and on disk.

        Doing it again replaces the file by an equal one.

        :param started_at: epoch seconds; the day in UTC is the folder.
        :raises RecordingFileError: "missing" or "unreadable" sides, "store_failed".
        """
        if not _NAME.fullmatch(recording_id):
            raise RecordingFileError("bad_name", repr(recording_id[:40]))
        day = datetime.fromtimestamp(started_at, UTC).strftime("%Y/%m/%d")
        target = self.folder / day / f"{recording_id}.wav"
        partial = target.with_name(f".{target.name}.partial")
        with ExitStack() as stack:
            sides = [stack.enter_context(_open_side(side)) for side in spool.sides(file)]
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                with open(partial, "wb", opener=_private) as out:
                    stored = _weave(sides, out, target.relative_to(self.folder).as_posix())
                    os.fsync(out.fileno())
                partial.replace(target)
            except OSError as error:
                raise RecordingFileError("store_failed", str(error.strerror)) from error
        return stored

    def find(self, path: str) -> Path | None:
        """The file of a stored recording; None where there is none or `path` is no path of ours."""
        file = self.folder / path
        if not _STORED.fullmatch(path) or not file.is_file():
            return None
        return file if file.resolve().is_relative_to(self.folder.resolve()) else None


def _private(path: str, flags: int) -> int:
    """Not everybody on the machine may listen."""
    return os.open(path, flags, 0o640)


def open_recording(store: Path, path: str) -> IO[bytes]:
    """Open a stored recording for reading, to play a range of it.

    :param path: as in RecordingStored.
    :raises RecordingFileError: "missing".
    """
    file = Store(store).find(path)
    if file is None:
        raise RecordingFileError("missing", path[:200])
    return file.open("rb")


def _open_side(path: Path) -> IO[bytes]:
    try:
        return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")
    except FileNotFoundError:
        raise RecordingFileError("missing", path.name) from None
    except OSError as error:
        raise RecordingFileError("unreadable", f"{path.name}: {error.strerror}") from error


class _Tee:
    """What `wave` writes to: the file and the hash at once."""

    def __init__(self, out: IO[bytes]) -> None:
        self._out = out
        self.hash = hashlib.sha256()
        self.written = 0

    def write(self, data: bytes) -> int:
        self._out.write(data)
        self.hash.update(data)
        self.written += len(data)
        return len(data)

    def tell(self) -> int:
        return self.written

    def flush(self) -> None:
        self._out.flush()


def _weave(sides: list[IO[bytes]], out: IO[bytes], path: str) -> StoredFile:
    """Both sides into one WAV; the shorter one ends in silence."""
    frames = max(os.fstat(side.fileno()).st_size for side in sides) // SAMPLE_BYTES
    tee = _Tee(out)
    peaks = [0, 0]
    done = agent_heard = 0
    with wave.open(tee, "wb") as wav:  # type: ignore[call-overload] # it writes and tells, enough
        wav.setnchannels(2)
        wav.setsampwidth(SAMPLE_BYTES)
        wav.setframerate(RATE)
        wav.setnframes(frames)  # known: so the header is right at once and is never patched
        for blocks in _blocks(sides, frames):
            both = array("h", bytes(2 * SAMPLE_BYTES * len(blocks[0])))
            for side, block in enumerate(blocks):
                both[side::2] = block
                peak = _peak(block[::LOOK_EVERY])
                peaks[side] = max(peaks[side], peak)
            done += len(blocks[1])
            if peak >= SILENT_PEAK:  # of the last side, the agent's
                agent_heard = done
            wav.writeframesraw(both.tobytes())
    tee.flush()
    return StoredFile(
        path=path,
        sha256=tee.hash.hexdigest(),
        bytes=tee.written,
        duration_seconds=frames / RATE,
        customer_silent=peaks[0] < SILENT_PEAK,
        agent_silent=peaks[1] < SILENT_PEAK,
        agent_quiet_seconds=(frames - agent_heard) / RATE,
    )


def _peak(samples: array[int]) -> int:
    high, low = max(samples), min(samples)
    return max(high, -low)


def _blocks(sides: list[IO[bytes]], frames: int) -> Iterator[list[array[int]]]:
    """Samples of both sides in step, in host order, each block of equal length."""
    left = frames
    while left > 0:
        count = min(left, BLOCK_BYTES // SAMPLE_BYTES)
        yield [_samples(side, count) for side in sides]
        left -= count


def _samples(side: IO[bytes], count: int) -> array[int]:
    data = side.read(count * SAMPLE_BYTES)
    samples = array("h", data.ljust(count * SAMPLE_BYTES, b"\0"))
    if sys.byteorder == "big":
        samples.byteswap()
    return samples
