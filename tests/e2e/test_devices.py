"""The check of microphone and speaker, and what happens when they are pulled out in a call.

Chromium's made-up devices are real to the page: two microphones that beep, and speakers. That one
is pulled out is played by the page's own list of them.
"""

from playwright.async_api import expect

from tests.e2e.conftest import OpenPage
from tests.e2e.desk import go_ready, phone_works, ready_agent, sign_in, take_seat, talk
from tests.support.whole import Whole

UNPLUG = """
window.unplugged = null;
window.opened = [];
const media = navigator.mediaDevices;
const list = media.enumerateDevices.bind(media);
media.enumerateDevices = async () => (await list()).filter((each) => each.label !== unplugged);
const open = media.getUserMedia.bind(media);
media.getUserMedia = async (wanted) => {
  const stream = await open(wanted);
  opened.push(stream.getAudioTracks()[0]);
  return stream;
};
window.unplug = (label) => {
  window.unplugged = label;
  opened.filter((track) => track.label === label && track.readyState === "live")
    .forEach((track) => track.dispatchEvent(new Event("ended")));
  media.dispatchEvent(new Event("devicechange"));
};
"""
SENDING = """async () => {
  const pick = opened.filter((track) => track.readyState === "live").at(-1);
  return pick ? pick.label : null;
}"""

REFUSE = """
window.error = "NotAllowedError";
const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = (wanted) =>
  window.error ? Promise.reject(new DOMException("no", window.error)) : real(wanted);
"""
CAUSES = [
    ("NotAllowedError", "refused", "浏览器不允许使用麦克风"),
    ("NotFoundError", "missing", "没有找到麦克风"),
    ("NotReadableError", "busy", "麦克风正被其他程序占用"),
]
NEXT = {"NotAllowedError": "NotFoundError", "NotFoundError": "NotReadableError"}


async def test_a_device_check_before_the_seat(centre: Whole, open_page: OpenPage) -> None:
    agent = await open_page()
    await sign_in(agent, "fang")
    check = agent.locator("[data-test=device-check]")
    await expect(check.locator("[data-test=level-verdict]")).to_have_text(
        "The microphone hears you."
    )
    await agent.wait_for_function(
        "() => Number(document.querySelector('[data-test=level]').ariaValueNow) > 20"
    )
    await check.locator("[data-test=tone]").click()
    await expect(check.locator("[data-test=tone]")).to_have_text("Playing…")
    await expect(check.locator("[data-test=tone]")).to_be_enabled()
    echo = check.locator("[data-test=echo]")
    await echo.click()
    await expect(echo).to_have_attribute("data-stage", "recording")
    await expect(echo).to_have_attribute("data-stage", "playing")
    await expect(echo).to_have_attribute("data-stage", "idle")
    await take_seat(agent)
    await phone_works(agent)


async def test_the_choice_of_a_microphone_is_remembered(centre: Whole, open_page: OpenPage) -> None:
    agent = await open_page("zh-CN", "dark", script=UNPLUG)
    await sign_in(agent, "fang")
    await agent.locator("[data-test=microphone]").click()
    await agent.locator(".n-base-select-option", has_text="Fake Audio Input 2").click()
    await agent.wait_for_function("() => opened.at(-1).label === 'Fake Audio Input 2'")
    await agent.reload()
    await expect(agent.locator("[data-test=microphone]")).to_contain_text("Fake Audio Input 2")
    await agent.wait_for_function("() => opened.at(-1).label === 'Fake Audio Input 2'")
    await take_seat(agent)
    await phone_works(agent)
    await go_ready(agent)
    caller = await talk(centre, agent)
    await caller.hears()
    assert await agent.evaluate(SENDING) == "Fake Audio Input 2"


async def test_a_microphone_pulled_out_in_a_call(centre: Whole, open_page: OpenPage) -> None:
    agent = await open_page(script=UNPLUG)
    await ready_agent(agent)
    caller = await talk(centre, agent)
    await caller.hears()
    in_use = await agent.evaluate(SENDING)
    await agent.evaluate("(label) => unplug(label)", in_use)
    notice = agent.locator("[data-test=notice-microphone_changed]")
    await expect(notice).to_contain_text("The microphone was unplugged")
    assert await agent.evaluate("() => opened.filter((t) => t.readyState === 'live').length") == 1
    await caller.hears()

    await agent.locator("[data-test=self]").click()
    await agent.get_by_text("Microphone and speaker…").click()
    dialog = agent.locator("[data-test=device-dialog]")
    await expect(dialog.locator("[data-test=level-verdict]")).to_have_text(
        "The microphone hears you."
    )
    await agent.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await agent.locator("[data-test=hang-up]").click()
    await caller.ended.wait()


async def test_why_there_is_no_microphone_and_what_to_do(
    centre: Whole, open_page: OpenPage
) -> None:
    agent = await open_page("zh-CN", script=REFUSE)
    await sign_in(agent, "fang")
    for error, cause, words in CAUSES:
        await expect(agent.locator(f"[data-test=device-{cause}]")).to_contain_text(words)
        await agent.evaluate("(next) => { window.error = next }", NEXT.get(error))
        await agent.locator("[data-test=check-again]").click()
    await expect(agent.locator("[data-test=check-again]")).to_have_count(0)
    await expect(agent.locator("[data-test=level-verdict]")).to_have_text("麦克风能听到您。")
