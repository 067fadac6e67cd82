"""Why an environment could not be had: one cause and one way out, from what uv or the model said."""

from pathlib import Path

from modelport.environments.interpreters import Interpreter
from modelport.errors import EnvironmentFailed, ModelportError
from modelport.model.environment_spec import EnvironmentSpec


def of_resolving(
    output: str, spec: EnvironmentSpec, interpreter: Interpreter, offline: bool, log: Path
) -> EnvironmentFailed:
    """Of ``uv pip compile``."""
    return EnvironmentFailed(f"the model's requirements cannot be resolved: {_last(output)}", hint=f"The log: {log}")


def of_installing(output: str, spec: EnvironmentSpec, interpreter: Interpreter, log: Path) -> EnvironmentFailed:
    """Of ``uv pip install``."""
    return EnvironmentFailed(f"the model's requirements cannot be installed: {_last(output)}", hint=f"The log: {log}")


def of_loading(
    error: ModelportError, spec: EnvironmentSpec, lock: tuple[str, ...], interpreter: Interpreter, log: Path
) -> ModelportError:
    """Of the worker that loaded the model in its new environment."""
    return error


def disk_full(log: Path) -> EnvironmentFailed:
    """Of a write for which there is no room."""
    return EnvironmentFailed(
        f"no room is left on the disk of {log.parents[1]}",
        hint="modelport environment prune removes what no model has used lately; MODELPORT_HOME names another place.",
        code="ENVIRONMENT_DISK_FULL",
    )


def _last(output: str) -> str:
    return " ".join(output.split())[-600:]
