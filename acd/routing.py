"""Who takes whom, without looking at everybody.

Agents and groups of equal callers are numbered, and a set of them is one Python int with a bit for
each number: "free members with french at 3 or better" is two ANDs, whatever their count. `Order`
keeps numbers sorted by a key in blocks that know their set, so the first of any set is found by
one AND for each block. Callers with the same needs form one group, since an agent can serve either
all or none of them; which groups an agent can serve is counted for all groups at once, in binary
columns (`Waiting.servable`). So work grows with what changes, not with what exists.

The rule behind it: the most urgent waiting caller for whom anybody is free goes first, and takes
the agent whom the queue's strategy prefers. tests/property/acd proves the index equal to a scan.
"""

from __future__ import annotations

import re
from bisect import bisect_left, insort
from collections.abc import Iterator
from itertools import zip_longest
from typing import Final

import msgspec

from acd.agents import Agent
from config.floor import AgentSettings, Floor, QueueSettings
from cti.domain import AgentId, AgentState, QueueName

Key = tuple[float, ...]
Needs = tuple[tuple[str, int], ...]
"""Skills and least proficiencies, sorted. `@1001` at 1 is the skill of being agent 1001."""

LEVELS: Final = 5
NAMED: Final = 50
"""In a queue of up to so many agents a decision names each of them."""
KEPT: Final = 10
"""So many agents it names, of each kind, in a larger queue; the counts are of all."""
_BLOCK: Final = 128
_FEW: Final = 40
_NOT_ZERO: Final = re.compile(rb"[^\0]", re.DOTALL)
_BITS: Final = [[bit for bit in range(8) if octet >> bit & 1] for octet in range(256)]


def being(agent_id: AgentId) -> Needs:
    """The needs of a caller who waits for one agent."""
    return ((f"@{agent_id}", 1),)


def mix(seed: int, turn: int) -> int:
    """A number from 0 to 2**64 drawn by the seed for this turn (splitmix64)."""
    drawn = (seed * 0x9E3779B97F4A7C15 + turn * 0xD1B54A32D192ED03) & 0xFFFFFFFFFFFFFFFF
    drawn = ((drawn ^ (drawn >> 30)) * 0xBF58476D1CE4E5B9) & 0xFFFFFFFFFFFFFFFF
    drawn = ((drawn ^ (drawn >> 27)) * 0x94D049BB133111EB) & 0xFFFFFFFFFFFFFFFF
    return drawn ^ (drawn >> 31)


def numbers(members: int, limit: int | None = None) -> list[int]:
    """The lowest numbers in a set, at most `limit`."""
    found: list[int] = []
    octets = members.to_bytes((members.bit_length() + 7) // 8, "little")
    for octet in _NOT_ZERO.finditer(octets):
        place = octet.start()
        found += [8 * place + bit for bit in _BITS[octets[place]]]
        if limit is not None and len(found) >= limit:
            return found[:limit]
    return found


def nth(members: int, place: int) -> int:
    """The number at `place` (0 is the lowest) of a set, by halving."""
    low, width = 0, members.bit_length()
    while width > 1:
        half = width // 2
        below = members & ((1 << half) - 1)
        count = below.bit_count()
        if place < count:
            members, width = below, half
        else:
            members, place, low, width = members >> half, place - count, low + half, width - half
    return low


class Order:
    """Numbers sorted by key."""

    __slots__ = ("_blocks", "_keys", "_lasts", "_sets")

    def __init__(self) -> None:
        self._keys: dict[int, Key] = {}
        self._blocks: list[list[tuple[Key, int]]] = []
        self._lasts: list[tuple[Key, int]] = []
        self._sets: list[int] = []

    def put(self, number: int, key: Key) -> None:
        """Put a number in, or at another place."""
        before = self._keys.get(number)
        if before == key:
            return
        if before is not None:
            self.take(number)
        self._keys[number] = key
        item = (key, number)
        if not self._blocks:
            self._blocks, self._lasts, self._sets = [[item]], [item], [1 << number]
            return
        at = min(bisect_left(self._lasts, item), len(self._lasts) - 1)
        block = self._blocks[at]
        insort(block, item)
        self._sets[at] |= 1 << number
        self._lasts[at] = block[-1]
        if len(block) > 2 * _BLOCK:
            self._split(at)

    def _split(self, at: int) -> None:
        block = self._blocks[at]
        halves = [block[:_BLOCK], block[_BLOCK:]]
        self._blocks[at : at + 1] = halves
        self._lasts[at : at + 1] = [half[-1] for half in halves]
        self._sets[at : at + 1] = [sum(1 << number for _, number in half) for half in halves]

    def take(self, number: int) -> None:
        """Take a number out, if it is in."""
        key = self._keys.pop(number, None)
        if key is None:
            return
        item = (key, number)
        at = bisect_left(self._lasts, item)
        block = self._blocks[at]
        del block[bisect_left(block, item)]
        if block:
            self._sets[at] ^= 1 << number
            self._lasts[at] = block[-1]
        else:
            del self._blocks[at], self._sets[at], self._lasts[at]

    def first(self, members: int, limit: int) -> list[int]:
        """The first numbers of a set in order, at most `limit`. All of the set must be in."""
        if members.bit_count() <= limit:
            return self._sorted(members)
        found: list[int] = []
        for block, block_set in zip(self._blocks, self._sets, strict=True):
            here = block_set & members
            if here:
                if here.bit_count() <= _FEW:
                    found += self._sorted(here)
                else:
                    found += [number for _, number in block if here >> number & 1]
                if len(found) >= limit:
                    return found[:limit]
        return found

    def _sorted(self, members: int) -> list[int]:
        keys = self._keys
        items = [(keys[number], number) for number in numbers(members)]
        items.sort()
        return [number for _, number in items]


class Choice(msgspec.Struct, frozen=True, kw_only=True):
    """Who is chosen for a caller, and by which rule; the words are those of `CallDecided`."""

    chosen: AgentId | None
    rule: str
    eligible: list[AgentId]
    eligible_count: int
    seed: int | None


class Group:
    """Waiting callers of one queue with the same needs and the same agents passed over."""

    __slots__ = ("line", "needs", "number", "passed_over")

    def __init__(self, number: int, needs: Needs, passed_over: frozenset[AgentId]) -> None:
        self.number = number
        self.needs = needs
        self.passed_over = passed_over
        self.line: list[tuple[Key, str]] = []


class Waiting:
    """The callers of one queue who wait for a decision, in groups."""

    def __init__(self) -> None:
        self._groups: dict[tuple[Needs, frozenset[AgentId]], Group] = {}
        self._by_number: dict[int, Group] = {}
        self._unused: list[int] = []
        self._heads = Order()
        self._all = 0
        self._asking: dict[str, list[int]] = {}
        self._sizes: list[int] = []
        self._passing_over: dict[AgentId, int] = {}

    def __len__(self) -> int:
        return sum(len(group.line) for group in self._groups.values())

    def add(self, key: Key, visit_id: str, needs: Needs, passed_over: frozenset[AgentId]) -> None:
        """Put a caller in."""
        group = self._groups.get((needs, passed_over)) or self._open(needs, passed_over)
        head = group.line[0] if group.line else None
        insort(group.line, (key, visit_id))
        self._put_head(group, head)

    def remove(
        self, key: Key, visit_id: str, needs: Needs, passed_over: frozenset[AgentId]
    ) -> None:
        """Take a caller out who was added with the same arguments."""
        group = self._groups[needs, passed_over]
        head = group.line[0]
        del group.line[bisect_left(group.line, (key, visit_id))]
        self._put_head(group, head)
        if not group.line:
            self._close(group)

    def _put_head(self, group: Group, before: tuple[Key, str] | None) -> None:
        now = group.line[0] if group.line else None
        if now == before:
            return
        if now is None:
            self._heads.take(group.number)
        else:
            self._heads.put(group.number, now[0])

    def _open(self, needs: Needs, passed_over: frozenset[AgentId]) -> Group:
        number = self._unused.pop() if self._unused else len(self._by_number)
        group = Group(number, needs, passed_over)
        self._groups[needs, passed_over] = self._by_number[number] = group
        self._mark(group)
        return group

    def _close(self, group: Group) -> None:
        self._mark(group)
        del self._groups[group.needs, group.passed_over]
        del self._by_number[group.number]
        self._unused.append(group.number)

    def _mark(self, group: Group) -> None:
        """Write the group into all sets it belongs to, or out of them the second time."""
        bit = 1 << group.number
        self._all ^= bit
        for skill, level in group.needs:
            columns = self._asking.setdefault(skill, [0] * (LEVELS + 1))
            for have in range(level, LEVELS + 1):
                columns[have] ^= bit
            if not columns[LEVELS]:
                del self._asking[skill]
        size = len(group.needs)
        for column in range(size.bit_length()):
            if column == len(self._sizes):
                self._sizes.append(0)
            if size >> column & 1:
                self._sizes[column] ^= bit
        for agent_id in group.passed_over:
            left = self._passing_over.get(agent_id, 0) ^ bit
            self._passing_over[agent_id] = left
            if not left:
                del self._passing_over[agent_id]

    def servable(self, skills: Needs, agent_id: AgentId) -> int:
        """The groups that an agent with these skills may serve.

        For each group the needs that the agent meets are counted, all groups at once: `counts[n]`
        holds bit n of every group's count. Where the count equals the number of its needs, the
        agent meets them all.
        """
        counts: list[int] = []
        for skill, level in skills:
            columns = self._asking.get(skill)
            if columns is not None:
                _count(counts, columns[level])
        unlike = 0
        for met, asked in zip_longest(counts, self._sizes, fillvalue=0):
            unlike |= met ^ asked
        served = self._all & (self._all ^ (self._all & unlike))
        passing_over = self._passing_over.get(agent_id)
        return served if passing_over is None else served & ~passing_over

    def first(self, skills: Needs, agent_id: AgentId) -> tuple[Key, str] | None:
        """Key and visit of the caller whom this agent should take, None where there is none."""
        if not self._all:
            return None
        groups = self.servable(skills, agent_id)
        first = self._heads.first(groups, 1) if groups else None
        return self._by_number[first[0]].line[0] if first else None


def _count(counts: list[int], carry: int) -> None:
    """Add one to the count of each number in `carry`."""
    for column, bits in enumerate(counts):
        counts[column] = bits ^ carry
        carry &= bits
        if not carry:
            return
    if carry:
        counts.append(carry)


class Members:
    """The agents of one queue, the free ones in the order of its strategy."""

    def __init__(self, settings: QueueSettings) -> None:
        self.settings = settings
        self.all = 0
        self.tiers: dict[int, int] = {}
        self._order = Order()

    def put(self, number: int, agent: Agent) -> None:
        """The agent is free."""
        self._order.put(number, strategy_key(agent, self.settings, self.tiers[number]))

    def take(self, number: int) -> None:
        """The agent is free no longer."""
        self._order.take(number)

    @property
    def named(self) -> int:
        """How many agents a decision names."""
        return NAMED if self.all.bit_count() <= NAMED else KEPT

    def best(self, members: int, seed: int | None) -> list[int]:
        """The first numbers of a set of free agents by the strategy, at most `named`."""
        if not members:
            return []
        if seed is None:
            return self._order.first(members, self.named)
        drawn = nth(members, seed % members.bit_count())
        return [drawn, *numbers(members ^ (1 << drawn), self.named - 1)]


def strategy_key(agent: Agent, settings: QueueSettings, tier: int) -> Key:
    """What a queue prefers free agents by, least first; equals go by their place on the floor."""
    match settings.strategy:
        case "fewest_calls":
            return (agent.calls, agent.idle_since)
        case "round_robin":
            return (agent.offered_at.get(settings.name, 0.0),)
        case "tiers":
            return (tier, agent.idle_since)
        case _:
            return (agent.idle_since,)


class Router:
    """The index over one floor's agents and waiting callers.

    `changed_agents` and `changed_visits` collect who became free and who began to wait, until the
    core has decided about them.
    """

    def __init__(self, floor: Floor) -> None:
        self._ids: list[AgentId] = [agent.id for agent in floor.agents]
        self.number: dict[AgentId, int] = {each: n for n, each in enumerate(self._ids)}
        self.members = {queue.name: Members(queue) for queue in floor.queues}
        self.waiting = {queue.name: Waiting() for queue in floor.queues}
        self.queues_of: dict[AgentId, tuple[QueueName, ...]] = {}
        self._skills: dict[AgentId, Needs] = {}
        self._skilled: dict[str, list[int]] = {}
        self._states: dict[AgentState, int] = dict.fromkeys(
            ("signed_out", "ready", "not_ready", "offered", "talking", "wrap_up"), 0
        )
        self._state_of: dict[int, AgentState] = {}
        self._free = 0
        self._visits: dict[str, tuple[QueueName, Key, Needs, frozenset[AgentId]]] = {}
        self.changed_agents: dict[AgentId, None] = {}
        self.changed_visits: dict[str, None] = {}
        for settings in floor.agents:
            self._learn(settings)

    def _learn(self, settings: AgentSettings) -> None:
        number = self.number[settings.id]
        bit = 1 << number
        self._skills[settings.id] = (*settings.skills.items(), *being(settings.id))
        for skill, level in settings.skills.items():
            by_level = self._skilled.setdefault(skill, [0] * (LEVELS + 1))
            for asked in range(level + 1):
                by_level[asked] |= bit
        for membership in settings.queues:
            self.members[membership.queue].all |= bit
            self.members[membership.queue].tiers[number] = membership.tier
        self.queues_of[settings.id] = tuple(each.queue for each in settings.queues)
        self._states["signed_out"] |= bit
        self._state_of[number] = "signed_out"

    def knows_skill(self, skill: str) -> bool:
        """Whether any agent has the skill."""
        return skill in self._skilled

    # --- what changed -----------------------------------------------------------------------------

    def put_agent(self, agent: Agent) -> None:
        """Take over the agent's state."""
        number = self.number[agent.id]
        bit = 1 << number
        before = self._state_of[number]
        # Who is rung or dials is not free, though the talk has not begun.
        state = "talking" if agent.state == "ready" and agent.legs else agent.state
        if before != state:
            self._states[before] ^= bit
            self._states[state] |= bit
            self._state_of[number] = state
        free, was_free = agent.free, bool(self._free & bit)
        if free:
            for queue in self.queues_of[agent.id]:
                self.members[queue].put(number, agent)
        elif was_free:
            for queue in self.queues_of[agent.id]:
                self.members[queue].take(number)
        if free != was_free:
            self._free ^= bit
            if free:
                self.changed_agents[agent.id] = None

    def put_visit(
        self,
        visit_id: str,
        queue: QueueName,
        key: Key,
        needs: Needs,
        passed_over: frozenset[AgentId],
    ) -> None:
        """The caller waits for an agent with these needs (from now, or now with others)."""
        place = (queue, key, needs, passed_over)
        if self._visits.get(visit_id) == place:
            return
        self.take_visit(visit_id)
        self._visits[visit_id] = place
        self.waiting[queue].add(key, visit_id, needs, passed_over)
        self.changed_visits[visit_id] = None

    def take_visit(self, visit_id: str) -> None:
        """The caller waits for no decision now."""
        place = self._visits.pop(visit_id, None)
        if place is not None:
            queue, key, needs, passed_over = place
            self.waiting[queue].remove(key, visit_id, needs, passed_over)

    def waits(self, visit_id: str) -> bool:
        """Whether the caller waits for a decision."""
        return visit_id in self._visits

    @property
    def visits(self) -> dict[str, tuple[QueueName, Key, Needs, frozenset[AgentId]]]:
        """Who waits for a decision: queue, key, needs, agents passed over."""
        return self._visits

    def is_free(self, agent_id: AgentId) -> bool:
        """Whether an offer may be made to the agent."""
        return bool(self._free >> self.number[agent_id] & 1)

    # --- decisions --------------------------------------------------------------------------------

    def signed_in(self, queue: QueueName) -> int:
        """How many of the queue's agents are signed in."""
        members = self.members[queue].all
        return members.bit_count() - (members & self._states["signed_out"]).bit_count()

    def candidates(self, agent_id: AgentId) -> Iterator[tuple[QueueName, Key, str]]:
        """In each of the agent's queues the caller whom this agent should take."""
        skills = self._skills[agent_id]
        for queue in self.queues_of[agent_id]:
            found = self.waiting[queue].first(skills, agent_id)
            if found is not None:
                yield queue, *found

    def choose(self, visit_id: str, turn: int) -> Choice:
        """Choose for a caller who waits. `turn` draws the lot of strategy random."""
        queue, _, needs, passed_over = self._visits[visit_id]
        members = self.members[queue]
        usable = members.all & self._meeting(needs) & self._free
        avoided = self._among(passed_over) if passed_over else 0
        eligible = usable ^ (usable & avoided)
        strategy = members.settings.strategy
        seed = mix(members.settings.seed, turn) if strategy == "random" else None
        best = members.best(eligible, seed)
        return Choice(
            chosen=self._ids[best[0]] if best else None,
            rule=_rule(strategy, chosen=bool(best), sticky=_for_one(needs)),
            eligible=[self._ids[number] for number in best],
            eligible_count=eligible.bit_count(),
            seed=seed,
        )

    def _among(self, agent_ids: frozenset[AgentId]) -> int:
        return sum(1 << self.number[each] for each in agent_ids if each in self.number)

    def _meeting(self, needs: Needs) -> int:
        """The agents who meet these needs; -1 is everybody."""
        found = -1
        for skill, level in needs:
            if skill.startswith("@"):
                number = self.number.get(skill[1:])
                found &= 0 if number is None else 1 << number
            else:
                by_level = self._skilled.get(skill)
                found &= by_level[level] if by_level else 0
        return found

    def excluded(self, visit_id: str) -> tuple[dict[str, int], dict[AgentId, str]]:
        """Who cannot be chosen for a caller who waits: reason -> how many, and agent -> reason."""
        queue, _, needs, passed_over = self._visits[visit_id]
        members, named = self.members[queue].all, self.members[queue].named
        skilled, avoided = members & self._meeting(needs), self._among(passed_over)
        free = members & self._free
        ready = members & self._states["ready"]
        ruled_out: dict[str, int] = {
            "not_asked_for" if _for_one(needs) else "lacks_skill": free ^ (free & skilled),
            "passed_over": free & skilled & avoided,
            "unreachable": ready ^ (ready & self._free),
        }
        for state in ("talking", "wrap_up", "offered", "not_ready", "signed_out"):
            ruled_out[state] = members & self._states[state]
        counts: dict[str, int] = {}
        examples: dict[AgentId, str] = {}
        for reason, agents in ruled_out.items():
            if agents:
                counts[reason] = agents.bit_count()
                if len(examples) < named:
                    for number in numbers(agents, named - len(examples)):
                        examples[self._ids[number]] = reason
        return counts, examples


def _for_one(needs: Needs) -> bool:
    """Whether the caller waits for one agent."""
    return bool(needs) and needs[0][0].startswith("@")


def _rule(strategy: str, *, chosen: bool, sticky: bool) -> str:
    if sticky:
        return "sticky" if chosen else "waits_for_sticky_agent"
    return strategy if chosen else "nobody_free"
