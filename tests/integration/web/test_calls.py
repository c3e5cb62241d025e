"""Calls read from a real journal: who may see which, with numbers in full or masked."""

import time

import pytest

from cti import domain

NUMBER, OTHER = "+8613800138000", "+8613900139000"
AT = time.time() - 600


def call(call_id: str, agent_id: str, at: float = AT, number: str = NUMBER, queue: str = "support"):
    """A call from its start to its disposition."""
    this = {"call_id": call_id}
    customer, agent = f"{call_id}-c", f"{call_id}-a"
    return [
        domain.CallStarted(
            at=at,
            direction="inbound",
            caller_number=number,
            caller_name=number,
            called_number="4008001000",
            linkedid=customer,
            **this,
        ),
        domain.LegStarted(
            at=at, leg_id=customer, kind="customer", channel="PJSIP/trunk-1", number=number, **this
        ),
        domain.QueueEntered(
            at=at + 1,
            visit_id=f"{call_id}-v",
            queue=queue,
            channel="PJSIP/trunk-1",
            leg_id=customer,
            entered_at=at + 1,
            **this,
        ),
        domain.CallDecided(
            at=at + 2,
            queue=queue,
            rule="longest_idle",
            chosen=agent_id,
            eligible=[agent_id],
            **this,
        ),
        domain.LegStarted(
            at=at + 2,
            leg_id=agent,
            kind="agent",
            channel="PJSIP/8001-1",
            agent_id=agent_id,
            extension="8001",
            **this,
        ),
        domain.LegAnswered(at=at + 5, leg_id=agent, **this),
        domain.QueueLeft(
            at=at + 5,
            visit_id=f"{call_id}-v",
            queue=queue,
            reason="answered",
            waited_seconds=4,
            agent_id=agent_id,
            **this,
        ),
        domain.RecordingStarted(at=at + 5, recording_id=f"{call_id}-r", file="x.wav", **this),
        domain.LegEnded(at=at + 65, leg_id=agent, cause=16, **this),
        domain.LegEnded(at=at + 65, leg_id=customer, cause=16, **this),
        domain.CallEnded(
            at=at + 65,
            outcome="answered",
            ended_by="agent",
            talk_seconds=60,
            agent_id=agent_id,
            **this,
        ),
        domain.DispositionSaved(
            at=at + 70, agent_id=agent_id, code="resolved", notes="All is well", **this
        ),
    ]


@pytest.fixture
async def calls(journalled):
    """Journal two calls of amy and one of ben."""
    await journalled(
        *call("pbx1-1.1", "1001"),
        *call("pbx1-1.2", "1002", AT + 100, queue="sales"),
        *call("pbx1-1.3", "1001", AT + 200, OTHER),
    )


async def listed(browser, query=""):
    status, body = await browser.send("GET", f"/api/v1/calls{query}")
    assert status == 200, body
    return [item["call_id"] for item in body["items"]]


async def test_a_leader_sees_all_calls_newest_first_with_whole_numbers(site, calls):
    browser = await site.browser("lea")
    status, body = await browser.send("GET", "/api/v1/calls")
    assert status == 200
    assert [item["call_id"] for item in body["items"]] == ["pbx1-1.3", "pbx1-1.2", "pbx1-1.1"]
    assert body["next"] is None
    first = body["items"][2]
    assert first["number"] == first["name"] == NUMBER
    assert (first["outcome"], first["talk_seconds"], first["waited_seconds"]) == ("answered", 60, 4)
    assert first["started_at"] == pytest.approx(AT, abs=0.001)


async def test_an_agent_sees_own_calls_only_and_no_numbers(site, calls):
    browser = await site.browser("amy")
    assert await listed(browser, "?agent=1002") == []
    status, body = await browser.send("GET", "/api/v1/calls")
    assert [item["call_id"] for item in body["items"]] == ["pbx1-1.3", "pbx1-1.1"]
    assert NUMBER not in str(body)
    assert body["items"][1]["number"] == body["items"][1]["name"] == "+86138****8000"
    status, body = await browser.send("GET", "/api/v1/calls/pbx1-1.2")
    assert (status, body["code"]) == (403, "not_your_call")
    status, body = await browser.send("GET", "/api/v1/calls/pbx1-1.1")
    assert status == 200
    assert NUMBER not in str(body)
    assert body["decisions"] == []
    assert "CallDecided" not in str(body)


async def test_numbers_in_what_agents_wrote_are_masked(site, journalled):
    noted = domain.DispositionSaved(
        at=AT + 90,
        call_id="pbx1-1.1",
        agent_id="1001",
        code="sale",
        notes="明天打 139 0013 9000",
    )
    await journalled(*call("pbx1-1.1", "1001"), noted)
    path = "/api/v1/calls/pbx1-1.1"
    _, whole = await (await site.browser("lea")).send("GET", path)
    assert str(whole).count("明天打 139 0013 9000") == 2, "in the list and in the time line"
    _, shown = await (await site.browser("amy")).send("GET", path)
    assert str(shown).count("明天打 139****9000") == 2
    assert shown["call"]["call_id"] == "pbx1-1.1", "no number"


async def test_numbers_cannot_be_guessed_by_searching(site, calls):
    browser = await site.browser("amy")
    status, body = await browser.send("GET", "/api/v1/calls?q=0013")
    assert (status, body["code"], body["right"]) == (403, "no_right", "numbers.see")
    assert await listed(await site.browser("lea"), "?q=0013801") == []
    assert await listed(await site.browser("lea"), "?q=13800138") == ["pbx1-1.2", "pbx1-1.1"]


async def test_an_agent_sees_earlier_calls_of_the_customer_on_the_line(site, calls):
    browser = await site.browser("amy")
    assert await listed(browser, "?caller_of=pbx1-1.1") == ["pbx1-1.2", "pbx1-1.1"]
    status, body = await browser.send("GET", "/api/v1/calls?caller_of=pbx1-1.2")
    assert (status, body["code"]) == (403, "not_your_call")
    status, body = await browser.send("GET", "/api/v1/calls?caller_of=nothing")
    assert (status, body["code"]) == (404, "unknown_call")
    live = call("pbx1-2.1", "1001")
    site.core.happened(*live[:5])
    assert await listed(browser, "?caller_of=pbx1-2.1") == ["pbx1-1.2", "pbx1-1.1"]


@pytest.mark.parametrize("number", ["anonymous", "8001", "138001380", "+86138"])
async def test_who_shows_no_whole_number_has_no_earlier_calls(site, journalled, number):
    """Else one agent would read every stranger's calls whose number or name contains it."""
    await journalled(
        *call("pbx1-1.1", "1002"),
        *call("pbx1-1.2", "1002", AT + 100, "anonymous"),
        *call("pbx1-1.3", "1002", AT + 200, "+8613880018000"),
        *call("pbx1-1.4", "1001", AT + 300, number),
    )
    assert await listed(await site.browser("amy"), "?caller_of=pbx1-1.4") == []


async def test_a_customer_whose_number_is_in_anothers_is_not_the_other(site, journalled):
    await journalled(
        *call("pbx1-1.1", "1002", number=f"{NUMBER}99"),
        *call("pbx1-1.2", "1002", AT + 100),
        *call("pbx1-1.3", "1001", AT + 200),
    )
    browser = await site.browser("amy")
    assert await listed(browser, "?caller_of=pbx1-1.3") == ["pbx1-1.3", "pbx1-1.2"]


async def test_filters(site, calls):
    browser = await site.browser("lea")
    assert await listed(browser, "?queue=sales") == ["pbx1-1.2"]
    assert await listed(browser, "?agent=1002") == ["pbx1-1.2"]
    assert await listed(browser, "?outcome=abandoned") == []
    assert await listed(browser, f"?from={AT + 150}") == ["pbx1-1.3"]
    assert await listed(browser, f"?to={AT + 50}") == ["pbx1-1.1"]


async def test_pages(site, calls):
    browser = await site.browser("lea")
    _, first = await browser.send("GET", "/api/v1/calls?limit=2")
    assert len(first["items"]) == 2
    _, second = await browser.send("GET", f"/api/v1/calls?limit=2&cursor={first['next']}")
    assert [item["call_id"] for item in second["items"]] == ["pbx1-1.1"]
    assert second["next"] is None
    status, body = await browser.send("GET", "/api/v1/calls?cursor=abc")
    assert (status, body["code"]) == (400, "bad_cursor")


@pytest.mark.parametrize(
    "query",
    [
        "limit=0",
        "limit=1000",
        "limit=x",
        "from=nan",
        "to=inf",
        "from=1e300",
        "from=-1",
        "outcome=x",
        "q=%00",
        "q=" + "x" * 101,
        "nonsense=1",
        "cursor=../..",
    ],
)
async def test_hostile_queries_are_problems(site, query):
    browser = await site.browser("lea")
    status, body = await browser.send("GET", f"/api/v1/calls?{query}")
    assert (status, body["code"]) == (422, "invalid")


async def test_call_detail(site, calls):
    browser = await site.browser("lea")
    status, body = await browser.send("GET", "/api/v1/calls/pbx1-1.1")
    assert status == 200
    assert body["call"]["number"] == NUMBER
    assert [leg["kind"] for leg in body["legs"]] == ["customer", "agent"]
    assert body["decisions"][0]["chosen"] == "1001"
    assert body["dispositions"][0]["notes"] == "All is well"
    assert body["recordings"][0]["recording_id"] == "pbx1-1.1-r"
    assert body["timeline"][0]["what"] == "CallStarted"
    assert body["timeline"][0]["caller_number"] == NUMBER
    quality = await site.browser("quinn")
    _, body = await quality.send("GET", "/api/v1/calls/pbx1-1.1")
    assert NUMBER not in str(body)
    for unknown in ("pbx1-9.9", "%00", "x" * 200):
        status, body = await browser.send("GET", f"/api/v1/calls/{unknown}")
        assert (status, body["code"]) == (404, "unknown_call"), unknown


async def test_who_may_see_no_calls_and_a_database_away(site, calls):
    status, body = await (await site.browser("ada")).send("GET", "/api/v1/calls")
    assert (status, body["code"]) == (403, "no_right")
    leader = await site.browser("lea")
    site.pool.away = True
    for path in ("/api/v1/calls", "/api/v1/calls/pbx1-1.1"):
        status, body = await leader.send("GET", path)
        assert (status, body["code"]) == (503, "database_away")
