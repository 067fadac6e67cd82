"""One server under one workload: started, asked for the right answer, loaded, asked again, left idle, stopped."""

from __future__ import annotations

import http.client
import json
import math
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.processes import Tree, started
from benchmarks.servers import MODEL_PYTHON, RAW, ROOT, Launch, Server, executable, free_port
from benchmarks.workloads import Workload

CONCURRENCIES = (1, 64)
READY_LIMIT = 120.0
IDLE_SECONDS = 5.0


class Failed(Exception):
    """This server cannot be measured under this workload; the message says why."""


@dataclass(frozen=True)
class Load:
    """One wrk run. `cpu_s` is that of the whole server tree meanwhile."""

    requests: int
    seconds: float
    p50_ms: float
    p99_ms: float
    non_2xx: int
    socket_errors: int
    cpu_s: float


@dataclass(frozen=True)
class Sample:
    server: str
    workload: str
    loads: dict[str, Load]  # by concurrency
    ready_s: float
    pss_mib: float | None = None
    idle_cpu_percent: float | None = None  # of one core

    def plain(self) -> dict[str, Any]:
        return asdict(self)

    @staticmethod
    def parse(plain: dict[str, Any]) -> Sample:
        return Sample(**{**plain, "loads": {name: Load(**load) for name, load in plain["loads"].items()}})


def measure_server(server: Server, workload: Workload, model: Path, seconds: float, log: Path) -> Sample:
    """Raises `Failed` if it does not start in time, or answers wrongly."""
    with tempfile.TemporaryDirectory() as scratch, log.open("wb") as output:
        launch = server.prepare(workload, model, free_port(), Path(scratch))
        body = Path(scratch) / "body.json"
        body.write_bytes(workload.body(server.protocol))
        start = time.monotonic()
        with started(launch.argv, launch.folder, launch.environment, output) as tree:
            wait_ready(tree, launch)
            ready = time.monotonic() - start
            probe = Probe(launch, body, json.loads(model.with_suffix(".json").read_text()))
            probe.check()
            loads = {str(count): put_load(tree, probe, count, seconds) for count in CONCURRENCIES}
            settle(tree, probe)
            return Sample(server.name, workload.name, loads, ready, tree.pss_mib(), idle_cpu(tree))


def measure_raw(workload: Workload, model: Path, seconds: float, log: Path) -> Sample:
    argv = [str(MODEL_PYTHON), "-m", "benchmarks.raw_call", workload.name, str(model), str(seconds)]
    start = time.monotonic()
    with log.open("wb") as output, started(argv, ROOT, {}, output, pipes=True) as tree:
        lines = tree.process.stdout
        assert lines is not None
        if lines.readline() != b"ready\n":
            raise Failed("the raw call did not start")
        ready = time.monotonic() - start
        loads = {count: Load(**load) for count, load in json.loads(lines.readline()).items()}
        return Sample(RAW, workload.name, loads, ready, tree.pss_mib())


def wait_ready(tree: Tree, launch: Launch) -> None:
    deadline = time.monotonic() + READY_LIMIT
    while time.monotonic() < deadline:
        if tree.process.poll() is not None:
            raise Failed(f"ended with code {tree.process.returncode} before it was ready")
        try:
            if request(launch.url, "GET", launch.ready_path, timeout=2)[0] == 200:
                return
        except (OSError, http.client.HTTPException):
            pass  # not listening yet, or not answering
        time.sleep(0.01)
    raise Failed(f"not ready after {READY_LIMIT:g} s")


def request(
    url: str,
    method: str,
    path: str,
    body: bytes | None = None,
    *,
    timeout: float,
    headers: dict[str, str] | None = None,
) -> tuple[int, bytes]:
    host = urlsplit(url)
    connection = http.client.HTTPConnection(host.hostname or "", host.port, timeout=timeout)
    try:
        content = {"Content-Type": "application/json"} if body else {}
        connection.request(method, path, body, {**content, **(headers or {})})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()


@dataclass(frozen=True)
class Probe:
    """The one request of a workload, and the numbers that answer it."""

    launch: Launch
    body: Path
    expected: list[float] | None = None  # None: any answer will do

    @property
    def url(self) -> str:
        return self.launch.url + self.launch.score_path

    def check(self) -> None:
        """A fast wrong answer is worth nothing; protocols differ, the numbers in them may not."""
        launch, body = self.launch, self.body.read_bytes()
        status, answer = request(launch.url, "POST", launch.score_path, body, timeout=60, headers=launch.headers)
        if status != 200:
            raise Failed(f"answered {status}: {answer[:500]!r}")
        if self.expected is None:
            return
        numbers = _numbers(json.loads(answer))
        if len(numbers) != len(self.expected) or not all(map(_close, numbers, self.expected)):
            raise Failed(f"answered {numbers[:5]}, not {self.expected[:5]}")


def _close(one: float, other: float) -> bool:
    return math.isclose(one, other, rel_tol=1e-4, abs_tol=1e-5)


def _numbers(answer: Any) -> list[float]:
    """The predictions of either protocol, flattened: `predictions` or the data of V2's `outputs`."""
    if "outputs" in answer:
        answer = [output["data"] for output in answer["outputs"]]
    else:
        answer = answer["predictions"]
    flat, rest = [], [answer]
    while rest:
        value = rest.pop()
        if isinstance(value, dict):
            rest.extend(value.values())
        elif isinstance(value, list):
            rest.extend(reversed(value))
        else:
            flat.append(float(value))
    return flat


def put_load(tree: Tree, probe: Probe, concurrency: int, seconds: float) -> Load:
    """One second of warm-up, then the measured run."""
    wrk(probe, concurrency, 1.0)
    settle(tree, probe)
    before = tree.cpu_seconds()
    result = wrk(probe, concurrency, seconds)
    load = Load(**result, cpu_s=tree.cpu_seconds() - before)
    if not load.requests:
        raise Failed(f"no request was answered at concurrency {concurrency}")
    return load


def settle(tree: Tree, probe: Probe) -> None:
    """Let the server finish what closed connections left behind: one more answer comes after most of it."""
    probe.check()
    tree.settle()


def wrk(probe: Probe, concurrency: int, seconds: float) -> dict[str, Any]:
    # A long timeout: slow answers shall show as latency, not as errors.
    script = str(ROOT / "benchmarks/post.lua")
    duration = f"{max(1, round(seconds))}s"  # wrk counts in whole seconds
    argv = ["wrk", "-t1", f"-c{concurrency}", f"-d{duration}", "--timeout", "30s", "-s", script]
    argv += [argument for name, value in probe.launch.headers.items() for argument in ("-H", f"{name}: {value}")]
    argv += [probe.url, "--", str(probe.body)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=seconds + 60)
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if done.returncode or not lines:
        raise Failed(f"wrk: {done.stderr.strip() or done.stdout.strip()}")
    result: dict[str, Any] = json.loads(lines[-1])
    return result


def idle_cpu(tree: Tree) -> float:
    before, start = tree.running_seconds(), time.monotonic()
    time.sleep(IDLE_SECONDS)
    return 100 * (tree.running_seconds() - before) / (time.monotonic() - start)


def help_seconds(runs: int = 7) -> float:
    """Median wall time of `modelport --help`."""
    return statistics.median(_wall([executable(".venv", "modelport")[0], "--help"]) for _ in range(runs))


def _wall(argv: Sequence[str]) -> float:
    start = time.monotonic()
    subprocess.run(argv, check=True, capture_output=True, timeout=30)
    return time.monotonic() - start
