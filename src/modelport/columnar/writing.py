"""A packed table → a Parquet, Arrow or CSV answer."""

import base64
import csv
import io
from collections.abc import Sequence
from typing import Any

from modelport.columnar.arrays import PER_SECOND, array_of, in_one_piece, iso_texts, json_text, type_word
from modelport_runtime.columns import of_cells, unpack


def encode(table: bytes, answer: str) -> bytes:
    """A packed table as ``parquet``, ``arrow`` (an IPC stream) or ``csv``.

    JSON columns are text. In CSV: a header row; nothing for a gap; moments in ISO 8601, durations in seconds, bytes in
    base64, lists as JSON. Raises InvalidInput for a damaged table.
    """
    import pyarrow as pa

    written, _ = table_of(table)
    sink = pa.BufferOutputStream()
    if answer == "csv":
        write_csv(written, sink)
    elif answer == "arrow":
        with pa.ipc.new_stream(sink, written.schema) as writer:
            writer.write_table(written)
    else:
        import pyarrow.parquet as pq

        pq.write_table(written, sink)
    return bytes(sink.getvalue())


def table_of(packed: bytes) -> tuple[Any, frozenset[str]]:
    """A packed table as an Arrow table, and which of its columns are text that is JSON."""
    import pyarrow as pa

    rows, columns = unpack(packed)
    names = [str(column.name) for column in columns]
    json_names = frozenset(str(column.name) for column in columns if column.kind == "json")
    return pa.Table.from_arrays([array_of(column, rows) for column in columns], names=names), json_names


def write_csv(table: Any, sink: Any, header: bool = True) -> None:
    """Write the rows of an Arrow table to something with ``write``, after a line with their names."""
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    names = table.column_names
    if header:
        sink.write(csv_line(names))
    if not table.num_columns:
        return
    written = pa.Table.from_arrays([_csv_array(in_one_piece(column)) for column in table.columns], names)
    if written.num_columns == 1 and (written.column(0).null_count or written.column(0).type == pa.string()):
        # A line with nothing on it would be no row at all.
        written = pa.Table.from_arrays([written.column(0).cast(pa.string()).fill_null("")], names)
    else:
        body = pa.BufferOutputStream()
        try:
            arrow_csv.write_csv(written, body, arrow_csv.WriteOptions(include_header=False, quoting_style="none"))
            sink.write(body.getvalue())
            return
        except pa.ArrowInvalid:
            pass  # some text needs quotes; then all text has them
    arrow_csv.write_csv(written, sink, arrow_csv.WriteOptions(include_header=False, quoting_style="needed"))


def csv_line(fields: Sequence[str]) -> bytes:
    """One line of CSV, with its end."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow(fields)
    return line.getvalue().encode()


def _csv_array(array: Any) -> Any:
    import pyarrow as pa
    import pyarrow.compute as pc

    word = type_word(array.type)
    if word == "timestamp":
        return iso_texts(array)
    if word == "duration":
        return pc.divide(array.cast(pa.int64()).cast(pa.float64()), float(PER_SECOND[array.type.unit]))
    if word in ("binary", "fixed_size_list"):
        write = base64.b64encode if word == "binary" else json_text
        texts = [None if value is None else write(value) for value in array.to_pylist()]
        return array_of(of_cells("", "utf8", texts), len(array))
    if word == "halffloat":
        return array.cast(pa.float32())
    return array.cast(pa.string()) if word == "null" else array
