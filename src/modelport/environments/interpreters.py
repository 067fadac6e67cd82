"""The interpreters of this machine: our own, uv's, those on ``PATH``, pyenv's and conda's."""

import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modelport.environments import uv
from modelport.errors import EnvironmentFailed

_VERSION = re.compile(r"\d+(\.\d+)*")
_TIMEOUT = 30
"""Seconds an interpreter has to say its version."""


@dataclass(frozen=True)
class Interpreter:
    """``path`` is absolute; ``version`` as in ``3.11.7``; ``found_by`` says where it was looked for."""

    path: str
    version: str
    found_by: str

    @property
    def minor(self) -> str:
        """``3.11`` of ``3.11.7``."""
        return _minor(self.version)


def find(wanted: str | None) -> Interpreter:
    """The interpreter for what a model asks for: this very version, else the newest of the same minor version.

    ``wanted`` is a version (``3.10.11``, ``3.10``) or a list of conditions (``>=3.8,<3.11``); None: our own.

    Raises:
        EnvironmentFailed: there is none; the message says what was found.
    """
    own = _own()
    if wanted is None or _fits(own.version, wanted, exactly=True):
        return own
    found = list(installed())
    for exactly in (True, False):
        for interpreter in sorted(found, key=lambda each: _numbers(each.version), reverse=True):
            if _fits(interpreter.version, wanted, exactly) and _version_of(interpreter.path) == interpreter.version:
                return interpreter
    versions = ", ".join(
        f"{each.version} ({each.found_by})" for each in sorted(found, key=lambda e: _numbers(e.version))
    )
    minor = _minor(wanted) if _VERSION.fullmatch(wanted) else "X.Y"
    raise EnvironmentFailed(
        f"the model asks for Python {wanted}; this machine has {versions}",
        hint=f"Install it (uv python install {minor}, or pyenv install {minor}), or name an interpreter with --python.",
        code="ENVIRONMENT_PYTHON_NOT_FOUND",
    )


def installed() -> Iterator[Interpreter]:
    """All there are, each version once."""
    seen: set[str] = set()
    for interpreter in (_own(), *_pyenv(), *_uv(), *_conda()):
        if interpreter.version not in seen:
            seen.add(interpreter.version)
            yield interpreter


def _own() -> Interpreter:
    return Interpreter(sys.executable, platform.python_version(), "runs modelport")


def _pyenv() -> Iterator[Interpreter]:
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    for python in root.glob("versions/*/bin/python"):
        version = python.parents[1].name
        if _VERSION.fullmatch(version) and not python.parents[1].is_symlink():
            yield Interpreter(str(python), version, "pyenv")


def _uv() -> Iterator[Interpreter]:
    """uv's own and those on the path, which it asks for their versions and remembers."""
    told = subprocess.run(
        [uv.program(), "python", "list", "--only-installed", "--output-format", "json"],
        capture_output=True,
        env=uv.variables(),
        timeout=_TIMEOUT,
        cwd="/",
    )
    for entry in json.loads(told.stdout or b"[]"):
        if entry["implementation"] == "cpython" and _VERSION.fullmatch(entry["version"]):
            yield Interpreter(entry["path"], entry["version"], "uv" if "/uv/python/" in entry["path"] else "PATH")


def _conda() -> Iterator[Interpreter]:
    roots = [Path.home() / name for name in ("miniconda3", "anaconda3", "miniforge3", "mambaforge", "micromamba")]
    roots += [
        Path("/opt/conda"),
        *(Path(os.environ[name]) for name in ("CONDA_PREFIX", "MAMBA_ROOT_PREFIX") if os.environ.get(name)),
    ]
    folders = [folder for root in roots for folder in (root, *root.glob("envs/*"))]
    listed = Path.home() / ".conda" / "environments.txt"
    if listed.is_file():
        folders += map(Path, listed.read_text(errors="replace").split())
    for folder in dict.fromkeys(folders):
        for record in folder.glob("conda-meta/python-[0-9]*.json"):
            yield Interpreter(str(folder / "bin" / "python"), record.name.split("-")[1], "conda")


def _version_of(path: str) -> str | None:
    """What an interpreter says of itself; None of what does not start: pyenv puts programs on the path that refuse."""
    try:
        command = [path, "-I", "-c", "import platform; print(platform.python_version())"]
        told = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT)
    except (OSError, subprocess.SubprocessError):
        return None
    return told.stdout.strip() or None


def _fits(version: str, wanted: str, exactly: bool) -> bool:
    if not _VERSION.fullmatch(wanted):
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        try:
            return SpecifierSet(wanted).contains(version)
        except InvalidSpecifier:
            return False
    if exactly and wanted.count(".") >= 2:
        return version == wanted
    return _minor(version) == _minor(wanted) if "." in wanted else version.split(".")[0] == wanted


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
