"""Until when the PBX was heard, kept over the process's death: there the next one's gap begins.

A file of one number, overwritten in place and never flushed: a kill leaves it as it is, and no call
waits for a disk.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Final

STEP_SECONDS: Final = 0.2
"""How far the file may lag: it is not written for each event of a busy PBX."""


class HeardUntil:
    """The file. Close it at the end.

    :ivar at: epoch seconds, None where nothing was heard yet or the file is of no use.
    """

    def __init__(self, path: Path) -> None:
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        self.at = _number(os.pread(self._fd, 64, 0))

    def note(self, at: float) -> None:
        """All that the PBX said up to now is in the journal's spool."""
        if self.at is not None and abs(at - self.at) < STEP_SECONDS:
            return
        self.at = at
        with contextlib.suppress(OSError):  # the spool raises the alarm for a disk that fails
            os.pwrite(self._fd, f"{at:017.3f}\n".encode(), 0)

    def close(self) -> None:
        """Let the file go."""
        os.close(self._fd)


def _number(text: bytes) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
