"""A shift without the mouse: every step by keys, the focus always to be seen and in order."""

from typing import Any

from playwright.async_api import Page, expect

from tests.e2e.conftest import OpenPage
from tests.e2e.desk import listed, phone_works, ready_agent, stage_is, state_is, talk
from tests.support.whole import PASSWORD, Whole

FOCUS = """() => {
  const here = document.activeElement;
  if (!here || here === document.body) return null;
  const shown = here.closest(".n-base-selection, .n-input") ?? here;
  const style = getComputedStyle(shown);
  const box = shown.getBoundingClientRect();
  const inside = [...shown.querySelectorAll("*")].map((each) => getComputedStyle(each).boxShadow);
  return {
    name: here.getAttribute("aria-label") ?? here.labels?.[0]?.innerText ?? here.innerText.trim(),
    marked: style.outlineStyle !== "none" || [style.boxShadow, ...inside].some((s) => s !== "none"),
    seen: box.width > 0 && box.top >= 0 && box.bottom <= innerHeight && box.right <= innerWidth,
    x: box.x, y: box.y,
    part: here.closest("nav, header.bar, section, form")?.getAttribute("data-test"),
  };
}"""


async def tab_to(page: Page, selector: str, *, back: bool = False) -> None:
    """Press Tab until the focus is within what `selector` names."""
    for _ in range(40):
        if await page.locator(f"{selector}:focus-within").count():
            return
        await page.keyboard.press("Shift+Tab" if back else "Tab")
    raise AssertionError(f"no way by Tab to {selector}")


async def test_a_shift_without_the_mouse(centre: Whole, open_page: OpenPage) -> None:
    agent = await open_page("en")
    keys = agent.keyboard
    await agent.goto("/")
    await expect(agent.locator("input[name=user]")).to_be_focused()
    await keys.type("fang")
    await tab_to(agent, "input[name=password]")
    await keys.type(PASSWORD)
    await keys.press("Enter")

    await take_a_seat(agent)
    await phone_works(agent)
    await keys.press("Alt+r")
    await state_is(agent, "ready")
    await keys.press("Shift+Slash")
    await expect(agent.get_by_text("Hang up or reject")).to_be_visible()
    await keys.press("Escape")
    await expect(agent.get_by_text("Hang up or reject")).to_be_hidden()

    caller = await centre.far_end.call("support", "+8613800138000")
    await stage_is(agent, "offered")
    await keys.press("Alt+a")
    await stage_is(agent, "talking")
    await caller.hears()
    await in_the_talk(agent)
    await keys.press("Alt+x")
    await caller.ended.wait()

    await state_is(agent, "wrap_up")
    await expect(agent.locator("[data-test=notes]")).to_be_focused()
    await keys.type("Wants the invoice again.")
    await tab_to(agent, "[data-test^=code-]", back=True)
    await keys.press("Space")
    await keys.press("Control+Enter")
    await state_is(agent, "ready")

    second = await centre.far_end.call("support", "+8613700137000")
    await stage_is(agent, "offered")
    await keys.press("Alt+x")
    await centre.journalled("OfferEnded", end="rejected")
    await keys.press("Alt+n")
    await expect(agent.locator(".n-dropdown-option", has_text="Lunch")).to_be_visible()
    await keys.press("Escape")
    await second.hang_up()


async def take_a_seat(agent: Page) -> None:
    """Extension, microphone, tone, start."""
    keys = agent.keyboard
    await expect(agent.locator("[data-test=extension]:focus-within")).to_have_count(1)
    await expect(agent.locator("[data-test=level-verdict]")).to_have_text(
        "The microphone hears you."
    )
    await keys.press("Enter")
    await expect(agent.locator(".n-base-select-option", has_text="8002")).to_be_visible()
    await keys.press("ArrowDown")
    await keys.press("Enter")
    await expect(agent.locator("[data-test=extension]")).to_contain_text("8002")
    await tab_to(agent, "[data-test=microphone]")
    await tab_to(agent, "[data-test=speaker]")
    await tab_to(agent, "[data-test=tone]")
    await keys.press("Enter")
    await expect(agent.locator("[data-test=tone]")).to_have_text("Playing…")
    await tab_to(agent, "[data-test=take-seat]")
    await keys.press("Enter")


async def in_the_talk(agent: Page) -> None:
    """Hold, mute, keys for a menu at the other end."""
    keys = agent.keyboard
    for key, control in (("Alt+h", "hold"), ("Alt+m", "mute")):
        for pressed in ("true", "false"):
            await keys.press(key)
            await expect(agent.locator(f"[data-test={control}]")).to_have_attribute(
                "aria-pressed", pressed
            )
    await expect(agent.locator("[data-test=state]")).to_have_attribute("data-state", "talking")
    await keys.press("Alt+k")
    await expect(agent.locator("[data-test=keys]:focus-within")).to_have_count(1)
    await keys.type("12")
    await keys.press("Shift+Digit3")
    await expect(agent.locator("[data-test=sent-keys]")).to_have_text("Sent: 12#")
    await keys.press("Alt+k")
    await expect(agent.locator("[data-test=keys]")).to_have_count(0)


async def test_the_focus_is_seen_and_goes_in_order(centre: Whole, open_page: OpenPage) -> None:
    agent = await open_page("en")
    await ready_agent(agent)
    caller = await talk(centre, agent)
    await caller.hang_up()
    await state_is(agent, "wrap_up")
    await listed(centre, "answered")
    await expect(agent.locator("[data-test=own-call]")).to_have_count(1)
    await agent.locator("nav a").first.focus()
    await agent.keyboard.press("Shift+Tab")
    stops: list[dict[str, Any]] = []
    while len(stops) < 60:
        await agent.keyboard.press("Tab")
        stop = await agent.evaluate(FOCUS)
        if stop is None or (stops and stop == stops[0]):  # once around
            break
        stops.append(stop)
    assert 15 < len(stops) < 60
    assert [stop for stop in stops if not (stop["name"] and stop["marked"] and stop["seen"])] == []
    names = [stop["name"] for stop in stops]
    assert names[0] == "Desk"
    assert names.index("Go ready") < names.index("Resolved") < len(names)
    below = [
        (stop["name"].split()[0], stop["x"]) for stop in stops if stop["y"] > 70 and stop["x"] > 64
    ]
    columns = [x for _, x in below]
    assert columns == sorted(columns, key=lambda x: (x > 400) + (x > 990)), str(below)
