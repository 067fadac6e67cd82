"""Array, object, map and any values, cell by cell.

Results are new lists and dicts; the caller's are never written into.
"""

from typing import Any, Callable, Dict, List

from modelport_runtime.data_types import AnyType, Array, DataType, Map, Object, Scalar
from modelport_runtime.enforcement.columns import NUMPY_TYPES, converted
from modelport_runtime.enforcement.values import INTEGER_RANGES, Misfit, builtin, describe, is_missing
from modelport_runtime.policy import Policy

Check = Callable[[Any], Any]
Leaf = Callable[[Any, str, Policy], Any]


def numpy_leaf(value: Any, name: str, policy: Policy) -> Any:
    """A single value inside an object or map as MLflow hands it to models: a numpy scalar, a str, a Timestamp."""
    import numpy as np

    value = builtin(value, name, policy)
    if name == "boolean":
        return np.bool_(value)
    if name == "integer":
        return np.int32(value)
    if name == "long":
        return np.int64(value)
    if name == "float":
        return np.float32(value)
    return np.float64(value) if name == "double" else value


def checker(kind: DataType, required: bool, policy: Policy, leaf: Leaf = numpy_leaf) -> Check:
    """A function that returns a value enforced as ``kind``, or raises ``Misfit`` with the path to what is wrong.

    Values that are not ``required`` may be missing (None, NaN), and so may the items of their arrays and maps.
    """
    if isinstance(kind, AnyType):
        return _as_it_is
    if isinstance(kind, Scalar):
        inner = _scalar(kind.name, policy, leaf)
    elif isinstance(kind, Array):
        inner = _array(kind, required, policy, leaf)
    elif isinstance(kind, Object):
        inner = _object(kind, policy, leaf)
    else:
        inner = _map(kind, required, policy, leaf)
    may_be_missing = not required or (isinstance(kind, Array) and isinstance(kind.items, AnyType))
    may_be_missing = may_be_missing or (isinstance(kind, Map) and isinstance(kind.values, AnyType))
    may_be_empty = not required and isinstance(kind, Object)

    def check(value: Any) -> Any:
        if may_be_missing and is_missing(value):
            return None
        if may_be_empty and value == {}:
            return {}
        try:
            return inner(value)
        except Misfit as misfit:
            if misfit.expected is None:
                misfit.expected = str(kind)
            raise

    return check


def _as_it_is(value: Any) -> Any:
    return value


def _scalar(name: str, policy: Policy, leaf: Leaf) -> Check:
    nan_fits = name in ("float", "double")

    def check(value: Any) -> Any:
        if is_missing(value) and not (nan_fits and isinstance(value, float)):
            raise Misfit("null")
        return leaf(value, name, policy)

    return check


def _array(kind: Array, required: bool, policy: Policy, leaf: Leaf) -> Check:
    if isinstance(kind.items, Scalar):
        return _scalar_array(kind.items.name, policy, leaf)
    item_check = checker(kind.items, required, policy, leaf)

    def check(value: Any) -> Any:
        import numpy as np

        if isinstance(value, np.ndarray) and value.ndim > 0:
            return _as_array(_each(value, item_check), value) if len(value) else value
        if isinstance(value, list):
            return _each(value, item_check)
        raise Misfit(describe(value))

    return check


def _as_array(items: List[Any], original: Any) -> Any:
    """Items as an array of the same shape as the one they came from: numpy must not look into lists of objects."""
    import numpy as np

    if original.dtype.kind != "O":
        return np.array(items)
    result: Any = np.empty(len(items), dtype=object)
    for position, item in enumerate(items):
        result[position] = item
    return result


def _each(values: Any, check: Check) -> List[Any]:
    result = []
    for position, value in enumerate(values):
        try:
            result.append(check(value))
        except Misfit as misfit:
            raise misfit.inside(f"[{position}]") from None
    return result


def _object(kind: Object, policy: Policy, leaf: Leaf) -> Check:
    checks = {p.name: checker(p.type, p.required, policy, leaf) for p in kind.properties}
    needed = frozenset(p.name for p in kind.properties if p.required)
    types = {p.name: p.type for p in kind.properties}

    def check(value: Any) -> Any:
        if not isinstance(value, dict):
            raise Misfit(describe(value))
        if not needed <= value.keys():
            name = min(needed - value.keys())
            raise Misfit("missing", path=f".{name}", expected=str(types[name]))
        if not value.keys() <= checks.keys():
            name = min(map(str, value.keys() - checks.keys()))
            raise Misfit("a property that the signature does not have", path=f".{name}", expected="nothing")
        return _members(value, checks.__getitem__)

    return check


def _map(kind: Map, required: bool, policy: Policy, leaf: Leaf) -> Check:
    value_check = checker(kind.values, required, policy, leaf)

    def check(value: Any) -> Any:
        if not isinstance(value, dict):
            raise Misfit(describe(value))
        for key in value:
            if not isinstance(key, str):
                raise Misfit(f"the key {describe(key)}", expected="text keys")
        return _members(value, lambda key: value_check)

    return check


def _members(value: Dict[str, Any], check_of: Callable[[str], Check]) -> Dict[str, Any]:
    result = {}
    for key, member in value.items():
        try:
            result[key] = check_of(key)(member)
        except Misfit as misfit:
            raise misfit.inside(f".{key}") from None
    return result


# -- lists of scalars, where most values of most nested data are

_FITTING_LISTS = {
    "boolean": frozenset([bool]),
    "double": frozenset([float]),
    "string": frozenset([str]),
    "binary": frozenset([bytes]),
}
"""Types of items that need no look at the single item."""


def _scalar_array(name: str, policy: Policy, leaf: Leaf) -> Check:
    item_check = _array_item(name, policy, leaf)
    fitting = _FITTING_LISTS.get(name, frozenset())

    def check(value: Any) -> Any:
        if isinstance(value, list):
            found = set(map(type, value))
            if found <= fitting or (found == {int} and name in INTEGER_RANGES and _in_range(value, name)):
                return list(value)
            if found <= {int, float} and name == "double" and not policy.strict:
                return _doubles(value, item_check)
            return _each(value, item_check)
        return _enforced_vector(value, name, policy, item_check)

    return check


def _in_range(numbers: List[int], name: str) -> bool:
    lowest, highest = INTEGER_RANGES[name]
    return lowest <= min(numbers) and max(numbers) <= highest


def _doubles(numbers: List[Any], item_check: Check) -> List[Any]:
    try:
        return list(map(float, numbers))
    except OverflowError:
        return _each(numbers, item_check)


def _array_item(name: str, policy: Policy, leaf: Leaf) -> Check:
    """Items of a list come back as builtin values; null stays null where the type can hold it, NaN for numbers."""
    to_builtin = builtin if leaf is numpy_leaf else leaf

    def check(value: Any) -> Any:
        if type(value) is not float and is_missing(value):
            if name in ("integer", "long"):
                raise Misfit("null", expected=name)
            return float("nan") if name in ("float", "double") else None
        try:
            return to_builtin(value, name, policy)
        except Misfit as misfit:
            misfit.expected = name
            raise

    return check


def _enforced_vector(value: Any, name: str, policy: Policy, item_check: Check) -> Any:
    """An ndarray cell, as an ndarray. Text and other objects item by item, all else on its dtype."""
    import numpy as np

    if not isinstance(value, np.ndarray) or value.ndim != 1:
        found = f"an array of {value.ndim} dimensions" if isinstance(value, np.ndarray) else describe(value)
        raise Misfit(found)
    if len(value) == 0:
        return value
    if value.dtype.kind not in "OSU":
        return _vector_of_numbers(value, name, policy)
    if (value.dtype.kind, name) in (("U", "string"), ("S", "binary")):
        return value
    items = _each(value.tolist(), item_check)
    if name == "string" and None not in items:
        return np.array(items)
    # numpy would cut the zeros at the end of bytes, and cannot keep null among truth values.
    exact = name in ("string", "binary", "boolean") and (name != "boolean" or None in items)
    return np.array(items, dtype=object if exact else NUMPY_TYPES[name])


def _vector_of_numbers(value: Any, name: str, policy: Policy) -> Any:
    import numpy as np
    import pandas as pd

    kind = value.dtype.kind
    if not policy.strict and kind in "iuf" and name in ("float", "double"):
        with np.errstate(over="ignore"):
            result = value.astype(NUMPY_TYPES[name])
        if np.isinf(result).sum() == np.isinf(value).sum():
            return result
    elif not policy.strict and kind in "iu" and name in ("integer", "long"):
        result = value.astype(NUMPY_TYPES[name])
        if (result == value).all():
            return result
    try:
        return converted(pd.Series(value), name, policy).to_numpy()
    except Misfit as misfit:
        if misfit.row is not None:
            misfit.path, misfit.row = f"[{misfit.row}]", None
        misfit.expected = name
        raise
