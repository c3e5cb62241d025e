"""Where state goes and how packages are asked for."""

import os
import stat
from pathlib import Path

import pytest

from cti.sandbox.system import (
    ForeignStateError,
    PackagesMissingError,
    Place,
    SandboxError,
    install_packages,
    prepare_place,
    run,
)

FAKE_DPKG = """#!/bin/sh
for package; do :; done
case $package in present*) printf installed ;; *) printf not-installed ;; esac
"""
FAKE_APT = """#!/bin/sh
echo "$*" >> {log}
"""


def program(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is all of PATH, with a dpkg-query in it."""
    folder = tmp_path / "bin"
    folder.mkdir()
    program(folder, "dpkg-query", FAKE_DPKG)
    (folder / "sh").symlink_to("/bin/sh")
    (folder / "env").symlink_to("/usr/bin/env")
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_missing_packages_are_named_with_their_reason_and_installed(programs: Path, tmp_path: Path):
    log = tmp_path / "apt.log"
    program(programs, "apt-get", FAKE_APT.format(log=log))
    program(programs, "sudo", '#!/bin/sh\nexec "$@"\n')
    said: list[str] = []
    install_packages({"present-one": "here", "absent": "it plays music"}, say=said.append)
    assert said == ["Installing the Debian package absent: it plays music."]
    update, install = log.read_text().splitlines()
    assert update.endswith("update")
    assert install.endswith("--no-install-recommends absent")


def test_nothing_is_asked_for_when_all_is_there(programs: Path):
    install_packages({"present": "here"}, say=pytest.fail)


def test_without_apt_it_says_what_is_needed(programs: Path):
    with pytest.raises(PackagesMissingError, match="absent"):
        install_packages({"absent": "it plays music"}, say=pytest.fail)


def test_a_failed_command_shows_its_last_lines():
    with pytest.raises(SandboxError, match=r"(?s)failed with 3.*no such luck"):
        run(["sh", "-c", "echo no such luck >&2; exit 3"])


def test_an_interrupted_command_ends_its_step_first(ctrl_c: None, tmp_path: Path):
    # First more than a pipe holds: only who listens is interrupted. And again, as one would: a
    # signal that comes just before a read() does not end it.
    told = "trap 'touch ended; exit 130' INT; head -c 200000 /dev/zero"
    step = f"{told}; for n in 1 2 3 4 5 6 7 8 9; do kill -INT $PPID; sleep 0.5; done"
    with pytest.raises(KeyboardInterrupt):
        run(["sh", "-c", step], folder=tmp_path)
    assert (tmp_path / "ended").exists()


def test_secrets_are_not_for_all_to_read(tmp_path: Path):
    path = tmp_path / "secret"
    path.write_text("old")
    path.chmod(0o666)
    Place(tmp_path, None).write(path, "new", mode=0o600)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert path.read_text() == "new"


def test_sockets_of_a_deep_project_get_a_short_folder_that_goes_with_its_state(tmp_path: Path):
    deep = Place(tmp_path / ("d" * 90), None)
    folder = deep.socket_folder("one")
    assert len(os.fsencode(folder)) <= 90
    assert folder == deep.socket_folder("one")
    assert stat.S_IMODE(folder.parent.stat().st_mode) == 0o700
    deep.remove()
    assert not folder.exists()


def test_state_that_cannot_be_made_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "var").write_text("a file, where a folder should be")
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    with pytest.raises(ForeignStateError, match="cannot be made"):
        prepare_place(tmp_path, say=pytest.fail)


def test_state_of_a_project_that_parts_cannot_reach_goes_elsewhere(tmp_path: Path):
    project = tmp_path / "closed"
    project.mkdir(mode=0o700)
    said: list[str] = []
    place = prepare_place(project, say=said.append)
    try:
        if place.user is None:
            assert place.state == project / "var" / "state"
        else:
            assert place.state.parent == Path("/var/lib/zuoxi")
            assert any(str(place.state) in line for line in said)
            assert stat.S_IMODE(project.stat().st_mode) == 0o700
        assert place.can_run(place.state)
    finally:
        place.state.rmdir()
