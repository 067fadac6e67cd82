"""A file that appears whole or not at all: written without a name, and named when it is finished."""

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from modelport.errors import ModelportError


class Output(Protocol):
    """Where bytes go, and what becomes of them."""

    name: str
    file: BinaryIO

    def commit(self) -> None:
        """All was written: let it be seen."""

    def discard(self) -> None:
        """Leave nothing behind."""


class Draft:
    """A file at ``path``, seen by nobody before ``commit``; whatever was there stays until then.

    Where the file system can, the draft has no name at all, so that not even a killed process leaves it behind.
    """

    def __init__(self, path: str) -> None:
        self.name = path
        self._target = Path(os.path.realpath(path))  # a symbolic link stays one
        self._hidden = self._target.with_name(f".{self._target.name}.{os.getpid()}.draft")
        self._has_name = False
        with writing(path):
            self.file: BinaryIO = os.fdopen(self._open(), "wb")

    def _open(self) -> int:
        flags = getattr(os, "O_TMPFILE", None)
        if flags is not None:
            try:
                return os.open(self._target.parent, flags | os.O_WRONLY | os.O_CLOEXEC, 0o666)
            except OSError as error:
                if error.errno not in (errno.EOPNOTSUPP, errno.EISDIR, errno.EINVAL):
                    raise
        self._has_name = True
        return os.open(self._hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)

    def commit(self) -> None:
        with writing(self.name):
            self.file.flush()
            with contextlib.suppress(FileNotFoundError):  # a file that is replaced keeps its permissions
                os.fchmod(self.file.fileno(), stat.S_IMODE(os.stat(self._target).st_mode))
            os.fsync(self.file.fileno())
            if not self._has_name:
                self._link()
            if self._has_name:
                os.replace(self._hidden, self._target)
                self._has_name = False
            self.file.close()

    def _link(self) -> None:
        """Give the nameless file its name, or a hidden one where that is taken."""
        held = f"/proc/self/fd/{self.file.fileno()}"
        root = os.open("/", os.O_RDONLY)  # with a folder given, Python follows the link, as the system must be told to
        try:
            try:
                os.link(held, self._target, src_dir_fd=root)
            except FileExistsError:
                os.link(held, self._hidden, src_dir_fd=root)
                self._has_name = True
        finally:
            os.close(root)

    def discard(self) -> None:
        with contextlib.suppress(OSError):  # what is still buffered may not fit on a full disk
            self.file.close()
        if self._has_name:
            with contextlib.suppress(OSError):
                os.unlink(self._hidden)


class Stream:
    """Standard output, or a path that is no file (a pipe, ``/dev/null``): written as it comes."""

    def __init__(self, path: str | None) -> None:
        self.name = "standard output" if path is None else path
        with writing(self.name):
            self.file: BinaryIO = open(1 if path is None else path, "wb", closefd=path is not None)  # noqa: SIM115

    def commit(self) -> None:
        with writing(self.name):
            self.file.flush()

    def discard(self) -> None:
        with contextlib.suppress(OSError):
            self.file.close()


def output_at(path: str | None) -> Output:
    """The output at a path; None: standard output."""
    if path is None or (os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)):
        return Stream(path)
    if os.path.isdir(path):
        raise ModelportError(f"{path!r} is a folder", code="IO_ERROR", hint="Name the file to be written.")
    return Draft(path)


@contextlib.contextmanager
def writing(name: str) -> Iterator[None]:
    """What the system says goes wrong, as a ModelportError that names the file."""
    try:
        yield
    except OSError as error:
        raise ModelportError(
            f"{name} cannot be written: {error.strerror or error}",
            code="IO_ERROR",
            hint="The disk is full." if error.errno == errno.ENOSPC else None,
        ) from None
