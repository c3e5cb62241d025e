"""The engineer's own dialplan around ours, and what callers say to its hooks, in the journal.

The dialplan is the example of config/asterisk, complete: hours, menu, queue, survey, voicemail.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from config.floor import Floor
from cti.sandbox.pbx import Tree
from cti.sandbox.postgres import Postgres
from cti.sandbox.site import TRUNK
from cti.sandbox.system import Place
from tests.support.customers import Centre, Customer, centre_of
from tests.support.sandbox import TestSandbox

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]

RECEPTION = "4001"
EXAMPLE = Path(__file__).parents[2] / "config" / "asterisk" / "example" / "extensions.conf"
BY_NAME = TRUNK.splitlines()[2]
"""The queues by their names too."""
SOUNDS = {"survey": "letters/a", "ask": "letters/b", "callback": "letters/c", "recorded": "beep"}
"""Short ones."""
_today = datetime.now(ZoneInfo("Asia/Shanghai")).isoweekday()
QUEUES: dict[str, dict[str, Any]] = {
    "support": {"survey": True, "welcome": "hello"},
    "asked": {"consent": "ask"},
    "announced": {"consent": "announce"},
    "called": {"overflow": [{"after_seconds": 1, "to": {"kind": "callback"}}]},
    "closed": {"hours": [{"days": [(_today + 2) % 7 + 1], "start": "09:00", "to": "18:00"}]},
}
FLOOR = Floor.model_validate(
    {
        "queues": [{"name": name, "wrap_up_seconds": 0, **rules} for name, rules in QUEUES.items()],
        "agents": [
            {
                "id": "1001",
                "name": "Wang",
                "skills": {"english": 3},
                "queues": [{"queue": name} for name in QUEUES],
            }
        ],
        "extensions": [{"number": "8001", "kind": "desk"}],
    }
)
DIALPLAN = f"""
{EXAMPLE.read_text()}
[from-trunk]
{BY_NAME}
; The reception as it is while a queue is closed.
exten => *1,1,Answer()
 same => n,Gosub(zuoxi-hook,s,1(hours,closed))
 same => n,GotoIf($["${{ZX_OPEN}}"="no"]?reception,closed,1)
"""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(
    place: Place, tree: Tree, pbx_tree: Tree, postgres: Postgres, migrated: str
) -> AsyncIterator[Centre]:
    """Start one product for all tests here."""
    sandbox = TestSandbox(place, pbx_tree, phones=tree)
    async with centre_of(sandbox, postgres, migrated, FLOOR, SOUNDS, trunk=DIALPLAN) as centre:
        yield centre


@pytest_asyncio.fixture(loop_scope="module")
async def centre(shared: Centre) -> AsyncIterator[Centre]:
    """Give each test the product with nobody in it."""
    yield shared
    await shared.go_home()


async def talked(centre: Centre, customer: Customer) -> None:
    """1001 picks up, talks and hangs up."""
    await centre.picks_up("1001")
    await customer.caller.hears()
    await centre.site.far_end.agent("8001").hang_up()


async def test_from_the_menu_through_the_queue_to_the_survey(centre: Centre) -> None:
    await centre.agents("1001")
    customer = await centre.call(RECEPTION)
    await centre.presses(customer, "1", app="WaitExten")
    await centre.hears(customer, "hello")
    await talked(centre, customer)
    await centre.presses(customer, "4")
    answered = await centre.of(customer, "SurveyAnswered")
    assert (answered["score"], answered["agent_id"], answered["queue"]) == (4, "1001", "support")
    await centre.hears(customer, "auth-thankyou")
    await customer.caller.ended.wait()
    assert await centre.ended(customer) == "answered"
    await centre.of(customer, "RecordingStored")


async def test_what_the_menu_sets_is_known_to_the_queue(centre: Centre) -> None:
    english = await centre.call(RECEPTION)
    await centre.presses(english, "2", app="WaitExten")
    entered = await centre.of(english, "QueueEntered")
    assert (entered["skills"], entered["language"]) == ({"english": 2}, "en")
    first = await centre.call(RECEPTION)
    await centre.presses(first, "3", app="WaitExten")
    assert (await centre.of(first, "QueueEntered"))["priority"] == 10


async def test_while_the_queue_is_closed_a_message_may_be_left(centre: Centre) -> None:
    customer = await centre.call("*1")
    await centre.hears(customer, "please-try-call-later")
    await centre.watch.event(
        "Newexten", Uniqueid=customer.leg_id, Application="VoiceMail", AppData="support@default,us"
    )
    await customer.hang_up()
    assert await centre.ended(customer) == "not_queued"


@pytest.mark.parametrize(("key", "consents"), [("1", True), ("2", False)])
async def test_who_is_asked_is_recorded_only_by_consent(
    key: str, consents: bool, centre: Centre
) -> None:
    await centre.agents("1001")
    customer = await centre.call("asked")
    await centre.presses(customer, key)
    assert (await centre.of(customer, "ConsentGiven"))["consent"] is consents
    await talked(centre, customer)
    assert (await centre.of(customer, "OfferMade"))["record"] is consents
    assert await centre.ended(customer) == "answered"
    if consents:
        await centre.of(customer, "RecordingStored")
    else:
        begun = await centre.site.events("RecordingStarted")
        assert customer.call_id not in {each["call_id"] for each in begun}


async def test_who_is_told_so_is_recorded(centre: Centre) -> None:
    await centre.agents("1001")
    customer = await centre.call("announced")
    await centre.hears(customer, "recorded")
    await talked(centre, customer)
    await centre.of(customer, "RecordingStored")
    (told, waits) = [
        place
        for place, event in enumerate(centre.watch.events)
        if event.get("Uniqueid") == customer.leg_id
        and (event.get("AppData") == SOUNDS["recorded"] or event.get("UserEvent") == "ZxEnter")
    ]
    assert told < waits, "before anybody can be heard"


async def test_who_wishes_to_be_called_back_leaves_the_queue(centre: Centre) -> None:
    customer = await centre.waits("called")
    await centre.presses(customer, "1")
    entered = await centre.of(customer, "QueueEntered")
    wish = await centre.of(customer, "CallbackRequested")
    assert (wish["number"], wish["queue"]) == (customer.number, "called")
    assert wish["entered_at"] == entered["entered_at"]
    assert (await centre.of(customer, "QueueLeft"))["reason"] == "callback"
    await customer.caller.ended.wait()
    assert await centre.ended(customer) == "callback"
