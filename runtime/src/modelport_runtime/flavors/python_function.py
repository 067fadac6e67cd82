"""Models written in Python: a pickled ``PythonModel`` or function, or a file that names one with ``set_model``."""

import importlib.util
import logging
import os
import pickle
import sys
import uuid
from typing import Any, BinaryIO, Dict, Optional

from modelport_runtime.errors import ModelNotLoadable
from modelport_runtime.flavors import generic
from modelport_runtime.flavors.predictor import Predictor
from modelport_runtime.mlflow_names import model_config, standin, tracing
from modelport_runtime.mlflow_names.python_model import (
    FunctionPythonModel,
    PythonModelContext,
    caller,
    hinted_input,
    refuses_streams,
)
from modelport_runtime.model import Model
from modelport_runtime.pickled_code import open_python_model

NAME = "python_function"

log = logging.getLogger(__name__)

_PICKLED = "mlflow.pyfunc.model"
_FROM_CODE = "mlflow.pyfunc.loaders.code_model"


def handles(loader_module: str) -> bool:
    return loader_module in (_PICKLED, _FROM_CODE)


def pickled(model: Model) -> Optional[BinaryIO]:
    return open_python_model(model)


def load(model: Model, config: Dict[str, Any]) -> Predictor:
    entry = model.pyfunc
    from_code = "model_code_path" in entry
    if not from_code and entry.get("python_version") is None:
        log.warning("the MLmodel file does not say which Python pickled this model")
    if not standin.install() and from_code:
        return generic.load(
            model, config
        )  # the code's set_model is mlflow's own, which keeps what it is given to itself
    try:
        python_model = _run_code(model, config) if from_code else _unpickle(model)
    except (ImportError, AttributeError) as error:
        if not _lacks_mlflow(error):
            raise
        raise ModelNotLoadable(
            f"this model {standin.NEEDS_MLFLOW} ({error})", hint="add mlflow to the environment that runs the model"
        ) from error
    artifacts = {name: model.file(info["path"]) for name, info in (entry.get("artifacts") or {}).items()}
    context = PythonModelContext(artifacts, config or None)
    if hasattr(python_model, "load_context"):
        python_model.load_context(context)
    convert = hinted_input(python_model, model.signature)
    stream = None
    if entry.get("streamable") and not refuses_streams(python_model):
        stream = caller(python_model.predict_stream, context, convert)
    tracing.stop_unless_directed()
    return Predictor(
        native=python_model,
        predict=caller(python_model.predict, context, convert),
        predict_stream=stream,
        python_model=python_model,
        user_code=True,
    )


def _unpickle(model: Model) -> Any:
    file = open_python_model(model)
    if file is None:
        raise ModelNotLoadable(f"the MLmodel file in {model.path} does not say where the Python model lies")
    with file:
        return pickle.load(file)


def _run_code(model: Model, config: Dict[str, Any]) -> Any:
    # The stored path is the author's; the file itself lies in the model directory.
    path = model.file(os.path.basename(str(model.pyfunc["model_code_path"]).replace("\\", "/")))
    name = f"code_model_{uuid.uuid4().hex}"
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None or not os.path.isfile(path):
        raise ModelNotLoadable(f"the model's code {path} is not there or is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    with model_config.loading(config) as models:
        spec.loader.exec_module(module)
    if not models:
        raise ModelNotLoadable(f"the model's code {path} does not name its model: it has to call set_model")
    return models[-1] if hasattr(models[-1], "predict") else FunctionPythonModel(models[-1])


def _lacks_mlflow(error: BaseException) -> bool:
    if isinstance(error, ImportError):
        return (error.name or "").split(".")[0] == "mlflow"
    return standin.NEEDS_MLFLOW in str(error)
