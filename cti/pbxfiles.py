"""The files for Asterisk: rendered from templates, shown as a diff, written next to the engineer's.

The templates are in config/asterisk/zuoxi; what they do is told in docs/dialplan.md. Only the four
files of `render` are ever written: the engineer includes them from his own.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import secrets
import string
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.syntax import Syntax

from config.floor import ExtensionSettings, Floor, QueueSettings
from cti.lookup import FACTS

TEMPLATES: Final = Path(__file__).resolve().parents[1] / "config" / "asterisk" / "zuoxi"

INCLUDES: Final[dict[str, str]] = {
    "zuoxi_extensions.conf": "extensions.conf",
    "zuoxi_manager.conf": "manager.conf",
    "zuoxi_pjsip.conf": "pjsip.conf",
    "zuoxi_queues.conf": "queues.conf",
}
"""Our file -> the engineer's file that has to include it."""

NATIVE_STRATEGIES: Final[dict[str, str]] = {
    "longest_idle": "leastrecent",
    "fewest_calls": "fewestcalls",
    "round_robin": "rrmemory",
    "tiers": "leastrecent",  # the members' penalties are their tiers
    "random": "random",
}
"""Our strategy -> the nearest one of app_queue."""

READ_EVENTS: Final = (
    *("Newchannel", "Newstate", "Rename", "DialBegin", "BridgeEnter", "BridgeLeave"),
    *("HangupRequest", "Hangup", "Hold", "Unhold", "BlindTransfer", "AttendedTransfer"),
    *("DeviceStateChange", "MixMonitorMute", "UserEvent", "FullyBooted", "Shutdown"),
)
"""What the server reads of all events; no other leaves Asterisk for our account."""

MUTED_EVENTS: Final = (
    *("Newexten", "VarSet", "RTCPSent", "RTCPReceived", "NewConnectedLine", "NewAccountCode"),
    *("DialState", "DialEnd", "BridgeCreate", "BridgeDestroy", "BridgeVideoSourceUpdate"),
    *("MusicOnHoldStart", "MusicOnHoldStop", "SoftHangupRequest", "QueueMemberStatus"),
    *("HangupHandlerPush", "HangupHandlerRun", "HangupHandlerPop", "TestEvent"),
    *("LocalOptimizationBegin", "LocalOptimizationEnd", "ChallengeSent", "SuccessfulAuth"),
)
"""Events of every call that nobody needs: made for no manager at all, unless others read them."""

SOUNDS: Final[dict[str, str]] = {
    "welcome": "hello",
    "hold": "queue-periodic-announce",
    "next": "queue-youarenext",
    "position": "queue-thereare",
    "waiting": "queue-callswaiting",
    "expected": "queue-holdtime",
    "minute": "queue-minute",
    "minutes": "queue-minutes",
    "recorded": "conf-now-recording",
    "ask": "conf-now-recording&if-correct-press&digits/1&vm-tocancel&vm-press&digits/2",
    "survey": "vm-press&digits/1&vm-press&digits/2&vm-press&digits/3&vm-press&digits/4&digits/5",
    "thanks": "auth-thankyou",
    "callback": "to-call-this-number&vm-press&digits/1",
    "closed": "please-try-call-later",
    "full": "tt-allbusy",
    "noagents": "tt-allbusy",
    "timeout": "please-try-call-later",
}
"""What callers hear: Asterisk's own sounds, until the centre has recorded better ones."""

LOST_CAUSES: Final = (18, 20, 27, 38, 41, 44, 102)
"""Q.850 causes with which an agent's leg dies without anybody hanging up (44: no RTP)."""

SAFE_NAME: Final = re.compile(r"[A-Za-z0-9_]{1,40}")
SAFE_CLASS: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
SAFE_PATH: Final = re.compile(r"/[A-Za-z0-9_./+-]*")
SAFE_SOUND: Final = re.compile(r"[A-Za-z0-9_/+&-]+")
SAFE_SECRET: Final = re.compile(r"[A-Za-z0-9_.~+=-]{16,200}")
SAFE_HOST: Final = re.compile(r"[A-Za-z0-9.:\[\]-]+")
SAFE_NETWORK: Final = re.compile(r"[0-9a-fA-F.:]+(/[0-9a-fA-F.:]+)?")


class PbxFilesError(Exception):
    """The files cannot be made; the message says which value and why."""


@dataclass(frozen=True)
class PbxFilesInput:
    """All that the files depend on.

    :param spool_folder: where Asterisk writes recordings, as Asterisk sees it; absolute.
    :param extension_secrets: SIP password of each extension of the floor.
    :param heartbeat_limit_seconds: older than this, a caller goes to Asterisk's own queue.
    :param look_seconds: how often a waiting caller looks at the heartbeat.
    :param slice_seconds: how long Asterisk's own queue holds a caller before the next look.
    :param hook_seconds: how long a caller waits for a hook, counted from before it is connected;
        Asterisk keeps milliseconds of it. No more than the server's own deadline.
    :param show_numbers_on_phones: agents' phones show callers' numbers in full.
    :param shared_events: another program reads this PBX's manager events, all of them are made.
    :param outside_context: the engineer's context that dials numbers outside, by their digits.
    :param sounds: replaces entries of `SOUNDS`.
    """

    ami_user: str
    ami_secret: str
    agi_host: str
    agi_port: int
    floor: Floor
    extension_secrets: Mapping[str, str]
    spool_folder: Path
    ami_permit: str = "127.0.0.1/255.255.255.255"
    shared_events: bool = False
    show_numbers_on_phones: bool = False
    heartbeat_limit_seconds: int = 8
    look_seconds: int = 3
    slice_seconds: int = 10
    hook_seconds: float = 1.0
    browser_codecs: Sequence[str] = ("opus", "alaw", "ulaw")
    desk_codecs: Sequence[str] = ("alaw", "ulaw", "g722")
    browser_rtp_timeout_seconds: int = 10
    desk_rtp_timeout_seconds: int = 60
    outside_context: str = "from-zuoxi"
    sounds: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse every value that could mean more than itself in a file of Asterisk's."""
        checks = [
            ("ami_user", self.ami_user, SAFE_NAME),
            ("ami_secret", self.ami_secret, SAFE_SECRET),
            ("ami_permit", self.ami_permit, SAFE_NETWORK),
            ("agi_host", self.agi_host, SAFE_HOST),
            ("spool_folder", str(self.spool_folder), SAFE_PATH),
            ("outside_context", self.outside_context, SAFE_CLASS),
            *(("codecs", each, SAFE_NAME) for each in (*self.browser_codecs, *self.desk_codecs)),
            *((f"sounds.{name}", sound, SAFE_SOUND) for name, sound in self.sounds.items()),
            *((f"queue {queue.name}: music", queue.music, SAFE_CLASS) for queue in self._queues),
            *(
                (f"queue {queue.name}: welcome", queue.welcome or "none", SAFE_SOUND)
                for queue in self._queues
            ),
            *(
                (f"secret of extension {extension.number}", self._secret(extension), SAFE_SECRET)
                for extension in self.floor.extensions
            ),
        ]
        for name, value, pattern in checks:
            if not pattern.fullmatch(value):
                # Not the value itself: it may be a secret.
                raise PbxFilesError(
                    f"{name}: only {pattern.pattern} can stand in Asterisk's files"
                    + (" (`openssl rand -hex 24` makes one)" if pattern is SAFE_SECRET else "")
                )
        for name in [queue.name for queue in self._queues] + list(self.extension_secrets):
            if len(name) == 1:
                raise PbxFilesError(f"{name}: Asterisk's extensions of one letter have a meaning")
        unknown = self.sounds.keys() - SOUNDS.keys()
        if unknown:
            raise PbxFilesError(f"no such sounds: {', '.join(sorted(unknown))}")

    @property
    def _queues(self) -> list[QueueSettings]:
        return self.floor.queues

    def _secret(self, extension: ExtensionSettings) -> str:
        return self.extension_secrets.get(extension.number, "")


class _Template(string.Template):
    # Asterisk's own files are full of `$` and `%`.
    delimiter = "@@"


def render(source: PbxFilesInput) -> dict[str, str]:
    """All files: name -> text."""
    common = _common_values(source)
    queues, extensions = source.floor.queues, source.floor.extensions
    return {
        "zuoxi_extensions.conf": _fill(
            "extensions.conf",
            common
            | {
                "enter": _join(_enter(queue, common) for queue in queues),
                "native": _join(_native(queue, common) for queue in queues),
                "phones": _phones(source.floor),
                "shown": _shown(source),
            },
        ),
        "zuoxi_manager.conf": _fill("manager.conf", common | {"muted": _muted(source)}),
        "zuoxi_pjsip.conf": _fill(
            "pjsip.conf", {"extensions": _join(_endpoint(source, each) for each in extensions)}
        ),
        "zuoxi_queues.conf": _fill(
            "queues.conf", {"queues": _join(_native_queue(queue) for queue in queues)}
        ),
    }


def _common_values(source: PbxFilesInput) -> dict[str, str]:
    return {
        # 0 in front: a global that is not set counts as nought.
        "alive": f"${{EPOCH}}-0${{GLOBAL(ZX_HEARTBEAT)}}<={source.heartbeat_limit_seconds}",
        "stale": "0${FILTER(0-9,${CUT(EXTEN,-,1)})}<0${GLOBAL(ZX_EPOCH)}",
        "language": ' same => n,ExecIf($["${ZX_LANG}"!=""]?Set(CHANNEL(language)=${ZX_LANG}))',
        "agi": f"{source.agi_host}:{source.agi_port}",
        "ami_user": source.ami_user,
        "ami_secret": source.ami_secret,
        "ami_permit": source.ami_permit,
        "read_events": _join(f"eventfilter(name({name})) =" for name in READ_EVENTS),
        "spool": str(source.spool_folder).rstrip("/"),
        "look_seconds": str(source.look_seconds),
        "slice_seconds": str(source.slice_seconds),
        "hook_seconds": str(source.hook_seconds),
        "lost_causes": "|".join(map(str, LOST_CAUSES)),
        "outside_context": source.outside_context,
        **{f"sound_{name}": sound for name, sound in (SOUNDS | dict(source.sounds)).items()},
    }


def _muted(source: PbxFilesInput) -> str:
    return "" if source.shared_events else _fill("muted.conf", {"muted": ",".join(MUTED_EVENTS)})


def _shown(source: PbxFilesInput) -> str:
    return "exten => s,1,Return()" if source.show_numbers_on_phones else _fill("masked.conf", {})


_NAME_CHARACTERS: Final = r"0-9A-Za-z\x20.\x80-\xff"
_ALLOWED: Final = {
    "ZX_PRIO": r"0-9\x2d",
    "ZX_SKILLS": "0-9a-z_:&",
    "ZX_LANG": "A-Za-z_",
    "ZX_NAME": _NAME_CHARACTERS,
    "ZX_CUSTOMER": r"0-9A-Za-z_.\x2d",
    "ZX_LEVEL": _NAME_CHARACTERS,
    "ZX_STICKY": "0-9A-Za-z",
}
"""Variable of a fact -> the characters that it may have."""


def _enter(queue: QueueSettings, common: dict[str, str]) -> str:
    facts = [f"{name}=${{FILTER({allowed},${{{name}}})}}" for name, allowed in _ALLOWED.items()]
    headers = [f"{FACTS[name]}: ${{{name}}}" for name in _ALLOWED]
    values = common | {"queue": queue.name}
    asks = queue.asks_before_answer
    return _fill(
        "enter.conf",
        values
        | {
            "ask": _fill("ask.conf", values)
            if asks
            else "; Looked up when the server hears of it.",
            "first": "n" if asks else "1",
            "any_fact": "".join(f"${{{name}}}" for name in _ALLOWED),
            "music": queue.music,
            "facts": ",".join(facts),
            "fact_headers": ",".join(headers),
            "welcome": "\n".join(_welcome(queue, common)),
        },
    )


def _welcome(queue: QueueSettings, common: Mapping[str, str]) -> list[str]:
    if queue.welcome is None and queue.consent == "none":
        # `i`: without it, answering waits up to half a second for the caller's first sound.
        return ["Answer(0,i)"]
    lines = ["Answer()", common["language"]]
    if queue.consent != "none":
        lines.append(f" same => n,Gosub(zuoxi-consent,{queue.consent},1)")
    if queue.welcome is not None:
        lines.append(f" same => n,Playback({queue.welcome})")
    return lines


def _native(queue: QueueSettings, common: dict[str, str]) -> str:
    survey = "Goto(zuoxi-after,survey,1)"
    return _fill(
        "native.conf",
        common
        | {
            "queue": queue.name,
            "record": _native_record(queue),
            "after": survey if queue.survey else "Hangup()",
        },
    )


def _native_record(queue: QueueSettings) -> str:
    if queue.recording == "never":
        return "; Never recorded."
    conditions = ['"${ZX_CONSENT}"!="no"']
    if queue.recording == "share":
        conditions.append(f"${{RAND(1,1000)}}<={round(queue.recording_share * 1000)}")
    file = r"${FILTER(0-9A-Za-z.\x2d,${UNIQUEID})}"  # the agent's channel inherits it
    return f" same => n,ExecIf($[{' & '.join(conditions)}]?Set(_ZX_FILE={file}))"


def _phones(floor: Floor) -> str:
    """What agents' phones may dial: one another, and the queues."""
    return "\n".join(
        [
            *(
                f"exten => {each.number},1,Dial(PJSIP/{each.number},30,gib(zuoxi-shown^s^1))\n"
                " same => n,Hangup()"
                for each in floor.extensions
            ),
            # A caller who is transferred to a queue waits with music again: see zuoxi-unrecord.
            *(
                f"exten => {each.name},1,Gosub(zuoxi-unrecord,s,1)\n"
                f" same => n,Goto(zuoxi-enter,{each.name},1)"
                for each in floor.queues
            ),
        ]
    )


def _endpoint(source: PbxFilesInput, extension: ExtensionSettings) -> str:
    timeouts = {
        "browser": source.browser_rtp_timeout_seconds,
        "desk": source.desk_rtp_timeout_seconds,
    }
    codecs = {"browser": source.browser_codecs, "desk": source.desk_codecs}
    values = {
        "number": extension.number,
        "secret": source.extension_secrets[extension.number],
        "rtp_timeout_seconds": str(timeouts[extension.kind]),
        "codecs": ",".join(codecs[extension.kind]),
    }
    return _fill(f"{extension.kind}.conf", values) + "\n" + _fill("account.conf", values)


def _native_queue(queue: QueueSettings) -> str:
    return _fill(
        "queue.conf",
        {
            "queue": queue.name,
            "strategy": NATIVE_STRATEGIES[queue.strategy],
            "music": queue.music,
            "ring_seconds": str(queue.ring_seconds),
            "wrap_up_seconds": str(queue.wrap_up_seconds),
            "weight": str(queue.weight),
            "service_level_seconds": str(queue.service_level_seconds),
            "record": (
                "; Never recorded."
                if queue.recording == "never"
                else "membergosub = zuoxi-record-native"
            ),
        },
    )


def _fill(template: str, values: Mapping[str, str]) -> str:
    return _Template((TEMPLATES / template).read_text(encoding="utf-8")).substitute(values)


def _join(blocks: Iterable[str]) -> str:
    return "\n".join(block.rstrip("\n") + "\n" for block in blocks).rstrip("\n")


# --- secrets --------------------------------------------------------------------------------------


def extension_secrets(path: Path, floor: Floor) -> dict[str, str]:
    """The SIP password of each extension: kept in `path` (JSON, mode 0600), made where missing.

    :raises PbxFilesError: the file is there but is no JSON object of strings.
    """
    kept = _read_secrets(path)
    missing = [each.number for each in floor.extensions if each.number not in kept]
    if missing:
        kept |= {number: secrets.token_urlsafe(24) for number in missing}
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(kept, indent=1, sort_keys=True) + "\n", mode=0o600)
    return {each.number: kept[each.number] for each in floor.extensions}


def _read_secrets(path: Path) -> dict[str, str]:
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        raise PbxFilesError(f"{path}: not JSON ({error}); mend or remove it") from None
    if not isinstance(kept, dict) or not all(isinstance(each, str) for each in kept.values()):
        raise PbxFilesError(f"{path}: has to be one object of extension -> password")
    return kept


# --- installing ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Installed:
    """What `install` did: files written, and lines that the engineer has to add to his files."""

    changed: list[str]
    missing_includes: dict[str, str]


def install(folder: Path, files: Mapping[str, str], *, write: bool, out: Console) -> Installed:
    """Show what differs from `folder`; with `write`, write our own files there, each atomically.

    Files of others are read only, to tell which `#include` lines they lack.

    :param files: what `render` gave.
    :raises PbxFilesError: `folder` is none, or cannot be read or written.
    """
    if not folder.is_dir():
        raise PbxFilesError(f"{folder} is no folder: give Asterisk's own, usually /etc/asterisk")
    foreign = files.keys() - INCLUDES.keys()
    assert not foreign, foreign
    try:
        changed = [name for name, text in files.items() if _differs(folder / name, text, out)]
        if write:
            for name in changed:
                _write_like(folder / name, files[name])
        return Installed(changed, _tell_includes(folder, files, out))
    except OSError as error:
        raise PbxFilesError(f"{error.filename}: {error.strerror}") from error


def _differs(path: Path, text: str, out: Console) -> bool:
    old = path.read_text(encoding="utf-8", errors="replace") if path.exists() else ""
    diff = difflib.unified_diff(
        _without_secrets(old), _without_secrets(text), str(path), str(path), n=2
    )
    shown = "".join(diff)
    if shown:
        out.print(Syntax(shown, "diff", background_color="default"))
    elif old != text:
        out.print(f"{path}: only secrets change", markup=False)
    return old != text


def _without_secrets(text: str) -> list[str]:
    return [
        re.sub(r"^((?:secret|password) = ).*", r"\1(not shown)", line)
        for line in text.splitlines(keepends=True)
    ]


def _write_like(path: Path, text: str) -> None:
    """Write with the owner of the folder, so that Asterisk can read it, and nobody else."""
    owner = path.parent.stat()
    write_atomically(path, text, mode=0o640, owner=(owner.st_uid, owner.st_gid))


def write_atomically(
    path: Path, text: str, *, mode: int, owner: tuple[int, int] | None = None
) -> None:
    """Replace `path` by a whole new file; never readable by more than `mode` says.

    :param owner: (uid, gid) to give it to, when we may.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    handle = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(handle)
            if owner is not None and os.geteuid() == 0:
                os.fchown(handle, *owner)
            os.fchmod(handle, mode)
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _tell_includes(folder: Path, files: Mapping[str, str], out: Console) -> dict[str, str]:
    missing = {
        theirs: f"#include {name}"
        for name, theirs in INCLUDES.items()
        if name in files and not _includes(folder / theirs, name)
    }
    for theirs, line in missing.items():
        out.print(f"add to {folder / theirs}:  {line}", markup=False)
    return missing


def _includes(path: Path, name: str) -> bool:
    if not path.exists():
        return False
    text = path.read_text(encoding="utf-8", errors="replace")
    pattern = rf'^\s*#(try)?include\s+["<]?(\S*/)?{re.escape(name)}[">]?\s*(;.*)?$'
    return re.search(pattern, text, re.MULTILINE) is not None
