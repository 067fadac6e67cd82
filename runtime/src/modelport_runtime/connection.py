"""A scoring process's socket as a worker sees it: messages in, frames out, streams under way."""

import socket
import threading
from typing import Dict, List, Optional

from modelport_runtime import wire

RECEIVE_SIZE = 1 << 18


class Stream:
    """A streamed answer under way: how many more frames may be sent, and whether anybody still wants them."""

    def __init__(self) -> None:
        self._credit = threading.Semaphore(wire.STREAM_WINDOW)
        self.cancelled = False

    def may_send(self) -> bool:
        """Wait until one more frame may be sent; False: nobody wants it."""
        self._credit.acquire()
        return not self.cancelled

    def credit(self) -> None:
        self._credit.release()

    def cancel(self) -> None:
        self.cancelled = True
        self._credit.release()


class Connection:
    """One scoring process's socket: what was read and what is still to be written. ``lock`` guards the channel."""

    def __init__(self, sock: socket.socket, max_body: int) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.channel = wire.Channel(max_body)
        self.lock = threading.Lock()
        self.closed = False
        self.streams: Dict[int, Stream] = {}
        self.channel.on_credit = self._credit
        self._unsent = b""

    def receive(self) -> Optional[List[wire.Message]]:
        """What has arrived, or None when the other side is gone."""
        messages: List[wire.Message] = []
        while True:
            try:
                data = self.sock.recv(RECEIVE_SIZE)
            except BlockingIOError:
                return messages
            except OSError:
                return None
            if not data:
                return None
            with self.lock:
                messages += self.channel.receive(data)
            if len(data) < RECEIVE_SIZE:
                return messages

    def _credit(self, id: int) -> None:
        stream = self.streams.get(id)
        if stream is not None:
            stream.credit()

    def send(self, kind: int, id: int, head: bytes = b"", body: bytes = b"") -> None:
        with self.lock:
            self.channel.send(kind, id, head, body)

    def flush(self) -> bool:
        """Write what can be written now; False when something is left for later."""
        with self.lock:
            if self.channel.outgoing:
                self._unsent += self.channel.take()
            view, sent = memoryview(self._unsent), 0
            try:
                while sent < len(view) and not self.closed:
                    sent += self.sock.send(view[sent:])
            except BlockingIOError:
                pass
            except OSError:
                self.closed = True  # the scoring process is gone; its requests are answered by nobody
            self._unsent = self._unsent[sent:]
            return self.closed or not self._unsent

    @property
    def idle(self) -> bool:
        """Whether every answer has left whole, as far as anybody takes it."""
        with self.lock:
            return self.closed or (not self._unsent and self.channel.idle)
