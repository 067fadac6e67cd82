"""Saves the models of the workloads with the real MLflow, and what each must answer. Runs in `.envs/mlflow-3`.

All signatures name their outputs: MLServer does not load a model whose signature has none.
The pickles are cloudpickle's, not the skops files MLflow 3 writes unasked: LitServe's environment has no skops.
"""

import json
import shutil
import time
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import onnx
import pandas as pd
from mlflow.models import ModelSignature, infer_signature
from mlflow.types import ColSpec, Schema, TensorSpec
from onnx import TensorProto, helper, numpy_helper
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from benchmarks.workloads import (
    CATEGORIES,
    CUSTOMER,
    FEATURES,
    MODELS,
    ONNX_THREADS,
    PIXELS,
    WORKLOADS,
    Workload,
    customers,
    numbers,
)


class Sleeper(mlflow.pyfunc.PythonModel):  # type: ignore[misc]
    """Ten milliseconds of waiting, as for a remote feature store; the answer depends on the row.

    No annotations: MLflow would read a signature out of them.
    """

    def predict(self, context, model_input, params=None):  # type: ignore[no-untyped-def]
        time.sleep(0.01)
        return model_input["age"].to_numpy()


def frame(rows: Any, columns: tuple[str, ...]) -> pd.DataFrame:
    return pd.DataFrame(list(rows), columns=list(columns))


def save_regression(path: Path) -> None:
    data = frame(numbers(10, 2000, len(FEATURES)), FEATURES)
    model = LogisticRegression(max_iter=500).fit(data, (data.sum(axis=1) > 0).astype("int64"))
    save_sklearn(model, data, path)


def save_forest(path: Path) -> None:
    data = frame(customers(11, 2000), CUSTOMER)
    target = (data["age"] + data["income"] + (data["tier"] == "A") > 0.5).astype("int64")
    prepare = ColumnTransformer(
        [
            ("text", OneHotEncoder(handle_unknown="ignore"), list(CATEGORIES)),
            ("number", StandardScaler(), list(CUSTOMER[4:])),
        ]
    )
    forest = RandomForestClassifier(n_estimators=100, n_jobs=1, random_state=0)
    save_sklearn(make_pipeline(prepare, forest).fit(data, target), data, path)


def save_sklearn(model: Any, data: pd.DataFrame, path: Path) -> None:
    signature = infer_signature(data, model.predict(data))
    mlflow.sklearn.save_model(model, path, signature=signature, serialization_format="cloudpickle")


def save_sleeper(path: Path) -> None:
    inputs = Schema([ColSpec("double", name) for name in CUSTOMER[4:]])
    signature = ModelSignature(inputs, Schema([TensorSpec(np.dtype("float64"), (-1,))]))
    mlflow.pyfunc.save_model(path, python_model=Sleeper(), signature=signature)


def save_network(path: Path) -> None:
    """Gemm-Relu-Gemm-Relu-Gemm; the oldest opset and file version that say it, so that every onnxruntime reads it."""
    source = np.random.default_rng(12)
    nodes, weights, last = [], [], "pixels"
    for index, (width, height) in enumerate([(PIXELS, 128), (128, 64), (64, 10)]):
        w, b, out = f"w{index}", f"b{index}", "scores" if index == 2 else f"layer{index}"
        weights.append(numpy_helper.from_array(source.normal(0, width**-0.5, (width, height)).astype("float32"), w))
        weights.append(numpy_helper.from_array(np.zeros(height, "float32"), b))
        nodes.append(helper.make_node("Gemm", [last, w, b], [out]))
        last = out
        if index < 2:
            last = f"relu{index}"
            nodes.append(helper.make_node("Relu", [out], [last]))
    # None: the batch is as long as it comes.
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, [None, PIXELS])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [None, 10])],
        weights,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(model)
    float32 = np.dtype("float32")
    signature = ModelSignature(
        Schema([TensorSpec(float32, (-1, PIXELS))]), Schema([TensorSpec(float32, (-1, 10), "scores")])
    )
    mlflow.onnx.save_model(
        model, path, signature=signature, onnx_session_options={"intra_op_num_threads": ONNX_THREADS}
    )


def expected(path: Path, workload: Workload) -> list[float]:
    model = mlflow.pyfunc.load_model(str(path))
    if workload.columns:
        return [float(value) for value in model.predict(frame(workload.rows, workload.columns))]
    return [float(value) for value in model.predict(np.array(workload.rows, "float32"))["scores"].ravel()]


def main() -> None:
    savers = {"w1": save_regression, "w2": save_regression, "w3": save_forest, "w4": save_sleeper, "w5": save_network}
    root = Path(MODELS)
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    for name, save in savers.items():
        save(root / name)
        (root / f"{name}.json").write_text(json.dumps(expected(root / name, WORKLOADS[name])))
        print(f"saved {root / name}")


if __name__ == "__main__":
    main()
