"""A prediction → the body of an inference response."""

import struct
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

from modelport_runtime.enforcement.values import is_missing
from modelport_runtime.errors import InvalidInput, ModelFailed
from modelport_runtime.libraries import loaded
from modelport_runtime.payload import jsonio, plain
from modelport_runtime.payload.casting import object_array
from modelport_runtime.payload.open_inference.request import InferRequest
from modelport_runtime.payload.open_inference.tensors import NAMES, shaped
from modelport_runtime.schema import Schema

MODEL_VERSION = "1"
"""A server holds one version of its model, and this is its name."""


class _Output(NamedTuple):
    """One output: an array of numbers, or a flat list of text, bytes and None for BYTES."""

    datatype: str
    shape: Tuple[int, ...]
    values: Any


def write(
    prediction: Any, request: InferRequest, model_name: str, outputs_schema: Optional[Schema]
) -> Tuple[bytes, Optional[int]]:
    """The response's body, and the size of its JSON part where binary data follows.

    Raises InvalidInput for an output that is not there; ModelFailed for a prediction that contains itself.
    """
    try:
        found = _outputs(prediction, outputs_schema)
        wanted = [(name, request.binary) for name in found] if request.outputs is None else request.outputs
        unknown = [name for name, _ in wanted if name not in found]
        if unknown:
            there = ", ".join(map(repr, found)) or "none"
            raise InvalidInput(f"Invalid input. The model has no output {unknown[0]!r}; it gave {there}.")
        document: Dict[str, Any] = {"model_name": model_name, "model_version": MODEL_VERSION}
        if request.id is not None:
            document["id"] = request.id
        entries: List[Dict[str, Any]] = []
        parts: List[bytes] = []
        for name, binary in wanted:
            output = found[name]
            entry: Dict[str, Any] = {"name": name, "shape": list(output.shape), "datatype": output.datatype}
            if binary:
                parts.append(_raw(output))
                entry["parameters"] = {"binary_data_size": len(parts[-1])}
            else:
                entry["data"] = output.values if isinstance(output.values, list) else output.values.ravel()
            entries.append(entry)
        document["outputs"] = entries
        head = jsonio.dumps(document)
    except (ValueError, RecursionError) as error:
        raise ModelFailed(f"the prediction cannot be written as tensors: {error}") from None
    return (b"".join([head, *parts]), len(head)) if parts else (head, None)


def _raw(output: _Output) -> bytes:
    """Little-endian, row by row; BYTES each with its length before it, and nothing for what is missing."""
    if not isinstance(output.values, list):
        array = output.values
        return bytes(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    parts: List[bytes] = []
    for item in output.values:
        held = b"" if item is None else item.encode("utf-8", "replace") if isinstance(item, str) else bytes(item)
        parts += (struct.pack("<I", len(held)), held)
    return b"".join(parts)


def _outputs(prediction: Any, schema: Optional[Schema]) -> Dict[str, _Output]:
    """The prediction's tensors by name, as the signature names them where it does."""
    name = "predictions"
    if schema is not None and len(schema.specs) == 1 and schema.has_names:
        name = str(schema.names[0])
    if _is_a("DataFrame", prediction):
        labels = list(prediction.columns)
        if len(labels) == 1 and not isinstance(labels[0], str):
            return {name: _output(prediction.iloc[:, 0])}
        return {plain.key_text(label): _output(prediction.iloc[:, at]) for at, label in enumerate(labels)}
    if isinstance(prediction, dict):
        return {plain.key_text(key): _output(value) for key, value in prediction.items()}
    if _is_a("Series", prediction) and isinstance(prediction.name, str) and name == "predictions":
        name = prediction.name
    whole = _output(prediction)
    columns = schema.columns if schema is not None else ()
    if len(columns) > 1 and len(whole.shape) == 2 and whole.shape[1] == len(columns) and schema is not None:
        by_column = shaped(whole.values, whole.shape).T
        return {
            str(label): _Output(whole.datatype, whole.shape[:1], _like(whole.values, column))
            for label, column in zip(schema.names, by_column)
        }
    return {name: whole}


def _like(values: Any, column: Any) -> Any:
    return column.tolist() if isinstance(values, list) else column


def _is_a(kind: str, data: Any) -> bool:
    pandas = loaded("pandas")
    return pandas is not None and isinstance(data, getattr(pandas, kind))


def _output(value: Any) -> _Output:
    """Any value as a tensor; what is no number, text, bytes, moment or truth value becomes JSON text, one for each row."""
    import numpy as np

    array = _as_array(value)
    kind = array.dtype.kind
    if kind == "m":
        array, kind = array / np.timedelta64(1, "s"), "f"
    if kind == "M":
        texts = plain.iso_texts(array).ravel().tolist()
        return _Output("BYTES", array.shape, [None if text == "NaT" else text for text in texts])
    if kind in "biuf":
        if array.dtype.itemsize > 8:  # numpy's long double
            array = array.astype(np.float64)
        return _Output(NAMES[array.dtype.name], array.shape, array)
    if kind in "US":
        return _Output("BYTES", array.shape, array.ravel().tolist())
    return _objects(array)


def _as_array(value: Any) -> Any:
    """An array of at least one dimension: of numbers where they all are, else of objects."""
    import numpy as np

    while True:
        if _is_a("Series", value) or _is_a("Index", value):
            value = value.to_numpy()
        if isinstance(value, np.ma.MaskedArray):
            return np.array(value.tolist(), dtype=object)
        if isinstance(value, (np.ndarray, np.generic)):
            return np.atleast_1d(np.asarray(value))
        if isinstance(value, (list, tuple)):
            return _list_array(list(value))
        if value is None or isinstance(value, (str, bytes, bool, int, float, dict)):
            return _list_array([value])
        value = plain.step(value)


def _list_array(items: List[Any]) -> Any:
    import numpy as np

    kinds = set(map(type, items))
    nested = kinds <= {list, tuple, np.ndarray}
    if not nested and (str in kinds or bytes in kinds or (bool in kinds and len(kinds) > 1)):
        return object_array(items)
    try:
        array = np.array(items)
        if array.dtype.kind in "biufmM":
            return array
        return np.array(items, dtype=object) if nested else object_array(items)
    except (ValueError, TypeError, OverflowError):  # rows of unequal lengths
        return object_array(items)


def _objects(array: Any) -> _Output:
    """Objects, as the tensor that holds them all."""
    import numpy as np

    items = array.ravel().tolist()
    if set(map(type, items)) == {bytes}:
        return _Output("BYTES", array.shape, items)
    values = [None if is_missing(item) else plain.deep(item) for item in items]
    kinds = set(map(type, values))
    if kinds <= {str, type(None)}:
        return _Output("BYTES", array.shape, values)
    if kinds == {bool}:
        return _Output("BOOL", array.shape, np.array(values).reshape(array.shape))
    if kinds == {int}:
        integers = np.array(values)
        if integers.dtype.kind in "iu":
            return _Output(NAMES[integers.dtype.name], array.shape, integers.reshape(array.shape))
    elif kinds <= {int, float, type(None)}:
        floats = [item if isinstance(item, float) else value for item, value in zip(items, values)]
        return _Output("FP64", array.shape, np.array(floats, dtype=np.float64).reshape(array.shape))
    rows = shaped(values, array.shape).tolist()
    return _Output("BYTES", array.shape[:1], [jsonio.dumps(row).decode("utf-8") for row in rows])
