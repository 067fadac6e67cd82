"""scikit-learn estimators: pickle, cloudpickle or skops files."""

import logging
import os
import pickle
from typing import Any, BinaryIO, Callable, Dict, Optional

from modelport_runtime.errors import ModelNotLoadable
from modelport_runtime.flavors import estimators
from modelport_runtime.flavors.predictor import Params, Predictor
from modelport_runtime.mlflow_names import standin
from modelport_runtime.model import Model

NAME = "sklearn"
PREDICT_FUNCTIONS = ("predict", "predict_proba", "predict_log_proba", "predict_joint_log_proba", "score")
ROW_WISE_FUNCTIONS = ("predict", "predict_proba", "predict_log_proba")

log = logging.getLogger(__name__)


def handles(loader_module: str) -> bool:
    return loader_module == "mlflow.sklearn"


def pickled(model: Model) -> Optional[BinaryIO]:
    # Plain pickle knows no code; cloudpickle writes a transformer by value that was defined in a script, or is a lambda.
    entry = model.flavors.get(NAME, {})
    return open(_model_file(model), "rb") if entry.get("serialization_format") == "cloudpickle" else None


def load(model: Model, config: Dict[str, Any]) -> Predictor:
    function = model.pyfunc.get("predict_fn", "predict")
    if function not in PREDICT_FUNCTIONS:
        raise ModelNotLoadable(f"predict_fn '{function}' is none of {', '.join(PREDICT_FUNCTIONS)}")
    if model.pyfunc.get("code"):
        standin.install()  # the user's own modules may mention mlflow
    native = _read(model)
    method: Optional[Callable[[Any], Any]] = getattr(native, function, None)
    if method is None:
        raise ModelNotLoadable(f"the estimator {type(native).__name__} has no method {function}")
    predict = method
    bare = None
    row_wise = function in ROW_WISE_FUNCTIONS and estimators.is_row_wise(native, function)
    if row_wise:
        bare = estimators.for_arrays(native, function, model.get_input_schema())
    if bare is None:
        return Predictor(native=native, predict=lambda data, params: predict(data), row_wise=row_wise)
    return Predictor(
        native=native,
        predict=_by_kind(predict, getattr(bare.estimator, function)),
        row_wise=row_wise,
        array_columns=bare.columns,
    )


def _by_kind(with_names: Callable[[Any], Any], without_names: Callable[[Any], Any]) -> Callable[[Any, Params], Any]:
    import numpy as np

    array = np.ndarray

    def predict(data: Any, params: Params) -> Any:
        return without_names(data) if type(data) is array else with_names(data)

    return predict


def _read(model: Model) -> Any:
    entry = model.flavors.get(NAME, {})
    path = _model_file(model)
    written_as = entry.get("serialization_format", "pickle")
    if written_as == "skops":
        return _read_skops(path, entry.get("skops_trusted_types") or [])
    if written_as not in ("pickle", "cloudpickle"):
        raise ModelNotLoadable(f"the estimator is stored as '{written_as}', which is not known")
    with open(path, "rb") as file:
        return pickle.load(file)  # what cloudpickle writes, pickle reads, where cloudpickle can be imported


def _model_file(model: Model) -> str:
    # Old models say `data`, where the file may also be the whole path.
    name = model.pyfunc.get("model_path") or model.pyfunc.get("data")
    path = model.file(name or model.flavors.get(NAME, {}).get("pickled_model") or "model.pkl")
    if not os.path.isfile(path):
        raise ModelNotLoadable(f"there is no model file {path}")
    return path


def _read_skops(path: str, trusted: Any) -> Any:
    import skops.io

    unknown = set(skops.io.get_untrusted_types(file=path)) - set(trusted)
    if unknown:
        raise ModelNotLoadable(
            f"the skops file {path} holds types that its MLmodel file does not trust: {', '.join(sorted(unknown))}",
            hint="if they are yours, save the model with skops_trusted_types naming them",
        )
    return skops.io.load(path, trusted=list(trusted))
