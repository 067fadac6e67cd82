"""The runtime's floor: every module imports on every supported Python, with the standard library alone."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import modelport_runtime

IMPORT_ALL = """
import importlib, pkgutil, sys
sys.path.insert(0, sys.argv[1])
import modelport_runtime
names = [module.name for module in pkgutil.walk_packages(modelport_runtime.__path__, "modelport_runtime.")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


def interpreter(version: str) -> str:
    """An interpreter of this version: this one, one on the path, or one of pyenv's."""
    if version == f"{sys.version_info.major}.{sys.version_info.minor}":
        return sys.executable
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    found = sorted(
        pyenv.glob(f"{version}.*/bin/python"), key=lambda path: [int(n) for n in re.findall(r"\d+", str(path))]
    )
    candidate = str(found[-1]) if found else shutil.which(f"python{version}")
    if candidate is None:
        pytest.skip(f"no Python {version} on this machine")
    return candidate


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13"])
def test_every_module_imports_with_the_standard_library_alone(version: str) -> None:
    source = Path(modelport_runtime.__file__).parent.parent
    arguments = ["-I", "-S", "-B", "-c", IMPORT_ALL, str(source)]
    run = subprocess.run([interpreter(version), *arguments], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    modules = sum(1 for path in (source / "modelport_runtime").rglob("*.py") if path.parent.name != "_vendor")
    assert int(run.stdout) >= modules - 1
