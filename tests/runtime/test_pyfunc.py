import json
import logging
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from modelport_runtime import pyfunc
from modelport_runtime.errors import InvalidInput, ModelNotLoadable, SchemaMismatch
from modelport_runtime.mlflow_names import standin
from modelport_runtime.pyfunc import merged_config

LOADER = """
import os

class Impl:
    def __init__(self, path, config):
        self.path, self.config = path, config
    def predict(self, data, params=None):
        return [data, params]
    def predict_stream(self, data):
        yield from data
    def without_params(self, data):
        return data
    def any_params(self, data, **params):
        return [data, params]

def _load_pyfunc(path):
    return Impl(path, None)
"""
WITH_CONFIG = LOADER.replace("def _load_pyfunc(path):", "def _load_pyfunc(path, config):").replace(
    "Impl(path, None)", "Impl(path, config)"
)


def saved(folder: Path, name: str, source: str, signature: Any = None, **entry: Any) -> tuple[str, dict[str, Any]]:
    """A model directory with its own loader module, and its MLmodel data."""
    (folder / "code").mkdir()
    (folder / "code" / f"{name}.py").write_text(source)
    data: dict[str, Any] = {"flavors": {"python_function": {"loader_module": name, "code": "code", **entry}}}
    if signature:
        data["signature"] = signature
    return str(folder), data


@pytest.fixture(autouse=True)
def _same_path_afterwards(monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))


def test_a_loader_of_one_argument_is_enough_without_configuration(tmp_path):
    model = pyfunc.load(*saved(tmp_path, "one_argument", LOADER))
    assert model.predict("x", {"t": 1}) == ["x", {}]
    assert model.get_raw_model().path == str(tmp_path)
    assert sys.path[0] == str(tmp_path / "code")


def test_a_loader_gets_the_data_path_and_the_configuration(tmp_path):
    folder, data = saved(tmp_path, "two_arguments", WITH_CONFIG, data="data/x.bin", config={"a": 1, "b": 2})
    model = pyfunc.load(folder, data, {"b": 3})
    assert model.get_raw_model().path == os.path.join(folder, "data/x.bin")
    assert model.get_raw_model().config == model.model_config == {"a": 1, "b": 3}
    assert data["flavors"]["python_function"]["config"] == {"a": 1, "b": 2}, "what was given is not written to"


@pytest.mark.parametrize(("predict_fn", "answer"), [("without_params", "x"), ("any_params", ["x", {}])])
def test_params_go_only_to_what_names_them(tmp_path, predict_fn, answer, caplog):
    model = pyfunc.load(*saved(tmp_path, f"named_{predict_fn}", LOADER, predict_fn=predict_fn))
    assert model.predict("x", {"t": 1}) == answer


def test_a_stream_takes_one_input_and_is_lazy(tmp_path):
    pd = pytest.importorskip("pandas")
    inputs = '[{"type": "string"}]'
    model = pyfunc.load(*saved(tmp_path, "streaming", LOADER, {"inputs": inputs}, streamable=True))
    assert list(model.predict_stream(pd.DataFrame({0: ["ab"]}))) == ["a", "b"]
    late = model.predict_stream(pd.DataFrame({0: ["a", "b"]}))
    with pytest.raises(InvalidInput, match="single input, not 2"):
        next(late)


def test_a_model_that_is_not_streamable_says_so(tmp_path):
    model = pyfunc.load(*saved(tmp_path, "not_streaming", LOADER))
    with pytest.raises(InvalidInput, match="does not support predict_stream"):
        next(model.predict_stream("x"))


def test_data_and_params_are_held_against_the_signature(tmp_path):
    pd = pytest.importorskip("pandas")
    signature = {
        "inputs": '[{"type": "double", "name": "a"}]',
        "params": '[{"name": "t", "type": "long", "default": 7, "shape": null}]',
    }
    model = pyfunc.load(*saved(tmp_path, "enforced", LOADER, signature))
    frame, params = model.predict(pd.DataFrame({"extra": [1], "a": [1.5]}))
    assert list(frame.columns) == ["a"] and params == {"t": 7}
    with pytest.raises(SchemaMismatch):
        model.predict(pd.DataFrame({"a": ["text"]}))
    with pytest.raises(SchemaMismatch):
        model.predict(pd.DataFrame({"a": [1.5]}), {"t": "text"})


def test_what_the_model_raises_comes_out_unchanged(tmp_path):
    source = LOADER.replace("return [data, params]", "raise ZeroDivisionError('the model itself')")
    model = pyfunc.load(*saved(tmp_path, "raising", source))
    with pytest.raises(ZeroDivisionError, match="the model itself"):
        model.predict("x")


@pytest.mark.parametrize(
    ("name", "source", "message"),
    [
        ("missing_library", "import not_installed_anywhere\n", "needs the module not_installed_anywhere"),
        ("failing", "raise ValueError('broken file')\n", "ValueError: broken file"),
        ("no_loader", "x = 1\n", "has no function _load_pyfunc"),
        ("no_predict", "def _load_pyfunc(path):\n    return 5\n", "the loaded int has no method predict"),
    ],
)
def test_why_a_model_cannot_be_loaded_is_said(tmp_path, name, source, message):
    with pytest.raises(ModelNotLoadable, match=message):
        pyfunc.load(*saved(tmp_path, name, source))


def test_the_traceback_of_failing_code_is_kept(tmp_path):
    with pytest.raises(ModelNotLoadable) as caught:
        pyfunc.load(*saved(tmp_path, "traced", "def f():\n    raise ValueError('x')\nf()\n"))
    assert "in f" in caught.value.traceback


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"flavors": {"sklearn": {}}}, "no python_function flavor"),
        ({"flavors": {"python_function": {}}}, "names no loader_module"),
        (
            {"flavors": {"python_function": {"loader_module": "x"}}, "metadata": {"mlflow.model.isExternal": True}},
            "external",
        ),
    ],
)
def test_a_file_that_describes_nothing_to_load_is_refused(tmp_path, data, message):
    with pytest.raises(ModelNotLoadable, match=message):
        pyfunc.load(str(tmp_path), data)


@pytest.mark.skipif(standin.mlflow_is_installed(), reason="mlflow itself is installed")
@pytest.mark.parametrize("loader", ["mlflow.prophet", "mlflow.pyfunc.loaders.chat_model"])
def test_a_flavor_of_mlflow_alone_needs_mlflow(tmp_path, loader):
    with pytest.raises(ModelNotLoadable, match="needs mlflow in the model's environment"):
        pyfunc.load(str(tmp_path), {"flavors": {"python_function": {"loader_module": loader}}})


def test_overrides_come_from_the_environment_and_then_from_the_caller(monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_PYFUNC_INFERENCE_CONFIG", json.dumps({"a": "environment", "b": "environment"}))
    assert merged_config({"a": 1, "b": 2, "c": 3}, {"b": "caller"}) == {"a": "environment", "b": "caller", "c": 3}
    file = tmp_path / "config.yml"
    file.write_text("c: from file\n")
    pytest.importorskip("yaml")
    assert merged_config({"c": 3}, str(file)) == {"c": "from file"}


def test_keys_that_were_not_saved_cannot_be_set(caplog):
    assert merged_config(None, {"a": 1}) == {}
    assert merged_config({"a": 1}, {"z": 1}) == {"a": 1}
    assert "z" in caplog.text


@pytest.mark.parametrize("content", ["[1]", "a: [", None])
def test_a_configuration_file_that_cannot_be_read_is_told(tmp_path, content):
    pytest.importorskip("yaml")
    file = tmp_path / "config.yml"
    if content is not None:
        file.write_text(content)
    with pytest.raises((InvalidInput, FileNotFoundError)):
        merged_config({"a": 1}, str(file))


def test_another_python_is_warned_of(tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        pyfunc.load(*saved(tmp_path, "other_python", LOADER, python_version="2.7.1"))
    assert "2.7.1" in caplog.text


def test_a_model_shows_what_it_is(tmp_path):
    folder, data = saved(tmp_path, "shown", LOADER)
    model = pyfunc.load(folder, {**data, "run_id": "r1", "artifact_path": "m", "model_id": "m-1"})
    assert repr(model) == "mlflow.pyfunc.loaded_model:\n  artifact_path: m\n  flavor: shown\n  run_id: r1\n"
    assert model.model_id == "m-1" and model.loader_module == "shown" and model.input_example is None
    with pytest.raises(InvalidInput, match="no PythonModel"):
        model.unwrap_python_model()
