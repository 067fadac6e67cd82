"""The file that the workers of a set write to: appended to, and copied aside when it is large."""

import os
import shutil
from pathlib import Path

MAX_SIZE = 32 << 20
"""Bytes; as many again are kept in ``FILE.1``."""


class LogFile:
    """Open for appending, by workers too: whatever is written goes to its present end, also after it was emptied."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        self._path = path
        self.descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    @property
    def is_large(self) -> bool:
        return os.fstat(self.descriptor).st_size > MAX_SIZE

    def rotate(self) -> None:
        """Copy and empty it. What is written in the moment between the two is lost; workers go on with the file they have."""
        aside = self._path.with_name(f"{self._path.name}.1")
        draft = self._path.with_name(f"{self._path.name}.1.draft")
        with self._path.open("rb+") as source, os.fdopen(_private(draft), "wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
            source.truncate(0)
        draft.replace(aside)

    def close(self) -> None:
        os.close(self.descriptor)


def _private(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
