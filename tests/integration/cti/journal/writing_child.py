"""A process that journals as fast as it can until it is killed: `writing_child.py FOLDER DSN`."""

import asyncio
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[4]))

from cti.journal import Journal
from cti.journal.database import Database
from tests.support.journal import facts


async def main(folder: Path, dsn: str) -> None:
    """Print the last number of each append."""
    journal = Journal.open(folder, "pbx1", gather_seconds=0.002, segment_bytes=30_000)
    writer = asyncio.create_task(journal.run(Database(dsn, migrate=False).pool))
    seq = journal.recovered.next_seq
    while not writer.done():
        for size in (1, 3, 8):
            journal.append(facts(seq, size))
            seq += size
            sys.stdout.write(f"{seq - 1}\n")
            sys.stdout.flush()
        if journal.wants_checkpoint():
            journal.checkpoint(b"%d" % (seq - 1))
        await asyncio.sleep(0.001)
    await writer


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
