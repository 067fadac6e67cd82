"""A workload's model and input in its library's own terms, no pyfunc between: for the raw call and for LitServe."""

from __future__ import annotations

import glob
import os
import pickle
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.workloads import ONNX_THREADS, Workload

Rows = Sequence[Sequence[Any]]


def load(workload: Workload, folder: str) -> Callable[[Any], Any]:
    """The loaded model's own predict: what `prepare` makes → an array with one row per row."""
    if not workload.columns:
        return network(folder)
    if workload.name == "w4":
        model = unpickle(folder, "python_model.pkl")  # imports MLflow: the class derives from one of its own
        return lambda frame: model.predict(None, frame)
    return unpickle(folder, "model.pkl").predict  # type: ignore[no-any-return]


def network(folder: str) -> Callable[[Any], Any]:
    import onnxruntime

    (path,) = glob.glob(os.path.join(folder, "*.onnx"))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = ONNX_THREADS
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda array: session.run(None, {name: array})[0]


def unpickle(folder: str, name: str) -> Any:
    with open(os.path.join(folder, name), "rb") as file:
        return pickle.load(file)  # made by make_models.py


def prepare(workload: Workload, rows: Rows) -> Any:
    """Rows → the input `load` asks for, the cheap way: numbers in one block, one column index for all requests."""
    import numpy as np

    if not workload.columns:
        return np.array(rows, dtype=np.float32)
    import pandas as pd

    if workload.text_columns:
        return pd.DataFrame(rows, columns=list(workload.columns))
    return pd.DataFrame(np.array(rows, dtype=np.float64), columns=list(workload.columns), copy=False)
