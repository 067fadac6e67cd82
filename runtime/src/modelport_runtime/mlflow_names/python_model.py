"""``PythonModel`` and what belongs to it: stand-ins for mlflow's classes of the same names, and how predict is called.

The classes pickle under mlflow's names, never under ours: plain MLflow loads what was pickled here, and the reverse.
"""

import builtins
import dataclasses
import functools
import inspect
import logging
import typing
import warnings
from types import FunctionType
from typing import Any, Callable, Dict, Iterator, List, Optional

from modelport_runtime.errors import SchemaMismatch
from modelport_runtime.mlflow_names import type_hints
from modelport_runtime.schema import Signature

log = logging.getLogger(__name__)


class PythonModelContext:
    """What a model may use: ``artifacts`` (name → absolute path) and ``model_config``."""

    __module__ = "mlflow.pyfunc.model"

    def __init__(self, artifacts: Dict[str, str], model_config: Optional[Dict[str, Any]]) -> None:
        self._artifacts = artifacts
        self._model_config = model_config

    @property
    def artifacts(self) -> Dict[str, str]:
        return self._artifacts

    @property
    def model_config(self) -> Optional[Dict[str, Any]]:
        return self._model_config


class PythonModel:
    """A model written as a class with ``predict(self, [context,] model_input, [params])``."""

    __module__ = "mlflow.pyfunc.model"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        predict = cls.__dict__.get("predict")
        if callable(predict) and not cls.__module__.startswith("mlflow."):
            cls.predict = pyfunc(predict)  # type: ignore[method-assign]

    def load_context(self, context: PythonModelContext) -> None:
        """Called once, when the model is loaded."""

    def predict(self, context: Any, model_input: Any, params: Optional[Dict[str, Any]] = None) -> Any:
        raise NotImplementedError("a PythonModel has to define predict")

    def predict_stream(self, context: Any, model_input: Any, params: Optional[Dict[str, Any]] = None) -> Iterator[Any]:
        raise NotImplementedError("this PythonModel does not define predict_stream")


class FunctionPythonModel(PythonModel):
    """A plain function as a model. ``signature`` is kept as it was pickled and not used."""

    __module__ = "mlflow.pyfunc.model"

    def __init__(self, func: Callable[[Any], Any], signature: Any = None) -> None:
        self.func = pyfunc(func)
        self.signature = signature

    def predict(self, model_input: Any, params: Optional[Dict[str, Any]] = None) -> Any:  # type: ignore[override]
        return self.func(model_input)


class TypeHints:
    """The hints of a predict function, as models pickled since MLflow 2.x may carry them."""

    __module__ = "mlflow.models.signature"

    def __init__(self, input_: Any = None, output: Any = None) -> None:
        self.input = input_
        self.output = output


FunctionPythonModel.__name__ = FunctionPythonModel.__qualname__ = "_FunctionPythonModel"
TypeHints.__name__ = TypeHints.__qualname__ = "_TypeHints"


_CHAT_REQUESTS = "mlflow.models.rag_signatures"
"""mlflow's module of dataclasses that a hint may name; a model that does has mlflow in its environment."""

# A wrapper is pickled by value, and the pickle names the module it runs in.
_WRAPPER_MODULE = {"__name__": "mlflow.pyfunc.utils.data_validation", "__builtins__": builtins}


def pyfunc(function: Callable[..., Any]) -> Callable[..., Any]:
    """A predict function that checks its data against its own type hint before every call, if that says enough."""
    if getattr(function, "_is_pyfunc", False):
        return function
    hint = type_hints.input_hint(function)
    if hint is None or not type_hints.supported(hint):
        if type_hints.is_list(hint):
            warnings.warn(f"data is not checked against the type hint {hint}: no such element type", stacklevel=3)
        return function
    index, name = type_hints.input_parameter(function)
    validate = type_hints.validate_model_input

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = validate(args, kwargs, index, hint, name)
        return function(*args, **kwargs)

    moved = FunctionType(wrapper.__code__, _WRAPPER_MODULE, closure=wrapper.__closure__)
    moved._is_pyfunc = True  # type: ignore[attr-defined]
    return functools.wraps(function)(moved)


def caller(
    method: Callable[..., Any], context: PythonModelContext, convert: Callable[[Any], Any]
) -> Callable[[Any, Optional[Dict[str, Any]]], Any]:
    """A method of a python model as ``(data, params)``; the context and the parameters go to it if it takes them."""
    parameters = inspect.signature(method).parameters
    with_context = type_hints.takes_context(parameters)
    with_params = "params" in parameters

    def call(data: Any, params: Optional[Dict[str, Any]]) -> Any:
        arguments = (context, convert(data)) if with_context else (convert(data),)
        if with_params:
            return method(*arguments, params=params)
        if params:
            log.warning("the model takes no parameters; ignored: %s", ", ".join(map(str, params)))
        return method(*arguments)

    return call


def refuses_streams(model: Any) -> bool:
    """Whether ``predict_stream`` is that of mlflow's base classes: a ``ChatModel`` counts as streamable with it, too."""
    return getattr(getattr(model, "predict_stream", None), "__module__", None) in ("mlflow.pyfunc.model", __name__)


def hinted_input(python_model: Any, signature: Optional[Signature]) -> Callable[[Any], Any]:
    """The conversion of a frame that the model's type hint asks for; models before 2.20 rely on it."""
    stored = getattr(python_model, "__dict__", {}).get("_predict_type_hints")
    function = python_model.func if isinstance(python_model, FunctionPythonModel) else python_model.predict
    hint = stored.input if stored is not None else type_hints.input_hint(function)
    if hint == List[str] or str(hint) == "list[str]":
        return _first_texts
    if hint == List[Dict[str, str]] or str(hint) == "list[dict[str, str]]":
        unnamed = bool(signature and signature.inputs and [s.name for s in signature.inputs.specs] == [None])
        return functools.partial(_records, unnamed)
    if any(kind.__module__ == _CHAT_REQUESTS for kind in getattr(hint, "__mro__", ())):
        return functools.partial(_request, hint)
    return _unchanged


def _unchanged(data: Any) -> Any:
    return data


def _is_frame(data: Any) -> bool:
    return hasattr(data, "iloc") and hasattr(data, "columns")


def _first_text_column(frame: Any) -> Any:
    return next((name for name, value in frame.iloc[0].items() if isinstance(value, str)), None) if len(frame) else None


def _first_texts(data: Any) -> Any:
    if not _is_frame(data):
        return data
    column = _first_text_column(data)
    if column is None and len(data):
        raise SchemaMismatch("the model takes a list of texts, and no column of the data holds text")
    return data[column].tolist() if column is not None else []


def _records(unnamed: bool, data: Any) -> Any:
    if not _is_frame(data):
        return data
    if unnamed:
        column = _first_text_column(data)
        if column is not None:
            return data[[column]].to_dict(orient="records")
        if len(data.columns) == 1:
            return data.iloc[:, 0].tolist()
    return data.to_dict(orient="records")


def _request(kind: Any, data: Any) -> Any:
    """The one row of a frame as the dataclass that the hint names."""
    if not _is_frame(data):
        return data
    if len(data) != 1:
        raise SchemaMismatch(f"the model takes a single {kind.__name__}, and the data has {len(data)} rows")
    return _filled(kind, data.iloc[0])


def _filled(kind: Any, values: Any) -> Any:
    """The dataclass ``kind`` with what ``values`` has of its fields."""
    fields = [field for field in dataclasses.fields(kind) if field.name in values]
    return kind(**{field.name: _of_kind(field.type, values[field.name]) for field in fields})


def _of_kind(kind: Any, value: Any) -> Any:
    arguments = typing.get_args(kind)
    if typing.get_origin(kind) is list and dataclasses.is_dataclass(arguments[0]):
        return [_filled(arguments[0], item) for item in value]
    kinds = [kind] if dataclasses.is_dataclass(kind) else [item for item in arguments if item is not type(None)]
    if value is not None and len(kinds) == 1 and dataclasses.is_dataclass(kinds[0]):
        return _filled(kinds[0], value)
    return value
