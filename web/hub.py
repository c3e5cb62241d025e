"""The live hub: publishes the live view's changes to every connected browser.

Floor rows are coalesced to ten messages a second and encoded once for each audience, which is all
who may see the same; an agent's own rows go out at once; the pulse of the queues on the desks twice
a second. Each client has a bounded queue and one writer: a browser that does not keep up loses its
queue and gets a fresh snapshot when it reads again. Every SWEEP_SECONDS each page hears
{"type": "alive", "now": ...}, so that it notices a connection that is only half there.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from cti.domain import AgentId, CallId, OfferMade, QueueName, Recorded
from cti.inputs import Input, PanelAlive
from web.desks import Answer, Desks, Place
from web.live import Changes, DatabaseState, Key, LiveView, PbxState, Rows, Topic
from web.panels import Panels
from web.reach import EVERYTHING, Reach, Seen, Teams

FLOOR_SECONDS = 0.1
PULSE_SECONDS = 0.5
SWEEP_SECONDS = 2.0
JUDGE_SECONDS = 0.5
"""How often the queues are held against their limits: waits grow without an event."""
QUEUE_LIMIT = 64
"""Messages a client may lag behind before its queue is dropped for a snapshot."""
SEND_SECONDS = 30.0
"""A browser that takes nothing for so long is gone."""

Audience = tuple[bool, Reach]
"""Numbers in full or not, and whose floor."""


class Client:
    """One browser: what it watches, a bounded queue and one writer.

    :param send: writes one text message; may block while the browser does not read.
    :param at_once: writes one text message if that takes no waiting; whether it did. It spares
        waking the writer, which costs more than the writing where a thousand browsers watch.
    :param session: the key of the session that the connection is bound to.
    :param signed_in_at: when that session began.
    :param clear: numbers in full.
    :param reach: whose floor it is; those of one audience get the same bytes.
    """

    def __init__(
        self,
        send: Callable[[bytes], Awaitable[None]],
        *,
        session: bytes,
        agent_id: AgentId | None,
        clear: bool,
        reach: Reach = EVERYTHING,
        signed_in_at: float = 0.0,
        at_once: Callable[[bytes], bool] = lambda _message: False,
    ) -> None:
        self.session = session
        self.signed_in_at = signed_in_at
        self.agent_id = agent_id
        self.clear = clear
        self.audience: Audience = (clear, reach)
        self.topic: Topic | None = None
        self.put_off: Answer | None = None
        """Why the desk is not here, once the connection ends for that."""
        self.dropped = 0
        self._send = send
        self._at_once = at_once
        self._queue: deque[bytes] = deque()
        self._stale = False
        self._closing = False
        self._sending: asyncio.Timeout | None = None
        self._wake = asyncio.Event()

    @property
    def idle(self) -> bool:
        """Whether nothing waits to be sent."""
        return not self._queue and not self._stale

    def refresh(self) -> None:
        """Forget what was queued: the next thing this client gets is a snapshot."""
        self._queue.clear()
        self._stale = True
        self._wake.set()

    def put(self, message: bytes) -> None:
        """Write a message or queue it; drop the queue for a snapshot when it is full."""
        if self._stale or self._closing:
            return
        if not self._queue and self._sending is None and self._at_once(message):
            return
        if len(self._queue) >= QUEUE_LIMIT:
            self.dropped += 1
            self.refresh()
            return
        self._queue.append(message)
        self._wake.set()

    def close(self) -> None:
        """Ask the writer to end, also when it waits for a browser that does not read."""
        self._closing = True
        self._wake.set()
        if self._sending and not self._sending.expired():
            self._sending.reschedule(asyncio.get_running_loop().time())

    async def write(self, snapshot: Callable[[Client], bytes]) -> None:
        """The one writer: runs until `close`.

        :param snapshot: renders a fresh snapshot for this client.
        :raises TimeoutError: the browser took nothing for SEND_SECONDS, or until `close`.
        """
        while not self._closing:
            if self._stale:
                self._stale = False
                await self._deliver(snapshot(self))
            elif self._queue:
                await self._deliver(self._queue.popleft())
            else:
                self._wake.clear()
                await self._wake.wait()

    async def _deliver(self, message: bytes) -> None:
        try:
            async with asyncio.timeout(SEND_SECONDS) as self._sending:
                await self._send(message)
        finally:
            self._sending = None


class Hub:
    """Publish and subscribe. Everything runs on the event loop that the consumer runs on.

    :param tell: takes PanelAlive and PanelLost to the core.
    :param clock: epoch seconds.
    :param steady: seconds of a clock that only grows; silence of panels is measured with it.
    """

    def __init__(
        self,
        view: LiveView,
        tell: Callable[[Input], None],
        clock: Callable[[], float],
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self.view = view
        self.panels = Panels()
        self._places = Desks()
        self.teams = Teams()
        self._tell = tell
        self._clock = clock
        self._steady = steady
        self._clients: set[Client] = set()
        self._desks: dict[AgentId, set[Client]] = {}
        self._floor: set[Key] = set()
        self._desk: dict[AgentId, set[Key]] = {}
        self._pulse: set[QueueName] = set()
        self._scheduled: set[str] = set()
        self._earned: dict[str, float] = {}
        self._encode = msgspec.json.Encoder().encode
        self._snapshots: dict[Audience, tuple[int, bytes]] = {}
        self._dropped = 0
        self._offered: Callable[[AgentId, CallId, str | None], None] = lambda *_: None

    def watch_offers(self, offered: Callable[[AgentId, CallId, str | None], None]) -> None:
        """Call `offered` with agent, call and the customer's number of each offer to a panel."""
        self._offered = offered

    # --- what comes from the consumer

    def publish(self, records: Sequence[Recorded]) -> None:
        """Fold a batch of events and let those who watch know. Cheap; never blocks."""
        for record in records:
            self._spread(self.view.evolve(record))
            event = record.event
            if isinstance(event, OfferMade) and event.agent_id in self._desks:
                call = self.view.call(event.call_id)
                self._offered(event.agent_id, event.call_id, call.who.number if call else None)

    def set_link(
        self,
        *,
        pbx: PbxState,
        since: float,
        lag_seconds: float | None,
        database: DatabaseState,
        journal_behind: int,
    ) -> None:
        """Show how the link and the database are (see LiveView.set_link)."""
        self._spread(
            self.view.set_link(
                pbx=pbx,
                since=since,
                lag_seconds=lag_seconds,
                database=database,
                journal_behind=journal_behind,
            )
        )

    def raise_alarm(
        self,
        key: str,
        *,
        level: Literal["warning", "error"],
        code: str,
        params: Mapping[str, str] | None = None,
    ) -> None:
        """Show an alarm on the wallboards until it is cleared."""
        self._spread(
            self.view.raise_alarm(key, level=level, code=code, at=self._clock(), params=params)
        )

    def clear_alarm(self, key: str) -> bool:
        """Take an alarm off; False when there was none."""
        known = self.view.has_alarm(key)
        self._spread(self.view.clear_alarm(key))
        return known

    def set_teams(self, teams: Teams) -> None:
        """Take another order of teams: the floors that end with a team are shown anew."""
        if teams == self.teams:
            return
        self.teams = teams
        self._spread(self.view.set_teams(teams.name_of))
        self._snapshots = {}
        for client in self._clients:
            if client.topic == "floor" and client.audience[1] != EVERYTHING:
                client.refresh()

    def send_pop(
        self, agent_id: AgentId, card: Callable[[bytes], Mapping[str, Any] | None]
    ) -> None:
        """Send who calls to the agent's desk.

        :param card: what the session of this key may see; None: nothing.
        """
        for client in self._desks.get(agent_id, ()):
            if (pop := card(client.session)) is not None:
                client.put(self._encode({"type": "pop", "now": self._clock(), "pop": pop}))

    # --- clients

    def __len__(self) -> int:
        return len(self._clients)

    @property
    def dropped(self) -> int:
        """How often a client's queue was dropped for a snapshot."""
        return self._dropped + sum(client.dropped for client in self._clients)

    def connections(self, session: bytes) -> int:
        """How many connections the session has."""
        return sum(client.session == session for client in self._clients)

    def sessions(self) -> set[bytes]:
        """The sessions that have a connection."""
        return {client.session for client in self._clients}

    def join(self, client: Client) -> None:
        """A browser connected; it gets nothing before it subscribes."""
        self._clients.add(client)

    def subscribe(self, client: Client, topic: Topic, *, take: bool = False) -> None:
        """Send a snapshot of `topic` and the changes after it, instead of what was watched.

        :param take: have the desk here, also if it is in another browser (see web.desks).
        """
        self._leave_desk(client)
        client.topic = None
        others = self._desk_comes(client, take=take) if topic == "desk" else []
        if client.put_off:
            client.close()
            return
        client.topic = topic
        if topic == "desk" and client.agent_id:
            self._desks.setdefault(client.agent_id, set()).add(client)
        client.refresh()
        self.alive(client)
        for other in others:  # now that this panel is alive, so that none is missed meanwhile
            other.put_off = "elsewhere"
            other.close()

    def _desk_comes(self, client: Client, *, take: bool) -> list[Client]:
        """Ask for the desk; those who have to leave it where it comes, else `put_off` says why."""
        if client.agent_id is None:
            return []
        now = self.view.agent(client.agent_id)
        answer = self._places.ask(
            client.agent_id,
            Place(client.session, self._clock() if take else client.signed_in_at),
            take=take,
            there=self.panels.alive(client.agent_id),
            busy=now is not None and now.state in ("offered", "talking"),
        )
        client.put_off = None if answer == "here" else answer
        there = self._desks.get(client.agent_id, ())
        return [each for each in there if each.session != client.session]

    def alive(self, client: Client) -> None:
        """The panel's heartbeat; ignored from clients that watch no desk."""
        if client.topic == "desk" and client.agent_id:
            self._tell_all(self.panels.heard(client.agent_id, client, self._steady()))

    def repeat_panel(self, agent_id: AgentId) -> None:
        """Tell the core again that the agent's panel is alive: the agent has just taken a seat."""
        if self.panels.alive(agent_id):
            self._tell(PanelAlive(agent_id=agent_id))

    def leave(self, client: Client) -> None:
        """The connection is gone."""
        self._clients.discard(client)
        self._dropped += client.dropped
        self._leave_desk(client)
        client.close()

    def close_session(self, session: bytes) -> None:
        """End all connections of a session that is over, or whose rights changed."""
        self._places.leave(session)
        for client in [client for client in self._clients if client.session == session]:
            client.close()

    def close(self) -> None:
        """End all connections: the server ends, and would wait for the browsers to leave."""
        for client in self._clients:
            client.close()

    async def write(self, client: Client) -> None:
        """The client's one writer; returns when the client is closed."""
        await client.write(self._snapshot)

    def _leave_desk(self, client: Client) -> None:
        if client.topic != "desk" or not client.agent_id:
            return
        self._desks[client.agent_id].discard(client)
        self._tell_all(self.panels.closed(client.agent_id, client))

    # --- the clockwork

    async def run(self) -> None:
        """Watch panels and the centre's midnight, for ever."""
        self.panels.await_return(self.view.panels(), self._steady())
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self._tell_all(self.panels.sweep(self._steady()))
            now = self._clock()
            self._beat(now)
            self._spread(self.view.roll(now))

    async def judge_queues(self) -> None:
        """Raise and clear the alarms of queues over their limits, for ever."""
        while True:
            self._spread(self.view.judge_queues(self._clock()))
            await asyncio.sleep(JUDGE_SECONDS)

    def _beat(self, now: float) -> None:
        """Let every page know that the connection lives; those with messages waiting know it."""
        message = self._encode({"type": "alive", "now": now})
        for client in self._clients:
            if client.topic and client.idle:
                client.put(message)

    def _tell_all(self, items: list[Input]) -> None:
        for item in items:
            self._tell(item)

    def _spread(self, changes: Changes) -> None:
        if changes.floor:
            self._floor |= changes.floor
            self._schedule("floor", FLOOR_SECONDS, self._flush_floor)
        if changes.pulse:
            self._pulse |= changes.pulse
            self._schedule("pulse", PULSE_SECONDS, self._flush_pulse)
        if changes.desk:
            for agent_id, keys in changes.desk.items():
                self._desk.setdefault(agent_id, set()).update(keys)
            self._schedule("desk", 0.0, self._flush_desk)

    def _schedule(self, what: str, seconds: float, flush: Callable[[], None]) -> None:
        """Flush at once, but in the long run no more often than every `seconds`.

        One may come before its time: else what happens just so often would wait longer and longer,
        since each flush that was late moves all after it.
        """
        if what in self._scheduled:
            return
        self._scheduled.add(what)
        loop = asyncio.get_running_loop()
        earned = self._earned.get(what, 0.0)
        due = max(earned - seconds, loop.time())
        self._earned[what] = max(earned, due) + seconds
        loop.call_at(due, flush)

    def _flush_floor(self) -> None:
        self._scheduled.discard("floor")
        keys, self._floor = self._floor, set()
        self._snapshots = {}
        encoded: dict[Audience, bytes | None] = {}
        for client in self._clients:
            if client.topic != "floor":
                continue
            if client.audience not in encoded:
                seen = self._seen(client)
                put, gone = self.view.rows("floor", None, keys, clear=client.clear, seen=seen)
                encoded[client.audience] = self._changes_message(put, gone) if put or gone else None
            if message := encoded[client.audience]:
                client.put(message)

    def _flush_desk(self) -> None:
        self._scheduled.discard("desk")
        desks, self._desk = self._desk, {}
        for agent_id, keys in desks.items():
            encoded: dict[bool, bytes] = {}
            for client in self._desks.get(agent_id, ()):
                if client.clear not in encoded:
                    rows = self.view.rows("desk", agent_id, keys, clear=client.clear)
                    encoded[client.clear] = self._changes_message(*rows)
                client.put(encoded[client.clear])

    def _flush_pulse(self) -> None:
        """Agents of the same queues get the same bytes."""
        self._scheduled.discard("pulse")
        changed, self._pulse = self._pulse, set()
        encoded: dict[tuple[QueueName, ...], bytes] = {}
        for agent_id, clients in self._desks.items():
            names = tuple(name for name in self.view.queues_of(agent_id) if name in changed)
            if names and names not in encoded:
                keys = [("queues", name) for name in names]
                rows = self.view.rows("desk", agent_id, keys, clear=False)
                encoded[names] = self._changes_message(*rows)
            for client in clients if names else ():
                client.put(encoded[names])

    # --- messages

    def _changes_message(self, put: Rows, gone: dict[str, list[str]]) -> bytes:
        return self._encode(
            {
                "type": "changes",
                "seq": self.view.seq,
                "now": self._clock(),
                "put": put,
                "del": gone,
            }
        )

    def _snapshot(self, client: Client) -> bytes:
        seq, rows = self._snapshot_rows(client)
        envelope: dict[str, Any] = {
            "type": "snapshot",
            "seq": seq,
            "now": self._clock(),
            "rows": msgspec.Raw(rows),
        }
        return self._encode(envelope)

    def _snapshot_rows(self, client: Client) -> tuple[int, bytes]:
        """The floor's rows are shared until the next flush, which brings what changed since."""
        if client.topic == "floor":
            if client.audience not in self._snapshots:
                seen = self._seen(client)
                rows = self.view.snapshot("floor", None, clear=client.clear, seen=seen)
                self._snapshots[client.audience] = self.view.seq, self._encode(rows)
            return self._snapshots[client.audience]
        rows = self.view.snapshot("desk", client.agent_id, clear=client.clear)
        return self.view.seq, self._encode(rows)

    def _seen(self, client: Client) -> Seen:
        return self.teams.seen(client.audience[1])
