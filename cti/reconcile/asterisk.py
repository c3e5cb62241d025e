"""Asterisk's own records: CDR (`cdr-csv/Master.csv`) and CEL (`cel-custom/Master.csv`).

The columns are those of cdr_csv with `newcdrcolumns`, `loguniqueid` and `loguserfield`, and those
of the mapping in Asterisk's example of cel_custom.conf. The files are hostile: names come from
callers, a crash leaves half a line, and the next start writes on behind it. Such lines are told,
not fatal.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from errno import ENOENT
from pathlib import Path

import msgspec

CDR_COLUMNS = 21
CEL_COLUMNS = 20
DAY_SECONDS = 86_400.0
HOLDING = "holding_bridge"
"""Members of such a bridge hear music, not each other."""

_CEL_BEGIN = re.compile(r'"[A-Z_]{3,40}","\d{9,11}\.\d+",')


class Cdr(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the CDR: what two channels had with each other; durations whole seconds.

    :param started: as written, in a time zone that only the site knows.
    """

    line: str
    started: str
    channel: str
    other_channel: str
    duration_seconds: int
    billed_seconds: int
    disposition: str
    uniqueid: str
    linkedid: str
    sequence: str


class Channel(msgspec.Struct, kw_only=True):
    """One channel by the CEL; epoch seconds, None where the event is missing."""

    uniqueid: str
    name: str
    linkedids: set[str]
    started_at: float | None = None
    answered_at: float | None = None
    ended_at: float | None = None


class Stay(msgspec.Struct, frozen=True):
    """A channel entered a bridge, or left it."""

    at: float
    uniqueid: str
    bridge_id: str
    entered: bool


class Unreadable(msgspec.Struct, frozen=True):
    """A line that is no record."""

    file: str
    number: int
    text: str


class AsteriskRecords(msgspec.Struct, kw_only=True):
    """What Asterisk wrote about the calls of a time."""

    cdrs: list[Cdr] = msgspec.field(default_factory=list)
    channels: dict[str, Channel] = msgspec.field(default_factory=dict)
    stays: list[Stay] = msgspec.field(default_factory=list)
    unreadable: list[Unreadable] = msgspec.field(default_factory=list)


def read_records(cdr_csv: Path, cel_csv: Path, begin: float, end: float) -> AsteriskRecords:
    """Read both files, with those that a log rotation set aside (`Master.csv.1`, ...).

    Blocks: call it in a thread. A file that is not there is read as empty: Asterisk makes it with
    the first call.

    :param begin, end: epoch seconds of what may matter; CEL events outside are left out.
    :raises OSError: a file's folder is not there, or a file cannot be read.
    """
    records = AsteriskRecords()
    for path in _with_rotated(cdr_csv):
        _read_cdr(path, records, _day(begin - DAY_SECONDS), _day(end + DAY_SECONDS))
    for path in _with_rotated(cel_csv):
        _read_cel(path, records, begin, end)
    records.stays.sort(key=lambda stay: stay.at)
    kept = records.channels.keys() | {
        linkedid for channel in records.channels.values() for linkedid in channel.linkedids
    }
    records.cdrs = [cdr for cdr in records.cdrs if cdr.uniqueid in kept or cdr.linkedid in kept]
    return records


def _with_rotated(path: Path) -> list[Path]:
    """The oldest first."""
    rotated = [other for other in path.parent.glob(f"{path.name}.*") if other.suffix != ".gz"]
    if not path.parent.is_dir():
        raise FileNotFoundError(ENOENT, "no folder of Asterisk's records", str(path.parent))
    found = [*rotated, path] if path.is_file() else rotated
    return sorted(found, key=lambda file: file.stat().st_mtime)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        for number, line in enumerate(file, 1):
            if line.strip("\r\n\0 "):
                yield number, line.rstrip("\r\n")


def _columns(line: str) -> list[str]:
    """The line's fields, [] where it is no line of CSV."""
    try:
        return next(csv.reader([line], strict=True), [])
    except csv.Error:
        return []


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d")


def _read_cdr(path: Path, records: AsteriskRecords, first_day: str, last_day: str) -> None:
    for number, line in _lines(path):
        cdr = parse_cdr(line)
        if cdr is None:
            records.unreadable.append(Unreadable(path.name, number, line[:200]))
        elif first_day <= cdr.started[:10] <= last_day:
            records.cdrs.append(cdr)


def parse_cdr(line: str) -> Cdr | None:
    """One line of the CDR, None where it is none."""
    fields = _columns(line)
    if len(fields) != CDR_COLUMNS or not (fields[12].isdecimal() and fields[13].isdecimal()):
        return None
    return Cdr(
        line=line,
        started=fields[9],
        channel=fields[5],
        other_channel=fields[6],
        duration_seconds=int(fields[12]),
        billed_seconds=int(fields[13]),
        disposition=fields[14],
        uniqueid=fields[16],
        linkedid=fields[19],
        sequence=fields[20],
    )


class Cel(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the CEL."""

    event: str
    at: float
    channel: str
    uniqueid: str
    linkedid: str
    extra: str


def parse_cel(line: str) -> Cel | None:
    """One line of the CEL, None where it is none.

    Where a crash left half a line, the record that the next start wrote behind it is found.
    """
    fields = _columns(line)
    if len(fields) != CEL_COLUMNS:
        begins = [match.start() for match in _CEL_BEGIN.finditer(line)]
        fields = _columns(line[begins[-1] :]) if begins and begins[-1] else []
    if len(fields) != CEL_COLUMNS:
        return None
    try:
        at = float(fields[1])
    except ValueError:
        return None
    return Cel(
        event=fields[0],
        at=at,
        channel=fields[9],
        uniqueid=fields[14],
        linkedid=fields[15],
        extra=fields[19],
    )


def _read_cel(path: Path, records: AsteriskRecords, begin: float, end: float) -> None:
    for number, line in _lines(path):
        cel = parse_cel(line)
        if cel is None:
            records.unreadable.append(Unreadable(path.name, number, line[:200]))
        elif begin <= cel.at <= end:
            _take(cel, records)


def _take(cel: Cel, records: AsteriskRecords) -> None:
    channel = records.channels.get(cel.uniqueid)
    if channel is None:
        channel = Channel(uniqueid=cel.uniqueid, name=cel.channel, linkedids=set())
        records.channels[cel.uniqueid] = channel
    channel.linkedids.add(cel.linkedid)
    match cel.event:
        case "CHAN_START":
            channel.started_at, channel.name = cel.at, cel.channel
        case "ANSWER":
            channel.answered_at = channel.answered_at or cel.at
        case "HANGUP" | "CHAN_END":
            channel.ended_at = channel.ended_at or cel.at
        case "BRIDGE_ENTER" | "BRIDGE_EXIT":
            bridge_id = _bridge_of(cel.extra)
            if bridge_id:
                entered = cel.event == "BRIDGE_ENTER"
                records.stays.append(Stay(cel.at, cel.uniqueid, bridge_id, entered))


def _bridge_of(extra: str) -> str | None:
    """The bridge in which the channel hears others, None where it is none."""
    try:
        told = json.loads(extra)
    except ValueError:
        return None
    if not isinstance(told, dict) or told.get("bridge_technology") == HOLDING:
        return None
    bridge_id = told.get("bridge_id")
    return bridge_id if isinstance(bridge_id, str) else None


def duplicates(cdrs: Iterable[Cdr]) -> list[Cdr]:
    """Lines that stand there a second time."""
    seen, twice = set[tuple[str, str, str]](), []
    for cdr in cdrs:
        key = (cdr.uniqueid, cdr.sequence, cdr.line)
        if key in seen:
            twice.append(cdr)
        seen.add(key)
    return twice
