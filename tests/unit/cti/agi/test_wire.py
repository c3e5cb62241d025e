"""FastAGI without input or output: whole, in pieces, hostile."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cti.agi.wire import (
    MAX_BYTES,
    MAX_VALUE,
    AgiError,
    AgiRequest,
    RequestReader,
    clean,
    encode_variables,
)

# As Asterisk 22 sends it.
REQUEST = """\
agi_network: yes
agi_network_script: enter
agi_request: agi://127.0.0.1:4573/enter
agi_channel: PJSIP/trunk-00000000
agi_language: en
agi_type: PJSIP
agi_uniqueid: 1795325278.0
agi_version: 22.10.1
agi_callerid: 13800138000
agi_calleridname: unknown
agi_callingpres: 0
agi_dnid: 100
agi_rdnis: unknown
agi_context: zuoxi-enter
agi_extension: support
agi_priority: 2
agi_enhanced: 0.0
agi_accountcode:\x20
agi_threadid: 139682
agi_arg_1: support
agi_arg_2: 王芳

""".encode()

PARSED = AgiRequest(
    path="enter",
    uniqueid="1795325278.0",
    channel="PJSIP/trunk-00000000",
    caller_number="13800138000",
    caller_name=None,
    arguments=["support", "王芳"],
)


def test_whole_request() -> None:
    assert RequestReader().feed(REQUEST) == PARSED


def test_byte_by_byte() -> None:
    reader = RequestReader()
    answers = [reader.feed(REQUEST[at : at + 1]) for at in range(len(REQUEST))]
    assert answers[:-1] == [None] * (len(REQUEST) - 1)
    assert answers[-1] == PARSED


def test_what_follows_is_ignored() -> None:
    assert RequestReader().feed(REQUEST + b"HANGUP\n") == PARSED


def test_query_and_slashes_are_no_part_of_the_path() -> None:
    text = REQUEST.replace(b"script: enter", b"script: /enter?x=1")
    request = RequestReader().feed(text)
    assert request is not None
    assert request.path == "enter"


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\n\n",
        b"\n\n",
        b"agi_network: yes\n\n",
        b"agi_network_script: enter\n\n",
        b"x" * (MAX_BYTES + 1),
        b"agi_arg_1: a\n" * 200,
    ],
)
def test_no_request(data: bytes) -> None:
    with pytest.raises(AgiError):
        RequestReader().feed(data)


def test_first_value_counts() -> None:
    """A caller's name with a line break would add lines after Asterisk's own number."""
    text = REQUEST.replace(b"calleridname: unknown", b"calleridname: x\nagi_callerid: 999")
    request = RequestReader().feed(text)
    assert request is not None
    assert request.caller_number == "13800138000"


@given(st.lists(st.binary(max_size=300), max_size=20))
def test_rubbish_is_refused_or_unfinished(pieces: list[bytes]) -> None:
    reader = RequestReader()
    try:
        for piece in pieces:
            assert reader.feed(piece) is None
    except AgiError:
        pass


def test_one_command_for_all_variables() -> None:
    assert encode_variables({"ZX_NAME": "王芳", "ZX_PRIO": "5"}) == (
        'SET VARIABLE "ARRAY(ZX_NAME,ZX_PRIO)" "王芳,5"\n'.encode()
    )
    assert encode_variables({}) == b""


@given(st.dictionaries(st.sampled_from(["ZX_A", "ZX_B", "ZX_C"]), st.text(), min_size=1))
def test_values_cannot_leave_their_place(variables: dict[str, str]) -> None:
    command = encode_variables(variables).decode()
    assert command.count("\n") == 1
    assert command.endswith('"\n')
    assert command.count('"') == 4
    values = command.split('"')[3]
    assert values.count(",") == len(variables) - 1
    assert not set(values) & set("${}[]()\\;|&")


@given(st.text())
def test_cleaned_text_is_one_short_line(text: str) -> None:
    assert len(clean(text)) <= MAX_VALUE
    assert clean(clean(text)) == clean(text)
