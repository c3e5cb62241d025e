"""The server of a simulation: the real core on a simulated link, its journal kept in memory.

The link is a TCP connection: events and commands keep their order, each way takes a random time, a
cut loses what is under way, a stall delivers it late. `kill` is kill -9: state is what replaying
the journal gives; commands that were written go out, results are lost.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Literal

from acd.core import Core
from acd.sim.clockwork import Clockwork, Handle
from acd.sim.pbx import SimPbx
from config.floor import Floor
from cti.ami.events import AmiEvent
from cti.commands import PbxCommand
from cti.domain import Recorded
from cti.inputs import ChannelState, CommandResult, Input, LinkDown, LinkUp, PbxEvent, Tick

HEARTBEAT_SECONDS = 2.0
DEAD_SECONDS = 4.0
"""A link that is silent for so long is given up."""
DEADLINE_SECONDS = 5.0
OFFSET_ERROR_SECONDS = 0.02
Outcome = Literal["done", "refused", "timed_out", "unknown"]


class SimServer:
    """One server process after the other on one node.

    :param duplicate_share: how many events come twice.
    :param syncing_seconds: how long reading the PBX's state may take at most.
    :ivar on_step: called after every step, `on_death` after every kill or crash.
    :ivar healthy_since: since when the link has been in order; None when it is not.
    :ivar crash_share: how often the process dies between writing its journal and its commands.
    """

    def __init__(
        self,
        clock: Clockwork,
        rng: random.Random,
        floor: Floor,
        pbx: SimPbx,
        *,
        node: str = "sim",
        delay_seconds: float = 0.01,
        duplicate_share: float = 0.0,
        syncing_seconds: float = 0.0,
    ) -> None:
        self._clock = clock
        self._rng = rng
        self._floor = floor
        self.node = node
        self._delay = delay_seconds
        self._duplicates = duplicate_share
        self._syncing = syncing_seconds
        self.pbx = pbx
        pbx.tell.listeners.append(self._written)
        self.core = Core(floor, node)
        self.journal: list[Recorded] = []
        self.alive = False
        self.connected = False
        self.on_step: Callable[[], None] = lambda: None
        self.on_death: Callable[[], None] = lambda: None
        self.crash_share = 0.0
        self.crashes = 0
        self.healthy_since: float | None = None
        self.epoch = 0
        self._ready = False
        self._buffer: list[PbxEvent] = []
        self._shown = 0
        self._life = 0
        self._connection = 0
        self._arrives = clock.now
        self._departs = clock.now
        self._stalled_until = 0.0
        self._last_event: float | None = None
        self._timer: Handle | None = None
        self._timer_at: float | None = None

    @property
    def fenced(self) -> bool:
        """Whether a newer server has taken the PBX over."""
        return self.core.fenced

    def fresh(self) -> list[Recorded]:
        """The records since this was asked last."""
        shown, self._shown = self._shown, len(self.journal)
        return self.journal[shown:]

    # --- life and death -----------------------------------------------------------------------

    def start(self) -> None:
        """A new process: state from the journal, then the link."""
        self.core = Core(self._floor, self.node)
        for record in self.journal:
            self.core.evolve(record)
        self.alive = True
        self._life += 1
        self._last_event = self.journal[-1].event.at if self.journal else None
        self._beat(self._life)
        self.connect()

    def kill(self) -> None:
        """kill -9."""
        self.alive = False
        self._disconnect()
        self._life += 1
        self._cancel_timer()
        self.on_death()

    def _disconnect(self) -> None:
        self.connected = self._ready = False
        self.healthy_since = None
        self._connection += 1
        self._buffer = []

    def connect(self) -> None:
        """The link comes up: epoch, state, then the events after it."""
        if not self.alive or self.connected:
            return
        self._connection += 1
        self.connected = True
        self._stalled_until = 0.0
        began = self._arrives = self._departs = self._clock.now
        held_by = self.pbx.held_by
        if not self.fenced:
            self.epoch = self.pbx.claim(self.node)
        self._clock.after(
            self._rng.uniform(0, self._syncing),
            partial(self._channels_read, self._connection, began, held_by),
        )

    def _channels_read(self, connection: int, began: float, held_by: str | None) -> None:
        if connection != self._connection:
            return
        channels = self.pbx.channel_states()
        read = partial(self._state_read, connection, began, channels, held_by)
        self._clock.after(self._rng.uniform(0, self._syncing), read)

    def _state_read(
        self, connection: int, began: float, channels: list[ChannelState], held_by: str | None
    ) -> None:
        if connection != self._connection:
            return
        snapshot = self.pbx.snapshot(began, channels, self.epoch, held_by)
        gap_from, gap_to = self._last_event, None if self._last_event is None else began
        self._ready = True
        self.healthy_since = self._clock.now
        buffered, self._buffer = self._buffer, []
        self.step(LinkUp(snapshot=snapshot, gap_from=gap_from, gap_to=gap_to))
        if self.alive and not self.fenced:
            self.pbx.held_by = self.node
        for item in buffered:
            if connection == self._connection:
                self._last_event = item.at
                self.step(item)

    def cut(self) -> None:
        """The connection breaks; what is under way is lost."""
        if not (self.alive and self.connected):
            return
        was_ready = self._ready
        self._disconnect()
        now = self._clock.now
        if was_ready:
            self.step(LinkDown(reason="cut", at=now, last_event_at=self._last_event or now))

    def stall(self, seconds: float) -> None:
        """Nothing passes for a while; then all of it, in order. Who is silent too long is left."""
        self._stalled_until = self._clock.now + seconds
        self.healthy_since = None
        if seconds > DEAD_SECONDS:
            connection = self._connection
            self._clock.after(DEAD_SECONDS, lambda: self._give_up(connection))
            self._clock.after(seconds, self.connect)
        else:
            self._clock.after(seconds, self._well_again)

    def _give_up(self, connection: int) -> None:
        if connection == self._connection:
            self.cut()

    def _well_again(self) -> None:
        if self._ready and self.healthy_since is None and self._clock.now >= self._stalled_until:
            self.healthy_since = self._clock.now

    # --- the link -----------------------------------------------------------------------------

    def _written(self, event: AmiEvent) -> None:
        """The PBX wrote an event to the wire."""
        if not self.connected:
            return
        assert event.timestamp is not None
        at = event.timestamp - self.pbx.tell.offset_seconds
        if self._delay:
            at += self._rng.uniform(-OFFSET_ERROR_SECONDS, OFFSET_ERROR_SECONDS)
        item = PbxEvent(event=event, at=at)
        self._arrive(item)
        if self._rng.random() < self._duplicates:
            self._arrive(item)

    def _arrive(self, item: PbxEvent) -> None:
        now = self._clock.now
        self._arrives = max(
            self._arrives, self._stalled_until, now + self._rng.uniform(0, 2 * self._delay)
        )
        self._clock.at(self._arrives, partial(self._read, self._connection, item))

    def _read(self, connection: int, item: PbxEvent) -> None:
        if connection != self._connection:
            return
        if self._ready:
            self._last_event = item.at
            self.step(item)
        else:
            self._buffer.append(item)

    def _send(self, command: PbxCommand) -> None:
        if not self._ready:
            self._clock.after(0, partial(self._result, self._life, command, "unknown", ""))
            return
        now = self._clock.now
        self._departs = max(
            self._departs, self._stalled_until, now + self._rng.uniform(0, 2 * self._delay)
        )
        self._clock.at(
            self._departs, partial(self._executed, self._life, self._connection, command)
        )
        if self._departs > now + DEADLINE_SECONDS:
            late = partial(self._result, self._life, command, "timed_out", "")
            self._clock.after(DEADLINE_SECONDS, late)

    def _executed(self, life: int, connection: int, command: PbxCommand) -> None:
        """The PBX reads the command, also one of a connection that broke meanwhile, if it came."""
        if connection != self._connection and self._rng.random() < 0.5:
            return
        refused = self.pbx.execute(command)
        result: Outcome = "done" if refused is None else "refused"
        if connection != self._connection:
            result = "unknown"
        self._clock.after(self._delay, partial(self._result, life, command, result, refused or ""))

    def _result(self, life: int, command: PbxCommand, result: Outcome, message: str) -> None:
        if life == self._life and self.alive:
            self.step(CommandResult(command_id=command.command_id, result=result, message=message))

    def _beat(self, life: int) -> None:
        if life != self._life:
            return
        if self._ready and not self.fenced and self._clock.now >= self._stalled_until:
            self.pbx.beat()
        self._clock.after(HEARTBEAT_SECONDS, partial(self._beat, life))

    # --- the core -----------------------------------------------------------------------------

    def step(self, item: Input) -> None:
        """One input through the real core."""
        if not self.alive:
            return
        output = self.core.step(item, self._clock.now)
        self.journal.extend(output.events)
        if output.commands and self._rng.random() < self.crash_share:
            self.crashes += 1
            self.kill()
            return
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
