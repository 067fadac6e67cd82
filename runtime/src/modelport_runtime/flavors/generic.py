"""Any other loader: an importable module with ``_load_pyfunc``, the user's own, or mlflow's where that is installed."""

import importlib
import inspect
import logging
from typing import Any, BinaryIO, Callable, Dict, Optional

from modelport_runtime.errors import ModelNotLoadable
from modelport_runtime.flavors.predictor import Params, Predictor
from modelport_runtime.mlflow_names import standin, tracing
from modelport_runtime.mlflow_names.python_model import refuses_streams
from modelport_runtime.model import Model
from modelport_runtime.pickled_code import open_python_model

NAME = "python_function"

log = logging.getLogger(__name__)


def handles(loader_module: str) -> bool:
    return True


def pickled(model: Model) -> Optional[BinaryIO]:
    return open_python_model(model)  # mlflow's own loaders of agents and chat models open one


def load(model: Model, config: Dict[str, Any]) -> Predictor:
    loader_module = model.pyfunc["loader_module"]
    without_mlflow = standin.install()
    if without_mlflow and loader_module.split(".")[0] == "mlflow":
        raise ModelNotLoadable(
            f"this model is loaded by {loader_module}, which needs mlflow in the model's environment",
            hint="add mlflow to the environment that runs the model",
        )
    loader = getattr(importlib.import_module(loader_module), "_load_pyfunc", None)
    if loader is None:
        raise ModelNotLoadable(f"the loader module {loader_module} has no function _load_pyfunc")
    data = model.pyfunc.get("data")
    path = model.file(data) if data else model.path
    # Loaders commonly take the path alone: they are only asked to take a configuration when there is one.
    implementation = loader(path, config) if config else loader(path)
    tracing.stop_unless_directed()
    return wrap(implementation, model)


def wrap(implementation: Any, model: Model) -> Predictor:
    """The predictor of an object whose methods the MLmodel file names."""
    raw = getattr(implementation, "get_raw_model", None)
    native = raw() if callable(raw) else implementation
    python_model = getattr(implementation, "python_model", None)
    stream = None
    if model.pyfunc.get("streamable") and not refuses_streams(native if python_model is None else python_model):
        stream = _method(implementation, model.pyfunc.get("predict_stream_fn", "predict_stream"))
    return Predictor(
        native=native,
        predict=_method(implementation, model.pyfunc.get("predict_fn", "predict")),
        predict_stream=stream,
        python_model=python_model,
        user_code=True,
    )


def _method(implementation: Any, name: str) -> Callable[[Any, Params], Any]:
    method: Optional[Callable[..., Any]] = getattr(implementation, name, None)
    if method is None:
        raise ModelNotLoadable(f"the loaded {type(implementation).__name__} has no method {name}")
    return with_optional_params(method)


def with_optional_params(method: Callable[..., Any]) -> Callable[[Any, Params], Any]:
    """The method as ``(data, params)``; parameters it does not take are dropped with a warning."""
    try:
        parameter = inspect.signature(method).parameters.get("params")
    except ValueError:  # a builtin that tells nothing
        parameter = None
    if parameter is not None and parameter.kind is not inspect.Parameter.VAR_KEYWORD:
        return lambda data, params: method(data, params=params)

    def call(data: Any, params: Params) -> Any:
        if params:
            log.warning("the model takes no parameters; ignored: %s", ", ".join(map(str, params)))
        return method(data)

    return call
