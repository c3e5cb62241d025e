"""The far end: the carrier with its customers, and the phones of simulated agents.

It is an Asterisk of its own that speaks SIP and RTP with the PBX like any peer. What its customers
and agents do is told from here over AMI.
"""

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import replace
from itertools import count

from cti.sandbox.pbx import Asterisk, Ports, Tree
from cti.sandbox.ports import LOOPBACK, PortBlock
from cti.sandbox.remote import ActionRefusedError, Headers, Remote
from cti.sandbox.system import Place, SandboxError

NORMAL_CLEARING = "16"
USER_BUSY = "17"
RING_LIMIT_MS = "3600000"
KEY_GAP_SECONDS = 0.1
REGISTER_SECONDS = 30.0

_REGISTRATION = """
[{extension}]
type = registration
transport = phones
server_uri = sip:{address}:{pbx}
client_uri = sip:{extension}@{address}:{pbx}
contact_user = {extension}
outbound_auth = {extension}
expiration = 60
max_random_initial_delay = 0
retry_interval = 1
forbidden_retry_interval = 1
max_retries = 100000

[{extension}]
type = auth
auth_type = userpass
username = {extension}
password = {password}
"""


class FarEndError(SandboxError):
    """The far end cannot do what it was told."""


class Caller:
    """One customer's call, seen from the customer."""

    def __init__(self, far_end: "FarEnd", uniqueid: str, caller_id: str) -> None:
        self.uniqueid = uniqueid
        """Of the customer's channel at the far end; the PBX gives its own leg another."""
        self.caller_id = caller_id
        self.answered = asyncio.Event()
        """The PBX answered, which a waiting queue does too."""
        self.connected = asyncio.Event()
        """Somebody has taken the call: at the PBX, the caller's leg is in a bridge."""
        self.ended = asyncio.Event()
        self.cause = ""
        """Why the call ended (Q.850 number); empty before."""
        self._far_end = far_end
        self._hears = asyncio.Event()
        self._exists = False
        self._patience: asyncio.Task[None] | None = None

    async def hang_up(self) -> None:
        """Hang up, if the call has not ended by itself, and wait until it has."""
        await self._far_end.hang_up(self.uniqueid)
        await self.ended.wait()

    async def send_dtmf(self, digits: str) -> None:
        """Press keys, 100 ms each."""
        for digit in digits:
            await self._far_end.remote.act(
                "PlayDTMF", Channel=self.uniqueid, Digit=digit, Duration="100"
            )
            await asyncio.sleep(KEY_GAP_SECONDS)  # the tone has ended when Asterisk answers

    async def hears(self) -> None:
        """Wait until the customer hears something louder than silence, at once if he does now."""
        await self._far_end.listen(self.uniqueid, self._hears)

    def wait_at_most(self, seconds: float) -> None:
        """Hang up after this time unless somebody takes the call before."""
        self._patience = asyncio.create_task(self._lose_patience(seconds))

    async def _lose_patience(self, seconds: float) -> None:
        if not await _within(self.connected, seconds):
            await self.hang_up()

    def stop(self) -> None:
        """Stop what the customer does by himself."""
        if self._patience is not None:
            self._patience.cancel()

    def take(self, event: Headers) -> None:
        """Learn from an event of the customer's channel."""
        match event["Event"]:
            case "Newstate" if event["ChannelStateDesc"] == "Up":
                self.answered.set()
            case "ChannelTalkingStart":
                self._hears.set()
            case "ChannelTalkingStop":
                self._hears.clear()
            case "Newchannel":
                self._exists = True
            case "OriginateResponse" if not self._exists and event["Response"] == "Failure":
                # Its own thread tells of success too, and may do so before the channel is told of.
                self.ended.set()
            case "Hangup":
                self.cause = event["Cause"]
                self.ended.set()


class Agent:
    """One simulated agent's phone, registered at the PBX as its extension."""

    def __init__(self, far_end: "FarEnd", extension: str) -> None:
        self.extension = extension
        self.registered = asyncio.Event()
        self.unregistered = asyncio.Event()
        self.ringing = asyncio.Event()
        self.talking = asyncio.Event()
        self.free = asyncio.Event()
        """No call at all."""
        self.free.set()
        self.caller_number = ""
        """Of the present or last call, as the phone's display shows it."""
        self._far_end = far_end
        self._hears = asyncio.Event()
        self._channel = ""
        self._auto: tuple[float, float | None] | None = None
        self._work: set[asyncio.Task[None]] = set()

    def auto_answer(self, after_seconds: float = 0.0, *, talk_seconds: float | None = None) -> None:
        """Answer every call by itself from now on; `talk_seconds` None: the caller hangs up."""
        self._auto = (after_seconds, talk_seconds)

    def by_hand(self) -> None:
        """Let calls ring from now on until somebody says what to do."""
        self._auto = None

    async def invite(self) -> dict[str, str]:
        """All headers of the INVITE that the phone was called by."""
        names = (await self._read("PJSIP_HEADERS()")).split(",")
        return {name: await self._read(f"PJSIP_HEADER(read,{name})") for name in names}

    async def _read(self, function: str) -> str:
        answer = await self._far_end.remote.act("Getvar", Channel=self._channel, Variable=function)
        return answer["Value"]

    async def answer(self) -> None:
        """Pick up the ringing call and talk; wait until it is answered.

        :raises FarEndError: the PBX took the call back in this instant.
        """
        assert self.ringing.is_set(), f"{self.extension} does not ring"
        await self._far_end.remote.act(
            "Redirect", Channel=self._channel, Context="phones", Exten="answer", Priority="1"
        )
        await _either(self.talking, self.free)
        if not self.talking.is_set():
            raise FarEndError(f"{self.extension} was picked up when the call had gone")

    async def reject(self, cause: str = USER_BUSY) -> None:
        """Refuse the ringing call with a Q.850 cause (17: 486 Busy Here)."""
        assert self.ringing.is_set(), f"{self.extension} does not ring"
        await self._far_end.hang_up(self._channel, cause)
        await self.free.wait()

    async def hang_up(self) -> None:
        """End the call, if there is one."""
        if self._channel:
            await self._far_end.hang_up(self._channel)
        await self.free.wait()

    async def hears(self) -> None:
        """Wait until the agent hears something louder than silence, at once if he does now."""
        await self._far_end.listen(self._channel, self._hears)

    async def register(self) -> None:
        """Register, and wait until the PBX has accepted it."""
        await self._far_end.remote.act("PJSIPRegister", Registration=self.extension)
        await self.registered.wait()

    async def unregister(self) -> None:
        """Take the phone off the network, as a closed browser would."""
        await self._far_end.remote.act("PJSIPUnregister", Registration=self.extension)
        await self.unregistered.wait()

    def take(self, event: Headers) -> None:
        """Learn from an event of the phone."""
        match event["Event"]:
            case "Registry":
                registered = event["Status"] == "Registered"
                (self.registered if registered else self.unregistered).set()
                (self.unregistered if registered else self.registered).clear()
            case "UserEvent" if event["UserEvent"] == "PhoneRinging":
                self._rings(event)
            case "UserEvent" if event["UserEvent"] == "PhoneAnswered":
                self.ringing.clear()
                self.talking.set()
            case "ChannelTalkingStart":
                self._hears.set()
            case "ChannelTalkingStop":
                self._hears.clear()
            case "Hangup" if event["Uniqueid"] == self._channel:
                self._channel = ""
                self.ringing.clear()
                self.talking.clear()
                self.free.set()

    def _rings(self, event: Headers) -> None:
        if self._channel:  # one line, like a desk phone without call waiting
            self._do(self._far_end.hang_up(event["Uniqueid"], USER_BUSY))
            return
        self._channel = event["Uniqueid"]
        self.caller_number = event.get("CallerIDNum", "")
        self.free.clear()
        self._hears.clear()
        self.ringing.set()
        if self._auto is not None:
            self._do(self._act_alone(*self._auto))

    def _do(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._work.add(task)
        task.add_done_callback(self._work.discard)

    async def _act_alone(self, after_seconds: float, talk_seconds: float | None) -> None:
        """Answer the call that rings now, and end it after its time; it may end before."""
        if await _within(self.free, after_seconds):
            return
        try:
            await self._far_end.remote.act(
                "Redirect", Channel=self._channel, Context="phones", Exten="answer", Priority="1"
            )
        except ActionRefusedError:
            await self.free.wait()  # the caller left in this instant
            return
        if talk_seconds is not None and not await _within(self.free, talk_seconds):
            await self.hang_up()

    def stop(self) -> None:
        """Stop what the phone does by itself."""
        for task in self._work:
            task.cancel()


class FarEnd:
    """Customers and agents' phones for one PBX."""

    def __init__(
        self,
        name: str = "far-end",
        *,
        tree: Tree,
        place: Place,
        block: PortBlock,
        pbx: Asterisk,
        sip: int,
        phones: Mapping[str, str],
        rtp: int = 200,
    ) -> None:
        """Prepare; `start` starts it.

        :param pbx: where the customers call and the phones register; it runs before `start`
        :param sip: UDP port of the carrier's side, by which the PBX knows the trunk
        :param phones: extension -> its password at the PBX, for each simulated agent
        :param rtp: how many RTP ports; each call takes two
        """
        base = Ports.of(block, rtp=rtp)
        registrations = [
            _REGISTRATION.format(
                extension=extension, password=password, address=LOOPBACK, pbx=pbx.ports.sip
            )
            for extension, password in phones.items()
        ]
        self.asterisk = Asterisk(
            name,
            tree=tree,
            place=place,
            ports=replace(base, sip=sip),
            role="far_end",
            extra={"pjsip.conf": "".join(registrations)},
            values={"phones": str(base.sip), "pbx": str(pbx.ports.sip)},
        )
        self.remote = Remote(self._take)
        self._pbx = pbx
        self._pbx_remote = Remote(self._watch)
        self._agents = {extension: Agent(self, extension) for extension in phones}
        self._parties: dict[str, Caller | Agent] = {}
        self._numbers = count(1)

    async def start(self) -> None:
        """Start it and wait until all its phones are registered at the PBX."""
        await self.asterisk.start()
        await _connect(self.remote, self.asterisk)
        await _connect(self._pbx_remote, self._pbx)
        # Those that registered before we listened are told by this; the others by events.
        await self.remote.act("PJSIPShowRegistrationsOutbound")
        for agent in self._agents.values():
            if not await _within(agent.registered, REGISTER_SECONDS):
                raise FarEndError(
                    f"The PBX does not register extension {agent.extension}: "
                    f"see {self._pbx.log} and {self.asterisk.log}."
                )

    async def watch(self) -> None:
        """Watch the PBX anew, after it was started again: it tells who has taken a call."""
        await self._pbx_remote.close()
        await _connect(self._pbx_remote, self._pbx)

    async def stop(self) -> None:
        """End all calls in order, take the phones off, and end it."""
        await self._disconnect()
        await self.asterisk.stop()

    async def kill(self) -> None:
        """End it with -9."""
        await self._disconnect()
        await self.asterisk.kill()

    def agent(self, extension: str) -> Agent:
        """Return the simulated agent with this extension."""
        return self._agents[extension]

    async def call(
        self,
        number: str,
        caller_id: str,
        *,
        name: str = "",
        patience_seconds: float | None = None,
    ) -> Caller:
        """Call `number` through the trunk; return at once, before it is answered.

        With a patience, the customer hangs up unless somebody took the call by then.
        """
        uniqueid = f"{self.asterisk.name}-{next(self._numbers)}"
        caller = Caller(self, uniqueid, caller_id)
        self._parties[uniqueid] = caller
        await self.remote.act(
            "Originate",
            Channel=f"PJSIP/{number}@trunk",
            ChannelId=uniqueid,
            CallerID=f'"{name}" <{caller_id}>',
            Context="customer",
            Exten="talk",
            Priority="1",
            Timeout=RING_LIMIT_MS,
            Async="true",
        )
        if patience_seconds is not None:
            caller.wait_at_most(patience_seconds)
        return caller

    async def hang_up(self, uniqueid: str, cause: str = NORMAL_CLEARING) -> None:
        """Hang up a channel of the far end; nothing happens when it has ended already."""
        if uniqueid not in self._parties:
            return
        try:
            await self.remote.act("Hangup", Channel=uniqueid, Cause=cause)
        except ActionRefusedError:
            # It ended in this instant: its Hangup event is on the way.
            if uniqueid in self._parties:
                await self.remote.act("Ping")
            if uniqueid in self._parties:
                raise

    async def listen(self, uniqueid: str, heard: asyncio.Event) -> None:
        """Have Asterisk tell when the party at `uniqueid` hears something, and wait for it."""
        await self.remote.act("Setvar", Channel=uniqueid, Variable="TALK_DETECT(set)", Value="")
        await heard.wait()

    async def _disconnect(self) -> None:
        for party in [*self._agents.values(), *self._parties.values()]:
            party.stop()
        await self.remote.close()
        await self._pbx_remote.close()

    def _watch(self, event: Headers) -> None:
        """Learn from the PBX that somebody has taken a customer's call.

        SIP tells a waiting customer nothing: the queue has answered long ago.
        """
        if event["Event"] == "BridgeEnter" and event["Channel"].startswith("PJSIP/trunk-"):
            for party in self._parties.values():
                if isinstance(party, Caller) and party.caller_id == event.get("CallerIDNum"):
                    party.connected.set()

    def _take(self, event: Headers) -> None:
        match event["Event"]:
            case "Registry":
                extension = event["Username"].removeprefix("sip:").partition("@")[0]
                self._agents[extension].take(event)
            case "OutboundRegistrationDetail":
                agent = self._agents[event["ObjectName"]]
                agent.take({"Event": "Registry", "Status": event["Status"]})
            case "UserEvent" if event["UserEvent"] == "PhoneRinging":
                agent = self._agents[event["Phone"]]
                self._parties[event["Uniqueid"]] = agent
                agent.take(event)
            case _ if party := self._parties.get(event.get("Uniqueid", "")):
                party.take(event)
                if event["Event"] == "Hangup" or (
                    isinstance(party, Caller) and party.ended.is_set()
                ):
                    del self._parties[event["Uniqueid"]]


async def _connect(remote: Remote, asterisk: Asterisk) -> None:
    await remote.connect(
        asterisk.address, asterisk.ports.ami, asterisk.ami_user, asterisk.ami_secret
    )


async def _either(*events: asyncio.Event) -> None:
    """Wait for the first of them."""
    waits = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for each in waits:
            each.cancel()


async def _within(event: asyncio.Event, seconds: float) -> bool:
    """Tell whether the event came within the time."""
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
