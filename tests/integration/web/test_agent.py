"""What agents and leaders do over REST: their requests reach the core, its answers reach them."""

import pytest

from cti import inputs

CALL = "pbx1-1700000000.12"


async def test_taking_a_seat_gives_the_sip_account_to_who_sits_there_alone(site):
    amy, ben = await site.browser("amy"), await site.browser("ben")
    status, seat = await amy.send("POST", "/api/v1/agent/sign-in", {"extension": "8001"})
    assert status == 200
    assert seat == {
        "extension": "8001",
        "kind": "browser",
        "sip": {
            "uri": "sip:8001@pbx.example",
            "ws_url": "wss://pbx.example:8089/ws",
            "user": "8001",
            "password": "sip-one",
        },
    }
    assert await amy.send("GET", "/api/v1/agent/seat") == (200, seat)
    status, body = await ben.send("GET", "/api/v1/agent/seat")
    assert (status, body["code"]) == (409, "not_signed_in")
    status, body = await ben.send("POST", "/api/v1/agent/sign-in", {"extension": "8001"})
    assert (status, body["code"], body["agent"]) == (409, "seat_taken", "1001")
    assert "sip-one" not in str(body)


async def test_a_seat_can_be_taken_over_after_confirmation(site):
    amy, ben = await site.browser("amy"), await site.browser("ben")
    await amy.send("POST", "/api/v1/agent/sign-in", {"extension": "8001"})
    status, seat = await ben.send(
        "POST", "/api/v1/agent/sign-in", {"extension": "8001", "confirm_takeover": True}
    )
    assert (status, seat["extension"]) == (200, "8001")


async def test_a_desk_phone_has_its_own_account(site):
    amy = await site.browser("amy")
    _, seat = await amy.send("POST", "/api/v1/agent/sign-in", {"extension": "7001"})
    assert seat == {"extension": "7001", "kind": "desk", "sip": None}


@pytest.mark.parametrize(
    ("method", "path", "body", "request_made"),
    [
        ("POST", "sign-out", None, inputs.SignOut(request_id="", agent_id="1001")),
        ("POST", "ready", None, inputs.SetReady(request_id="", agent_id="1001")),
        (
            "POST",
            "not-ready",
            {"reason": "lunch"},
            inputs.SetNotReady(request_id="", agent_id="1001", reason="lunch"),
        ),
        ("DELETE", "next-state", None, inputs.ClearNextState(request_id="", agent_id="1001")),
        (
            "POST",
            "offers/o-7.1/reject",
            None,
            inputs.RejectOffer(request_id="", agent_id="1001", offer_id="o-7.1"),
        ),
        (
            "POST",
            f"calls/{CALL}/hang-up",
            None,
            inputs.HangUpCall(request_id="", agent_id="1001", call_id=CALL),
        ),
        (
            "POST",
            f"calls/{CALL}/retake",
            None,
            inputs.RetakeCall(request_id="", agent_id="1001", call_id=CALL),
        ),
        (
            "POST",
            f"calls/{CALL}/disposition",
            {"code": "resolved", "notes": "回访\n明天", "finish": True},
            inputs.SaveDisposition(
                request_id="",
                agent_id="1001",
                call_id=CALL,
                code="resolved",
                notes="回访\n明天",
                finish=True,
            ),
        ),
        (
            "POST",
            f"calls/{CALL}/recording/pause",
            None,
            inputs.PauseRecording(request_id="", agent_id="1001", call_id=CALL),
        ),
        (
            "POST",
            f"calls/{CALL}/recording/resume",
            None,
            inputs.ResumeRecording(request_id="", agent_id="1001", call_id=CALL),
        ),
        (
            "POST",
            "wrap-up/extend",
            {"seconds": 30},
            inputs.ExtendWrapUp(request_id="", agent_id="1001", seconds=30),
        ),
    ],
)
async def test_each_act_reaches_the_core_and_its_refusal_the_agent(
    site, method, path, body, request_made
):
    import msgspec

    amy = await site.browser("amy")
    assert await amy.send(method, f"/api/v1/agent/{path}", body) == (204, None)
    asked = msgspec.structs.replace(site.core.asked[-1], request_id="")
    assert asked == request_made
    site.core.refuse[type(request_made)] = ("wrong_state", {"state": "talking"})
    status, answer = await amy.send(method, f"/api/v1/agent/{path}", body)
    assert (status, answer["code"], answer["state"]) == (409, "wrong_state", "talking")


async def test_only_agents_act_and_only_for_themselves(site):
    for user in ("lea", "ada", "quinn"):
        status, body = await (await site.browser(user)).send("POST", "/api/v1/agent/ready")
        assert (status, body["code"]) == (403, "no_right")
    status, body = await site.anonymous().send("POST", "/api/v1/agent/ready")
    assert (status, body["code"]) == (401, "signed_out")
    assert site.core.asked == []


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("sign-in", {"extension": "../8001"}),
        ("sign-in", {"extension": "8001", "more": 1}),
        ("sign-in", {}),
        ("sign-in", {"extension": "8001\n"}),
        ("not-ready", {"reason": "Lunch; drop"}),
        ("not-ready", {"reason": None}),
        (f"calls/{CALL}/disposition", {"code": "resolved", "notes": "x" * 4001}),
        (f"calls/{CALL}/disposition", {"code": "resolved", "notes": "\0"}),
        ("wrap-up/extend", {"seconds": 0}),
        ("wrap-up/extend", {"seconds": 10**30}),
        ("wrap-up/extend", {"seconds": "1e400"}),
        ("wrap-up/extend", [1]),
    ],
)
async def test_hostile_bodies_are_problems_and_do_not_reach_the_core(site, path, body):
    amy = await site.browser("amy")
    status, answer = await amy.send("POST", f"/api/v1/agent/{path}", body)
    assert (status, answer["code"]) == (422, "invalid")
    assert answer["errors"]
    assert site.core.asked == []


@pytest.mark.parametrize(
    ("data", "headers", "expected"),
    [
        (b"{", {}, (400, "malformed")),
        (b"", {}, (400, "malformed")),
        (b"\xff\xfe{}", {}, (400, "malformed")),
        (b'{"reason": "\\ud800"}', {}, (400, "malformed")),
        (b"[" * 60_000, {}, (400, "malformed")),
        (b'{"reason":"lunch"}', {"Content-Type": "text/plain"}, (415, "unsupported_media")),
        (b"reason=lunch", {"Content-Type": "application/x-www-form-urlencoded"}, (415, None)),
        (b" " * 70_000 + b"{}", {}, (413, "too_large")),
    ],
)
async def test_bodies_that_are_none(site, data, headers, expected):
    amy = await site.browser("amy")
    status, answer = await amy.send(
        "POST",
        "/api/v1/agent/not-ready",
        data=data,
        headers={"Content-Type": "application/json", **headers},
    )
    assert (status, answer["code"]) == (expected[0], expected[1] or "unsupported_media")
    assert site.core.asked == []


async def test_a_core_that_does_not_answer_is_a_problem(site, monkeypatch):
    monkeypatch.setattr("web.endpoint.ANSWER_SECONDS", 0.05)
    site.core.silent = True
    status, body = await (await site.browser("amy")).send("POST", "/api/v1/agent/ready")
    assert (status, body["code"]) == (504, "no_answer")


@pytest.mark.parametrize("part", ["%00", "a b", "%0d%0aX", "x" * 129, "<script>"])
async def test_hostile_path_parts_are_unknown(site, part):
    amy = await site.browser("amy")
    status, body = await amy.send("POST", f"/api/v1/agent/offers/{part}/reject")
    assert (status, body["code"]) == (404, "unknown_offer")


# --- the floor ---------------------------------------------------------------------------------


async def test_the_floor(site):
    amy = await site.browser("amy")
    await amy.send("POST", "/api/v1/agent/sign-in", {"extension": "8001"})
    status, floor = await amy.send("GET", "/api/v1/floor")
    assert status == 200
    assert floor["queues"][0]["title"] == {"en": "Support"}
    assert floor["extensions"][0] == {"number": "8001", "kind": "browser", "agent_id": "1001"}
    assert floor["agents"][1]["queues"] == ["support", "sales"]
    assert floor["sip"] == {"ws_url": "wss://pbx.example:8089/ws", "domain": "pbx.example"}
    assert "lunch" in {reason["code"] for reason in floor["reasons"]}
    assert "sip-one" not in str(floor)


async def test_a_leader_sets_an_agents_state_and_an_agent_does_not(site):
    lea, amy = await site.browser("lea"), await site.browser("amy")
    path, body = "/api/v1/floor/agents/1001/state", {"state": "not_ready", "reason": "meeting"}
    assert await lea.send("POST", path, body) == (204, None)
    order = site.core.asked[-1]
    assert isinstance(order, inputs.ForceState)
    assert (order.agent_id, order.by, order.state, order.reason) == (
        "1001",
        "lea",
        "not_ready",
        "meeting",
    )
    status, answer = await amy.send("POST", path, body)
    assert (status, answer["right"]) == (403, "agents.force")


async def test_alarms_are_cleared_by_right(site):
    site.hub.raise_alarm("recording:r1", level="error", code="recording_faulty")
    lea, amy = await site.browser("lea"), await site.browser("amy")
    assert (await amy.send("DELETE", "/api/v1/floor/alarms/recording:r1"))[0] == 403
    assert (await lea.send("DELETE", "/api/v1/floor/alarms/recording:r1"))[0] == 204
    assert (await lea.send("DELETE", "/api/v1/floor/alarms/recording:r1"))[0] == 404
