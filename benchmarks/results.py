"""The samples of a run as medians: one cell per server, workload and concurrency. Knows no format."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from benchmarks.measure import Load, Sample
from benchmarks.servers import PEERS


@dataclass(frozen=True)
class Cell:
    """Medians over the rounds; errors are summed. CPU seconds per 1,000 requests are milliseconds per request."""

    rps: float
    rps_range: tuple[float, float]
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    errors: int

    @staticmethod
    def of(loads: list[Load]) -> Cell:
        rates = [load.requests / load.seconds for load in loads]
        return Cell(
            rps=statistics.median(rates),
            rps_range=(min(rates), max(rates)),
            p50_ms=statistics.median(load.p50_ms for load in loads),
            p99_ms=statistics.median(load.p99_ms for load in loads),
            cpu_ms=statistics.median(load.cpu_s / load.requests * 1000 for load in loads),
            errors=sum(load.non_2xx + load.socket_errors for load in loads),
        )


@dataclass(frozen=True)
class Results:
    """`facts` says when, where and with which versions; `failures` which servers could not be measured, and why."""

    facts: dict[str, str]
    failures: list[str]
    help_s: float | None
    samples: list[Sample]

    @staticmethod
    def parse(plain: dict[str, Any]) -> Results:
        return Results(**{**plain, "samples": [Sample.parse(sample) for sample in plain["samples"]]})

    def plain(self) -> dict[str, Any]:
        samples = [sample.plain() for sample in self.samples]
        return {"facts": self.facts, "failures": self.failures, "help_s": self.help_s, "samples": samples}

    def workloads(self) -> list[str]:
        return sorted({sample.workload for sample in self.samples})

    def of(self, server: str, workload: str) -> list[Sample]:
        return [sample for sample in self.samples if (sample.server, sample.workload) == (server, workload)]

    def cell(self, server: str, workload: str, concurrency: int) -> Cell | None:
        samples = self.of(server, workload)
        return Cell.of([sample.loads[str(concurrency)] for sample in samples]) if samples else None

    def best_peer(
        self, workload: str, concurrency: int, value: Callable[[Cell], float], pick: Callable[[Iterable[float]], float]
    ) -> float | None:
        """The best of the peers in one cell, MLflow among them; None if none was measured."""
        cells = [cell for name in PEERS if (cell := self.cell(name, workload, concurrency))]
        return pick(value(cell) for cell in cells) if cells else None

    def median(self, server: str, workload: str, value: Callable[[Sample], float | None]) -> float | None:
        values = [number for sample in self.of(server, workload) if (number := value(sample)) is not None]
        return statistics.median(values) if values else None
