"""What the dialplan asks (who calls, is the queue open) and tells (survey, call-back, consent).

Each hook answers from memory. What callers said becomes an input of the core. docs/dialplan.md
tells the engineer which variables each hook sets.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from config.floor import Floor
from cti.agi.server import Handler
from cti.agi.wire import AgiRequest
from cti.domain import (
    CallEnded,
    CallHandedOver,
    CallMerged,
    CallStarted,
    DomainEvent,
    Recorded,
)
from cti.inputs import CallbackWish, ConsentAnswer, Input, SurveyKey
from cti.lookup import Callers, LookUp

_UNIQUEID: Final = re.compile(r"[A-Za-z0-9_.-]{1,150}")
_CALLS: Final = frozenset((CallStarted, CallEnded, CallMerged, CallHandedOver))
_DIALLED: Final = re.compile(r"\+?[0-9]{3,20}")


class HookError(Exception):
    """The dialplan called a hook with arguments that cannot be."""


class Hooks:
    """The handlers of the FastAGI server.

    :param is_open: whether a queue takes callers now.
    :param tell: puts an input on the core's queue.
    """

    def __init__(
        self,
        floor: Floor,
        look_up: LookUp,
        is_open: Callable[[str], bool],
        tell: Callable[[Input], None],
    ) -> None:
        self._queues = {queue.name for queue in floor.queues}
        self._look_up = look_up
        self._is_open = is_open
        self._tell = tell

    def handlers(self) -> dict[str, Handler]:
        """Path -> handler."""
        return {
            "enter": self.enter,
            "hours": self.hours,
            "survey": self.survey,
            "callback": self.callback,
            "consent": self.consent,
        }

    def enter(self, request: AgiRequest) -> Mapping[str, str]:
        """Facts of the caller for a queue, as the ZX_ variables of the contract."""
        return self._look_up.facts(self._queue(request), request.caller_number)

    def hours(self, request: AgiRequest) -> Mapping[str, str]:
        """ZX_OPEN: yes or no, for a queue."""
        return {"ZX_OPEN": "yes" if self._is_open(self._queue(request)) else "no"}

    def survey(self, request: AgiRequest) -> Mapping[str, str]:
        """The caller pressed 1 to 5."""
        key = _argument(request, 0)
        if key not in {"1", "2", "3", "4", "5"}:
            raise HookError(f"survey: {key[:20]!r} is none of 1 to 5")
        self._tell(SurveyKey(uniqueid=_uniqueid(request), score=int(key)))
        return {}

    def callback(self, request: AgiRequest) -> Mapping[str, str]:
        """The caller wants to be called at a number instead of waiting."""
        number = _argument(request, 0)
        if not _DIALLED.fullmatch(number):
            raise HookError("callback: no number to call")
        queue = request.arguments[1] if len(request.arguments) > 1 else None
        self._tell(
            CallbackWish(
                uniqueid=_uniqueid(request),
                number=number,
                queue=queue if queue in self._queues else None,
            )
        )
        return {}

    def consent(self, request: AgiRequest) -> Mapping[str, str]:
        """The caller's answer to "this call is recorded": yes or no."""
        answer = _argument(request, 0)
        if answer not in {"yes", "no"}:
            raise HookError(f"consent: {answer[:20]!r} is neither yes nor no")
        self._tell(ConsentAnswer(uniqueid=_uniqueid(request), consent=answer == "yes"))
        return {}

    def _queue(self, request: AgiRequest) -> str:
        queue = _argument(request, 0)
        if queue not in self._queues:
            raise HookError(f"{request.path}: no queue is named {queue[:40]!r}")
        return queue


def _argument(request: AgiRequest, index: int) -> str:
    if len(request.arguments) <= index:
        raise HookError(f"{request.path}: argument {index + 1} is missing")
    return request.arguments[index]


def _uniqueid(request: AgiRequest) -> str:
    if not _UNIQUEID.fullmatch(request.uniqueid):
        raise HookError("the channel's uniqueid is none")
    return request.uniqueid


class LastAgents:
    """Tells the callers' index who has talked to whom; an observer of the recorded events."""

    def __init__(self, callers: Callers) -> None:
        self._callers = callers
        self._numbers: dict[str, str] = {}

    def __call__(self, records: Sequence[Recorded]) -> None:
        """Take a batch of recorded events."""
        for record in records:
            if type(record.event) in _CALLS:
                self._take(record.event)

    def _take(self, event: DomainEvent) -> None:
        match event:
            case CallStarted(call_id=call_id, caller_number=str(number)):
                self._numbers[call_id] = number
            case CallEnded(call_id=call_id, agent_id=agent_id):
                caller = self._numbers.pop(call_id, None)
                if caller is not None and agent_id is not None:
                    self._callers.note_agent(caller, agent_id)
            case CallMerged(merged_call_id=gone) | CallHandedOver(call_id=gone):
                self._numbers.pop(gone, None)
