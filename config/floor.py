"""The floor: queues with their rules, skills, agents, reasons, dispositions, opening hours.

Validated when the server starts; every error names its key. Frozen: the core reads it, a reload
replaces it whole. Durations are seconds.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from datetime import date, time
from typing import Annotated, Literal, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    field_validator,
    model_validator,
)

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")]
"""A queue's or skill's name: also used in dialplan, so letters, digits and underscore only."""
Extension = Annotated[str, Field(pattern=r"^[0-9a-z]{2,20}$")]
EmployeeNumber = Annotated[str, Field(pattern=r"^[0-9A-Za-z]{1,20}$")]
Level = Annotated[int, Field(ge=1, le=5)]
Strategy = Literal["longest_idle", "fewest_calls", "round_robin", "tiers", "random"]


Where = tuple[str | int, ...]
"""The way to a key: names, and places in lists."""
Mistake = tuple[Where, str]
"""A key below the part that finds it wrong, and what is wrong."""


class MistakesError(ValueError):
    """Settings that are right one by one and do not go together."""

    def __init__(self, found: list[Mistake]) -> None:
        self.found = found
        super().__init__("; ".join(f"{'.'.join(map(str, key))}: {what}" for key, what in found))


def unknown_queues(
    mentioned: Iterable[tuple[Where, str | None]], known: Collection[str]
) -> Iterator[Mistake]:
    """Mentions of queues that there are not."""
    for where, name in mentioned:
        if name not in known:
            yield where, f"no queue is named {name!r}"


class Frozen(BaseModel):
    """Base: immutable, and a misspelt key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class RelaxStep(Frozen):
    """After so long a wait the required proficiency falls by `by`, or any member will do."""

    after_seconds: int = Field(ge=1)
    by: int = Field(default=1, ge=1, le=5)
    any_member: bool = False


class OpenHours(Frozen):
    """Weekly opening: days 1 (Monday) to 7; `to` at or before `start` crosses midnight."""

    days: list[Annotated[int, Field(ge=1, le=7)]]
    start: time
    to: time


class Destination(Frozen):
    """Where a caller goes who cannot wait here."""

    kind: Literal["queue", "number", "voicemail", "callback", "hangup"]
    target: str | None = None

    @model_validator(mode="after")
    def _target_where_needed(self) -> Self:
        if self.kind in ("queue", "number", "voicemail") and not self.target:
            raise MistakesError([(("target",), f"has to be set for kind {self.kind!r}")])
        return self


class Overflow(Frozen):
    """Move on after a wait, or when more than `waiting_over` callers wait."""

    after_seconds: int | None = Field(default=None, ge=1)
    waiting_over: int | None = Field(default=None, ge=1)
    to: Destination


class Limit(Frozen):
    """From where on a figure is worth a look, and from where on somebody has to act.

    None: never. Of the service level both are floors: below them it is too low.
    """

    warn: float | None
    alarm: float | None


class QueueLimits(Frozen):
    """The limits of a queue's figures as they hold, with what follows from its other settings."""

    waiting: Limit
    longest_wait_seconds: Limit
    service_level: Limit


class QueueSettings(Frozen):
    """One queue and its rules."""

    name: Name
    title: dict[str, str] = Field(default_factory=dict, description="language -> name on screens")
    strategy: Strategy = "longest_idle"
    seed: int = Field(default=1, description="of the random strategy, recorded with each decision")
    skills: dict[Name, Level] = Field(default_factory=dict, description="required of every call")
    relax: list[RelaxStep] = Field(default_factory=list)
    weight: int = Field(default=1, ge=1, le=100, description="against queues that share agents")
    priority: int = Field(default=0, ge=-100, le=100, description="added to the caller's own")
    ageing_seconds: int = Field(
        default=60, ge=0, description="waiting so long is worth one priority step; 0: no ageing"
    )
    sticky: Literal["off", "last", "owner"] = "off"
    sticky_seconds: int = Field(default=20, ge=0, description="how long to wait for that agent")
    ring_seconds: int = Field(default=20, ge=3, le=120)
    wrap_up_seconds: int = Field(default=20, ge=0, le=3600)
    wrap_up_limit_seconds: int = Field(default=180, ge=0, le=3600)
    missed_limit: int = Field(default=2, ge=1, description="missed offers in a row -> not ready")
    max_waiting: int | None = Field(default=None, ge=1)
    when_full: Destination = Destination(kind="hangup")
    hours: list[OpenHours] = Field(default_factory=list, description="none: always open")
    holidays: list[date] = Field(default_factory=list)
    when_closed: Destination = Destination(kind="hangup")
    when_no_agents: Destination | None = Field(
        default=None, description="nobody signed in; None: callers may wait"
    )
    overflow: list[Overflow] = Field(default_factory=list)
    service_level_seconds: int = Field(default=20, ge=1)
    service_level_target: float = Field(default=0.8, gt=0, le=1)
    short_abandon_seconds: int = Field(
        default=5, ge=0, description="abandons up to this are left out of the service level"
    )
    warn_waiting: int | None = Field(
        default=None, ge=1, description="callers from which on screens warn; None: half of the room"
    )
    alarm_waiting: int | None = Field(
        default=None,
        ge=1,
        description="from which on an alarm is raised; None: 8 tenths of the room",
    )
    warn_wait_seconds: int | None = Field(
        default=None, ge=1, description="longest wait; None: service_level_seconds"
    )
    alarm_wait_seconds: int | None = Field(
        default=None, ge=1, description="longest wait; None: three times service_level_seconds"
    )
    warn_service_level: float | None = Field(
        default=None, ge=0, le=1, description="of the last half hour; None: service_level_target"
    )
    alarm_service_level: float | None = Field(
        default=None, ge=0, le=1, description="None: a quarter below service_level_target"
    )
    welcome: str | None = Field(default=None, description="sound file played on entering")
    look_up_before_answer: bool = Field(
        default=False,
        description="a blacklisted caller is not even answered; always so where the queue speaks"
        " first (welcome, consent), in the caller's language",
    )
    announce_every_seconds: int = Field(
        default=0,
        ge=0,
        description="0: never; counted from the beginning of one, which lasts about ten seconds",
    )
    announce_position: bool = True
    announce_expected_wait: bool = True
    music: str = "default"
    recording: Literal["always", "share", "never"] = "always"
    recording_share: float = Field(default=1.0, ge=0, le=1)
    consent: Literal["none", "announce", "ask"] = "none"
    survey: bool = False
    dispositions: list[str] = Field(
        default_factory=lambda: ["resolved", "follow_up", "no_result", "wrong_number"]
    )

    @model_validator(mode="after")
    def _warned_before_the_alarm(self) -> Self:
        limits = self.limits
        mistakes: list[Mistake] = []
        for key, limit, sign in (
            ("alarm_waiting", limits.waiting, 1),
            ("alarm_wait_seconds", limits.longest_wait_seconds, 1),
            ("alarm_service_level", limits.service_level, -1),
        ):
            if limit.warn is None or limit.alarm is None:
                continue
            if limit.alarm * sign < limit.warn * sign:
                mistakes.append(((key,), f"comes before the warning at {limit.warn:g}"))
        if mistakes:
            raise MistakesError(mistakes)
        return self

    @property
    def limits(self) -> QueueLimits:
        """From where on the queue's figures are too high or too low."""
        room, in_time, target = (
            self.max_waiting,
            self.service_level_seconds,
            self.service_level_target,
        )
        return QueueLimits(
            waiting=Limit(
                warn=self.warn_waiting or (room and _share_up(room, 5)),
                alarm=self.alarm_waiting or (room and _share_up(room, 8)),
            ),
            longest_wait_seconds=Limit(
                warn=self.warn_wait_seconds or in_time,
                alarm=self.alarm_wait_seconds or 3 * in_time,
            ),
            service_level=Limit(
                warn=target if self.warn_service_level is None else self.warn_service_level,
                alarm=round(target * 0.75, 4)
                if self.alarm_service_level is None
                else self.alarm_service_level,
            ),
        )

    @property
    def asks_before_answer(self) -> bool:
        """Whether the dialplan asks the server who calls before it answers."""
        speaks = self.welcome is not None or self.consent != "none"
        return speaks or self.look_up_before_answer

    def destinations(self) -> Iterator[tuple[Where, Destination]]:
        """Where callers may be sent who cannot wait here, each with its key."""
        yield ("when_full",), self.when_full
        yield ("when_closed",), self.when_closed
        if self.when_no_agents is not None:
            yield ("when_no_agents",), self.when_no_agents
        for nth, overflow in enumerate(self.overflow):
            yield ("overflow", nth, "to"), overflow.to


def _share_up(whole: int, tenths: int) -> int:
    """So many tenths of it, at least one."""
    return -(-whole * tenths // 10)


class Membership(Frozen):
    """An agent in a queue. Tier 1 is asked first by the tiers strategy."""

    queue: Name
    tier: int = Field(default=1, ge=1, le=9)


class AgentSettings(Frozen):
    """An agent. The password is no setting: it is kept hashed in the database.

    Nor is the team, which was one once: a file that still names it is taken, and `names_team`.
    """

    id: EmployeeNumber
    name: str = Field(min_length=1, max_length=80)
    queues: list[Membership] = Field(default_factory=list)
    skills: dict[Name, Level] = Field(default_factory=dict)
    _names_team: bool = PrivateAttr(default=False)

    @model_validator(mode="wrap")
    @classmethod
    def _without_team(cls, values: object, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(values, dict) or "team" not in values:
            return handler(values)
        agent = handler({key: value for key, value in values.items() if key != "team"})
        agent._names_team = True
        return agent

    @property
    def names_team(self) -> bool:
        """Whether the settings name a team, which nothing goes by."""
        return self._names_team


class ExtensionSettings(Frozen):
    """A SIP endpoint: a browser softphone or a desk phone."""

    number: Extension
    kind: Literal["browser", "desk"] = "browser"


class ReasonSettings(Frozen):
    """A reason for being not ready."""

    code: Name
    title: dict[str, str] = Field(default_factory=dict)
    limit_minutes: int | None = Field(default=None, ge=1)


DEFAULT_REASONS: tuple[ReasonSettings, ...] = (
    ReasonSettings(code="lunch", title={"zh-CN": "午餐", "en": "Lunch"}, limit_minutes=60),
    ReasonSettings(code="rest", title={"zh-CN": "小休", "en": "Rest"}, limit_minutes=15),
    ReasonSettings(code="training", title={"zh-CN": "培训", "en": "Training"}),
    ReasonSettings(code="meeting", title={"zh-CN": "会议", "en": "Meeting"}),
    ReasonSettings(code="desk_work", title={"zh-CN": "案头工作", "en": "Desk work"}),
)
"""What agents may choose; `missed` and `unreachable` are set by the server alone."""


class Floor(Frozen):
    """All of it, with the references between the parts checked."""

    time_zone: str = "Asia/Shanghai"
    country: str = Field(default="CN", pattern=r"^[A-Z]{2}$")
    """Two letters (ISO 3166): that of phone numbers without a country code."""
    queues: list[QueueSettings] = Field(default_factory=list)
    agents: list[AgentSettings] = Field(default_factory=list)
    extensions: list[ExtensionSettings] = Field(default_factory=list)
    reasons: list[ReasonSettings] = Field(default_factory=lambda: list(DEFAULT_REASONS))

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise ValueError(f"{name!r} is no time zone, like Asia/Shanghai") from None
        return name

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        names = {queue.name for queue in self.queues}
        mistakes = [*self._given_twice(), *unknown_queues(self._mentioned_queues(), names)]
        if mistakes:
            raise MistakesError(mistakes)
        return self

    def _given_twice(self) -> Iterator[Mistake]:
        for table, key in (("queues", "name"), ("agents", "id"), ("extensions", "number")):
            seen: set[str] = set()
            for place, row in enumerate(getattr(self, table)):
                name = getattr(row, key)
                if name in seen:
                    yield (table, place, key), "given twice"
                seen.add(name)

    def _mentioned_queues(self) -> Iterator[tuple[Where, str | None]]:
        for place, agent in enumerate(self.agents):
            for nth, membership in enumerate(agent.queues):
                yield ("agents", place, "queues", nth, "queue"), membership.queue
        for place, queue in enumerate(self.queues):
            for where, destination in queue.destinations():
                if destination.kind == "queue":
                    yield ("queues", place, *where, "target"), destination.target
