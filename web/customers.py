"""Customers: found, made, changed, deleted, blacklisted; their numbers revealed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field

from crm import customers as store
from crm import search, timeline
from crm.customers import Block, By, Draft, Number
from web.calls import number_of
from web.customers_asked import (
    LINE,
    AgentName,
    Cursor,
    Moment,
    changing,
    check_digits,
    count_search,
    customer_of,
    number_part,
    reading,
    record,
    seen,
)
from web.customers_view import (
    CustomerLine,
    CustomerView,
    call_number,
    moment,
    typed_number,
    viewer_of,
)
from web.customers_wish import (
    CustomerChange,
    Level,
    NewCustomer,
    Tag,
    changed,
    check_block,
    check_owner,
    check_taken,
    numbers_of,
    once,
    own_values,
    typed_numbers,
    unmasked,
    without_values,
)
from web.database import connected
from web.endpoint import Asked, Endpoint, Input, Output, endpoint
from web.problems import Problem
from web.reveal import Revealed
from web.rights import masked

if TYPE_CHECKING:
    from web.database import Connection

Reason = Annotated[str, Field(min_length=1, max_length=200, pattern=LINE)]


class Which(Input):
    """Which customers; all of what is given."""

    q: Annotated[
        str,
        Field(
            max_length=100,
            pattern=r"^[^\x00]*$",
            description="words: part of a Chinese name, pinyin or its initials, the beginning of "
            "other words, the end of a number (at least 4 digits)",
        ),
    ] = ""
    tag: Tag | None = None
    level: Level | None = None
    owner: AgentName | None = None
    blocked: Annotated[
        bool | None, Field(description="on the blacklist now, or not; either where it is not given")
    ] = None


class CustomersQuery(Which):
    """A page of them."""

    limit: Annotated[int, Field(ge=1, le=search.PAGE_MOST)] = 50
    cursor: Cursor = None


class CustomerPage(Output):
    """A page of customers. `next`: the cursor of the page after, null on the last.

    A page may hold fewer than were asked for, even none, and have a next one.
    """

    items: list[CustomerLine]
    next: str | None


class BlockWish(Input):
    """Why calls are to be refused; `until` null: for good."""

    reason: Reason
    until: Moment | None = None


@endpoint(
    "GET",
    "/api/v1/customers",
    "Find customers as one types",
    input=CustomersQuery,
    output=CustomerPage,
    right="customers.see",
    problems=("bad_cursor", "too_many_searches"),
)
async def list_customers(asked: Asked[CustomersQuery]) -> CustomerPage:
    """Without numbers.see, digits have to be a whole number, and such searches are counted."""
    check_digits(asked, asked.input.q)
    async with connected(asked.services.pool) as connection:
        try:
            ids, cursor = await search.find(
                connection,
                filter_of(asked, asked.input),
                asked.services.floor.country,
                limit=asked.input.limit,
                cursor=asked.input.cursor,
            )
        except search.BadCursorError:
            raise Problem("bad_cursor") from None
        found = await store.load(connection, ids)
    viewer = viewer_of(asked)
    return CustomerPage(items=[viewer.line(each) for each in found], next=cursor)


@endpoint(
    "POST",
    "/api/v1/customers",
    "Make a customer",
    input=NewCustomer,
    output=CustomerView,
    right="customers.edit",
    problems=("number_taken", "too_many_searches", "unknown_call", "not_your_call"),
)
async def create_customer(asked: Asked[NewCustomer]) -> CustomerView:
    """A number that another customer has is the problem number_taken, unless `allow_shared`.

    An owner is named only by who has numbers.see.
    """
    given = asked.input
    count_search(asked, len(typed_numbers(given.numbers)))
    called = await number_of(asked, given.call_id, "calls.see") if given.call_id else None
    async with changing(asked) as (connection, fields, by):
        added = call_number(asked, called)
        numbers = numbers_of(asked, given.numbers, ())
        if added:
            numbers = store.without_doubles((*numbers, Number(added)))
        if not given.allow_shared:
            await check_taken(connection, asked, numbers, None)
        check_owner(asked, None, given.owner_agent_id)
        columns = {name: getattr(given, name) for name in store.COLUMNS}
        draft = Draft(
            **{**columns, "tags": once(given.tags)},
            fields=own_values(asked, fields, given.fields, {}),
            numbers=numbers,
        )
        (customer_id,) = await store.create(connection, [draft], by)
        if given.call_id:
            await choose(connection, given.call_id, customer_id, by)
        made = await store.get(connection, customer_id)
        await record(connection, asked, "customer_created", made)
        return viewer_of(asked, fields).customer(made)


@endpoint(
    "GET",
    "/api/v1/customers/{customer_id}",
    "One customer",
    output=CustomerView,
    right="customers.see",
    problems=("unknown_customer",),
)
async def show_customer(asked: Asked[None]) -> CustomerView:
    """A deleted or merged one is unknown."""
    async with reading(asked) as (connection, fields):
        return viewer_of(asked, fields).customer(await store.get(connection, customer_of(asked)))


@endpoint(
    "PATCH",
    "/api/v1/customers/{customer_id}",
    "Change a customer",
    input=CustomerChange,
    output=CustomerView,
    right="customers.edit",
    problems=("unknown_customer", "customer_changed", "number_taken", "too_many_searches"),
)
async def change_customer(asked: Asked[CustomerChange]) -> CustomerView:
    """`customer_changed` holds the present customer in `customer`.

    Another owner is named only by who has numbers.see; which numbers somebody on the blacklist has
    changes only who has blacklist.edit.
    """
    given, typed = asked.input, typed_numbers(asked.input.numbers)
    count_search(asked, len(typed))
    async with changing(asked) as (connection, fields, by):
        if not given.allow_shared:
            found = [typed_number(asked, number) for number in typed]
            await store.lock_numbers(connection, filter(None, found))
        before = await seen(connection, asked, fields, customer_of(asked), given.version)
        given = unmasked(asked, given, before)
        after = changed(asked, fields, before, given)
        check_owner(asked, before.owner_agent_id, after.owner_agent_id)
        check_block(asked, before, after, by)
        new = [each for each in after.numbers if each.number_id is None]
        if new and not given.allow_shared:
            await check_taken(connection, asked, new, before.customer_id)
        await store.change(connection, before, after, by)
        facts = store.differences(before, after)
        if facts:
            shown = without_values(fields, facts)
            await record(connection, asked, "customer_changed", before, shown)
        return viewer_of(asked, fields).customer(await store.get(connection, before.customer_id))


@endpoint(
    "DELETE",
    "/api/v1/customers/{customer_id}",
    "Delete a customer",
    right="customers.manage",
    problems=("unknown_customer",),
)
async def delete_customer(asked: Asked[None]) -> None:
    """Can be undone: POST .../restore."""
    async with changing(asked) as (connection, _, by):
        before = await store.get(connection, customer_of(asked), lock=True)
        await store.delete(connection, before, by)
        await record(connection, asked, "customer_deleted", before)


@endpoint(
    "POST",
    "/api/v1/customers/{customer_id}/restore",
    "Bring a deleted customer back",
    output=CustomerView,
    right="customers.manage",
    problems=("unknown_customer",),
)
async def restore_customer(asked: Asked[None]) -> CustomerView:
    """With all that belonged to it."""
    async with changing(asked) as (connection, fields, by):
        await store.restore(connection, customer_of(asked), by)
        back = await store.get(connection, customer_of(asked))
        await record(connection, asked, "customer_restored", back)
        return viewer_of(asked, fields).customer(back)


@endpoint(
    "PUT",
    "/api/v1/customers/{customer_id}/blacklist",
    "Refuse a customer's calls",
    input=BlockWish,
    output=CustomerView,
    right="blacklist.edit",
    problems=("unknown_customer",),
)
async def block_customer(asked: Asked[BlockWish]) -> CustomerView:
    """Takes effect at the next call; ends by itself at `until`."""
    until = asked.input.until
    async with changing(asked) as (connection, fields, by):
        before = await store.get(connection, customer_of(asked), lock=True)
        ends = None if until is None else moment(until)
        block = Block(asked.input.reason, ends, by.name, by.at)
        await store.set_block(connection, before, block, by)
        facts = {"reason": asked.input.reason, "until": until}
        await record(connection, asked, "customer_blacklisted", before, facts)
        return viewer_of(asked, fields).customer(await store.get(connection, before.customer_id))


@endpoint(
    "DELETE",
    "/api/v1/customers/{customer_id}/blacklist",
    "Let a customer's calls in again",
    right="blacklist.edit",
    problems=("unknown_customer",),
)
async def allow_customer(asked: Asked[None]) -> None:
    """No effect on who is not on the blacklist."""
    async with changing(asked) as (connection, _, by):
        before = await store.get(connection, customer_of(asked), lock=True)
        if before.block:
            await store.set_block(connection, before, None, by)
            await record(connection, asked, "customer_allowed", before)


@endpoint(
    "POST",
    "/api/v1/customers/{customer_id}/numbers/{number_id}/reveal",
    "One number in full; logged",
    output=Revealed,
    right="numbers.reveal",
    problems=("unknown_customer", "unknown_number", "not_your_customer"),
)
async def reveal_number(asked: Asked[None]) -> Revealed:
    """Written to the audit trail before it is answered.

    Whose right ends with some agents sees numbers of customers whom these own, and those with
    which they talked.
    """
    number_id = number_part(asked, "number_id", "unknown_number")
    async with changing(asked) as (connection, _, _by):
        customer = await store.get(connection, customer_of(asked))
        found = next((each for each in customer.numbers if each.number_id == number_id), None)
        if found is None:
            raise Problem("unknown_number")
        agents = asked.seen("numbers.reveal")
        if agents is not None and not await timeline.known_to(
            connection, customer, found.number, agents
        ):
            raise Problem("not_your_customer")
        facts = {"number": masked(found.number)}
        await record(connection, asked, "number_revealed", customer, facts)
    return Revealed(number=found.number)


def filter_of(asked: Asked[Any], query: Which) -> search.Filter:
    """The query as search takes it, within what the session may see."""
    return search.Filter(
        text=query.q,
        whole_numbers=not asked.session.may("numbers.see"),
        tag=query.tag,
        level=query.level,
        owner=query.owner,
        blocked=query.blocked,
    )


async def choose(connection: Connection, call_id: str, customer_id: int, by: By) -> None:
    """Keep which customer a call is of."""
    await connection.execute(_CHOOSE, call_id, customer_id, by.name, by.at)


_CHOOSE = """
INSERT INTO call_customers (call_id, customer_id, by_name, at) VALUES ($1, $2, $3, $4)
ON CONFLICT (call_id) DO UPDATE SET customer_id = EXCLUDED.customer_id,
    by_name = EXCLUDED.by_name, at = EXCLUDED.at
"""


ENDPOINTS: tuple[Endpoint, ...] = (
    list_customers,
    create_customer,
    show_customer,
    change_customer,
    delete_customer,
    restore_customer,
    block_customer,
    allow_customer,
    reveal_number,
)
