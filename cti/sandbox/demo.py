"""`./zuoxi demo`: a whole call centre on this machine, with simulated customers and agents.

Real: Asterisk, PostgreSQL, the server, SIP and sound. Simulated: the people. A person who signs in
as the agent gets calls like everybody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import os
import random
import secrets
import signal
import socket
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import asyncpg
import uvloop
from rich.console import Console
from rich.panel import Panel

from config.floor import Floor
from crm.customers import By, Draft, Number, create
from cti.app import App
from cti.domain import AgentStateChanged, Recorded
from cti.inputs import SaveDisposition, SetNotReady, SetReady, SignIn
from cti.journal.database import migrate
from cti.process import configure_logging, ensure_database
from cti.sandbox.far_end import FarEnd
from cti.sandbox.frontend import ensure_frontend
from cti.sandbox.pbx import Tree, ensure_tree
from cti.sandbox.ports import LOOPBACK, PortBlock
from cti.sandbox.postgres import Postgres, ensure_binaries
from cti.sandbox.site import Site
from cti.sandbox.system import Place, SandboxError, prepare_place
from web.rights import Role
from web.users import Passwords, add_user, ensure_team

PERSON_AGENT = "1100"
PERSON_EXTENSION = "8100"
DISPOSITIONS = ("resolved", "follow_up", "no_result")
NAMES = (
    "王芳",
    "李伟",
    "张敏",
    "刘洋",
    "陈静",
    "杨帆",
    "赵磊",
    "黄丽",
    "周杰",
    "吴娟",
    "徐强",
    "孙悦",
)
LEVELS = ("A", "B", "C", "VIP")
out = Console(stderr=True, highlight=False)


@dataclass(frozen=True)
class SignInNote:
    """A user of the demo, as it is printed."""

    user: str
    password: str
    role: Role
    name: str
    agent_id: str | None = None


def demo_floor(agents: int) -> Floor:
    """Three queues, `agents` simulated agents at desk phones, one seat for a person."""
    people = [
        {
            "id": f"{1000 + number}",
            "name": NAMES[number % len(NAMES)],
            "queues": [{"queue": "support"}, {"queue": "sales" if number % 2 else "complaints"}],
            "skills": {"english": number % 5 + 1},
        }
        for number in range(1, agents + 1)
    ]
    person = {
        "id": PERSON_AGENT,
        "name": "你 You",
        "queues": [{"queue": name} for name in ("support", "sales", "complaints")],
        "skills": {"english": 5},
    }
    return Floor.model_validate(
        {
            "queues": [
                {
                    "name": "support",
                    "title": {"zh-CN": "客户服务", "en": "Support"},
                    "wrap_up_seconds": 15,
                    "announce_every_seconds": 40,
                    "sticky": "last",
                },
                {
                    "name": "sales",
                    "title": {"zh-CN": "销售热线", "en": "Sales"},
                    "wrap_up_seconds": 20,
                },
                {
                    "name": "complaints",
                    "title": {"zh-CN": "投诉受理", "en": "Complaints"},
                    "wrap_up_seconds": 20,
                    "priority": 2,
                },
            ],
            "agents": [*people, person],
            "extensions": [
                *({"number": f"{8000 + n}", "kind": "desk"} for n in range(1, agents + 1)),
                {"number": PERSON_EXTENSION, "kind": "browser"},
            ],
        }
    )


def run_demo(
    *, port: int, agents: int, customers_per_minute: float, state: Path | None = None
) -> int:
    """Set up what is missing, run until Ctrl-C, leave nothing running.

    :param state: folder of this demo's data; None: the project's.
    """
    began = time.monotonic()
    try:
        with _set_up(port, state) as parts:
            uvloop.run(_demo(parts, port, agents, customers_per_minute, began))
    except SandboxError as error:
        out.print(f"[red]The demo cannot start:[/red] {error}")
        return 2
    except KeyboardInterrupt:
        out.print("stopped during the set-up; nothing is left running, the next start goes on")
        return 130
    return 0


@dataclass(frozen=True)
class Parts:
    """What the demo runs on."""

    place: Place
    postgres: Path
    asterisk: Tree


@contextmanager
def _set_up(port: int, state: Path | None) -> Iterator[Parts]:
    """Get what is missing. Outside the event loop, so that Ctrl-C ends also a long download."""
    programs = prepare_place(say=_say)
    place = Place(state, programs.user) if state else programs
    place.make()
    with _only_one(place):
        _see_that_free(port)
        ensure_frontend(say=_say)
        postgres = ensure_binaries(programs, say=_say)
        yield Parts(place, postgres, ensure_tree(programs, say=_say))


async def _demo(
    parts: Parts, port: int, agents: int, customers_per_minute: float, began: float
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    place, floor = parts.place, demo_floor(agents)
    async with AsyncExitStack() as stack:
        dsn = await _database(place, parts.postgres, stack)
        notes = await _users(place, dsn, floor)
        site = await _pbx(place, parts.asterisk, floor, dsn, stack, port=port)
        configure_logging("info", site.folder / "server.log")
        site.write_settings()
        app = App(site.settings(), dsn)
        async with _running(app), _far_end(site) as far_end:
            people = People(app, far_end, floor, agents)
            await people.sign_in()
            simulated = asyncio.create_task(people.live(customers_per_minute))
            _welcome(port, notes, time.monotonic() - began, site.folder)
            await _first(stop.wait(), simulated)
            out.print("ending ...")
            simulated.cancel()
            await asyncio.gather(simulated, people.leave(), return_exceptions=True)
    out.print("everything has ended; nothing is left running")


@contextmanager
def _only_one(place: Place) -> Iterator[None]:
    """Hold the demo's folder; a second demo would take the first one's PBX apart."""
    with (place.folder("sites", "demo") / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SandboxError(
                "a demo runs here already: end it with Ctrl-C, or give this one a --port and a"
                " --state of its own"
            ) from None
        yield


def _see_that_free(port: int) -> None:
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError as error:
        why = os.strerror(error.errno or 0)
        raise SandboxError(f"port {port}: {why}; take another with --port") from None


def _say(words: str) -> None:
    out.print(f"[dim]·[/dim] {words}", markup=True)


async def _database(place: Place, binaries: Path, stack: AsyncExitStack) -> str:
    _say("starting PostgreSQL")
    server = Postgres("demo", place=place, binaries=binaries)
    await server.start()
    stack.push_async_callback(server.stop)
    dsn = await ensure_database(server)
    await migrate(dsn)
    return dsn


async def _users(place: Place, dsn: str, floor: Floor) -> list[SignInNote]:
    """The people who can sign in; their passwords are made once and kept for the next start."""
    path = place.folder("sites", "demo") / "sign-ins.json"
    passwords: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    wanted: list[tuple[str, Role, str, str | None]] = [
        ("agent", "agent", "你 You", PERSON_AGENT),
        ("leader", "leader", "班长 Leader", None),
        ("supervisor", "supervisor", "主管 Supervisor", None),
        ("admin", "admin", "管理员 Administrator", None),
    ]
    connection = await asyncpg.connect(dsn)
    try:
        known = {row["name"] for row in await connection.fetch("SELECT name FROM users")}
        for name, role, full_name, agent_id in wanted:
            if name in known and name in passwords:
                continue
            await connection.execute("DELETE FROM users WHERE name = $1", name)
            passwords[name] = secrets.token_hex(6)
            await add_user(
                connection,
                Passwords(),
                name=name,
                full_name=full_name,
                password=passwords[name],
                roles=[role],
                agent_id=agent_id,
            )
        await _teams(connection, floor)
        await _customers(connection)
    finally:
        await connection.close()
    place.write(path, json.dumps(passwords), mode=0o600)
    return [SignInNote(n, passwords[n], role, full, a) for n, role, full, a in wanted]


async def _teams(connection: asyncpg.Connection[Any], floor: Floor) -> None:
    """Two teams. The leader leads the one of the person; nobody knows the machines' passwords."""
    first, second = [await ensure_team(connection, f"客户服务 Service/{name}") for name in "AB"]
    hashed = await Passwords().hash(secrets.token_urlsafe(32))
    rows = [
        (f"agent{agent.id}", agent.name, hashed, agent.id, first if int(agent.id) % 2 else second)
        for agent in floor.agents
        if agent.id != PERSON_AGENT
    ]
    await connection.executemany(_MACHINE, rows)
    await connection.execute(
        "UPDATE users SET team_id = $1 WHERE name IN ('agent', 'leader')", first
    )


_MACHINE = """
INSERT INTO users (name, full_name, password_hash, roles, agent_id, language, team_id)
VALUES ($1, $2, $3, '{agent}', $4, 'zh-CN', $5)
ON CONFLICT (agent_id) DO UPDATE SET team_id = excluded.team_id
"""


def number_of(customer: int) -> str:
    """The phone number of a simulated customer; the block is not in service."""
    return f"+86139000{customer:05d}"


async def _customers(connection: asyncpg.Connection[Any]) -> None:
    """Half of those who call are known, two by one number; they are made at the first start."""
    if await connection.fetchval("SELECT EXISTS (SELECT FROM customers)"):
        return
    known = [_customer(n) for n in range(0, 200, 2)]
    shares = Draft(name="陈晓明", level="C", tags=("家人",), numbers=known[0].numbers)
    async with connection.transaction():
        await create(connection, [*known, shares], By("demo", datetime.now(UTC)), "imported")


def _customer(n: int) -> Draft:
    """One of those who call; every tenth is a company."""
    company = n % 20 == 0
    name = NAMES[n // 2 % len(NAMES)]
    return Draft(
        kind="company" if company else "person",
        name=name,
        company=f"{name}商贸有限公司" if company else "",
        level=LEVELS[n // 2 % len(LEVELS)],
        tags=("老客户",) if n % 3 else (),
        owner_agent_id=PERSON_AGENT if n % 8 == 0 else None,
        notes_pinned="只在下午方便接电话" if n % 14 == 0 else "",
        numbers=(Number(number_of(n)),),
    )


async def _pbx(
    place: Place, tree: Tree, floor: Floor, dsn: str, stack: AsyncExitStack, *, port: int
) -> Site:
    block = stack.enter_context(PortBlock(1000))
    site = Site("demo", place, tree, block, floor, dsn, web_port=port)
    _say("starting Asterisk")
    await site.pbx.start()
    stack.push_async_callback(site.pbx.stop)
    return site


@asynccontextmanager
async def _running(app: App) -> AsyncIterator[None]:
    ready = asyncio.Event()
    _say("starting the server")
    task = asyncio.create_task(app.run(ready.set))
    await _first(ready.wait(), task)
    await app.link.wait_for("ready")
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def _far_end(site: Site) -> AsyncIterator[FarEnd]:
    _say("connecting customers and simulated agents")
    phones = {ext: word for ext, word in site.phones.items() if ext != PERSON_EXTENSION}
    with PortBlock(400) as block:
        far_end = FarEnd(
            "demo-far-end",
            tree=site.tree,
            place=site.place,
            block=block,
            pbx=site.pbx,
            sip=site.carrier,
            phones=phones,
        )
        await far_end.start()
        try:
            yield far_end
        finally:
            await far_end.stop()


async def _first(waited: Any, task: asyncio.Task[Any]) -> None:  # noqa: ANN401 - a coroutine
    """Until `waited` is done; an error of `task` in the meantime is raised."""
    waiting = asyncio.ensure_future(waited)
    await asyncio.wait({waiting, task}, return_when=asyncio.FIRST_COMPLETED)
    if not waiting.done():
        waiting.cancel()
        await task
        raise SandboxError("a part of the demo ended by itself; see its log")


def _welcome(port: int, notes: Sequence[SignInNote], seconds: float, folder: Path) -> None:
    lines = [f"[bold]http://{LOOPBACK}:{port}[/bold]   (ready after {seconds:.0f} s)", ""]
    lines += [f"{note.user:<11} {note.password}   {note.name}" for note in notes]
    lines += [
        "",
        f"Sign in as the agent, take seat {PERSON_EXTENSION}, go ready: calls come to you.",
        f"Settings: {folder / 'zuoxi.toml'}   (try ./zuoxi doctor --config ...)",
        f"Log: {folder / 'server.log'}",
        "Ctrl-C ends everything.",
    ]
    out.print(Panel("\n".join(lines), title="坐席 zuoxi demo", expand=False))


class People:
    """Simulated customers, and agents who pick up, talk, write their notes and take a rest."""

    def __init__(self, app: App, far_end: FarEnd, floor: Floor, agents: int) -> None:
        self._app = app
        self._far_end = far_end
        self._floor = floor
        self._seats = {f"{1000 + n}": f"{8000 + n}" for n in range(1, agents + 1)}
        self._random = random.Random()  # noqa: S311 - a play
        self._tasks: set[asyncio.Task[None]] = set()

    async def sign_in(self) -> None:
        """All simulated agents take their seats."""
        for agent_id, extension in self._seats.items():
            phone = self._far_end.agent(extension)
            phone.auto_answer(after_seconds=self._random.uniform(1, 4), talk_seconds=None)
            await self._app.runtime.ask(
                SignIn(request_id="", agent_id=agent_id, extension=extension, confirm_takeover=True)
            )
            await self._app.runtime.ask(SetReady(request_id="", agent_id=agent_id))
        self._app.runtime.observers.append(self._look)

    async def live(self, customers_per_minute: float) -> None:
        """Customers come until cancelled; the first ones at once."""
        for _ in range(3):
            await self._customer_calls()
        while True:
            await asyncio.sleep(self._random.expovariate(customers_per_minute / 60))
            await self._customer_calls()

    async def _customer_calls(self) -> None:
        queue = self._random.choices(("support", "sales", "complaints"), (6, 3, 1))[0]
        await self._far_end.call(
            queue,
            number_of(self._random.randrange(200)),
            patience_seconds=20 + self._random.expovariate(1 / 60),
        )

    def _look(self, records: Sequence[Recorded]) -> None:
        """Answer what happens to the simulated agents."""
        for record in records:
            event = record.event
            if isinstance(event, AgentStateChanged) and event.agent_id in self._seats:
                self._react(event)

    def _react(self, event: AgentStateChanged) -> None:
        match event.state:
            case "talking":
                self._later(self._talk(event.agent_id))
            case "wrap_up":
                self._later(self._write_up(event.agent_id, event.call_id))
            case "not_ready":
                self._later(self._come_back(event.agent_id))

    async def leave(self) -> None:
        """The simulated agents stop what they do by themselves."""
        self._app.runtime.observers.remove(self._look)
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _later(self, work: Any) -> None:  # noqa: ANN401 - a coroutine
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _talk(self, agent_id: str) -> None:
        await asyncio.sleep(self._random.lognormvariate(3.2, 0.6))
        await self._far_end.agent(self._seats[agent_id]).hang_up()

    async def _write_up(self, agent_id: str, call_id: str | None) -> None:
        await asyncio.sleep(self._random.uniform(3, 12))
        ask = self._app.runtime.ask
        if call_id is not None:
            await ask(
                SaveDisposition(
                    request_id="",
                    agent_id=agent_id,
                    call_id=call_id,
                    code=self._random.choice(DISPOSITIONS),
                    finish=True,
                )
            )
        if self._random.random() < 0.1:
            await ask(SetNotReady(request_id="", agent_id=agent_id, reason="rest"))

    async def _come_back(self, agent_id: str) -> None:
        await asyncio.sleep(self._random.uniform(8, 25))
        await self._app.runtime.ask(SetReady(request_id="", agent_id=agent_id))
