"""Where a request comes from."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence

from aiohttp import web


def client_address(request: web.BaseRequest, proxies: Sequence[str]) -> str:
    """The browser's address, for throttling and logs.

    :param proxies: addresses whose X-Forwarded-For is believed; anybody else could write any.
    """
    address = request.remote or "unknown"
    forwarded = ",".join(request.headers.getall("X-Forwarded-For", [])).split(",")
    while address in proxies and forwarded:
        try:
            address = str(ipaddress.ip_address(forwarded.pop().strip()))
        except ValueError:
            break
    return address
