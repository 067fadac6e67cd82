"""CSV in chunks. A worker gets column blocks where pyarrow reads the text as the worker would, else the text itself."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from modelport.columnar.limit import Limit
from modelport.columnar.reading import packed
from modelport.columnar.writing import csv_line
from modelport.errors import InvalidInput
from modelport.files import csv_text
from modelport.files.chunk import Chunk, Request, TextChunk
from modelport.files.source import Source, blocks
from modelport_runtime.data_types import Scalar
from modelport_runtime.payload.first_line import first_fields, is_row
from modelport_runtime.schema import Schema

_ARROW_TYPES = {
    "double": "float64",
    "float": "float64",  # the worker rounds it, as it does what pandas reads
    "long": "int64",
    "integer": "int32",
    "boolean": "bool_",
    "string": "string",
}
_MISSING = (
    *("", "#N/A", "#N/A N/A", "#NA", "-1.#IND", "-1.#QNAN", "-NaN", "-nan", "1.#IND", "1.#QNAN", "<NA>"),
    *("N/A", "NA", "NULL", "NaN", "n/a", "nan", "null"),
)
"""What every pandas takes for a gap; ``None``, which some do, is left to the worker."""
_LINE_IN_MESSAGE = re.compile(r"\bline (\d+)\b")


@dataclass(frozen=True)
class Layout:
    """What all chunks of a file share."""

    names: list[str]
    """The fields of the header; the declared names where the file has none."""
    header: bytes
    """The text that a worker needs before the rows."""
    types: dict[str, str] | None
    """Declared column → scalar type, where pyarrow may read the rows; None: only the worker may."""
    declared: dict[str, str]
    """The same, of whatever columns have such a type."""

    @cached_property
    def header_lines(self) -> int:
        return csv_text.line_count(self.header)


class CsvChunk(TextChunk):
    """Rows of CSV."""

    def __init__(self, layout: Layout, text: bytes, consumed: int, line: int, lines: list[int] | None = None) -> None:
        super().__init__(text, consumed, line, lines)
        self.layout = layout

    def _split(self) -> list[tuple[int, bytes]]:
        return csv_text.rows_of(self.text)

    def _of(self, text: bytes, lines: list[int]) -> Self:
        return type(self)(self.layout, text, self.consumed, self._line, lines)

    def texts(self) -> list[bytes]:
        """Each row as it stood."""
        return [row for _, row in self._rows]

    def request(self) -> Request:
        types = self.layout.types
        table = None if types is None else _quick_table(self.text, self.layout.names, types)
        if table is None:
            return Request("csv", self.layout.header + self.text)
        return Request("columns", packed(table, Limit()))

    def value(self, row: int, column: Any) -> Any:
        names = self.layout.names
        fields = first_fields(self._rows[row][1])
        place = names.index(str(column)) if str(column) in names else -1
        return fields[place] if 0 <= place < len(fields) else None

    def misread(self, message: str) -> tuple[int | None, str]:
        found = _LINE_IN_MESSAGE.search(message)
        if found is None:
            return None, message
        wanted = int(found.group(1)) - 1 - self.layout.header_lines
        for row, (line, _) in enumerate(self._rows):
            if line == wanted:
                place = self.place(row)["line"]
                return row, message[: found.start(1)] + str(place) + message[found.end(1) :]
        return None, message

    def table(self) -> Any:
        """Declared numbers and truth values as such, all else as text."""
        import pyarrow as pa

        names = self.layout.names
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InvalidInput(f"the input has two columns {twice!r}, so they cannot be kept as columns")
        types = {name: self.layout.declared.get(name, "string") for name in names}
        try:
            return _parsed(self.text, names, types)
        except pa.ArrowInvalid as error:
            reason = str(error).splitlines()[0][:200]
            raise InvalidInput(
                f"the columns of the input cannot be kept beside the predictions: {reason}",
                hint="CSV output keeps them as the text they are.",
            ) from None


def read(source: Source, size: int | None, rows: int | None, schema: Schema | None, quick: bool) -> Iterator[Chunk]:
    """The chunks of a CSV file, at least one: of about ``size`` bytes (None: all in one), or of ``rows`` rows each."""
    layout: Layout | None = None
    line = 1
    for text in blocks(source, size, csv_text.last_end):
        if layout is None:
            layout, start = _layout(text, schema, quick)
            line += csv_text.line_count(text[:start])
            text = text[start:]
            if not text and not _at_end(source):
                continue  # the first block was the header
        for part in [text] if rows is None else _parts(text, rows):
            yield CsvChunk(layout, part, source.consumed, line)
            line += csv_text.line_count(part)
    if layout is None:
        yield CsvChunk(Layout([], b"", None, {}), b"", 0, 1)


def _at_end(source: Source) -> bool:
    return source.size is None or source.consumed >= source.size


def _parts(text: bytes, rows: int) -> Iterator[bytes]:
    """The text in parts of so many rows."""
    start = position = count = 0
    while position < len(text):
        end = csv_text.row_end(text, position)
        count += bool(text[position:end].strip())
        position = end
        if count == rows:
            yield text[start:position]
            start, count = position, 0
    if start < len(text) or not text:
        yield text[start:]


def _layout(text: bytes, schema: Schema | None, quick: bool) -> tuple[Layout, int]:
    """The layout of a file that begins with this text, and where its rows begin."""
    fields = first_fields(text)
    declared = _declared(schema)
    if schema is not None and is_row(fields, schema):
        names = [str(name) for name in schema.names] if schema.has_names else [str(i) for i in range(len(fields))]
        header, start = csv_line(names) if schema.has_names else b"", 0
    else:
        names, start = fields, csv_text.first_row_end(text)
        header = text[:start]
        if header and not header.endswith((b"\n", b"\r")):
            header += b"\n"
    types = declared if quick and schema is not None and _is_quick(schema, declared, names) else None
    return Layout(names, header, types, declared), start


def _declared(schema: Schema | None) -> dict[str, str]:
    if schema is None or schema.is_tensor or not schema.has_names:
        return {}
    return {
        str(spec.name): spec.type.name
        for spec in schema.columns
        if isinstance(spec.type, Scalar) and spec.type.name in _ARROW_TYPES
    }


def _is_quick(schema: Schema, declared: dict[str, str], names: list[str]) -> bool:
    """Whether pyarrow can be asked at all: named columns of plain types, each there once.

    In a file of one text column a line of blanks may be a value or nothing at all, which only pandas knows.
    """
    if len(declared) != len(schema.specs) or any(names.count(name) != 1 for name in declared):
        return False
    return names != list(declared) or len(names) > 1 or "string" not in declared.values()


def _quick_table(text: bytes, names: list[str], types: dict[str, str]) -> Any:
    """The declared columns as pandas and the worker would read them, or None: cannot tell."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not text or ({"long", "integer"} & set(types.values()) and (b"0x" in text or b"0X" in text)):
        return None  # pyarrow would read hexadecimal numbers
    try:
        table = _parsed(text, names, types)
    except pa.ArrowInvalid:
        return None
    columns = []
    for name, kind in types.items():
        column = table.column(name)
        if kind in ("double", "float"):
            column = column.fill_null(float("nan")) if column.null_count else column
        elif column.null_count or (
            kind == "string" and pc.any(pc.is_in(column, pa.array((*_MISSING, "None")))).as_py()
        ):
            return None
        columns.append(column)
    return pa.table(dict(zip(types, columns, strict=True))) if table.num_rows else None


def _parsed(text: bytes, names: list[str], types: dict[str, str]) -> Any:
    """Those columns of the text, by pyarrow. Raises ArrowInvalid."""
    import pyarrow as pa
    from pyarrow import csv

    places = {str(names.index(name)): getattr(pa, _ARROW_TYPES[kind])() for name, kind in types.items()}
    table = csv.read_csv(
        pa.BufferReader(text),
        csv.ReadOptions(
            use_threads=False,  # several chunks are read at a time as it is
            block_size=len(text) + 1,
            column_names=[str(place) for place in range(len(names))],
        ),
        csv.ParseOptions(newlines_in_values=b'"' in text),
        csv.ConvertOptions(
            check_utf8=True,
            column_types=places,
            include_columns=list(places),
            null_values=_MISSING,
            true_values=["True", "TRUE", "true"],
            false_values=["False", "FALSE", "false"],
            strings_can_be_null=False,
        ),
    )
    return table.rename_columns(list(types))
