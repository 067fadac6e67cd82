"""Workers that take no notice of what they are sent, again and again, are replaced."""

import asyncio

from modelport.supervisor.table import Liveness
from modelport.workers.process import WorkerSet


async def watch(workers: WorkerSet, liveness: Liveness) -> None:
    """For as long as the set lives. A library's model takes no notice of anything while it predicts: that counts as silence."""
    misses: dict[int, int] = {}
    while True:
        await asyncio.sleep(liveness.period)
        silent = await workers.silent(liveness.timeout, liveness.initial_delay)
        misses = {id: misses.get(id, 0) + 1 for id in silent}
        for id, number in misses.items():
            if number >= liveness.failures:
                workers.replace(id, f"was silent {number} times for {liveness.timeout:g} s")
