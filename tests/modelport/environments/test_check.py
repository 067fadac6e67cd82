"""The check of an environment: what it leaves behind, and where it can be called."""

import asyncio
import sys
from pathlib import Path

import pytest

from modelport.environments.check import check, loading
from modelport.errors import WorkerFailed
from modelport.model import mlmodel
from modelport.workers.spec import WorkerSpec
from tests.modelport.environments.tiny import tiny_model


@pytest.fixture
def spec(tmp_path: Path) -> WorkerSpec:
    model = tiny_model(tmp_path / "model")
    code = model / "code" / "tiny_loader.py"
    code.write_text(code.read_text().replace("import six\n", "").replace("    assert six.PY3\n", ""))
    return loading(model, mlmodel.read(model), tmp_path / "home")(sys.executable)


def test_nothing_is_written_into_the_model(spec: WorkerSpec, tmp_path: Path) -> None:
    before = sorted(spec.model_path.rglob("*"))
    assert check(spec, tmp_path / "log")["load_seconds"] > 0
    assert sorted(spec.model_path.rglob("*")) == before


def test_it_can_be_called_where_a_loop_is_running(spec: WorkerSpec, tmp_path: Path) -> None:
    async def in_a_notebook() -> None:
        assert check(spec, tmp_path / "log")["load_seconds"] > 0

    asyncio.run(in_a_notebook())


def test_a_model_that_is_never_loaded_is_given_up(
    spec: WorkerSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MODELPORT_BUILD_TIMEOUT", "1")
    pid = tmp_path / "pid"
    code = spec.model_path / "code" / "tiny_loader.py"
    code.write_text(f"import os, time\nopen({str(pid)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n")
    with pytest.raises(WorkerFailed, match="the model was not loaded after 1 s"):
        check(spec, tmp_path / "log")
    assert not Path(f"/proc/{pid.read_text()}").exists()


def test_what_the_model_writes_goes_to_the_log(spec: WorkerSpec, tmp_path: Path) -> None:
    code = spec.model_path / "code" / "tiny_loader.py"
    code.write_text("print('about to fail', flush=True)\nraise RuntimeError('no licence')\n")
    with pytest.raises(WorkerFailed, match="no licence"):
        check(spec, tmp_path / "log")
    assert "about to fail" in (tmp_path / "log").read_text()
