"""`./zuoxi doctor`: examines a site from outside and says how to mend what it finds.

Each check is small, changes nothing, and gives findings; one that cannot be made because an earlier
one failed says so. It may run beside the server: it takes no epoch and sends no heartbeat.
"""

from __future__ import annotations

import asyncio
import ipaddress
import os
import re
import shutil
import ssl
import stat
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import urlsplit

import aiohttp
import asyncpg
import msgspec
from cryptography import x509
from rich.console import Console
from rich.table import Table

from config.settings import PbxSettings, Settings
from cti.agi.server import DEADLINE_SECONDS
from cti.ami.actions import (
    Action,
    CoreSettings,
    Getvar,
    Ping,
    QueuePause,
    QueueStatus,
    Setvar,
    Status,
)
from cti.ami.actions import UserEvent as SayUserEvent
from cti.ami.errors import AmiError
from cti.ami.events import QueueParams, UserEvent
from cti.ami.link import AmiLink, LinkSettings
from cti.inputs import Input, PbxEvent
from cti.pbxfiles import SOUNDS
from cti.process import database_dsn, embedded_exists
from cti.sandbox.frontend import built
from cti.sandbox.system import SandboxError

Level = Literal["ok", "warn", "bad"]

ASTERISK_VERSIONS: Final = (18, 19, 20, 21, 22)
LINK_SECONDS: Final = 6.0
EVENT_SECONDS: Final = 3.0
WEBSOCKET_SECONDS: Final = 5.0
DATABASE_SECONDS: Final = 5.0
CLOCK_LIMIT_SECONDS: Final = 1.0
FREE_BYTES: Final = 5 * 1024**3
CERTIFICATE_DAYS: Final = 21
POSTGRES_VERSIONS: Final = range(15, 19)
EXPIRED: Final = 10
OTHER_NAME: Final = (62, 64)
"""What OpenSSL finds wrong with a certificate (X509_V_ERR_...): its time, its host or address."""
RENEW_SIP: Final = (
    "renew it (tlscertfile in Asterisk's http.conf), then `core restart when convenient`"
)
CORE_SOUNDS: Final = "Asterisk's core sounds (Debian: asterisk-core-sounds-en)"

CONTEXTS: Final = (
    *(("zuoxi-wait", "s"), ("zuoxi-wait", "1-back"), ("zuoxi-offer", "1-o-8001-1-x")),
    *(("zuoxi-announce", "position"), ("zuoxi-leave", "hangup"), ("zuoxi-after", "survey")),
    *(("zuoxi-hook", "s"), ("zuoxi-record", "s")),
)
MODULES: Final = (
    *("app_dial", "app_mixmonitor", "app_playback", "app_queue", "app_read", "app_stack"),
    *("app_userevent", "chan_pjsip", "func_channel", "func_cut", "func_global", "func_logic"),
    *("func_strings", "func_timeout", "res_agi", "res_musiconhold"),
)
HOURS_ANSWER: Final = re.compile(rb'SET VARIABLE "ARRAY\(ZX_OPEN\)" "(yes|no)"\n')
BROWSER_MODULES: Final = ("res_http_websocket", "res_pjsip_transport_websocket", "res_srtp")


class Finding(msgspec.Struct, frozen=True):
    """What one check found. `how_to_mend` is empty where there is nothing to mend."""

    check: str
    level: Level
    what: str
    how_to_mend: str = ""


class Command(Action, frozen=True, kw_only=True, rename="pascal"):
    """A command line of Asterisk: only to see that we may not."""

    command: str


async def examine(settings: Settings, dsn: str | None = None) -> list[Finding]:
    """All checks, in the order in which they should be mended.

    :param dsn: the database; None: that of the settings, or the embedded one.
    """
    if dsn is None and settings.database.dsn is not None:
        dsn = settings.database.dsn.get_secret_value()
    return [
        *await pbx(settings),
        *await hooks(settings),
        *(await embedded(settings) if dsn is None else await database(dsn)),
        *folders(settings),
        screens(),
        *certificate(settings),
        *await sip_websocket(settings),
    ]


def show(findings: list[Finding], out: Console) -> int:
    """Print a table; 1 when something is bad, else 0."""
    table = Table(show_edge=False, pad_edge=False)
    for title in ("", "check", "found", "how to mend"):
        table.add_column(title, overflow="fold")
    colours = {"ok": "[green]ok[/]", "warn": "[yellow]look[/]", "bad": "[red]bad[/]"}
    for each in findings:
        row = (each.check, each.what, each.how_to_mend)
        table.add_row(colours[each.level], *(text.replace("[", r"\[") for text in row))
    out.print(table)
    return int(any(each.level == "bad" for each in findings))


# --- Asterisk, over AMI ---------------------------------------------------------------------------


async def pbx(settings: Settings) -> list[Finding]:
    """Sign-in, rights, time stamps, dialplan, queues, endpoints, heartbeat, clock, sounds."""
    told: asyncio.Queue[Input] = asyncio.Queue()
    where = settings.pbx
    link = AmiLink(
        LinkSettings(
            host=where.ami_host,
            port=where.ami_port,
            user=where.ami_user,
            secret=where.ami_secret.get_secret_value(),
        ),
        told.put_nowait,
    )
    async with link:
        with suppress(TimeoutError):
            await asyncio.wait_for(link.wait_for("ready"), LINK_SECONDS)
        if link.status.state != "ready":
            return [_no_link(link, where)]
        address = f"{where.ami_host}:{where.ami_port}"
        checks: list[Callable[[], Awaitable[list[Finding]]]] = [
            lambda: _version(link, settings),
            lambda: _rights(link),
            lambda: _stamps(link, told),
            lambda: _modules(link, settings),
            lambda: _dialplan(link, settings),
            lambda: _queues(link, settings),
            lambda: _endpoints(link, settings),
            lambda: _heartbeat(link, where),
            lambda: _clock(link),
            lambda: _sounds(link),
        ]
        findings = [Finding("AMI", "ok", f"signed in at {address} as {where.ami_user}")]
        for check in checks:
            findings += await check()
        return findings


def _no_link(link: AmiLink, where: PbxSettings) -> Finding:
    if link.status.state == "refused":
        mend = (
            "run `./zuoxi pbx install` (it writes the account with our secret), include"
            " zuoxi_manager.conf in manager.conf, then `manager reload` in Asterisk; from another"
            " machine the account's `permit` must name this one"
        )
    else:
        mend = (
            f"is Asterisk running, and does manager.conf have enabled=yes and listen on"
            f" {where.ami_host}:{where.ami_port}? All further checks of Asterisk wait for this"
        )
    return Finding("AMI", "bad", link.status.reason, mend)


async def _version(link: AmiLink, settings: Settings) -> list[Finding]:
    version = str((await link.send(CoreSettings())).headers.get("AsteriskVersion", "unknown"))
    try:
        known = int(version.partition(".")[0]) in ASTERISK_VERSIONS
    except ValueError:
        known = False
    if not known:
        mend = f"the product is made for {ASTERISK_VERSIONS[0]} to {ASTERISK_VERSIONS[-1]}"
        return [Finding("Asterisk", "warn", version, mend)]
    if "dfsg" in version and not _all_transcoded(settings):
        mend = (
            "its translators drop sound where a new RTP stream begins at a lower number: after an"
            " attended transfer between phones that have the trunk's codec, half of the recordings"
            ' lack the second agent. Set [pbx] desk_codecs = ["g722"] (and browser_codecs ='
            ' ["opus"]), or run Asterisk\'s own release; see docs/operations.md'
        )
        return [Finding("Asterisk", "warn", f"{version}, as Debian and Ubuntu change it", mend)]
    return [Finding("Asterisk", "ok", version)]


def _all_transcoded(settings: Settings) -> bool:
    """Whether no agent's phone can come to the trunk's narrowband codec (decision 13)."""
    codecs = {"browser": settings.pbx.browser_codecs, "desk": settings.pbx.desk_codecs}
    kinds = {each.kind for each in settings.floor.extensions}
    return not any(codec in ("alaw", "ulaw") for kind in kinds for codec in codecs[kind])


async def _rights(link: AmiLink) -> list[Finding]:
    """Each right by an action that does nothing."""
    needed: dict[str, Action] = {
        "call": Setvar(variable="ZX_DOCTOR", value=""),
        "user": SayUserEvent(user_event="ZxDoctor"),
        "agent": QueuePause(interface="PJSIP/zx-nobody", paused=False),
    }
    missing = [name for name, action in needed.items() if await _denied(link, action)]
    try:
        await link.collect(Status())
    except AmiError:
        missing.append("reporting")
    findings = []
    if missing:
        mend = "give the account write=call,agent,user,reporting, as zuoxi_manager.conf has it"
        findings.append(Finding("rights", "bad", f"missing: {', '.join(missing)}", mend))
    if not await _denied(link, Command(command="core show version")):
        mend = "take `command` (and system, config, originate) out of the account's write="
        findings.append(Finding("rights", "warn", "may run Asterisk's command line", mend))
    return findings or [Finding("rights", "ok", "call, agent, user, reporting and no more")]


async def _denied(link: AmiLink, action: Action) -> bool:
    outcome = await link.send(action)
    return outcome.result != "done" and "permission" in outcome.message.lower()


async def _stamps(link: AmiLink, told: asyncio.Queue[Input]) -> list[Finding]:
    """Whether events come, and with a time stamp."""
    await link.send(SayUserEvent(user_event="ZxDoctor", fields={"Mark": str(os.getpid())}))
    try:
        async with asyncio.timeout(EVENT_SECONDS):
            event = await _own_event(told)
    except TimeoutError:
        mend = "give the account read=call,agent,user,reporting,system"
        return [Finding("events", "bad", "our own UserEvent did not come back", mend)]
    if event.timestamp is None:
        mend = "set timestampevents=yes in [general] of manager.conf, then `manager reload`"
        return [Finding("events", "bad", "events carry no time stamp", mend)]
    return [Finding("events", "ok", "they come, with time stamps")]


async def _own_event(told: asyncio.Queue[Input]) -> UserEvent:
    while True:
        match await told.get():
            case PbxEvent(event=UserEvent(name="ZxDoctor", headers=headers) as event):
                if headers.get("Mark") == str(os.getpid()):
                    return event


async def _read(link: AmiLink, expression: str) -> str | None:
    """Value of a variable or function; None where Asterisk cannot tell."""
    outcome = await link.send(Getvar(variable=expression))
    return str(outcome.headers.get("Value", "")) if outcome.result == "done" else None


async def _modules(link: AmiLink, settings: Settings) -> list[Finding]:
    if await _read(link, "IFMODULE(func_module.so)") != "1":
        mend = "load func_module.so to have the modules examined"
        return [Finding("modules", "warn", "cannot be examined", mend)]
    browsers = any(each.kind == "browser" for each in settings.floor.extensions)
    if browsers and await _read(link, "IFMODULE(chan_sip.so)") == "1":
        mend = "set noload => chan_sip.so in modules.conf: it takes browsers' phones from PJSIP"
        return [Finding("modules", "bad", "chan_sip refuses the agents' browsers", mend)]
    wanted = (*MODULES, *(BROWSER_MODULES if browsers else ()))
    missing = [name for name in wanted if await _read(link, f"IFMODULE({name}.so)") != "1"]
    if missing:
        mend = "load them in modules.conf"
        return [Finding("modules", "bad", f"not loaded: {', '.join(missing)}", mend)]
    if browsers and "opus" in settings.pbx.browser_codecs and not await _transcodes_opus(link):
        mend = (
            "load a codec_opus, or leave opus out of [pbx] browser_codecs, then"
            " `./zuoxi pbx install` and `core reload`"
        )
        what = "opus cannot be transcoded: calls end when the agent answers in the browser"
        return [Finding("modules", "bad", what, mend)]
    return [Finding("modules", "ok", "all that the dialplan uses are loaded")]


async def _transcodes_opus(link: AmiLink) -> bool:
    modules = ("codec_opus", "codec_opus_open_source")
    return "1" in [await _read(link, f"IFMODULE({name}.so)") for name in modules]


async def _dialplan(link: AmiLink, settings: Settings) -> list[Finding]:
    places = [*CONTEXTS, *(("zuoxi-enter", queue.name) for queue in settings.floor.queues)]
    missing = [
        f"{context},{exten}"
        for context, exten in places
        if await _read(link, f"DIALPLAN_EXISTS({context},{exten},1)") != "1"
    ]
    if missing:
        mend = (
            "run `./zuoxi pbx install`, include zuoxi_extensions.conf in extensions.conf, then"
            " `dialplan reload`"
        )
        return [Finding("dialplan", "bad", f"not there: {', '.join(missing)}", mend)]
    return [Finding("dialplan", "ok", f"all contexts, {len(settings.floor.queues)} queues")]


async def _queues(link: AmiLink, settings: Settings) -> list[Finding]:
    try:
        items = await link.collect(QueueStatus())
    except AmiError as error:
        return [Finding("native queues", "bad", str(error), "mend the rights first")]
    there = {item.queue for item in items if isinstance(item, QueueParams)}
    missing = [
        f"zx-{each.name}" for each in settings.floor.queues if f"zx-{each.name}" not in there
    ]
    if missing:
        mend = "include zuoxi_queues.conf in queues.conf, then `queue reload all`"
        return [Finding("native queues", "bad", f"not there: {', '.join(missing)}", mend)]
    return [Finding("native queues", "ok", "callers are served while the server is away")]


async def _endpoints(link: AmiLink, settings: Settings) -> list[Finding]:
    unknown = []
    for extension in settings.floor.extensions:
        state = await _read(link, f"DEVICE_STATE(PJSIP/{extension.number})")
        if state in {None, "INVALID", "UNKNOWN"}:
            unknown.append(extension.number)
    if unknown:
        mend = "include zuoxi_pjsip.conf in pjsip.conf, then `module reload res_pjsip.so`"
        return [Finding("extensions", "bad", f"Asterisk has no {', '.join(unknown[:10])}", mend)]
    return [Finding("extensions", "ok", f"{len(settings.floor.extensions)} endpoints")]


async def _heartbeat(link: AmiLink, where: PbxSettings) -> list[Finding]:
    beat = await _read(link, "ZX_HEARTBEAT")
    try:
        age = link.pbx_time() - float(beat or 0)
    except ValueError:
        age = float("inf")
    if age > where.heartbeat_limit_seconds:
        mend = "start `./zuoxi serve`; until then Asterisk's own queues serve the callers"
        what = "no server has ever beaten" if not beat else f"the last is {age:.0f} s old"
        return [Finding("heartbeat", "warn", what, mend)]
    return [Finding("heartbeat", "ok", f"{max(age, 0):.0f} s old")]


async def _clock(link: AmiLink) -> list[Finding]:
    await link.send(Ping())
    offset = link.stats.offset.seconds
    if abs(offset) > CLOCK_LIMIT_SECONDS:
        mend = "run chrony (or any NTP) on both machines; times are corrected meanwhile"
        return [Finding("clocks", "warn", f"Asterisk's differs by {-offset:+.1f} s", mend)]
    return [Finding("clocks", "ok", f"{abs(offset) * 1000:.0f} ms apart")]


async def _sounds(link: AmiLink) -> list[Finding]:
    """Looked for on this machine, where Asterisk says that its data is."""
    folder = Path(await _read(link, "ASTDATADIR") or "/nonexistent") / "sounds"
    if not folder.is_dir():
        what = f"{folder} is not on this machine: not examined"
        mend = f"see on Asterisk's machine that {CORE_SOUNDS} are installed"
        return [Finding("sounds", "warn", what, mend)]
    languages = [each for each in folder.iterdir() if each.is_dir()]
    missing = sorted(
        sound
        for sound in {part for each in SOUNDS.values() for part in each.split("&")}
        if not any(_has_sound(place, sound) for place in [folder, *languages])
    )
    if missing:
        mend = f"install {CORE_SOUNDS}"
        return [Finding("sounds", "bad", f"missing: {', '.join(missing)}", mend)]
    return [Finding("sounds", "ok", f"all in {folder}")]


def _has_sound(folder: Path, sound: str) -> bool:
    place = folder / sound
    return any(place.parent.glob(f"{place.name}.*")) if place.parent.is_dir() else False


# --- our own side ---------------------------------------------------------------------------------


async def hooks(settings: Settings) -> list[Finding]:
    """Whether the FastAGI server answers, and whether it may hear Asterisk."""
    where = settings.pbx
    findings = []
    if not _may_hear(where):
        mend = "add Asterisk's address to [pbx] agi_allowed"
        what = f"agi_allowed does not hold {where.ami_host}"
        findings.append(Finding("hooks", "warn", what, mend))
    try:
        async with asyncio.timeout(DEADLINE_SECONDS):
            reader, writer = await asyncio.open_connection(where.agi_host, where.agi_port)
    except (OSError, TimeoutError):
        mend = "start `./zuoxi serve`; callers get in without it, only unknown"
        what = f"nobody listens on {_agi(where)}"
        return [*findings, Finding("hooks", "warn", what, mend)]
    try:
        return [*findings, await _hook(settings, reader, writer)]
    finally:
        writer.close()


async def _hook(
    settings: Settings, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> Finding:
    """Ask, as the dialplan does, whether a queue is open: a hook that changes nothing."""
    address = _agi(settings.pbx)
    ourselves = str(writer.get_extra_info("sockname")[0])
    if not _allows(settings.pbx, ourselves):
        mend = f"add {ourselves} to [pbx] agi_allowed to have it examined"
        what = f"somebody listens on {address}, but our server would not hear {ourselves}"
        return Finding("hooks", "warn", what, mend)
    if not settings.floor.queues:
        what = f"somebody listens on {address}, but there is no queue to ask for"
        return Finding("hooks", "warn", what, "describe the queues: [[floor.queues]]")
    queue = settings.floor.queues[0].name
    question = f"agi_network_script: hours\nagi_uniqueid: zuoxi-doctor\nagi_arg_1: {queue}\n\n"
    heard = b""
    with suppress(OSError, TimeoutError, ValueError):  # the last: a line without an end
        async with asyncio.timeout(DEADLINE_SECONDS):
            writer.write(question.encode())
            heard = await reader.readline()
    if HOURS_ANSWER.fullmatch(heard):
        return Finding("hooks", "ok", f"answered on {address}")
    mend = (
        f"`ss -ltnp sport = :{settings.pbx.agi_port}` names the program: end it, or give us another"
        " [pbx] agi_port (then `./zuoxi pbx install`); is it ours, restart it with these settings"
    )
    said = f"said {heard[:40]!r}" if heard else "said nothing"
    return Finding("hooks", "bad", f"who listens on {address} is no server of ours: {said}", mend)


def _agi(where: PbxSettings) -> str:
    return f"{where.agi_host}:{where.agi_port}"


def _may_hear(where: PbxSettings) -> bool:
    try:
        ipaddress.ip_address(where.ami_host)
    except ValueError:
        return True  # a name: which address it calls from cannot be told from here
    return _allows(where, where.ami_host)


def _allows(where: PbxSettings, address: str) -> bool:
    allowed = [ipaddress.ip_network(each, strict=False) for each in where.agi_allowed]
    return any(ipaddress.ip_address(address) in network for network in allowed)


async def embedded(settings: Settings) -> list[Finding]:
    """The embedded database, beside who uses it; started for the look when nobody does."""
    if not embedded_exists():
        return [Finding("database", "ok", "the embedded one, made at the first start")]
    try:
        async with database_dsn(settings) as dsn:
            found = await database(dsn)
    except (OSError, SandboxError) as error:
        mend = "see its words; or use a PostgreSQL of your own: [database] dsn"
        return [Finding("database", "bad", f"the embedded one: {error}", mend)]
    return [msgspec.structs.replace(each, what=f"the embedded {each.what}") for each in found]


async def database(dsn: str) -> list[Finding]:
    """Reachable, of a version that we know, migrated."""
    try:
        connection: asyncpg.Connection[Any] = await asyncpg.connect(dsn, timeout=DATABASE_SECONDS)
    except (OSError, TimeoutError, ValueError, asyncpg.PostgresError) as error:
        mend = "see [database] dsn; calls go on meanwhile, and the journal is kept on disk"
        return [Finding("database", "bad", f"{type(error).__name__}: {error}", mend)]
    try:
        version = connection.get_server_version()
        migrated = await connection.fetchval("SELECT to_regclass('public.journal') IS NOT NULL")
    finally:
        await connection.close()
    findings = []
    if version.major not in POSTGRES_VERSIONS:
        known = f"{POSTGRES_VERSIONS[0]} to {POSTGRES_VERSIONS[-1]}"
        mend = f"use PostgreSQL {known}"
        findings.append(Finding("database", "bad", f"PostgreSQL {version.major}", mend))
    if not migrated:
        mend = "the server makes its tables at the start: `./zuoxi serve`"
        what = f"PostgreSQL {version.major} has no tables of ours yet"
        findings.append(Finding("database", "warn", what, mend))
    return findings or [Finding("database", "ok", f"PostgreSQL {version.major}, migrated")]


def screens() -> Finding:
    """The pages that browsers get."""
    match built():
        case "yes":
            return Finding("screens", "ok", "built")
        case "old":
            return Finding("screens", "warn", "built from older sources", "`./zuoxi build`")
        case "no":
            return Finding("screens", "bad", "not built yet", "`./zuoxi build`")


def folders(settings: Settings) -> list[Finding]:
    """Recordings: Asterisk can write to the spool, we can read and move; there is room."""
    spool = settings.recording.spool_folder.resolve()
    store = settings.recording.store_folder.resolve()
    return [*_spool(spool), *_store(store), *_room(store if store.is_dir() else store.anchor)]


def _spool(folder: Path) -> list[Finding]:
    name = "recording spool"
    mend = (
        f"mkdir -p {folder}; chgrp asterisk {folder}; chmod 2770 {folder}; and have the server's"
        " user in group asterisk"
    )
    if not folder.is_dir():
        return [Finding(name, "bad", f"{folder} is not there", mend)]
    if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
        return [Finding(name, "bad", f"{folder}: we may not read and remove files", mend)]
    status = folder.stat()
    shared = status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    ours = status.st_uid == os.geteuid() and os.geteuid() != 0
    if ours and not shared:
        return [Finding(name, "warn", f"{folder}: only its owner may write", mend)]
    if status.st_mode & stat.S_IROTH:
        close = f"chmod o-rwx {folder}"
        return [Finding(name, "warn", f"{folder}: everybody here may listen", close)]
    return [Finding(name, "ok", str(folder))]


def _store(folder: Path) -> list[Finding]:
    existing = next(each for each in (folder, *folder.parents) if each.exists())
    if not os.access(existing, os.W_OK | os.X_OK):
        mend = f"give {existing} to the server's user"
        return [Finding("recording store", "bad", f"{existing}: we may not write", mend)]
    return [Finding("recording store", "ok", str(folder))]


def _room(folder: Path | str) -> list[Finding]:
    free = shutil.disk_usage(folder).free
    what = f"{free / 1024**3:.0f} GiB free for recordings (an hour of talk takes 0.11)"
    if free < FREE_BYTES:
        return [Finding("disk", "warn", what, "make room, or move [recording] store_folder")]
    return [Finding("disk", "ok", what)]


def certificate(settings: Settings) -> list[Finding]:
    """Browsers give a page the microphone only over TLS or on their own machine."""
    web, name = settings.web, "TLS"
    findings = []
    if urlsplit(settings.pbx.sip_ws_url).scheme != "wss" and not _is_loopback(
        urlsplit(settings.pbx.sip_ws_url).hostname or ""
    ):
        mend = "use wss:// and a certificate in Asterisk's http.conf (docs/dialplan.md)"
        findings.append(Finding(name, "bad", "sip_ws_url is not wss://", mend))
    if web.tls_certificate is None or web.tls_key is None:
        if not _is_loopback(web.host) and not web.origins:
            mend = "set [web] tls_certificate and tls_key, or put a proxy with TLS in front"
            findings.append(Finding(name, "bad", "the panel is served without TLS", mend))
        return findings or [Finding(name, "ok", "not needed on loopback")]
    return [*findings, _certificate(web.tls_certificate, web.tls_key)]


def _certificate(chain: Path, key: Path) -> Finding:
    mend = "renew it, and restart the server"
    try:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(chain, key, password="")  # as the server does, never asking
        end = x509.load_pem_x509_certificate(chain.read_bytes()).not_valid_after_utc
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        return Finding("TLS", "bad", f"{chain}: {error}", "see [web] tls_certificate and tls_key")
    days = (end - datetime.now(UTC)).days
    if days < 0:
        return Finding("TLS", "bad", f"{chain} has expired", mend)
    if days < CERTIFICATE_DAYS:
        return Finding("TLS", "warn", f"{chain} expires in {days} days", mend)
    return Finding("TLS", "ok", f"{chain}, {days} days left")


async def sip_websocket(settings: Settings) -> list[Finding]:
    """Asterisk's secure WebSocket, reached as the agents' browsers reach it."""
    url = settings.pbx.sip_ws_url
    browsers = any(each.kind == "browser" for each in settings.floor.extensions)
    if not browsers or urlsplit(url).scheme != "wss":
        return []
    try:
        async with (
            asyncio.timeout(WEBSOCKET_SECONDS),
            aiohttp.ClientSession() as http,
            http.ws_connect(url, protocols=["sip"], ssl=ssl.create_default_context()) as socket,
        ):
            return [_sip_certificate(url, socket.get_extra_info("ssl_object"))]
    except (OSError, TimeoutError, aiohttp.ClientError) as error:
        what, mend = _no_websocket(url, error)
        return [Finding("SIP WebSocket", "bad", f"{url}: {what}", mend)]


def _sip_certificate(url: str, secured: ssl.SSLObject) -> Finding:
    """How long the certificate is still valid; that it is trusted is known already."""
    told = secured.getpeercert() or {}
    end = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(told["notAfter"])), UTC)
    days = (end - datetime.now(UTC)).days
    if days < CERTIFICATE_DAYS:
        what = f"{url}: the certificate expires in {days} days"
        return Finding("SIP WebSocket", "warn", what, RENEW_SIP)
    return Finding("SIP WebSocket", "ok", f"{url}, {days} days left")


def _no_websocket(url: str, error: Exception) -> tuple[str, str]:
    """What keeps browsers from the WebSocket, and how to mend it."""
    host = urlsplit(url).hostname
    match error:
        case aiohttp.ClientConnectorCertificateError(certificate_error=wrong):
            return _bad_certificate(host, wrong)
        case aiohttp.WSServerHandshakeError(status=status):
            what = f"answers {status}, no WebSocket"
            return what, f"load {', '.join(BROWSER_MODULES)}; Asterisk's path is /ws"
        case aiohttp.ClientConnectorSSLError():
            what = "who listens there speaks no TLS as browsers do"
        case TimeoutError():
            what = f"no answer within {WEBSOCKET_SECONDS:.0f} s"
        case aiohttp.ClientConnectorDNSError():
            return f"{host} is no name here", "see [pbx] sip_ws_url and the name service"
        case aiohttp.ClientConnectorError():
            what = "nobody listens there"
        case _:
            what = str(error) or type(error).__name__
    return what, (
        "set tlsenable=yes and tlsbindaddr in Asterisk's http.conf (docs/operations.md), and see"
        " that [pbx] sip_ws_url leads there"
    )


def _bad_certificate(host: str | None, wrong: Exception) -> tuple[str, str]:
    code = getattr(wrong, "verify_code", None)
    if code == EXPIRED:
        return "the certificate has expired", RENEW_SIP
    if code in OTHER_NAME:
        mend = f"get a certificate for {host}, or set [pbx] sip_ws_url to a name that it has"
        return f"the certificate is not for {host}", mend
    why = getattr(wrong, "verify_message", str(wrong))
    return f"the certificate is not trusted: {why}", (
        "tlscertfile in Asterisk's http.conf has to hold one that browsers trust, with its whole"
        " chain; an authority of your own has to be trusted on this machine as on the agents'"
    )


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
