"""The hub: who gets what, how often, and what becomes of a browser that does not read."""

import asyncio
import itertools
import json

import pytest
import pytest_asyncio

from config.floor import Floor
from cti import domain
from cti.domain import Recorded
from cti.inputs import Input, PanelAlive, PanelLost
from web import hub as hub_module
from web.hub import Client, Hub
from web.live import LiveView
from web.reach import EVERYTHING, Reach, Teams, reach_of

FLOOR = Floor.model_validate(
    {
        "queues": [{"name": "support"}],
        "agents": [
            {"id": "1", "name": "Amy", "queues": [{"queue": "support"}]},
            {"id": "2", "name": "Ben"},
        ],
    }
)
AT = 1_800_000_000.0
NUMBER = "+8613800138000"


class Page:
    """A browser: takes messages while its gate is open."""

    def __init__(
        self,
        hub: Hub,
        agent_id: str | None = None,
        clear: bool = True,
        reach: Reach = EVERYTHING,
    ) -> None:
        self.raw: list[bytes] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self._more = asyncio.Event()
        self.client = Client(self._take, session=b"s", agent_id=agent_id, clear=clear, reach=reach)
        hub.join(self.client)
        self.writer = asyncio.create_task(hub.write(self.client))

    async def _take(self, message: bytes) -> None:
        await self.gate.wait()
        self.raw.append(message)
        self._more.set()

    async def messages(self, count: int) -> list[dict]:
        """Wait for so many messages in all."""
        async with asyncio.timeout(5):
            while len(self.raw) < count:
                self._more.clear()
                await self._more.wait()
        return [json.loads(message) for message in self.raw]


class Stage:
    """A hub and what it told the core."""

    def __init__(self) -> None:
        self.told: list[Input] = []
        self.now = AT
        self.steady = 1_000.0
        view = LiveView(FLOOR)
        view.roll(AT)
        self.hub = Hub(view, self._tell, lambda: self.now, lambda: self.steady)
        self._more_told = asyncio.Event()
        self.pages: list[Page] = []
        self._seq = itertools.count(1)

    def _tell(self, item: Input) -> None:
        self.told.append(item)
        self._more_told.set()

    async def told_so_many(self, count: int) -> None:
        async with asyncio.timeout(5):
            while len(self.told) < count:
                self._more_told.clear()
                await self._more_told.wait()

    def page(
        self,
        topic: str,
        agent_id: str | None = None,
        clear: bool = True,
        reach: Reach = EVERYTHING,
    ) -> Page:
        page = Page(self.hub, agent_id, clear, reach)
        self.pages.append(page)
        self.hub.subscribe(page.client, topic)  # type: ignore[arg-type]
        return page

    def state(self, state: str, agent_id: str = "1") -> None:
        self.publish(domain.AgentStateChanged(at=self.now, agent_id=agent_id, state=state))  # type: ignore[arg-type]

    def publish(self, *events: domain.DomainEvent) -> None:
        self.hub.publish([Recorded(next(self._seq), event) for event in events])

    def waits(self, call: str) -> None:
        self.publish(
            domain.CallStarted(
                at=self.now,
                call_id=call,
                direction="inbound",
                caller_number=NUMBER,
                caller_name=None,
                called_number=None,
                linkedid=call,
            ),
            domain.QueueEntered(
                at=self.now,
                call_id=call,
                visit_id=call,
                queue="support",
                channel="x",
                leg_id=call,
                entered_at=self.now,
            ),
        )


@pytest_asyncio.fixture
async def stage():
    """Return a hub; its pages are closed at the end."""
    stage = Stage()
    yield stage
    for page in stage.pages:
        stage.hub.leave(page.client)
        page.gate.set()
        await page.writer


async def test_a_page_gets_a_snapshot_and_then_changes(stage):
    stage.state("not_ready")
    page = stage.page("floor")
    [first] = await page.messages(1)
    assert (first["type"], first["seq"], first["now"]) == ("snapshot", 1, AT)
    assert first["rows"]["agents"]["1"]["state"] == "not_ready"
    stage.state("ready")
    while (second := json.loads(page.raw[-1]))["seq"] < 2:
        await page.messages(len(page.raw) + 1)
    assert (second["type"], second["seq"]) == ("changes", 2)
    assert list(second["put"]["agents"]) == ["1"]
    assert second["put"]["agents"]["1"]["state"] == "ready"


async def test_floor_changes_are_coalesced_to_ten_a_second_and_encoded_once(stage):
    first, second = stage.page("floor"), stage.page("floor")
    await first.messages(1)
    await second.messages(1)
    started = asyncio.get_running_loop().time()
    for number in range(500):
        stage.state("ready" if number % 2 else "not_ready")
    await first.messages(2)
    await second.messages(2)
    assert json.loads(first.raw[1])["put"]["agents"]["1"]["state"] == "ready"
    assert first.raw[1] is second.raw[1]
    for number in range(3, 11):
        stage.state("ready")
        await first.messages(number)
    assert asyncio.get_running_loop().time() - started >= 7 * hub_module.FLOOR_SECONDS * 0.9


async def test_what_comes_alone_does_not_wait_nor_what_comes_a_little_early(stage, monkeypatch):
    monkeypatch.setattr(hub_module, "FLOOR_SECONDS", 60.0)
    page = stage.page("floor")
    await page.messages(1)
    for number in (2, 3):
        stage.state("ready")
        await page.messages(number)


async def test_desk_changes_go_at_once_and_only_to_their_agent(stage):
    amy, ben = stage.page("desk", "1"), stage.page("desk", "2")
    await amy.messages(1)
    await ben.messages(1)
    started = asyncio.get_running_loop().time()
    stage.state("ready")
    await amy.messages(2)
    assert asyncio.get_running_loop().time() - started < hub_module.FLOOR_SECONDS
    assert len(ben.raw) == 1


async def test_the_pulse_reaches_the_queues_agents_alone(stage):
    amy, ben = stage.page("desk", "1"), stage.page("desk", "2")
    await ben.messages(1)
    stage.waits("c1")
    messages = await amy.messages(2)
    assert messages[1]["put"] == {
        "queues": {"support": {"name": "support", "waiting": 1, "oldest_since": AT}}
    }
    assert len(ben.raw) == 1


async def test_numbers_in_full_only_for_those_with_the_right(stage):
    clear, masked = stage.page("floor"), stage.page("floor", clear=False)
    await clear.messages(1)
    await masked.messages(1)
    stage.waits("c1")
    assert NUMBER in str(await clear.messages(2))
    shown = str(await masked.messages(2))
    assert NUMBER not in shown
    assert "+86138****8000" in shown


async def test_a_teams_floor_is_rendered_once_for_all_who_lead_it(stage, monkeypatch):
    whole = stage.page("floor")
    stage.hub.set_teams(Teams({"1": 7, "2": 8}, {7: "red", 8: "blue"}))
    await whole.messages(2)
    stage.hub.leave(whole.client)
    rendered = []
    rows = LiveView.rows
    monkeypatch.setattr(
        LiveView, "rows", lambda *a, **more: rendered.append(more["seen"]) or rows(*a, **more)
    )
    red, blue = reach_of("team", 7, None), reach_of("team", 8, None)
    pages = [stage.page("floor", reach=reach) for reach in (red, red, blue)]
    for page in pages:
        await page.messages(1)
    assert rendered == [{"1"}, {"2"}]
    stage.state("ready", "1")
    for page in pages[:2]:
        assert list((await page.messages(2))[1]["put"]["agents"]) == ["1"]
    assert sorted(rendered[2:], key=sorted) == [{"1"}, {"2"}]
    stage.state("ready", "2")
    assert (await pages[2].messages(2))[1]["put"] == {
        "agents": {"2": stage.hub.view.snapshot("floor", None, clear=True)["agents"]["2"]}
    }


async def test_teams_that_change_bring_their_leaders_a_snapshot(stage):
    whole, page = stage.page("floor"), stage.page("floor", reach=reach_of("team", 7, None))
    await whole.messages(1)
    assert (await page.messages(1))[0]["rows"]["agents"] == {}
    stage.hub.set_teams(Teams({"2": 7}, {7: "red"}))
    assert list((await page.messages(2))[1]["rows"]["agents"]) == ["2"]
    changes = (await whole.messages(2))[1]
    assert {key: row["team"] for key, row in changes["put"]["agents"].items()} == {"2": "red"}


async def test_a_page_that_does_not_read_is_set_back_to_a_snapshot(stage, monkeypatch):
    monkeypatch.setattr(hub_module, "FLOOR_SECONDS", 0.0)
    slow, quick = stage.page("floor"), stage.page("floor")
    await slow.messages(1)
    await quick.messages(1)
    slow.gate.clear()
    for number in range(hub_module.QUEUE_LIMIT + 10):
        stage.state("ready" if number % 2 else "not_ready")
        await quick.messages(number + 2)
    assert stage.hub.dropped == 1
    stage.state("wrap_up")
    slow.gate.set()
    messages = await slow.messages(3)
    assert [message["type"] for message in messages] == ["snapshot", "changes", "snapshot"]
    assert messages[-1]["rows"]["agents"]["1"]["state"] == "wrap_up"
    stage.state("ready")
    assert (await slow.messages(4))[-1]["type"] == "changes"


async def test_a_shared_snapshot_and_what_follows_are_whole(stage):
    first = stage.page("floor")
    await first.messages(1)
    stage.state("ready")
    late = stage.page("floor")
    messages = await late.messages(2)
    rows = messages[0]["rows"]["agents"] | messages[1]["put"]["agents"]
    assert rows["1"]["state"] == "ready"
    assert messages[0]["seq"] <= 1
    assert messages[1]["seq"] == 1


async def test_a_browser_that_takes_nothing_is_given_up(stage, monkeypatch):
    monkeypatch.setattr(hub_module, "SEND_SECONDS", 0.05)
    page = Page(stage.hub)
    page.gate.clear()
    stage.hub.subscribe(page.client, "floor")
    [end] = await asyncio.gather(page.writer, return_exceptions=True)
    assert isinstance(end, TimeoutError)
    stage.hub.leave(page.client)


async def test_a_browser_that_is_reset_while_it_is_written_to_leaves_as_any_other(stage):
    async def reset(_message):
        raise ConnectionError("Connection lost")

    page = Page(stage.hub)
    page.client._send = reset
    stage.hub.subscribe(page.client, "floor")
    [end] = await asyncio.gather(page.writer, return_exceptions=True)
    assert isinstance(end, ConnectionError)
    stage.hub.leave(page.client)
    assert len(stage.hub) == 0


async def test_the_life_of_a_panel_reaches_the_core(stage, monkeypatch):
    monkeypatch.setattr(hub_module, "SWEEP_SECONDS", 0.01)
    stage.publish(domain.AgentPanelChanged(at=AT, agent_id="2", connected=True))
    clockwork = asyncio.create_task(stage.hub.run())
    page = stage.page("desk", "1")
    assert stage.told == [PanelAlive(agent_id="1")]
    stage.hub.repeat_panel("1")
    stage.hub.repeat_panel("2")
    assert stage.told == [PanelAlive(agent_id="1")] * 2
    await page.messages(1)
    stage.told.clear()
    stage.steady += 20
    await stage.told_so_many(2)
    assert stage.told == [PanelLost(agent_id="1"), PanelLost(agent_id="2")]
    stage.hub.alive(page.client)
    assert stage.told[-1] == PanelAlive(agent_id="1")
    stage.hub.leave(page.client)
    assert stage.told[-1] == PanelLost(agent_id="1")
    clockwork.cancel()


@pytest.mark.parametrize("step", [-3600, 3600])
async def test_a_clock_that_is_set_neither_loses_nor_keeps_a_panel(stage, monkeypatch, step):
    monkeypatch.setattr(hub_module, "SWEEP_SECONDS", 0.01)
    clockwork = asyncio.create_task(stage.hub.run())
    page = stage.page("desk", "1")
    stage.now += step
    *_, beat = await page.messages(3)  # the sweeps after it
    assert (beat["type"], beat["now"]) == ("alive", AT + step)
    assert stage.told == [PanelAlive(agent_id="1")]
    stage.steady += 7
    await stage.told_so_many(2)
    assert stage.told[1:] == [PanelLost(agent_id="1")]
    clockwork.cancel()


async def test_alarms_and_link_reach_the_pages(stage):
    page = stage.page("floor")
    await page.messages(1)
    stage.hub.raise_alarm("disk", level="error", code="disk_full", params={"left": "0"})
    stage.hub.set_link(pbx="ready", since=AT, lag_seconds=0.2, database="away", journal_behind=7)
    _, changes = await page.messages(2)
    assert changes["put"]["alarms"]["disk"]["code"] == "disk_full"
    assert changes["put"]["link"]["pbx"]["journal_behind"] == 7
    assert stage.hub.clear_alarm("disk")
    assert not stage.hub.clear_alarm("disk")
    assert (await page.messages(3))[-1]["del"] == {"alarms": ["disk"]}


async def test_closing_a_session_ends_its_pages(stage):
    page = stage.page("floor")
    stage.hub.close_session(b"another")
    await page.messages(1)
    assert not page.writer.done()
    stage.hub.close_session(b"s")
    await page.writer


async def test_what_can_be_written_at_once_wakes_no_writer(stage):
    page = stage.page("floor")
    await page.messages(1)
    taken: asyncio.Queue[bytes] = asyncio.Queue()
    page.client._at_once = lambda message: taken.put_nowait(message) is None
    stage.state("ready")
    async with asyncio.timeout(5):
        message = await taken.get()
    assert json.loads(message)["put"]["agents"]["1"]["state"] == "ready"
    assert page.client.idle
    assert len(page.raw) == 1


async def test_nothing_overtakes_what_waits(stage):
    page = stage.page("floor")
    await page.messages(1)
    page.gate.clear()
    stage.state("not_ready")
    await asyncio.sleep(2 * hub_module.FLOOR_SECONDS)
    page.client._at_once = lambda _message: pytest.fail("overtaken")
    stage.state("ready")
    await asyncio.sleep(2 * hub_module.FLOOR_SECONDS)
    page.gate.set()
    messages = await page.messages(3)
    states = [each["put"]["agents"]["1"]["state"] for each in messages[1:]]
    assert states == ["not_ready", "ready"]
