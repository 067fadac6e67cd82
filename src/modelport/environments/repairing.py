"""A damaged environment made anew from its lock, while models may be running in it.

A virtual environment is bound to its path, and running workers import from there. So the new one is built and checked beside
it, relocatable, and put in its place by renaming: what a worker imports later is there, in the version it expects.
"""

import os
import shutil
from pathlib import Path
from typing import Any

from modelport.environments import check, interpreters, uv
from modelport.environments.building import build
from modelport.environments.interpreters import Interpreter
from modelport.environments.progress import Stages
from modelport.environments.resolving import FILES
from modelport.environments.store import Environment, Store
from modelport.environments.verifying import Damage, damages
from modelport.errors import EnvironmentFailed, NotFound
from modelport.model import environment_spec, mlmodel
from modelport.model.environment_spec import EnvironmentSpec
from modelport.model.requirement_lines import LocalFile


def repair(store: Store, environment: Environment, home: Path, *, offline: bool) -> list[Damage]:
    """Make it what its lock says, if it is not; what was wrong.

    Raises:
        NotFound: nothing is known of how it was made, or no model is left to check it with.
        EnvironmentFailed: it cannot be built anew; it stays as it is.
    """
    with store.locked(environment.id):
        environment = store.environment(environment.id)
        found = _resolution(store, environment)
        lock = tuple(found["lock"])
        wrong = damages(environment, lock)
        if not wrong:
            return []
        model = _model(environment)
        altered = {damage.distribution for damage in wrong if damage.is_altered and _is_shared(damage.file)}
        if altered:
            _clean(sorted(filter(None, altered)), environment, store)
        spec = _spec(environment, found, model)
        draft = Environment(environment.id, store.root / f".repair-{environment.id}", None)
        build(
            draft,
            lock,
            spec,
            _interpreter(found),
            check.loading(model, mlmodel.read(model), home),
            home=home,
            cutoff=found["cutoff"],
            offline=offline,
            stages=Stages(environment.id),
        )
        still = damages(store.at(draft.id, draft.folder), lock)
        if still:
            shutil.rmtree(draft.folder, ignore_errors=True)
            raise EnvironmentFailed(
                f"environment {environment.id} is not what its lock says even when it is new: {still[0].says}",
                hint=f"The log: {environment.log}",
            )
        _put(draft.folder, environment.folder, store.root / f".gone-{environment.id}")
    return wrong


def _clean(names: list[str], environment: Environment, store: Store) -> None:
    """Out of uv's cache: a file that was written to in place is the one that lies there as well."""
    try:
        uv.run(["cache", "clean", *names], environment.log, store.root)
    except uv.UvFailed as failure:
        raise EnvironmentFailed(
            f"what has been altered cannot be taken out of uv's cache: {failure.output.strip()[-300:]}",
            hint=f"Try again when no other uv is running. The log: {environment.log}",
        ) from None


def _put(draft: Path, place: Path, aside: Path) -> None:
    shutil.rmtree(aside, ignore_errors=True)
    if place.exists():
        os.rename(place, aside)  # for some microseconds nothing is there: a folder cannot be replaced in one step
    os.rename(draft, place)
    shutil.rmtree(aside, ignore_errors=True)


def _resolution(store: Store, environment: Environment) -> dict[str, Any]:
    found = next((each for each in store.resolutions().values() if each["environment"] == environment.id), None)
    if found is None:
        made_by = (environment.state or {}).get("manager")
        why = f"{made_by} made it without a lock" if made_by not in (None, "uv") else "it has no lock"
        raise NotFound(
            f"environment {environment.id} cannot be repaired: {why}",
            hint=f"modelport environment remove {environment.id}, and it is built anew when a model needs it.",
        )
    return found


def _model(environment: Environment) -> Path:
    """The model that ran in it last, of those that are still there."""
    uses = environment.uses
    for path in sorted(uses, key=uses.__getitem__, reverse=True):
        if (Path(path) / mlmodel.FILE_NAME).is_file():
            return Path(path)
    raise NotFound(
        f"no model that has run in environment {environment.id} is there any more to check it with",
        hint=f"modelport environment remove {environment.id}",
    )


def _spec(environment: Environment, found: dict[str, Any], model: Path) -> EnvironmentSpec:
    """What installing the lock wants beside it: options, the model's own wheels, credentials in the model's files."""
    present = environment_spec.read(model, mlmodel.read(model))
    names = [(name, sha256) for name, sha256 in found["spec"]["local_files"].items()]
    kept = tuple(LocalFile(name, sha256, environment.folder / FILES / name) for name, sha256 in names)
    own = {(file.name, file.sha256): file for file in present.local_files}
    return EnvironmentSpec(
        requirements=tuple(found["spec"]["requirements"]),
        options=tuple(found["spec"]["options"]),
        local_files=tuple(own.get((file.name, file.sha256), file) for file in kept),
        credentials=present.credentials,
    )


def _interpreter(found: dict[str, Any]) -> Interpreter:
    known = Interpreter(**found["interpreter"])
    if os.path.exists(known.path):
        return known
    other = interpreters.find(known.version)
    if other.version != known.version:
        raise EnvironmentFailed(
            f"the environment was made with Python {known.version} at {known.path}, which is gone",
            hint="Install it again, or remove the environment: it is built anew when a model needs it.",
            code="ENVIRONMENT_PYTHON_NOT_FOUND",
        )
    return other


def _is_shared(file: Path | None) -> bool:
    return file is not None and file.stat().st_nlink > 1
