"""What it takes to start a worker for one model: its interpreter, its files, its environment variables."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelport.errors import CannotStart
from modelport.workers import bundle

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


@dataclass(frozen=True)
class WorkerSpec:
    """A model and the interpreter it runs in. ``threads`` serve user code; ``max_body`` in bytes."""

    python: str
    bundle: Path
    name: str
    model_path: Path
    mlmodel: dict[str, Any]
    model_config: dict[str, Any] | None
    threads: int
    max_body: int
    environment: dict[str, str]
    sys_path: list[str]
    allow_python_mismatch: bool
    write_bytecode: bool = False
    """Whether libraries that are imported for the first time are compiled for those who come after."""


def worker_spec(
    folder: Path,
    content: dict[str, Any],
    python: str,
    home: Path,
    *,
    workers: int,
    name: str,
    model_config: dict[str, Any] | None = None,
    threads: int,
    max_body: int,
    allow_python_mismatch: bool = False,
) -> WorkerSpec:
    """The spec of the model in ``folder``, whose MLmodel file has this ``content``, in the interpreter ``python``, where
    ``workers`` of them share the cores.

    Raises:
        CannotStart: there is no such interpreter.
    """
    if shutil.which(python) is None:
        raise CannotStart(f"'{python}' is no Python interpreter", hint="--python names the interpreter of the model.")
    environment = dict(os.environ)
    environment["_MLFLOW_IS_IN_SERVING_ENVIRONMENT"] = "true"  # type-hinted models then read base64 and ISO dates
    share = max(1, len(os.sched_getaffinity(0)) // workers)
    for variable in THREAD_VARIABLES:
        environment.setdefault(variable, str(share))
    return WorkerSpec(
        python=python,
        bundle=bundle.lay_out(home / "runtime", python),
        name=name,
        model_path=folder,
        mlmodel=content,
        model_config=model_config,
        threads=threads,
        max_body=max_body,
        environment=environment,
        sys_path=[entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry],
        allow_python_mismatch=allow_python_mismatch,
    )
