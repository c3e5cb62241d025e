"""Calls are matched with the cards that appeared and the rings that were heard."""

import pytest

from bench.pop import Entered, Seen, pop_figures, pop_floor, seen, together

ENTER = {"Event": "UserEvent", "UserEvent": "ZxEnter", "Queue": "pop"}
DIAL = {"Event": "DialBegin", "DestChannel": "PJSIP/8297-0000001f"}


def test_a_card_belongs_to_the_call_that_entered_last_before_it() -> None:
    found = seen([10.0, 12.0, 14.0], [10.01, 12.01], [10.02, 14.05], [10.1, 12.3, 14.01])
    assert found.names == pytest.approx([0.01, 0.01])
    assert found.delays == pytest.approx([0.02, 0.05])
    assert (found.missing, found.rang) == (1, 3)
    assert found.rang_first == 2  # one had no card at all, one rang before it


def test_a_call_that_never_rang_is_not_judged_by_its_ring() -> None:
    assert seen([1.0], [1.1], [1.2], []) == Seen(
        [pytest.approx(0.1)], [pytest.approx(0.2)], 0, 0, 0
    )
    assert seen([], [1.0], [1.0], [1.0]) == Seen([], [], 0, 0, 0)


def test_callers_of_the_browsers_queue_are_taken_by_the_extension_dialled_for_them() -> None:
    entered = Entered()
    entered.take({**ENTER, "Uniqueid": "a", "Timestamp": "5.5"})
    entered.take({**ENTER, "Uniqueid": "b", "Timestamp": "5.6", "Queue": "support"})
    entered.take({**DIAL, "Uniqueid": "b"})
    entered.take({**DIAL, "Uniqueid": "a"})
    entered.take({**DIAL, "Uniqueid": "a"})  # only the first phone that rings counts
    assert entered.dialled == {"8297": [5.5]}


def test_goals() -> None:
    good = pop_figures(Seen([0.01] * 1000, [0.02] * 1000, 0, 1000, 0))
    assert all(each.ok for each in good)
    late = {
        each.name: each.ok for each in pop_figures(Seen([0.1] * 1000, [0.2] * 1000, 1, 1000, 2))
    }
    assert [name for name, ok in late.items() if not ok] == [
        "AMI event to card, p99",
        "calls without a card",
        "card before the phone rings",
    ]


def test_all_agents_are_put_together() -> None:
    noted = {"8297": ([1.1], [1.1], [1.2]), "8298": ([2.1], [], [2.2])}
    found = together({"8297": [1.0], "8298": [2.0]}, noted)
    assert (len(found.names), len(found.delays), found.missing, found.rang, found.rang_first) == (
        2,
        1,
        1,
        2,
        1,
    )


def test_the_floor_has_phones_for_everybody() -> None:
    floor = pop_floor()
    assert len(floor.agents) == len(floor.extensions) == 300
    assert [each.kind for each in floor.extensions].count("browser") == 4
