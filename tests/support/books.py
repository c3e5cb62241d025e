"""Reconciling in tests: `assert await differences(site) == []` after all calls have ended."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg

from cti.reconcile import Difference, reconcile
from tests.support.whole import Whole

SETTLED_SECONDS = 20.0


async def differences(site: Whole, node: str = "pbx1") -> list[Difference]:
    """What the books still contradict each other in, once they had time to be written.

    The CDR comes after the hang-up and a recording is judged after the call, so this looks again
    until nothing is left, or for SETTLED_SECONDS.
    """
    log = site.site.pbx.log
    connection = await asyncpg.connect(site.dsn)
    try:
        now = datetime.now(UTC)
        deadline = now + timedelta(seconds=SETTLED_SECONDS)
        while True:
            found = await reconcile(
                now - timedelta(hours=1),
                now + timedelta(hours=1),
                connection=connection,
                node=node,
                cdr_csv=log / "cdr-csv" / "Master.csv",
                cel_csv=log / "cel-custom" / "Master.csv",
                store=site.site.folder / "store",
            )
            if not found or datetime.now(UTC) > deadline:
                return found
            await asyncio.sleep(0.25)
    finally:
        await connection.close()
