"""A Parquet or Arrow body → a packed table."""

import json
import re
import struct
from collections.abc import Callable
from typing import Any

from modelport.columnar import arrow_ipc, parquet
from modelport.columnar.arrays import column_of, in_one_piece
from modelport.columnar.limit import Limit
from modelport_runtime.columns import pack
from modelport_runtime.errors import InvalidInput

_EXPECTED = {"parquet": "a Parquet file", "arrow": "an Arrow IPC stream (or file)"}


def decode(content: str, body: bytes, max_bytes: int) -> bytes:
    """A ``parquet`` or ``arrow`` body as a packed table of at most about ``max_bytes``.

    What pandas stored as a frame's index is left out, as a model never sees it. Raises InvalidInput for bytes that are not
    what they should be, columns of one name or of a type no model takes, and (code REQUEST_TOO_LARGE) for too many bytes.
    """
    import pyarrow as pa

    if not body:
        raise InvalidInput(f"The body is empty; expected {_EXPECTED[content]}.")
    limit = Limit(max_bytes)
    try:
        table = (parquet if content == "parquet" else arrow_ipc).read_table(body, limit)
        return packed(table, limit)
    except (pa.ArrowException, OSError, UnicodeDecodeError, struct.error) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InvalidInput(f"The body is not {_EXPECTED[content]} that can be read: {reason[:300]}") from None
    except RecursionError:
        raise InvalidInput("The body is nested too deeply.") from None


def packed(table: Any, limit: Limit) -> bytes:
    """An Arrow table as the wire has it, without what pandas stored as a frame's index."""
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
        column = column_of(label(names[position]), in_one_piece(table.column(position)), limit)
        for part in (column.data, column.offsets, column.validity):
            limit.spend(0 if part is None else memoryview(part).nbytes)
        columns.append(column)
    return pack(columns, table.num_rows)


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
