"""Signing in: passwords, cookies, CSRF, origins, throttling, revocation, and a database away."""

import asyncio
import hashlib

import pytest

from web import users


async def test_sign_in_tells_who_one_is_and_sets_a_cookie_for_us_alone(site, password):
    browser = site.anonymous()
    async with browser.client.post(
        f"{site.url}/api/v1/session",
        json={"user": " AMY ", "password": password},
        headers={"Origin": site.origin},
    ) as answer:
        me = await answer.json()
        cookie = answer.headers["Set-Cookie"]
    assert (me["user"], me["roles"], me["agent_id"]) == ("amy", ["agent"], "1001")
    assert me["rights"]["calls.see"] == "own"
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert await browser.send("GET", "/api/v1/session") == (200, me)


@pytest.mark.parametrize(
    ("user", "word"), [("amy", "blue-kettle-43"), ("nobody", "x"), ("\0", "x")]
)
async def test_wrong_credentials_do_not_say_which(site, user, word):
    status, body = await site.anonymous().send(
        "POST", "/api/v1/session", {"user": user, "password": word}
    )
    assert (status, body["code"]) in [(401, "wrong_password"), (422, "invalid")]
    assert "title" in body
    assert body["action"]


async def test_guessing_is_slowed_down_even_when_done_at_the_same_time(site, password):
    async def guess(number: int) -> str:
        _, body = await site.anonymous().send(
            "POST", "/api/v1/session", {"user": "amy", "password": f"guess-{number}"}
        )
        return body["code"]

    codes = await asyncio.gather(*(guess(number) for number in range(12)))
    assert codes.count("wrong_password") == 3
    assert codes.count("throttled") == 9
    status, body = await site.anonymous().send(
        "POST", "/api/v1/session", {"user": "amy", "password": password}
    )
    assert (status, body["code"]) == (429, "throttled")
    assert body["retry_seconds"] >= 1
    await site.browser("ben")


async def test_a_clock_set_back_locks_nobody_out(serve):
    now = [1_800_000_000.0]
    site = await serve(clock=lambda: now[0])
    guess = {"user": "amy", "password": "a-wrong-guess"}
    for _ in range(3):
        assert (await site.anonymous().send("POST", "/api/v1/session", guess))[0] == 401
    now[0] -= 3600
    status, body = await site.anonymous().send("POST", "/api/v1/session", guess)
    assert (status, body["retry_seconds"]) == (429, 1)


async def test_problems_speak_the_callers_language(site):
    _, chinese = await site.anonymous().send(
        "GET", "/api/v1/session", headers={"Accept-Language": "en;q=0.3, zh-CN"}
    )
    _, english = await site.anonymous().send(
        "GET", "/api/v1/session", headers={"Accept-Language": "en-GB,zh;q=0.8"}
    )
    assert (chinese["title"], english["title"]) == ("尚未登录", "Not signed in")
    assert chinese["code"] == english["code"] == "signed_out"


async def test_mutations_need_csrf_token_and_our_origin(site):
    browser = await site.browser("amy")
    for headers, code in [
        ({"X-Zuoxi-Csrf": ""}, "csrf"),
        ({"X-Zuoxi-Csrf": "ä" * 43}, "csrf"),
        ({"Origin": "https://evil.example"}, "wrong_origin"),
        ({"Origin": "null"}, "wrong_origin"),
        ({"Origin": ""}, "wrong_origin"),
        ({"Origin": site.origin + ".evil.example"}, "wrong_origin"),
    ]:
        status, body = await browser.send("POST", "/api/v1/agent/ready", headers=headers)
        assert (status, body["code"]) == (403, code), headers
    assert site.core.asked == []
    assert await browser.send("POST", "/api/v1/agent/ready") == (204, None)


async def test_signing_in_needs_our_origin_too(site, password):
    status, body = await site.anonymous().send(
        "POST",
        "/api/v1/session",
        {"user": "amy", "password": password},
        headers={"Origin": "https://evil.example"},
    )
    assert (status, body["code"]) == (403, "wrong_origin")


async def test_forged_cookies_open_nothing(site):
    real = await site.browser("amy")
    stored = hashlib.sha256(real.cookie.encode()).hexdigest()
    for forged in ["", "x", "A" * 43, stored, real.cookie[:-1] + "!", real.cookie + "A"]:
        browser = site.anonymous(cookies={"zuoxi_session": forged})
        status, body = await browser.send("GET", "/api/v1/session")
        assert (status, body["code"]) == (401, "signed_out"), forged


async def test_a_csrf_token_of_another_session_does_not_fit(site):
    amy, ben = await site.browser("amy"), await site.browser("ben")
    amy.csrf = ben.csrf
    status, body = await amy.send("POST", "/api/v1/agent/ready")
    assert (status, body["code"]) == (403, "csrf")


async def test_signing_out_ends_the_session_here_and_in_the_table(site, pool):
    browser = await site.browser("amy")
    token = browser.cookie
    assert await browser.send("DELETE", "/api/v1/session") == (204, None)
    again = site.anonymous(cookies={"zuoxi_session": token})
    assert (await again.send("GET", "/api/v1/session"))[0] == 401
    assert await pool.fetchval("SELECT count(*) FROM sessions WHERE revoked_at IS NOT NULL") == 1


async def test_the_language_is_kept_with_the_user(site):
    browser = await site.browser("amy")
    status, me = await browser.send("PUT", "/api/v1/session/language", {"language": "zh-CN"})
    assert (status, me["language"]) == (200, "zh-CN")
    assert (await (await site.browser("amy")).send("GET", "/api/v1/session"))[1]["language"] == (
        "zh-CN"
    )
    status, body = await browser.send("PUT", "/api/v1/session/language", {"language": "fr"})
    assert (status, body["code"], body["title"]) == (422, "invalid", "填写有误")
    assert body["errors"][0]["field"] == "language"


async def test_who_is_signed_in_goes_on_while_the_database_is_away(site, password, pool):
    browser = await site.browser("amy")
    token = browser.cookie
    site.pool.away = True
    assert (await browser.send("GET", "/api/v1/session"))[0] == 200
    assert (await browser.send("POST", "/api/v1/agent/ready"))[0] == 204
    status, body = await site.anonymous().send(
        "POST",
        "/api/v1/session",
        {"user": "ben", "password": password},
        headers={"Accept-Language": "en"},
    )
    assert (status, body["code"]) == (503, "database_away")
    assert "Calls go on" in body["detail"]
    assert (await browser.send("DELETE", "/api/v1/session"))[0] == 204
    site.pool.away = False
    again = site.anonymous(cookies={"zuoxi_session": token})
    assert (await again.send("GET", "/api/v1/session"))[0] == 401
    written = "SELECT bool_and(revoked_at IS NOT NULL) FROM sessions"
    while not await pool.fetchval(written):  # noqa: ASYNC110 - a table tells nobody
        await asyncio.sleep(0.1)


async def test_a_server_that_starts_anew_knows_the_sessions(serve):
    first = await serve()
    browser = await first.browser("amy")
    second = await serve()
    same = second.anonymous(cookies={"zuoxi_session": browser.cookie})
    status, me = await same.send("GET", "/api/v1/session")
    assert (status, me["user"]) == (200, "amy")


async def test_idle_and_old_sessions_end(serve):
    now = [1_800_000_000.0]
    site = await serve(clock=lambda: now[0])
    browser = await site.browser("amy")
    now[0] += site.services.settings.session_idle_seconds - 1
    assert (await browser.send("GET", "/api/v1/session"))[0] == 200
    now[0] += site.services.settings.session_idle_seconds - 1
    assert (await browser.send("GET", "/api/v1/session"))[0] == 200
    now[0] += 3
    assert (await browser.send("GET", "/api/v1/session"))[0] == 401, "older than the limit"
    browser = await site.browser("amy")
    now[0] += site.services.settings.session_idle_seconds
    assert (await browser.send("GET", "/api/v1/session"))[0] == 401, "idle for too long"


async def test_a_closed_account_is_out_within_seconds(site, pool):
    browser = await site.browser("amy")
    async with browser.live() as live, pool.acquire() as connection:
        await live.subscribe("desk")
        await users.disable_user(connection, "amy")
        assert await live.closed() == 4401
    assert (await browser.send("GET", "/api/v1/session"))[0] == 401


async def test_a_new_password_ends_all_sessions(site, pool, password):
    browser = await site.browser("amy")
    async with browser.live() as live, pool.acquire() as connection:
        await users.set_password(
            connection, users.Passwords(), name="amy", password="green-teapot-77"
        )
        assert await live.closed() == 4401
    assert (await browser.send("GET", "/api/v1/session"))[0] == 401
    await site.anonymous().sign_in("amy", "green-teapot-77")


RESET = "green-teapot-77"


async def reset(pool):
    """The administrator gives amy another password."""
    async with pool.acquire() as connection:
        await users.set_password(connection, users.Passwords(), name="amy", password=RESET)


async def test_a_change_under_way_does_not_overtake_a_reset(site, pool, monkeypatch, password):
    hash_ = users.Passwords.hash

    async def overtaken(self: users.Passwords, password: str) -> str:
        monkeypatch.setattr(users.Passwords, "hash", hash_)
        await reset(pool)
        return await hash_(self, password)

    thief = await site.browser("amy")
    monkeypatch.setattr(users.Passwords, "hash", overtaken)
    change = {"present": password, "password": "violet-Harbour-31"}
    status, problem = await thief.send("PUT", "/api/v1/session/password", change)
    assert (status, problem["code"]) == (422, "wrong_present_password")
    assert (await site.anonymous().sign_in("amy", RESET))["user"] == "amy"
    stale = {"user": "amy", "password": "violet-Harbour-31"}
    assert (await site.anonymous().send("POST", "/api/v1/session", stale))[0] == 401


async def test_a_sign_in_under_way_does_not_outlive_a_reset(site, pool, monkeypatch, password):
    """Nor does the old password come back where its hash was to be made stronger."""
    check = users.Passwords.check

    async def overtaken(self: users.Passwords, stored: str | None, given: str) -> bool:
        monkeypatch.setattr(users.Passwords, "check", check)
        fits = await check(self, stored, given)
        await reset(pool)
        return fits

    monkeypatch.setattr(users.Passwords, "check", overtaken)
    monkeypatch.setattr(users.Passwords, "outdated", lambda *_: True)
    old = {"user": "amy", "password": password}
    status, problem = await site.anonymous().send("POST", "/api/v1/session", old)
    assert (status, problem["code"]) == (401, "wrong_password")
    assert (await site.anonymous().send("POST", "/api/v1/session", old))[0] == 401
    assert (await site.anonymous().sign_in("amy", RESET))["user"] == "amy"


async def test_the_table_holds_neither_passwords_nor_tokens(site, pool, password):
    browser = await site.browser("amy")
    dump = str(await pool.fetch("SELECT * FROM users")) + str(
        await pool.fetch("SELECT * FROM sessions")
    )
    assert password not in dump
    assert browser.cookie not in dump
    assert dump.count("$argon2id$") == 8
