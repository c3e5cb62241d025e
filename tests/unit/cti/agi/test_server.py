"""The FastAGI server over real sockets: deadlines, limits, who may ask."""

import asyncio
from collections.abc import AsyncIterator, Mapping

import pytest
import uvloop

from cti.agi.server import AgiServer
from cti.agi.wire import AgiRequest

REQUEST = b"agi_network_script: %s\nagi_uniqueid: 1.1\nagi_arg_1: x\n\n"


def facts(request: AgiRequest) -> Mapping[str, str]:
    return {"ZX_NAME": request.arguments[0]}


def broken(request: AgiRequest) -> Mapping[str, str]:
    raise LookupError("a bug")


@pytest.fixture
async def server() -> AsyncIterator[AgiServer]:
    handlers = {"facts": facts, "broken": broken}
    server = AgiServer(handlers, allowed=["127.0.0.0/8"], deadline_seconds=0.2)
    await server.start("127.0.0.1", 0)
    yield server
    await server.close()


async def ask(server: AgiServer, data: bytes, *, end: bool = True) -> bytes:
    """What the server says, as Asterisk hears it: Asterisk closes once the server has."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    writer.write(data)
    if end and not data.endswith(b"\n\n"):
        writer.write_eof()
    try:
        async with asyncio.timeout(5):
            return await reader.read()
    except ConnectionResetError:  # cut with our question unread
        return b""
    finally:
        writer.close()


async def outcome(server: AgiServer, name: str) -> None:
    """The server has noted it (it does when the connection is over on its side)."""
    async with asyncio.timeout(5):
        while not server.outcomes[name]:  # noqa: ASYNC110
            await asyncio.sleep(0.005)


async def test_answer_is_one_command(server: AgiServer) -> None:
    assert await ask(server, REQUEST % b"facts") == b'SET VARIABLE "ARRAY(ZX_NAME)" "x"\n'
    await outcome(server, "answered")


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (REQUEST % b"broken", "failed"),
        (REQUEST % b"nothing", "unknown"),
        (b"GET / HTTP/1.1\r\n\r\n", "malformed"),
        (b"agi_network: yes\n", "malformed"),
        (b"", "malformed"),
    ],
)
async def test_anything_else_leaves_the_dialplan_to_its_default(
    server: AgiServer, data: bytes, name: str
) -> None:
    assert await ask(server, data) == b""
    await outcome(server, name)


async def test_peer_that_says_nothing_is_cut_at_the_deadline(server: AgiServer) -> None:
    began = asyncio.get_running_loop().time()
    assert await ask(server, b"", end=False) == b""
    assert asyncio.get_running_loop().time() - began < 2
    await outcome(server, "late")


async def test_peer_that_says_half_of_it_is_cut_at_the_deadline(server: AgiServer) -> None:
    assert await ask(server, b"agi_network_script: facts\n", end=False) == b""
    await outcome(server, "late")


async def test_question_in_pieces_is_answered(server: AgiServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    for byte in REQUEST % b"facts":
        writer.write(bytes([byte]))
        await writer.drain()
        await asyncio.sleep(0)
    assert await reader.read() == b'SET VARIABLE "ARRAY(ZX_NAME)" "x"\n'
    writer.close()


async def test_connect_and_close_costs_nothing_afterwards(server: AgiServer) -> None:
    for _ in range(50):
        _, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.close()
        await writer.wait_closed()
    async with asyncio.timeout(5):
        while sum(server.outcomes.values()) < 50:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert server.open == 0


def test_the_loop_of_the_product_serves_too() -> None:
    async def asked() -> bytes:
        server = AgiServer({"facts": facts}, allowed=["127.0.0.1"])
        await server.start("127.0.0.1", 0)
        answer = await ask(server, REQUEST % b"facts")
        await server.close()
        return answer

    assert uvloop.run(asked()) == b'SET VARIABLE "ARRAY(ZX_NAME)" "x"\n'


async def test_strangers_are_not_heard() -> None:
    server = AgiServer({"facts": facts}, allowed=["10.0.0.0/8"])
    await server.start("127.0.0.1", 0)
    assert await ask(server, REQUEST % b"facts") == b""
    assert server.outcomes == {"refused": 1}
    await server.close()


async def test_close_cuts_what_is_open() -> None:
    server = AgiServer({}, allowed=["127.0.0.1"], deadline_seconds=60)
    await server.start("127.0.0.1", 0)
    asking = asyncio.create_task(ask(server, b"agi_", end=False))
    async with asyncio.timeout(5):
        while not server.open:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
    await server.close()
    assert await asking == b""


async def test_many_at_once(server: AgiServer) -> None:
    answers = await asyncio.gather(*(ask(server, REQUEST % b"facts") for _ in range(100)))
    assert set(answers) == {b'SET VARIABLE "ARRAY(ZX_NAME)" "x"\n'}
