"""How far it is, on a terminal: one line, redrawn."""

import time
from typing import TextIO

REDRAW = 0.2
"""Seconds between two looks."""
_WIDTH = 24


class Progress:
    """Counts rows and bytes; ``total`` bytes of the input, None where nobody knows."""

    def __init__(self, stream: TextIO, total: int | None) -> None:
        self._stream = stream
        self._total = total
        self._began = time.monotonic()
        self._first: float | None = None
        self.rows = 0
        self._bytes = 0
        self.drawn = False

    def add(self, rows: int, consumed: int) -> None:
        """So many more rows are written; the input is used up to ``consumed``."""
        if self._first is None:
            self._first = time.monotonic()
        self.rows += rows
        self._bytes = consumed

    def draw(self) -> None:
        self._stream.write(f"\r\x1b[2K{self._line()}")
        self._stream.flush()
        self.drawn = True

    def clear(self) -> None:
        if self.drawn:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._began

    def _line(self) -> str:
        if self._first is None:
            return "loading the model …"
        passed = max(time.monotonic() - self._began, 1e-9)
        counted = f"{self.rows:,} rows, {self.rows / passed:,.0f} rows/s"
        if not self._total:
            return counted
        share = min(self._bytes / self._total, 1.0)
        done = int(share * _WIDTH)
        left = (time.monotonic() - self._first) * (1 - share) / share if share else 0.0
        return f"[{'#' * done}{'.' * (_WIDTH - done)}] {share:4.0%}  {counted}, {_clock(left)} left"


def _clock(seconds: float) -> str:
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
