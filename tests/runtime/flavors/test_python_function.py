"""Python models from code: what is handed over, and what is said where they cannot be loaded."""

from pathlib import Path
from typing import Any

import pytest

from modelport_runtime import pyfunc
from modelport_runtime.errors import InvalidInput, ModelNotLoadable
from modelport_runtime.mlflow_names import standin
from modelport_runtime.pyfunc import PyFuncModel

STREAMING = """
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel

class Streaming(PythonModel):
    def load_context(self, context):
        self.unit = (context.model_config or {}).get("unit")

    def predict(self, context, model_input, params=None):
        return "whole"

    def predict_stream(self, context, model_input, params=None):
        yield type(context).__name__
        yield model_input
        yield [params, self.unit]

set_model(Streaming())
"""
WITHOUT_CONTEXT = """
import mlflow

class Streaming(mlflow.pyfunc.PythonModel):
    def predict(self, model_input):
        return "whole"

    def predict_stream(self, model_input):
        yield from model_input["text"].split()

mlflow.models.set_model(Streaming())
"""
SILENT = """
import mlflow

class Silent(mlflow.pyfunc.PythonModel):
    def predict(self, model_input):
        return "whole"

mlflow.models.set_model(Silent())
"""
AGENT = """
import mlflow
from mlflow.pyfunc import {0}

class Agent({0}):
    pass

mlflow.models.set_model(Agent())
"""
pytestmark = pytest.mark.filterwarnings("ignore:.*type hint:UserWarning")


def loaded(folder: Path, code: str, **entry: Any) -> PyFuncModel:
    (folder / "agent.py").write_text(code)
    # mlflow's own loader reads the file, too
    (folder / "MLmodel").write_text(
        "flavors:\n  python_function:\n    loader_module: mlflow.pyfunc.loaders.code_model\n"
        "    model_code_path: /home/author/agent.py\n"
    )
    loader = "mlflow.pyfunc.loaders.code_model"
    flavor = {"loader_module": loader, "model_code_path": "/home/author/agent.py", "streamable": True, **entry}
    return pyfunc.load(str(folder), {"flavors": {"python_function": flavor}})


def test_a_stream_gets_context_data_and_parameters(tmp_path):
    model = loaded(tmp_path, STREAMING, config={"unit": "kg"})
    assert model.predictor.predict_stream is not None
    chunks = model.predictor.predict_stream({"text": "a b"}, {"t": 1})
    assert list(chunks) == ["PythonModelContext", {"text": "a b"}, [{"t": 1}, "kg"]]
    assert model.predict({"text": "a b"}) == "whole"


def test_a_stream_may_take_the_data_alone(tmp_path, caplog):
    assert list(loaded(tmp_path, WITHOUT_CONTEXT).predict_stream({"text": "a b"}, {"t": 1})) == ["a", "b"]


def test_a_stream_begins_when_its_first_chunk_is_asked_for(tmp_path):
    chunks = loaded(tmp_path, WITHOUT_CONTEXT).predict_stream({})
    with pytest.raises(KeyError, match="text"):
        next(chunks)


@pytest.mark.parametrize(("code", "streamable"), [(STREAMING, False), (STREAMING, None), (SILENT, True)])
def test_a_model_streams_that_is_said_to_and_has_the_method(tmp_path, code, streamable):
    model = loaded(tmp_path, code, streamable=streamable)
    assert model.predictor.predict_stream is None
    with pytest.raises(InvalidInput, match="does not support predict_stream"):
        next(model.predict_stream("x"))
    assert model.predict("x") == "whole"


@pytest.mark.skipif(standin.mlflow_is_installed(), reason="mlflow itself is installed")
@pytest.mark.parametrize("kind", ["ChatModel", "ChatAgent", "ResponsesAgent"])
def test_agents_from_code_need_mlflow_and_say_so(tmp_path, kind):
    with pytest.raises(ModelNotLoadable, match=r"this model needs the real mlflow in the model's env") as caught:
        loaded(tmp_path, AGENT.format(kind))
    assert kind in str(caught.value)
    assert caught.value.hint == "add mlflow to the environment that runs the model"
