"""Listening to recordings."""

from __future__ import annotations

import wave
from array import array
from collections.abc import Sequence
from pathlib import Path

RATE = 8000
SPEECH = 500
"""Peak amplitude. Noise stays far below."""


def sides(path: Path) -> tuple[array[int], array[int]]:
    """The customer's samples and the agent's, of a stored recording."""
    with wave.open(str(path)) as wav:
        assert (wav.getnchannels(), wav.getframerate()) == (2, RATE)
        samples = array("h", wav.readframes(wav.getnframes()))
    return samples[0::2], samples[1::2]


def loudest(samples: Sequence[int]) -> int:
    """The peak amplitude, 0 of nothing."""
    return max(map(abs, samples), default=0)
