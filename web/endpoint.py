"""One way in: an endpoint names its method, path, input, output and right; `bind` serves it.

Checked in this order, before the handler runs: origin (mutations), session, CSRF token (mutations),
right, body or query. The same description gives the OpenAPI document.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

import argon2
import pydantic
from aiohttp import web

from cti.inputs import Request
from cti.journal.database import TRY_AGAIN
from web.address import client_address
from web.audit import Notes
from web.metrics import Metrics
from web.problems import Problem
from web.reach import CallsSeen, Seen
from web.rights import Right, ScopedRight
from web.services import Services
from web.sessions import Session, Sessions, csrf_of
from web.throttle import Searches, Throttle
from web.users import Passwords

if TYPE_CHECKING:
    from web.customer_export import Exports
    from web.imports import Importer

COOKIE = "zuoxi_session"
COOKIE_OVER_TLS = f"__Host-{COOKIE}"
"""Browsers take such a cookie from this very host over TLS only: nobody beside us can plant one."""
CSRF_HEADER = "X-Zuoxi-Csrf"
BODY_LIMIT_BYTES = 64 * 1024
BODY_SECONDS = 10.0
ANSWER_SECONDS = 5.0

_TOKEN = re.compile(r"[A-Za-z0-9_-]{43}")
_PATH_PART = re.compile(r"[\w.:@+-]{1,128}", re.ASCII)


class Input(pydantic.BaseModel):
    """Base of what clients send: unknown fields are refused."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Output(pydantic.BaseModel):
    """Base of what is answered."""

    model_config = pydantic.ConfigDict(extra="forbid", frozen=True)


class Parts:
    """What the web room itself is made of, beside the ports; one per application."""

    def __init__(
        self,
        services: Services,
        imports: Importer,
        exports: Exports,
        hasher: argon2.PasswordHasher | None = None,
    ) -> None:
        self.services = services
        self.imports = imports
        self.exports = exports
        self.sessions = Sessions(
            services.pool,
            services.clock,
            idle_seconds=services.settings.session_idle_seconds,
            limit_seconds=services.settings.session_limit_seconds,
        )
        self.notes = Notes(services.pool, services.clock)
        self.passwords = Passwords(hasher)
        self.throttle = Throttle()
        self.searches = Searches()
        self.metrics = Metrics(services)

    async def refresh_sessions(self) -> None:
        """Let a change of sessions or users take effect now, not with the next round."""
        with contextlib.suppress(*TRY_AGAIN):
            for key in await self.sessions.refresh():
                self.services.hub.close_session(key)


SESSION = web.RequestKey("session", Session)
"""Who asked, for the language of problems."""
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Asked(Generic[T]):
    """One request, checked.

    :param input: the body of a mutation or the query of a GET; None where the endpoint takes none.
    :param signed_in: the session; None at public endpoints only.
    """

    request: web.Request
    parts: Parts
    input: T
    signed_in: Session | None

    @property
    def services(self) -> Services:
        """The ports."""
        return self.parts.services

    @property
    def session(self) -> Session:
        """The session.

        :raises Problem: signed_out.
        """
        if self.signed_in is None:
            raise Problem("signed_out")
        return self.signed_in

    @property
    def agent_id(self) -> str:
        """The employee number of who asks.

        :raises Problem: not_an_agent.
        """
        if self.session.user.agent_id is None:
            raise Problem("not_an_agent")
        return self.session.user.agent_id

    @property
    def address(self) -> str:
        """Where the browser is."""
        return client_address(self.request, self.services.settings.trusted_proxies)

    def seen(self, right: ScopedRight) -> Seen:
        """The agents for whom the session has `right`, which it has to have."""
        return self.services.hub.teams.seen(self.session.reach(right))

    def calls_seen(self, right: ScopedRight) -> CallsSeen:
        """The calls for which the session has `right`, which it has to have."""
        seen, hub = self.seen(right), self.services.hub
        of_team = seen is not None and self.session.reach(right).scope == "team"
        return CallsSeen(seen, hub.view.queues_served(seen) if of_team else ())

    def part(self, name: str, otherwise: str) -> str:
        """A variable of the path; what cannot be an id is the problem `otherwise`."""
        value = self.request.match_info[name]
        if not _PATH_PART.fullmatch(value):
            raise Problem(otherwise)
        return value

    async def put(self, request: Request) -> None:
        """Put a request to the core.

        :raises Problem: the core's code, or no_answer.
        """
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                reply = await self.services.ask(request)
        except TimeoutError:
            raise Problem("no_answer") from None
        if reply.code:
            raise Problem(reply.code, **reply.detail)


Answer = Output | web.StreamResponse | None
"""None is 204."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One method of one path.

    :param right: the right that is needed beside being signed in.
    :param public: nobody has to be signed in.
    :param unripe: answered too while the password has to be changed first.
    :param problems: the codes that this endpoint may answer beside those of every endpoint.
    :param media: what the answer may be where it is no JSON.
    :param statuses: those that the output comes with.
    """

    method: str
    path: str
    summary: str
    handler: Callable[[Asked[Any]], Awaitable[Answer]]
    input: type[Input] | None
    output: type[Output] | None
    right: Right | None
    public: bool
    unripe: bool
    problems: tuple[str, ...]
    media: tuple[str, ...]
    statuses: tuple[int, ...] = (200,)

    @property
    def mutates(self) -> bool:
        """Whether it changes something, so that it has to come from our own page."""
        return self.method not in ("GET", "HEAD")


def endpoint(
    method: str,
    path: str,
    summary: str,
    *,
    input: type[Input] | None = None,  # noqa: A002 - the word that fits
    output: type[Output] | None = None,
    right: Right | None = None,
    public: bool = False,
    unripe: bool = False,
    problems: tuple[str, ...] = (),
    media: tuple[str, ...] = (),
    statuses: tuple[int, ...] = (200,),
) -> Callable[[Callable[[Asked[Any]], Awaitable[Answer]]], Endpoint]:
    """Describe the handler that follows; see Endpoint."""

    def describe(handler: Callable[[Asked[Any]], Awaitable[Answer]]) -> Endpoint:
        return Endpoint(
            method,
            path,
            summary,
            handler,
            input,
            output,
            right,
            public,
            unripe,
            problems,
            media,
            statuses,
        )

    return describe


def bind(
    described: Endpoint, parts: Parts
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """The aiohttp handler of an endpoint."""

    async def handle(request: web.Request) -> web.StreamResponse:
        if described.mutates:
            check_origin(request, parts.services.settings.origins)
        free = described.public or described.unripe
        session = await session_of(request, parts, public=described.public, unripe=free)
        if described.mutates and not described.public:
            _check_csrf(request, parts)
        if described.right and session and described.right not in session.rights:
            raise Problem("no_right", right=described.right)
        given = await _input(request, described)
        return _encode(await described.handler(Asked(request, parts, given, session)))

    return handle


async def session_of(
    request: web.Request, parts: Parts, *, public: bool = False, unripe: bool = False
) -> Session | None:
    """The session of the request's cookie.

    :raises Problem: signed_out, unless `public`; change_password, unless `unripe`.
    """
    token = token_of(request, parts)
    session = await parts.sessions.find(token) if _TOKEN.fullmatch(token) else None
    if session is not None:
        request[SESSION] = session
    elif not public:
        raise Problem("signed_out")
    if session is not None and session.user.must_change_password and not unripe:
        raise Problem("change_password")
    return session


def check_origin(request: web.BaseRequest, allowed: list[str]) -> None:
    """The browser's page has to be ours: one of `allowed`, else of the host that was asked.

    :raises Problem: wrong_origin.
    """
    ours = allowed or [f"{scheme}://{request.host}" for scheme in ("http", "https")]
    if request.headers.get("Origin", "") not in ours:
        raise Problem("wrong_origin")


def over_tls(request: web.BaseRequest, parts: Parts) -> bool:
    """Whether browsers reach us over TLS alone: ours, or that of a proxy."""
    origins = parts.services.settings.origins
    behind = bool(origins) and all(origin.startswith("https://") for origin in origins)
    return request.secure or behind


def cookie_name(request: web.BaseRequest, parts: Parts) -> str:
    """What the session's cookie is called here."""
    return COOKIE_OVER_TLS if over_tls(request, parts) else COOKIE


def token_of(request: web.BaseRequest, parts: Parts) -> str:
    """What the session's cookie holds, empty without one."""
    return request.cookies.get(cookie_name(request, parts), "")


def _check_csrf(request: web.Request, parts: Parts) -> None:
    given = request.headers.get(CSRF_HEADER, "")
    wanted = csrf_of(token_of(request, parts))
    # What is no UTF-8 comes as surrogates.
    if not hmac.compare_digest(given.encode("utf-8", "surrogatepass"), wanted.encode()):
        raise Problem("csrf")


async def _input(request: web.Request, described: Endpoint) -> Input | None:
    if described.input is None:
        return None
    try:
        if not described.mutates:
            return described.input.model_validate_strings(dict(request.query))
        if media_of(request) != "application/json":
            raise Problem("unsupported_media")
        return described.input.model_validate_json(await _body(request))
    except pydantic.ValidationError as error:
        raise invalid(error) from None


def media_of(request: web.BaseRequest) -> str:
    """What the body is said to be. Parameters mean nothing here, and can be beyond any parser."""
    return request.headers.get("Content-Type", "").partition(";")[0].strip().lower()


async def _body(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await request.read()
    except TimeoutError:
        raise Problem("too_slow") from None


def invalid(error: pydantic.ValidationError) -> Problem:
    """What does not fit, field by field."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    if any(item["type"] == "json_invalid" for item in found):
        return Problem("malformed")
    fields = [
        {"field": ".".join(map(str, item["loc"])), "code": item["type"], "message": item["msg"]}
        for item in found[:20]
    ]
    return Problem("invalid", errors=fields)


def _encode(answer: Answer) -> web.StreamResponse:
    if answer is None:
        return web.Response(status=204)
    if isinstance(answer, Output):
        return web.Response(text=answer.model_dump_json(), content_type="application/json")
    return answer
