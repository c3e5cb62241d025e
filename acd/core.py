"""The core: one input in, and out come what happened, what the PBX shall do, and answers.

Pure: no clock, no random, no database, no network. Deciding yields events and only `Fold.apply`
(and `cti.calls`) change the state by them, so state replayed from the journal equals the live one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from acd import adoption, checks, deadlines, desk, handover, pbx, presence
from acd.matching import match
from acd.reactions import drain
from acd.state import Fold, State
from acd.turn import Turn
from config.floor import Floor
from cti import inputs as i
from cti.calls.model import Calls
from cti.commands import PbxCommand
from cti.domain import AgentId, Recorded

BEHIND_SECONDS: Final = 2.0
CATCH_UP_SECONDS: Final = 0.1
"""While news are older than this, more of it is on the way, and nobody is offered a call on the
strength of what may be over: for so long, since news that stay old must not stop the work."""


class Output(msgspec.Struct):
    """What came of one step, in order."""

    events: list[Recorded]
    commands: list[PbxCommand]
    replies: list[i.Reply]


class Core:
    """The one owner of the centre's state on one PBX.

    :param floor: queues and agents; the state is fitted to it when loaded.
    :param node: name of this PBX's server.
    :param to_e164: an outside caller's number as the PBX gave it -> as it is kept.
    """

    def __init__(
        self,
        floor: Floor,
        node: str,
        epoch: int = 0,
        next_seq: int = 1,
        *,
        to_e164: Callable[[str], str] = str,
        version: str = "",
    ) -> None:
        self._floor = floor
        self._node = node
        self._extensions = {each.number for each in floor.extensions}
        self.calls = Calls(node, self._agent_on, self._extensions.__contains__, to_e164)
        self._version = version
        self._begin(State(epoch=epoch, next_seq=next_seq))

    def _begin(self, state: State) -> None:
        self.state = state
        self._fold = Fold(self._floor, state)
        self._turn = Turn(
            self._floor, self._node, state, self._fold, self.calls, version=self._version
        )

    def _agent_on(self, extension: str) -> AgentId | None:
        return self.state.seats.get(extension)

    def step(self, item: i.Input, now: float) -> Output:
        """Take one input at `now`, epoch seconds."""
        turn = self._turn
        turn.begin(now)
        if isinstance(item, i.PbxEvent) and now - item.at > BEHIND_SECONDS:
            turn.behind = True
            if turn.fold.timers.at("match", "") is None:
                turn.fold.timers.arm("match", "", now + CATCH_UP_SECONDS)
        if isinstance(item, i.Request):
            desk.request(turn, item)
        elif not turn.fenced or isinstance(item, _FENCED_TOO):
            _INPUTS[type(item)](turn, item)
        drain(turn)
        if not turn.fenced and deadlines.due(turn):
            deadlines.passed(turn)
        self._settle(turn)
        return Output(turn.events, turn.commands, turn.replies)

    @staticmethod
    def _settle(turn: Turn) -> None:
        """Answer events and match until nothing more follows; then end the calls that are over."""
        drain(turn)
        match(turn)
        while turn.todo or turn.touched:
            drain(turn)
            match(turn)
            if not turn.todo:
                _finish_calls(turn)

    def next_deadline(self) -> float | None:
        """Epoch seconds at which a Tick is due, None when nothing waits for the clock.

        A fenced process lets its deadlines pass: they are another's now.
        """
        return None if self.fenced else self._fold.timers.next()

    @property
    def fenced(self) -> bool:
        """Whether a newer process has taken the PBX over from this one."""
        return self._turn.fenced

    def evolve(self, record: Recorded) -> None:
        """Apply a record of the journal: at a start, before the first step."""
        self.calls.evolve(record.event)
        self._fold.apply(record)

    def dump(self) -> dict[str, Any]:
        """The state in plain values, for a checkpoint."""
        return {"acd": msgspec.to_builtins(self.state), "calls": self.calls.dump()}

    def load(self, dump: dict[str, Any]) -> None:
        """Become what was dumped.

        :raises msgspec.ValidationError: it is no dump of a core.
        """
        state = msgspec.convert(dump["acd"], State)
        self.calls.load(dump["calls"])
        self._begin(state)

    def check(self, now: float) -> list[str]:
        """The broken invariants in words, [] when all is well."""
        return checks.broken(self._turn, now)

    def check_rule(self, rule: str, now: float) -> list[str]:
        """The same of one of `checks.RULES`, for a process that has calls to serve meanwhile."""
        return checks.broken_of(rule, self._turn, now)


def _finish_calls(turn: Turn) -> None:
    touched, turn.touched = turn.touched, {}
    for call_id, at in touched.items():
        ended = turn.calls.finished(call_id, at)
        if ended is not None:
            turn.emit(ended)


def _panel_alive(turn: Turn, item: i.PanelAlive) -> None:
    turn.memory.panels.add(item.agent_id)
    agent = turn.state.agents.get(item.agent_id)
    if agent is not None:
        presence.tell_panel(turn, agent, connected=True)


def _panel_lost(turn: Turn, item: i.PanelLost) -> None:
    turn.memory.panels.discard(item.agent_id)
    agent = turn.state.agents.get(item.agent_id)
    if agent is not None:
        presence.tell_panel(turn, agent, connected=False)


def _fenced(turn: Turn, item: i.Fenced) -> None:
    handover.fence(turn, item.newer_epoch)


def _tick(_turn: Turn, _item: i.Tick) -> None:
    """Nothing but that time passed: what is due is settled after every input."""


_FENCED_TOO: Final = (i.LinkUp, i.RecordingChecked)
"""What a fenced process takes: what was recorded of its own ended calls no other can tell."""

_INPUTS: Final[dict[type, Callable[[Turn, Any], None]]] = {
    i.PbxEvent: pbx.heard,
    i.LinkUp: adoption.link_up,
    i.LinkDown: adoption.link_down,
    i.CommandResult: pbx.result,
    i.Tick: _tick,
    i.Fenced: _fenced,
    i.PanelAlive: _panel_alive,
    i.PanelLost: _panel_lost,
    i.SurveyKey: pbx.survey,
    i.CallbackWish: pbx.callback,
    i.ConsentAnswer: pbx.consent,
    i.RecordingChecked: pbx.recording_checked,
}
