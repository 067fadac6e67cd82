"""The tensors of a request, as JSON or binary data has them."""

import math
import struct
from itertools import chain
from typing import Any, Callable, Dict, List, NamedTuple, Optional, Tuple

from modelport_runtime.enforcement.values import describe
from modelport_runtime.errors import InvalidInput
from modelport_runtime.payload import scalars
from modelport_runtime.payload.casting import object_array
from modelport_runtime.policy import Policy

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

NAMES = {dtype: name for name, dtype in DATATYPES.items() if name not in ("BF16", "BYTES")}

_FLOAT_CODES = {"float32": "f", "float64": "d"}

SHORT_INTEGERS = ("INT8", "INT16", "INT32", "UINT8", "UINT16")

UNFIT = (scalars.Unfit, ValueError, TypeError, OverflowError)


class Tensor(NamedTuple):
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


def read_tensors(value: Any, body: bytes, json_size: Optional[int], policy: Policy) -> List[Tensor]:
    if type(value) is not list or not value:
        raise InvalidInput("Invalid input. The body must have the key 'inputs', a list of at least one tensor.")
    position = json_size
    found: List[Tensor] = []
    names = set()
    for number, item in enumerate(value):
        name = item.get("name") if type(item) is dict else None
        if type(name) is not str:
            raise InvalidInput(f"Invalid input. Input {number} must be an object with 'name', 'shape' and 'datatype'.")
        if name in names:
            raise refused(name, "it is given twice", "once", "twice")
        names.add(name)
        tensor, position = _tensor(name, item, body, position, policy)
        found.append(tensor)
    if position is not None and position != len(body):
        raise InvalidInput(
            f"Invalid input. {len(body) - position} bytes of binary data belong to no input; each input says its share "
            "in the parameter 'binary_data_size'."
        )
    return found


def refused(name: Any, problem: str, expected: str, found: str, row: Optional[int] = None) -> InvalidInput:
    """The error for one input. ``row``: which element, counted through the flattened tensor."""
    detail: Dict[str, Any] = {"column": name, "expected": expected, "found": found}
    if row is not None:
        detail["row"] = row
    return InvalidInput(f"Invalid input. Input {name!r}: {problem}.", details=[detail])


def _tensor(
    name: str, item: Dict[str, Any], body: bytes, position: Optional[int], policy: Policy
) -> Tuple[Tensor, Optional[int]]:
    """One input, and where the binary data of the next one begins."""
    datatype, shape = item.get("datatype"), item.get("shape")
    if type(datatype) is not str or datatype not in DATATYPES:
        known = ", ".join(DATATYPES)
        raise refused(name, f"datatype {describe(datatype)} is none of {known}", f"one of {known}", describe(datatype))
    if type(shape) is not list or set(map(type, shape)) - {int} or min(shape, default=0) < 0:
        raise refused(name, "'shape' must be a list of whole numbers", "a list of whole numbers", describe(shape))
    extent = tuple(shape)
    size = math.prod(extent)
    held = parameters_of(item, f"input {name!r}").get("binary_data_size")
    if held is None:
        values = _json_values(name, datatype, extent, size, item.get("data"), policy)
        return Tensor(name, datatype, extent, values, False), position
    if type(held) is not int or held < 0:
        raise refused(name, "'binary_data_size' must be a number of bytes", "a number of bytes", describe(held))
    if "data" in item:
        raise refused(name, "it has both 'data' and 'binary_data_size'", "one of them", "both")
    if position is None:
        problem = "it has binary data, so the header 'Inference-Header-Content-Length' must say how long the JSON is"
        raise refused(name, problem, "the header", "no header")
    if held > len(body) - position:
        problem = f"'binary_data_size' is {held}, and {len(body) - position} bytes are left in the body"
        raise refused(name, problem, f"at most {len(body) - position} bytes", f"{held} bytes")
    values = _binary_values(name, datatype, extent, size, body, position, held)
    return Tensor(name, datatype, extent, values, True), position + held


def _json_values(name: str, datatype: str, shape: Tuple[int, ...], size: int, data: Any, policy: Policy) -> Any:
    if type(data) is not list:
        found = "missing" if data is None else describe(data)
        raise refused(name, "'data' must be a list, or 'binary_data_size' must be there", "a list", found)
    flat = _flattened(name, shape, data)
    if len(flat) != size:
        problem = f"shape {list(shape)} has {size} elements, and 'data' has {len(flat)}"
        raise refused(name, problem, f"{size} elements", f"{len(flat)} elements")
    kinds = set(map(type, flat))
    if datatype == "BYTES":
        if not kinds <= {str, type(None)}:
            row = next(row for row, value in enumerate(flat) if type(value) is not str and value is not None)
            raise not_of(name, row, datatype, flat[row])
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
        raise refused(name, f"'data' is nested, but not as {wanted} says", f"{wanted}, or a flat list", "another shape")
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
    except UNFIT:
        first = first_unfit(values, converted)
        raise not_of(name, places[first], datatype, values[first]) from None


def first_unfit(values: Any, convert: Callable[[Any], Any]) -> int:
    """Where the first element stands that cannot be converted, of some that cannot be together."""
    low, high = 0, len(values)
    while high - low > 1:
        middle = (low + high) // 2
        try:
            convert(values[low:middle])
            low = middle
        except UNFIT:
            high = middle
    return low


def not_of(name: str, row: int, datatype: str, value: Any) -> InvalidInput:
    found = describe(value)
    return refused(name, f"element {row}: expected {datatype}, found {found}", datatype, found, row)


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
        raise refused(name, problem, f"{needed} bytes", f"{held} bytes")
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
            raise refused(name, problem, "a length of four bytes and as many bytes", "too few bytes", len(items))
        items.append(body[start:position])
    if len(items) != size:
        problem = f"its shape has {size} elements, and its binary data has {len(items)}"
        raise refused(name, problem, f"{size} elements", f"{len(items)} elements")
    return items


def shaped(values: Any, shape: Tuple[int, ...]) -> Any:
    """A flat list (as objects) or an array in that shape."""
    return (object_array(values) if isinstance(values, list) else values).reshape(shape)


def parameters_of(holder: Dict[str, Any], what: str) -> Dict[str, Any]:
    found = holder.get("parameters")
    if found is None:
        return {}
    if type(found) is not dict:
        raise InvalidInput(f"Invalid input. 'parameters' of {what} must be an object; found {describe(found)}.")
    if "shared_memory_region" in found:
        raise InvalidInput(f"Invalid input. 'parameters' of {what} name shared memory, which this server does not use.")
    return found
