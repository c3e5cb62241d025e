"""Fixtures of all tests."""

import socket

import pytest

from cti.sandbox.ports import LOOPBACK


@pytest.fixture
def free_port() -> int:
    """Return a TCP port of loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return probe.getsockname()[1]
