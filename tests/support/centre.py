"""A small centre for tests of the core: the core, and a PBX that is told what to do.

The PBX speaks in AMI events, as Asterisk would; what it is told by the core is kept in `commands`.
Time stands still until it is moved by `wait`.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

from acd.core import Core, Output
from acd.queues import SNAPSHOT_VARIABLES
from config.floor import (
    AgentSettings,
    ExtensionSettings,
    Floor,
    Membership,
    QueueSettings,
)
from cti import commands as c
from cti import domain as d
from cti import inputs as i
from cti.ami import events as ami

START = 1_790_000_000.0
"""A Monday of 2026, 21:33 in Shanghai."""


def floor(
    agents: int = 3,
    queues: list[QueueSettings] | None = None,
    skills: dict[str, dict[str, int]] | None = None,
    tiers: dict[str, int] | None = None,
    **queue: Any,
) -> Floor:
    """Agents 1001, 1002, ... with desk phones 8001, 8002, ... in all queues (default: support)."""
    made = queues or [QueueSettings(name="support", **queue)]
    ids = [str(1001 + n) for n in range(agents)]
    return Floor(
        queues=made,
        agents=[
            AgentSettings(
                id=each,
                name=f"Agent {each}",
                queues=[
                    Membership(queue=queue.name, tier=(tiers or {}).get(each, 1)) for queue in made
                ],
                skills=(skills or {}).get(each, {}),
            )
            for each in ids
        ],
        extensions=[
            *(ExtensionSettings(number=str(8001 + n), kind="desk") for n in range(agents)),
            ExtensionSettings(number="8901", kind="browser"),
        ],
    )


@dataclass
class Caller:
    """A customer's channel on the PBX."""

    uniqueid: str
    queue: str
    variables: dict[str, str] = field(default_factory=dict)
    bridge_id: str | None = None
    """The bridge that the channel is in."""

    @property
    def channel(self) -> str:
        return f"PJSIP/trunk-{self.uniqueid}"

    @property
    def call_id(self) -> str:
        return f"n1-{self.uniqueid}"


class Centre:
    """The core on a floor, connected to a PBX with all phones registered."""

    def __init__(self, on: Floor | None = None, *, connect: bool = True) -> None:
        self.floor = on or floor()
        self.core = Core(self.floor, "n1")
        self.now = START
        self.epoch = 0
        self.records: list[d.Recorded] = []
        self.commands: list[c.PbxCommand] = []
        self.replies: list[i.Reply] = []
        self.callers: dict[str, Caller] = {}
        self.agent_legs: dict[str, tuple[str, Caller]] = {}
        self._channels = 0
        self.devices = {f"PJSIP/{each.number}": "NOT_INUSE" for each in self.floor.extensions}
        if connect:
            self.connect()

    # --- the core -------------------------------------------------------------------------------

    def step(self, item: i.Input) -> Output:
        """One step; all invariants hold after it."""
        out = self.core.step(item, self.now)
        self.records += out.events
        self.commands += out.commands
        self.replies += out.replies
        assert self.core.check(self.now) == []
        return out

    def hear(self, event: ami.AmiEvent) -> Output:
        return self.step(i.PbxEvent(event=event, at=self.now))

    def wait(self, seconds: float) -> None:
        """Let time pass; timers go off at their moments."""
        until = self.now + seconds
        while (deadline := self.core.next_deadline()) is not None and deadline <= until:
            self.now = max(self.now, deadline)
            self.step(i.Tick())
        self.now = until

    def events(self, kind: type[Any] | None = None) -> list[Any]:
        """What was recorded so far, of one kind or all."""
        return [r.event for r in self.records if kind is None or isinstance(r.event, kind)]

    def last(self, kind: type[Any]) -> Any:
        return self.events(kind)[-1]

    def sent(self, kind: type[Any] | None = None) -> list[Any]:
        """The commands so far, of one kind or all."""
        return [each for each in self.commands if kind is None or isinstance(each, kind)]

    def done(
        self,
        command: c.Command,
        result: Literal["done", "refused", "timed_out", "unknown"] = "done",
        message: str = "",
    ) -> Output:
        return self.step(
            i.CommandResult(command_id=command.command_id, result=result, message=message)
        )

    def agent(self, agent_id: str = "1001") -> Any:
        return self.core.state.agents[agent_id]

    def restarted(self, *, checkpoint_at: int | None = None) -> "Centre":
        """The centre after kill -9: a new core that knows only what the journal holds."""
        new = Centre(self.floor, connect=False)
        new.now, new.epoch, new.records = self.now, self.epoch, list(self.records)
        new.callers, new.agent_legs = self.callers, self.agent_legs
        new.devices, new._channels = self.devices, self._channels
        for record in self.records:
            new.core.evolve(record)
        return new

    # --- people ---------------------------------------------------------------------------------

    def ask(self, request: i.Request) -> i.Reply:
        return self.step(request).replies[0]

    def sign_in(self, agent_id: str = "1001", extension: str | None = None, **also: Any) -> i.Reply:
        extension = extension or f"8{agent_id[1:]}"
        return self.ask(i.SignIn(request_id="r", agent_id=agent_id, extension=extension, **also))

    def ready(self, agent_id: str = "1001") -> i.Reply:
        """Sign in where needed and become ready."""
        if self.agent(agent_id).state == "signed_out":
            self.sign_in(agent_id)
        return self.ask(i.SetReady(request_id="r", agent_id=agent_id))

    def not_ready(self, agent_id: str = "1001", reason: str = "lunch") -> i.Reply:
        return self.ask(i.SetNotReady(request_id="r", agent_id=agent_id, reason=reason))

    # --- callers --------------------------------------------------------------------------------

    def _channel_event(self, kind: type[Any], caller: Caller, **also: Any) -> Any:
        return kind(
            channel=caller.channel, uniqueid=caller.uniqueid, linkedid=caller.uniqueid, **also
        )

    def arrive(self, queue: str = "support", **headers: str) -> Caller:
        """A customer rings in and enters a queue."""
        self._channels += 1
        caller = Caller(uniqueid=f"{int(START)}.{self._channels}", queue=queue)
        self.callers[caller.uniqueid] = caller
        self.hear(
            self._channel_event(
                ami.Newchannel, caller, state=4, caller_number="13800138000", exten="4001"
            )
        )
        self.hear(self._channel_event(ami.Newstate, caller, state=6))
        self.say(caller, "ZxEnter", **{"Queue": queue, "Entered": f"{self.now:.3f}", **headers})
        caller.variables = {
            "ZX_QUEUE": queue,
            "ZX_STATE": "waiting",
            "ZX_ENTERED": headers.get("Entered", f"{self.now:.3f}"),
        }
        return caller

    def say(self, caller: Caller, name: str, **headers: str) -> Output:
        """The dialplan says something about the caller."""
        return self.hear(
            ami.UserEvent(
                name=name,
                channel=caller.channel,
                uniqueid=caller.uniqueid,
                linkedid=caller.uniqueid,
                headers=headers,
            )
        )

    def hang_up(self, caller: Caller) -> None:
        """The customer hangs up: all channels of the call go."""
        for agent_id, (_, theirs) in list(self.agent_legs.items()):
            if theirs is caller:
                self.end_agent_leg(agent_id)
        del self.callers[caller.uniqueid]
        self.hear(self._channel_event(ami.Hangup, caller, cause=16))

    # --- offers ----------------------------------------------------------------------------

    def offer_of(self, caller: Caller) -> c.Assign:
        """The last Assign for the caller."""
        return [each for each in self.sent(c.Assign) if each.channel == caller.channel][-1]

    def ring(self, caller: Caller) -> c.Assign:
        """The PBX carries out the last Assign: the agent's phone rings."""
        assign = self.offer_of(caller)
        caller.variables |= {"ZX_STATE": "offered", "ZX_OFFER": assign.offer_id}
        self.done(assign)
        if "r" in assign.flags:
            self.say(caller, "ZxRecord", File=caller.uniqueid)
        self.start_agent_leg(assign.agent_id, assign.extension, caller)
        return assign

    def start_agent_leg(self, agent_id: str, extension: str, caller: Caller) -> str:
        self._channels += 1
        uniqueid = f"{int(START)}.{self._channels}"
        self.agent_legs[agent_id] = (uniqueid, caller)
        leg = {
            "channel": f"PJSIP/{extension}-{uniqueid}",
            "uniqueid": uniqueid,
            "linkedid": caller.uniqueid,
        }
        self.hear(ami.Newchannel(**leg, state=0))
        self.hear(
            ami.DialBegin(
                channel=caller.channel,
                uniqueid=caller.uniqueid,
                linkedid=caller.uniqueid,
                dest_channel=leg["channel"],
                dest_uniqueid=uniqueid,
                dest_linkedid=caller.uniqueid,
            )
        )
        self.hear(ami.Newstate(**leg, state=5))
        return uniqueid

    def _leg(self, agent_id: str) -> dict[str, str]:
        uniqueid, caller = self.agent_legs[agent_id]
        agent = self.core.state.legs[uniqueid]
        return {"channel": agent.channel, "uniqueid": uniqueid, "linkedid": caller.uniqueid}

    def pick_up(self, agent_id: str) -> None:
        """The agent answers; customer and agent enter a bridge."""
        leg, (_, caller) = self._leg(agent_id), self.agent_legs[agent_id]
        self.hear(ami.Newstate(**leg, state=6))
        caller.bridge_id = f"b{leg['uniqueid']}"
        self.hear(ami.BridgeEnter(**leg, bridge_id=caller.bridge_id, bridge_channels=1))
        self.hear(
            self._channel_event(
                ami.BridgeEnter, caller, bridge_id=caller.bridge_id, bridge_channels=2
            )
        )

    def talk(self, caller: Caller) -> str:
        """Ring and pick up; the agent."""
        assign = self.ring(caller)
        self.pick_up(assign.agent_id)
        return assign.agent_id

    def end_agent_leg(self, agent_id: str) -> None:
        leg, (_, caller) = self._leg(agent_id), self.agent_legs.pop(agent_id)
        if caller.bridge_id is not None:
            self.hear(ami.BridgeLeave(**leg, bridge_id=caller.bridge_id, bridge_channels=1))
        self.hear(ami.Hangup(**leg, cause=16))

    def come_back(self, caller: Caller, reason: str, status: str = "") -> None:
        """The offer ends without a call: the dialplan returns the caller to the wait."""
        assign = self.offer_of(caller)
        if assign.agent_id in self.agent_legs:
            self.end_agent_leg(assign.agent_id)
        caller.variables["ZX_STATE"] = "waiting"
        self.say(caller, "ZxBack", Offer=assign.offer_id, Status=status, Reason=reason)

    def set_device(self, extension: str, state: str) -> None:
        """A phone's state changes."""
        self.devices[f"PJSIP/{extension}"] = state
        self.hear(ami.DeviceStateChange(device=f"PJSIP/{extension}", device_state=state))

    # --- the link ---------------------------------------------------------------------------

    def connect(
        self,
        *,
        gap: bool = False,
        heard_until: float | None = None,
        started_at: float = START - 9999,
        **also: Any,
    ) -> Output:
        """The link comes up: the PBX tells all it has.

        :param gap: it was not heard for the last second, or since `heard_until`.
        """
        self.epoch += 1
        channels = [
            i.ChannelState(
                name=each.channel,
                uniqueid=each.uniqueid,
                linkedid=each.uniqueid,
                state=6,
                caller_number="13800138000",
                exten="4001",
                bridge_id=each.bridge_id,
                variables={
                    name: value
                    for name, value in each.variables.items()
                    if name in SNAPSHOT_VARIABLES
                },
            )
            for each in self.callers.values()
        ]
        for agent_id, (uniqueid, caller) in self.agent_legs.items():
            extension = f"8{agent_id[1:]}"
            channels.append(
                i.ChannelState(
                    name=f"PJSIP/{extension}-{uniqueid}",
                    uniqueid=uniqueid,
                    linkedid=caller.uniqueid,
                    state=6 if caller.bridge_id else 5,
                    bridge_id=caller.bridge_id,
                )
            )
        snapshot = i.PbxSnapshot(
            at=self.now,
            pbx_started_at=started_at,
            epoch=self.epoch,
            channels=channels,
            device_states=self.devices,
        )
        snapshot = msgspec.structs.replace(snapshot, **also)
        since = self.now - 1 if heard_until is None else heard_until
        bounds = (since, self.now) if gap or heard_until is not None else (None, None)
        return self.step(i.LinkUp(snapshot=snapshot, gap_from=bounds[0], gap_to=bounds[1]))

    def lose_link(self) -> Output:
        return self.step(i.LinkDown(reason="cut", at=self.now, last_event_at=self.now))
