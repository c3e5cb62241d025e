"""What stands in the simulated PBX: channels, ringing legs, phones, and who runs the dialplan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from acd.sim.clockwork import Handle

UP, RINGING, RING, DOWN = 6, 5, 4, 0

Place = Literal[
    "entering", "waiting", "announced", "offered", "native", "dialling", "talking", "after", "away"
]
"""Where in the dialplan somebody is."""
WAITING: Final = ("waiting", "announced", "offered", "native")


@dataclass(slots=True)
class Channel:
    """One channel of the PBX."""

    name: str
    uniqueid: str
    linkedid: str
    caller_number: str | None
    state: int
    born: float
    bridge_id: str | None = None
    context: str = "default"
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def extension(self) -> str:
        """`8001` of `PJSIP/8001-0000002a`."""
        return self.name.partition("/")[2].rpartition("-")[0]


@dataclass(slots=True)
class Dial:
    """A leg that rings, and what is planned for it.

    :param caller: who dialled; an attended transfer gives the dial to another.
    :param offer: whose offer it is, empty where it is none.
    """

    caller: Customer
    channel: Channel
    offer: str
    native: bool
    planned: list[Handle] = field(default_factory=list)

    def cancel(self) -> None:
        """Nothing planned will happen."""
        for handle in self.planned:
            handle.cancel()


@dataclass(slots=True)
class Customer:
    """Who runs through our dialplan: a caller, or an agent who dialled.

    :param agent: the leg talked to.
    :param moves: counts the steps in the dialplan; what was planned in an earlier one is void.
    :param released: Asterisk's own queue was asked to let go.
    :param consult: the second call of the agent talked to.
    :param entries: epoch seconds since which the waits count, the latest last.
    :param gave_up: hung up while waiting.
    :param talked: epoch seconds of the beginning and end of each talk with a phone of ours.
    """

    channel: Channel
    queue: str
    place: Place = "entering"
    dial: Dial | None = None
    agent: Channel | None = None
    patience: Handle | None = None
    talk_end: Handle | None = None
    entries: list[float] = field(default_factory=list)
    gave_up: bool = False
    answered_at: float | None = None
    moves: int = 0
    released: bool = False
    consult: Customer | None = None
    talked: list[tuple[float, float]] = field(default_factory=list)
    met_at: float = 0.0

    @property
    def entered(self) -> float:
        """Since when the wait counts."""
        return self.entries[-1]


@dataclass(slots=True)
class Phone:
    """An extension: how it behaves when rung.

    :param channels: names of its channels.
    :param answer_seconds: draws the seconds until pick-up; None: rings on.
    """

    extension: str
    registered: bool = True
    channels: dict[str, Channel] = field(default_factory=dict)
    answer_seconds: Callable[[], float | None] = lambda: 1.0
    rejects: Callable[[], bool] = lambda: False

    @property
    def device(self) -> str:
        """Asterisk's name of the device."""
        return f"PJSIP/{self.extension}"

    @property
    def state(self) -> str:
        """Asterisk's device state word."""
        if not self.registered:
            return "UNAVAILABLE"
        states = {channel.state for channel in self.channels.values()}
        if UP in states or RING in states:
            return "INUSE"
        return "RINGING" if states else "NOT_INUSE"
