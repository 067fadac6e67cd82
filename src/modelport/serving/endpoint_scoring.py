"""One scoring process of `modelport up`: sets of workers come and go, and tables say which endpoints they answer.

A request goes by the table that was there when it came, and ends in the deployment it was given to.
"""

import asyncio
import socket
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from modelport.serving.access_log import AccessLog
from modelport.serving.address import AddressSettings, tls_context
from modelport.serving.answers import Answers
from modelport.serving.endpoint import PATHS, Deployment, Endpoint
from modelport.serving.endpoint_score import EndpointScore
from modelport.serving.endpoints import Endpoints
from modelport.serving.guard import Guard
from modelport.serving.http import HttpServer, Limits
from modelport.serving.metrics import Memory, Metrics
from modelport.serving.mirror import Mirror
from modelport.serving.model_routes import ModelRoutes, Options
from modelport.serving.routing_table import Row
from modelport.serving.score import allowed_origins
from modelport.serving.served_model import ServedModel
from modelport.supervisor.table import DeploymentRoute, EndpointRoute
from modelport.workers.pool import Pool
from modelport.workers.tally import Tally

DEPTH_INTERVAL = 1.0
"""Seconds between two writings of the queues' depths, which others show."""
LEAVING_INTERVAL = 0.02
"""Seconds between two looks whether a set that leaves has answered everything."""
DRAIN_TIMEOUT = 5.0
"""Seconds for what is open at the end where no deployment says more."""


@dataclass(eq=False)
class _Set:
    """A set of workers as this process knows it, and what its deployment's route says of it."""

    row: Row
    pool: Pool
    timeout: float = DRAIN_TIMEOUT
    position: int = 0
    leaving: bool = False


@dataclass(frozen=True)
class _Built:
    """An endpoint, and what it was made of."""

    route: EndpointRoute
    sets: list[_Set | None]
    endpoint: Endpoint


class EndpointScoring:
    """Everything of one scoring process. ``process`` of ``processes`` is its share of the common counters."""

    def __init__(
        self,
        settings: AddressSettings,
        metrics_descriptor: int,
        process: int,
        processes: int,
        on_answer: Callable[[int], None],
        on_overrun: Callable[[int], None],
    ) -> None:
        self._settings = settings
        self._loop = asyncio.get_running_loop()
        self._on_answer, self._on_overrun = on_answer, on_overrun
        self._sets: dict[str, _Set] = {}
        self._wanted: list[EndpointRoute] | None = None
        self._built: dict[str, _Built] = {}
        memory = Memory(metrics_descriptor, processes)
        self._metrics = _MetricsByPosition(memory, process)
        self._tallies: list[Tally] | None = None
        """By position; None where no other process has requests of the same deployments."""
        if processes > 1:
            self._tallies = [Tally(memory.counted(position), process) for position in range(memory.positions)]
        self._access_log = AccessLog(settings.access_log)
        self._origins = allowed_origins()
        self._endpoints = Endpoints(self._metrics[0], self._access_log, lambda: self._wanted is not None, self._origins)
        limits = Limits(settings.max_body, settings.max_buffered)
        self._http = HttpServer(self._endpoints, limits, lambda status: self._metrics[0].count("other", status))
        self._showing: asyncio.TimerHandle | None = None
        self._leaving: set[asyncio.Task[None]] = set()

    async def listen(self, sock: socket.socket) -> None:
        """Accept connections from now on."""
        await self._http.listen(sock, tls_context(self._settings))
        self._show_depth()

    async def update(self, row: Row) -> None:
        """A set of workers is ready, or they have changed."""
        known = self._sets.get(row.name)
        if known is not None:
            known.row = row
            await known.pool.update(row.workers)
            return
        # No request comes before a table has said the limits.
        pool = Pool(
            timeout=DRAIN_TIMEOUT,
            max_queue=0,
            retry_user_code=False,
            on_answer=self._on_answer,
            on_overrun=self._on_overrun,
        )
        await pool.update(row.workers)
        self._sets[row.name] = _Set(row, pool)
        if self._wanted is not None:
            self.apply(self._wanted)

    def apply(self, wanted: list[EndpointRoute]) -> None:
        """A new table: from now on these are the endpoints."""
        self._wanted = wanted
        built = {}
        for route in wanted:
            sets = [self._sets.get(deployment.workers) for deployment in route.deployments]
            known = self._built.get(route.name)
            if known is not None and known.route == route and known.sets == sets:
                built[route.name] = known
            else:
                built[route.name] = _Built(route, sets, self._endpoint(route, sets))
        self._built = built
        self._endpoints.route(made.endpoint for made in built.values())

    def leave(self, id: str, on_drained: Callable[[], None]) -> None:
        """No table names this set any more: once nothing of it is open, let go of it."""
        known = self._sets.get(id)
        if known is None:
            on_drained()
            return
        known.leaving = True
        known.pool.count_in(None)  # the limit is that of the workers which take its place
        known.pool.hand_over(self._heir(id))  # should it have none that are ready, what waits would wait for nothing
        task = asyncio.ensure_future(self._leave(known, on_drained))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def drain(self, limit: float | None = None) -> None:
        """Answer what was asked, then close everything; within ``limit`` seconds, None: within the longest time-out."""
        longest = max((known.timeout for known in self._sets.values()), default=DRAIN_TIMEOUT)
        await self._http.drain(longest if limit is None else limit)
        if self._showing is not None:
            self._showing.cancel()
        for task in self._leaving:
            task.cancel()
        for known in self._sets.values():
            known.pool.close()
        self._access_log.close()

    def _heir(self, id: str) -> Pool | None:
        """Who answers for the same deployment now."""
        deployment = id.rpartition("/")[0]
        for route in self._wanted or ():
            for wanted in route.deployments:
                if (
                    wanted.workers != id
                    and wanted.workers.rpartition("/")[0] == deployment
                    and wanted.workers in self._sets
                ):
                    return self._sets[wanted.workers].pool
        return None

    async def _leave(self, leaving: _Set, on_drained: Callable[[], None]) -> None:
        while leaving.pool.open or leaving.pool.coming:
            await asyncio.sleep(LEAVING_INTERVAL)
        if not leaving.leaving:
            return  # another table names it again
        if self._sets.pop(leaving.row.name, None) is not None:
            await leaving.pool.update([])  # so that nobody takes the workers' end for a death
            leaving.pool.close()
        on_drained()

    # -- what a table means --------------------------------------------------------------------------------------------

    def _endpoint(self, route: EndpointRoute, sets: list[_Set | None]) -> Endpoint:
        deployments = []
        mirror = None
        for deployment, served in zip(route.deployments, sets, strict=True):
            log = self._access_log.about(endpoint=route.name, deployment=deployment.name)
            metrics = self._metrics[deployment.position]
            routes = None
            if served is not None:
                tally = None
                if deployment.max_concurrent is not None and self._tallies is not None:
                    tally = self._tallies[deployment.position]
                _limit(served, deployment, tally)
                routes = self._routes(route, served, metrics, log)
                if route.mirror is not None and route.mirror.deployment == deployment.name:
                    copies = log.about(endpoint=route.name, deployment=deployment.name, mirrored="true")
                    mirror = Mirror(route.mirror.percent / 100, routes, served.pool, metrics, copies)
            answers = Answers(metrics, log, PATHS + route.name)
            deployments.append(Deployment(deployment.name, answers, routes))
        answers = self._endpoints.answers_of(route.name)
        return Endpoint(route, deployments, Guard(route.credentials), answers, mirror, self._origins)

    def _routes(self, route: EndpointRoute, served: _Set, metrics: Metrics, log: AccessLog) -> ModelRoutes:
        settings, row = self._settings, served.row
        score: Callable[..., Any] = partial(EndpointScore, pass_client_errors=route.pass_client_errors)
        options = Options(
            tracebacks=settings.tracebacks,
            timing=settings.server_timing,
            max_body=settings.max_body,
            wants_key=True,
            score=score,
            public_url=settings.public_url,
        )
        model = ServedModel(route.name, Path(row.folder), row.mlmodel)
        return ModelRoutes(served.pool, metrics, log, model, PATHS + route.name, options)

    def _show_depth(self) -> None:
        """Two sets have one position while a deployment changes."""
        depths: dict[int, list[int]] = defaultdict(lambda: [0, 0])
        for known in self._sets.values():
            depth = depths[known.position]
            depth[0] += known.pool.waiting
            depth[1] += known.pool.open
        self._metrics.show(depths)
        self._showing = self._loop.call_later(DEPTH_INTERVAL, self._show_depth)


class _MetricsByPosition(dict[int, Metrics]):
    """This process's metrics of each position that was ever asked for."""

    def __init__(self, memory: Memory, process: int) -> None:
        super().__init__()
        self._memory = memory
        self._process = process
        for position in range(memory.positions):
            Metrics(memory, process, position).show_depth(0, 0)  # of a process before this one, which died

    def __missing__(self, position: int) -> Metrics:
        metrics = self[position] = Metrics(self._memory, self._process, position)
        return metrics

    def show(self, depths: dict[int, list[int]]) -> None:
        """Write the depth of each position; nothing waits at those that are not named."""
        for position, metrics in self.items():
            waiting, open = depths.get(position, (0, 0))
            metrics.show_depth(waiting, open)


def _limit(served: _Set, deployment: DeploymentRoute, tally: Tally | None) -> None:
    """Have the set's pool keep to what the deployment's route says."""
    served.timeout, served.position, served.leaving = deployment.timeout, deployment.position, False
    served.pool.hand_over(None)
    served.pool.limit(
        timeout=deployment.timeout,
        max_queue=deployment.max_open,
        retry_user_code=deployment.retry_user_code,
        window=deployment.max_concurrent,
        max_wait=deployment.max_wait,
        tally=tally,
    )
