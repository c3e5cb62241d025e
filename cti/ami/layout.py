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
from cti.ami.wire import NO_VALUE, Frame, Malformed, unescape_names

LAYOUTS_OF_A_KIND: Final = 4
"""Orders learned of one kind of event: with and without a calling channel, and the like."""

_VARIABLES: Final = frozenset(("ChanVariable", "Variable"))
_WANTED: Final = f"(?:{'|'.join(map(re.escape, sorted(NO_VALUE, reverse=True)))}|(.+))"


class _Layout(msgspec.Struct, frozen=True, gc=False):
    """One order of headers: the wanted ones, and the match of a pattern with a group for each."""

    fields: tuple[str, ...]
    match: Callable[[str], re.Match[str] | None]


class Layouts:
    """The orders seen on one connection, for each kind of event a few."""

    def __init__(self, malformed: Malformed) -> None:
        self._malformed = malformed
        self._known: dict[type[AmiEvent], tuple[_Layout, ...]] = {}

    def build(self, kind: type[AmiEvent], frame: Frame) -> AmiEvent | None:
        """The typed event of a frame, or None: then it was malformed, and was counted."""
        if kind is not UserEvent:
            text = frame.raw.decode(errors="replace")
            for layout in self._known.get(kind, ()):
                match = layout.match(text)
                if match is not None:
                    # A header without a value is None here. That is right for a field that may be
                    # None; for any other the thorough way knows what to do.
                    headers = dict(zip(layout.fields, match.groups()))  # noqa: B905 - takes longer
                    if "\\" in text:
                        unescape_names(headers)
                    try:
                        return msgspec.convert(headers, kind, strict=False)
                    except msgspec.ValidationError:
                        break
            else:
                self._learn(kind, text)
        return self._build_thoroughly(kind, frame)

    def _build_thoroughly(self, kind: type[AmiEvent], frame: Frame) -> AmiEvent | None:
        try:
            return build(kind, frame.headers(self._malformed))
        except MalformedFrameError as error:
            self._malformed.add(str(error), frame.raw)
            return None

    def _learn(self, kind: type[AmiEvent], text: str) -> None:
        """Keep this order, unless the quick way could not do it justice."""
        known = self._known.get(kind, ())
        if len(known) == LAYOUTS_OF_A_KIND:
            return
        lines = text.split("\r\n")
        names = [line.partition(": ")[0] for line in lines]
        wanted = {field.encode_name for field in msgspec.structs.fields(kind)}
        plain = all(": " in line for line in lines) and _VARIABLES.isdisjoint(names)
        once = all(names.count(name) == 1 for name in wanted.intersection(names))
        if plain and once:
            pattern = "\r\n".join(
                f"{re.escape(name)}: {_WANTED if name in wanted else '.*'}" for name in names
            )
            fields = tuple(name for name in names if name in wanted)
            self._known[kind] = (*known, _Layout(fields, re.compile(pattern).fullmatch))
