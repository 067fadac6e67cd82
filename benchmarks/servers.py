"""How each server is started and where it listens. All on 127.0.0.1, one model, their output in a file."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.workloads import Workload

ROOT = Path(__file__).resolve().parent.parent
MODEL_PYTHON = ROOT / ".envs/mlflow-3/bin/python"  # the interpreter of the models, and of the raw call
HOST = "127.0.0.1"


@dataclass(frozen=True)
class Launch:
    """One server about to be started."""

    argv: list[str]
    url: str
    ready_path: str
    score_path: str = "/invocations"
    environment: dict[str, str] = field(default_factory=dict)
    folder: Path = ROOT
    headers: dict[str, str] = field(default_factory=dict)
    """Of every request for a prediction, beside its content type."""


@dataclass(frozen=True)
class Server:
    name: str
    protocol: str  # of `Workload.body`
    distributions: tuple[str, ...]  # named in the report
    site: str  # environment that holds them
    prepare: Callable[[Workload, Path, int, Path], Launch]  # workload, model, port, scratch folder


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind((HOST, 0))
        return int(sock.getsockname()[1])


def address(port: int) -> str:
    return f"http://{HOST}:{port}"


def executable(environment: str, name: str) -> tuple[str, dict[str, str]]:
    """A command of an environment, and the PATH under which it finds its own kind first."""
    folder = ROOT / environment / "bin"
    return str(folder / name), {"PATH": f"{folder}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


def modelport(workload: Workload, model: Path, port: int, scratch: Path) -> Launch:
    command, environment = executable(".venv", "modelport")
    argv = [command, "serve", "-m", str(model), "-h", HOST, "-p", str(port), "--python", str(MODEL_PYTHON)]
    environment["MODELPORT_HOME"] = str(ROOT / ".cache/bench/modelport")
    return Launch(argv, address(port), "/ping", environment=environment)


def mlflow(workload: Workload, model: Path, port: int, scratch: Path) -> Launch:
    command, environment = executable(".envs/mlflow-3", "mlflow")
    argv = [command, "models", "serve", "-m", str(model), "-h", HOST, "-p", str(port), "--env-manager", "local"]
    return Launch(argv, address(port), "/ping", environment={**environment, "MLFLOW_DISABLE_TELEMETRY": "true"})


def mlserver(port: int, model: Path, scratch: Path, settings: dict[str, object], ready: str, score: str) -> Launch:
    """No parallel workers (the cheapest setting on this protocol and the other), no debug mode, so no access log."""
    folder = scratch / f"mlserver-{port}"
    folder.mkdir(parents=True)
    ports = {"http_port": port, "grpc_port": free_port(), "metrics_port": free_port()}
    server = {"host": HOST, "debug": False, "parallel_workers": 0, **ports}
    name = {"name": "bench", "implementation": "mlserver_mlflow.MLflowRuntime"}
    (folder / "settings.json").write_text(json.dumps(server))
    (folder / "model-settings.json").write_text(json.dumps({**name, **settings, "parameters": {"uri": str(model)}}))
    command, environment = executable(".envs/bench-mlserver", "mlserver")
    environment["MLFLOW_DISABLE_TELEMETRY"] = "true"
    return Launch([command, "start", str(folder)], address(port), ready, score, environment, folder)


def mlserver_invocations(workload: Workload, model: Path, port: int, scratch: Path) -> Launch:
    return mlserver(port, model, scratch, {}, "/ping", "/invocations")


def mlserver_v2(workload: Workload, model: Path, port: int, scratch: Path) -> Launch:
    batching: dict[str, object] = {"max_batch_size": 64, "max_batch_time": 0.005}
    return mlserver(port, model, scratch, batching, "/v2/models/bench/ready", "/v2/models/bench/infer")


def litserve(workload: Workload, model: Path, port: int, scratch: Path) -> Launch:
    command, environment = executable(".envs/bench-litserve", "python")
    argv = [command, "-m", "benchmarks.peers.litserve_app", workload.name, str(model), str(port)]
    return Launch(argv, address(port), "/health", environment=environment)


SERVERS = {
    server.name: server
    for server in (
        Server("modelport", "mlflow", ("modelport", "uvloop", "httptools", "orjson"), ".venv", modelport),
        Server("mlflow", "mlflow", ("mlflow", "uvicorn", "fastapi"), ".envs/mlflow-3", mlflow),
        Server("mlserver-inv", "mlflow", ("mlserver", "mlserver-mlflow"), ".envs/bench-mlserver", mlserver_invocations),
        Server("mlserver-v2", "v2", ("mlserver", "mlserver-mlflow"), ".envs/bench-mlserver", mlserver_v2),
        Server("litserve", "mlflow", ("litserve", "uvicorn"), ".envs/bench-litserve", litserve),
    )
}
RAW = "raw call"
PEERS = ("mlflow", "mlserver-inv", "mlserver-v2", "litserve")
