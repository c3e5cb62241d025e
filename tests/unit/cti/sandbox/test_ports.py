"""Blocks of ports: claimed once, given away once, free again after."""

import socket

import pytest

from cti.sandbox.pbx import Ports
from cti.sandbox.ports import LOOPBACK, NoPortsError, PortBlock


def test_two_blocks_never_overlap():
    with PortBlock(200) as one, PortBlock(200) as other:
        first, second = one.take(150), other.take(150)
        assert not set(range(first, first + 150)) & set(range(second, second + 150))


def test_a_block_is_free_again_after_its_release():
    with PortBlock(100) as block:
        port = block.take()
    with PortBlock(100, start=port - port % 100) as again:
        assert again.take() == port


def test_a_single_port_is_one_that_nobody_uses():
    with PortBlock(200) as block, socket.socket() as somebody:
        somebody.bind((LOOPBACK, block.take() + 1))
        for port in [block.take() for _ in range(150)]:
            with socket.socket() as listener:
                listener.bind((LOOPBACK, port))


def test_a_used_up_block_says_so():
    with PortBlock(100) as block:
        block.take(90)
        with pytest.raises(NoPortsError, match="used up"):
            block.take(90)


def test_rtp_starts_at_an_even_port_and_has_its_size():
    with PortBlock(300) as block:
        ports = Ports.of(block, rtp=200)
        assert ports.rtp_first % 2 == 0
        assert ports.rtp_last - ports.rtp_first + 1 == 200
        assert len({ports.ami, ports.sip, ports.http}) == 3
        assert max(ports.ami, ports.sip, ports.http) < ports.rtp_first
