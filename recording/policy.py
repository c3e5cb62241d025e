"""Which calls are recorded: pure, so that the same call gets the same answer on every try."""

from __future__ import annotations

from hashlib import blake2b
from typing import Literal


def records(setting: Literal["always", "share", "never"], share: float, call_id: str) -> bool:
    """Whether the queue's policy wants this call recorded.

    :param share: 0..1, the part of the calls that setting "share" records, drawn by the call's id.
    """
    if setting == "share":
        drawn = int.from_bytes(blake2b(call_id.encode(), digest_size=8).digest(), "big")
        return drawn < share * 2**64
    return setting == "always"
