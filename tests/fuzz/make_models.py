"""Models for the fuzzing tests, saved by the real mlflow: `python make_models.py FOLDER`.

They give back what they are given, so that its encoding is under test as well, and raise only where data of another type
than the signature's reaches them: any `the model raised` in an answer is a fault of the server.
"""

import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import AnyType, Array, Map, Object, Property
from sklearn.ensemble import HistGradientBoostingRegressor

SCALARS = ("boolean", "integer", "long", "float", "double", "string", "binary", "datetime")
OPTIONAL = ("long", "double", "string", "binary", "datetime")


class Echo(mlflow.pyfunc.PythonModel):
    """Takes anything."""

    def predict(self, context, model_input, params=None):
        return model_input


class Mixed(mlflow.pyfunc.PythonModel):
    """Looks at the types of its columns and params, as far as MLflow promises them (null fits every param)."""

    def predict(self, context, model_input, params=None):
        kinds = {
            "integer": "int32",
            "long": "int64",
            "float": "float32",
            "double": "float64",
            "datetime": "datetime64[ns]",
        }
        for name, kind in kinds.items():
            if model_input[name].dtype != kind:
                raise TypeError(f"column {name} is {model_input[name].dtype}")
        for name in ("boolean", "binary", "binary_or_none"):
            if any(isinstance(cell, str) for cell in model_input.get(name, ())):
                raise TypeError(f"column {name} holds text")
        for name, kind in (("factor", float), ("label", str), ("sizes", list)):
            if not isinstance(params[name], (kind, type(None))):
                raise TypeError(f"param {name} is {params[name]!r}")
        return model_input


class Texts(mlflow.pyfunc.PythonModel):
    """Has its signature from its type hint."""

    def predict(self, model_input: list[str]):
        return [text.upper() for text in model_input]


def save(path: Path, model: object, inputs: Schema | None, params: list[ParamSpec] | None = None) -> None:
    signature = ModelSignature(inputs, None, ParamSchema(params) if params else None) if inputs else None
    mlflow.pyfunc.save_model(path, python_model=model, signature=signature, pip_requirements=["cloudpickle"])


def mixed(path: Path) -> None:
    columns = [ColSpec(getattr(DataType, kind), kind) for kind in SCALARS]
    columns += [ColSpec(getattr(DataType, kind), f"{kind}_or_none", required=False) for kind in OPTIONAL]
    params = [
        ParamSpec("factor", DataType.double, 1.0),
        ParamSpec("label", DataType.string, "a"),
        ParamSpec("sizes", DataType.long, [1, 2], (-1,)),
    ]
    save(path, Mixed(), Schema(columns), params)


def nested(path: Path) -> None:
    message = Object([Property("role", DataType.string), Property("content", DataType.string)])
    profile = Object([Property("name", DataType.string), Property("age", DataType.long, required=False)])
    columns = [
        ColSpec(Array(message), "messages"),
        ColSpec(Array(DataType.double), "scores", required=False),
        ColSpec(Array(Array(DataType.long)), "grid", required=False),
        ColSpec(profile, "profile", required=False),
        ColSpec(Map(DataType.double), "weights", required=False),
        ColSpec(AnyType(), "anything", required=False),
    ]
    save(path, Echo(), Schema(columns), [ParamSpec("temperature", DataType.double, 1.0)])


def regressor(rows: object) -> HistGradientBoostingRegressor:
    return HistGradientBoostingRegressor(max_iter=2, min_samples_leaf=2).fit(rows, np.arange(len(rows)))


def table(path: Path) -> None:
    """A library's model of plain columns: its requests are joined."""
    frame = pd.DataFrame(np.random.default_rng(7).normal(size=(50, 3)), columns=["x", "y", "z"])
    signature = ModelSignature(Schema([ColSpec(DataType.double, name) for name in frame]))
    mlflow.sklearn.save_model(
        regressor(frame),
        path,
        signature=signature,
        input_example=frame.head(2),
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
    )


def tensor(path: Path) -> None:
    rows = np.random.default_rng(7).normal(size=(50, 3)).astype("float32")
    mlflow.sklearn.save_model(
        regressor(rows),
        path,
        signature=ModelSignature(Schema([TensorSpec(np.dtype("float32"), (-1, 3))])),
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
    )


def tensors(path: Path) -> None:
    specs = [
        ("points", "float64", (-1, 2)),
        ("ids", "int64", (-1,)),
        ("words", "str", (-1,)),
        ("flags", "bool", (-1, 1)),
    ]
    save(path, Echo(), Schema([TensorSpec(np.dtype(dtype), shape, name) for name, dtype, shape in specs]))


def main(folder: Path) -> None:
    mixed(folder / "mixed")
    nested(folder / "nested")
    table(folder / "table")
    tensor(folder / "tensor")
    tensors(folder / "tensors")
    save(folder / "unsigned", Echo(), None)
    save(folder / "hinted", Texts(), None)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
