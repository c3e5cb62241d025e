"""The floor: queues with their rules, skills, agents, reasons, dispositions, opening hours.

Validated when the server starts; every error names its key. Frozen: the core reads it, a reload
replaces it whole. Durations are seconds.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, time
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")]
"""A queue's or skill's name: also used in dialplan, so letters, digits and underscore only."""
Extension = Annotated[str, Field(pattern=r"^[0-9a-z]{2,20}$")]
EmployeeNumber = Annotated[str, Field(pattern=r"^[0-9A-Za-z]{1,20}$")]
Level = Annotated[int, Field(ge=1, le=5)]
Strategy = Literal["longest_idle", "fewest_calls", "round_robin", "tiers", "random"]


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
            raise ValueError(f"a destination of kind {self.kind!r} needs a target")
        return self


class Overflow(Frozen):
    """Move on after a wait, or when more than `waiting_over` callers wait."""

    after_seconds: int | None = Field(default=None, ge=1)
    waiting_over: int | None = Field(default=None, ge=1)
    to: Destination


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
    welcome: str | None = Field(default=None, description="sound file played on entering")
    look_up_before_answer: bool = Field(
        default=False,
        description="a blacklisted caller is not even answered; always so where the queue speaks"
        " first (welcome, consent), in the caller's language",
    )
    announce_every_seconds: int = Field(default=0, ge=0, description="0: never")
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

    @property
    def asks_before_answer(self) -> bool:
        """Whether the dialplan asks the server who calls before it answers."""
        speaks = self.welcome is not None or self.consent != "none"
        return speaks or self.look_up_before_answer


class Membership(Frozen):
    """An agent in a queue. Tier 1 is asked first by the tiers strategy."""

    queue: Name
    tier: int = Field(default=1, ge=1, le=9)


class AgentSettings(Frozen):
    """An agent. The password is no setting: it is kept hashed in the database."""

    id: EmployeeNumber
    name: str = Field(min_length=1, max_length=80)
    team: str = "default"
    queues: list[Membership] = Field(default_factory=list)
    skills: dict[Name, Level] = Field(default_factory=dict)


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

    @model_validator(mode="after")
    def _references(self) -> Self:
        queues = {queue.name for queue in self.queues}
        for kind, names in (
            ("queue", [queue.name for queue in self.queues]),
            ("agent", [agent.id for agent in self.agents]),
            ("extension", [extension.number for extension in self.extensions]),
        ):
            twice = {name for name, count in Counter(names).items() if count > 1}
            if twice:
                raise ValueError(f"{kind} given twice: {', '.join(sorted(twice))}")
        for agent in self.agents:
            for membership in agent.queues:
                if membership.queue not in queues:
                    raise ValueError(f"agent {agent.id}: no queue is named {membership.queue!r}")
        for queue in self.queues:
            for destination in (queue.when_full, queue.when_closed, queue.when_no_agents):
                self._check(destination, queue.name, queues)
            for overflow in queue.overflow:
                self._check(overflow.to, queue.name, queues)
        return self

    @staticmethod
    def _check(destination: Destination | None, owner: str, queues: set[str]) -> None:
        if destination and destination.kind == "queue" and destination.target not in queues:
            raise ValueError(f"queue {owner}: overflows to {destination.target!r}, which is none")
