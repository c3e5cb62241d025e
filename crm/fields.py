"""The administrator's own fields of customers: what they are, who sees them, what fits in them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, Final, Literal

from crm.callers import written_number

if TYPE_CHECKING:
    from crm.customers import Connection

FieldType = Literal["text", "number", "date", "choice", "multi", "phone"]
TEXT_LONGEST: Final = 2000
FIELDS_MOST: Final = 100
YEAR_FIRST: Final = 1000
"""What is less is a year without its century, and which one nobody says."""
_TIME: Final = re.compile(r"[\sT]")


class BadValueError(Exception):
    """A value that does not fit its field; `reason` is a stable code."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field.

    :param title: language -> words.
    :param choices: of types choice and multi.
    :param visible_to: roles; empty: everybody. `editable_by` likewise, of those who see it.
    """

    code: str
    title: Mapping[str, str]
    type: FieldType
    choices: tuple[str, ...] = ()
    required: bool = False
    visible_to: tuple[str, ...] = ()
    editable_by: tuple[str, ...] = ()

    def seen_by(self, roles: Collection[str]) -> bool:
        """Whether somebody with these roles sees it."""
        return not self.visible_to or bool(set(roles) & set(self.visible_to))

    def edited_by(self, roles: Collection[str]) -> bool:
        """Whether somebody with these roles may write it."""
        if not self.seen_by(roles):
            return False
        return not self.editable_by or bool(set(roles) & set(self.editable_by))


async def load(connection: Connection) -> list[Field]:
    """The fields in order."""
    rows = await connection.fetch(
        "SELECT code, title, type, choices, required, visible_to, editable_by"
        " FROM customer_fields WHERE removed_at IS NULL ORDER BY position"
    )
    lists = ("choices", "visible_to", "editable_by")
    return [
        Field(
            **{
                **dict(row),
                "title": json.loads(row["title"]),
                **{name: tuple(row[name]) for name in lists},
            }
        )
        for row in rows
    ]


async def save(connection: Connection, fields: Sequence[Field]) -> None:
    """Put the whole list; one that is missing is removed, its values stay with the customers."""
    await connection.execute(
        "UPDATE customer_fields SET removed_at = now()"
        " WHERE removed_at IS NULL AND NOT code = ANY($1::text[])",
        [field.code for field in fields],
    )
    for position, field in enumerate(fields):
        await connection.execute(
            _PUT,
            *(field.code, json.dumps(dict(field.title), ensure_ascii=False), field.type),
            *(field.choices, field.required, field.visible_to, field.editable_by, position),
        )


def value_of(field: Field, given: object, region: str) -> Any:  # noqa: ANN401 - by the field's type
    """The value as it is stored; None for an empty one.

    :raises BadValueError: it does not fit.
    """
    if given is None or given in ("", []):
        return None
    return _READ[field.type](field, given, region)


def missing(fields: Sequence[Field], values: Mapping[str, object]) -> str | None:
    """The first required field without a value."""
    return next((f.code for f in fields if f.required and values.get(f.code) is None), None)


def _text(field: Field, given: object, _region: str) -> str:
    if not isinstance(given, str) or len(given) > TEXT_LONGEST or "\0" in given:
        raise BadValueError(field.code, "bad_text")
    return given


def _number(field: Field, given: object, _region: str) -> float | int:
    try:
        value = float(given.replace(",", "")) if isinstance(given, str) else given
    except ValueError:
        raise BadValueError(field.code, "bad_number") from None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadValueError(field.code, "bad_number")
    if not math.isfinite(value) or abs(value) > 1e15:
        raise BadValueError(field.code, "bad_number")
    return int(value) if float(value).is_integer() else value


def _date(field: Field, given: object, _region: str) -> str:
    text = given.strip().replace("/", "-").replace(".", "-") if isinstance(given, str) else ""
    try:
        # A time behind it is left out.
        year, month, day = (int(part) for part in _TIME.split(text, 1)[0].split("-"))
        value = date(year, month, day)
    except ValueError:
        raise BadValueError(field.code, "bad_date") from None
    if year < YEAR_FIRST:
        raise BadValueError(field.code, "bad_date")
    return value.isoformat()


def _choice(field: Field, given: object, _region: str) -> str:
    if not isinstance(given, str) or given not in field.choices:
        raise BadValueError(field.code, "bad_choice")
    return given


def _multi(field: Field, given: object, region: str) -> list[str]:
    parts = [part.strip() for part in given.split(";")] if isinstance(given, str) else given
    if not isinstance(parts, list) or len(parts) > len(field.choices):
        raise BadValueError(field.code, "bad_choice")
    return [_choice(field, part, region) for part in parts]


def _phone(field: Field, given: object, region: str) -> str:
    number = written_number(given, region) if isinstance(given, str) else None
    if number is None:
        raise BadValueError(field.code, "bad_phone")
    return number


_READ: Final[Mapping[FieldType, Callable[[Field, object, str], Any]]] = {
    "text": _text,
    "number": _number,
    "date": _date,
    "choice": _choice,
    "multi": _multi,
    "phone": _phone,
}
_PUT = """
INSERT INTO customer_fields
    (code, title, type, choices, required, visible_to, editable_by, position)
VALUES ($1, $2::jsonb, $3, $4, $5, $6, $7, $8)
ON CONFLICT (code) DO UPDATE SET title = EXCLUDED.title, type = EXCLUDED.type,
    choices = EXCLUDED.choices, required = EXCLUDED.required, visible_to = EXCLUDED.visible_to,
    editable_by = EXCLUDED.editable_by, position = EXCLUDED.position, removed_at = NULL
"""
