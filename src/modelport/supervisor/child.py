"""``Child``: one process that is kept running, and the JSON lines between it and us.

It begins a session of its own, so that Ctrl-C reaches us alone: the supervisor of `up`, or the first process of `serve`. It is
no business of the kernel to end it with us (PR_SET_PDEATHSIG): that would take code between fork and exec, which is unsafe
beside threads. It reads its socket instead, which ends when we do.
"""

import asyncio
import contextlib
import json
import logging
import signal
import socket
import time
from collections.abc import Callable, Sequence
from typing import Any

from modelport.messages import MAX_LINE

log = logging.getLogger("modelport.supervisor")

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10.0
"""Seconds before it is started again; doubled each time, unless it lived for ``LONG`` seconds."""
LONG = 10.0
EXIT_GRACE = 5.0
"""Seconds a process has to end that has closed its socket."""


class Child:
    """``descriptors`` are inherited, and their numbers are its last arguments, after its end of the socket pair.

    ``first()`` are the lines it is sent when it begins, ``hear(message)`` takes what it says, ``ended()`` is called at its end.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        descriptors: Sequence[int],
        *,
        first: Callable[[], bytes],
        hear: Callable[[dict[str, Any]], None],
        ended: Callable[[], None],
    ) -> None:
        self._name = name
        self._command = command
        self._descriptors = descriptors
        self._first = first
        self._hear = hear
        self._ended = ended
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._stopping = asyncio.Event()
        self._last = b""

    def begin(self) -> None:
        """Have it run from now on."""
        self._keeper = asyncio.ensure_future(self._keep())

    def tell(self, data: bytes) -> None:
        """Lines for it; lost when it is not there: ``first`` tells its successor."""
        if self._writer is not None:
            self._writer.write(data)

    async def stop(self, grace: float, last: bytes = b"") -> None:
        """Ask it to end, by its last line or else by SIGTERM; wait; kill. It is not started again."""
        if self._keeper is None:
            return
        self._stopping.set()
        self._last = last
        self._ask()
        done, _ = await asyncio.wait({self._keeper}, timeout=grace)
        if not done:
            log.warning("%s did not end within %.0f s: killed", self._name, grace)
            if self._process is not None:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
            await self._keeper

    def _ask(self) -> None:
        if self._last:
            self.tell(self._last)
        elif self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()

    async def _keep(self) -> None:
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            began = time.monotonic()
            try:
                how = await self._run()
            except OSError as error:
                how = f"cannot be started: {error}"
            if self._stopping.is_set():
                return
            lived_long = time.monotonic() - began > LONG
            pause = FIRST_PAUSE if lived_long else pause
            log.warning("%s %s: it is started again in %.1f s", self._name, how, pause)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    async def _run(self) -> str:
        """One life; how it ended."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            descriptors = [theirs.fileno(), *self._descriptors]
            process = await asyncio.create_subprocess_exec(
                *self._command,
                *map(str, descriptors),
                pass_fds=descriptors,
                stdin=asyncio.subprocess.DEVNULL,
                start_new_session=True,
            )
            theirs.close()
            reader, writer = await asyncio.open_unix_connection(sock=ours.dup(), limit=MAX_LINE)
        self._process, self._writer = process, writer
        writer.write(self._first())
        if self._stopping.is_set():  # told while it was being started
            self._ask()
        reading = asyncio.ensure_future(self._read(reader))
        ending = asyncio.ensure_future(process.wait())
        try:
            await asyncio.wait({reading, ending}, return_when=asyncio.FIRST_COMPLETED)
            # Whichever comes first: the other follows at once, unless it hangs.
            await asyncio.wait({reading, ending}, timeout=EXIT_GRACE)
            if not ending.done():
                process.kill()
            reading.cancel()
            code = await ending
        finally:
            self._process = self._writer = None
            writer.close()
            self._ended()
        return f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"

    async def _read(self, reader: asyncio.StreamReader) -> None:
        with contextlib.suppress(ConnectionError):
            while text := await reader.readline():
                try:
                    self._hear(json.loads(text))
                except Exception:  # whatever it says wrong, it ends neither us nor the others
                    log.exception("%s said what is not understood", self._name)
