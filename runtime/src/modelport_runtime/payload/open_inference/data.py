"""Tensors → the data a model takes; ``enforcement`` comes after."""

from dataclasses import replace
from typing import Any, Dict, List, Optional, Union

from modelport_runtime.data_types import AnyType, Array, Map, Object, Scalar
from modelport_runtime.enforcement.values import describe
from modelport_runtime.errors import InvalidInput, SchemaMismatch
from modelport_runtime.payload import jsonio, scalars
from modelport_runtime.payload.blocks import Block, BlockReader
from modelport_runtime.payload.casting import Misfits, cast_frame, cast_value, object_array
from modelport_runtime.payload.open_inference.tensors import (
    DATATYPES,
    SHORT_INTEGERS,
    UNFIT,
    Tensor,
    first_unfit,
    refused,
    shaped,
)
from modelport_runtime.policy import Policy
from modelport_runtime.schema import Schema
from modelport_runtime.specs import ColSpec, TensorSpec

_PLAIN = {
    "double": frozenset(DATATYPES) - {"BOOL", "BYTES"},
    "long": frozenset((*SHORT_INTEGERS, "INT64", "UINT32")),
    "integer": frozenset(SHORT_INTEGERS),
    "boolean": frozenset(("BOOL",)),
    "string": frozenset(("BYTES",)),
}
"""Which datatypes hold only values of a column's type."""
_BLOCK_DTYPES = {"double": "float64", "long": "int64", "integer": "int32", "boolean": "bool"}


def to_data(tensors: List[Tensor], schema: Optional[Schema], policy: Policy, reader: Any) -> Any:
    if schema is None:
        arrays = {tensor.name: _array(tensor) for tensor in tensors}
        return arrays[tensors[0].name] if len(tensors) == 1 else arrays
    if schema.is_tensor:
        return _tensor_data(tensors, schema, policy)
    return _column_data(tensors, schema, policy, reader)


def _array(tensor: Tensor) -> Any:
    """The tensor as numpy has it: text as text; bytes that are none, and whatever has gaps, as objects."""
    import numpy as np

    if tensor.datatype != "BYTES":
        return shaped(tensor.values, tensor.shape)
    try:
        texts = _texts(tensor)
    except InvalidInput:
        return shaped(tensor.values, tensor.shape)
    return shaped(texts if None in texts else np.array(texts, dtype=str), tensor.shape)


def _texts(tensor: Tensor) -> List[Any]:
    """The elements of BYTES as text. Raises InvalidInput where they are not UTF-8."""
    if not tensor.raw:
        return list(tensor.values)
    texts = []
    for row, item in enumerate(tensor.values):
        try:
            texts.append(item.decode("utf-8"))
        except UnicodeDecodeError:
            raise refused(tensor.name, f"element {row} is not UTF-8", "text in UTF-8", "other bytes", row) from None
    return texts


def _tensor_data(tensors: List[Tensor], schema: Schema, policy: Policy) -> Any:
    specs = schema.tensors
    misfits = Misfits()
    data: Any
    if len(specs) == 1 and len(tensors) == 1:  # whatever its name
        array = _cast_tensor(tensors[0], specs[0], policy, misfits)
        data = {specs[0].name: array} if schema.has_names else array
    elif not schema.has_names:
        given = ", ".join(repr(tensor.name) for tensor in tensors[:10])
        raise SchemaMismatch(
            f"Invalid input. The model takes one tensor; found {len(tensors)}: {given}.",
            details=[{"expected": "one input", "found": f"{len(tensors)} inputs"}],
        )
    else:
        by_name = {str(spec.name): spec for spec in specs}
        data = {}
        for tensor in tensors:
            spec = by_name.get(tensor.name)
            if spec is None:
                data[tensor.name] = _array(tensor)
            else:
                data[spec.name] = _cast_tensor(tensor, spec, policy, misfits)
    misfits.check()
    return data


def _cast_tensor(tensor: Tensor, spec: TensorSpec, policy: Policy, misfits: Misfits) -> Any:
    import numpy as np

    values, wanted = tensor.values, np.dtype(spec.dtype)
    if 0 in tensor.shape:
        return np.empty(tensor.shape, dtype=wanted)
    if isinstance(values, np.ndarray):
        if values.dtype == wanted:
            return values
        if wanted.kind not in "SUO":
            return _cast_numbers(values, spec, policy, misfits)
    elif tensor.datatype == "BYTES" and spec.dtype == "bytes":
        values = [item.encode("utf-8", "surrogatepass") if isinstance(item, str) else item for item in values]
    elif tensor.datatype == "BYTES":
        values = _array(tensor) if spec.dtype == "object" else _texts(tensor)
    array = cast_value(shaped(values, tensor.shape).tolist(), spec, policy, misfits)
    return None if array is None else array.reshape(tensor.shape)


def _cast_numbers(values: Any, spec: TensorSpec, policy: Policy, misfits: Misfits) -> Any:
    def converted(part: Any) -> Any:
        if policy.strict and part.dtype.kind == "b":  # numbers of truth values
            raise scalars.Unfit
        return scalars.tensor(part, spec.dtype, policy.strict)

    try:
        return converted(values)
    except UNFIT:
        flat = values.ravel()
        first = first_unfit(flat, converted)
        misfits.add(
            spec.name, first * (len(values) if values.ndim else 1) // len(flat), f"{spec.dtype} tensor", flat[first]
        )
        return None


def _column_data(tensors: List[Tensor], schema: Schema, policy: Policy, reader: Any) -> Any:
    import pandas as pd

    given = _named(tensors, schema)
    lengths = {name: tensor.rows for name, tensor in given.items()}
    if len(set(lengths.values())) > 1:
        found = ", ".join(f"{name!r}: {length}" for name, length in list(lengths.items())[:10])
        raise InvalidInput(f"Invalid input. The inputs have unequal numbers of rows: {found}.")
    if isinstance(reader, BlockReader):
        block = _block(given, reader, next(iter(lengths.values())))
        if block is not None:
            return block
    specs = dict(zip(schema.names, schema.columns))
    misfits = Misfits()
    cells = {name: _cells(tensor, specs.get(name), misfits) for name, tensor in given.items()}
    misfits.check()
    try:
        frame = pd.DataFrame(cells)
    except ValueError as error:  # text that is no Unicode
        raise InvalidInput(f"Invalid input. The inputs are not a table: {error}") from None
    return cast_frame(frame, _castable(schema, given), policy)


def _named(tensors: List[Tensor], schema: Schema) -> Dict[Any, Tensor]:
    """The tensors by the names of their columns: positions where the signature has none."""
    if schema.has_names:
        labels = {str(name): name for name in schema.names}
        return {labels.get(tensor.name, tensor.name): tensor for tensor in tensors}
    width = len(schema.specs)
    if len(tensors) == 1:
        (tensor,) = tensors
        if width == 1:
            return {0: tensor}
        if len(tensor.shape) == 2 and tensor.shape[1] == width:
            return dict(enumerate(_split(tensor)))
    by_name = {tensor.name: tensor for tensor in tensors}
    wanted = [str(position) for position in range(width)]
    details = [{"column": name, "expected": "an input", "found": "missing"} for name in wanted if name not in by_name]
    if details:
        last = "" if width == 1 else f" to '{width - 1}'"
        found = ", ".join(repr(tensor.name) for tensor in tensors[:10])
        raise SchemaMismatch(
            f"Invalid input. The model's columns have no names, so its inputs are '0'{last}; found: {found}.",
            details=details,
        )
    return {position: by_name[name] for position, name in enumerate(wanted)}


def _split(tensor: Tensor) -> List[Tensor]:
    """The columns of a tensor of rows."""
    columns = shaped(tensor.values, tensor.shape).T
    return [
        tensor._replace(shape=(tensor.rows,), values=column.tolist() if isinstance(tensor.values, list) else column)
        for column in columns
    ]


def _block(given: Dict[Any, Tensor], reader: BlockReader, rows: int) -> Optional[Block]:
    """The columns of the reader, where all are plainly of their types."""
    import numpy as np

    columns = []
    for name, type_name in zip(reader.names, reader.types):
        column = _settled(given[name], type_name) if rows and name in given else None
        if column is None:
            return None
        columns.append(column)
    if not reader.all_double:
        return Block(reader, columns, rows)
    table: Any = np.empty((rows, len(columns)))
    for position, column in enumerate(columns):
        table[:, position] = column
    return Block(reader, table, rows)


def _settled(tensor: Tensor, type_name: str) -> Any:
    """The column as ``Block`` has it, or None where there is anything to look at."""
    values = tensor.values
    if not tensor.is_column or tensor.datatype not in _PLAIN[type_name]:
        return None
    if isinstance(values, list):
        return values if set(map(type, values)) == {str} else None
    return values.ravel().astype(_BLOCK_DTYPES[type_name], copy=False)


def _castable(schema: Schema, given: Dict[Any, Tensor]) -> Schema:
    """The schema for ``casting``, which is to leave alone what came as bytes: those are binary already."""
    specs = [
        replace(spec, type=AnyType()) if spec.type == Scalar("binary") and name in given and given[name].raw else spec
        for name, spec in zip(schema.names, schema.columns)
    ]
    return Schema(tuple(specs))


def _cells(tensor: Tensor, spec: Optional[ColSpec], misfits: Misfits) -> Any:
    """One cell for each row: values, text, or what the tensor's further dimensions or its JSON text hold."""
    if not tensor.rows:
        return object_array([])
    kind = None if spec is None else spec.type
    binary = kind in (Scalar("binary"), Array(Scalar("binary")))
    values = _texts(tensor) if tensor.datatype == "BYTES" and spec is not None and not binary else tensor.values
    many = not tensor.is_column or (isinstance(kind, Array) and len(tensor.shape) > 1)
    if many and (kind is None or isinstance(kind, (Array, AnyType))):
        return object_array(shaped(values, tensor.shape).tolist())
    if not tensor.is_column:
        shape = list(tensor.shape)
        raise SchemaMismatch(
            f"Invalid input. Input {tensor.name!r} has shape {shape}; a column of type {kind} takes [rows] or [rows, 1].",
            details=[{"column": tensor.name, "expected": f"{kind}, one for each row", "found": f"shape {shape}"}],
        )
    if tensor.datatype == "BYTES" and isinstance(kind, (Array, Object, Map, AnyType)):
        return object_array([_json_cell(cell, tensor.name, kind, row, misfits) for row, cell in enumerate(values)])
    return values if isinstance(values, list) else values.ravel()


def _json_cell(cell: Union[str, bytes, None], name: str, kind: Any, row: int, misfits: Optional[Misfits] = None) -> Any:
    if cell is None:
        return None
    try:
        return jsonio.loads(cell if isinstance(cell, bytes) else cell.encode("utf-8", "surrogatepass"))
    except InvalidInput:
        if misfits is None:
            raise refused(name, f"element {row} is not JSON", f"{kind} as JSON", describe(cell), row) from None
        if misfits.room > 0:
            misfits.add(name, row, f"{kind} as JSON", cell)
        return None


def to_type_hint_data(tensors: List[Tensor], schema: Optional[Schema]) -> List[Any]:
    """The rows of the one tensor, as the values that a client would have written under ``inputs``."""
    if len(tensors) != 1:
        raise SchemaMismatch(
            f"Invalid input. The model's signature comes from a type hint: it takes one input, not {len(tensors)}."
        )
    (tensor,) = tensors
    kind = schema.columns[0].type if schema is not None and schema.columns else None
    one_value = tensor.is_column and not isinstance(kind, Array)
    if tensor.datatype != "BYTES":
        return list(
            shaped(tensor.values, (tensor.rows,) if len(tensor.shape) < 2 or one_value else tensor.shape).tolist()
        )
    if isinstance(kind, Scalar) and kind.name == "binary" and tensor.raw:
        return list(tensor.values)
    texts = _texts(tensor)
    if isinstance(kind, (Object, Map, AnyType)) or (isinstance(kind, Array) and len(tensor.shape) < 2):
        return [_json_cell(text, tensor.name, kind, row) for row, text in enumerate(texts)]
    return texts if one_value else list(shaped(texts, tensor.shape).tolist())
