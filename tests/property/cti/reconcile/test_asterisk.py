"""No line, however hostile, breaks the reading of Asterisk's files."""

from hypothesis import given
from hypothesis import strategies as st

from cti.reconcile.asterisk import parse_cdr, parse_cel

LINES = st.text(st.sampled_from('"",\\;\0\ufffd1.ANSWER坐{}:[] \t'), max_size=300) | st.text()


@given(LINES)
def test_any_text_is_a_record_or_none(line: str) -> None:
    parse_cdr(line)
    parse_cel(line)


@given(
    st.lists(
        st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])),
        min_size=20,
        max_size=20,
    )
)
def test_what_asterisk_quotes_is_read_back(fields: list[str]) -> None:
    fields[1] = "12.5"
    line = ",".join('"' + field.replace('"', '""') + '"' for field in fields)
    cel = parse_cel(line)
    assert cel is not None
    assert (cel.event, cel.at, cel.channel) == (fields[0], 12.5, fields[9])
    assert (cel.uniqueid, cel.linkedid, cel.extra) == (fields[14], fields[15], fields[19])
