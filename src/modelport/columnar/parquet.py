"""A Parquet file → an Arrow table, within a limit that is known to hold before anything is decoded."""

import itertools
import struct
from collections.abc import Iterator
from typing import Any, NamedTuple

from modelport.columnar.limit import Limit, within
from modelport_runtime.errors import InvalidInput

_LEAST_WIDTH = {0: 0, 1: 1, 2: 8, 3: 8, 4: 4, 5: 8, 6: 4}
"""Parquet's physical types → bytes that a value takes at least once it is decoded."""
_BYTE_ARRAY = 6
_DELTA_BYTE_ARRAY = 7
"""The encoding of text by what differs from the text before it."""
_BATCH_ROWS = 1 << 14


class _Chunk(NamedTuple):
    """What a Parquet file says of one column in one row group."""

    group: int
    path: tuple[str, ...]
    type: int
    encodings: list[int]
    values: int
    size: int
    """Bytes of its pages without compression; a dictionary's values count once."""


def read_table(body: bytes, limit: Limit) -> Any:
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
    batches = list(within(limit, file.iter_batches(batch_rows, use_threads=False)))
    return pa.Table.from_batches(batches, batches[0].schema if batches else file.schema_arrow)


def _repeating(source: Any, metadata: Any, growing: list[_Chunk], limit: Limit) -> list[str]:
    """The columns whose texts, stored once and meant many times, may go beyond the limit.

    They are read as dictionaries, so that each stays one text until its size is known; that takes ten times as long, so
    the longest text of each is looked at first.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    import pyarrow.parquet as pq

    found = {".".join(chunk.path) for chunk in growing if len(chunk.path) > 1}
    flat = {".".join(chunk.path) for chunk in growing if len(chunk.path) == 1}
    file = pq.ParquetFile(source, metadata=metadata, read_dictionary=list(flat) or None)
    for group in {chunk.group for chunk in growing if len(chunk.path) == 1}:
        batches = file.iter_batches(1, row_groups=[group], columns=list(flat), use_threads=False)
        for batch in itertools.islice(batches, 1):
            for name, column in zip(batch.schema.names, batch.columns, strict=True):
                texts = column.dictionary if pa.types.is_dictionary(column.type) else column
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
        raise InvalidInput("The body is not a Parquet file that can be read: its footer is damaged.") from error


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
