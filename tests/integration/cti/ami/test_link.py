"""The link against a real Asterisk, through a network that cuts, falls silent and stalls."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from cti.ami import actions
from cti.ami.events import Hangup, Newchannel, UserEvent
from cti.ami.link import AmiLink, LinkInput, LinkSettings, LinkTimings
from cti.inputs import LinkDown, LinkUp, PbxEvent
from tests.support.ami_proxy import AmiProxy
from tests.support.remote import TestRemote
from tests.support.sandbox import TestPbx, TestSandbox

pytestmark = pytest.mark.asterisk

PATIENCE_SECONDS = 30
# The product's rights, and an account that may read only.
MANAGER = """
[product]
secret = geheim
read = call,agent,user,reporting,system
write = call,agent,user,reporting

[reader]
secret = geheim
read = call
write = user
"""
DIALPLAN = """
[test]
exten => wait,1,Answer()
 same => n,Set(ZX_QUEUE=sales)
 same => n,UserEvent(ZxProbe,Step: waiting)
 same => n,Wait(300)
exten => other,1,UserEvent(ZxProbe,Step: moved)
 same => n,Wait(300)
"""
TWENTY_TIMES_QUICKER = LinkTimings(
    ping_seconds=0.05,
    connect_seconds=0.2,
    login_seconds=0.25,
    sync_seconds=0.5,
    first_retry_seconds=0.005,
    last_retry_seconds=0.05,
)


class Listener:
    """A link and what it told."""

    def __init__(self, port: int, **settings: object) -> None:
        self.inputs: list[LinkInput] = []
        self._news = asyncio.Event()
        account = {"user": "product", "secret": "geheim", "variables": ("ZX_QUEUE", "ZX_NONE")}
        self.link = AmiLink(
            LinkSettings(host="127.0.0.1", port=port, **{**account, **settings}), self._take
        )

    def _take(self, item: LinkInput) -> None:
        self.inputs.append(item)
        self._news.set()

    async def until(self, enough: Callable[[], bool]) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not enough():
                self._news.clear()
                await self._news.wait()

    async def becomes(self, state: str, within_seconds: float = PATIENCE_SECONDS) -> str:
        async with asyncio.timeout(within_seconds):
            return (await self.link.wait_for(state)).reason

    @property
    def events(self) -> list[object]:
        return [item.event for item in self.inputs if isinstance(item, PbxEvent)]

    @property
    def ups(self) -> list[LinkUp]:
        return [item for item in self.inputs if isinstance(item, LinkUp)]

    @property
    def downs(self) -> list[LinkDown]:
        return [item for item in self.inputs if isinstance(item, LinkDown)]

    async def steps(self, count: int) -> list[str]:
        """Wait until the dialplan told this many steps."""

        def told() -> list[str]:
            return [e.headers["Step"] for e in self.events if isinstance(e, UserEvent)]

        await self.until(lambda: len(told()) >= count)
        return told()


Listen = Callable[..., Awaitable[Listener]]


@pytest_asyncio.fixture
async def pbx(sandbox: TestSandbox) -> TestPbx:
    return await sandbox.pbx(extra={"manager.conf": MANAGER, "extensions.conf": DIALPLAN})


@pytest_asyncio.fixture
async def proxy(pbx: TestPbx) -> AsyncIterator[AmiProxy]:
    async with AmiProxy(pbx.ports.ami) as proxy:
        yield proxy


@pytest_asyncio.fixture
async def listen() -> AsyncIterator[Listen]:
    """Start listeners that end with the test."""
    listeners = []

    async def start(port: int, **settings: object) -> Listener:
        listener = Listener(port, **settings)
        await listener.link.__aenter__()
        listeners.append(listener)
        return listener

    yield start
    for listener in listeners:
        await listener.link.close()


async def caller(remote: TestRemote) -> None:
    """Somebody calls and waits: a Local channel of which one half runs the dialplan."""
    await remote.act(
        "Originate",
        Channel="Local/wait@test/n",
        Application="Wait",
        Data="300",
        Async="true",
    )


async def test_signs_in_reads_the_state_and_hears_events(
    pbx: TestPbx, remote: TestRemote, listen: Listen
) -> None:
    listener = await listen(pbx.ports.ami)
    await listener.becomes("ready")
    (up,) = listener.ups
    assert (up.snapshot.channels, up.gap_from, up.gap_to) == ([], None, None)
    assert up.snapshot.pbx_started_at == pytest.approx(time.time(), abs=30)
    await caller(remote)
    assert await listener.steps(1) == ["waiting"]
    assert isinstance(listener.events[0], Newchannel)
    for item in listener.inputs[1:]:
        assert isinstance(item, PbxEvent)
        assert item.at == pytest.approx(time.time(), abs=5)
    link = listener.link
    assert link.pbx_time() == pytest.approx(time.time(), abs=0.5)
    lag = link.stats.lag.p99_seconds(time.monotonic())
    assert lag is not None
    assert lag < 2
    assert link.stats.malformed.count == 0


async def test_actions_and_their_outcomes(pbx: TestPbx, remote: TestRemote, listen: Listen) -> None:
    listener = await listen(pbx.ports.ami)
    await listener.becomes("ready")
    await caller(remote)
    await listener.steps(1)
    probe = next(event for event in listener.events if isinstance(event, UserEvent))
    assert probe.channel is not None
    moved = actions.Redirect(channel=probe.channel, context="test", exten="other")
    assert (await listener.link.send(moved)).result == "done"
    assert await listener.steps(2) == ["waiting", "moved"]
    assert (await listener.link.send(actions.Setvar(variable="ZX_A", value="x y"))).result == "done"
    read = await listener.link.send(actions.Getvar(variable="ZX_A"))
    assert read.headers["Value"] == "x y"
    nobody = await listener.link.send(actions.Hangup(channel="PJSIP/nobody-1"))
    assert (nobody.result, nobody.message) == ("refused", "No such channel")
    assert (await listener.link.send(actions.Hangup(channel=probe.channel))).result == "done"
    await listener.until(
        lambda: any(isinstance(e, Hangup) and e.uniqueid == probe.uniqueid for e in listener.events)
    )


@pytest.mark.parametrize("user", ["product", "nobody"])
async def test_refused_account_is_told(pbx: TestPbx, listen: Listen, user: str) -> None:
    listener = await listen(pbx.ports.ami, user=user, secret="wrong")
    reason = await listener.becomes("refused")
    assert user in reason
    assert "manager.conf" in reason
    assert listener.inputs == []


async def test_account_without_rights_is_told(pbx: TestPbx, listen: Listen) -> None:
    listener = await listen(pbx.ports.ami, user="reader")
    assert "not permitted" in await listener.becomes("refused")


async def test_what_happened_while_the_link_was_cut(
    pbx: TestPbx, proxy: AmiProxy, remote: TestRemote, listen: Listen
) -> None:
    listener = await listen(proxy.port)
    await listener.becomes("ready")
    proxy.refuse = True
    cut_at = time.time()
    proxy.cut()
    await listener.becomes("disconnected")
    await caller(remote)
    waiting = await remote.event("UserEvent", UserEvent="ZxProbe")
    proxy.refuse = False
    await listener.becomes("ready", within_seconds=3)
    up = listener.ups[-1]
    (channel,) = [c for c in up.snapshot.channels if c.uniqueid == waiting["Uniqueid"]]
    assert (channel.context, channel.exten, channel.application) == ("test", "wait", "Wait")
    assert channel.variables == {"ZX_QUEUE": "sales"}
    assert up.gap_from is not None
    assert up.gap_to is not None
    assert up.gap_from - 0.1 <= cut_at < up.gap_to
    assert listener.downs[-1].last_event_at == up.gap_from
    # What comes now comes after the snapshot.
    await listener.link.send(actions.Hangup(channel=channel.name))
    await listener.until(lambda: any(isinstance(event, Hangup) for event in listener.events))
    kinds = [type(item) for item in listener.inputs]
    assert kinds[:3] == [LinkUp, LinkDown, LinkUp]
    assert set(kinds[3:]) == {PbxEvent}


async def test_half_open_connection_is_noticed_within_five_seconds(
    pbx: TestPbx, proxy: AmiProxy, listen: Listen
) -> None:
    listener = await listen(proxy.port)
    await listener.becomes("ready")
    began = time.monotonic()
    proxy.silence()
    unknown = listener.link.post(actions.Getvar(variable="ZX_A"), 60.0)
    reason = await listener.becomes("disconnected", within_seconds=5)
    assert time.monotonic() - began < 5
    assert "silent" in reason
    assert (await unknown).result == "unknown"
    proxy.go_on()
    await listener.becomes("ready")


async def test_stall_of_two_minutes(
    pbx: TestPbx, proxy: AmiProxy, remote: TestRemote, listen: Listen
) -> None:
    """A stall of 120 s, all times twenty times shorter. What stalled must not be told twice."""
    listener = await listen(proxy.port, timings=TWENTY_TIMES_QUICKER)
    await listener.becomes("ready")
    proxy.stall()
    await listener.becomes("disconnected", within_seconds=1)
    await caller(remote)
    await remote.event("UserEvent", UserEvent="ZxProbe")
    await asyncio.sleep(120 / 20)
    assert listener.link.status.state != "ready"
    proxy.go_on()
    await listener.becomes("ready", within_seconds=5)
    up = listener.ups[-1]
    assert any(channel.exten == "wait" for channel in up.snapshot.channels)
    await remote.act("UserEvent", UserEvent="Zx", Step="after")
    assert await listener.steps(1) == ["after"]
    assert len(listener.ups) == 2


async def test_stopped_asterisk_is_noticed_and_found_again(pbx: TestPbx, listen: Listen) -> None:
    listener = await listen(pbx.ports.ami, timings=TWENTY_TIMES_QUICKER)
    await listener.becomes("ready")
    os.kill(pbx.pid, signal.SIGSTOP)
    try:
        await listener.becomes("disconnected", within_seconds=2)
    finally:
        os.kill(pbx.pid, signal.SIGCONT)
    await listener.becomes("ready", within_seconds=5)
    first, second = (up.snapshot.pbx_started_at for up in listener.ups)
    assert first == second


@pytest.mark.parametrize("end", ["kill", "stop"])
async def test_ended_asterisk_is_found_again_as_another(
    pbx: TestPbx, listen: Listen, end: str
) -> None:
    listener = await listen(pbx.ports.ami)
    await listener.becomes("ready")
    await getattr(pbx, end)()
    await listener.becomes("disconnected", within_seconds=5)
    await asyncio.sleep(1.1)  # Asterisk tells its start in whole seconds
    await pbx.start()
    await listener.becomes("ready", within_seconds=2)
    first, second = (up.snapshot.pbx_started_at for up in listener.ups)
    assert second > first


async def test_hostile_user_events_do_not_end_the_link(
    pbx: TestPbx, remote: TestRemote, listen: Listen
) -> None:
    listener = await listen(pbx.ports.ami)
    await listener.becomes("ready")
    for step in (
        "a\\r\\nEvent: Hangup",
        "Event: Hangup",
        "ActionID: link-1",
        "张三\U0001f4de",
        "x" * 900,
    ):
        await remote.act("UserEvent", UserEvent="Zx", Step=step, Event="Hangup", Uniqueid="1.1")
    steps = await listener.steps(5)
    assert steps[1:4] == ["Event: Hangup", "ActionID: link-1", "张三\U0001f4de"]
    assert {type(event) for event in listener.events} == {UserEvent}
    assert listener.link.stats.connects == 1
