"""Real parts for all tests. All of them end with the test (or the session), by id.

`sandbox`: starts parts for this test, each on ports of its own:
    pbx = await sandbox.pbx(extra={"extensions.conf": "[from-trunk]..."}, install=...)
    far_end = await sandbox.far_end(pbx, phones={"1001": "its password at the PBX"})
    remote = await sandbox.remote(pbx)
    block = sandbox.ports()
`pbx`: a PBX with a fresh, nearly empty configuration: `pbx.ports`, `pbx.ami_user`,
    `pbx.ami_secret`, `pbx.messages`, `pbx.log` (CDR, CEL), `await pbx.stop()`, `await pbx.kill()`
`far_end`: customers for `pbx`: `caller = await far_end.call("4001", "+8613800138000")`
`remote`: AMI of `pbx` with every right: `await remote.act("Ping")`,
    `await remote.event("Hangup", Uniqueid="...")`
`sipp`: `await sipp(pbx, "call", number="4001", calls=10)` runs tests/support/scenarios/call.xml
`postgres`: a server for the whole session: `dsn = await postgres.create_database("name")`
`own_postgres`: a server of this test's own, to be stopped and killed
`database`: DSN of a new database with all migrations
"""

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from cti.journal.database import migrate
from cti.sandbox.far_end import FarEnd
from cti.sandbox.pbx import Tree, ensure_tree
from cti.sandbox.postgres import Postgres, ensure_binaries
from cti.sandbox.system import Place, prepare_place
from tests.support.remote import TestRemote
from tests.support.sandbox import TestPbx, TestSandbox, session_place
from tests.support.sipp import SCENARIOS, SippResult, start_sipp


@pytest.fixture(scope="session")
def state() -> Place:
    """Return the sandbox's lasting state folder."""
    return prepare_place(say=print)


@pytest.fixture(scope="session")
def place(state: Place) -> Iterator[Place]:
    """Return a state folder of this session's own."""
    own = session_place(state)
    yield own
    own.remove()


@pytest.fixture(scope="session")
def tree(state: Place) -> Tree:
    """Return the sandbox's Asterisk."""
    return ensure_tree(state, say=print)


@pytest.fixture(scope="session")
def pbx_tree(tree: Tree, pytestconfig: pytest.Config) -> Tree:
    """Return the Asterisk under test: the sandbox's, or that of `--asterisk`."""
    folder = pytestconfig.getoption("--asterisk")
    return Tree(folder) if folder else tree


@pytest.fixture(scope="session")
def postgres_programs(state: Place, pytestconfig: pytest.Config) -> Path:
    """Return the folder of PostgreSQL's programs: the embedded ones, or those of `--postgres`."""
    folder: Path | None = pytestconfig.getoption("--postgres")
    return folder or ensure_binaries(state, say=print)


@pytest_asyncio.fixture
async def sandbox(place: Place, tree: Tree, pbx_tree: Tree) -> AsyncIterator[TestSandbox]:
    """Start parts for one test."""
    sandbox = TestSandbox(place, pbx_tree, phones=tree)
    yield sandbox
    await sandbox.close()


@pytest_asyncio.fixture
async def pbx(sandbox: TestSandbox) -> TestPbx:
    """Start a PBX with a fresh configuration."""
    return await sandbox.pbx()


@pytest_asyncio.fixture
async def far_end(sandbox: TestSandbox, pbx: TestPbx) -> FarEnd:
    """Start customers of `pbx`, without phones."""
    return await sandbox.far_end(pbx)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def postgres(place: Place, postgres_programs: Path) -> AsyncIterator[Postgres]:
    """Start a PostgreSQL for all tests."""
    server = Postgres(place=place, binaries=postgres_programs, durable=False)
    await server.start()
    yield server
    await server.stop()


@pytest_asyncio.fixture
async def own_postgres(
    place: Place, postgres_programs: Path, free_port: int
) -> AsyncIterator[Postgres]:
    """Start a PostgreSQL for this test alone."""
    server = Postgres(f"own{free_port}", place=place, binaries=postgres_programs, durable=False)
    await server.start()
    yield server
    await server.kill()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def migrated(postgres: Postgres) -> str:
    """Return the name of a database with all migrations, from which others are copied."""
    await migrate(await postgres.create_database("migrated"))
    return "migrated"


_databases = itertools.count(1)


@pytest_asyncio.fixture
async def database(postgres: Postgres, migrated: str) -> AsyncIterator[str]:
    """Return the DSN of a new database with all migrations."""
    name = f"test{next(_databases)}"
    yield await postgres.create_database(name, template=migrated)
    await postgres.drop_database(name)


@pytest_asyncio.fixture
async def remote(sandbox: TestSandbox, pbx: TestPbx) -> TestRemote:
    """Return the AMI of `pbx` with every right."""
    return await sandbox.remote(pbx)


@pytest.fixture
def sipp(tmp_path: Path) -> Callable[..., Awaitable[SippResult]]:
    """Run a scenario of tests/support/scenarios against a PBX to its end."""
    ports = itertools.count()

    async def run(pbx: TestPbx, scenario: str, **arguments: Any) -> SippResult:
        number = next(ports)
        folder = tmp_path / f"sipp{number}"
        folder.mkdir()
        process = start_sipp(
            SCENARIOS / f"{scenario}.xml",
            folder=folder,
            target_port=pbx.ports.sip,
            local_port=pbx.sipp + number,
            **arguments,
        )
        try:
            code = await process.wait()
        finally:
            await process.kill()
        return SippResult(code, process.output())

    return run
