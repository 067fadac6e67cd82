"""ONNX graphs, run by onnxruntime."""

import logging
import os
from typing import Any, BinaryIO, Callable, Dict, List, Optional, Tuple

from modelport_runtime.errors import InvalidInput, ModelNotLoadable
from modelport_runtime.flavors.predictor import Params, Predictor
from modelport_runtime.model import Model

NAME = "onnx"
CPU = "CPUExecutionProvider"

log = logging.getLogger(__name__)


def handles(loader_module: str) -> bool:
    return loader_module == "mlflow.onnx"


def pickled(model: Model) -> Optional[BinaryIO]:
    return None


def load(model: Model, config: Dict[str, Any]) -> Predictor:
    entry = model.flavors.get(NAME, {})
    path = model.file(model.pyfunc.get("data") or entry.get("data") or "model.onnx")
    if not os.path.isfile(path):
        raise ModelNotLoadable(f"there is no ONNX file {path}")
    session = _session(path, entry)
    schema = model.get_input_schema()
    return Predictor(
        native=session,
        predict=_predict(session),
        row_wise=_row_wise(session, tensors=schema is not None and schema.is_tensor),
    )


def _session(path: str, entry: Dict[str, Any]) -> Any:
    import onnxruntime

    wanted = entry.get("providers") or [CPU]
    # A provider with options was written as a pair, which YAML keeps as a list.
    providers = [tuple(p) if isinstance(p, list) else p for p in ([wanted] if isinstance(wanted, str) else wanted)]
    there = onnxruntime.get_available_providers()
    usable = [p for p in providers if (p[0] if isinstance(p, tuple) else p) in there] or [CPU]
    if len(usable) < len(providers):
        log.warning("of the execution providers %s this onnxruntime has only %s", providers, usable)
    options = _options(entry.get("onnx_session_options") or {})
    try:
        return onnxruntime.InferenceSession(path, sess_options=options, providers=usable)
    except Exception as error:  # a provider that is compiled in may still fail to start
        if usable == [CPU]:
            raise
        log.warning("execution providers %s failed to start, CPU is used: %s", usable, error)
        return onnxruntime.InferenceSession(path, sess_options=options, providers=[CPU])


def _options(stored: Dict[str, Any]) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    modes = {
        "SEQUENTIAL": onnxruntime.ExecutionMode.ORT_SEQUENTIAL,
        "PARALLEL": onnxruntime.ExecutionMode.ORT_PARALLEL,
    }
    # onnxruntime has threads of its own and does not read this: without it each worker would take every core.
    threads = stored.get("intra_op_num_threads") or _number(os.environ.get("OMP_NUM_THREADS"))
    if threads:
        options.intra_op_num_threads = threads
    if stored.get("inter_op_num_threads"):
        options.inter_op_num_threads = stored["inter_op_num_threads"]
    mode = modes.get(str(stored.get("execution_mode")).upper())
    if mode is not None:
        options.execution_mode = mode
    if stored.get("graph_optimization_level"):
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel(stored["graph_optimization_level"])
    for key, value in (stored.get("extra_session_config") or {}).items():
        options.add_session_config_entry(key, str(value))
    return options


def _number(text: Any) -> int:
    return int(text) if text and text.isdigit() else 0


def _predict(session: Any) -> Callable[[Any, Params], Any]:
    import numpy as np

    inputs = [(node.name, node.type == "tensor(float)") for node in session.get_inputs()]
    outputs = [node.name for node in session.get_outputs()]

    def predict(data: Any, params: Params) -> Any:
        is_frame = hasattr(data, "columns") and hasattr(data, "iloc")
        feeds = _feeds(data, [name for name, _ in inputs], is_frame)
        for name, is_float32 in inputs:
            # The one cast that is made: JSON clients and column signatures cannot say float32.
            if is_float32 and name in feeds and feeds[name].dtype == np.float64:
                feeds[name] = feeds[name].astype(np.float32)
        results = session.run(outputs, feeds)
        if not is_frame:
            return dict(zip(outputs, results))
        import pandas as pd

        return pd.DataFrame({name: np.asarray(result).reshape(-1) for name, result in zip(outputs, results)})

    return predict


def _feeds(data: Any, names: List[str], is_frame: bool) -> Dict[str, Any]:
    """The graph's inputs: by name; a frame's columns or, for a single input, all its values; or a bare array."""
    if isinstance(data, dict):
        return dict(data)
    if is_frame:
        return {names[0]: data.to_numpy()} if len(names) == 1 else {name: data[name].to_numpy() for name in names}
    if not hasattr(data, "dtype"):
        raise InvalidInput(f"this model takes arrays or tables, not {type(data).__name__}")
    if len(names) != 1:
        raise InvalidInput(f"this model has {len(names)} inputs, so one array is not enough: {', '.join(names)}")
    return {names[0]: data}


def _row_wise(session: Any, tensors: bool) -> bool:
    """Every first dimension is free, and no two of them are named differently.

    Outputs for a frame come flattened, so there each row must give one value, or rows could not be told apart.
    """
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if not all(node.shape and not isinstance(node.shape[0], int) for node in [*inputs, *outputs]):
        return False
    names = {node.shape[0] for node in [*inputs, *outputs] if _is_named(node.shape[0])}
    return len(names) <= 1 and (tensors or all(_one_value(tuple(node.shape[1:])) for node in outputs))


def _is_named(dimension: Any) -> bool:
    return bool(dimension) and not dimension.startswith("unk__")  # what onnxruntime calls nameless dimensions


def _one_value(shape: Tuple[Any, ...]) -> bool:
    return all(size == 1 for size in shape)
