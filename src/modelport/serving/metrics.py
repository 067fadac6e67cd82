"""What is counted, in memory that all scoring processes of one address share. ``exposition`` shows it.

Counting is an addition to a slot of an array of doubles. Every process writes rows of its own, one for each model, and any
of them can show the sum; the rows of a process that died stay, so counters never go back.
"""

import mmap
import os
from bisect import bisect_left
from collections.abc import Callable, Iterable
from dataclasses import dataclass

ROUTES = ("/invocations", "/score", "/v2/infer", "/ping", "/health", "/version", "/metrics", "documents", "other")
STATUSES = (200, 400, 401, 403, 404, 405, 406, 408, 409, 413, 415, 424, 429, 431, 500, 501, 503, 504)
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
PHASES = ("queue", "decode", "predict", "encode")


class Histogram:
    """Where one histogram lies in the row: its buckets, one more for what is above, and the sum."""

    def __init__(self, start: int, bounds: tuple[float, ...]) -> None:
        self.start = start
        self.bounds = bounds
        self.size = len(bounds) + 2
        self.sum = start + self.size - 1

    def buckets(self, slots: list[float]) -> tuple[list[tuple[str, float]], float]:
        """Cumulative buckets and the sum, as prometheus_client wants them."""
        result, total = [], 0.0
        for position, bound in enumerate((*self.bounds, float("inf"))):
            total += slots[self.start + position]
            result.append(("+Inf" if bound == float("inf") else str(float(bound)), total))
        return result, slots[self.sum]


@dataclass(frozen=True)
class WorkerGauge:
    """A worker as `/metrics` shows it; memory in bytes."""

    id: int
    memory: int


DURATION = Histogram(len(ROUTES) * len(STATUSES), SECONDS)
PHASE_HISTOGRAMS = [
    Histogram(DURATION.start + DURATION.size * (1 + position), SECONDS) for position in range(len(PHASES))
]
JOINED_REQUESTS = Histogram(PHASE_HISTOGRAMS[-1].start + PHASE_HISTOGRAMS[-1].size, COUNTS)
JOINED_ROWS = Histogram(JOINED_REQUESTS.start + JOINED_REQUESTS.size, COUNTS)
QUEUE = JOINED_ROWS.start + JOINED_ROWS.size
OPEN = QUEUE + 1
_WIDTH = OPEN + 1

ROUTE_INDEX = {route: index * len(STATUSES) for index, route in enumerate(ROUTES)}
STATUS_INDEX = {status: index for index, status in enumerate(STATUSES)}
_OTHER_STATUS = STATUS_INDEX[500]
_DURATION, _DURATION_SUM = DURATION.start, DURATION.sum
_PHASES = tuple((histogram.start, histogram.sum) for histogram in PHASE_HISTOGRAMS)


def shared_memory(processes: int, models: int = 1) -> int:
    """A file descriptor of zeroed memory for so many scoring processes and models; inherited by them."""
    descriptor = os.memfd_create("modelport-metrics")
    os.ftruncate(descriptor, _WIDTH * 8 * processes * models)
    return descriptor


class Metrics:
    """One process's row of one model for writing, all rows of that model for showing."""

    def __init__(self, descriptor: int, row: int, processes: int, model: int = 0, models: int = 1) -> None:
        every = memoryview(mmap.mmap(descriptor, _WIDTH * 8 * processes * models)).cast("d")
        self._all = every[model * processes * _WIDTH : (model + 1) * processes * _WIDTH]
        self._slots = self._all[row * _WIDTH : (row + 1) * _WIDTH]
        self.restarts: Callable[[], int] = lambda: 0
        self.workers: Callable[[], Iterable[WorkerGauge]] = lambda: ()
        self.depth: Callable[[], tuple[int, int]] = lambda: (0, 0)
        """Calls (waiting, open) of this process's pool."""

    def count(self, route: str, status: int) -> None:
        """A request of which nothing more is known than its answer."""
        self._slots[ROUTE_INDEX[route] + STATUS_INDEX.get(status, _OTHER_STATUS)] += 1

    def observe(
        self, route: str, status: int, seconds: float, phases: list[int] | None, joined: list[int] | None
    ) -> None:
        """One request for predictions: its time, its phases (microseconds), and the predict call it stands for."""
        slots = self._slots
        slots[ROUTE_INDEX[route] + STATUS_INDEX.get(status, _OTHER_STATUS)] += 1
        slots[_DURATION + bisect_left(SECONDS, seconds)] += 1
        slots[_DURATION_SUM] += seconds
        if phases is not None:
            for (start, total), microseconds in zip(_PHASES, phases):  # noqa: B905  strict costs time
                value = microseconds * 1e-6
                slots[start + bisect_left(SECONDS, value)] += 1
                slots[total] += value
        if joined is not None:
            requests, rows = joined
            slots[JOINED_REQUESTS.start + bisect_left(COUNTS, requests)] += 1
            slots[JOINED_REQUESTS.sum] += requests
            slots[JOINED_ROWS.start + bisect_left(COUNTS, rows)] += 1
            slots[JOINED_ROWS.sum] += rows

    def publish_depth(self) -> None:
        """Write the gauges of this process, so that whichever process is asked can show them."""
        self._slots[QUEUE], self._slots[OPEN] = self.depth()

    def totals(self) -> list[float]:
        """Every slot, summed over all processes."""
        self.publish_depth()
        return [sum(self._all[index::_WIDTH]) for index in range(_WIDTH)]
