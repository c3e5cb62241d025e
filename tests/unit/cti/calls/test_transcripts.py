"""The call model against what a real Asterisk 22 said.

tests/transcripts/record.py tells what people did in each scenario.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from cti import domain as d
from cti.ami.events import EVENTS, build
from cti.ami.wire import FrameReader
from tests.unit.cti.calls.builders import Stage, fresh_calls

TRANSCRIPTS = Path(__file__).parents[3] / "transcripts"
ALL = sorted(path.stem for path in TRANSCRIPTS.glob("*.ami"))


def played(name: str) -> Stage:
    """The stage after all events of the transcript."""
    stage = Stage()
    for frame in FrameReader().feed((TRANSCRIPTS / f"{name}.ami").read_bytes()):
        kind = EVENTS.get(frame.event)
        if kind is not None:
            event = build(kind, frame.headers())
            stage.feed(event, event.timestamp or stage.pbx.now)
    return stage


def legs_of(stage: Stage) -> list[tuple[str, str | None]]:
    """Kind and agent of each leg of the first call, as they were at its end."""
    return [(leg.kind, leg.agent_id) for leg in stage.the_call().legs.values()]


@pytest.mark.parametrize("name", ALL)
def test_no_transcript_makes_an_illegal_step_and_a_replay_gives_the_same_calls(name):
    stage = played(name)
    assert stage.calls.illegal_steps == {}
    replayed = fresh_calls()
    for event in stage.events:
        replayed.evolve(event)
    assert replayed.dump() == stage.calls.dump()


@pytest.mark.parametrize("name", ALL)
def test_every_call_of_a_transcript_ends_once(name):
    stage = played(name)
    started = [e.call_id for e in stage.told(d.CallStarted)]
    ended = [e.call_id for e in stage.ends()]
    ended += [e.merged_call_id for e in stage.told(d.CallMerged)]
    ended += [call.call_id for call in stage.calls.live()]
    assert sorted(ended) == sorted(started)


@pytest.mark.parametrize("name", ALL)
def test_a_local_channel_is_never_a_leg(name):
    assert not [e for e in played(name).told(d.LegStarted) if e.channel.startswith("Local/")]


CUSTOMER, AGENT, COLLEAGUE = ("customer", None), ("agent", "1001"), ("agent", "1002")


@pytest.mark.parametrize(
    ("name", "legs", "outcome", "ended_by", "agent_id"),
    [
        ("inbound_call", [CUSTOMER], "not_queued", "customer", None),
        ("caller_gives_up", [CUSTOMER], "not_queued", "customer", None),
        ("caller_leaves_while_ringing", [CUSTOMER, AGENT], "not_queued", "customer", None),
        ("redirect_busy", [CUSTOMER, AGENT], "not_queued", "customer", None),
        ("redirect_no_answer", [CUSTOMER, AGENT], "not_queued", "customer", None),
        ("redirect_answered_agent_hangs_up", [CUSTOMER, AGENT], "answered", "agent", "1001"),
        (
            "redirect_answered_customer_hangs_up",
            [CUSTOMER, AGENT],
            "answered",
            "customer",
            "1001",
        ),
        ("manager_hangs_up_agent", [CUSTOMER, AGENT], "answered", "agent", "1001"),
        ("hold_and_unhold", [CUSTOMER, AGENT], "answered", "customer", "1001"),
        ("recording", [CUSTOMER, AGENT], "answered", "customer", "1001"),
        ("conference", [CUSTOMER, AGENT], "answered", "agent", "1001"),
        ("blind_transfer", [CUSTOMER, AGENT, COLLEAGUE], "answered", "customer", "1001"),
        (
            "attended_transfer",
            [CUSTOMER, AGENT, ("consult", "1001"), COLLEAGUE],
            "answered",
            "customer",
            "1001",
        ),
        (
            "attended_transfer_outside",
            [CUSTOMER, AGENT, ("consult", "1001"), ("other", None)],
            "answered",
            "customer",
            "1001",
        ),
        (
            "attended_transfer_to_application",
            [CUSTOMER, AGENT, ("consult", "1001")],
            "answered",
            "customer",
            "1001",
        ),
        (
            "attended_transfer_to_conference",
            [CUSTOMER, AGENT, ("consult", "1001"), COLLEAGUE],
            "answered",
            "agent",
            "1001",
        ),
        ("manager_bridges_two_calls", [CUSTOMER, AGENT], "answered", "agent", "1001"),
        ("local_channel", [CUSTOMER, AGENT], "answered", "customer", "1001"),
        ("local_channel_optimised", [CUSTOMER, AGENT], "answered", "customer", "1001"),
        ("local_channel_kept", [CUSTOMER, AGENT], "answered", "agent", "1001"),
        (
            "local_channel_kept_blind_transfer",
            [CUSTOMER, AGENT, COLLEAGUE],
            "answered",
            "customer",
            "1001",
        ),
        ("outbound_call", [AGENT, CUSTOMER], "answered", "customer", "1001"),
        ("internal_call", [AGENT, COLLEAGUE], "answered", "agent", None),
    ],
)
def test_what_became_of_the_call(name, legs, outcome, ended_by, agent_id):
    stage = played(name)
    assert legs_of(stage) == legs
    (end,) = stage.ends()
    assert (end.outcome, end.ended_by, end.agent_id) == (outcome, ended_by, agent_id)
    assert end.exact


def bridged_seconds(stage: Stage) -> float:
    """From the first moment at which two legs stand in bridges to the first leave after it."""
    joined = [e.at for e in stage.told(d.LegJoined)]
    left = [e.at for e in stage.told(d.LegLeft) if e.at >= joined[1]]
    return left[0] - joined[1]


@pytest.mark.parametrize(
    "name", ["redirect_answered_customer_hangs_up", "conference", "outbound_call", "recording"]
)
def test_talk_begins_with_the_second_party_and_ends_with_the_first_that_leaves(name):
    stage = played(name)
    if name != "conference":
        assert stage.ends()[0].talk_seconds == pytest.approx(bridged_seconds(stage), abs=1e-6)
    assert stage.ends()[0].talk_seconds > 0


@pytest.mark.parametrize(
    ("name", "least"), [("local_channel_optimised", 1.0), ("local_channel_kept", 0.5)]
)
def test_talk_through_local_channels_counts_once(name, least):
    (end,) = played(name).ends()
    assert least <= end.talk_seconds <= least + 0.3


def test_a_hold_of_the_agent_is_kept():
    stage = played("hold_and_unhold")
    (hold,) = stage.the_call().holds
    assert stage.the_call().legs[hold.leg_id].agent_id == "1001"
    assert hold.until is not None


@pytest.mark.parametrize(
    ("name", "kind", "to"),
    [
        ("blind_transfer", "blind", "8002"),
        ("local_channel_kept_blind_transfer", "blind", "8002"),
        ("attended_transfer", "attended", "8002"),
        ("attended_transfer_outside", "attended", "900139"),
        ("attended_transfer_to_application", "attended", "9000"),
        ("attended_transfer_to_conference", "attended", "7000"),
    ],
)
def test_transfers_are_kept(name, kind, to):
    stage = played(name)
    (transfer,) = stage.the_call().transfers
    assert (transfer.kind, transfer.to) == (kind, to)
    assert stage.the_call().legs[transfer.by_leg].agent_id == "1001"


@pytest.mark.parametrize("name", ["busy_hour", "busy_hour_all_classes"])
def test_a_busy_hour(name):
    stage = played(name)
    assert len(stage.told(d.CallStarted)) == len(stage.ends()) == 20
    assert sum(e.outcome == "answered" for e in stage.ends()) == 10
