"""The commands of the engineer, as he types them, against a running site."""

import asyncio
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.support.certificates import encrypted, self_made
from tests.support.sandbox import TestSandbox
from tests.support.whole import PASSWORD, PROJECT, Person, Whole, small_floor, whole

EXAMINED = (
    *("AMI", "rights", "events", "modules", "dialplan", "native queues", "extensions"),
    *("heartbeat", "clocks", "sounds", "hooks", "database"),
    *("recording spool", "recording store", "TLS"),
)


async def zuoxi(*arguments: str | Path, answer: str = "") -> tuple[int, str]:
    """Run a command; its exit status and all that it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "cti.cli", *map(str, arguments)),
        cwd=PROJECT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate(answer.encode())
    assert process.returncode is not None
    return process.returncode, said.decode()


def verdicts(table: str) -> dict[str, str]:
    """What `doctor` says of each check, by its name."""
    rows = [[cell.strip() for cell in line.split("│")] for line in table.splitlines()]
    return {row[1]: row[0] for row in rows if row[0] in {"ok", "look", "bad"}}


def names(folder: Path) -> list[str]:
    """What is in the folder."""
    return sorted(path.name for path in folder.iterdir())


async def one_call(site: Whole) -> None:
    """A call that is answered, recorded and over."""
    await site.agent("1001")
    phone = site.far_end.agent("8001")
    caller = await site.far_end.call("support", "+8613800138000")
    await phone.ringing.wait()
    await phone.answer()
    await caller.connected.wait()
    await caller.hears()
    await caller.hang_up()
    await site.journalled("RecordingStored")


async def test_a_running_site_is_examined_and_its_books_agree(
    sandbox: TestSandbox, database: str
) -> None:
    async with whole(sandbox, database, small_floor(agents=1)) as site:
        await one_call(site)
        site.site.spool.chmod(0o2770)  # as the operator's guide has it
        status, said = await zuoxi("doctor", "--config", site.config)
        assert status == 0, said
        found = verdicts(said)
        # Of this machine, not of the site: its room, the age of its build, whose Asterisk it has.
        assert {found.pop("disk"), found.pop("screens")} <= {"ok", "look"}
        assert found.pop("Asterisk") == ("look" if "dfsg" in said else "ok")
        assert found == dict.fromkeys(EXAMINED, "ok"), said
        now = datetime.now(UTC)
        status, said = await zuoxi(
            *("reconcile", "--config", site.config),
            *("--from", (now - timedelta(hours=1)).isoformat()),
            *("--to", (now + timedelta(hours=1)).isoformat()),
        )
        assert status == 0, said
        assert said.startswith("0 differences")


async def test_a_user_added_at_the_command_line_can_sign_in(
    sandbox: TestSandbox, database: str
) -> None:
    async with whole(sandbox, database, small_floor(agents=1)) as site:
        add = ("user", "add", "wang", "--role", "leader", "--config", site.config)
        status, said = await zuoxi(*add, "--password-stdin", answer="1234\n")
        assert status == 1
        assert "nothing was changed" in said
        status, said = await zuoxi(*add, "--password-stdin", answer=PASSWORD + "\n")
        assert status == 0, said
        person = await site.person("wang")
        assert person.me["roles"] == ["leader"]


async def test_a_user_is_added_to_a_team(sandbox: TestSandbox, database: str) -> None:
    async with whole(sandbox, database, small_floor(agents=1)) as site:
        await site.agent("1001")

        async def add(name: str, team: str) -> tuple[int, str]:
            what = ("user", "add", name, "--role", "leader", "--team", team, "--password-stdin")
            return await zuoxi(*what, "--config", site.config, answer=PASSWORD + "\n")

        for no_team in ("Centre", "Centre/", "/A", "", f"Centre/{'x' * 200}"):
            status, said = await add("wang", no_team)
            assert (status, "a team is given as DEPARTMENT/TEAM" in said) == (1, True), no_team
        status, said = await add("wang", "Centre/A")
        assert (status, said) == (0, "added wang (leader) to Centre/A\n")
        status, said = await add("li", " 客服 / 乙 ")
        assert status == 0, said
        wang, li = await site.person("wang"), await site.person("li")
        for person, agents in ((wang, ["1001"]), (li, [])):
            live = await person.watch("floor")
            rows = await live.wait_for(lambda rows: "link" in rows and rows)
            assert sorted(rows["agents"]) == agents, "the floor of the team"
        await site.add_user("ada", "admin")
        ada = await site.person("ada")
        _, found = await ada.ask("GET", "/people/departments")
        assert [
            (department["name"], [team["name"] for team in department["teams"]])
            for department in found["departments"]
        ] == [("Centre", ["A"]), ("客服", ["乙"])], "a team that there is is not made again"


async def test_a_new_password_and_a_closed_account_end_the_session(
    sandbox: TestSandbox, database: str
) -> None:
    async with whole(sandbox, database, small_floor(agents=1)) as site:
        await site.add_user("wang", "leader")
        person = await site.person("wang")
        change = ("user", "password", "wang", "--config", site.config, "--password-stdin")
        status, said = await zuoxi(*change, answer="another long secret 7\n")
        assert status == 0, said
        await signed_out(person)
        status, said = await zuoxi(*change, answer=PASSWORD + "\n")
        assert status == 0, said
        person = await site.person("wang")
        status, said = await zuoxi("user", "disable", "wang", "--config", site.config)
        assert status == 0, said
        await signed_out(person)
        status, said = await zuoxi("user", "disable", "nobody", "--config", site.config)
        assert status == 1
        assert "there is no user 'nobody'" in said


async def signed_out(person: Person) -> None:
    """The server looks at the table every few seconds."""
    while (await person.ask("GET", "/session"))[0] != 401:  # noqa: ASYNC110
        await asyncio.sleep(0.1)


async def test_the_files_are_shown_first_and_written_after_a_yes(
    sandbox: TestSandbox, database: str, tmp_path: Path
) -> None:
    async with whole(sandbox, database, small_floor(agents=1)) as site:
        (tmp_path / "extensions.conf").write_text("[mine]\n")
        install = ("pbx", "install", "--config", site.config, "--to", tmp_path)
        status, said = await zuoxi(*install)
        assert status == 0, said
        assert "nothing was written" in said
        assert names(tmp_path) == ["extensions.conf"]
        status, said = await zuoxi(*install, "--yes")
        assert status == 0, said
        assert "[zuoxi-wait]" in (tmp_path / "zuoxi_extensions.conf").read_text()
        assert (tmp_path / "extensions.conf").read_text() == "[mine]\n"
        assert "#include zuoxi_extensions.conf" in said


@pytest.mark.parametrize(("table", "key"), [("web", "port"), ("pbx", "agi_port")])
async def test_a_server_whose_port_is_taken_says_so(
    sandbox: TestSandbox, database: str, free_port: int, table: str, key: str
) -> None:
    async with whole(sandbox, database, small_floor(agents=1)) as site:
        values = site.site.values()
        values["server"] = {"state_folder": str(site.site.folder / "another")}
        taken = values[table][key]
        values["web"]["port"] = values["pbx"]["agi_port"] = free_port
        values[table][key] = taken
        status, said = await zuoxi("serve", "--config", site.write_settings("taken", values))
        assert (status, "Traceback" in said) == (2, False), said
        assert "address already in use" in said
        assert f"see [{table}]" in said
        assert (await site.fetch("/healthz"))[0] == 200, "the one that has it goes on"


async def test_a_certificate_that_cannot_be_read_is_named(
    sandbox: TestSandbox, database: str, tmp_path: Path
) -> None:
    pem = self_made(tmp_path)
    async with whole(sandbox, database, small_floor(agents=1)) as site:
        values = site.site.values()
        values["server"] = {"state_folder": str(site.site.folder / "another")}
        values["web"] = {"port": site.site.block.take(), **pem.web}
        values["pbx"]["agi_port"] = site.site.block.take()
        config = site.write_settings("secured", values)
        for key in (None, b"no key", encrypted(pem.key.read_bytes())):
            pem.key.unlink()
            if key is not None:
                pem.key.write_bytes(key)
            status, said = await zuoxi("serve", "--config", config)
            assert (status, "Traceback" in said) == (2, False), said
            assert "see [web] tls_certificate and tls_key" in said
            pem.key.touch()


async def test_wrong_settings_are_named(tmp_path: Path) -> None:
    config = tmp_path / "zuoxi.toml"
    config.write_text('[pbx]\nami_secret = "x"\nami_prot = 1\n')
    status, said = await zuoxi("serve", "--config", config)
    assert status == 2
    assert "pbx.ami_prot: no such setting" in said
