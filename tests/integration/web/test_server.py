"""Health, figures, the screens, and the headers that every answer carries."""

import json
import urllib.parse

import aiohttp
import pytest
from aiohttp import web

from config.settings import WebSettings
from tests.support.whole import figures
from web.hub import Hub
from web.server import create_app, watch


@pytest.fixture
def screens(tmp_path):
    """Build a small application."""
    folder = tmp_path / "app"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html><title>zuoxi</title>")
    (folder / "assets" / "index-B1a2C3d4.js").write_text("export {}")
    (folder / "favicon.svg").write_text("<svg/>")
    (tmp_path / "secret.txt").write_text("secret")
    return folder


async def fetch(site, path, **headers):
    async with site.anonymous().client.get(site.url + path, headers=headers) as answer:
        return answer.status, answer.headers, await answer.text()


async def test_health_is_ready_while_calls_are_served(site):
    status, _, body = await fetch(site, "/healthz")
    health = json.loads(body)
    assert (status, health["status"], health["database"]) == (200, "ready", "up")
    assert health["journal_behind"] == 2
    for state in ("disconnected", "refused", "syncing", "fenced"):
        site.link.update(state=state, reason="gone")
        status, _, body = await fetch(site, "/healthz")
        assert (status, json.loads(body)["pbx"]) == (503, state)


async def test_health_answers_head_too(site):
    async with site.anonymous().client.head(f"{site.url}/healthz") as answer:
        assert (answer.status, await answer.read()) == (200, b"")


async def test_metrics_can_be_read_and_hold_the_figures(site):
    browser = await site.browser("amy")
    site.link.update(lag_seconds=0.25, malformed=2)
    async with browser.live() as live:
        await live.subscribe("desk")
        _, headers, text = await fetch(site, "/metrics")
    assert headers["Content-Type"].startswith("text/plain")
    values = figures(text)
    assert values["zuoxi_pbx_state", "ready"] == 1
    assert values["zuoxi_pbx_state", "fenced"] == 0
    assert values[("zuoxi_pbx_lag_seconds",)] == 0.25
    assert values["zuoxi_pbx_events_total", "Hangup"] == 3
    assert values[("zuoxi_pbx_malformed_total",)] == 2
    assert values[("zuoxi_journal_behind",)] == 2
    assert values["zuoxi_queue_waiting", "support"] == 0
    assert values[("zuoxi_panels",)] == 1
    assert values[("zuoxi_live_clients",)] == 1
    assert values[("zuoxi_inputs_waiting",)] == 4
    assert values["zuoxi_http_request_seconds_count", "/api/v1/session", "200", "POST"] == 1


async def test_metrics_from_elsewhere_need_the_right(site):
    for headers in ({"X-Forwarded-For": "127.0.0.1"}, {"Forwarded": "for=127.0.0.1"}):
        assert (await fetch(site, "/metrics", **headers))[0] == 401
    lea, ada = await site.browser("lea"), await site.browser("ada")
    forwarded = {"X-Forwarded-For": "10.0.0.1"}
    async with lea.client.get(f"{site.url}/metrics", headers=forwarded) as answer:
        assert answer.status == 403
    async with ada.client.get(f"{site.url}/metrics", headers=forwarded) as answer:
        assert answer.status == 200


async def test_the_api_document_is_served(site):
    status, _, body = await fetch(site, "/api/openapi.json")
    assert (status, json.loads(body)["openapi"]) == (200, "3.1.0")


async def test_screens_that_are_not_built_say_so(site):
    status, headers, body = await fetch(site, "/")
    assert status == 503
    assert headers["Content-Type"].startswith("text/html")
    assert "./zuoxi build" in body


async def test_screens_hashed_files_stay_in_caches_and_the_page_does_not(serve, screens):
    site = await serve(screens=screens)
    for path in ("/", "/desk", "/calls/pbx1-17.1", "/index.html"):
        status, headers, body = await fetch(site, path, Accept="text/html,*/*")
        assert (status, headers["Cache-Control"]) == (200, "no-cache"), path
        assert "<title>zuoxi" in body
    assert (await fetch(site, "/assets/gone-B1a2C3d4.js"))[0] == 404
    _, headers, _ = await fetch(site, "/assets/index-B1a2C3d4.js")
    assert headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert "javascript" in headers["Content-Type"]
    _, headers, _ = await fetch(site, "/favicon.svg")
    assert headers["Cache-Control"] == "no-cache"


@pytest.mark.parametrize(
    "path",
    [
        "/../secret.txt",
        "/assets/../../secret.txt",
        "/%2e%2e/secret.txt",
        "/..%2fsecret.txt",
        "/%00",
    ],
)
async def test_nothing_outside_the_screens_is_served(serve, screens, path):
    import asyncio

    site = await serve(screens=screens)
    host, port = urllib.parse.urlsplit(site.url).netloc.split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    assert b"secret" not in answer.partition(b"\r\n\r\n")[2]
    assert b" 500 " not in answer.splitlines()[0]


async def test_unknown_addresses_and_methods_are_problems(site):
    browser = await site.browser("amy")
    status, body = await browser.send("GET", "/api/v1/nothing")
    assert (status, body["code"]) == (404, "unknown_address")
    status, body = await browser.send("PATCH", "/api/v1/session")
    assert (status, body["code"]) == (405, "wrong_method")


async def test_every_answer_is_guarded(serve, screens):
    site = await serve(screens=screens)
    for path in (
        "/",
        "/api/v1/session",
        "/healthz",
        "/api/v1/nothing",
        "/assets/index-B1a2C3d4.js",
    ):
        _, headers, _ = await fetch(site, path)
        policy = dict(
            part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";")
        )
        assert policy["script-src"] == "'self'"
        assert policy["frame-ancestors"] == "'none'"
        assert policy["connect-src"] == "'self' wss://pbx.example:8089"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers.getall("Server") == ["zuoxi"]
        assert headers["Referrer-Policy"] == "same-origin"
        assert "microphone=(self)" in headers["Permissions-Policy"]
    _, headers, _ = await fetch(site, "/api/v1/session")
    assert headers["Cache-Control"] == "no-store"


async def test_configured_origins_alone_are_ours_and_https_makes_the_cookie_secure(serve, password):
    origin = "https://desk.example"
    site = await serve(settings=WebSettings(origins=[origin]))
    body = {"user": "amy", "password": password}
    status, answer = await site.anonymous().send("POST", "/api/v1/session", body)
    assert (status, answer["code"]) == (403, "wrong_origin")
    async with site.anonymous().client.post(
        f"{site.url}/api/v1/session", json=body, headers={"Origin": origin}
    ) as reply:
        assert reply.status == 200
        given = reply.headers["Set-Cookie"]
        csrf = (await reply.json())["csrf"]
    cookie = given.split(";")[0]
    assert cookie.startswith("__Host-zuoxi_session=")
    assert "; Secure" in given
    assert "; Path=/" in given
    assert "Domain" not in given

    async def ask(method: str, cookie: str) -> tuple[int, str]:
        headers = {"Origin": origin, "X-Zuoxi-Csrf": csrf, "Cookie": cookie}
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
            url = f"{site.url}/api/v1/session"
            async with http.request(method, url, headers=headers) as reply:
                return reply.status, reply.headers.get("Set-Cookie", "")

    planted = cookie.removeprefix("__Host-")
    assert (await ask("GET", planted))[0] == 401, "a cookie that a neighbour could have planted"
    assert (await ask("GET", cookie))[0] == 200
    status, gone = await ask("DELETE", cookie)
    assert status == 204
    assert "__Host-zuoxi_session=" in gone
    assert "; Secure" in gone, "browsers drop it only so"
    assert (await ask("GET", cookie))[0] == 401


async def test_background_work_that_fails_is_told_to_who_watches(site, monkeypatch):
    async def fails(_self):
        raise RuntimeError("the clockwork broke")

    monkeypatch.setattr(Hub, "run", fails)
    app = create_app(site.services)
    runner = web.AppRunner(app)
    await runner.setup()
    with pytest.raises(RuntimeError, match="clockwork"):
        await watch(app)
    await runner.cleanup()
