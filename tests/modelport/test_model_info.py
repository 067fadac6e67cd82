"""`get_model_info` and `get_model_dependencies` say what the real mlflow says of the same models."""

import json
import logging
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from modelport import models, pyfunc
from modelport.errors import InvalidInput, ModelNotLoadable, NotFound
from tests.support.saved import ROOT

NAMES = ("python_class", "sklearn_pickle", "sklearn_skops", "onnx_tensor", "hinted", "code_class")
CONDA = "dependencies:\n- python=3.11\n- numpy\n- pip:\n  - pandas<4\n  - cloudpickle\nname: env\n"


@pytest.fixture(scope="module", params=["mlflow-3", "mlflow-2"])
def told(
    request: pytest.FixtureRequest, saved_models: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    """What that mlflow says of its own models, and of one that has a ``conda.yaml`` only."""
    folder = saved_models(request.param)
    old = tmp_path_factory.mktemp("old") / "model"
    old.mkdir()
    (old / "conda.yaml").write_text(CONDA)
    (old / "MLmodel").write_text(
        "flavors:\n  python_function:\n    loader_module: mine\n    env: conda.yaml\nenv_vars: [A_TOKEN]\n"
        "metadata: {task: x}\nrun_id: r\nartifact_path: model\nutc_time_created: '2024-05-01 12:00:00.000001'\n"
    )
    paths = [str(path) for path in (*(folder / name for name in NAMES), old) if path.exists()]
    command = [ROOT / ".envs" / request.param / "bin" / "python", "-W", "ignore"]
    script = Path(__file__).with_name("tell_mlflow_info.py")
    done = subprocess.run([*command, script, *paths], check=True, capture_output=True, text=True)
    return json.loads(done.stdout)  # type: ignore[no-any-return]


def test_the_info_is_what_mlflow_says(told: dict[str, Any]) -> None:
    assert len(told) > 5
    for path, expected in told.items():
        info = models.get_model_info(path)
        assert {name: getattr(info, name) for name in expected["info"]} == expected["info"]
        assert info.signature_dict == expected["signature"]
        assert info.model_uri == path
        assert [name for name in expected["public"] if not hasattr(info, name)] == []


def test_the_dependencies_are_what_mlflow_says(told: dict[str, Any]) -> None:
    for path, expected in told.items():
        assert Path(pyfunc.get_model_dependencies(path)).read_text() == expected["pip"]
        assert pyfunc.get_model_dependencies(path, format="conda") == expected["conda"]


def test_what_there_is_not_is_refused(tmp_path: Path) -> None:
    for ask in (models.get_model_info, pyfunc.get_model_dependencies):
        with pytest.raises(NotFound):
            ask(str(tmp_path))
    (tmp_path / "MLmodel").write_text("flavors: {python_function: {loader_module: mine}}")
    with pytest.raises(InvalidInput, match="'pip' or 'conda', not 'npm'") as raised:
        pyfunc.get_model_dependencies(str(tmp_path), format="npm")
    assert raised.value.code == "INVALID_PARAMETER_VALUE"
    for format in ("pip", "conda"):
        with pytest.raises(NotFound, match=r"has no conda\.yaml"):
            pyfunc.get_model_dependencies(str(tmp_path), format=format)
    for content in ("dependencies: [numpy]", "[]"):
        (tmp_path / "conda.yaml").write_text(content)
        with pytest.raises(NotFound, match="no pip section"):
            pyfunc.get_model_dependencies(str(tmp_path))
    (tmp_path / "MLmodel").write_text("flavors: text")
    with pytest.raises(ModelNotLoadable):
        models.get_model_info(str(tmp_path))


def test_what_conda_itself_should_bring_is_said_to_be_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "MLmodel").write_text("flavors: {python_function: {env: conda.yaml}}")
    (tmp_path / "conda.yaml").write_text(CONDA)
    pyfunc.get_model_dependencies(str(tmp_path))
    assert caplog.messages[0].endswith("is left out: python=3.11, numpy")


@pytest.fixture
def wanting(saved_models: Callable[[str], Path], tmp_path: Path) -> Path:
    """A model that wants what is not there."""
    for file in (saved_models("mlflow-3") / "without_context").iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "requirements.txt").write_text("mlflow==3.17.2\nnumpy==1.0\nnot-there\npandas\n")
    return tmp_path


def test_loading_warns_once_of_all_that_differs(wanting: Path, caplog: pytest.LogCaptureFixture) -> None:
    pyfunc.load_model(str(wanting))
    (said,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert "numpy==1.0 (found " in said.getMessage()
    assert "not-there (found none)" in said.getMessage()
    caplog.clear()
    pyfunc.load_model(str(wanting), suppress_warnings=True)
    assert caplog.records == []
