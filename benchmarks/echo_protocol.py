"""The echo of `http_stacks` on modelport's own HTTP protocol, with its limits and time-outs; argument: the port."""

from __future__ import annotations

import asyncio
import socket
import sys

import uvloop

from benchmarks.servers import HOST
from modelport.serving.http import HttpServer, Limits, Request


def echo(request: Request) -> None:
    request.respond(200, request.body)


async def serve(port: int) -> None:
    server = HttpServer(echo, Limits(max_body=1 << 20, max_buffered=1 << 30), on_refused=lambda status: None)
    await server.listen(socket.create_server((HOST, port), backlog=1024), None)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
