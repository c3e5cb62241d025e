"""The checks of our own side, and of a PBX that says what no healthy one says."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from config.settings import Settings, from_values
from cti import doctor
from cti.doctor import Finding, certificate, folders, hooks
from cti.pbxfiles import SOUNDS
from tests.support.ami_server import SECRET, USER, AmiServer, Headers, success


def settings(**values: Any) -> Settings:
    return from_values({"pbx": {"ami_secret": "x" * 20} | values.pop("pbx", {}), **values}, "test")


def levels(findings: list[Finding]) -> dict[str, str]:
    return {each.check: each.level for each in findings}


@pytest.fixture
def pem(tmp_path: Path) -> Callable[[float], dict[str, str]]:
    """Make a certificate that is valid for so many days; the [web] settings for it."""

    def make(days: float) -> dict[str, str]:
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "panel.example.com")])
        now = datetime.now(UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(1)
            .not_valid_before(now - timedelta(days=400))
            .not_valid_after(now + timedelta(days=days))
            .sign(key, hashes.SHA256())
        )
        chain, secret = tmp_path / "chain.pem", tmp_path / "key.pem"
        chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        secret.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        return {"tls_certificate": str(chain), "tls_key": str(secret)}

    return make


@pytest.mark.parametrize(("days", "level"), [(200, "ok"), (5.5, "warn"), (-1, "bad")])
def test_certificate_by_its_age(
    pem: Callable[[float], dict[str, str]], days: float, level: str
) -> None:
    assert levels(certificate(settings(web=pem(days)))) == {"TLS": level}


def test_key_of_another_certificate(pem: Callable[[float], dict[str, str]], tmp_path: Path) -> None:
    pem(100)
    other = (tmp_path / "key.pem").read_bytes()
    web = pem(100)
    (tmp_path / "key.pem").write_bytes(other)
    assert levels(certificate(settings(web=web))) == {"TLS": "bad"}


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


async def test_hooks_heard_or_not(free_port: int) -> None:
    values = {"agi_port": free_port}
    assert [each.level for each in await hooks(settings(pbx=values).pbx)] == ["warn"]
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", free_port)
    assert [each.level for each in await hooks(settings(pbx=values).pbx)] == ["ok"]
    stranger = values | {"ami_host": "10.1.2.3"}
    assert [each.level for each in await hooks(settings(pbx=stranger).pbx)] == ["warn", "ok"]
    server.close()


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
