"""A page that missed nothing shows what a fresh one shows, whatever happened in whatever order."""

from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from config.floor import Floor
from cti import domain
from cti.domain import DomainEvent, Recorded
from web.live import Changes, LiveView, Rows, Topic

FLOOR = Floor.model_validate(
    {
        "queues": [{"name": "support"}, {"name": "sales"}],
        "agents": [
            {"id": "1", "name": "Amy", "queues": [{"queue": "support"}]},
            {"id": "2", "name": "Ben", "queues": [{"queue": "support"}, {"queue": "sales"}]},
        ],
    }
)
VIEWS: list[tuple[Topic, str | None]] = [
    ("floor", None),
    ("desk", "1"),
    ("desk", "2"),
    ("desk", "3"),
]

AT = 1_800_000_000.0

# Few ids, so that events meet; an agent and a queue that the floor does not have.
_OVERRIDES: dict[str, st.SearchStrategy[Any]] = {
    # Nearly always of one day: its end touches every row, which would hide a row forgotten.
    "at": st.integers(0, 40).flatmap(
        lambda dice: st.floats(AT, AT + 3600) if dice else st.just(AT + 200_000)
    ),
    "call_id": st.sampled_from(["c1", "c2", "c3"]),
    "merged_call_id": st.sampled_from(["c1", "c2", "c3"]),
    "agent_id": st.sampled_from(["1", "2", "3"]),
    "queue": st.sampled_from(["support", "sales", "gone"]),
    "leg_id": st.sampled_from(["l1", "l2", "l3"]),
    "visit_id": st.sampled_from(["v1", "v2", "v3"]),
    "offer_id": st.sampled_from(["o1", "o2"]),
    "recording_id": st.sampled_from(["r1", "r2"]),
    "extension": st.sampled_from(["8001", "8002"]),
    "entered_at": st.floats(AT, AT + 3600),
    "from_at": st.floats(AT, AT + 3600),
    "to_at": st.floats(AT, AT + 3600),
    "waited_seconds": st.floats(0, 100),
    "caller_number": st.sampled_from([None, "+8613800138000", "10086"]),
    "ring_seconds": st.integers(3, 60),
}
_FOLDED: list[type[domain.Event]] = [
    domain.CallStarted,
    domain.LegStarted,
    domain.LegRinging,
    domain.LegAnswered,
    domain.LegRenamed,
    domain.LegHeld,
    domain.LegResumed,
    domain.LegEnded,
    domain.CallMerged,
    domain.CallEnded,
    domain.QueueEntered,
    domain.QueueLeft,
    domain.NativeEntered,
    domain.NativeLeft,
    domain.OfferMade,
    domain.OfferEnded,
    domain.RecordingStarted,
    domain.RecordingPaused,
    domain.RecordingResumed,
    domain.RecordingStored,
    domain.RecordingFaulty,
    domain.DispositionSaved,
    domain.AgentSignedIn,
    domain.AgentSignedOut,
    domain.AgentStateChanged,
    domain.AgentNextStateSet,
    domain.AgentPhoneChanged,
    domain.AgentPanelChanged,
    domain.GapRecorded,
]


def _any(kind: type[Any]) -> st.SearchStrategy[Any]:
    fields = msgspec.structs.fields(kind)
    return st.builds(
        kind,
        **{
            field.name: _OVERRIDES.get(field.name, st.from_type(field.type))
            for field in fields
            if field.required or field.name in ("agent_id", "until", "reason", "call_id")
        },
    )


LIVED_IN: list[DomainEvent] = [
    *(
        domain.CallStarted(
            at=AT,
            call_id=call_id,
            direction="inbound",
            caller_number="+8613800138000",
            caller_name="13800138000",
            called_number=None,
            linkedid=call_id,
        )
        for call_id in ("c1", "c2")
    ),
    *(
        domain.LegStarted(
            at=AT, call_id=call_id, leg_id=leg_id, kind="agent", channel="x", agent_id=agent_id
        )
        for call_id, leg_id, agent_id in (("c1", "l1", "1"), ("c2", "l2", "2"))
    ),
    domain.LegAnswered(at=AT, call_id="c1", leg_id="l1"),
]
"""So much has happened in half of the runs: else most random events would meet nothing."""
EVENTS = st.tuples(
    st.sampled_from([[], LIVED_IN]),
    st.lists(st.one_of([_any(kind) for kind in _FOLDED]), max_size=60),
).map(lambda parts: [*parts[0], *parts[1]])


def _applied(
    rows: Rows, view: LiveView, topic: Topic, agent_id: str | None, changes: Changes
) -> None:
    keys = set(changes.floor)
    if topic == "desk":
        assert agent_id
        pulse = {("queues", name) for name in view.queues_of(agent_id) if name in changes.pulse}
        keys = changes.desk.get(agent_id, set()) | pulse
    put, gone = view.rows(topic, agent_id, keys, clear=True)
    for table, new in put.items():
        rows[table].update(new)
    for table, names in gone.items():
        for name in names:
            rows[table].pop(name, None)


@settings(max_examples=300)
@given(events=EVENTS, batches=st.lists(st.integers(1, 5), min_size=1, max_size=10), data=st.data())
def test_a_stale_snapshot_and_the_changes_since_equal_a_fresh_one(
    events: list[DomainEvent], batches: list[int], data: st.DataObject
) -> None:
    view = LiveView(FLOOR)
    before = data.draw(st.integers(0, len(events)))
    for seq, event in enumerate(events[:before], 1):
        view.evolve(Recorded(seq, event))
    pages = [view.snapshot(topic, agent_id, clear=True) for topic, agent_id in VIEWS]
    pending = Changes()
    until_sent = 0
    for seq, event in enumerate(events[before:], before + 1):
        pending.merge(view.evolve(Recorded(seq, event)))
        until_sent -= 1
        if until_sent <= 0 or seq == len(events):
            for page, (topic, agent_id) in zip(pages, VIEWS, strict=True):
                _applied(page, view, topic, agent_id, pending)
                assert page == view.snapshot(topic, agent_id, clear=True)
            pending, until_sent = Changes(), batches[seq % len(batches)]


@given(events=EVENTS, data=st.data())
def test_a_dump_and_the_tail_equal_the_whole(
    events: list[DomainEvent], data: st.DataObject
) -> None:
    cut = data.draw(st.integers(0, len(events)))
    whole, first, second = LiveView(FLOOR), LiveView(FLOOR), LiveView(FLOOR)
    records = [Recorded(seq, event) for seq, event in enumerate(events, 1)]
    for record in records:
        whole.evolve(record)
    for record in records[:cut]:
        first.evolve(record)
    second.load(msgspec.json.decode(msgspec.json.encode(first.dump())))
    for record in records[cut:]:
        second.evolve(record)
    assert second.seq == whole.seq
    for topic, agent_id in VIEWS:
        fresh = whole.snapshot(topic, agent_id, clear=True)
        assert second.snapshot(topic, agent_id, clear=True) == fresh


@given(events=EVENTS)
def test_whole_numbers_are_shown_to_nobody_without_the_right(events: list[DomainEvent]) -> None:
    view = LiveView(FLOOR)
    for seq, event in enumerate(events, 1):
        view.evolve(Recorded(seq, event))
    shown = [view.snapshot(topic, agent_id, clear=False) for topic, agent_id in VIEWS]
    assert b"+8613800138000" not in msgspec.json.encode(shown)
