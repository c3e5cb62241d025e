"""What a channel's name says: `PJSIP/8001-0000002a` is a channel of the endpoint `8001`."""

from __future__ import annotations

from typing import Final

HELPERS: Final = frozenset(
    {
        "Announcer",  # sounds played into a bridge
        "AsyncGoto",  # holds the place of a channel that is being moved
        "Bridge",
        "CBAnn",  # ConfBridge's announcer and recorder
        "CBRec",
        "ConfBridgeRecorder",
        "Local",
        "Message",  # text messages run through the dialplan
        "MixMonitor",
        "MulticastRTP",
        "OutgoingSpoolFailed",
        "Parking",
        "Recorder",
        "Snoop",
        "Surrogate",  # stands in for a channel that Asterisk is replacing
    }
)
"""Technologies of channels that Asterisk makes for itself; no party stands behind them."""


def is_helper(name: str) -> bool:
    """Whether the channel serves Asterisk alone, and so is never a leg.

    Names in angle brackets (`...<ZOMBIE>`, `...<MASQ>`) are what is left of a replaced channel.
    """
    return name.partition("/")[0] in HELPERS or name.endswith(">") or "/" not in name


def endpoint_of(name: str) -> str:
    """The endpoint's name: what stands between the technology and the last dash."""
    resource = name.partition("/")[2]
    endpoint, dash, _ = resource.rpartition("-")
    return endpoint if dash else resource


def local_pair(name: str) -> tuple[str, int] | None:
    """The pair and the half, 0 or 1, of a Local channel: `Local/x@y-n;1` and `Local/x@y-n;2`."""
    if name.startswith("Local/") and name[-2:] in (";1", ";2"):
        return name[:-2], int(name[-1]) - 1
    return None
