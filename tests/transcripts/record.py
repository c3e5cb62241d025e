"""Record the transcripts: `python -m tests.transcripts.record [NAME ...]` plays every scenario.

Each runs on a fresh connection to a real Asterisk 22, with the product's rights, and keeps each
byte that Asterisk sent, and nothing else. The files lie beside this one; index.json says of each
what happened in it, which Asterisk sent it and how many events of each name it holds.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Self

from cti.ami.wire import Frame, FrameReader, encode_action
from cti.sandbox.pbx import Asterisk, Ports, Tree, ensure_tree
from cti.sandbox.ports import LOOPBACK, PortBlock
from cti.sandbox.system import Place, prepare_place
from tests.transcripts.phone import Phone

HERE = Path(__file__).parent
STEP_SECONDS = 10.0
SCENARIO_SECONDS = 60.0
EVERY = "_all_classes"
PHONES = ("trunk", "8001", "8002")


class Recorder:
    """One AMI connection whose bytes are kept."""

    def __init__(self, account: str) -> None:
        self.raw = bytearray()
        self.account = account
        self._reader = FrameReader()
        self._seen: list[tuple[Frame, dict[str, str | list[str]]]] = []
        self._news = asyncio.Condition()
        self._action = 0
        self._read_task: asyncio.Task[None]
        self._writer: asyncio.StreamWriter

    async def connect(self, port: int) -> Self:
        reader, self._writer = await asyncio.open_connection(LOOPBACK, port)
        self._read_task = asyncio.create_task(self._read(reader))
        login = {"Username": self.account, "Secret": "transcript", "Events": "on"}
        await self.act("Login", **login)
        self._pinger = asyncio.create_task(self._ping())
        return self

    async def close(self) -> None:
        self._pinger.cancel()
        await self.act("Logoff")
        await self._read_task
        self._writer.close()

    async def _ping(self) -> None:
        """As the product does: Asterisk may hold an event back until the next action."""
        while True:
            await asyncio.sleep(1)
            await self.act("Ping")

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.read(65_536):
            self.raw += data
            frames = self._reader.feed(data)
            async with self._news:
                self._seen += [(frame, frame.headers()) for frame in frames]
                self._news.notify_all()

    async def act(self, name: str, **headers: str | list[str]) -> dict[str, str | list[str]]:
        """Send an action and give its response."""
        self._action += 1
        action_id = f"r{self._action}"
        lines = [
            (header.replace("_", "-"), each)
            for header, value in headers.items()
            for each in ([value] if isinstance(value, str) else value)
        ]
        self._writer.write(encode_action(name, lines, action_id=action_id))
        return await self._first(lambda h: "Response" in h and h.get("ActionID") == action_id)

    async def list_of(self, name: str, end: str, **headers: str | list[str]) -> None:
        """Send a list action and read until its end."""
        await self.act(name, **headers)
        action_id = f"r{self._action}"
        await self._first(lambda h: h.get("Event") == end and h.get("ActionID") == action_id)

    async def event(self, name: str, **wanted: str) -> dict[str, str | list[str]]:
        """Take the first event of this name with these headers; wait until there is one."""
        return await self._first(
            lambda h: h.get("Event") == name and all(h.get(k) == v for k, v in wanted.items())
        )

    async def _first(
        self, wanted: Callable[[dict[str, str | list[str]]], bool]
    ) -> dict[str, str | list[str]]:
        async with asyncio.timeout(STEP_SECONDS), self._news:
            while True:
                for place, (_, headers) in enumerate(self._seen):
                    if wanted(headers):
                        del self._seen[place]
                        return headers
                await self._news.wait()


class Stage:
    """What a scenario plays on: the recorder, the carrier and two agents' phones."""

    def __init__(self, ami: Recorder, phones: dict[str, Phone]) -> None:
        self.ami = ami
        self.carrier, self.wang, self.li = (phones[name] for name in PHONES)

    async def caller(self, number: str, name: str = "Zhang San") -> tuple[object, str, str]:
        """A customer calls; gives the call, and the channel's name and uniqueid."""
        call = self.carrier.call(number, name)
        placed = asyncio.create_task(call.answered())
        new = await self.ami.event("Newchannel")
        await placed
        return call, str(new["Channel"]), str(new["Uniqueid"])


Scenario = Callable[[Stage], Awaitable[None]]
SCENARIOS: dict[str, Scenario] = {}


def scenario(play: Scenario) -> Scenario:
    """Register a scenario under its function's name."""
    SCENARIOS[play.__name__] = play
    return play


@scenario
async def inbound_call(stage: Stage) -> None:
    """A customer calls, hears the dialplan and hangs up."""
    call, _, uniqueid = await stage.caller("1000", name="张三")
    await stage.ami.event("UserEvent", Step="answered")
    call.hang_up()
    await stage.ami.event("Hangup", Uniqueid=uniqueid)


@scenario
async def caller_gives_up(stage: Stage) -> None:
    """A customer waits in the wait loop and hangs up there; the manager sees variables."""
    call, channel, uniqueid = await stage.caller("2000")
    await stage.ami.event("UserEvent", UserEvent="ZxWait")
    await stage.ami.act("Setvar", Channel=channel, Variable="ZX_LEVEL", Value="gold=1")
    await stage.ami.list_of("Status", "StatusComplete", Variables="ZX_QUEUE,ZX_LEVEL,ZX_NONE")
    call.hang_up()
    await stage.ami.event("Hangup", Uniqueid=uniqueid)


async def _offered(stage: Stage) -> tuple[object, str, str, object]:
    call, channel, uniqueid = await stage.caller("2000")
    await stage.ami.event("UserEvent", UserEvent="ZxWait")
    await stage.ami.act(
        "Redirect", Channel=channel, Context="offer", Exten="7-o1-8001-20-r", Priority="1"
    )
    leg = await stage.wang.incoming.get()
    leg.ring()
    await stage.ami.event("DialState", DialStatus="RINGING")
    return call, channel, uniqueid, leg


async def _talking(stage: Stage) -> tuple[object, str, str, object]:
    call, channel, uniqueid, leg = await _offered(stage)
    leg.answer()
    await stage.ami.event("DialEnd", DialStatus="ANSWER")
    await stage.ami.event("BridgeEnter")
    await stage.ami.event("BridgeEnter")
    return call, channel, uniqueid, leg


@scenario
async def redirect_answered_agent_hangs_up(stage: Stage) -> None:
    """A waiting customer is redirected into a dial, the agent answers and hangs up."""
    call, _, _, leg = await _talking(stage)
    leg.hang_up()
    await stage.ami.event("Hangup")
    await stage.ami.event("UserEvent", UserEvent="ZxOffer", Status="ANSWER")
    call.hang_up()
    await stage.ami.event("Hangup")


@scenario
async def redirect_answered_customer_hangs_up(stage: Stage) -> None:
    """The same; the customer hangs up."""
    call, _, _, leg = await _talking(stage)
    call.hang_up()
    await leg.ended.wait()
    await stage.ami.event("Hangup")
    await stage.ami.event("Hangup")


@scenario
async def redirect_no_answer(stage: Stage) -> None:
    """The agent's phone rings and is not answered; the customer comes back to the wait."""
    call, channel, _ = await stage.caller("2000")
    await stage.ami.event("UserEvent", UserEvent="ZxWait")
    await stage.ami.act(
        "Redirect", Channel=channel, Context="offer", Exten="7-o1-8001-1-r", Priority="1"
    )
    leg = await stage.wang.incoming.get()
    leg.ring()
    await stage.ami.event("UserEvent", UserEvent="ZxOffer", Status="NOANSWER")
    call.hang_up()
    await stage.ami.event("Hangup", Channel=channel)


@scenario
async def redirect_busy(stage: Stage) -> None:
    """The agent's phone says busy; the customer comes back to the wait."""
    call, channel, _ = await stage.caller("2000")
    await stage.ami.event("UserEvent", UserEvent="ZxWait")
    await stage.ami.act(
        "Redirect", Channel=channel, Context="offer", Exten="7-o1-8001-20-r", Priority="1"
    )
    (await stage.wang.incoming.get()).busy()
    await stage.ami.event("UserEvent", UserEvent="ZxOffer", Status="BUSY")
    call.hang_up()
    await stage.ami.event("Hangup", Channel=channel)


@scenario
async def caller_leaves_while_ringing(stage: Stage) -> None:
    """The customer hangs up while the agent's phone rings."""
    call, _, _, leg = await _offered(stage)
    call.hang_up()
    await leg.ended.wait()
    await stage.ami.event("Hangup")
    await stage.ami.event("Hangup")


@scenario
async def refused_actions(stage: Stage) -> None:
    """Actions that Asterisk refuses: no such channel, no right, no such action."""
    await stage.ami.act(
        "Redirect", Channel="PJSIP/none-1", Context="offer", Exten="1", Priority="1"
    )
    await stage.ami.act("Hangup", Channel="PJSIP/none-1")
    await stage.ami.act("Command", Command="core show version")
    await stage.ami.act("NoSuchAction")


@scenario
async def hold_and_unhold(stage: Stage) -> None:
    """The agent puts the customer on hold and takes the call back."""
    call, _, _, leg = await _talking(stage)
    await leg.hold()
    await stage.ami.event("Hold")
    await leg.unhold()
    await stage.ami.event("Unhold")
    call.hang_up()
    await leg.ended.wait()
    await stage.ami.event("Hangup")
    await stage.ami.event("Hangup")


@scenario
async def blind_transfer(stage: Stage) -> None:
    """The agent sends the customer on to a colleague, who answers."""
    call, _, _, leg = await _talking(stage)
    await leg.transfer("8002")
    await stage.ami.event("BlindTransfer")
    target = await stage.li.incoming.get()
    target.answer()
    await stage.ami.event("DialEnd", DialStatus="ANSWER")
    await stage.ami.event("BridgeEnter")
    await stage.ami.event("BridgeEnter")
    call.hang_up()
    await target.ended.wait()
    await stage.ami.event("Hangup")
    await stage.ami.event("Hangup")


@scenario
async def attended_transfer(stage: Stage) -> None:
    """The agent holds the customer, consults a colleague and joins the two."""
    call, _, _, leg = await _talking(stage)
    await leg.hold()
    await stage.ami.event("Hold")
    consult = stage.wang.call("8002")
    placed = asyncio.create_task(consult.answered())
    target = await stage.li.incoming.get()
    target.answer()
    await placed
    await stage.ami.event("DialEnd", DialStatus="ANSWER")
    await stage.ami.event("BridgeEnter")
    await stage.ami.event("BridgeEnter")
    await leg.transfer("8002", replaces=consult)
    await stage.ami.event("AttendedTransfer")
    leg.hang_up()
    await consult.ended.wait()
    call.hang_up()
    await target.ended.wait()
    await stage.ami.list_of("Status", "StatusComplete")


@scenario
async def local_channel(stage: Stage) -> None:
    """A call through a Local channel, hung up before Asterisk optimises it away."""
    call, _, _ = await stage.caller("5000")
    leg = await stage.wang.incoming.get()
    leg.ring()
    leg.answer()
    await stage.ami.event("DialEnd", DialStatus="ANSWER")
    await stage.ami.event("DialEnd", DialStatus="ANSWER")
    call.hang_up()
    await leg.ended.wait()
    await stage.ami.list_of("Status", "StatusComplete")


async def _answered(stage: Stage, leg: object) -> None:
    leg.ring()
    leg.answer()
    for _ in range(2):
        await stage.ami.event("BridgeEnter")


@scenario
async def local_channel_optimised(stage: Stage) -> None:
    """Sound flows through a Local channel, and Asterisk takes the Local channel out."""
    call, _, _ = await stage.caller("5000")
    leg = await stage.wang.incoming.get()
    await _answered(stage, leg)
    speech = asyncio.create_task(leg.speak(1.0))
    await stage.ami.event("LocalOptimizationEnd")
    await speech
    call.hang_up()
    await leg.ended.wait()
    await stage.ami.list_of("Status", "StatusComplete")


@scenario
async def local_channel_kept(stage: Stage) -> None:
    """Customer and agent talk through a Local channel that stays; the agent hangs up."""
    call, _, _ = await stage.caller("6000")
    leg = await stage.wang.incoming.get()
    await _answered(stage, leg)
    await leg.speak(0.5)
    leg.hang_up()
    await call.ended.wait()
    await stage.ami.list_of("Status", "StatusComplete")


@scenario
async def local_channel_kept_blind_transfer(stage: Stage) -> None:
    """The agent behind a Local channel sends the customer on: the Local channel is sent."""
    call, _, _ = await stage.caller("6000")
    leg = await stage.wang.incoming.get()
    await _answered(stage, leg)
    await leg.speak(0.2)
    await leg.transfer("8002")
    target = await stage.li.incoming.get()
    await _answered(stage, target)
    await target.speak(0.2)
    call.hang_up()
    await target.ended.wait()
    await stage.ami.list_of("Status", "StatusComplete")


async def _consulting(stage: Stage, number: str) -> tuple[object, object, object]:
    """The agent talks to a customer, holds and calls a number."""
    call, _, _, leg = await _talking(stage)
    await leg.hold()
    await stage.ami.event("Hold")
    return call, leg, stage.wang.call(number)


@scenario
async def attended_transfer_outside(stage: Stage) -> None:
    """The agent consults somebody outside and joins the two: no agent is left in the call."""
    call, leg, consult = await _consulting(stage, "900139")
    placed = asyncio.create_task(consult.answered())
    target = await stage.carrier.incoming.get()
    await _answered(stage, target)
    await placed
    await target.speak(0.2)
    await leg.transfer("900139", replaces=consult)
    await stage.ami.event("AttendedTransfer")
    await target.speak(0.2)
    target.hang_up()
    await stage.ami.event("UserEvent", UserEvent="ZxOffer", Status="ANSWER")
    call.hang_up()
    await stage.ami.event("Hangup", CallerIDName="Zhang San")


@scenario
async def attended_transfer_to_application(stage: Stage) -> None:
    """The agent's second call waits in the dialplan, and the customer takes its place there."""
    call, leg, consult = await _consulting(stage, "9000")
    await consult.answered()
    await leg.transfer("9000", replaces=consult)
    await stage.ami.event("AttendedTransfer")
    await consult.ended.wait()
    call.hang_up()
    await stage.ami.event("Hangup", CallerIDName="Zhang San")


@scenario
async def attended_transfer_to_conference(stage: Stage) -> None:
    """The agent's second call waits in a conference, where a colleague meets the customer."""
    call, leg, consult = await _consulting(stage, "7000")
    await consult.answered()
    await leg.transfer("7000", replaces=consult)
    await stage.ami.event("AttendedTransfer")
    await consult.ended.wait()
    colleague = stage.li.call("7000")
    await colleague.answered()
    for _ in range(2):
        await stage.ami.event("BridgeEnter")
    colleague.hang_up()
    await stage.ami.event("Hangup", CallerIDNum="8002")
    call.hang_up()
    await stage.ami.event("Hangup", CallerIDName="Zhang San")


@scenario
async def conference(stage: Stage) -> None:
    """The manager sends both sides of a call into a conference; the agent leaves first."""
    call, channel, _, leg = await _talking(stage)
    with_agent = await stage.ami.event("Newstate", ChannelState="6", CallerIDNum="8001")
    await stage.ami.act(
        "Redirect",
        Channel=channel,
        Context="agents",
        Exten="7000",
        Priority="1",
        ExtraChannel=str(with_agent["Channel"]),
        ExtraContext="agents",
        ExtraExten="7000",
        ExtraPriority="1",
    )
    for _ in range(2):
        await stage.ami.event("BridgeEnter", BridgeTechnology="softmix")
    leg.hang_up()
    await stage.ami.event("Hangup", Channel=str(with_agent["Channel"]))
    call.hang_up()
    await stage.ami.event("Hangup", Channel=channel)


@scenario
async def manager_hangs_up_agent(stage: Stage) -> None:
    """The manager ends the agent's leg: nobody's phone asked for it."""
    call, channel, _, leg = await _talking(stage)
    with_agent = await stage.ami.event("Newstate", ChannelState="6", CallerIDNum="8001")
    await stage.ami.act("Hangup", Channel=str(with_agent["Channel"]), Cause="16")
    await leg.ended.wait()
    await stage.ami.event("UserEvent", UserEvent="ZxOffer", Status="ANSWER")
    call.hang_up()
    await stage.ami.event("Hangup", Channel=channel)


@scenario
async def manager_bridges_two_calls(stage: Stage) -> None:
    """A waiting customer and an agent who called a service are put together by the manager."""
    call, channel, _ = await stage.caller("2000")
    await stage.ami.event("UserEvent", UserEvent="ZxWait")
    service = stage.wang.call("9000")
    await service.answered()
    calling = await stage.ami.event("Newstate", ChannelState="6", CallerIDNum="8001")
    await stage.ami.act("Bridge", Channel1=channel, Channel2=str(calling["Channel"]))
    for _ in range(2):
        await stage.ami.event("BridgeEnter")
    service.hang_up()
    await stage.ami.event("Hangup", Channel=str(calling["Channel"]))
    call.hang_up()
    await stage.ami.list_of("Status", "StatusComplete")


@scenario
async def outbound_call(stage: Stage) -> None:
    """An agent calls a customer, who hangs up."""
    call = stage.wang.call("900139")
    placed = asyncio.create_task(call.answered())
    target = await stage.carrier.incoming.get()
    await _answered(stage, target)
    await placed
    await target.speak(0.2)
    target.hang_up()
    await call.ended.wait()
    await stage.ami.list_of("Status", "StatusComplete")


@scenario
async def internal_call(stage: Stage) -> None:
    """An agent calls a colleague."""
    call = stage.wang.call("8002")
    placed = asyncio.create_task(call.answered())
    target = await stage.li.incoming.get()
    await _answered(stage, target)
    await placed
    call.hang_up()
    await target.ended.wait()
    await stage.ami.list_of("Status", "StatusComplete")


@scenario
async def native_queue_answered(stage: Stage) -> None:
    """A caller in a native queue is answered by its member, who hangs up."""
    call, _, _ = await stage.caller("3000")
    await stage.ami.event("QueueCallerJoin")
    leg = await stage.wang.incoming.get()
    leg.ring()
    await stage.ami.event("AgentCalled")
    leg.answer()
    await stage.ami.event("AgentConnect")
    leg.hang_up()
    await stage.ami.event("AgentComplete")
    call.hang_up()
    await stage.ami.list_of("QueueStatus", "QueueStatusComplete")


@scenario
async def native_queue_missed_and_abandoned(stage: Stage) -> None:
    """The member lets it ring, is paused, another joins; the caller hangs up in the queue."""
    call, _, _ = await stage.caller("3000")
    leg = await stage.wang.incoming.get()
    leg.ring()
    await stage.ami.event("AgentRingNoAnswer")
    await stage.ami.act("QueuePause", Interface="PJSIP/8001", Paused="true", Reason="lunch")
    await stage.ami.event("QueueMemberPause")
    await stage.ami.act(
        "QueueAdd", Queue="native", Interface="PJSIP/8002", MemberName="Li", Paused="true"
    )
    await stage.ami.list_of("QueueStatus", "QueueStatusComplete")
    await stage.ami.act("QueueRemove", Queue="native", Interface="PJSIP/8002")
    await stage.ami.act("QueuePause", Interface="PJSIP/8001", Paused="false")
    call.hang_up()
    await stage.ami.event("QueueCallerAbandon")
    await stage.ami.list_of("QueueStatus", "QueueStatusComplete")


@scenario
async def recording(stage: Stage) -> None:
    """A recorded call: started in the dialplan, muted, unmuted and stopped by the manager.

    A hang-up ends a recording too, but without MixMonitorStop.
    """
    call, channel, _ = await stage.caller("4000")
    await stage.ami.event("MixMonitorStart")
    leg = await stage.wang.incoming.get()
    leg.answer()
    await stage.ami.event("BridgeEnter")
    await stage.ami.event("BridgeEnter")
    for state in ("1", "0"):
        await stage.ami.act("MixMonitorMute", Channel=channel, Direction="both", State=state)
        await stage.ami.event("MixMonitorMute")
    await stage.ami.act("StopMixMonitor", Channel=channel)
    await stage.ami.event("MixMonitorStop")
    call.hang_up()
    await leg.ended.wait()
    await stage.ami.event("Hangup")
    await stage.ami.event("Hangup")


@scenario
async def whole_state(stage: Stage) -> None:
    """Everything that is read at a connect, with one caller talking and one in a native queue."""
    call, _, _, leg = await _talking(stage)
    waiting, _, _ = await stage.caller("3000")
    await stage.ami.event("QueueCallerJoin")
    await stage.ami.act("Setvar", Variable="ZX_EPOCH", Value="7")
    await stage.ami.act("Getvar", Variable="ZX_EPOCH")
    await stage.ami.act("Ping")
    await stage.ami.list_of("Status", "StatusComplete", AllVariables="true")
    await stage.ami.list_of("CoreShowChannels", "CoreShowChannelsComplete")
    await stage.ami.list_of("BridgeList", "BridgeListComplete")
    await stage.ami.list_of("DeviceStateList", "DeviceStateListComplete")
    await stage.ami.list_of("QueueStatus", "QueueStatusComplete")
    await stage.ami.act("CoreStatus")
    waiting.hang_up()
    call.hang_up()
    await leg.ended.wait()
    await stage.ami.event("Hangup")


@scenario
async def busy_hour(stage: Stage) -> None:
    """Twenty calls, four at a time, as the benches replay them: answered, abandoned, refused."""
    for _ in range(5):
        names = ("Zhang San", "王五", "Pat O'Brien")
        callers = [stage.carrier.call("2000", name) for name in names]
        callers.append(stage.carrier.call("5000", "李四"))
        placed = [asyncio.create_task(call.answered()) for call in callers]
        leg = await stage.wang.incoming.get()
        leg.ring()
        channels = []
        for name in names:
            event = await stage.ami.event("UserEvent", UserEvent="ZxWait", CallerIDName=name)
            channels.append(str(event["Channel"]))
        leg.answer()
        await asyncio.gather(*placed)
        callers[0].hang_up()
        for channel, number in zip(channels[1:], ("8002", "8001"), strict=True):
            await stage.ami.act(
                "Redirect",
                Channel=channel,
                Context="offer",
                Exten=f"7-o-{number}-9-r",
                Priority="1",
            )
        second = await stage.li.incoming.get()
        (await stage.wang.incoming.get()).busy()
        second.ring()
        second.answer()
        await stage.ami.event("BridgeEnter", CallerIDNum="8002")
        second.hang_up()
        for status in ("BUSY", "ANSWER"):
            await stage.ami.event("UserEvent", UserEvent="ZxOffer", Status=status)
        for call in callers[1:]:
            call.hang_up()
        await leg.ended.wait()


def _install(endpoints: str, etc: Path) -> None:
    ours = etc / "zuoxi"
    ours.mkdir(exist_ok=True)
    for file in (HERE / "etc").glob("*.conf"):
        (ours / file.name).write_text(file.read_text())
    (ours / "pjsip.conf").write_text(endpoints)


def _endpoints(ports: dict[str, int]) -> str:
    parts = []
    for name, port in ports.items():
        if name != "trunk":
            parts.append(
                f"[{name}]\ntype=endpoint\ncontext=agents\ntransport=udp\ndisallow=all\nallow=ulaw\n"
                f"aors={name}\ndirect_media=no\ncallerid=<{name}>\n"
                f"[{name}]\ntype=aor\ncontact=sip:{name}@{LOOPBACK}:{port}\n"
            )
    return "\n".join(parts)


async def _record(name: str, pbx: Asterisk, ports: dict[str, int], account: str) -> bytes:
    async with AsyncExitStack() as stack:
        phones = {
            phone: await stack.enter_async_context(Phone(phone, port, pbx.ports.sip))
            for phone, port in ports.items()
        }
        ami = await Recorder(account).connect(pbx.ports.ami)
        async with asyncio.timeout(SCENARIO_SECONDS):
            await SCENARIOS[name.removesuffix(EVERY)](Stage(ami, phones))
        await ami.close()
        return bytes(ami.raw)


def _describe(name: str, asterisk: str, raw: bytes) -> dict[str, object]:
    about = " ".join((SCENARIOS[name.removesuffix(EVERY)].__doc__ or "").split())
    if name.endswith(EVERY):
        about += " With every class of events."
    names = Counter(f.event.decode() or "(response)" for f in FrameReader().feed(raw))
    return {
        "scenario": name,
        "about": about,
        "asterisk": asterisk,
        "events": dict(sorted(names.items())),
    }


async def main(wanted: list[str], tree: Tree, place: Place) -> None:
    """Record the wanted scenarios (all when none is named) and write the index anew."""
    index = HERE / "index.json"
    known = (
        {each["scenario"]: each for each in json.loads(index.read_text())} if index.exists() else {}
    )
    with PortBlock() as block:
        ports = {name: block.take() for name in PHONES}
        pbx = Asterisk(
            "transcripts",
            tree=tree,
            place=place,
            ports=Ports.of(block),
            values={"trunk_peers": LOOPBACK, "carrier": str(ports["trunk"])},
            install=lambda etc: _install(_endpoints(ports), etc),
        )
        await pbx.start()
        try:
            for name in wanted or [*SCENARIOS, f"busy_hour{EVERY}"]:
                account = "all" if name.endswith(EVERY) else "rec"
                raw = await _record(name, pbx, ports, account)
                (HERE / f"{name}.ami").write_bytes(raw)
                known[name] = _describe(name, version(tree), raw)
                sys.stdout.write(f"{name}: {len(raw)} bytes\n")
        finally:
            await pbx.stop()
    order = sorted(known.values(), key=lambda each: each["scenario"])
    index.write_text(json.dumps(order, indent=1, ensure_ascii=False) + "\n")


def version(tree: Tree) -> str:
    """What `asterisk -V` says, without Debian's suffix."""
    done = subprocess.run(tree.command("-V"), check=True, capture_output=True, text=True)
    return done.stdout.strip().partition("+")[0]


if __name__ == "__main__":
    ours = prepare_place(say=print)
    asyncio.run(main(sys.argv[1:], ensure_tree(ours, say=print), ours))
