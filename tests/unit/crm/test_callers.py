"""Numbers in any notation, and numbers that are none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.callers import LAST_AGENT_DAYS, CallerIndex, e164


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("13800138000", "+8613800138000"),
        ("+86 138 0013 8000", "+8613800138000"),
        ("008613800138000", "+8613800138000"),
        ("010-12345678", "+861012345678"),
        ("+442079460123", "+442079460123"),
    ],
)
def test_any_notation_is_one_number(text: str, number: str) -> None:
    assert e164(text, "CN") == number


@pytest.mark.parametrize("text", ["", "anonymous", "8001", "1" * 200, "'; DROP TABLE callers", "+"])
def test_what_is_no_number(text: str) -> None:
    assert e164(text, "CN") is None


@given(st.text(max_size=60))
def test_hostile_text_never_raises(text: str) -> None:
    number = e164(text, "CN")
    assert number is None or number.startswith("+")


def test_who_talked_last_is_found_in_any_notation() -> None:
    async def connect() -> None:
        raise AssertionError

    index = CallerIndex(connect, region="CN", try_again=())  # type: ignore[arg-type]
    index.note_agent("13800138000", "1001")
    index.note_agent(None, "1002")
    index.note_agent("anonymous", "1003")
    assert index.last_agent("+86 13800138000") == "1001"
    assert index.last_agent("anonymous") is None
    assert index.find("13800138000") is None


def test_who_talked_last_is_forgotten_in_time() -> None:
    async def connect() -> None:
        raise AssertionError

    now = 1_000_000.0
    index = CallerIndex(connect, region="CN", try_again=(), clock=lambda: now)  # type: ignore[arg-type]
    for number in range(20):
        index.note_agent(f"138001380{number:02}", "1001")
    now += (LAST_AGENT_DAYS - 1) * 86_400
    index.note_agent("13800138019", "1002")
    assert index.last_agent("13800138000") == "1001"
    now += 2 * 86_400
    assert index.last_agent("13800138018") is None
    assert index.last_agent("13800138019") == "1002"
    for _ in range(3):
        index.note_agent("13800138019", "1003")
    assert len(index._last_agents) == 1


class Silent:
    """A connection to tables without a row: its other end goes without a word after the load."""

    def __init__(self) -> None:
        self.ended = False

    def add_termination_listener(self, _tell: object) -> None:
        pass

    async def add_listener(self, _channel: str, _tell: object) -> None:
        pass

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[None]:
        yield

    async def cursor(self, _query: str, *_arguments: object) -> "Silent":
        return self

    async def fetch(self, _rows: int) -> list[object]:
        return []

    async def execute(self, _query: str, **limits: float) -> None:
        async with asyncio.timeout(limits["timeout"]):
            await asyncio.Event().wait()

    def terminate(self) -> None:
        self.ended = True


async def test_a_connection_whose_other_end_is_gone_is_left_for_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("CHECK_SECONDS", "ANSWER_SECONDS", "FIRST_RETRY_SECONDS"):
        monkeypatch.setattr(f"crm.callers.{name}", 0.01)
    opened: asyncio.Queue[Silent] = asyncio.Queue()

    async def connect() -> Any:
        connection = Silent()
        opened.put_nowait(connection)
        return connection

    index = CallerIndex(connect, region="CN", try_again=(TimeoutError,))
    running = asyncio.create_task(index.run())
    async with asyncio.timeout(20):
        first, _second = await opened.get(), await opened.get()
    assert first.ended
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
