"""The one consumer: order, journal before everything else, answers, heartbeats, commands."""

from __future__ import annotations

import asyncio
import time

import msgspec
import pytest

from acd.core import Output
from cti.ami import actions
from cti.commands import (
    Assign,
    HangUp,
    NativeJoin,
    NativeLeave,
    NativePause,
    NativeRelease,
    SendTo,
    SetMute,
    Withdraw,
)
from cti.domain import AgentSignedIn, Recorded
from cti.inputs import (
    CommandResult,
    Input,
    LinkDown,
    LinkUp,
    PbxSnapshot,
    Reply,
    SetReady,
    Tick,
)
from cti.runtime import BATCH, Runtime, to_actions


class ScriptedCore:
    """Answers each input as the test says and keeps what it was given."""

    def __init__(self) -> None:
        self.seen: list[Input] = []
        self.deadline: float | None = None
        self.commands: list = []
        self.stepped = asyncio.Event()

    async def has_seen(self, count: int) -> None:
        while len(self.seen) < count:
            self.stepped.clear()
            await self.stepped.wait()

    def step(self, item: Input, now: float) -> Output:
        self.seen.append(item)
        self.stepped.set()
        replies = [Reply(request_id=item.request_id)] if isinstance(item, SetReady) else []
        event = AgentSignedIn(at=now, agent_id="1001", extension="8001")
        commands, self.commands = self.commands, []
        self.deadline = None
        if isinstance(item, CommandResult):
            return Output([], [], [])
        return Output([Recorded(len(self.seen), event)], commands, replies)

    def next_deadline(self) -> float | None:
        return self.deadline


class Diary:
    """Journal, PBX and observer in one: writes down who was told what, in order."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.posted: list[actions.Action] = []
        self.beats = asyncio.Event()
        self.checkpoints: list[bytes] = []
        self.full = False

    def append(self, records) -> None:
        self.told.append(f"journal {[record.seq for record in records]}")

    def wants_checkpoint(self) -> bool:
        return self.full

    def checkpoint(self, blob: bytes) -> None:
        self.full = False
        self.checkpoints.append(blob)

    def post(self, action, deadline_seconds, action_id=None):
        self.told.append(f"pbx {action_id}")
        self.posted.append(action)
        future = asyncio.get_running_loop().create_future()
        future.set_result(actions.Outcome(result="done"))
        return future

    def beat(self) -> None:
        self.told.append("beat")
        self.beats.set()

    def observe(self, records) -> None:
        self.told.append("observer")


@pytest.fixture
async def stage():
    core, diary = ScriptedCore(), Diary()
    runtime = Runtime(
        core,
        diary,
        diary,
        time.time,
        heartbeat_seconds=60,
        checkpoint_parts={"core": lambda: {"n": len(core.seen)}},
    )
    runtime.observers.append(diary.observe)
    task = asyncio.create_task(runtime.run())
    yield core, diary, runtime
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_journal_first_then_observers_then_commands_then_the_result(stage):
    core, diary, runtime = stage
    core.commands = [HangUp(command_id="c1", channel="PJSIP/8001-1")]
    reply = await runtime.ask(SetReady(request_id="r", agent_id="1001"))
    assert reply.code is None
    assert diary.told[:3] == ["journal [1]", "observer", "pbx c1.0"]
    await core.has_seen(2)
    assert core.seen[1] == CommandResult(command_id="c1", result="done")


async def test_the_first_word_to_a_pbx_that_came_up_is_the_heartbeat(stage):
    """Whom the commands fetch out of the native queue may leave it by itself at that moment."""
    core, diary, runtime = stage
    await diary.beats.wait()
    diary.told.clear()
    core.commands = [HangUp(command_id="c1", channel="PJSIP/8001-1")]
    snapshot = PbxSnapshot(at=0.0, pbx_started_at=0.0, epoch=1, channels=[], device_states={})
    runtime.tell(LinkUp(snapshot=snapshot, gap_from=None, gap_to=None))
    await core.has_seen(2)
    assert diary.told[:4] == ["journal [1]", "observer", "beat", "pbx c1.0"]


async def test_it_has_caught_up_when_all_stands_in_the_journal():
    core, diary = ScriptedCore(), Diary()
    caught_up: list[list[str]] = []
    runtime = Runtime(
        core,
        diary,
        diary,
        time.time,
        heartbeat_seconds=60,
        checkpoint_parts={},
        caught_up=lambda: caught_up.append(list(diary.told)),
    )
    for n in range(BATCH + 1):
        runtime.tell(LinkDown(reason=str(n), at=n, last_event_at=n))
    task = asyncio.create_task(runtime.run())
    await core.has_seen(BATCH + 1)
    await asyncio.sleep(0)
    assert len(caught_up) == 1
    assert caught_up[0][-1] == f"journal [{BATCH + 1}]"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def test_inputs_are_stepped_in_the_order_of_telling(stage):
    core, _, runtime = stage
    downs = [LinkDown(reason=str(n), at=n, last_event_at=n) for n in range(600)]
    for down in downs:
        runtime.tell(down)
    await core.has_seen(len(downs))
    assert core.seen == downs
    assert runtime.backlog == 0


async def test_a_due_timer_becomes_a_tick_and_the_heart_beats(stage):
    core, diary, runtime = stage
    await diary.beats.wait()
    core.deadline = time.time()
    runtime.tell(LinkDown(reason="wake", at=0, last_event_at=0))
    await core.has_seen(1)
    assert Tick() in core.seen


async def test_the_core_is_looked_at_with_each_heartbeat():
    core, diary, looks = ScriptedCore(), Diary(), asyncio.Semaphore(0)
    runtime = Runtime(
        core,
        diary,
        diary,
        time.time,
        heartbeat_seconds=0.01,
        checkpoint_parts={},
        inspect=looks.release,
    )
    task = asyncio.create_task(runtime.run())
    async with asyncio.timeout(5):
        for _ in range(3):
            await looks.acquire()
    assert diary.beats.is_set()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize("step", [-3600, 3600])
async def test_the_heart_beats_on_when_the_clock_is_set(step):
    """Callers would go to Asterisk's own queue for as long as the clock was set back."""
    wall, diary, core = Wall(), Diary(), ScriptedCore()
    runtime = Runtime(core, diary, diary, wall, heartbeat_seconds=0.01, checkpoint_parts={})
    task = asyncio.create_task(runtime.run())
    await diary.beats.wait()
    wall.step += step
    for _ in range(3):
        diary.beats.clear()
        async with asyncio.timeout(5):
            await diary.beats.wait()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


class Wall:
    """The wall's clock, which somebody sets."""

    step = 0.0

    def __call__(self) -> float:
        return time.time() + self.step


async def test_a_long_segment_gets_a_checkpoint_of_all_parts(stage):
    _, diary, runtime = stage
    diary.full = True
    await runtime.ask(SetReady(request_id="r", agent_id="1001"))
    assert [msgspec.json.decode(blob) for blob in diary.checkpoints] == [{"core": {"n": 1}}]


@pytest.mark.parametrize(
    ("command", "wanted"),
    [
        (
            Assign(
                command_id="c",
                call_id="x",
                offer_id="o1",
                agent_id="1001",
                channel="PJSIP/trunk-1",
                extension="8001",
                ring_seconds=20,
                epoch=7,
                flags="r",
            ),
            ["Redirect PJSIP/trunk-1 zuoxi-offer 7-o1-8001-20-r"],
        ),
        (
            SendTo(
                command_id="c",
                call_id="x",
                channel="a",
                context="zuoxi-announce",
                exten="7-hold",
                language="zh_CN",
            ),
            ["Setvar a ZX_LANG zh_CN", "Redirect a zuoxi-announce 7-hold"],
        ),
        (
            Withdraw(
                command_id="c",
                call_id="x",
                offer_id="o1",
                customer_channel="PJSIP/trunk-1",
                agent_channel="PJSIP/8001-1",
                epoch=7,
            ),
            ["Setvar PJSIP/trunk-1 ZX_RESCIND o1", "Hangup PJSIP/8001-1 26"],
        ),
        (
            Withdraw(
                command_id="c",
                call_id="x",
                offer_id="o1",
                customer_channel="PJSIP/trunk-1",
                agent_channel=None,
                epoch=7,
            ),
            ["Redirect PJSIP/trunk-1 zuoxi-wait 7-back"],
        ),
        (
            SendTo(
                command_id="c", call_id="x", channel="a", context="zuoxi-leave", exten="7-callback"
            ),
            ["Redirect a zuoxi-leave 7-callback"],
        ),
        (HangUp(command_id="c", channel="a"), ["Hangup a 16"]),
        (
            SetMute(command_id="c", call_id="x", recording_id="r", channel="a", mute=True),
            ["MixMonitorMute a True"],
        ),
        (
            NativeJoin(
                command_id="c", queue="support", extension="8001", agent_id="1001", paused=True
            ),
            ["QueueAdd zx-support PJSIP/8001 1001 True"],
        ),
        (
            NativeLeave(command_id="c", queue="support", extension="8001"),
            ["QueueRemove zx-support PJSIP/8001"],
        ),
        (
            NativePause(command_id="c", extension="8001", paused=False),
            ["QueuePause PJSIP/8001 False"],
        ),
        (
            NativeRelease(command_id="c", call_id="x", queue="support", channel="a"),
            ["QueueWithdrawCaller zx-support a"],
        ),
    ],
)
def test_each_command_becomes_its_actions(command, wanted):
    found = [in_words(action) for action in to_actions(command)]
    assert found == wanted


def in_words(action: actions.Action) -> str:
    fields = {
        "Redirect": ("channel", "context", "exten"),
        "Setvar": ("channel", "variable", "value"),
        "Hangup": ("channel", "cause"),
        "MixMonitorMute": ("channel", "mute"),
        "QueueAdd": ("queue", "interface", "member_name", "paused"),
        "QueueRemove": ("queue", "interface"),
        "QueuePause": ("interface", "paused"),
        "QueueWithdrawCaller": ("queue", "caller"),
    }[type(action).__name__]
    return " ".join([type(action).__name__, *(str(getattr(action, name)) for name in fields)])
