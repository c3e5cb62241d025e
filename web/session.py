"""Signing in and out, and who is signed in."""

from __future__ import annotations

import dataclasses
import math
import time
from typing import Annotated, Any

from aiohttp import web
from pydantic import Field

from cti.journal.database import AWAY
from web import audit, users
from web.database import connected
from web.endpoint import (
    Asked,
    Endpoint,
    Input,
    Output,
    cookie_name,
    endpoint,
    over_tls,
    token_of,
)
from web.problems import Language, Problem
from web.rights import Right, Role, Scope
from web.sessions import Session, csrf_of
from web.users import User

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[^\x00-\x1f]*$")]
Password = Annotated[str, Field(min_length=1, max_length=users.PASSWORD_LONGEST)]


class Credentials(Input):
    """A user name and its password."""

    user: Name
    password: Password


class Me(Output):
    """Who is signed in. `csrf` goes into the header X-Zuoxi-Csrf of every mutation."""

    user: str
    name: str
    roles: list[Role]
    rights: dict[Right, Scope]
    agent_id: str | None
    language: Language
    csrf: str
    must_change_password: bool


class LanguageChoice(Input):
    """A language of the screens."""

    language: Language


@endpoint(
    "POST",
    "/api/v1/session",
    "Sign in; sets the session's cookie",
    input=Credentials,
    output=Me,
    public=True,
    problems=("wrong_password", "throttled", "busy", "database_away"),
)
async def sign_in(asked: Asked[Credentials]) -> web.Response:
    """Check the password, at a pace that makes guessing hopeless."""
    user = await _checked(asked)
    device = asked.request.headers.get("User-Agent", "")
    token = await asked.parts.sessions.start(user, asked.address, device)
    if token is None:  # the password was changed while it was checked
        raise Problem("wrong_password")
    if asked.signed_in:  # another browser tab's session is replaced, not left behind
        await _end(asked, asked.signed_in)
    session = await asked.parts.sessions.find(token)
    assert session is not None
    answer = web.Response(
        text=_me(session, token).model_dump_json(), content_type="application/json"
    )
    answer.set_cookie(
        cookie_name(asked.request, asked.parts),
        token,
        httponly=True,
        samesite="Strict",
        secure=over_tls(asked.request, asked.parts),
        path="/",
    )
    return answer


@endpoint("GET", "/api/v1/session", "Who is signed in", output=Me, unripe=True)
async def who(asked: Asked[None]) -> Me:
    """The session's user, rights and CSRF token."""
    return _me(asked.session, token_of(asked.request, asked.parts))


@endpoint("DELETE", "/api/v1/session", "Sign out", unripe=True)
async def sign_out(asked: Asked[None]) -> web.Response:
    """End the session and its live connections. The agent's seat is left by the panel's loss."""
    await _end(asked, asked.session)
    await asked.parts.notes.add(asked, "signed_out")
    answer = web.Response(status=204)
    name, secure = cookie_name(asked.request, asked.parts), over_tls(asked.request, asked.parts)
    answer.del_cookie(name, path="/", httponly=True, samesite="Strict", secure=secure)
    return answer


@endpoint(
    "PUT",
    "/api/v1/session/language",
    "Choose the language",
    input=LanguageChoice,
    output=Me,
    unripe=True,
    problems=("database_away",),
)
async def choose_language(asked: Asked[LanguageChoice]) -> Me:
    """Kept with the user."""
    session = asked.session
    async with connected(asked.services.pool) as connection:
        await users.set_language(connection, session.user.user_id, asked.input.language)
    session.user = dataclasses.replace(session.user, language=asked.input.language)
    return _me(session, token_of(asked.request, asked.parts))


ENDPOINTS: tuple[Endpoint, ...] = (sign_in, who, sign_out, choose_language)


async def _checked(asked: Asked[Credentials]) -> User:
    """The user whose password was given.

    :raises Problem: throttled, wrong_password.
    """
    parts, given = asked.parts, asked.input
    name, address = users.normal_name(given.user), asked.address
    wait = parts.throttle.begin(name, address, time.monotonic())
    if wait:
        seconds = math.ceil(wait)
        problem = Problem("throttled", retry_seconds=seconds)
        problem.headers["Retry-After"] = str(seconds)
        raise problem
    try:
        async with connected(parts.services.pool) as connection:
            user, stored = await users.find(connection, name)
        fits = await parts.passwords.check(stored, given.password)
    except users.BusyError:
        parts.throttle.cancel(name, address)
        raise Problem("busy") from None
    except AWAY:
        parts.throttle.cancel(name, address)
        raise
    if not fits or not user or not stored:
        # An unknown name may be a password in the wrong field.
        shown = user.name if user else f"{name[:2]}…"
        async with connected(parts.services.pool) as connection:
            await audit.record_by(connection, audit.Actor(None, shown, address), "sign_in_refused")
        raise Problem("wrong_password")
    parts.throttle.succeed(name, address)
    if parts.passwords.outdated(stored):
        hashed = await parts.passwords.hash(given.password)
        async with connected(parts.services.pool) as connection:
            await users.set_hash(connection, user, hashed)
    return user


async def _end(asked: Asked[Any], session: Session) -> None:
    await asked.parts.sessions.end(session, asked.services.hub.close_session)


def _me(session: Session, token: str) -> Me:
    return Me(
        user=session.user.name,
        name=session.user.full_name,
        roles=list(session.user.roles),
        rights=dict(session.rights),
        agent_id=session.user.agent_id,
        language=session.user.language,
        csrf=csrf_of(token),
        must_change_password=session.user.must_change_password,
    )
