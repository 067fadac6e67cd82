"""The check of a new environment: the model is loaded in it by a worker, which scores the model's example."""

import asyncio
import dataclasses
import shutil
import tempfile
from pathlib import Path
from typing import Any

from modelport.workers.process import WorkerProcess
from modelport.workers.spec import WorkerSpec

_GRACE = 5.0
"""Seconds the worker has to end by itself."""


def check(spec: WorkerSpec, log: Path) -> dict[str, Any]:
    """What the worker says of itself once the model is loaded and warmed up; what the model writes goes to ``log``.

    Libraries that it imports are compiled on the way, which workers themselves never do.

    Raises:
        WorkerFailed: the model cannot be loaded.
    """
    run_folder = Path(tempfile.mkdtemp(prefix="modelport-"))  # 0700, and short: socket paths end at 108 bytes
    try:
        return asyncio.run(_start(dataclasses.replace(spec, name="check", write_bytecode=True), run_folder, log))
    finally:
        shutil.rmtree(run_folder, ignore_errors=True)


async def _start(spec: WorkerSpec, run_folder: Path, log: Path) -> dict[str, Any]:
    with log.open("a") as output:
        worker = WorkerProcess(spec, 1, run_folder, output.fileno())
        try:
            await worker.start()
        finally:
            await worker.stop(_GRACE)
    return worker.facts
