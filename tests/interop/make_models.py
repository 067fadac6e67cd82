"""Saves the models of the interop suite with the real MLflow of its interpreter: ``python make_models.py FOLDER``."""

import pickle
import platform
import shutil
import sys
import warnings
from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

import cloudpickle
import echoes
import mlflow
import numpy as np
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import AnyType, Array, Map, Object, Property

HANDMADE = Path(__file__).parent / "handmade"
SCALARS = ("boolean", "integer", "long", "float", "double", "string", "binary", "datetime")
FEATURES = [f"f{number}" for number in range(13)]


def columns(**types: object) -> Schema:
    return Schema([ColSpec(kind, name) for name, kind in types.items()])


def tensors(*specs: tuple[str, tuple[int, ...], str | None]) -> Schema:
    return Schema([TensorSpec(np.dtype(dtype), shape, name) for dtype, shape, name in specs])


def save_echo(path: Path, inputs: Schema | None, params: list[ParamSpec] | None = None) -> None:
    save_python(path, echoes.Echo(), inputs, params)


def save_python(path: Path, model: object, inputs: Schema | None, params: list[ParamSpec] | None = None) -> None:
    signature = None
    if inputs is not None or params is not None:
        signature = ModelSignature(inputs, None, ParamSchema(params) if params else None)
    mlflow.pyfunc.save_model(path, python_model=model, signature=signature, pip_requirements=["cloudpickle"])


def table(rows: int = 200) -> tuple[pd.DataFrame, np.ndarray]:
    random = np.random.default_rng(7)
    frame = pd.DataFrame(random.normal(size=(rows, 13)), columns=FEATURES)
    return frame, (frame["f0"] + frame["f1"] > 0).to_numpy().astype("int64")


def logistic(path: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    frame, target = table()
    model = LogisticRegression().fit(frame, target)
    signature = mlflow.models.infer_signature(frame, model.predict(frame))
    mlflow.sklearn.save_model(model, path, signature=signature, pip_requirements=["scikit-learn"])


def probabilities(path: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    frame, target = table()
    model = LogisticRegression().fit(frame.to_numpy(), target)
    signature = mlflow.models.infer_signature(frame.to_numpy(), model.predict_proba(frame.to_numpy()))
    mlflow.sklearn.save_model(
        model,
        path,
        signature=signature,
        serialization_format="cloudpickle",
        pyfunc_predict_fn="predict_proba",
        pip_requirements=["scikit-learn"],
    )


def forest(path: Path) -> None:
    from sklearn.compose import ColumnTransformer
    from sklearn.ensemble import RandomForestRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    random = np.random.default_rng(7)
    texts, numbers = ["t0", "t1", "t2", "t3"], ["n0", "n1", "n2", "n3"]
    frame = pd.DataFrame(random.choice(["red", "green", "blue"], size=(100, 4)), columns=texts)
    frame[numbers] = random.normal(size=(100, 4))
    steps = ColumnTransformer([("text", OneHotEncoder(), texts), ("number", StandardScaler(), numbers)])
    model = make_pipeline(steps, RandomForestRegressor(20, random_state=0)).fit(frame, frame["n0"] * 3)
    mlflow.sklearn.save_model(
        model,
        path,
        signature=mlflow.models.infer_signature(frame, model.predict(frame)),
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
    )


def onnx_dense(path: Path) -> None:
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(7)
    weights = random.normal(scale=0.02, size=(3072, 10)).astype("float32")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Relu", ["z"], ["scores"])],
        "dense",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3072])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, 10])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    signature = ModelSignature(tensors(("float32", (-1, 3072), None)), tensors(("float32", (-1, 10), None)))
    mlflow.onnx.save_model(model, path, signature=signature, pip_requirements=["onnx", "onnxruntime"])


def onnx_named(path: Path) -> None:
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [helper.make_node("ReduceSum", ["x"], ["total"], keepdims=0)],
        "total",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 3])],
        [helper.make_tensor_value_info("total", TensorProto.FLOAT, None)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    signature = ModelSignature(tensors(("float32", (-1, 3), "x")), tensors(("float32", (), "total")))
    mlflow.onnx.save_model(model, path, signature=signature, pip_requirements=["onnx", "onnxruntime"])


def required(path: Path) -> None:
    save_echo(path, columns(**{name: getattr(DataType, name) for name in SCALARS}))


def optional(path: Path) -> None:
    save_echo(path, Schema([ColSpec(getattr(DataType, name), name, required=False) for name in SCALARS]))


def save_one_column(path: Path, kind: str) -> None:
    save_echo(path, columns(v=getattr(DataType, kind)))


def plural(name: str) -> str:
    return "binaries" if name == "binary" else f"{name}s"


def mixed(path: Path) -> None:
    """Every kind of type, each column optional, so that a case names only what it is about.

    That there is a nested type among them makes MLflow read ``inputs`` of an object as one row.
    """
    kinds = {"long": DataType.long, "string": DataType.string}
    kinds |= {plural(name): Array(getattr(DataType, name)) for name in SCALARS}
    kinds |= {
        "objects": Array(Object([Property("k", DataType.integer)])),
        "maps": Array(Map(DataType.string)),
        "anything": Array(AnyType()),
        "object": Object([Property("n", DataType.long), Property("s", DataType.string, required=False)]),
        "map": Map(DataType.long),
        "any": AnyType(),
    }
    save_echo(path, Schema([ColSpec(kind, name, required=False) for name, kind in kinds.items()]))


def nested(path: Path) -> None:
    point = Object([Property("x", DataType.double), Property("tags", Array(DataType.string), required=False)])
    save_echo(
        path, columns(id=DataType.long, numbers=Array(DataType.double), grid=Array(Array(DataType.long)), point=point)
    )


def objects(path: Path) -> None:
    point = Object(
        [Property("x", DataType.double), Property("n", DataType.long), Property("s", DataType.string, False)]
    )
    save_echo(path, columns(id=DataType.long, point=point))


def params(path: Path) -> None:
    save_echo(
        path,
        columns(x=DataType.double),
        [
            ParamSpec("boolean", DataType.boolean, True),
            ParamSpec("integer", DataType.integer, 1),
            ParamSpec("long", DataType.long, 2),
            ParamSpec("float", DataType.float, 0.5),
            ParamSpec("double", DataType.double, 0.25),
            ParamSpec("string", DataType.string, "a"),
            ParamSpec("datetime", DataType.datetime, datetime(2020, 1, 2, 3, 4, 5)),
            ParamSpec("numbers", DataType.double, [1.5], (-1,)),
            ParamSpec("words", DataType.string, ["a", "b"], (-1,)),
            ParamSpec("nothing", DataType.string, None),
            ParamSpec("object", Object([Property("k", DataType.long)]), {"k": 1}),
        ],
    )


def chat(path: Path) -> None:
    message = Object([Property("role", DataType.string), Property("content", DataType.string)])
    save_echo(path, columns(messages=Array(message)), [ParamSpec("temperature", DataType.double, 1.0)])


def artifacts(path: Path) -> None:
    word = path.parent / "word.txt"
    word.write_text("hello\n")
    mlflow.pyfunc.save_model(
        path,
        python_model=echoes.EchoWithArtifacts(),
        artifacts={"word": str(word)},
        model_config={"beams": 3, "nested": {"k": [1]}},
        signature=ModelSignature(columns(x=DataType.double)),
        pip_requirements=["cloudpickle"],
    )


def from_code(path: Path) -> None:
    mlflow.pyfunc.save_model(
        path,
        python_model=str(HANDMADE / "code" / "shout.py"),
        signature=ModelSignature(columns(text=DataType.string)),
        pip_requirements=["cloudpickle"],
    )


def own_loader(path: Path) -> None:
    factor = path.parent / "factor.txt"
    factor.write_text("2.0")
    mlflow.pyfunc.save_model(
        path,
        loader_module="doubler_of_interop",
        data_path=str(factor),
        code_paths=[str(HANDMADE / "code" / "doubler_of_interop.py")],
        signature=ModelSignature(columns(x=DataType.double)),
        pip_requirements=["pandas"],
    )


def copy_handmade(name: str, path: Path) -> None:
    """Only the pickle is missing; it is made by this interpreter, so the MLmodel file must say so."""
    shutil.copytree(HANDMADE / name, path)
    mlmodel = (path / "MLmodel").read_text()
    (path / "MLmodel").write_text(mlmodel.replace("<this Python>", platform.python_version()))


def mlflow_1(path: Path) -> None:
    from sklearn.linear_model import LinearRegression

    copy_handmade("mlflow-1", path)
    model = LinearRegression().fit(pd.DataFrame({"a": [0.0, 1.0], "b": [0.0, 2.0]}), [1.0, 6.0])
    (path / "model.pkl").write_bytes(pickle.dumps(model))


def mlflow_2_1(path: Path) -> None:
    copy_handmade("mlflow-2.1", path)
    (path / "python_model.pkl").write_bytes(cloudpickle.dumps(echoes.Echo()))


def mlflow_2_6(path: Path) -> None:
    copy_handmade("mlflow-2.6", path)
    (path / "python_model.pkl").write_bytes(cloudpickle.dumps(echoes.Echo()))


def mlflow_2_10(path: Path) -> None:
    copy_handmade("mlflow-2.10", path)
    (path / "python_model.pkl").write_bytes(cloudpickle.dumps(echoes.Echo()))


ONE_COLUMN = ("boolean", "integer", "long", "float", "double", "binary", "datetime")
"""Each with a model of its own, whose one required column it is; ``text`` is the one of strings."""


MODELS: dict[str, Callable[[Path], None]] = {
    "logistic": logistic,
    "probabilities": probabilities,
    "forest": forest,
    "onnx_dense": onnx_dense,
    "onnx_named": onnx_named,
    "sleeper": lambda path: save_python(path, echoes.Sleeper(), columns(x=DataType.double, y=DataType.double)),
    "outputs": lambda path: save_python(
        path, echoes.Outputs(), columns(x=DataType.long), [ParamSpec("what", DataType.string, "frame")]
    ),
    "required": required,
    "optional": optional,
    "mixed": mixed,
    "nested": nested,
    "text": lambda path: save_echo(path, columns(text=DataType.string)),
    **{f"one_{kind}": partial(save_one_column, kind=kind) for kind in ONE_COLUMN},
    "arrays": lambda path: save_echo(path, columns(id=DataType.long, words=Array(DataType.string))),
    "objects": objects,
    "maps": lambda path: save_echo(path, columns(id=DataType.long, scores=Map(DataType.double))),
    "anything": lambda path: save_echo(path, columns(id=DataType.long, x=AnyType())),
    "unnamed_array": lambda path: save_echo(path, Schema([ColSpec(Array(DataType.long))])),
    "unnamed_doubles": lambda path: save_echo(path, Schema([ColSpec(DataType.double)] * 3)),
    "unnamed_text": lambda path: save_python(path, echoes.EchoWithoutParams(), Schema([ColSpec(DataType.string)])),
    "unnamed_pair": lambda path: save_echo(path, Schema([ColSpec(DataType.double), ColSpec(DataType.long)])),
    "integer_names": lambda path: save_echo(path, Schema([ColSpec(DataType.double, 0), ColSpec(DataType.string, 1)])),
    "tensor": lambda path: save_echo(path, tensors(("float32", (-1, 3), None))),
    "tensor_of_longs": lambda path: save_echo(path, tensors(("int64", (-1, 2), None))),
    "images": lambda path: save_echo(path, tensors(("uint8", (-1, 2, 2), None))),
    "ragged": lambda path: save_echo(path, tensors(("float32", (-1, -1), None))),
    "tensor_of_texts": lambda path: save_echo(path, tensors(("str", (-1,), None))),
    "tensors": lambda path: save_echo(path, tensors(("float32", (-1, 2), "a"), ("int64", (-1,), "b"))),
    "named_tensor": lambda path: save_echo(path, tensors(("int64", (-1, 2), "ids"))),
    "params": params,
    "free": lambda path: save_echo(path, None),
    "chat": chat,
    "typed_texts": lambda path: save_python(path, echoes.EchoTexts(), None),
    "typed_bytes": lambda path: save_python(path, echoes.EchoBytes(), None),
    "typed_numbers": lambda path: save_python(path, echoes.EchoNumbers(), None),
    "typed_maps": lambda path: save_python(path, echoes.EchoMaps(), None),
    "artifacts": artifacts,
    "from_code": from_code,
    "own_loader": own_loader,
    "mlflow_1": mlflow_1,
    "mlflow_2_1": mlflow_2_1,
    "mlflow_2_6": mlflow_2_6,
    "mlflow_2_10": mlflow_2_10,
}


def main(folder: Path) -> None:
    cloudpickle.register_pickle_by_value(echoes)
    folder.mkdir(parents=True, exist_ok=True)
    for name, save in MODELS.items():
        save(folder / name)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(Path(sys.argv[1]))
