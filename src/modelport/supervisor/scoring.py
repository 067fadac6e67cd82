"""The scoring processes: what each of them knows, and what all of them have said.

Supervisor → scoring, in JSON lines: ``settings``, ``process``, ``processes`` (the first line); ``row``; ``table``; ``listen``;
``gone`` (this set is not wanted any more: finish what is open); ``drain``.
Scoring → supervisor: ``applied`` (version), ``ready`` (it listens), ``drained`` (nothing of this set is open here),
``answered``, ``overrun`` (worker ids).
"""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from modelport.messages import message_line
from modelport.serving.routing_table import Row
from modelport.supervisor.child import Child
from modelport.supervisor.settings import Settings
from modelport.supervisor.table import Table

log = logging.getLogger("modelport.supervisor")


class ScoringProcesses:
    """All of them. ``on_applied(version)`` is called when each routes by this table, the other two when one says so."""

    def __init__(
        self,
        settings: Settings,
        listener: int,
        metrics: int,
        *,
        on_applied: Callable[[int], None],
        on_answer: Callable[[int], None],
        on_overrun: Callable[[int], None],
    ) -> None:
        self.on_answer, self.on_overrun = on_answer, on_overrun
        self._on_applied = on_applied
        self._version = 0
        self._told = -1
        self._table = _table_line(Table())
        self._rows: dict[str, bytes] = {}
        self._leaving: dict[str, _Leaving] = {}
        self._processes = [
            _Process(self, settings, number, listener, metrics) for number in range(settings.scoring_processes)
        ]

    def begin(self) -> None:
        """Start them; each listens once it has applied the table."""
        for process in self._processes:
            process.child.begin()

    def publish(self, row: Row) -> None:
        """A set of workers is ready, or other workers are in it."""
        text = message_line(row=row.as_dict())
        leaving = self._leaving.get(row.name)
        if leaving is None:
            self._rows[row.name] = text
        for process in self._running() if leaving is None else leaving.waiting:
            process.child.tell(text)

    def route(self, table: Table) -> None:
        """Route by this table from now on."""
        self._version = table.version
        self._table = _table_line(table)
        for process in self._running():
            process.child.tell(self._table)

    async def release(self, id: str, timeout: float) -> None:
        """Returns when nothing of this set is open anywhere, or when ``timeout`` seconds have passed."""
        if self._rows.pop(id, None) is None:
            return  # nobody was ever told of it
        leaving = self._leaving[id] = _Leaving(set(self._running()))
        for process in leaving.waiting:
            process.child.tell(message_line(gone=id))
        try:
            async with asyncio.timeout(timeout):
                await leaving.wait()
        except TimeoutError:
            log.warning("requests to %s are still open after %.0f s: its workers are ended", id, timeout)
        finally:
            del self._leaving[id]

    async def drain(self, grace: float) -> None:
        """They answer what was asked, and end."""
        await asyncio.gather(*(process.child.stop(grace, message_line(drain=True)) for process in self._processes))

    def _running(self) -> list["_Process"]:
        return [process for process in self._processes if process.applied is not None]

    # -- what they say -------------------------------------------------------------------------------------------------

    def first_lines(self) -> bytes:
        """All that one which begins must know."""
        return b"".join([*self._rows.values(), self._table])

    def applied(self) -> None:
        """One of them has applied a table, or is gone."""
        running = self._running()
        if running and self._told != self._version and all(process.has(self._version) for process in running):
            self._told = self._version
            self._on_applied(self._version)

    def drained(self, process: "_Process", ids: list[str]) -> None:
        """Nothing of these sets is open in it."""
        for id in ids:
            if id in self._leaving:
                self._leaving[id].without(process)

    def ended(self, process: "_Process") -> None:
        """It is gone, and all that was open in it."""
        self.drained(process, list(self._leaving))
        self.applied()


class _Leaving:
    """A set that is not wanted any more, and the processes in which something of it may be open."""

    def __init__(self, waiting: set["_Process"]) -> None:
        self.waiting = waiting
        self._empty = asyncio.Event()

    def without(self, process: "_Process") -> None:
        self.waiting.discard(process)
        if not self.waiting:
            self._empty.set()

    async def wait(self) -> None:
        if self.waiting:
            await self._empty.wait()


class _Process:
    """One scoring process. ``applied`` is the version it routes by; -1 before the first, None when it does not run."""

    def __init__(self, all: ScoringProcesses, settings: Settings, number: int, listener: int, metrics: int) -> None:
        self.applied: int | None = None
        self._all = all
        self._number = number
        self._settings = settings
        self._listens = False
        self.child = Child(
            f"scoring process {number}",
            settings.scoring,
            [listener, metrics],
            first=self._first,
            hear=self._hear,
            ended=self._ended,
        )

    def has(self, version: int) -> bool:
        return self.applied is not None and self.applied >= version

    def _first(self) -> bytes:
        self.applied, self._listens = -1, False
        settings = self._settings
        first = message_line(
            settings=settings.scoring_settings, process=self._number, processes=settings.scoring_processes
        )
        return first + self._all.first_lines()

    def _hear(self, message: dict[str, Any]) -> None:
        if "answered" in message:
            self._all.on_answer(message["answered"])
        elif "overrun" in message:
            self._all.on_overrun(message["overrun"])
        elif "applied" in message:
            self.applied = message["applied"]
            if not self._listens:
                self._listens = True
                self.child.tell(message_line(listen=True))
            self._all.applied()
        elif "drained" in message:
            self._all.drained(self, [message["drained"]])
        else:
            log.info("scoring process %d listens", self._number)

    def _ended(self) -> None:
        self.applied = None
        self._all.ended(self)


def _table_line(table: Table) -> bytes:
    return message_line(
        table={"version": table.version, "endpoints": [asdict(endpoint) for endpoint in table.endpoints]}
    )
