"""The environments that are there: what each is and costs, who uses it; removing them, one by one or what nobody needs."""

import contextlib
import os
import shutil
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from modelport.environments.store import STATE, Environment, Store
from modelport.errors import CannotStart, InvalidInput, NotFound
from modelport.model import location

READY, UNFINISHED, IN_WORK = "ready", "unfinished", "being built"
LEAVINGS = (".repair-", ".gone-")
"""How folders begin that a repair or a removal uses for a moment."""
_DAY = 24 * 3600


@dataclass(frozen=True)
class Room:
    """Bytes on the disk, each file counted once; ``shared`` of them have names elsewhere too, such as in uv's cache."""

    bytes: int
    shared: int


@dataclass(frozen=True)
class Overview:
    """One environment in a list. Times are UTC, as ISO 8601; ``models`` are those that have run in it and still exist."""

    id: str
    status: str
    """``ready``, ``unfinished`` or ``being built``."""
    python: str | None
    packages: int | None
    room: Room
    created: str | None
    last_used: str | None
    models: tuple[str, ...]
    folder: str

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Pruned:
    """Something that nobody needs: an environment, or what one has left behind. ``freed`` in bytes."""

    what: str
    why: str
    freed: int


def overviews(store: Store) -> list[Overview]:
    """All environments, those last that have been used last."""
    found = [overview(store, environment) for environment in store.environments()]
    return sorted(found, key=lambda each: each.last_used or "")


def overview(store: Store, environment: Environment) -> Overview:
    state, uses = environment.state or {}, environment.uses
    return Overview(
        id=environment.id,
        status=_status(store, environment),
        python=state.get("python"),
        packages=state.get("packages"),
        room=room([environment.folder]),
        created=state.get("created"),
        last_used=_moment(max(uses.values())) if uses else None,
        models=_existing(uses),
        folder=str(environment.folder),
    )


def room(folders: Iterable[Path]) -> Room:
    """What the folders need together."""
    sizes: dict[tuple[int, int], int] = {}
    links: dict[tuple[int, int], int] = {}
    names: Counter[tuple[int, int]] = Counter()
    for folder in folders:
        for facts in _files(folder):
            file = (facts.st_dev, facts.st_ino)
            names[file] += 1
            sizes[file], links[file] = facts.st_blocks * 512, facts.st_nlink
    shared = sum(size for file, size in sizes.items() if links[file] > names[file])
    return Room(sum(sizes.values()), shared)


def find(store: Store, beginning: str) -> Environment:
    """The environment whose id begins like this.

    Raises:
        NotFound: there is none.
        InvalidInput: there are several.
    """
    found = [environment for environment in store.environments() if environment.id.startswith(beginning)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise NotFound(
            f"no environment under {store.root} begins with '{beginning}'",
            hint="modelport environment list shows those that are there.",
        )
    several = ", ".join(environment.id for environment in found)
    raise InvalidInput(f"'{beginning}' is the beginning of several environments: {several}", hint="Give more of it.")


def of_model(store: Store, model_uri: str) -> Environment:
    """The environment that the model has run in last.

    Raises:
        NotFound: there is no such model, or none of the environments knows it.
    """
    folder = str(location.resolve(model_uri))
    used = {environment.uses.get(folder, 0.0): environment for environment in store.environments()}
    last = max(used, default=0.0)
    if not last:
        raise NotFound(
            f"{model_uri} has run in no environment under {store.root}",
            hint=f"modelport prepare-env -m {model_uri} builds the one that it asks for.",
        )
    return used[last]


def details(store: Store, environment: Environment, key: str | None = None) -> dict[str, Any]:
    """All that is known of it, as JSON has it. ``specs`` are what models asked for and what was decided on each; ``key``: on
    this one only."""
    resolutions = store.resolutions()
    if key in resolutions:
        resolutions = {key: resolutions[key]}
    specs = [found for found in resolutions.values() if found["environment"] == environment.id]
    locks = [found["lock"] for found in specs][:1]
    return {
        **overview(store, environment).as_json(),
        "interpreter": environment.python,
        "base_interpreter": (environment.state or {}).get("interpreter"),
        "manager": (environment.state or {}).get("manager"),
        "seconds": (environment.state or {}).get("seconds", {}),
        "log": str(environment.log) if environment.log.exists() else None,
        "uses": {model: _moment(when) for model, when in sorted(environment.uses.items())},
        "in_use_by": [pid for pid in store.holders(environment.id) if pid != os.getpid()],
        "requirements": [line.partition(" --hash")[0].strip() for lock in locks for line in lock],
        "notes": _all(specs, "notes"),
        "added": _all(specs, "added"),
        "left_out": _all(specs, "left_out"),
        "specs": [{**found["spec"], "cutoff": found["cutoff"]} for found in specs],
    }


def remove(store: Store, environment: Environment, force: bool = False) -> int:
    """Remove it, and the knowledge of which specs it was for; the bytes that are free now.

    Raises:
        CannotStart: a process builds it, or runs models in it and ``force`` is not given.
    """
    if force:
        with store.locked(environment.id):
            return _remove(store, environment)
    with store.claimed(environment.id) as free:
        if free:
            return _remove(store, environment)
    holders = store.holders(environment.id)
    by = f"by process {', '.join(map(str, holders))}" if holders else "by another process"
    raise CannotStart(
        f"environment {environment.id} is in use {by}",
        hint="Stop what runs in it, or say --force: what it has not imported yet, it will not find.",
        code="ENVIRONMENT_IN_USE",
    )


def prune(store: Store, older_than: float, dry_run: bool = False) -> list[Pruned]:
    """Remove what has not been used for ``older_than`` seconds, and what builds and removals have left behind."""
    before = time.time() - older_than
    done = [*_prune_environments(store, before, dry_run)]
    present = {environment.id for environment in store.environments()}
    return [*done, *_prune_leavings(store, present, before, dry_run)]


def _prune_environments(store: Store, before: float, dry_run: bool) -> Iterator[Pruned]:
    for environment in store.environments():
        why = _why_not_needed(environment, before)
        if why is None:
            continue
        with store.claimed(environment.id) as free:
            if not free or _why_not_needed(store.environment(environment.id), before) is None:
                continue
            freed = _freed([environment.folder]) if dry_run else _remove(store, environment)
            yield Pruned(environment.id, why, freed)


def _why_not_needed(environment: Environment, before: float) -> str | None:
    if environment.state is None:
        return "its build did not come to its end"
    with contextlib.suppress(OSError):
        used = max([*environment.uses.values(), (environment.folder / STATE).stat().st_mtime])
        if used <= before:
            return f"not used for {(time.time() - used) / _DAY:.0f} days"
    return None


def _prune_leavings(store: Store, present: set[str], before: float, dry_run: bool) -> Iterator[Pruned]:
    for path in _paths(store.root, "*"):
        begins = next((beginning for beginning in LEAVINGS if path.name.startswith(beginning)), None)
        if begins is None:
            continue
        with store.claimed(path.name.removeprefix(begins)) as free:
            if free:
                yield _pruned(path, "left behind by an interrupted repair or removal", dry_run)
    for path in _paths(store.root, "specs/*.json"):
        id = (store.resolution(path.stem) or {}).get("environment", path.stem)
        if id not in present:
            with store.claimed(id) as free:
                if free:  # else it is being built
                    yield _pruned(path, "what was found for a spec; its environment is gone", dry_run)
    resolved = store.resolutions()
    for path in _paths(store.root, "logs/*.log"):
        if path.stem not in present and path.stem not in resolved and path.stat().st_mtime <= before:
            yield _pruned(path, "the log of an environment that is not there", dry_run)
    for path in _paths(store.root, "uses/*"):
        if path.name not in present:
            with store.claimed(path.name) as free:
                if free:
                    yield _pruned(path, "the users of an environment that is not there", dry_run)


def _paths(root: Path, pattern: str) -> list[Path]:
    return sorted(root.glob(pattern))


def _pruned(path: Path, why: str, dry_run: bool) -> Pruned:
    freed = _freed([path])
    if not dry_run:
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    return Pruned(str(path), why, freed)


def _remove(store: Store, environment: Environment) -> int:
    """In an order in which nothing ever looks complete that is not."""
    freed = _freed([environment.folder])
    for key, found in store.resolutions().items():
        if found["environment"] == environment.id:
            store.forget_resolution(key)
            store.log_of(key).unlink(missing_ok=True)
    (environment.folder / STATE).unlink(missing_ok=True)
    shutil.rmtree(environment.folder, ignore_errors=True)
    shutil.rmtree(store.root / "uses" / environment.id, ignore_errors=True)
    environment.log.unlink(missing_ok=True)
    return freed


def _freed(folders: Iterable[Path]) -> int:
    needed = room(folders)
    return needed.bytes - needed.shared


def _status(store: Store, environment: Environment) -> str:
    if environment.state is not None:
        return READY if environment.is_complete else "its Python is gone"
    with store.claimed(environment.id) as free:
        return UNFINISHED if free else IN_WORK


def _existing(uses: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(model for model in uses if os.path.isdir(model)))


def _all(specs: Iterable[dict[str, Any]], key: str) -> list[str]:
    return list(dict.fromkeys(entry for found in specs for entry in found[key]))


def _moment(seconds: float) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _files(folder: Path) -> Iterator[os.stat_result]:
    """Of all that is in it, without following links; of a file, that file."""
    with contextlib.suppress(OSError):
        facts = folder.lstat()
        if not folder.is_dir():
            yield facts
            return
    for parent, folders, names in os.walk(folder):
        for name in (*folders, *names):
            with contextlib.suppress(OSError):  # somebody else was quicker
                facts = os.lstat(os.path.join(parent, name))
                if name in names or os.path.islink(os.path.join(parent, name)):
                    yield facts
