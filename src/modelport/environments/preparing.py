"""The way from a model to the interpreter it runs in: its spec, what was found for that, the environment of just that."""

import hashlib
import logging
import platform
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, NamedTuple, NotRequired, TypedDict, Unpack

from modelport.environments import conda, packaged, resolving
from modelport.environments.building import build
from modelport.environments.failures.cause import room_on
from modelport.environments.interpreters import Interpreter, find
from modelport.environments.progress import Stages
from modelport.environments.resolving import Resolution
from modelport.environments.store import Environment, Store
from modelport.model import environment_spec, mlmodel
from modelport.model.environment_spec import EnvironmentSpec
from modelport.model.package import Package, around
from modelport.settings import EnvironmentSettings, SafetySettings
from modelport.workers.spec import WorkerSpec, admit, worker_spec

log = logging.getLogger("modelport")

_RECIPE = 1
"""Another number where the same spec is to be resolved anew, because this module goes about it otherwise."""


def worker_spec_of(
    folder: Path,
    content: dict[str, Any],
    settings: EnvironmentSettings,
    home: Path,
    spec_in: Callable[[str], WorkerSpec],
) -> WorkerSpec:
    """How the model in ``folder`` is run: ``spec_in`` of the interpreter of its environment, which is built if need be.

    ``content`` is that of its MLmodel file.

    Raises:
        EnvironmentFailed: the environment cannot be had.
        ModelNotLoadable: the model's files say nothing that can be understood, or the model cannot be loaded in it.
    """
    if settings.manager == "local":
        return spec_in(settings.python or sys.executable)
    prepared = prepare(folder, content, settings, home, spec_in)
    if prepared is None:
        return spec_in(sys.executable)
    return replace(spec_in(prepared.environment.python), sys_path=[])  # the user's PYTHONPATH is no part of it


class Start(TypedDict):
    """What else ``worker_spec`` is told of the workers."""

    workers: int
    name: str
    threads: int
    max_body: int
    model_config: NotRequired[dict[str, Any] | None]
    allow_python_mismatch: NotRequired[bool]


def admitted_worker_spec(
    folder: Path, environment: EnvironmentSettings, safety: SafetySettings, home: Path, **start: Unpack[Start]
) -> WorkerSpec:
    """How the model in ``folder`` is run, if it may be: in its environment, which is built if need be.

    Raises:
        ModelNotAllowed: it brings what is not allowed. CannotStart: there is no sandbox on this machine.
        EnvironmentFailed, ModelNotLoadable: as ``worker_spec_of``.
    """
    content = mlmodel.read(folder)
    admit(folder, content, safety)

    def spec_in(python: str) -> WorkerSpec:
        return worker_spec(folder, content, python, home, safety=safety, **start)

    return worker_spec_of(folder, content, environment, home, spec_in)


class Ready(NamedTuple):
    """A complete environment, what was asked for, and the key of what was found for that."""

    environment: Environment
    spec: EnvironmentSpec
    key: str


def prepare(
    folder: Path,
    content: dict[str, Any],
    settings: EnvironmentSettings,
    home: Path,
    spec_in: Callable[[str], WorkerSpec],
) -> Ready | None:
    """The complete environment of a model, which this process then holds; None where no file of the model names a package.

    Raises:
        EnvironmentFailed: the environment cannot be had.
        ModelNotLoadable: the model's files say nothing that can be understood, or the model cannot be loaded in it.
    """
    with room_on(home):
        spec = _wanted(folder, content, settings)
        if spec is None:
            log.info("%s names no packages: it runs in the interpreter that runs modelport", folder)
            return None
        store, key = Store(home), _key_of(spec, content, settings)
        if settings.manager == "conda":
            environment = _made_by_conda(folder, spec, settings, store, spec_in)
            store.used(environment, folder)
            return Ready(environment, spec, key)
        package = around(folder)
        if package is not None:
            settings = replace(settings, offline=True)  # all is there
        found = _resolution(key, spec, content, settings, store, home, package)
        store.hold(found["environment"])  # before the look: nobody removes it in between
        environment = store.environment(found["environment"])
        if not environment.is_complete:
            environment = _built(environment, found, spec, settings, store, home, spec_in)
        store.used(environment, folder)
        return Ready(environment, spec, key)


def _wanted(folder: Path, content: dict[str, Any], settings: EnvironmentSettings) -> EnvironmentSpec | None:
    """What is asked for by the model and by who runs it; None where no file of the model names a package.

    Raises:
        ModelNotLoadable: the model's files say nothing that can be understood.
        InvalidInput: it came in a package, and something else is asked for than what that has.
    """
    package = around(folder)
    if package is not None:
        packaged.check_settings(settings)
        return packaged.spec_of(package)
    spec = environment_spec.read(folder, content)
    for problem in spec.problems:
        raise problem
    if spec.says_nothing:
        return None
    spec = resolving.overridden(spec, settings.overrides)
    return replace(spec, python=settings.python_version or spec.python)


def _key_of(spec: EnvironmentSpec, content: dict[str, Any], settings: EnvironmentSettings) -> str:
    """What stands for a spec and for the choices that change what is found for it."""
    loader = loader_module(content)
    with_mlflow = resolving.keeps_mlflow(loader, settings.mlflow)
    platforms = (platform.system(), platform.machine())
    interface = loader in resolving.SKLEARN_INTERFACES
    return spec.key(_RECIPE, settings.manager, settings.newest, with_mlflow, interface, *platforms)


def loader_module(content: dict[str, Any]) -> str | None:
    """The module that loads the model as a Python function, if its MLmodel file names one."""
    pyfunc = (content.get("flavors") or {}).get("python_function")
    module = pyfunc.get("loader_module") if isinstance(pyfunc, dict) else None
    return None if module is None else str(module)


def _resolution(
    key: str,
    spec: EnvironmentSpec,
    content: dict[str, Any],
    settings: EnvironmentSettings,
    store: Store,
    home: Path,
    package: Package | None,
) -> dict[str, Any]:
    found = store.resolution(key)
    if found is not None and Path(found["interpreter"]["path"]).exists():
        return found
    with store.locked(key):
        found = store.resolution(key)  # somebody else was quicker
        if found is not None and Path(found["interpreter"]["path"]).exists():
            return found
        if package is not None:
            found = _of_package(package, spec, store, home)
            store.keep_resolution(key, found)
            return found
        interpreter = find(spec.python)
        loader = loader_module(content)
        stages, log_file = Stages(key), store.log_of(key)
        log_file.unlink(missing_ok=True)
        with stages.stage("resolve", f"resolving {len(spec.requirements)} requirements"):
            resolution = resolving.resolve(
                spec,
                interpreter,
                loader,
                with_mlflow=resolving.keeps_mlflow(loader, settings.mlflow),
                newest=settings.newest,
                offline=settings.offline,
                log=log_file,
            )
        notes = [*spec.notes, *resolution.notes]
        if spec.python is not None and spec.python.count(".") == 2 and interpreter.version != spec.python:
            notes.append(f"Python {spec.python} is not here: {interpreter.version} ({interpreter.found_by}) is taken")
        for note in notes:
            log.warning("%s", note)
        found = _found(spec, interpreter, replace(resolution, notes=tuple(notes)), stages.seconds)
        store.keep_resolution(key, found)
        return found


def _of_package(package: Package, spec: EnvironmentSpec, store: Store, home: Path) -> dict[str, Any]:
    """Nothing is to be found any more: the package has the lock."""
    log_file = store.log_of(package.manifest.digest[:16])
    interpreter = packaged.interpreter_for(package, home / "runtime", log_file)
    return _found(spec, interpreter, Resolution(package.lock, cutoff=None, added=(), left_out=(), notes=()), {})


def _found(
    spec: EnvironmentSpec, interpreter: Interpreter, resolution: Resolution, seconds: dict[str, float]
) -> dict[str, Any]:
    """What is kept of a resolution, as JSON has it."""
    return {
        "environment": _id(resolution.lock, interpreter),
        "spec": spec.as_dict(),
        "interpreter": asdict(interpreter),
        **asdict(resolution),
        "seconds": seconds,
    }


def _built(
    environment: Environment,
    found: dict[str, Any],
    spec: EnvironmentSpec,
    settings: EnvironmentSettings,
    store: Store,
    home: Path,
    spec_in: Callable[[str], WorkerSpec],
) -> Environment:
    with store.locked(environment.id) as waited:
        if waited > 0.1:
            log.info("environment %s was being built by another process", environment.id)
        environment = store.environment(environment.id)
        if environment.is_complete:
            return environment
        store.log_of(environment.id).write_text("")
        stages = Stages(environment.id)
        build(
            environment,
            tuple(found["lock"]),
            spec,
            Interpreter(**found["interpreter"]),
            spec_in,
            home=home,
            cutoff=found["cutoff"],
            offline=settings.offline,
            stages=stages,
        )
        return store.environment(environment.id)


def _made_by_conda(
    folder: Path,
    spec: EnvironmentSpec,
    settings: EnvironmentSettings,
    store: Store,
    spec_in: Callable[[str], WorkerSpec],
) -> Environment:
    """Of the model's ``conda.yaml`` as it stands: conda resolves and installs in one step, so there is no lock."""
    id = spec.key(_RECIPE, "conda", settings.overrides)
    store.hold(id)
    if not store.environment(id).is_complete:
        conda.program()  # before anything is written
        with store.locked(id):
            if not store.environment(id).is_complete:
                store.log_of(id).write_text("")
                environment = store.environment(id)
                stages = Stages(id)
                conda.build(environment, folder, settings.overrides, spec_in, offline=settings.offline, stages=stages)
    return store.environment(id)


def _id(lock: tuple[str, ...], interpreter: Interpreter) -> str:
    text = "\n".join([platform.system(), platform.machine(), interpreter.version, *lock])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
