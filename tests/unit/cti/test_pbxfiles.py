"""Asterisk's files: what stands in them, what can never stand in them, how they are written."""

import io
import json
import re
import stat
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from rich.console import Console

from config.floor import ExtensionSettings, Floor, QueueSettings
from config.settings import PbxSettings, Settings
from cti.admin import pbx_files
from cti.agi.server import DEADLINE_SECONDS
from cti.lookup import FACTS
from cti.pbxfiles import (
    INCLUDES,
    MUTED_EVENTS,
    READ_EVENTS,
    SOUNDS,
    PbxFilesError,
    PbxFilesInput,
    extension_secrets,
    install,
    render,
)

SECRET = "s" * 24


def source(queue: dict[str, Any] | None = None, **values: Any) -> PbxFilesInput:
    floor = Floor(
        queues=[QueueSettings.model_validate({"name": "support"} | (queue or {}))],
        extensions=[
            ExtensionSettings(number="8001"),
            ExtensionSettings(number="8002", kind="desk"),
        ],
    )
    return PbxFilesInput(
        **{
            "ami_user": "zuoxi",
            "ami_secret": SECRET,
            "agi_host": "127.0.0.1",
            "agi_port": 4573,
            "floor": floor,
            "extension_secrets": {"8001": "a" * 20, "8002": "b" * 20},
            "spool_folder": Path("/var/spool/asterisk/zuoxi"),
            **values,
        }
    )


def section(text: str, name: str) -> str:
    return text.split(f"[{name}]\n", 1)[1].split("\n[", 1)[0]


@pytest.fixture
def out() -> Console:
    return Console(file=io.StringIO(), width=200)


def said(out: Console) -> str:
    assert isinstance(out.file, io.StringIO)
    return out.file.getvalue()


# --- what stands in them ---


def test_no_place_is_left_unfilled() -> None:
    for name, text in render(source()).items():
        assert "@@" not in text, name


def test_every_context_that_is_gone_to_is_there() -> None:
    text = render(source(queue={"consent": "ask", "survey": True}))["zuoxi_extensions.conf"]
    there = set(re.findall(r"^\[([a-z-]+)\]$", text, re.MULTILINE))
    wanted = set(re.findall(r"\b(zuoxi-[a-z]+)\b", re.sub(r"^;.*$", "", text, flags=re.MULTILINE)))
    assert wanted <= there | {"zuoxi-enter"}
    assert {"zuoxi-enter", "zuoxi-wait", "zuoxi-native", "zuoxi-offer", "zuoxi-leave"} <= there


def test_account_may_write_nothing_but_what_it_needs() -> None:
    account = section(render(source())["zuoxi_manager.conf"], "zuoxi")
    assert "write = call,agent,user,reporting\n" in account
    assert "deny = 0.0.0.0/0.0.0.0\npermit = 127.0.0.1/255.255.255.255\n" in account
    assert "eventfilter(name(UserEvent)) =\n" in account


def test_a_hook_that_hangs_costs_a_caller_one_second() -> None:
    text = render(source(queue={"look_up_before_answer": True}))["zuoxi_extensions.conf"]
    limits = [float(each) for each in re.findall(r"TIMEOUT\(absolute\)=([\d.]+)", text)]
    assert {limit for limit in limits if limit} == {DEADLINE_SECONDS} == {1.0}


def test_browser_and_desk_phone_differ() -> None:
    settings = source(
        browser_rtp_timeout_seconds=7, browser_codecs=("alaw", "ulaw"), desk_codecs=("g722",)
    )
    text = render(settings)["zuoxi_pjsip.conf"]
    browser, desk = section(text, "8001"), section(text, "8002")
    assert "webrtc = yes" in browser
    assert "allow = alaw,ulaw\n" in browser
    assert "rtp_timeout = 7" in browser
    assert "webrtc" not in desk
    assert "allow = g722\n" in desk
    assert "password = " + "a" * 20 in text


@pytest.mark.parametrize(
    ("strategy", "native"),
    [
        ("longest_idle", "leastrecent"),
        ("fewest_calls", "fewestcalls"),
        ("round_robin", "rrmemory"),
        ("tiers", "leastrecent"),
        ("random", "random"),
    ],
)
def test_native_queue_is_as_near_as_app_queue_can(strategy: str, native: str) -> None:
    queue = {"strategy": strategy, "ring_seconds": 13, "wrap_up_seconds": 9, "music": "jazz"}
    text = section(render(source(queue))["zuoxi_queues.conf"], "zx-support")
    assert f"strategy = {native}\n" in text
    assert "timeout = 13\n" in text
    assert "wrapuptime = 9\n" in text
    assert "musicclass = jazz\n" in text
    assert "ringinuse = no\n" in text


@pytest.mark.parametrize(
    ("queue", "asks"),
    [
        ({}, False),
        ({"look_up_before_answer": True}, True),
        ({"welcome": "hello"}, True),
        ({"consent": "announce"}, True),
    ],
)
def test_the_hook_is_asked_where_the_answer_needs_it(queue: dict[str, Any], asks: bool) -> None:
    enter = section(render(source(queue))["zuoxi_extensions.conf"], "zuoxi-enter")
    assert ("/enter,support" in enter) is asks
    assert "(known),GotoIf" in enter


def test_every_fact_of_a_caller_is_filtered_and_told() -> None:
    enter = section(render(source())["zuoxi_extensions.conf"], "zuoxi-enter")
    for variable, header in FACTS.items():
        if variable != "ZX_REFUSE":
            assert f"{variable}=${{FILTER(" in enter
            assert f"{header}: ${{{variable}}}" in enter


def test_events_are_muted_for_all_managers_unless_others_read_them() -> None:
    muted = "[general](+)\ndisabledevents = Newexten,VarSet"
    assert muted in render(source())["zuoxi_manager.conf"]
    assert "disabledevents" not in render(source(shared_events=True))["zuoxi_manager.conf"]
    assert not set(READ_EVENTS) & set(MUTED_EVENTS)


def test_numbers_are_masked_on_every_way_to_an_agents_phone_unless_the_site_says_so() -> None:
    text = render(source())["zuoxi_extensions.conf"]
    ways = re.findall(r"(?:Dial\(PJSIP/|Queue\(zx-).*", text)
    assert len(ways) == 4
    for way in ways:
        assert "b(zuoxi-shown^s^1)" in way or "b(zuoxi-agent^s^1)" in way
    assert "Goto(zuoxi-shown,s,1)" in section(text, "zuoxi-agent")
    assert "CONNECTEDLINE(num,i)=" in section(text, "zuoxi-shown")
    shown = render(source(show_numbers_on_phones=True))["zuoxi_extensions.conf"]
    assert section(shown, "zuoxi-shown").strip().splitlines()[0] == "exten => s,1,Return()"
    assert "CONNECTEDLINE" not in shown


def test_the_sites_settings_reach_the_files(tmp_path: Path) -> None:
    for shown in (False, True):
        pbx = PbxSettings(
            ami_secret=SecretStr(SECRET),
            secrets_file=tmp_path / "secrets.json",
            show_numbers_on_phones=shown,
        )
        assert pbx_files(Settings(pbx=pbx, floor=Floor())).show_numbers_on_phones is shown


@pytest.mark.parametrize(
    ("queue", "expected"),
    [
        ({"recording": "never"}, None),
        ({"recording": "always"}, "Set(_ZX_FILE="),
        ({"recording": "share", "recording_share": 0.25}, "${RAND(1,1000)}<=250"),
    ],
)
def test_native_calls_are_recorded_by_the_queues_policy(
    queue: dict[str, Any], expected: str | None
) -> None:
    native = section(render(source(queue))["zuoxi_extensions.conf"], "zuoxi-native")
    assert (expected or "Never recorded") in native
    assert ("Set(_ZX_FILE=" in native) is (expected is not None)
    queues = render(source(queue))["zuoxi_queues.conf"]
    assert ("membergosub = zuoxi-record-native" in queues) is (expected is not None)


def test_welcome_and_consent_only_where_wanted() -> None:
    plain = section(render(source())["zuoxi_extensions.conf"], "zuoxi-enter")
    assert "Playback" not in plain
    both = section(
        render(source({"welcome": "hello", "consent": "announce"}))["zuoxi_extensions.conf"],
        "zuoxi-enter",
    )
    assert "Gosub(zuoxi-consent,announce,1)" in both
    assert "Playback(hello)" in both


# --- what can never stand in them ---


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"ami_secret": "short"}, "ami_secret"),
        ({"ami_secret": "a" * 20 + "\nwrite = all"}, "ami_secret"),
        ({"ami_user": "zuoxi]\n[evil"}, "ami_user"),
        ({"ami_permit": "0.0.0.0/0\nx=y"}, "ami_permit"),
        ({"agi_host": "127.0.0.1/x),System(id"}, "agi_host"),
        ({"spool_folder": Path("/var/spool)x(")}, "spool_folder"),
        ({"spool_folder": Path("relative")}, "spool_folder"),
        ({"outside_context": "x,1)"}, "outside_context"),
        ({"sounds": {"hold": "x,${SHELL(id)}"}}, "sounds.hold"),
        ({"sounds": {"nonsense": "beep"}}, "nonsense"),
        ({"extension_secrets": {"8001": "a" * 20}}, "8002"),
        ({"queue": {"music": "x\n[evil]"}}, "music"),
        ({"queue": {"welcome": "a&${b}"}}, "welcome"),
        ({"queue": {"name": "h"}}, "one letter"),
    ],
)
def test_values_that_would_mean_more_are_refused(values: dict[str, Any], named: str) -> None:
    with pytest.raises(PbxFilesError, match=named) as error:
        render(source(**values))
    assert "a" * 20 not in str(error.value)


def test_every_sound_has_a_default_that_is_safe() -> None:
    render(source(sounds=SOUNDS))


# --- secrets ---


def test_secrets_are_made_once_and_kept_private(tmp_path: Path) -> None:
    path = tmp_path / "var" / "secrets.json"
    floor = source().floor
    first = extension_secrets(path, floor)
    assert first.keys() == {"8001", "8002"}
    assert len(set(first.values())) == 2
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert extension_secrets(path, floor) == first


def test_new_extension_gets_a_secret_and_the_others_keep_theirs(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(json.dumps({"8001": "kept-kept-kept-kept", "9999": "of one that is gone"}))
    secrets = extension_secrets(path, source().floor)
    assert secrets["8001"] == "kept-kept-kept-kept"
    assert "9999" not in secrets
    assert json.loads(path.read_text())["9999"] == "of one that is gone"


@pytest.mark.parametrize("text", ["{", "[]", '{"8001": 5}'])
def test_broken_secrets_are_told_not_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(text)
    with pytest.raises(PbxFilesError, match=r"secrets\.json"):
        extension_secrets(path, source().floor)
    assert path.read_text() == text


# --- installing ---


def test_diff_first_and_nothing_written_unless_asked(tmp_path: Path, out: Console) -> None:
    done = install(tmp_path, render(source()), write=False, out=out)
    assert sorted(done.changed) == sorted(INCLUDES)
    assert list(tmp_path.iterdir()) == []
    assert "+[zuoxi-enter]" in said(out)
    assert SECRET not in said(out)
    assert "a" * 20 not in said(out)


def test_written_files_are_ours_alone(tmp_path: Path, out: Console) -> None:
    (tmp_path / "extensions.conf").write_text("; the engineer's\n#include zuoxi_extensions.conf\n")
    files = render(source())
    done = install(tmp_path, files, write=True, out=out)
    assert {path.name for path in tmp_path.iterdir()} == {*INCLUDES, "extensions.conf"}
    for name, text in files.items():
        assert (tmp_path / name).read_text() == text
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o640
    assert (tmp_path / "extensions.conf").read_text().startswith("; the engineer's")
    assert done.missing_includes == {
        "manager.conf": "#include zuoxi_manager.conf",
        "pjsip.conf": "#include zuoxi_pjsip.conf",
        "queues.conf": "#include zuoxi_queues.conf",
    }
    assert "#include zuoxi_manager.conf" in said(out)


def test_second_time_changes_nothing(tmp_path: Path, out: Console) -> None:
    install(tmp_path, render(source()), write=True, out=out)
    again = Console(file=io.StringIO(), width=200)
    assert install(tmp_path, render(source()), write=True, out=again).changed == []
    assert "---" not in said(again)


def test_only_what_differs_is_shown(tmp_path: Path, out: Console) -> None:
    install(tmp_path, render(source()), write=True, out=out)
    again = Console(file=io.StringIO(), width=200)
    done = install(tmp_path, render(source({"ring_seconds": 33})), write=False, out=again)
    assert done.changed == ["zuoxi_queues.conf"]
    assert "-timeout = 20" in said(again)
    assert "+timeout = 33" in said(again)


def test_changed_secret_is_told_but_not_shown(tmp_path: Path, out: Console) -> None:
    install(tmp_path, render(source()), write=True, out=out)
    again = Console(file=io.StringIO(), width=200)
    done = install(tmp_path, render(source(ami_secret="t" * 24)), write=False, out=again)
    assert done.changed == ["zuoxi_manager.conf"]
    assert "only secrets change" in said(again)
    assert "t" * 24 not in said(again)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("#include zuoxi_queues.conf", True),
        ('#include "zuoxi_queues.conf"', True),
        ("#tryinclude /etc/asterisk/zuoxi_queues.conf ; ours", True),
        (";#include zuoxi_queues.conf", False),
        ("#include my_zuoxi_queues.conf", False),
    ],
)
def test_includes_are_recognised(tmp_path: Path, out: Console, line: str, found: bool) -> None:
    (tmp_path / "queues.conf").write_text(f"[general]\n{line}\n")
    done = install(tmp_path, render(source()), write=False, out=out)
    assert ("queues.conf" not in done.missing_includes) is found


def test_no_folder_is_told(tmp_path: Path, out: Console) -> None:
    with pytest.raises(PbxFilesError, match="no folder"):
        install(tmp_path / "nowhere", render(source()), write=True, out=out)


def test_failed_write_leaves_the_old_file_whole(tmp_path: Path, out: Console) -> None:
    install(tmp_path, render(source()), write=True, out=out)
    old = (tmp_path / "zuoxi_queues.conf").read_text()
    files = render(source()) | {"zuoxi_queues.conf": "\ud800"}  # cannot be encoded
    with pytest.raises(UnicodeEncodeError):
        install(tmp_path, files, write=True, out=out)
    assert (tmp_path / "zuoxi_queues.conf").read_text() == old
    assert {path.name for path in tmp_path.iterdir()} == set(INCLUDES)
