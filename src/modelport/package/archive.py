"""The archive itself: a zip of which each byte follows from what is in it.

Entries are stored, not compressed: wheels are so already, what a compressor makes differs from version to version, and a file
can be checked where it lies. Names are sorted, and every date and mode is the same.
"""

import hashlib
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import IO, BinaryIO
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from modelport.errors import InvalidInput
from modelport.model.package import File

Content = Path | bytes
_DATE = (1980, 1, 1, 0, 0, 0)
_MODE = (stat.S_IFREG | 0o644) << 16
_UNIX = 3
_PIECE = 1 << 20


def facts_of(content: Content) -> File:
    """Hash and size, as the manifest names them."""
    if isinstance(content, bytes):
        return File(hashlib.sha256(content).hexdigest(), len(content))
    with content.open("rb") as file:
        return File(hashlib.file_digest(file, "sha256").hexdigest(), file.tell())


def write(output: BinaryIO, files: Mapping[str, Content], facts: Mapping[str, File]) -> None:
    """Write the archive; ``facts`` are what the manifest, which is one of ``files``, says of the others.

    Raises:
        InvalidInput: a file is no longer what the manifest says.
    """
    with ZipFile(output, "w", ZIP_STORED) as archive:
        for name, content in sorted(files.items()):
            entry = ZipInfo(name, _DATE)
            entry.create_system, entry.external_attr = _UNIX, _MODE
            entry.file_size = len(content) if isinstance(content, bytes) else content.stat().st_size
            with archive.open(entry, "w") as target:
                written = _pour(content, target)
            if facts.get(name, written) != written:
                raise InvalidInput(f"{name} changed while it was packed", hint="Try again when nobody writes to it.")


def _pour(content: Content, target: IO[bytes]) -> File:
    if isinstance(content, bytes):
        target.write(content)
        return facts_of(content)
    digest, size = hashlib.sha256(), 0
    with content.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            size += target.write(piece)
    return File(digest.hexdigest(), size)
