"""Users as administrators see them: find, add, change, give a password, end sessions; roles."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

import asyncpg
import structlog
from pydantic import Field

from cti import inputs
from cti.journal.queries import containing
from web import audit, users
from web.account import SessionList, sessions_of
from web.database import connected
from web.endpoint import Asked, Endpoint, Input, Output, endpoint
from web.problems import Language, Problem
from web.reach import Reach
from web.rights import RIGHTS, ROLES, SCOPES, Right, Role, Scope, rights_of
from web.session import Name

if TYPE_CHECKING:
    from web.database import Connection

log = structlog.get_logger(__name__)

LIST_LIMIT = 200
MANAGING: tuple[Role, ...] = tuple(role for role in ROLES if "people.manage" in RIGHTS[role])

Text = Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f]*$")]
FullName = Annotated[str, Field(max_length=80, pattern=r"^[^\x00-\x1f]*$")]
AgentNumber = Annotated[str, Field(pattern=r"^[0-9A-Za-z]{1,20}$")]
Id = Annotated[int, Field(ge=1, le=2**62)]
Roles = Annotated[list[Role], Field(min_length=1, max_length=len(ROLES))]


class UsersQuery(Input):
    """Which users, by name."""

    q: Annotated[
        Text | None, Field(description="part of a name, or an employee number's beginning")
    ] = None
    team: Id | None = None
    department: Id | None = None
    role: Role | None = None
    state: Literal["active", "disabled"] | None = None
    limit: Annotated[int, Field(ge=1, le=LIST_LIMIT)] = 50
    cursor: Name | None = None


class UserLine(Output):
    """A user. `last_seen_at`: when a session of theirs was last in use."""

    user_id: int
    name: str
    full_name: str
    roles: list[Role]
    agent_id: str | None
    language: Language
    team_id: int | None
    team: str | None
    department_id: int | None
    department: str | None
    disabled: bool
    must_change_password: bool
    created_at: float
    last_seen_at: float | None


class UserPage(Output):
    """A page of users. `total`: of all pages. `next`: the cursor of the page after."""

    items: list[UserLine]
    total: int
    next: str | None


class NewUser(Input):
    """A user to be. The password is made by the server."""

    name: Name
    full_name: FullName = ""
    roles: Roles
    agent_id: AgentNumber | None = None
    team_id: Id | None = None
    language: Language = "zh-CN"


class UserChange(Input):
    """What is to be otherwise; what is left out stays."""

    full_name: Annotated[FullName, Field(min_length=1, default_factory=str)]
    roles: Roles = Field(default_factory=list)
    agent_id: AgentNumber | None = None
    team_id: Id | None = None
    language: Language = "zh-CN"
    disabled: bool = False


class AddedUser(Output):
    """The user and the password for the first sign-in: it is shown this once."""

    user: UserLine
    password: str


class OneTimePassword(Output):
    """The password for the next sign-in: it is shown this once."""

    password: str


class RoleInfo(Output):
    """A role and its rights."""

    role: Role
    rights: dict[Right, Scope]


class RoleList(Output):
    """The matrix: role by right, the scope in the field."""

    roles: list[RoleInfo]
    scopes: list[Scope]


@endpoint(
    "GET",
    "/api/v1/people/users",
    "Users, by name",
    input=UsersQuery,
    output=UserPage,
    right="people.see",
    problems=("database_away",),
)
async def list_users(asked: Asked[UsersQuery]) -> UserPage:
    """A leader sees those of the team."""
    given = asked.input
    conditions, arguments = _conditions(asked.session.reach("people.see"), asked)
    where = " AND ".join(conditions)
    after = f"AND users.name > ${len(arguments) + 1}" if given.cursor else ""
    cursor = [users.normal_name(given.cursor)] if given.cursor else []
    async with connected(asked.services.pool) as connection:
        total = await connection.fetchval(f"SELECT count(*) {_FROM} WHERE {where}", *arguments)
        rows = await connection.fetch(
            f"{_LINE} {_FROM} WHERE {where} {after} ORDER BY users.name LIMIT {given.limit + 1}",
            *arguments,
            *cursor,
        )
    more = len(rows) > given.limit
    items = [_line(row) for row in rows[: given.limit]]
    return UserPage(items=items, total=total, next=items[-1].name if more else None)


@endpoint(
    "POST",
    "/api/v1/people/users",
    "Add a user",
    input=NewUser,
    output=AddedUser,
    right="people.manage",
    problems=("user_refused", "unknown_agent", "unknown_team", "database_away"),
)
async def add_user(asked: Asked[NewUser]) -> AddedUser:
    """The answer holds the password, which has to be changed at the first sign-in."""
    given = asked.input
    _check_agent(asked, given.agent_id)
    password = users.one_time_password(given.name, given.full_name, given.agent_id or "")
    hashed = await asked.parts.passwords.hash(password)
    async with connected(asked.services.pool) as connection, connection.transaction():
        try:
            user = await users.add_user(
                connection,
                asked.parts.passwords,
                password=password,
                hashed=hashed,
                must_change=True,
                **given.model_dump(),
            )
        except users.UserError as error:
            raise Problem("user_refused", reason=error.code) from None
        except asyncpg.ForeignKeyViolationError:
            raise Problem("unknown_team") from None
        line = await _user(connection, user.user_id)
        facts = _facts(line)
        await audit.record(connection, asked, "user_added", _concerned(line), facts)
    return AddedUser(user=line, password=password)


@endpoint(
    "PATCH",
    "/api/v1/people/users/{user_id}",
    "Change a user",
    input=UserChange,
    output=UserLine,
    right="people.manage",
    problems=(
        *("unknown_user", "user_refused", "unknown_agent", "unknown_team", "own_account"),
        *("last_administrator", "database_away"),
    ),
)
async def change_user(asked: Asked[UserChange]) -> UserLine:
    """Takes effect at once, also on open pages; who is disabled is signed out everywhere.

    Who is no agent any more, or another one, leaves the seat, after the call where there is one.
    """
    changed = asked.input.model_dump(include=asked.input.model_fields_set)
    async with connected(asked.services.pool) as connection, connection.transaction():
        # One at a time: two administrators must not take the right from each other.
        await connection.execute("LOCK TABLE users IN SHARE ROW EXCLUSIVE MODE")
        before = await _user(connection, number_in(asked, "user_id", "unknown_user"))
        wanted = before.model_dump() | changed
        await _check_change(asked, before, wanted)
        try:
            await connection.execute(_CHANGE, *(wanted[key] for key in _CHANGED))
        except asyncpg.UniqueViolationError as error:
            raise Problem("user_refused", reason=users.taken(error).code) from None
        except asyncpg.ForeignKeyViolationError:
            raise Problem("unknown_team") from None
        if not await connection.fetchval(_SOMEBODY_MANAGES, MANAGING):
            raise Problem("last_administrator")
        after = await _user(connection, before.user_id)
        facts = audit.changes(_facts(before), _facts(after))
        if facts:
            await audit.record(connection, asked, "user_changed", _concerned(after), facts)
    await asked.parts.refresh_sessions()
    await _leave_seat(asked, before, after)
    return after


@endpoint(
    "POST",
    "/api/v1/people/users/{user_id}/password",
    "Give a user a password for one sign-in",
    output=OneTimePassword,
    right="people.manage",
    problems=("unknown_user", "own_account", "database_away"),
)
async def give_password(asked: Asked[None]) -> OneTimePassword:
    """Ends all sessions of the user, who changes it at the next sign-in."""
    user_id = number_in(asked, "user_id", "unknown_user")
    if user_id == asked.session.user.user_id:
        raise Problem("own_account")
    async with connected(asked.services.pool) as connection:
        line = await _user(connection, user_id)
    password = users.one_time_password(line.name, line.full_name, line.agent_id or "")
    hashed = await asked.parts.passwords.hash(password)
    async with connected(asked.services.pool) as connection, connection.transaction():
        line = await _user(connection, user_id)
        await users.take_hash(connection, user_id, hashed, must_change=True)
        await audit.record(connection, asked, "password_set", _concerned(line))
    await asked.parts.refresh_sessions()
    return OneTimePassword(password=password)


@endpoint(
    "GET",
    "/api/v1/people/users/{user_id}/sessions",
    "Where a user is signed in",
    output=SessionList,
    right="people.manage",
    problems=("unknown_user", "database_away"),
)
async def list_sessions(asked: Asked[None]) -> SessionList:
    """The last used first."""
    async with connected(asked.services.pool) as connection:
        line = await _user(connection, number_in(asked, "user_id", "unknown_user"))
        return await sessions_of(connection, asked, line.user_id)


@endpoint(
    "DELETE",
    "/api/v1/people/users/{user_id}/sessions",
    "End all sessions of a user",
    right="people.manage",
    problems=("unknown_user", "database_away"),
)
async def end_sessions(asked: Asked[None]) -> None:
    """The user may sign in again."""
    async with connected(asked.services.pool) as connection, connection.transaction():
        line = await _user(connection, number_in(asked, "user_id", "unknown_user"))
        await connection.execute(_END_SESSIONS, line.user_id)
        await audit.record(connection, asked, "sessions_ended", _concerned(line))
    await asked.parts.refresh_sessions()


@endpoint(
    "DELETE",
    "/api/v1/people/users/{user_id}/sessions/{session_id}",
    "End a session of a user",
    right="people.manage",
    problems=("unknown_user", "unknown_session", "database_away"),
)
async def end_session(asked: Asked[None]) -> None:
    """The browser is shown the sign-in page at once."""
    session_id = number_in(asked, "session_id", "unknown_session")
    async with connected(asked.services.pool) as connection, connection.transaction():
        line = await _user(connection, number_in(asked, "user_id", "unknown_user"))
        row = await connection.fetchrow(_END_SESSION, line.user_id, session_id)
        if row is None:
            raise Problem("unknown_session")
        facts = {"address": row["address"], "device": row["device"]}
        await audit.record(connection, asked, "sessions_ended", _concerned(line), facts)
    await asked.parts.refresh_sessions()


@endpoint(
    "GET",
    "/api/v1/people/roles",
    "Roles with their rights",
    output=RoleList,
    right="people.see",
)
async def list_roles(asked: Asked[None]) -> RoleList:
    """The same for every centre."""
    del asked
    roles = [RoleInfo(role=role, rights=dict(rights)) for role, rights in RIGHTS.items()]
    return RoleList(roles=roles, scopes=list(SCOPES))


ENDPOINTS: tuple[Endpoint, ...] = (
    list_users,
    add_user,
    change_user,
    give_password,
    list_sessions,
    end_sessions,
    end_session,
    list_roles,
)


def _conditions(reach: Reach, asked: Asked[UsersQuery]) -> tuple[list[str], list[object]]:
    """SQL conditions with their arguments: what was asked for, within `reach`."""
    conditions, arguments = ["true"], list[object]()

    def add(condition: str, *values: object) -> None:
        places = (f"${len(arguments) + nth}" for nth in range(1, len(values) + 1))
        conditions.append(condition.format(*places))
        arguments.extend(values)

    given = asked.input
    if reach.scope == "team":
        add("users.team_id = {}", reach.team_id)
    elif reach.scope == "own":
        add("users.user_id = {}", asked.session.user.user_id)
    if given.q:
        add(
            "(users.name ILIKE {0} OR full_name ILIKE {0} OR starts_with(agent_id, {1}))",
            containing(given.q),
            given.q,
        )
    if given.team:
        add("users.team_id = {}", given.team)
    if given.department:
        add("teams.department_id = {}", given.department)
    if given.role:
        add("roles @> ARRAY[{}::text]", given.role)
    if given.state:
        add("(disabled_at IS NOT NULL) = {}", given.state == "disabled")
    return conditions, arguments


async def _leave_seat(asked: Asked[Any], before: UserLine, after: UserLine) -> None:
    """Sign out the agent that the user was: a desk phone would ring on without any browser."""
    if before.agent_id is None or _works_as(after, before.agent_id):
        return
    order = inputs.ForceState(
        request_id="force",
        agent_id=before.agent_id,
        by=asked.session.user.name,
        state="signed_out",
    )
    try:
        await asked.put(order)
    except Problem as problem:
        if problem.code not in ("not_signed_in", "unknown_agent"):
            log.warning("seat_not_left", agent=before.agent_id, why=problem.code)


def _works_as(user: UserLine, agent_id: str) -> bool:
    return user.agent_id == agent_id and "agent" in user.roles and not user.disabled


async def _check_change(asked: Asked[Any], before: UserLine, wanted: dict[str, Any]) -> None:
    """Whether the user may become so.

    :raises Problem: user_refused, unknown_agent, own_account.
    """
    manages = "people.manage" in rights_of(wanted["roles"]) and not wanted["disabled"]
    if before.user_id == asked.session.user.user_id and not manages:
        raise Problem("own_account")
    try:
        users.check(before.name, wanted["roles"], wanted["agent_id"], wanted["language"])
    except users.UserError as error:
        raise Problem("user_refused", reason=error.code) from None
    if wanted["agent_id"] != before.agent_id:
        _check_agent(asked, wanted["agent_id"])


def _check_agent(asked: Asked[Any], agent_id: str | None) -> None:
    if agent_id and agent_id not in {agent.id for agent in asked.services.floor.agents}:
        raise Problem("unknown_agent")


def number_in(asked: Asked[Any], name: str, otherwise: str) -> int:
    """A number of the path; what is none is the problem `otherwise`."""
    value = asked.part(name, otherwise)
    if not value.isdecimal() or len(value) > 18:
        raise Problem(otherwise)
    return int(value)


async def _user(connection: Connection, user_id: int) -> UserLine:
    row = await connection.fetchrow(f"{_LINE} {_FROM} WHERE users.user_id = $1", user_id)
    if row is None:
        raise Problem("unknown_user")
    return _line(row)


def _line(row: asyncpg.Record) -> UserLine:
    fields: dict[str, Any] = {key: row[key] for key in UserLine.model_fields if key != "disabled"}
    for key in ("created_at", "last_seen_at"):
        at: datetime | None = row[key]
        fields[key] = at.timestamp() if at else None
    return UserLine(**fields, disabled=row["disabled_at"] is not None)


def _facts(line: UserLine) -> dict[str, object]:
    """What the audit trail keeps of a user."""
    kept = line.model_dump(include={"full_name", "roles", "agent_id", "language", "disabled"})
    team = f"{line.department}/{line.team}" if line.team else None
    return {**kept, "team": team}


def _concerned(line: UserLine) -> audit.Object:
    return audit.Object("user", line.user_id, line.name)


_LINE = """
SELECT users.*, teams.name AS team, teams.department_id, departments.name AS department, (
    SELECT max(last_seen_at) FROM sessions WHERE sessions.user_id = users.user_id
) AS last_seen_at
"""
_FROM = "FROM users LEFT JOIN teams USING (team_id) LEFT JOIN departments USING (department_id)"
_CHANGED = ("user_id", "full_name", "roles", "agent_id", "team_id", "language", "disabled")
_CHANGE = """
WITH changed AS (
    UPDATE users SET full_name = $2, roles = $3, agent_id = $4, team_id = $5, language = $6,
        disabled_at = CASE WHEN $7 THEN coalesce(disabled_at, now()) END
    WHERE user_id = $1
)
UPDATE sessions SET revoked_at = now() WHERE user_id = $1 AND $7 AND revoked_at IS NULL
"""
_SOMEBODY_MANAGES = "SELECT EXISTS (SELECT FROM users WHERE disabled_at IS NULL AND roles && $1)"
_END_SESSIONS = "UPDATE sessions SET revoked_at = now() WHERE user_id = $1 AND revoked_at IS NULL"
_END_SESSION = """
UPDATE sessions SET revoked_at = now()
WHERE user_id = $1 AND session_id = $2 AND revoked_at IS NULL RETURNING address, device
"""
