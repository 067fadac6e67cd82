"""Packages for another Linux than the one they are made on."""

import platform
import sys
from pathlib import Path
from typing import Any

import pytest

from modelport.environments import packaged
from modelport.environments.interpreters import Interpreter
from modelport.environments.preparing import prepare
from modelport.errors import InvalidInput, ModelportError
from modelport.model import mlmodel, package
from modelport.model.environment_spec import EnvironmentSpec
from modelport.package import archive, wheels
from modelport.package.creating import create
from modelport.package.platforms import named, this_machine
from modelport.settings import EnvironmentSettings
from modelport.workers.spec import WorkerSpec
from tests.modelport.environments.archives import source_archive, wheel
from tests.modelport.package import tiny

OWN = Interpreter(sys.executable, platform.python_version(), "the tests'")
ELSEWHERE = "aarch64" if platform.machine() != "aarch64" else "x86_64"
THERE = named(f"manylinux_2_28_{ELSEWHERE}")


def test_the_names_that_wheels_may_have_are_those_that_an_installer_there_takes() -> None:
    here = this_machine()
    newest = next(tag for tag in here.tags if tag.startswith("manylinux_"))
    manylinux, linux = named(newest).tags[:-1], named(newest).tags[-1]
    assert manylinux == tuple(tag for tag in here.tags if tag.startswith("manylinux"))
    assert linux in here.tags
    assert (named(newest).system, named(newest).machine) == (here.system, here.machine)


def test_old_names_mean_the_same() -> None:
    assert named("manylinux2014_aarch64").tags == (
        "manylinux_2_17_aarch64", "manylinux2014_aarch64", "linux_aarch64",
    )  # fmt: skip
    assert named("manylinux2014_x86_64") == named("manylinux_2_17_x86_64")
    assert "manylinux_2_28_x86_64" not in named("manylinux_2_27_x86_64").tags


@pytest.mark.parametrize("name", ["linux", "win_amd64", "macosx_11_0_arm64", "manylinux_2_28_pentium", "aarch64", ""])
def test_what_is_no_linux_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="is no platform that packages are made for"):
        named(name)


def collected(folder: Path, *files: Path) -> list[str]:
    """The wheels there, of a lock that has these files' distributions and takes nothing from elsewhere."""
    lines: dict[str, list[str]] = {}
    for file in files:
        name, version = file.name.removesuffix(".tar.gz").split("-")[:2]
        lines.setdefault(f"{name}=={version}", []).append(f"--hash=sha256:{archive.facts_of(file).sha256}")
    lock = tuple(" ".join([pin, *hashes]) for pin, hashes in lines.items())
    spec = EnvironmentSpec(options=("--no-index", f"--find-links {folder.as_uri()}"))
    target = folder / "collected"
    wheels.collect(lock, folder, OWN, THERE, spec, None, target, folder / "log")
    return sorted(path.name for path in target.glob("*.whl"))


def native(folder: Path, machine: str, version: str = "2_17") -> Path:
    tag = f"{packaged.abi_of(OWN)}-{packaged.abi_of(OWN)}-manylinux_{version}_{machine}"
    return wheel(folder, "mp-native", "1.0", tag=tag)


def test_wheels_are_those_of_the_platform_that_is_named(tmp_path: Path) -> None:
    there = native(tmp_path, ELSEWHERE)
    assert collected(tmp_path, native(tmp_path, platform.machine()), there, wheel(tmp_path, "mp-pure", "1.0")) == [
        there.name, "mp_pure-1.0-py3-none-any.whl",
    ]  # fmt: skip


@pytest.mark.parametrize("how", ["only its source", "only ours", "too new"])
def test_what_has_no_wheel_for_it_is_refused_by_name(how: str, tmp_path: Path) -> None:
    if how == "only its source":
        file = source_archive(tmp_path, "mp-native", "1.0", "from setuptools import setup\nsetup(name='mp-native')\n")
    else:
        file = native(tmp_path, *((platform.machine(),) if how == "only ours" else (ELSEWHERE, "2_99")))
    with pytest.raises(ModelportError, match=f"mp-native has none for manylinux_2_28_{ELSEWHERE}, and") as refused:
        collected(tmp_path, file)
    assert refused.value.code == "PACKAGE_WHEELS_MISSING"


def test_what_is_needed_there_alone_is_named(tmp_path: Path) -> None:
    """It was not looked for, as the versions are those of this machine."""
    needs = f'mp-there; platform_machine == "{ELSEWHERE}"'
    with pytest.raises(ModelportError, match=f"mp_paint-1.0-py3-none-any.whl needs mp-there on {THERE.tags[0]}"):
        collected(tmp_path, wheel(tmp_path, "mp-paint", "1.0", requires=[needs, "mp-nobody; sys_platform == 'win32'"]))


def test_a_wheel_of_the_models_own_must_be_for_it_too(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    file = native(files, platform.machine())
    line = f"mp-native @ files/{file.name} --hash=sha256:{archive.facts_of(file).sha256}"
    with pytest.raises(ModelportError, match="of the model is not for"):
        wheels.collect((line,), files, OWN, THERE, EnvironmentSpec(), None, tmp_path / "wheels", tmp_path / "log")


def test_a_package_for_another_processor_says_so_and_is_refused_here(tmp_path: Path) -> None:
    path, home = tmp_path / "there.mpkg", tmp_path / "home"
    create(str(tiny.model(tmp_path / "doubling")), str(path), None, EnvironmentSettings(), home, platform=THERE)
    manifest = package.verify(path)
    content: dict[str, Any] = manifest.content
    assert content["platform"] == {"system": "Linux", "machine": ELSEWHERE}
    assert any(name.startswith("numpy-") for name in manifest.wheels)
    assert all(packaged.fits(name, OWN, THERE.tags) for name in manifest.wheels)
    assert [name for name in manifest.files if name.startswith("runtime/orjson-") and ELSEWHERE in name]
    folder = package.unpacked(path, home)
    with pytest.raises(ModelportError, match=f"is for Linux on {ELSEWHERE}; this is"):
        prepare(folder, mlmodel.read(folder), EnvironmentSettings(), home, _never)


def _never(python: str) -> WorkerSpec:
    raise AssertionError(python)
