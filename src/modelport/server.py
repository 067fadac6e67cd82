"""Composition root of `modelport serve`: reads the model, starts workers and scoring processes, ends them in order."""

import asyncio
import json
import logging
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop

from modelport.errors import CannotStart
from modelport.model import location, mlmodel
from modelport.serving.http import refuse_new_connections
from modelport.serving.metrics import shared_memory
from modelport.serving.process import Scoring, ScoringSettings, child_message, table_message, tls_context
from modelport.settings import ServeSettings
from modelport.workers import bundle
from modelport.workers.process import WorkerAddress, WorkerSet, WorkerSpec

log = logging.getLogger("modelport")

BACKLOG = 4096
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")


def serve(settings: ServeSettings, model_config: dict[str, Any] | None = None) -> None:
    """Serve one model until SIGTERM or SIGINT; every request of which a byte was received gets its answer.

    Raises:
        ModelportError: the model cannot be read or loaded, or the address cannot be had.
    """
    began = time.monotonic()
    spec = _worker_spec(settings, model_config)
    listener = _open(settings.host, settings.port)
    run_folder = Path(tempfile.mkdtemp(prefix="modelport-"))  # 0700, and short: socket paths end at 108 bytes
    try:
        uvloop.run(_serve(settings, spec, listener, run_folder, began))
    finally:
        listener.close()
        shutil.rmtree(run_folder, ignore_errors=True)


def _worker_spec(settings: ServeSettings, model_config: dict[str, Any] | None) -> WorkerSpec:
    folder = location.resolve(settings.model_uri)
    python = settings.python or sys.executable
    if shutil.which(python) is None:
        raise CannotStart(f"'{python}' is no Python interpreter", hint="--python names the interpreter of the model.")
    environment = dict(os.environ)
    environment["_MLFLOW_IS_IN_SERVING_ENVIRONMENT"] = "true"  # type-hinted models then read base64 and ISO dates
    share = max(1, len(os.sched_getaffinity(0)) // settings.workers)
    for name in THREAD_VARIABLES:
        environment.setdefault(name, str(share))
    return WorkerSpec(
        python=python,
        bundle=bundle.lay_out(settings.home / "runtime", python),
        name=settings.model_name,
        model_path=folder,
        mlmodel=mlmodel.read(folder),
        model_config=model_config,
        threads=settings.threads,
        max_body=settings.max_body,
        environment=environment,
        sys_path=[entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry],
    )


def _open(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise CannotStart(
            f"cannot listen on {host}:{port}: {error.strerror}", hint="Choose another port with -p."
        ) from None


async def _serve(
    settings: ServeSettings, spec: WorkerSpec, listener: socket.socket, run_folder: Path, began: float
) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopping.set)
    doors: _OneProcess | _SeveralProcesses
    if settings.processes == 1:
        doors = _OneProcess(_scoring_settings(settings, spec), listener)
    else:
        doors = _SeveralProcesses(_scoring_settings(settings, spec), settings.processes, listener)
    workers = WorkerSet(spec, settings.workers, run_folder, doors.publish, settings.timeout)
    log.info("loading %s with %s", settings.model_uri, spec.python)
    doors.workers = workers
    try:
        facts = await _unless(stopping, workers.start())
        if facts is None:
            return
        if await _unless(stopping, doors.open()):
            address = f"{'https' if settings.ssl_certfile else 'http'}://{settings.host}:{listener.getsockname()[1]}"
            log.info(
                "serving %s at %s: ready after %.1f s (%d x Python %s; model loaded in %.1f s)",
                settings.model_uri,
                address,
                time.monotonic() - began,
                settings.workers,
                facts["python"],
                facts["load_seconds"],
            )
            if facts["warm_up_note"]:
                log.info("no warm-up: %s", facts["warm_up_note"])
            await stopping.wait()
        log.info("stopping: answering what was asked")
        refuse_new_connections(listener)
        await doors.drain()
    finally:
        await workers.stop()


async def _unless(stopping: asyncio.Event, work: Any) -> Any:
    """The result of ``work``, or None when we are told to stop first."""
    task = asyncio.ensure_future(work)
    stop = asyncio.ensure_future(stopping.wait())
    await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if task.done():
        return task.result()
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    return None


def _scoring_settings(settings: ServeSettings, spec: WorkerSpec) -> ScoringSettings:
    return ScoringSettings(
        timeout=settings.timeout,
        max_queue=settings.max_queue,
        max_body=settings.max_body,
        max_buffered=settings.max_buffered,
        retry_user_code=settings.no_side_effects,
        api_key=settings.api_key,
        access_log=settings.access_log,
        tracebacks=settings.tracebacks,
        ssl_certfile=settings.ssl_certfile,
        ssl_keyfile=settings.ssl_keyfile,
        server_timing=settings.server_timing,
        model_name=spec.name,
        model_folder=str(spec.model_path),
        mlmodel=spec.mlmodel,
    )


class _OneProcess:
    """The scoring process is this process."""

    workers: WorkerSet

    def __init__(self, settings: ScoringSettings, listener: socket.socket) -> None:
        self._listener = listener
        self._scoring = Scoring(
            settings,
            shared_memory(1),
            0,
            1,
            on_answer=lambda id: self.workers.answered(id),
            on_overrun=lambda id: self.workers.overrun(id),
        )
        self._updates: asyncio.Task[None] | None = None

    def publish(self, addresses: list[WorkerAddress]) -> None:
        self._updates = asyncio.ensure_future(self._update(self._updates, addresses))

    async def _update(self, earlier: asyncio.Task[None] | None, addresses: list[WorkerAddress]) -> None:
        if earlier is not None:
            await asyncio.wait({earlier})  # whatever became of it
        await self._scoring.update(addresses, self.workers.restarts)

    async def open(self) -> bool:
        if self._updates is not None:
            await self._updates
        await self._scoring.listen(self._listener)
        return True

    async def drain(self) -> None:
        await self._scoring.drain()


class _SeveralProcesses:
    """Scoring processes are children that share the listening socket; one that dies is started again."""

    workers: WorkerSet

    def __init__(self, settings: ScoringSettings, count: int, listener: socket.socket) -> None:
        self._settings = settings
        self._listener = listener
        self._count = count
        self._metrics = shared_memory(self._count)
        self._writers: dict[int, asyncio.StreamWriter] = {}
        self._table = table_message([], 0)
        self._draining = False
        self._children: list[asyncio.Task[None]] = []

    def publish(self, addresses: list[WorkerAddress]) -> None:
        self._table = table_message(addresses, self.workers.restarts)
        for writer in self._writers.values():
            writer.write(self._table)

    async def open(self) -> bool:
        tls_context(self._settings)  # a certificate that cannot be used is told here, not by children that die of it
        ready = [asyncio.Event() for _ in range(self._count)]
        self._children = [asyncio.ensure_future(self._keep(row, event)) for row, event in enumerate(ready)]
        await asyncio.gather(*(event.wait() for event in ready))
        return True

    async def drain(self) -> None:
        self._draining = True
        for writer in self._writers.values():
            writer.write(b'{"drain": true}\n')
        self._listener.close()
        await asyncio.gather(*self._children)

    async def _keep(self, row: int, ready: asyncio.Event) -> None:
        pause = 0.1
        while not self._draining:
            began = time.monotonic()
            try:
                await self._run_child(row, ready)
            except OSError as error:
                log.error("scoring process %d cannot be started: %s", row, error)
            if self._draining:
                return
            log.warning("scoring process %d ended: it is started again", row)
            pause = 0.1 if time.monotonic() - began > 10 else min(pause * 2, 10.0)
            await asyncio.sleep(pause)

    async def _run_child(self, row: int, ready: asyncio.Event) -> None:
        ours, theirs = socket.socketpair()
        descriptors = [theirs.fileno(), self._listener.fileno(), self._metrics]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "modelport.serving.process",
            *(str(descriptor) for descriptor in descriptors),
            pass_fds=descriptors,
            stdin=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        theirs.close()
        reader, writer = await asyncio.open_unix_connection(sock=ours)
        writer.write(child_message(self._settings, row, self._count) + self._table)
        self._writers[row] = writer
        if self._draining:  # it was being started when the others were told
            writer.write(b'{"drain": true}\n')
        try:
            while line := await reader.readline():
                message = json.loads(line)
                if "answered" in message:
                    self.workers.answered(message["answered"])
                elif "overrun" in message:
                    self.workers.overrun(message["overrun"])
                else:
                    ready.set()
        except ConnectionError:
            pass
        finally:
            del self._writers[row]
            writer.close()
            try:
                await asyncio.wait_for(process.wait(), 5)
            except TimeoutError:
                process.kill()
                await process.wait()
