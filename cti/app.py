"""The composition root: which parts one node has and how they are joined.

What a part does is told in its own room; the way of an event through them in docs/architecture.md.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import time
import tomllib
from collections.abc import Callable, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal
from zoneinfo import ZoneInfo

import asyncpg
import msgspec
import structlog
from aiohttp import web

from acd.core import Core
from acd.queues import SNAPSHOT_VARIABLES, is_open
from config.floor import Floor
from config.settings import PbxSettings, Settings, WebSettings
from crm.callers import CallerIndex, e164
from cti.agi.server import AgiServer
from cti.ami.link import AmiLink, LinkSettings
from cti.epoch import Tenure
from cti.heard import HeardUntil
from cti.hooks import Hooks, LastAgents
from cti.inputs import Input
from cti.invariants import Inspector
from cti.journal import Journal
from cti.journal.database import CONNECT_SECONDS, TRY_AGAIN, Database
from cti.journal.folds import Thresholds
from cti.journal.projections import Projections, ProjectionStatus, all_projections
from cti.lookup import LookUp
from cti.pbxfiles import extension_secrets
from cti.runtime import Runtime
from recording.files import Spool, Store
from recording.worker import RecordingWorker
from web.hub import Hub
from web.listener import Listener
from web.live import LiveView, PbxState
from web.server import create_app, watch
from web.services import LinkStatus, Services

log = structlog.get_logger(__name__)

Level = Literal["warning", "error"]
STATUS_SECONDS = 1.0
LAG_LIMIT_SECONDS = 2.0
BEHIND_LIMIT = 5_000
LEAVE_SECONDS = 3.0
"""How long the end of the server waits for answers that are under way."""
ROOM = 20_000
"""Inputs that may wait in the runtime; further ones wait in the link, which may drop them."""


class ListenError(Exception):
    """We cannot listen where we are told to; the message names the settings."""


@contextlib.contextmanager
def _listening(keys: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ListenError(f"{error.strerror}: see {keys}") from error


class App:
    """One node: everything between its Asterisk, its database and its browsers.

    :param dsn: PostgreSQL; it may be away at any time.
    """

    def __init__(
        self, settings: Settings, dsn: str, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.settings = settings
        self._clock = clock
        self._dsn = dsn
        self._zone = ZoneInfo(settings.floor.time_zone)
        self._queues = {queue.name: queue for queue in settings.floor.queues}
        floor, node = settings.floor, settings.server.node
        self.database = Database(dsn, max_size=settings.database.pool_size)
        self.journal = Journal.open(settings.server.state_folder / "journal", node)
        self.core = Core(
            floor,
            node,
            next_seq=self.journal.recovered.next_seq,
            to_e164=lambda number: e164(number, floor.country) or number,
            version=product_version(),
        )
        self.heard = HeardUntil(settings.server.state_folder / "heard-until")
        self.live = LiveView(floor)
        folders = settings.recording
        self.store = Store(folders.store_folder)
        self.recordings = RecordingWorker(
            Spool(folders.spool_folder), self.store, self._tell, clock
        )
        self._restore()
        self.tenure = Tenure(node, self._may_act)
        self.inspector = Inspector(self.core.check_rule, clock)
        self.runtime = Runtime(
            self.core,
            self.journal,
            self.tenure,
            clock,
            heartbeat_seconds=settings.pbx.heartbeat_seconds,
            checkpoint_parts={
                "core": self.core.dump,
                "live": self.live.dump,
                "recordings": self.recordings.dump,
            },
            caught_up=self._note_heard,
            inspect=self.inspector.look,
        )
        self.callers = CallerIndex(self._connect, region=floor.country, try_again=TRY_AGAIN)
        look_up = LookUp(floor, self.callers)
        self.link = AmiLink(
            link_settings(settings.pbx),
            lambda item: self.runtime.tell(look_up.fill_in(item)),
            resync=self.tenure.resync,
            room=lambda: self.runtime.backlog < ROOM,
            clock=clock,
            heard_until=self._heard_before(),
        )
        self.hub = Hub(self.live, self.runtime.tell, clock)
        self.runtime.observers += [self.hub.publish, self.recordings.observe]
        self.projections = Projections(
            all_projections(node, thresholds(floor)), on_stopped=self._projection_stopped
        )
        self.journal.on_stored(self.projections.wake)
        self.runtime.observers.append(LastAgents(self.callers))
        hooks = Hooks(floor, look_up, self._is_open, self.runtime.tell)
        self.agi = AgiServer(hooks.handlers(), allowed=settings.pbx.agi_allowed)
        self._secrets = extension_secrets(settings.pbx.secrets_file, floor)

    def _restore(self) -> None:
        """State as the journal has it: the checkpoint, then the records after it."""
        recovered = self.journal.recovered
        if recovered.checkpoint:
            parts = msgspec.json.decode(recovered.checkpoint)
            self.core.load(parts["core"])
            self.live.load(parts["live"])
            self.recordings.load(parts["recordings"])
        for record in recovered.tail:
            self.core.evolve(record)
            self.live.evolve(record)
            self.recordings.evolve(record)

    def _heard_before(self) -> float | None:
        """Until when the PBX was heard by the process before this one."""
        tail = self.journal.recovered.tail
        return tail[-1].event.at if self.heard.at is None and tail else self.heard.at

    def _note_heard(self) -> None:
        if (at := self.link.heard_until) is not None:
            self.heard.note(at)

    def _tell(self, item: Input) -> None:
        self.runtime.tell(item)

    async def _connect(self) -> asyncpg.Connection[Any]:
        """A connection of its own, for LISTEN; the pool makes sure that the tables are there."""
        await self.database.pool()
        return await asyncpg.connect(self._dsn, timeout=CONNECT_SECONDS)

    def _is_open(self, queue: str) -> bool:
        return is_open(self._queues[queue], self._zone, self._clock())

    def _may_act(self) -> bool:
        return not self.core.fenced

    # --- running ---

    async def run(self, ready: Callable[[], None] = lambda: None) -> None:
        """Serve until cancelled. Whatever part fails ends the process, which starts again whole.

        :param ready: called once the server takes browsers (the PBX and the database may be away).
        :raises ListenError: an address of ours is taken, or none of this machine's.
        """
        pages = create_app(self._services())
        web_runner = web.AppRunner(pages, access_log=None, shutdown_timeout=LEAVE_SECONDS)
        await web_runner.setup()
        try:
            with _listening("[pbx] agi_host and agi_port"):
                await self.agi.start(self.settings.pbx.agi_host, self.settings.pbx.agi_port)
            secured = _secured(self.settings.web)
            with _listening("[web] host and port"):
                await Listener(
                    web_runner, self.settings.web.host, self.settings.web.port, secured
                ).start()
            async with asyncio.TaskGroup() as group:
                for part in self._parts():
                    group.create_task(part)
                group.create_task(watch(pages))
                ready()
        finally:
            await self.agi.close()
            await web_runner.cleanup()
            with contextlib.suppress(asyncio.CancelledError):
                await self.link.close()
            await self.database.close()
            self.journal.close()
            self.heard.close()

    def _parts(self) -> list[Coroutine[Any, Any, None]]:
        return [
            self.runtime.run(),
            self.link.run(),
            self.journal.run(self.database.pool),
            self.projections.run(self.database.pool),
            self.callers.run(),
            self.recordings.run(),
            self._watch(),
        ]

    async def _watch(self) -> None:
        """Show how the parts are, and raise what a person has to know."""
        while True:
            link, journal = self._link_status(), self.journal.stats
            behind = journal.last_seq - journal.stored_seq
            self.hub.set_link(
                pbx=link.state,
                since=link.since,
                lag_seconds=link.lag_seconds,
                database=journal.database,
                journal_behind=behind,
            )
            self._alarm("pbx", link.state != "ready", "error", "pbx_" + link.state)
            self._alarm("lag", (link.lag_seconds or 0) > LAG_LIMIT_SECONDS, "warning", "pbx_lag")
            self._alarm("database", journal.database == "away", "error", "database_away")
            self._alarm("disk", journal.disk != "ok", "error", "spool_disk")
            self._alarm("behind", behind > BEHIND_LIMIT, "warning", "journal_behind")
            self._alarm("invariants", self.inspector.broken > 0, "error", "invariant_broken")
            await asyncio.sleep(STATUS_SECONDS)

    def _alarm(self, key: str, on: bool, level: Level, code: str) -> None:
        if on:
            self.hub.raise_alarm(key, level=level, code=code)
        else:
            self.hub.clear_alarm(key)

    def _projection_stopped(self, status: ProjectionStatus) -> None:
        log.error("projection_stopped", projection=status.name, reason=status.reason)
        self.hub.raise_alarm(
            f"projection.{status.name}",
            level="error",
            code="projection_stopped",
            params={"projection": status.name},
        )

    # --- the ports of other rooms ---

    def _services(self) -> Services:
        settings = self.settings
        return Services(
            ask=self.runtime.ask,
            hub=self.hub,
            floor=settings.floor,
            pool=self.database.pool,
            connect=self._connect,
            recording_file=self.store.find,
            sip_password=self._secrets.get,
            link=self._link_status,
            journal=lambda: self.journal.stats,
            settings=settings.web,
            sip_ws_url=settings.pbx.sip_ws_url,
            sip_domain=settings.pbx.sip_domain,
            clock=self._clock,
            gauges=self._gauges,
            uploads=settings.server.state_folder / "uploads",
            version=product_version(),
        )

    def _link_status(self) -> LinkStatus:
        status, stats = self.link.status, self.link.stats
        fenced = self.core.fenced
        state: PbxState = "fenced" if fenced else status.state
        return LinkStatus(
            state=state,
            since=status.since,
            reason="a newer server took this PBX over" if fenced else status.reason,
            lag_seconds=stats.lag.p99_seconds(time.monotonic()),
            events=stats.events,
            malformed=stats.malformed.count,
            reconnects=stats.reconnects,
            queue_depth=self.runtime.backlog,
        )

    def _gauges(self) -> Mapping[str, float]:
        return {
            "ami_overflows": float(self.link.stats.overflows),
            "ami_inputs_not_taken": float(self.link.stats.not_taken),
            "ami_ignored": float(self.link.stats.ignored),
            "invariants_broken": float(self.inspector.broken),
            "invariants_found": float(self.inspector.found),
        }


def link_settings(pbx: PbxSettings) -> LinkSettings:
    """Where the AMI is, and the channel variables that re-adopt a call."""
    return LinkSettings(
        host=pbx.ami_host,
        port=pbx.ami_port,
        user=pbx.ami_user,
        secret=pbx.ami_secret.get_secret_value(),
        variables=SNAPSHOT_VARIABLES,
    )


def thresholds(floor: Floor) -> Thresholds:
    """Service level and short abandons of each queue, for the reports."""
    return Thresholds(
        {
            queue.name: (float(queue.service_level_seconds), float(queue.short_abandon_seconds))
            for queue in floor.queues
        }
    )


def product_version() -> str:
    """The version of this checkout."""
    project = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))
    return str(project["project"]["version"])


def _secured(settings: WebSettings) -> ssl.SSLContext | None:
    """How the pages are served over TLS; None: without."""
    if not settings.tls_certificate or not settings.tls_key:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        # A key with a passphrase is refused; the default would ask for it at the terminal.
        context.load_cert_chain(settings.tls_certificate, settings.tls_key, password="")
    except OSError as error:  # ssl.SSLError is one
        what = f"{settings.tls_certificate} and {settings.tls_key}: {error.strerror}"
        raise ListenError(f"{what}: see [web] tls_certificate and tls_key") from error
    return context
