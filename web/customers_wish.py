"""From what is written about a customer to what is stored, and who may write it."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Final, Literal

from pydantic import Field

from crm import customers as store
from crm import fields as own_fields
from crm.customers import By, Customer, Draft, Number
from web.customers_asked import LINE, AgentName, CallId, bad_field, replaced
from web.customers_view import typed_number, viewer_of
from web.endpoint import Asked, Input
from web.problems import Problem
from web.rights import masked, restored

if TYPE_CHECKING:
    from web.database import Connection

Name = Annotated[str, Field(min_length=1, max_length=80, pattern=LINE)]
Company = Annotated[str, Field(max_length=120, pattern=LINE)]
Level = Annotated[str, Field(max_length=32, pattern=LINE)]
Language = Annotated[str, Field(pattern=r"^[A-Za-z]{2,3}([_-][A-Za-z0-9]{2,8})?$")]
Priority = Annotated[int, Field(ge=-100, le=100)]
Tag = Annotated[str, Field(min_length=1, max_length=40, pattern=LINE)]
Tags = Annotated[list[Tag], Field(max_length=50)]
Source = Annotated[str, Field(max_length=80, pattern=LINE)]
Email = Annotated[str, Field(max_length=254, pattern=r"^([^\s@\x00-\x1f]+@[^\s@\x00-\x1f]+)?$")]
Address = Annotated[str, Field(max_length=500, pattern=r"^[^\x00]*$")]
Pinned = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")]
FieldCode = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")]
FieldText = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")]
FieldChoices = Annotated[list[FieldText], Field(max_length=200)]
FieldValues = Annotated[
    dict[FieldCode, FieldText | float | FieldChoices | None],
    Field(max_length=own_fields.FIELDS_MOST),
]


class NumberWish(Input):
    """A number; of a stored one `number_id` is enough, so that it need not be seen."""

    number_id: int | None = None
    number: Annotated[str | None, Field(max_length=40)] = None
    label: Level = ""


Numbers = Annotated[list[NumberWish], Field(max_length=store.NUMBERS_MOST)]


class NewCustomer(Input):
    """A customer. `call_id`: the number of that call is added, and the call is this customer's.

    `allow_shared`: after the problem number_taken was shown.
    """

    kind: Literal["person", "company"] = "person"
    name: Name
    company: Company = ""
    level: Level = ""
    language: Language | None = None
    priority: Priority = 0
    tags: Annotated[Tags, Field(default_factory=list)]
    owner_agent_id: AgentName | None = None
    source: Source = ""
    email: Email = ""
    address: Address = ""
    notes_pinned: Pinned = ""
    fields: Annotated[FieldValues, Field(default_factory=dict)]
    numbers: Annotated[Numbers, Field(default_factory=list)]
    call_id: CallId | None = None
    allow_shared: bool = False


class CustomerChange(Input):
    """What is to be changed; `version` is that of the customer one has seen.

    `numbers` is the whole list. Of `fields` those that are named change, null empties one.
    """

    version: int
    kind: Literal["person", "company"] | None = None
    name: Name | None = None
    company: Company | None = None
    level: Level | None = None
    language: Language | None = None
    priority: Priority | None = None
    tags: Tags | None = None
    owner_agent_id: AgentName | None = None
    source: Source | None = None
    email: Email | None = None
    address: Address | None = None
    notes_pinned: Pinned | None = None
    fields: FieldValues | None = None
    numbers: Numbers | None = None
    allow_shared: bool = False


def changed(
    asked: Asked[CustomerChange],
    fields: Sequence[own_fields.Field],
    before: Customer,
    given: CustomerChange,
) -> Draft:
    """The customer as it is to be. Numbers that come back masked are as they were."""
    named = given.model_fields_set
    columns: dict[str, Any] = {
        name: getattr(given, name)
        for name in store.COLUMNS
        if name in named and (getattr(given, name) is not None or name in _EMPTIED)
    }
    if "tags" in columns:
        columns["tags"] = once(columns["tags"])
    stored = Draft(
        **{name: getattr(before, name) for name in store.COLUMNS},
        fields=before.fields,
        numbers=before.numbers,
    )
    if given.fields is not None:
        columns["fields"] = own_values(asked, fields, given.fields, before.fields)
    if given.numbers is not None:
        columns["numbers"] = numbers_of(asked, given.numbers, before.numbers)
    return dataclasses.replace(stored, **columns)


_EMPTIED: Final = frozenset({"language", "owner_agent_id"})
"""Null means none."""
_TEXTS: Final = ("name", "company", "level", "source", "email", "address", "notes_pinned")


def unmasked(asked: Asked[Any], given: CustomerChange, before: Customer) -> CustomerChange:
    """The change, numbers in texts that came back masked as they are stored.

    :raises Problem: invalid; with them a text is too long.
    """
    if asked.session.may("numbers.see"):
        return given
    written = given.model_dump(include={*_TEXTS}, exclude_none=True)
    changes: dict[str, Any] = {
        name: restored(text, [getattr(before, name)]) for name, text in written.items()
    }
    if given.tags is not None:
        changes["tags"] = [restored(tag, before.tags) for tag in given.tags]
    if given.numbers is not None:
        labels = [each.label for each in before.numbers]
        changes["numbers"] = [
            {**wish.model_dump(), "label": restored(wish.label, labels)} for wish in given.numbers
        ]
    return replaced(given, **changes)


def once(tags: Sequence[str]) -> tuple[str, ...]:
    """Tags in their order, each once."""
    return tuple(dict.fromkeys(tags))


def numbers_of(
    asked: Asked[Any], wishes: Sequence[NumberWish], stored: Sequence[Number]
) -> tuple[Number, ...]:
    """The numbers that are wished.

    :raises Problem: invalid, naming the field.
    """
    known = {each.number_id: each for each in stored}
    found: list[Number] = []
    for place, wish in enumerate(wishes):
        old = known.get(wish.number_id)
        if old and wish.number in (None, "", old.number, masked(old.number)):
            found.append(Number(old.number, wish.label, old.number_id))
            continue
        number = typed_number(asked, wish.number)
        if number is None:
            raise bad_field(f"numbers.{place}.number", "bad_phone", "no telephone number")
        same = next((each.number_id for each in stored if each.number == number), None)
        found.append(Number(number, wish.label, same))
    return store.without_doubles(found)


def typed_numbers(wishes: Sequence[NumberWish] | None) -> list[str]:
    """The numbers that were typed. Each is a question too: the answer may tell whose it is."""
    return [each.number for each in wishes or () if each.number and "*" not in each.number]


def own_values(
    asked: Asked[Any],
    fields: Sequence[own_fields.Field],
    given: Mapping[str, object],
    before: Mapping[str, Any],
) -> dict[str, Any]:
    """The own fields' values with what is given; those that may not be written stay.

    :raises Problem: invalid, naming the field.
    """
    roles, clear = asked.session.user.roles, asked.session.may("numbers.see")
    known = {field.code: field for field in fields if field.edited_by(roles)}
    values = dict(before)
    for code, value in given.items():
        field = known.get(code)
        if field is None:
            raise bad_field(
                f"fields.{code}", "unknown_field", "no such field, or not to be written"
            )
        old = before.get(code)
        if field.type == "phone" and old is not None and value == masked(old):
            continue
        wanted = value
        texts = field.type == "text" and isinstance(value, str) and isinstance(old, str)
        if texts and not clear:
            wanted = restored(str(value), [str(old)])
        try:
            values[code] = own_fields.value_of(field, wanted, asked.services.floor.country)
        except own_fields.BadValueError as error:
            raise bad_field(f"fields.{code}", error.reason, "does not fit the field") from None
    values = {code: value for code, value in values.items() if value is not None}
    if lacking := own_fields.missing(list(known.values()), values):
        raise bad_field(f"fields.{lacking}", "missing", "this field is required")
    return values


def check_owner(asked: Asked[Any], before: str | None, after: str | None) -> None:
    """See that nobody makes a customer their own to be shown the numbers.

    :raises Problem: no_right.
    """
    if before != after and not asked.session.may("numbers.see"):
        raise Problem("no_right", right="numbers.see")


def check_block(asked: Asked[Any], before: Customer, after: Draft, by: By) -> None:
    """See that nobody lifts or spreads a block with a customer's numbers.

    :raises Problem: no_right.
    """
    if before.block is None or not before.block.holds(by.at):
        return
    same = {each.number for each in before.numbers} == {each.number for each in after.numbers}
    if not same and not asked.session.may("blacklist.edit"):
        raise Problem("no_right", right="blacklist.edit")


def without_values(
    fields: Sequence[own_fields.Field], facts: Mapping[str, object]
) -> dict[str, object]:
    """Differences for the audit trail, which others read than see every own field."""
    everybodys = {f"field:{field.code}" for field in fields if not field.visible_to}
    return {
        key: ["*", "*"] if key.startswith("field:") and key not in everybodys else value
        for key, value in facts.items()
    }


async def check_taken(
    connection: Connection,
    asked: Asked[Any],
    numbers: Sequence[Number],
    but: int | None,
) -> None:
    """See that nobody but the customer `but` has these numbers.

    :raises Problem: number_taken, naming who has one.
    """
    try:
        await store.check_taken(connection, (each.number for each in numbers), but=but)
    except store.TakenError as error:
        name = viewer_of(asked).text(error.name)
        raise Problem("number_taken", customer_id=str(error.customer_id), name=name) from None
