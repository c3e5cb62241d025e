"""The live view: what queues, agents and calls look like now, folded from the journal's events.

Pure: no clock, no I/O. `evolve` says which rows changed, `rows` renders them, `snapshot` renders
all. A stale snapshot with the changes since laid over it equals a fresh one (a property test).

Tables of the topic "desk" (of one agent): me, offers, calls, queues.
Tables of the topic "floor": queues, agents, waiting, alarms, link.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal
from zoneinfo import ZoneInfo

import msgspec

from config.floor import Floor
from cti.domain import AgentId, CallId, QueueName, Recorded
from web import live_rows
from web.live_fold import Fold
from web.live_state import (
    AgentNow,
    AlarmNow,
    CallNow,
    Changes,
    DatabaseState,
    Key,
    LinkNow,
    PbxState,
    Picture,
    Row,
    Rows,
    State,
    Topic,
)
from web.queue_alarms import QueueAlarms
from web.reach import Seen

__all__ = ["Changes", "DatabaseState", "Key", "LiveView", "PbxState", "Rows", "Topic"]


class LiveView:
    """The whole of it. Not thread-safe: the consumer's loop owns it."""

    def __init__(self, floor: Floor) -> None:
        self._picture = Picture(floor)
        self._fold = Fold(self._picture, ZoneInfo(floor.time_zone))
        self._queue_alarms = QueueAlarms({queue.name: queue.limits for queue in floor.queues})

    @property
    def seq(self) -> int:
        """The last event's place in the journal."""
        return self._picture.state.seq

    def dump(self) -> dict[str, Any]:
        """The folded state, of plain types."""
        plain: dict[str, Any] = msgspec.to_builtins(self._picture.state)
        return plain

    def load(self, dump: Mapping[str, Any]) -> None:
        """Replace the state by a dump, fitted to the floor as it is now."""
        self._picture.become(msgspec.convert(dump, State))

    def evolve(self, record: Recorded) -> Changes:
        """Apply one event."""
        return self._fold.apply(record)

    def roll(self, now: float) -> Changes:
        """Start a new day's figures when `now` is past the centre's midnight."""
        return self._fold.roll(now)

    # --- what is no event of the journal

    def set_link(
        self,
        *,
        pbx: PbxState,
        since: float,
        lag_seconds: float | None,
        database: DatabaseState,
        journal_behind: int,
    ) -> Changes:
        """How the PBX's link and the database are; `journal_behind`: events not yet stored."""
        link = LinkNow(pbx, since, lag_seconds, database, journal_behind)
        changed = link != self._picture.link
        self._picture.link = link
        return Changes(floor={("link", "pbx")} if changed else set())

    def raise_alarm(
        self,
        key: str,
        *,
        level: Literal["warning", "error"],
        code: str,
        at: float,
        params: Mapping[str, str] | None = None,
    ) -> Changes:
        """Show an alarm until it is cleared; raised again, it keeps its first time."""
        before = self._picture.alarms.get(key)
        since = before.since if before else at
        self._picture.alarms[key] = AlarmNow(key, level, code, since, dict(params or {}))
        return Changes(floor={("alarms", key)})

    def judge_queues(self, now: float) -> Changes:
        """Raise and clear the alarms of queues over their limits."""
        standing = self._queue_alarms.judge(self.figures(), now)
        alarms = self._picture.alarms
        gone = {key for key in alarms if key.startswith("queue.") and key not in standing}
        for key in gone:
            del alarms[key]
        new = {key for key in standing if key not in alarms}
        alarms |= standing
        return Changes(floor={("alarms", key) for key in gone | new})

    def clear_alarm(self, key: str) -> Changes:
        """Take an alarm off, wherever it came from."""
        gone = [
            alarms.pop(key, None)
            for alarms in (self._picture.alarms, self._picture.state.recording_alarms)
        ]
        return Changes(floor={("alarms", key)} if any(gone) else set())

    def set_teams(self, team_of: Callable[[AgentId], str]) -> Changes:
        """Show these names of the agents' teams."""
        picture = self._picture
        before, picture.teams = picture.teams, {key: team_of(key) for key in picture.state.agents}
        moved = {key for key, name in picture.teams.items() if name != before.get(key, "")}
        return Changes(floor={("agents", key) for key in moved})

    # --- questions

    def agent(self, agent_id: AgentId) -> AgentNow | None:
        """The agent's present state, None when unknown."""
        return self._picture.state.agents.get(agent_id)

    def call(self, call_id: CallId) -> CallNow | None:
        """A call that lasts, is being wrapped up or was so lately, None otherwise."""
        return self._picture.state.calls.get(call_id) or self._picture.past.get(call_id)

    def seats(self) -> dict[str, AgentId]:
        """Extension -> who is signed in there."""
        return {
            agent.extension: agent.agent_id
            for agent in self._picture.state.agents.values()
            if agent.extension
        }

    def panels(self) -> list[AgentId]:
        """Agents whose panel counts as connected."""
        return [agent.agent_id for agent in self._picture.state.agents.values() if agent.panel]

    def reaches_queue(self, name: QueueName, seen: Seen) -> bool:
        """Whether one of the agents `seen` serves the queue."""
        return live_rows.seen_row(self._picture, "queues", name, seen)

    def queues_served(self, seen: Seen) -> list[QueueName]:
        """The queues that one of the agents `seen` serves."""
        return [name for name in self._picture.queue_settings if self.reaches_queue(name, seen)]

    def has_alarm(self, key: str, seen: Seen = None) -> bool:
        """Whether this alarm is shown on the floor of the agents `seen`."""
        known = key in self._picture.alarms or key in self._picture.state.recording_alarms
        return known and live_rows.seen_row(self._picture, "alarms", key, seen)

    def figures(self) -> dict[QueueName, Row]:
        """The floor's queue rows, for metrics."""
        return {
            name: live_rows.queue_row(self._picture, name) for name in self._picture.queue_settings
        }

    def queues_of(self, agent_id: AgentId) -> tuple[QueueName, ...]:
        """The queues whose pulse stands on the agent's desk."""
        return self._picture.queues_of(agent_id)

    # --- rows

    def snapshot(
        self, topic: Topic, agent_id: AgentId | None, *, clear: bool, seen: Seen = None
    ) -> Rows:
        """All rows of a topic; every table is there, also when empty.

        :param agent_id: whose desk; not used for the floor.
        :param clear: numbers in full.
        :param seen: the agents whose floor it is; not used for desks.
        """
        if topic == "floor":
            keys = live_rows.floor_keys(self._picture)
        else:
            keys = live_rows.desk_keys(self._picture, agent_id or "")
        put, _ = self.rows(topic, agent_id, keys, clear=clear, seen=seen)
        return {table: put.get(table, {}) for table in live_rows.TABLES[topic]}

    def rows(
        self,
        topic: Topic,
        agent_id: AgentId | None,
        keys: Iterable[Key],
        *,
        clear: bool,
        seen: Seen = None,
    ) -> tuple[Rows, dict[str, list[str]]]:
        """The rows that `keys` name: those that are there, and the keys of those that are gone."""
        put: Rows = {}
        gone: dict[str, list[str]] = {}
        for table, key in keys:
            if topic == "floor" and not live_rows.seen_row(self._picture, table, key, seen):
                continue
            if topic == "floor":
                row = live_rows.floor_row(self._picture, table, key, clear)
            else:
                row = live_rows.desk_row(self._picture, agent_id or "", table, key, clear)
            if row is None:
                gone.setdefault(table, []).append(key)
            else:
                put.setdefault(table, {})[key] = row
        return put, gone
