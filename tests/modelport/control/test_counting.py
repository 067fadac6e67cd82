"""What scoring processes counted becomes minutes and metrics, each by its endpoint and deployment."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from modelport.control.counting import Counted, Counting
from modelport.serving.metrics import Memory, Metrics, shared_memory
from modelport.store.store import Store

AT = datetime(2026, 3, 4, 5, 6, tzinfo=UTC)
BLUE = Counted("id-of-blue", "churn", "blue", restarts=2, pids=[os.getpid()])
GREEN = Counted("id-of-green", "churn", "green")


class World:
    """Two scoring processes that count into one memory; ``there`` is what lies at which position."""

    def __init__(self, store: Store) -> None:
        descriptor = shared_memory(processes=2, rows=4)
        self.memory = Memory(descriptor, 2)
        os.close(descriptor)
        self.there = {1: BLUE, 2: GREEN}
        self.counting = Counting(self.memory, store, lambda: self.there)

    def answered(self, position: int, status: int, seconds: float, number: int = 1, rows: int = 0) -> None:
        """So many requests for predictions, by the second process."""
        for _ in range(number):
            Metrics(self.memory, 1, position).observe("/score", status, seconds, None, [1, rows] if rows else None)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    store = Store.open(f"sqlite:///{tmp_path / 'modelport.db'}")
    yield World(store)
    store.close()


def test_what_was_there_before_the_first_look_belongs_to_no_minute(world: World) -> None:
    world.answered(1, 200, 0.01)
    assert world.counting.minutes(AT) == []


def test_a_minute_has_what_was_counted_in_it_alone(world: World) -> None:
    world.answered(1, 200, 0.01)
    world.counting.minutes(AT)
    world.answered(1, 200, 0.02, number=98, rows=3)
    world.answered(1, 429, 4.0, number=2)
    Metrics(world.memory, 0, 1).count("/ping", 200)
    blue, green = world.counting.minutes(AT)
    assert (blue.at, blue.endpoint, blue.deployment) == (AT, "churn", "blue")
    assert blue.requests == {"200": 98, "429": 2}
    assert blue.rows == 3 * 98
    assert blue.latency_p50 is not None
    assert blue.latency_p99 is not None
    assert 10 < blue.latency_p50 <= 25
    assert 2500 < blue.latency_p99 <= 5000
    assert blue.instances == 1
    assert blue.memory_bytes > 1 << 20
    assert (green.deployment, green.requests, green.latency_p50, green.instances) == ("green", {}, None, 0)
    blue, _ = world.counting.minutes(AT)
    assert (blue.requests, blue.rows, blue.latency_p99) == ({}, 0, None)


def test_a_deployment_that_came_into_the_place_of_another_does_not_inherit_its_count(world: World) -> None:
    world.answered(1, 200, 0.01, number=5)
    world.counting.minutes(AT)
    world.memory.clear(1)
    world.there = {1: Counted("id-of-teal", "churn", "teal")}
    world.answered(1, 200, 0.01, number=3)
    (teal,) = world.counting.minutes(AT)
    assert (teal.deployment, teal.requests, teal.cpu_percent) == ("teal", {"200": 3}, 0.0)


def test_the_text_names_endpoint_and_deployment(world: World) -> None:
    world.answered(1, 200, 0.01, number=7)
    samples = dict(line.rsplit(" ", 1) for line in world.counting.text().decode().splitlines() if line[0] != "#")
    labels = 'deployment="blue",endpoint="churn"'
    counted = [
        value for name, value in samples.items() if labels in name and 'status="200"' in name and "/score" in name
    ]
    assert counted == ["7.0"], samples
    assert [value for name, value in samples.items() if "restart" in name and labels in name] == ["2.0"]
