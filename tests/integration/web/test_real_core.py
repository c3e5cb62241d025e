"""Browsers, HTTP and the live connection on the real core: what an agent does is what all see."""

import time
from collections.abc import Callable, Sequence

import pytest_asyncio

from acd.core import Core
from cti.domain import Recorded
from cti.inputs import Input, LinkUp, PbxSnapshot, Reply, Request
from tests.integration.web.conftest import FLOOR


class RealCore:
    """Steps the core at once, as the runtime does in its turn."""

    def __init__(self) -> None:
        self._core = Core(FLOOR, "pbx1", epoch=1)
        self.publish: Callable[[Sequence[Recorded]], None] = lambda _: None

    def tell(self, item: Input) -> None:
        self._step(item)

    async def ask(self, request: Request) -> Reply:
        [reply] = self._step(request)
        return reply

    def _step(self, item: Input) -> list[Reply]:
        output = self._core.step(item, time.time())
        self.publish(output.events)
        return output.replies

    def connect(self) -> None:
        """The PBX is there, and both phones are registered."""
        states = {"PJSIP/8001": "NOT_INUSE", "PJSIP/8002": "NOT_INUSE"}
        snapshot = PbxSnapshot(
            at=time.time(), pbx_started_at=1.0, epoch=1, channels=[], device_states=states
        )
        self._step(LinkUp(snapshot=snapshot, gap_from=None, gap_to=None))


@pytest_asyncio.fixture
async def site(serve):
    """Serve the application on the real core."""
    core = RealCore()
    site = await serve(core=core)
    core.connect()
    return site


async def test_a_shift_from_sign_in_to_takeover(site):
    amy, ben, lea = [await site.browser(name) for name in ("amy", "ben", "lea")]
    async with amy.live() as desk, lea.live() as floor:
        await desk.subscribe("desk")
        await floor.subscribe("floor")
        status, body = await amy.send("POST", "/api/v1/agent/ready")
        assert (status, body["code"]) == (409, "not_signed_in")
        assert (await amy.send("POST", "/api/v1/agent/sign-in", {"extension": "8001"}))[0] == 200
        await desk.until(lambda rows: rows["me"]["1001"]["extension"] == "8001")
        assert (await amy.send("POST", "/api/v1/agent/ready"))[0] == 204
        await desk.until(lambda rows: rows["me"]["1001"]["state"] == "ready")
        await floor.until(lambda rows: rows["queues"]["support"]["ready"] == 1)
        assert floor.rows["agents"]["1001"]["reachable"]
        assert floor.rows["agents"]["1001"]["panel"]

        status, body = await amy.send("POST", "/api/v1/agent/not-ready", {"reason": "nap"})
        assert (status, body["code"]) == (422, "unknown_reason")
        await amy.send("POST", "/api/v1/agent/not-ready", {"reason": "lunch"})
        await floor.until(lambda rows: rows["agents"]["1001"]["reason"] == "lunch")
        order = {"state": "ready"}
        assert (await lea.send("POST", "/api/v1/floor/agents/1001/state", order))[0] == 204
        await desk.until(lambda rows: rows["me"]["1001"]["state"] == "ready")
        sue = await site.browser("sue")
        status, body = await sue.send("POST", "/api/v1/floor/agents/9999/state", order)
        assert (status, body["code"]) == (404, "unknown_agent")

        status, body = await ben.send("POST", "/api/v1/agent/sign-in", {"extension": "8001"})
        assert (status, body["code"], body["agent"]) == (409, "seat_taken", "1001")
        wish = {"extension": "8001", "confirm_takeover": True}
        assert (await ben.send("POST", "/api/v1/agent/sign-in", wish))[0] == 200
        await desk.until(lambda rows: rows["me"]["1001"]["state"] == "signed_out")
        status, body = await amy.send("GET", "/api/v1/agent/seat")
        assert (status, body["code"]) == (409, "not_signed_in")


async def test_a_closed_panel_is_seen_on_the_floor(site):
    amy, lea = await site.browser("amy"), await site.browser("lea")
    async with lea.live() as floor:
        await floor.subscribe("floor")
        async with amy.live() as desk:
            await desk.subscribe("desk")
            await amy.send("POST", "/api/v1/agent/sign-in", {"extension": "8001"})
            await floor.until(lambda rows: rows["agents"]["1001"]["panel"])
        await floor.until(lambda rows: not rows["agents"]["1001"]["panel"])


async def test_calls_and_offers_of_nobody(site):
    amy = await site.browser("amy")
    await amy.send("POST", "/api/v1/agent/sign-in", {"extension": "8001"})
    for path, body, refusal in [
        ("offers/o1/reject", None, (404, "unknown_offer")),
        ("calls/pbx1-1.1/hang-up", None, (403, "not_your_call")),
        ("calls/pbx1-1.1/disposition", {"code": "resolved"}, (403, "not_your_call")),
        ("calls/pbx1-1.1/recording/pause", None, (403, "not_your_call")),
        ("wrap-up/extend", {"seconds": 5}, (409, "wrong_state")),
    ]:
        status, answer = await amy.send("POST", f"/api/v1/agent/{path}", body)
        assert (status, answer["code"]) == refusal, path
