"""Judging a whole site after its calls: do journal, CDR, CEL and recordings tell one story?"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Self

import asyncpg

from acd.sim.judging import judge_journal
from cti.reconcile import Difference, reconcile

if TYPE_CHECKING:
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


async def untruths(site: Whole) -> list[str]:
    """What is wrong with the records once all calls have ended: none, in a product that works.

    The CDR comes after the hang-up and a recording is judged after the call, so this looks again
    until nothing is left, or for SETTLED_SECONDS.
    """
    deadline = time.monotonic() + SETTLED_SECONDS
    while True:
        found = [f"{each.kind}: {each.text}" for each in await differences(site)]
        found += judge_journal(await site.journal())
        found += site.broken_invariants()
        if not found or time.monotonic() > deadline:
            return found
        await asyncio.sleep(0.25)


async def differences(site: Whole, books: Books | None = None) -> list[Difference]:
    """What the books contradict each other in at this moment, as `zuoxi reconcile` finds it."""
    books = books or Books.of(site)
    now = datetime.now(UTC)
    connection = await asyncpg.connect(site.dsn)
    try:
        return await reconcile(
            now - timedelta(hours=1),
            now + timedelta(hours=1),
            connection=connection,
            node=site.node,
            cdr_csv=books.cdr,
            cel_csv=books.cel,
            store=books.store,
        )
    finally:
        await connection.close()
