"""What the link has done and how it is: for metrics, health and the wallboard."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

import msgspec

from cti.ami.clock import ClockOffset, LagMeter
from cti.ami.events import AmiEvent
from cti.ami.wire import Malformed

LinkState = Literal["disconnected", "refused", "syncing", "ready"]


class LinkStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How the link is.

    - disconnected: no connection; tried again within about a second.
    - refused: Asterisk does not let us in or do; `reason` says what to mend. Tried again slowly.
    - syncing: signed in; the PBX's state is being read, events wait.
    - ready: inputs flow.

    :param since: epoch seconds.
    """

    state: LinkState
    reason: str
    since: float


@dataclass
class LinkStats:
    """Counters since the start of the process.

    :ivar ignored: events by names that nothing reads.
    :ivar malformed: frames and lines that could not be read, and the last of them.
    :ivar overflows: times that the consumer was too slow and the state had to be read anew.
    :ivar not_taken: inputs for which the consumer raised an error; the state is read anew then.
    :ivar connects: links that came up; the first is not a reconnect.
    :ivar actions: actions by result.
    :ivar late: answers that came after their action's deadline.
    """

    by_kind: Counter[type[AmiEvent]] = field(default_factory=Counter)
    ignored: int = 0
    malformed: Malformed = field(default_factory=Malformed)
    overflows: int = 0
    not_taken: int = 0
    connects: int = 0
    actions: Counter[str] = field(default_factory=Counter)
    late: int = 0
    lag: LagMeter = field(default_factory=LagMeter)
    offset: ClockOffset = field(default_factory=ClockOffset)

    def count(self, events: list[AmiEvent]) -> None:
        """Count typed events."""
        self.by_kind.update(map(type, events))

    @property
    def events(self) -> dict[str, int]:
        """Typed events by name."""
        return {kind.__name__: count for kind, count in self.by_kind.items()}

    @property
    def reconnects(self) -> int:
        """Links that came up after the first."""
        return max(0, self.connects - 1)
