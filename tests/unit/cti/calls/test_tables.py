"""The tables are followed: a legal step moves, any other is counted and changes nothing."""

import itertools

import msgspec
import pytest

from cti import domain as d
from cti.calls import tables
from cti.calls.book import Book
from tests.unit.cti.calls.builders import START

CALL, LEG = "pbx1-1.1", "1.1"


def event(kind: type[d.Event], at: float = START) -> d.Event:
    """An event of this kind with any values."""
    values = {
        "at": at,
        "call_id": CALL,
        "leg_id": LEG,
        "direction": "inbound",
        "caller_number": None,
        "caller_name": None,
        "called_number": None,
        "linkedid": LEG,
        "kind": "attended" if kind is d.CallTransferred else "customer",
        "by_leg": None,
        "to": None,
        "channel": "PJSIP/trunk-1",
        "bridge_id": "b1",
        "cause": 16,
        "merged_call_id": "none",
        "outcome": "answered",
        "ended_by": "customer",
        "talk_seconds": 0.0,
        "visit_id": "v",
        "queue": "support",
        "entered_at": START,
        "reason": "abandoned",
        "waited_seconds": 0.0,
        "offer_id": "o",
        "agent_id": "1001",
        "extension": "8001",
        "ring_seconds": 20,
        "epoch": 1,
        "end": "accepted",
        "recording_id": "r",
        "file": "r.wav",
        "path": "r.wav",
        "sha256": "",
        "bytes": 0,
        "duration_seconds": 0.0,
        "fault": "missing",
    }
    names = {f.name for f in msgspec.structs.fields(kind) if f.required}
    return kind(**{name: values[name] for name in names})


def paths(table: tables.Table) -> dict[str, list[type[d.Event]]]:
    """State -> a shortest way of legal steps to it."""
    found: dict[str, list[type[d.Event]]] = {tables.NONE: []}
    waiting = [tables.NONE]
    while waiting:
        state = waiting.pop(0)
        for kind, after in table[state].items():
            if after not in found:
                found[after] = [*found[state], kind]
                waiting.append(after)
    return found


def book_in(thing: str, state: str) -> Book:
    """A book whose only `thing` is in that state."""
    book = Book()
    before = [] if thing == "call" else [d.CallStarted]
    for kind in (*before, *paths(tables.TABLES[thing])[state]):
        book.evolve(event(kind))
    return book


def state_of(thing: str, book: Book) -> str:
    call = book.calls.get(CALL)
    if call is None:
        return tables.NONE
    if thing == "call":
        return call.state
    part = {
        "leg": call.legs.get(LEG),
        "queue visit": call.visits.get("v"),
        "offer": call.offers.get("o"),
        "recording": call.recordings.get("r"),
    }[thing]
    return tables.NONE if part is None else part.state


CASES = [
    (thing, state, kind)
    for thing, table in tables.TABLES.items()
    for state, kind in itertools.product(
        table, {kind for steps in table.values() for kind in steps}
    )
    if kind is not d.CallMerged  # needs a second call: see test_merge
]


@pytest.mark.parametrize(("thing", "state", "kind"), CASES)
def test_only_what_the_table_allows_changes_the_state(thing, state, kind):
    book = book_in(thing, state)
    before = book.dump()
    assert state_of(thing, book) == state
    assert not book.illegal
    book.evolve(event(kind, START + 5))
    if (after := tables.TABLES[thing][state].get(kind)) is not None:
        assert state_of(thing, book) == after
        assert not book.illegal
    else:
        assert sum(book.illegal.values()) == 1
        assert book.dump() == before


@pytest.mark.parametrize("thing", tables.TABLES)
def test_every_state_of_a_table_can_be_reached_and_leads_to_known_states(thing):
    table = tables.TABLES[thing]
    assert set(paths(table)) == set(table)


def test_events_of_other_things_pass_by():
    book = Book()
    book.evolve(d.PbxLost(at=START, reason="cut"))
    assert book.dump() == Book().dump()
    assert not book.illegal
