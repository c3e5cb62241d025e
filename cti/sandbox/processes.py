"""Child processes that end with us, however we end, and that are only ever ended by their id."""

import asyncio
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

from cti.sandbox.system import Place, SandboxError

# setpriv asks the kernel for the signal at our death, but we may have died before it asked:
# then the child has another parent already, and the shell ends before it becomes the program.
_IF_PARENT_LIVES = '[ "$PPID" = "$1" ] || exit 1; shift; exec "$@"'


class ProcessEndedError(SandboxError):
    """A child process ended when it should have gone on."""


class Process:
    """One child process.

    It belongs to no event loop, so it may be started in one and ended in another.
    """

    def __init__(
        self,
        command: Sequence[str | Path],
        *,
        place: Place,
        log: Path,
        env: Mapping[str, str] | None = None,
        death_signal: signal.Signals = signal.SIGKILL,
    ) -> None:
        """Start `command` as the place's user; what it prints is appended to the file `log`.

        `death_signal` is what the kernel sends it when we die. The child gets its own session,
        so that Ctrl-C reaches us alone and we end our children in order.
        """
        self.log = log
        # The user is changed first: a change of user clears the death signal.
        wrapped = place.as_user(["setpriv", f"--pdeathsig={death_signal.name[3:]}"])
        wrapped += ["sh", "-c", _IF_PARENT_LIVES, "sh", str(os.getpid())]
        wrapped += [str(word) for word in command]
        with place.appending(log) as output:
            self._log_start = output.tell()
            self._popen = subprocess.Popen(  # noqa: S603 (our own commands)
                wrapped,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd="/",
                env={**os.environ, **(env or {})},
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """Process id, valid until the process was waited for."""
        return self._popen.pid

    @property
    def running(self) -> bool:
        """Whether it has not ended yet."""
        return self._popen.poll() is None

    def output(self) -> str:
        """Return what the process has printed since it was started."""
        with self.log.open("rb") as log:
            log.seek(self._log_start)
            return log.read().decode(errors="replace")

    async def wait(self) -> int:
        """Wait until it has ended and return its exit code (negative: the signal)."""
        if self.running:
            await _readable(os.pidfd_open(self.pid))
        return self._popen.wait()

    async def stop(
        self, ask: signal.Signals = signal.SIGTERM, *, patience_seconds: float = 10.0
    ) -> int:
        """Ask it to end, kill it when it does not, and return its exit code."""
        self.signal(ask)
        try:
            async with asyncio.timeout(patience_seconds):
                return await self.wait()
        except TimeoutError:
            return await self.kill()

    async def kill(self) -> int:
        """Kill it (-9) and return its exit code."""
        self.signal(signal.SIGKILL)
        return await self.wait()

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal; nothing happens when it has ended already."""
        self._popen.send_signal(number)


async def _readable(descriptor: int) -> None:
    """Wait until the descriptor is readable (for a pidfd: until the process ended); close it."""
    loop = asyncio.get_running_loop()
    ready = asyncio.Event()
    loop.add_reader(descriptor, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
