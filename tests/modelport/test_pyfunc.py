import logging
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

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


def test_a_loaded_model_serves_itself(saved_models: Callable[[str], Path], tmp_path: Path) -> None:
    """In a process of its own, because it blocks until that is told to stop."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    model = saved_models("mlflow-3") / "python_class"
    script = (
        "import sys, modelport.pyfunc\n"
        "modelport.pyfunc.load_model(sys.argv[1]).serve(port=int(sys.argv[2]), enable_mlserver=True)\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(model), str(port)], stderr=subprocess.PIPE) as process:
        try:
            until = time.monotonic() + 60
            while True:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/ping", timeout=5) as answer:
                        assert answer.status == 200
                        break
                except OSError:
                    assert process.poll() is None
                    assert time.monotonic() < until
                    time.sleep(0.1)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/version", timeout=5) as answer:
                assert answer.read() == b"3.17.2"
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
