"""The file that the workers of a set write to: appended to, and its beginning moved aside when it is large."""

import ctypes
import os
import shutil
from pathlib import Path

MAX_SIZE = 32 << 20
"""Bytes; as many again are kept in ``FILE.1``."""
STEP = 1 << 20
"""Bytes: so much at a time can be taken out at the beginning, being a multiple of any file system's blocks."""
_COLLAPSE_RANGE = 0x08
"""fallocate(2): take a part out of a file; what lies behind it, and whoever appends, moves up."""


class LogFile:
    """Open for appending, by workers too: whatever is written goes to its present end, also after it became shorter."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(0o700, parents=True, exist_ok=True)
        self._path = path
        self.descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    @property
    def is_large(self) -> bool:
        return os.fstat(self.descriptor).st_size > MAX_SIZE

    def rotate(self) -> None:
        """Move its beginning to ``FILE.1``, up to the last ``STEP``: the two after each other are what was written.

        Workers go on with the file they have. Where the file system can take nothing out of a file (other than ext4 and XFS
        can), all of it is copied and then emptied, and what is written in the moment between the two is lost.
        """
        aside = self._path.with_name(f"{self._path.name}.1")
        draft = self._path.with_name(f"{self._path.name}.1.draft")
        with self._path.open("rb+") as source, os.fdopen(_private(draft), "wb") as target:
            beginning = (os.fstat(source.fileno()).st_size - 1) // STEP * STEP
            for _ in range(beginning // STEP):
                target.write(source.read(STEP))
            target.flush()
            draft.replace(aside)
            if not _take_out(source.fileno(), beginning):
                shutil.copyfileobj(source, target, STEP)
                source.truncate(0)

    def close(self) -> None:
        os.close(self.descriptor)


def _take_out(descriptor: int, size: int) -> bool:
    """Take so many bytes out at the beginning, which nobody who appends notices; False: this file system cannot."""
    fallocate = getattr(ctypes.CDLL(None), "fallocate", None)
    if fallocate is None:  # not Linux
        return False
    return bool(fallocate(descriptor, _COLLAPSE_RANGE, ctypes.c_long(0), ctypes.c_long(size)) == 0)


def _private(path: Path) -> int:
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
