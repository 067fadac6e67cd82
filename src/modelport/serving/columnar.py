"""Parquet, Arrow and CSV ↔ the wire's own table format, so that no worker needs pyarrow.

Called in a thread: functions of their arguments alone. A body is not trusted: it is held against its limit before it grows,
and Arrow's own checks run over it before a byte of it is used.
"""

import base64
import csv
import io
import itertools
import json
import re
import struct
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import orjson

from modelport_runtime.columns import Column, of_cells, pack, unpack
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
_PER_SECOND = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_LEAST_WIDTH = {0: 0, 1: 1, 2: 8, 3: 8, 4: 4, 5: 8, 6: 4}
"""Parquet's physical types → bytes that a value takes at least once it is decoded."""
_BYTE_ARRAY = 6
_DELTA_BYTE_ARRAY = 7
"""The encoding of text by what differs from the text before it."""
_BATCH_ROWS = 1 << 14
_EXPECTED = {"parquet": "a Parquet file", "arrow": "an Arrow IPC stream (or file)"}
_JSON_ROWS = 1024
"""Rows of nested values that are turned into Python objects at a time."""


class _Limit:
    """How much a body may still grow while it is decoded."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self.left = max_bytes

    def check(self, size: int) -> None:
        """Raise InvalidInput (REQUEST_TOO_LARGE) where ``size`` more bytes would be too many."""
        if size > self.left:
            raise InvalidInput(
                f"The body decodes to more than the limit of {self._max_bytes} bytes; send fewer rows at a time.",
                code="REQUEST_TOO_LARGE",
            )

    def spend(self, size: int) -> None:
        """As ``check``, and those bytes are used up."""
        self.check(size)
        self.left -= size


# -- reading


def decode(content: str, body: bytes, max_bytes: int) -> bytes:
    """A ``parquet`` or ``arrow`` body as a packed table of at most about ``max_bytes``.

    What pandas stored as a frame's index is left out, as a model never sees it. Raises InvalidInput for bytes that are not
    what they should be, columns of one name or of a type no model takes, and (code REQUEST_TOO_LARGE) for too many bytes.
    """
    import pyarrow as pa

    if not body:
        raise InvalidInput(f"The body is empty; expected {_EXPECTED[content]}.")
    limit = _Limit(max_bytes)
    try:
        table = (_parquet_table if content == "parquet" else _arrow_table)(body, limit)
        return _packed(table, limit)
    except (pa.ArrowException, OSError, UnicodeDecodeError, struct.error) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InvalidInput(f"The body is not {_EXPECTED[content]} that can be read: {reason[:300]}") from None
    except RecursionError:
        raise InvalidInput("The body is nested too deeply.") from None


class _Chunk(NamedTuple):
    """What a Parquet file says of one column in one row group."""

    group: int
    path: tuple[str, ...]
    type: int
    encodings: list[int]
    values: int
    size: int
    """Bytes of its pages without compression; a dictionary's values count once."""


def _parquet_table(body: bytes, limit: _Limit) -> Any:
    import pyarrow as pa
    import pyarrow.parquet as pq

    source = pa.BufferReader(body)
    metadata = pq.read_metadata(source)
    chunks = list(_chunks(body))
    limit.check(metadata.num_rows)
    limit.check(sum(chunk.size for chunk in chunks))
    limit.check(sum(chunk.values * _LEAST_WIDTH.get(chunk.type, 1) for chunk in chunks))
    growing = [chunk for chunk in chunks if chunk.type == _BYTE_ARRAY and chunk.values * chunk.size > limit.left]
    batch_rows = _BATCH_ROWS
    for chunk in growing:
        if _DELTA_BYTE_ARRAY in chunk.encodings:  # each text may be its predecessor and one byte
            batch_rows = max(1, min(batch_rows, limit.left // chunk.size))
    growing = [chunk for chunk in growing if _DELTA_BYTE_ARRAY not in chunk.encodings]
    repeating = _repeating(source, metadata, growing, limit)
    file = pq.ParquetFile(source, metadata=metadata, read_dictionary=repeating or None)
    batches = list(_within(limit, file.iter_batches(batch_rows, use_threads=False)))
    return pa.Table.from_batches(batches, batches[0].schema if batches else file.schema_arrow)


def _repeating(source: Any, metadata: Any, growing: list[_Chunk], limit: _Limit) -> list[str]:
    """The columns whose texts, stored once and meant many times, may go beyond the limit.

    They are read as dictionaries, so that each stays one text until its size is known; that takes ten times as long, so
    the longest text of each is looked at first.
    """
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    found = {".".join(chunk.path) for chunk in growing if len(chunk.path) > 1}
    flat = {".".join(chunk.path) for chunk in growing if len(chunk.path) == 1}
    file = pq.ParquetFile(source, metadata=metadata, read_dictionary=list(flat) or None)
    for group in {chunk.group for chunk in growing if len(chunk.path) == 1}:
        batches = file.iter_batches(1, row_groups=[group], columns=list(flat), use_threads=False)
        for batch in itertools.islice(batches, 1):
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                texts = column.dictionary if _word(column.type) == "dictionary" else column
                longest = pc.max(pc.binary_length(texts)).as_py() or 0
                if longest * metadata.num_rows > limit.left:
                    found.add(name)
    return list(found)


def _chunks(body: bytes) -> Iterator[_Chunk]:
    """The columns of all row groups, read from the footer: pyarrow ends the process over a damaged one when asked."""
    try:
        (size,) = struct.unpack_from("<I", body, len(body) - 8)
        groups = _Footer(body, len(body) - 8 - size).struct()[4]
        for place, group in enumerate(groups):
            for chunk in group[1]:
                told = chunk[3]
                path = tuple(name.decode() for name in told[3])
                yield _Chunk(place, path, int(told[1]), list(told[2]), max(0, int(told[5])), max(0, int(told[6])))
    except (IndexError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(
            f"The body is not {_EXPECTED['parquet']} that can be read: its footer is damaged."
        ) from error


class _Footer:
    """Thrift's compact encoding, as far as Parquet's footer has it: structs become ``{field's number: value}``."""

    def __init__(self, data: bytes, position: int) -> None:
        self._data = data
        self._position = position

    def struct(self) -> dict[int, Any]:
        fields: dict[int, Any] = {}
        number = 0
        while head := self._byte():
            number = number + (head >> 4) if head >> 4 else self._integer()
            fields[number] = head & 15 == 1 if head & 15 in (1, 2) else self._value(head & 15)
        return fields

    def _value(self, kind: int) -> Any:
        if kind in (1, 2, 3):
            return self._byte()
        if kind in (4, 5, 6):
            return self._integer()
        if kind == 7:
            return self._bytes(8)
        if kind == 8:
            return self._bytes(self._varint())
        if kind in (9, 10):
            head = self._byte()
            size = self._varint() if head >> 4 == 15 else head >> 4
            return [self._value(head & 15) for _ in range(size)]
        if kind == 12:
            return self.struct()
        raise IndexError(f"no type {kind}")

    def _byte(self) -> int:
        self._position += 1
        return self._data[self._position - 1]

    def _bytes(self, size: int) -> bytes:
        self._position += size
        if self._position > len(self._data):
            raise IndexError
        return self._data[self._position - size : self._position]

    def _varint(self) -> int:
        number = shift = 0
        while True:
            byte = self._byte()
            number |= (byte & 127) << shift
            if byte < 128:
                return number
            shift += 7
            if shift > 63:
                raise IndexError

    def _integer(self) -> int:
        number = self._varint()
        return (number >> 1) ^ -(number & 1)


def _arrow_table(body: bytes, limit: _Limit) -> Any:
    import pyarrow as pa

    # A file is the stream between two marks, and a footer that repeats where everything is.
    stream = pa.py_buffer(body).slice(8 if body.startswith(b"ARROW1\0\0") else 0)
    limit.check(sum(map(_message_size, pa.ipc.MessageReader.open_stream(pa.BufferReader(stream)))))
    reader = pa.ipc.open_stream(pa.BufferReader(stream), options=pa.ipc.IpcReadOptions(use_threads=False))
    batches = list(_within(limit, reader))
    return pa.Table.from_batches(batches, reader.schema)


def _message_size(message: Any) -> int:
    """What the buffers of an Arrow message take once they are decompressed; its rows, where that is more.

    Compressed buffers begin with their length, and only the message's flatbuffer knows where they begin.
    """
    view, body = memoryview(message.metadata), message.body
    if message.type not in ("record batch", "dictionary"):
        return 0
    batch = _field(view, struct.unpack_from("<I", view)[0], 2)
    if message.type == "dictionary" and batch is not None:
        batch = _field(view, _target(view, batch), 1)
    if batch is None:
        return 0
    batch = _target(view, batch)
    rows, buffers = _field(view, batch, 0), _field(view, batch, 2)
    size = 0
    if buffers is not None:
        start = _target(view, buffers)
        compressed = _field(view, batch, 3) is not None
        data = memoryview(body) if body is not None else memoryview(b"")
        for place in range(struct.unpack_from("<I", view, start)[0]):
            offset, length = struct.unpack_from("<qq", view, start + 4 + 16 * place)
            if compressed and length >= 8 and offset >= 0:
                length = max(length, struct.unpack_from("<q", data, offset)[0])
            size += length
    return max(size, 0 if rows is None else struct.unpack_from("<q", view, rows)[0])


def _field(view: memoryview, table: int, slot: int) -> int | None:
    """Where a flatbuffer's table keeps a field; None where it has its default."""
    vtable = table - struct.unpack_from("<i", view, table)[0]
    if vtable < 0 or 4 + 2 * slot >= struct.unpack_from("<H", view, vtable)[0]:
        return None
    offset = struct.unpack_from("<H", view, vtable + 4 + 2 * slot)[0]
    return table + offset if offset else None


def _target(view: memoryview, position: int) -> int:
    return int(position + struct.unpack_from("<I", view, position)[0])


def _within(limit: _Limit, batches: Any) -> Iterator[Any]:
    """The batches, each looked over, as long as they keep to the limit together."""
    import pyarrow as pa

    size = 0
    for batch in batches:
        batch.validate(full=True)
        for column in batch.columns:
            size += column.indices.nbytes if pa.types.is_dictionary(column.type) else column.nbytes
        limit.check(max(size, batch.num_rows))
        yield batch


def _packed(table: Any, limit: _Limit) -> bytes:
    names = table.schema.names
    index, label = _pandas_says(table.schema.metadata)
    kept = [position for position, name in enumerate(names) if name not in index]
    seen: set[str] = set()
    for position in kept:
        if names[position] in seen:
            raise InvalidInput(f"Column {names[position]!r} is given twice; every column needs a name of its own.")
        seen.add(names[position])
    columns = []
    for position in kept:
        column = _column(label(names[position]), _in_one_piece(table.column(position)), limit)
        for part in (column.data, column.offsets, column.validity):
            limit.spend(0 if part is None else memoryview(part).nbytes)
        columns.append(column)
    return pack(columns, table.num_rows)


def _in_one_piece(chunks: Any) -> Any:
    return chunks.chunk(0) if chunks.num_chunks == 1 else chunks.combine_chunks()


def _pandas_says(metadata: dict[bytes, bytes] | None) -> tuple[set[str], Callable[[str], str | int]]:
    """The columns that are a frame's index, and what makes a frame's label of a column's name."""
    try:
        written = json.loads((metadata or {}).get(b"pandas", b"{}"))
        index = {name for name in written.get("index_columns", ()) if isinstance(name, str)}
        labels = written.get("column_indexes", ())
        integers = len(labels) == 1 and labels[0].get("pandas_type") in ("int64", "int32")
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return set(), str
    return index, _integer_label if integers else str


def _integer_label(name: str) -> str | int:
    return int(name) if re.fullmatch(r"0|-?[1-9][0-9]{0,17}", name) else name


def _word(type_: Any) -> str:
    """The first word of a type as Arrow spells it: ``timestamp`` of ``timestamp[us, tz=UTC]``."""
    return re.split(r"\W", str(type_), maxsplit=1)[0]


def _column(name: str | int, array: Any, limit: _Limit) -> Column:
    """One Arrow array as a column: its own buffers where they are as the wire has them."""
    import pyarrow as pa

    type_ = array.type
    if isinstance(type_, pa.BaseExtensionType):
        return _extension_column(name, array, limit)
    word = _word(type_)
    if word == "dictionary" and _word(type_.value_type) not in _NESTED:
        return _column(name, _without_dictionary(array, limit), limit)
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
        return _column(name, array.cast(simpler[word]), limit)
    raise InvalidInput(f"Column {name!r} is of Arrow's type {type_}, which no model takes; send it as another type.")


def _extension_column(name: str | int, array: Any, limit: _Limit) -> Column:
    """By what it is stored as; JSON stays JSON, and a tensor keeps its shape."""
    column = _column(name, array.storage, limit)
    kind = array.type.extension_name
    if kind == "arrow.json" and column.kind == "utf8":
        return column._replace(kind="json")
    if kind == "arrow.fixed_shape_tensor" and column.shape and not array.type.permutation:
        return column._replace(shape=tuple(array.type.shape))
    return column


def _without_dictionary(array: Any, limit: _Limit) -> Any:
    """The values themselves, if they are not too large for the limit."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = array.dictionary
    if _word(values.type) in _TEXTS or _word(values.type) in _BINARIES:
        values = _plain_cells(values, limit)
        array = pa.DictionaryArray.from_arrays(array.indices, values)
        limit.check(pc.sum(pc.take(pc.binary_length(values), array.indices)).as_py() or 0)
    return array.dictionary_decode()


def _plain_cells(array: Any, limit: _Limit) -> Any:
    """Text or bytes of any layout with 32-bit offsets."""
    import pyarrow as pa

    word = _word(array.type)
    if word in ("string", "binary"):
        return array
    wanted = pa.binary() if word in _BINARIES else pa.string()
    if word.endswith("_view"):
        limit.check(_viewed_size(array))
        if array.null_count:  # a gap's view may point anywhere, and a cast would follow it
            values = array.to_pylist() if word in _BINARIES else map(_utf8, array.to_pylist())
            return _array(of_cells("", "binary" if word in _BINARIES else "utf8", list(values)), len(array))
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


def _cells_column(name: str | int, array: Any, limit: _Limit) -> Column:
    """Text or bytes with 32-bit offsets."""
    kind = "binary" if _word(array.type) in _BINARIES else "utf8"
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
    while _word(values.type) == "fixed_size_list":
        size = values.type.list_size
        if size < 1 or (values is not array and values.null_count):
            return None
        shape.append(size)
        values = values.values.slice(values.offset * size, len(values) * size)
    if values.null_count or (_word(values.type) not in _NUMBERS and _word(values.type) != "bool"):
        return None
    kind, width = _NUMBERS.get(_word(values.type), ("bool", 1))
    data = _fixed(values.cast(pa.uint8()) if kind == "bool" else values, width)
    return Column(name, kind, tuple(shape), data, None, _validity(array))


# -- nested values


def _json_column(name: str | int, array: Any, limit: _Limit) -> Column:
    """Each value as JSON text: bytes in base64, moments in ISO 8601."""
    documents: list[bytes | None] = []
    size = 0
    for start in range(0, len(array), _JSON_ROWS):
        for value in _values(array.slice(start, _JSON_ROWS), name, limit):
            document = None if value is None else _json(value)
            size += 0 if document is None else len(document)
            limit.check(size)
            documents.append(document)
    return of_cells(name, "json", documents)


def _json(value: Any) -> bytes:
    """With ``NaN`` and ``Infinity`` as Python writes them: a float's NaN is a value."""
    try:
        document = orjson.dumps(value)
    except orjson.JSONEncodeError:
        return json.dumps(value).encode()
    return json.dumps(value).encode() if b"null" in document else document


def _values(array: Any, name: str | int, limit: _Limit) -> list[Any]:
    """An array of any type as what JSON has."""
    import pyarrow as pa

    type_ = array.type
    if isinstance(type_, pa.BaseExtensionType):
        return _values(array.storage, name, limit)
    word = _word(type_)
    if word == "dictionary":
        values = _values(array.dictionary, name, limit)
        return [None if index is None else values[index] for index in array.indices.to_pylist()]
    if word == "struct":
        names = [type_.field(place).name for place in range(type_.num_fields)]
        members = [_values(member, name, limit) for member in array.flatten()]
        rows = zip(*members, strict=True) if members else [()] * len(array)
        return [
            dict(zip(names, row, strict=True)) if there else None
            for row, there in zip(rows, array.is_valid().to_pylist(), strict=True)
        ]
    if word == "map":
        pairs = pa.list_(pa.struct([pa.field("key", type_.key_type), pa.field("value", type_.item_type)]))
        maps = _values(array.cast(pairs), name, limit)
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
        return list(_iso_texts(array).to_pylist())
    if word == "duration":
        ticks = array.cast(pa.int64()).to_pylist()
        return [None if tick is None else tick / _PER_SECOND[type_.unit] for tick in ticks]
    raise InvalidInput(f"Column {name!r} holds Arrow's type {type_}, which no model takes; send it as another type.")


def _lists(array: Any, name: str | int, limit: _Limit) -> list[Any]:
    import pyarrow.compute as pc

    lengths = pc.list_value_length(array)
    limit.check(pc.sum(lengths).as_py() or 0)
    items = _values(array.flatten(), name, limit)
    lists: list[Any] = []
    position = 0
    for length in lengths.to_pylist():
        lists.append(None if length is None else items[position : position + length])
        position += length or 0
    return lists


def _iso_texts(array: Any) -> Any:
    """Moments as ISO 8601 text, without a fraction where none has one; dates and times as they are."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if _word(array.type) != "timestamp":
        return array.cast(pa.string())
    moments = array.view(pa.timestamp(array.type.unit))  # of a zone or none, the numbers are UTC
    for unit in ("s", "us"):
        try:
            moments = moments.cast(pa.timestamp(unit))
            break
        except pa.ArrowInvalid:
            continue
    return pc.replace_substring(moments.cast(pa.string()), " ", "T")


# -- writing


def encode(table: bytes, answer: str) -> bytes:
    """A packed table as ``parquet``, ``arrow`` (an IPC stream) or ``csv``.

    JSON columns are text. In CSV: a header row; nothing for a gap; moments in ISO 8601, durations in seconds, bytes in
    base64, lists as JSON. Raises InvalidInput for a damaged table.
    """
    import pyarrow as pa

    rows, columns = unpack(table)
    arrays = [_array(column, rows) for column in columns]
    written = pa.Table.from_arrays(arrays, names=[str(column.name) for column in columns])
    sink = pa.BufferOutputStream()
    if answer == "csv":
        _write_csv(written, sink)
    elif answer == "arrow":
        with pa.ipc.new_stream(sink, written.schema) as writer:
            writer.write_table(written)
    else:
        import pyarrow.parquet as pq

        pq.write_table(written, sink)
    return bytes(sink.getvalue())


def _array(column: Column, rows: int) -> Any:
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


def _write_csv(table: Any, sink: Any) -> None:
    import pyarrow as pa
    from pyarrow.csv import WriteOptions, write_csv

    names = table.column_names
    header = io.StringIO()
    csv.writer(header, lineterminator="\n").writerow(names)
    sink.write(header.getvalue().encode())
    if not table.num_columns:
        return
    written = pa.Table.from_arrays([_csv_array(_in_one_piece(column)) for column in table.columns], names)
    if written.num_columns == 1 and (written.column(0).null_count or written.column(0).type == pa.string()):
        # A line with nothing on it would be no row at all.
        written = pa.Table.from_arrays([written.column(0).cast(pa.string()).fill_null("")], names)
    else:
        body = pa.BufferOutputStream()
        try:
            write_csv(written, body, WriteOptions(include_header=False, quoting_style="none"))
            sink.write(body.getvalue())
            return
        except pa.ArrowInvalid:
            pass  # some text needs quotes; then all text has them
    write_csv(written, sink, WriteOptions(include_header=False, quoting_style="needed"))


def _csv_array(array: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    word = _word(array.type)
    if word == "timestamp":
        return _iso_texts(array)
    if word == "duration":
        return pc.divide(array.cast(pa.int64()).cast(pa.float64()), float(_PER_SECOND[array.type.unit]))
    if word in ("binary", "fixed_size_list"):
        write = base64.b64encode if word == "binary" else _json
        texts = [None if value is None else write(value) for value in array.to_pylist()]
        return _array(of_cells("", "utf8", texts), len(array))
    if word == "halffloat":
        return array.cast(pa.float32())
    return array.cast(pa.string()) if word == "null" else array
