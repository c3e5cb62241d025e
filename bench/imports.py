"""`./zuoxi bench imports`: how many rows of a table become customers in a second.

The table is a CSV of the people of `bench search` with company, number, tag, level and a note; one
row in a hundred is bad, one in fifty has a number of a row before it. It is brought in by what the
server runs (`crm.imports.run`), once into an empty database, and a second time with `update`, where
every row finds its customer and changes the level.
"""

from __future__ import annotations

import asyncio
import csv
import json
import random
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from bench.report import Figure, Report, figure, report
from bench.search import REGION, database, people
from crm import imports
from crm.rows import OnDuplicate
from crm.sheets import survey
from cti.journal.database import open_pool

if TYPE_CHECKING:
    import asyncpg

ROWS: Final = 20_000
BAD_EVERY: Final = 100
TWIN_EVERY: Final = 50
MAPPING: Final = {
    "Name": "name",
    "Company": "company",
    "Phone": "number",
    "Tags": "tags",
    "Level": "level",
    "Note": "note",
}


def write_table(path: Path, rows: int, level: str) -> None:
    """A CSV of so many rows."""
    source = people(random.Random(1))
    number = ""
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(MAPPING)
        for place, (name, company, own_number, tag) in zip(range(rows), source, strict=False):
            number = number if place % TWIN_EVERY == 1 else own_number
            note = "asked for the price list" if place % 3 == 0 else ""
            row = (name, company, "12" if place % BAD_EVERY == 2 else number, tag, level, note)
            table.writerow(row)


async def bring_in(pool: asyncpg.Pool[Any], path: Path, on_duplicate: OnDuplicate) -> float:
    """Bring a table in; the seconds it took."""
    found = await asyncio.to_thread(survey, path)
    given = (json.dumps({}), found.columns, found.rows, on_duplicate)
    import_id = await pool.fetchval(_ADD, *given)
    job = imports.Job(
        import_id=import_id,
        path=path,
        form=found.form,
        columns=found.columns,
        mapping=MAPPING,
        on_duplicate=on_duplicate,
        skip=0,
        region=REGION,
    )
    began = time.perf_counter()
    await imports.run(pool, job, [], "bench")
    took = time.perf_counter() - began
    end = await pool.fetchrow(_END, import_id)
    assert end is not None
    assert (end["state"], end["read"]) == ("done", found.rows), dict(end)
    return took


_ADD = """
INSERT INTO customer_imports (name, file, form, columns, rows, by_name, state, on_duplicate)
VALUES ('bench', '', $1::jsonb, $2, $3, 'bench', 'running', $4) RETURNING import_id
"""
_END = "SELECT * FROM customer_imports WHERE import_id = $1"


async def figures(rows: int = ROWS) -> AsyncIterator[Figure]:
    """Rows of new customers, and of known ones."""
    async with database() as dsn, await open_pool(dsn) as pool:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "list.csv"
            kinds: tuple[tuple[str, OnDuplicate, str], ...] = (
                ("new customers", "skip", "A"),
                ("known customers, changed", "update", "B"),
                ("known customers, skipped", "skip", "B"),
            )
            for kind, on_duplicate, level in kinds:
                write_table(path, rows, level)
                took = await bring_in(pool, path, on_duplicate)
                yield figure(f"{kind}: rows a second", rows / took, "rows/s", better="higher")


async def measure() -> list[Figure]:
    """All figures."""
    return [each async for each in figures()]


def run() -> Report:
    """The whole bench."""
    began = time.perf_counter()
    found = asyncio.run(measure())
    return report("imports", time.perf_counter() - began, found)
