"""The sandbox as tests use it: a state folder of the test session's own, and parts to start."""

import os
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path

from cti.sandbox.far_end import FarEnd
from cti.sandbox.pbx import Asterisk, Ports, Tree
from cti.sandbox.ports import LOOPBACK, PortBlock
from cti.sandbox.system import Place
from tests.support.remote import TestRemote

SIPP_PORTS = 10


def session_place(place: Place) -> Place:
    """Make a state folder for this test session, and remove those that dead sessions left."""
    tests = place.folder("tests")
    for folder in tests.iterdir():
        if not Path("/proc", folder.name).exists():
            Place(folder, place.user).remove()
    return Place(place.folder("tests", str(os.getpid())), place.user)


class TestSandbox:
    """Starts parts for one test, on ports of its own, and ends them all with the test."""

    __test__ = False
    numbers = count(1)

    def __init__(self, place: Place, tree: Tree, phones: Tree) -> None:
        """`tree` is that of the PBX under test, `phones` that of customers and phones."""
        self.place = place
        self.tree = tree
        self.phones = phones
        self._stack = AsyncExitStack()

    def ports(self, size: int = 400) -> PortBlock:
        """Claim ports until the end of the test."""
        return self._stack.enter_context(PortBlock(size))

    async def pbx(
        self,
        *,
        extra: Mapping[str, str] | None = None,
        install: Callable[[Path], None] | None = None,
        rtp: int = 200,
        start: bool = True,
    ) -> "TestPbx":
        """Start a PBX with a fresh configuration; see cti.sandbox.pbx.Asterisk for the arguments.

        Calls that come from its ports `carrier` and `sipp` are the trunk's (context `from-trunk`).
        """
        block = self.ports(rtp + 100)
        pbx = TestPbx(self, block, rtp, extra, install)
        self._stack.push_async_callback(pbx.kill)
        if start:
            await pbx.start()
        return pbx

    async def far_end(self, pbx: "TestPbx", phones: Mapping[str, str] | None = None) -> FarEnd:
        """Start customers and phones for `pbx`; `phones` maps extensions to their passwords."""
        far_end = FarEnd(
            f"far{next(self.numbers)}",
            tree=self.phones,
            place=self.place,
            block=self.ports(400),
            pbx=pbx,
            sip=pbx.carrier,
            phones=phones or {},
        )
        self._stack.push_async_callback(far_end.kill)
        await far_end.start()
        return far_end

    async def remote(self, asterisk: Asterisk) -> TestRemote:
        """Connect to the AMI of `asterisk` with every right."""
        remote = TestRemote()
        self._stack.push_async_callback(remote.close)
        await remote.connect(LOOPBACK, asterisk.ports.ami, asterisk.ami_user, asterisk.ami_secret)
        return remote

    async def close(self) -> None:
        """End all parts, the last first, by their ids."""
        await self._stack.aclose()


class TestPbx(Asterisk):
    """The PBX under test."""

    __test__ = False

    def __init__(
        self,
        sandbox: TestSandbox,
        block: PortBlock,
        rtp: int,
        extra: Mapping[str, str] | None,
        install: Callable[[Path], None] | None,
    ) -> None:
        self.carrier = block.take()
        self.sipp = block.take(SIPP_PORTS)
        peers = [self.carrier, *range(self.sipp, self.sipp + SIPP_PORTS)]
        super().__init__(
            f"pbx{next(sandbox.numbers)}",
            tree=sandbox.tree,
            place=sandbox.place,
            ports=Ports.of(block, rtp=rtp),
            extra=extra,
            install=install,
            values={
                "carrier": str(self.carrier),
                "trunk_peers": ",".join(f"{LOOPBACK}:{port}" for port in peers),
            },
        )
