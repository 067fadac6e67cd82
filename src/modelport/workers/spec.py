"""What it takes to start a worker for one model: its interpreter, its files, its environment variables.

Importing it takes the standard library alone: the supervisor starts workers from what was written down of a spec.
"""

import math
import os
import shutil
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from modelport.errors import CannotStart
from modelport.settings import SafetySettings
from modelport.workers import sandbox
from modelport.workers.sandbox import Sandbox
from modelport.workers.variables import variables

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
    sandbox: Sandbox | None = None
    withheld: tuple[str, ...] = ()
    """Environment variables that the model asks for and does not get, each with the reason."""

    def as_dict(self) -> dict[str, Any]:
        """The spec as JSON has it."""
        data = {each.name: getattr(self, each.name) for each in fields(self)}
        shut_in = None if self.sandbox is None else self.sandbox.as_dict()
        paths = {"bundle": str(self.bundle), "model_path": str(self.model_path)}
        plain: dict[str, Any] = finite({**data, **paths, "sandbox": shut_in, "withheld": list(self.withheld)})
        return plain

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "WorkerSpec":
        """The spec that ``as_dict`` made the data of."""
        shut_in = data["sandbox"] and Sandbox.from_dict(data["sandbox"])
        paths = {"bundle": Path(data["bundle"]), "model_path": Path(data["model_path"])}
        return cls(**{**data, **paths, "sandbox": shut_in, "withheld": tuple(data["withheld"])})


def finite(value: Any) -> Any:
    """The value with null where JSON has no number: for NaN and infinities."""
    if isinstance(value, dict):
        return {key: finite(member) for key, member in value.items()}
    if isinstance(value, list):
        return [finite(member) for member in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def admit(folder: Path, content: dict[str, Any], safety: SafetySettings) -> None:
    """Refuse a model that may not be loaded, or cannot be shut in, before anything is built for it.

    Raises:
        ModelNotAllowed: it brings what is not allowed. CannotStart: there is no sandbox on this machine.
    """
    from modelport.model import admission

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
    from modelport.model.named_variables import named_variables
    from modelport.workers import bundle

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
