"""Saves models with the mlflow of this interpreter and asks that mlflow's own server code: ``make_models.py FOLDER``.

Runs on Python 3.8 to 3.13. ``answers.json`` holds what mlflow answers to the cases of ``cases.json`` that are given as text,
``versions.json`` what saved and answered.
"""

import json
import platform
import sys
from pathlib import Path
from typing import Any, Dict, List

import mlflow
import numpy as np
import pandas as pd
import sklearn
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.pyfunc import PythonModel, scoring_server
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import Array, Map, Object, Property
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

REQUIREMENTS = ["mlflow"]
ROWS = pd.DataFrame(
    {
        "amount": [1.5, -2.0, 0.25, 8.0, 3.5, -1.0],
        "count": [1, 5, 2, 7, 3, 4],
        "kind": ["red", "blue", "red", "green", "blue", "green"],
        "active": [True, False, False, True, True, False],
    }
)
LABELS = ["high", "low", "high", "high", "low", "low"]
MIXED = Schema(
    [
        ColSpec(DataType.double, "amount"),
        ColSpec(DataType.long, "count"),
        ColSpec(DataType.string, "kind"),
        ColSpec(DataType.boolean, "active"),
        ColSpec(DataType.datetime, "when"),
        ColSpec(DataType.string, "note", required=False),
    ]
)
NESTED = Schema(
    [
        ColSpec(DataType.integer, "whole"),
        ColSpec(DataType.float, "small"),
        ColSpec(DataType.binary, "raw"),
        ColSpec(DataType.datetime, "when", required=False),
        ColSpec(DataType.boolean, "flag", required=False),
        ColSpec(Array(DataType.double), "list"),
        ColSpec(Object([Property("name", DataType.string), Property("size", DataType.long, False)]), "thing"),
        ColSpec(Map(DataType.double), "by_key", required=False),
    ]
)
TENSORS = Schema(
    [
        TensorSpec(np.dtype("float32"), (-1, 2), "image"),
        TensorSpec(np.dtype("int64"), (-1,), "label"),
        TensorSpec(np.dtype("bool"), (-1,), "flag"),
    ]
)
BY_NAME = '''
"""A model whose class is imported by name: its pickle holds no code."""
import mlflow


class Repeating(mlflow.pyfunc.PythonModel):
    def __init__(self, separator):
        self.separator = separator

    def predict(self, context, model_input, params=None):
        return [self.separator.join([kind] * int(count)) for kind, count in zip(model_input["kind"], model_input["count"])]
'''


class Billing(PythonModel):
    """Defined here, in the script that runs: cloudpickle writes its code into the pickle."""

    def predict(self, context, model_input, params=None):
        if (model_input["amount"] < -900).any():
            raise ValueError("nobody owes so much")
        answer = pd.DataFrame({"total": model_input["amount"] * model_input["count"] + params["offset"]})
        answer["label"] = params["label"]
        answer["year"] = model_input["when"].dt.year
        answer["next"] = model_input["when"] + pd.Timedelta(days=1)
        answer["active"] = model_input["active"]
        answer["note"] = model_input.get("note", "none")
        return answer


class Seeing(PythonModel):
    """Says what it was given: the type of each column, the type and value of each cell."""

    def predict(self, context, model_input, params=None):
        import numpy

        def seen(value):
            if isinstance(value, numpy.ndarray):
                return ["array", str(value.dtype), value.tolist()]
            return [type(value).__name__, repr(value) if isinstance(value, bytes) else str(value)]

        if isinstance(model_input, dict):
            return [[name, *seen(value)] for name, value in sorted(model_input.items())]
        dtypes = [[name, str(dtype)] for name, dtype in model_input.dtypes.items()]
        return [dtypes] + [[seen(value) for value in model_input[name].tolist()] for name in model_input]


class Lengths(PythonModel):
    def predict(self, context, model_input: List[str], params=None):
        return [len(text) for text in model_input]


def save_all(folder: Path) -> None:
    columns = ColumnTransformer(
        [
            ("numbers", StandardScaler(), ["amount", "count"]),
            ("kinds", OneHotEncoder(handle_unknown="ignore"), ["kind"]),
            ("flags", "passthrough", ["active"]),
        ]
    )
    mlflow.sklearn.save_model(
        make_pipeline(columns, LogisticRegression()).fit(ROWS, LABELS),
        str(folder / "classifier"),
        serialization_format="cloudpickle",
        signature=ModelSignature(MIXED, Schema([ColSpec(DataType.string)])),
        pip_requirements=REQUIREMENTS,
    )
    numbers = pd.DataFrame(np.random.RandomState(0).rand(40, 3), columns=["a", "b", "c"])
    target = numbers["a"] * 2 - numbers["b"] + 0.5
    mlflow.sklearn.save_model(
        make_pipeline(StandardScaler(), LinearRegression()).fit(numbers, target),
        str(folder / "regressor"),
        signature=ModelSignature(Schema([ColSpec(DataType.double, name) for name in numbers])),
        pip_requirements=REQUIREMENTS,
    )
    mlflow.sklearn.save_model(
        LinearRegression().fit(numbers.to_numpy(), target),
        str(folder / "tensor"),
        signature=ModelSignature(Schema([TensorSpec(np.dtype("float64"), (-1, 3))])),
        pip_requirements=REQUIREMENTS,
    )
    params = ParamSchema([ParamSpec("offset", DataType.double, 0.0), ParamSpec("label", DataType.string, "plain")])
    mlflow.pyfunc.save_model(
        str(folder / "billing"),
        python_model=Billing(),
        signature=ModelSignature(MIXED, params=params),
        pip_requirements=REQUIREMENTS,
    )
    for name, schema in (("nested", NESTED), ("tensors", TENSORS)):
        signature = ModelSignature(schema)
        path = str(folder / name)
        mlflow.pyfunc.save_model(path, python_model=Seeing(), signature=signature, pip_requirements=REQUIREMENTS)
    mlflow.pyfunc.save_model(str(folder / "lengths"), python_model=Lengths(), pip_requirements=REQUIREMENTS)
    save_by_name(folder)


def save_by_name(folder: Path) -> None:
    module = folder / "sources" / "repeating_of_tests.py"
    module.parent.mkdir()
    module.write_text(BY_NAME)
    sys.path.insert(0, str(module.parent))
    from repeating_of_tests import Repeating

    mlflow.pyfunc.save_model(
        str(folder / "by_name"),
        python_model=Repeating("-"),
        code_paths=[str(module)],
        signature=ModelSignature(Schema([ColSpec(DataType.string, "kind"), ColSpec(DataType.long, "count")])),
        pip_requirements=REQUIREMENTS,
    )


def ask(model: Any, case: Dict[str, Any]) -> Dict[str, Any]:
    """What mlflow's server answers: its status and body, or its error's code."""
    text = case["text"] if "text" in case else json.dumps(case["body"])
    try:
        answer = scoring_server.invocations(text, case["content"], model, model.metadata.get_input_schema())
    except MlflowException as error:
        return {"status": error.get_http_status_code(), "error_code": error.error_code}
    # JSON has no NaN: mlflow writes it all the same.
    return {"status": answer.status, "body": json.loads(answer.response, parse_constant=lambda name: None)}


def main(folder: Path) -> None:
    save_all(folder)
    models: Dict[str, Any] = {}
    answers = {}
    for case in json.loads(Path(__file__).with_name("cases.json").read_text()):
        if "like" in case:  # said in a way that mlflow cannot read
            continue
        name = case["model"]
        if name not in models:
            models[name] = mlflow.pyfunc.load_model(str(folder / name))
        answers[case["name"]] = ask(models[name], case)
    (folder / "answers.json").write_text(json.dumps(answers, indent=1))
    versions = {module.__name__: module.__version__ for module in (np, pd, sklearn, mlflow)}
    versions["python"] = platform.python_version()
    (folder / "versions.json").write_text(json.dumps(versions))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
