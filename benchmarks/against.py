"""This checkout beside an earlier commit of itself, taking turns: `python -m benchmarks.against COMMIT`.

Shows for every cell how throughput, latency and CPU time have changed; a change of the scoring path is measured with it.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

from benchmarks.measure import CONCURRENCIES, Load, Probe, settle, wait_ready, wrk
from benchmarks.processes import Tree, started
from benchmarks.run import LOGS, make_models
from benchmarks.servers import HOST, MODEL_PYTHON, ROOT, Launch, address, free_port
from benchmarks.workloads import MODELS, WORKLOADS

BEFORE = ROOT / ".cache/bench/before"
OUT = ROOT / "benchmarks/AGAINST.md"
COUNTS: dict[str, Callable[[Load], float]] = {
    "req/s": lambda load: load.requests / load.seconds,
    "p50 ms": lambda load: load.p50_ms,
    "p99 ms": lambda load: load.p99_ms,
    "CPU ms per request": lambda load: load.cpu_s / load.requests * 1000,
}


class Pair(NamedTuple):
    """One second of each side, right after one another."""

    workload: str
    concurrency: int
    before: Load
    after: Load


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.against", description=__doc__)
    parser.add_argument("commit")
    parser.add_argument("--rounds", type=int, default=15, help="pairs of seconds for each workload and concurrency")
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), metavar="W")
    options = parser.parse_args()
    os.chdir(ROOT)
    make_models()
    LOGS.mkdir(parents=True, exist_ok=True)
    sides = {"before": check_out(options.commit), "after": ROOT}
    pairs = measure(sides, options.workloads, options.rounds)
    OUT.write_text(report(options.commit, options.rounds, pairs))
    print(f"wrote {OUT}")
    return 0


def check_out(commit: str) -> Path:
    """The earlier commit's files, without touching this checkout."""
    shutil.rmtree(BEFORE, ignore_errors=True)
    BEFORE.mkdir(parents=True)
    files = subprocess.check_output(["git", "archive", commit, "src", "runtime"])
    subprocess.run(["tar", "-x", "-C", str(BEFORE)], input=files, check=True)
    return BEFORE


def prepare(checkout: Path, model: Path, port: int) -> Launch:
    code = "from modelport.cli import main; main()"
    argv = [str(ROOT / ".venv/bin/python"), "-c", code, "serve", "-m", str(model), "-h", HOST, "-p", str(port)]
    environment = {
        "PYTHONPATH": f"{checkout / 'src'}{os.pathsep}{checkout / 'runtime/src'}",
        "MODELPORT_HOME": str(ROOT / ".cache/bench/modelport"),
    }
    return Launch([*argv, "--python", str(MODEL_PYTHON)], address(port), "/ping", environment=environment)


def measure(sides: dict[str, Path], workloads: list[str], rounds: int) -> list[Pair]:
    """Both sides are up at once and are asked in turn, a second at a time: the machine's moods last longer than that."""
    pairs = []
    for name in workloads:
        workload, model = WORKLOADS[name], (Path(MODELS) / name).resolve()
        with ExitStack() as stack:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            body = scratch / "body.json"
            body.write_bytes(workload.body("mlflow"))
            servers = {}
            for side, checkout in sides.items():
                launch = prepare(checkout, model, free_port())
                output = stack.enter_context((LOGS / f"{side}-{name}.log").open("wb"))
                tree = stack.enter_context(started(launch.argv, launch.folder, launch.environment, output))
                wait_ready(tree, launch)
                probe = Probe(launch, body, json.loads(model.with_suffix(".json").read_text()))
                servers[side] = (tree, probe)
                for count in CONCURRENCIES:
                    wrk(probe, count, 1)
            for _ in range(rounds):
                for count in CONCURRENCIES:
                    loads = {side: ask(*servers[side], count) for side in random.sample(list(servers), len(servers))}
                    pairs.append(Pair(name, count, loads["before"], loads["after"]))
        print(*report_lines([pair for pair in pairs if pair.workload == name]), sep="\n", flush=True)
    return pairs


def ask(tree: Tree, probe: Probe, concurrency: int) -> Load:
    settle(tree, probe)
    before = tree.cpu_seconds()
    result = wrk(probe, concurrency, 1)
    settle(tree, probe)
    return Load(**result, cpu_s=tree.cpu_seconds() - before)


def report(commit: str, rounds: int, pairs: list[Pair]) -> str:
    """Medians of both sides, and of the ratios of each pair: a pair was measured within two seconds."""
    lines = [
        f"# Beside commit {commit}",
        "",
        f"{rounds} pairs of seconds for each cell, in random order within each. The ratio is the median of the pairs' own",
        "ratios, after / before, and beside it their quartiles.",
        "",
        "| workload | c | | before | after | ratio | quartiles |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *report_lines(pairs)]) + "\n"


def report_lines(pairs: list[Pair]) -> list[str]:
    lines = []
    for workload, count in dict.fromkeys((pair.workload, pair.concurrency) for pair in pairs):
        cell = [pair for pair in pairs if (pair.workload, pair.concurrency) == (workload, count)]
        for name, value in COUNTS.items():
            before, after = [[value(load) for load in side] for side in zip(*(pair[2:] for pair in cell), strict=True)]
            ratios = [other / one for one, other in zip(before, after, strict=True)]
            low, middle, high = statistics.quantiles(ratios, n=4)
            medians = f"{statistics.median(before):.4g} | {statistics.median(after):.4g}"
            lines.append(f"| {workload} | {count} | {name} | {medians} | {middle:.3f} | {low:.2f} to {high:.2f} |")
    return lines


if __name__ == "__main__":
    sys.exit(main())
