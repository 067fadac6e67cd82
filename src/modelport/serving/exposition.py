"""The metrics in Prometheus' text format. Apart from ``metrics``, because the library is only needed when somebody asks."""

from collections.abc import Iterator

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


def text(metrics: Metrics) -> bytes:
    """Everything that was counted, over all processes."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Shown(metrics))
    return generate_latest(registry)


class _Shown(Collector):
    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        slots = self._metrics.totals()
        requests = CounterMetricFamily("modelport_requests", "Requests answered", labels=["route", "status"])
        for route in ROUTES:
            for status in STATUSES:
                value = slots[ROUTE_INDEX[route] + STATUS_INDEX[status]]
                if value:
                    requests.add_metric([route, str(status)], value)
        yield requests
        yield _family("modelport_request_seconds", "From the whole request to its answer", DURATION, slots)
        phases = HistogramMetricFamily("modelport_phase_seconds", "Time of a request in the worker", labels=["phase"])
        for phase, histogram in zip(PHASES, PHASE_HISTOGRAMS, strict=True):
            buckets, total = histogram.buckets(slots)
            phases.add_metric([phase], buckets, total)
        yield phases
        yield _family("modelport_joined_requests", "Requests in one predict call", JOINED_REQUESTS, slots)
        yield _family("modelport_joined_rows", "Rows in one predict call", JOINED_ROWS, slots)
        yield GaugeMetricFamily("modelport_queue", "Requests no worker has taken yet", value=slots[QUEUE])
        yield GaugeMetricFamily("modelport_open_requests", "Requests not answered yet", value=slots[OPEN])
        yield CounterMetricFamily("modelport_worker_restarts", "Workers started again", value=self._metrics.restarts())
        memory = GaugeMetricFamily("modelport_worker_memory_bytes", "Resident memory", labels=["worker"])
        for worker in self._metrics.workers():
            memory.add_metric([str(worker.id)], worker.memory)
        yield memory


def _family(name: str, text: str, histogram: Histogram, slots: list[float]) -> Metric:
    buckets, total = histogram.buckets(slots)
    return HistogramMetricFamily(name, text, buckets=buckets, sum_value=total)
