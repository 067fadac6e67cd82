"""``ContentStore``: what models and environments are made of, each kept once, under the hash of its tree."""

import contextlib
import errno
import fcntl
import hashlib
import os
import posixpath
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from modelport.domain.content import Part, archive, digest
from modelport.domain.model import CONTENT
from modelport.errors import InvalidInput, ModelportError, NotFound, StoreFailed
from modelport.store.tar import Member, Tar

MAX_BYTES = 64 << 30
MAX_FILES = 100_000
"""Of one content: more is a mistake, or somebody who means ill."""
MAX_NAME = 1024
"""Bytes of a file's way from the top: what lies above it must find place too."""
MAX_PART = 255
"""Bytes of one name, as file systems have it."""
MAX_LINKS = 40
"""From one to the next, as Linux has it."""
DRAFTS = "drafts"
_BAD_INPUT = {errno.ENAMETOOLONG, errno.EEXIST, errno.ENOTDIR, errno.EISDIR, errno.EINVAL, errno.EILSEQ}


class ContentStore:
    """``FOLDER/HASH/NAME``. Several processes may use the same folder."""

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES, max_files: int = MAX_FILES) -> None:
        self._folder = folder
        self._drafts = folder / DRAFTS
        self._max_bytes = max_bytes
        self._max_files = max_files
        with _kept():
            self._drafts.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._remove_abandoned()

    def add(self, stream: BinaryIO) -> str:
        """Keep what a tar archive holds, one folder or one file; its ``content://HASH/NAME``. All of it, or nothing.

        Raises:
            InvalidInput: it is no such archive, or too large.
            StoreFailed: it cannot be written.
        """
        with _kept(), self._draft() as draft:
            unpacked = _Unpacked(draft, self._max_bytes, self._max_files)
            unpacked.read(Tar(stream))
            name = unpacked.name
            path = f"content://{digest(unpacked.parts.values())}/{name}"
            path.encode()  # it has to be written in JSON
            target = self._place(path)
            with _locked(self._drafts):
                target.parent.mkdir(mode=0o755, exist_ok=True)
                if not target.exists():
                    os.rename(draft / name, target)
                _note(target)
            _sync(target.parent)
            _sync(self._folder)
        return path

    def has(self, path: str) -> bool:
        """Whether it was added."""
        place = self._place(path)
        if place.exists():
            _note(place)
            return True
        return False

    def asked_for(self, path: str) -> float:
        """When it was added, or somebody made sure that it was, for the last time; in seconds since the epoch.

        Raises:
            NotFound: it was never added, or was removed.
        """
        return self.folder(path).parent.stat().st_mtime

    def folder(self, path: str) -> Path:
        """Where it lies: a folder or a file. Nobody may change it.

        Raises:
            NotFound: it was never added, or was removed.
        """
        place = self._place(path)
        if not place.exists():
            raise NotFound(f"there is no content {path}")
        return place

    def read(self, path: str) -> Iterator[bytes]:
        """A tar archive of it."""
        return archive(self.folder(path))

    def remove(self, path: str) -> None:
        """If it is there: at once, as others see it."""
        place = self._place(path)
        with _kept(), self._draft() as draft, _locked(self._drafts):
            with contextlib.suppress(FileNotFoundError):
                os.rename(place, draft / "removed")
            with contextlib.suppress(OSError):  # others have the same hash
                place.parent.rmdir()

    def all(self) -> list[str]:
        """Every ``content://HASH/NAME``, sorted."""
        places = (place for group in self._folder.iterdir() if group != self._drafts for place in group.iterdir())
        return sorted(f"content://{place.parent.name}/{place.name}" for place in places)

    def _place(self, path: str) -> Path:
        found = CONTENT.fullmatch(path)
        if found is None or found[2] in (".", "..") or "\0" in found[2] or len(os.fsencode(found[2])) > MAX_PART:
            raise InvalidInput(f"{path!r} is no content", hint="content://HASH/NAME, as it was told at the upload.")
        return self._folder / found[1] / found[2]

    @contextlib.contextmanager
    def _draft(self) -> Iterator[Path]:
        """A folder nobody else sees, removed at the end. Its lock says that somebody is at work there."""
        with _locked(self._drafts):
            draft = self._drafts / secrets.token_hex(8)
            draft.mkdir(mode=0o700)
            lock = os.open(draft, os.O_RDONLY | os.O_CLOEXEC)
            fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            yield draft
        finally:
            shutil.rmtree(draft, ignore_errors=True)
            os.close(lock)

    def _remove_abandoned(self) -> None:
        """What killed processes left."""
        with _locked(self._drafts):
            for draft in self._drafts.iterdir():
                with contextlib.suppress(BlockingIOError), _locked(draft, fcntl.LOCK_NB):
                    shutil.rmtree(draft, ignore_errors=True)


class _Unpacked:
    """An archive's files in a draft, hashed on the way."""

    def __init__(self, draft: Path, max_bytes: int, max_files: int) -> None:
        self._draft = draft
        self._left = max_bytes
        self._max_bytes = max_bytes
        self._max_files = max_files
        self._links: dict[str, str] = {}
        self.name = ""
        self.parts: dict[str, Part] = {}

    def read(self, tar: Tar) -> None:
        for member in tar.members():
            name = self._checked(member)
            if member.kind == "file":
                self._write(name, member, tar)
            elif member.kind != "folder":  # an empty folder is no content: the digest does not know it
                self._links[name] = self._target(name, member)
            if len(self.parts) + len(self._links) > self._max_files:
                raise InvalidInput(f"the content has more than {self._max_files} files")
        self._follow_links()
        if not self.parts:
            raise InvalidInput("the archive holds no file")

    def _checked(self, member: Member) -> str:
        """The member's way from the archive's top, which is one folder or file for all of them."""
        name = _normal(member.name)
        if name is None or ".." in member.name.split("/"):
            raise InvalidInput(
                f"the archive's member {member.name[:200]!r} cannot be kept: its name leads out, or is none"
            )
        if name == ".":
            return name
        top = name.partition("/")[0]
        if self.name not in ("", top):
            raise InvalidInput(f"the archive holds {self.name!r} and {top!r}: one folder or one file is wanted")
        self.name = top
        return name

    def _write(self, name: str, member: Member, tar: Tar) -> None:
        if name == ".":
            raise InvalidInput(f"the archive's member {member.name!r} has no name")
        self._left -= member.size
        if self._left < 0:
            raise InvalidInput(f"the content is larger than {self._max_bytes} bytes")
        place = self._draft / name
        place.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        found = hashlib.sha256()
        with os.fdopen(os.open(place, flags, 0o600), "wb") as file:
            for data in tar.data():
                found.update(data)
                file.write(data)
            file.flush()
            os.fchmod(file.fileno(), 0o444)
            os.fsync(file.fileno())  # the name says what is in it, also after the power went
        self._keep(name, member.size, found.hexdigest())

    def _keep(self, name: str, size: int, found: str) -> None:
        self.parts[name] = Part(name.partition("/")[2], size, found)

    def _target(self, name: str, member: Member) -> str:
        base = posixpath.dirname(name) if member.kind == "link" else ""
        target = _normal(posixpath.join(base, member.target)) if member.target else None
        if target is None or target.partition("/")[0] != self.name:
            raise InvalidInput(f"the archive's link {name!r} leads out of it")
        return target

    def _follow_links(self) -> None:
        """A link becomes another name of the file that it leads to, perhaps by way of other links."""
        for name in self._links:
            target, steps = name, 0
            while target in self._links and steps <= MAX_LINKS:
                target, steps = self._links[target], steps + 1
            part = self.parts.get(target)
            if part is None:
                raise InvalidInput(f"the archive's link {name!r} leads to no file of it", hint="tar --dereference")
            (self._draft / name).parent.mkdir(mode=0o755, parents=True, exist_ok=True)
            os.link(self._draft / target, self._draft / name)
            self._keep(name, part.size, part.digest)
        self._links = {}


def _normal(name: str) -> str | None:
    """The path without ``.`` and ``..``; None: it leads out, or has a name that cannot be kept."""
    if not name or len(os.fsencode(name)) > MAX_NAME or "\n" in name or "\0" in name:
        return None
    normal = posixpath.normpath(name)
    return None if normal == ".." or normal.startswith(("/", "../")) else normal


def _note(place: Path) -> None:
    """That it is wanted now: by the time of the folder around it, as what is inside never changes."""
    with contextlib.suppress(OSError):  # on a disk that cannot be written to, nothing is removed either
        os.utime(place.parent)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _locked(folder: Path, more: int = 0) -> Iterator[None]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | more)
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _kept() -> Iterator[None]:
    """What the system says goes wrong, as an error of ours."""
    try:
        yield
    except ModelportError:
        raise
    except (OSError, UnicodeEncodeError) as error:
        said = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        if not isinstance(error, OSError) or error.errno in _BAD_INPUT:
            raise InvalidInput(f"the content cannot be kept: {said}") from error
        hint = "The disk is full." if error.errno in (errno.ENOSPC, errno.EDQUOT) else None
        raise StoreFailed(f"the content cannot be kept: {said}", hint=hint) from error
