"""Reconciling in tests: `assert await differences(site) == []` after all calls have ended."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import asyncpg

from cti.reconcile import Difference, reconcile
from tests.support.whole import Whole

SETTLED_SECONDS = 20.0


@dataclass(frozen=True)
class Books:
    """Where the other two books lie."""

    cdr: Path
    cel: Path
    store: Path

    @classmethod
    def of(cls, site: Whole) -> Self:
        """The real ones."""
        log = site.site.pbx.log
        return cls(
            log / "cdr-csv" / "Master.csv",
            log / "cel-custom" / "Master.csv",
            site.site.folder / "store",
        )


async def differences(
    site: Whole, node: str = "pbx1", *, books: Books | None = None, settled: bool = False
) -> list[Difference]:
    """What the books still contradict each other in, once they had time to be written.

    The CDR comes after the hang-up and a recording is judged after the call, so this looks again
    until nothing is left, or for SETTLED_SECONDS; once only where they have `settled`.
    """
    books = books or Books.of(site)
    connection = await asyncpg.connect(site.dsn)
    try:
        now = datetime.now(UTC)
        deadline = now if settled else now + timedelta(seconds=SETTLED_SECONDS)
        while True:
            found = await reconcile(
                now - timedelta(hours=1),
                now + timedelta(hours=1),
                connection=connection,
                node=node,
                cdr_csv=books.cdr,
                cel_csv=books.cel,
                store=books.store,
            )
            if not found or datetime.now(UTC) > deadline:
                return found
            await asyncio.sleep(0.25)
    finally:
        await connection.close()
