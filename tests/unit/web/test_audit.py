"""Notes: each entry is written once, whoever writes, and none is lost by a failure."""

import asyncio
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest

from web.audit import Notes

ASKED = SimpleNamespace(
    session=SimpleNamespace(user=SimpleNamespace(user_id=7, name="ada")), address="192.0.2.1"
)


class Base:
    """A pool and its connection: keeps what was done, fails while `away`.

    :param guests: the pool is given when so many have asked for it.
    """

    def __init__(self, guests: int) -> None:
        self.done: list[str] = []
        self.away = True
        self.barrier = asyncio.Barrier(guests)

    async def pool(self) -> "Base":
        await self.barrier.wait()
        return self

    @asynccontextmanager
    async def acquire(self, **_: object):
        yield self

    async def execute(self, statement: str, *row: object) -> None:
        await asyncio.sleep(0)
        if self.away:
            raise OSError("away")
        self.done.append(str(row[3]))


async def waiting(base: Base, *deeds: str) -> Notes:
    """Notes with entries that the base did not take."""
    notes = Notes(base.pool, lambda: 1_790_000_000.0)
    base.barrier, barrier = asyncio.Barrier(1), base.barrier
    for deed in deeds:
        await notes.add(ASKED, deed)
    base.barrier = barrier
    return notes


async def test_two_writers_write_the_one_entry_once():
    base = Base(guests=2)
    notes = await waiting(base, "signed_out")
    base.away = False
    await asyncio.gather(notes.write(), notes.write())
    assert base.done == ["signed_out"]


async def test_what_could_not_be_written_keeps_its_place():
    base = Base(guests=1)
    notes = await waiting(base, "signed_out", "alarm_cleared")
    with pytest.raises(OSError, match="away"):
        await notes.write()
    base.away = False
    await notes.write()
    assert base.done == ["signed_out", "alarm_cleared"]
