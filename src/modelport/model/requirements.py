"""What a model wants installed, and how that compares with what an interpreter has. Never fails: a line that cannot be
read is not checked.

The interpreter says what it has (``modelport_runtime.distributions``); only this module compares.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelport.errors import ModelportError
from modelport.model import mlmodel

if TYPE_CHECKING:  # 20 ms, for who compares
    from packaging.requirements import Requirement

OK, DIFFERS, MISSING = "ok", "differs", "missing"
NOT_NEEDED = "not needed"
"""Ruled out by its marker; or mlflow, where it is absent and the model is served without it."""
NOT_CHECKED = "not checked"
"""A path, a URL or an option of pip."""

_MLFLOW = ("mlflow", "mlflow-skinny", "mlflow-tracing")
_COMMENT = re.compile(r"(^|\s)#.*$")
_OPTION = re.compile(r"\s--(hash|config-settings|global-option)\b.*$")


@dataclass(frozen=True)
class Wanted:
    """The requirements of a model, in the spelling of ``source``, the file they come from."""

    source: str | None
    lines: tuple[str, ...] = ()
    python: str | None = None
    """The version of Python."""
    names: tuple[str, ...] = ()
    """The distributions whose versions must be known."""


@dataclass(frozen=True)
class Dependency:
    """One requirement held against an environment; ``status`` is one of the constants of this module."""

    requirement: str
    name: str | None
    installed: str | None
    status: str


def wanted(folder: Path) -> Wanted:
    """Of ``requirements.txt``, else of ``python_env.yaml``, else of the pip section of ``conda.yaml``."""
    python_env, conda = _map_of(folder / "python_env.yaml"), _map_of(folder / "conda.yaml")
    conda_lines = _list_of(conda)
    pip_lines = pip_section(conda)
    python = python_env.get("python") or next(
        (line.partition("=")[2].strip("=") for line in conda_lines if line.startswith("python=")), None
    )
    python = None if python is None else str(python)
    for source, lines in (
        ("requirements.txt", _file_lines(folder / "requirements.txt")),
        ("python_env.yaml", [line for line in _list_of(python_env) if not line.startswith("-r")]),
        ("conda.yaml", pip_lines),
    ):
        if lines:
            names = tuple(found.name for found in map(parsed, lines) if found is not None)
            return Wanted(source, tuple(lines), python, names)
    return Wanted(None, (), python)


def pip_section(conda: Mapping[str, Any]) -> list[str] | None:
    """The requirements for pip in the content of a ``conda.yaml``; None where it has no such section."""
    dependencies = conda.get("dependencies")
    for entry in dependencies if isinstance(dependencies, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("pip"), list):
            return [str(line) for line in entry["pip"]]
    return None


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


def parsed(line: str) -> "Requirement | None":
    """A line as a requirement; None for what is no name with versions, such as a path or an option of pip."""
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(_OPTION.sub("", line))
    except InvalidRequirement:
        return None


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


def _file_lines(path: Path) -> list[str]:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return []
    lines = [_COMMENT.sub("", line).strip() for line in text.replace("\\\n", " ").splitlines()]
    return [line for line in lines if line]


def _map_of(path: Path) -> Mapping[str, Any]:
    try:
        found = mlmodel.read_yaml(path)
    except ModelportError:
        return {}
    return found if isinstance(found, dict) else {}


def _list_of(content: Mapping[str, Any]) -> list[str]:
    dependencies = content.get("dependencies")
    return [line for line in dependencies if isinstance(line, str)] if isinstance(dependencies, list) else []
