"""What is counted, in memory that all scoring processes of one address share. ``exposition`` shows it.

Counting is an addition to a slot of an array of doubles. Every process writes rows of its own, one for each model or
deployment, and any process that has the memory can show the sum; the rows of a process that died stay, so counters never go
back.
"""

import mmap
import os
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

ROUTES = ("/invocations", "/score", "/v2/infer", "/ping", "/health", "/version", "/metrics", "documents", "other")
STATUSES = (200, 400, 401, 403, 404, 405, 406, 408, 409, 413, 415, 424, 429, 431, 500, 501, 503, 504)
SECONDS = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
COUNTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192)
PHASES = ("queue", "decode", "predict", "encode")
PREDICTING = ("/invocations", "/score", "/v2/infer")
"""The routes whose answers are predictions."""
MAX_DEPLOYMENTS = 512
"""Positions in the memory of `up`: 0 is for what belongs to no deployment."""


class Histogram:
    """Where one histogram lies in the row: its buckets, one more for what is above, and the sum."""

    def __init__(self, start: int, bounds: tuple[float, ...]) -> None:
        self.start = start
        self.bounds = bounds
        self.size = len(bounds) + 2
        self.sum = start + self.size - 1

    def buckets(self, slots: Sequence[float]) -> tuple[list[tuple[str, float]], float]:
        """Cumulative buckets and the sum, as prometheus_client wants them."""
        result, total = [], 0.0
        for position, bound in enumerate((*self.bounds, float("inf"))):
            total += slots[self.start + position]
            result.append(("+Inf" if bound == float("inf") else str(float(bound)), total))
        return result, slots[self.sum]

    def quantile(self, slots: Sequence[float], share: float) -> float | None:
        """The value below which ``share`` of what was counted lies, as far as the buckets tell; None where nothing was."""
        counts = slots[self.start : self.sum]
        wanted = share * sum(counts)
        lower = 0.0
        for count, upper in zip(counts, (*self.bounds, self.bounds[-1]), strict=True):
            if count and count >= wanted:
                return lower + (upper - lower) * wanted / count
            wanted -= count
            lower = upper
        return lower if any(counts) else None


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
MIRRORED = OPEN + 1
MIRRORS_DROPPED = MIRRORED + 1
COUNTED = MIRRORS_DROPPED + 1
"""Requests that count against the deployment's limit."""
_WIDTH = COUNTED + 1

ROUTE_INDEX = {route: index * len(STATUSES) for index, route in enumerate(ROUTES)}
STATUS_INDEX = {status: index for index, status in enumerate(STATUSES)}
_OTHER_STATUS = STATUS_INDEX[500]
_DURATION, _DURATION_SUM = DURATION.start, DURATION.sum
_PHASES = tuple((histogram.start, histogram.sum) for histogram in PHASE_HISTOGRAMS)


def shared_memory(processes: int, rows: int = 1) -> int:
    """A file descriptor of zeroed memory for so many scoring processes, and models or deployments; inherited by them."""
    descriptor = os.memfd_create("modelport-metrics")
    os.ftruncate(descriptor, _WIDTH * 8 * processes * rows)
    return descriptor


class Memory:
    """What ``shared_memory`` made, as this process sees it. A position is that of a model or deployment."""

    def __init__(self, descriptor: int, processes: int) -> None:
        size = os.fstat(descriptor).st_size
        self._slots = memoryview(mmap.mmap(descriptor, size)).cast("d")
        self._position = processes * _WIDTH
        self.positions = len(self._slots) // self._position

    def row(self, process: int, position: int) -> "memoryview[float]":
        """What this process writes for this position."""
        start = position * self._position + process * _WIDTH
        return self._slots[start : start + _WIDTH]

    def totals(self, position: int) -> list[float]:
        """Every slot, summed over all processes."""
        every = self._slots[position * self._position : (position + 1) * self._position]
        return [sum(every[index::_WIDTH]) for index in range(_WIDTH)]

    def counted(self, position: int) -> "memoryview[float]":
        """How many requests count against this deployment's limit, by process."""
        start = position * self._position
        return self._slots[start + COUNTED : start + self._position : _WIDTH]

    def clear(self, position: int) -> None:
        """Forget what was counted there: it is given to another deployment."""
        start = position * self._position
        self._slots[start : start + self._position] = memoryview(bytes(self._position * 8)).cast("d")


def requests_by_status(totals: Sequence[float]) -> dict[int, int]:
    """Requests for predictions: status → number, without zeros."""
    counted = {
        status: int(sum(totals[ROUTE_INDEX[route] + index] for route in PREDICTING))
        for status, index in STATUS_INDEX.items()
    }
    return {status: number for status, number in counted.items() if number}


class Metrics:
    """What one process counts for one model or deployment."""

    def __init__(self, memory: Memory, process: int = 0, position: int = 0) -> None:
        self._memory = memory
        self._position = position
        self._slots = memory.row(process, position)
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

    def mirrored(self) -> None:
        """A copy of a request was answered here, and its answer dropped."""
        self._slots[MIRRORED] += 1

    def mirror_dropped(self) -> None:
        """A request was not copied here, because too many copies are open."""
        self._slots[MIRRORS_DROPPED] += 1

    def show_depth(self, waiting: int, open: int) -> None:
        """Write the gauges of this process, so that whichever process is asked can show them."""
        self._slots[QUEUE], self._slots[OPEN] = waiting, open

    def publish_depth(self) -> None:
        self.show_depth(*self.depth())

    def totals(self) -> list[float]:
        """Every slot, summed over all processes; the gauges of this one as they are now."""
        self.publish_depth()
        return self._memory.totals(self._position)
