"""JSON lines in chunks, joined into one request without a look at them; and a JSON file, which is one request as it is."""

import json
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Self

from modelport.errors import InvalidInput
from modelport.files.chunk import Chunk, Request, TextChunk
from modelport.files.source import Source, blocks


class LinesChunk(TextChunk):
    """Records, one a line. ``key``: under which they are sent."""

    def __init__(self, key: str, text: bytes, consumed: int, line: int, lines: list[int] | None = None) -> None:
        super().__init__(text, consumed, line, lines)
        self._key = key

    def _of(self, text: bytes, lines: list[int]) -> Self:
        return type(self)(self._key, text, self.consumed, self._line, lines)

    def _split(self) -> list[tuple[int, bytes]]:
        return [(number, record) for number, record in enumerate(self.text.splitlines()) if record.strip()]

    def request(self) -> Request:
        records = b",".join(record for _, record in self._rows)
        return Request("json", b'{"%b":[%b]}' % (self._key.encode(), records))

    def value(self, row: int, column: Any) -> Any:
        try:
            return self.record(row).get(str(column))
        except InvalidInput:
            return None

    def record(self, row: int) -> dict[str, Any]:
        """One record. Raises InvalidInput where it is none."""
        try:
            record = json.loads(self._rows[row][1])
        except (ValueError, RecursionError) as error:
            raise InvalidInput(f"this is no JSON: {error}") from None
        if not isinstance(record, dict):
            raise InvalidInput("this is no JSON object")
        return record

    def misread(self, message: str) -> tuple[int | None, str]:
        for row in range(len(self._rows)):
            try:
                self.record(row)
            except InvalidInput as error:
                return row, error.message
        return None, message

    def table(self) -> Any:
        import pyarrow as pa

        records = [self.record(row) for row in range(len(self._rows))]
        try:
            return pa.Table.from_pylist(records, _schema_over(records))
        except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
            raise InvalidInput(
                f"the columns of the input cannot be kept beside the predictions: {error}",
                hint="JSON lines as output keep them as they are.",
            ) from None


def _schema_over(records: list[dict[str, Any]]) -> Any:
    """The columns of all records, not only of the first one, which is where Arrow looks."""
    import pyarrow as pa

    names = dict.fromkeys(name for record in records for name in record)
    return pa.schema([(name, pa.array([record.get(name) for record in records]).type) for name in names])


class JsonChunk:
    """A whole JSON body, in any of the forms that `/invocations` takes."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self.consumed = len(body)

    def request(self) -> Request:
        return Request("json", self._body)

    def rows(self) -> int:
        return 1

    def place(self, row: int) -> dict[str, Any]:
        return {"row": row}

    def value(self, row: int, column: Any) -> Any:
        return None

    def as_it_stood(self, row: int) -> Any:
        return None

    def pick(self, rows: Sequence[int]) -> "JsonChunk":
        return self

    def misread(self, message: str) -> tuple[int | None, str]:
        return None, message

    def table(self) -> Any:
        raise InvalidInput("the columns of a JSON file cannot be kept", hint="Give the rows as JSON lines or CSV.")


def read_lines(source: Source, size: int | None, rows: int | None, key: str) -> Iterator[Chunk]:
    """The chunks of a file of JSON lines, at least one: of about ``size`` bytes, or of ``rows`` rows each."""
    line, found = 1, False
    for text in blocks(source, size, lambda text: text.rfind(b"\n") + 1):
        for part in [text] if rows is None else _parts(text, rows):
            yield LinesChunk(key, part, source.consumed, line)
            line += part.count(b"\n")
            found = True
    if not found:
        yield LinesChunk(key, b"", 0, 1)


def _parts(text: bytes, rows: int) -> Iterator[bytes]:
    lines = iter(text.splitlines(keepends=True))
    while part := list(islice(lines, rows)):
        yield b"".join(part)
