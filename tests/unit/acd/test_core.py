"""The way of a call through the core."""

from cti import commands as c
from cti import domain as d
from tests.support.centre import Centre, floor


def test_a_call_is_offered_answered_wrapped_up() -> None:
    centre = Centre(floor(agents=1))
    centre.ready("1001")
    caller = centre.arrive()
    assign = centre.offer_of(caller)
    assert (assign.agent_id, assign.extension, assign.epoch) == ("1001", "8001", 1)
    assert centre.agent().state == "offered"
    centre.wait(3)
    centre.talk(caller)
    assert centre.agent().state == "talking"
    assert centre.last(d.QueueLeft).reason == "answered"
    assert centre.last(d.QueueLeft).waited_seconds == 3
    assert centre.last(d.OfferEnded).end == "accepted"
    centre.wait(60)
    centre.hang_up(caller)
    assert centre.agent().state == "wrap_up"
    ended = centre.last(d.CallEnded)
    assert (ended.outcome, ended.talk_seconds, ended.agent_id) == ("answered", 60, "1001")
    centre.wait(20)
    assert centre.agent().state == "ready"


def test_events_are_numbered_without_holes() -> None:
    centre = Centre(floor(agents=1))
    centre.ready("1001")
    caller = centre.arrive()
    centre.talk(caller)
    centre.hang_up(caller)
    assert [record.seq for record in centre.records] == list(range(1, len(centre.records) + 1))


def test_command_ids_are_unique() -> None:
    centre = Centre()
    for agent_id in ("1001", "1002"):
        centre.ready(agent_id)
    centre.arrive()
    ids = [command.command_id for command in centre.sent()]
    assert len(ids) == len(set(ids)) > len(centre.sent(c.Assign))
