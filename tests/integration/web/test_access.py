"""Who may do what: every endpoint, for every role, about one's own, one's team's and others' work.

One table says it all; an endpoint that is not in it fails the test.
"""

import re
import time

import pytest

from cti import domain
from web.server import ENDPOINTS

USERS = {
    "agent": "amy",
    "leader": "lea",
    "supervisor": "sue",
    "quality": "quinn",
    "director": "dora",
    "admin": "ada",
}
"""All of team red; amy is agent 1001, ben of her team 1002, cai of team blue 1003."""
AT = time.time() - 600

# Columns: agent leader supervisor quality director admin. `+` may, `!` has no right, `-` the right
# does not reach so far. Three signs: about amy's, about ben's, about cai's.
TABLE = """
POST   /api/v1/session                                      public
GET    /api/v1/session                                      + + + + + +
DELETE /api/v1/session                                      + + + + + +
PUT    /api/v1/session/language                             + + + + + +
GET    /api/v1/floor                                        + + + + + +
POST   /api/v1/floor/agents/{agent_id}/state                !!! ++- +++ !!! !!! !!!
DELETE /api/v1/floor/alarms/{key}                           ! + + ! ! +
POST   /api/v1/agent/sign-in                                + ! ! ! ! !
GET    /api/v1/agent/seat                                   + ! ! ! ! !
POST   /api/v1/agent/sign-out                               + ! ! ! ! !
POST   /api/v1/agent/ready                                  + ! ! ! ! !
POST   /api/v1/agent/not-ready                              + ! ! ! ! !
DELETE /api/v1/agent/next-state                             + ! ! ! ! !
POST   /api/v1/agent/offers/{offer_id}/reject               + ! ! ! ! !
POST   /api/v1/agent/calls/{call_id}/hang-up                + ! ! ! ! !
POST   /api/v1/agent/calls/{call_id}/disposition            + ! ! ! ! !
POST   /api/v1/agent/calls/{call_id}/recording/pause        + ! ! ! ! !
POST   /api/v1/agent/calls/{call_id}/recording/resume       + ! ! ! ! !
POST   /api/v1/agent/wrap-up/extend                         + ! ! ! ! !
GET    /api/v1/calls                                        + + + + + !
GET    /api/v1/calls/{call_id}                              +-- ++- +++ +++ +++ !!!
GET    /api/v1/recordings/{recording_id}/audio              !!! ++- +++ +++ +++ !!!
POST   /api/v1/calls/{call_id}/reveal                       +-- !!! !!! +++ !!! !!!
PUT    /api/v1/session/password                             + + + + + +
GET    /api/v1/session/all                                  + + + + + +
POST   /api/v1/session/others/end                           + + + + + +
GET    /api/v1/people/users                                 ! + + ! + +
POST   /api/v1/people/users                                 ! ! ! ! ! +
PATCH  /api/v1/people/users/{user_id}                       ! ! ! ! ! +
POST   /api/v1/people/users/{user_id}/password              ! ! ! ! ! +
GET    /api/v1/people/users/{user_id}/sessions              ! ! ! ! ! +
DELETE /api/v1/people/users/{user_id}/sessions              ! ! ! ! ! +
DELETE /api/v1/people/users/{user_id}/sessions/{session_id} ! ! ! ! ! +
GET    /api/v1/people/roles                                 ! + + ! + +
GET    /api/v1/people/departments                           ! + + ! + +
POST   /api/v1/people/departments                           ! ! ! ! ! +
PATCH  /api/v1/people/departments/{department_id}           ! ! ! ! ! +
DELETE /api/v1/people/departments/{department_id}           ! ! ! ! ! +
POST   /api/v1/people/teams                                 ! ! ! ! ! +
PATCH  /api/v1/people/teams/{team_id}                       ! ! ! ! ! +
DELETE /api/v1/people/teams/{team_id}                       ! ! ! ! ! +
GET    /api/v1/audit                                        ! ! ! ! + +
GET    /api/v1/audit.csv                                    ! ! ! ! + +
POST   /api/v1/agent/calls/{call_id}/retake                 + ! ! ! ! !
GET    /api/v1/customers/export                             ! ! + ! + !
GET    /api/v1/customers                                    + + + + + !
POST   /api/v1/customers                                    + + + ! ! !
GET    /api/v1/customers/{customer_id}                      + + + + + !
PATCH  /api/v1/customers/{customer_id}                      + + + ! ! !
DELETE /api/v1/customers/{customer_id}                      ! ! + ! ! !
POST   /api/v1/customers/{customer_id}/restore              ! ! + ! ! !
GET    /api/v1/customers/{customer_id}/timeline             + + + + + !
POST   /api/v1/customers/{customer_id}/notes                + + + ! ! !
POST   /api/v1/customers/{customer_id}/appointments         + + + ! ! !
PATCH  /api/v1/appointments/{appointment_id}                + + + ! ! !
GET    /api/v1/appointments                                 + + + + + !
PUT    /api/v1/customers/{customer_id}/blacklist            ! + + ! ! !
DELETE /api/v1/customers/{customer_id}/blacklist            ! + + ! ! !
GET    /api/v1/customers/{customer_id}/duplicates           + + + + + !
POST   /api/v1/customers/{customer_id}/merge                ! ! + ! ! !
POST   /api/v1/customers/{customer_id}/unmerge              ! ! + ! ! !
POST   /api/v1/customers/{customer_id}/numbers/{number_id}/reveal + ! ! + ! !
GET    /api/v1/agent/calls/{call_id}/customer               + ! ! ! ! !
PUT    /api/v1/agent/calls/{call_id}/customer               + ! ! ! ! !
GET    /api/v1/customer-fields                              + + + + + +
PUT    /api/v1/customer-fields                              ! ! ! ! ! +
POST   /api/v1/customer-imports                             ! ! + ! ! !
POST   /api/v1/customer-imports/{import_id}/start           ! ! + ! ! !
GET    /api/v1/customer-imports                             ! ! + ! ! !
GET    /api/v1/customer-imports/{import_id}                 ! ! + ! ! !
POST   /api/v1/customer-imports/{import_id}/cancel          ! ! + ! ! !
GET    /api/v1/customer-imports/{import_id}/bad-rows.csv    ! ! + ! ! !
GET    /api/v1/trends                                       ! + + ! + +
GET    /healthz                                             public
GET    /metrics                                             public
"""
LINES = [line.split() for line in TABLE.strip().splitlines()]
TARGETS = {
    "agent_id": ("1001", "1002", "1003"),
    "call_id": ("c1", "c2", "c3"),
    "recording_id": ("c1-r", "c2-r", "c3-r"),
}
BODIES = {"/api/v1/floor/agents/{agent_id}/state": {"state": "ready"}}
TOO_FAR = {"not_your_call", "not_your_team"}


def test_every_endpoint_has_its_line():
    assert {(each.method, each.path) for each in ENDPOINTS} == {(m, p) for m, p, *_ in LINES}
    public = {each.path for each in ENDPOINTS if each.public}
    assert public == {path for _, path, *signs in LINES if signs == ["public"]}


def call(call_id, agent_id, at, queue):
    this = {"call_id": call_id}
    return [
        domain.CallStarted(
            at=at,
            direction="inbound",
            caller_number="+8613800138000",
            caller_name=None,
            called_number=None,
            linkedid=call_id,
            **this,
        ),
        domain.LegStarted(
            at=at, leg_id=f"{call_id}-a", kind="agent", channel="x", agent_id=agent_id, **this
        ),
        domain.LegAnswered(at=at + 1, leg_id=f"{call_id}-a", **this),
        domain.CallDecided(
            at=at, queue=queue, rule="random", chosen=agent_id, eligible=[agent_id], **this
        ),
        domain.RecordingStarted(at=at + 1, recording_id=f"{call_id}-r", file="x.wav", **this),
        domain.RecordingStored(
            at=at + 9,
            recording_id=f"{call_id}-r",
            path=f"{call_id}.wav",
            sha256="",
            bytes=4,
            duration_seconds=0,
            **this,
        ),
        domain.LegEnded(at=at + 9, leg_id=f"{call_id}-a", cause=16, **this),
        domain.CallEnded(
            at=at + 9,
            outcome="answered",
            ended_by="agent",
            talk_seconds=8,
            agent_id=agent_id,
            **this,
        ),
    ]


@pytest.fixture
async def centre(site, journalled):
    """Journal one call each of amy, ben and cai, with its recording."""
    for call_id in ("c1", "c2", "c3"):
        (site.recordings / f"{call_id}.wav").write_bytes(b"RIFF")
    await journalled(
        *call("c1", "1001", AT, "support"),
        *call("c2", "1002", AT + 20, "support"),
        *call("c3", "1003", AT + 40, "billing"),
    )
    return site


async def sign_of(browser, method, path, body):
    """The table's sign for what the server answers."""
    headers = {"Origin": browser.site.origin, "X-Zuoxi-Csrf": browser.csrf}
    async with browser.client.request(
        method, browser.site.url + path, headers=headers, json=body
    ) as answer:
        if answer.status not in (401, 403):
            return "+"
        code = (await answer.json())["code"]
    return "!" if code == "no_right" else "-" if code in TOO_FAR else code


@pytest.mark.parametrize(("method", "path", "signs"), [(m, p, s) for m, p, *s in LINES])
async def test_each_role_gets_what_the_table_says(centre, method, path, signs):
    if signs == ["public"]:
        return
    found = []
    for user in USERS.values():
        browser = await centre.browser(user)
        told = ""
        for place in range(len(signs[0])):
            real = re.sub(r"{(\w+)}", lambda m: TARGETS.get(m[1], ("9",) * 3)[place], path)  # noqa: B023
            body = None if method in ("GET", "DELETE") else BODIES.get(path, {})
            told += await sign_of(browser, method, real, body)
        found.append(told)
    assert found == signs
    anonymous = centre.anonymous()
    assert await sign_of(anonymous, method, re.sub(r"{\w+}", "9", path), {}) == "signed_out"


@pytest.mark.parametrize(
    ("user", "calls"),
    [
        ("amy", ["c1"]),
        ("cai", ["c3"]),
        ("lea", ["c2", "c1"]),
        ("sue", ["c3", "c2", "c1"]),
        ("quinn", ["c3", "c2", "c1"]),
        ("dora", ["c3", "c2", "c1"]),
    ],
)
async def test_the_list_of_calls_ends_where_the_right_ends(centre, user, calls):
    browser = await centre.browser(user)
    _, body = await browser.send("GET", "/api/v1/calls")
    assert [item["call_id"] for item in body["items"]] == calls
    _, body = await browser.send("GET", "/api/v1/calls?agent=1003")
    assert [item["call_id"] for item in body["items"]] == [each for each in calls if each == "c3"]


def abandoned(call_id, queue, at=AT + 60):
    this = {"call_id": call_id, "at": at}
    return [
        domain.CallStarted(
            direction="inbound",
            caller_number="+8613800138000",
            caller_name=None,
            called_number=None,
            linkedid=call_id,
            **this,
        ),
        domain.QueueEntered(
            visit_id=f"v-{call_id}",
            queue=queue,
            channel="x",
            leg_id="l",
            entered_at=at,
            **this,
        ),
        domain.CallEnded(outcome="abandoned", ended_by="customer", talk_seconds=0, **this),
    ]


@pytest.mark.parametrize(
    ("user", "calls"),
    [("amy", []), ("lea", ["c5", "c4"]), ("cai", []), ("sue", ["c6", "c5", "c4"])],
)
async def test_who_serves_a_queue_sees_whom_it_lost(site, journalled, user, calls):
    """A leader answers for callers of the team's queues whom nobody took, not for others' calls."""
    await journalled(
        *abandoned("c4", "support"),
        *abandoned("c5", "sales", AT + 70),
        *abandoned("c6", "billing", AT + 80),
    )
    browser = await site.browser(user)
    _, body = await browser.send("GET", "/api/v1/calls?outcome=abandoned")
    assert [item["call_id"] for item in body["items"]] == calls
    for call_id in ("c4", "c5", "c6"):
        status, _ = await browser.send("GET", f"/api/v1/calls/{call_id}")
        assert (status == 200) == (call_id in calls), call_id


async def test_decisions_are_shown_as_far_as_the_right_reaches(centre, pool):
    await pool.execute("UPDATE users SET roles = '{quality,leader}' WHERE name = 'lea'")
    lea = await centre.browser("lea")
    shown = {}
    for call_id in ("c1", "c2", "c3"):
        _, body = await lea.send("GET", f"/api/v1/calls/{call_id}")
        shown[call_id] = len(body["decisions"])
    assert shown == {"c1": 1, "c2": 1, "c3": 0}


async def test_a_leaders_floor_is_the_teams(centre):
    waits = [
        domain.QueueEntered(
            at=AT + 60,
            call_id=f"w-{queue}",
            visit_id=f"v-{queue}",
            queue=queue,
            channel="x",
            leg_id="l",
            entered_at=AT + 60,
        )
        for queue in ("support", "sales", "billing")
    ]
    for wait in waits:
        started = domain.CallStarted(
            at=AT + 60,
            call_id=wait.call_id,
            direction="inbound",
            caller_number="+8613800138000",
            caller_name=None,
            called_number=None,
            linkedid="x",
        )
        centre.core.happened(started, wait)
    centre.hub.raise_alarm("q1", level="warning", code="queue", params={"queue": "support"})
    centre.hub.raise_alarm("q2", level="warning", code="queue", params={"queue": "billing"})
    centre.hub.raise_alarm("disk", level="error", code="spool_disk")
    lea, sue = await centre.browser("lea"), await centre.browser("sue")
    async with lea.live() as theirs, sue.live() as whole:
        await theirs.subscribe("floor")
        await whole.subscribe("floor")
        await theirs.until(lambda rows: rows["agents"] and rows.get("trends"))
        shown = {table: sorted(rows) for table, rows in theirs.rows.items()}
        trends = {key.partition("@")[0] for key in shown.pop("trends")}
        assert trends == {"sales", "support"}, "no sums over other teams' queues"
        assert shown == {
            "queues": ["sales", "support"],
            "agents": ["1001", "1002"],
            "waiting": ["v-sales", "v-support"],
            "alarms": ["disk", "q1"],
            "link": ["pbx"],
            "gaps": [],
        }
        assert sorted(whole.rows["agents"]) == ["1001", "1002", "1003"]
        assert sorted(whole.rows["queues"]) == ["billing", "sales", "support"]
        trends = {key.partition("@")[0] for key in whole.rows["trends"]}
        assert trends == {"", "billing", "sales", "support"}
        assert theirs.rows["agents"]["1001"]["team"] == "red"

        heard = []
        for agent_id in ("1003", "1001"):
            at = time.time()
            centre.core.happened(
                domain.AgentSignedIn(at=at, agent_id=agent_id, extension=f"8{agent_id[1:]}"),
                domain.AgentStateChanged(at=at, agent_id=agent_id, state="ready"),
            )
            await whole.until(lambda rows: rows["agents"][agent_id]["state"] == "ready")  # noqa: B023
        while theirs.rows["agents"]["1001"]["state"] != "ready":
            heard.append(await theirs.receive())
        assert "1003" not in str(heard)


async def test_moving_to_another_team_is_seen_at_once(centre, pool):
    lea, sue = await centre.browser("lea"), await centre.browser("sue")
    async with lea.live() as theirs, sue.live() as whole:
        await whole.subscribe("floor")
        await theirs.subscribe("floor")
        await theirs.until(lambda rows: sorted(rows["agents"]) == ["1001", "1002"])
        await pool.execute(
            "UPDATE users SET team_id = (SELECT team_id FROM teams WHERE name = 'blue')"
            " WHERE name = 'ben'"
        )
        await theirs.until(lambda rows: sorted(rows["agents"]) == ["1001"])
        await whole.until(lambda rows: rows["agents"]["1002"]["team"] == "blue")
    status, body = await lea.send("GET", "/api/v1/calls/c2")
    assert (status, body["code"]) == (403, "not_your_call")


async def test_a_leader_without_a_team_sees_nothing(centre, pool):
    await pool.execute("UPDATE users SET team_id = NULL WHERE name = 'lea'")
    lea = await centre.browser("lea")
    _, body = await lea.send("GET", "/api/v1/calls")
    assert body["items"] == []
    async with lea.live() as floor:
        await floor.subscribe("floor")
        assert floor.rows["agents"] == floor.rows["queues"] == {}


async def test_who_leads_another_team_is_connected_anew(centre, pool):
    lea = await centre.browser("lea")
    async with lea.live() as floor:
        await floor.subscribe("floor")
        await pool.execute(
            "UPDATE users SET team_id = (SELECT team_id FROM teams WHERE name = 'blue')"
            " WHERE name = 'lea'"
        )
        assert await floor.closed() == 1001
    async with lea.live() as floor:
        await floor.subscribe("floor")
        await floor.until(lambda rows: list(rows["agents"]) == ["1003"])


async def test_teams_are_followed_again_after_the_connection_was_lost(centre, pool):
    lea = await centre.browser("lea")
    async with lea.live() as floor:
        await floor.subscribe("floor")
        await floor.until(lambda rows: len(rows["agents"]) == 2)
        await pool.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE query LIKE 'SELECT agent_id, team_id FROM users%'"
        )
        await pool.execute("UPDATE users SET team_id = NULL WHERE name = 'ben'")
        await floor.until(lambda rows: list(rows["agents"]) == ["1001"])
