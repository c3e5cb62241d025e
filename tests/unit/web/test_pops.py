"""Who calls is read with the offer and sent; a storm of offers does not drown the database."""

import asyncio
from typing import Any

import pytest

from crm.pop import Pop
from web import pops
from web.pops import Pops


class Books:
    """Answers each question with another Pop, when it is told to; takes what is sent."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str | None]] = []
        self.open = asyncio.Event()
        self.open.set()
        self.away = False
        self.sent: list[tuple[Any, ...]] = []
        self.more = asyncio.Event()

    async def read(self, call_id: str, number: str | None) -> Pop:
        self.asked.append((call_id, number))
        turn = len(self.asked)
        await self.open.wait()
        if self.away:
            raise ConnectionRefusedError
        return Pop([], turn, [])

    def send(self, *what: Any) -> None:
        self.sent.append(what)
        self.more.set()


async def no_pool() -> Any:
    raise AssertionError


@pytest.fixture
def books() -> Books:
    return Books()


@pytest.fixture
def with_offers(books: Books) -> Pops:
    return Pops(no_pool, "CN", books.send, books.read)


async def test_who_calls_is_sent_as_soon_as_it_is_read(books: Books, with_offers: Pops) -> None:
    books.open.clear()
    with_offers.begin("1001", "c1", "+86138")
    await asyncio.sleep(0)
    assert books.sent == []
    books.open.set()
    await asyncio.wait_for(books.more.wait(), 5)
    assert books.sent == [("1001", "c1", "+86138", Pop([], 1, []))]


async def test_nothing_is_sent_while_the_books_are_away(books: Books, with_offers: Pops) -> None:
    books.away = True
    with_offers.begin("1001", "c1", None)
    await asyncio.sleep(0)
    books.away = False
    with_offers.begin("1001", "c2", None)
    await asyncio.wait_for(books.more.wait(), 5)
    assert [call for _, call, *_ in books.sent] == ["c2"]


async def test_a_storm_of_offers_reads_no_more_than_so_many_at_once(
    books: Books, with_offers: Pops
) -> None:
    books.open.clear()
    for number in range(pops.AT_ONCE + 10):
        with_offers.begin("1001", f"c{number}", None)
    await asyncio.sleep(0)
    assert len(books.asked) == pops.AT_ONCE
    await with_offers.close()
