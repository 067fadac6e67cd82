"""The other side of a pool's connection, for tests that decide what a worker says and when it dies."""

import asyncio
import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

from modelport.workers.process import WorkerAddress
from modelport_runtime import wire


class Peer:
    """A worker as far as the wire goes: keeps what it is sent, and says what the test tells it to say."""

    def __init__(self, id: int, folder: Path, user_code: bool = False) -> None:
        self.address = WorkerAddress(id, str(folder / f"w{id}"), 0, user_code)
        self.inbox: asyncio.Queue[wire.Message] = asyncio.Queue()
        self.connections = 0
        self.closed = asyncio.Event()
        self.gives_credit = True
        self.on_credit: Callable[[int], None] = lambda id: None
        self._channel = wire.Channel(1 << 30)
        self._channel.on_credit = lambda id: self.on_credit(id)
        self._writer: asyncio.StreamWriter | None = None
        self._server: asyncio.Server | None = None

    async def listen(self) -> "Peer":
        self._server = await asyncio.start_unix_server(self._serve, self.address.path)
        return self

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writer = writer
        try:
            while data := await reader.read(1 << 18):
                for message in self._channel.receive(data):
                    self.inbox.put_nowait(message)
                if self.gives_credit:
                    writer.write(self._channel.take())
        except ConnectionError:
            pass
        self.closed.set()
        writer.close()

    def say(self, kind: int, id: int = 0, head: Any = None, body: bytes = b"") -> None:
        assert self._writer is not None
        self._channel.send(kind, id, b"" if head is None else json.dumps(head).encode(), body)
        self._writer.write(self._channel.take())

    def garble(self) -> None:
        assert self._writer is not None
        self._writer.write(b"this is no frame at all, and long enough to be one")

    def begin(self, *ids: int) -> None:
        self.say(wire.START, 0, None, struct.pack(f"<{len(ids)}Q", *ids))

    def give_back(self, id: int) -> None:
        """The call was recalled, and had not begun."""
        self.say(
            wire.ERROR,
            id,
            {"error": {"code": "CANCELLED", "message": "", "hint": None, "details": [], "traceback": None}},
        )

    def result(self, id: int, body: bytes = b"done") -> None:
        self.say(wire.RESULT, id, {"rows": 1, "phases": [1, 2, 3, 4]}, body)

    async def next(self, kind: int) -> wire.Message:
        message = await asyncio.wait_for(self.inbox.get(), 5)
        assert message.kind == kind, message
        return message

    async def die(self) -> None:
        if self._server is not None:
            self._server.close()
        if self._writer is not None:
            self._writer.transport.abort()
        await asyncio.sleep(0)
