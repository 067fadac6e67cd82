"""Saves a dozen small models with the real mlflow: ``python make_models.py FOLDER``.

Runs in an environment that holds mlflow. Beside each model lies ``<name>.json``: an input and what mlflow itself
predicts for it, so that the tests hold Modelport against mlflow and not against its own reading of the format.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, DataType, Schema, TensorSpec

MLFLOW_MAJOR = int(mlflow.__version__.split(".")[0])
REQUIREMENTS = ["cloudpickle"]  # given, so that mlflow does not infer them in a subprocess

FRAME = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.5], "b": [0.5, -1.0, 2.0, 7.0], "c": [3.0, 3.5, -2.0, 0.0]})
TARGET = np.array([0, 1, 0, 1])


class Scaled(mlflow.pyfunc.PythonModel):
    """Reads its factor from an artifact, an offset from the parameters and a unit from the configuration."""

    def load_context(self, context):
        self.factor = float(Path(context.artifacts["factor"]).read_text())

    def predict(self, context, model_input, params=None):
        offset = (params or {}).get("offset", 0.0)
        total = model_input["a"] * self.factor + model_input["b"] + offset
        return pd.DataFrame({"total": total, "unit": context.model_config["unit"]})


class WithoutContext(mlflow.pyfunc.PythonModel):
    def predict(self, model_input, params=None):
        return model_input.sum(axis=1).to_numpy()


class OtherName(mlflow.pyfunc.PythonModel):
    """The context may have any name when there are two arguments."""

    def predict(self, ctx, rows):
        return [type(ctx).__name__, len(rows)]


class Words(mlflow.pyfunc.PythonModel):
    def predict(self, model_input: list[str]) -> list[int]:
        return [len(text) for text in model_input]


class Words2(mlflow.pyfunc.PythonModel):
    def predict(self, model_input, params=None):
        return [text.upper() for text in model_input["0"]] if "0" in model_input else list(model_input[0])


class Stream(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        return ["whole"]

    def predict_stream(self, context, model_input, params=None):
        for word in model_input["text"].split():
            yield {"word": word, "shout": (params or {}).get("shout")}


class Refusing(mlflow.pyfunc.PythonModel):
    """Raises mlflow's own exception, with a code."""

    def predict(self, context, model_input, params=None):
        from mlflow.exceptions import MlflowException

        raise MlflowException.invalid_parameter_value("no such thing")


class Broken(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        raise ZeroDivisionError("the model's own")


def row_sum(model_input):
    return model_input.sum(axis=1).tolist()


CODE_MODEL = """\
import mlflow
from mlflow.models import ModelConfig, set_model
from mlflow.pyfunc import PythonModel

config = ModelConfig(development_config={"word": "development"})


class FromCode(PythonModel):
    def predict(self, context, model_input, params=None):
        return [config.get("word"), config.to_dict()["times"], len(model_input)]


set_model(FromCode())
"""

CODE_FUNCTION = """\
import mlflow


def predict(model_input):
    return model_input["a"].tolist()


mlflow.models.set_model(predict)
"""

CODE_HINTS = """\
from typing import List

import mlflow
from mlflow.pyfunc.utils import pyfunc


class Hinted(mlflow.pyfunc.PythonModel):
    def predict(self, model_input: list[str]):
        return [text[::-1] for text in model_input]


mlflow.models.set_model(Hinted())
"""

OWN_LOADER = """\
import json
from pathlib import Path


class Doubling:
    def __init__(self, factor):
        self.factor = factor

    def predict(self, rows, params=None):
        return (rows["a"] * self.factor).tolist()


def _load_pyfunc(path):
    return Doubling(json.loads(Path(path).read_text())["factor"])
"""

HELPER = "WORD = 'from code_paths'\n"


def save_all(folder: Path) -> None:
    """Save every model into its own directory below ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    sources = folder / "sources"
    sources.mkdir(exist_ok=True)
    save_sklearn(folder)
    save_onnx(folder)
    save_python_models(folder, sources)
    save_from_code(folder, sources)
    save_own_loader(folder, sources)
    save_hinted(folder)


def save_sklearn(folder: Path) -> None:
    from sklearn.compose import ColumnTransformer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(FRAME, TARGET)
    signature = infer_signature(FRAME, model.predict(FRAME))
    options: dict[str, Any] = {"signature": signature, "pip_requirements": ["scikit-learn"]}
    formats = ["pickle", "cloudpickle"] + (["skops"] if MLFLOW_MAJOR >= 3 else [])
    for serialization in formats:
        path = folder / f"sklearn_{serialization}"
        if serialization == "skops":
            # A type that skops does not trust by itself: the list stored in the MLmodel file must be used.
            from sklearn.ensemble import HistGradientBoostingClassifier

            native = HistGradientBoostingClassifier(max_iter=2, min_samples_leaf=1).fit(FRAME, TARGET)
            import skops.io

            trusted = skops.io.get_untrusted_types(data=skops.io.dumps(native))
            mlflow.sklearn.save_model(
                native, str(path), serialization_format="skops", skops_trusted_types=trusted, **options
            )
        else:
            mlflow.sklearn.save_model(
                model, str(path), serialization_format=serialization, input_example=FRAME.head(2), **options
            )
        expect(path, frame=FRAME)
    path = folder / "sklearn_proba"
    mlflow.sklearn.save_model(
        model, str(path), serialization_format="pickle", pyfunc_predict_fn="predict_proba", **options
    )
    expect(path, frame=FRAME)

    mixed = FRAME.assign(kind=["x", "y", "x", "z"])
    columns = ColumnTransformer([("n", StandardScaler(), ["a", "b"]), ("k", OneHotEncoder(), ["kind"])])
    by_name = make_pipeline(columns, LogisticRegression()).fit(mixed, TARGET)
    path = folder / "sklearn_columns"
    mlflow.sklearn.save_model(
        by_name,
        str(path),
        serialization_format="cloudpickle",
        signature=infer_signature(mixed, by_name.predict(mixed)),
        pip_requirements=["scikit-learn"],
    )
    expect(path, frame=mixed)


def save_onnx(folder: Path) -> None:
    from onnx import TensorProto, helper

    weights = helper.make_tensor("w", TensorProto.FLOAT, [3, 1], [1.0, 2.0, 0.5])
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 1])],
        [weights],
    )
    net = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    by_column = ModelSignature(
        inputs=Schema([ColSpec(DataType.double, name) for name in "abc"]),
        outputs=Schema([TensorSpec(np.dtype("float32"), (-1, 1))]),
    )
    by_tensor = ModelSignature(
        inputs=Schema([TensorSpec(np.dtype("float32"), (-1, 3))]),
        outputs=Schema([TensorSpec(np.dtype("float32"), (-1, 1))]),
    )
    options: dict[str, Any] = {"pip_requirements": ["onnx", "onnxruntime"]}
    mlflow.onnx.save_model(net, str(folder / "onnx_columns"), signature=by_column, **options)
    expect(folder / "onnx_columns", frame=FRAME)
    mlflow.onnx.save_model(
        net,
        str(folder / "onnx_tensor"),
        signature=by_tensor,
        onnx_execution_providers=["CUDAExecutionProvider", "CPUExecutionProvider"],
        onnx_session_options={
            "graph_optimization_level": 1,
            "intra_op_num_threads": 1,
            "inter_op_num_threads": 1,
            "execution_mode": "sequential",
            "extra_session_config": {"session.disable_prepacking": "1"},
        },
        **options,
    )
    expect(folder / "onnx_tensor", array=[[1, 2, 3], [0, 0, 1]], dtype="float32")


def save_python_models(folder: Path, sources: Path) -> None:
    factor = sources / "factor.txt"
    factor.write_text("2.5")
    two = FRAME[["a", "b"]]
    example = pd.DataFrame({"total": [1.0], "unit": ["kg"]})
    scaled: dict[str, Any] = {
        "python_model": Scaled(),
        "artifacts": {"factor": str(factor)},
        "signature": infer_signature(two, example, params={"offset": 1.0}),
        "model_config": {"unit": "kg", "depth": 3},
        "pip_requirements": REQUIREMENTS,
    }
    mlflow.pyfunc.save_model(str(folder / "python_class"), input_example=(two.head(1), {"offset": 2.0}), **scaled)
    expect(folder / "python_class", frame=two, params={"offset": 10.0})
    for compression in ("lzma", "bzip2", "gzip"):
        os.environ["MLFLOW_LOG_MODEL_COMPRESSION"] = compression
        mlflow.pyfunc.save_model(str(folder / f"python_{compression}"), **scaled)
        expect(folder / f"python_{compression}", frame=two)
        del os.environ["MLFLOW_LOG_MODEL_COMPRESSION"]
    simple: dict[str, Any] = {"pip_requirements": REQUIREMENTS}
    save = mlflow.pyfunc.save_model
    save(str(folder / "without_context"), python_model=WithoutContext(), signature=infer_signature(two), **simple)
    expect(folder / "without_context", frame=two)
    save(str(folder / "other_name"), python_model=OtherName(), **simple)
    expect(folder / "other_name", value=["x", "y"])
    save(str(folder / "stream"), python_model=Stream(), **simple)
    save(str(folder / "refusing"), python_model=Refusing(), **simple)
    save(str(folder / "broken"), python_model=Broken(), **simple)
    # With an explicit signature the pickle of a function holds mlflow's signature classes as well.
    save(str(folder / "function"), python_model=row_sum, signature=infer_signature(two, [1.5]), **simple)
    expect(folder / "function", frame=two)


def save_from_code(folder: Path, sources: Path) -> None:
    for name, code in (("code_class", CODE_MODEL), ("code_function", CODE_FUNCTION), ("code_hints", CODE_HINTS)):
        source = sources / f"{name}.py"
        source.write_text(code)
        config = {"model_config": {"word": "saved", "times": 2}} if name == "code_class" else {}
        mlflow.pyfunc.save_model(str(folder / name), python_model=str(source), pip_requirements=REQUIREMENTS, **config)
    expect(folder / "code_class", frame=FRAME)
    expect(folder / "code_function", frame=FRAME)
    expect(folder / "code_hints", value=["abc", "de"])


def save_own_loader(folder: Path, sources: Path) -> None:
    package = sources / "own_loader_package"
    package.mkdir(exist_ok=True)
    (package / "__init__.py").write_text(HELPER)
    (package / "loading.py").write_text(OWN_LOADER)
    data = sources / "factor.json"
    data.write_text(json.dumps({"factor": 3}))
    sys.path.insert(0, str(sources))
    mlflow.pyfunc.save_model(
        str(folder / "own_loader"),
        loader_module="own_loader_package.loading",
        data_path=str(data),
        code_paths=[str(package)],
        pip_requirements=REQUIREMENTS,
    )
    expect(folder / "own_loader", frame=FRAME)

    from own_loader_package import loading

    class UsesCode(mlflow.pyfunc.PythonModel):
        def __init__(self):
            self.doubling = loading.Doubling(4)  # pickled by reference: needs the code directory

        def predict(self, context, model_input, params=None):
            return self.doubling.predict(model_input)

    mlflow.pyfunc.save_model(
        str(folder / "code_paths"), python_model=UsesCode(), code_paths=[str(package)], pip_requirements=REQUIREMENTS
    )
    expect(folder / "code_paths", frame=FRAME)
    sys.path.remove(str(sources))


def save_hinted(folder: Path) -> None:
    mlflow.pyfunc.save_model(str(folder / "hinted"), python_model=Words(), pip_requirements=REQUIREMENTS)
    expect(folder / "hinted", value=["a", "bcd"])

    from datetime import datetime

    import pydantic
    from mlflow.types.type_hints import TypeFromExample

    class Line(pydantic.BaseModel):
        text: str
        when: datetime
        weight: float | None = None

    class Lines(mlflow.pyfunc.PythonModel):
        def predict(self, model_input: list[Line]):
            return [f"{line.text} {line.when.year} {line.weight}" for line in model_input]

    class Raw(mlflow.pyfunc.PythonModel):
        def predict(self, model_input: list[bytes]):
            return [len(data) for data in model_input]

    class Example(mlflow.pyfunc.PythonModel):
        def predict(self, model_input: TypeFromExample):
            return [type(model_input).__name__, model_input]

    mlflow.pyfunc.save_model(str(folder / "hinted_pydantic"), python_model=Lines(), pip_requirements=REQUIREMENTS)
    mlflow.pyfunc.save_model(str(folder / "hinted_bytes"), python_model=Raw(), pip_requirements=REQUIREMENTS)
    mlflow.pyfunc.save_model(
        str(folder / "hint_from_example"),
        python_model=Example(),
        input_example=["a", "b"],
        pip_requirements=REQUIREMENTS,
    )
    expect(folder / "hint_from_example", value=["x", "y", "z"])


def expect(path: Path, *, params: Any = None, **given: Any) -> None:
    """Write ``<path>.json``: the input as plain JSON, the parameters, and mlflow's own prediction."""
    if "frame" in given:
        data: Any = given["frame"]
        given = {"frame": data.to_dict(orient="list")}
    elif "array" in given:
        data = np.array(given["array"], dtype=given["dtype"])
    else:
        data = given["value"]
    predictions = mlflow.pyfunc.load_model(str(path)).predict(data, params=params)
    path.with_suffix(".json").write_text(json.dumps({**given, "params": params, "predictions": plain(predictions)}))


def plain(predictions: Any) -> Any:
    """Predictions as JSON: frames as lists by column."""
    if isinstance(predictions, pd.DataFrame):
        return predictions.to_dict(orient="list")
    if isinstance(predictions, dict):
        return {name: plain(value) for name, value in predictions.items()}
    return predictions.tolist() if isinstance(predictions, (np.ndarray, pd.Series)) else predictions


if __name__ == "__main__":
    save_all(Path(sys.argv[1]))
