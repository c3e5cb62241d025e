"""A recording that is not there is on the wallboard by itself, and off it when it is found."""

from __future__ import annotations

from playwright.async_api import expect

from recording.files import Spool
from recording.worker import PATIENCE_SECONDS, RETRY_SECONDS
from tests.e2e.conftest import OpenPage
from tests.e2e.desk import recorded, sign_in
from tests.support.whole import Whole

SOON_MS = 1000 * (PATIENCE_SECONDS + 20)
RETRIED_MS = 1000 * (RETRY_SECONDS + 20)


async def test_a_missing_recording_raises_an_alarm_until_it_is_found(
    centre: Whole, open_page: OpenPage
) -> None:
    wallboard = await open_page()
    await sign_in(wallboard, "chen")
    await centre.agent("1001", "8101", user="fang")
    caller = await centre.far_end.call("support", "+8613800138000")
    phone = centre.far_end.agent("8101")
    await phone.ringing.wait()
    await phone.answer()
    await caller.hears()
    (started,) = await centre.journalled("RecordingStarted")
    sides = Spool(centre.site.spool).sides(started["file"])
    for side in sides:
        side.rename(side.with_suffix(".away"))
    await caller.hang_up()

    alarm = wallboard.locator("[data-test=alarm][data-code=recording_faulty]")
    await expect(alarm).to_be_visible(timeout=SOON_MS)
    await expect(alarm).to_contain_text("missing")
    assert (await centre.journalled("RecordingFaulty"))[0]["fault"] == "missing"

    for side in sides:
        side.with_suffix(".away").rename(side)
    await expect(alarm).to_be_hidden(timeout=RETRIED_MS)
    assert await recorded(centre) == started["call_id"]
