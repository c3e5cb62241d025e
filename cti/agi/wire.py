"""FastAGI without any input or output: what Asterisk sends first, and what we answer.

Asterisk opens a connection and sends `agi_name: value` lines up to an empty one. We answer with at
most one command that sets channel variables, and are done. Everything received is hostile: a
caller's name can hold what it likes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

MAX_BYTES: Final = 16_384
MAX_LINES: Final = 160
"""Asterisk sends about 22 lines and at most 127 arguments."""

_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9_]{0,40}")
_MEANT_BY_ASTERISK: Final = re.compile(r"""[\x00-\x1f\x7f"'`\\,;|&$(){}\[\]<>%]+""")
MAX_VALUE: Final = 80


class AgiError(Exception):
    """What came is no FastAGI request, or too much of it."""


@dataclass(frozen=True)
class AgiRequest:
    """One question of the dialplan.

    :param path: after the host in `agi://host:port/<path>`, without a query.
    :param arguments: what AGI() was given after the address.
    :param uniqueid: of the channel that asks.
    :param caller_number: as the carrier sent it, None where unknown.
    """

    path: str
    uniqueid: str
    channel: str = ""
    caller_number: str | None = None
    caller_name: str | None = None
    arguments: list[str] = field(default_factory=list)


class RequestReader:
    """Puts a request together from pieces of any size."""

    def __init__(self) -> None:
        self._received = bytearray()

    def feed(self, data: bytes) -> AgiRequest | None:
        """Take what came; the request once it is whole.

        :raises AgiError: it cannot become one any more.
        """
        self._received += data
        if len(self._received) > MAX_BYTES:
            raise AgiError(f"more than {MAX_BYTES} bytes")
        if self._received.count(b"\n") > MAX_LINES:
            raise AgiError(f"more than {MAX_LINES} lines")
        if b"\n\n" not in self._received:
            return None
        head = self._received.partition(b"\n\n")[0]
        return _request(head.decode("utf-8", "replace").split("\n"))


def _request(lines: list[str]) -> AgiRequest:
    values: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(": ")
        if not name.startswith("agi_"):
            raise AgiError("a line that is no agi_ variable")
        if colon:
            values.setdefault(name, value)
    try:
        path, uniqueid = values["agi_network_script"], values["agi_uniqueid"]
    except KeyError as missing:
        raise AgiError(f"no {missing.args[0]}") from None
    return AgiRequest(
        path=path.partition("?")[0].strip("/"),
        uniqueid=uniqueid,
        channel=values.get("agi_channel", ""),
        caller_number=_known(values.get("agi_callerid")),
        caller_name=_known(values.get("agi_calleridname")),
        arguments=_arguments(values),
    )


def _known(value: str | None) -> str | None:
    return None if value in (None, "", "unknown") else value


def _arguments(values: Mapping[str, str]) -> list[str]:
    arguments: list[str] = []
    while (name := f"agi_arg_{len(arguments) + 1}") in values:
        arguments.append(values[name])
    return arguments


def encode_variables(variables: Mapping[str, str]) -> bytes:
    """The one command that sets all these channel variables; nothing when there are none.

    Characters that mean something to Asterisk become spaces and a value has at most 80 characters:
    it will stand in the dialplan, where no escaping survives every function.
    """
    if not variables:
        return b""
    for name in variables:
        assert _VARIABLE.fullmatch(name), name
    values = ",".join(clean(value) for value in variables.values())
    return f'SET VARIABLE "ARRAY({",".join(variables)})" "{values}"\n'.encode()


def clean(value: str) -> str:
    """A value without anything that Asterisk could take for more than text."""
    return " ".join(_MEANT_BY_ASTERISK.sub(" ", value).split())[:MAX_VALUE].rstrip()
