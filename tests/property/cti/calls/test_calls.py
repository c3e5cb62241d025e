"""Whatever the wire does, the calls stay whole.

Hypothesis plays a PBX at random: callers, dials, Local channels, bridges, holds, transfers. Of what
it says, events are lost, doubled and brought out of order; snapshots come in between and at the
end.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from cti import domain as d
from cti.ami.events import AmiEvent
from tests.unit.cti.calls.builders import Channel, Pbx, Stage, fresh_calls, swap

EXTENSIONS = ("8001", "8002", "8003")
BRIDGES = ("b1", "b2", "b3")
ACTIONS = (
    *("caller", "wait", "answer", "enter", "enter", "leave", "hang up", "dial", "dial"),
    *("call out", "local", "hold", "unhold", "blind", "attended", "enqueue", "record", "park"),
)
Step = tuple[str, int, int]
STEPS = st.lists(
    st.tuples(st.sampled_from(ACTIONS), st.integers(0, 99), st.integers(0, 99)),
    min_size=5,
    max_size=60,
)


@dataclass
class Story:
    """A PBX to which the drawn steps happen, and the talk that truly took place in it."""

    pbx: Pbx = field(default_factory=Pbx)

    def step(self, action: str, one: int, two: int) -> None:
        pbx = self.pbx
        channels = list(pbx.channels.values())
        if action == "caller":
            pbx.caller(f"+86138{one:08}")
        elif action == "wait":
            pbx.wait(one / 10)
        elif action == "call out":
            exten = EXTENSIONS[two % 3] if two % 2 else f"0139{two:08}"
            number = EXTENSIONS[one % 3]
            pbx.channel(f"PJSIP/{number}", state=4, number=number, exten=exten)
        elif channels:
            self._on(action, channels[one % len(channels)], channels[two % len(channels)], two)

    def _on(self, action: str, channel: Channel, other: Channel, number: int) -> None:
        pbx, extension = self.pbx, EXTENSIONS[number % 3]
        actions: dict[str, Callable[[], object]] = {
            "answer": lambda: pbx.answer(channel),
            "enter": lambda: self._enter(channel, BRIDGES[number % 3]),
            "leave": lambda: pbx.leave(channel),
            "hang up": lambda: self._hang_up(channel, by_party=number % 2 == 1),
            "dial": lambda: self._dial(channel, extension if number % 4 else "trunk"),
            "local": lambda: pbx.local(channel),
            "hold": lambda: pbx.hold(channel),
            "unhold": lambda: pbx.unhold(channel),
            "blind": lambda: pbx.blind(channel, other, extension),
            "attended": lambda: self._attended(channel, other),
            "enqueue": lambda: pbx.user(channel, "ZxEnter", Queue="support"),
            "record": lambda: pbx.user(channel, "ZxRecord", File=f"{number}.wav"),
            "park": lambda: self._park(channel),
        }
        actions[action]()

    def _enter(self, channel: Channel, bridge: str) -> None:
        self.pbx.leave(channel)
        if channel.state != 6:
            self.pbx.answer(channel)
        self.pbx.enter(channel, bridge)

    def _hang_up(self, channel: Channel, *, by_party: bool) -> None:
        if by_party:
            self.pbx.request(channel)
        self.pbx.hang_up(channel)

    def _dial(self, channel: Channel, resource: str) -> None:
        self.pbx.ring(self.pbx.dial(channel, f"PJSIP/{resource}"))

    def _park(self, channel: Channel) -> None:
        self.pbx.leave(channel)
        self.pbx.enter(channel, "lot", technology="holding_bridge")
        channel.bridge = None

    def _attended(self, first: Channel, second: Channel) -> None:
        inside = {c.bridge: c for c in self.pbx.channels.values() if c not in (first, second)}
        customer, target = inside.get(first.bridge), inside.get(second.bridge)
        if first.bridge and second.bridge and customer and target and first is not second:
            swap(self.pbx, customer, first, second, target)
        else:
            self.pbx.attended(first, second, None)


def told_story(steps: list[Step]) -> Story:
    story = Story()
    for step in steps:
        story.step(*step)
    return story


def garbled(
    wire: list[tuple[AmiEvent, float]], damage: list[tuple[str, int]]
) -> list[tuple[AmiEvent, float]]:
    """The wire with events lost, doubled, and put off to a later place."""
    wire = list(wire)
    for what, at in damage:
        if not wire:
            break
        place = at % len(wire)
        if what == "lose":
            del wire[place]
        elif what == "double":
            wire.insert((place * 7) % len(wire), wire[place])
        else:
            wire.insert((place * 3 + 1) % len(wire), wire.pop(place))
    return wire


DAMAGE = st.lists(
    st.tuples(st.sampled_from(("lose", "double", "put off")), st.integers(0, 10_000)), max_size=30
)


def check_whole(stage: Stage) -> None:
    """Every call started once and ended once, and nothing was told of it after that."""
    started = Counter(e.call_id for e in stage.events if isinstance(e, d.CallStarted))
    ended = Counter(e.call_id for e in stage.events if isinstance(e, d.CallEnded))
    ended.update(e.merged_call_id for e in stage.events if isinstance(e, d.CallMerged))
    assert set(started.values()) <= {1}
    assert ended == started
    over: set[str] = set()
    for event in stage.events:
        assert isinstance(event, d.CallEvent)
        assert event.call_id not in over, event
        if isinstance(event, d.CallMerged):
            over.add(event.merged_call_id)
        elif isinstance(event, d.CallEnded):
            over.add(event.call_id)
    for leg_ends in Counter(e.leg_id for e in stage.events if isinstance(e, d.LegEnded)).values():
        assert leg_ends == 1
    assert stage.calls.illegal_steps == {}
    check_talk(stage)


def check_talk(stage: Stage) -> None:
    begun = {e.call_id: e.at for e in stage.events if isinstance(e, d.CallStarted)}
    agents = {  # calls that an agent was in, even where the leg became another party's later
        e.call_id
        for e in stage.events
        if isinstance(e, d.LegStarted | d.LegRenamed) and e.kind == "agent"
    }
    for end in stage.ends():
        merged = stage.calls.call(end.call_id)
        assert merged is not None
        first = min(begun[i] for i in (end.call_id, *merged.merged))
        assert 0 <= end.talk_seconds <= end.at - first
        if not agents & {end.call_id, *merged.merged}:
            assert end.talk_seconds == 0
    legs = [e for e in stage.events if isinstance(e, d.LegStarted)]
    assert not any(e.channel.startswith("Local/") for e in legs)


def check_replay(stage: Stage) -> None:
    replayed = fresh_calls()
    for event in stage.events:
        replayed.evolve(event)
    assert replayed.dump() == stage.calls.dump()


def end_everything(stage: Stage) -> None:
    """The PBX is empty now, and says so."""
    stage.pbx.channels.clear()
    stage.pbx.wait(1)
    stage.adopt(stage.pbx.snapshot())


@settings(max_examples=150, deadline=None)
@given(steps=STEPS, damage=DAMAGE, snapshot_at=st.integers(0, 200))
def test_a_damaged_wire_and_a_snapshot_leave_every_call_whole(steps, damage, snapshot_at):
    story = told_story(steps)
    stage = Stage(pbx=story.pbx)
    for place, (event, at) in enumerate(garbled(story.pbx.wire, damage)):
        stage.feed(event, at)
        if place == snapshot_at:
            stage.adopt()
            assert stage.adopt() == []
    end_everything(stage)
    check_whole(stage)
    check_replay(stage)


@settings(max_examples=100, deadline=None)
@given(steps=STEPS, more=STEPS, cut=st.integers(0, 200))
def test_after_a_gap_and_a_snapshot_the_calls_are_those_of_the_pbx(steps, more, cut):
    story = told_story(steps)
    stage = Stage(pbx=story.pbx)
    del story.pbx.wire[cut:]
    stage.play()
    gap_from = max((at for _, at in [*story.pbx.wire, (None, 0.0)]), default=0.0)
    stage.adopt(gap_from=gap_from or None, gap_to=story.pbx.now)
    check_like(stage)
    for step in more:
        story.step(*step)
    stage.play()
    check_like(stage)
    end_everything(stage)
    check_whole(stage)
    check_replay(stage)


def check_like(stage: Stage) -> None:
    """Live legs are the PBX's channels with a party, each in its bridge's room."""
    live = {leg.leg_id: leg for call in stage.calls.live() for leg in call.live_legs()}
    real = {c.uniqueid: c for c in stage.pbx.channels.values() if c.pair is None}
    assert set(live) == set(real)
    for uniqueid, channel in real.items():
        assert (live[uniqueid].room is None) == (channel.bridge is None)
    rooms = room_of_bridges(stage.pbx)
    together = {
        (a, b)
        for a, one in real.items()
        for b, two in real.items()
        if one.bridge and two.bridge and rooms[one.bridge] == rooms[two.bridge]
    }
    assert together == {
        (a, b) for a in live for b in live if live[a].room and live[a].room == live[b].room
    }
    for a, b in together:
        assert stage.calls.call_of(a) is stage.calls.call_of(b)


def room_of_bridges(pbx: Pbx) -> dict[str, frozenset[str]]:
    """Bridge -> all bridges that Local channels tie to it."""
    rooms = {b: frozenset({b}) for c in pbx.channels.values() if (b := c.bridge)}
    halves: dict[str, list[str]] = {}
    for channel in pbx.channels.values():
        if channel.pair and channel.bridge:
            halves.setdefault(channel.pair, []).append(channel.bridge)
    for bridges in halves.values():
        joined = frozenset().union(*(rooms[b] for b in bridges))
        rooms.update(dict.fromkeys(joined, joined))
    return rooms


@settings(max_examples=100, deadline=None)
@given(steps=STEPS)
def test_on_a_whole_wire_talk_is_the_time_of_shared_rooms(steps):
    story, talked = Story(), Counter[str]()
    stage = Stage(pbx=story.pbx)
    for step in steps:
        before = story.pbx.now
        talking = truly_talking(stage)
        story.step(*step)
        for call_id in talking:
            talked[call_id] += story.pbx.now - before
        stage.play()
    for call in stage.calls.live():
        now = 0.0 if call.talking_since is None else story.pbx.now - call.talking_since
        assert abs(call.talk_seconds + now - talked[call.call_id]) < 1e-6


def truly_talking(stage: Stage) -> set[str]:
    """Calls in which the PBX has a customer's and an agent's channel in one room now."""
    rooms = room_of_bridges(stage.pbx)
    kinds: dict[frozenset[str], set[tuple[str, str]]] = {}
    for channel in stage.pbx.channels.values():
        call = stage.calls.call_of(channel.uniqueid)
        if call is not None and channel.bridge is not None:
            kind = call.legs[channel.uniqueid].kind
            kinds.setdefault(rooms[channel.bridge], set()).add((call.call_id, kind))
    return {
        call_id
        for inside in kinds.values()
        for call_id, kind in inside
        if kind == "customer" and (call_id, "agent") in inside
    }


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, cut=st.integers(0, 200))
def test_a_checkpoint_at_any_moment_and_the_events_after_it_give_the_same_calls(steps, cut):
    stage = Stage(pbx=told_story(steps).pbx)
    stage.play()
    restored = fresh_calls()
    for event in stage.events[:cut]:
        restored.evolve(event)
    loaded = fresh_calls()
    loaded.load(msgspec.json.decode(msgspec.json.encode(restored.dump())))
    for event in stage.events[cut:]:
        loaded.evolve(event)
    assert loaded.dump() == stage.calls.dump()
    assert loaded.adopt(stage.pbx.snapshot(), None, None) == stage.calls.adopt(
        stage.pbx.snapshot(), None, None
    )
