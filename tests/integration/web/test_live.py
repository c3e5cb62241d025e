"""The live connection with a real WebSocket client: snapshots, panels, and whoever misbehaves."""

import asyncio
import contextlib
import json
import time

import aiohttp
import pytest
import websockets

from cti import domain
from cti.inputs import PanelAlive, PanelLost
from tests.support.until import until
from web import hub, live_socket

ALIVE, LOST = PanelAlive(agent_id="1001"), PanelLost(agent_id="1001")


def _ready(site, state="ready"):
    site.core.happened(domain.AgentStateChanged(at=time.time(), agent_id="1001", state=state))


async def test_desk_snapshot_then_changes(site):
    browser = await site.browser("amy")
    async with browser.live() as live:
        await live.subscribe("desk")
        assert sorted(live.rows) == ["calls", "me", "offers", "queues"]
        assert live.rows["me"]["1001"]["state"] == "signed_out"
        _ready(site)
        await live.until(lambda rows: rows["me"]["1001"]["state"] == "ready")


async def test_floor_snapshot_and_changes_equal_a_fresh_snapshot(site):
    browser = await site.browser("lea")
    async with browser.live() as early, browser.live() as late:
        await early.subscribe("floor")
        for state in ("ready", "talking", "wrap_up", "not_ready"):
            _ready(site, state)
            await asyncio.sleep(0)
        await early.until(lambda rows: rows["agents"]["1001"]["state"] == "not_ready")
        await late.subscribe("floor")
        assert early.rows == late.rows
        assert early.seq == late.seq == 4


async def test_the_panels_life_is_told_to_the_core(site):
    browser = await site.browser("amy")
    async with browser.live() as live:
        await live.subscribe("desk")
        await site.core.told_of(ALIVE)
    await site.core.told_of(LOST)


async def test_a_panel_that_falls_silent_is_lost_and_comes_back(site, monkeypatch):
    monkeypatch.setattr("web.panels.SILENT_SECONDS", 0.5)
    browser = await site.browser("amy")
    async with browser.live() as live:
        await live.subscribe("desk")
        await site.core.told_of(LOST)
        await live.send({"type": "alive"})
        await site.core.told_of(ALIVE, times=2)


async def test_taking_a_seat_repeats_that_the_panel_is_alive(site):
    browser = await site.browser("amy")
    async with browser.live() as live:
        await live.subscribe("desk")
        await browser.send("POST", "/api/v1/agent/sign-in", {"extension": "8001"})
        assert site.core.told == [ALIVE, ALIVE]


async def test_topics_need_their_right(site):
    for user, topic in [("amy", "floor"), ("lea", "desk"), ("quinn", "floor")]:
        browser = await site.browser(user)
        async with browser.live() as live:
            await live.send({"type": "subscribe", "topics": [topic]})
            assert await live.closed() == 4403


async def test_without_session_or_from_another_site_there_is_no_connection(site):
    browser = await site.browser("amy")
    with pytest.raises(websockets.InvalidStatus) as refusal:
        async with browser.live(origin="https://evil.example"):
            pass
    assert refusal.value.response.status_code == 403
    stranger = site.anonymous(cookies={"zuoxi_session": "A" * 43})
    with pytest.raises(websockets.InvalidStatus) as refusal:
        async with stranger.live():
            pass
    assert refusal.value.response.status_code == 401


async def test_signing_out_ends_the_connection(site):
    browser = await site.browser("amy")
    async with browser.live() as live:
        await live.subscribe("desk")
        await browser.send("DELETE", "/api/v1/session")
        assert await live.closed() == 4401


async def test_a_role_taken_away_ends_the_connection_that_began_with_it(site, pool):
    """Else numbers in full and the floor stay open for as long as the page does."""
    browser = await site.browser("lea")
    new_roles = "UPDATE users SET roles = $1 WHERE name = 'lea'"
    async with browser.live() as live:
        await live.subscribe("floor")
        await pool.execute(new_roles, ["admin"])
        assert await live.closed() == 1001
    async with browser.live() as live:
        await live.subscribe("floor")
        site.core.happened(_call_of("+8613800138000"), _visit())
        await live.until(lambda rows: rows["waiting"])
        assert [row["number"] for row in live.rows["waiting"].values()] == ["+86138****8000"]
        await pool.execute(new_roles, ["quality"])
        assert await live.closed() == 1001
    async with browser.live() as live:
        await live.send({"type": "subscribe", "topics": ["floor"]})
        assert await live.closed() == 4403


async def test_another_language_or_name_does_not_end_the_connection(site, pool):
    """It would take a ringing offer back."""
    browser = await site.browser("amy")
    async with browser.live() as live:
        await live.subscribe("desk")
        await pool.execute("UPDATE users SET full_name = 'Amelia' WHERE name = 'amy'")

        async def renamed() -> bool:
            return (await browser.send("GET", "/api/v1/session"))[1]["name"] == "Amelia"

        await until(renamed)
        _ready(site)
        await live.until(lambda rows: rows["me"]["1001"]["state"] == "ready")


def _call_of(number):
    return domain.CallStarted(
        at=time.time(),
        call_id="c1",
        direction="inbound",
        caller_number=number,
        caller_name=None,
        called_number=None,
        linkedid="c1",
    )


def _visit():
    return domain.QueueEntered(
        at=time.time(),
        call_id="c1",
        visit_id="v1",
        queue="support",
        channel="x",
        leg_id="c1",
        entered_at=time.time(),
    )


@pytest.mark.parametrize(
    "garbage",
    [
        "",
        "{",
        "null",
        "[]",
        '{"type": "alive", "more": 1}',
        '{"type": "subscribe"}',
        '{"type": "subscribe", "topics": []}',
        '{"type": "subscribe", "topics": ["desk", "floor"]}',
        '{"type": "subscribe", "topics": ["\\u0000"]}',
        '{"type": ' + "[" * 500,
        b"\x00\xff\xfe",
        b'{"type": "alive"}',
    ],
)
async def test_garbage_ends_the_connection_and_nothing_else(site, garbage):
    browser = await site.browser("amy")
    async with browser.live() as other:
        await other.subscribe("desk")
        async with browser.live() as live:
            await live.socket.send(garbage)
            assert await live.closed() == 1008
        _ready(site)
        await other.until(lambda rows: rows["me"]["1001"]["state"] == "ready")


async def test_a_message_that_is_too_long_ends_the_connection(site):
    browser = await site.browser("amy")
    async with browser.live() as live:
        await live.socket.send("x" * (live_socket.MESSAGE_LIMIT_BYTES + 1))
        assert await live.closed() == 1009


async def test_text_that_is_no_utf8_ends_the_connection(site):
    browser = await site.browser("amy")
    async with browser.live() as live:
        await live.socket.send(b"\xff\xfe", text=True)
        assert await live.closed() in (1007, 1008)


async def test_a_flood_ends_the_connection(site):
    browser = await site.browser("amy")
    async with browser.live() as live:
        with contextlib.suppress(websockets.ConnectionClosed):
            for _ in range(10_000):
                await live.send({"type": "alive"})
        assert await live.closed() == 1008
    async with browser.live() as live:
        await live.subscribe("desk")


async def test_a_clock_set_back_is_no_flood(serve):
    now = [time.time()]
    site = await serve(clock=lambda: now[0])
    browser = await site.browser("amy")
    async with browser.live() as live:
        await live.subscribe("desk")
        now[0] -= 3600
        await live.send({"type": "subscribe", "topics": ["desk"]})
        while live.snapshots < 2:
            await live.receive()


async def test_a_session_has_so_many_connections_and_no_more(site, monkeypatch):
    monkeypatch.setattr(live_socket, "CONNECTIONS_PER_SESSION", 2)
    browser = await site.browser("amy")
    async with browser.live(), browser.live():
        with pytest.raises(websockets.InvalidStatus) as refusal:
            async with browser.live():
                pass
        assert refusal.value.response.status_code == 429


async def test_a_browser_that_stops_reading_holds_nobody_up(site, monkeypatch):
    """A socket that nobody reads fills up; the others go on, and it gets a snapshot later."""
    monkeypatch.setattr(hub, "FLOOR_SECONDS", 0.002)
    browser = await site.browser("lea")
    stuck = await _raw_floor(site, browser)
    async with browser.live() as live:
        await live.subscribe("floor")
        number = 0
        async with asyncio.timeout(60):
            while not site.hub.dropped:
                number += 1
                _alarms(site, number)
                await live.until(lambda rows, n=number: f"alarm{n}" in rows["alarms"])
        _ready(site, "wrap_up")
        await live.until(lambda rows: rows["agents"]["1001"]["state"] == "wrap_up")
    assert len(site.hub) == 1
    types = []
    async with asyncio.timeout(20):
        while types.count("snapshot") < 2:
            message = await _next_frame(stuck)
            types.append(message["type"])
    assert message["rows"]["agents"]["1001"]["state"] == "wrap_up"
    assert len(types) < number
    stuck[1].close()


def _alarms(site, number):
    site.hub.raise_alarm(f"alarm{number}", level="error", code="x" * 20_000)


async def _raw_floor(site, browser):
    """A connection whose reader only reads when told to."""
    host, port = site.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port), limit=2**24)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    writer.write(
        (
            f"GET /api/v1/live HTTP/1.1\r\nHost: {host}:{port}\r\nOrigin: {site.origin}\r\n"
            f"Cookie: zuoxi_session={browser.cookie}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        ).encode()
    )
    writer.transport.resume_reading()  # type: ignore[attr-defined]
    assert b"101" in await reader.readuntil(b"\r\n\r\n")
    text = json.dumps({"type": "subscribe", "topics": ["floor"]}).encode()
    writer.write(bytes([0x81, 0x80 | len(text)]) + bytes(4) + text)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    return reader, writer


async def _next_frame(stream):
    reader, writer = stream
    with contextlib.suppress(RuntimeError):
        writer.transport.resume_reading()
    first, length = await reader.readexactly(2)
    if length == 126:
        length = int.from_bytes(await reader.readexactly(2), "big")
    elif length == 127:
        length = int.from_bytes(await reader.readexactly(8), "big")
    body = await reader.readexactly(length)
    return json.loads(body) if first & 0x0F == 1 else await _next_frame(stream)


async def test_an_unfinished_handshake_is_a_problem_not_a_crash(site):
    browser = await site.browser("amy")
    status, body = await browser.send("GET", "/api/v1/live")
    assert (status, body["code"]) == (400, "refused")
    with pytest.raises(aiohttp.WSServerHandshakeError):
        await browser.client.ws_connect(f"{site.url}/api/v1/live", origin="http://evil.example")
