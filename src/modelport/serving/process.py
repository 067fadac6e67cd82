"""A scoring process: the HTTP server, the routes and the pools of one address, put together and ended in order.

`modelport serve` is one by itself; with `--processes M` it starts M of them (`main` below), which share the listening
socket and are told the routing table over a control socket, in JSON lines.
"""

import asyncio
import itertools
import json
import signal
import socket
import ssl
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from modelport.errors import CannotStart
from modelport.serving.access_log import AccessLog
from modelport.serving.http import HttpServer, Limits
from modelport.serving.metrics import Metrics, WorkerGauge
from modelport.serving.model_routes import ModelRoutes, Options
from modelport.serving.routes import Reload, Routes
from modelport.serving.routing_table import Row
from modelport.serving.served_model import ServedModel
from modelport.workers.memory import resident_memory
from modelport.workers.pool import Pool

DEPTH_INTERVAL = 1.0
"""Seconds between two writings of a process's queue depth, where several processes show their sum."""


MAX_LINE = 1 << 28
"""Bytes of a line on the control socket: it holds a whole MLmodel file."""


@dataclass(frozen=True)
class ScoringSettings:
    """What a scoring process must know; crosses to child processes as JSON."""

    models: list[str]
    """The names of all models there will ever be in its routing table; their metrics have places in this order."""
    named: bool
    """They are at ``/models/NAME``, and what is at the root belongs to none of them."""
    timeout: float
    max_queue: int
    max_body: int
    max_buffered: int
    retry_user_code: bool
    api_key: str | None
    access_log: str
    tracebacks: bool
    ssl_certfile: str | None
    ssl_keyfile: str | None
    server_timing: bool

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
        self._metrics = {
            name: Metrics(metrics_descriptor, process, processes, position, len(names))
            for position, name in enumerate(names)
        }
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
        model = ServedModel(row.name, Path(row.folder), row.mlmodel)
        routes = ModelRoutes(served.pool, self._metrics[row.name], self._access_log, model, row.prefix, options)
        self._routes.serve(row.name, routes)

    async def drain(self) -> None:
        """Answer what was asked, then close everything."""
        await self._http.drain(self._settings.timeout)
        if self._showing is not None:
            self._showing.cancel()
        for served in self._served.values():
            served.pool.close()
        self._access_log.close()


def tls_context(settings: ScoringSettings) -> ssl.SSLContext | None:
    """What `--ssl-certfile` and `--ssl-keyfile` ask for. Raises CannotStart where they cannot be used."""
    if settings.ssl_certfile is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(settings.ssl_certfile, settings.ssl_keyfile)
    except OSError as error:
        message = f"cannot use the certificate '{settings.ssl_certfile}' with its key: {error}"
        raise CannotStart(
            message, hint="--ssl-certfile and --ssl-keyfile are PEM files that belong together."
        ) from None
    return context


class _Parent:
    """What a child tells its parent, and is told."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer = writer
        self._numbers = itertools.count()
        self._reloads: dict[int, asyncio.Future[list[dict[str, Any]]]] = {}

    def tell(self, **message: Any) -> None:
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
    """A child's life: settings, then rows of the routing table, until it is told to drain or its parent is gone."""
    reader, writer = await asyncio.open_unix_connection(sock=control, limit=MAX_LINE)
    parent = _Parent(writer)
    first = json.loads(await reader.readline())
    scoring = Scoring(
        ScoringSettings(**first["settings"]),
        metrics_descriptor,
        first["process"],
        first["processes"],
        on_answer=lambda id: parent.tell(answered=id),
        on_overrun=lambda id: parent.tell(overrun=id),
        on_reload=parent.reload,
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, lambda: None)  # the parent decides when to drain, and to load anew
    while line := await reader.readline():
        message = json.loads(line)
        if message.get("drain"):
            break
        if "row" in message:
            await scoring.update(Row.from_dict(message["row"]))
        elif "reloaded" in message:
            parent.reloaded(message["reloaded"], message["models"])
        else:
            await scoring.listen(listener)
            parent.tell(ready=True)
    await scoring.drain()


def message_line(**message: Any) -> bytes:
    """A message on the control socket. A parent's: ``settings`` first, then ``row``, ``listen``, ``reloaded``, ``drain``."""
    return json.dumps(message).encode() + b"\n"


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
