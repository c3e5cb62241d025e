"""Fixtures of all tests."""

import socket
from collections.abc import Generator
from pathlib import Path

import hypothesis
import pytest

from cti.sandbox.ports import LOOPBACK
from tests.support.hung import where_tasks_wait

pytest_plugins = ("tests.support.fixtures",)

# How long one example takes says more about the machine than about the code.
hypothesis.settings.register_profile("zuoxi", deadline=None)
hypothesis.settings.load_profile("zuoxi")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the parts under test, see `./zuoxi test --help`."""
    for name in ("--asterisk", "--postgres"):
        parser.addoption(name, type=Path)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Tell of a test that ran out of time where each of its tasks waits."""
    report = yield
    fixtures = getattr(item, "funcargs", {})
    runner = next((fixtures[name] for name in fixtures if name.endswith("_scoped_runner")), None)
    if runner and call.excinfo and "Timeout (>" in str(call.excinfo.value):
        report.sections.append(("Tasks", where_tasks_wait(runner.get_loop())))
    return report


@pytest.fixture
def free_port() -> int:
    """Return a TCP port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]
