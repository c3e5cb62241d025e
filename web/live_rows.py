"""The live view's rows, as functions of the picture alone: what the tables show now."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from acd.estimate import expected_wait_seconds
from cti.domain import AgentId, QueueName
from web import live_trend
from web.live_state import (
    AgentNow,
    CallNow,
    Key,
    LegNow,
    OfferNow,
    Picture,
    QueueNow,
    Row,
    Topic,
    VisitNow,
)
from web.reach import Seen, within

TABLES: Mapping[Topic, tuple[str, ...]] = {
    "floor": ("queues", "agents", "waiting", "alarms", "link", "trends", "gaps"),
    "desk": ("me", "offers", "calls", "queues"),
}


def floor_keys(picture: Picture) -> list[Key]:
    """The keys of all rows of the floor."""
    return [
        *(("queues", name) for name in picture.queue_settings),
        *(("agents", key) for key, agent in picture.state.agents.items() if _shown(picture, agent)),
        *(("waiting", visit_id) for visit_id in picture.state.visits),
        *(("alarms", key) for key in {**picture.alarms, **picture.state.recording_alarms}),
        ("link", "pbx"),
        *(("trends", live_trend.row_key(place)) for place in live_trend.places(picture)),
        *(("gaps", gap.key) for gap in picture.state.gaps),
    ]


def desk_keys(picture: Picture, agent_id: AgentId) -> list[Key]:
    """The keys of all rows of the agent's desk."""
    return [
        ("me", agent_id),
        *(
            ("offers", key)
            for key, offer in picture.state.offers.items()
            if offer.agent_id == agent_id
        ),
        *(
            ("calls", call.call_id)
            for call in picture.state.calls.values()
            if agent_id in call.agents and _call_row(picture, agent_id, call, clear=False)
        ),
        *(("queues", name) for name in picture.queues_of(agent_id)),
    ]


def floor_row(picture: Picture, table: str, key: str, clear: bool) -> Row | None:
    """One row of the floor, None when it is gone. `clear`: numbers in full."""
    if table == "queues":
        return queue_row(picture, key) if key in picture.queue_settings else None
    if table == "agents":
        agent = picture.state.agents.get(key)
        return _agent_row(picture, agent) if agent and _shown(picture, agent) else None
    if table == "waiting":
        visit = picture.state.visits.get(key)
        return _waiting_row(visit, clear) if visit else None
    if table == "trends":
        return live_trend.quarter_row(picture, key)
    return _plain_row(picture, table, key)


def _plain_row(picture: Picture, table: str, key: str) -> Row | None:
    """What is shown as it is kept."""
    shown: msgspec.Struct | None = picture.link
    if table == "alarms":
        shown = picture.alarms.get(key) or picture.state.recording_alarms.get(key)
    elif table == "gaps":
        shown = next((gap for gap in picture.state.gaps if gap.key == key), None)
    return msgspec.structs.asdict(shown) if shown else None


def seen_row(picture: Picture, table: str, key: str, seen: Seen) -> bool:
    """Whether a row is for the floor of the agents `seen`, as far as its key and present tell.

    Theirs are the queues that one of them serves, with those who wait there and their alarms.
    Alarms and gaps of the centre as a whole are everybody's; its sums are for who sees all of it.
    """
    if seen is None or table in ("link", "gaps"):
        return True
    if table == "trends":
        return seen_row(picture, "queues", live_trend.queue_of(key), seen)
    if table == "agents":
        return key in seen
    if table == "queues":
        return within(seen, picture.members.get(key, ()))
    if table == "waiting":
        visit = picture.state.visits.get(key)
        return visit is None or seen_row(picture, "queues", visit.queue, seen)
    alarm = picture.alarms.get(key) or picture.state.recording_alarms.get(key)
    concerned = alarm.params.get("queue") if alarm else None
    return concerned is None or seen_row(picture, "queues", concerned, seen)


def desk_row(picture: Picture, agent_id: AgentId, table: str, key: str, clear: bool) -> Row | None:
    """One row of the agent's desk, None when it is gone. `clear`: numbers in full."""
    if table == "me":
        agent = picture.state.agents.get(agent_id)
        if agent is None:
            return _me_row(AgentNow(agent_id=agent_id), day_began_at=0.0)
        return _me_row(agent, picture.state.day_began_at)
    if table == "offers":
        offer = picture.state.offers.get(key)
        mine = offer and offer.agent_id == agent_id
        return _offer_row(offer, clear) if offer and mine else None
    if table == "calls":
        call = picture.state.calls.get(key)
        return _call_row(picture, agent_id, call, clear) if call else None
    return _pulse_row(picture, key) if key in picture.queues_of(agent_id) else None


def _shown(picture: Picture, agent: AgentNow) -> bool:
    """Who was taken off the floor is shown until the seat is left."""
    return agent.agent_id in picture.agent_settings or agent.extension is not None


def _pulse_row(picture: Picture, name: QueueName) -> Row:
    waiting = picture.waiting.get(name, ())
    oldest = min((picture.state.visits[visit].entered_at for visit in waiting), default=None)
    return {"name": name, "waiting": len(waiting), "oldest_since": oldest}


def queue_row(picture: Picture, name: QueueName) -> Row:
    """A queue with its members' states and the day's figures."""
    queue = picture.state.queues[name]
    states = [picture.state.agents[agent_id].state for agent_id in picture.members[name]]
    level_now, judged_now = live_trend.service_level_now(picture.state.trends[name])
    return {
        **_pulse_row(picture, name),
        "ready": states.count("ready"),
        "offered": states.count("offered"),
        "talking": states.count("talking"),
        "wrap_up": states.count("wrap_up"),
        "not_ready": states.count("not_ready"),
        "signed_in": len(states) - states.count("signed_out"),
        "offered_today": queue.offered,
        "answered_today": queue.answered,
        "abandoned_today": queue.abandoned,
        "answered_in_time_today": queue.answered_in_time,
        "judged_today": queue.answered + queue.abandoned - queue.abandoned_short,
        "service_level_today": _service_level(queue),
        "service_level_now": level_now,
        "judged_now": judged_now,
        "unheard_today": _unheard(picture, queue),
        "expected_wait_seconds": _expected_wait(picture, queue, free=states.count("ready")),
    }


def _unheard(picture: Picture, queue: QueueNow) -> Row | None:
    """What the day's gaps leave open: calls nobody heard of, and ends that nobody heard."""
    if not picture.state.gaps:
        return None
    calls = None if queue.unbounded else queue.unheard
    return {"calls_at_most": calls, "ends_unknown": queue.ends_unknown}


def _expected_wait(picture: Picture, queue: QueueNow, free: int) -> float | None:
    """What a caller who entered now should expect, None where we cannot honestly say."""
    waiting = len(picture.waiting.get(queue.name, ()))
    if free > waiting:
        return 0.0
    seconds = expected_wait_seconds(queue.pace, waiting + 1, queue.touched_at)
    return None if seconds is None else round(seconds, 1)


def _agent_row(picture: Picture, agent: AgentNow) -> Row:
    settings = picture.agent_settings.get(agent.agent_id)
    return {
        "id": agent.agent_id,
        "name": settings.name if settings else agent.agent_id,
        "team": picture.teams.get(agent.agent_id, ""),
        "state": agent.state,
        "reason": agent.reason,
        "since": agent.since,
        "call_id": agent.call_id,
        "queue": agent.queue,
        "extension": agent.extension,
        "reachable": agent.reachable,
        "panel": agent.panel,
        "needs_panel": agent.extension in picture.browsers,
        "today": {
            "calls": agent.today.calls,
            "talk_seconds": round(agent.today.talk_seconds, 3),
            "missed": agent.today.missed,
        },
    }


def _me_row(agent: AgentNow, day_began_at: float) -> Row:
    today = agent.today
    average = round(today.talk_seconds / today.talks, 1) if today.talks else None
    return {
        "agent_id": agent.agent_id,
        "state": agent.state,
        "reason": agent.reason,
        "since": agent.since,
        "until": agent.until,
        "call_id": agent.call_id,
        "next_reason": agent.next_reason,
        "extension": agent.extension,
        "phone_reachable": agent.reachable,
        "today": {
            "calls": today.calls,
            "talk_seconds": round(today.talk_seconds, 3),
            "missed": today.missed,
            "average_seconds": average,
            "began_at": day_began_at,
            "spent": {state: round(seconds, 3) for state, seconds in today.spent.items()},
        },
    }


def _waiting_row(visit: VisitNow, clear: bool) -> Row:
    return {
        "visit_id": visit.visit_id,
        "call_id": visit.call_id,
        "queue": visit.queue,
        "entered_at": visit.entered_at,
        "priority": visit.priority,
        "native": visit.native,
        **visit.who.row(clear),
    }


def _offer_row(offer: OfferNow, clear: bool) -> Row:
    return {
        "offer_id": offer.offer_id,
        "call_id": offer.call_id,
        "queue": offer.queue,
        "waited_since": offer.waited_since,
        "made_at": offer.made_at,
        "until": offer.until,
        **offer.who.row(clear),
    }


def _call_row(picture: Picture, agent_id: AgentId, call: CallNow, clear: bool) -> Row | None:
    """The call on the agent's desk: while a leg of theirs lives, or in wrap-up."""
    legs = [leg for leg in call.legs.values() if leg.agent_id == agent_id]
    agent = picture.state.agents.get(agent_id)
    in_wrap_up = agent and agent.wrapping == call.call_id
    if not legs and not in_wrap_up:
        return None
    return {
        "call_id": call.call_id,
        "queue": call.queue,
        "state": _desk_state(legs),
        "started_at": call.started_at,
        "answered_at": call.answered_at,
        "recording": call.recording,
        "disposition": call.dispositions.get(agent_id),
        **call.who.row(clear),
    }


def _desk_state(legs: list[LegNow]) -> str:
    if not legs:
        return "wrap_up"
    if all(leg.answered_at is None for leg in legs):
        return "ringing"
    return "held" if any(leg.held for leg in legs) else "talking"


def _service_level(queue: QueueNow) -> float | None:
    """Answered in time over answered and abandoned; short abandons are left out."""
    counted = queue.answered + queue.abandoned - queue.abandoned_short
    return round(queue.answered_in_time / counted, 4) if counted else None
