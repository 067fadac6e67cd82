"""The scoring processes of one address as whoever keeps the workers sees them: this very process, or several children."""

import asyncio
import json
import logging
import socket
import sys
import time
from collections.abc import Awaitable
from typing import Any, Protocol

from modelport.messages import MAX_LINE, message_line
from modelport.serving.address import tls_context
from modelport.serving.metrics import shared_memory
from modelport.serving.process import Scoring, ScoringSettings, child_message
from modelport.serving.routing_table import Row

log = logging.getLogger("modelport")


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
        self._count = count
        self._keeper = keeper
        self._metrics = shared_memory(count, len(settings.metrics))
        self._writers: dict[int, asyncio.StreamWriter] = {}
        self._rows: dict[str, bytes] = {}
        self._draining = False
        self._children: list[asyncio.Task[None]] = []
        self._reloads: set[asyncio.Task[None]] = set()

    def publish(self, row: Row) -> None:
        self._rows[row.name] = message_line(row=row.as_dict())
        for writer in self._writers.values():
            writer.write(self._rows[row.name])

    async def open(self) -> None:
        tls_context(self._settings)  # a certificate that cannot be used is told here, not by children that die of it
        ready = [asyncio.Event() for _ in range(self._count)]
        self._children = [asyncio.ensure_future(self._keep(process, event)) for process, event in enumerate(ready)]
        await asyncio.gather(*(event.wait() for event in ready))

    async def drain(self) -> None:
        self._draining = True
        for writer in self._writers.values():
            writer.write(message_line(drain=True))
        self._listener.close()
        await asyncio.gather(*self._children)
        for task in self._reloads:
            task.cancel()

    async def _keep(self, process: int, ready: asyncio.Event) -> None:
        pause = 0.1
        while not self._draining:
            began = time.monotonic()
            try:
                await self._run_child(process, ready)
            except OSError as error:
                log.error("scoring process %d cannot be started: %s", process, error)
            if self._draining:
                return
            log.warning("scoring process %d ended: it is started again", process)
            pause = 0.1 if time.monotonic() - began > 10 else min(pause * 2, 10.0)
            await asyncio.sleep(pause)

    async def _run_child(self, process: int, ready: asyncio.Event) -> None:
        ours, theirs = socket.socketpair()
        descriptors = [theirs.fileno(), self._listener.fileno(), self._metrics]
        child = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "modelport.serving.process",
            *(str(descriptor) for descriptor in descriptors),
            pass_fds=descriptors,
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        reader, writer = await asyncio.open_unix_connection(sock=ours, limit=MAX_LINE)
        first = child_message(self._settings, process, self._count)
        writer.write(b"".join([first, *self._rows.values(), message_line(listen=True)]))
        self._writers[process] = writer
        if self._draining:  # it was being started when the others were told
            writer.write(message_line(drain=True))
        try:
            while text := await reader.readline():
                self._hear(json.loads(text), writer, ready)
        except ConnectionError:
            pass
        finally:
            del self._writers[process]
            writer.close()
            try:
                await asyncio.wait_for(child.wait(), 5)
            except TimeoutError:
                child.kill()
                await child.wait()

    def _hear(self, message: dict[str, Any], writer: asyncio.StreamWriter, ready: asyncio.Event) -> None:
        if "answered" in message:
            self._keeper.answered(message["answered"])
        elif "overrun" in message:
            self._keeper.overrun(message["overrun"])
        elif "reload" in message:
            task = asyncio.ensure_future(self._reload(message["reload"], writer))
            self._reloads.add(task)
            task.add_done_callback(self._reloads.discard)
        else:
            ready.set()

    async def _reload(self, number: int, writer: asyncio.StreamWriter) -> None:
        writer.write(message_line(reloaded=number, models=await self._keeper.reload()))
