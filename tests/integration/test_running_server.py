"""The server as its operator meets it: where it listens, what it tells of itself, how it ends."""

import json
import socket
import ssl
import time
from pathlib import Path

import aiohttp
import pytest

from cti.sandbox.ports import LOOPBACK
from cti.sandbox.postgres import Postgres
from tests.support.certificates import self_made
from tests.support.sandbox import TestSandbox
from tests.support.whole import PASSWORD, Person, whole

LISTENING = "0A"
GOING_AWAY = 1001
LIKELY = [
    *((name, name) for name in ("admin", "root", "zuoxi", "agent", "supervisor")),
    *(("admin", word) for word in ("password", "123456", "zuoxi")),
    ("supervisor", PASSWORD),
]


def listening(pid: int) -> set[tuple[str, int]]:
    """Addresses at which a process takes TCP connections, as the kernel has them."""
    own = {path.readlink().name for path in Path(f"/proc/{pid}/fd").iterdir() if path.is_symlink()}
    found = set()
    for table, family in (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6)):
        for line in Path("/proc/net", table).read_text().splitlines()[1:]:
            _, local, _, state, *_, inode = line.split()[:10]
            if state == LISTENING and f"socket:[{inode}]" in own:
                address, port = local.split(":")
                # Words of four bytes, each in the order of this machine.
                words = [bytes.fromhex(address[n : n + 8])[::-1] for n in range(0, len(address), 8)]
                found.add((socket.inet_ntop(family, b"".join(words)), int(port, 16)))
    return found


async def pbx_is(leader: Person, state: str) -> None:
    """Wait until the leader's page shows this state of the PBX."""
    assert leader.live is not None
    await leader.live.wait_for(lambda rows: rows and rows["link"]["pbx"]["pbx"] == state)


async def lag_shows(leader: Person, seconds: float) -> None:
    """Wait until the leader's page shows that events were at least so late."""
    assert leader.live is not None
    await leader.live.wait_for(lambda rows: (rows["link"]["pbx"]["lag_seconds"] or 0) >= seconds)


async def test_only_this_machine_can_reach_it_unless_told_otherwise(
    sandbox: TestSandbox, database: str
) -> None:
    async with whole(sandbox, database) as site:
        assert "host" not in site.site.values()["web"]
        assert site.server is not None
        assert listening(site.server.pid) == {
            (LOOPBACK, site.site.web_port),
            (LOOPBACK, site.site.agi_port),
        }


async def test_a_new_site_lets_nobody_in(sandbox: TestSandbox, postgres: Postgres) -> None:
    """No user comes with the product, so no password that somebody forgot to change."""
    async with whole(sandbox, await postgres.create_database("new_site")) as site:
        async with aiohttp.ClientSession() as http:
            for user, word in LIKELY:
                async with http.post(
                    f"{site.base}/api/v1/session",
                    json={"user": user, "password": word},
                    headers={"Origin": site.base},
                ) as answer:
                    told = await answer.json()
                    assert (answer.status, told["code"]) in {
                        (401, "wrong_password"),
                        (429, "throttled"),
                    }
        await site.supervisor()
        assert site.people[0].me["roles"] == ["supervisor"], "who was added can sign in"


async def test_an_account_that_asterisk_refuses_is_told_everywhere(
    sandbox: TestSandbox, database: str
) -> None:
    async with whole(sandbox, database) as site:
        assert site.server is not None
        await site.server.stop()
        values = site.site.values()
        values["pbx"]["ami_secret"] = "not the secret"
        await site.start_server(site.write_settings("refused", values))
        leader = await site.supervisor()
        await pbx_is(leader, "refused")
        assert leader.live is not None
        await leader.live.wait_for(
            lambda rows: [row["code"] for row in rows["alarms"].values()] == ["pbx_refused"]
        )

        status, text = await site.fetch("/healthz")
        health = json.loads(text)
        assert (status, health["status"], health["pbx"]) == (503, "not_ready", "refused")
        assert "Authentication failed" in health["pbx_reason"]
        figures = await site.figures()
        assert figures["zuoxi_pbx_state", "refused"] == 1
        assert figures["zuoxi_pbx_state", "ready"] == 0


async def test_figures_of_the_link_are_those_of_the_link(
    sandbox: TestSandbox, database: str
) -> None:
    async with whole(sandbox, database, proxied=True) as site:
        assert site.proxy is not None
        leader = await site.supervisor()
        site.proxy.stall()
        caller = await site.far_end.call("support", "+8613800138000")
        await caller.answered.wait()
        answered_at = time.time()
        await caller.hears()
        held_seconds = time.time() - answered_at
        site.proxy.go_on()
        await site.journalled("QueueEntered")
        figures = await site.figures()
        assert figures["zuoxi_pbx_state", "ready"] == 1
        assert figures[("zuoxi_pbx_lag_seconds",)] >= held_seconds
        health = json.loads((await site.fetch("/healthz"))[1])
        assert health["lag_seconds"] >= held_seconds
        await lag_shows(leader, held_seconds)
        assert figures["zuoxi_pbx_events_total", "Newchannel"] >= 1
        assert figures[("zuoxi_pbx_reconnects_total",)] == 0
        assert figures["zuoxi_queue_waiting", "support"] == 1

        site.proxy.refuse = True
        site.proxy.cut()
        await pbx_is(leader, "disconnected")
        assert (await site.fetch("/healthz"))[0] == 503
        figures = await site.figures()
        assert figures["zuoxi_pbx_state", "disconnected"] == 1
        assert figures["zuoxi_pbx_state", "ready"] == 0
        site.proxy.refuse = False
        await pbx_is(leader, "ready")
        assert (await site.fetch("/healthz"))[0] == 200
        assert (await site.figures())[("zuoxi_pbx_reconnects_total",)] == 1


async def test_its_own_tls_is_all_that_it_speaks(
    sandbox: TestSandbox, database: str, tmp_path: Path
) -> None:
    pem = self_made(tmp_path)
    async with whole(sandbox, database) as site:
        assert site.server is not None
        await site.server.stop()
        plain = site.base
        values = site.site.values()
        values["web"] |= pem.web
        site.trusted = ssl.create_default_context(cafile=pem.chain)
        await site.start_server(site.write_settings("secured", values))
        await site.ready()
        assert site.base.startswith("https://")

        agent = await site.agent("1001")
        [cookie] = agent.http.cookie_jar
        assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "Strict")
        assert (cookie.key, cookie["path"]) == ("__Host-zuoxi_session", "/")
        async with agent.http.get(f"{site.base}/healthz") as answer:
            assert "max-age" in answer.headers["Strict-Transport-Security"]
        assert agent.live is not None
        wire = agent.live.socket.get_extra_info("ssl_object")
        assert wire.version() in {"TLSv1.2", "TLSv1.3"}
        await agent.act("/agent/not-ready", reason="rest")
        await agent.state("not_ready")

        async with aiohttp.ClientSession() as http:
            with pytest.raises(aiohttp.ClientConnectionError):
                await http.get(f"{plain}/healthz")
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await http.get(f"{site.base}/healthz")
        assert (await site.fetch("/healthz"))[0] == 200, "nor did that harm anybody"


async def test_it_ends_at_once_though_browsers_are_connected(
    sandbox: TestSandbox, database: str
) -> None:
    async with whole(sandbox, database) as site:
        people = [await site.agent("1001"), await site.supervisor()]
        assert site.server is not None
        assert await site.server.stop() == 0
        for each in people:
            assert each.live is not None
            assert await each.live.closed() == GOING_AWAY
