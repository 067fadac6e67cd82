"""The metrics in Prometheus' text format. Apart from ``metrics``, because the library is only needed when somebody asks."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from modelport.serving.metrics import (
    DURATION,
    JOINED_REQUESTS,
    JOINED_ROWS,
    MIRRORED,
    MIRRORS_DROPPED,
    OPEN,
    PHASE_HISTOGRAMS,
    PHASES,
    QUEUE,
    ROUTE_INDEX,
    ROUTES,
    STATUS_INDEX,
    STATUSES,
    Histogram,
    Memory,
    Metrics,
    WorkerGauge,
)


@dataclass(frozen=True)
class DeploymentGauges:
    """A deployment as it is shown, and what the shared memory does not know of it."""

    endpoint: str
    deployment: str
    restarts: int = 0
    workers: Sequence[WorkerGauge] = ()


@dataclass(frozen=True)
class _Row:
    """What was counted for one model or deployment; ``labels`` name it."""

    labels: tuple[str, ...]
    slots: Sequence[float]
    restarts: int
    workers: Sequence[WorkerGauge]


def text(models: Mapping[str, Metrics]) -> bytes:
    """Everything that was counted for each model, over all processes. What belongs to no model goes by the empty name."""
    rows = [
        _Row((name,), metrics.totals(), metrics.restarts(), tuple(metrics.workers()))
        for name, metrics in models.items()
    ]
    return _generated(_Shown(("model",), rows))


def endpoints_text(memory: Memory, deployments: Mapping[int, DeploymentGauges]) -> bytes:
    """Everything that was counted for each deployment, by its position, over all processes.

    What belongs to none has empty names. Two positions of one deployment, while it changes, are shown as one.
    """
    rows = {("", ""): _Row(("", ""), memory.totals(0), 0, ())}
    for position, shown in deployments.items():
        labels = (shown.endpoint, shown.deployment)
        row = _Row(labels, memory.totals(position), shown.restarts, shown.workers)
        rows[labels] = _added(rows[labels], row) if labels in rows else row
    return _generated(_ShownEndpoints(("endpoint", "deployment"), list(rows.values())))


def _added(one: _Row, other: _Row) -> _Row:
    slots = [first + second for first, second in zip(one.slots, other.slots, strict=True)]
    return _Row(one.labels, slots, one.restarts + other.restarts, (*one.workers, *other.workers))


def _generated(shown: Collector) -> bytes:
    registry = CollectorRegistry(auto_describe=False)
    registry.register(shown)
    return generate_latest(registry)


class _Shown(Collector):
    def __init__(self, names: tuple[str, ...], rows: Sequence[_Row]) -> None:
        self._names = names
        self._every = rows
        self._rows = [row for row in rows if any(row.labels)]

    def collect(self) -> Iterator[Metric]:
        yield self._requests()
        yield self._histogram("modelport_request_seconds", "From the whole request to its answer", DURATION)
        phases = HistogramMetricFamily(
            "modelport_phase_seconds", "Time of a request in the worker", labels=[*self._names, "phase"]
        )
        for row in self._rows:
            for phase, histogram in zip(PHASES, PHASE_HISTOGRAMS, strict=True):
                phases.add_metric([*row.labels, phase], *histogram.buckets(row.slots))
        yield phases
        yield self._histogram("modelport_joined_requests", "Requests in one predict call", JOINED_REQUESTS)
        yield self._histogram("modelport_joined_rows", "Rows in one predict call", JOINED_ROWS)
        yield self._gauge("modelport_queue", "Requests no worker has taken yet", QUEUE)
        yield self._gauge("modelport_open_requests", "Requests not answered yet", OPEN)
        restarts = CounterMetricFamily("modelport_worker_restarts", "Workers started again", labels=self._names)
        memory = GaugeMetricFamily("modelport_worker_memory_bytes", "Resident memory", labels=[*self._names, "worker"])
        for row in self._rows:
            restarts.add_metric(row.labels, row.restarts)
            for worker in row.workers:
                memory.add_metric([*row.labels, str(worker.id)], worker.memory)
        yield restarts
        yield memory

    def _requests(self) -> Metric:
        labels = [*self._names, "route", "status"]
        requests = CounterMetricFamily("modelport_requests", "Requests answered", labels=labels)
        for row in self._every:
            for route in ROUTES:
                for status in STATUSES:
                    value = row.slots[ROUTE_INDEX[route] + STATUS_INDEX[status]]
                    if value:
                        requests.add_metric([*row.labels, route, str(status)], value)
        return requests

    def _gauge(self, name: str, text: str, slot: int) -> Metric:
        gauge = GaugeMetricFamily(name, text, labels=self._names)
        for row in self._rows:
            gauge.add_metric(row.labels, row.slots[slot])
        return gauge

    def _histogram(self, name: str, text: str, histogram: Histogram) -> Metric:
        family = HistogramMetricFamily(name, text, labels=self._names)
        for row in self._rows:
            family.add_metric(row.labels, *histogram.buckets(row.slots))
        return family


class _ShownEndpoints(_Shown):
    def collect(self) -> Iterator[Metric]:
        yield from super().collect()
        yield self._counter("modelport_mirrored_requests", "Copies of requests answered, of no caller", MIRRORED)
        yield self._counter("modelport_mirrors_dropped", "Requests not copied: too many copies open", MIRRORS_DROPPED)

    def _counter(self, name: str, text: str, slot: int) -> Metric:
        counter = CounterMetricFamily(name, text, labels=self._names)
        for row in self._rows:
            counter.add_metric(row.labels, row.slots[slot])
        return counter
