"""Slows down guessing of passwords and of masked numbers: pure, in memory, bounded.

Every attempt counts as failed until it succeeds, so attempts at the same time count too. After a
few free ones the wait doubles, per user name and per address. The wait per user name stays short:
else anybody could lock an agent out; the one per address grows long.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

FORGET_SECONDS = 900.0
KEYS_LIMIT = 10_000
SEARCHES_BURST = 30.0
SEARCHES_PER_SECOND = 1 / 6
"""Of whole numbers: the four digits that a mask hides would take 16 hours."""


@dataclass(slots=True)
class _Failures:
    count: int
    last_at: float


class Attempts:
    """The failures of one kind of key.

    :param free: attempts without a wait.
    :param longest_seconds: where the doubling stops.
    """

    def __init__(self, free: int, longest_seconds: float) -> None:
        self._free = free
        self._longest_seconds = longest_seconds
        self._failures: OrderedDict[str, _Failures] = OrderedDict()

    def wait_seconds(self, key: str, now: float) -> float:
        """How long this key has to wait before its next attempt; 0 when it may try."""
        failures = self._failures.get(key)
        if failures is None or now - failures.last_at >= FORGET_SECONDS:
            return 0.0
        over = failures.count - self._free
        if over < 0:
            return 0.0
        pause = min(self._longest_seconds, 2.0 ** min(over, 30))
        return max(0.0, failures.last_at + pause - now)

    def fail(self, key: str, now: float) -> None:
        """Count an attempt."""
        failures = self._failures.pop(key, None)
        if failures is None or now - failures.last_at >= FORGET_SECONDS:
            failures = _Failures(0, now)
        self._failures[key] = _Failures(failures.count + 1, now)
        if len(self._failures) > KEYS_LIMIT:
            self._failures.popitem(last=False)

    def forgive(self, key: str) -> None:
        """Forget the key's failures."""
        self._failures.pop(key, None)

    def forgive_one(self, key: str) -> None:
        """Take one attempt back."""
        failures = self._failures.get(key)
        if failures:
            failures.count = max(0, failures.count - 1)


class Throttle:
    """Sign-in attempts by user name and by address. `now`: seconds of a clock that only grows."""

    def __init__(self) -> None:
        self._users = Attempts(free=3, longest_seconds=30.0)
        self._addresses = Attempts(free=20, longest_seconds=600.0)

    def begin(self, user: str, address: str, now: float) -> float:
        """Start an attempt: 0 when it may go on, else the seconds to wait (it did not count)."""
        wait = max(self._users.wait_seconds(user, now), self._addresses.wait_seconds(address, now))
        if not wait:
            self._users.fail(user, now)
            self._addresses.fail(address, now)
        return wait

    def succeed(self, user: str, address: str) -> None:
        """The attempt was right."""
        self._users.forgive(user)
        self._addresses.forgive_one(address)

    def cancel(self, user: str, address: str) -> None:
        """The attempt could not be judged (database away): as if it had not been made."""
        self._users.forgive_one(user)
        self._addresses.forgive_one(address)


class Searches:
    """Searches for numbers by who may not see them. `now`: seconds of a clock that only grows."""

    def __init__(self) -> None:
        self._left: OrderedDict[int, tuple[float, float]] = OrderedDict()

    def take(self, user_id: int, now: float, numbers: int = 1) -> bool:
        """Count a search for so many numbers; whether it may go on.

        One search may ask for more than are left: what it took too many has to come back first.
        """
        left, at = self._left.pop(user_id, (SEARCHES_BURST, now))
        left = min(SEARCHES_BURST, left + (now - at) * SEARCHES_PER_SECOND)
        allowed = left >= 1
        self._left[user_id] = (left - numbers if allowed else left, now)
        if len(self._left) > KEYS_LIMIT:
            self._left.popitem(last=False)
        return allowed
