"""The start of workers, with the reason told where a model cannot be loaded."""

import asyncio
from collections.abc import Awaitable
from typing import Any

from modelport.errors import WorkerFailed
from modelport.workers.spec import WorkerSpec


async def explaining(work: Awaitable[dict[str, Any]], worker: WorkerSpec) -> dict[str, Any]:
    """The result of ``work``, which starts workers like this one: in an interpreter that is taken as it is, or in an
    environment that was built for another model.

    Raises:
        EnvironmentFailed: the model cannot be loaded, and why is known.
        WorkerFailed: it cannot be loaded.
    """
    try:
        return await work
    except WorkerFailed as error:
        from modelport.environments.failures.loading import of_starting

        raise await asyncio.to_thread(of_starting, error, worker) from None
