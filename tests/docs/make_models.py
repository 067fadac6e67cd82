"""The models that ``docs/payloads.md`` asks, saved by the real mlflow: ``python make_models.py FOLDER``."""

import sys
from pathlib import Path

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import Array, Object, Property


class Visits(mlflow.pyfunc.PythonModel):
    """Tells the moment it got in ISO form, and the size of the photo."""

    def predict(self, context, model_input, params=None):
        moments = [moment.isoformat() for moment in model_input["at"]]
        return pd.DataFrame({"at": moments, "bytes": [len(photo) for photo in model_input["photo"]]})


class Baskets(mlflow.pyfunc.PythonModel):
    """The sum of each basket, and the customer's name if there is one."""

    def predict(self, context, model_input, params=None):
        rows = model_input.to_dict("records")
        return [{"total": sum(row["prices"]), "for": (row.get("customer") or {}).get("name")} for row in rows]


class Tiles(mlflow.pyfunc.PythonModel):
    """The mean of each picture of 2 by 2 pixels."""

    def predict(self, context, model_input, params=None):
        return model_input.mean(axis=(1, 2))


class Shout(mlflow.pyfunc.PythonModel):
    """The text in capitals."""

    def predict(self, context, model_input, params=None):
        return [text.upper() for text in model_input.iloc[:, 0]]


class Assistant(mlflow.pyfunc.PythonModel):
    """Repeats the last message; streams it word by word."""

    def predict(self, context, model_input, params=None):
        said = model_input["messages"].iloc[0][-1]["content"]
        answer = {"role": "assistant", "content": said}
        return {"choices": [{"index": 0, "message": answer}], "temperature": params["temperature"]}

    def predict_stream(self, context, model_input, params=None):
        for word in model_input["messages"][-1]["content"].split():
            yield {"choices": [{"index": 0, "delta": {"content": word}}]}


def main(folder: Path) -> None:
    double, text = DataType.double, DataType.string
    customer = Object([Property("name", text)])
    messages = Array(Object([Property("role", text), Property("content", text)]))
    save(
        folder / "visits",
        Visits(),
        [ColSpec(DataType.datetime, "at"), ColSpec(DataType.binary, "photo")],
        [ColSpec(text, "at"), ColSpec(DataType.long, "bytes")],
    )
    save(
        folder / "baskets", Baskets(), [ColSpec(Array(double), "prices"), ColSpec(customer, "customer", required=False)]
    )
    save(
        folder / "tiles",
        Tiles(),
        [TensorSpec(np.dtype("float32"), (-1, 2, 2))],
        [TensorSpec(np.dtype("float32"), (-1,))],
    )
    save(folder / "shout", Shout(), [ColSpec(text)])
    save(
        folder / "assistant",
        Assistant(),
        [ColSpec(messages, "messages")],
        params=[ParamSpec("temperature", double, 1.0)],
    )


def save(
    folder: Path,
    model: mlflow.pyfunc.PythonModel,
    inputs: list,
    outputs: list | None = None,
    params: list | None = None,
) -> None:
    signature = ModelSignature(
        Schema(inputs), Schema(outputs) if outputs else None, ParamSchema(params) if params else None
    )
    mlflow.pyfunc.save_model(folder, python_model=model, signature=signature, pip_requirements=["cloudpickle"])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
