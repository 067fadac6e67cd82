"""Models of one Python on another, for real: code by value is refused before it is opened, code by name is warned of."""

import shutil
import subprocess
from pathlib import Path

import pytest

from modelport import pyfunc
from modelport.errors import ModelNotLoadable
from tests.end_to_end.server import MODELPORT, environment, running
from tests.interpreters.saved import saved_on
from tests.support import interpreters

BY_NAME = {"dataframe_split": {"columns": ["kind", "count"], "data": [["a", 2]]}}
MIXED = "amount,count,kind,active,when\n1.5,2,red,true,2024-02-28T12:30:00\n"


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [str(MODELPORT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment(), input=MIXED)


def block(stderr: str) -> list[str]:
    """The lines from the error on: what `modelport` says itself, after the log."""
    lines = stderr.splitlines()
    return lines[next(place for place, line in enumerate(lines) if line.startswith("error: ")) :]


@pytest.mark.divergence("python-mismatch")
@pytest.mark.parametrize("door", [["serve", "-p", "0"], ["predict", "-t", "csv"]], ids=["serve", "predict"])
@pytest.mark.parametrize("version", ["3.10", "3.12"])
def test_code_of_another_python_is_refused_in_one_block_that_names_both(door: list[str], version: str) -> None:
    saved = saved_on("3.11")
    done = run(*door, "-m", saved.folder / "billing", "--python", interpreters.environment(version))
    assert done.returncode == 1
    error, hint = block(done.stderr)
    assert f"pickled by Python {saved.versions['python']}" in error and f"can crash Python {version}" in error
    assert error.endswith("[PYTHON_VERSION_MISMATCH]")
    assert hint.startswith("hint: Run it on Python 3.11") and "--allow-python-mismatch" in hint
    assert done.stdout == ""


@pytest.mark.parametrize("door", [["serve", "-p", "0"], ["predict", "-t", "csv"]], ids=["serve", "predict"])
def test_with_leave_it_is_opened_and_fails_as_pickles_do(door: list[str]) -> None:
    python = interpreters.environment("3.10")
    done = run(*door, "-m", saved_on("3.11").folder / "billing", "--python", python, "--allow-python-mismatch")
    assert done.returncode == 1
    assert "PYTHON_VERSION_MISMATCH" not in done.stderr
    assert "was saved by Python 3.11" in done.stderr and "TypeError" in "".join(block(done.stderr))


def test_from_python_it_is_refused_as_well_unless_leave_is_given(tmp_path: Path) -> None:
    saved = saved_on("3.11")
    model = shutil.copytree(saved.folder / "lengths", tmp_path / "model")
    facts = (model / "MLmodel").read_text()
    (model / "MLmodel").write_text(
        facts.replace(f"python_version: {saved.versions['python']}", "python_version: 3.12.1")
    )
    with pytest.raises(ModelNotLoadable, match=r"pickled by Python 3\.12\.1") as refused:
        pyfunc.load_model(str(model))
    assert refused.value.code == "PYTHON_VERSION_MISMATCH"
    assert pyfunc.load_model(str(model), allow_python_mismatch=True).predict(["ab"]) == [2]


@pytest.mark.parametrize(("saved_by", "version"), [("3.11", "3.12"), ("3.11", "3.10"), ("3.8", "3.13")])
def test_a_class_imported_by_name_is_served_and_warned_of(saved_by: str, version: str, tmp_path: Path) -> None:
    python = interpreters.environment(version)
    with running(saved_on(saved_by).folder / "by_name", tmp_path, "--python", str(python)) as server:
        status, answer = server.predict(BY_NAME)
        assert (status, answer) == (200, {"predictions": ["a-a"]})
        assert f"the model was saved by Python {saved_by}." in server.log.read_text()
