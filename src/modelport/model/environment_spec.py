"""What a model's own files say of the environment it needs; docs/environments.md explains which file decides.

``requirements.txt`` (else the dependencies in ``python_env.yaml``, else the pip section of ``conda.yaml``) names the
packages, ``python_env.yaml`` (else ``conda.yaml``, else the MLmodel file) the Python, ``conda.yaml`` what only conda was asked
for, and the MLmodel file the versions that nothing else names.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from modelport.errors import ModelportError
from modelport.model import azure_packages, conda_packages, mlmodel, requirement_lines
from modelport.model.requirement_lines import LocalFile, RequirementLines
from modelport_runtime.flavors import flavor_for, generic, python_function

REQUIREMENTS, PYTHON_ENV, CONDA = "requirements.txt", "python_env.yaml", "conda.yaml"

_RECORDED = {
    "sklearn": ("scikit-learn", "sklearn_version"),
    "xgboost": ("xgboost", "xgb_version"),
    "lightgbm": ("lightgbm", "lgb_version"),
    "catboost": ("catboost", "catboost_version"),
    "onnx": ("onnx", "onnx_version"),
    "pytorch": ("torch", "pytorch_version"),
    "statsmodels": ("statsmodels", "statsmodels_version"),
    "prophet": ("prophet", "prophet_version"),
    "python_function": ("cloudpickle", "cloudpickle_version"),
}
"""Flavor → the distribution whose version it notes, and the key it notes it under."""
_NOT_AT_RUN_TIME = ("pip", "wheel")
"""Build dependencies that no model imports, and that are not used to build anything here."""


@dataclass(frozen=True)
class EnvironmentSpec:
    """The environment that a model asks for, normalised: what means the same is the same.

    ``python`` is a version or a list of conditions (``>=3.8,<3.11``); ``created`` the day the model was made (``2024-05-31``).
    """

    python: str | None = None
    requirements: tuple[str, ...] = ()
    """PEP 508, sorted, one or more for a name; files of the model as ``name @ file`` and their hash in ``local_files``."""
    build_dependencies: tuple[str, ...] = ()
    """What the model's environment had before its packages, such as a setuptools that code imports."""
    constraints: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    """Of pip, as they stand in ``requirements.txt``, without credentials."""
    local_files: tuple[LocalFile, ...] = ()
    channels: tuple[str, ...] = ()
    conda: tuple[str, ...] = ()
    """What ``conda.yaml`` asks of conda itself, as it stands there: for who builds with conda."""
    created: str | None = None
    mlflow_version: str | None = None
    source: str | None = field(default=None, compare=False)
    """The file that named the packages."""
    notes: tuple[str, ...] = field(default=(), compare=False)
    """What was decided where the files disagree or say nothing: for people."""
    problems: tuple[ModelportError, ...] = field(default=(), compare=False)
    """Why nothing can be built from it."""
    credentials: Mapping[str, tuple[str, str]] = field(default_factory=dict, compare=False, repr=False)
    """Index without credentials → the user and password that the model's own file holds; never written anywhere."""

    @property
    def says_nothing(self) -> bool:
        """Whether no file of the model names a package."""
        return not self.requirements and not self.conda

    @property
    def names(self) -> tuple[str, ...]:
        """The distributions that are asked for by name."""
        return tuple(dict.fromkeys(filter(None, map(requirement_lines.name_of, self.requirements))))

    def as_dict(self) -> dict[str, Any]:
        """What makes one spec another, as JSON has it; without credentials."""
        return {
            "python": self.python,
            "requirements": list(self.requirements),
            "build_dependencies": list(self.build_dependencies),
            "constraints": list(self.constraints),
            "options": list(self.options),
            "local_files": {file.name: file.sha256 for file in self.local_files},
            "channels": [re.sub(r"(?<=://)[^/\s@]+@|(?<=/t/)[^/]+", "****", channel) for channel in self.channels],
            "conda": list(self.conda),
            "created": self.created,
            "mlflow_version": self.mlflow_version,
        }

    def key(self, *choices: Any) -> str:
        """16 hexadecimal digits that stand for the spec and for ``choices`` of whoever builds it."""
        text = json.dumps([self.as_dict(), choices], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def read(folder: Path, content: Mapping[str, Any]) -> EnvironmentSpec:
    """The spec of the model in ``folder``; ``content`` is that of its MLmodel file. What is wrong stands in ``problems``."""
    flavors = {name: entry for name, entry in (content.get("flavors") or {}).items() if isinstance(entry, dict)}
    pyfunc = flavors.get("python_function", {})
    problems: list[ModelportError] = []
    python_env = _map_of(folder / PYTHON_ENV, problems)
    of_conda: list[ModelportError] = []
    conda = _map_of(folder / _conda_name(pyfunc), of_conda)
    asked_of_conda = conda_packages.read(conda)
    notes: list[str] = []
    source, lines = _packages(folder, python_env, asked_of_conda.pip, notes)
    if source in (REQUIREMENTS, PYTHON_ENV):  # which say enough
        notes += [f"{problem.message}: not needed, as {source} decides" for problem in of_conda]
    else:
        problems += of_conda
    python = _python(python_env, asked_of_conda.python, pyfunc, notes)
    requirements = _with_conda(lines.requirements, asked_of_conda.on_pypi, source, notes)
    if asked_of_conda.left_out:
        notes.append(f"left out of {CONDA}, as no Python packages: {', '.join(asked_of_conda.left_out)}")
    if requirements or python_env or asked_of_conda.asked:
        requirements = set(_with_recorded_versions(requirements, flavors, notes))
    if _is_served_by_a_named_flavor(pyfunc):  # otherwise its code may import them
        kept, left_out = azure_packages.parted(requirements)
        requirements = set(kept)
        notes += [azure_packages.told(left_out)] if left_out else []
    named = set(map(requirement_lines.name_of, requirements))
    return EnvironmentSpec(
        python=python,
        requirements=tuple(sorted(requirements)),
        build_dependencies=tuple(sorted(_build_dependencies(python_env, asked_of_conda, named))),
        constraints=tuple(sorted(lines.constraints)),
        options=lines.options,
        local_files=lines.local_files,
        channels=asked_of_conda.channels,
        conda=asked_of_conda.asked,
        created=_day(content.get("utc_time_created")),
        mlflow_version=_text(content.get("mlflow_version")),
        source=source,
        notes=(*notes, *lines.notes),
        problems=(*problems, *lines.problems),
        credentials=lines.credentials,
    )


def _is_served_by_a_named_flavor(pyfunc: Mapping[str, Any]) -> bool:
    loader = pyfunc.get("loader_module")
    return loader is not None and flavor_for(str(loader)) not in (generic, python_function)


def _packages(
    folder: Path, python_env: Mapping[str, Any], conda_pip: tuple[str, ...], notes: list[str]
) -> tuple[str | None, RequirementLines]:
    of_python_env = [line for line in _texts(python_env.get("dependencies")) if not _names_requirements_txt(line)]
    found = {
        REQUIREMENTS: requirement_lines.read(folder, REQUIREMENTS) if (folder / REQUIREMENTS).exists() else None,
        PYTHON_ENV: requirement_lines.of_lines(folder, of_python_env, PYTHON_ENV) if of_python_env else None,
        CONDA: requirement_lines.of_lines(folder, conda_pip, CONDA) if conda_pip else None,
    }
    present = {
        source: lines for source, lines in found.items() if lines is not None and (lines.requirements or lines.problems)
    }
    if not present:
        return None, RequirementLines()
    source, chosen = next(iter(present.items()))
    for other, lines in present.items():
        only_there = sorted(set(lines.requirements) - set(chosen.requirements))
        if other != source and only_there:
            notes.append(f"{source} decides; {other} says otherwise: {', '.join(only_there)}")
    return source, chosen


def _names_requirements_txt(line: str) -> bool:
    return re.fullmatch(r"(-r|--requirement)[ =]*(\./)?requirements\.txt", line.strip()) is not None


def _with_conda(
    requirements: tuple[str, ...], on_pypi: Mapping[str, str], source: str | None, notes: list[str]
) -> set[str]:
    """With what only conda was asked for; its versions where the file that names the packages has none."""
    by_name = _by_name(requirements)
    only_there = []
    for name, line in on_pypi.items():
        lines = by_name.get(name, [])
        if not lines:
            only_there.append(line)
            by_name[name] = [line]
        elif all(map(requirement_lines.is_without_version, lines)):
            if not requirement_lines.is_without_version(line):
                notes.append(f"{source} says no version of {name}: {CONDA} asks conda for {line}")
            by_name[name] = [requirement_lines.with_versions_of(each, line) for each in lines]
        elif any(requirement_lines.contradict(each, line) for each in lines):
            notes.append(f"{source} decides on {', '.join(lines)}; {CONDA} asks conda for {line}")
    if only_there:
        notes.append(f"{CONDA} asks conda for them, taken from the Python package index: {', '.join(only_there)}")
    return {line for lines in by_name.values() for line in lines}


def _by_name(requirements: Iterable[str]) -> dict[str | None, list[str]]:
    found: dict[str | None, list[str]] = {}
    for line in sorted(requirements):
        found.setdefault(requirement_lines.name_of(line), []).append(line)
    return found


def _python(
    python_env: Mapping[str, Any], of_conda: str | None, pyfunc: Mapping[str, Any], notes: list[str]
) -> str | None:
    said = {
        PYTHON_ENV: _python_version(python_env.get("python")),
        CONDA: of_conda,
        "the MLmodel file": _python_version(pyfunc.get("python_version")),
    }
    present = {source: version for source, version in said.items() if version}
    if not present:
        return None
    source, chosen = next(iter(present.items()))
    for other, version in present.items():
        if other != source and not _agree(version, chosen):
            notes.append(f"{source} decides on Python {chosen}; {other} says {version}")
    return chosen


def _python_version(value: Any) -> str | None:
    """As a text: YAML takes an unquoted 3.10 for the number 3.1."""
    return "3.10" if value == 3.1 and isinstance(value, float) else _text(value)


def _agree(one: str, other: str) -> bool:
    """Whether two versions of Python, or conditions, say the same, one perhaps more exactly."""
    if one[0].isdigit() and other[0].isdigit():
        return f"{one}.".startswith(f"{other}.") or f"{other}.".startswith(f"{one}.")
    return requirement_lines.allows(f"python{one}", other) and requirement_lines.allows(f"python{other}", one)


def _build_dependencies(
    python_env: Mapping[str, Any], conda: conda_packages.Asked, named: set[str | None]
) -> Iterator[str]:
    given = _texts(python_env.get("build_dependencies"))
    for line in given if given else conda.build_dependencies:
        normal = requirement_lines.normal(line)
        if normal is not None and requirement_lines.name_of(normal) not in {*named, *_NOT_AT_RUN_TIME}:
            yield normal


def recorded_versions(flavors: Mapping[str, Any]) -> dict[str, str]:
    """Distribution → the version that the flavors of an MLmodel file note: the model was made with it."""
    return {
        name: str(flavors[flavor][key]).partition("+")[0]
        for flavor, (name, key) in _RECORDED.items()
        if isinstance(flavors.get(flavor), Mapping) and flavors[flavor].get(key)
    }


def _with_recorded_versions(
    requirements: set[str], flavors: Mapping[str, Mapping[str, Any]], notes: list[str]
) -> Iterator[str]:
    """The MLmodel file notes with which version a model was made: taken where no other file names one."""
    recorded = recorded_versions(flavors)
    recorded = {name: version for name, version in recorded.items() if requirement_lines.pinned(f"{name}=={version}")}
    for name, lines in _by_name(requirements).items():
        version = recorded.pop(name or "", None)
        if version is None:
            yield from lines
        elif all(requirement_lines.is_without_version(line) for line in lines):
            notes.append(f"no file says which {name}: the model was made with {version}")
            yield from (requirement_lines.with_versions_of(line, f"{name}=={version}") for line in lines)
        else:
            if not all(requirement_lines.allows(line, version) for line in lines):
                notes.append(f"{', '.join(lines)} decides; the MLmodel file says the model was made with {version}")
            yield from lines
    for name, version in recorded.items():
        notes.append(f"no file names {name}: the model was made with {version}")
        yield f"{name}=={version}"


def _conda_name(pyfunc: Mapping[str, Any]) -> str:
    env = pyfunc.get("env")
    name = env.get("conda") if isinstance(env, dict) else env
    return Path(str(name)).name if name else CONDA


def _map_of(path: Path, problems: list[ModelportError]) -> Mapping[str, Any]:
    if not path.exists():
        return {}
    try:
        found = mlmodel.read_yaml(path)
    except ModelportError as problem:
        problems.append(problem)
        return {}
    return found if isinstance(found, dict) else {}


def _texts(value: Any) -> list[str]:
    return [str(item) for item in value if isinstance(item, (str, int, float))] if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    return None if value is None or value == "" else str(value)


def _day(stamp: Any) -> str | None:
    found = re.match(r"\d{4}-\d\d-\d\d", str(stamp or ""))
    return None if found is None else found.group()
