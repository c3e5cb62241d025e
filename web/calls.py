"""The list of calls and one call in full. Numbers are masked for those without `numbers.see`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from cti.domain import Direction, LegKind, OfferEnd, Outcome, Party, VisitEnd
from cti.journal import detail as found
from cti.journal import queries
from cti.journal.rows import CallRow
from web.database import connected
from web.endpoint import Asked, Endpoint, Input, Output, endpoint
from web.problems import Problem
from web.reach import CallsSeen
from web.rights import ScopedRight, masked, masked_text

Text = Annotated[str, Field(max_length=100, pattern=r"^[^\x00-\x1f]*$")]
Moment = Annotated[float, Field(ge=0, le=32_503_680_000, allow_inf_nan=False)]
_ONES_OWN_NUMBER = re.compile(r"\+[1-9][0-9]{6,14}")
"""E.164: anything else (withheld, an extension, rubbish) tells no customer from another."""


class CallsQuery(Input):
    """Which calls, the newest first."""

    from_: Annotated[Moment | None, Field(alias="from", description="epoch seconds")] = None
    to: Annotated[Moment | None, Field(description="epoch seconds, not included")] = None
    agent: Annotated[Text | None, Field(description="took part")] = None
    queue: Annotated[Text | None, Field(description="the call waited there")] = None
    outcome: Outcome | Literal["open"] | None = None
    q: Annotated[
        Text | None, Field(description="part of a name, or with the right of a number")
    ] = None
    caller_of: Annotated[Text | None, Field(description="calls of this call's customer")] = None
    limit: Annotated[int, Field(ge=1, le=queries.LIST_LIMIT)] = 50
    cursor: Annotated[str | None, Field(max_length=300, pattern=r"^[\w-]*$")] = None


class Loose(pydantic.BaseModel):
    """Base of what is read from the journal: more fields there are not shown."""

    model_config = pydantic.ConfigDict(extra="ignore", frozen=True)


class CallLine(Loose):
    """A call in the list. `number`, `name`: the customer's. `outcome`: null while it lasts.

    `handed_over`: another server has it and lists it; this is what was known here.
    """

    call_id: str
    started_at: float
    answered_at: float | None
    ended_at: float | None
    direction: Direction
    number: str | None
    name: str | None
    called_number: str | None
    customer_id: str | None
    level: str | None
    queues: list[str]
    agents: list[str]
    agent_id: str | None
    waited_seconds: float
    talk_seconds: float
    outcome: Outcome | None
    handed_over: bool
    ended_by: Party | None
    transfers: int
    recordings: int
    faults: int
    disposition: str | None
    survey_score: int | None
    exact: bool


class CallPage(Output):
    """A page of calls. `next`: the cursor of the page after, null on the last."""

    items: list[CallLine]
    next: str | None


class SpanInfo(Loose):
    """From when to when."""

    from_at: float
    to_at: float | None


class LegInfo(Loose):
    """One channel's share of the call."""

    leg_id: str
    kind: LegKind
    agent_id: str | None
    extension: str | None
    number: str | None
    started_at: float | None
    ringing_at: float | None
    answered_at: float | None
    ended_at: float | None
    cause: int | None
    cause_text: str
    bridged: list[SpanInfo]
    holds: list[SpanInfo]
    exact: bool


class VisitInfo(Loose):
    """A stay in a queue."""

    visit_id: str
    queue: str
    entered_at: float
    left_at: float | None
    reason: VisitEnd | None
    waited_seconds: float
    agent_id: str | None
    native: bool
    handed_over: bool


class OfferInfo(Loose):
    """The call reserved for one agent."""

    offer_id: str
    agent_id: str
    queue: str
    ring_seconds: int
    made_at: float
    ended_at: float | None
    end: OfferEnd | None
    detail: str
    counts_as_miss: bool


class DecisionInfo(Loose):
    """Why this agent, or why nobody; for those with the right `decisions.see`."""

    at: float
    queue: str
    rule: str
    chosen: str | None
    eligible: list[str]
    eligible_count: int
    excluded: dict[str, int]
    excluded_examples: dict[str, str]
    step: int
    seed: int | None


class RecordingInfo(Loose):
    """A recording. It can be heard once `duration_seconds` is there."""

    recording_id: str
    started_at: float
    queue: str | None
    paused_seconds: float
    duration_seconds: float | None
    customer_silent: bool
    agent_silent: bool
    fault: str | None


class DispositionInfo(Loose):
    """An outcome that an agent recorded; the last counts."""

    at: float
    agent_id: str
    code: str
    notes: str


class SurveyInfo(Loose):
    """A satisfaction key, 1 to 5."""

    at: float
    score: int
    agent_id: str | None


class TimelineItem(pydantic.BaseModel):
    """A fact of the call: `what` is the event's name, its fields follow."""

    model_config = pydantic.ConfigDict(extra="allow", frozen=True)

    at: float
    what: str


class CallDetail(Output):
    """All that is known of a call, times ascending."""

    call: CallLine
    legs: list[LegInfo]
    visits: list[VisitInfo]
    offers: list[OfferInfo]
    decisions: list[DecisionInfo]
    recordings: list[RecordingInfo]
    dispositions: list[DispositionInfo]
    surveys: list[SurveyInfo]
    merged_calls: list[str]
    timeline: list[TimelineItem]


@endpoint(
    "GET",
    "/api/v1/calls",
    "Calls, the newest first",
    input=CallsQuery,
    output=CallPage,
    right="calls.see",
    problems=("bad_cursor", "unknown_call"),
)
async def list_calls(asked: Asked[CallsQuery]) -> CallPage:
    """Those of whom calls.see reaches, and earlier ones of a customer to whom these talked."""
    wanted = await _wanted(asked)
    if wanted is None:
        return CallPage(items=[], next=None)
    async with connected(asked.services.pool) as connection:
        try:
            page = await queries.list_calls(
                connection, wanted, limit=asked.input.limit, cursor=asked.input.cursor
            )
        except queries.BadCursorError:
            raise Problem("bad_cursor") from None
    clear = asked.session.may("numbers.see")
    return CallPage(items=[_line(row, clear) for row in page.items], next=page.next)


@endpoint(
    "GET",
    "/api/v1/calls/{call_id}",
    "One call in full",
    output=CallDetail,
    right="calls.see",
    problems=("unknown_call", "not_your_call"),
)
async def show_call(asked: Asked[None]) -> CallDetail:
    """Folded from the journal. Decisions only with the right decisions.see."""
    async with connected(asked.services.pool) as connection:
        detail = await queries.call_detail(connection, asked.part("call_id", "unknown_call"))
    if detail is None:
        raise Problem("unknown_call")
    if not _has(asked.calls_seen("calls.see"), detail.call):
        raise Problem("not_your_call")
    decisions = asked.session.may("decisions.see") and _has(
        asked.calls_seen("decisions.see"), detail.call
    )
    return _detail(detail, clear=asked.session.may("numbers.see"), decisions=decisions)


ENDPOINTS: tuple[Endpoint, ...] = (list_calls, show_call)


async def _wanted(asked: Asked[CallsQuery]) -> queries.CallFilter | None:
    """The filter, narrowed to what the session may see; None where nothing can be found."""
    given, session = asked.input, asked.session
    if given.q and re.search(r"\d", given.q) and not session.may("numbers.see"):
        raise Problem(
            "no_right", right="numbers.see"
        )  # else numbers could be guessed digit by digit
    seen = asked.calls_seen("calls.see")
    number = None
    if given.caller_of:
        number = await number_of(asked, given.caller_of, "calls.see")
        if number is None or not _ONES_OWN_NUMBER.fullmatch(number):
            return None
        seen = CallsSeen(None)
    return queries.CallFilter(
        from_at=_moment(given.from_),
        to_at=_moment(given.to),
        agent_id=given.agent,
        agents=None if seen.agents is None else sorted(seen.agents),
        untaken_in=sorted(seen.queues),
        queue=given.queue,
        outcome=given.outcome,
        number=number,
        text=given.q,
    )


async def number_of(asked: Asked[Any], call_id: str, right: ScopedRight) -> str | None:
    """The customer's number of a call that `right` reaches.

    :raises Problem: unknown_call, not_your_call.
    """
    seen = asked.calls_seen(right)
    live = asked.services.hub.view.call(call_id)
    if live:
        number = live.who.number
        queues = [live.queue] if live.queue else []
        reached = seen.has(live.agents, queues, taken=live.answered_at is not None)
    else:
        async with connected(asked.services.pool) as connection:
            row = await queries.call_row(connection, call_id)
        if row is None:
            raise Problem("unknown_call")
        number, reached = _number(row), _has(seen, row)
    if not reached:
        raise Problem("not_your_call")
    return number


def _has(seen: CallsSeen, row: CallRow | CallLine) -> bool:
    return seen.has(row.agents, row.queues, taken=bool(row.agents))


def _moment(at: float | None) -> datetime | None:
    return None if at is None else datetime.fromtimestamp(at, UTC)


def _number(row: CallRow) -> str | None:
    return row.called_number if row.direction == "outbound" else row.caller_number


def _line(row: CallRow, clear: bool) -> CallLine:
    plain = {
        **queries.plain(row),
        "number": _number(row),
        "name": row.customer_name or row.caller_name,
    }
    return CallLine.model_validate(plain if clear else _masked(plain))


def _detail(detail: found.CallDetail, *, clear: bool, decisions: bool) -> CallDetail:
    plain: dict[str, Any] = queries.plain(detail)
    timeline = [
        {"at": item["at"], "what": item["what"], **item["facts"]}
        for item in plain["timeline"]
        if decisions or item["what"] != "CallDecided"
    ]
    shown = {
        **{name: plain[name] for name in CallDetail.model_fields},
        "decisions": plain["decisions"] if decisions else [],
        "timeline": timeline,
        "call": _line(detail.call, clear=True).model_dump(),
    }
    return CallDetail.model_validate(shown if clear else _masked(shown))


_NUMBERS = frozenset({"number", "caller_number", "called_number", "to"})
_WRITTEN = frozenset({"name", "caller_name", "customer_name", "level", "notes", "detail"})


def _masked(value: Any) -> Any:  # noqa: ANN401 - JSON
    """The same with every number masked."""
    if isinstance(value, Mapping):
        return {key: _masked_field(key, item) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked(item) for item in value]
    return value


def _masked_field(key: str, value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, str) and key in _NUMBERS:
        return masked(value)
    if isinstance(value, str) and key in _WRITTEN:
        return masked_text(value)
    return _masked(value)
