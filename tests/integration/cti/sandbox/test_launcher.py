"""./zuoxi makes what it needs once, and says what is wrong when it cannot."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from cti.sandbox.system import PROJECT

CLI = """
import sys
print("arguments:", *sys.argv[1:])
"""
# A package that no index has: nothing is asked of the network, the lock is refused at once.
BAD_LOCK = f"""
zuoxi-has-no-such-package @ file:///nonexistent.whl --hash=sha256:{"0" * 64}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project that needs no packages and prints its arguments."""
    folder = tmp_path / "a project"
    (folder / "cti").mkdir(parents=True)
    (folder / "cti" / "__init__.py").write_text("")
    (folder / "cti" / "cli.py").write_text(CLI)
    (folder / "requirements.lock").write_text("# nothing\n")
    (folder / "requirements-dev.lock").write_text("# nothing either\n")
    shutil.copy(PROJECT / "zuoxi", folder)
    return folder


def start(project: Path, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [project / "zuoxi", *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **env},
        cwd="/",
        check=False,
    )


def test_the_second_start_does_nothing_but_run(project: Path):
    first = start(project, "demo", "--port", "1 2")
    assert first.stdout == "arguments: demo --port 1 2\n"
    assert "Making .venv" in first.stderr
    second = start(project, "serve")
    assert second.stdout == "arguments: serve\n"
    assert second.stderr == ""


def test_a_changed_lock_is_installed_again_and_a_failure_says_what_to_do(project: Path):
    assert start(project).returncode == 0
    (project / "requirements.lock").write_text(BAD_LOCK)
    failed = start(project)
    assert failed.returncode == 1
    assert "Not all packages could be had" in failed.stderr
    assert failed.stdout == ""
    assert start(project).returncode == 1
    (project / "requirements.lock").write_text("# nothing\n")
    assert start(project).returncode == 0


def test_tests_and_benches_have_a_lock_of_their_own(project: Path):
    (project / "requirements-dev.lock").write_text(BAD_LOCK)
    assert start(project, "demo").returncode == 0
    for command in ("test", "bench", "lint"):
        assert start(project, command).returncode == 1


def test_a_half_made_environment_is_made_anew(project: Path):
    assert start(project).returncode == 0
    shutil.rmtree(project / ".venv" / "lib")
    (project / ".venv" / "requirements.lock.stamp").unlink()
    again = start(project)
    assert "Making .venv" in again.stderr
    assert again.returncode == 0


def test_without_python_and_without_debian_it_says_what_to_install(project: Path, tmp_path: Path):
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("sh", "dirname", "readlink", "id", "cat", "sha256sum", "mkdir", "flock"):
        found = shutil.which(name)
        assert found is not None
        (programs / name).symlink_to(found)
    failed = start(project, PATH=str(programs))
    assert failed.returncode == 1
    assert failed.stderr == (
        "zuoxi: Please install python3 (zuoxi is written in it), then start again.\n"
    )
