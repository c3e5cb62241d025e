"""Two servers on one PBX: the older stops at once and for good; a new process starts afresh."""

from cti import domain as d
from cti import inputs as i
from cti.ami import events as ami
from tests.support.centre import Centre, floor


def fenced_centre() -> Centre:
    """A centre with a caller and a deadline of the queue, whose server was taken over from."""
    centre = Centre(floor(agents=1, announce_every_seconds=10))
    centre.arrive()
    newer = {"Epoch": str(centre.epoch + 1), "Node": "other"}
    centre.epoch += 1
    centre.hear(ami.UserEvent(name="ZxEpoch", headers=newer))
    return centre


def test_a_fenced_server_decides_nothing_and_waits_for_no_clock() -> None:
    centre = fenced_centre()
    assert centre.core.fenced
    assert centre.core.next_deadline() is None
    assert centre.ask(i.SignIn(request_id="1", agent_id="1001", extension="8001")).code == "fenced"
    told = len(centre.records)
    centre.wait(60)
    assert not centre.connect().events
    assert len(centre.records) == told


def test_a_new_process_after_a_fenced_one_takes_the_pbx_again() -> None:
    new = fenced_centre().restarted()
    assert not new.core.fenced
    new.connect()
    assert isinstance(new.last(d.ServerStarted), d.ServerStarted)
    assert new.core.state.fenced_by is None
    new.ready("1001")
    assert new.last(d.OfferMade).agent_id == "1001"
