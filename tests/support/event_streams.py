"""Random streams of domain events: plausible in their parts, free in their order."""

from typing import Literal

import msgspec
from hypothesis import strategies as st

from cti import domain
from cti.domain import DomainEvent, Recorded
from tests.support.journal import DAY

CALLS = ("c1", "c2", "c3")
CLOSED_SETS = {
    "call_id": CALLS,
    "merged_call_id": CALLS,
    "agent_id": ("1001", "1002"),
    "queue": ("support", "sales"),
    "visit_id": ("v1", "v2", "v3", "v4"),
    "offer_id": ("o1", "o2"),
    "recording_id": ("r1", "r2"),
    "leg_id": ("1.1", "1.2"),
}
TIMES = {"at", "entered_at", "from_at", "to_at", "started_at", "until"}

_times = st.floats(DAY, DAY + 4000).map(lambda at: round(at, 3))
_seconds = st.floats(0, 4000).map(lambda seconds: round(seconds, 3))


def _field(name: str, kind: object) -> st.SearchStrategy[object]:
    optional = isinstance(kind, msgspec.inspect.UnionType) and any(
        isinstance(part, msgspec.inspect.NoneType) for part in kind.types
    )
    if name in CLOSED_SETS:
        values: st.SearchStrategy[object] = st.sampled_from(CLOSED_SETS[name])
    elif name in TIMES:
        values = _times
    elif name.endswith("_seconds"):
        values = st.integers(5, 60) if name == "ring_seconds" else _seconds
    else:
        values = st.from_type(_python_type(kind))
    return st.none() | values if optional else values


def _python_type(kind: object) -> object:
    """What hypothesis is to draw for a field's type."""
    match kind:
        case msgspec.inspect.UnionType(types=types):
            (only,) = (t for t in types if not isinstance(t, msgspec.inspect.NoneType))
            return _python_type(only)
        case msgspec.inspect.LiteralType(values=values):
            return Literal[tuple(values)]
        case msgspec.inspect.ListType(item_type=item):
            return list[_python_type(item)]
        case msgspec.inspect.DictType(key_type=key, value_type=value):
            return dict[_python_type(key), _python_type(value)]
    return SCALARS[type(kind)]


class _Text(str):
    __slots__ = ()


class _Number(int):
    pass


SCALARS: dict[type, type] = {
    msgspec.inspect.StrType: _Text,
    msgspec.inspect.IntType: _Number,
    msgspec.inspect.FloatType: float,
    msgspec.inspect.BoolType: bool,
}

st.register_type_strategy(_Text, st.text("ab坐 '\\\"", max_size=4))
st.register_type_strategy(_Number, st.integers(0, 5))


def _events(kind: type[domain.Event]) -> st.SearchStrategy[DomainEvent]:
    fields = msgspec.inspect.type_info(kind).fields
    return st.fixed_dictionaries(
        {field.name: _field(field.name, field.type) for field in fields}
    ).map(lambda values: kind(**values))


KINDS = DomainEvent.__args__


def event_streams(max_size: int = 60) -> st.SearchStrategy[list[Recorded]]:
    """Any events in any order, numbered."""
    return st.lists(st.one_of([_events(kind) for kind in KINDS]), max_size=max_size).map(
        lambda events: [Recorded(seq, event) for seq, event in enumerate(events, 1)]
    )
