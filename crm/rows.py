"""From a row of an uploaded table to a customer: what the columns mean, and what does not fit."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import partial
from typing import Any, Final, Literal

from crm.callers import written_number
from crm.customers import NUMBERS_MOST, Draft, Kind, Number, without_doubles
from crm.fields import BadValueError, Field, missing, value_of
from crm.sheets import CELL_LONGEST, plain
from crm.terms import folded

COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "name": ("姓名", "客户姓名", "客户名称", "名字", "联系人", "name", "full name", "customer"),
    "company": ("公司", "公司名称", "单位", "企业", "company", "organisation", "organization"),
    "kind": ("类型", "客户类型", "kind", "type"),
    "number": (
        *("电话", "手机", "手机号", "手机号码", "联系电话", "电话号码", "号码"),
        *("phone", "mobile", "number", "telephone", "tel", "phone number"),
    ),
    "level": ("等级", "级别", "客户等级", "客户级别", "level", "class"),
    "tags": ("标签", "客户标签", "tags", "labels"),
    "owner": ("负责人", "归属坐席", "所属坐席", "工号", "owner", "agent"),
    "email": ("邮箱", "电子邮箱", "电子邮件", "email", "e-mail", "mail"),
    "address": ("地址", "联系地址", "住址", "address"),
    "source": ("来源", "客户来源", "渠道", "source", "channel"),
    "note": ("备注", "说明", "note", "notes", "remark", "remarks", "comment"),
    "language": ("语言", "language"),
}
"""Target -> what its column is called."""
NUMBER_TARGETS: Final = ("number", *(f"number{place}" for place in range(2, 11)))
_KINDS: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(("", "个人", "person", "p", "个人客户"), "person"),
    **dict.fromkeys(("公司", "企业", "company", "c", "企业客户", "organisation"), "company"),
}
_LIMITS: Final = {
    "name": 80,
    "company": 120,
    "level": 32,
    "owner": 64,
    "email": 254,
    "address": 500,
    "source": 80,
    "note": 4000,
}
_LANGUAGE: Final = re.compile(r"[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8})?")
_EMAIL: Final = re.compile(r"[^\s@]+@[^\s@]+")
_SEPARATED: Final = re.compile(r"[;,，；、|\n]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]+")

OnDuplicate = Literal["skip", "update", "create"]


class RowError(Exception):
    """The row makes no customer. `reason` is a stable code; `column` names the cell."""

    def __init__(self, reason: str, column: str = "") -> None:
        super().__init__(reason, column)
        self.reason = reason
        self.column = column


@dataclass(frozen=True, slots=True)
class Row:
    """What a row says.

    :param given: the draft's columns that the row fills with cells of their own.
    """

    draft: Draft
    note: str = ""
    given: frozenset[str] = field(default_factory=frozenset)


def targets(own: Iterable[Field]) -> list[str]:
    """What a column may mean."""
    rest = [name for name in COLUMNS if name != "number"]
    return [*NUMBER_TARGETS, *rest, *(f"field:{each.code}" for each in own)]


def suggest(columns: Sequence[str], own: Sequence[Field]) -> dict[str, str | None]:
    """What each column probably means; each target once, further numbers as number2 and so on."""
    named: dict[str, str] = {}
    for each in own:
        for words in (each.code, *each.title.values()):
            named[_key(words)] = f"field:{each.code}"
    for target, words_of in COLUMNS.items():
        named.update((_key(words), target) for words in (target, *words_of))
    found: dict[str, str | None] = {}
    free = targets(own)
    for column in columns:
        # `Phone 2`, `电话2`: a further number.
        wanted = named.get(_key(column)) or named.get(re.sub(r"\d+$", "", _key(column)))
        if wanted == "number":
            wanted = next((name for name in NUMBER_TARGETS if name in free), None)
        found[column] = wanted if wanted in free else None
        if wanted in free:
            free.remove(wanted)
    return found


def _key(text: str) -> str:
    return re.sub(r"[\W_]+", "", folded(text))


def read_row(
    columns: Sequence[str],
    cells: Sequence[str],
    mapping: Mapping[str, str],
    own: Sequence[Field],
    region: str,
) -> Row:
    """What a row says.

    :param mapping: column -> target.
    :raises RowError: something in it does not fit.
    """
    texts: dict[str, str] = {}
    column_of: dict[str, str] = {}
    for column, cell in zip(columns, cells, strict=False):
        if target := mapping.get(column):
            if len(cell) > CELL_LONGEST:
                raise RowError("too_long", column)
            texts[target] = plain(cell)
            column_of[target] = column
    for target, longest in _LIMITS.items():
        if len(texts.get(target, "")) > longest:
            raise RowError("too_long", column_of[target])
    values = _columns(texts, column_of)
    values["numbers"] = _numbers(texts, column_of, region)
    values["fields"] = _own_values(texts, column_of, own, region)
    given = frozenset(name for name, value in values.items() if value)
    # Without a cell of their own they are made up: right for who is new, not for who is known.
    made_up = {name for name in ("kind", "name") if not _line(texts, name)}
    return Row(Draft(**values), texts.get("note", ""), given - made_up)


def updated(before: Draft, row: Row) -> Draft:
    """The customer with what the row says; an empty cell changes nothing."""
    single = {
        each.name
        for each in fields(Draft)
        if each.name not in ("tags", "numbers", "fields", "priority")
    }
    columns = {name: getattr(row.draft, name) for name in single & row.given}
    # Who was merged may have more than a row can add: those stay.
    most = max(NUMBERS_MOST, len(before.numbers))
    return replace(
        before,
        **columns,
        tags=tuple(dict.fromkeys((*before.tags, *row.draft.tags))),
        numbers=without_doubles((*before.numbers, *row.draft.numbers))[:most],
        fields={**before.fields, **row.draft.fields},
    )


def _line(texts: Mapping[str, str], target: str) -> str:
    return _CONTROL.sub(" ", texts.get(target, "")).strip()


def _columns(texts: Mapping[str, str], column_of: Mapping[str, str]) -> dict[str, Any]:
    line = partial(_line, texts)
    kind = _KINDS.get(line("kind").casefold())
    if kind is None:
        raise RowError("bad_kind", column_of["kind"])
    name, company = line("name"), line("company")
    if not name and len(company) > _LIMITS["name"]:
        raise RowError("too_long", column_of["company"])
    if not (name or company):
        raise RowError("no_name", column_of.get("name", ""))
    language = line("language")
    if language and not _LANGUAGE.fullmatch(language):
        raise RowError("bad_language", column_of["language"])
    email = line("email")
    if email and not _EMAIL.fullmatch(email):
        raise RowError("bad_email", column_of["email"])
    tags = [tag.strip() for tag in _SEPARATED.split(texts.get("tags", "")) if tag.strip()]
    if len(tags) > 50 or any(len(tag) > 40 or _CONTROL.search(tag) for tag in tags):
        raise RowError("too_long", column_of["tags"])
    return {
        "kind": kind if name or line("kind") else "company",
        "name": name or company,
        "company": company,
        "level": line("level"),
        "language": language or None,
        "tags": tuple(dict.fromkeys(tags)),
        "owner_agent_id": line("owner") or None,
        "email": email,
        "address": texts.get("address", ""),
        "source": line("source"),
    }


def _numbers(
    texts: Mapping[str, str], column_of: Mapping[str, str], region: str
) -> tuple[Number, ...]:
    found: list[Number] = []
    for target in NUMBER_TARGETS:
        for part in _SEPARATED.split(texts.get(target, "")):
            if not part.strip():
                continue
            number = written_number(part, region)
            if number is None:
                raise RowError("bad_phone", column_of[target])
            found.append(Number(number))
    return without_doubles(found)[:NUMBERS_MOST]


def _own_values(
    texts: Mapping[str, str], column_of: Mapping[str, str], own: Sequence[Field], region: str
) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for each in own:
        target = f"field:{each.code}"
        try:
            value = value_of(each, texts.get(target, ""), region)
        except BadValueError as error:
            raise RowError(error.reason, column_of[target]) from None
        if value is not None:
            values[each.code] = value
    if (lacking := missing(own, values)) and f"field:{lacking}" in column_of:
        raise RowError("missing", column_of[f"field:{lacking}"])
    return values
