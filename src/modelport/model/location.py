"""Where a model lies: a path or URI → its directory; that of a package is where it was unpacked."""

import hashlib
import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from modelport.errors import InvalidInput, NotFound
from modelport.model import package
from modelport.model.mlmodel import FILE_NAME
from modelport.settings import modelport_home

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:")
SUPPORTED = "a local path, or a file: URI of one"


def resolve(uri: str) -> Path:
    """The absolute directory of the model at a local path or ``file:`` URI, or at the path of its MLmodel file.

    A package is verified, and unpacked under ``MODELPORT_HOME``, the first time.

    Raises:
        InvalidInput: the URI's scheme is none that can be read.
        NotFound: there is no such directory, or no MLmodel file in it.
        ModelNotLoadable: the package is damaged.
    """
    path = _local_path(uri)
    if path.suffix == package.SUFFIX and path.is_file():
        return package.unpacked(path, modelport_home())
    if path.name == FILE_NAME and path.is_file():
        return path.parent.resolve()
    if not path.exists():
        raise NotFound(f"there is no model at {uri!r}", hint=f"looked for the directory {path.absolute()}")
    if not (path / FILE_NAME).is_file():
        raise NotFound(f"{uri!r} is no model: it has no file {FILE_NAME}", hint=_nearby(path))
    return path.resolve()


def _local_path(uri: str) -> Path:
    scheme = _SCHEME.match(uri)
    if scheme is None:
        return Path(uri).expanduser()
    if scheme.group().lower() != "file:":
        raise InvalidInput(f"cannot read a model from {uri!r}: {scheme.group()} is not supported; give {SUPPORTED}")
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost"):
        raise InvalidInput(f"cannot read a model from {uri!r}: it names another host; give {SUPPORTED}")
    return Path(unquote(parts.path))


def _nearby(path: Path) -> str | None:
    found = sorted(str(file.parent) for file in path.glob(f"*/{FILE_NAME}"))[:3] if path.is_dir() else []
    return f"models in it: {', '.join(found)}" if found else None


def fingerprint(folder: Path) -> str:
    """What changes when a file of the model is written, added, removed or renamed; reads no content."""
    digest = hashlib.sha256(str(folder).encode())
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = os.path.join(parent, name)
            try:
                facts = os.stat(path)
            except FileNotFoundError:
                continue
            entry = (path, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns)
            digest.update(repr(entry).encode())
    return digest.hexdigest()
