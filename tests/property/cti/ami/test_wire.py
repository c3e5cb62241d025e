"""Whatever comes in whatever pieces: the same frames, and never an end of the link."""

import random
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from cti.ami.connection import Connection
from cti.ami.errors import AmiEncodeError, MalformedFrameError
from cti.ami.events import EVENTS, ITEMS, AmiEvent, Hold, build
from cti.ami.layout import Layouts
from cti.ami.stats import LinkStats
from cti.ami.wire import Frame, FrameReader, Malformed, encode_action

TRANSCRIPTS = Path(__file__).parents[3] / "transcripts"
RECORDED = [
    frame
    for path in sorted(TRANSCRIPTS.glob("*.ami"))
    if not path.stem.startswith("busy")
    for frame in FrameReader().feed(path.read_bytes())
]
LIMIT = 500
KINDS = {**EVENTS, **ITEMS}

# Bytes that are likely to matter: line ends in all mixtures, headers, long runs.
pieces = st.one_of(
    st.sampled_from([b"\r", b"\n", b"\r\n", b"\r\n\r\n", b": ", b"Event: ", b"Hold", b"x" * 300]),
    st.sampled_from(
        [b"Asterisk Call Manager/", b"Response: Success", "张".encode(), b"\0", b"\xff"]
    ),
    st.binary(max_size=20),
)
streams = st.lists(pieces, max_size=40).map(b"".join)


@st.composite
def chunked(draw: st.DrawFn) -> tuple[bytes, list[bytes]]:
    stream = draw(streams)
    cuts = sorted(draw(st.lists(st.integers(0, len(stream)), max_size=20)))
    edges = [0, *cuts, len(stream)]
    return stream, [stream[a:b] for a, b in pairwise(edges)]


def read(chunks: list[bytes]) -> tuple[list[Frame], int, str | None]:
    reader = FrameReader(LIMIT)
    frames = [frame for chunk in chunks for frame in reader.feed(chunk)]
    return frames, reader.malformed.count, reader.version


@given(chunked())
@example((b"x" * 504 + b"\r\n\r\n", [b"x" * 504, b"\r\n\r\n"]))
@example((b"A\r\n" + b"x" * 501 + b"\r\n\r\n", [b"A\r\n" + b"x" * 501 + b"\r\n\r", b"\n"]))
def test_chunks_do_not_matter(case: tuple[bytes, list[bytes]]) -> None:
    stream, chunks = case
    assert read(chunks) == read([stream])
    assert read([bytes([byte]) for byte in stream]) == read([stream])


text = st.text(
    st.characters(blacklist_categories=["Cs"], blacklist_characters="\r\n\0"), max_size=40
)
names = st.text("abcXYZ-", min_size=1, max_size=10)


@given(st.lists(st.tuples(names, text)))
def test_what_is_encoded_is_what_is_read(headers: list[tuple[str, str]]) -> None:
    reader = FrameReader()
    reader.feed(b"Asterisk Call Manager/11.0.0\r\n")
    (frame,) = reader.feed(encode_action("Test", headers, action_id="7"))
    expected: dict[str, list[str]] = {"Action": ["Test"], "ActionID": ["7"]}
    for name, value in headers:
        if value not in ("", "<unknown>", "<null>"):
            expected.setdefault(name, []).append(value)
    assert frame.headers() == {
        name: values if len(values) > 1 else values[0] for name, values in expected.items()
    }


@given(st.lists(st.tuples(st.text(), st.text()), max_size=5), st.text(), st.text())
def test_encoder_gives_one_whole_action_or_an_error(
    headers: list[tuple[str, str]], name: str, action_id: str
) -> None:
    try:
        data = encode_action(name, headers, action_id=action_id)
    except AmiEncodeError:
        return
    lines = data.removesuffix(b"\r\n\r\n").split(b"\r\n")
    assert len(lines) == 1 + bool(action_id) + len(headers)
    assert data.endswith(b"\r\n\r\n")
    assert all(line and b"\n" not in line and b"\r" not in line for line in lines)


@st.composite
def mutated(draw: st.DrawFn) -> tuple[Frame, Frame]:
    """A recorded event, and it or another of its kind with some lines changed."""
    first = draw(st.sampled_from([frame for frame in RECORDED if frame.event in KINDS]))
    same = [frame for frame in RECORDED if frame.event == first.event]
    lines = draw(st.sampled_from(same)).raw.split(b"\r\n")
    for _ in range(draw(st.integers(0, 3))):
        place = draw(st.integers(1, len(lines) - 1))
        name = lines[place].partition(b": ")[0]
        lines[place : place + 1] = draw(
            st.sampled_from(
                [
                    [],
                    [lines[place]] * 2,
                    [name + b": "],
                    [name + b": <unknown>"],
                    [name + b": 7"],
                    [name + rb": a\"b\\c"],
                    [name + b": \xff\xfe: x"],
                    [name],
                    [b"ChanVariable: A=1", lines[place]],
                    [b"Variable: A=1", b"Variable: B=2", lines[place]],
                    [b"Channel: PJSIP/evil-1"],
                    [b": x"],
                    [b""],
                ]
            )
        )
        if len(lines) == 1:
            break
    return first, Frame(first.event, b"\r\n".join(lines))


@given(mutated())
def test_quick_way_gives_what_the_thorough_way_gives(case: tuple[Frame, Frame]) -> None:
    first, second = case
    kind = KINDS[first.event]
    malformed = Malformed()
    layouts = Layouts(malformed)
    assert layouts.build(kind, first) == build(kind, first.headers())
    expected: AmiEvent | None
    try:
        expected = build(kind, second.headers())
    except MalformedFrameError:
        expected = None
    assert layouts.build(kind, second) == expected


@pytest.mark.parametrize("seed", range(3))
async def test_ten_thousand_malformed_frames_never_end_the_link(seed: int) -> None:
    """Recorded frames, cut, mixed and shuffled byte by byte; good ones between them still come."""
    chance = random.Random(seed)
    good = b"Event: Hold\r\nChannel: PJSIP/1-1\r\nUniqueid: good.1\r\nLinkedid: 1.1\r\n\r\n"
    told: list[AmiEvent] = []
    stats = LinkStats()
    connection = Connection(told.extend, stats, time.time)
    connection.received(b"Asterisk Call Manager/11.0.0\r\n")
    for number in range(10_000):
        raw = bytearray(chance.choice(RECORDED).raw)
        for _ in range(chance.randint(1, 8)):
            place = chance.randrange(len(raw))
            match chance.randrange(3):
                case 0:
                    raw[place] = chance.randrange(256)
                case 1:
                    del raw[place : place + chance.randint(1, 40)]
                case _:
                    raw[place:place] = chance.choice(
                        [b"\r\n", b": ", b"Event: Hangup", b"\n", b"\0"]
                    )
            raw = raw or bytearray(b"x")
        connection.received(bytes(raw) + b"\r\n\r\n")
        if number % 100 == 0:
            connection.received(good)
    assert sum(isinstance(event, Hold) and event.uniqueid == "good.1" for event in told) == 100
    assert stats.malformed.count > 1_000
    assert len(stats.malformed.last) == 20
    assert not connection.lost.done()
