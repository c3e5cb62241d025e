"""Guessing slows down; honest people hardly notice."""

from web import throttle
from web.throttle import FORGET_SECONDS, Searches, Throttle


def test_a_few_free_attempts_then_the_wait_doubles_up_to_half_a_minute():
    guard, now, waits = Throttle(), 0.0, []
    for _ in range(10):
        wait = guard.begin("amy", f"10.0.0.{len(waits)}", now)
        waits.append(wait)
        now += wait
        if wait:
            assert guard.begin("amy", f"10.1.0.{len(waits)}", now) == 0
    assert waits == [0, 0, 0, 1, 2, 4, 8, 16, 30, 30]


def test_a_success_forgives_the_user():
    guard = Throttle()
    for _ in range(3):
        guard.begin("amy", "10.0.0.1", 0.0)
    guard.succeed("amy", "10.0.0.1")
    assert guard.begin("amy", "10.0.0.1", 0.0) == 0


def test_one_address_that_tries_many_names_waits_long():
    guard, now = Throttle(), 0.0
    for number in range(20):
        assert guard.begin(f"user{number}", "10.0.0.1", now) == 0
    assert guard.begin("another", "10.0.0.1", now) == 1
    assert guard.begin("another", "10.0.0.2", now) == 0
    for number in range(12):
        now += guard.begin(f"more{number}", "10.0.0.1", now)
        guard.begin(f"more{number}", "10.0.0.1", now)
    assert guard.begin("another", "10.0.0.1", now) == 600


def test_old_failures_are_forgotten():
    guard = Throttle()
    for _ in range(4):
        guard.begin("amy", "10.0.0.1", 0.0)
    assert guard.begin("amy", "10.0.0.1", FORGET_SECONDS) == 0


def test_an_attempt_that_nobody_could_judge_does_not_count():
    guard = Throttle()
    for _ in range(50):
        assert guard.begin("amy", "10.0.0.1", 0.0) == 0
        guard.cancel("amy", "10.0.0.1")


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(throttle, "KEYS_LIMIT", 3)
    guard = Throttle()
    for _ in range(4):
        guard.begin("first", "10.0.0.1", 0.0)
    for number in range(3):
        guard.begin(f"user{number}", "10.0.0.2", 0.0)
    assert guard.begin("first", "10.0.0.3", 0.0) == 0


def test_searches_run_out_for_each_user_and_come_back():
    searches = Searches()
    assert [searches.take(1, 0.0) for _ in range(31)] == [True] * 30 + [False]
    assert searches.take(2, 0.0)
    assert [searches.take(1, 6.5) for _ in range(2)] == [True, False]
    assert sum(searches.take(1, 10_000.0) for _ in range(100)) == 30


def test_a_search_for_more_numbers_than_are_left_is_paid_for_afterwards():
    searches = Searches()
    assert searches.take(1, 0.0, 50)
    assert not searches.take(1, 125.0)
    assert searches.take(1, 126.5)
