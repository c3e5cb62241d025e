"""What the handlers of one step work with: the state to read, and what comes of the step.

A handler never changes the state. It says what happened (`emit`, which numbers the event and folds
it in at once), what the PBX shall do (`send`) and what a person is answered (`reply`).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Literal, Protocol
from zoneinfo import ZoneInfo

import msgspec

from acd.queues import Visit
from acd.state import AgentLeg, Fold, State
from config.floor import Floor
from cti.calls.model import Calls
from cti.commands import PbxCommand
from cti.domain import (
    AgentId,
    CallId,
    DomainEvent,
    LegEnded,
    LegRenamed,
    OfferId,
    Recorded,
    VisitEnd,
)
from cti.inputs import Reply, Request


class Maker(Protocol):
    """A command that lacks only its id."""

    def __call__(self, *, command_id: str) -> PbxCommand: ...  # noqa: D102


class InFlight(msgspec.Struct, frozen=True):
    """A command whose outcome is not known yet.

    :param request: who is to be told of the outcome.
    """

    command: PbxCommand
    request: Request | None = None
    position: int = 0
    expected_wait_seconds: float | None = None


class Leaving(msgspec.Struct, frozen=True):
    """A caller who was sent on, until the dialplan confirms it.

    :param rule: what sent the caller on, to be asked again where the PBX did not carry it out.
    :param end: how the visit will end; None: as the dialplan says.
    :param asked: the dialplan asks the caller first, so its silence does not say that it failed.
    """

    rule: Rule
    end: VisitEnd | None
    asked: bool


class Memory:
    """What this process alone knows, and a new one finds out anew at its first connect.

    :ivar leaving: visits whose callers were sent on.
    :ivar undecided: visit -> the rule that has yet to say whether the caller is sent on.
    :ivar sent_in_vain: visit -> how often the caller was sent on and stayed.
    :ivar foreign: visits that are being offered by a process before us.
    :ivar withdrawing: offer -> why we took it back.
    :ivar overtaken: offers whose caller was seen in the wait, moved there by an older process.
    :ivar retaking: calls whose agents' phones are dead and ask to have the callers back.
    :ivar devices: extension -> device state.
    :ivar panels: agents whose panels showed themselves to this process.
    :ivar paused: extension -> whether the native queues were told to leave it alone.
    :ivar releases: whether the PBX knows how to let a caller go out of a native queue.
    """

    def __init__(self) -> None:
        self.in_flight: dict[str, InFlight] = {}
        self.leaving: dict[str, Leaving] = {}
        self.undecided: dict[str, Rule] = {}
        self.sent_in_vain: dict[str, int] = {}
        self.foreign: set[str] = set()
        self.withdrawing: dict[OfferId, str] = {}
        self.overtaken: set[OfferId] = set()
        self.retaking: dict[CallId, AgentId] = {}
        self.devices: dict[str, str] = {}
        self.panels: set[AgentId] = set()
        self.paused: dict[str, bool] = {}
        self.releases = True
        self.commands = 0
        self.connected_before = False
        self.pbx_restarted = False

    def forget_calls(self) -> None:
        """The calls, and what was under way for them, are another server's."""
        for kept in (self.in_flight, self.leaving, self.undecided, self.sent_in_vain):
            kept.clear()
        self.foreign.clear()
        self.withdrawing.clear()
        self.overtaken.clear()
        self.retaking.clear()


class Turn:
    """The step in progress."""

    def __init__(
        self, floor: Floor, node: str, state: State, fold: Fold, calls: Calls, *, version: str
    ) -> None:
        self.floor = floor
        self.zone = ZoneInfo(floor.time_zone)
        self.reasons = frozenset(reason.code for reason in floor.reasons)
        self.extensions = frozenset(each.number for each in floor.extensions)
        self.node = node
        self.label = "".join(letter for letter in node if letter.isascii() and letter.isalnum())
        self.state = state
        self.fold = fold
        self.router = fold.router
        self.calls = calls
        self.memory = Memory()
        self.version = version
        """Of the product, told with each start."""
        self.adopting = False
        """The PBX's state is being taken over: who waits may turn out to be talking."""
        self.begin(0.0)

    def begin(self, now: float) -> None:
        """Start a new step at `now`, epoch seconds."""
        self.now = now
        self.behind = False
        self.events: list[Recorded] = []
        self.commands: list[PbxCommand] = []
        self.replies: list[Reply] = []
        self.todo: deque[tuple[DomainEvent, AgentLeg | None]] = deque()
        self.touched: dict[CallId, float] = {}

    @property
    def may_decide(self) -> bool:
        """Whether to command: the PBX is there, wholly known, and no newer process has it."""
        return self.link_up and not self.fenced and not self.adopting

    @property
    def fenced(self) -> bool:
        """Whether a newer process has taken the PBX over from this one.

        One that has not connected yet is not fenced, though the one before it in the journal was.
        """
        return self.memory.connected_before and self.state.fenced_by is not None

    @property
    def link_up(self) -> bool:
        """Whether this process has the PBX in sight. The journal may still believe that one has."""
        return self.memory.connected_before and self.state.link_up

    def emit(self, event: DomainEvent) -> None:
        """Say what happened; it is in the state when this returns, reactions follow later."""
        leg = None
        if isinstance(event, LegEnded | LegRenamed):
            leg = self.state.legs.get(event.leg_id)
        record = Recorded(self.state.next_seq, event)
        self.calls.evolve(event)
        self.fold.apply(record)
        self.events.append(record)
        self.todo.append((event, leg))

    def send(self, make: Maker, **known: Any) -> str:
        """Have the PBX do something; `make` gets the command's id. Returns the id."""
        memory = self.memory
        memory.commands += 1
        command_id = f"{self.label}-{self.state.epoch}-{memory.commands}"
        command = make(command_id=command_id)
        memory.in_flight[command_id] = InFlight(command, **known)
        self.commands.append(command)
        return command_id

    def reply(self, request: Request, code: str | None = None, **detail: str) -> None:
        """Answer a person: accepted, or refused with a code of `Reply`."""
        self.replies.append(Reply(request_id=request.request_id, code=code, detail=detail))

    def call_id_of(self, uniqueid: str | None) -> CallId | None:
        """The call that a channel belongs to."""
        call = self.calls.call_of(uniqueid) if uniqueid else None
        return None if call is None else call.call_id


Context = Literal["zuoxi-wait", "zuoxi-leave", "zuoxi-announce"]
Rule = Callable[[Turn, Visit], None]
"""A rule of a queue that may send a caller on: closed, full, nobody there, waited too long."""
