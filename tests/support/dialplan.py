"""A PBX with the product's own files in it, and a stand-in for the server at its AMI account.

The stand-in acts by hand what the core would decide, through the account that the files make, so a
right that is missing there fails here.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console

from config.floor import ExtensionSettings, Floor, QueueSettings
from cti.pbxfiles import SOUNDS, PbxFilesInput, install, render
from cti.sandbox.far_end import Caller, FarEnd
from cti.sandbox.ports import LOOPBACK
from cti.sandbox.remote import Headers
from tests.support.remote import TestRemote
from tests.support.sandbox import TestPbx, TestSandbox

SECRET = "a-secret-of-the-tests"
TRUNK = """
[from-trunk]
exten => _X.,1,Goto(zuoxi-enter,support,1)
exten => _[a-z].,1,Goto(zuoxi-enter,${EXTEN},1)
"""


class Server(TestRemote):
    """The stand-in's AMI connection."""

    async def next_event(self) -> None:
        """Wait for one more event of any kind."""
        seen = len(self.events)
        while len(self.events) == seen:
            self._arrived.clear()
            await self._arrived.wait()


def floor(**queue: Any) -> Floor:
    """One queue `support` and a second one, two desk phones."""
    return Floor(
        queues=[QueueSettings(name="support", **queue), QueueSettings(name="sales")],
        extensions=[
            ExtensionSettings(number="8001", kind="desk"),
            ExtensionSettings(number="8002", kind="desk"),
        ],
    )


def phones(floor: Floor) -> dict[str, str]:
    """Passwords of the floor's extensions."""
    return {each.number: f"password-of-{each.number}" for each in floor.extensions}


@dataclass
class Site:
    """A PBX with our files, customers and phones, and the stand-in server."""

    pbx: TestPbx
    far_end: FarEnd
    server: Server
    watch: TestRemote
    """Hears every event, also those that the product's account does not ask for."""
    spool: Path
    floor: Floor
    epoch: int = 5
    _beating: asyncio.Task[None] | None = field(default=None)

    async def beat(self, age_seconds: float = 0.0) -> None:
        """Set the heartbeat once, as if it were this old."""
        await self.server.act(
            "Setvar", Variable="ZX_HEARTBEAT", Value=f"{time.time() - age_seconds:.0f}"
        )

    def keep_beating(self) -> None:
        """Beat each second until `stop_beating`."""
        self._beating = asyncio.create_task(self._beat_on())

    async def _beat_on(self) -> None:
        while True:
            await self.beat()
            await asyncio.sleep(1)

    def stop_beating(self) -> None:
        """Fall silent, as a server that was killed."""
        if self._beating is not None:
            self._beating.cancel()

    async def set_epoch(self, epoch: int) -> None:
        """Take the PBX over."""
        self.epoch = epoch
        await self.server.act("Setvar", Variable="ZX_EPOCH", Value=str(epoch))

    async def is_since(self, first: Mapping[int, int]) -> bool:
        """Whether this Asterisk has what came with these minor versions of the major ones."""
        told = await self.server.act("CoreSettings")
        major, minor = re.findall(r"\d+", told["AsteriskVersion"])[:2]
        return int(minor) >= first[int(major)]

    async def said(self, name: str, *, nth: int = 1, **wanted: str) -> Headers:
        """Wait for a UserEvent of the dialplan."""
        return await self.server.event("UserEvent", nth=nth, UserEvent=name, **wanted)

    async def asks_for_key(self) -> None:
        """Wait until the caller is asked to press a key; one pressed before is lost."""
        await self.watch.event("Newexten", Application="Read")

    def heard(self, name: str) -> list[Headers]:
        """UserEvents of this name until now."""
        return [each for each in self.server.events if each.get("UserEvent") == name]

    async def enter(
        self, number: str = "100", caller_id: str = "13800138000"
    ) -> tuple[Caller, Headers]:
        """A customer calls and enters the queue; returns ZxEnter too."""
        seen = len(self.heard("ZxEnter"))
        caller = await self.far_end.call(number, caller_id)
        while len(self.heard("ZxEnter")) == seen:
            await self.server.next_event()
        return caller, self.heard("ZxEnter")[seen]

    async def begin(self) -> None:
        """Forget what was heard, and have all phones registered and idle."""
        self.server.events.clear()
        for extension in phones(self.floor):
            agent = self.far_end.agent(extension)
            agent.by_hand()
            if not agent.registered.is_set():
                await agent.register()

    async def clear(self) -> None:
        """End all calls and wait until they have ended."""
        await self.server.act("Hangup", Channel="/^PJSIP/.*/")
        while await self.variable("CHANNELS(^PJSIP)"):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
        for extension in phones(self.floor):
            await self.far_end.agent(extension).free.wait()

    async def redirect(self, channel: str, context: str, exten: str) -> None:
        """Move the customer's channel."""
        await self.server.act(
            "Redirect", Channel=channel, Context=context, Exten=exten, Priority="1"
        )

    async def offer(
        self,
        entered: Headers,
        offer: str,
        extension: str = "8001",
        *,
        ring: int = 20,
        flags: str = "x",
    ) -> None:
        """Offer the caller to an extension."""
        exten = f"{self.epoch}-{offer}-{extension}-{ring}-{flags}"
        await self.redirect(entered["Channel"], "zuoxi-offer", exten)

    async def variable(self, name: str, channel: str = "") -> str:
        """Read a variable or function."""
        where = {"Channel": channel} if channel else {}
        return (await self.server.act("Getvar", Variable=name, **where)).get("Value", "")

    async def offer_when_waiting(self, entered: Headers, offer: str) -> None:
        """Offer the caller once the wait has begun again."""
        await self.stands(entered, "zuoxi-wait")
        await self.offer(entered, offer)

    async def stands(self, entered: Headers, context: str) -> None:
        """Wait until the caller has come there. Asterisk tells nobody, so look until it is so."""
        async with asyncio.timeout(20):
            while await self.place(entered) != context:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def stays(self, entered: Headers, context: str, seconds: float) -> None:
        """See that the caller is there at the end of this time too."""
        await asyncio.sleep(seconds)
        assert await self.place(entered) == context

    async def place(self, entered: Headers) -> str:
        """The context in which the caller's channel is now."""
        return await self.variable("CONTEXT", entered["Channel"])


@asynccontextmanager
async def site(
    sandbox: TestSandbox,
    floor: Floor,
    *,
    trunk: str = TRUNK,
    edit: Callable[[Path], None] = lambda _: None,
    **values: Any,
) -> AsyncIterator[Site]:
    """Start everything; `values` replace those of PbxFilesInput.

    :param edit: changes the files in the PBX's configuration folder before it starts.
    """
    passwords = phones(floor)
    spool = sandbox.place.folder("recordings")
    source = PbxFilesInput(
        **{
            "ami_user": "zuoxi",
            "ami_secret": SECRET,
            "agi_host": LOOPBACK,
            "agi_port": 1,
            "floor": floor,
            "extension_secrets": passwords,
            "spool_folder": spool,
            "shared_events": True,  # `watch` hears them
            "look_seconds": 1,
            "slice_seconds": 3,
            "sounds": dict.fromkeys(SOUNDS, "beep"),  # short
            **values,
        }
    )

    def install_and_edit(etc: Path) -> None:
        put(etc, render(source))
        edit(etc)

    pbx = await sandbox.pbx(extra={"extensions.conf": trunk}, install=install_and_edit)
    far_end = await sandbox.far_end(pbx, phones=passwords)
    server = Server()
    watch = await sandbox.remote(pbx)
    site = Site(pbx, far_end, server, watch, spool, floor)
    try:
        await server.connect(LOOPBACK, pbx.ports.ami, "zuoxi", SECRET)
        await site.set_epoch(5)
        await site.beat()
        site.keep_beating()
        yield site
    finally:
        site.stop_beating()
        await server.close()


def put(etc: Path, files: dict[str, str]) -> None:
    """Install the files and do what the engineer does: include them."""
    done = install(etc, files, write=True, out=Console(quiet=True))
    for theirs, line in done.missing_includes.items():
        with (etc / theirs).open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")
