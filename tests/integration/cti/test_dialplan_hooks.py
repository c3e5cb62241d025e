"""The dialplan's hooks at a real Asterisk: answered, late, down, hostile."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from crm.callers import CallerFacts
from cti.agi.server import AgiServer
from cti.hooks import Hooks
from cti.inputs import CallbackWish, ConsentAnswer, Input, SurveyKey
from cti.lookup import LookUp
from tests.support.dialplan import Site, floor, site
from tests.support.sandbox import TestSandbox

pytestmark = pytest.mark.asterisk

VIP = "13800138000"
BLOCKED = "13900000000"


class Known:
    """The callers' index, of two callers."""

    def find(self, number: str | None) -> CallerFacts | None:
        if number == VIP:
            return CallerFacts(
                number="+8613800138000",
                customer_id="C-17",
                name='王芳 (VIP), "the" ${SHELL(id)} one',
                level="gold",
                language="zh_CN",
                priority=7,
                owner_agent_id="1001",
            )
        if number == BLOCKED:
            return CallerFacts(number="+8613900000000", blocked=True)
        return None

    def last_agent(self, number: str | None) -> str | None:
        return "1002" if number == VIP else None

    def note_agent(self, number: str | None, agent_id: str) -> None:
        raise AssertionError


@asynccontextmanager
async def centre(
    sandbox: TestSandbox, told: Callable[[Input], None] = lambda item: None, **queue: Any
) -> AsyncIterator[Site]:
    """A PBX whose hooks are ours."""
    settings = floor(look_up_before_answer=True, **queue)
    hooks = Hooks(settings, LookUp(settings, Known()), lambda queue: queue == "support", told)
    server = AgiServer(hooks.handlers(), allowed=["127.0.0.1"])
    await server.start("127.0.0.1", 0)
    try:
        async with site(sandbox, settings, agi_port=server.port) as centre:
            yield centre
    finally:
        await server.close()


@asynccontextmanager
async def listening(
    answer: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """A server that is none of ours; its port."""
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


async def test_caller_is_known_before_the_wait(sandbox: TestSandbox) -> None:
    async with centre(sandbox, sticky="last") as pbx:
        _, entered = await pbx.enter(caller_id=VIP)
        assert entered["CustomerName"] == "王芳 VIP the SHELL id one"
        assert entered["CustomerId"] == "C-17"
        assert entered["Level"] == "gold"
        assert entered["CallerLanguage"] == "zh_CN"
        assert entered["CallerPriority"] == "7"
        assert entered["Sticky"] == "1002"
        caller, stranger = await pbx.enter(caller_id="13700000000")
        assert not {"CustomerName", "CallerPriority", "Sticky"} & stranger.keys()
        await caller.hears()


async def test_blacklisted_caller_is_refused_unanswered(sandbox: TestSandbox) -> None:
    async with centre(sandbox) as pbx:
        caller = await pbx.far_end.call("100", BLOCKED)
        left = await pbx.said("ZxLeave")
        assert (left["Verb"], left["Argument"]) == ("hangup", "blacklist")
        await caller.ended.wait()
        assert not caller.answered.is_set()
        assert pbx.heard("ZxEnter") == []


async def test_survey_key_reaches_the_core(sandbox: TestSandbox) -> None:
    told: asyncio.Queue[Input] = asyncio.Queue()
    async with centre(sandbox, told.put_nowait) as pbx:
        caller, entered = await pbx.enter()
        await pbx.offer(entered, "o1", flags="s")
        agent = pbx.far_end.agent("8001")
        await agent.ringing.wait()
        await agent.answer()
        await agent.hang_up()
        await pbx.asks_for_key()
        await caller.send_dtmf("4")
        assert await told.get() == SurveyKey(uniqueid=entered["Uniqueid"], score=4)
        await caller.ended.wait()


async def test_callback_wish_reaches_the_core_and_ends_the_wait(sandbox: TestSandbox) -> None:
    told: asyncio.Queue[Input] = asyncio.Queue()
    async with centre(sandbox, told.put_nowait) as pbx:
        caller, entered = await pbx.enter(caller_id="13700000000")
        await pbx.redirect(entered["Channel"], "zuoxi-leave", f"{pbx.epoch}-callback")
        await pbx.asks_for_key()
        await caller.send_dtmf("1")
        assert await told.get() == CallbackWish(
            uniqueid=entered["Uniqueid"], number="13700000000", queue="support"
        )
        left = await pbx.said("ZxLeave", Verb="callback")
        assert left["Argument"] == "13700000000"
        await caller.ended.wait()


async def test_declined_callback_keeps_the_place(sandbox: TestSandbox) -> None:
    async with centre(sandbox) as pbx:
        caller, entered = await pbx.enter()
        await pbx.redirect(entered["Channel"], "zuoxi-leave", f"{pbx.epoch}-callback")
        await pbx.asks_for_key()
        await caller.send_dtmf("2")
        await pbx.offer_when_waiting(entered, "o1")
        await pbx.far_end.agent("8001").ringing.wait()
        assert pbx.heard("ZxLeave") == []


@pytest.mark.parametrize(("key", "consents"), [("1", True), ("2", False)])
async def test_consent_is_asked_and_obeyed(sandbox: TestSandbox, key: str, consents: bool) -> None:
    told: asyncio.Queue[Input] = asyncio.Queue()
    async with centre(sandbox, told.put_nowait, consent="ask") as pbx:
        caller = await pbx.far_end.call("100", "13700000000")
        await pbx.asks_for_key()
        await caller.send_dtmf(key)
        entered = await pbx.said("ZxEnter")
        assert await told.get() == ConsentAnswer(uniqueid=entered["Uniqueid"], consent=consents)
        await pbx.offer(entered, "o1", flags="r")
        await pbx.far_end.agent("8001").ringing.wait()
        assert bool(pbx.heard("ZxRecord")) is consents


async def test_opening_hours_for_the_engineers_own_dialplan(sandbox: TestSandbox) -> None:
    told: list[Input] = []
    settings = floor(look_up_before_answer=True)
    hooks = Hooks(
        settings, LookUp(settings, Known()), lambda queue: queue == "support", told.append
    )
    server = AgiServer(hooks.handlers(), allowed=["127.0.0.1"])
    await server.start("127.0.0.1", 0)
    trunk = f"""
[from-trunk]
exten => _X.,1,AGI(agi://127.0.0.1:{server.port}/hours,support)
 same => n,UserEvent(Hours,Open: ${{ZX_OPEN}})
 same => n,AGI(agi://127.0.0.1:{server.port}/hours,sales)
 same => n,UserEvent(Hours,Open: ${{ZX_OPEN}})
"""
    async with site(sandbox, settings, trunk=trunk) as pbx:
        await pbx.far_end.call("100", "13700000000")
        await pbx.said("Hours", Open="yes")
        await pbx.said("Hours", Open="no")
    await server.close()


async def test_late_hook_delays_a_caller_by_its_deadline_only(sandbox: TestSandbox) -> None:
    """A server that was stopped accepts connections (its kernel does) and never answers."""

    async def silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(4096):
            pass
        writer.close()

    async with (
        listening(silence) as port,
        site(sandbox, floor(look_up_before_answer=True), agi_port=port) as pbx,
    ):
        caller, entered = await pbx.enter()
        born = await pbx.server.event("Newchannel", Uniqueid=entered["Uniqueid"])
        assert 0.9 < float(entered["Timestamp"]) - float(born["Timestamp"]) < 1.5
        assert entered["Queue"] == "support"
        await caller.hears()
        # The deadline was lifted again: the caller still waits well after it.
        await pbx.stays(entered, "zuoxi-wait", 2.0)
        await pbx.offer(entered, "o1")
        await pbx.far_end.agent("8001").ringing.wait()


async def test_no_hook_at_all_costs_nothing(sandbox: TestSandbox) -> None:
    async with site(sandbox, floor(look_up_before_answer=True), agi_port=1) as pbx:
        _, entered = await pbx.enter()
        born = await pbx.server.event("Newchannel", Uniqueid=entered["Uniqueid"])
        assert float(entered["Timestamp"]) - float(born["Timestamp"]) < 0.5


@pytest.mark.parametrize(
    "answer",
    [
        b'EXEC System "touch /tmp/x"' + b"\n",
        b"\0\xff\n" * 3000,
        b"HANGUP\n",
        b'SET VARIABLE "ARRAY(ZX_NAME)" "unclosed\n',
        b"",
    ],
)
async def test_whatever_answers_the_caller_gets_into_the_queue(
    sandbox: TestSandbox, answer: bytes
) -> None:
    async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(answer)
        writer.close()

    async with (
        listening(garbage) as port,
        site(sandbox, floor(look_up_before_answer=True), agi_port=port) as pbx,
    ):
        caller = await pbx.far_end.call("100", "13700000000")
        if answer.startswith(b"HANGUP"):
            await caller.ended.wait()  # a server may end a call; nothing else is harmed
            return
        await pbx.said("ZxEnter")
