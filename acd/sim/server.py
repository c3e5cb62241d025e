"""The server of a simulation: the real core on a simulated link, its journal kept in memory.

The link is a TCP connection: events and commands keep their order, each way takes a random time, a
cut loses what is under way, a stall delivers it late. `kill` is kill -9: state is what replaying
the journal gives; commands that were written go out, results are lost.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

import msgspec

from acd.core import Core
from acd.sim.clockwork import Clockwork, Handle
from acd.sim.pbx import SimPbx
from config.floor import Floor
from cti.ami.events import AmiEvent
from cti.commands import PbxCommand
from cti.domain import Recorded
from cti.inputs import CommandResult, Input, LinkDown, LinkUp, PbxEvent, Reply, Tick

HEARTBEAT_SECONDS = 2.0


class SimServer:
    """One server process after the other on one node. `on_step` is called after every step."""

    def __init__(
        self,
        clock: Clockwork,
        rng: random.Random,
        floor: Floor,
        *,
        delay_seconds: float = 0.01,
        duplicate_share: float = 0.0,
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._floor = floor
        self._delay = delay_seconds
        self._duplicates = duplicate_share
        self.pbx = SimPbx(clock, rng, self._written)
        self.core = Core(floor, "sim")
        self.journal: list[Recorded] = []
        self.alive = False
        self.connected = False
        self.on_step: Callable[[], None] = lambda: None
        self.on_reply: Callable[[Reply], None] = lambda reply: None
        self._life = 0
        self._connection = 0
        self._arrives = clock.now
        self._departs = clock.now
        self._stalled_until = 0.0
        self._last_event: float | None = None
        self._timer: Handle | None = None
        self._timer_at: float | None = None

    # --- life and death ---

    def start(self) -> None:
        """A new process: state from the journal, then the link."""
        self.core = Core(self._floor, "sim")
        for record in self.journal:
            self.core.evolve(record)
        self.alive = True
        self._life += 1
        self._beat(self._life)
        self.connect()

    def kill(self) -> None:
        """kill -9."""
        self.alive = False
        self.connected = False
        self._connection += 1
        self._life += 1
        self._cancel_timer()

    def connect(self) -> None:
        """The link comes up: epoch, snapshot, then the events after it."""
        if not self.alive or self.connected:
            return
        self._connection += 1
        self.connected = True
        self.pbx.epoch += 1
        now = self._clock.now
        self._stalled_until = 0.0
        self._arrives = now
        snapshot = self.pbx.snapshot()
        self._arrive(LinkUp(snapshot=snapshot, gap_from=self._last_event, gap_to=now))

    def cut(self) -> None:
        """The connection breaks; what is under way is lost."""
        if not (self.alive and self.connected):
            return
        self.connected = False
        self._connection += 1
        now = self._clock.now
        self.step(LinkDown(reason="cut", at=now, last_event_at=self._last_event or now))

    def stall(self, seconds: float) -> None:
        """Nothing passes for a while; then all of it, in order."""
        self._stalled_until = self._clock.now + seconds

    # --- the link ---

    def _written(self, event: AmiEvent) -> None:
        """The PBX wrote an event to the wire."""
        if not self.connected:
            return
        now = self._clock.now
        self._arrive(PbxEvent(event=event, at=now))
        if self._rng.random() < self._duplicates:
            self._arrive(PbxEvent(event=event, at=now))

    def _arrive(self, item: Input) -> None:
        now = self._clock.now
        self._arrives = max(
            self._arrives, self._stalled_until, now + self._rng.uniform(0, 2 * self._delay)
        )
        self._clock.at(self._arrives, partial(self._read, self._connection, now, item))

    def _read(self, connection: int, written: float, item: Input) -> None:
        if connection == self._connection:
            self._last_event = written
            self.step(item)

    def _send(self, command: PbxCommand) -> None:
        if not self.connected:
            self._clock.after(0, partial(self._result, self._life, command, "unknown", ""))
            return
        now = self._clock.now
        self._departs = max(
            self._departs, self._stalled_until, now + self._rng.uniform(0, 2 * self._delay)
        )
        self._clock.at(
            self._departs, partial(self._executed, self._life, self._connection, command)
        )

    def _executed(self, life: int, connection: int, command: PbxCommand) -> None:
        refused = self.pbx.execute(command)
        result = "done" if refused is None else "refused"
        if connection != self._connection:
            result = "unknown"
        self._clock.after(self._delay, partial(self._result, life, command, result, refused or ""))

    def _result(self, life: int, command: PbxCommand, result: str, message: str) -> None:
        if life == self._life and self.alive:
            self.step(
                msgspec.convert(
                    {"command_id": command.command_id, "result": result, "message": message},
                    CommandResult,
                )
            )

    def _beat(self, life: int) -> None:
        if life != self._life:
            return
        if self.connected and self._clock.now >= self._stalled_until:
            self.pbx.beat()
        self._clock.after(HEARTBEAT_SECONDS, partial(self._beat, life))

    # --- the core ---

    def step(self, item: Input) -> None:
        """One input through the real core."""
        if not self.alive:
            return
        output = self.core.step(item, self._clock.now)
        self.journal.extend(output.events)
        for reply in output.replies:
            self.on_reply(reply)
        for command in output.commands:
            self._send(command)
        self._plan_timer()
        self.on_step()

    def _plan_timer(self) -> None:
        deadline = self.core.next_deadline()
        if deadline == self._timer_at:
            return
        self._cancel_timer()
        if deadline is not None:
            self._timer_at = deadline
            self._timer = self._clock.at(deadline, self._due)

    def _due(self) -> None:
        self._timer_at = None
        self.step(Tick())

    def _cancel_timer(self) -> None:
        if self._timer:
            self._timer.cancel()
        self._timer = None
        self._timer_at = None
