"""The data of a request against the model's input schema, once per batch, before the model sees it.

Here stands what shape of input makes which frame, which columns are taken, and how misfits are reported; ``columns``,
``nested`` and ``tensors`` know the values.
"""

import logging
import os
from typing import Any, Dict, List, Optional, Sequence, Tuple

from modelport_runtime.data_types import AnyType, Array, Map, Object, Scalar
from modelport_runtime.enforcement import columns
from modelport_runtime.enforcement.nested import checker
from modelport_runtime.enforcement.tensors import enforced_tensors, type_text
from modelport_runtime.enforcement.values import Misfit, describe, shorten
from modelport_runtime.errors import MAX_DETAILS, SchemaMismatch
from modelport_runtime.policy import Policy
from modelport_runtime.schema import Schema
from modelport_runtime.specs import ColSpec

_logger = logging.getLogger(__name__)

Detail = Dict[str, Any]


def enforce(data: Any, schema: Schema, policy: Policy) -> Any:
    """``data`` as the model expects it: a DataFrame for a column schema; an array, or a dict of arrays, for tensors.

    A frame that fits already is returned itself, not copied; else its index is kept. Missing optional columns stay
    absent.
    Raises ``SchemaMismatch`` naming every column that does not fit.
    """
    if schema.is_tensor:
        result, misfits = enforced_tensors(data, schema, policy)
        if misfits:
            raise _mismatch([_detail(spec.name, type_text(spec), misfit) for spec, misfit in misfits])
        return result
    frame = _as_frame(data, schema)
    if _fits(frame, schema):
        return frame
    return _enforced_frame(frame, schema, policy)


# -- the shape of the input


def _as_frame(data: Any, schema: Schema) -> Any:
    import numpy as np
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return data
    try:
        if isinstance(data, dict):
            return _frame_from_dict(data, schema)
        if np.isscalar(data):
            return pd.DataFrame([data])
        if isinstance(data, (pd.Series, list, np.ndarray)):
            return pd.DataFrame(data)
    except (ValueError, TypeError) as error:
        raise _no_frame(f"{describe(data)}: {error}") from None
    raise _no_frame(describe(data))


def _frame_from_dict(data: Dict[Any, Any], schema: Schema) -> Any:
    import pandas as pd

    if _is_one_row(data, schema):
        return pd.DataFrame([data])
    # A frame cannot hold a two-dimensional array in a column; lists of lists it can.
    return pd.DataFrame(
        {name: value.tolist() if getattr(value, "ndim", 1) > 1 else value for name, value in data.items()}
    )


def _is_one_row(data: Dict[Any, Any], schema: Schema) -> bool:
    """Whether a dict is one row rather than columns; lists of texts count as one value, as they do for MLflow."""
    import numpy as np

    if any(isinstance(spec.type, (Array, Object)) for spec in schema.columns):
        return True
    if any(isinstance(spec.type, Map) and isinstance(data.get(spec.name), dict) for spec in schema.columns):
        return True

    def is_value(value: Any) -> bool:
        if isinstance(value, list):
            return all(isinstance(item, str) for item in value)
        return value is None or np.isscalar(value) or (isinstance(value, np.ndarray) and value.ndim == 0)

    return all(map(is_value, data.values()))


def _no_frame(found: str) -> SchemaMismatch:
    return _mismatch([{"expected": "DataFrame", "found": shorten(found)}])


# -- which columns


def _fits(frame: Any, schema: Schema) -> bool:
    """Whether a frame has just the columns of the schema, in order, each of a dtype that needs no further look."""
    labels = frame.columns.tolist()
    specs = schema.columns
    if len(labels) != len(specs):
        return False
    for label, spec, dtype in zip(labels, specs, frame.dtypes.tolist()):
        kind = spec.type
        if isinstance(kind, Scalar):
            if not columns.fits(dtype, kind.name):
                return False
        elif not isinstance(kind, AnyType):
            return False
        if spec.name is not None and label != spec.name:
            return False
    return True


def _enforced_frame(frame: Any, schema: Schema, policy: Policy) -> Any:
    labels = frame.columns.tolist()
    unique = len(set(labels)) == len(labels)
    wanted, details = _positions(labels, schema)
    taken: List[Any] = []
    names: List[Any] = []
    hint = None
    changed = False
    for spec, position in wanted:
        label = labels[position]
        values = frame[label] if unique else frame.iloc[:, position]
        try:
            result = _column(values, spec, policy)
        except Misfit as misfit:
            if not spec.required and values.isna().all():
                continue  # nothing was said about an optional column
            details.append(_detail(label, str(spec.type), misfit))
            hint = hint or misfit.hint
            continue
        changed = changed or result is not values
        taken.append(result)
        names.append(label)
    unknown = _unknown(labels, schema)
    if details:
        raise _mismatch(details, hint, unknown)
    if unknown:
        _logger.warning("Ignoring columns that the model's signature does not have: %s.", _listed(unknown))
    return frame[names] if unique and not changed else _assembled(taken, names, frame)


def _positions(labels: List[Any], schema: Schema) -> Tuple[List[Tuple[ColSpec, int]], List[Detail]]:
    """Which column of the frame each spec takes; and what is missing."""
    details: List[Detail] = []
    if not schema.has_names:
        for position, spec in enumerate(schema.columns[len(labels) :], len(labels)):
            details.append({"column": position, "expected": shorten(str(spec.type)), "found": "missing"})
        return list(zip(schema.columns, range(len(labels)))), details
    places: Dict[Any, int] = {}
    repeated = set()
    for position, label in enumerate(labels):
        if places.setdefault(label, position) != position:
            repeated.add(label)
    wanted: List[Tuple[ColSpec, int]] = []
    # A name that a schema has twice is one column, of the last type given.
    for spec in {spec.name: spec for spec in schema.columns}.values():
        if spec.name in repeated:
            details.append({"column": spec.name, "expected": "one column", "found": "several of that name"})
        elif spec.name in places:
            wanted.append((spec, places[spec.name]))
        elif spec.required:
            details.append({"column": spec.name, "expected": shorten(str(spec.type)), "found": "missing"})
    return wanted, details


def _unknown(labels: List[Any], schema: Schema) -> List[Any]:
    if not schema.has_names:
        return []
    known = {spec.name for spec in schema.columns}
    return [label for label in labels if label not in known]


def _column(values: Any, spec: ColSpec, policy: Policy) -> Any:
    import pandas as pd

    if isinstance(spec.type, Scalar):
        return columns.converted(values, spec.type.name, policy)
    if isinstance(spec.type, AnyType):
        return values
    check = checker(spec.type, spec.required, policy)
    cells = []
    for row, cell in enumerate(values.tolist()):
        try:
            cells.append(check(cell))
        except Misfit as misfit:
            misfit.row = row
            raise
    return pd.Series(cells, index=values.index, name=values.name, dtype=object)


def _assembled(taken: List[Any], names: List[Any], frame: Any) -> Any:
    import pandas as pd

    # By position: labels may repeat in an unnamed schema.
    result = pd.DataFrame(dict(enumerate(taken)), index=frame.index, copy=False)
    result.columns = pd.Index(names, dtype=object if not names else None)
    return result


# -- what is said about misfits


def _detail(label: Any, expected: str, misfit: Misfit) -> Detail:
    detail: Detail = {} if label is None else {"column": label}
    if misfit.row is not None:
        detail["row"] = misfit.row
    if misfit.path:
        detail["path"] = shorten(misfit.path)
    detail["expected"] = shorten(misfit.expected or expected)
    detail["found"] = shorten(misfit.found)
    return detail


def _mismatch(details: List[Detail], hint: Optional[str] = None, unknown: Sequence[Any] = ()) -> SchemaMismatch:
    """The one error for all of them; ``unknown`` columns are named where others are missing: names may be misspelt."""
    if os.environ.get("MLFLOW_DISABLE_SCHEMA_DETAILS", "").lower() in ("true", "1"):
        return SchemaMismatch("The input does not fit the model's signature.")
    texts = [_sentence(detail) for detail in details[:MAX_DETAILS]]
    if len(details) > MAX_DETAILS:
        texts.append(f"and {len(details) - MAX_DETAILS} more")
    message = f"The input does not fit the model's signature: {'; '.join(texts)}."
    if unknown and any(detail["found"] == "missing" for detail in details):
        message += f" It also has columns that the signature does not have: {_listed(unknown)}."
    return SchemaMismatch(message, hint=hint, details=details)


def _sentence(detail: Detail) -> str:
    place = f"column {shorten(repr(detail['column']))}" if "column" in detail else "the data"
    if "row" in detail:
        place += f", row {detail['row']}"
    if "path" in detail:
        place += f", at {detail['path']}"
    return f"{place}: expected {detail['expected']}, found {detail['found']}"


def _listed(labels: Sequence[Any]) -> str:
    shown = ", ".join(shorten(repr(label)) for label in labels[:MAX_DETAILS])
    return shown if len(labels) <= MAX_DETAILS else f"{shown} and {len(labels) - MAX_DETAILS} more"
