import dataclasses
import importlib
import logging
import pickle
import pickletools
from datetime import datetime
from typing import Any, Optional, Union

import pytest

from modelport_runtime.data_types import Scalar
from modelport_runtime.errors import SchemaMismatch
from modelport_runtime.mlflow_names.python_model import (
    FunctionPythonModel,
    PythonModel,
    PythonModelContext,
    caller,
    hinted_input,
)
from modelport_runtime.mlflow_names.type_hints import SERVING, to_example_type
from modelport_runtime.schema import Schema, Signature
from modelport_runtime.specs import ColSpec

CONTEXT = PythonModelContext({"file": "/model/artifacts/file"}, {"depth": 3})


def call(model: Any, data: Any, params: Any = None, signature: Any = None) -> Any:
    return caller(model.predict, CONTEXT, hinted_input(model, signature))(data, params)


class WithContext(PythonModel):
    def predict(self, context, model_input, params=None):
        return [context.artifacts["file"], context.model_config["depth"], model_input, params]


class ContextByPosition(PythonModel):
    def predict(self, ctx, rows):
        return [ctx is CONTEXT, rows]


class DataOnly(PythonModel):
    def predict(self, model_input):
        return model_input


class DataAndParams(PythonModel):
    def predict(self, model_input, params=None):
        return [model_input, params]


@pytest.mark.parametrize(
    ("model", "answer"),
    [
        (WithContext(), ["/model/artifacts/file", 3, "x", {"t": 1}]),
        (ContextByPosition(), [True, "x"]),
        (DataOnly(), "x"),
        (DataAndParams(), ["x", {"t": 1}]),
        (FunctionPythonModel(lambda model_input: model_input), "x"),
    ],
)
def test_predict_is_called_as_it_was_written(model, answer, caplog):
    with caplog.at_level(logging.ERROR):
        assert call(model, "x", {"t": 1}) == answer


def test_parameters_that_predict_does_not_take_are_dropped_with_a_warning(caplog):
    assert call(DataOnly(), "x", {"temperature": 1}) == "x"
    assert "temperature" in caplog.text


def test_our_classes_pickle_under_the_names_of_mlflow():
    names = {
        f"{module} {name}"
        for module, name in (
            (value.__module__, value.__qualname__) for value in (PythonModel, PythonModelContext, FunctionPythonModel)
        )
    }
    assert names == {
        "mlflow.pyfunc.model PythonModel",
        "mlflow.pyfunc.model PythonModelContext",
        "mlflow.pyfunc.model _FunctionPythonModel",
    }


def test_no_name_of_ours_enters_a_pickle():
    cloudpickle = pytest.importorskip("cloudpickle")
    from modelport_runtime.mlflow_names import standin

    if not standin.install():
        pytest.skip("with mlflow installed, models are pickled by mlflow's own classes")
    # cloudpickle refers by name only to what lies in an imported module.
    for module in ("mlflow.pyfunc.model", "mlflow.pyfunc.utils.data_validation"):
        importlib.import_module(module)

    class Hinted(PythonModel):
        def predict(self, model_input: list[str]) -> list[int]:
            return [len(text) for text in model_input]

    for model in (Hinted(), FunctionPythonModel(lambda model_input: model_input)):
        data = cloudpickle.dumps(model)
        texts = [argument for _, argument, _ in pickletools.genops(data) if isinstance(argument, str)]
        assert not [text for text in texts if text.startswith("modelport")]
        assert call(pickle.loads(data), ["ab"]) in ([2], ["ab"])


def hinted(hint: Any) -> PythonModel:
    def predict(self, model_input):
        return model_input

    predict.__annotations__["model_input"] = hint
    return type("Hinted", (PythonModel,), {"predict": predict, "__module__": __name__})()


@pytest.mark.parametrize(
    ("hint", "data"),
    [
        (list[str], ["a", "b"]),
        (list[int], [1, True]),
        (list[float], [1.5]),
        (list[datetime], [datetime(2020, 1, 1)]),
        (list[list[int]], [[1], []]),
        (list[dict[str, float]], [{"a": 1.0}]),
        (list[Optional[str]], ["a", None]),  # noqa: UP045  as models spell it
        (list[str | None], ["a", None]),
        (list[Union[int, str]], [1, "a", 2.5]),  # noqa: UP007
        (list[Any], [object, 1]),
    ],
)
def test_data_that_fits_the_type_hint_goes_through(hint, data):
    assert call(hinted(hint), data) == data


@pytest.mark.parametrize(
    ("hint", "data", "message"),
    [
        (list[str], "a", "expected a list of str, found str"),
        (list[str], ["a", 1], "element 1: expected str, found int"),
        (list[float], [1], "element 0: expected float, found int"),
        (list[bytes], ["YQ=="], "element 0: expected bytes, found str"),
        (list[dict[str, int]], [{"a": "x"}], "'a': expected int, found str"),
        (list[dict[str, int]], [{1: 1}], "expected text as key"),
        (list[int | None], ["a"], "element 0: expected int"),
        (list[int], ["a"] * 9, "and 4 more"),
    ],
)
def test_data_that_does_not_fit_the_type_hint_is_refused(hint, data, message):
    with pytest.raises(SchemaMismatch, match=message) as caught:
        call(hinted(hint), data)
    assert caught.value.code == "INVALID_PARAMETER_VALUE"


@pytest.mark.parametrize(
    ("hint", "text", "value"),
    [
        (list[bytes], "aGVsbG8=", b"hello"),
        (list[datetime], "2020-01-02T03:04:05", datetime(2020, 1, 2, 3, 4, 5)),
    ],
)
def test_when_serving_text_is_read_as_what_json_cannot_say(monkeypatch, hint, text, value):
    monkeypatch.setenv(SERVING, "true")
    assert call(hinted(hint), [text]) == [value]
    with pytest.raises(SchemaMismatch, match="expected"):
        call(hinted(hint), ["a"])


def test_dictionaries_become_instances_of_a_pydantic_hint():
    pydantic = pytest.importorskip("pydantic")

    class Line(pydantic.BaseModel):
        text: str
        weight: float | None = None

    answer = call(hinted(list[Line]), [{"text": "a"}, {"text": "b", "weight": 0.5, "extra": 1}])
    assert [(line.text, line.weight) for line in answer] == [("a", None), ("b", 0.5)]
    with pytest.raises(SchemaMismatch, match="does not fit Line"):
        call(hinted(list[Line]), [{"text": 1}])


def test_frames_are_turned_into_the_list_that_a_hint_asks_for():
    pd = pytest.importorskip("pandas")
    assert call(hinted(list[str]), pd.DataFrame({"n": [1, 2], "text": ["a", "b"]})) == ["a", "b"]
    assert call(hinted(list[int]), pd.DataFrame({"x": [1, 2]})) == [1, 2]
    with pytest.raises(SchemaMismatch, match="no column of the data holds text"):
        call(hinted(list[str]), pd.DataFrame({"n": [1]}))


def test_a_hint_of_text_dictionaries_gets_records():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": ["x", "y"], "b": ["z", "w"]})
    assert call(hinted(list[dict[str, str]]), frame) == [{"a": "x", "b": "z"}, {"a": "y", "b": "w"}]
    unnamed = Signature(inputs=Schema((ColSpec(Scalar("string")),)))
    assert call(hinted(list[dict[str, str]]), pd.DataFrame({0: [{"a": "x"}]}), signature=unnamed) == [{"a": "x"}]


@pytest.mark.parametrize("hint", ["list[str]", "List[str]"])
def test_a_hint_that_cannot_be_evaluated_is_read_from_its_text(hint):
    pd = pytest.importorskip("pandas")

    def predict(self, model_input, params: "NotThere" = None):  # noqa: F821
        return model_input

    predict.__annotations__["model_input"] = hint
    model = type("Old", (PythonModel,), {"predict": predict, "__module__": __name__})()
    assert call(model, pd.DataFrame({"q": ["a", "b"]})) == ["a", "b"]


@dataclasses.dataclass
class Message:
    role: str = "user"
    content: str = ""


@dataclasses.dataclass
class ChatRequest:
    """As mlflow has it, and under the name of its module."""

    messages: list[Message] = dataclasses.field(default_factory=list)
    last: Optional[Message] = None  # noqa: UP045  as models spell it
    limit: Optional[int] = None  # noqa: UP045


ChatRequest.__module__ = "mlflow.models.rag_signatures"


@pytest.mark.filterwarnings("ignore:.*type hint:UserWarning")
def test_a_hint_of_mlflow_s_chat_requests_gets_one_from_the_one_row():
    pd = pytest.importorskip("pandas")

    class Own(ChatRequest):
        """A subclass of the model's author."""

    message = {"role": "user", "content": "hello"}
    frame = pd.DataFrame({"messages": [[message, message]], "last": [message], "more": [1]})
    for hint in (ChatRequest, Own):
        expected = hint(messages=[Message("user", "hello")] * 2, last=Message("user", "hello"))
        assert call(hinted(hint), frame) == expected
    assert call(hinted(ChatRequest), pd.DataFrame({"last": [None], "limit": [3]})) == ChatRequest([], None, 3)
    assert call(hinted(ChatRequest), {"messages": [message]}) == {"messages": [message]}, "no frame: as it comes"
    for rows in (0, 2):
        with pytest.raises(SchemaMismatch, match=f"a single ChatRequest, and the data has {rows} rows"):
            call(hinted(ChatRequest), pd.DataFrame({"limit": range(rows)}))


def test_hints_that_say_nothing_checkable_are_left_alone():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({"a": [1]})
    assert call(hinted(pd.DataFrame), frame) is frame
    assert call(hinted(str), 5) == 5


def test_a_list_of_an_unknown_type_warns_once_at_definition():
    with pytest.warns(UserWarning, match="not checked"):
        model = hinted(list[complex])
    assert call(model, [1]) == [1]


def test_the_enforced_frame_comes_back_in_the_container_of_the_example():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame({0: ["x", "y"]})
    assert to_example_type(frame, ["a"]) == ["x", "y"]
    assert to_example_type(frame, frame) is frame
    series = to_example_type(frame, pd.Series(["a"], name="n"))
    assert series.tolist() == ["x", "y"] and series.name == "n"
    assert to_example_type(pd.DataFrame({"a": [1], "b": [2]}), [{"a": 0, "b": 0}]) == [{"a": 1, "b": 2}]
