"""The bench of the wallboards runs: a few clients, short rounds."""

from bench import wallboard
from cti.journal.database import migrate


async def test_the_bench_measures_ours_and_the_rival(database: str, monkeypatch):
    monkeypatch.setattr(wallboard, "CLIENTS", 20)
    monkeypatch.setattr(wallboard, "AT_ONCE", 10)
    monkeypatch.setattr(wallboard, "ROUNDS", 1)
    monkeypatch.setattr(wallboard, "ROUND_SECONDS", 1.0)
    for seconds in ("SETTLE_SECONDS", "STALL_SECONDS", "PLAIN_STALL_SECONDS"):
        monkeypatch.setattr(wallboard, seconds, 0.5)
    await migrate(database)
    found = await wallboard.rounds(database)
    assert found.reading[0].share > 0.5, "most updates are read"
    assert found.stalled[0].behind
    assert found.plain.behind
    assert 0 < found.reading[0].milliseconds(50) < 1000
