"""What two looks at a server's metrics say of the time between them."""

import pytest

from modelport.load.server_side import ServerSide, between, read_counters
from modelport.serving import exposition
from modelport.serving.metrics import Memory, Metrics, WorkerGauge, shared_memory


@pytest.fixture
def metrics() -> dict[str, Metrics]:
    memory = Memory(shared_memory(1, 2), 1)
    found = {name: Metrics(memory, 0, position) for position, name in enumerate(("a", "b"))}
    found["a"].workers = lambda: [WorkerGauge(1, 1 << 20), WorkerGauge(2, 1 << 20)]
    return found


def shown(metrics: dict[str, Metrics]) -> str:
    return exposition.text(metrics).decode()


def test_what_a_level_did_is_the_difference_of_the_metrics_of_its_model(metrics: dict[str, Metrics]) -> None:
    metrics["a"].observe("/invocations", 200, 9.0, [9, 9, 9, 9], [1, 1])
    before = read_counters(shown(metrics), "a")
    for joined in ([3, 30], None, None, [1, 10]):
        metrics["a"].observe("/invocations", 200, 0.010, [4000, 1000, 2000, 500], joined)
    metrics["b"].observe("/invocations", 200, 5.0, [1, 2, 3, 4], [7, 7])
    side = between(before, read_counters(shown(metrics), "a"), seconds=0.1)
    assert isinstance(side, ServerSide)
    assert (side.requests, side.calls, side.rows, side.workers) == (4, 2, 40, 2)
    assert side.joined == 2
    assert [side.inside, side.decode, side.predict, side.encode] == pytest.approx([0.010, 0.001, 0.002, 0.0005])
    assert side.waiting == pytest.approx(0.0065)
    assert side.busy == pytest.approx(4 * (0.001 + 0.002 / 2 + 0.0005) / (0.1 * 2))


def test_nothing_is_made_up_where_nothing_was_counted(metrics: dict[str, Metrics]) -> None:
    counters = read_counters(shown(metrics), "a")
    assert counters is not None
    assert between(counters, counters, 1.0) is None
    assert between(None, counters, 1.0) is None


def test_a_server_that_began_anew_in_between_says_nothing(metrics: dict[str, Metrics]) -> None:
    fresh = read_counters(shown(metrics), "a")
    metrics["a"].observe("/invocations", 200, 0.01, [1, 1, 1, 1], [1, 1])
    assert between(read_counters(shown(metrics), "a"), fresh, 1.0) is None


@pytest.mark.parametrize(
    "text",
    ["", "no metrics {", "# TYPE up gauge\nup 1\n", "<html>\n", 'modelport_phase_seconds_sum{phase="predict"} 1\n'],
)
def test_the_metrics_of_another_server_are_not_taken_for_ours(text: str) -> None:
    assert read_counters(text, "a") is None
