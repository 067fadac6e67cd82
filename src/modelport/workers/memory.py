"""How much memory a process has, and what is done where it is more than a worker may have."""

import asyncio
import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # a worker says how much it has
    from modelport.workers.process import WorkerProcess

log = logging.getLogger("modelport.workers")

MEMORY_INTERVAL = 1.0
"""Seconds between two looks at the workers' memory, where it is limited."""


def resident_memory(pid: int) -> int:
    """Bytes of resident memory of a process, 0 when it is gone or this is no Linux."""
    try:
        with open(f"/proc/{pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return 0


async def watch_memory(
    workers: "Callable[[], list[WorkerProcess]]", limit: int, replace: Callable[[int, str], None]
) -> None:
    """Have workers replaced that grew beyond the limit; one that needs as much just for its model is left alone."""
    told: set[int] = set()
    while True:
        await asyncio.sleep(MEMORY_INTERVAL)
        for worker in workers():
            memory = resident_memory(worker.facts["pid"])
            if memory <= limit:
                continue
            if worker.memory_when_ready <= limit:
                replace(worker.id, f"has {memory >> 20} MiB of memory, {limit >> 20} are allowed")
            elif worker.id not in told:
                told.add(worker.id)
                needed = worker.memory_when_ready >> 20
                log.error("the model alone needs %d MiB of memory; %d are allowed to a worker", needed, limit >> 20)
