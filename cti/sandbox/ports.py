"""Ports for the sandbox's parts, so that several sandboxes can stand on one machine."""

import socket
from types import TracebackType
from typing import Self

from cti.sandbox.system import SandboxError

LOOPBACK = "127.0.0.1"
_STEP = 100
# Below the kernel's own range for outgoing connections, which starts at 32768.
_RANGE = range(10_000, 32_000, _STEP)


class NoPortsError(SandboxError):
    """No block of free ports was found."""


class PortBlock:
    """A row of ports which this process has claimed.

    The first port of each hundred is bound (TCP) for as long as the block is held: that is the
    claim, and the kernel gives it back even when we are killed.
    """

    def __init__(self, size: int = 400, *, start: int = _RANGE.start) -> None:
        """Claim `size` ports (rounded up to hundreds), the first free ones from `start` on."""
        self._claims: list[socket.socket] = []
        size = -(-size // _STEP) * _STEP
        for first in range(start, _RANGE.stop - size, _STEP):
            if self._claim(range(first, first + size, _STEP)):
                self._next, self._stop = first, first + size
                return
            self.release()
        raise NoPortsError(f"No {size} free ports in a row from {start}: end other sandboxes.")

    def take(self, count: int = 1) -> int:
        """Return the first of `count` ports in a row that were not taken before.

        A single port is one that nobody uses now. A row is for RTP, and its user steps over ports
        that somebody uses; it may hold the claims' own numbers, which are TCP's.
        """
        while count == 1 and self._next < self._stop and not _unused(self._next):
            self._next += 1
        first = self._next
        if first + count > self._stop:
            raise NoPortsError(f"The block of ports up to {self._stop} is used up.")
        self._next += count
        return first

    def release(self) -> None:
        """Give the block back."""
        while self._claims:
            self._claims.pop().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.release()

    def _claim(self, ports: range) -> bool:
        for port in ports:
            claim = socket.socket()
            self._claims.append(claim)
            try:
                claim.bind((LOOPBACK, port))
            except OSError:
                return False
        return True


def _unused(port: int) -> bool:
    """Tell whether neither TCP nor UDP has `port` in use; a claim's own port is in use."""
    try:
        for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
            with socket.socket(type=kind) as probe:
                probe.bind((LOOPBACK, port))
    except OSError:
        return False
    return True
