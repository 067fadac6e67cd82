"""Arrow's arrays → the columns of the wire's table format."""

import base64
import itertools
import json
import re
import struct
from typing import Any

import orjson

from modelport.columnar.limit import Limit
from modelport_runtime.columns import Column, of_cells
from modelport_runtime.errors import InvalidInput
from modelport_runtime.payload.plain import key_text

_NUMBERS = {
    **{f"{sign}int{bits}": (f"{sign}int{bits}", bits // 8) for sign in ("", "u") for bits in (8, 16, 32, 64)},
    "halffloat": ("float16", 2),
    "float": ("float32", 4),
    "double": ("float64", 8),
}
"""Arrow's types → kind and bytes of a value on the wire."""
_LISTS = ("list", "large_list", "fixed_size_list", "list_view", "large_list_view")
_NESTED = (*_LISTS, "struct", "map")
_TEXTS = ("string", "large_string", "string_view")
_BINARIES = ("binary", "large_binary", "binary_view", "fixed_size_binary")
_DECIMALS = ("decimal32", "decimal64", "decimal128", "decimal256")
PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_JSON_ROWS = 1024
"""Rows of nested values that are turned into Python objects at a time."""


def type_word(type_: Any) -> str:
    """The first word of a type as Arrow spells it: ``timestamp`` of ``timestamp[us, tz=UTC]``."""
    return re.split(r"\W", str(type_), maxsplit=1)[0]


def column_of(name: str | int, array: Any, limit: Limit) -> Column:
    """One Arrow array as a column: its own buffers where they are as the wire has them."""
    import pyarrow as pa

    type_ = array.type
    if isinstance(type_, pa.BaseExtensionType):
        return _extension_column(name, array, limit)
    word = type_word(type_)
    if word == "dictionary" and type_word(type_.value_type) not in _NESTED:
        return column_of(name, _without_dictionary(array, limit), limit)
    if word in _NUMBERS:
        kind, width = _NUMBERS[word]
        return Column(name, kind, (), _fixed(array, width), None, _validity(array))
    if word == "bool":
        return Column(name, "bool", (), _fixed(array.cast(pa.uint8()), 1), None, _validity(array))
    if word in ("timestamp", "duration"):
        kind = f"{'datetime64' if word == 'timestamp' else 'timedelta64'}[{type_.unit}]"
        return Column(name, kind, (), _fixed(array, 8), None, _validity(array))
    if word in _TEXTS or word in _BINARIES:
        return _cells_column(name, array, limit)
    if word == "null":
        limit.check(len(array))
        return Column(name, "null", validity=bytes(len(array)))
    if word == "fixed_size_list":
        column = _shaped_column(name, array)
        if column is not None:
            return column
    if word in _NESTED or word == "dictionary":
        return _json_column(name, array, limit)
    simpler = {**dict.fromkeys(_DECIMALS, pa.float64()), "date32": pa.timestamp("s"), "date64": pa.timestamp("ms")}
    simpler.update(dict.fromkeys(("time32", "time64"), pa.string()))
    if word in simpler:
        return column_of(name, array.cast(simpler[word]), limit)
    raise InvalidInput(f"Column {name!r} is of Arrow's type {type_}, which no model takes; send it as another type.")


def _extension_column(name: str | int, array: Any, limit: Limit) -> Column:
    """By what it is stored as; JSON stays JSON, and a tensor keeps its shape."""
    column = column_of(name, array.storage, limit)
    kind = array.type.extension_name
    if kind == "arrow.json" and column.kind == "utf8":
        return column._replace(kind="json")
    if kind == "arrow.fixed_shape_tensor" and column.shape and not array.type.permutation:
        return column._replace(shape=tuple(array.type.shape))
    return column


def _without_dictionary(array: Any, limit: Limit) -> Any:
    """The values themselves, if they are not too large for the limit."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = array.dictionary
    if type_word(values.type) in _TEXTS or type_word(values.type) in _BINARIES:
        values = _plain_cells(values, limit)
        array = pa.DictionaryArray.from_arrays(array.indices, values)
        limit.check(pc.sum(pc.take(pc.binary_length(values), array.indices)).as_py() or 0)
    return array.dictionary_decode()


def _plain_cells(array: Any, limit: Limit) -> Any:
    """Text or bytes of any layout with 32-bit offsets."""
    import pyarrow as pa

    word = type_word(array.type)
    if word in ("string", "binary"):
        return array
    wanted = pa.binary() if word in _BINARIES else pa.string()
    if word.endswith("_view"):
        limit.check(_viewed_size(array))
        if array.null_count:  # a gap's view may point anywhere, and a cast would follow it
            values = array.to_pylist() if word in _BINARIES else map(_utf8, array.to_pylist())
            return array_of(of_cells("", "binary" if word in _BINARIES else "utf8", list(values)), len(array))
    return array.cast(wanted)


def _utf8(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


def _fixed(array: Any, width: int, place: int = -1) -> memoryview | bytes:
    """The values of an array of one width, as they lie."""
    buffer = array.buffers()[place]
    if buffer is None:
        return bytes(len(array) * width)
    return memoryview(buffer).cast("B")[array.offset * width : (array.offset + len(array)) * width]


def _validity(array: Any) -> memoryview | bytes | None:
    import pyarrow as pa

    return _fixed(array.is_valid().cast(pa.uint8()), 1) if array.null_count else None


def _cells_column(name: str | int, array: Any, limit: Limit) -> Column:
    """Text or bytes with 32-bit offsets."""
    kind = "binary" if type_word(array.type) in _BINARIES else "utf8"
    array = _plain_cells(array, limit)
    _, offsets, data = array.buffers()
    if offsets is None or not len(array):
        return Column(name, kind, (), b"", bytes(4 * len(array) + 4), _validity(array))
    bounds = memoryview(offsets).cast("B")[4 * array.offset : 4 * (array.offset + len(array) + 1)]
    (end,) = struct.unpack_from("<i", bounds, 4 * len(array))
    return Column(name, kind, (), memoryview(data).cast("B")[:end] if end else b"", bounds, _validity(array))


def _viewed_size(array: Any) -> int:
    """Bytes of all cells; many views may show the same bytes."""
    lengths = memoryview(_fixed(array, 16, 1)).cast("i")[::4]
    validity = _validity(array)
    return sum(lengths if validity is None else itertools.compress(lengths, validity))


def _shaped_column(name: str | int, array: Any) -> Column | None:
    """Lists of one length, of numbers without gaps; None for all else."""
    import pyarrow as pa

    values, shape = array, []
    while type_word(values.type) == "fixed_size_list":
        size = values.type.list_size
        if size < 1 or (values is not array and values.null_count):
            return None
        shape.append(size)
        values = values.values.slice(values.offset * size, len(values) * size)
    if values.null_count or (type_word(values.type) not in _NUMBERS and type_word(values.type) != "bool"):
        return None
    kind, width = _NUMBERS.get(type_word(values.type), ("bool", 1))
    data = _fixed(values.cast(pa.uint8()) if kind == "bool" else values, width)
    return Column(name, kind, tuple(shape), data, None, _validity(array))


# -- nested values


def _json_column(name: str | int, array: Any, limit: Limit) -> Column:
    """Each value as JSON text: bytes in base64, moments in ISO 8601."""
    documents: list[bytes | None] = []
    size = 0
    for start in range(0, len(array), _JSON_ROWS):
        for value in json_values(array.slice(start, _JSON_ROWS), name, limit):
            document = None if value is None else json_text(value)
            size += 0 if document is None else len(document)
            limit.check(size)
            documents.append(document)
    return of_cells(name, "json", documents)


def json_text(value: Any) -> bytes:
    """With ``NaN`` and ``Infinity`` as Python writes them: a float's NaN is a value."""
    try:
        document = orjson.dumps(value)
    except orjson.JSONEncodeError:
        return json.dumps(value).encode()
    return json.dumps(value).encode() if b"null" in document else document


def json_values(array: Any, name: str | int, limit: Limit) -> list[Any]:
    """An array of any type as what JSON has."""
    import pyarrow as pa

    type_ = array.type
    if isinstance(type_, pa.BaseExtensionType):
        return json_values(array.storage, name, limit)
    word = type_word(type_)
    if word == "dictionary":
        values = json_values(array.dictionary, name, limit)
        return [None if index is None else values[index] for index in array.indices.to_pylist()]
    if word == "struct":
        names = [type_.field(place).name for place in range(type_.num_fields)]
        members = [json_values(member, name, limit) for member in array.flatten()]
        rows = zip(*members, strict=True) if members else [()] * len(array)
        return [
            dict(zip(names, row, strict=True)) if there else None
            for row, there in zip(rows, array.is_valid().to_pylist(), strict=True)
        ]
    if word == "map":
        pairs = pa.list_(pa.struct([pa.field("key", type_.key_type), pa.field("value", type_.item_type)]))
        maps = json_values(array.cast(pairs), name, limit)
        return [None if one is None else {key_text(pair["key"]): pair["value"] for pair in one} for one in maps]
    if word in _LISTS:
        return _lists(array, name, limit)
    if word == "bool" or word in _NUMBERS or word in _TEXTS or word == "null":
        return list((array.cast(pa.float32()) if word == "halffloat" else array).to_pylist())
    if word in _DECIMALS:
        return list(array.cast(pa.float64()).to_pylist())
    if word in _BINARIES:
        return [None if value is None else base64.b64encode(value).decode() for value in array.to_pylist()]
    if word in ("timestamp", "date32", "date64", "time32", "time64"):
        return list(iso_texts(array).to_pylist())
    if word == "duration":
        ticks = array.cast(pa.int64()).to_pylist()
        return [None if tick is None else tick / PER_SECOND[type_.unit] for tick in ticks]
    raise InvalidInput(f"Column {name!r} holds Arrow's type {type_}, which no model takes; send it as another type.")


def _lists(array: Any, name: str | int, limit: Limit) -> list[Any]:
    import pyarrow.compute as pc

    lengths = pc.list_value_length(array)
    limit.check(pc.sum(lengths).as_py() or 0)
    items = json_values(array.flatten(), name, limit)
    lists: list[Any] = []
    position = 0
    for length in lengths.to_pylist():
        lists.append(None if length is None else items[position : position + length])
        position += length or 0
    return lists


def iso_texts(array: Any) -> Any:
    """Moments as ISO 8601 text, without a fraction where none has one; dates and times as they are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if type_word(array.type) != "timestamp":
        return array.cast(pa.string())
    moments = array.view(pa.timestamp(array.type.unit))  # of a zone or none, the numbers are UTC
    for unit in ("s", "us"):
        try:
            moments = moments.cast(pa.timestamp(unit))
            break
        except pa.ArrowInvalid:
            continue
    return pc.replace_substring(moments.cast(pa.string()), " ", "T")


# -- the way back


def in_one_piece(chunks: Any) -> Any:
    return chunks.chunk(0) if chunks.num_chunks == 1 else chunks.combine_chunks()


def array_of(column: Column, rows: int) -> Any:
    """The column as an Arrow array over its own buffers."""
    import pyarrow as pa

    if column.kind == "null":
        return pa.nulls(rows)
    validity = None if column.validity is None else _booleans(column.validity, rows, None).buffers()[1]
    data = pa.py_buffer(column.data)
    if column.offsets is not None:
        type_ = pa.binary() if column.kind == "binary" else pa.string()
        return pa.Array.from_buffers(type_, rows, [validity, pa.py_buffer(column.offsets), data])
    count = rows
    for size in column.shape:
        count *= size
    own = None if column.shape else validity
    if column.kind == "bool":
        array = _booleans(data, count, own)
    else:
        array = pa.Array.from_buffers(_arrow_type(column.kind), count, [own, data])
    for depth in range(len(column.shape) - 1, -1, -1):
        size = column.shape[depth]
        array = pa.Array.from_buffers(
            pa.list_(array.type, size), len(array) // size, [None if depth else validity], children=[array]
        )
    return array


def _booleans(data: Any, count: int, validity: Any) -> Any:
    import pyarrow as pa

    return pa.Array.from_buffers(pa.uint8(), count, [validity, pa.py_buffer(data)]).cast(pa.bool_())


def _arrow_type(kind: str) -> Any:
    import pyarrow as pa

    name, _, unit = kind.rstrip("]").partition("[")
    if unit:
        return pa.timestamp(unit) if name == "datetime64" else pa.duration(unit)
    return getattr(pa, name)()
