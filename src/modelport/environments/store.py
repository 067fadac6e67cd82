"""Where environments lie: ``envs/ID`` each, complete when its state file is there; ``envs/specs`` says which spec got which.

Nothing here knows how they are made.
"""

import contextlib
import fcntl
import hashlib
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

STATE = "environment.json"
"""Renamed into its place when everything else is there."""


@dataclass(frozen=True)
class Environment:
    """One environment: complete, or what an interrupted build left (``state`` is None)."""

    id: str
    folder: Path
    state: dict[str, Any] | None

    @property
    def python(self) -> str:
        """The path of its interpreter."""
        return str(self.folder / "bin" / "python")

    @property
    def is_complete(self) -> bool:
        """Whether a model can run in it; not where the interpreter that it was made of has been removed."""
        return self.state is not None and os.path.exists(self.python)

    @property
    def log(self) -> Path:
        return self.folder.parent / "logs" / f"{self.id}.log"

    @property
    def uses(self) -> dict[str, float]:
        """Path of each model that has run in it → when it last did, in seconds since the epoch."""
        found = {}
        for path in _of_uses(self).glob("*"):
            with contextlib.suppress(OSError):
                found[path.read_text()] = path.stat().st_mtime
        return found


class Store:
    """The environments under one ``MODELPORT_HOME``."""

    def __init__(self, home: Path) -> None:
        self._root = home / "envs"

    def environment(self, id: str) -> Environment:
        folder = self._root / id
        try:
            state = orjson.loads((folder / STATE).read_bytes())
        except (OSError, ValueError):
            state = None
        return Environment(id, folder, state)

    def environments(self) -> list[Environment]:
        """All of them, also what interrupted builds left."""
        if not self._root.is_dir():
            return []
        return [self.environment(path.name) for path in sorted(self._root.iterdir()) if len(path.name) == 16]

    def resolution(self, key: str) -> dict[str, Any] | None:
        """What was found for the spec with this key."""
        try:
            return orjson.loads(self._resolution(key).read_bytes())  # type: ignore[no-any-return]
        except (OSError, ValueError):
            return None

    def resolutions(self) -> dict[str, dict[str, Any]]:
        """Key of a spec → what was found for it."""
        keys = [path.stem for path in (self._root / "specs").glob("*.json")]
        return {key: found for key in keys if (found := self.resolution(key)) is not None}

    def keep_resolution(self, key: str, resolution: dict[str, Any]) -> None:
        write_whole(self._resolution(key), orjson.dumps(resolution, option=orjson.OPT_INDENT_2))

    def forget_resolution(self, key: str) -> None:
        self._resolution(key).unlink(missing_ok=True)

    def log_of(self, id: str) -> Path:
        folder = self._root / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{id}.log"

    def used(self, environment: Environment, model: Path) -> None:
        """Note that the model runs in it."""
        folder = _of_uses(environment)
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / hashlib.sha256(str(model).encode()).hexdigest()[:16]
        if path.exists():
            os.utime(path)
        else:
            write_whole(path, str(model).encode())

    @contextlib.contextmanager
    def locked(self, id: str) -> Iterator[float]:
        """Alone with this environment or spec, across processes; the seconds that were waited."""
        folder = self._root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        with (folder / id).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield time.monotonic() - began

    def _resolution(self, key: str) -> Path:
        return self._root / "specs" / f"{key}.json"


def _of_uses(environment: Environment) -> Path:
    return environment.folder.parent / "uses" / environment.id


def write_whole(path: Path, content: bytes) -> None:
    """The file appears with all of its content, or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, draft = tempfile.mkstemp(dir=path.parent, prefix=".draft-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(draft, path)
    except BaseException:
        os.unlink(draft)
        raise
