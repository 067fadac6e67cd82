"""An environment made by conda or micromamba from the model's own ``conda.yaml``, for models that need more than pip has."""

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from modelport.environments import building, uv
from modelport.environments.progress import Stages
from modelport.environments.store import Environment, held_locks
from modelport.errors import EnvironmentFailed
from modelport.model.dependency_files import conda_file
from modelport.workers.spec import WorkerSpec

PROGRAMS = ("conda", "mamba", "micromamba")


def program() -> str:
    """The path of the first of these programs that is on ``PATH``.

    Raises:
        EnvironmentFailed: there is none.
    """
    found = next(filter(None, map(shutil.which, PROGRAMS)), None)
    if found is None:
        raise EnvironmentFailed(
            f"--env-manager conda needs one of {', '.join(PROGRAMS)} on PATH, and none is there",
            hint="--env-manager uv builds the same packages from the Python package index.",
            code="ENVIRONMENT_CONDA_NOT_FOUND",
        )
    return found


def build(
    environment: Environment,
    model: Path,
    overrides: tuple[str, ...],
    spec_in: Callable[[str], WorkerSpec],
    *,
    offline: bool,
    stages: Stages,
) -> None:
    """Make ``environment`` of the ``conda.yaml`` of the model in the folder ``model``. All of it, or nothing.

    Raises:
        NotFound: the model has no such file.
        EnvironmentFailed: conda cannot make it.
        WorkerFailed: all is there, and the model cannot be loaded.
    """
    wanted, conda = conda_file(model), program()
    verb = ["create"] if Path(conda).name == "micromamba" else ["env", "create"]
    command = [conda, *verb, "--yes", "--prefix", str(environment.folder), "--file", str(wanted)]
    with building.whole_or_gone(environment):
        with stages.stage("install", f"creating it with {Path(conda).name}"), environment.log.open("ab") as log:
            done = subprocess.run(
                command + ["--offline"] * offline,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
                pass_fds=tuple(held_locks),
            )
        if done.returncode != 0:
            last = environment.log.read_text(errors="replace").strip().splitlines()[-1:]
            raise EnvironmentFailed(
                f"{Path(conda).name} cannot make the environment of {wanted}: {' '.join(last)}",
                hint=f"All that it said: {environment.log}",
            )
        if overrides:
            try:
                uv.run(["pip", "install", "--python", environment.python, *overrides], environment.log, model)
            except uv.UvFailed as failure:
                raise EnvironmentFailed(
                    f"{', '.join(overrides)} cannot be installed: {failure.output.strip()[-300:]}",
                    hint=f"All that was said: {environment.log}",
                ) from None
        building.check_and_mark(environment, spec_in, stages, {"manager": Path(conda).name})
