import logging
import subprocess
import sys

import pytest

from modelport.errors import ModelportError, NotFound
from modelport.pyfunc import PyFuncModel, load_model

LOADER = """
class Echo:
    def predict(self, data):
        return data

def _load_pyfunc(path, config=None):
    return Echo()
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "echo_of_tests.py").write_text(LOADER)
    (tmp_path / "MLmodel").write_text(
        "flavors:\n  python_function:\n"
        "    {code: code, loader_module: echo_of_tests, python_version: 2.7.1, config: {a: 1}}\n"
    )
    return tmp_path


def test_a_model_is_loaded_and_predicts(folder):
    model = load_model(f"file://{folder}", model_config={"a": 2})
    assert isinstance(model, PyFuncModel)
    assert model.predict([1]) == [1] and model.model_config == {"a": 2}
    assert model.metadata.path == str(folder)


@pytest.mark.parametrize("suppress", [False, True])
def test_warnings_can_be_suppressed(folder, caplog, suppress):
    load_model(str(folder), suppress_warnings=suppress, model_config={"unknown": 1})
    assert (caplog.text == "") is suppress
    assert logging.getLogger("modelport_runtime").level == logging.NOTSET


def test_errors_have_one_base(tmp_path):
    with pytest.raises(NotFound) as caught:
        load_model(str(tmp_path))
    assert isinstance(caught.value, ModelportError)
    assert caught.value.code == "RESOURCE_DOES_NOT_EXIST"


def test_importing_it_brings_no_data_library():
    code = (
        "import modelport.pyfunc, sys; print([m for m in ('numpy', 'pandas', 'mlflow', 'sklearn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "[]"
