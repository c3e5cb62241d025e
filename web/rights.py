"""Who may do what: roles give rights, rights open endpoints, topics and numbers.

One table. A person may have several roles; the rights add up.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Literal

Role = Literal["agent", "leader", "supervisor", "quality", "director", "admin"]
Right = Literal[
    "desk.use",  # work as an agent: seat, states, own calls
    "calls.own",  # see the calls one took part in
    "calls.see",  # see all calls
    "decisions.see",  # why a call went to whom
    "floor.see",  # queues and agents, live
    "agents.force",  # set another agent's state
    "alarms.clear",  # take an alarm off the wallboard
    "numbers.see",  # customers' numbers in full
    "recording.listen",  # play recordings; every listening is logged
    "metrics.see",  # /metrics from anywhere
]

RIGHTS: Mapping[Role, frozenset[Right]] = {
    "agent": frozenset({"desk.use", "calls.own"}),
    "leader": frozenset(
        {
            "calls.own",
            "calls.see",
            "decisions.see",
            "floor.see",
            "agents.force",
            "alarms.clear",
            "numbers.see",
            "recording.listen",
        }
    ),
    "supervisor": frozenset(
        {
            "calls.own",
            "calls.see",
            "decisions.see",
            "floor.see",
            "agents.force",
            "alarms.clear",
            "numbers.see",
            "recording.listen",
        }
    ),
    "quality": frozenset({"calls.own", "calls.see", "recording.listen"}),
    "director": frozenset(
        {
            "calls.own",
            "calls.see",
            "decisions.see",
            "floor.see",
            "numbers.see",
            "recording.listen",
        }
    ),
    "admin": frozenset({"floor.see", "alarms.clear", "metrics.see"}),
}
_NUMBER_IN_NAME = re.compile(r"[(+]*\d(?:[\W_]{0,3}\d){6,}")
"""Seven digits or more, however they are separated."""
ROLES: tuple[Role, ...] = tuple(RIGHTS)


def rights_of(roles: Iterable[Role]) -> frozenset[Right]:
    """All rights that `roles` give together."""
    return frozenset().union(*(RIGHTS[role] for role in roles))


def masked_name(name: str | None) -> str | None:
    """The name, numbers in it masked: PBXs often send the number as the caller's name."""
    return name and _NUMBER_IN_NAME.sub(_masked_match, name)


def _masked_match(found: re.Match[str]) -> str:
    return masked(re.sub(r"[^\d+]", "", found[0])) or ""


def masked(number: str | None) -> str | None:
    """The number as it is shown without the right `numbers.see`.

    The four digits before the last four are starred; of short numbers only the last two stay.
    """
    if number is None:
        return None
    if len(number) >= 10:
        return f"{number[:-8]}****{number[-4:]}"
    return "*" * max(len(number) - 2, 2) + number[-2:] if len(number) > 2 else "**"
