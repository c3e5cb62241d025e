"""How the simulated PBX writes its events to the managers that listen.

Each channel's thread, and each device, tells its own story in order; between them Asterisk promises
nothing, so with a jitter what happens at nearly the same moment is told in any order.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

from acd.sim.channels import Channel, Phone
from acd.sim.clockwork import Clockwork
from cti.ami import events as ami

Listener = Callable[[ami.AmiEvent], None]


class Telling:
    """`listeners` get each event as it is written.

    :ivar jitter_seconds: how much later than its moment an event may be written.
    :ivar offset_seconds: by how much the PBX's clock is ahead.
    """

    def __init__(self, clock: Clockwork, rng: random.Random) -> None:
        self._clock = clock
        self._rng = rng
        self.listeners: list[Listener] = []
        self.jitter_seconds = 0.0
        self.offset_seconds = 0.0
        self._told_at: dict[str, float] = {}
        self._life = 0

    @property
    def now(self) -> float:
        """The PBX's own clock."""
        return self._clock.now + self.offset_seconds

    def forget(self) -> None:
        """The PBX dies: what was not written never will be."""
        self._life += 1
        self._told_at.clear()

    def _emit(self, event: ami.AmiEvent, *stories: str) -> None:
        if not self.jitter_seconds:
            self._write(self._life, event)
            return
        moment = self._clock.now + self._rng.uniform(0, self.jitter_seconds)
        for story in stories:
            moment = max(moment, self._told_at.get(story, 0.0))
        for story in stories:
            self._told_at[story] = moment
        life = self._life
        self._clock.at(moment, lambda: self._write(life, event))

    def _write(self, life: int, event: ami.AmiEvent) -> None:
        if life == self._life:
            for listener in self.listeners:
                listener(event)

    def channel(
        self,
        kind: type[ami.ChannelEvent],
        channel: Channel,
        by: Channel | None = None,
        **more: Any,
    ) -> None:
        """An event of one channel; `by`: whose thread tells it, where that is another's."""
        event = kind(
            timestamp=self.now,
            channel=channel.name,
            uniqueid=channel.uniqueid,
            linkedid=channel.linkedid,
            state=channel.state,
            caller_number=channel.caller_number,
            **more,
        )
        self._emit(event, channel.uniqueid, (by or channel).uniqueid)

    def dial(
        self,
        kind: type[ami.DialEvent],
        caller: Channel,
        called: Channel,
        **more: Any,
    ) -> None:
        """An event of a dial; the caller's thread tells it."""
        event = kind(
            timestamp=self.now,
            channel=caller.name,
            uniqueid=caller.uniqueid,
            linkedid=caller.linkedid,
            **_named("dest", called),
            dest_state=called.state,
            **more,
        )
        self._emit(event, caller.uniqueid, called.uniqueid)

    def user(self, channel: Channel | None, name: str, **headers: str) -> None:
        """The dialplan's UserEvent on a channel, or a manager's without one."""
        event = ami.UserEvent(
            timestamp=self.now,
            name=name,
            channel=None if channel is None else channel.name,
            uniqueid=None if channel is None else channel.uniqueid,
            linkedid=None if channel is None else channel.linkedid,
            headers=headers,
        )
        self._emit(event, "manager" if channel is None else channel.uniqueid)

    def device(self, phone: Phone) -> None:
        """A device's state."""
        event = ami.DeviceStateChange(
            timestamp=self.now, device=phone.device, device_state=phone.state
        )
        self._emit(event, phone.device)

    def transfer(
        self, transferer: Channel, transferee: Channel, to: str, second: Channel | None = None
    ) -> None:
        """A transfer, blind where the transferer has no `second` leg."""
        shared: dict[str, Any] = {"timestamp": self.now, "result": "Success"}
        if second is None:
            blind = ami.BlindTransfer(
                **shared,
                **_named("transferer", transferer),
                **_named("transferee", transferee),
                bridge_id=transferer.bridge_id,
                extension=to,
            )
            self._emit(blind, transferer.uniqueid, transferee.uniqueid)
            return
        attended = ami.AttendedTransfer(
            **shared,
            **_named("first", transferer),
            **_named("second", second),
            transferee_uniqueid=transferee.uniqueid,
            dest_type=to,
        )
        self._emit(attended, transferer.uniqueid, second.uniqueid, transferee.uniqueid)


def _named(role: str, channel: Channel) -> dict[str, Any]:
    """The fields by which an event names a channel in a role."""
    return {
        f"{role}_channel": channel.name,
        f"{role}_uniqueid": channel.uniqueid,
        f"{role}_linkedid": channel.linkedid,
    }
