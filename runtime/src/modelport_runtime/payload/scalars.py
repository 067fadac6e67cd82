"""Arrays of what a client could say (JSON numbers, text, truth values, nulls) → arrays of one declared scalar type.

What MLflow coerces is coerced where nothing is lost; where MLflow damages a value (wrap-around, local time kept as it
was written) the value is refused or read as it was meant. ``Unfit`` is raised for the whole array, ``misfits`` then
finds the places.
"""

import base64
import binascii
import math
import re
from itertools import chain
from typing import Any, List, Tuple

_INTEGER_RANGES = {"integer": ("int32", -(2**31), 2**31 - 1), "long": ("int64", -(2**63), 2**63 - 1)}
_NO_MOMENT = re.compile(r"\s*(?:now|today|\d{1,2}:.*)\s*\Z", re.IGNORECASE)
"""Text that pandas reads as the present, or as some time of this day."""
_ZONE = re.compile(r":.*(?:[zZ]|[+-]\d\d(?::?\d\d)?)\s*$")
_MILLISECOND = 1_000_000
"""In nanoseconds."""
_EXACT_FLOAT = 2.0**53
"""From here on a float may stand for another integer than the one that was sent."""


class Unfit(ValueError):
    """At least one value is not of the wanted type."""


def natural(value: Any) -> Any:
    """The array numpy makes of a (nested) list or a single value, but text and mixed values stay Python objects.

    Raises Unfit for ragged lists.
    """
    import numpy as np

    try:
        array = np.array(value)
        if array.dtype.kind in "USO":
            array = np.array(value, dtype=object)
    except (ValueError, OverflowError) as error:
        raise Unfit(f"not an array: {error}") from None
    return array


def convert(values: Any, type_name: str, strict: bool, exact: bool = False) -> Any:
    """An array (any shape) as the numpy type of one of ``schema.SCALAR_TYPES``.

    ``strict`` is the policy's; ``exact`` alone refuses fractions for integers and text for truth values, no more.
    Text columns come as they are (see ``texts``). Nulls: NaN in float and double, NaT in datetime, None in boolean and
    binary (object arrays then), Unfit in integer and long. Integers as datetimes are milliseconds since 1970 if strict,
    else nanoseconds. Raises Unfit.
    """
    if type_name in _INTEGER_RANGES:
        return _integers(values, type_name, strict, strict or exact)
    if type_name in ("float", "double"):
        return _floats(values, "float32" if type_name == "float" else "float64", strict)
    if type_name == "boolean":
        return _booleans(values, strict, exact)
    if type_name == "datetime":
        return _datetimes(values, strict)
    if type_name == "binary":
        return _binaries(values, strict)
    return values


def misfits(values: Any, type_name: str, strict: bool, exact: bool, limit: int) -> List[Tuple[int, Any]]:
    """(row, value) of at most ``limit`` rows that do not convert, found by halving."""
    found: List[Tuple[int, Any]] = []
    spans = [(0, len(values))]
    while spans and len(found) < limit:
        start, end = spans.pop()
        try:
            convert(values[start:end], type_name, strict, exact)
        except (Unfit, ValueError, TypeError, OverflowError):
            if end - start <= 1:
                found.append((start, values[start]))
            else:
                middle = (start + end) // 2
                spans += [(middle, end), (start, middle)]
    return found


def _is_null(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)


def _integers(values: Any, type_name: str, strict: bool, exact: bool) -> Any:
    import numpy as np

    dtype, low, high = _INTEGER_RANGES[type_name]
    kind = values.dtype.kind
    if kind == "f":
        whole = np.trunc(values)
        if not ((whole >= float(low)) & (whole < float(high + 1))).all() or (exact and (whole != values).any()):
            raise Unfit
        if strict and (np.abs(whole) >= _EXACT_FLOAT).any():
            raise Unfit
        return whole.astype(dtype)
    if kind == "O":
        values = _array_of(
            [_whole(value, strict, exact, low, high) for value in values.ravel().tolist()], dtype, values.shape
        )
    elif kind == "b" and not strict:
        return values.astype(dtype)
    elif kind not in "iu":
        raise Unfit
    if values.size and not (low <= int(values.min()) and int(values.max()) <= high):
        raise Unfit
    return values.astype(dtype, copy=False)


def _whole(value: Any, strict: bool, exact: bool, low: int, high: int) -> int:
    if isinstance(value, float):
        if not math.isfinite(value) or (exact and not value.is_integer()) or (strict and abs(value) >= _EXACT_FLOAT):
            raise Unfit
    elif not isinstance(value, (int, str)) or (strict and isinstance(value, (bool, str))):
        raise Unfit
    number = int(value)
    if not low <= number <= high:
        raise Unfit
    return number


def _array_of(items: List[Any], dtype: Any, shape: Tuple[int, ...]) -> Any:
    import numpy as np

    if dtype is not object:
        return np.array(items, dtype=dtype).reshape(shape)
    array: Any = np.empty(len(items), dtype=object)
    array[:] = items
    return array.reshape(shape)


def _floats(values: Any, dtype: str, strict: bool) -> Any:
    import numpy as np

    kind = values.dtype.kind
    if kind == "O":
        numbers = [_number(value, strict) for value in values.ravel().tolist()]
        values = _array_of(numbers, np.float64, values.shape)
    elif kind not in "iufb" or (kind == "b" and strict):
        raise Unfit
    with np.errstate(over="ignore"):
        converted = values.astype(dtype, copy=False)
    if strict and dtype == "float32" and (np.isinf(converted) & np.isfinite(values)).any():
        raise Unfit
    return converted


def _number(value: Any, strict: bool) -> float:
    if value is None:
        return math.nan
    if not isinstance(value, (int, float, str)) or (strict and isinstance(value, (bool, str))):
        raise Unfit
    return float(value)


def _booleans(values: Any, strict: bool, exact: bool) -> Any:
    import numpy as np

    kind = values.dtype.kind
    if kind == "b":
        return values
    if kind == "O":
        items = values.ravel().tolist()
        if strict and not all(isinstance(item, bool) or _is_null(item) for item in items):
            raise Unfit
        if exact and any(isinstance(item, str) for item in items):
            raise Unfit
        truths = [None if _is_null(item) else bool(item) for item in items]
        return _array_of(truths, object if None in truths else bool, values.shape)
    if kind not in "iuf" or (strict and not (kind == "f" and np.isnan(values).all())):
        raise Unfit
    if kind == "f" and np.isnan(values).any():
        return np.where(np.isnan(values), None, (values != 0).astype(object))
    return values != 0


def _binaries(values: Any, strict: bool) -> Any:
    if values.dtype.kind != "O":
        if values.size:
            raise Unfit
        return values.astype(object)
    return _array_of([decode_base64(value, strict) for value in values.ravel().tolist()], object, values.shape)


def decode_base64(value: Any, strict: bool) -> Any:
    """The bytes of base64 text, None of null. Line ends are allowed; if not strict, any other character is skipped.

    Bytes, which Parquet, Arrow and binary tensors have, are what they are.
    """
    if isinstance(value, bytes):
        return value
    if _is_null(value):
        return None
    if not isinstance(value, str):
        raise Unfit
    try:
        if strict:
            return base64.b64decode("".join(value.split()), validate=True)
        return base64.decodebytes(value.encode("utf-8"))
    except (binascii.Error, ValueError):
        raise Unfit from None


def _datetimes(values: Any, strict: bool) -> Any:
    import numpy as np

    kind = values.dtype.kind
    if kind == "M":
        moments = values.astype("datetime64[ns]")
        if (moments.astype(values.dtype) != values)[~np.isnat(values)].any():
            raise Unfit("beyond the range of nanoseconds")  # numpy wraps around without a word
        return moments
    if kind in "iuf":
        unit = _MILLISECOND if strict else 1
        missing = np.isnan(values) if kind == "f" else np.zeros(values.shape, dtype=bool)
        numbers = np.where(missing, 0, values)
        if strict and (numbers != np.trunc(numbers)).any():
            raise Unfit
        if (numbers < -(2**63) / unit + 1).any() or (numbers >= 2**63 / unit).any():
            raise Unfit
        moments = (numbers.astype("int64") * unit).astype("datetime64[ns]")
        moments[missing] = np.datetime64("NaT")
        return moments
    if kind != "O":
        raise Unfit
    return _moments_of(values.ravel().tolist(), strict).reshape(values.shape)


def _moments_of(items: List[Any], strict: bool) -> Any:
    import numpy as np

    texts: List[Any] = []
    numbers = []
    for position, item in enumerate(items):
        if isinstance(item, bool) or not (item is None or isinstance(item, (str, int, float))):
            raise Unfit
        is_number = isinstance(item, (int, float)) and item == item
        if is_number:
            numbers.append((position, item))
        texts.append(item if isinstance(item, str) else None)
    moments = parse_moments(texts)
    if strict and any(text is not None and text_is_null for text, text_is_null in zip(texts, np.isnat(moments))):
        raise Unfit  # pandas takes "", "NaT" and the like for null
    for position, number in numbers:
        moments[position] = _datetimes(np.array([number]), strict)[0]
    return moments


def parse_moments(texts: List[Any]) -> Any:
    """ISO 8601 and other dates pandas knows (US order for slashes) → naive UTC datetime64[ns]; None → NaT."""
    import numpy as np

    if any(text is not None and _NO_MOMENT.match(text) for text in texts):
        raise Unfit("names no moment by itself")
    zoned = np.array([text is not None and _ZONE.search(text) is not None for text in texts], dtype=bool)
    moments: Any = np.empty(len(texts), dtype="datetime64[ns]")
    for group in (zoned, ~zoned):  # apart: pandas 2 gives a text without a zone the zone of its neighbour
        if group.any():
            moments[group] = _parse_alike([text for text, wanted in zip(texts, group) if wanted])
    return moments


def _parse_alike(texts: List[Any]) -> Any:
    import pandas as pd

    try:
        if not hasattr(pd.Timestamp, "as_unit"):  # pandas 1 looks at each text by itself, and knows nanoseconds only
            parsed = pd.to_datetime(texts, utc=True)
        else:
            try:
                parsed = pd.to_datetime(texts, utc=True, format="ISO8601")
            except ValueError:
                parsed = pd.to_datetime(texts, utc=True)
            parsed = parsed.as_unit("ns")
    except (ValueError, OverflowError) as error:
        raise Unfit(str(error)) from None
    return parsed.tz_localize(None).to_numpy()


def texts(value: Any) -> Any:
    """What stands under ``inputs`` for a text column, as an array of text: numbers are written out, null stays None."""
    import numpy as np

    array = np.array(value, dtype=object) if _of_numbers(value) else natural(value)
    if array.dtype.kind != "O":
        return array.astype(str)
    items = [None if item is None else str(item) for item in array.ravel().tolist()]
    return _array_of(items, object, array.shape) if None in items else np.array(items, dtype=str).reshape(array.shape)


def _of_numbers(value: Any) -> bool:
    """Whether this is a list of integers and fractions, each to be written as it came: ``1`` is not ``1.0``."""
    return isinstance(value, list) and set(map(type, value)) == {int, float}


def tensor(value: Any, dtype: str, strict: bool) -> Any:
    """A (nested) list or single value as an array of a tensor's numpy type. Raises Unfit; ValueError for odd values."""
    import numpy as np

    wanted = np.dtype(dtype)
    if strict and wanted.kind in "iuf" and _holds_truths(value):
        raise Unfit
    if wanted.kind in "iu":
        return _integer_tensor(value, wanted, strict)
    if wanted.kind == "M":
        return _datetimes(natural(value), strict).astype(wanted)
    if wanted.kind == "f":
        if strict:
            return _floats(natural(value), dtype, strict)
        with np.errstate(over="ignore"):
            return np.array(value, dtype=wanted)
    if wanted.kind == "b" and strict:
        return _booleans(natural(value), strict, False)
    return np.array(value, dtype=wanted)


def _holds_truths(value: Any) -> bool:
    """Whether a truth value stands among (nested) lists of numbers, where numpy would make a number of it."""
    level = value if isinstance(value, list) else [value]
    kinds = set(map(type, level))
    while kinds == {list}:
        level = list(chain.from_iterable(level))
        kinds = set(map(type, level))
    return bool in kinds


def _integer_tensor(value: Any, wanted: Any, strict: bool) -> Any:
    import numpy as np

    limits = np.iinfo(wanted)
    if wanted == np.uint64:  # beyond int64, and numpy would turn a mixture with small numbers into floats
        values = np.array(value, dtype=object)
        items = [_whole(item, strict, strict, 0, limits.max) for item in values.ravel().tolist()]
        return _array_of(items, wanted, values.shape)
    wide = _integers(natural(value), "long", strict, strict)
    if wide.size and not (limits.min <= int(wide.min()) and int(wide.max()) <= limits.max):
        raise Unfit
    return wide.astype(wanted, copy=False)
