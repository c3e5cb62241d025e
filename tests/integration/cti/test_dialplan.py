"""The product's dialplan in a real Asterisk, moved by a stand-in for the server."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from cti.ami.events import EVENTS
from cti.sandbox.pbx import Tree
from cti.sandbox.system import Place
from tests.support.dialplan import Site, floor, site
from tests.support.sandbox import TestSandbox

pytestmark = [pytest.mark.asterisk, pytest.mark.asyncio(loop_scope="module")]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shared(place: Place, tree: Tree, pbx_tree: Tree) -> AsyncIterator[Site]:
    """Start one PBX with our dialplan and without hooks for all tests here."""
    sandbox = TestSandbox(place, pbx_tree, phones=tree)
    try:
        async with site(sandbox, floor()) as centre:
            yield centre
    finally:
        await sandbox.close()


@pytest_asyncio.fixture(loop_scope="module")
async def centre(shared: Site) -> AsyncIterator[Site]:
    """Give each test the PBX without calls and with both phones registered."""
    await shared.begin()
    yield shared
    await shared.clear()


async def test_caller_waits_with_music_is_offered_and_talks(centre: Site) -> None:
    caller, entered = await centre.enter()
    assert entered["Queue"] == "support"
    assert float(entered["Entered"]) == pytest.approx(float(entered["Timestamp"]), abs=0.05)
    await caller.hears()  # music
    agent = centre.far_end.agent("8001")
    await centre.offer(entered, "o1")
    await agent.ringing.wait()
    assert await centre.variable("ZX_STATE", entered["Channel"]) == "offered"
    await agent.answer()
    await agent.hears()
    await caller.hang_up()
    await agent.free.wait()
    assert centre.heard("ZxBack") == []


@pytest.mark.parametrize("way", ["zuoxi-offer 5-o1-8001-20-x", "zuoxi-phones 8001"])
@pytest.mark.parametrize(
    ("number", "name", "shown"),
    [
        ("+8613800138000", "王芳", '"王芳" <sip:+86138****8000@'),
        ("13800138000", "CN 138-0013-8000", "<sip:138****8000@"),
        ("2079460", "(020) 7946 0958)", "<sip:****60@"),
        ("95588", "ICBC 24", '"ICBC 24" <sip:95588@'),
    ],
)
async def test_an_agents_phone_is_told_no_whole_number(
    centre: Site, way: str, number: str, name: str, shown: str
) -> None:
    """Neither by an offer nor by a transfer. What is kept of the call has it all the same."""
    await centre.far_end.call("100", number, name=name)
    entered = await centre.said("ZxEnter")
    for part, value in (("from-num", "13900139000"), ("count", "1")):
        diverted = {"Variable": f"REDIRECTING({part},i)", "Value": value}
        await centre.server.act("Setvar", Channel=entered["Channel"], **diverted)
    await centre.redirect(entered["Channel"], *way.split())
    agent = centre.far_end.agent("8001")
    await agent.ringing.wait()
    invite = await agent.invite()
    assert invite["From"].startswith(shown)
    others = str({name: value for name, value in invite.items() if name != "From"})
    assert number not in others
    assert "13900139000" not in others
    for kept in ("CALLERID(num)", "CDR(src)"):
        assert await centre.variable(kept, entered["Channel"]) == number


async def test_agent_hangs_up_and_the_caller_is_let_go(centre: Site) -> None:
    caller, entered = await centre.enter()
    await centre.offer(entered, "o1")
    agent = centre.far_end.agent("8001")
    await agent.ringing.wait()
    await agent.answer()
    await agent.hang_up()
    await caller.ended.wait()
    assert centre.heard("ZxBack") == []


async def test_hang_up_in_the_panel_lets_the_caller_go(centre: Site) -> None:
    """The server ends the agent's leg by itself then: no phone died."""
    caller, entered = await centre.enter()
    await centre.offer(entered, "o1")
    agent = centre.far_end.agent("8001")
    await agent.ringing.wait()
    await agent.answer()
    dialled = await centre.server.event("DialBegin", Uniqueid=entered["Uniqueid"])
    await centre.server.act("Hangup", Channel=dialled["DestChannel"], Cause="16")
    await caller.ended.wait()
    assert centre.heard("ZxBack") == []


async def test_no_answer_brings_the_caller_back_to_the_wait(centre: Site) -> None:
    _, entered = await centre.enter()
    await centre.offer(entered, "o1", ring=1)
    back = await centre.said("ZxBack", Offer="o1")
    assert (back["Reason"], back["Status"]) == ("noanswer", "NOANSWER")
    await _waits(centre, entered)
    # And can be offered again at once.
    await centre.offer(entered, "o2", "8002")
    await centre.far_end.agent("8002").ringing.wait()


@pytest.mark.parametrize(("cause", "reason"), [("17", "busy"), ("21", "rejected")])
async def test_refusal_says_why(centre: Site, cause: str, reason: str) -> None:
    _, entered = await centre.enter()
    await centre.offer(entered, "o1")
    agent = centre.far_end.agent("8001")
    await agent.ringing.wait()
    await agent.reject(cause)
    assert (await centre.said("ZxBack", Offer="o1"))["Reason"] == reason
    await _waits(centre, entered)


async def test_unregistered_phone_is_unavailable(centre: Site) -> None:
    await centre.far_end.agent("8001").unregister()
    _, entered = await centre.enter()
    await centre.offer(entered, "o1")
    assert (await centre.said("ZxBack", Offer="o1"))["Reason"] == "unavailable"
    await _waits(centre, entered)


async def test_stale_epoch_is_refused(centre: Site) -> None:
    _, entered = await centre.enter()
    old = centre.epoch
    await centre.set_epoch(old + 1)
    await centre.redirect(entered["Channel"], "zuoxi-offer", f"{old}-o1-8001-20-x")
    assert (await centre.said("ZxBack", Offer="o1"))["Reason"] == "stale"
    await _waits(centre, entered)
    assert not centre.far_end.agent("8001").ringing.is_set()


@pytest.mark.parametrize("context", ["zuoxi-offer", "zuoxi-leave", "zuoxi-announce", "zuoxi-wait"])
async def test_stale_redirect_out_of_a_live_offer_is_told(centre: Site, context: str) -> None:
    """A fenced server's last action may tear the caller out of the new server's dial."""
    _, entered = await centre.enter()
    old = centre.epoch
    await centre.set_epoch(old + 1)
    await centre.offer(entered, "new")
    await centre.far_end.agent("8001").ringing.wait()
    await centre.redirect(entered["Channel"], context, f"{old}-hangup-closed-1-x")
    assert (await centre.said("ZxBack", Offer="new"))["Reason"] == "stale"
    await _waits(centre, entered)


@pytest.mark.parametrize("context", ["zuoxi-offer", "zuoxi-leave", "zuoxi-announce", "zuoxi-wait"])
async def test_stale_redirect_out_of_the_survey_asks_again(centre: Site, context: str) -> None:
    caller, entered = await centre.enter()
    await centre.offer(entered, "o1", flags="s")
    agent = centre.far_end.agent("8001")
    await agent.ringing.wait()
    await agent.answer()
    await agent.hang_up()
    await centre.stands(entered, "zuoxi-after")
    await centre.redirect(entered["Channel"], context, f"{centre.epoch - 1}-hangup-closed-1-x")
    await caller.ended.wait()  # by the survey: who waits is not hung up on


async def test_rescinded_while_it_rings(centre: Site) -> None:
    _, entered = await centre.enter()
    await centre.offer(entered, "o1")
    agent = centre.far_end.agent("8001")
    await agent.ringing.wait()
    await _rescind(centre, entered, "o1")
    assert (await centre.said("ZxBack", Offer="o1"))["Reason"] == "rescinded"
    await agent.free.wait()
    await _waits(centre, entered)


async def test_rescinded_in_the_instant_of_the_answer(centre: Site) -> None:
    caller, entered = await centre.enter()
    await centre.offer(entered, "o1")
    agent = centre.far_end.agent("8001")
    await agent.ringing.wait()
    await agent.answer()
    await centre.server.event("BridgeEnter", Uniqueid=entered["Uniqueid"])
    await _rescind(centre, entered, "o1")
    back = await centre.said("ZxBack", Offer="o1")
    assert (back["Reason"], back["Status"]) == ("rescinded", "ANSWER")
    await _waits(centre, entered)
    assert not caller.ended.is_set()


async def test_mark_of_an_older_offer_means_nothing(centre: Site) -> None:
    caller, entered = await centre.enter()
    await centre.server.act("Setvar", Channel=entered["Channel"], Variable="ZX_RESCIND", Value="o1")
    await centre.offer(entered, "o2")
    agent = centre.far_end.agent("8001")
    await agent.ringing.wait()
    await agent.answer()
    await agent.hang_up()
    await caller.ended.wait()
    assert centre.heard("ZxBack") == []


@pytest.mark.parametrize("by", ["phone", "panel"])
async def test_an_offer_that_could_not_be_taken_back_ends_as_any_other(
    centre: Site, by: str
) -> None:
    """The mark was set, and the hang-up that follows it failed: the two talk."""
    caller, entered = await centre.enter()
    await centre.offer(entered, "o1", flags="s")
    agent = centre.far_end.agent("8001")
    await agent.ringing.wait()
    await centre.server.act("Setvar", Channel=entered["Channel"], Variable="ZX_RESCIND", Value="o1")
    await agent.answer()
    await agent.hears()
    if by == "phone":
        await agent.hang_up()
    else:
        dialled = await centre.server.event("DialBegin", Uniqueid=entered["Uniqueid"])
        await centre.server.act("Hangup", Channel=dialled["DestChannel"], Cause="16")
    await centre.stands(entered, "zuoxi-after")
    await caller.hang_up()
    assert centre.heard("ZxBack") == []


async def test_withdrawn_by_redirect_while_the_agents_leg_is_unknown(centre: Site) -> None:
    _, entered = await centre.enter()
    await centre.offer(entered, "o1")
    agent = centre.far_end.agent("8001")
    await agent.ringing.wait()
    await centre.redirect(entered["Channel"], "zuoxi-wait", f"{centre.epoch}-back")
    assert (await centre.said("ZxBack", Offer="o1"))["Reason"] == "rescinded"
    await agent.free.wait()
    await _waits(centre, entered)


async def test_caller_hangs_up_while_it_rings(centre: Site) -> None:
    caller, entered = await centre.enter()
    await centre.offer(entered, "o1")
    agent = centre.far_end.agent("8001")
    await agent.ringing.wait()
    await caller.hang_up()
    await agent.free.wait()
    assert centre.heard("ZxBack") == []


async def test_overflow_keeps_the_place(centre: Site) -> None:
    _, entered = await centre.enter()
    await centre.redirect(entered["Channel"], "zuoxi-leave", f"{centre.epoch}-overflow-sales")
    left = await centre.said("ZxLeave", Verb="overflow", Argument="sales")
    again = await centre.said("ZxEnter", Queue="sales")
    assert again["Entered"] == entered["Entered"]
    assert again["Uniqueid"] == left["Uniqueid"] == entered["Uniqueid"]
    assert await centre.variable("ZX_QUEUE", entered["Channel"]) == "sales"
    await _waits(centre, entered)


@pytest.mark.parametrize("exten", ["overflow-nowhere", "number-99", "nonsense", "", "hold-"])
async def test_where_nothing_leads_the_caller_keeps_waiting(centre: Site, exten: str) -> None:
    _, entered = await centre.enter()
    await centre.redirect(entered["Channel"], "zuoxi-leave", f"{centre.epoch}-{exten}")
    await _waits(centre, entered)
    assert centre.heard("ZxLeave") == []


@pytest.mark.parametrize("why", ["closed", "full", "noagents", "timeout", "unheardof"])
async def test_turned_away_with_words(centre: Site, why: str) -> None:
    caller, entered = await centre.enter()
    await centre.redirect(entered["Channel"], "zuoxi-leave", f"{centre.epoch}-hangup-{why}")
    assert (await centre.said("ZxLeave"))["Argument"] == why
    await caller.ended.wait()


async def test_a_voice_box_that_is_none_ends_the_call(centre: Site) -> None:
    caller, entered = await centre.enter()
    await centre.redirect(entered["Channel"], "zuoxi-leave", f"{centre.epoch}-voicemail-nobody")
    left = await centre.said("ZxLeave")
    assert (left["Verb"], left["Argument"]) == ("voicemail", "nobody")
    await caller.ended.wait()  # this PBX has no such box


@pytest.mark.parametrize(
    ("message", "heard"),
    [
        ("welcome", ["beep"]),
        ("hold", ["beep"]),
        ("position-1-x", ["beep"]),
        ("position-12-x", ["beep", "12", "beep"]),
        ("position-2-90", ["beep", "2", "beep", "beep", "2"]),
        ("position-1-60", ["beep", "beep", "1"]),
        ("position-x-90", ["beep", "2"]),  # nothing of the place
    ],
)
async def test_what_is_announced_and_the_wait_goes_on(
    centre: Site, message: str, heard: list[str]
) -> None:
    _, entered = await centre.enter()
    await centre.redirect(entered["Channel"], "zuoxi-announce", f"{centre.epoch}-{message}")
    await centre.stands(entered, "zuoxi-announce")
    await _waits(centre, entered)
    assert heard == [
        event["AppData"]
        for event in centre.watch.events
        if (event["Event"], event.get("Uniqueid")) == ("Newexten", entered["Uniqueid"])
        and event["Application"] in {"Playback", "SayNumber"}  # "minutes" is an ExecIf
    ]


async def test_announcement_gives_way_to_an_offer(centre: Site) -> None:
    _, entered = await centre.enter()
    await centre.redirect(entered["Channel"], "zuoxi-announce", f"{centre.epoch}-position-7-600")
    await centre.stands(entered, "zuoxi-announce")
    await centre.offer(entered, "o1")
    await centre.far_end.agent("8001").ringing.wait()


async def test_hostile_extensions_reach_nothing(centre: Site) -> None:
    _, entered = await centre.enter()
    for exten in (
        f"{centre.epoch}-o1-8001)&System(touch-20-x",
        f"{centre.epoch}-o2-Local/1@default-20-x",
        f"{centre.epoch}-$[1+1]-${{SHELL(id)}}-x-x",
        f"{centre.epoch}-",
        f"{centre.epoch}",
        "9" * 70,
    ):
        await centre.redirect(entered["Channel"], "zuoxi-offer", exten)
        await _waits(centre, entered)
    assert {back["Status"] for back in centre.heard("ZxBack")} <= {"CHANUNAVAIL", "INVALIDARGS"}
    assert not any(event["Event"] == "DialBegin" for event in centre.server.events)


async def test_agents_dial_one_another_and_queues(centre: Site) -> None:
    """A blind transfer to another queue is a call to its name from the agent's context."""
    _, entered = await centre.enter()
    await centre.redirect(entered["Channel"], "zuoxi-phones", "sales")
    assert (await centre.said("ZxEnter", Queue="sales"))["Uniqueid"] == entered["Uniqueid"]
    await centre.redirect(entered["Channel"], "zuoxi-phones", "8002")
    await centre.far_end.agent("8002").ringing.wait()


async def test_account_has_no_right_that_it_does_not_need(centre: Site) -> None:
    refused = []
    for action, headers in {
        "Command": {"Command": "core show version"},
        "Originate": {"Channel": "Local/8001@zuoxi-phones", "Application": "Echo"},
        "GetConfig": {"Filename": "manager.conf"},
        "Reload": {},
        "ModuleLoad": {"LoadType": "reload"},
    }.items():
        try:
            await centre.server.act(action, **headers)
        except Exception as error:
            refused.append(str(error))
    assert len(refused) == 5
    assert all("permission" in each.lower() for each in refused), refused


async def test_account_can_do_all_that_the_server_does(centre: Site) -> None:
    act = centre.server.act
    _, entered = await centre.enter()
    channel = entered["Channel"]
    await act("Ping")
    await act("CoreStatus")
    await act("CoreSettings")
    await act("Status", AllVariables="false", Variables="ZX_QUEUE,ZX_STATE")
    await act("CoreShowChannels")
    await act("BridgeList")
    await act("DeviceStateList")
    await act("UserEvent", UserEvent="ZxEpoch", Epoch="5", Node="pbx1")
    await act("QueueStatus")
    member = {"Queue": "zx-support", "Interface": "PJSIP/8001"}
    await act("QueueAdd", **member, MemberName="1001", Paused="true", Penalty="1")
    await act("QueuePause", Interface="PJSIP/8001", Paused="false")
    await act("QueueRemove", **member)
    await centre.offer(entered, "o1", flags="r")
    await centre.far_end.agent("8001").ringing.wait()
    await centre.said("ZxRecord")
    await act("MixMonitorMute", Channel=channel, Direction="both", State="1")
    await act("Setvar", Channel=channel, Variable="ZX_RESCIND", Value="o9")
    await act("Getvar", Variable="DIALPLAN_EXISTS(zuoxi-wait,s,1)")
    await act("Hangup", Channel=channel, Cause="16")


async def test_events_that_nobody_reads_stay_away(centre: Site) -> None:
    caller, entered = await centre.enter()
    await centre.offer(entered, "o1", flags="r")
    agent = centre.far_end.agent("8001")
    await agent.ringing.wait()
    await agent.answer()
    await caller.hang_up()
    await centre.server.event("Hangup", Uniqueid=entered["Uniqueid"])
    unread = {
        each["Event"] for each in centre.server.events if each["Event"].encode() not in EVENTS
    }
    if await centre.is_since({18: 26, 20: 11, 21: 6, 22: 1}):  # filters by name
        assert unread == set()
    else:
        assert unread  # an older Asterisk takes the account's filters, but sends the events


async def test_caller_cannot_filter_himself_away(centre: Site) -> None:
    """The event filter is a regular expression over the whole event, so over callers' names too."""
    caller = await centre.far_end.call("100", "1", name="Event: VarSet")
    entered = await centre.said("ZxEnter")
    await caller.hang_up()
    await centre.server.event("Hangup", Uniqueid=entered["Uniqueid"])


async def _waits(centre: Site, entered: dict[str, str]) -> None:
    await centre.stands(entered, "zuoxi-wait")
    assert await centre.variable("ZX_STATE", entered["Channel"]) == "waiting"


async def _rescind(centre: Site, entered: dict[str, str], offer: str) -> None:
    dialled = await centre.server.event("DialBegin", Uniqueid=entered["Uniqueid"])
    await centre.server.act(
        "Setvar", Channel=entered["Channel"], Variable="ZX_RESCIND", Value=offer
    )
    await centre.server.act("Hangup", Channel=dialled["DestChannel"], Cause="26")
