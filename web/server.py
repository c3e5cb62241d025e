"""The HTTP server: `create_app` joins endpoints, live connection, screens and safeguards."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import urlsplit

import argon2
import structlog
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from cti.journal.database import AWAY
from web import (
    account,
    agent,
    calls,
    customer_export,
    customer_fields,
    customer_pop,
    customers,
    customers_merge,
    customers_story,
    departments,
    floor,
    health,
    imports,
    people,
    recordings,
    reveal,
    session,
    teams,
    trail,
    trends,
)
from web.customer_pop import send_pop
from web.endpoint import BODY_LIMIT_BYTES, SESSION, Endpoint, Parts, bind
from web.live_socket import LiveSocket
from web.openapi import document
from web.pops import Pops
from web.problems import Language, Problem, language_of
from web.services import LinkStatus, Services
from web.static import APP, Screens

__all__ = ["LinkStatus", "Services", "create_app", "watch"]

log = structlog.get_logger(__name__)

ENDPOINTS: tuple[Endpoint, ...] = (
    *session.ENDPOINTS,
    *floor.ENDPOINTS,
    *agent.ENDPOINTS,
    *calls.ENDPOINTS,
    *recordings.ENDPOINTS,
    *account.ENDPOINTS,
    *people.ENDPOINTS,
    *departments.ENDPOINTS,
    *trail.ENDPOINTS,
    *reveal.ENDPOINTS,
    *customer_export.ENDPOINTS,
    *customers.ENDPOINTS,
    *customers_story.ENDPOINTS,
    *customers_merge.ENDPOINTS,
    *customer_pop.ENDPOINTS,
    *customer_fields.ENDPOINTS,
    *imports.ENDPOINTS,
    *trends.ENDPOINTS,
    *health.ENDPOINTS,
)


def create_app(
    services: Services,
    *,
    screens: Path = APP,
    hasher: argon2.PasswordHasher | None = None,
) -> web.Application:
    """The application; its background tasks start and end with it.

    :param screens: folder of the built browser application.
    :param hasher: cheaper password hashes for tests.
    """
    parts = Parts(
        services,
        imports.Importer(services.pool, services.uploads, services.floor.country),
        customer_export.Exports(),
        hasher,
    )
    app = web.Application(
        middlewares=[_measure(parts), _answer_problems()], client_max_size=BODY_LIMIT_BYTES
    )
    for each in ENDPOINTS:
        if each.mutates:
            app.router.add_route(each.method, each.path, bind(each, parts))
        else:
            app.router.add_get(each.path, bind(each, parts))  # and HEAD
    app.router.add_get("/api/openapi.json", _documented(services.version))
    app.router.add_get("/api/v1/live", LiveSocket(parts).handle)
    app.router.add_get("/{path:.*}", Screens(screens).handle)
    app.on_response_prepare.append(_safeguards(services))
    app.on_shutdown.append(_see_off(services))
    app.cleanup_ctx.append(_background(parts))
    return app


def _documented(version: str) -> Handler:
    text = json.dumps(document(ENDPOINTS, version), ensure_ascii=False)

    async def show(_request: web.Request) -> web.Response:
        return web.Response(text=text, content_type="application/json")

    return show


async def watch(app: web.Application) -> None:
    """Wait for the background work of an application that was set up: it only ends by an error.

    :raises Exception: what went wrong; the server should end then, and start whole.
    """
    await asyncio.gather(*app[_TASKS])


_TASKS = web.AppKey("tasks", list[asyncio.Task[None]])


def _background(parts: Parts) -> Callable[[web.Application], AsyncIterator[None]]:
    async def run(app: web.Application) -> AsyncIterator[None]:
        services = parts.services
        hub = services.hub
        pops = Pops(services.pool, services.floor.country, partial(send_pop, parts))
        hub.watch_offers(pops.begin)
        hub.set_teams(await teams.first(services.connect))
        tasks = app[_TASKS] = [
            asyncio.create_task(hub.run()),
            asyncio.create_task(parts.sessions.run(hub.close_session, parts.notes.write)),
            asyncio.create_task(teams.follow(services.connect, hub.set_teams)),
            asyncio.create_task(hub.judge_queues()),
            asyncio.create_task(parts.imports.run()),
        ]
        yield
        await parts.imports.close()
        await pops.close()
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
        for end in ends:
            if not isinstance(end, asyncio.CancelledError):
                log.error("background_work_failed", exc_info=end)

    return run


def _see_off(services: Services) -> Callable[[web.Application], Awaitable[None]]:
    async def see_off(_app: web.Application) -> None:
        services.hub.close()

    return see_off


# --- middlewares ------------------------------------------------------------------------------


def _measure(parts: Parts) -> Middleware:
    @web.middleware
    async def measure(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        answer = await handler(request)
        if not isinstance(answer, web.WebSocketResponse):
            resource = request.match_info.route.resource
            parts.metrics.requests.labels(
                resource.canonical if resource else "none", request.method, str(answer.status)
            ).observe(time.perf_counter() - started)
        return answer

    return measure


def _answer_problems() -> Middleware:
    @web.middleware
    async def answer_problems(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            with _as_problems(request):
                return await handler(request)
        except Problem as problem:
            return problem.answer(_language(request))

    return answer_problems


@contextmanager
def _as_problems(request: web.Request) -> Iterator[None]:
    """Whatever goes wrong is a problem that says what to do."""
    try:
        yield
    except Problem:
        raise
    except web.HTTPException as error:
        raise Problem(_BY_STATUS.get(error.status, "refused")) from error
    except AWAY as error:
        log.info("database_away", path=request.path, error=str(error))
        raise Problem("database_away") from error
    except Exception as error:
        log.exception("request_failed", path=request.path)
        raise Problem("broken") from error


_BY_STATUS = {404: "unknown_address", 405: "wrong_method", 413: "too_large"}


def _language(request: web.Request) -> Language:
    if SESSION in request:
        return request[SESSION].user.language
    return language_of(request.headers.get("Accept-Language", ""))


# --- safeguards -------------------------------------------------------------------------------


def _safeguards(
    services: Services,
) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    fixed = {
        "Content-Security-Policy": _content_policy(services.sip_ws_url),
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "microphone=(self), camera=(), geolocation=(), payment=()",
        "Referrer-Policy": "same-origin",
        "Server": "zuoxi",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
    }

    async def safeguard(request: web.Request, answer: web.StreamResponse) -> None:
        answer.headers.update(fixed)
        answer.headers.setdefault("Cache-Control", "no-store")
        if request.secure:
            answer.headers["Strict-Transport-Security"] = "max-age=31536000"

    return safeguard


def _content_policy(sip_ws_url: str) -> str:
    """Scripts from us alone; the SIP WebSocket is the one other address that may be reached.

    Styles may be inline: the widgets compute theirs at run time.
    """
    sip = urlsplit(sip_ws_url)
    return "; ".join(
        (
            "default-src 'self'",
            "script-src 'self'",
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "media-src 'self' blob:",
            f"connect-src 'self' {sip.scheme}://{sip.netloc}",
            "object-src 'none'",
            "base-uri 'none'",
            "form-action 'self'",
            "frame-ancestors 'none'",
        )
    )
