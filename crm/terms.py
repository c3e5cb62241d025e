"""What search finds a customer by: terms of names, numbers and marks, and those of a query.

A customer is found by any term that begins with what is typed. So that any part of a Chinese name
is found, each of its suffixes is a term, as is its pinyin (`zhangsan`) and the initials (`zs`); of
other words only the beginnings count. Numbers are kept from their last digit to their first. Tags,
level, owner and blacklist are terms too; a colon, which no word has, keeps them apart.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from pypinyin import Style, lazy_pinyin

from crm.callers import e164

TERM_LONGEST: Final = 24
MARK_LONGEST: Final = 2 + 64
"""Of any term the longest: an owner's, behind `o:`."""
SUFFIX_LONGEST: Final = 12
"""Characters of a Chinese suffix that are kept: whoever typed so many has found it."""
TERMS_MOST: Final = 120
WORDS_MOST: Final = 6
DIGITS_FEWEST: Final = 4
"""Fewer digits are part of a name (`360`), not of a number."""

HEAD_LETTERS: Final = 5
"""`zhang`: what is longer begins few terms."""
HEAD_CHARACTERS: Final = 2

_HAN = re.compile(r"[\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+")
_RUN = re.compile(rf"(?P<han>{_HAN.pattern})|(?P<word>\w+)")
_NUMBER_IN_TEXT = re.compile(r"[(+]*\d(?:[\W_]{0,3}\d){6,}")
_NUMBER = re.compile(r"\+?[\d()./-]*\d")
_SURNAMES: Final = {
    "单": "shan",
    "曾": "zeng",
    "仇": "qiu",
    "解": "xie",
    "查": "zha",
    "盖": "ge",
    "区": "ou",
    "朴": "piao",
    "任": "ren",
    "冼": "xian",
    "乐": "yue",
    "尉": "wei",
    "翟": "zhai",
    "覃": "qin",
    "缪": "miao",
    "员": "yun",
    "折": "she",
    "重": "chong",
    "种": "chong",
    "秘": "bi",
    "繁": "po",
}
"""Read otherwise at the beginning of a name than elsewhere."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One word of a query.

    :param term: what a customer's term has to begin with, or to be where it is `exact`.
    """

    term: str
    exact: bool = False


def folded(text: str) -> str:
    """The text as it is compared: one width, one case, without accents."""
    plain = unicodedata.normalize("NFKD", text.casefold())
    return unicodedata.normalize(
        "NFC", "".join(letter for letter in plain if not unicodedata.combining(letter))
    )


def customer_terms(
    name: str,
    company: str,
    numbers: Iterable[str],
    *,
    tags: Iterable[str] = (),
    level: str = "",
    owner: str | None = None,
    blocked: bool = False,
) -> list[str]:
    """All terms of a customer, sorted, each once.

    :param numbers: E.164.
    """
    found = {digits_term(number) for number in numbers}
    found.update(tag_term(tag) for tag in tags)
    if level:
        found.add(level_term(level))
    if owner:
        found.add(owner_term(owner))
    if blocked:
        found.add(BLOCKED)
    words = itertools.chain(_terms_of(name, named=True), _terms_of(company, named=False))
    found.update(itertools.islice(words, TERMS_MOST))
    return sorted(found)


def heads_of(terms: Iterable[str]) -> list[str]:
    """The short beginnings of words among the terms, each a term of its own behind `^`.

    Thousands of names begin with `zhang`: where several words have to fit, one term is found
    hundreds of times as quickly as all those.
    """
    found: set[str] = set()
    for term in terms:
        if ":" not in term and not term.startswith("#"):
            head = "^" + term[: _head_longest(term)]
            if head not in found:  # nor are all of its beginnings
                found.update(head[:length] for length in range(2, len(head) + 1))
    return sorted(found)


def head_of(word: str) -> str | None:
    """The head that a customer has whose term begins with the word; None for a longer word."""
    if word.startswith("#") or len(word) > _head_longest(word):
        return None
    return "^" + word


def _head_longest(term: str) -> int:
    return HEAD_CHARACTERS if _is_han(term) else HEAD_LETTERS


BLOCKED: Final = "b:"


def tag_term(tag: str) -> str:
    """The term of a tag."""
    return "t:" + _safe(tag)


def level_term(level: str) -> str:
    """The term of a level."""
    return "l:" + _safe(level)


def owner_term(agent_id: str) -> str:
    """The term of an owner."""
    return "o:" + _safe(agent_id)


def digits_term(number: str) -> str:
    """The term of a number: its digits, the last first."""
    return "#" + re.sub(r"\D", "", number)[::-1]


def query_words(text: str) -> list[str]:
    """The words that are searched, each for itself; a number's separators do not part it."""
    words = folded(text).split()
    if words and all(_NUMBER.fullmatch(word) for word in words):
        words = ["".join(words)]
    return words[:WORDS_MOST]


def digits_of(word: str) -> str | None:
    """The digits of a word that is a number or a part of one, None for other words."""
    return re.sub(r"\D", "", word) if _NUMBER.fullmatch(word) else None


def wanted_of(text: str, region: str, *, whole_numbers: bool = False) -> list[Wanted]:
    """What a customer has to have; all of it.

    :param region: the country of numbers without a country code.
    :param whole_numbers: a number is found by all of its digits, not by its end.
    """
    wanted: list[Wanted] = []
    for word in query_words(text):
        digits = digits_of(word)
        if digits is not None and whole_numbers:
            plus = "+" if word.startswith("+") else ""
            wanted.append(Wanted(digits_term(e164(plus + digits, region) or digits), exact=True))
        elif digits is not None and len(digits) >= DIGITS_FEWEST:
            wanted.append(Wanted(digits_term(_whole(word, digits, region))))
        else:
            wanted += [Wanted(run[: _longest(run)]) for run in _runs(word)]
    return wanted[:WORDS_MOST]


def _whole(word: str, digits: str, region: str) -> str:
    """The number without a trunk prefix where it is a whole one, else the digits."""
    plus = "+" if word.startswith("+") else ""
    if len(digits) < 7:
        return digits
    normal = e164(plus + digits, region)
    # A part of a number must not grow a country code that the number may not have.
    return normal if normal and (plus or digits.startswith("0")) else digits.removeprefix("00")


def _runs(text: str) -> Iterator[str]:
    for match in _RUN.finditer(text):
        if run := match[0].strip("_"):
            yield run


def _longest(run: str) -> int:
    return SUFFIX_LONGEST if _is_han(run) else TERM_LONGEST


def _is_han(run: str) -> bool:
    match = _RUN.match(run)
    return match is not None and match["han"] is not None


def _terms_of(text: str, *, named: bool) -> Iterator[str]:
    """Terms of a text; of a name (`named`) the pinyin of each suffix too.

    Numbers in it are terms as numbers are: else they could be guessed digit by digit.
    """
    text = folded(text)
    for match in _NUMBER_IN_TEXT.finditer(text):
        yield digits_term(match[0])[: TERM_LONGEST + 1]
    for run in _runs(_NUMBER_IN_TEXT.sub(" ", text)):
        if not _is_han(run):
            yield run[:TERM_LONGEST]
        # `VIP王总` is one word of a query, and found by either of its parts.
        for part in _HAN.findall(run):
            yield from _han_terms(part, named)


def _han_terms(run: str, named: bool) -> Iterator[str]:
    yield from (run[at : at + SUFFIX_LONGEST] for at in range(min(len(run), TERM_LONGEST)))
    for syllables in _readings(run[:SUFFIX_LONGEST], named):
        for at in range(len(syllables) if named else 1):
            yield "".join(syllables[at:])[:TERM_LONGEST]
            # One initial alone begins the pinyin too.
            if initials := "".join(syllable[0] for syllable in syllables[at:])[1:]:
                yield syllables[at][0] + initials


def _readings(run: str, named: bool) -> list[Sequence[str]]:
    """The syllables of a Chinese run; with the surname's own reading where it has one."""
    plain = list(_syllables(run))
    surname = _SURNAMES.get(run[0]) if named else None
    if surname is None or surname == plain[0]:
        return [plain]
    return [plain, [surname, *plain[1:]]]


@lru_cache(maxsize=100_000)
def _syllables(run: str) -> tuple[str, ...]:
    # Written as it is typed: lü as lv.
    return tuple(
        syllable.replace("ü", "v") for syllable in lazy_pinyin(run, style=Style.NORMAL) if syllable
    )


def _safe(text: str) -> str:
    return text.replace("\0", "")
