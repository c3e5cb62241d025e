"""The administrator's own fields of customers."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from crm import fields as own_fields
from web import audit
from web.database import connected
from web.endpoint import Asked, Endpoint, Input, Output, endpoint
from web.rights import Role

Title = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f]*$")]
Choice = Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[^\x00-\x1f;]*$")]
Code = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")]


class FieldIn(Input):
    """A field. `visible_to`, `editable_by`: roles; empty: everybody."""

    code: Code
    title: dict[Literal["zh-CN", "en"], Title]
    type: own_fields.FieldType
    choices: Annotated[list[Choice], Field(max_length=200, default_factory=list)]
    required: bool = False
    visible_to: Annotated[list[Role], Field(max_length=6, default_factory=list)]
    editable_by: Annotated[list[Role], Field(max_length=6, default_factory=list)]
    position: int = 0

    @model_validator(mode="after")
    def _choices_where_chosen(self) -> FieldIn:
        if (self.type in ("choice", "multi")) != bool(self.choices):
            raise ValueError("choices are for the types choice and multi")
        if not self.title:
            raise ValueError("a field needs a title")
        return self


class FieldsIn(Input):
    """The whole list, in order."""

    items: Annotated[list[FieldIn], Field(max_length=own_fields.FIELDS_MOST)]

    @model_validator(mode="after")
    def _once(self) -> FieldsIn:
        if len({each.code for each in self.items}) < len(self.items):
            raise ValueError("each code once")
        return self


class FieldOut(Output):
    """A field. `editable`: by who asks."""

    code: str
    title: dict[str, str]
    type: own_fields.FieldType
    choices: list[str]
    required: bool
    visible_to: list[str]
    editable_by: list[str]
    position: int
    editable: bool


class FieldsOut(Output):
    """The fields in order."""

    items: list[FieldOut]


@endpoint(
    "GET",
    "/api/v1/customer-fields",
    "The customers' own fields",
    output=FieldsOut,
)
async def list_fields(asked: Asked[None]) -> FieldsOut:
    """Those that one may see; with the right customers.fields all."""
    async with connected(asked.services.pool) as connection:
        return _shown(asked, await own_fields.load(connection))


@endpoint(
    "PUT",
    "/api/v1/customer-fields",
    "Define the customers' own fields",
    input=FieldsIn,
    output=FieldsOut,
    right="customers.fields",
)
async def save_fields(asked: Asked[FieldsIn]) -> FieldsOut:
    """The whole list; what a removed field held is kept, and there again when it comes back."""
    fields = [
        own_fields.Field(
            code=each.code,
            title={str(language): words for language, words in each.title.items()},
            type=each.type,
            choices=tuple(dict.fromkeys(each.choices)),
            required=each.required,
            visible_to=tuple(each.visible_to),
            editable_by=tuple(each.editable_by),
        )
        for each in asked.input.items
    ]
    async with connected(asked.services.pool) as connection, connection.transaction():
        await own_fields.save(connection, fields)
        facts = {"fields": [field.code for field in fields]}
        await audit.record(connection, asked, "customer_fields_changed", facts=facts)
    return _shown(asked, fields)


ENDPOINTS: tuple[Endpoint, ...] = (list_fields, save_fields)


def _shown(asked: Asked[None] | Asked[FieldsIn], fields: list[own_fields.Field]) -> FieldsOut:
    roles, whole = asked.session.user.roles, asked.session.may("customers.fields")
    return FieldsOut(
        items=[
            FieldOut(
                code=field.code,
                title=dict(field.title),
                type=field.type,
                choices=list(field.choices),
                required=field.required,
                visible_to=list(field.visible_to),
                editable_by=list(field.editable_by),
                position=position,
                editable=field.edited_by(roles),
            )
            for position, field in enumerate(fields)
            if whole or field.seen_by(roles)
        ]
    )
