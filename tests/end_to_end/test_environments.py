"""`modelport prepare-env`, `environment` and `update-pip-requirements`, as a user runs them: an environment is built."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.end_to_end.server import MODELPORT, free_port
from tests.modelport.environments.tiny import tiny_model

Run = Callable[..., "subprocess.CompletedProcess[str]"]
WITHIN = 200.0
"""Seconds: packages may have to be downloaded."""


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    home = str(tmp_path_factory.mktemp("home"))
    return {**os.environ, "MODELPORT_HOME": home, "MODELPORT_ENV_MANAGER": "uv", "COLUMNS": "200"}


@pytest.fixture(scope="module")
def run(variables: dict[str, str]) -> Run:
    def run(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
        command = [MODELPORT, *arguments]
        return subprocess.run(command, capture_output=True, text=True, env=variables, timeout=WITHIN)

    return run


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("models") / "model")


@pytest.fixture(scope="module")
def python(run: Run, model: Path) -> Path:
    done = run("prepare-env", "-m", model)
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.removesuffix("\n"))


@contextlib.contextmanager
def serving(model: Path, variables: dict[str, str], log: Path) -> Iterator["subprocess.Popen[bytes]"]:
    command = [str(MODELPORT), "serve", "-m", str(model), "-p", str(free_port()), "--access-log", "off"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=variables)
    try:
        until = time.monotonic() + WITHIN
        while "ready after" not in log.read_text():
            assert process.poll() is None and time.monotonic() < until, log.read_text()
            time.sleep(0.05)
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def test_standard_output_is_the_interpreter_and_nothing_else(run: Run, model: Path, python: Path) -> None:
    subprocess.run([python, "-c", "import six"], check=True)
    again = run("prepare-env", "-m", model)
    assert again.stdout == f"{python}\n"
    assert f"environment {python.parents[1].name}: Python 3.11." in again.stderr
    assert "installing" not in again.stderr


def test_local_has_nothing_to_prepare(run: Run, model: Path) -> None:
    done = run("prepare-env", "-m", model, "--env-manager", "local")
    assert (done.returncode, done.stdout) == (2, "")
    assert "with local there is nothing to prepare" in " ".join(done.stderr.replace("│", " ").split())


def test_an_environment_is_listed_and_shown(run: Run, model: Path, python: Path) -> None:
    id = python.parents[1].name
    listed = json.loads(run("environment", "list", "--json").stdout)
    (entry,) = [each for each in listed if each["id"] == id]
    assert (entry["status"], entry["packages"], entry["models"]) == ("ready", 6, [str(model)])
    assert f"{id}  3.11." in run("environment", "list").stdout
    by_id = json.loads(run("environment", "show", id[:6], "--json").stdout)
    by_model = json.loads(run("environment", "show", "-m", model, "--json").stdout)
    assert by_id == by_model
    assert by_id["interpreter"] == str(python)
    assert "six==1.17.0" in by_id["requirements"]
    assert "  six==1.17.0\n" in run("environment", "show", id).stdout


def test_one_that_a_server_runs_in_is_not_removed(
    run: Run, variables: dict[str, str], model: Path, python: Path, tmp_path: Path
) -> None:
    id = python.parents[1].name
    with serving(model, variables, tmp_path / "log") as process:
        refused = run("environment", "remove", id)
        assert refused.returncode == 1
        assert f"environment {id} is in use by process {process.pid} [ENVIRONMENT_IN_USE]" in refused.stderr
        assert json.loads(run("environment", "show", id, "--json").stdout)["in_use_by"] == [process.pid]
        assert "0 removed" in run("environment", "prune", "--older-than", "0s").stdout
    assert python.exists()


def test_repair_and_prune_and_remove(run: Run, python: Path, tmp_path: Path) -> None:
    id = python.parents[1].name
    (file,) = python.parents[1].glob("lib/python*/site-packages/six.py")
    assert run("environment", "repair", id).stdout == f"environment {id} is what its lock says\n"
    file.unlink()
    assert run("environment", "repair", id).stdout.startswith("six.py of six is gone\n")
    assert file.exists()
    assert run("environment", "prune").stdout == "0 removed, 0 bytes freed\n"
    assert run("environment", "prune", "--older-than", "0s", "--dry-run").stdout.startswith(
        f"{id}: not used for 0 days"
    )
    assert f"removed environment {id}" in run("environment", "remove", id[:8]).stdout
    assert not python.parents[1].exists()
    assert run("environment", "show", id).returncode == 1


def test_requirements_are_changed_in_the_models_files(run: Run, model: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(model, tmp_path / "model"))
    done = run("update-pip-requirements", "-m", copy, "add", "six==1.16.0", "scipy>=1.10")
    assert (done.returncode, done.stderr) == (0, "changed requirements.txt and conda.yaml\n")
    assert (copy / "requirements.txt").read_text().endswith("setuptools==80.10.2\nsix==1.16.0\nscipy>=1.10")
    done = run("update-pip-requirements", "remove", "scipy", "absent", "-m", copy)
    assert done.stderr == "absent stood in none of the files\nchanged requirements.txt and conda.yaml\n"
    refused = run("update-pip-requirements", "-m", copy, "add", "a b")
    assert refused.returncode == 1
    assert "no requirements: 'a b' [INVALID_PARAMETER_VALUE]" in refused.stderr
