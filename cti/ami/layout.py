"""The quick way from a frame to a typed event.

Asterisk writes the headers of one kind of event in the same order each time. So the order is
learned from the first frame of a kind and made into one pattern that takes out the wanted values;
a frame that does not fit goes the thorough way through `Frame.headers`. Both ways give the same
event, which tests/property/cti/ami holds them to. On recorded frames it takes half the time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import msgspec

from cti.ami.errors import MalformedFrameError
from cti.ami.events import AmiEvent, UserEvent, build
from cti.ami.wire import EOL, NO_VALUE, Frame, Malformed, unescape_names

MAX_LEARNED: Final = 500
"""Patterns made in the life of one connection; each takes about a millisecond."""

_VARIABLES: Final = "ChanVariable"
_WANTED: Final = f"(?:{'|'.join(map(re.escape, sorted(NO_VALUE, reverse=True)))}|(.+))"


class _Layout(msgspec.Struct, frozen=True, gc=False):
    """One order of headers: the wanted ones, and the match of a pattern with a group for each."""

    fields: tuple[str, ...]
    match: Callable[[str], re.Match[str] | None]


class Layouts:
    """The orders seen on one connection, found by kind of event and number of lines."""

    def __init__(self, malformed: Malformed) -> None:
        self._malformed = malformed
        self._known: dict[tuple[type[AmiEvent], int], _Layout] = {}
        self._left = MAX_LEARNED

    def build(self, kind: type[AmiEvent], frame: Frame) -> AmiEvent | None:
        """The typed event of a frame, or None: then it was malformed, and was counted."""
        raw = frame.raw
        if kind is not UserEvent:
            key = (kind, raw.count(EOL))
            text = raw.decode(errors="replace")
            layout = self._known.get(key)
            if layout is None or (match := layout.match(text)) is None:
                self._learn(key, text)
            else:
                # A header without a value is None here: right for what may be None, and for what
                # may not, the thorough way knows better.
                headers = dict(zip(layout.fields, match.groups(), strict=True))
                if "\\" in text:
                    unescape_names(headers)
                try:
                    return msgspec.convert(headers, kind, strict=False)
                except msgspec.ValidationError:
                    pass
        return self._build_thoroughly(kind, frame)

    def _build_thoroughly(self, kind: type[AmiEvent], frame: Frame) -> AmiEvent | None:
        try:
            return build(kind, frame.headers(self._malformed))
        except MalformedFrameError as error:
            self._malformed.add(str(error), frame.raw)
            return None

    def _learn(self, key: tuple[type[AmiEvent], int], text: str) -> None:
        """Keep this order, unless the quick way could not do it justice."""
        lines = text.split("\r\n")
        names = [line.partition(": ")[0] for line in lines]
        wanted = {field.encode_name for field in msgspec.structs.fields(key[0])}
        plain = all(": " in line for line in lines) and _VARIABLES not in names
        once = all(names.count(name) == 1 for name in wanted.intersection(names))
        if plain and once and self._left > 0:
            self._left -= 1
            pattern = "\r\n".join(
                f"{re.escape(name)}: {_WANTED if name in wanted else '.*'}" for name in names
            )
            fields = tuple(name for name in names if name in wanted)
            self._known[key] = _Layout(fields, re.compile(pattern).fullmatch)
