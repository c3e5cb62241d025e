"""What the hooks answer and tell."""

from typing import Any

import pytest

from config.floor import Floor, QueueSettings
from crm.callers import CallerFacts
from cti.agi.wire import AgiRequest
from cti.domain import CallEnded, CallHandedOver, CallMerged, CallStarted, Recorded
from cti.hooks import HookError, Hooks, LastAgents
from cti.inputs import CallbackWish, ConsentAnswer, Input, SurveyKey
from cti.lookup import LookUp

NUMBER = "13800138000"


class Callers:
    def __init__(self, **facts: Any) -> None:
        self.facts = CallerFacts(number="+8613800138000", **facts) if facts else None
        self.last: dict[str | None, str] = {}

    def find(self, number: str | None) -> CallerFacts | None:
        return self.facts if number == NUMBER else None

    def last_agent(self, number: str | None) -> str | None:
        return self.last.get(number)

    def note_agent(self, number: str | None, agent_id: str) -> None:
        self.last[number] = agent_id


def make(callers: Callers, sticky: str = "off") -> tuple[Hooks, list[Input]]:
    told: list[Input] = []
    floor = Floor(queues=[QueueSettings.model_validate({"name": "support", "sticky": sticky})])
    return Hooks(floor, LookUp(floor, callers), lambda queue: queue == "support", told.append), told


def request(path: str, *arguments: str, number: str | None = NUMBER) -> AgiRequest:
    return AgiRequest(path=path, uniqueid="17.1", caller_number=number, arguments=list(arguments))


def ask(hooks: Hooks, wanted: AgiRequest) -> dict[str, str]:
    return dict(hooks.handlers()[wanted.path](wanted))


def test_facts_of_a_known_caller() -> None:
    hooks, _ = make(Callers(name="王芳", customer_id="C1", level="gold", language="zh", priority=5))
    assert ask(hooks, request("enter", "support")) == {
        "ZX_NAME": "王芳",
        "ZX_CUSTOMER": "C1",
        "ZX_LEVEL": "gold",
        "ZX_LANG": "zh",
        "ZX_PRIO": "5",
    }


@pytest.mark.parametrize("number", ["13700000000", None, "anonymous"])
def test_stranger_sets_nothing(number: str | None) -> None:
    hooks, _ = make(Callers(name="王芳"))
    assert ask(hooks, request("enter", "support", number=number)) == {}


def test_blocked_caller() -> None:
    hooks, _ = make(Callers(name="x", blocked=True))
    assert ask(hooks, request("enter", "support")) == {"ZX_REFUSE": "blacklist"}


@pytest.mark.parametrize(
    ("sticky", "expected"), [("off", None), ("last", "1002"), ("owner", "1001")]
)
def test_sticky_agent_by_the_queues_rule(sticky: str, expected: str | None) -> None:
    callers = Callers(owner_agent_id="1001")
    callers.last[NUMBER] = "1002"
    hooks, _ = make(callers, sticky)
    assert ask(hooks, request("enter", "support")).get("ZX_STICKY") == expected


def test_hours() -> None:
    hooks, _ = make(Callers())
    assert ask(hooks, request("hours", "support")) == {"ZX_OPEN": "yes"}


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        (request("survey", "5"), SurveyKey(uniqueid="17.1", score=5)),
        (
            request("callback", "+8613800138000", "support"),
            CallbackWish(uniqueid="17.1", number="+8613800138000", queue="support"),
        ),
        (
            request("callback", "13800138000", "nowhere"),
            CallbackWish(uniqueid="17.1", number="13800138000"),
        ),
        (request("consent", "no"), ConsentAnswer(uniqueid="17.1", consent=False)),
    ],
)
def test_what_callers_say_becomes_an_input(wanted: AgiRequest, told: Input) -> None:
    hooks, inputs = make(Callers())
    assert ask(hooks, wanted) == {}
    assert inputs == [told]


@pytest.mark.parametrize(
    "wanted",
    [
        request("enter"),
        request("enter", "nowhere"),
        request("enter", "support; rm -rf /"),
        request("hours", ""),
        request("survey", "6"),
        request("survey", ""),
        request("survey", "٣"),
        request("callback", "13800138000;ext=1"),
        request("callback", "1" * 40),
        request("consent", "maybe"),
        AgiRequest(path="survey", uniqueid="1\n2", arguments=["3"]),
        AgiRequest(path="survey", uniqueid="", arguments=["3"]),
    ],
)
def test_hostile_arguments_tell_nothing(wanted: AgiRequest) -> None:
    hooks, inputs = make(Callers())
    with pytest.raises(HookError):
        ask(hooks, wanted)
    assert inputs == []


def test_who_talked_last_is_noted_at_the_end_of_a_call() -> None:
    callers = Callers()
    observe = LastAgents(callers)
    observe([Recorded(1, _started("a", "111")), Recorded(2, _started("b", "222"))])
    observe([Recorded(3, CallMerged(at=3, call_id="a", merged_call_id="b"))])
    observe([Recorded(4, _ended("a", "1001")), Recorded(5, _ended("b", "1002"))])
    observe([Recorded(6, _started("c", "333")), Recorded(7, _ended("c", None))])
    observe([Recorded(8, _started("d", "444"))])
    observe([Recorded(9, CallHandedOver(at=9, call_id="d")), Recorded(10, _ended("d", "1001"))])
    assert callers.last == {"111": "1001"}


def _started(call_id: str, number: str) -> CallStarted:
    return CallStarted(
        at=1,
        call_id=call_id,
        direction="inbound",
        caller_number=number,
        caller_name=None,
        called_number=None,
        linkedid=call_id,
    )


def _ended(call_id: str, agent_id: str | None) -> CallEnded:
    return CallEnded(
        at=2,
        call_id=call_id,
        outcome="answered",
        ended_by="agent",
        talk_seconds=1,
        agent_id=agent_id,
    )
