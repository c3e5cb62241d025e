"""The embedded PostgreSQL runs while any command uses it, whichever came first, and no longer."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import count
from pathlib import Path

import asyncpg
import pytest

from config.settings import Settings, from_values
from cti import process
from cti.sandbox.keeper import shared
from cti.sandbox.postgres import Postgres, PostgresError
from cti.sandbox.system import Place
from tests.support.until import until

pytestmark = pytest.mark.postgres
numbers = count(1)

USER = """
    import asyncio, sys
    from pathlib import Path
    from cti.sandbox.keeper import shared
    from cti.sandbox.postgres import Postgres
    from cti.sandbox.system import Place

    state, user, name, binaries = sys.argv[1:]
    place = Place(Path(state), user or None)
    server = Postgres(name, place=place, binaries=Path(binaries), durable=False)

    async def main():
        async with shared(server):
            print("uses it", flush=True)
            await asyncio.Event().wait()

    asyncio.run(main())
"""


@pytest.fixture
def server(place: Place, postgres_programs: Path) -> Postgres:
    return another(
        Postgres(f"kept{next(numbers)}", place=place, binaries=postgres_programs, durable=False)
    )


def another(server: Postgres) -> Postgres:
    """The same server, as another command sees it."""
    return Postgres(server.name, place=server.place, binaries=server.binaries, durable=False)


def postmaster(server: Postgres) -> int | None:
    """Its process, by its own file."""
    file = server.data / "postmaster.pid"
    return int(file.read_text().split("\n")[0]) if file.exists() else None


def alive(pid: int) -> bool:
    return Path("/proc", str(pid)).exists()


@asynccontextmanager
async def connected(server: Postgres) -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(server.dsn())
    yield connection
    await connection.close()


@pytest.mark.parametrize("leaves_first", [0, 1], ids=["the starter", "the one who came later"])
async def test_it_serves_who_stays_and_ends_with_the_last(
    server: Postgres, leaves_first: int
) -> None:
    both = [AsyncExitStack(), AsyncExitStack()]
    for stack in both:
        await stack.enter_async_context(shared(another(server)))
    pid = postmaster(server)
    assert pid is not None
    async with connected(server) as connection:
        await both.pop(leaves_first).aclose()
        assert await connection.fetchval("SELECT 1") == 1, "not even a connection was lost"
    assert postmaster(server) == pid
    await both.pop().aclose()
    assert postmaster(server) is None, "who leaves last has waited for the end"
    assert not alive(pid)


async def test_all_who_come_at_once_get_the_same(server: Postgres) -> None:
    async with AsyncExitStack() as stack:
        uses = [stack.enter_async_context(shared(another(server))) for _ in range(4)]
        await asyncio.gather(*uses)
        async with connected(server) as connection:
            assert await connection.fetchval("SELECT 1") == 1
    assert postmaster(server) is None


async def test_who_comes_while_it_ends_waits_and_starts_it_anew(server: Postgres) -> None:
    first = AsyncExitStack()
    await first.enter_async_context(shared(server))
    pid = postmaster(server)
    leaving = asyncio.create_task(first.aclose())
    await until(lambda: not (server.socket / "keeper").exists())
    async with shared(another(server)), connected(server) as connection:
        assert await connection.fetchval("SELECT 1") == 1
        assert postmaster(server) != pid
    await leaving


async def test_it_dies_with_the_last_who_is_killed(server: Postgres) -> None:
    arguments = (server.place.state, server.place.user or "", server.name, server.binaries)
    user = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", textwrap.dedent(USER), *map(str, arguments)),
        stdout=subprocess.PIPE,
    )
    assert user.stdout is not None
    assert await user.stdout.readline() == b"uses it\n"
    assert postmaster(server) is not None
    user.kill()
    await user.wait()
    await until(lambda: postmaster(server) is None)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
async def test_it_is_started_again_for_who_uses_it(
    server: Postgres, number: signal.Signals
) -> None:
    async with shared(server):
        pid = postmaster(server)
        assert pid is not None
        os.kill(pid, number)
        await until(lambda: postmaster(server) not in (None, pid))
        await until(lambda: answers(server))
    await until(lambda: postmaster(server) is None)


async def answers(server: Postgres) -> bool:
    try:
        async with connected(server):
            return True
    except (OSError, asyncpg.CannotConnectNowError):
        return False


async def test_why_it_does_not_start_is_told(server: Postgres) -> None:
    async with shared(server):
        pass
    (server.data / "postgresql.conf").write_text("no_such_setting = 1\n")
    with pytest.raises(PostgresError, match="no_such_setting"):
        async with shared(another(server)):
            pass


async def test_a_server_of_another_program_is_not_taken_for_ours(
    server: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cti.sandbox.postgres.END_SECONDS", 0.0)
    await server.start()
    try:
        with pytest.raises(PostgresError, match="runs already"):
            await another(server).start()
    finally:
        await server.stop()


async def test_commands_without_a_dsn_share_one_database(
    place: Place, postgres_programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Place(place.folder("shared"), place.user)
    monkeypatch.setattr(process, "prepare_place", lambda **_: own)
    monkeypatch.setattr(process, "ensure_binaries", lambda *_, **__: postgres_programs)
    settings: Settings = from_values({"pbx": {"ami_secret": "x" * 20}}, "test")
    serve, add = AsyncExitStack(), AsyncExitStack()
    await add.enter_async_context(process.database_dsn(settings))
    dsn = await serve.enter_async_context(process.database_dsn(settings))
    connection = await asyncpg.connect(dsn)
    await add.aclose()
    assert await connection.fetchval("SELECT current_database()") == process.DATABASE
    await connection.close()
    await serve.aclose()
