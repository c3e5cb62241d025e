"""Random days in a small centre: floors and actions that hypothesis draws."""

from typing import Any

from hypothesis import strategies as st

from config.floor import AgentSettings, ExtensionSettings, Floor, Membership, QueueSettings
from cti import commands as c
from cti import domain as d
from cti import inputs as i
from tests.support.centre import Caller, Centre

SKILLS = ("french", "billing", "router")
QUEUES = ("support", "sales", "care")


def _skills(at_most: int = 3) -> st.SearchStrategy[dict[str, int]]:
    return st.dictionaries(st.sampled_from(SKILLS), st.integers(1, 5), max_size=at_most)


@st.composite
def queues(draw: st.DrawFn, name: str) -> QueueSettings:
    """A queue of any rules that say who gets whom."""
    return QueueSettings(
        name=name,
        strategy=draw(
            st.sampled_from(["longest_idle", "fewest_calls", "round_robin", "tiers", "random"])
        ),
        seed=draw(st.integers(0, 5)),
        skills=draw(_skills(1)),
        relax=draw(
            st.lists(
                st.fixed_dictionaries(
                    {
                        "after_seconds": st.integers(1, 40),
                        "by": st.integers(1, 3),
                        "any_member": st.booleans(),
                    }
                ),
                max_size=2,
            )
        ),
        weight=draw(st.integers(1, 4)),
        priority=draw(st.integers(-2, 2)),
        ageing_seconds=draw(st.sampled_from([0, 10, 60])),
        sticky=draw(st.sampled_from(["off", "last"])),
        sticky_seconds=draw(st.integers(0, 20)),
        ring_seconds=draw(st.integers(3, 15)),
        wrap_up_seconds=draw(st.sampled_from([0, 10])),
        missed_limit=draw(st.integers(1, 3)),
    )


@st.composite
def floors(draw: st.DrawFn) -> Floor:
    """One to three queues, one to six agents in some of them."""
    names = QUEUES[: draw(st.integers(1, 3))]
    agents = [
        AgentSettings(
            id=str(1001 + n),
            name="A",
            queues=[
                Membership(queue=name, tier=draw(st.integers(1, 3)))
                for name in names
                if draw(st.booleans()) or name == names[0]
            ],
            skills=draw(_skills()),
        )
        for n in range(draw(st.integers(1, 6)))
    ]
    return Floor(
        queues=[draw(queues(name)) for name in names],
        agents=agents,
        extensions=[ExtensionSettings(number=f"8{agent.id[1:]}", kind="desk") for agent in agents],
    )


ACTIONS = (
    *("arrive", "arrive", "arrive", "ready", "ready", "ready"),
    *("not_ready", "sign_out", "abandon", "answer", "answer", "hang_up", "miss", "reject"),
    *("unreachable", "wait", "wait", "dial_out", "phone", "lose_link", "connect", "busy"),
)


actions = st.lists(
    st.tuples(st.sampled_from(ACTIONS), st.integers(0, 1000), st.integers(0, 1000)),
    min_size=12,
    max_size=60,
)
"""What happens, and two numbers that say to whom and how."""


class Day:
    """Carries actions out, where they make sense at that moment."""

    def __init__(self, centre: Centre) -> None:
        self.centre = centre

    def act(self, action: tuple[str, int, int]) -> None:
        """One action, a quarter of a second after the last."""
        name, one, two = action
        self.centre.wait(0.25)
        getattr(self, f"_{name}")(one, two)

    def _agent(self, number: int) -> Any:
        agents = list(self.centre.core.state.agents.values())
        return agents[number % len(agents)]

    def _up(self) -> bool:
        return self.centre.core.state.link_up

    def _offered(self, number: int) -> tuple[Any, Caller] | None:
        """A pending offer and its caller."""
        offers = list(self.centre.core.state.offers.values())
        if not offers or not self._up():
            return None
        offer = offers[number % len(offers)]
        uniqueid = offer.call_id.removeprefix("n1-")
        return offer, self.centre.callers[uniqueid]

    def _caller(self, number: int) -> Caller | None:
        callers = list(self.centre.callers.values())
        return callers[number % len(callers)] if callers and self._up() else None

    def _arrive(self, one: int, two: int) -> None:
        if not self._up():
            return
        queues = [queue.name for queue in self.centre.floor.queues]
        headers = {}
        if two % 2:
            headers["Skills"] = f"{SKILLS[two % 3]}:{two % 5 + 1}&{SKILLS[one % 3]}:{one % 3 + 1}"
        if two % 3 == 0:
            headers["CallerPriority"] = str(two % 7 - 3)
        if two % 5 == 0:
            headers["Sticky"] = str(1001 + one % 6)
        self.centre.arrive(queues[one % len(queues)], **headers)

    def _ready(self, one: int, _two: int) -> None:
        self.centre.ready(self._agent(one).id)

    def _not_ready(self, one: int, _two: int) -> None:
        self.centre.not_ready(self._agent(one).id)

    def _sign_out(self, one: int, _two: int) -> None:
        self.centre.step(i.SignOut(request_id="r", agent_id=self._agent(one).id))

    def _abandon(self, one: int, _two: int) -> None:
        caller = self._caller(one)
        if caller is not None:
            self.centre.hang_up(caller)

    _hang_up = _abandon

    def _answer(self, one: int, two: int) -> None:
        """The phone is answered; an offer that is being taken back comes back, or that is lost."""
        found = self._offered(one)
        if found is None:
            return
        offer, caller = found
        if offer.leg_id is None:
            self.centre.ring(caller)
        self.centre.pick_up(offer.agent_id)
        if offer.id in self.centre.core.state.offers and two % 2:
            self._come_back(one, "rescinded")
            return
        caller.variables["ZX_STATE"] = "offered"
        for command in self.centre.sent(c.Withdraw):
            if command.offer_id == offer.id:
                self.centre.done(command, "timed_out")
        assert offer.id not in self.centre.core.state.offers

    def _come_back(self, number: int, reason: str) -> None:
        found = self._offered(number)
        if found is not None:
            offer, caller = found
            if offer.leg_id is None:
                self.centre.ring(caller)
            self.centre.come_back(caller, reason)

    def _miss(self, one: int, _two: int) -> None:
        self._come_back(one, "noanswer")

    def _busy(self, one: int, _two: int) -> None:
        self._come_back(one, "busy")

    def _unreachable(self, one: int, _two: int) -> None:
        self._come_back(one, "unavailable")

    def _reject(self, one: int, _two: int) -> None:
        found = self._offered(one)
        if found is not None:
            offer, caller = found
            self.centre.ring(caller)
            self.centre.ask(
                i.RejectOffer(request_id="r", agent_id=offer.agent_id, offer_id=offer.id)
            )
            self.centre.come_back(caller, "rescinded")

    def _wait(self, one: int, _two: int) -> None:
        self.centre.wait(one % 45)

    def _dial_out(self, one: int, _two: int) -> None:
        """A leg at the agent's phone appears in another call, or the one that is there ends."""
        agent = self._agent(one)
        theirs = self.centre.agent_legs.get(agent.id)
        if theirs is not None and theirs[1].uniqueid.startswith("out"):
            self.centre.end_agent_leg(agent.id)
        elif theirs is None and self._up() and not agent.legs:
            self.centre.start_agent_leg(agent.id, f"8{agent.id[1:]}", Caller(f"out{one}", ""))

    def _phone(self, one: int, _two: int) -> None:
        """A phone loses its registration, or is back."""
        if self._up():
            extension = f"8{self._agent(one).id[1:]}"
            self.centre.set_device(
                extension,
                "NOT_INUSE"
                if self.centre.devices[f"PJSIP/{extension}"] == "UNAVAILABLE"
                else "UNAVAILABLE",
            )

    def _lose_link(self, _one: int, two: int) -> None:
        if self._up() and two % 3 == 0:
            self.centre.lose_link()

    def _connect(self, _one: int, _two: int) -> None:
        if not self._up():
            self.centre.connect(gap=True)


def chosen(records: list[d.Recorded]) -> list[d.CallDecided]:
    """The decisions that made an offer."""
    return [
        record.event
        for record in records
        if isinstance(record.event, d.CallDecided) and record.event.chosen is not None
    ]
