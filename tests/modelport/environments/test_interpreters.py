"""Which interpreter a model gets, on machines with pyenv, uv's, conda's and others on the path."""

import platform
from collections.abc import Callable
from pathlib import Path

import pytest

from modelport.environments import interpreters
from modelport.errors import EnvironmentFailed
from tests.support.interpreters import VERSIONS, interpreter

OWN = platform.python_version()
OTHERS = [version for version in VERSIONS if not OWN.startswith(f"{version}.")]


class Machine:
    """A machine of which every interpreter is a program that notes when it is started."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.pyenv = home / ".pyenv"
        self.uv = home / ".local" / "share" / "uv" / "python"
        self.conda = home / "miniconda3"
        self.path = home / "bin"
        self._log = home / "started"

    def add(self, path: Path, version: str, ends: str = "exit 0") -> str:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\necho {version} >> {self._log}\necho {version}\n{ends}\n")
        path.chmod(0o755)
        return str(path)

    def add_pyenv(self, version: str, says: str | None = None) -> str:
        return self.add(self.pyenv / "versions" / version / "bin" / "python", says or version)

    def add_conda(self, name: str, version: str) -> str:
        folder = self.conda / "envs" / name
        (folder / "conda-meta").mkdir(parents=True)
        (folder / "conda-meta" / f"python-{version}-h955ad1f_0.json").write_text("{}")
        (folder / "conda-meta" / "python-dateutil-2.8.2-pyhd_0.json").write_text("{}")
        return self.add(folder / "bin" / "python", version)

    def add_uv(self, version: str, kind: str = "") -> str:
        return self.add(self.uv / f"cpython-{version}{kind}-linux-x86_64-gnu" / "bin" / "python3", version)

    @property
    def started(self) -> list[str]:
        return self._log.read_text().split() if self._log.exists() else []


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine(tmp_path)
    for name in (
        "CONDA_PREFIX",
        "CONDA_EXE",
        "MAMBA_ROOT_PREFIX",
        "PYENV_ROOT",
        "UV_PYTHON_INSTALL_DIR",
        "XDG_DATA_HOME",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(made.home))
    monkeypatch.setenv("PATH", f"{made.pyenv / 'shims'}:{made.path}")
    return made


def test_who_asks_for_nothing_or_for_ours_gets_ours(machine: Machine) -> None:
    machine.add_pyenv("3.10.11")
    machine.add_pyenv(OWN)
    for wanted in (None, OWN, OWN.rpartition(".")[0], ">=3.8", "3"):
        assert interpreters.find(wanted).found_by == "runs modelport"
    assert machine.started == []


def test_the_exact_version_comes_before_a_newer_one(machine: Machine) -> None:
    exact = machine.add_pyenv("3.9.2")
    machine.add_uv("3.9.20")
    machine.add(machine.path / "python3.9", "3.9.19")
    found = interpreters.find("3.9.2")
    assert (found.path, found.version, found.minor, found.found_by) == (exact, "3.9.2", "3.9", "pyenv")


def test_else_the_newest_of_the_same_minor_version(machine: Machine) -> None:
    machine.add_pyenv("3.9.2")
    newest = machine.add_uv("3.9.20")
    machine.add(machine.path / "python3.9", "3.9.9")
    machine.add_pyenv("3.10.1")
    found = interpreters.find("3.9.7")
    assert (found.path, found.version, found.found_by) == (newest, "3.9.20", "uv")


def test_ours_comes_before_others_of_its_minor_version_but_not_before_the_exact_one(machine: Machine) -> None:
    minor = OWN.rpartition(".")[0]
    machine.add_pyenv(f"{minor}.98")
    assert interpreters.find(f"{minor}.97").found_by == "runs modelport"
    assert interpreters.find(f"{minor}.98").found_by == "pyenv"


@pytest.mark.parametrize(
    ("wanted", "version"),
    [
        ("3.9", "3.9.2"),
        (">=3.8,<3.10", "3.9.2"),
        ("==3.9.*", "3.9.2"),
        ("<3.9", "3.8.18"),
        ("3.8.5+", "3.8.18"),
        ("3.10.0rc2", "3.10.0"),
        (">=3.6,<3.8.1", None),
    ],
)
def test_conditions_and_builds_between_releases_are_understood(
    machine: Machine, wanted: str, version: str | None
) -> None:
    for each in ("3.7.16", "3.8.18", "3.9.2", "3.10.0"):
        machine.add_pyenv(each)
    if version is None:
        with pytest.raises(EnvironmentFailed):
            interpreters.find(wanted)
    else:
        assert interpreters.find(wanted).version == version


def test_condas_are_found_by_what_conda_notes(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    base = machine.add_conda("churn", "3.9.18")
    found = interpreters.find("3.9.18")
    assert (found.path, found.found_by) == (base, "conda")
    elsewhere = machine.home / "elsewhere"
    (machine.home / "miniconda3").rename(elsewhere)
    with pytest.raises(EnvironmentFailed):
        interpreters.find("3.9.18")
    monkeypatch.setenv("CONDA_EXE", str(elsewhere / "bin" / "conda"))
    assert interpreters.find("3.9.18").path == str(elsewhere / "envs" / "churn" / "bin" / "python")
    monkeypatch.delenv("CONDA_EXE")
    (machine.home / ".conda").mkdir()
    (machine.home / ".conda" / "environments.txt").write_text(f"{elsewhere / 'envs' / 'churn'}\n/gone\n")
    assert interpreters.find("3.9.18").found_by == "conda"


def test_those_on_the_path_are_found_by_starting_them(machine: Machine) -> None:
    on_path = machine.add(machine.path / "python3.9", "3.9.18")
    machine.add(machine.path / "python3.9-config", "3.9.18")
    machine.add(machine.path / "python3.12", "3.12.1")
    found = interpreters.find("3.9")
    assert (found.path, found.version, found.found_by) == (on_path, "3.9.18", "PATH")
    assert set(machine.started) == {"3.9.18"}


def test_what_does_not_start_is_passed_over(machine: Machine) -> None:
    machine.add_pyenv("3.9.20", says="pyenv: damaged")
    machine.add(machine.uv / "cpython-3.9.19-linux-x86_64-gnu" / "bin" / "python3", "3.9.19", ends="exit 127")
    lies = machine.add_pyenv("3.9.18", says="3.9.1")
    Path(lies).chmod(0o644)
    good = machine.add_pyenv("3.9.5")
    assert interpreters.find("3.9.20").path == good


def test_pyenvs_shims_are_not_asked(machine: Machine) -> None:
    machine.add(machine.pyenv / "shims" / "python3.9", "3.9.18", ends="echo pyenv: command not found >&2; exit 127")
    with pytest.raises(EnvironmentFailed):
        interpreters.find("3.9")
    assert machine.started == []


def test_a_shim_of_another_tool_that_refuses_is_passed_over(machine: Machine) -> None:
    machine.add(machine.path / "python3.9", "", ends="echo not selected >&2; exit 1")
    with pytest.raises(EnvironmentFailed) as raised:
        interpreters.find("3.9")
    assert "PATH" not in raised.value.message


def test_finding_one_among_many_starts_that_one(machine: Machine) -> None:
    for micro in range(10):
        machine.add_pyenv(f"3.10.{micro}")
        machine.add_uv(f"3.9.{micro}")
        machine.add_conda(f"env{micro}", f"3.8.{micro}")
    assert interpreters.find("3.9.4").version == "3.9.4"
    assert machine.started == ["3.9.4"]


def test_builds_without_the_global_lock_are_not_taken(machine: Machine) -> None:
    machine.add_uv("3.13.0", "+freethreaded")
    machine.add_pyenv("3.13.0t")
    with pytest.raises(EnvironmentFailed):
        interpreters.find("3.13")


def test_where_there_is_none_all_that_were_found_are_named(machine: Machine) -> None:
    machine.add_pyenv("3.10.11")
    machine.add_uv("3.10.11")
    machine.add_conda("churn", "3.9.18")
    machine.add(machine.path / "python3.12", "3.12.1")
    with pytest.raises(EnvironmentFailed) as raised:
        interpreters.find("3.8.5")
    error = raised.value
    has = f"3.9.18 (conda), 3.10.11 (pyenv), {OWN} (runs modelport), 3.12.1 (PATH)"
    assert error.message == f"the model asks for Python 3.8.5; this machine has {has}"
    assert error.hint == "Install it (uv python install 3.8, or pyenv install 3.8)."
    assert error.code == "ENVIRONMENT_PYTHON_NOT_FOUND"


def test_the_advice_for_conditions_names_a_version_that_meets_them(machine: Machine) -> None:
    with pytest.raises(EnvironmentFailed) as raised:
        interpreters.find(">=3.8,<3.10")
    assert "pyenv install 3.8" in (raised.value.hint or "")


def test_a_python_before_3_8_is_refused_even_where_it_is_there(machine: Machine) -> None:
    machine.add_pyenv("3.7.16")
    with pytest.raises(EnvironmentFailed) as raised:
        interpreters.find("3.7.16")
    assert raised.value.message == "the model asks for Python 3.7.16; models run on Python 3.8 or newer"


@pytest.mark.parametrize("version", OTHERS)
def test_the_pythons_of_this_machine_are_found(version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    interpreter(version)  # skips where there is none
    installed: Callable[[], list[interpreters.Interpreter]] = interpreters.installed
    found = interpreters.find(version)
    assert found.minor == version
    assert Path(found.path).is_absolute()
    assert found.path in {each.path for each in installed()}
