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


async def test_a_queue_over_its_limit_is_an_alarm_for_all_who_watch(site):
    lea, ada = await site.browser("lea"), await site.browser("ada")
    async with lea.live() as first, ada.live() as second:
        await first.subscribe("floor")
        await second.subscribe("floor")
        long_ago = time.time() - 61
        site.core.happened(
            domain.QueueEntered(
                at=long_ago,
                call_id="c1",
                visit_id="v1",
                queue="support",
                channel="PJSIP/trunk-1",
                leg_id="l1",
                entered_at=long_ago,
            )
        )
        key = "queue.support.longest_wait"
        await first.until(lambda rows: key in rows["alarms"])
        await second.until(lambda rows: key in rows["alarms"])
        assert first.rows["alarms"][key] == second.rows["alarms"][key]
        assert first.rows["alarms"][key]["code"] == "queue_over_threshold"


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


async def test_the_desk_is_in_the_browser_of_the_newer_sign_in(site):
    older, newer = await site.browser("amy"), await site.browser("amy")
    async with older.live() as first:
        await first.subscribe("desk")
        async with newer.live() as second:
            await second.subscribe("desk")
            assert await first.closed() == 4409
            async with older.live() as again:
                await again.send({"type": "subscribe", "topics": ["desk"]})
                assert await again.closed() == 4409
            _ready(site)
            await second.until(lambda rows: rows["me"]["1001"]["state"] == "ready")
            assert site.core.told == [ALIVE], "a panel was there all the time"


async def test_a_desk_that_is_asked_for_comes_but_not_out_of_a_call(site):
    older, newer = await site.browser("amy"), await site.browser("amy")
    async with newer.live() as second, older.live() as first:
        await second.subscribe("desk")
        _ready(site, "talking")
        await first.send({"type": "subscribe", "topics": ["desk"], "take": True})
        assert await first.closed() == 4423
        _ready(site, "wrap_up")
        await second.until(lambda rows: rows["me"]["1001"]["state"] == "wrap_up")
        async with older.live() as again:
            await again.subscribe("desk", take=True)
            assert await second.closed() == 4409
    await site.core.told_of(LOST)


async def test_a_browser_that_signed_out_has_no_desk(site):
    older, newer = await site.browser("amy"), await site.browser("amy")
    async with newer.live() as second, older.live() as first:
        await second.subscribe("desk")
        _ready(site, "talking")
        await newer.send("DELETE", "/api/v1/session")
        assert await second.closed() == 4401
        await first.subscribe("desk")


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


async def test_signing_out_ends_the_connection_before_the_database_has_answered(
    site, pool, monkeypatch
):
    monkeypatch.setattr("web.database.DATABASE_SECONDS", 60.0)
    browser = await site.browser("amy")
    async with browser.live() as live, pool.acquire() as connection:
        await live.subscribe("desk")
        async with connection.transaction():
            await connection.execute("LOCK TABLE sessions")
            leaving = asyncio.create_task(browser.send("DELETE", "/api/v1/session"))
            async with asyncio.timeout(15):
                assert await live.closed() == 4401
            assert not leaving.done()
        assert await leaving == (204, None)
    assert await pool.fetchval("SELECT bool_and(revoked_at IS NOT NULL) FROM sessions")


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


@pytest.mark.parametrize("opcode", [0x9, 0xA], ids=["ping", "pong"])
async def test_a_flood_of_control_frames_ends_the_connection_too(site, opcode):
    """They are no messages, and each ping is answered: nobody would count them."""
    browser, other = await site.browser("lea"), await site.browser("amy")
    async with other.live() as live:
        await live.subscribe("desk")
        reader, writer = await _raw_floor(site, browser)
        writer.transport.resume_reading()
        with contextlib.suppress(ConnectionError):
            for _ in range(10):
                writer.write(bytes([0x80 | opcode, 0x80]) + bytes(4) + b"")
                await writer.drain()
            assert len(site.hub) == 2, "a few are well"
            writer.write((bytes([0x80 | opcode, 0x80]) + bytes(4)) * 10_000)
            await writer.drain()
            assert b"too many messages" in await reader.read()
        assert len(site.hub) == 1
        _ready(site)
        await live.until(lambda rows: rows["me"]["1001"]["state"] == "ready")
        writer.close()


async def test_a_ping_is_answered_and_ours_are_heard(site, monkeypatch):
    monkeypatch.setattr(live_socket, "PING_SECONDS", 0.5)
    browser = await site.browser("amy")
    async with browser.live() as live:
        await live.subscribe("desk")
        await (await live.socket.ping())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):  # four of ours, each given up after half of its time
                assert await live.closed() == 0
        assert len(site.hub) == 1


@pytest.mark.parametrize(
    "frames",
    [
        [b"\x81\xff" + (2**62).to_bytes(8, "big")],
        [b"\x01\xfe\x03\xe8" + bytes(4) + b"x" * 1000] + [b"\x00\xfe\x03\xe8" + bytes(1004)] * 50,
        [b"\x80\x80" + bytes(4)],
        [b"\xf1\x80" + bytes(4)],
        [b"\x83\x80" + bytes(4)],
        [b"\x89\xfe\x01\x00" + bytes(4 + 256)],
        [b"\x81\x02{}"],
    ],
    ids=[
        "huge",
        "pieces without end",
        "rest of nothing",
        "reserved bits",
        "unknown",
        "long ping",
        "bare",
    ],
)
async def test_frames_that_are_none_end_the_connection_and_nothing_else(site, frames):
    browser, other = await site.browser("lea"), await site.browser("amy")
    async with other.live() as live:
        await live.subscribe("desk")
        reader, writer = await _raw_floor(site, browser)
        writer.transport.resume_reading()
        with contextlib.suppress(ConnectionError):
            for frame in frames:
                writer.write(frame)
                await writer.drain()
            async with asyncio.timeout(10):
                await reader.read()
        await until(lambda: len(site.hub) == 1)
        _ready(site)
        await live.until(lambda rows: rows["me"]["1001"]["state"] == "ready")
        writer.close()


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


@pytest.mark.parametrize("begins_to_read", [True, False])
async def test_a_browser_that_goes_on_not_reading_is_cut_off_and_leaves_nothing(
    site, monkeypatch, begins_to_read
):
    """It says "alive", as a page does whose screen hangs: only the writer can tell.

    What it did not take is thrown away; if it reads in time it hears why.
    """
    monkeypatch.setattr(hub, "SEND_SECONDS", 0.5)
    monkeypatch.setattr(live_socket, "CLOSE_SECONDS", 0.5)
    monkeypatch.setattr(hub, "FLOOR_SECONDS", 0.002)
    browser, other = await site.browser("lea"), await site.browser("amy")
    before = site.connections
    stuck = await _raw_floor(site, browser)
    async with other.live() as live:
        await live.subscribe("desk")
        await _fill(site)
        await until(lambda: len(site.hub) == 1)
        _ready(site)
        await live.until(lambda rows: rows["me"]["1001"]["state"] == "ready")
    if begins_to_read:
        with contextlib.suppress(RuntimeError):
            stuck[1].transport.resume_reading()
        raw = await stuck[0].read()
        assert raw.endswith(b"the page did not read")
        assert int.from_bytes(raw[-23:-21], "big") == 1013
    await until(lambda: site.connections == before)
    stuck[1].close()


@pytest.mark.parametrize("end", ["signed out", "server ends"])
async def test_a_browser_that_does_not_read_is_no_longer_connected_than_its_session(
    site, monkeypatch, end
):
    monkeypatch.setattr(hub, "FLOOR_SECONDS", 0.002)
    browser, other = await site.browser("lea"), await site.browser("lea")
    stuck = await _raw_floor(site, browser)
    await _fill(site)
    started = time.monotonic()
    if end == "signed out":
        await browser.send("DELETE", "/api/v1/session")
    else:
        site.hub.close()
    await other.send("GET", "/api/v1/session")
    await until(lambda: not len(site.hub))
    assert time.monotonic() - started < 2.0
    stuck[1].close()


async def _fill(site):
    """Until the writer waits for the browser: its queue grows."""
    number = 0
    while not any(len(client._queue) > 5 for client in site.hub._clients):
        number += 1
        _alarms(site, number)
        await asyncio.sleep(0.005)


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
