"""CPU and memory that processes have used, as Linux counts them in /proc."""

from __future__ import annotations

import os
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")
_USER, _SYSTEM, _CHILDREN_USER, _CHILDREN_SYSTEM = range(11, 15)


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat after the name, which may hold spaces and brackets."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def cpu_seconds(pid: int) -> float:
    """User and system time of all threads of a process, without its children."""
    fields = _stat(pid)
    return (int(fields[_USER]) + int(fields[_SYSTEM])) / _TICKS


def family_cpu_seconds(pid: int) -> float:
    """The same for a process with its children, those that have ended too."""
    children = sum(_seconds_if_alive(child) for child in _children(pid))
    # Read after the children: one that has ended by then is counted in its parent.
    fields = _stat(pid)
    return sum(int(fields[each]) for each in range(_USER, _CHILDREN_SYSTEM + 1)) / _TICKS + children


def _seconds_if_alive(pid: int) -> float:
    try:
        return cpu_seconds(pid)
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def _children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(word) for word in text.split()]


def resident_bytes(pid: int) -> int:
    """Main memory that a process takes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
