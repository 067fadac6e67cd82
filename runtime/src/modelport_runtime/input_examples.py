"""An input example → what MLflow saves beside a model: the example itself, and the body of a request that sends it."""

import base64
import datetime
import json
from typing import Any, Dict, NamedTuple, Optional, Tuple

from modelport_runtime.enforcement.values import is_missing
from modelport_runtime.errors import InvalidInput
from modelport_runtime.libraries import loaded
from modelport_runtime.signature_inference import infer_params

EXAMPLE_FILE = "input_example.json"
SERVING_FILE = "serving_input_example.json"
_WHOLE_BODY = ("messages", "prompt", "input")
"""A dictionary with one of these keys is a request by itself, without ``inputs`` around it."""


class SavedExample(NamedTuple):
    """``info`` is the ``saved_input_example_info`` of an MLmodel file; the others are texts of JSON."""

    info: Dict[str, Any]
    input_example: str
    serving_input: str


def saved_example(example: Any) -> SavedExample:
    """The files and the MLmodel entry of an example: data, or a tuple of data and a dictionary of parameters.

    Raises ``InvalidInput`` for what no JSON request can hold, ``InvalidSchema`` for parameters no signature describes.
    """
    data, params = _split(example)
    info = {"artifact_path": EXAMPLE_FILE}
    if params:
        info["params"] = "true"
    kind, stored, body = _forms(data)
    info.update(kind)
    info["serving_input_path"] = SERVING_FILE
    if params:
        stored = {"inputs": stored, "params": params}
        body = {**body, **params} if body is data else {**body, "params": params}
    return SavedExample(info, _json(stored, None), _json(body, 2))


def _split(example: Any) -> Tuple[Any, Optional[Dict[Any, Any]]]:
    if not (isinstance(example, tuple) and len(example) == 2 and isinstance(example[1], dict)):
        return (_dumped(example), None)
    data, params = example
    infer_params(params)
    return _dumped(data), params


def _dumped(data: Any) -> Any:
    """An object of pydantic as the dictionary it stands for."""
    return data.model_dump() if hasattr(data, "model_dump") else data


def _forms(data: Any) -> Tuple[Dict[str, str], Any, Dict[str, Any]]:
    """What the MLmodel file says of the data, the data to store, and the body that sends it."""
    import numpy as np
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        table = _table(data)
        orient = "split" if "columns" in table else "values"
        return {"type": "dataframe", "pandas_orient": orient}, table, {"dataframe_split": table}
    if type(data).__name__ in ("csr_matrix", "csc_matrix"):
        return {"type": f"sparse_matrix_{data.format}"}, _sparse(data), {"inputs": data.toarray()}
    if isinstance(data, np.ndarray):
        return {"type": "ndarray"}, data, {"inputs": data}
    if isinstance(data, dict):
        arrays = [isinstance(value, np.ndarray) for value in data.values()]
        if any(arrays) and not all(arrays):
            raise _refusal("a dictionary that holds arrays and other values")
        kind = {"type": "ndarray" if any(arrays) else "json_object"}
        return kind, data, data if not any(arrays) and any(key in data for key in _WHOLE_BODY) else {"inputs": data}
    if isinstance(data, list) and _holds_array(data):
        raise _refusal("a list that holds arrays")
    if isinstance(data, (list, datetime.datetime)) or np.isscalar(data):
        return {"type": "json_object"}, data, {"inputs": data}
    raise _refusal(type(data).__name__)


def _refusal(found: str) -> InvalidInput:
    return InvalidInput(
        f"an input example cannot be {found}",
        code="INVALID_PARAMETER_VALUE",
        hint="Examples are a DataFrame, an array, a dictionary of arrays, a csr or csc matrix, or a JSON value",
    )


def _holds_array(data: Any) -> bool:
    if isinstance(data, (list, dict)):
        return any(map(_holds_array, data.values() if isinstance(data, dict) else data))
    return hasattr(data, "tolist") and hasattr(data, "ndim") and type(data).__name__ == "ndarray"


def _table(frame: Any) -> Dict[str, Any]:
    table: Dict[str, Any] = frame.to_dict(orient="split")
    del table["index"]
    if frame.columns.tolist() == list(range(len(frame.columns))):
        del table["columns"]
    return table


def _sparse(matrix: Any) -> Dict[str, Any]:
    return {
        "data": matrix.data,
        "indices": matrix.indices,
        "indptr": matrix.indptr,
        "shape": list(matrix.shape),
    }


def _json(value: Any, indent: Optional[int]) -> str:
    try:
        return json.dumps(_plain(value), indent=indent)
    except (TypeError, ValueError) as error:
        raise _refusal(f"written as JSON: {error}") from None


def _plain(value: Any) -> Any:
    """The value as JSON has it: nulls for what is missing, base64 for bytes, ISO texts for moments."""
    if is_missing(value):
        return None
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (bytes, bytearray)):
        return base64.encodebytes(value).decode("ascii")
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    numpy = loaded("numpy")
    if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
        return _plain(value.tolist())
    return _plain(value.model_dump()) if hasattr(value, "model_dump") else value
