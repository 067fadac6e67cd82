"""Wheels and source archives of a few lines each, as an index would have them."""

import base64
import hashlib
import io
import tarfile
import zipfile
from collections.abc import Iterable
from pathlib import Path


def wheel(
    folder: Path,
    name: str,
    version: str,
    *,
    tag: str = "py3-none-any",
    requires: Iterable[str] = (),
    python: str | None = None,
    code: str = "",
) -> Path:
    """A wheel with the module ``name``."""
    module = name.replace("-", "_")
    about = f"{module}-{version}.dist-info"
    files = {
        f"{module}.py": code,
        f"{about}/METADATA": _metadata(name, version, requires, python),
        f"{about}/WHEEL": f"Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: {tag}\n",
    }
    record = "".join(f"{path},sha256={_digest(text)},{len(text.encode())}\n" for path, text in files.items())
    path = folder / f"{module}-{version}-{tag}.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for file, text in {**files, f"{about}/RECORD": f"{record}{about}/RECORD,,\n"}.items():
            archive.writestr(file, text)
    return path


def source_archive(folder: Path, name: str, version: str, setup: str, **files: str) -> Path:
    """A source archive that ``setup`` (a ``setup.py``) builds; ``files``: text by name, ``__`` standing for a dot."""
    module = name.replace("-", "_")
    top = f"{module}-{version}"
    content = {"setup.py": setup, "PKG-INFO": _metadata(name, version, (), None)}
    content.update({file.replace("__", "."): text for file, text in files.items()})
    path = folder / f"{top}.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for file, text in content.items():
            entry = tarfile.TarInfo(f"{top}/{file}")
            entry.size = len(text.encode())
            archive.addfile(entry, io.BytesIO(text.encode()))
    return path


def _metadata(name: str, version: str, requires: Iterable[str], python: str | None) -> str:
    lines = [
        f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}",
        *(f"Requires-Dist: {line}" for line in requires),
    ]
    return "\n".join([*lines, *([f"Requires-Python: {python}"] if python else []), "", ""])


def _digest(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
