"""A tar archive that comes in pieces → a folder."""

import os
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import IO, cast

from modelport.errors import InvalidInput


class _Pieces:
    """What ``tarfile`` needs of a stream: ``read`` so many bytes."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._left = b""

    def read(self, size: int) -> bytes:
        parts = [self._left]
        missing = size - len(self._left)
        while missing > 0:
            piece = next(self._pieces, None)
            if piece is None:
                break
            parts.append(piece)
            missing -= len(piece)
        found = b"".join(parts)
        self._left = found[size:]
        return found[:size]


def check_free(folder: Path) -> None:
    """Before anything is asked for.

    Raises:
        InvalidInput: the folder has something in it.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidInput(f"{folder} has something in it already", hint="--download-path OTHER")


def unpack(pieces: Iterator[bytes], folder: Path) -> None:
    """Make ``folder`` with what is in the archive: all of it or nothing, and nothing beside it.

    Raises:
        InvalidInput: what was sent is no archive of files.
    """
    draft = folder.with_name(f".{folder.name}.{os.getpid()}")
    draft.mkdir(parents=True)
    try:
        with tarfile.open(fileobj=cast(IO[bytes], _Pieces(pieces)), mode="r|") as archive:
            for member in archive:
                _write(archive, member, draft)
        draft.rename(folder)
    except tarfile.TarError as error:
        raise InvalidInput(f"what was sent is no whole archive: {error}") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _write(archive: tarfile.TarFile, member: tarfile.TarInfo, draft: Path) -> None:
    name = PurePosixPath(member.name)
    if name.is_absolute() or ".." in name.parts or not (member.isfile() or member.isdir()):
        raise InvalidInput(
            f"what was sent has {member.name!r}, which is not written: files below one folder are wanted"
        )
    place = draft / name
    if member.isdir():
        place.mkdir(parents=True, exist_ok=True)
        return
    place.parent.mkdir(parents=True, exist_ok=True)
    source = archive.extractfile(member)
    if source is not None:
        with place.open("xb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
