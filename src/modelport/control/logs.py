"""The logs of a deployment: what its workers write, and how its model and environment were prepared."""

import contextlib
import os
from pathlib import Path

from modelport.domain.online_deployment import OnlineDeployment
from modelport.domain.operations import Container

_BLOCK = 1 << 16


FOLDER = "logs"
"""In the home folder: one for each endpoint, in which is one for each deployment."""


def folder(home: Path, deployment: OnlineDeployment) -> Path:
    """Where its logs lie; those of an earlier deployment with the same name are elsewhere."""
    return home / FOLDER / deployment.endpoint_name / f"{deployment.name}-{deployment.id[:8]}"


def path(home: Path, deployment: OnlineDeployment, container: Container) -> Path:
    """Where one of them lies."""
    return folder(home, deployment) / f"{container}.log"


def opened(file: Path) -> Path:
    """The file, empty if it is new, for its owner alone."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600))
    return file


def left(folder: Path) -> None:
    """Its deployment was deleted now: from here on it is kept for a time."""
    with contextlib.suppress(OSError):
        os.utime(folder)


def told(file: Path, text: str) -> None:
    """Add the text, as far as there is room for it: nothing else depends on a log."""
    with contextlib.suppress(OSError), opened(file).open("a") as stream:
        stream.write(text)


def last_lines(file: Path, count: int) -> str:
    """Of the file and, where that is short, of the one before it; read from the end, whatever its size."""
    found = b""
    for part in (file, file.with_name(file.name + ".1")):
        missing = count - found.count(b"\n")
        if missing <= 0:
            break
        found = _tail(part, missing) + found
    return found.decode("utf-8", "replace")


def _tail(file: Path, count: int) -> bytes:
    try:
        with file.open("rb") as stream:
            end = stream.seek(0, os.SEEK_END)
            found = b""
            while end > 0 and found.count(b"\n") <= count:
                begin = max(0, end - _BLOCK)
                stream.seek(begin)
                found = stream.read(end - begin) + found
                end = begin
    except OSError:
        return b""
    lines = found.splitlines(keepends=True)
    return b"".join(lines[-count:])
