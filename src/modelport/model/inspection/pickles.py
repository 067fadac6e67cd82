"""Pickles among a model's files, and picklescan's verdict on them. Bytes are read, nothing of them is executed.

A file counts as a pickle by its name or by its first bytes; inside zip archives (PyTorch's files) each member does.
"""

import bz2
import gzip
import io
import logging
import lzma
import stat
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from modelport.model.inspection.report import PickleScan

MAX_SCANNED = 512 << 20
"""Bytes of one pickle that are scanned: they are held in memory, and packed ones may grow without end."""

_NAMES = (".pkl", ".pickle", ".joblib", ".cloudpickle", ".dill")
_TORCH_NAMES = (".pt", ".pth", ".ckpt")
_PACKED_NAMES = (".xz", ".lzma", ".bz2", ".gz", ".z")
_PROTOCOLS = tuple(bytes((0x80, number)) for number in range(2, 6))
_ZIP = b"PK\x03\x04"
_UNPACKED: dict[bytes, Callable[[IO[bytes]], Any]] = {
    b"\xfd7zXZ\x00": lzma.LZMAFile,
    b"BZh": bz2.BZ2File,
    b"\x1f\x8b": lambda file: gzip.GzipFile(fileobj=file),
}
_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
"""How joblib packs its files unless told otherwise."""
_UNREADABLE = (OSError, EOFError, ValueError, lzma.LZMAError, zlib.error, zipfile.BadZipFile, RuntimeError)
_NOTHING_READ = "no pickle could be read in it"


def scan(path: Path, unpickled: bool = False) -> PickleScan | None:
    """The verdict on a file; None when it is no pickle and holds none. ``unpickled``: it is read as one in any case."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        with path.open("rb") as file:
            head = file.read(8)
            file.seek(0)
            unpickled = unpickled or _is_pickle(path.name, head)
            if head.startswith(_ZIP):
                return _scan_zip(file) or (_unread(_NOTHING_READ) if unpickled else None)
            if not (unpickled or path.suffix.lower() in _TORCH_NAMES):
                return None
            return _verdict([_content(file, head)])
    except _UNREADABLE as error:
        return _unread(f"it cannot be read: {error}")


def _is_pickle(name: str, head: bytes) -> bool:
    name = name.lower()
    for ending in _PACKED_NAMES:
        name = name.removesuffix(ending)
    return name.endswith(_NAMES) or head.startswith(_PROTOCOLS)


def _content(file: IO[bytes], head: bytes) -> bytes:
    """Unpacked, and one byte more than is scanned if there is more."""
    if head.startswith(_ZLIB):
        return zlib.decompressobj().decompress(file.read(MAX_SCANNED), MAX_SCANNED + 1)
    unpacked = next((opener(file) for magic, opener in _UNPACKED.items() if head.startswith(magic)), file)
    return bytes(unpacked.read(MAX_SCANNED + 1))


def _scan_zip(file: IO[bytes]) -> PickleScan | None:
    pickles = []
    with zipfile.ZipFile(file) as archive:
        for member in archive.infolist():
            if member.is_dir():
                continue
            with archive.open(member) as content:
                head = content.read(8)
                if _is_pickle(member.filename, head):
                    pickles.append(head + content.read(MAX_SCANNED + 1 - len(head)))
    return _verdict(pickles) if pickles else None


def _verdict(pickles: list[bytes]) -> PickleScan:
    from picklescan.scanner import SafetyLevel, scan_pickle_bytes

    found: dict[SafetyLevel, set[str]] = {level: set() for level in SafetyLevel}
    problem = None
    for content in pickles:
        if len(content) > MAX_SCANNED:
            problem = f"it is larger than {MAX_SCANNED >> 20} MiB, and was read up to there"
            content = content[:MAX_SCANNED]
        with _silent():
            result = scan_pickle_bytes(io.BytesIO(content), "")
        for name in result.globals:
            found[name.safety].add(f"{name.module}.{name.name}")
        if result.scan_err:
            problem = problem or "its end could not be read, and may import more"
        elif not result.globals and not content.startswith(_PROTOCOLS):
            problem = _NOTHING_READ  # picklescan calls what it cannot read at all clean
    levels = (SafetyLevel.Dangerous, SafetyLevel.Suspicious, SafetyLevel.Innocuous)
    dangerous, suspicious, innocuous = (tuple(sorted(found[level])) for level in levels)
    return PickleScan(dangerous, suspicious, innocuous, problem is None, problem)


def _unread(problem: str) -> PickleScan:
    return PickleScan((), (), (), False, problem)


@contextmanager
def _silent() -> Iterator[None]:
    """It logs each finding as a warning, which would reach the terminal."""
    log = logging.getLogger("picklescan")
    before = log.disabled
    log.disabled = True
    try:
        yield
    finally:
        log.disabled = before
