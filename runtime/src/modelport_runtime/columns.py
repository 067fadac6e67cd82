"""Columns on the wire: tables that are no JSON, as raw buffers that either side can take as they lie.

    header length u32 · header (JSON) · buffers, each starting at a multiple of 8 bytes; all little endian
    header: {"version": 1, "rows": n, "columns": [{"name", "kind", "shape", "sizes": [data, offsets, validity]}]}

| kind                                            | data                                        | offsets    |
|-------------------------------------------------|---------------------------------------------|------------|
| ``bool`` (one byte each), numpy's number names  | one value for each row and place in shape   |            |
| ``datetime64[s|ms|us|ns]``, ``timedelta64[…]``  | rows int64 values, moments in UTC           |            |
| ``utf8``, ``binary``                            | all cells one after the other               | rows + 1   |
| ``json``                                        | the JSON text of each cell; in it bytes are | rows + 1   |
|                                                 | base64 and moments ISO 8601                 |            |
| ``null``                                        |                                             |            |

Offsets are int32. Validity is one byte per row, 1 where there is a value; a column without it has no gaps (``null`` always
has it). What stands in ``data`` for a gap means nothing. A float's NaN is a value.
"""

import json
import struct
import sys
from array import array
from typing import Any, List, NamedTuple, Optional, Sequence, Tuple, Union

from modelport_runtime.errors import InvalidInput

VERSION = 1
"""Changed whenever a stored sample in ``tests/runtime/samples`` has to change."""

NUMBERS = {
    "bool": 1,
    "int8": 1,
    "int16": 2,
    "int32": 4,
    "int64": 8,
    "uint8": 1,
    "uint16": 2,
    "uint32": 4,
    "uint64": 8,
    "float16": 2,
    "float32": 4,
    "float64": 8,
}
"""Bytes of one value; only these kinds have a shape."""
MOMENTS = tuple(f"{name}[{unit}]" for name in ("datetime64", "timedelta64") for unit in ("s", "ms", "us", "ns"))
CELLS = ("utf8", "binary", "json")
"""Kinds whose values differ in length."""

_LENGTH = struct.Struct("<I")
_Buffer = Union[bytes, bytearray, memoryview]


class Column(NamedTuple):
    """One column. ``data`` and the others are anything that lies in one piece (bytes, memoryview, an array)."""

    name: Union[str, int]
    kind: str
    shape: Tuple[int, ...] = ()
    """Of one row's value; () where it is one number."""
    data: Any = b""
    offsets: Any = None
    validity: Any = None


def pack(columns: Sequence[Column], rows: int) -> bytes:
    """The table as bytes. Buffers have to be as the kinds say; only ``unpack`` checks."""
    described = []
    buffers: List[Any] = []
    for column in columns:
        parts = [column.data, column.offsets, column.validity]
        if column.kind == "null":
            parts = [b"", None, bytes(rows)]
        sizes = [None if part is None else memoryview(part).nbytes for part in parts]
        described.append({"name": column.name, "kind": column.kind, "shape": list(column.shape), "sizes": sizes})
        for part, size in zip(parts, sizes):
            if size:
                buffers += (part, bytes(-size % 8))
    header = json.dumps({"version": VERSION, "rows": rows, "columns": described}, separators=(",", ":")).encode()
    start = _LENGTH.pack(len(header)) + header
    return b"".join([start, bytes(-len(start) % 8), *buffers])


def unpack(body: _Buffer) -> Tuple[int, List[Column]]:
    """The rows and columns of ``pack``'s bytes; the buffers are views of them, nothing is copied.

    Raises InvalidInput where sizes, shapes or offsets do not agree with each other.
    """
    view = memoryview(body)
    if len(view) < 4 or len(view) < 4 + _LENGTH.unpack_from(view)[0]:
        raise _damaged("the header is cut off")
    end = 4 + _LENGTH.unpack_from(view)[0]
    try:
        header = json.loads(bytes(view[4:end]))
        version = header["version"]
        if version != VERSION:
            raise _damaged(f"version {version}, where {VERSION} is expected")
        rows = _count(header["rows"])
        columns = []
        position = end + -end % 8
        for described in header["columns"]:
            parts: List[Optional[memoryview]] = []
            for size in described["sizes"]:
                if size is None:
                    parts.append(None)
                    continue
                if position + _count(size) > max(len(view), position):
                    raise _damaged("the buffers are cut off")
                parts.append(view[position : position + size])
                position += size + -size % 8
            data, offsets, validity = parts
            column = Column(described["name"], described["kind"], tuple(described["shape"]), data, offsets, validity)
            _check(column, rows)
            columns.append(column)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise _damaged(f"{type(error).__name__}: {error}") from None
    return rows, columns


def cells(column: Column) -> List[Optional[bytes]]:
    """The cells of a ``utf8``, ``binary`` or ``json`` column; None for gaps."""
    data, bounds = bytes(column.data), _integers(column.offsets)
    found: List[Optional[bytes]] = [data[start:end] for start, end in zip(bounds, bounds[1:])]
    return found if column.validity is None else _with_gaps(found, column.validity)


def texts(column: Column) -> List[Optional[str]]:
    """The cells of a ``utf8`` column as text; None for gaps. Raises InvalidInput for bytes that are no UTF-8."""
    data = bytes(column.data)
    found: List[Optional[str]]
    if not data.isascii():
        try:
            return [None if cell is None else cell.decode("utf-8") for cell in cells(column)]
        except UnicodeDecodeError as error:
            raise InvalidInput(f"Column {column.name!r} holds text that is not UTF-8: {error.reason}.") from None
    text, bounds = data.decode("ascii"), _integers(column.offsets)
    found = [text[start:end] for start, end in zip(bounds, bounds[1:])]
    return found if column.validity is None else _with_gaps(found, column.validity)


def of_cells(name: Union[str, int], kind: str, values: Sequence[Optional[bytes]]) -> Column:
    """A ``utf8``, ``binary`` or ``json`` column of these cells; None is a gap.

    Raises InvalidInput where they are more than 2 GiB together, which offsets cannot say.
    """
    bounds, end = array("i", [0]), 0
    validity = bytes(value is not None for value in values) if None in values else None
    parts = [value or b"" for value in values]
    try:
        for part in parts:
            end += len(part)
            bounds.append(end)
    except OverflowError:
        raise InvalidInput(f"Column {name!r} holds more than 2 GiB of text or bytes.") from None
    if sys.byteorder == "big":
        bounds.byteswap()
    return Column(name, kind, (), b"".join(parts), bounds.tobytes(), validity)


def _with_gaps(values: List[Any], validity: Any) -> List[Any]:
    return [value if there else None for value, there in zip(values, bytes(validity))]


def _integers(offsets: Any) -> List[int]:
    integers = array("i", bytes(offsets))
    if sys.byteorder == "big":
        integers.byteswap()
    return integers.tolist()


def _check(column: Column, rows: int) -> None:
    """Raises InvalidInput (or what comes of a value of another type) where a column's buffers are not as its kind says."""
    name, kind, shape, data, offsets, validity = column
    if type(name) not in (str, int) or data is None:
        raise _damaged("a column without name or data")
    wanted = 0
    if kind in NUMBERS:
        wanted = rows * NUMBERS[kind]
        for size in shape:
            wanted *= _count(size) or -1
    elif kind in MOMENTS:
        wanted = 8 * rows
    elif kind in CELLS:
        wanted = len(data)
    elif kind != "null":
        raise _damaged(f"column {name!r} is of the unknown kind {kind!r}")
    fits = len(data) == wanted and (not shape or kind in NUMBERS) and (offsets is not None) == (kind in CELLS)
    if validity is None:
        fits = fits and kind != "null"
    else:
        fits = fits and len(validity) == rows
    if fits and offsets is not None:
        fits = len(offsets) == 4 * (rows + 1)
        bounds = _integers(offsets) if fits else []
        fits = fits and bounds[0] >= 0 and bounds[-1] <= len(data) and bounds == sorted(bounds)
    if not fits:
        raise _damaged(f"the buffers of column {name!r} do not fit {rows} rows of {kind} {list(shape)}")


def _count(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise _damaged(f"{value!r} where a count is expected")
    return value


def _damaged(problem: str) -> InvalidInput:
    return InvalidInput(f"The table is damaged: {problem}.")
