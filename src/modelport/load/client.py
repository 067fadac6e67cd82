"""HTTP/1.1 as a client, on httptools: a connection that sends one request after another, and ``ask`` for a single one."""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import httptools

from modelport.errors import ModelportError
from modelport.load.target import Target

MAX_KEPT = 1 << 24
"""Bytes of an answer that are kept: an OpenAPI document and the metrics are far smaller."""
USER_AGENT = "modelport-bench"


class Unreachable(ModelportError):
    """The endpoint cannot be asked: nobody listens, TLS fails, no answer comes."""

    code = "UNREACHABLE"


@dataclass(frozen=True)
class Reply:
    """An answer."""

    status: int
    body: bytes


def request_bytes(target: Target, method: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """A whole request; ``headers`` win over what is added here."""
    common = {"host": target.authority, "user-agent": USER_AGENT, "accept": "*/*"}
    if body or method == "POST":
        common["content-length"] = str(len(body))
    common.update({name.lower(): value for name, value in headers.items()})
    lines = "".join(f"{name}: {value}\r\n" for name, value in common.items())
    return f"{method} {target.path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body


class Connection(asyncio.Protocol):
    """One request at a time. ``on_answer`` is called with each answer, ``on_lost`` when the connection has closed.

    ``began`` is when the last request left; None while none is under way.
    """

    def __init__(self, on_answer: "Callable[[Connection], None]", on_lost: "Callable[[Connection], None]") -> None:
        self.began: float | None = None
        self.status = 0
        self.closing = False
        self._on_answer = on_answer
        self._on_lost = on_lost
        self._parser = httptools.HttpResponseParser(self)
        self._body: list[bytes] = []
        self._kept = 0
        self._has_end = self._has_head = False
        self._transport: Any = None

    @property
    def body(self) -> bytes:
        """The body of the last answer, cut where it is very long."""
        return b"".join(self._body)

    def send(self, request: bytes) -> None:
        self.began = time.perf_counter()
        self._transport.write(request)

    def close(self) -> None:
        """Let go of the connection; a request under way gets no answer."""
        self._transport.abort()

    # -- asyncio and httptools call these ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self.closing = True
        if self.began is not None and self._has_head and not self._has_end and error is None:
            self.on_message_complete()  # a body without a length ends with the connection
        self._on_lost(self)

    def on_message_begin(self) -> None:
        self._body.clear()
        self._kept = 0
        self._has_end = self._has_head = False

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._has_end and name.lower() in (b"content-length", b"transfer-encoding"):
            self._has_end = True

    def on_headers_complete(self) -> None:
        self._has_head = True

    def on_body(self, body: bytes) -> None:
        self._kept += len(body)
        if self._kept <= MAX_KEPT:
            self._body.append(body)

    def on_message_complete(self) -> None:
        self.status = self._parser.get_status_code()
        if self.status < 200:
            return  # "100 Continue" and the like come before the answer
        if not self.closing and not self._parser.should_keep_alive():
            self.closing = True
            self._transport.close()
        self._on_answer(self)


async def connect(target: Target, tls: ssl.SSLContext | None, timeout: float, make: Callable[[], Connection]) -> Any:
    """An open connection of the kind that ``make`` makes. Raises Unreachable, saying why there is none."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(timeout):
            _, connection = await loop.create_connection(make, target.host, target.port, ssl=tls)
    except TimeoutError:
        raise Unreachable(f"no connection to {target.authority} within {timeout:g} s") from None
    except ssl.SSLCertVerificationError as error:
        raise Unreachable(
            f"the certificate of {target.authority} is not trusted: {error.verify_message}",
            hint="name the file of its authority, or of the certificate itself, in the variable SSL_CERT_FILE",
        ) from None
    except (ssl.SSLError, ConnectionResetError) as error:
        if tls is None:
            raise Unreachable(f"{target.authority} closed the connection: {error}") from None
        raise Unreachable(
            f"cannot speak TLS with {target.authority}: {_reason(error)}",
            hint="if the server has no certificate, the URL begins with http://",
        ) from None
    except OSError as error:
        raise Unreachable(
            f"cannot connect to {target.authority}: {_reason(error)}",
            hint="is the server running? `modelport serve -m MODEL` serves one at http://127.0.0.1:5000",
        ) from None
    return connection


async def ask(
    target: Target,
    tls: ssl.SSLContext | None,
    timeout: float,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
) -> Reply:
    """The answer to a single request, on a connection of its own. Raises Unreachable."""
    answered: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()

    def answer(connection: Connection) -> None:
        if not answered.done():
            answered.set_result(Reply(connection.status, connection.body))

    def lost(connection: Connection) -> None:
        if not answered.done():
            hint = "if the server has a certificate, the URL begins with https://" if tls is None else None
            answered.set_exception(
                Unreachable(f"{target.authority} closed the connection without a whole answer", hint=hint)
            )

    connection = await connect(target, tls, timeout, lambda: Connection(answer, lost))
    connection.send(request_bytes(target, method, headers or {}, body))
    try:
        async with asyncio.timeout(timeout):
            return await answered
    except TimeoutError:
        raise Unreachable(f"no answer from {target} within {timeout:g} s", hint="give it longer: --timeout") from None
    finally:
        connection.close()


def _reason(error: OSError) -> str:
    """What the system says of a failed connection, without the numbers around it."""
    return str(getattr(error, "reason", None) or error.strerror or error)
