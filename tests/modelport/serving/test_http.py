"""The HTTP protocol by itself, over real sockets: framing, limits, refusals, orderly end."""

import asyncio
import gc
import json
import socket
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import uvloop

from modelport.listening import refuse_new_connections
from modelport.serving import http
from modelport.serving.http import HttpServer, Limits, Request

Client = tuple[asyncio.StreamReader, asyncio.StreamWriter]


opened: list[asyncio.StreamWriter] = []


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def and_close() -> None:
        try:
            await asyncio.wait_for(test(), 30)
        finally:
            for writer in opened:
                writer.close()
            opened.clear()
            await asyncio.sleep(0.05)

    uvloop.run(and_close())


class Echo:
    """Answers with what it got; ``/slow`` waits for ``release``."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.seen: list[bytes] = []

    def __call__(self, request: Request) -> None:
        self.seen.append(request.path)
        if request.path == b"/slow":
            self._waiting = asyncio.ensure_future(self._later(request))
        else:
            self._answer(request)

    async def _later(self, request: Request) -> None:
        await self.release.wait()
        self._answer(request)

    def _answer(self, request: Request) -> None:
        body = {"path": request.path.decode(), "size": len(request.body), "id": request.id.decode()}
        request.respond(200, json.dumps(body).encode())


@asynccontextmanager
async def serving(**limits: int) -> AsyncIterator[tuple[HttpServer, Echo, int, list[int], socket.socket]]:
    refused: list[int] = []
    echo = Echo()
    server = HttpServer(echo, Limits(**{"max_body": 1 << 20, "max_buffered": 1 << 24, **limits}), refused.append)
    sock = socket.create_server(("127.0.0.1", 0))
    await server.listen(sock, None)
    try:
        yield server, echo, sock.getsockname()[1], refused, sock
    finally:
        for writer in opened:
            writer.close()
        await server.drain(1)


async def connect(port: int) -> Client:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    opened.append(writer)
    return reader, writer


async def answer(reader: asyncio.StreamReader, head_only: bool = False) -> tuple[int, dict[str, str], Any]:
    head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
    body = b"" if head_only else await reader.readexactly(int(headers["content-length"]))
    return int(head[0].split()[1]), headers, json.loads(body) if body else None


def test_requests_follow_each_other_on_one_connection() -> None:
    async def test() -> None:
        async with serving() as (_, _, port, _, _):
            reader, writer = await connect(port)
            for size in (0, 10, 100_000):
                writer.write(b"POST /a?b=c HTTP/1.1\r\nhost: x\r\ncontent-length: %d\r\n\r\n" % size + bytes(size))
                status, headers, body = await answer(reader)
                assert (status, body["path"], body["size"]) == (200, "/a", size)
                assert headers["x-request-id"] == body["id"]
                assert "connection" not in headers
            writer.close()

    run(test)


def test_pipelined_requests_are_answered_in_order() -> None:
    async def test() -> None:
        async with serving() as (_, echo, port, _, _):
            reader, writer = await connect(port)
            paths = ["/slow"] + [f"/{number}" for number in range(60)]
            writer.write(b"".join(f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode() for path in paths))
            await asyncio.sleep(0.1)
            assert echo.seen == [b"/slow"]
            echo.release.set()
            assert [(await answer(reader))[2]["path"] for _ in paths] == paths

    run(test)


def test_a_chunked_body_is_put_together() -> None:
    async def test() -> None:
        async with serving() as (_, _, port, _, _):
            reader, writer = await connect(port)
            writer.write(
                b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n"
            )
            assert (await answer(reader))[2]["size"] == 7

    run(test)


def test_a_client_that_asks_first_is_told_to_continue() -> None:
    async def test() -> None:
        async with serving() as (_, _, port, _, _):
            reader, writer = await connect(port)
            writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\nexpect: 100-continue\r\n\r\n")
            assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
            writer.write(b"abc")
            assert (await answer(reader))[2]["size"] == 3

    run(test)


def test_http_1_0_and_connection_close_end_the_connection() -> None:
    async def test() -> None:
        async with serving() as (_, _, port, _, _):
            for head in (b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"):
                reader, writer = await connect(port)
                writer.write(head)
                status, headers, _ = await answer(reader)
                assert (status, headers["connection"]) == (200, "close")
                assert await reader.read() == b""
                writer.close()

    run(test)


def test_a_safe_request_id_is_taken_over_and_another_is_replaced() -> None:
    async def test() -> None:
        async with serving() as (_, _, port, _, _):
            reader, writer = await connect(port)
            for given, kept in ((b"abc-1", True), (b"a b", False), (b"x" * 200, False)):
                writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nx-request-id: %s\r\n\r\n" % given)
                assert ((await answer(reader))[2]["id"] == given.decode()) is kept

    run(test)


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 garbage \r\n\r\n", 400, "MALFORMED_HTTP"),
        (b"hello there\r\n\r\n", 400, "MALFORMED_HTTP"),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", 400, "MALFORMED_HTTP"),
        (b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 2000000\r\n\r\n", 413, "REQUEST_TOO_LARGE"),
        (b"GET / HTTP/1.1\r\nhost: x\r\na: " + b"b" * 70_000 + b"\r\n\r\n", 431, "HEADERS_TOO_LARGE"),
        (b"GET / HTTP/1.1\r\nhost: x\r\n" + b"a: b\r\n" * 40_000 + b"\r\n", 431, "HEADERS_TOO_LARGE"),
        (b"GET /" + b"x" * 70_000, 431, "HEADERS_TOO_LARGE"),
    ],
)
def test_what_cannot_be_taken_is_refused_and_the_connection_closed(sent: bytes, status: int, code: str) -> None:
    async def test() -> None:
        async with serving() as (_, echo, port, refused, _):
            reader, writer = await connect(port)
            writer.write(sent)
            found, headers, body = await answer(reader)
            assert (found, body["error_code"], headers["connection"]) == (status, code, "close")
            assert await reader.read() == b""
            assert refused == [status]
            assert echo.seen == []

    run(test)


def test_a_chunked_body_over_the_limit_is_refused_while_it_comes() -> None:
    async def test() -> None:
        async with serving() as (server, echo, port, _, _):
            reader, writer = await connect(port)
            writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
            for _ in range(40):
                writer.write(b"10000\r\n" + bytes(65536) + b"\r\n")
            assert (await answer(reader))[0] == 413
            assert echo.seen == []
            assert server.buffered == 0

    run(test)


def test_bodies_in_memory_are_bounded_together() -> None:
    async def test() -> None:
        async with serving(max_buffered=1000) as (server, echo, port, _, _):
            first = await connect(port)
            first[1].write(b"POST /slow HTTP/1.1\r\nhost: x\r\ncontent-length: 600\r\n\r\n" + bytes(600))
            await asyncio.sleep(0.05)
            second = await connect(port)
            second[1].write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 600\r\n\r\n" + bytes(600))
            status, headers, _ = await answer(second[0])
            assert (status, headers["retry-after"]) == (429, "1")
            echo.release.set()
            assert (await answer(first[0]))[0] == 200
            assert server.buffered == 0

    run(test)


@pytest.mark.parametrize(
    "start", [b"GET /", b"GET / HTTP/1.1\r\nhost: x\r\n", b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n"]
)
def test_a_dripping_request_is_closed(start: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "DRIP_WINDOW", 1.0)

    async def test() -> None:
        async with serving() as (_, echo, port, _, _):
            reader, writer = await connect(port)
            writer.write(start)

            async def drip() -> None:
                while True:
                    await asyncio.sleep(0.1)
                    writer.write(b"x")

            dripping = asyncio.ensure_future(drip())
            status, _, body = await asyncio.wait_for(answer(reader), 5)
            dripping.cancel()
            assert (status, body["error_code"]) == (408, "REQUEST_TIMEOUT")
            assert echo.seen == []

    run(test)


def test_a_body_that_makes_progress_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "DRIP_WINDOW", 1.0)

    async def test() -> None:
        async with serving() as (_, _, port, _, _):
            reader, writer = await connect(port)
            writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 200000\r\n\r\n")
            for _ in range(20):
                writer.write(bytes(10_000))
                await asyncio.sleep(0.2)
            assert (await answer(reader))[2]["size"] == 200_000

    run(test)


def test_a_client_that_leaves_is_reported_to_the_request() -> None:
    async def test() -> None:
        gone = asyncio.Event()

        def application(request: Request) -> None:
            request.on_disconnect = gone.set

        server = HttpServer(application, Limits(1 << 20, 1 << 24), lambda status: None)
        sock = socket.create_server(("127.0.0.1", 0))
        await server.listen(sock, None)
        _, writer = await connect(sock.getsockname()[1])
        writer.write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc")
        await asyncio.sleep(0.05)
        writer.close()
        await asyncio.wait_for(gone.wait(), 2)
        assert server.buffered == 0
        await server.drain(1)

    run(test)


def test_drain_answers_what_was_begun_and_says_goodbye() -> None:
    async def test() -> None:
        async with serving() as (server, echo, port, _, _):
            working, idle, reading = [await connect(port) for _ in range(3)]
            working[1].write(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n")
            reading[1].write(b"POST / HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nab")
            await asyncio.sleep(0.05)
            draining = asyncio.ensure_future(server.drain(5))
            await asyncio.sleep(0.3)
            idle[1].write(b"GET /last HTTP/1.1\r\nhost: x\r\n\r\n")
            status, headers, body = await answer(idle[0])
            assert (status, headers["connection"], body["path"]) == (200, "close", "/last")
            reading[1].write(b"cd")
            assert (await answer(reading[0]))[2]["size"] == 4
            echo.release.set()
            assert (await answer(working[0]))[0] == 200
            for _, writer in (working, idle, reading):
                writer.close()
            await draining
            with pytest.raises(ConnectionRefusedError):
                await connect(port)

    run(test)


def test_no_connection_is_reset_when_the_listener_closes() -> None:
    """Connects in a tight loop while the listener closes: each attempt is answered or refused, none is reset."""

    async def test() -> None:
        async with serving() as (server, _, port, _, sock):
            results: list[str] = []
            stop = asyncio.Event()

            async def knock() -> None:
                while not stop.is_set():
                    try:
                        reader, writer = await asyncio.wait_for(connect(port), 0.5)
                    except (ConnectionRefusedError, TimeoutError):
                        results.append("refused")
                        await asyncio.sleep(0.01)
                        continue
                    try:
                        writer.write(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
                        results.append(str((await answer(reader))[0]))
                    except (ConnectionError, asyncio.IncompleteReadError) as error:
                        results.append(f"lost: {error!r}")
                    writer.close()

            knocking = [asyncio.ensure_future(knock()) for _ in range(16)]
            await asyncio.sleep(0.5)
            refuse_new_connections(sock)
            await server.drain(3)
            await asyncio.sleep(0.3)
            stop.set()
            await asyncio.gather(*knocking)
            assert set(results) == {"200", "refused"}
            assert results.count("200") > 50

    run(test)


# -- answers whose body comes by and by ----------------------------------------------------------------------------------


class Slow:
    """Begins an answer and leaves the rest to the test."""

    def __init__(self) -> None:
        self.request: Request | None = None
        self.came = asyncio.Event()
        self.resumed = 0
        self.left = 0

    def __call__(self, request: Request) -> None:
        self.request = request
        request.on_resume = lambda: setattr(self, "resumed", self.resumed + 1)
        request.on_disconnect = lambda: setattr(self, "left", self.left + 1)
        request.begin(200, b"text/plain", b"x-more: yes\r\n")
        self.came.set()


@asynccontextmanager
async def begun(
    slow: Slow, version: str = "1.1"
) -> AsyncIterator[tuple[asyncio.StreamReader, Request, HttpServer, bytes]]:
    server = HttpServer(slow, Limits(1 << 20, 1 << 24), lambda status: None)
    sock = socket.create_server(("127.0.0.1", 0))
    await server.listen(sock, None)
    reader, writer = await connect(sock.getsockname()[1])
    writer.write(f"POST / HTTP/{version}\r\nhost: x\r\ncontent-length: 3\r\n\r\nabc".encode())
    await slow.came.wait()
    assert slow.request is not None
    try:
        yield reader, slow.request, server, await reader.readuntil(b"\r\n\r\n")
    finally:
        for writer in opened:
            writer.close()
        await server.drain(0.5)


def test_a_body_that_comes_by_and_by_is_chunked_and_the_connection_goes_on() -> None:
    async def test() -> None:
        slow = Slow()
        async with begun(slow) as (reader, request, server, head):
            assert b"transfer-encoding: chunked\r\n" in head
            assert b"x-more: yes\r\n" in head
            assert b"content-length" not in head
            assert server.buffered == 0
            assert request.write(b"one")
            assert await reader.readexactly(8) == b"3\r\none\r\n"
            assert request.write(b"")
            request.write(b"a" * 20)
            request.end()
            assert await reader.readexactly(26) == b"14\r\n" + b"a" * 20 + b"\r\n"
            assert await reader.readexactly(5) == b"0\r\n\r\n"
            slow.came.clear()
            opened[-1].write(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n")
            await slow.came.wait()
            assert (slow.request is request, slow.left) == (False, 0)

    run(test)


def test_http_1_0_sees_the_end_of_such_a_body_by_the_closing() -> None:
    async def test() -> None:
        async with begun(Slow(), "1.0") as (reader, request, _, head):
            assert b"connection: close\r\n" in head
            assert b"chunked" not in head
            request.write(b"one")
            request.write(b"two")
            request.end()
            assert await reader.read() == b"onetwo"

    run(test)


def test_a_client_that_does_not_keep_up_is_noticed_and_its_return_too() -> None:
    async def test() -> None:
        slow = Slow()
        async with begun(slow) as (reader, request, _, _):
            written = 0
            while request.write(b"x" * 65536):
                written += 65536
                assert written < 1 << 28
            assert slow.resumed == 0
            while slow.resumed == 0:
                await reader.readexactly(65536)
            opened[-1].close()
            while not slow.left:
                await asyncio.sleep(0.01)
            assert request.write(b"nobody hears this")

    run(test)


def test_what_a_client_sent_goes_with_its_connection_and_waits_for_no_collector(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(http, "LINGER", 0.05)

    async def test() -> None:
        async with serving() as (server, _, port, _, _):
            reader, writer = await connect(port)
            writer.write(b"POST / HTTP/1.1\r\nhost: x\r\nx-large: " + b"x" * 70_000 + b"\r\n\r\n")
            status, _, _ = await answer(reader)
            assert status == 431
            (connection,) = (weakref.ref(connection) for connection in server.connections)
            writer.close()
            await asyncio.sleep(0.3)
            assert connection() is None

    gc.disable()
    try:
        run(test)
    finally:
        gc.enable()
