"""An endpoint of `modelport up` beside `modelport serve`, and what control takes: `python -m benchmarks.endpoints`.

Both servers are up at once, with the same model, interpreter and key, and are asked in turn, a second at a time.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from benchmarks.measure import CONCURRENCIES, Load, Probe, wait_ready, wrk
from benchmarks.processes import Tree, started
from benchmarks.run import LOGS, cpu_model, make_models
from benchmarks.sections import RESULTS, write_section
from benchmarks.servers import HOST, ROOT, Launch, address, free_port
from benchmarks.workloads import MODELS, WORKLOADS
from modelport.client import Client
from modelport.domain.credentials import Keys
from modelport.domain.online_deployment import OnlineDeploymentSpec
from modelport.domain.online_endpoint import OnlineEndpointSpec

COMMAND = [sys.executable, "-c", "from modelport.cli import main; main()"]
WORKLOAD = "w1"
KEY = "the-key-of-the-benchmark"
ENDPOINTS = 200
LOAD = """
import json, sys, pandas
from modelport.pyfunc import load_model
model = load_model(sys.argv[1])
split = json.loads(open(sys.argv[2]).read())["dataframe_split"]
model.predict(pandas.DataFrame(split["data"], columns=split["columns"]))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15, help="pairs of seconds for each concurrency")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    os.chdir(ROOT)
    os.environ["MODELPORT_ENV_MANAGER"] = "local"
    make_models()
    LOGS.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bench = Bench(stack, scratch)
        text = report(bench.loads(options.rounds), bench.ready(8), bench.listing(30))
    print(text)
    write_section("endpoints", text, options.out)
    return 0


class Bench:
    """Both servers, running."""

    def __init__(self, stack: ExitStack, scratch: Path) -> None:
        self.scratch = scratch
        workload = WORKLOADS[WORKLOAD]
        self.model = (Path(MODELS) / WORKLOAD).resolve()
        self.body = scratch / "body.json"
        self.body.write_bytes(workload.body("mlflow"))
        self.expected = json.loads(self.model.with_suffix(".json").read_text())
        self.servers = {"serve": self._serve(stack), "up": self._up(stack)}

    def _serve(self, stack: ExitStack) -> tuple[Tree, Probe]:
        port = free_port()
        argv = [*COMMAND, "serve", "-m", str(self.model), "-p", str(port), "--api-key", KEY]
        headers = {"Authorization": f"Bearer {KEY}"}
        environment = {"MODELPORT_HOME": str(self.scratch / "serve")}
        return self._started(stack, Launch(argv, address(port), "/ping", environment=environment, headers=headers))

    def _up(self, stack: ExitStack) -> tuple[Tree, Probe]:
        port, scoring_port = free_port(), free_port()
        home = self.scratch / "up"
        argv = [*COMMAND, "up", "--host", HOST, "--port", str(port), "--scoring-port", str(scoring_port)]
        environment = {"MODELPORT_HOME": str(home)}
        launch = Launch(argv, address(scoring_port), "/ping", environment=environment)
        output = stack.enter_context((LOGS / "endpoints-up.log").open("wb"))
        tree = stack.enter_context(started(launch.argv, launch.folder, launch.environment, output))
        wait_ready(tree, launch)
        while not (home / "admin.key").exists():
            time.sleep(0.05)
        self.client = Client(address(port), (home / "admin.key").read_text().strip())
        self.client.create_online_endpoint(OnlineEndpointSpec(name="bench"))
        self.client.wait_for_online_endpoint("bench")
        self._deploy("blue", all_traffic=True)
        keys = self.client.get_credentials("bench")
        assert isinstance(keys, Keys)
        launch = Launch(
            argv,
            address(scoring_port),
            "/ping",
            "/endpoints/bench/invocations",
            headers={"Authorization": f"Bearer {keys.primary_key}"},
        )
        return tree, Probe(launch, self.body, self.expected)

    def _started(self, stack: ExitStack, launch: Launch) -> tuple[Tree, Probe]:
        output = stack.enter_context((LOGS / "endpoints-serve.log").open("wb"))
        tree = stack.enter_context(started(launch.argv, launch.folder, launch.environment, output))
        wait_ready(tree, launch)
        return tree, Probe(launch, self.body, self.expected)

    def _deploy(self, name: str, all_traffic: bool = False) -> None:
        model = {"name": "bench", "path": str(self.model), "type": "mlflow_model"}
        spec = OnlineDeploymentSpec.read({"name": name, "endpoint_name": "bench", "model": model}, "the benchmark")
        self.client.create_online_deployment(spec, all_traffic=all_traffic)
        self.client.wait_for_online_deployment("bench", name)

    def loads(self, rounds: int) -> dict[int, list[dict[str, Load]]]:
        """Concurrency → pairs."""
        for _, probe in self.servers.values():
            probe.check()
            for count in CONCURRENCIES:
                wrk(probe, count, 1)
        found: dict[int, list[dict[str, Load]]] = {count: [] for count in CONCURRENCIES}
        for _ in range(rounds):
            for count in CONCURRENCIES:
                pair = {}
                for name in random.sample(list(self.servers), 2):
                    pair[name] = Load(**wrk(self.servers[name][1], count, 1), cpu_s=0.0)
                found[count].append(pair)
        return found

    def ready(self, rounds: int) -> tuple[list[float], list[float]]:
        """Seconds until a second deployment answers, and of loading the model bare and predicting once."""
        ours, bare = [], []
        for _ in range(rounds):
            began = time.perf_counter()
            self._deploy("green")
            ours.append(time.perf_counter() - began)
            self.client.delete_online_deployment("bench", "green")
            self.client.wait_until_online_deployment_is_gone("bench", "green")
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", LOAD, self.model, self.body], check=True, capture_output=True)
            bare.append(time.perf_counter() - began)
        return ours, bare

    def listing(self, rounds: int) -> dict[str, list[float]]:
        """Seconds of a list of all endpoints, right after they were made and when there is nothing left to do."""
        for number in range(ENDPOINTS - 1):
            self.client.create_online_endpoint(OnlineEndpointSpec(name=f"bench-{number}"))
        found = {"right after they were made": self._lists(rounds)}
        for number in range(ENDPOINTS - 1):
            self.client.wait_for_online_endpoint(f"bench-{number}")
        found["later"] = self._lists(rounds)
        return found

    def _lists(self, rounds: int) -> list[float]:
        seconds = []
        for _ in range(rounds):
            began = time.perf_counter()
            assert len(self.client.list_online_endpoints()) == ENDPOINTS
            seconds.append(time.perf_counter() - began)
        return seconds


def report(
    loads: dict[int, list[dict[str, Load]]], ready: tuple[list[float], list[float]], listing: dict[str, list[float]]
) -> str:
    lines = [
        "## Endpoints",
        "",
        f"`make bench-endpoints`; {cpu_model()}, {os.cpu_count()} cores. Medians; ratios are medians of pairs, with quartiles.",
        "",
        "| what | serve | up | up / serve |",
        "|---|---|---|---|",
    ]
    for count, pairs in loads.items():
        of: dict[str, Callable[[Load], float]] = {
            "req/s": lambda load: load.requests / load.seconds,
            "p50 ms": lambda load: load.p50_ms,
        }
        for name, value in of.items():
            serve, up = ([value(pair[side]) for pair in pairs] for side in ("serve", "up"))
            low, middle, high = statistics.quantiles([b / a for a, b in zip(serve, up, strict=True)], n=4)
            medians = f"{statistics.median(serve):.4g} | {statistics.median(up):.4g}"
            lines.append(f"| W1, {count} at once: {name} | {medians} | {middle:.3f} ({low:.2f} to {high:.2f}) |")
    ours, bare = map(statistics.median, ready)
    lines += [
        "",
        f"A second deployment in a known environment answers after {ours:.2f} s; the model loaded bare, with one prediction, "
        f"takes {bare:.2f} s: {ours - 1.2 * bare:+.2f} s beside 1.2 times that.",
        "",
        f"A list of {ENDPOINTS} endpoints takes "
        + " and ".join(
            f"{statistics.median(seconds) * 1000:.1f} ms {when} (worst of {len(seconds)}: {max(seconds) * 1000:.1f} ms)"
            for when, seconds in listing.items()
        )
        + ".",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
