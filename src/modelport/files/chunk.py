"""``Chunk``: some rows of an input, what a worker is sent of them, and where each of them stands in the file."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any, NamedTuple, Protocol, Self

MAX_SHOWN = 80
"""Characters of a value that a message shows."""


class Request(NamedTuple):
    """What a worker is sent: the ``content`` of ``modelport_runtime.scoring.Form``, and a body."""

    content: str
    body: bytes


class Chunk(Protocol):
    """Rows of an input. Its functions may be called in any thread."""

    consumed: int
    """Bytes of the input up to the end of this chunk."""

    def request(self) -> Request:
        """These rows as a worker reads them."""

    def rows(self) -> int:
        """How many there are."""

    def place(self, row: int) -> dict[str, Any]:
        """Where a row stands in its file: ``{"line": n}`` from 1 on, or ``{"row": n}`` from 0 on."""

    def value(self, row: int, column: Any) -> Any:
        """What stands in a row under a column; None where that is not known."""

    def as_it_stood(self, row: int) -> Any:
        """A row for the file of rejects."""

    def pick(self, rows: Sequence[int]) -> "Chunk":
        """Only these rows, in this order."""

    def misread(self, message: str) -> tuple[int | None, str]:
        """The row that a worker's message, which names no row, is about; and the message in terms of the file."""

    def table(self) -> Any:
        """All input columns as an Arrow table, to be kept beside the predictions."""


class TextChunk(ABC):
    """What chunks of text share. ``line``: that of the file, from 1 on, in which the text begins; ``lines``: of each row that
    was picked."""

    def __init__(self, text: bytes, consumed: int, line: int, lines: list[int] | None) -> None:
        self.text = text
        self.consumed = consumed
        self._line = line
        self._lines = lines

    @abstractmethod
    def _split(self) -> list[tuple[int, bytes]]:
        """The rows that are not blank, without their ends; before each the line of the text, from 0 on, where it begins."""

    @abstractmethod
    def _of(self, text: bytes, lines: list[int]) -> Self:
        """A chunk of the same file."""

    @cached_property
    def _rows(self) -> list[tuple[int, bytes]]:
        return self._split()

    def rows(self) -> int:
        return len(self._rows)

    def place(self, row: int) -> dict[str, Any]:
        return {"line": self._lines[row] if self._lines is not None else self._line + self._rows[row][0]}

    def as_it_stood(self, row: int) -> Any:
        return self._rows[row][1].decode("utf-8", "replace")

    def pick(self, rows: Sequence[int]) -> Self:
        text = b"".join(self._rows[row][1] + b"\n" for row in rows)
        return self._of(text, [self.place(row)["line"] for row in rows])


def shown(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"
