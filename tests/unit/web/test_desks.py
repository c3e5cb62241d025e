"""Which browser has an agent's desk: never two, never a call cut, and no going to and fro."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from web.desks import Answer, Desks, Place

OLD, NEW = Place(b"old", 10.0), Place(b"new", 20.0)


def ask(desks: Desks, place: Place, *, take=False, there=True, busy=False) -> Answer:
    return desks.ask("1001", place, take=take, there=there, busy=busy)


def test_the_newer_sign_in_has_it_and_the_older_does_not_come_back_by_itself():
    desks = Desks()
    assert ask(desks, OLD) == "here"
    assert ask(desks, NEW) == "here"
    assert ask(desks, OLD) == "elsewhere"
    assert ask(desks, NEW) == "here"


def test_who_asks_has_it_and_the_newer_sign_in_does_not_take_it_back_by_itself():
    desks = Desks()
    ask(desks, NEW)
    assert ask(desks, Place(b"old", 30.0), take=True) == "here"
    assert ask(desks, NEW) == "elsewhere"
    assert ask(desks, Place(b"new", 40.0), take=True) == "here"


@pytest.mark.parametrize("take", [False, True])
def test_a_call_in_a_browser_that_is_there_is_not_taken(take):
    desks = Desks()
    ask(desks, OLD)
    assert ask(desks, NEW, take=take, busy=True) == "in_call"
    assert ask(desks, OLD, busy=True) == "here", "its own reload and its own network"


def test_a_browser_that_is_gone_keeps_nothing():
    desks = Desks()
    ask(desks, NEW)
    assert ask(desks, OLD, there=False) == "here"


@pytest.mark.parametrize(("holder", "comer"), [(NEW, OLD), (OLD, NEW)])
def test_in_a_call_whose_browser_is_gone_one_is_asked_first(holder, comer):
    desks = Desks()
    ask(desks, holder)
    assert ask(desks, comer, there=False, busy=True) == "elsewhere"
    assert ask(desks, comer, there=False, busy=True, take=True) == "here"


def test_a_session_that_is_over_has_no_desk_and_that_of_others_stays():
    desks = Desks()
    ask(desks, NEW)
    desks.ask("1002", Place(b"other", 5.0), take=False, there=True, busy=False)
    desks.leave(b"new")
    assert ask(desks, OLD) == "here"
    other = desks.ask("1002", OLD, take=False, there=True, busy=True)
    assert other == "in_call"


@given(st.lists(st.sampled_from([b"a", b"b", b"c"]), max_size=40))
def test_browsers_that_come_back_by_themselves_come_to_rest(comers):
    """Reconnects alone: the desk moves only to later sign-ins, so at most twice among three."""
    signed_in = {b"a": 1.0, b"b": 2.0, b"c": 3.0}
    desks, moves, holder = Desks(), 0, None
    for session in comers:
        if ask(desks, Place(session, signed_in[session])) == "here" and session != holder:
            holder, moves = session, moves + 1
    assert moves <= 3
