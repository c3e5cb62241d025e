"""The index chooses as a plain scan over everybody would."""

from copy import deepcopy
from unittest.mock import patch

from hypothesis import given, settings
from hypothesis import strategies as st

from acd import core, matching
from acd.agents import Agent
from acd.queues import Visit
from acd.routing import Order, Waiting, nth, numbers
from acd.turn import Turn
from config.floor import QueueSettings
from tests.support.centre import Centre
from tests.support.happenings import Day, actions, chosen, floors


class Scan:
    """The rules again, slow and plain: look at everybody, sort, take the first."""

    def __init__(self, turn: Turn) -> None:
        self.now = turn.now
        self.floor = turn.floor
        self.settings = {queue.name: queue for queue in turn.floor.queues}
        state = deepcopy(turn.state)
        self.all_agents = state.agents
        self.agents = [agent for agent in state.agents.values() if agent.free]
        self.skills = {agent.id: agent.skills for agent in turn.floor.agents}
        self.tiers = {
            (agent.id, each.queue): each.tier
            for agent in turn.floor.agents
            for each in agent.queues
        }
        self.place = {agent.id: n for n, agent in enumerate(turn.floor.agents)}
        self.visits = [
            visit
            for visit in state.visits.values()
            if not visit.native
            and visit.offer_id is None
            and visit.id not in turn.fold.withheld
            and visit.hold_until <= turn.now
        ]

    def choices(self, seeds: list[int | None]) -> list[tuple[str, str]]:
        """Call and agent, one after the other, until nobody is left who could."""
        found = []
        while True:
            pairs = [(visit, self.eligible(visit)) for visit in self.visits]
            possible = [(visit, agents) for visit, agents in pairs if agents]
            if not possible:
                return found
            visit, agents = min(possible, key=lambda pair: self.urgency(pair[0]))
            seed = seeds[len(found)] if len(found) < len(seeds) else None
            agent = self.best(visit, agents, seed)
            found.append((visit.call_id, agent.id))
            self.visits.remove(visit)
            self.agents.remove(agent)

    def urgency(self, visit: Visit) -> tuple[float, int]:
        queue = self.settings[visit.queue]
        waited = self.now - visit.entered_at
        steps = visit.priority + queue.priority
        worth = queue.ageing_seconds or 24 * 3600
        return (-queue.weight * (waited + steps * worth), visit.order)

    def eligible(self, visit: Visit) -> list[Agent]:
        return [
            agent
            for agent in self.agents
            if (agent.id, visit.queue) in self.tiers
            and visit.passed_over.get(agent.id, 0.0) <= self.now
            and self.fits(agent, visit)
        ]

    def fits(self, agent: Agent, visit: Visit) -> bool:
        queue = self.settings[visit.queue]
        if self.sticks(visit, queue):
            return agent.id == visit.sticky_agent
        fall = 0
        for step in queue.relax:
            if visit.entered_at + step.after_seconds <= self.now:
                if step.any_member:
                    return True
                fall += step.by
        asked = dict(queue.skills)
        for skill, level in visit.skills.items():
            asked[skill] = max(level, asked.get(skill, 0))
        have = self.skills[agent.id]
        return all(have.get(skill, 0) >= level - fall for skill, level in asked.items())

    def sticks(self, visit: Visit, queue: QueueSettings) -> bool:
        agent = self.all_agents.get(visit.sticky_agent or "")
        return (
            agent is not None
            and queue.sticky != "off"
            and self.now < visit.entered_at + queue.sticky_seconds
            and (agent.id, queue.name) in self.tiers
            and visit.passed_over.get(agent.id, 0.0) <= self.now
            and (
                agent.state in ("offered", "talking", "wrap_up")
                or (agent.state == "ready" and agent.reachable)
            )
        )

    def best(self, visit: Visit, agents: list[Agent], seed: int | None) -> Agent:
        queue = self.settings[visit.queue]
        in_order = sorted(agents, key=lambda agent: self.place[agent.id])
        if queue.strategy == "random":
            assert seed is not None
            return in_order[seed % len(in_order)]
        keys = {
            "longest_idle": lambda agent: agent.idle_since,
            "fewest_calls": lambda agent: (agent.calls, agent.idle_since),
            "round_robin": lambda agent: agent.offered_at.get(queue.name, 0.0),
            "tiers": lambda agent: (self.tiers[agent.id, queue.name], agent.idle_since),
        }
        return min(in_order, key=keys[queue.strategy])


@given(floor=floors(), happened=actions)
@settings(max_examples=200, deadline=None)
def test_index_and_scan_choose_the_same(floor, happened):
    compared = 0

    def match(turn: Turn) -> None:
        nonlocal compared
        if turn.behind or not turn.may_decide:
            return
        scan = Scan(turn)
        before = len(turn.events)
        matching.match(turn)
        decisions = chosen(turn.events[before:])
        expected = scan.choices([decision.seed for decision in decisions])
        assert [(each.call_id, each.chosen) for each in decisions] == expected
        compared += 1

    with patch.object(core, "match", match):
        day = Day(Centre(floor))
        for action in happened:
            day.act(action)
    assert compared


@given(
    items=st.dictionaries(st.integers(0, 400), st.tuples(st.integers(0, 9)), max_size=400),
    gone=st.sets(st.integers(0, 400)),
    wanted=st.sets(st.integers(0, 400)),
    limit=st.integers(1, 50),
)
@settings(max_examples=200, deadline=None)
def test_order_finds_the_first_of_any_set(items, gone, wanted, limit):
    order = Order()
    for number, key in items.items():
        order.put(number, key)
    for number in gone:
        order.take(number)
    left = {number: key for number, key in items.items() if number not in gone}
    members = sum(1 << number for number in wanted if number in left)
    expected = sorted((key, number) for number, key in left.items() if number in wanted)
    assert order.first(members, limit) == [number for _, number in expected][:limit]


NEEDS = st.dictionaries(st.sampled_from("abcdefgh"), st.integers(1, 5), max_size=8)


@given(
    callers=st.lists(st.tuples(NEEDS, st.frozensets(st.sampled_from("xyz"), max_size=2))),
    skills=NEEDS,
    agent=st.sampled_from("xyz"),
    data=st.data(),
)
@settings(max_examples=200, deadline=None)
def test_servable_is_who_meets_all_needs(callers, skills, agent, data):
    waiting = Waiting()
    placed = {}
    for number, (needs, passed_over) in enumerate(callers):
        place = ((float(number),), str(number), tuple(sorted(needs.items())), passed_over)
        waiting.add(*place)
        placed[str(number)] = place
    for visit_id in data.draw(st.sets(st.sampled_from(sorted(placed) or ["none"]))):
        if visit_id in placed:
            waiting.remove(*placed.pop(visit_id))
    fits = [
        visit_id
        for _, visit_id, needs, passed_over in placed.values()
        if agent not in passed_over and all(skills.get(s, 0) >= level for s, level in needs)
    ]
    found = waiting.first(tuple(skills.items()), agent)
    assert (None if found is None else found[1]) == min(fits, key=int, default=None)


@given(st.sets(st.integers(0, 3000), min_size=1), st.integers(0, 5000), st.integers(1, 30))
def test_numbers_of_a_set(members, place, limit):
    bits = sum(1 << number for number in members)
    assert numbers(bits, limit) == sorted(members)[:limit]
    assert nth(bits, place % len(members)) == sorted(members)[place % len(members)]
