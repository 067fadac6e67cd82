"""A scoring script for Azure's inference server that does what Azure's generated one does for an MLflow model.

Written from its observed behaviour: ``input_data`` is converted by the types of ``inference_schema`` that the model's signature
asks for, ``params`` is passed on, and the bare prediction is the answer. Runs inside the server, not in the tests.
"""

import json
import os
from io import StringIO

import mlflow.pyfunc
import numpy as np
import pandas as pd
from inference_schema.parameter_types.abstract_parameter_type import AbstractParameterType
from inference_schema.parameter_types.numpy_parameter_type import NumpyParameterType
from inference_schema.parameter_types.pandas_parameter_type import PandasParameterType
from inference_schema.parameter_types.standard_py_parameter_type import StandardPythonParameterType
from inference_schema.schema_decorators import input_schema
from mlflow.models import Model

FOLDER = os.environ["AZUREML_MODEL_DIR"]


class ByShape(AbstractParameterType):
    """The conversion for a model without signature: a list is an array, a whole split frame a frame, an object arrays."""

    def __init__(self):
        super().__init__({})
        self.sample_data_type = type("Never", (), {})  # so that every input is converted

    def deserialize_input(self, input_data):
        if isinstance(input_data, list):
            return np.array(input_data)
        if {"columns", "index", "data"} <= input_data.keys():
            return pd.read_json(StringIO(json.dumps(input_data)), orient="split", dtype=False)
        return {name: np.array(value) for name, value in input_data.items()}

    def input_to_swagger(self):
        return {"type": "object", "example": {}}


def type_of_input(signature):
    """The conversion that a signature asks for."""
    if signature is None or signature.inputs is None:
        return ByShape()
    schema = signature.inputs
    if not schema.is_tensor_spec():
        sample = pd.DataFrame({name: pd.Series([], dtype=dtype_of(kind)) for name, kind in names_and_types(schema)})
        return PandasParameterType(sample, enforce_shape=False, orient="split")
    if not schema.has_input_names():
        return NumpyParameterType(sample_of(schema.inputs[0]), enforce_shape=False)
    named = {spec.name: NumpyParameterType(sample_of(spec), enforce_shape=False) for spec in schema.inputs}
    return StandardPythonParameterType(named)


def names_and_types(schema):
    return list(zip(schema.input_names(), schema.input_types(), strict=True))


def dtype_of(kind):
    """The dtype of a column; one of lists or objects has none of its own."""
    return kind.to_pandas() if hasattr(kind, "to_pandas") else np.dtype(object)


def sample_of(spec):
    """One row of zeros. Only the first dimension may be free: with another one the container does not start."""
    rows, *others = spec.shape
    return np.zeros((1 if rows == -1 else rows, *others), dtype=spec.type)


def plain(prediction):
    if isinstance(prediction, pd.Series):
        prediction = prediction.to_frame()
    if isinstance(prediction, pd.DataFrame):
        return prediction.to_dict(orient="records")
    return prediction.tolist() if isinstance(prediction, np.ndarray) else prediction


def init():
    global model
    model = mlflow.pyfunc.load_model(FOLDER)


@input_schema("params", StandardPythonParameterType({}), optional=True)
@input_schema("input_data", type_of_input(Model.load(FOLDER).signature))
def run(input_data, params=None):
    return plain(model.predict(input_data, params=params))
