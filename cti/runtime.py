"""The one consumer: inputs in one order -> Core.step -> journal, commands, replies, observers.

Everything that happens is put on one queue by `tell` or `ask`; `run` takes what is there, steps the
core for each, and hands on what came of the whole batch: first the journal (one write), then the
replies and observers, then the commands to the PBX. So nothing is done or shown that the journal
could forget. The heartbeat that keeps callers out of the native queue is sent from this very loop:
a consumer that hangs stops it, and a wall clock that is set does not. With each beat the core is
looked at, since nobody but the consumer may see it between two steps.
"""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

import msgspec
import structlog

from acd.core import Core
from cti.ami import actions
from cti.commands import (
    Assign,
    HangUp,
    NativeJoin,
    NativeLeave,
    NativePause,
    NativeRelease,
    PbxCommand,
    SendTo,
    SetMute,
    Withdraw,
)
from cti.domain import Recorded
from cti.inputs import CommandResult, Input, LinkUp, Reply, Request, Tick

log = structlog.get_logger(__name__)

BATCH = 256
"""Inputs stepped before the loop gives way to readers and writers."""
COMMAND_DEADLINE_SECONDS = 5.0


class PbxPort(Protocol):
    """What the runtime needs of the AMI link."""

    def post(
        self, action: actions.Action, deadline_seconds: float, action_id: str | None = None
    ) -> asyncio.Future[actions.Outcome]:
        """Write at once, in the order of the calls; the future never raises."""
        ...

    def beat(self) -> None:
        """Set the heartbeat global, when the link is ready and not fenced."""
        ...


class JournalPort(Protocol):
    """What the runtime needs of the journal."""

    def append(self, records: Sequence[Recorded]) -> None:
        """Write to disk at once."""
        ...

    def wants_checkpoint(self) -> bool:
        """Whether the segment is long enough for a new one."""
        ...

    def checkpoint(self, blob: bytes) -> None:
        """Begin a new segment with the state in `blob`."""
        ...


Observer = Callable[[Sequence[Recorded]], None]
"""Told of each batch of recorded events, after the journal has them."""
CheckpointParts = dict[str, Callable[[], object]]


class Runtime:
    """Owns the core while it runs. `tell` and `ask` may be called anywhere in the event loop.

    :param caught_up: called whenever all that was told stands in the journal.
    :param inspect: called with each heartbeat, between two steps; must not raise.
    """

    def __init__(
        self,
        core: Core,
        journal: JournalPort,
        pbx: PbxPort,
        clock: Callable[[], float],
        *,
        heartbeat_seconds: float,
        checkpoint_parts: CheckpointParts,
        caught_up: Callable[[], None] = lambda: None,
        inspect: Callable[[], None] = lambda: None,
    ) -> None:
        self._core = core
        self._journal = journal
        self._pbx = pbx
        self._clock = clock
        self._heartbeat_seconds = heartbeat_seconds
        self._checkpoint_parts = checkpoint_parts
        self._caught_up = caught_up
        self._inspect = inspect
        self._inputs: deque[Input] = deque()
        self._wake = asyncio.Event()
        self._asked: dict[str, asyncio.Future[Reply]] = {}
        self._request_ids = itertools.count(1)
        self.observers: list[Observer] = []

    def tell(self, item: Input) -> None:
        """Put an input on the queue."""
        self._inputs.append(item)
        self._wake.set()

    async def ask(self, request: Request) -> Reply:
        """Put a request on the queue and wait for its answer."""
        unique = f"{request.request_id or 'r'}.{next(self._request_ids)}"
        answer: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._asked[unique] = answer
        self.tell(msgspec.structs.replace(request, request_id=unique))
        try:
            return await answer
        finally:
            self._asked.pop(unique, None)

    @property
    def backlog(self) -> int:
        """Inputs that wait to be stepped."""
        return len(self._inputs)

    async def run(self) -> None:
        """Consume for ever. An error here is a bug: it ends the process, which then recovers."""
        next_beat = time.monotonic()
        while True:
            await self._wait(next_beat)
            deadline = self._core.next_deadline()
            if deadline is not None and deadline <= self._clock():
                self._inputs.append(Tick())
            linked = self._step_batch()
            if not self._inputs:
                self._caught_up()
            now = time.monotonic()
            if now >= next_beat and not linked:
                self._pbx.beat()
                self._inspect()
            if now >= next_beat or linked:
                next_beat = now + self._heartbeat_seconds

    async def _wait(self, next_beat: float) -> None:
        if self._inputs:
            await asyncio.sleep(0)
            return
        self._wake.clear()
        deadline = self._core.next_deadline()
        seconds = next_beat - time.monotonic()
        if deadline is not None:
            seconds = min(seconds, deadline - self._clock())
        # Cheaper than asyncio.timeout, and this runs for every few events of the PBX.
        loop = asyncio.get_running_loop()
        alarm = loop.call_later(max(0.0, seconds), self._wake.set)
        try:
            await self._wake.wait()
        finally:
            alarm.cancel()

    def _step_batch(self) -> bool:
        """Step what is there, hand on what came of it. Returns whether the link came up in it."""
        items = [self._inputs.popleft() for _ in range(min(BATCH, len(self._inputs)))]
        outputs = [self._core.step(item, self._clock()) for item in items]
        records = [record for output in outputs for record in output.events]
        if records:
            self._journal.append(records)
            for observer in self.observers:
                observer(records)
        for output in outputs:
            for reply in output.replies:
                self._answer(reply)
        linked = any(isinstance(item, LinkUp) for item in items)
        if linked:
            # Before we fetch callers out of the native queue: who leaves it just now by itself
            # must not go in again.
            self._pbx.beat()
        for output in outputs:
            for command in output.commands:
                self._send(command)
        if self._journal.wants_checkpoint():
            self._journal.checkpoint(self._checkpoint())
        return linked

    def _checkpoint(self) -> bytes:
        return msgspec.json.encode({name: dump() for name, dump in self._checkpoint_parts.items()})

    def _answer(self, reply: Reply) -> None:
        waiting = self._asked.get(reply.request_id)
        if waiting is not None and not waiting.done():
            waiting.set_result(reply)

    def _send(self, command: PbxCommand) -> None:
        """Write the command's actions now, in order; their outcome comes back as one input."""
        outcomes = [
            self._pbx.post(action, COMMAND_DEADLINE_SECONDS, f"{command.command_id}.{index}")
            for index, action in enumerate(to_actions(command))
        ]
        asyncio.gather(*outcomes).add_done_callback(partial(self._report, command.command_id))

    def _report(self, command_id: str, outcomes: asyncio.Future[list[actions.Outcome]]) -> None:
        if outcomes.cancelled():  # the server ends
            return
        worst = max(outcomes.result(), key=lambda outcome: _SEVERITY[outcome.result])
        self.tell(CommandResult(command_id=command_id, result=worst.result, message=worst.message))


_SEVERITY = {"done": 0, "refused": 1, "timed_out": 2, "unknown": 3}


def native_queue(name: str) -> str:
    """Name of Asterisk's own queue that stands behind ours."""
    return f"zx-{name}"


def interface(extension: str) -> str:
    """The dial string of an extension."""
    return f"PJSIP/{extension}"


def to_actions(command: PbxCommand) -> list[actions.Action]:  # noqa: PLR0911 - one table
    """The AMI actions of a command, in order. Contexts: docs/architecture.md."""
    match command:
        case Assign():
            exten = (
                f"{command.epoch}-{command.offer_id}-{command.extension}"
                f"-{command.ring_seconds}-{command.flags}"
            )
            redirect = _redirect(command.channel, "zuoxi-offer", exten)
            return [*_speak(command.channel, command.language), redirect]
        case Withdraw(agent_channel=None):
            return [_redirect(command.customer_channel, "zuoxi-wait", f"{command.epoch}-back")]
        case Withdraw(agent_channel=str(agent_channel)):
            return [
                actions.Setvar(
                    channel=command.customer_channel,
                    variable="ZX_RESCIND",
                    value=command.offer_id,
                ),
                actions.Hangup(channel=agent_channel, cause=26),
            ]
        case SendTo():
            redirect = _redirect(command.channel, command.context, command.exten)
            return [*_speak(command.channel, command.language), redirect]
        case HangUp():
            return [actions.Hangup(channel=command.channel, cause=command.cause)]
        case SetMute():
            return [actions.MixMonitorMute(channel=command.channel, mute=command.mute)]
        case NativeJoin() | NativeLeave() | NativePause() | NativeRelease():
            return [_to_native_queues(command)]
    raise TypeError(f"no such command: {command!r}")


def _to_native_queues(
    command: NativeJoin | NativeLeave | NativePause | NativeRelease,
) -> actions.Action:
    match command:
        case NativeJoin():
            return actions.QueueAdd(
                queue=native_queue(command.queue),
                interface=interface(command.extension),
                member_name=command.agent_id,
                paused=command.paused,
                penalty=command.penalty,
            )
        case NativeLeave():
            return actions.QueueRemove(
                queue=native_queue(command.queue), interface=interface(command.extension)
            )
        case NativePause():
            return actions.QueuePause(interface=interface(command.extension), paused=command.paused)
        case NativeRelease():
            return actions.QueueWithdrawCaller(
                queue=native_queue(command.queue), caller=command.channel
            )


def _speak(channel: str, language: str | None) -> list[actions.Action]:
    """Tell the dialplan the caller's language, which it may not have asked for."""
    if language is None:
        return []
    return [actions.Setvar(channel=channel, variable="ZX_LANG", value=language)]


def _redirect(channel: str, context: str, exten: str) -> actions.Redirect:
    return actions.Redirect(channel=channel, context=context, exten=exten, priority=1)
