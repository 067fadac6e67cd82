"""Models that are asked by the Open Inference Protocol, saved by the real mlflow: `python make_inference_models.py FOLDER`."""

import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import Array


class Columns(mlflow.pyfunc.PythonModel):
    """Answers with what it was given, a column for each type; a count below zero is a mistake of its own."""

    def predict(self, context, model_input, params=None):
        if (model_input["count"] < 0).any():
            raise ValueError("counts below zero")
        return pd.DataFrame(
            {
                "text": model_input["text"] + (params or {}).get("suffix", ""),
                "count": model_input["count"] + 1,
                "year": model_input["when"].dt.year,
                "blob": model_input["blob"],
                "flag": ~model_input["flag"],
                "longest": [max(tags, key=len) for tags in model_input["tags"]],
                "ratio": model_input.get("ratio", np.nan),
            }
        )


class Scores(mlflow.pyfunc.PythonModel):
    """Doubles its tensor."""

    def predict(self, context, model_input, params=None):
        return model_input * 2


class Words(mlflow.pyfunc.PythonModel):
    """Takes a list, as its type hint says."""

    def predict(self, model_input: list[str]) -> list[int]:
        return [len(text) for text in model_input]


class Untyped(mlflow.pyfunc.PythonModel):
    """Has no signature."""

    def predict(self, context, model_input, params=None):
        if isinstance(model_input, dict):
            return {name: array[::-1] for name, array in model_input.items()}
        return model_input[::-1]


def main(folder: Path) -> None:
    columns = [
        ColSpec("string", "text"),
        ColSpec("long", "count"),
        ColSpec("datetime", "when"),
        ColSpec("binary", "blob"),
        ColSpec("boolean", "flag"),
        ColSpec(Array("string"), "tags"),
        ColSpec("double", "ratio", required=False),
    ]
    params = ParamSchema([ParamSpec("suffix", "string", "")])

    def save(path, **model):
        # Requirements are given, so that mlflow does not look for them in a process of its own.
        mlflow.pyfunc.save_model(path, pip_requirements=["cloudpickle"], **model)

    save(folder / "columns", python_model=Columns(), signature=ModelSignature(inputs=Schema(columns), params=params))
    tensors = ModelSignature(
        Schema([TensorSpec(np.dtype("float32"), (-1, 2))]), Schema([TensorSpec(np.dtype("float32"), (-1, 2), "scores")])
    )
    save(folder / "scores", python_model=Scores(), signature=tensors)
    save(folder / "words", python_model=Words())
    save(folder / "untyped", python_model=Untyped())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
