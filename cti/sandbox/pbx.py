"""The sandbox PBX: Asterisk 22 in a folder of ours, and instances of it on loopback.

Debian's packages are unpacked (not installed) and the binary runs through the tree's own dynamic
linker, so neither a chroot nor root is needed. Several instances share one tree.
"""

import asyncio
import fcntl
import hashlib
import secrets
import shutil
import socket
import string
from array import array
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from cti.sandbox.ports import LOOPBACK, PortBlock
from cti.sandbox.processes import Process
from cti.sandbox.system import PROJECT, Place, SandboxError, Say, install_packages, run

SUITE = "forky"  # bookworm and trixie have no Asterisk
PACKAGES = (
    "asterisk",
    "asterisk-modules",
    "asterisk-core-sounds-en-wav",
    "asterisk-moh-opsound-wav",
)
TEMPLATES = PROJECT / "config" / "asterisk" / "sandbox"
START_SECONDS = 30.0

# Modules complain when these files are missing; their defaults are what we want.
EMPTY_FILES = (
    *("acl.conf", "ccss.conf", "confbridge.conf", "features.conf", "geolocation.conf"),
    *("pjproject.conf", "queuerules.conf", "udptl.conf", "websocket_client.conf"),
)

# Asterisk makes neither its folders nor those of its modules.
FOLDERS = ("lib/sounds", "lib/keys", "spool/monitor", "log/cdr-csv", "log/cel-custom")


class AsteriskError(SandboxError):
    """Asterisk did not start; the message holds the end of its log."""


class _Template(string.Template):
    # Asterisk's own files are full of `$` and `%`.
    delimiter = "@@"


@dataclass(frozen=True)
class Tree:
    """An Asterisk of Debian's layout: unpacked into a folder, or the machine's own (`/`)."""

    root: Path

    @property
    def modules(self) -> Path:
        """Folder of the loadable modules."""
        return self._libraries / "asterisk" / "modules"

    @property
    def data(self) -> Path:
        """Folder of documentation, sounds and music."""
        return self.root / "usr/share/asterisk"

    @property
    def sbin(self) -> Path:
        """Folder of the binary."""
        return self.root / "usr/sbin"

    def command(self, *arguments: str | Path) -> list[str | Path]:
        """Return the command line that runs this Asterisk."""
        # Suites before 2023 keep libc and its linker in /lib, which is no link in an unpacked tree.
        folders = [self._libraries, *(self.root / "lib").glob("*-linux-gnu*")]
        linker = next(linker for folder in folders for linker in folder.glob("ld-linux*.so.*"))
        path = ":".join(map(str, folders))
        return [linker, "--library-path", path, self.sbin / "asterisk", *arguments]

    @property
    def _libraries(self) -> Path:
        (folder,) = (self.root / "usr/lib").glob("*-linux-gnu*")
        return folder


def ensure_tree(place: Place, *, say: Say) -> Tree:
    """Return the unpacked Asterisk; get it first when it is not there (about 15 s, 330 MB).

    A tree stands under its name only when it is complete: a half-finished one has another name
    and is removed by the next attempt. Attempts at the same time wait for one another.
    """
    folder = place.folder("pbx")
    recipe = hashlib.sha256(f"1 {SUITE} {' '.join(PACKAGES)}".encode()).hexdigest()[:8]
    root = folder / f"asterisk-{recipe}"
    with _lock(folder / "lock"):
        if not root.is_dir():
            _clean(folder)
            partial = folder / "partial"
            _unpack(place, partial, say)
            partial.rename(root)
    return Tree(root)


def _clean(folder: Path) -> None:
    """Remove half-finished trees and those of other recipes."""
    for old in [*folder.glob("asterisk-*"), folder / "partial"]:
        if old.exists():
            shutil.rmtree(old)


def _unpack(place: Place, target: Path, say: Say) -> None:
    install_packages({"mmdebstrap": "it unpacks Asterisk into a folder of ours"}, say=say)
    say(f"Unpacking Asterisk 22 from Debian {SUITE} (about 15 s, 330 MB); nothing is installed.")
    temporary = place.folder("pbx", "tmp")
    run(
        place.as_user(
            [
                *("mmdebstrap", "--quiet", "--mode=chrootless", "--variant=extract"),
                # Where the mirror is a frozen copy, its index is past its date.
                '--aptopt=Acquire::Check-Valid-Until "false"',
                *(f"--include={','.join(PACKAGES)}", SUITE, target),
            ]
        ),
        env={"TMPDIR": str(temporary), "HOME": str(temporary)},
    )
    say("Converting the music on hold to the callers' codecs.")
    for wave in (target / "usr/share/asterisk/moh").glob("*.wav"):
        to_g711(wave)


def to_g711(wave: Path) -> None:
    """Write a 16-bit mono 8 kHz WAV as .ulaw and .alaw beside it."""
    samples = array("H", wave.read_bytes()[44:])
    for suffix, table in ((".ulaw", ulaw_table()), (".alaw", alaw_table())):
        wave.with_suffix(suffix).write_bytes(bytes(map(table.__getitem__, samples)))


def ulaw_table() -> bytes:
    """Return the G.711 mu-law byte of every 16-bit sample (two's complement)."""

    def encode(sample: int) -> int:
        magnitude = min(abs(sample), 32635) + 0x84
        exponent = magnitude.bit_length() - 8
        mantissa = (magnitude >> (exponent + 3)) & 0x0F
        return ~((0x80 if sample < 0 else 0) | exponent << 4 | mantissa) & 0xFF

    return bytes(map(encode, _signed_samples()))


def alaw_table() -> bytes:
    """Return the G.711 A-law byte of every 16-bit sample (two's complement)."""

    def encode(sample: int) -> int:
        magnitude = (sample if sample >= 0 else ~sample) >> 3
        segment = max(magnitude.bit_length() - 5, 0)
        mantissa = (magnitude >> max(segment, 1)) & 0x0F
        return ((0x80 if sample >= 0 else 0) | segment << 4 | mantissa) ^ 0x55

    return bytes(map(encode, _signed_samples()))


def _signed_samples() -> Iterator[int]:
    yield from range(0x8000)
    yield from range(-0x8000, 0)


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


@dataclass(frozen=True)
class Ports:
    """Where one instance listens. RTP takes two ports for each leg."""

    ami: int
    sip: int
    http: int
    rtp_first: int
    rtp_last: int

    @classmethod
    def of(cls, block: PortBlock, *, rtp: int = 200) -> "Ports":
        """Take an instance's ports out of a claimed block; `rtp`: how many for media."""
        ami, sip, http = block.take(), block.take(), block.take()
        first = block.take(rtp + 1)
        first += first % 2
        return cls(ami, sip, http, first, first + rtp - 1)


class Asterisk:
    """One running Asterisk: folders, ports, start and end.

    `extra` maps a configuration file's name (`extensions.conf`) to text that is put at its end.
    `values` fills further places of the templates. `install` is called with the folder `etc` after
    the base files were written: there the product writes its own files into `etc/zuoxi/`.
    """

    def __init__(
        self,
        name: str,
        *,
        tree: Tree,
        place: Place,
        ports: Ports,
        role: str = "pbx",
        address: str = LOOPBACK,
        extra: Mapping[str, str] | None = None,
        values: Mapping[str, str] | None = None,
        install: Callable[[Path], None] | None = None,
    ) -> None:
        self.name = name
        self.tree = tree
        self.place = place
        self.ports = ports
        self.address = address
        self.ami_user = "sandbox"
        self.ami_secret = secrets.token_urlsafe(18)
        self.folder = place.folder("instances", name)
        self.etc, self.lib, self.spool, self.log = (
            place.folder("instances", name, part) for part in ("etc", "lib", "spool", "log")
        )
        self.run = place.socket_folder(name)
        self._role = role
        self._extra = dict(extra or {})
        self._values = dict(values or {})
        self._install = install
        self._process: Process | None = None

    @property
    def pid(self) -> int:
        """Process id of the running instance."""
        assert self._process is not None, f"{self.name} was not started"
        return self._process.pid

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.running

    @property
    def messages(self) -> str:
        """What Asterisk has written to its log: notices, warnings and errors."""
        path = self.log / "messages"
        return path.read_text(errors="replace") if path.exists() else ""

    async def start(self) -> None:
        """Write the configuration, start, and wait until Asterisk has booted fully."""
        assert not self.running, f"{self.name} runs already"
        self.configure()
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
            ready.bind("")  # the kernel chooses an abstract name, which needs no folder
            ready.setblocking(False)
            self._process = Process(
                self.tree.command("-f", "-C", self.etc / "asterisk.conf"),
                place=self.place,
                log=self.log / "console",
                env={
                    "NOTIFY_SOCKET": "@" + ready.getsockname()[1:].decode(),
                    "OPENSSL_CONF": "/dev/null",  # the host's is for another OpenSSL
                    # For each call Asterisk looks up this host's name and A.ROOT-SERVERS.NET to
                    # learn its own address. Where DNS is silent that takes 20 s, so glibc is to
                    # try no name server at all; nothing here needs one.
                    "RES_OPTIONS": "attempts:0",
                },
            )
            await self._booted(self._process, ready)

    async def stop(self) -> None:
        """End it in order: calls are hung up, CDRs are written."""
        if self._process is not None:
            await self._process.stop()

    async def kill(self) -> None:
        """End it with -9."""
        if self._process is not None:
            await self._process.kill()

    def configure(self) -> None:
        """Write all configuration files."""
        values = self._template_values()
        texts = dict.fromkeys(EMPTY_FILES, "")
        for template in [*TEMPLATES.glob("*.conf"), *(TEMPLATES / self._role).glob("*.conf")]:
            source = template.read_text(encoding="utf-8")
            texts[template.name] = _Template(source).substitute(values)
        for name, text in self._extra.items():
            texts[name] = texts.get(name, "") + text
        for name, text in texts.items():
            self.place.write(self.etc / name, text)
        self._prepare_folders()
        if self._install is not None:
            self._install(self.etc)

    def _template_values(self) -> dict[str, str]:
        paths = {part: str(getattr(self, part)) for part in ("etc", "lib", "spool", "log", "run")}
        return {
            **{name: str(port) for name, port in asdict(self.ports).items()},
            **paths,
            "modules": str(self.tree.modules),
            "sbin": str(self.tree.sbin),
            "address": self.address,
            "ami_user": self.ami_user,
            "ami_secret": self.ami_secret,
            "carrier": str(self.ports.sip),
            "trunk_peers": "",
            **self._values,
        }

    def _prepare_folders(self) -> None:
        """Make the folders, the tree's data in one where more sounds can be put."""
        for folder in FOLDERS:
            self.place.folder("instances", self.name, *folder.split("/"))
        links = {
            "documentation": self.tree.data / "documentation",
            "moh": self.tree.data / "moh",
            "static-http": self.tree.data / "static-http",
            "sounds/en": self.tree.data / "sounds/en_US_f_Allison",
        }
        for name, target in links.items():
            link = self.lib / name
            link.unlink(missing_ok=True)
            link.symlink_to(target)

    async def _booted(self, process: Process, ready: socket.socket) -> None:
        """Wait for Asterisk's word that it is ready, or for its end."""
        loop = asyncio.get_running_loop()
        told = asyncio.ensure_future(_told_ready(loop, ready))
        ended = asyncio.ensure_future(process.wait())
        waiting = {told, ended}
        try:
            await asyncio.wait(waiting, timeout=START_SECONDS, return_when=asyncio.FIRST_COMPLETED)
            if not told.done():
                raise AsteriskError(self._trouble(process))
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    def _trouble(self, process: Process) -> str:
        how = f"is not ready after {START_SECONDS:.0f} s" if process.running else "ended"
        tail = (process.output() + self.messages).splitlines()[-20:]
        return f"Asterisk {self.name} {how}. The end of {self.log}:\n" + "\n".join(tail)


async def _told_ready(loop: asyncio.AbstractEventLoop, ready: socket.socket) -> None:
    while b"READY=1" not in (await loop.sock_recv(ready, 4096)).split(b"\n"):
        pass
