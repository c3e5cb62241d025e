"""One server process: logging, signals, the embedded database where there is no other, the App."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, MutableMapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import structlog
import uvloop

from config.settings import Settings
from cti.app import App, ListenError
from cti.collector import calm
from cti.journal import SpoolInUseError
from cti.sandbox.keeper import shared
from cti.sandbox.postgres import Postgres, data_folder, ensure_binaries
from cti.sandbox.system import SandboxError, prepare_place, state_folders

log = structlog.get_logger(__name__)

NUMBER = re.compile(
    r"(?<![A-Za-z0-9])(?<!\d\.)(\+?\d{3})\d{4,}(\d{2})(?![A-Za-z0-9]|\.\d)", re.ASCII
)
"""A phone number, wherever it stands, but no part of a word and no Uniqueid (`1790000000.12`)."""
ROW = re.compile(r"(Failing row contains |Key \([^)]*\)=)\(.*\)")
"""How PostgreSQL shows the values of a row, names among them, in the detail of an error."""
DATABASE = "zuoxi"


def serve(settings: Settings) -> int:
    """Run one node until SIGTERM or SIGINT. 0: ended as asked; 2: could not start."""
    configure_logging(settings.server.log_level)
    tell_ignored(settings)
    try:
        uvloop.run(serving(settings, announce))
    except (SpoolInUseError, SandboxError, ListenError) as error:
        print(f"cannot start: {error}", file=sys.stderr)  # noqa: T201 - to the operator
        return 2
    return 0


def tell_ignored(settings: Settings) -> None:
    """Warn of settings that were ones once and do nothing any more."""
    agents = sum(agent.names_team for agent in settings.floor.agents)
    if agents:
        instead = "teams are kept on the page People, or given by: user add NAME --team"
        log.warning("setting_ignored", key="floor.agents.team", agents=agents, instead=instead)


def announce(app: App) -> None:
    """Say where the server listens."""
    web = app.settings.web
    scheme = "https" if web.tls_certificate else "http"
    log.info("ready", address=f"{scheme}://{web.host}:{web.port}", node=app.settings.server.node)


async def serving(settings: Settings, ready: Callable[[App], None]) -> None:
    """Serve until a signal; `ready` is called when browsers can come."""
    async with database_dsn(settings) as dsn:
        app = App(settings, dsn)
        running = asyncio.ensure_future(app.run(lambda: _started(app, ready)))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, running.cancel)
        try:
            await running
        except asyncio.CancelledError:
            log.info("stopped")


def _started(app: App, ready: Callable[[App], None]) -> None:
    """What lives from the start on is not looked at again by the garbage collector."""
    calm()
    ready(app)


@asynccontextmanager
async def database_dsn(settings: Settings) -> AsyncIterator[str]:
    """The DSN of the settings, or of the embedded PostgreSQL, which runs while anybody uses it."""
    if settings.database.dsn is not None:
        yield settings.database.dsn.get_secret_value()
        return
    place = prepare_place(say=_say)
    server = Postgres(place=place, binaries=ensure_binaries(place, say=_say))
    async with shared(server):
        yield await ensure_database(server)


def embedded_exists() -> bool:
    """Whether the embedded PostgreSQL was made already; only a look, nothing is made."""
    return any(data_folder(state).is_dir() for state in state_folders())


async def ensure_database(server: Postgres, name: str = DATABASE) -> str:
    """The DSN of our database in the embedded server, made at the first start."""
    with contextlib.suppress(asyncpg.DuplicateDatabaseError):
        await server.create_database(name)
    return server.dsn(name)


def _say(words: str) -> None:
    log.info("setup", what=words)


def configure_logging(level: str, out: Path | None = None) -> None:
    """Structured lines on standard error (or into `out`), phone numbers masked."""
    stream = out.open("a", encoding="utf-8") if out else sys.stderr
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            mask_numbers,
            structlog.processors.KeyValueRenderer(key_order=["timestamp", "level", "event"])
            if not stream.isatty()
            else structlog.dev.ConsoleRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            logging.getLevelNamesMapping()[level.upper()]
        ),
        logger_factory=structlog.PrintLoggerFactory(stream),
        cache_logger_on_first_use=True,
    )


def mask_numbers(
    _logger: object, _method: str, line: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Hide the middle of what looks like a phone number, `+86****34`, and the values of rows."""
    for key, value in line.items():
        line[key] = _masked(value)
    return line


def _masked(value: object) -> object:
    if isinstance(value, str):
        return NUMBER.sub(r"\1****\2", ROW.sub(r"\1(...)", value))
    if isinstance(value, Mapping):
        return {_masked(key): _masked(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_masked(item) for item in value]
    return _masked(str(value)) if isinstance(value, BaseException | Path) else value
