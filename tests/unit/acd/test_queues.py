"""What callers bring along, where they stand, when a queue is open."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from acd import queues
from acd.queues import HEADERS, VARIABLES, Visit, read_entry
from config.floor import Destination, OpenHours, QueueSettings, RelaxStep

AT = 1_790_000_000.0
ZONE = ZoneInfo("Asia/Shanghai")


def entry(**headers: str) -> queues.Entry:
    return read_entry({"Queue": "support"} | headers, HEADERS, AT)


def test_what_the_dialplan_says() -> None:
    found = entry(
        Entered=f"{AT - 60}",
        CallerPriority="5",
        Skills="french:3&billing",
        CallerLanguage="zh-CN",
        CustomerName="王芳",
        CustomerId="c7",
        Level="gold",
        Sticky="1001",
    )
    assert found == queues.Entry(
        queue="support",
        entered_at=AT - 60,
        priority=5,
        skills={"french": 3, "billing": 1},
        language="zh-CN",
        customer_name="王芳",
        customer_id="c7",
        level="gold",
        sticky_agent="1001",
    )


def test_variables_say_the_same() -> None:
    values = {"ZX_QUEUE": "support", "ZX_ENTERED": f"{AT - 60}", "ZX_SKILLS": "french:3"}
    found = read_entry(values, VARIABLES, AT)
    assert (found.queue, found.entered_at, found.skills) == ("support", AT - 60, {"french": 3})


@pytest.mark.parametrize(
    "text", ["", "now", "nan", "inf", "-inf", "1e400", str(AT + 1), str(AT - 90_000), "-5", "٣"]
)
def test_an_impossible_entering_time_is_now(text: str) -> None:
    assert entry(Entered=text).entered_at == AT


def test_an_entering_time_of_this_moment_is_the_events_own() -> None:
    assert entry(Entered=str(AT - 0.4)).entered_at == AT


@pytest.mark.parametrize("ahead", [-4.0, 1.7, 3600.0])
def test_the_entering_time_is_told_by_the_pbx_clock(ahead: float) -> None:
    told = {"Queue": "support", "Entered": f"{AT - 60 + ahead}"}
    assert read_entry(told, HEADERS, AT, ahead).entered_at == AT - 60


@pytest.mark.parametrize(
    ("text", "priority"),
    [
        ("7", 7),
        ("-7", -7),
        ("999999", 100),
        ("-999999", -100),
        ("", 0),
        ("1.5", 0),
        ("9" * 5000, 0),
        ("٣", 0),
    ],
)
def test_priority_is_kept_in_bounds(text: str, priority: int) -> None:
    assert entry(CallerPriority=text).priority == priority


@pytest.mark.parametrize(
    ("text", "skills"),
    [
        ("french:9", {"french": 5}),
        ("french:0", {"french": 1}),
        ("french:-1", {}),
        ("FRENCH:1", {}),
        ("a b:1&ok:2", {"ok": 2}),
        ("x" * 40, {}),
        ("&&&", {}),
        ("@1001:1", {}),
    ],
)
def test_skills_are_kept_in_bounds(text: str, skills: dict[str, int]) -> None:
    assert entry(Skills=text).skills == skills


def test_so_many_skills_and_no_more() -> None:
    assert len(entry(Skills="&".join(f"s{n}:1" for n in range(1000))).skills) == 8


def test_text_is_short_and_printable() -> None:
    found = entry(CustomerName="a\r\nb\0" + "x" * 500, CustomerId=" ", CallerLanguage="../etc")
    assert found.customer_name is not None
    assert found.customer_name.startswith("abx")
    assert len(found.customer_name) == 80
    assert found.customer_id is None
    assert found.language is None


# --- the line ----------------------------------------------------------------------------------


def visit(**also: object) -> Visit:
    fields = {
        "id": "v",
        "call_id": "c",
        "queue": "support",
        "leg_id": "l",
        "channel": "x",
        "started_at": AT,
        "entered_at": AT,
        "order": 1,
    }
    return Visit(**(fields | also))  # type: ignore[arg-type]


def test_needs_are_the_callers_and_the_queues() -> None:
    settings = QueueSettings(name="support", skills={"french": 2, "care": 1})
    caller = visit(skills={"french": 4, "billing": 1})
    assert queues.needs(caller, settings, 0) == (("billing", 1), ("care", 1), ("french", 4))


def test_needs_fall_step_by_step() -> None:
    steps = [
        RelaxStep(after_seconds=60, any_member=True),
        RelaxStep(after_seconds=10, by=1),
        RelaxStep(after_seconds=20, by=2),
    ]
    settings = QueueSettings(name="support", relax=steps)
    caller = visit(skills={"french": 4})
    assert [queues.relaxed(caller, settings, AT + n) for n in (0, 10, 20, 60)] == [0, 1, 2, 3]
    assert [queues.needs(caller, settings, n) for n in range(4)] == [
        (("french", 4),),
        (("french", 3),),
        (("french", 1),),
        (),
    ]


# --- opening hours -----------------------------------------------------------------------------


def is_open(settings: QueueSettings, local: str) -> bool:
    moment = datetime.fromisoformat(local).replace(tzinfo=ZONE).timestamp()
    return queues.is_open(settings, ZONE, moment)


def test_always_open_without_hours() -> None:
    assert is_open(QueueSettings(name="support"), "2026-09-20T03:00")


def test_hours_are_of_the_centres_zone() -> None:
    settings = QueueSettings(
        name="support", hours=[OpenHours(days=[1, 2, 3, 4, 5], start="09:00", to="18:00")]
    )
    assert is_open(settings, "2026-09-21T09:00")
    assert is_open(settings, "2026-09-21T17:59:59")
    assert not is_open(settings, "2026-09-21T18:00")
    assert not is_open(settings, "2026-09-21T08:59:59")
    assert not is_open(settings, "2026-09-20T12:00")  # a Sunday
    utc = datetime(2026, 9, 21, 1, 0, tzinfo=UTC).timestamp()
    assert queues.is_open(settings, ZONE, utc)


def test_hours_across_midnight_belong_to_their_first_day() -> None:
    settings = QueueSettings(name="support", hours=[OpenHours(days=[5], start="20:00", to="04:00")])
    assert is_open(settings, "2026-09-25T23:00")
    assert is_open(settings, "2026-09-26T03:59")
    assert not is_open(settings, "2026-09-26T04:00")
    assert not is_open(settings, "2026-09-25T03:00")
    assert not is_open(settings, "2026-09-26T20:00")


def test_holidays_are_closed() -> None:
    day = OpenHours(days=[1, 2, 3, 4, 5, 6, 7], start="09:00", to="18:00")
    settings = QueueSettings(name="support", hours=[day], holidays=[date(2026, 10, 1)])
    assert not is_open(settings, "2026-10-01T12:00")
    assert is_open(settings, "2026-10-02T12:00")
    assert not is_open(
        QueueSettings(name="support", holidays=[date(2026, 10, 1)]), "2026-10-01T12:00"
    )


# --- leaving -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "exten"),
    [
        (Destination(kind="queue", target="sales"), "7-overflow-sales"),
        (Destination(kind="number", target="4009"), "7-number-4009"),
        (Destination(kind="voicemail", target="100"), "7-voicemail-100"),
        (Destination(kind="callback"), "7-callback"),
        (Destination(kind="hangup"), "7-hangup-full"),
    ],
)
def test_extensions_of_leaving(to: Destination, exten: str) -> None:
    assert queues.leave_exten(7, to, "full") == exten


@pytest.mark.parametrize(
    ("verb", "argument", "end"),
    [
        ("overflow", "sales", "overflowed"),
        ("number", "4009", "overflowed"),
        ("voicemail", "100", "voicemail"),
        ("callback", "138", "callback"),
        ("hangup", "closed", "closed"),
        ("hangup", "noagents", "no_agents"),
        ("hangup", "timeout", "overflowed"),
        ("hangup", "blacklist", "withdrawn"),
        ("", "", "withdrawn"),
    ],
)
def test_how_a_visit_ended(verb: str, argument: str, end: str) -> None:
    assert queues.left_by(verb, argument) == end
