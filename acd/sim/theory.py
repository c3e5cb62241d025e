"""Queueing theory that the scenarios are held against.

M/M/n: Erlang C (A. K. Erlang 1917). M/M/n+M, callers who leave: Erlang A (C. Palm 1957; Garnett,
Mandelbaum and Reiman, "Designing a Call Center with Impatient Customers", 2002).
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Expected:
    """Steady state. Waits are seconds over all callers, those who leave included.

    :param waits: probability that a caller waits at all.
    :param served_within: share answered within the asked seconds (of all who call).
    """

    waits: float
    mean_wait_seconds: float
    abandon_share: float
    queue_length: float
    occupancy: float
    served_within: float | None = None


def erlang_c(agents: int, calls_per_hour: float, talk_seconds: float, within: float) -> Expected:
    """Callers who wait for ever. The load has to be below the number of agents.

    :raises ValueError: the queue would grow without end.
    """
    rate = calls_per_hour / 3600
    load = rate * talk_seconds
    if load >= agents:
        raise ValueError(f"{load:.2f} Erlang on {agents} agents: the queue would never end")
    blocked = 1.0
    for busy in range(1, agents + 1):
        blocked = load * blocked / (busy + load * blocked)
    waits = blocked / (1 - load / agents * (1 - blocked))
    drain = (agents - load) / talk_seconds
    return Expected(
        waits=waits,
        mean_wait_seconds=waits / drain,
        abandon_share=0.0,
        queue_length=rate * waits / drain,
        occupancy=load / agents,
        served_within=1 - waits * math.exp(-drain * within),
    )


def erlang_a(
    agents: int, calls_per_hour: float, talk_seconds: float, patience_seconds: float
) -> Expected:
    """Callers with an exponential patience; by the birth-death balance, state by state."""
    arrive, serve, leave = calls_per_hour / 3600, 1 / talk_seconds, 1 / patience_seconds
    weights = [1.0]
    while len(weights) <= agents or weights[-1] > 1e-12 * max(weights):
        state = len(weights)
        death = min(state, agents) * serve + max(0, state - agents) * leave
        weights.append(weights[-1] * arrive / death)
    total = math.fsum(weights)
    queue = math.fsum(max(0, n - agents) * w for n, w in enumerate(weights)) / total
    busy = math.fsum(min(n, agents) * w for n, w in enumerate(weights)) / total
    return Expected(
        waits=math.fsum(weights[agents:]) / total,
        mean_wait_seconds=queue / arrive,
        abandon_share=leave * queue / arrive,
        queue_length=queue,
        occupancy=busy / agents,
    )
