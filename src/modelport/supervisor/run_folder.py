"""The run folder: one supervisor at a time, the sockets of its workers, and the table that was last in force."""

import fcntl
import json
import logging
import os
import shutil
from pathlib import Path

from modelport.errors import CannotStart
from modelport.supervisor.table import Table

log = logging.getLogger("modelport.supervisor")

_LONGEST_SOCKET = 107
"""Bytes of a socket's path, sockaddr_un(7)."""
_LONGEST_NAME = len("/w9999999")


def take(folder: Path) -> int:
    """The descriptor of the folder's lock, which is ours as long as it is open.

    Raises:
        CannotStart: another supervisor has it, or it cannot be written.
    """
    try:
        folder.mkdir(0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise CannotStart(f"cannot use the folder '{folder}': {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.pread(lock, 20, 0).decode().strip() or "unknown"
        os.close(lock)
        raise CannotStart(
            f"a server runs with '{folder}' already (process {holder})",
            hint="Stop it, or choose another MODELPORT_HOME.",
        ) from None
    return lock


class RunFolder:
    """Ours until ``close``. ``lock`` is what ``take`` returned, where it was called before.

    Raises:
        CannotStart: another supervisor has it, it cannot be written, or its path is too long for sockets.
    """

    def __init__(self, folder: Path, lock: int | None = None) -> None:
        self.workers = folder / "w"
        """For the sockets and folders of workers; empty at the start."""
        self._table = folder / "table.json"
        if len(os.fsencode(self.workers)) + _LONGEST_NAME > _LONGEST_SOCKET:
            raise CannotStart(f"the path '{folder}' is too long for sockets", hint="Choose a shorter MODELPORT_HOME.")
        try:
            self._lock = take(folder) if lock is None else lock
            os.set_inheritable(self._lock, False)
            self.was_killed = bool(os.pread(self._lock, 1, 0))
            """Whether the one who had it before never gave it back."""
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)
            shutil.rmtree(self.workers, ignore_errors=True)
            self.workers.mkdir(0o700)
        except OSError as error:
            raise CannotStart(f"cannot use the folder '{folder}': {error.strerror}") from None

    def load(self) -> Table | None:
        """The table that was last in force; None where there is none."""
        try:
            return Table.from_dict(json.loads(self._table.read_text()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.error("%s cannot be read, and is left to control to make anew: %s", self._table, error)
            return None

    def save(self, table: Table) -> None:
        """Whoever reads it sees the whole old or the whole new one."""
        draft = self._table.with_suffix(".draft")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            json.dump(table.as_dict(), file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._table)

    def close(self) -> None:
        """Give it back, in order."""
        shutil.rmtree(self.workers, ignore_errors=True)
        os.ftruncate(self._lock, 0)
        os.close(self._lock)
