"""What tests and the demo stand on must say so when it fails, not wait for ever."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from cti.sandbox.far_end import Agent, Caller, FarEndError
from cti.sandbox.ports import LOOPBACK
from cti.sandbox.remote import Headers, Remote

RINGING = {"Event": "UserEvent", "UserEvent": "PhoneRinging", "Uniqueid": "far-1"}
HUNG_UP = {"Event": "Hangup", "Uniqueid": "far-1", "Cause": "26"}
GREETING = b"Asterisk Call Manager/9.0.0\r\n"
LOGGED_IN = b"Response: Success\r\nActionID: sandbox-1\r\n\r\nEvent: FullyBooted\r\n\r\n"


async def test_a_phone_picked_up_when_its_call_had_gone_says_so():
    async def act(_action: str, **_headers: str) -> None:
        agent.take(HUNG_UP)

    far_end: Any = SimpleNamespace(remote=SimpleNamespace(act=act))
    agent = Agent(far_end, "8001")
    agent.take(RINGING)
    with pytest.raises(FarEndError, match="8001"):
        await agent.answer()


def test_a_call_that_came_to_be_has_not_ended_though_its_channel_is_told_of_late():
    far_end: Any = None
    caller = Caller(far_end, "far-1", "+8613800000001")
    caller.take({"Event": "OriginateResponse", "Uniqueid": "far-1", "Response": "Success"})
    assert not caller.ended.is_set()
    caller.take({"Event": "Newchannel", "Uniqueid": "far-1"})
    caller.take(HUNG_UP)
    assert (caller.ended.is_set(), caller.cause) == (True, "26")


def test_a_call_that_never_came_to_be_has_ended():
    far_end: Any = None
    caller = Caller(far_end, "far-1", "+8613800000001")
    caller.take({"Event": "OriginateResponse", "Uniqueid": "far-1", "Response": "Failure"})
    assert caller.ended.is_set()


async def test_what_broke_the_hearing_is_raised_at_the_end():
    heard, left = asyncio.Event(), asyncio.Event()

    def fail(_event: Headers) -> None:
        heard.set()
        raise LookupError("a phone that nobody knows")

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(GREETING)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(LOGGED_IN)
        await reader.read()
        writer.close()
        await writer.wait_closed()
        left.set()

    server = await asyncio.start_server(serve, LOOPBACK, 0)
    async with server:
        remote = Remote(fail)
        await remote.connect(LOOPBACK, server.sockets[0].getsockname()[1], "user", "secret")
        await heard.wait()
        with pytest.raises(LookupError):
            await remote.close()
        await left.wait()
