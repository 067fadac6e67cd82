"""A scoring process: the HTTP server, the routes and the pools of one address, put together and ended in order.

`modelport serve` is one by itself; with `--processes M` it starts M of them (`main` below), which share the listening
socket and are told the routing table over a control socket, in JSON lines. `modelport up` starts them likewise, for endpoints.

    parent → child   {"settings", "process", "processes"} first · {"row"} · {"listen"} · {"drain"}
                     serve: {"reloaded", "models"}    up: {"table": {"version", "endpoints"}} · {"gone": set's id}
    child → parent   {"ready"} · {"answered": worker} · {"overrun": worker}
                     serve: {"reload"}                up: {"applied": version} · {"drained": set's id}
"""

import asyncio
import itertools
import json
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from modelport.messages import MAX_LINE, message_line
from modelport.serving.access_log import AccessLog
from modelport.serving.address import AddressSettings, tls_context
from modelport.serving.http import HttpServer, Limits
from modelport.serving.metrics import Memory, Metrics, WorkerGauge
from modelport.serving.model_routes import ModelRoutes, Options
from modelport.serving.routes import Reload, Routes
from modelport.serving.routing_table import Row
from modelport.serving.served_model import ServedModel
from modelport.workers.memory import resident_memory
from modelport.workers.pool import Pool

DEPTH_INTERVAL = 1.0
"""Seconds between two writings of a process's queue depth, where several processes show their sum."""

PARENTLESS = 5.0
"""Seconds that a child goes on without its parent: the workers have ended with it, or will, and nobody starts others."""


@dataclass(frozen=True)
class ScoringSettings(AddressSettings):
    """What a scoring process of `serve` must know; crosses to child processes as JSON."""

    models: list[str]
    """The names of all models there will ever be in its routing table; their metrics have places in this order."""
    named: bool
    """They are at ``/models/NAME``, and what is at the root belongs to none of them."""
    timeout: float
    max_queue: int
    retry_user_code: bool
    api_key: str | None

    @property
    def metrics(self) -> list[str]:
        """Whose metrics there are: the models', and those of no model by the empty name."""
        return ["", *self.models] if self.named else self.models


class _Served:
    """A row of the routing table, and what serves it here."""

    def __init__(self, row: Row, pool: Pool) -> None:
        self.row = row
        self.pool = pool


class Scoring:
    """Everything of one scoring process. ``process`` of ``processes`` is its share of the common counters."""

    def __init__(
        self,
        settings: ScoringSettings,
        metrics_descriptor: int,
        process: int,
        processes: int,
        on_answer: Callable[[int], None],
        on_overrun: Callable[[int], None],
        on_reload: Reload,
    ) -> None:
        self._settings = settings
        self._processes = processes
        self._loop = asyncio.get_running_loop()
        self._showing: asyncio.TimerHandle | None = None
        self._on_answer, self._on_overrun = on_answer, on_overrun
        self._served: dict[str, _Served] = {}
        names = settings.metrics
        memory = Memory(metrics_descriptor, processes)
        self._metrics = {name: Metrics(memory, process, position) for position, name in enumerate(names)}
        self._access_log = AccessLog(settings.access_log)
        self._routes = Routes(
            self._metrics,
            self._access_log,
            ready=lambda: all(served.pool.ready for served in self._served.values()),
            api_key=settings.api_key,
            on_reload=on_reload,
        )
        limits = Limits(settings.max_body, settings.max_buffered)
        self._http = HttpServer(self._routes, limits, lambda status: self._metrics[names[0]].count("other", status))

    async def listen(self, sock: socket.socket) -> None:
        """Accept connections from now on."""
        await self._http.listen(sock, tls_context(self._settings))
        if self._processes > 1:
            self._show_depth()

    def _show_depth(self) -> None:
        """Whichever process is asked for metrics shows what all of them wrote down."""
        for metrics in self._metrics.values():
            metrics.publish_depth()
        self._showing = self._loop.call_later(DEPTH_INTERVAL, self._show_depth)

    async def update(self, row: Row) -> None:
        """A row of the routing table has changed, or is new."""
        served = self._served.get(row.name)
        if served is None:
            served = self._served[row.name] = _Served(row, self._pool())
            self._count(served)
            self._serve(served)
        else:
            before, served.row = served.row, row
            if (row.folder, row.mlmodel) != (before.folder, before.mlmodel):
                self._serve(served)
        await served.pool.update(row.workers)

    def _pool(self) -> Pool:
        settings = self._settings
        return Pool(
            timeout=settings.timeout,
            max_queue=settings.max_queue,
            retry_user_code=settings.retry_user_code,
            on_answer=self._on_answer,
            on_overrun=self._on_overrun,
        )

    def _count(self, served: _Served) -> None:
        metrics = self._metrics[served.row.name]
        metrics.depth = lambda: (served.pool.waiting, served.pool.open)
        metrics.workers = lambda: [WorkerGauge(w.id, resident_memory(w.pid)) for w in served.row.workers]
        metrics.restarts = lambda: served.row.restarts

    def _serve(self, served: _Served) -> None:
        settings, row = self._settings, served.row
        options = Options(
            tracebacks=settings.tracebacks,
            timing=settings.server_timing,
            max_body=settings.max_body,
            wants_key=settings.api_key is not None,
        )
        assert row.prefix is not None  # only rows of `up` have none
        model = ServedModel(row.name, Path(row.folder), row.mlmodel)
        routes = ModelRoutes(served.pool, self._metrics[row.name], self._access_log, model, row.prefix, options)
        self._routes.serve(row.name, routes)

    async def drain(self, limit: float | None = None) -> None:
        """Answer what was asked, then close everything; within ``limit`` seconds, None: within a request's time-out."""
        await self._http.drain(self._settings.timeout if limit is None else limit)
        if self._showing is not None:
            self._showing.cancel()
        for served in self._served.values():
            served.pool.close()
        self._access_log.close()


class _Parent:
    """What a child tells its parent, and is told."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._numbers = itertools.count()
        self._reloads: dict[int, asyncio.Future[list[dict[str, Any]]]] = {}

    def tell(self, **message: Any) -> None:
        if not self._writer.is_closing():  # when it is gone, this process is draining
            self._writer.write(message_line(**message))

    async def reload(self) -> list[dict[str, Any]]:
        """Have the parent load models anew; what it says of each of them."""
        number = next(self._numbers)
        answer = self._reloads[number] = asyncio.get_running_loop().create_future()
        self.tell(reload=number)
        models: list[dict[str, Any]] = await answer
        return models

    def reloaded(self, number: int, models: list[dict[str, Any]]) -> None:
        self._reloads.pop(number).set_result(models)


async def _run(control: socket.socket, listener: socket.socket, metrics_descriptor: int) -> None:
    """A child's life: settings, then what there is to answer, until it is told to drain or its parent is gone."""
    reader, writer = await asyncio.open_unix_connection(sock=control, limit=MAX_LINE)
    parent = _Parent(writer)
    first = json.loads(await reader.readline())
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, lambda: None)  # the parent decides when to drain, and to load anew
    child = (_ServeChild if "models" in first["settings"] else _UpChild)(first, metrics_descriptor, parent)
    limit: float | None = PARENTLESS
    while line := await reader.readline():
        message = json.loads(line)
        if "drain" in message:
            limit = None
            break
        if "row" in message:
            await child.scoring.update(Row.from_dict(message["row"]))
        elif "listen" in message:
            await child.scoring.listen(listener)
            parent.tell(ready=True)
        else:
            child.hear(message)
    await child.scoring.drain(limit)


class _ServeChild:
    """A child of `serve`."""

    def __init__(self, first: dict[str, Any], metrics_descriptor: int, parent: _Parent) -> None:
        self._parent = parent
        self.scoring = Scoring(
            ScoringSettings(**first["settings"]),
            metrics_descriptor,
            first["process"],
            first["processes"],
            on_answer=lambda id: parent.tell(answered=id),
            on_overrun=lambda id: parent.tell(overrun=id),
            on_reload=parent.reload,
        )

    def hear(self, message: dict[str, Any]) -> None:
        self._parent.reloaded(message["reloaded"], message["models"])


class _UpChild:
    """A child of `up`."""

    def __init__(self, first: dict[str, Any], metrics_descriptor: int, parent: _Parent) -> None:
        from modelport.serving.endpoint_scoring import EndpointScoring  # nothing of endpoints at the start of `serve`

        self._parent = parent
        self.scoring = EndpointScoring(
            AddressSettings(**first["settings"]),
            metrics_descriptor,
            first["process"],
            first["processes"],
            on_answer=lambda id: parent.tell(answered=id),
            on_overrun=lambda id: parent.tell(overrun=id),
        )

    def hear(self, message: dict[str, Any]) -> None:
        from modelport.supervisor.table import endpoint_from_dict

        if "table" in message:
            table = message["table"]
            self.scoring.apply([endpoint_from_dict(endpoint) for endpoint in table["endpoints"]])
            self._parent.tell(applied=table["version"])
        elif "gone" in message:
            self.scoring.leave(message["gone"], lambda: self._parent.tell(drained=message["gone"]))


def child_message(settings: ScoringSettings, process: int, processes: int) -> bytes:
    """The first line a child is sent."""
    return message_line(settings=asdict(settings), process=process, processes=processes)


def main() -> None:
    """Entry point of a child: file descriptors of control socket, listening socket and metrics memory."""
    import uvloop

    control, listener, metrics = (int(argument) for argument in sys.argv[1:4])
    uvloop.run(_run(socket.socket(fileno=control), socket.socket(fileno=listener), metrics))


if __name__ == "__main__":
    main()
