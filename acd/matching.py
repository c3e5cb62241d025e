"""Bringing callers and agents together after something changed.

As long as nothing changes, no free agent could take a waiting caller. So only who began to wait and
who became free is looked at: of those callers, and of the callers whom those agents would take, the
most urgent goes first and chooses, until nobody is left who could.
"""

from __future__ import annotations

import heapq
from functools import partial
from typing import Final

from acd import agents, queues
from acd.queues import Visit
from acd.routing import Choice
from acd.turn import Turn
from config.floor import QueueSettings
from cti import commands as c
from cti import domain as d
from recording.policy import records

NOBODY: Final = ""
Entry = tuple[float, int, str, d.AgentId]
"""Urgency (most first), order of entering, visit, and the free agent who would take it, if one."""


def match(turn: Turn) -> None:
    """Decide about everybody who became free or began to wait."""
    router = turn.router
    if turn.behind or not turn.may_decide or not (router.changed_agents or router.changed_visits):
        return
    heap = [_entry(turn, each, NOBODY) for each in router.changed_visits if router.waits(each)]
    for agent_id in router.changed_agents:
        heap += _wanted(turn, agent_id)
    router.changed_visits.clear()
    router.changed_agents.clear()
    heapq.heapify(heap)
    while heap:
        *_, visit_id, wanted_by = heapq.heappop(heap)
        still_waiting = router.waits(visit_id)
        chosen = still_waiting and decide(turn, turn.state.visits[visit_id])
        if wanted_by != NOBODY and (chosen or not still_waiting):
            for entry in _wanted(turn, wanted_by):
                heapq.heappush(heap, entry)


def _entry(turn: Turn, visit_id: str, wanted_by: d.AgentId) -> Entry:
    visit = turn.state.visits[visit_id]
    settings = turn.fold.queues[visit.queue]
    urgency = queues.urgency(visit, settings, turn.now)
    return (-urgency, visit.order, visit_id, wanted_by)


def _wanted(turn: Turn, agent_id: d.AgentId) -> list[Entry]:
    """The caller whom a free agent should take: the most urgent of the first in each queue."""
    if not turn.router.is_free(agent_id):
        return []
    found = [
        _entry(turn, visit_id, agent_id) for _, _, visit_id in turn.router.candidates(agent_id)
    ]
    return [min(found)] if found else []


def decide(turn: Turn, visit: Visit) -> bool:
    """Offer the call to the agent whom the rules choose. Returns whether there was one."""
    settings = turn.fold.queues[visit.queue]
    step = queues.relaxed(visit, settings, turn.now)
    choice = turn.router.choose(visit.id, turn.state.next_seq)
    if choice.chosen is not None or visit.decided_step != step:
        _tell(turn, visit, choice, step)
    if choice.chosen is None:
        return False
    _offer(turn, visit, settings, choice.chosen)
    return True


def _tell(turn: Turn, visit: Visit, choice: Choice, step: int) -> None:
    excluded, examples = turn.router.excluded(visit.id)
    turn.emit(
        d.CallDecided(
            at=turn.now,
            call_id=visit.call_id,
            queue=visit.queue,
            rule=choice.rule,
            chosen=choice.chosen,
            eligible=choice.eligible,
            eligible_count=choice.eligible_count,
            excluded=excluded,
            excluded_examples=examples,
            step=step,
            seed=choice.seed,
        )
    )


def _offer(turn: Turn, visit: Visit, settings: QueueSettings, agent_id: d.AgentId) -> None:
    agent = turn.state.agents[agent_id]
    record = visit.call_id not in turn.state.unrecorded and records(
        settings.recording, settings.recording_share, visit.call_id
    )
    offer_id = f"{turn.label}_{turn.state.next_seq}"
    until = turn.now + settings.ring_seconds
    extension = agent.extension or ""
    turn.emit(
        d.OfferMade(
            at=turn.now,
            call_id=visit.call_id,
            offer_id=offer_id,
            visit_id=visit.id,
            agent_id=agent_id,
            queue=visit.queue,
            extension=extension,
            ring_seconds=settings.ring_seconds,
            epoch=turn.state.epoch,
            record=record,
        )
    )
    turn.emit(agents.changed(agent, "offer", turn.now, call_id=visit.call_id, until=until))
    flags = ("r" if record else "") + ("s" if settings.survey else "")
    turn.send(
        partial(
            c.Assign,
            call_id=visit.call_id,
            offer_id=offer_id,
            agent_id=agent_id,
            channel=visit.channel,
            extension=extension,
            ring_seconds=settings.ring_seconds,
            epoch=turn.state.epoch,
            flags=flags or "x",
            language=visit.language if settings.survey else None,
        )
    )
