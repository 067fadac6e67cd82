"""Any Python value → what JSON has: objects, lists, text, numbers, true, false, null.

Knows what models return (numpy, pandas, dates, decimals, sets, dataclasses, pydantic models, tensors) without importing
any of it, so nothing fails for its type alone.
"""

import base64
import dataclasses
import datetime
import decimal
import enum
import fractions
import math
import pathlib
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, List, Optional

from modelport_runtime.libraries import loaded


def deep(value: Any) -> Any:
    """The value made of dict (text keys), list, str, int, float, bool and None only; NaN and ±inf become None."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return str.__str__(value)
    if isinstance(value, enum.Enum):
        return deep(value.value)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key_text(key): deep(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [deep(item) for item in value]
    return deep(step(value))


def key_text(key: Any) -> str:
    """A dict's key or a column's name as text: as ``json`` writes it; by its value, then ``str``, where it cannot."""
    if isinstance(key, str):
        return str.__str__(key)
    if isinstance(key, (list, tuple, dict)):
        return str(key)
    value = deep(key) if key is None or not isinstance(key, float) else key
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return "null"
    if isinstance(value, float):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}.get(float.__repr__(value), float.__repr__(value))
    return value if isinstance(value, str) else str(value)


def repeatable_step(value: Any) -> Any:
    """As ``step`` for a writer that may have to start again: what can be read only once raises TypeError."""
    if isinstance(value, Iterator):
        raise TypeError("an iterator can be read once only")
    return step(value)


def step(value: Any) -> Any:
    """What stands for a value that JSON does not know: something nearer to JSON, whose parts may need a step again."""
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, (datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return base64.encodebytes(bytes(value)).decode("ascii")  # in MIME's form with its line ends, as MLflow does
    if isinstance(value, (float, decimal.Decimal, fractions.Fraction)):
        number = float(value)
        return number if math.isfinite(number) else None
    if isinstance(value, complex):
        return {"real": value.real, "imag": value.imag}
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, (uuid.UUID, pathlib.PurePath)):
        return str(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, (set, frozenset)):
        return _in_order(value)
    if isinstance(value, Mapping):
        return dict(value)
    numpy, pandas = loaded("numpy"), loaded("pandas")
    if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
        return _array_step(value)
    if pandas is not None:
        if value is getattr(pandas, "NA", pandas):
            return None
        if isinstance(value, pandas.DataFrame):
            return records(value)
    return _foreign_step(value)


def _foreign_step(value: Any) -> Any:
    """By what the value offers: pydantic models, sparse matrices, tensors, tables of other libraries, any iterable."""
    if not isinstance(value, type):
        for method in ("model_dump", "toarray", "to_dicts", "to_pylist", "tolist", "numpy"):
            convert = getattr(value, method, None)
            if callable(convert):
                return convert()
        if hasattr(value, "__fields__") and callable(getattr(value, "dict", None)):
            return value.dict()  # pydantic 1
        if isinstance(value, Iterable):
            return list(value)
    return str(value)


def _in_order(items: Any) -> List[Any]:
    """A set's items sorted where they can be, so that equal predictions give equal answers."""
    try:
        return sorted(items)
    except TypeError:
        return list(items)


def number_array(value: Any) -> Optional[Any]:
    """The array a fast writer can take (contiguous, native, float64 for any float, 1-D or more), None for all else."""
    numpy = loaded("numpy")
    if numpy is None or type(value) is not numpy.ndarray or value.ndim == 0:
        return None
    kind = value.dtype.kind
    if kind == "f":
        return numpy.ascontiguousarray(value, dtype=numpy.float64)
    return numpy.ascontiguousarray(value, dtype=value.dtype.newbyteorder("=")) if kind in "iub" else None


def _array_step(array: Any) -> Any:
    """An ndarray or numpy scalar as (nested lists of) values."""
    import numpy as np

    if isinstance(array, np.ma.MaskedArray):
        return array.tolist()  # None for what is masked
    array = np.asarray(array)
    kind = array.dtype.kind
    if kind == "M":
        return np.where(np.isnat(array), None, iso_texts(array)).tolist()
    if kind == "m":
        array, kind = array / np.timedelta64(1, "s"), "f"
    if kind == "f":
        array = array.astype(np.float64, copy=False)  # a long double would come back from tolist as itself
        if not np.isfinite(array).all():
            array = np.where(np.isfinite(array), array.astype(object), None)
    elif kind == "c":
        array = array.astype(np.complex128, copy=False)
    return array.tolist()


def iso_texts(moments: Any) -> Any:
    """datetime64 array → array of ISO 8601 text: no fraction, or 6 or 9 digits of it; what is missing is ``NaT``."""
    import numpy as np

    if np.datetime_data(moments.dtype)[0] in ("Y", "M", "W", "D"):
        return np.datetime_as_string(moments, unit="D")
    seconds, micros = moments.astype("M8[s]"), moments.astype("M8[us]")
    texts = np.datetime_as_string(seconds, unit="s").astype(object)
    finer_units: Any = ((micros, seconds, "us"), (moments, micros, "ns"))
    for finer, coarser, unit in finer_units:
        rest = (finer != coarser) & ~np.isnat(moments)
        if rest.any():
            texts = np.where(rest, np.datetime_as_string(moments, unit=unit).astype(object), texts)
    return texts


def records(frame: Any) -> List[Any]:
    """A DataFrame as one dict per row. Column names become text, the last of two equal ones wins; no index."""
    names = [key_text(name) for name in frame.columns]
    kinds = {str(dtype) for dtype in frame.dtypes}
    if len(kinds) == 1 and kinds <= {"float64", "float32", "int64", "int32", "bool"}:
        return [dict(zip(names, row)) for row in frame.to_numpy().tolist()]
    if not names:
        return [{} for _ in range(len(frame))]
    columns = [_column(column) for _, column in frame.items()]
    return [dict(zip(names, row)) for row in zip(*columns)]


def _column(series: Any) -> List[Any]:
    """The values of one column; a missing moment is the text ``NaT``, as MLflow has it."""
    import numpy as np

    if not isinstance(series.dtype, np.dtype):
        return list(series.tolist())
    values = series.to_numpy()
    kind = values.dtype.kind
    if kind == "M":
        return list(iso_texts(values).tolist())
    return list(_array_step(values) if kind == "m" else values.tolist())
