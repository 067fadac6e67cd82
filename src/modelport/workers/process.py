"""One worker process: started, told its model, watched, stopped; and the set of them that serves one model."""

import asyncio
import contextlib
import itertools
import json
import logging
import os
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from modelport.errors import WorkerFailed
from modelport.workers.memory import resident_memory, watch_memory
from modelport.workers.sandbox import COMPILED, pid_outside
from modelport.workers.specification import WorkerSpec, finite
from modelport.workers.turns import Turns
from modelport_runtime import wire

log = logging.getLogger("modelport.workers")

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before a worker is started again that died before its first answer; doubled each time."""
STOP_GRACE = 5.0
"""Seconds a worker has to end by itself once it was told to stop and has nothing left to do."""


@dataclass(frozen=True)
class WorkerAddress:
    """Where a ready worker listens, and what a pool must know of it."""

    id: int
    path: str
    pid: int
    user_code: bool
    resting: bool = False
    """It is to be given nothing for now, and ends what it has."""


class Look(Protocol):
    """What is looked at beside the first start of a model's workers, and told of them."""

    async def names(self) -> Iterable[str]:
        """The distributions whose versions a worker is to tell."""

    def compare(self, facts: dict[str, Any]) -> None:
        """Say what is wrong with the facts of the first worker."""


class WorkerProcess:
    """One process and the control connection to it."""

    def __init__(self, spec: WorkerSpec, id: int, run_folder: Path, output: int | None = None) -> None:
        """``output``: the file descriptor that the model's own output goes to; None: standard error."""
        self._spec = spec
        self._output = sys.stderr.fileno() if output is None else output
        self.id = id
        self._path = str(run_folder / f"w{id}")
        self.folder = run_folder / f"d{id}"
        """The worker's own: where it begins, removed when it ends."""
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._channel = wire.Channel(wire.MAX_HEAD)
        self._asked = 0
        self._looking = asyncio.Lock()
        self.facts: dict[str, Any] = {}
        self.answered = False
        self.ready_at = 0.0
        self.memory_when_ready = 0

    @property
    def address(self) -> WorkerAddress:
        return WorkerAddress(self.id, self._path, self.facts["pid"], self.facts["user_code"])

    async def start(self, look: Look | None = None) -> None:
        """Returns when the model is loaded and warmed up; its facts tell the versions that ``look`` asks for.

        Raises:
            WorkerFailed: with the worker's own account of why the model cannot be served.
        """
        self.folder.mkdir(0o700)
        sandbox = self._spec.sandbox
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as listener:
            listener.bind(self._path)
            listener.listen(64)
            self._process = await asyncio.create_subprocess_exec(
                *([] if sandbox is None else sandbox.command(self.folder)),
                self._spec.python,
                "-I",
                *_bytecode(self._spec),
                str(self._spec.bundle),
                str(listener.fileno()),
                self._spec.name,  # for whoever looks at the list of processes
                pass_fds=[listener.fileno()],
                cwd=str(self.folder),
                env=self._spec.environment,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                start_new_session=True,  # a signal to our process group is ours to handle
            )
        names = () if look is None else await look.names()
        try:
            self._reader, self._writer = await asyncio.open_unix_connection(self._path)
        except OSError:  # it ended before anybody could listen to it
            raise await self._ended() from None
        settings = {
            "wire": wire.WIRE_VERSION,
            "name": self._spec.name,
            "model_path": str(self._spec.model_path),
            "mlmodel": self._spec.mlmodel,
            "model_config": self._spec.model_config,
            "threads": self._spec.threads,
            "max_body": self._spec.max_body,
            "sys_path": self._spec.sys_path,
            "distributions": list(names),
            "allow_python_mismatch": self._spec.allow_python_mismatch,
        }
        self._channel.send(wire.HANDSHAKE, 0, _in_json(settings))
        self._writer.write(self._channel.take())
        message = next(iter(await self._messages()), None)
        if message is None:
            raise await self._ended()
        reply = json.loads(message.head)
        if message.kind == wire.ERROR:
            await self._process.wait()
            raise WorkerFailed(reply["message"], hint=reply["hint"], code=reply["code"], traceback=reply["traceback"])
        if sandbox is not None:
            reply["pid"] = await asyncio.to_thread(pid_outside, self._process.pid, reply["pid"])
        self.facts = reply
        self.memory_when_ready = resident_memory(reply["pid"])
        self.ready_at = time.monotonic()

    async def takes_notice(self, timeout: float) -> bool:
        """Whether it takes notice of what it is sent, within so many seconds.

        It is sent the beginning of a request that is taken back at once. Whoever reads answers that, and nothing is run.
        """
        assert self._writer is not None
        async with self._looking:  # the answers to two looks at once would be read by either
            self._asked += 1
            beginning = wire.HEADER.pack(wire.INFER, wire.MORE, 0, 0, 0, self._asked)
            self._writer.write(beginning + wire.HEADER.pack(wire.CANCEL, 0, 0, 0, 0, self._asked))
            try:
                async with asyncio.timeout(timeout):
                    while messages := await self._messages():
                        if any(message.id == self._asked for message in messages):
                            return True
            except TimeoutError:
                pass
            return False

    async def _messages(self) -> list[wire.Message]:
        """What it says next; nothing, when it has ended."""
        assert self._reader is not None
        messages: list[wire.Message] = []
        while not messages:
            try:
                data = await self._reader.read(1 << 16)
            except ConnectionError:
                data = b""
            if not data:
                break
            messages = self._channel.receive(data)
        return messages

    async def _ended(self) -> WorkerFailed:
        assert self._process is not None
        return WorkerFailed(
            f"the worker ended while it loaded the model ({_ending(self._code(await self._process.wait()))})",
            hint="The lines that the worker itself has written say more.",
        )

    async def wait(self) -> int:
        """The exit code, once the process has ended."""
        assert self._process is not None
        code = await self._process.wait()
        self._cleanup()
        return self._code(code)

    def _code(self, code: int) -> int:
        """bubblewrap tells of a signal as shells do."""
        return 128 - code if self._spec.sandbox is not None and code > 128 else code

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
        try:
            self.folder.rmdir()
        except FileNotFoundError:
            pass
        except OSError:  # the model left files, and nobody waits for their end
            asyncio.get_running_loop().run_in_executor(None, partial(shutil.rmtree, self.folder, ignore_errors=True))


def _bytecode(spec: WorkerSpec) -> list[str]:
    if not spec.write_bytecode:
        return ["-B"]
    return [] if spec.sandbox is None else ["-X", f"pycache_prefix={COMPILED}"]


def _in_json(settings: dict[str, Any]) -> bytes:
    return json.dumps(finite(settings), ensure_ascii=False, separators=(",", ":")).encode()


def _ending(code: int) -> str:
    return f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"


@dataclass
class _Slot:
    """One place in the set: the worker that fills it now, who watches it, and the wish to have it replaced."""

    worker: WorkerProcess | None = None
    keeper: "asyncio.Task[None] | None" = None
    replace: asyncio.Event = field(default_factory=asyncio.Event)
    reason: str = ""


class WorkerSet:
    """Keeps ``count`` workers of one model running: replaces those that die, run past a deadline or grow too large.

    ``ids`` numbers the workers; sets of one server share it. ``memory_limit`` in bytes. ``output``: the file descriptor that
    the workers' output goes to; None: standard error. ``look`` begins to look at a model whose workers are being started.
    ``turns``: sets that share it start their workers in turn; one that takes the place of another waits for nobody.
    """

    def __init__(
        self,
        spec: WorkerSpec,
        count: int,
        run_folder: Path,
        on_change: Callable[[list[WorkerAddress]], None],
        timeout: float,
        memory_limit: int | None = None,
        ids: Iterator[int] | None = None,
        output: int | None = None,
        look: Callable[[WorkerSpec], Look] | None = None,
        turns: Turns | None = None,
    ) -> None:
        self.spec = spec
        self._count = count
        self._slots: list[_Slot] = []
        self._run_folder = run_folder
        self._on_change = on_change
        self._timeout = timeout
        """Seconds after which nothing that a worker began is waited for any more."""
        self._memory_limit = memory_limit
        self._ids = itertools.count(1) if ids is None else ids
        self._output = output
        self._look = look
        self._turns = turns
        self._tasks: set[asyncio.Task[None]] = set()
        self._retiring: set[WorkerProcess] = set()
        self.restarts = 0

    async def start(self) -> dict[str, Any]:
        """Start all workers; returns the first one's facts when every one is ready.

        Raises:
            WorkerFailed: the model cannot be served.
        """
        workers = await self._start_all(self.spec, self._count)
        self._slots = [_Slot() for _ in workers]
        self._fill(workers)
        self.resize(self._count)  # which may have changed meanwhile
        self._watch_memory()
        return workers[0].facts

    async def reload(self, spec: WorkerSpec) -> dict[str, Any]:
        """Put workers of ``spec`` in the place of all there are, at once when every new one is ready; returns the first one's
        facts. The old ones end what they began.

        Raises:
            WorkerFailed: the new model cannot be served; the workers stay as they are.
        """
        workers = await self._start_all(spec, len(self._slots))
        keepers = [slot.keeper for slot in self._slots if slot.keeper is not None]
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)
        old = [slot.worker for slot in self._slots if slot.worker is not None]
        self.spec = spec
        self._fill(workers)
        for worker in old:
            self._retire(worker)
        return workers[0].facts

    def begin(self) -> None:
        """Start all workers without waiting for them: each counts once it is ready, however many starts it takes."""
        self._grow_by(self._count)
        self._watch_memory()

    def resize(self, count: int) -> None:
        """Have so many workers: new ones count when they are ready, those that are too many end what they began."""
        self._count = count
        if not self._slots:
            return  # they are being started for the first time
        self._grow_by(count - len(self._slots))
        surplus = sorted(self._slots, key=lambda slot: slot.worker is None)[count:]  # places without a worker go first
        if surplus:
            self._slots = [slot for slot in self._slots if slot not in surplus]
            self._publish()
            for slot in surplus:
                if slot.keeper is not None:
                    slot.keeper.cancel()
                if slot.worker is not None:
                    self._retire(slot.worker)

    def _grow_by(self, count: int) -> None:
        for _ in range(count):
            slot = _Slot()
            slot.keeper = self._spawn(self._grow(slot))
            self._slots.append(slot)

    async def _start_all(self, spec: WorkerSpec, count: int) -> list[WorkerProcess]:
        workers = [self._worker(spec) for _ in range(count)]
        look = None if self._look is None else self._look(spec)
        starts = [asyncio.ensure_future(self._begin(worker, self._turn(), look)) for worker in workers]
        try:
            await asyncio.gather(*starts)
        except BaseException:
            for start in starts:  # those whose turn has not come
                start.cancel()
            await asyncio.gather(*starts, return_exceptions=True)
            await asyncio.gather(*(worker.stop(0) for worker in workers), return_exceptions=True)
            raise
        if look is not None:
            look.compare(workers[0].facts)
        if spec.withheld:
            told = ", ".join(spec.withheld)
            log.warning("%s names environment variables that it does not get: %s", spec.model_path, told)
        return workers

    def _turn(self) -> AbstractAsyncContextManager[None]:
        return contextlib.nullcontext() if self._turns is None else self._turns.turn()

    @staticmethod
    async def _begin(worker: WorkerProcess, turn: AbstractAsyncContextManager[None], look: Look | None = None) -> None:
        async with turn:
            await worker.start(look)

    def _worker(self, spec: WorkerSpec) -> WorkerProcess:
        return WorkerProcess(spec, next(self._ids), self._run_folder, self._output)

    def _fill(self, workers: list[WorkerProcess]) -> None:
        for slot, worker in zip(self._slots, workers, strict=True):
            slot.worker = worker
            slot.replace.clear()
            slot.keeper = self._spawn(self._keep(slot, worker))
        self._publish()

    def answered(self, worker_id: int) -> None:
        """This worker gave its first answer: should it die, it is replaced without a pause."""
        for slot in self._slots:
            if slot.worker is not None and slot.worker.id == worker_id:
                slot.worker.answered = True

    def overrun(self, worker_id: int) -> None:
        """A request ran past its deadline in this worker."""
        self.replace(worker_id, "ran past a deadline")

    def replace(self, worker_id: int, reason: str) -> None:
        """Replace this worker, then let it finish what it still can; ``reason`` is what the log says of it."""
        for slot in self._slots:
            if slot.worker is not None and slot.worker.id == worker_id:
                self._wish(slot, reason)

    async def look(self, timeout: float, age: float) -> dict[int, bool]:
        """Which workers, loaded for at least ``age`` seconds, take notice of what they are sent within ``timeout``."""
        old = time.monotonic() - age
        workers = [slot.worker for slot in self._slots if slot.worker is not None and slot.worker.ready_at <= old]
        found = await asyncio.gather(*(worker.takes_notice(timeout) for worker in workers))
        return {worker.id: noticed for worker, noticed in zip(workers, found, strict=True)}

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

    def _publish(self) -> None:
        self._on_change([slot.worker.address for slot in self._slots if slot.worker is not None])

    def _spawn(self, coroutine: Any) -> "asyncio.Task[None]":
        task: asyncio.Task[None] = asyncio.ensure_future(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    @staticmethod
    def _wish(slot: _Slot, reason: str) -> None:
        slot.reason = reason
        slot.replace.set()

    async def _grow(self, slot: _Slot) -> None:
        await self._keep(slot, await self._start_in(slot, 0.0, self._turn))

    async def _keep(self, slot: _Slot, worker: WorkerProcess) -> None:
        """Watch one slot for as long as the set lives."""
        pause = 0.0
        while True:
            died = asyncio.ensure_future(worker.wait())
            wish = asyncio.ensure_future(slot.replace.wait())
            try:
                await asyncio.wait({died, wish}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                wish.cancel()
            if died.done():
                log.warning("worker %d (pid %d) died: %s", worker.id, worker.facts["pid"], _ending(died.result()))
                slot.worker = None
                self._publish()
                pause = 0.0 if worker.answered else _longer(pause)
                worker = await self._replace(slot, pause)
            else:
                log.warning("worker %d %s: it is being replaced", worker.id, slot.reason)
                old = worker
                worker = await self._replace(slot, 0.0)
                died.cancel()
                self._retire(old)
            slot.replace.clear()

    async def _replace(self, slot: _Slot, pause: float) -> WorkerProcess:
        self.restarts += 1
        return await self._start_in(slot, pause, contextlib.nullcontext)

    async def _start_in(
        self, slot: _Slot, pause: float, turn: Callable[[], AbstractAsyncContextManager[None]]
    ) -> WorkerProcess:
        """A ready worker in this slot, however many starts it takes."""
        while True:
            await asyncio.sleep(pause)
            worker = self._worker(self.spec)
            began = time.monotonic()
            try:
                await self._begin(worker, turn())
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

    def _watch_memory(self) -> None:
        def staying() -> list[WorkerProcess]:
            return [slot.worker for slot in self._slots if slot.worker is not None and not slot.replace.is_set()]

        if self._memory_limit is not None:
            self._spawn(watch_memory(staying, self._memory_limit, self.replace))

    def _retire(self, worker: WorkerProcess) -> None:
        """No more requests come to it; it may end what it began."""
        self._retiring.add(worker)
        self._spawn(self._see_off(worker))

    async def _see_off(self, worker: WorkerProcess) -> None:
        await worker.stop(self._timeout + STOP_GRACE)
        self._retiring.discard(worker)


def _longer(pause: float) -> float:
    return min(max(pause * 2, FIRST_PAUSE), LONGEST_PAUSE)
