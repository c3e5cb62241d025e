"""Users: who may sign in, with argon2id hashes in PostgreSQL. `./zuoxi user add` ends here."""

from __future__ import annotations

import asyncio
import re
import secrets
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, cast

import argon2
import asyncpg

from cti.domain import AgentId
from web.problems import LANGUAGES, Language
from web.rights import ROLES, Role

PASSWORD_SHORTEST = 10
PASSWORD_LONGEST = 256
TEAM_NAME_LONGEST = 80
HASHES_AT_ONCE = 2
"""Each hash takes 64 MiB: a flood of sign-ins must not take more than so many."""
WAITING_LIMIT = 40
"""So many passwords may wait for their check: some seconds' worth."""

_READABLE = "abcdefghjkmnpqrstuvwxyz23456789"
_NAME = re.compile(r"[\w.@-]{1,64}")
_COMMON = (
    "password",
    "passw0rd",
    "qwerty",
    "asdfgh",
    "1q2w3e",
    "letmein",
    "welcome",
    "admin",
    "zuoxi",
    "woaini",
    "5201314",
    "iloveyou",
    "0123456789",
    "9876543210",
    "abcdefghij",
)


if TYPE_CHECKING:
    from web.database import Connection


class BusyError(Exception):
    """Too many passwords wait to be checked."""


class UserError(Exception):
    """The user cannot be added or changed.

    :param code: why, for screens; the words are for the person at the shell.
    """

    def __init__(self, code: str, words: str) -> None:
        super().__init__(words)
        self.code = code


@dataclass(frozen=True, slots=True)
class User:
    """A person who may sign in.

    :param password_changed_at: which password it is that this was read with.
    """

    user_id: int
    name: str
    full_name: str
    roles: tuple[Role, ...]
    agent_id: AgentId | None
    language: Language
    password_changed_at: datetime
    team_id: int | None = None
    must_change_password: bool = False


class Passwords:
    """Hashes and checks passwords in threads, a few at once."""

    def __init__(self, hasher: argon2.PasswordHasher | None = None) -> None:
        self._hasher = hasher or argon2.PasswordHasher()
        self._slots = asyncio.Semaphore(HASHES_AT_ONCE)
        self._waiting = 0
        self._decoy: str | None = None

    async def hash(self, password: str) -> str:
        """The argon2id hash of `password`."""
        async with self._slots:
            return await asyncio.to_thread(self._hasher.hash, password)

    async def check(self, stored: str | None, password: str) -> bool:
        """Whether `password` fits; takes as long when there is no hash (unknown user).

        :raises BusyError: too many wait already.
        """
        if self._waiting >= WAITING_LIMIT:
            raise BusyError
        self._waiting += 1
        try:
            if self._decoy is None:
                self._decoy = await self.hash("nobody has this password")
            async with self._slots:
                return await asyncio.to_thread(self._fits, stored, password)
        finally:
            self._waiting -= 1

    def outdated(self, stored: str) -> bool:
        """Whether the hash was made with weaker parameters than today's."""
        return self._hasher.check_needs_rehash(stored)

    def _fits(self, stored: str | None, password: str) -> bool:
        try:
            fits = self._hasher.verify(stored or cast("str", self._decoy), password)
        except argon2.exceptions.VerificationError:
            return False
        return fits and stored is not None


def normal_name(name: str) -> str:
    """The user name as it is stored: composed, trimmed, lower case."""
    return unicodedata.normalize("NFKC", name).strip().lower()


def weakness(password: str, *about: str) -> UserError | None:
    """Why the password is refused, None when it is good enough.

    :param about: words that it must not contain: user name, employee number, full name.
    """
    folded = password.casefold()
    if len(password) < PASSWORD_SHORTEST:
        words = f"the password needs at least {PASSWORD_SHORTEST} characters"
        return UserError("password_short", words)
    if len(password) > PASSWORD_LONGEST:
        words = f"the password may have at most {PASSWORD_LONGEST} characters"
        return UserError("password_long", words)
    if len(set(folded)) < 5:
        return UserError("password_repeats", "the password repeats the same few characters")
    if any(len(word) >= 3 and word.casefold() in folded for word in about):
        words = "the password contains the user's name or number"
        return UserError("password_personal", words)
    if any(len(folded.replace(common, "")) < 5 for common in _COMMON):
        words = "the password is one of those that everybody tries first"
        return UserError("password_common", words)
    return None


def one_time_password(*about: str) -> str:
    """A password to be told once and changed at the first sign-in; easily read out."""
    while True:
        letters = [secrets.choice(_READABLE) for _ in range(16)]
        password = "-".join("".join(letters[at : at + 4]) for at in range(0, 16, 4))
        if not weakness(password, *about):
            return password


async def add_user(
    connection: Connection,
    passwords: Passwords,
    *,
    name: str,
    password: str,
    roles: Sequence[Role],
    full_name: str = "",
    agent_id: AgentId | None = None,
    language: Language = "zh-CN",
    team_id: int | None = None,
    must_change: bool = False,
    hashed: str | None = None,
) -> User:
    """Add a user.

    :param hashed: of `password`, from who would not hold a connection for as long as it takes.
    :param must_change: the password is another's choice, to be changed at the first sign-in.
    :raises UserError: name, password, roles or employee number cannot be taken.
    """
    name = normal_name(name)
    full_name = full_name.strip() or name
    check(name, roles, agent_id, language)
    weak = weakness(password, name, full_name, agent_id or "")
    if weak:
        raise weak
    hashed = hashed or await passwords.hash(password)
    try:
        row = await connection.fetchrow(
            _ADD, name, full_name, hashed, roles, agent_id, language, team_id, must_change
        )
    except asyncpg.UniqueViolationError as error:
        raise taken(error) from None
    assert row is not None
    return user_of(row)


async def set_password(
    connection: Connection, passwords: Passwords, *, name: str, password: str
) -> None:
    """Change a password and end all sessions of the user.

    :raises UserError: there is no such user, or the password is weak.
    """
    name = normal_name(name)
    row = await connection.fetchrow(f"{_SELECT} WHERE name = $1", name)
    if row is None:
        raise UserError("unknown_user", f"there is no user {name!r}")
    weak = weakness(password, name, row["full_name"], row["agent_id"] or "")
    if weak:
        raise weak
    await take_hash(connection, row["user_id"], await passwords.hash(password))


async def take_hash(
    connection: Connection,
    user_id: int,
    hashed: str,
    *,
    keep: bytes = b"",
    must_change: bool = False,
    instead_of: datetime | None = None,
) -> bool:
    """Give the user another password; all sessions end. Whether it was done.

    :param keep: but the one of this key.
    :param must_change: the password is another's choice.
    :param instead_of: only while the password is still the one of this `password_changed_at`.
    """
    async with connection.transaction():
        done = await connection.execute(_NEW_HASH, user_id, hashed, must_change, instead_of)
        if done == "UPDATE 0":
            return False
        # A statement of its own: it has to see the session whose sign-in the first one waited for.
        await connection.execute(_END_SESSIONS, user_id, keep)
    return True


async def disable_user(connection: Connection, name: str) -> None:
    """Close a user's account; signed-in browsers are out within seconds.

    :raises UserError: there is no such user.
    """
    done = await connection.execute(
        "UPDATE users SET disabled_at = now() WHERE name = $1", normal_name(name)
    )
    if done == "UPDATE 0":
        raise UserError("unknown_user", f"there is no user {name!r}")


async def ensure_team(connection: Connection, path: str) -> int:
    """The id of team `path`, DEPARTMENT/TEAM; what of it there is not is made.

    :raises UserError: it names no team.
    """
    department, _, team = (part.strip() for part in path.partition("/"))
    if not all(0 < len(part) <= TEAM_NAME_LONGEST for part in (department, team)):
        raise UserError("team_unnamed", "a team is given as DEPARTMENT/TEAM")
    found: int = await connection.fetchval(_ENSURE_TEAM, department, team)
    return found


async def find(connection: Connection, name: str) -> tuple[User, str] | tuple[None, None]:
    """The user who may sign in under `name`, and the password's hash."""
    row = await connection.fetchrow(
        f"{_SELECT} WHERE name = $1 AND disabled_at IS NULL", normal_name(name)
    )
    return (user_of(row), row["password_hash"]) if row else (None, None)


async def find_id(connection: Connection, name: str) -> int | None:
    """The id of the user of this name."""
    found: int | None = await connection.fetchval(
        "SELECT user_id FROM users WHERE name = $1", normal_name(name)
    )
    return found


async def set_language(connection: Connection, user_id: int, language: Language) -> None:
    """The language in which the user reads."""
    await connection.execute("UPDATE users SET language = $2 WHERE user_id = $1", user_id, language)


async def set_hash(connection: Connection, user: User, hashed: str) -> None:
    """Keep the same password under stronger parameters, unless it was changed meanwhile."""
    await connection.execute(_SET_HASH, user.user_id, hashed, user.password_changed_at)


def user_of(row: asyncpg.Record) -> User:
    """The user of a row with the table's columns."""
    return User(
        user_id=row["user_id"],
        name=row["name"],
        full_name=row["full_name"],
        roles=tuple(row["roles"]),
        agent_id=row["agent_id"],
        language=row["language"],
        password_changed_at=row["password_changed_at"],
        team_id=row["team_id"],
        must_change_password=row["must_change_password"],
    )


def taken(error: asyncpg.UniqueViolationError) -> UserError:
    """What the table says to a second user of the same name or employee number."""
    if "agent_id" in (error.constraint_name or ""):
        return UserError("agent_taken", "a user with this employee number exists already")
    return UserError("name_taken", "a user with this name exists already")


def check(name: str, roles: Sequence[Role], agent_id: AgentId | None, language: str) -> None:
    """Whether such a user may be.

    :raises UserError: no.
    """
    if not _NAME.fullmatch(name):
        raise UserError("name_characters", "a user name has 1 to 64 letters, digits, or . @ - _")
    unknown = [role for role in roles if role not in ROLES]
    if unknown or not roles:
        raise UserError("roles_needed", f"roles are one or more of {', '.join(ROLES)}")
    if "agent" in roles and not agent_id:
        raise UserError("agent_needed", "an agent needs an employee number")
    if language not in LANGUAGES:
        raise UserError("language_unknown", f"languages are {', '.join(LANGUAGES)}")


_SELECT = "SELECT * FROM users"
_ADD = """
INSERT INTO users
    (name, full_name, password_hash, roles, agent_id, language, team_id, must_change_password)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING *
"""
_ENSURE_TEAM = """
WITH department AS (
    INSERT INTO departments (name) VALUES ($1)
    ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING department_id
)
INSERT INTO teams (department_id, name) SELECT department_id, $2 FROM department
ON CONFLICT (department_id, name) DO UPDATE SET name = excluded.name RETURNING team_id
"""
_NEW_HASH = """
UPDATE users SET password_hash = $2, password_changed_at = clock_timestamp(),
    must_change_password = $3
WHERE user_id = $1 AND ($4::timestamptz IS NULL OR password_changed_at = $4)
"""
_END_SESSIONS = """
UPDATE sessions SET revoked_at = now()
WHERE user_id = $1 AND revoked_at IS NULL AND token_sha256 <> $2
"""
_SET_HASH = """
UPDATE users SET password_hash = $2 WHERE user_id = $1 AND password_changed_at = $3
"""
