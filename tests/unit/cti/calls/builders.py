"""A PBX on paper and a stage on which its events meet the call model.

`Pbx` makes typed AMI events in the orders that Asterisk 22 was recorded to send, and knows what is
true. `Stage` feeds them to `Calls` as the core does, with just enough of an ACD for queue visits.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from cti import domain as d
from cti.ami import events as ami
from cti.ami.events import AmiEvent
from cti.calls.book import Call
from cti.calls.model import Calls
from cti.inputs import ChannelState, PbxSnapshot

START = 1_000_000.0
AGENTS = {"8001": "1001", "8002": "1002"}
"""8003 is an extension at which nobody is signed in."""
EXTENSIONS = frozenset({*AGENTS, "8003"})


@dataclass
class Channel:
    """A channel as it truly is."""

    name: str
    uniqueid: str
    linkedid: str
    born: float
    state: int = 0
    number: str | None = None
    exten: str | None = None
    bridge: str | None = None

    @property
    def endpoint(self) -> str:
        return self.name.partition("/")[2].rpartition("-")[0]

    @property
    def pair(self) -> str | None:
        return self.name[:-2] if self.name.startswith("Local/") else None


@dataclass
class Pbx:
    """Channels and bridges, and the AMI events that tell of them: (event, epoch seconds)."""

    now: float = START
    channels: dict[str, Channel] = field(default_factory=dict)
    wire: list[tuple[AmiEvent, float]] = field(default_factory=list)
    made: int = 0

    def wait(self, seconds: float) -> None:
        self.now += seconds

    def tell(self, event: AmiEvent) -> None:
        self.wire.append((event, self.now))

    def about(self, channel: Channel) -> dict[str, object]:
        return {
            "channel": channel.name,
            "uniqueid": channel.uniqueid,
            "linkedid": channel.linkedid,
            "state": channel.state,
            "caller_number": channel.number,
            "exten": channel.exten,
        }

    def channel(
        self,
        resource: str,
        *,
        parent: Channel | None = None,
        state: int = 0,
        number: str | None = None,
        exten: str = "s",
    ) -> Channel:
        """A new channel of `PJSIP/8001` or the like; `parent` dials it."""
        uniqueid = f"{int(self.now)}.{self.made}"
        suffix = "" if resource.startswith("Local/") else f"-{self.made:08x}"
        made = Channel(
            f"{resource}{suffix}",
            uniqueid,
            parent.linkedid if parent else uniqueid,
            self.now,
            state,
            number,
            exten,
        )
        self.made += 1
        self.channels[uniqueid] = made
        self.tell(ami.Newchannel(**self.about(made)))
        return made

    def caller(self, number: str = "+8613800138000", exten: str = "4000") -> Channel:
        """A customer calls in over the trunk."""
        return self.channel("PJSIP/trunk", state=4, number=number, exten=exten)

    def dial(self, parent: Channel, resource: str) -> Channel:
        """`parent` dials a phone."""
        called = self.channel(resource, parent=parent)
        self.tell(
            ami.DialBegin(
                channel=parent.name,
                uniqueid=parent.uniqueid,
                linkedid=parent.linkedid,
                dest_channel=called.name,
                dest_uniqueid=called.uniqueid,
                dest_linkedid=called.linkedid,
            )
        )
        return called

    def local(self, parent: Channel, target: str = "8001@agents") -> tuple[Channel, Channel]:
        """`parent` dials a Local channel: its two halves."""
        base = f"Local/{target}-{self.made:08x}"
        one = self.channel(f"{base};1", parent=parent)
        two = self.channel(f"{base};2", parent=parent, state=4)
        return one, two

    def turn(self, channel: Channel, state: int) -> None:
        channel.state = state
        self.tell(ami.Newstate(**self.about(channel)))

    def ring(self, channel: Channel) -> None:
        self.turn(channel, 5)

    def answer(self, channel: Channel) -> None:
        self.turn(channel, 6)

    def enter(self, channel: Channel, bridge: str, technology: str = "simple_bridge") -> None:
        channel.bridge = bridge
        self.tell(
            ami.BridgeEnter(**self.about(channel), bridge_id=bridge, bridge_technology=technology)
        )

    def leave(self, channel: Channel) -> None:
        if channel.bridge is not None:
            bridge, channel.bridge = channel.bridge, None
            self.tell(ami.BridgeLeave(**self.about(channel), bridge_id=bridge))

    def request(self, channel: Channel) -> None:
        """The channel's party hangs up: what Asterisk says first."""
        self.tell(ami.HangupRequest(**self.about(channel), cause=16))

    def hang_up(self, channel: Channel, cause: int = 16) -> None:
        self.leave(channel)
        self.channels.pop(channel.uniqueid, None)
        self.tell(ami.Hangup(**self.about(channel), cause=cause, cause_text="Normal Clearing"))

    def hold(self, channel: Channel) -> None:
        self.tell(ami.Hold(**self.about(channel)))

    def unhold(self, channel: Channel) -> None:
        self.tell(ami.Unhold(**self.about(channel)))

    def user(self, channel: Channel, name: str, **headers: str) -> None:
        self.tell(
            ami.UserEvent(
                name=name,
                channel=channel.name,
                uniqueid=channel.uniqueid,
                linkedid=channel.linkedid,
                headers=headers,
            )
        )

    def blind(self, by: Channel, transferee: Channel, to: str, result: str = "Success") -> None:
        self.tell(
            ami.BlindTransfer(
                result=result,
                transferer_channel=by.name,
                transferer_uniqueid=by.uniqueid,
                transferer_linkedid=by.linkedid,
                transferee_channel=transferee.name,
                transferee_uniqueid=transferee.uniqueid,
                transferee_linkedid=transferee.linkedid,
                extension=to,
            )
        )

    def attended(
        self, first: Channel, second: Channel, target: Channel | None, result: str = "Success"
    ) -> None:
        self.tell(
            ami.AttendedTransfer(
                result=result,
                first_channel=first.name,
                first_uniqueid=first.uniqueid,
                first_linkedid=first.linkedid,
                second_channel=second.name,
                second_uniqueid=second.uniqueid,
                second_linkedid=second.linkedid,
                target_channel=target.name if target else None,
                target_uniqueid=target.uniqueid if target else None,
                target_linkedid=target.linkedid if target else None,
                dest_type="Bridge" if target else "App",
            )
        )

    def snapshot(self, **changes: object) -> PbxSnapshot:
        """What Status would say now."""
        snapshot = PbxSnapshot(
            at=self.now,
            pbx_started_at=START - 1_000,
            epoch=1,
            channels=[
                ChannelState(
                    name=c.name,
                    uniqueid=c.uniqueid,
                    linkedid=c.linkedid,
                    state=c.state,
                    caller_number=c.number,
                    exten=c.exten,
                    bridge_id=c.bridge,
                    duration_seconds=self.now - c.born,
                )
                for c in self.channels.values()
            ],
            device_states={},
        )
        return msgspec.structs.replace(snapshot, **changes)


def fresh_calls() -> Calls:
    return Calls("pbx1", AGENTS.get, EXTENSIONS.__contains__)


@dataclass
class Stage:
    """The call model at work. `events`: everything that it told, in order."""

    pbx: Pbx = field(default_factory=Pbx)
    calls: Calls = field(default_factory=fresh_calls)
    events: list[d.DomainEvent] = field(default_factory=list)

    def play(self) -> list[d.DomainEvent]:
        """Give the model what is on the wire; returns what it told of that."""
        wire, self.pbx.wire = self.pbx.wire, []
        return [told for event, at in wire for told in self.feed(event, at)]

    def feed(self, event: AmiEvent, at: float) -> list[d.DomainEvent]:
        told = self.apply(self.calls.decide(event, at))
        if isinstance(event, ami.UserEvent) and event.name == "ZxEnter":
            told += self.apply(self._queued(event, at))
        return told

    def adopt(
        self,
        snapshot: PbxSnapshot | None = None,
        gap_from: float | None = None,
        gap_to: float | None = None,
        *,
        restarted: bool = False,
    ) -> list[d.DomainEvent]:
        snapshot = snapshot or self.pbx.snapshot()
        return self.apply(self.calls.adopt(snapshot, gap_from, gap_to, restarted=restarted))

    def apply(self, events: list[d.DomainEvent]) -> list[d.DomainEvent]:
        """Evolve as the core does: visits are closed before a call is asked whether it is over."""
        told: list[d.DomainEvent] = []
        for event in events:
            self._keep(event, told)
            if isinstance(event, d.LegEnded):
                self._close_visit(event, told)
        for event in events:
            if isinstance(event, d.LegEnded):
                ended = self.calls.finished(event.call_id, event.at)
                if ended is not None:
                    self._keep(ended, told)
        return told

    def _keep(self, event: d.DomainEvent, told: list[d.DomainEvent]) -> None:
        self.calls.evolve(event)
        self.events.append(event)
        told.append(event)

    def _queued(self, event: ami.UserEvent, at: float) -> list[d.DomainEvent]:
        if event.uniqueid is None or not event.channel:
            return []
        call = self.calls.call_of(event.uniqueid)
        if call is None or not call.live or call.open_visit():
            return []
        if not call.legs[event.uniqueid].live:
            return []
        return [
            d.QueueEntered(
                at=at,
                call_id=call.call_id,
                visit_id=f"{call.call_id}-{len(call.visits)}",
                queue="support",
                channel=event.channel,
                leg_id=event.uniqueid,
                entered_at=at,
            )
        ]

    def _close_visit(self, event: d.LegEnded, told: list[d.DomainEvent]) -> None:
        call = self.calls.call(event.call_id)
        visit = call.open_visit() if call else None
        if visit is not None and visit.leg_id == event.leg_id:
            self.leave_queue("abandoned", event.call_id, event.at, told)

    def leave_queue(
        self,
        reason: d.VisitEnd,
        call_id: str,
        at: float | None = None,
        told: list[d.DomainEvent] | None = None,
    ) -> None:
        call = self.calls.call(call_id)
        assert call is not None
        visit = call.open_visit()
        assert visit is not None
        at = self.pbx.now if at is None else at
        left = d.QueueLeft(
            at=at,
            call_id=call.call_id,
            visit_id=visit.visit_id,
            queue=visit.queue,
            reason=reason,
            waited_seconds=max(0.0, at - visit.entered_at),
        )
        self._keep(left, [] if told is None else told)

    def the_call(self) -> Call:
        """The only call that there ever was."""
        started = [e for e in self.events if isinstance(e, d.CallStarted)]
        call = self.calls.call(started[0].call_id)
        assert call is not None
        return call

    def ends(self) -> list[d.CallEnded]:
        return [e for e in self.events if isinstance(e, d.CallEnded)]

    def told(self, kind: type[d.Event]) -> list[d.DomainEvent]:
        return [e for e in self.events if isinstance(e, kind)]


def given_ringing_in() -> tuple[Stage, Channel]:
    """A customer's channel has come and nothing has answered it."""
    stage = Stage()
    customer = stage.pbx.caller()
    stage.play()
    return stage, customer


def given_waiting_call() -> tuple[Stage, Channel]:
    """A customer waits in the queue "support" since one second."""
    stage, customer = given_ringing_in()
    stage.pbx.answer(customer)
    stage.pbx.user(customer, "ZxEnter", Queue="support")
    stage.pbx.wait(1)
    stage.play()
    return stage, customer


def given_offered_call(extension: str = "8001") -> tuple[Stage, Channel, Channel]:
    """The customer's channel dials the agent's phone, which rings since two seconds."""
    stage, customer = given_waiting_call()
    agent = stage.pbx.dial(customer, f"PJSIP/{extension}")
    stage.pbx.ring(agent)
    stage.pbx.wait(2)
    stage.play()
    return stage, customer, agent


def given_bridged_call(extension: str = "8001") -> tuple[Stage, Channel, Channel]:
    """Customer and agent talk since ten seconds."""
    stage, customer, agent = given_offered_call(extension)
    join(stage.pbx, agent, customer, "b1")
    stage.play()
    stage.leave_queue("answered", stage.the_call().call_id)
    stage.pbx.wait(10)
    return stage, customer, agent


def join(pbx: Pbx, called: Channel, caller: Channel, bridge: str) -> None:
    """The called channel answers, and both enter the bridge."""
    pbx.answer(called)
    if caller.state != 6:
        pbx.answer(caller)
    pbx.enter(called, bridge)
    pbx.enter(caller, bridge)


def given_consultation(
    *, rung_before: bool = False
) -> tuple[Stage, Channel, Channel, Channel, Channel]:
    """The agent holds the customer and talks to a colleague since five seconds.

    :param rung_before: the customer's call had rung at the colleague's in vain.
    :returns: stage, customer, agent's first channel, agent's second channel, colleague.
    """
    stage, customer, agent = given_bridged_call()
    pbx = stage.pbx
    if rung_before:
        pbx.hang_up(pbx.dial(customer, "PJSIP/8002"))
    pbx.hold(agent)
    second = pbx.channel("PJSIP/8001", state=4, number="8001", exten="8002")
    colleague = pbx.dial(second, "PJSIP/8002")
    pbx.ring(colleague)
    join(pbx, colleague, second, "b2")
    pbx.wait(5)
    stage.play()
    return stage, customer, agent, second, colleague


def swap(pbx: Pbx, customer: Channel, first: Channel, second: Channel, target: Channel) -> None:
    """An attended transfer by REFER with Replaces, as Asterisk 22 tells it."""
    pbx.leave(customer)
    bridge = second.bridge
    assert bridge is not None
    pbx.leave(second)
    pbx.enter(customer, bridge)
    target.linkedid = customer.linkedid
    pbx.attended(first, second, target)
    pbx.hang_up(first)
    pbx.hang_up(second)
