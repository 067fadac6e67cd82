"""Counting in shared memory: every process adds to its own row, and any of them shows the sum."""

import os
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from modelport.serving import exposition
from modelport.serving.exposition import DeploymentGauges
from modelport.serving.metrics import (
    DURATION,
    MAX_DEPLOYMENTS,
    PHASES,
    SECONDS,
    Memory,
    Metrics,
    WorkerGauge,
    requests_by_status,
    shared_memory,
)
from modelport.workers.memory import resident_memory


@pytest.fixture
def descriptor() -> Iterator[int]:
    descriptor = shared_memory(2)
    yield descriptor
    os.close(descriptor)


def shown(metrics: Metrics) -> dict[tuple[str, ...], float]:
    """Sample name and label values but the model's → value."""
    return {(name, *labels[1:]): value for (name, *labels), value in shown_by_model({"m": metrics}).items()}


def shown_by_model(models: dict[str, Metrics]) -> dict[tuple[str, ...], float]:
    """Sample name and label values, the model first → value, read by prometheus_client's own parser."""
    return {
        (sample.name, sample.labels.pop("model"), *sample.labels.values()): sample.value
        for family in text_string_to_metric_families(exposition.text(models).decode())
        for sample in family.samples
    }


def test_counters_are_the_sum_of_all_processes(descriptor: int) -> None:
    first, second = Metrics(Memory(descriptor, 2), 0), Metrics(Memory(descriptor, 2), 1)
    first.count("/ping", 200)
    second.count("/ping", 200)
    second.count("other", 404)
    first.observe("/invocations", 400, 0.01, None, None)
    for metrics in (first, second):
        samples = shown(metrics)
        assert samples["modelport_requests_total", "/ping", "200"] == 2
        assert samples["modelport_requests_total", "other", "404"] == 1
        assert samples["modelport_requests_total", "/invocations", "400"] == 1
        assert ("modelport_requests_total", "/version", "200") not in samples


def test_counters_outlive_the_process_that_wrote_them(descriptor: int) -> None:
    Metrics(Memory(descriptor, 2), 1).count("/ping", 200)
    successor = Metrics(Memory(descriptor, 2), 1)
    successor.count("/ping", 200)
    assert shown(successor)["modelport_requests_total", "/ping", "200"] == 2


def test_a_status_without_a_place_of_its_own_counts_as_500(descriptor: int) -> None:
    metrics = Metrics(Memory(descriptor, 2), 0)
    metrics.count("other", 418)
    assert shown(metrics)["modelport_requests_total", "other", "500"] == 1


def test_times_fall_into_cumulative_buckets(descriptor: int) -> None:
    metrics = Metrics(Memory(descriptor, 2), 0)
    for seconds in (0.0001, 0.0005, 0.003, 100.0):
        metrics.observe("/invocations", 200, seconds, None, None)
    samples = shown(metrics)
    buckets = [samples["modelport_request_seconds_bucket", str(bound)] for bound in SECONDS]
    assert buckets[:5] == [2, 2, 2, 3, 3]
    assert buckets[-1] == 3
    assert samples["modelport_request_seconds_bucket", "+Inf"] == 4
    assert samples["modelport_request_seconds_count",] == 4
    assert samples["modelport_request_seconds_sum",] == pytest.approx(100.0036)


def test_the_phases_of_a_request_are_told_apart(descriptor: int) -> None:
    metrics = Metrics(Memory(descriptor, 2), 0)
    metrics.observe("/invocations", 200, 0.01, [1000, 2000, 3000, 4000], None)
    samples = shown(metrics)
    sums = [samples["modelport_phase_seconds_sum", phase] for phase in PHASES]
    assert sums == pytest.approx([0.001, 0.002, 0.003, 0.004])


def test_a_predict_call_counts_once_however_many_requests_it_served(descriptor: int) -> None:
    metrics = Metrics(Memory(descriptor, 2), 0)
    for joined in ([3, 700], None, None):
        metrics.observe("/invocations", 200, 0.01, [1, 1, 1, 1], joined)
    metrics.observe("/invocations", 200, 0.01, [1, 1, 1, 1], [1, 1])
    samples = shown(metrics)
    assert samples["modelport_joined_requests_count",] == 2
    assert samples["modelport_joined_requests_sum",] == 4
    assert samples["modelport_joined_requests_bucket", "1.0"] == 1
    assert samples["modelport_joined_rows_sum",] == 701


def test_depths_are_summed_over_what_each_process_wrote_last(descriptor: int) -> None:
    first, second = Metrics(Memory(descriptor, 2), 0), Metrics(Memory(descriptor, 2), 1)
    first.depth = lambda: (1, 5)
    second.depth = lambda: (2, 7)
    second.publish_depth()
    samples = shown(first)
    assert (samples["modelport_queue",], samples["modelport_open_requests",]) == (3, 12)


def test_workers_are_shown_with_their_memory_and_restarts(descriptor: int) -> None:
    metrics = Metrics(Memory(descriptor, 2), 0)
    metrics.restarts = lambda: 4
    metrics.workers = lambda: [WorkerGauge(1, 100), WorkerGauge(7, resident_memory(os.getpid()))]
    samples = shown(metrics)
    assert samples["modelport_worker_restarts_total",] == 4
    assert samples["modelport_worker_memory_bytes", "1"] == 100
    assert samples["modelport_worker_memory_bytes", "7"] > 1 << 20


def test_a_process_that_is_gone_has_no_memory() -> None:
    assert resident_memory(2**22 + 1) == 0


def test_models_are_counted_apart_and_what_belongs_to_none_has_the_empty_name() -> None:
    descriptor = shared_memory(2, 3)
    here = [Metrics(Memory(descriptor, 2), 0, position) for position in range(3)]
    there = [Metrics(Memory(descriptor, 2), 1, position) for position in range(3)]
    here[0].count("/ping", 200)
    for metrics in (here[1], there[1], there[2]):
        metrics.observe("/invocations", 200, 0.01, [1000, 1, 1, 1], None)
    samples = shown_by_model(dict(zip(("", "a", "b"), here, strict=True)))
    counted = {key[1:]: value for key, value in samples.items() if key[0] == "modelport_requests_total"}
    assert counted == {("", "/ping", "200"): 1, ("a", "/invocations", "200"): 2, ("b", "/invocations", "200"): 1}
    assert samples["modelport_phase_seconds_sum", "a", "queue"] == pytest.approx(0.002)
    assert not any(key[1] == "" for key in samples if key[0] != "modelport_requests_total")
    os.close(descriptor)


def endpoint_samples(text: bytes) -> dict[tuple[str, ...], float]:
    """Sample name, endpoint, deployment and the other label values → value."""
    return {
        (
            sample.name,
            sample.labels.pop("endpoint"),
            sample.labels.pop("deployment"),
            *sample.labels.values(),
        ): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_deployments_are_shown_by_whoever_has_the_memory() -> None:
    descriptor = shared_memory(2, MAX_DEPLOYMENTS)
    for process in range(2):
        memory = Memory(descriptor, 2)
        Metrics(memory, process, 0).count("/score", 401)
        blue, green = Metrics(memory, process, 1), Metrics(memory, process, 2)
        blue.observe("/score", 200, 0.01, [1000, 1, 1, 1], None)
        green.mirrored()
        green.mirror_dropped()
        blue.show_depth(2, 3)
    gauges = DeploymentGauges("churn", "blue", restarts=4, workers=[WorkerGauge(7, 100)])
    shown = {1: gauges, 2: DeploymentGauges("churn", "green")}
    samples = endpoint_samples(exposition.endpoints_text(Memory(descriptor, 2), shown))
    assert samples["modelport_requests_total", "", "", "/score", "401"] == 2
    assert samples["modelport_requests_total", "churn", "blue", "/score", "200"] == 2
    assert samples["modelport_request_seconds_count", "churn", "blue"] == 2
    assert samples["modelport_phase_seconds_sum", "churn", "blue", "queue"] == pytest.approx(0.002)
    assert samples["modelport_queue", "churn", "blue"] == 4
    assert samples["modelport_open_requests", "churn", "blue"] == 6
    assert samples["modelport_worker_restarts_total", "churn", "blue"] == 4
    assert samples["modelport_worker_memory_bytes", "churn", "blue", "7"] == 100
    assert samples["modelport_mirrored_requests_total", "churn", "green"] == 2
    assert samples["modelport_mirrors_dropped_total", "churn", "green"] == 2
    assert ("modelport_queue", "", "") not in samples
    os.close(descriptor)


def test_two_positions_of_a_deployment_that_changes_are_shown_as_one() -> None:
    descriptor = shared_memory(1, MAX_DEPLOYMENTS)
    memory = Memory(descriptor, 1)
    for position in (1, MAX_DEPLOYMENTS - 1):
        Metrics(memory, 0, position).observe("/score", 200, 0.01, None, None)
    shown = {1: DeploymentGauges("churn", "blue", 1), MAX_DEPLOYMENTS - 1: DeploymentGauges("churn", "blue", 2)}
    samples = endpoint_samples(exposition.endpoints_text(memory, shown))
    assert samples["modelport_requests_total", "churn", "blue", "/score", "200"] == 2
    assert samples["modelport_worker_restarts_total", "churn", "blue"] == 3
    os.close(descriptor)


def test_a_position_is_cleared_for_the_next_and_its_neighbours_stay() -> None:
    descriptor = shared_memory(2, 3)
    memory = Memory(descriptor, 2)
    assert memory.positions == 3
    every = [Metrics(memory, process, position) for process in range(2) for position in range(3)]
    for metrics in every:
        metrics.observe("/score", 200, 0.01, [1, 1, 1, 1], [1, 1])
    Memory(descriptor, 2).clear(1)
    assert [requests_by_status(memory.totals(position)) for position in range(3)] == [{200: 2}, {}, {200: 2}]
    assert not any(memory.totals(1))
    os.close(descriptor)


def test_only_predictions_are_counted_by_status(descriptor: int) -> None:
    memory = Memory(descriptor, 2)
    for process in range(2):
        metrics = Metrics(memory, process)
        for route, status in (
            ("/score", 200),
            ("/invocations", 200),
            ("/v2/infer", 503),
            ("/ping", 200),
            ("other", 404),
        ):
            metrics.count(route, status)
    assert requests_by_status(memory.totals(0)) == {200: 4, 503: 2}


@pytest.mark.parametrize(
    ("seconds", "share", "expected"),
    [
        ([], 0.5, None),
        ([0.003] * 10, 0.5, 0.00375),
        ([0.003] * 10, 1.0, 0.005),
        ([0.003] * 90 + [0.2] * 10, 0.9, 0.005),
        ([0.003] * 90 + [0.2] * 10, 0.95, 0.175),
        ([1000.0], 0.5, 60.0),
    ],
)
def test_a_quantile_lies_in_the_bucket_that_has_it(
    descriptor: int, seconds: list[float], share: float, expected: float | None
) -> None:
    memory = Memory(descriptor, 2)
    for value in seconds:
        Metrics(memory).observe("/score", 200, value, None, None)
    found = DURATION.quantile(memory.totals(0), share)
    assert found == (None if expected is None else pytest.approx(expected))
