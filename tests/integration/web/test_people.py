"""People as administrators see them: users, teams, sessions, the trail; and one's own account."""

import asyncio
import contextlib
import csv
import io
import json
import time
from urllib.parse import urlsplit

import aiohttp
import pytest
import structlog

from cti import domain, inputs
from tests.support.until import until
from web import trail as trail_of_deeds
from web import users
from web.database import connected

NUMBER = "+8613800138000"
PEOPLE = "/api/v1/people"


@pytest.fixture
async def ada(site):
    """Sign the administrator in."""
    return await site.browser("ada")


async def found(ada, query=""):
    status, body = await ada.send("GET", f"{PEOPLE}/users{query}")
    assert status == 200, body
    return [item["name"] for item in body["items"]]


async def user_of(ada, name):
    _, body = await ada.send("GET", f"{PEOPLE}/users?q={name}")
    return body["items"][0]


async def team_of(ada, name):
    _, body = await ada.send("GET", f"{PEOPLE}/departments")
    return next(t for d in body["departments"] for t in d["teams"] if t["name"] == name)


async def trail(ada, query=""):
    status, body = await ada.send("GET", f"/api/v1/audit{query}")
    assert status == 200, body
    return body["items"]


EVERYBODY = ["ada", "amy", "ben", "cai", "dora", "lea", "quinn", "sue"]


async def test_the_list_is_searched_filtered_and_paged(site, ada):
    assert await found(ada) == EVERYBODY
    assert await found(ada, "?q=A") == ["ada", "amy", "cai", "dora", "lea"]
    assert await found(ada, "?q=1002") == ["ben"]
    assert await found(ada, "?q=%25") == []
    assert await found(ada, "?role=agent") == ["amy", "ben", "cai"]
    blue = (await team_of(ada, "blue"))["team_id"]
    assert await found(ada, f"?team={blue}") == ["cai"]
    await ada.send("PATCH", f"{PEOPLE}/users/{(await user_of(ada, 'cai'))['user_id']}", OFF)
    assert await found(ada, "?state=disabled") == ["cai"]
    assert "cai" not in await found(ada, "?state=active")
    _, page = await ada.send("GET", f"{PEOPLE}/users?limit=3")
    assert (page["total"], page["next"]) == (8, "ben")
    assert await found(ada, "?limit=5&cursor=ben") == EVERYBODY[3:]
    _, page = await ada.send("GET", f"{PEOPLE}/users?limit=5&cursor=ben")
    assert page["next"] is None


OFF, ON = {"disabled": True}, {"disabled": False}


async def test_a_leader_sees_the_people_of_the_team_alone(site):
    lea = await site.browser("lea")
    assert "cai" not in await found(lea)
    assert "amy" in await found(lea)
    _, body = await lea.send("GET", f"{PEOPLE}/departments")
    assert [team["name"] for team in body["departments"][0]["teams"]] == ["red"]


async def test_a_new_user_signs_in_once_with_the_password_and_changes_it(site, ada):
    red = (await team_of(ada, "red"))["team_id"]
    wish = {"name": "Mei", "full_name": "林梅", "roles": ["quality"], "team_id": red}
    status, added = await ada.send("POST", f"{PEOPLE}/users", wish)
    assert status == 200, added
    assert (added["user"]["name"], added["user"]["team"]) == ("mei", "red")
    once = added["password"]
    mei = site.anonymous()
    me = await mei.sign_in("mei", once)
    assert me["must_change_password"]
    for method, path in (("GET", "/api/v1/calls"), ("GET", "/api/v1/floor")):
        status, body = await mei.send(method, path)
        assert (status, body["code"]) == (403, "change_password")
    with pytest.raises(Exception, match="403"):
        async with mei.live():
            pass

    async def change(present, password):
        body = {"present": present, "password": password}
        status, body = await mei.send("PUT", "/api/v1/session/password", body)
        return status, body and body.get("reason", body["code"])

    assert await change("another-Kettle-1", "green-Window-77") == (422, "wrong_present_password")
    assert await change(once, "short") == (422, "password_short")
    assert await change(once, once) == (422, "password_same")
    assert await change(once, "green-mei-1234") == (422, "password_personal")
    assert await change(once, "green-Window-77") == (204, None)
    assert (await mei.send("GET", "/api/v1/calls"))[0] == 200
    _, me = await mei.send("GET", "/api/v1/session")
    assert not me["must_change_password"]
    status, body = await site.anonymous().send(
        "POST", "/api/v1/session", {"user": "mei", "password": once}
    )
    assert (status, body["code"]) == (401, "wrong_password")
    assert not (await site.anonymous().sign_in("mei", "green-Window-77"))["must_change_password"]
    whats = [each["what"] for each in await trail(ada, "?object=mei")]
    assert whats == ["password_changed", "user_added"]
    assert once not in json.dumps(await trail(ada))


@pytest.mark.parametrize(
    ("wish", "code"),
    [
        ({"name": "amy"}, "name_taken"),
        ({"name": "a b"}, "name_characters"),
        ({"roles": ["agent"]}, "agent_needed"),
        ({"roles": ["agent"], "agent_id": "1001"}, "agent_taken"),
        ({"roles": ["agent"], "agent_id": "9999"}, "unknown_agent"),
        ({"team_id": 10**9}, "unknown_team"),
        ({"roles": []}, "invalid"),
        ({"roles": ["king"]}, "invalid"),
        ({"name": "x\0"}, "invalid"),
        ({"full_name": "x" * 81}, "invalid"),
        ({"password": "blue-Kettle-77"}, "invalid"),
    ],
)
async def test_what_no_user_can_be(ada, wish, code):
    _, body = await ada.send(
        "POST", f"{PEOPLE}/users", {"name": "mei", "roles": ["quality"]} | wish
    )
    assert body.get("reason", body["code"]) == code
    assert await found(ada) == EVERYBODY


async def test_a_change_takes_effect_at_once_and_is_on_the_trail(site, ada):
    amy = await site.browser("amy")
    line = await user_of(ada, "amy")
    path = f"{PEOPLE}/users/{line['user_id']}"
    async with amy.live() as live:
        await live.subscribe("desk")
        change = {"roles": ["agent", "quality"], "full_name": "Amy Lin"}
        status, after = await ada.send("PATCH", path, change)
        assert (status, after["roles"], after["agent_id"]) == (200, ["agent", "quality"], "1001")
        assert await live.closed() == 1001
    _, me = await amy.send("GET", "/api/v1/session")
    assert me["rights"]["calls.see"] == "all"
    entry = (await trail(ada, "?what=user_changed"))[0]
    assert (entry["user"], entry["kind"], entry["object_name"]) == ("ada", "user", "amy")
    assert entry["facts"] == {
        "roles": {"before": ["agent"], "after": ["agent", "quality"]},
        "full_name": {"before": "amy", "after": "Amy Lin"},
    }
    await ada.send("PATCH", path, {})
    assert len(await trail(ada, "?what=user_changed")) == 1


async def test_who_is_disabled_is_out_and_comes_back_when_enabled(site, ada, password):
    amy = await site.browser("amy")
    path = f"{PEOPLE}/users/{(await user_of(ada, 'amy'))['user_id']}"
    assert (await ada.send("PATCH", path, OFF))[1]["disabled"]
    assert (await amy.send("GET", "/api/v1/session"))[0] == 401
    wish = {"user": "amy", "password": password}
    assert (await site.anonymous().send("POST", "/api/v1/session", wish))[0] == 401
    assert not (await ada.send("PATCH", path, ON))[1]["disabled"]
    assert (await amy.send("GET", "/api/v1/session"))[0] == 401, "the old session stays over"
    await site.browser("amy")


@pytest.mark.parametrize("change", [OFF, {"roles": ["leader"]}, {"agent_id": "1002"}])
async def test_who_is_that_agent_no_more_leaves_the_seat(site, ada, pool, change):
    await pool.execute("UPDATE users SET agent_id = NULL, roles = '{leader}' WHERE name = 'ben'")
    path = f"{PEOPLE}/users/{(await user_of(ada, 'amy'))['user_id']}"
    assert (await ada.send("PATCH", path, {"full_name": "Amy Li"}))[0] == 200
    assert not site.core.asked
    site.core.refuse[inputs.ForceState] = ("not_signed_in", {})
    assert (await ada.send("PATCH", path, change))[0] == 200
    (order,) = site.core.asked
    assert (order.agent_id, order.state, order.by) == ("1001", "signed_out", "ada")


async def test_one_stays_administrator_oneself_and_the_centre_keeps_one(site, ada, pool):
    mine = f"{PEOPLE}/users/{(await user_of(ada, 'ada'))['user_id']}"
    for change in (OFF, {"roles": ["quality"]}):
        status, body = await ada.send("PATCH", mine, change)
        assert (status, body["code"]) == (409, "own_account")
    assert (await ada.send("POST", f"{mine}/password"))[1]["code"] == "own_account"
    assert (await ada.send("PATCH", mine, {"roles": ["quality", "admin"]}))[0] == 200
    # Two administrators: the right was taken from ada a moment ago, her session does not know yet.
    sue = await user_of(ada, "sue")
    await ada.send("PATCH", f"{PEOPLE}/users/{sue['user_id']}", {"roles": ["admin"]})
    await pool.execute("UPDATE users SET disabled_at = now() WHERE name = 'ada'")
    status, body = await ada.send("PATCH", f"{PEOPLE}/users/{sue['user_id']}", OFF)
    assert (status, body["code"]) == (409, "last_administrator")


async def test_a_password_given_by_an_administrator_ends_the_sessions(site, ada, password):
    amy = await site.browser("amy")
    line = await user_of(ada, "amy")
    status, body = await ada.send("POST", f"{PEOPLE}/users/{line['user_id']}/password")
    assert status == 200
    assert (await amy.send("GET", "/api/v1/session"))[0] == 401
    assert (await site.anonymous().sign_in("amy", body["password"]))["must_change_password"]
    assert body["password"] not in json.dumps(await trail(ada))
    assert (await trail(ada, "?what=password_set"))[0]["object_name"] == "amy"


async def test_sessions_are_shown_and_ended(site, ada):
    first, second = await site.browser("amy"), site.anonymous()
    second.client.headers["User-Agent"] = "Second/1.0"
    await second.sign_in("amy")
    path = f"{PEOPLE}/users/{(await user_of(ada, 'amy'))['user_id']}/sessions"
    _, body = await ada.send("GET", path)
    assert {item["device"][:6] for item in body["items"]} == {"Second", "Python"}
    assert {item["address"] for item in body["items"]} == {"127.0.0.1"}
    assert not any(item["current"] for item in body["items"])
    other = next(item for item in body["items"] if item["device"] == "Second/1.0")
    async with second.live() as live:
        await live.subscribe("desk")
        assert (await ada.send("DELETE", f"{path}/{other['session_id']}"))[0] == 204
        assert await live.closed() == 4401
    status, body = await ada.send("DELETE", f"{path}/{other['session_id']}")
    assert (status, body["code"]) == (404, "unknown_session")
    assert (await second.send("GET", "/api/v1/session"))[0] == 401
    assert (await first.send("GET", "/api/v1/session"))[0] == 200
    assert (await ada.send("DELETE", path))[0] == 204
    assert (await first.send("GET", "/api/v1/session"))[0] == 401
    assert len(await trail(ada, "?what=sessions_ended&object=amy")) == 2


async def test_ones_own_sessions(site, ada):
    amy, other = await site.browser("amy"), await site.browser("amy")
    _, body = await amy.send("GET", "/api/v1/session/all")
    assert sorted(item["current"] for item in body["items"]) == [False, True]
    end = "/api/v1/session/others/end"
    status, problem = await amy.send("POST", end, {"present": "not-her-password"})
    assert (status, problem["code"]) == (422, "wrong_present_password")
    assert (await other.send("GET", "/api/v1/session"))[0] == 200
    assert (await amy.send("POST", end, {"present": "blue-kettle-42"}))[0] == 204
    assert (await other.send("GET", "/api/v1/session"))[0] == 401
    assert (await amy.send("GET", "/api/v1/session"))[0] == 200
    third = await site.browser("amy")
    change = {"present": "blue-kettle-42", "password": "green-Window-77"}
    assert (await amy.send("PUT", "/api/v1/session/password", change))[0] == 204
    assert (await third.send("GET", "/api/v1/session"))[0] == 401
    assert (await amy.send("GET", "/api/v1/session"))[0] == 200


@pytest.mark.parametrize("length", [64, 256])
async def test_a_long_password_is_taken_whole(site, length):
    amy = await site.browser("amy")
    longest = ("wide-Meadow 长" + "x1y2" * 64)[:length]
    change = {"present": "blue-kettle-42", "password": longest}
    assert (await amy.send("PUT", "/api/v1/session/password", change))[0] == 204
    again = {"user": "amy", "password": longest}
    assert (await amy.send("POST", "/api/v1/session", again))[0] == 200
    again["password"] = longest[:-1]
    assert (await amy.send("POST", "/api/v1/session", again))[0] == 401


async def test_departments_and_teams(site, ada):
    _, sales = await ada.send("POST", f"{PEOPLE}/departments", {"name": " 销售 "})
    assert sales["name"] == "销售"
    status, body = await ada.send("POST", f"{PEOPLE}/departments", {"name": "销售"})
    assert (status, body["code"]) == (409, "name_in_use")
    wish = {"name": "north", "department_id": sales["department_id"]}
    _, north = await ada.send("POST", f"{PEOPLE}/teams", wish)
    assert (await ada.send("POST", f"{PEOPLE}/teams", wish))[1]["code"] == "name_in_use"
    path, place = (
        f"{PEOPLE}/teams/{north['team_id']}",
        f"{PEOPLE}/departments/{sales['department_id']}",
    )
    assert (await ada.send("DELETE", place))[1]["code"] == "still_in_use"
    assert (await ada.send("PATCH", path, wish | {"name": "south"}))[0] == 204
    amy = f"{PEOPLE}/users/{(await user_of(ada, 'amy'))['user_id']}"
    await ada.send("PATCH", amy, {"team_id": north["team_id"]})
    assert (await team_of(ada, "south"))["members"] == 1
    assert (await ada.send("DELETE", path))[1]["code"] == "still_in_use"
    assert (await ada.send("PATCH", amy, {"team_id": None}))[1]["team"] is None
    assert (await ada.send("DELETE", path))[0] == 204
    assert (await ada.send("PATCH", place, {"name": "Sales"}))[0] == 204
    assert (await ada.send("DELETE", place))[0] == 204
    for gone in (path, place):
        assert (await ada.send("DELETE", gone))[1]["code"] == "unknown_team"
    bad = {"name": "x", "department_id": 10**9}
    assert (await ada.send("POST", f"{PEOPLE}/teams", bad))[1]["code"] == "unknown_team"
    whats = [each["what"] for each in await trail(ada) if each["kind"] in ("team", "department")]
    assert whats == [
        *("department_removed", "department_changed", "team_removed", "team_changed"),
        *("team_added", "department_added"),
    ]


@pytest.mark.parametrize("name", ["", " ", "a/b", "x" * 81, "a\0b", "a\nb"])
async def test_names_that_no_department_has(ada, name):
    status, body = await ada.send("POST", f"{PEOPLE}/departments", {"name": name})
    assert (status, body["code"]) == (422, "invalid")


@pytest.mark.parametrize("user_id", ["0", "x", "-1", "9" * 30, "%00", "²"])
async def test_forged_ids_are_unknown(ada, user_id):
    status, body = await ada.send("PATCH", f"{PEOPLE}/users/{user_id}", OFF)
    assert (status, body["code"]) == (404, "unknown_user")


async def test_the_trail_tells_of_signing_in_and_out(site, ada):
    amy = await site.browser("amy")
    await amy.send("DELETE", "/api/v1/session")
    for user in ("amy", "amy", "hunter2-my-password"):
        wish = {"user": user, "password": "wrong-Kettle-1"}
        await site.anonymous().send("POST", "/api/v1/session", wish)
    told = [(each["what"], each["user"]) for each in await trail(ada)]
    assert sorted(told[:-2]) == [
        ("sign_in_refused", "amy"),
        ("sign_in_refused", "hu…"),
        ("signed_out", "amy"),
    ]
    assert told[-2:] == [("signed_in", "amy"), ("signed_in", "ada")]


async def test_the_trail_is_filtered_and_paged(site, ada):
    await site.browser("amy")
    await site.browser("ben")
    _, page = await ada.send("GET", "/api/v1/audit?limit=2")
    assert [item["user"] for item in page["items"]] == ["ben", "amy"]
    _, page = await ada.send("GET", f"/api/v1/audit?limit=2&cursor={page['next']}")
    assert ([item["user"] for item in page["items"]], page["next"]) == (["ada"], None)
    assert [each["user"] for each in await trail(ada, "?who=ben")] == ["ben"]
    at = page["items"][0]["at"]
    assert [each["user"] for each in await trail(ada, f"?to={at + 0.000001}")] == ["ada"]
    assert len(await trail(ada, f"?from={at + 0.000001}")) == 2
    for query in ("limit=0", "cursor=x", "what=DROP", "from=nan", "who=%00", "nonsense=1"):
        status, body = await ada.send("GET", f"/api/v1/audit?{query}")
        assert (status, body["code"]) == (422, "invalid"), query


async def test_the_trail_as_a_file_runs_no_formula(site, ada, monkeypatch):
    monkeypatch.setattr("web.trail.FILE_PAGE", 2)
    wish = {"user": "=1", "password": "wrong-Kettle-1"}
    await site.anonymous().send("POST", "/api/v1/session", wish)
    await ada.send("POST", f"{PEOPLE}/departments", {"name": "@SUM(A1)"})
    async with ada.client.get(f"{site.url}/api/v1/audit.csv") as answer:
        assert answer.headers["Content-Type"].startswith("text/csv")
        assert "attachment" in answer.headers["Content-Disposition"]
        data = await answer.read()
    assert data.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))
    assert [row["what"] for row in rows] == ["department_added", "sign_in_refused", "signed_in"]
    assert rows[0]["object_name"] == "'@SUM(A1)"
    assert rows[1]["user_name"] == "'=1…"
    assert (await trail(ada))[0]["what"] == "audit_exported"


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_a_file_of_the_trail_that_breaks_off_does_not_pass_for_whole(
    site, ada, monkeypatch, version
):
    """HTTP/1.0 knows no end of an answer but that of the connection."""
    monkeypatch.setattr("web.trail.FILE_PAGE", 1)
    page = trail_of_deeds._page

    async def breaks_off(asked, wanted, before, limit):
        site.pool.away = before is not None
        return await page(asked, wanted, before, limit)

    monkeypatch.setattr("web.trail._page", breaks_off)
    await site.browser("amy")
    address = urlsplit(site.url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    head = f"GET /api/v1/audit.csv HTTP/{version}\r\nHost: x\r\nConnection: close\r\n"
    writer.write(f"{head}Cookie: zuoxi_session={ada.cookie}\r\n\r\n".encode())
    with pytest.raises(ConnectionResetError):
        await reader.read()
    writer.close()
    assert site.pool.away, "else it did not break off"


async def test_a_file_of_the_trail_that_is_not_read_is_cut(site, pool, ada, monkeypatch):
    """There is more of it than the connection's buffers hold."""
    monkeypatch.setattr("web.downloads.WRITE_SECONDS", 0.2)
    await pool.execute("""
        INSERT INTO audit_trail (user_name, address, what, object_kind, object_id, object_name)
        SELECT 'amy', '', 'signed_in', '', '', repeat('x', 40000) FROM generate_series(1, 800)
    """)
    async with site.anonymous(cookies={"zuoxi_session": ada.cookie}).client.get(
        f"{site.url}/api/v1/audit.csv"
    ) as answer:
        assert answer.status == 200
        open_ones = site.connections
        await until(lambda: site.connections < open_ones)
        with pytest.raises(aiohttp.ClientError):
            await answer.read()


async def test_forced_states_and_alarms_are_written_also_after_the_database_was_away(site, ada):
    sue = await site.browser("sue")
    site.hub.raise_alarm("disk", level="error", code="spool_disk")
    site.pool.away = True
    order = {"state": "not_ready", "reason": "meeting"}
    assert (await sue.send("POST", "/api/v1/floor/agents/1001/state", order))[0] == 204
    assert (await sue.send("DELETE", "/api/v1/floor/alarms/disk"))[0] == 204
    site.pool.away = False
    assert (await sue.send("DELETE", "/api/v1/session"))[0] == 204
    told = [(each["what"], each["object_id"]) for each in await trail(ada, "?who=sue")]
    assert told[:3] == [
        ("signed_out", ""),
        ("alarm_cleared", "disk"),
        ("agent_state_forced", "1001"),
    ]
    assert (await trail(ada, "?what=agent_state_forced"))[0]["facts"] == order


# --- revealing ---------------------------------------------------------------------------------


def call(call_id, number):
    at = time.time() - 60
    return [
        domain.CallStarted(
            at=at,
            call_id=call_id,
            direction="inbound",
            caller_number=number,
            caller_name=None,
            called_number=None,
            linkedid=call_id,
        ),
        domain.CallEnded(
            at=at + 9,
            call_id=call_id,
            outcome="answered",
            ended_by="agent",
            talk_seconds=8,
            agent_id="1001",
        ),
    ]


@pytest.fixture
async def calls_of_amy(journalled):
    """Journal a call that amy talks in."""
    await journalled(*call("c1", NUMBER))


async def test_a_number_is_shown_after_it_was_written_that_it_is(site, ada, calls_of_amy):
    amy = await site.browser("amy")
    with structlog.testing.capture_logs() as logs:
        status, body = await amy.send("POST", "/api/v1/calls/c1/reveal")
    assert (status, body) == (200, {"number": NUMBER})
    entry = (await trail(ada, "?what=number_revealed"))[0]
    assert (entry["user"], entry["kind"], entry["object_id"]) == ("amy", "call", "c1")
    assert entry["facts"] == {"number": "+86138****8000"}
    assert NUMBER not in json.dumps([*logs, *await trail(ada)], default=str)
    site.pool.away = True
    status, body = await amy.send("POST", "/api/v1/calls/c1/reveal")
    assert (status, body["code"]) == (503, "database_away")
    assert NUMBER not in str(body)


async def test_no_number_gets_into_the_logs(site, ada, calls_of_amy, capsys):
    amy, lea = await site.browser("amy"), await site.browser("lea")
    with structlog.testing.capture_logs() as logs:
        for browser, method, path in [
            (lea, "GET", f"/api/v1/calls?q={NUMBER[1:]}"),
            (amy, "GET", f"/api/v1/calls?q={NUMBER[1:]}"),
            (amy, "POST", "/api/v1/calls/c1/reveal"),
            (amy, "GET", f"/api/v1/calls/{NUMBER}"),
            (lea, "POST", f"/api/v1/calls/{NUMBER}/reveal"),
            (ada, "GET", f"{PEOPLE}/users?q={NUMBER[1:]}"),
            (ada, "GET", f"/api/v1/audit?object={NUMBER[1:]}"),
        ]:
            await browser.send(method, path)
        site.pool.away = True
        await lea.send("GET", f"/api/v1/calls?q={NUMBER[1:]}")
        await amy.send("POST", "/api/v1/calls/c1/reveal")
    told = json.dumps(logs, default=str) + "".join(capsys.readouterr())
    assert "database_away" in told
    assert NUMBER[1:] not in told


async def test_who_hides_the_number_has_none_to_show(site, journalled):
    await journalled(*call("c1", None))
    status, body = await (await site.browser("quinn")).send("POST", "/api/v1/calls/c1/reveal")
    assert (status, body["code"]) == (404, "no_number")


async def test_passwords_that_nobody_could_check_are_no_guesses(site):
    amy = await site.browser("amy")
    change = {"present": "blue-kettle-42", "password": "green-Window-77"}
    site.pool.away = True
    for _ in range(5):
        status, body = await amy.send("PUT", "/api/v1/session/password", change)
        assert (status, body["code"]) == (503, "database_away")
    site.pool.away = False
    assert (await amy.send("PUT", "/api/v1/session/password", change))[0] == 204


async def test_a_password_is_hashed_while_no_connection_is_held(ada, monkeypatch):
    hash_password, held = users.Passwords.hash, []
    at_hash = []

    @contextlib.asynccontextmanager
    async def noted(source):
        async with connected(source) as connection:
            held.append(connection)
            yield connection
            held.remove(connection)

    async def hash_and_look(passwords, password):
        at_hash.append(len(held))
        return await hash_password(passwords, password)

    monkeypatch.setattr("web.people.connected", noted)
    monkeypatch.setattr(users.Passwords, "hash", hash_and_look)
    status, body = await ada.send("POST", f"{PEOPLE}/users", {"name": "mei", "roles": ["quality"]})
    assert status == 200, body
    path = f"{PEOPLE}/users/{body['user']['user_id']}/password"
    assert (await ada.send("POST", path))[0] == 200
    assert at_hash == [0, 0]
