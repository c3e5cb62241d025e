"""What people do at the screens, in their words."""

import asyncio

import asyncpg
from playwright.async_api import Page, expect

from config.floor import Floor
from cti.sandbox.far_end import Caller
from tests.support.whole import PASSWORD, Whole

FLOOR = Floor.model_validate(
    {
        "queues": [
            {
                "name": "support",
                "title": {"zh-CN": "客户服务", "en": "Customer support"},
                "wrap_up_seconds": 60,
                "wrap_up_limit_seconds": 100,
                "ring_seconds": 20,
            }
        ],
        "agents": [
            {"id": "1001", "name": "王芳", "queues": [{"queue": "support"}]},
            {"id": "1002", "name": "李强", "queues": [{"queue": "support"}]},
        ],
        "extensions": [
            {"number": "8001", "kind": "browser"},
            {"number": "8002", "kind": "browser"},
            {"number": "8101", "kind": "desk"},
        ],
    }
)

EXPECTED_NOISE = (
    "401 (Unauthorized)",  # the first question: is anybody signed in?
    "409 (Conflict)",  # the seat is taken
    "422 (Unprocessable",  # an upload that is no spreadsheet
    "503 (Service Unavailable)",  # asked in the instant in which the server comes back
    "ERR_CONNECTION_REFUSED",  # the server is away
    "ERR_INTERNET_DISCONNECTED",  # the network was cut
    "WebSocket connection to",
    "WebSocket is already in CLOSING",  # network.py hands on to what the server has just closed
)

LOUDNESS = """
async () => {
  const heard = document.getElementById("remote-audio")?.srcObject;
  if (!heard) return 0;
  const context = (window.loudness ??= new AudioContext());
  await context.resume();
  const analyser = context.createAnalyser();
  const source = context.createMediaStreamSource(heard);
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  let peak = 0;
  const end = performance.now() + 400;
  while (performance.now() < end) {
    await new Promise((next) => requestAnimationFrame(next));
    analyser.getFloatTimeDomainData(samples);
    for (const sample of samples) peak = Math.max(peak, Math.abs(sample));
  }
  source.disconnect();
  return peak;
}
"""


def refuse_surprises(page: Page, surprises: list[str]) -> None:
    """Collect what goes wrong on the page."""
    page.on("pageerror", lambda error: surprises.append(str(error)))

    def on_console(kind: str, text: str) -> None:
        if kind == "error" and not any(noise in text for noise in EXPECTED_NOISE):
            surprises.append(text)

    page.on("console", lambda message: on_console(message.type, message.text))


async def sign_in(page: Page, user: str, password: str = PASSWORD) -> None:
    """Enter name and password."""
    await page.goto("/")
    await page.fill("input[name=user]", user)
    await page.fill("input[name=password]", password)
    await page.keyboard.press("Enter")
    await page.wait_for_url(lambda url: "sign-in" not in url)


async def take_seat(page: Page, extension: str = "8001") -> None:
    """Take a seat in the browser and wait until the phone can ring."""
    await page.locator("[data-test=extension]").click()
    await page.locator(".n-base-select-option", has_text=extension).click()
    await page.locator("[data-test=take-seat]").click()


async def phone_works(page: Page) -> None:
    """Wait until the browser's phone is registered and the microphone works."""
    await expect(page.locator("[data-test=health-phone]")).to_have_attribute("data-grade", "good")
    await expect(page.locator("[data-test=health-microphone]")).to_have_attribute(
        "data-grade", "good"
    )


async def go_ready(page: Page) -> None:
    """Be ready for calls."""
    await page.locator("[data-test=go-ready]").click()
    await state_is(page, "ready")


async def state_is(page: Page, state: str) -> None:
    """Wait until the top bar shows this state."""
    await expect(page.locator("[data-test=state]")).to_have_attribute("data-state", state)


async def stage_is(page: Page, stage: str) -> None:
    """Wait until the call card is at this stage."""
    await expect(page.locator("[data-test=call-panel]")).to_have_attribute("data-stage", stage)


async def ready_agent(page: Page, user: str = "fang", extension: str = "8001") -> None:
    """From nothing to ready."""
    await sign_in(page, user)
    await take_seat(page, extension)
    await phone_works(page)
    await go_ready(page)


async def talk(
    centre: Whole, page: Page, number: str = "+8613800138000", *, name: str = ""
) -> Caller:
    """Have somebody call, be offered to the ready agent on the page, and answered."""
    caller = await centre.far_end.call("support", number, name=name)
    await stage_is(page, "offered")
    await page.locator("[data-test=answer]").click()
    await stage_is(page, "talking")
    await state_is(page, "talking")  # the server knows too: the phone is the first to
    return caller


async def agent_hears(page: Page) -> None:
    """Wait until the agent's browser plays something louder than silence."""
    while await page.evaluate(LOUDNESS) < 0.02:
        pass


async def finish(page: Page, code: str, notes: str) -> None:
    """Write the outcome and finish wrap-up by its key."""
    await page.locator(f"[data-test=code-{code}]").click()
    await page.locator("[data-test=outcome-panel] textarea").fill(notes)
    await page.keyboard.press("Control+Enter")


async def recorded(centre: Whole) -> str:
    """Wait until the call's recording can be played; give the call's id."""
    return await projected(centre, "SELECT call_id FROM recordings WHERE path IS NOT NULL")


async def listed(centre: Whole, outcome: str) -> str:
    """Wait until a call that ended so is in the list; give its id."""
    return await projected(centre, "SELECT call_id FROM calls WHERE outcome = $1", outcome)


async def projected(centre: Whole, query: str, *arguments: str) -> str:
    """Wait until the lists behind the screens have caught up with the journal."""
    connection = await asyncpg.connect(centre.dsn)
    try:
        while True:
            found: str | None = await connection.fetchval(query, *arguments)
            if found is not None:
                return found
            await asyncio.sleep(0.05)
    finally:
        await connection.close()
