"""What is known of callers is added to what the PBX tells, and replaces nothing."""

from typing import Any

from config.floor import Floor, QueueSettings
from crm.callers import CallerFacts
from cti.ami.events import UserEvent
from cti.inputs import ChannelState, Input, LinkDown, LinkUp, PbxEvent, PbxSnapshot
from cti.lookup import LookUp

KNOWN, BLOCKED, STRANGER = "13800138000", "13900000000", "13700000000"


class Callers:
    def find(self, number: str | None) -> CallerFacts | None:
        known = CallerFacts(number=KNOWN, name="王芳", level="gold", language="zh_CN", priority=5)
        return {KNOWN: known, BLOCKED: CallerFacts(number=BLOCKED, blocked=True)}.get(number or "")

    def last_agent(self, number: str | None) -> str | None:
        return "1002" if number == KNOWN else None

    def note_agent(self, number: str | None, agent_id: str) -> None:
        raise AssertionError


FLOOR = Floor(queues=[QueueSettings(name="support", sticky="last")])
LOOK_UP = LookUp(FLOOR, Callers())


def entering(number: str, name: str = "ZxEnter", **said: str) -> PbxEvent:
    headers = {"Queue": "support", "CallerIDNum": number, **said}
    return PbxEvent(event=UserEvent(name=name, uniqueid="1.1", headers=headers), at=1.0)


def headers_of(item: Input) -> dict[str, str]:
    assert isinstance(item, PbxEvent)
    assert isinstance(item.event, UserEvent)
    return item.event.headers


def connect(**variables: str) -> LinkUp:
    channel = ChannelState(
        name="PJSIP/t-1",
        uniqueid="1.1",
        linkedid="1.1",
        state=6,
        caller_number=KNOWN,
        variables=variables,
    )
    snapshot = PbxSnapshot(
        at=1.0, pbx_started_at=0.0, epoch=1, channels=[channel], device_states={}
    )
    return LinkUp(snapshot=snapshot, gap_from=None, gap_to=None)


def variables_of(item: Input) -> dict[str, str]:
    assert isinstance(item, LinkUp)
    return item.snapshot.channels[0].variables


def test_who_enters_is_known() -> None:
    headers = headers_of(LOOK_UP.fill_in(entering(KNOWN)))
    assert headers == {
        "Queue": "support",
        "CallerIDNum": KNOWN,
        "CustomerName": "王芳",
        "Level": "gold",
        "CallerLanguage": "zh_CN",
        "CallerPriority": "5",
        "Sticky": "1002",
    }


def test_what_the_dialplan_says_counts_more() -> None:
    said = {"CustomerName": "Wang", "CallerPriority": "9", "Level": ""}
    headers = headers_of(LOOK_UP.fill_in(entering(KNOWN, **said)))
    assert (headers["CustomerName"], headers["CallerPriority"]) == ("Wang", "9")
    assert headers["Level"] == "gold"


def test_a_blocked_number_is_marked() -> None:
    assert headers_of(LOOK_UP.fill_in(entering(BLOCKED)))["Refuse"] == "blacklist"


def test_a_stranger_and_a_queue_that_is_none_add_nothing() -> None:
    for item in (entering(STRANGER), entering("anonymous"), entering(KNOWN, Queue="nowhere")):
        found = headers_of(LOOK_UP.fill_in(item))
        assert "Sticky" not in found


def test_other_inputs_pass_as_they_are() -> None:
    others: list[Any] = [
        entering(KNOWN, name="ZxBack"),
        LinkDown(reason="cut", at=1.0, last_event_at=1.0),
    ]
    for item in others:
        assert LOOK_UP.fill_in(item) is item


def test_who_came_while_the_server_was_away_is_known_at_the_connect() -> None:
    item = LOOK_UP.fill_in(connect(ZX_QUEUE="support", ZX_STATE="native", ZX_PRIO="1"))
    found = variables_of(item)
    assert (found["ZX_NAME"], found["ZX_PRIO"], found["ZX_STATE"]) == ("王芳", "1", "native")


def test_channels_outside_the_queues_are_left_alone() -> None:
    assert variables_of(LOOK_UP.fill_in(connect())) == {}
