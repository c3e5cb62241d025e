"""What the server writes down about itself: no customer's number in full, whatever happens."""

import asyncio
import re

import aiohttp

from tests.support.sandbox import TestSandbox
from tests.support.whole import Person, Whole, small_floor, whole

NUMBER = "+8613800138000"
OTHER = "13900139000"
TABLE = f"姓名,手机号,备注\n王芳 {OTHER},{OTHER},打 {OTHER}\n坏,{OTHER}{OTHER},x\n"
IN_FULL = re.compile(r"13800138000|13900139000|138 0013 8000")


async def imported(person: Person, site: Whole) -> None:
    """Bring a table with a good and a bad row in."""
    form = aiohttp.FormData()
    form.add_field("file", TABLE.encode(), filename=f"{OTHER}.csv")
    headers = {"X-Zuoxi-Csrf": person.me["csrf"], "Origin": site.base}
    async with person.http.post(
        f"{site.base}/api/v1/customer-imports", data=form, headers=headers
    ) as answer:
        assert answer.status == 200, await answer.text()
        found = await answer.json()
    mapping = {column: to for column, to in found["suggested"].items() if to}
    path = f"/customer-imports/{found['import_id']}"
    await person.act(f"{path}/start", mapping=mapping, on_duplicate="skip")
    while (state := (await person.ask("GET", path))[1])["state"] == "running":  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    assert (state["created"], state["bad"]) == (1, 1), state


async def a_call(site: Whole, agent: Person) -> str:
    """Have a customer call, be answered, noted and revealed; the call's id."""
    phone = site.far_end.agent("8001")
    caller = await site.far_end.call("support", NUMBER, name=f"Wang {NUMBER}")
    await phone.ringing.wait()
    await phone.answer()
    await caller.connected.wait()
    (offer,) = await site.journalled("OfferMade")
    call_id = str(offer["call_id"])
    await agent.act("/customers", name=f"王芳 {NUMBER}", call_id=call_id)
    await agent.act(f"/calls/{call_id}/reveal")
    await caller.hang_up()
    await agent.act(f"/agent/calls/{call_id}/disposition", code="resolved", notes=f"打 {OTHER}")
    await site.journalled("RecordingStored")
    return call_id


async def test_no_number_gets_into_the_servers_log(sandbox: TestSandbox, database: str) -> None:
    server = {"log_level": "debug"}
    floor = small_floor(agents=1, wrap_up_seconds=30)
    async with whole(sandbox, database, floor, server=server, proxied=True) as site:
        agent = await site.agent("1001")
        call_id = await a_call(site, agent)
        await site.add_user("boss", "supervisor")
        boss = await site.person("boss")
        await imported(boss, site)
        for query in (NUMBER[1:], "138 0013 8000", "8000", OTHER):
            status, found = await boss.ask("GET", f"/customers?q={query}")
            assert (status, len(found["items"])) == (200, 1), query
            await boss.ask("GET", f"/calls?q={query}")
            await agent.ask("GET", f"/calls/{query}")
            await agent.ask("POST", f"/calls/{query}/reveal", {})
        await boss.ask("POST", "/customers", {"name": "x", "numbers": [{"number": OTHER * 2}]})
        async with boss.http.get(f"{site.base}/api/v1/customers/export?q={OTHER}") as answer:
            assert OTHER in await answer.text()

        await site.add_user(OTHER, "leader")  # who signs in by telephone number
        live = await (await site.person(OTHER)).watch("floor")
        await live.socket.send_str("{")
        await live.closed()

        assert site.proxy is not None
        site.proxy.cut()
        await site.journalled("GapRecorded")
        assert site.server is not None
        await site.server.kill()
        await site.start_server()
        await site.ready()
        status, detail = await boss.ask("GET", f"/calls/{call_id}")
        assert status == 200
        assert IN_FULL.search(str(detail)), "the number is known"
        log = (site.site.folder / "server.log").read_text("utf-8")
    assert IN_FULL.search(log) is None
    assert re.search(r"live_client_misbehaved.* user='139\*{4}00'", log), "numbers come by there"
