"""A package: one file with a model and all that its environment is made of. Here it is read, verified and unpacked.

``modelport.package`` makes it: a zip with stored entries, each of which the manifest names with its size and hash.
"""

import contextlib
import errno
import hashlib
import re
import shutil
import stat
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

from modelport.errors import InvalidInput, ModelNotLoadable, ModelportError, NotFound

if TYPE_CHECKING:  # 15 ms, for who reads packages
    from zipfile import ZipFile, ZipInfo

SUFFIX = ".mpkg"
FORMAT = 1
MANIFEST, LOCK, BILL = "manifest.json", "lock.txt", "sbom.cdx.json"
MODEL, WHEELS, RUNTIME = "model", "wheels", "runtime"
_PLACES = (LOCK, BILL, MODEL, WHEELS, RUNTIME)
_MAX_MANIFEST = 64 << 20
"""Bytes: half a million files. It is the one entry whose size nothing else vouches for."""
_PIECE = 1 << 20


@dataclass(frozen=True)
class File:
    """What the manifest says of one file."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Manifest:
    """``content`` is the whole of it; ``digest`` stands for the package, since every file's hash is in it."""

    digest: str
    content: dict[str, Any]
    files: Mapping[str, File]

    @property
    def name(self) -> str:
        return str(self.content["model"]["name"])

    @property
    def python(self) -> str:
        """The version whose environment the package has, as in ``3.11.7``."""
        return str(self.content["python"])

    @property
    def wheels(self) -> tuple[str, ...]:
        """The file names of the environment's wheels."""
        return tuple(sorted(name.removeprefix(f"{WHEELS}/") for name in self.files if name.startswith(f"{WHEELS}/")))

    @property
    def size(self) -> int:
        """Bytes of all files together."""
        return sum(file.size for file in self.files.values())


@dataclass(frozen=True)
class Package:
    """A package that was unpacked to ``folder``."""

    folder: Path
    manifest: Manifest

    @property
    def lock(self) -> tuple[str, ...]:
        """Every distribution of the environment with the hash of its wheel, a line each."""
        return tuple((self.folder / LOCK).read_text().splitlines())


def around(model: Path) -> Package | None:
    """The package that the model in this folder was unpacked from, if it was."""
    if model.name != MODEL:
        return None
    try:
        content = (model.parent / MANIFEST).read_bytes()
    except OSError:
        return None
    if hashlib.sha256(content).hexdigest() != model.parent.name:
        return None
    return Package(model.parent, _manifest_of(content, model.parent))


def read_manifest(path: Path) -> Manifest:
    """What a package says of itself. Its files are not looked into.

    Raises:
        InvalidInput: this is no package, or one that only a newer Modelport reads.
        ModelNotLoadable: it is damaged.
    """
    with _opened(path) as (_, manifest):
        return manifest


def read_text(path: Path, name: str) -> str:
    """The text of one small file of a package."""
    with _opened(path) as (archive, _):
        return archive.read(name).decode()


def verify(path: Path) -> Manifest:
    """Hold every file of a package against the manifest; nothing is written.

    Raises:
        InvalidInput: this is no package, or one that only a newer Modelport reads.
        ModelNotLoadable: it is damaged.
    """
    with _opened(path) as (archive, manifest):
        for name in manifest.files:
            _copy(archive, name, manifest.files[name], None, path)
        _check_lock(archive.read(LOCK).decode(errors="replace"), manifest, path)
        return manifest


def unpacked(path: Path, home: Path) -> Path:
    """The folder of the model in a package, which is verified and unpacked under ``home`` unless it is there.

    Raises:
        InvalidInput: this is no package, or one that only a newer Modelport reads.
        ModelNotLoadable: it is damaged.
    """
    with _opened(path) as (archive, manifest):
        folder = home / "packages" / manifest.digest
        if not folder.exists():
            _unpack(archive, manifest, folder, path)
        return (folder / MODEL).resolve()


def _unpack(archive: "ZipFile", manifest: Manifest, folder: Path, path: Path) -> None:
    draft = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".draft-"))
        for name, file in manifest.files.items():
            target = draft / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as output:
                _copy(archive, name, file, output, path)
        _check_lock((draft / LOCK).read_text(errors="replace"), manifest, path)
        (draft / MANIFEST).write_bytes(archive.read(MANIFEST))
        with contextlib.suppress(FileExistsError):
            draft.rename(folder)
    except OSError as error:
        if error.errno == errno.ENOTEMPTY and folder.exists():  # somebody else was quicker with the same package
            return
        raise ModelportError(
            f"{path} cannot be unpacked to {folder.parent}: {error.strerror}",
            hint=f"It takes {manifest.size / 1e6:.0f} MB there; MODELPORT_HOME names another place.",
            code="PACKAGE_NOT_UNPACKED",
        ) from None
    finally:
        if draft is not None:
            shutil.rmtree(draft, ignore_errors=True)


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[tuple["ZipFile", Manifest]]:
    """The archive and its manifest, once its entries are known to be what the manifest says, but for their content."""
    from zipfile import BadZipFile, ZipFile

    try:
        archive = ZipFile(path)
    except FileNotFoundError:
        raise NotFound(f"there is no package at {str(path)!r}") from None
    except OSError as error:
        raise InvalidInput(f"{path} cannot be read: {error.strerror or error}") from None
    except (BadZipFile, ValueError, NotImplementedError) as error:
        raise _damaged(path, f"it is no complete archive ({error})") from None
    with archive:
        try:
            entries = archive.infolist()
            found = [entry for entry in entries if entry.filename == MANIFEST]
            if len(found) != 1 or found[0].file_size > _MAX_MANIFEST:
                raise InvalidInput(
                    f"{path} is no package: it has no {MANIFEST}",
                    hint="modelport package create makes one.",
                    code="PACKAGE_NOT_UNDERSTOOD",
                )
            _check_entry(found[0], found[0].file_size, path)
            manifest = _manifest_of(archive.read(MANIFEST), path)
            _check_entries(entries, manifest, path)
            yield archive, manifest
        except (BadZipFile, NotImplementedError, EOFError) as error:
            raise _damaged(path, str(error) or "it ends too early") from None


def _manifest_of(content: bytes, path: Path) -> Manifest:
    try:
        data = orjson.loads(content)
        number = data["format"]
    except (ValueError, TypeError, KeyError):
        raise _damaged(path, f"its {MANIFEST} is not readable") from None
    if number != FORMAT:
        raise InvalidInput(
            f"{path} is a package of format {number!r}, and this Modelport reads format {FORMAT}",
            hint="Install the Modelport that made it, or a newer one.",
            code="PACKAGE_NOT_UNDERSTOOD",
        )
    try:
        files = {name: File(str(facts["sha256"]), int(facts["size"])) for name, facts in data["files"].items()}
        facts = data["environment"]
        texts = (data["python"], data["model"]["name"], data["platform"]["system"], data["platform"]["machine"])
        is_whole = (
            all(isinstance(text, str) for text in texts)
            and isinstance(facts, dict)
            and re.fullmatch(r"3\.\d+\.\d+", data["python"])
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        is_whole = None
    if not is_whole:
        raise _damaged(path, f"its {MANIFEST} lacks what a package must say of itself")
    return Manifest(hashlib.sha256(content).hexdigest(), data, files)


def _check_entries(entries: "list[ZipInfo]", manifest: Manifest, path: Path) -> None:
    names = [entry.filename for entry in entries if entry.filename != MANIFEST]
    twice = next((name for name, number in Counter(names).items() if number > 1), None)
    if twice is not None:
        raise _damaged(path, f"it has {twice!r} twice")
    for name in sorted(manifest.files.keys() ^ set(names)):
        raise _damaged(path, f"{name!r} is {'missing' if name in manifest.files else f'not in its {MANIFEST}'}")
    for required in (LOCK, f"{MODEL}/MLmodel"):
        if required not in manifest.files:
            raise _damaged(path, f"it has no {required}")
    for entry in entries:
        if entry.filename != MANIFEST:
            _check_entry(entry, manifest.files[entry.filename].size, path)
            if not is_inside(entry.filename):
                raise _damaged(path, f"{entry.filename!r} would lie outside of its folder")
    if sum(entry.file_size for entry in entries) > path.stat().st_size:  # entries that share their bytes
        raise _damaged(path, "its files are larger than itself")


def _check_entry(entry: "ZipInfo", size: int, path: Path) -> None:
    mode = entry.external_attr >> 16
    if stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise _damaged(path, f"{entry.filename!r} is a link or no file")
    if entry.compress_type != 0 or entry.compress_size != entry.file_size or entry.flag_bits & 1:
        raise _damaged(path, f"{entry.filename!r} is not stored as it is")
    if entry.file_size != size:
        raise _damaged(path, f"{entry.filename!r} has {entry.file_size} bytes; its {MANIFEST} says {size}")


def is_inside(name: str) -> bool:
    """Whether a file of this name stays below the package's folder, in one of its places."""
    parts = PurePosixPath(name).parts
    return bool(parts) and parts[0] in _PLACES and ".." not in parts and "/".join(parts) == name and "\\" not in name


def _check_lock(lock: str, manifest: Manifest, path: Path) -> None:
    """A distribution without its wheel would only be missed when the environment is built."""
    hashes = {manifest.files[f"{WHEELS}/{name}"].sha256 for name in manifest.wheels}
    for line in lock.splitlines():
        found = re.search(r"--hash=sha256:([0-9a-f]{64})$", line)
        if found is None or found[1] not in hashes:
            raise _damaged(path, f"it has no wheel for {line.partition(' ')[0]!r} of its {LOCK}")


def _copy(archive: "ZipFile", name: str, file: File, output: BinaryIO | None, path: Path) -> None:
    digest, size = hashlib.sha256(), 0
    with archive.open(name) as source:
        while piece := source.read(_PIECE):
            digest.update(piece)
            size += len(piece)
            if output is not None:
                output.write(piece)
    if size != file.size or digest.hexdigest() != file.sha256:
        raise _damaged(path, f"{name!r} is not what its {MANIFEST} says")


def _damaged(path: Path, why: str) -> ModelNotLoadable:
    return ModelNotLoadable(
        f"the package {path} is damaged: {why}", hint="Get it once more from where it was made.", code="PACKAGE_DAMAGED"
    )
