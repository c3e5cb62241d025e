"""Fault runs by seed: the core against a simulated Asterisk; a failing seed can be run again.

`./zuoxi sim --first-seed N --seeds 1` repeats one. The whole check of the project runs 2,000 more.
"""

import pytest

from acd.sim.command import verdicts
from acd.sim.faults import run_seed

SEEDS = range(1, 301)

pytestmark = pytest.mark.timeout(300)


def test_every_invariant_holds_under_faults():
    seen = list(verdicts(SEEDS))
    assert {verdict.seed: verdict.broken for verdict in seen if verdict.broken} == {}
    assert sorted(verdict.seed for verdict in seen) == list(SEEDS)
    faults = {name for verdict in seen for name in verdict.faults}
    assert faults == {"crash", "cut", "kill", "pbx", "phone", "rival", "stall"}


def test_a_seed_is_one_run_for_ever():
    assert [run_seed(7), run_seed(8)] == [run_seed(7), run_seed(8)]


def test_a_core_that_brings_nobody_together_is_found_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("acd.core.match", lambda turn: None)
    assert any("is free and" in words for words in run_seed(1).broken)
    monkeypatch.setattr("acd.checks.broken", lambda turn, now: [])  # the run has eyes of its own
    assert any("has waited in" in words for words in run_seed(1).broken)


def test_a_core_that_forgets_a_hang_up_is_found_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("acd.waiting.gone", lambda turn, visit, at, *, exact: None)
    assert any(" ended 0 times" in words for words in run_seed(1).broken)
