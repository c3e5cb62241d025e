"""Bytes to frames and actions to bytes."""

import pytest

from cti.ami.errors import AmiEncodeError
from cti.ami.wire import Frame, FrameReader, Malformed, encode_action

GREETING = b"Asterisk Call Manager/11.0.0\r\n"


def read(*chunks: bytes, limit: int = 1_000) -> tuple[list[Frame], FrameReader]:
    reader = FrameReader(limit)
    frames = [frame for chunk in chunks for frame in reader.feed(chunk)]
    return frames, reader


def headers(raw: bytes) -> dict[str, str | list[str]]:
    return Frame(b"", raw).headers()


def test_greeting_gives_the_version() -> None:
    frames, reader = read(GREETING[:9], GREETING[9:] + b"Response: Success\r\n\r\n")
    assert reader.version == "11.0.0"
    assert frames == [Frame(b"", b"Response: Success")]
    assert reader.malformed.count == 0


def test_another_greeting_is_malformed_and_not_fatal() -> None:
    frames, reader = read(b"SSH-2.0-OpenSSH_9\r\n\r\nEvent: Hold\r\n\r\n")
    assert reader.greeted
    assert reader.version is None
    assert [frame.event for frame in frames] == [b"", b"Hold"]
    assert list(reader.malformed.last) == [
        ("not the greeting of an Asterisk manager", b"SSH-2.0-OpenSSH_9")
    ]


def test_no_greeting_without_end_of_line_is_awaited_for_ever() -> None:
    _, reader = read(b"x" * 2_000, b"\r\n\r\n", limit=1_000)
    assert reader.greeted
    assert reader.version is None


def test_frames_are_whole_whatever_the_chunks() -> None:
    stream = (
        GREETING + "Event: Newchannel\r\nCallerIDName: 张三\r\n\r\nEvent: Hold\r\n\r\n".encode()
    )
    for cut in range(len(stream)):
        frames, reader = read(stream[:cut], stream[cut:])
        assert [frame.event for frame in frames] == [b"Newchannel", b"Hold"]
        assert frames[0].headers()["CallerIDName"] == "张三"
        assert reader.malformed.count == 0


def test_more_empty_lines_between_frames_are_nothing() -> None:
    frames, reader = read(GREETING + b"\r\nEvent: A\r\n\r\n\r\n\r\n\r\nEvent: B\r\nX: 1\r\n\r\n")
    assert [frame.event for frame in frames] == [b"A", b"B"]
    assert reader.malformed.count == 0


def test_too_long_frame_is_skipped_whole() -> None:
    long = b"Event: Long\r\nX: " + b"x" * 3_000
    for cut in (20, 900, 1_100, len(long) - 1, len(long) + 1, len(long) + 3):
        stream = long + b"\r\n\r\nEvent: Next\r\n\r\n"
        frames, reader = read(GREETING, stream[:cut], stream[cut:], limit=1_000)
        assert [frame.event for frame in frames] == [b"Next"]
        assert reader.malformed.count == 1
        assert reader.malformed.last[0] == ("a frame that is too long", long[:500])


def test_too_long_frame_does_not_fill_the_memory() -> None:
    reader = FrameReader(1_000)
    reader.feed(GREETING)
    for _ in range(10_000):
        reader.feed(b"x" * 1_000)
    assert len(reader._tail) < 10


def test_repeated_headers_are_a_list() -> None:
    assert headers(b"Output: a\r\nOutput: b\r\nOutput: c\r\nX: 1") == {
        "Output": ["a", "b", "c"],
        "X": "1",
    }


@pytest.mark.parametrize("value", [b"", b"<unknown>", b"<null>"])
def test_header_without_a_value_is_missing(value: bytes) -> None:
    assert headers(b"CallerIDNum: " + value + b"\r\nX: 1") == {"X": "1"}


def test_values_keep_colons_and_spaces() -> None:
    assert headers(b"A: b: c \r\nD:e") == {"A": "b: c ", "D": "e"}


def test_bytes_that_are_no_utf8_are_replaced() -> None:
    assert headers("CallerIDName: 张三".encode("gbk"))["CallerIDName"].endswith("\ufffd")


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        (rb"Pat O\'Brien", "Pat O'Brien"),
        (rb"\"Bob\" \\ Co", '"Bob" \\ Co'),
        (rb"a\r\nAction: x", "a\r\nAction: x"),
    ],
)
def test_names_lose_asterisks_backslashes(written: bytes, read_as: str) -> None:
    assert headers(b"DestCallerIDName: " + written) == {"DestCallerIDName": read_as}


def test_other_values_keep_their_backslashes() -> None:
    assert headers(rb"Data: a\'b") == {"Data": r"a\'b"}


def test_line_without_colon_is_skipped_and_counted() -> None:
    malformed = Malformed()
    assert Frame(b"", b"A: 1\r\nrubbish\r\nB: 2").headers(malformed) == {"A": "1", "B": "2"}
    assert (malformed.count, list(malformed.last)) == (1, [("a line without a colon", b"rubbish")])


def test_only_the_last_malformed_are_kept() -> None:
    malformed = Malformed()
    for number in range(100):
        malformed.add(f"{number}", b"x" * 10_000)
    assert malformed.count == 100
    assert [why for why, _ in malformed.last] == [str(number) for number in range(80, 100)]
    assert {len(raw) for _, raw in malformed.last} == {500}


@pytest.mark.parametrize(
    ("raw", "action_id"),
    [
        (b"Response: Success\r\nActionID: a1\r\nMessage: x", "a1"),
        (b"Response: Success\r\nActionID: a1", "a1"),
        (b"Response: Success\r\nActionID: a1\r\nActionID: a2", "a1"),
        (b"Response: Success", ""),
    ],
)
def test_action_id(raw: bytes, action_id: str) -> None:
    assert Frame(b"", raw).action_id == action_id


def test_action_on_the_wire() -> None:
    assert encode_action("Redirect", [("Channel", "PJSIP/1"), ("Exten", "张")], action_id="7") == (
        "Action: Redirect\r\nActionID: 7\r\nChannel: PJSIP/1\r\nExten: 张\r\n\r\n".encode()
    )


@pytest.mark.parametrize("character", ["\r", "\n", "\0", "\r\n\r\n"])
@pytest.mark.parametrize("place", ["name", "header", "value", "action id"])
def test_no_line_break_gets_out(character: str, place: str) -> None:
    text = {
        each: f"a{character}b" if each == place else "ab" for each in ("name", "header", "value")
    }
    action_id = f"a{character}b" if place == "action id" else "1"
    with pytest.raises(AmiEncodeError):
        encode_action(text["name"], [(text["header"], text["value"])], action_id=action_id)


@pytest.mark.parametrize("header", ["", "a:b", " a", "a "])
def test_names_of_headers_are_plain(header: str) -> None:
    with pytest.raises(AmiEncodeError, match="no name of a header"):
        encode_action("A", [(header, "x")])


def test_line_is_at_most_1024_bytes() -> None:
    fits = 1_024 - len("X: \r\n")
    assert encode_action("A", [("X", "x" * fits)])
    for value in ("x" * (fits + 1), "张" * (fits // 3 + 1)):
        with pytest.raises(AmiEncodeError, match="1024"):
            encode_action("A", [("X", value)])


def test_at_most_128_headers() -> None:
    assert encode_action("A", [("X", "x")] * 126, action_id="1")
    with pytest.raises(AmiEncodeError, match="128"):
        encode_action("A", [("X", "x")] * 127, action_id="1")


def test_what_utf8_cannot_hold_is_refused() -> None:
    with pytest.raises(AmiEncodeError, match="UTF-8"):
        encode_action("A", [("X", "\ud800")])
