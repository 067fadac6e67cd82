"""The check of a new environment: the model is loaded in it by a worker, which scores the model's example."""

import asyncio
import contextlib
import dataclasses
import shutil
import tempfile
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from modelport.errors import WorkerFailed
from modelport.settings import BUILD_TIMEOUT, SafetySettings, build_timeout
from modelport.workers.process import WorkerProcess
from modelport.workers.sandbox import compile_imported
from modelport.workers.spec import WorkerSpec, worker_spec

_GRACE = 5.0
"""Seconds the worker has to end by itself."""
_MAX_BODY = 1 << 20
"""Of a worker that is asked nothing but the model's example, which is no request."""


def loading(
    folder: Path, content: dict[str, Any], home: Path, safety: SafetySettings | None = None
) -> Callable[[str], WorkerSpec]:
    """How a model is loaded only to be checked, by the interpreter that it is loaded in; ``content`` is that of its MLmodel."""

    def spec_in(python: str) -> WorkerSpec:
        return worker_spec(
            folder, content, python, home, workers=1, name="model", threads=1, max_body=_MAX_BODY, safety=safety
        )

    return spec_in


def check(spec: WorkerSpec, log: Path) -> dict[str, Any]:
    """What the worker says of itself once the model is loaded and warmed up; what the model writes goes to ``log``.

    Libraries that it imports are compiled on the way (in a sandbox: after it), which workers themselves never do.

    Raises:
        WorkerFailed: the model cannot be loaded, or not within ``build_timeout``.
    """
    spec = dataclasses.replace(spec, name="check", sys_path=[], write_bytecode=True)
    run_folder = Path(tempfile.mkdtemp(prefix="modelport-"))  # 0700, and short: socket paths end at 108 bytes
    try:
        with _unchanged(spec.model_path):
            return _in_a_loop(_start(spec, run_folder, log))
    finally:
        shutil.rmtree(run_folder, ignore_errors=True)


@contextlib.contextmanager
def _unchanged(model: Path) -> Iterator[None]:
    """Libraries are compiled for who comes after; the model's own code is not, as that would be written into the model."""
    before = set(model.rglob("*.pyc"))
    try:
        yield
    finally:
        for file in set(model.rglob("*.pyc")) - before:
            with contextlib.suppress(OSError):
                file.unlink()
                file.parent.rmdir()  # unless something else is in it


def _in_a_loop(starting: Coroutine[Any, Any, dict[str, Any]]) -> dict[str, Any]:
    """In a thread of its own where a loop is running here, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(starting)
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(asyncio.run, starting).result()


async def _start(spec: WorkerSpec, run_folder: Path, log: Path) -> dict[str, Any]:
    with log.open("a") as output:
        worker = WorkerProcess(spec, 1, run_folder, output.fileno())
        try:
            limit = build_timeout()
            try:
                async with asyncio.timeout(limit):
                    await worker.start()
            except TimeoutError:
                raise WorkerFailed(
                    f"the model was not loaded after {limit:g} s; {BUILD_TIMEOUT}=SECONDS gives it more time"
                ) from None
            if spec.sandbox is not None:
                await asyncio.to_thread(compile_imported, spec.python, worker.folder)
        finally:
            await worker.stop(_GRACE)
    return worker.facts
