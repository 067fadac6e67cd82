"""What HTTP alone costs: `python -m benchmarks.http_stacks` echoes W1's body on modelport's protocol and on uvicorn."""

from __future__ import annotations

import argparse
import os
import random
import tempfile
from pathlib import Path

from benchmarks.measure import CONCURRENCIES, Load, Probe, put_load, wait_ready
from benchmarks.processes import started
from benchmarks.report import number
from benchmarks.results import Cell
from benchmarks.servers import HOST, ROOT, Launch, address, executable, free_port
from benchmarks.workloads import WORKLOADS


def protocol(port: int) -> Launch:
    command, environment = executable(".venv", "python")
    argv = [command, "-m", "benchmarks.echo_protocol", str(port)]
    return Launch(argv, address(port), "/ping", environment=environment)


def uvicorn(port: int) -> Launch:
    command, environment = executable(".envs/bench-litserve", "python")
    options = ["--loop", "uvloop", "--http", "httptools", "--no-access-log", "--host", HOST, "--port", str(port)]
    argv = [command, "-m", "uvicorn", "benchmarks.peers.echo_asgi:app", *options]
    return Launch(argv, address(port), "/ping", environment=environment)


STACKS = {"modelport's protocol": protocol, "uvicorn, bare ASGI": uvicorn}


def measure(name: str, seconds: float) -> dict[int, Load]:
    with tempfile.TemporaryDirectory() as scratch, open(os.devnull, "wb") as output:
        body = Path(scratch) / "body.json"
        body.write_bytes(WORKLOADS["w1"].body("mlflow"))
        launch = STACKS[name](free_port())
        with started(launch.argv, launch.folder, launch.environment, output) as tree:
            wait_ready(tree, launch)
            return {count: put_load(tree, Probe(launch, body), count, seconds) for count in CONCURRENCIES}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.http_stacks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3)
    options = parser.parse_args()
    os.chdir(ROOT)
    loads: dict[tuple[str, int], list[Load]] = {}
    for _ in range(options.rounds):
        for name in random.sample(list(STACKS), len(STACKS)):
            for count, load in measure(name, options.seconds).items():
                loads.setdefault((name, count), []).append(load)
    print("| stack | c | req/s | p50 ms | p99 ms | CPU ms/req | errors |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    for (name, count), runs in sorted(loads.items(), key=lambda item: item[0][1]):
        cell = Cell.of(runs)
        values = " | ".join(number(value) for value in (cell.rps, cell.p50_ms, cell.p99_ms, cell.cpu_ms))
        print(f"| {name} | {count} | {values} | {cell.errors} |")


if __name__ == "__main__":
    main()
