"""A scoring process: the HTTP server, the routes and the pool of one address, put together and ended in order.

`modelport serve` is one by itself; with `--processes M` it starts M of them (`main` below), which share the listening
socket and are told over a control socket, in JSON lines, which workers there are.
"""

import asyncio
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
from modelport.serving.metrics import Metrics, WorkerGauge, resident_memory
from modelport.serving.routes import Routes
from modelport.serving.served_model import ServedModel
from modelport.workers.pool import Pool
from modelport.workers.process import WorkerAddress

DEPTH_INTERVAL = 1.0
"""Seconds between two writings of a process's queue depth, where several processes show their sum."""


@dataclass(frozen=True)
class ScoringSettings:
    """What a scoring process must know; crosses to child processes as JSON."""

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
    model_name: str
    model_folder: str
    mlmodel: dict[str, Any]


class Scoring:
    """Everything of one scoring process. ``metrics_row`` of ``processes`` is its share of the common counters."""

    def __init__(
        self,
        settings: ScoringSettings,
        metrics_descriptor: int,
        metrics_row: int,
        processes: int,
        on_answer: Callable[[int], None],
        on_overrun: Callable[[int], None],
    ) -> None:
        self._settings = settings
        self._processes = processes
        self._loop = asyncio.get_running_loop()
        self._showing: asyncio.TimerHandle | None = None
        self._workers: list[WorkerAddress] = []
        self._restarts = 0
        self._pool = Pool(
            timeout=settings.timeout,
            max_queue=settings.max_queue,
            retry_user_code=settings.retry_user_code,
            on_answer=on_answer,
            on_overrun=on_overrun,
        )
        self._metrics = Metrics(metrics_descriptor, metrics_row, processes)
        self._metrics.depth = lambda: (self._pool.waiting, self._pool.open)
        self._metrics.workers = lambda: [WorkerGauge(w.id, resident_memory(w.pid)) for w in self._workers]
        self._metrics.restarts = lambda: self._restarts
        self._access_log = AccessLog(settings.access_log)
        routes = Routes(
            self._pool,
            self._metrics,
            self._access_log,
            ServedModel(settings.model_name, Path(settings.model_folder), settings.mlmodel),
            api_key=settings.api_key,
            tracebacks=settings.tracebacks,
            timing=settings.server_timing,
            max_body=settings.max_body,
        )
        limits = Limits(settings.max_body, settings.max_buffered)
        self._http = HttpServer(routes, limits, lambda status: self._metrics.count("other", status))

    async def listen(self, sock: socket.socket) -> None:
        """Accept connections from now on."""
        await self._http.listen(sock, tls_context(self._settings))
        if self._processes > 1:
            self._show_depth()

    def _show_depth(self) -> None:
        """Whichever process is asked for metrics shows what all of them wrote down."""
        self._metrics.publish_depth()
        self._showing = self._loop.call_later(DEPTH_INTERVAL, self._show_depth)

    async def update(self, workers: list[WorkerAddress], restarts: int) -> None:
        """The routing table's one row has changed."""
        self._workers, self._restarts = workers, restarts
        await self._pool.update(workers)

    async def drain(self) -> None:
        """Answer what was asked, then close everything."""
        await self._http.drain(self._settings.timeout)
        if self._showing is not None:
            self._showing.cancel()
        self._pool.close()
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


async def _run(control: socket.socket, listener: socket.socket, metrics_descriptor: int) -> None:
    """A child's life: settings, then routing tables, until it is told to drain or its parent is gone."""
    reader, writer = await asyncio.open_unix_connection(sock=control)

    def tell(**message: Any) -> None:
        writer.write(json.dumps(message).encode() + b"\n")

    first = json.loads(await reader.readline())
    scoring = Scoring(
        ScoringSettings(**first["settings"]),
        metrics_descriptor,
        first["row"],
        first["processes"],
        on_answer=lambda id: tell(answered=id),
        on_overrun=lambda id: tell(overrun=id),
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, lambda: None)  # the parent decides when to drain
    listening = False
    while line := await reader.readline():
        message = json.loads(line)
        if message.get("drain"):
            break
        await scoring.update([WorkerAddress(**worker) for worker in message["workers"]], message["restarts"])
        if not listening:
            listening = True
            await scoring.listen(listener)
            tell(ready=True)
    await scoring.drain()


def child_message(settings: ScoringSettings, row: int, processes: int) -> bytes:
    """The first line a child is sent."""
    return json.dumps({"settings": asdict(settings), "row": row, "processes": processes}).encode() + b"\n"


def table_message(workers: list[WorkerAddress], restarts: int) -> bytes:
    """The line that tells a child which workers there are."""
    return json.dumps({"workers": [asdict(worker) for worker in workers], "restarts": restarts}).encode() + b"\n"


def main() -> None:
    """Entry point of a child: file descriptors of control socket, listening socket and metrics memory."""
    import uvloop

    control, listener, metrics = (int(argument) for argument in sys.argv[1:4])
    uvloop.run(_run(socket.socket(fileno=control), socket.socket(fileno=listener), metrics))


if __name__ == "__main__":
    main()
