"""Why a model cannot be loaded in an environment that has what was asked for: how its traceback ends, explained."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modelport.environments.failures import installed, modules, raised, system_libraries
from modelport.environments.failures.cause import failed
from modelport.environments.failures.index import Index
from modelport.environments.failures.installed import Installed
from modelport.environments.failures.raised import Raised
from modelport.environments.interpreters import Interpreter
from modelport.errors import EnvironmentFailed, ModelportError, WorkerFailed
from modelport.model import environment_spec, requirement_lines
from modelport.model.environment_spec import EnvironmentSpec
from modelport.workers.spec import WorkerSpec

_NO_MODULE = re.compile(r"No module named '?([\w.]+)'?")
_NO_LIBRARY = re.compile(r"(\S+\.so[.\d]*): cannot open shared object file")
_OTHER_BINARY = re.compile(
    r"dtype size changed|_ARRAY_API not found|numpy\.core\.multiarray failed to import|compiled using NumPy"
)
_SETUPTOOLS = ("pkg_resources", "setuptools", "distutils")
_WRITTEN_BY_SKLEARN = re.compile(rb"_sklearn_version.{0,12}?(\d+\.\d+[\w.]*)", re.DOTALL)
_LARGEST = 1 << 28
"""Bytes of a pickle that are looked through for the version that wrote it."""
_WROTE = {"numpy._core": ">=2", "numpy.core": "<2", "pandas.core.indexes.numeric": "<2"}
"""A module that only these versions of its distribution have: a pickle that wants it was written by one of them."""


@dataclass(frozen=True)
class _Case:
    error: ModelportError
    raised: Raised
    worker: WorkerSpec
    spec: EnvironmentSpec
    has: Installed
    index: Index | None
    """None for an interpreter that is taken as it is: nothing is downloaded to find out about it."""
    is_newest: bool
    """Whether packages may be newer than the model."""

    @property
    def log(self) -> Path | None:
        return None if self.index is None else self.index.log

    def asked(self, distribution: str) -> str | None:
        """The model's own requirement of it."""
        return next((line for line in self.spec.requirements if requirement_lines.name_of(line) == distribution), None)

    def is_pinned(self, distribution: str) -> bool:
        asked = self.asked(distribution)
        return asked is not None and not requirement_lines.is_without_version(asked)

    def failed(self, code: str, message: str, hint: str) -> EnvironmentFailed:
        error = failed(code, message, hint, self.log)
        error.traceback = self.error.traceback
        return error


def of_loading(
    error: ModelportError,
    worker: WorkerSpec,
    spec: EnvironmentSpec,
    interpreter: Interpreter,
    log: Path,
    *,
    cutoff: str | None,
    offline: bool,
) -> ModelportError:
    """Of the worker that loaded the model in its new environment."""
    if error.traceback is not None:
        with log.open("a", encoding="utf-8") as file:
            file.write(error.traceback)
    found = _found(error, worker, spec, Index(spec, interpreter, offline, log), is_newest=cutoff is None)
    if found is not None:
        return found
    hint = error.hint if error.traceback is not None else None  # what a worker said that just ended went to the log
    hint = f"{hint or 'The model itself is at fault, or what its files ask for.'}\nThe whole log: {log}"
    return WorkerFailed(error.message, code=error.code, hint=hint, traceback=error.traceback)


def of_starting(error: WorkerFailed, worker: WorkerSpec) -> ModelportError:
    """Of a worker in an interpreter that is taken as it is, or in an environment that was built for another model."""
    try:
        spec = environment_spec.read(worker.model_path, worker.mlmodel)
    except (OSError, ModelportError):
        return error
    return _found(error, worker, spec, None, is_newest=False) or error


def _found(
    error: ModelportError, worker: WorkerSpec, spec: EnvironmentSpec, index: Index | None, *, is_newest: bool
) -> EnvironmentFailed | None:
    last = raised.read(error.traceback or "")
    if last is None:
        return None
    has = installed.ask(worker.python, worker.sys_path)
    if has is None:
        return None
    case = _Case(error, last, worker, spec, has, index, is_newest)
    return _no_library(case) or _no_mlflow(case) or _no_module(case) or _other_pickle(case) or _other_version(case)


def _no_library(case: _Case) -> EnvironmentFailed | None:
    found = _NO_LIBRARY.search(case.raised.text)
    if found is None:
        return None
    library = found[1].rsplit("/", 1)[-1]
    needs = next((pin for pin in _passed(case)), "the model")
    return case.failed(
        "ENVIRONMENT_NO_SYSTEM_LIBRARY",
        f"{needs} needs the system library {library}, and this machine does not have it",
        system_libraries.to_have(library),
    )


def _no_mlflow(case: _Case) -> EnvironmentFailed | None:
    if case.raised.kind.endswith("ModelNotLoadable") and "mlflow" in (case.error.hint or ""):
        hint = "Have mlflow installed too: --keep-mlflow" if case.index is not None else f"{case.error.hint}."
        return case.failed("ENVIRONMENT_MISSING_PACKAGE", case.error.message, hint)
    return None


def _no_module(case: _Case) -> EnvironmentFailed | None:
    found = _NO_MODULE.search(case.raised.text) if case.raised.kind == "ModuleNotFoundError" else None
    if found is None or case.has.distribution(found[1]) not in (None, "setuptools"):
        return None
    module = found[1]
    who = next((pin for pin in _passed(case)), "the model")
    if module.split(".")[0] in _SETUPTOOLS:
        there = case.has.versions.get("setuptools")
        return case.failed(
            "ENVIRONMENT_NO_SETUPTOOLS",
            f"{who} takes {module.split('.')[0]} for granted, which Python {case.has.python} does not have "
            + (f"and setuptools {there} does not bring any more" if there else "without setuptools"),
            _with(case, "setuptools<81"),
        )
    name = modules.distribution_of(module)
    asked = case.asked(name)
    if asked is not None:
        return case.failed(
            "ENVIRONMENT_MISSING_PACKAGE",
            f"the model asks for {asked}, which {case.worker.python} does not have (no module {module})",
            _not_as_it_is(asked),
        )
    files = case.spec.source or "the model's files"
    version = None if case.index is None else case.index.newest(name, None if case.is_newest else case.spec.created)
    return case.failed(
        "ENVIRONMENT_MISSING_PACKAGE",
        f"{who} imports {module}, and {files} names nothing that brings it",
        _with(case, f"{name}=={version}" if version else name)
        if version is not None or case.index is None
        else f"Name what brings it, -r DISTRIBUTION: no index that is known here has one that is called {name}",
    )


def _other_pickle(case: _Case) -> EnvironmentFailed | None:
    if not case.raised.reading_a_pickle or _OTHER_BINARY.search(case.raised.text):
        return None
    recorded = environment_spec.recorded_versions(case.worker.mlmodel.get("flavors") or {})
    for name in dict.fromkeys([*_named(case), *recorded]):
        wrote, there = _written_by(case, name) or recorded.get(name), case.has.versions.get(name)
        if wrote is None or there is None or _fits(wrote, there):
            continue
        wanted = f"{name}{wrote}" if wrote[0] in "<>" else f"{name}=={wrote}"
        asks = f"its files ask for {case.asked(name)}" if case.is_pinned(name) else f"{case.has.pin(name)} is there"
        return case.failed(
            "ENVIRONMENT_OTHER_PICKLE",
            f"the model was pickled with {wanted.replace('==', ' ')}, and {asks}, which cannot read it: {case.raised.line}",
            f"Ask for the version that wrote it: -r '{wanted}'",
        )
    return None


def _other_version(case: _Case) -> EnvironmentFailed | None:
    """A package without a version that moved on, or one that is there in another version than the model asks for."""
    if case.raised.kind not in ("ImportError", "AttributeError", "ModuleNotFoundError", "ValueError", "TypeError"):
        return None
    candidates = [name for name in _named(case) if name in case.has.versions]
    if case.index is None:
        for name in candidates:
            asked = case.asked(name)
            if asked is not None and not requirement_lines.allows(asked, case.has.versions[name]):
                return case.failed(
                    "ENVIRONMENT_OTHER_VERSION",
                    f"the model asks for {asked}, and {case.worker.python} has {case.has.pin(name)}: {case.raised.line}",
                    _not_as_it_is(asked),
                )
        return None
    free = [name for name in candidates if not case.is_pinned(name)]
    if not case.is_newest or not free:
        return None
    day, then = _of_its_day(case, case.index)
    for name in free:
        if day is not None and name in then and then[name] != case.has.versions[name]:
            return case.failed(
                "ENVIRONMENT_OTHER_VERSION",
                f"no file of the model says which {name}; {case.has.pin(name)} was taken, "
                f"with which it cannot be loaded: {case.raised.line}",
                f"Ask for that of its day ({day}): -r {name}=={then[name]}"
                + (", or leave out --newest" if case.spec.created is not None else ""),
            )
    return None


def _of_its_day(case: _Case, index: Index) -> tuple[str | None, dict[str, str]]:
    """The day the model was made, else that of the newest package it names a version of; what was found as of then."""
    asked = [line for line in case.spec.requirements if " @ " not in line]
    if case.spec.created is not None:
        then = index.as_of(asked, case.spec.created)
        if then:
            return case.spec.created, then
    day = index.day_of(line for line in asked if "==" in line)
    return day, {} if day is None else index.as_of(asked, day)


def _named(case: _Case) -> Iterator[str]:
    """The distributions that the exception mentions or came through, nearest first; numpy where binaries disagree."""
    seen = ["numpy"] if _OTHER_BINARY.search(case.raised.text) else []
    seen += filter(None, map(case.has.distribution, case.raised.modules()))
    yield from dict.fromkeys(seen)


def _passed(case: _Case) -> Iterator[str]:
    """The distribution whose code raised, if it was one's."""
    for file, _, _ in reversed(case.raised.frames):
        if "importlib" in file or "/ctypes/" in file:
            continue
        found = re.search(r"site-packages/(\w+)", file)
        name = None if found is None else case.has.distribution(found[1])
        if name is not None:
            yield case.has.pin(name)
        return


def _written_by(case: _Case, name: str) -> str | None:
    """The version that wrote the model's pickle, as the pickle itself tells; or a condition on it."""
    if name == "scikit-learn":
        for path in sorted(case.worker.model_path.rglob("*.pkl")):
            if path.stat().st_size <= _LARGEST:
                found = _WRITTEN_BY_SKLEARN.search(path.read_bytes())
                if found is not None:
                    return found[1].decode()
    for module, condition in _WROTE.items():
        if module.split(".")[0] == name and re.search(rf"'{re.escape(module)}[.']", case.raised.text):
            return condition
    return None


def _fits(wrote: str, there: str) -> bool:
    from packaging.specifiers import SpecifierSet

    try:
        return SpecifierSet(wrote if wrote[0] in "<>" else f"=={wrote}").contains(there, prereleases=True)
    except ValueError:  # no versions as PEP 440 has them
        return wrote == there


def _with(case: _Case, requirement: str) -> str:
    quoted = f"'{requirement}'" if "<" in requirement else requirement
    if case.index is None:
        return f"Install it into {case.worker.python}, or leave out --env-manager local and name it: -r {quoted}"
    return f"Name it: -r {quoted}; for good: modelport update-pip-requirements add -m {case.worker.model_path} {quoted}"


def _not_as_it_is(asked: str) -> str:
    return f"Leave out --env-manager local and --python, so that {asked} is installed for it; or install it there."
