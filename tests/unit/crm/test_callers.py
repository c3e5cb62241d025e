"""Numbers in any notation, and numbers that are none."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crm.callers import LAST_AGENT_DAYS, CallerIndex, e164, written_number


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


@pytest.mark.parametrize("text", ["138****8000", "+86 138****8000"])
def test_a_masked_number_is_nobodys(text: str) -> None:
    assert e164(text, "CN") is None
    assert written_number(text, "CN") is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("010-6234-5678", "+861062345678"),
        ("(010)6234-5678", "+861062345678"),
        ("138-0013-8000", "+8613800138000"),
        ("86-138-0013-8000", "+8613800138000"),
        ("+1 415 555 0100", "+14155550100"),
        ("+1-415-555-0100", "+14155550100"),
        ("+44 20-7946-0018", "+442079460018"),
        ("+49 30/9018-20", "+4930901820"),
        ("(0755) 1234 5678", "+8675512345678"),
        ("0312-555-1234", "+863125551234"),
        ("400-800-8888", "+864008008888"),
        ("6234-5678", "+8662345678"),
        ("+33 1.42.68.53.00", "+33142685300"),
        ("95588", "+8695588"),
        ("10086", "+8610086"),
        ("62345678 ext 801", "+8662345678"),
        ("13800138000.0", "+8613800138000"),
        (" 13800138000.00 ", "+8613800138000"),
    ],
)
def test_a_number_as_people_and_programs_write_it(text: str, number: str) -> None:
    assert written_number(text, "CN") == number


@pytest.mark.parametrize(
    "text",
    [
        *("1.38E10", "1.38e10", "1.38E+10", "13800138000.5e1"),
        *("62345678-801", "62345678/9", "62345678 - 801", "0755-12345678-8", "010-62345678/9"),
        *("13800138000-1", "62345678\uff0d801", "10086-1"),
    ],
)
def test_what_stands_behind_a_number_makes_it_no_other(text: str) -> None:
    assert written_number(text, "CN") is None


@given(st.text(max_size=60))
def test_hostile_text_never_raises(text: str) -> None:
    for number in (e164(text, "CN"), written_number(text, "CN")):
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
