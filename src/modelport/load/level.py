"""One level of load: so many connections, each asking again as soon as it was answered, for a time."""

import asyncio
import os
import ssl
import time
from array import array
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from modelport.load.client import Connection, Unreachable, connect
from modelport.load.target import Target

TICK = 0.05
"""Seconds between two looks at the clock: for requests that take too long, and for who watches."""
PAUSE = 0.1
"""Seconds before a refused connection is tried again, so that a dead server is not knocked at thousands of times."""
MAX_SAMPLE = 300
"""Characters of an error's body that are shown."""

Watch = Callable[[int, float, int], None]
"""Told of a level's progress: its connections, the seconds it has run, the answers so far."""


@dataclass(frozen=True)
class Load:
    """What to put on the target at every level: the request, and when to end."""

    target: Target
    tls: ssl.SSLContext | None
    request: bytes
    duration: float
    requests: int | None
    timeout: float


@dataclass(frozen=True)
class Measured:
    """What one level gave. Times in seconds; ``latencies`` in rising order, of the answers with status 200 only."""

    concurrency: int
    seconds: float
    latencies: Sequence[float]
    errors: dict[str, int]
    """By status (``429``) or by what happened (``timeout``)."""
    sample: str | None
    """The first error's body."""
    client_cpu: float
    """Share of a core that this client used."""
    idle: float | None
    """Share of this machine's cores that had nothing to do; known where the endpoint is on this machine."""

    @property
    def answers(self) -> int:
        return len(self.latencies)

    @property
    def failed(self) -> int:
        return sum(self.errors.values())

    @property
    def rate(self) -> float:
        """Good answers in a second."""
        return self.answers / self.seconds if self.seconds else 0.0

    @property
    def mean(self) -> float | None:
        return sum(self.latencies) / self.answers if self.answers else None

    def percentile(self, share: float) -> float | None:
        """The latency that this share of the answers kept to; None without answers."""
        if not self.answers:
            return None
        return self.latencies[min(self.answers - 1, int(share * self.answers))]


async def measure(load: Load, concurrency: int, stop: asyncio.Event, watch: Watch) -> Measured:
    """Put the load on the target. Ends early when ``stop`` is set; raises Unreachable if nobody listens at the start."""
    running = _Running(load, concurrency)
    await running.connect()
    cpu, cores, began = time.process_time(), _core_times(), time.perf_counter()
    running.start()
    try:
        while not running.done:
            await asyncio.sleep(TICK)
            now = time.perf_counter()
            running.look(now, ends=stop.is_set() or now - began >= load.duration)
            watch(concurrency, now - began, running.answered)
            if stop.is_set():
                break
    finally:
        running.close()
    seconds = max(running.last - began, 0.0)
    elapsed = time.perf_counter() - began
    return Measured(
        concurrency=concurrency,
        seconds=seconds,
        latencies=array("d", sorted(running.latencies)),
        errors=dict(running.errors.most_common()),
        sample=running.sample,
        client_cpu=(time.process_time() - cpu) / elapsed,
        idle=_idle_share(cores, _core_times()) if load.target.is_loopback else None,
    )


class _Running:
    """The connections of a level while it runs."""

    def __init__(self, load: Load, concurrency: int) -> None:
        self.latencies = array("d")
        self.errors: Counter[str] = Counter()
        self.sample: str | None = None
        self.last = 0.0
        self._load = load
        self._concurrency = concurrency
        self._left = load.requests
        self._ending = self._closed = False
        self._open: set[Connection] = set()
        self._late: set[Connection] = set()
        self._connecting: set[asyncio.Task[None]] = set()
        self._now = time.perf_counter

    @property
    def answered(self) -> int:
        return len(self.latencies) + self.errors.total()

    @property
    def done(self) -> bool:
        """Whether nothing more will be sent, and nothing is under way."""
        over = self._ending or self._left == 0
        return over and not any(connection.began is not None for connection in self._open)

    async def connect(self) -> None:
        """Open all connections before the clock starts."""
        opened = await asyncio.gather(*(self._opened() for _ in range(self._concurrency)), return_exceptions=True)
        failures = [failure for failure in opened if isinstance(failure, BaseException)]
        if failures:
            self.close()
            raise failures[0]

    async def _opened(self) -> Connection:
        load = self._load
        connection: Connection = await connect(
            load.target, load.tls, load.timeout, lambda: Connection(self._answered, self._lost)
        )
        self._open.add(connection)
        return connection

    def start(self) -> None:
        self.last = self._now()
        for connection in list(self._open):
            self._ask(connection)

    def look(self, now: float, ends: bool) -> None:
        """Give up requests that have taken too long; ask no more when the time is over."""
        self._ending = self._ending or ends
        late = [c for c in self._open if c.began is not None and now - c.began > self._load.timeout]
        for connection in late:
            self._late.add(connection)
            connection.close()

    def close(self) -> None:
        self._ending = self._closed = True
        for task in self._connecting:
            task.cancel()
        for connection in list(self._open):
            connection.close()

    def _ask(self, connection: Connection) -> None:
        if self._ending or self._left == 0:
            return
        if self._left is not None:
            self._left -= 1
        connection.send(self._load.request)

    def _answered(self, connection: Connection) -> None:
        began, now = connection.began, self._now()
        if began is None:
            return
        connection.began = None
        self.last = now
        if connection.status == 200:
            self.latencies.append(now - began)
        else:
            self._failed(str(connection.status), connection.body)
        if not connection.closing:
            self._ask(connection)

    def _lost(self, connection: Connection) -> None:
        self._open.discard(connection)
        if connection.began is not None and not self._closed:
            connection.began = None
            self.last = self._now()
            self._failed("timeout" if connection in self._late else "connection lost")
        self._late.discard(connection)
        if not self._ending:
            task = asyncio.ensure_future(self._again())
            self._connecting.add(task)
            task.add_done_callback(self._connecting.discard)

    async def _again(self) -> None:
        """A connection in the place of one that is gone."""
        while not self._ending and self._left != 0:
            try:
                self._ask(await self._opened())
                return
            except Unreachable:
                self.last = self._now()
                self._failed("no connection")
                await asyncio.sleep(PAUSE)

    def _failed(self, kind: str, body: bytes = b"") -> None:
        self.errors[kind] += 1
        if self.sample is None and body:
            self.sample = " ".join(body[: 4 * MAX_SAMPLE].decode("utf-8", "replace").split())[:MAX_SAMPLE]


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _core_times() -> tuple[int, int] | None:
    """(idle, all) ticks of the machine's cores since it started; None where the system does not tell."""
    try:
        fields = [int(field) for field in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    except (OSError, ValueError):
        return None
    return fields[3] + fields[4], sum(fields)


def _idle_share(before: tuple[int, int] | None, after: tuple[int, int] | None) -> float | None:
    if before is None or after is None or after[1] <= before[1]:
        return None
    return (after[0] - before[0]) / (after[1] - before[1])
