"""``RequestReader``: the body of a request as a file, for an operation in a thread. At most one piece of it is in memory."""

import io
from typing import Any

import anyio
import anyio.from_thread
from starlette.types import Message, Receive

from modelport.rest.errors import HttpError

SILENCE = 60.0
"""Seconds without a byte after which an upload is given up."""
MAX_DRAINED = 64 << 20
"""Bytes of a refused upload that are still read, so that its sender gets to reading why."""


class RequestReader(io.RawIOBase):
    """Read from a thread that anyio started; ``receive`` is asked in the event loop."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._piece = memoryview(b"")
        self._ended = False

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the beginning of ``buffer``; 0 at the end.

        Raises:
            HttpError: the client is gone, or says nothing for too long.
        """
        while not self._piece and not self._ended:
            message = anyio.from_thread.run(self._next)
            if message["type"] != "http.request":
                self._ended = True
                raise HttpError("the upload was broken off", code="BAD_REQUEST")
            self._piece = memoryview(message.get("body", b""))
            self._ended = not message.get("more_body", False)
        count = min(len(self._piece), len(buffer))
        buffer[:count] = self._piece[:count]
        self._piece = self._piece[count:]
        return count

    def drain(self) -> None:
        """Throw away what still comes, within limits."""
        scrap = bytearray(1 << 16)
        left = MAX_DRAINED
        try:
            while left > 0 and (count := self.readinto(scrap)):
                left -= count
        except HttpError:
            pass

    async def _next(self) -> Message:
        with anyio.move_on_after(SILENCE):
            return await self._receive()
        self._ended = True
        raise HttpError(f"nothing of the upload came for {SILENCE:.0f} s", code="REQUEST_TIMEOUT")
