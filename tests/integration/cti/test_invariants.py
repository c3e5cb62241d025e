"""A server whose state is broken on purpose says so everywhere; its calls go on meanwhile."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from acd.checks import RULES
from config.settings import DatabaseSettings, PbxSettings, ServerSettings, Settings, WebSettings
from cti.app import App
from cti.inputs import LinkUp, PbxSnapshot
from cti.sandbox.ports import LOOPBACK, PortBlock
from tests.support.until import until
from tests.support.whole import Figures, figures, small_floor

NO_DATABASE = f"postgresql://nobody@{LOOPBACK}:1/none"
NOW = 1_790_000_000.0


async def shown(app: App) -> Figures:
    """/metrics."""
    url = f"http://{LOOPBACK}:{app.settings.web.port}/metrics"
    async with aiohttp.ClientSession() as http, http.get(url) as answer:
        return figures(await answer.text())


def alarm(app: App) -> dict[str, Any] | None:
    """The alarm as the live page gets it."""
    return app.live.snapshot("floor", None, clear=True)["alarms"].get("invariants")


def look_twice(app: App) -> None:
    """As so many heartbeats do."""
    for _ in range(2 * len(RULES)):
        app.inspector.look()


async def test_a_broken_invariant_is_logged_counted_and_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cti.app.STATUS_SECONDS", 0.05)
    with PortBlock(100) as ports:
        settings = Settings(
            server=ServerSettings(state_folder=tmp_path),
            pbx=PbxSettings(
                ami_port=ports.take(),
                ami_secret="x",
                agi_port=ports.take(),
                secrets_file=tmp_path / "secrets.json",
            ),
            web=WebSettings(port=ports.take()),
            database=DatabaseSettings(),
            floor=small_floor(agents=1),
        )
        app = App(settings, NO_DATABASE)
        with capture_logs() as logs:
            running = asyncio.create_task(app.run())
            snapshot = PbxSnapshot(
                at=NOW, pbx_started_at=NOW - 1, epoch=1, channels=[], device_states={}
            )
            app.runtime.tell(LinkUp(snapshot=snapshot, gap_from=None, gap_to=None))
            await until(lambda: app.core.state.link_up)
            look_twice(app)
            await until(lambda: app.live.has_alarm("pbx"))
            assert alarm(app) is None
            before = await shown(app)

            agent = app.core.state.agents["1001"]
            agent.state = "talking"
            look_twice(app)
            row = await until(lambda: alarm(app))
            after = await shown(app)
            agent.state = "signed_out"
            look_twice(app)
            await until(lambda: alarm(app) is None)
            healed = await shown(app)
            assert not running.done()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
    assert (row["level"], row["code"]) == ("error", "invariant_broken")
    names = ("zuoxi_invariants_broken", "zuoxi_invariants_found")
    told = [each for each in logs if each["event"] == "invariant_broken"]
    assert [[of[name,] for name in names] for of in (before, after, healed)] == [
        [0, 0],
        [len(told)] * 2,
        [0, len(told)],
    ]
    words = [(each["rule"], each["found"]) for each in told]
    assert ("agents", "agent 1001 talks without a leg") in words
    assert {each["log_level"] for each in told} == {"error"}
