"""What modelport has promised, computed from a run: each target with its number and whether it holds."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks.measure import Sample
from benchmarks.results import Cell, Results
from benchmarks.servers import RAW
from benchmarks.workloads import WORKLOADS

OURS = "modelport"


@dataclass(frozen=True)
class Target:
    """`value` is None where the run did not measure it."""

    text: str
    value: float | None
    limit: float | None  # None where it hangs on something not measured
    unit: str
    at_least: bool = False

    @property
    def holds(self) -> bool | None:
        if self.value is None or self.limit is None:
            return None
        return self.value >= self.limit if self.at_least else self.value <= self.limit


def targets(results: Results) -> Iterator[Target]:
    yield from throughput(results)
    yield from latency(results)
    yield from footprint(results)


def throughput(results: Results) -> Iterator[Target]:
    for workload, concurrency, peer, limit in (
        ("w1", 1, "MLflow", 8),
        ("w1", 64, "best peer", 15),
        ("w1", 64, "best peer (stretch)", 30),
        ("w1", 64, "MLflow", 80),
        ("w2", 1, "MLflow", 6),
        ("w2", 64, "best peer", 7),
        ("w3", 64, "best peer", 2.5),
        ("w4", 64, "best peer", 1.5),
        ("w5", 1, "MLflow", 6),
        ("w5", 64, "best peer", 6),
    ):
        ours = results.cell(OURS, workload, concurrency)
        mlflow = results.cell("mlflow", workload, concurrency)
        best = results.best_peer(workload, concurrency, rps, max)
        theirs = (mlflow.rps if mlflow else None) if peer == "MLflow" else best
        value = ours.rps / theirs if ours and theirs else None
        yield Target(f"{where(workload, concurrency)}: req/s, times {peer}", value, limit, "x", at_least=True)


def latency(results: Results) -> Iterator[Target]:
    one, many = results.cell(OURS, "w1", 1), results.cell(OURS, "w3", 64)
    yield Target(f"{where('w1', 1)}: CPU per request", one.cpu_ms if one else None, 0.4, "ms")
    best = results.best_peer("w1", 1, p50, min)
    yield Target(f"{where('w1', 1)}: p50, times lowest peer", one.p50_ms / best if one and best else None, 1 / 6, "x")
    forest, raw = results.cell(OURS, "w3", 1), results.cell(RAW, "w3", 1)
    yield Target(
        f"{where('w3', 1)}: p50, times raw call", forest.p50_ms / raw.p50_ms if forest and raw else None, 1.1, "x"
    )
    best = results.best_peer("w3", 64, p99, min)
    yield Target(
        f"{where('w3', 64)}: p99, times lowest peer", many.p99_ms / best if many and best else None, 1 / 3, "x"
    )
    sleeper = results.cell(OURS, "w4", 1)
    yield Target(f"{where('w4', 1)}: p50", sleeper.p50_ms if sleeper else None, 11.5, "ms")


def footprint(results: Results) -> Iterator[Target]:
    cells = [cell for name in WORKLOADS for count in (1, 64) if (cell := results.cell(OURS, name, count))]
    failed = sum(text.startswith(OURS) for text in results.failures)
    errors = float(sum(cell.errors for cell in cells) + failed) if cells else None
    yield Target("all: errors, and runs that failed", errors, 0, "")
    idle = [value for name in WORKLOADS if (value := results.median(OURS, name, idle_cpu)) is not None]
    yield Target("all: idle CPU, highest, % of a core", max(idle, default=None), 0.5, "%")
    ours, theirs = (results.median(name, "w1", pss) for name in (OURS, "mlserver-inv"))
    yield Target("W1: PSS, times MLServer's /invocations", ours / theirs if ours and theirs else None, 1, "x")
    for name in WORKLOADS:
        bare = results.median(RAW, name, ready)
        limit = 1.15 * bare + 0.3 if bare else None
        value = results.median(OURS, name, ready)
        yield Target(f"{name.upper()}: ready, against 1.15 x (import, load, predict) + 0.3 s", value, limit, "s")
    yield Target("`modelport --help`", results.help_s, 0.2, "s")


def where(workload: str, concurrency: int) -> str:
    return f"{workload.upper()}, c={concurrency}"


def rps(cell: Cell) -> float:
    return cell.rps


def p50(cell: Cell) -> float:
    return cell.p50_ms


def p99(cell: Cell) -> float:
    return cell.p99_ms


def cpu(cell: Cell) -> float:
    return cell.cpu_ms


def ready(sample: Sample) -> float:
    return sample.ready_s


def pss(sample: Sample) -> float | None:
    return sample.pss_mib


def idle_cpu(sample: Sample) -> float | None:
    return sample.idle_cpu_percent
