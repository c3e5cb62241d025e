"""What is no well-made request: smuggling, floods, slow and endless ones, straight on the wire."""

import asyncio
import contextlib
import gzip
import json
import re
import time
from urllib.parse import urlsplit

import pytest

from web import endpoint, listener

INNARDS = re.compile(
    r"aiohttp|python|traceback|asyncpg|pydantic|postgres|/srv|/usr|\.py\b|line \d+", re.IGNORECASE
)
SIGN_IN = "POST /api/v1/session HTTP/1.1\r\nHost: x\r\n"


async def told(site, *raw):
    """All that the server answers to these bytes until it closes the connection."""
    address = urlsplit(site.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    answer = b""
    with contextlib.suppress(ConnectionError):
        for each in raw:
            writer.write(each if isinstance(each, bytes) else each.encode())
            await writer.drain()
        async with asyncio.timeout(30):
            while piece := await reader.read(65536):
                answer += piece
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()
    return answer.decode("utf-8", "replace")


def statuses(answer):
    """The status of each answer on one connection."""
    return [int(code) for code in re.findall(r"HTTP/1\.[01] (\d{3}) ", answer)]


INNER = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


@pytest.mark.parametrize(
    "raw",
    [
        f"{SIGN_IN}Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcdef",
        f"{SIGN_IN}Content-Length: 5, 6\r\n\r\nabcdef",
        f"{SIGN_IN}Content-Length: +5\r\n\r\nabcde",
        f"{SIGN_IN}Content-Length: -1\r\n\r\n{INNER}",
        f"{SIGN_IN}Content-Length: 1_0\r\n\r\n{INNER}",
        f"{SIGN_IN}Content-Length: ٥\r\n\r\nabcde",
        f"{SIGN_IN}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{INNER}",
        f"{SIGN_IN}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{INNER}",
        f"{SIGN_IN}Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n{INNER}",
        f"{SIGN_IN}Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n{INNER}",
        f"{SIGN_IN}Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n{INNER}",
        f"{SIGN_IN}Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n{INNER}",
        f"{SIGN_IN}Transfer-Encoding: chunked\r\n\r\n-1\r\n\r\n{INNER}",
        f"{SIGN_IN}Transfer-Encoding: chunked\r\n\r\n{'f' * 40}\r\n\r\n{INNER}",
        f"{SIGN_IN} Folded: header\r\n\r\n{INNER}",
        f"{SIGN_IN}X: a\rb\r\n\r\n{INNER}",
        f"{SIGN_IN}X: a\0b\r\n\r\n{INNER}",
        f"{SIGN_IN}: nameless\r\n\r\n{INNER}",
        f"{SIGN_IN}Bad Name: x\r\n\r\n{INNER}",
        "GET / HTTP/9.9\r\nHost: x\r\n\r\n",
        "G\0T / HTTP/1.1\r\nHost: x\r\n\r\n",
        "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS greeting\r\n\r\n",
        "GET http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)
async def test_what_could_be_read_in_two_ways_is_refused_and_nothing_behind_it_served(site, raw):
    answer = await told(site, raw)
    assert len(statuses(answer)) == 1, answer or "what followed was taken for a request"
    assert 400 <= statuses(answer)[0] < 500, answer
    assert not INNARDS.search(answer), answer
    head, _, body = answer.partition("\r\n\r\n")
    assert "Server: zuoxi" in head
    assert json.loads(body)["code"] in {"refused", "malformed", "wrong_origin"}
    assert (await site.anonymous().send("GET", "/healthz"))[0] == 200


@pytest.mark.parametrize(
    "raw",
    [
        f"GET /{'a' * 20_000} HTTP/1.1\r\nHost: x\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: x\r\nX: {'a' * 20_000}\r\n\r\n",
        f"GET / HTTP/1.1\r\nHost: x\r\nCookie: zuoxi_session={'a' * 9_000}\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n" + "X: y\r\n" * 1_000 + "\r\n",
        "GET / HTTP/1.1\r\nHost: x\r\n" + "X" * 5_000_000,
    ],
    ids=["address", "header", "cookie", "headers", "endless header"],
)
async def test_heads_have_a_bounded_length(site, raw):
    answer = await told(site, raw)
    # Where a great deal is still on its way, the end of the connection overtakes the answer.
    assert statuses(answer) in ([400], []), answer[:200]
    assert not INNARDS.search(answer)


async def test_a_head_that_does_not_end_is_cut_off_though_it_trickles(site, monkeypatch):
    """Slowloris: a byte now and then holds a connection, thousands of them all of them."""
    monkeypatch.setattr(listener, "IDLE_SECONDS", 1.0)
    address = urlsplit(site.url)
    opened = [await asyncio.open_connection(address.hostname, address.port) for _ in range(50)]
    started = time.monotonic()
    for _, writer in opened[:25]:
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n")
    with contextlib.suppress(ConnectionError):
        while site.connections:
            opened[0][1].write(b"X-A: b\r\n")
            await asyncio.sleep(0.1)
            assert time.monotonic() - started < 10
    assert (await site.anonymous().send("GET", "/healthz"))[0] == 200
    for _, writer in opened:
        writer.close()


async def test_a_body_that_trickles_is_given_up(site, monkeypatch):
    monkeypatch.setattr(endpoint, "BODY_SECONDS", 0.5)
    head = (
        f"{SIGN_IN}Origin: http://x\r\nContent-Type: application/json\r\n"
        "Connection: close\r\nContent-Length: 50\r\n\r\n{"
    )
    started = time.monotonic()
    answer = await told(site, head)
    assert statuses(answer) == [408]
    assert json.loads(answer.partition("\r\n\r\n")[2])["code"] == "too_slow"
    assert time.monotonic() - started < 10, "what is left of the body is not waited for either"


@pytest.mark.parametrize(
    ("path", "cookie"),
    [("/api/v1/session", False), ("/api/v1/agent/ready", True), ("/nowhere", False)],
)
async def test_an_endless_body_is_read_by_nobody(site, path, cookie):
    """Neither where a body is taken, nor where none is, nor where there is nothing."""
    browser = await site.browser("amy")
    head = (
        f"POST {path} HTTP/1.1\r\nHost: {urlsplit(site.url).netloc}\r\nOrigin: {site.origin}\r\n"
        f"X-Zuoxi-Csrf: {browser.csrf}\r\nContent-Type: application/json\r\n"
        "Transfer-Encoding: chunked\r\n"
    )
    if cookie:
        head += f"Cookie: zuoxi_session={browser.cookie}\r\n"
    address = urlsplit(site.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(f"{head}\r\n".encode())
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    sent = 0
    started = time.monotonic()
    with contextlib.suppress(ConnectionError):
        while time.monotonic() - started < 10:
            writer.write(chunk)
            await writer.drain()
            sent += 1
    assert time.monotonic() - started < 10, f"still taken after {sent} pieces"
    writer.close()
    del reader


async def test_a_body_that_is_small_until_it_is_unpacked_is_too_large(site):
    browser = site.anonymous()
    async with browser.client.post(
        f"{site.url}/api/v1/session",
        data=gzip.compress(b" " * 50_000_000),
        headers={
            "Origin": site.origin,
            "Content-Type": "application/json",
            "Content-Encoding": "gzip",
        },
    ) as answer:
        assert answer.status == 413
        assert (await answer.json())["code"] == "too_large"


async def test_pipelined_requests_are_answered_in_order_and_bounded(site):
    one = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    last = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answer = await told(site, one * 500 + last)
    assert statuses(answer) == [200] * 501


@pytest.mark.parametrize(
    "body",
    [
        "[" * 30_000 + "]" * 30_000,
        '{"user":' * 9_000,
        '{"user":"amy","password":' + "9" * 60_000 + "}",
        '{"user":"\\ud800","password":"\\udfff"}',
        b'{"user":"\xff\xfe","password":"x"}',
        '{"user":"amy","user":"ada","password":["x"]}',
        '{"user":{"$ne":null},"password":{"$ne":null}}',
        '{"__proto__":{"admin":true},"user":"amy","password":"x"}',
        '{"user":"amy","password":"x","roles":["admin"]}',
        "NaN",
        "1e999999",
    ],
)
async def test_json_that_is_hostile_is_a_problem_without_innards(site, body):
    async with site.anonymous().client.post(
        f"{site.url}/api/v1/session",
        data=body,
        headers={"Origin": site.origin, "Content-Type": "application/json"},
    ) as answer:
        words = await answer.text()
    assert answer.status in (400, 401, 413, 422), words
    assert answer.content_type == "application/problem+json"
    assert not INNARDS.search(words), words


async def test_what_breaks_inside_is_told_without_innards(site, monkeypatch):
    browser = await site.browser("amy")

    async def breaks(_request):
        raise RuntimeError("secret: postgresql://zuoxi:pw@db/zuoxi in /srv/zuoxi/web/agent.py")

    monkeypatch.setattr(type(site.core), "ask", lambda self, request: breaks(request))
    object.__setattr__(site.services, "ask", breaks)
    status, body = await browser.send("POST", "/api/v1/agent/ready")
    assert (status, body["code"]) == (500, "broken")
    assert set(body) == {"type", "title", "status", "detail", "code", "action"}
    assert not INNARDS.search(json.dumps(body))


@pytest.mark.parametrize(
    "address", ["//evil.example/x", "/\\evil.example", "/%0d%0aLocation:%20//evil.example", "/;a=b"]
)
async def test_no_address_leads_to_another_site(site, address):
    answer = await told(site, f"GET {address} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    head = answer.partition("\r\n\r\n")[0].lower()
    assert "location:" not in head
    assert statuses(answer)[0] in (200, 400, 404, 503)


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "OPTIONS", "PROPFIND", "PUT", "get"])
async def test_methods_that_are_not_ours_are_refused(site, method):
    answer = await told(
        site, f"{method} /api/v1/session HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    )
    assert statuses(answer)[0] in (400, 404, 405), answer
    assert "access-control-allow" not in answer.lower()


BEYOND = "9" * 5_000
"""More digits than Python makes a number of."""


@pytest.mark.parametrize(
    ("head", "status", "code"),
    [
        ("Origin: http://[", 403, "wrong_origin"),
        ("Origin: http://[x]y", 403, "wrong_origin"),
        ("Content-Type: a/b; a*{BEYOND}=1", 415, "unsupported_media"),
        ("X-Zuoxi-Csrf: \udcff", 403, "csrf"),
    ],
)
async def test_a_header_that_no_parser_reads_is_refused_as_any_that_is_wrong(
    site, head, status, code
):
    browser = await site.browser("amy")
    given = {
        "Host": urlsplit(site.url).netloc,
        "Origin": site.origin,
        "Cookie": f"zuoxi_session={browser.cookie}",
        "X-Zuoxi-Csrf": browser.csrf,
        "Content-Type": "application/json",
        "Content-Length": "2",
        "Connection": "close",
    }
    name, value = head.format(BEYOND=BEYOND).split(": ")
    given[name] = value
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    raw = f"PUT /api/v1/session/language HTTP/1.1\r\n{lines}\r\n{{}}"
    answer = await told(site, raw.encode("utf-8", "surrogateescape"))
    assert statuses(answer) == [status], answer
    assert json.loads(answer.partition("\r\n\r\n")[2])["code"] == code


async def test_an_origin_that_no_parser_reads_opens_no_live_connection(site):
    browser = await site.browser("amy")
    answer = await told(
        site,
        f"GET /api/v1/live HTTP/1.1\r\nHost: {urlsplit(site.url).netloc}\r\nOrigin: http://[\r\n"
        f"Cookie: zuoxi_session={browser.cookie}\r\nConnection: close\r\n\r\n",
    )
    assert statuses(answer) == [403], answer


@pytest.fixture
def screens(tmp_path):
    """Build an application of one page."""
    folder = tmp_path / "app"
    folder.mkdir()
    (folder / "index.html").write_text("<!doctype html><title>zuoxi</title>")
    return folder


@pytest.mark.parametrize("name", ["If-Modified-Since", "If-Unmodified-Since", "If-Range"])
@pytest.mark.parametrize(
    "date",
    [
        "Mon, 01 Jan 99999999999999999999 00:00:00 GMT",
        "Mon, 01 Jan 9999999999 00:00:00 GMT",
        "Mon, 99999999999999999999 Jan 2026 00:00:00 GMT",
        "Mon, 01 Jan 2026 00:00:00 +99999999999999999999",
        f"Mon, 01 Jan {BEYOND} 00:00:00 GMT",
        "Mon, 01 Jan \udcff 00:00:00 GMT",
    ],
    ids=["year", "long year", "day", "zone", "digits", "bytes"],
)
async def test_a_date_beyond_the_calendar_is_as_if_it_were_not_there(serve, screens, name, date):
    site = await serve(screens=screens)
    raw = f"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{name}: {date}\r\n\r\n"
    answer = await told(site, raw.encode("utf-8", "surrogateescape"))
    assert statuses(answer) == [200], answer
    assert answer.endswith("<title>zuoxi</title>")


async def test_dates_within_the_calendar_are_heeded(serve, screens):
    site = await serve(screens=screens)
    raw = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    later, before = "Fri, 01 Jan 2100 00:00:00 GMT", "Sat, 01 Jan 2000 00:00:00 GMT"
    assert statuses(await told(site, f"{raw}If-Modified-Since: {later}\r\n\r\n")) == [304]
    assert statuses(await told(site, f"{raw}If-Unmodified-Since: {before}\r\n\r\n")) == [412]


@pytest.mark.parametrize(("path", "status"), [("a" * 300, 200), (f"{'a' * 300}.js", 404)])
async def test_an_address_too_long_for_a_file_is_an_unknown_one(serve, screens, path, status):
    site = await serve(screens=screens)
    answer = await told(site, f"GET /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert statuses(answer) == [status], answer
