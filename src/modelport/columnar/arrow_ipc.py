"""An Arrow IPC stream or file → an Arrow table, within a limit that is known to hold before anything is decompressed."""

import struct
from typing import Any

from modelport.columnar.limit import Limit, within


def read_table(body: bytes, limit: Limit) -> Any:
    import pyarrow as pa

    # A file is the stream between two marks, and a footer that repeats where everything is.
    stream = pa.py_buffer(body).slice(8 if body.startswith(b"ARROW1\0\0") else 0)
    limit.check(sum(map(_message_size, pa.ipc.MessageReader.open_stream(pa.BufferReader(stream)))))
    reader = pa.ipc.open_stream(pa.BufferReader(stream), options=pa.ipc.IpcReadOptions(use_threads=False))
    batches = list(within(limit, reader))
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
