"""The form of every failure: a stable code, what was asked and found, the one thing to do, where the whole log is."""

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path

from modelport.errors import EnvironmentFailed

_PRUNE = "modelport environment prune removes what no model has used lately; MODELPORT_HOME names another place."


def failed(code: str, message: str, hint: str, log: Path | None) -> EnvironmentFailed:
    """The error of one cause. ``log``: None where uv had no part in it."""
    if log is not None:
        hint = f"{hint}\nThe whole log: {log}"
    return EnvironmentFailed(message, hint=hint, code=code)


@contextlib.contextmanager
def room_on(home: Path) -> Iterator[None]:
    """What is written under ``home`` meanwhile may find no room there."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise disk_full(home) from None


def disk_full(where: Path | str, hint: str = _PRUNE) -> EnvironmentFailed:
    """Of a write for which there is no room; ``where``: a path on that disk."""
    return EnvironmentFailed(
        f"no room is left on the disk of {where}",
        hint=hint,
        code="ENVIRONMENT_DISK_FULL",
    )
