"""The whole product with a real browser at the desk.

`browser`: Debian's Chromium, one for the session, with a microphone that beeps.
`centre`: PBX, customers, database and server; one agent with a phone in the browser.
`open_page`: a browser context of its own with one page: `page = await open_page("en", "dark")`
"""

import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, ViewportSize, async_playwright, expect

from cti.sandbox.frontend import ensure_frontend
from tests.e2e.desk import FLOOR, refuse_surprises
from tests.support.sandbox import TestSandbox
from tests.support.whole import Whole, whole

CHROMIUM = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--allow-loopback-in-peer-connection",
    "--disable-features=WebRtcHideLocalIpsWithMdns",
]
PATIENCE_MS = 20_000
"""How long a screen may take on a busy machine before something is wrong."""
expect.set_options(timeout=PATIENCE_MS)
OpenPage = Callable[..., Awaitable[Page]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/e2e/" in item.path.as_posix():
            item.add_marker("browser")


@pytest.fixture(scope="session")
def axe_core() -> str:
    """The accessibility rules, to be put into a page."""
    return Path("web/frontend/node_modules/axe-core/axe.min.js").read_text()


@pytest.fixture(scope="session")
def screens() -> None:
    """Build the screens when they are not the present ones."""
    ensure_frontend(say=print)


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    """Start Chromium."""
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"), args=CHROMIUM
        )
        yield chromium
        await chromium.close()


@pytest_asyncio.fixture
async def centre(sandbox: TestSandbox, database: str, screens: None) -> AsyncIterator[Whole]:
    """Start a centre whose people are known: agents 1001, 1002, and a leader."""
    async with whole(sandbox, database, FLOOR) as site:
        await site.add_user("fang", "agent", "1001")
        await site.add_user("qiang", "agent", "1002")
        await site.add_user("chen", "leader")
        yield site


@pytest_asyncio.fixture
async def open_page(browser: Browser, centre: Whole) -> AsyncIterator[OpenPage]:
    """Open pages of the centre."""
    async with pages(browser, centre.base) as open_one:
        yield open_one


@asynccontextmanager
async def pages(browser: Browser, base_url: str) -> AsyncIterator[OpenPage]:
    """Open pages of a server, each in a context of its own; errors on a page fail the test."""
    surprises: list[str] = []

    async def open_one(
        language: str = "en",
        theme: str = "light",
        *,
        size: ViewportSize | None = None,
        script: str = "",
    ) -> Page:
        context = await browser.new_context(
            base_url=base_url,
            locale=language,
            timezone_id="Asia/Shanghai",
            viewport=size or {"width": 1366, "height": 768},
        )
        context.set_default_timeout(PATIENCE_MS)
        await context.add_init_script(
            f"localStorage['zuoxi.theme'] = '{theme}';"
            f"localStorage['zuoxi.language'] ??= '{language}';{script}"
        )
        page = await context.new_page()
        refuse_surprises(page, surprises)
        return page

    yield open_one
    assert surprises == []
