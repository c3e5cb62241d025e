"""Transfers by the agent's own phone: one call with all its legs, whatever SIP makes of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from config.floor import Floor
from cti.sandbox.far_end import Caller
from tests.support.sandbox import TestSandbox
from tests.support.whole import Person, Whole, whole
from tests.transcripts.phone import Call, Phone

pytestmark = pytest.mark.asterisk

NUMBER = "+8613800138000"
SPEECH_SECONDS = 1.0
Leg = tuple[str, str | None]
"""Kind and agent."""
LEGS: list[Leg] = [("customer", None), ("agent", "1001"), ("agent", "1002")]
FLOOR = Floor.model_validate(
    {
        "queues": [
            {"name": "support", "wrap_up_seconds": 0},
            {"name": "sales", "wrap_up_seconds": 0},
        ],
        "agents": [
            {"id": "1001", "name": "Wang", "queues": [{"queue": "support"}]},
            {"id": "1002", "name": "Li", "queues": [{"queue": "sales"}]},
        ],
        "extensions": [{"number": number, "kind": "desk"} for number in ("8001", "8002")],
    }
)


@dataclass
class Talk:
    """A caller of `support` who talks to 1001, and 1002 who has nothing to do."""

    site: Whole
    agents: list[Person]
    leader: Person
    caller: Caller
    phone: Phone
    line: Call
    """The caller's, at the phone of 1001."""

    async def colleague_picks_up(self) -> None:
        """The phone of 1002 rings and is answered, by a voice."""
        colleague = self.site.far_end.agent("8002")
        await colleague.ringing.wait()
        await colleague.answer()

    async def transferred(self, kind: str, to: str) -> set[Leg]:
        """See the transfer's call through to its end; its legs beside LEGS.

        It is one call of both agents, whose talks with the caller both count, and both are free.
        """
        await self.agents[1].state("talking")
        await self.caller.hears()
        await self.caller.hang_up()
        for agent in self.agents:
            await agent.state("ready")
        (ended,) = await self.site.journalled("CallEnded")
        (transfer,) = await self.site.journalled("CallTransferred", call_id=ended["call_id"])
        assert (transfer["kind"], transfer["to"]) == (kind, to)
        _, told = await self.leader.ask("GET", f"/calls/{ended['call_id']}")
        assert (told["call"]["outcome"], told["call"]["transfers"]) == ("answered", 1)
        assert told["call"]["agents"] == ["1001", "1002"]
        talks = {(leg["kind"], leg["agent_id"]): bridged(leg) for leg in told["legs"]}
        caller, first, second = (talks[leg] for leg in LEGS)
        assert first >= SPEECH_SECONDS
        assert second > 0
        assert ended["talk_seconds"] == pytest.approx(caller, abs=0.1)
        await self.site.journalled("RecordingStored", call_id=ended["call_id"])
        return set(talks) - set(LEGS)


def bridged(leg: dict[str, Any]) -> float:
    return float(sum(span["to_at"] - span["from_at"] for span in leg["bridged"]))


@asynccontextmanager
async def talking(sandbox: TestSandbox, database: str) -> AsyncIterator[Talk]:
    """Have the caller talk to 1001, whose phone is one that transfers."""
    block = sandbox.ports(20)
    async with whole(sandbox, database, FLOOR) as site:
        await site.far_end.agent("8001").unregister()
        async with Phone(
            *("8001", block.take(), site.site.pbx.ports.sip, block.take()),
            password=site.site.phones["8001"],
        ) as phone:
            await phone.register()
            agents = [await site.agent("1001"), await site.agent("1002")]
            leader = await site.supervisor()
            caller = await site.far_end.call("support", NUMBER)
            line = await phone.incoming.get()
            line.answer()
            await agents[0].state("talking")
            await line.speak(SPEECH_SECONDS)
            yield Talk(site, agents, leader, caller, phone, line)


async def test_blind_to_a_colleagues_extension(sandbox: TestSandbox, database: str) -> None:
    async with talking(sandbox, database) as talk:
        await talk.line.transfer("8002")
        await talk.colleague_picks_up()
        await talk.agents[0].state("ready")
        assert await talk.transferred("blind", "8002") == set()
        assert len(await talk.site.events("OfferMade")) == 1, "the colleague was dialled"


async def test_blind_to_another_queue(sandbox: TestSandbox, database: str) -> None:
    async with talking(sandbox, database) as talk:
        await talk.line.transfer("sales")
        await talk.colleague_picks_up()
        await talk.agents[0].state("ready")
        assert await talk.transferred("blind", "sales") == set()
        left = await talk.site.journalled("QueueLeft", 2)
        assert [(e["queue"], e["reason"], e["agent_id"]) for e in left] == [
            ("support", "answered", "1001"),
            ("sales", "answered", "1002"),
        ]


async def test_attended_after_asking_the_colleague(sandbox: TestSandbox, database: str) -> None:
    """REFER with Replaces: the consultation becomes part of the call."""
    async with talking(sandbox, database) as talk:
        await talk.line.hold()
        asked = talk.phone.call("8002")
        answered = asyncio.create_task(asked.answered())
        await talk.colleague_picks_up()
        await answered
        await talk.line.transfer("8002", replaces=asked)
        await talk.agents[0].state("ready")
        assert await talk.transferred("attended", "8002") == {("consult", "1001")}
        (merged,) = await talk.site.events("CallMerged")
        (ended,) = await talk.site.events("CallEnded")
        assert merged["call_id"] == ended["call_id"]


async def test_attended_into_the_queue_that_was_asked(sandbox: TestSandbox, database: str) -> None:
    """The agent waits in the queue, and then the caller does in the agent's place."""
    async with talking(sandbox, database) as talk:
        await talk.agents[1].act("/agent/not-ready", reason="rest")
        await talk.line.hold()
        asked = talk.phone.call("sales")
        await asked.answered()
        await talk.site.journalled("QueueEntered", queue="sales")
        await talk.line.transfer("sales", replaces=asked)
        await talk.site.journalled("QueueEntered", 2, queue="sales")
        await talk.agents[0].state("ready")
        await talk.agents[1].act("/agent/ready")
        await talk.colleague_picks_up()
        assert await talk.transferred("attended", "sales") == {("customer", "1001")}, "who waited"
        waits = await talk.site.events("QueueEntered")
        assert waits[1]["entered_at"] == waits[2]["entered_at"]
        left = await talk.site.events("QueueLeft")
        assert [(e["queue"], e["reason"]) for e in left] == [
            ("support", "answered"),
            ("sales", "withdrawn"),
            ("sales", "answered"),
        ]
