"""The checks of our own side, and of a PBX that says what no healthy one says."""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer

from config.floor import Floor
from config.settings import Settings, from_values
from crm.callers import CallerIndex
from cti import doctor
from cti.agi.server import AgiServer
from cti.doctor import Finding, certificate, folders, hooks, sip_websocket
from cti.hooks import Hooks
from cti.inputs import Input
from cti.lookup import LookUp
from cti.pbxfiles import SOUNDS
from tests.support.ami_server import SECRET, USER, AmiServer, Headers, success
from tests.support.certificates import Pem, encrypted, self_made


def settings(**values: Any) -> Settings:
    return from_values({"pbx": {"ami_secret": "x" * 20} | values.pop("pbx", {}), **values}, "test")


def levels(findings: list[Finding]) -> dict[str, str]:
    return {each.check: each.level for each in findings}


@pytest.mark.parametrize(("days", "level"), [(200, "ok"), (5.5, "warn"), (-1, "bad")])
def test_certificate_by_its_age(tmp_path: Path, days: float, level: str) -> None:
    assert levels(certificate(settings(web=self_made(tmp_path, days).web))) == {"TLS": level}


def test_key_of_another_certificate(tmp_path: Path) -> None:
    other = self_made(tmp_path).key.read_bytes()
    pem = self_made(tmp_path)
    pem.key.write_bytes(other)
    assert levels(certificate(settings(web=pem.web))) == {"TLS": "bad"}


def test_key_behind_a_passphrase(tmp_path: Path) -> None:
    pem = self_made(tmp_path)
    pem.key.write_bytes(encrypted(pem.key.read_bytes()))
    assert levels(certificate(settings(web=pem.web))) == {"TLS": "bad"}


@pytest.mark.parametrize(
    ("values", "level"),
    [
        ({}, "ok"),
        ({"web": {"host": "0.0.0.0"}}, "bad"),
        ({"web": {"host": "0.0.0.0", "origins": ["https://panel.example.com"]}}, "ok"),
        ({"pbx": {"sip_ws_url": "ws://pbx.example.com:8088/ws"}}, "bad"),
        ({"pbx": {"sip_ws_url": "wss://pbx.example.com:8089/ws"}}, "ok"),
    ],
)
def test_microphone_needs_tls(values: dict[str, Any], level: str) -> None:
    assert levels(certificate(settings(**values)))["TLS"] == level


def test_folders(tmp_path: Path) -> None:
    recording = {"spool_folder": str(tmp_path / "spool"), "store_folder": str(tmp_path / "a/b")}
    assert levels(folders(settings(recording=recording)))["recording spool"] == "bad"
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool").chmod(0o2775)
    assert levels(folders(settings(recording=recording)))["recording spool"] == "warn"
    (tmp_path / "spool").chmod(0o2770)
    found = levels(folders(settings(recording=recording)))
    assert (found["recording spool"], found["recording store"]) == ("ok", "ok")


@pytest.mark.parametrize(("state", "level"), [("yes", "ok"), ("old", "warn"), ("no", "bad")])
def test_screens(monkeypatch: pytest.MonkeyPatch, state: str, level: str) -> None:
    monkeypatch.setattr(doctor, "built", lambda: state)
    found = doctor.screens()
    assert found.level == level
    assert (found.how_to_mend == "") is (level == "ok")


FLOOR = {
    "queues": [{"name": "support"}],
    "extensions": [{"number": "8001", "kind": "browser"}],
}


async def hook(port: int, **pbx: Any) -> Finding:
    """What doctor finds where the hooks should be."""
    pbx = {"agi_port": port, "agi_allowed": ["127.0.0.1"]} | pbx
    return (await hooks(settings(pbx=pbx, floor=FLOOR)))[-1]


async def test_hooks_that_nobody_hears(free_port: int) -> None:
    found = await hook(free_port)
    assert (found.level, "nobody listens" in found.what) == ("warn", True)
    assert "start `./zuoxi serve`" in found.how_to_mend


async def test_hooks_of_our_server_are_asked(free_port: int) -> None:
    asked: list[str] = []

    def is_open(queue: str) -> bool:
        asked.append(queue)
        return False

    told: list[Input] = []
    plan = Floor.model_validate(FLOOR)
    look_up = LookUp(plan, CallerIndex(no_database, region="CN", try_again=()))
    handlers = Hooks(plan, look_up, is_open, told.append).handlers()
    server = AgiServer(handlers, allowed=["127.0.0.1"])
    await server.start("127.0.0.1", free_port)
    try:
        assert (await hook(free_port)).level == "ok"
        assert (asked, told) == (["support"], [])
        stranger = await hook(free_port, agi_allowed=["10.1.2.3"])
        assert (stranger.level, "agi_allowed" in stranger.how_to_mend) == ("warn", True)
        nothing_to_ask = await hooks(settings(pbx={"agi_port": free_port}))
        assert [each.level for each in nothing_to_ask] == ["warn"]
        elsewhere = settings(pbx={"agi_port": free_port, "ami_host": "10.1.2.3"}, floor=FLOOR)
        assert [each.level for each in await hooks(elsewhere)] == ["warn", "ok"]
    finally:
        await server.close()


async def no_database() -> Any:
    raise OSError


@pytest.mark.parametrize(
    ("says", "shown"),
    [
        (b"", "nothing"),
        (None, "nothing"),
        (b"x" * 100_000, "nothing"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0"),
        (b'SET VARIABLE "ARRAY(ZX_OTHER)" "yes"\n', "ZX_OTHER"),
    ],
)
async def test_a_listener_that_is_none_of_ours_is_named(
    free_port: int, says: bytes | None, shown: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "DEADLINE_SECONDS", 0.2)
    over = asyncio.Event()

    async def stranger(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if says is None:  # hears and never answers
            await over.wait()
        writer.write(says or b"")
        writer.close()

    async with await asyncio.start_server(stranger, "127.0.0.1", free_port):
        found = await hook(free_port)
        over.set()
    assert found.level == "bad"
    assert f"127.0.0.1:{free_port} is no server of ours" in found.what
    assert shown in found.what
    assert f":{free_port}" in found.how_to_mend


@asynccontextmanager
async def websocket(pem: Pem, *, speaks: bool = True) -> AsyncIterator[str]:
    """Asterisk's secure WebSocket for SIP, as far as a handshake goes; its address."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if not speaks:
            return web.Response(status=404)
        socket = web.WebSocketResponse(protocols=["sip"])
        await socket.prepare(request)
        await socket.receive()
        return socket

    pages = web.Application()
    pages.router.add_get("/ws", answer)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem.chain, pem.key)
    server = TestServer(pages, host="127.0.0.1")
    await server.start_server(ssl=context)
    try:
        yield f"wss://127.0.0.1:{server.port}/ws"
    finally:
        await server.close()


async def sip(url: str) -> Finding:
    [found] = await sip_websocket(settings(pbx={"sip_ws_url": url}, floor=FLOOR))
    assert (found.how_to_mend == "") is (found.level == "ok")
    return found


@pytest.mark.parametrize(
    ("pem", "level", "what"),
    [
        ({"days": 100}, "ok", "days left"),
        ({"days": 5.5}, "warn", "expires in 5 days"),
        ({"days": -1}, "bad", "has expired"),
        ({"address": "10.1.2.3"}, "bad", "not for 127.0.0.1"),
    ],
)
async def test_the_certificate_that_browsers_meet_at_asterisk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pem: dict[str, Any], level: str, what: str
) -> None:
    made = self_made(tmp_path, **pem)
    monkeypatch.setenv("SSL_CERT_FILE", str(made.chain))
    async with websocket(made) as url:
        found = await sip(url)
    assert (found.level, what in found.what) == (level, True), found


async def test_a_certificate_that_nobody_trusts(tmp_path: Path) -> None:
    async with websocket(self_made(tmp_path)) as url:
        found = await sip(url)
    assert (found.level, "not trusted: self" in found.what) == ("bad", True), found


async def test_no_websocket_where_browsers_are_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, free_port: int
) -> None:
    nobody = await sip(f"wss://127.0.0.1:{free_port}/ws")
    assert (nobody.level, "nobody listens" in nobody.what) == ("bad", True)
    assert "tlsenable" in nobody.how_to_mend
    unnamed = await sip("wss://pbx.invalid:8089/ws")
    assert (unnamed.level, "pbx.invalid is no name" in unnamed.what) == ("bad", True), unnamed

    pem = self_made(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(pem.chain))
    async with websocket(pem, speaks=False) as url:
        other = await sip(url)
    assert (other.level, "answers 404" in other.what) == ("bad", True)

    async def plain(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(plain, "127.0.0.1", free_port):
        found = await sip(f"wss://127.0.0.1:{free_port}/ws")
    assert (found.level, "speaks no TLS" in found.what) == ("bad", True), found


async def test_without_browsers_no_websocket_is_needed(free_port: int) -> None:
    url = f"wss://127.0.0.1:{free_port}/ws"
    assert await sip_websocket(settings(pbx={"sip_ws_url": url})) == []


@pytest_asyncio.fixture
async def pbx(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[AmiServer]:
    """A PBX that answers and tells nothing."""
    monkeypatch.setattr(doctor, "EVENT_SECONDS", 0.0)
    async with AmiServer() as server:
        yield server


async def finding(pbx: AmiServer, check: str) -> Finding:
    """What doctor finds there."""
    values = {"ami_port": pbx.port, "ami_user": USER, "ami_secret": SECRET}
    [found] = [each for each in await doctor.pbx(settings(pbx=values)) if each.check == check]
    return found


@pytest.mark.parametrize(
    ("ahead_seconds", "level", "what"),
    [(0, "ok", "ms apart"), (90, "warn", "differs by +90."), (-90, "warn", "differs by -")],
)
async def test_clocks_that_differ(
    pbx: AmiServer, ahead_seconds: float, level: str, what: str
) -> None:
    def pong(action: Headers) -> bytes:
        return success(action, Ping="Pong", Timestamp=f"{time.time() + ahead_seconds:.6f}")

    pbx.answers["Ping"] = pong
    found = await finding(pbx, "clocks")
    assert found.level == level
    assert what in found.what
    assert ("chrony" in found.how_to_mend) is (level == "warn")


async def test_sounds_that_are_missing(pbx: AmiServer, tmp_path: Path) -> None:
    pbx.answers["Getvar"] = lambda action: success(action, Value=str(tmp_path))
    unseen = await finding(pbx, "sounds")
    assert (unseen.level, "not on this machine" in unseen.what) == ("warn", True)
    assert "see on Asterisk's machine" in unseen.how_to_mend

    first, *others = sorted({part for each in SOUNDS.values() for part in each.split("&")})
    chinese = tmp_path / "sounds" / "zh"
    (chinese / "digits").mkdir(parents=True)
    for sound in others:
        (chinese / f"{sound}.ulaw").touch()
    missing = await finding(pbx, "sounds")
    assert (missing.level, missing.what) == ("bad", f"missing: {first}")
    assert "asterisk-core-sounds" in missing.how_to_mend

    (chinese / f"{first}.wav").touch()
    assert (await finding(pbx, "sounds")).level == "ok"
