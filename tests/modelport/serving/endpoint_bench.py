"""Endpoints over real sockets on both sides, for tests: HTTP in front, scripted workers behind."""

import asyncio
import hashlib
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvloop

from modelport.serving.address import AddressSettings
from modelport.serving.endpoint_scoring import EndpointScoring
from modelport.serving.metrics import MAX_DEPLOYMENTS, Memory, requests_by_status, shared_memory
from modelport.serving.routing_table import Row
from modelport.supervisor.table import Credential, DeploymentRoute, EndpointRoute, Mirror
from tests.modelport.serving.test_routes import Client
from tests.modelport.workers.peer import Peer

KEY = "the-key-of-churn"
JSON = {"content_type": "application/json", "authorization": f"Bearer {KEY}"}
BODY = b'{"input_data": [[1]]}'
MLMODEL = {"flavors": {"python_function": {"loader_module": "x", "streamable": True}}}


def credential(key: str, expires: float | None = None) -> Credential:
    return Credential(hashlib.sha256(key.encode()).hexdigest(), expires)


def deployment(name: str, percent: int = 0, position: int = 1, **changes: Any) -> DeploymentRoute:
    """Of the endpoint ``churn``."""
    known: dict[str, Any] = {
        "workers": f"churn/{name}/1",
        "timeout": 20.0,
        "max_open": 100,
        "max_concurrent": None,
        "max_wait": None,
        "retry_user_code": False,
        **changes,
    }
    return DeploymentRoute(name=name, percent=percent, position=position, **known)


def endpoint(*deployments: DeploymentRoute, mirror: Mirror | None = None, **changes: Any) -> EndpointRoute:
    known: dict[str, Any] = {"name": "churn", "credentials": [credential(KEY)], **changes}
    return EndpointRoute(deployments=list(deployments), mirror=mirror, **known)


class Bench:
    """One scoring process; ``beside``: it is the second of two, and that one the first."""

    def __init__(
        self,
        folder: Path,
        access_log: str = "off",
        max_body: int = 1 << 20,
        processes: int = 1,
        beside: "Bench | None" = None,
    ) -> None:
        self.folder = folder
        self.descriptor = shared_memory(processes, MAX_DEPLOYMENTS) if beside is None else os.dup(beside.descriptor)
        self.memory = Memory(self.descriptor, processes)
        self.overrun: list[int] = []
        number = 0 if beside is None else 1
        settings = AddressSettings(max_body, 1 << 24, access_log, False, None, None, False)
        self.scoring = EndpointScoring(
            settings, self.descriptor, number, processes, lambda id: None, self.overrun.append
        )
        self.peers: list[Peer] = []
        self.clients: list[Client] = []

    async def listen(self) -> None:
        self.sock = socket.create_server(("127.0.0.1", 0))
        await self.scoring.listen(self.sock)

    def client(self) -> Client:
        self.clients.append(Client(self.sock.getsockname()[1]))
        return self.clients[-1]

    async def workers(self, id: str, count: int = 1, user_code: bool = False) -> list[Peer]:
        """A set of workers that is ready."""
        peers = [await Peer(len(self.peers) + 1 + number, self.folder, user_code).listen() for number in range(count)]
        self.peers += peers
        await self.row(id, peers)
        return peers

    async def row(self, id: str, peers: list[Peer]) -> None:
        await self.scoring.update(Row(id, None, str(self.folder), MLMODEL, [peer.address for peer in peers], 0))

    async def blue_and_green(self, blue: int, green: int, **changes: Any) -> tuple[Peer, Peer]:
        """The endpoint `churn` with two deployments of one worker each, at positions 1 and 2."""
        (first,), (second,) = await self.workers("churn/blue/1"), await self.workers("churn/green/1")
        self.apply(endpoint(deployment("blue", blue, 1), deployment("green", green, 2), **changes))
        return first, second

    def apply(self, *endpoints: EndpointRoute) -> None:
        self.scoring.apply(list(endpoints))

    def requests(self, position: int) -> dict[int, int]:
        return requests_by_status(self.memory.totals(position))

    async def close(self) -> None:
        for client in self.clients:
            if client.writer is not None:
                client.writer.close()
        await self.scoring.drain(1)
        for peer in self.peers:
            await peer.die()
        await asyncio.sleep(0.02)
        os.close(self.descriptor)


Test = Callable[[Bench], Awaitable[None]]


def run(folder: Path, test: Test, **options: Any) -> None:
    async def main() -> None:
        bench = Bench(folder, **options)
        await bench.listen()
        try:
            await asyncio.wait_for(test(bench), 30)
        finally:
            await bench.close()

    uvloop.run(main())
