"""Server-side sessions: rows in PostgreSQL, and in memory so that signed-in people go on working
while the database is away.

The cookie holds a random token, the table its SHA-256. What changes while the database is away
(last seen, sign-outs) is written when it is back. Revocations in the table take effect within
REFRESH_SECONDS.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import secrets
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

import asyncpg
import structlog

from cti.journal.database import TRY_AGAIN
from web import audit, users
from web.database import PoolSource, connected
from web.reach import Reach, reach_of
from web.rights import Right, Rights, Scope, ScopedRight, covers, rights_of
from web.users import User

log = structlog.get_logger(__name__)

REFRESH_SECONDS = 1.5
"""With the query after it less than the two seconds that are promised."""
DEVICE_LONGEST = 200


@dataclass(slots=True, eq=False)
class Session:
    """A signed-in browser. Times are epoch seconds.

    :param key: SHA-256 of the cookie's token.
    """

    key: bytes
    user: User
    created_at: float
    expires_at: float
    last_seen_at: float
    rights: Rights = field(init=False)

    def __post_init__(self) -> None:
        self.rights = rights_of(self.user.roles)

    def may(self, right: Right, scope: Scope = "own") -> bool:
        """Whether the user's roles give `right`, for `scope` at least."""
        return covers(self.rights.get(right), scope)

    def become(self, user: User) -> bool:
        """Take the user as the table has it now; whether that changes what the session may see."""
        before = self.rights, _standing(self.user)
        self.user, self.rights = user, rights_of(user.roles)
        return before != (self.rights, _standing(user))

    def reach(self, right: ScopedRight) -> Reach:
        """How far `right` goes, which the session has."""
        return reach_of(self.rights[right], self.user.team_id, self.user.agent_id)


def _standing(user: User) -> tuple[object, ...]:
    return user.agent_id, user.team_id, user.must_change_password


def key_of(token: str) -> bytes:
    """What the table knows of a cookie."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def csrf_of(token: str) -> str:
    """The token that mutations have to carry: known to who holds the cookie, not from the table."""
    digest = hmac.digest(token.encode("utf-8", "surrogatepass"), b"zuoxi csrf", "sha256")
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


class Sessions:
    """All sessions of this process.

    :param idle_seconds: unused for so long, a session ends.
    :param limit_seconds: and in any case after so long.
    """

    def __init__(
        self,
        pool: PoolSource,
        clock: Callable[[], float],
        *,
        idle_seconds: float,
        limit_seconds: float,
    ) -> None:
        self._pool = pool
        self._clock = clock
        self._idle_seconds = idle_seconds
        self._limit_seconds = limit_seconds
        self._known: dict[bytes, Session] = {}
        self._seen: set[bytes] = set()
        self._revoked: set[bytes] = set()
        self._wanted: dict[bytes, asyncio.Future[Session | None]] = {}
        self._loading: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._known)

    async def start(self, user: User, address: str, device: str) -> str | None:
        """Sign the user in; returns the new cookie's token.

        None where the password was changed or the account closed since `user` was read.

        :param device: what the browser calls itself.
        :raises: one of TRY_AGAIN.
        """
        now = self._clock()
        token = secrets.token_urlsafe(32)
        session = Session(key_of(token), user, now, now + self._limit_seconds, now)
        device = device.replace("\0", "").encode(errors="replace").decode()[:DEVICE_LONGEST]
        ends = _utc(session.expires_at)
        async with connected(self._pool) as connection, connection.transaction():
            since = user.password_changed_at
            made = await connection.execute(
                _INSERT, session.key, user.user_id, address, _utc(now), ends, device, since
            )
            if made == "INSERT 0 0":
                return None
            actor = audit.Actor(user.user_id, user.name, address)
            await audit.record_by(connection, actor, "signed_in")
        self._known[session.key] = session
        return token

    async def find(self, token: str) -> Session | None:
        """The living session of a cookie; counts as use.

        :raises: one of TRY_AGAIN, when the session is not in memory and the database is away.
        """
        key = key_of(token)
        session = self._known.get(key) or await self._load(key)
        if session is None or not self._alive(session):
            return None
        self.touch(session)
        return session

    def touch(self, session: Session) -> None:
        """The session is in use."""
        session.last_seen_at = self._clock()
        self._seen.add(session.key)

    def living(self, key: bytes) -> Session | None:
        """The session in memory, None when it ended."""
        session = self._known.get(key)
        return session if session and self._alive(session) else None

    async def end(self, session: Session, cut: Callable[[bytes], None]) -> None:
        """Sign out, here at once; where the database is away the table learns it later.

        :param cut: told the session's key before the database is asked (see `run`).
        """
        self._known.pop(session.key, None)
        self._revoked.add(session.key)
        cut(session.key)
        try:
            await self._store()
        except TRY_AGAIN as error:
            log.info("sign_out_stored_later", error=str(error))

    async def run(
        self, cut: Callable[[bytes], None], write_notes: Callable[[], Awaitable[None]]
    ) -> None:
        """Write what changed, find what was revoked or expired elsewhere; for ever.

        :param write_notes: writes what else waits for the database (see web.audit.Notes).
        :param cut: told the key of each session whose live connections must not go on as they are:
            it is over, or its user's rights or employee number changed.
        """
        told = ""
        while True:
            await asyncio.sleep(REFRESH_SECONDS)
            try:
                for key in await self.refresh():
                    cut(key)
                await write_notes()
                told = ""
            except TRY_AGAIN as error:
                if type(error).__name__ != told:
                    told = type(error).__name__
                    log.warning("sessions_not_refreshed", error=f"{told}: {error}")
            for session in [each for each in self._known.values() if not self._alive(each)]:
                del self._known[session.key]
                cut(session.key)

    async def refresh(self) -> list[bytes]:
        """One round of `run`: afterwards what the table revoked is dead in memory.

        :returns: the keys of the sessions that are over, or may do or see something else now.
        :raises: one of TRY_AGAIN.
        """
        await self._store()
        asked = list(self._known)
        async with connected(self._pool) as connection:
            rows = await connection.fetch(
                f"{_SELECT} WHERE token_sha256 = ANY ($1) AND {_LIVING}", asked
            )
        found = {row["token_sha256"]: users.user_of(row) for row in rows}
        changed = []
        for key in asked:
            session = self._known.get(key)
            if session is None:
                continue
            if key not in found:
                session.expires_at = 0.0
                changed.append(key)
            elif session.become(found[key]):
                changed.append(key)
        return changed

    async def _store(self) -> None:
        self._seen.intersection_update(self._known)  # those that ended are used no more
        seen = [self._known[key] for key in self._seen]
        revoked = list(self._revoked)
        if not seen and not revoked:
            return
        moments = [_utc(session.last_seen_at) for session in seen]
        async with connected(self._pool) as connection:
            await connection.execute(_SEEN, [session.key for session in seen], moments)
            await connection.execute(_REVOKE, revoked, _utc(self._clock()))
        self._seen.difference_update(session.key for session in seen)
        self._revoked.difference_update(revoked)

    async def _load(self, key: bytes) -> Session | None:
        """The session from the table.

        What is asked for while a query runs is one next query together: after a restart all panels
        come back at once, and whoever sends invented tokens keeps one connection busy, not all.
        """
        if key in self._revoked:
            return None
        wanted = self._wanted.setdefault(key, asyncio.get_running_loop().create_future())
        if self._loading is None:
            self._loading = asyncio.create_task(self._load_wanted())
        return await asyncio.shield(wanted)

    async def _load_wanted(self) -> None:
        while self._wanted:
            wanted, self._wanted = self._wanted, {}
            try:
                found = await self._living_of(list(wanted))
            except Exception as error:  # goes to those who asked
                _fail(wanted.values(), error)
                continue
            for key, answer in wanted.items():
                answer.set_result(found.get(key))
        self._loading = None

    async def _living_of(self, keys: list[bytes]) -> dict[bytes, Session]:
        async with connected(self._pool) as connection:
            rows = await connection.fetch(
                f"{_SELECT} WHERE token_sha256 = ANY ($1) AND {_LIVING}", keys
            )
        return {
            row["token_sha256"]: self._known.setdefault(row["token_sha256"], _session_of(row))
            for row in rows
            if row["token_sha256"] not in self._revoked
        }

    def _alive(self, session: Session) -> bool:
        now = self._clock()
        return now < session.expires_at and now - session.last_seen_at < self._idle_seconds


def _fail(answers: Iterable[asyncio.Future[Session | None]], error: Exception) -> None:
    for answer in answers:
        answer.set_exception(error)
        answer.exception()  # whoever asked may have gone


def _session_of(row: asyncpg.Record) -> Session:
    return Session(
        key=row["token_sha256"],
        user=users.user_of(row),
        created_at=row["session_created_at"].timestamp(),
        expires_at=row["expires_at"].timestamp(),
        last_seen_at=row["last_seen_at"].timestamp(),
    )


def _utc(at: float) -> datetime:
    return datetime.fromtimestamp(at, UTC)


_SELECT = """
SELECT users.*, token_sha256, sessions.created_at AS session_created_at, expires_at, last_seen_at
FROM sessions JOIN users USING (user_id)
"""
_LIVING = "revoked_at IS NULL AND disabled_at IS NULL"
_INSERT = """
INSERT INTO sessions
    (token_sha256, user_id, address, created_at, last_seen_at, expires_at, device)
SELECT $1, user_id, $3, $4, $4, $5, $6 FROM users
WHERE user_id = $2 AND password_changed_at = $7 AND disabled_at IS NULL FOR SHARE
"""
_SEEN = """
UPDATE sessions SET last_seen_at = seen.at
FROM unnest($1::bytea[], $2::timestamptz[]) AS seen (key, at)
WHERE token_sha256 = seen.key
"""
_REVOKE = """
UPDATE sessions SET revoked_at = $2 WHERE token_sha256 = ANY ($1) AND revoked_at IS NULL
"""
