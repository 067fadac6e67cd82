"""This checkout beside an earlier commit of itself, taking turns: `python -m benchmarks.against COMMIT`.

Shows for every cell how throughput, latency and CPU time have changed; a change of the scoring path is measured with it.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.measure import CONCURRENCIES, Load, Sample, measure_server
from benchmarks.run import LOGS, line, make_models
from benchmarks.servers import HOST, MODEL_PYTHON, ROOT, Launch, Server, address
from benchmarks.workloads import MODELS, WORKLOADS, Workload

BEFORE = ROOT / ".cache/bench/before"
OUT = ROOT / "benchmarks/AGAINST.md"
COUNTS: dict[str, Callable[[Load], float]] = {
    "req/s": lambda load: load.requests / load.seconds,
    "p50 ms": lambda load: load.p50_ms,
    "p99 ms": lambda load: load.p99_ms,
    "CPU ms per request": lambda load: load.cpu_s / load.requests * 1000,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.against", description=__doc__)
    parser.add_argument("commit")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=int, default=3, help="measured per side, workload and concurrency")
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), metavar="W")
    options = parser.parse_args()
    os.chdir(ROOT)
    make_models()
    LOGS.mkdir(parents=True, exist_ok=True)
    sides = {"before": check_out(options.commit), "after": ROOT}
    samples = measure(sides, options.workloads, options.rounds, options.seconds)
    OUT.write_text(report(options.commit, options.rounds, samples))
    print(f"wrote {OUT}")
    return 0


def check_out(commit: str) -> Path:
    """The earlier commit's files, without touching this checkout."""
    shutil.rmtree(BEFORE, ignore_errors=True)
    BEFORE.mkdir(parents=True)
    files = subprocess.check_output(["git", "archive", commit, "src", "runtime"])
    subprocess.run(["tar", "-x", "-C", str(BEFORE)], input=files, check=True)
    return BEFORE


def prepare(checkout: Path, workload: Workload, model: Path, port: int, scratch: Path) -> Launch:
    code = "from modelport.cli import main; main()"
    argv = [str(ROOT / ".venv/bin/python"), "-c", code, "serve", "-m", str(model), "-h", HOST, "-p", str(port)]
    environment = {
        "PYTHONPATH": f"{checkout / 'src'}{os.pathsep}{checkout / 'runtime/src'}",
        "MODELPORT_HOME": str(ROOT / ".cache/bench/modelport"),
    }
    return Launch([*argv, "--python", str(MODEL_PYTHON)], address(port), "/ping", environment=environment)


def measure(sides: dict[str, Path], workloads: list[str], rounds: int, seconds: float) -> list[Sample]:
    samples = []
    for index in range(rounds):
        for workload in workloads:
            for side in random.sample(list(sides), len(sides)):
                server = Server(side, "mlflow", (), ".venv", partial(prepare, sides[side]))
                model = (Path(MODELS) / workload).resolve()
                log = LOGS / f"{side}-{workload}.log"
                samples.append(measure_server(server, WORKLOADS[workload], model, seconds, log))
                print(line(index + 1, samples[-1]), flush=True)
    return samples


def report(commit: str, rounds: int, samples: list[Sample]) -> str:
    """Medians of both sides, and the median of the ratios within each round: rounds differ more than sides do."""
    lines = [
        f"# Beside commit {commit}",
        "",
        f"{rounds} rounds, both sides in turn within each. The ratio is the median of the rounds' own ratios, after / before.",
        "",
        "| workload | c | | before | after | ratio |",
        "|---|---|---|---|---|---|",
    ]
    for workload in dict.fromkeys(sample.workload for sample in samples):
        before, after = (
            [sample for sample in samples if (sample.server, sample.workload) == (side, workload)]
            for side in ("before", "after")
        )
        for count in CONCURRENCIES:
            for name, value in COUNTS.items():
                pairs = [
                    (value(one.loads[str(count)]), value(other.loads[str(count)]))
                    for one, other in zip(before, after, strict=True)
                ]
                first, second = (statistics.median(side) for side in zip(*pairs, strict=True))
                ratio = statistics.median(other / one for one, other in pairs)
                lines.append(f"| {workload} | {count} | {name} | {first:.4g} | {second:.4g} | {ratio:.3f} |")
        ready = [statistics.median(sample.ready_s for sample in side) for side in (before, after)]
        lines.append(f"| {workload} | | ready s | {ready[0]:.3g} | {ready[1]:.3g} | {ready[1] / ready[0]:.3f} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
