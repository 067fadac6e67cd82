"""The runtime's floor: every module imports on every supported Python, with the standard library alone."""

import subprocess
from pathlib import Path

import pytest

import modelport_runtime
from tests.support.interpreters import VERSIONS, interpreter

IMPORT_ALL = """
import importlib, pkgutil, sys
sys.path.insert(0, sys.argv[1])
import modelport_runtime
names = [module.name for module in pkgutil.walk_packages(modelport_runtime.__path__, "modelport_runtime.")]
for name in names:
    importlib.import_module(name)
print(len(names))
"""


@pytest.mark.parametrize("version", VERSIONS)
def test_every_module_imports_with_the_standard_library_alone(version: str) -> None:
    source = Path(modelport_runtime.__file__).parent.parent
    arguments = ["-I", "-S", "-B", "-c", IMPORT_ALL, str(source)]
    run = subprocess.run([interpreter(version), *arguments], capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    modules = sum(1 for path in (source / "modelport_runtime").rglob("*.py") if path.parent.name != "_vendor")
    assert int(run.stdout) >= modules - 1
