"""What it takes to start a worker for one model: its interpreter, its files, its environment variables."""

import os
import shutil
from pathlib import Path
from typing import Any

from modelport.errors import CannotStart
from modelport.model import admission
from modelport.model.named_variables import named_variables
from modelport.settings import SafetySettings
from modelport.workers import bundle, sandbox
from modelport.workers.specification import WorkerSpec
from modelport.workers.variables import variables

__all__ = ["THREAD_VARIABLES", "WorkerSpec", "admit", "worker_spec"]

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def admit(folder: Path, content: dict[str, Any], safety: SafetySettings) -> None:
    """Refuse a model that may not be loaded, or cannot be shut in, before anything is built for it.

    Raises:
        ModelNotAllowed: it brings what is not allowed. CannotStart: there is no sandbox on this machine.
    """
    admission.check(folder, content, safety.allow)
    if safety.sandbox:
        sandbox.program()


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
    safety: SafetySettings | None = None,
) -> WorkerSpec:
    """The spec of the model in ``folder``, whose MLmodel file has this ``content``, in the interpreter ``python``, where
    ``workers`` of them share the cores.

    Raises:
        CannotStart: there is no such interpreter, or no sandbox for it.
    """
    safety = safety or SafetySettings()
    found = shutil.which(python)
    if found is None:
        raise CannotStart(f"'{python}' is no Python interpreter", hint="--python names the interpreter of the model.")
    python = os.path.abspath(found)  # a worker has a folder of its own
    laid_out = bundle.lay_out(home.absolute() / "runtime", python)
    wanted = variables(named_variables(folder, content), safety.variables, os.environ)
    share = str(max(1, len(os.sched_getaffinity(0)) // workers))
    environment = {**dict.fromkeys(THREAD_VARIABLES, share), **wanted.values}
    environment["_MLFLOW_IS_IN_SERVING_ENVIRONMENT"] = "true"  # type-hinted models then read base64 and ISO dates
    sys_path = [os.path.abspath(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    shut_in = None
    if safety.sandbox:
        shut_in = sandbox.sandbox_around(python, folder, laid_out)
        environment, sys_path = shut_in.variables(environment), []
    return WorkerSpec(
        python=python,
        bundle=laid_out,
        name=name,
        model_path=folder,
        mlmodel=content,
        model_config=model_config,
        threads=threads,
        max_body=max_body,
        environment=environment,
        sys_path=sys_path,
        allow_python_mismatch=allow_python_mismatch,
        sandbox=shut_in,
        withheld=wanted.withheld,
    )
