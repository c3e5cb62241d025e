"""Read the PBX's whole state: channels, device states and native queues."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import Protocol

from cti.ami.actions import Action, CoreStatus, DeviceStateList, Outcome, QueueStatus, Status
from cti.ami.connection import failed
from cti.ami.errors import ListFailedError
from cti.ami.events import AmiEvent, DeviceStateChange, QueueEntry, QueueMember, StatusItem
from cti.inputs import ChannelState, NativeMember, PbxSnapshot


class Link(Protocol):
    """What reading the state needs of a link."""

    clock: Callable[[], float]

    def pbx_time(self) -> float:
        """Now by the PBX's clock, epoch seconds."""
        ...

    def post(self, action: Action, deadline_seconds: float) -> Awaitable[Outcome]:
        """Send an action."""
        ...

    def collect(self, action: Action, deadline_seconds: float) -> Awaitable[list[AmiEvent]]:
        """Send a list action."""
        ...


async def read_snapshot(
    link: Link, *, variables: Sequence[str], epoch: int, deadline_seconds: float
) -> PbxSnapshot:
    """Ask for everything at once; Asterisk answers in order.

    :param variables: channel variables to read with each channel.
    :param epoch: goes into the snapshot as it is.
    :raises RightsMissingError: the account may not read something.
    :raises ListFailedError: something was refused otherwise or came too late.
    :raises LinkDownError: the link broke.
    """
    at = link.clock()
    started_at, channels, devices, queues = await asyncio.gather(
        _started_at(link, deadline_seconds),
        link.collect(Status(variables=tuple(variables)), deadline_seconds),
        link.collect(DeviceStateList(), deadline_seconds),
        link.collect(QueueStatus(), deadline_seconds),
    )
    return PbxSnapshot(
        at=at,
        pbx_started_at=started_at,
        epoch=epoch,
        channels=[_channel(item) for item in channels if isinstance(item, StatusItem)],
        device_states={
            item.device: item.device_state
            for item in devices
            if isinstance(item, DeviceStateChange)
        },
        native_members=[
            NativeMember(queue=item.queue, interface=item.interface, paused=item.paused)
            for item in queues
            if isinstance(item, QueueMember)
        ],
        native_waiting=[item.uniqueid for item in queues if isinstance(item, QueueEntry)],
        clock_ahead_seconds=link.pbx_time() - link.clock(),
    )


def _channel(item: StatusItem) -> ChannelState:
    return ChannelState(
        name=item.channel,
        uniqueid=item.uniqueid,
        linkedid=item.linkedid,
        state=item.state,
        caller_number=item.caller_number,
        caller_name=item.caller_name,
        connected_number=item.connected_number,
        exten=item.exten,
        context=item.context,
        application=item.application,
        bridge_id=item.bridge_id,
        duration_seconds=item.duration_seconds,
        variables=item.variables,
    )


async def _started_at(link: Link, deadline_seconds: float) -> float:
    """When Asterisk was started. It tells its local time, which is read as if it were ours.

    So the value may be hours off where the time zones differ, but it always is the same for the
    same start, and that is what it is for.
    """
    action = CoreStatus()
    outcome = await link.post(action, deadline_seconds)
    if outcome.result != "done":
        raise failed(action, outcome)
    date, clock = (outcome.headers.get(f"CoreStartup{part}") for part in ("Date", "Time"))
    try:
        return time.mktime(time.strptime(f"{date} {clock}", "%Y-%m-%d %H:%M:%S"))
    except ValueError:
        raise ListFailedError(f"CoreStatus: {date} {clock} is no time of start") from None
