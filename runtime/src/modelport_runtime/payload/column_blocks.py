"""Tables on the wire ↔ data: a request's columns → DataFrame, before casting; a prediction → the answer's columns."""

import datetime
import decimal
import struct
import sys
from typing import Any, Dict, List, Optional, Sequence, Set, Tuple

from modelport_runtime.columns import MOMENTS, Column, cells, of_cells, pack, texts
from modelport_runtime.errors import InvalidInput, ModelFailed
from modelport_runtime.libraries import loaded
from modelport_runtime.payload import jsonio, plain
from modelport_runtime.payload.casting import object_array
from modelport_runtime.schema import Schema

_NANOSECONDS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_NAT = -(2**63)
_EPOCH = datetime.datetime(1970, 1, 1)
_MICROSECOND = datetime.timedelta(microseconds=1)
_ALONE = "predictions"
"""What a prediction without column names is called, as in a JSON answer."""


# -- a request's columns


def to_frame(rows: int, columns: Sequence[Column], schema: Optional[Schema]) -> Any:
    """An unpacked table as the DataFrame that the other carriers make of the same data; its own arrays, free to be changed.

    Gaps: None in truth values, bytes and nested values, NaN in numbers (integers become doubles), what pandas takes for
    missing text. Moments have nanoseconds, or the unit they came in where that cannot hold them. A value with a shape is a
    (nested) list. Column names that only differ from the signature's in being text or integers become those.
    Raises InvalidInput for text that is no UTF-8, and declared moments out of pandas' range.
    """
    import pandas as pd

    labels = _labels(columns, schema)
    if not columns:
        return pd.DataFrame(index=pd.RangeIndex(rows))
    declared: Set[Any] = set()
    if schema is not None:
        declared = set(labels).intersection(schema.names) if schema.has_names else set(labels[: len(schema.specs)])
    values = {
        position: _values(column, rows, label in declared)
        for position, (column, label) in enumerate(zip(columns, labels))
    }
    frame = pd.DataFrame(values)
    frame.columns = labels
    return frame


def _labels(columns: Sequence[Column], schema: Optional[Schema]) -> List[Any]:
    names = [column.name for column in columns]
    if schema is None or not schema.has_names:
        return list(names)
    declared = {str(name): name for name in schema.names}
    return [
        name if name in schema.names or name in declared.values() else declared.get(str(name), name) for name in names
    ]


def _values(column: Column, rows: int, declared: bool) -> Any:
    """What pandas takes for the column."""
    import numpy as np

    if column.kind == "utf8":
        return texts(column) or object_array([])
    if column.kind == "binary":
        return object_array(cells(column))
    if column.kind == "json":
        return object_array(_parsed(column))
    if column.kind == "null":
        return object_array([None] * rows)
    missing = None if column.validity is None else np.frombuffer(column.validity, dtype=np.uint8) == 0
    if column.kind in MOMENTS:
        return _moments(column, missing, declared)
    if column.kind == "bool":
        numbers = np.frombuffer(column.data, dtype=np.uint8) != 0
    else:
        numbers = np.frombuffer(column.data, dtype=np.dtype(column.kind).newbyteorder("<"))
    if column.shape:
        lists = numbers.reshape(rows, *column.shape).tolist()
        return object_array(lists if missing is None else [None if gap else item for item, gap in zip(lists, missing)])
    if missing is None or not missing.any():
        return numbers.astype(column.kind)
    filled = numbers.astype(object if column.kind == "bool" else column.kind if "float" in column.kind else "float64")
    filled[missing] = None if column.kind == "bool" else np.nan
    return filled


def _parsed(column: Column) -> List[Any]:
    """The values of a ``json`` column, read in one go."""
    documents = cells(column)
    values = jsonio.loads(b"[" + b",".join(b"null" if cell is None else cell for cell in documents) + b"]")
    if not isinstance(values, list) or len(values) != len(documents):
        raise InvalidInput(f"Column {column.name!r} does not hold one JSON document per row.")
    return values


def _moments(column: Column, missing: Any, declared: bool) -> Any:
    """Moments or durations in nanoseconds; undeclared ones that those cannot hold stay in their unit."""
    import numpy as np
    import pandas as pd

    name, unit = column.kind[:-1].split("[")
    ticks: Any = np.frombuffer(column.data, dtype="<i8").astype(np.int64)
    if missing is not None:
        ticks[missing] = _NAT
    limit = (2**63 - 1) // _NANOSECONDS[unit]
    beyond = (ticks != _NAT) & ((ticks > limit) | (ticks < -limit))
    if not beyond.any():
        return ticks.view(column.kind).astype(f"{name}[ns]")
    if declared or not hasattr(pd.Timestamp, "as_unit"):
        row = int(beyond.argmax())
        raise InvalidInput(
            f"Column {column.name!r}, row {row}: {ticks.view(column.kind)[row]} is out of the range of {name}[ns], "
            "which is what models are given."
        )
    return ticks.view(column.kind)


# -- a prediction's columns


def from_prediction(prediction: Any) -> bytes:
    """A prediction as a table's bytes, whatever its type: what has columns keeps them, all else is ``predictions``.

    An array of two dimensions has the columns ``0``, ``1``, …; a dict is columns where its values are equally long, one row
    where they are single values. Nested and mixed values become JSON. An index is dropped.
    Raises ModelFailed for a prediction that contains itself, or has more text in a column than a table can hold.
    """
    try:
        columns, rows = _table(prediction)
    except (ValueError, RecursionError) as error:
        raise ModelFailed(f"the prediction cannot be written as a table: {error}") from None
    except InvalidInput as error:
        raise ModelFailed(f"the prediction cannot be written as a table: {error.message}") from None
    return pack(columns, rows)


def _table(prediction: Any) -> Tuple[List[Column], int]:
    numpy, pandas = loaded("numpy"), loaded("pandas")
    if pandas is not None:
        if isinstance(prediction, pandas.DataFrame):
            series = {plain.key_text(name): column for name, column in prediction.items()}
            return [_series_column(name, column) for name, column in series.items()], len(prediction)
        if isinstance(prediction, pandas.Series):
            name = "0" if prediction.name is None else plain.key_text(prediction.name)
            return [_series_column(name, prediction)], len(prediction)
    if numpy is not None and isinstance(prediction, (numpy.ndarray, numpy.generic)):
        return _array_table(prediction)
    if isinstance(prediction, dict):
        return _dict_table(prediction)
    if isinstance(prediction, (list, tuple)):
        return _list_table(prediction)
    if _is_single(prediction):
        return [_column(_ALONE, [prediction])], 1
    return _table(plain.step(prediction))


def _is_single(value: Any) -> bool:
    kinds = (str, bytes, bytearray, memoryview, int, float, decimal.Decimal, datetime.date, datetime.timedelta)
    return value is None or isinstance(value, kinds)


def _array_table(array: Any) -> Tuple[List[Column], int]:
    import numpy as np

    if not isinstance(array, np.ma.MaskedArray):
        array = np.asarray(array)
    if array.ndim == 2:
        return [_array_column(str(place), array[:, place]) for place in range(array.shape[1])], len(array)
    if array.ndim == 0:
        array = array.reshape(1)
    return [_array_column(_ALONE, array)], len(array)


def _dict_table(prediction: Dict[Any, Any]) -> Tuple[List[Column], int]:
    members = {plain.key_text(key): _stepped(value) for key, value in prediction.items()}
    lengths = {_length(value) for value in members.values()}
    if len(lengths) == 1 and None not in lengths:
        return [_any_column(name, value) for name, value in members.items()], int(lengths.pop() or 0)
    if members and all(_is_one_value(value) for value in members.values()):
        return [_any_column(name, [value]) for name, value in members.items()], 1
    return [of_cells(_ALONE, "json", [jsonio.dumps(members)])], 1


def _length(value: Any) -> Optional[int]:
    """How many rows a member of a dict would have as a column; None for a single value."""
    if isinstance(value, (list, tuple)) or (hasattr(value, "ndim") and value.ndim):
        return len(value)
    return None


def _is_one_value(value: Any) -> bool:
    return _is_single(value) or (hasattr(value, "ndim") and value.ndim == 0)


def _any_column(name: str, value: Any) -> Column:
    numpy, pandas = loaded("numpy"), loaded("pandas")
    if pandas is not None and isinstance(value, pandas.Series):
        return _series_column(name, value)
    if numpy is not None and isinstance(value, numpy.ndarray):
        return _array_column(name, value)
    return _column(name, list(value))


def _list_table(items: Sequence[Any]) -> Tuple[List[Column], int]:
    """Objects as rows over all their keys, everything else as one column."""
    values = [_stepped(item) for item in items]
    if not values or not all(isinstance(value, dict) for value in values):
        return [_column(_ALONE, values)], len(values)
    rows = [{plain.key_text(key): item for key, item in value.items()} for value in values]
    names = list(dict.fromkeys(name for row in rows for name in row))
    return [_column(name, [row.get(name) for row in rows]) for name in names], len(rows)


def _stepped(value: Any) -> Any:
    """The value, or what stands for it where it is of a type that has neither a column nor JSON of its own."""
    numpy, pandas = loaded("numpy"), loaded("pandas")
    if _is_single(value) or isinstance(value, (dict, list, tuple)):
        return value
    if numpy is not None and isinstance(value, (numpy.ndarray, numpy.generic)):
        return value
    if pandas is not None and isinstance(value, pandas.Series):
        return value
    return plain.step(value)


def _series_column(name: str, series: Any) -> Column:
    import numpy as np
    import pandas as pd

    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        return _array_column(name, series.to_numpy())
    if isinstance(dtype, pd.DatetimeTZDtype):
        return _array_column(name, series.dt.tz_convert(None).to_numpy())
    numbers = getattr(dtype, "numpy_dtype", None)
    if numbers is not None and numbers.kind in "biuf":  # pandas' own and Arrow's columns with gaps
        gaps = series.isna().to_numpy()
        column = _array_column(name, series.to_numpy(dtype=numbers, na_value=numbers.type(0)))
        return column._replace(validity=_validity(gaps))
    array = np.asarray(series)
    return _column(name, series.tolist()) if array.dtype.kind == "O" else _array_column(name, array)


def _array_column(name: str, array: Any) -> Column:
    """An array of one dimension or more as a column whose rows are those of the first."""
    import numpy as np

    gaps = None
    if isinstance(array, np.ma.MaskedArray):
        if array.ndim > 1 and np.ma.getmaskarray(array).any():
            return _column(name, array.tolist())
        gaps, array = np.ma.getmaskarray(array), array.data
    array = np.asarray(array)
    kind, shape = array.dtype.kind, array.shape[1:]
    if kind in "biuf" and 0 not in shape:
        dtype = np.dtype(np.float64) if array.dtype.itemsize > 8 else array.dtype
        data = np.ascontiguousarray(array, dtype=dtype.newbyteorder("<"))
        return Column(name, dtype.name, shape, data, None, _validity(gaps))
    if kind in "Mm" and not shape and np.datetime_data(array.dtype)[0] != "generic":
        unit, count = np.datetime_data(array.dtype)
        if unit not in _NANOSECONDS or count != 1:
            unit = "ns" if unit in ("ps", "fs", "as") or unit in _NANOSECONDS else "s"
        wanted = f"{'datetime64' if kind == 'M' else 'timedelta64'}[{unit}]"
        moments = np.ascontiguousarray(array.astype(wanted))
        gaps = np.isnat(moments) if gaps is None else gaps | np.isnat(moments)
        return Column(name, wanted, (), moments.view(np.int64).astype("<i8"), None, _validity(gaps))
    items = list(array) if shape or kind in "MmcV" else array.tolist()
    if gaps is not None:
        items = [None if gap else item for item, gap in zip(items, gaps)]
    return _column(name, items)


def _validity(gaps: Any) -> Optional[bytes]:
    """One byte per row where some are missing."""
    return (~gaps).tobytes() if gaps is not None and gaps.any() else None


def _column(name: str, values: List[Any]) -> Column:
    """A list of values of any kind as a column: of their common type if they have one, else of JSON."""
    values = _normal(values)
    families = {_family(kind) for kind in set(map(type, values))}
    if (
        "text" in families or "binary" in families or "json" in families
    ):  # NaN is how pandas says that such a value is missing
        values = [None if isinstance(value, float) and value != value else value for value in values]
        families = {_family(kind) for kind in set(map(type, values))}
    families.discard("")
    if not families:
        return Column(name, "null", validity=bytes(len(values)))
    if families == {"text"}:
        return of_cells(
            name, "utf8", [None if value is None else str.__str__(value).encode("utf-8", "replace") for value in values]
        )
    if families == {"binary"}:
        return of_cells(name, "binary", [None if value is None else bytes(value) for value in values])
    packed = _packed(families, values)
    if packed is None:
        return of_cells(name, "json", [None if value is None else jsonio.dumps(value) for value in values])
    kind, data = packed
    return Column(name, kind, (), data, None, bytes(value is not None for value in values) if None in values else None)


def _normal(values: List[Any]) -> List[Any]:
    """The values with numpy's scalars as Python's, and None for whatever stands for a missing one but NaN."""
    numpy, pandas = loaded("numpy"), loaded("pandas")
    if set(map(type, values)) <= {str, float, int, bool, type(None)}:
        return values
    if numpy is not None:
        values = [_python(value) if isinstance(value, numpy.generic) else value for value in values]
    if pandas is not None:
        missing = (pandas.NaT, getattr(pandas, "NA", pandas.NaT))
        values = [None if any(value is one for one in missing) else value for value in values]
    return values


def _python(scalar: Any) -> Any:
    """A numpy scalar as Python's own value; moments with a fraction that Python cannot say as pandas'."""
    import numpy as np

    if scalar.dtype.kind not in "Mm":
        return scalar.item()
    if np.isnat(scalar):
        return None
    if np.datetime_data(scalar.dtype)[0] == "ns" and "pandas" in sys.modules:
        import pandas as pd

        return pd.Timestamp(scalar) if scalar.dtype.kind == "M" else pd.Timedelta(scalar)
    return scalar.astype(scalar.dtype.kind + "8[us]").item()


def _family(kind: type) -> str:
    """What a value of this type may be stored as: the empty text for None."""
    if kind is type(None):
        return ""
    families = (
        (bool, "truth"),
        (int, "integer"),
        ((float, decimal.Decimal), "number"),
        (str, "text"),
        ((bytes, bytearray, memoryview), "binary"),
        (datetime.date, "moment"),
        (datetime.timedelta, "duration"),
    )
    return next((family for types, family in families if issubclass(kind, types)), "json")


def _packed(families: Set[str], values: List[Any]) -> Optional[Tuple[str, bytes]]:
    """Kind and data of values of one fixed size (0 for None); None where they have no such kind in common."""
    count = len(values)
    try:
        if families == {"truth"}:
            return "bool", bytes(bool(value) for value in values)
        if families == {"integer"}:
            numbers = [int(value or 0) for value in values]
            unsigned = max(numbers) >= 2**63
            return ("uint64" if unsigned else "int64"), struct.pack(f"<{count}{'Q' if unsigned else 'q'}", *numbers)
        if families <= {"integer", "number"}:
            return "float64", struct.pack(f"<{count}d", *(0.0 if value is None else float(value) for value in values))
        if families in ({"moment"}, {"duration"}):
            return _ticks(families == {"moment"}, values)
    except (struct.error, OverflowError, ValueError):
        pass  # an integer of more than 64 bits, a moment out of range, a signalling NaN
    return None


def _ticks(moments: bool, values: List[Any]) -> Tuple[str, bytes]:
    """Moments (in UTC) or durations in microseconds; in nanoseconds where pandas' values have such."""
    ticks, fractions = [], []
    for value in values:
        length = _since_epoch(value) if moments and value is not None else value
        ticks.append(0 if value is None else length // _MICROSECOND)
        fractions.append(0 if value is None else getattr(value, "nanosecond", getattr(value, "nanoseconds", 0)))
    unit = "us"
    if any(fractions):
        unit, ticks = "ns", [1000 * tick + fraction for tick, fraction in zip(ticks, fractions)]
    return f"{'datetime64' if moments else 'timedelta64'}[{unit}]", struct.pack(f"<{len(ticks)}q", *ticks)


def _since_epoch(moment: Any) -> datetime.timedelta:
    if hasattr(moment, "to_pydatetime"):
        moment = moment.to_pydatetime(warn=False)
    if not isinstance(moment, datetime.datetime):
        moment = datetime.datetime(moment.year, moment.month, moment.day)
    if moment.tzinfo is not None:
        moment = moment.astimezone(datetime.timezone.utc).replace(tzinfo=None)
    length: datetime.timedelta = moment - _EPOCH
    return length
