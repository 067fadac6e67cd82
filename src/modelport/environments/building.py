"""An environment made from a lock: created, filled, checked; complete when its state file is in place."""

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import orjson

from modelport.environments import json_library, uv
from modelport.environments.check import check
from modelport.environments.interpreters import Interpreter
from modelport.environments.progress import Stages
from modelport.environments.resolving import FILES
from modelport.environments.store import STATE, Environment, write_whole
from modelport.environments.uv import UvFailed
from modelport.errors import ModelportError
from modelport.model.environment_spec import EnvironmentSpec
from modelport.workers.spec import WorkerSpec

LOCK = "lock.txt"


def build(
    environment: Environment,
    lock: tuple[str, ...],
    spec: EnvironmentSpec,
    interpreter: Interpreter,
    spec_in: Callable[[str], WorkerSpec],
    *,
    home: Path,
    cutoff: str | None,
    offline: bool,
    stages: Stages,
) -> None:
    """Make ``environment``; ``spec_in(python)`` is how the model it is made for is loaded in it. All of it, or nothing.

    Raises:
        EnvironmentFailed: something cannot be had or installed.
        WorkerFailed: all is there, and the model cannot be loaded.
    """
    log = environment.log
    with whole_or_gone(environment):
        with (
            stages.stage("create", f"creating it with Python {interpreter.version}"),
            _uv_failing(spec, interpreter, offline, log),
        ):
            # Relocatable: what repairs it is built beside it, and renamed. In a folder that exists: the worker of a build that
            # was killed may still load the model, and leave bytecode there.
            arguments = ["venv", "--python", interpreter.path, "--no-project", "--allow-existing", "--relocatable"]
            arguments.append(str(environment.folder))
            uv.run(arguments, log, environment.folder.parent)
            _lay_out(environment, lock, spec)
        with (
            stages.stage("install", f"installing {len(lock)} packages"),
            _uv_failing(spec, interpreter, offline, log),
            ThreadPoolExecutor(1) as beside,
        ):
            fetching = beside.submit(json_library.fetch, interpreter, home / "runtime", offline=offline, log_file=log)
            install(environment, lock, spec, cutoff=cutoff, offline=offline)
            fetching.result()
        try:
            check_and_mark(
                environment, spec_in, stages, {"manager": "uv", "interpreter": interpreter.path, "packages": len(lock)}
            )
        except ModelportError as error:
            worker = spec_in(environment.python)
            from modelport.environments.failures.loading import of_loading

            raise of_loading(error, worker, spec, interpreter, log, cutoff=cutoff, offline=offline) from None


def check_and_mark(
    environment: Environment, spec_in: Callable[[str], WorkerSpec], stages: Stages, facts: Mapping[str, Any]
) -> None:
    """Load the model in the environment, and if that goes well call it complete.

    Raises:
        WorkerFailed: the model cannot be loaded.
    """
    with stages.stage("check", "loading the model and scoring its example"):
        told = check(spec_in(environment.python), environment.log)
    state = {
        "id": environment.id,
        "python": told["python"],
        **facts,
        "created": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "seconds": stages.seconds,
        "load_seconds": told["load_seconds"],
    }
    write_whole(environment.folder / STATE, orjson.dumps(state, option=orjson.OPT_INDENT_2))


def install(
    environment: Environment, lock: tuple[str, ...], spec: EnvironmentSpec, *, cutoff: str | None, offline: bool
) -> None:
    """Install exactly what the lock names, each file by its hash.

    Raises:
        UvFailed: something cannot be had or built.
    """
    files = (environment.folder / FILES).as_uri() + "/"
    wanted = environment.folder / "install.txt"
    options = [option for option in spec.options if option != "--pre"]
    lines = [line.replace(f" @ {FILES}", f" @ {files}", 1) for line in lock]
    hashed = [line for line in lines if " --hash=" in line]
    of_repositories = [line for line in lines if " --hash=" not in line]  # whose commit, in the line, is the hash
    arguments = ["pip", "install", "--python", environment.python, "--no-deps", "-r", str(wanted)]
    if cutoff is not None:  # for what source archives want in order to be built
        arguments += ["--exclude-newer", f"{cutoff}T23:59:59Z"]
    try:
        for some, also in ((hashed, ["--require-hashes"]), (of_repositories, [])):
            if some:
                wanted.write_text("".join(f"{line}\n" for line in (*options, *some)))
                _install([*arguments, *also], environment, spec, offline)
    finally:
        wanted.unlink(missing_ok=True)


def _install(arguments: list[str], environment: Environment, spec: EnvironmentSpec, offline: bool) -> None:
    """First as if there were no network: what lies in uv's cache is there a quarter sooner, and what does not costs 30 ms."""
    search = uv.as_pip_searches(spec.options)
    try:
        uv.run([*arguments, "--offline"], environment.log, environment.folder, spec.credentials, **search)
    except UvFailed:
        if offline:
            raise
        uv.run(arguments, environment.log, environment.folder, spec.credentials, **search)


def _lay_out(environment: Environment, lock: tuple[str, ...], spec: EnvironmentSpec) -> None:
    (environment.folder / LOCK).write_text("".join(f"{line}\n" for line in lock))
    named = " ".join(lock)
    for file in spec.local_files:
        if FILES + file.name in unquote(named):
            target = environment.folder / FILES / file.name
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(file.path, target)


@contextlib.contextmanager
def whole_or_gone(environment: Environment) -> Iterator[None]:
    """Nothing of the environment is left where what is done meanwhile fails."""
    shutil.rmtree(environment.folder, ignore_errors=True)
    try:
        yield
    except BaseException:
        shutil.rmtree(environment.folder, ignore_errors=True)
        raise


@contextlib.contextmanager
def _uv_failing(spec: EnvironmentSpec, interpreter: Interpreter, offline: bool, log: Path) -> Iterator[None]:
    try:
        yield
    except UvFailed as failure:
        from modelport.environments.failures.packages import of_installing

        raise of_installing(failure.output, spec, interpreter, offline, log) from None
