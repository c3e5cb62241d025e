"""Each contradiction between the books is found, and what a gap explains is none."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from cti import domain
from cti.domain import DomainEvent
from cti.reconcile.asterisk import AsteriskRecords, Cdr, Channel, Stay
from cti.reconcile.compare import compare
from cti.reconcile.journal import fold
from cti.reconcile.reconcile import recording_differences

T = 1_792_800_000.0
CUSTOMER, AGENT = "1.1", "1.2"


@dataclass
class Books:
    """An answered call, told alike by both books: rings at 1 s, talks from 3 to 33 s."""

    events: list[DomainEvent] = field(default_factory=list)
    pbx: AsteriskRecords = field(default_factory=AsteriskRecords)
    listening: bool = True

    def kinds(self, begin: float = T - 100, end: float = T + 1000) -> list[str]:
        side = fold(self.events, listening=self.listening)
        found = compare(side, self.pbx, begin, end)
        assert all(difference.text for difference in found)
        return [difference.kind for difference in found]

    def without(self, kind: type[domain.Event], leg_id: str | None = None) -> None:
        self.events = [
            event
            for event in self.events
            if not isinstance(event, kind)
            or (leg_id is not None and getattr(event, "leg_id", None) != leg_id)
        ]


def leg(leg_id: str, kind: domain.LegKind, at: float) -> domain.LegStarted:
    channel = f"PJSIP/{kind}-{leg_id}"
    return domain.LegStarted(at=at, call_id="c1", leg_id=leg_id, kind=kind, channel=channel)


def ended(talk: float = 30.0, outcome: domain.Outcome = "answered", **rest: object):
    return domain.CallEnded(
        at=T + 34,
        call_id="c1",
        outcome=outcome,
        ended_by="customer",
        talk_seconds=talk,
        **rest,
    )


@pytest.fixture
def books() -> Books:
    books = Books()
    books.events = [
        domain.CallStarted(
            at=T,
            call_id="c1",
            direction="inbound",
            caller_number=None,
            caller_name=None,
            called_number=None,
            linkedid=CUSTOMER,
        ),
        leg(CUSTOMER, "customer", T),
        domain.LegAnswered(at=T + 0.5, call_id="c1", leg_id=CUSTOMER),
        leg(AGENT, "agent", T + 1),
        domain.LegAnswered(at=T + 3, call_id="c1", leg_id=AGENT),
        domain.LegEnded(at=T + 33, call_id="c1", leg_id=AGENT, cause=16),
        domain.LegEnded(at=T + 33.5, call_id="c1", leg_id=CUSTOMER, cause=16),
        ended(),
    ]
    books.pbx.channels = {
        CUSTOMER: Channel(
            uniqueid=CUSTOMER,
            name="PJSIP/trunk-1",
            linkedids={CUSTOMER},
            started_at=T,
            answered_at=T + 0.5,
            ended_at=T + 33.5,
        ),
        AGENT: Channel(
            uniqueid=AGENT,
            name="PJSIP/8001-2",
            linkedids={CUSTOMER},
            started_at=T + 1,
            answered_at=T + 3,
            ended_at=T + 33,
        ),
    }
    books.pbx.stays = [
        Stay(T + 3, CUSTOMER, "b1", True),
        Stay(T + 3, AGENT, "b1", True),
        Stay(T + 33, AGENT, "b1", False),
        Stay(T + 33, CUSTOMER, "b1", False),
    ]
    books.pbx.cdrs = [cdr()]
    return books


def cdr(billed: int = 31, sequence: str = "1", other: str = "PJSIP/8001-2") -> Cdr:
    return Cdr(
        line=f"line {sequence}",
        started="2026-10-24 00:00:00",
        channel="PJSIP/trunk-1",
        other_channel=other,
        duration_seconds=billed,
        billed_seconds=billed,
        disposition="ANSWERED",
        uniqueid=CUSTOMER,
        linkedid=CUSTOMER,
        sequence=sequence,
    )


def test_books_that_agree_have_no_differences(books: Books) -> None:
    assert books.kinds() == []


def forget_call(books: Books) -> None:
    books.events = []


def forget_agent(books: Books) -> None:
    for kind in (domain.LegStarted, domain.LegAnswered, domain.LegEnded):
        books.without(kind, AGENT)


def pbx_forgets_call(books: Books) -> None:
    books.pbx = AsteriskRecords()


def pbx_forgets_agent(books: Books) -> None:
    del books.pbx.channels[AGENT]


def start_again(books: Books) -> None:
    books.events.append(books.events[0])


def end_again(books: Books) -> None:
    books.events.append(ended())


def leg_again(books: Books) -> None:
    books.events.append(books.events[1])


def leg_ends_again(books: Books) -> None:
    books.events.insert(-1, books.events[5])


def no_cdr(books: Books) -> None:
    books.pbx.cdrs = []


def cdr_again(books: Books) -> None:
    books.pbx.cdrs = [cdr(), cdr()]


def never_ended(books: Books) -> None:
    books.without(domain.CallEnded)


def later_start(books: Books) -> None:
    books.pbx.channels[CUSTOMER].started_at = T + 4


def later_end(books: Books) -> None:
    books.pbx.channels[AGENT].ended_at = T + 40


def never_answered(books: Books) -> None:
    books.pbx.channels[AGENT].answered_at = None


def answer_not_noticed(books: Books) -> None:
    books.without(domain.LegAnswered, AGENT)


def more_talk(books: Books) -> None:
    books.events[-1] = ended(talk=35.0)


def less_talk(books: Books) -> None:
    books.events[-1] = ended(talk=20.0)


def bills_less(books: Books) -> None:
    books.pbx.cdrs = [cdr(billed=25)]


def never_met(books: Books) -> None:
    books.pbx.stays = []
    books.events[-1] = ended(talk=0.0)


def called_abandoned(books: Books) -> None:
    books.events[-1] = ended(outcome="abandoned")


@pytest.mark.parametrize(
    ("tamper", "kinds"),
    [
        (forget_call, {"call_missing_in_journal"}),
        (forget_agent, {"leg_missing_in_journal", "talk", "outcome"}),
        (pbx_forgets_call, {"call_missing_in_pbx", "cdr_missing"}),
        (pbx_forgets_agent, {"leg_missing_in_pbx"}),
        (start_again, {"call_twice"}),
        (end_again, {"call_twice"}),
        (leg_again, {"leg_twice"}),
        (leg_ends_again, {"leg_twice"}),
        (no_cdr, {"cdr_missing"}),
        (cdr_again, {"cdr_twice"}),
        (never_ended, {"call_open"}),
        (later_start, {"moment"}),
        (later_end, {"moment"}),
        (never_answered, {"moment"}),
        (answer_not_noticed, {"moment"}),
        (more_talk, {"talk", "billing"}),
        (less_talk, {"talk"}),
        (bills_less, {"billing"}),
        (never_met, {"outcome"}),
        (called_abandoned, {"outcome"}),
    ],
)
def test_tampering_is_found(books: Books, tamper: Callable[[Books], None], kinds: set[str]) -> None:
    tamper(books)
    assert set(books.kinds()) == kinds


def test_differences_name_their_ids(books: Books) -> None:
    books.events[-1] = ended(talk=20.0)
    (difference,) = compare(fold(books.events, listening=True), books.pbx, T - 1, T + 1)
    assert difference.call_id == "c1"
    assert "20.0 s" in difference.text
    assert "30.0 s" in difference.text


def test_only_calls_begun_inside_the_time_are_judged(books: Books) -> None:
    books.events[-1] = ended(talk=20.0)
    assert books.kinds(T + 1, T + 100) == []
    assert books.kinds(T - 100, T) == []
    assert books.kinds(T, T + 1) == ["talk"]


def test_a_call_that_both_have_running_is_no_difference(books: Books) -> None:
    books.without(domain.CallEnded)
    books.without(domain.LegEnded)
    for channel in books.pbx.channels.values():
        channel.ended_at = None
    books.pbx.stays = books.pbx.stays[:2]
    books.pbx.cdrs = []
    assert books.kinds() == []


def test_a_call_inside_a_gap_is_no_news(books: Books) -> None:
    books.events = [domain.GapRecorded(at=T + 40, from_at=T - 1, to_at=T + 40, reason="link lost")]
    assert books.kinds() == []


def test_a_call_that_only_began_in_a_gap_is_missed(books: Books) -> None:
    books.events = [domain.GapRecorded(at=T + 20, from_at=T - 1, to_at=T + 20, reason="link lost")]
    assert books.kinds() == ["call_missing_in_journal"]


@pytest.mark.parametrize("listening", [False, True])
def test_before_the_first_connect_nothing_was_heard(books: Books, listening: bool) -> None:
    books.listening = listening
    books.events = [domain.PbxConnected(at=T + 40, epoch=1)]
    assert books.kinds() == (["call_missing_in_journal"] if listening else [])


def test_between_loss_and_connect_nothing_was_heard(books: Books) -> None:
    books.events = [domain.PbxLost(at=T - 1, reason="x"), domain.PbxConnected(at=T + 40, epoch=1)]
    assert books.kinds() == []


def test_after_a_loss_nothing_is_heard(books: Books) -> None:
    books.events = [domain.PbxLost(at=T - 1, reason="x")]
    assert books.kinds() == []


def test_a_fenced_server_leaves_the_calls_to_the_newer_one(books: Books) -> None:
    books.events = [domain.ServerFenced(at=T - 1, epoch=1, newer_epoch=2)]
    assert books.kinds() == []


HANDED_OVER = domain.CallHandedOver(at=T + 10, call_id="c1")


def back(events: list[DomainEvent]) -> list[DomainEvent]:
    """What a server tells that was fenced at 10 s and had the PBX again from 20 s on."""
    fenced = domain.ServerFenced(at=T + 10, epoch=1, newer_epoch=2)
    again = [
        domain.ServerStarted(at=T + 20, node="n", epoch=3),
        domain.PbxConnected(at=T + 20, epoch=3),
        msgspec.structs.replace(events[0], at=T, adopted=True),
        *events[1:5],
    ]
    return [*events[:5], fenced, HANDED_OVER, *again, *events[5:-1], ended(talk=13.0, exact=False)]


def test_the_older_servers_side_of_a_call_ends_where_it_was_handed_over(books: Books) -> None:
    books.events = [*books.events[:5], HANDED_OVER]
    assert books.kinds() == []


def test_a_call_that_came_back_is_no_second_one(books: Books) -> None:
    books.events = back(books.events)
    assert books.kinds() == []


def test_a_call_that_came_back_has_to_end(books: Books) -> None:
    books.events = [e for e in back(books.events) if not isinstance(e, domain.LegEnded)][:-1]
    assert books.kinds() == ["moment", "moment", "call_open"]


def test_a_call_that_began_twice_without_leaving_is_found(books: Books) -> None:
    books.events = [e for e in back(books.events) if e is not HANDED_OVER]
    assert "call_twice" in books.kinds()


def test_what_was_merged_into_a_call_that_was_handed_over_may_come_back(books: Books) -> None:
    merged = domain.CallMerged(at=T + 5, call_id="c0", merged_call_id="c1")
    first = msgspec.structs.replace(books.events[0], call_id="c0")
    handed_over = msgspec.structs.replace(HANDED_OVER, call_id="c0")
    books.events = [first, *back(books.events)]
    books.events[books.events.index(HANDED_OVER)] = handed_over
    books.events.insert(6, merged)
    assert books.kinds() == []


def test_a_process_that_started_anew_heard_nothing_since_the_last_event(books: Books) -> None:
    books.events = [
        domain.PbxConnected(at=T - 50, epoch=1),
        domain.ServerStarted(at=T + 38, node="n", epoch=2),
        domain.PbxConnected(at=T + 40, epoch=2),
    ]
    assert books.kinds() == []


@pytest.mark.parametrize(
    ("talk", "kinds"), [(30.0, []), (20.0, []), (12.0, []), (8.0, ["talk"]), (33.0, ["talk"])]
)
def test_talk_inside_a_gap_may_or_may_not_be_known(
    books: Books, talk: float, kinds: list[str]
) -> None:
    books.events.insert(
        3, domain.GapRecorded(at=T + 23, from_at=T + 2, to_at=T + 23, reason="link lost")
    )
    books.events[-1] = ended(talk=talk)
    assert books.kinds() == kinds


def test_inexact_moments_are_not_held_against_the_journal(books: Books) -> None:
    books.events = [
        domain.LegEnded(at=T + 60, call_id="c1", leg_id=e.leg_id, cause=0, exact=False)
        if isinstance(e, domain.LegEnded)
        else e
        for e in books.events[:-1]
    ]
    books.events.append(ended(talk=57.0, exact=False))
    assert books.kinds() == []


def test_a_call_lost_with_the_pbx_needs_no_cdr(books: Books) -> None:
    books.events[-1] = ended(outcome="lost", exact=False)
    for channel in books.pbx.channels.values():
        channel.ended_at = None
    books.pbx.stays = books.pbx.stays[:2]
    books.pbx.cdrs = []
    books.events = [
        domain.LegEnded(at=e.at, call_id="c1", leg_id=e.leg_id, cause=0, exact=False)
        if isinstance(e, domain.LegEnded)
        else e
        for e in books.events
    ]
    assert books.kinds() == []


def test_talk_through_local_channels_is_talk(books: Books) -> None:
    for number in (1, 2):
        books.pbx.channels[f"2.{number}"] = Channel(
            uniqueid=f"2.{number}",
            name=f"Local/8001@agents-0001;{number}",
            linkedids={CUSTOMER},
            started_at=T + 1,
            ended_at=T + 33,
        )
    books.pbx.stays = [
        Stay(T + 3, CUSTOMER, "b1", True),
        Stay(T + 3, "2.1", "b1", True),
        Stay(T + 3, "2.2", "b2", True),
        Stay(T + 3, AGENT, "b2", True),
        Stay(T + 33, CUSTOMER, "b1", False),
        Stay(T + 33, "2.1", "b1", False),
        Stay(T + 33, "2.2", "b2", False),
        Stay(T + 33, AGENT, "b2", False),
    ]
    assert books.kinds() == []


def test_consulting_is_no_talk_until_the_calls_merge(books: Books) -> None:
    books.events[3] = leg(AGENT, "consult", T + 1)
    books.events.insert(
        5,
        domain.LegRenamed(
            at=T + 13, call_id="c1", leg_id=AGENT, channel="PJSIP/8001-2", kind="agent"
        ),
    )
    books.events[-1] = ended(talk=20.0)
    assert books.kinds() == []


def test_a_merged_calls_legs_are_the_others_from_then_on(books: Books) -> None:
    moved = [e for e in books.events if getattr(e, "leg_id", None) == AGENT]
    other = [
        domain.CallStarted(
            at=T + 1,
            call_id="c2",
            direction="internal",
            caller_number=None,
            caller_name=None,
            called_number=None,
            linkedid=AGENT,
        ),
        domain.LegStarted(
            at=T + 1, call_id="c2", leg_id=AGENT, kind="agent", channel="PJSIP/8001-2"
        ),
        domain.LegAnswered(at=T + 3, call_id="c2", leg_id=AGENT),
        domain.CallMerged(at=T + 13, call_id="c1", merged_call_id="c2"),
        moved[-1],
    ]
    rest = [e for e in books.events[:-1] if e not in moved]
    books.events = [*rest[:3], *other, *rest[3:], ended(talk=20.0)]
    assert books.kinds() == []


def test_an_internal_call_is_answered_when_its_legs_met(books: Books) -> None:
    books.events[1] = leg(CUSTOMER, "agent", T)
    books.events[-1] = ended(talk=0.0)
    assert books.kinds() == []
    books.pbx.stays = []
    assert books.kinds() == ["outcome"]


def test_an_unreadable_line_is_told(books: Books) -> None:
    from cti.reconcile.asterisk import Unreadable

    books.pbx.unreadable = [Unreadable("Master.csv", 7, "rubbish")]
    assert books.kinds() == ["unreadable"]


# --- recordings ----------------------------------------------------------------------------------


SHA = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824"  # of b"hello"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    path = tmp_path / "2026/10/24/r1.wav"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"hello")
    return tmp_path


def recorded(**changes: object) -> list[DomainEvent]:
    stored = {"path": "2026/10/24/r1.wav", "sha256": SHA, "bytes": 5, "duration_seconds": 1.0}
    return [
        domain.CallStarted(
            at=T,
            call_id="c1",
            direction="inbound",
            caller_number=None,
            caller_name=None,
            called_number=None,
            linkedid="1.1",
        ),
        domain.RecordingStarted(at=T, call_id="c1", recording_id="r1", file="r1"),
        ended(),
        domain.RecordingStored(at=T + 40, call_id="c1", recording_id="r1", **(stored | changes)),
    ]


def found(events: list[DomainEvent], store: Path) -> list[str]:
    side = fold(events, listening=True)
    return [d.kind for d in recording_differences(side, store, T - 100, 1e11)]


def test_a_stored_recording_agrees(store: Path) -> None:
    assert found(recorded(), store) == []


def test_a_recording_whose_file_is_gone(store: Path) -> None:
    (store / "2026/10/24/r1.wav").unlink()
    assert found(recorded(), store) == ["recording_missing"]


def test_a_recording_whose_file_was_changed(store: Path) -> None:
    (store / "2026/10/24/r1.wav").write_bytes(b"jello")
    assert found(recorded(), store) == ["recording_changed"]
    (store / "2026/10/24/r1.wav").write_bytes(b"hello!")
    assert found(recorded(), store) == ["recording_changed"]


def test_a_path_that_leads_out_of_the_store(store: Path) -> None:
    (store.parent / "outside.wav").write_bytes(b"hello")
    kinds = found(recorded(path="../outside.wav"), store)
    assert kinds == ["recording_missing", "file_unknown"]


def test_a_file_that_nobody_recorded(store: Path) -> None:
    (store / "2026/10/24/r2.wav").write_bytes(b"")
    assert found(recorded(), store) == ["file_unknown"]


def test_a_recording_that_nobody_judged(store: Path) -> None:
    (store / "2026/10/24/r1.wav").unlink()
    assert found(recorded()[:3], store) == ["recording_unjudged"]
    assert found(recorded()[:2], store) == [], "the call still runs"
    faulty = domain.RecordingFaulty(at=T, call_id="c1", recording_id="r1", fault="missing")
    assert found([*recorded()[:3], faulty], store) == [], "that is an alarm already"
