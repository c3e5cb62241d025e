"""Hostile names and queries: bounded terms, nothing raised, and whole names are found again."""

from hypothesis import given
from hypothesis import strategies as st

from crm.search import Filter, plan, tsquery
from crm.terms import SUFFIX_LONGEST, TERM_LONGEST, TERMS_MOST, WORDS_MOST, customer_terms

TEXT = st.text(max_size=120)
HAN = st.text(st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5), min_size=1, max_size=8)


@given(TEXT, TEXT, st.lists(st.from_regex(r"\+[1-9][0-9]{4,14}", fullmatch=True), max_size=3))
def test_terms_are_bounded_and_sorted(name: str, company: str, numbers: list[str]) -> None:
    terms = customer_terms(name, company, numbers)
    assert terms == sorted(set(terms))
    assert len(terms) <= TERMS_MOST + len(numbers)
    assert all(0 < len(term) <= TERM_LONGEST + 1 for term in terms)
    assert not any(separator in term for term in terms for separator in "\x1f\0\t\n' ")


@given(HAN, st.data())
def test_any_part_of_a_chinese_name_is_found(name: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(name) - 1))
    end = data.draw(st.integers(start + 1, len(name)))
    terms = customer_terms(name, "", [])
    wanted = plan(Filter(text=name[start:end]), "CN")
    assert wanted
    assert any(term.startswith(wanted[0].term) for term in terms)


@given(TEXT)
def test_a_query_is_bounded_and_quoted(text: str) -> None:
    wanted = plan(Filter(text=text, tag=text or None), "CN")
    if wanted is None:
        return
    assert len(wanted) <= WORDS_MOST + 1
    assert all(
        len(each.term) <= max(TERM_LONGEST, SUFFIX_LONGEST) or each.exact or "#" in each.term
        for each in wanted
    )
    assert all(each.term for each in wanted)
    query = tsquery(wanted).replace("\\\\", "").replace("''", "")
    assert query.count("'") == 2 * len(wanted)
