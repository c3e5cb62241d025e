"""What happened with a customer: the time line, notes and call-backs."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field

from crm import customers as store
from crm import timeline
from crm.timeline import Appointment
from web import audit
from web.customers_asked import (
    AgentName,
    CallId,
    Cursor,
    Moment,
    changing,
    customer_of,
    number_part,
    reading,
    replaced,
)
from web.customers_view import AppointmentView, ContactItem, moment, viewer_of
from web.database import connected
from web.endpoint import Asked, Endpoint, Input, Output, endpoint
from web.problems import Problem
from web.rights import masked_name, masked_text, restored

APPOINTMENTS_LISTED: Final = 100
NoteText = Annotated[str, Field(min_length=1, max_length=4000, pattern=r"^[^\x00]*$")]
AppointmentText = Annotated[str, Field(max_length=1000, pattern=r"^[^\x00]*$")]


class PageQuery(Input):
    """Which page of a time line."""

    limit: Annotated[int, Field(ge=1, le=timeline.PAGE_MOST)] = 30
    cursor: Cursor = None


class TimelinePage(Output):
    """A page of a time line, the newest first."""

    items: list[ContactItem]
    next: str | None


class NewNote(Input):
    """What was said or done."""

    text: NoteText
    call_id: CallId | None = None


class Note(Output):
    """A written note."""

    note_id: str
    at: float
    text: str
    by: str
    call_id: str | None


class NewAppointment(Input):
    """When to call back, and why; `agent_id`: who, oneself where none is given."""

    due_at: Moment
    text: AppointmentText = ""
    agent_id: AgentName | None = None
    call_id: CallId | None = None


class AppointmentChange(Input):
    """What is to be changed of an appointment; `done` false opens it again."""

    due_at: Moment | None = None
    text: AppointmentText | None = None
    done: bool | None = None


class AppointmentsQuery(Input):
    """Whose appointments; one's own where no agent is given."""

    open: bool = True
    agent: AgentName | None = None


class Appointments(Output):
    """Appointments, what is due first at the top. `more`: there are others after these."""

    items: list[AppointmentView]
    more: bool


@endpoint(
    "GET",
    "/api/v1/customers/{customer_id}/timeline",
    "Calls, notes, appointments and changes of a customer, the newest first",
    input=PageQuery,
    output=TimelinePage,
    right="customers.see",
    problems=("unknown_customer", "bad_cursor"),
)
async def show_timeline(asked: Asked[PageQuery]) -> TimelinePage:
    """Calls are those of its numbers, and those for which it was chosen."""
    async with reading(asked) as (connection, fields):
        customer = await store.get(connection, customer_of(asked))
        try:
            items, cursor = await timeline.page(
                connection, customer, limit=asked.input.limit, cursor=asked.input.cursor
            )
        except timeline.BadCursorError:
            raise Problem("bad_cursor") from None
    viewer = viewer_of(asked, fields)
    return TimelinePage(items=[viewer.item(each) for each in items], next=cursor)


@endpoint(
    "POST",
    "/api/v1/customers/{customer_id}/notes",
    "Write a note",
    input=NewNote,
    output=Note,
    right="customers.edit",
    problems=("unknown_customer",),
)
async def add_note(asked: Asked[NewNote]) -> Note:
    """It stands in the time line."""
    given = asked.input
    async with changing(asked) as (connection, _, by):
        customer = await store.get(connection, customer_of(asked), lock=True)
        note_id = await timeline.add_note(
            connection, customer.customer_id, by, given.text, given.call_id
        )
    return Note(
        note_id=str(note_id),
        at=by.at.timestamp(),
        text=viewer_of(asked).text(given.text),
        by=by.name,
        call_id=given.call_id,
    )


@endpoint(
    "POST",
    "/api/v1/customers/{customer_id}/appointments",
    "Agree on a call-back",
    input=NewAppointment,
    output=AppointmentView,
    right="customers.edit",
    problems=("unknown_customer",),
)
async def add_appointment(asked: Asked[NewAppointment]) -> AppointmentView:
    """It stands in the agent's list until it is done."""
    given = asked.input
    async with changing(asked) as (connection, fields, by):
        customer = await store.get(connection, customer_of(asked), lock=True)
        made = await timeline.add_appointment(
            connection,
            customer.customer_id,
            by,
            due_at=moment(given.due_at),
            text=given.text,
            agent_id=given.agent_id or asked.session.user.agent_id,
            call_id=given.call_id,
        )
    return viewer_of(asked, fields).appointment(made)


@endpoint(
    "PATCH",
    "/api/v1/appointments/{appointment_id}",
    "Put off, reword, close or reopen an appointment",
    input=AppointmentChange,
    output=AppointmentView,
    right="customers.edit",
    problems=("unknown_appointment",),
)
async def change_appointment(asked: Asked[AppointmentChange]) -> AppointmentView:
    """What is not given stays."""
    given = asked.input
    async with changing(asked) as (connection, fields, by):
        appointment_id = number_part(asked, "appointment_id", "unknown_appointment")
        before = await timeline.appointment(connection, appointment_id, lock=True)
        if before is None:
            raise Problem("unknown_appointment")
        if given.text is not None and not asked.session.may("numbers.see"):
            given = replaced(given, text=restored(given.text, [before.text]))
        done = before.done_at
        if given.done is not None:
            done = (done or by.at) if given.done else None
        await timeline.change_appointment(
            connection,
            appointment_id,
            before.due_at if given.due_at is None else moment(given.due_at),
            before.text if given.text is None else given.text,
            done,
        )
        after = await timeline.appointment(connection, appointment_id)
        assert after is not None
        facts = _appointment_changes(before, after)
        if facts:
            name = masked_name(after.customer_name) or ""
            concerned = audit.Object("customer", after.customer_id, name)
            await audit.record(connection, asked, "appointment_changed", concerned, facts)
    return viewer_of(asked, fields).appointment(after)


@endpoint(
    "GET",
    "/api/v1/appointments",
    "Appointments, what is due first at the top",
    input=AppointmentsQuery,
    output=Appointments,
    right="customers.see",
)
async def list_appointments(asked: Asked[AppointmentsQuery]) -> Appointments:
    """At most 100. One's own where no agent is named; of who is no agent, nobody's.

    With `open=false` those that were kept too, what is due last at the top.
    """
    agent_id = asked.input.agent or asked.session.user.agent_id
    if agent_id is None:
        return Appointments(items=[], more=False)
    async with connected(asked.services.pool) as connection:
        found = await timeline.appointments(
            connection,
            agent_id=agent_id,
            only_open=asked.input.open,
            limit=APPOINTMENTS_LISTED + 1,
        )
    viewer = viewer_of(asked)
    return Appointments(
        items=[viewer.appointment(each) for each in found[:APPOINTMENTS_LISTED]],
        more=len(found) > APPOINTMENTS_LISTED,
    )


def _appointment_changes(before: Appointment, after: Appointment) -> dict[str, object]:
    """Field -> [before, after], of fields that differ, for the audit trail."""
    said = [
        {
            "due_at": each.due_at.timestamp(),
            "text": masked_text(each.text),
            "done": each.done_at is not None,
        }
        for each in (before, after)
    ]
    return {key: [said[0][key], said[1][key]] for key in said[0] if said[0][key] != said[1][key]}


ENDPOINTS: tuple[Endpoint, ...] = (
    show_timeline,
    add_note,
    add_appointment,
    change_appointment,
    list_appointments,
)
