"""Models whose documents are tested, saved by the real mlflow: `python make_documented.py FOLDER`. They take anything."""

import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature, set_signature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import AnyType, Array, Map, Object, Property

SCALARS = ("boolean", "integer", "long", "float", "double", "string", "binary", "datetime")


class Columns(mlflow.pyfunc.PythonModel):
    """Answers every column with itself."""

    def predict(self, context, model_input):
        return model_input.add_suffix("_out")


class Tensor(mlflow.pyfunc.PythonModel):
    """Doubles one tensor."""

    def predict(self, context, model_input):
        return model_input * 2


class Tensors(mlflow.pyfunc.PythonModel):
    """Answers named tensors by name."""

    def predict(self, context, model_input):
        return {"count": model_input["ids"], "score": model_input["weights"]}


class Nested(mlflow.pyfunc.PythonModel):
    """Answers the rows as they came, and the parameters."""

    def predict(self, context, model_input, params=None):
        rows = model_input.to_dict(orient="records")
        return pd.DataFrame({"row": rows, "params": [params] * len(rows)})


class Untyped(mlflow.pyfunc.PythonModel):
    """Answers what it is given."""

    def predict(self, context, model_input):
        return model_input


class Chat(mlflow.pyfunc.PythonModel):
    """Answers how many messages there are, whole or piece by piece."""

    def predict(self, context, model_input, params=None):
        return {"text": [str(len(cell)) for cell in model_input["messages"]], "limit": params["limit"]}

    def predict_stream(self, context, model_input, params=None):
        for cell in model_input["messages"]:
            yield {"text": str(len(cell))}


def main(folder: Path) -> None:
    outputs = [ColSpec(name, f"{name}_out") for name in SCALARS]
    scalars = Schema([ColSpec(name, name) for name in SCALARS])
    save(folder / "columns", Columns(), ModelSignature(scalars, Schema(outputs)))
    tensor = Schema([TensorSpec(np.dtype("float32"), (-1, 2, 3))])
    save(folder / "tensor", Tensor(), ModelSignature(tensor, tensor))
    tensors = Schema([TensorSpec(np.dtype("int64"), (-1,), "ids"), TensorSpec(np.dtype("float64"), (-1, 2), "weights")])
    answers = Schema([TensorSpec(np.dtype("int64"), (-1,), "count"), TensorSpec(np.dtype("float64"), (-1, 2), "score")])
    save(folder / "tensors", Tensors(), ModelSignature(tensors, answers))
    line = Object(
        [Property("text", "string"), Property("weight", "double", required=False), Property("size", "long", False)]
    )
    nested = [
        ColSpec(Array("double"), "list"),
        ColSpec(line, "object"),
        ColSpec(Map("double"), "map"),
        ColSpec(Array(Array("string")), "table", required=False),
        ColSpec(AnyType(), "any", required=False),
        ColSpec("double", "gap", required=False),
        ColSpec("string", "note", required=False),
    ]
    params = [
        ParamSpec("scale", "double", 0.5),
        ParamSpec("words", "string", ["a"], shape=(-1,)),
        ParamSpec("since", "datetime", np.datetime64("2024-05-01")),
        ParamSpec("deep", "boolean", True),
    ]
    answer = Schema([ColSpec(AnyType(), "row"), ColSpec(AnyType(), "params")])
    save(folder / "nested", Nested(), ModelSignature(Schema(nested), answer, ParamSchema(params)))
    save(folder / "untyped", Untyped(), None)
    message = Object([Property("role", "string"), Property("content", "string", required=False)])
    chat = Schema([ColSpec(Array(message), "messages")])
    said = Schema([ColSpec("string", "text"), ColSpec("long", "limit")])
    save(folder / "chat", Chat(), ModelSignature(chat, said, ParamSchema([ParamSpec("limit", "long", 5)])))


def save(path: Path, model: mlflow.pyfunc.PythonModel, signature: ModelSignature | None) -> None:
    mlflow.pyfunc.save_model(path, python_model=model, pip_requirements=["pandas"])
    if signature is not None:
        set_signature(str(path), signature)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
