"""Who calls: the customers of an agent's call, before the phone rings and until wrap-up ends."""

from __future__ import annotations

from typing import Any, Final

from crm import customers as store
from crm import pop
from crm.customers import By
from cti.domain import AgentId, CallId
from web.calls import number_of
from web.customers import choose
from web.customers_asked import CustomerId
from web.customers_view import (
    AppointmentView,
    ContactItem,
    CustomerView,
    Viewer,
    call_number,
    moment,
    viewer_of,
)
from web.database import connected
from web.endpoint import Asked, Endpoint, Input, Output, Parts, endpoint
from web.problems import Problem
from web.rights import masked

PROBLEMS: Final = ("not_an_agent", "unknown_call", "not_your_call")


class Match(CustomerView):
    """A customer who has the number, with what was last."""

    last_contacts: list[ContactItem]
    open_appointments: list[AppointmentView]


class Pop(Output):
    """Who may be calling. `chosen`: who it is, null while that is not said."""

    call_id: str
    number: str | None
    chosen: str | None
    matches: list[Match]


class Choice(Input):
    """Which customer it is."""

    customer_id: CustomerId


@endpoint(
    "GET",
    "/api/v1/agent/calls/{call_id}/customer",
    "Who calls",
    output=Pop,
    right="desk.use",
    problems=PROBLEMS,
)
async def show_pop(asked: Asked[None]) -> Pop:
    """For agents to whom the call was offered, or who take part. The chosen one comes first."""
    call_id = asked.part("call_id", "unknown_call")
    number = await _ones_own(asked, call_id)
    async with connected(asked.services.pool) as connection:
        known = await pop.read(connection, call_id, call_number(asked, number))
    return _view(viewer_of(asked, known.fields), call_id, number, known)


@endpoint(
    "PUT",
    "/api/v1/agent/calls/{call_id}/customer",
    "Say which customer a call is of",
    input=Choice,
    output=Pop,
    right="desk.use",
    problems=(*PROBLEMS, "unknown_customer"),
)
async def choose_customer(asked: Asked[Choice]) -> Pop:
    """Kept with the call; a later choice replaces it."""
    call_id = asked.part("call_id", "unknown_call")
    number = await _ones_own(asked, call_id)
    async with connected(asked.services.pool) as connection, connection.transaction():
        try:
            customer = await store.get(connection, int(asked.input.customer_id), lock=True)
        except store.UnknownError:
            raise Problem("unknown_customer") from None
        by = By(asked.session.user.name, moment(asked.services.clock()))
        await choose(connection, call_id, customer.customer_id, by)
        known = await pop.read(connection, call_id, call_number(asked, number))
    return _view(viewer_of(asked, known.fields), call_id, number, known)


def send_pop(
    parts: Parts, agent_id: AgentId, call_id: CallId, number: str | None, known: pop.Pop
) -> None:
    """Send who calls to the agent's desk, as the answer of `show_pop` would be."""
    now = parts.services.clock()

    def card(key: bytes) -> dict[str, Any] | None:
        session = parts.sessions.living(key)
        if session is None or not session.may("customers.see"):
            return None
        return _view(Viewer(session, now, known.fields), call_id, number, known).model_dump()

    parts.services.hub.send_pop(agent_id, card)


ENDPOINTS: tuple[Endpoint, ...] = (show_pop, choose_customer)


async def _ones_own(asked: Asked[None] | Asked[Choice], call_id: str) -> str | None:
    """The customer's number of a call that is the agent's.

    :raises Problem: not_an_agent, unknown_call, not_your_call.
    """
    if not asked.session.may("customers.see"):
        raise Problem("no_right", right="customers.see")
    _ = asked.agent_id
    return await number_of(asked, call_id, "calls.see")


def _view(viewer: Viewer, call_id: str, number: str | None, known: pop.Pop) -> Pop:
    return Pop(
        call_id=call_id,
        number=number if viewer.clear else masked(number),
        chosen=None if known.chosen is None else str(known.chosen),
        matches=[
            Match(
                **viewer.customer(each.customer).model_dump(),
                last_contacts=[viewer.item(item) for item in each.contacts],
                open_appointments=[viewer.appointment(due) for due in each.appointments],
            )
            for each in known.matches
        ],
    )
