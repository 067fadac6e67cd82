"""The whole comparison: `python -m benchmarks.run`. Servers take turns in random order within each round."""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import distributions
from pathlib import Path

from benchmarks.measure import Failed, Sample, help_seconds, measure_raw, measure_server
from benchmarks.report import SAMPLES, markdown
from benchmarks.results import Results
from benchmarks.sections import RESULTS, write_section
from benchmarks.servers import MODEL_PYTHON, RAW, ROOT, SERVERS
from benchmarks.workloads import MODELS, WORKLOADS

LOGS = Path(".cache/bench/logs")
LIBRARIES = ("numpy", "pandas", "scikit-learn", "onnxruntime")


def main() -> int:
    options = parse()
    os.chdir(ROOT)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # unwinds: the servers are stopped
    if shutil.which("wrk") is None:
        print("wrk is not installed (Debian: apt-get install wrk)", file=sys.stderr)
        return 2
    make_models()
    LOGS.mkdir(parents=True, exist_ok=True)
    samples, failures = measure(options.workloads, options.servers, options.rounds, options.seconds)
    try:
        help_s = help_seconds()
    except (OSError, subprocess.SubprocessError) as error:
        help_s = None
        failures.append(f"modelport --help: {error}")
    facts = describe(options.rounds, options.seconds)
    results = Results(facts, failures, help_s, samples)
    SAMPLES.write_text(json.dumps(results.plain(), indent=1))
    write_section("serving", markdown(results), options.out)
    print(f"wrote {options.out}")
    return 1 if failures else 0


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.run", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=3, help="measured per server, workload and concurrency")
    parser.add_argument("--workloads", nargs="+", choices=WORKLOADS, default=list(WORKLOADS), metavar="W")
    servers = [*SERVERS, RAW]
    parser.add_argument("--servers", nargs="+", choices=servers, default=servers, metavar="S", help=", ".join(servers))
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    options.out = options.out.resolve()
    return options


def make_models() -> None:
    """Once; remove `.cache/bench/models` to have them made anew."""
    if not all((Path(MODELS) / f"{name}.json").exists() for name in WORKLOADS):
        environment = {**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true"}
        subprocess.run([MODEL_PYTHON, "-m", "benchmarks.make_models"], check=True, env=environment, timeout=600)


def measure(
    workloads: Sequence[str], servers: Sequence[str], rounds: int, seconds: float
) -> tuple[list[Sample], list[str]]:
    samples, failures = [], []
    for index in range(rounds):
        for workload in workloads:
            for server in random.sample(servers, len(servers)):
                log = LOGS / f"{server.replace(' ', '-')}-{workload}.log"
                try:
                    sample = measure_one(server, workload, seconds, log)
                except (Failed, OSError, subprocess.SubprocessError) as error:
                    failures.append(f"{server}, {workload}, round {index + 1}: {error}")
                    print(f"FAILED {failures[-1]} (its output: {log})", file=sys.stderr)
                    continue
                samples.append(sample)
                print(line(index + 1, sample), flush=True)
    return samples, failures


def measure_one(server: str, workload: str, seconds: float, log: Path) -> Sample:
    model = (Path(MODELS) / workload).resolve()
    if server == RAW:
        return measure_raw(WORKLOADS[workload], model, seconds, log)
    return measure_server(SERVERS[server], WORKLOADS[workload], model, seconds, log)


def line(index: int, sample: Sample) -> str:
    loads = "   ".join(
        f"c={count} {load.requests / load.seconds:,.0f} req/s p50 {load.p50_ms:.2f} p99 {load.p99_ms:.2f} ms"
        f" cpu {load.cpu_s / load.requests * 1000:.3f} ms"
        for count, load in sample.loads.items()
    )
    return f"{index} {sample.workload} {sample.server:<12} {loads}   ready {sample.ready_s:.1f} s"


def describe(rounds: int, seconds: float) -> dict[str, str]:
    cores = os.cpu_count()
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    facts = {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "machine": f"{cores} cores ({cpu_model()}), {platform.system()} {platform.release()}, load at the end {load}",
        "rounds": f"{rounds}, {seconds:g} s measured after 1 s of warm-up, wrk with one thread, on the same cores",
        "Python": ", ".join(f"{site} {version}" for site, version in pythons().items()),
    }
    for server in SERVERS.values():
        facts[server.name] = versions(server.site, server.distributions)
    facts["models' libraries"] = versions(".envs/mlflow-3", LIBRARIES)
    return facts


def cpu_model() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    return next((text.partition(":")[2].strip() for text in lines if text.startswith("model name")), platform.machine())


def pythons() -> dict[str, str]:
    sites = dict.fromkeys(server.site for server in SERVERS.values())
    return {site: subprocess.check_output([ROOT / site / "bin/python", "-V"], text=True).split()[1] for site in sites}


def versions(site: str, wanted: Sequence[str]) -> str:
    (folder,) = (ROOT / site / "lib").glob("python3.*/site-packages")
    found = {item.metadata["Name"].lower(): item.version for item in distributions(path=[str(folder)])}
    return ", ".join(f"{name} {found[name]}" for name in wanted if name in found)


if __name__ == "__main__":
    sys.exit(main())
