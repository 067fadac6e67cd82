"""One worker process: started, told its model, watched, stopped; and the set of them that serves one model."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from modelport.errors import WorkerFailed
from modelport_runtime import wire

log = logging.getLogger("modelport.workers")

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before a worker is started again that died before its first answer; doubled each time."""
STOP_GRACE = 5.0
"""Seconds a worker has to end by itself once it was told to stop and has nothing left to do."""


@dataclass(frozen=True)
class WorkerSpec:
    """What it takes to start a worker for one model."""

    python: str
    bundle: Path
    name: str
    model_path: Path
    mlmodel: dict[str, Any]
    model_config: dict[str, Any] | None
    threads: int
    max_body: int
    environment: dict[str, str]
    sys_path: list[str]


@dataclass(frozen=True)
class WorkerAddress:
    """Where a ready worker listens, and what a pool must know of it."""

    id: int
    path: str
    pid: int
    user_code: bool


class WorkerProcess:
    """One process and the control connection to it."""

    def __init__(self, spec: WorkerSpec, id: int, run_folder: Path) -> None:
        self._spec = spec
        self.id = id
        self._path = str(run_folder / f"w{id}")
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self.facts: dict[str, Any] = {}
        self.answered = False

    @property
    def address(self) -> WorkerAddress:
        return WorkerAddress(self.id, self._path, self.facts["pid"], self.facts["user_code"])

    async def start(self) -> None:
        """Returns when the model is loaded and warmed up.

        Raises:
            WorkerFailed: with the worker's own account of why the model cannot be served.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(self._path)
            listener.listen(64)
            self._process = await asyncio.create_subprocess_exec(
                self._spec.python,
                "-I",
                "-B",
                str(self._spec.bundle),
                str(listener.fileno()),
                pass_fds=[listener.fileno()],
                env=self._spec.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=sys.stderr.fileno(),
                start_new_session=True,  # a signal to our process group is ours to handle
            )
        try:
            reader, self._writer = await asyncio.open_unix_connection(self._path)
        except OSError:  # it ended before anybody could listen to it
            raise await self._ended() from None
        channel = wire.Channel(wire.MAX_HEAD)
        settings = {
            "wire": wire.WIRE_VERSION,
            "name": self._spec.name,
            "model_path": str(self._spec.model_path),
            "mlmodel": self._spec.mlmodel,
            "model_config": self._spec.model_config,
            "threads": self._spec.threads,
            "max_body": self._spec.max_body,
            "sys_path": self._spec.sys_path,
        }
        channel.send(wire.HANDSHAKE, 0, orjson.dumps(settings))
        self._writer.write(channel.take())
        messages: list[wire.Message] = []
        while not messages:
            try:
                data = await reader.read(1 << 16)
            except ConnectionError:
                data = b""
            if not data:
                raise await self._ended()
            messages = channel.receive(data)
        reply = orjson.loads(messages[0].head)
        if messages[0].kind == wire.ERROR:
            await self._process.wait()
            raise WorkerFailed(reply["message"], hint=reply["hint"], code=reply["code"], traceback=reply["traceback"])
        self.facts = reply

    async def _ended(self) -> WorkerFailed:
        assert self._process is not None
        return WorkerFailed(
            f"the worker ended while it loaded the model ({_ending(await self._process.wait())})",
            hint="The lines above, written by the worker itself, say more.",
        )

    async def wait(self) -> int:
        """The exit code, once the process has ended."""
        assert self._process is not None
        code = await self._process.wait()
        self._cleanup()
        return code

    async def stop(self, grace: float) -> None:
        """Ask, wait, kill."""
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(OSError):
                if self._writer is not None:
                    self._writer.write(wire.HEADER.pack(wire.STOP, 0, 0, 0, 0, 0))
            try:
                await asyncio.wait_for(self._process.wait(), grace)
            except TimeoutError:
                log.warning("worker %d (pid %d) did not stop within %.0f s: killed", self.id, self._process.pid, grace)
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
                await self._process.wait()
        self._cleanup()

    def _cleanup(self) -> None:
        if self._writer is not None:
            self._writer.close()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self._path)


def _ending(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


@dataclass
class _Slot:
    """One place in the set: the worker that fills it now, and the wish to have it replaced."""

    worker: WorkerProcess | None = None
    overrun: asyncio.Event = field(default_factory=asyncio.Event)


class WorkerSet:
    """Keeps ``count`` workers of one model running: replaces those that die or run past a deadline."""

    def __init__(
        self,
        spec: WorkerSpec,
        count: int,
        run_folder: Path,
        on_change: Callable[[list[WorkerAddress]], None],
        timeout: float,
    ) -> None:
        self._spec = spec
        self._slots = [_Slot() for _ in range(count)]
        self._run_folder = run_folder
        self._on_change = on_change
        self._timeout = timeout
        """Seconds after which nothing that a worker began is waited for any more."""
        self._next_id = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self._retiring: set[WorkerProcess] = set()
        self.restarts = 0

    async def start(self) -> dict[str, Any]:
        """Start all workers; returns the first one's facts when every one is ready.

        Raises:
            WorkerFailed: the model cannot be served.
        """
        workers = [self._new() for _ in self._slots]
        try:
            await asyncio.gather(*(worker.start() for worker in workers))
        except BaseException:
            await asyncio.gather(*(worker.stop(0) for worker in workers), return_exceptions=True)
            raise
        for slot, worker in zip(self._slots, workers, strict=True):
            slot.worker = worker
            self._spawn(self._keep(slot, worker))
        self._publish()
        return workers[0].facts

    def answered(self, worker_id: int) -> None:
        """This worker gave its first answer: should it die, it is replaced without a pause."""
        for slot in self._slots:
            if slot.worker is not None and slot.worker.id == worker_id:
                slot.worker.answered = True

    def overrun(self, worker_id: int) -> None:
        """A request ran past its deadline in this worker: replace it, then let it finish what it still can."""
        for slot in self._slots:
            if slot.worker is not None and slot.worker.id == worker_id:
                slot.overrun.set()

    async def stop(self) -> None:
        """End all workers and what watches them."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # Not by the tasks that retire them: a task that is cancelled before its first step does nothing at all.
        await asyncio.gather(
            *(slot.worker.stop(STOP_GRACE) for slot in self._slots if slot.worker is not None),
            *(worker.stop(0) for worker in self._retiring),
        )

    def _new(self) -> WorkerProcess:
        self._next_id += 1
        return WorkerProcess(self._spec, self._next_id, self._run_folder)

    def _publish(self) -> None:
        self._on_change([slot.worker.address for slot in self._slots if slot.worker is not None])

    def _spawn(self, coroutine: Any) -> None:
        task = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _keep(self, slot: _Slot, worker: WorkerProcess) -> None:
        """Watch one slot for as long as the set lives."""
        pause = 0.0
        while True:
            died = asyncio.ensure_future(worker.wait())
            overrun = asyncio.ensure_future(slot.overrun.wait())
            try:
                await asyncio.wait({died, overrun}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                overrun.cancel()
            if died.done():
                log.warning("worker %d (pid %d) died: %s", worker.id, worker.facts["pid"], _ending(died.result()))
                slot.worker = None
                self._publish()
                pause = 0.0 if worker.answered else _longer(pause)
                worker = await self._replace(slot, pause)
            else:
                log.warning("worker %d ran past a deadline: it is being replaced", worker.id)
                old = worker
                worker = await self._replace(slot, 0.0)
                died.cancel()
                self._retiring.add(old)
                self._spawn(self._retire(old))
            slot.overrun.clear()

    async def _replace(self, slot: _Slot, pause: float) -> WorkerProcess:
        """A ready worker in this slot, however many starts it takes."""
        self.restarts += 1
        while True:
            await asyncio.sleep(pause)
            worker = self._new()
            began = time.monotonic()
            try:
                await worker.start()
            except Exception as error:  # noqa: BLE001  whatever it is (no memory, no descriptors), it may pass
                await worker.stop(0)
                pause = _longer(pause)
                log.error("worker %d did not start: %s (next try in %.1f s)", worker.id, error, pause)
                continue
            except asyncio.CancelledError:
                await worker.stop(0)
                raise
            log.info("worker %d is ready after %.1f s", worker.id, time.monotonic() - began)
            slot.worker = worker
            self._publish()
            return worker

    async def _retire(self, worker: WorkerProcess) -> None:
        await worker.stop(self._timeout + STOP_GRACE)
        self._retiring.discard(worker)


def _longer(pause: float) -> float:
    return min(max(pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
