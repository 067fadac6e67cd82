"""Workers that take no notice of what they are sent, again and again: they are replaced, or given nothing until they do.

A library's model takes no notice of anything while it predicts: that counts as silence.
"""

import asyncio
from collections.abc import Callable

from modelport.supervisor.table import Probe
from modelport.workers.process import WorkerSet


async def watch_liveness(workers: WorkerSet, probe: Probe) -> None:
    """Have silent workers replaced, for as long as the set lives."""
    misses: dict[int, int] = {}
    while True:
        await asyncio.sleep(probe.period)
        noticed = await workers.look(probe.timeout, probe.initial_delay)
        misses = {id: misses.get(id, 0) + 1 for id, did in noticed.items() if not did}
        for id, number in misses.items():
            if number >= probe.failures:
                workers.replace(id, f"was silent {number} times for {probe.timeout:g} s")


async def watch_readiness(workers: WorkerSet, probe: Probe, on_change: Callable[[frozenset[int]], None]) -> None:
    """Tell which workers are not ready, whenever others are, for as long as the set lives. One that nobody has looked at is: it
    has loaded its model and answered."""
    streaks: dict[int, int] = {}
    """Looks in a row with the same outcome, by worker; below zero where it was silent."""
    resting: frozenset[int] = frozenset()
    while True:
        await asyncio.sleep(probe.period)
        noticed = await workers.look(probe.timeout, probe.initial_delay)
        streaks = {id: _longer(streaks.get(id, 0), did) for id, did in noticed.items()}
        before, resting = (
            resting,
            frozenset(
                id
                for id, streak in streaks.items()
                if streak <= -probe.failures or (id in resting and streak < probe.successes)
            ),
        )
        if resting != before:
            on_change(resting)


def _longer(streak: int, noticed: bool) -> int:
    return max(streak, 0) + 1 if noticed else min(streak, 0) - 1
