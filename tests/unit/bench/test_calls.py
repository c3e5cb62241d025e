"""What the bench of calls makes of what it measured."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from bench.calls import Costs, cost_figures, delay_figures, memory_figures
from bench.calls_cpu import cpu_seconds, family_cpu_seconds, resident_bytes
from bench.calls_delay import Delays
from bench.calls_parts import AGENTS, QUEUE, SCENARIOS, Used, centre_floor, fix_contacts


def spin(seconds: float) -> None:
    began = time.process_time()
    while time.process_time() - began < seconds:
        pass


def test_cpu_of_a_process_is_user_and_system_time() -> None:
    before = cpu_seconds(os.getpid())
    spin(0.1)
    assert cpu_seconds(os.getpid()) - before == pytest.approx(0.1, abs=0.05)


def test_a_family_has_the_cpu_of_children_that_ended() -> None:
    before, own = family_cpu_seconds(os.getpid()), cpu_seconds(os.getpid())
    code = "import time\nwhile time.process_time() < 0.3: pass"
    subprocess.run([sys.executable, "-c", code], check=True)
    grown = family_cpu_seconds(os.getpid()) - before
    assert grown >= 0.29
    assert cpu_seconds(os.getpid()) - own < grown / 2


def test_memory_is_what_is_resident() -> None:
    before = resident_bytes(os.getpid())
    taken = bytearray(os.urandom(1 << 20) * 32)
    assert resident_bytes(os.getpid()) - before >= len(taken) // 2


def test_cost_is_asterisk_and_server_against_the_rival_in_medians() -> None:
    costs = Costs(
        ours=[Used(10, 1, 0.5), Used(90, 90, 90), Used(8, 1, 0.5)],
        asked=[Used(7, 1, 0.5)],
        rival=[Used(10)],
        crowded_ours=[Used(20, 5, 1)],
        crowded_rival=[Used(24)],
    )
    figures = {each.name: each for each in cost_figures(costs)}
    both = figures["CPU per call, Asterisk and server, 50 calls/s"]
    assert (both.value, both.rival_value, both.ok) == (11, 10, False)
    assert figures["CPU per call, Asterisk, 50 calls/s"].ratio == 1.0
    assert figures["CPU per call, server, 50 calls/s"].ratio == 0.1
    assert figures["CPU per call, PostgreSQL, 50 calls/s"].value == 0.5
    assert figures["CPU per call, Asterisk and server, 50 calls/s, looked up before the answer"].ok
    assert not figures["CPU per call, server, 900 waiting"].ok


def test_cost_per_call_is_in_milliseconds() -> None:
    used = Used(13.0, 2.0, 1.0) - Used(3.0, 1.0, 0.5)
    assert used.per_call(1000) == Used(10.0, 1.0, 0.5)


def test_delays_are_from_the_queue_to_the_first_dialling() -> None:
    delays = Delays()
    for name, caller, at, more in (
        ("DialBegin", "1", "1.0", {}),
        ("UserEvent", "1", "2.0", {"UserEvent": "ZxEnter"}),
        ("UserEvent", "1", "2.1", {"UserEvent": "ZxRecord"}),
        ("QueueCallerJoin", "2", "2.5", {}),
        ("DialBegin", "1", "2.25", {}),
        ("DialBegin", "1", "9.0", {}),
        ("DialBegin", "2", "3.0", {}),
    ):
        delays.take({"Event": name, "Uniqueid": caller, "Timestamp": at, **more})
    assert delays.seconds == [0.25, 0.5]


def test_delay_and_memory_figures() -> None:
    fast, slow = [0.001] * 100, [0.02] * 100
    p50, p99 = delay_figures("10 calls/s", slow, fast)
    assert (p50.value, p50.rival_value, p99.ratio) == pytest.approx((20, 1, 20))
    assert [each.ok for each in memory_figures(100 << 20, 101 << 20)] == [True]
    assert [each.ok for each in memory_figures(100 << 20, 103 << 20)] == [False]


def test_phones_have_fixed_contacts_that_are_not_asked() -> None:
    text = (
        "[8001]\ntype = endpoint\n\n[8001]\ntype = aor\nmax_contacts = 1\nqualify_frequency = 30\n"
    )
    fixed = fix_contacts(text, ["8001"], 5070)
    assert "type = aor\ncontact = sip:8001@127.0.0.1:5070\nmax_contacts" in fixed
    assert "qualify" not in fixed
    assert fixed.count("contact = sip") == 1
    assert "contact = sip" not in fix_contacts(text, ["8002"], 5070)


def test_the_floor_and_the_scenarios_are_there() -> None:
    floor = centre_floor("never")
    assert len(floor.agents) == len(floor.extensions) == AGENTS
    assert [queue.name for queue in floor.queues] == [QUEUE]
    for name in ("customer", "patient_customer", "agents", "leaving_agents"):
        assert Path(SCENARIOS, f"{name}.xml").is_file()
