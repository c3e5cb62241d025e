"""The invariants, looked at while the server runs.

With each heartbeat one rule of `acd.checks` is checked between two steps, so that a look costs a
call in progress a few milliseconds at most even on a large floor. What two looks at a rule find in
the same words is broken: it is logged, counted, and shown until a look does not find it any more.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import structlog

from acd.checks import RULES

log = structlog.get_logger(__name__)


class Inspector:
    """Looks at one rule after the other.

    :param check: `Core.check_rule`.
    :param clock: epoch seconds.
    :ivar found: how many broken invariants were found since the start.
    """

    def __init__(
        self,
        check: Callable[[str, float], list[str]],
        clock: Callable[[], float],
        rules: Iterable[str] = tuple(RULES),
    ) -> None:
        self._check = check
        self._clock = clock
        self._next = itertools.cycle(rules)
        self._seen: dict[str, set[str]] = {}
        self._broken: dict[str, set[str]] = {}
        self.found = 0

    @property
    def broken(self) -> int:
        """How many are broken now."""
        return sum(map(len, self._broken.values()))

    def look(self) -> None:
        """Check the rule whose turn it is; never raises."""
        rule = next(self._next)
        seen = self._look_at(rule)
        before, broken = self._broken.get(rule, set()), seen & self._seen.get(rule, set())
        self._seen[rule], self._broken[rule] = seen, broken
        for words in sorted(broken - before):
            self.found += 1
            log.error("invariant_broken", rule=rule, found=words)
        for words in sorted(before - broken):
            log.info("invariant_holds_again", rule=rule, found=words)

    def _look_at(self, rule: str) -> set[str]:
        try:
            return set(self._check(rule, self._clock()))
        except Exception as error:
            # So broken is the state; a look at it must not be what ends the server.
            return {f"the check fails: {error!r}"}
