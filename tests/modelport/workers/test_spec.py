"""What a worker is started with does not depend on the folder that we were started in."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from modelport.errors import CannotStart, ModelNotAllowed
from modelport.settings import SafetySettings
from modelport.workers import spec
from modelport.workers.sandbox import Sandbox
from modelport.workers.spec import WorkerSpec, admit, worker_spec


def made(folder: Path, python: str = sys.executable, **options: Any) -> WorkerSpec:
    return worker_spec(folder, {}, python, folder / "home", workers=1, name="m", threads=1, max_body=1, **options)


def test_paths_are_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "python").symlink_to(sys.executable)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", f"here{os.pathsep}/there")
    found = worker_spec(tmp_path, {}, "./python", Path("home"), workers=1, name="m", threads=1, max_body=1)
    assert found.python == str(tmp_path / "python")
    assert found.bundle.parent == tmp_path / "home" / "runtime"
    assert found.sys_path == [str(tmp_path / "here"), "/there"]


def test_a_spec_comes_back_from_json(tmp_path: Path) -> None:
    shut_in = Sandbox("/usr/bin/bwrap", (tmp_path, Path("/opt/python")), (("python3.11", "/usr/bin/python3"),))
    given = replace(made(tmp_path), sandbox=shut_in, withheld=("TOKEN (not set)",), mlmodel={"a": {"b": [1.5]}})
    assert WorkerSpec.from_dict(json.loads(json.dumps(given.as_dict()))) == given


def test_the_cores_are_shared_where_nobody_said_otherwise(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cores = len(os.sched_getaffinity(0))
    for name in spec.THREAD_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MKL_NUM_THREADS", "7")
    given = SafetySettings(variables={"OMP_NUM_THREADS": "5"})
    found = made(tmp_path, safety=given).environment
    assert [found[name] for name in spec.THREAD_VARIABLES] == ["5", str(cores), "7", str(cores)]


def test_a_model_that_cannot_be_shut_in_is_refused_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CannotStart, match="bubblewrap"):
        admit(tmp_path, {}, SafetySettings(sandbox=True))
    with pytest.raises(ModelNotAllowed):
        admit(tmp_path, {"flavors": {"python_function": {"loader_module": "own"}}}, SafetySettings(allow="none"))
