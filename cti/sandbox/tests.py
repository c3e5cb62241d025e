"""`./zuoxi test`: sets up what the tests need, then runs every check; pytest's word is the last."""

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from cti.sandbox.frontend import FRONTEND, ensure_frontend, node_environment
from cti.sandbox.pbx import ensure_tree
from cti.sandbox.system import (
    PROJECT,
    SandboxError,
    install_packages,
    prepare_place,
    say_on_stderr,
)

PACKAGES = {
    "mmdebstrap": "it unpacks Asterisk into a folder of ours",
    "sip-tester": "sipp calls the PBX in tests",
    "chromium": "the browser in tests",
    "libatomic1": "the driver of that browser is linked with it",
    "fonts-noto-cjk": "Chinese on the screens that tests look at",
}

CODE_CHECKS: dict[str, list[str]] = {
    "ruff format": ["ruff", "format", "--check", "."],
    "ruff check": ["ruff", "check", "."],
    "mypy": ["mypy"],
}
FRONTEND_CHECKS: dict[str, list[str]] = {
    "vue-tsc": ["npm", "run", "--silent", "check"],
    "eslint": ["npm", "run", "--silent", "lint"],
    "vitest": ["npm", "run", "--silent", "test"],
}


SIM_SEEDS = 2000
SIM_CHECK = [*("-m", "cti.cli", "sim", "--first-seed", "1001", "--seeds", str(SIM_SEEDS), "--json")]
"""Besides the few hundred seeds of the tests. One core takes two minutes for them, so they run
beside the other checks."""


def run_tests(
    pytest_args: Sequence[str] = (),
    *,
    asterisk: Path | None = None,
    postgres: Path | None = None,
) -> int:
    """Run all checks and tests, or only the tests that are named; return the exit code.

    `asterisk`, `postgres`: folders of the parts under test, instead of the sandbox's own.
    """
    parts = {"--asterisk": asterisk, "--postgres": postgres}
    options = [f"{name}={folder.absolute()}" for name, folder in parts.items() if folder]
    say = say_on_stderr
    try:
        install_packages(PACKAGES, say=say)
        # Here, so that no test's time limit counts it.
        ensure_tree(prepare_place(say=say), say=say)
        ensure_frontend(say=say)
    except SandboxError as error:
        say(str(error))
        return 2
    failed = [] if pytest_args else _failed_checks()
    if failed:
        say(f"FAILED before the tests: {', '.join(failed)}")
    code = _run([sys.executable, "-m", "pytest", *options, *pytest_args], PROJECT, {})
    return code or (1 if failed else 0)


def _failed_checks() -> list[str]:
    failed = []
    say_on_stderr(f"sim: {SIM_SEEDS} fault runs, beside the checks")
    sim = subprocess.Popen(  # noqa: S603 (our own fixed command)
        [sys.executable, *SIM_CHECK], cwd=PROJECT, stdout=subprocess.PIPE
    )
    try:
        failed += _failed_code_checks()
        say_on_stderr("sim")
        told, _ = sim.communicate()
    except BaseException:
        sim.kill()
        sim.wait()
        raise
    if sim.returncode != 0:
        sys.stdout.write(told.decode(errors="replace"))
        failed.append("sim")
    return failed


def _failed_code_checks() -> list[str]:
    failed = []
    for name, (module, *arguments) in CODE_CHECKS.items():
        say_on_stderr(name)
        if _run([sys.executable, "-m", module, *arguments], PROJECT, {}) != 0:
            failed.append(name)
    if FRONTEND.is_dir():
        for name, command in FRONTEND_CHECKS.items():
            say_on_stderr(name)
            if _run(command, FRONTEND, node_environment()) != 0:
                failed.append(name)
    return failed


def _run(command: Sequence[str], folder: Path, env: Mapping[str, str]) -> int:
    sys.stdout.flush()
    return subprocess.run(  # noqa: S603 (our own fixed commands)
        command, check=False, cwd=folder, env={**os.environ, **env}
    ).returncode
