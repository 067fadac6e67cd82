"""A workload's model and input in the model's own terms, without MLflow: for the raw call and for LitServe's script."""

from __future__ import annotations

import glob
import os
import pickle
import time
from collections.abc import Callable, Sequence
from typing import Any

from benchmarks.workloads import ONNX_THREADS, Workload

Rows = Sequence[Sequence[Any]]


def load(workload: Workload, folder: str) -> Callable[[Any], Any]:
    """The loaded model's own predict: what `prepare` makes → an array with one row per row."""
    if workload.name == "w4":
        return sleep
    if not workload.columns:
        import onnxruntime

        (path,) = glob.glob(os.path.join(folder, "*.onnx"))
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = ONNX_THREADS
        session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        name = session.get_inputs()[0].name
        return lambda array: session.run(None, {name: array})[0]
    with open(os.path.join(folder, "model.pkl"), "rb") as file:
        model = pickle.load(file)  # noqa: S301 - made by make_models.py
    return model.predict  # type: ignore[no-any-return]


def sleep(frame: Any) -> Any:
    """What `make_models.Sleeper` does; its pickle needs MLflow, which the LitServe environment has not."""
    time.sleep(0.01)
    return frame["age"].to_numpy()


def prepare(workload: Workload, rows: Rows) -> Any:
    """Rows → the input `load` asks for, the cheap way: numbers in one block, one column index for all requests."""
    import numpy as np

    if not workload.columns:
        return np.array(rows, dtype=np.float32)
    import pandas as pd

    if workload.text_columns:
        return pd.DataFrame(rows, columns=list(workload.columns))
    return pd.DataFrame(np.array(rows, dtype=np.float64), columns=list(workload.columns), copy=False)
