"""The scoring processes of one address as whoever keeps the workers sees them: this very process, or several children."""

import asyncio
import socket
from collections.abc import Awaitable
from typing import Any, Protocol

from modelport.messages import message_line
from modelport.serving.address import tls_context
from modelport.serving.metrics import shared_memory
from modelport.serving.process import Scoring, ScoringSettings, child_message
from modelport.serving.routing_table import Row
from modelport.supervisor.child import Child
from modelport.supervisor.settings import SCORING

DRAIN_GRACE = 10.0
"""Seconds beyond a request's time-out that a child has to answer what it was asked."""


class Keeper(Protocol):
    """Who keeps the workers: is told what scoring processes see of them, and loads models anew."""

    def answered(self, worker_id: int) -> None:
        """This worker gave its first answer."""

    def overrun(self, worker_id: int) -> None:
        """A request ran past its deadline in this worker."""

    def reload(self) -> Awaitable[list[dict[str, Any]]]:
        """Load anew the models whose files have changed; what became of each."""


class ScoringProcesses(Protocol):
    """What answers at the address. ``publish`` may be called at any time, ``open`` once, ``drain`` at the end."""

    def publish(self, row: Row) -> None:
        """A row of the routing table is new or has changed."""

    async def open(self) -> None:
        """Accept connections from now on."""

    async def drain(self) -> None:
        """Answer what was asked, take no more."""


def scoring_processes(
    settings: ScoringSettings, count: int, listener: socket.socket, keeper: Keeper
) -> ScoringProcesses:
    """``count`` scoring processes on the listening socket."""
    return _ThisProcess(settings, listener, keeper) if count == 1 else _Children(settings, count, listener, keeper)


class _ThisProcess:
    def __init__(self, settings: ScoringSettings, listener: socket.socket, keeper: Keeper) -> None:
        self._listener = listener
        self._scoring = Scoring(
            settings,
            shared_memory(1, len(settings.metrics)),
            0,
            1,
            on_answer=keeper.answered,
            on_overrun=keeper.overrun,
            on_reload=keeper.reload,
        )
        self._updates: set[asyncio.Task[None]] = set()

    def publish(self, row: Row) -> None:
        task = asyncio.ensure_future(self._scoring.update(row))
        self._updates.add(task)
        task.add_done_callback(self._updates.discard)

    async def open(self) -> None:
        await asyncio.gather(*self._updates)
        await self._scoring.listen(self._listener)

    async def drain(self) -> None:
        await self._scoring.drain()


class _Children:
    """They share the listening socket; one that dies is started again."""

    def __init__(self, settings: ScoringSettings, count: int, listener: socket.socket, keeper: Keeper) -> None:
        self._settings = settings
        self._listener = listener
        self._keeper = keeper
        self._rows: dict[str, bytes] = {}
        self._listening = [asyncio.Event() for _ in range(count)]
        metrics = shared_memory(count, len(settings.metrics))
        self._children = [self._child(number, metrics) for number in range(count)]
        self._reloads: set[asyncio.Task[None]] = set()

    def publish(self, row: Row) -> None:
        line = self._rows[row.name] = message_line(row=row.as_dict())
        for child in self._children:
            child.tell(line)

    async def open(self) -> None:
        tls_context(self._settings)  # a certificate that cannot be used is told here, not by children that die of it
        for child in self._children:
            child.begin()
        await asyncio.gather(*(event.wait() for event in self._listening))

    async def drain(self) -> None:
        self._listener.close()
        grace = self._settings.timeout + DRAIN_GRACE
        await asyncio.gather(*(child.stop(grace, message_line(drain=True)) for child in self._children))
        for task in self._reloads:
            task.cancel()

    def _child(self, number: int, metrics: int) -> Child:
        return Child(
            f"scoring process {number}",
            SCORING,
            [self._listener.fileno(), metrics],
            first=lambda: self._first(number),
            hear=lambda message: self._hear(message, number),
            ended=lambda: None,
        )

    def _first(self, number: int) -> bytes:
        first = child_message(self._settings, number, len(self._children))
        return b"".join([first, *self._rows.values(), message_line(listen=True)])

    def _hear(self, message: dict[str, Any], number: int) -> None:
        if "answered" in message:
            self._keeper.answered(message["answered"])
        elif "overrun" in message:
            self._keeper.overrun(message["overrun"])
        elif "reload" in message:
            task = asyncio.ensure_future(self._reload(message["reload"], self._children[number]))
            self._reloads.add(task)
            task.add_done_callback(self._reloads.discard)
        else:
            self._listening[number].set()

    async def _reload(self, number: int, child: Child) -> None:
        child.tell(message_line(reloaded=number, models=await self._keeper.reload()))
