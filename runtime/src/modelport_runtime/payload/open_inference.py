"""Open Inference Protocol (v2): request bytes → data, prediction → response bytes; JSON, and the binary tensor extension.

A tensor says its datatype; the signature says what it becomes: after ``casting`` the same rows are the same data here as
in any other form. ``enforcement`` comes after this, as everywhere.
"""

import math
import struct
import sys
from dataclasses import replace
from itertools import chain
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple, Union

from modelport_runtime.enforcement.values import describe, is_missing
from modelport_runtime.errors import InvalidInput, ModelFailed, SchemaMismatch
from modelport_runtime.payload import jsonio, plain, scalars
from modelport_runtime.payload.blocks import Block, BlockReader
from modelport_runtime.payload.casting import Misfits, cast_frame, cast_value, object_array
from modelport_runtime.policy import Policy
from modelport_runtime.schema import AnyType, Array, ColSpec, Map, Object, Scalar, Schema, TensorSpec

MODEL_VERSION = "1"
"""A server holds one version of its model, and this is its name."""

DATATYPES = {
    "BOOL": "bool",
    "UINT8": "uint8",
    "UINT16": "uint16",
    "UINT32": "uint32",
    "UINT64": "uint64",
    "INT8": "int8",
    "INT16": "int16",
    "INT32": "int32",
    "INT64": "int64",
    "FP16": "float16",
    "BF16": "float32",
    "FP32": "float32",
    "FP64": "float64",
    "BYTES": "object",
}
"""The protocol's datatypes and the numpy type that holds each; numpy has no BF16."""

_NAMES = {dtype: name for name, dtype in DATATYPES.items() if name not in ("BF16", "BYTES")}
_OWN_PARAMETERS = {
    "binary_data_output",
    "sequence_id",
    "sequence_start",
    "sequence_end",
    "priority",
    "timeout",
    "headers",
    "content_type",
}
"""Request parameters that speak to the server, not to the model; so do all that begin with ``triton_``."""
_FLOAT_CODES = {"float32": "f", "float64": "d"}
_SHORT_INTEGERS = ("INT8", "INT16", "INT32", "UINT8", "UINT16")
_PLAIN = {
    "double": frozenset(DATATYPES) - {"BOOL", "BYTES"},
    "long": frozenset((*_SHORT_INTEGERS, "INT64", "UINT32")),
    "integer": frozenset(_SHORT_INTEGERS),
    "boolean": frozenset(("BOOL",)),
    "string": frozenset(("BYTES",)),
}
"""Which datatypes hold only values of a column's type."""
_BLOCK_DTYPES = {"double": "float64", "long": "int64", "integer": "int32", "boolean": "bool"}
_UNFIT = (scalars.Unfit, ValueError, TypeError, OverflowError)


class InferRequest(NamedTuple):
    """What a request asks: the model's data and params, and how the answer is to be written."""

    data: Any
    """A DataFrame (or Block) for a column signature; an array or a dict of arrays for tensors and without signature."""
    params: Any
    """None when absent."""
    id: Optional[str] = None
    binary: bool = False
    """Whether outputs are written as binary data where ``outputs`` does not say."""
    outputs: Optional[List[Tuple[str, bool]]] = None
    """Names of the wanted outputs, and whether each as binary data; None: all of them."""


class _Tensor(NamedTuple):
    """One input. ``values``: an array of that shape; for BYTES, or where some are missing, a flat list."""

    name: str
    datatype: str
    shape: Tuple[int, ...]
    values: Any
    raw: bool
    """Whether it came as binary data, so that BYTES are bytes, and not text."""

    @property
    def rows(self) -> int:
        return self.shape[0] if self.shape else 1

    @property
    def is_column(self) -> bool:
        """Whether it holds one value per row."""
        return len(self.shape) < 2 or (len(self.shape) == 2 and self.shape[1] == 1)


# -- reading -----------------------------------------------------------------------------------------------------------


def read(
    body: bytes,
    json_size: Optional[int],
    schema: Optional[Schema],
    policy: Policy,
    params_names: Tuple[str, ...] = (),
    reader: Any = None,
    from_type_hint: bool = False,
) -> InferRequest:
    """The request in a body whose first ``json_size`` bytes are JSON (None: all), its values cast to ``schema``.

    ``params_names`` are those of the params schema: they are the model's even where the protocol knows the name. With
    ``reader`` (a BlockReader), plain columns become a Block, which is enforced already. A model whose signature comes from
    a type hint takes a list of values. Raises InvalidInput; SchemaMismatch for what does not fit the signature.
    """
    if json_size is not None and not 0 < json_size <= len(body):
        raise InvalidInput(
            f"Invalid input. The JSON part is said to be {json_size} bytes long, and the body has {len(body)}: "
            "'Inference-Header-Content-Length' must be at least 1 and at most 'Content-Length'."
        )
    text = body if json_size is None else body[:json_size]
    document = jsonio.loads(text, exact=False)
    if type(document) is not dict:
        raise InvalidInput("Invalid input. The body must be a JSON object with the key 'inputs', a list of tensors.")
    identifier = document.get("id")
    if identifier is not None and not isinstance(identifier, str):
        raise InvalidInput(f"Invalid input. 'id' must be a string; found {describe(identifier)}.")
    parameters = _parameters(document, "the request")
    binary = parameters.get("binary_data_output") is True
    outputs = _requested(document.get("outputs"), binary)
    params = _model_params(parameters, params_names)
    if params:  # where an integer of any length may matter
        params = _model_params(jsonio.loads(text)["parameters"], params_names)
    tensors = _tensors(document.get("inputs"), body, json_size, policy)
    try:
        data = _type_hint_data(tensors, schema) if from_type_hint else _data(tensors, schema, policy, reader)
    except RecursionError:
        raise InvalidInput("Invalid input. The data is nested too deeply.") from None
    return InferRequest(data, params or None, identifier, binary, outputs)


def _parameters(holder: Dict[str, Any], what: str) -> Dict[str, Any]:
    found = holder.get("parameters")
    if found is None:
        return {}
    if type(found) is not dict:
        raise InvalidInput(f"Invalid input. 'parameters' of {what} must be an object; found {describe(found)}.")
    if "shared_memory_region" in found:
        raise InvalidInput(f"Invalid input. 'parameters' of {what} name shared memory, which this server does not use.")
    return found


def _model_params(parameters: Dict[str, Any], names: Tuple[str, ...]) -> Dict[str, Any]:
    return {
        name: value
        for name, value in parameters.items()
        if name in names or not (name in _OWN_PARAMETERS or name.startswith("triton_"))
    }


def _requested(value: Any, binary: bool) -> Optional[List[Tuple[str, bool]]]:
    if value is None or value == []:
        return None
    if type(value) is not list:
        raise InvalidInput(f"Invalid input. 'outputs' must be a list of objects; found {describe(value)}.")
    wanted: Dict[str, bool] = {}
    for item in value:
        name = item.get("name") if type(item) is dict else None
        if type(name) is not str:
            raise InvalidInput("Invalid input. Each of 'outputs' must be an object with a 'name'.")
        if name in wanted:
            raise InvalidInput(f"Invalid input. Output {name!r} is requested twice.")
        parameters = _parameters(item, f"output {name!r}")
        if "classification" in parameters:
            raise InvalidInput(
                f"Invalid input. Output {name!r}: this server does not have the classification extension."
            )
        wanted[name] = parameters.get("binary_data", binary) is True
    return list(wanted.items())


def _tensors(value: Any, body: bytes, json_size: Optional[int], policy: Policy) -> List[_Tensor]:
    if type(value) is not list or not value:
        raise InvalidInput("Invalid input. The body must have the key 'inputs', a list of at least one tensor.")
    position = json_size
    found: List[_Tensor] = []
    names = set()
    for number, item in enumerate(value):
        name = item.get("name") if type(item) is dict else None
        if type(name) is not str:
            raise InvalidInput(f"Invalid input. Input {number} must be an object with 'name', 'shape' and 'datatype'.")
        if name in names:
            raise _refused(name, "it is given twice", "once", "twice")
        names.add(name)
        tensor, position = _tensor(name, item, body, position, policy)
        found.append(tensor)
    if position is not None and position != len(body):
        raise InvalidInput(
            f"Invalid input. {len(body) - position} bytes of binary data belong to no input; each input says its share "
            "in the parameter 'binary_data_size'."
        )
    return found


def _refused(name: Any, problem: str, expected: str, found: str, row: Optional[int] = None) -> InvalidInput:
    """The error for one input. ``row``: which element, counted through the flattened tensor."""
    detail: Dict[str, Any] = {"column": name, "expected": expected, "found": found}
    if row is not None:
        detail["row"] = row
    return InvalidInput(f"Invalid input. Input {name!r}: {problem}.", details=[detail])


def _tensor(
    name: str, item: Dict[str, Any], body: bytes, position: Optional[int], policy: Policy
) -> Tuple[_Tensor, Optional[int]]:
    """One input, and where the binary data of the next one begins."""
    datatype, shape = item.get("datatype"), item.get("shape")
    if type(datatype) is not str or datatype not in DATATYPES:
        known = ", ".join(DATATYPES)
        raise _refused(name, f"datatype {describe(datatype)} is none of {known}", f"one of {known}", describe(datatype))
    if type(shape) is not list or set(map(type, shape)) - {int} or min(shape, default=0) < 0:
        raise _refused(name, "'shape' must be a list of whole numbers", "a list of whole numbers", describe(shape))
    extent = tuple(shape)
    size = math.prod(extent)
    held = _parameters(item, f"input {name!r}").get("binary_data_size")
    if held is None:
        values = _json_values(name, datatype, extent, size, item.get("data"), policy)
        return _Tensor(name, datatype, extent, values, False), position
    if type(held) is not int or held < 0:
        raise _refused(name, "'binary_data_size' must be a number of bytes", "a number of bytes", describe(held))
    if "data" in item:
        raise _refused(name, "it has both 'data' and 'binary_data_size'", "one of them", "both")
    if position is None:
        problem = "it has binary data, so the header 'Inference-Header-Content-Length' must say how long the JSON is"
        raise _refused(name, problem, "the header", "no header")
    if held > len(body) - position:
        problem = f"'binary_data_size' is {held}, and {len(body) - position} bytes are left in the body"
        raise _refused(name, problem, f"at most {len(body) - position} bytes", f"{held} bytes")
    values = _binary_values(name, datatype, extent, size, body, position, held)
    return _Tensor(name, datatype, extent, values, True), position + held


def _json_values(name: str, datatype: str, shape: Tuple[int, ...], size: int, data: Any, policy: Policy) -> Any:
    if type(data) is not list:
        found = "missing" if data is None else describe(data)
        raise _refused(name, "'data' must be a list, or 'binary_data_size' must be there", "a list", found)
    flat = _flattened(name, shape, data)
    if len(flat) != size:
        problem = f"shape {list(shape)} has {size} elements, and 'data' has {len(flat)}"
        raise _refused(name, problem, f"{size} elements", f"{len(flat)} elements")
    kinds = set(map(type, flat))
    if datatype == "BYTES":
        if not kinds <= {str, type(None)}:
            row = next(row for row, value in enumerate(flat) if type(value) is not str and value is not None)
            raise _not_of(name, row, datatype, flat[row])
        return flat
    dtype = DATATYPES[datatype]
    if dtype in _FLOAT_CODES and kinds <= {int, float}:
        array = _floats(flat, dtype)
        if array is not None:
            return array.reshape(shape)
    if type(None) not in kinds or dtype.startswith("float"):
        return _numbers(name, datatype, flat, kinds, policy).reshape(shape)
    present = _numbers(name, datatype, flat, kinds, policy, skipping=True)
    rest = iter(present.tolist())
    return [None if value is None else next(rest) for value in flat]


def _flattened(name: str, shape: Tuple[int, ...], data: List[Any]) -> List[Any]:
    """The elements in row-major order; ``data`` is flat already, or nested as ``shape`` says."""
    if not data or type(data[0]) is not list:
        return data
    rows = data
    regular = len(shape) > 1 and len(rows) == shape[0]
    for width in shape[1:]:
        regular = regular and set(map(type, rows)) == {list} and set(map(len, rows)) == {width}
        if not regular:
            break
        rows = list(chain.from_iterable(rows))
    if not regular:
        wanted = f"shape {list(shape)}"
        raise _refused(
            name, f"'data' is nested, but not as {wanted} says", f"{wanted}, or a flat list", "another shape"
        )
    return rows


def _floats(flat: List[Any], dtype: str) -> Any:
    """Integers and floats as an array, quickly; None where one is out of range."""
    import numpy as np

    array: Any = np.empty(len(flat), dtype=dtype)
    try:
        struct.pack_into(f"{len(flat)}{_FLOAT_CODES[dtype]}", array, 0, *flat)
    except (struct.error, OverflowError):
        return None
    return array


def _numbers(name: str, datatype: str, flat: List[Any], kinds: Any, policy: Policy, skipping: bool = False) -> Any:
    """The elements as an array of the datatype; ``skipping``: without what is missing. Raises InvalidInput."""
    dtype = DATATYPES[datatype]
    places = [row for row, value in enumerate(flat) if not (skipping and value is None)]
    values = [flat[row] for row in places] if skipping else flat

    def converted(part: List[Any]) -> Any:
        alike = len(kinds) == 1 and kinds <= {int, bool}  # numpy would make one kind of a mixture
        return scalars.tensor(part if alike else object_array(part), dtype, policy.strict)

    try:
        return converted(values)
    except _UNFIT:
        first = _first_unfit(values, converted)
        raise _not_of(name, places[first], datatype, values[first]) from None


def _first_unfit(values: Any, convert: Callable[[Any], Any]) -> int:
    """Where the first element stands that cannot be converted, of some that cannot be together."""
    low, high = 0, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            convert(values[low:middle])
            low = middle
        except _UNFIT:
            high = middle
    return low


def _not_of(name: str, row: int, datatype: str, value: Any) -> InvalidInput:
    found = describe(value)
    return _refused(name, f"element {row}: expected {datatype}, found {found}", datatype, found, row)


def _binary_values(
    name: str, datatype: str, shape: Tuple[int, ...], size: int, body: bytes, position: int, held: int
) -> Any:
    import numpy as np

    if datatype == "BYTES":
        return _binary_items(name, size, body, position, position + held)
    wanted = np.dtype({"BF16": "uint16", "BOOL": "uint8"}.get(datatype, DATATYPES[datatype])).newbyteorder("<")
    if held != size * wanted.itemsize:
        needed = size * wanted.itemsize
        problem = f"shape {list(shape)} of {datatype} takes {needed} bytes, and 'binary_data_size' is {held}"
        raise _refused(name, problem, f"{needed} bytes", f"{held} bytes")
    found = np.frombuffer(body, dtype=wanted, count=size, offset=position)
    if datatype == "BOOL":
        array = found != 0
    elif datatype == "BF16":  # the upper half of a float32
        array = (found.astype(np.uint32) << np.uint32(16)).view(np.float32)
    else:
        array = found.astype(wanted.newbyteorder("="))  # a copy: a model may write into its input
    return array.reshape(shape)


def _binary_items(name: str, size: int, body: bytes, position: int, end: int) -> List[bytes]:
    """BYTES elements: each is its length in four bytes, and then itself."""
    items: List[bytes] = []
    while position < end:
        start = position + 4
        position = start + int.from_bytes(body[position:start], "little")
        if start > end or position > end:
            problem = f"element {len(items)} goes beyond its binary data"
            raise _refused(name, problem, "a length of four bytes and as many bytes", "too few bytes", len(items))
        items.append(body[start:position])
    if len(items) != size:
        problem = f"its shape has {size} elements, and its binary data has {len(items)}"
        raise _refused(name, problem, f"{size} elements", f"{len(items)} elements")
    return items


# -- tensors as the model's data ---------------------------------------------------------------------------------------


def _data(tensors: List[_Tensor], schema: Optional[Schema], policy: Policy, reader: Any) -> Any:
    if schema is None:
        arrays = {tensor.name: _array(tensor) for tensor in tensors}
        return arrays[tensors[0].name] if len(tensors) == 1 else arrays
    if schema.is_tensor:
        return _tensor_data(tensors, schema, policy)
    return _column_data(tensors, schema, policy, reader)


def _array(tensor: _Tensor) -> Any:
    """The tensor as numpy has it: text as text; bytes that are none, and whatever has gaps, as objects."""
    import numpy as np

    if tensor.datatype != "BYTES":
        return _shaped(tensor.values, tensor.shape)
    try:
        texts = _texts(tensor)
    except InvalidInput:
        return _shaped(tensor.values, tensor.shape)
    return _shaped(texts if None in texts else np.array(texts, dtype=str), tensor.shape)


def _shaped(values: Any, shape: Tuple[int, ...]) -> Any:
    """A flat list (as objects) or an array in that shape."""
    return (object_array(values) if isinstance(values, list) else values).reshape(shape)


def _texts(tensor: _Tensor) -> List[Any]:
    """The elements of BYTES as text. Raises InvalidInput where they are not UTF-8."""
    if not tensor.raw:
        return list(tensor.values)
    texts = []
    for row, item in enumerate(tensor.values):
        try:
            texts.append(item.decode("utf-8"))
        except UnicodeDecodeError:
            raise _refused(tensor.name, f"element {row} is not UTF-8", "text in UTF-8", "other bytes", row) from None
    return texts


def _tensor_data(tensors: List[_Tensor], schema: Schema, policy: Policy) -> Any:
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


def _cast_tensor(tensor: _Tensor, spec: TensorSpec, policy: Policy, misfits: Misfits) -> Any:
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
    array = cast_value(_shaped(values, tensor.shape).tolist(), spec, policy, misfits)
    return None if array is None else array.reshape(tensor.shape)


def _cast_numbers(values: Any, spec: TensorSpec, policy: Policy, misfits: Misfits) -> Any:
    def converted(part: Any) -> Any:
        if policy.strict and part.dtype.kind == "b":  # numbers of truth values
            raise scalars.Unfit
        return scalars.tensor(part, spec.dtype, policy.strict)

    try:
        return converted(values)
    except _UNFIT:
        flat = values.ravel()
        first = _first_unfit(flat, converted)
        misfits.add(
            spec.name, first * (len(values) if values.ndim else 1) // len(flat), f"{spec.dtype} tensor", flat[first]
        )
        return None


def _column_data(tensors: List[_Tensor], schema: Schema, policy: Policy, reader: Any) -> Any:
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


def _named(tensors: List[_Tensor], schema: Schema) -> Dict[Any, _Tensor]:
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


def _split(tensor: _Tensor) -> List[_Tensor]:
    """The columns of a tensor of rows."""
    columns = _shaped(tensor.values, tensor.shape).T
    return [
        tensor._replace(shape=(tensor.rows,), values=column.tolist() if isinstance(tensor.values, list) else column)
        for column in columns
    ]


def _block(given: Dict[Any, _Tensor], reader: BlockReader, rows: int) -> Optional[Block]:
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


def _settled(tensor: _Tensor, type_name: str) -> Any:
    """The column as ``Block`` has it, or None where there is anything to look at."""
    values = tensor.values
    if not tensor.is_column or tensor.datatype not in _PLAIN[type_name]:
        return None
    if isinstance(values, list):
        return values if set(map(type, values)) == {str} else None
    return values.ravel().astype(_BLOCK_DTYPES[type_name], copy=False)


def _castable(schema: Schema, given: Dict[Any, _Tensor]) -> Schema:
    """The schema for ``casting``, which is to leave alone what came as bytes: those are binary already."""
    specs = [
        replace(spec, type=AnyType()) if spec.type == Scalar("binary") and name in given and given[name].raw else spec
        for name, spec in zip(schema.names, schema.columns)
    ]
    return Schema(tuple(specs))


def _cells(tensor: _Tensor, spec: Optional[ColSpec], misfits: Misfits) -> Any:
    """One cell for each row: values, text, or what the tensor's further dimensions or its JSON text hold."""
    if not tensor.rows:
        return object_array([])
    kind = None if spec is None else spec.type
    binary = kind in (Scalar("binary"), Array(Scalar("binary")))
    values = _texts(tensor) if tensor.datatype == "BYTES" and spec is not None and not binary else tensor.values
    many = not tensor.is_column or (isinstance(kind, Array) and len(tensor.shape) > 1)
    if many and (kind is None or isinstance(kind, (Array, AnyType))):
        return object_array(_shaped(values, tensor.shape).tolist())
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
            raise _refused(name, f"element {row} is not JSON", f"{kind} as JSON", describe(cell), row) from None
        if misfits.room > 0:
            misfits.add(name, row, f"{kind} as JSON", cell)
        return None


def _type_hint_data(tensors: List[_Tensor], schema: Optional[Schema]) -> List[Any]:
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
            _shaped(tensor.values, (tensor.rows,) if len(tensor.shape) < 2 or one_value else tensor.shape).tolist()
        )
    if isinstance(kind, Scalar) and kind.name == "binary" and tensor.raw:
        return list(tensor.values)
    texts = _texts(tensor)
    if isinstance(kind, (Object, Map, AnyType)) or (isinstance(kind, Array) and len(tensor.shape) < 2):
        return [_json_cell(text, tensor.name, kind, row) for row, text in enumerate(texts)]
    return texts if one_value else list(_shaped(texts, tensor.shape).tolist())


# -- writing -----------------------------------------------------------------------------------------------------------


class _Output(NamedTuple):
    """One output: an array of numbers, or a flat list of text, bytes and None for BYTES."""

    datatype: str
    shape: Tuple[int, ...]
    values: Any


def write(
    prediction: Any, request: InferRequest, model_name: str, outputs_schema: Optional[Schema]
) -> Tuple[bytes, Optional[int]]:
    """The response's body, and the size of its JSON part where binary data follows.

    Raises InvalidInput for an output that is not there; ModelFailed for a prediction that contains itself.
    """
    try:
        found = _outputs(prediction, outputs_schema)
        wanted = [(name, request.binary) for name in found] if request.outputs is None else request.outputs
        unknown = [name for name, _ in wanted if name not in found]
        if unknown:
            there = ", ".join(map(repr, found)) or "none"
            raise InvalidInput(f"Invalid input. The model has no output {unknown[0]!r}; it gave {there}.")
        document: Dict[str, Any] = {"model_name": model_name, "model_version": MODEL_VERSION}
        if request.id is not None:
            document["id"] = request.id
        entries: List[Dict[str, Any]] = []
        parts: List[bytes] = []
        for name, binary in wanted:
            output = found[name]
            entry: Dict[str, Any] = {"name": name, "shape": list(output.shape), "datatype": output.datatype}
            if binary:
                parts.append(_raw(output))
                entry["parameters"] = {"binary_data_size": len(parts[-1])}
            else:
                entry["data"] = output.values if isinstance(output.values, list) else output.values.ravel()
            entries.append(entry)
        document["outputs"] = entries
        head = jsonio.dumps(document)
    except (ValueError, RecursionError) as error:
        raise ModelFailed(f"the prediction cannot be written as tensors: {error}") from None
    return (b"".join([head, *parts]), len(head)) if parts else (head, None)


def _raw(output: _Output) -> bytes:
    """Little-endian, row by row; BYTES each with its length before it, and nothing for what is missing."""
    if not isinstance(output.values, list):
        array = output.values
        return bytes(array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
    parts: List[bytes] = []
    for item in output.values:
        held = b"" if item is None else item.encode("utf-8", "replace") if isinstance(item, str) else bytes(item)
        parts += (struct.pack("<I", len(held)), held)
    return b"".join(parts)


def _outputs(prediction: Any, schema: Optional[Schema]) -> Dict[str, _Output]:
    """The prediction's tensors by name, as the signature names them where it does."""
    name = "predictions"
    if schema is not None and len(schema.specs) == 1 and schema.has_names:
        name = str(schema.names[0])
    if _is_a("DataFrame", prediction):
        labels = list(prediction.columns)
        if len(labels) == 1 and not isinstance(labels[0], str):
            return {name: _output(prediction.iloc[:, 0])}
        return {plain.key_text(label): _output(prediction.iloc[:, at]) for at, label in enumerate(labels)}
    if isinstance(prediction, dict):
        return {plain.key_text(key): _output(value) for key, value in prediction.items()}
    if _is_a("Series", prediction) and isinstance(prediction.name, str) and name == "predictions":
        name = prediction.name
    whole = _output(prediction)
    columns = schema.columns if schema is not None else ()
    if len(columns) > 1 and len(whole.shape) == 2 and whole.shape[1] == len(columns) and schema is not None:
        by_column = _shaped(whole.values, whole.shape).T
        return {
            str(label): _Output(whole.datatype, whole.shape[:1], _like(whole.values, column))
            for label, column in zip(schema.names, by_column)
        }
    return {name: whole}


def _like(values: Any, column: Any) -> Any:
    return column.tolist() if isinstance(values, list) else column


def _is_a(kind: str, data: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(data, getattr(pandas, kind))


def _output(value: Any) -> _Output:
    """Any value as a tensor; what is no number, text, bytes, moment or truth value becomes JSON text, one for each row."""
    import numpy as np

    array = _as_array(value)
    kind = array.dtype.kind
    if kind == "m":
        array, kind = array / np.timedelta64(1, "s"), "f"
    if kind == "M":
        texts = plain.iso_texts(array).ravel().tolist()
        return _Output("BYTES", array.shape, [None if text == "NaT" else text for text in texts])
    if kind in "biuf":
        if array.dtype.itemsize > 8:  # numpy's long double
            array = array.astype(np.float64)
        return _Output(_NAMES[array.dtype.name], array.shape, array)
    if kind in "US":
        return _Output("BYTES", array.shape, array.ravel().tolist())
    return _objects(array)


def _as_array(value: Any) -> Any:
    """An array of at least one dimension: of numbers where they all are, else of objects."""
    import numpy as np

    while True:
        if _is_a("Series", value) or _is_a("Index", value):
            value = value.to_numpy()
        if isinstance(value, np.ma.MaskedArray):
            return np.array(value.tolist(), dtype=object)
        if isinstance(value, (np.ndarray, np.generic)):
            return np.atleast_1d(np.asarray(value))
        if isinstance(value, (list, tuple)):
            return _list_array(list(value))
        if value is None or isinstance(value, (str, bytes, bool, int, float, dict)):
            return _list_array([value])
        value = plain.step(value)


def _list_array(items: List[Any]) -> Any:
    import numpy as np

    kinds = set(map(type, items))
    nested = kinds <= {list, tuple, np.ndarray}
    if not nested and (str in kinds or bytes in kinds or (bool in kinds and len(kinds) > 1)):
        return object_array(items)
    try:
        array = np.array(items)
        if array.dtype.kind in "biufmM":
            return array
        return np.array(items, dtype=object) if nested else object_array(items)
    except (ValueError, TypeError, OverflowError):  # rows of unequal lengths
        return object_array(items)


def _objects(array: Any) -> _Output:
    """Objects, as the tensor that holds them all."""
    import numpy as np

    items = array.ravel().tolist()
    if set(map(type, items)) == {bytes}:
        return _Output("BYTES", array.shape, items)
    values = [None if is_missing(item) else plain.deep(item) for item in items]
    kinds = set(map(type, values))
    if kinds <= {str, type(None)}:
        return _Output("BYTES", array.shape, values)
    if kinds == {bool}:
        return _Output("BOOL", array.shape, np.array(values).reshape(array.shape))
    if kinds == {int}:
        integers = np.array(values)
        if integers.dtype.kind in "iu":
            return _Output(_NAMES[integers.dtype.name], array.shape, integers.reshape(array.shape))
    elif kinds <= {int, float, type(None)}:
        floats = [item if isinstance(item, float) else value for item, value in zip(items, values)]
        return _Output("FP64", array.shape, np.array(floats, dtype=np.float64).reshape(array.shape))
    rows = _shaped(values, array.shape).tolist()
    return _Output("BYTES", array.shape[:1], [jsonio.dumps(row).decode("utf-8") for row in rows])
