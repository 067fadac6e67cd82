"""A package is for one kind of machine and one Python; another says so before anything is built."""

from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from modelport.environments.preparing import prepare
from modelport.errors import ModelportError
from modelport.model import mlmodel, package
from modelport.settings import EnvironmentSettings
from modelport.workers.spec import WorkerSpec
from tests.modelport.package.tiny import CONTENT, manifest

ELSEWHERE = {"system": "Linux", "machine": "s390x"}
SIX = "wheels/six-1.17.0-py2.py3-none-any.whl"


def refusal(home: Path, files: dict[str, bytes] = CONTENT, **changed: Any) -> ModelportError:
    """Why the model of this package cannot be run here."""
    path = home / "package.mpkg"
    with ZipFile(path, "w") as archive:
        for name, data in {**files, "manifest.json": manifest(files, **changed)}.items():
            archive.writestr(name, data)
    folder = package.unpacked(path, home)
    with pytest.raises(ModelportError) as error:
        prepare(folder, mlmodel.read(folder), EnvironmentSettings(), home, _never)
    assert not list((home / "envs").glob("????????????????")), "nothing was built"
    return error.value


def _never(python: str) -> WorkerSpec:
    raise AssertionError(python)


def test_another_kind_of_machine(tmp_path: Path) -> None:
    error = refusal(tmp_path, platform=ELSEWHERE)
    assert error.code == "PACKAGE_OF_ANOTHER_PLATFORM"
    assert error.message.startswith("the package doubling is for Linux on s390x; this is ")


def test_a_python_that_is_not_here(tmp_path: Path) -> None:
    error = refusal(tmp_path, python="3.99.1")
    assert error.code == "PACKAGE_OF_ANOTHER_PYTHON"
    assert "asks for Python 3.99.1; this machine has " in error.message
    assert error.hint == (
        "Install that Python, or make the package for another: modelport package create --python VERSION."
    )


@pytest.mark.parametrize("tag", ["cp37-cp37m-manylinux_2_17_x86_64", "py3-none-manylinux_2_999_x86_64", "nonsense"])
def test_a_wheel_that_this_machine_cannot_run(tag: str, tmp_path: Path) -> None:
    wheel = f"wheels/six-1.17.0-{tag}.whl"
    files = {wheel if name == SIX else name: data for name, data in CONTENT.items()}
    error = refusal(tmp_path, files)
    assert error.code == "PACKAGE_OF_ANOTHER_PLATFORM"
    assert wheel.removeprefix("wheels/") in error.message
