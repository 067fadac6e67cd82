"""How a model's requirements compare with what an interpreter has. Never fails: a line that cannot be read is not checked.

The interpreter says what it has (``modelport_runtime.distributions``); only this module compares.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from modelport.model.requirement_lines import parsed

if TYPE_CHECKING:  # 20 ms, for who compares
    from packaging.requirements import Requirement

OK, DIFFERS, MISSING = "ok", "differs", "missing"
NOT_NEEDED = "not needed"
"""Ruled out by its marker; or mlflow, where it is absent and the model is served without it."""
NOT_CHECKED = "not checked"
"""A path, a URL or an option of pip."""

_MLFLOW = ("mlflow", "mlflow-skinny", "mlflow-tracing")


@dataclass(frozen=True)
class Dependency:
    """One requirement held against an environment; ``status`` is one of the constants of this module."""

    requirement: str
    name: str | None
    installed: str | None
    status: str


def compare(lines: Iterable[str], environment: Mapping[str, Any], needs_mlflow: bool) -> tuple[Dependency, ...]:
    """Each requirement beside what ``modelport_runtime.distributions.describe`` said of an interpreter."""
    return tuple(_compared(line, environment, needs_mlflow) for line in lines)


def mismatches(lines: Iterable[str], environment: Mapping[str, Any], needs_mlflow: bool) -> str | None:
    """One sentence for the log about all that is missing or differs; None where nothing does."""
    found = [
        f"{dependency.requirement} (found {dependency.installed or 'none'})"
        for dependency in compare(lines, environment, needs_mlflow)
        if dependency.status in (DIFFERS, MISSING)
    ]
    if not found:
        return None
    return f"the model's requirements are not what its environment has: {', '.join(found)}"


def _compared(line: str, environment: Mapping[str, Any], needs_mlflow: bool) -> Dependency:
    requirement = parsed(line)
    if requirement is None:
        return Dependency(line, None, None, NOT_CHECKED)
    installed = environment["versions"].get(requirement.name)
    try:
        status = _status(requirement, installed, environment["markers"], needs_mlflow)
    except ValueError:  # a marker that compares what cannot be compared, an installed version that is none
        status = NOT_CHECKED
    return Dependency(line, requirement.name, installed, status)


def _status(requirement: "Requirement", installed: str | None, markers: Mapping[str, str], needs_mlflow: bool) -> str:
    from packaging.version import Version

    if requirement.marker is not None and not requirement.marker.evaluate({**markers, "extra": ""}):
        return NOT_NEEDED
    if installed is None:
        return NOT_NEEDED if requirement.name.lower() in _MLFLOW and not needs_mlflow else MISSING
    if requirement.url is not None:
        return NOT_CHECKED
    # A pre-release that is installed was wanted by somebody.
    return OK if requirement.specifier.contains(Version(installed), prereleases=True) else DIFFERS
