"""The audit trail: who did what to whom, written in the transaction of the deed itself.

`what` is a stable code (`user_changed`); the table takes no change and no deletion. Facts are what
was before and after; never passwords, and telephone numbers only masked.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog

from cti.journal.database import TRY_AGAIN
from web.database import PoolSource, connected

if TYPE_CHECKING:
    from web.database import Connection
    from web.endpoint import Asked

log = structlog.get_logger(__name__)

NOTES_LIMIT = 1000
NAME_LONGEST = 200
FACT_LONGEST = 4000


@dataclass(frozen=True, slots=True)
class Actor:
    """Who did it, and from where. `user_id` None: not a signed-in person."""

    user_id: int | None
    name: str
    address: str


@dataclass(frozen=True, slots=True)
class Object:
    """What it was done to: a kind (`user`, `call`), its id and the name that people know."""

    kind: str
    id: object
    name: str = ""


NOTHING = Object("", "")
"""The deed concerns nothing but who did it."""


async def record(
    connection: Connection,
    asked: Asked[Any],
    what: str,
    concerned: Object = NOTHING,
    facts: Mapping[str, object] | None = None,
) -> None:
    """Write what the session of `asked` does; to be called in the transaction of the change.

    :param facts: JSON-ready; `changes` makes them of two states.
    """
    user = asked.session.user
    await record_by(
        connection, Actor(user.user_id, user.name, asked.address), what, concerned, facts
    )


async def record_by(
    connection: Connection,
    actor: Actor,
    what: str,
    concerned: Object = NOTHING,
    facts: Mapping[str, object] | None = None,
) -> None:
    """Write what somebody does who has no session: at the door, or at the shell."""
    await connection.execute(_INSERT, *_row(actor, what, concerned, facts), None)


class Notes:
    """Entries about deeds that no database has a part in: those must not fail without one.

    What cannot be written at once is written when the database is back, with its own time.

    :param clock: epoch seconds.
    """

    def __init__(self, source: PoolSource, clock: Callable[[], float]) -> None:
        self._source = source
        self._clock = clock
        self._waiting: deque[tuple[object, ...]] = deque(maxlen=NOTES_LIMIT)

    async def add(
        self,
        asked: Asked[Any],
        what: str,
        concerned: Object = NOTHING,
        facts: Mapping[str, object] | None = None,
    ) -> None:
        """Write what the session of `asked` did, now or later."""
        user = asked.session.user
        actor = Actor(user.user_id, user.name, asked.address)
        at = datetime.fromtimestamp(self._clock(), UTC)
        self._waiting.append((*_row(actor, what, concerned, facts), at))
        try:
            await self.write()
        except TRY_AGAIN as error:
            log.warning("audit_written_later", what=what, user=user.name, error=str(error))

    async def write(self) -> None:
        """Write what waits.

        :raises: one of TRY_AGAIN.
        """
        while self._waiting:
            async with connected(self._source) as connection:
                if not self._waiting:  # another writer took the last one while this one connected
                    return
                entry = self._waiting.popleft()
                try:
                    await connection.execute(_INSERT, *entry)
                except BaseException:
                    self._waiting.appendleft(entry)
                    raise


def changes(
    before: Mapping[str, object], after: Mapping[str, object]
) -> dict[str, dict[str, object]]:
    """Facts: of each field that differs, what was `before` and what is `after`."""
    return {
        key: {"before": before.get(key), "after": value}
        for key, value in after.items()
        if before.get(key) != value
    }


def _row(
    actor: Actor, what: str, concerned: Object, facts: Mapping[str, object] | None
) -> tuple[object, ...]:
    return (
        actor.user_id,
        _text(actor.name),
        actor.address,
        what,
        concerned.kind,
        _text(str(concerned.id)),
        _text(concerned.name),
        json.dumps(_clean(facts or {}), ensure_ascii=False),
    )


def _text(value: str, longest: int = NAME_LONGEST) -> str:
    """As PostgreSQL takes it, hostile text too."""
    return value[:longest].replace("\0", "\ufffd").encode(errors="replace").decode()


def _clean(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, str):
        return _text(value, FACT_LONGEST)
    if isinstance(value, Mapping):
        return {_text(str(key)): _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, list | tuple) else value


_INSERT = """
INSERT INTO audit_trail
    (user_id, user_name, address, what, object_kind, object_id, object_name, facts, at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, coalesce($9, now()))
ON CONFLICT (user_name, date_trunc('minute', at AT TIME ZONE 'UTC'))
    WHERE what = 'sign_in_refused' DO NOTHING
"""
