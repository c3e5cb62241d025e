"""Bringing a table of customers in: in batches, each one transaction with how far it came.

So a server that ends in the middle leaves whole batches, and who starts again goes on behind them:
nothing is done twice. Rows that the database refuses are found by halving their batch. Parsing runs
in a thread, a batch ahead of what is written, and the event loop never waits for a file.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from crm import customers as store
from crm import rows as table
from crm import timeline
from crm.customers import By, Customer, Draft, PackedTerms
from crm.fields import Field
from crm.rows import OnDuplicate, Row, RowError
from crm.sheets import Form, SheetError, fitted, rows

if TYPE_CHECKING:
    from crm.customers import Connection

BATCH_ROWS: Final = 500
SKIPPED_ROWS: Final = 10_000
NUMBERS_AT_ONCE: Final = 1_000
"""Each is a lock, of which the server has some thousands for all."""
TRIES: Final = 3
"""Of a batch that waited in a circle with somebody's change."""
ALIVE_SECONDS: Final = 15
"""An import that has not been heard of for so long is one of a server that ended."""
BEAT_SECONDS: Final = 2.0
_REFUSED: Final = (
    asyncpg.DataError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.ProgramLimitExceededError,
    ValueError,
)
"""What the database, or asyncpg on the way there, says of a value that cannot be kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """An import to be run.

    :param skip: rows that an earlier start has done.
    """

    import_id: int
    path: Path
    form: Form
    columns: list[str]
    mapping: Mapping[str, str]
    on_duplicate: OnDuplicate
    skip: int
    region: str


@dataclass(frozen=True, slots=True)
class Parsed:
    """A row of the file: its number (the first row of data is 2, as programs show it), its cells,
    and what it says or why it says nothing.

    :param terms: what search finds a customer by who is as the row says.
    """

    place: int
    cells: list[str]
    said: Row | RowError
    terms: PackedTerms | None = None


@dataclass(slots=True)
class Plan:
    """What the rows of a batch do. `owners` grows with them: a later row finds who an earlier made.

    :param owners: number -> who has it: a customer's id, or the place in `drafts` as -1, -2, ...
    :param drafts: new customers; `terms` of each, None where a later row changed it.
    :param present: known customers that are changed, as they are stored; `after`, as they will be.
    :param history: owner, and what it says of one row.
    :param bad: rows that fit nobody.
    """

    owners: dict[str, int]
    drafts: list[Draft] = field(default_factory=list)
    terms: list[PackedTerms | None] = field(default_factory=list)
    present: Mapping[int, Customer] = field(default_factory=dict)
    after: dict[int, Draft] = field(default_factory=dict)
    history: list[tuple[int, Mapping[str, object]]] = field(default_factory=list)
    notes: list[tuple[int, str]] = field(default_factory=list)
    bad: list[tuple[Parsed, RowError]] = field(default_factory=list)
    updated: int = 0
    skipped: int = 0

    def owner(self, row: Row) -> int | None:
        """Who has one of the row's numbers."""
        return next(
            (self.owners[n.number] for n in row.draft.numbers if n.number in self.owners), None
        )

    def owner_of_all(self, row: Row) -> int | None:
        """Who has those of the row's numbers that anybody has.

        :raises RowError: no one customer has them all: one would be given another's.
        """
        known = {n.number for n in row.draft.numbers if n.number in self.owners}
        found = {self.owners[number] for number in known}
        if len(found) < 2:
            return next(iter(found), None)
        for owner in sorted(found):
            # Of a number that several have only the first is known as its owner.
            if known <= {each.number for each in self._present(owner).numbers}:
                return owner
        raise RowError("number_taken")

    def make(self, row: Row, terms: PackedTerms | None) -> None:
        """The row makes a customer."""
        self.drafts.append(row.draft)
        self.terms.append(terms)
        self._written(-len(self.drafts), row, store.made(row.draft))

    def change(self, owner: int, row: Row) -> None:
        """The row changes a customer, perhaps one that it shares a batch with."""
        before = self._present(owner)
        after = table.updated(before, row)
        facts = store.differences(before, after)
        if facts and owner < 0:
            self.drafts[-owner - 1], self.terms[-owner - 1] = after, None
        elif facts:
            self.after[owner] = after
        self.updated += 1
        self._written(owner, row, facts)

    def _present(self, owner: int) -> Draft:
        """The customer as the rows so far leave it."""
        if owner < 0:
            return self.drafts[-owner - 1]
        return self.after.get(owner) or self.present[owner]

    def _written(self, owner: int, row: Row, facts: Mapping[str, object]) -> None:
        if facts:
            self.history.append((owner, facts))
        if row.note:
            self.notes.append((owner, row.note))
        for each in self._present(owner).numbers:
            self.owners.setdefault(each.number, owner)


async def run(pool: asyncpg.Pool[Any], job: Job, own: Sequence[Field], by_name: str) -> None:
    """Run an import to its end. Whatever stops it stands in its row.

    :raises Exception: the database's, when it is away.
    """
    source = _parsed(job, own)
    ahead: asyncio.Future[list[Parsed]] | None = None
    try:
        done, over = job.skip, 0
        while over < done:
            ahead = _reading(source, min(SKIPPED_ROWS, done - over))
            skipped = await _alive(pool, job, ahead)
            if not skipped:
                raise SheetError("damaged")  # it once had more rows
            over += len(skipped)
        ahead = _reading(source, BATCH_ROWS)
        while batch := await _alive(pool, job, ahead):
            ahead = _reading(source, BATCH_ROWS)
            for part in _parts(batch):
                await _judged(pool, job, part, done, by_name)
                done += len(part)
        await pool.execute(_END, job.import_id, "done", "")
    except _Stopped:
        pass
    except SheetError as error:
        await pool.execute(_END, job.import_id, "failed", error.trouble)
    finally:
        if ahead:
            await asyncio.gather(ahead, return_exceptions=True)
        source.close()


class _Stopped(Exception):  # noqa: N818 - no error
    """The import is not running any more: cancelled, or taken over."""


async def _alive(
    pool: asyncpg.Pool[Any], job: Job, ahead: asyncio.Future[list[Parsed]]
) -> list[Parsed]:
    """What is read ahead; until it is, the import's row is told that somebody is at it.

    :raises _Stopped: the import is not running any more.
    """
    while not (await asyncio.wait([ahead], timeout=BEAT_SECONDS))[0]:
        if await pool.fetchval(_BEAT, job.import_id) is None:
            raise _Stopped
    return ahead.result()


def _reading(source: Iterator[Parsed], count: int) -> asyncio.Future[list[Parsed]]:
    """So many rows, read in a thread."""
    return asyncio.ensure_future(asyncio.to_thread(_take, source, count))


def _take(source: Iterator[Parsed], count: int) -> list[Parsed]:
    return list(itertools.islice(source, count))


def _parsed(job: Job, own: Sequence[Field]) -> Generator[Parsed, None, None]:
    found = rows(job.path, job.form)
    next(found, None)
    for place, cells in enumerate(found, 2):
        whole = fitted(cells, len(job.columns))
        if place - 2 < job.skip:
            yield Parsed(place, whole, RowError("skipped"))
            continue
        try:
            said = table.read_row(job.columns, whole, job.mapping, own, job.region)
        except RowError as error:
            yield Parsed(place, whole, error)
        else:
            yield Parsed(place, whole, said, store.packed_terms(said.draft))


def _parts(batch: Sequence[Parsed]) -> Iterator[list[Parsed]]:
    """Parts of a batch with a bounded number of numbers."""
    part: list[Parsed] = []
    numbers = 0
    for each in batch:
        own = len(each.said.draft.numbers) if isinstance(each.said, Row) else 0
        if part and numbers + own > NUMBERS_AT_ONCE:
            yield part
            part, numbers = [], 0
        part.append(each)
        numbers += own
    if part:
        yield part


async def _judged(
    pool: asyncpg.Pool[Any], job: Job, batch: Sequence[Parsed], done: int, by_name: str
) -> None:
    """Bring rows in, those that the database refuses as bad ones.

    :raises _Stopped: the import is not running any more.
    """
    try:
        await _tried(pool, job, batch, done, by_name)
    except (*_REFUSED, asyncpg.OutOfMemoryError) as error:
        half = len(batch) // 2
        if half:
            await _judged(pool, job, batch[:half], done, by_name)
            await _judged(pool, job, batch[half:], done + half, by_name)
            return
        if isinstance(error, asyncpg.OutOfMemoryError):
            raise  # of the locks, of which fewer rows need fewer; no row's fault
        cells = [each.encode("utf-8", "replace").decode() for each in batch[0].cells]
        bad = replace(batch[0], cells=cells, said=RowError("not_kept"))
        await _tried(pool, job, [bad], done, by_name)


async def _tried(
    pool: asyncpg.Pool[Any], job: Job, batch: Sequence[Parsed], done: int, by_name: str
) -> None:
    for _ in range(TRIES - 1):
        try:
            await _bring_in(pool, job, batch, done, by_name)
        except asyncpg.DeadlockDetectedError:
            continue
        return
    await _bring_in(pool, job, batch, done, by_name)


async def _bring_in(
    pool: asyncpg.Pool[Any], job: Job, batch: Sequence[Parsed], done: int, by_name: str
) -> None:
    """One transaction.

    :raises _Stopped: the import is not running any more.
    """
    async with pool.acquire() as connection, connection.transaction():
        at = await connection.fetchval(_STILL, job.import_id, done)
        if at is None:
            raise _Stopped
        by = By(by_name, at)
        plan = await _planned(connection, job.on_duplicate, batch)
        await _write(connection, plan, by)
        bad = [
            (job.import_id, each.place, error.reason, error.column, each.cells)
            for each, error in plan.bad
        ]
        await connection.executemany(_BAD, bad)
        counts = (len(batch), len(plan.drafts), plan.updated, plan.skipped, len(bad))
        await connection.execute(_PROGRESS, job.import_id, *counts)


async def _planned(
    connection: Connection, on_duplicate: OnDuplicate, batch: Sequence[Parsed]
) -> Plan:
    said = [each.said for each in batch if isinstance(each.said, Row)]
    plan = Plan({})
    if on_duplicate != "create":
        numbers = sorted({n.number for row in said for n in row.draft.numbers})
        plan.owners = await store.owners(connection, numbers)
    if on_duplicate == "update":
        ids = sorted(set(plan.owners.values()))
        await store.lock_all(connection, ids)
        found = await store.load(connection, ids)
        plan.present = {each.customer_id: each for each in found if each.living}
        # Who was deleted before the lock was ours is nobody's owner any more.
        plan.owners = {n: each for n, each in plan.owners.items() if each in plan.present}
    for each in batch:
        if isinstance(each.said, RowError):
            plan.bad.append((each, each.said))
            continue
        try:
            _place(plan, on_duplicate, each.said, each.terms)
        except RowError as error:
            plan.bad.append((each, error))
    return plan


def _place(plan: Plan, on_duplicate: OnDuplicate, row: Row, terms: PackedTerms | None) -> None:
    """Let a row do what it does.

    :raises RowError: it fits nobody.
    """
    if on_duplicate == "skip" and plan.owner(row) is not None:
        plan.skipped += 1
        return
    owner = plan.owner_of_all(row) if on_duplicate == "update" else None
    if owner is None:
        plan.make(row, terms)
    else:
        plan.change(owner, row)


async def _write(connection: Connection, plan: Plan, by: By) -> None:
    drafts = zip(plan.drafts, plan.terms, strict=True)
    terms = [known or store.packed_terms(draft) for draft, known in drafts]
    new = await store.put_new(connection, plan.drafts, terms, by)
    changes = [(plan.present[each], after) for each, after in plan.after.items()]
    await store.write_all(connection, changes, by)

    def ids(owners: Iterable[int]) -> list[int]:
        return [new[-owner - 1] if owner < 0 else owner for owner in owners]

    facts = [each[1] for each in plan.history]
    await store.note_changes(connection, ids(e[0] for e in plan.history), by, "imported", facts)
    texts = [each[1] for each in plan.notes]
    notes = list(zip(ids(each[0] for each in plan.notes), texts, strict=True))
    await timeline.add_notes(connection, notes, by)


_STILL = """
UPDATE customer_imports SET alive_at = now()
WHERE import_id = $1 AND state = 'running' AND read = $2 RETURNING now()
"""
_BEAT = """
UPDATE customer_imports SET alive_at = now()
WHERE import_id = $1 AND state = 'running' RETURNING true
"""
_PROGRESS = """
UPDATE customer_imports SET read = read + $2, created = created + $3, updated = updated + $4,
    skipped = skipped + $5, bad = bad + $6 WHERE import_id = $1
"""
_BAD = """
INSERT INTO customer_import_bad_rows (import_id, row, reason, column_name, cells)
VALUES ($1, $2, $3, $4, $5)
"""
_END = """
UPDATE customer_imports SET state = $2, error = $3, ended_at = now()
WHERE import_id = $1 AND state = 'running'
"""
