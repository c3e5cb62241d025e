"""Who may do what: roles give rights, each with a scope; rights open endpoints, topics and numbers.

One table. A person may have several roles; the rights add up, of each the widest scope counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Final, Literal, get_args

Role = Literal["agent", "leader", "supervisor", "quality", "director", "admin"]
Scope = Literal["own", "team", "all"]
"""Whose calls, agents, customers or people: one's own, those of one's team, everybody's."""
ScopedRight = Literal[
    "calls.see",  # calls and their details
    "decisions.see",  # why a call went to whom
    "floor.see",  # queues and agents, live
    "agents.force",  # set another agent's state
    "alarms.clear",  # take an alarm off the wallboard
    "numbers.reveal",  # one number in full when asked for; every revealing is logged
    "recording.listen",  # play recordings; every listening is logged
    "people.see",  # departments, teams, users
]
"""About somebody's work: whose, the scope says. Of these alone a reach can be asked."""
WholeRight = Literal[
    "numbers.see",  # customers' numbers in full
    "customers.see",  # find customers and read their cards
    "customers.edit",  # make and change customers, notes, appointments
    "customers.manage",  # merge, delete, import
    "customers.export",  # take the list away as a file; logged
    "customers.fields",  # define the custom fields
    "blacklist.edit",  # refuse a customer's calls, or let them in again
    "people.manage",  # add and change them, end their sessions
    "audit.see",  # who did what
    "metrics.see",  # /metrics from anywhere
]
"""About what is the whole centre's: for `all` or not at all (docs/decisions/0024)."""
Right = Literal[
    "desk.use",  # work as an agent: seat, states; at one's own desk alone
    ScopedRight,
    WholeRight,
]
Rights = Mapping[Right, Scope]

SCOPES: Final[tuple[Scope, ...]] = ("own", "team", "all")
_LEADS: Final[Rights] = {
    "calls.see": "team",
    "decisions.see": "team",
    "floor.see": "team",
    "agents.force": "team",
    "alarms.clear": "team",
    "numbers.see": "all",
    "recording.listen": "team",
    "customers.see": "all",
    "customers.edit": "all",
    "blacklist.edit": "all",
    "people.see": "team",
}
_OF_THE_WHOLE_CENTRE: Final[Rights] = dict.fromkeys(_LEADS, "all")
RIGHTS: Final[Mapping[Role, Rights]] = {
    "agent": {
        "desk.use": "own",
        "calls.see": "own",
        "numbers.reveal": "own",
        "customers.see": "all",
        "customers.edit": "all",
    },
    "leader": _LEADS,
    "supervisor": {
        **_OF_THE_WHOLE_CENTRE,
        "customers.manage": "all",
        "customers.export": "all",
    },
    "quality": {
        "calls.see": "all",
        "numbers.reveal": "all",
        "recording.listen": "all",
        "customers.see": "all",
    },
    "director": {
        "calls.see": "all",
        "decisions.see": "all",
        "floor.see": "all",
        "numbers.see": "all",
        "recording.listen": "all",
        "customers.see": "all",
        "customers.export": "all",
        "people.see": "all",
        "audit.see": "all",
    },
    "admin": {
        "floor.see": "all",
        "alarms.clear": "all",
        "customers.fields": "all",
        "people.see": "all",
        "people.manage": "all",
        "audit.see": "all",
        "metrics.see": "all",
    },
}
_DATE: Final = r"""
    (?<![\d+]) (?:
        (?:19|20)\d\d (?P<a>[-./]) (?:0?[1-9]|1[0-2]) (?P=a) (?:0?[1-9]|[12]\d|3[01])
        | (?:0?[1-9]|[12]\d|3[01]) (?P<b>[-./]) (?:0?[1-9]|[12]\d|3[01]) (?P=b) (?:19|20)\d\d
    ) (?! \d | [-./]\d )
"""
_WITHIN: Final = r"[ \t.·/_+()（）\-\u00ad－\u00a0\u2000-\u206f\u3000]{0,3}"
"""What people put between a number's digits; \u2000-\u206f: dashes, narrow and invisible marks."""
_NUMBER_IN_TEXT: Final = re.compile(
    rf"{_DATE} | (?P<number> [(+]{{0,3}}(?:\d{{7,}}(?=\W{{1,3}}\d{{7}})|\d(?:{_WITHIN}\d){{6,}}))",
    re.VERBOSE,
)
"""Seven digits or more that may be one number, or such before the next; dates are passed over."""
_LONGEST: Final = 13
"""Digits of a Chinese mobile's number with its country; what has more may be two numbers."""
_SHOWN_MASKED: Final = re.compile(r"[\d+]{0,6}\*{4,7}\d{2,4}")
ROLES: tuple[Role, ...] = tuple(RIGHTS)


def meant(right: Right) -> tuple[Scope, ...]:
    """The scopes with which `right` means something."""
    if right == "desk.use":
        return ("own",)
    return SCOPES if right in get_args(ScopedRight) else ("all",)


def check(table: Mapping[Role, Rights]) -> None:
    """See that the server looks at every scope in the table.

    :raises ValueError: one promises a limit that there is not.
    """
    for role, rights in table.items():
        for right, scope in rights.items():
            if scope not in meant(right):
                raise ValueError(f"{role}: {right} has no scope {scope}")


check(RIGHTS)


def rights_of(roles: Iterable[Role]) -> Rights:
    """All rights that `roles` give together, each with its widest scope."""
    together: dict[Right, Scope] = {}
    for role in roles:
        for right, scope in RIGHTS[role].items():
            if not covers(together.get(right), scope):
                together[right] = scope
    return together


def covers(given: Scope | None, wanted: Scope) -> bool:
    """Whether who has a right for `given` (None: not at all) has it for `wanted`."""
    return given is not None and SCOPES.index(given) >= SCOPES.index(wanted)


def masked_name(name: str | None) -> str | None:
    """The name, numbers in it masked: PBXs often send the number as the caller's name."""
    return name and masked_text(name)


def masked_text(text: str) -> str:
    """What somebody wrote, numbers in it masked.

    Whatever has seven digits is one, an order's number too; dates, times and lists of figures stay.
    """
    return _NUMBER_IN_TEXT.sub(lambda found: _hidden(found) if found["number"] else found[0], text)


def restored(given: str, stored: Iterable[str]) -> str:
    """What somebody wrote over a text that was shown masked: its numbers are those stored.

    :param stored: the text as it was, or several.
    """
    known: dict[str, list[str]] = {}
    for text in stored:
        for found in _NUMBER_IN_TEXT.finditer(text):
            if found["number"]:
                known.setdefault(_hidden(found), []).append(found[0])

    def as_stored(found: re.Match[str]) -> str:
        numbers = known.get(found[0], [found[0]])
        return numbers.pop(0) if len(numbers) > 1 else numbers[0]

    return _SHOWN_MASKED.sub(as_stored, given)


def _hidden(found: re.Match[str]) -> str:
    number = re.sub(r"[^\d+]", "", found[0])
    if len(number.lstrip("+")) > _LONGEST:
        return f"{number[:3]}****{number[-4:]}"
    return masked(number) or ""


def masked(number: str | None) -> str | None:
    """The number as it is shown without the right `numbers.see`.

    The four digits before the last four are starred; of short numbers only the last two stay.
    """
    if number is None:
        return None
    if len(number) >= 10:
        return f"{number[:-8]}****{number[-4:]}"
    return "*" * max(len(number) - 2, 2) + number[-2:] if len(number) > 2 else "**"
