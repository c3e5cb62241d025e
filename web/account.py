"""One's own account: password and sessions."""

from __future__ import annotations

import math
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from cti.journal.database import AWAY
from web import audit, users
from web.database import connected
from web.endpoint import Asked, Endpoint, Input, Output, endpoint
from web.problems import Problem
from web.session import Password

if TYPE_CHECKING:
    from web.database import Connection

PROBLEMS: Final = ("wrong_present_password", "throttled", "busy", "database_away")


class Present(Input):
    """The present password: whoever sits down at an open page does not know it."""

    present: Password


class NewPassword(Present):
    """And the one to come."""

    password: Password


class SessionInfo(Output):
    """A signed-in browser. `device`: what it calls itself."""

    session_id: int
    address: str
    device: str
    created_at: float
    last_seen_at: float
    current: bool


class SessionList(Output):
    """The last used first."""

    items: list[SessionInfo]


@endpoint(
    "PUT",
    "/api/v1/session/password",
    "Change one's own password",
    input=NewPassword,
    unripe=True,
    problems=(*PROBLEMS, "user_refused"),
)
async def change_password(asked: Asked[NewPassword]) -> None:
    """Ends all other sessions of the user."""
    given = asked.input
    user = await _check_present(asked, given.present)
    weak = users.weakness(given.password, user.name, user.full_name, user.agent_id or "")
    if given.password == given.present:
        weak = users.UserError("password_same", "the new password is the present one")
    if weak:
        raise Problem("user_refused", reason=weak.code)
    hashed = await asked.parts.passwords.hash(given.password)
    async with connected(asked.services.pool) as connection, connection.transaction():
        if not await users.take_hash(
            connection,
            user.user_id,
            hashed,
            keep=asked.session.key,
            instead_of=user.password_changed_at,
        ):
            raise Problem("wrong_present_password")
        await audit.record(connection, asked, "password_changed", concerned(user))
    await asked.parts.refresh_sessions()


@endpoint(
    "GET",
    "/api/v1/session/all",
    "Where one is signed in",
    output=SessionList,
    problems=("database_away",),
)
async def own_sessions(asked: Asked[None]) -> SessionList:
    """Of the user who asks."""
    async with connected(asked.services.pool) as connection:
        return await sessions_of(connection, asked, asked.session.user.user_id)


@endpoint(
    "POST",
    "/api/v1/session/others/end",
    "End one's other sessions",
    input=Present,
    problems=PROBLEMS,
)
async def end_others(asked: Asked[Present]) -> None:
    """This one stays."""
    user = asked.session.user
    await _check_present(asked, asked.input.present)
    async with connected(asked.services.pool) as connection, connection.transaction():
        await connection.execute(_END_OTHERS, user.user_id, asked.session.key)
        await audit.record(connection, asked, "sessions_ended", concerned(user), {"others": True})
    await asked.parts.refresh_sessions()


ENDPOINTS: tuple[Endpoint, ...] = (change_password, own_sessions, end_others)


def concerned(user: users.User) -> audit.Object:
    """The user as the audit trail names one."""
    return audit.Object("user", user.user_id, user.name)


async def sessions_of(connection: Connection, asked: Asked[Any], user_id: int) -> SessionList:
    """The living sessions of a user."""
    now = datetime.fromtimestamp(asked.services.clock(), UTC)
    idle = asked.services.settings.session_idle_seconds
    rows = await connection.fetch(_SESSIONS, user_id, now, float(idle))
    return SessionList(
        items=[
            SessionInfo(
                session_id=row["session_id"],
                address=row["address"],
                device=row["device"],
                created_at=row["created_at"].timestamp(),
                last_seen_at=row["last_seen_at"].timestamp(),
                current=row["token_sha256"] == asked.session.key,
            )
            for row in rows
        ]
    )


async def _check_present(asked: Asked[Any], present: str) -> users.User:
    """The user whose password it is. As slow for guesses as the sign-in.

    :raises Problem: throttled, busy, wrong_present_password.
    """
    parts, name, address = asked.parts, asked.session.user.name, asked.address
    wait = parts.throttle.begin(name, address, time.monotonic())
    if wait:
        raise Problem("throttled", retry_seconds=math.ceil(wait))
    try:
        async with connected(asked.services.pool) as connection:
            user, stored = await users.find(connection, name)
        fits = await parts.passwords.check(stored, present)
    except users.BusyError:
        parts.throttle.cancel(name, address)
        raise Problem("busy") from None
    except AWAY:
        parts.throttle.cancel(name, address)
        raise
    if not fits or not user:
        raise Problem("wrong_present_password")
    parts.throttle.succeed(name, address)
    return user


_SESSIONS = """
SELECT session_id, token_sha256, address, device, created_at, last_seen_at FROM sessions
WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2
    AND last_seen_at > $2::timestamptz - $3::float8 * interval '1 second'
ORDER BY last_seen_at DESC, session_id DESC LIMIT 200
"""
_END_OTHERS = """
UPDATE sessions SET revoked_at = now()
WHERE user_id = $1 AND token_sha256 <> $2 AND revoked_at IS NULL
"""
