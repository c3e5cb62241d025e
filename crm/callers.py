"""Who calls: an index in memory from number to facts, so that a hook never waits for the database.

Loaded from table `callers`, kept fresh by LISTEN; who talked last to a number comes from table
`calls` at the load and from `note_agent` after it. While the database is away the index stays as
it is.

A million callers have to fit: facts are kept packed, some 100 bytes for each with its number.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import lru_cache
from itertools import islice
from typing import Any, Final

import asyncpg
import msgspec
import phonenumbers
import structlog

log = structlog.get_logger(__name__)

CHANNEL: Final = "callers_changed"
MAX_NUMBER: Final = 40
LAST_AGENT_DAYS: Final = 90
FORGOTTEN_AT_ONCE: Final = 8
SLICE_ROWS: Final = 1000
"""Taken in within some milliseconds."""
_FLOAT: Final = re.compile(r"(\d{5,})\.0+")
_SCIENTIFIC: Final = re.compile(r"\d[eE][+-]?\d")
_TAIL: Final = re.compile(r"(.*\d)\s*[-/\u2010-\u2015\uff0d\uff0f]\s*\d{1,4}\s*")
"""What ends like an extension behind a number (`62345678-801`), or like a second number (`/9`)."""
E164: Final = re.compile(r"\+[1-9][0-9]{4,14}")
CHECK_SECONDS: Final = 60.0
ANSWER_SECONDS: Final = 5.0
"""After so long a silence the database is asked whether it is there, and has to answer within."""
FIRST_RETRY_SECONDS: Final = 0.5
LAST_RETRY_SECONDS: Final = 10.0


class CallerFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a number.

    :param number: E.164.
    :param priority: -100 to 100, added to the queue's.
    :param owner_agent_id: whose customer it is.
    :param blocked: not to be let into any queue.
    :param blocked_until: epoch seconds at which that ends, None: never.
    """

    number: str
    customer_id: str | None = None
    name: str | None = None
    level: str | None = None
    language: str | None = None
    priority: int = 0
    owner_agent_id: str | None = None
    blocked: bool = False
    blocked_until: float | None = None


class _Packed(msgspec.Struct, frozen=True, array_like=True, omit_defaults=True):
    """Facts as they are kept; the most usual ones first, as those at the end cost nothing."""

    customer_id: str | None = None
    name: str | None = None
    level: str | None = None
    language: str | None = None
    priority: int = 0
    owner_agent_id: str | None = None
    blocked: bool = False
    blocked_until: float | None = None


_pack: Final = msgspec.msgpack.Encoder().encode
_unpack: Final = msgspec.msgpack.Decoder(_Packed).decode


@lru_cache(maxsize=8192)
def e164(text: str, region: str) -> str | None:
    """The number in E.164, None where `text` is none (an extension, "anonymous", rubbish).

    :param region: two letters; the country of numbers without a country code.
    """
    # A masked number would lose its stars and be somebody else's.
    if len(text) > MAX_NUMBER or "*" in text:
        return None
    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return str(phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164))


def written_number(text: str, region: str) -> str | None:
    """The number that somebody wrote down, in E.164; None where it is none.

    More careful than `e164`: programs write numbers as fractions (`13800138000.0`, `1.38E+10`), and
    people write an extension behind them, whose digits must not become the number's own.
    """
    text = text.strip()
    if whole := _FLOAT.fullmatch(text):
        text = whole[1]
    normal = e164(text, region)
    if normal is None or _SCIENTIFIC.search(text):
        return None
    tail = _TAIL.fullmatch(text)
    # Lengths do not tell: many countries have numbers of several.
    if tail and e164(tail[1], region) and not _is_given_out(normal):
        return None
    return normal


def _is_given_out(normal: str) -> bool:
    """Whether there are numbers like this one."""
    return phonenumbers.is_valid_number(phonenumbers.parse(normal, None))


class CallerIndex:
    """The index. `run` keeps it fresh for as long as it is not cancelled.

    :param connect: opens a new connection to the database.
    :param try_again: errors of the database, after which it is tried again later.
    :param clock: epoch seconds, for what ends by itself.
    """

    def __init__(
        self,
        connect: Callable[[], Awaitable[asyncpg.Connection[Any]]],
        *,
        region: str,
        try_again: tuple[type[Exception], ...],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._connect = connect
        self._try_again = try_again
        self._region = region
        self._clock = clock
        self._facts: dict[int, bytes] = {}
        """Number without its + -> facts."""
        self._last_agents: dict[str, tuple[str, float]] = {}
        """Number -> who talked last to it and when, the longest ago first."""
        self.loaded = asyncio.Event()
        """Set after the first load; cleared while the database is away."""

    def find(self, number: str | None) -> CallerFacts | None:
        """What is known of the number, in any common notation."""
        normal = self.normal(number)
        packed = self._facts.get(int(normal)) if normal else None
        if packed is None or normal is None:
            return None
        facts = CallerFacts(number=normal, **msgspec.structs.asdict(_unpack(packed)))
        ended = facts.blocked_until is not None and facts.blocked_until <= self._clock()
        return msgspec.structs.replace(facts, blocked=False) if ended else facts

    def last_agent(self, number: str | None) -> str | None:
        """Who talked last to this number, in the last LAST_AGENT_DAYS."""
        self._forget_old_agents()
        normal = self.normal(number)
        found = self._last_agents.get(normal) if normal else None
        return found[0] if found and found[1] >= self._too_old() else None

    def note_agent(self, number: str | None, agent_id: str) -> None:
        """An agent has talked to this number."""
        self._forget_old_agents()
        if normal := self.normal(number):
            self._take_agent(normal, agent_id, self._clock())

    def _take_agent(self, normal: str, agent_id: str, at: float) -> None:
        """Who talked later counts: another server may have served the number meanwhile."""
        before = self._last_agents.get(normal)
        if before is None or before[1] <= at:
            self._last_agents.pop(normal, None)
            self._last_agents[normal] = agent_id, at

    def _forget_old_agents(self) -> None:
        """A few with each call, so that the table stops growing and nobody has to wait."""
        for normal, (_, at) in list(islice(self._last_agents.items(), FORGOTTEN_AT_ONCE)):
            if at >= self._too_old():
                return
            del self._last_agents[normal]

    def _too_old(self) -> float:
        return self._clock() - LAST_AGENT_DAYS * 86_400

    def normal(self, number: str | None) -> str | None:
        """The number in E.164, None where it is none."""
        return e164(number, self._region) if number else None

    async def run(self) -> None:
        """Load, follow the changes, and start over whenever the database was away."""
        wait = FIRST_RETRY_SECONDS
        while True:
            try:
                await self._follow()
            except self._try_again as error:
                words = f"{type(error).__name__}: {error}"
                log.warning("callers: database away", error=words, retry_seconds=wait)
            if self.loaded.is_set():
                wait = FIRST_RETRY_SECONDS
            self.loaded.clear()
            await asyncio.sleep(wait)
            wait = min(wait * 2, LAST_RETRY_SECONDS)

    async def _follow(self) -> None:
        """One connection's life: returns or raises when it is lost."""
        connection = await self._connect()
        changed: asyncio.Queue[str | None] = asyncio.Queue()
        try:
            connection.add_termination_listener(lambda _: changed.put_nowait(None))
            # Listen first: a change between the load and the listening would be lost.
            await connection.add_listener(CHANNEL, lambda *told: changed.put_nowait(str(told[3])))
            await self._load_facts(connection)
            await self._load_last_agents(connection)
            self.loaded.set()
            while True:
                try:
                    async with asyncio.timeout(CHECK_SECONDS):
                        numbers = await changed.get()
                except TimeoutError:
                    # Of a peer that went without a word nobody tells who only listens.
                    await connection.execute("SELECT 1", timeout=ANSWER_SECONDS)
                    continue
                if numbers is None:
                    return
                await self._refresh(connection, numbers)
        finally:
            connection.terminate()

    async def _refresh(self, connection: asyncpg.Connection[Any], told: str) -> None:
        """Read again what was told: numbers, or all by `*`."""
        if told == "*":
            await self._load_facts(connection)
            return
        numbers = told.split(",")
        rows = await connection.fetch(f"{_FACTS} WHERE number = ANY($1::text[])", numbers)
        found = dict(map(_packed, rows))
        for number in map(int, numbers):
            if number in found:
                self._facts[number] = found[number]
            else:
                self._facts.pop(number, None)

    async def _load_facts(self, connection: asyncpg.Connection[Any]) -> None:
        """Read all anew, into the same table: a second one would need as much memory again."""
        gone = set(self._facts)
        async for rows in _slices(connection, _FACTS):
            facts = dict(map(_packed, rows))
            self._facts.update(facts)
            gone.difference_update(facts)
        for number in gone:
            del self._facts[number]

    async def _load_last_agents(self, connection: asyncpg.Connection[Any]) -> None:
        async for rows in _slices(connection, _LAST_AGENTS, str(LAST_AGENT_DAYS)):
            for number, agent_id, at in rows:
                if normal := number if E164.fullmatch(number) else self.normal(number):
                    self._take_agent(normal, agent_id, at)


async def _slices(
    connection: asyncpg.Connection[Any], query: str, *arguments: object
) -> AsyncIterator[list[asyncpg.Record]]:
    """The rows, so many at a time that nobody else in the event loop has to wait."""
    async with connection.transaction():
        cursor = await connection.cursor(query, *arguments)
        while rows := await cursor.fetch(SLICE_ROWS):
            yield rows


_FACTS: Final = (
    "SELECT number, customer_id, name, level, language, priority, owner_agent_id, blocked,"
    " extract(epoch FROM blocked_until)::float AS blocked_until FROM callers"
)
_LAST_AGENTS: Final = """
SELECT caller_number, agent_id, extract(epoch FROM started_at)::float FROM (
    SELECT DISTINCT ON (caller_number) caller_number, agent_id, started_at
    FROM calls
    WHERE agent_id IS NOT NULL AND caller_number IS NOT NULL
      AND started_at > now() - ($1 || ' days')::interval
    ORDER BY caller_number, started_at DESC
) AS latest
ORDER BY started_at
"""


def _packed(row: asyncpg.Record) -> tuple[int, bytes]:
    number, *facts = row.values()
    return int(number), _pack(_Packed(*facts))
