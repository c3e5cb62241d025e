"""Customers from a table: uploaded, looked at, brought in beside the calls, with what was wrong."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

import asyncpg
import structlog
from aiohttp import BodyPartReader, web
from pydantic import Field

from crm import fields as own_fields
from crm import imports, sheets
from crm.rows import OnDuplicate, suggest, targets
from crm.sheets import Form, SheetError, Survey
from cti.journal.database import TRY_AGAIN
from web import audit
from web.customers_words import REASONS, reason_column
from web.database import PoolSource, connected
from web.downloads import download, send, sending
from web.endpoint import Asked, Endpoint, Input, Output, endpoint, media_of
from web.problems import Problem
from web.rights import masked_text

if TYPE_CHECKING:
    from web.database import Connection

log = structlog.get_logger(__name__)

UPLOAD_SECONDS: Final = 600.0
BLOCK_SECONDS: Final = 30.0
BLOCK_BYTES: Final = 2**18
SURVEYS_AT_ONCE: Final = 1
IMPORTS_AT_ONCE: Final = 1
"""Each has a thread that parses, beside the calls, and may hold an XLSX's strings."""
TURN_SECONDS: Final = 2.0
KEPT_DAYS: Final = 7
"""Of what an import was given, after it was last worked on."""
STRAY_SECONDS: Final = 86400.0
CLEAR_SECONDS: Final = 86400.0
CLEAR_AGAIN_SECONDS: Final = 300.0
"""After it went wrong."""
ROOM_LEAST: Final = 2**30
"""Bytes that an upload leaves free on the disk, where the journal's spool may be too."""
LISTED: Final = 50
BAD_ROWS_AT_ONCE: Final = 1000

State = Literal["uploaded", "running", "done", "cancelled", "failed"]
ColumnName = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[^\x00]*$")]
Target = Annotated[str, Field(pattern=r"^[a-z0-9_:]{1,40}$")]


class Uploaded(Output):
    """What is in a file. `suggested`: what each column probably means; `targets`: what it may."""

    import_id: str
    name: str
    columns: list[str]
    sample: list[list[str]]
    suggested: dict[str, str | None]
    targets: list[str]
    rows: int


class ImportWish(Input):
    """What columns mean (others are left out), and what is done with numbers that are known."""

    mapping: Annotated[dict[ColumnName, Target], Field(min_length=1, max_length=200)]
    on_duplicate: OnDuplicate


class ImportState(Output):
    """How far an import is. `error`: a code, where it failed.

    Failed or cancelled, it may be started again, and goes on behind what was read.
    """

    import_id: str
    name: str
    state: State
    rows: int
    read: int
    created: int
    updated: int
    skipped: int
    bad: int
    by: str
    uploaded_at: float
    started_at: float | None
    ended_at: float | None
    seconds_left: float | None
    error: str


class ImportDetail(ImportState):
    """An import with what is in its file, for a page that was reloaded; `mapping`: as started."""

    columns: list[str]
    sample: list[list[str]]
    suggested: dict[str, str | None]
    targets: list[str]
    mapping: dict[str, str] | None
    on_duplicate: OnDuplicate | None


class ImportList(Output):
    """The last imports, the newest first."""

    items: list[ImportState]


class UploadQuery(Input):
    """The file's name, where the body is the file itself."""

    name: Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")] = ""


class Importer:
    """Runs imports in the background, one at a time; one per application.

    :param folder: where uploaded files are kept until they are done.
    """

    def __init__(self, pool: PoolSource, folder: Path, region: str) -> None:
        self._pool = pool
        self._region = region
        self._tasks: set[asyncio.Task[None]] = set()
        self.folder = folder
        self._turn = asyncio.Semaphore(IMPORTS_AT_ONCE)
        self.surveys = asyncio.Semaphore(SURVEYS_AT_ONCE)

    @asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """The place of an import, which `start` has to fill after the block.

        :raises Problem: import_busy; one that was cancelled may still be at its last rows.
        """
        try:
            async with asyncio.timeout(TURN_SECONDS):
                await self._turn.acquire()
        except TimeoutError:
            raise Problem("import_busy") from None
        try:
            yield
        except BaseException:
            self._turn.release()
            raise

    def start(self, row: asyncpg.Record, fields: list[own_fields.Field]) -> None:
        """Start an import that was set running, in its `turn`."""
        job = imports.Job(
            import_id=row["import_id"],
            path=self.folder / row["file"],
            form=Form(**json.loads(row["form"])),
            columns=list(row["columns"]),
            mapping=json.loads(row["mapping"]),
            on_duplicate=row["on_duplicate"],
            skip=row["read"],
            region=self._region,
        )
        task = asyncio.create_task(self._run(job, fields, row["by_name"]))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        task.add_done_callback(lambda _: self._turn.release())

    async def _run(self, job: imports.Job, fields: list[own_fields.Field], by_name: str) -> None:
        """Whatever goes wrong stands in the import's row, if the database can be reached."""
        try:
            pool = await self._pool()
            await imports.run(pool, job, fields, by_name)
        except Exception:
            # Its row tells when it was last heard of: it reads as failed, and can be started again.
            log.exception("import_failed", import_id=job.import_id)

        else:
            await self._tidy()

    async def run(self) -> None:
        """Clear old uploads away, at the start and each day, for as long as it is not cancelled."""
        while True:
            wait = CLEAR_SECONDS if await self._tidy() else CLEAR_AGAIN_SECONDS
            await asyncio.sleep(wait)

    async def _tidy(self) -> bool:
        try:
            await self.clear()
        except TRY_AGAIN as error:
            log.warning("old_imports_stay", error=f"{type(error).__name__}: {error}")
            return False
        return True

    async def clear(self) -> None:
        """Delete what is not needed any more: files of imports that are done, and of those that
        nobody went on with their rows too; files that no import names, as of a server that ended.

        :raises: one of TRY_AGAIN, to which OSError belongs.
        """
        old = await asyncio.to_thread(_older_than, self.folder, time.time() - STRAY_SECONDS)
        async with connected(self._pool) as connection, connection.transaction():
            gone = {row["file"] for row in await connection.fetch(_DONE, KEPT_DAYS)}
            await connection.execute(_FORGET, KEPT_DAYS)
            named = {row["file"] for row in await connection.fetch(_NAMED, old)}
        for name in gone.union(old) - named:
            try:
                await asyncio.to_thread((self.folder / name).unlink, missing_ok=True)
            except OSError as error:
                # No import names it any more: it is tried again when it is a day old.
                log.warning("old_upload_stays", file=name, error=str(error))

    async def close(self) -> None:
        """End what runs; started again it goes on where it was."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def need_room(folder: Path) -> None:
    """Make the folder of files that come and go, if there is room for one more.

    :raises Problem: no_room.
    """
    await asyncio.to_thread(folder.mkdir, 0o700, parents=True, exist_ok=True)
    if (await asyncio.to_thread(shutil.disk_usage, folder)).free < ROOM_LEAST:
        raise Problem("no_room")


@endpoint(
    "POST",
    "/api/v1/customer-imports",
    "Upload a table of customers (multipart/form-data, or the file as body with ?name=)",
    output=Uploaded,
    right="customers.manage",
    problems=("no_spreadsheet", "file_too_large", "too_slow", "busy", "no_room", "invalid"),
)
async def upload(asked: Asked[None]) -> Uploaded:
    """CSV (UTF-8 or GB18030; comma, semicolon, tab) or XLSX, to 100 MB and a million rows."""
    importer = asked.parts.imports
    await need_room(importer.folder)
    path = importer.folder / f"{secrets.token_hex(16)}.upload"
    try:
        try:
            async with asyncio.timeout(UPLOAD_SECONDS):
                name = await _receive(asked.request, path)
        except TimeoutError:
            raise Problem("too_slow") from None
        if importer.surveys.locked():
            raise Problem("busy")
        async with importer.surveys:
            found = await asyncio.to_thread(sheets.survey, path)
        return await _uploaded(asked, name, path, found)
    except BaseException as error:
        await asyncio.to_thread(path.unlink, missing_ok=True)
        if isinstance(error, SheetError):
            raise _not_read(asked, error.trouble) from None
        raise


@endpoint(
    "POST",
    "/api/v1/customer-imports/{import_id}/start",
    "Bring the customers in",
    input=ImportWish,
    output=ImportState,
    right="customers.manage",
    problems=("unknown_import", "import_started", "import_busy"),
)
async def start_import(asked: Asked[ImportWish]) -> ImportState:
    """One runs at a time. Also again after a failure or a cancel: no row is done twice."""
    wish, importer = asked.input, asked.parts.imports
    async with (
        importer.turn(),
        connected(asked.services.pool) as connection,
        connection.transaction(),
    ):
        row = await _row(connection, asked, lock=True)
        if row["shown_state"] not in ("uploaded", "failed", "cancelled") or not row["file"]:
            raise Problem("import_started")
        fields = await _fields(connection, asked)
        _check_mapping(wish.mapping, list(row["columns"]), targets(fields))
        started = await connection.fetchrow(
            _START,
            *(row["import_id"], json.dumps(wish.mapping, ensure_ascii=False), wish.on_duplicate),
            asked.session.user.name,
        )
        assert started is not None
        concerned = _concerned(row["import_id"], row["name"])
        facts = {"rows": row["rows"], "on_duplicate": wish.on_duplicate}
        await audit.record(connection, asked, "import_started", concerned, facts)
        state = _state(await _row(connection, asked), asked)
    importer.start(started, fields)
    return state


@endpoint(
    "GET",
    "/api/v1/customer-imports",
    "The last imports",
    output=ImportList,
    right="customers.manage",
)
async def list_imports(asked: Asked[None]) -> ImportList:
    """The newest first."""
    async with connected(asked.services.pool) as connection:
        rows = await connection.fetch(f"{_SELECT} ORDER BY import_id DESC LIMIT {LISTED}")
    return ImportList(items=[_state(row, asked) for row in rows])


@endpoint(
    "GET",
    "/api/v1/customer-imports/{import_id}",
    "How far an import is, and what is in its file",
    output=ImportDetail,
    right="customers.manage",
    problems=("unknown_import",),
)
async def show_import(asked: Asked[None]) -> ImportDetail:
    """Whether or not one's own."""
    async with connected(asked.services.pool) as connection:
        row = await _row(connection, asked)
        fields = await _fields(connection, asked)
    columns, known = list(row["columns"]), targets(fields)
    mapping = row["mapping"] and json.loads(row["mapping"])
    return ImportDetail(
        **_state(row, asked).model_dump(),
        columns=columns,
        sample=json.loads(row["sample"]),
        suggested=suggest(columns, fields),
        targets=known,
        mapping=mapping and {column: to for column, to in mapping.items() if to in known},
        on_duplicate=row["on_duplicate"],
    )


@endpoint(
    "POST",
    "/api/v1/customer-imports/{import_id}/cancel",
    "Stop an import",
    output=ImportState,
    right="customers.manage",
    problems=("unknown_import",),
)
async def cancel_import(asked: Asked[None]) -> ImportState:
    """What was brought in stays; no effect on one that has ended. Started again, it goes on."""
    async with connected(asked.services.pool) as connection, connection.transaction():
        row = await _row(connection, asked)
        if await connection.fetchval(_CANCEL, row["import_id"]):
            concerned = _concerned(row["import_id"], row["name"])
            await audit.record(connection, asked, "import_cancelled", concerned)
        return _state(await _row(connection, asked), asked)


@endpoint(
    "GET",
    "/api/v1/customer-imports/{import_id}/bad-rows.csv",
    "The rows that made no customer, and why",
    right="customers.manage",
    media=("text/csv",),
    problems=("unknown_import",),
)
async def download_bad_rows(asked: Asked[None]) -> web.StreamResponse:
    """As they were, with the reason in one's own language; no cell runs as a formula."""
    language = asked.session.user.language
    async with connected(asked.services.pool) as connection:
        row = await _row(connection, asked)
    answer = download(f"bad-rows-{row['import_id']}.csv", "text/csv; charset=utf-8")
    async with sending(asked.request, answer):
        await send(answer, b"\xef\xbb\xbf" + csv_line([*row["columns"], reason_column(language)]))
        last = 0
        while True:
            async with connected(asked.services.pool) as connection:
                found = await connection.fetch(_BAD_ROWS, row["import_id"], last, BAD_ROWS_AT_ONCE)
            if not found:
                break
            last = found[-1]["row"]
            lines = []
            for each in found:
                words = REASONS[language].get(each["reason"], each["reason"])
                reason = f"{each['column_name']}: {words}" if each["column_name"] else words
                lines.append(csv_line([*each["cells"], reason]))
            await send(answer, b"".join(lines))
    return answer


ENDPOINTS: tuple[Endpoint, ...] = (
    *(upload, start_import, list_imports, show_import, cancel_import, download_bad_rows),
)


def csv_line(cells: list[str]) -> bytes:
    """A line of a CSV, no cell of which runs as a formula."""
    text = io.StringIO()
    csv.writer(text).writerow([sheets.harmless(cell) for cell in cells])
    return text.getvalue().encode()


async def _receive(request: web.Request, path: Path) -> str:
    """Store the upload, a block at a time; its name.

    :raises Problem: file_too_large, too_slow, invalid.
    """
    if (request.content_length or 0) > sheets.FILE_MOST + 2**16:
        raise Problem("file_too_large")
    if media_of(request) != "multipart/form-data":
        await _store(_blocks(request.content.read), path)
        return _base_name(request.query.get("name", ""))
    try:
        reader = await request.multipart()
        while (part := await reader.next()) is not None:
            if isinstance(part, BodyPartReader) and part.name == "file":
                await _store(_blocks(part.read_chunk), path)
                return _base_name(part.filename or "")
    except (ValueError, AssertionError, web.RequestPayloadError) as error:
        raise Problem("no_spreadsheet", what=str(error)[:100]) from error
    raise Problem("no_spreadsheet", what="-")


async def _blocks(read: Any) -> AsyncIterator[bytes]:  # noqa: ANN401 - two libraries' readers
    while True:
        async with asyncio.timeout(BLOCK_SECONDS):
            block = await read(BLOCK_BYTES)
        if not block:
            return
        yield block


async def _store(blocks: AsyncIterator[bytes], path: Path) -> None:
    size = 0
    file = await asyncio.to_thread(path.open, "xb")
    try:
        async for block in blocks:
            size += len(block)
            if size > sheets.FILE_MOST:
                raise Problem("file_too_large")
            await asyncio.to_thread(file.write, block)
    finally:
        await asyncio.to_thread(file.close)


def _older_than(folder: Path, moment: float) -> list[str]:
    """Names of files that were last written before the moment, in epoch seconds."""
    if not folder.is_dir():
        return []
    return [each.name for each in folder.iterdir() if each.stat().st_mtime < moment]


def _base_name(name: str) -> str:
    """The name as it is shown; no path, nothing that cannot be shown."""
    last = name.replace("\\", "/").rpartition("/")[2]
    return "".join(letter for letter in last if letter.isprintable())[:200] or "-"


async def _uploaded(asked: Asked[None], name: str, path: Path, found: Survey) -> Uploaded:
    form = json.dumps(
        {
            "kind": found.form.kind,
            "encoding": found.form.encoding,
            "delimiter": found.form.delimiter,
        }
    )
    async with connected(asked.services.pool) as connection, connection.transaction():
        fields = await _fields(connection, asked)
        import_id = await connection.fetchval(
            _ADD,
            *(name, path.name, form, found.columns, found.rows, asked.session.user.name),
            json.dumps(found.sample, ensure_ascii=False),
        )
        concerned = _concerned(import_id, name)
        await audit.record(connection, asked, "import_uploaded", concerned, {"rows": found.rows})
    return Uploaded(
        import_id=str(import_id),
        name=name,
        columns=found.columns,
        sample=found.sample,
        suggested=suggest(found.columns, fields),
        targets=targets(fields),
        rows=found.rows,
    )


def _concerned(import_id: int, name: str) -> audit.Object:
    """The import, for the trail: files are named after people and numbers."""
    return audit.Object("customer_import", import_id, masked_text(name))


def _not_read(asked: Asked[None], trouble: str) -> Problem:
    if trouble == "too_large":
        return Problem("file_too_large")
    what = REASONS[asked.session.user.language].get(trouble, trouble)
    return Problem("no_spreadsheet", what=what, trouble=trouble)


async def _fields(connection: Connection, asked: Asked[Any]) -> list[own_fields.Field]:
    """The own fields that who asks may write: others are neither named nor brought in."""
    roles = asked.session.user.roles
    return [field for field in await own_fields.load(connection) if field.edited_by(roles)]


def _check_mapping(mapping: Mapping[str, str], columns: list[str], known: list[str]) -> None:
    """See that columns and targets are there, and each target once.

    :raises Problem: invalid.
    """
    wrong = [column for column, target in mapping.items() if column not in columns]
    wrong += [column for column, target in mapping.items() if target not in known]
    twice = len(set(mapping.values())) < len(mapping)
    nameless = not {"name", "company"} & set(mapping.values())
    if wrong or twice or nameless:
        code = "unknown" if wrong else "twice" if twice else "no_name"
        field = f"mapping.{wrong[0]}" if wrong else "mapping"
        raise Problem("invalid", errors=[{"field": field, "code": code, "message": code}])


async def _row(connection: Connection, asked: Asked[Any], *, lock: bool = False) -> asyncpg.Record:
    text = asked.part("import_id", "unknown_import")
    import_id = int(text) if text.isascii() and text.isdigit() and len(text) <= 18 else -1
    query = f"{_SELECT} WHERE import_id = $1{' FOR UPDATE' if lock else ''}"
    row: asyncpg.Record | None = await connection.fetchrow(query, import_id)
    if row is None:
        raise Problem("unknown_import")
    return row


def _state(row: asyncpg.Record, asked: Asked[Any]) -> ImportState:
    return ImportState(
        import_id=str(row["import_id"]),
        **{name: row[name] for name in ("name", "rows", "read", "created", "updated")},
        skipped=row["skipped"],
        bad=row["bad"],
        state=row["shown_state"],
        by=row["by_name"],
        uploaded_at=row["uploaded_at"].timestamp(),
        started_at=row["started_at"] and row["started_at"].timestamp(),
        ended_at=row["ended_at"] and row["ended_at"].timestamp(),
        seconds_left=_seconds_left(row),
        error="restarted" if row["gone"] else row["error"],
    )


def _seconds_left(row: asyncpg.Record) -> float | None:
    """By the pace since the start; null before there is one."""
    done = row["read"] - row["read_before"]
    if row["shown_state"] != "running" or not done:
        return None
    running: float = time.time() - row["started_at"].timestamp()
    left: float = running / done * (row["rows"] - row["read"])
    return round(left, 1)


_GONE = f"""state = 'running' AND alive_at < now() - interval '{imports.ALIVE_SECONDS} seconds'"""
_SELECT = f"""
SELECT *, {_GONE} AS gone, CASE WHEN {_GONE} THEN 'failed' ELSE state END AS shown_state
FROM customer_imports
"""  # noqa: S608 - our own words
_ADD = """
INSERT INTO customer_imports (name, file, form, columns, rows, by_name, sample)
VALUES ($1, $2, $3::jsonb, $4, $5, $6, $7::jsonb) RETURNING import_id
"""
_OLD: Final = f"""
(state <> 'running' OR {_GONE})
    AND greatest(uploaded_at, alive_at, ended_at) < now() - make_interval(days => $1)
"""
_DONE = f"""
UPDATE customer_imports SET file = '' WHERE file <> '' AND (state = 'done' OR {_OLD})
RETURNING (SELECT old.file FROM customer_imports old
    WHERE old.import_id = customer_imports.import_id) AS file
"""  # noqa: S608 - our own words
_FORGET = f"""
WITH old AS (
    UPDATE customer_imports SET sample = '[]' WHERE sample <> '[]' AND {_OLD}
    RETURNING import_id
)
DELETE FROM customer_import_bad_rows WHERE import_id IN (SELECT import_id FROM old)
"""  # noqa: S608 - our own words
_NAMED = "SELECT file FROM customer_imports WHERE file = ANY($1::text[])"
_START = """
UPDATE customer_imports SET state = 'running', mapping = $2::jsonb, on_duplicate = $3,
    by_name = $4, started_at = now(), alive_at = now(), ended_at = NULL, error = '',
    read_before = read
WHERE import_id = $1 RETURNING *
"""
_CANCEL = """
UPDATE customer_imports SET state = 'cancelled', ended_at = now()
WHERE import_id = $1 AND state IN ('uploaded', 'running') RETURNING true
"""
_BAD_ROWS = """
SELECT row, reason, column_name, cells FROM customer_import_bad_rows
WHERE import_id = $1 AND row > $2 ORDER BY row LIMIT $3
"""
