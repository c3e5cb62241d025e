"""Who calls is read while the call is offered, given out once, and never when it is old."""

import asyncio
from typing import Any

import pytest

from crm.pop import Pop
from web import pops
from web.pops import Pops


class Books:
    """Answers each question with another Pop, when it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.away = False

    async def read(self, call_id: str, number: str | None) -> Pop:
        self.asked.append((call_id, number))
        turn = len(self.asked)
        await self.open.wait()
        if self.away:
            raise ConnectionRefusedError
        return Pop([], turn, [])


async def no_pool() -> Any:
    raise AssertionError


@pytest.fixture
def books() -> Books:
    return Books()


@pytest.fixture
def ahead(books: Books) -> Pops:
    return Pops(no_pool, "CN", books.read)


async def test_what_was_read_ahead_is_given_out_once(books: Books, ahead: Pops) -> None:
    ahead.begin("c1", "+86138")
    assert (await ahead.of("c1", "+86138")).chosen == 1
    assert (await ahead.of("c1", "+86138")).chosen == 2
    assert books.asked == [("c1", "+86138")] * 2


async def test_who_asks_before_it_is_read_waits_for_it(books: Books, ahead: Pops) -> None:
    books.open.clear()
    ahead.begin("c1", None)
    asking = asyncio.create_task(ahead.of("c1", None))
    await asyncio.sleep(0)
    books.open.set()
    assert (await asking).chosen == 1


async def test_a_call_that_nobody_was_offered_is_read_when_asked_for(
    books: Books, ahead: Pops
) -> None:
    ahead.begin("c1", None)
    await ahead.of("c2", None)
    await ahead.of("c1", None)
    assert sorted(books.asked) == [("c1", None), ("c2", None)]


async def test_what_is_old_is_read_anew(ahead: Pops, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pops, "FRESH_SECONDS", 0.0)
    ahead.begin("c1", None)
    for _ in range(3):  # rounds of the loop: begun, read, too old
        await asyncio.sleep(0)
    assert (await ahead.of("c1", None)).chosen == 2


async def test_who_asks_while_the_books_are_away_is_told(books: Books, ahead: Pops) -> None:
    books.away = True
    ahead.begin("c1", None)
    with pytest.raises(ConnectionRefusedError):
        await ahead.of("c1", None)
    books.away = False
    assert (await ahead.of("c1", None)).chosen == 3


async def test_a_storm_of_offers_reads_no_more_than_so_many_at_once(
    books: Books, ahead: Pops
) -> None:
    books.open.clear()
    for number in range(pops.AT_ONCE + 10):
        ahead.begin(f"c{number}", None)
    await asyncio.sleep(0)
    assert len(books.asked) == pops.AT_ONCE
    await ahead.close()
