"""State from the journal, or from a checkpoint and the records after it, equals the live state."""

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from acd.core import Core
from cti.domain import Recorded
from tests.support.centre import Centre
from tests.support.happenings import Day, actions, floors


@given(floor=floors(), happened=actions)
@settings(max_examples=60, deadline=None)
def test_replayed_journal_equals_live_state(floor, happened):
    centre = Centre(floor)
    day = Day(centre)
    for action in happened:
        day.act(action)
    written = msgspec.json.encode(centre.records)
    replayed = Core(floor, "n1")
    for record in msgspec.json.decode(written, type=list[Recorded]):
        replayed.evolve(record)
    assert replayed.dump() == centre.core.dump()


@given(floor=floors(), happened=actions, at=st.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_checkpoint_and_tail_equal_live_state(floor, happened, at):
    centre = Centre(floor)
    day = Day(centre)
    for action in happened[:at]:
        day.act(action)
    checkpoint = msgspec.json.encode(centre.core.dump())
    written = len(centre.records)
    for action in happened[at:]:
        day.act(action)
    restored = Core(floor, "n1")
    restored.load(msgspec.json.decode(checkpoint))
    for record in centre.records[written:]:
        restored.evolve(record)
    assert restored.dump() == centre.core.dump()


@given(floor=floors(), happened=actions, later=actions)
@settings(max_examples=60, deadline=None)
def test_a_restarted_server_goes_on(floor, happened, later):
    """After kill -9 anywhere the new process takes over, and everything ends as it should."""
    centre = Centre(floor)
    day = Day(centre)
    for action in happened:
        day.act(action)
    centre = centre.restarted()
    centre.connect(gap=True)
    day = Day(centre)
    for action in later:
        day.act(action)
    if not centre.core.state.link_up:
        centre.connect(gap=True)
    for caller in list(centre.callers.values()):
        centre.hang_up(caller)
    centre.wait(200)
    state = centre.core.state
    assert (state.visits, state.offers) == ({}, {})
    assert centre.core.calls.illegal_steps == {}
