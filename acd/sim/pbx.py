"""A simulated Asterisk with our dialplan: channels, dials, bridges, the native queue, its events.

It behaves as config/asterisk/zuoxi/extensions.conf says and as Asterisk 22 was recorded to:
commands are executed in the order of the connection, channels that are gone refuse. Randomness
comes from the given generator alone.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

from acd.queues import HEADERS, SNAPSHOT_VARIABLES, VARIABLES
from acd.sim.channels import DOWN, RING, RINGING, UP, WAITING, Channel, Customer, Dial, Phone
from acd.sim.clockwork import Clockwork, Handle
from acd.sim.telling import Telling
from cti.ami import events as ami
from cti.commands import (
    Assign,
    HangUp,
    NativeJoin,
    NativeLeave,
    NativePause,
    NativeRelease,
    PbxCommand,
    SendTo,
    SetMute,
    Withdraw,
)
from cti.inputs import CallbackWish, ChannelState, Input, NativeMember, PbxSnapshot, SurveyKey

HEARTBEAT_LIMIT_SECONDS = 8
LOOK_SECONDS = 3.0
SLICE_SECONDS = 10.0
RETRY_SECONDS = 2.0
RECHECK_SECONDS = 1.0
RTP_TIMEOUT_SECONDS = 10.0
LAST_WORD_SECONDS = 0.3
ANNOUNCEMENT_SECONDS = 3.0
NO_RTP, NORMAL, BUSY, ELSEWHERE = 44, 16, 17, 26
OUTSIDE = "PJSIP/trunk"


class SimPbx:
    """The PBX.

    :ivar tell: writes its events; `tell.listeners` hear them.
    :ivar reaction_seconds: how long a redirected channel may take to notice.
    :ivar enter_seconds: how long a caller takes from the first ring to the queue.
    :ivar hook: what the dialplan's FastAGI calls reach.
    :ivar releases: whether it is new enough to let callers go out of its own queues.
    :ivar renamed_share: how often a leg has another name by now, so that an offer cannot be ended.
    :ivar torn: who was fetched out of a talk that its own queue had made.
    """

    def __init__(self, clock: Clockwork, rng: random.Random) -> None:
        self.clock = clock
        self.rng = rng
        self.tell = Telling(clock, rng)
        self._numbers = 0
        self.started_at = clock.now
        self.heartbeat = self.tell.now
        self.epoch = 0
        self.held_by: str | None = None
        self.customers: dict[str, Customer] = {}
        self.phones: dict[str, Phone] = {}
        self.queues: set[str] = set()
        self.native: dict[tuple[str, str], bool] = {}
        self._redirects: dict[str, Handle] = {}
        self.reaction_seconds = 0.0
        self.enter_seconds: Callable[[], float] = lambda: 0.0
        self.talk_seconds: Callable[[], float] = lambda: 30.0
        self.hook: Callable[[Input], None] = lambda item: None
        self.releases = True
        self.renamed_share = 0.0
        self.torn: list[str] = []
        self.on_left: Callable[[Customer], None] = lambda customer: None
        self.on_answered: Callable[[Customer, float], None] = lambda customer, waited: None

    # --- what people do -----------------------------------------------------------------------

    def call(
        self, queue: str, number: str, patience: float | None, variables: dict[str, str]
    ) -> Customer:
        """A customer calls and enters `queue`; leaves after `patience` seconds of waiting."""
        channel = self.new_channel(OUTSIDE, number, None)
        channel.variables |= variables
        customer = Customer(channel=channel, queue=queue, entries=[self.clock.now])
        self.customers[channel.name] = customer
        self.tell.channel(ami.Newchannel, channel)
        if patience is not None:
            customer.patience = self.clock.after(patience, lambda: self.customer_leaves(customer))
        seconds = self.enter_seconds()
        if seconds:
            self._later(customer, seconds, lambda: self.enter(customer, queue))
        else:
            self.enter(customer, queue)
        return customer

    def customer_leaves(self, customer: Customer) -> None:
        """The customer hangs up, wherever the call is."""
        if self.is_here(customer):
            customer.gave_up = customer.place in WAITING
            self.tell.channel(ami.HangupRequest, customer.channel, cause=NORMAL)
            self.end(customer)

    def set_registered(self, extension: str, registered: bool) -> None:
        """A phone appears or disappears; a call on a dead phone is lost after its RTP timeout."""
        phone = self.phones[extension]
        phone.registered = registered
        self.tell.device(phone)
        if registered:
            return
        for customer in self.customers.values():
            if customer.agent and customer.agent.name in phone.channels:
                self.clock.after(
                    RTP_TIMEOUT_SECONDS, partial(self._leg_dies, customer, customer.agent)
                )
            elif customer.channel.name in phone.channels:
                self.clock.after(RTP_TIMEOUT_SECONDS, partial(self.end, customer, NO_RTP))

    def _leg_dies(self, customer: Customer, leg: Channel) -> None:
        if self.is_here(customer) and customer.agent is leg:
            self.agent_gone(customer, NO_RTP)

    # --- what the server does -----------------------------------------------------------------

    def beat(self) -> None:
        """The server set the heartbeat."""
        self.heartbeat = int(self.tell.now)

    def claim(self, node: str) -> int:
        """A server takes the next epoch and says so."""
        self.epoch = max(int(self.tell.now * 1000), self.epoch + 1)
        self.tell.user(None, "ZxEpoch", Epoch=str(self.epoch), Node=node)
        return self.epoch

    def execute(self, command: PbxCommand) -> str | None:
        """Carry a command out; the reason where it is refused."""
        match command:
            case Assign():
                refused = self._redirect(command.channel, "zuoxi-offer", _offer_exten(command))
            case Withdraw(agent_channel=None):
                exten = f"{command.epoch}-back"
                refused = self._redirect(command.customer_channel, "zuoxi-wait", exten)
            case Withdraw(agent_channel=str(leg)):
                refused = self._withdraw(command, leg)
            case SendTo():
                refused = self._redirect(command.channel, command.context, command.exten)
            case HangUp():
                refused = self._hang_up(command.channel, command.cause)
            case SetMute():
                refused = self._mute(command)
            case NativeJoin() | NativeLeave() | NativePause():
                refused = self._change_native(command)
            case NativeRelease():
                refused = self._release(command)
        return refused

    def _release(self, command: NativeRelease) -> str | None:
        """Mark the caller, who looks at the mark once a second, and not while a phone rings."""
        if not self.releases:
            return "Invalid/unknown command: QueueWithdrawCaller."
        customer = self.customers.get(command.channel)
        if customer is None or (customer.place, customer.queue) != ("native", command.queue):
            return "Unable to request withdraw from queue: No such caller"
        if customer.released:
            return "Unable to request withdraw from queue: Already requested"
        customer.released = True
        seconds = self.rng.uniform(0, RECHECK_SECONDS)
        self._later(customer, seconds, lambda: self._let_go(customer))
        return None

    def _withdraw(self, command: Withdraw, leg: str) -> str | None:
        customer = self.customers.get(command.customer_channel)
        if customer is None:
            return "No such channel"
        customer.channel.variables["ZX_RESCIND"] = command.offer_id
        if self.rng.random() < self.renamed_share:
            return "No such channel"
        return self._hang_up(leg, ELSEWHERE)

    def _change_native(self, command: NativeJoin | NativeLeave | NativePause) -> str | None:
        match command:
            case NativeJoin():
                self.native[command.queue, command.extension] = command.paused
            case NativeLeave():
                self.native.pop((command.queue, command.extension), None)
            case NativePause():
                for key in self.native:
                    if key[1] == command.extension:
                        self.native[key] = command.paused
        return None

    def _mute(self, command: SetMute) -> str | None:
        customer = self.customers.get(command.channel)
        if customer is None or not customer.channel.variables.get("ZX_REC"):
            return "Cannot set mute flag"
        self.tell.channel(ami.MixMonitorMute, customer.channel, direction="both", mute=command.mute)
        return None

    def _hang_up(self, name: str, cause: int) -> str | None:
        if name in self.customers:
            self.end(self.customers[name])
            return None
        for customer in list(self.customers.values()):
            if customer.agent and customer.agent.name == name:
                self.agent_gone(customer, cause, by_itself=False)
                return None
            if customer.dial and customer.dial.channel.name == name:
                self._dial_fails(customer.dial, "NOANSWER", "noanswer")
                return None
        return "No such channel"

    def channel_states(self) -> list[ChannelState]:
        """All channels, as `Status` lists them."""
        found = []
        for customer in self.customers.values():
            found.append(self._state(customer.channel))
            if customer.dial:
                found.append(self._state(customer.dial.channel))
            if customer.agent:
                found.append(self._state(customer.agent))
        return found

    def _state(self, channel: Channel) -> ChannelState:
        return ChannelState(
            name=channel.name,
            uniqueid=channel.uniqueid,
            linkedid=channel.linkedid,
            state=channel.state,
            caller_number=channel.caller_number,
            context=channel.context,
            bridge_id=channel.bridge_id,
            duration_seconds=float(int(self.clock.now - channel.born)),
            variables={
                name: value
                for name, value in channel.variables.items()
                if value and name in SNAPSHOT_VARIABLES
            },
        )

    def snapshot(
        self, at: float, channels: list[ChannelState], epoch: int, held_by: str | None
    ) -> PbxSnapshot:
        """The whole state: `channels` and the last two were read before, the rest is read now."""
        return PbxSnapshot(
            at=at,
            pbx_started_at=float(int(self.started_at)),
            epoch=epoch,
            held_by=held_by,
            overtaken_by=self.epoch if self.epoch > epoch else None,
            channels=channels,
            device_states={phone.device: phone.state for phone in self.phones.values()},
            native_members=[
                NativeMember(queue=f"zx-{queue}", interface=f"PJSIP/{extension}", paused=paused)
                for (queue, extension), paused in self.native.items()
            ],
            native_waiting=[
                customer.channel.uniqueid
                for customer in self.customers.values()
                if customer.place == "native"
            ],
            clock_ahead_seconds=self.tell.offset_seconds,
        )

    def restart(self) -> None:
        """Asterisk is killed and started anew: all channels are gone without an event."""
        for customer in list(self.customers.values()):
            for handle in (customer.patience, customer.talk_end):
                if handle:
                    handle.cancel()
            if customer.dial:
                customer.dial.cancel()
            self.talk_over(customer)
            self.on_left(customer)
        self.tell.forget()
        self.customers.clear()
        self.native.clear()
        for phone in self.phones.values():
            phone.channels.clear()
        self.started_at = self.clock.now
        self.epoch = 0
        self.held_by = None
        self.heartbeat = 0

    # --- the dialplan: waiting ----------------------------------------------------------------

    @property
    def alive(self) -> bool:
        """Whether the dialplan takes the server for alive."""
        return self.tell.now - self.heartbeat <= HEARTBEAT_LIMIT_SECONDS

    def is_here(self, customer: Customer) -> bool:
        """Whether the channel lives."""
        return self.customers.get(customer.channel.name) is customer

    def _later(self, customer: Customer, seconds: float, action: Callable[[], None]) -> None:
        """The next step of the dialplan, unless the channel is moved or gone before."""
        moves = customer.moves

        def step() -> None:
            if customer.moves == moves and self.is_here(customer):
                action()

        self.clock.after(seconds, step)

    def enter(self, customer: Customer, queue: str, *, overflow: bool = False) -> None:
        """`zuoxi-enter`: the queue is told of the caller."""
        channel, variables = customer.channel, customer.channel.variables
        customer.moves += 1
        channel.context = "zuoxi-enter"
        if channel.state != UP:
            channel.state = UP
            self.tell.channel(ami.Newstate, channel)
        customer.queue = queue
        variables |= {"ZX_QUEUE": queue, "ZX_STATE": "waiting"}
        if overflow:
            self.tell.user(channel, "ZxLeave", Verb="overflow", Argument=queue)
        else:
            customer.entries.append(self.clock.now)
            variables["ZX_ENTERED"] = f"{self.tell.now:.3f}"
        headers = {HEADERS[word]: variables.get(name, "") for word, name in VARIABLES.items()}
        self.tell.user(channel, "ZxEnter", **headers)
        self._wait(customer)

    def _wait(self, customer: Customer) -> None:
        """`zuoxi-wait,s`: music, and every few seconds a look at the heartbeat."""
        customer.moves += 1
        customer.place = "waiting"
        customer.channel.context = "zuoxi-wait"
        self._later(customer, LOOK_SECONDS, lambda: self._look(customer))

    def _look(self, customer: Customer) -> None:
        if self.alive:
            self._later(customer, LOOK_SECONDS, lambda: self._look(customer))
        else:
            self._go_native(customer)

    def _fetched(self, customer: Customer, exten: str) -> None:
        """`zuoxi-wait,<epoch>-...`: fetched out of an offer or the native queue, or stale."""
        variables = customer.channel.variables
        if variables.get("ZX_STATE") == "native":
            variables["ZX_STATE"] = "waiting"
            self.tell.user(customer.channel, "ZxWait", Queue=customer.queue)
            self._wait(customer)
        elif variables.get("ZX_STATE") == "offered":
            self._back(customer, "stale" if self._stale(exten) else "rescinded", "")
        elif variables.get("ZX_STATE") == "after":
            self._ask(customer)
        elif variables.get("ZX_STATE") == "left" and variables["ZX_VERB"] == "callback":
            self._later(customer, 0.02, lambda: self.end(customer))
        elif variables.get("ZX_STATE") == "left":
            self._leave(customer, variables["ZX_VERB"], variables["ZX_ARG"])
        else:
            self._wait(customer)

    def _stale(self, exten: str) -> bool:
        return int(exten.partition("-")[0]) < self.epoch

    # --- the dialplan: Asterisk's own queue ---------------------------------------------------

    def _go_native(self, customer: Customer) -> None:
        customer.channel.context = "zuoxi-native"
        customer.channel.variables["ZX_STATE"] = "native"
        self.tell.user(customer.channel, "ZxNative", Queue=customer.queue)
        self._record(customer)
        self._slice(customer)

    def _slice(self, customer: Customer) -> None:
        customer.moves += 1
        customer.place, customer.released = "native", False
        self._later(customer, SLICE_SECONDS, lambda: self._slice_over(customer))
        self._serve_natively(customer)

    def _slice_over(self, customer: Customer) -> None:
        if customer.dial:  # a phone that rings when the slice ends rings on
            self._later(customer, 1.0, lambda: self._slice_over(customer))
        elif self.alive:
            self._fetched(customer, "")
        else:
            self._slice(customer)

    def _let_go(self, customer: Customer) -> None:
        """`QUEUESTATUS` is WITHDRAW, unless a phone rings."""
        if not customer.dial:
            self._fetched(customer, "")

    def _serve_natively(self, customer: Customer) -> None:
        if customer.released:
            self._let_go(customer)
            return
        for (queue, extension), paused in self.native.items():
            phone = self.phones[extension]
            usable = phone.registered and not phone.channels
            if queue == customer.queue and not paused and usable and not customer.dial:
                self.ring(customer, extension, 15.0, native=True)
        if not customer.dial:
            self._later(customer, RETRY_SECONDS, lambda: self._serve_natively(customer))

    def take_place(self, of: Customer, customer: Customer) -> None:
        """`customer` stands where `of` stood in the dialplan, by an attended transfer."""
        variables = of.channel.variables
        customer.channel.variables |= variables
        customer.channel.context = of.channel.context
        customer.queue, customer.place = of.queue, of.place
        customer.entries.append(of.entered)
        customer.moves += 1
        if of.dial is not None:
            customer.dial, of.dial = of.dial, None
            customer.dial.caller = customer
        if of.place == "native":
            self._slice(customer)
        elif of.place != "offered":
            self._wait(customer)

    # --- the dialplan: redirects --------------------------------------------------------------

    def _redirect(self, name: str, context: str, exten: str) -> str | None:
        """The channel notices a little later; a newer redirect takes the older's place."""
        customer = self.customers.get(name)
        if customer is None:
            return "Channel does not exist"
        if not self.reaction_seconds:
            self._goto(customer, context, exten)
            return None
        before = self._redirects.pop(name, None)
        if before:
            before.cancel()
        seconds = self.rng.uniform(0, self.reaction_seconds)
        self._redirects[name] = self.clock.after(
            seconds, lambda: self._goto(customer, context, exten)
        )
        return None

    def _goto(self, customer: Customer, context: str, exten: str) -> None:
        if not self.is_here(customer):
            return
        if self.releases and context == "zuoxi-wait" and customer.channel.context == "zuoxi-native":
            self.torn += [customer.channel.name] if customer.agent else []
        self._leave_place(customer)
        customer.moves += 1
        if self._stale(exten) and context == "zuoxi-offer":
            offer = exten.split("-")[1]
            self.tell.user(customer.channel, "ZxBack", Offer=offer, Status="", Reason="stale")
        if context == "zuoxi-wait" or self._stale(exten):
            self._fetched(customer, exten)
        elif context == "zuoxi-offer":
            self._offer(customer, *exten.split("-")[1:])
        elif customer.channel.variables.get("ZX_STATE") != "waiting":
            self._fetched(customer, exten)
        elif context == "zuoxi-announce":
            customer.place = "announced"
            customer.channel.context = context
            seconds = self.rng.uniform(0.5, ANNOUNCEMENT_SECONDS)
            self._later(customer, seconds, lambda: self._wait(customer))
        else:
            self._leave(customer, *exten.split("-")[1:])

    def _leave_place(self, customer: Customer) -> None:
        """A redirect takes the channel out of whatever it was in."""
        self.drop_dial(customer, "CANCEL")
        if customer.agent:
            agent = self.part(customer)
            self.hang(agent, NORMAL, by=customer.channel)

    # --- the dialplan: offers -----------------------------------------------------------------

    def _offer(
        self, customer: Customer, offer: str, extension: str, seconds: str, flags: str
    ) -> None:
        customer.place = "offered"
        customer.channel.context = "zuoxi-offer"
        customer.channel.variables |= {
            "ZX_STATE": "offered",
            "ZX_OFFER": offer,
            "ZX_FLAGS": flags,
        }
        if "r" in flags:
            self._record(customer)
        if self.phones[extension].registered:
            self.ring(customer, extension, float(seconds), offer=offer)
        else:
            self._back(customer, "unavailable", "CHANUNAVAIL")

    def _record(self, customer: Customer) -> None:
        variables = customer.channel.variables
        variables["ZX_REC"] = customer.channel.uniqueid
        self.tell.user(customer.channel, "ZxRecord", File=customer.channel.uniqueid)

    def _back(self, customer: Customer, reason: str, status: str) -> None:
        """`zuoxi-back`: to the wait, and why."""
        variables = customer.channel.variables
        variables["ZX_STATE"] = "waiting"
        offer = variables.get("ZX_OFFER", "")
        self.tell.user(customer.channel, "ZxBack", Offer=offer, Reason=reason, Status=status)
        self._wait(customer)

    def agent_gone(self, customer: Customer, cause: int, *, by_itself: bool = True) -> None:
        """The leg that was talked to ended under the conversation.

        :param by_itself: its phone hung up, or it died; else a manager ended it.
        """
        if by_itself and cause == NORMAL and customer.agent:
            self.tell.channel(ami.HangupRequest, customer.agent, cause=cause)
        self.hang(self.part(customer), cause)
        customer.moves += 1
        customer.place = "after"
        if customer.channel.context != "zuoxi-offer":
            self._later(customer, 0.0, lambda: self.end(customer))
        elif by_itself and cause == NORMAL:
            self._offer_over(customer, cause)
        else:
            self._later(customer, LAST_WORD_SECONDS, lambda: self._offer_over(customer, cause))

    def _offer_over(self, customer: Customer, cause: int) -> None:
        variables = customer.channel.variables
        if cause == NO_RTP:
            customer.answered_at = None
            self._back(customer, "agent_lost", "ANSWER")
        elif cause == ELSEWHERE and variables.get("ZX_RESCIND") == variables["ZX_OFFER"]:
            self._back(customer, "rescinded", "ANSWER")
        elif "s" in variables.get("ZX_FLAGS", ""):
            self._ask(customer)
        else:
            self._later(customer, 0.02, lambda: self.end(customer))

    def _ask(self, customer: Customer) -> None:
        customer.place = "after"
        customer.channel.variables["ZX_STATE"] = "after"
        customer.channel.context = "zuoxi-after"
        self._later(customer, self.rng.uniform(0.5, 4.0), lambda: self._survey(customer))

    def _survey(self, customer: Customer) -> None:
        if self.alive:
            self.hook(SurveyKey(uniqueid=customer.channel.uniqueid, score=self.rng.randint(1, 5)))
        self.end(customer)

    # --- the dialplan: leaving the wait -------------------------------------------------------

    def _leave(self, customer: Customer, verb: str, argument: str = "") -> None:
        customer.channel.context = "zuoxi-leave"
        if verb == "overflow" and argument in self.queues:
            self.enter(customer, argument, overflow=True)
        elif verb == "callback":
            customer.place = "announced"
            self._later(customer, 2.0, lambda: self._callback(customer))
        elif verb in ("number", "voicemail", "hangup"):
            self._left(customer, verb, argument)
            seconds = self.rng.uniform(0.1, 6.0)
            self._later(customer, seconds, lambda: self.end(customer))
        else:
            self._wait(customer)

    def _left(self, customer: Customer, verb: str, argument: str) -> None:
        customer.place = "away"
        customer.channel.variables |= {
            "ZX_STATE": "left",
            "ZX_VERB": verb,
            "ZX_ARG": argument,
        }
        self.tell.user(customer.channel, "ZxLeave", Verb=verb, Argument=argument)

    def _callback(self, customer: Customer) -> None:
        number = customer.channel.caller_number or ""
        if self.rng.random() < 0.5:
            self._wait(customer)
            return
        if self.alive:
            uniqueid, queue = customer.channel.uniqueid, customer.queue
            self.hook(CallbackWish(uniqueid=uniqueid, number=number, queue=queue))
        self._left(customer, "callback", number)
        self._later(customer, 1.0, lambda: self.end(customer))

    # --- dials and bridges --------------------------------------------------------------------

    def ring(
        self,
        customer: Customer,
        extension: str,
        seconds: float,
        *,
        offer: str = "",
        native: bool = False,
    ) -> None:
        """Dial a phone, or a number outside where there is no such phone."""
        phone = self.phones.get(extension)
        caller = customer.channel
        device = OUTSIDE if phone is None else phone.device
        channel = self.new_channel(device, caller.caller_number, caller.linkedid)
        dial = customer.dial = Dial(caller=customer, channel=channel, offer=offer, native=native)
        busy = phone is not None and (bool(phone.channels) or phone.rejects())
        if phone is not None:
            phone.channels[channel.name] = channel
        self.tell.channel(ami.Newchannel, channel, by=caller)
        self.tell.dial(ami.DialBegin, caller, channel)
        if busy:
            self._plan(dial, 0.05, lambda: self._dial_fails(dial, "BUSY", "busy"))
            return
        self._plan(dial, 0.05, lambda: self._rings(channel))
        pick_up = 1.0 if phone is None else phone.answer_seconds()
        if pick_up is not None and pick_up < seconds:
            self._plan(dial, 0.06 + pick_up, lambda: self._answered(dial))
        self._plan(dial, 0.06 + seconds, lambda: self._dial_fails(dial, "NOANSWER", "noanswer"))

    def _plan(self, dial: Dial, seconds: float, action: Callable[[], None]) -> None:
        dial.planned.append(self.clock.after(seconds, action))

    def _rings(self, channel: Channel) -> None:
        channel.state = RINGING
        self.tell.channel(ami.Newstate, channel)
        self._tell_device(channel)

    def _answered(self, dial: Dial) -> None:
        customer = dial.caller
        dial.cancel()
        customer.dial = None
        dial.channel.state = UP
        if customer.patience:
            customer.patience.cancel()
        self.tell.channel(ami.Newstate, dial.channel)
        self._tell_device(dial.channel)
        self.tell.dial(ami.DialEnd, customer.channel, dial.channel, dial_status="ANSWER")
        if customer.channel.state != UP:
            customer.channel.state = UP
            self.tell.channel(ami.Newstate, customer.channel)
        customer.answered_at = self.clock.now
        customer.moves += 1
        self.meet(customer, dial.channel, f"bridge-{self._next()}")
        self.on_answered(customer, self.clock.now - customer.entered)
        customer.talk_end = self.clock.after(
            self.talk_seconds(), lambda: self._conversation_ends(customer)
        )

    def meet(self, customer: Customer, leg: Channel, bridge: str) -> None:
        """The two are bridged; who is in the bridge already stays there."""
        customer.agent = leg
        customer.place = "talking"
        customer.met_at = self.clock.now
        pair = [channel for channel in (customer.channel, leg) if channel.bridge_id != bridge]
        self.rng.shuffle(pair)
        for channel in pair:
            channel.bridge_id = bridge
            self.tell.channel(ami.BridgeEnter, channel, bridge_id=bridge)

    def _conversation_ends(self, customer: Customer) -> None:
        if self.rng.random() < 0.5:
            self.customer_leaves(customer)
        elif customer.agent:
            self.agent_gone(customer, NORMAL)

    def part(self, customer: Customer) -> Channel:
        """The conversation is over; its other leg, which still lives, is given."""
        agent = customer.agent
        assert agent is not None, "nobody is talked to"
        self.talk_over(customer)
        customer.agent = None
        if customer.talk_end:
            customer.talk_end.cancel()
        for channel in (agent, customer.channel):
            self.leave_bridge(channel)
        return agent

    def talk_over(self, customer: Customer) -> None:
        """Keep the talk that ends now, if it is one with a phone of ours."""
        if customer.agent and customer.agent.extension in self.phones:
            customer.talked.append((customer.met_at, self.clock.now))

    def leave_bridge(self, channel: Channel) -> None:
        """The channel leaves its bridge."""
        if channel.bridge_id:
            bridge, channel.bridge_id = channel.bridge_id, None
            self.tell.channel(ami.BridgeLeave, channel, bridge_id=bridge)

    def _dial_fails(self, dial: Dial, status: str, reason: str) -> None:
        customer = dial.caller
        self.drop_dial(customer, status)
        variables = customer.channel.variables
        if dial.native:
            self._later(customer, RETRY_SECONDS, lambda: self._serve_natively(customer))
        elif not dial.offer:
            self._later(customer, 0.0, lambda: self.end(customer))
        elif variables.get("ZX_RESCIND") == dial.offer:
            self._back(customer, "rescinded", status)
        else:
            self._back(customer, reason, status)

    def drop_dial(self, customer: Customer, status: str) -> None:
        """The ringing leg ends."""
        dial = customer.dial
        if dial is None:
            return
        dial.cancel()
        customer.dial = None
        self.tell.dial(ami.DialEnd, customer.channel, dial.channel, dial_status=status)
        self.hang(dial.channel, BUSY if status == "BUSY" else ELSEWHERE, by=customer.channel)

    def end(self, customer: Customer, cause: int = NORMAL) -> None:
        """The channel ends, and what hangs on it."""
        if not self.is_here(customer):
            return
        for handle in (customer.patience, customer.talk_end):
            if handle:
                handle.cancel()
        self.drop_dial(customer, "CANCEL")
        if customer.agent:
            self.hang(self.part(customer), NORMAL, by=customer.channel)
        customer.moves += 1
        del self.customers[customer.channel.name]
        self.hang(customer.channel, cause)
        self.on_left(customer)

    def hang(self, channel: Channel, cause: int, by: Channel | None = None) -> None:
        """A channel is gone."""
        channel.state = DOWN
        self.tell.channel(ami.Hangup, channel, by=by, cause=cause)
        phone = self.phones.get(channel.extension)
        if phone and phone.channels.pop(channel.name, None):
            self.tell.device(phone)

    def _tell_device(self, channel: Channel) -> None:
        phone = self.phones.get(channel.extension)
        if phone:
            self.tell.device(phone)

    def _next(self) -> int:
        self._numbers += 1
        return self._numbers

    def new_channel(self, device: str, caller: str | None, linkedid: str | None) -> Channel:
        """A channel of `device`; without a `linkedid` it is the first of its call."""
        number = self._next()
        uniqueid = f"{int(self.started_at)}.{number}"
        return Channel(
            name=f"{device}-{number:08x}",
            uniqueid=uniqueid,
            linkedid=linkedid or uniqueid,
            caller_number=caller,
            state=RING if linkedid is None else DOWN,
            born=self.clock.now,
        )


def _offer_exten(command: Assign) -> str:
    parts = (command.offer_id, command.extension, command.ring_seconds, command.flags)
    return "-".join([str(command.epoch), *map(str, parts)])
