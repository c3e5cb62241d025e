"""Reads the three books and compares them."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Collection, Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from cti.domain import DomainEvent
from cti.journal.tables import Connection
from cti.reconcile.asterisk import read_records
from cti.reconcile.compare import TOLERANCE_SECONDS, Difference, compare
from cti.reconcile.journal import EVENTS, JournalRecording, JournalSide, fold

AROUND_SECONDS = 86_400.0
"""How far beyond the asked time the books are read: no call is longer than that."""

_event = msgspec.json.Decoder(DomainEvent)


async def reconcile(
    from_at: datetime,
    to_at: datetime,
    *,
    connection: Connection,
    node: str,
    cdr_csv: Path,
    cel_csv: Path,
    store: Path | None,
    tolerance_seconds: float = TOLERANCE_SECONDS,
) -> list[Difference]:
    """Every difference between journal, Asterisk's records and recordings of [from_at, to_at).

    Calls are judged when they began in that time; a call that still runs is no difference.

    :param connection: to the journal's database, in which all records are stored already.
    :param node: whose journal; its Asterisk wrote the files.
    :param cdr_csv: `.../cdr-csv/Master.csv`.
    :param cel_csv: `.../cel-custom/Master.csv`.
    :param store: the folder of stored recordings, None where recordings are not looked at.
    """
    begin, end = from_at.timestamp(), to_at.timestamp()
    pbx = await asyncio.to_thread(
        read_records, cdr_csv, cel_csv, begin - AROUND_SECONDS, end + AROUND_SECONDS
    )
    journal = await _journal_side(connection, node, begin, end)
    differences = compare(journal, pbx, begin, end, tolerance_seconds)
    if store is not None:
        others = await _stored_by_others(connection, node, begin)
        differences += await asyncio.to_thread(
            lambda: list(recording_differences(journal, store, begin, end, others))
        )
    return differences


async def _stored_by_others(connection: Connection, node: str, begin: float) -> set[str]:
    """Files that other servers have stored since; the folder may be one for all."""
    rows = await connection.fetch(
        "SELECT body ->> 'path' FROM journal "
        "WHERE type = 'RecordingStored' AND node <> $1 AND at >= to_timestamp($2)",
        node,
        begin - AROUND_SECONDS,
    )
    return {row[0] for row in rows}


async def _journal_side(connection: Connection, node: str, begin: float, end: float) -> JournalSide:
    rows = await connection.fetch(
        "SELECT body::text FROM journal WHERE node = $1 AND type = ANY($2) "
        "AND at >= to_timestamp($3) AND at < to_timestamp($4) ORDER BY seq",
        node,
        EVENTS,
        begin - AROUND_SECONDS,
        end + AROUND_SECONDS,
    )
    listening = await connection.fetchval(
        "SELECT type = 'PbxConnected' FROM journal WHERE node = $1 AND at < to_timestamp($2) "
        "AND type IN ('PbxConnected', 'PbxLost') ORDER BY seq DESC LIMIT 1",
        node,
        begin - AROUND_SECONDS,
    )
    return fold([_event.decode(row[0]) for row in rows], listening=bool(listening))


def recording_differences(
    journal: JournalSide, store: Path, begin: float, end: float, others: Collection[str] = ()
) -> Iterator[Difference]:
    """Recordings begun in the time against the files of the store. Blocks: reads every file.

    :param others: paths in the store that other journals tell of.
    """
    recordings = journal.recordings.values()
    for recording in recordings:
        if begin <= recording.started_at < end:
            yield from _recording(journal, recording, store)
    known = {recording.stored.path for recording in recordings if recording.stored}
    for path in sorted(store.rglob("*.wav")):
        name = path.relative_to(store).as_posix()
        if name not in known and name not in others and begin <= path.stat().st_mtime < end:
            yield Difference(
                kind="file_unknown",
                text=f"the store has {name}, of which the journal knows nothing",
            )


def _recording(
    journal: JournalSide, recording: JournalRecording, store: Path
) -> Iterator[Difference]:
    recording_id, call_id = recording.recording_id, recording.call_id
    call = journal.calls.get(call_id)
    if recording.stored is None:
        if recording.fault is None and call is not None and call.ended:
            yield Difference(
                kind="recording_unjudged",
                call_id=call_id,
                recording_id=recording_id,
                text=f"recording {recording_id} of call {call_id} began and the call ended; it was "
                "neither stored nor found faulty",
            )
        return
    problem = _problem(store / recording.stored.path, store, recording)
    if problem:
        kind, words = problem
        yield Difference(
            kind=kind,
            call_id=call_id,
            recording_id=recording_id,
            text=f"recording {recording_id} of call {call_id} is stored as "
            f"{recording.stored.path}, but {words}",
        )


def _problem(path: Path, store: Path, recording: JournalRecording) -> tuple[str, str] | None:
    stored = recording.stored
    if stored is None or not path.resolve().is_relative_to(store.resolve()):
        return "recording_missing", "that is outside of the store"
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return "recording_missing", "there is no such file"
    except OSError as error:
        return "recording_missing", f"it cannot be read: {error.strerror}"
    if size != stored.bytes:
        return "recording_changed", f"the file has {size} bytes instead of {stored.bytes}"
    if digest != stored.sha256:
        return "recording_changed", f"its SHA-256 is {digest} instead of {stored.sha256}"
    return None
