"""Migrations: they equal the schema file, and may run twice at once."""

import asyncio
import re
import subprocess
from pathlib import Path

import asyncpg
import pytest

from cti.journal.database import (
    SCHEMA,
    MigrationError,
    dbmate,
    migrate,
    ssl_modes,
    with_ssl_mode,
)
from cti.sandbox.postgres import Postgres

pytestmark = pytest.mark.postgres


@pytest.fixture
def dump(postgres_programs: Path):
    program = postgres_programs / "pg_dump"

    def run(dsn: str) -> str:
        command = [program, "--schema-only", "--no-owner", "--dbname", dsn]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
        return re.sub(r"(?m)^(--.*|\\(un)?restrict.*|)\n", "", text)

    return run


async def test_the_migrations_equal_the_schema_file(postgres: Postgres, database: str, dump):
    name = "from_schema_file"
    dsn = await postgres.create_database(name)
    connection = await asyncpg.connect(dsn)
    await connection.execute(SCHEMA.read_text())
    versions = "SELECT version FROM public.schema_migrations ORDER BY version"
    from_schema = await connection.fetch(versions)
    await connection.close()
    connection = await asyncpg.connect(database)
    from_migrations = await connection.fetch(versions)
    await connection.close()
    hint = "config/schema.sql is not what the migrations make: see cti.journal.database.dump_schema"
    assert dump(dsn) == dump(database), hint
    assert from_schema == from_migrations, hint
    await postgres.drop_database(name)


async def test_every_migration_can_be_taken_back(postgres: Postgres, dump):
    name = "taken_back"
    dsn = await postgres.create_database(name)
    await migrate(dsn)
    whole = dump(dsn)
    folder = str(SCHEMA.parent / "migrations")
    for _ in (SCHEMA.parent / "migrations").glob("*.sql"):
        await dbmate(dsn, "--no-dump-schema", "--migrations-dir", folder, "rollback")
    left = re.findall(r"CREATE \w+ ([\w.]+)", dump(dsn))
    assert left == ["public.schema_migrations"]
    await migrate(dsn)
    assert dump(dsn) == whole
    await postgres.drop_database(name)


async def test_two_processes_may_migrate_at_once(postgres: Postgres, dump, database: str):
    name = "migrated_twice"
    dsn = await postgres.create_database(name)
    await asyncio.gather(migrate(dsn), migrate(dsn))
    assert dump(dsn) == dump(database)
    await postgres.drop_database(name)


async def test_a_wrong_migration_tells_dbmates_words(postgres: Postgres, tmp_path):
    name = "wrong"
    dsn = await postgres.create_database(name)
    (tmp_path / "1_wrong.sql").write_text("-- migrate:up\nCREATE NONSENSE;\n-- migrate:down\n")
    with pytest.raises(MigrationError, match="NONSENSE"):
        await migrate(dsn, tmp_path)
    await postgres.drop_database(name)


def test_tls_is_preferred_unless_the_dsn_says_otherwise():
    assert ssl_modes("postgresql://u:p@db.example/z") == ["require", "disable"]
    assert ssl_modes("postgresql://u:p@/z?host=/run/pg") == ["disable"]
    assert ssl_modes("postgresql://u:p@db/z?sslmode=verify-full") == [None]
    assert ssl_modes("postgresql://u:p@db/z?sslmode=prefer") == ["require", "disable"]
    dsn = "postgresql://u:p%40@db:5/z?sslmode=prefer&x=1"
    assert with_ssl_mode(dsn, "require") == "postgres://u:p%40@db:5/z?sslmode=require&x=1"
    assert with_ssl_mode(dsn, None) == dsn
