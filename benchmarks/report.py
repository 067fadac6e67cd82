"""A run as Markdown. Alone, it writes the last run's samples again: `python -m benchmarks.report > FILE`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks.measure import CONCURRENCIES
from benchmarks.results import Cell, Results
from benchmarks.servers import RAW, SERVERS
from benchmarks.targets import cpu, idle_cpu, p50, p99, pss, ready, rps, targets
from benchmarks.workloads import WORKLOADS

SAMPLES = Path(".cache/bench/samples.json")
NOTES = Path(__file__).with_name("NOTES.md")
"""What people have to say of the figures: which targets do not hold, and why."""
METRICS: tuple[tuple[str, Callable[[Cell], float], Callable[..., float]], ...] = (
    ("req/s", rps, max),
    ("p50 ms", p50, min),
    ("p99 ms", p99, min),
    ("CPU ms/req", cpu, min),
)
LEGEND = """\
Written by `python -m benchmarks.run`; how to read it: [README.md](README.md). Each number is the median over the
rounds; in brackets its ratios to MLflow's and to the best peer's **in that very cell** (MLflow is one of the peers).
CPU is that of the server's whole process tree; milliseconds per request are seconds per 1,000 requests.
"""


def markdown(results: Results) -> str:
    lines = ["# Benchmark results", "", LEGEND, *facts(results), ""]
    lines += ["## Targets", "", *target_table(results), ""]
    for name in results.workloads():
        lines += [f"## {name.upper()}: {WORKLOADS[name].title}", "", *load_table(results, name), ""]
        lines += [*process_table(results, name), ""]
    return "\n".join(lines) + NOTES.read_text()


def facts(results: Results) -> Iterator[str]:
    for name, value in results.facts.items():
        yield f"- {name}: {value}"
    for failure in results.failures:
        yield f"- **not measured**: {failure}"


def target_table(results: Results) -> Iterator[str]:
    yield "| target | measured | limit | holds |"
    yield "|---|--:|--:|---|"
    for target in targets(results):
        verdict = {True: "yes", False: "**no**", None: "not measured"}[target.holds]
        value = quantity(target.value, target.unit)
        limit = quantity(target.limit, target.unit)
        yield f"| {target.text} | {value} | {'≥' if target.at_least else '≤'} {limit} | {verdict} |"


def quantity(value: float | None, unit: str) -> str:
    return "-" if value is None else f"{number(value)} {unit}".strip()


def load_table(results: Results, workload: str) -> Iterator[str]:
    yield "| server | c | " + " | ".join(name for name, _, _ in METRICS) + " | req/s, lowest to highest | errors |"
    yield "|---|--:|" + "--:|" * (len(METRICS) + 2)
    for concurrency in CONCURRENCIES:
        for server in (*SERVERS, RAW):
            if cell := results.cell(server, workload, concurrency):
                values = " | ".join(compared(results, cell, workload, concurrency))
                low, high = cell.rps_range
                name = f"{server}, 64 joined" if server == RAW and concurrency == 64 else server
                yield f"| {name} | {concurrency} | {values} | {number(low)}-{number(high)} | {cell.errors} |"


def compared(results: Results, cell: Cell, workload: str, concurrency: int) -> Iterator[str]:
    """Each metric of a cell, with its ratios to MLflow's and to the best peer's."""
    mlflow = results.cell("mlflow", workload, concurrency)
    for _, value, pick in METRICS:
        best = results.best_peer(workload, concurrency, value, pick)
        ratios = ratio(value(cell), value(mlflow) if mlflow else None), ratio(value(cell), best)
        yield f"{number(value(cell))} ({'; '.join(ratios)})"


def process_table(results: Results, workload: str) -> Iterator[str]:
    yield "| server | PSS MiB | ready s | idle CPU, % of a core |"
    yield "|---|--:|--:|--:|"
    for server in (*SERVERS, RAW):
        if results.of(server, workload):
            values = [results.median(server, workload, value) for value in (pss, ready, idle_cpu)]
            yield f"| {server} | {' | '.join('' if value is None else number(value) for value in values)} |"


def ratio(value: float, other: float | None) -> str:
    return f"{number(value / other)}x" if other else "-"


def number(value: float) -> str:
    """About three figures that matter, no exponent."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}" if abs(value) >= 1 else f"{value:.3f}"


if __name__ == "__main__":
    print(markdown(Results.parse(json.loads(SAMPLES.read_text()))))
