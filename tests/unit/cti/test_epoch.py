"""A claim on a PBX that has only globals: whose its calls were, and when that changes."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from cti.ami.actions import Action, Getvar, Outcome, Setvar
from cti.epoch import Tenure
from cti.inputs import PbxSnapshot


class FakeLink:
    """A link to a PBX that has only global variables.

    :ivar meanwhile: epoch that another server sets while the state is read.
    """

    def __init__(self, **variables: str) -> None:
        self.variables = variables
        self.status = SimpleNamespace(state="ready")
        self.meanwhile: str | None = None

    def pbx_time(self) -> float:
        return 1000.0

    def post(
        self, action: Action, deadline_seconds: float, action_id: str | None = None
    ) -> asyncio.Future[Outcome]:
        headers: dict[str, Any] = {}
        if isinstance(action, Setvar):
            self.variables[action.variable] = action.value
        if isinstance(action, Getvar):
            headers = {"Value": self.variables.get(action.variable, "")}
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        answer.set_result(Outcome(result="done", headers=headers))
        return answer

    async def snapshot(self, *, epoch: int = 0) -> PbxSnapshot:
        if self.meanwhile is not None:
            self.variables["ZX_EPOCH"] = self.meanwhile
        return PbxSnapshot(at=0.0, pbx_started_at=0.0, epoch=epoch, channels=[], device_states={})


@pytest.mark.parametrize(("before", "held_by"), [({}, None), ({"ZX_NODE": "n2"}, "n2")])
async def test_a_connect_tells_whose_the_calls_were(
    before: dict[str, str], held_by: str | None
) -> None:
    link: Any = FakeLink(**before)
    tenure = Tenure("n1", lambda: True)
    snapshot = await tenure.resync(link)
    assert (snapshot.epoch, snapshot.held_by) == (1_000_000, held_by)
    assert snapshot.overtaken_by is None


async def test_the_calls_are_ours_once_the_connect_is_journaled() -> None:
    """Till then a process that dies must find the other's name again."""
    link: Any = FakeLink(ZX_NODE="n2")
    tenure = Tenure("n1", lambda: True)
    await tenure.resync(link)
    assert link.variables["ZX_NODE"] == "n2"
    tenure.beat()
    assert link.variables["ZX_NODE"] == "n1"
    assert (await tenure.resync(link)).held_by == "n1"
    link.variables["ZX_NODE"] = "n3"
    tenure.beat()
    assert link.variables["ZX_NODE"] == "n1", "each connect says it anew"
    link.variables["ZX_NODE"] = "n3"
    tenure.beat()
    assert link.variables["ZX_NODE"] == "n3", "and once is enough"


async def test_a_fenced_server_claims_nothing() -> None:
    link: Any = FakeLink(ZX_NODE="n2", ZX_EPOCH="7")
    tenure = Tenure("n1", lambda: False)
    snapshot = await tenure.resync(link)
    tenure.beat()
    assert snapshot.held_by is None
    assert link.variables == {"ZX_NODE": "n2", "ZX_EPOCH": "7"}


async def test_who_is_overtaken_while_the_state_is_read_is_told() -> None:
    link: Any = FakeLink()
    link.meanwhile = "1000007"
    assert (await Tenure("n1", lambda: True).resync(link)).overtaken_by == 1_000_007
