"""An event loop for one run: where it lives, what signals do to it, and a thread it may leave behind."""

import asyncio
import contextlib
import queue
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

import uvloop


def in_a_loop(run: Callable[[], Any]) -> None:
    """In a thread of its own where a loop is running here, as in a notebook."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        uvloop.run(run())
        return
    failed: list[BaseException] = []

    def work() -> None:
        try:
            uvloop.run(run())
        except BaseException as error:  # noqa: BLE001  raised again, in the thread that waits
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


@contextlib.contextmanager
def stopped_by_signals(loop: asyncio.AbstractEventLoop) -> Iterator[Callable[[], None]]:
    """SIGINT and SIGTERM cancel the task that asks; the function it gets raises what they mean once they came."""
    task = asyncio.current_task()
    came: list[int] = []

    def stop(number: int) -> None:
        came.append(number)
        if task is not None and len(came) == 1:  # what ends a run ends it once
            task.cancel()

    def check() -> None:
        if came:
            raise KeyboardInterrupt if came[0] == signal.SIGINT else SystemExit(128 + came[0])

    numbers = (signal.SIGINT, signal.SIGTERM) if threading.current_thread() is threading.main_thread() else ()
    for number in numbers:
        loop.add_signal_handler(number, stop, number)
    try:
        yield check
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


class LeftBehind:
    """A thread that runs one call after the other, and keeps nobody from ending: it may wait for standard input."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._calls: queue.SimpleQueue[tuple[asyncio.Future[Any], Callable[[], Any]] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def run(self, function: Callable[[], Any]) -> "asyncio.Future[Any]":
        future: asyncio.Future[Any] = self._loop.create_future()
        self._calls.put((future, function))
        return future

    def end(self) -> None:
        """Returns when the thread has ended, or soon."""
        self._calls.put(None)
        self._thread.join(1.0)

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            future, function = call
            result, error = None, None
            try:
                result = function()
            except Exception as raised:  # noqa: BLE001  raised again in the loop
                error = raised
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(_settle, future, result, error)
            del call, future, function, result, error  # a chunk must not stay alive until the next one


def _settle(future: "asyncio.Future[Any]", result: Any, error: Exception | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(result)
    else:
        future.set_exception(error)
