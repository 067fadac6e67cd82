"""The worker process: one model in its own interpreter, frames in, frames out.

A library model has one thread for everything: it reads what lies on the sockets, predicts it as one batch, answers, and looks
again; what arrives meanwhile waits on the socket and becomes the next batch. User code runs on threads, as under MLflow's
server, while the main thread reads. The first connection is the control connection: it brings the handshake that names the
model, and the worker ends when it closes.
"""

import contextlib
import faulthandler
import gc
import logging
import os
import platform
import selectors
import signal
import socket
import struct
import sys
import threading
import time
import traceback
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Dict, List, Optional, Tuple

from modelport_runtime import wire
from modelport_runtime.connection import RECEIVE_SIZE, Connection, Stream
from modelport_runtime.errors import ModelFailed, ModelNotLoadable, ModelportError
from modelport_runtime.payload import jsonio
from modelport_runtime.scoring import Answer, Form, Request, Scorer, read_head

log = logging.getLogger(__name__)

MAX_BATCH = 128
"""Requests taken from the queue at once; rows per predict call are capped apart (``batching.MAX_JOINED_ROWS``)."""
SLOW_BATCH = 0.005
"""Seconds a batch takes from which on it is worth gathering more requests for the next one."""
GATHERING = 0.25
"""Share of a slow batch's time that may be spent on gathering; it ends earlier, when nothing comes for ``GAP`` seconds."""
GAP = 0.001
OOM_SCORE = 500
"""Of -1000 to 1000: how readily the kernel ends a process when the machine's memory ends. Programs begin with 0."""
_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
MAX_FORMS = 64
"""Heads of INFER frames remembered: there are a dozen, but for those that name the size of their JSON part."""


class Task:
    """A request that waits for its start, and where its answer goes."""

    __slots__ = ("alone", "connection", "deadline", "request")

    def __init__(self, connection: Connection, request: Request, alone: bool, budget_ms: int) -> None:
        self.connection = connection
        self.request = request
        self.alone = alone
        self.deadline = request.arrived + budget_ms / 1000 if budget_ms else None


class Worker:
    """Accepts connections, queues requests, has them scored, answers. ``run`` returns when it was told to stop."""

    def __init__(self, listener: socket.socket) -> None:
        listener.setblocking(True)
        self._listener = listener
        self._selector = selectors.DefaultSelector()
        self._waiting: Dict[Tuple[Connection, int], Task] = {}
        self._forms: Dict[bytes, Form] = {}
        self._stopping = False
        self._lock = threading.Lock()
        self._running = 0
        self._exclusive = False
        self._batch_seconds = 0.0
        self._threads: Optional[ThreadPoolExecutor] = None
        self._max_threads = 0
        self._max_body = 0
        self._wake_reader, self._wake_writer = socket.socketpair()
        self._wake_reader.setblocking(False)

    def run(self) -> None:
        """Load the model, then serve it until the control connection says stop or closes."""
        self._control = Connection(self._listener.accept()[0], wire.MAX_HEAD)
        if not self._start():
            return
        self._listener.setblocking(False)
        for source in (self._listener, self._wake_reader):
            self._selector.register(source, selectors.EVENT_READ)
        self._selector.register(self._control.sock, selectors.EVENT_READ, self._control)
        while not self._done():
            for key, events in self._selector.select(0 if self._waiting and self._threads is None else None):
                self._handle(key, events)
            if self._threads is not None:
                self._start_threads()
            elif self._waiting:
                if len(self._waiting) > 1 and self._scorer.joins and self._batch_seconds > SLOW_BATCH:
                    self._gather()
                self._score_waiting()
        self._finish()

    def _done(self) -> bool:
        with self._lock:
            return self._stopping and not self._waiting and not self._running

    # -- start ---------------------------------------------------------------------------------------------------------

    def _start(self) -> bool:
        """Handshake, load, warm up; the answer tells the launcher that requests are welcome, or why not."""
        control = self._control
        control.sock.setblocking(True)
        while True:
            data = control.sock.recv(RECEIVE_SIZE)
            if not data:
                return False
            messages = control.channel.receive(data)
            if messages:
                break
        try:
            facts = self._load(jsonio.loads(messages[0].head))
        except Exception as error:  # noqa: BLE001  whatever a model's loading raises is told to the launcher
            control.send(wire.ERROR, 0, jsonio.dumps(_load_error(error)))
            control.flush()
            return False
        control.send(wire.HANDSHAKE, 0, jsonio.dumps(facts))
        control.flush()
        control.sock.setblocking(False)
        return True

    def _load(self, settings: Dict[str, Any]) -> Dict[str, Any]:
        if settings["wire"] != wire.WIRE_VERSION:
            raise ModelNotLoadable(f"wire version {settings['wire']} is spoken there, {wire.WIRE_VERSION} here")
        sys.path += [entry for entry in settings["sys_path"] if entry not in sys.path]
        from modelport_runtime import distributions, pyfunc
        from modelport_runtime.flavors import needs_mlflow

        began = time.perf_counter()
        model = pyfunc.load(
            settings["model_path"], settings["mlmodel"], settings["model_config"], settings["allow_python_mismatch"]
        )
        scorer = Scorer(model, settings["name"])
        loaded = time.perf_counter()
        try:
            note = scorer.warm_up(model.metadata.serving_example())
        except ModelNotLoadable as error:  # an example that is missing or spoilt keeps no model from serving
            note = error.message
        self._max_body = settings["max_body"]
        self._max_threads = settings["threads"]
        if scorer.user_code:
            self._threads = ThreadPoolExecutor(self._max_threads, thread_name_prefix="predict")
        self._scorer = scorer
        gc.collect()
        gc.freeze()
        return {
            "wire": wire.WIRE_VERSION,
            "pid": os.getpid(),
            "python": platform.python_version(),
            "user_code": scorer.user_code,
            "joins": scorer.joins,
            "json": jsonio.library(),
            "load_seconds": round(loaded - began, 3),
            "warm_up_seconds": round(time.perf_counter() - loaded, 3),
            "warm_up_note": note,
            "environment": distributions.describe(settings["distributions"]),
            "needs_mlflow": needs_mlflow(model.loader_module),
        }

    # -- frames in -----------------------------------------------------------------------------------------------------

    def _handle(self, key: selectors.SelectorKey, events: int) -> None:
        if key.fileobj is self._listener:
            self._accept()
        elif key.fileobj is self._wake_reader:
            self._wake_reader.recv(4096)
            for other in list(self._selector.get_map().values()):
                if other.data is not None:
                    self._flush(other.data)
        else:
            if events & selectors.EVENT_WRITE:
                self._flush(key.data)
            if events & selectors.EVENT_READ:
                self._read(key.data)

    def _accept(self) -> None:
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        connection = Connection(sock, self._max_body)
        self._selector.register(sock, selectors.EVENT_READ, connection)

    def _read(self, connection: Connection) -> None:
        try:
            messages = connection.receive()
        except wire.WireError as error:
            log.error("closing a connection: %s", error)
            messages = None
        if messages is None:
            self._close(connection)
            return
        for message in messages:
            if message.kind == wire.INFER:
                self._queue(connection, message)
            elif message.kind == wire.CANCEL:
                self._cancel(connection, message.id)
            elif message.kind == wire.STOP:
                self._stopping = True
        if connection.channel.outgoing:  # credit, and what was cancelled
            self._flush(connection)

    def _cancel(self, connection: Connection, id: int) -> None:
        """Drop a request that has not begun, and say so: who sent it may then give it to another worker."""
        with self._lock:
            waited = self._waiting.pop((connection, id), None) is not None
        with connection.lock:
            came_in_part = connection.channel.forget(id)
            stream = connection.streams.get(id)
        if stream is not None:
            stream.cancel()
        if waited or came_in_part:
            self._answer(connection, _cancelled(id))

    def _queue(self, connection: Connection, message: wire.Message) -> None:
        form = self._forms.get(message.head)
        if form is None:
            form = read_head(message.head)
            if len(self._forms) < MAX_FORMS:
                self._forms[message.head] = form
        arrived = time.perf_counter()
        request = Request(message.id, form, message.body, arrived)
        task = Task(connection, request, bool(message.flags & wire.ALONE), message.budget_ms)
        with self._lock:
            self._waiting[(connection, message.id)] = task

    def _close(self, connection: Connection) -> None:
        if connection is self._control:
            os._exit(0)  # the launcher is gone: nobody owns this process any more
        self._selector.unregister(connection.sock)
        with connection.lock:
            connection.closed = True
            streams = list(connection.streams.values())
        connection.sock.close()
        for stream in streams:
            stream.cancel()
        with self._lock:
            for key in [key for key in self._waiting if key[0] is connection]:
                del self._waiting[key]

    # -- frames out ----------------------------------------------------------------------------------------------------

    def _flush(self, connection: Connection) -> None:
        """Write what fits; ask to be told when more fits. Main thread only."""
        if connection.closed:
            return
        wanted = selectors.EVENT_READ if connection.flush() else selectors.EVENT_READ | selectors.EVENT_WRITE
        if not connection.closed and self._selector.get_key(connection.sock).events != wanted:
            self._selector.modify(connection.sock, wanted, connection)

    def _announce(self, tasks: List[Task]) -> None:
        """Tell each scoring process which of its requests begin now: user code's may have had an effect from here on.

        A library's requests are announced only when they run alone; for all others being here counts as started.
        """
        by_connection: Dict[Connection, List[int]] = {}
        for task in tasks:
            by_connection.setdefault(task.connection, []).append(task.request.id)
        for connection, ids in by_connection.items():
            connection.send(wire.START, 0, b"", struct.pack(f"<{len(ids)}Q", *ids))
            connection.flush()

    @staticmethod
    def _answer(connection: Connection, answer: Answer) -> None:
        head: Dict[str, Any] = {"rows": answer.rows, "phases": answer.phases}
        if answer.joined is not None:
            head["joined"] = answer.joined
        if answer.json_size is not None:
            head["json_size"] = answer.json_size
        if isinstance(answer.body, bytes):
            connection.send(wire.RESULT, answer.id, jsonio.dumps(head), answer.body)
        else:
            head["error"] = answer.body.as_dict()
            connection.send(wire.ERROR, answer.id, jsonio.dumps(head))

    # -- scoring in this thread (library models) -----------------------------------------------------------------------

    def _gather(self) -> None:
        """Read on for a moment: the clients of a slow batch were answered together, and ask again one after the other.

        Without this they fall into two groups that wait for one another, and every batch is half of what it could be.
        """
        until = time.perf_counter() + GATHERING * self._batch_seconds
        while len(self._waiting) < MAX_BATCH and time.perf_counter() < until:
            ready = self._selector.select(GAP)
            if not ready:
                return
            for key, events in ready:
                self._handle(key, events)

    def _score_waiting(self) -> None:
        tasks = self._take(MAX_BATCH if self._scorer.joins else 1)
        if not tasks:
            return
        if tasks[0].alone:
            self._announce(tasks)
        # Ids are the sender's own: two scoring processes may use the same one.
        numbered = [task.request._replace(id=number) for number, task in enumerate(tasks)]
        began = time.perf_counter()
        answers = self._scorer.score(numbered)
        self._batch_seconds = time.perf_counter() - began
        for answer in answers:
            task = tasks[answer.id]
            self._answer(task.connection, answer._replace(id=task.request.id))
        for connection in {task.connection for task in tasks}:
            self._flush(connection)

    def _take(self, most: int) -> List[Task]:
        """The next tasks that may run together: in order, none expired, one that must be alone by itself."""
        tasks: List[Task] = []
        now = time.perf_counter()
        while self._waiting and len(tasks) < most:
            key = next(iter(self._waiting))
            task = self._waiting[key]
            if task.alone and tasks:
                break
            del self._waiting[key]
            if task.deadline is not None and task.deadline < now:
                continue  # its caller has been answered
            tasks.append(task)
            if task.alone:
                break
        return tasks

    # -- scoring on threads (user code) --------------------------------------------------------------------------------

    def _start_threads(self) -> None:
        """Start as many waiting tasks as threads are free; one that must be alone waits for all others, and they for it."""
        assert self._threads is not None
        while True:
            with self._lock:
                if self._exclusive or self._running >= self._max_threads or not self._waiting:
                    return
                if next(iter(self._waiting.values())).alone and self._running:
                    return
                tasks = self._take(1)
                if not tasks:
                    continue
                self._running += 1
                self._exclusive = tasks[0].alone
            self._announce(tasks)
            self._threads.submit(self._score_on_thread, tasks[0])

    def _score_on_thread(self, task: Task) -> None:
        flushed = True
        try:
            answers = self._stream(task) if task.request.form.answer == "stream" else self._score_alone(task.request)
            for answer in answers:
                self._answer(task.connection, answer)
            flushed = task.connection.flush()
        finally:
            with self._lock:
                self._running -= 1
                self._exclusive = False
                idle = not self._running
        self._start_threads()
        if not flushed or (idle and self._stopping):
            self._wake_writer.send(b"x")

    def _score_alone(self, request: Request) -> List[Answer]:
        try:
            return self._scorer.score([request])
        except BaseException as error:  # noqa: BLE001  a SystemExit would end the thread unseen, and the answer with it
            return [_raised(request.id, error)]

    def _stream(self, task: Task) -> List[Answer]:
        """Send what the model yields as it comes; the answer ends it."""
        request, connection = task.request, task.connection
        stream = Stream()
        with connection.lock:
            connection.streams[request.id] = stream
        began = time.perf_counter()
        events = self._scorer.stream(request)
        try:
            for event in events:
                for start in range(0, len(event), wire.CHUNK_SIZE):
                    if not stream.may_send():
                        return [_cancelled(request.id)]
                    connection.send(wire.STREAM, request.id, b"", event[start : start + wire.CHUNK_SIZE])
                    if not connection.flush():
                        self._wake_writer.send(b"x")
        except ModelportError as error:
            return [Answer(request.id, error)]
        except BaseException as error:  # noqa: BLE001  a SystemExit would end the thread unseen, and the answer with it
            return [_raised(request.id, error)]
        finally:
            with connection.lock:
                del connection.streams[request.id]
            with contextlib.suppress(Exception):
                events.close()  # the model's own clean-up runs now, also where nobody listens any more
        phases = [int((began - request.arrived) * 1e6), 0, int((time.perf_counter() - began) * 1e6), 0]
        return [Answer(request.id, b"", 1, phases, [1, 1])]

    # -- end -----------------------------------------------------------------------------------------------------------

    def _finish(self) -> None:
        """Give what is left to write a moment (large answers wait for credit), then let the connections close."""
        self._selector.unregister(self._listener)
        self._selector.unregister(self._control.sock)
        until = time.monotonic() + 5
        while time.monotonic() < until:
            connections = [key.data for key in self._selector.get_map().values() if key.data is not None]
            for connection in connections:
                self._flush(connection)
            if all(connection.idle for connection in connections):
                return
            for key, events in self._selector.select(0.01):
                self._handle(key, events)


def _cancelled(id: int) -> Answer:
    return Answer(id, ModelportError("nobody waits for this answer", code="CANCELLED"))


def _raised(id: int, error: BaseException) -> Answer:
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return Answer(id, ModelFailed(f"the model raised {type(error).__name__} while predicting", traceback=text))


def _load_error(error: Exception) -> Dict[str, Any]:
    if isinstance(error, ModelportError) and error.traceback is not None:
        return error.as_dict()
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    if not isinstance(error, ModelportError):
        error = ModelNotLoadable(f"loading the model failed: {type(error).__name__}: {error}")
    error.traceback = text
    return error.as_dict()


def _give_up_rights() -> None:
    """Before anything of the model runs: no program it starts gets more rights than it has itself (``sudo`` and its like),
    and where the machine's memory ends, the kernel ends workers before the server. Linux only."""
    if not sys.platform.startswith("linux"):
        return
    with contextlib.suppress(ImportError, OSError):
        import ctypes

        prctl = ctypes.CDLL(None).prctl
        prctl(_PR_SET_NO_NEW_PRIVS, *(ctypes.c_ulong(value) for value in (1, 0, 0, 0)))
        # A worker ends when its control connection closes; this ends one whose model is busy and does not look.
        prctl(_PR_SET_PDEATHSIG, *(ctypes.c_ulong(value) for value in (signal.SIGKILL, 0, 0, 0)))
    with contextlib.suppress(OSError, ValueError), open("/proc/self/oom_score_adj", "r+") as file:
        present = int(file.read())
        file.seek(0)
        file.write(str(max(present, OOM_SCORE)))


def main() -> None:
    """Entry point of the laid-out runtime folder: the only argument is the listening socket's file descriptor."""
    faulthandler.enable()
    _give_up_rights()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    logging.basicConfig(stream=sys.stderr, level=logging.WARNING, format="%(levelname)s worker: %(message)s")
    Worker(socket.socket(fileno=int(sys.argv[1]))).run()
