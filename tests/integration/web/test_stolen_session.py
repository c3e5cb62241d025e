"""A cookie in other hands: whose rights it has, what does not come with it, and when it ends."""

import asyncio
import time

import pytest
import websockets

from web import users
from web.endpoint import COOKIE
from web.sessions import key_of

PROMISED_SECONDS = 2.0


async def test_a_stolen_cookie_has_its_owners_rights_and_not_those_of_the_browser(site):
    """Whoever was signed in there before: the rights follow the session, nothing is mixed."""
    amy, ada = await site.browser("amy"), await site.browser("ada")
    thief = site.anonymous(cookies={COOKIE: amy.cookie})
    thief.csrf = ada.csrf
    assert (await thief.send("GET", "/api/v1/session"))[1]["user"] == "amy"
    status, body = await thief.send("POST", "/api/v1/floor/agents/1002/state", {"state": "ready"})
    assert (status, body["code"]) == (403, "csrf"), "the token of another session"
    thief.csrf = amy.csrf
    status, body = await thief.send("POST", "/api/v1/floor/agents/1002/state", {"state": "ready"})
    assert (status, body["code"]) == (403, "no_right"), "an agent's right, not the admin's"
    async with thief.live() as live:
        await live.send({"type": "subscribe", "topics": ["floor"]})
        assert await live.closed() == 4403


async def test_two_cookies_at_once_are_one_session(site):
    """A second cookie of the name, as a neighbouring host could plant it, adds no rights."""
    amy, ada = await site.browser("amy"), await site.browser("ada")
    for pair in ((amy, ada), (ada, amy)):
        cookies = "; ".join(f"{COOKIE}={each.cookie}" for each in pair)
        async with site.anonymous().client.get(
            f"{site.url}/api/v1/session", headers={"Cookie": cookies}
        ) as answer:
            me = await answer.json()
        assert me["user"] in {"amy", "ada"}
        assert me["csrf"] == {"amy": amy, "ada": ada}[me["user"]].csrf
        assert ("desk.use" in me["rights"]) == (me["user"] == "amy")


async def test_a_cookie_that_was_planted_is_not_the_one_that_signing_in_gives(site, pool):
    planted = "A" * 43
    browser = site.anonymous(cookies={COOKIE: planted})
    await browser.sign_in("amy")
    assert browser.cookie != planted
    assert await pool.fetchval("SELECT count(*) FROM sessions") == 1
    assert not await pool.fetchval(
        "SELECT count(*) FROM sessions WHERE token_sha256 = $1", key_of(planted)
    )


async def test_signing_in_again_ends_the_session_that_the_browser_had(site):
    """Also another user's: a thief's session planted in amy's browser is not hers afterwards."""
    browser = await site.browser("ben")
    before = browser.cookie
    async with browser.live() as live:
        await live.subscribe("desk")
        await browser.sign_in("amy")
        assert await live.closed() == 4401
    assert browser.cookie != before
    old = site.anonymous(cookies={COOKIE: before})
    assert (await old.send("GET", "/api/v1/session"))[0] == 401


async def test_a_revoked_session_loses_its_connections_in_the_promised_time(site, pool):
    """The worst moment: just after the table was looked at."""
    browser, other = await site.browser("amy"), await site.browser("ben")
    async with browser.live() as live, other.live() as bystander:
        await live.subscribe("desk")
        await bystander.subscribe("desk")
        await _just_refreshed(site, pool)
        revoke = "UPDATE sessions SET revoked_at = now() WHERE token_sha256 = $1"
        await pool.execute(revoke, key_of(browser.cookie))
        started = time.monotonic()
        assert await live.closed() == 4401
        assert time.monotonic() - started < PROMISED_SECONDS
        assert site.hub.sessions() == {key_of(other.cookie)}
    assert (await browser.send("GET", "/api/v1/session"))[0] == 401
    with pytest.raises(websockets.InvalidStatus):
        async with browser.live():
            pass


async def _just_refreshed(site, pool):
    """Wait until the server has looked at the table: it writes then who was seen."""
    person = await site.browser("quinn")
    seen = "SELECT last_seen_at FROM sessions WHERE token_sha256 = $1"
    before = await pool.fetchval(seen, key_of(person.cookie))
    await person.send("GET", "/api/v1/session")
    while await pool.fetchval(seen, key_of(person.cookie)) == before:  # noqa: ASYNC110
        await asyncio.sleep(0.002)


async def test_the_cookie_is_for_our_pages_alone_and_dies_with_the_browser(site, password):
    async with site.anonymous().client.post(
        f"{site.url}/api/v1/session",
        json={"user": "amy", "password": password},
        headers={"Origin": site.origin},
    ) as answer:
        flags = answer.headers["Set-Cookie"].split("; ")[1:]
    assert sorted(flags) == ["HttpOnly", "Path=/", "SameSite=Strict"]


async def test_many_who_come_back_at_once_are_one_query(serve, pool, monkeypatch):
    """After a restart: all panels at once, and each brings a session that only the table knows."""
    first = await serve()
    cookies = [(await first.browser("lea")).cookie for _ in range(30)]
    second = await serve()
    queries = []
    source = second.pool.__call__

    async def counted(_self):
        queries.append(1)
        return await source()

    monkeypatch.setattr(type(second.pool), "__call__", counted)
    back = [second.anonymous(cookies={COOKIE: cookie}) for cookie in cookies]
    answers = await asyncio.gather(*(each.send("GET", "/api/v1/session") for each in back))
    assert [status for status, _ in answers] == [200] * 30
    assert len(queries) <= 10


async def test_a_session_whose_user_is_gone_between_two_requests(site, pool):
    browser = await site.browser("amy")
    async with pool.acquire() as connection:
        await users.disable_user(connection, "amy")
    fresh = await site.browser("ben")
    await _just_refreshed(site, pool)
    await _just_refreshed(site, pool)
    assert (await browser.send("POST", "/api/v1/agent/ready"))[0] == 401
    assert (await fresh.send("POST", "/api/v1/agent/ready"))[0] == 204
    assert [type(each).__name__ for each in site.core.asked] == ["SetReady"]
