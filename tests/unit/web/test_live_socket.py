"""Frames that are made once for all: any WebSocket library has to read them as it reads its own."""

import pytest
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from web.live_socket import _framed


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 200_000])
def test_a_frame_is_a_whole_text_message(size):
    message = b"x" * size
    reader = StreamReader()
    reader.feed_data(_framed(message))
    reader.feed_eof()
    parsing = Frame.parse(reader.read_exact, mask=False)
    with pytest.raises(StopIteration) as end:
        next(parsing)
    frame = end.value.value
    assert (frame.opcode, frame.fin, bytes(frame.data)) == (Opcode.TEXT, True, message)


def test_the_same_message_is_framed_once():
    message = b"the same for a thousand"
    assert _framed(message) is _framed(message)
