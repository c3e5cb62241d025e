"""Rows in and out of PostgreSQL: a struct's fields are a table's columns.

Rows travel as one JSON array per statement, which costs the server and us the least.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar

import asyncpg
import msgspec

Connection = asyncpg.Connection | asyncpg.pool.PoolConnectionProxy

Row = TypeVar("Row", bound=msgspec.Struct)


class Table(Generic[Row]):
    """One table whose columns are the fields of `row`.

    :param key: the columns of its primary key.
    :param add: columns to which a saved row is added instead of replacing them.
    :param keep_greatest: columns in which the greater of both stays.
    """

    def __init__(
        self,
        name: str,
        row: type[Row],
        *key: str,
        add: Sequence[str] = (),
        keep_greatest: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.columns = row.__struct_fields__
        self._decoder = msgspec.json.Decoder(list[row])  # type: ignore[valid-type]
        self._save = self._save_statement(key, add, keep_greatest)

    def _save_statement(
        self, key: Sequence[str], add: Sequence[str], keep_greatest: Sequence[str]
    ) -> str:
        columns = ", ".join(self.columns)
        changes = []
        for column in self.columns:
            if column in add:
                changes.append(f"{column} = {self.name}.{column} + excluded.{column}")
            elif column in keep_greatest:
                changes.append(f"{column} = greatest({self.name}.{column}, excluded.{column})")
            elif column not in key:
                changes.append(f"{column} = excluded.{column}")
        return (
            f"INSERT INTO {self.name} ({columns}) SELECT {columns} "  # noqa: S608 - our own names
            f"FROM jsonb_populate_recordset(NULL::{self.name}, $1::jsonb) "
            f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {', '.join(changes)}"
        )

    async def save(self, connection: Connection, rows: Iterable[Row]) -> None:
        """Insert the rows or change those that are there."""
        data = msgspec.json.encode(list(rows))
        if data != b"[]":
            await connection.execute(self._save, data.decode())

    async def load(
        self,
        connection: Connection,
        condition: str,
        *arguments: object,
        order: str = "",
        limit: int | None = None,
    ) -> list[Row]:
        """The rows that meet an SQL condition of ours with `$1`, ... for the arguments."""
        tail = (f" ORDER BY {order}" if order else "") + (f" LIMIT {limit:d}" if limit else "")
        data = await connection.fetchval(
            f"SELECT coalesce(jsonb_agg(to_jsonb(found)), '[]')::text FROM "  # noqa: S608 - our own words
            f"(SELECT * FROM {self.name} WHERE {condition}{tail}) found",
            *arguments,
        )
        return self._decoder.decode(data)
