"""Loaders of any module, and what is made of the object that they hand over."""

import sys
from pathlib import Path
from typing import Any

import pytest

from modelport_runtime import pyfunc
from modelport_runtime.errors import InvalidInput, ModelNotLoadable
from modelport_runtime.flavors import generic
from modelport_runtime.flavors.predictor import Predictor
from modelport_runtime.mlflow_names import standin
from modelport_runtime.mlflow_names.python_model import PythonModel
from modelport_runtime.model import Model


class Chain:
    """What a loader hands over: a wrapper around the model itself."""

    def __init__(self, model: Any = None) -> None:
        self.model = model

    def get_raw_model(self) -> Any:
        return self.model

    def predict(self, data: Any, params: Any = None) -> Any:
        return [data, params]

    def predict_stream(self, data: Any, params: Any = None) -> Any:
        yield from (data, params)

    def words(self, data: Any) -> Any:
        yield from data.split()


class Streaming(PythonModel):
    def predict_stream(self, context, model_input, params=None):
        yield model_input


class Whole(PythonModel):
    """Has the method of the base class, and does not stream."""


def wrapped(implementation: Any, **entry: Any) -> Predictor:
    flavor = {"python_function": {"loader_module": "some_loader", **entry}}
    return generic.wrap(implementation, Model.from_mlmodel("/model", {"flavors": flavor}))


def streamed(predictor: Predictor, data: Any, params: Any = None) -> list[Any]:
    assert predictor.predict_stream is not None
    return list(predictor.predict_stream(data, params))


def test_a_streamable_model_hands_over_both_methods():
    predictor = wrapped(Chain(), streamable=True)
    assert predictor.predict("x", {"t": 1}) == ["x", {"t": 1}]
    assert streamed(predictor, "x", {"t": 1}) == ["x", {"t": 1}]
    assert predictor.user_code


def test_only_a_streamable_model_streams():
    for entry in ({}, {"streamable": False}, {"streamable": None}):
        assert wrapped(Chain(), **entry).predict_stream is None


def test_the_method_that_streams_may_have_another_name_and_no_parameters(caplog):
    predictor = wrapped(Chain(), streamable=True, predict_stream_fn="words")
    assert streamed(predictor, "a b", {"t": 1}) == ["a", "b"]
    assert "ignored: t" in caplog.text


def test_a_streamable_object_needs_the_method():
    with pytest.raises(ModelNotLoadable, match="the loaded Chain has no method stream"):
        wrapped(Chain(), streamable=True, predict_stream_fn="stream")


def test_the_refusing_method_of_a_base_class_is_no_stream():
    assert wrapped(Chain(Whole()), streamable=True).predict_stream is None
    assert streamed(wrapped(Chain(Streaming()), streamable=True), "x") == ["x", None]
    assert streamed(wrapped(Chain(object()), streamable=True), "x") == ["x", None], "a chain of another library"


def test_a_python_model_inside_decides_before_the_wrapper():
    chain = Chain()
    chain.python_model = Whole()  # type: ignore[attr-defined]
    predictor = wrapped(chain, streamable=True)
    assert predictor.predict_stream is None
    assert predictor.python_model is chain.python_model  # type: ignore[attr-defined]


def test_streaming_from_a_model_that_does_not_is_refused():
    model = Model.from_mlmodel("/model", {"flavors": {"python_function": {"loader_module": "some_loader"}}})
    with pytest.raises(InvalidInput, match="does not support predict_stream"):
        next(pyfunc.PyFuncModel(model, wrapped(Chain(Whole()), streamable=True)).predict_stream("x"))


@pytest.mark.skipif(standin.mlflow_is_installed(), reason="mlflow itself is installed")
@pytest.mark.parametrize("kind", ["chat_model", "chat_agent", "responses_agent"])
def test_pickled_agents_need_mlflow_and_say_so(tmp_path: Path, kind: str) -> None:
    entry = {"loader_module": f"mlflow.pyfunc.loaders.{kind}", "python_model": "python_model.pkl"}
    with pytest.raises(ModelNotLoadable, match=rf"loaders\.{kind}, which needs mlflow in the model's env") as caught:
        pyfunc.load(str(tmp_path), {"flavors": {"python_function": entry}})
    assert caught.value.hint == "add mlflow to the environment that runs the model"


def test_a_module_that_is_no_loader_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [*sys.path, str(tmp_path)])
    (tmp_path / "loads_nothing.py").write_text("")
    with pytest.raises(ModelNotLoadable, match="loads_nothing has no function _load_pyfunc"):
        pyfunc.load(str(tmp_path), {"flavors": {"python_function": {"loader_module": "loads_nothing"}}})


def test_the_pickle_that_mlflow_s_own_loaders_open_is_looked_into_as_well(tmp_path: Path) -> None:
    cloudpickle = pytest.importorskip("cloudpickle")
    (tmp_path / "python_model.pkl").write_bytes(cloudpickle.dumps(lambda messages: messages))
    entry = {"loader_module": "mlflow.pyfunc.loaders.chat_model", "python_model": "python_model.pkl"}
    with pytest.raises(ModelNotLoadable, match=r"pickled by Python 3\.7\.9"):
        pyfunc.load(str(tmp_path), {"flavors": {"python_function": {**entry, "python_version": "3.7.9"}}})
