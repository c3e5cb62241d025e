"""How customers read for who asks: numbers masked, in texts too, own fields by role."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Literal

import pydantic

from crm.callers import e164, written_number
from crm.customers import Customer
from crm.fields import Field
from crm.timeline import Appointment, Item
from web.endpoint import Asked, Output
from web.rights import masked, masked_text
from web.sessions import Session

LINE_NUMBERS = 3


class NumberView(Output):
    """A number of a customer."""

    number_id: int
    number: str
    label: str


class BlockView(Output):
    """Why calls are refused, and until when; null: for good."""

    reason: str
    until: float | None
    by: str
    at: float


class CustomerView(Output):
    """A customer. `fields`: the administrator's own, code -> value."""

    customer_id: str
    version: int
    kind: Literal["person", "company"]
    name: str
    company: str
    level: str
    language: str | None
    priority: int
    tags: list[str]
    owner_agent_id: str | None
    source: str
    numbers: list[NumberView]
    email: str
    address: str
    fields: dict[str, Any]
    blacklist: BlockView | None
    notes_pinned: str
    created_at: float
    updated_at: float
    merged: list[str]


class CustomerLine(Output):
    """A customer in a list; its first numbers."""

    customer_id: str
    kind: Literal["person", "company"]
    name: str
    company: str
    level: str
    tags: list[str]
    owner_agent_id: str | None
    numbers: list[NumberView]
    blocked: bool
    updated_at: float


class ContactItem(pydantic.BaseModel):
    """A call, note, appointment or change; the fields of its kind follow (docs/api.md)."""

    model_config = pydantic.ConfigDict(extra="allow", frozen=True)

    at: float
    kind: Literal["call", "note", "appointment", "change"]


class AppointmentView(Output):
    """A call-back that was agreed on. `done_at` null: open."""

    appointment_id: str
    customer_id: str
    customer_name: str
    due_at: float
    text: str
    agent_id: str | None
    call_id: str | None
    by: str
    done_at: float | None


class Viewer:
    """Shows customers to who is signed in.

    :param now: epoch seconds.
    :param fields: the own fields there are.
    """

    def __init__(self, session: Session, now: float, fields: Sequence[Field]) -> None:
        self.clear = session.may("numbers.see")
        self._now = now
        self._roles = session.user.roles
        self._fields = {field.code: field for field in fields}

    def number(self, number: str) -> str:
        """A number as it may be seen."""
        return number if self.clear else masked(number) or ""

    def text(self, text: str) -> str:
        """A name or what somebody wrote, as it may be seen."""
        return text if self.clear else masked_text(text)

    def own(self, code: str, value: Any) -> Any:  # noqa: ANN401 - JSON
        """The value of an own field as it may be seen."""
        type_ = self._fields[code].type
        if isinstance(value, str) and type_ == "phone":
            return self.number(value)
        return self.text(value) if isinstance(value, str) and type_ == "text" else value

    def sees(self, code: str) -> bool:
        """Whether the own field is there and may be seen."""
        return code in self._fields and self._fields[code].seen_by(self._roles)

    def customer(self, customer: Customer) -> CustomerView:
        """The whole customer."""
        block = customer.block
        return CustomerView(
            customer_id=str(customer.customer_id),
            version=customer.version,
            kind=customer.kind,
            name=self.text(customer.name),
            company=self.text(customer.company),
            level=self.text(customer.level),
            language=customer.language,
            priority=customer.priority,
            tags=[self.text(tag) for tag in customer.tags],
            owner_agent_id=customer.owner_agent_id,
            source=self.text(customer.source),
            numbers=self._numbers(customer),
            email=self.text(customer.email),
            address=self.text(customer.address),
            fields={
                code: self.own(code, value)
                for code, value in customer.fields.items()
                if self.sees(code)
            },
            blacklist=BlockView(
                reason=self.text(block.reason),
                until=_seconds(block.until),
                by=block.by,
                at=block.at.timestamp(),
            )
            if block and self.blocked(customer)
            else None,
            notes_pinned=self.text(customer.notes_pinned),
            created_at=customer.created_at.timestamp(),
            updated_at=customer.updated_at.timestamp(),
            merged=[str(each) for each in customer.merged],
        )

    def line(self, customer: Customer) -> CustomerLine:
        """The customer in a list."""
        return CustomerLine(
            customer_id=str(customer.customer_id),
            kind=customer.kind,
            name=self.text(customer.name),
            company=self.text(customer.company),
            level=self.text(customer.level),
            tags=[self.text(tag) for tag in customer.tags],
            owner_agent_id=customer.owner_agent_id,
            numbers=self._numbers(customer)[:LINE_NUMBERS],
            blocked=self.blocked(customer),
            updated_at=customer.updated_at.timestamp(),
        )

    def blocked(self, customer: Customer) -> bool:
        """Whether the customer's calls are refused now."""
        return customer.block is not None and customer.block.holds(moment(self._now))

    def item(self, item: Item) -> ContactItem:
        """An entry of the time line."""
        facts = {key: _plain(value) for key, value in item.facts.items()}
        facts |= {key: self.text(facts[key]) for key in _WRITTEN & facts.keys()}
        if item.kind == "change":
            facts["facts"] = self._change(facts["facts"])
        id_ = item.id if item.kind == "call" else str(item.id)
        named = {f"{item.kind}_id": id_, **facts, "at": item.at.timestamp(), "kind": item.kind}
        return ContactItem.model_validate(named)

    def appointment(self, found: Appointment) -> AppointmentView:
        """An appointment."""
        return AppointmentView(
            appointment_id=str(found.appointment_id),
            customer_id=str(found.customer_id),
            customer_name=self.text(found.customer_name),
            due_at=found.due_at.timestamp(),
            text=self.text(found.text),
            agent_id=found.agent_id,
            call_id=found.call_id,
            by=found.by,
            done_at=_seconds(found.done_at),
        )

    def _numbers(self, customer: Customer) -> list[NumberView]:
        return [
            NumberView(
                number_id=each.number_id,
                number=self.number(each.number),
                label=self.text(each.label),
            )
            for each in customer.numbers
            if each.number_id is not None
        ]

    def _change(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        shown: dict[str, Any] = {}
        for key, value in facts.items():
            code = key.removeprefix("field:")
            if code == key:
                shown[key] = value if self.clear else _masked_fact(key, value)
            elif self.sees(code):
                shown[key] = [self.own(code, each) for each in value]
        return shown


def _masked_fact(key: str, value: Any) -> Any:  # noqa: ANN401 - JSON
    """A fact of a change, its numbers masked."""
    if isinstance(value, list):
        return [_masked_fact(key, each) for each in value]
    if not isinstance(value, str):
        return value
    return masked(value) if key == "numbers" else masked_text(value)


_WRITTEN: Final = frozenset({"text", "notes"})
"""Facts of the time line that somebody wrote."""


def viewer_of(asked: Asked[Any], fields: Sequence[Field] = ()) -> Viewer:
    """Shows customers to who asks."""
    return Viewer(asked.session, asked.services.clock(), fields)


def moment(seconds: float) -> datetime:
    """Epoch seconds as PostgreSQL takes them."""
    return datetime.fromtimestamp(seconds, UTC)


def call_number(asked: Asked[Any], number: str | None) -> str | None:
    """The number of a call in E.164, None where it tells nobody."""
    return e164(number, asked.services.floor.country) if number else None


def typed_number(asked: Asked[Any], number: str | None) -> str | None:
    """A number that somebody typed in E.164, None where it is none."""
    return written_number(number, asked.services.floor.country) if number else None


def _seconds(at: datetime | None) -> float | None:
    return None if at is None else at.timestamp()


def _plain(value: Any) -> Any:  # noqa: ANN401 - a column's
    return value.timestamp() if isinstance(value, datetime) else value
