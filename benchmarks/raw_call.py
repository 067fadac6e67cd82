"""The floor: the library's own predict on a prebuilt input, in one process that does nothing else.

    python -m benchmarks.raw_call w1 MODEL_FOLDER SECONDS

prints `ready` after the first predict, then one line of JSON, then waits for standard input to close, so that the
caller can time the start and read the memory. "Concurrency 64" is one predict on 64 requests joined.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from typing import Any, Callable

from benchmarks.native import load, prepare
from benchmarks.workloads import WORKLOADS


def measure(predict: Callable[[Any], Any], data: Any, seconds: float, joined: int) -> dict[str, float]:
    """One dictionary, as `measure.load` makes: latencies are those of one call, throughput and CPU count requests."""
    latencies: list[float] = []
    for duration in (1.0, seconds):  # the first is the warm-up
        latencies.clear()
        cpu, start = time.process_time(), time.perf_counter()
        while time.perf_counter() - start < duration:
            before = time.perf_counter()
            predict(data)
            latencies.append(time.perf_counter() - before)
        elapsed, cpu = time.perf_counter() - start, time.process_time() - cpu
    requests = len(latencies) * joined
    return {
        "requests": requests,
        "seconds": elapsed,
        "p50_ms": statistics.median(latencies) * 1e3,
        "p99_ms": statistics.quantiles(latencies, n=100)[98] * 1e3,
        "non_2xx": 0,
        "socket_errors": 0,
        "cpu_s": cpu,
    }


def main() -> None:
    workload, folder, seconds = WORKLOADS[sys.argv[1]], sys.argv[2], float(sys.argv[3])
    predict = load(workload, folder)
    data = prepare(workload, workload.rows)
    predict(data)
    print("ready", flush=True)
    loads = {"1": measure(predict, data, seconds, 1)}
    loads["64"] = measure(predict, prepare(workload, workload.rows * 64), seconds, 64)
    print(json.dumps(loads), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
