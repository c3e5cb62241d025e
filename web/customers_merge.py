"""Customers who may be the same one: found, merged, parted."""

from __future__ import annotations

from typing import Final, Literal

from crm import customers as store
from crm import merging
from web.customers_asked import CustomerId, changing, customer_of, reading, record, seen
from web.customers_view import CustomerLine, CustomerView, viewer_of
from web.endpoint import Asked, Endpoint, Input, Output, endpoint
from web.problems import Problem
from web.rights import masked_name

DUPLICATES_MOST: Final = 20


class DuplicateLine(CustomerLine):
    """A customer who may be the same one."""

    why: Literal["same_number", "same_name"]


class Duplicates(Output):
    """Customers who may be the same one."""

    items: list[DuplicateLine]


class MergeWish(Input):
    """Which customer is merged into this one, and what one has seen of both."""

    other: CustomerId
    version: int
    other_version: int


class UnmergeWish(Input):
    """Which merge is taken back."""

    other: CustomerId


@endpoint(
    "GET",
    "/api/v1/customers/{customer_id}/duplicates",
    "Customers who may be the same one",
    output=Duplicates,
    right="customers.see",
    problems=("unknown_customer",),
)
async def list_duplicates(asked: Asked[None]) -> Duplicates:
    """Those with the same number, or the same name."""
    async with reading(asked) as (connection, _):
        customer = await store.get(connection, customer_of(asked))
        found = dict(await merging.duplicates(connection, customer, limit=DUPLICATES_MOST))
        others = await store.load(connection, list(found))
    viewer = viewer_of(asked)
    items = [
        DuplicateLine.model_validate(
            {**viewer.line(each).model_dump(), "why": found[each.customer_id]}
        )
        for each in others
    ]
    return Duplicates(items=sorted(items, key=lambda item: item.why != "same_number"))


@endpoint(
    "POST",
    "/api/v1/customers/{customer_id}/merge",
    "Merge another customer into this one",
    input=MergeWish,
    output=CustomerView,
    right="customers.manage",
    problems=("unknown_customer", "customer_changed", "same_customer"),
)
async def merge_customers(asked: Asked[MergeWish]) -> CustomerView:
    """The other's numbers, notes, tags, appointments and what is empty here move; can be undone."""
    wish, customer_id, other_id = asked.input, customer_of(asked), int(asked.input.other)
    if customer_id == other_id:
        raise Problem("same_customer")
    async with changing(asked) as (connection, fields, by):
        await store.lock_all(connection, [customer_id, other_id])
        into = await seen(connection, asked, fields, customer_id, wish.version)
        other = await seen(connection, asked, fields, other_id, wish.other_version)
        await merging.merge(connection, into, other, by)
        facts = {"other": wish.other, "other_name": masked_name(other.name)}
        await record(connection, asked, "customers_merged", into, facts)
        return viewer_of(asked, fields).customer(await store.get(connection, customer_id))


@endpoint(
    "POST",
    "/api/v1/customers/{customer_id}/unmerge",
    "Take a merge back",
    input=UnmergeWish,
    output=CustomerView,
    right="customers.manage",
    problems=("unknown_customer",),
)
async def unmerge_customers(asked: Asked[UnmergeWish]) -> CustomerView:
    """The other gets back what it had; what was changed since stays here."""
    customer_id, other_id = customer_of(asked), int(asked.input.other)
    async with changing(asked) as (connection, fields, by):
        await store.lock_all(connection, [customer_id, other_id])
        into = await store.get(connection, customer_id)
        await merging.unmerge(connection, into, other_id, by)
        facts = {"other": asked.input.other}
        await record(connection, asked, "customers_unmerged", into, facts)
        return viewer_of(asked, fields).customer(await store.get(connection, customer_id))


ENDPOINTS: tuple[Endpoint, ...] = (
    list_duplicates,
    merge_customers,
    unmerge_customers,
)
