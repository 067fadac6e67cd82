"""The control process: what it wants, what it is told. The messages are those of ``table``.

A control process that begins is told one report for each set there is, then the version that is in force, if any is.
"""

from collections.abc import Callable
from typing import Any

from modelport.messages import message_line
from modelport.supervisor.child import Child
from modelport.supervisor.settings import Settings
from modelport.supervisor.table import Report, Table

STOP_GRACE = 10.0
"""Seconds it has to end by itself."""


class ControlLink:
    """``on_table`` is called with what it wants; ``reports()`` are all there are."""

    def __init__(
        self,
        settings: Settings,
        listener: int,
        metrics: int,
        on_table: Callable[[Table], None],
        reports: Callable[[], list[Report]],
    ) -> None:
        self._on_table = on_table
        self._reports = reports
        self._applied: int | None = None
        self._child = Child(
            "control", settings.control, [listener, metrics], first=self._first, hear=self._hear, ended=lambda: None
        )

    def begin(self) -> None:
        """Have it run from now on."""
        self._child.begin()

    def report(self, report: Report) -> None:
        """A set of workers changed."""
        self._child.tell(message_line(workers=report.as_dict()))

    def applied(self, version: int) -> None:
        """Every scoring process routes by this version."""
        self._applied = version
        self._child.tell(message_line(applied=version))

    async def stop(self) -> None:
        """Returns when it has ended."""
        await self._child.stop(STOP_GRACE)

    def _first(self) -> bytes:
        lines = [message_line(workers=report.as_dict()) for report in self._reports()]
        if self._applied is not None:
            lines.append(message_line(applied=self._applied))
        return b"".join(lines)

    def _hear(self, message: dict[str, Any]) -> None:
        self._on_table(Table.from_dict(message["table"]))
