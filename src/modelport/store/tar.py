"""A tar archive from somebody else, read as it comes: nothing of it is believed, and little of it is held."""

import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO, Literal

from modelport.errors import InvalidInput

BLOCK = tarfile.BLOCKSIZE
CHUNK = 1 << 20
MAX_HEADER = 64 << 10
"""Bytes of names and the like for one member; Python's own reader takes as many as the archive says."""
_KINDS: dict[bytes, Literal["file", "folder", "link", "hard link"]] = {
    tarfile.REGTYPE: "file",
    tarfile.AREGTYPE: "file",
    tarfile.CONTTYPE: "file",
    tarfile.DIRTYPE: "folder",
    tarfile.SYMTYPE: "link",
    tarfile.LNKTYPE: "hard link",
}


@dataclass(frozen=True)
class Member:
    """``target``: where a link leads, seen from its folder; a hard link's is seen from the top."""

    name: str
    kind: Literal["file", "folder", "link", "hard link"]
    size: int
    target: str


class Tar:
    """Members one after the other; what was not read of one is left out before the next."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._left = 0
        self._padding = 0

    def members(self) -> Iterator[Member]:
        """Each, in the order of the archive.

        Raises:
            InvalidInput: it is no tar archive, ends too early, or has a member of a kind that cannot be kept.
        """
        more: dict[str, str] = {}
        while (header := self._header()) is not None:
            self._left, self._padding = header.size, -header.size % BLOCK
            if header.type in (tarfile.XHDTYPE, tarfile.SOLARIS_XHDTYPE):
                more |= _pax(self._extra())
            elif header.type in (tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK):
                key = "path" if header.type == tarfile.GNUTYPE_LONGNAME else "linkpath"
                more[key] = _text(self._extra().rstrip(b"\0"))
            elif header.type == tarfile.XGLTYPE:
                self._extra()  # comments, as of git
            else:
                yield self._member(header, more)
                more = {}
                self._skip()

    def data(self) -> Iterator[bytes]:
        """The bytes of the present member."""
        while self._left:
            data = self._read(min(CHUNK, self._left))
            self._left -= len(data)
            yield data

    def _member(self, header: tarfile.TarInfo, more: dict[str, str]) -> Member:
        name = more.get("path", header.name)
        kind = _KINDS.get(header.type)
        if kind is None or any(key.startswith("GNU.sparse") for key in more):
            raise InvalidInput(f"the archive's member {name!r} is of a kind that cannot be kept: files and folders can")
        size = _whole(more["size"]) if "size" in more else header.size
        self._left = size if kind == "file" else 0  # of a folder or link it means nothing
        self._padding = -self._left % BLOCK
        return Member(name, kind, self._left, more.get("linkpath", header.linkname))

    def _header(self) -> tarfile.TarInfo | None:
        """The next; None at the end, of which nothing is read but zeros."""
        block = self._read(BLOCK)
        if not block.strip(b"\0"):
            while self._stream.read(CHUNK):
                pass
            return None
        try:
            header = tarfile.TarInfo.frombuf(block, "utf-8", "surrogateescape")
        except tarfile.HeaderError as error:
            raise InvalidInput(f"the content is no tar archive: {error}") from None
        if header.size < 0:
            raise InvalidInput(f"the archive's member {header.name!r} has no size")
        return header

    def _extra(self) -> bytes:
        if self._left > MAX_HEADER:
            raise InvalidInput(f"the archive has a name of more than {MAX_HEADER} bytes")
        data = b"".join(self.data())
        self._skip()
        return data

    def _skip(self) -> None:
        for _ in self.data():
            pass
        self._read(self._padding)
        self._padding = 0

    def _read(self, size: int) -> bytes:
        parts = []
        while size:
            part = self._stream.read(size)
            if not part:
                raise InvalidInput("the archive ends too early")
            parts.append(part)
            size -= len(part)
        return b"".join(parts)


def _pax(data: bytes) -> dict[str, str]:
    """``LENGTH KEY=VALUE\\n``, again and again."""
    found = {}
    while data:
        length = data.partition(b" ")[0]
        end = _whole(_text(length))
        record = data[len(length) + 1 : end]
        key, equals, value = record.partition(b"=")
        if end > len(data) or not equals or record[-1:] != b"\n":
            raise InvalidInput("the content is no tar archive: a header of it cannot be understood")
        found[_text(key)] = _text(value[:-1])
        data = data[end:]
    return found


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 18):
        raise InvalidInput(f"the content is no tar archive: {text[:40]!r} is no size")
    return int(text)


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
