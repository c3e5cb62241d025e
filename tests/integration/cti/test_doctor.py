"""`./zuoxi doctor` against a real Asterisk and PostgreSQL: healthy, and broken one by one."""

import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from config.floor import ExtensionSettings, Floor
from config.settings import Settings, from_values
from cti import doctor, process
from cti.doctor import Finding, database, embedded, examine, show, sip_websocket
from cti.journal.database import migrate
from cti.pbxfiles import PbxFilesInput, render
from cti.sandbox.postgres import Postgres
from cti.sandbox.system import Place
from tests.support.certificates import self_made
from tests.support.dialplan import SECRET, floor, phones, put
from tests.support.remote import TestRemote
from tests.support.sandbox import TestPbx, TestSandbox

pytestmark = pytest.mark.asterisk


def settings_for(pbx: TestPbx, folder: Path, plan: Floor, **pbx_settings: Any) -> Settings:
    for name in ("spool", "store"):
        (folder / name).mkdir()
        (folder / name).chmod(0o2770)
    return from_values(
        {
            "pbx": {
                "ami_port": pbx.ports.ami,
                "ami_secret": SECRET,
                "agi_port": 1,
                **pbx_settings,
            },
            "database": {"dsn": "postgresql://127.0.0.1:1/none"},
            "recording": {
                "spool_folder": str(folder / "spool"),
                "store_folder": str(folder / "store"),
            },
            "floor": plan.model_dump(),
        },
        "test",
    )


def with_browser() -> Floor:
    browser = ExtensionSettings(number="8003", kind="browser")
    return floor().model_copy(update={"extensions": [*floor().extensions, browser]})


async def start(sandbox: TestSandbox, plan: Floor, *, leave_out: str = "") -> TestPbx:
    files = render(
        PbxFilesInput(
            ami_user="zuoxi",
            ami_secret=SECRET,
            agi_host="127.0.0.1",
            agi_port=1,
            floor=plan,
            extension_secrets=phones(plan),
            spool_folder=Path("/tmp"),
        )
    )

    def install(etc: Path) -> None:
        put(etc, files)
        manager = etc / "manager.conf"
        text = manager.read_text()
        if leave_out == "timestampevents":
            manager.write_text(text.replace("timestampevents = yes", ""))
        elif leave_out == "rights":
            account = etc / "zuoxi_manager.conf"
            account.write_text(account.read_text().replace("write = call,agent,", "write = "))
        elif leave_out == "modesty":
            account = etc / "zuoxi_manager.conf"
            account.write_text(account.read_text().replace("write = call", "write = command,call"))
        elif leave_out == "codec_opus":
            modules = etc / "modules.conf"
            modules.write_text(modules.read_text().replace("load = codec_opus", "; "))
        elif leave_out:
            (etc / leave_out).write_text("")

    return await sandbox.pbx(install=install)


def by_check(findings: list[Finding]) -> dict[str, Finding]:
    return {each.check: each for each in findings}


async def transcodes_opus(remote: TestRemote) -> bool:
    """Whether this build has the module, under either of its names."""
    names = [f"IFMODULE({name}.so)" for name in ("codec_opus", "codec_opus_open_source")]
    return "1" in [(await remote.act("Getvar", Variable=name))["Value"] for name in names]


async def test_healthy_site_has_nothing_bad(
    sandbox: TestSandbox, tmp_path: Path, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "built", lambda: "yes")
    monkeypatch.setattr(doctor, "FREE_BYTES", 0)
    plan = with_browser()
    pbx = await start(sandbox, plan)
    remote = await sandbox.remote(pbx)
    codecs = ["opus", "alaw"] if await transcodes_opus(remote) else ["alaw"]
    findings = await examine(settings_for(pbx, tmp_path, plan, browser_codecs=codecs), database)
    assert [each for each in findings if each.level == "bad"] == []
    # The server does not run here, and Asterisk may be Debian's: doctor says so.
    version = (await remote.act("CoreSettings"))["AsteriskVersion"]
    debians = "dfsg" in version
    warned = {each.check for each in findings if each.level == "warn"}
    assert warned == {"heartbeat", "hooks", *(["Asterisk"] * debians)}
    assert by_check(findings)["heartbeat"].what == "no server has ever beaten"
    assert by_check(findings)["Asterisk"].what.startswith(version)
    assert ("Debian" in by_check(findings)["Asterisk"].what) is debians
    assert by_check(findings)["database"].level == "ok"
    assert show(findings, Console(quiet=True)) == 0


async def test_debians_asterisk_is_no_matter_where_all_phones_are_transcoded(
    sandbox: TestSandbox, tmp_path: Path
) -> None:
    plan = with_browser()
    pbx = await start(sandbox, plan)
    codecs = {"desk_codecs": ["g722"], "browser_codecs": ["opus"]}
    settings = settings_for(pbx, tmp_path, plan, **codecs)
    assert by_check(await examine(settings))["Asterisk"].level == "ok"


@pytest.mark.parametrize(
    ("leave_out", "check", "words"),
    [
        ("timestampevents", "events", "timestampevents=yes"),
        ("rights", "rights", "write=call,agent,user,reporting"),
        ("modesty", "rights", "command"),
        ("zuoxi_extensions.conf", "dialplan", "zuoxi_extensions.conf"),
        ("zuoxi_queues.conf", "native queues", "zuoxi_queues.conf"),
        ("zuoxi_pjsip.conf", "extensions", "zuoxi_pjsip.conf"),
        ("zuoxi_manager.conf", "AMI", "zuoxi_manager.conf"),
        ("codec_opus", "modules", "browser_codecs"),
    ],
)
async def test_what_is_missing_is_named_with_its_remedy(
    sandbox: TestSandbox, tmp_path: Path, leave_out: str, check: str, words: str
) -> None:
    plan = with_browser()
    pbx = await start(sandbox, plan, leave_out=leave_out)
    findings = await examine(settings_for(pbx, tmp_path, plan))
    assert by_check(findings)[check].level != "ok"
    assert words in by_check(findings)[check].how_to_mend
    assert all(each.how_to_mend for each in findings if each.level != "ok")


@pytest.mark.parametrize(
    ("seconds_ago", "level", "words"), [(0, "ok", ""), (600, "warn", "start `./zuoxi serve`")]
)
async def test_a_heart_that_has_stopped_is_told_from_one_that_beats(
    sandbox: TestSandbox, tmp_path: Path, seconds_ago: int, level: str, words: str
) -> None:
    plan = floor()
    pbx = await start(sandbox, plan)
    remote = await sandbox.remote(pbx)
    beat = str(int(time.time()) - seconds_ago)
    await remote.act("Setvar", Variable="ZX_HEARTBEAT", Value=beat)
    finding = by_check(await examine(settings_for(pbx, tmp_path, plan)))["heartbeat"]
    assert finding.level == level
    assert words in finding.how_to_mend


async def test_asterisks_own_secure_websocket_is_opened_as_browsers_do(
    sandbox: TestSandbox, tmp_path: Path, free_port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    pem = self_made(tmp_path)

    def secure(etc: Path) -> None:
        for file in (pem.chain, pem.key):
            sandbox.place.write(etc / file.name, file.read_text())
        with (etc / "http.conf").open("a") as http:
            http.write(f"tlsenable = yes\ntlsbindaddr = 127.0.0.1:{free_port}\n")
            http.write(f"tlscertfile = {etc / pem.chain.name}\n")
            http.write(f"tlsprivatekey = {etc / pem.key.name}\n")

    pbx = await sandbox.pbx(install=secure)
    url = f"wss://127.0.0.1:{free_port}/ws"
    settings = settings_for(pbx, tmp_path, with_browser(), sip_ws_url=url)
    [found] = await sip_websocket(settings)
    assert (found.level, "not trusted" in found.what) == ("bad", True), found
    monkeypatch.setenv("SSL_CERT_FILE", str(pem.chain))
    [found] = await sip_websocket(settings)
    assert (found.level, found.what) == ("ok", f"{url}, 99 days left")


async def test_no_asterisk_and_no_database_are_told(tmp_path: Path, free_port: int) -> None:
    settings = from_values(
        {
            "pbx": {"ami_port": free_port, "ami_secret": SECRET},
            "recording": {
                "spool_folder": str(tmp_path / "none"),
                "store_folder": str(tmp_path / "store"),
            },
        },
        "test",
    )
    findings = by_check(await examine(settings, f"postgresql://127.0.0.1:{free_port}/x"))
    for check in ("AMI", "database", "recording spool"):
        assert findings[check].level == "bad", check
        assert findings[check].how_to_mend
    assert show(list(findings.values()), Console(quiet=True)) == 1


async def test_the_embedded_database_is_looked_at(
    place: Place, postgres_programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = Place(place.folder("examined"), place.user)
    server = Postgres(place=own, binaries=postgres_programs)
    monkeypatch.setattr(process, "state_folders", lambda: (own.state, tmp_path))
    monkeypatch.setattr(process, "prepare_place", lambda **_: own)
    monkeypatch.setattr(process, "ensure_binaries", lambda *_, **__: postgres_programs)
    settings = from_values({"pbx": {"ami_secret": SECRET}}, "test")
    [found] = await embedded(settings)
    assert (found.level, "made at the first start" in found.what) == ("ok", True)
    assert not server.data.exists(), "looking makes nothing"

    async with process.database_dsn(settings) as dsn:
        [found] = await embedded(settings)
        assert (found.level, "no tables" in found.what) == ("warn", True)
        await migrate(dsn)
        [found] = await embedded(settings)
        assert (found.level, "the embedded PostgreSQL" in found.what) == ("ok", True)
    (server.data / "postgresql.conf").write_text("no_such_setting = 1\n")
    [found] = await embedded(settings)
    assert (found.level, "no_such_setting" in found.what) == ("bad", True)


async def test_database_without_our_tables_is_told(postgres: Any) -> None:
    dsn = await postgres.create_database("empty_for_doctor")
    [finding] = await database(dsn)
    assert (finding.level, "no tables" in finding.what) == ("warn", True)
