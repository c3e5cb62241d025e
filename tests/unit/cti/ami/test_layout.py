"""The quick way gives what the thorough way gives."""

import pytest

from cti.ami import layout
from cti.ami.events import AmiEvent, BridgeEnter, Hangup, Newchannel, UserEvent, build
from cti.ami.layout import Layouts
from cti.ami.wire import Frame, Malformed

LINES = (
    *("Event: Hangup", "Privilege: call,all", "Timestamp: 1700000000.5", "Channel: PJSIP/1"),
    *("ChannelState: 6", "CallerIDNum: <unknown>", "CallerIDName: Wang", "Context: zuoxi-wait"),
    *("AccountCode: ", "Uniqueid: 1.1", "Linkedid: 1.1", "Cause: 16", "Cause-txt: Normal"),
)


def frame(*lines: str) -> Frame:
    return Frame(lines[0].removeprefix("Event: ").encode(), "\r\n".join(lines).encode())


def changed(name: str, value: str) -> Frame:
    return frame(*(f"{name}: {value}" if line.startswith(f"{name}: ") else line for line in LINES))


def both(kind: type[AmiEvent], second: Frame, first: Frame | None = None) -> AmiEvent | None:
    """Learn from the first frame, build the second; it must be as the thorough way has it."""
    malformed = Malformed()
    layouts = Layouts(malformed)
    assert layouts.build(kind, first or frame(*LINES)) is not None
    quick = layouts.build(kind, second)
    assert quick is None or quick == build(kind, second.headers())
    assert malformed.count == (quick is None)
    return quick


def test_second_frame_of_a_kind_is_read_without_parsing(monkeypatch: pytest.MonkeyPatch) -> None:
    layouts = Layouts(Malformed())
    layouts.build(Hangup, frame(*LINES))
    monkeypatch.delattr(layout, "build")
    event = layouts.build(Hangup, changed("Cause", "17"))
    assert isinstance(event, Hangup)
    assert (event.cause, event.caller_number, event.caller_name) == (17, None, "Wang")


@pytest.mark.parametrize("value", ["", "<unknown>", "<null>"])
def test_no_value(value: str) -> None:
    event = both(Hangup, changed("CallerIDName", value))
    assert isinstance(event, Hangup)
    assert event.caller_name is None


@pytest.mark.parametrize(
    "value", ["<unknown> person", "<null", "a: b", "a\rb", "a\nCause: 1", "张三"]
)
def test_odd_values(value: str) -> None:
    assert both(Hangup, changed("CallerIDName", value)) is not None


def test_number_without_a_value_keeps_its_default() -> None:
    event = both(Hangup, changed("ChannelState", ""))
    assert isinstance(event, Hangup)
    assert event.state == 0


@pytest.mark.parametrize(
    ("name", "value"), [("Cause", "x"), ("Uniqueid", ""), ("Timestamp", "nan")]
)
def test_malformed_is_counted_once(name: str, value: str) -> None:
    assert both(Hangup, changed(name, value)) is None


def test_other_orders() -> None:
    assert both(Hangup, frame(LINES[0], *reversed(LINES[1:]))) is not None
    assert both(Hangup, frame(*LINES, "Extra: 1")) is not None
    assert both(Hangup, frame(*LINES[:4], *LINES[5:])) is not None


def test_same_number_of_lines_with_another_header() -> None:
    event = both(Hangup, frame(*LINES[:7], "Exten: 1000", *LINES[8:]))
    assert isinstance(event, Hangup)
    assert event.exten == "1000"


def test_names_lose_their_backslashes() -> None:
    event = both(Hangup, changed("CallerIDName", r"Pat O\'Brien"))
    assert isinstance(event, Hangup)
    assert event.caller_name == "Pat O'Brien"


@pytest.mark.parametrize("header", ["ChanVariable", "Variable"])
def test_variables_take_the_thorough_way(header: str) -> None:
    with_variable = frame(*LINES, f"{header}: A=1")
    event = both(Hangup, with_variable, first=with_variable)
    assert isinstance(event, Hangup)
    assert event.variables == {"A": "1"}


def test_user_events_take_the_thorough_way() -> None:
    one = frame("Event: UserEvent", "UserEvent: Zx", "Queue: a")
    event = both(UserEvent, one, first=one)
    assert isinstance(event, UserEvent)
    assert event.headers["Queue"] == "a"


def test_hostile_orders_do_not_fill_the_memory() -> None:
    layouts = Layouts(Malformed())
    for number in range(100):
        layouts.build(Newchannel, frame(*LINES, f"X{number}: 1"))
        layouts.build(BridgeEnter, frame(*LINES, f"X{number}: 1"))
    assert all(len(each) <= layout.LAYOUTS_OF_A_KIND for each in layouts._known.values())
