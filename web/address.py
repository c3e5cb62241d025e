"""Where a request comes from."""

from __future__ import annotations

from aiohttp import web


def client_address(request: web.BaseRequest) -> str:
    """The peer's address, for throttling and logs."""
    return request.remote or "unknown"
