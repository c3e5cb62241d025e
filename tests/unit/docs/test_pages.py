"""What the pages point to is there, and the two READMEs are twins."""

import re
from pathlib import Path

import pytest

from cti.sandbox.system import PROJECT

PAGES = [*PROJECT.glob("*.md"), *PROJECT.glob("docs/**/*.md"), *PROJECT.glob("web/frontend/*.md")]
README, TWIN = PROJECT / "README.md", PROJECT / "README.zh-CN.md"
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
NOT_IN_ANCHORS = re.compile(r"[^\w\- ]")
FOLDERS = "acd|bench|config|crm|cti|docs|recording|tests|web"
# What is built is not there before the first start.
PATH = re.compile(rf"`(?!web/static/)((?:{FOLDERS})/[\w./*-]+)`")


def links(page: Path) -> list[str]:
    """Where the page points to within the project, in order."""
    targets = LINK.findall(FENCE.sub("", page.read_text()))
    return [target for target in targets if "://" not in target]


def anchors(page: Path) -> set[str]:
    """What can follow the # in a link to the page, as GitHub makes it of the headings."""
    headings = HEADING.findall(FENCE.sub("", page.read_text()))
    return {NOT_IN_ANCHORS.sub("", each.lower()).replace(" ", "-") for each in headings}


def commands(page: Path) -> list[str]:
    """The lines of the code blocks without remarks and without the words that stand for others."""
    lines = "\n".join(FENCE.findall(page.read_text())).splitlines()
    return [re.sub(r"<[^>]+>", "<>", line.partition(" # ")[0]).strip() for line in lines]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_files_that_are_named_exist(page: Path) -> None:
    missing = [name for name in PATH.findall(page.read_text()) if not any(PROJECT.glob(name))]
    assert missing == []


def test_both_readmes_show_the_same_links_and_commands() -> None:
    twins = {README.name, TWIN.name}
    assert [link for link in links(README) if link not in twins] == [
        link for link in links(TWIN) if link not in twins
    ]
    assert TWIN.name in links(README)
    assert README.name in links(TWIN)
    assert "./zuoxi demo" in commands(README)
    assert commands(README) == commands(TWIN)
    spoken = re.compile(r"`(\./zuoxi [^`]+)`")
    assert spoken.findall(README.read_text()) == spoken.findall(TWIN.read_text())
