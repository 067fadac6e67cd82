"""The wire between a scoring process and a worker: frames over any byte stream, defined once for both sides.

    header (24 bytes, little endian): kind u8 · flags u8 · 2 spare · head length u32 · body length u32 · budget u32 · id u64
    head: a small JSON object, or nothing          body: raw bytes, at most one chunk (1 MiB)

| kind      | sent by | id      | head                                  | body                                      |
|-----------|---------|---------|---------------------------------------|-------------------------------------------|
| HANDSHAKE | both    | 0       | what either side has to say of itself |                                           |
| INFER     | scoring | request | how to read and answer (see scoring)  | the request's body as it came             |
| START     | worker  | 0       |                                       | ids (u64 each) that begin now (see pool)  |
| STREAM    | worker  | request |                                       | the next bytes of an answer made bit by bit |
| RESULT    | worker  | request | rows, phases                          | the answer's body                         |
| ERROR     | worker  | request | the error as data                     |                                           |
| CHUNK     | both    | request |                                       | more of a body whose frame had MORE set   |
| CREDIT    | both    | request |                                       | (one more chunk may be sent)              |
| CANCEL    | scoring | request | (ERROR CANCELLED if it had not begun) |                                           |
| STOP      | scoring | 0       |                                       |                                           |

A body above one chunk is sent in pieces; after ``WINDOW`` of them the sender waits for CREDIT, so that one large body never
holds up the others. STREAM frames wait for CREDIT in the same way after ``STREAM_WINDOW``, so that a client which reads slowly
slows down its own model only; RESULT (without a body) or ERROR ends them. ``budget`` is the time in milliseconds the receiver
may still spend on the request (0: no limit).
"""

import struct
from typing import Callable, Dict, List, NamedTuple, Optional

WIRE_VERSION = 2
"""Changed whenever a stored sample in ``tests/wire`` has to change; both sides refuse another version."""

HANDSHAKE, INFER, START, RESULT, ERROR, CHUNK, CREDIT, CANCEL, STOP, STREAM = range(1, 11)

MORE = 1
"""Flag: CHUNK frames with the rest of this body follow; the last of them has the flag unset."""
ALONE = 2
"""Flag on INFER: nothing else may run in the worker meanwhile, because this request may have killed one."""

HEADER = struct.Struct("<BBxxIIIQ")
CHUNK_SIZE = 1 << 20
WINDOW = 4
STREAM_WINDOW = 16
MAX_HEAD = 4 << 20
"""A handshake carries the whole MLmodel; nothing else comes near."""
MAX_BUDGET_MS = 0xFFFFFFFF


class WireError(Exception):
    """The other side sent bytes that are no frame; the connection cannot be used any further."""


class Message(NamedTuple):
    """A complete message: its body is whole, however many frames brought it."""

    kind: int
    id: int
    head: bytes = b""
    body: bytes = b""
    flags: int = 0
    budget_ms: int = 0


class _Outgoing:
    """The rest of a large body on its way out."""

    __slots__ = ("body", "credit", "offset")

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.offset = CHUNK_SIZE
        self.credit = WINDOW - 1


class _Incoming:
    """A large body on its way in: its first frame's header, and the chunks so far."""

    __slots__ = ("chunks", "first", "size")

    def __init__(self, first: Message) -> None:
        self.first = first
        self.chunks = [first.body]
        self.size = len(first.body)


class Channel:
    """Both directions of one connection, without I/O: bytes in → messages, messages → bytes in ``outgoing``.

    Not safe for several threads at once.
    """

    def __init__(self, max_body: int) -> None:
        self.outgoing: List[bytes] = []
        self.on_credit: Optional[Callable[[int], None]] = None
        """Called with the id of a request for which a STREAM frame may be sent."""
        self._max_body = max_body
        self._rest = b""
        self._sending: Dict[int, _Outgoing] = {}
        self._receiving: Dict[int, _Incoming] = {}

    def send(
        self, kind: int, id: int, head: bytes = b"", body: bytes = b"", flags: int = 0, budget_ms: int = 0
    ) -> None:
        """Queue a message; what may leave now is appended to ``outgoing``."""
        size = len(body)
        if size <= CHUNK_SIZE:
            header = HEADER.pack(kind, flags, len(head), size, budget_ms, id)
            if size > 4096:  # large enough for a copy to cost more than a second buffer
                self.outgoing += (header + head, body)
            else:
                self.outgoing.append(header + head + body)
            return
        header = HEADER.pack(kind, flags | MORE, len(head), CHUNK_SIZE, budget_ms, id)
        self.outgoing += (header + head, body[:CHUNK_SIZE])
        sending = self._sending[id] = _Outgoing(body)
        self._send_chunks(id, sending)

    def forget(self, id: int) -> bool:
        """Drop what is left to send or to receive for a request nobody waits for; True if it had not arrived whole."""
        self._sending.pop(id, None)
        return self._receiving.pop(id, None) is not None

    @property
    def idle(self) -> bool:
        """Whether all that was sent has left whole."""
        return not self.outgoing and not self._sending

    def take(self) -> bytes:
        """All bytes that may be written now, in one piece."""
        out = self.outgoing
        self.outgoing = []
        return out[0] if len(out) == 1 else b"".join(out)

    def receive(self, data: bytes) -> List[Message]:
        """The messages completed by these bytes, in order. Credit is given and taken here."""
        if self._rest:
            data = self._rest + data
        messages: List[Message] = []
        position, end = 0, len(data)
        while end - position >= 24:
            kind, flags, head_size, body_size, budget, id = HEADER.unpack_from(data, position)
            if not HANDSHAKE <= kind <= STREAM or head_size > MAX_HEAD or body_size > CHUNK_SIZE:
                raise WireError(f"not a frame: kind {kind}, head of {head_size} bytes, body of {body_size} bytes")
            body_start = position + 24 + head_size
            frame_end = body_start + body_size
            if frame_end > end:
                break
            head = data[position + 24 : body_start] if head_size else b""
            body = data[body_start:frame_end] if body_size else b""
            position = frame_end
            if CHUNK <= kind <= CREDIT or flags & MORE:
                self._receive_part(Message(kind, id, head, body, flags, budget), messages)
            else:
                messages.append(Message(kind, id, head, body, flags, budget))
        self._rest = data[position:] if position < end else b""
        return messages

    def _receive_part(self, frame: Message, messages: List[Message]) -> None:
        if frame.kind == CREDIT:
            sending = self._sending.get(frame.id)
            if sending is not None:
                sending.credit += 1
                self._send_chunks(frame.id, sending)
            elif self.on_credit is not None:
                self.on_credit(frame.id)
        elif frame.kind == CHUNK:
            incoming = self._receiving.get(frame.id)
            if incoming is None:
                return  # its message was cancelled
            incoming.chunks.append(frame.body)
            incoming.size += len(frame.body)
            if incoming.size > self._max_body:
                raise WireError(f"a body of more than {self._max_body} bytes")
            if frame.flags & MORE:
                self.credit(frame.id)
            else:
                del self._receiving[frame.id]
                first = incoming.first
                messages.append(first._replace(body=b"".join(incoming.chunks), flags=first.flags & ~MORE))
        else:
            self._receiving[frame.id] = _Incoming(frame)
            self.credit(frame.id)

    def credit(self, id: int) -> None:
        """Let the other side send one more frame of this request's body or stream."""
        self.outgoing.append(HEADER.pack(CREDIT, 0, 0, 0, 0, id))

    def _send_chunks(self, id: int, sending: _Outgoing) -> None:
        while sending.credit > 0:
            sending.credit -= 1
            chunk = sending.body[sending.offset : sending.offset + CHUNK_SIZE]
            sending.offset += len(chunk)
            more = sending.offset < len(sending.body)
            self.outgoing += (HEADER.pack(CHUNK, MORE if more else 0, 0, len(chunk), 0, id), chunk)
            if not more:
                del self._sending[id]
                return
