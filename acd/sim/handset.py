"""What agents do at their phones past the server: hang up, dial, consult, transfer."""

from __future__ import annotations

from acd.sim.channels import WAITING, Channel, Customer
from acd.sim.pbx import NORMAL, SimPbx
from cti.ami import events as ami

RING_SECONDS = 30.0
JOINABLE = (*WAITING, "talking")
PATIENCE_SECONDS = 40.0


class Handset:
    """The phone of one extension. What cannot be done at the moment does nothing.

    :param pbx: where it is registered.
    """

    def __init__(self, pbx: SimPbx, extension: str) -> None:
        self._pbx = pbx
        self._extension = extension

    def _in_talk(self) -> tuple[Customer, Channel] | None:
        """Who is talked to on a call that came in to this phone, and its leg here."""
        for customer in self._pbx.customers.values():
            if customer.agent and customer.agent.extension == self._extension:
                return customer, customer.agent
        return None

    def _dialled(self) -> Customer | None:
        """The call that was dialled from this phone."""
        for customer in self._pbx.customers.values():
            if customer.channel.extension == self._extension:
                return customer
        return None

    def hang_up(self) -> None:
        """End one call."""
        talk = self._in_talk()
        if talk is not None:
            self._pbx.agent_gone(talk[0], NORMAL)
            return
        dialled = self._dialled()
        if dialled is not None:
            self._pbx.customer_leaves(dialled)

    def dial(self, to: str) -> None:
        """Call a queue, an extension or a number outside; not while it is in use or dead."""
        phone = self._pbx.phones[self._extension]
        if phone.registered and not phone.channels:
            self._call(to)

    def _call(self, to: str) -> Customer:
        pbx = self._pbx
        phone = pbx.phones[self._extension]
        channel = pbx.new_channel(phone.device, self._extension, None)
        customer = Customer(channel=channel, queue="", place="dialling", entries=[pbx.clock.now])
        pbx.customers[channel.name] = customer
        phone.channels[channel.name] = channel
        pbx.tell.channel(ami.Newchannel, channel)
        pbx.tell.device(phone)
        self._lose_patience(customer)
        self._run(customer, to)
        return customer

    def _run(self, customer: Customer, to: str) -> None:
        """`zuoxi-phones`."""
        customer.channel.context = "zuoxi-phones"
        customer.moves += 1
        if to in self._pbx.queues:
            self._pbx.enter(customer, to)
            return
        customer.place = "dialling"
        phone = self._pbx.phones.get(to)
        if phone is not None and not phone.registered:
            self._pbx.end(customer)
        else:
            self._pbx.ring(customer, to, RING_SECONDS)

    def transfer_blind(self, to: str) -> None:
        """Send who is talked to on to a queue or an extension."""
        talk = self._in_talk()
        if talk is None:
            return
        customer, leg = talk
        pbx = self._pbx
        pbx.tell.transfer(leg, customer.channel, to)
        pbx.part(customer)
        pbx.hang(leg, NORMAL)
        self._lose_patience(customer)
        self._run(customer, to)

    def consult(self, to: str) -> None:
        """Put who is talked to on hold and call somebody else."""
        talk = self._in_talk()
        if talk is None or talk[0].consult is not None:
            return
        self._pbx.tell.channel(ami.Hold, talk[1])
        talk[0].consult = self._call(to)

    def end_consultation(self, *, transfer: bool) -> None:
        """Join the two others, or go back to the first."""
        talk = self._in_talk()
        if talk is None or talk[0].consult is None:
            return
        customer, leg = talk
        second, customer.consult = talk[0].consult, None
        lives = self._pbx.is_here(second)
        if not (transfer and lives and second.place in JOINABLE):
            self._pbx.tell.channel(ami.Unhold, leg)
            if lives:
                self._pbx.customer_leaves(second)
        elif second.agent is not None:
            self._join(customer, second)
        else:
            self._take_place(customer, second)

    def _join(self, customer: Customer, second: Customer) -> None:
        """Who is talked to takes this phone's place in the second talk."""
        pbx = self._pbx
        assert customer.agent is not None
        assert second.agent is not None
        bridge, target = second.agent.bridge_id, second.agent
        assert bridge is not None
        pbx.tell.transfer(customer.agent, customer.channel, "Bridge", second.channel)
        pbx.hang(pbx.part(customer), NORMAL)
        pbx.talk_over(second)
        second.agent = None
        pbx.meet(customer, target, bridge)
        if second.talk_end:
            second.talk_end.cancel()
        customer.talk_end = pbx.clock.after(
            pbx.talk_seconds(), lambda: pbx.customer_leaves(customer)
        )
        pbx.leave_bridge(second.channel)
        pbx.end(second)

    def _take_place(self, customer: Customer, second: Customer) -> None:
        """Who is talked to takes this phone's place in the dialplan, with all that stands there."""
        pbx = self._pbx
        assert customer.agent is not None
        pbx.tell.transfer(customer.agent, customer.channel, "App", second.channel)
        pbx.hang(pbx.part(customer), NORMAL)
        pbx.take_place(second, customer)
        self._lose_patience(customer)
        pbx.end(second)

    def _lose_patience(self, customer: Customer) -> None:
        customer.patience = self._pbx.clock.after(
            PATIENCE_SECONDS, lambda: self._pbx.customer_leaves(customer)
        )
