"""Composition root of `modelport serve`: reads the models, starts workers and scoring processes, ends them in order."""

import asyncio
import itertools
import logging
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop

from modelport.environments.explaining import explaining
from modelport.environments.preparing import admitted_worker_spec
from modelport.errors import ModelportError
from modelport.listening import open_at, refuse_new_connections
from modelport.model import location
from modelport.scoring_processes import ScoringProcesses, scoring_processes
from modelport.serving.process import ScoringSettings
from modelport.serving.routing_table import Row
from modelport.settings import ModelSource, ServeSettings
from modelport.workers.comparing import Comparison
from modelport.workers.process import WorkerAddress, WorkerSet
from modelport.workers.spec import WorkerSpec

log = logging.getLogger("modelport")


def serve(settings: ServeSettings, on_ready: Callable[[str], None] | None = None) -> None:
    """Serve models until SIGTERM or SIGINT; every request of which a byte was received gets its answer.

    SIGHUP loads models anew whose files have changed. ``on_ready`` is called with the address when requests are answered.

    Raises:
        ModelportError: a model cannot be read or loaded, or the address cannot be had.
    """
    began = time.monotonic()
    specs = [(source, _spec(settings, source)) for source in settings.models]
    listener = open_at(settings.host, settings.port, "Choose another port with -p.")
    run_folder = Path(tempfile.mkdtemp(prefix="modelport-"))  # 0700, and short: socket paths end at 108 bytes
    try:
        uvloop.run(_Server(settings, listener, run_folder, began, on_ready).run(specs))
    finally:
        listener.close()
        shutil.rmtree(run_folder, ignore_errors=True)


def _spec(settings: ServeSettings, source: ModelSource) -> WorkerSpec:
    return admitted_worker_spec(
        location.resolve(source.uri),
        settings.environment,
        settings.safety,
        settings.home,
        workers=settings.workers * len(settings.models),
        name=source.name,
        model_config=settings.model_config,
        threads=settings.threads,
        max_body=settings.max_body,
        allow_python_mismatch=settings.allow_python_mismatch,
    )


class _Model:
    """One model of the server: its workers, and what the scoring processes are told of them."""

    def __init__(self, source: ModelSource, spec: WorkerSpec, server: "_Server") -> None:
        self.source = source
        self._files = location.fingerprint(spec.model_path)
        self._server = server
        settings = server.settings
        self.workers = WorkerSet(
            spec,
            settings.workers,
            server.run_folder,
            self._publish,
            settings.timeout,
            settings.memory_limit,
            server.worker_ids,
            look=Comparison,
        )

    def _publish(self, workers: list[WorkerAddress]) -> None:
        spec, source = self.workers.spec, self.source
        row = Row(source.name, source.prefix, str(spec.model_path), spec.mlmodel, workers, self.workers.restarts)
        self._server.processes.publish(row)

    async def reload(self) -> dict[str, Any]:
        """Load the model anew if its files have changed; a model that cannot be loaded changes nothing."""
        told: dict[str, Any] = {"name": self.source.name}
        began = time.monotonic()
        try:
            files = await asyncio.to_thread(self._present_files)
            if files == self._files:
                return {**told, "state": "unchanged"}
            log.info("loading %s anew", self.source.uri)
            spec = await asyncio.to_thread(_spec, self._server.settings, self.source)
            await explaining(self.workers.reload(spec), spec)
        except ModelportError as error:
            log.error("%s cannot be loaded anew and is served as before: %s", self.source.uri, error)
            return {**told, "state": "failed", "error_code": error.code, "message": error.message}
        self._files = files
        seconds = round(time.monotonic() - began, 3)
        log.info("serving %s anew after %.1f s", self.source.uri, seconds)
        return {**told, "state": "reloaded", "seconds": seconds}

    def _present_files(self) -> str:
        return location.fingerprint(location.resolve(self.source.uri))


class _Server:
    """One run of `modelport serve`."""

    processes: ScoringProcesses

    def __init__(
        self,
        settings: ServeSettings,
        listener: socket.socket,
        run_folder: Path,
        began: float,
        on_ready: Callable[[str], None] | None,
    ) -> None:
        self.settings = settings
        self.run_folder = run_folder
        self.worker_ids = itertools.count(1)
        self._listener = listener
        self._began = began
        self._on_ready = on_ready
        self._models: list[_Model] = []
        self._reloading: asyncio.Lock
        self._stopping: asyncio.Event

    async def run(self, specs: list[tuple[ModelSource, WorkerSpec]]) -> None:
        self._stopping, self._reloading = asyncio.Event(), asyncio.Lock()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self._stopping.set)
        self.processes = scoring_processes(
            _scoring_settings(self.settings), self.settings.processes, self._listener, self
        )
        self._models = [_Model(source, spec, self) for source, spec in specs]
        for model in self._models:
            log.info("loading %s with %s", model.source.uri, model.workers.spec.python)
        reloads: set[asyncio.Task[Any]] = set()
        loop.add_signal_handler(signal.SIGHUP, lambda: _keep(asyncio.ensure_future(self.reload()), reloads))
        try:
            async with self._reloading:
                facts = await self._unless_stopped(self._load())
                if facts is None:
                    return
                is_open = await self._unless_stopped(self._open(facts))
            if is_open:
                await self._stopping.wait()
            log.info("stopping: answering what was asked")
            refuse_new_connections(self._listener)
            await self.processes.drain()
        finally:
            for task in reloads:
                task.cancel()
            await asyncio.gather(*reloads, return_exceptions=True)
            await asyncio.gather(*(model.workers.stop() for model in self._models))

    async def _load(self) -> list[dict[str, Any]]:
        """The facts of each model's first worker, when all workers are ready."""
        starts = [
            asyncio.ensure_future(explaining(model.workers.start(), model.workers.spec)) for model in self._models
        ]
        try:
            return await asyncio.gather(*starts)
        except BaseException:
            for start in starts:
                start.cancel()
            await asyncio.gather(*starts, return_exceptions=True)
            raise

    async def _open(self, facts: list[dict[str, Any]]) -> bool:
        """Returns when requests are answered."""
        await self.processes.open()
        settings = self.settings
        address = f"{'https' if settings.ssl_certfile else 'http'}://{settings.host}:{self._listener.getsockname()[1]}"
        for model, fact in zip(self._models, facts, strict=True):
            log.info(
                "serving %s at %s%s: ready after %.1f s (%d x Python %s; model loaded in %.1f s)",
                model.source.uri,
                address,
                model.source.prefix,
                time.monotonic() - self._began,
                settings.workers,
                fact["python"],
                fact["load_seconds"],
            )
            if fact["warm_up_note"]:
                log.info("no warm-up: %s", fact["warm_up_note"])
        if self._on_ready is not None:
            self._on_ready(address)
        return True

    async def _unless_stopped(self, work: Any) -> Any:
        """The result of ``work``, or None when we are told to stop first."""
        task = asyncio.ensure_future(work)
        stop = asyncio.ensure_future(self._stopping.wait())
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
        stop.cancel()
        if task.done():
            return task.result()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        return None

    # -- what scoring processes say ------------------------------------------------------------------------------------

    def answered(self, worker_id: int) -> None:
        """This worker gave its first answer."""
        for model in self._models:
            model.workers.answered(worker_id)

    def overrun(self, worker_id: int) -> None:
        """A request ran past its deadline in this worker."""
        for model in self._models:
            model.workers.overrun(worker_id)

    async def reload(self) -> list[dict[str, Any]]:
        """Load anew the models whose files have changed, one after the other; what became of each."""
        async with self._reloading:
            return [await model.reload() for model in self._models]


def _keep(task: asyncio.Task[Any], among: set[asyncio.Task[Any]]) -> None:
    """A task is only kept alive by who holds it."""
    among.add(task)
    task.add_done_callback(among.discard)


def _scoring_settings(settings: ServeSettings) -> ScoringSettings:
    return ScoringSettings(
        models=[source.name for source in settings.models],
        named=any(source.prefix for source in settings.models),
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
    )
