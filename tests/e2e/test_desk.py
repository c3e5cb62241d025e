"""The agent desk in a real browser: from sign-in to a call that stands in the list."""

import asyncio
import re

from playwright.async_api import Page, expect

from tests.e2e.conftest import OpenPage
from tests.e2e.desk import (
    agent_hears,
    finish,
    go_ready,
    phone_works,
    ready_agent,
    recorded,
    sign_in,
    stage_is,
    state_is,
    take_seat,
    talk,
)
from tests.support.whole import Whole

# Writes down, on one clock, when the caller's card first showed and when the first tone started.
WATCH_CARD_AND_RING = """
window.moments = {};
const note = (what) => { window.moments[what] ??= performance.now(); };
new MutationObserver(() => {
  const card = document.querySelector("[data-test=pop-name]");
  if (card && card.textContent.includes("Ouyang")) note("card");
}).observe(document, { subtree: true, childList: true, characterData: true });
const start = OscillatorNode.prototype.start;
OscillatorNode.prototype.start = function (...given) {
  note("ring");
  return start.apply(this, given);
};
"""

MEDIA = re.compile(r"m=audio \d+ \S+ ([0-9 ]+)")
"""The codecs that an SDP offers or accepts."""

REFUSED_MICROPHONE = """
navigator.mediaDevices.getUserMedia = () =>
  Promise.reject(new DOMException("Permission denied", "NotAllowedError"));
"""


async def test_a_call_from_the_card_to_the_list(centre: Whole, open_page: OpenPage) -> None:
    agent = await open_page("en", script=WATCH_CARD_AND_RING)
    await ready_agent(agent)
    leader = await open_page("zh-CN", "dark")
    await sign_in(leader, "chen")
    tile = leader.locator("[data-test=agent-tile][data-agent='1001']")
    await expect(tile).to_have_attribute("data-state", "ready")

    caller = await centre.far_end.call("support", "+8613800138000", name="Ouyang")
    await stage_is(agent, "offered")
    await expect(agent.locator("[data-test=pop-name]")).to_have_text("Ouyang")
    await agent.wait_for_function("() => 'ring' in window.moments")
    moments = await agent.evaluate("() => window.moments")
    assert moments["card"] < moments["ring"]

    await agent.keyboard.press("Alt+a")
    await stage_is(agent, "talking")
    await caller.connected.wait()
    await caller.hears()
    await agent_hears(agent)
    await state_is(agent, "talking")
    await expect(tile).to_have_attribute("data-state", "talking")
    await expect(leader.locator("[data-queue=support] [data-test=busy]")).to_have_text("1")

    await agent.locator("[data-test=hang-up]").click()
    await caller.ended.wait()
    await state_is(agent, "wrap_up")
    await finish(agent, "resolved", "Refund of 68 agreed.")
    await state_is(agent, "ready")
    await expect(tile).to_have_attribute("data-state", "ready")
    await expect(leader.locator("[data-queue=support] [data-test=answered]")).to_have_text("1")

    await stands_in_the_list(leader, await recorded(centre))


async def stands_in_the_list(leader: Page, call_id: str) -> None:
    """Find the call, see why it went where, hear it, and seek in it."""
    await leader.goto("/calls")
    await leader.locator(f"[data-call='{call_id}']").click()
    await expect(leader.locator("[data-lane=agent]")).to_be_visible()
    await expect(leader.locator("[data-test=decision]").first).to_contain_text("王芳")
    await expect(leader.get_by_text("Refund of 68 agreed.")).to_be_visible()

    await leader.locator("[data-test=play]").click()
    await expect(leader.locator("audio")).to_have_js_property("paused", False)
    await leader.wait_for_function("() => document.querySelector('audio').currentTime > 0.2")
    await expect(leader.locator("[data-test=waveform]")).to_be_visible()
    half = "document.querySelector('audio').duration / 2"
    await leader.evaluate(
        f"""() => {{
          const slider = document.querySelector('[data-test=seek]');
          slider.value = {half};
          slider.dispatchEvent(new Event('input', {{ bubbles: true }}));
        }}"""
    )
    await leader.wait_for_function(f"() => document.querySelector('audio').currentTime >= {half}")


async def test_mute_and_hold_are_heard(centre: Whole, open_page: OpenPage) -> None:
    agent = await open_page()
    await ready_agent(agent)
    caller = await talk(centre, agent)
    await caller.hears()

    await agent.keyboard.press("Alt+h")
    await state_is(agent, "hold")
    await centre.journalled("LegHeld")
    await expect(agent.locator("[data-test=hold]")).to_have_attribute("aria-pressed", "true")
    await agent.keyboard.press("Alt+h")
    await state_is(agent, "talking")
    await centre.journalled("LegResumed")
    await agent.keyboard.press("Alt+h")
    await agent.keyboard.press("Alt+h")  # while the hold is being agreed
    await centre.journalled("LegResumed", count=2)
    await state_is(agent, "talking")

    sent = "document.getElementById('remote-audio').srcObject !== null"
    assert await agent.evaluate(f"() => {sent}")
    await agent.locator("[data-test=mute]").click()
    await expect(agent.locator("[data-test=mute]")).to_have_attribute("aria-pressed", "true")
    await agent.locator("[data-test=mute]").click()
    await expect(agent.locator("[data-test=mute]")).to_have_attribute("aria-pressed", "false")
    await caller.hears()

    await agent.locator("[data-test=recording]").click()
    await centre.journalled("RecordingPaused")
    await agent.locator("[data-test=recording]").click()
    await centre.journalled("RecordingResumed")
    await caller.hang_up()
    await stage_is(agent, "wrap_up")


async def test_a_hold_offers_the_codecs_of_the_talk(centre: Whole, open_page: OpenPage) -> None:
    """Asterisk up to 22.10 may drop a call whose re-INVITE offers others."""
    agent = await open_page()
    sent: list[str] = []
    agent.on(
        "websocket",
        lambda socket: socket.on("framesent", lambda frame: sent.extend(MEDIA.findall(str(frame)))),
    )
    await ready_agent(agent)
    caller = await talk(centre, agent)
    await caller.hears()
    for state, told in (("hold", "LegHeld"), ("talking", "LegResumed")):
        await agent.keyboard.press("Alt+h")
        await state_is(agent, state)
        await centre.journalled(told)  # a key while the phone still changes over is not taken
    answered, *offered = [codecs.split() for codecs in sent]
    assert len(offered) == 2
    assert [sorted(codecs) for codecs in offered] == [sorted(answered)] * 2
    await caller.hang_up()


async def test_notes_outlive_the_next_call_and_a_reload(centre: Whole, open_page: OpenPage) -> None:
    agent = await open_page()
    await ready_agent(agent)
    first = await talk(centre, agent, name="First")
    notes = agent.locator("[data-test=outcome-panel] textarea")
    await notes.fill("half a sentence about the first")
    await first.hang_up()
    await state_is(agent, "wrap_up")
    await go_ready(agent)

    second = await talk(centre, agent, "+8613900139000", name="Second")
    await expect(notes).to_have_value("")
    await notes.fill("second")
    await second.hang_up()
    await state_is(agent, "wrap_up")

    await agent.reload()
    await state_is(agent, "wrap_up")
    await expect(notes).to_have_value("second")
    await agent.locator("[data-test=unfinished] button").first.click()
    await expect(notes).to_have_value("half a sentence about the first")
    await agent.locator("[data-test=code-follow_up]").click()
    await agent.keyboard.press("Control+Enter")
    saved = await centre.journalled("DispositionSaved")
    assert [event["notes"] for event in saved] == ["half a sentence about the first"]


async def test_a_reload_keeps_seat_state_and_phone(centre: Whole, open_page: OpenPage) -> None:
    agent = await open_page()
    await ready_agent(agent)
    await agent.reload()
    await phone_works(agent)
    await state_is(agent, "ready")
    caller = await centre.far_end.call("support", "+8613800138000")
    await stage_is(agent, "offered")
    await agent.locator("[data-test=answer]").click()
    await caller.connected.wait()
    await caller.hang_up()


async def test_a_call_goes_on_while_the_server_is_killed(
    centre: Whole, open_page: OpenPage
) -> None:
    agent = await open_page()
    await ready_agent(agent)
    caller = await talk(centre, agent, name="Ouyang")
    assert centre.server is not None
    await centre.server.kill()
    await expect(agent.locator("[data-test=reconnecting]")).to_be_visible()
    await agent.locator("[data-test=outcome-panel] textarea").fill("typed while it was away")
    await caller.hears()
    await agent_hears(agent)

    await centre.start_server()
    await centre.ready()
    await expect(agent.locator("[data-test=reconnecting]")).to_be_hidden()
    await state_is(agent, "talking")
    await expect(agent.locator("[data-test=caller-name]")).to_have_text("Ouyang")
    await expect(agent.locator("[data-test=outcome-panel] textarea")).to_have_value(
        "typed while it was away"
    )
    await agent.keyboard.press("Alt+x")
    await caller.ended.wait()
    await state_is(agent, "wrap_up")


async def test_a_rejected_caller_keeps_the_place(centre: Whole, open_page: OpenPage) -> None:
    agent = await open_page()
    await ready_agent(agent)
    caller = await centre.far_end.call("support", "+8613800138000")
    await stage_is(agent, "offered")
    await agent.keyboard.press("Alt+x")
    ended = await centre.journalled("OfferEnded")
    assert ended[0]["end"] == "rejected"
    assert not caller.ended.is_set()
    await caller.hang_up()


async def test_a_refused_microphone_is_said_before_anybody_calls(
    centre: Whole, open_page: OpenPage
) -> None:
    agent = await open_page("zh-CN", script=REFUSED_MICROPHONE)
    await sign_in(agent, "fang")
    await take_seat(agent)
    notice = agent.locator("[data-test=notice-mic_refused]")
    await expect(notice).to_contain_text("浏览器不允许使用麦克风")
    await go_ready(agent)
    caller = await centre.far_end.call("support", "+8613800138000")
    await stage_is(agent, "offered")
    await agent.locator("[data-test=answer]").click()
    await expect(notice).to_be_visible()
    await expect(agent.locator("[data-test=answer]")).to_be_enabled()
    assert not caller.connected.is_set()
    await caller.hang_up()


async def test_a_seat_is_taken_over_only_after_a_word(centre: Whole, open_page: OpenPage) -> None:
    first = await open_page()
    await ready_agent(first)
    second = await open_page()
    await sign_in(second, "qiang")
    await take_seat(second, "8001")
    dialog = second.get_by_role("dialog")
    await expect(dialog).to_contain_text("王芳")
    await dialog.get_by_role("button", name="Cancel").click()
    await state_is(first, "ready")
    await second.locator("[data-test=take-seat]").click()
    await dialog.get_by_role("button", name="Take over").click()
    await phone_works(second)
    await expect(first.locator("[data-test=take-seat]")).to_be_visible()


async def test_not_ready_after_this_call(centre: Whole, open_page: OpenPage) -> None:
    agent = await open_page()
    await ready_agent(agent)
    caller = await talk(centre, agent)
    await agent.keyboard.press("Alt+n")
    await agent.locator(".n-dropdown-option", has_text="Lunch").click()
    await expect(agent.locator("[data-test=state]")).to_contain_text("then: Lunch")
    await caller.hang_up()
    await state_is(agent, "wrap_up")
    await finish(agent, "resolved", "")
    await state_is(agent, "not_ready")
    await expect(agent.locator("[data-test=state]")).to_contain_text("Lunch")


async def test_the_agents_day_stands_beside_the_calls(centre: Whole, open_page: OpenPage) -> None:
    agent = await open_page()
    await ready_agent(agent)
    day = agent.locator("[data-test=own-day]")
    await expect(day).to_contain_text("No calls yet today")
    caller = await talk(centre, agent, name="Ouyang")
    await caller.hang_up()
    await state_is(agent, "wrap_up")
    await finish(agent, "resolved", "")
    await state_is(agent, "ready")
    row = day.locator("[data-test=own-call]")
    await expect(row).to_contain_text("Ouyang")
    await expect(row).to_contain_text("Answered")
    await expect(row).to_contain_text("Resolved")
    await expect(day.locator("[data-test=wrap-average]")).to_contain_text(re.compile(r"\d:\d\d a"))
    for part in ("ready", "talking", "wrap_up"):
        await expect(day.locator(f"[data-test=share-{part}] dd")).not_to_contain_text(
            re.compile("^0%")
        )
    await row.click()
    await agent.wait_for_url("**/calls/*")
    await expect(agent.locator("[data-lane=agent]")).to_be_visible()


async def test_wrap_up_is_extended_from_the_button_up_to_the_limit(
    centre: Whole, open_page: OpenPage
) -> None:
    """60 s, then 30 s more, then the 10 s that are left of the limit."""
    agent = await open_page()
    await ready_agent(agent)
    caller = await talk(centre, agent)
    extend = agent.locator("[data-test=extend]")
    await expect(extend).to_have_count(0)
    await caller.hang_up()
    await state_is(agent, "wrap_up")
    await expect(extend).to_be_enabled()
    for extended in (1, 2):
        await extend.click()
        wraps = await centre.journalled("AgentStateChanged", 1 + extended, state="wrap_up")
    await expect(extend).to_be_disabled()
    first = wraps[0]["at"]
    assert [round(wrap["until"] - first) for wrap in wraps] == [60, 90, 100]
    await finish(agent, "resolved", "")
    await state_is(agent, "ready")
    await expect(extend).to_have_count(0)


async def test_the_number_is_masked_for_agents(centre: Whole, open_page: OpenPage) -> None:
    agent = await open_page()
    frames: list[str] = []
    rings = asyncio.Event()

    def take(frame: str | bytes) -> None:
        frames.append(frame if isinstance(frame, str) else frame.decode())
        if frames[-1].startswith("INVITE"):
            rings.set()

    agent.on("websocket", lambda socket: socket.on("framereceived", take))
    await ready_agent(agent)
    caller = await centre.far_end.call("support", "+8613800138000")
    await stage_is(agent, "offered")
    number = agent.locator("[data-test=pop-number]")
    await expect(number).to_have_text("138 **** 8000")
    await number.locator("[data-test=reveal]").click()
    await expect(number).to_have_text("138 0013 8000")
    await number.locator("[data-test=reveal]").click()
    await expect(number).to_have_text("138 **** 8000")
    await expect(agent).to_have_title(re.compile(r"^☎ 138 \*{4} 8000 · "))
    await rings.wait()
    assert any('"offers"' in text and "138****8000" in text for text in frames)
    assert any(text.startswith("INVITE") and "138****8000" in text for text in frames)
    assert not any("13800138000" in text for text in frames)
    await caller.hang_up()


async def test_an_agent_with_a_desk_phone_has_the_card_and_the_buttons(
    centre: Whole, open_page: OpenPage
) -> None:
    agent = await open_page()
    await sign_in(agent, "fang")
    await take_seat(agent, "8101")
    await expect(agent.locator("[data-test=health-phone]")).to_have_attribute("data-grade", "good")
    await expect(agent.locator("[data-test=health-microphone]")).to_have_count(0)
    await go_ready(agent)
    caller = await centre.far_end.call("support", "+8613800138000", name="Ouyang")
    await stage_is(agent, "offered")
    await expect(agent.locator("[data-test=call-panel]")).to_contain_text("Pick up extension 8101")
    phone = centre.far_end.agent("8101")
    await phone.ringing.wait()
    await phone.answer()
    await stage_is(agent, "talking")
    await caller.connected.wait()
    await agent.locator("[data-test=hang-up]").click()
    await caller.ended.wait()
    await stage_is(agent, "wrap_up")
