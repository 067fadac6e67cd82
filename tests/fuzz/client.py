"""Sends many requests over a few connections that are kept, and reads the answers."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from tests.fuzz.bodies import PATHS
from tests.fuzz.mutations import Request

WITHIN = 20.0
"""Seconds for one answer."""


class Answer(NamedTuple):
    """``status`` 0: there was none, and ``body`` says why."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


def written(request: Request) -> bytes:
    """The request as it goes over the wire."""
    headers = dict(request.headers)
    if request.content_type is not None:
        headers["content-type"] = request.content_type
    body = request.body
    if request.chunk is None:
        headers["content-length"] = str(len(body))
    else:
        size = max(request.chunk, len(body) // 500)
        parts = [body[at : at + size] for at in range(0, len(body), size)]
        body = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        headers["transfer-encoding"] = "chunked"
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    return f"POST {PATHS[request.dialect]} HTTP/1.1\r\nhost: x\r\n{lines}\r\n".encode("latin-1") + body


async def ask_all(
    port: int, requests: Iterator[tuple[int, Request]], concurrency: int, take: Callable[[int, Request, Answer], None]
) -> None:
    """Have ``take`` look at the answer to every request; the clients share the iterator."""

    async def client() -> None:
        connection = None
        for number, request in requests:
            if connection is None:
                connection = await asyncio.open_connection("127.0.0.1", port)
            try:
                async with asyncio.timeout(WITHIN):
                    answer = await _answer(*connection, request)
            except TimeoutError:
                answer = Answer(0, {}, b"no answer")
            except (OSError, asyncio.IncompleteReadError) as error:
                answer = Answer(0, {}, f"lost: {error!r}".encode())
            if not answer.status or answer.headers.get(b"connection") == b"close":
                await _close(connection[1])
                connection = None
            take(number, request, answer)
        if connection is not None:
            await _close(connection[1])

    await asyncio.gather(*(client() for _ in range(concurrency)))


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: Request) -> Answer:
    writer.write(written(request))
    head = await reader.readuntil(b"\r\n\r\n")
    status, *lines = head[:-4].split(b"\r\n")
    headers = {}
    for line in lines:
        name, _, value = line.partition(b":")
        headers[name.lower()] = value.strip()
    return Answer(int(status.split()[1]), headers, await reader.readexactly(int(headers[b"content-length"])))


async def _close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
