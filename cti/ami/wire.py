"""AMI on the wire, without any input or output: bytes to whole frames, actions to bytes.

A frame is a run of `Name: value` lines that ends with an empty line. Frames are found by bytes, so
neither a chunk of TCP nor a character of UTF-8 can be cut. A frame stays bytes until somebody asks
for its headers; most never are. Whatever cannot be read is counted and the last few are kept:
what a caller writes into his name must not end the link.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from cti.ami.errors import AmiEncodeError

GREETING: Final = b"Asterisk Call Manager/"
EOL: Final = b"\r\n"
END: Final = b"\r\n\r\n"

MAX_FRAME_BYTES: Final = 262_144
"""Longest frame that is read; a Status item with long variables stays far below."""
MAX_LINE_BYTES: Final = 1_024
"""Longest line that Asterisk reads, with its end (`inbuf` in main/manager.c)."""
MAX_HEADERS: Final = 128
"""Most headers that Asterisk reads of one action (AST_MAX_MANHEADERS)."""

KEPT_MALFORMED: Final = 20
KEPT_BYTES: Final = 500

_EVENT: Final = b"Event: "
_ACTION_ID: Final = b"\r\nActionID: "
NO_VALUE: Final = frozenset(("", "<unknown>", "<null>"))
_ESCAPED: Final = ("CallerIDName", "ConnectedLineName")
_ESCAPE: Final = re.compile(r"\\(.)")
_C_ESCAPES: Final = dict(zip("abfnrtv", "\a\b\f\n\r\t\v", strict=True))
_FORBIDDEN: Final = ("\r", "\n", "\0")


class Malformed:
    """How many frames or lines could not be read, and the last of them: (why, first bytes)."""

    def __init__(self) -> None:
        self.count = 0
        self.last: deque[tuple[str, bytes]] = deque(maxlen=KEPT_MALFORMED)

    def add(self, why: str, raw: bytes) -> None:
        """Count one and keep its beginning."""
        self.count += 1
        self.last.append((why, raw[:KEPT_BYTES]))


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One whole frame as it came.

    :param event: the event's name, b"" where the frame is not an event. Found without parsing.
    :param raw: its bytes without the empty line at its end.
    """

    event: bytes
    raw: bytes

    @property
    def action_id(self) -> str:
        """The ActionID, "" without one. Needs no parsing."""
        raw = self.raw
        start = raw.find(_ACTION_ID)
        if start < 0:
            return ""
        start += len(_ACTION_ID)
        end = raw.find(EOL, start)
        return raw[start : end if end >= 0 else None].decode(errors="replace")

    def headers(self, malformed: Malformed | None = None) -> dict[str, str | list[str]]:
        """Parse the headers: name -> value, or the list of values where a header is repeated.

        A header that is empty or holds Asterisk's `<unknown>` or `<null>` is left out: it has no
        value. Bytes that are not UTF-8 become U+FFFD. Lines that are no header are skipped, and
        counted in `malformed` where it is given. Names of people lose the backslashes that Asterisk
        puts into them (`ast_escape_c`).
        """
        found: dict[str, str | list[str]] = {}
        for line in self.raw.decode(errors="replace").split("\r\n"):
            name, separator, value = line.partition(": ")
            if not separator:
                name, separator, value = line.partition(":")
                if not separator and malformed is not None:
                    malformed.add("a line without a colon", line.encode())
            if value in NO_VALUE:
                continue
            if name in found:
                _repeat(found, name, value)
            else:
                found[name] = value
        if b"\\" in self.raw:
            unescape_names(found)
        return found


def _repeat(found: dict[str, str | list[str]], name: str, value: str) -> None:
    before = found[name]
    if isinstance(before, list):
        before.append(value)
    else:
        found[name] = [before, value]


def unescape_names(headers: dict[str, Any]) -> None:
    """Take out the backslashes that Asterisk puts into people's names, in place."""
    for header, value in headers.items():
        if header.endswith(_ESCAPED) and isinstance(value, str):
            headers[header] = _ESCAPE.sub(lambda match: _C_ESCAPES.get(match[1], match[1]), value)


class FrameReader:
    """Cuts a stream of bytes into frames. The result does not depend on how the stream is chunked.

    :ivar greeted: whether the first line came, the greeting or not.
    :ivar version: of the manager protocol, from Asterisk's greeting; None before and without it.
    :ivar malformed: what could not be read. A frame longer than `limit` bytes is skipped whole.
    """

    def __init__(self, limit: int = MAX_FRAME_BYTES, *, malformed: Malformed | None = None) -> None:
        self.greeted = False
        self.version: str | None = None
        self.malformed = Malformed() if malformed is None else malformed
        self._limit = limit
        self._tail = b""
        self._too_long = b""

    def feed(self, data: bytes) -> list[Frame]:
        """Take the next bytes; give the frames that are whole now."""
        if self._tail:
            data = self._tail + data
        if not self.greeted:
            data = self._greeting(data)
            if not self.greeted:
                self._tail = data
                return []
        *whole, tail = data.split(END)
        if whole and self._too_long:
            self._end_too_long()
            del whole[0]
        self._keep(tail)
        frames = []
        for raw in whole:
            if raw.startswith(_EVENT) and len(raw) <= self._limit:
                end = raw.find(EOL)
                frames.append(Frame(raw[len(_EVENT) : end if end > 0 else None], raw))
            elif (other := self._other(raw)) is not None:
                frames.append(other)
        return frames

    def _greeting(self, data: bytes) -> bytes:
        """Read the greeting's line, the only one that no empty line follows; give what is left."""
        line, end, rest = data.partition(EOL)
        if not end and len(data) <= self._limit + 1:
            return data
        self.greeted = True
        if len(line) <= self._limit and line.startswith(GREETING):
            self.version = line[len(GREETING) :].decode(errors="replace").strip()
            return rest
        self.malformed.add("not the greeting of an Asterisk manager", line)
        return data

    def _other(self, raw: bytes) -> Frame | None:
        """A frame that does not begin as events do; None where there is nothing in it to read."""
        if len(raw) > self._limit:
            self.malformed.add("a frame that is too long", raw)
            return None
        raw = raw.lstrip(EOL)
        if not raw:
            return None
        name = raw.partition(EOL)[0].removeprefix(_EVENT) if raw.startswith(_EVENT) else b""
        return Frame(name, raw)

    def _keep(self, tail: bytes) -> None:
        """Keep the beginning of the next frame, of one that is too long only its possible end."""
        if not self._too_long and len(tail) > self._limit + len(END):
            self._too_long = tail[:KEPT_BYTES]
        self._tail = tail[1 - len(END) :] if self._too_long else tail

    def _end_too_long(self) -> None:
        self.malformed.add("a frame that is too long", self._too_long)
        self._too_long = b""


def encode_action(name: str, headers: Iterable[tuple[str, str]], *, action_id: str = "") -> bytes:
    """One action as bytes, or an error; never something else than was meant.

    :param headers: (name, value) in order; a name may occur more than once.
    :raises AmiEncodeError: CR, LF or NUL anywhere, a colon in a header's name, a line that Asterisk
        would cut, more headers than it reads, or text that UTF-8 cannot hold.
    """
    lines = [("Action", name)]
    if action_id:
        lines.append(("ActionID", action_id))
    lines.extend(headers)
    if len(lines) > MAX_HEADERS:
        raise AmiEncodeError(
            f"{name!r} has {len(lines)} headers and Asterisk reads {MAX_HEADERS}: send fewer"
        )
    return b"".join([_line(header, value) for header, value in lines]) + EOL


def _line(header: str, value: str) -> bytes:
    if not header or ":" in header or header != header.strip():
        raise AmiEncodeError(f"{header!r} is no name of a header")
    text = f"{header}: {value}\r\n"
    if any(character in header or character in value for character in _FORBIDDEN):
        raise AmiEncodeError(f"{header!r} has a line break or NUL: take it out of {value[:40]!r}")
    try:
        line = text.encode()
    except UnicodeEncodeError as error:
        raise AmiEncodeError(f"{header!r} cannot be written as UTF-8: {error.reason}") from None
    if len(line) > MAX_LINE_BYTES:
        raise AmiEncodeError(
            f"{header!r} makes a line of {len(line)} bytes and Asterisk cuts it at "
            f"{MAX_LINE_BYTES}: shorten it"
        )
    return line
