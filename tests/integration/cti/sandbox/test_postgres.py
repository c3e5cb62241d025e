"""The embedded PostgreSQL keeps what was committed, whatever ends it."""

from pathlib import Path

import asyncpg
import pytest

from cti.sandbox.postgres import Postgres

pytestmark = pytest.mark.postgres


def alive(pid: int) -> bool:
    return Path("/proc", str(pid)).exists()


async def test_committed_rows_survive_kill_9(own_postgres: Postgres):
    dsn = await own_postgres.create_database("calls")
    connection = await asyncpg.connect(dsn)
    await connection.execute("CREATE TABLE call (id int); INSERT INTO call VALUES (7)")
    await own_postgres.kill()
    connection.terminate()
    await own_postgres.start()
    connection = await asyncpg.connect(dsn)
    assert await connection.fetchval("SELECT id FROM call") == 7
    await connection.close()


async def test_stop_ends_it_though_a_client_is_connected(own_postgres: Postgres):
    connection = await asyncpg.connect(own_postgres.dsn())
    pid = own_postgres.pid
    await own_postgres.stop()
    assert not alive(pid)
    connection.terminate()


async def test_a_wrong_password_is_refused(own_postgres: Postgres):
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(own_postgres.dsn(), password="guess")


async def test_listens_on_loopback_when_given_a_port(place, postgres_programs, free_port):
    server = Postgres(
        "port", place=place, binaries=postgres_programs, port=free_port, durable=False
    )
    await server.start()
    connection = await asyncpg.connect(server.dsn())
    assert await connection.fetchval("SELECT inet_server_addr()::text") == "127.0.0.1/32"
    assert await connection.fetchval("SELECT inet_server_port()") == free_port
    await connection.close()
    await server.stop()


async def test_each_test_gets_a_database_of_its_own(postgres: Postgres):
    one = await asyncpg.connect(await postgres.create_database("one"))
    other = await asyncpg.connect(await postgres.create_database("other"))
    await one.execute("CREATE TABLE call (id int)")
    assert await other.fetchval("SELECT to_regclass('call')") is None
    await one.close()
    await other.close()
    await postgres.drop_database("one")
    await postgres.drop_database("other")


async def test_database_has_the_migrations(database: str):
    connection = await asyncpg.connect(database)
    assert await connection.fetchval("SELECT count(*) FROM schema_migrations") > 0
    await connection.close()
