"""Environments are built once: by one of many processes, for all models that ask for the same, whole or not at all.

They are built for real, of a few packages that lie in uv's cache after the first run.
"""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from modelport.environments import ahead, uv
from modelport.environments.store import Store
from modelport.environments.verifying import damages
from modelport.settings import EnvironmentSettings
from tests.end_to_end.server import MODELPORT
from tests.modelport.environments.tiny import PINS, SIX, tiny_model

BUILT_WITHIN = 200.0
"""Seconds, on a machine that does many other things: packages may have to be downloaded."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def prepared(home: Path, tmp_path_factory: pytest.TempPathFactory) -> ahead.Prepared:
    model = tiny_model(tmp_path_factory.mktemp("models") / "first")
    return ahead.prepare_ahead(str(model), EnvironmentSettings(), home=home)


def preparing(model: Path, home: Path) -> "subprocess.Popen[str]":
    command = [str(MODELPORT), "prepare-env", "-m", str(model), "--env-manager", "uv"]
    environment = {**os.environ, "MODELPORT_HOME": str(home)}
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)


def finished(process: "subprocess.Popen[str]") -> tuple[str, str]:
    try:
        output, log = process.communicate(timeout=BUILT_WITHIN)
    finally:
        process.kill()
    assert process.returncode == 0, log
    return output, log


def test_the_model_runs_with_what_it_asks_for(prepared: ahead.Prepared) -> None:
    code = "import numpy, pandas, six; print(numpy.__version__, pandas.__version__, six.__version__)"
    told = subprocess.run([prepared.interpreter, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "2.4.6 3.1.1 1.17.0\n"
    assert prepared.details["requirements"] == sorted((*PINS, SIX))
    assert (prepared.details["notes"], prepared.details["left_out"]) == ([], [])


def test_a_model_that_asks_for_the_same_finds_it_without_uv(
    prepared: ahead.Prepared, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def started() -> str:
        raise AssertionError("uv was to be started")

    monkeypatch.setattr(uv, "program", started)
    model = tiny_model(tmp_path / "second", factor=3.0, requirements=(SIX.upper(), "# in another order", *PINS))
    again = ahead.prepare_ahead(str(model), EnvironmentSettings(), home=home)
    assert again.interpreter == prepared.interpreter
    assert len(Store(home).environments()) == 1
    assert str(model) in again.details["uses"]


def test_a_model_whose_files_name_nothing_runs_in_our_own_interpreter(home: Path, tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model")
    for name in ("requirements.txt", "python_env.yaml", "conda.yaml"):
        (model / name).unlink()
    found = ahead.prepare_ahead(str(model), EnvironmentSettings(), home=home)
    assert (found.details, Path(found.interpreter).name.startswith("python")) == ({}, True)


def test_of_two_processes_one_builds_and_the_other_waits(tmp_path: Path) -> None:
    model = tiny_model(tmp_path / "model")
    told = [finished(process) for process in [preparing(model, tmp_path / "home") for _ in range(2)]]
    (environment,) = Store(tmp_path / "home").environments()
    assert {output for output, _ in told} == {f"{environment.python}\n"}
    assert sorted("installing 6 packages" in log for _, log in told) == [False, True]
    assert [log for _, log in told if "was being built by another process" in log or "resolving" not in log]


def a_folder(environment: Path) -> bool:
    return environment.exists()


def packages(environment: Path) -> bool:
    return any(environment.glob("lib/python*/site-packages/numpy"))


def a_model_loading(environment: Path) -> bool:
    return any(environment.glob("lib/python*/site-packages/numpy/__pycache__"))


def test_a_build_that_is_killed_never_looks_complete_and_the_next_one_succeeds(tmp_path: Path) -> None:
    """Its builder is killed alone each time: what it had started lives on, and must not get in the way."""
    model, store = tiny_model(tmp_path / "model"), Store(tmp_path / "home")
    moments: list[Callable[[Path], bool]] = [a_folder, packages, a_model_loading]
    for reached in moments:
        process = preparing(model, tmp_path / "home")
        until = time.monotonic() + BUILT_WITHIN
        while not any(reached(environment.folder) for environment in store.environments()):
            assert process.poll() is None, process.communicate()[1]
            assert time.monotonic() < until
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=20)
        assert not any(environment.is_complete for environment in store.environments()), reached.__name__
    output, _ = finished(preparing(model, tmp_path / "home"))
    (environment,) = store.environments()
    assert output == f"{environment.python}\n"
    (resolution,) = store.resolutions().values()
    assert damages(environment, tuple(resolution["lock"])) == []
