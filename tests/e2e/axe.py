"""The rules of WCAG 2.1 AA, contrast among them, by axe-core; fixture `axe_core` is its script."""

import pytest
from playwright.async_api import Page

RULES = "{ runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa'] }"
END_TRANSITIONS = """() => document.getAnimations()
  .filter((each) => Number.isFinite(each.effect.getComputedTiming().endTime))
  .forEach((each) => each.finish())"""
LOOKS = [
    pytest.param(language, theme, id=f"{language}-{theme}")
    for language, theme in (("zh-CN", "light"), ("zh-CN", "dark"), ("en", "light"), ("en", "dark"))
]


class Examiner:
    """Collects what the rules say against each screen."""

    def __init__(self) -> None:
        self.complaints: list[str] = []

    async def look(self, page: Page, screen: str) -> None:
        """Examine what is shown now."""
        await page.evaluate(END_TRANSITIONS)
        found = await page.evaluate(f"axe.run(document, {RULES})")
        self.complaints += [
            f"{screen}: {violation['id']}: {node['target']} {node.get('failureSummary', '')}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]
