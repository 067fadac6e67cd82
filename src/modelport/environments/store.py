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

held_locks: set[int] = set()
"""Descriptors of the locks that this process holds while it builds. uv inherits them: one that outlives its builder, which was
killed, keeps the next builder waiting instead of writing into its folder."""
_in_use: dict[Path, int] = {}
"""Descriptors, open until this process ends, however it does: the system then lets the locks go."""


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
        self.root = home / "envs"

    def environment(self, id: str) -> Environment:
        return self.at(id, self.root / id)

    def at(self, id: str, folder: Path) -> Environment:
        """The environment with this id that lies elsewhere: a new one, until it is put in its place."""
        try:
            state = orjson.loads((folder / STATE).read_bytes())
        except (OSError, ValueError):
            state = None
        return Environment(id, folder, state)

    def environments(self) -> list[Environment]:
        """All of them, also what interrupted builds left."""
        if not self.root.is_dir():
            return []
        return [self.environment(path.name) for path in sorted(self.root.iterdir()) if len(path.name) == 16]

    def resolution(self, key: str) -> dict[str, Any] | None:
        """What was found for the spec with this key."""
        try:
            return orjson.loads(self._resolution(key).read_bytes())  # type: ignore[no-any-return]
        except (OSError, ValueError):
            return None

    def resolutions(self) -> dict[str, dict[str, Any]]:
        """Key of a spec → what was found for it."""
        keys = [path.stem for path in (self.root / "specs").glob("*.json")]
        return {key: found for key in keys if (found := self.resolution(key)) is not None}

    def keep_resolution(self, key: str, resolution: dict[str, Any]) -> None:
        write_whole(self._resolution(key), orjson.dumps(resolution, option=orjson.OPT_INDENT_2))

    def forget_resolution(self, key: str) -> None:
        self._resolution(key).unlink(missing_ok=True)

    def log_of(self, id: str) -> Path:
        folder = self.root / "logs"
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
        """Alone with this environment or spec among those who build, across processes; the seconds that were waited."""
        began = time.monotonic()
        with self._lock(id).open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            held_locks.add(file.fileno())
            try:
                yield time.monotonic() - began
            finally:
                held_locks.discard(file.fileno())

    def hold(self, id: str) -> None:
        """Models run in it for as long as this process lives: nobody removes it meanwhile. Waits for who removes it now.

        Workers end with the process that started them, so the lock is its alone.
        """
        path = self._lock(f"{id}.use")
        if path not in _in_use:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            fcntl.flock(descriptor, fcntl.LOCK_SH)
            _in_use[path] = descriptor

    @contextlib.contextmanager
    def claimed(self, id: str) -> Iterator[bool]:
        """Whether nobody builds it or holds it; if so, nobody does until the end."""
        with self._lock(id).open("w") as building, self._lock(f"{id}.use").open("a") as using:
            try:
                fcntl.flock(building, fcntl.LOCK_EX | fcntl.LOCK_NB)
                fcntl.flock(using, fcntl.LOCK_EX | fcntl.LOCK_NB)
                free = True
            except BlockingIOError:
                free = False
            yield free

    def holders(self, id: str) -> list[int]:
        """Ids of the processes that hold it, as far as the system tells."""
        try:
            inode = str(self._lock(f"{id}.use").stat().st_ino)
            lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
        except OSError:
            return []
        return sorted(int(line[4]) for line in lines if "FLOCK" in line and line[5].rpartition(":")[2] == inode)

    def _lock(self, name: str) -> Path:
        folder = self.root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name

    def _resolution(self, key: str) -> Path:
        return self.root / "specs" / f"{key}.json"


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
