"""`./zuoxi bench search`: how long finding a customer takes while somebody types, among a million.

The names are drawn as they are borne: some 7 % of all are called 王, one in four has a company, one
in ten an English name. Each query is what the endpoint does: the search, a page of 50 and the
customers on it, one connection, wall time, warm. There are as many queries of each kind; a kind is
what somebody types for a customer drawn at random.

The rival is what is written without thinking: `ILIKE '%...%'` over name and company, newest first,
50 rows. It finds no pinyin, and is asked few times, as it takes so much longer.

Beside it: what the callers' index of the dialplan's hooks takes for a million numbers.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import resource
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import quantiles
from typing import TYPE_CHECKING, Any, Final

import asyncpg
from pypinyin import lazy_pinyin

from bench.report import Figure, Report, figure, report
from crm import search
from crm.callers import CallerIndex
from crm.customers import load
from crm.search import Filter
from crm.terms import customer_terms, heads_of
from cti.journal.database import migrate
from cti.sandbox.postgres import Postgres, ensure_binaries
from cti.sandbox.system import Place, prepare_place, say_on_stderr

if TYPE_CHECKING:
    from crm.customers import Connection

CUSTOMERS: Final = 1_000_000
QUERIES: Final = 100
"""Of each kind."""
RIVAL_QUERIES: Final = 3
PAGE: Final = 50
REGION: Final = "CN"
GOAL_MILLISECONDS: Final = 100.0
GOAL_INDEX_MEGABYTES: Final = 250.0
ROWS_AT_ONCE: Final = 2_000
TAGS: Final = ("老客户", "投诉", "vip", "回访", "新客户")

SURNAMES: Final = {
    "王": 72,
    "李": 71,
    "张": 68,
    "刘": 54,
    "陈": 46,
    "杨": 31,
    "黄": 22,
    "赵": 22,
    "吴": 20,
    "周": 20,
    "徐": 15,
    "孙": 15,
    "马": 13,
    "朱": 12,
    "胡": 12,
    "郭": 11,
    "何": 11,
    "高": 10,
    "林": 10,
    "罗": 9,
    "郑": 9,
    "梁": 8,
    "谢": 8,
    "宋": 7,
    "唐": 7,
    "许": 6,
    "韩": 6,
    "冯": 6,
    "邓": 6,
    "曹": 6,
    "彭": 5,
    "曾": 5,
    "肖": 5,
    "田": 5,
    "董": 5,
    "袁": 4,
    "潘": 4,
    "于": 4,
    "欧阳": 1,
    "单": 1,
    "仇": 1,
}
GIVEN: Final = (
    "伟芳娜秀英敏静丽强磊军洋勇艳杰娟涛明超兰霞平刚桂文华建国红梅玉龙飞鹏浩宇轩梓涵欣怡佳雪"
    "婷雨晨阳志远思琪俊峰海燕春晓东慧琳凯博瑞嘉祥德福荣昌永安康宁乐天成功立新光辉云山石泉清"
)
PLACES: Final = ("上海", "北京", "广州", "深圳", "杭州", "成都", "武汉", "南京", "苏州", "长沙")
TRADES: Final = ("科技", "贸易", "物流", "医疗器械", "电子商务", "建筑工程", "食品", "教育咨询")
FIRST: Final = ("james", "mary", "john", "linda", "peter", "susan", "david", "emma", "olga", "ivan")
LAST: Final = ("smith", "jones", "miller", "brown", "wilson", "taylor", "moore", "clark", "hall")

Person = tuple[str, str, str, str]
"""Name, company, number, tag."""


def people(rng: random.Random) -> Iterator[Person]:
    """Customers without end."""
    surnames, weights = list(SURNAMES), list(SURNAMES.values())
    companies = [
        f"{rng.choice(PLACES)}{''.join(rng.choices(GIVEN, k=2))}{rng.choice(TRADES)}有限公司"
        for _ in range(20_000)
    ]
    place = 0
    while True:
        place += 1
        if rng.random() < 0.1:
            name = f"{rng.choice(FIRST).title()} {rng.choice(LAST).title()}"
        else:
            surname = rng.choices(surnames, weights)[0]
            name = surname + "".join(rng.choices(GIVEN, k=rng.choice((1, 2, 2, 2))))
        company = rng.choice(companies) if rng.random() < 0.25 else ""
        number = f"+861{rng.choice('3578')}{place * 7919 % 10**9:09}"
        yield name, company, number, rng.choice(TAGS) if rng.random() < 0.3 else ""


# --- what is typed ------------------------------------------------------------------------------


def _syllables(person: Person) -> list[str]:
    return lazy_pinyin(person[0])


def _in_company(person: Person, rng: random.Random) -> Filter:
    at = rng.randrange(5)
    return Filter(text=person[1][at : at + rng.choice((2, 3, 4))])


KINDS: Final[Mapping[str, Callable[[Person, random.Random], Filter]]] = {
    "surname, one character": lambda p, _: Filter(text=p[0][0]),
    "any one character of a name": lambda p, rng: Filter(text=rng.choice(p[0])),
    "two characters of a name": lambda p, _: Filter(text=p[0][-2:]),
    "whole name": lambda p, _: Filter(text=p[0]),
    "pinyin's initials": lambda p, _: Filter(text="".join(s[0] for s in _syllables(p))),
    "whole pinyin": lambda p, _: Filter(text="".join(_syllables(p))),
    "one Latin letter": lambda p, _: Filter(text=_syllables(p)[0][0]),
    "part of a company": _in_company,
    "company and surname": lambda p, _: Filter(text=f"{p[1][:4]} {p[0][0]}"),
    "English beginnings": lambda p, rng: Filter(
        text=f"{rng.choice(FIRST)[:3]} {rng.choice(LAST)[:2]}"
    ),
    "last four digits": lambda p, _: Filter(text=p[2][-4:]),
    "whole number": lambda p, _: Filter(text=p[2][3:]),
    "tag": lambda p, rng: Filter(tag=rng.choice(TAGS)),
    "tag and surname": lambda p, rng: Filter(text=p[0][0], tag=rng.choice(TAGS)),
    "tag and one Latin letter": lambda p, rng: Filter(
        text=_syllables(p)[0][0], tag=rng.choice(TAGS)
    ),
    "nothing: the last changed": lambda _p, _: Filter(),
}
RIVALS_KINDS: Final = (
    *("surname, one character", "two characters of a name", "whole name", "part of a company"),
)


# --- the million --------------------------------------------------------------------------------


@asynccontextmanager
async def database() -> AsyncIterator[str]:
    """The DSN of an empty database with all tables; gone with us."""
    async with AsyncExitStack() as stack:
        state = prepare_place(say=say_on_stderr)
        place = Place(state.folder("bench", str(os.getpid())), state.user)
        stack.callback(place.remove)
        programs = ensure_binaries(state, say=say_on_stderr)
        server = Postgres(place=place, binaries=programs, durable=False)
        await server.start()
        stack.push_async_callback(server.stop)
        dsn = await server.create_database("search")
        await migrate(dsn)
        yield dsn


async def fill(connection: Connection, customers: int, rng: random.Random) -> None:
    """Store customers with all that belongs to them; indexes and constraints are built after."""
    await connection.execute("SET session_replication_role = replica")
    indexes = await connection.fetch(_INDEXES)
    await connection.execute("ALTER TABLE customer_terms DROP CONSTRAINT customer_terms_pkey")
    for index in indexes:
        await connection.execute(f"DROP INDEX {index['name']}")
    source = people(rng)
    for first in range(1, customers + 1, ROWS_AT_ONCE * 50):
        count = min(ROWS_AT_ONCE * 50, customers + 1 - first)
        found = [next(source) for _ in range(count)]
        await _copy(connection, first, found)
    for index in indexes:
        await connection.execute(index["definition"])
    await connection.execute("ALTER TABLE customer_terms ADD PRIMARY KEY (term, customer_id)")
    await connection.execute(_FILL_CALLERS)
    await connection.execute("VACUUM ANALYZE customers, customer_terms, customer_numbers")
    await connection.execute("RESET session_replication_role")


async def _copy(connection: Connection, first: int, found: list[Person]) -> None:
    terms = [
        customer_terms(name, company, [number], tags=[tag] if tag else [])
        for name, company, number, tag in found
    ]
    places = range(first, first + len(found))
    await connection.copy_to_table(
        "customers",
        columns=("customer_id", "kind", "name", "company", "tags", "updated_at", "terms"),
        source=_lines(_customer(*each) for each in zip(places, found, terms, strict=True)),
    )
    await connection.copy_to_table(
        "customer_terms",
        columns=("term", "customer_id"),
        source=_lines(
            f"{term}\t{place}\n"
            for place, those in zip(places, terms, strict=True)
            for term in those
        ),
    )
    await connection.copy_to_table(
        "customer_numbers",
        columns=("customer_id", "number"),
        source=_lines(
            f"{place}\t{person[2]}\n" for place, person in zip(places, found, strict=True)
        ),
    )


async def _lines(lines: Iterator[str]) -> AsyncIterator[bytes]:
    """What is copied, many lines at a time."""
    block: list[str] = []
    for line in lines:
        block.append(line)
        if len(block) == ROWS_AT_ONCE:
            yield "".join(block).encode()
            block = []
    yield "".join(block).encode()


def _customer(place: int, person: Person, terms: list[str]) -> str:
    name, company, _, tag = person
    vector = " ".join(f"'{term}'" for term in (*terms, *heads_of(terms)))
    at = f"2026-01-01 00:00:{place % 60:02}.{place:06}"[:26]
    return f"{place}\tperson\t{name}\t{company}\t{{{tag}}}\t{at}\t{vector}\n"


_INDEXES = """
SELECT indexname AS name, indexdef AS definition FROM pg_indexes
WHERE indexname IN ('customers_terms', 'customers_updated', 'customer_numbers_number')
"""
_FILL_CALLERS = """
INSERT INTO callers (number, customer_id, name)
SELECT number, customer_id::text, name FROM customer_numbers JOIN customers USING (customer_id)
"""


# --- measured -----------------------------------------------------------------------------------


async def ours(connection: Connection, wanted: Filter) -> int:
    """A page, as the endpoint finds it."""
    ids, _ = await search.find(connection, wanted, REGION, limit=PAGE)
    return len(await load(connection, ids))


async def rival(connection: Connection, wanted: Filter) -> int:
    """A page by the plain way."""
    rows = await connection.fetch(_RIVAL, f"%{wanted.text}%", PAGE)
    return len(rows)


_RIVAL = """
SELECT * FROM customers
WHERE deleted_at IS NULL AND (name ILIKE $1 OR company ILIKE $1)
ORDER BY updated_at DESC LIMIT $2
"""


async def timed(
    connection: Connection,
    queries: list[Filter],
    find: Callable[[Connection, Filter], Any],
) -> list[float]:
    """Milliseconds of each query."""
    found = []
    for wanted in queries:
        began = time.perf_counter()
        rows = await find(connection, wanted)
        found.append((time.perf_counter() - began) * 1000)
        assert rows or not wanted.text or find is rival, wanted
    return found


def p99(values: list[float]) -> float:
    """The 99th percentile; of few values the greatest."""
    return quantiles(values, n=100)[98] if len(values) >= 100 else max(values)


async def figures(dsn: str) -> AsyncIterator[Figure]:
    """Each kind, the whole mix against the goal, and the callers' index."""
    rng = random.Random(7)
    connection = await asyncpg.connect(dsn, command_timeout=600)
    began = time.perf_counter()
    await fill(connection, CUSTOMERS, random.Random(1))
    yield figure("set-up", time.perf_counter() - began, "s", better="lower")
    sample = [person for person, _ in zip(people(random.Random(1)), range(20_000), strict=False)]
    chinese = [person for person in sample if not person[0].isascii() and person[1]]
    everything: list[float] = []
    for kind, make in KINDS.items():
        queries = [make(rng.choice(chinese), rng) for _ in range(QUERIES)]
        await timed(connection, queries[:10], ours)
        took = await timed(connection, queries, ours)
        everything += took
        plain = (
            await timed(connection, queries[:RIVAL_QUERIES], rival) if kind in RIVALS_KINDS else []
        )
        yield figure(
            f"{kind}, p99",
            p99(took),
            "ms",
            better="lower",
            rival="ILIKE" if plain else None,
            rival_value=max(plain) if plain else None,
        )
    for share in (50, 99):
        yield figure(
            f"all kinds, p{share}",
            quantiles(everything, n=100)[share - 1],
            "ms",
            better="lower",
            goal=GOAL_MILLISECONDS if share == 99 else None,
        )
    await connection.close()
    for each in await callers(dsn):
        yield each


async def callers(dsn: str) -> list[Figure]:
    """What the index of callers takes in memory, and how long its load."""
    gc.collect()
    before = _memory()
    index = CallerIndex(lambda: asyncpg.connect(dsn), region=REGION, try_again=())
    began = time.perf_counter()
    following = asyncio.create_task(index.run())
    await index.loaded.wait()
    took = time.perf_counter() - began
    gc.collect()
    megabytes = (_memory() - before) / 2**20
    following.cancel()
    await asyncio.gather(following, return_exceptions=True)
    name = f"callers' index of {CUSTOMERS} numbers"
    return [
        figure(f"{name}: memory", megabytes, "MiB", better="lower", goal=GOAL_INDEX_MEGABYTES),
        figure(f"{name}: load", took, "s", better="lower"),
    ]


def _memory() -> int:
    """Bytes that the process has in memory."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * resource.getpagesize()


async def measure() -> list[Figure]:
    """All figures."""
    async with database() as dsn:
        return [each async for each in figures(dsn)]


def run() -> Report:
    """The whole bench."""
    began = time.perf_counter()
    found = asyncio.run(measure())
    return report("search", time.perf_counter() - began, found)
