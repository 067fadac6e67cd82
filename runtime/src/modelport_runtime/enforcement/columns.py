"""One column (pandas Series) of scalars against its declared type: on dtypes, vectorised.

Which dtype fits which type is MLflow's table (``docs/compatibility.md`` says where not); what the strict policy adds
stands beside it.
"""

from decimal import Decimal
from typing import Any, Dict, Optional, Tuple

from modelport_runtime.enforcement.values import INTEGER_RANGES, ISO_DATETIME, Misfit, builtin, describe, is_missing
from modelport_runtime.policy import Policy

NUMPY_TYPES = {
    "boolean": "bool",
    "integer": "int32",
    "long": "int64",
    "float": "float32",
    "double": "float64",
    "string": "object",
    "binary": "object",
    "datetime": "datetime64[ns]",
}

EXACT = {
    "boolean": "|b1",
    "integer": "<i4",
    "long": "<i8",
    "float": "<f4",
    "double": "<f8",
    "string": "|O",
    "binary": "|O",
    "datetime": "<M8[ns]",
}
"""``numpy.dtype.str`` of the columns that need no look at all, by type."""

MISSING_INTEGERS = (
    "Integer columns cannot hold missing values; pandas turns them into floats. "
    "Fill the gaps, or declare the column as double in the model's signature."
)


def fits(dtype: Any, name: str) -> bool:
    """Whether a column of this dtype is a column of type ``name`` already."""
    return getattr(dtype, "str", None) == EXACT[name] or (
        name in ("string", "binary") and type(dtype).__name__ == "StringDtype"
    )


def converted(values: Any, name: str, policy: Policy) -> Any:
    """``values`` as a Series of scalar type ``name`` with the same index; the same object where nothing is to be done.

    Raises ``Misfit``.
    """
    dtype = values.dtype
    if fits(dtype, name):
        return values
    if len(values) == 0:
        return _empty(values, name)
    if name in ("string", "binary"):
        return _text(values, name, policy)
    if getattr(dtype, "str", None) == "|O" or type(dtype).__name__ == "StringDtype":
        return _from_objects(values, name, policy)
    if name == "datetime":
        return _datetime(values, policy)
    return _number(values, name, policy)


def type_name(values: Any) -> str:
    """What a column holds, in the words of signatures where they have one."""
    from pandas.api.types import infer_dtype

    dtype = values.dtype
    if type(dtype).__name__ == "StringDtype":
        return "string"
    if getattr(dtype, "str", None) == "|O":
        inferred = str(infer_dtype(values, skipna=True))
        name = {"integer": "long", "floating": "double", "bytes": "binary", "empty": "null"}.get(inferred, inferred)
        return f"{name} with nulls" if name != "null" and values.isna().any() else name
    for name, exact in EXACT.items():
        if getattr(dtype, "str", None) == exact:
            return name
    return str(dtype)


def _empty(values: Any, name: str) -> Any:
    import pandas as pd

    return pd.Series([], dtype=NUMPY_TYPES[name], index=values.index, name=values.name)


def _text(values: Any, name: str, policy: Policy) -> Any:
    if policy.strict and name == "string" and getattr(values.dtype, "kind", "") in "iu":
        return values.astype(object)  # a text column keeps numbers as they were sent
    raise Misfit(type_name(values))


# -- numbers and truth values, by dtype


def _number(values: Any, name: str, policy: Policy) -> Any:
    kind, size = getattr(values.dtype, "kind", "O"), getattr(values.dtype, "itemsize", 0)
    if size and _widens(kind, size, name):
        if hasattr(values.dtype, "str"):
            return _series(values.to_numpy().astype(NUMPY_TYPES[name]), values)  # pandas would take ten times as long
        if name not in ("float", "double"):
            _refuse_first(values, values.isna())  # pandas' nullable columns
        return values.astype(NUMPY_TYPES[name])
    if policy.strict:
        if size and kind in "iuf" and name != "boolean":
            return _exactly(values, name)
    # MLflow lets long columns of zeros and ones through as floats: they are flags, and exact in any type.
    elif fits(values.dtype, "long") and name in ("float", "double") and _flags(values.to_numpy()):
        return values.astype(NUMPY_TYPES[name])
    gaps = kind == "f" and name in INTEGER_RANGES and _whole_with_gaps(values)
    raise Misfit(type_name(values), hint=MISSING_INTEGERS if gaps else None)


def _flags(numbers: Any) -> bool:
    return bool(((numbers == 0) | (numbers == 1)).all())


def _widens(kind: str, size: int, name: str) -> bool:
    """Whether every number of a kind and size is one of type ``name``."""
    if name == "boolean":
        return kind == "b"
    if name in INTEGER_RANGES:
        limit = 4 if name == "integer" else 8
        return (kind == "i" and size <= limit) or (kind == "u" and size < limit)
    if kind == "f":
        return size <= (4 if name == "float" else 8)
    return name == "double" and kind in "iu" and size <= 4


def _exactly(values: Any, name: str) -> Any:
    """The strict policy: any number the type can hold, whatever type it came in. Rounding a fraction is no misfit."""
    import numpy as np

    kind, missing = values.dtype.kind, values.isna()
    if kind == "f":
        numbers = values.to_numpy(dtype="float64", na_value=np.nan)
    else:
        numbers = (values.fillna(0) if missing.any() else values).to_numpy(dtype=f"{kind}8")
    if name in INTEGER_RANGES:
        _refuse_first(values, missing, hint=MISSING_INTEGERS)
        lowest, highest = INTEGER_RANGES[name]
        if kind == "f":
            with np.errstate(invalid="ignore"):
                _refuse_first(values, numbers % 1 != 0, "not whole")
            # As floats: the highest long would round up to a number that is out of range.
            _refuse_first(values, (numbers < float(lowest)) | (numbers >= float(highest + 1)), "out of range")
        else:
            _refuse_first(values, (numbers < (lowest if kind == "i" else 0)) | (numbers > highest), "out of range")
        return _series(numbers.astype(NUMPY_TYPES[name]), values)
    with np.errstate(over="ignore"):
        result = numbers.astype(NUMPY_TYPES[name])
    if kind == "f":
        _refuse_first(values, np.isinf(result) & ~np.isinf(numbers), "out of range")
    else:
        _refuse_first(values, ~_same(result, numbers), f"not exact as {name}")
        result[missing.to_numpy()] = np.nan
    return _series(result, values)


def _same(floats: Any, integers: Any) -> Any:
    """Where floats are exactly the integers they were made from (to compare them, numpy would round those again)."""
    import numpy as np

    inside = floats < 2.0 ** (63 if integers.dtype.kind == "i" else 64)
    return inside & (np.where(inside, floats, 0).astype(integers.dtype) == integers)


def _whole_with_gaps(values: Any) -> bool:
    present = values.dropna()
    return 0 < len(present) < len(values) and bool((present % 1 == 0).all())


def _series(numbers: Any, like: Any) -> Any:
    import pandas as pd

    return pd.Series(numbers, index=like.index, name=like.name, copy=False)


def _refuse_first(values: Any, bad: Any, why: str = "", hint: Optional[str] = None) -> None:
    """Raises ``Misfit`` for the first row where ``bad`` is true."""
    import numpy as np

    flags = np.asarray(bad)
    if flags.any():
        row = int(flags.argmax())
        found = describe(values.iloc[row])
        raise Misfit(f"{found} ({why})" if why and found != "null" else found, row=row, hint=hint)


# -- objects and text, by what pandas finds in them

_NUMBERS = ("floating", "mixed-integer-float", "decimal")


def _from_objects(values: Any, name: str, policy: Policy) -> Any:
    from pandas.api.types import infer_dtype

    holds = str(infer_dtype(values, skipna=True))
    if name == "datetime":
        result = _moments(values, holds, policy)
    elif name == "boolean":
        result = _truths(values, holds)
    elif name in INTEGER_RANGES:
        result = _integers(values, holds, name, policy)
    else:
        result = _floats(values, holds, name, policy)
    if result is None:
        raise _object_misfit(values, holds, name, policy)
    return result


def _truths(values: Any, holds: str) -> Any:
    if holds not in ("boolean", "empty"):
        return None
    # Null is neither true nor false: such a column stays as it is.
    return values if values.isna().any() else values.astype(bool)


def _integers(values: Any, holds: str, name: str, policy: Policy) -> Any:
    if holds == "integer":
        numbers, present = _int64(values)
        _refuse_first(values, ~present, hint=MISSING_INTEGERS)
        return None if numbers is None else converted(numbers, name, policy)
    if policy.strict and holds in _NUMBERS:
        return _exactly(_as_float64(values), name)
    return None


def _floats(values: Any, holds: str, name: str, policy: Policy) -> Any:
    """MLflow takes objects as doubles only; the strict policy takes every number, but no truth value."""
    if holds == "integer":
        return _floats_from_integers(values, name, policy)
    if policy.strict:
        return _exactly(_as_float64(values), name) if holds in (*_NUMBERS, "empty") else None
    if name == "float":
        return None
    truths_with_gaps = holds == "boolean" and values.isna().any()
    if holds in (*_NUMBERS, "empty") or truths_with_gaps or (holds.startswith("mixed") and _only_numbers(values)):
        return _as_float64(values)
    return None


def _floats_from_integers(values: Any, name: str, policy: Policy) -> Any:
    numbers, present = _int64(values)
    if numbers is not None and (policy.strict or present.all()):
        result = converted(numbers, name, policy)
        return result if present.all() else result.where(present)
    # With gaps, or longer than 64 bits: MLflow takes these as double.
    return _as_float64(values) if name == "double" and not policy.strict else None


def _int64(values: Any) -> Tuple[Any, Any]:
    """Integer objects as int64 (0 for a missing one; None if one is too long for it), and which are there."""
    import numpy as np

    present = values.notna().to_numpy()
    try:
        return _series(np.where(present, values.to_numpy(dtype=object), 0).astype("int64"), values), present
    except OverflowError:
        return None, present


def _as_float64(values: Any) -> Any:
    import numpy as np

    present = values.notna().to_numpy()
    result: Any = np.full(len(values), np.nan)
    try:
        result[present] = values.to_numpy(dtype=object)[present].astype("float64")
    except OverflowError:
        raise Misfit(f"{type_name(values)} (out of range)") from None
    return _series(result, values)


def _only_numbers(values: Any) -> bool:
    import numpy as np

    numbers = (bool, int, float, Decimal, np.bool_, np.number)
    return all(
        issubclass(found, numbers) or found.__name__ in ("NoneType", "NAType") for found in set(map(type, values))
    )


def _object_misfit(values: Any, holds: str, name: str, policy: Policy) -> Misfit:
    """Where a column holds different things, the first cell that is wrong is to blame; else the column as a whole."""
    if holds.startswith("mixed") or holds == "integer" or (holds == "string" and name == "datetime"):
        for row, value in enumerate(values.tolist()):
            if is_missing(value):
                continue
            try:
                builtin(value, name, policy)
            except Misfit as misfit:
                misfit.row = row
                return misfit
    return Misfit(type_name(values))


# -- datetimes


def _datetime(values: Any, policy: Policy) -> Any:
    kind, size = getattr(values.dtype, "kind", "O"), getattr(values.dtype, "itemsize", 0)
    if getattr(values.dtype, "tz", None) is not None:
        raise Misfit(f"{values.dtype} (only datetimes without a zone fit)")
    if kind == "M":
        return _in_nanoseconds(values)
    if policy.strict and size and kind in "iuf":
        present = values.notna().to_numpy()
        return _milliseconds(_exactly(values if present.all() else values.fillna(0), "long"), present)
    raise Misfit(type_name(values))


def _in_nanoseconds(values: Any) -> Any:
    try:
        return values.astype("datetime64[ns]")
    except (ValueError, OverflowError):
        _refuse_first(values, (values.dt.year < 1678) | (values.dt.year > 2261), "out of range")
        raise Misfit(f"{values.dtype} (out of range)") from None


def _milliseconds(numbers: Any, present: Any) -> Any:
    import pandas as pd

    limit = (2**63 - 1) // 10**6
    _refuse_first(numbers, (numbers < -limit) | (numbers > limit), "out of range")
    moments = pd.to_datetime(numbers, unit="ms").astype("datetime64[ns]")
    return moments if present.all() else moments.where(present)


def _moments(values: Any, holds: str, policy: Policy) -> Any:
    try:
        if holds == "string":
            return _parsed(values, policy)
        inferred = values.infer_objects()
        without_zone = getattr(inferred.dtype, "tz", None) is None
        if without_zone and (inferred.dtype.kind == "M" or holds in ("date", "datetime", "empty")):
            return inferred.astype("datetime64[ns]")
    except (ValueError, TypeError, OverflowError):
        return None
    if holds == "integer" and policy.strict:
        numbers, present = _int64(values)
        return None if numbers is None else _milliseconds(numbers, present)
    return None


def _parsed(values: Any, policy: Policy) -> Any:
    """ISO texts (or, leniently, month/day/year) as moments in UTC; texts without a zone are taken as UTC."""
    import pandas as pd

    if values.str.match(rf"(?:{ISO_DATETIME.pattern})\Z", na=True).all():
        # pandas 1 reads each text for itself; later ones take the first as the model of the others.
        how: Dict[str, Any] = {} if pd.__version__.startswith("1.") else {"format": "ISO8601"}
    elif policy.strict:
        return None
    else:
        how = {"format": "%m/%d/%Y"}
    return pd.to_datetime(values, utc=True, **how).dt.tz_localize(None).astype("datetime64[ns]")
