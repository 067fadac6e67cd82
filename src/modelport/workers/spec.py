"""What it takes to start a worker for one model: its interpreter, its files, its environment variables."""

import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from modelport.errors import CannotStart
from modelport.model import location, mlmodel
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


def worker_spec(
    model_uri: str,
    python: str | None,
    home: Path,
    *,
    workers: int,
    name: str,
    model_config: dict[str, Any] | None = None,
    threads: int,
    max_body: int,
    allow_python_mismatch: bool = False,
) -> WorkerSpec:
    """The spec of a model in the interpreter ``python`` (None: this one), where ``workers`` of them share the cores.

    Raises:
        ModelportError: there is no such model or interpreter, or the MLmodel file cannot be read.
    """
    folder = location.resolve(model_uri)
    python = python or sys.executable
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
        mlmodel=mlmodel.read(folder),
        model_config=model_config,
        threads=threads,
        max_body=max_body,
        environment=environment,
        sys_path=[entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry],
        allow_python_mismatch=allow_python_mismatch,
    )
