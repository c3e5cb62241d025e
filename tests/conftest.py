"""Fixtures of all tests."""

import socket
from pathlib import Path

import hypothesis
import pytest

from cti.sandbox.ports import LOOPBACK

pytest_plugins = ("tests.support.fixtures",)

# How long one example takes says more about the machine than about the code.
hypothesis.settings.register_profile("zuoxi", deadline=None)
hypothesis.settings.load_profile("zuoxi")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Take the parts under test, see `./zuoxi test --help`."""
    for name in ("--asterisk", "--postgres"):
        parser.addoption(name, type=Path)


@pytest.fixture
def free_port() -> int:
    """Return a TCP port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]
