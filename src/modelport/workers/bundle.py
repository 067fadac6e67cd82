"""The runtime laid out in a folder that any interpreter can start: ``python -I -B FOLDER``. Made once per content."""

import contextlib
import hashlib
import os
import shutil
import subprocess
import tempfile
from pathlib import Path

import orjson

import modelport_runtime
from modelport.errors import CannotStart

JSON_LIBRARIES = "orjson"
"""The folder beside the bundles with orjson for other interpreters than ours; who builds their environments fills it."""

_MAIN = "from modelport_runtime.worker import main\n\nmain()\n"


def lay_out(runtime_home: Path, python: str) -> Path:
    """The folder for the present runtime under ``runtime_home``, compiled for ``python``; complete or not there.

    Raises:
        OSError: the folder cannot be written. CannotStart: ``python`` is no interpreter that can read the runtime.
    """
    folder = present(runtime_home)
    if not folder.exists():
        _write(folder, _files())
    _compile(folder, python)
    _add_json_libraries(folder, runtime_home / JSON_LIBRARIES)
    return folder


def present(runtime_home: Path) -> Path:
    """Where the present runtime is laid out, or would be."""
    digest = hashlib.sha256()
    for name, path in sorted(_files().items()):
        digest.update(f"{name}\0".encode())
        digest.update(path.read_bytes())
    return runtime_home / digest.hexdigest()[:16]


def _add_json_libraries(folder: Path, libraries: Path) -> None:
    """Their names say for which interpreter each is."""
    for library in libraries.glob("*.so"):
        target = folder / "modelport_runtime" / "_vendor" / library.name
        if not target.exists():
            with contextlib.suppress(FileExistsError):
                os.link(library, target)


def _files() -> dict[str, Path]:
    """Name inside the folder → file here: the runtime's modules, and our own orjson where no model's library sees it."""
    package = Path(modelport_runtime.__file__).parent
    files = {
        f"modelport_runtime/{path.relative_to(package)}": path
        for path in package.rglob("*.py")
        if "__pycache__" not in path.parts
    }
    for extension in Path(orjson.__file__).parent.glob("orjson.*.so"):
        files[f"modelport_runtime/_vendor/{extension.name}"] = extension
    return files


def _write(folder: Path, files: dict[str, Path]) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".draft-"))
    try:
        for name, path in files.items():
            target = draft / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        (draft / "__main__.py").write_text(_MAIN)
        try:
            draft.rename(folder)
        except OSError:
            if not folder.exists():  # somebody else was quicker with the same content
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _compile(folder: Path, python: str) -> None:
    """Byte-compile once per interpreter: ``-B`` keeps workers from writing here, and source costs 0.1 s a start."""
    marker = folder / f".compiled-{hashlib.sha256(os.path.realpath(python).encode()).hexdigest()[:16]}"
    if not marker.exists():
        arguments = ["-I", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", str(folder)]
        try:
            subprocess.run([python, *arguments], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            output = getattr(error, "stderr", b"") or getattr(error, "stdout", b"") or str(error).encode()
            raise CannotStart(
                f"'{python}' is no Python interpreter that can run a worker: {output.decode(errors='replace').strip()[-500:]}",
                hint="--python names the interpreter of the model, Python 3.8 or later.",
            ) from None
        marker.touch()
