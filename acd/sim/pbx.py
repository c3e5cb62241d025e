"""A simulated Asterisk with our dialplan: channels, dials, bridges, the native queue, its events.

It behaves as the contract in docs/architecture.md says and as Asterisk 22 was recorded to: events
in the order of the wire, commands executed in the order of the connection, channels that are gone
refuse. Randomness comes from the given generator alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Literal

from acd.sim.clockwork import Clockwork, Handle
from cti.ami import events as ami
from cti.commands import (
    Assign,
    HangUp,
    NativeJoin,
    NativeLeave,
    NativePause,
    PbxCommand,
    SendTo,
    SetMute,
    Withdraw,
)
from cti.inputs import ChannelState, NativeMember, PbxSnapshot

HEARTBEAT_LIMIT_SECONDS = 8.0
LOOK_SECONDS = 3.0
RTP_TIMEOUT_SECONDS = 10.0
UP, RINGING, RING, DOWN = 6, 5, 4, 0

Emit = Callable[[ami.AmiEvent], None]
Place = Literal["waiting", "offered", "talking", "native", "after", "away"]


@dataclass(slots=True)
class Channel:
    """One channel of the PBX."""

    name: str
    uniqueid: str
    linkedid: str
    caller_number: str | None
    state: int
    born: float
    bridge_id: str | None = None
    context: str = "default"
    variables: dict[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Dial:
    """A ringing agent's leg and what is planned for it."""

    channel: Channel
    extension: str
    offer: str
    native: bool
    planned: list[Handle] = field(default_factory=list)

    def cancel(self) -> None:
        """Nothing planned will happen."""
        for handle in self.planned:
            handle.cancel()


@dataclass(slots=True)
class Customer:
    """A caller inside the PBX."""

    channel: Channel
    queue: str
    place: Place = "waiting"
    dial: Dial | None = None
    agent: Channel | None = None
    patience: Handle | None = None
    talk_end: Handle | None = None
    entered: float = 0.0
    answered_at: float | None = None


@dataclass(slots=True)
class Phone:
    """An extension: how it behaves when rung.

    :param answer_seconds: draws the seconds until pick-up; None: rings on.
    """

    extension: str
    registered: bool = True
    channel: str | None = None
    answer_seconds: Callable[[], float | None] = lambda: 1.0
    rejects: Callable[[], bool] = lambda: False

    @property
    def device(self) -> str:
        """Asterisk's name of the device."""
        return f"PJSIP/{self.extension}"

    @property
    def state(self) -> str:
        """Asterisk's device state word."""
        if not self.registered:
            return "UNAVAILABLE"
        return "INUSE" if self.channel else "NOT_INUSE"


class SimPbx:
    """The PBX. `emit` gets each AMI event as it is written to the wire."""

    def __init__(self, clock: Clockwork, rng: random.Random, emit: Emit) -> None:
        self._clock = clock
        self._rng = rng
        self._emit = emit
        self._numbers = 0
        self.started_at = clock.now
        self.heartbeat = clock.now
        self.epoch = 0
        self.customers: dict[str, Customer] = {}
        self.phones: dict[str, Phone] = {}
        self.native: dict[tuple[str, str], bool] = {}
        self.talk_seconds: Callable[[], float] = lambda: 30.0
        self.on_left: Callable[[Customer], None] = lambda customer: None
        self.on_answered: Callable[[Customer, float], None] = lambda customer, waited: None

    # --- what people do ---

    def call(
        self, queue: str, number: str, patience: float | None, variables: dict[str, str]
    ) -> Customer:
        """A customer calls and enters `queue`; leaves after `patience` seconds of waiting."""
        channel = self._channel("PJSIP/trunk", number, None)
        customer = Customer(channel=channel, queue=queue, entered=self._clock.now)
        self.customers[channel.name] = customer
        self._emit(self._about(ami.Newchannel, channel))
        channel.state = UP
        self._emit(self._about(ami.Newstate, channel))
        if patience is not None:
            customer.patience = self._clock.after(patience, lambda: self.customer_leaves(customer))
        channel.variables |= {"ZX_QUEUE": queue, "ZX_ENTERED": f"{self._clock.now:.3f}"}
        channel.variables |= variables
        self._say(channel, "ZxEnter", self._enter_headers(channel))
        self._wait(customer)
        return customer

    def customer_leaves(self, customer: Customer) -> None:
        """The customer hangs up, wherever the call is."""
        if customer.channel.name in self.customers:
            self._end_customer(customer, cause=16)

    def agent_hangs_up(self, extension: str) -> None:
        """Whoever talks on `extension` hangs up."""
        for customer in list(self.customers.values()):
            if customer.agent and _extension(customer.agent.name) == extension:
                self._agent_gone(customer, lost=False)

    def set_registered(self, extension: str, registered: bool) -> None:
        """A phone appears or disappears; a call on a dead phone is lost after its RTP timeout."""
        phone = self.phones[extension]
        phone.registered = registered
        self._device(phone)
        if registered:
            return
        for customer in list(self.customers.values()):
            if customer.agent and _extension(customer.agent.name) == extension:
                self._clock.after(
                    RTP_TIMEOUT_SECONDS, partial(self._agent_gone, customer, lost=True)
                )

    # --- what the server does ---

    def beat(self) -> None:
        """The server set the heartbeat."""
        self.heartbeat = self._clock.now

    def execute(self, command: PbxCommand) -> str | None:
        """Carry a command out; the reason where it is refused."""
        match command:
            case Assign():
                return self._redirect_offer(command)
            case Withdraw():
                return self._withdraw(command)
            case SendTo():
                return self._send_to(command)
            case HangUp():
                return self._hang_up(command.channel)
            case SetMute():
                return None if command.channel in self.customers else "No such channel"
            case NativeJoin() | NativeLeave() | NativePause():
                self._change_native(command)
        return None

    def _change_native(self, command: NativeJoin | NativeLeave | NativePause) -> None:
        match command:
            case NativeJoin():
                self.native[command.queue, command.extension] = command.paused
            case NativeLeave():
                self.native.pop((command.queue, command.extension), None)
            case NativePause():
                for key in self.native:
                    if key[1] == command.extension:
                        self.native[key] = command.paused

    def snapshot(self) -> PbxSnapshot:
        """The whole state, as a connecting server reads it."""
        channels = []
        for customer in self.customers.values():
            channels.append(self._state(customer.channel))
            if customer.dial:
                channels.append(self._state(customer.dial.channel))
            if customer.agent:
                channels.append(self._state(customer.agent))
        return PbxSnapshot(
            at=self._clock.now,
            pbx_started_at=self.started_at,
            epoch=self.epoch,
            channels=channels,
            device_states={phone.device: phone.state for phone in self.phones.values()},
            native_members=[
                NativeMember(queue=f"zx-{queue}", interface=f"PJSIP/{extension}", paused=paused)
                for (queue, extension), paused in self.native.items()
            ],
            native_waiting=[
                customer.channel.uniqueid
                for customer in self.customers.values()
                if customer.place == "native" and not customer.dial
            ],
        )

    def restart(self) -> None:
        """Asterisk is killed and started anew: all channels are gone without an event."""
        for customer in list(self.customers.values()):
            for handle in (customer.patience, customer.talk_end):
                if handle:
                    handle.cancel()
            if customer.dial:
                customer.dial.cancel()
            self.on_left(customer)
        self.customers.clear()
        self.native.clear()
        for phone in self.phones.values():
            phone.channel = None
        self.started_at = self._clock.now
        self.epoch = 0
        self.heartbeat = 0.0

    # --- the dialplan ---

    def _wait(self, customer: Customer) -> None:
        customer.place = "waiting"
        customer.channel.context = "zuoxi-wait"
        customer.channel.variables["ZX_STATE"] = "waiting"
        self._look(customer)

    def _look(self, customer: Customer) -> None:
        """The waiting loop: every few seconds a look at the heartbeat."""
        self._clock.after(LOOK_SECONDS, lambda: self._looked(customer))

    def _looked(self, customer: Customer) -> None:
        if customer.channel.name not in self.customers:
            return
        if customer.place == "waiting":
            if self._clock.now - self.heartbeat > HEARTBEAT_LIMIT_SECONDS:
                self._go_native(customer)
            self._look(customer)
        elif customer.place == "native":
            if self._clock.now - self.heartbeat <= HEARTBEAT_LIMIT_SECONDS and not customer.dial:
                self._say(customer.channel, "ZxWait", {"Queue": customer.queue})
                self._wait(customer)
                return
            self._serve_natively(customer)
            self._look(customer)

    def _go_native(self, customer: Customer) -> None:
        customer.place = "native"
        customer.channel.context = "zuoxi-native"
        customer.channel.variables["ZX_STATE"] = "native"
        self._say(customer.channel, "ZxNative", {"Queue": customer.queue})
        self._serve_natively(customer)

    def _serve_natively(self, customer: Customer) -> None:
        if customer.dial or customer.place != "native":
            return
        for (queue, extension), paused in self.native.items():
            phone = self.phones[extension]
            if queue == customer.queue and not paused and phone.registered and not phone.channel:
                self._dial(customer, phone, offer="", ring_seconds=15, native=True)
                return

    def _redirect_offer(self, command: Assign) -> str | None:
        customer = self.customers.get(command.channel)
        if customer is None:
            return "Channel does not exist"
        self._leave_place(customer)
        customer.channel.context = "zuoxi-offer"
        if command.epoch != self.epoch:
            self._back(customer, command.offer_id, "stale", "")
            return None
        customer.place = "offered"
        customer.channel.variables |= {"ZX_STATE": "offered", "ZX_OFFER": command.offer_id}
        phone = self.phones[command.extension]
        if not phone.registered:
            self._back(customer, command.offer_id, "unavailable", "CHANUNAVAIL")
            return None
        self._dial(customer, phone, command.offer_id, command.ring_seconds, native=False)
        return None

    def _dial(
        self, customer: Customer, phone: Phone, offer: str, ring_seconds: float, *, native: bool
    ) -> None:
        channel = self._channel(
            phone.device, customer.channel.caller_number, customer.channel.linkedid
        )
        dial = Dial(channel=channel, extension=phone.extension, offer=offer, native=native)
        customer.dial = dial
        self._emit(self._about(ami.Newchannel, channel))
        self._emit(self._dialled(ami.DialBegin, customer.channel, channel))
        busy = phone.channel is not None or phone.rejects()
        if busy:
            self._plan(dial, 0.05, lambda: self._dial_fails(customer, "BUSY", "busy"))
            return
        phone.channel = channel.name
        self._device(phone)
        self._plan(dial, 0.05, lambda: self._rings(channel))
        pick_up = phone.answer_seconds()
        if pick_up is not None and pick_up < ring_seconds:
            self._plan(dial, 0.06 + pick_up, lambda: self._answered(customer))
        self._plan(
            dial, 0.06 + ring_seconds, lambda: self._dial_fails(customer, "NOANSWER", "noanswer")
        )

    def _plan(self, dial: Dial, seconds: float, action: Callable[[], None]) -> None:
        dial.planned.append(self._clock.after(seconds, action))

    def _rings(self, channel: Channel) -> None:
        channel.state = RINGING
        self._emit(self._about(ami.Newstate, channel))

    def _answered(self, customer: Customer) -> None:
        dial = customer.dial
        if dial is None:
            return
        dial.cancel()
        customer.dial = None
        customer.place = "talking"
        customer.agent = dial.channel
        dial.channel.state = UP
        customer.answered_at = self._clock.now
        if customer.patience:
            customer.patience.cancel()
        bridge = f"bridge-{self._next()}"
        self._emit(self._about(ami.Newstate, dial.channel))
        self._emit(self._dialled(ami.DialEnd, customer.channel, dial.channel, status="ANSWER"))
        pair = [customer.channel, dial.channel]
        self._rng.shuffle(pair)
        for channel in pair:
            channel.bridge_id = bridge
            self._emit(self._about(ami.BridgeEnter, channel, bridge_id=bridge))
        self.on_answered(customer, self._clock.now - customer.entered)
        customer.talk_end = self._clock.after(
            self.talk_seconds(), lambda: self._conversation_ends(customer)
        )

    def _conversation_ends(self, customer: Customer) -> None:
        if self._rng.random() < 0.5:
            self.customer_leaves(customer)
        else:
            self._agent_gone(customer, lost=False)

    def _dial_fails(self, customer: Customer, status: str, reason: str) -> None:
        dial = customer.dial
        if dial is None:
            return
        self._drop_dial(customer, status)
        if dial.native:
            self._serve_natively(customer)
            return
        self._back(customer, dial.offer, reason, status)

    def _drop_dial(self, customer: Customer, status: str) -> None:
        dial = customer.dial
        if dial is None:
            return
        dial.cancel()
        customer.dial = None
        self._emit(self._dialled(ami.DialEnd, customer.channel, dial.channel, status=status))
        self._hang(dial.channel, 17 if status == "BUSY" else 26)

    def _back(self, customer: Customer, offer: str, reason: str, status: str) -> None:
        customer.channel.variables["ZX_OFFER"] = ""
        self._say(customer.channel, "ZxBack", {"Offer": offer, "Reason": reason, "Status": status})
        self._wait(customer)

    def _agent_gone(self, customer: Customer, *, lost: bool) -> None:
        """The agent's leg ended under a conversation: after it, or back to the wait if it died."""
        agent = customer.agent
        if agent is None or customer.channel.name not in self.customers:
            return
        self._unbridge(customer)
        customer.agent = None
        self._hang(agent, 44 if lost else 16)
        if lost or customer.channel.variables.get("ZX_RESCIND"):
            offer = customer.channel.variables.get("ZX_OFFER", "")
            customer.answered_at = None
            self._back(customer, offer, "agent_lost" if lost else "rescinded", "ANSWER")
            return
        customer.place = "after"
        customer.channel.context = "zuoxi-after"
        customer.channel.variables["ZX_STATE"] = "after"
        self._clock.after(0.02, lambda: self.customer_leaves(customer))

    def _withdraw(self, command: Withdraw) -> str | None:
        customer = self.customers.get(command.customer_channel)
        if customer is None:
            return "No such channel"
        if command.agent_channel is None:
            if customer.place == "offered":
                self._drop_dial(customer, "CANCEL")
                self._wait(customer)
            return None
        customer.channel.variables["ZX_RESCIND"] = command.offer_id
        if customer.dial and customer.dial.channel.name == command.agent_channel:
            dial = customer.dial
            self._drop_dial(customer, "CANCEL")
            self._back(customer, dial.offer, "rescinded", "CANCEL")
        elif customer.agent and customer.agent.name == command.agent_channel:
            self._agent_gone(customer, lost=False)
        else:
            return "No such channel"
        customer.channel.variables.pop("ZX_RESCIND", None)
        return None

    def _send_to(self, command: SendTo) -> str | None:
        customer = self.customers.get(command.channel)
        if customer is None:
            return "Channel does not exist"
        self._leave_place(customer)
        epoch, _, rest = command.exten.partition("-")
        if command.context == "zuoxi-leave":
            self._leave(customer, epoch, rest)
            return None
        came_back = customer.place == "native"
        self._wait(customer)
        if came_back:
            self._say(customer.channel, "ZxWait", {"Queue": customer.queue})
        return None

    def _leave(self, customer: Customer, epoch: str, rest: str) -> None:
        if epoch != str(self.epoch):
            self._wait(customer)
            return
        verb, _, argument = rest.partition("-")
        self._say(customer.channel, "ZxLeave", {"Verb": verb, "Argument": argument})
        if verb == "overflow":
            customer.queue = argument
            customer.channel.variables["ZX_QUEUE"] = argument
            self._say(customer.channel, "ZxEnter", self._enter_headers(customer.channel))
            self._wait(customer)
            return
        customer.place = "away"
        customer.channel.variables["ZX_STATE"] = "after"
        self._clock.after(0.1, lambda: self.customer_leaves(customer))

    def _leave_place(self, customer: Customer) -> None:
        """A redirect takes the channel out of whatever it was in."""
        self._drop_dial(customer, "CANCEL")
        if customer.agent:
            agent, customer.agent = customer.agent, None
            self._unbridge(customer)
            self._hang(agent, 16)

    def _hang_up(self, name: str) -> str | None:
        if name in self.customers:
            self.customer_leaves(self.customers[name])
            return None
        for customer in list(self.customers.values()):
            if customer.agent and customer.agent.name == name:
                self._agent_gone(customer, lost=False)
                return None
            if customer.dial and customer.dial.channel.name == name:
                self._dial_fails(customer, "CANCEL", "noanswer")
                return None
        return "No such channel"

    def _end_customer(self, customer: Customer, cause: int) -> None:
        for handle in (customer.patience, customer.talk_end):
            if handle:
                handle.cancel()
        self._drop_dial(customer, "CANCEL")
        if customer.agent:
            agent, customer.agent = customer.agent, None
            self._unbridge(customer)
            self._hang(agent, 16)
        del self.customers[customer.channel.name]
        self._hang(customer.channel, cause)
        self.on_left(customer)

    def _unbridge(self, customer: Customer) -> None:
        if customer.talk_end:
            customer.talk_end.cancel()
        pair = [channel for channel in (customer.channel, customer.agent) if channel]
        for channel in pair:
            if channel.bridge_id:
                bridge, channel.bridge_id = channel.bridge_id, None
                self._emit(self._about(ami.BridgeLeave, channel, bridge_id=bridge))

    def _hang(self, channel: Channel, cause: int) -> None:
        channel.state = DOWN
        self._emit(self._about(ami.Hangup, channel, cause=cause))
        phone = self.phones.get(_extension(channel.name))
        if phone and phone.channel == channel.name:
            phone.channel = None
            self._device(phone)

    # --- events ---

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers

    def _channel(self, device: str, caller: str | None, linkedid: str | None) -> Channel:
        number = self._next()
        uniqueid = f"{int(self.started_at)}.{number}"
        return Channel(
            name=f"{device}-{number:08x}",
            uniqueid=uniqueid,
            linkedid=linkedid or uniqueid,
            caller_number=caller,
            state=RING if linkedid is None else DOWN,
            born=self._clock.now,
        )

    def _about(
        self, kind: type[ami.ChannelEvent], channel: Channel, **more: Any
    ) -> ami.ChannelEvent:
        return kind(
            timestamp=self._clock.now,
            channel=channel.name,
            uniqueid=channel.uniqueid,
            linkedid=channel.linkedid,
            state=channel.state,
            caller_number=channel.caller_number,
            context=channel.context,
            **more,
        )

    def _dialled(
        self,
        kind: type[ami.DialEvent],
        caller: Channel,
        called: Channel,
        *,
        status: str | None = None,
    ) -> ami.DialEvent:
        more: dict[str, Any] = {} if status is None else {"dial_status": status}
        return kind(
            timestamp=self._clock.now,
            channel=caller.name,
            uniqueid=caller.uniqueid,
            linkedid=caller.linkedid,
            dest_channel=called.name,
            dest_uniqueid=called.uniqueid,
            dest_linkedid=called.linkedid,
            dest_state=called.state,
            **more,
        )

    def _say(self, channel: Channel, name: str, headers: dict[str, str]) -> None:
        self._emit(
            ami.UserEvent(
                timestamp=self._clock.now,
                name=name,
                channel=channel.name,
                uniqueid=channel.uniqueid,
                linkedid=channel.linkedid,
                headers=headers,
            )
        )

    def _device(self, phone: Phone) -> None:
        self._emit(
            ami.DeviceStateChange(
                timestamp=self._clock.now, device=phone.device, device_state=phone.state
            )
        )

    @staticmethod
    def _enter_headers(channel: Channel) -> dict[str, str]:
        names = {
            "Queue": "ZX_QUEUE",
            "Entered": "ZX_ENTERED",
            "CallerPriority": "ZX_PRIO",
            "Skills": "ZX_SKILLS",
            "Sticky": "ZX_STICKY",
        }
        return {header: channel.variables.get(name, "") for header, name in names.items()}

    def _state(self, channel: Channel) -> ChannelState:
        return ChannelState(
            name=channel.name,
            uniqueid=channel.uniqueid,
            linkedid=channel.linkedid,
            state=channel.state,
            caller_number=channel.caller_number,
            context=channel.context,
            bridge_id=channel.bridge_id,
            duration_seconds=self._clock.now - channel.born,
            variables={name: value for name, value in channel.variables.items() if value},
        )


def _extension(channel_name: str) -> str:
    """`8001` of `PJSIP/8001-0000002a`."""
    return channel_name.partition("/")[2].rpartition("-")[0]
