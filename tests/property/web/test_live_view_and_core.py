"""What the screens show is what the core decides by: compared after every step of faulty days."""

from collections.abc import Callable

import pytest

from acd.sim.faults import FaultRun, small_floor
from web.live import Changes, LiveView, Rows

TABLES = ("queues", "agents", "waiting")


class WatchedRun(FaultRun):
    """A run of the simulator whose journal is shown on a page all the time."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.view = LiveView(small_floor())
        self.page: Rows = self.view.snapshot("floor", None, clear=True)
        self.differences: list[str] = []
        self._shown = 0
        judge = self.server.on_step
        self.server.on_step = lambda: self._watch(judge)

    def _watch(self, judge: Callable[[], None]) -> None:
        judge()
        changes = Changes()
        for record in self.server.journal[self._shown :]:
            changes.merge(self.view.evolve(record))
        self._shown = len(self.server.journal)
        put, gone = self.view.rows("floor", None, changes.floor, clear=True)
        for table, rows in put.items():
            self.page[table].update(rows)
        for table, keys in gone.items():
            for key in keys:
                self.page[table].pop(key, None)
        self.compare()

    def compare(self) -> None:
        """Note where the page and the core differ."""
        state = self.server.core.state
        for agent in state.agents.values():
            row = self.page["agents"][agent.id]
            self._same(f"agent {agent.id}", row["state"], agent.state)
            self._same(f"reason of {agent.id}", row["reason"], agent.reason)
            self._same(f"seat of {agent.id}", row["extension"], agent.extension)
            self._same(f"call of {agent.id}", row["call_id"], agent.call_id)
            self._same(f"phone of {agent.id}", row["reachable"], agent.phone_reachable)
            self._same(f"panel of {agent.id}", row["panel"], agent.panel_connected)
            wish = self.view.snapshot("desk", agent.id, clear=True)["me"][agent.id]["next_reason"]
            self._same(f"wish of {agent.id}", wish, agent.next_reason)
        waiting = {key: row["entered_at"] for key, row in self.page["waiting"].items()}
        visits = {visit.id: visit.entered_at for visit in state.visits.values()}
        self._same("callers", waiting, visits)

    def _same(self, what: str, shown: object, decided: object) -> None:
        if shown != decided and len(self.differences) < 5:
            self.differences.append(f"step {self._shown}: {what}: {shown!r}, core {decided!r}")


@pytest.mark.parametrize("seed", range(4))
def test_the_page_equals_the_core_through_faults(seed: int) -> None:
    run = WatchedRun(seed)
    verdict = run.run()
    assert verdict.steps > 100
    assert run.differences == []
    assert run.page == run.view.snapshot("floor", None, clear=True)
    in_hand = {row["call_id"] for row in run.page["agents"].values()}
    kept = run.view.dump()
    assert set(kept["calls"]) <= in_hand, "calls that are over are forgotten"
    assert (kept["visits"], kept["offers"]) == ({}, {})
