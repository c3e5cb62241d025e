"""How a day ran, by quarters of an hour: of each queue and of all together.

The quarter under way, and what still changes of those before it, comes on the live connection
(table `trends` of the topic floor): a page asks here once and lays those rows over.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated, NamedTuple
from zoneinfo import ZoneInfo

from pydantic import Field

from config.floor import Floor
from cti.domain import QueueName
from cti.journal import queries
from cti.journal.moments import QUARTER
from cti.journal.queries import PeriodFigures
from cti.journal.tables import Connection
from web.calls import Text
from web.database import connected
from web.endpoint import Asked, Endpoint, Input, Output, endpoint
from web.live_state import ALL_QUEUES
from web.problems import Problem

_LEVELS = (Path(queries.__file__).parent / "trend.sql").read_text()
Day = Annotated[date, Field(ge=date(2000, 1, 1), le=date(2199, 12, 31))]


class TrendsQuery(Input):
    """Which day, and of which queue; of all and each without one."""

    day: Annotated[Day | None, Field(description="in the centre's time zone; today")] = None
    queue: Annotated[Text | None, Field(description="this one alone")] = None


class TrendSeries(Output):
    """A queue's day, a place in each list for each quarter. `queue`: null for all together.

    Calls count in the quarter in which they entered. `service_level`: of those answered and
    abandoned, null where there were none; `waiting_most`: at once; `ready_mean`: agents.
    """

    queue: str | None
    offered: list[int]
    answered: list[int]
    abandoned: list[int]
    service_level: list[float | None]
    waiting_most: list[int]
    ready_mean: list[float]


class GapInfo(Output):
    """Nothing was heard from the PBX: the figures of this time are lower bounds."""

    from_at: float
    to_at: float
    reason: str


class Trends(Output):
    """The day. `begin`: of the first quarter; `end`: of the day, epoch seconds."""

    day: date
    begin: float
    end: float
    quarter_seconds: int
    series: list[TrendSeries]
    gaps: list[GapInfo]


class Level(NamedTuple):
    """How full a queue was, and how staffed."""

    waiting_most: int
    ready_mean: float


@endpoint(
    "GET",
    "/api/v1/trends",
    "A day by quarters of an hour",
    input=TrendsQuery,
    output=Trends,
    right="floor.see",
    problems=("unknown_queue", "not_your_team", "database_away"),
)
async def show(asked: Asked[TrendsQuery]) -> Trends:
    """Up to now, where the day is today's; nothing of days to come.

    Queues as far as the right reaches; all together for who sees all of them.
    """
    floor, wanted = asked.services.floor, asked.input
    known, seen = [queue.name for queue in floor.queues], asked.seen("floor.see")
    if wanted.queue is not None and wanted.queue not in known:
        raise Problem("unknown_queue")
    names = known if wanted.queue is None else [wanted.queue]
    reached = [name for name in names if asked.services.hub.view.reaches_queue(name, seen)]
    if wanted.queue is not None and not reached:
        raise Problem("not_your_team")
    now = datetime.fromtimestamp(asked.services.clock(), UTC)
    begin, end = bounds(floor.time_zone, wanted.day, now)
    async with connected(asked.services.pool) as connection:
        figures = await queries.queue_figures(
            connection, begin, end, zone=floor.time_zone, queues=names
        )
        levels = await _levels(connection, (begin, end), now, floor, names)
        gaps = await queries.gaps(connection, begin, end)
    quarters = max(0, -(-(min(now, end) - begin) // QUARTER))
    begins = [begin + number * QUARTER for number in range(quarters)]
    together = wanted.queue is None and seen is None
    shown = [*reached, *([ALL_QUEUES] if together else [])]
    return Trends(
        day=begin.astimezone(ZoneInfo(floor.time_zone)).date(),
        begin=begin.timestamp(),
        end=end.timestamp(),
        quarter_seconds=int(QUARTER.total_seconds()),
        series=[series(name, begins, figures, levels) for name in shown],
        gaps=[
            GapInfo(from_at=gap.from_at.timestamp(), to_at=gap.to_at.timestamp(), reason=gap.reason)
            for gap in gaps
        ],
    )


def bounds(zone: str, day: date | None, now: datetime) -> tuple[datetime, datetime]:
    """From midnight to midnight in the centre's zone: 23 or 25 hours where the clock changes."""
    centre = ZoneInfo(zone)
    day = day or now.astimezone(centre).date()
    following = day + timedelta(days=1)
    begin = datetime(day.year, day.month, day.day, tzinfo=centre).astimezone(UTC)
    end = datetime(following.year, following.month, following.day, tzinfo=centre).astimezone(UTC)
    return begin, end


def series(
    name: QueueName,
    begins: Sequence[datetime],
    figures: Iterable[PeriodFigures],
    levels: Mapping[tuple[QueueName, datetime], Level],
) -> TrendSeries:
    """One queue's day, or that of ALL_QUEUES, from figures of single queues."""
    by_begin: dict[datetime, list[PeriodFigures]] = {}
    for each in figures:
        if name in (each.queue, ALL_QUEUES):
            by_begin.setdefault(each.begin, []).append(each)
    found = [[each.figures for each in by_begin.get(begin, ())] for begin in begins]
    judged = [sum(each.answered + each.abandoned for each in quarter) for quarter in found]
    in_time = [sum(each.answered_in_time for each in quarter) for quarter in found]
    full = [levels.get((name, begin), Level(0, 0.0)) for begin in begins]
    return TrendSeries(
        queue=name or None,
        offered=[sum(each.entered for each in quarter) for quarter in found],
        answered=[sum(each.answered for each in quarter) for quarter in found],
        abandoned=[
            sum(each.abandoned + each.abandoned_short for each in quarter) for quarter in found
        ],
        service_level=[
            round(good / of, 4) if of else None for good, of in zip(in_time, judged, strict=True)
        ],
        waiting_most=[each.waiting_most for each in full],
        ready_mean=[round(each.ready_mean, 2) for each in full],
    )


async def _levels(
    connection: Connection,
    period: tuple[datetime, datetime],
    now: datetime,
    floor: Floor,
    names: list[QueueName],
) -> dict[tuple[QueueName, datetime], Level]:
    """By queue and quarter. Who serves a queue is told by the floor as it is now."""
    memberships = [
        *((each.queue, agent.id) for agent in floor.agents for each in agent.queues),
        *((ALL_QUEUES, agent.id) for agent in floor.agents),
    ]
    queues, agents = [each[0] for each in memberships], [each[1] for each in memberships]
    rows = await connection.fetch(_LEVELS, *period, names, queues, agents, now)
    return {
        (row["queue"], row["begin"]): Level(row["waiting_most"], row["ready_mean"]) for row in rows
    }


ENDPOINTS: tuple[Endpoint, ...] = (show,)
