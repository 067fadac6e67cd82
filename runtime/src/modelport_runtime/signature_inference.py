"""Examples of data, parameters and type hints → the signature that describes them, as MLflow infers it."""

import dataclasses
import datetime
import inspect
import logging
import typing
from collections import defaultdict
from typing import Any, Dict, List, Optional, Tuple

from modelport_runtime.data_types import AnyType, Array, DataType, InvalidSchema, Map, Object, Property, Scalar, shown
from modelport_runtime.enforcement.params import checked
from modelport_runtime.enforcement.values import is_missing
from modelport_runtime.errors import SchemaMismatch
from modelport_runtime.mlflow_names import type_hints
from modelport_runtime.schema import ParamSchema, Schema, Signature
from modelport_runtime.specs import ColSpec, ParamSpec, TensorSpec

log = logging.getLogger(__name__)

_ANYTHING = Schema([ColSpec(AnyType())])


class _PydanticExample(InvalidSchema):
    """Objects of pydantic are described by type hints, not by examples."""


def infer_signature(model_input: Any = None, model_output: Any = None, params: Any = None) -> Signature:
    """The signature of a model that takes data as ``model_input`` is, gives ``model_output`` and knows ``params``.

    What has no schema is described as anything at all (``any``), and the log says why.

    Raises:
        InvalidSchema: there is nothing to infer from, a list or dictionary holds objects of pydantic, or parameters cannot
            be described (all of them are named).
    """
    return Signature(
        inputs=None if model_input is None else _schema_or_anything(model_input, "inputs"),
        outputs=None if model_output is None else _schema_or_anything(model_output, "outputs"),
        params=infer_params(params) if params else None,
    )


def _schema_or_anything(data: Any, part: str) -> Schema:
    try:
        return infer_schema(data)
    except Exception as error:
        if isinstance(error, _PydanticExample) and isinstance(data, (list, dict)):
            raise
        log.warning("the signature takes anything as %s, since their schema cannot be inferred: %s", part, error)
        log.debug("inferring the schema of the %s failed", part, exc_info=True)
        return _ANYTHING


def infer_schema(data: Any) -> Schema:
    """The schema of a frame, series, array, sparse matrix, dictionary, list or scalar, or of a dataclass.

    Raises ``InvalidSchema`` for data of another kind; other errors where the data itself cannot be looked at.
    """
    if dataclasses.is_dataclass(data):
        return schema_of_dataclass(data)
    kind = _container(data)
    if kind == "DataFrame":
        return Schema([_pandas_column(data[label], label) for label in data.columns])
    if kind == "Series":
        return Schema([_pandas_column(data, data.name)])
    if kind == "ndarray":
        return Schema([_tensor(data.dtype, data.shape)])
    if kind == "sparse":
        return Schema([_tensor(data.data.dtype, data.shape)])
    if isinstance(data, dict):
        return _schema_of_dict(data)
    if isinstance(data, list):
        return _schema_of_list(data)
    return Schema([ColSpec(_known(value_type(data), data))])


def _container(data: Any) -> str:
    """Which container of numpy, pandas or scipy the data is; empty for others."""
    import numpy as np
    import pandas as pd

    if isinstance(data, pd.DataFrame):
        return "DataFrame"
    if isinstance(data, pd.Series):
        return "Series"
    if isinstance(data, np.ndarray):
        return "ndarray"
    return "sparse" if type(data).__name__ in ("csr_matrix", "csc_matrix") else ""


def _tensor(dtype: Any, shape: Tuple[int, ...], name: Any = None) -> TensorSpec:
    """A tensor of any number of rows; a single value has no rows, and stays one."""
    plain = {"U": "str", "S": "bytes"}.get(dtype.kind, dtype)
    return TensorSpec(plain, (-1, *shape[1:]) if shape else (), name)


def _schema_of_dict(data: Dict[Any, Any]) -> Schema:
    if all(_container(value) == "ndarray" for value in data.values()):
        return Schema([_tensor(array.dtype, array.shape, name) for name, array in data.items()])
    if not all(isinstance(name, str) for name in data):
        raise InvalidSchema("the keys of a dictionary must be texts")
    return Schema([ColSpec(_known(value_type(value), value), name, _all_there(value)) for name, value in data.items()])


def _schema_of_list(data: List[Any]) -> Schema:
    if not data:
        return Schema([ColSpec(Scalar.string)])
    if not all(isinstance(item, dict) for item in data):
        return Schema([ColSpec(_item_type(data))])
    columns: Dict[Any, List[Any]] = defaultdict(list)
    for item in data:
        for name, value in item.items():
            columns[name].append(value)
    return Schema(
        [
            ColSpec(_item_type(values), name, required=all(item.get(name) is not None for item in data))
            for name, values in columns.items()
        ]
    )


def _all_there(value: Any) -> bool:
    if isinstance(value, list):
        return not any(map(is_missing, value))
    return not is_missing(value)


# -- single values


def value_type(value: Any) -> Optional[DataType]:
    """The type of one value: a scalar, list, array or dictionary; ``any`` for nulls and for what is empty.

    None for an array without items, which says nothing. Raises ``InvalidSchema`` for values that have no type.
    """
    kind = _PYTHON_SCALARS.get(type(value))
    if kind is not None and value == value:
        return kind
    if any(base.__name__ == "BaseModel" and base.__module__.startswith("pydantic.") for base in type(value).__mro__):
        raise _PydanticExample(
            "objects of pydantic cannot serve as examples of data",
            hint="Write the class as the type hint of predict: def predict(self, model_input: list[MyClass])",
        )
    if is_missing(value) or (isinstance(value, (list, dict)) and not value):
        return AnyType()
    if isinstance(value, dict):
        members = ((name, _known(value_type(member), member)) for name, member in value.items())
        return Object([Property(name, kind, not isinstance(kind, AnyType)) for name, kind in members])
    if isinstance(value, list) or _container(value) == "ndarray":
        return _list_type(value)
    return _numpy_scalar_type(value)


def _known(kind: Optional[DataType], value: Any) -> DataType:
    if kind is None:
        raise InvalidSchema(f"an array without items says nothing of their type: {shown(str(value))}")
    return kind


def _list_type(values: Any) -> Optional[Array]:
    kinds = [kind for kind in map(value_type, values) if kind is not None]
    if not kinds:
        return None
    merged = kinds[0]
    for kind in kinds[1:]:
        merged = _merged(merged, kind)
    return Array(merged)


def _item_type(values: List[Any]) -> DataType:
    kind = _list_type(values)
    return _known(kind.items if kind is not None else None, values)


def _merged(left: DataType, right: DataType) -> DataType:
    """The type of values of which some are of one type and some of the other."""
    if isinstance(right, AnyType):
        left, right = right, left
    if isinstance(left, AnyType):
        if isinstance(right, Object):
            return Object([Property(p.name, p.type, required=False) for p in right.properties])
        return right
    if isinstance(left, Array) and isinstance(right, Array):
        return Array(_merged(left.items, right.items))
    if isinstance(left, Object) and isinstance(right, Object):
        return _merged_objects(left, right)
    if left != right:
        raise InvalidSchema(f"the values of a list must be of one type, found {left} and {right}")
    return left


def _merged_objects(left: Object, right: Object) -> Object:
    one, other = ({p.name: p for p in kind.properties} for kind in (left, right))
    properties = []
    for name in {**one, **other}:
        if name in one and name in other:
            required = one[name].required and other[name].required
            properties.append(Property(name, _merged(one[name].type, other[name].type), required))
        else:
            properties.append(Property(name, (one.get(name) or other[name]).type, required=False))
    return Object(properties)


_PYTHON_SCALARS = {
    bool: Scalar.boolean,
    int: Scalar.long,
    float: Scalar.double,
    str: Scalar.string,
    bytes: Scalar.binary,
    bytearray: Scalar.binary,
    datetime.date: Scalar.datetime,
    datetime.datetime: Scalar.datetime,
}


def _numpy_scalar_type(value: Any) -> Scalar:
    import numpy as np

    numpy_scalars = {
        np.bool_: Scalar.boolean,
        np.int32: Scalar.integer,
        np.int64: Scalar.long,
        np.float32: Scalar.float,
        np.float64: Scalar.double,
        np.str_: Scalar.string,
        np.bytes_: Scalar.binary,
        np.datetime64: Scalar.datetime,
    }
    kind = numpy_scalars.get(type(value))
    if kind is None:
        raise InvalidSchema(f"a value of {type(value).__name__} has no type in a signature")
    return kind


# -- columns of pandas


def _pandas_column(column: Any, label: Any) -> ColSpec:
    if _container(column) != "Series":
        raise InvalidSchema(f"there are several columns {label!r}")
    return ColSpec(_column_type(column), label, required=not column.isna().any())


def _column_type(column: Any) -> DataType:
    import pandas as pd

    column = column.infer_objects() if column.dtype.kind == "O" else column
    if column.dtype.kind != "O":
        return _dtype_type(column.dtype)
    values = column.to_list()
    try:
        return _item_type(values)
    except Exception:
        if pd.api.types.is_string_dtype(column):
            return Scalar.string
        raise


def _dtype_type(dtype: Any) -> Scalar:
    """The scalar type of a numpy or pandas dtype that says enough by itself."""
    kind, size = dtype.kind, dtype.itemsize
    if kind == "f" and size <= 8:
        return Scalar.float if size <= 4 else Scalar.double
    if kind in "iu" and size + (kind == "u") <= 8:
        return Scalar.integer if size + (kind == "u") <= 4 else Scalar.long
    known = {"b": Scalar.boolean, "U": Scalar.string, "S": Scalar.binary, "M": Scalar.datetime}.get(kind)
    if known is None:
        raise InvalidSchema(f"a column of {dtype} has no type in a signature")
    return known


# -- parameters


def infer_params(params: Any) -> ParamSchema:
    """The schema of parameters, with their values as defaults.

    Raises ``InvalidSchema`` naming every parameter that cannot be described.
    """
    if not isinstance(params, dict):
        raise InvalidSchema(f"parameters are a dictionary of names and values, found {type(params).__name__}")
    specs, problems = [], []
    for name, value in params.items():
        try:
            specs.append(_param(str(name), value))
        except (InvalidSchema, SchemaMismatch) as error:
            problems.append(error.message if isinstance(error, SchemaMismatch) else f"'{name}': {error.message}")
    if problems:
        raise InvalidSchema(f"parameters that a signature cannot describe: {'; '.join(problems)}")
    return ParamSchema(specs)


def _param(name: str, value: Any) -> ParamSpec:
    kind, shape = _param_type(value)
    spec = ParamSpec(name, kind, None, shape)
    return ParamSpec(name, kind, checked(value, spec), shape)


def _param_type(value: Any) -> Tuple[DataType, Optional[Tuple[int, ...]]]:
    import numpy as np

    if isinstance(value, (list, np.ndarray)):
        return _param_items_type(value), (-1,)
    if isinstance(value, dict):
        return _known(value_type(value), value), None
    if _is_moment(value):
        return Scalar.datetime, None
    if not np.isscalar(value):
        raise InvalidSchema(f"a parameter is a scalar, a list of scalars or a dictionary, found {type(value).__name__}")
    return _dtype_type(np.array(value).dtype), None


def _param_items_type(values: Any) -> Scalar:
    import numpy as np

    if getattr(values, "ndim", 1) != 1 or any(isinstance(value, (list, np.ndarray)) for value in values):
        raise InvalidSchema("a parameter is a list of scalars, found lists in it, or no list")
    if not len(values):
        return Scalar.string  # as for a list of data
    if all(map(_is_moment, values)):
        return Scalar.datetime
    return _dtype_type(np.array(values).dtype)


def _is_moment(value: Any) -> bool:
    return type(value).__name__ == "datetime64" or type(value) in (datetime.date, datetime.datetime)


# -- dataclasses and type hints

_ANNOTATIONS = {
    bool: Scalar.boolean,
    int: Scalar.long,
    float: Scalar.float,
    str: Scalar.string,
    bytes: Scalar.binary,
    datetime.date: Scalar.datetime,
}


def schema_of_dataclass(data: Any) -> Schema:
    """One column for each field of a dataclass (or of an instance); fields that may be None are not required.

    Raises ``InvalidSchema`` for a field that is no scalar, dataclass, or list of these.
    """
    return Schema([ColSpec(kind, name, required) for name, kind, required in _fields(data)])


def _fields(data: Any) -> List[Tuple[str, DataType, bool]]:
    hints = typing.get_type_hints(data if inspect.isclass(data) else type(data))
    found = []
    for each in dataclasses.fields(data):
        hint, required = _without_none(hints[each.name])
        found.append((each.name, _annotated_type(hint, each.name), required))
    return found


def _without_none(hint: Any) -> Tuple[Any, bool]:
    arguments = typing.get_args(hint)
    if type(None) not in arguments:
        return hint, True
    others = [argument for argument in arguments if argument is not type(None)]
    return (others[0] if len(others) == 1 else hint), False


def _annotated_type(hint: Any, name: str) -> DataType:
    if typing.get_origin(hint) is list:
        return Array(_annotated_type(typing.get_args(hint)[0], name))
    if dataclasses.is_dataclass(hint):
        return Object([Property(*field) for field in _fields(hint)])
    if hint in _ANNOTATIONS:
        return _ANNOTATIONS[hint]
    raise InvalidSchema(f"the field '{name}' is of a type that no signature has: {hint}")


class _UnsupportedHint(InvalidSchema):
    """A hint of a type that no signature has."""


def signature_from_type_hints(function: Any) -> Optional[Signature]:
    """The signature that a predict function's hints state: one unnamed column; None where they state none.

    The hint of the data is ``list[T]``. The outputs are ``any`` where the hint of the return says nothing better.

    Raises:
        InvalidSchema: a list, dictionary or optional value that says too little, or an optional field of a pydantic model
            without default.
    """
    hint = type_hints.input_hint(function)
    if _origin(hint) is not list:
        return None
    try:
        inputs = _hinted_schema(hint)
    except _UnsupportedHint as error:
        log.warning("the type hints give no signature: %s", error)
        return None
    return Signature(inputs=inputs, outputs=_hinted_output(function), is_from_type_hint=True)


def _hinted_output(function: Any) -> Schema:
    try:
        return _hinted_schema(typing.get_type_hints(function).get("return"))
    except Exception as error:  # noqa: BLE001  a hint is evaluated as code, and may name what is not there
        log.debug("the hint of what predict returns says nothing: %s", error)
        return _ANYTHING


def _hinted_schema(hint: Any) -> Schema:
    """One column for a hint, or for the items of a list: a list holds the rows."""
    if _origin(hint) is list:
        hint = _item_hint(hint)
    kind, required = _hinted_type(hint)
    if not required:
        raise InvalidSchema(f"a row cannot be None, as {hint} says")
    return Schema([ColSpec(kind)])


def _origin(hint: Any) -> Any:
    return typing.get_origin(hint) or hint


def _item_hint(hint: Any) -> Any:
    arguments = typing.get_args(hint)
    if len(arguments) != 1 or isinstance(arguments[0], typing.TypeVar):
        raise InvalidSchema(f"the type hint {hint} must say what is in the list: list[...]")
    return arguments[0]


_HINTS = {
    int: Scalar.long,
    str: Scalar.string,
    bool: Scalar.boolean,
    float: Scalar.double,
    bytes: Scalar.binary,
    datetime.datetime: Scalar.datetime,
}


def _hinted_type(hint: Any) -> Tuple[DataType, bool]:
    """The type that a hint states, and whether null is not allowed."""
    if hint is Any:
        return AnyType(), True
    if hint in _HINTS:
        return _HINTS[hint], True
    if hasattr(hint, "model_fields"):
        return _pydantic_type(hint), True
    origin, arguments = _origin(hint), typing.get_args(hint)
    if origin is list:
        return Array(_hinted_type(_item_hint(hint))[0]), True
    if origin is dict:
        if arguments[:1] != (str,):
            raise InvalidSchema(f"the type hint {hint} must say what is in the dictionary: dict[str, ...]")
        return Map(_hinted_type(arguments[1])[0]), True
    if origin is typing.Union or type(hint).__name__ == "UnionType":
        effective, required = _without_none(hint)
        return (AnyType() if effective is hint else _hinted_type(effective)[0]), required
    raise _UnsupportedHint(f"a signature cannot describe the type hint {hint}")


def _pydantic_type(model: Any) -> Object:
    properties = []
    for name, info in model.model_fields.items():
        kind, required = _hinted_type(info.annotation)
        if not required and info.is_required():
            raise InvalidSchema(f"the optional field '{name}' of {model.__name__} needs a default, such as None")
        properties.append(Property(name, kind, required))
    return Object(properties)
