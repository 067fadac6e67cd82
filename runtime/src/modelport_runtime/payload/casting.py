"""What a JSON or CSV client sent → the types the signature declares; ``enforcement`` then holds it against the schema.

A client cannot say "32-bit integer", "bytes" or "moment"; this module says it for them. It never looks for missing or
superfluous columns.
"""

from typing import Any, Dict, List, Optional, Union

from modelport_runtime.data_types import AnyType, Array, DataType, Map, Object, Scalar
from modelport_runtime.errors import MAX_DETAILS, InvalidInput, SchemaMismatch
from modelport_runtime.payload import jsonio, scalars
from modelport_runtime.payload.scalars import Unfit
from modelport_runtime.policy import Policy
from modelport_runtime.schema import Schema
from modelport_runtime.specs import ColSpec, TensorSpec

_UNFIT = (Unfit, ValueError, TypeError, OverflowError)
_SETTLED = {"boolean": "bool", "integer": "int32", "long": "int64", "float": "float32", "double": "float64"}
"""Columns that pandas already made what they are declared to be are left as they are."""
_NULL_HAS_NO_VALUE = ("integer", "long", "binary")
"""Types that cannot hold a null: an optional column of nothing else counts as absent."""


class Misfits:
    """Everything found wrong in one request, over all columns."""

    def __init__(self) -> None:
        self._details: List[Dict[str, Any]] = []

    @property
    def room(self) -> int:
        """How many more details are of use."""
        return MAX_DETAILS - len(self._details)

    def add(self, column: Any, row: Optional[int], expected: str, value: Any) -> None:
        """Note one offending value; ``row`` None: the column as a whole."""
        self._details.append({"column": column, "row": row, "expected": expected, "found": _described(value)})

    def check(self) -> None:
        """Raise SchemaMismatch if anything was noted."""
        if not self._details:
            return
        places = []
        for detail in self._details[:5]:
            column = "the input" if detail["column"] is None else f"column {detail['column']!r}"
            row = "" if detail["row"] is None else f", row {detail['row']}"
            places.append(f"{column}{row}: expected {detail['expected']}, found {detail['found']}")
        more = f" (and {len(self._details) - 5} more)" if len(self._details) > 5 else ""
        raise SchemaMismatch(
            f"Invalid input. The data does not fit the model's signature: {'; '.join(places)}{more}.",
            code="BAD_REQUEST",
            details=self._details,
        )


def _described(value: Any) -> str:
    """A value's JSON type and its first characters."""
    if hasattr(value, "item") and getattr(value, "size", 1) == 1:
        value = value.item()
    if value is None or (isinstance(value, float) and value != value):
        return "null"
    if isinstance(value, (list, dict)):
        return f"{'list' if isinstance(value, list) else 'object'} of {len(value)}"
    names = ((bool, "boolean"), (int, "integer"), (float, "number"), (str, "string"))
    name = next((name for kind, name in names if isinstance(value, kind)), type(value).__name__)
    text = repr(value[:100]) if isinstance(value, str) else str(value)
    return f"{name} {text[:60]}{'…' if len(text) > 60 else ''}"


def cast_frame(frame: Any, schema: Schema, policy: Policy, exact: bool = False) -> Any:
    """The frame with every declared column cast (unnamed schemas: by position); other columns untouched.

    Nested columns are cast cell by cell. An optional column of nulls only is dropped where its type has no null.
    ``exact``: no integers of fractions and no truth values of text even under the lenient policy (CSV).
    Raises SchemaMismatch (BAD_REQUEST) naming every offending column and row.
    """
    specs = _specs_by_position(frame, schema)
    columns: Dict[int, Any] = {}
    dropped = set()
    misfits = Misfits()
    dtypes = [str(dtype) for dtype in frame.dtypes]
    for position, spec in specs.items():
        if (
            isinstance(spec, ColSpec)
            and isinstance(spec.type, Scalar)
            and dtypes[position] == _SETTLED.get(spec.type.name)
        ):
            continue
        series = frame.iloc[:, position]
        if isinstance(spec, TensorSpec):
            columns[position] = _tensor_column(series, spec, policy, misfits)
        elif isinstance(spec.type, Scalar):
            if spec.type.name == "string":
                if series.dtype.kind != "O":  # numbers stay numbers, as in MLflow, but as objects
                    columns[position] = series.astype(object)
                continue
            values = series.to_numpy()
            if not spec.required and spec.type.name in _NULL_HAS_NO_VALUE and len(series) and series.isna().all():
                dropped.add(position)
            else:
                columns[position] = _scalar_column(values, spec, spec.type.name, policy, exact, misfits)
        elif not isinstance(spec.type, AnyType):
            cast = [_nested_cell(cell, spec, row, policy, misfits) for row, cell in enumerate(series.tolist())]
            columns[position] = object_array(cast)
    misfits.check()
    return _replaced(frame, columns, dropped) if columns or dropped else frame


def _specs_by_position(frame: Any, schema: Schema) -> Dict[int, Union[ColSpec, TensorSpec]]:
    """Which column of the frame is of which spec."""
    if not schema.has_names:
        if schema.is_tensor:
            return dict.fromkeys(range(frame.shape[1]), schema.specs[0])
        return dict(enumerate(schema.specs[: frame.shape[1]]))
    positions: Dict[Any, int] = {}
    declared = {spec.name: spec for spec in schema.specs}
    for position, label in enumerate(frame.columns):
        if label in positions and label in declared:
            raise SchemaMismatch(
                f"Invalid input. Column {label!r} is given twice.",
                details=[{"column": label, "expected": "once", "found": "twice"}],
            )
        positions[label] = position
    return {positions[name]: spec for name, spec in declared.items() if name in positions}


def _replaced(frame: Any, columns: Dict[int, Any], dropped: Any) -> Any:
    import pandas as pd

    kept = [position for position in range(frame.shape[1]) if position not in dropped]
    values = {position: columns.get(position, frame.iloc[:, position]) for position in kept}
    labels = frame.columns[kept]
    result = pd.DataFrame(values, index=frame.index, columns=kept, copy=False)
    result.columns = labels
    return result


def object_array(items: List[Any]) -> Any:
    """A 1-D array of whatever the items are."""
    import numpy as np

    array: Any = np.empty(len(items), dtype=object)
    for position, item in enumerate(items):  # one by one: numpy would look into lists of equal length
        array[position] = item
    return array


def _scalar_column(values: Any, spec: Any, name: str, policy: Policy, exact: bool, misfits: Misfits) -> Any:
    try:
        cast = scalars.convert(values, name, policy.strict, exact)
        if name == "binary" and spec.required and any(value is None for value in cast.ravel().tolist()):
            raise Unfit
        return cast
    except _UNFIT:
        rows = scalars.misfits(values, name, policy.strict, exact, misfits.room) if values.ndim else [(None, values)]
        if not rows:  # only what a required binary column may not hold
            rows = [(row, None) for row, value in enumerate(values.tolist()) if value is None or value != value]
        for row, value in rows:
            misfits.add(spec.name, row, name, value)
        return None


def _tensor_column(series: Any, spec: TensorSpec, policy: Policy, misfits: Misfits) -> Any:
    """One column of a frame for a tensor signature; cells that are lists are stacked later, by ``enforcement``."""
    if len(series) and isinstance(series.iloc[0], list):
        return series
    if spec.dtype == "bytes":
        return object_array([cell.encode("utf-8") if isinstance(cell, str) else cell for cell in series.tolist()])
    if spec.dtype in ("str", "object"):
        return series if series.dtype.kind == "O" else series.astype(object)
    values = series.to_numpy()
    try:
        return scalars.tensor(values, spec.dtype, policy.strict)
    except _UNFIT:
        for row, value in enumerate(values.tolist()):
            try:
                scalars.tensor([value], spec.dtype, policy.strict)
            except _UNFIT:
                misfits.add(series.name, row, spec.dtype, value)
            if not misfits.room:
                break
        return None


def cast_value(
    value: Any,
    spec: Union[ColSpec, TensorSpec, None],
    policy: Policy,
    misfits: Misfits,
    row: Optional[int] = None,
) -> Any:
    """What stands under ``inputs`` for one spec: an array of its type (one value: a numpy scalar).

    None as spec: numpy's own choice. ``row`` is where a single value stands. Notes what does not fit in ``misfits`` and
    returns None then.
    """
    import numpy as np

    try:
        if spec is None:
            return np.array(value)
        if isinstance(spec, TensorSpec):
            return _tensor(value, spec, policy)
        if isinstance(spec.type, AnyType):
            return value
        if isinstance(spec.type, Scalar):
            return _cast_scalars(value, spec, spec.type.name, policy, misfits, row)
        cell = _nested_cell(value, spec, row, policy, misfits)
        return as_array(cell) if isinstance(cell, list) and isinstance(spec.type, Array) else cell
    except _UNFIT:
        expected = "an array" if spec is None else _expected(spec)
        misfits.add(None if spec is None else spec.name, row, expected, value)
        return None


def _tensor(value: Any, spec: TensorSpec, policy: Policy) -> Any:
    """The value as an array of the declared type; rows of unequal length, where those are free, as an array of arrays."""
    if policy.strict and value == [] and spec.shape[:1] == (-1,):
        return scalars.tensor([], spec.dtype, True).reshape(0, *(max(size, 0) for size in spec.shape[1:]))
    try:
        return scalars.tensor(value, spec.dtype, policy.strict)
    except _UNFIT:
        if -1 not in spec.shape[1:] or not isinstance(value, list):
            raise
    rows = [scalars.tensor(row, spec.dtype, policy.strict) for row in value]
    wanted = spec.shape[1:]
    if any(
        row.ndim != len(wanted) or any(size not in (-1, found) for size, found in zip(wanted, row.shape))
        for row in rows
    ):
        raise Unfit
    return object_array(rows)


def _expected(spec: Union[ColSpec, TensorSpec]) -> str:
    return f"{spec.dtype} tensor" if isinstance(spec, TensorSpec) else str(spec.type)


def _cast_scalars(
    value: Any, spec: ColSpec, name: str, policy: Policy, misfits: Misfits, row: Optional[int] = None
) -> Any:
    if not isinstance(value, list):
        one = Misfits()
        cast = _cast_scalars([value], spec, name, policy, one)
        if cast is None:
            misfits.add(spec.name, row, name, value)
        return None if cast is None else cast[0]
    if name == "string":
        return scalars.texts(value)
    return _scalar_column(scalars.natural(value), spec, name, policy, False, misfits)


def as_array(cells: List[Any]) -> Any:
    """The list as MLflow hands it over, an array; lists of unequal length stay a list."""
    import numpy as np

    try:
        return np.array(cells)
    except ValueError:
        return cells


def _nested_cell(cell: Any, spec: ColSpec, row: Optional[int], policy: Policy, misfits: Misfits) -> Any:
    try:
        return cast_nested(cell, spec.type, policy.strict)
    except _UNFIT as error:
        place = f"{spec.type}, with {error.args[0]}" if error.args else str(spec.type)
        if misfits.room > 0:
            misfits.add(spec.name, row, place, cell)
        return None


def cast_nested(cell: Any, kind: DataType, strict: bool) -> Any:
    """A copy of a list or object with its leaves as the declared types have them, as far as JSON could not say them:

    integers where doubles are meant, 32-bit numbers, moments, bytes. All else is left for ``enforcement`` to judge.
    """
    if isinstance(kind, Scalar):
        return cell if cell is None else _leaf(cell, kind.name, strict)
    if isinstance(kind, Array) and isinstance(cell, list):
        if isinstance(kind.items, Scalar):
            return _leaves(cell, kind.items.name, strict)
        return [cast_nested(item, kind.items, strict) for item in cell]
    if isinstance(kind, Object) and isinstance(cell, dict):
        types = {prop.name: prop.type for prop in kind.properties}
        return {key: cast_nested(item, types[key], strict) if key in types else item for key, item in cell.items()}
    if isinstance(kind, Map) and isinstance(cell, dict):
        return {key: cast_nested(item, kind.values, strict) for key, item in cell.items()}
    return cell


def _leaves(items: List[Any], name: str, strict: bool) -> Any:
    """The items of a list: a list again, but an array where only an array can hold the declared 32-bit numbers."""
    import numpy as np

    kinds = set(map(type, items))
    if name == "double" and kinds <= {int, float, str} and kinds != {float}:
        return [_double(item, strict) for item in items]
    if name == "double":
        return [float(item) if type(item) is int else item for item in items]
    if items and ((name == "integer" and kinds == {int}) or (name == "float" and kinds <= {int, float, type(None)})):
        return scalars.convert(np.array(items, dtype=object), name, strict=True)
    if name in ("datetime", "binary"):
        return [item if item is None else _leaf(item, name, strict) for item in items]
    return items


def _double(item: Any, strict: bool) -> Any:
    """An integer, and leniently the text of a number, as a double; other text as it is."""
    if isinstance(item, str) and strict:
        return item
    try:
        return float(item)
    except ValueError:
        return item


def _leaf(value: Any, name: str, strict: bool) -> Any:
    import numpy as np

    if name == "datetime" and isinstance(value, str):
        import pandas as pd

        return pd.Timestamp(scalars.parse_moments([value])[0])
    if name == "binary" and isinstance(value, str):
        return scalars.decode_base64(value, strict)
    if name == "double" and type(value) is int:
        return float(value)
    if name == "float" and type(value) in (int, float):
        return scalars.convert(np.array([value], dtype=object), name, strict=True)[0]
    if name == "integer" and type(value) is int:
        return scalars.convert(np.array([value], dtype=object), name, strict=True)[0]
    return value


def json_cells(frame: Any, schema: Schema) -> Any:
    """A frame read from CSV with the text of its array, object and map columns read as JSON; lists for tensors too.

    Raises SchemaMismatch for text that is no JSON.
    """
    misfits = Misfits()
    columns: Dict[int, Any] = {}
    for position, spec in _specs_by_position(frame, schema).items():
        cells = frame.iloc[:, position]
        if _holds_json(cells, spec, schema.has_names or frame.shape[1] == 1):
            columns[position] = object_array(
                [_json_cell(cell, spec, row, misfits) for row, cell in enumerate(cells.tolist())]
            )
    misfits.check()
    return _replaced(frame, columns, ()) if columns else frame


def _holds_json(cells: Any, spec: Union[ColSpec, TensorSpec], whole: bool) -> bool:
    """``whole``: whether one column is a whole tensor."""
    if isinstance(spec, TensorSpec):
        return whole and len(spec.shape) > 1 and cells.dtype.kind == "O"
    return isinstance(spec.type, (Array, Object, Map))


def _json_cell(cell: Any, spec: Union[ColSpec, TensorSpec], row: int, misfits: Misfits) -> Any:
    if not isinstance(cell, str):
        return cell if isinstance(spec, TensorSpec) else None
    try:
        return jsonio.loads(cell.encode("utf-8"))
    except InvalidInput:
        if misfits.room > 0:
            misfits.add(spec.name, row, f"{_expected(spec)} as JSON", cell)
        return None
