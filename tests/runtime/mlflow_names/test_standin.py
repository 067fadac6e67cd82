"""The stand-in in fresh interpreters: what is importable there depends on the whole process."""

import subprocess
import sys
from pathlib import Path

import pytest

from modelport_runtime.mlflow_names import standin

RUNTIME = Path(standin.__file__).parents[2]
pytestmark = pytest.mark.skipif(standin.mlflow_is_installed(), reason="mlflow itself is installed")


def run(code: str, cwd: Path | None = None) -> str:
    preamble = f"import sys; sys.path.insert(0, {str(RUNTIME)!r})\n"
    done = subprocess.run(
        [sys.executable, "-c", preamble + code], capture_output=True, text=True, timeout=60, cwd=cwd, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


INSTALLED = "from modelport_runtime.mlflow_names import standin; assert standin.install()\n"


def test_nothing_is_importable_before_it_is_asked_for():
    assert run("import importlib.util, modelport_runtime.pyfunc; print(importlib.util.find_spec('mlflow'))") == "None"


def test_find_spec_answers_as_for_any_package():
    out = run(
        INSTALLED
        + "from importlib.util import find_spec\n"
        + "print(find_spec('mlflow').name, find_spec('mlflow.pyfunc').submodule_search_locations)\n"
        + "print(find_spec('mlflow.sklearn'))\n"
        + "import mlflow; print(mlflow.__spec__.name, mlflow.pyfunc.PythonModel.__module__)"
    )
    assert out.splitlines() == ["mlflow []", "None", "mlflow mlflow.pyfunc.model"]


@pytest.mark.parametrize(
    "statement",
    [
        "import mlflow; mlflow.pyfunc.PythonModel; mlflow.models.set_model; mlflow.exceptions.MlflowException",
        "from mlflow.pyfunc import PythonModel, PythonModelContext",
        "from mlflow.models import ModelConfig, set_model",
        "from mlflow.pyfunc.model import _FunctionPythonModel",
        "from mlflow.pyfunc.utils import pyfunc",
        "from mlflow.pyfunc.utils.data_validation import FuncInfo, _validate_model_input",
        "from mlflow.models.signature import _TypeHints, ModelSignature",
        "from mlflow.types.schema import ColSpec, DataType, Schema; DataType.double; DataType(5)",
        "from mlflow.types.type_hints import TypeFromExample",
    ],
)
def test_what_models_mention_is_there(statement):
    run(INSTALLED + statement)


@pytest.mark.parametrize(
    ("statement", "error"),
    [
        ("import mlflow; mlflow.start_run", "AttributeError: mlflow.start_run needs the real mlflow"),
        ("import mlflow; mlflow.pyfunc.ChatModel", "AttributeError: mlflow.pyfunc.ChatModel needs the real mlflow"),
        ("from mlflow import log_metric", "ImportError"),
        ("import mlflow.langchain", "ModuleNotFoundError"),
    ],
)
def test_any_other_name_fails(statement, error):
    code = f"try:\n    {statement}\nexcept Exception as e:\n    print(f'{{type(e).__name__}}: {{e}}')"
    assert run(INSTALLED + code).startswith(error)


def test_the_real_mlflow_wins(tmp_path):
    (tmp_path / "mlflow").mkdir()
    (tmp_path / "mlflow" / "__init__.py").write_text("real = True\n")
    out = run(
        "from modelport_runtime.mlflow_names import standin; print(standin.install()); import mlflow; print(mlflow.real)",
        tmp_path,
    )
    assert out.split() == ["False", "True"]


def test_a_folder_that_is_called_mlflow_is_not_mlflow(tmp_path):
    (tmp_path / "mlflow" / "data").mkdir(parents=True)
    assert (
        run(INSTALLED + "from mlflow.pyfunc import PythonModel; print(PythonModel.__name__)", tmp_path) == "PythonModel"
    )


def test_installing_twice_is_installing_once():
    assert run(INSTALLED + INSTALLED + "print(sum(f is standin._FINDER for f in sys.meta_path))") == "1"


def test_errors_of_models_keep_their_code():
    code = "from mlflow.exceptions import MlflowException as E\n"
    out = run(
        INSTALLED
        + code
        + "e = E.invalid_parameter_value('no'); print(e.error_code, e.message, E('x', error_code=5).error_code)"
    )
    assert out == "INVALID_PARAMETER_VALUE no INTERNAL_ERROR"
