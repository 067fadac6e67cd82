"""From what a model asks for to what is installed: every distribution with its version and hashes, found by uv."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from modelport.environments import compiling
from modelport.environments.compiling import FILES, Compiled, Package
from modelport.environments.interpreters import Interpreter
from modelport.environments.uv import UvFailed
from modelport.errors import EnvironmentFailed, InvalidInput
from modelport.model import requirement_lines
from modelport.model.environment_spec import EnvironmentSpec
from modelport_runtime.flavors import flavor_for, needs_mlflow, python_function

__all__ = ["FILES", "MLFLOW", "SKLEARN_INTERFACES", "Resolution", "keeps_mlflow", "overridden", "resolve"]

MLFLOW = ("mlflow", "mlflow-skinny", "mlflow-tracing")
_CAME_WITH_MLFLOW = ("numpy", "pandas", "cloudpickle")
"""What mlflow brought every model, and what the worker itself needs to read rows and pickles."""
_WITH_PKG_RESOURCES = "setuptools<81"
"""Virtual environments had setuptools before Python 3.12, and code of that time imports it unasked."""
_WAYS = 6
"""How often uv is asked, the last time without a day: each time costs what an answer costs."""
_NO_DATES = (
    "an index does not say since when it has its files: the newest versions are taken, not those of the model's day"
)
_DEPENDS_ON_THE_DAY = ("No solution found", "Failed to build", "Failed to resolve")
"""What uv says where other versions may help: there are none, or they cannot be built."""
SKLEARN_INTERFACES = ("mlflow.sklearn", "mlflow.xgboost", "mlflow.lightgbm", "mlflow.catboost")


@dataclass(frozen=True)
class Resolution:
    """``lock``: requirements with hashes, a line each, sorted, the same on every machine of this platform and Python."""

    lock: tuple[str, ...]
    cutoff: str | None
    """Nothing is newer than this day; None: the newest of today, or there are exceptions."""
    added: tuple[str, ...]
    """Names that no file of the model mentions."""
    left_out: tuple[str, ...]
    """Names that only mlflow brings."""
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Way:
    """One way to search: nothing newer than ``day``, but for the names of ``of_any_day``; what to tell where it leads on."""

    day: str | None
    of_any_day: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


def keeps_mlflow(loader_module: str | None, wanted: bool | None) -> bool:
    """Whether mlflow itself is installed: for what nothing else can load, for Python models, and where it is wanted."""
    if wanted is not None or loader_module is None:
        return bool(wanted)
    return flavor_for(loader_module) is python_function or needs_mlflow(loader_module)


def overridden(spec: EnvironmentSpec, overrides: Iterable[str]) -> EnvironmentSpec:
    """The spec with the requirements of ``overrides`` in the place of its own for the same packages.

    Raises:
        InvalidInput: one of them is no requirement.
    """
    overrides = tuple(overrides)
    given = requirement_lines.of_lines(Path.cwd(), overrides, "--pip-requirements-override")
    if given.problems:
        raise InvalidInput(
            f"--pip-requirements-override cannot be read: {', '.join(overrides)}",
            hint="NAME==VERSION, several with commas between them.",
        )
    names = set(map(requirement_lines.name_of, given.requirements))
    kept = [line for line in spec.requirements if requirement_lines.name_of(line) not in names]
    return replace(
        spec,
        requirements=tuple(sorted([*kept, *given.requirements])),
        local_files=(*spec.local_files, *given.local_files),
        credentials={**spec.credentials, **given.credentials},
    )


def resolve(
    spec: EnvironmentSpec,
    interpreter: Interpreter,
    loader_module: str | None,
    *,
    with_mlflow: bool,
    newest: bool,
    offline: bool,
    log: Path,
) -> Resolution:
    """Find the versions; as of the day the model was made, unless ``newest``.

    Raises:
        EnvironmentFailed: there are none.
    """
    _check_variables(spec)
    wanted, added = _wanted(spec, interpreter, with_mlflow)
    search = partial(_search, spec, interpreter, None if newest else spec.created, offline, log)
    try:
        try:
            compiled, way = search(wanted)
        except UvFailed as failure:
            without = [line for line in wanted if requirement_lines.name_of(line) not in MLFLOW]
            if with_mlflow or len(without) == len(wanted) or "mlflow" not in failure.output:
                raise
            if loader_module in SKLEARN_INTERFACES:
                without.append("scikit-learn")
            compiled, way = search(without)
            note = (
                "the mlflow that the model names cannot be had beside the rest, and is not needed: resolved without it"
            )
            way = replace(way, notes=(note, *way.notes))
    except UvFailed as failure:
        from modelport.environments.failures.packages import of_resolving

        raise of_resolving(_without_warnings(failure.output), spec, interpreter, offline, log) from None
    packages = compiled.packages
    kept = set(packages)
    if not with_mlflow:
        roots = set(map(requirement_lines.name_of, wanted)) - set(MLFLOW)
        if loader_module in SKLEARN_INTERFACES:
            roots.add("scikit-learn")
        kept = _reachable(packages, roots)
    return Resolution(
        lock=tuple(packages[name].line for name in sorted(kept)),
        cutoff=None if way.of_any_day else way.day,
        added=added,
        left_out=tuple(sorted(set(packages) - kept)),
        notes=way.notes,
    )


def _check_variables(spec: EnvironmentSpec) -> None:
    """What a URL leaves to the environment is filled in by uv, from variables that have to be there."""
    for line in (*spec.options, *spec.requirements):
        for name in requirement_lines.variables(line):
            if name not in os.environ:
                raise EnvironmentFailed(
                    f"the model's files say {line}, and there is no variable {name}",
                    hint=f"Set {name} in the environment.",
                    code="ENVIRONMENT_VARIABLE_NOT_SET",
                )


def _wanted(spec: EnvironmentSpec, interpreter: Interpreter, with_mlflow: bool) -> tuple[list[str], tuple[str, ...]]:
    """What uv is asked for, and what of it no file of the model names."""
    wanted = list(spec.requirements)
    names = set(map(requirement_lines.name_of, wanted))
    if with_mlflow and not names & set(MLFLOW) and spec.mlflow_version is not None:
        wanted.append(f"mlflow=={spec.mlflow_version}")
    wanted += (line for line in spec.build_dependencies if line != "setuptools")
    always = {requirement_lines.name_of(line) for line in wanted if ";" not in line}  # whatever the Python
    needed = dict.fromkeys(_CAME_WITH_MLFLOW)
    if _numbers(interpreter.minor) < (3, 12):
        needed[_WITH_PKG_RESOURCES] = None
    missing = [line for line in needed if requirement_lines.name_of(line) not in always]
    return wanted + missing, tuple(line for line in missing if requirement_lines.name_of(line) not in names)


def _search(
    spec: EnvironmentSpec, interpreter: Interpreter, day: str | None, offline: bool, log: Path, wanted: list[str]
) -> tuple[Compiled, _Way]:
    """What the first way that leads on finds, and which one that was; each is wider than the one before.

    Raises:
        UvFailed: none does.
    """
    pinned = frozenset(requirement_lines.name_of(line) or "" for line in wanted if requirement_lines.pinned(line))
    way, left = _Way(day), _WAYS
    while True:
        left -= 1
        try:
            compiled = compiling.compile(
                spec, wanted, interpreter, day=way.day, of_any_day=way.of_any_day, offline=offline, log=log
            )
        except UvFailed as failure:
            wider = _wider(way, failure.output, pinned)
            if wider is None:
                raise
            way = wider if left > 1 else _Way(None, notes=(_NO_DATES,))
            continue
        free = {requirement_lines.name_of(line) for line in spec.requirements} - pinned
        passed_over = ", ".join(sorted(compiled.undated & free))
        note = f"passed over: files of {passed_over} of which an index does not say since when it has them"
        return compiled, replace(way, notes=(*way.notes, note)) if passed_over else way


def _wider(way: _Way, output: str, pinned: frozenset[str]) -> _Way | None:
    """The next way to try after what uv said of this one; None: the day is not what stood in the way."""
    if way.day is None or not any(words in output for words in _DEPENDS_ON_THE_DAY):
        return None  # an index that does not answer will not do so for another day
    held_back, undated = compiling.held_back(output), compiling.undated(output)
    no_dates = sorted({name for name, published in held_back.items() if not published} & undated - way.of_any_day)
    note = f"an index does not say since when it has {', '.join(no_dates)}: the newest that fits is taken"
    if set(held_back) & pinned - way.of_any_day or (not no_dates and pinned - way.of_any_day):
        if not set(no_dates) & pinned:
            note = f"a version that is asked for is newer than the model ({way.day}): only the rest is as of that day"
        return replace(way, of_any_day=way.of_any_day | pinned, notes=(*way.notes, note))
    if no_dates:
        return replace(way, of_any_day=way.of_any_day | set(no_dates), notes=(*way.notes, note))
    note = (
        f"what is asked for cannot be had as of the day the model was made ({way.day}): the newest versions are taken"
    )
    return _Way(None, notes=(note,))


def _without_warnings(output: str) -> str:
    """What uv says of files it leaves out hides why it failed."""
    return "\n".join(line for line in output.splitlines() if not compiling.undated(line))


def _reachable(packages: Mapping[str, Package], roots: set[str | None]) -> set[str]:
    kept = {name for name in packages if name in roots}
    grown = True
    while grown:
        more = {name for name, package in packages.items() if name not in kept and kept & set(package.required_by)}
        kept |= more
        grown = bool(more)
    return kept


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))
