"""Who gets which call, and where callers go who cannot wait: each rule of a queue on real parts.

All tests share one product. Each has callers of its own, and mostly queues of its own. Both agents
belong to every queue; only 1001 speaks French. Nobody is signed in when a test begins.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import asyncpg
import pytest
import pytest_asyncio

from config.floor import Floor
from cti.sandbox.pbx import Tree
from cti.sandbox.postgres import Postgres
from cti.sandbox.system import Place
from tests.support.customers import Centre, centre_of
from tests.support.sandbox import TestSandbox
from tests.support.until import until
from tests.support.whole import Person

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]

STEP_SECONDS = 2
WRAP_UP_SECONDS, EXTENDED_SECONDS, LIMIT_SECONDS = 2, 3, 4
PACED = 6
"""So many answers with others left waiting tell how fast a queue is served."""
_SAID = ("next", "position", "waiting", "expected", "closed", "full", "noagents")
SOUNDS = {what: f"letters/{letter}" for what, letter in zip(_SAID, "abcdefg", strict=True)}
"""Short ones."""
OUTSIDE = "+8675512345678"
BOX = "support@default"
AGEING_SECONDS = 3
ZONE = "Asia/Shanghai"
_today = datetime.now(ZoneInfo(ZONE)).date()
YESTERDAY, TODAY, TOMORROW, AFTER = (_today + timedelta(days=n) for n in (-1, 0, 1, 2))
"""By the centre's clock. The tests may run across midnight."""
ANOTHER_DAY = [{"days": [(TODAY.isoweekday() + 2) % 7 + 1], "start": "09:00", "to": "18:00"}]
EVERY_DAY = [{"days": [1, 2, 3, 4, 5, 6, 7], "start": "00:00", "to": "00:00"}]


def after_a_step(kind: str, target: str) -> dict[str, Any]:
    return {"overflow": [{"after_seconds": STEP_SECONDS, "to": {"kind": kind, "target": target}}]}


QUEUES: dict[str, dict[str, Any]] = {
    "skilled": {"skills": {"french": 3}, "relax": [{"after_seconds": STEP_SECONDS, "by": 3}]},
    "anybody": {
        "skills": {"french": 5},
        "relax": [
            {"after_seconds": 1, "by": 1},
            {"after_seconds": STEP_SECONDS, "any_member": True},
        ],
    },
    "line": {},
    "ageing": {"ageing_seconds": AGEING_SECONDS},
    "sticky": {"sticky": "last", "sticky_seconds": STEP_SECONDS},
    "owned": {"sticky": "owner"},
    "owned_asked": {"sticky": "owner", "look_up_before_answer": True},
    "circle": {"strategy": "round_robin"},
    "drawn": {"strategy": "random", "seed": 7},
    "fewest": {"strategy": "fewest_calls"},
    "tiered": {"strategy": "tiers"},
    "light": {},
    "heavy": {"weight": 100},
    "patient": after_a_step("queue", "relief"),
    "relief": {},
    "outward": after_a_step("number", OUTSIDE),
    "boxed": after_a_step("voicemail", BOX),
    "closed": {"hours": ANOTHER_DAY},
    "holiday": {"hours": EVERY_DAY, "holidays": [TODAY, TOMORROW]},
    "workday": {"hours": EVERY_DAY, "holidays": [YESTERDAY, AFTER]},
    "night": {"hours": ANOTHER_DAY, "when_closed": {"kind": "queue", "target": "day"}},
    "day": {},
    "narrow": {"max_waiting": 1},
    "staffed": {"when_no_agents": {"kind": "hangup"}},
    "missed": {"ring_seconds": 3, "missed_limit": 1},
    "refused": {},
    "wrapped": {"wrap_up_seconds": WRAP_UP_SECONDS, "wrap_up_limit_seconds": LIMIT_SECONDS},
    "unplugged": {},
    "told": {"announce_every_seconds": 4},
}
FLOOR = Floor.model_validate(
    {
        "time_zone": ZONE,
        "queues": [
            {"name": name, "wrap_up_seconds": 0, "ring_seconds": 15, **rules}
            for name, rules in QUEUES.items()
        ],
        "agents": [
            {
                "id": agent_id,
                "name": f"Agent {agent_id}",
                "queues": [{"queue": name, "tier": tier} for name in QUEUES],
                "skills": skills,
            }
            for agent_id, tier, skills in (("1001", 2, {"french": 4}), ("1002", 1, {}))
        ],
        "extensions": [{"number": number, "kind": "desk"} for number in ("8001", "8002")],
    }
)
EXTENSIONS = f"""
[from-trunk]
exten => vip,1,Set(ZX_PRIO=10)
 same => n,Goto(zuoxi-enter,line,1)
exten => urgent,1,Set(ZX_PRIO=1)
 same => n,Goto(zuoxi-enter,ageing,1)

[from-zuoxi]
exten => {OUTSIDE},1,MusicOnHold()
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(
    place: Place, tree: Tree, pbx_tree: Tree, postgres: Postgres, migrated: str
) -> AsyncIterator[Centre]:
    """Start one product for all tests here."""
    sandbox = TestSandbox(place, pbx_tree, phones=tree)
    async with centre_of(
        sandbox, postgres, migrated, FLOOR, SOUNDS, extensions_conf=EXTENSIONS
    ) as centre:
        yield centre


@pytest_asyncio.fixture(loop_scope="module")
async def centre(shared: Centre) -> AsyncIterator[Centre]:
    """Give each test the product with nobody in it."""
    yield shared
    await shared.go_home()


# --- who gets the call ----------------------------------------------------------------------------


async def test_only_the_skilled_agent_is_asked_until_the_skill_is_relaxed(centre: Centre) -> None:
    await centre.agents("1002", "1001")
    await centre.talks("skilled", "1001")
    second = await centre.waits("skilled")
    await centre.picks_up("1002")
    assert [agent_id for _, agent_id in await centre.offers("skilled", 2)] == ["1001", "1002"]
    nobody = await centre.of(second, "CallDecided", chosen=None)
    assert nobody["excluded"] == {"lacks_skill": 1, "talking": 1}
    offer = await centre.of(second, "OfferMade")
    entered = await centre.of(second, "QueueEntered")
    assert offer["at"] >= entered["entered_at"] + STEP_SECONDS


async def test_at_the_last_step_any_member_is_asked(centre: Centre) -> None:
    """Nobody speaks French so well, and 1002 no French at all."""
    await centre.agents("1002")
    customer = await centre.talks("anybody", "1002")
    entered, offer = (
        await centre.of(customer, "QueueEntered"),
        await centre.of(customer, "OfferMade"),
    )
    assert offer["at"] >= entered["entered_at"] + STEP_SECONDS
    decided = await centre.site.journalled("CallDecided", 3, call_id=customer.call_id)
    assert [(each["step"], each["chosen"]) for each in decided] == [
        (0, None),
        (1, None),
        (2, "1002"),
    ]
    assert decided[1]["excluded"]["lacks_skill"] == 1


async def test_why_is_told_to_the_leader_and_not_to_the_agent(centre: Centre) -> None:
    agent, _ = await centre.agents("1001", "1002")
    mine = await centre.talks("line", "1001")
    theirs = await centre.talks("line", "1002")
    leader = await centre.site.supervisor()
    status, told = await leader.ask("GET", f"/calls/{theirs.call_id}")
    assert status == 200
    (why,) = told["decisions"]
    assert (why["rule"], why["chosen"]) == ("longest_idle", "1002")
    assert why["excluded_examples"] == {"1001": "talking"}
    await mine.hang_up()
    await agent.state("ready")
    told = await until(lambda: own_call(agent, mine.call_id))
    assert told["offers"]
    assert told["decisions"] == []
    assert "CallDecided" not in {item["what"] for item in told["timeline"]}
    status, problem = await agent.ask("GET", f"/calls/{theirs.call_id}")
    assert (status, problem["code"]) == (403, "not_your_call")


async def test_who_has_priority_goes_first(centre: Centre) -> None:
    plain = await centre.waits("line")
    important = await centre.waits("line", dial="vip")
    before = len(await centre.offers("line", 0))
    (agent,) = await centre.agents("1001")
    await centre.picks_up("1001")
    await important.hang_up()
    await agent.state("offered")
    asked = await centre.offers("line", before + 2)
    assert [call_id for call_id, _ in asked[before:]] == [important.call_id, plain.call_id]


async def test_who_has_waited_long_enough_goes_before_who_has_priority(centre: Centre) -> None:
    old = await centre.waits("ageing")
    came = (await centre.of(old, "QueueEntered"))["entered_at"]
    await until(lambda: time.time() > came + AGEING_SECONDS)
    plain = await centre.waits("ageing")
    urgent = await centre.waits("ageing", dial="urgent")
    between = [(await centre.of(each, "QueueEntered"))["entered_at"] for each in (plain, urgent)]
    assert between[1] - between[0] < AGEING_SECONDS, "or the plain one has aged as well"
    await centre.agents("1001")
    for customer in (old, urgent, plain):
        await centre.picks_up("1001")
        await centre.of(customer, "QueueLeft", reason="answered")
        await customer.hang_up()
    assert [call_id for call_id, _ in await centre.offers("ageing", 3)] == [
        each.call_id for each in (old, urgent, plain)
    ]


async def test_a_caller_comes_back_to_the_same_agent_or_waits_for_a_while(centre: Centre) -> None:
    (last,) = await centre.agents("1002")
    customer = await centre.talks("sticky", "1002")
    await customer.hang_up()
    await last.state("ready")
    (other,) = await centre.agents("1001")
    await last.act("/agent/not-ready", reason="rest")
    await last.act("/agent/ready")  # 1001 has been idle for longer now
    again = await centre.talks("sticky", "1002", customer.number)
    assert (await centre.of(again, "CallDecided"))["rule"] == "sticky"

    await again.hang_up()
    await last.state("ready")
    await other.act("/agent/not-ready", reason="rest")
    await centre.talks("sticky", "1002")
    await other.act("/agent/ready")
    third = await centre.talks("sticky", "1001", customer.number)
    entered, offer = await centre.of(third, "QueueEntered"), await centre.of(third, "OfferMade")
    assert offer["at"] >= entered["entered_at"] + STEP_SECONDS
    assert (await centre.of(third, "CallDecided", chosen=None))["rule"] == "waits_for_sticky_agent"


@pytest.mark.parametrize("queue", ["owned", "owned_asked"])
async def test_a_customer_gets_the_agent_who_owns_it(queue: str, centre: Centre) -> None:
    """Looked up by the server, or over the dialplan's hook."""
    number = f"+86139{len(queue):08}"
    await own(centre, number, "1002")
    known = None
    while known != "1002":  # until the server has heard of the new row
        customer = await centre.waits(queue, number)
        known = (await centre.of(customer, "QueueEntered"))["sticky_agent"]
        await customer.hang_up()
    await centre.agents("1001", "1002")
    customer = await centre.talks(queue, "1002", number)
    decided = await centre.of(customer, "CallDecided")
    assert (decided["rule"], decided["excluded"]) == ("sticky", {"not_asked_for": 1})
    await centre.talks(queue, "1001")


async def test_a_random_choice_can_be_repeated_by_its_record(centre: Centre) -> None:
    await centre.agents("1001", "1002")
    asked: set[str] = set()
    while asked != {"1001", "1002"}:  # by the longest idle time it would be 1001 each time
        customer = await centre.waits("drawn")
        offer = await centre.of(customer, "OfferMade")
        decided = await centre.of(customer, "CallDecided")
        assert (decided["rule"], decided["eligible_count"]) == ("random", 2)
        assert offer["agent_id"] == decided["chosen"] == drawn_again(decided)
        await centre.site.far_end.agent(offer["extension"]).ringing.wait()
        asked.add(offer["agent_id"])
        await customer.hang_up()
        assert await centre.ended(customer) == "abandoned"


async def test_round_robin_asks_in_turn(centre: Centre) -> None:
    """By the longest idle time 1001 would be asked again: the caller's impatience is no call."""
    await centre.agents("1001", "1002")
    for number, agent_id in enumerate(["1001", "1002", "1001"], 1):
        customer = await centre.waits("circle")
        await centre.site.far_end.agent(f"8{agent_id[1:]}").ringing.wait()
        assert (await centre.offers("circle", number))[-1] == (customer.call_id, agent_id)
        await customer.hang_up()
        assert await centre.ended(customer) == "abandoned"


async def test_who_had_fewest_calls_is_asked(centre: Centre) -> None:
    """By the longest idle time it would be 1001, who was ready before."""
    (first,) = await centre.agents("1001")
    customer = await centre.talks("fewest", "1001")
    await customer.hang_up()
    await first.state("ready")
    await centre.agents("1002")
    await centre.talks("fewest", "1002")


async def test_the_first_tier_is_asked_before_the_second(centre: Centre) -> None:
    await centre.agents("1001", "1002")
    await centre.talks("tiered", "1002")
    await centre.talks("tiered", "1001")


async def test_the_heavier_of_two_queues_that_share_an_agent_goes_first(centre: Centre) -> None:
    light = await centre.waits("light")
    heavy = await centre.waits("heavy")
    (agent,) = await centre.agents("1001")
    await centre.picks_up("1001")
    await centre.of(heavy, "QueueLeft", reason="answered")
    await heavy.hang_up()
    await agent.state("offered")
    await centre.of(light, "OfferMade")


async def test_a_ready_agent_whose_phone_is_not_registered_is_not_asked(centre: Centre) -> None:
    await centre.agents("1001")
    phone = centre.site.far_end.agent("8001")
    await phone.unregister()
    lost = await centre.site.journalled("AgentPhoneChanged", agent_id="1001", reachable=False)
    customer = await centre.waits("unplugged")
    nobody = await centre.of(customer, "CallDecided", chosen=None)
    assert nobody["excluded"]["unreachable"] == 1
    await phone.register()
    await centre.picks_up("1001")
    offer = await centre.of(customer, "OfferMade")
    back = await centre.site.journalled("AgentPhoneChanged", agent_id="1001", reachable=True)
    assert lost[-1]["at"] < back[-1]["at"] <= offer["at"]


# --- offers that come to nothing ------------------------------------------------------------------


async def test_who_misses_too_many_offers_is_made_not_ready(centre: Centre) -> None:
    first, _ = await centre.agents("1001", "1002")
    customer = await centre.waits("missed")
    await centre.site.far_end.agent("8001").ringing.wait()
    await centre.picks_up("1002")
    row = await first.state("not_ready")
    assert row["reason"] == "missed"
    missed = await centre.of(customer, "OfferEnded", agent_id="1001")
    assert (missed["end"], missed["counts_as_miss"]) == ("timed_out", True)
    assert await centre.offers("missed", 2) == [
        (customer.call_id, "1001"),
        (customer.call_id, "1002"),
    ]


async def test_a_refused_caller_keeps_the_place_before_a_later_one(centre: Centre) -> None:
    (first,) = await centre.agents("1001")
    earlier = await centre.waits("refused")
    offer = await centre.of(earlier, "OfferMade")
    later = await centre.waits("refused")
    await first.act("/agent/not-ready", reason="rest")
    await first.act(f"/agent/offers/{offer['offer_id']}/reject")
    await first.state("not_ready")
    (second,) = await centre.agents("1002")
    await centre.picks_up("1002")
    await earlier.hang_up()
    await second.state("offered")
    assert await centre.offers("refused", 3) == [
        (earlier.call_id, "1001"),
        (earlier.call_id, "1002"),
        (later.call_id, "1002"),
    ]


async def test_wrap_up_is_extended_up_to_the_limit(centre: Centre) -> None:
    (agent,) = await centre.agents("1001")
    customer = await centre.talks("wrapped", "1001")
    await customer.hang_up()
    await agent.state("wrap_up")
    more = EXTENDED_SECONDS - WRAP_UP_SECONDS
    await agent.act("/agent/wrap-up/extend", seconds=more)
    await agent.act("/agent/wrap-up/extend", seconds=60)
    status, problem = await agent.ask("POST", "/agent/wrap-up/extend", {"seconds": 1})
    assert (status, problem["code"]) == (409, "limit_reached")
    ready = await agent.state("ready")
    said = await centre.site.journalled(
        "AgentStateChanged", 3, call_id=customer.call_id, state="wrap_up"
    )
    begun = said[0]["at"]
    assert [each["until"] - begun for each in said] == pytest.approx(
        [WRAP_UP_SECONDS, EXTENDED_SECONDS, LIMIT_SECONDS]
    )
    assert ready["since"] >= begun + LIMIT_SECONDS


# --- callers who cannot wait ----------------------------------------------------------------------


async def test_an_overflow_to_a_queue_keeps_the_place(centre: Centre) -> None:
    moved = await centre.waits("patient")
    direct = await centre.waits("relief")
    await centre.of(moved, "QueueEntered", queue="relief")
    assert (await centre.of(moved, "QueueLeft", queue="patient"))["reason"] == "overflowed"
    (agent,) = await centre.agents("1001")
    await centre.picks_up("1001")
    await moved.hang_up()
    await agent.state("offered")
    assert [call_id for call_id, _ in await centre.offers("relief", 2)] == [
        moved.call_id,
        direct.call_id,
    ]


async def test_an_overflow_to_a_number_leaves_the_centre(centre: Centre) -> None:
    customer = await centre.waits("outward")
    await centre.watch.event(
        "Newexten", Uniqueid=customer.leg_id, Context="from-zuoxi", Exten=OUTSIDE
    )
    assert (await centre.of(customer, "QueueLeft"))["reason"] == "overflowed"
    await customer.hang_up()
    assert await centre.ended(customer) == "overflowed"


async def test_an_overflow_to_voicemail_leaves_a_message(centre: Centre) -> None:
    customer = await centre.waits("boxed")
    assert (await centre.of(customer, "QueueLeft"))["reason"] == "voicemail"
    box = centre.site.site.pbx.spool / "voicemail" / "default" / "support"
    await until(lambda: [file for file in box.glob("tmp/*.wav") if file.stat().st_size > 8000])
    await customer.hang_up()
    (message,) = await until(lambda: list(box.glob("INBOX/*.wav")))
    assert message.stat().st_size > 8000
    assert await centre.ended(customer) == "voicemail"


@pytest.mark.parametrize(
    ("queue", "reason", "said"),
    [
        ("closed", "closed", "closed"),
        ("holiday", "closed", "closed"),
        ("narrow", "full", "full"),
        ("staffed", "no_agents", "noagents"),
    ],
)
async def test_who_is_turned_away_is_told_so(
    queue: str, reason: str, said: str, centre: Centre
) -> None:
    if queue == "narrow":
        await centre.waits(queue)
    customer = await centre.waits(queue)
    await centre.hears(customer, said)
    assert (await centre.of(customer, "QueueLeft"))["reason"] == reason
    await customer.caller.ended.wait()
    assert await centre.ended(customer) == "refused"
    entered = await centre.site.journalled("QueueEntered", queue=queue)
    left = await centre.site.journalled("QueueLeft", queue=queue)
    assert len(entered) - len(left) == (queue == "narrow"), "who came before waits on"


async def test_a_holiday_closes_its_own_day_only(centre: Centre) -> None:
    """By the centre's calendar: of UTC's, its yesterday or its tomorrow may be today."""
    await centre.agents("1001")
    await centre.talks("workday", "1001")


async def test_a_closed_queue_sends_its_callers_to_another(centre: Centre) -> None:
    await centre.agents("1001")
    customer = await centre.call("night")
    await centre.picks_up("1001")
    left = await centre.of(customer, "QueueLeft", queue="night")
    assert left["reason"] == "overflowed"
    assert (await centre.of(customer, "QueueLeft", queue="day"))["reason"] == "answered"


async def test_the_last_agent_who_leaves_leaves_nobody_waiting(centre: Centre) -> None:
    (agent,) = await centre.agents("1001")
    await agent.act("/agent/not-ready", reason="rest")
    customer = await centre.waits("staffed")
    await agent.act("/agent/sign-out")
    assert (await centre.of(customer, "QueueLeft"))["reason"] == "no_agents"
    gone = await centre.site.journalled("AgentSignedOut", agent_id="1001")
    assert (await centre.of(customer, "QueueLeft"))["at"] >= gone[-1]["at"]


# --- what who waits is told -----------------------------------------------------------------------


async def test_place_and_expected_wait_are_said(centre: Centre) -> None:
    customers = [await centre.waits("told") for _ in range(PACED + 2)]
    first, second, *_, last = customers
    await centre.hears(first, "next")
    await centre.hears(second, "position", "2", "waiting")
    unknown = await centre.of(second, "PositionAnnounced")
    assert (unknown["position"], unknown["expected_wait_seconds"]) == (2, None)

    await centre.agents("1001")
    by_call = {customer.call_id: customer for customer in customers}
    for served in range(1, PACED + 1):
        await centre.picks_up("1001")
        # Whoever is told the place in the instant in which the agent gets free comes next.
        left = await centre.site.journalled("QueueLeft", served, queue="told", reason="answered")
        await by_call[left[-1]["call_id"]].hang_up()
    await centre.hears(last, "expected", "1")
    known = await centre.of(last, "PositionAnnounced")
    assert 0 < known["expected_wait_seconds"] < 60


async def own_call(agent: Person, call_id: str) -> Any:
    """The call's detail, once the lists know that it was the agent's."""
    status, told = await agent.ask("GET", f"/calls/{call_id}")
    return told if status == 200 else None


async def own(centre: Centre, number: str, agent_id: str) -> None:
    """Have a customer known as this agent's own."""
    connection = await asyncpg.connect(centre.site.dsn)
    await connection.execute(
        "INSERT INTO callers (number, owner_agent_id) VALUES ($1, $2)", number, agent_id
    )
    await connection.close()


def drawn_again(decided: dict[str, Any]) -> str:
    """Repeat a draw by its record: the seed, and who could have been chosen."""
    places = [agent.id for agent in FLOOR.agents if agent.id in decided["eligible"]]
    return places[decided["seed"] % decided["eligible_count"]]
