"""Queues: what a caller brings along, where the caller stands, and when a queue turns away.

Everything that the dialplan says is checked here: it may be missing, too long, or a lie.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from acd.routing import LEVELS, Key, Needs
from config.floor import Destination, OpenHours, QueueSettings
from cti.domain import AgentId, CallId, LegId, OfferId, QueueName, VisitEnd
from cti.lookup import FACTS

MAX_SKILLS: Final = 8
MAX_TEXT: Final = 80
MAX_PRIORITY: Final = 100
MAX_WAITED_SECONDS: Final = 86400.0
SAME_MOMENT_SECONDS: Final = 0.5
"""So near to the event, the event's own time is taken, and so near to the entering time in the
queue that sent the caller on, that one: clocks are not compared more exactly."""
RETURN_SECONDS: Final = 5.0
"""So long a caller whose talk was torn apart is kept for the agent who asked to have it back."""
MAX_VISITS: Final = 8
"""A call that overflowed so often stays where it is."""

_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8})?")
_SKILL: Final = re.compile(r"([a-z][a-z0-9_]{0,30})(?::([0-9]{1,2}))?")

VARIABLES: Final = {
    "queue": "ZX_QUEUE",
    "entered": "ZX_ENTERED",
    "priority": "ZX_PRIO",
    "skills": "ZX_SKILLS",
    "language": "ZX_LANG",
    "customer_name": "ZX_NAME",
    "customer_id": "ZX_CUSTOMER",
    "level": "ZX_LEVEL",
    "sticky": "ZX_STICKY",
    "refused": "ZX_REFUSE",
}
"""Our word -> channel variable, as a connect finds it."""
HEADERS: Final = {
    word: {"ZX_QUEUE": "Queue", "ZX_ENTERED": "Entered", **FACTS}[variable]
    for word, variable in VARIABLES.items()
}
"""Our word -> header of UserEvent ZxEnter."""


SNAPSHOT_VARIABLES: Final = (
    *VARIABLES.values(),
    *("ZX_STATE", "ZX_OFFER", "ZX_REC", "ZX_VERB", "ZX_ARG"),
)
"""Channel variables that a connect reads."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller brings into a queue, checked."""

    queue: QueueName
    entered_at: float
    priority: int = 0
    skills: dict[str, int] = {}
    language: str | None = None
    customer_name: str | None = None
    customer_id: str | None = None
    level: str | None = None
    sticky_agent: AgentId | None = None
    refused: bool = False


class Visit(msgspec.Struct, kw_only=True):
    """An open visit of a call in a queue.

    :param talked_seconds: how much of the time since `entered_at` was no wait.
    :param returns_to: the agent who had the caller until the phone there died.
    :param order: journal number of its beginning; decides between equal keys.
    :param passed_over: agent -> until when this caller is not offered to them again.
    :param hold_until: until when the caller is not offered at all.
    :param decided_step: the relaxation step of the last journalled "nobody free", None before one.
    :param told_at: when the caller last heard the position.
    :param bridge_id: the bridge that the caller's leg is in.
    """

    id: str
    call_id: CallId
    queue: QueueName
    leg_id: LegId
    channel: str
    started_at: float
    entered_at: float
    order: int
    talked_seconds: float = 0.0
    priority: int = 0
    skills: dict[str, int] = {}
    language: str | None = None
    sticky_agent: AgentId | None = None
    returns_to: AgentId | None = None
    native: bool = False
    offer_id: OfferId | None = None
    passed_over: dict[AgentId, float] = {}
    hold_until: float = 0.0
    decided_step: int | None = None
    told_at: float = 0.0
    bridge_id: str | None = None


def read_entry(
    values: Mapping[str, str],
    names: Mapping[str, str],
    at: float,
    ahead_seconds: float = 0.0,
    sent_on_from: float | None = None,
) -> Entry:
    """Check what the dialplan says of a caller who enters.

    :param names: `HEADERS` or `VARIABLES`.
    :param at: epoch seconds of the saying, in place of an entering time that cannot be.
    :param ahead_seconds: by how much the dialplan's clock, which it tells moments by, is ahead.
    :param sent_on_from: the entering time in the queue that sent the caller here.
    """

    def said(word: str) -> str:
        return values.get(names[word], "")

    return Entry(
        queue=said("queue"),
        entered_at=_moment(said("entered"), at, ahead_seconds, sent_on_from),
        priority=_priority(said("priority")),
        skills=_skills(said("skills")),
        language=said("language") if _LANGUAGE.fullmatch(said("language")) else None,
        customer_name=_text(said("customer_name")),
        customer_id=_text(said("customer_id")),
        level=_text(said("level")),
        sticky_agent=_text(said("sticky")),
        refused=bool(said("refused")),
    )


def _moment(text: str, at: float, ahead_seconds: float, sent_on_from: float | None) -> float:
    try:
        moment = float(text) - ahead_seconds
    except ValueError:
        return at
    if not math.isfinite(moment) or not at - MAX_WAITED_SECONDS <= moment <= at:
        return at
    if sent_on_from is not None and abs(moment - sent_on_from) < SAME_MOMENT_SECONDS:
        return sent_on_from
    return at if at - moment < SAME_MOMENT_SECONDS else moment


def _priority(text: str) -> int:
    number = re.fullmatch(r"[+-]?[0-9]{1,9}", text.strip(), re.ASCII)
    return max(-MAX_PRIORITY, min(MAX_PRIORITY, int(text))) if number else 0


def _skills(text: str) -> dict[str, int]:
    """Read `french:3&billing`: levels are brought into 1..5, what is no skill is left out."""
    found: dict[str, int] = {}
    for part in text.split("&", MAX_SKILLS)[:MAX_SKILLS]:
        skill = _SKILL.fullmatch(part.strip())
        if skill:
            found[skill[1]] = max(1, min(LEVELS, int(skill[2] or 1)))
    return found


def _text(text: str) -> str | None:
    clean = "".join(letter for letter in text if letter.isprintable()).strip()
    return clean[:MAX_TEXT] or None


# --- the line ------------------------------------------------------------------------------------


def priority_seconds(settings: QueueSettings) -> float:
    """How long a wait one step of priority is worth; without ageing a day, which nobody waits."""
    return settings.ageing_seconds or MAX_WAITED_SECONDS


def line_key(visit: Visit, settings: QueueSettings) -> Key:
    """Where the caller stands, least first.

    Everybody ages alike, so the order of two callers never changes and the key needs no clock.
    """
    return (visit.entered_at - visit.priority * priority_seconds(settings), visit.order)


def urgency(visit: Visit, settings: QueueSettings, now: float) -> float:
    """What counts between queues that share agents: the queue's weight times the wait in seconds.

    A step of priority (the caller's and the queue's) counts as `priority_seconds` of waiting. A
    heavier queue is served sooner but starves no other, since every wait grows. Before all goes a
    caller whose talk was torn apart.
    """
    if now < returns_until(visit):
        return math.inf
    waited = now - visit.entered_at
    steps = visit.priority + settings.priority
    return settings.weight * (waited + steps * priority_seconds(settings))


def relaxed(visit: Visit, settings: QueueSettings, now: float) -> int:
    """How many relaxation steps are in force for this caller."""
    if not settings.relax:
        return 0
    return sum(visit.entered_at + step.after_seconds <= now for step in settings.relax)


def needs(visit: Visit, settings: QueueSettings, step: int) -> Needs:
    """What an agent must have for this caller at a relaxation step (0 is as asked)."""
    fall = 0
    if step:
        steps = sorted(settings.relax, key=lambda each: each.after_seconds)[:step]
        if any(each.any_member for each in steps):
            return ()
        fall = sum(each.by for each in steps)
    asked = settings.skills | visit.skills
    for skill, level in settings.skills.items():
        asked[skill] = max(level, asked[skill])
    return tuple(sorted((skill, level - fall) for skill, level in asked.items() if level > fall))


def sticky_until(visit: Visit, settings: QueueSettings) -> float:
    """Until when the caller may wait for one agent, 0 when for nobody."""
    if settings.sticky == "off" or visit.sticky_agent is None:
        return 0.0
    return visit.entered_at + settings.sticky_seconds


def returns_until(visit: Visit) -> float:
    """Until when the caller is kept for the agent of before, 0 when for nobody."""
    return 0.0 if visit.returns_to is None else visit.started_at + RETURN_SECONDS


def next_change(visit: Visit, settings: QueueSettings, now: float) -> float | None:
    """When the visit's needs or whom it passes over change next by the clock alone."""
    moments = [visit.entered_at + step.after_seconds for step in settings.relax]
    moments += [sticky_until(visit, settings), visit.hold_until, *visit.passed_over.values()]
    moments.append(returns_until(visit))
    return min((moment for moment in moments if moment > now), default=None)


# --- turning away --------------------------------------------------------------------------------


def is_open(settings: QueueSettings, zone: ZoneInfo, now: float) -> bool:
    """Whether the queue takes callers by its hours and holidays, in the centre's zone."""
    local = datetime.fromtimestamp(now, zone)
    if not settings.hours:
        return local.date() not in settings.holidays
    return any(_within(hours, settings, local) for hours in settings.hours)


def _within(hours: OpenHours, settings: QueueSettings, local: datetime) -> bool:
    """Hours that cross midnight belong to the day on which they begin."""
    moment = local.time()
    crosses = hours.to <= hours.start
    if crosses and moment < hours.to:
        day = local.date() - timedelta(days=1)
    elif moment >= hours.start and (crosses or moment < hours.to):
        day = local.date()
    else:
        return False
    return day.isoweekday() in hours.days and day not in settings.holidays


def leave_exten(epoch: int, to: Destination, why: str) -> str:
    """The extension in `zuoxi-leave` for a destination; `why` is said to who is hung up on."""
    match to.kind:
        case "queue":
            return f"{epoch}-overflow-{to.target}"
        case "number" | "voicemail":
            return f"{epoch}-{to.kind}-{to.target}"
        case "callback":
            return f"{epoch}-callback"
        case "hangup":
            return f"{epoch}-hangup-{why}"


LEFT_BY: Final[dict[str, VisitEnd]] = {
    "overflow": "overflowed",
    "number": "overflowed",
    "voicemail": "voicemail",
    "callback": "callback",
}
WHY: Final[dict[str, VisitEnd]] = {
    "closed": "closed",
    "full": "full",
    "noagents": "no_agents",
    "timeout": "overflowed",
}


def left_by(verb: str, argument: str) -> VisitEnd:
    """How a visit ended that UserEvent ZxLeave tells of."""
    return LEFT_BY.get(verb) or WHY.get(argument, "withdrawn")
