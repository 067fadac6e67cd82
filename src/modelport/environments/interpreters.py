"""The interpreters of this machine: our own, uv's, those on ``PATH``, pyenv's and conda's."""

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from modelport.errors import EnvironmentFailed

_VERSION = re.compile(r"\d+(\.\d+)*")
_OF_A_BUILD = re.compile(r"^(\d+\.\d+(?:\.\d+)?)(?:\+.*|(?:a|b|rc)\d+)$")
"""``3.8.5+`` is what distributions call theirs between two releases; ``3.13.0rc2`` is as good as the release."""
_OLDEST = [3, 8]
"""What ``modelport_runtime`` runs on."""
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
    """The interpreter for what a model asks for: this very version, else one of the same minor version, our own or the newest.

    ``wanted`` is a version (``3.10.11``, ``3.10``) or a list of conditions (``>=3.8,<3.11``); None: our own.

    Raises:
        EnvironmentFailed: there is none; the message says what was found.
    """
    if wanted is None:
        return _own()
    wanted = _plain(wanted)
    if _VERSION.fullmatch(wanted) and wanted.count(".") and _numbers(wanted)[:2] < _OLDEST:
        raise EnvironmentFailed(
            f"the model asks for Python {wanted}; models run on Python {'.'.join(map(str, _OLDEST))} or newer",
            hint="Save it anew with a newer Python and libraries of that time.",
            code="ENVIRONMENT_PYTHON_NOT_FOUND",
        )
    by_their_folders = _told_by_folders()
    found = _first(by_their_folders, wanted, exactly=True)
    if found is not None:
        return found
    every = [*by_their_folders, *_on_path(wanted)]
    found = _first(every, wanted, exactly=True) or _first(every, wanted, exactly=False)
    if found is not None:
        return found
    raise EnvironmentFailed(
        f"the model asks for Python {wanted}; this machine has {_listed(installed())}",
        hint=f"Install it (uv python install {_to_install(wanted)}, or pyenv install {_to_install(wanted)}).",
        code="ENVIRONMENT_PYTHON_NOT_FOUND",
    )


def installed() -> list[Interpreter]:
    """All that seem to be there, those found the quickest first; not each of them need start."""
    return [*_told_by_folders(), *_on_path(None)]


def _told_by_folders() -> list[Interpreter]:
    """Those whose versions the names of their folders tell, so that none is started."""
    return [_own(), *_pyenv(), *_uv(), *_conda()]


def _first(candidates: list[Interpreter], wanted: str, exactly: bool) -> Interpreter | None:
    """Our own if it fits, else the newest that fits and does start."""
    own = candidates[0]
    if _fits(own.version, wanted, exactly):
        return own
    fitting = [each for each in candidates if _fits(each.version, wanted, exactly)]
    fitting.sort(key=lambda each: _numbers(each.version), reverse=True)
    return next((each for each in fitting if _version_of(each.path) == each.version), None)


def _listed(candidates: list[Interpreter]) -> str:
    by_version = {each.version: each for each in reversed(candidates)}
    return ", ".join(f"{version} ({by_version[version].found_by})" for version in sorted(by_version, key=_numbers))


def _to_install(wanted: str) -> str:
    """A minor version that would do."""
    named = re.findall(r"\d+\.\d+", wanted)
    likely = [*(name for name in named if _fits(f"{name}.99", wanted, exactly=False)), *named]
    return likely[0] if likely else "X.Y"


def _own() -> Interpreter:
    return Interpreter(sys.executable, _plain(platform.python_version()), "runs modelport")


def _pyenv() -> Iterator[Interpreter]:
    for python in _pyenv_root().glob("versions/*/bin/python"):
        version = python.parents[1].name
        if _VERSION.fullmatch(version) and not python.parents[1].is_symlink():
            yield Interpreter(str(python), version, "pyenv")


def _pyenv_root() -> Path:
    return Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")


def _uv() -> Iterator[Interpreter]:
    shared = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    root = Path(os.environ.get("UV_PYTHON_INSTALL_DIR") or shared / "uv" / "python")
    for python in root.glob("cpython-*/bin/python3"):
        named = re.match(r"cpython-(\d+\.\d+\.\d+)-", python.parents[1].name)
        if named is not None:
            yield Interpreter(str(python), named[1], "uv")


def _on_path(wanted: str | None) -> Iterator[Interpreter]:
    """Those called ``python3.10`` and the like; only what may be of a version that fits is started to tell which it is."""
    shims, seen = _pyenv_root() / "shims", set()
    for folder in dict.fromkeys(os.environ.get("PATH", os.defpath).split(os.pathsep)):
        if not folder or Path(folder) == shims:  # most of which say that their version is not selected
            continue
        for path in sorted(Path(folder).glob("python3.*")):
            minor = path.name.removeprefix("python")
            if not re.fullmatch(r"3\.\d+", minor) or path.resolve() in seen:
                continue
            if wanted is not None and not any(_fits(f"{minor}.{micro}", wanted, exactly=False) for micro in (0, 99)):
                continue
            seen.add(path.resolve())
            version = _version_of(str(path.absolute()))
            if version is not None:
                yield Interpreter(str(path.absolute()), version, "PATH")


def _conda() -> Iterator[Interpreter]:
    roots = [Path.home() / name for name in ("miniconda3", "anaconda3", "miniforge3", "mambaforge", "micromamba")]
    roots.append(Path("/opt/conda"))
    roots += [Path(os.environ[name]) for name in ("CONDA_PREFIX", "MAMBA_ROOT_PREFIX") if os.environ.get(name)]
    if os.environ.get("CONDA_EXE"):
        roots.append(Path(os.environ["CONDA_EXE"]).parents[1])
    folders = [folder for root in roots for folder in (root, *root.glob("envs/*"))]
    listed = Path.home() / ".conda" / "environments.txt"
    if listed.is_file():
        folders += map(Path, listed.read_text(errors="replace").splitlines())
    for folder in dict.fromkeys(folders):
        for record in folder.glob("conda-meta/python-[0-9]*.json"):
            yield Interpreter(str(folder / "bin" / "python"), record.name.split("-")[1], "conda")


def _version_of(path: str) -> str | None:
    """What an interpreter says of itself; None of what does not start: pyenv puts programs on the path that refuse."""
    try:
        command = [path, "-I", "-c", "import platform; print(platform.python_version())"]
        told = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT)
    except (OSError, subprocess.SubprocessError):
        return None
    if told.returncode != 0:
        return None
    return _plain(told.stdout.strip()) or None


def _fits(version: str, wanted: str, exactly: bool) -> bool:
    if _numbers(version)[:2] < _OLDEST:
        return False
    if not _VERSION.fullmatch(wanted):
        from packaging.specifiers import InvalidSpecifier, SpecifierSet

        try:
            return SpecifierSet(wanted).contains(version)
        except InvalidSpecifier:
            return False
    if exactly and wanted.count(".") >= 2:
        return version == wanted
    return _minor(version) == _minor(wanted) if "." in wanted else version.split(".")[0] == wanted


def _plain(version: str) -> str:
    return _OF_A_BUILD.sub(r"\1", version)


def _minor(version: str) -> str:
    return ".".join(version.split(".")[:2])


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]
