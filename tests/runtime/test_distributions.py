"""What an interpreter has installed, asked in it and from outside."""

import json
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from modelport_runtime import distributions


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Distributions with names that can be spelled in several ways."""
    for folder, name, version in (
        ("zope.thing-1.2", "zope.thing", "1.2"),
        ("some_thing-3.0rc1", "some-thing", "3.0rc1"),
    ):
        info = tmp_path / (folder + ".dist-info")
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    (tmp_path / "torn-1.0.dist-info").mkdir()
    (tmp_path / "old_way-0.9.egg-info").write_text("Metadata-Version: 1.0\nName: old-way\nVersion: 0.9\n")
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("zope.thing", "1.2"),
        ("zope-thing", "1.2"),
        ("Zope_Thing", "1.2"),
        ("some-thing", "3.0rc1"),
        ("some_thing", "3.0rc1"),
        ("some.thing", "3.0rc1"),
        ("old-way", "0.9"),
        ("torn", None),
        ("not-there", None),
    ],
)
def test_a_distribution_is_found_however_it_is_spelled(installed: None, name: str, version: str) -> None:
    assert distributions.installed_version(name) == version


def test_the_interpreter_describes_itself() -> None:
    told = distributions.describe(["pytest", "not-there"])
    assert told["versions"] == {"pytest": metadata.version("pytest"), "not-there": None}
    markers = told["markers"]
    assert markers["python_full_version"] == platform.python_version()
    assert markers["python_version"] == ".".join(platform.python_version_tuple()[:2])
    assert (markers["sys_platform"], markers["implementation_name"]) == (sys.platform, sys.implementation.name)


def test_it_can_be_asked_from_outside() -> None:
    command = [sys.executable, "-I", "-B", distributions.__file__, "pytest", "not-there"]
    told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    assert told == distributions.describe(["pytest", "not-there"])
