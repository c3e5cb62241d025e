"""The example that the engineer copies works as it stands."""

from pathlib import Path

import pytest

from config.settings import load
from cti.pbxfiles import INCLUDES
from tests.support.dialplan import floor, site
from tests.support.sandbox import TestSandbox

pytestmark = pytest.mark.asterisk

EXAMPLE = Path("config/asterisk/example")


def example() -> str:
    """Its dialplan without what the sandbox has already."""
    text = (EXAMPLE / "extensions.conf").read_text(encoding="utf-8")
    return text.replace("static = yes\nwriteprotect = yes\n", "").replace("[general]", "")


async def test_menu_leads_to_the_queue_with_its_skill(sandbox: TestSandbox) -> None:
    async with site(sandbox, floor(), trunk=example()) as centre:
        caller = await centre.far_end.call("01012345678", "13800138000")
        await caller.answered.wait()
        await caller.hears()
        await caller.send_dtmf("2")
        entered = await centre.said("ZxEnter")
        assert entered["Queue"] == "support"
        assert entered["Skills"] == "english:2"
        await centre.offer(entered, "o1")
        await centre.far_end.agent("8001").ringing.wait()


async def test_who_presses_nothing_gets_to_a_person_too(sandbox: TestSandbox) -> None:
    text = example().replace("WaitExten(4)", "WaitExten(0.1)")
    async with site(sandbox, floor(), trunk=text) as centre:
        await centre.far_end.call("01012345678", "13800138000")
        assert (await centre.said("ZxEnter"))["Queue"] == "support"


def test_example_includes_all_our_files() -> None:
    for ours, theirs in INCLUDES.items():
        assert f"\n#include {ours}\n" in (EXAMPLE / theirs).read_text(encoding="utf-8")


def test_example_fits_the_example_settings() -> None:
    queues = {queue.name for queue in load(Path("config/zuoxi.example.toml")).floor.queues}
    assert "Goto(zuoxi-enter,support,1)" in (EXAMPLE / "extensions.conf").read_text()
    assert "support" in queues
