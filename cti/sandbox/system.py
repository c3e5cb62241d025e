"""What the sandbox needs of the machine: a user to run as, a folder for state, Debian packages.

As root, Asterisk and PostgreSQL run as the service user `zuoxi`, because PostgreSQL refuses to
run as root and neither has business there. As anybody else, everything runs as that user, and
sudo is used for Debian packages only.
"""

import hashlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

PROJECT = Path(__file__).resolve().parents[2]
SERVICE_USER = "zuoxi"

# A unix socket's path may have 107 bytes; this leaves room for `/.s.PGSQL.54321`.
LONGEST_SOCKET_FOLDER = 90

Say = Callable[[str], None]


def say_on_stderr(text: str) -> None:
    """Tell the person at the terminal what is done and why, as the launcher does."""
    sys.stderr.write(f"zuoxi: {text}\n")
    sys.stderr.flush()


class SandboxError(Exception):
    """The sandbox cannot go on; the message says what to do about it."""


class PackagesMissingError(SandboxError):
    """Debian packages are missing and cannot be installed from here."""


class ForeignStateError(SandboxError):
    """The state folder belongs to somebody else."""


@dataclass(frozen=True)
class Place:
    """Where the sandbox keeps its state, and as whom its parts run."""

    state: Path
    """Folder of all that the sandbox writes; reachable by `user`."""
    user: str | None
    """Service user for Asterisk and PostgreSQL; None: as the user who called."""

    def make(self) -> None:
        """Make the state folder, owned by the parts' user."""
        self.state.mkdir(parents=True, exist_ok=True)
        self.give(self.state)

    def folder(self, *names: str) -> Path:
        """Make the folder `names` below the state folder, owned by the parts' user."""
        path = self.state
        for name in names:
            path = path / name
            if not path.is_dir():
                path.mkdir(mode=0o755, exist_ok=True)
                self.give(path)
        return path

    def give(self, path: Path) -> None:
        """Hand `path` (not what is below it) to the parts' user."""
        if self.user is not None:
            account = pwd.getpwnam(self.user)
            os.chown(path, account.pw_uid, account.pw_gid, follow_symlinks=False)

    def write(self, path: Path, text: str, *, mode: int = 0o640) -> None:
        """Write a text file that the parts' user owns; never readable by all unless asked."""
        path.touch(mode=mode)
        path.chmod(mode)
        self.give(path)
        path.write_text(text, encoding="utf-8")

    def appending(self, path: Path) -> BinaryIO:
        """Open a file at its end, to be closed by who asks; the parts' user owns it.

        Were it root's, whoever starts the same parts as the parts' user could not go on with it.
        """
        path.touch(mode=0o640)
        self.give(path)
        return path.open("ab")

    def as_user(self, command: Sequence[str | Path]) -> list[str]:
        """Return `command` in a form that runs as the parts' user."""
        words = [str(word) for word in command]
        if self.user is None:
            return words
        return ["setpriv", f"--reuid={self.user}", f"--regid={self.user}", "--init-groups", *words]

    def can_run(self, program: Path) -> bool:
        """Tell whether the parts' user can reach and run `program`."""
        command = self.as_user(["test", "-x", program])
        return subprocess.run(command, check=False, cwd="/").returncode == 0  # noqa: S603

    def socket_folder(self, name: str) -> Path:
        """Make a folder for unix sockets whose path is short enough."""
        path = self.state / "sockets" / name
        if len(os.fsencode(path)) <= LONGEST_SOCKET_FOLDER:
            return self.folder("sockets", name)
        short = self._short_folder
        short.mkdir(mode=0o700, exist_ok=True)
        # Others may write to /tmp too.
        if short.is_symlink() or short.stat().st_uid not in {os.geteuid(), self._uid()}:
            raise ForeignStateError(f"{short} belongs to somebody else: remove it and start again.")
        self.give(short)
        path = short / name
        path.mkdir(exist_ok=True)
        self.give(path)
        return path

    def remove(self) -> None:
        """Remove all state."""
        for folder in (self.state, self._short_folder):
            if folder.exists():
                shutil.rmtree(folder)

    @property
    def _short_folder(self) -> Path:
        mark = hashlib.sha256(os.fsencode(self.state)).hexdigest()[:12]
        return Path("/tmp") / f"zuoxi-{mark}"  # noqa: S108 (its owner is checked)

    def _uid(self) -> int:
        return os.geteuid() if self.user is None else pwd.getpwnam(self.user).pw_uid


def prepare_place(project: Path = PROJECT, *, say: Say) -> Place:
    """Choose and make the state folder.

    It is `var/state` of the project. Where the service user could not get there (a clone below
    a closed folder such as /root), it is /var/lib/zuoxi/<hash of the project's path>: we never
    open up a folder that somebody closed.
    """
    own, elsewhere = state_folders(project)
    if os.geteuid() != 0:
        try:
            own.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            why = os.strerror(error.errno or 0)
            raise ForeignStateError(f"{own} cannot be made: {why}. We must write there.") from None
        if not os.access(own, os.W_OK):
            raise ForeignStateError(
                f"{own} belongs to another user: run as that user or remove it."
            )
        return Place(own, None)
    _ensure_service_user(say)
    if Place(own, SERVICE_USER).can_run(project) and _free_for_service_user(own):
        place = Place(own, SERVICE_USER)
    else:
        place = Place(elsewhere, SERVICE_USER)
        say(f"State goes to {place.state}, because user {SERVICE_USER} cannot use {own}.")
    place.make()
    return place


def state_folders(project: Path = PROJECT) -> tuple[Path, Path]:
    """The two folders of which one holds the state, see `prepare_place`; they need not exist."""
    mark = hashlib.sha256(os.fsencode(project)).hexdigest()[:12]
    return project / "var" / "state", Path("/var/lib/zuoxi") / mark


def _free_for_service_user(folder: Path) -> bool:
    """Tell whether `folder` is still to be made, or is the service user's already."""
    return not folder.exists() or folder.owner() == SERVICE_USER


def _ensure_service_user(say: Say) -> None:
    try:
        pwd.getpwnam(SERVICE_USER)
    except KeyError:
        say(f"Adding the system user {SERVICE_USER}: Asterisk and PostgreSQL must not run as root.")
        account = ["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]
        run(["useradd", *account, "--shell", "/usr/sbin/nologin", SERVICE_USER])


def run(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str] | None = None,
    folder: Path = Path("/"),
) -> str:
    """Run a set-up command and return what it printed; raise SandboxError if it failed.

    When interrupted, it is waited for: a package manager ends the step that it is at.
    """
    words = [str(word) for word in command]
    with subprocess.Popen(  # noqa: S603 (our own fixed commands)
        words,
        cwd=folder,
        env=None if env is None else {**os.environ, **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as child:
        try:
            printed, _ = child.communicate()
        except KeyboardInterrupt:
            # What runs through sudo takes no signal of ours; a terminal has told it already.
            with suppress(PermissionError):
                child.send_signal(signal.SIGINT)
            child.communicate()
            raise
    if child.returncode != 0:
        tail = "\n".join(printed.splitlines()[-15:])
        raise SandboxError(f"`{' '.join(words)}` failed with {child.returncode}:\n{tail}")
    return printed


def install_packages(packages: Mapping[str, str], *, say: Say) -> None:
    """Install the Debian packages that are missing.

    `packages` maps a package's name to what it is needed for.
    """
    missing = {name: why for name, why in packages.items() if not _installed(name)}
    if not missing:
        return
    by_hand = f"apt-get install {' '.join(missing)}"
    if shutil.which("apt-get") is None:
        raise PackagesMissingError(f"Needed, but this is no Debian: {', '.join(missing)}.")
    sudo = _sudo(by_hand)
    for name, why in missing.items():
        say(f"Installing the Debian package {name}: {why}.")
    apt = [*sudo, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-q", "-o"]
    apt.append("DPkg::Lock::Timeout=300")
    run([*apt, "update"])
    run([*apt, "install", "--yes", "--no-install-recommends", *missing])


def _sudo(by_hand: str) -> list[str]:
    if os.geteuid() == 0:
        return []
    if shutil.which("sudo") is None:
        raise PackagesMissingError(f"There is no sudo here: as root, run `{by_hand}`.")
    return ["sudo"]


def _installed(package: str) -> bool:
    if shutil.which("dpkg-query") is None:
        return False
    done = subprocess.run(  # noqa: S603
        ["dpkg-query", "--show", "--showformat=${db:Status-Status}", package],  # noqa: S607
        check=False,
        capture_output=True,
        text=True,
    )
    return done.stdout == "installed"
