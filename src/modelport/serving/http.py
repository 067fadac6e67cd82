"""HTTP/1.1 on httptools and uvloop: connections, their limits and their orderly end. Knows nothing of models.

The whole protocol is in this file, because the limits have to hold from the first byte: a header or body that drips is
closed, a header or body that is too large is refused before it is held, and nobody who sent a byte of a request is left
without an answer when the server stops.
"""

import asyncio
import contextlib
import http
import itertools
import logging
import os
import re
import socket
import ssl
import time
import urllib.parse
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import httptools
import orjson

log = logging.getLogger("modelport.http")

MAX_HEAD = 64 * 1024
"""Bytes of request line and headers."""
DRIP_WINDOW = 10.0
"""Seconds: a header must be complete within them, and a body must bring ``DRIP_BYTES`` in each of them."""
DRIP_BYTES = 10 * 1024
KEEP_ALIVE = 75.0
"""Seconds an idle connection is kept."""
LINGER = 2.0
"""Seconds for a client to read the last answer before the connection is dropped under what it still sends."""
DRAIN_IDLE = 1.0
"""Seconds that idle connections get, when the server stops, to send the request that may already be on its way."""
MAX_PIPELINED = 32

_SAFE_ID = re.compile(rb"[A-Za-z0-9._:/+=-]{1,128}\Z")


@dataclass(frozen=True)
class Limits:
    """What a client may send. Sizes in bytes."""

    max_body: int
    max_buffered: int


class Request:
    """A complete request. Owed for it is exactly one ``respond``, or one ``begin``, any number of ``write`` and one ``end``."""

    __slots__ = (
        "_connection",
        "also",
        "body",
        "headers",
        "id",
        "keep_alive",
        "method",
        "on_disconnect",
        "on_resume",
        "on_submitted",
        "path",
        "query",
        "received",
    )

    def __init__(
        self,
        connection: "Connection",
        method: bytes,
        target: bytes,
        headers: dict[bytes, bytes],
        body: bytes,
        id: bytes,
    ) -> None:
        self._connection = connection
        self.method = method
        path, _, self.query = target.partition(b"?")
        if b"%" in path:
            path = urllib.parse.unquote_to_bytes(path)
        self.path = path.rstrip(b"/") or b"/"
        self.headers = headers
        """Names in lower case; of a repeated header the last."""
        self.body = body
        self.id = id
        self.keep_alive = True
        self.received = time.perf_counter()
        self.on_disconnect: Callable[[], None] | None = None
        self.on_resume: Callable[[], None] | None = None
        """Called when a client that did not keep up with what was written has caught up."""
        self.on_submitted: Callable[[Any, Any], None] | None = None
        """Called with the route and its call when this has become a call for workers."""
        self.also = b""
        """Header lines that its answer has whoever gives it, each ended by CRLF."""

    @property
    def client(self) -> str:
        return self._connection.client

    def respond(
        self, status: int, body: bytes, content_type: bytes = b"application/json", headers: bytes = b""
    ) -> None:
        """Send the answer. ``headers`` are more header lines, each ended by CRLF."""
        self._connection.respond(self, status, body, content_type, headers)

    def begin(self, status: int, content_type: bytes, headers: bytes = b"") -> None:
        """Send the head of an answer whose body follows by and by."""
        self._connection.begin(self, status, content_type, headers)

    def write(self, data: bytes) -> bool:
        """Send more of the body; False: the client does not keep up, and ``on_resume`` will be called."""
        return self._connection.write(self, data)

    def end(self) -> None:
        """The body is complete."""
        self._connection.end(self)


Application = Callable[[Request], None]


class Connection(asyncio.Protocol):
    """One client. Requests are answered in the order they came."""

    def __init__(self, server: "HttpServer") -> None:
        self.server = server
        self.client = ""
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._active: Request | None = None
        self._pending: deque[Request] = deque()
        self._lingering = False
        self._refused = False
        self._in_message = False
        self._in_body = False
        self._since = 0.0
        self._window_bytes = 0
        self._head_received = 0
        self._head_size = 0
        self._size = 0
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._chunks: list[bytes] = []
        self._idle_since = server.loop.time()
        self._paused = False
        self._chunked = False
        self._unread = 0
        self._unread_since = 0.0

    # -- transport -----------------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.client = peer[0] if isinstance(peer, tuple) else "-"
        self.server.connections.add(self)
        self.server.watch()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self.server.connections.discard(self)
        self.server.buffered -= self._size
        for request in (self._active, *self._pending):
            if request is not None:
                self.server.buffered -= len(request.body)
                if request.on_disconnect is not None:
                    request.on_disconnect()
                    request.on_disconnect = None
        self._active = None
        self._pending.clear()
        # What the client sent goes with the connection, though a timer may still know us. The parser calls us: without it
        # there is no cycle for the collector, which counts objects, and 64 KiB of headers may hang on ten of them.
        del self._parser
        self._headers, self._chunks = {}, []

    def data_received(self, data: bytes) -> None:
        if self._lingering or self._refused:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            pass  # the request is answered as any other; we never switch protocols
        except httptools.HttpParserCallbackError:
            log.exception("cannot handle a request")
            self._refuse(500, "INTERNAL_ERROR", "the server failed to read this request")
        except httptools.HttpParserError as error:
            self._refuse(400, "MALFORMED_HTTP", f"this is not HTTP/1.1: {error}")
        if self._in_message:
            if self._since == 0.0:
                self._since = self.server.loop.time()
                self._window_bytes = 0
            self._window_bytes += len(data)
            if not self._in_body:
                self._head_received += len(data)
                if self._head_received > MAX_HEAD:
                    self._refuse_head()

    def eof_received(self) -> None:
        """The client is gone, or wants nothing any more: the transport closes itself."""

    def pause_writing(self) -> None:
        """The client does not read its answers: take no more requests from it."""
        self._paused = True
        self._read(False)

    def resume_writing(self) -> None:
        self._paused = False
        self._read(True)
        if self._active is not None and self._active.on_resume is not None:
            self._active.on_resume()

    def _read(self, wanted: bool) -> None:
        transport = self._transport
        if transport is not None and not transport.is_closing() and transport.is_reading() != wanted:
            transport.resume_reading() if wanted else transport.pause_reading()

    # -- parser --------------------------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._in_message = True
        self._in_body = False
        self._since = 0.0
        self._head_received = 0
        self._head_size = 0
        self._target = b""
        self._headers = {}

    def on_url(self, url: bytes) -> None:
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers[name.lower()] = value
        self._head_size += len(name) + len(value)
        if self._head_size > MAX_HEAD:
            self._refuse_head()

    def on_headers_complete(self) -> None:
        self._in_body = True
        if self._since:
            self._since, self._window_bytes = self.server.loop.time(), 0
        headers = self._headers
        length = headers.get(b"content-length", b"")
        if length.isdigit() and int(length) > self.server.limits.max_body:
            self._refuse_body()
        elif length.isdigit() and self.server.buffered + int(length) > self.server.limits.max_buffered:
            self._refuse_for_memory()
        elif headers.get(b"expect", b"").lower() == b"100-continue" and self._transport is not None:
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, chunk: bytes) -> None:
        if self._refused:
            return
        self._size += len(chunk)
        self.server.buffered += len(chunk)
        self._chunks.append(chunk)
        if self._size > self.server.limits.max_body:
            self._refuse_body()
        elif self.server.buffered > self.server.limits.max_buffered:
            self._refuse_for_memory()

    def on_message_complete(self) -> None:
        self._in_message = False
        self._since = 0.0
        if self._refused or self._transport is None:
            return
        chunks = self._chunks
        body = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._chunks, self._size = [], 0  # counted on with the request until it is answered
        given = self._headers.get(b"x-request-id")
        id = given if given is not None and _SAFE_ID.match(given) else self.server.new_id()
        request = Request(self, self._parser.get_method(), self._target, self._headers, body, id)
        request.keep_alive = self._parser.should_keep_alive()
        if self._active is None:
            self._active = request
            self._apply(request)
        else:
            self._pending.append(request)
            if len(self._pending) >= MAX_PIPELINED:
                self._read(False)

    def _apply(self, request: Request) -> None:
        try:
            self.server.application(request)
        except Exception:
            log.exception("cannot handle a request")
            self.respond(
                request,
                500,
                error_body("INTERNAL_ERROR", "the server failed at this request"),
                b"application/json",
                b"",
            )

    # -- answers -------------------------------------------------------------------------------------------------------

    def respond(self, request: Request, status: int, body: bytes, content_type: bytes, headers: bytes) -> None:
        """Write the answer to the active request and begin the next one, if it is there."""
        transport = self._transport
        if transport is None or request is not self._active:
            return
        self.server.buffered -= len(request.body)
        close = self._closes_after(request)
        head = b"%s%s\r\ncontent-type: %s\r\ncontent-length: %d\r\nx-request-id: %s\r\n%s%s%s\r\n" % (
            _STATUS_LINES[status],
            self.server.date,
            content_type,
            len(body),
            request.id,
            headers,
            request.also,
            b"connection: close\r\n" if close else b"",
        )
        if request.method == b"HEAD":
            body = b""
        if len(body) > 65536:
            transport.writelines([head, body])
        else:
            transport.write(head + body)
        self._go_on(close)

    def begin(self, request: Request, status: int, content_type: bytes, headers: bytes) -> None:
        """Write the head of the active request's answer; a client of HTTP/1.0 sees the body's end by the closing."""
        transport = self._transport
        if transport is None or request is not self._active:
            return
        self.server.buffered -= len(request.body)
        request.body = b""
        self._chunked = self._parser.get_http_version() != "1.0"
        request.keep_alive = self._chunked and not self._closes_after(request)
        transport.write(
            b"%s%s\r\ncontent-type: %s\r\n%sx-request-id: %s\r\n%s%s%s\r\n"
            % (
                _STATUS_LINES[status],
                self.server.date,
                content_type,
                b"transfer-encoding: chunked\r\n" if self._chunked else b"",
                request.id,
                headers,
                request.also,
                b"" if request.keep_alive else b"connection: close\r\n",
            )
        )

    def write(self, request: Request, data: bytes) -> bool:
        """Write more of the active request's answer; False while the client does not keep up."""
        transport = self._transport
        if transport is None or request is not self._active or not data:
            return True
        transport.write(b"%x\r\n%s\r\n" % (len(data), data) if self._chunked else data)
        return not self._paused

    def end(self, request: Request) -> None:
        """The active request is answered: begin the next one, if it is there."""
        transport = self._transport
        if transport is None or request is not self._active:
            return
        if self._chunked:
            transport.write(b"0\r\n\r\n")
        self._go_on(self._closes_after(request))

    def _closes_after(self, request: Request) -> bool:
        """Whether the connection ends with this answer; what was read whole behind it is still answered."""
        return not request.keep_alive or ((self.server.draining or self._refused) and not self._pending)

    def _go_on(self, close: bool) -> None:
        self._active = None
        if close:
            self._linger()
        elif self._pending:
            self._active = following = self._pending.popleft()
            if len(self._pending) == MAX_PIPELINED - 1:
                self._read(True)
            self.server.loop.call_soon(self._apply, following)
        else:
            self._idle_since = self.server.loop.time()

    def _refuse_head(self) -> None:
        self._refuse(431, "HEADERS_TOO_LARGE", f"the request's headers are larger than {MAX_HEAD} bytes")

    def _refuse_body(self) -> None:
        limit = self.server.limits.max_body
        self._refuse(413, "REQUEST_TOO_LARGE", f"the request's body is larger than the limit of {limit} bytes")

    def _refuse_for_memory(self) -> None:
        self._refuse(429, "REQUEST_LIMIT_EXCEEDED", "too many request bodies in memory", b"retry-after: 1\r\n")

    def _refuse(self, status: int, code: str, message: str, headers: bytes = b"") -> None:
        """Answer something that is no whole request, and take nothing more from this client."""
        if self._refused or self._transport is None:
            return
        self._refused = True
        self._in_message = False
        self._since = 0.0
        self.server.buffered -= self._size
        self._chunks, self._size = [], 0
        self.server.on_refused(status)
        if self._active is not None:
            return  # the request before it is answered first, and the connection closed then
        body = error_body(code, message)
        self._transport.write(
            b"%s%s\r\ncontent-type: application/json\r\ncontent-length: %d\r\n%sconnection: close\r\n\r\n%s"
            % (_STATUS_LINES[status], self.server.date, len(body), headers, body)
        )
        self._linger()

    def _linger(self) -> None:
        """Close our direction; the client closes the other one, or ``LINGER`` ends it."""
        transport = self._transport
        if transport is None:
            return
        self._lingering = True
        for request in self._pending:
            self.server.buffered -= len(request.body)
        self._pending.clear()
        if transport.can_write_eof():
            with contextlib.suppress(OSError):
                transport.write_eof()
            self.server.loop.call_later(LINGER, self._abandon)
        else:
            transport.close()

    def _abandon(self) -> None:
        if self._transport is not None:
            self._transport.close()

    # -- time ----------------------------------------------------------------------------------------------------------

    @property
    def idle(self) -> bool:
        """Whether no byte of a request is being read or answered."""
        return self._active is None and not self._in_message and not self._lingering

    def check(self, now: float) -> None:
        """Called about once a second: end what drips or idles, and who does not read its answer."""
        transport = self._transport
        unread = transport.get_write_buffer_size() if transport is not None else 0
        if transport is not None and unread and unread == self._unread:
            if now - self._unread_since > KEEP_ALIVE:
                transport.abort()
            return
        self._unread, self._unread_since = unread, now
        if self._since:
            if now - self._since < DRIP_WINDOW:
                return
            if self._in_body and self._window_bytes >= DRIP_BYTES:
                self._since, self._window_bytes = now, 0
            else:
                what = "body" if self._in_body else "header"
                self._refuse(408, "REQUEST_TIMEOUT", f"the request's {what} did not arrive within {DRIP_WINDOW:.0f} s")
        elif self.idle and now - self._idle_since > KEEP_ALIVE:
            self.end_idle()

    def end_idle(self) -> None:
        """Close an idle connection; a client that is just sending sees our end of stream before it sees a reset."""
        self._linger()


class HttpServer:
    """Listens, watches the clock, and ends in order. ``on_refused(status)`` counts what never became a request."""

    def __init__(self, application: Application, limits: Limits, on_refused: Callable[[int], None]) -> None:
        self.loop = asyncio.get_running_loop()
        self.application = application
        self.limits = limits
        self.on_refused = on_refused
        self.connections: set[Connection] = set()
        self.buffered = 0
        """Bytes of request bodies held in memory."""
        self.draining = False
        self.date = b""
        self._ids = itertools.count()
        self._id_prefix = os.urandom(5).hex().encode()
        self._server: asyncio.Server | None = None
        self._watching = False

    def new_id(self) -> bytes:
        return b"%s-%x" % (self._id_prefix, next(self._ids))

    async def listen(self, sock: socket.socket, context: ssl.SSLContext | None) -> None:
        """Accept connections on a listening socket."""
        options: dict[str, Any] = {"ssl": context, "ssl_handshake_timeout": DRIP_WINDOW} if context else {}
        self._server = await self.loop.create_server(lambda: Connection(self), sock=sock, **options)

    async def drain(self, timeout: float) -> None:
        """Take no new connections, answer every request of which a byte was received, let the clients go."""
        self.draining = True
        # Connections that the kernel has accepted for us are clients like all others: they are taken in first.
        await asyncio.sleep(0.1)
        if self._server is not None:
            self._server.close()
        until = self.loop.time() + timeout
        idle_until = self.loop.time() + DRAIN_IDLE
        while self.connections and self.loop.time() < until:
            if self.loop.time() > idle_until:
                for connection in list(self.connections):
                    if connection.idle:
                        connection.end_idle()
            await asyncio.sleep(0.02)
        for connection in list(self.connections):
            connection._abandon()

    def watch(self) -> None:
        """Look after the connections once a second, as long as there are any."""
        if not self._watching:
            self._watching = True
            self._tick()

    def _tick(self) -> None:
        if not self.connections:
            self._watching = False
            return
        now = self.loop.time()
        self.date = time.strftime("date: %a, %d %b %Y %H:%M:%S GMT", time.gmtime()).encode()
        for connection in list(self.connections):
            connection.check(now)
        self.loop.call_later(1.0, self._tick)


_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in http.HTTPStatus}


def error_body(code: str, message: str, details: list[Any] | None = None, **more: Any) -> bytes:
    """The JSON of every error: ``error_code``, ``message``, and ``details`` where there are some."""
    body: dict[str, Any] = {"error_code": code, "message": message}
    if details:
        body["details"] = details
    body.update({key: value for key, value in more.items() if value})
    return orjson.dumps(body)
