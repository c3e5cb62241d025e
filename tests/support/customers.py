"""Customers and agents of a whole product that several tests share, and what its journal tells.

A module makes the product once (`centre_of` in a fixture of the module's scope) and each test has
it with nobody in it: no call, nobody signed in. A test's customers have numbers of their own.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from config.floor import Floor
from cti.sandbox.far_end import Caller
from cti.sandbox.postgres import Postgres
from tests.support.remote import TestRemote
from tests.support.sandbox import TestSandbox
from tests.support.whole import Person, Whole, end_calls, whole

Event = dict[str, Any]


@dataclass
class Customer:
    """Somebody who called, and what the journal calls it."""

    caller: Caller
    number: str
    call_id: str
    leg_id: str

    async def hang_up(self) -> None:
        await self.caller.hang_up()


@dataclass
class Centre:
    """The product and what is done in it."""

    site: Whole
    watch: TestRemote
    """Hears every event on the PBX."""
    sounds: Mapping[str, str]
    """What they are called in the test -> their files."""
    _numbers: count[int] = field(default_factory=lambda: count(1))

    async def agents(self, *agent_ids: str) -> list[Person]:
        """Agents who become ready one after the other: the first has been idle for longest."""
        return [await self.site.agent(agent_id) for agent_id in agent_ids]

    async def call(self, queue: str, number: str = "") -> Customer:
        """Somebody calls a queue."""
        number = number or f"+86138{next(self._numbers):08}"
        known = len(await self._started(number))
        caller = await self.site.far_end.call(queue, number)
        started = (await self.site.journalled("CallStarted", known + 1, caller_number=number))[-1]
        return Customer(caller, number, started["call_id"], started["linkedid"])

    async def _started(self, number: str) -> list[Event]:
        return [e for e in await self.site.events("CallStarted") if e["caller_number"] == number]

    async def waits(self, queue: str, number: str = "", dial: str = "") -> Customer:
        """Somebody called and waits in the queue."""
        customer = await self.call(dial or queue, number)
        await self.of(customer, "QueueEntered", queue=queue)
        return customer

    async def picks_up(self, agent_id: str) -> None:
        """The agent's phone rings and is answered."""
        phone = self.site.far_end.agent(f"8{agent_id[1:]}")
        await phone.ringing.wait()
        await phone.answer()

    async def talks(self, queue: str, agent_id: str, number: str = "") -> Customer:
        """Somebody calls and talks to this agent; nobody else was asked."""
        customer = await self.waits(queue, number)
        await self.picks_up(agent_id)
        await self.of(customer, "QueueLeft", reason="answered", agent_id=agent_id)
        asked = await self.site.journalled("OfferMade", call_id=customer.call_id)
        assert len(asked) == 1, f"asked were {[offer['agent_id'] for offer in asked]}"
        return customer

    async def of(self, customer: Customer, kind: str, **wanted: Any) -> Event:
        """Wait for an event of the customer's call; the last of its kind."""
        return (await self.site.journalled(kind, call_id=customer.call_id, **wanted))[-1]

    async def offers(self, queue: str, number: int) -> list[tuple[str, str]]:
        """Wait for so many offers of a queue: whose calls to whom, in order."""
        made = await self.site.journalled("OfferMade", number, queue=queue)
        return [(offer["call_id"], offer["agent_id"]) for offer in made]

    async def ended(self, customer: Customer) -> str:
        """Wait for the end of the call; its outcome."""
        return str((await self.of(customer, "CallEnded"))["outcome"])

    async def hears(self, customer: Customer, *sounds: str) -> None:
        """Wait until the dialplan plays these sounds or says these numbers to the customer."""
        for sound in sounds:
            app = "SayNumber" if sound.isdigit() else "Playback"
            await self.watch.event(
                "Newexten",
                Uniqueid=customer.leg_id,
                Application=app,
                AppData=self.sounds.get(sound, sound),
            )

    async def presses(self, customer: Customer, key: str, app: str = "Read") -> None:
        """Wait until the customer is asked for a key, by this application, and press it."""
        await self.watch.event("Newexten", Uniqueid=customer.leg_id, Application=app)
        await customer.caller.send_dtmf(key)

    async def go_home(self) -> None:
        """Leave nothing to the next test: no call, nobody signed in."""
        await end_calls(self.watch)
        for person in self.site.people:
            await person.ask("POST", "/agent/sign-out")
            await person.close()
        self.site.people.clear()


@asynccontextmanager
async def centre_of(
    sandbox: TestSandbox,
    postgres: Postgres,
    template: str,
    floor: Floor,
    sounds: Mapping[str, str],
    **values: Any,
) -> AsyncIterator[Centre]:
    """Start the product; the PBX makes all events. `values` are those of cti.sandbox.site.Site."""
    name = f"centre{next(TestSandbox.numbers)}"
    dsn = await postgres.create_database(name, template=template)
    files = {"look_seconds": 1, "slice_seconds": 3, "shared_events": True, "sounds": sounds}
    try:
        async with whole(sandbox, dsn, floor, files=files, **values) as site:
            yield Centre(site, await sandbox.remote(site.site.pbx), sounds)
    finally:
        await sandbox.close()
        await postgres.drop_database(name)
