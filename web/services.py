"""What the web room needs of the rest: ports, filled in by the composition root."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from config.floor import Floor
from config.settings import WebSettings
from cti.inputs import Reply, Request
from cti.journal import JournalStats
from web.database import Connect, PoolSource
from web.hub import Hub
from web.live import PbxState


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkStatus:
    """How the link to the PBX is.

    :param since: epoch seconds since which `state` is so; `reason` says why it is not ready.
    :param lag_seconds: age of the last event when it arrived, None before the first.
    :param events: events by their name, since the start; `malformed`: frames that were none.
    :param queue_depth: events that wait to be consumed.
    """

    state: PbxState
    since: float
    reason: str = ""
    lag_seconds: float | None = None
    events: Mapping[str, int] = field(default_factory=dict)
    malformed: int = 0
    reconnects: int = 0
    queue_depth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The ports.

    :param ask: puts a request to the core and waits for its answer.
    :param hub: the live hub that the runtime publishes to.
    :param pool: gives the database's pool; raises one of cti.journal.database.AWAY.
    :param connect: opens a connection of one's own, for LISTEN.
    :param recording_file: path in the store (as journalled) -> the file, None when it is not there
        or not below the store.
    :param sip_password: password of an extension's SIP account, None when there is none.
    :param link: how the PBX's link is now.
    :param journal: how the journal is now.
    :param uploads: folder of files that people upload, until they are done.
    :param gauges: further figures of the process for /metrics: name -> value.
    :param sip_ws_url: Asterisk's WebSocket as browsers reach it.
    """

    ask: Callable[[Request], Awaitable[Reply]]
    hub: Hub
    floor: Floor
    pool: PoolSource
    connect: Connect
    recording_file: Callable[[str], Path | None]
    sip_password: Callable[[str], str | None]
    link: Callable[[], LinkStatus]
    journal: Callable[[], JournalStats]
    settings: WebSettings
    sip_ws_url: str
    sip_domain: str
    clock: Callable[[], float]
    gauges: Callable[[], Mapping[str, float]] = dict
    uploads: Path = Path("var/server/uploads")
    version: str = ""
