"""Merging and taking back gives what was there, whatever the two were."""

from hypothesis import given
from hypothesis import strategies as st

from crm.customers import Draft
from crm.merging import FILLED, merged, parted

WORD = st.sampled_from(["", "a", "b"])
DRAFT = st.builds(
    Draft,
    name=st.sampled_from(["王芳", "李伟"]),
    company=WORD,
    level=WORD,
    language=st.sampled_from([None, "zh", "en"]),
    tags=st.lists(st.sampled_from(["x", "y", "z"]), unique=True).map(tuple),
    owner_agent_id=st.sampled_from([None, "1001"]),
    email=WORD,
    notes_pinned=WORD,
    fields=st.dictionaries(st.sampled_from(["p", "q"]), st.sampled_from(["1", "2"])),
)


@given(DRAFT, DRAFT)
def test_the_one_that_stays_counts_more_and_nothing_is_lost(into: Draft, other: Draft) -> None:
    result = merged(into, other).draft
    for name in FILLED:
        assert getattr(result, name) == (getattr(into, name) or getattr(other, name))
    assert set(result.tags) == {*into.tags, *other.tags}
    assert result.fields == {**other.fields, **into.fields}
    assert (result.name, result.kind) == (into.name, into.kind)


@given(DRAFT, DRAFT)
def test_taken_back_it_is_as_before(into: Draft, other: Draft) -> None:
    result = merged(into, other)
    assert parted(result.draft, list(result.tags), result.filled) == into
