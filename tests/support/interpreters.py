"""Interpreters of other Python versions: where this machine has them, and the environments made of them.

``python -m tests.support.interpreters 3.8`` prints the path of one, if any; the Makefile builds ``.envs/python-3.8`` with it.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

VERSIONS = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13")
"""The Pythons that models run on."""
OWN = f"{sys.version_info.major}.{sys.version_info.minor}"

_ROOT = Path(__file__).resolve().parents[2]
_ASK = "import sys; print('%d.%d' % sys.version_info[:2])"


def find(version: str) -> str | None:
    """An interpreter of this minor version that starts: this one, pyenv's newest, one on the path, or one that uv knows."""
    if version == OWN:
        return sys.executable
    return next((path for path in _candidates(version) if _is(path, version)), None)


def interpreter(version: str) -> str:
    """The same for a test, which is skipped where there is none."""
    found = find(version)
    if found is None:
        pytest.skip(f"no Python {version} on this machine")
    return found


def environment(version: str) -> Path:
    """The interpreter of ``.envs/python-VERSION``: the newest MLflow and data libraries of that Python."""
    python = _ROOT / ".envs" / f"python-{version}" / "bin" / "python"
    if not python.exists():
        interpreter(version)  # the one thing that excuses it
        raise FileNotFoundError(f"{python}: make .envs/python-{version}/.ready builds it")
    return python


def _candidates(version: str) -> Iterator[str]:
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    of_pyenv = pyenv.glob(f"{version}.*/bin/python")
    yield from map(
        str, sorted(of_pyenv, key=lambda path: [int(n) for n in re.findall(r"\d+", str(path))], reverse=True)
    )
    on_path = shutil.which(f"python{version}")
    if on_path is not None:
        yield on_path
    uv = Path(sys.executable).with_name("uv")
    if uv.exists():
        arguments = ["python", "find", "--no-project", "--no-python-downloads", version]
        known = subprocess.run([uv, *arguments], capture_output=True, text=True)
        yield from known.stdout.split("\n")[: known.returncode == 0]


def _is(path: str, version: str) -> bool:
    """Whether it starts, and is of that version: pyenv puts programs on the path that only say "not selected"."""
    try:
        answer = subprocess.run([path, "-I", "-c", _ASK], capture_output=True, text=True, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return answer.stdout.strip() == version


if __name__ == "__main__":
    path = find(sys.argv[1])
    if path is None:
        print(f"no Python {sys.argv[1]} on this machine: what runs there is skipped", file=sys.stderr)
    else:
        print(path)
