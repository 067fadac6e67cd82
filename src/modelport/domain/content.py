"""The content of a model or environment, a folder or file: its digest, and the tar archive in which it travels."""

import contextlib
import hashlib
import os
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from modelport.errors import InvalidInput, NotFound

CHUNK = 1 << 20
BLOCK = tarfile.BLOCKSIZE


@dataclass(frozen=True)
class Part:
    """One file of a content. ``name`` is its way from the folder, with ``/``; empty, if the content is the file itself."""

    name: str
    size: int
    digest: str


def digest(parts: Iterable[Part]) -> str:
    """SHA-256 of the sorted lines ``SHA256 SIZE NAME``. Empty folders, times, owners and modes do not count."""
    lines = sorted(f"{part.digest} {part.size} ".encode() + os.fsencode(part.name) + b"\n" for part in parts)
    return hashlib.sha256(b"".join(lines)).hexdigest()


def digest_of(path: Path) -> str:
    """The digest of a folder or file.

    Raises:
        NotFound: it is not there.
        InvalidInput: it holds what cannot be kept.
    """
    with _reading():
        return digest(_part(name, file) for name, file in _files(path))


def name_of(path: Path) -> str:
    """What a folder or file is called: the last part of its path, also of ``.``."""
    return path.name if path.name not in ("", "..") else path.resolve().name or "root"


def content_path(path: Path) -> str:
    """``content://HASH/NAME`` of a folder or file: where it lies once it was uploaded."""
    return f"content://{digest_of(path)}/{name_of(path)}"


def archive(path: Path) -> Iterator[bytes]:
    """A tar archive: ``NAME`` or ``NAME/…``, the same bytes for the same content. Links within it travel as what they lead to.

    Raises:
        NotFound: it is not there.
        InvalidInput: it holds what cannot be kept, or changes meanwhile.
    """
    top = name_of(path)
    with _reading():
        for name, file in _files(path):
            yield from _member(f"{top}/{name}" if name else top, file)
    yield b"\0" * (2 * BLOCK)


@contextlib.contextmanager
def _reading() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InvalidInput(f"{error.filename} cannot be read: {error.strerror}") from error


def _member(name: str, file: Path) -> Iterator[bytes]:
    with file.open("rb") as source:
        member = tarfile.TarInfo(name)
        member.size = os.fstat(source.fileno()).st_size
        yield member.tobuf(tarfile.PAX_FORMAT)
        left = member.size
        while left:
            data = source.read(min(CHUNK, left))
            if not data:
                raise InvalidInput(f"{file} was changed while it was read")
            left -= len(data)
            yield data
        yield b"\0" * (-member.size % BLOCK)


def _part(name: str, file: Path) -> Part:
    with file.open("rb") as source:
        found = hashlib.file_digest(source, "sha256")
        return Part(name, source.tell(), found.hexdigest())


def _files(path: Path) -> list[tuple[str, Path]]:
    """Name and place of each file, in the order of the names."""
    root = Path(os.path.realpath(path))
    if not root.exists():
        raise NotFound(f"{path} is not there")
    if root.is_file():
        return [("", root)]
    found = sorted(_below(root, root, "", (root,)), key=lambda item: os.fsencode(item[0]))
    if not found:
        raise InvalidInput(f"{path} holds no file")
    return found


def _below(root: Path, folder: Path, prefix: str, above: tuple[Path, ...]) -> Iterator[tuple[str, Path]]:
    with os.scandir(folder) as found:
        entries = list(found)
    for entry in entries:
        name = prefix + entry.name
        place = Path(entry.path)
        if entry.is_symlink():
            place = _led_to(root, place)
        if "\n" in entry.name:
            raise InvalidInput(f"{entry.path!r}: a name with a line break cannot be kept")
        if place.is_dir():
            if place in above:
                raise InvalidInput(f"{entry.path} leads to a folder that it lies in")
            yield from _below(root, place, f"{name}/", (*above, place))
        elif place.is_file():
            yield name, place
        else:
            raise InvalidInput(f"{entry.path} is neither file nor folder")


def _led_to(root: Path, link: Path) -> Path:
    place = Path(os.path.realpath(link))
    if not place.exists():
        raise InvalidInput(f"{link} is a link to what is not there")
    if not place.is_relative_to(root):
        raise InvalidInput(
            f"{link} is a link that leads out of {root}", hint="Copy it with what it leads to: cp -rL FOLDER COPY"
        )
    return place
