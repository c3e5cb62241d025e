"""/healthz and /metrics."""

from __future__ import annotations

import ipaddress
from typing import Literal

from aiohttp import web

from web.endpoint import Asked, Endpoint, Output, endpoint
from web.live import DatabaseState, PbxState
from web.problems import Problem

PROMETHEUS = "text/plain; version=1.0.0; charset=utf-8"


class Health(Output):
    """How the parts are. Ready means that calls are served; the database may be away meanwhile.

    :param journal_behind: events on the local disk that the database has not got yet.
    """

    status: Literal["ready", "not_ready"]
    pbx: PbxState
    pbx_since: float
    pbx_reason: str
    lag_seconds: float | None
    database: DatabaseState
    journal_behind: int
    version: str


@endpoint(
    "GET",
    "/healthz",
    "200 when calls are served, else 503",
    output=Health,
    public=True,
    statuses=(200, 503),
)
async def healthz(asked: Asked[None]) -> web.Response:
    """For load balancers, service managers and `zuoxi doctor`."""
    link, journal = asked.services.link(), asked.services.journal()
    ready = link.state == "ready"
    health = Health(
        status="ready" if ready else "not_ready",
        pbx=link.state,
        pbx_since=link.since,
        pbx_reason=link.reason,
        lag_seconds=link.lag_seconds,
        database=journal.database,
        journal_behind=journal.last_seq - journal.stored_seq,
        version=asked.services.version,
    )
    return web.Response(
        status=200 if ready else 503,
        text=health.model_dump_json(),
        content_type="application/json",
    )


@endpoint(
    "GET",
    "/metrics",
    "Prometheus figures; from this machine, or with the right metrics.see",
    public=True,
    media=("text/plain",),
    problems=("signed_out", "no_right"),
)
async def metrics(asked: Asked[None]) -> web.Response:
    """Names of queues and how busy they are is nobody else's business."""
    if not _is_local(asked.request) and not asked.session.may("metrics.see"):
        raise Problem("no_right", right="metrics.see")
    return web.Response(body=asked.parts.metrics.text(), headers={"Content-Type": PROMETHEUS})


ENDPOINTS: tuple[Endpoint, ...] = (healthz, metrics)


def _is_local(request: web.BaseRequest) -> bool:
    """From this machine and not through a proxy on it."""
    try:
        loopback = ipaddress.ip_address(request.remote or "").is_loopback
    except ValueError:
        return False
    return loopback and not {"X-Forwarded-For", "Forwarded"} & set(request.headers)
