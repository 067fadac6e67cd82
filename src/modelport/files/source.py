"""The input: a file or standard input, read in blocks of bytes; and whether it stayed what it was."""

import codecs
import io
import os
import stat
from collections.abc import Callable, Iterator

from modelport.errors import InvalidInput, ModelportError, NotFound

MAX_ROW = 256 << 20
"""Bytes of one row of text: a quote that is never closed must not bring the whole file into memory."""


class Source:
    """Opened bytes. ``path`` None: standard input."""

    def __init__(self, path: str | None) -> None:
        self.path = path
        self.name = "standard input" if path is None else path
        self.consumed = 0
        try:
            # Unbuffered: a thread that waits for standard input must hold no lock when the process ends.
            self.file: io.RawIOBase = io.FileIO(0 if path is None else path, "rb", closefd=path is not None)
            self._before = os.fstat(self.file.fileno())
        except FileNotFoundError:
            raise NotFound(f"there is no input file {self.name!r}") from None
        except OSError as error:
            raise unreadable(self.name, error) from None
        self.is_regular = stat.S_ISREG(self._before.st_mode)

    @property
    def size(self) -> int | None:
        return self._before.st_size if self.is_regular else None

    def is_at(self, path: str) -> bool:
        """Whether this is the file at a path."""
        try:
            found = os.stat(path)
        except OSError:
            return False
        return self.is_regular and (found.st_dev, found.st_ino) == (self._before.st_dev, self._before.st_ino)

    def read(self, size: int) -> bytes:
        """So many bytes, fewer only at the end."""
        parts = []
        while size > 0:
            try:
                data = self.file.read(size)
            except OSError as error:
                raise unreadable(self.name, error) from None
            if not data:
                break
            parts.append(data)
            size -= len(data)
            self.consumed += len(data)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def read_all(self) -> bytes:
        return b"".join(iter(lambda: self.read(1 << 24), b""))

    def check_unchanged(self) -> None:
        """Raises ModelportError where a file is not any more what it was when it was opened."""
        if not self.is_regular:
            return
        try:
            now = os.fstat(self.file.fileno()) if self.path is None else os.stat(self.path)
        except OSError:
            raise _changed(self.name) from None
        if any(
            getattr(now, name) != getattr(self._before, name) for name in ("st_dev", "st_ino", "st_size", "st_mtime_ns")
        ):
            raise _changed(self.name)

    def close(self) -> None:
        self.file.close()


def _changed(name: str) -> ModelportError:
    return ModelportError(
        f"{name} was changed while it was read",
        code="RESOURCE_CONFLICT",
        hint="Nothing was written; run it again when nobody writes to the input.",
    )


def unreadable(name: str, error: Exception) -> ModelportError:
    """The input cannot be read: the system's word for it, or its first line."""
    reason = getattr(error, "strerror", None) or (str(error).strip() or type(error).__name__).splitlines()[0]
    return InvalidInput(f"{name} cannot be read: {reason[:300]}")


def blocks(source: Source, size: int | None, last_end: Callable[[bytes], int]) -> Iterator[bytes]:
    """The text without a byte order mark, cut where ``last_end`` finds the last end of a row; ``size`` None: in one piece."""
    first = source.read(len(codecs.BOM_UTF8)).removeprefix(codecs.BOM_UTF8)
    if size is None:
        yield first + source.read_all()
        return
    rest = first
    while True:
        wanted = max(size, len(rest))
        data = source.read(wanted)
        text = rest + data if rest else data
        if len(data) < wanted:  # the end
            if text:
                yield text
            return
        end = last_end(text)
        if end:
            yield text[:end]
        rest = text[end:]
        if len(rest) > MAX_ROW:
            raise InvalidInput(
                f"{source.name} has a row of more than {MAX_ROW >> 20} MiB", hint="Is there a quote that is not closed?"
            )
