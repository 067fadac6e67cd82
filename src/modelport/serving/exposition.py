"""The metrics in Prometheus' text format. Apart from ``metrics``, because the library is only needed when somebody asks."""

from collections.abc import Iterator, Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from modelport.serving.metrics import (
    DURATION,
    JOINED_REQUESTS,
    JOINED_ROWS,
    OPEN,
    PHASE_HISTOGRAMS,
    PHASES,
    QUEUE,
    ROUTE_INDEX,
    ROUTES,
    STATUS_INDEX,
    STATUSES,
    Histogram,
    Metrics,
)


def text(models: Mapping[str, Metrics]) -> bytes:
    """Everything that was counted for each model, over all processes. What belongs to no model goes by the empty name."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Shown(models))
    return generate_latest(registry)


class _Shown(Collector):
    def __init__(self, models: Mapping[str, Metrics]) -> None:
        self._models = models

    def collect(self) -> Iterator[Metric]:
        totals = {name: metrics.totals() for name, metrics in self._models.items()}
        yield _requests(totals)
        of_models = {name: slots for name, slots in totals.items() if name}
        yield _histogram("modelport_request_seconds", "From the whole request to its answer", DURATION, of_models)
        phases = HistogramMetricFamily(
            "modelport_phase_seconds", "Time of a request in the worker", labels=["model", "phase"]
        )
        for name, slots in of_models.items():
            for phase, histogram in zip(PHASES, PHASE_HISTOGRAMS, strict=True):
                phases.add_metric([name, phase], *histogram.buckets(slots))
        yield phases
        yield _histogram("modelport_joined_requests", "Requests in one predict call", JOINED_REQUESTS, of_models)
        yield _histogram("modelport_joined_rows", "Rows in one predict call", JOINED_ROWS, of_models)
        yield _gauge("modelport_queue", "Requests no worker has taken yet", QUEUE, of_models)
        yield _gauge("modelport_open_requests", "Requests not answered yet", OPEN, of_models)
        restarts = CounterMetricFamily("modelport_worker_restarts", "Workers started again", labels=["model"])
        memory = GaugeMetricFamily("modelport_worker_memory_bytes", "Resident memory", labels=["model", "worker"])
        for name in of_models:
            restarts.add_metric([name], self._models[name].restarts())
            for worker in self._models[name].workers():
                memory.add_metric([name, str(worker.id)], worker.memory)
        yield restarts
        yield memory


def _requests(totals: Mapping[str, list[float]]) -> Metric:
    requests = CounterMetricFamily("modelport_requests", "Requests answered", labels=["model", "route", "status"])
    for name, slots in totals.items():
        for route in ROUTES:
            for status in STATUSES:
                value = slots[ROUTE_INDEX[route] + STATUS_INDEX[status]]
                if value:
                    requests.add_metric([name, route, str(status)], value)
    return requests


def _gauge(name: str, text: str, slot: int, totals: Mapping[str, list[float]]) -> Metric:
    gauge = GaugeMetricFamily(name, text, labels=["model"])
    for model, slots in totals.items():
        gauge.add_metric([model], slots[slot])
    return gauge


def _histogram(name: str, text: str, histogram: Histogram, totals: Mapping[str, list[float]]) -> Metric:
    family = HistogramMetricFamily(name, text, labels=["model"])
    for model, slots in totals.items():
        family.add_metric([model], *histogram.buckets(slots))
    return family
