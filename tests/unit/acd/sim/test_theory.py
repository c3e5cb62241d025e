"""Erlang C and Erlang A against published and hand-checked values."""

from __future__ import annotations

import math

import pytest

from acd.sim.theory import erlang_a, erlang_c


def test_erlang_c_of_eight_erlang_on_ten_agents():
    expected = erlang_c(10, calls_per_hour=160, talk_seconds=180, within=20)
    assert expected.waits == pytest.approx(0.4092, abs=1e-4)
    assert expected.mean_wait_seconds == pytest.approx(0.40918 * 180 / 2, rel=1e-4)
    assert expected.occupancy == pytest.approx(0.8)


def test_one_agent_is_the_textbook_m_m_1():
    expected = erlang_c(1, calls_per_hour=30, talk_seconds=60, within=0)
    assert expected.waits == pytest.approx(0.5)
    assert expected.mean_wait_seconds == pytest.approx(60.0)
    assert expected.served_within == pytest.approx(0.5)


def test_an_endless_queue_is_refused():
    with pytest.raises(ValueError, match="would never end"):
        erlang_c(2, calls_per_hour=200, talk_seconds=180, within=20)


def test_erlang_a_nears_erlang_c_when_callers_are_patient():
    patient = erlang_a(10, 160, 180, patience_seconds=1e7)
    endless = erlang_c(10, 160, 180, within=20)
    assert patient.mean_wait_seconds == pytest.approx(endless.mean_wait_seconds, rel=1e-3)
    assert patient.abandon_share == pytest.approx(0, abs=1e-4)


def test_erlang_a_balances_what_comes_and_what_goes():
    expected = erlang_a(10, 300, 180, patience_seconds=60)
    served_per_hour = expected.occupancy * 10 * 3600 / 180
    assert served_per_hour + expected.abandon_share * 300 == pytest.approx(300)
    assert not math.isclose(expected.abandon_share, 0)
