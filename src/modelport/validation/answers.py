"""Predictions, as JSON has them, held against the outputs of a signature and against predictions that were recorded."""

import math
from collections.abc import Iterator
from typing import Any

from modelport_runtime.data_types import AnyType, Array, DataType, Map, Object, Scalar, shown
from modelport_runtime.schema import Schema
from modelport_runtime.specs import TensorSpec

TOLERANCE = 1e-6
"""Relative, of floats: another processor adds in another order."""
_NEAR_ZERO = 1e-9
_KINDS = {"boolean": bool, "string": str, "binary": str, "datetime": str}


def misfits(predictions: Any, schema: Schema) -> Iterator[str]:
    """Where they are not what the outputs declare. Any value may be missing; whole and other numbers are both numbers, since a
    regression on whole numbers is often saved with those as its output."""
    if schema.is_tensor:
        yield from _tensors(predictions, schema)
    elif isinstance(predictions, list):
        for number, row in enumerate(predictions):
            yield from _row(row, schema, f"row {number}")
    else:
        yield from _columns(predictions, schema)


def differences(expected: Any, found: Any, at: str = "the answer") -> Iterator[str]:
    """Where two JSON values differ; floats may differ by ``TOLERANCE``."""
    if isinstance(expected, dict) and isinstance(found, dict):
        for key in [*expected, *(key for key in found if key not in expected)]:
            place = f"{at}.{key}"
            if key not in found:
                yield f"{place} is missing"
            elif key not in expected:
                yield f"{place} was not there: {shown(found[key])}"
            else:
                yield from differences(expected[key], found[key], place)
    elif isinstance(expected, list) and isinstance(found, list):
        if len(expected) != len(found):
            yield f"{at} has {len(found)} items, and had {len(expected)}"
        for number, (old, new) in enumerate(zip(expected, found, strict=False)):
            yield from differences(old, new, f"{at}[{number}]")
    elif not _equal(expected, found):
        yield f"{at} is {shown(found)}, and was {shown(expected)}"


def _equal(expected: Any, found: Any) -> bool:
    if _is_number(expected) and _is_number(found):
        both_missing = math.isnan(expected) and math.isnan(found)
        return both_missing or math.isclose(expected, found, rel_tol=TOLERANCE, abs_tol=_NEAR_ZERO)
    return type(expected) is type(found) and bool(expected == found)


def _columns(predictions: Any, schema: Schema) -> Iterator[str]:
    """An object of columns, each a list or the only row's value; else the only value of the only row."""
    if not isinstance(predictions, dict) or not schema.has_names:
        yield from _row(predictions, schema, "the answer")
        return
    yield from _names(predictions, schema, "the answer")
    for spec in schema.columns:
        column = predictions.get(str(spec.name))
        cells = column if isinstance(column, list) and not _fits(column, spec.type) else [column]
        for number, cell in enumerate(cells):
            if not _fits(cell, spec.type):
                yield f"column {spec.name}, row {number}: {spec.type} is declared, and {shown(cell)} was answered"


def _row(row: Any, schema: Schema, at: str) -> Iterator[str]:
    columns, names = schema.columns, list(map(str, schema.names))
    if len(columns) == 1 and _fits(row, columns[0].type):
        return
    if isinstance(row, dict) and schema.has_names:
        yield from _names(row, schema, at)
        values = [row.get(name) for name in names]
    elif isinstance(row, (dict, list)):
        values = list(row.values()) if isinstance(row, dict) else row
        if len(values) != len(columns):
            yield f"{at}: {len(columns)} columns are declared, and {len(values)} were answered"
            return
    elif len(columns) == 1:
        values = [row]
    else:
        yield f"{at}: columns {', '.join(names)} are declared, and {shown(row)} was answered"
        return
    for name, spec, value in zip(names, columns, values, strict=True):
        if not _fits(value, spec.type):
            yield f"{at}, column {name}: {spec.type} is declared, and {shown(value)} was answered"


def _names(answered: dict[str, Any], schema: Schema, at: str) -> Iterator[str]:
    declared = {str(spec.name): spec.required for spec in schema.columns}
    missing = [name for name, required in declared.items() if required and name not in answered]
    unknown = [name for name in answered if name not in declared]
    if missing:
        yield f"{at} lacks the declared {', '.join(missing)}"
    if unknown:
        yield f"{at} has {', '.join(unknown)}, not declared"


def _fits(value: Any, kind: DataType) -> bool:
    if value is None or isinstance(kind, AnyType):
        return True
    if isinstance(kind, Scalar):
        return isinstance(value, _KINDS[kind.name]) if kind.name in _KINDS else _is_number(value)
    if isinstance(kind, Array):
        return isinstance(value, list) and all(_fits(item, kind.items) for item in value)
    if not isinstance(value, dict):
        return False
    if isinstance(kind, Map):
        return all(_fits(item, kind.values) for item in value.values())
    assert isinstance(kind, Object)
    has_all = all(each.name in value for each in kind.properties if each.required)
    return has_all and all(_fits(value.get(each.name), each.type) for each in kind.properties)


def _tensors(predictions: Any, schema: Schema) -> Iterator[str]:
    if not schema.has_names:
        yield from _tensor(_only_tensor(predictions), schema.tensors[0], "the answer")
    elif not isinstance(predictions, dict):
        yield f"tensors {', '.join(map(str, schema.names))} are declared, and {shown(predictions)} was answered"
    else:
        for spec in schema.tensors:
            if str(spec.name) in predictions:
                yield from _tensor(predictions[str(spec.name)], spec, f"tensor {spec.name}")
            else:
                yield f"the answer lacks the declared tensor {spec.name}"


def _only_tensor(predictions: Any) -> Any:
    """As it is, or named (as ONNX does), or a table's rows."""
    if isinstance(predictions, dict) and len(predictions) == 1:
        return next(iter(predictions.values()))
    if isinstance(predictions, list) and all(isinstance(row, dict) for row in predictions):
        return [list(row.values()) for row in predictions]
    return predictions


def _tensor(value: Any, spec: TensorSpec, at: str) -> Iterator[str]:
    shape = _shape(value)
    fits = len(shape) == len(spec.shape) and all(
        size in (-1, found) for size, found in zip(spec.shape, shape, strict=True)
    )
    if not fits:
        declared, found = (f"({', '.join(map(str, sizes))})" for sizes in (spec.shape, shape))
        yield f"{at}: the shape {declared} is declared, and {found} was answered"
        return
    wrong = next((leaf for leaf in _leaves(value) if not _fits_dtype(leaf, spec.dtype)), None)
    if wrong is not None:
        yield f"{at}: {spec.dtype} is declared, and {shown(wrong)} was answered"


def _shape(value: Any) -> tuple[int, ...]:
    """By its first items; an empty list ends it."""
    sizes = []
    while isinstance(value, list):
        sizes.append(len(value))
        if not value:
            break
        value = value[0]
    return tuple(sizes)


def _leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    else:
        yield value


def _fits_dtype(leaf: Any, dtype: str) -> bool:
    if leaf is None or dtype == "object" or dtype.startswith("complex"):
        return True
    if dtype == "bool":
        return isinstance(leaf, bool)
    if dtype.startswith(("str", "bytes", "datetime64")):
        return isinstance(leaf, str)
    return _is_number(leaf)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
