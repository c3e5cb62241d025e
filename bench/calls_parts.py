"""Two call centres on this machine for `bench.calls`: ours, and Asterisk's own queue alone.

Both have the same Asterisk with the same endpoints, music, CDR and CEL; in the rival no manager is
connected. sipp stands for all agents' phones, whose contacts are fixed instead of registered.
"""

from __future__ import annotations

import asyncio
import csv
import os
import re
import socket
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import asyncpg

from bench.calls_cpu import cpu_seconds, family_cpu_seconds
from bench.calls_server import READY
from config.floor import Floor
from cti.journal.database import migrate
from cti.sandbox.pbx import Tree, ensure_tree
from cti.sandbox.ports import LOOPBACK, PortBlock
from cti.sandbox.postgres import Postgres, ensure_binaries
from cti.sandbox.processes import Process
from cti.sandbox.remote import Headers, Remote
from cti.sandbox.site import Site
from cti.sandbox.system import (
    PROJECT,
    Place,
    SandboxError,
    install_packages,
    prepare_place,
    say_on_stderr,
)
from web.users import Passwords, add_user

SCENARIOS = Path(__file__).parent / "scenarios"
AGENTS, WAITING = 300, 900
QUEUE = "support"
NATIVE, ASKED = "native", "asked"
"""Numbers to call: Asterisk's own queue; ours with the hook asked before the answer."""
DIALPLAN = f"""
[from-trunk]
exten => {ASKED},1,Gosub(zuoxi-hook,s,1(enter,{QUEUE}))
 same => n,Goto(zuoxi-enter,{QUEUE},1)
exten => {NATIVE},1,Answer(0,i)
 same => n,Queue(zx-{QUEUE})
 same => n,Hangup()
"""
_BEHIND = "SELECT (SELECT max(last_seq) FROM journal_node) > min(seq) FROM projections"
RTP_PORTS = 3400
"""Two for each leg: 1,200 customers and 300 agents, and some that have just ended."""
START_SECONDS = 60.0
PLAIN = {"TERM": "dumb"}  # else sipp draws on a screen that is not there
PASSWORD = "nobody else gets in here"  # noqa: S105 - of a server that lives for minutes


def centre_floor(recording: str) -> Floor:
    """One queue, 300 agents at desk phones; no wrap-up."""
    numbers = range(1, AGENTS + 1)
    queue = {"name": QUEUE, "wrap_up_seconds": 0, "recording": recording}
    return Floor.model_validate(
        {
            "queues": [queue],
            "agents": [
                {"id": f"{1000 + n}", "name": f"Agent {n}", "queues": [{"queue": QUEUE}]}
                for n in numbers
            ],
            "extensions": [{"number": f"{8000 + n}", "kind": "desk"} for n in numbers],
        }
    )


@dataclass
class CentreSite(Site):
    """A site whose phones have fixed contacts, and that sends nothing where there is no music.

    :param phones_port: where sipp answers for all of them.
    :param members: whether Asterisk's own queue has its agents from the start.
    """

    phones_port: int = 0
    members: bool = False

    def _put(self, etc: Path) -> None:
        super()._put(etc)
        options = etc / "asterisk.conf"
        self.place.write(options, options.read_text().replace("transmit_silence = yes", ""))
        pjsip, queues = etc / "zuoxi_pjsip.conf", etc / "zuoxi_queues.conf"
        desks = [each.number for each in self.floor.extensions if each.kind == "desk"]
        self.place.write(pjsip, fix_contacts(pjsip.read_text(), desks, self.phones_port))
        if self.members:
            lines = [f"member => PJSIP/{each.number}\n" for each in self.floor.extensions]
            self.place.write(queues, queues.read_text() + "\n" + "".join(lines))


def fix_contacts(pjsip_conf: str, desks: Sequence[str], port: int) -> str:
    """A contact for the address of record of each desk phone, which is not asked whether it is
    there."""
    fixed = re.sub(
        rf"^\[({'|'.join(desks)})\]\ntype = aor$",
        rf"[\1]\ntype = aor\ncontact = sip:\1@{LOOPBACK}:{port}",
        pjsip_conf,
        flags=re.MULTILINE,
    )
    return re.sub(r"^qualify_frequency = .*\n", "", fixed, flags=re.MULTILINE)


@dataclass(frozen=True)
class Used:
    """Seconds of CPU: of Asterisk, of our server and of PostgreSQL (both 0 for the rival)."""

    asterisk: float
    server: float = 0.0
    database: float = 0.0

    def __sub__(self, other: Used) -> Used:
        return Used(
            self.asterisk - other.asterisk,
            self.server - other.server,
            self.database - other.database,
        )

    def per_call(self, calls: int) -> Used:
        """In milliseconds."""
        parts = (self.asterisk, self.server, self.database)
        return Used(*(part / calls * 1000 for part in parts))


class Centre:
    """One of the two."""

    def __init__(self, site: CentreSite, number: str, sink: int) -> None:
        self.site = site
        self.name = site.name
        self.number = number
        self._sink = sink
        self.server: Process | None = None
        self.database: Postgres | None = None
        self.dsn = ""

    def used(self) -> Used:
        """CPU since the processes started."""
        return Used(
            cpu_seconds(self.site.pbx.pid),
            cpu_seconds(self.server.pid) if self.server else 0.0,
            family_cpu_seconds(self.database.pid) if self.database else 0.0,
        )

    async def settled(self) -> None:
        """Wait until the journal has been projected; the rival has nothing to wait for."""
        if not self.dsn:
            return
        connection = await asyncpg.connect(self.dsn)
        try:
            while await connection.fetchval(_BEHIND):  # noqa: ASYNC110 - another process's work
                await asyncio.sleep(0.5)
        finally:
            await connection.close()

    @asynccontextmanager
    async def phones(self, scenario: str, talk_seconds: float) -> AsyncIterator[None]:
        """Agents who answer as the scenario says."""
        sipp = self._sipp("agents", scenario, self.site.phones_port, talk_seconds)
        try:
            yield
        finally:
            await sipp.kill()

    def customers(
        self,
        scenario: str,
        *,
        rate: float,
        talk_seconds: float,
        calls: int,
        at_once: int,
        number: str | None = None,
        port: int | None = None,
        callers: Sequence[str] = (),
    ) -> Process:
        """Start customers: `rate` each second, `calls` in all, never more than `at_once`.

        :param number: which they call instead of the centre's own.
        :param port: from which, where others call at the same time; they are not `counted`.
        :param callers: the numbers that they call from in turn, where the scenario has [field0].
        """
        options = ["-r", str(rate), "-m", str(calls), "-l", str(at_once)]
        if callers:
            path = self.site.folder / "callers.csv"
            self.site.place.write(path, "\n".join(["SEQUENTIAL", *callers, ""]))
            options += ["-inf", str(path)]
        if port is None:
            port = self.site.sipp
            options += ["-trace_stat", "-stf", str(self._statistics), "-fd", "1"]
            self._statistics.unlink(missing_ok=True)
        role = f"customers-{port}"
        return self._sipp(role, scenario, port, talk_seconds, *options, number=number)

    @property
    def _statistics(self) -> Path:
        return self.site.folder / "customers.csv"

    def counted(self) -> dict[str, int]:
        """What the customers' sipp wrote last: calls `begun`, `ended` well, `failed`."""
        names = {
            "begun": "OutgoingCall(C)",
            "ended": "SuccessfulCall(C)",
            "failed": "FailedCall(C)",
        }
        if not self._statistics.exists():
            return dict.fromkeys(names, 0)
        with self._statistics.open() as file:
            rows = list(csv.DictReader(file, delimiter=";"))
        complete = [row for row in rows if row.get("FailedCall(C)")]
        return {
            name: int(complete[-1][column]) if complete else 0 for name, column in names.items()
        }

    def _sipp(
        self,
        role: str,
        scenario: str,
        port: int,
        talk_seconds: float,
        *options: str,
        number: str | None = None,
    ) -> Process:
        command: list[str | Path] = ["sipp", f"{LOOPBACK}:{self.site.pbx.ports.sip}"]
        command += ["-sf", SCENARIOS / f"{scenario}.xml", "-i", LOOPBACK, "-p", str(port)]
        command += ["-s", number or self.number, "-d", str(round(talk_seconds * 1000))]
        command += ["-key", "media", str(self._sink), "-nostdin", "-nd", "-trace_err"]
        command += ["-error_file", self.site.folder / f"{role}-errors.log", *options]
        here = Place(self.site.place.state, None)
        return Process(command, place=here, log=self.site.folder / f"{role}.log", env=PLAIN)

    async def stop_music(self) -> None:
        """From here on, callers wait in silence."""
        self.site.place.write(self.site.pbx.etc / "musiconhold.conf", "")
        async with self.observed(lambda _: None) as remote:
            await remote.act("Command", Command="module reload res_musiconhold.so")

    async def hang_up_all(self) -> None:
        """End every call that is left, and wait until none is."""
        async with self.observed(lambda _: None) as remote:
            await remote.act("Command", Command="channel request hangup all")
            while True:
                answer = await remote.act("CoreStatus")
                if answer["CoreCurrentCalls"] == "0":
                    return
                await asyncio.sleep(0.2)

    @asynccontextmanager
    async def observed(self, on_event: Callable[[Headers], None]) -> AsyncIterator[Remote]:
        """A manager connection that sees every event."""
        pbx = self.site.pbx
        remote = Remote(on_event)
        await remote.connect(LOOPBACK, pbx.ports.ami, pbx.ami_user, pbx.ami_secret)
        try:
            yield remote
        finally:
            await remote.close()


# --- starting ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Both:
    """The product and its rival, running."""

    ours: Centre
    rival: Centre


@dataclass(frozen=True)
class Ground:
    """What centres stand on; all of it ends with `stack`."""

    stack: AsyncExitStack
    place: Place
    tree: Tree
    database: Postgres
    sink: int

    async def centre(self, name: str, floor: Floor, number: str, *, members: bool) -> Centre:
        """A PBX with its phones and its database; no server yet.

        :param number: what its customers call.
        """
        block = self.stack.enter_context(PortBlock(RTP_PORTS + 100))
        site = CentreSite(
            name,
            self.place,
            self.tree,
            block,
            floor,
            await self.database.create_database(name),
            rtp=RTP_PORTS,
            extensions_conf=DIALPLAN,
            phones_port=block.take(),
            members=members,
        )
        await site.pbx.start()
        self.stack.push_async_callback(site.pbx.kill)
        return Centre(site, number, self.sink)


@asynccontextmanager
async def ground() -> AsyncIterator[Ground]:
    """Install what is missing, start PostgreSQL."""
    async with AsyncExitStack() as stack:
        state = prepare_place(say=say_on_stderr)
        install_packages({"sip-tester": "sipp plays customers and agents"}, say=say_on_stderr)
        tree = ensure_tree(state, say=say_on_stderr)
        place = Place(state.folder("bench", str(os.getpid())), state.user)
        stack.callback(place.remove)
        sink = stack.enter_context(_sink())
        database = await _database(place, state, stack)
        yield Ground(stack, place, tree, database, sink.getsockname()[1])


@asynccontextmanager
async def both_centres(
    *, recording: str = "never", profile: Path | None = None
) -> AsyncIterator[Both]:
    """Start everything; all of it ends with us.

    :param profile: where the server shall write cProfile's statistics.
    """
    async with ground() as base:
        floor = centre_floor(recording)
        ours = await base.centre("ours", floor, QUEUE, members=False)
        rival = await base.centre("rival", floor, NATIVE, members=True)
        await serve(ours, base, profile)
        await _watch(ours, base.stack)
        yield Both(ours, rival)


def _sink() -> socket.socket:
    """A socket that takes all media and is never read; what does not fit is dropped."""
    sink = socket.socket(type=socket.SOCK_DGRAM)
    sink.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
    sink.bind((LOOPBACK, 0))
    return sink


async def _database(place: Place, state: Place, stack: AsyncExitStack) -> Postgres:
    server = Postgres(place=place, binaries=ensure_binaries(state, say=say_on_stderr))
    await server.start()
    stack.push_async_callback(server.stop)
    return server


async def serve(centre: Centre, base: Ground, profile: Path | None = None) -> None:
    """Start the server, and have every agent at a desk phone take the seat and be ready."""
    site = centre.site
    centre.dsn, centre.database = site.dsn, base.database
    await migrate(centre.dsn)
    server = Process(
        [
            *(sys.executable, "-m", "bench.calls_server", site.write_settings()),
            *([profile] if profile else []),
        ],
        place=Place(site.place.state, None),
        log=site.folder / "server.log",
        env={"PYTHONPATH": str(PROJECT)},
    )
    base.stack.push_async_callback(server.stop)
    centre.server = server
    async with asyncio.timeout(START_SECONDS):
        while READY not in server.output():
            if not server.running:
                raise SandboxError(f"the server ended:\n{server.output()[-2000:]}")
            await asyncio.sleep(0.1)


async def _watch(centre: Centre, stack: AsyncExitStack) -> None:
    """A supervisor with the live page open: the live view has somebody to work for."""
    connection = await asyncpg.connect(centre.dsn)
    await add_user(
        connection, Passwords(), name="supervisor", password=PASSWORD, roles=["supervisor"]
    )
    await connection.close()
    base = f"http://{LOOPBACK}:{centre.site.web_port}"
    http = await stack.enter_async_context(
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True), headers={"Origin": base})
    )
    who = {"user": "supervisor", "password": PASSWORD}
    (await http.post(f"{base}/api/v1/session", json=who, raise_for_status=True)).release()
    live = await http.ws_connect(f"{base}/api/v1/live", max_msg_size=0)
    await live.send_json({"type": "subscribe", "topics": ["floor"]})
    reading = asyncio.create_task(_read(live))
    stack.callback(reading.cancel)


async def _read(live: aiohttp.ClientWebSocketResponse) -> None:
    async for _ in live:
        pass
